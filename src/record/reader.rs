//! Bytes in, blocks of records out: tolerant, bounded, and never fooled by a body.

use std::io::{ErrorKind, Read};

use memchr::memchr;

use super::block::{Block, Span};
use super::header::{Header, Kind, MAX_HEADER, Malformed, Mark, SEPARATOR};
use super::separator::{
    Ending, MONKEYS, OPENING, Search, filler, find_separator, may_become_separator, nuls, partial_separator,
    separator_at,
};
use super::source::{Intake, Source};
use crate::{Error, Position, Result};

/// Bytes asked of the input at first. A read that gives all of them doubles it.
const FIRST_READ: usize = 1 << 14;

/// Most bytes ever asked of the input at once, and asked unless told otherwise.
const READ_SIZE: usize = 1 << 20;

/// A buffer that a giant record made larger than this is given back.
const KEEP_BUFFER: usize = 8 * READ_SIZE;

/// Largest record accepted unless the user says otherwise: 1 GiB.
pub const DEFAULT_MAX_RECORD: u64 = 1 << 30;

/// Largest limit a user can set: offsets within a block are of 32 bits.
pub const MAX_MAX_RECORD: u64 = 3 << 30;

/// Most payload that is searched for its end where its length cannot be right.
const SEARCHED_PAYLOAD: usize = 1 << 20;

/// How to read.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Longest record accepted, in bytes; capped at [`MAX_MAX_RECORD`].
    pub max_record: u64,
    /// Whether the first malformed record is an error.
    pub is_strict: bool,
    /// Most bytes asked of the input at once, from 16 KiB to a megabyte. A
    /// block is about as large.
    pub most_read: usize,
    /// Tells whether a payload is a whole message beyond doubt. Asked where a
    /// separator is followed by no header, and at the end of the input.
    pub is_whole: fn(Kind, &[u8]) -> bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            max_record: DEFAULT_MAX_RECORD,
            is_strict: false,
            most_read: READ_SIZE,
            is_whole: |_, _| false,
        }
    }
}

/// Reads the gor text format from any stream of bytes.
///
/// Without a length field, a separator line ends a record if the input ends
/// there, if a header line follows, or if the payload is whole by its own
/// framing; otherwise it is payload, and the record is handed out with a
/// length field. With one, nothing within that length is a record, whatever
/// it looks like. Between records, empty lines and separator lines are
/// ignored, and NULs are skipped and counted. None of this depends on how the
/// input is cut into reads.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a state of its own")]
pub struct Reader<R> {
    input: R,
    options: Options,
    read_size: usize,
    /// What was read after the last whole record.
    tail: Vec<u8>,
    /// Where the tail begins in the stream.
    position: Position,
    /// How much of the tail's record was searched for its end.
    scanned: usize,
    /// Whether a separator line was judged to be part of this payload.
    holds_separator: bool,
    /// Whether a record of the block holds one and has no length field yet.
    lacks_length: bool,
    /// Whether NULs were met and counted, and no other byte since.
    is_in_nuls: bool,
    /// Bytes to throw away unseen: a payload of known length that is not handed out.
    skip_exactly: u64,
    /// Whether what comes then is thrown away up to the next separator.
    is_skipping: bool,
    /// The header line at the front, where it was met behind the record before.
    known_line: Option<Line>,
    is_at_end: bool,
    /// What ended the input early. Told after the records before it.
    failure: Option<Error>,
    intake: Intake,
}

/// What was found at the front of the bytes not yet taken apart.
enum Found {
    /// A record. The span counts from the front.
    Record { span: Span, length: usize },
    /// Nothing that can be decided before more bytes come.
    NeedMore,
    /// A record that breaks a rule.
    Malformed(Malformed),
    /// A line that is no header, right before one that is, and its length.
    Noise(Malformed, usize),
    /// A record whose length field is wrong. Its end is not before `skip`.
    Lost { reason: Malformed, skip: usize },
    /// A record beyond the limit, and how many bytes of it are known to be its own.
    TooLarge { length: u64 },
}

/// A header line taken apart, counted from its own first byte. Of its record
/// the end is not known yet.
#[derive(Clone, Copy, Debug)]
struct Line {
    span: Span,
    length: Option<u64>,
    is_crlf: bool,
}

impl Line {
    /// Parses the line that `bytes` begins with; `None` when it has no end.
    fn at(bytes: &[u8]) -> Option<Result<Line, Malformed>> {
        let (line, is_crlf) = header_line(bytes)?;
        let payload = line.len() + usize::from(is_crlf) + 1;
        Some(Header::parse(line).map(|header| Line {
            span: Span::new(&header, usize::from(is_crlf), payload..payload, payload),
            length: header.length,
            is_crlf,
        }))
    }
}

impl<R: Read> Reader<R> {
    /// Reads from `input`, which needs no buffer of its own.
    pub fn new(input: R, options: Options) -> Self {
        Reader {
            input,
            options: Options {
                max_record: options.max_record.min(MAX_MAX_RECORD),
                most_read: options.most_read.clamp(FIRST_READ, READ_SIZE),
                ..options
            },
            read_size: FIRST_READ,
            tail: Vec::new(),
            position: Position { record: 1, byte: 0 },
            scanned: 0,
            holds_separator: false,
            lacks_length: false,
            is_in_nuls: false,
            skip_exactly: 0,
            is_skipping: false,
            known_line: None,
            is_at_end: false,
            failure: None,
            intake: Intake::default(),
        }
    }

    /// The same for an input that is the rest of a stream from here on.
    #[must_use]
    pub fn starting_at(self, position: Position) -> Self {
        Reader { position, ..self }
    }

    /// Reads once, into the room after what is filled.
    fn fill(&mut self, block: &mut Block) {
        let wanted = block.filled + self.read_size;
        if block.buffer.len() < wanted {
            // A record that spans many reads must not be copied at each.
            block.buffer.resize(wanted.max(block.filled * 2), 0);
        }
        let read = loop {
            match self.input.read(&mut block.buffer[block.filled..]) {
                Ok(read) => break read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.failure = Some(error.into());
                    break 0;
                }
            }
        };
        self.is_at_end = read == 0;
        block.filled += read;
        if read >= self.read_size {
            self.read_size = self.options.most_read.min(self.read_size * 2);
        }
        self.intake.bytes += read as u64;
    }

    /// Takes whole records off the front of `block` from `next` on, and
    /// returns where it had to stop.
    fn split(&mut self, block: &mut Block, mut next: usize) -> Result<usize> {
        loop {
            let unseen = self.skip_exactly.min((block.filled - next) as u64);
            self.skip_exactly -= unseen;
            next += unseen as usize;
            if self.is_skipping {
                let (skipped, is_over) = self.skip(&block.buffer[next..block.filled]);
                next += skipped;
                self.is_skipping = !is_over;
                if !is_over {
                    return Ok(next);
                }
            }
            next += filler(&block.buffer[next..block.filled], self.is_at_end);
            if next == block.filled {
                return Ok(next);
            }
            let nuls = nuls(&block.buffer[next..block.filled]);
            if nuls > 0 {
                if !self.is_in_nuls {
                    self.count(block, next, Malformed::Nul)?;
                }
                self.is_in_nuls = true;
                next += nuls;
                continue;
            }
            let found = self.find(&mut block.buffer[next..block.filled]);
            // Half a line end may be one between NULs.
            self.is_in_nuls &= matches!(found, Found::NeedMore);
            match found {
                Found::Record { mut span, length } => {
                    span.number = (self.position.record - block.origin.record) as u32;
                    span.start += next as u32;
                    span.payload += next as u32;
                    span.payload_end += next as u32;
                    span.end += next as u32;
                    span.lacks_length = std::mem::take(&mut self.holds_separator);
                    self.lacks_length |= span.lacks_length;
                    block.spans.push(span);
                    self.intake.records += 1;
                    self.position.record += 1;
                    self.scanned = 0;
                    next += length;
                }
                Found::NeedMore => return Ok(next),
                Found::Noise(reason, length) => {
                    self.count(block, next, reason)?;
                    next += length;
                }
                Found::Malformed(reason) => {
                    self.count(block, next, reason)?;
                    self.is_skipping = true;
                }
                Found::Lost { reason, skip } => {
                    let position = self.refuse(block, next);
                    if self.options.is_strict {
                        return Err(Error::Malformed { position, reason });
                    }
                    self.intake.lost += 1;
                    self.intake.first_lost.get_or_insert((position, reason));
                    self.skip_exactly = skip as u64;
                    self.is_skipping = true;
                }
                Found::TooLarge { length } => {
                    let position = self.refuse(block, next);
                    if self.options.is_strict {
                        return Err(Error::RecordTooLarge { position, limit: self.options.max_record });
                    }
                    self.intake.too_large += 1;
                    self.intake.first_too_large.get_or_insert(position);
                    self.skip_exactly = length;
                    self.is_skipping = true;
                }
            }
        }
    }

    /// Counts what breaks a rule of the format.
    fn count(&mut self, block: &Block, next: usize, reason: Malformed) -> Result<()> {
        let position = self.refuse(block, next);
        if self.options.is_strict {
            return Err(Error::Malformed { position, reason });
        }
        self.intake.malformed += 1;
        self.intake.first_malformed.get_or_insert((position, reason));
        Ok(())
    }

    /// Goes on to the next record's number, and tells where this one stood.
    fn refuse(&mut self, block: &Block, next: usize) -> Position {
        let byte = block.origin.byte + next as u64;
        let position = Position { record: self.position.record, byte };
        self.position.record += 1;
        self.scanned = 0;
        self.holds_separator = false;
        position
    }

    /// How many bytes belong to a record that is skipped, and whether its end
    /// is among them.
    fn skip(&self, bytes: &[u8]) -> (usize, bool) {
        match find_separator(bytes, 0, self.is_at_end) {
            Search::At(ending) => (ending.payload_end + ending.separator, true),
            Search::Open(_) if self.is_at_end => (bytes.len(), true),
            // Half a separator may stand at the end.
            Search::Open(at) => (at, false),
        }
    }

    /// Looks for one record at the front of `bytes`, which is not empty and
    /// begins with no line end. Odd line ends are made regular in place.
    fn find(&mut self, bytes: &mut [u8]) -> Found {
        let line = match self.known_line.take() {
            Some(line) => line,
            None => match Line::at(bytes) {
                Some(Ok(line)) => line,
                // The payload was meant to have a length: what is in it is no record.
                Some(Err(Malformed::Length)) => return self.wrong_length(bytes),
                Some(Err(reason)) => return malformed_line(bytes, reason, self.is_at_end),
                None if bytes.len() >= MAX_HEADER => return Found::Malformed(Malformed::HeaderTooLong),
                None if self.is_at_end => return Found::Malformed(Malformed::HeaderCut),
                None => return Found::NeedMore,
            },
        };
        let Line { mut span, length, is_crlf } = line;
        let payload = span.payload as usize;
        let ending = match length {
            // Nothing that was ever written is that long.
            Some(length) if length > MAX_MAX_RECORD => Err(self.wrong_length(bytes)),
            Some(length) => self.known_end(bytes, payload, length),
            None => self.search_end(bytes, &line),
        };
        let Ending { payload_end, separator } = match ending {
            Ok(ending) => ending,
            Err(found) => return found,
        };
        if length.is_none() && (self.is_at_end || separator != SEPARATOR.len()) {
            // What ends it is made regular, and may make a separator of its last line.
            let end = bytes[payload..payload_end].strip_suffix(b"\r").unwrap_or(&bytes[payload..payload_end]);
            self.holds_separator |= end == MONKEYS || end.ends_with(OPENING);
        }
        span.payload_end = payload_end as u32;
        span.end = (payload_end + SEPARATOR.len()) as u32;
        let length = payload_end + separator;
        if is_crlf {
            // The carriage return is overwritten, its byte becomes unused.
            bytes.copy_within(..payload - 2, 1);
        }
        if separator >= SEPARATOR.len() {
            bytes[payload_end..payload_end + SEPARATOR.len()].copy_from_slice(SEPARATOR);
        } else {
            // The input ended early: `finish` puts the separator there.
            span.end = length as u32;
        }
        Found::Record { span, length }
    }

    /// The end of a payload whose length is known.
    fn known_end(&self, bytes: &[u8], payload: usize, length: u64) -> Result<Ending, Found> {
        // The separator may begin earlier than the length says, but ends no earlier.
        let skip = length.saturating_add(payload as u64).saturating_sub(SEPARATOR.len() as u64);
        let skip = skip.max(payload as u64 - 1);
        if length.saturating_add(payload as u64) > self.options.max_record {
            return Err(Found::TooLarge { length: skip });
        }
        let payload_end = payload + length as usize;
        if bytes.len() < payload_end {
            let cut = Found::Lost { reason: Malformed::PayloadCut, skip: bytes.len() };
            return Err(if self.is_at_end { cut } else { Found::NeedMore });
        }
        let after = &bytes[payload_end..];
        match separator_at(after) {
            Some(separator) => Ok(Ending { payload_end, separator }),
            None if !may_become_separator(after) => {
                Err(Found::Lost { reason: Malformed::WrongLength, skip: skip as usize })
            }
            None if self.is_at_end => Ok(Ending { payload_end, separator: after.len() }),
            None => Err(Found::NeedMore),
        }
    }

    /// Finds where a record ends whose length field cannot be right: at the
    /// separator where the payload is whole by its own framing, so that what
    /// is inside it is no record; where there is none, at the first separator.
    fn wrong_length(&mut self, bytes: &[u8]) -> Found {
        let reason = Malformed::Length;
        let Some((line, is_crlf)) = header_line(bytes) else { return Found::Malformed(reason) };
        let payload = line.len() + usize::from(is_crlf) + 1;
        let kind = match line[0] {
            b'1' => Kind::Request,
            b'2' => Kind::Response,
            _ => Kind::Replayed,
        };
        let searched = &bytes[..bytes.len().min(payload + SEARCHED_PAYLOAD)];
        let is_all = self.is_at_end || searched.len() == payload + SEARCHED_PAYLOAD;
        let mut from = self.scanned.max(payload);
        loop {
            match find_separator(searched, from, is_all) {
                Search::At(Ending { payload_end, .. }) => {
                    if (self.options.is_whole)(kind, &bytes[payload..payload_end]) {
                        return Found::Lost { reason, skip: payload_end };
                    }
                    from = payload_end + 1;
                }
                Search::Open(_) if is_all => return Found::Lost { reason, skip: payload - 1 },
                Search::Open(at) => {
                    self.scanned = at;
                    return Found::NeedMore;
                }
            }
        }
    }

    /// Looks for a separator line that stands where the payload should: then
    /// there is no payload. A payload may well begin with such a line.
    fn check_payload(&mut self, bytes: &[u8], payload: usize) -> Result<(), Found> {
        let rest = &bytes[payload - 1..];
        let follows = match separator_at(rest) {
            Some(separator) => what_follows(&rest[separator..], self.is_at_end),
            None if self.is_at_end && rest.len() >= OPENING.len() && may_become_separator(rest) => {
                Follows::Record
            }
            None if !self.is_at_end && may_become_separator(rest) => Follows::Unknown,
            None => return Ok(()),
        };
        match follows {
            Follows::Header(_) | Follows::Record => Err(Found::Malformed(Malformed::NoPayload)),
            Follows::Unknown => Err(Found::NeedMore),
            Follows::Payload => {
                self.holds_separator = true;
                Ok(())
            }
        }
    }

    /// The end of a payload whose length is not known.
    fn search_end(&mut self, bytes: &[u8], line: &Line) -> Result<Ending, Found> {
        let (payload, kind) = (line.span.payload as usize, line.span.kind);
        if self.scanned == 0 {
            self.check_payload(bytes, payload)?;
        }
        // A payload may be empty: its separator's line feed is then the header's own.
        let mut from = self.scanned.max(payload);
        loop {
            let search = find_separator(bytes, from, self.is_at_end);
            let reached = match &search {
                Search::At(ending) => ending.payload_end,
                Search::Open(at) => *at,
            };
            if reached as u64 > self.options.max_record {
                return Err(Found::TooLarge { length: reached as u64 });
            }
            self.scanned = reached;
            let ending = match search {
                Search::At(ending) => ending,
                Search::Open(_) if self.is_at_end => {
                    let left = partial_separator(&bytes[payload..], line.is_crlf);
                    return Ok(Ending { payload_end: bytes.len() - left, separator: left });
                }
                Search::Open(_) => return Err(Found::NeedMore),
            };
            let next = ending.payload_end + ending.separator;
            let is_end = match what_follows(&bytes[next..], self.is_at_end) {
                Follows::Header(line) => {
                    // It is the next that is looked for, and need not be parsed again.
                    self.known_line = Some(line);
                    true
                }
                Follows::Record => true,
                other => {
                    if (self.options.is_whole)(kind, &bytes[payload..ending.payload_end]) {
                        true
                    } else if matches!(other, Follows::Unknown) {
                        return Err(Found::NeedMore);
                    } else {
                        false
                    }
                }
            };
            if is_end {
                return Ok(ending);
            }
            self.holds_separator = true;
            from = next - 1;
        }
    }

    /// Gives the last record the separator that the input did not have.
    fn finish(&mut self, block: &mut Block) {
        let Some(span) = block.spans.last_mut() else { return };
        if span.end as usize == span.payload_end as usize + SEPARATOR.len() {
            return;
        }
        let end = span.payload_end as usize;
        span.end = (end + SEPARATOR.len()) as u32;
        block.buffer.truncate(end);
        block.buffer.extend_from_slice(SEPARATOR);
        block.filled = block.buffer.len();
        let last = block.get(block.len() - 1);
        if last.header.mark.is_none()
            && last.header.length.is_none()
            && !(self.options.is_whole)(last.header.kind, last.payload)
        {
            self.intake.unfinished = Some(last.position);
            if let Some(span) = block.spans.last_mut() {
                // Whoever reads it next could not tell.
                (span.mark, span.lacks_length) = (Some(Mark::Cut), true);
                self.lacks_length = true;
            }
        }
    }
}

impl<R: Read> Source for Reader<R> {
    fn read_block(&mut self, block: &mut Block) -> Result<bool> {
        block.clear();
        block.origin = self.position;
        if block.buffer.len() > KEEP_BUFFER && self.tail.len() < READ_SIZE {
            block.buffer = Vec::new();
        }
        let tail = std::mem::take(&mut self.tail);
        if block.buffer.len() < tail.len() {
            block.buffer.resize(tail.len() + self.read_size, 0);
        }
        block.buffer[..tail.len()].copy_from_slice(&tail);
        block.filled = tail.len();
        self.tail = tail;
        self.tail.clear();

        let mut next = 0;
        while !self.is_at_end && block.is_empty() {
            self.fill(block);
            match self.split(block, next) {
                Ok(stopped_at) => next = stopped_at,
                Err(error) => {
                    self.failure = Some(error);
                    self.is_at_end = true;
                    next = block.filled;
                }
            }
            if next > 0 && block.is_empty() {
                // What is skipped needs no room, however long it is.
                block.buffer.copy_within(next..block.filled, 0);
                block.filled -= next;
                block.origin.byte += next as u64;
                next = 0;
            }
        }
        self.tail.extend_from_slice(&block.buffer[next..block.filled]);
        block.filled = next;
        self.position.byte = block.origin.byte + next as u64;
        if self.is_at_end {
            self.finish(block);
        }
        if std::mem::take(&mut self.lacks_length) {
            block.write_lengths();
        }
        match self.failure.take_if(|_| block.is_empty()) {
            Some(error) => Err(error),
            None => Ok(!block.is_empty()),
        }
    }

    fn intake(&self) -> Intake {
        self.intake
    }
}

/// What stands after a separator.
enum Follows {
    /// A header line.
    Header(Line),
    /// The end of the input, or a header line that is damaged.
    Record,
    /// Something else.
    Payload,
    /// Too few bytes to tell.
    Unknown,
}

/// A line at the front that is no header. It is all that is lost where a
/// header line follows at once; otherwise its payload goes with it.
fn malformed_line(bytes: &[u8], reason: Malformed, is_at_end: bool) -> Found {
    let end = memchr(b'\n', bytes).map_or(bytes.len(), |end| end + 1);
    let rest = &bytes[end..];
    match Line::at(rest) {
        Some(Ok(_)) => Found::Noise(reason, end),
        None if !is_at_end && rest.len() < MAX_HEADER => Found::NeedMore,
        _ => Found::Malformed(reason),
    }
}

/// Tells what follows a separator.
fn what_follows(bytes: &[u8], is_at_end: bool) -> Follows {
    let mut rest = bytes;
    loop {
        rest = &rest[filler(rest, is_at_end)..];
        let nuls = nuls(&rest[..rest.len().min(MAX_HEADER)]);
        match nuls {
            0 => break,
            // No payload of text goes on like this.
            MAX_HEADER => return Follows::Record,
            _ => rest = &rest[nuls..],
        }
    }
    if let Some(Ok(line)) = Line::at(rest) {
        return Follows::Header(line);
    }
    match header_line(rest) {
        Some((line, _)) if Header::is_broken(line) => Follows::Record,
        None if rest.is_empty() && is_at_end => Follows::Record,
        None if rest.len() < MAX_HEADER && !is_at_end => Follows::Unknown,
        None if is_at_end && Header::is_broken(rest) => Follows::Record,
        _ => Follows::Payload,
    }
}

/// The header line that `bytes` begins with, without its line end, and
/// whether that is CRLF; `None` when it has none within the longest line
/// there is.
fn header_line(bytes: &[u8]) -> Option<(&[u8], bool)> {
    let end = memchr(b'\n', &bytes[..bytes.len().min(MAX_HEADER)])?;
    let line = &bytes[..end];
    Some(line.strip_suffix(b"\r").map_or((line, false), |line| (line, true)))
}
