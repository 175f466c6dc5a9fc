//! What a connection speaks, by its first bytes, and who of it is the client.

use super::dialogue::{Dialogue, Mode, Out};
use super::stream::Stream;
use crate::http::recognise::{Recognised, recognise};
use crate::http::resync::{MAX_START_LINE, find_request, find_response};
use crate::http::{Finder, Framer};
use crate::tcp::{Chunk, Key, Side};

impl Dialogue {
    /// Looks at the first bytes for what they are.
    pub(super) fn decide(
        &mut self,
        key: &Key,
        side: Side,
        chunk: &Chunk<'_>,
        is_joined: [bool; 2],
        out: &mut Out<'_>,
    ) {
        let stream = &mut self.streams[side as usize];
        if stream.buffer.is_empty() {
            stream.begin(Framer::request(), chunk, 0);
        }
        stream.buffer.extend_from_slice(chunk.bytes);
        while let Recognised::Proxy(length) = recognise(&stream.buffer) {
            out.ledger.bytes.between += length as u64;
            stream.buffer.drain(..length);
        }
        let is_client = self.client.map(|client| client == side);
        match recognise(&stream.buffer) {
            Recognised::Request if is_client != Some(false) => {
                self.speak_http(key, side, [side as usize, usize::MAX], is_joined, out);
            }
            Recognised::Response if is_client != Some(true) => {
                self.speak_http(key, side.other(), [side as usize, usize::MAX], is_joined, out);
            }
            Recognised::Tls => self.speak_other("TLS", out),
            Recognised::Http2 => self.speak_other("HTTP/2", out),
            Recognised::Other(name) => self.speak_other(name, out),
            Recognised::NeedMore if stream.buffer.len() < MAX_START_LINE => {}
            _ if is_joined[side as usize] => self.decide_joined(key, side, chunk, is_joined, out),
            _ => self.speak_other("unknown", out),
        }
    }

    /// The first bytes are in the middle of something: looks for a start in them.
    fn decide_joined(
        &mut self,
        key: &Key,
        side: Side,
        chunk: &Chunk<'_>,
        is_joined: [bool; 2],
        out: &mut Out<'_>,
    ) {
        let stream = &mut self.streams[side as usize];
        let is_client = self.client.map(|client| client == side);
        let request = find_request(&stream.buffer).filter(|_| is_client != Some(false));
        let response = find_response(&stream.buffer).filter(|_| is_client != Some(true));
        match (request, response) {
            (Some(_), _) => self.speak_http(key, side, [usize::MAX; 2], is_joined, out),
            (None, Some(_)) => self.speak_http(key, side.other(), [usize::MAX; 2], is_joined, out),
            (None, None) => {
                let passed = stream.buffer.len() - last_lines(&stream.buffer).len();
                out.ledger.bytes.skipped += passed as u64;
                stream.buffer.drain(..passed);
                let seq = chunk.seq + chunk.bytes.len() as u32 + (stream.buffer.len() as u32).wrapping_neg();
                stream.begin(Framer::request(), &Chunk { seq, ..*chunk }, 0);
            }
        }
    }

    /// From here on it is HTTP, and what came so far is read again as such.
    /// `known` names a side whose first byte begins a message for sure.
    fn speak_http(
        &mut self,
        key: &Key,
        client: Side,
        known: [usize; 2],
        is_joined: [bool; 2],
        out: &mut Out<'_>,
    ) {
        self.mode = Mode::Http;
        self.client = Some(client);
        for side in [client, client.other()] {
            let stream = &mut self.streams[side as usize];
            let first = stream.message;
            let bytes = std::mem::take(&mut stream.buffer);
            if is_joined[side as usize] && !known.contains(&(side as usize)) {
                stream.seek(if side == client { Finder::request() } else { Finder::response() });
            } else {
                stream.leave(&mut &[][..]);
            }
            if !bytes.is_empty() {
                let chunk =
                    Chunk { bytes: &bytes, seq: first.seq, ack: first.ack, time: first.start, offset: 0 };
                self.data_again(key, side, &chunk, out);
            }
        }
    }

    /// Like [`Dialogue::data`], of bytes that were counted before.
    fn data_again(&mut self, key: &Key, side: Side, chunk: &Chunk<'_>, out: &mut Out<'_>) {
        match self.mode {
            Mode::Tunnel => out.ledger.bytes.tunnelled += chunk.bytes.len() as u64,
            _ => self.http(key, side, chunk, out),
        }
    }

    fn speak_other(&mut self, name: &'static str, out: &mut Out<'_>) {
        self.mode = Mode::Other(name);
        for stream in &mut self.streams {
            out.ledger.bytes.other_protocols += stream.buffer.len() as u64;
            *stream = Stream::default();
        }
    }
}

/// The last line and the one before it, in which a message may begin that the
/// next bytes confirm; the line end before them included, so that nobody takes
/// them for the beginning of the stream.
fn last_lines(bytes: &[u8]) -> &[u8] {
    let start = memchr::memrchr_iter(b'\n', bytes).take(2).last().unwrap_or(bytes.len());
    let lines = &bytes[start..];
    if lines.len() < MAX_START_LINE { lines } else { &[] }
}
