//! The bytes of a place, decompressed.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use flate2::bufread::GzDecoder;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::format::{Compression, MAGIC};
use super::place::Place;
use crate::{Error, Result};

/// Bytes looked at before it is decided what an input is.
const FIRST_READ: usize = 1 << 16;

/// Compressed bytes read at once.
const COMPRESSED_READ: usize = 1 << 18;

/// Largest zstd window accepted: 128 MiB, as the `zstd` program does. Only
/// `--long` and `--ultra` ever use more than 8 MiB.
const MAX_WINDOW_LOG: u32 = 27;

/// Any stream of bytes.
pub(super) type Bytes = Box<dyn Read + Send>;

/// Opens a place and decompresses what it holds.
///
/// gzip members and zstd frames may follow each other, and zero bytes the last
/// gzip member. Where compressed data is cut or damaged, what decodes is
/// delivered before the error. Errors on opening name the place, those on
/// reading do not.
pub fn open_bytes(place: &Place) -> Result<Box<dyn Read + Send>> {
    open(place, |file| file)
}

/// The same, but the bytes end when `is_stopping` turns true, even while a
/// silent pipe is waited for.
pub fn open_bytes_until(place: &Place, is_stopping: &Arc<AtomicBool>) -> Result<Box<dyn Read + Send>> {
    open(place, |file| Stoppable { file, is_stopping: Arc::clone(is_stopping) })
}

fn open<R: Read + Send + 'static>(place: &Place, wrap: impl FnOnce(File) -> R) -> Result<Bytes> {
    let name = || place.to_string();
    let file = open_file(place).map_err(|error| error.at(name()))?;
    Ok(decompress(Peeked::new(wrap(file)).map_err(|error| Error::from(error).at(name()))?)?)
}

/// How often a wait for input looks whether it is to end.
const STOP_CHECK: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// A file that ends when it is told to.
struct Stoppable {
    file: File,
    is_stopping: Arc<AtomicBool>,
}

impl Read for Stoppable {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.is_stopping.load(Ordering::Relaxed) {
                return Ok(0);
            }
            let mut waiting = [PollFd::new(&self.file, PollFlags::IN)];
            match poll(&mut waiting, Some(&STOP_CHECK)) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return self.file.read(out),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn open_file(place: &Place) -> Result<File> {
    let file = match place {
        // A copy of the descriptor has no buffer in between.
        Place::Standard => File::from(io::stdin().as_fd().try_clone_to_owned()?),
        Place::File(path) => File::open(path)?,
    };
    if file.metadata()?.is_dir() {
        return Err(io::Error::from(ErrorKind::IsADirectory).into());
    }
    Ok(file)
}

fn decompress(input: Peeked<impl Read + Send + 'static>) -> io::Result<Bytes> {
    match Compression::of(input.first()) {
        Compression::None => Ok(Box::new(input)),
        Compression::Gzip => Ok(Box::new(Gunzip::new(BufReader::with_capacity(COMPRESSED_READ, input)))),
        Compression::Zstd => {
            let input = BufReader::with_capacity(COMPRESSED_READ, input);
            let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?;
            decoder.window_log_max(MAX_WINDOW_LOG)?;
            Ok(Box::new(Unzstd(decoder)))
        }
    }
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
        while filled < MAGIC {
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

/// gzip members one after the other.
struct Gunzip<R> {
    /// None after the last one, or after damage.
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Gunzip<R> {
    fn new(input: R) -> Self {
        Gunzip { member: Some(GzDecoder::new(input)) }
    }
}

impl<R: BufRead> Read for Gunzip<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            match member.read(out) {
                Ok(0) if !out.is_empty() => {}
                Err(error) if error.kind() != ErrorKind::Interrupted => {
                    self.member = None;
                    return Err(damage("gzip", &error));
                }
                result => return result,
            }
            let Some(mut input) = self.member.take().map(GzDecoder::into_inner) else { break };
            if has_next_member(&mut input)? {
                *self = Gunzip::new(input);
            }
        }
        Ok(0)
    }
}

/// Whether another gzip member follows. Zero bytes up to the end are padding,
/// as tapes and block devices have it.
fn has_next_member(input: &mut impl BufRead) -> io::Result<bool> {
    let mut is_padded = false;
    loop {
        let bytes = input.fill_buf()?;
        let Some(&first) = bytes.first() else { return Ok(false) };
        if first == 0x1f && !is_padded {
            return Ok(true);
        }
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        if zeros == 0 {
            return Err(io::Error::new(ErrorKind::InvalidData, "what follows the gzip data is no gzip data"));
        }
        is_padded = true;
        input.consume(zeros);
    }
}

/// zstd frames one after the other, with errors that say so.
struct Unzstd<R: BufRead>(zstd::stream::read::Decoder<'static, R>);

impl<R: BufRead> Read for Unzstd<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.read(out).map_err(|error| damage("zstd", &error))
    }
}

/// What a decoder's error means to a person.
fn damage(name: &str, error: &io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::Interrupted => io::Error::from(ErrorKind::Interrupted),
        ErrorKind::UnexpectedEof => {
            let text = format!("the {name} data ends early: the file was cut");
            io::Error::new(ErrorKind::UnexpectedEof, text)
        }
        ErrorKind::InvalidInput | ErrorKind::InvalidData | ErrorKind::Other => {
            io::Error::new(ErrorKind::InvalidData, format!("the {name} data is damaged: {error}"))
        }
        // The file below could not be read: its own words are best.
        kind => error.raw_os_error().map_or_else(|| io::Error::from(kind), io::Error::from_raw_os_error),
    }
}
