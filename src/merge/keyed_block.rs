//! Records of an input, and each record's place in the order.

use crate::record::{Block, Intake};

/// A record's place in the order: by time, and at equal times by input.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct SortKey {
    /// The latest timestamp of this input up to the record.
    pub(super) time: i64,
    /// The input's number, or that of a run.
    pub(super) order: u32,
}

/// Records and their keys.
#[derive(Default)]
pub(super) struct KeyedBlock {
    pub(super) block: Block,
    pub(super) keys: Vec<SortKey>,
    /// Records that are earlier than one before them in their input.
    pub(super) disordered: u64,
    /// What was read up to the end of this block.
    pub(super) intake: Intake,
}

impl KeyedBlock {
    /// Finds the keys of the records, which follow those up to `newest`.
    pub(super) fn number(&mut self, order: u32, newest: &mut i64) {
        self.keys.clear();
        self.disordered = 0;
        for view in self.block.iter() {
            let timestamp = view.header.timestamp;
            self.disordered += u64::from(timestamp < *newest);
            *newest = timestamp.max(*newest);
            self.keys.push(SortKey { time: *newest, order });
        }
    }
}
