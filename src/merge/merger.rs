//! Inputs that are in order, merged by time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::path::PathBuf;

use super::counts::{Counted, MergeCounts};
use super::input::{InputCursor, MergeInput};
use super::keyed_block::{KeyedBlock, SortKey};
use super::read_ahead::ReadAhead;
use super::spill::{RunReader, Spill};
use super::tie_break::{has_open_response, order};
use crate::record::{Block, Failures, Intake, Source};
use crate::{Error, Result};

/// A block with so much text is handed on.
const FULL: usize = 512 << 10;

/// Most text of records of one time that is searched for requests that must
/// come before a response.
const MOST_TIED: usize = 1 << 20;

/// Text in a chunk of a run that is merged in advance.
const CHUNK: usize = 64 << 10;

/// Stands in the heap for the first of the inputs that are not open yet.
const PENDING: usize = usize::MAX;

/// How to merge.
#[derive(Clone, Debug)]
pub struct MergeOptions {
    /// Most inputs with a known first timestamp that are open at once. Where
    /// more of them overlap in time, they are merged in passes.
    pub fan_in: usize,
    /// Where temporary files are made.
    pub directory: PathBuf,
}

/// Which records of one time are looked at for a response before its request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum TieBreak {
    /// None: they stay as they are.
    None,
    /// Those where inputs meet. What an input holds stays as it is.
    BetweenInputs,
    /// All.
    All,
}

/// Inputs merged by time, as one source.
///
/// Records stamped alike keep the order of their inputs, but that a response
/// never comes before its request. An input that is not in order itself is
/// not put in order: its early records go where it has them, as if they were
/// as late as the latest before them, and are counted.
///
/// What order permits goes on at once; an input that is silent holds the
/// others. One that fails ends there, and the others go on.
pub struct Merge {
    cursors: Vec<Option<InputCursor>>,
    heads: BinaryHeap<Reverse<(SortKey, usize)>>,
    /// Cursors whose next batch must come before anything else can be decided.
    starved: Vec<usize>,
    /// Inputs that wait to be opened, in the order of their first timestamps.
    pending: VecDeque<(SortKey, MergeInput)>,
    open_files: usize,
    options: MergeOptions,
    ties: TieBreak,
    /// Records of the time `tied_at`, up to where they were gathered.
    tied: Block,
    tied_at: Option<i64>,
    keys: Vec<SortKey>,
    spill: Option<Spill>,
    /// Runs in it.
    runs: u64,
    failures: Failures,
    fatal: Option<Error>,
    /// What was read from inputs that are over.
    before: Intake,
    disordered: u64,
    open_ties: u64,
    written: (u64, u64),
}

impl Merge {
    /// Opens the inputs that are to be opened at once, and merges all of them.
    pub fn new(inputs: Vec<MergeInput>, options: MergeOptions, failures: Failures) -> Result<Self> {
        let ties = if inputs.len() > 1 { TieBreak::BetweenInputs } else { TieBreak::None };
        let mut merge = Merge::empty(options, failures, ties);
        let mut pending = Vec::new();
        for (input, order) in inputs.into_iter().zip(0..) {
            match input.first {
                Some(time) => pending.push((SortKey { time, order }, input)),
                None => merge.open(input, order, false)?,
            }
        }
        pending.sort_by_key(|(key, _)| *key);
        merge.pending = pending.into();
        merge.announce_pending();
        Ok(merge)
    }

    /// Merges runs.
    pub(super) fn of_runs(
        runs: impl IntoIterator<Item = RunReader>,
        options: MergeOptions,
        failures: Failures,
        ties: TieBreak,
    ) -> Self {
        let mut merge = Merge::empty(options, failures, ties);
        runs.into_iter().for_each(|run| merge.add(InputCursor::run(run)));
        merge
    }

    fn empty(options: MergeOptions, failures: Failures, ties: TieBreak) -> Self {
        Merge {
            cursors: Vec::new(),
            heads: BinaryHeap::new(),
            starved: Vec::new(),
            pending: VecDeque::new(),
            open_files: 0,
            options,
            ties,
            tied: Block::new(),
            tied_at: None,
            keys: Vec::new(),
            spill: None,
            runs: 0,
            failures,
            fatal: None,
            before: Intake::default(),
            disordered: 0,
            open_ties: 0,
            written: (0, 0),
        }
    }

    /// The keys of the records that came last; not known for those of one time
    /// that were settled.
    pub(super) fn keys(&self) -> &[SortKey] {
        &self.keys
    }

    fn add(&mut self, cursor: InputCursor) {
        self.open_files += usize::from(cursor.is_file);
        let slot = self.cursors.iter().position(Option::is_none).unwrap_or(self.cursors.len());
        if slot == self.cursors.len() {
            self.cursors.push(None);
        }
        self.cursors[slot] = Some(cursor);
        self.starved.push(slot);
    }

    fn open(&mut self, input: MergeInput, order: u32, is_file: bool) -> Result<()> {
        let opened = (input.open)().and_then(|source| ReadAhead::start(source, order));
        match opened {
            Ok(reader) => self.add(InputCursor::source(reader, is_file)),
            Err(error) => self.failures.take(error)?,
        }
        Ok(())
    }

    /// Puts the next input that waits among the heads.
    fn announce_pending(&mut self) {
        if let Some((key, _)) = self.pending.front() {
            self.heads.push(Reverse((*key, PENDING)));
        }
    }

    /// Opens the next input that waits; where too many are open, merges it
    /// and those after it into a run first.
    fn open_pending(&mut self) -> Result<()> {
        if self.open_files < self.options.fan_in {
            if let Some((key, input)) = self.pending.pop_front() {
                self.open(input, key.order, true)?;
            }
        } else {
            let group = self.pending.len().min(self.options.fan_in.max(2));
            let group: VecDeque<_> = self.pending.drain(..group).collect();
            let run = self.merge_into_run(group)?;
            self.add(InputCursor::run(run));
        }
        self.announce_pending();
        Ok(())
    }

    /// Merges some inputs into a temporary file.
    fn merge_into_run(&mut self, group: VecDeque<(SortKey, MergeInput)>) -> Result<RunReader> {
        let mut part = Merge::empty(self.options.clone(), self.failures.part(), TieBreak::None);
        part.pending = group;
        part.announce_pending();
        let spill = match &mut self.spill {
            Some(spill) => spill,
            none => none.insert(Spill::new(&self.options.directory)?),
        };
        let mut writer = spill.run(CHUNK);
        let mut block = Block::new();
        while part.fill(&mut block)? {
            for (view, key) in block.iter().zip(&part.keys) {
                writer.push(*key, view.raw)?;
            }
        }
        let run = writer.finish()?;
        self.runs += 1;
        self.before = self.before.join(&part.intake());
        self.disordered += part.disordered;
        self.failures.add(&part.failures);
        Ok(spill.read(run))
    }

    /// The next records in order, with their keys. `false`: there are none.
    pub(super) fn fill(&mut self, out: &mut Block) -> Result<bool> {
        out.clear();
        self.keys.clear();
        while out.bytes().len() < FULL && self.fatal.is_none() {
            if !self.refill(out.is_empty()) {
                break;
            }
            if let Some(time) = self.tied_at {
                if !self.gather(time) {
                    self.write_tied(out);
                }
                continue;
            }
            let Some(Reverse((key, slot))) = self.heads.pop() else { break };
            if slot != PENDING {
                self.take(key, slot, out);
            } else if let Err(error) = self.open_pending() {
                self.fatal = Some(error);
            }
        }
        if !out.is_empty() {
            let (records, bytes) = self.written;
            out.continue_after(records, bytes);
            self.written = (records + out.len() as u64, bytes + out.bytes().len() as u64);
            return Ok(true);
        }
        self.fatal.take().map_or(Ok(false), Err)
    }

    /// Gets the batches without which nothing can be decided. `false`: one is
    /// not there, and must not be waited for.
    fn refill(&mut self, may_wait: bool) -> bool {
        while let Some(&slot) = self.starved.last() {
            let Some(cursor) = &mut self.cursors[slot] else { break };
            let end = match cursor.refill(may_wait) {
                None => return false,
                Some(Ok(true)) => {
                    self.disordered += cursor.batch.disordered;
                    self.heads.extend(cursor.head().map(|key| Reverse((key, slot))));
                    self.starved.pop();
                    continue;
                }
                Some(end) => end,
            };
            self.starved.pop();
            self.before = self.before.join(&cursor.intake());
            self.open_files -= usize::from(cursor.is_file);
            self.cursors[slot] = None;
            if let Err(error) = end.map(|_| ()).or_else(|error| self.failures.take(error)) {
                self.fatal = Some(error);
            }
        }
        true
    }

    /// Takes records of the cursor that has the first of all, up to where
    /// another cursor's, or records of one time, come.
    fn take(&mut self, head: SortKey, slot: usize, out: &mut Block) {
        let bound = self.heads.peek().map(|Reverse((key, _))| *key);
        let Some(cursor) = &mut self.cursors[slot] else { return };
        let keys = &cursor.batch.keys;
        let is_tied = |index: usize| {
            let time = keys[index].time;
            let is_between = bound.is_some_and(|bound| bound.time == time);
            match self.ties {
                TieBreak::None => false,
                TieBreak::BetweenInputs if !cursor.is_run() => is_between,
                // A run is of several inputs; what comes after its batch is not known yet.
                TieBreak::BetweenInputs | TieBreak::All => {
                    is_between || keys.get(index + 1).is_none_or(|next| next.time == time)
                }
            }
        };
        let is_before = |index: usize| bound.is_none_or(|bound| keys[index] < bound);
        if is_tied(cursor.next) {
            self.tied_at = Some(head.time);
            self.heads.push(Reverse((head, slot)));
            return;
        }
        let first = cursor.next;
        let mut end = first + 1;
        while end < keys.len() && is_before(end) && !is_tied(end) {
            end += 1;
        }
        cursor.next = end;
        let is_over = end == keys.len();
        let KeyedBlock { block, keys, .. } = &mut cursor.batch;
        if out.is_empty() && first == 0 && is_over {
            std::mem::swap(out, block);
            std::mem::swap(&mut self.keys, keys);
            keys.clear();
        } else {
            self.keys.extend_from_slice(&keys[first..end]);
            block.runs_in(first..end).for_each(|run| out.append_renumbered(&run));
        }
        self.advance(slot);
    }

    /// Takes more records of this time, if there are any, to be settled.
    fn gather(&mut self, time: i64) -> bool {
        // One large record is enough for that, but only more of its time could be in the wrong place.
        let has_more = self.heads.peek().is_some_and(|Reverse((key, _))| key.time == time);
        if has_more && self.tied.bytes().len() > MOST_TIED {
            self.open_ties += u64::from(has_open_response(&self.tied));
            return false;
        }
        let Some(Reverse((key, slot))) = self.heads.pop_if_first(time) else { return false };
        if slot == PENDING {
            if let Err(error) = self.open_pending() {
                self.fatal = Some(error);
            }
            return true;
        }
        let bound = self.heads.peek().map(|Reverse((key, _))| *key);
        if let Some(cursor) = &mut self.cursors[slot] {
            let keys = &cursor.batch.keys;
            let first = cursor.next;
            let mut end = first + 1;
            let mut length = cursor.batch.block.get(first).raw.len();
            while end < keys.len()
                && keys[end].time == key.time
                && bound.is_none_or(|bound| keys[end] < bound)
                && length <= MOST_TIED
            {
                length += cursor.batch.block.get(end).raw.len();
                end += 1;
            }
            cursor.next = end;
            cursor.batch.block.runs_in(first..end).for_each(|run| self.tied.append_renumbered(&run));
        }
        self.advance(slot);
        true
    }

    /// Hands on the records of one time, responses after their requests.
    fn write_tied(&mut self, out: &mut Block) {
        match order(&self.tied) {
            None => self.tied.runs_in(0..self.tied.len()).for_each(|run| out.append_renumbered(&run)),
            Some(order) => {
                for index in order {
                    self.tied.runs_in(index..index + 1).for_each(|run| out.append_renumbered(&run));
                }
            }
        }
        self.tied.clear();
        self.tied_at = None;
    }

    /// Puts the cursor's next record among the heads, or waits for it.
    fn advance(&mut self, slot: usize) {
        match self.cursors[slot].as_ref().and_then(InputCursor::head) {
            Some(key) => self.heads.push(Reverse((key, slot))),
            None => self.starved.push(slot),
        }
    }
}

/// What a heap of heads is asked.
trait Heads {
    /// Takes the first if it has this time.
    fn pop_if_first(&mut self, time: i64) -> Option<Reverse<(SortKey, usize)>>;
}

impl Heads for BinaryHeap<Reverse<(SortKey, usize)>> {
    fn pop_if_first(&mut self, time: i64) -> Option<Reverse<(SortKey, usize)>> {
        let Reverse((key, _)) = self.peek()?;
        if key.time == time { self.pop() } else { None }
    }
}

impl Source for Merge {
    fn read_block(&mut self, block: &mut Block) -> Result<bool> {
        if self.fill(block)? {
            return Ok(true);
        }
        self.failures.end().map(|()| false)
    }

    fn intake(&self) -> Intake {
        self.cursors.iter().flatten().fold(self.before, |sum, cursor| sum.join(&cursor.intake()))
    }
}

impl Counted for Merge {
    fn count(&self, counts: &mut MergeCounts) {
        counts.disordered += self.disordered;
        counts.open_ties += self.open_ties;
        counts.runs += self.runs;
    }
}
