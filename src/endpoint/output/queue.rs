//! Records on their way to an output that may be slower than their source, in a queue.
//!
//! The source never waits. When the queue is full, whole exchanges are dropped and counted: a request is refused, and
//! later its response too. The response to a request that was accepted still gets in, up to twice the limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};

use crate::Result;
use crate::queue::{Queue, QueueFlags, QueueSize};
use crate::record::{Block, Kind, Sink, View};
use crate::record::{LruMap, id_hash};

/// Refused requests whose responses are expected, at least. They take 3 MB.
const MAX_REFUSED: usize = 1 << 16;

/// Records that were dropped because the output was too slow.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Dropped {
    /// Requests.
    pub requests: u64,
    /// Responses, whose requests were dropped too or not.
    pub responses: u64,
}

/// A queue in front of an output.
#[derive(Debug)]
pub struct RecordQueue {
    queue: Queue<Block>,
    written: Receiver<Block>,
    failed: Arc<AtomicBool>,
    refused: LruMap<()>,
    dropped: Dropped,
}

impl RecordQueue {
    /// Begins to write to `sink` what is put in, of which at most `limit` bytes wait. When `reopening` turns true, files
    /// that were moved away are begun anew ([`Sink::reopen`]), and it turns false again.
    pub fn start(sink: Box<dyn Sink + Send>, limit: u64, reopening: &Arc<AtomicBool>) -> Result<Self> {
        let (back, written) = mpsc::channel();
        let flags = QueueFlags { reopening: Arc::clone(reopening), ..QueueFlags::default() };
        let write = move |sink: &mut Box<dyn Sink + Send>, block: Block| {
            sink.write_block(&block)?;
            // Given back to be filled anew. The queue may be gone.
            let _ = back.send(block);
            Ok(())
        };
        let failed = Arc::clone(&flags.failed);
        let queue = Queue::start("writer", limit, flags, sink, write)?;
        let refused = LruMap::new(MAX_REFUSED);
        Ok(RecordQueue { queue, written, failed, refused, dropped: Dropped::default() })
    }

    /// Hands over a block, and leaves an empty one in its place. An error is the output's.
    pub fn put(&mut self, block: &mut Block) -> Result<()> {
        let mut other = self.written.try_recv().unwrap_or_default();
        other.clear();
        let accepted = if self.has_room_for(block) { Vec::new() } else { self.choose(block) };
        if accepted.iter().all(|accepted| *accepted) {
            std::mem::swap(&mut other, block);
        } else {
            for (record, _) in block.iter().zip(&accepted).filter(|(_, accepted)| **accepted) {
                other.push(&record.header, record.payload);
            }
        }
        block.clear();
        if other.is_empty() {
            return Ok(());
        }
        let size = QueueSize { bytes: other.bytes().len(), records: other.len() };
        if self.queue.inlet.put(other, size) { Ok(()) } else { self.queue.finish() }
    }

    /// Whether all of a block fits, and holds no response whose request was refused: then no record is to be looked at.
    fn has_room_for(&self, block: &Block) -> bool {
        self.dropped.requests == 0
            && self.queue.inlet.waiting().bytes.saturating_add(block.bytes().len())
                <= self.queue.inlet.limit()
    }

    /// Which records there is room for.
    fn choose(&mut self, block: &Block) -> Vec<bool> {
        let (mut waiting, limit) = (self.queue.inlet.waiting().bytes, self.queue.inlet.limit());
        let mut choose = |record: View<'_>| {
            let id = id_hash(record.header.id);
            let is_accepted = if record.header.kind == Kind::Request {
                let has_room = waiting < limit;
                if !has_room {
                    self.refused.insert(id, ());
                    self.dropped.requests += 1;
                }
                has_room
            } else {
                let has_room = self.refused.get(id).is_none() && waiting < limit.saturating_mul(2);
                self.dropped.responses += u64::from(!has_room);
                has_room
            };
            waiting += if is_accepted { record.raw.len() } else { 0 };
            is_accepted
        };
        block.iter().map(&mut choose).collect()
    }

    /// Fails if the output has. Asked while there is nothing to hand over.
    pub fn check(&mut self) -> Result<()> {
        if self.failed.load(Ordering::Relaxed) { self.queue.finish() } else { Ok(()) }
    }

    /// What was dropped so far.
    pub fn dropped(&self) -> Dropped {
        self.dropped
    }

    /// Bytes of records that wait for the output.
    pub fn waiting(&self) -> u64 {
        self.queue.inlet.waiting().bytes as u64
    }

    /// Records that wait for the output or are being written. Those that are left when it has failed are lost, but for
    /// the first of them that it may have written.
    pub fn waiting_records(&self) -> u64 {
        self.queue.inlet.waiting().records as u64
    }

    /// Waits until all is written, and ends the output.
    pub fn finish(&mut self) -> Result<Dropped> {
        self.queue.finish().map(|()| self.dropped)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};
    use std::thread;

    use super::*;
    use crate::Error;
    use crate::record::{Header, Run};

    /// An output that takes a block for each permit, and hands out what it took.
    struct GatedOutput {
        permits: Receiver<()>,
        taken: Sender<(Kind, Vec<u8>)>,
    }

    impl Sink for GatedOutput {
        fn write(&mut self, records: &Run<'_>) -> Result<()> {
            // Without a gate keeper it is open.
            let _ = self.permits.recv();
            for record in records.iter() {
                self.taken.send((record.header.kind, record.header.id.to_vec())).expect("the test reads");
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

    fn put(queue: &mut RecordQueue, records: &[(Kind, &str)]) {
        let mut block = Block::new();
        for (kind, id) in records {
            block.push(&Header { kind: *kind, id: id.as_bytes(), ..Header::default() }, &[b'x'; 500]);
        }
        queue.put(&mut block).expect("the output takes it");
        assert!(block.is_empty());
    }

    #[test]
    fn a_full_queue_drops_whole_exchanges() {
        let (permit, permits) = channel();
        let (taken, output) = channel();
        let mut queue = RecordQueue::start(Box::new(GatedOutput { permits, taken }), 1000, &Arc::default())
            .expect("a thread");
        put(&mut queue, &[(Kind::Request, "a"), (Kind::Request, "b"), (Kind::Request, "c")]);
        // Its request got in, so it does.
        put(&mut queue, &[(Kind::Response, "a"), (Kind::Response, "c")]);
        assert_eq!(queue.dropped(), Dropped { requests: 1, responses: 1 });
        put(&mut queue, &[(Kind::Request, "d"), (Kind::Response, "b"), (Kind::Response, "d")]);
        // Twice the limit is reached: a request stays without its response.
        assert_eq!(queue.dropped(), Dropped { requests: 2, responses: 2 });
        put(&mut queue, &[(Kind::Response, "z")]);
        assert_eq!(queue.dropped(), Dropped { requests: 2, responses: 3 });
        drop(permit);
        let mut took: Vec<_> = output.iter().take(4).collect();
        while queue.waiting() > 0 {
            thread::yield_now();
        }
        // There is room again, and it is remembered that "d" was dropped.
        put(&mut queue, &[(Kind::Request, "e"), (Kind::Response, "d"), (Kind::Response, "e")]);
        assert_eq!(queue.dropped(), Dropped { requests: 2, responses: 4 });
        queue.finish().expect("the output ends well");
        took.extend(output.iter());
        let took: Vec<_> = took.iter().map(|(kind, id)| (*kind, str::from_utf8(id).expect("text"))).collect();
        let (request, response) = (Kind::Request, Kind::Response);
        let expected = [
            (request, "a"),
            (request, "b"),
            (response, "a"),
            (response, "b"),
            (request, "e"),
            (response, "e"),
        ];
        assert_eq!(took, expected);
    }

    #[test]
    fn an_output_that_fails_is_told_by_the_next_record_or_the_end() {
        struct FailingOutput;
        impl Sink for FailingOutput {
            fn write(&mut self, _: &Run<'_>) -> Result<()> {
                Err(Error::Invalid("full".into()))
            }
            fn flush(&mut self) -> Result<()> {
                Ok(())
            }
            fn finish(&mut self) -> Result<()> {
                Ok(())
            }
        }
        let mut queue = RecordQueue::start(Box::new(FailingOutput), 1000, &Arc::default()).expect("a thread");
        put(&mut queue, &[(Kind::Request, "a")]);
        assert_eq!(queue.finish().expect_err("it failed").to_string(), "full");
        assert!(queue.waiting_records() > 0, "what was not written is counted");
    }
}
