//! The smallest words of HTTP: tokens, optional whitespace, lines, lists.

use std::ops::Range;

use wide::{u8x16, u8x32};

/// Which bytes are `tchar` (RFC 9110 §5.6.2).
const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let marks = b"!#$%&'*+-.^_`|~";
    let mut mark = 0;
    while mark < marks.len() {
        table[marks[mark] as usize] = true;
        mark += 1;
    }
    table
};

/// Whether `byte` may stand in a token.
pub fn is_token_byte(byte: u8) -> bool {
    TOKEN[usize::from(byte)]
}

/// Whether `bytes` is a token: not empty, and nothing but token bytes.
pub fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&byte| is_token_byte(byte))
}

/// Whether `bytes` is `HTTP/1.` and one digit; the name is case-sensitive (RFC 9112 §2.3).
pub(super) fn is_version(bytes: &[u8]) -> bool {
    match bytes.split_first_chunk() {
        Some((start, [minor])) => start == b"HTTP/1." && minor.is_ascii_digit(),
        _ => false,
    }
}

/// Whether `byte` is whitespace around a value; CR and LF are, for folded lines (RFC 9112 §5.2).
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// `value` without the whitespace around it.
pub(super) fn trim(value: &[u8]) -> &[u8] {
    trim_end(trim_start(value))
}

/// `value` without the whitespace before it.
pub(super) fn trim_start(mut value: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = value
        && is_space(*first)
    {
        value = rest;
    }
    value
}

/// `value` without the whitespace after it.
pub(super) fn trim_end(mut value: &[u8]) -> &[u8] {
    while let [rest @ .., last] = value
        && is_space(*last)
    {
        value = rest;
    }
    value
}

/// Where the line feeds in some bytes are, one after the other. Lines are short, so that a search of its own for each
/// would take longer to begin than to find.
#[derive(Clone, Debug)]
pub(super) struct LineFeeds<'a> {
    bytes: &'a [u8],
    /// Up to where bytes were looked at; beyond their end after the last.
    looked: usize,
    /// Those found in the last [`AT_ONCE`] bytes before that and not told yet, a bit each.
    found: u64,
}

/// How many bytes are looked at at once.
const AT_ONCE: usize = 32;

impl<'a> LineFeeds<'a> {
    /// Those from `from` on, which must be no later than the end of `bytes`.
    #[inline]
    pub(super) fn new(bytes: &'a [u8], from: usize) -> Self {
        LineFeeds { bytes, looked: from, found: 0 }
    }

    fn look(bytes: &[u8; AT_ONCE]) -> u64 {
        let (halves, _) = bytes.as_chunks::<16>();
        let bits = |half: [u8; 16]| u64::from(u8x16::new(half).simd_eq(u8x16::splat(b'\n')).to_bitmask());
        bits(halves[0]) | bits(halves[1]) << 16
    }
}

impl Iterator for LineFeeds<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        while self.found == 0 {
            let rest = self.bytes.get(self.looked..)?;
            self.found = match (rest.first_chunk(), self.bytes.last_chunk()) {
                (Some(chunk), _) => Self::look(chunk),
                // Fewer are left: the last of them, without those looked at before.
                (None, Some(chunk)) => Self::look(chunk) >> (AT_ONCE - rest.len()),
                (None, None) => {
                    let bits = rest.iter().rev().map(|&byte| u64::from(byte == b'\n'));
                    bits.fold(0, |found, bit| found << 1 | bit)
                }
            };
            self.looked += AT_ONCE;
        }
        let at = self.looked - AT_ONCE + self.found.trailing_zeros() as usize;
        self.found &= self.found - 1;
        Some(at)
    }
}

/// The first empty line among those that begin at `from` and behind the line feeds after it, with its line end.
pub(super) fn find_empty_line(bytes: &[u8], from: usize) -> Option<Range<usize>> {
    let is_empty = |start: usize| match bytes.get(start..)? {
        [b'\n', ..] => Some(start..start + 1),
        [b'\r', b'\n', ..] => Some(start..start + 2),
        _ => None,
    };
    if let Some(line) = is_empty(from) {
        return Some(line);
    }
    let chunk = |at: usize| Some(u8x32::new(*bytes.get(at..)?.first_chunk::<AT_ONCE>()?));
    let mut looked = from;
    while let (Some(these), Some(next)) = (chunk(looked), chunk(looked + 1)) {
        let ends = next.simd_eq(u8x32::splat(b'\n')) | next.simd_eq(u8x32::splat(b'\r'));
        let mut found = (these.simd_eq(u8x32::splat(b'\n')) & ends).to_bitmask();
        while found != 0 {
            let start = looked + found.trailing_zeros() as usize + 1;
            if let Some(line) = is_empty(start) {
                return Some(line);
            }
            found &= found - 1;
        }
        looked += AT_ONCE;
    }
    LineFeeds::new(bytes, looked).find_map(|end| is_empty(end + 1))
}

/// The elements of a comma-separated list, trimmed; empty ones are left out (RFC 9110 §5.6.1.2).
pub(super) fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(trim).filter(|element| !element.is_empty())
}

/// How many bytes of empty lines `bytes` begins with; a CR that ends `bytes` is not counted, as it may go
/// either way.
pub(super) fn empty_lines(bytes: &[u8]) -> usize {
    let mut at = 0;
    loop {
        match &bytes[at..] {
            [b'\n', ..] => at += 1,
            [b'\r', b'\n', ..] => at += 2,
            _ => return at,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{LineFeeds, find_empty_line};

    proptest! {
        #[test]
        fn all_line_feeds_are_found_and_nothing_else(
            bytes in prop::collection::vec(prop::sample::select(&b"a\x09\x0b\x8a\xff\x00\r\n"[..]), 0..100),
            from in any::<prop::sample::Index>(),
        ) {
            let from = from.index(bytes.len() + 1);
            let found: Vec<usize> = LineFeeds::new(&bytes, from).collect();
            let expected: Vec<usize> = (from..bytes.len()).filter(|&at| bytes[at] == b'\n').collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn the_first_empty_line_is_found(text in "(a{0,40}\\PC?[\r\n]{1,2}){0,9}[\ra]{0,2}\n?", from in any::<prop::sample::Index>()) {
            let bytes = text.as_bytes();
            let from = from.index(bytes.len() + 1);
            let starts = (from..bytes.len()).filter(|&at| at == from || bytes[at - 1] == b'\n');
            let lines = starts.filter_map(|start| match &bytes[start..] {
                [b'\n', ..] => Some(start..start + 1),
                [b'\r', b'\n', ..] => Some(start..start + 2),
                _ => None,
            });
            prop_assert_eq!(find_empty_line(bytes, from), lines.min_by_key(|line| line.start));
        }
    }
}
