//! The filter as a stage of the copy loop: judged on any thread, selected in order.

use super::filter::{Filter, Note};
use super::selection::{Selection, Tally};
use super::stage::{Stage, Worker};
use crate::Result;
use crate::record::{Block, Sink};

/// Writes what a [`Filter`] and a [`Selection`] let pass.
#[derive(Debug)]
pub struct Filtering {
    filter: Filter,
    selection: Selection,
    keep: Vec<bool>,
}

impl Filtering {
    /// Puts the two together. Nothing is seen so far.
    pub fn new(filter: Filter, selection: Selection) -> Self {
        Filtering { filter, selection, keep: Vec::new() }
    }

    /// What became of the records so far.
    pub fn tally(&self) -> Tally {
        self.selection.tally()
    }
}

impl Stage for Filtering {
    type Notes = Vec<Note>;
    type Scout = ();
    type Worker = Filter;

    fn scout(&mut self) {}

    fn worker(&self) -> Filter {
        self.filter.clone()
    }

    fn emit(&mut self, block: &mut Block, notes: &mut Vec<Note>, sink: &mut dyn Sink) -> Result<()> {
        self.selection.select(notes, &mut self.keep);
        let keep = &self.keep;
        block.runs(|index| keep.get(index) == Some(&true)).try_for_each(|run| sink.write(&run))
    }

    fn is_over(&self) -> bool {
        self.selection.is_over()
    }
}

impl Worker<Vec<Note>> for Filter {
    fn work(&mut self, block: &mut Block, notes: &mut Vec<Note>) {
        self.judge_block(block, notes);
    }
}
