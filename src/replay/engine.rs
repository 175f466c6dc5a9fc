//! The replay as a whole: its threads, and what they had to say in the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use mio::Waker;
use rustix::process::{Resource, getrlimit, setrlimit};

use super::clock;
use super::output::{self, Piece};
use super::reading::{self, Open};
use super::request::Editor;
use super::scheduler::{Inbox, Scheduled, Scheduler};
use super::tally::{Reason, Tally};
use super::target::Target;
use super::worker::{Orders, Pulse, Worker};
use crate::pace::Pace;
use crate::record::{Intake, Sink};
use crate::{Error, Result};

/// Batches that may wait for a worker, besides those it has in hand.
const BATCHES: usize = 1;

/// How often whoever watches is told.
const WATCH: Duration = Duration::from_millis(200);

/// Most connections to a target while requests follow their schedule.
pub const OPEN_LOOP_CONNECTIONS: usize = 1024;

/// Most connections to a target while requests follow each other. All of them are kept busy.
pub const CLOSED_LOOP_CONNECTIONS: usize = 64;

/// How to replay.
#[derive(Clone, Debug)]
pub struct Settings {
    /// When requests are due.
    pub pace: Pace,
    /// How often the recording is replayed.
    pub rounds: u64,
    /// Requests among which the next one is looked for, so that they are sent in order.
    pub read_depth: usize,
    /// Most connections to each target; by default [`OPEN_LOOP_CONNECTIONS`] or [`CLOSED_LOOP_CONNECTIONS`].
    pub connections: Option<usize>,
    /// How long after its due time a request is given up.
    pub timeout: Duration,
    /// Whether Host stays as recorded.
    pub keeps_host: bool,
    /// Whether the input goes to the output too.
    pub echo: bool,
    /// Threads for each target; by default one.
    pub workers: Option<usize>,
}

/// What a replay came to.
#[derive(Debug)]
pub struct Outcome {
    /// Each target and what it saw.
    pub targets: Vec<(Target, Tally)>,
    /// Requests read and, with several rounds, read again.
    pub requests: u64,
    /// Responses among the records; they are not sent.
    pub responses: u64,
    /// Times that the input was replayed, an unfinished one included.
    pub rounds: u64,
    /// What was read, in the last round.
    pub intake: Intake,
    /// Whether the user ended the replay.
    pub is_interrupted: bool,
    /// Whether requests followed each other, not their schedule.
    pub is_closed_loop: bool,
    /// What ended the reading or the writing early.
    pub failure: Option<Error>,
}

impl Outcome {
    /// Whether anything went wrong: a request that could be sent was not, or was not answered.
    pub fn has_failures(&self) -> bool {
        self.is_interrupted || self.targets.iter().any(|(_, tally)| tally.has_failures())
    }
}

/// How far a replay has come.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// Requests sent, to all targets.
    pub sent: u64,
    /// Requests answered.
    pub answered: u64,
    /// Requests not sent, or not answered.
    pub failed: u64,
}

/// Lets this process open as many descriptors as it is allowed to. Where
/// that is refused, the limit in force holds, and is counted when reached.
pub fn raise_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if setrlimit(Resource::Nofile, limit).is_err() {
        // As said above.
    }
}

/// Replays what `open` opens against every target. Each gets every request.
///
/// Setting `stop` ends the sending; what is in flight is waited for, no
/// longer than the timeout. `watch` is called a few times a second.
pub fn run(
    settings: &Settings,
    targets: Vec<Target>,
    open: Open,
    out: Option<Box<dyn Sink + Send>>,
    stop: &Arc<AtomicBool>,
    mut watch: impl FnMut(Progress),
) -> Result<Outcome> {
    let addresses = targets.iter().map(Target::resolve).collect::<Result<Vec<_>>>()?;
    let writer = out.map(|out| Writer::start(out, stop));
    let pieces = writer.as_ref().map(|writer| writer.pieces.clone());

    let mut inboxes = Vec::new();
    let mut crews = Vec::new();
    for (target, addresses) in targets.iter().zip(addresses) {
        let mut crew = Crew::default();
        inboxes.push(crew.hire(settings, target, &addresses, pieces.as_ref(), stop)?);
        crews.push(crew);
    }
    let readings = reading::read_ahead(open, settings.rounds, pieces.filter(|_| settings.echo));
    let scheduler = Scheduler::new(settings.pace, settings.read_depth, inboxes);
    let stopped = Arc::clone(stop);
    let scheduling = thread::spawn(move || scheduler.run(&readings, &stopped));

    let pulses: Vec<Arc<Pulse>> = crews.iter().flat_map(|crew| crew.pulses.iter().cloned()).collect();
    let tallies = watching(&pulses, &mut watch, move || {
        crews.into_iter().map(Crew::dismiss).collect::<Result<Vec<_>>>()
    })?;
    let plan = join(scheduling);
    let written = writer.map_or(Ok(()), Writer::finish);
    Ok(outcome(settings, targets, tallies?, plan, written, stop))
}

fn outcome(
    settings: &Settings,
    targets: Vec<Target>,
    mut tallies: Vec<Tally>,
    scheduled: Scheduled,
    written: Result<()>,
    stop: &AtomicBool,
) -> Outcome {
    for tally in &mut tallies {
        tally.not_sent.add_many(Reason::Interrupted, scheduled.interrupted);
    }
    let is_interrupted = stop.load(Ordering::Relaxed) && written.is_ok();
    Outcome {
        targets: targets.into_iter().zip(tallies).collect(),
        requests: scheduled.requests,
        responses: scheduled.responses,
        rounds: scheduled.rounds,
        intake: scheduled.intake,
        is_interrupted,
        is_closed_loop: settings.pace.no_wait,
        failure: written.err().or(scheduled.failure),
    }
}

/// Does `work` on another thread and calls `watch` until it is done.
fn watching<T: Send + 'static>(
    pulses: &[Arc<Pulse>],
    watch: &mut impl FnMut(Progress),
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let (done, is_done) = mpsc::channel();
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
                let mut progress = Progress::default();
                for pulse in pulses {
                    progress.sent += pulse.sent.load(Ordering::Relaxed);
                    progress.answered += pulse.answered.load(Ordering::Relaxed);
                    progress.failed += pulse.failed.load(Ordering::Relaxed);
                }
                watch(progress);
            }
        }
    }
}

/// The value a thread ends with. A panic there goes on here.
fn join<T>(thread: JoinHandle<T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// The workers of one target.
#[derive(Debug, Default)]
struct Crew {
    workers: Vec<JoinHandle<std::io::Result<Tally>>>,
    pulses: Vec<Arc<Pulse>>,
    /// Kept until the workers have ended.
    wakers: Vec<Arc<Waker>>,
}

impl Crew {
    /// Starts the workers, and says where they take their batches from.
    fn hire(
        &mut self,
        settings: &Settings,
        target: &Target,
        addresses: &[std::net::SocketAddr],
        output: Option<&SyncSender<Piece>>,
        stop: &Arc<AtomicBool>,
    ) -> Result<Vec<Inbox>> {
        let default = if settings.pace.no_wait { CLOSED_LOOP_CONNECTIONS } else { OPEN_LOOP_CONNECTIONS };
        let connections = settings.connections.unwrap_or(default).max(1);
        let workers = settings.workers.unwrap_or(1).clamp(1, connections);
        let wall_offset = clock::wall() - clock::now() as i64;
        let mut inboxes = Vec::new();
        for number in 0..workers {
            let pulse = Arc::new(Pulse::default());
            let orders = Orders {
                addresses: addresses.to_vec(),
                first_address: number % addresses.len(),
                editor: Editor::new(target, settings.keeps_host),
                timeout: settings.timeout,
                connections: connections / workers + usize::from(number < connections % workers),
                is_closed_loop: settings.pace.no_wait,
                output: output.cloned(),
                wall_offset,
                stop: Arc::clone(stop),
                pulse: Arc::clone(&pulse),
            };
            let (batches, intake) = sync_channel(BATCHES);
            let (worker, waker) = Worker::new(orders, intake)?;
            let waker = Arc::new(waker);
            self.wakers.push(Arc::clone(&waker));
            inboxes.push(Inbox { batches, waker });
            self.pulses.push(pulse);
            self.workers.push(thread::spawn(move || worker.run()));
        }
        Ok(inboxes)
    }

    /// Waits for the workers, and adds up what they saw.
    fn dismiss(self) -> Result<Tally> {
        let mut tally = Tally::new();
        for worker in self.workers {
            tally.merge(&join(worker)?);
        }
        Ok(tally)
    }
}

/// The thread that writes the output.
#[derive(Debug)]
struct Writer {
    pieces: SyncSender<Piece>,
    thread: JoinHandle<Result<()>>,
}

impl Writer {
    fn start(out: Box<dyn Sink + Send>, stop: &Arc<AtomicBool>) -> Self {
        let (pieces, receiver) = sync_channel(output::WAITING);
        let stop = Arc::clone(stop);
        let thread = thread::spawn(move || {
            let written = output::write(&receiver, out);
            if written.is_err() {
                stop.store(true, Ordering::Relaxed);
            }
            written
        });
        Writer { pieces, thread }
    }

    fn finish(self) -> Result<()> {
        if self.pieces.send(Piece::End).is_err() {
            // It has ended by itself, and says why below.
        }
        join(self.thread)
    }
}
