//! The exchanges of a session, in order: those begun on the open connection, and those that wait.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use super::message::QueuedMessage;
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
}

impl SessionExchange {
    fn new(number: u32, hash: u64, message: &QueuedMessage) -> Self {
        let id = message.id().into();
        let context = RequestContext::default();
        SessionExchange { number, request: None, response: None, context, id, hash }
    }

    pub(super) fn start(&self) -> i64 {
        self.request.as_ref().or(self.response.as_ref()).map_or(i64::MIN, |message| message.start)
    }

    /// Where it is incomplete, if it is, at its turn among those that wait.
    fn lacking(&self, turn: QueueTurn) -> Option<IncompletePlace> {
        match (&self.request, &self.response) {
            (Some(_), Some(_)) => None,
            (Some(_), None) => Some(IncompletePlace::Request(turn)),
            (None, _) => Some(IncompletePlace::Response(turn)),
        }
    }
}

/// Where an exchange is among those that wait: by its start, and of those that start alike by when it came. Left-over
/// responses are before all, those that were left over last before the others.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct QueueTurn {
    start: i64,
    /// Counts those put in by their start upwards, and the left-over ones downwards from zero.
    number: i64,
}

impl QueueTurn {
    const FIRST: QueueTurn = QueueTurn { start: i64::MIN, number: i64::MIN };
    const LAST: QueueTurn = QueueTurn { start: i64::MAX, number: i64::MAX };
}

/// Where an exchange is that lacks its response or its request. Those that lack the same are in the order of the queue.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum IncompletePlace {
    /// A request that was begun: its number among all that were.
    Asked(u64),
    /// A request that waits.
    Request(QueueTurn),
    /// A response that came before its request, or whose request was given up.
    Response(QueueTurn),
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
    /// Those that were not begun, boxed, as a map has room for several where nearly always there is one.
    waiting: BTreeMap<QueueTurn, Box<SessionExchange>>,
    /// Those of both that are not complete, by the hash of their id.
    incomplete: BTreeSet<(u64, IncompletePlace)>,
    hasher: RandomState,
    /// The latest numbers of those put in by their start and of the left-over ones.
    numbers: [i64; 2],
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
            waiting: BTreeMap::new(),
            incomplete: BTreeSet::new(),
            hasher: RandomState::default(),
            numbers: [0; 2],
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
        self.find(hash, id, IncompletePlace::Asked(0), IncompletePlace::Request(QueueTurn::LAST))
    }

    /// Takes out the first response of this id that has no request.
    fn take_response(&mut self, hash: u64, id: &[u8]) -> Option<SessionExchange> {
        let [first, last] = [QueueTurn::FIRST, QueueTurn::LAST].map(IncompletePlace::Response);
        match self.find(hash, id, first, last)? {
            IncompletePlace::Response(turn) => self.take_waiting(turn),
            _ => None,
        }
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
            IncompletePlace::Request(turn) | IncompletePlace::Response(turn) => {
                self.waiting.get(&turn).map(Box::as_ref)
            }
        }
    }

    fn get_mut(&mut self, place: IncompletePlace) -> Option<&mut SessionExchange> {
        match place {
            IncompletePlace::Asked(number) => self.asked.get_mut((number - self.done) as usize),
            IncompletePlace::Request(turn) | IncompletePlace::Response(turn) => {
                self.waiting.get_mut(&turn).map(Box::as_mut)
            }
        }
    }

    /// Puts an exchange among those not begun, by its start; of two that start alike the later one behind.
    fn insert(&mut self, exchange: SessionExchange) {
        self.numbers[0] += 1;
        let turn = QueueTurn { start: exchange.start(), number: self.numbers[0] };
        self.put(turn, exchange);
    }

    fn put(&mut self, turn: QueueTurn, exchange: SessionExchange) {
        if let Some(place) = exchange.lacking(turn) {
            self.incomplete.insert((exchange.hash, place));
        }
        self.waiting.insert(turn, Box::new(exchange));
    }

    /// Takes out an exchange that was not begun.
    fn take_waiting(&mut self, turn: QueueTurn) -> Option<SessionExchange> {
        let exchange = *self.waiting.remove(&turn)?;
        if let Some(place) = exchange.lacking(turn) {
            self.incomplete.remove(&(exchange.hash, place));
        }
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
        self.waiting.first_key_value().map(|(_, exchange)| exchange.as_ref())
    }

    /// Takes out the first that was not begun.
    pub(super) fn take_first(&mut self) -> Option<SessionExchange> {
        let turn = *self.waiting.first_key_value()?.0;
        self.take_waiting(turn)
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
        while let Some(exchange) = self.asked.pop_back() {
            if exchange.response.is_none() {
                let place = IncompletePlace::Asked(self.done + self.asked.len() as u64);
                self.incomplete.remove(&(exchange.hash, place));
                continue;
            }
            self.numbers[1] -= 1;
            self.put(QueueTurn { start: i64::MIN, number: self.numbers[1] }, exchange);
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

#[cfg(test)]
mod tests;
