//! Requests and their responses, put together again: a stream of exchanges, each as soon as it is whole.

use std::collections::VecDeque;
use std::hash::BuildHasher;

use foldhash::quality::RandomState;
use hashbrown::HashMap;

use crate::record::{Header, Kind, View};

/// Requests that wait for their responses at most.
const MAX_WAITING: usize = 1 << 16;

/// Bytes of messages that wait at most.
const MAX_BYTES: usize = 64 << 20;

/// Requests that were given out without an answer, and are remembered for a late one, at most.
const MAX_REMEMBERED: usize = 1 << 16;

/// Bytes of these at most.
const MAX_REMEMBERED_BYTES: usize = 16 << 20;

/// A request without a response is given out after this much of the recording's time, in nanoseconds.
const PATIENCE: i64 = 60_000_000_000;

/// What is kept of a message until its exchange is whole.
pub trait KeptMessage {
    /// Keeps what is needed of a record.
    fn keep(record: &View<'_>) -> Self;

    /// Memory that it takes, in bytes, about.
    fn cost(&self) -> usize;

    /// What the line of a late answer says of its request.
    #[must_use]
    fn shortened(&self) -> Self;
}

/// Whether the request of an exchange was given out before.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Earlier {
    /// It was not.
    #[default]
    No,
    /// It was, without an answer.
    Unanswered,
    /// It was, with its response, but without the response of a replay, or with another of either.
    Answered,
    /// Nobody knows: there is no request here, and not all are remembered that were given out without an answer.
    Unknown,
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
    /// Whether the request was given out before, in another exchange.
    pub earlier: Earlier,
}

impl Earlier {
    /// Whether it was given out before for certain.
    pub fn is_shown(self) -> bool {
        matches!(self, Earlier::Unanswered | Earlier::Answered)
    }
}

impl<T> Default for Exchange<T> {
    fn default() -> Self {
        Exchange { request: None, response: None, replayed: None, earlier: Earlier::No }
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
struct PartialExchange<T> {
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
/// its id comes again, or at the end. In a recording with replayed responses time does not count. Of a patient one, or
/// with replayed responses, a response that comes before its request waits for it as well. What is needed of its
/// request is remembered in bounded memory: an answer that comes later is given out with it, marked as such.
pub struct Joiner<T> {
    hasher: RandomState,
    waiting: HashMap<u64, PartialExchange<T>, RandomState>,
    /// Ids of what waits, the oldest first; some have gone since.
    order: VecDeque<(u64, u64)>,
    bytes: usize,
    next: u64,
    /// Whether responses of replays are expected.
    has_replayed: bool,
    /// Whether only memory limits the waiting, and not time.
    is_patient: bool,
    remembered: Remembered<T>,
}

/// A request that was given out without an answer, or without one of two.
struct EarlierRequest<T> {
    number: u64,
    request: T,
    earlier: Earlier,
}

/// Requests that were given out without an answer.
struct Remembered<T> {
    requests: HashMap<u64, EarlierRequest<T>, RandomState>,
    /// Their ids, the oldest first; some have gone since.
    order: VecDeque<(u64, u64)>,
    bytes: usize,
    next: u64,
    has_forgotten: bool,
}

impl<T: KeptMessage> Remembered<T> {
    fn add(&mut self, id: u64, request: T, earlier: Earlier) {
        self.bytes += request.cost();
        let known = EarlierRequest { number: self.next, request, earlier };
        if let Some(older) = self.requests.insert(id, known) {
            // No answer can be told to be that of the older one any more.
            self.bytes -= older.request.cost();
            self.has_forgotten = true;
        }
        self.order.push_back((id, self.next));
        self.next += 1;
        while self.requests.len() > MAX_REMEMBERED || self.bytes > MAX_REMEMBERED_BYTES {
            let Some((id, number)) = self.order.pop_front() else { return };
            if self.is_there(id, number) {
                self.take(id);
                self.has_forgotten = true;
            }
        }
        if self.order.len() > 4 * MAX_REMEMBERED {
            let mut order = std::mem::take(&mut self.order);
            order.retain(|(id, number)| self.is_there(*id, *number));
            self.order = order;
        }
    }

    fn is_there(&self, id: u64, number: u64) -> bool {
        self.requests.get(&id).is_some_and(|known| known.number == number)
    }

    fn take(&mut self, id: u64) -> Option<EarlierRequest<T>> {
        let known = self.requests.remove(&id)?;
        self.bytes -= known.request.cost();
        Some(known)
    }

    /// An exchange for an answer whose request does not wait.
    fn late(&mut self, id: u64) -> Exchange<T> {
        let (request, earlier) = match self.take(id) {
            Some(known) => (Some(known.request), known.earlier),
            None if self.has_forgotten => (None, Earlier::Unknown),
            None => (None, Earlier::No),
        };
        Exchange { request, earlier, ..Exchange::default() }
    }
}

impl<T: KeptMessage> Default for Joiner<T> {
    fn default() -> Self {
        Joiner {
            hasher: RandomState::default(),
            waiting: HashMap::default(),
            order: VecDeque::new(),
            bytes: 0,
            next: 0,
            has_replayed: false,
            is_patient: false,
            remembered: Remembered {
                requests: HashMap::default(),
                order: VecDeque::new(),
                bytes: 0,
                next: 0,
                has_forgotten: false,
            },
        }
    }
}

impl<T: KeptMessage> Joiner<T> {
    /// One in which exchanges wait as long as there is room, for when nothing is shown before the end.
    pub fn patient() -> Self {
        Joiner { is_patient: true, ..Joiner::default() }
    }

    /// Whether an exchange waits that is not whole.
    pub fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// From now on exchanges wait for the response of a replay.
    pub fn expect_replayed(&mut self) {
        self.has_replayed = true;
    }

    /// Takes the next record, and gives out what is whole by it.
    pub fn take(&mut self, record: &View<'_>, give: impl FnMut(Exchange<T>)) {
        self.take_kept(&record.header, || T::keep(record), give);
    }

    /// The same of a record of which it is known already what is to be kept.
    pub fn take_kept(
        &mut self,
        header: &Header<'_>,
        keep: impl FnOnce() -> T,
        mut give: impl FnMut(Exchange<T>),
    ) {
        let (kind, time) = (header.kind, header.timestamp);
        let id = self.hasher.hash_one(header.id);
        self.has_replayed |= kind == Kind::Replayed;
        if !self.has_replayed && !self.is_patient {
            // A replay has times of its own, and comes when it comes.
            self.give_up_before(time.saturating_sub(PATIENCE), &mut give);
        }
        if let Some(waiting) = self.waiting.get_mut(&id) {
            // A response that began before this request is that of an earlier one with the same id.
            let is_stale = kind == Kind::Request && waiting.time < time;
            let place = waiting.exchange.place(kind);
            if place.is_none() && !is_stale {
                let message = keep();
                let cost = message.cost();
                *place = Some(message);
                waiting.cost += cost;
                self.bytes += cost;
                let is_whole = match kind {
                    Kind::Request => !self.has_replayed && waiting.exchange.response.is_some(),
                    Kind::Response => !self.has_replayed || waiting.exchange.replayed.is_some(),
                    Kind::Replayed => true,
                };
                if is_whole {
                    self.remove(id, &mut give);
                }
                return self.make_room(&mut give);
            }
            // The same id again is another exchange.
            self.give_up(id, &mut give);
        }
        let message = keep();
        let mut exchange = if kind == Kind::Request { Exchange::default() } else { self.remembered.late(id) };
        *exchange.place(kind) = Some(message);
        let may_come_first = self.is_patient && exchange.request.is_none() && !self.remembered.has_forgotten;
        if kind == Kind::Request || (kind == Kind::Response && (self.has_replayed || may_come_first)) {
            self.begin(id, time, exchange, &mut give);
        } else {
            give(exchange);
        }
    }

    /// Gives out what still waits: nothing more comes.
    pub fn finish(&mut self, mut give: impl FnMut(Exchange<T>)) {
        while let Some((id, number)) = self.order.pop_front() {
            if self.is_waiting(id, number) {
                self.remove(id, &mut give);
            }
        }
    }

    fn begin(&mut self, id: u64, time: i64, exchange: Exchange<T>, give: &mut impl FnMut(Exchange<T>)) {
        let messages = [&exchange.request, &exchange.response, &exchange.replayed];
        let cost = messages.into_iter().flatten().map(T::cost).sum();
        let number = self.next;
        self.next += 1;
        self.bytes += cost;
        self.waiting.insert(id, PartialExchange { exchange, number, time, cost });
        self.order.push_back((id, number));
        self.make_room(give);
    }

    fn is_waiting(&self, id: u64, number: u64) -> bool {
        self.waiting.get(&id).is_some_and(|waiting| waiting.number == number)
    }

    fn remove(&mut self, id: u64, give: &mut impl FnMut(Exchange<T>)) {
        if let Some(waiting) = self.waiting.remove(&id) {
            self.bytes -= waiting.cost;
            give(waiting.exchange);
        }
    }

    /// Gives out an exchange that is not whole.
    fn give_up(&mut self, id: u64, give: &mut impl FnMut(Exchange<T>)) {
        if let Some(PartialExchange { exchange, .. }) = self.waiting.get(&id)
            && let Some(request) = &exchange.request
        {
            let has_answer = exchange.response.is_some() || exchange.replayed.is_some();
            let earlier = if has_answer { Earlier::Answered } else { Earlier::Unanswered };
            self.remembered.add(id, request.shortened(), earlier);
        }
        self.remove(id, give);
    }

    fn make_room(&mut self, give: &mut impl FnMut(Exchange<T>)) {
        while self.waiting.len() > MAX_WAITING || self.bytes > MAX_BYTES {
            let Some((id, number)) = self.order.pop_front() else { return };
            if self.is_waiting(id, number) {
                self.give_up(id, give);
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
            if waiting.is_some_and(|waiting| waiting.time >= time) {
                return;
            }
            let is_waiting = waiting.is_some();
            self.order.pop_front();
            if is_waiting {
                self.give_up(id, give);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Block, Header};

    impl KeptMessage for String {
        fn keep(record: &View<'_>) -> Self {
            String::from_utf8_lossy(record.payload).into_owned()
        }
        fn cost(&self) -> usize {
            self.len()
        }
        fn shortened(&self) -> Self {
            self.clone()
        }
    }

    /// Kind, id, time and payload.
    type Told<'a> = (Kind, &'a str, i64, &'a str);

    /// Exchanges in order, each as `request response replayed`.
    fn joined(records: &[Told<'_>]) -> Vec<String> {
        joined_by(Joiner::default(), records)
    }

    fn joined_by(mut joiner: Joiner<String>, records: &[Told<'_>]) -> Vec<String> {
        let mut out = Vec::new();
        let mut give = |exchange: Exchange<String>| {
            let text = |message: Option<String>| message.unwrap_or_else(|| "-".into());
            let earlier = ["", " shown", " answered", " unknown"][exchange.earlier as usize];
            let messages = [exchange.request, exchange.response, exchange.replayed].map(text).join(" ");
            out.push(messages + earlier);
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
                &["a - -", "a A - shown", "- - -", "b - -"],
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
    fn a_response_that_comes_first_waits_for_its_request_where_nothing_is_shown_before_the_end() {
        use Kind::{Replayed, Request, Response};
        let cases: Vec<(Vec<Told<'_>>, &[&str])> = vec![
            (vec![(Response, "1", 1, "A"), (Request, "1", 0, "a")], &["a A -", "- - -"]),
            (
                vec![(Response, "1", 1, "A"), (Request, "2", 1, "b"), (Request, "1", 1, "a")],
                &["a A -", "- - -", "b - -"],
            ),
            (vec![(Response, "1", 1, "A")], &["- - -", "- A -"]),
            // It began before the request, whose id is used again.
            (
                vec![(Response, "1", 1, "A"), (Request, "1", 2, "b"), (Response, "1", 3, "B")],
                &["- A -", "b B -", "- - -"],
            ),
            (
                vec![
                    (Replayed, "0", 0, "X"),
                    (Response, "1", 1, "A"),
                    (Request, "1", 0, "a"),
                    (Replayed, "1", 9, "Y"),
                ],
                &["- - X", "a A Y", "- - -"],
            ),
        ];
        for (records, expected) in cases {
            assert_eq!(joined_by(Joiner::patient(), &records), expected, "{records:?}");
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
        assert_eq!(joiner.remembered.requests.len(), MAX_REMEMBERED);
        assert_eq!(joiner.remembered.bytes, MAX_REMEMBERED);
    }

    #[test]
    fn what_is_remembered_for_late_answers_is_bounded_and_what_is_forgotten_is_not_denied() {
        let mut joiner = Joiner::<String>::default();
        let mut block = Block::new();
        let mut take = |kind, id: &str, time, payload: &[u8]| {
            block.clear();
            block.push(&Header { kind, id: id.as_bytes(), timestamp: time, ..Header::default() }, payload);
            let mut given = Vec::new();
            joiner.take(&block.get(0), |exchange| given.push(exchange));
            let late = given.into_iter().find(|exchange| exchange.response.is_some());
            (
                late.map(|exchange| (exchange.request.map(|request| request.len()), exchange.earlier)),
                joiner.remembered.bytes,
            )
        };
        let large = vec![b'x'; MAX_REMEMBERED_BYTES / 4];
        for id in 0..4 {
            take(Kind::Request, &id.to_string(), 0, &large);
        }
        let (given, bytes) = take(Kind::Response, "none", MINUTE + 1, b"N");
        assert_eq!((given, bytes), (Some((None, Earlier::No)), MAX_REMEMBERED_BYTES));
        take(Kind::Request, "4", MINUTE + 1, &large);
        let (given, bytes) = take(Kind::Response, "3", 3 * MINUTE, b"A");
        assert_eq!(given, Some((Some(large.len()), Earlier::Unanswered)));
        assert_eq!(bytes, MAX_REMEMBERED_BYTES / 4 * 3);
        assert_eq!(take(Kind::Response, "0", 3 * MINUTE, b"A").0, Some((None, Earlier::Unknown)));
    }

    #[test]
    fn a_patient_one_waits_as_long_as_there_is_room() {
        let mut joiner = Joiner::<String>::patient();
        let mut given = Vec::new();
        for (kind, time, payload) in [(Kind::Request, 0, "a"), (Kind::Response, 100 * MINUTE, "A")] {
            let mut block = Block::new();
            block.push(&Header { kind, id: b"1", timestamp: time, ..Header::default() }, payload.as_bytes());
            joiner.take(&block.get(0), |exchange| given.push(exchange));
        }
        let whole = Exchange { request: Some("a".into()), response: Some("A".into()), ..Exchange::default() };
        assert_eq!(given, [whole]);
    }
}
