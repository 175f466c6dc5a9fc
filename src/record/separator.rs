//! Separator lines: where one is, what may become one, and what is none but may stand beside it.

use std::sync::LazyLock;

use memchr::memmem;

use super::header::{MAX_HEADER, SEPARATOR};

/// Where a payload ends, and how long the separator after it is.
pub(super) struct PayloadEnd {
    pub(super) payload_end: usize,
    pub(super) separator: usize,
}

/// What a search for a separator came to.
pub(super) enum Search {
    At(PayloadEnd),
    /// None before this offset; from there on more bytes are needed.
    Open(usize),
}

/// A separator line with the line feed before it, but without what ends it.
pub(super) const OPENING: &[u8] = SEPARATOR.split_at(SEPARATOR.len() - 1).0;

/// A separator line without what ends it.
pub(super) const MONKEYS: &[u8] = OPENING.split_at(1).1;

static FINDER: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(OPENING));

/// Finds the first separator at or after `from`.
///
/// A line end before the separator belongs to it: a CRLF where the separator
/// line itself ends in CRLF, a line feed otherwise. Directly after the header
/// line (`from` is then the payload's start) that line's own end serves.
pub(super) fn find_separator(bytes: &[u8], from: usize, is_at_end: bool) -> Search {
    let mut from = from;
    loop {
        let Some(at) = FINDER.find(&bytes[from..]).map(|at| from + at) else {
            // A carriage return and half an opening may be at the end.
            return Search::Open(bytes.len().saturating_sub(OPENING.len()).max(from));
        };
        match &bytes[at + OPENING.len()..] {
            [b'\n', ..] => return Search::At(PayloadEnd { payload_end: at, separator: SEPARATOR.len() }),
            [b'\r', b'\n', ..] => {
                let has_return = at > from && bytes[at - 1] == b'\r';
                let payload_end = at - usize::from(has_return);
                let separator = SEPARATOR.len() + 1 + usize::from(has_return);
                return Search::At(PayloadEnd { payload_end, separator });
            }
            [] | [b'\r'] if !is_at_end => return Search::Open(at.saturating_sub(1).max(from)),
            _ => from = at + 1,
        }
    }
}

/// The length of the separator that `bytes` begins with.
pub(super) fn separator_at(bytes: &[u8]) -> Option<usize> {
    let has_return = bytes.first() == Some(&b'\r');
    let rest = bytes[usize::from(has_return)..].strip_prefix(OPENING)?;
    match rest {
        [b'\n', ..] => Some(usize::from(has_return) + SEPARATOR.len()),
        [b'\r', b'\n', ..] => Some(usize::from(has_return) + SEPARATOR.len() + 1),
        _ => None,
    }
}

/// Whether more bytes could make a separator of these.
pub(super) fn may_become_separator(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\r").unwrap_or(bytes);
    SEPARATOR.starts_with(bytes) || bytes.strip_prefix(OPENING) == Some(b"\r")
}

/// Whether the next line but for empty ones, of which it looks at few, is a separator again. It ends the message, or
/// was written twice.
pub(super) fn is_repeated(bytes: &[u8], is_at_end: bool) -> bool {
    let mut at = 0;
    while at < MAX_HEADER {
        match filler_line(&bytes[at..], is_at_end) {
            Some(FillerLine::Empty(length)) => at += length,
            Some(FillerLine::Separator(_)) => return true,
            None => return false,
        }
    }
    false
}

/// How many bytes at the end of the input are the beginning of a separator.
pub(super) fn partial_separator(bytes: &[u8], is_crlf: bool) -> usize {
    let text = bytes.strip_suffix(b"\r").filter(|text| text.ends_with(OPENING)).unwrap_or(bytes);
    // A lone line feed is payload: it may well be a message's own.
    let found = (2..SEPARATOR.len()).rev().find(|&length| text.ends_with(&SEPARATOR[..length]));
    let Some(found) = found else { return 0 };
    let has_return = is_crlf && text[..text.len() - found].ends_with(b"\r");
    found + bytes.len() - text.len() + usize::from(has_return)
}

/// A line between records that neither is nor hides one, and its length.
#[derive(Clone, Copy, Debug)]
pub(super) enum FillerLine {
    Empty(usize),
    /// A separator line, after that of the record before.
    Separator(usize),
}

impl FillerLine {
    pub(super) fn len(self) -> usize {
        match self {
            FillerLine::Empty(length) | FillerLine::Separator(length) => length,
        }
    }
}

/// The filler line that `bytes` begins with.
pub(super) fn filler_line(bytes: &[u8], is_at_end: bool) -> Option<FillerLine> {
    match bytes {
        [b'\n', ..] => Some(FillerLine::Empty(1)),
        [b'\r', b'\n', ..] => Some(FillerLine::Empty(2)),
        _ => match bytes.strip_prefix(MONKEYS)? {
            [b'\n', ..] => Some(FillerLine::Separator(MONKEYS.len() + 1)),
            [b'\r', b'\n', ..] => Some(FillerLine::Separator(MONKEYS.len() + 2)),
            [] | [b'\r'] if is_at_end => Some(FillerLine::Separator(bytes.len())),
            _ => None,
        },
    }
}

/// Length of the filler lines that `bytes` begins with.
pub(super) fn filler(bytes: &[u8], is_at_end: bool) -> usize {
    let mut length = 0;
    while let Some(line) = filler_line(&bytes[length..], is_at_end) {
        length += line.len();
    }
    length
}

/// How many NULs `bytes` begins with: what a file system leaves of data that
/// it did not write before the machine stopped.
pub(super) fn nuls(bytes: &[u8]) -> usize {
    bytes.iter().position(|&byte| byte != 0).unwrap_or(bytes.len())
}
