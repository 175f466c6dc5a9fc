//! Other timestamps: moved, or made to begin at a given time. All else stays byte for byte.

use super::counts::{Counted, MergeCounts};
use crate::Result;
use crate::record::{Block, Intake, Source};

/// What becomes of the timestamps.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Retime {
    /// So many nanoseconds are added to each.
    By(i64),
    /// The first record's becomes this one, and the others keep their
    /// distance from it.
    StartAt(i64),
}

/// A source with other timestamps. Those that would leave the 64 bits stay
/// at their ends.
#[derive(Debug)]
pub struct Retimed<S> {
    source: S,
    retime: Retime,
    read: Block,
}

impl<S: Source> Retimed<S> {
    /// Changes the timestamps of what `source` yields.
    pub fn new(source: S, retime: Retime) -> Self {
        Retimed { source, retime, read: Block::new() }
    }
}

impl<S: Source> Source for Retimed<S> {
    fn read_block(&mut self, block: &mut Block) -> Result<bool> {
        block.clear();
        if !self.source.read_block(&mut self.read)? {
            return Ok(false);
        }
        let first = self.read.get(0);
        let by = match self.retime {
            Retime::By(by) => by,
            Retime::StartAt(start) => start.saturating_sub(first.header.timestamp),
        };
        self.retime = Retime::By(by);
        block.continue_after(first.position.record.saturating_sub(1), first.position.byte);
        for view in self.read.iter() {
            block.push_at(&view, view.header.timestamp.saturating_add(by));
        }
        Ok(true)
    }

    fn intake(&self) -> Intake {
        self.source.intake()
    }
}

impl<S: Counted> Counted for Retimed<S> {
    fn count(&self, counts: &mut MergeCounts) {
        self.source.count(counts);
    }
}
