//! One source read on a thread of its own, a block ahead of what is merged.

use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, channel, sync_channel};
use std::thread;

use super::keyed_block::KeyedBlock;
use crate::record::{Intake, Source};
use crate::{Error, Result};

/// Blocks of one input: one that is merged, one that is read meanwhile.
const BLOCKS: usize = 2;

/// The consumer's end of a source that is read ahead.
pub(super) struct ReadAhead {
    items: Receiver<ReadItem>,
    used: Sender<KeyedBlock>,
    /// What was read so far.
    intake: Intake,
}

enum ReadItem {
    Batch(KeyedBlock),
    End(Intake, Result<()>),
}

/// What an input has to give.
#[allow(clippy::large_enum_variant, reason = "it is taken apart at once")]
pub(super) enum NextBatch {
    /// Records.
    Batch(KeyedBlock),
    /// Nothing yet, and it was not to be waited for.
    NotYet,
    /// The end, or what went wrong. Nothing comes after it.
    End(Result<()>),
}

impl ReadAhead {
    /// Starts to read.
    pub(super) fn start(source: Box<dyn Source + Send>, order: u32) -> Result<Self> {
        let (hand_on, items) = sync_channel(BLOCKS + 1);
        let (used, free) = channel();
        for _ in 0..BLOCKS {
            // The other end is in this function.
            let _ = used.send(KeyedBlock::default());
        }
        thread::Builder::new()
            .name("input".to_owned())
            .spawn(move || read(source, order, &free, &hand_on))?;
        Ok(ReadAhead { items, used, intake: Intake::default() })
    }

    /// The next records, if they are there, or if they may be waited for.
    pub(super) fn next(&mut self, may_wait: bool) -> NextBatch {
        let item = if may_wait {
            self.items.recv().map_err(|_| TryRecvError::Disconnected)
        } else {
            self.items.try_recv()
        };
        match item {
            Ok(ReadItem::Batch(batch)) => {
                self.intake = batch.intake;
                NextBatch::Batch(batch)
            }
            Ok(ReadItem::End(intake, result)) => {
                self.intake = intake;
                NextBatch::End(result)
            }
            Err(TryRecvError::Empty) => NextBatch::NotYet,
            // A thread that ends early has panicked, and said so itself.
            Err(TryRecvError::Disconnected) => NextBatch::End(Err(Error::Invalid(
                "a reading thread ended before its work was done".to_owned(),
            ))),
        }
    }

    /// Gives a block back, to be read into again.
    pub(super) fn give_back(&self, batch: KeyedBlock) {
        // The reading thread may be done.
        let _ = self.used.send(batch);
    }

    pub(super) fn intake(&self) -> Intake {
        self.intake
    }
}

/// Reads to the end, or until nobody wants more.
fn read(
    mut source: Box<dyn Source + Send>,
    order: u32,
    free: &Receiver<KeyedBlock>,
    hand_on: &SyncSender<ReadItem>,
) {
    let mut newest = i64::MIN;
    while let Ok(mut batch) = free.recv() {
        let result = source.read_block(&mut batch.block);
        let item = match result {
            Ok(true) => {
                batch.intake = source.intake();
                batch.number(order, &mut newest);
                ReadItem::Batch(batch)
            }
            end => {
                // The place is closed before its end is known: another may take its descriptor.
                let intake = source.intake();
                drop(source);
                let _ = hand_on.send(ReadItem::End(intake, end.map(|_| ())));
                return;
            }
        };
        if hand_on.send(item).is_err() {
            return;
        }
    }
}
