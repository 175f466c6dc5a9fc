//! Offsets that were handled beyond the committed one, as a commit remembers them.
//!
//! A group remembers one offset a partition, but requests come to their end in another order than their messages have.
//! What was handled beyond the first that was not goes into the metadata of the commit, a text that brokers keep beside
//! the offset (`OffsetCommitRequest`, field `committed_metadata`); whoever gets the partition next leaves it out. Readers
//! that do not know this text handle those messages again.

use std::fmt::Write as _;

/// What our metadata begins with.
const PREFIX: &str = "gor-tools 1:";

/// Bytes of the metadata at most. Brokers take 4096 unless told otherwise (`offset.metadata.max.bytes`).
const MOST_BYTES: usize = 4000;

/// Some offsets of a partition, as ranges: first and last, in order, with a gap between any two.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct OffsetSet(Vec<(i64, i64)>);

impl OffsetSet {
    /// The range that holds this offset, or the first one behind it.
    fn range(&self, offset: i64) -> usize {
        self.0.partition_point(|(_, last)| *last < offset)
    }

    /// Whether this offset is one of them.
    pub(super) fn contains(&self, offset: i64) -> bool {
        self.0.get(self.range(offset)).is_some_and(|(first, _)| *first <= offset)
    }

    /// The first offset from this one on that is none of them.
    pub(super) fn next_gap(&self, offset: i64) -> i64 {
        let range = self.0.get(self.range(offset)).filter(|(first, _)| *first <= offset);
        range.map_or(offset, |(_, last)| last.saturating_add(1))
    }

    /// These and others.
    pub(super) fn with(&self, others: &[i64]) -> Self {
        let mut ranges = self.0.clone();
        ranges.extend(others.iter().map(|offset| (*offset, *offset)));
        ranges.sort_unstable();
        ranges.dedup_by(|next, range| {
            let is_joined = next.0 <= range.1.saturating_add(1);
            if is_joined {
                range.1 = range.1.max(next.1);
            }
            is_joined
        });
        OffsetSet(ranges)
    }

    /// The text for a commit of this offset, and how many there was no room for.
    ///
    /// Ranges, separated by commas: how far the first is from the offset behind the range before, or from the committed
    /// one, and after a plus sign how many follow it.
    pub(super) fn to_metadata(&self, committed: i64) -> (String, u64) {
        let (mut text, mut expected) = (PREFIX.to_owned(), committed);
        let behind = self.0[self.range(committed)..].iter();
        let mut ranges = behind.map(|(first, last)| ((*first).max(committed), *last));
        let size = |(first, last): (i64, i64)| (last - first) as u64 + 1;
        while let Some((first, last)) = ranges.next() {
            let length = text.len();
            let comma = if length > PREFIX.len() { "," } else { "" };
            // Writing to a string cannot fail.
            let _ = write!(text, "{comma}{}", first - expected);
            if last > first {
                let _ = write!(text, "+{}", last - first);
            }
            if text.len() > MOST_BYTES {
                text.truncate(length);
                return (text, size((first, last)) + ranges.map(size).sum::<u64>());
            }
            expected = last + 1;
        }
        if text.len() == PREFIX.len() {
            text.clear();
        }
        (text, 0)
    }

    /// What such a text says. None of them, if another program wrote it.
    pub(super) fn from_metadata(text: &str, committed: i64) -> Self {
        let mut ranges = Vec::new();
        let mut expected = committed;
        for range in text.strip_prefix(PREFIX).unwrap_or_default().split(',') {
            let (distance, more) = range.split_once('+').unwrap_or((range, "0"));
            let (Ok(distance), Ok(more)) = (distance.parse::<u32>(), more.parse::<u32>()) else { break };
            let first = expected.saturating_add(i64::from(distance));
            let last = first.saturating_add(i64::from(more));
            ranges.push((first, last));
            expected = last.saturating_add(1);
        }
        OffsetSet(ranges).with(&[])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn set(offsets: impl IntoIterator<Item = i64>) -> OffsetSet {
        OffsetSet::default().with(&offsets.into_iter().collect::<Vec<_>>())
    }

    #[test]
    fn ranges_are_told_by_their_distances() {
        let set = set([110, 103, 104, 105, 108]);
        assert_eq!(set.0, [(103, 105), (108, 108), (110, 110)]);
        assert_eq!(set.to_metadata(100), ("gor-tools 1:3+2,2,1".to_owned(), 0));
        assert_eq!(set.to_metadata(104), ("gor-tools 1:0+1,2,1".to_owned(), 0));
        assert_eq!(OffsetSet::default().to_metadata(100), (String::new(), 0));
        assert_eq!(set.to_metadata(111), (String::new(), 0));
        assert_eq!([99, 103, 104, 107, 110].map(|offset| set.next_gap(offset)), [99, 106, 106, 107, 111]);
    }

    #[test]
    fn what_others_wrote_says_nothing() {
        for text in ["", "consumer-7", "gor-tools 2:1", "gor-tools 1:", "gor-tools 1:x", "gor-tools 1:-4"] {
            assert_eq!(OffsetSet::from_metadata(text, 5), OffsetSet::default(), "{text}");
        }
        assert_eq!(OffsetSet::from_metadata("gor-tools 1:2,3+x,1", 5), set([7]));
        let huge = OffsetSet::from_metadata("gor-tools 1:4294967295+4294967295,0", i64::MAX - 9);
        assert!(huge.contains(i64::MAX) && !huge.contains(i64::MAX - 1));
    }

    #[test]
    fn what_has_no_room_is_counted() {
        let set = set((0..10_000).map(|number| number * 3));
        let (text, left_out) = set.to_metadata(0);
        assert!((3990..=4000).contains(&text.len()), "{}", text.len());
        let told = OffsetSet::from_metadata(&text, 0);
        assert_eq!(told.0.len() as u64 + left_out, 10_000);
        assert_eq!(told.0, set.0[..told.0.len()]);
    }

    proptest! {
        #[test]
        fn a_set_comes_back_from_its_text(
            offsets in prop::collection::btree_set(0_i64..300, 0..200),
            committed in 0_i64..300,
        ) {
            let all = set(offsets.clone());
            let (text, left_out) = all.to_metadata(committed);
            prop_assert_eq!(left_out, 0);
            let told = OffsetSet::from_metadata(&text, committed);
            let behind: BTreeSet<i64> = (committed..300).filter(|offset| told.contains(*offset)).collect();
            prop_assert_eq!(behind, offsets.range(committed..).copied().collect::<BTreeSet<i64>>());
            prop_assert!((0..300).all(|offset| all.contains(offset) == offsets.contains(&offset)));
            let gap = (committed..=300).find(|offset| !offsets.contains(offset));
            prop_assert_eq!(Some(all.next_gap(committed)), gap);
        }
    }
}
