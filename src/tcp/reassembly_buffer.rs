//! The reassembly buffer of one direction: what came out of order waits there for the bytes before it.

use std::collections::BTreeMap;

use super::Seq;

/// Bytes brought by one segment ahead of a hole, or the news that these bytes were snapped.
pub(super) struct BufferedPiece {
    /// Empty when the bytes were snapped.
    pub(super) bytes: Box<[u8]>,
    /// How many bytes were snapped; 0 when there are `bytes`.
    pub(super) snapped: u32,
    pub(super) origin: SegmentOrigin,
}

/// The segment that brought some bytes.
#[derive(Clone, Copy)]
pub(super) struct SegmentOrigin {
    pub(super) ack: Option<Seq>,
    pub(super) time: i64,
    /// Whether the first of the bytes is the segment's first.
    pub(super) is_segment_start: bool,
}

impl BufferedPiece {
    fn len(&self) -> u64 {
        self.bytes.len() as u64 + u64::from(self.snapped)
    }
}

/// Pieces by offset, which never overlap, and an end of the stream that cannot be told yet.
#[derive(Default)]
pub(super) struct ReassemblyBuffer {
    pieces: BTreeMap<u64, BufferedPiece>,
    held: usize,
    /// Where the stream ends and when that was said.
    pub(super) fin: Option<(u64, i64)>,
    /// Where the stream was when it was reset, and when that was said.
    pub(super) reset: Option<(u64, i64)>,
    /// Where the segment after the latest implausible one would begin.
    pub(super) stray: Option<Seq>,
    /// The latest gap given up: its begin and end.
    pub(super) late: (u64, u64),
    /// When bytes came last that lie before others held.
    pub(super) filled: Option<i64>,
    /// Up to where the other side is known to have received, and the packet time at which it said so first. Beyond
    /// that, what it said latest.
    pub(super) received: Option<(u64, i64)>,
    latest_received: (u64, i64),
}

impl ReassemblyBuffer {
    pub(super) fn piece_count(&self) -> usize {
        self.pieces.len()
    }

    /// Payload bytes in the pieces.
    pub(super) fn held_bytes(&self) -> usize {
        self.held
    }

    /// Where the last piece ends.
    pub(super) fn end(&self) -> Option<u64> {
        self.pieces.last_key_value().map(|(start, piece)| start + piece.len())
    }

    /// The piece that has the byte at `at`, and where it begins and ends.
    pub(super) fn covering(&self, at: u64) -> Option<(u64, u64, &BufferedPiece)> {
        let (&start, piece) = self.pieces.range(..=at).next_back()?;
        let end = start + piece.len();
        (at < end).then_some((start, end, piece))
    }

    /// Where the first piece after `at` begins.
    pub(super) fn next_start(&self, at: u64) -> Option<u64> {
        self.pieces.range(at..).next().map(|(&start, _)| start)
    }

    /// Adds a piece; the caller has seen to it that its place is free.
    pub(super) fn insert(&mut self, at: u64, piece: BufferedPiece) {
        self.held += piece.bytes.len();
        self.pieces.insert(at, piece);
    }

    /// Takes the first piece if it begins at `at`.
    pub(super) fn take(&mut self, at: u64) -> Option<BufferedPiece> {
        let first = self.pieces.first_entry()?;
        if *first.key() != at {
            return None;
        }
        let piece = first.remove();
        self.held -= piece.bytes.len();
        if self.pieces.is_empty() {
            // An emptied map keeps a node, which is many times the size of an idle direction.
            self.pieces = BTreeMap::new();
        }
        Some(piece)
    }

    /// Where the first hole ends and the packet time from which its bytes are waited for.
    pub(super) fn first_hole(&self) -> Option<(u64, i64)> {
        let piece = self.pieces.first_key_value().map(|(&start, piece)| (start, piece.origin.time));
        piece.or(self.fin).or(self.reset)
    }

    /// Notes that the other side has received all before `end`.
    pub(super) fn acknowledged(&mut self, end: u64, time: i64) {
        if end > self.latest_received.0 || self.received.is_none() {
            self.latest_received = (end, time);
        }
        self.received.get_or_insert((end, time));
    }

    /// Notes that all before `next` was delivered or given up.
    pub(super) fn advance(&mut self, next: u64) {
        if self.received.is_some_and(|(end, _)| end <= next) {
            self.received = Some(self.latest_received).filter(|(end, _)| *end > next);
        }
    }

    /// Up to where the other side is known to have received.
    pub(super) fn received_end(&self) -> u64 {
        self.latest_received.0
    }

    /// Whether all that is held back is a reset.
    pub(super) fn holds_only_reset(&self) -> bool {
        self.reset.is_some() && self.pieces.is_empty() && self.fin.is_none()
    }

    /// Whether anything is held back.
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.fin.is_none() && self.reset.is_none()
    }
}
