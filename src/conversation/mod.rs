//! Records in, packets out: exchanges become TCP conversations in a capture file.
//!
//! Ports, client address and exchange number are read out of the record's id
//! (24 hex digits), the server's address is invented ([`SERVER`]). Each pair
//! of ends is a session (`session.rs`): handshake, requests and responses in segments of
//! [`MSS`], acknowledgements, FINs. Sequence numbers are such that
//! whoever records the file again gives every message the id it had; a
//! connection whose numbers no longer fit is closed, and another opened
//! between the same ends.
//!
//! A message begins at its record's time, and its last segment is sent as much
//! later as its latency says, unless records of one connection contradict each
//! other: then it is later, never out of order. What is not whole ends by a
//! reset, after the bytes there are; what was missing is not invented.

mod address;
mod frame;
mod message;
mod open_connection;
mod queue;
mod session;
mod sink;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

pub use address::{OTHER_SERVER, SERVER};
pub use frame::MSS;
pub use sink::PacketSink;

use crate::packet::{FileFormat, LinkType};
use crate::record::{Kind, View};
use crate::tcp::{ConnectionKey, Table, TableId};
use address::ExchangeOrigin;
use message::QueuedMessage;
use open_connection::File;
use session::Session;

/// Nanoseconds for which records are held back, so that packets are written in
/// the order of their times: records come when they are whole, not when they began.
const WINDOW: i64 = 5_000_000_000;

/// Bytes of records held back; over it the earliest are written, due or not.
const MAX_HELD: usize = 16 << 20;

/// Connections open at once; the one that was used least lately is closed for another.
const MAX_OPEN: usize = 1 << 14;

/// Nanoseconds without a record after which a connection is closed.
const IDLE: i64 = 60_000_000_000;

/// What became of the records.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ConversationTally {
    /// Requests and responses that became segments.
    pub messages: u64,
    /// Responses to a replay: another conversation, with whom nobody knows. Left out.
    pub replayed: u64,
    /// Records without payload, which no segment can carry. Left out.
    pub empty: u64,
    /// Packets written.
    pub packets: u64,
}

/// Turns records into the bytes of a capture file.
pub struct Conversations {
    sessions: Table<Session>,
    /// When sessions have something to do; entries of another time than the session's are stale.
    alarms: BinaryHeap<Reverse<(i64, TableId)>>,
    file: File,
    newest: i64,
    held: usize,
    tally: ConversationTally,
}

impl Conversations {
    /// A file that begins here.
    pub fn new(format: FileFormat) -> Self {
        let mut bytes = Vec::new();
        format.begin(LinkType::ETHERNET, &mut bytes);
        Conversations {
            sessions: Table::new(MAX_OPEN, usize::MAX),
            alarms: BinaryHeap::new(),
            file: File { format, bytes, latest: i64::MIN, packets: 0 },
            newest: i64::MIN,
            held: 0,
            tally: ConversationTally::default(),
        }
    }

    /// Takes a record, and writes the packets whose time has come.
    pub fn take(&mut self, record: &View<'_>) {
        if record.header.kind == Kind::Replayed {
            self.tally.replayed += 1;
            return;
        }
        if record.payload.is_empty() {
            self.tally.empty += 1;
            return;
        }
        self.tally.messages += 1;
        let origin = ExchangeOrigin::of(record.header.id);
        let (client, server) = origin.ends();
        let (key, _) = ConnectionKey::of(client, server);
        let message = QueuedMessage::of(record);
        self.newest = self.newest.max(message.start);
        self.held += message.cost();
        let id = match self.sessions.touch(&key, message.start) {
            Some(id) => id,
            None => self.sessions.insert(key, Session::new(origin), message.start).0,
        };
        if let Some(session) = self.sessions.get_mut(id) {
            session.add(record.header.kind, origin.exchange, message);
        }
        self.arm(id);
        self.close_old();
        self.write_until(self.newest.saturating_sub(WINDOW));
    }

    /// Writes what is left, and closes all connections.
    pub fn finish(&mut self) {
        self.write_until(i64::MAX);
        while let Some((_, session)) = self.sessions.pop_idlest() {
            self.close(session);
        }
        self.alarms.clear();
    }

    /// The file's bytes since they were last [taken off](Self::clear): whole
    /// packets, after the file's header at the beginning.
    pub fn bytes(&self) -> &[u8] {
        &self.file.bytes
    }

    /// The bytes were handed on.
    pub fn clear(&mut self) {
        self.file.bytes.clear();
    }

    /// What became of the records so far.
    pub fn tally(&self) -> ConversationTally {
        ConversationTally { packets: self.file.packets, ..self.tally }
    }

    /// Closes the connections that were idle for too long, or are too many.
    fn close_old(&mut self) {
        while let Some((_, session)) = self.sessions.evict_over_limit() {
            self.close(session);
        }
        while let Some((_, session)) = self.sessions.expire_idle(self.newest, IDLE) {
            self.close(session);
        }
    }

    fn close(&mut self, mut session: Session) {
        self.held -= session.finish(self.file.latest, &mut self.file);
    }

    /// Writes the packets up to a time, and further if too much is held back.
    fn write_until(&mut self, until: i64) {
        while let Some(&Reverse((due, id))) = self.alarms.peek()
            && (due <= until || self.held > MAX_HELD)
        {
            self.alarms.pop();
            let Some(session) = self.sessions.get_mut(id).filter(|session| session.armed == due) else {
                continue;
            };
            let next = self.alarms.peek().map_or(i64::MAX, |Reverse((next, _))| *next);
            // One thing, and more as long as nobody else is due before.
            let mut limit = i64::MAX;
            while let Some(next_act) = session.next().filter(|(due, _)| *due <= limit) {
                self.held -= session.act(next_act, &mut self.file);
                limit = next.min(until);
            }
            session.armed = i64::MAX;
            self.arm(id);
        }
    }

    /// Sets a session's alarm.
    fn arm(&mut self, id: TableId) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        let due = session.due();
        if due != session.armed {
            session.armed = due;
            if due < i64::MAX {
                self.alarms.push(Reverse((due, id)));
            }
        }
    }
}
