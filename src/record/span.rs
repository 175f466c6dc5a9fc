//! Where a record is in its block.

use std::ops::Range;

use super::header::{Header, Kind, Mark};

/// Where the parts of one record are in its block's buffer.
///
/// Offsets are of 32 bits: a block holds at most 4 GiB.
#[derive(Clone, Copy, Debug)]
pub(super) struct RecordSpan {
    pub(super) timestamp: i64,
    pub(super) latency: Option<i64>,
    pub(super) start: u32,
    pub(super) payload: u32,
    pub(super) payload_end: u32,
    pub(super) end: u32,
    pub(super) id_len: u16,
    /// Bytes from the payload's start back to the fields after the mark.
    pub(super) extra_len: u16,
    pub(super) kind: Kind,
    pub(super) mark: Option<Mark>,
    pub(super) has_length: bool,
    /// Whether the payload holds a separator line and its length is not written yet.
    pub(super) lacks_length: bool,
    /// By how many bytes the record stands further back than it was read, modulo 2^32.
    pub(super) moved: u32,
    /// Number of this record counted from the block's first.
    pub(super) number: u32,
}

impl RecordSpan {
    /// The span of a record whose header line and payload are known.
    pub(super) fn new(header: &Header<'_>, start: usize, payload: Range<usize>, end: usize) -> Self {
        RecordSpan {
            timestamp: header.timestamp,
            latency: header.latency,
            start: start as u32,
            payload: payload.start as u32,
            payload_end: payload.end as u32,
            end: end as u32,
            id_len: header.id.len() as u16,
            extra_len: header.extra.len() as u16,
            kind: header.kind,
            mark: header.mark,
            has_length: header.length.is_some(),
            lacks_length: false,
            moved: 0,
            number: 0,
        }
    }
}
