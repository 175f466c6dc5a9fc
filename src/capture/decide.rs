//! What a connection speaks, by its first bytes, and who of it is the client.

use super::dialogue::{Dialogue, DialogueOut, Mode, UNKNOWN};
use super::stream::MessageStream;
use crate::http::recognise::{Recognised, recognise};
use crate::http::resync::MAX_START_LINE;
use crate::http::{Framer, starts_request, starts_response};
use crate::tcp::{Chunk, ConnectionKey, Side};

impl Dialogue {
    /// Looks at the first bytes for what they are.
    pub(super) fn decide(
        &mut self,
        key: &ConnectionKey,
        side: Side,
        chunk: &Chunk<'_>,
        is_joined: [bool; 2],
        out: &mut DialogueOut<'_>,
    ) {
        let is_joined = [0, 1].map(|side| is_joined[side] || self.has_gap[side]);
        let may_begin = !is_joined[side as usize] || self.may_begin(side, chunk);
        let stream = &mut self.streams[side as usize];
        if is_joined[side as usize] && may_begin {
            out.ledger.bytes.skipped += stream.buffer.len() as u64;
            stream.buffer.clear();
        }
        if stream.buffer.is_empty() {
            if !may_begin {
                out.ledger.bytes.skipped += chunk.bytes.len() as u64;
                return;
            }
            stream.begin(Framer::request(), chunk, 0);
        }
        stream.buffer.extend_from_slice(chunk.bytes);
        while let Recognised::Proxy(length) = recognise(&stream.buffer) {
            out.ledger.bytes.between += length as u64;
            stream.buffer.drain(..length);
        }
        let is_client = self.client.map(|client| client == side);
        match self.recognise(side, is_joined[side as usize]) {
            Recognised::Request if is_client != Some(false) => {
                self.speak_http(key, side, side, is_joined, out);
            }
            Recognised::Response if is_client != Some(true) => {
                self.speak_http(key, side.other(), side, is_joined, out);
            }
            Recognised::Tls => self.speak_other("TLS", out),
            Recognised::Http2 => self.speak_other("HTTP/2", out),
            Recognised::Other(name) => self.speak_other(name, out),
            Recognised::NeedMore if self.streams[side as usize].buffer.len() < MAX_START_LINE => {}
            _ if is_joined[side as usize] => {
                let stream = &mut self.streams[side as usize];
                out.ledger.bytes.skipped += stream.buffer.len() as u64;
                stream.leave(&mut &[][..]);
            }
            _ => self.speak_other(UNKNOWN, out),
        }
    }

    /// What the bytes of one side are so far. In a stream that may be in the middle of something, HTTP must show
    /// more of itself.
    fn recognise(&self, side: Side, is_joined: bool) -> Recognised {
        let bytes = &self.streams[side as usize].buffer;
        let starts = match recognise(bytes) {
            Recognised::Request if is_joined => starts_request(bytes),
            Recognised::Response if is_joined => starts_response(bytes),
            recognised => return recognised,
        };
        match starts {
            Some(true) => recognise(bytes),
            Some(false) => Recognised::Unknown,
            None => Recognised::NeedMore,
        }
    }

    /// The other side's bytes are nothing that is known: a valid response to them shows that they were a request,
    /// though not a valid one.
    pub(super) fn decide_again(
        &mut self,
        key: &ConnectionKey,
        side: Side,
        chunk: &Chunk<'_>,
        is_joined: [bool; 2],
        out: &mut DialogueOut<'_>,
    ) {
        if starts_response(chunk.bytes) != Some(true) || self.client == Some(side) {
            out.ledger.bytes.other_protocols += chunk.bytes.len() as u64;
            return;
        }
        let stream = &mut self.streams[side as usize];
        stream.begin(Framer::request(), chunk, 0);
        stream.buffer.extend_from_slice(chunk.bytes);
        self.has_gap[side.other() as usize] = true;
        let is_joined = [0, 1].map(|side| is_joined[side] || self.has_gap[side]);
        self.broken_at = Some(chunk.seq);
        self.speak_http(key, side.other(), side, is_joined, out);
    }

    /// From here on it is HTTP, and what came so far is read again as such.
    /// The first byte of side `known` begins a message.
    fn speak_http(
        &mut self,
        key: &ConnectionKey,
        client: Side,
        known: Side,
        is_joined: [bool; 2],
        out: &mut DialogueOut<'_>,
    ) {
        self.client = Some(client);
        if self.leave_out(key, out) {
            return;
        }
        let first = &self.streams[client as usize];
        self.is_unproven = is_joined[client as usize];
        self.is_doubtful[client as usize] = self.is_unproven
            && !first.buffer.is_empty()
            && !self.shows_its_beginning(client, first.message.seq, first.message.ack);
        let server = client.other();
        self.is_doubtful[server as usize] = is_joined[server as usize]
            && known == server
            && self.last_ack[client as usize] != Some(self.streams[server as usize].message.seq);
        self.mode = Mode::Http;
        for side in [client, client.other()] {
            // A side that has said nothing yet may still show its beginning.
            let is_joined = is_joined[side as usize] && self.has_spoken[side as usize];
            if is_joined {
                self.lose_count(key, side, out);
            }
            let stream = &mut self.streams[side as usize];
            let first = stream.message;
            let bytes = std::mem::take(&mut stream.buffer);
            if is_joined && side != known {
                stream.seek();
            } else {
                stream.leave(&mut &[][..]);
            }
            if !bytes.is_empty() {
                let (seq, ack, time) = (first.seq, first.ack, first.start);
                let chunk = Chunk { bytes: &bytes, seq, ack, time, offset: 0, is_segment_start: true };
                self.data_again(key, side, &chunk, out);
            }
        }
    }

    /// The client is known from here on. True: it is one that is left out, and so is the connection.
    pub(super) fn leave_out(&mut self, key: &ConnectionKey, out: &mut DialogueOut<'_>) -> bool {
        let Some(client) = self.client else { return false };
        if !out.options.leaves_out(key.endpoint(client).ip()) {
            return false;
        }
        self.mode = Mode::LeftOut;
        for stream in &mut self.streams {
            out.ledger.bytes.other_clients += stream.buffer.len() as u64;
            *stream = MessageStream::default();
        }
        true
    }

    /// Like [`Dialogue::data`], of bytes that were counted before.
    fn data_again(&mut self, key: &ConnectionKey, side: Side, chunk: &Chunk<'_>, out: &mut DialogueOut<'_>) {
        match self.mode {
            Mode::Tunnel => out.ledger.bytes.tunnelled += chunk.bytes.len() as u64,
            _ => self.http(key, side, chunk, out),
        }
    }

    fn speak_other(&mut self, name: &'static str, out: &mut DialogueOut<'_>) {
        self.mode = Mode::Other(name);
        for stream in &mut self.streams {
            out.ledger.bytes.other_protocols += stream.buffer.len() as u64;
            *stream = MessageStream::default();
        }
    }
}
