//! What the parts of a merge count, for the ledger.

use std::sync::{Arc, Mutex, PoisonError};

use crate::Result;
use crate::record::{Block, Intake, Source};

/// Counts of what did not go as it should, or was left out.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct MergeCounts {
    /// Records that are earlier than one before them in their input, and were
    /// merged as they stand.
    pub disordered: u64,
    /// Times that so many records share that a response among them may come
    /// before its request.
    pub open_ties: u64,
    /// Runs that were written to temporary files.
    pub runs: u64,
    /// Records that came later than the window is long.
    pub late: u64,
    /// Records that left the window before their time, because it held too much.
    pub early: u64,
    /// Records left out because they were there already.
    pub duplicates: u64,
    /// Records that would no longer be known again as duplicates.
    pub forgotten: u64,
}

/// A source that counts.
pub trait Counted: Source {
    /// Adds what it counted so far, and what its own sources did.
    fn count(&self, counts: &mut MergeCounts);
}

impl<S: Counted + ?Sized> Counted for Box<S> {
    fn count(&self, counts: &mut MergeCounts) {
        (**self).count(counts);
    }
}

/// A source whose counts are told while another thread reads it.
pub struct CountingSource<S> {
    source: S,
    counts: Arc<Mutex<MergeCounts>>,
}

impl<S: Counted> CountingSource<S> {
    /// The source, and where its counts will be.
    pub fn new(source: S) -> (Self, Arc<Mutex<MergeCounts>>) {
        let counts = Arc::default();
        (CountingSource { source, counts: Arc::clone(&counts) }, counts)
    }
}

impl<S: Counted> Source for CountingSource<S> {
    fn read_block(&mut self, block: &mut Block) -> Result<bool> {
        let read = self.source.read_block(block);
        let mut counts = MergeCounts::default();
        self.source.count(&mut counts);
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner) = counts;
        read
    }

    fn intake(&self) -> Intake {
        self.source.intake()
    }
}
