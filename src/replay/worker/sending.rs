//! A worker's way out: what is due gets a connection and is written.

use std::io;

use mio::Token;

use super::ReplayWorker;
use crate::replay::clock;
use crate::replay::connection::{ClientConnection, Phase, connect_reason, is_out_of_descriptors};
use crate::replay::descriptors::descriptor_limit;
use crate::replay::exchange::describe;
use crate::replay::failure::FailureReason;
use crate::replay::hold::Hold;
use crate::replay::other_servers::ServerPlace;
use crate::replay::output::Outlet;
use crate::replay::schedule::{RequestBatch, ScheduledRequest};
use crate::replay::transport::Moved;
use crate::tls::trust_hint;

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
        match self.sessions.take() {
            None => self.dispatch_any(),
            Some(mut sessions) => {
                self.end_sessions(&mut sessions, clock::now());
                self.dispatch_sessions(&mut sessions);
                self.sessions = Some(sessions);
            }
        }
    }

    /// Sends whatever is due, on whatever connection is free.
    fn dispatch_any(&mut self) {
        loop {
            self.leave_revoked();
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
                let reason = self.count_held(due, now).map_or(FailureReason::ReadTooLate, Hold::reason);
                self.give_up(reason);
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
                None if self.open() >= self.limit => return self.held(self.connection_hold()),
                None if self.connects_left > 0 && self.opening.next() <= now => (self.vacancy(), false),
                None => return,
            };
            let Some((batch, entry)) = self.queue.shared_front() else { return };
            if !self.prepare(slot, &batch, entry, due, now) {
                self.queue.pop();
                self.put_back(slot, is_open);
                continue;
            }
            if self.begin(slot, is_open, now) {
                self.note_held(slot, due, now);
                self.queue.pop();
            }
        }
    }

    /// The request whose turn is next waits for this.
    pub(super) fn held(&mut self, hold: Hold) {
        self.hold = Some(hold);
        self.tally.held[hold as usize].is_reached = true;
    }

    /// Whose limit it is that there are no more connections.
    pub(super) fn connection_hold(&self) -> Hold {
        let is_short = self.options.descriptors.is_some() || self.limit < self.options.connections;
        if is_short { Hold::Descriptors } else { Hold::Connections }
    }

    /// Remembers what the request in this slot has waited for, if it did.
    pub(super) fn note_held(&mut self, slot: usize, due: u64, now: u64) {
        let is_long = now - due > HELD;
        self.connections[slot].exchange.hold = if is_long { self.count_held(due, now) } else { None };
    }

    /// Counts a request among those that waited, if it did, and says for what.
    pub(super) fn count_held(&mut self, due: u64, now: u64) -> Option<Hold> {
        let hold = self.hold_since(due)?;
        self.tally.held[hold as usize].add(now - due);
        Some(hold)
    }

    /// Sends the request in this slot, or begins a connection for it. False if there is no descriptor for that: the
    /// request keeps its turn.
    pub(super) fn begin(&mut self, slot: usize, is_open: bool, now: u64) -> bool {
        if is_open {
            self.connections[slot].is_reused = true;
            self.connections[slot].phase = Phase::Busy;
            self.send(slot, now);
            return true;
        }
        match self.connect(slot, now) {
            Err(error) if is_out_of_descriptors(&error) && self.open() > 1 => {
                self.vacate(slot);
                self.limit = self.open();
                self.tally.descriptors = self.tally.descriptors.or(descriptor_limit());
                return false;
            }
            Err(error) => self.fail_to_connect(slot, &error),
            Ok(()) => {}
        }
        true
    }

    /// Puts a slot back whose request cannot be sent.
    pub(super) fn put_back(&mut self, slot: usize, is_open: bool) {
        if is_open {
            self.set_idle(slot);
        } else {
            self.vacant.push(slot);
        }
    }

    /// What a request that was due then waited for.
    fn hold_since(&self, due: u64) -> Option<Hold> {
        let is_held = |outlet: &Outlet| outlet.held_since(due);
        self.hold.or_else(|| self.options.output.as_ref().is_some_and(is_held).then_some(Hold::Output))
    }

    /// A place without a connection, taken from the vacant ones.
    pub(super) fn vacancy(&mut self) -> usize {
        self.vacant.pop().unwrap_or_else(|| {
            self.connections.push(ClientConnection::new());
            self.connections.len() - 1
        })
    }

    /// Makes a request the exchange of a connection; if it cannot be sent, counts it.
    pub(super) fn prepare(
        &mut self,
        slot: usize,
        batch: &RequestBatch,
        entry: ScheduledRequest,
        due: u64,
        now: u64,
    ) -> bool {
        if batch.is_revoked(entry) {
            self.leave_to_others(batch, entry);
            return false;
        }
        let (block, record) = (&batch.blocks[entry.block as usize], entry.record as usize);
        let exchange = &mut self.connections[slot].exchange;
        let view = block.get(record);
        if let Some(cookies) = &mut self.cookies {
            self.tally.cookies_dropped += cookies.touch(entry.session);
        }
        let jar = self.cookies.as_ref().and_then(|cookies| cookies.get(entry.session));
        let jar = jar.map(|jar| (jar, clock::wall()));
        let refusal = if view.header.mark.is_some() && !self.options.sends_marked {
            Some((FailureReason::Marked, None))
        } else {
            exchange
                .prepare(&self.options.editor, block, record, jar)
                .err()
                .map(|why| (FailureReason::Broken, Some(why)))
        };
        let Some((reason, why)) = refusal else {
            exchange.due = due;
            exchange.deadline = due.saturating_add(self.timeout);
            exchange.taken_at = now;
            exchange.number = entry.number;
            exchange.group = self.tally.group(view.payload);
            return true;
        };
        self.tally.note_not_sent(now, 1);
        self.tally.not_sent.add(reason, || {
            let request = describe(view.header.id, view.payload);
            why.map_or_else(|| request.clone(), |why| format!("{request}: {why}"))
        });
        self.settle(entry.number);
        false
    }

    /// Begins a connection.
    pub(super) fn connect(&mut self, slot: usize, now: u64) -> io::Result<()> {
        self.opening.begin(now);
        self.connects_left -= 1;
        self.connections[slot].attempt = self.options.addresses.begin(now);
        self.connect_on(slot)
    }

    /// Tries the addresses that are left. The last one's error is told.
    pub(super) fn connect_on(&mut self, slot: usize) -> io::Result<()> {
        let mut last = None;
        let connection = &mut self.connections[slot];
        let (addresses, tls) = match connection.server {
            ServerPlace::Target => (&self.options.addresses, self.options.tls.as_ref()),
            ServerPlace::Other(place) => {
                let server = self.others.get(place);
                (&server.addresses, server.tls.as_ref())
            }
        };
        while let Some(address) = addresses.next(&mut connection.attempt) {
            connection.began_at = clock::now();
            match connection.open(&address, tls, self.poll.registry(), Token(slot)) {
                Ok(()) => return Ok(()),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into()))
    }

    /// Connects to the server of the exchange once more, beginning with the address whose turn it is.
    pub(super) fn connect_anew(&mut self, slot: usize) {
        self.connections[slot].attempt = self.addresses_of(slot).begin(clock::now());
        if let Err(error) = self.connect_on(slot) {
            self.fail_to_connect(slot, &error);
        }
    }

    /// No address is left.
    pub(super) fn fail_to_connect(&mut self, slot: usize, error: &io::Error) {
        if self.connections[slot].is_spare {
            return self.give_up_spare(slot);
        }
        let connection = &self.connections[slot];
        let detail = match &connection.address {
            Some(_) => format!("{}: {error}", self.describe_server(slot)),
            None => error.to_string(),
        };
        if connection.is_securing {
            let detail = format!("{detail}{}", trust_hint(error));
            return self.fail(slot, FailureReason::TlsFailed, &detail);
        }
        let reason = match (connect_reason(error), connection.server) {
            (FailureReason::Descriptors, _) => FailureReason::Descriptors,
            (reason, ServerPlace::Target) => reason,
            (_, ServerPlace::Other(_)) => FailureReason::RedirectUnreachable,
        };
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
