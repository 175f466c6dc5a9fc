//! Inputs in any order, sorted by time in bounded memory.
//!
//! What fits the memory is sorted and written to a temporary file as a run;
//! the runs are merged, in several passes where they are too many.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::counts::{Counted, MergeCounts};
use super::input::MergeInput;
use super::keyed_block::SortKey;
use super::merger::{Merge, MergeOptions, TieBreak};
use super::read_ahead::{NextBatch, ReadAhead};
use super::spill::{Spill, SpilledRun};
use crate::record::{Block, Failures, Intake, Source};
use crate::{Error, Result};

/// Most text in a chunk of a run.
const CHUNK: usize = 128 << 10;

/// Least text in a chunk of a run, whatever the memory.
const LEAST_CHUNK: usize = 4 << 10;

/// Inputs sorted by time, as one source.
///
/// Records stamped alike keep their order, inputs one after the other, but
/// that a response never comes before its request. Nothing comes out before
/// all inputs were read.
pub struct Sort {
    inputs: Vec<MergeInput>,
    memory: usize,
    options: MergeOptions,
    failures: Failures,
    intake: Intake,
    runs: usize,
    merge: Option<Merge>,
}

impl Sort {
    /// Sorts the inputs with about so many bytes of memory.
    pub fn new(inputs: Vec<MergeInput>, memory: usize, options: MergeOptions, failures: Failures) -> Self {
        Sort { inputs, memory, options, failures, intake: Intake::default(), runs: 0, merge: None }
    }

    fn chunk(&self) -> usize {
        (self.memory / 512).clamp(LEAST_CHUNK, CHUNK)
    }

    /// Reads everything, and gets the merge of the sorted runs ready.
    fn sort(&mut self) -> Result<Merge> {
        let mut spill = Spill::new(&self.options.directory)?;
        let chunk = self.chunk();
        // Two parts of the memory: one is filled while the other is sorted and written.
        let limit = self.memory * 3 / 8;
        let (to_writer, full) = sync_channel::<SortBuffer>(1);
        let (give_back, empty) = sync_channel::<SortBuffer>(2);
        for _ in 0..2 {
            // The other end is in this function.
            let _ = give_back.send(SortBuffer::default());
        }
        let mut runs = thread::scope(|scope| {
            let spill = &mut spill;
            let writer = scope.spawn(move || write_runs(&full, &give_back, spill, chunk));
            let collected = self.collect(&to_writer, &empty, limit);
            drop((to_writer, empty));
            let written =
                writer.join().unwrap_or_else(|_| Err(Error::Invalid("sorting ended early".to_owned())));
            // What ended the writer is what the collector could not go on for.
            written.and_then(|runs| collected.map(|()| runs))
        })?;
        self.runs = runs.len();
        let fan_in = (self.memory / 2 / chunk).max(2);
        while runs.len() > fan_in {
            (spill, runs) = self.pass(&spill, &runs, fan_in)?;
        }
        let readers = runs.into_iter().map(|run| spill.read(run));
        Ok(Merge::of_runs(readers, self.options.clone(), self.failures.part(), TieBreak::All))
    }

    /// Merges runs into fewer.
    fn pass(&self, spill: &Spill, runs: &[SpilledRun], fan_in: usize) -> Result<(Spill, Vec<SpilledRun>)> {
        let mut merged = Spill::new(&self.options.directory)?;
        let mut longer = Vec::new();
        let mut block = Block::new();
        for group in runs.chunks(fan_in) {
            let readers = group.iter().map(|run| spill.read(*run));
            let mut merge =
                Merge::of_runs(readers, self.options.clone(), self.failures.part(), TieBreak::None);
            let mut writer = merged.run(self.chunk());
            while merge.fill(&mut block)? {
                for (view, key) in block.iter().zip(merge.keys()) {
                    writer.push(*key, view.raw)?;
                }
            }
            longer.push(writer.finish()?);
        }
        Ok((merged, longer))
    }

    /// Reads the inputs one after the other into parts of the memory.
    fn collect(
        &mut self,
        full: &SyncSender<SortBuffer>,
        empty: &Receiver<SortBuffer>,
        limit: usize,
    ) -> Result<()> {
        let Ok(mut part) = empty.recv() else { return Ok(()) };
        for input in std::mem::take(&mut self.inputs) {
            let opened = (input.open)().and_then(|source| ReadAhead::start(source, 0));
            let mut reader = match opened {
                Ok(reader) => reader,
                Err(error) => {
                    self.failures.take(error)?;
                    continue;
                }
            };
            let end = loop {
                let batch = match reader.next(true) {
                    NextBatch::Batch(batch) => batch,
                    NextBatch::NotYet => continue,
                    NextBatch::End(end) => break end,
                };
                for view in batch.block.iter() {
                    if part.is_full(view.raw.len(), limit) {
                        let sent = full.send(part);
                        let (Ok(()), Ok(next)) = (sent, empty.recv()) else { return Ok(()) };
                        part = next;
                    }
                    part.push(view.header.timestamp, view.raw);
                }
                reader.give_back(batch);
            };
            self.intake = self.intake.join(&reader.intake());
            if let Err(error) = end {
                self.failures.take(error)?;
            }
        }
        // A writer that is gone has said why.
        let _ = full.send(part);
        Ok(())
    }
}

impl Source for Sort {
    fn read_block(&mut self, block: &mut Block) -> Result<bool> {
        let merge = match self.merge.take() {
            Some(merge) => merge,
            None => self.sort()?,
        };
        let merge = self.merge.insert(merge);
        if merge.fill(block)? {
            return Ok(true);
        }
        self.failures.end().map(|()| false)
    }

    fn intake(&self) -> Intake {
        self.intake
    }
}

impl Counted for Sort {
    fn count(&self, counts: &mut MergeCounts) {
        counts.runs += self.runs as u64;
        if let Some(merge) = &self.merge {
            merge.count(counts);
        }
    }
}

/// Records that are sorted together.
#[derive(Default)]
struct SortBuffer {
    text: Vec<u8>,
    entries: Vec<SortEntry>,
}

/// A record of a part.
struct SortEntry {
    time: i64,
    start: u32,
    length: u32,
}

impl SortBuffer {
    /// Whether another record of this length would go beyond the limit.
    fn is_full(&self, length: usize, limit: usize) -> bool {
        // The entries' vector may be twice as large as what it holds.
        let entries = (self.entries.len() + 1) * size_of::<SortEntry>() * 2;
        !self.entries.is_empty() && self.text.len() + length + entries > limit.min(u32::MAX as usize)
    }

    fn push(&mut self, time: i64, raw: &[u8]) {
        let start = self.text.len() as u32;
        self.entries.push(SortEntry { time, start, length: raw.len() as u32 });
        self.text.extend_from_slice(raw);
    }
}

/// Sorts each part and writes it as a run.
fn write_runs(
    full: &Receiver<SortBuffer>,
    give_back: &SyncSender<SortBuffer>,
    spill: &mut Spill,
    chunk: usize,
) -> Result<Vec<SpilledRun>> {
    let mut runs = Vec::new();
    for (mut part, order) in full.iter().zip(0..) {
        part.entries.sort_by_key(|entry| entry.time);
        let mut writer = spill.run(chunk);
        for entry in &part.entries {
            let start = entry.start as usize;
            let raw = &part.text[start..start + entry.length as usize];
            writer.push(SortKey { time: entry.time, order }, raw)?;
        }
        runs.push(writer.finish()?);
        part.entries.clear();
        part.text.clear();
        // The collector may be done.
        let _ = give_back.send(part);
    }
    Ok(runs)
}
