//! Bytes that came and that no request asked for: whatever was there before a request's first byte was written
//! is no answer to it.

use super::ReplayWorker;
use crate::replay::clock;
use crate::replay::connection::{ClientConnection, Phase};
use crate::replay::failure::FailureReason;
use crate::replay::transport::Moved;

/// As much as tells what an answer is, with some empty lines before it.
const LOOK: usize = 64;

/// What a server says to a connection that was idle for too long, before it closes it (RFC 9110 §15.5.9).
const FAREWELL: &[u8] = b"408";

/// What was said before anything was asked, by its first bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Early {
    Nothing,
    /// An answer to a request that was not sent: the status is below 400.
    Answer,
    /// A refusal of the connection, which is taken for the answer, as load balancers mean it; or something that
    /// is no answer, or not yet one.
    Other,
}

/// The digits of the status that an answer begins with, as far as they came.
fn status(bytes: &[u8]) -> Option<&[u8]> {
    let start = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n'))?;
    let rest = bytes[start..].strip_prefix(b"HTTP/")?;
    let space = rest.iter().position(|byte| *byte == b' ')?;
    let digits = rest[space..].trim_ascii_start();
    Some(&digits[..digits.len().min(3)])
}

/// Looks what a new connection brought along.
fn early(connection: &mut ClientConnection) -> Early {
    let mut seen = [0; LOOK];
    let Moved::Bytes(length) = connection.peek(&mut seen) else { return Early::Nothing };
    match status(&seen[..length]) {
        Some([b'1'..=b'3', ..]) => Early::Answer,
        _ => Early::Other,
    }
}

impl ReplayWorker {
    /// Looks at a new connection before a request's first byte goes to it. Whether the request goes elsewhere.
    pub(super) fn is_turned_away(&mut self, slot: usize) -> bool {
        // Some protocols begin with the server.
        if self.options.editor.is_raw() {
            return false;
        }
        let early = early(&mut self.connections[slot]);
        self.connections[slot].exchange.is_early = early == Early::Other;
        if early != Early::Answer {
            return false;
        }
        let connection = &mut self.connections[slot];
        self.tally.answered_unasked += 1;
        let address = connection.address.as_ref().map_or_else(String::new, ToString::to_string);
        if !connection.attempt.has_more() {
            if std::mem::replace(&mut connection.exchange.is_again, true) {
                self.fail(slot, FailureReason::Unasked, &address);
                return true;
            }
            self.connections[slot].attempt = self.addresses_of(slot).begin(clock::now());
        }
        if let Err(error) = self.connect_on(slot) {
            self.fail_to_connect(slot, &error);
        }
        true
    }

    /// Whether the next request may go to a connection that seems idle. The kernel is asked: what came since
    /// events were looked at would be taken for the answer, and its end would lose a request.
    pub(super) fn is_usable(&mut self, slot: usize) -> bool {
        match self.connections[slot].receive(&mut self.buffer) {
            Moved::Nothing => true,
            Moved::Bytes(_) if self.options.editor.is_raw() => self.is_usable(slot),
            Moved::Bytes(length) => {
                self.note_idle_bytes(slot, length);
                false
            }
            Moved::End | Moved::Broken(_) => false,
        }
    }

    /// So many bytes, which are in the buffer, came on an idle connection.
    pub(super) fn note_idle_bytes(&mut self, slot: usize, length: usize) {
        if status(&self.buffer[..length]) != Some(FAREWELL) {
            self.note_surplus(slot);
        }
    }

    /// The last answer on this connection was followed by bytes.
    pub(super) fn note_surplus(&mut self, slot: usize) {
        let exchange = &self.connections[slot].exchange;
        self.tally.surplus.add(|| exchange.describe());
    }

    /// Looks at the idle connections for the last time, before they are closed.
    pub(super) fn look_at_idle(&mut self) {
        for slot in 0..self.connections.len() {
            if self.connections[slot].phase == Phase::Idle && !self.is_usable(slot) {
                self.drop_idle(slot);
            }
        }
    }
}
