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
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, TryRecvError, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::record::{Block, Intake, Sink, Source};
use crate::transform::{Filter, Note, Selection};
use crate::{Error, Result};

/// Blocks on their way besides one for each judge.
const BLOCKS_AHEAD: usize = 4;

/// A block longer than this goes round alone: several giant records must not
/// be in memory at once.
const GIANT: usize = 8 << 20;

/// How often a copy that waits for its source looks whether it is to stop.
const STOP_CHECK: Duration = Duration::from_millis(100);

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
///
/// When `is_stopping` turns true, what was read is still written, and no more
/// is read.
pub fn run(
    source: impl Source + Send + 'static,
    filter: &Filter,
    selection: &mut Selection,
    sink: &mut dyn Sink,
    threads: NonZeroUsize,
    is_stopping: &Arc<AtomicBool>,
) -> (Intake, Result<()>) {
    let mut intake = Intake::default();
    let result = start(source, filter, threads, is_stopping)
        .and_then(|stream| copy(&stream, selection, sink, &mut intake));
    (intake, result)
}

/// The consumer's ends of the two channels.
struct Stream {
    items: Receiver<Item>,
    used: Sender<Batch>,
    is_stopping: Arc<AtomicBool>,
}

impl Stream {
    /// Waits for the next item. `Ok(None)`: it was asked to stop, and the
    /// source has nothing.
    fn wait(&self) -> Result<Option<Item>> {
        loop {
            // Asked before the wait: what was read by then comes within it.
            let is_stopping = self.is_stopping.load(Ordering::Relaxed);
            match self.items.recv_timeout(STOP_CHECK) {
                Ok(item) => return Ok(Some(item)),
                Err(RecvTimeoutError::Disconnected) => return Err(thread_lost()),
                Err(RecvTimeoutError::Timeout) if is_stopping => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

/// Starts the threads that read and judge.
fn start(
    source: impl Source + Send + 'static,
    filter: &Filter,
    threads: NonZeroUsize,
    is_stopping: &Arc<AtomicBool>,
) -> Result<Stream> {
    let (hand_on, items) = channel();
    let (used, free) = channel();
    let (to_judges, jobs) = channel();
    let jobs = Arc::new(Mutex::new(jobs));
    for _ in 0..threads.get() {
        let (filter, jobs) = (filter.clone(), Arc::clone(&jobs));
        thread::Builder::new().name("judge".to_owned()).spawn(move || judge(&filter, &jobs))?;
    }
    let blocks = threads.get() + BLOCKS_AHEAD;
    for _ in 0..blocks {
        // The other end is in this function.
        let _ = used.send(Batch::default());
    }
    let free = Free { batches: free, number: blocks };
    let stop = Arc::clone(is_stopping);
    thread::Builder::new()
        .name("reader".to_owned())
        .spawn(move || read_ahead(source, &free, &to_judges, &hand_on, &stop))?;
    Ok(Stream { items, used, is_stopping: Arc::clone(is_stopping) })
}

/// A batch to judge, and where it is to go then.
type Job = (Batch, SyncSender<Batch>);

/// Judges until there is nothing more to come.
fn judge(filter: &Filter, jobs: &Mutex<Receiver<Job>>) {
    loop {
        let job = jobs.lock().map(|jobs| jobs.recv());
        let Ok(Ok((mut batch, done))) = job else { return };
        filter.judge_block(&batch.block, &mut batch.notes);
        // Nobody waits for it after the limit or a failed output.
        let _ = done.send(batch);
    }
}

/// The batches that have come back, and how many there are in all.
struct Free {
    batches: Receiver<Batch>,
    number: usize,
}

/// Reads to the end, or until nobody wants more.
fn read_ahead(
    mut source: impl Source,
    free: &Free,
    to_judges: &Sender<Job>,
    hand_on: &Sender<Item>,
    is_stopping: &AtomicBool,
) {
    let mut spare: Vec<Batch> = Vec::new();
    while let Some(mut batch) = spare.pop().or_else(|| free.batches.recv().ok()) {
        let end = if is_stopping.load(Ordering::Relaxed) {
            Some(Ok(()))
        } else {
            match source.read_block(&mut batch.block) {
                Ok(true) => None,
                Ok(false) => Some(Ok(())),
                Err(error) => Some(Err(error)),
            }
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
        if to_judges.send((batch, done)).is_err() {
            return;
        }
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
            Ok(item) => item,
            Err(TryRecvError::Disconnected) => return Err(thread_lost()),
            Err(TryRecvError::Empty) => {
                sink.flush()?;
                let Some(item) = stream.wait()? else { break };
                item
            }
        };
        let batch = match item {
            Item::Batch(judged) => judged.recv().map_err(|_| thread_lost())?,
            Item::End(all, end) => {
                *intake = all;
                let finished = sink.finish();
                return end.and(finished);
            }
        };
        *intake = batch.intake;
        selection.select(&batch.notes, &mut keep);
        for run in batch.block.runs(|index| keep.get(index) == Some(&true)) {
            sink.write(&run)?;
        }
        // The reading thread may be done.
        let _ = stream.used.send(batch);
    }
    sink.finish()
}

/// A thread that ends early has panicked, and said so itself.
fn thread_lost() -> Error {
    Error::Invalid("a thread ended before its work was done".to_owned())
}

#[cfg(test)]
mod tests;
