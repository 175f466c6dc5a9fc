//! One source read on a thread of its own, a block ahead of what is merged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, TryRecvError, channel, sync_channel};
use std::thread;
use std::time::Duration;

use super::keyed_block::KeyedBlock;
use crate::record::{Intake, Source};
use crate::{Error, Result};

/// Blocks of one input: one that is merged, one that is read meanwhile.
const BLOCKS: usize = 2;

/// How often a wait for an input looks whether it is to end.
const STOP_CHECK: Duration = Duration::from_millis(100);

/// The consumer's end of a source that is read ahead.
pub(super) struct ReadAhead {
    items: Receiver<ReadItem>,
    used: Sender<KeyedBlock>,
    is_stopping: Arc<AtomicBool>,
    /// What was read so far.
    intake: Intake,
}

enum ReadItem {
    Batch(KeyedBlock),
    End(Intake, Result<()>),
}

/// What an input has to give.
pub(super) enum NextBatch {
    /// Records.
    Batch(KeyedBlock),
    /// Nothing yet, and it was not to be waited for.
    NotYet,
    /// The end, or what went wrong. Nothing comes after it.
    End(Result<()>),
}

impl ReadAhead {
    /// Starts to read. When `is_stopping` turns true the input ends, at the
    /// latest when it is waited for.
    pub(super) fn start(
        source: Box<dyn Source + Send>,
        order: u32,
        is_stopping: &Arc<AtomicBool>,
    ) -> Result<Self> {
        let (hand_on, items) = sync_channel(BLOCKS + 1);
        let (used, free) = channel();
        for _ in 0..BLOCKS {
            // The other end is in this function.
            let _ = used.send(KeyedBlock::default());
        }
        let stop = Arc::clone(is_stopping);
        thread::Builder::new()
            .name("input".to_owned())
            .spawn(move || read(source, order, &free, &hand_on, &stop))?;
        Ok(ReadAhead { items, used, is_stopping: Arc::clone(is_stopping), intake: Intake::default() })
    }

    /// The next records, if they are there, or if they may be waited for.
    pub(super) fn next(&mut self, may_wait: bool) -> NextBatch {
        let item = if may_wait { self.wait() } else { self.items.try_recv().map_err(Some) };
        match item {
            Ok(ReadItem::Batch(batch)) => {
                self.intake = batch.intake;
                NextBatch::Batch(batch)
            }
            Ok(ReadItem::End(intake, result)) => {
                self.intake = intake;
                NextBatch::End(result)
            }
            Err(None) => NextBatch::End(Ok(())),
            Err(Some(TryRecvError::Empty)) => NextBatch::NotYet,
            // A thread that ends early has panicked, and said so itself.
            Err(Some(TryRecvError::Disconnected)) => NextBatch::End(Err(Error::Invalid(
                "a reading thread ended before its work was done".to_owned(),
            ))),
        }
    }

    /// `Err(None)`: it was asked to stop, and the input has nothing.
    fn wait(&self) -> Result<ReadItem, Option<TryRecvError>> {
        loop {
            // Asked before the wait: what was read by then comes within it.
            let is_stopping = self.is_stopping.load(Ordering::Relaxed);
            match self.items.recv_timeout(STOP_CHECK) {
                Ok(item) => return Ok(item),
                Err(RecvTimeoutError::Disconnected) => return Err(Some(TryRecvError::Disconnected)),
                Err(RecvTimeoutError::Timeout) if is_stopping => return Err(None),
                Err(RecvTimeoutError::Timeout) => {}
            }
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
    is_stopping: &AtomicBool,
) {
    let mut newest = i64::MIN;
    while let Ok(mut batch) = free.recv() {
        let result =
            if is_stopping.load(Ordering::Relaxed) { Ok(false) } else { source.read_block(&mut batch.block) };
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
