//! Runs of records in a temporary file that has no name: it vanishes with the program, however that ends.
//!
//! A file holds any number of runs one after the other, and needs one
//! descriptor for all of them. A run is a sequence of chunks, each of which
//! is read at once: the number of its records, for each its key and length,
//! then the text of all of them.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use super::keyed_block::{KeyedBlock, SortKey};
use crate::{Error, Result};

/// Bytes of a record's entry in its chunk: time, order, length.
const ENTRY: usize = 16;

/// Bytes before a chunk's entries: how many there are.
const COUNT: usize = 4;

/// A temporary file.
pub(super) struct Spill {
    file: Arc<File>,
    place: Arc<str>,
    end: u64,
}

impl Spill {
    /// Makes the file in this directory.
    pub(super) fn new(directory: &Path) -> Result<Self> {
        let place: Arc<str> = format!("temporary file in {}", directory.display()).into();
        let file = tempfile::tempfile_in(directory).map_err(|error| explain(error, &place))?;
        Ok(Spill { file: Arc::new(file), place, end: 0 })
    }

    /// Begins a run at the end of the file. Chunks hold so many bytes of
    /// text, or a single record.
    pub(super) fn run(&mut self, chunk: usize) -> RunWriter<'_> {
        let start = self.end;
        RunWriter {
            spill: self,
            start,
            chunk,
            entries: Vec::new(),
            count: 0,
            text: Vec::with_capacity(chunk),
        }
    }

    /// Reads a run.
    pub(super) fn read(&self, run: SpilledRun) -> RunReader {
        RunReader {
            file: Arc::clone(&self.file),
            place: Arc::clone(&self.place),
            rest: run,
            lengths: Vec::new(),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        (&*self.file).write_all(bytes).map_err(|error| explain(error, &self.place))?;
        self.end += bytes.len() as u64;
        Ok(())
    }
}

/// Where in its file a run lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct SpilledRun {
    start: u64,
    end: u64,
}

/// Writes one run.
pub(super) struct RunWriter<'a> {
    spill: &'a mut Spill,
    start: u64,
    chunk: usize,
    count: u32,
    entries: Vec<u8>,
    text: Vec<u8>,
}

impl RunWriter<'_> {
    /// Adds a record: its text, with the separator.
    pub(super) fn push(&mut self, key: SortKey, raw: &[u8]) -> Result<()> {
        if self.count > 0 && self.text.len() + self.entries.len() + raw.len() > self.chunk {
            self.flush()?;
        }
        self.count += 1;
        self.entries.extend_from_slice(&key.time.to_le_bytes());
        self.entries.extend_from_slice(&key.order.to_le_bytes());
        self.entries.extend_from_slice(&(raw.len() as u32).to_le_bytes());
        self.text.extend_from_slice(raw);
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.spill.write(&self.count.to_le_bytes())?;
        self.spill.write(&self.entries)?;
        self.spill.write(&self.text)?;
        self.count = 0;
        self.entries.clear();
        self.text.clear();
        // A giant record's room is not kept.
        self.text.shrink_to(self.chunk);
        Ok(())
    }

    /// Ends the run.
    pub(super) fn finish(mut self) -> Result<SpilledRun> {
        if self.count > 0 {
            self.flush()?;
        }
        Ok(SpilledRun { start: self.start, end: self.spill.end })
    }
}

/// Reads one run, a chunk at a time.
pub(super) struct RunReader {
    file: Arc<File>,
    place: Arc<str>,
    rest: SpilledRun,
    lengths: Vec<u32>,
}

impl RunReader {
    /// The next chunk. `false`: the run is over.
    pub(super) fn read(&mut self, batch: &mut KeyedBlock) -> Result<bool> {
        batch.keys.clear();
        if self.rest.start >= self.rest.end {
            batch.block.clear();
            return Ok(false);
        }
        let mut at = At { file: &self.file, offset: self.rest.start };
        let result = read_chunk(&mut at, batch, &mut self.lengths);
        self.rest.start = at.offset;
        result.map_err(|error| error.at(&*self.place))?;
        Ok(true)
    }
}

fn read_chunk(input: &mut At<'_>, batch: &mut KeyedBlock, lengths: &mut Vec<u32>) -> Result<()> {
    let mut count = [0; COUNT];
    input.read_exact(&mut count)?;
    let mut entries = vec![0; u32::from_le_bytes(count) as usize * ENTRY];
    input.read_exact(&mut entries)?;
    lengths.clear();
    for &[time @ .., o1, o2, o3, o4, l1, l2, l3, l4] in entries.as_chunks::<ENTRY>().0 {
        let order = u32::from_le_bytes([o1, o2, o3, o4]);
        batch.keys.push(SortKey { time: i64::from_le_bytes(time), order });
        lengths.push(u32::from_le_bytes([l1, l2, l3, l4]));
    }
    batch.block.load(input, lengths)
}

/// A file from an offset on, whatever else reads it.
struct At<'a> {
    file: &'a File,
    offset: u64,
}

impl Read for At<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(out, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

/// An error of the temporary file, with what can be done about it.
fn explain(error: io::Error, place: &str) -> Error {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            let error = Error::from(error);
            Error::Invalid(format!("{error}; --temp-dir or TMPDIR names a place with more room")).at(place)
        }
        _ => Error::from(error).at(place),
    }
}
