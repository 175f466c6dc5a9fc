//! Lines of text as a source of records.

use std::io::{ErrorKind, Read};

use memchr::memchr;

use super::{Import, ImportOptions};
use crate::record::{Block, Intake, Malformed, Source};
use crate::{Error, Position, Result};

/// Bytes asked of the input at once.
const READ: usize = 1 << 18;

/// A block is handed out when it has so many bytes, or when no whole line is left of what was read.
const BLOCK_SIZE: usize = 256 << 10;

/// A buffer that a long line made larger than this is given back.
const KEEP_BUFFER: usize = 8 * READ;

/// Bytes that a line may have beyond twice the longest record: its other fields.
const MARGIN: u64 = 64 << 10;

/// What lines hold.
pub trait LineFormat {
    /// Adds the records of a line to a block, and says how many these are. `number` counts lines from 1, empty ones
    /// included; the line is not empty, and has no white space at its ends.
    fn read(
        &mut self,
        line: &[u8],
        number: u64,
        max_record: u64,
        block: &mut Block,
    ) -> Result<u64, LineFault>;

    /// What is said of a last line without line feed that is not valid.
    fn cut(&self) -> Malformed;

    /// What was in the lines so far that records cannot hold, in words.
    fn not_carried(&self) -> Option<String> {
        None
    }
}

/// Why a line gave no record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LineFault {
    /// It is not what it should be.
    Malformed(Malformed),
    /// A record of it would be longer than is accepted.
    TooLarge,
}

/// Reads lines as records.
///
/// A line that is not valid is skipped and counted; one that is longer than twice the longest record accepted is not kept
/// in memory. A last line without line feed that is not valid is lost: the input was cut.
pub struct LineSource<R, F> {
    input: R,
    format: F,
    options: ImportOptions,
    /// What was read and not yet used, from `start` on.
    buffer: Vec<u8>,
    start: usize,
    /// How much of it was searched for the end of the line.
    searched: usize,
    /// Whether the rest of a line that is too long is thrown away.
    is_skipping: bool,
    is_at_end: bool,
    failure: Option<Error>,
    /// Where the next line is.
    position: Position,
    /// Lines that were used.
    lines: u64,
    intake: Intake,
}

impl<R: Read, F: LineFormat> LineSource<R, F> {
    /// Reads from `input`, which needs no buffer of its own.
    pub fn with(format: F, input: R, options: ImportOptions) -> Self {
        LineSource {
            input,
            format,
            options,
            buffer: Vec::new(),
            start: 0,
            searched: 0,
            is_skipping: false,
            is_at_end: false,
            failure: None,
            position: Position { record: 1, byte: 0 },
            lines: 0,
            intake: Intake::default(),
        }
    }

    /// Memory held for lines.
    #[cfg(test)]
    pub(super) fn buffer_size(&self) -> usize {
        self.buffer.capacity()
    }

    fn fill(&mut self) {
        self.buffer.drain(..self.start);
        self.start = 0;
        if self.buffer.capacity() > KEEP_BUFFER && self.buffer.len() < READ {
            self.buffer.shrink_to(READ);
        }
        let before = self.buffer.len();
        self.buffer.resize(before + READ, 0);
        let read = loop {
            match self.input.read(&mut self.buffer[before..]) {
                Ok(read) => break read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.failure = Some(error.into());
                    break 0;
                }
            }
        };
        self.buffer.truncate(before + read);
        self.is_at_end = read == 0;
        self.intake.bytes += read as u64;
    }

    /// Uses the next line, with or without its end, up to `length` bytes from the start.
    fn take(&mut self, length: usize, block: &mut Block) -> Result<()> {
        let line = &self.buffer[self.start..self.start + length];
        let (has_end, line) = (line.ends_with(b"\n"), line.trim_ascii());
        let position = self.position;
        self.lines += 1;
        if !std::mem::take(&mut self.is_skipping) && !line.is_empty() {
            let read = self.format.read(line, self.lines, self.options.max_record, block);
            self.position.record += read.unwrap_or(1);
            match read {
                Ok(records) => self.intake.records += records,
                Err(LineFault::TooLarge) => self.refuse_large(position)?,
                Err(LineFault::Malformed(_)) if !has_end => {
                    self.intake.lost += 1;
                    self.intake.first_lost.get_or_insert((position, self.format.cut()));
                }
                Err(LineFault::Malformed(reason)) if self.options.is_strict => {
                    return Err(Error::Malformed { position, reason });
                }
                Err(LineFault::Malformed(reason)) => {
                    self.intake.malformed += 1;
                    self.intake.first_malformed.get_or_insert((position, reason));
                }
            }
        }
        self.pass(length);
        Ok(())
    }

    fn pass(&mut self, length: usize) {
        self.start += length;
        self.position.byte += length as u64;
        self.searched = 0;
    }

    fn refuse_large(&mut self, position: Position) -> Result<()> {
        if self.options.is_strict {
            return Err(Error::RecordTooLarge { position, limit: self.options.max_record });
        }
        self.intake.too_large += 1;
        self.intake.first_too_large.get_or_insert(position);
        Ok(())
    }

    /// Takes the whole lines there are, up to the size of a block.
    fn take_lines(&mut self, block: &mut Block) -> Result<()> {
        while block.bytes().len() < BLOCK_SIZE {
            let rest = &self.buffer[self.start..];
            if let Some(end) = memchr(b'\n', &rest[self.searched..]) {
                self.take(self.searched + end + 1, block)?;
                continue;
            }
            let length = rest.len();
            self.searched = length;
            if self.is_at_end && self.failure.is_none() && length > 0 {
                self.take(length, block)?;
            } else if length as u64 > self.options.max_record.saturating_mul(2).saturating_add(MARGIN) {
                if !std::mem::replace(&mut self.is_skipping, true) {
                    let position = self.position;
                    self.position.record += 1;
                    self.refuse_large(position)?;
                }
                self.pass(length);
            }
            return Ok(());
        }
        Ok(())
    }
}

impl<R: Read, F: LineFormat> Source for LineSource<R, F> {
    fn read_block(&mut self, block: &mut Block) -> Result<bool> {
        block.clear();
        block.continue_after(self.position.record - 1, self.position.byte);
        loop {
            if let Err(error) = self.take_lines(block) {
                self.failure = Some(error);
                self.is_at_end = true;
                self.start = self.buffer.len();
            }
            if !block.is_empty() {
                return Ok(true);
            }
            if self.is_at_end {
                return self.failure.take().map_or(Ok(false), Err);
            }
            self.fill();
        }
    }

    fn intake(&self) -> Intake {
        self.intake
    }
}

impl<R: Read, F: LineFormat> Import for LineSource<R, F> {
    fn not_carried(&self) -> Option<String> {
        self.format.not_carried()
    }
}
