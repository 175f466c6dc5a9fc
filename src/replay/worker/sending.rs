//! A worker's way out: what is due gets a connection and is written.

use std::io;

use mio::Token;

use super::ReplayWorker;
use crate::replay::clock;
use crate::replay::connection::{ClientConnection, Phase, connect_reason, is_out_of_descriptors};
use crate::replay::descriptors::descriptor_limit;
use crate::replay::exchange::describe;
use crate::replay::output::Outlet;
use crate::replay::tally::{FailureReason, Hold};
use crate::replay::transport::Moved;

/// Connections begun before events are looked at again. Connecting may take longer than the next request
/// takes to be due: without a bound a burst would connect for each and see no answer meanwhile.
pub(super) const CONNECTS_IN_A_ROW: usize = 4;

/// Writes to one connection before the others have a turn.
const WRITES_IN_A_ROW: usize = 4;

/// A request that waited longer than this for a connection or the output is counted as held back.
const HELD: u64 = 1_000_000;

impl ReplayWorker {
    /// Sends whatever is due, as far as there are connections for it.
    pub(super) fn dispatch(&mut self) {
        loop {
            let now = clock::now();
            let due = match self.queue.front() {
                Some(_) if self.options.is_closed_loop => now,
                Some((_, entry)) if entry.due <= now => entry.due,
                _ => {
                    self.hold = None;
                    return;
                }
            };
            if due.saturating_add(self.timeout) <= now {
                self.give_up_held(due, now);
                continue;
            }
            if self.is_held_by_output() {
                return self.held(Hold::Output);
            }
            let (slot, is_open) = match self.idle.pop() {
                Some(slot) if self.is_usable(slot) => (slot, true),
                Some(slot) => {
                    self.vacate(slot);
                    continue;
                }
                None if self.open() >= self.limit => {
                    let is_short =
                        self.options.descriptors.is_some() || self.limit < self.options.connections;
                    return self.held(if is_short { Hold::Descriptors } else { Hold::Connections });
                }
                None if self.connects_left > 0 && self.opening.next() <= now => (self.vacancy(), false),
                None => return,
            };
            if !self.prepare(slot, due, now, is_open) {
                continue;
            }
            if is_open {
                self.connections[slot].is_reused = true;
                self.connections[slot].phase = Phase::Busy;
                self.taken(slot, due, now);
                self.send(slot, now);
                continue;
            }
            match self.connect(slot, now) {
                // This one waits until a connection is free.
                Err(error) if is_out_of_descriptors(&error) && self.open() > 1 => {
                    self.vacate(slot);
                    self.limit = self.open();
                    self.tally.descriptors = self.tally.descriptors.or(descriptor_limit());
                }
                connecting => {
                    self.taken(slot, due, now);
                    if let Err(error) = connecting {
                        self.fail_to_connect(slot, &error);
                    }
                }
            }
        }
    }

    /// The request whose turn is next waits for this.
    fn held(&mut self, hold: Hold) {
        self.hold = Some(hold);
        self.tally.held[hold as usize].is_reached = true;
    }

    /// The request whose turn was next is on its way.
    fn taken(&mut self, slot: usize, due: u64, now: u64) {
        let hold = self.hold_since(due).filter(|_| now - due > HELD);
        if let Some(hold) = hold {
            self.tally.held[hold as usize].add(now - due);
        }
        self.connections[slot].exchange.hold = hold;
        self.queue.pop();
    }

    /// What a request that was due then waited for.
    fn hold_since(&self, due: u64) -> Option<Hold> {
        let is_held = |outlet: &Outlet| outlet.held_since(due);
        self.hold.or_else(|| self.options.output.as_ref().is_some_and(is_held).then_some(Hold::Output))
    }

    /// Gives up the request whose turn is next, as its timeout is over.
    fn give_up_held(&mut self, due: u64, now: u64) {
        let hold = self.hold_since(due);
        if let Some(hold) = hold {
            self.tally.held[hold as usize].add(now - due);
        }
        self.give_up(hold.map_or(FailureReason::ReadTooLate, Hold::reason));
    }

    /// A place without a connection, taken from the vacant ones.
    fn vacancy(&mut self) -> usize {
        self.vacant.pop().unwrap_or_else(|| {
            self.connections.push(ClientConnection::new());
            self.connections.len() - 1
        })
    }

    /// Makes the next request the exchange of a connection. If it cannot be
    /// sent, counts it and puts the connection back.
    fn prepare(&mut self, slot: usize, due: u64, now: u64, is_open: bool) -> bool {
        let Some((batch, entry)) = self.queue.front() else { return false };
        let (block, record) = (&batch.blocks[entry.block as usize], entry.record as usize);
        let exchange = &mut self.connections[slot].exchange;
        let view = block.get(record);
        let refusal = if view.header.mark.is_some() {
            Some((FailureReason::Marked, None))
        } else {
            exchange
                .prepare(&self.options.editor, block, record)
                .err()
                .map(|why| (FailureReason::Broken, Some(why)))
        };
        let Some((reason, why)) = refusal else {
            exchange.due = due;
            exchange.deadline = due.saturating_add(self.timeout);
            exchange.taken_at = now;
            exchange.group = self.tally.group(view.payload);
            return true;
        };
        self.tally.note_not_sent(now, 1);
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

    /// Begins a connection.
    fn connect(&mut self, slot: usize, now: u64) -> io::Result<()> {
        self.opening.begin(now);
        self.connects_left -= 1;
        self.connections[slot].attempt = self.options.addresses.begin(now);
        self.connect_on(slot)
    }

    /// Tries the addresses that are left. The last one's error is told.
    pub(super) fn connect_on(&mut self, slot: usize) -> io::Result<()> {
        let mut last = None;
        let connection = &mut self.connections[slot];
        while let Some(address) = self.options.addresses.next(&mut connection.attempt) {
            connection.began_at = clock::now();
            let tls = self.options.tls.as_ref();
            match connection.open(&address, tls, self.poll.registry(), Token(slot)) {
                Ok(()) => return Ok(()),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into()))
    }

    /// No address is left.
    pub(super) fn fail_to_connect(&mut self, slot: usize, error: &io::Error) {
        let connection = &self.connections[slot];
        let detail = match &connection.address {
            Some(address) => format!("{address}: {error}"),
            None => error.to_string(),
        };
        let reason = if connection.is_securing { FailureReason::TlsFailed } else { connect_reason(error) };
        self.fail(slot, reason, &detail);
    }

    /// Writes what is left of the request, as far as the kernel takes it and others do not wait.
    pub(super) fn send(&mut self, slot: usize, now: u64) {
        let connection = &self.connections[slot];
        if connection.exchange.sent_at == 0 && !connection.is_reused && self.is_turned_away(slot) {
            return;
        }
        let connection = &mut self.connections[slot];
        for _ in 0..WRITES_IN_A_ROW {
            if connection.exchange.is_sent() {
                break;
            }
            match connection.send() {
                Moved::Bytes(length) => {
                    self.tally.bytes_sent += length as u64;
                    let exchange = &mut connection.exchange;
                    if exchange.sent_at == 0 {
                        exchange.sent_at = now;
                        self.tally.note_sent(exchange, now);
                    }
                }
                Moved::Nothing => return,
                Moved::End | Moved::Broken(_) => return self.receive(slot),
            }
        }
        if !connection.exchange.is_sent() {
            self.postpone(slot);
        }
    }

    /// Goes on with what the kernel has not taken yet.
    pub(super) fn go_on_sending(&mut self, slot: usize) {
        if !self.connections[slot].exchange.is_sent() {
            self.send(slot, clock::now());
        } else if let Moved::End | Moved::Broken(_) = self.connections[slot].flush() {
            self.receive(slot);
        }
    }
}
