//! Recorded connections that each have one of their own: their requests wait for each other.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::ReplayWorker;
use crate::replay::clock;
use crate::replay::connection::Phase;
use crate::replay::failure::FailureReason;
use crate::replay::hold::Hold;
use crate::replay::schedule::{RequestBatch, ScheduledRequest};

/// Requests that sessions take in hand when nothing is due by time.
const CLOSED_LOOP_REQUESTS: usize = 4096;

/// A request whose turn on its session has not come.
#[derive(Debug)]
struct WaitingRequest {
    batch: Arc<RequestBatch>,
    entry: ScheduledRequest,
}

/// A recorded connection.
#[derive(Debug, Default)]
struct ReplaySession {
    /// Its own connection, while it has one.
    slot: Option<usize>,
    /// Whether that carries a request.
    is_busy: bool,
    waiting: VecDeque<WaitingRequest>,
    /// When its last exchange ended.
    ended_at: Option<u64>,
}

/// The recorded connections that have requests or a connection.
#[derive(Debug)]
pub(super) struct SessionQueues {
    sessions: HashMap<u64, ReplaySession, FixedState>,
    /// Those whose next request is due and that carry none, the one that is due first before the others.
    ready: VecDeque<u64>,
    /// Those whose next request is due later, and when that is.
    later: BinaryHeap<Reverse<(u64, u64)>>,
    waiting: usize,
    /// Whether requests are due by the answers before them.
    is_closed: bool,
    /// Whether the next request ends the answer before it: nothing else tells that.
    is_raw: bool,
    /// When the newest request that was taken in is due by the schedule.
    last_due: Option<u64>,
}

impl SessionQueues {
    pub(super) fn new(is_closed: bool, is_raw: bool) -> Self {
        SessionQueues {
            sessions: HashMap::with_hasher(FixedState::default()),
            ready: VecDeque::new(),
            later: BinaryHeap::new(),
            waiting: 0,
            is_closed,
            is_raw,
            last_due: None,
        }
    }

    /// Requests that wait for their session.
    pub(super) fn len(&self) -> usize {
        self.waiting
    }

    /// When the newest request that was taken in is due by the schedule.
    pub(super) fn last_due(&self) -> Option<u64> {
        self.last_due.filter(|_| self.waiting > 0)
    }

    /// When the next session is ready if nothing happens: at once if one is.
    pub(super) fn next_moment(&self) -> Option<u64> {
        if self.ready.is_empty() { self.later.peek().map(|Reverse((due, _))| *due) } else { Some(0) }
    }

    /// Takes a request in, behind those of its session.
    fn push(&mut self, batch: Arc<RequestBatch>, entry: ScheduledRequest, now: u64) {
        self.last_due = Some(entry.due);
        self.waiting += 1;
        let session = self.sessions.entry(entry.session).or_default();
        session.waiting.push_back(WaitingRequest { batch, entry });
        if (!session.is_busy || self.is_raw) && session.waiting.len() == 1 {
            self.arm(entry.session, now);
        }
    }

    /// Has the next request of a session, which carries none, wait for its time.
    fn arm(&mut self, id: u64, now: u64) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(next) = session.waiting.front_mut() else { return };
        if let (true, Some(think), Some(ended)) = (self.is_closed, next.entry.think, session.ended_at) {
            next.entry.due = ended.saturating_add(think);
        }
        if next.entry.due <= now {
            self.ready.push_back(id);
        } else {
            self.later.push(Reverse((next.entry.due, id)));
        }
    }

    /// Has sessions be ready whose time has come.
    fn wake(&mut self, now: u64) {
        while let Some(Reverse((due, id))) = self.later.peek().copied()
            && due <= now
        {
            self.later.pop();
            self.ready.push_back(id);
        }
    }

    fn front(&self, id: u64) -> Option<&WaitingRequest> {
        self.sessions.get(&id)?.waiting.front()
    }

    /// The session's next request was taken off it, and is sent in this slot; or it is not sent.
    fn begin(&mut self, id: u64, slot: usize, is_sent: bool, now: u64) {
        if is_sent && let Some(session) = self.sessions.get_mut(&id) {
            session.slot = Some(slot);
            session.is_busy = true;
        }
        if !is_sent || self.is_raw {
            self.arm(id, now);
            self.forget_if_over(id);
        }
    }

    /// Takes the next request off a session.
    fn pop(&mut self, id: u64) -> Option<WaitingRequest> {
        let request = self.sessions.get_mut(&id)?.waiting.pop_front()?;
        self.waiting -= 1;
        Some(request)
    }

    /// The session's exchange is over, and its connection idle in this slot, or gone.
    pub(super) fn end(&mut self, id: u64, slot: Option<usize>, now: u64) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.slot = slot;
        if !std::mem::take(&mut session.is_busy) {
            return self.forget_if_over(id);
        }
        session.ended_at = Some(now);
        self.arm(id, now);
        self.forget_if_over(id);
    }

    /// Lets go of a session that has neither a request nor a connection.
    fn forget_if_over(&mut self, id: u64) {
        let is_over = |session: &ReplaySession| {
            session.waiting.is_empty() && session.slot.is_none() && !session.is_busy
        };
        if self.sessions.get(&id).is_some_and(is_over) {
            self.sessions.remove(&id);
        }
    }

    /// Takes off the requests that wait and that their source has taken back. Of a session, these are the first ones.
    fn take_revoked(&mut self, now: u64) -> Vec<WaitingRequest> {
        let (mut revoked, mut changed) = (Vec::new(), Vec::new());
        for (id, session) in &mut self.sessions {
            let before = revoked.len();
            let is_revoked = |waiting: &mut WaitingRequest| waiting.batch.is_revoked(waiting.entry);
            revoked.extend(std::iter::from_fn(|| session.waiting.pop_front_if(is_revoked)));
            if revoked.len() > before {
                changed.push(*id);
            }
        }
        if changed.is_empty() {
            return revoked;
        }
        self.waiting -= revoked.len();
        changed.sort_unstable();
        let is_as_before = |id: &u64| changed.binary_search(id).is_err();
        self.ready.retain(is_as_before);
        self.later.retain(|Reverse((_, id))| is_as_before(id));
        for &id in &changed {
            if self.sessions.get(&id).is_some_and(|session| !session.is_busy) {
                self.arm(id, now);
            }
            self.forget_if_over(id);
        }
        revoked
    }

    /// Gives all requests up that wait.
    pub(super) fn clear(&mut self) -> u64 {
        let waiting = std::mem::take(&mut self.waiting);
        self.sessions.clear();
        self.ready.clear();
        self.later.clear();
        waiting as u64
    }
}

impl ReplayWorker {
    /// Sends whatever is due on its session, as far as there are connections for it.
    pub(super) fn dispatch_sessions(&mut self, sessions: &mut SessionQueues) {
        loop {
            let now = clock::now();
            self.take_in(sessions, now);
            for id in std::mem::take(&mut self.heard) {
                if sessions.front(id).is_some_and(|next| self.options.is_closed_loop || next.entry.due <= now)
                {
                    self.end_answer(sessions, id, now);
                }
            }
            sessions.wake(now);
            let Some(id) = sessions.ready.front().copied() else {
                self.hold = None;
                return;
            };
            let Some(next) = sessions.front(id) else {
                sessions.ready.pop_front();
                continue;
            };
            let due = if self.options.is_closed_loop { now } else { next.entry.due };
            if due > now {
                // It stands among the later ones too.
                sessions.ready.pop_front();
                continue;
            }
            if sessions.sessions.get(&id).is_some_and(|session| session.is_busy) {
                // It is looked at again when something comes, or the exchange has ended.
                sessions.ready.pop_front();
                self.end_answer(sessions, id, now);
                continue;
            }
            if due.saturating_add(self.timeout) <= now {
                sessions.ready.pop_front();
                if let Some(WaitingRequest { batch, entry }) = sessions.pop(id) {
                    let reason = self.count_held(due, now).map_or(FailureReason::HeldBySession, Hold::reason);
                    self.count_given_up(&batch, entry, reason);
                }
                sessions.arm(id, now);
                sessions.forget_if_over(id);
                continue;
            }
            if self.is_held_by_output() {
                return self.held(Hold::Output);
            }
            let Some((slot, is_open)) = self.slot_for_session(sessions, id, now) else { return };
            let Some(next) = sessions.front(id) else { continue };
            let (batch, entry) = (Arc::clone(&next.batch), next.entry);
            let is_sendable = self.prepare(slot, &batch, entry, due, now);
            if is_sendable {
                self.connections[slot].session = id;
                if !self.begin(slot, is_open, now) {
                    continue;
                }
                self.note_held(slot, due, now);
            } else {
                self.put_back(slot, is_open);
            }
            sessions.ready.pop_front();
            sessions.pop(id);
            sessions.begin(id, slot, is_sendable, now);
            self.end_sessions(sessions, now);
        }
    }

    /// Leaves the requests that wait for their session to others, as far as their source has taken them back.
    pub(super) fn leave_revoked_of_sessions(&mut self, now: u64) {
        let revoked = self.sessions.as_mut().map(|sessions| sessions.take_revoked(now)).unwrap_or_default();
        for WaitingRequest { batch, entry } in revoked {
            self.leave_to_others(&batch, entry);
        }
    }

    /// Ends the answer that a session's next request, which is due, waits for, if it has begun.
    fn end_answer(&mut self, sessions: &mut SessionQueues, id: u64, now: u64) {
        if let Some(ReplaySession { is_busy: true, slot: Some(slot), .. }) = sessions.sessions.get(&id) {
            let (slot, connection) = (*slot, &self.connections[*slot]);
            if connection.phase == Phase::Busy && connection.exchange.has_answer() && connection.is_sent() {
                self.answered(slot, false);
                self.end_sessions(sessions, now);
            }
        }
    }

    /// Takes requests that are due out of the common queue, and with sessions in closed loops all there are.
    fn take_in(&mut self, sessions: &mut SessionQueues, now: u64) {
        loop {
            self.leave_revoked();
            let is_wanted = |due| match () {
                () if self.options.is_closed_loop => sessions.len() < CLOSED_LOOP_REQUESTS,
                () => sessions.is_closed || due <= now,
            };
            let Some((batch, entry)) = self.queue.shared_front() else { return };
            if !is_wanted(entry.due) {
                return;
            }
            self.queue.pop();
            if !self.options.is_closed_loop && sessions.len() >= self.options.queue {
                self.count_given_up(&batch, entry, FailureReason::QueueFull);
            } else {
                sessions.push(batch, entry, now);
            }
        }
    }

    /// The session's own connection, and whether it is open; none if it has to wait for one.
    fn slot_for_session(&mut self, sessions: &mut SessionQueues, id: u64, now: u64) -> Option<(usize, bool)> {
        if let Some(slot) = sessions.sessions.get(&id).and_then(|session| session.slot) {
            self.leave_idle(slot);
            if self.is_usable(slot) {
                return Some((slot, true));
            }
            self.connections[slot].close();
            self.connections[slot].session = 0;
            if let Some(session) = sessions.sessions.get_mut(&id) {
                session.slot = None;
            }
            self.vacant.push(slot);
        }
        // One that was opened in advance belongs to no session yet.
        if self.options.min_connections > 0
            && let Some(slot) = self.idle.iter().copied().find(|slot| self.connections[*slot].session == 0)
        {
            self.leave_idle(slot);
            if self.is_usable(slot) {
                return Some((slot, true));
            }
            self.vacate(slot);
        }
        if self.open() >= self.limit {
            // Another session's connection, which may come back for another one later.
            let Some(&idle) = self.idle.first() else {
                self.held(self.connection_hold());
                return None;
            };
            self.drop_idle(idle);
            self.end_sessions(sessions, now);
        }
        if self.connects_left == 0 || self.opening.next() > now {
            return None;
        }
        Some((self.vacancy(), false))
    }

    /// Tells sessions of what has happened to their connections since the last time.
    pub(super) fn end_sessions(&mut self, sessions: &mut SessionQueues, now: u64) {
        for (id, slot) in self.ended.drain(..) {
            sessions.end(id, slot, now);
        }
    }

    /// The exchange of a session's connection is over, or its connection while it was idle.
    pub(super) fn note_session_end(&mut self, slot: usize) {
        let connection = &mut self.connections[slot];
        if connection.session != 0 {
            let is_open = connection.phase == Phase::Idle;
            self.ended.push((connection.session, is_open.then_some(slot)));
            if !is_open {
                connection.session = 0;
            }
        }
    }
}
