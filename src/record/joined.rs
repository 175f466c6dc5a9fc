//! A header line inside a payload: what a missing separator line leaves.

use std::sync::mpsc::{Receiver, Sender, channel};

use memchr::memchr;
use wide::u8x32;

use super::framing::NewMessageFraming;
use super::header::{Header, Kind, MAX_HEADER};
use super::span::RecordSpan;
use crate::Position;

/// Records that hold what looks like the header line of another record, whose separator may be missing.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct JoinedRecords {
    /// All of them.
    pub number: u64,
    /// Those in which a whole message is before that line: the separator is missing.
    pub for_certain: u64,
    /// The first record, and the byte at which that line begins.
    pub first: Option<Position>,
}

impl JoinedRecords {
    /// Those of two parts of one input, whichever comes first.
    #[must_use]
    pub fn join(&self, other: &JoinedRecords) -> JoinedRecords {
        JoinedRecords {
            number: self.number + other.number,
            for_certain: self.for_certain + other.for_certain,
            first: self.first.into_iter().chain(other.first).min_by_key(|first| first.record),
        }
    }

    /// Searches the records of a block for those that had no length where they were read. `origin` is where its text
    /// begins.
    pub(super) fn of_block(
        text: &[u8],
        spans: &[RecordSpan],
        origin: Position,
        framing: NewMessageFraming,
    ) -> Self {
        let mut joined = JoinedRecords::default();
        for span in spans.iter().filter(|span| !span.has_length) {
            let payload = &text[span.payload as usize..span.payload_end as usize];
            let Some(inner) = inner_header(span.kind, payload, framing) else { continue };
            joined.number += 1;
            joined.for_certain += u64::from(inner.is_proven);
            joined.first.get_or_insert_with(|| Position {
                record: origin.record + u64::from(span.number),
                byte: origin.byte.wrapping_add(u64::from(span.payload) + inner.at as u64),
            });
        }
        joined
    }
}

/// The search of one block, which whoever works on it has still to do.
#[derive(Debug)]
pub(super) struct PendingSearch {
    framing: NewMessageFraming,
    found: Sender<JoinedRecords>,
}

impl PendingSearch {
    /// Searches the block, which is as it was read.
    pub(super) fn run(self, text: &[u8], spans: &[RecordSpan], origin: Position) {
        let joined = JoinedRecords::of_block(text, spans, origin, self.framing);
        if joined.number > 0 {
            // Nobody asks for it where reading has ended early.
            let _ = self.found.send(joined);
        }
    }
}

/// The reader's end of the searches that it leaves to others.
#[derive(Debug)]
pub(super) struct DeferredSearches {
    sender: Sender<JoinedRecords>,
    found: Receiver<JoinedRecords>,
}

impl DeferredSearches {
    pub(super) fn new() -> Self {
        let (sender, found) = channel();
        DeferredSearches { sender, found }
    }

    /// The search of one more block.
    pub(super) fn next(&self, framing: NewMessageFraming) -> PendingSearch {
        PendingSearch { framing, found: self.sender.clone() }
    }

    /// What all of them found, once the last is done or given up.
    pub(super) fn finish(self) -> JoinedRecords {
        let DeferredSearches { sender, found } = self;
        drop(sender);
        found.iter().fold(JoinedRecords::default(), |all, found| all.join(&found))
    }
}

/// A header line inside a payload.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct InnerHeader {
    /// Where in the payload it begins.
    at: usize,
    /// Whether the message before it is whole, so that it cannot be a part of it.
    is_proven: bool,
}

/// Finds the first line of a payload that has the form of the header line of another record, as all recorders write it.
/// What stands at the front has no message before it: the reader knows that case.
fn inner_header(kind: Kind, payload: &[u8], framing: NewMessageFraming) -> Option<InnerHeader> {
    let at = line_of_word_of_one(payload, |line| is_header_at(payload, line))?;
    let before = strip_line_end(&payload[..at]);
    let mut framing = framing(kind);
    // An empty line may have taken the separator's place.
    let is_proven = framing.is_whole(strip_line_end(before)) || framing.is_whole(before);
    Some(InnerHeader { at, is_proven })
}

/// How many bytes are looked at at once.
const AT_ONCE: usize = 32;

/// The first line that begins with a word of one byte and a space and that `is_it`. It is not looked for at the front,
/// nor among the last bytes, which are fewer than a header line has.
fn line_of_word_of_one(text: &[u8], is_it: impl Fn(usize) -> bool) -> Option<usize> {
    let (feeds, _) = text.as_chunks::<AT_ONCE>();
    let (spaces, _) = text.get(2..)?.as_chunks::<AT_ONCE>();
    for (number, (feeds, spaces)) in feeds.iter().zip(spaces).enumerate() {
        let feeds = u8x32::new(*feeds).simd_eq(u8x32::splat(b'\n'));
        let spaces = u8x32::new(*spaces).simd_eq(u8x32::splat(b' '));
        let mut found = (feeds & spaces).to_bitmask();
        while found != 0 {
            let line = number * AT_ONCE + found.trailing_zeros() as usize + 1;
            if is_it(line) {
                return Some(line);
            }
            found &= found - 1;
        }
    }
    None
}

/// Whether a line of a payload is the header line of another record, with something behind it.
fn is_header_at(payload: &[u8], line: usize) -> bool {
    let text = payload[line..].get(..MAX_HEADER).unwrap_or(&payload[line..]);
    let Some(length) = memchr(b'\n', text) else { return false };
    let text = text[..length].strip_suffix(b"\r").unwrap_or(&text[..length]);
    line + length + 1 < payload.len() && Header::parse(text).is_ok_and(|header| header.is_usual())
}

/// Without the line feed at its end.
fn strip_line_end(bytes: &[u8]) -> &[u8] {
    bytes.strip_suffix(b"\n").unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use proptest::prelude::*;

    use super::super::tests::EndsInMark;
    use super::*;

    const HEADER: &str = "1 c74e1f900a00000200000001 1790000000000000000 5\n";

    fn found(payload: &str) -> Option<(usize, bool)> {
        inner_header(Kind::Request, payload.as_bytes(), |_| Box::new(EndsInMark))
            .map(|inner| (inner.at, inner.is_proven))
    }

    #[test]
    fn a_header_line_is_found_and_proven_where_the_message_before_it_is_whole() {
        for (payload, expected) in [
            (format!("hello\n{HEADER}GET"), Some((6, false))),
            (format!("hello!\n{HEADER}GET"), Some((7, true))),
            (format!("hello!\n\n{HEADER}GET"), Some((8, true))),
            (format!("hello\n{}GET", HEADER.replace('\n', "\r\n")), Some((6, false))),
            // Nothing is behind it, or before it on its line, or its time or id is not one.
            (format!("hello\n{HEADER}"), None),
            (format!("hello {HEADER}GET"), None),
            (format!("hello\n{}GET", HEADER.replace("179", "17")), None),
            (format!("hello\n{}GET", HEADER.replace("c74e", "xxxx")), None),
        ] {
            assert_eq!(found(&payload), expected, "{payload:?}");
        }
    }

    /// What may be overlooked is shorter than the shortest header line with a line end before it and text behind it.
    const SHORTEST: usize = "\n1 0123456789abcdef 946684800000000000\nx".len();

    proptest! {
        #[test]
        fn a_header_line_is_found_wherever_it_stands(before in "[ -~]{1,100}", digits in "9[0-9]{17}|1[0-9]{18}", after in ".{1,40}") {
            let payload = format!("{before}\n2 0123456789abcdef01234567 {digits} 7\n{after}");
            prop_assume!(digits.parse::<i64>().is_ok_and(|time| time >= 946_684_800_000_000_000));
            prop_assert_eq!(found(&payload).map(|(at, _)| at), Some(before.len() + 1));
        }

        #[test]
        fn a_word_of_one_byte_is_found_wherever_it_stands(text in "[a \n]{0,130}") {
            let bytes = text.as_bytes();
            let is_one = |line: usize| bytes[line - 1] == b'\n' && bytes[line + 1] == b' ';
            let expected: Vec<_> = (1..bytes.len().saturating_sub(1)).filter(|&line| is_one(line)).collect();
            let found = RefCell::new(Vec::new());
            let none = line_of_word_of_one(bytes, |line| {
                found.borrow_mut().push(line);
                false
            });
            prop_assert_eq!(none, None);
            let found = found.into_inner();
            prop_assert!(expected.starts_with(&found), "{:?} of {:?}", found, expected);
            prop_assert!(expected[found.len()..].iter().all(|&line| line + SHORTEST - 1 > bytes.len()));
        }
    }
}
