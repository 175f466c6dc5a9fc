//! One place in chunks: `x_0.gor`, `x_1.gor`…

use std::path::Path;
use std::sync::Arc;

use super::OutputPlan;
use super::naming::{chunk, next_chunk};
use super::opening::Existing;
use super::sink::FileSink;
use crate::record::{Run, Sink};
use crate::{Dialect, Error, Result};

/// A file that goes on in the next chunk when one is full.
pub(super) struct Chunks {
    plan: Arc<OutputPlan>,
    path: String,
    /// Whether names depend on the records.
    is_one_of_many: bool,
    current: Option<FileSink>,
    /// What is in the current one: bytes of text, and records.
    bytes: u64,
    records: u64,
}

impl Chunks {
    pub(super) fn new(plan: &Arc<OutputPlan>, path: &str, is_one_of_many: bool) -> Self {
        let (plan, path) = (Arc::clone(plan), path.to_owned());
        Chunks { plan, path, is_one_of_many, current: None, bytes: 0, records: 0 }
    }

    /// Whether as much more still fits into the current chunk. Into an empty
    /// one any record does. `last` are the bytes of the last of them.
    fn has_room(&self, records: u64, bytes: u64, last: u64) -> bool {
        let is_within = |most: u64| match self.plan.dialect {
            Dialect::Unix => self.bytes + bytes <= most,
            // The record that reaches it is the chunk's last.
            Dialect::GoReplay => self.bytes + bytes - last < most,
        };
        self.plan.chunk_records.is_none_or(|most| self.records + records <= most)
            && self.plan.chunk_size.is_none_or(is_within)
    }

    fn put(&mut self, records: &Run<'_>) -> Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        self.records += records.len() as u64;
        self.bytes += records.bytes().len() as u64;
        let dialect = self.plan.dialect;
        let current = match &mut self.current {
            Some(current) => current,
            none => {
                // Where there is a file for each record, to look through the folder every time would take ever longer.
                let first = chunk(&self.path, 0, dialect);
                let next = if self.is_one_of_many && !Path::new(&first).exists() {
                    0
                } else {
                    next_chunk(&self.path, dialect)
                        .map_err(|error| Error::from(error).at(self.path.as_str()))?
                };
                none.insert(FileSink::open(&self.plan, &chunk(&self.path, next, dialect), Existing::Refuse)?)
            }
        };
        current.write(records)
    }
}

impl Sink for Chunks {
    fn write(&mut self, records: &Run<'_>) -> Result<()> {
        let last = records.part(records.len().saturating_sub(1)..records.len()).bytes().len() as u64;
        if self.has_room(records.len() as u64, records.bytes().len() as u64, last) {
            return self.put(records);
        }
        let (mut first, mut bytes) = (0, 0);
        for (number, view) in records.iter().enumerate() {
            let length = view.raw.len() as u64;
            let more = (number - first) as u64;
            if self.records + more > 0 && !self.has_room(more + 1, bytes + length, length) {
                self.put(&records.part(first..number))?;
                if let Some(mut full) = self.current.take() {
                    full.finish()?;
                }
                (self.bytes, self.records, bytes) = (0, 0, 0);
                first = number;
            }
            bytes += length;
        }
        self.put(&records.part(first..records.len()))
    }

    fn flush(&mut self) -> Result<()> {
        self.current.as_mut().map_or(Ok(()), Sink::flush)
    }

    fn settle(&mut self) -> Result<()> {
        self.current.as_mut().map_or(Ok(()), Sink::settle)
    }

    fn reopen(&mut self) -> Result<()> {
        self.current.as_mut().map_or(Ok(()), Sink::reopen)
    }

    fn finish(&mut self) -> Result<()> {
        self.current.as_mut().map_or(Ok(()), Sink::finish)
    }
}
