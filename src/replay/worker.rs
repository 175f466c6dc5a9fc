//! A thread's event loop: its connections to one target, and its share of the schedule.
//!
//! Open loop: a request is sent when it is due, on the connection that was used last of those that are
//! idle, or on a new one while the limit allows; otherwise it waits where it lies, in order, and is late.
//! No request moves another's due time.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError};
use std::time::Duration;

use mio::{Events, Poll, Token, Waker};

use super::clock::{self, Alarm};
use super::connection::{Connection, Moved, Phase, connect_reason, is_out_of_descriptors};
use super::exchange::describe;
use super::output::Piece;
use super::queue::Queue;
use super::request::Editor;
use super::schedule::{Batch, Entry};
use super::tally::{Reason, Tally};
use crate::record::{Block, Header, Kind, Mark};

/// How long before its last request is due the next batch is taken.
const AHEAD: u64 = 50_000_000;

/// Bytes read at once.
const READ_SIZE: usize = 64 << 10;

/// Reads from one connection before the others have a turn.
const READS_IN_A_ROW: usize = 16;

/// Connections begun before events are looked at again. Connecting may take longer than the next request
/// takes to be due: without a bound a burst would connect for each and see no answer meanwhile.
const CONNECTS_IN_A_ROW: usize = 4;

/// Connections that may be under way to their first answer, at least. Otherwise as many as had one may, so
/// that their number doubles as fast as the target answers: new ones cost it more than requests do.
const UNPROVEN: usize = 16;

/// How long a request waits while nothing is answered before it gets a connection of its own all the same.
const PATIENCE: u64 = 5_000_000;

/// Answers are handed to the output in pieces of at least this size, or at the next tick.
const PIECE: usize = 64 << 10;

/// Longest time between two looks at the deadlines.
const LONGEST_TICK: u64 = 50_000_000;

const ALARM: Token = Token(usize::MAX);
const WAKER: Token = Token(usize::MAX - 1);

/// Counts for whoever watches, renewed at every tick.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    pub(super) sent: AtomicU64,
    pub(super) answered: AtomicU64,
    pub(super) failed: AtomicU64,
}

/// What a worker is given.
#[derive(Debug)]
pub(super) struct Orders {
    pub(super) addresses: Vec<SocketAddr>,
    /// Which of them the first connection is made to.
    pub(super) first_address: usize,
    pub(super) editor: Editor,
    pub(super) timeout: Duration,
    /// Most connections at a time, at least 1.
    pub(super) connections: usize,
    /// Whether everything is due when its turn comes.
    pub(super) is_closed_loop: bool,
    /// Where answers go, if they are kept.
    pub(super) output: Option<SyncSender<Piece>>,
    /// What to add to monotonic nanoseconds for nanoseconds since the epoch.
    pub(super) wall_offset: i64,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) pulse: Arc<Pulse>,
}

/// The event loop. Made on its own thread's behalf, then run there.
#[derive(Debug)]
pub(super) struct Worker {
    orders: Orders,
    intake: Receiver<Arc<Batch>>,
    /// No batch will come any more.
    is_exhausted: bool,
    queue: Queue,
    poll: Poll,
    alarm: Alarm,
    connections: Vec<Connection>,
    vacant: Vec<usize>,
    /// The one used last is last.
    idle: Vec<usize>,
    /// Most connections at a time; shrinks when there are no descriptors for more.
    limit: usize,
    next_address: usize,
    /// Connections that exist, but had no answer yet.
    unproven: usize,
    /// Connections that may be begun before events are looked at again.
    connects_left: usize,
    timeout: u64,
    tick: u64,
    buffer: Box<[u8]>,
    /// Connections that had more to read when their turn was over.
    undrained: Vec<usize>,
    answers: Block,
    tally: Tally,
}

impl Worker {
    /// A worker, and what wakes it when a batch was put in its way.
    pub(super) fn new(orders: Orders, intake: Receiver<Arc<Batch>>) -> io::Result<(Self, Waker)> {
        let poll = Poll::new()?;
        let alarm = Alarm::new(poll.registry(), ALARM)?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let timeout = clock::nanoseconds(orders.timeout);
        let worker = Worker {
            intake,
            is_exhausted: false,
            queue: Queue::default(),
            poll,
            alarm,
            connections: Vec::new(),
            vacant: Vec::new(),
            idle: Vec::new(),
            limit: orders.connections,
            next_address: orders.first_address,
            unproven: 0,
            connects_left: 0,
            timeout,
            tick: (timeout / 20).clamp(1_000_000, LONGEST_TICK),
            buffer: vec![0; READ_SIZE].into_boxed_slice(),
            undrained: Vec::new(),
            answers: Block::new(),
            tally: Tally::new(),
            orders,
        };
        Ok((worker, waker))
    }

    /// Sends and receives until everything has come to an end.
    pub(super) fn run(mut self) -> io::Result<Tally> {
        clock::ask_for_exact_timers();
        let mut events = Events::with_capacity(256);
        let mut next_tick = clock::now() + self.tick;
        loop {
            self.refill();
            self.connects_left = CONNECTS_IN_A_ROW;
            self.dispatch();
            if self.is_exhausted && self.queue.len() == 0 && self.open() == self.idle.len() {
                break;
            }
            let wake_at = self.next_moment().map_or(next_tick, |moment| moment.min(next_tick));
            self.alarm.set(wake_at)?;
            let is_done = self.undrained.is_empty() && self.connects_left > 0;
            let wait = if is_done { None } else { Some(Duration::ZERO) };
            match self.poll.poll(&mut events, wait) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => other?,
            }
            for event in &events {
                if let Token(slot) = event.token()
                    && slot < self.connections.len()
                {
                    let has_ended = event.is_read_closed() || event.is_error();
                    self.attend(slot, event.is_readable() || has_ended, event.is_writable(), has_ended);
                    self.dispatch();
                }
            }
            for slot in std::mem::take(&mut self.undrained) {
                self.receive(slot, true);
            }
            let now = clock::now();
            if now >= next_tick {
                next_tick = now + self.tick;
                self.expire(now);
                self.hand_over_answers();
                self.publish();
            }
        }
        self.hand_over_answers();
        self.publish();
        Ok(self.tally)
    }

    /// Connections that exist.
    fn open(&self) -> usize {
        self.connections.len() - self.vacant.len()
    }

    /// Takes batches while those in hand are about to be used up.
    fn refill(&mut self) {
        let is_stopped = self.orders.stop.load(Ordering::Relaxed);
        while !self.is_exhausted {
            if !is_stopped && !self.wants_more() {
                break;
            }
            match self.intake.try_recv() {
                Ok(batch) => self.queue.push(batch),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => self.is_exhausted = true,
            }
            while !is_stopped && !self.orders.is_closed_loop && self.queue.is_over_full() {
                let waiting = self.queue.len();
                self.dispatch();
                if self.queue.len() < waiting {
                    continue;
                }
                if self.queue.front().is_none_or(|(_, entry)| entry.due > clock::now()) {
                    break;
                }
                self.give_up(Reason::QueueFull);
            }
        }
        if is_stopped {
            self.tally.not_sent.add_many(Reason::Interrupted, self.queue.len() as u64);
            self.queue = Queue::default();
        }
    }

    /// Whether the batches in hand are about to be used up.
    fn wants_more(&self) -> bool {
        if self.orders.is_closed_loop {
            return self.queue.is_low();
        }
        let now = clock::now();
        let is_early = |(_, entry): (&Batch, Entry)| entry.due > now;
        let is_full = self.queue.is_over_full() && self.queue.front().is_some_and(is_early);
        !is_full && self.queue.last_due().is_none_or(|due| due <= now.saturating_add(AHEAD))
    }

    /// Gives up the request whose turn is next.
    fn give_up(&mut self, reason: Reason) {
        if let Some((batch, entry)) = self.queue.front() {
            let view = batch.blocks[entry.block as usize].get(entry.record as usize);
            self.tally.not_sent.add(reason, || describe(view.header.id, view.payload));
            self.queue.pop();
        }
    }

    /// Sends whatever is due, as far as there are connections for it.
    fn dispatch(&mut self) {
        while let Some((_, entry)) = self.queue.front() {
            let now = clock::now();
            let due = if self.orders.is_closed_loop { now } else { entry.due };
            if due > now {
                break;
            }
            if due.saturating_add(self.timeout) <= now {
                self.give_up(Reason::NoConnection);
                continue;
            }
            let (slot, is_open) = match self.idle.pop() {
                Some(slot) => (slot, true),
                None if self.may_connect(now, due) => (self.vacancy(), false),
                None => break,
            };
            if !self.prepare(slot, due, is_open) {
                continue;
            }
            if is_open {
                self.connections[slot].is_reused = true;
                self.connections[slot].phase = Phase::Busy;
                self.queue.pop();
                self.send(slot, now);
            } else if self.connect(slot) {
                self.queue.pop();
            } else {
                // No descriptor is left: this one waits until a connection is free.
                self.limit = self.open();
                break;
            }
        }
    }

    /// Whether a request due at `due` gets a new connection.
    fn may_connect(&self, now: u64, due: u64) -> bool {
        let is_slow_start = self.unproven >= UNPROVEN.max(self.open() - self.unproven);
        self.open() < self.limit
            && self.connects_left > 0
            && !(is_slow_start && now < self.patience_ends(due))
    }

    fn patience_ends(&self, due: u64) -> u64 {
        due.max(self.tally.last_ended).saturating_add(PATIENCE)
    }

    /// When something is to be done for the request whose turn is next, if
    /// nothing else happens; `None` when only something else can help.
    fn next_moment(&self) -> Option<u64> {
        let (_, entry) = self.queue.front()?;
        let now = clock::now();
        if self.orders.is_closed_loop {
            None
        } else if entry.due > now {
            Some(entry.due)
        } else {
            Some(self.patience_ends(entry.due)).filter(|moment| *moment > now && self.open() < self.limit)
        }
    }

    /// A place without a connection, taken from the vacant ones.
    fn vacancy(&mut self) -> usize {
        self.vacant.pop().unwrap_or_else(|| {
            self.connections.push(Connection::new());
            self.connections.len() - 1
        })
    }

    /// Makes the next request the exchange of a connection. If it cannot be
    /// sent, counts it and puts the connection back.
    fn prepare(&mut self, slot: usize, due: u64, is_open: bool) -> bool {
        let Some((batch, entry)) = self.queue.front() else { return false };
        let (block, record) = (&batch.blocks[entry.block as usize], entry.record as usize);
        let exchange = &mut self.connections[slot].exchange;
        let view = block.get(record);
        let refusal = if view.header.mark.is_some() {
            Some((Reason::Marked, None))
        } else {
            exchange.prepare(&self.orders.editor, block, record).err().map(|why| (Reason::Broken, Some(why)))
        };
        let Some((reason, why)) = refusal else {
            exchange.due = due;
            exchange.deadline = due.saturating_add(self.timeout);
            return true;
        };
        self.tally.not_sent.add(reason, || {
            let request = describe(view.header.id, view.payload);
            why.map_or_else(|| request.clone(), |why| format!("{request}: {why}"))
        });
        self.queue.pop();
        if is_open {
            self.set_idle(slot);
        } else {
            self.vacant.push(slot);
        }
        false
    }

    fn set_idle(&mut self, slot: usize) {
        self.connections[slot].phase = Phase::Idle;
        self.connections[slot].idle_at = self.idle.len();
        self.idle.push(slot);
    }

    /// Begins a connection to the next address. `false`: there is no
    /// descriptor for it now, and the place is vacant again.
    fn connect(&mut self, slot: usize) -> bool {
        let connection = &mut self.connections[slot];
        connection.is_proven = false;
        connection.next_address = self.next_address;
        connection.addresses_left = self.orders.addresses.len();
        self.next_address = (self.next_address + 1) % self.orders.addresses.len();
        self.unproven += 1;
        self.connects_left -= 1;
        match self.connect_on(slot) {
            Err(error) if is_out_of_descriptors(&error) && self.open() > 1 => {
                self.vacate(slot);
                false
            }
            Err(error) => {
                self.fail(slot, connect_reason(&error), &error.to_string());
                true
            }
            Ok(()) => true,
        }
    }

    /// Tries the addresses that are left. The last one's error is told.
    fn connect_on(&mut self, slot: usize) -> io::Result<()> {
        let mut last = None;
        let connection = &mut self.connections[slot];
        while connection.addresses_left > 0 {
            let address = self.orders.addresses[connection.next_address];
            connection.next_address = (connection.next_address + 1) % self.orders.addresses.len();
            connection.addresses_left -= 1;
            match connection.open(address, self.poll.registry(), Token(slot)) {
                Ok(()) => return Ok(()),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into()))
    }

    /// Something happened on a connection.
    fn attend(&mut self, slot: usize, is_readable: bool, is_writable: bool, has_ended: bool) {
        match self.connections[slot].phase {
            Phase::Connecting => match self.connections[slot].is_established() {
                Ok(false) => {}
                Ok(true) => {
                    self.tally.connections += 1;
                    self.connections[slot].phase = Phase::Busy;
                    self.send(slot, clock::now());
                }
                Err(error) => {
                    if self.connections[slot].addresses_left == 0 || self.connect_on(slot).is_err() {
                        self.fail(slot, connect_reason(&error), &error.to_string());
                    }
                }
            },
            Phase::Busy => {
                if is_readable {
                    self.receive(slot, has_ended);
                }
                let connection = &self.connections[slot];
                if is_writable && connection.phase == Phase::Busy && !connection.exchange.is_sent() {
                    self.send(slot, clock::now());
                }
            }
            // Whatever comes now is an end, or an answer to nothing.
            Phase::Idle if is_readable => {
                if !matches!(self.connections[slot].receive(&mut self.buffer), Moved::Nothing) {
                    self.drop_idle(slot);
                }
            }
            Phase::Idle | Phase::Vacant => {}
        }
    }

    fn drop_idle(&mut self, slot: usize) {
        let at = self.connections[slot].idle_at;
        self.idle.swap_remove(at);
        if let Some(moved) = self.idle.get(at) {
            self.connections[*moved].idle_at = at;
        }
        self.connections[slot].close();
        self.vacant.push(slot);
    }

    /// Writes what is left of the request, as far as the kernel takes it.
    fn send(&mut self, slot: usize, now: u64) {
        let connection = &mut self.connections[slot];
        while !connection.exchange.is_sent() {
            match connection.send() {
                Moved::Bytes(length) => {
                    self.tally.bytes_sent += length as u64;
                    let exchange = &mut connection.exchange;
                    if exchange.sent_at == 0 {
                        exchange.sent_at = now;
                        self.tally.sent += 1;
                        self.tally.first_sent = self.tally.first_sent.min(now);
                        self.tally.lateness.record(now.saturating_sub(exchange.due));
                    }
                }
                Moved::Nothing | Moved::End => return,
                Moved::Broken(error) => {
                    // An answer may have come before the end did: a refusal of a large body, say.
                    self.receive(slot, true);
                    if self.connections[slot].phase == Phase::Busy {
                        self.broken(slot, Reason::Reset, &error.to_string());
                    }
                    return;
                }
            }
        }
    }

    /// Reads and frames what came. A read that did not fill the buffer took
    /// everything, unless the end comes after it.
    fn receive(&mut self, slot: usize, has_ended: bool) {
        let keeps = self.orders.output.is_some();
        for _ in 0..READS_IN_A_ROW {
            let connection = &mut self.connections[slot];
            if connection.phase != Phase::Busy {
                return;
            }
            match connection.receive(&mut self.buffer) {
                Moved::Nothing => return,
                Moved::Bytes(length) => {
                    self.tally.bytes_received += length as u64;
                    match connection.exchange.take(&self.buffer[..length], keeps) {
                        Ok(None) if length < self.buffer.len() && !has_ended => return,
                        Ok(None) => {}
                        Ok(Some(excess)) => {
                            let is_last = excess > 0 || !connection.exchange.keeps_alive();
                            return self.answered(slot, is_last);
                        }
                        Err(fault) => return self.fail(slot, Reason::MalformedAnswer, &fault.to_string()),
                    }
                }
                Moved::End if connection.exchange.close() => return self.answered(slot, true),
                Moved::End if connection.exchange.has_answer() => {
                    return self.fail(slot, Reason::ClosedInsideAnswer, "");
                }
                Moved::End => return self.broken(slot, Reason::ClosedBeforeAnswer, ""),
                Moved::Broken(error) => return self.broken(slot, Reason::Reset, &error.to_string()),
            }
        }
        self.undrained.push(slot);
    }

    /// The connection ended before the answer did. One that had been idle may
    /// have been closed before it saw the request.
    fn broken(&mut self, slot: usize, reason: Reason, detail: &str) {
        let connection = &mut self.connections[slot];
        if !connection.is_reused || !connection.exchange.may_be_sent_again() {
            return self.fail(slot, reason, detail);
        }
        connection.exchange.is_again = true;
        connection.exchange.begin();
        self.tally.sent_again += 1;
        connection.next_address = self.next_address;
        connection.addresses_left = self.orders.addresses.len();
        if let Err(error) = self.connect_on(slot) {
            self.fail(slot, connect_reason(&error), &error.to_string());
        }
    }

    /// The answer is whole.
    fn answered(&mut self, slot: usize, is_last: bool) {
        let now = clock::now();
        let connection = &mut self.connections[slot];
        self.unproven -= usize::from(!connection.is_proven);
        connection.is_proven = true;
        let exchange = &connection.exchange;
        self.tally.answered += 1;
        self.tally.statuses[usize::from(exchange.status())] += 1;
        self.tally.latency_from_send.record(now.saturating_sub(exchange.sent_at));
        self.tally.latency_from_due.record(now.saturating_sub(exchange.due));
        self.tally.last_ended = now;
        if self.orders.output.is_some() {
            self.keep_answer(slot, now);
        }
        if is_last {
            self.vacate(slot);
        } else {
            self.connections[slot].exchange.finish();
            self.set_idle(slot);
        }
    }

    /// The exchange has come to a bad end.
    fn fail(&mut self, slot: usize, reason: Reason, detail: &str) {
        let exchange = &self.connections[slot].exchange;
        let counts = if exchange.sent_at == 0 { &mut self.tally.not_sent } else { &mut self.tally.failed };
        counts.add(reason, || {
            let request = exchange.describe();
            if detail.is_empty() { request } else { format!("{request}: {detail}") }
        });
        if exchange.sent_at != 0 {
            self.tally.last_ended = clock::now();
        }
        self.vacate(slot);
    }

    /// Closes a connection that carries an exchange, or was about to.
    fn vacate(&mut self, slot: usize) {
        self.unproven -= usize::from(!self.connections[slot].is_proven);
        self.connections[slot].close();
        self.vacant.push(slot);
    }

    /// Ends what is past its deadline.
    fn expire(&mut self, now: u64) {
        for slot in 0..self.connections.len() {
            let connection = &self.connections[slot];
            if connection.exchange.deadline <= now {
                match connection.phase {
                    Phase::Connecting => self.fail(slot, Reason::ConnectTimeout, ""),
                    Phase::Busy => self.fail(slot, Reason::Timeout, ""),
                    Phase::Vacant | Phase::Idle => {}
                }
            }
        }
    }

    fn keep_answer(&mut self, slot: usize, now: u64) {
        let exchange = &self.connections[slot].exchange;
        let (payload, is_cut) = exchange.answer();
        self.tally.answers_cut += u64::from(is_cut);
        let header = Header {
            kind: Kind::Replayed,
            id: &exchange.id,
            timestamp: exchange.sent_at as i64 + self.orders.wall_offset,
            latency: Some(now.saturating_sub(exchange.sent_at) as i64),
            mark: is_cut.then_some(Mark::Cut),
            ..Header::default()
        };
        self.answers.push(&header, payload);
        if self.answers.bytes().len() >= PIECE {
            self.hand_over_answers();
        }
    }

    fn hand_over_answers(&mut self) {
        if let Some(output) = &self.orders.output
            && !self.answers.is_empty()
            && output.send(Piece::Answers(std::mem::take(&mut self.answers))).is_err()
        {
            // Whoever writes them has ended, and told why.
            self.orders.stop.store(true, Ordering::Relaxed);
        }
    }

    fn publish(&self) {
        let failed = self.tally.failed.total() + self.tally.not_sent.total();
        self.orders.pulse.sent.store(self.tally.sent, Ordering::Relaxed);
        self.orders.pulse.answered.store(self.tally.answered, Ordering::Relaxed);
        self.orders.pulse.failed.store(failed, Ordering::Relaxed);
    }
}
