//! A reorder buffer: records behind one that waits for its response are held, so that the order stays.

use std::collections::VecDeque;
use std::ops::Range;

use super::selection::RecordState;
use crate::Result;
use crate::record::{Block, Sink};

/// Held records are gathered in blocks of this many bytes, so that many small
/// blocks do not take more memory than their text.
const CHUNK: usize = 1 << 20;

/// Emptied blocks kept for later.
const SPARE: usize = 2;

/// Writes records in their order, and holds those that cannot be written yet.
///
/// What is held is bounded by whoever decides: everything behind a record
/// that waits is held, but for what is dropped.
#[derive(Debug)]
pub(super) struct ReorderBuffer {
    chunks: VecDeque<BufferedChunk>,
    /// Number of the front chunk, counted from the first ever. Wraps.
    first_chunk: u32,
    /// The records that waited when they were taken, in order.
    waits: VecDeque<Wait>,
    /// Number of the next record, counted over all blocks.
    next: u64,
    spare: Vec<Block>,
    /// Records that may be written yet.
    left: u64,
    pub(super) written: u64,
}

#[derive(Debug, Default)]
struct BufferedChunk {
    block: Block,
    states: Vec<RecordState>,
    /// Records at the front that are done with.
    done: usize,
}

/// Where a record that waits is held.
#[derive(Clone, Copy, Debug)]
struct Wait {
    record: u64,
    /// The lower bits of the chunk's number: far fewer chunks are held.
    chunk: u32,
    index: u32,
}

impl ReorderBuffer {
    /// Nothing is held; so many records are written at most.
    pub(super) fn new(limit: u64) -> Self {
        ReorderBuffer {
            chunks: VecDeque::new(),
            first_chunk: 0,
            waits: VecDeque::new(),
            next: 0,
            spare: Vec::new(),
            left: limit,
            written: 0,
        }
    }

    /// Whether the limit is reached.
    pub(super) fn is_over(&self) -> bool {
        self.left == 0
    }

    /// Whether nothing is held.
    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Decides on records that wait, by their numbers, and writes what that
    /// sets free.
    pub(super) fn decide(&mut self, decided: &[(u64, bool)], sink: &mut dyn Sink) -> Result<()> {
        for &(record, is_written) in decided {
            let at = self.waits.partition_point(|wait| wait.record < record);
            let Some(wait) = self.waits.get(at).filter(|wait| wait.record == record) else { continue };
            if let Some(chunk) = self.chunks.get_mut(wait.chunk.wrapping_sub(self.first_chunk) as usize) {
                chunk.states[wait.index as usize] =
                    if is_written { RecordState::Write } else { RecordState::Drop };
            }
        }
        self.write_free(sink)
    }

    /// Writes the block's records, or holds them where one before them waits.
    pub(super) fn take(&mut self, block: &Block, states: &[RecordState], sink: &mut dyn Sink) -> Result<()> {
        let is_free = self.chunks.is_empty();
        let waits =
            if is_free { states.iter().position(|&state| state == RecordState::Wait) } else { Some(0) };
        let first = waits.unwrap_or(states.len());
        write(block, states, 0..first, &mut self.left, &mut self.written, sink)?;
        let mut held = (first..states.len()).filter(|&index| states[index] != RecordState::Drop);
        for run in block.runs(|index| index >= first && states[index] != RecordState::Drop) {
            let last = self.make_room(run.bytes().len());
            let (number, chunk) = (self.first_chunk.wrapping_add(last as u32), &mut self.chunks[last]);
            chunk.block.append(&run);
            for index in held.by_ref().take(run.len()) {
                if states[index] == RecordState::Wait {
                    let record = self.next + index as u64;
                    let index = chunk.states.len() as u32;
                    self.waits.push_back(Wait { record, chunk: number, index });
                }
                chunk.states.push(states[index]);
            }
        }
        self.next += states.len() as u64;
        Ok(())
    }

    /// The last chunk, or a new one where so many bytes more are too many for it.
    fn make_room(&mut self, bytes: usize) -> usize {
        let is_full = |chunk: &BufferedChunk| chunk.block.bytes().len() + bytes > CHUNK;
        if self.chunks.back().is_none_or(is_full) {
            let block = self.spare.pop().unwrap_or_default();
            self.chunks.push_back(BufferedChunk { block, ..BufferedChunk::default() });
        }
        self.chunks.len() - 1
    }

    /// Writes what stands before the first record that waits.
    fn write_free(&mut self, sink: &mut dyn Sink) -> Result<()> {
        while let Some(chunk) = self.chunks.front_mut() {
            let rest = &chunk.states[chunk.done..];
            let free = rest.iter().position(|&state| state == RecordState::Wait);
            let end = free.map_or(chunk.states.len(), |free| chunk.done + free);
            write(&chunk.block, &chunk.states, chunk.done..end, &mut self.left, &mut self.written, sink)?;
            chunk.done = end;
            if free.is_some() {
                return Ok(());
            }
            let Some(BufferedChunk { mut block, .. }) = self.chunks.pop_front() else { return Ok(()) };
            while self.waits.front().is_some_and(|wait| wait.chunk == self.first_chunk) {
                self.waits.pop_front();
            }
            self.first_chunk = self.first_chunk.wrapping_add(1);
            if self.spare.len() < SPARE && block.bytes().len() <= CHUNK {
                block.clear();
                self.spare.push(block);
            }
        }
        Ok(())
    }
}

/// Writes the records of a range that are to be written, as far as the limit
/// allows.
fn write(
    block: &Block,
    states: &[RecordState],
    range: Range<usize>,
    left: &mut u64,
    written: &mut u64,
    sink: &mut dyn Sink,
) -> Result<()> {
    for run in block.runs(|index| range.contains(&index) && states[index] == RecordState::Write) {
        if *left == 0 {
            break;
        }
        let records = (run.len() as u64).min(*left);
        sink.write(&run.part(0..records as usize))?;
        *left -= records;
        *written += records;
    }
    Ok(())
}
