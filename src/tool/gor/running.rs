//! A plan carried out: inputs, what is done to their records, and outputs, in one process.
//!
//! ```text
//! inputs ─► middleware ─► filters and rewrites ─► queue ─► file, standard output, another gor…
//!                                              ├► queue ─► server ─► replayed responses ─┐
//!                                              └► queue ─► …          ◄──────────────────┘
//! ```

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::fan_out::{Branch, BranchOptions, FanOut, OutputsEnd, Sharing, Takes};
use super::feedback::{Feedback, feedback};
use super::plan::{OutputPlace, PlaceKind, Plan, PlannedOutput};
use super::servers::{Prettified, Running, ServerEnd};
use super::sources::{Sources, can_wait};
use super::steps::{StepStage, through};
use crate::cli::{self, Exit, Report, Reporting, Tool, note, signals};
use crate::endpoint::{self, Dropped, ListenOptions, Notice, ReadOptions, SendOptions, WriteOptions};
use crate::middleware::{Command, Middleware, MiddlewareOptions};
use crate::observe::Count;
use crate::record::{Sink, pipe};
use crate::replay::{self, ReplaySummary};
use crate::transform::Pass;
use crate::{Dialect, Error, Result};

/// How long the middleware may neither read nor write while there is something to do for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a step may take to end after a failure.
const STEP_END: Duration = Duration::from_millis(500);

/// Longest record that a middleware may send back.
const MAX_ANSWER: u64 = 256 << 20;

/// Records that may wait for an output that is no server.
const NO_LIMIT: usize = usize::MAX;

/// Carries out a plan.
pub(super) fn run(plan: &Plan, reporting: &Reporting) -> anyhow::Result<Exit> {
    // Buffers are many and small, and huge pages would double the memory that they take. Without the right it stays so.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let names: Vec<String> = plan
        .outputs
        .iter()
        .filter_map(|output| match output {
            PlannedOutput::Place(place) => Some(place.name.clone()),
            PlannedOutput::Server(_) => None,
        })
        .collect();
    let tell: fn(&Notice<'_>) = if plan.verbosity > 0 {
        |notice| note(notice)
    } else {
        |notice| {
            if !notice.is_detail() {
                note(notice);
            }
        }
    };
    let listening = ListenOptions { tls: plan.server_tls.clone(), ..ListenOptions::default() };
    let reading = ReadOptions { tell, listening, is_lenient: true, ..ReadOptions::default() };
    let tool = Tool::with(reading, &names, reporting)?;
    let is_stopping = Arc::clone(&tool.reading.is_stopping);
    signals::pausing(|stop| replay::pause(stop))?;
    cli::raise_descriptor_limit();
    let stages = plan.steps.iter().map(StepStage::new).collect::<Result<Vec<_>>>()?;
    // Only the middleware has to see replayed responses among the other records.
    let returning = (plan.middleware.is_some() && plan.tracks_responses).then(|| feedback(plan.inputs.len()));
    let mut sources = Sources::open(plan, &tool.reading, returning.as_ref().map(|(feedback, _)| feedback))?;
    let (feedback, returning) = returning.unzip();
    let is_over = match plan.exit_after {
        Some(time) => signals::stop_after(time, &is_stopping)?,
        None => Arc::default(),
    };
    let mut outputs = Outputs::open(plan, &tool.reading, feedback.as_ref())?;
    let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let mut source = sources.join(returning)?;
    let mut traffic = None;
    if let Some(program) = &plan.middleware {
        let options = MiddlewareOptions {
            patience: PATIENCE,
            max_record: MAX_ANSWER,
            // It drops a record by not sending it back.
            may_drop: true,
        };
        let child = Middleware::start(&Command::split_at_blanks(program), source, options)?;
        traffic = Some(child.traffic());
        source = Box::new(child);
    }
    let mut steps = Vec::new();
    let mut stages = stages.into_iter().peekable();
    let mut last = None;
    while let Some(stage) = stages.next() {
        if stages.peek().is_none() {
            last = Some(stage);
            break;
        }
        let (piped, thread) = through(source, stage, threads)?;
        source = Box::new(piped);
        steps.push(thread);
    }
    let (intake, copied) = match &mut last {
        None => tool.run(source, &mut Pass::default(), outputs.sink(), Some(NonZeroUsize::MIN)),
        Some(StepStage::Filter(stage)) => tool.run(source, &mut **stage, outputs.sink(), Some(threads)),
        Some(StepStage::Rewrite(stage)) => tool.run(source, &mut **stage, outputs.sink(), Some(threads)),
    };
    let ended = outputs.end(&is_stopping);
    let steps: Vec<StepStage> =
        steps.into_iter().filter_map(|thread| joined(thread, copied.is_err())).chain(last).collect();
    let mut report = Report::default();
    for step in &steps {
        step.report(&mut report);
    }
    if tool.had_no_record(&intake, &copied) {
        report.remark("there was no record in the input");
    }
    let mut is_lost = false;
    for packets in &sources.packets {
        is_lost |= packets.report(&mut report);
    }
    if let Some(balance) = traffic.map(|traffic| traffic.balance())
        && balance.given > 0
        && balance.returned + balance.own == 0
    {
        is_lost = true;
        report.loss(format_args!("the middleware sent nothing back of {}", Count(balance.given, "record")));
    }
    let has_ended_early = is_stopping.load(Ordering::Relaxed) && !is_over.load(Ordering::Relaxed);
    if has_ended_early {
        report.remark("ended by a signal");
    }
    is_lost |= ended.report(plan, &mut report);
    let (copied, is_full) = ended.judge(copied, &mut report);
    report.tell(reporting, copied)?;
    // Scripts give a time to end GoReplay, which runs on otherwise, and take any other status for a failure of theirs.
    let has_losses = (ended.has_losses() || is_full) && plan.exit_after.is_none();
    Ok(if is_lost || has_losses || has_ended_early { Exit::Lost } else { Exit::Done })
}

/// A step once its thread has ended. One that has panicked has said so itself, and its pipe has failed.
///
/// After a failure, it may wait for input that never comes, and is left alone.
fn joined(thread: JoinHandle<StepStage>, has_failed: bool) -> Option<StepStage> {
    let until = Instant::now() + STEP_END;
    while has_failed && !thread.is_finished() {
        if Instant::now() > until {
            return None;
        }
        thread::sleep(Duration::from_millis(5));
    }
    thread.join().ok()
}

/// Where the records of the copy loop go.
enum Outputs {
    /// To the only output there is.
    One(Box<dyn Sink + Send>),
    /// To several, or to a server.
    Several { fan_out: Box<FanOut>, servers: Vec<Running> },
}

/// What came of the outputs.
struct AllEnded {
    outputs: OutputsEnd,
    servers: Vec<ServerEnd>,
}

impl AllEnded {
    /// Whether exchanges were dropped, or requests not answered.
    fn has_losses(&self) -> bool {
        let has_losses = |server: &ServerEnd| {
            server.outcome.as_ref().is_ok_and(|outcome| outcome.has_failures() || server.left(outcome) > 0)
        };
        !self.outputs.dropped.is_empty() || self.servers.iter().any(has_losses)
    }

    /// Says what is missing. Whether an output has failed.
    fn report(&self, plan: &Plan, report: &mut Report) -> bool {
        for (name, Dropped { requests, responses }) in &self.outputs.dropped {
            report.loss(format_args!(
                "{name}: too slow: {} and {} were dropped",
                Count(*requests, "request"),
                Count(*responses, "response")
            ));
        }
        let mut is_lost = false;
        for server in &self.servers {
            match &server.outcome {
                Ok(outcome) => {
                    if server.is_to_be_told(outcome) || plan.verbosity > 0 || plan.stats.is_some() {
                        cli::report(format_args!("{}", ReplaySummary(outcome)));
                    }
                    if let left @ 1.. = server.left(outcome) {
                        let left = Count(left, "request");
                        report.loss(format_args!("{}: {left} not sent, as the run was ended", server.name));
                    }
                }
                // Why was told when it ended.
                Err(_) => is_lost = true,
            }
        }
        let is_failure = |error: &Error| !is_size_reached(error) && !error.is_broken_pipe();
        is_lost || self.outputs.errors.iter().any(is_failure)
    }

    /// What is left to tell of the copy loop, and whether a limit on size has ended it, or an output.
    fn judge(&self, copied: Result<()>, report: &mut Report) -> (Result<()>, bool) {
        let is_full = self.outputs.errors.iter().any(is_size_reached);
        match copied {
            // Why outputs ended was told.
            _ if !self.outputs.errors.is_empty() => (Ok(()), is_full),
            Err(error) if is_size_reached(&error) => {
                report.loss("--output-file-max-size-limit is reached; what came then is not written");
                (Ok(()), true)
            }
            copied => (copied, false),
        }
    }
}

fn is_size_reached(error: &Error) -> bool {
    matches!(error, Error::SizeReached { .. })
}

impl Outputs {
    fn open(plan: &Plan, reading: &ReadOptions, feedback: Option<&Feedback>) -> Result<Self> {
        if let [PlannedOutput::Place(place)] = &plan.outputs[..]
            && place.share.is_none()
        {
            return Ok(Outputs::One(place_sink(place, plan, reading)?));
        }
        let sharing = match (plan.splits, plan.keeps_sessions) {
            (false, _) => Sharing::Copies,
            (true, false) => Sharing::Exchanges,
            (true, true) => Sharing::Sessions,
        };
        let reopening = signals::reopening()?;
        // Files wait for a slow output, but never so that others for which time matters are held up.
        let can_wait = can_wait(&plan.inputs);
        let is_alone = plan.outputs.iter().filter(|output| output.is_live()).count() <= 1;
        let by_clock = plan.is_paced();
        let mut branches = Vec::new();
        let mut ways = Vec::new();
        // All places first, so that none is written to if another cannot be.
        for output in &plan.outputs {
            if let PlannedOutput::Place(place) = output {
                let sink = place_sink(place, plan, reading)?;
                let waits = can_wait && (is_alone || !output.is_live());
                let options =
                    BranchOptions { share: place.share, by_clock, takes: Takes::All, most: NO_LIMIT, waits };
                branches.push(Branch::start(place.name.clone(), sink, options, Arc::clone(&reopening))?);
            }
        }
        for output in &plan.outputs {
            if let PlannedOutput::Server(server) = output {
                let (sink, source) = pipe();
                let sink = Box::new(sink.ending());
                let (share, takes, most) = (server.share, Takes::Requests, server.queue);
                let options = BranchOptions { share, by_clock, takes, most, waits: can_wait && is_alone };
                let branch = Branch::start(server.name.clone(), sink, options, Arc::clone(&reopening))?;
                ways.push((server, source, branch.entered()));
                branches.push(branch);
            }
        }
        let fan_out = FanOut::new(branches, sharing);
        let mut servers = Vec::new();
        for (server, source, entered) in ways {
            let out: Option<Box<dyn Sink + Send>> = match (feedback, server.tracks_responses) {
                (_, false) => None,
                (Some(feedback), true) => Some(feedback.sink()),
                (None, true) if plan.prettifies => Some(Box::new(Prettified::start(fan_out.returns())?)),
                (None, true) => Some(Box::new(fan_out.returns())),
            };
            let in_flight = feedback.map(|feedback| feedback.watch(Arc::clone(&entered)));
            servers.push(Running::start(plan, server, source, out, entered, in_flight)?);
        }
        Ok(Outputs::Several { fan_out: Box::new(fan_out), servers })
    }

    fn sink(&mut self) -> &mut dyn Sink {
        match self {
            Outputs::One(sink) => sink,
            Outputs::Several { fan_out, .. } => &mut **fan_out,
        }
    }

    /// Waits until all is written and answered.
    fn end(self, is_stopping: &Arc<AtomicBool>) -> AllEnded {
        let Outputs::Several { fan_out, servers } = self else {
            return AllEnded { outputs: OutputsEnd::default(), servers: Vec::new() };
        };
        let mut ended = Vec::new();
        for running in &servers {
            running.leave_after_timeout(is_stopping);
        }
        let outputs = (*fan_out).end(|| {
            for running in servers {
                let outcome = running.thread.join().unwrap_or_else(|_| {
                    Err(Error::Invalid("a thread ended before its work was done".to_owned()))
                });
                let entered = running.entered.load(Ordering::Relaxed);
                ended.push(ServerEnd { name: running.name, entered, outcome });
            }
        });
        AllEnded { outputs, servers: ended }
    }
}

/// A place, opened for writing.
fn place_sink(place: &OutputPlace, plan: &Plan, reading: &ReadOptions) -> Result<Box<dyn Sink + Send>> {
    let mut how = WriteOptions {
        dialect: Dialect::GoReplay,
        clock: local_time,
        tell: Some(|text| note(text)),
        services: Arc::clone(&reading.services),
        kafka: plan.kafka_output.clone(),
        ..WriteOptions::default()
    };
    match &place.kind {
        PlaceKind::Stream => {}
        PlaceKind::Topic => how.sending.is_stopping = Arc::clone(&reading.is_stopping),
        PlaceKind::File(file) => {
            how.appends = file.appends;
            how.chunk_size = file.chunk_size;
            how.chunk_records = file.chunk_records;
            how.max_size = file.max_size;
            how.flush_interval = file.flush_interval;
            // As with GoReplay, it means nothing to other files.
            if place.name.starts_with("s3://") {
                how.objects.spool = file.spool.as_ref().map(Into::into);
            }
        }
        PlaceKind::Network { connections, is_sticky, tls } => {
            how.sending = SendOptions {
                tls: tls.clone(),
                connections: *connections,
                is_sticky: *is_sticky,
                waits_for_receiver: true,
                is_stopping: Arc::clone(&reading.is_stopping),
                ..SendOptions::default()
            };
        }
    }
    endpoint::create(std::slice::from_ref(&place.name), &how)
}

/// The time as clocks on the wall show it, which is what GoReplay puts into names.
fn local_time() -> Timestamp {
    let now = Timestamp::now();
    let offset = TimeZone::system().to_offset(now).seconds();
    now.checked_add(SignedDuration::from_secs(offset.into())).unwrap_or(now)
}
