//! One file that is written: whole records, plain or in compressed pieces.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::coding::{CompressionOptions, Done, Pool, StreamEncoder, thread_lost};
use super::collisions::OutputIdentity;
use crate::endpoint::format::Compression;
use crate::endpoint::index::{Builder, GROUP_RECORDS, UnplacedRecords};
use crate::record::{Block, MAX_MAX_RECORD, Reader, ReaderOptions, Run, Source as _};
use crate::{Error, Result};

/// Bytes gathered before they are written. Longer slices are written as they are.
const BUFFER: usize = 1 << 18;

/// How many records, and the id of the last of them.
#[derive(Clone, Debug, Default)]
struct LastRecord {
    records: u64,
    id: Vec<u8>,
}

impl LastRecord {
    fn add(&mut self, records: u64, id: &[u8]) {
        if records > 0 {
            self.records += records;
            self.id.clear();
            self.id.extend_from_slice(id);
        }
    }
}

/// A piece that is being compressed.
struct PendingPiece {
    result: Receiver<Done>,
    mark: LastRecord,
    noted: Option<UnplacedRecords>,
    length: u64,
}

/// How pieces are made.
pub(super) struct PieceOptions {
    pub(super) coding: CompressionOptions,
    pub(super) pool: Arc<Pool>,
    /// Text of a piece.
    pub(super) size: usize,
}

/// What is needed to write a file that is open.
pub(super) struct OpenedOutput {
    pub(super) file: File,
    pub(super) place: String,
    /// Of a regular file that was opened by its path.
    pub(super) path: Option<PathBuf>,
    pub(super) is_regular: bool,
    /// Whether it was created for this.
    pub(super) is_new: bool,
    /// Where writing begins.
    pub(super) at: u64,
    /// How it is compressed, if it is.
    pub(super) pieces: Option<PieceOptions>,
    pub(super) index: Option<Builder>,
}

/// A file that is written.
///
/// Where writing fails, a regular file is cut back to its last whole record,
/// or, where it is compressed, to the last that was written out.
pub(super) struct OutputFile {
    to: OpenedOutput,
    /// What waits to be written, of whole records but while one is taken.
    text: Vec<u8>,
    /// The records in it.
    waiting: LastRecord,
    /// The records that are in the file.
    written: LastRecord,
    pending: VecDeque<PendingPiece>,
    /// A piece whose beginning is written already, where that was, and how
    /// much text it holds.
    open: Option<(StreamEncoder, u64, usize)>,
    /// Text taken, text that can be read back from the file, and how much
    /// had been taken at the last tick.
    taken: u64,
    out: u64,
    taken_before: u64,
    /// What went wrong; nothing is written after it.
    failure: Option<String>,
    is_finished: bool,
}

impl OutputFile {
    pub(super) fn new(to: OpenedOutput) -> Self {
        OutputFile {
            to,
            text: Vec::new(),
            waiting: LastRecord::default(),
            written: LastRecord::default(),
            pending: VecDeque::new(),
            open: None,
            taken: 0,
            out: 0,
            taken_before: 0,
            failure: None,
            is_finished: false,
        }
    }

    /// Whether it is a file, and not a pipe or a device.
    pub(super) fn is_regular(&self) -> bool {
        self.to.is_regular
    }

    /// How long it is, with what waits for it.
    #[cfg(feature = "s3")]
    pub(super) fn length(&self) -> u64 {
        self.to.at + self.text.len() as u64
    }

    /// Fails if it is a pipe or a socket whose reader has gone.
    pub(super) fn check_reader(&mut self) -> Result<()> {
        if self.to.is_regular {
            return Ok(());
        }
        let mut polled = [PollFd::new(&self.to.file, PollFlags::empty())];
        let at_once = Timespec::default();
        // What cannot be polled is found out about when it is written to.
        let is_gone = poll(&mut polled, Some(&at_once)).is_ok_and(|found| found > 0)
            && polled[0].revents().intersects(PollFlags::ERR | PollFlags::HUP);
        if is_gone { Err(self.fail(ErrorKind::BrokenPipe.into(), 0, &[])) } else { Ok(()) }
    }

    /// Whether its path leads to no file any more, or to another.
    pub(super) fn was_moved(&self) -> bool {
        let Some(path) = &self.to.path else { return false };
        self.to.file.metadata().is_ok_and(|found| OutputIdentity::of_path(path) != OutputIdentity::of(&found))
    }

    /// Has no index written; whether one would have been.
    pub(super) fn drop_index(&mut self) -> bool {
        self.to.index.take().is_some()
    }

    /// Takes records as text.
    pub(super) fn take(&mut self, records: &Run<'_>) -> Result<()> {
        if self.to.index.is_none() {
            return self.take_part(records);
        }
        let mut first = 0;
        while first < records.len() {
            let room = self.to.index.as_ref().map_or(0, |index| GROUP_RECORDS - index.noted());
            let end = records.len().min(first + room as usize);
            self.take_part(&records.part(first..end))?;
            first = end;
        }
        Ok(())
    }

    fn take_part(&mut self, records: &Run<'_>) -> Result<()> {
        let begins_at = self.to.at + self.text.len() as u64;
        self.write(records.bytes())?;
        let last = records.part(records.len().saturating_sub(1)..records.len()).iter().next();
        let id = last.as_ref().map_or(&[][..], |view| view.header.id);
        // A long slice went out directly, and what waited before it.
        let goes_to = if self.text.is_empty() { &mut self.written } else { &mut self.waiting };
        goes_to.add(records.len() as u64, id);
        if let Some(index) = &mut self.to.index {
            records.iter().for_each(|view| index.note(&view));
            if self.to.pieces.is_none() {
                // What is plain is placed at once: a group for each run or a part of one would be too many.
                if index.begins_at.is_none() {
                    index.begins_at = Some(begins_at);
                }
                if index.noted() >= GROUP_RECORDS {
                    index.place_here();
                }
            }
        }
        self.end_full_piece()
    }

    fn end_full_piece(&mut self) -> Result<()> {
        let Some(pieces) = &self.to.pieces else { return Ok(()) };
        let length = self.text.len() + self.open.as_ref().map_or(0, |(_, _, length)| *length);
        let is_full_group = self.to.index.as_ref().is_some_and(|index| index.noted() >= GROUP_RECORDS);
        if length >= pieces.size || is_full_group {
            self.end_piece()?;
        }
        Ok(())
    }

    /// Takes bytes of a record, or of another format.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.check()?;
        self.taken += bytes.len() as u64;
        if self.to.pieces.is_none() {
            if self.text.len() + bytes.len() > BUFFER {
                self.write_text()?;
            }
            if bytes.len() >= BUFFER {
                self.put(bytes, true)?;
                self.out = self.taken;
                return Ok(());
            }
        }
        self.text.extend_from_slice(bytes);
        Ok(())
    }

    /// Writes bytes of another format, which has no records of its own.
    pub(super) fn write_foreign(&mut self, bytes: &[u8]) -> Result<()> {
        self.write(bytes)?;
        self.end_full_piece()
    }

    fn check(&self) -> Result<()> {
        match &self.failure {
            Some(failure) => Err(Error::Invalid(failure.clone())),
            None => Ok(()),
        }
    }

    /// Everything taken so far can be read back once this is done.
    pub(super) fn sync(&mut self) -> Result<()> {
        self.check()?;
        self.drain(0)?;
        if self.to.pieces.is_none() {
            return self.write_text();
        }
        if self.text.is_empty() {
            return Ok(());
        }
        let mut text = std::mem::take(&mut self.text);
        let result = self.sync_piece(&text);
        text.clear();
        self.text = text;
        result?;
        self.out = self.taken;
        self.end_full_piece()
    }

    /// A file that another program truncated, as `copytruncate` of logrotate does, is begun anew with a piece of its
    /// own: what was written before is in its copy.
    fn follow_truncation(&mut self) {
        let is_shorter = |found: std::fs::Metadata| found.is_file() && found.len() < self.to.at;
        if self.open.is_some() && self.to.file.metadata().is_ok_and(is_shorter) {
            self.open = None;
            self.to.at = self.to.file.metadata().map_or(0, |found| found.len());
        }
    }

    fn sync_piece(&mut self, text: &[u8]) -> Result<()> {
        self.follow_truncation();
        let (mut stream, at, length) = match self.open.take() {
            Some(open) => open,
            None => {
                (StreamEncoder::new(self.coding()).map_err(|error| self.fail(error, 0, &[]))?, self.to.at, 0)
            }
        };
        let bytes =
            stream.write(text).and_then(|()| stream.sync()).map_err(|error| self.fail(error, 0, &[]))?;
        self.put(&bytes, false)?;
        let mark = std::mem::take(&mut self.waiting);
        self.written.add(mark.records, &mark.id);
        self.open = Some((stream, at, length + text.len()));
        Ok(())
    }

    fn coding(&self) -> CompressionOptions {
        let none = CompressionOptions { compression: Compression::None, level: 0 };
        self.to.pieces.as_ref().map_or(none, |pieces| pieces.coding)
    }

    /// Writes what has waited since the tick before the last. What fails is
    /// told when more is written.
    pub(super) fn tick(&mut self) {
        if self.failure.is_none() && !self.is_finished && self.out < self.taken_before {
            // `fail` has kept the reason.
            let _ = self.sync();
        }
        self.taken_before = self.taken;
    }

    /// Ends the file after a failure: one that was created for nothing is taken away when this is dropped.
    pub(super) fn fail_with_source(&mut self) -> Result<()> {
        if self.to.is_new && self.taken == 0 { self.check() } else { self.finish() }
    }

    /// Ends the file. Nothing is written after it.
    pub(super) fn finish(&mut self) -> Result<()> {
        if self.is_finished {
            return Ok(());
        }
        self.check()?;
        if self.to.pieces.is_some() {
            let is_void = self.to.at == 0 && self.pending.is_empty();
            if !self.text.is_empty() || self.open.is_some() || is_void {
                self.end_piece()?;
            }
            self.drain(0)?;
        } else {
            self.write_text()?;
        }
        self.is_finished = true;
        if self.to.index.is_some() && self.to.file.metadata()?.len() != self.to.at {
            let reason =
                "another program changed it meanwhile, so that its index would be wrong; none is written";
            return Err(Error::Invalid(reason.to_owned()).at(self.to.place.as_str()));
        }
        if let (Some(mut index), Some(path)) = (self.to.index.take(), &self.to.path) {
            index.place_here();
            index.write(path).map_err(|error| Error::from(error).at(format!("{}.idx", self.to.place)))?;
        }
        Ok(())
    }

    /// Writes the text of a plain file.
    fn write_text(&mut self) -> Result<()> {
        let mut text = std::mem::take(&mut self.text);
        let result = self.put(&text, true);
        text.clear();
        self.text = text;
        result?;
        let mark = std::mem::take(&mut self.waiting);
        self.written.add(mark.records, &mark.id);
        self.out = self.taken;
        Ok(())
    }

    /// Ends the current piece: has it compressed and written.
    fn end_piece(&mut self) -> Result<()> {
        self.follow_truncation();
        let noted = self.to.index.as_mut().and_then(Builder::cut);
        if let Some((mut stream, at, _)) = self.open.take() {
            self.drain(0)?;
            let rest = stream.write(&self.text).and_then(|()| stream.finish());
            let rest = rest.map_err(|error| self.fail(error, 0, &[]))?;
            self.put(&rest, false)?;
            self.text.clear();
            let mark = std::mem::take(&mut self.waiting);
            self.written.add(mark.records, &mark.id);
            self.out = self.taken;
            if let (Some(noted), Some(index)) = (noted, &mut self.to.index) {
                index.place(noted, at);
            }
            return Ok(());
        }
        let Some(pieces) = &self.to.pieces else { return Ok(()) };
        let text = std::mem::take(&mut self.text);
        let (room, length) = (pieces.pool.room(), text.len() as u64);
        let result = pieces.pool.compress(text, pieces.coding).map_err(|error| self.fail(error, 0, &[]))?;
        self.pending.push_back(PendingPiece {
            result,
            mark: std::mem::take(&mut self.waiting),
            noted,
            length,
        });
        self.drain(room)
    }

    /// Writes compressed pieces until at most `left` are under way.
    fn drain(&mut self, left: usize) -> Result<()> {
        while self.pending.len() > left {
            let Some(piece) = self.pending.pop_front() else { break };
            let (bytes, memory) = piece.result.recv().map_err(|_| self.fail(thread_lost(), 0, &[]))?;
            let bytes = bytes.map_err(|error| self.fail(error, 0, &[]))?;
            let at = self.to.at;
            self.put(&bytes, false)?;
            self.written.add(piece.mark.records, &piece.mark.id);
            self.out += piece.length;
            if let (Some(noted), Some(index)) = (piece.noted, &mut self.to.index) {
                index.place(noted, at);
            }
            if self.text.capacity() == 0 {
                self.text = memory;
            }
        }
        Ok(())
    }

    /// Writes bytes to the file. `is_text`: they are records.
    fn put(&mut self, bytes: &[u8], is_text: bool) -> Result<()> {
        let mut written = 0;
        while written < bytes.len() {
            match self.to.file.write(&bytes[written..]) {
                Ok(0) => return Err(self.fail(ErrorKind::WriteZero.into(), written, &[])),
                Ok(length) => written += length,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    return Err(self.fail(error, written, if is_text { bytes } else { &[] }));
                }
            }
        }
        self.to.at += written as u64;
        Ok(())
    }

    /// Cuts the file back to its last whole record, and says which that is.
    ///
    /// `written` bytes reached the file since the last whole one that is
    /// known; they are the beginning of `text`, if that is not empty.
    fn fail(&mut self, error: io::Error, written: usize, text: &[u8]) -> Error {
        let mut whole = 0;
        if written > 0 && !text.is_empty() {
            whole = self.find_last_whole(text, written);
        }
        let end = self.to.at + whole as u64;
        if self.to.is_regular {
            let length = self.to.file.metadata().map_or(0, |found| found.len());
            if length == self.to.at + written as u64 {
                // Where even this fails, the reader finds half a record and says so.
                let _ = self.to.file.set_len(end);
            }
        }
        self.text = Vec::new();
        self.pending.clear();
        self.open = None;
        let place = self.to.place.clone();
        let is_broken_pipe = error.kind() == ErrorKind::BrokenPipe;
        let error = Error::from(error);
        let error = match &self.written {
            LastRecord { records: 0, .. } => error,
            _ if is_broken_pipe => error,
            LastRecord { records, id } => {
                let id = String::from_utf8_lossy(id);
                Error::Invalid(format!("{error}; its last whole record is number {records} (id {id})"))
            }
        };
        let error = error.at(place);
        self.failure = Some(error.to_string());
        error
    }

    /// Counts the records that are whole within the first `written` bytes of
    /// `text`, and gives where the last of them ends.
    fn find_last_whole(&mut self, text: &[u8], written: usize) -> usize {
        let options = ReaderOptions { max_record: MAX_MAX_RECORD, ..ReaderOptions::default() };
        let mut reader = Reader::new(text, options);
        let (mut block, mut whole) = (Block::new(), 0);
        while let Ok(true) = reader.read_block(&mut block) {
            for view in block.iter() {
                let end = view.position.byte as usize + view.raw.len();
                if end > written {
                    return whole;
                }
                self.written.add(1, view.header.id);
                whole = end;
            }
        }
        whole
    }
}

impl Drop for OutputFile {
    /// What was taken is not lost when the program ends early for another
    /// reason; a file that was created for nothing is taken away.
    fn drop(&mut self) {
        if self.is_finished {
            return;
        }
        match &self.to.path {
            Some(path) if self.to.is_new && self.taken == 0 => {
                // Nobody is left to tell.
                let _ = std::fs::remove_file(path);
            }
            _ if self.failure.is_none() && self.taken > 0 => {
                // The error that ended the program is the one to tell.
                let _ = self.finish();
            }
            _ => {}
        }
    }
}
