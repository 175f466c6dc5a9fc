//! Source, transform, sink: the one copy loop, and its parallel form.
//!
//! ```text
//! reading thread: read ─► workers, one per core ─► this thread: emit in order
//!        ▲                                                          │
//!        └──────────────────────── used blocks ─────────────────────┘
//! ```
//!
//! What is done to the blocks is a [`Stage`]. A fixed set of blocks goes
//! round, which bounds the memory (but for what a stage keeps). Blocks are
//! worked on in any order and taken up in the order they were read, so that
//! the output does not depend on the number of threads. No more workers are
//! awake than are needed (`job_queue.rs`).

mod job_queue;

use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, channel, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use job_queue::{JobReceiver, JobSender, job_queue};

use crate::record::{Block, Checkpoint, Checkpoints, Intake, Sink, Source};
use crate::transform::{Stage, Worker};
use crate::{Error, Result};

/// Blocks on their way besides one for each worker.
const BLOCKS_AHEAD: usize = 4;

/// A block longer than this goes round alone: several giant records must not
/// be in memory at once.
const GIANT: usize = 8 << 20;

/// How often a source is told what was handled, while records come without pause.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// A block and what is found out about it.
#[derive(Default)]
struct Batch<N> {
    block: Block,
    notes: N,
    /// What was read up to the end of this block.
    intake: Intake,
    /// What the source is to be told when all up to there was handled.
    checkpoint: Option<Box<dyn Checkpoint>>,
}

/// What the reading thread hands on, in order.
enum Handover<N> {
    /// A block, which comes as soon as it is worked on.
    Batch(Receiver<Batch<N>>),
    /// The end of the source, or what went wrong there.
    End(Box<Intake>, Option<Box<dyn Checkpoint>>, Result<()>),
}

/// Copies `source` through `stage` to `sink`, and finishes both.
///
/// Returns what was read: all of it, or the blocks up to the one after which
/// the stage was over. When the source fails, the records before that are
/// written first.
///
/// What there is goes on at once: the sink is flushed whenever the source has
/// to be waited for. A source that still waits for its next record when the
/// stage is over or the sink fails is left behind on its own thread.
pub fn run<S: Stage>(
    source: impl Source + Send + 'static,
    stage: &mut S,
    sink: &mut dyn Sink,
    threads: NonZeroUsize,
) -> (Intake, Result<()>) {
    let mut intake = Intake::default();
    let result = start(source, stage, threads).and_then(|stream| copy(&stream, stage, sink, &mut intake));
    (intake, result)
}

/// The consumer's ends of the two channels.
struct Stream<N> {
    items: Receiver<Handover<N>>,
    used: Sender<Batch<N>>,
}

/// Starts the threads that read and work.
fn start<S: Stage>(
    source: impl Source + Send + 'static,
    stage: &mut S,
    threads: NonZeroUsize,
) -> Result<Stream<S::Notes>> {
    let (hand_on, items) = channel();
    let (used, free) = channel();
    let (to_workers, jobs) = job_queue(threads.get());
    for jobs in jobs {
        let worker = stage.worker();
        thread::Builder::new().name("worker".to_owned()).spawn(move || work(worker, &jobs))?;
    }
    let blocks = threads.get() + BLOCKS_AHEAD;
    for _ in 0..blocks {
        // The other end is in this function.
        let _ = used.send(Batch::default());
    }
    let free = Free { batches: free, number: blocks };
    thread::Builder::new()
        .name("reader".to_owned())
        .spawn(move || read_ahead(source, &free, &to_workers, &hand_on))?;
    Ok(Stream { items, used })
}

/// A batch to work on, and where it is to go then.
type Job<N> = (Batch<N>, SyncSender<Batch<N>>);

/// Works until there is nothing more to come.
fn work<N>(mut worker: impl Worker<N>, jobs: &JobReceiver<Job<N>>) {
    while let Some((mut batch, done)) = jobs.next() {
        batch.block.search();
        worker.work(&mut batch.block, &mut batch.notes);
        // Nobody waits for it when the stage is over or the output failed.
        let _ = done.send(batch);
    }
}

/// The batches that have come back, and how many there are in all.
struct Free<N> {
    batches: Receiver<Batch<N>>,
    number: usize,
}

/// Reads to the end, or until nobody wants more.
fn read_ahead<N>(
    mut source: impl Source,
    free: &Free<N>,
    to_workers: &JobSender<Job<N>>,
    hand_on: &Sender<Handover<N>>,
) {
    source.defer_searches();
    let mut spare: Vec<Batch<N>> = Vec::new();
    while let Some(mut batch) = spare.pop().or_else(|| free.batches.recv().ok()) {
        let end = match source.read_block(&mut batch.block) {
            Ok(true) => None,
            Ok(false) => Some(Ok(())),
            Err(error) => Some(Err(error)),
        };
        if let Some(end) = end {
            // Nobody asks how it ended when the stage is over or the output failed.
            let (intake, checkpoint) = (source.intake(), source.checkpoint());
            // What a source does when it is dropped is done before the end of all.
            drop(source);
            let _ = hand_on.send(Handover::End(Box::new(intake), checkpoint, end));
            return;
        }
        batch.intake = source.intake();
        batch.checkpoint = source.checkpoint();
        let is_giant = batch.block.bytes().len() > GIANT;
        let (done, result) = sync_channel(1);
        if hand_on.send(Handover::Batch(result)).is_err() {
            return;
        }
        to_workers.send((batch, done));
        if is_giant {
            spare.extend(free.batches.iter().take(free.number - spare.len()));
        }
    }
}

/// Takes the blocks in order and lets the stage write them. Sources that are to be told are told what was written.
fn copy<S: Stage>(
    stream: &Stream<S::Notes>,
    stage: &mut S,
    sink: &mut dyn Sink,
    intake: &mut Intake,
) -> Result<()> {
    let mut checkpoints = Checkpoints::default();
    let mut told = Instant::now();
    while !stage.is_over() {
        let item = match stream.items.try_recv() {
            Ok(item) => item,
            Err(TryRecvError::Disconnected) => return Err(thread_lost()),
            Err(TryRecvError::Empty) => {
                sink.flush()?;
                tell_handled(&mut checkpoints, stage, sink)?;
                told = Instant::now();
                stream.items.recv().map_err(|_| thread_lost())?
            }
        };
        let mut batch = match item {
            Handover::Batch(ready) => ready.recv().map_err(|_| thread_lost())?,
            Handover::End(all, checkpoint, end) => {
                *intake = *all;
                stage.finish(sink)?;
                if let Some(checkpoint) = checkpoint {
                    checkpoints.add(checkpoint);
                }
                let finished = if end.is_ok() { sink.finish() } else { sink.finish_failed() };
                let finished = finished.and_then(|()| checkpoints.commit());
                return end.and(finished);
            }
        };
        *intake = batch.intake;
        stage.emit(&mut batch.block, &mut batch.notes, sink)?;
        // Of the block that was the last one, what follows the last record that was wanted was not handled.
        if let Some(checkpoint) = batch.checkpoint.take().filter(|_| !stage.is_over()) {
            checkpoints.add(checkpoint);
            if told.elapsed() >= TELL_EVERY {
                tell_handled(&mut checkpoints, stage, sink)?;
                told = Instant::now();
            }
        }
        // The reading thread may be done.
        let _ = stream.used.send(batch);
    }
    finish(stage, sink)?;
    checkpoints.commit()
}

/// Has sources know what was written, unless the stage keeps records of it.
fn tell_handled(checkpoints: &mut Checkpoints, stage: &impl Stage, sink: &mut dyn Sink) -> Result<()> {
    if checkpoints.is_empty() || stage.keeps_records() {
        return Ok(());
    }
    sink.settle()?;
    checkpoints.commit()
}

/// Writes what the stage held back, and ends the output.
fn finish(stage: &mut impl Stage, sink: &mut dyn Sink) -> Result<()> {
    stage.finish(sink)?;
    sink.finish()
}

/// A thread that ends early has panicked, and said so itself.
fn thread_lost() -> Error {
    Error::Invalid("a thread ended before its work was done".to_owned())
}

#[cfg(test)]
mod tests;
