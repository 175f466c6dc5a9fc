//! A reorder buffer by number: a record waits in it until so many have come behind it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::mem;
use std::ops::Range;

use super::counts::{Counted, MergeCounts};
use crate::record::{Block, Intake, Source};
use crate::{Error, Result};

/// A source that puts right what stands at most so many records from where its time belongs. Records of one time keep
/// their order; what is further out of order goes where it can.
///
/// While records come in order, blocks go through as they are.
#[derive(Debug)]
pub struct Depth<S> {
    source: S,
    most: usize,
    /// In order, and not handed out yet.
    kept: Block,
    /// The latest time that was handed out.
    latest: i64,
    disordered: u64,
    is_over: bool,
    /// What is told once all was handed out that was read before.
    failure: Option<Error>,
}

impl<S: Source> Depth<S> {
    /// Orders what `source` yields among so many records.
    pub fn new(source: S, depth: usize) -> Self {
        Depth {
            source,
            most: depth,
            kept: Block::new(),
            latest: i64::MIN,
            disordered: 0,
            is_over: false,
            failure: None,
        }
    }

    /// Records that were handed out behind later ones.
    pub fn disordered(&self) -> u64 {
        self.disordered
    }

    /// Orders what is kept and the next block: all but the last ones go to `out`.
    fn reorder(&mut self, next: &Block, out: &mut Block) {
        let kept = mem::take(&mut self.kept);
        let blocks = [&kept, next];
        let records = (0..kept.len()).map(|at| (0, at)).chain((0..next.len()).map(|at| (1, at)));
        let mut heap = BinaryHeap::new();
        let put = |Reverse((_, _, block, at)): Reverse<(i64, usize, usize, usize)>, out: &mut Block| {
            copy(blocks[block], at..at + 1, out);
        };
        for (number, (block, at)) in records.enumerate() {
            heap.push(Reverse((blocks[block].get(at).header.timestamp, number, block, at)));
            if heap.len() > self.most
                && let Some(first) = heap.pop()
            {
                put(first, out);
            }
        }
        let mut rest = Block::new();
        while let Some(first) = heap.pop() {
            put(first, &mut rest);
        }
        self.kept = rest;
    }

    fn note(&mut self, block: &Block) {
        for view in block.iter() {
            self.disordered += u64::from(view.header.timestamp < self.latest);
            self.latest = self.latest.max(view.header.timestamp);
        }
    }
}

fn copy(from: &Block, records: Range<usize>, to: &mut Block) {
    for run in from.runs_in(records) {
        to.append_renumbered(&run);
    }
}

/// Whether the records of a block are in order, the first no earlier than `from`.
fn is_in_order(block: &Block, mut from: i64) -> bool {
    block.iter().all(|view| {
        let is_later = view.header.timestamp >= from;
        from = view.header.timestamp;
        is_later
    })
}

impl<S: Source> Source for Depth<S> {
    fn read_block(&mut self, block: &mut Block) -> Result<bool> {
        if self.most == 0 && !self.is_over {
            let more = self.source.read_block(block)?;
            self.note(block);
            return Ok(more);
        }
        while !self.is_over {
            let mut next = mem::take(block);
            match self.source.read_block(&mut next) {
                Ok(true) => {}
                Ok(false) => {
                    self.is_over = true;
                    break;
                }
                Err(error) => {
                    (self.is_over, self.failure) = (true, Some(error));
                    break;
                }
            }
            let last =
                self.kept.len().checked_sub(1).map_or(i64::MIN, |at| self.kept.get(at).header.timestamp);
            let is_in_order = is_in_order(&next, last);
            if is_in_order && next.len() >= self.most {
                *block = mem::replace(&mut self.kept, next);
            } else if is_in_order {
                // As many are to be kept as an early record may have to go before.
                block.clear();
                copy(&next, 0..next.len(), &mut self.kept);
                if self.kept.len() > 2 * self.most {
                    let all = mem::take(&mut self.kept);
                    copy(&all, 0..all.len() - self.most, block);
                    copy(&all, all.len() - self.most..all.len(), &mut self.kept);
                }
            } else {
                block.clear();
                self.reorder(&next, block);
            }
            if !block.is_empty() {
                self.note(block);
                return Ok(true);
            }
        }
        *block = mem::take(&mut self.kept);
        self.note(block);
        match self.failure.take_if(|_| block.is_empty()) {
            Some(error) => Err(error),
            None => Ok(!block.is_empty()),
        }
    }

    fn intake(&self) -> Intake {
        self.source.intake()
    }
}

impl<S: Source> Counted for Depth<S> {
    fn count(&self, counts: &mut MergeCounts) {
        counts.disordered += self.disordered;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Header, Kind};
    use proptest::prelude::*;

    /// Yields these blocks of records at these times, numbered by their ids.
    struct GivenBlocks(std::vec::IntoIter<Vec<i64>>, u32);

    impl Source for GivenBlocks {
        fn read_block(&mut self, block: &mut Block) -> Result<bool> {
            block.clear();
            let Some(times) = self.0.next() else { return Ok(false) };
            for timestamp in times {
                let id = self.1.to_string();
                self.1 += 1;
                let header =
                    Header { kind: Kind::Request, id: id.as_bytes(), timestamp, ..Header::default() };
                block.push(&header, b"GET / HTTP/1.1\r\n\r\n");
            }
            Ok(true)
        }

        fn intake(&self) -> Intake {
            Intake::default()
        }
    }

    fn read(blocks: Vec<Vec<i64>>, depth: usize) -> (Vec<(i64, u32)>, u64) {
        let blocks: Vec<_> = blocks.into_iter().filter(|block| !block.is_empty()).collect();
        let mut source = Depth::new(GivenBlocks(blocks.into_iter(), 0), depth);
        let (mut block, mut read) = (Block::new(), Vec::new());
        while source.read_block(&mut block).unwrap() {
            assert!(!block.is_empty());
            read.extend(block.iter().map(|view| {
                let id = std::str::from_utf8(view.header.id).unwrap();
                (view.header.timestamp, id.parse().unwrap())
            }));
        }
        (read, source.disordered())
    }

    proptest! {
        #[test]
        fn what_is_no_further_from_its_place_than_the_depth_is_put_in_order(
            blocks in prop::collection::vec(prop::collection::vec(0..50_i64, 0..12), 0..12),
            depth in 0..40_usize,
        ) {
            let mut times: Vec<(i64, u32)> = blocks.iter().flatten().copied().zip(0..).collect();
            let (read, disordered) = read(blocks, depth);
            let places: Vec<u32> = times.iter().map(|(_, id)| *id).collect();
            times.sort_by_key(|(time, _)| *time);
            let furthest = times.iter().zip(&places).map(|((_, id), place)| id.abs_diff(*place)).max();
            if furthest.unwrap_or(0) as usize <= depth {
                prop_assert_eq!(&read, &times);
                prop_assert_eq!(disordered, 0);
            }
            let mut ids: Vec<u32> = read.iter().map(|(_, id)| *id).collect();
            ids.sort_unstable();
            prop_assert_eq!(ids, places);
        }
    }
}
