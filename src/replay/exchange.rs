//! One request on its way out and its answer on its way in. No socket here: bytes to send are shown,
//! bytes that came are taken.

use std::fmt;
use std::io::IoSlice;
use std::ops::Range;
use std::sync::Arc;

use super::cookies::CookieJar;
use super::hold::Hold;
use super::redirect::{self, NextRequest, Redirection};
use super::request::{Editor, RequestShape, Unsendable, is_idempotent, with_cookies};
use crate::http::{Framer, FramingFault, RequestContext, Step, request_line};
use crate::record::Block;
use crate::report::GroupId;

/// A body up to this long is copied behind its head, so that one buffer is sent.
const COPIED_BODY: usize = 16 << 10;

/// Interim responses (1xx) accepted before the final one.
const MAX_INTERIM: u32 = 100;

/// Bytes of a body written at once, so that other connections have a turn in between.
const MAX_WRITE: usize = 256 << 10;

/// A buffer that grew beyond this is given back when its exchange is over.
const KEEP_BUFFER: usize = 64 << 10;

/// What of an answer is kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Keep {
    Nothing,
    Head,
    /// All of it, up to so many bytes.
    Bytes(usize),
}

/// What is wrong with an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum AnswerFault {
    Http(FramingFault),
    /// More than [`MAX_INTERIM`] interim responses.
    TooManyInterim,
    /// RFC 9112 §6.3, rule 5: more than one Content-Length, and not the same.
    DifferingLengths,
    /// A TLS alert (RFC 8446 §5.1, RFC 5246 §6.2.1), by which servers refuse what is no TLS.
    Tls,
}

/// What a TLS alert begins with: the type of the record, and the first byte of the version.
const TLS_ALERT: [u8; 2] = [0x15, 3];

impl fmt::Display for AnswerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AnswerFault::Http(fault) => fault.fmt(f),
            AnswerFault::TooManyInterim => write!(f, "more than {MAX_INTERIM} interim (1xx) responses"),
            AnswerFault::DifferingLengths => f.write_str("two content-lengths that differ"),
            AnswerFault::Tls => f.write_str("TLS instead of HTTP; the target may want https://"),
        }
    }
}

/// A body that is sent from where it lies.
#[derive(Debug)]
struct RequestBody {
    block: Arc<Block>,
    record: usize,
    range: Range<usize>,
}

impl RequestBody {
    fn bytes(&self) -> &[u8] {
        &self.block.get(self.record).payload[self.range.clone()]
    }
}

/// A request and its answer. Its buffers are used again for the next one.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct ReplayExchange {
    /// When the request is due, and when it is given up.
    pub(super) due: u64,
    pub(super) deadline: u64,
    /// When it had a connection, or one was begun for it.
    pub(super) taken_at: u64,
    /// What it waited for until then, if that was long.
    pub(super) hold: Option<Hold>,
    /// When its first byte was sent; 0 before.
    pub(super) sent_at: u64,
    /// Whether it is being sent for the second time.
    pub(super) is_again: bool,
    /// Whether something had come on its connection before its first byte was sent.
    pub(super) is_early: bool,
    /// The record's id.
    pub(super) id: Vec<u8>,
    /// How many requests were read before it.
    pub(super) number: u64,
    /// With which requests it is counted.
    pub(super) group: GroupId,
    pub(super) shape: RequestShape,
    /// The head, and the body if it is short.
    out: Vec<u8>,
    body: Option<RequestBody>,
    /// Bytes sent.
    written: usize,
    framer: Framer,
    interim: u32,
    /// Whether any byte of an answer came.
    has_answer: bool,
    /// Bytes of the answer that cannot be read before more come.
    unread: Vec<u8>,
    /// The answer, as far as it is kept.
    kept: Vec<u8>,
    is_cut: bool,
    /// Bytes of `out` that are the head; and redirections followed.
    head_length: usize,
    redirections: u32,
    /// The origin of the target as the request names it, once a redirection has led to another server.
    home: Option<String>,
    /// When the last byte of the answer came, where only silence ends it.
    pub(super) last_byte_at: u64,
}

impl ReplayExchange {
    pub(super) fn new() -> Self {
        ReplayExchange {
            due: 0,
            deadline: 0,
            taken_at: 0,
            hold: None,
            sent_at: 0,
            is_again: false,
            is_early: false,
            id: Vec::new(),
            number: 0,
            group: GroupId::default(),
            shape: RequestShape::default(),
            out: Vec::new(),
            body: None,
            written: 0,
            framer: Framer::response(RequestContext::default()),
            interim: 0,
            has_answer: false,
            unread: Vec::new(),
            kept: Vec::new(),
            is_cut: false,
            head_length: 0,
            redirections: 0,
            home: None,
            last_byte_at: 0,
        }
    }

    /// Makes this the exchange of a recorded request.
    pub(super) fn prepare(
        &mut self,
        editor: &Editor,
        block: &Arc<Block>,
        record: usize,
        jar: Option<(&CookieJar, i64)>,
    ) -> Result<(), Unsendable> {
        let view = block.get(record);
        self.out.clear();
        self.shape = editor.write_head(view.payload, jar, &mut self.out)?;
        self.head_length = self.out.len();
        self.redirections = 0;
        self.home = None;
        let range = self.shape.body.clone();
        if range.len() <= COPIED_BODY {
            self.out.extend_from_slice(&view.payload[range]);
            self.body = None;
        } else {
            self.body = Some(RequestBody { block: Arc::clone(block), record, range });
        }
        self.id.clear();
        self.id.extend_from_slice(view.header.id);
        self.sent_at = 0;
        self.is_again = false;
        self.begin();
        Ok(())
    }

    /// Back to where nothing was sent and nothing came.
    pub(super) fn begin(&mut self) {
        self.written = 0;
        self.is_early = false;
        self.framer = Framer::response(self.shape.context);
        self.interim = 0;
        self.has_answer = false;
        self.unread.clear();
        self.kept.clear();
        self.is_cut = false;
    }

    /// Lets go of what is not worth keeping for the next exchange.
    pub(super) fn finish(&mut self) {
        self.body = None;
        for buffer in [&mut self.out, &mut self.unread, &mut self.kept] {
            if buffer.capacity() > KEEP_BUFFER {
                *buffer = Vec::new();
            }
        }
    }

    /// The next bytes to be sent, in up to two pieces.
    pub(super) fn unsent(&self) -> [IoSlice<'_>; 2] {
        let body = self.body.as_ref().map_or(&[][..], RequestBody::bytes);
        let head = &self.out[self.written.min(self.out.len())..];
        let body = &body[self.written.saturating_sub(self.out.len())..];
        let body = &body[..body.len().min(MAX_WRITE)];
        [IoSlice::new(head), IoSlice::new(body)]
    }

    /// So many more bytes were sent.
    pub(super) fn advance(&mut self, written: usize) {
        self.written += written;
    }

    /// Whether every byte of the request was sent.
    pub(super) fn is_sent(&self) -> bool {
        self.written == self.out.len() + self.body.as_ref().map_or(0, |body| body.range.len())
    }

    /// Whether the request may be sent again on another connection, when the one it was sent on turned
    /// out to be closed: nothing of it left, or nothing came back and it is idempotent (RFC 9110 §9.2.2).
    pub(super) fn may_be_sent_again(&self) -> bool {
        !self.is_again && !self.has_answer && (self.written == 0 || self.shape.is_idempotent)
    }

    /// Whether any byte of an answer came.
    pub(super) fn has_answer(&self) -> bool {
        self.has_answer
    }

    /// Takes bytes that came, and keeps so many of the answer. When that is over: how many bytes came after it.
    pub(super) fn take(&mut self, bytes: &[u8], keeps: Keep) -> Result<Option<usize>, AnswerFault> {
        let is_first = !std::mem::replace(&mut self.has_answer, true);
        if self.shape.is_raw {
            self.keep(bytes, keeps);
            return Ok(None);
        }
        if is_first && bytes.starts_with(&TLS_ALERT) {
            return Err(AnswerFault::Tls);
        }
        if self.unread.is_empty() {
            let (used, is_over) = self.read(bytes, keeps)?;
            if is_over {
                return Ok(Some(bytes.len() - used));
            }
            self.unread.extend_from_slice(&bytes[used..]);
        } else {
            let mut unread = std::mem::take(&mut self.unread);
            unread.extend_from_slice(bytes);
            let (used, is_over) = self.read(&unread, keeps)?;
            if is_over {
                return Ok(Some(unread.len() - used));
            }
            unread.drain(..used);
            self.unread = unread;
        }
        Ok(None)
    }

    /// Reads as far as it can: how far that was, and whether the answer is over.
    fn read(&mut self, bytes: &[u8], keeps: Keep) -> Result<(usize, bool), AnswerFault> {
        let mut at = 0;
        loop {
            let length = match self.framer.advance(&bytes[at..]).map_err(AnswerFault::Http)? {
                Step::More => return Ok((at, false)),
                Step::Done if self.framer.is_interim() => {
                    self.interim += 1;
                    if self.interim > MAX_INTERIM {
                        return Err(AnswerFault::TooManyInterim);
                    }
                    self.framer = Framer::response(self.shape.context);
                    self.kept.clear();
                    continue;
                }
                Step::Done => return Ok((at, true)),
                Step::Skip(length) => {
                    at += length;
                    continue;
                }
                Step::Head(_) if self.framer.has_differing_lengths() => {
                    return Err(AnswerFault::DifferingLengths);
                }
                Step::Head(length) => {
                    if keeps == Keep::Head {
                        self.kept.extend_from_slice(&bytes[at..at + length]);
                    }
                    length
                }
                Step::Body(length) => length,
            };
            self.keep(&bytes[at..at + length], keeps);
            at += length;
        }
    }

    /// Keeps bytes of the answer as far as they are wanted.
    fn keep(&mut self, bytes: &[u8], keeps: Keep) {
        if let Keep::Bytes(most) = keeps {
            let room = most.saturating_sub(self.kept.len());
            self.kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
            self.is_cut |= bytes.len() > room;
        }
    }

    /// The request that the answer points to, if it points to one.
    pub(super) fn redirection(&self, scheme: &str, most: u32) -> Redirection {
        if self.redirections >= most {
            return Redirection::None;
        }
        redirect::follow(scheme, &self.out[..self.head_length], &self.kept)
    }

    /// Whether a redirection leads back to the target.
    pub(super) fn leads_home(&self, next: &NextRequest) -> bool {
        self.home.as_ref().is_some_and(|home| *home == next.to)
    }

    /// Makes this the exchange of the request that the answer points to. With cookies of the target, those of `jar` are
    /// sent in place of recorded ones.
    pub(super) fn redirect(&mut self, mut next: NextRequest, jar: Option<(&CookieJar, i64)>) {
        if let Some(jar) = jar {
            next.head = with_cookies(next.head, jar);
        }
        self.redirections += 1;
        let head_length = next.head.len();
        if next.keeps_body {
            next.head.extend_from_slice(&self.out[self.head_length..]);
        } else {
            self.body = None;
        }
        if next.from != next.to {
            self.home.get_or_insert(next.from);
        }
        (self.out, self.head_length) = (next.head, head_length);
        if let Some(line) = request_line(&self.out) {
            self.shape.context = RequestContext::of(line.method);
            self.shape.is_idempotent = is_idempotent(line.method);
        }
        self.is_again = false;
        self.begin();
    }

    /// The connection ended: whether the answer is whole with that.
    pub(super) fn close(&mut self) -> bool {
        if self.shape.is_raw {
            return self.has_answer;
        }
        self.unread.is_empty() && self.has_answer && self.framer.close() && !self.framer.is_interim()
    }

    /// The answer's status; 0 before its head came.
    pub(super) fn status(&self) -> u16 {
        self.framer.status().unwrap_or(0)
    }

    /// Whether another exchange may follow on the connection, as far as the messages say.
    pub(super) fn keeps_alive(&self) -> bool {
        self.is_sent() && (self.shape.is_raw || self.shape.keeps_alive && self.framer.keeps_alive())
    }

    /// The answer as it was on the wire, and whether it was too long to be kept whole.
    pub(super) fn answer(&self) -> (&[u8], bool) {
        (&self.kept, self.is_cut)
    }

    /// The request as it is sent, its head at least.
    pub(super) fn head(&self) -> &[u8] {
        &self.out
    }

    /// Says which request this is, for people.
    pub(super) fn describe(&self) -> String {
        describe(&self.id, &self.out)
    }
}

/// Says which request this is, for people: `GET /path (record 5a6f…)`.
pub(super) fn describe(id: &[u8], payload: &[u8]) -> String {
    const LONGEST: usize = 100;
    let line = request_line(payload).map_or_else(String::new, |line| {
        let target: &[u8] = &line.target[..line.target.len().min(LONGEST)];
        format!("{} {} ", line.method.escape_ascii(), target.escape_ascii())
    });
    format!("{line}(record {})", id[..id.len().min(LONGEST)].escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Header, Kind};
    use proptest::prelude::*;

    fn exchange(payload: &[u8]) -> ReplayExchange {
        let mut block = Block::new();
        block.push(&Header { kind: Kind::Request, id: b"a1", ..Header::default() }, payload);
        let editor = Editor::new(&"t".parse().unwrap(), false);
        let mut exchange = ReplayExchange::new();
        exchange.prepare(&editor, &Arc::new(block), 0, None).unwrap();
        exchange
    }

    fn unsent(exchange: &ReplayExchange) -> Vec<u8> {
        exchange.unsent().iter().flat_map(|piece| piece.to_vec()).collect()
    }

    proptest! {
        #[test]
        fn the_same_bytes_are_sent_however_little_the_socket_takes(
            length in 0..COPIED_BODY * 3, step in 1..20_000_usize,
        ) {
            let mut payload = format!("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: {length}\r\n\r\n").into_bytes();
            payload.extend((0..length).map(|at| (at % 251) as u8));
            let mut exchange = exchange(&payload);
            let mut sent = Vec::new();
            while !exchange.is_sent() {
                let bytes = unsent(&exchange);
                let taken = bytes.len().min(step);
                sent.extend_from_slice(&bytes[..taken]);
                exchange.advance(taken);
            }
            prop_assert!(sent == payload);
            prop_assert!(unsent(&exchange).is_empty());
        }

        #[test]
        fn the_same_answer_is_read_however_it_is_cut(cuts in prop::collection::vec(1..40_usize, 1..40)) {
            let answer = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n";
            let mut exchange = exchange(b"GET / HTTP/1.1\r\n\r\n");
            exchange.advance(unsent(&exchange).len());
            let mut cuts = cuts.into_iter().cycle();
            let mut at = 0;
            let mut over = None;
            while at < answer.len() {
                prop_assert_eq!(over, None);
                let end = answer.len().min(at + cuts.next().unwrap());
                over = exchange.take(&answer[at..end], Keep::Bytes(usize::MAX)).unwrap();
                at = end;
            }
            prop_assert_eq!(over, Some(0));
            prop_assert_eq!(exchange.status(), 200);
            prop_assert!(exchange.keeps_alive());
            prop_assert_eq!(exchange.answer(), (&answer[25..], false));
        }
    }

    #[test]
    fn bytes_after_the_answer_are_told() {
        let mut exchange = exchange(b"GET / HTTP/1.1\r\n\r\n");
        let over = exchange.take(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 2", Keep::Nothing);
        assert_eq!(over, Ok(Some(10)));
    }

    #[test]
    fn lengths_that_differ_are_malformed_whatever_else_is_said() {
        for (fields, is_malformed) in [
            ("Content-Length: 2\r\nContent-Length: 3\r\n", true),
            ("Content-Length: 2, 3\r\n", true),
            ("Content-Length: 2\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n", true),
            ("Content-Length: 2\r\nContent-Length: 2\r\n", false),
            ("Content-Length: 2, 02\r\n", false),
        ] {
            let mut exchange = exchange(b"GET / HTTP/1.1\r\n\r\n");
            let came =
                exchange.take(format!("HTTP/1.1 200 OK\r\n{fields}\r\n").as_bytes(), Keep::Bytes(usize::MAX));
            assert_eq!(came == Err(AnswerFault::DifferingLengths), is_malformed, "{fields:?}: {came:?}");
        }
    }

    #[test]
    fn interim_responses_are_many_but_not_endless() {
        let mut exchange = exchange(b"GET / HTTP/1.1\r\n\r\n");
        let flood = b"HTTP/1.1 102 Processing\r\n\r\n".repeat(MAX_INTERIM as usize);
        assert_eq!(exchange.take(&flood, Keep::Bytes(usize::MAX)), Ok(None));
        assert_eq!(
            exchange.take(b"HTTP/1.1 102 X\r\n\r\n", Keep::Bytes(usize::MAX)),
            Err(AnswerFault::TooManyInterim)
        );
    }

    #[test]
    fn an_answer_that_ends_with_its_connection_is_whole_when_that_ends() {
        for (bytes, expected) in [
            ("HTTP/1.1 200 OK\r\n\r\nsome", true),
            ("HTTP/1.1 200 OK\r\n\r\n", true),
            ("HTTP/1.1 200 OK\r\n", false),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nso", false),
            ("HTTP/1.1 100 Continue\r\n\r\n", false),
            ("", false),
        ] {
            let mut exchange = exchange(b"GET / HTTP/1.1\r\n\r\n");
            if !bytes.is_empty() {
                assert_eq!(exchange.take(bytes.as_bytes(), Keep::Nothing), Ok(None), "{bytes:?}");
            }
            assert_eq!(exchange.close(), expected, "{bytes:?}");
        }
    }

    #[test]
    fn a_request_is_repeated_only_where_that_is_safe() {
        for (method, is_idempotent) in
            [("GET", true), ("PUT", true), ("POST", false), ("PATCH", false), ("X", false)]
        {
            let mut exchange = exchange(format!("{method} / HTTP/1.1\r\n\r\n").as_bytes());
            assert!(exchange.may_be_sent_again(), "{method}, nothing sent");
            exchange.advance(1);
            assert_eq!(exchange.may_be_sent_again(), is_idempotent, "{method}, something sent");
            exchange.take(b"H", Keep::Nothing).unwrap();
            assert!(!exchange.may_be_sent_again(), "{method}, something answered");
        }
    }
}
