//! Requests put in the order of their timestamps, and handed to workers in batches.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::Arc;

use super::sessions::SessionPlace;
use crate::record::Block;

/// How long before its last request is due the next batch is taken. Reading a large record takes long, and
/// what follows it must have been read when it is due.
pub(super) const READ_AHEAD: u64 = 1_000_000_000;

/// A request in a batch.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ScheduledRequest {
    /// When it is due: monotonic nanoseconds.
    pub(super) due: u64,
    /// Which of the batch's blocks it is in.
    pub(super) block: u32,
    /// Which of the block's records it is.
    pub(super) record: u32,
    /// The recorded connection that it was on; 0 where that does not matter.
    pub(super) session: u64,
    /// How many requests were read before it.
    pub(super) number: u64,
    /// How long after the answer to the session's request before it is due, where that is what decides.
    pub(super) think: Option<u64>,
}

/// Requests in the order in which they are due, and the blocks they are in.
#[derive(Debug, Default)]
pub(super) struct RequestBatch {
    pub(super) blocks: Vec<Arc<Block>>,
    pub(super) entries: Vec<ScheduledRequest>,
    /// Recorded responses, where they are wanted, in any order.
    pub(super) responses: Vec<ScheduledRequest>,
}

impl RequestBatch {
    /// Adds a request, due no earlier than the last one.
    pub(super) fn push(&mut self, request: &QueuedRequest, schedule: ScheduledRequest) {
        let block = self.place(&request.block);
        let (record, number) = (request.record, request.number);
        self.entries.push(ScheduledRequest { block, record, number, ..schedule });
    }

    /// Adds a recorded response, which was read behind so many requests.
    pub(super) fn push_response(&mut self, block: &Arc<Block>, record: usize, number: u64) {
        let (block, record) = (self.place(block), record as u32);
        self.responses.push(ScheduledRequest { block, record, number, ..ScheduledRequest::default() });
    }

    /// Whether the source of a request has taken it back.
    pub(super) fn is_revoked(&self, entry: ScheduledRequest) -> bool {
        self.blocks[entry.block as usize].is_revoked()
    }

    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.responses.is_empty()
    }

    /// Which of the batch's blocks this is.
    fn place(&mut self, block: &Arc<Block>) -> u32 {
        // A window's worth of neighbours comes from few blocks, the newest most often.
        let known = self.blocks.iter().rposition(|known| Arc::ptr_eq(known, block));
        known.unwrap_or_else(|| {
            self.blocks.push(Arc::clone(block));
            self.blocks.len() - 1
        }) as u32
    }
}

/// A request waiting for its turn.
#[derive(Clone, Debug)]
pub(super) struct QueuedRequest {
    pub(super) timestamp: i64,
    /// How many came before it in the input: equal timestamps keep their order.
    number: u64,
    block: Arc<Block>,
    record: u32,
    pub(super) place: SessionPlace,
    /// The targets that it is not for any more, as bits.
    pub(super) settled: u64,
}

impl QueuedRequest {
    /// A request that waits for nothing, with a number.
    pub(super) fn of(block: &Arc<Block>, record: usize, number: u64) -> Self {
        let place = SessionPlace::default();
        QueuedRequest {
            timestamp: 0,
            number,
            block: Arc::clone(block),
            record: record as u32,
            place,
            settled: 0,
        }
    }

    /// How many requests were read before it.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The block that it is in.
    pub(super) fn block(&self) -> &Block {
        &self.block
    }

    /// The record's id.
    pub(super) fn id(&self) -> &[u8] {
        self.block.get(self.record as usize).header.id
    }

    fn key(&self) -> (i64, u64) {
        (self.timestamp, self.number)
    }
}

impl PartialEq for QueuedRequest {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for QueuedRequest {}

impl PartialOrd for QueuedRequest {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for QueuedRequest {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// Puts requests that are at most `depth` places from where they belong in order.
#[derive(Debug)]
pub(super) struct ReorderWindow {
    depth: usize,
    heap: BinaryHeap<Reverse<QueuedRequest>>,
    pushed: u64,
}

impl ReorderWindow {
    pub(super) fn new(depth: usize) -> Self {
        ReorderWindow { depth, heap: BinaryHeap::new(), pushed: 0 }
    }

    /// Takes in a request, which some targets, as bits, have settled.
    pub(super) fn push(
        &mut self,
        block: &Arc<Block>,
        record: usize,
        timestamp: i64,
        place: SessionPlace,
        settled: u64,
    ) {
        let (block, record) = (Arc::clone(block), record as u32);
        let request = QueuedRequest { timestamp, number: self.pushed, block, record, place, settled };
        self.pushed += 1;
        self.heap.push(Reverse(request));
    }

    /// Requests that came.
    pub(super) fn pushed(&self) -> u64 {
        self.pushed
    }

    /// Requests waiting.
    pub(super) fn len(&self) -> usize {
        self.heap.len()
    }

    /// The timestamp of the request whose turn is next.
    pub(super) fn first(&self) -> Option<i64> {
        self.heap.peek().map(|Reverse(request)| request.timestamp)
    }

    /// The next request, if more are waiting than the window is deep.
    pub(super) fn pop_excess(&mut self) -> Option<QueuedRequest> {
        if self.heap.len() > self.depth { self.pop() } else { None }
    }

    /// The next request.
    pub(super) fn pop(&mut self) -> Option<QueuedRequest> {
        self.heap.pop().map(|Reverse(request)| request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Header, Kind};
    use proptest::prelude::*;

    /// The order in which the requests of a block leave a window.
    fn order(depth: usize, timestamps: &[i64]) -> Vec<(i64, u32)> {
        let mut block = Block::new();
        for timestamp in timestamps {
            let header = Header { kind: Kind::Request, id: b"1", timestamp: *timestamp, ..Header::default() };
            block.push(&header, b"");
        }
        let block = Arc::new(block);
        let mut window = ReorderWindow::new(depth);
        let mut order = Vec::new();
        for (record, view) in block.iter().enumerate() {
            window.push(&block, record, view.header.timestamp, SessionPlace::default(), 0);
            order.extend(window.pop_excess());
        }
        order.extend(std::iter::from_fn(|| window.pop()));
        order.into_iter().map(|request| (request.timestamp, request.record)).collect()
    }

    proptest! {
        #[test]
        fn what_is_within_the_depth_of_its_place_comes_in_order(
            keys in prop::collection::vec((0..200_i64, 0..10_i64), 1..80),
        ) {
            // Places disturbed by at most nine.
            let mut disturbed: Vec<(i64, i64)> =
                keys.iter().enumerate().map(|(place, (_, shift))| (place as i64, *shift)).collect();
            disturbed.sort_by_key(|(place, shift)| place + shift);
            let timestamps: Vec<i64> = disturbed.iter().map(|(place, _)| *place).collect();
            let order = order(10, &timestamps);
            prop_assert!(order.is_sorted_by_key(|(timestamp, _)| *timestamp), "{order:?}");
        }

        #[test]
        fn nothing_is_lost_and_equals_keep_their_order(timestamps in prop::collection::vec(0..5_i64, 0..60), depth in 0..80_usize) {
            let order = order(depth, &timestamps);
            prop_assert_eq!(order.len(), timestamps.len());
            for timestamp in 0..5 {
                let places: Vec<u32> = order.iter().filter(|(at, _)| *at == timestamp).map(|(_, place)| *place).collect();
                prop_assert!(places.is_sorted(), "{places:?}");
            }
        }
    }

    #[test]
    fn a_window_of_no_depth_keeps_the_order_of_the_input() {
        assert_eq!(order(0, &[3, 1, 2]), [(3, 0), (1, 1), (2, 2)]);
    }
}
