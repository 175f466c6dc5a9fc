//! Whether a message starts at a place in a stream that was joined in its middle or after a gap.
//!
//! A start line is believed when it is whole and the line after it is a field line (a token and a colon) or empty.
//! Bytes alone cannot tell a message from a body that quotes one, so the caller asks only where one can begin.

use memchr::{memchr, memrchr};

use super::head::{status_words, without_cr};
use super::token;

/// The longest start line that is believed, in bytes.
pub const MAX_START_LINE: usize = 16 << 10;
/// The longest name of the first field line that is believed, in bytes.
pub const MAX_FIELD_NAME: usize = 256;
/// The methods of RFC 9110 §9 and RFC 5789.
pub const KNOWN_METHODS: [&[u8]; 9] =
    [b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"TRACE", b"PATCH"];

/// Whether `bytes` start with a request; `None` when there are too few to tell.
pub fn starts_request(bytes: &[u8]) -> Option<bool> {
    starts(bytes, token::is_token_byte, is_request_line)
}

/// Whether `bytes` start with a response; `None` when there are too few to tell.
pub fn starts_response(bytes: &[u8]) -> Option<bool> {
    starts(
        bytes,
        |byte| byte == b'H',
        |line| {
            status_words(line).is_some_and(|words| token::is_version(words.version) && words.status >= 100)
        },
    )
}

fn starts(
    bytes: &[u8],
    may_be_first: impl Fn(u8) -> bool,
    is_start_line: impl Fn(&[u8]) -> bool,
) -> Option<bool> {
    let &first = bytes.first()?;
    if !may_be_first(first) {
        return Some(false);
    }
    let Some(end) = memchr(b'\n', &bytes[..bytes.len().min(MAX_START_LINE)]) else {
        return (bytes.len() >= MAX_START_LINE).then_some(false);
    };
    if is_start_line(without_cr(&bytes[..end])) {
        is_after_start_line(&bytes[end + 1..])
    } else {
        Some(false)
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

/// A method, a target without spaces, and a version.
fn is_request_line(line: &[u8]) -> bool {
    let Some((before, version)) = line.len().checked_sub(8).map(|at| line.split_at(at)) else { return false };
    let Some(before) = before.strip_suffix(b" ").filter(|_| token::is_version(version)) else { return false };
    let Some(space) = memrchr(b' ', before).filter(|space| space + 1 < before.len()) else { return false };
    let method = &before[..space];
    // `bodyPOST` is the end of a body and a method.
    let is_glued = KNOWN_METHODS.iter().any(|known| method.ends_with(known) && method.len() > known.len());
    // `OST` is what is left of a method whose first byte is missing.
    let is_torn = KNOWN_METHODS.iter().any(|known| known.ends_with(method) && method.len() < known.len());
    token::is_token(method) && !is_glued && !is_torn
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_request_starts_by_the_rule() {
        for (bytes, expected) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Some(true)),
            ("PURGE /x HTTP/1.0\r\n\r\n", Some(true)),
            ("PURGE /x HTTP/1.0\n\n", Some(true)),
            ("tail\r\nGET / HTTP/1.1\nHost: a", Some(false)),
            ("helloPOST /x HTTP/1.1\r\nHost: a\r\n", Some(false)),
            ("OST /x HTTP/1.1\r\nHost: a\r\n", Some(false)),
            ("T /x HTTP/1.1\r\nHost: a\r\n", Some(false)),
            ("we say GET / HTTP/1.1\r\nHost: a\r\n", Some(false)),
            ("> GET / HTTP/1.1\r\n> Host: a\r\n", Some(false)),
            ("\"GET / HTTP/1.1\" 200\r\nHost: a\r\n", Some(false)),
            ("GET / HTTP/1.1\r\nand so on\r\n", Some(false)),
            ("GET / HTTP/1.1\r\nHost", None),
            ("GET / HTTP/1.1\r\n", None),
            ("GET / HTTP/1.1\r\n\r", None),
            ("GE", None),
            ("GET / HTTP/2.0\r\nHost: a\r\n", Some(false)),
            ("GET HTTP/1.1\r\nHost: a\r\n", Some(false)),
            ("HTTP/1.1 200 OK\r\nA: b\r\n", Some(false)),
            ("", None),
        ] {
            assert_eq!(starts_request(bytes.as_bytes()), expected, "{bytes:?}");
        }
    }

    #[test]
    fn a_response_starts_by_the_rule() {
        for (bytes, expected) in [
            ("HTTP/1.1 200 OK\r\nA: b\r\n\r\n", Some(true)),
            ("HTTP/1.0 404\nA:", Some(true)),
            ("</html>HTTP/1.1 200 OK\r\n\r\n", Some(false)),
            ("Hello\r\nA: b", Some(false)),
            ("HTTP/1.1 2000 OK\r\nA: b\r\n", Some(false)),
            ("HTTP/1.1 099 OK\r\nA: b\r\n", Some(false)),
            ("HTTP/1.1 200 OK\r\nA", None),
            ("GET / HTTP/1.1\r\nA: b\r\n", Some(false)),
        ] {
            assert_eq!(starts_response(bytes.as_bytes()), expected, "{bytes:?}");
        }
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
            "x",
        ]);
        prop::collection::vec(words, 0..12).prop_map(|words| words.concat().into_bytes())
    }

    proptest! {
        #[test]
        fn what_is_told_stays_true_when_more_comes(bytes in pieces(), is_request: bool) {
            let starts = if is_request { starts_request } else { starts_response };
            let whole = starts(&bytes);
            for end in 0..bytes.len() {
                let told = starts(&bytes[..end]);
                prop_assert!(told.is_none() || told == whole, "{} {:?} {:?}", end, told, whole);
            }
        }
    }

    #[test]
    fn a_line_without_end_is_no_start() {
        assert_eq!(starts_request(&[b'x'; MAX_START_LINE]), Some(false));
        assert_eq!(starts_request(&[b'x'; MAX_START_LINE - 1]), None);
    }
}
