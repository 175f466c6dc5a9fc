//! What the parts of a merge count, for the ledger.

use crate::record::Source;

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
