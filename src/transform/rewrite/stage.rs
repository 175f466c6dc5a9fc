//! The rules as a stage of the copy loop: each block rewritten on any thread.

use super::rule::{Effect, Rule};
use crate::Result;
use crate::http::Head;
use crate::record::{Block, Kind, Sink, View};
use crate::transform::{Stage, Worker};

/// What became of the records.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tally {
    /// Records that came.
    pub records: u64,
    /// Records that at least one rule changed.
    pub changed: u64,
    /// Requests without a whole HTTP head, which no rule can change.
    pub headless: u64,
    /// Records that each rule changed, in the order of the rules.
    pub by_rule: Vec<u64>,
}

impl Tally {
    fn add(&mut self, other: &Tally) {
        self.records += other.records;
        self.changed += other.changed;
        self.headless += other.headless;
        self.by_rule.iter_mut().zip(&other.by_rule).for_each(|(sum, count)| *sum += count);
    }
}

/// Writes the records as the rules make them.
#[derive(Debug)]
pub struct Rewriting {
    rules: Vec<Rule>,
    applies_all: bool,
    tally: Tally,
}

impl Rewriting {
    /// Applies `rules` in their order. Of the rules about the URL the first
    /// that matches ends the others, unless `applies_all`.
    pub fn new(rules: Vec<Rule>, applies_all: bool) -> Self {
        let tally = Tally { by_rule: vec![0; rules.len()], ..Tally::default() };
        Rewriting { rules, applies_all, tally }
    }

    /// What became of the records so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }
}

impl Stage for Rewriting {
    type Notes = Tally;
    type Scout = ();
    type Worker = Rewriter;

    fn scout(&mut self) {}

    fn worker(&self) -> Rewriter {
        // A clone of a pattern has its own scratch space.
        Rewriter { rules: self.rules.clone(), applies_all: self.applies_all, ..Rewriter::default() }
    }

    fn emit(&mut self, block: &mut Block, notes: &mut Tally, sink: &mut dyn Sink) -> Result<()> {
        self.tally.add(notes);
        sink.write_block(block)
    }
}

/// Rewrites blocks. Each thread has its own, with its own buffers.
#[derive(Debug, Default)]
pub struct Rewriter {
    rules: Vec<Rule>,
    applies_all: bool,
    message: Vec<u8>,
    edited: Vec<u8>,
    changed: Block,
}

impl Worker<Tally> for Rewriter {
    fn work(&mut self, block: &mut Block, notes: &mut Tally) {
        let mut by_rule = std::mem::take(&mut notes.by_rule);
        by_rule.clear();
        by_rule.resize(self.rules.len(), 0);
        *notes = Tally { records: block.len() as u64, by_rule, ..Tally::default() };
        if self.rules.is_empty() {
            return;
        }
        let mut out = std::mem::take(&mut self.changed);
        out.clear();
        // Records before this one are in `out`, or nothing has changed so far.
        let mut copied = 0;
        for (index, view) in block.iter().enumerate() {
            if view.header.kind != Kind::Request || !self.rewrite(&view, notes) {
                continue;
            }
            block.runs_in(copied..index).for_each(|run| out.append(&run));
            out.push(&view.header, &self.message);
            copied = index + 1;
        }
        if copied > 0 {
            block.runs_in(copied..block.len()).for_each(|run| out.append(&run));
            std::mem::swap(block, &mut out);
        }
        self.changed = out;
    }
}

impl Rewriter {
    /// Leaves the changed message in `self.message`. `false`: it is as it was.
    fn rewrite(&mut self, view: &View<'_>, notes: &mut Tally) -> bool {
        let Some(head) = Head::of(view.payload) else {
            notes.headless += 1;
            return false;
        };
        let (body, mut is_changed, mut is_url_done) = (head.len(), false, false);
        for (rule, count) in self.rules.iter().zip(&mut notes.by_rule) {
            let is_url = matches!(rule, Rule::RewriteUrl(_));
            if is_url && is_url_done {
                continue;
            }
            self.edited.clear();
            let current = if is_changed { Head::of(&self.message) } else { Some(head) };
            let effect = current.map_or(Effect::None, |head| rule.apply(&head, &mut self.edited));
            is_url_done |= is_url && !self.applies_all && effect != Effect::None;
            if effect == Effect::Changed {
                std::mem::swap(&mut self.message, &mut self.edited);
                *count += 1;
                is_changed = true;
            }
        }
        if is_changed {
            notes.changed += 1;
            self.message.extend_from_slice(&view.payload[body..]);
        }
        is_changed
    }
}
