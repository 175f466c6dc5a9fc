//! A HAR file as a source of records: read entry by entry, whatever its size.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::{self, BufRead as _, BufReader, ErrorKind, Read};
use std::rc::Rc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::har_records::HarRecords;
use super::{Import, ImportOptions};
use crate::record::{Block, Intake, Malformed, Source};
use crate::{Error, Position, Result};

/// Bytes asked of the input at once.
const READ: usize = 1 << 18;

/// Blocks that wait to be taken.
const BLOCKS_WAITING: usize = 2;

/// Bytes that the text of an entry may have beyond twice the longest record.
const MARGIN: u64 = 1 << 20;

/// Reads the entries of a HAR file, on a thread of its own: the library calls whom it parses for, and not the other way
/// round. Memory holds one entry and some blocks.
///
/// An entry that is no exchange of HTTP is skipped and counted. What comes after bytes that are not JSON cannot be read.
pub struct HarSource {
    states: Receiver<HarProgress>,
    latest: HarProgress,
}

/// What was read, and how far that is.
#[derive(Default)]
struct HarProgress {
    block: Block,
    intake: Intake,
    not_carried: Option<String>,
    is_whole: bool,
    failure: Option<Error>,
}

impl HarSource {
    /// Begins to read `input`.
    pub fn new(input: impl Read + Send + 'static, options: ImportOptions) -> Result<Self> {
        let (sender, states) = sync_channel(BLOCKS_WAITING);
        // It ends with its input, or at the next block when nobody takes it any more.
        thread::Builder::new().name("har reader".to_owned()).spawn(move || read(input, options, sender))?;
        Ok(HarSource { states, latest: HarProgress::default() })
    }
}

impl Source for HarSource {
    fn read_block(&mut self, block: &mut Block) -> Result<bool> {
        block.clear();
        if let Ok(progress) = self.states.recv() {
            self.latest = progress;
            *block = std::mem::take(&mut self.latest.block);
        }
        match self.latest.failure.take_if(|_| block.is_empty()) {
            Some(error) => Err(error),
            None => Ok(!block.is_empty()),
        }
    }

    fn intake(&self) -> Intake {
        self.latest.intake
    }
}

impl Import for HarSource {
    fn not_carried(&self) -> Option<String> {
        self.latest.not_carried.clone()
    }

    fn may_be_empty(&self) -> bool {
        self.latest.is_whole
    }
}

/// Reads a file to its end.
fn read(input: impl Read, options: ImportOptions, sender: SyncSender<HarProgress>) {
    let entries = Rc::new(RefCell::new(Entries {
        sender,
        options,
        records: HarRecords::default(),
        block: Block::new(),
        intake: Intake::default(),
        is_whole: false,
        failure: None,
    }));
    let counts = Rc::new(ReadCounts::default());
    let limit = options.max_record.saturating_mul(2).saturating_add(MARGIN);
    let input = BufReader::with_capacity(READ, input);
    let bytes = EntryBytes { input, entries: Rc::clone(&entries), counts: Rc::clone(&counts), limit };
    let mut json = serde_json::Deserializer::from_reader(bytes);
    let file = KeyedObject { entries: &entries, counts: &counts, key: "log" };
    let ended = file.deserialize(&mut json).and_then(|()| json.end());
    let mut entries = entries.borrow_mut();
    if let Err(error) = ended {
        let told = entries.failure.take();
        entries.failure = Some(told.unwrap_or_else(|| {
            if error.is_eof() {
                Error::Invalid("the input ends inside the JSON of a HAR file".to_owned())
            } else if error.is_io() {
                io::Error::from(error).into()
            } else {
                Error::Invalid(format!("it cannot be read on as HAR: {error}"))
            }
        }));
    }
    entries.intake.bytes = counts.used.get();
    // Records first; then, without any, how it ended. Nobody may be left to be told.
    if entries.block.is_empty() || entries.send().is_ok() {
        let _ = entries.send();
    }
}

/// What the entries so far have become.
struct Entries {
    sender: SyncSender<HarProgress>,
    options: ImportOptions,
    records: HarRecords,
    block: Block,
    intake: Intake,
    /// Whether their array was read to its end.
    is_whole: bool,
    failure: Option<Error>,
}

impl Entries {
    /// Hands on what there is.
    fn send(&mut self) -> io::Result<()> {
        let block = std::mem::take(&mut self.block);
        let is_last = block.is_empty();
        let progress = HarProgress {
            block,
            intake: self.intake,
            not_carried: self.records.remarks.text(),
            is_whole: self.is_whole,
            failure: self.failure.take_if(|_| is_last),
        };
        self.block.continue_after(self.intake.records, self.intake.bytes);
        self.sender.send(progress).map_err(|_| ErrorKind::BrokenPipe.into())
    }

    /// Takes the text of an entry that begins at a byte. False: it is to be the last one.
    fn take(&mut self, text: &str, byte: u64) -> bool {
        let (records, bytes) = (self.block.len(), self.block.bytes().len());
        let number = self.intake.records + self.intake.malformed + self.intake.too_large;
        let position = Position { record: number + 1, byte };
        let added = match serde_json::from_str(text) {
            Ok(entry) => self.records.add(&entry, &mut self.block),
            Err(_) => Err("a field is missing, or of another type than HAR 1.2 has"),
        };
        self.intake.records += (self.block.len() - records) as u64;
        let reason = match added {
            // What counts is the text of the records.
            Ok(())
                if (self.block.bytes().len() - bytes) as u64 > self.options.max_record.saturating_mul(2) =>
            {
                while self.block.len() > records {
                    self.block.pop();
                    self.intake.records -= 1;
                }
                self.intake.too_large += 1;
                self.intake.first_too_large.get_or_insert(position);
                return true;
            }
            Ok(()) => return true,
            Err(why) => Malformed::Entry(why),
        };
        if self.options.is_strict {
            self.failure = Some(Error::Malformed { position, reason });
            return false;
        }
        self.intake.malformed += 1;
        self.intake.first_malformed.get_or_insert((position, reason));
        true
    }
}

/// How far the input was used.
#[derive(Debug, Default)]
struct ReadCounts {
    used: Cell<u64>,
    /// Where the entry that is read begins, or what is between entries.
    begun: Cell<u64>,
}

/// The input byte by byte, with a limit on the length of an entry.
struct EntryBytes<R> {
    input: BufReader<R>,
    entries: Rc<RefCell<Entries>>,
    counts: Rc<ReadCounts>,
    limit: u64,
}

impl<R: Read> Read for EntryBytes<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.input.buffer().is_empty() {
            let mut entries = self.entries.borrow_mut();
            // What was read is handed on before more is waited for.
            if !entries.block.is_empty() {
                entries.send()?;
            }
            let used = self.counts.used.get();
            if used - self.counts.begun.get() > self.limit {
                let number = entries.intake.records + entries.intake.malformed + entries.intake.too_large;
                let position = Position { record: number + 1, byte: self.counts.begun.get() };
                entries.failure = Some(Error::RecordTooLarge { position, limit: entries.options.max_record });
                return Err(ErrorKind::FileTooLarge.into());
            }
            drop(entries);
            self.input.fill_buf()?;
        }
        let read = self.input.read(out)?;
        self.counts.used.set(self.counts.used.get() + read as u64);
        Ok(read)
    }
}

/// An object of which one key matters: the file, and the log in it.
#[derive(Clone, Copy)]
struct KeyedObject<'a> {
    entries: &'a Rc<RefCell<Entries>>,
    counts: &'a Rc<ReadCounts>,
    key: &'static str,
}

impl<'de> DeserializeSeed<'de> for KeyedObject<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for KeyedObject<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with the key {}", self.key)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match (self.key, &*key) {
                ("log", "log") => map.next_value_seed(KeyedObject { key: "entries", ..self })?,
                ("entries", "entries") => map.next_value_seed(Array(self))?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            self.counts.begun.set(self.counts.used.get());
        }
        Ok(())
    }
}

/// The entries.
struct Array<'a>(KeyedObject<'a>);

impl<'de> DeserializeSeed<'de> for Array<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Array<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of entries")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<(), A::Error> {
        let KeyedObject { entries, counts, .. } = self.0;
        // Each as text first, so that one which is wrong does not hide the next.
        while let Some(text) = array.next_element::<Box<RawValue>>()? {
            let text = text.get();
            let used = counts.used.get();
            counts.begun.set(used);
            let mut entries = entries.borrow_mut();
            entries.intake.bytes = used;
            if !entries.take(text, used.saturating_sub(text.len() as u64)) {
                return Err(serde::de::Error::custom("stopped"));
            }
        }
        entries.borrow_mut().is_whole = true;
        Ok(())
    }
}
