//! The replay as a whole: its threads, and what they had to say in the end.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use regex::bytes::Regex;

use super::checkpoint::{CheckpointLedger, CheckpointMaker, CheckpointSettings, Notes, ReplayPosition};
use super::clock;
use super::connection::MAX_PARKED;
use super::descriptors::descriptor_limit;
use super::documents::{DocumentIndex, DocumentTally, DocumentWriter};
use super::ending::{Ending, Stop};
use super::middleware::{ChildStart, ChildWay, Flow, MiddlewareSettings, MiddlewareTally};
use super::offsets::Offsets;
use super::output::{Outlet, OutputWriter, WhenSlow};
use super::own::Own;
use super::queue::QUEUE;
use super::reading::{InputPart, InputReader, Supply};
use super::routing::{Router, Split, WorkerInbox};
use super::scheduler::{Scheduled, Scheduler};
use super::selection::RequestSelection;
use super::tally::{FailureReason, ReasonSet, ReplayTally};
use super::target::{Target, TargetProtocol};
use super::tls::TlsClient;
use super::watching::{FirstFailure, ReplayProgress, TargetProgress};
use super::worker::WorkerProgress;
use super::worker_pool::{TargetWorkers, WorkerPool, join};
use crate::pace::{Pace, Share};
use crate::record::{Intake, Sink};
use crate::report::RecordedLatencies;
use crate::tls::TlsOptions;
use crate::{Error, Result};

/// How often whoever watches is told.
const WATCH: Duration = Duration::from_millis(200);

/// Most connections to a target while requests follow their schedule.
pub const OPEN_LOOP_CONNECTIONS: usize = 1024;

/// Most connections to a target while requests follow each other. All of them are kept busy.
pub const CLOSED_LOOP_CONNECTIONS: usize = 64;

/// Descriptors that are left to inputs, outputs and whatever else opens some.
const SPARE_DESCRIPTORS: u64 = 24;

/// Descriptors of a worker besides those of its connections.
const WORKER_DESCRIPTORS: u64 = 3;

/// How to replay.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
pub struct Settings {
    /// When requests are due.
    pub pace: Pace,
    /// How often the recording is replayed.
    pub rounds: u64,
    /// The name of a header field that requests get and that says which round they are of.
    pub round_field: Option<String>,
    /// Requests among which the next one is looked for, so that they are sent in order.
    pub read_depth: usize,
    /// Threads that send to each target, each on connections of its own.
    pub threads: NonZeroUsize,
    /// Most connections to each target; by default [`OPEN_LOOP_CONNECTIONS`] or [`CLOSED_LOOP_CONNECTIONS`].
    pub connections: Option<usize>,
    /// How long after its due time a request is given up.
    pub timeout: Duration,
    /// Which requests are replayed at all.
    pub selection: RequestSelection,
    /// Connections to each target that are opened before they are needed, and kept.
    pub min_connections: usize,
    /// How long a connection may be idle before it is closed.
    pub idle_timeout: Duration,
    /// Whether to be awake before a request is due.
    pub is_precise: bool,
    /// Bytes of a response that are kept for the output.
    pub response_buffer: usize,
    /// Whether requests that are marked are sent too, if their bytes are one whole request.
    pub sends_marked: bool,
    /// Redirections that are followed, to whatever server.
    pub redirects: u32,
    /// Whether cookies that targets set are sent in place of recorded ones, on each recorded connection.
    pub keeps_cookies: bool,
    /// Requests that are due and may wait for a connection; beyond, the oldest is given up.
    pub queue: usize,
    /// What becomes of the recorded connections.
    pub sessions: SessionMode,
    /// How several targets share the requests.
    pub split: Split,
    /// When the first request is due, if not as soon as it can be: nanoseconds since the Unix epoch.
    pub start_at: Option<i64>,
    /// Whether Host stays as recorded.
    pub keeps_host: bool,
    /// Whether requests come when they are due, and are sent at once.
    pub comes_when_due: bool,
    /// Whether every request is changed into one to an origin server: a host in the request line goes, and Host is
    /// added where it is missing.
    pub is_for_origin: bool,
    /// Whom https targets are to be, and who we are to them.
    pub tls: TlsOptions,
    /// Whether the input goes to the output too.
    pub echo: bool,
    /// What is done when the output is slower than the answers.
    pub when_slow: WhenSlow,
    /// The input, as far as it tells when the clock is to start.
    pub supply: Supply,
    /// Whether latencies are counted for whoever watches.
    pub is_watched: bool,
    /// What is measured for a report, if one is made.
    pub measures: Option<Measures>,
    /// The child that requests and responses go through, if there is one.
    pub middleware: Option<MiddlewareSettings>,
    /// Where a document of each exchange goes, if anywhere.
    pub documents: Option<DocumentIndex>,
    /// How often it is said which requests are settled, and which were before, if that is asked for.
    pub checkpoint: Option<CheckpointSettings>,
    /// Whether the source is told which requests are settled.
    pub commits: bool,
}

/// What becomes of the recorded connections.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum SessionMode {
    /// Requests take whatever connection is free.
    #[default]
    Off,
    /// Each recorded connection has one of its own.
    Schedule,
    /// The same, and a request is due as long after the answer before it as it was recorded.
    Think,
}

/// What is measured for a report.
#[derive(Clone, Debug, Default)]
pub struct Measures {
    /// What this matches in paths is taken for an id.
    pub group: Option<Regex>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            pace: Pace::default(),
            rounds: 1,
            round_field: None,
            read_depth: 100,
            threads: NonZeroUsize::MIN,
            connections: None,
            timeout: Duration::from_secs(5),
            selection: RequestSelection::default(),
            min_connections: 0,
            idle_timeout: Duration::from_mins(1),
            is_precise: false,
            response_buffer: 5 << 20,
            sends_marked: false,
            redirects: 0,
            keeps_cookies: false,
            queue: QUEUE,
            sessions: SessionMode::Off,
            split: Split::Copy,
            start_at: None,
            keeps_host: false,
            comes_when_due: false,
            is_for_origin: false,
            tls: TlsOptions::default(),
            echo: false,
            when_slow: WhenSlow::Drop,
            supply: Supply::default(),
            is_watched: false,
            measures: None,
            middleware: None,
            documents: None,
            checkpoint: None,
            commits: false,
        }
    }
}

impl Settings {
    /// Most connections to each target, as far as descriptors allow them.
    pub fn most_connections(&self) -> usize {
        let default = if self.pace.is_no_wait() { CLOSED_LOOP_CONNECTIONS } else { OPEN_LOOP_CONNECTIONS };
        self.connections.unwrap_or(default).max(1)
    }

    /// Whether several targets may read the input at their own pace, if it can be opened for each of them.
    pub fn may_read_apart(&self, targets: usize) -> bool {
        // A middleware gets each request once, and a checkpoint remembers all requests between the first and the
        // last target.
        targets > 1
            && self.pace.is_no_wait()
            && self.supply.is_there
            && self.middleware.is_none()
            && self.checkpoint.is_none()
            && !self.commits
    }

    /// How many of the targets get each request.
    fn copies(&self, targets: usize) -> usize {
        if self.split == Split::Copy { targets } else { 1 }
    }
}

/// What a replay came to.
#[derive(Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each says something of its own")]
pub struct Outcome {
    /// Each target and what it saw.
    pub targets: Vec<(Target, ReplayTally)>,
    /// Requests read and, with several rounds, read again.
    pub requests: u64,
    /// Requests that were not asked for, by their time or their shard.
    pub not_selected: u64,
    /// Requests that were older than one sent before them, and could not be put in order.
    pub disordered: u64,
    /// Responses among the records; they are not sent.
    pub responses: u64,
    /// Times that the input was replayed, an unfinished one included.
    pub rounds: u64,
    /// What was read, in the last round.
    pub intake: Intake,
    /// Whether the user ended the replay.
    pub is_interrupted: bool,
    /// Whether it ended as its time was over.
    pub is_over: bool,
    /// Whether requests followed each other, not their schedule.
    pub is_closed_loop: bool,
    /// Whether they came when they were due.
    pub comes_when_due: bool,
    /// Records of the input that did not go to the output, as it was too slow.
    pub echoes_dropped: u64,
    /// Records that were on their way to the output when it was not waited for any more.
    pub unwritten: usize,
    /// What ended the reading or the writing early.
    pub failure: Option<Error>,
    /// What went through the middleware, if there is one.
    pub middleware: Option<Box<MiddlewareTally>>,
    /// What became of the documents, if there are any.
    pub documents: Option<DocumentTally>,
    /// The latencies of the recording, if a report is made.
    pub recorded: Option<Box<RecordedLatencies>>,
    /// Requests that an earlier run has settled.
    pub skipped: u64,
    /// Requests of this run that are settled, and where another run would go on, if that is asked for.
    pub settled: Option<(u64, ReplayPosition)>,
}

impl Outcome {
    /// Requests that were not sent as the user ended the replay.
    pub fn left_unsent(&self) -> u64 {
        self.targets.iter().map(|(_, tally)| tally.not_sent.of(FailureReason::Interrupted).number).sum()
    }

    /// Whether anything went wrong: a request that could be sent was not, or was not answered.
    pub fn has_failures(&self) -> bool {
        self.is_interrupted
            || self.echoes_dropped > 0
            || self.unwritten > 0
            || self.middleware.as_ref().is_some_and(|middleware| middleware.has_failures())
            || self.documents.as_ref().is_some_and(DocumentTally::has_failures)
            || self.targets.iter().any(|(_, tally)| tally.has_failures())
    }
}

/// How many connections each worker may have to its target, and the limit on descriptors where that is why.
///
/// Each has its share from the beginning, so that none takes what another one needs.
fn share(settings: &Settings, workers: usize) -> (usize, Option<u64>) {
    let (wanted, threads) = (settings.most_connections(), settings.threads.get());
    // Where redirects are followed, connections to other servers are kept beside that to the target.
    let each = if settings.redirects > 0 { 1 + MAX_PARKED } else { 1 };
    let wanted = wanted.div_ceil(threads);
    let Some(limit) = descriptor_limit() else { return (wanted, None) };
    // Where the open ones cannot be counted, a share that is too large is noticed when it is used up.
    let open = std::fs::read_dir("/proc/self/fd").map_or(0, |open| open.count() as u64);
    let own = open + SPARE_DESCRIPTORS + WORKER_DESCRIPTORS * workers as u64;
    let share = usize::try_from(limit.saturating_sub(own)).unwrap_or(usize::MAX) / workers.max(1) / each;
    if share >= wanted { (wanted, None) } else { (share.max(1), Some(limit)) }
}

/// Replays the inputs against every target: the parts of an input one after the other. Each target gets every request,
/// unless they are split.
///
/// There is one input, or the same one for each target: they then read it at their own pace, which makes a difference
/// only where nothing is due at a time, as otherwise a target goes at that of the slowest. [`Settings::may_read_apart`]
/// says when that is possible.
///
/// After `stop` what is in flight is waited for, no longer than the timeout, unless it says not to. `watch` is
/// called a few times a second, and `save` at each checkpoint with what was settled up to there.
pub fn run(
    settings: &Settings,
    targets: Vec<Target>,
    inputs: Vec<Vec<InputPart>>,
    out: Option<Box<dyn Sink + Send>>,
    stop: &Stop,
    mut watch: impl FnMut(ReplayProgress),
    mut save: impl FnMut(Outcome),
) -> Result<Outcome> {
    let addresses = targets.iter().map(Target::resolve).collect::<Result<Vec<_>>>()?;
    let tls =
        targets.iter().map(|target| TlsClient::new(target, &settings.tls)).collect::<Result<Vec<_>>>()?;
    let ending = Ending { stop: stop.clone(), ..Ending::default() };
    let writer = out.map(|out| OutputWriter::start(out, settings.when_slow, &ending)).transpose()?;
    let outlet = writer.as_ref().map(|writer| writer.outlet.clone());
    let documents = settings.documents.as_ref();
    let documents = documents.map(|index| DocumentWriter::start(index, &settings.tls)).transpose()?;
    let child = settings.middleware.as_ref();
    let child = child.map(|child| ChildStart::new(child, settings.when_slow, &ending)).transpose()?;
    // Where there is a child, what it sends back of the responses goes to the output.
    let answers = child.as_ref().map(|child| child.outlet.clone()).or_else(|| outlet.clone());

    let threads = settings.threads.get();
    let (connections, descriptors) = share(settings, targets.len() * threads);
    let mut pool = WorkerPool::default();
    let own = Own::default();
    let workers = TargetWorkers {
        settings,
        connections,
        descriptors,
        output: answers,
        documents: documents.as_ref().map(|documents| documents.outlet.clone()),
        ending: ending.clone(),
        own: own.clone(),
        ends: child.as_ref().filter(|_| settings.sessions == SessionMode::Think).map(ChildStart::ends),
    };
    let mut inboxes: Vec<(Vec<WorkerInbox>, Share)> = Vec::new();
    for ((target, addresses), tls) in targets.iter().zip(addresses).zip(tls) {
        let reached = workers.start(&mut pool, inboxes.len(), target, &addresses, tls.as_ref())?;
        inboxes.push((reached, target.share()));
    }
    let has_streams = targets.iter().any(|target| target.protocol() == TargetProtocol::Tcp);
    let keeps_sessions = settings.sessions != SessionMode::Off || has_streams;
    let has_several = inputs.len() > 1;
    let mut routers: Vec<Router> = routers(inboxes, settings.split, has_several)
        .map(|router| router.keeping_sessions(keeps_sessions).noting_left_out(settings.commits))
        .collect();
    let mut way = None;
    if let Some(child) = child
        && let Some(router) = routers.pop()
    {
        let flow = Flow {
            is_closed_loop: settings.pace.is_no_wait(),
            timeout: settings.timeout,
            queue: settings.queue,
            connections: connections * targets.len() * threads,
            copies: settings.copies(targets.len()),
            is_closed_by_session: settings.sessions == SessionMode::Think,
        };
        let (inbox, started) = child.route(router, pool.progress().collect(), outlet.clone(), flow)?;
        routers = vec![Router::new([(vec![inbox], Share::All)], Split::Copy)];
        way = Some(started);
    }
    let last_due = Arc::new(AtomicU64::new(0));
    let notes = Notes::default();
    let recipients = if settings.split == Split::Copy { targets.len() } else { 1 };
    let from = settings.checkpoint.as_ref().map(|checkpoint| checkpoint.from.clone());
    let from = from.or_else(|| settings.commits.then(ReplayPosition::default));
    let echoes_dropped = Arc::new(AtomicU64::new(0));
    let mut recorded =
        settings.measures.clone().map(|measures| Box::new(RecordedLatencies::new(measures.group)));
    let scheduler = |router| {
        Scheduler::new(settings, has_streams, router)
            .telling(Arc::clone(&last_due))
            .knowing(own.clone())
            // What all of them read is measured once.
            .measuring(recorded.take())
            .going_on(from.clone(), recipients, Arc::clone(&notes))
    };
    let schedulers: Vec<Scheduler> = routers.into_iter().map(scheduler).collect();
    let echo = outlet.filter(|_| settings.echo);
    let (planning, reader_done) =
        start_planning(settings, inputs, schedulers, echo, &echoes_dropped, &ending);

    let progress: Vec<Arc<WorkerProgress>> = pool.progress().collect();
    let gauge = writer.as_ref().map(OutputWriter::gauge);
    let names: Vec<String> = targets.iter().map(ToString::to_string).collect();
    let mut settling = Settling::new(settings, &targets, recipients, &notes, &progress);
    let mut look = |mut now: ReplayProgress| {
        if let Some(outcome) = settling.look(&mut now) {
            save(outcome);
        }
        watch(now);
    };
    let (timeout, split, ends) = (settings.timeout, settings.split, ending.clone());
    let (tallies, plan, written) =
        watching(&names, &progress, &last_due, gauge.as_ref(), &mut look, move || {
            let tallies = pool.join();
            let mut plan = scheduled_together(planning, split, &ends);
            let through = way.map(ChildWay::finish);
            let middleware = through.map(|through| plan.add_child(through));
            let documents = documents.map(|documents| documents.finish(timeout, &ends));
            (tallies, (plan, middleware, documents), writer.map_or((Ok(()), 0), OutputWriter::finish))
        })?;
    let mut of_threads = tallies?.into_iter();
    let tallies =
        targets.iter().map(|_| ReplayTally::of_threads(of_threads.by_ref().take(threads))).collect();
    let (settled, committed) = settling.finish(&reader_done);
    let dropped = echoes_dropped.load(Ordering::Relaxed);
    let outcome = outcome(settings, targets, tallies, plan, written, &ending, dropped);
    let failure = outcome.failure.or(committed.err());
    Ok(Outcome { failure, settled, ..outcome })
}

/// Starts to read and to schedule: each input by a scheduler of its own. The receiver is told when all is read.
fn start_planning(
    settings: &Settings,
    inputs: Vec<Vec<InputPart>>,
    schedulers: Vec<Scheduler>,
    mut echo: Option<Outlet>,
    echoes_dropped: &Arc<AtomicU64>,
    ending: &Ending,
) -> (Vec<JoinHandle<Scheduled>>, Receiver<()>) {
    let (done, is_done) = mpsc::sync_channel(0);
    let start = |(parts, scheduler): (Vec<InputPart>, Scheduler)| {
        let reader = InputReader {
            parts,
            rounds: settings.rounds,
            round_field: settings.round_field.clone(),
            // What all of them read is passed on once.
            echo: echo.take(),
            echoes_dropped: Arc::clone(echoes_dropped),
        };
        let (readings, ending) = (reader.start(done.clone()), ending.clone());
        thread::spawn(move || scheduler.run(&readings, &ending))
    };
    (inputs.into_iter().zip(schedulers).map(start).collect(), is_done)
}

/// What was scheduled, once all schedulers have ended.
fn scheduled_together(planning: Vec<JoinHandle<Scheduled>>, split: Split, ending: &Ending) -> Scheduled {
    let has_several = planning.len() > 1;
    let mut plans: Vec<Scheduled> = planning.into_iter().map(join).collect();
    if has_several {
        return Scheduled::of_targets(plans, split, ending.reason().unwrap_or(FailureReason::Interrupted));
    }
    plans.pop().unwrap_or_default()
}

/// The ways to the targets: one for all of them, or one for each.
fn routers(
    mut inboxes: Vec<(Vec<WorkerInbox>, Share)>,
    split: Split,
    has_several: bool,
) -> impl Iterator<Item = Router> {
    let number = if has_several { inboxes.len() } else { 1 };
    (0..number).map(move |number| {
        let of = |(at, (workers, share)): (usize, &mut (Vec<WorkerInbox>, Share))| {
            let is_for_it = !has_several || at == number;
            (if is_for_it { std::mem::take(workers) } else { Vec::new() }, *share)
        };
        Router::new(inboxes.iter_mut().enumerate().map(of), split)
    })
}

fn outcome(
    settings: &Settings,
    targets: Vec<Target>,
    mut tallies: Vec<ReplayTally>,
    (scheduled, middleware, documents): (Scheduled, Option<Box<MiddlewareTally>>, Option<DocumentTally>),
    (written, unwritten): (Result<()>, usize),
    ending: &Ending,
    echoes_dropped: u64,
) -> Outcome {
    let reason = ending.reason();
    // What no target was chosen for each of them should have got, or one, for which the first stands.
    let without = settings.copies(tallies.len());
    for tally in tallies.iter_mut().take(without) {
        tally.not_sent.add_many(reason.unwrap_or(FailureReason::Interrupted), scheduled.unscheduled);
        tally.not_sent.add_many(FailureReason::OwnRequest, scheduled.own);
        tally.not_sent.add_many(FailureReason::Reassigned, scheduled.reassigned);
        for (reason, number, first) in &scheduled.unrouted {
            tally.not_sent.add_several(*reason, *number, first);
        }
    }
    for (tally, unsent) in tallies.iter_mut().zip(scheduled.unsent) {
        for (reason, number) in unsent {
            tally.not_sent.add_many(reason, number);
        }
    }
    Outcome {
        targets: targets.into_iter().zip(tallies).collect(),
        requests: scheduled.requests,
        not_selected: scheduled.not_selected,
        responses: scheduled.responses,
        disordered: scheduled.disordered,
        rounds: scheduled.rounds,
        intake: scheduled.intake,
        is_interrupted: reason == Some(FailureReason::Interrupted),
        is_over: reason == Some(FailureReason::TimeOver),
        is_closed_loop: settings.pace.is_no_wait(),
        comes_when_due: settings.comes_when_due,
        echoes_dropped,
        unwritten,
        failure: written.err().or(scheduled.failure),
        middleware,
        documents,
        recorded: scheduled.recorded,
        skipped: scheduled.skipped,
        settled: None,
    }
}

/// What becomes known of settled requests, and where it goes.
struct Settling<'a> {
    checkpoints: Option<CheckpointMaker<'a>>,
    offsets: Option<Offsets>,
}

impl<'a> Settling<'a> {
    fn new(
        settings: &'a Settings,
        targets: &[Target],
        recipients: usize,
        notes: &Notes,
        workers: &[Arc<WorkerProgress>],
    ) -> Self {
        let ledger = |from: &ReplayPosition| CheckpointLedger::new(recipients, from, Arc::clone(notes));
        let checkpoints = settings.checkpoint.as_ref().map(|checkpoint| {
            let ledger = ledger(&checkpoint.from);
            CheckpointMaker::new(ledger, checkpoint.interval, targets, settings, workers.to_vec())
        });
        let offsets =
            settings.commits.then(|| Offsets::new(ledger(&ReplayPosition::default()), settings, workers));
        Settling { checkpoints, offsets }
    }

    /// Tells the source what is settled, and gives what a checkpoint is made of, each at its time.
    fn look(&mut self, now: &mut ReplayProgress) -> Option<Outcome> {
        if let Some(offsets) = &mut self.offsets {
            offsets.look();
            now.uncommitted = offsets.failure().map(ToString::to_string);
        }
        self.checkpoints.as_mut().and_then(CheckpointMaker::look)
    }

    /// The last of both, once all workers have ended; `reader` is dropped when the source is closed.
    fn finish(self, reader: &Receiver<()>) -> (Option<(u64, ReplayPosition)>, Result<()>) {
        let settled = self.checkpoints.map(CheckpointMaker::finish);
        (settled, self.offsets.map_or(Ok(()), |offsets| offsets.finish(reader)))
    }
}

/// Does `work` on another thread and calls `watch` until it is done.
fn watching<T: Send + 'static>(
    names: &[String],
    workers: &[Arc<WorkerProgress>],
    last_due: &AtomicU64,
    gauge: Option<&impl Fn() -> usize>,
    watch: &mut impl FnMut(ReplayProgress),
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let (done, is_done) = mpsc::channel();
    // Threads of a target may each see the same.
    let mut told = vec![ReasonSet::default(); names.len()];
    thread::spawn(move || {
        if done.send(work()).is_err() {
            // The receiver is only dropped after this message.
        }
    });
    loop {
        match is_done.recv_timeout(WATCH) {
            Ok(value) => return Ok(value),
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Error::Invalid("a thread has failed".to_owned()));
            }
            Err(RecvTimeoutError::Timeout) => {
                let unwritten = gauge.map_or(0, |gauge| gauge());
                let mut progress = ReplayProgress { unwritten, ..ReplayProgress::default() };
                let last_due = last_due.load(Ordering::Relaxed);
                progress.left = (last_due > 0).then(|| last_due.saturating_sub(clock::now()));
                let threads = (workers.len() / names.len().max(1)).max(1);
                for ((of_target, name), told) in workers.chunks(threads).zip(names).zip(&mut told) {
                    let mut target = TargetProgress { target: name.clone(), ..TargetProgress::default() };
                    for worker in of_target {
                        target.add(&worker.details.lock().unwrap_or_else(PoisonError::into_inner));
                        let failures = &worker.first_failures;
                        let failures =
                            std::mem::take(&mut *failures.lock().unwrap_or_else(PoisonError::into_inner));
                        let of_name =
                            |(reason, example)| FirstFailure { target: name.clone(), reason, example };
                        let new = failures.into_iter().filter(|(reason, _)| told.add(*reason)).map(of_name);
                        progress.first_failures.extend(new);
                    }
                    progress.targets.push(target);
                }
                for worker in workers {
                    progress.sent += worker.sent.load(Ordering::Relaxed);
                    progress.answered += worker.answered.load(Ordering::Relaxed);
                    progress.failed += worker.failed.load(Ordering::Relaxed);
                    progress.in_flight += worker.in_flight.load(Ordering::Relaxed);
                }
                watch(progress);
            }
        }
    }
}
