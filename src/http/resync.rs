//! Where the next message starts in a stream that was joined in its middle or after a gap.
//!
//! The rule. A start line is believed when it is whole and the line after it is a field line (a token and a
//! colon) or empty, so that a mention of one in a body rarely passes. It begins
//! - at a line start, and the first byte shown counts as one: any method, or `HTTP/1.x` and a status; or
//! - inside a line, as the body before it need not end in a line end: then the method is one of
//!   [`KNOWN_METHODS`], and the byte before it is no space, tab, quote or backtick, as before a mention.
//!
//! `helloPOST` at a line start is thus the end of a body and a POST, but `FORGET` and `X-GET`, where a capital
//! letter, `-` or `_` precedes the known method, are methods of their own.
//!
//! What a body quotes word for word, with a line of its own and field lines below it, is taken for a
//! message: bytes alone cannot tell it from one.

use memchr::{memchr, memmem, memrchr};

use super::head::{status_words, without_cr};
use super::token;

/// The longest start line that is found, in bytes.
pub const MAX_START_LINE: usize = 16 << 10;
/// The longest name of the first field line that is believed, in bytes.
pub const MAX_FIELD_NAME: usize = 256;
/// The methods believed inside a line: those of RFC 9110 §9 and RFC 5789. The longer of two that end alike
/// comes first.
pub const KNOWN_METHODS: [&[u8]; 9] =
    [b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"TRACE", b"PATCH"];

/// What a [`Finder`] says of the bytes shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Search {
    /// A message starts after so many bytes; they are consumed, and so is the finder.
    Found(usize),
    /// No message starts in so many bytes; they are consumed, the others remain unread.
    Skipped(usize),
}

/// Looks for the start of a message in one direction of a connection. It holds no bytes, keeps at most
/// [`MAX_START_LINE`] and [`MAX_FIELD_NAME`] unread, and looks at each byte a fixed number of times.
#[derive(Clone, Debug)]
pub struct Finder {
    is_request: bool,
    /// Bytes of the unread ones that hold no further line end.
    searched: usize,
    /// Whether the line that `line` begins is unread from its start.
    at_line_start: bool,
    /// Where the line that has no end yet begins among the unread bytes.
    line: usize,
    /// Where a start line begins that the line after it must confirm.
    candidate: Option<usize>,
}

impl Finder {
    /// A finder of requests.
    pub fn request() -> Self {
        Self::new(true)
    }

    /// A finder of responses.
    pub fn response() -> Self {
        Self::new(false)
    }

    fn new(is_request: bool) -> Self {
        Self { is_request, searched: 0, at_line_start: true, line: 0, candidate: None }
    }

    /// Says whether a message starts in `unread`, which is everything that came after the bytes consumed so
    /// far.
    pub fn advance(&mut self, unread: &[u8]) -> Search {
        loop {
            if let Some(candidate) = self.candidate {
                match is_after_start_line(&unread[self.line..]) {
                    Some(true) => return Search::Found(candidate),
                    Some(false) => self.candidate = None,
                    None => return self.skip(candidate),
                }
            }
            let Some(length) = memchr(b'\n', &unread[self.searched..]) else { break };
            let end = self.searched + length + 1;
            self.candidate = self.start_in(&unread[self.line..end - 1]).map(|start| self.line + start);
            (self.searched, self.line, self.at_line_start) = (end, end, true);
        }
        self.searched = unread.len();
        let keep = self.line.max(unread.len().saturating_sub(MAX_START_LINE));
        if keep > self.line {
            (self.line, self.at_line_start) = (keep, false);
        }
        self.skip(keep)
    }

    /// Counts the first `length` bytes as consumed.
    fn skip(&mut self, length: usize) -> Search {
        self.searched = self.searched.max(self.line) - length;
        self.line -= length;
        self.candidate = self.candidate.map(|candidate| candidate - length);
        Search::Skipped(length)
    }

    /// Where in `line`, which has lost its LF, a start line begins that goes to its end.
    fn start_in(&self, line: &[u8]) -> Option<usize> {
        let line = without_cr(line);
        let cut = line.len().saturating_sub(MAX_START_LINE - 2);
        let (line, at_line_start) = (&line[cut..], self.at_line_start && cut == 0);
        let start = if self.is_request {
            request_start(line, at_line_start)
        } else {
            status_start(line, at_line_start)
        };
        start.map(|start| cut + start)
    }
}

/// The first message start in `bytes`, which are all there is: a start line, and a line after it.
pub fn find_request(bytes: &[u8]) -> Option<usize> {
    find(Finder::request(), bytes)
}

/// As [`find_request`], for responses.
pub fn find_response(bytes: &[u8]) -> Option<usize> {
    find(Finder::response(), bytes)
}

fn find(mut finder: Finder, bytes: &[u8]) -> Option<usize> {
    match finder.advance(bytes) {
        Search::Found(start) => Some(start),
        Search::Skipped(_) => None,
    }
}

/// Whether `bytes`, which follow a line, begin with an empty line or a field line; `None` when there are
/// too few to tell.
fn is_after_start_line(bytes: &[u8]) -> Option<bool> {
    match bytes {
        [] | [b'\r'] => return None,
        [b'\n', ..] | [b'\r', b'\n', ..] => return Some(true),
        _ => {}
    }
    let name = &bytes[..bytes.len().min(MAX_FIELD_NAME + 1)];
    match name.iter().position(|&byte| !token::is_token_byte(byte)) {
        Some(end) => Some(end > 0 && name[end] == b':'),
        None if name.len() > MAX_FIELD_NAME => Some(false),
        None => None,
    }
}

fn request_start(line: &[u8], at_line_start: bool) -> Option<usize> {
    if !token::is_version(&line[line.len().checked_sub(8)?..]) {
        return None;
    }
    // From the end: the version, a space, a target without spaces, a space, a method.
    let before_version = line[..line.len() - 8].strip_suffix(b" ")?;
    let target = memrchr(b' ', before_version)? + 1;
    if target == before_version.len() {
        return None;
    }
    let method = &line[..target - 1];
    let known = KNOWN_METHODS.iter().find(|known| method.ends_with(known));
    let start = known.map(|known| method.len() - known.len());
    let inside = start.filter(|&start| may_precede(&line[..start]));
    let is_longer_method = |start: usize| matches!(method[start - 1], b'A'..=b'Z' | b'-' | b'_');
    if at_line_start && token::is_token(method) && inside.is_none_or(is_longer_method) {
        return Some(0);
    }
    inside
}

fn status_start(line: &[u8], at_line_start: bool) -> Option<usize> {
    let is_status = |line: &[u8]| {
        status_words(line).is_some_and(|words| token::is_version(words.version) && words.status >= 100)
    };
    if at_line_start && is_status(line) {
        return Some(0);
    }
    let start = memmem::rfind(line, b"HTTP/1.")?;
    (is_status(&line[start..]) && may_precede(&line[..start])).then_some(start)
}

/// Whether a body that ends in `before` may be followed by a message at once.
fn may_precede(before: &[u8]) -> bool {
    !matches!(before.last(), None | Some(b' ' | b'\t' | b'"' | b'\'' | b'`'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_request_is_found_by_the_rule() {
        for (bytes, expected) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Some(0)),
            ("tail\r\nGET / HTTP/1.1\nHost: a", Some(6)),
            ("tail\nPURGE /x HTTP/1.0\r\n\r\n", Some(5)),
            ("{\"a\":1}GET / HTTP/1.1\r\nHost: a\r\n", Some(7)),
            ("a=1POST /x HTTP/1.1\r\nHost: a\r\n", Some(3)),
            ("a=1\u{0}PURGE /x HTTP/1.1\r\nHost: a\r\n", None),
            ("helloPOST /x HTTP/1.1\r\nHost: a\r\n", Some(5)),
            ("FORGET /x HTTP/1.1\r\nHost: a\r\n", Some(0)),
            ("a\nX-GET /x HTTP/1.1\r\nHost: a\r\n", Some(2)),
            ("we say GET / HTTP/1.1\r\nHost: a\r\n", None),
            ("> GET / HTTP/1.1\r\n> Host: a\r\n", None),
            ("\"GET / HTTP/1.1\" 200\r\nHost: a\r\n", None),
            ("GET / HTTP/1.1\r\nand so on\r\n", None),
            ("GET / HTTP/1.1\r\nHost", None),
            ("GET / HTTP/1.1\r\n", None),
            ("GET / HTTP/2.0\r\nHost: a\r\n", None),
            ("GET HTTP/1.1\r\nHost: a\r\n", None),
            ("GET / HTTP/1.1\r\nno field\r\nPUT / HTTP/1.1\r\nA: b\r\n", Some(26)),
            ("GET / HTTP/1.1\r\nGET /b HTTP/1.1\r\nA: b\r\n", Some(16)),
            ("HTTP/1.1 200 OK\r\nA: b\r\n", None),
            ("", None),
        ] {
            assert_eq!(find_request(bytes.as_bytes()), expected, "{bytes:?}");
        }
    }

    #[test]
    fn a_response_is_found_by_the_rule() {
        for (bytes, expected) in [
            ("HTTP/1.1 200 OK\r\nA: b\r\n\r\n", Some(0)),
            ("tail\nHTTP/1.0 404\nA:", Some(5)),
            ("</html>HTTP/1.1 200 OK\r\n\r\n", Some(7)),
            ("it said HTTP/1.1 200 OK\r\nA: b\r\n", None),
            ("< HTTP/1.1 200 OK\r\n< A: b\r\n", None),
            ("\"GET / HTTP/1.1\" 200 1\nA: b\n", None),
            ("HTTP/1.1 2000 OK\r\nA: b\r\n", None),
            ("HTTP/1.1 099 OK\r\nA: b\r\n", None),
            ("HTTP/1.1 200 OK\r\nA", None),
            ("GET / HTTP/1.1\r\nA: b\r\n", None),
        ] {
            assert_eq!(find_response(bytes.as_bytes()), expected, "{bytes:?}");
        }
    }

    #[test]
    fn a_line_without_end_is_not_held() {
        let mut finder = Finder::request();
        let mut unread = Vec::new();
        for _ in 0..100 {
            unread.extend_from_slice(&[b'x'; 1000]);
            let Search::Skipped(length) = finder.advance(&unread) else { panic!("found in nothing") };
            unread.drain(..length);
            assert!(unread.len() <= MAX_START_LINE);
        }
        unread.extend_from_slice(b"GET / HTTP/1.1\r\nHost: a\r\n");
        let expected = unread.len() - 25;
        assert_eq!(finder.advance(&unread), Search::Found(expected));
    }

    fn pieces() -> impl Strategy<Value = Vec<u8>> {
        let words = prop::sample::select(vec![
            "GET ",
            "PURGE ",
            "/x ",
            "HTTP/1.1",
            "HTTP/1.1 200 OK",
            "\r\n",
            "\n",
            "\r",
            "Host: a",
            "A:",
            " ",
            "\"",
            "}",
            "x",
        ]);
        prop::collection::vec(words, 0..40).prop_map(|words| words.concat().into_bytes())
    }

    proptest! {
        #[test]
        fn however_the_stream_is_cut_the_same_start_is_found(
            bytes in pieces(), cuts in prop::collection::vec(1_usize..9, 1..9), is_request: bool
        ) {
            let whole = find(Finder::new(is_request), &bytes);
            let mut finder = Finder::new(is_request);
            let (mut from, mut given, mut found) = (0, 0, None);
            for cut in cuts.iter().cycle() {
                given = (given + cut).min(bytes.len());
                match finder.advance(&bytes[from..given]) {
                    Search::Found(start) => { found = Some(from + start); break }
                    Search::Skipped(length) => from += length,
                }
                if given == bytes.len() { break }
            }
            prop_assert_eq!(found, whole);
        }
    }
}
