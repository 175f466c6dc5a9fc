//! Replayed answers, and the input passed through, on their way to one stream of records.
//!
//! The schedule does not wait for the stream: blocks wait in a queue, and what finds it full is dropped and counted. Where the user prefers it, sending and reading are held instead.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::clock;
use super::ending::Ending;
use crate::Result;
use crate::queue::{Inlet, Queue, QueueFlags, QueueSize};
use crate::record::{Block, Sink};

/// Bytes that may wait for the stream. The block that reaches this is taken whole.
const WAITING: u64 = 64 << 20;

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

/// The way to the stream.
#[derive(Clone, Debug)]
pub(super) struct Outlet {
    inlet: Arc<Inlet<Arc<Block>>>,
    /// When it was last seen full: monotonic nanoseconds.
    full_at: Arc<AtomicU64>,
    when_slow: WhenSlow,
    ending: Ending,
    /// Whether each record is wanted at once.
    is_prompt: bool,
}

impl Outlet {
    /// The way to a stream behind this queue.
    pub(super) fn new(inlet: Arc<Inlet<Arc<Block>>>, when_slow: WhenSlow, ending: &Ending) -> Self {
        Outlet { inlet, full_at: Arc::default(), when_slow, ending: ending.clone(), is_prompt: false }
    }

    /// The same, to a stream that wants each record at once.
    pub(super) fn prompt(self) -> Self {
        Outlet { is_prompt: true, ..self }
    }

    /// Whether each record is to be handed over at once.
    pub(super) fn is_prompt(&self) -> bool {
        self.is_prompt
    }

    /// Hands over a block; how many records were dropped instead. Once the stream has failed nothing counts
    /// as dropped, as that is told by itself.
    pub(super) fn put(&self, block: Arc<Block>) -> usize {
        let size = QueueSize { bytes: block.bytes().len(), records: block.len() };
        if self.when_slow == WhenSlow::Drop && self.inlet.is_full() {
            return size.records;
        }
        if !self.inlet.put(block, size) {
            self.ending.output_failed.store(true, Ordering::Relaxed);
        }
        0
    }

    /// Whether nothing more should be made for the stream now.
    pub(super) fn holds(&self) -> bool {
        let holds = self.when_slow == WhenSlow::Wait && self.inlet.is_full();
        if holds {
            self.full_at.store(clock::now(), Ordering::Relaxed);
        }
        holds
    }

    /// Whether it held at some time since `moment`.
    pub(super) fn held_since(&self, moment: u64) -> bool {
        self.when_slow == WhenSlow::Wait && self.full_at.load(Ordering::Relaxed) >= moment
    }

    /// Returns once it does not hold any more, or the replay ends.
    pub(super) fn wait(&self) {
        while self.holds() && !self.ending.is_near() {
            thread::sleep(LOOK);
        }
    }
}

/// The queue in front of the stream.
#[derive(Debug)]
pub(super) struct OutputWriter {
    pub(super) outlet: Outlet,
    queue: Queue<Arc<Block>>,
}

impl OutputWriter {
    pub(super) fn start(sink: Box<dyn Sink + Send>, when_slow: WhenSlow, ending: &Ending) -> Result<Self> {
        let flags = QueueFlags { failed: Arc::clone(&ending.output_failed), ..QueueFlags::default() };
        let write = |sink: &mut Box<dyn Sink + Send>, block: Arc<Block>| sink.write_block(&block);
        let queue = Queue::start("writer", WAITING, flags, sink, write)?;
        let outlet = Outlet::new(Arc::clone(&queue.inlet), when_slow, ending);
        Ok(OutputWriter { outlet, queue })
    }

    /// Has everything written that was handed over; how many records were not. The thread is left to itself
    /// where the stream does not take them and nothing is to be waited for.
    pub(super) fn finish(mut self) -> (Result<()>, usize) {
        self.queue.end();
        let mut now_since = None;
        loop {
            if let Some(written) = self.queue.ended(GRACE / 20) {
                return (written, 0);
            }
            if self.outlet.ending.is_now() && now_since.get_or_insert_with(Instant::now).elapsed() >= GRACE {
                return (Ok(()), self.queue.inlet.waiting().records.max(1));
            }
        }
    }

    /// Tells how many records wait.
    pub(super) fn gauge(&self) -> impl Fn() -> usize + Send + use<> {
        let inlet = Arc::clone(&self.queue.inlet);
        move || inlet.waiting().records
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Header, Kind, Run};
    use std::sync::mpsc::{self, Receiver, SyncSender, sync_channel};

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

    fn block(bytes: usize) -> Arc<Block> {
        let mut block = Block::new();
        block.push(&Header { kind: Kind::Replayed, id: b"1", ..Header::default() }, &vec![b'x'; bytes]);
        Arc::new(block)
    }

    #[test]
    fn a_full_queue_drops_or_holds_and_has_room_again_when_the_stream_goes_on() {
        for when_slow in [WhenSlow::Drop, WhenSlow::Wait] {
            let (gate, permit, progress) = gate();
            let writer =
                OutputWriter::start(Box::new(gate), when_slow, &Ending::default()).expect("a thread");
            let outlet = writer.outlet.clone();
            let dropped: usize = (0..5).map(|_| outlet.put(block(WAITING as usize / 4))).sum();
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
            assert_eq!(outlet.put(block(1)), 0);
            drop(permit);
            assert!(matches!(writer.finish(), (Ok(()), 0)));
        }
    }

    #[test]
    fn what_is_not_waited_for_is_told() {
        let (gate, _permit, _takes) = gate();
        let ending = Ending::default();
        let writer = OutputWriter::start(Box::new(gate), WhenSlow::Drop, &ending).expect("a thread");
        writer.outlet.put(block(1));
        writer.outlet.put(block(1));
        ending.stop.sending.store(true, Ordering::Relaxed);
        ending.stop.waiting.store(true, Ordering::Relaxed);
        assert!(matches!(writer.finish(), (Ok(()), 2)));
    }
}
