//! Outstanding requests: those that wait for their response, within a window of bytes.

use std::collections::{HashMap, VecDeque};

use foldhash::fast::RandomState;

use super::filter::Note;

/// A request that waits for its response.
#[derive(Clone, Copy, Debug)]
pub(super) struct OutstandingRequest {
    /// When it began, in nanoseconds.
    pub(super) time: i64,
    /// Whether the response's body must match.
    pub(super) needs_body: bool,
    /// Its number, counted over all records.
    pub(super) record: u64,
    /// Whether the record is held back, as it may be written.
    pub(super) is_held: bool,
}

/// All outstanding requests. Bounded by the window, as each is a record in it.
#[derive(Debug)]
pub(super) struct OutstandingRequests {
    window: u64,
    /// By id; of the same id only the latest waits.
    requests: HashMap<u64, OutstandingRequest, RandomState>,
    /// In their order: where each began, its id and its number. Those that
    /// were answered stand here until the window has passed them.
    order: VecDeque<(u64, u64, u64)>,
    /// Bytes of records so far.
    position: u64,
    /// Number of the record at hand.
    record: u64,
    /// Number of the first record of the block at hand.
    block_first: u64,
}

impl OutstandingRequests {
    pub(super) fn new(window: u64) -> Self {
        OutstandingRequests {
            window,
            requests: HashMap::default(),
            order: VecDeque::new(),
            position: 0,
            record: 0,
            block_first: 0,
        }
    }

    /// The next record is the first of another block.
    pub(super) fn begin_block(&mut self) {
        self.block_first = self.record;
    }

    /// Where the record at hand begins.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// The record at hand is done with, and was so long.
    pub(super) fn step(&mut self, length: u64) {
        self.position += length;
        self.record += 1;
    }

    /// The record at hand begins to wait.
    pub(super) fn push(&mut self, note: &Note, needs_body: bool, is_held: bool) {
        let request = OutstandingRequest { time: note.time, needs_body, record: self.record, is_held };
        self.requests.insert(note.id, request);
        self.order.push_back((self.position, note.id, self.record));
    }

    /// The request with this id waits no longer.
    pub(super) fn take(&mut self, id: u64) -> Option<OutstandingRequest> {
        self.requests.remove(&id)
    }

    /// The oldest request and its id, if no response that begins at `position` or later
    /// is within its window.
    pub(super) fn take_expired(&mut self, position: u64) -> Option<(u64, OutstandingRequest)> {
        while let Some(&(began, ..)) = self.order.front()
            && position - began > self.window
        {
            if let Some(request) = self.pop() {
                return Some(request);
            }
        }
        None
    }

    /// The oldest request and its id, whatever its age.
    pub(super) fn take_oldest(&mut self) -> Option<(u64, OutstandingRequest)> {
        while !self.order.is_empty() {
            if let Some(request) = self.pop() {
                return Some(request);
            }
        }
        None
    }

    /// Where the request stands in the block at hand, if it is in that.
    pub(super) fn index_in_block(&self, request: &OutstandingRequest) -> Option<usize> {
        request.record.checked_sub(self.block_first).map(|index| index as usize)
    }

    /// Takes the front of the order, and its request if that still waits.
    fn pop(&mut self) -> Option<(u64, OutstandingRequest)> {
        let (_, id, record) = self.order.pop_front()?;
        let request = *self.requests.get(&id).filter(|request| request.record == record)?;
        self.requests.remove(&id);
        Some((id, request))
    }
}
