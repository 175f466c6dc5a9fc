//! Servers that requests are sent to: a replay each, fed with what is due.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::fan_out::Returns;
use super::plan::{Plan, PlannedStep, ReplayServer};
use super::steps::StepStage;
use crate::cli::{Every, note};
use crate::pace::{Pace, Speed, Tempo};
use crate::record::{PipeSource, Run, Sink, Source, pipe};
use crate::replay::{self, InputPart, Outcome, SessionMode, Settings, Split, Stop, Supply, WhenSlow};
use crate::tls::TlsOptions;
use crate::{Error, Result};

/// Connections to a server, unless told otherwise.
const CONNECTIONS: usize = 1024;

/// A server's replay while it goes on.
pub(super) struct Running {
    pub(super) name: String,
    /// Requests that were handed over for it.
    pub(super) entered: Arc<AtomicU64>,
    pub(super) thread: JoinHandle<Result<Outcome>>,
    stop: Arc<AtomicBool>,
    timeout: Duration,
}

/// What came of a server.
pub(super) struct ServerEnd {
    pub(super) name: String,
    pub(super) entered: u64,
    pub(super) outcome: Result<Outcome>,
}

impl ServerEnd {
    /// Requests that were handed over and that the replay did not come to.
    pub(super) fn left(&self, outcome: &Outcome) -> u64 {
        self.entered.saturating_sub(outcome.requests)
    }

    /// Whether something of it is to be told unasked: failures, and requests that cannot be sent.
    pub(super) fn is_to_be_told(&self, outcome: &Outcome) -> bool {
        self.left(outcome) > 0
            || outcome.has_failures()
            || outcome.targets.iter().any(|(_, tally)| tally.not_sent.total() > 0)
    }
}

impl Running {
    /// Begins to send what comes out of `source`.
    pub(super) fn start(
        plan: &Plan,
        server: &ReplayServer,
        source: PipeSource,
        out: Option<Box<dyn Sink + Send>>,
        entered: Arc<AtomicU64>,
        in_flight: Option<Arc<AtomicU64>>,
    ) -> Result<Self> {
        let settings = settings(plan, server);
        let target = server.target.clone();
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
                now.first_failures.iter().for_each(note);
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
            let place = target.to_string();
            let outcome = replay::run(&settings, vec![target], vec![parts], out, &stops, watch, |_| {});
            // At once, as other outputs may go on for long.
            if let Err(error) = &outcome {
                let why = error.to_string();
                // Some name it themselves.
                let why = why.strip_prefix(&format!("{place}: ")).unwrap_or(&why);
                note(format_args!("{shown}: {why}; nothing more is sent to it"));
            }
            outcome
        })?;
        Ok(Running { name, entered, thread, stop, timeout: server.timeout })
    }

    /// Once reading is to end, what waits is sent as long as a response may take, and no longer.
    pub(super) fn leave_after_timeout(&self, is_stopping: &Arc<AtomicBool>) {
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
fn settings(plan: &Plan, server: &ReplayServer) -> Settings {
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
pub(super) struct Prettified {
    pipe: Box<dyn Sink + Send>,
    thread: Option<JoinHandle<()>>,
}

impl Prettified {
    pub(super) fn start(mut returns: Returns) -> Result<Self> {
        let (sink, source) = pipe();
        let mut stage = StepStage::new(&PlannedStep::Rewrite(vec!["--prettify".to_owned()]))?;
        let thread = thread::Builder::new().name("prettify".to_owned()).spawn(move || {
            // It fails only where there is no output left.
            let _ = stage.copy(source, &mut returns, NonZeroUsize::MIN);
        })?;
        Ok(Prettified { pipe: Box::new(sink.ending()), thread: Some(thread) })
    }
}

impl Sink for Prettified {
    fn write(&mut self, records: &Run<'_>) -> Result<()> {
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
