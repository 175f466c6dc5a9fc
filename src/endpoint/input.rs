//! One place read to its end, and what is said of it.

use super::bytes::{ByteStream, Peeked};
use super::format::{InputFormat, resembles};
use super::place::ExpandedPlace;
use super::prefetch::OpenedPlace;
use super::pump::read_ahead;
use super::reading::{Notice, ReadOptions};
use crate::capture::{self, CaptureInput};
use crate::interchange::{HarSource, Import, ImportOptions, JsonlSource, LogSource, SpreadSource};
use crate::observe::Count;
use crate::record::{Block, Checkpoint, Intake, JoinedRecords, Reader, Source, TextFeed};
use crate::{Error, Position, Result};

/// How much of an input's beginning is kept to say what it looks like.
const BEGINNING: usize = 512;

/// UTF-8's mark at the beginning of a file, which some editors write.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// One open place.
pub(super) struct OpenInput {
    name: String,
    /// Whether it may hold no record: nobody named it.
    is_below: bool,
    /// Half a record that reading was stopped in.
    left_out: u64,
    /// The first bytes, decompressed.
    beginning: Vec<u8>,
    records: PlaceRecords,
    /// What went wrong first. Told when the place has nothing more to give.
    failure: Option<Error>,
}

/// The records of one place.
enum PlaceRecords {
    Gor(Box<Reader<Box<dyn TextFeed + Send>>>),
    Capture(Box<capture::CaptureSource<std::iter::Once<CaptureInput>>>),
    /// Of a format of other programs.
    Import(Box<dyn Import + Send>),
    /// Of a place that has records instead of bytes, and judges them itself.
    Ready(Box<dyn Source + Send>),
}

impl OpenInput {
    /// An open place. An error names it.
    pub(super) fn new(found: &ExpandedPlace, opened: OpenedPlace, how: &ReadOptions) -> Result<Self> {
        match opened {
            OpenedPlace::Bytes(bytes, start) => Self::of_bytes(found, bytes, start, how, false),
            OpenedPlace::File(bytes, start) => Self::of_bytes(found, bytes, start, how, true),
            OpenedPlace::Records(source) => {
                let (name, records) = (found.place.to_string(), PlaceRecords::Ready(source));
                let beginning = Vec::new();
                Ok(OpenInput { name, is_below: false, left_out: 0, beginning, records, failure: None })
            }
        }
    }

    /// A place from its first byte on. An error names it. Text of a file is read ahead by one more thread, unless it is short.
    pub(super) fn of_bytes(
        found: &ExpandedPlace,
        bytes: ByteStream,
        start: Position,
        how: &ReadOptions,
        is_file: bool,
    ) -> Result<Self> {
        let name = found.place.to_string();
        let mut bytes = Peeked::new(bytes).map_err(|error| Error::from(error).at(name.as_str()))?;
        let beginning = bytes.first()[..bytes.first().len().min(BEGINNING)].to_vec();
        let records = match InputFormat::of(bytes.first(), how.log_format.as_ref()) {
            InputFormat::Capture => {
                let tap: CaptureInput = (name.clone(), Box::new(|| Ok(Box::new(bytes))));
                // A message becomes a record: what limits one limits the other.
                let max_message = usize::try_from(how.max_record).unwrap_or(usize::MAX);
                let options = capture::CaptureOptions {
                    has_responses: true,
                    max_message,
                    ..capture::CaptureOptions::default()
                };
                PlaceRecords::Capture(Box::new(capture::CaptureSource::new(std::iter::once(tap), options)))
            }
            InputFormat::Jsonl => {
                skip_mark(&beginning, &mut bytes);
                PlaceRecords::Import(Box::new(JsonlSource::new(bytes, import_options(how))))
            }
            InputFormat::Har => {
                skip_mark(&beginning, &mut bytes);
                let source =
                    HarSource::new(bytes, import_options(how)).map_err(|error| error.at(name.as_str()))?;
                PlaceRecords::Import(Box::new(source))
            }
            InputFormat::Log(format) => {
                skip_mark(&beginning, &mut bytes);
                let options = import_options(how);
                PlaceRecords::Import(if !how.is_followed && found.place.is_there() {
                    Box::new(SpreadSource::new(LogSource::new(bytes, format, options)))
                } else {
                    Box::new(LogSource::keeping_seconds(bytes, format, options))
                })
            }
            InputFormat::Gor => {
                skip_mark(&beginning, &mut bytes);
                let feed: Box<dyn TextFeed + Send> = if is_file && how.reads_ahead && bytes.is_bulk() {
                    Box::new(read_ahead(bytes).map_err(|error| Error::from(error).at(name.as_str()))?)
                } else {
                    Box::new(bytes)
                };
                PlaceRecords::Gor(Box::new(Reader::new(feed, how.reader_options()).starting_at(start)))
            }
        };
        Ok(OpenInput { name, is_below: found.is_below, left_out: 0, beginning, records, failure: None })
    }

    fn source(&mut self) -> &mut dyn Source {
        match &mut self.records {
            PlaceRecords::Gor(reader) => reader.as_mut(),
            PlaceRecords::Capture(capture) => capture.as_mut(),
            PlaceRecords::Import(import) => import.as_mut(),
            PlaceRecords::Ready(source) => source.as_mut(),
        }
    }

    pub(super) fn intake(&self) -> Intake {
        let mut intake = match &self.records {
            PlaceRecords::Gor(reader) => reader.intake(),
            PlaceRecords::Capture(capture) => capture.intake(),
            PlaceRecords::Import(import) => import.intake(),
            PlaceRecords::Ready(source) => source.intake(),
        };
        if self.left_out > 0 {
            intake.records -= self.left_out;
            intake.unfinished = None;
        }
        intake
    }

    pub(super) fn checkpoint(&mut self) -> Option<Box<dyn Checkpoint>> {
        self.source().checkpoint()
    }

    pub(super) fn keep_alive(&mut self) {
        self.source().keep_alive();
    }

    pub(super) fn awaits_handling(&self) -> bool {
        matches!(&self.records, PlaceRecords::Ready(source) if source.awaits_handling())
    }

    pub(super) fn defer_searches(&mut self) {
        self.source().defer_searches();
    }

    fn joined(&mut self) -> JoinedRecords {
        match &mut self.records {
            PlaceRecords::Gor(reader) => reader.joined(),
            PlaceRecords::Capture(_) | PlaceRecords::Import(_) | PlaceRecords::Ready(_) => {
                JoinedRecords::default()
            }
        }
    }

    /// The next records, or how this place ended: its error names it.
    pub(super) fn read_block(&mut self, block: &mut Block, how: &ReadOptions) -> Result<bool> {
        loop {
            match self.source().read_block(block) {
                Ok(true) => {
                    if how.is_over() && self.left_out == 0 && self.intake().unfinished.is_some() {
                        // The rest of the last record is there; it was not waited for.
                        self.left_out = 1;
                        how.cut();
                        block.pop();
                        if block.is_empty() {
                            return Ok(false);
                        }
                    }
                    how.meter.add_records(block.len() as u64);
                    return Ok(true);
                }
                Ok(false) => break,
                Err(error) => {
                    let error = match self.records {
                        PlaceRecords::Gor(_) | PlaceRecords::Import(_) | PlaceRecords::Ready(_) => {
                            error.at(self.name.as_str())
                        }
                        // A capture may be of several files: it names them itself.
                        PlaceRecords::Capture(_) => error,
                    };
                    // A damaged capture still has records of what was under way.
                    self.failure.get_or_insert(error);
                    if let PlaceRecords::Ready(_) = self.records {
                        break;
                    }
                }
            }
        }
        if let PlaceRecords::Ready(_) = self.records {
            return self.failure.take().map_or(Ok(false), Err);
        }
        let joined = self.joined();
        self.tell_flaws(joined, how);
        if how.is_over() {
            // Data that was not read to its end may well look cut.
            if self.failure.take().is_some() {
                how.cut();
            }
            return Ok(false);
        }
        match self.failure.take() {
            Some(error) => Err(error),
            None => self.judge(joined, how).map(|()| false).map_err(|error| error.at(self.name.as_str())),
        }
    }

    /// Tells what was wrong with single records.
    fn tell_flaws(&self, joined: JoinedRecords, how: &ReadOptions) {
        let (place, intake) = (self.name.as_str(), &self.intake());
        tell_flawed_records(place, intake, joined, how);
        if intake.unfinished.is_some() {
            (how.tell)(&Notice::Unfinished { place, intake });
        }
        if let PlaceRecords::Import(import) = &self.records
            && let Some(what) = &import.not_carried()
        {
            (how.tell)(&Notice::NotCarried { place, what });
        }
        if let PlaceRecords::Capture(capture) = &self.records
            && let Some(losses) = &capture.ledger().losses_by(false, "--max-record")
        {
            let is_certain = capture.ledger().losses_by(true, "--max-record").is_some();
            (how.tell)(&Notice::Lost { place, losses, is_certain });
        }
    }

    /// Whether a place that was read to its end gave what it should.
    fn judge(&self, joined: JoinedRecords, how: &ReadOptions) -> Result<()> {
        let intake = self.intake();
        judge_records(&self.name, &intake, joined, how)?;
        if let PlaceRecords::Capture(capture) = &self.records
            && let cut @ 1.. = capture.ledger().cut()
        {
            let text = format!(
                "{} cut at {} bytes; use a larger --max-record",
                Count(cut, "message"),
                how.max_record
            );
            return Err(Error::Invalid(text));
        }
        let may_be_empty = matches!(&self.records, PlaceRecords::Import(import) if import.may_be_empty());
        if intake.records == 0 && intake.bytes > 0 && !may_be_empty {
            let text = match (&how.log_format, intake.first_malformed) {
                (Some(_), Some((_, reason))) => format!("no line of it is in the log format; {reason}"),
                _ => format!("no record in it; it looks like {}", resembles(&self.beginning)),
            };
            let error = Error::Invalid(text);
            if !self.is_below {
                return Err(error);
            }
            (how.tell)(&Notice::PassedOver(&error.at(self.name.as_str())));
        }
        Ok(())
    }
}

fn skip_mark(beginning: &[u8], bytes: &mut Peeked<ByteStream>) {
    if beginning.starts_with(BYTE_ORDER_MARK) {
        bytes.skip(BYTE_ORDER_MARK.len());
    }
}

fn import_options(how: &ReadOptions) -> ImportOptions {
    ImportOptions { max_record: how.max_record, is_strict: how.is_strict }
}

/// Tells what was wrong with single records of a place, which were left out or are there all the same.
pub(super) fn tell_flawed_records(place: &str, intake: &Intake, joined: JoinedRecords, how: &ReadOptions) {
    // Where nothing at all is a record, it is not the records that are wrong.
    if intake.malformed > 0 && intake.records > 0 {
        (how.tell)(&Notice::Malformed { place, intake });
    }
    if joined.number > 0 && joined.for_certain == 0 {
        (how.tell)(&Notice::Joined { place, joined });
    }
}

/// Whether records of a place were lost: the last reason comes back, others are told.
pub(super) fn judge_records(
    name: &str,
    intake: &Intake,
    joined: JoinedRecords,
    how: &ReadOptions,
) -> Result<()> {
    let too_large =
        intake.first_too_large.map(|position| Error::RecordTooLarge { position, limit: how.max_record });
    let lost = intake.first_lost.map(|(position, reason)| match intake.lost {
        1 => Error::Malformed { position, reason },
        count => Error::Invalid(format!("{position}: {reason}; {count} such records are lost")),
    });
    let joined = joined.first.filter(|_| joined.for_certain > 0).map(|position| {
        let others = match joined.number {
            1 => String::new(),
            count => format!("; so it is in {count} records"),
        };
        Error::Invalid(format!(
            "{position}: the separator before the header here is missing; the record that follows was read as \
             part of this one{others}"
        ))
    });
    let mut errors = [lost, too_large, joined].into_iter().flatten().rev();
    if let Some(last) = errors.next() {
        for error in errors.rev() {
            (how.tell)(&Notice::Failed(&error.at(name)));
        }
        return Err(last);
    }
    Ok(())
}
