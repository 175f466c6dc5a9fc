//! Whole records in one buffer, and views of them.

use std::io::{Read, Write};
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use memchr::{memchr, memmem};
use wide::u8x16;

use super::checkpoint::Revocation;
use super::header::{Header, Kind, SEPARATOR};
use super::header_line::begins_with_header;
use super::joined::PendingSearch;
use super::span::RecordSpan;
use crate::Position;

/// One record of a [`Block`], its bytes borrowed from there.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The header line, taken apart.
    pub header: Header<'a>,
    /// The message as it was on the wire.
    pub payload: &'a [u8],
    /// Everything: header line, payload and separator.
    pub raw: &'a [u8],
    /// Where the record stood in the stream it was read from.
    pub position: Position,
}

/// Whole records, as gor text in one buffer.
///
/// Records may have unused bytes between them (what was malformed there),
/// so neighbours are not always adjacent; [`Block::runs`] knows.
#[derive(Debug, Default)]
pub struct Block {
    /// The text. Beyond `filled` stands room that was already paid for.
    pub(super) buffer: Vec<u8>,
    pub(super) filled: usize,
    pub(super) spans: Vec<RecordSpan>,
    /// Where the buffer's first byte stood in its stream, modulo 2^64: what is unused at the front may be longer than all
    /// that was before.
    pub(super) origin: Position,
    /// Tells whether the source wants the records back, if it may.
    revocation: Option<Arc<Revocation>>,
    /// The search that its reader has left to whoever works on it.
    pub(super) pending_search: Option<PendingSearch>,
}

impl Block {
    /// An empty block.
    pub fn new() -> Self {
        Block::default()
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Forgets the records, keeps the memory.
    pub fn clear(&mut self) {
        self.filled = 0;
        self.spans.clear();
        self.origin = Position::default();
        self.revocation = None;
        self.pending_search = None;
    }

    /// Does the search that the source has left to whoever works on the block, if it has: see
    /// [`Source::defer_searches`](super::Source::defer_searches).
    pub fn search(&mut self) {
        if let Some(search) = self.pending_search.take() {
            search.run(&self.buffer, &self.spans, self.origin);
        }
    }

    /// Has the source want its records back with others.
    pub fn set_revocation(&mut self, revocation: Arc<Revocation>) {
        self.revocation = Some(revocation);
    }

    /// What tells whether the source wants the records back, if it may.
    pub fn revocation(&self) -> Option<&Arc<Revocation>> {
        self.revocation.as_ref()
    }

    /// Whether the source wants the records back.
    pub fn is_revoked(&self) -> bool {
        self.revocation.as_ref().is_some_and(|revocation| revocation.is_revoked())
    }

    /// Makes room for so many bytes of text at once, so that it need not grow as they come.
    pub fn reserve(&mut self, bytes: usize) {
        self.buffer.reserve(bytes.saturating_sub(self.buffer.len() - self.filled));
    }

    /// The text of all records, and of what stood between them.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.start()..self.filled]
    }

    /// Where the first record begins.
    fn start(&self) -> usize {
        self.spans.first().map_or(self.filled, |first| first.start as usize)
    }

    /// The kind of the record at `index`, which must be less than [`Block::len`].
    pub fn kind(&self, index: usize) -> Kind {
        self.spans[index].kind
    }

    /// The record at `index`, which must be less than [`Block::len`].
    pub fn get(&self, index: usize) -> View<'_> {
        let span = &self.spans[index];
        let (start, payload) = (span.start as usize, span.payload as usize);
        // A header line begins with the kind's digit and a space.
        let id = start + 2;
        let line_end = payload - 1;
        let raw = &self.buffer[start..span.end as usize];
        View {
            header: Header {
                kind: span.kind,
                id: &self.buffer[id..id + span.id_len as usize],
                timestamp: span.timestamp,
                latency: span.latency,
                length: span.has_length.then(|| u64::from(span.payload_end - span.payload)),
                mark: span.mark,
                extra: &self.buffer[line_end - span.extra_len as usize..line_end],
            },
            payload: &self.buffer[payload..span.payload_end as usize],
            raw,
            position: Position {
                record: self.origin.record + u64::from(span.number),
                byte: self.origin.byte.wrapping_add(u64::from(span.start.wrapping_sub(span.moved))),
            },
        }
    }

    /// All records in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = View<'_>> {
        (0..self.spans.len()).map(|index| self.get(index))
    }

    /// The records that `keep` says yes to, in as few runs as possible:
    /// neighbours come as one.
    pub fn runs<'a>(
        &'a self,
        mut keep: impl FnMut(usize) -> bool + 'a,
    ) -> impl Iterator<Item = Run<'a>> + 'a {
        let mut index = 0;
        std::iter::from_fn(move || {
            while index < self.spans.len() && !keep(index) {
                index += 1;
            }
            let first = index;
            let mut end = self.spans.get(first)?.end;
            index += 1;
            while let Some(next) = self.spans.get(index)
                && next.start == end
                && keep(index)
            {
                end = next.end;
                index += 1;
            }
            Some(Run { block: self, records: first..index })
        })
    }

    /// These records, in as few runs as possible: what is malformed between
    /// two of them parts them. A range that goes beyond the end ends there.
    pub fn runs_in(&self, records: Range<usize>) -> impl Iterator<Item = Run<'_>> {
        let mut index = records.start;
        let last = records.end.min(self.spans.len());
        std::iter::from_fn(move || {
            if index >= last {
                return None;
            }
            let first = index;
            index += 1;
            while index < last && self.spans[index].start == self.spans[index - 1].end {
                index += 1;
            }
            Some(Run { block: self, records: first..index })
        })
    }

    /// Takes the last record away.
    pub fn pop(&mut self) {
        if let Some(span) = self.spans.pop() {
            self.filled = span.start as usize;
        }
    }

    /// Numbers the records as those that follow so many records and bytes.
    pub fn continue_after(&mut self, records: u64, bytes: u64) {
        self.origin = Position { record: records + 1, byte: bytes };
    }

    /// Adds a record.
    ///
    /// The header's length field is set here: it is written when the payload
    /// holds a line that would be taken for the separator, or begins with one
    /// that would be taken for a header, or when a mark says that the message is not whole, and left out otherwise. A latency
    /// that is absent becomes 0 where a length must follow it.
    pub fn push(&mut self, header: &Header<'_>, payload: &[u8]) {
        let needs_length = header.mark.is_some() || !header.extra.is_empty() || needs_length(payload);
        let length = needs_length.then_some(payload.len() as u64);
        let latency = header.latency.or(needs_length.then_some(0));
        self.buffer.truncate(self.filled);
        let start = self.filled;
        header.write_with(latency, length, &mut self.buffer);
        let payload_start = self.buffer.len();
        self.buffer.extend_from_slice(payload);
        let payload_end = self.buffer.len();
        self.buffer.extend_from_slice(SEPARATOR);
        self.filled = self.buffer.len();
        let mut span = RecordSpan::new(header, start, payload_start..payload_end, self.filled);
        (span.latency, span.has_length) = (latency, needs_length);
        span.number = self.spans.len() as u32;
        self.spans.push(span);
    }

    /// Adds a record with another payload, which is given in two parts, and the header of [`Block::push`].
    pub fn push_message(&mut self, record: &View<'_>, parts: [&[u8]; 2]) {
        let header = &record.header;
        if header.length.is_some() || header.mark.is_some() || !header.extra.is_empty() {
            return self.push(header, &parts.concat());
        }
        // The header line goes on as it is, which is quicker than to write it.
        let line = record.raw.len() - record.payload.len() - SEPARATOR.len();
        let start = self.make_room(&record.raw[..line]);
        for part in parts {
            self.buffer.extend_from_slice(part);
        }
        let payload = start + line..self.buffer.len();
        if needs_length(&self.buffer[payload.clone()]) {
            self.filled = start;
            return self.push(header, &parts.concat());
        }
        self.buffer.extend_from_slice(SEPARATOR);
        self.filled = self.buffer.len();
        let mut span = RecordSpan::new(header, start, payload, self.filled);
        span.number = self.spans.len() as u32;
        self.spans.push(span);
    }

    /// Adds a copy of records of another block, of any input: they are numbered
    /// on from those before them, unlike by [`Block::append`].
    pub fn append_renumbered(&mut self, records: &Run<'_>) {
        let start = self.make_room(records.bytes());
        let spans = &records.block.spans[records.records.clone()];
        let Some(first) = spans.first().map(|span| span.start) else { return };
        let number = self.spans.len() as u32;
        self.spans.extend(spans.iter().zip(number..).map(|(span, number)| {
            let moved = |at: u32| at - first + start as u32;
            RecordSpan {
                start: moved(span.start),
                payload: moved(span.payload),
                payload_end: moved(span.payload_end),
                end: moved(span.end),
                number,
                moved: 0,
                ..*span
            }
        }));
    }

    /// Adds a record with another timestamp. Nothing else of its text changes.
    pub fn push_at(&mut self, record: &View<'_>, timestamp: i64) {
        // The kind's digit, a space, the id, a space.
        let time = 2 + record.header.id.len() + 1;
        let after = record.raw[time..].iter().position(|byte| matches!(byte, b' ' | b'\n'));
        let rest = time + after.unwrap_or_default();
        let start = self.make_room(&record.raw[..time]);
        // Writing into a vector cannot fail.
        let _ = write!(self.buffer, "{timestamp}");
        self.buffer.extend_from_slice(&record.raw[rest..]);
        self.filled = self.buffer.len();
        let end = self.filled - SEPARATOR.len();
        let header = Header { timestamp, ..record.header };
        let mut span = RecordSpan::new(&header, start, end - record.payload.len()..end, self.filled);
        span.number = self.spans.len() as u32;
        self.spans.push(span);
    }

    /// Replaces what the block holds with records that were written down as
    /// blocks have them ([`Run::bytes`]), one after the other: `lengths` are
    /// those of each record's text.
    pub fn load(&mut self, input: &mut impl Read, lengths: &[u32]) -> crate::Result<()> {
        self.clear();
        let total: usize = lengths.iter().map(|&length| length as usize).sum();
        if self.buffer.len() < total {
            self.buffer.resize(total, 0);
        }
        input.read_exact(&mut self.buffer[..total])?;
        let mut start = 0;
        for (&length, number) in lengths.iter().zip(0..) {
            let end = start + length as usize;
            let raw = &self.buffer[start..end];
            let line = raw.split(|&byte| byte == b'\n').next().unwrap_or_default();
            let payload = start + line.len() + 1..end.saturating_sub(SEPARATOR.len());
            let header =
                Header::parse(line).ok().filter(|_| raw.ends_with(SEPARATOR) && payload.start <= payload.end);
            let header = header.ok_or_else(|| std::io::Error::from(std::io::ErrorKind::InvalidData))?;
            let mut span = RecordSpan::new(&header, start, payload, end);
            span.number = number;
            self.spans.push(span);
            start = end;
        }
        self.filled = total;
        Ok(())
    }

    /// Writes the length into the header of each record that needs it and
    /// lacks it, all in one pass.
    pub(super) fn write_lengths(&mut self) {
        let mut text = Vec::with_capacity(self.filled + self.filled / 4);
        let mut copied = self.start();
        for index in 0..self.spans.len() {
            let mut span = self.spans[index];
            // A header line is usually longer afterwards, but one with odd numbers may be shorter.
            span.moved = (text.len() as u32).wrapping_sub(copied as u32);
            let mut moved = span.moved;
            if span.lacks_length {
                let header = self.get(index).header;
                let length = Some(u64::from(span.payload_end - span.payload));
                let header = Header { length, latency: header.latency.or(Some(0)), ..header };
                text.extend_from_slice(&self.buffer[copied..span.start as usize]);
                header.write(&mut text);
                copied = span.payload as usize;
                moved = (text.len() as u32).wrapping_sub(copied as u32);
                span.latency = header.latency;
                span.has_length = true;
                span.lacks_length = false;
            }
            span.start = span.start.wrapping_add(span.moved);
            span.payload = span.payload.wrapping_add(moved);
            span.payload_end = span.payload_end.wrapping_add(moved);
            span.end = span.end.wrapping_add(moved);
            self.spans[index] = span;
        }
        text.extend_from_slice(&self.buffer[copied..self.filled]);
        self.filled = text.len();
        self.buffer = text;
    }

    /// Appends text and returns where it begins.
    fn make_room(&mut self, text: &[u8]) -> usize {
        self.buffer.truncate(self.filled);
        self.buffer.extend_from_slice(text);
        let start = self.filled;
        self.filled = self.buffer.len();
        start
    }
}

impl Block {
    /// Adds a copy of records as they stand in another block. They keep their
    /// numbers; where they stood in bytes is known of the first only.
    pub fn append(&mut self, run: &Run<'_>) {
        let from = run.block;
        let spans = &from.spans[run.records.clone()];
        let Some(first) = spans.first() else { return };
        if self.is_empty() {
            self.filled = 0;
            self.origin = Position {
                record: from.origin.record + u64::from(first.number),
                byte: from.origin.byte.wrapping_add(u64::from(first.start.wrapping_sub(first.moved))),
            };
        }
        self.buffer.truncate(self.filled);
        self.buffer.extend_from_slice(run.bytes());
        let (start, filled) = (first.start, self.filled as u32);
        let number_of = |number: u32| from.origin.record + u64::from(number);
        self.spans.extend(spans.iter().map(|span| RecordSpan {
            start: span.start - start + filled,
            payload: span.payload - start + filled,
            payload_end: span.payload_end - start + filled,
            end: span.end - start + filled,
            number: number_of(span.number).saturating_sub(self.origin.record) as u32,
            moved: 0,
            ..*span
        }));
        self.filled = self.buffer.len();
    }
}

/// Records of a block whose text lies together, so that it can be written as
/// one piece. There is at least one.
#[derive(Clone, Debug)]
pub struct Run<'a> {
    block: &'a Block,
    records: Range<usize>,
}

impl<'a> Run<'a> {
    /// The text of all of them.
    pub fn bytes(&self) -> &'a [u8] {
        let spans = &self.block.spans[self.records.clone()];
        let (Some(first), Some(last)) = (spans.first(), spans.last()) else { return &[] };
        &self.block.buffer[first.start as usize..last.end as usize]
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is no record, which never is.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Where each record ends, in bytes from the beginning of the run.
    pub fn ends(&self) -> impl ExactSizeIterator<Item = usize> + use<'a> {
        let spans = &self.block.spans[self.records.clone()];
        let first = spans.first().map_or(0, |first| first.start);
        spans.iter().map(move |span| (span.end - first) as usize)
    }

    /// The records one by one.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = View<'a>> + use<'a> {
        let block = self.block;
        self.records.clone().map(|index| block.get(index))
    }

    /// A part of the run: the records from the `range.start`th of it up to
    /// the `range.end`th, which is left out.
    #[must_use]
    pub fn part(&self, range: Range<usize>) -> Run<'a> {
        let first = self.records.start;
        let end = (first + range.end).min(self.records.end);
        Run { block: self.block, records: (first + range.start).min(end)..end }
    }
}

/// Whether a reader would go wrong in this payload if it were not told its length.
pub(super) fn needs_length(payload: &[u8]) -> bool {
    // What lacks the first byte of a monkey holds none, which is quicker to see.
    !is_short_ascii(payload) && memchr(SEPARATOR[1], payload).is_some() && holds_separator(payload)
        || begins_with_header(payload, true) == Some(true)
}

/// Whether all of these bytes are ASCII, where they are so few that `memchr` takes longer for its choice of instructions
/// than for a search, as most messages are.
fn is_short_ascii(bytes: &[u8]) -> bool {
    const AT_ONCE: usize = 16;
    const SHORT: usize = 1024;
    let Some(last) = bytes.last_chunk::<AT_ONCE>().filter(|_| bytes.len() <= SHORT) else { return false };
    let (chunks, _) = bytes.as_chunks::<AT_ONCE>();
    // Without leaving early: one instruction for each chunk.
    let all = chunks.iter().fold(u8x16::new(*last), |all, chunk| all | u8x16::new(*chunk));
    all.to_bitmask() == 0
}

/// Whether a reader could take a line of the payload for the separator.
///
/// The payload is followed by a line feed and preceded by one, so a separator
/// at its very edges counts too, and so does one with CRLF line ends.
pub(super) fn holds_separator(payload: &[u8]) -> bool {
    static MONKEYS: LazyLock<memmem::Finder<'static>> =
        LazyLock::new(|| memmem::Finder::new(&SEPARATOR[1..SEPARATOR.len() - 1]));
    let monkeys = MONKEYS.needle();
    MONKEYS.find_iter(payload).any(|at| {
        let starts_line = at == 0 || payload[at - 1] == b'\n';
        let ends_line =
            matches!(&payload[at + monkeys.len()..], [] | [b'\n', ..] | [b'\r'] | [b'\r', b'\n', ..]);
        starts_line && ends_line
    })
}

#[cfg(test)]
mod tests {
    use super::{is_short_ascii, needs_length};
    use crate::record::SEPARATOR;

    #[test]
    fn no_byte_beyond_ascii_is_overlooked() {
        for length in (0..130).chain(1020..1030) {
            let mut bytes = vec![0x7f; length];
            assert_eq!(is_short_ascii(&bytes), (16..=1024).contains(&length), "{length}");
            for at in 0..length {
                bytes[at] = 0x80;
                assert!(!is_short_ascii(&bytes), "{at} of {length}");
                bytes[at] = 0x7f;
            }
        }
    }

    #[test]
    fn a_separator_needs_a_length_wherever_it_is() {
        for before in 0..70 {
            for after in [0, 1, 40] {
                let payload = [&vec![b'a'; before][..], SEPARATOR, &vec![b'b'; after]].concat();
                assert!(needs_length(&payload), "{before} before and {after} after it");
            }
        }
    }
}
