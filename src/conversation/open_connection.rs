//! One TCP connection as its packets are written: handshake, segments, the end.

use std::borrow::Cow;

use super::address::{ExchangeOrigin, mixed};
use super::frame::{ACK, FIN, FrameHeaders, PSH, RST, SYN, SegmentHeaders};
use super::message::Sending;
use crate::packet::FileFormat;

/// Nanoseconds between packets that no record tells the time of.
pub(super) const STEP: i64 = 1_000;

/// Bytes that one side sends before the other acknowledges them by themselves.
const UNACKNOWLEDGED: u32 = 32 << 10;

/// Who sends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum PeerSide {
    Client,
    Server,
}

impl PeerSide {
    pub(super) fn other(self) -> Self {
        match self {
            PeerSide::Client => PeerSide::Server,
            PeerSide::Server => PeerSide::Client,
        }
    }
}

/// Where packets are written to.
#[derive(Debug)]
pub(super) struct File {
    pub(super) format: FileFormat,
    /// What was written, and not handed on yet.
    pub(super) bytes: Vec<u8>,
    /// The latest time of a packet.
    pub(super) latest: i64,
    pub(super) packets: u64,
}

/// The ends that a connection is between, and how far its time has come.
#[derive(Debug)]
pub(super) struct Peers {
    pub(super) origin: ExchangeOrigin,
    /// Time of the last packet between them, whatever its connection was.
    clock: i64,
    /// Connections so far.
    opened: u64,
}

impl Peers {
    pub(super) fn of(origin: ExchangeOrigin) -> Self {
        Peers { origin, clock: i64::MIN, opened: 0 }
    }
}

/// An open connection.
#[derive(Debug)]
pub(super) struct OpenConnection {
    /// The next sequence number of each side.
    next: [u32; 2],
    /// What each side has acknowledged.
    acknowledged: [u32; 2],
    /// The number a reader gave to the last exchange.
    last_exchange: Option<u32>,
    pub(super) sending: [Option<Sending>; 2],
    /// Whether no further request or response may begin on it, but the answer to what was asked.
    pub(super) is_last: bool,
    /// Whether no response may follow either, as the last one ends with the connection.
    pub(super) is_over: bool,
    /// Whether something on it is not whole, so that it ends by a reset.
    is_broken: bool,
    /// Who spoke last.
    speaker: PeerSide,
}

impl OpenConnection {
    /// Opens a connection whose first request acknowledges `exchange`: the
    /// handshake ends just before `start`, or as soon after it as may be.
    pub(super) fn open(ends: &mut Peers, exchange: u32, start: i64, file: &mut File) -> Self {
        let ExchangeOrigin { client, server, .. } = ends.origin;
        let ports = u64::from(client.port()) << 16 | u64::from(server.port());
        let place = u64::from(client.ip().to_bits()) << 32 | ports;
        let isn = mixed(place.wrapping_add(ends.opened)) as u32;
        ends.opened += 1;
        let mut line = OpenConnection {
            next: [isn, exchange.wrapping_sub(1)],
            acknowledged: [0, isn],
            last_exchange: None,
            sending: [None, None],
            is_last: false,
            is_over: false,
            is_broken: false,
            speaker: PeerSide::Client,
        };
        let at = start.saturating_sub(3 * STEP);
        line.packet(ends, PeerSide::Client, SYN, at, file);
        line.next[0] = isn.wrapping_add(1);
        line.acknowledged[1] = line.next[0];
        line.packet(ends, PeerSide::Server, SYN | ACK, at.saturating_add(STEP), file);
        line.next[1] = exchange;
        line.acknowledged[0] = exchange;
        line.packet(ends, PeerSide::Client, ACK, at.saturating_add(2 * STEP), file);
        line
    }

    /// What the client would acknowledge in the first segment of a request
    /// that a reader shall number `exchange`, if that is possible now.
    pub(super) fn fits(&self, exchange: u32) -> Option<u32> {
        let (acknowledged, next) = (self.acknowledged[0], self.next[1]);
        let is_after = |later: u32, earlier: u32| later.wrapping_sub(earlier) as i32 > 0;
        let is_new = self.last_exchange.is_none_or(|last| is_after(exchange, last));
        if is_new && !is_after(acknowledged, exchange) && !is_after(exchange, next) {
            return Some(exchange);
        }
        // A number that was given before is stepped up by one: pipelined requests.
        let last = self.last_exchange?;
        let is_next = exchange == last.wrapping_add(1) && !is_after(acknowledged, last);
        is_next.then_some(acknowledged)
    }

    /// The client begins the request numbered `exchange`, whose first segment
    /// acknowledges up to `acknowledged`.
    pub(super) fn ask(&mut self, request: Sending, exchange: u32, acknowledged: u32) {
        self.last_exchange = Some(exchange);
        self.acknowledged[0] = acknowledged;
        self.begin(PeerSide::Client, request);
    }

    /// The server begins a response.
    pub(super) fn answer(&mut self, response: Sending) {
        self.is_over = response.shape.is_last;
        self.begin(PeerSide::Server, response);
    }

    fn begin(&mut self, side: PeerSide, sending: Sending) {
        self.is_last |= sending.shape.is_last;
        self.is_broken |= sending.message.mark.is_some();
        self.sending[side as usize] = Some(sending);
    }

    /// Sends the next segment of the message that one side is sending. The
    /// message is returned when that was its last.
    pub(super) fn segment(&mut self, ends: &mut Peers, side: PeerSide, file: &mut File) -> Option<Sending> {
        let mut sending = self.sending[side as usize].take()?;
        let at = sending.due();
        let is_first = sending.sent == 0;
        // What came meanwhile is acknowledged; a request's first segment has its own number for that.
        if !(is_first && side == PeerSide::Client) {
            self.acknowledged[side as usize] = self.next[1 - side as usize];
        }
        let range = sending.next();
        sending.advance();
        let flags = if sending.is_over() { PSH | ACK } else { ACK };
        let payload = &sending.message.payload()[range];
        let comment = if is_first { comment(&sending) } else { Cow::Borrowed(&[][..]) };
        self.write(ends, side, flags, at, payload, &comment, file);
        self.speaker = side;
        self.next[side as usize] = self.next[side as usize].wrapping_add(payload.len() as u32);
        let other = side.other();
        let unacknowledged = self.next[side as usize].wrapping_sub(self.acknowledged[other as usize]);
        if unacknowledged >= UNACKNOWLEDGED {
            self.packet(ends, other, ACK, at, file);
        }
        if sending.is_over() {
            return Some(sending);
        }
        self.sending[side as usize] = Some(sending);
        None
    }

    /// Ends the connection at `at`, or as soon after it as may be: by FINs,
    /// whoever spoke last first, or by a reset if something on it was not whole.
    pub(super) fn close(mut self, ends: &mut Peers, at: i64, file: &mut File) {
        let side = self.speaker;
        if self.is_broken {
            return self.packet(ends, side, RST | ACK, at, file);
        }
        self.packet(ends, side, FIN | ACK, at, file);
        self.next[side as usize] = self.next[side as usize].wrapping_add(1);
        let other = side.other();
        self.packet(ends, other, FIN | ACK, at.saturating_add(STEP), file);
        self.next[other as usize] = self.next[other as usize].wrapping_add(1);
        self.packet(ends, side, ACK, at.saturating_add(2 * STEP), file);
    }

    /// A segment without payload. It acknowledges everything.
    fn packet(&mut self, ends: &mut Peers, side: PeerSide, flags: u8, at: i64, file: &mut File) {
        if flags & ACK != 0 {
            self.acknowledged[side as usize] = self.next[1 - side as usize];
        }
        self.write(ends, side, flags, at, &[], &[], file);
    }

    #[allow(clippy::too_many_arguments, reason = "all of a packet, in one place")]
    fn write(
        &self,
        ends: &mut Peers,
        side: PeerSide,
        flags: u8,
        at: i64,
        payload: &[u8],
        comment: &[u8],
        file: &mut File,
    ) {
        let ExchangeOrigin { client, server, .. } = ends.origin;
        let is_servers = side == PeerSide::Server;
        let (source, destination) = if is_servers { (server, client) } else { (client, server) };
        let ack = if flags & ACK == 0 { 0 } else { self.acknowledged[side as usize] };
        let seq = self.next[side as usize];
        let headers =
            FrameHeaders::of(&SegmentHeaders { source, destination, is_servers, seq, ack, flags }, payload);
        ends.clock = ends.clock.max(at);
        file.latest = file.latest.max(ends.clock);
        file.packets += 1;
        file.format.packet(ends.clock, [headers.bytes(), payload], comment, &mut file.bytes);
    }
}

/// The comment of a message's first packet: its id, and its mark if it has one.
fn comment(sending: &Sending) -> Cow<'_, [u8]> {
    let id = sending.message.id();
    match sending.message.mark {
        None => Cow::Borrowed(id),
        Some(mark) => Cow::Owned([id, b" ", mark.as_str().as_bytes()].concat()),
    }
}
