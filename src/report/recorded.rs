//! Latencies of the recording itself, for the comparison: responses that are read are paired with the requests before
//! them, by id, in bounded memory.

use std::collections::VecDeque;
use std::hash::BuildHasher;

use foldhash::quality::RandomState;
use hashbrown::HashMap;
use regex::bytes::Regex;

use super::groups::{GroupId, Groups};
use super::histogram::DIGITS;
use crate::observe::Durations;
use crate::record::{Kind, View};
use crate::show::recorded_latency;

/// Requests among which that of a response is looked for.
const MAX_WAITING: usize = 1 << 16;

/// A request that waits for its recorded response.
#[derive(Clone, Copy, Debug)]
struct AwaitedResponse {
    number: u64,
    began: i64,
    group: GroupId,
}

/// Latencies of a group, which has a histogram once it needs one.
#[derive(Clone, Debug, Default)]
pub(super) struct GroupLatency(pub(super) Option<Box<Durations>>);

/// What a recording tells of its own latencies.
#[derive(Clone, Debug)]
pub struct RecordedLatencies {
    hasher: RandomState,
    waiting: HashMap<u64, AwaitedResponse, RandomState>,
    /// Their ids, the oldest first; some have gone since.
    order: VecDeque<(u64, u64)>,
    next: u64,
    /// Responses that were read.
    pub(super) responses: u64,
    pub(super) latency: Durations,
    pub(super) groups: Groups<GroupLatency>,
}

impl RecordedLatencies {
    /// Of nothing so far. What the pattern matches in paths is taken for an id.
    pub fn new(pattern: Option<Regex>) -> Self {
        RecordedLatencies {
            hasher: RandomState::default(),
            waiting: HashMap::default(),
            order: VecDeque::new(),
            next: 0,
            responses: 0,
            latency: Durations::new(),
            groups: Groups::new(pattern),
        }
    }

    /// Takes the next record of the input.
    pub fn take(&mut self, record: &View<'_>) {
        let header = &record.header;
        match header.kind {
            Kind::Request => self.request(header.id, header.timestamp, record.payload),
            Kind::Response => {
                self.responses += 1;
                let ended = header.timestamp.saturating_add(header.latency.unwrap_or(0));
                self.response(header.id, ended);
            }
            Kind::Replayed => {}
        }
    }

    fn request(&mut self, id: &[u8], began: i64, payload: &[u8]) {
        let id = self.hasher.hash_one(id);
        let group = self.groups.find(payload);
        let number = self.next;
        self.next += 1;
        self.waiting.insert(id, AwaitedResponse { number, began, group });
        self.order.push_back((id, number));
        if self.order.len() > MAX_WAITING
            && let Some((id, number)) = self.order.pop_front()
            && self.waiting.get(&id).is_some_and(|waiting| waiting.number == number)
        {
            self.waiting.remove(&id);
        }
    }

    fn response(&mut self, id: &[u8], ended: i64) {
        let Some(AwaitedResponse { began, group, .. }) = self.waiting.remove(&self.hasher.hash_one(id))
        else {
            return;
        };
        let Ok(latency) = u64::try_from(recorded_latency(began, ended)) else { return };
        self.latency.record(latency);
        let durations = &mut self.groups.get(group).0;
        durations.get_or_insert_with(|| Box::new(Durations::with_digits(DIGITS))).record(latency);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Block, Header};

    fn block(records: &[(Kind, &str, i64, Option<i64>)]) -> Block {
        let mut block = Block::new();
        for (kind, id, timestamp, latency) in records {
            let header = Header {
                kind: *kind,
                id: id.as_bytes(),
                timestamp: *timestamp,
                latency: *latency,
                ..Header::default()
            };
            block.push(&header, b"GET /a/1 HTTP/1.1\r\n\r\n");
        }
        block
    }

    fn recorded(records: &[(Kind, &str, i64, Option<i64>)]) -> RecordedLatencies {
        let mut recorded = RecordedLatencies::new(None);
        block(records).iter().for_each(|record| recorded.take(&record));
        recorded
    }

    #[test]
    fn a_latency_is_from_the_beginning_of_the_request_to_the_end_of_the_response() {
        use Kind::{Replayed, Request, Response};
        let recorded = recorded(&[
            (Request, "a", 100, Some(7)),
            (Request, "b", 110, None),
            (Response, "b", 130, Some(5)),
            (Response, "a", 150, None),
            (Replayed, "b", 999, Some(999)),
            // Nobody asked, the order is wrong, and it was answered already.
            (Response, "x", 1, Some(1)),
            (Request, "c", 500, None),
            (Response, "c", 400, None),
            (Response, "a", 990, None),
        ]);
        assert_eq!(recorded.latency.counts().collect::<Vec<_>>(), [(25, 1), (50, 1)]);
        assert_eq!(recorded.responses, 5);
        let groups: Vec<_> = recorded
            .groups
            .into_named()
            .map(|(name, group)| (name, group.0.map_or(0, |durations| durations.len())))
            .collect();
        assert_eq!(groups, [("GET /a/{id}".to_owned(), 2), ("(other)".to_owned(), 0)]);
    }

    #[test]
    fn requests_without_responses_take_bounded_memory() {
        let mut recorded = RecordedLatencies::new(None);
        for number in 0..MAX_WAITING + 100 {
            recorded.request(&number.to_le_bytes(), 0, b"");
        }
        assert_eq!((recorded.waiting.len(), recorded.order.len()), (MAX_WAITING, MAX_WAITING));
    }
}
