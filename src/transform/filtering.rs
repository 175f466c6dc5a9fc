//! The filter as a stage of the copy loop: judged on any thread, selected in order.

use super::filter::{Filter, Note};
use super::reorder_buffer::ReorderBuffer;
use super::selection::{RecordState, Selection, SelectionTally};
use super::stage::{Stage, Worker};
use crate::Result;
use crate::record::{Block, Sink};

/// Writes what a [`Filter`] and a [`Selection`] let pass.
#[derive(Debug)]
pub struct Filtering {
    filter: Filter,
    selection: Selection,
    buffer: ReorderBuffer,
    states: Vec<RecordState>,
    decided: Vec<(u64, bool)>,
}

impl Filtering {
    /// Puts the two together, which are of the same rules. Nothing is seen so far.
    pub fn new(filter: Filter, selection: Selection) -> Self {
        let buffer = ReorderBuffer::new(selection.limit());
        Filtering { filter, selection, buffer, states: Vec::new(), decided: Vec::new() }
    }

    /// What became of the records so far.
    pub fn tally(&self) -> SelectionTally {
        let mut tally = self.selection.tally();
        if self.selection.asks_responses() {
            tally.written = self.buffer.written;
            tally.dropped_by_limit = tally.records - tally.settled();
        }
        tally
    }
}

impl Stage for Filtering {
    type Notes = Vec<Note>;
    type Worker = Filter;

    fn worker(&self) -> Filter {
        self.filter.clone()
    }

    fn emit(&mut self, block: &mut Block, notes: &mut Vec<Note>, sink: &mut dyn Sink) -> Result<()> {
        self.selection.select(notes, &mut self.states, &mut self.decided);
        let states = &self.states;
        if self.selection.asks_responses() {
            self.buffer.decide(&self.decided, sink)?;
            return self.buffer.take(block, states, sink);
        }
        block
            .runs(|index| states.get(index) == Some(&RecordState::Write))
            .try_for_each(|run| sink.write(&run))
    }

    fn is_over(&self) -> bool {
        self.selection.is_over() || self.buffer.is_over()
    }

    fn keeps_records(&self) -> bool {
        !self.buffer.is_empty()
    }

    fn finish(&mut self, sink: &mut dyn Sink) -> Result<()> {
        self.selection.finish(&mut self.decided);
        self.buffer.decide(&self.decided, sink)
    }
}

impl Worker<Vec<Note>> for Filter {
    fn work(&mut self, block: &mut Block, notes: &mut Vec<Note>) {
        self.judge_block(block, notes);
    }
}
