//! The smallest words of HTTP: tokens, optional whitespace, lines, lists.

use memchr::memchr;

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

/// How long the line is that `bytes` begins with, its LF included.
///
/// Most lines are so short that `memchr` takes longer for its choice of instructions than for the search. SSE2, which
/// every x86-64 has, needs no choice.
#[inline]
pub(super) fn line_length(bytes: &[u8]) -> Option<usize> {
    #[cfg(target_arch = "x86_64")]
    if let Some(line_feed) = memchr::arch::x86_64::sse2::memchr::One::new(b'\n') {
        return line_feed.find(bytes).map(|at| at + 1);
    }
    memchr(b'\n', bytes).map(|at| at + 1)
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

    use super::line_length;

    proptest! {
        #[test]
        fn a_line_is_as_long_as_its_first_lf_says(
            bytes in prop::collection::vec(prop::sample::select(&b"a\x09\x0b\x8a\xff\x00\r"[..]), 0..150),
            lfs in prop::collection::vec(any::<prop::sample::Index>(), 0..3),
        ) {
            let mut bytes = bytes;
            for at in lfs.iter().filter(|_| !bytes.is_empty()).map(|at| at.index(bytes.len())).collect::<Vec<_>>() {
                bytes[at] = b'\n';
            }
            let expected = bytes.iter().position(|&byte| byte == b'\n').map(|at| at + 1);
            prop_assert_eq!(line_length(&bytes), expected);
        }
    }
}
