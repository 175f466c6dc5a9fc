//! The replay as a whole: its threads, and what they had to say in the end.

use super::outcome::Outcome;
use super::settings::SessionMode;
use super::settings::Settings;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::checkpoint::{CheckpointLedger, CheckpointMaker, Notes};
use super::clock;
use super::connection::MAX_PARKED;
use super::descriptors::descriptor_limit;
use super::documents::{DocumentTally, DocumentWriter};
use super::ending::{Ending, Stop};
use super::failure::{FailureReason, ReasonSet};
use super::middleware::{ChildStart, ChildWay, Flow, MiddlewareTally};
use super::offsets::Offsets;
use super::output::{Outlet, OutputWriter};
use super::own::Own;
use super::position::ReplayPosition;
use super::progress::WorkerProgress;
use super::reading::{InputPart, InputReader};
use super::routing::{Router, Split, WorkerInbox};
use super::scheduler::{Scheduled, Scheduler};
use super::tally::ReplayTally;
use super::target::{Target, TargetProtocol};
use super::tls::TlsClient;
use super::watching::{FirstFailure, ReplayProgress, TargetProgress};
use super::worker_pool::{TargetWorkers, WorkerPool, join};
use crate::pace::Share;
use crate::record::Sink;
use crate::report::RecordedLatencies;
use crate::{Error, Result};

/// How often whoever watches is told.
const WATCH: Duration = Duration::from_millis(200);

/// Descriptors that are left to inputs, outputs and whatever else opens some.
const SPARE_DESCRIPTORS: u64 = 24;

/// Descriptors of a worker besides those of its connections.
const WORKER_DESCRIPTORS: u64 = 3;

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
