//! Source, transforms, sink: the one copy loop, and its parallel form.
//!
//! ```text
//! reading thread ─► a judge per core ─► this thread: select in order, write
//!        ▲                                        │
//!        └─────────────── used blocks ────────────┘
//! ```
//!
//! A fixed set of blocks goes round, which bounds the memory. Blocks are
//! judged in any order and taken up in the order they were read, so that the
//! output does not depend on the number of threads.

use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, channel, sync_channel};
use std::thread;

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::record::{Block, Intake, Sink, Source};
use crate::transform::{Filter, Note, Selection};
use crate::{Error, Result};

/// Blocks on their way besides one for each judge.
const BLOCKS_AHEAD: usize = 4;

/// A block longer than this goes round alone: several giant records must not
/// be in memory at once.
const GIANT: usize = 8 << 20;

/// A block and what is found out about it.
#[derive(Default)]
struct Batch {
    block: Block,
    notes: Vec<Note>,
    /// What was read up to the end of this block.
    intake: Intake,
}

/// What the reading thread hands on, in order.
enum Item {
    /// A block, which comes as soon as it is judged.
    Batch(Receiver<Batch>),
    /// The end of the source, or what went wrong there.
    End(Intake, Result<()>),
}

/// Copies what is selected from `source` to `sink`, and finishes the sink.
///
/// Returns what was read: all of it, or the blocks up to the one that reached
/// the selection's limit. When the source fails, the records before that are
/// written first.
///
/// What there is goes on at once: nothing is held back while the source has
/// to be waited for. A source that still waits for its next record when the
/// limit is reached or the sink fails is left behind on its own thread.
pub fn run(
    source: impl Source + Send + 'static,
    filter: &Filter,
    selection: &mut Selection,
    sink: &mut dyn Sink,
    threads: NonZeroUsize,
) -> (Intake, Result<()>) {
    let mut intake = Intake::default();
    let result =
        start(source, filter, threads).and_then(|stream| copy(&stream, selection, sink, &mut intake));
    (intake, result)
}

/// The consumer's ends of the two channels.
struct Stream {
    items: Receiver<Item>,
    used: Sender<Batch>,
}

/// Starts the threads that read and judge.
fn start(source: impl Source + Send + 'static, filter: &Filter, threads: NonZeroUsize) -> Result<Stream> {
    let threads = threads.get();
    let pool = ThreadPoolBuilder::new().num_threads(threads).thread_name(|_| "judge".to_owned()).build();
    let judges = Judges {
        pool: pool.map_err(|error| Error::Invalid(format!("cannot start {threads} threads: {error}")))?,
        filters: vec![filter.clone(); threads].into(),
    };
    let (hand_on, items) = channel();
    let (used, free) = channel();
    let blocks = threads + BLOCKS_AHEAD;
    for _ in 0..blocks {
        // The other end is in this function.
        let _ = used.send(Batch::default());
    }
    thread::Builder::new()
        .name("reader".to_owned())
        .spawn(move || read_ahead(source, &judges, &Free { batches: free, number: blocks }, &hand_on))?;
    Ok(Stream { items, used })
}

/// The threads that judge, and the filter of each.
struct Judges {
    pool: ThreadPool,
    filters: std::sync::Arc<[Filter]>,
}

impl Judges {
    /// Judges the batch on some thread, and sends it to `done`.
    fn judge(&self, mut batch: Batch, done: SyncSender<Batch>) {
        let filters = self.filters.clone();
        self.pool.spawn(move || {
            let own = rayon::current_thread_index().unwrap_or_default();
            filters[own].judge_block(&batch.block, &mut batch.notes);
            // Nobody waits for it after the limit or a failed output.
            let _ = done.send(batch);
        });
    }
}

/// The batches that have come back, and how many there are in all.
struct Free {
    batches: Receiver<Batch>,
    number: usize,
}

/// Reads to the end, or until nobody wants more.
fn read_ahead(mut source: impl Source, judges: &Judges, free: &Free, hand_on: &Sender<Item>) {
    let mut spare: Vec<Batch> = Vec::new();
    while let Some(mut batch) = spare.pop().or_else(|| free.batches.recv().ok()) {
        let end = match source.read_block(&mut batch.block) {
            Ok(true) => None,
            Ok(false) => Some(Ok(())),
            Err(error) => Some(Err(error)),
        };
        if let Some(end) = end {
            // Nobody asks how it ended after the limit or a failed output.
            let _ = hand_on.send(Item::End(source.intake(), end));
            return;
        }
        batch.intake = source.intake();
        let is_giant = batch.block.bytes().len() > GIANT;
        let (done, result) = sync_channel(1);
        if hand_on.send(Item::Batch(result)).is_err() {
            return;
        }
        judges.judge(batch, done);
        if is_giant {
            spare.extend(free.batches.iter().take(free.number - spare.len()));
        }
    }
}

/// Takes the blocks in order, selects, writes.
fn copy(stream: &Stream, selection: &mut Selection, sink: &mut dyn Sink, intake: &mut Intake) -> Result<()> {
    let mut keep = Vec::new();
    while !selection.is_over() {
        let item = match stream.items.try_recv() {
            Err(TryRecvError::Empty) => {
                sink.flush()?;
                stream.items.recv().ok()
            }
            item => item.ok(),
        };
        let batch = match item {
            Some(Item::Batch(judged)) => judged.recv().ok(),
            Some(Item::End(all, end)) => {
                *intake = all;
                let finished = sink.finish();
                return end.and(finished);
            }
            None => None,
        };
        let Some(batch) = batch else {
            return Err(Error::Invalid("a thread ended before its work was done".to_owned()));
        };
        *intake = batch.intake;
        selection.select(&batch.notes, &mut keep);
        for run in batch.block.runs(|index| keep.get(index) == Some(&true)) {
            sink.write(run)?;
        }
        // The reading thread may be done.
        let _ = stream.used.send(batch);
    }
    sink.finish()
}

#[cfg(test)]
mod tests;
