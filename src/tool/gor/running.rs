//! A plan carried out: inputs, what is done to their records, and outputs, in one process.
//!
//! ```text
//! inputs ─► middleware ─► filters and rewrites ─► queue ─► file, standard output, another gor…
//!                                              ├► queue ─► server ─► replayed responses ─┐
//!                                              └► queue ─► …          ◄──────────────────┘
//! ```

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Parser as _;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::fan_out::{Branch, FanOut, OutputsEnd, Sharing, Takes};
use super::feedback::{Feedback, feedback};
use super::plan::{Output, Place, PlaceKind, Plan, Server, Step};
use super::sources::{Sources, can_wait, wrong};
use crate::cli::{self, Every, Exit, Report, Reporting, Tool, note, signals};
use crate::endpoint::{
    self, Dialect, Dropped, ListenOptions, Notice, ReadOptions, SendOptions, WriteOptions,
};
use crate::middleware::{Command, Middleware, MiddlewareOptions};
use crate::observe::Count;
use crate::pace::Speed;
use crate::pace::{Pace, Tempo};
use crate::pipeline;
use crate::record::{Intake, PipeSource, Sink, Source, pipe};
use crate::replay::{
    self, InputPart, Outcome, ReplaySummary, SessionMode, Settings, Split, Stop, Supply, WhenSlow,
};
use crate::tls::TlsOptions;
use crate::tool::{filter, rewrite};
use crate::transform::rewrite::Rewriting;
use crate::transform::{Filter, Filtering, Pass, Selection};
use crate::{Error, Result};

/// Connections to a server, unless told otherwise.
const CONNECTIONS: usize = 1024;

/// How long the middleware may neither read nor write while there is something to do for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Records that may wait for an output that is no server.
const NO_LIMIT: usize = usize::MAX;

/// What is done to the records, as stages of the copy loop.
enum StepStage {
    Filter(Box<Filtering>),
    Rewrite(Box<Rewriting>),
}

impl StepStage {
    fn new(step: &Step) -> Result<Self> {
        let words = |name: &str, args: &[String]| -> Vec<String> {
            std::iter::once(name.to_owned()).chain(args.iter().cloned()).collect()
        };
        match step {
            Step::Filter(args) => {
                let args = filter::Args::try_parse_from(words("gor-filter", args))
                    .map_err(|error| wrong("filters", &error))?;
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                let rules = args.rules(i64::try_from(now.as_nanos()).unwrap_or(i64::MAX));
                let filter = Filter::new(rules.clone()).map_err(|error| {
                    Error::Usage(format!("the patterns cannot be used together: {error}"))
                })?;
                Ok(StepStage::Filter(Box::new(Filtering::new(filter, Selection::new(args.choice(), &rules)))))
            }
            Step::Rewrite(args) => {
                let line = rewrite::CommandLine::of_words(&words("gor-rewrite", args))
                    .map_err(|error| wrong("rewrites", &error))?;
                Ok(StepStage::Rewrite(Box::new(line.rewriting())))
            }
        }
    }

    /// Copies from a source to a sink through this.
    fn copy(
        &mut self,
        source: impl Source + Send + 'static,
        sink: &mut dyn Sink,
        threads: NonZeroUsize,
    ) -> (Intake, Result<()>) {
        match self {
            StepStage::Filter(stage) => pipeline::run(source, &mut **stage, sink, threads),
            StepStage::Rewrite(stage) => pipeline::run(source, &mut **stage, sink, threads),
        }
    }

    /// Says what is missing.
    fn report(&self, report: &mut Report) {
        match self {
            StepStage::Filter(stage) => filter::losses(&stage.tally(), report),
            StepStage::Rewrite(stage) => {
                if let Some(said) = rewrite::unchanged(stage.tally()) {
                    report.remark(said);
                }
            }
        }
    }
}

/// A source of what another becomes by a step, on a thread of its own; and the step once that has ended.
fn through(
    source: Box<dyn Source + Send>,
    mut stage: StepStage,
    threads: NonZeroUsize,
) -> Result<(PipeSource, JoinHandle<StepStage>)> {
    let (mut sink, out) = pipe();
    let thread = thread::Builder::new().name("step".to_owned()).spawn(move || {
        let (intake, result) = stage.copy(source, &mut sink, threads);
        sink.end(intake, result);
        stage
    })?;
    Ok((out, thread))
}

/// Carries out a plan.
pub(super) fn run(plan: &Plan, reporting: &Reporting) -> anyhow::Result<Exit> {
    let names: Vec<String> = plan
        .outputs
        .iter()
        .filter_map(|output| match output {
            Output::Place(place) => Some(place.name.clone()),
            Output::Server(_) => None,
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
    let reading =
        ReadOptions { tell, listening, is_searched: !plan.steps.is_empty(), ..ReadOptions::default() };
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
    if let Some(program) = &plan.middleware {
        let options = MiddlewareOptions {
            patience: PATIENCE,
            max_record: tool.reading.max_record,
            // It drops a record by not sending it back.
            may_drop: true,
        };
        source = Box::new(Middleware::start(&Command::split_at_blanks(program), source, options)?);
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

    let mut report = Report::default();
    // A thread that has panicked has said so itself, and its pipe has failed.
    let steps: Vec<StepStage> = steps.into_iter().filter_map(|thread| thread.join().ok()).collect();
    steps.iter().chain(&last).for_each(|step| step.report(&mut report));
    let mut has_losses = false;
    let mut has_failed = false;
    for packets in &sources.packets {
        has_failed |= packets.report(&mut report);
    }
    for (name, Dropped { requests, responses }) in &ended.outputs.dropped {
        has_losses = true;
        report.loss(format_args!(
            "{name}: too slow: {} and {} were dropped",
            Count(*requests, "request"),
            Count(*responses, "response")
        ));
    }
    for (server, outcome) in &ended.servers {
        match outcome {
            Ok(outcome) => {
                has_losses |= outcome.has_failures();
                if outcome.has_failures() || plan.verbosity > 0 || plan.stats.is_some() {
                    cli::report(format_args!("{}", ReplaySummary(outcome)));
                }
            }
            Err(error) => {
                has_failed = true;
                report.loss(format_args!("{server}: {error}"));
            }
        }
    }
    if tool.had_no_record(&intake, &copied) {
        report.remark("there was no record in the input");
    }
    let mut errors = ended.outputs.errors.iter().peekable();
    // What is left of an output that ended early was told.
    let copied = if errors.peek().is_some() { Ok(()) } else { copied };
    let is_full = |error: &Error| matches!(error, Error::SizeReached { .. });
    for error in errors {
        if is_full(error) {
            has_losses = true;
        } else if !error.is_broken_pipe() {
            has_failed = true;
        }
    }
    let copied = match copied {
        Err(error) if is_full(&error) => {
            has_losses = true;
            report.loss(error);
            Ok(())
        }
        other => other,
    };
    report.tell(reporting, copied)?;
    let is_interrupted = is_stopping.load(Ordering::Relaxed) && !is_over.load(Ordering::Relaxed);
    // Scripts give a time to end GoReplay, which runs on otherwise, and take any other status for a failure of theirs.
    has_losses &= plan.exit_after.is_none();
    Ok(if has_failed || has_losses || is_interrupted { Exit::Lost } else { Exit::Done })
}

/// Where the records of the copy loop go.
enum Outputs {
    /// To the only output there is.
    One(Box<dyn Sink + Send>),
    /// To several, or to a server.
    Several { fan_out: Box<FanOut>, servers: Vec<Running> },
}

/// A server's replay while it goes on.
struct Running {
    name: String,
    thread: JoinHandle<Result<Outcome>>,
    stop: Arc<AtomicBool>,
    timeout: Duration,
}

/// What came of the outputs.
struct AllEnded {
    outputs: OutputsEnd,
    servers: Vec<(String, Result<Outcome>)>,
}

impl Outputs {
    fn open(plan: &Plan, reading: &ReadOptions, feedback: Option<&Feedback>) -> Result<Self> {
        if let [Output::Place(place)] = &plan.outputs[..]
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
        let mut branches = Vec::new();
        let mut ways = Vec::new();
        // All places first, so that none is written to if another cannot be.
        for output in &plan.outputs {
            if let Output::Place(place) = output {
                let sink = place_sink(place, plan, reading)?;
                let (name, share) = (place.name.clone(), place.share);
                branches.push(Branch::start(
                    name,
                    sink,
                    share,
                    Takes::All,
                    NO_LIMIT,
                    Arc::clone(&reopening),
                )?);
            }
        }
        for output in &plan.outputs {
            if let Output::Server(server) = output {
                let (sink, source) = pipe();
                let (name, share) = (server.name.clone(), server.share);
                let sink = Box::new(sink.ending());
                let branch =
                    Branch::start(name, sink, share, Takes::Requests, server.queue, Arc::clone(&reopening))?;
                ways.push((server, source, branch.entered()));
                branches.push(branch);
            }
        }
        let fan_out = FanOut::new(branches, sharing, can_wait(&plan.inputs));
        let mut servers = Vec::new();
        for (server, source, entered) in ways {
            let out: Option<Box<dyn Sink + Send>> = match (feedback, server.tracks_responses) {
                (_, false) => None,
                (Some(feedback), true) => Some(feedback.sink()),
                (None, true) if plan.prettifies => Some(Box::new(Prettified::start(fan_out.returns())?)),
                (None, true) => Some(Box::new(fan_out.returns())),
            };
            let in_flight = feedback.as_ref().map(|feedback| feedback.watch(entered));
            servers.push(Running::start(plan, server, source, out, in_flight)?);
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
                ended.push((running.name, outcome));
            }
        });
        AllEnded { outputs, servers: ended }
    }
}

/// A place, opened for writing.
fn place_sink(place: &Place, plan: &Plan, reading: &ReadOptions) -> Result<Box<dyn Sink + Send>> {
    let mut how = WriteOptions {
        dialect: Dialect::GoReplay,
        clock: local_time,
        tell: Some(|text| note(text)),
        services: Arc::clone(&reading.services),
        kafka: plan.kafka_output.clone(),
        ..WriteOptions::default()
    };
    match &place.kind {
        PlaceKind::Stream | PlaceKind::Topic => {}
        PlaceKind::File(file) => {
            how.appends = file.appends;
            how.chunk_size = file.chunk_size;
            how.chunk_records = file.chunk_records;
            how.max_size = file.max_size;
            how.flush_interval = file.flush_interval;
            how.objects.spool = file.spool.as_ref().map(Into::into);
        }
        PlaceKind::Network { connections, is_sticky, tls } => {
            how.sending = SendOptions {
                tls: tls.clone(),
                connections: *connections,
                is_sticky: *is_sticky,
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
    now.checked_add(Duration::from_secs(offset.unsigned_abs().into()).saturating_mul(u32::from(offset > 0)))
        .and_then(|time| {
            time.checked_sub(
                Duration::from_secs(offset.unsigned_abs().into()).saturating_mul(u32::from(offset < 0)),
            )
        })
        .unwrap_or(now)
}

impl Running {
    /// Begins to send what comes out of `source`.
    fn start(
        plan: &Plan,
        server: &Server,
        source: PipeSource,
        out: Option<Box<dyn Sink + Send>>,
        in_flight: Option<Arc<AtomicU64>>,
    ) -> Result<Self> {
        let settings = settings(plan, server);
        let target = server.target.clone();
        // What does not resolve is told before anything is read.
        let stop = Arc::new(AtomicBool::new(false));
        let stops = Stop { sending: Arc::clone(&stop), ..Stop::default() };
        let mut source = Some(source);
        let open = Box::new(move || match source.take() {
            Some(source) => Ok(Box::new(source) as Box<dyn Source + Send>),
            None => Err(Error::Invalid("it is read once".to_owned())),
        });
        let parts = vec![InputPart { open, speed: Speed::RECORDED }];
        let name = server.name.clone();
        let (shown, stats) = (name.clone(), plan.stats);
        let thread = thread::Builder::new().name("server".to_owned()).spawn(move || {
            let mut stats = Every::new(stats);
            let watch = |now: replay::ReplayProgress| {
                if stats.is_due() {
                    note(format_args!(
                        "{shown}: {} sent, {} answered, {} failed, {} in flight",
                        now.sent, now.answered, now.failed, now.in_flight
                    ));
                }
                if let Some(in_flight) = &in_flight {
                    in_flight.store(now.in_flight, Ordering::Relaxed);
                }
            };
            replay::run(&settings, vec![target], parts, out, &stops, watch, |_| {})
        })?;
        Ok(Running { name, thread, stop, timeout: server.timeout })
    }

    /// Once reading is to end, what waits is sent as long as a response may take, and no longer.
    fn leave_after_timeout(&self, is_stopping: &Arc<AtomicBool>) {
        let (stopping, stop, timeout) = (Arc::clone(is_stopping), Arc::clone(&self.stop), self.timeout);
        // Without it, what waits is sent however long that takes.
        let _ = thread::Builder::new().name("timer".to_owned()).spawn(move || {
            while !stopping.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(50));
            }
            thread::sleep(timeout);
            stop.store(true, Ordering::Relaxed);
        });
    }
}

/// How a server is sent to.
fn settings(plan: &Plan, server: &Server) -> Settings {
    Settings {
        // Records come when they are due.
        pace: Pace { tempo: Tempo::NoWait, max_wait: None },
        read_depth: 0,
        connections: Some(server.connections.unwrap_or(CONNECTIONS)),
        min_connections: server.min_connections.min(server.connections.unwrap_or(CONNECTIONS)),
        idle_timeout: server.idle_timeout,
        timeout: server.timeout,
        redirects: server.redirects,
        response_buffer: server.response_buffer,
        keeps_host: server.keeps_host,
        comes_when_due: true,
        is_for_origin: true,
        tls: TlsOptions { skips_verification: server.skips_verification, ..TlsOptions::default() },
        sessions: if plan.keeps_sessions { SessionMode::Schedule } else { SessionMode::Off },
        split: Split::Copy,
        when_slow: WhenSlow::Drop,
        supply: Supply::default(),
        documents: server.documents.clone(),
        is_watched: plan.stats.is_some(),
        ..Settings::default()
    }
}

/// Replayed responses on their way through `--prettify-http` to the outputs.
struct Prettified {
    pipe: Box<dyn Sink + Send>,
    thread: Option<JoinHandle<()>>,
}

impl Prettified {
    fn start(mut returns: super::fan_out::Returns) -> Result<Self> {
        let (sink, source) = pipe();
        let mut stage = StepStage::new(&Step::Rewrite(vec!["--prettify".to_owned()]))?;
        let thread = thread::Builder::new().name("prettify".to_owned()).spawn(move || {
            // It fails only where there is no output left.
            let _ = stage.copy(source, &mut returns, NonZeroUsize::MIN);
        })?;
        Ok(Prettified { pipe: Box::new(sink.ending()), thread: Some(thread) })
    }
}

impl Sink for Prettified {
    fn write(&mut self, records: &crate::record::Run<'_>) -> Result<()> {
        self.pipe.write(records)
    }

    fn flush(&mut self) -> Result<()> {
        self.pipe.flush()
    }

    fn finish(&mut self) -> Result<()> {
        self.pipe.finish()?;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            return Err(Error::Invalid("a thread ended before its work was done".to_owned()));
        }
        Ok(())
    }
}
