//! Where records come from, whatever they come from, and the plain loop over them.

use super::block::{Block, View};
use super::checkpoint::Checkpoint;
use super::header::{Header, Kind, Malformed, Mark};
use crate::{Position, Result};

/// Something that yields records, a block of them at a time.
pub trait Source {
    /// Replaces what `block` holds with the next records. `false`: there are
    /// no more. A block that comes with `true` is never empty.
    ///
    /// What is there already is given at once: a block from a slow pipe is
    /// small, one from a file about a megabyte.
    fn read_block(&mut self, block: &mut Block) -> Result<bool>;

    /// What was read so far, and what was wrong with it.
    fn intake(&self) -> Intake;

    /// How far it was read, of a source that is to be told when the records up to there were handled.
    fn checkpoint(&mut self) -> Option<Box<dyn Checkpoint>> {
        None
    }

    /// Does what such a source must do while its blocks wait to be taken, within some milliseconds: one that is not
    /// heard of loses its part in the group.
    fn keep_alive(&mut self) {}

    /// Leaves to whoever works on a block what can be searched there without the others, so that reading is not held up:
    /// [`Block::search`] must be called on each, unchanged, on whatever thread. A source that is done waits for it.
    fn defer_searches(&mut self) {}

    /// Whether records that were handed out may still come back, so that it is not to be closed.
    fn awaits_handling(&self) -> bool {
        false
    }
}

impl<S: Source + ?Sized> Source for Box<S> {
    fn read_block(&mut self, block: &mut Block) -> Result<bool> {
        (**self).read_block(block)
    }

    fn intake(&self) -> Intake {
        (**self).intake()
    }

    fn checkpoint(&mut self) -> Option<Box<dyn Checkpoint>> {
        (**self).checkpoint()
    }

    fn keep_alive(&mut self) {
        (**self).keep_alive();
    }

    fn defer_searches(&mut self) {
        (**self).defer_searches();
    }

    fn awaits_handling(&self) -> bool {
        (**self).awaits_handling()
    }
}

/// What a source has read: good records, and everything that was not one.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Intake {
    /// Records handed out.
    pub records: u64,
    /// Bytes read, decompressed.
    pub bytes: u64,
    /// Records skipped because they break the format.
    pub malformed: u64,
    /// The first of them, and the rule it breaks.
    pub first_malformed: Option<(Position, Malformed)>,
    /// Records lost because the length in their header is wrong, or because
    /// the input ends before it. Nothing inside them is handed out.
    pub lost: u64,
    /// The first of them, and what is wrong.
    pub first_lost: Option<(Position, Malformed)>,
    /// Records skipped because they are longer than `--max-record`.
    pub too_large: u64,
    /// The first of them.
    pub first_too_large: Option<Position>,
    /// The last record, when it ended with the input, without separator, and
    /// is not a whole HTTP message. It was handed out all the same.
    pub unfinished: Option<Position>,
}

impl Intake {
    /// What was read from one input, and then from another.
    #[must_use]
    pub fn join(&self, now: &Intake) -> Intake {
        Intake {
            records: self.records + now.records,
            bytes: self.bytes + now.bytes,
            malformed: self.malformed + now.malformed,
            first_malformed: self.first_malformed.or(now.first_malformed),
            lost: self.lost + now.lost,
            first_lost: self.first_lost.or(now.first_lost),
            too_large: self.too_large + now.too_large,
            first_too_large: self.first_too_large.or(now.first_too_large),
            unfinished: now.unfinished.or(self.unfinished),
        }
    }
}

/// A record that owns its bytes. Made to be read into again and again.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Record {
    /// What the record holds.
    pub kind: Kind,
    /// The same for a request and its responses.
    pub id: Vec<u8>,
    /// When the message began: nanoseconds since the Unix epoch.
    pub timestamp: i64,
    /// Nanoseconds; see [`Header::latency`].
    pub latency: Option<i64>,
    /// Set when the message is not whole.
    pub mark: Option<Mark>,
    /// Header fields this program does not know.
    pub extra: Vec<u8>,
    /// The message as it was on the wire.
    pub payload: Vec<u8>,
}

impl Record {
    /// Its header line. The length field is left to the writer.
    pub fn header(&self) -> Header<'_> {
        Header {
            kind: self.kind,
            id: &self.id,
            timestamp: self.timestamp,
            latency: self.latency,
            length: None,
            mark: self.mark,
            extra: &self.extra,
        }
    }

    /// Copies a view's contents into this record.
    pub fn assign(&mut self, view: &View<'_>) {
        self.kind = view.header.kind;
        self.id.clear();
        self.id.extend_from_slice(view.header.id);
        self.timestamp = view.header.timestamp;
        self.latency = view.header.latency;
        self.mark = view.header.mark;
        self.extra.clear();
        self.extra.extend_from_slice(view.header.extra);
        self.payload.clear();
        self.payload.extend_from_slice(view.payload);
    }
}

/// A source read one record at a time.
///
/// ```
/// use gor_tools::record::{ReaderOptions, Reader, Record, Records};
///
/// let text = "1 a1 1000 5\nGET / HTTP/1.1\r\n\r\n\n🐵🙈🙉\n";
/// let mut source = Records::new(Reader::new(text.as_bytes(), ReaderOptions::default()));
/// let mut record = Record::default();
/// while source.read(&mut record)? {
///     assert_eq!(record.payload, b"GET / HTTP/1.1\r\n\r\n");
/// }
/// # Ok::<(), gor_tools::Error>(())
/// ```
#[derive(Debug)]
pub struct Records<S> {
    source: S,
    block: Block,
    next: usize,
}

impl<S: Source> Records<S> {
    /// Reads from `source`, from where it stands.
    pub fn new(source: S) -> Self {
        Records { source, block: Block::new(), next: 0 }
    }

    /// Reads the next record. `false`: there are no more, and `record` is
    /// as it was.
    pub fn read(&mut self, record: &mut Record) -> Result<bool> {
        if self.next == self.block.len() {
            self.next = 0;
            if !self.source.read_block(&mut self.block)? {
                self.block.clear();
                return Ok(false);
            }
        }
        record.assign(&self.block.get(self.next));
        self.next += 1;
        Ok(true)
    }

    /// The source itself.
    pub fn source(&self) -> &S {
        &self.source
    }
}
