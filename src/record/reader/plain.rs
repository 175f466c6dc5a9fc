//! The quick way through records as all recorders write them, which nearly all are.
//!
//! It takes a record only where each test of [`Reader::find`] would go one way without looking further: a
//! [plain](Header::plain) header line that ends in LF, a payload whose first byte shows that there is one, the
//! separator itself, and behind it another plain header line. Everything else, what is at the end of the input too, is
//! left to [`Reader::find`].

use std::io::Read;

use memchr::memchr_iter;

use super::super::block::Block;
use super::super::header::{Header, SEPARATOR};
use super::super::header_line::HeaderLine;
use super::super::separator::MONKEYS;
use super::super::span::RecordSpan;
use super::Reader;

/// The first byte of a separator line. Text has it rarely.
const RARE: u8 = MONKEYS[0];

impl<R: Read> Reader<R> {
    /// Takes plain records off the front of `block` from `next` on, where a record begins, and returns where they end.
    pub(super) fn take_plain(&mut self, block: &mut Block, mut next: usize) -> usize {
        if self.is_at_end || self.scanned > 0 || self.holds_separator {
            return next;
        }
        let known = self.known_line.filter(|line| line.length.is_none() && !line.is_crlf);
        let Some(mut line) = known.or_else(|| plain_line(&block.buffer[next..block.filled])) else {
            return next;
        };
        loop {
            let bytes = &block.buffer[next..block.filled];
            let payload = line.span.payload as usize;
            let Some(payload_end) = plain_end(bytes, payload) else { break };
            let end = payload_end + SEPARATOR.len();
            let Some(following) = plain_line(&bytes[end..]) else { break };
            if payload_end as u64 > self.options.max_record {
                break;
            }
            let span = RecordSpan { payload_end: payload_end as u32, end: end as u32, ..line.span };
            self.add(block, next, span);
            next += end;
            line = following;
        }
        self.known_line = Some(line);
        next
    }
}

/// The header line that `bytes` begins with, if it is a plain one that ends in LF.
#[inline]
fn plain_line(bytes: &[u8]) -> Option<HeaderLine> {
    let (header, length) = Header::plain(bytes)?;
    if bytes.get(length) != Some(&b'\n') {
        return None;
    }
    let payload = length + 1;
    let span = RecordSpan::new(&header, 0, payload..payload, payload);
    Some(HeaderLine { span, length: None, is_crlf: false })
}

/// Where the payload that begins at `payload` ends, if it does not begin as a header line or a separator does.
#[inline]
fn plain_end(bytes: &[u8], payload: usize) -> Option<usize> {
    let text = &bytes[payload..];
    if matches!(text.first(), None | Some(b'1'..=b'3' | &RARE)) {
        return None;
    }
    let opening =
        memchr_iter(RARE, text).find(|&at| text[at - 1] == b'\n' && text[at..].starts_with(MONKEYS))?;
    (text.get(opening + MONKEYS.len()) == Some(&b'\n')).then_some(payload + opening - 1)
}
