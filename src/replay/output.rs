//! Replayed answers, and the input passed through, on their way to one stream of records.
//!
//! The schedule does not wait for the stream: pieces wait in a queue that is bounded in bytes, and what finds
//! it full is dropped and counted. Where the user prefers it, sending and reading are held instead.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use super::clock;
use super::ending::Ending;
use crate::record::{Block, Sink};
use crate::{Error, Result};

/// Bytes that may wait for the stream. The piece that reaches this is taken whole.
const WAITING: usize = 64 << 20;

/// How often it is looked whether a full queue has room.
const LOOK: Duration = Duration::from_millis(1);

/// How long the stream is waited for when nothing is to be waited for any more.
const GRACE: Duration = Duration::from_secs(1);

/// What is done when the stream is slower than the answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WhenSlow {
    /// Records are dropped, and requests sent on time.
    Drop,
    /// Requests are held back, and no record is dropped.
    Wait,
}

/// Some records to be written.
#[derive(Debug)]
pub(super) enum OutputPiece {
    /// Records as they were read.
    Echo(Arc<Block>),
    /// Answers of the target.
    Answers(Block),
    /// Nothing of interest comes after this, though senders may be left.
    End,
}

impl OutputPiece {
    /// The records, if there are any.
    fn block(&self) -> Option<&Block> {
        match self {
            OutputPiece::Echo(block) => Some(block),
            OutputPiece::Answers(block) => Some(block),
            OutputPiece::End => None,
        }
    }
}

/// What waits for the stream.
#[derive(Debug, Default)]
struct OutputQueue {
    bytes: AtomicUsize,
    records: AtomicUsize,
    /// When it was last seen full: monotonic nanoseconds.
    full_at: AtomicU64,
}

impl OutputQueue {
    fn add(&self, block: &Block) {
        self.bytes.fetch_add(block.bytes().len(), Ordering::Relaxed);
        self.records.fetch_add(block.len(), Ordering::Relaxed);
    }

    fn remove(&self, block: &Block) {
        self.bytes.fetch_sub(block.bytes().len(), Ordering::Relaxed);
        self.records.fetch_sub(block.len(), Ordering::Relaxed);
    }

    fn is_full(&self) -> bool {
        let is_full = self.bytes.load(Ordering::Relaxed) >= WAITING;
        if is_full {
            self.full_at.store(clock::now(), Ordering::Relaxed);
        }
        is_full
    }
}

/// The way to the stream.
#[derive(Clone, Debug)]
pub(super) struct Outlet {
    pieces: Sender<OutputPiece>,
    queue: Arc<OutputQueue>,
    when_slow: WhenSlow,
    ending: Ending,
}

impl Outlet {
    /// Hands over a piece; how many records were dropped instead. Once the stream has failed nothing counts
    /// as dropped, as that is told by itself.
    pub(super) fn put(&self, piece: OutputPiece) -> usize {
        let Some(block) = piece.block() else { return 0 };
        if self.when_slow == WhenSlow::Drop && self.queue.is_full() {
            return block.len();
        }
        self.queue.add(block);
        if self.pieces.send(piece).is_err() {
            self.ending.output_failed.store(true, Ordering::Relaxed);
        }
        0
    }

    /// Whether nothing more should be made for the stream now.
    pub(super) fn holds(&self) -> bool {
        self.when_slow == WhenSlow::Wait && self.queue.is_full()
    }

    /// Whether it held at some time since `moment`.
    pub(super) fn held_since(&self, moment: u64) -> bool {
        self.when_slow == WhenSlow::Wait && self.queue.full_at.load(Ordering::Relaxed) >= moment
    }

    /// Returns once it does not hold any more, or the replay ends.
    pub(super) fn wait(&self) {
        while self.holds() && !self.ending.is_near() {
            thread::sleep(LOOK);
        }
    }
}

/// The thread that writes the output.
#[derive(Debug)]
pub(super) struct OutputWriter {
    pub(super) outlet: Outlet,
    ended: Receiver<Result<()>>,
}

impl OutputWriter {
    pub(super) fn start(out: Box<dyn Sink + Send>, when_slow: WhenSlow, ending: &Ending) -> Self {
        let (pieces, receiver) = mpsc::channel();
        let (end, ended) = mpsc::channel();
        let queue = Arc::new(OutputQueue::default());
        let outlet = Outlet { pieces, queue: Arc::clone(&queue), when_slow, ending: ending.clone() };
        let output_failed = Arc::clone(&ending.output_failed);
        thread::spawn(move || {
            let written = write(&receiver, &queue, out);
            if written.is_err() {
                output_failed.store(true, Ordering::Relaxed);
            }
            if end.send(written).is_err() {
                // The replay has not waited for this.
            }
        });
        OutputWriter { outlet, ended }
    }

    /// Has everything written that was handed over; how many records were not. The thread is left to itself
    /// where the stream does not take them and nothing is to be waited for.
    pub(super) fn finish(self) -> (Result<()>, usize) {
        if self.outlet.pieces.send(OutputPiece::End).is_err() {
            // It has ended by itself, and says why below.
        }
        let mut now_since = None;
        loop {
            match self.ended.recv_timeout(GRACE / 20) {
                Ok(written) => return (written, 0),
                Err(RecvTimeoutError::Disconnected) => {
                    return (Err(Error::Invalid("the thread that writes the output has failed".into())), 0);
                }
                Err(RecvTimeoutError::Timeout) if self.outlet.ending.is_now() => {
                    if now_since.get_or_insert_with(Instant::now).elapsed() >= GRACE {
                        return (Ok(()), self.waiting().max(1));
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    fn waiting(&self) -> usize {
        self.outlet.queue.records.load(Ordering::Relaxed)
    }

    /// Tells how many records wait.
    pub(super) fn gauge(&self) -> impl Fn() -> usize + Send + use<> {
        let queue = Arc::clone(&self.outlet.queue);
        move || queue.records.load(Ordering::Relaxed)
    }
}

/// Writes until the end. What is there is flushed before waiting for more.
fn write(pieces: &Receiver<OutputPiece>, queue: &OutputQueue, mut out: impl Sink) -> Result<()> {
    while let Ok(mut piece) = pieces.recv() {
        loop {
            let Some(block) = piece.block() else { return out.finish() };
            out.write_block(block)?;
            queue.remove(block);
            match pieces.try_recv() {
                Ok(next) => piece = next,
                Err(_) => break,
            }
        }
        out.flush()?;
    }
    out.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Header, Kind, Run};
    use std::sync::mpsc::{SyncSender, sync_channel};

    /// A stream that takes a block for each word of permission.
    struct Gate {
        permits: Receiver<()>,
        taken: SyncSender<usize>,
    }

    impl Sink for Gate {
        fn write(&mut self, records: &Run<'_>) -> Result<()> {
            if self.permits.recv().is_ok() {
                self.taken.send(records.len()).expect("the test reads");
            }
            Ok(())
        }

        fn flush(&mut self) -> Result<()> {
            Ok(())
        }

        fn finish(&mut self) -> Result<()> {
            Ok(())
        }
    }

    fn gate() -> (Gate, mpsc::Sender<()>, Receiver<usize>) {
        let (permit, permits) = mpsc::channel();
        let (taken, progress) = sync_channel(100);
        (Gate { permits, taken }, permit, progress)
    }

    fn piece(bytes: usize) -> OutputPiece {
        let mut block = Block::new();
        block.push(&Header { kind: Kind::Replayed, id: b"1", ..Header::default() }, &vec![b'x'; bytes]);
        OutputPiece::Answers(block)
    }

    #[test]
    fn a_full_queue_drops_or_holds_and_has_room_again_when_the_stream_goes_on() {
        for when_slow in [WhenSlow::Drop, WhenSlow::Wait] {
            let (gate, permit, progress) = gate();
            let writer = OutputWriter::start(Box::new(gate), when_slow, &Ending::default());
            let outlet = writer.outlet.clone();
            let dropped: usize = (0..5).map(|_| outlet.put(piece(WAITING / 4))).sum();
            // Each is a little longer than a quarter, by its header.
            assert_eq!(dropped, usize::from(when_slow == WhenSlow::Drop));
            assert_eq!(outlet.holds(), when_slow == WhenSlow::Wait);
            for _ in 0..2 {
                permit.send(()).unwrap();
                progress.recv().unwrap();
            }
            // The stream is about to take a third one: the two before are off the queue.
            outlet.wait();
            permit.send(()).unwrap();
            progress.recv().unwrap();
            assert_eq!(outlet.put(piece(1)), 0);
            drop(permit);
            assert!(matches!(writer.finish(), (Ok(()), 0)));
        }
    }

    #[test]
    fn what_is_not_waited_for_is_told() {
        let (gate, _permit, _takes) = gate();
        let ending = Ending::default();
        let writer = OutputWriter::start(Box::new(gate), WhenSlow::Drop, &ending);
        writer.outlet.put(piece(1));
        writer.outlet.put(piece(1));
        ending.stop.sending.store(true, Ordering::Relaxed);
        ending.stop.waiting.store(true, Ordering::Relaxed);
        assert!(matches!(writer.finish(), (Ok(()), 2)));
    }
}
