//! Recorded responses that wait for their requests to go to the child: each goes directly behind its own.

use std::collections::VecDeque;
use std::sync::Arc;

use foldhash::quality::RandomState;
use hashbrown::HashMap;

use crate::record::{Block, View};

/// Bytes that may wait.
const WAITING: usize = 64 << 20;

/// Responses in waiting. One whose request does not come, or came before, goes to the child behind a
/// request that was read later.
#[derive(Debug, Default)]
pub(super) struct RecordedResponses {
    /// Each in a block of its own, as the blocks that were read are large.
    waiting: HashMap<u64, Arc<Block>, RandomState>,
    by_id: HashMap<Box<[u8]>, VecDeque<u64>, RandomState>,
    /// How many requests were read before each, in the order in which they were read; some are gone.
    order: VecDeque<(u64, u64)>,
    bytes: usize,
    pushed: u64,
}

impl RecordedResponses {
    /// Takes one in, which was read behind so many requests.
    pub(super) fn push(&mut self, view: &View<'_>, requests: u64) {
        let mut block = Block::new();
        block.push(&view.header, view.payload);
        self.bytes += block.bytes().len();
        self.waiting.insert(self.pushed, Arc::new(block));
        self.by_id.entry(view.header.id.into()).or_default().push_back(self.pushed);
        self.order.push_back((requests, self.pushed));
        self.pushed += 1;
    }

    /// Takes out one that belongs to the request with this id.
    pub(super) fn take(&mut self, id: &[u8]) -> Option<Arc<Block>> {
        let number = *self.by_id.get(id)?.front()?;
        self.remove(number)
    }

    /// Takes out one that has been passed by requests read after it, now that so many were read and given; or one for
    /// which there is no room.
    pub(super) fn take_passed(&mut self, given: u64) -> Option<Arc<Block>> {
        while let Some((requests, number)) = self.order.front().copied() {
            if !self.waiting.contains_key(&number) {
                self.order.pop_front();
            } else if requests < given || self.bytes > WAITING {
                return self.remove(number);
            } else {
                break;
            }
        }
        None
    }

    fn remove(&mut self, number: u64) -> Option<Arc<Block>> {
        let block = self.waiting.remove(&number)?;
        self.bytes -= block.bytes().len();
        let id = block.get(0).header.id;
        if let Some(numbers) = self.by_id.get_mut(id) {
            numbers.retain(|other| *other != number);
            if numbers.is_empty() {
                self.by_id.remove(id);
            }
        }
        Some(block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Header, Kind};

    fn pushed(responses: &[(&str, u64, usize)]) -> RecordedResponses {
        let mut waiting = RecordedResponses::default();
        for (id, requests, length) in responses {
            let mut block = Block::new();
            let header = Header { kind: Kind::Response, id: id.as_bytes(), ..Header::default() };
            block.push(&header, &vec![b'x'; *length]);
            waiting.push(&block.get(0), *requests);
        }
        waiting
    }

    fn id(block: Option<Arc<Block>>) -> Option<String> {
        block.map(|block| String::from_utf8(block.get(0).header.id.to_vec()).expect("text"))
    }

    #[test]
    fn a_response_goes_with_its_request_and_not_again_when_others_pass_it() {
        let mut waiting = pushed(&[("a", 1, 1), ("b", 1, 1), ("a", 2, 1)]);
        assert_eq!(id(waiting.take(b"a")).as_deref(), Some("a"));
        assert_eq!(id(waiting.take_passed(1)), None);
        assert_eq!(id(waiting.take_passed(2)).as_deref(), Some("b"));
        assert_eq!(id(waiting.take_passed(2)), None);
        assert_eq!(id(waiting.take_passed(3)).as_deref(), Some("a"));
        assert_eq!(id(waiting.take(b"a")), None);
        assert!(waiting.by_id.is_empty() && waiting.waiting.is_empty() && waiting.bytes == 0);
    }

    #[test]
    fn beyond_the_memory_the_one_that_was_read_first_goes() {
        let mut waiting = pushed(&[("a", 5, WAITING / 2), ("b", 5, WAITING / 2)]);
        assert_eq!(id(waiting.take_passed(0)).as_deref(), Some("a"));
        assert_eq!(id(waiting.take_passed(0)), None);
    }
}
