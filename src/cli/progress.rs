//! A line about how far a tool has come, while it works.

use std::io::{IsTerminal, stderr, stdout};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::observe::{Meter, Progress};

/// What is over by then needs no line.
const AFTER: Duration = Duration::from_secs(1);

/// How often the line is drawn.
const EVERY: Duration = Duration::from_millis(200);

/// The line that is on the terminal now: what else is said goes above it.
static SHOWN: Mutex<Option<Progress>> = Mutex::new(None);

/// A line that is drawn until this is dropped.
#[derive(Debug, Default)]
pub struct Drawn(Option<(Sender<()>, JoinHandle<()>)>);

/// Begins to draw how far reading has come, after a second, on standard
/// error. Nothing is drawn where that is no terminal, where records go to a
/// terminal, or when the user wants quiet.
pub fn progress(meter: &Arc<Meter>, outputs: &[String], is_quiet: bool) -> Drawn {
    let to_standard = outputs.is_empty() || outputs.iter().any(|name| name == "-");
    if is_quiet || !stderr().is_terminal() || (to_standard && stdout().is_terminal()) {
        return Drawn::default();
    }
    let (end, ended) = channel();
    let meter = Arc::clone(meter);
    let draw = move || {
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
    };
    // A tool works without a line, too.
    Drawn(thread::Builder::new().name("progress".to_owned()).spawn(draw).ok().map(|thread| (end, thread)))
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

/// Prints something with the line out of the way.
pub(super) fn aside(print: impl FnOnce()) {
    match &*SHOWN.lock().unwrap_or_else(PoisonError::into_inner) {
        Some(progress) => progress.aside(print),
        None => print(),
    }
}
