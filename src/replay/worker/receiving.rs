//! A worker's way in: events, answers, and exchanges that come to an end.

use std::io;
use std::sync::Arc;

use super::ReplayWorker;
use crate::http::request_line;
use crate::observe::Span;
use crate::record::{Header, Kind, Mark};
use crate::replay::clock;
use crate::replay::connection::{ClientConnection, Phase};
use crate::replay::exchange::Keep;
use crate::replay::failure::FailureReason;
use crate::replay::hold::Hold;
use crate::replay::other_servers::ServerPlace;
use crate::replay::output::Outlet;
use crate::replay::transport::Moved;

/// Reads from one connection before the others have a turn.
const READS_IN_A_ROW: usize = 16;

/// Answers are handed to the output in pieces of at least this size, or at the next tick.
const PIECE: usize = 64 << 10;

/// An answer that is no HTTP has ended when nothing came for so long.
const SILENCE: u64 = 100_000_000;

/// A request counts as sent too late when this part of its timeout had passed.
const LATE_PART: u64 = 10;

/// Why a connection is broken: by TLS, or as its socket says.
fn broken_reason(error: &io::Error, of_socket: FailureReason) -> FailureReason {
    if error.kind() == io::ErrorKind::InvalidData { FailureReason::TlsFailed } else { of_socket }
}

impl ReplayWorker {
    /// Remembers what an event tells. An idle connection is looked at at once.
    pub(super) fn note(&mut self, slot: usize, is_readable: bool, has_ended: bool) {
        let connection = &mut self.connections[slot];
        connection.is_readable |= is_readable;
        connection.has_ended |= has_ended;
        // Whatever comes on an idle connection is an end, or an answer to nothing.
        if connection.phase == Phase::Idle && connection.is_readable && !self.is_usable(slot) {
            self.drop_idle(slot);
        }
    }

    /// Does what a connection is ready for.
    pub(super) fn attend(&mut self, slot: usize) {
        if self.connections[slot].phase == Phase::Connecting && !self.go_on_connecting(slot) {
            return;
        }
        if self.connections[slot].phase == Phase::Busy && !self.connections[slot].is_sent() {
            self.go_on_sending(slot);
        }
        let connection = &self.connections[slot];
        let may_answer = connection.exchange.sent_at != 0 || connection.has_ended;
        if connection.phase == Phase::Busy && connection.is_readable && may_answer {
            self.receive(slot);
        }
    }

    /// Whether a connection that is being made is made by now.
    fn go_on_connecting(&mut self, slot: usize) -> bool {
        let connection = &mut self.connections[slot];
        let mut is_made = Ok(connection.is_securing);
        if !connection.is_securing {
            is_made = connection.is_connected();
            if let Ok(true) = is_made {
                connection.is_securing = true;
                connection.connected_at = clock::now();
            }
        }
        if let Ok(true) = is_made {
            is_made = connection.is_secured();
        }
        match is_made {
            Ok(false) => false,
            Ok(true) => {
                connection.is_securing = false;
                connection.phase = Phase::Busy;
                let is_spare = std::mem::take(&mut connection.is_spare);
                let connecting = connection.connected_at - connection.began_at;
                let securing = connection.is_tls().then(|| clock::now() - connection.connected_at);
                // How long that took is told of the target.
                if self.connections[slot].server == ServerPlace::Target {
                    self.tally.note_connected(connecting, securing);
                } else {
                    self.tally.connections += 1;
                }
                if let Some((local, peer)) = self.connections[slot].ends() {
                    self.options.own.add(local, peer, clock::wall());
                }
                if is_spare {
                    self.set_idle(slot);
                }
                !is_spare
            }
            Err(error) => {
                let has_more = self.connections[slot].attempt.has_more();
                let last = if has_more { self.connect_on(slot).err() } else { Some(error) };
                if let Some(error) = last {
                    self.fail_to_connect(slot, &error);
                }
                false
            }
        }
    }

    /// Reads and frames what came.
    pub(super) fn receive(&mut self, slot: usize) {
        if self.is_held_by_output() {
            self.postpone(slot);
            return;
        }
        let wants_head =
            self.options.documents.is_some() || self.options.redirects > 0 || self.cookies.is_some();
        let keeps = match &self.options.output {
            Some(_) => Keep::Bytes(self.options.response_buffer),
            None if wants_head => Keep::Head,
            None => Keep::Nothing,
        };
        for _ in 0..READS_IN_A_ROW {
            let connection = &mut self.connections[slot];
            match connection.receive(&mut self.buffer) {
                Moved::Nothing => return,
                // It came before anything was sent, and nothing ever will be: it answers nothing.
                Moved::Bytes(_) if connection.exchange.sent_at == 0 => {}
                Moved::Bytes(length) => {
                    self.tally.bytes_received += length as u64;
                    if connection.exchange.shape.is_raw {
                        connection.exchange.last_byte_at = clock::now();
                        self.heard.push(connection.session);
                    }
                    match connection.exchange.take(&self.buffer[..length], keeps) {
                        Ok(None) if !connection.is_readable => return,
                        Ok(None) => {}
                        Ok(Some(excess)) => return self.answered(slot, excess > 0),
                        Err(fault) => {
                            return self.fail(slot, FailureReason::MalformedAnswer, &fault.to_string());
                        }
                    }
                }
                Moved::End if connection.exchange.close() => return self.answered(slot, false),
                Moved::End if connection.exchange.has_answer() => {
                    return self.fail(slot, FailureReason::ClosedInsideAnswer, "");
                }
                Moved::End => return self.broken(slot, FailureReason::ClosedBeforeAnswer, ""),
                Moved::Broken(error) if connection.exchange.has_answer() => {
                    let reason = broken_reason(&error, FailureReason::ResetInsideAnswer);
                    return self.fail(slot, reason, &error.to_string());
                }
                Moved::Broken(error) => {
                    let reason = broken_reason(&error, FailureReason::ResetBeforeAnswer);
                    return self.broken(slot, reason, &error.to_string());
                }
            }
        }
        self.postpone(slot);
    }

    /// The connection ended before the answer did. One that had been idle may
    /// have been closed before it saw the request.
    fn broken(&mut self, slot: usize, reason: FailureReason, detail: &str) {
        let connection = &mut self.connections[slot];
        if !connection.is_reused || !connection.exchange.may_be_sent_again() {
            return self.fail(slot, reason, detail);
        }
        // Where nothing of it left, this is the first time that it is sent.
        let is_again = connection.exchange.sent_at != 0;
        connection.exchange.is_again = true;
        connection.exchange.begin();
        self.tally.sent_again += u64::from(is_again);
        self.connect_anew(slot);
    }

    /// The answer is whole. `has_surplus`: more came than belongs to it.
    pub(super) fn answered(&mut self, slot: usize, has_surplus: bool) {
        let now = clock::now();
        let exchange = &self.connections[slot].exchange;
        // Its beginning was there before the request was; a refusal of the connection may be.
        if exchange.is_early && exchange.status() < 400 {
            return self.fail(slot, FailureReason::Unasked, "its beginning came before the request was sent");
        }
        if self.options.redirects > 0 && self.is_redirected(slot, has_surplus) {
            return;
        }
        let exchange = &self.connections[slot].exchange;
        // Where silence ends an answer, that is no part of it.
        let now = if exchange.shape.is_raw { exchange.last_byte_at } else { now };
        self.tally.note_answered(exchange, now);
        self.keep_cookies(slot);
        if self.options.output.is_some() {
            self.keep_answer(slot, now);
        }
        // Behind the answer: a middleware sees that before the request that waits for it.
        self.settle(self.connections[slot].exchange.number);
        if let Some(documents) = &self.options.documents {
            documents.put(&self.connections[slot].exchange, now);
        }
        // The buffer that the answer filled to its end may not have held all that came.
        let connection = &mut self.connections[slot];
        let has_surplus = has_surplus
            || !connection.exchange.shape.is_raw
                && connection.is_readable
                && matches!(connection.receive(&mut self.buffer), Moved::Bytes(_));
        let exchange = &connection.exchange;
        let is_last = has_surplus || connection.has_ended || exchange.is_early || !exchange.keeps_alive();
        if has_surplus {
            self.note_surplus(slot);
        }
        let is_at_home = self.connections[slot].server == ServerPlace::Target;
        let is_open = if is_at_home { !is_last } else { self.go_home(slot, !is_last) };
        if is_open {
            self.connections[slot].exchange.finish();
            self.set_idle(slot);
        } else {
            self.vacate(slot);
        }
    }

    /// Keeps the cookies that the answer of the target sets on its recorded connection.
    pub(super) fn keep_cookies(&mut self, slot: usize) {
        let Some(cookies) = &mut self.cookies else { return };
        let ClientConnection { session, exchange, server, .. } = &self.connections[slot];
        if *server != ServerPlace::Target {
            return;
        }
        let (answer, _) = exchange.answer();
        if memchr::memmem::find(answer, b"ookie:").is_some()
            || memchr::memmem::find(answer, b"OOKIE:").is_some()
        {
            let target = request_line(exchange.head()).map_or(&b"/"[..], |line| line.target);
            let target = String::from_utf8_lossy(target);
            let unkept = cookies.take(*session, answer, &target, clock::wall());
            for _ in 0..unkept.too_long {
                self.tally.cookies_too_long.add(|| exchange.describe());
            }
            self.tally.cookies_dropped += unkept.dropped;
        }
    }

    /// Ends answers that only silence ends.
    pub(super) fn end_silent(&mut self, now: u64) {
        if !self.options.editor.is_raw() {
            return;
        }
        for slot in 0..self.connections.len() {
            let connection = &self.connections[slot];
            let exchange = &connection.exchange;
            let is_silent = exchange.has_answer() && now.saturating_sub(exchange.last_byte_at) >= SILENCE;
            if connection.phase == Phase::Busy && is_silent && connection.is_sent() {
                self.answered(slot, false);
            }
        }
    }

    /// Ends what is past its deadline, and attempts that another address may do better.
    pub(super) fn expire(&mut self, now: u64) {
        for slot in 0..self.connections.len() {
            let connection = &self.connections[slot];
            match connection.phase {
                Phase::Busy if connection.exchange.deadline <= now => {
                    let (reason, detail) = self.lateness(slot);
                    self.fail(slot, reason, &detail);
                }
                Phase::LookingUp if connection.exchange.deadline <= now => {
                    let server = self.describe_server(slot);
                    self.fail_to_look_up(slot, &format!("{server}: the name was not looked up in time"));
                }
                Phase::Connecting if connection.exchange.deadline <= now && connection.is_spare => {
                    self.give_up_spare(slot);
                }
                Phase::Connecting if connection.exchange.deadline <= now => {
                    let (reason, detail) = self.unconnected(slot);
                    self.fail(slot, reason, &detail);
                }
                Phase::Connecting
                    if connection.attempt.has_more() && now - connection.began_at >= self.attempt =>
                {
                    if let Some(address) = connection.address.clone() {
                        self.addresses_of(slot).rest(&address, now);
                    }
                    if let Err(error) = self.connect_on(slot) {
                        self.fail_to_connect(slot, &error);
                    }
                }
                Phase::Vacant | Phase::LookingUp | Phase::Idle | Phase::Connecting | Phase::Busy => {}
            }
        }
    }

    /// Why there is no whole answer in time.
    fn lateness(&self, slot: usize) -> (FailureReason, String) {
        let connection = &self.connections[slot];
        let exchange = &connection.exchange;
        if self.options.output.as_ref().is_some_and(|outlet| outlet.held_since(exchange.sent_at)) {
            return (FailureReason::HeldByOutput, "its answer was not read".into());
        }
        let late = exchange.sent_at.saturating_sub(exchange.due);
        if exchange.sent_at == 0 || late < self.timeout / LATE_PART {
            return (FailureReason::Timeout, String::new());
        }
        let why = match exchange.hold {
            Some(hold) => format!(", {}", self.describe_hold(hold)),
            None if exchange.sent_at - exchange.taken_at > late / 2 => ", as connecting took long".into(),
            None => String::new(),
        };
        (FailureReason::SentTooLate, format!("sent {} late{why}", Span(late)))
    }

    /// Why there is no connection in time.
    fn unconnected(&self, slot: usize) -> (FailureReason, String) {
        let connection = &self.connections[slot];
        let exchange = &connection.exchange;
        let late = exchange.taken_at.saturating_sub(exchange.due);
        let address = self.describe_server(slot);
        match exchange.hold {
            _ if connection.server != ServerPlace::Target => {
                (FailureReason::RedirectUnreachable, format!("{address}: {}", FailureReason::ConnectTimeout))
            }
            Some(hold) if late >= self.timeout / LATE_PART => (
                hold.reason(),
                format!("{} for {}, then connecting to {address}", self.describe_hold(hold), Span(late)),
            ),
            _ if connection.is_securing => {
                (FailureReason::TlsFailed, format!("{address}: no handshake in time; does it speak TLS?"))
            }
            _ => (FailureReason::ConnectTimeout, address),
        }
    }

    fn describe_hold(&self, hold: Hold) -> String {
        match (hold, self.tally.descriptors) {
            (Hold::Descriptors, Some(limit)) => format!("{} ({limit})", hold.reason()),
            (Hold::Connections, _) => format!("{} ({})", hold.reason(), self.options.connections),
            _ => hold.reason().to_string(),
        }
    }

    fn keep_answer(&mut self, slot: usize, now: u64) {
        let exchange = &self.connections[slot].exchange;
        let (payload, is_cut) = exchange.answer();
        self.tally.answers_cut += u64::from(is_cut);
        let header = Header {
            kind: Kind::Replayed,
            id: &exchange.id,
            timestamp: clock::wall() - clock::now().saturating_sub(exchange.sent_at) as i64,
            latency: Some(now.saturating_sub(exchange.sent_at) as i64),
            mark: is_cut.then_some(Mark::Cut),
            ..Header::default()
        };
        self.answers.push(&header, payload);
        let is_prompt = self.options.output.as_ref().is_some_and(Outlet::is_prompt);
        if is_prompt || self.answers.bytes().len() >= PIECE {
            self.hand_over_answers();
        }
    }

    pub(super) fn hand_over_answers(&mut self) {
        if let Some(output) = &self.options.output
            && !self.answers.is_empty()
        {
            let answers = std::mem::take(&mut self.answers);
            self.tally.answers_dropped += output.put(Arc::new(answers)) as u64;
        }
    }
}
