//! Several places read one after the other, as one source of records.

use std::fmt;

use super::bytes::{Bytes, Peeked, open_bytes};
use super::format::{Format, resembles};
use super::place::{Place, expand};
use crate::capture::{self, Tap};
use crate::http::{Framer, RequestContext, Step};
use crate::record::{Block, Intake, Kind, Options, Reader, Source};
use crate::{Error, Result};

/// How much of an input's beginning is kept to say what it looks like.
const BEGINNING: usize = 512;

/// UTF-8's mark at the beginning of a file, which some editors write.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// How to read places.
#[derive(Clone, Copy, Debug)]
pub struct ReadOptions {
    /// Longest record accepted, in bytes.
    pub max_record: u64,
    /// Whether the first malformed record is an error.
    pub is_strict: bool,
    /// Most bytes read at once, which is what blocks are as large as; see
    /// [`Options::most_read`].
    pub most_read: usize,
    /// Hears what a person should know before the end.
    pub tell: fn(&Notice<'_>),
}

impl Default for ReadOptions {
    fn default() -> Self {
        let Options { max_record, is_strict, most_read, .. } = Options::default();
        ReadOptions { max_record, is_strict, most_read, tell: |_| {} }
    }
}

/// Something about one of the places that is read. Its text is one line.
#[derive(Debug)]
pub enum Notice<'a> {
    /// It could not be read, or not to its end. The other places are read all
    /// the same, and the source ends with an error.
    Failed(&'a Error),
    /// Records of it are malformed and were skipped.
    Malformed {
        /// The place's name.
        place: &'a str,
        /// What was read from this place alone.
        intake: &'a Intake,
    },
    /// Its last record is not whole.
    Unfinished {
        /// The place's name.
        place: &'a str,
        /// What was read from this place alone.
        intake: &'a Intake,
    },
    /// It is a capture, and not all of its traffic became records.
    Lost {
        /// The place's name.
        place: &'a str,
        /// What was lost, and why.
        losses: &'a str,
    },
}

impl fmt::Display for Notice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::Failed(error) => error.fmt(f),
            Notice::Malformed { place, intake } => {
                if let Some((position, rule)) = &intake.first_malformed {
                    write!(f, "{place}: {position}: {rule}")?;
                }
                match intake.malformed {
                    1 => f.write_str("; it is skipped"),
                    count => write!(f, "; {count} such malformed records are skipped"),
                }
            }
            Notice::Unfinished { place, intake } => {
                let position = intake.unfinished.unwrap_or_default();
                write!(f, "{place}: {position}: the input ends inside this record")
            }
            Notice::Lost { place, losses } => write!(f, "{place}: {losses}"),
        }
    }
}

/// Opens places for reading, one after the other as one source.
///
/// No name means standard input; see [`expand`] for the others. Compression
/// and format are told by the first bytes. Files are opened when their turn
/// comes, so that their number has no bound.
///
/// A place that cannot be read, or whose data is cut or damaged, does not hide
/// the others: with a single place its error is the result, with several it
/// goes to [`ReadOptions::tell`], and after the last place comes an error that
/// counts them. Files that are missing are told here, before anything is read.
pub fn open(names: &[String], how: &ReadOptions) -> Result<Box<dyn Source + Send>> {
    let places = expand(names)?;
    let mut inputs = Inputs {
        total: places.len(),
        failed: 0,
        rest: Vec::new().into_iter(),
        current: None,
        before: Intake::default(),
        how: *how,
    };
    let mut readable = Vec::with_capacity(places.len());
    for place in places {
        match look(&place) {
            Ok(()) => readable.push(place),
            Err(error) => inputs.fail(error)?,
        }
    }
    inputs.rest = readable.into_iter();
    Ok(Box::new(inputs))
}

/// Whether a place is there, and is no directory.
fn look(place: &Place) -> Result<()> {
    let Place::File(path) = place else { return Ok(()) };
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(std::io::Error::from(std::io::ErrorKind::IsADirectory)),
        Ok(_) => Ok(()),
        Err(error) => Err(error),
    }
    .map_err(|error| Error::from(error).at(place.to_string()))
}

/// The places, those that wait and the one that is read.
struct Inputs {
    total: usize,
    failed: usize,
    rest: std::vec::IntoIter<Place>,
    current: Option<Input>,
    /// What was read from the places before the current one.
    before: Intake,
    how: ReadOptions,
}

/// One open place.
struct Input {
    name: String,
    /// The first bytes, decompressed.
    beginning: Vec<u8>,
    records: Records,
    /// What went wrong first. Told when the place has nothing more to give.
    failure: Option<Error>,
}

/// The records of one place.
enum Records {
    Gor(Box<Reader<Peeked<Bytes>>>),
    Capture(Box<capture::Source<std::iter::Once<Tap>>>),
}

impl Input {
    fn open(place: &Place, how: &ReadOptions) -> Result<Self> {
        let name = place.to_string();
        let mut bytes =
            Peeked::new(open_bytes(place)?).map_err(|error| Error::from(error).at(name.as_str()))?;
        let beginning = bytes.first()[..bytes.first().len().min(BEGINNING)].to_vec();
        let records = match Format::of(&beginning) {
            Format::Capture => {
                let tap: Tap = (name.clone(), Box::new(|| Ok(Box::new(bytes))));
                let options = capture::Options { has_responses: true, ..capture::Options::default() };
                Records::Capture(Box::new(capture::Source::new(std::iter::once(tap), options)))
            }
            Format::Gor => {
                if beginning.starts_with(BYTE_ORDER_MARK) {
                    bytes.skip(BYTE_ORDER_MARK.len());
                }
                let ReadOptions { max_record, is_strict, most_read, .. } = *how;
                let options = Options { max_record, is_strict, most_read, is_whole };
                Records::Gor(Box::new(Reader::new(bytes, options)))
            }
        };
        Ok(Input { name, beginning, records, failure: None })
    }

    fn source(&mut self) -> &mut dyn Source {
        match &mut self.records {
            Records::Gor(reader) => reader.as_mut(),
            Records::Capture(capture) => capture.as_mut(),
        }
    }

    fn intake(&self) -> Intake {
        match &self.records {
            Records::Gor(reader) => reader.intake(),
            Records::Capture(capture) => capture.intake(),
        }
    }

    /// The next records, or how this place ended: its error names it.
    fn read_block(&mut self, block: &mut Block, how: &ReadOptions) -> Result<bool> {
        loop {
            match self.source().read_block(block) {
                Ok(true) => return Ok(true),
                Ok(false) => break,
                Err(error) => {
                    let error = match self.records {
                        Records::Gor(_) => error.at(self.name.as_str()),
                        // A capture may be of several files: it names them itself.
                        Records::Capture(_) => error,
                    };
                    // A damaged capture still has records of what was under way.
                    self.failure.get_or_insert(error);
                }
            }
        }
        self.tell_flaws(how);
        match self.failure.take() {
            Some(error) => Err(error),
            None => self.judge(how).map(|()| false).map_err(|error| error.at(self.name.as_str())),
        }
    }

    /// Tells what was wrong with single records.
    fn tell_flaws(&self, how: &ReadOptions) {
        let (place, intake) = (self.name.as_str(), &self.intake());
        // Where nothing at all is a record, it is not the records that are wrong.
        if intake.malformed > 0 && intake.records > 0 {
            (how.tell)(&Notice::Malformed { place, intake });
        }
        if intake.unfinished.is_some() {
            (how.tell)(&Notice::Unfinished { place, intake });
        }
        if let Records::Capture(capture) = &self.records
            && let Some(losses) = &capture.ledger().losses(false)
        {
            (how.tell)(&Notice::Lost { place, losses });
        }
    }

    /// Whether a place that was read to its end gave what it should.
    fn judge(&self, how: &ReadOptions) -> Result<()> {
        let intake = self.intake();
        if let Some(position) = intake.first_too_large {
            return Err(Error::RecordTooLarge { position, limit: how.max_record });
        }
        if intake.records == 0 && intake.bytes > 0 {
            let text = format!("no record in it; it looks like {}", resembles(&self.beginning));
            return Err(Error::Invalid(text));
        }
        Ok(())
    }
}

/// Whether a payload is exactly one HTTP message, and its length is told by
/// its head. A response that ends with its connection is never known to end.
fn is_whole(kind: Kind, payload: &[u8]) -> bool {
    let mut framer = match kind {
        Kind::Request => Framer::request(),
        Kind::Response | Kind::Replayed => Framer::response(RequestContext::default()),
    };
    let mut at = 0;
    loop {
        match framer.advance(&payload[at..]) {
            Ok(Step::Skip(length) | Step::Head(length) | Step::Body(length)) => at += length,
            Ok(Step::Done) => return at == payload.len(),
            Ok(Step::More) | Err(_) => return false,
        }
    }
}

impl Inputs {
    /// Takes note of a place that could not be read. The only one is the
    /// whole input; so is one that breaks a rule the user made strict.
    fn fail(&mut self, error: Error) -> Result<()> {
        self.failed += 1;
        if self.total == 1 || (self.how.is_strict && breaks_rule(&error)) {
            self.rest = Vec::new().into_iter();
            self.failed = 0;
            return Err(error);
        }
        (self.how.tell)(&Notice::Failed(&error));
        Ok(())
    }

    fn close(&mut self) {
        if let Some(input) = self.current.take() {
            self.before = self.intake_with(&input.intake());
        }
    }

    fn intake_with(&self, now: &Intake) -> Intake {
        let before = &self.before;
        Intake {
            records: before.records + now.records,
            bytes: before.bytes + now.bytes,
            malformed: before.malformed + now.malformed,
            first_malformed: before.first_malformed.or(now.first_malformed),
            too_large: before.too_large + now.too_large,
            first_too_large: before.first_too_large.or(now.first_too_large),
            unfinished: now.unfinished.or(before.unfinished),
        }
    }
}

/// Whether a record is to blame, not its file.
fn breaks_rule(error: &Error) -> bool {
    match error {
        Error::Malformed { .. } | Error::RecordTooLarge { .. } => true,
        Error::At { error, .. } => breaks_rule(error),
        _ => false,
    }
}

impl Source for Inputs {
    fn read_block(&mut self, block: &mut Block) -> Result<bool> {
        loop {
            if let Some(input) = &mut self.current {
                match input.read_block(block, &self.how) {
                    Ok(true) => return Ok(true),
                    Ok(false) => self.close(),
                    Err(error) => {
                        self.close();
                        self.fail(error)?;
                    }
                }
            } else if let Some(place) = self.rest.next() {
                match Input::open(&place, &self.how) {
                    Ok(input) => self.current = Some(input),
                    Err(error) => self.fail(error)?,
                }
            } else {
                block.clear();
                return match std::mem::take(&mut self.failed) {
                    0 => Ok(false),
                    failed => {
                        let text = format!("{failed} of {} inputs could not be read whole", self.total);
                        Err(Error::Invalid(text))
                    }
                };
            }
        }
    }

    fn intake(&self) -> Intake {
        let now = self.current.as_ref().map(Input::intake).unwrap_or_default();
        self.intake_with(&now)
    }
}
