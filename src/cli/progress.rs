//! A line about how far a tool has come, while it works.

use std::io::{IsTerminal, stderr, stdout};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::Reporting;
use crate::observe::{Meter, Progress, describe};

/// What is over by then needs no line.
const AFTER: Duration = Duration::from_secs(1);

/// How often the line is drawn.
const EVERY: Duration = Duration::from_millis(200);

/// When `--stats` is to say how far it is.
#[derive(Debug)]
pub struct Every(Option<(Instant, Duration)>);

impl Every {
    /// Begins now; is never due where no interval is given.
    pub fn new(interval: Option<Duration>) -> Self {
        Every(interval.map(|interval| (Instant::now() + interval, interval)))
    }

    /// Whether it is time again.
    pub fn is_due(&mut self) -> bool {
        let Some((due, interval)) = &mut self.0 else { return false };
        let now = Instant::now();
        let is_due = *due <= now;
        if is_due {
            *due = now + *interval;
        }
        is_due
    }

    /// When it is due next.
    pub fn next(&self) -> Option<Instant> {
        self.0.map(|(due, _)| due)
    }
}

/// The line that is on the terminal now: what else is said goes above it.
static SHOWN: Mutex<Option<Progress>> = Mutex::new(None);

/// A line that is drawn until this is dropped.
#[derive(Debug, Default)]
pub struct Drawn(Option<(Sender<()>, JoinHandle<()>)>);

/// Begins to draw how far reading has come, after a second, on standard
/// error. Nothing is drawn where that is no terminal, where records go to a
/// terminal, or when the user wants quiet. With `--stats` it is said in a line from time to time instead.
pub fn progress(meter: &Arc<Meter>, outputs: &[String], reporting: &Reporting) -> Drawn {
    if let Some(interval) = reporting.stats {
        let meter = Arc::clone(meter);
        let say = move |ended: &Receiver<()>| {
            let start = Instant::now();
            while ended.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                super::note(describe(&meter, start.elapsed()));
            }
        };
        return Drawn::start(say);
    }
    let is_quiet = reporting.quiet;
    let to_standard = outputs.is_empty() || outputs.iter().any(|name| name == "-");
    if is_quiet || !stderr().is_terminal() || (to_standard && stdout().is_terminal()) {
        return Drawn::default();
    }
    let meter = Arc::clone(meter);
    Drawn::start(move |ended| {
        let progress = Progress::new(false);
        let mut wait = AFTER;
        while ended.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
            let mut shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner);
            progress.say_advance(&meter);
            *shown = Some(progress.clone());
            wait = EVERY;
        }
        *SHOWN.lock().unwrap_or_else(PoisonError::into_inner) = None;
        progress.clear();
    })
}

impl Drawn {
    fn start(draw: impl FnOnce(&Receiver<()>) + Send + 'static) -> Self {
        let (end, ended) = channel();
        let thread = thread::Builder::new().name("progress".to_owned()).spawn(move || draw(&ended));
        // A tool works without a line, too.
        Drawn(thread.ok().map(|thread| (end, thread)))
    }
}

impl Drop for Drawn {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.0.take() {
            drop(end);
            // It took the line away, or has panicked and said so itself.
            let _ = thread.join();
        }
    }
}

/// Has what else is said go above this line, until there is another one, or none.
pub(crate) fn show(line: Option<&Progress>) {
    *SHOWN.lock().unwrap_or_else(PoisonError::into_inner) = line.cloned();
}

/// Prints something with the line out of the way.
pub(super) fn aside(print: impl FnOnce()) {
    match &*SHOWN.lock().unwrap_or_else(PoisonError::into_inner) {
        Some(progress) => progress.aside(print),
        None => print(),
    }
}
