//! The quick way through records as all recorders write them, which nearly all are.
//!
//! It takes a record only where each test of [`Reader::find`] would go one way without looking further: a
//! [plain](PlainHeader) header line that ends in LF, a payload whose first byte shows that there is one, the
//! separator itself, and behind it another plain header line. Everything else, what is at the end of the input too, is
//! left to [`Reader::find`].

use memchr::memchr_iter;
use wide::u8x32;

use super::super::block::Block;
use super::super::header::{PLAIN_ID, PlainHeader, SEPARATOR};
use super::super::header_line::HeaderLine;
use super::super::separator::MONKEYS;
use super::super::span::RecordSpan;
use super::super::text_feed::TextFeed;
use super::Reader;

/// The first byte of a separator line. Text has it rarely.
const RARE: u8 = MONKEYS[0];

/// How many bytes are looked at at once.
const AT_ONCE: usize = 32;

/// Up to where a separator is looked for here: the search of a library is quicker in long texts, and takes longer to begin.
const SHORT: usize = 1024;

impl<F: TextFeed> Reader<F> {
    /// Takes plain records off the front of `block` from `next` on, where a record begins, and returns where they end.
    pub(super) fn take_plain(&mut self, block: &mut Block, mut next: usize) -> usize {
        if self.is_at_end || self.scanned > 0 || self.holds_separator {
            return next;
        }
        let text = &block.buffer[..block.filled];
        let Some(mut line) = plain_line(&text[next..]) else { return next };
        let mut number = self.position.record;
        loop {
            let payload = next + line.length;
            let Some(payload_end) = plain_end(text, payload) else { break };
            let end = payload_end + SEPARATOR.len();
            let Some(following) = plain_line(&text[end..]) else { break };
            if (payload_end - next) as u64 > self.options.max_record {
                break;
            }
            block.spans.push(RecordSpan {
                start: next as u32,
                payload: payload as u32,
                payload_end: payload_end as u32,
                end: end as u32,
                number: (number - block.origin.record) as u32,
                ..span(&line)
            });
            number += 1;
            next = end;
            line = following;
        }
        let taken = number - self.position.record;
        if taken > 0 {
            self.intake.records += taken;
            self.position.record = number;
            self.forget_front();
            self.is_in_nuls = false;
        }
        self.known_line = Some(HeaderLine { span: span(&line), length: None, is_crlf: false });
        next
    }
}

/// A record whose payload is not known yet, counted from its own first byte.
#[inline]
fn span(line: &PlainHeader) -> RecordSpan {
    let payload = line.length as u32;
    RecordSpan {
        timestamp: line.timestamp,
        latency: Some(line.latency),
        start: 0,
        payload,
        payload_end: payload,
        end: payload,
        id_len: PLAIN_ID.len() as u16,
        extra_len: 0,
        kind: line.kind,
        mark: None,
        has_length: false,
        lacks_length: false,
        moved: 0,
        number: 0,
    }
}

/// The header line that `bytes` begins with, its line feed included, if it is a plain one that ends in LF.
#[inline]
fn plain_line(bytes: &[u8]) -> Option<PlainHeader> {
    let line = PlainHeader::at(bytes)?;
    (bytes.get(line.length) == Some(&b'\n')).then_some(PlainHeader { length: line.length + 1, ..line })
}

/// Where the payload that begins at `payload` ends, if it does not begin as a header line or a separator does.
#[inline]
fn plain_end(text: &[u8], payload: usize) -> Option<usize> {
    if matches!(text.get(payload), None | Some(b'1'..=b'3' | &RARE)) {
        return None;
    }
    let opening = monkeys(text, payload)?;
    (text.get(opening + MONKEYS.len()) == Some(&b'\n')).then_some(opening - 1)
}

/// The first line behind `from` that begins with the monkeys of a separator.
#[inline]
fn monkeys(text: &[u8], from: usize) -> Option<usize> {
    let is_line = |at: usize| text[at - 1] == b'\n' && text[at..].starts_with(MONKEYS);
    let mut looked = from;
    while looked < from + SHORT {
        let Some(chunk) = text[looked..].first_chunk::<AT_ONCE>() else { break };
        let mut rare = u8x32::new(*chunk).simd_eq(u8x32::splat(RARE)).to_bitmask();
        while rare != 0 {
            let at = looked + rare.trailing_zeros() as usize;
            if is_line(at) {
                return Some(at);
            }
            rare &= rare - 1;
        }
        looked += AT_ONCE;
    }
    memchr_iter(RARE, &text[looked..]).map(|at| looked + at).find(|&at| is_line(at))
}
