//! Two recordings of the same requests, held against each other: which answers differ.

use std::collections::VecDeque;
use std::hash::BuildHasher;

use foldhash::quality::RandomState;
use hashbrown::HashMap;

use super::content::content;
use super::{Earlier, Exchange, Facts, KeptMessage};
use crate::http::Head;
use crate::observe::Size;
use crate::record::View;

/// Exchanges of either recording that wait for the other's, at most: beyond it, the oldest is given up.
const MAX_WAITING: usize = 1 << 17;

/// What is compared of a message: its line, and its body as it was meant.
#[derive(Clone, Debug)]
pub struct Compared {
    facts: Facts,
    /// Bytes of the body without chunks and content codings, and their hash.
    body: (u64, u64),
}

impl KeptMessage for Compared {
    fn keep(record: &View<'_>) -> Self {
        let facts = Facts::of(record);
        let body = match Head::of(record.payload) {
            Some(head) => content(&head, record.payload).bytes,
            None => record.payload.to_vec(),
        };
        // The same in both recordings of one run.
        let hash = foldhash::quality::FixedState::default().hash_one(&body);
        Compared { facts, body: (body.len() as u64, hash) }
    }

    fn cost(&self) -> usize {
        self.facts.cost() + size_of::<Self>() - size_of::<Facts>()
    }

    fn shortened(&self) -> Self {
        self.clone()
    }
}

/// Which recording.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RecordingSide {
    /// The first one.
    Before,
    /// The second one.
    After,
}

/// How many exchanges there were of each kind.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ComparisonCounts {
    /// With the same status and body.
    pub same: u64,
    /// With another status or body.
    pub different: u64,
    /// Answered in the first recording alone.
    pub only_before: u64,
    /// The other way round.
    pub only_after: u64,
    /// With an answer in neither.
    pub unanswered: u64,
    /// Given up, as more waited for their partner than there is room for.
    pub given_up: u64,
}

/// An exchange whose answers differ.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The request, the answer before, and as the replayed one the answer after.
    pub exchange: Exchange<Facts>,
    /// How the bodies differ, if they do.
    pub note: Option<String>,
}

struct UnmatchedExchange {
    side: RecordingSide,
    number: u64,
    request: Option<Facts>,
    answer: Option<Compared>,
}

/// Finds the exchanges of two recordings that belong together, by id, in bounded memory.
///
/// The answer of a recording is the response of a replay where it holds one, else the recorded response.
#[derive(Default)]
pub struct Comparison {
    hasher: RandomState,
    waiting: HashMap<u64, UnmatchedExchange, RandomState>,
    order: VecDeque<(u64, u64)>,
    next: u64,
    counts: ComparisonCounts,
}

impl Comparison {
    /// Takes the next exchange of a recording, and gives out the difference that it completes.
    pub fn take(&mut self, side: RecordingSide, exchange: Exchange<Compared>) -> Option<Difference> {
        let Exchange { request, response, replayed, earlier: past } = exchange;
        let answer = replayed.or(response);
        let id =
            request.as_ref().or(answer.as_ref()).map(|message| self.hasher.hash_one(&message.facts.id))?;
        let request = request.map(|request| request.facts);
        match self.waiting.remove(&id) {
            // The answer has come after its request was given out without one.
            Some(mut other) if past.is_shown() && other.side == side && other.answer.is_none() => {
                other.answer = answer;
                self.waiting.insert(id, other);
                None
            }
            None if past.is_shown() => {
                // The request was compared, or given up, as one without an answer.
                self.counts.given_up += 1;
                None
            }
            Some(other) if other.side != side => {
                let request = other.request.or(request);
                match side {
                    RecordingSide::After => self.compare(request, other.answer, answer),
                    RecordingSide::Before => self.compare(request, answer, other.answer),
                }
            }
            earlier => {
                if let Some(earlier) = earlier {
                    self.give_up(&earlier);
                }
                let number = self.next;
                self.next += 1;
                self.waiting.insert(id, UnmatchedExchange { side, number, request, answer });
                self.order.push_back((id, number));
                self.make_room();
                None
            }
        }
    }

    /// What was found: all that still waits has no partner.
    pub fn finish(mut self) -> ComparisonCounts {
        for waiting in std::mem::take(&mut self.waiting).into_values() {
            self.give_up(&waiting);
        }
        self.counts
    }

    fn compare(
        &mut self,
        request: Option<Facts>,
        before: Option<Compared>,
        after: Option<Compared>,
    ) -> Option<Difference> {
        let (before, after) = match (before, after) {
            (Some(before), Some(after)) => (before, after),
            (None, None) => {
                self.counts.unanswered += 1;
                return None;
            }
            (Some(_), None) => {
                self.counts.only_before += 1;
                return None;
            }
            (None, Some(_)) => {
                self.counts.only_after += 1;
                return None;
            }
        };
        let is_same_body = before.body == after.body;
        if is_same_body && before.facts.status() == after.facts.status() {
            self.counts.same += 1;
            return None;
        }
        self.counts.different += 1;
        let note = (!is_same_body).then(|| match (before.body.0, after.body.0) {
            (one, other) if one == other => format!("bodies of {} differ", Size(one)),
            (one, other) => format!("body {} > {}", Size(one), Size(other)),
        });
        let (response, replayed) = (Some(before.facts), Some(after.facts));
        let exchange = Exchange { request, response, replayed, earlier: Earlier::No };
        Some(Difference { exchange, note })
    }

    fn give_up(&mut self, waiting: &UnmatchedExchange) {
        match (&waiting.answer, waiting.side) {
            (None, _) => self.counts.unanswered += 1,
            (_, RecordingSide::Before) => self.counts.only_before += 1,
            (_, RecordingSide::After) => self.counts.only_after += 1,
        }
    }

    fn make_room(&mut self) {
        while self.order.len() > MAX_WAITING {
            let Some((id, number)) = self.order.pop_front() else { return };
            if self.waiting.get(&id).is_some_and(|waiting| waiting.number == number) {
                self.waiting.remove(&id);
                self.counts.given_up += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Block, Header, Kind};

    fn message(kind: Kind, id: &str, payload: &str) -> Compared {
        let mut block = Block::new();
        block.push(&Header { kind, id: id.as_bytes(), ..Header::default() }, payload.as_bytes());
        Compared::keep(&block.get(0))
    }

    fn exchange(id: &str, answer: &str) -> Exchange<Compared> {
        let response = (!answer.is_empty()).then(|| message(Kind::Response, id, answer));
        Exchange {
            request: Some(message(Kind::Request, id, "GET / HTTP/1.1\r\n\r\n")),
            response,
            ..Exchange::default()
        }
    }

    const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";

    #[test]
    fn answers_differ_by_status_or_by_what_the_body_means() {
        for (before, after, note, counts) in [
            (OK, CHUNKED, None, ComparisonCounts { same: 1, ..ComparisonCounts::default() }),
            (
                OK,
                "HTTP/1.1 500 Oops\r\n\r\nok",
                Some(None),
                ComparisonCounts { different: 1, ..ComparisonCounts::default() },
            ),
            (
                OK,
                "HTTP/1.1 200 OK\r\n\r\nno",
                Some(Some("bodies of 2B differ")),
                ComparisonCounts { different: 1, ..ComparisonCounts::default() },
            ),
            (
                OK,
                "HTTP/1.1 200 OK\r\n\r\nokay",
                Some(Some("body 2B > 4B")),
                ComparisonCounts { different: 1, ..ComparisonCounts::default() },
            ),
            (OK, "", None, ComparisonCounts { only_before: 1, ..ComparisonCounts::default() }),
            ("", OK, None, ComparisonCounts { only_after: 1, ..ComparisonCounts::default() }),
            ("", "", None, ComparisonCounts { unanswered: 1, ..ComparisonCounts::default() }),
        ] {
            for is_turned in [false, true] {
                let mut comparison = Comparison::default();
                let mut sides = [(RecordingSide::Before, before), (RecordingSide::After, after)];
                if is_turned {
                    sides.reverse();
                }
                let [first, second] =
                    sides.map(|(side, answer)| comparison.take(side, exchange("a", answer)));
                assert!(first.is_none());
                let found = second.map(|difference| difference.note);
                assert_eq!(found.as_ref().map(Option::as_deref), note, "{before} {after}");
                assert_eq!(comparison.finish(), counts, "{before} {after}");
            }
        }
    }

    #[test]
    fn what_has_no_partner_is_counted_and_bounded() {
        let mut comparison = Comparison::default();
        for number in 0..MAX_WAITING + 10 {
            assert!(comparison.take(RecordingSide::Before, exchange(&number.to_string(), OK)).is_none());
        }
        assert_eq!(comparison.waiting.len(), MAX_WAITING);
        let counts = comparison.finish();
        assert_eq!((counts.only_before, counts.given_up), (MAX_WAITING as u64, 10));
        assert_eq!(counts.only_before + counts.given_up, (MAX_WAITING + 10) as u64);
    }
}
