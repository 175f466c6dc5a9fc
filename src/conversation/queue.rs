//! The exchanges of a session, in order: those begun on the open connection, and those that wait.

use std::collections::{BTreeSet, VecDeque};
use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use super::message::QueuedMessage;
use super::sequence::Sequence;
use crate::http::RequestContext;
use crate::record::Kind;

/// A request, its response, or both.
#[derive(Debug)]
pub(super) struct SessionExchange {
    pub(super) number: u32,
    pub(super) request: Option<QueuedMessage>,
    pub(super) response: Option<QueuedMessage>,
    /// Known once the request was begun.
    pub(super) context: RequestContext,
    /// The id of both.
    id: Box<[u8]>,
    /// Its id's hash.
    hash: u64,
    /// Counts those put in by their start upwards, and those put before all downwards from zero.
    turn: i64,
}

impl SessionExchange {
    pub(super) fn start(&self) -> i64 {
        self.request.as_ref().or(self.response.as_ref()).map_or(i64::MIN, |message| message.start)
    }
}

/// Where an exchange is that lacks its response or its request. Those that lack the same are in the order of the
/// queue, but the last two kinds, of which either may be before the other.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum IncompletePlace {
    /// A request that was begun: its number among all that were.
    Asked(u64),
    /// A request that waits: its start, turn and slot.
    Request(i64, i64, u32),
    /// A response whose request was given up: its turn and slot.
    Left(i64, u32),
    /// A response that came before its request: its start, turn and slot.
    Response(i64, i64, u32),
}

/// Exchanges in order.
///
/// Whatever comes is put in without going through them, as how many wait, and in which order they come, is the choice
/// of strangers.
#[derive(Debug)]
pub(super) struct ExchangeQueue {
    /// Those that were begun on the open connection, and not answered yet.
    asked: VecDeque<SessionExchange>,
    /// Those that were taken from the front of `asked` so far.
    done: u64,
    /// Of `asked`, those that have a response.
    answered: usize,
    /// Those that were not begun.
    waiting: Sequence<SessionExchange>,
    /// Those of both that are not complete, by the hash of their id.
    incomplete: BTreeSet<(u64, IncompletePlace)>,
    hasher: RandomState,
    /// The turns given to those put in by their start and to those put before all.
    turns: [i64; 2],
    /// Incomplete exchanges looked at, which a test holds against what came.
    #[cfg(test)]
    examined: std::cell::Cell<usize>,
}

impl ExchangeQueue {
    pub(super) fn new() -> Self {
        ExchangeQueue {
            asked: VecDeque::new(),
            done: 0,
            answered: 0,
            waiting: Sequence::new(),
            incomplete: BTreeSet::new(),
            hasher: RandomState::default(),
            turns: [0; 2],
            #[cfg(test)]
            examined: std::cell::Cell::default(),
        }
    }

    /// Takes a request or response.
    pub(super) fn add(&mut self, kind: Kind, number: u32, message: QueuedMessage) {
        let hash = self.hasher.hash_one(message.id());
        self.add_hashed(hash, kind, number, message);
    }

    fn add_hashed(&mut self, hash: u64, kind: Kind, number: u32, message: QueuedMessage) {
        if kind == Kind::Request {
            let mut exchange = self
                .take_response(hash, message.id())
                .unwrap_or_else(|| SessionExchange::new(number, hash, &message));
            exchange.request = Some(message);
            return self.insert(exchange);
        }
        let Some(place) = self.find_request(hash, message.id()) else {
            let mut exchange = SessionExchange::new(number, hash, &message);
            exchange.response = Some(message);
            return self.insert(exchange);
        };
        self.incomplete.remove(&(hash, place));
        self.answered += usize::from(matches!(place, IncompletePlace::Asked(_)));
        if let Some(exchange) = self.get_mut(place) {
            exchange.response = Some(message);
        }
    }

    /// The first request of this id that has no response.
    fn find_request(&self, hash: u64, id: &[u8]) -> Option<IncompletePlace> {
        let (first, last) =
            (IncompletePlace::Asked(0), IncompletePlace::Request(i64::MAX, i64::MAX, u32::MAX));
        self.find(hash, id, first, last)
    }

    /// Takes out the first response of this id that has no request.
    fn take_response(&mut self, hash: u64, id: &[u8]) -> Option<SessionExchange> {
        let (first, last) = (IncompletePlace::Left(i64::MIN, 0), IncompletePlace::Left(i64::MAX, u32::MAX));
        let left = self.find(hash, id, first, last);
        let (first, last) = (
            IncompletePlace::Response(i64::MIN, i64::MIN, 0),
            IncompletePlace::Response(i64::MAX, i64::MAX, u32::MAX),
        );
        let response = self.find(hash, id, first, last);
        let place = match (left.and_then(slot_of), response.and_then(slot_of)) {
            (Some(left), Some(response)) if self.waiting.is_before(response, left) => Some(response),
            (left, response) => left.or(response),
        };
        self.take_waiting(place?)
    }

    /// The first incomplete exchange of this id between two places.
    fn find(
        &self,
        hash: u64,
        id: &[u8],
        first: IncompletePlace,
        last: IncompletePlace,
    ) -> Option<IncompletePlace> {
        let mut places = self.incomplete.range((hash, first)..=(hash, last)).map(|(_, place)| *place);
        places.find(|place| {
            self.count();
            self.get(*place).is_some_and(|exchange| *exchange.id == *id)
        })
    }

    fn get(&self, place: IncompletePlace) -> Option<&SessionExchange> {
        match place {
            IncompletePlace::Asked(number) => self.asked.get((number - self.done) as usize),
            _ => self.waiting.get(slot_of(place)?),
        }
    }

    fn get_mut(&mut self, place: IncompletePlace) -> Option<&mut SessionExchange> {
        match place {
            IncompletePlace::Asked(number) => self.asked.get_mut((number - self.done) as usize),
            _ => self.waiting.get_mut(slot_of(place)?),
        }
    }

    /// Puts an exchange among those not begun, by its start; of two that start alike the later one behind.
    fn insert(&mut self, mut exchange: SessionExchange) {
        self.turns[0] += 1;
        exchange.turn = self.turns[0];
        let key = (exchange.hash, exchange.start(), exchange.turn);
        let lacks = (exchange.request.is_none(), exchange.response.is_none());
        let slot = self.waiting.insert(exchange.start(), exchange);
        let (hash, start, turn) = key;
        match lacks {
            (_, true) => self.incomplete.insert((hash, IncompletePlace::Request(start, turn, slot))),
            (true, _) => self.incomplete.insert((hash, IncompletePlace::Response(start, turn, slot))),
            (false, false) => false,
        };
    }

    /// Takes out an exchange that was not begun.
    fn take_waiting(&mut self, slot: u32) -> Option<SessionExchange> {
        let exchange = self.waiting.remove(slot)?;
        let (start, turn) = (exchange.start(), exchange.turn);
        let place = match (&exchange.request, &exchange.response) {
            (Some(_), Some(_)) => return Some(exchange),
            (Some(_), None) => IncompletePlace::Request(start, turn, slot),
            _ if turn < 0 => IncompletePlace::Left(turn, slot),
            _ => IncompletePlace::Response(start, turn, slot),
        };
        self.incomplete.remove(&(exchange.hash, place));
        Some(exchange)
    }

    /// How many were begun, and not answered.
    pub(super) fn asked(&self) -> usize {
        self.asked.len()
    }

    /// The response to the first that was begun.
    pub(super) fn answer(&self) -> Option<&QueuedMessage> {
        self.asked.front()?.response.as_ref()
    }

    /// The response to the first that was begun and has one.
    pub(super) fn first_answer(&self) -> Option<&QueuedMessage> {
        if self.answered == 0 {
            return None;
        }
        self.asked.iter().find_map(|exchange| exchange.response.as_ref())
    }

    /// Takes out the first that was begun.
    pub(super) fn take_answer(&mut self) -> Option<SessionExchange> {
        let exchange = self.asked.pop_front()?;
        if exchange.response.is_some() {
            self.answered -= 1;
        } else {
            self.incomplete.remove(&(exchange.hash, IncompletePlace::Asked(self.done)));
        }
        self.done += 1;
        Some(exchange)
    }

    /// The first that was not begun.
    pub(super) fn first(&self) -> Option<&SessionExchange> {
        self.waiting.get(self.waiting.first()?)
    }

    /// Takes out the first that was not begun.
    pub(super) fn take_first(&mut self) -> Option<SessionExchange> {
        self.take_waiting(self.waiting.first()?)
    }

    /// The first that was not begun is begun.
    pub(super) fn ask(&mut self) -> Option<&mut SessionExchange> {
        let exchange = self.take_first()?;
        if exchange.response.is_some() {
            self.answered += 1;
        } else {
            let place = IncompletePlace::Asked(self.done + self.asked.len() as u64);
            self.incomplete.insert((exchange.hash, place));
        }
        if self.asked.len() == self.asked.capacity() {
            // Exactly, as nearly always there is one.
            self.asked.reserve_exact(self.asked.len().max(1));
        }
        self.asked.push_back(exchange);
        self.asked.back_mut()
    }

    /// Those that were begun are no longer. Without response they are given up; the responses of the others are put
    /// before all that wait.
    pub(super) fn leave(&mut self) {
        while let Some(mut exchange) = self.asked.pop_back() {
            if exchange.response.is_none() {
                let place = IncompletePlace::Asked(self.done + self.asked.len() as u64);
                self.incomplete.remove(&(exchange.hash, place));
                continue;
            }
            self.turns[1] -= 1;
            exchange.turn = self.turns[1];
            let hash = exchange.hash;
            let slot = self.waiting.push_front(exchange.start(), exchange);
            self.incomplete.insert((hash, IncompletePlace::Left(self.turns[1], slot)));
        }
        self.answered = 0;
    }

    #[cfg(test)]
    fn count(&self) {
        self.examined.set(self.examined.get() + 1);
    }

    #[cfg(not(test))]
    #[allow(clippy::unused_self, reason = "tests count here")]
    fn count(&self) {}
}

/// The slot of an exchange that was not begun.
fn slot_of(place: IncompletePlace) -> Option<u32> {
    match place {
        IncompletePlace::Asked(_) => None,
        IncompletePlace::Request(.., slot)
        | IncompletePlace::Left(_, slot)
        | IncompletePlace::Response(.., slot) => Some(slot),
    }
}

impl SessionExchange {
    fn new(number: u32, hash: u64, message: &QueuedMessage) -> Self {
        let id = message.id().into();
        let context = RequestContext::default();
        SessionExchange { number, request: None, response: None, context, id, hash, turn: 0 }
    }
}

#[cfg(test)]
mod tests;
