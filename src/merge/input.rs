//! One of the inputs that are merged, and how far its records were taken.

use super::keyed_block::{KeyedBlock, SortKey};
use super::read_ahead::{NextBatch, ReadAhead};
use super::spill::RunReader;
use crate::Result;
use crate::record::{Intake, Source};

/// Opens an input. What it returns may well open its file at the first read.
pub type Opener = Box<dyn FnOnce() -> Result<Box<dyn Source + Send>> + Send>;

/// An input that is to be merged.
pub struct MergeInput {
    /// Opens it.
    pub open: Opener,
    /// The first record's timestamp, where the input can wait to be opened
    /// until the merge has come so far. `None`: it is opened at once.
    pub first: Option<i64>,
}

/// An open input, and the position in it.
pub(super) struct InputCursor {
    pub(super) batch: KeyedBlock,
    /// The first record of the batch that was not taken.
    pub(super) next: usize,
    /// Whether the batch is one to be given back.
    is_lent: bool,
    feed: InputFeed,
    /// Whether it counts as an open file.
    pub(super) is_file: bool,
}

/// Where the records of a cursor come from.
enum InputFeed {
    Source(Box<ReadAhead>),
    Run(RunReader),
}

impl InputCursor {
    pub(super) fn source(reader: ReadAhead, is_file: bool) -> Self {
        InputCursor {
            batch: KeyedBlock::default(),
            next: 0,
            is_lent: false,
            feed: InputFeed::Source(Box::new(reader)),
            is_file,
        }
    }

    pub(super) fn run(run: RunReader) -> Self {
        InputCursor {
            batch: KeyedBlock::default(),
            next: 0,
            is_lent: false,
            feed: InputFeed::Run(run),
            is_file: false,
        }
    }

    /// Whether its records may be of several inputs.
    pub(super) fn is_run(&self) -> bool {
        matches!(self.feed, InputFeed::Run(_))
    }

    /// Where the first record that was not taken stands.
    pub(super) fn head(&self) -> Option<SortKey> {
        self.batch.keys.get(self.next).copied()
    }

    /// Gets the next batch, after all of this one was taken. `None`: there is
    /// none yet.
    pub(super) fn refill(&mut self, may_wait: bool) -> Option<Result<bool>> {
        self.next = 0;
        match &mut self.feed {
            InputFeed::Run(run) => Some(run.read(&mut self.batch)),
            InputFeed::Source(reader) => {
                if std::mem::take(&mut self.is_lent) {
                    reader.give_back(std::mem::take(&mut self.batch));
                }
                match reader.next(may_wait) {
                    NextBatch::Batch(batch) => {
                        self.batch = batch;
                        self.is_lent = true;
                        Some(Ok(true))
                    }
                    NextBatch::NotYet => None,
                    NextBatch::End(result) => Some(result.map(|()| false)),
                }
            }
        }
    }

    /// What was read from it.
    pub(super) fn intake(&self) -> Intake {
        match &self.feed {
            InputFeed::Source(reader) => reader.intake(),
            InputFeed::Run(_) => Intake::default(),
        }
    }
}
