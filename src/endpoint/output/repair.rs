//! Where a file goes on that another run has left, perhaps in the middle of a record.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom};

use flate2::bufread::GzDecoder;

use super::coding::CompressionOptions;
use crate::endpoint::format::Compression;
use crate::endpoint::framing::HttpFraming;
use crate::endpoint::index::{Builder, GROUP_RECORDS};
use crate::observe::Size;
use crate::record::{
    Block, Header, MAX_HEADER, MAX_MAX_RECORD, Mark, MessageFraming as _, Reader, ReaderOptions, SEPARATOR,
    Source as _,
};
use crate::{Error, Result};

/// Most text of a compressed piece, or of a record that is not whole, that is taken up again. What these tools write
/// is far less.
const MAX_TAIL: usize = 256 << 20;

/// A separator with the line ends of other systems.
const CRLF_SEPARATOR: &[u8] = "\r\n🐵🙈🙉\r\n".as_bytes();

/// How a file goes on.
#[derive(Debug, Default)]
pub(super) struct Repair {
    /// Where in the file that begins which is not sound.
    pub(super) at: u64,
    /// What takes its place: the whole records that were in it, and what there is of a last one, marked as cut.
    pub(super) text: Vec<u8>,
}

/// Looks how `file`, which is not empty, goes on, and gathers its index if one is wanted.
pub(super) fn look(file: &mut File, compression: Compression, index: Option<&mut Builder>) -> Result<Repair> {
    if compression != Compression::None {
        return compressed(file, compression, index);
    }
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(0))?;
    let mut index = index;
    let last = scan(&mut *file, 0, index.as_deref_mut())?;
    let at = last.as_ref().map_or(0, |last| last.at);
    let mut rest = Vec::new();
    file.seek(SeekFrom::Start(at))?;
    file.take(MAX_TAIL as u64 + 1).read_to_end(&mut rest)?;
    if rest.len() > MAX_TAIL {
        return Err(too_much());
    }
    let whole = last.as_ref().and_then(|last| last.length_in(&rest)).unwrap_or(0);
    if let (1.., Some(last), Some(index)) = (whole, &last, index) {
        last.note(index);
        index.place_here();
    }
    let rest = &rest[whole..];
    let at = at + whole as u64;
    Ok(match mended(rest) {
        Some(text) => Repair { at, text },
        // A part of a header line would take what is added for its rest. What has no record before it is none.
        None if whole > 0 && is_torn_header(rest) => Repair { at, text: Vec::new() },
        None => Repair { at: length, text: missing_end(rest).to_vec() },
    })
}

/// Whether the end of a file is the beginning of a header line.
fn is_torn_header(rest: &[u8]) -> bool {
    let begins = matches!(rest, [b'1'..=b'3'] | [b'1'..=b'3', b' ', ..]);
    begins && rest.len() <= MAX_HEADER && memchr::memchr(b'\n', rest).is_none()
}

/// The last record that a reader finds. It may lack its end, which the reader gives it.
struct Last {
    /// Where it begins in the file.
    at: u64,
    record: Block,
}

impl Last {
    /// How long it is in `bytes`, which begin with it and go to the end of the file; none if it is not whole.
    fn length_in(&self, bytes: &[u8]) -> Option<usize> {
        let payload = self.record.iter().next()?.payload.len();
        let end = memchr::memchr(b'\n', bytes)? + 1 + payload;
        let after = bytes.get(end..)?;
        // Files edited elsewhere may have CRLF there.
        let separators = [SEPARATOR, CRLF_SEPARATOR];
        separators.into_iter().find(|separator| after.starts_with(separator)).map(|one| end + one.len())
    }

    fn note(&self, index: &mut Builder) {
        index.begins_at.get_or_insert(self.at);
        self.record.iter().for_each(|view| index.note(&view));
        if index.noted() >= GROUP_RECORDS {
            index.place_here();
        }
    }
}

/// Reads records, of which the first begins at `from` in the file, and takes all but the last into the index. Damage
/// is for who reads the file to tell; an error is only what cannot be read past.
fn scan(input: impl Read, from: u64, mut index: Option<&mut Builder>) -> Result<Option<Last>> {
    let options =
        ReaderOptions { max_record: MAX_MAX_RECORD, framing: HttpFraming::boxed, ..ReaderOptions::default() };
    let mut reader = Reader::new(input, options);
    let (mut block, mut last) = (Block::new(), None::<Last>);
    while reader.read_block(&mut block)? {
        let count = block.len();
        for (number, view) in block.iter().enumerate() {
            if number + 1 < count && index.is_none() {
                continue;
            }
            if let (Some(last), Some(index)) = (&last, &mut index) {
                last.note(index);
            }
            let mut record = Block::new();
            record.push(&view.header, view.payload);
            last = Some(Last { at: from + view.position.byte, record });
        }
    }
    if let Some(index) = index {
        index.place_here();
    }
    Ok(last)
}

/// Where the last whole record of a text ends.
fn whole(text: &[u8]) -> Result<usize> {
    let Some(last) = scan(text, 0, None)? else { return Ok(0) };
    let at = last.at as usize;
    Ok(at + last.length_in(&text[at..]).unwrap_or(0))
}

/// What there is of a last record that is not whole, as a record that says so; as it is, if only its separator is
/// missing. None: it is no record.
fn mended(rest: &[u8]) -> Option<Vec<u8>> {
    if rest.is_empty() {
        return Some(Vec::new());
    }
    let end = memchr::memchr(b'\n', rest)?;
    let mut header = Header::parse(&rest[..end]).ok()?;
    let mut payload = &rest[end + 1..];
    let length = header.length.and_then(|length| usize::try_from(length).ok());
    match length {
        Some(length) if length <= payload.len() => payload = &payload[..length],
        Some(_) => header.mark = Some(Mark::Cut),
        None => {
            let there = SEPARATOR.len() - missing_end(payload).len();
            payload = &payload[..payload.len() - there];
            if !HttpFraming::new(header.kind).is_whole(payload) {
                header.mark = Some(Mark::Cut);
            }
        }
    }
    let mut block = Block::new();
    block.push(&header, payload);
    Some(block.bytes().to_vec())
}

/// What is to be written so that a last record ends before the next begins: nothing where it has ended.
fn missing_end(text: &[u8]) -> &'static [u8] {
    // A lone line feed is the payload's own.
    let there = (2..=SEPARATOR.len()).rev().find(|&length| text.ends_with(&SEPARATOR[..length])).unwrap_or(0);
    &SEPARATOR[there..]
}

/// A file of gzip members or zstd frames: the sound ones stay as they are; of a last one that was cut, the text.
fn compressed(file: &mut File, compression: Compression, mut index: Option<&mut Builder>) -> Result<Repair> {
    file.seek(SeekFrom::Start(0))?;
    let mut input = CountedReader { input: BufReader::with_capacity(1 << 18, file), count: 0 };
    let (mut text, mut end) = (Vec::new(), Vec::new());
    while !input.fill_buf()?.is_empty() {
        let at = input.count;
        text.clear();
        match piece(&mut input, compression, &mut text, index.is_some()) {
            Ok(()) => {
                if let Some(index) = &mut index {
                    if whole(&text)? != text.len() {
                        let reason =
                            "its compressed parts do not hold whole records, so that no index can be made";
                        return Err(Error::Usage(format!("{reason}; leave out --index")));
                    }
                    note(&text, at, index);
                }
                end.extend_from_slice(&text[text.len().saturating_sub(SEPARATOR.len())..]);
                end.drain(..end.len().saturating_sub(SEPARATOR.len()));
            }
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                if text.len() > MAX_TAIL {
                    return Err(too_much());
                }
                let end = whole(&text)?;
                if let Some(mended) = mended(&text[end..]) {
                    text.truncate(end);
                    text.extend_from_slice(&mended);
                } else if end > 0 && is_torn_header(&text[end..]) {
                    text.truncate(end);
                } else {
                    let end = missing_end(&text);
                    text.extend_from_slice(end);
                }
                return Ok(Repair { at, text });
            }
            Err(error) => {
                let reason = "what is appended could not be read back: write to another file";
                return Err(Error::Invalid(format!("{error}; {reason}")));
            }
        }
    }
    let text = if end.is_empty() { Vec::new() } else { missing_end(&end).to_vec() };
    Ok(Repair { at: input.count, text })
}

/// Adds the records of a compressed piece that begins at `at` in the file to the index.
pub(super) fn note(text: &[u8], at: u64, index: &mut Builder) {
    let options =
        ReaderOptions { max_record: MAX_MAX_RECORD, framing: HttpFraming::boxed, ..ReaderOptions::default() };
    let mut reader = Reader::new(text, options);
    let mut block = Block::new();
    while let Ok(true) = reader.read_block(&mut block) {
        block.iter().for_each(|view| index.note(&view));
    }
    index.begins_at = Some(at);
    index.place_here();
}

/// Decompresses one piece. Of its text all is kept, or if only its end is of interest and it is long, the end.
fn piece(
    input: &mut impl BufRead,
    compression: Compression,
    text: &mut Vec<u8>,
    is_all: bool,
) -> io::Result<()> {
    let mut decoder: Box<dyn Read + '_> = match compression {
        Compression::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(input)?.single_frame()),
        _ => Box::new(GzDecoder::new(input)),
    };
    let mut buffer = vec![0; 1 << 16];
    loop {
        match decoder.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => text.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if text.len() > 2 * MAX_TAIL {
            if is_all {
                return Err(io::Error::new(ErrorKind::InvalidData, "its compressed parts are too long"));
            }
            // More than is ever taken up again.
            text.drain(..text.len() - MAX_TAIL - 1);
        }
    }
}

fn too_much() -> Error {
    Error::Invalid(format!(
        "more than {} at its end are not whole: write to another file",
        Size(MAX_TAIL as u64)
    ))
}

/// Compresses text that was taken up again, as a piece of its own.
pub(super) fn compress(text: &[u8], coding: CompressionOptions) -> io::Result<Vec<u8>> {
    if text.is_empty() || coding.compression == Compression::None {
        return Ok(text.to_vec());
    }
    coding.compress(text)
}

/// Input that knows how much of it was read.
struct CountedReader<R> {
    input: R,
    count: u64,
}

impl<R: BufRead> Read for CountedReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(out)?;
        self.consume(length);
        Ok(length)
    }
}

impl<R: BufRead> BufRead for CountedReader<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.input.fill_buf()
    }

    fn consume(&mut self, length: usize) {
        self.count += length as u64;
        self.input.consume(length);
    }
}
