//! What waits in files goes out after the flush interval, even when nothing more comes.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use super::file::OutputFile;

/// Longest time between two looks.
const LONGEST: Duration = Duration::from_hours(24);

/// A thread that looks after open files. It starts with the first text that waits, and with the rights of whoever
/// writes then: a file may have been opened with more.
#[derive(Debug)]
pub(super) struct Ticker {
    interval: Duration,
    files: Mutex<Option<Sender<Weak<Mutex<OutputFile>>>>>,
}

impl Ticker {
    /// No text waits longer than the interval. None at all means that text
    /// goes out as soon as the source has to be waited for.
    pub(super) fn new(interval: Duration) -> Self {
        Ticker { interval, files: Mutex::new(None) }
    }

    /// Whether nothing waits for the interval's end.
    pub(super) fn is_immediate(&self) -> bool {
        self.interval.is_zero()
    }

    /// Looks after a file from now on.
    pub(super) fn watch(&self, file: &Arc<Mutex<OutputFile>>) -> std::io::Result<()> {
        if self.is_immediate() {
            return Ok(());
        }
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = match &mut *files {
            Some(sender) => sender,
            none => {
                let (sender, new) = channel();
                // A file is flushed at the second tick after text came.
                let tick = (self.interval / 2).clamp(Duration::from_millis(1), LONGEST);
                thread::Builder::new().name("flusher".to_owned()).spawn(move || look_after(&new, tick))?;
                none.insert(sender)
            }
        };
        // The thread lives as long as this end of the channel.
        let _ = sender.send(Arc::downgrade(file));
        Ok(())
    }
}

fn look_after(new: &Receiver<Weak<Mutex<OutputFile>>>, tick: Duration) {
    let mut files: Vec<Weak<Mutex<OutputFile>>> = Vec::new();
    let mut next = Instant::now() + tick;
    loop {
        match new.recv_timeout(next.saturating_duration_since(Instant::now())) {
            Ok(file) => files.push(file),
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                files.retain(|file| {
                    let file = file.upgrade();
                    if let Some(file) = &file {
                        file.lock().unwrap_or_else(PoisonError::into_inner).tick();
                    }
                    file.is_some()
                });
                next = Instant::now() + tick;
            }
        }
    }
}
