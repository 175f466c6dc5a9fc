//! Bytes in, blocks of records out: tolerant, bounded, and never fooled by a body.

mod find;
mod plain;

use find::{FindResult, SearchAllowance};

use super::block::Block;
use super::framing::{MessageFraming, NewMessageFraming, Unframed};
use super::header::{Malformed, Mark, SEPARATOR};
use super::header_line::HeaderLine;
use super::joined::{DeferredSearches, JoinedRecords};
use super::separator::{Search, filler, find_separator, nuls};
use super::source::{Intake, Source};
use super::span::RecordSpan;
use super::text_feed::TextFeed;
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

/// How to read.
#[derive(Clone, Copy, Debug)]
pub struct ReaderOptions {
    /// Longest record accepted, in bytes; capped at [`MAX_MAX_RECORD`].
    pub max_record: u64,
    /// Whether the first malformed record is an error.
    pub is_strict: bool,
    /// Most bytes asked of the input at once, from 16 KiB to a megabyte. A
    /// block is about as large.
    pub most_read: usize,
    /// Whether header lines are read as GoReplay does: a time that is no number is none, another kind is no request, and
    /// what stands behind the latency may be anything. Such records go on as they are.
    pub is_lenient: bool,
    /// Tells where a payload is a whole message. Asked where a separator is
    /// followed by no header, and at the end of the input.
    pub framing: NewMessageFraming,
}

impl Default for ReaderOptions {
    fn default() -> Self {
        ReaderOptions {
            max_record: DEFAULT_MAX_RECORD,
            is_strict: false,
            most_read: READ_SIZE,
            is_lenient: false,
            framing: |_| Box::new(Unframed),
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
pub struct Reader<F> {
    input: F,
    options: ReaderOptions,
    read_size: usize,
    /// What was read after the last whole record.
    tail: Vec<u8>,
    /// Where the tail begins in the stream.
    position: Position,
    /// How much of the tail's record was searched for its end.
    scanned: usize,
    /// The framing of that record's message, if it was asked.
    framing: Option<Box<dyn MessageFraming>>,
    allowance: SearchAllowance,
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
    known_line: Option<HeaderLine>,
    is_at_end: bool,
    /// What ended the input early. Told after the records before it.
    failure: Option<Error>,
    intake: Intake,
    joined: JoinedRecords,
    /// Where blocks are searched by whoever works on them.
    deferred: Option<DeferredSearches>,
}

impl<F: TextFeed> Reader<F> {
    /// Reads from `input`, which needs no buffer of its own.
    pub fn new(input: F, options: ReaderOptions) -> Self {
        Reader {
            input,
            options: ReaderOptions {
                max_record: options.max_record.min(MAX_MAX_RECORD),
                most_read: options.most_read.clamp(FIRST_READ, READ_SIZE),
                ..options
            },
            read_size: FIRST_READ,
            tail: Vec::new(),
            position: Position { record: 1, byte: 0 },
            scanned: 0,
            framing: None,
            allowance: SearchAllowance::full(0),
            holds_separator: false,
            lacks_length: false,
            is_in_nuls: false,
            skip_exactly: 0,
            is_skipping: false,
            known_line: None,
            is_at_end: false,
            failure: None,
            intake: Intake::default(),
            joined: JoinedRecords::default(),
            deferred: None,
        }
    }

    /// The same for an input that is the rest of a stream from here on.
    #[must_use]
    pub fn starting_at(self, position: Position) -> Self {
        Reader { position, allowance: SearchAllowance::full(position.byte), ..self }
    }

    /// What the bytes come from.
    pub fn input_mut(&mut self) -> &mut F {
        &mut self.input
    }

    /// Whether a part of a record was read whose rest is still to come.
    pub fn has_partial(&self) -> bool {
        !self.tail.is_empty() || self.is_skipping || self.skip_exactly > 0
    }

    /// Records whose payloads hold what looks like the header line of another one, whose separator may be missing.
    ///
    /// Asked at the end: searches that were left to others are waited for, and later blocks are searched here.
    pub fn joined(&mut self) -> JoinedRecords {
        if let Some(deferred) = self.deferred.take() {
            self.joined = self.joined.join(&deferred.finish());
        }
        self.joined
    }

    /// Searches the block for other records' header lines, or leaves that to whoever works on it.
    fn search(&mut self, block: &mut Block) {
        let framing = self.options.framing;
        match &self.deferred {
            // Of records whose length is about to be written it could not be told that they had none.
            Some(deferred) if !self.lacks_length && !block.is_empty() => {
                block.pending_search = Some(deferred.next(framing));
            }
            _ => {
                let found = JoinedRecords::of_block(&block.buffer, &block.spans, block.origin, framing);
                self.joined = self.joined.join(&found);
            }
        }
    }

    /// Reads once, behind the text of `block` from `next` on, and returns where that text begins then. Nothing before it is
    /// kept.
    fn fill(&mut self, block: &mut Block, next: usize) -> usize {
        let kept = block.filled - next;
        if next > 0 {
            // What is skipped needs no room, however long it is.
            block.buffer.copy_within(next..block.filled, 0);
        }
        let text = match self.input.read_more(&mut block.buffer, kept, self.read_size) {
            Ok(text) => text,
            Err(error) => {
                self.failure = Some(error.into());
                0..kept
            }
        };
        let read = text.len() - kept;
        self.is_at_end = read == 0;
        if read >= self.read_size {
            self.read_size = self.options.most_read.min(self.read_size * 2);
        }
        self.intake.bytes += read as u64;
        block.filled = text.end;
        // There may be more room before the text than the stream has bytes before it.
        block.origin.byte = block.origin.byte.wrapping_add(next as u64).wrapping_sub(text.start as u64);
        text.start
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
            next = self.take_plain(block, next);
            let at = block.origin.byte.wrapping_add(next as u64);
            let found = self.find(&mut block.buffer[next..block.filled], at);
            // Half a line end may be one between NULs.
            self.is_in_nuls &= matches!(found, FindResult::NeedMore);
            match found {
                FindResult::Record { span, length } => {
                    self.add(block, next, span);
                    next += length;
                }
                FindResult::NeedMore => return Ok(next),
                FindResult::Noise(reason, length) => {
                    self.count(block, next, reason)?;
                    next += length;
                }
                FindResult::Malformed(reason) => {
                    self.count(block, next, reason)?;
                    self.is_skipping = true;
                }
                FindResult::Lost { reason, skip } => {
                    let position = self.refuse(block, next);
                    if self.options.is_strict {
                        return Err(Error::Malformed { position, reason });
                    }
                    self.intake.lost += 1;
                    self.intake.first_lost.get_or_insert((position, reason));
                    self.skip_exactly = skip as u64;
                    self.is_skipping = true;
                }
                FindResult::TooLarge { length } => {
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

    /// Adds a record that was found at `next`, from where its span counts.
    #[inline]
    fn add(&mut self, block: &mut Block, next: usize, mut span: RecordSpan) {
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
        self.forget_front();
        self.is_in_nuls = false;
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
        let byte = block.origin.byte.wrapping_add(next as u64);
        let position = Position { record: self.position.record, byte };
        self.position.record += 1;
        self.forget_front();
        self.holds_separator = false;
        position
    }

    /// Goes on from the record at the front, of which nothing need be known any more.
    #[inline]
    fn forget_front(&mut self) {
        self.scanned = 0;
        self.framing = None;
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
            && !(self.options.framing)(last.header.kind).is_whole(last.payload)
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

impl<F: TextFeed> Source for Reader<F> {
    fn read_block(&mut self, block: &mut Block) -> Result<bool> {
        block.clear();
        block.origin = self.position;
        if block.buffer.len() > KEEP_BUFFER && self.tail.len() < READ_SIZE {
            block.buffer = Vec::new();
        }
        let tail = std::mem::take(&mut self.tail);
        if block.buffer.len() < tail.len() {
            block.buffer.resize(tail.len(), 0);
        }
        block.buffer[..tail.len()].copy_from_slice(&tail);
        block.filled = tail.len();
        self.tail = tail;
        self.tail.clear();

        let mut next = 0;
        while !self.is_at_end && block.is_empty() {
            next = self.fill(block, next);
            match self.split(block, next) {
                Ok(stopped_at) => next = stopped_at,
                Err(error) => {
                    self.failure = Some(error);
                    self.is_at_end = true;
                    next = block.filled;
                }
            }
        }
        self.tail.extend_from_slice(&block.buffer[next..block.filled]);
        block.filled = next;
        self.position.byte = block.origin.byte.wrapping_add(next as u64);
        if self.is_at_end {
            self.finish(block);
        }
        self.search(block);
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

    fn defer_searches(&mut self) {
        self.deferred.get_or_insert_with(DeferredSearches::new);
    }
}
