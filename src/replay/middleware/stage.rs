//! The thread between scheduler and workers: requests go to the child when they are due, and what comes back to the
//! targets.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};

use mio::{Events, Poll, Token, Waker};

use super::feed::Feed;
use super::in_child::RequestsInChild;
use super::recorded::RecordedResponses;
use super::thinking::ThinkingSessions;
use super::{Flow, ThroughChild};
use crate::queue::{Inlet, QueueSize};
use crate::record::{Block, Kind, View, id_hash, session};
use crate::replay::clock::{self, Alarm};
use crate::replay::ending::Ending;
use crate::replay::exchange::describe;
use crate::replay::failure::{CountWithFirst, FailureReason};
use crate::replay::progress::WorkerProgress;
use crate::replay::queue::BatchQueue;
use crate::replay::routing::{Router, WorkerInbox};
use crate::replay::schedule::READ_AHEAD;
use crate::replay::schedule::{QueuedRequest, RequestBatch, ScheduledRequest};

/// Batches that may wait for the stage, besides those it has in hand.
const BATCHES: usize = 1;

/// Longest time between two looks at everything.
const TICK: u64 = 50_000_000;

/// How often it is looked whether something has room again.
const LOOK: u64 = 1_000_000;

/// The child may write requests of its own on a response. When everything has ended, they are waited for this long.
const SETTLE: u64 = 500_000_000;

/// A child that may drop requests and has been silent for this long, with nothing to read, has dropped what it was
/// given, as far as that bounds what it is given next.
const IDLE: u64 = 10_000_000;

const ALARM: Token = Token(0);
const WAKER: Token = Token(1);

/// What the stage is given.
#[derive(Debug)]
pub(super) struct StageOptions {
    pub(super) router: Router,
    pub(super) progress: Vec<Arc<WorkerProgress>>,
    /// What the child wrote.
    pub(super) returns: Receiver<Arc<Block>>,
    /// Where what the child is to read is put.
    pub(super) feed: Arc<Inlet<Arc<Block>>>,
    pub(super) seen: Feed,
    pub(super) ending: Ending,
    pub(super) may_drop: bool,
    pub(super) flow: Flow,
}

/// The event loop. Made on its own thread's behalf, then run there.
#[derive(Debug)]
pub(super) struct MiddlewareLoop {
    options: StageOptions,
    intake: Receiver<Arc<RequestBatch>>,
    is_input_over: bool,
    queue: BatchQueue,
    poll: Poll,
    alarm: Alarm,
    /// Present where a request waits for the response before it on its recorded connection.
    thinking: Option<ThinkingSessions>,
    in_child: RequestsInChild,
    recorded: RecordedResponses,
    /// Requests read up to the last one of those that were given.
    given: u64,
    /// Of the requests in the child, those given since this one count as being there...
    counted_from: u64,
    /// ...and so many of them have not come back.
    counted: u64,
    /// When the first request is due.
    anchor: Option<u64>,
    /// Requests handed to targets, once for each target.
    routed: u64,
    /// Requests that came out of the child, which is what they are numbered by behind it.
    returned: u64,
    /// What was counted of ends the last time, and when anything last happened.
    ended: u64,
    active_at: u64,
    /// Whether a request has had to wait for room in the feed.
    was_full: bool,
    /// Nothing is sent any more.
    is_closed: bool,
    kept: CountWithFirst,
    late: CountWithFirst,
    queue_full: CountWithFirst,
    through: ThroughChild,
}

impl MiddlewareLoop {
    pub(super) fn new(options: StageOptions) -> io::Result<(Self, WorkerInbox)> {
        let poll = Poll::new()?;
        let alarm = Alarm::new(poll.registry(), ALARM)?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let (batches, intake) = sync_channel(BATCHES);
        let stage = MiddlewareLoop {
            thinking: options.flow.is_closed_by_session.then(ThinkingSessions::new),
            options,
            intake,
            is_input_over: false,
            queue: BatchQueue::default(),
            poll,
            alarm,
            in_child: RequestsInChild::default(),
            recorded: RecordedResponses::default(),
            given: 0,
            counted_from: 0,
            counted: 0,
            anchor: None,
            routed: 0,
            returned: 0,
            ended: 0,
            active_at: clock::now(),
            was_full: false,
            is_closed: false,
            kept: CountWithFirst::default(),
            late: CountWithFirst::default(),
            queue_full: CountWithFirst::default(),
            through: ThroughChild::default(),
        };
        Ok((stage, WorkerInbox { batches, waker, waiting: Arc::default() }))
    }

    /// Lets requests through until the child has ended.
    pub(super) fn run(mut self) -> ThroughChild {
        clock::ask_for_exact_timers();
        let mut events = Events::with_capacity(4);
        loop {
            let is_over = self.take_back();
            self.refill();
            if !self.is_closed {
                if let Some(reason) = self.options.ending.reason() {
                    self.leave(reason);
                } else {
                    self.note_ends();
                    self.give();
                    self.give_responses();
                    self.expire();
                    self.options.router.offer(self.anchor.unwrap_or(0));
                    if self.is_settled() {
                        self.close(FailureReason::Interrupted);
                    }
                }
            }
            // A child that has ended by its fault is told as such before this, by the ending.
            if is_over && self.is_closed {
                return self.finish();
            }
            let moment = self.next_moment();
            let waits = self.alarm.set(moment).and_then(|()| self.poll.poll(&mut events, None));
            if let Err(error) = waits
                && error.kind() != io::ErrorKind::Interrupted
            {
                self.through.failure = Some(error.into());
                self.options.ending.middleware_failed.store(true, Ordering::Relaxed);
                self.leave(FailureReason::MiddlewareFailed);
                while self.options.returns.recv().is_ok() {}
                return self.finish();
            }
        }
    }

    fn finish(self) -> ThroughChild {
        let mut through = self.through;
        let counts = [
            (
                if self.options.may_drop {
                    FailureReason::DroppedByMiddleware
                } else {
                    FailureReason::KeptByMiddleware
                },
                self.kept,
            ),
            (FailureReason::ReadTooLate, self.late),
            (FailureReason::QueueFull, self.queue_full),
        ];
        through.unrouted.extend(counts.map(|(reason, count)| (reason, count.number, count.first)));
        through
    }

    /// Takes batches while those in hand are about to be used up.
    fn refill(&mut self) {
        while !self.is_input_over && (self.is_closed || self.wants_more()) {
            match self.intake.try_recv() {
                Ok(batch) if self.is_closed => self.count_unsent(batch.entries.len() as u64),
                Ok(batch) => {
                    let first = batch.entries.first().map(|entry| entry.due);
                    self.anchor = self.anchor.or(first);
                    for entry in &batch.responses {
                        let view = batch.blocks[entry.block as usize].get(entry.record as usize);
                        self.recorded.push(&view, entry.number);
                    }
                    self.queue.push(batch);
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => self.is_input_over = true,
            }
        }
    }

    fn wants_more(&self) -> bool {
        let now = clock::now();
        if self.options.flow.is_closed_loop {
            return self.queue.is_low();
        }
        let taken_in = self.thinking.as_ref().and_then(ThinkingSessions::last_due);
        let last_due = self.queue.last_due().or(taken_in);
        last_due.is_none_or(|due| due <= now.saturating_add(READ_AHEAD))
    }

    /// Takes note of requests that the targets have come to an end with: others wait for that.
    fn note_ends(&mut self) {
        if let Some(thinking) = &mut self.thinking {
            for (number, at) in self.options.seen.ends.take() {
                thinking.end(number, at);
            }
        }
    }

    /// Lets the next request of a session come, as this one of it goes to no target.
    fn end_session(&mut self, session: u64) {
        if let Some(thinking) = &mut self.thinking {
            thinking.end_session(session, clock::now());
        }
    }

    /// Takes requests of sessions out of the common queue.
    fn take_in(&mut self) {
        let Some(thinking) = &mut self.thinking else { return };
        while let Some((batch, entry)) = self.queue.shared_front() {
            self.queue.pop();
            if thinking.len() < self.options.flow.queue {
                thinking.push(batch, entry);
            } else {
                let view = batch.blocks[entry.block as usize].get(entry.record as usize);
                self.queue_full.add(|| describe(view.header.id, view.payload));
            }
        }
    }

    /// The request whose turn is next.
    fn front(&self) -> Option<(Arc<RequestBatch>, ScheduledRequest)> {
        match &self.thinking {
            Some(thinking) => thinking.front(),
            None => self.queue.shared_front(),
        }
    }

    fn pop(&mut self) {
        match &mut self.thinking {
            Some(thinking) => thinking.pop(),
            None => self.queue.pop(),
        }
    }

    /// Requests that were not given.
    fn waiting(&self) -> usize {
        self.queue.len() + self.thinking.as_ref().map_or(0, ThinkingSessions::len)
    }

    /// Requests that come when nothing is sent any more.
    fn count_unsent(&mut self, requests: u64) {
        let reason = self.options.ending.reason().unwrap_or(FailureReason::Interrupted);
        self.through.unrouted.push((reason, requests, String::new()));
    }

    /// Gives the child what is due.
    fn give(&mut self) {
        let timeout = clock::nanoseconds(self.options.flow.timeout);
        let is_closed_loop = self.options.flow.is_closed_loop;
        self.take_in();
        self.was_full &= self.waiting() > 0;
        while let Some((batch, entry)) = self.front() {
            let now = clock::now();
            let view = batch.blocks[entry.block as usize].get(entry.record as usize);
            let is_full = self.options.feed.is_full();
            let is_due = if is_closed_loop { self.in_use() < self.limit() } else { entry.due <= now };
            if !is_due {
                return;
            }
            let deadline = if is_closed_loop { now } else { entry.due }.saturating_add(timeout);
            if deadline <= now {
                let count = if self.was_full { &mut self.kept } else { &mut self.late };
                count.add(|| describe(view.header.id, view.payload));
                self.pop();
                self.end_session(entry.session);
                continue;
            }
            self.was_full = is_full;
            if is_full {
                return;
            }
            self.in_child.give(view.header.id, entry, now, deadline);
            self.counted += 1;
            self.given = self.given.max(entry.number + 1);
            self.through.tally.requests += 1;
            let mut block = Block::new();
            block.push(&view.header, view.payload);
            self.put(Arc::new(block));
            while let Some(response) = self.recorded.take(view.header.id) {
                self.give_response(response);
            }
            self.pop();
        }
    }

    /// Gives the child recorded responses that do not wait for a request any longer.
    fn give_responses(&mut self) {
        let is_last = self.is_input_over && self.waiting() == 0;
        let waiting = self.thinking.as_ref().and_then(ThinkingSessions::first_number);
        let given = if is_last { u64::MAX } else { waiting.unwrap_or(self.given).min(self.given) };
        while let Some(response) = self.recorded.take_passed(given) {
            self.give_response(response);
        }
    }

    fn give_response(&mut self, response: Arc<Block>) {
        if self.options.feed.is_full() {
            self.through.tally.recorded_dropped += 1;
        } else {
            self.through.tally.recorded += 1;
            self.put(response);
        }
    }

    fn put(&mut self, block: Arc<Block>) {
        let size = QueueSize { bytes: block.bytes().len(), records: 1 };
        self.active_at = clock::now();
        if !self.options.feed.put(block, size) {
            // The feed takes everything until the engine ends it, which it does after this.
        }
    }

    /// Requests that the child or the targets have, once for each target.
    fn in_use(&self) -> u64 {
        let ended = self.options.seen.replayed.load(Ordering::Relaxed) + self.failed();
        let copies = self.options.flow.copies as u64;
        self.counted * copies + self.options.router.waiting() + self.routed.saturating_sub(ended)
    }

    fn limit(&self) -> u64 {
        self.options.flow.connections as u64
    }

    fn failed(&self) -> u64 {
        self.options.progress.iter().map(|worker| worker.failed.load(Ordering::Relaxed)).sum()
    }

    /// Gives up what the child has had for too long.
    fn expire(&mut self) {
        let now = clock::now();
        while let Some((id, session)) = self.in_child.expire(now) {
            self.end_session(session);
            self.kept.add(|| id.escape_ascii().to_string());
            // The oldest is the first of those that count.
            self.counted = self.counted.min(self.in_child.len() as u64);
        }
        let is_idle = self.options.feed.waiting().records == 0 && now >= self.active_at.saturating_add(IDLE);
        if self.options.may_drop && self.counted > 0 && is_idle {
            (self.counted_from, self.counted) = (self.in_child.given(), 0);
        }
    }

    /// Takes what the child has written; whether it has ended.
    fn take_back(&mut self) -> bool {
        loop {
            match self.options.returns.try_recv() {
                Err(TryRecvError::Empty) => return false,
                Err(TryRecvError::Disconnected) => return true,
                Ok(block) => {
                    self.active_at = clock::now();
                    for (record, view) in block.iter().enumerate() {
                        if view.header.kind == Kind::Request {
                            self.take_request(&block, record, &view);
                        }
                    }
                }
            }
        }
    }

    fn take_request(&mut self, block: &Arc<Block>, record: usize, view: &View<'_>) {
        let now = clock::now();
        let mut is_of_session = true;
        let schedule = match self.in_child.take(view.header.id) {
            Some(held) if held.is_given_up => {
                self.through.tally.late += 1;
                return;
            }
            Some(held) => {
                self.through.tally.returned += 1;
                self.through.tally.delay.record(now.saturating_sub(held.given_at));
                self.uncount(held.number);
                held.schedule
            }
            None => {
                is_of_session = false;
                self.through.tally.own += 1;
                if self.is_closed {
                    self.through.tally.own_unsent += 1;
                    return;
                }
                let key = id_hash(session(view.header.id)).max(1);
                ScheduledRequest { due: now, session: key, ..ScheduledRequest::default() }
            }
        };
        if self.options.router.waiting() >= self.options.flow.queue as u64 {
            self.queue_full.add(|| describe(view.header.id, view.payload));
            if is_of_session {
                self.end_session(schedule.session);
            }
            return;
        }
        let anchor = *self.anchor.get_or_insert(schedule.due);
        self.returned += 1;
        let request = QueuedRequest::of(block, record, self.returned);
        let schedule = ScheduledRequest { due: schedule.due.saturating_sub(anchor), ..schedule };
        let targets = self.options.router.push(&request, schedule);
        self.routed += targets;
        if is_of_session && let Some(thinking) = &mut self.thinking {
            thinking.send(self.returned, schedule.session, targets, now);
        }
    }

    /// A request came back. A child that may drop requests and answers a later one has dropped those before it, as far
    /// as that bounds what it is given next.
    fn uncount(&mut self, number: u64) {
        if number < self.counted_from {
            return;
        }
        if self.options.may_drop {
            self.counted_from = number + 1;
            self.counted = self.in_child.given() - self.counted_from;
        } else {
            self.counted -= 1;
        }
    }

    /// Whether all has come to an end: what was read, what the child was given, what was sent.
    fn is_settled(&mut self) -> bool {
        let ended = |worker: &Arc<WorkerProgress>| {
            worker.answered.load(Ordering::Relaxed) + worker.failed.load(Ordering::Relaxed)
        };
        let ended = self.options.progress.iter().map(ended).sum();
        let now = clock::now();
        if std::mem::replace(&mut self.ended, ended) != ended || self.options.feed.waiting().records > 0 {
            self.active_at = now;
        }
        let is_idle = self.is_input_over && self.waiting() == 0 && self.in_child.len() == 0;
        let has_ended = self.options.router.waiting() == 0 && ended >= self.routed;
        let has_failed = self.options.progress.iter().any(|worker| worker.has_ended.load(Ordering::Relaxed));
        is_idle && (has_ended && now >= self.active_at.saturating_add(SETTLE)) || has_failed
    }

    /// Sends nothing more, for this reason.
    fn leave(&mut self, reason: FailureReason) {
        let unsent = (self.waiting() + self.in_child.len()) as u64;
        self.thinking.as_mut().map(ThinkingSessions::clear);
        self.queue = BatchQueue::default();
        self.through.unrouted.push((reason, unsent, String::new()));
        self.in_child.give_up_all();
        self.close(reason);
    }

    fn close(&mut self, reason: FailureReason) {
        self.is_closed = true;
        self.through.unsent = self.options.router.close(reason);
    }

    /// When something is to be done if nothing happens.
    fn next_moment(&mut self) -> u64 {
        let now = clock::now();
        let tick = now + TICK;
        if self.is_closed {
            return tick;
        }
        let is_waiting = self.was_full || self.options.router.waiting() > 0;
        let look = if is_waiting { now + LOOK } else { tick };
        let thinking = self.thinking.as_ref().and_then(ThinkingSessions::next_due);
        let due = match self.queue.front() {
            _ if thinking.is_some_and(|due| due > now) => thinking.unwrap_or(tick),
            Some((_, entry)) if !self.options.flow.is_closed_loop && entry.due > now => entry.due,
            Some(_) if self.options.flow.is_closed_loop && self.options.may_drop => now + IDLE,
            _ => tick,
        };
        let deadline = self.in_child.next_deadline().unwrap_or(tick);
        look.min(due).min(deadline).min(tick)
    }
}
