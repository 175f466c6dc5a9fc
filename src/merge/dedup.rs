//! Records that were there already are left out.

use std::collections::{HashSet, VecDeque};
use std::hash::BuildHasher;

use foldhash::quality::RandomState;

use super::counts::{Counted, MergeCounts};
use crate::Result;
use crate::record::{Block, Intake, Source, View};

/// Records remembered. One that comes again after so many others is kept.
pub const REMEMBERED: usize = 1 << 17;

/// A source without the records that it gave before: those of the same id,
/// kind and payload, whatever their times.
///
/// The first of them is kept. As many as [`REMEMBERED`] are known again, by
/// hashes of 128 bits.
#[derive(Debug)]
pub struct Dedup<S> {
    source: S,
    read: Block,
    hashers: [RandomState; 2],
    seen: HashSet<[u64; 2]>,
    oldest_first: VecDeque<[u64; 2]>,
    remembered: usize,
    dropped: u64,
    forgotten: u64,
}

impl<S: Source> Dedup<S> {
    /// Leaves out what `source` yields again.
    pub fn new(source: S) -> Self {
        Dedup::remembering(source, REMEMBERED)
    }

    pub(super) fn remembering(source: S, remembered: usize) -> Self {
        Dedup {
            source,
            read: Block::new(),
            hashers: [RandomState::default(), RandomState::default()],
            seen: HashSet::new(),
            oldest_first: VecDeque::new(),
            remembered,
            dropped: 0,
            forgotten: 0,
        }
    }

    /// Whether this record was not there before. It is remembered.
    fn is_new(&mut self, view: &View<'_>) -> bool {
        let hash = [0, 1]
            .map(|which| self.hashers[which].hash_one((view.header.kind, view.header.id, view.payload)));
        if !self.seen.insert(hash) {
            self.dropped += 1;
            return false;
        }
        self.oldest_first.push_back(hash);
        if self.oldest_first.len() > self.remembered
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.seen.remove(&oldest);
            self.forgotten += 1;
        }
        true
    }
}

impl<S: Source> Source for Dedup<S> {
    fn read_block(&mut self, block: &mut Block) -> Result<bool> {
        loop {
            block.clear();
            if !self.source.read_block(block)? {
                return Ok(false);
            }
            let keep: Vec<bool> = block.iter().map(|view| self.is_new(&view)).collect();
            if keep.iter().all(|&is_new| is_new) {
                return Ok(true);
            }
            std::mem::swap(block, &mut self.read);
            block.clear();
            let first = self.read.get(0).position;
            block.continue_after(first.record.saturating_sub(1), first.byte);
            self.read.runs(|index| keep[index]).for_each(|run| block.append_renumbered(&run));
            if !block.is_empty() {
                return Ok(true);
            }
        }
    }

    fn intake(&self) -> Intake {
        self.source.intake()
    }
}

impl<S: Counted> Counted for Dedup<S> {
    fn count(&self, counts: &mut MergeCounts) {
        self.source.count(counts);
        counts.duplicates += self.dropped;
        counts.forgotten += self.forgotten;
    }
}
