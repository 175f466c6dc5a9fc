//! Requests and their responses, put together again: a stream of exchanges, each as soon as it is whole.

use std::collections::VecDeque;
use std::hash::BuildHasher;

use foldhash::quality::RandomState;
use hashbrown::HashMap;

use crate::record::{Kind, View};

/// Requests that wait for their responses at most.
const MAX_WAITING: usize = 1 << 16;

/// Bytes of messages that wait at most.
const MAX_BYTES: usize = 64 << 20;

/// A request without a response is given out after this much of the recording's time, in nanoseconds.
const PATIENCE: i64 = 60_000_000_000;

/// What is kept of a message until its exchange is whole.
pub trait Kept {
    /// Keeps what is needed of a record.
    fn keep(record: &View<'_>) -> Self;

    /// Memory that it takes, in bytes, about.
    fn cost(&self) -> usize;
}

/// A request, its response, and the response that a replay of it got, as far as they were found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Exchange<T> {
    /// What was asked.
    pub request: Option<T>,
    /// What was answered.
    pub response: Option<T>,
    /// What was answered to a replay.
    pub replayed: Option<T>,
}

impl<T> Default for Exchange<T> {
    fn default() -> Self {
        Exchange { request: None, response: None, replayed: None }
    }
}

impl<T> Exchange<T> {
    fn place(&mut self, kind: Kind) -> &mut Option<T> {
        match kind {
            Kind::Request => &mut self.request,
            Kind::Response => &mut self.response,
            Kind::Replayed => &mut self.replayed,
        }
    }
}

/// An exchange that is not whole.
struct Waiting<T> {
    exchange: Exchange<T>,
    /// Which of all that ever waited it is.
    number: u64,
    time: i64,
    cost: usize,
}

/// Puts exchanges together by id, in bounded memory.
///
/// An exchange is given out with its response; in a recording that holds replayed responses, with that. One that stays
/// without is given out once it has waited for a minute of the recording, when more wait than there is room for, when
/// its id comes again, or at the end. In a recording with replayed responses time does not count.
pub struct Joiner<T> {
    hasher: RandomState,
    waiting: HashMap<u64, Waiting<T>, RandomState>,
    /// Ids of what waits, the oldest first; some have gone since.
    order: VecDeque<(u64, u64)>,
    bytes: usize,
    next: u64,
    /// Whether responses of replays are expected.
    has_replayed: bool,
}

impl<T: Kept> Default for Joiner<T> {
    fn default() -> Self {
        Joiner {
            hasher: RandomState::default(),
            waiting: HashMap::default(),
            order: VecDeque::new(),
            bytes: 0,
            next: 0,
            has_replayed: false,
        }
    }
}

impl<T: Kept> Joiner<T> {
    /// From now on exchanges wait for the response of a replay.
    pub fn expect_replayed(&mut self) {
        self.has_replayed = true;
    }

    /// Takes the next record, and gives out what is whole by it.
    pub fn take(&mut self, record: &View<'_>, mut give: impl FnMut(Exchange<T>)) {
        let (kind, time) = (record.header.kind, record.header.timestamp);
        let id = self.hasher.hash_one(record.header.id);
        self.has_replayed |= kind == Kind::Replayed;
        if !self.has_replayed {
            // A replay has times of its own, and comes when it comes.
            self.give_up_before(time.saturating_sub(PATIENCE), &mut give);
        }
        if let Some(waiting) = self.waiting.get_mut(&id) {
            let message = T::keep(record);
            let cost = message.cost();
            let place = waiting.exchange.place(kind);
            if place.is_none() {
                *place = Some(message);
                waiting.cost += cost;
                self.bytes += cost;
                let is_whole = match kind {
                    Kind::Request => false,
                    Kind::Response => !self.has_replayed || waiting.exchange.replayed.is_some(),
                    Kind::Replayed => true,
                };
                if is_whole {
                    self.remove(id, &mut give);
                }
                return self.make_room(&mut give);
            }
            // The same id again is another exchange.
            self.remove(id, &mut give);
            return self.begin(id, kind, time, message, &mut give);
        }
        let message = T::keep(record);
        if kind == Kind::Request || (kind == Kind::Response && self.has_replayed) {
            return self.begin(id, kind, time, message, &mut give);
        }
        let mut exchange = Exchange::default();
        *exchange.place(kind) = Some(message);
        give(exchange);
    }

    /// Gives out what still waits: nothing more comes.
    pub fn finish(&mut self, mut give: impl FnMut(Exchange<T>)) {
        self.give_up_before(i64::MAX, &mut give);
    }

    fn begin(&mut self, id: u64, kind: Kind, time: i64, message: T, give: &mut impl FnMut(Exchange<T>)) {
        let cost = message.cost();
        let mut exchange = Exchange::default();
        *exchange.place(kind) = Some(message);
        let number = self.next;
        self.next += 1;
        self.bytes += cost;
        self.waiting.insert(id, Waiting { exchange, number, time, cost });
        self.order.push_back((id, number));
        self.make_room(give);
    }

    fn remove(&mut self, id: u64, give: &mut impl FnMut(Exchange<T>)) {
        if let Some(waiting) = self.waiting.remove(&id) {
            self.bytes -= waiting.cost;
            give(waiting.exchange);
        }
    }

    fn make_room(&mut self, give: &mut impl FnMut(Exchange<T>)) {
        while self.waiting.len() > MAX_WAITING || self.bytes > MAX_BYTES {
            let Some((id, number)) = self.order.pop_front() else { return };
            if self.waiting.get(&id).is_some_and(|waiting| waiting.number == number) {
                self.remove(id, give);
            }
        }
        if self.order.len() > 4 * MAX_WAITING {
            self.order
                .retain(|(id, number)| self.waiting.get(id).is_some_and(|waiting| waiting.number == *number));
        }
    }

    fn give_up_before(&mut self, time: i64, give: &mut impl FnMut(Exchange<T>)) {
        while let Some((id, number)) = self.order.front().copied() {
            let waiting = self.waiting.get(&id).filter(|waiting| waiting.number == number);
            if waiting.is_some_and(|waiting| waiting.time >= time && time < i64::MAX) {
                return;
            }
            self.order.pop_front();
            if waiting.is_some() {
                self.remove(id, give);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Block, Header};

    impl Kept for String {
        fn keep(record: &View<'_>) -> Self {
            String::from_utf8_lossy(record.payload).into_owned()
        }
        fn cost(&self) -> usize {
            self.len()
        }
    }

    /// Kind, id, time and payload.
    type Told<'a> = (Kind, &'a str, i64, &'a str);

    /// Exchanges in order, each as `request response replayed`.
    fn joined(records: &[Told<'_>]) -> Vec<String> {
        let mut joiner = Joiner::<String>::default();
        let mut out = Vec::new();
        let mut give = |exchange: Exchange<String>| {
            let text = |message: Option<String>| message.unwrap_or_else(|| "-".into());
            out.push([exchange.request, exchange.response, exchange.replayed].map(text).join(" "));
        };
        for (kind, id, time, payload) in records {
            let mut block = Block::new();
            let header = Header { kind: *kind, id: id.as_bytes(), timestamp: *time, ..Header::default() };
            block.push(&header, payload.as_bytes());
            joiner.take(&block.get(0), &mut give);
        }
        give(Exchange::default());
        joiner.finish(&mut give);
        out
    }

    const MINUTE: i64 = PATIENCE;

    #[test]
    fn exchanges_are_given_out_when_they_are_whole() {
        use Kind::{Replayed, Request, Response};
        let cases: Vec<(Vec<Told<'_>>, &[&str])> = vec![
            (vec![(Request, "1", 0, "a"), (Response, "1", 1, "A")], &["a A -", "- - -"]),
            (
                vec![
                    (Request, "1", 0, "a"),
                    (Request, "2", 1, "b"),
                    (Response, "2", 2, "B"),
                    (Response, "1", 3, "A"),
                ],
                &["b B -", "a A -", "- - -"],
            ),
            (vec![(Request, "1", 0, "a")], &["- - -", "a - -"]),
            (vec![(Response, "1", 0, "A")], &["- A -", "- - -"]),
            (
                vec![(Request, "1", 0, "a"), (Request, "1", 1, "b"), (Response, "1", 2, "B")],
                &["a - -", "b B -", "- - -"],
            ),
            // It waited for a minute, and its response came later.
            (
                vec![
                    (Request, "1", 0, "a"),
                    (Request, "2", MINUTE + 1, "b"),
                    (Response, "1", MINUTE + 2, "A"),
                ],
                &["a - -", "- A -", "- - -", "b - -"],
            ),
            (
                vec![(Request, "1", 0, "a"), (Response, "1", 1, "A"), (Replayed, "1", 2, "X")],
                &["a A -", "- - X", "- - -"],
            ),
            // From the first of a replay on, others are waited for.
            (
                vec![
                    (Request, "1", 0, "a"),
                    (Replayed, "1", 2, "X"),
                    (Request, "2", 3, "b"),
                    (Response, "2", 4, "B"),
                    (Replayed, "2", 5, "Y"),
                ],
                &["a - X", "b B Y", "- - -"],
            ),
        ];
        for (records, expected) in cases {
            assert_eq!(joined(&records), expected, "{records:?}");
        }
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut joiner = Joiner::<String>::default();
        let mut given = 0;
        let mut block = Block::new();
        for number in 0..MAX_WAITING * 5 {
            block.clear();
            let id = number.to_string();
            block.push(&Header { id: id.as_bytes(), ..Header::default() }, b"x");
            joiner.take(&block.get(0), |_| given += 1);
        }
        assert_eq!((joiner.waiting.len(), given), (MAX_WAITING, MAX_WAITING * 4));
        assert!(joiner.order.len() <= 4 * MAX_WAITING);
    }
}
