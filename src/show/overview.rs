//! Records in, a summary of them out: exchanges are put together on the way.

use super::{Facts, Joiner, TrafficSummary};
use crate::record::{Block, Kind};

/// A summary in the making. Exchanges wait for their answers as long as there is room: nothing is shown before the end.
pub struct Overview {
    joiner: Joiner<Facts>,
    summary: TrafficSummary,
    has_looked: bool,
}

impl Overview {
    /// An overview of nothing so far.
    pub fn new(summary: TrafficSummary) -> Self {
        Overview { joiner: Joiner::patient(), summary, has_looked: false }
    }

    /// Takes the next records.
    pub fn add(&mut self, block: &Block) {
        self.look(block);
        for record in block.iter() {
            self.summary.record(&record);
            self.joiner.take(&record, |exchange| self.summary.exchange(&exchange));
        }
    }

    /// The same of records that others have looked at: `facts` has those of each, and is empty then.
    pub fn add_known(&mut self, block: &Block, facts: &mut Vec<Facts>) {
        self.look(block);
        for (record, facts) in block.iter().zip(facts.drain(..)) {
            self.summary.record(&record);
            self.joiner.take_kept(&record.header, || facts, |exchange| self.summary.exchange(&exchange));
        }
    }

    fn look(&mut self, block: &Block) {
        // Whether there are responses of a replay is looked up in the first block, before its exchanges are counted.
        if !std::mem::replace(&mut self.has_looked, true) && has_replayed(block) {
            self.joiner.expect_replayed();
        }
    }

    /// Nothing more comes. To be called once.
    pub fn finish(&mut self) -> &TrafficSummary {
        self.joiner.finish(|exchange| self.summary.exchange(&exchange));
        &self.summary
    }
}

/// Whether there are responses of a replay among these records.
pub fn has_replayed(block: &Block) -> bool {
    block.iter().any(|record| record.header.kind == Kind::Replayed)
}
