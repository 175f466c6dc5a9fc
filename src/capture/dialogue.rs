//! Who asks and who answers on one connection, and which answer is whose.

use std::collections::VecDeque;
use std::net::SocketAddr;

use super::ledger::{Ledger, Loss, Messages};
use super::stream::{Progress, State, Stream};
use super::{Options, Protocol, edit};
use crate::http::{Finder, Framer, RequestContext, request_line};
use crate::record::{Block, Header, Kind, Mark};
use crate::tcp::{Chunk, Key, Seq, Side};

/// Requests of one connection that wait for their responses. More than any
/// client pipelines; a server that never answers must not cost memory for ever.
const MAX_PENDING: usize = 4096;

/// Where a dialogue's records and counts go.
pub(super) struct Out<'a> {
    pub(super) block: &'a mut Block,
    pub(super) ledger: &'a mut Ledger,
    pub(super) options: &'a Options,
    /// Room to edit a request in.
    pub(super) scratch: &'a mut Vec<u8>,
}

/// What the connection turned out to be.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Mode {
    /// Too few bytes came to tell.
    #[default]
    Undecided,
    Http,
    /// It was HTTP, up to an upgrade or CONNECT.
    Tunnel,
    /// Another protocol, by name.
    Other(&'static str),
    /// Plain bytes, as the user said.
    Binary,
}

/// A request that waits for its response.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    pub(super) exchange: Seq,
    ack: Seq,
    context: RequestContext,
}

impl Pending {
    pub(super) fn new(exchange: Seq, ack: Seq, context: RequestContext) -> Self {
        Pending { exchange, ack, context }
    }
}

/// Both directions of a connection, as messages.
#[derive(Debug, Default)]
pub(super) struct Dialogue {
    pub(super) mode: Mode,
    /// Who sends the requests, once that is known.
    pub(super) client: Option<Side>,
    pub(super) streams: [Stream; 2],
    pub(super) pending: VecDeque<Pending>,
    /// The request that the response under way answers.
    pub(super) current: Option<Pending>,
    /// The request under way, once its head is whole.
    sending: Option<Seq>,
    last_exchange: Option<Seq>,
    /// Whether messages may have been missed, so that counting pairs is not enough.
    is_disturbed: bool,
    /// Which sides any byte came from.
    has_spoken: [bool; 2],
}

impl Dialogue {
    /// A dialogue whose client is known already, or not.
    pub(super) fn new(client: Option<Side>, protocol: Protocol) -> Self {
        let mode = if protocol == Protocol::Binary { Mode::Binary } else { Mode::Undecided };
        Dialogue { mode, client, ..Dialogue::default() }
    }

    /// Takes the next bytes of one side. `is_joined` tells of each side whether
    /// its first byte may have been in the middle of something.
    pub(super) fn data(
        &mut self,
        key: &Key,
        side: Side,
        chunk: &Chunk<'_>,
        is_joined: [bool; 2],
        out: &mut Out<'_>,
    ) {
        self.has_spoken[side as usize] = true;
        out.ledger.bytes.delivered += chunk.bytes.len() as u64;
        match self.mode {
            Mode::Http => self.http(key, side, chunk, out),
            Mode::Undecided => self.decide(key, side, chunk, is_joined, out),
            Mode::Binary => self.binary(key, side, chunk, out),
            Mode::Tunnel => out.ledger.bytes.tunnelled += chunk.bytes.len() as u64,
            Mode::Other(_) => out.ledger.bytes.other_protocols += chunk.bytes.len() as u64,
        }
    }

    pub(super) fn http(&mut self, key: &Key, side: Side, chunk: &Chunk<'_>, out: &mut Out<'_>) {
        let mut rest = chunk.bytes;
        while !rest.is_empty() {
            if self.mode != Mode::Http {
                out.ledger.bytes.tunnelled += rest.len() as u64;
                return;
            }
            let stream = &mut self.streams[side as usize];
            if let State::Seeking(_) = stream.state {
                let (passed, found) = stream.find(&mut rest);
                out.ledger.bytes.skipped += passed as u64;
                if let Some(unread) = found.filter(|unread| !unread.is_empty()) {
                    let passed = (chunk.bytes.len() as u32).wrapping_sub(unread.len() as u32);
                    let seq = chunk.seq + passed;
                    self.http(key, side, &Chunk { bytes: &unread, seq, ..*chunk }, out);
                }
                continue;
            }
            if stream.is_between() {
                let blank = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
                out.ledger.bytes.between += blank as u64;
                rest = &rest[blank..];
                if rest.is_empty() {
                    return;
                }
                let ahead = (chunk.bytes.len() - rest.len()) as u32;
                self.begin(side, &Chunk { seq: chunk.seq + ahead, ..*chunk }, out);
            }
            self.message(key, side, chunk.time, &mut rest, out);
        }
    }

    /// Reads on in the message under way.
    fn message(&mut self, key: &Key, side: Side, time: i64, rest: &mut &[u8], out: &mut Out<'_>) {
        let stream = &mut self.streams[side as usize];
        let answers_nothing = self.client != Some(side) && self.current.is_none();
        if answers_nothing && stream.is_followed_by_status_line(rest) {
            // Its request was not seen, so nobody could say that it was HEAD.
            self.whole(key, side, rest, out);
            return;
        }
        stream.message.end = stream.message.end.max(time);
        match stream.advance(rest) {
            Ok(Progress::More) => {}
            Ok(Progress::Head) => {
                self.head(side, rest, out);
                // A message that ends with its head is over without another byte.
                if rest.is_empty() {
                    self.message(key, side, time, rest, out);
                }
            }
            Ok(Progress::Whole) => self.whole(key, side, rest, out),
            Err(_) => {
                let has_head = stream.has_head();
                let at_hand = *rest;
                self.lose(key, side, Loss::Malformed, at_hand, out);
                let stream = &mut self.streams[side as usize];
                stream.leave(rest);
                if !has_head {
                    // Past the faulty line, lest the same message be found again.
                    let line = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
                    out.ledger.bytes.lost += line as u64;
                    *rest = &rest[line..];
                }
                self.seek(side);
            }
        }
    }

    fn begin(&mut self, side: Side, chunk: &Chunk<'_>, out: &mut Out<'_>) {
        let options = out.options;
        let (framer, keep) = if self.client == Some(side) {
            self.sending = None;
            out.ledger.requests.begun += 1;
            (Framer::request(), options.max_message)
        } else {
            // After a 1xx the request stays the same.
            self.current = self.current.take().or_else(|| self.answered(chunk.seq));
            out.ledger.responses.begun += 1;
            let context = self.current.map_or_else(RequestContext::default, |request| request.context);
            (Framer::response(context), if options.has_responses { options.max_message } else { 0 })
        };
        self.streams[side as usize].begin(framer, chunk, keep);
    }

    /// The request that a response beginning at `seq` answers.
    ///
    /// In order, that is. But a response that begins before what the client had
    /// acknowledged when it asked is none to that request. And once messages
    /// may have been missed, a request is passed over when the next one already
    /// acknowledged everything before this response.
    fn answered(&mut self, seq: Seq) -> Option<Pending> {
        // An answer to nothing: its request may come to light yet.
        self.is_disturbed |= self.pending.is_empty();
        if self.pending.front()?.ack.is_after(seq) {
            return None;
        }
        while self.is_disturbed
            && let [first, second, ..] = self.pending.make_contiguous()
            && !second.ack.is_after(seq)
            && first.ack != second.ack
        {
            self.pending.pop_front();
        }
        let pending = self.pending.pop_front();
        self.is_disturbed &= !self.pending.is_empty();
        pending
    }

    /// The head is whole.
    fn head(&mut self, side: Side, at_hand: &[u8], out: &mut Out<'_>) {
        let stream = &self.streams[side as usize];
        let is_suspicious = stream.framer().is_some_and(Framer::is_suspicious);
        if self.client != Some(side) {
            out.ledger.responses.suspicious += u64::from(is_suspicious);
            return;
        }
        out.ledger.requests.suspicious += u64::from(is_suspicious);
        let method = request_line(stream.payload(at_hand)).map(|line| line.method).unwrap_or_default();
        let (context, ack) = (RequestContext::of(method), stream.message.ack);
        let exchange = self.next_exchange(ack);
        self.begin_exchange(exchange);
        if self.pending.len() == MAX_PENDING {
            self.pending.pop_front();
            out.ledger.without_response += 1;
        }
        self.pending.push_back(Pending::new(exchange, ack, context));
    }

    /// The request under way gets its number.
    pub(super) fn begin_exchange(&mut self, exchange: Seq) {
        self.sending = Some(exchange);
    }

    /// The first number from `wanted` up that no exchange of this connection has.
    pub(super) fn next_exchange(&mut self, wanted: Seq) -> Seq {
        let exchange = match self.last_exchange {
            Some(last) if !wanted.is_after(last) => last + 1,
            _ => wanted,
        };
        self.last_exchange = Some(exchange);
        exchange
    }

    /// The message is whole: writes it, and looks at what it means to the connection.
    fn whole(&mut self, key: &Key, side: Side, rest: &mut &[u8], out: &mut Out<'_>) {
        let stream = &self.streams[side as usize];
        let is_response = self.client != Some(side);
        let (is_interim, leaves_http) =
            stream.framer().map_or((false, false), |framer| (framer.is_interim(), framer.upgrades()));
        if is_response && is_interim {
            out.ledger.responses.interim += 1;
            out.ledger.bytes.interim += stream.message.length;
            self.streams[side as usize].leave(rest);
            return;
        }
        if stream.message.has_gap {
            let loss = if stream.message.is_snapped { Loss::Snapped } else { Loss::Gap };
            self.lose(key, side, loss, rest, out);
        } else {
            let mark = stream.is_cut().then_some(Mark::Cut);
            self.write(key, side, mark, rest, out);
        }
        self.streams[side as usize].leave(rest);
        if is_response && leaves_http {
            self.leave_http(side.other(), out);
        }
    }

    /// The rest of the connection is a tunnel; what the client sent ahead is in it.
    fn leave_http(&mut self, client: Side, out: &mut Out<'_>) {
        self.mode = Mode::Tunnel;
        let stream = &mut self.streams[client as usize];
        match stream.state {
            State::Within(_) => {
                out.ledger.requests.begun -= 1;
                out.ledger.bytes.tunnelled += stream.message.length;
            }
            _ => out.ledger.bytes.skipped += stream.buffer.len() as u64,
        }
        stream.leave(&mut &[][..]);
        self.pending.clear();
    }

    /// Writes what is kept of the message under way, whole or not, and counts it.
    pub(super) fn write(
        &mut self,
        key: &Key,
        side: Side,
        mark: Option<Mark>,
        at_hand: &[u8],
        out: &mut Out<'_>,
    ) {
        let is_request = self.client == Some(side);
        let message = self.streams[side as usize].message;
        if !is_request && !out.options.has_responses {
            self.current = None;
            out.ledger.responses.not_asked_for += 1;
            out.ledger.bytes.not_asked_for += message.length;
            return;
        }
        let exchange = if is_request {
            self.sending.take().unwrap_or_else(|| self.next_exchange(message.ack))
        } else if let Some(request) = self.current.take() {
            request.exchange
        } else {
            out.ledger.without_request += 1;
            self.next_exchange(message.seq)
        };
        let client = self.client.unwrap_or(side);
        let (client, server) = (key.endpoint(client), key.endpoint(client.other()));
        let id = id_of(client, server, exchange);
        let header = Header {
            kind: if is_request { Kind::Request } else { Kind::Response },
            id: &id,
            timestamp: message.start,
            latency: Some(message.end - message.start),
            mark,
            ..Header::default()
        };
        let stream = &self.streams[side as usize];
        let mut payload = stream.payload(at_hand);
        let expects = stream.framer().is_some_and(Framer::expects_continue);
        let real_ip = out.options.real_ip_header.as_deref();
        if is_request && self.mode == Mode::Http && (expects || real_ip.is_some()) {
            edit::write_request(payload, expects, real_ip.map(|name| (name, client.ip())), out.scratch);
            payload = &out.scratch[..];
        }
        out.block.push(&header, payload);

        let kept = stream.payload(at_hand).len() as u64;
        out.ledger.bytes.recorded += message.length;
        out.ledger.bytes.cut += message.length - kept.min(message.length);
        let messages = messages(out.ledger, is_request);
        match mark {
            None => messages.recorded += 1,
            Some(Mark::Cut) => messages.cut += 1,
            Some(Mark::Gap) => messages.incomplete += 1,
        }
    }

    /// The message under way will not be whole: counts it, or writes what there is of it.
    ///
    /// It is not left yet; the caller knows how it goes on.
    pub(super) fn lose(&mut self, key: &Key, side: Side, loss: Loss, at_hand: &[u8], out: &mut Out<'_>) {
        let is_request = self.client == Some(side);
        let is_wanted = is_request || out.options.has_responses;
        if !is_wanted || (out.options.allows_incomplete && loss != Loss::Malformed) {
            self.write(key, side, Some(Mark::Gap), at_hand, out);
            return;
        }
        out.ledger.bytes.lost += self.streams[side as usize].message.length;
        *messages(out.ledger, is_request).lost.entry(loss).or_default() += 1;
        if is_request {
            self.sending = None;
        } else {
            self.current = None;
        }
    }

    /// Gives up the message under way, if there is one.
    pub(super) fn give_up(&mut self, key: &Key, side: Side, loss: Loss, out: &mut Out<'_>) {
        match (self.mode, &self.streams[side as usize].state) {
            (Mode::Http, State::Within(_)) => self.lose(key, side, loss, &[], out),
            (Mode::Binary, _) => return self.binary_end(key, side, out),
            _ => out.ledger.bytes.skipped += self.streams[side as usize].buffer.len() as u64,
        }
        self.streams[side as usize].leave(&mut &[][..]);
    }

    fn seek(&mut self, side: Side) {
        self.is_disturbed = true;
        let finder = if self.client == Some(side) { Finder::request() } else { Finder::response() };
        self.streams[side as usize].seek(finder);
    }

    /// Bytes of one side are missing.
    pub(super) fn gap(&mut self, key: &Key, side: Side, bytes: u64, is_snapped: bool, out: &mut Out<'_>) {
        let stream = &mut self.streams[side as usize];
        match self.mode {
            Mode::Http => {
                if stream.pass_over(bytes, is_snapped) {
                    self.message(key, side, i64::MIN, &mut &[][..], out);
                } else {
                    self.give_up(key, side, if is_snapped { Loss::Snapped } else { Loss::Gap }, out);
                    self.seek(side);
                }
            }
            Mode::Undecided => self.give_up(key, side, Loss::Gap, out),
            Mode::Binary => stream.message.has_gap = true,
            Mode::Tunnel | Mode::Other(_) => {}
        }
    }

    /// One side has no more to say. A body that lasts until then is whole.
    pub(super) fn fin(&mut self, key: &Key, side: Side, out: &mut Out<'_>) {
        let answers_nothing = self.client != Some(side) && self.current.is_none();
        let stream = &mut self.streams[side as usize];
        // A head and nothing more answers a HEAD request, as far as anyone can tell.
        let is_whole = stream.ends_with_connection() || (answers_nothing && stream.is_only_a_head());
        if self.mode == Mode::Http && is_whole {
            self.whole(key, side, &mut &[][..], out);
        }
        if self.mode == Mode::Http || self.mode == Mode::Binary {
            self.give_up(key, side, Loss::Closed, out);
        }
    }

    /// The connection was reset, by whichever side.
    pub(super) fn reset(&mut self, key: &Key, out: &mut Out<'_>) {
        for side in [Side::Low, Side::High] {
            if self.mode == Mode::Http || self.mode == Mode::Binary {
                self.give_up(key, side, Loss::Reset, out);
            }
        }
    }

    /// Nothing came for too long.
    pub(super) fn expire(&mut self, key: &Key, side: Side, out: &mut Out<'_>) {
        self.give_up(key, side, Loss::Expired, out);
        if self.mode == Mode::Http {
            self.seek(side);
        }
    }

    /// Whether a message of this side is under way.
    pub(super) fn is_unfinished(&self, side: Side) -> bool {
        let stream = &self.streams[side as usize];
        match self.mode {
            Mode::Http => matches!(stream.state, State::Within(_)),
            Mode::Binary => stream.message.length > 0,
            _ => false,
        }
    }

    /// The connection is over, or not followed any further: settles its accounts.
    pub(super) fn end(&mut self, key: &Key, loss: Loss, out: &mut Out<'_>) {
        let has_spoken = self.has_spoken != [false, false];
        for side in [Side::Low, Side::High] {
            self.give_up(key, side, loss, out);
        }
        let connections = &mut out.ledger.connections;
        match self.mode {
            Mode::Http => connections.http += 1,
            Mode::Tunnel => connections.upgraded += 1,
            Mode::Binary => connections.binary += 1,
            Mode::Other(name) => *connections.other.entry(name).or_default() += 1,
            Mode::Undecided if has_spoken => *connections.other.entry("unknown").or_default() += 1,
            Mode::Undecided => connections.silent += 1,
        }
        if self.mode != Mode::Binary && self.has_spoken == [true, true] {
            out.ledger.without_response += self.pending.len() as u64;
        }
        self.pending.clear();
    }

    /// Who the client is, as far as the addresses to record at tell.
    pub(super) fn known_client(&self, options: &Options) -> Option<Side> {
        if options.addresses.is_empty() { None } else { self.client }
    }

    /// Memory held.
    pub(super) fn held(&self) -> usize {
        let pending = self.pending.capacity() * size_of::<Pending>();
        self.streams.iter().map(|stream| stream.buffer.capacity()).sum::<usize>() + pending
    }
}

fn messages(ledger: &mut Ledger, is_request: bool) -> &mut Messages {
    if is_request { &mut ledger.requests } else { &mut ledger.responses }
}

/// The id of an exchange: client port, server port, the last four bytes of the
/// client's address, and the number of the exchange, all in hex.
fn id_of(client: SocketAddr, server: SocketAddr, exchange: Seq) -> [u8; 24] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut bytes = [0; 12];
    bytes[..2].copy_from_slice(&client.port().to_be_bytes());
    bytes[2..4].copy_from_slice(&server.port().to_be_bytes());
    match client.ip() {
        std::net::IpAddr::V4(ip) => bytes[4..8].copy_from_slice(&ip.octets()),
        std::net::IpAddr::V6(ip) => bytes[4..8].copy_from_slice(&ip.octets()[12..]),
    }
    bytes[8..].copy_from_slice(&exchange.0.to_be_bytes());
    let mut id = [0; 24];
    for (byte, digits) in bytes.iter().zip(id.chunks_exact_mut(2)) {
        digits[0] = DIGITS[usize::from(byte >> 4)];
        digits[1] = DIGITS[usize::from(byte & 15)];
    }
    id
}
