//! The input, read ahead on a thread of its own: blocks, and where a round of it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;

use super::output::Outlet;
use super::rounds::mark_round;
use crate::observe::Meter;
use crate::pace::Speed;
use crate::record::{Block, Checkpoint, Intake, Source};
use crate::{Error, Result};

/// Blocks that may wait to be scheduled.
const WAITING: usize = 1;

/// Opens the input anew, from its beginning.
pub type OpenSource = Box<dyn FnMut() -> Result<Box<dyn Source + Send>> + Send>;

/// What is known of the input while it is read.
#[derive(Clone, Debug, Default)]
pub struct Supply {
    /// Counts the bytes that are read.
    pub meter: Arc<Meter>,
    /// Whether all of it is there already, in files, so that it need not be waited for.
    pub is_there: bool,
}

/// What reading brought.
#[derive(Debug)]
pub(super) enum Reading {
    /// Some records, what was read up to now, and what the source is to be told when all of it was handled.
    Block(Arc<Block>, Intake, Option<Box<dyn Checkpoint>>),
    /// No records, but something that the source is to be told.
    Checkpoint(Box<dyn Checkpoint>),
    /// The speed of what follows, among the parts of the input.
    Speed(Speed),
    /// The input has ended; it is read again from its beginning.
    Round,
    /// The input has ended for good.
    End(Intake),
    /// It could not be read any further.
    Failed(Error),
}

/// A part of the input, and how much faster than the rest it is replayed.
pub struct InputPart {
    /// Opens it from its beginning.
    pub open: OpenSource,
    /// Multiplies the speed of the replay.
    pub speed: Speed,
}

impl std::fmt::Debug for InputPart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "InputPart at {}", self.speed)
    }
}

/// What is read, how often, and where it goes besides.
#[derive(Debug)]
pub(super) struct InputReader {
    /// Read one after the other.
    pub(super) parts: Vec<InputPart>,
    pub(super) rounds: u64,
    /// The name of a header field that tells the rounds apart.
    pub(super) round_field: Option<String>,
    /// Where what is read goes too.
    pub(super) echo: Option<Outlet>,
    /// Counts what did not go there.
    pub(super) echoes_dropped: Arc<AtomicU64>,
}

impl InputReader {
    /// Begins to read. An input without records is read once.
    ///
    /// The thread is not to be waited for without bound: it may sit in a read that never ends.
    /// It ends by itself once nobody wants what it has read. `done` is dropped then.
    pub(super) fn start(mut self, done: SyncSender<()>) -> Receiver<Reading> {
        let (sender, receiver) = sync_channel(WAITING);
        thread::spawn(move || {
            let _done = done;
            if let Err(error) = self.read(&sender)
                && sender.send(Reading::Failed(error)).is_err()
            {
                // The replay has ended before its input; nobody is left to be told.
            }
        });
        receiver
    }

    fn read(&mut self, sender: &SyncSender<Reading>) -> Result<()> {
        for round in 1..=self.rounds {
            let mut intake = Intake::default();
            let mut is_empty = true;
            for part in 0..self.parts.len() {
                let InputPart { open, speed } = &mut self.parts[part];
                let (mut source, speed) = (open()?, *speed);
                if sender.send(Reading::Speed(speed)).is_err() {
                    return Ok(());
                }
                let mut block = Block::new();
                let mut is_group = false;
                loop {
                    while source.read_block(&mut block)? {
                        is_empty = false;
                        let mut full = std::mem::take(&mut block);
                        if round > 1 || self.round_field.is_some() {
                            full = mark_round(&full, round, self.round_field.as_deref());
                        }
                        let full = Arc::new(full);
                        self.copy(&full);
                        let intake = intake.join(&source.intake());
                        let checkpoint = source.checkpoint();
                        is_group |= checkpoint.is_some();
                        let reading = Reading::Block(full, intake, checkpoint);
                        if !hand_on(sender, reading, &mut source, is_group) {
                            outlast(&mut source);
                            return Ok(());
                        }
                    }
                    if let Some(checkpoint) = source.checkpoint()
                        && !hand_on(sender, Reading::Checkpoint(checkpoint), &mut source, true)
                    {
                        outlast(&mut source);
                        return Ok(());
                    }
                    // It may get what others have read and not handled.
                    if !source.awaits_handling() {
                        break;
                    }
                    source.keep_alive();
                }
                intake = intake.join(&source.intake());
            }
            let is_last = is_empty || round == self.rounds;
            let message = if is_last { Reading::End(intake) } else { Reading::Round };
            if sender.send(message).is_err() || is_last {
                return Ok(());
            }
        }
        Ok(())
    }

    fn copy(&self, block: &Arc<Block>) {
        if let Some(echo) = &self.echo {
            echo.wait();
            self.echoes_dropped.fetch_add(echo.put(Arc::clone(block)) as u64, Ordering::Relaxed);
        }
    }
}

/// Hands on what was read; whether somebody wants it. A source of a group is kept alive while that takes.
fn hand_on(
    sender: &SyncSender<Reading>,
    mut reading: Reading,
    source: &mut impl Source,
    is_group: bool,
) -> bool {
    if !is_group {
        return sender.send(reading).is_ok();
    }
    loop {
        match sender.try_send(reading) {
            Ok(()) => return true,
            Err(TrySendError::Disconnected(_)) => return false,
            Err(TrySendError::Full(back)) => {
                reading = back;
                source.keep_alive();
            }
        }
    }
}

/// Keeps a source of a group alive until it is said what was handled, or that no more is.
fn outlast(source: &mut impl Source) {
    while source.awaits_handling() {
        source.keep_alive();
    }
}
