//! The bytes of a place, decompressed.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, IsTerminal as _, Read, Seek as _, SeekFrom};
use std::ops::Range;
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::pipe::{fcntl_getpipe_size, fcntl_setpipe_size};
use sha2::{Digest as _, Sha256};

use super::decode::{Gunzip, Unzstd};
use super::format::{Compression, is_decided};
use super::index::{Index, sidecar};
use super::place::Place;
use super::pump::pump;
use super::reading::{Notice, ReadOptions, TimeWindow};
use crate::observe::Meter;
use crate::{Error, Position, Result};

/// Bytes looked at before it is decided what an input is.
const FIRST_READ: usize = 1 << 16;

/// Compressed bytes read at once.
const COMPRESSED_READ: usize = 1 << 18;

/// Bytes that a pipe that is read may hold. With the kernel's 64 KiB (`pipe(7)`) each process waits more often for the other.
const PIPE_SIZE: usize = 1 << 18;

/// Any stream of bytes.
pub(super) type ByteStream = Box<dyn Read + Send>;

/// Opens a place and decompresses what it holds, on a thread of its own.
///
/// gzip members and zstd frames may follow each other, and zero bytes the last
/// gzip member. Where compressed data is cut or damaged, what decodes is
/// delivered before the error. Errors on opening name the place, those on
/// reading do not. The bytes end after [`ReadOptions::is_stopping`] turns true,
/// even while a silent pipe is waited for.
pub fn open_bytes(place: &Place, how: &ReadOptions) -> Result<Box<dyn Read + Send>> {
    match open_coded(place, how)?.0 {
        Coded::Plain(bytes) | Coded::PlainFile(bytes) => Ok(bytes),
        Coded::Compressed(decoder) => Ok(Box::new(pump(decoder)?)),
    }
}

/// What a place gives: its own bytes, or those that must be worked for.
pub(super) enum Coded {
    Plain(ByteStream),
    /// The same of a file: none of them is waited for.
    PlainFile(ByteStream),
    Compressed(ByteStream),
}

/// Opens a place, and says where in the stream of its records the bytes begin:
/// only a part of it is read where its index tells which. Nothing is
/// decompressed before it is read.
pub(super) fn open_coded(place: &Place, how: &ReadOptions) -> Result<(Coded, Position)> {
    let open = || -> Result<(Coded, Position)> {
        if let Place::Object(object) = place {
            let (range, start) =
                wanted(place, how).map_or((None, BEGINNING), |(range, start)| (Some(range), start));
            return Ok((decoded(how.services.s3.open(object, range, how)?)?, start));
        }
        let mut feed = FileReader::new(open_file(place)?, how)?;
        let mut start = BEGINNING;
        if let Some((range, position)) = wanted(place, how) {
            if !range.is_empty() {
                feed.file.seek(SeekFrom::Start(range.start))?;
            }
            feed.left = range.end - range.start;
            start = position;
        }
        let may_wait = feed.may_wait;
        let coded = match decoded(feed)? {
            Coded::Plain(bytes) if !may_wait => Coded::PlainFile(bytes),
            coded => coded,
        };
        Ok((coded, start))
    };
    open().map_err(|error| error.at(place.to_string()))
}

/// Where the stream of a place begins.
const BEGINNING: Position = Position { record: 1, byte: 0 };

/// What of a place is to be read, and where in the stream of its records that begins: none where there is no index.
fn wanted(place: &Place, how: &ReadOptions) -> Option<(Range<u64>, Position)> {
    let TimeWindow { since, until } = how.window?;
    let index = index(place, how)?;
    Some(index.range(since, until).map_or((0..0, BEGINNING), |part| (part.offset..part.end, part.start)))
}

/// The index of a file or an object.
fn index(place: &Place, how: &ReadOptions) -> Option<Index> {
    let (index, is_stale) = match place {
        Place::Standard | Place::Network(_) | Place::Kafka(_) => return None,
        Place::File(path) => {
            let index = Index::load(path);
            let is_stale = index.is_none() && sidecar(path).exists();
            (index, is_stale)
        }
        Place::Object(object) => match how.services.s3.index(object) {
            Ok(index) => (index, false),
            Err(_) => (None, true),
        },
    };
    if is_stale {
        (how.tell)(&Notice::StaleIndex(&place.to_string()));
    }
    index
}

/// Looks how a stream is compressed.
pub(super) fn decoded(input: impl Read + Send + 'static) -> io::Result<Coded> {
    let input = Peeked::new(input)?;
    let buffered = |input| BufReader::with_capacity(COMPRESSED_READ, input);
    Ok(match Compression::of(input.first()) {
        Compression::None => Coded::Plain(Box::new(input)),
        Compression::Gzip => Coded::Compressed(Box::new(Gunzip::new(buffered(input)))),
        Compression::Zstd => Coded::Compressed(Box::new(Unzstd::new(buffered(input))?)),
    })
}

/// A pipe that has nothing for this long after the tool was asked to end has no more.
pub(super) const QUIET: Duration = Duration::from_millis(500);

/// What else comes of a pipe so long after the tool was asked to end is not waited for.
pub(super) const DRAIN: Duration = Duration::from_secs(2);

/// How often a wait for input looks whether it is to end.
const STOP_CHECK: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// A file that ends when it is told to, and counts what is read of it.
struct FileReader {
    file: File,
    /// Whether its next bytes may have to be waited for.
    may_wait: bool,
    /// How much of it is still to be read, at most.
    left: u64,
    /// Whether it is a terminal whose user has ended the input.
    has_ended: bool,
    is_stopping: Arc<AtomicBool>,
    is_cut: Arc<AtomicBool>,
    /// When it was asked to end, and when its latest bytes came since.
    stopped: Option<(Instant, Instant)>,
    meter: Arc<Meter>,
}

impl FileReader {
    fn new(file: File, how: &ReadOptions) -> io::Result<Self> {
        let kind = file.metadata()?.file_type();
        let may_wait = !kind.is_file();
        if kind.is_fifo() && fcntl_getpipe_size(&file)? < PIPE_SIZE {
            // Where that is not allowed, it works as it is.
            let _ = fcntl_setpipe_size(&file, PIPE_SIZE);
        }
        let (is_stopping, is_cut) = (Arc::clone(&how.is_stopping), Arc::clone(&how.is_cut));
        let meter = Arc::clone(&how.meter);
        Ok(FileReader {
            file,
            may_wait,
            left: u64::MAX,
            has_ended: false,
            is_stopping,
            is_cut,
            stopped: None,
            meter,
        })
    }

    /// Waits for bytes, or for the end. False: it is to end.
    fn wait(&mut self) -> io::Result<bool> {
        loop {
            if self.is_stopping.load(Ordering::Relaxed) && self.is_to_end()? {
                return Ok(false);
            }
            if !self.may_wait {
                return Ok(true);
            }
            let mut waiting = [PollFd::new(&self.file, PollFlags::IN)];
            match poll(&mut waiting, Some(&STOP_CHECK)) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => {
                    if let Some((_, latest)) = &mut self.stopped {
                        *latest = Instant::now();
                    }
                    return Ok(true);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Whether reading ends here, as it was asked to: in a file that goes on; in a pipe that has nothing for a while, or
    /// goes on and on.
    fn is_to_end(&mut self) -> io::Result<bool> {
        let now = Instant::now();
        let (since, latest) = *self.stopped.get_or_insert((now, now));
        let is_cut = if self.may_wait {
            now - since >= DRAIN
        } else {
            self.left > 0 && self.file.stream_position()? < self.file.metadata()?.len()
        };
        self.is_cut.fetch_or(is_cut, Ordering::Relaxed);
        Ok(is_cut || self.may_wait && now - latest >= QUIET)
    }
}

impl Read for FileReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.has_ended || !self.wait()? {
            return Ok(0);
        }
        let most = out.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = self.file.read(&mut out[..most])?;
        self.left -= read as u64;
        // A terminal whose input has ended would wait for more.
        self.has_ended = read == 0 && !out.is_empty() && self.may_wait && self.file.is_terminal();
        self.meter.add_bytes(read as u64);
        Ok(read)
    }
}

fn open_file(place: &Place) -> Result<File> {
    let file = match place {
        // A copy of the descriptor has no buffer in between.
        Place::Standard => File::from(io::stdin().as_fd().try_clone_to_owned()?),
        Place::File(path) => File::open(path)?,
        Place::Object(_) => return Err(io::Error::from(ErrorKind::Unsupported).into()),
        Place::Network(_) => return Err(Error::Usage("only records can be read from here".into())),
        Place::Kafka(_) => {
            return Err(Error::Usage("it has records, and no bytes of its own as are wanted here".into()));
        }
    };
    if file.metadata()?.is_dir() {
        return Err(io::Error::from(ErrorKind::IsADirectory).into());
    }
    Ok(file)
}

/// Size of all places together, if each of them is a file or an object.
pub fn total_size<'a>(places: impl IntoIterator<Item = &'a Place>, how: &ReadOptions) -> Option<u64> {
    places.into_iter().map(|place| size(place, how)).sum()
}

/// Size of a place that is a file or an object.
fn size(place: &Place, how: &ReadOptions) -> Option<u64> {
    let found = match place {
        Place::Standard => {
            io::stdin().as_fd().try_clone_to_owned().and_then(|file| File::from(file).metadata())
        }
        Place::File(path) => std::fs::metadata(path),
        Place::Object(object) => return how.services.s3.size(object).ok(),
        Place::Network(_) | Place::Kafka(_) => return None,
    };
    found.ok().filter(std::fs::Metadata::is_file).map(|found| found.len())
}

/// Bytes at both ends of a file that tell it from others.
const MARKED: u64 = 64 << 10;

/// The size of a file or an object, and what tells its content from that of others: its `ETag`, or a digest of the
/// beginning and the end.
pub fn content_mark(place: &Place, how: &ReadOptions) -> Result<(u64, String)> {
    if let Place::Object(object) = place {
        let size = how.services.s3.size(object).map_err(|error| error.at(place.to_string()))?;
        return Ok((size, object.etag().to_owned()));
    }
    let mark = || -> Result<(u64, String)> {
        let mut file = open_file(place)?;
        let size = file.metadata()?.len();
        let mut digest = Sha256::new();
        let mut bytes = Vec::new();
        (&mut file).take(MARKED).read_to_end(&mut bytes)?;
        digest.update(&bytes);
        bytes.clear();
        file.seek(SeekFrom::Start(size.saturating_sub(MARKED)))?;
        (&mut file).take(MARKED).read_to_end(&mut bytes)?;
        digest.update(&bytes);
        Ok((size, faster_hex::hex_string(&digest.finalize())))
    };
    mark().map_err(|error| error.at(place.to_string()))
}

/// A stream whose beginning was read already, and is read again.
pub(super) struct Peeked<R> {
    first: Vec<u8>,
    given: usize,
    rest: R,
}

impl<R: Read> Peeked<R> {
    /// Reads once, and again only where that gave too little to tell formats
    /// apart: a slow pipe is not waited for.
    pub(super) fn new(mut rest: R) -> io::Result<Self> {
        let mut first = vec![0; FIRST_READ];
        let mut filled = 0;
        while filled < first.len() && !is_decided(&first[..filled]) {
            match rest.read(&mut first[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // What came before an error is delivered first; the next read tells it again.
                Err(_) if filled > 0 => break,
                Err(error) => return Err(error),
            }
        }
        first.truncate(filled);
        Ok(Peeked { first, given: 0, rest })
    }

    /// The beginning, of 65536 bytes at most, less what was already read.
    pub(super) fn first(&self) -> &[u8] {
        &self.first[self.given..]
    }

    /// Whether there was as much as is looked at, so that there may be more.
    pub(super) fn is_bulk(&self) -> bool {
        self.first.len() == FIRST_READ
    }

    /// Leaves the next `length` bytes out.
    pub(super) fn skip(&mut self, length: usize) {
        self.given += length;
    }
}

impl<R: Read> Read for Peeked<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.given == self.first.len() {
            return self.rest.read(out);
        }
        let length = out.len().min(self.first.len() - self.given);
        out[..length].copy_from_slice(&self.first[self.given..self.given + length]);
        self.given += length;
        if self.given == self.first.len() {
            self.first = Vec::new();
            self.given = 0;
        }
        Ok(length)
    }
}
