//! A thread's event loop: its connections to one target, and its share of the schedule.
//!
//! Open loop: a request is sent when it is due, on the connection that was used last of those that are
//! idle, or on a new one while the limit allows; otherwise it waits where it lies, in order, and is late.
//! No request moves another's due time.

mod receiving;
mod redirecting;
mod sending;
mod sessions;
mod settling;
#[cfg(test)]
mod tests;
mod unasked;

use super::schedule::READ_AHEAD;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use mio::{Events, Poll, Token, Waker};

use super::addresses::Addresses;
use super::clock::{self, Alarm};
use super::connection::{ClientConnection, Phase};
use super::cookies::Cookies;
use super::documents::DocumentOutlet;
use super::ending::Ending;
use super::exchange::describe;
use super::failure::{FailureReason, ReasonSet};
use super::hold::Hold;
use super::middleware::feed::RequestEnds;
use super::opening::Opening;
use super::other_servers::OtherServers;
use super::output::Outlet;
use super::own::Own;
use super::progress::WorkerProgress;
use super::queue::{BatchQueue, QUEUE};
use super::request::Editor;
use super::resolver::NewAddresses;
use super::schedule::{RequestBatch, ScheduledRequest};
use super::settings::SessionMode;
use super::tally::ReplayTally;
use super::tls::TlsClient;
use crate::record::Block;
use crate::report::Measurements;
use crate::tls::TlsOptions;
use sessions::SessionQueues;

/// Bytes read at once.
const READ_SIZE: usize = 64 << 10;

/// Longest time between two looks at the deadlines.
const LONGEST_TICK: u64 = 50_000_000;

/// How long before a request is due a precise worker is awake.
const SPIN: u64 = 200_000;

/// How often it is looked whether the output has room again.
const OUTPUT_LOOK: u64 = 1_000_000;

const ALARM: Token = Token(usize::MAX);
const WAKER: Token = Token(usize::MAX - 1);

/// What a worker is given.
#[allow(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
#[derive(Debug)]
pub(super) struct WorkerOptions {
    pub(super) addresses: Addresses,
    pub(super) new_addresses: NewAddresses,
    /// What TLS connections begin with, where the target wants TLS.
    pub(super) tls: Option<TlsClient>,
    pub(super) editor: Editor,
    pub(super) timeout: Duration,
    pub(super) sessions: SessionMode,
    /// Threads that send to this target.
    pub(super) threads: u64,
    /// Connections that are opened before they are needed, and kept.
    pub(super) min_connections: usize,
    /// How long a connection may be idle before it is closed.
    pub(super) idle_timeout: Duration,
    /// Whether to be awake before a request is due.
    pub(super) is_precise: bool,
    /// Bytes of a response that are kept for the output.
    pub(super) response_buffer: usize,
    /// Whether requests that are marked are sent too.
    pub(super) sends_marked: bool,
    /// Redirections that are followed.
    pub(super) redirects: u32,
    /// What TLS with servers begins with to which redirects lead.
    pub(super) tls_options: TlsOptions,
    /// Whether cookies are kept, and sent in place of recorded ones.
    pub(super) keeps_cookies: bool,
    /// Requests that are due and may wait for a connection; beyond, the oldest is given up.
    pub(super) queue: usize,
    /// Most connections at a time, at least 1.
    pub(super) connections: usize,
    /// The limit on descriptors, where that is why there may not be more connections.
    pub(super) descriptors: Option<u64>,
    /// Whether everything is due when its turn comes.
    pub(super) is_closed_loop: bool,
    /// Where answers go, if they are kept.
    pub(super) output: Option<Outlet>,
    /// Where documents of exchanges go, if anywhere.
    pub(super) documents: Option<DocumentOutlet>,
    pub(super) ending: Ending,
    /// Where connections that were made are remembered.
    pub(super) own: Own,
    /// Where it is told which requests have ended, if others wait for that.
    pub(super) ends: Option<RequestEnds>,
    pub(super) progress: Arc<WorkerProgress>,
    /// Whether latencies are counted for whoever watches.
    pub(super) is_watched: bool,
    /// Whether it is to be told which requests are settled.
    pub(super) settles: bool,
    /// Whether another run goes on where this one ends, and has its counts.
    pub(super) is_continued: bool,
    /// Where it is measured what a report is made of, if one is.
    pub(super) measured: Option<Box<Measurements>>,
}

/// The event loop. Made on its own thread's behalf, then run there.
#[derive(Debug)]
pub(super) struct ReplayWorker {
    options: WorkerOptions,
    intake: Receiver<Arc<RequestBatch>>,
    /// No batch will come any more.
    is_exhausted: bool,
    queue: BatchQueue,
    poll: Poll,
    alarm: Alarm,
    connections: Vec<ClientConnection>,
    vacant: Vec<usize>,
    /// The one used last is last.
    idle: Vec<usize>,
    /// Most connections at a time; shrinks for a tick when there are no descriptors for more.
    limit: usize,
    opening: Opening,
    /// Connections that may be begun before events are looked at again.
    connects_left: usize,
    /// What the request whose turn is next waits for, while it waits.
    hold: Option<Hold>,
    timeout: u64,
    /// How long one address is tried while there are others.
    attempt: u64,
    tick: u64,
    buffer: Box<[u8]>,
    /// Connections that had more to read or to write when their turn was over.
    unfinished: Vec<usize>,
    answers: Block,
    /// Present where recorded connections have one each.
    sessions: Option<SessionQueues>,
    /// Sessions whose exchange, or whose idle connection, has ended, and the slot of the connection that is left.
    ended: Vec<(u64, Option<usize>)>,
    /// Sessions on which something came that only silence, or the next request, ends.
    heard: Vec<u64>,
    /// The cookies of recorded connections, where they are kept.
    cookies: Option<Cookies>,
    /// Servers besides the target that redirects have led to.
    others: OtherServers,
    /// Whether connections are still to be opened before they are needed.
    is_warming: bool,
    tally: ReplayTally,
    /// The reasons of failures that were told.
    told: ReasonSet,
    /// Requests that were settled and are not handed over, by their numbers, where that is asked for.
    settled: Vec<u64>,
}

impl ReplayWorker {
    /// A worker, and what wakes it when a batch was put in its way.
    pub(super) fn new(
        mut options: WorkerOptions,
        intake: Receiver<Arc<RequestBatch>>,
    ) -> io::Result<(Self, Arc<Waker>)> {
        let poll = Poll::new()?;
        let alarm = Alarm::new(poll.registry(), ALARM)?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let timeout = clock::nanoseconds(options.timeout);
        let mut tally = ReplayTally::new();
        tally.connections_allowed = options.connections as u64;
        tally.descriptors = options.descriptors;
        tally.measured = options.measured.take();
        tally.watched = options.is_watched.then(Box::default);
        tally.is_closed_loop = options.is_closed_loop;
        let worker = ReplayWorker {
            intake,
            is_exhausted: false,
            queue: BatchQueue::default(),
            poll,
            alarm,
            connections: Vec::new(),
            vacant: Vec::new(),
            idle: Vec::new(),
            limit: options.connections,
            opening: Opening::of_one_in(options.threads),
            connects_left: 0,
            hold: None,
            timeout,
            attempt: super::addresses::ATTEMPT.min(timeout / 4),
            tick: (timeout / 20).clamp(1_000_000, LONGEST_TICK),
            buffer: vec![0; READ_SIZE].into_boxed_slice(),
            unfinished: Vec::new(),
            answers: Block::new(),
            sessions: match options.sessions {
                SessionMode::Off => None,
                mode => Some(SessionQueues::new(mode == SessionMode::Think, options.editor.is_raw())),
            },
            ended: Vec::new(),
            heard: Vec::new(),
            cookies: options.keeps_cookies.then(Cookies::default),
            others: OtherServers::new(options.tls_options.clone(), Arc::clone(&waker)),
            is_warming: options.min_connections > 0,
            tally,
            told: ReasonSet::default(),
            settled: Vec::new(),
            options,
        };
        Ok((worker, waker))
    }

    /// Sends and receives until everything has come to an end.
    pub(super) fn run(mut self) -> io::Result<ReplayTally> {
        clock::ask_for_exact_timers();
        let mut events = Events::with_capacity(256);
        let mut next_tick = clock::now() + self.tick;
        loop {
            self.refill();
            self.connects_left = sending::CONNECTS_IN_A_ROW;
            if self.is_warming {
                self.warm_up(clock::now());
            }
            self.dispatch();
            self.shorten_queue();
            if self.is_exhausted && self.waiting() == 0 && self.open() == self.idle.len() + self.spares() {
                break;
            }
            let is_held = self.is_held_by_output();
            let mut wake_at = self.next_moment(is_held).map_or(next_tick, |moment| moment.min(next_tick));
            let mut is_spinning = false;
            if self.options.is_precise {
                wake_at = wake_at.saturating_sub(SPIN);
                is_spinning = wake_at <= clock::now();
            }
            self.alarm.set(wake_at)?;
            let is_done = (is_held || self.unfinished.is_empty()) && self.connects_left > 0 && !is_spinning;
            let wait = if is_done { None } else { Some(Duration::ZERO) };
            match self.poll.poll(&mut events, wait) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => other?,
            }
            // First what all of them tell: a request goes to no connection whose end is told further on.
            for event in &events {
                if event.token() == ALARM {
                    self.alarm.rang();
                } else if let Token(slot) = event.token()
                    && slot < self.connections.len()
                {
                    let has_ended = event.is_read_closed() || event.is_error();
                    self.note(slot, event.is_readable() || has_ended, has_ended);
                }
            }
            for event in &events {
                if let Token(slot) = event.token()
                    && slot < self.connections.len()
                {
                    self.attend(slot);
                    self.dispatch();
                }
            }
            for slot in std::mem::take(&mut self.unfinished) {
                self.connections[slot].is_postponed = false;
                self.attend(slot);
            }
            let now = clock::now();
            self.go_on_after_lookups(now);
            if now >= next_tick {
                next_tick = now + self.tick;
                self.tick(now);
            }
        }
        self.look_at_idle();
        self.hand_over_answers();
        self.publish();
        if self.options.settles {
            self.hand_over_settled();
        }
        Ok(self.tally)
    }

    /// What is done from time to time.
    fn tick(&mut self, now: u64) {
        self.expire(now);
        if self.options.settles {
            self.leave_revoked_of_sessions(now);
        }
        if self.options.ending.is_now() {
            self.leave();
        }
        if let Some(addresses) = self.options.new_addresses.take() {
            self.options.addresses.renew(&addresses);
        }
        self.end_silent(now);
        self.close_idle(now);
        self.warm_up(now);
        // Others may have closed descriptors meanwhile.
        self.limit = self.options.connections;
        self.hand_over_answers();
        self.publish();
        if self.options.progress.is_wanted.load(Ordering::Acquire) {
            self.hand_over_settled();
            self.options.progress.is_wanted.store(false, Ordering::Release);
        }
    }

    /// Connections that exist.
    fn open(&self) -> usize {
        self.connections.len() - self.vacant.len()
    }

    /// Whether the output takes no more, and is to be waited for.
    fn is_held_by_output(&self) -> bool {
        self.options.output.as_ref().is_some_and(Outlet::holds)
    }

    /// Connections that are being made for no request.
    fn spares(&self) -> usize {
        if self.options.min_connections == 0 {
            return 0;
        }
        self.connections.iter().filter(|connection| connection.is_spare).count()
    }

    /// Requests that wait, for their time or for something else.
    fn waiting(&self) -> usize {
        self.queue.len() + self.sessions.as_ref().map_or(0, SessionQueues::len)
    }

    /// Takes batches while those in hand are about to be used up.
    fn refill(&mut self) {
        let end = self.options.ending.reason();
        while !self.is_exhausted {
            if end.is_none() && !self.wants_more() {
                break;
            }
            match self.intake.try_recv() {
                Ok(batch) => {
                    let requests = batch.entries.len() as u64;
                    self.options.progress.untaken.fetch_sub(requests, Ordering::Relaxed);
                    self.queue.push(batch);
                    // Their due times are no reason to take no more.
                    self.leave_revoked();
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => self.is_exhausted = true,
            }
            while end.is_none()
                && !self.options.is_closed_loop
                && self.queue.is_over_full(self.options.queue.max(QUEUE))
            {
                let waiting = self.queue.len();
                self.dispatch();
                if self.queue.len() < waiting {
                    continue;
                }
                if self.queue.front().is_none_or(|(_, entry)| entry.due > clock::now()) {
                    break;
                }
                self.give_up(FailureReason::QueueFull);
            }
        }
        if let Some(reason) = end {
            let waiting = self.queue.len() as u64 + self.sessions.as_mut().map_or(0, SessionQueues::clear);
            self.tally.not_sent.add_many(reason, waiting);
            // Where another run goes on, it will send them.
            if !self.options.is_continued {
                self.tally.note_not_sent(clock::now(), waiting);
            }
            self.queue = BatchQueue::default();
        }
    }

    /// Gives up the oldest of the requests that are due when more of them wait than may.
    fn shorten_queue(&mut self) {
        if self.options.is_closed_loop {
            return;
        }
        let most = self.options.queue;
        for _ in most..self.queue.due(clock::now()) {
            self.give_up(FailureReason::QueueFull);
        }
    }

    /// Whether the batches in hand are about to be used up.
    fn wants_more(&self) -> bool {
        if self.options.is_closed_loop {
            return self.queue.is_low();
        }
        let now = clock::now();
        let is_early = |(_, entry): (&RequestBatch, ScheduledRequest)| entry.due > now;
        let is_full = self.queue.is_over_full(self.options.queue.max(QUEUE))
            && self.queue.front().is_some_and(is_early);
        let taken_in = self.sessions.as_ref().and_then(SessionQueues::last_due);
        let last_due = self.queue.last_due().or(taken_in);
        !is_full && last_due.is_none_or(|due| due <= now.saturating_add(READ_AHEAD))
    }

    /// Gives up the request whose turn is next.
    fn give_up(&mut self, reason: FailureReason) {
        if let Some((batch, entry)) = self.queue.shared_front() {
            self.count_given_up(&batch, entry, reason);
            self.queue.pop();
        }
    }

    /// Counts a request that is given up.
    fn count_given_up(&mut self, batch: &RequestBatch, entry: ScheduledRequest, reason: FailureReason) {
        if batch.is_revoked(entry) {
            return self.leave_to_others(batch, entry);
        }
        let view = batch.blocks[entry.block as usize].get(entry.record as usize);
        self.tally.not_sent.add(reason, || describe(view.header.id, view.payload));
        self.tally.note_not_sent(clock::now(), 1);
        self.settle(entry.number);
    }

    /// When something is to be done for the request whose turn is next, if
    /// nothing else happens; `None` when only something else can help.
    fn next_moment(&self, is_held: bool) -> Option<u64> {
        let now = clock::now();
        if is_held {
            return Some(now + OUTPUT_LOOK);
        }
        let queued = self.queue.front().map(|(_, entry)| entry.due);
        let due = match self.sessions.as_ref().and_then(SessionQueues::next_moment) {
            Some(session) => queued.map_or(session, |queued| queued.min(session)),
            None => queued?,
        };
        if !self.options.is_closed_loop && due > now {
            Some(due)
        } else {
            Some(self.opening.next()).filter(|_| self.open() < self.limit)
        }
    }

    fn set_idle(&mut self, slot: usize) {
        self.connections[slot].phase = Phase::Idle;
        self.connections[slot].idle_since = clock::now();
        self.connections[slot].idle_at = self.idle.len();
        self.idle.push(slot);
        self.note_session_end(slot);
    }

    fn drop_idle(&mut self, slot: usize) {
        self.leave_idle(slot);
        self.vacate(slot);
    }

    /// Takes a connection off the idle ones.
    fn leave_idle(&mut self, slot: usize) {
        let at = self.connections[slot].idle_at;
        self.idle.swap_remove(at);
        if let Some(moved) = self.idle.get(at) {
            self.connections[*moved].idle_at = at;
        }
    }

    /// Closes a connection that is not among the idle ones.
    fn vacate(&mut self, slot: usize) {
        self.connections[slot].close();
        self.vacant.push(slot);
        self.note_session_end(slot);
    }

    /// What is left to do for a connection is done after others had a turn.
    fn postpone(&mut self, slot: usize) {
        if !std::mem::replace(&mut self.connections[slot].is_postponed, true) {
            self.unfinished.push(slot);
        }
    }

    /// The exchange has come to a bad end.
    fn fail(&mut self, slot: usize, reason: FailureReason, detail: &str) {
        let exchange = &self.connections[slot].exchange;
        let counts = if exchange.sent_at == 0 { &mut self.tally.not_sent } else { &mut self.tally.failed };
        counts.add(reason, || {
            let request = exchange.describe();
            if detail.is_empty() { request } else { format!("{request}: {detail}") }
        });
        let number = exchange.number;
        let is_left =
            self.options.settles && matches!(reason, FailureReason::Interrupted | FailureReason::TimeOver);
        if exchange.sent_at != 0 {
            self.tally.note_failed(exchange, clock::now());
        } else if !(is_left && self.options.is_continued) {
            self.tally.note_not_sent(clock::now(), 1);
        }
        if !is_left {
            self.settle(number);
        }
        self.vacate(slot);
    }

    /// Leaves everything that is waited for.
    fn leave(&mut self) {
        let reason = self.options.ending.reason().unwrap_or(FailureReason::Interrupted);
        for slot in 0..self.connections.len() {
            match self.connections[slot].phase {
                Phase::Connecting if self.connections[slot].is_spare => self.give_up_spare(slot),
                Phase::Connecting => self.fail(slot, reason, ""),
                Phase::Busy if self.connections[slot].exchange.sent_at == 0 => {
                    self.fail(slot, reason, "");
                }
                Phase::Busy | Phase::LookingUp => self.fail(slot, FailureReason::NotWaitedFor, ""),
                Phase::Vacant | Phase::Idle => {}
            }
        }
    }

    /// Closes connections that were idle for too long.
    fn close_idle(&mut self, now: u64) {
        let most = clock::nanoseconds(self.options.idle_timeout);
        let mut at = 0;
        while at < self.idle.len() && self.open() > self.options.min_connections {
            let slot = self.idle[at];
            if now.saturating_sub(self.connections[slot].idle_since) >= most {
                self.drop_idle(slot);
            } else {
                at += 1;
            }
        }
    }

    /// Begins connections that are to be there before they are needed, until one of them fails.
    fn warm_up(&mut self, now: u64) {
        while self.is_warming && self.open() < self.options.min_connections {
            if self.connects_left == 0 || self.opening.next() > now {
                return;
            }
            let slot = self.vacancy();
            self.connections[slot].is_spare = true;
            self.connections[slot].exchange.deadline = now.saturating_add(self.timeout);
            if self.connect(slot, now).is_err() {
                self.give_up_spare(slot);
            }
        }
        self.is_warming = false;
    }

    /// A connection for no request could not be made. Those for requests will say why.
    fn give_up_spare(&mut self, slot: usize) {
        self.connections[slot].is_spare = false;
        self.is_warming = false;
        self.vacate(slot);
    }

    fn publish(&mut self) {
        let failed = self.tally.failed.total() + self.tally.not_sent.total();
        let progress = &self.options.progress;
        if failed != progress.failed.load(Ordering::Relaxed) {
            let first = self.tally.untold_failures(&mut self.told);
            if !first.is_empty() {
                progress.first_failures.lock().unwrap_or_else(PoisonError::into_inner).extend(first);
            }
        }
        if self.options.is_watched {
            let mut details = progress.details.lock().unwrap_or_else(PoisonError::into_inner);
            details.renew(&self.tally);
            details.open = self.open() as u64;
            details.in_flight = (self.open() - self.idle.len()) as u64;
            details.queue = self.waiting() as u64 + progress.untaken.load(Ordering::Relaxed);
        }
        progress.sent.store(self.tally.sent, Ordering::Relaxed);
        progress.answered.store(self.tally.answered, Ordering::Relaxed);
        progress.failed.store(failed, Ordering::Relaxed);
        progress.in_flight.store((self.open() - self.idle.len()) as u64, Ordering::Relaxed);
    }
}
