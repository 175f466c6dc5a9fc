//! Recorded connections whose requests go to the child one after the other: each as long after the response to the one
//! before it as it was recorded.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, VecDeque};
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::record::LruMap;
use crate::replay::schedule::{RequestBatch, ScheduledRequest};

/// Connections of which it is remembered when the last response came.
const MAX_ENDED: usize = 1 << 16;

/// A recorded connection that has requests, in the child, at the targets, or before that.
#[derive(Debug, Default)]
struct ThinkingSession {
    waiting: VecDeque<(Arc<RequestBatch>, ScheduledRequest)>,
    is_busy: bool,
}

/// A request at the targets.
#[derive(Clone, Copy, Debug)]
struct SentRequest {
    session: u64,
    /// Targets that have not come to an end with it.
    left: u64,
}

/// The connections, and what they wait for.
#[derive(Debug)]
pub(super) struct ThinkingSessions {
    sessions: HashMap<u64, ThinkingSession, FixedState>,
    /// When the last request of a session has ended.
    ended: LruMap<u64>,
    /// Sessions that carry none, by when their next request is due.
    next: BinaryHeap<Reverse<(u64, u64)>>,
    /// The numbers of the requests that wait.
    numbers: BTreeSet<u64>,
    sent: HashMap<u64, SentRequest, FixedState>,
    /// When the newest request that was taken in is due by the schedule.
    last_due: Option<u64>,
}

impl ThinkingSessions {
    pub(super) fn new() -> Self {
        ThinkingSessions {
            sessions: HashMap::with_hasher(FixedState::default()),
            ended: LruMap::new(MAX_ENDED),
            next: BinaryHeap::new(),
            numbers: BTreeSet::new(),
            sent: HashMap::with_hasher(FixedState::default()),
            last_due: None,
        }
    }

    /// Requests that wait for their turn or their time.
    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }

    /// The number of the request that was read before all others that wait.
    pub(super) fn first_number(&self) -> Option<u64> {
        self.numbers.first().copied()
    }

    /// When the newest request that was taken in is due by the schedule.
    pub(super) fn last_due(&self) -> Option<u64> {
        self.last_due.filter(|_| !self.numbers.is_empty())
    }

    /// When the next request is due.
    pub(super) fn next_due(&self) -> Option<u64> {
        self.next.peek().map(|Reverse((due, _))| *due)
    }

    /// Takes a request in, behind those of its session.
    pub(super) fn push(&mut self, batch: Arc<RequestBatch>, entry: ScheduledRequest) {
        self.last_due = Some(entry.due);
        self.numbers.insert(entry.number);
        let session = self.sessions.entry(entry.session).or_default();
        session.waiting.push_back((batch, entry));
        if !session.is_busy && session.waiting.len() == 1 {
            self.arm(entry.session);
        }
    }

    /// The request that is due next, with its due time.
    pub(super) fn front(&self) -> Option<(Arc<RequestBatch>, ScheduledRequest)> {
        let Reverse((due, session)) = *self.next.peek()?;
        let (batch, entry) = self.sessions.get(&session)?.waiting.front()?;
        Some((Arc::clone(batch), ScheduledRequest { due, think: None, ..*entry }))
    }

    /// Takes off the request that is due next; its session waits until it ends.
    pub(super) fn pop(&mut self) {
        let Some(Reverse((_, id))) = self.next.pop() else { return };
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.is_busy = true;
        if let Some((_, entry)) = session.waiting.pop_front() {
            self.numbers.remove(&entry.number);
        }
    }

    /// A request of a session goes to so many targets, which end it under this number.
    pub(super) fn send(&mut self, number: u64, session: u64, targets: u64, now: u64) {
        if targets == 0 {
            return self.end_session(session, now);
        }
        self.sent.insert(number, SentRequest { session, left: targets });
    }

    /// A target has come to an end with the request of this number. Those of no session are not known here.
    pub(super) fn end(&mut self, number: u64, at: u64) {
        let Some(sent) = self.sent.get_mut(&number) else { return };
        sent.left -= 1;
        if sent.left == 0 {
            let session = sent.session;
            self.sent.remove(&number);
            self.end_session(session, at);
        }
    }

    /// The session's request has ended, or does not go to any target.
    pub(super) fn end_session(&mut self, id: u64, at: u64) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.is_busy = false;
        let is_over = session.waiting.is_empty();
        self.ended.insert(id, at);
        if is_over {
            self.sessions.remove(&id);
        } else {
            self.arm(id);
        }
    }

    /// Has the next request of a session, which carries none, wait for its time.
    fn arm(&mut self, id: u64) {
        let Some((_, entry)) = self.sessions.get(&id).and_then(|session| session.waiting.front()) else {
            return;
        };
        let due = match (entry.think, self.ended.get(id)) {
            (Some(think), Some(ended)) => ended.saturating_add(think),
            _ => entry.due,
        };
        self.next.push(Reverse((due, id)));
    }

    /// Gives all up that wait: how many there were.
    pub(super) fn clear(&mut self) -> usize {
        let waiting = self.len();
        *self = ThinkingSessions::new();
        waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: u64, session: u64, due: u64, think: Option<u64>) -> ScheduledRequest {
        ScheduledRequest { due, session, number, think, ..ScheduledRequest::default() }
    }

    fn pushed(entries: &[ScheduledRequest]) -> ThinkingSessions {
        let mut sessions = ThinkingSessions::new();
        for entry in entries {
            sessions.push(Arc::default(), *entry);
        }
        sessions
    }

    fn take(sessions: &mut ThinkingSessions) -> Option<(u64, u64)> {
        let (_, entry) = sessions.front()?;
        sessions.pop();
        Some((entry.number, entry.due))
    }

    #[test]
    fn a_request_is_due_so_long_after_the_end_of_the_one_before() {
        let mut sessions =
            pushed(&[entry(0, 7, 100, None), entry(1, 7, 110, Some(10)), entry(2, 8, 120, None)]);
        assert_eq!(sessions.last_due(), Some(120));
        assert_eq!(take(&mut sessions), Some((0, 100)));
        assert_eq!(take(&mut sessions), Some((2, 120)));
        assert_eq!((take(&mut sessions), sessions.first_number()), (None, Some(1)));
        // Of two targets the one that answers last counts.
        sessions.send(40, 7, 2, 200);
        sessions.end(40, 300);
        assert_eq!(sessions.next_due(), None);
        sessions.end(99, 350);
        sessions.end(40, 400);
        assert_eq!(take(&mut sessions), Some((1, 410)));
        assert_eq!((sessions.len(), sessions.last_due()), (0, None));
        // What is read later is known to be of this session; no target gets it.
        sessions.send(41, 7, 0, 500);
        sessions.push(Arc::default(), entry(3, 7, 130, Some(20)));
        assert_eq!(take(&mut sessions), Some((3, 520)));
    }

    #[test]
    fn what_is_given_up_is_counted_once() {
        let mut sessions =
            pushed(&[entry(0, 7, 100, None), entry(1, 7, 110, Some(10)), entry(2, 8, 120, None)]);
        sessions.pop();
        assert_eq!((sessions.clear(), sessions.len(), sessions.next_due()), (2, 0, None));
    }
}
