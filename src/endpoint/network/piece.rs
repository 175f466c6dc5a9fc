//! Runs of whole records that wait to be sent.

use crate::record::Run;

/// Whole records, and where each of them ends.
#[derive(Debug, Default)]
pub(super) struct Piece {
    pub(super) bytes: Vec<u8>,
    pub(super) ends: Vec<usize>,
}

impl Piece {
    /// An empty piece for so many bytes, that grows if they are more.
    pub(super) fn with_room(bytes: usize) -> Self {
        Piece { bytes: Vec::with_capacity(bytes), ends: Vec::new() }
    }

    /// Adds records.
    pub(super) fn append(&mut self, records: &Run<'_>) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(records.bytes());
        self.ends.extend(records.ends().map(|end| start + end));
    }

    /// Records that do not end at `at` or before it.
    pub(super) fn records_after(&self, at: usize) -> usize {
        self.ends.len() - self.ends_before(at)
    }

    /// Where the record begins that has the byte at `at`, or that begins there.
    pub(super) fn start_of(&self, at: usize) -> usize {
        self.ends_before(at).checked_sub(1).map_or(0, |index| self.ends[index])
    }

    /// Where that record ends.
    pub(super) fn end_of(&self, at: usize) -> usize {
        self.ends.get(self.ends_before(at)).copied().unwrap_or(self.bytes.len())
    }

    fn ends_before(&self, at: usize) -> usize {
        self.ends.partition_point(|end| *end <= at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_broken_record_begins_again_and_no_other(lengths in prop::collection::vec(1_usize..20, 1..20), at in 0_usize..400) {
            let mut piece = Piece::default();
            for length in &lengths {
                piece.bytes.extend(std::iter::repeat_n(b'x', *length));
                piece.ends.push(piece.bytes.len());
            }
            let at = at % piece.bytes.len();
            let (start, end) = (piece.start_of(at), piece.end_of(at));
            prop_assert!(start <= at && at < end);
            prop_assert!(start == 0 || piece.ends.contains(&start));
            prop_assert!(piece.ends.contains(&end));
            prop_assert!(!piece.ends.iter().any(|end| *end > start && *end <= at));
        }
    }
}
