//! Which records the child was given and has not sent back, by kind and id.

use std::hash::BuildHasher;

use foldhash::quality::RandomState;
use hashbrown::HashMap;

use crate::record::Header;

/// Bytes of memory for the records that are followed: about a million with
/// GoReplay's ids.
pub(super) const MEMORY: usize = 128 << 20;

/// What a followed record takes besides its id: its slot in a table that is
/// half empty, and the allocation of the id.
const ENTRY: usize = 96;

/// How much of an id is shown.
const SHOWN: usize = 60;

/// The records on their way through the child. One id may occur several
/// times, so they are counted.
///
/// Most children answer in order, so records wait in a queue, whose front is
/// compared first; only an answer that is not there has what is queued put
/// into the table, once for each record.
///
/// Records beyond the memory are followed by a count and a sum of hashes:
/// that shows whether all of them came back, but not which did not.
#[derive(Debug)]
pub(super) struct Outstanding {
    queue: KeyQueue,
    records: HashMap<Box<[u8]>, OutstandingRecord, RandomState>,
    memory: usize,
    used: usize,
    /// The digit of the kind and the id of the record at hand.
    key: Vec<u8>,
    given: u64,
    returned: u64,
    own: u64,
    /// Records given that were too many to be followed one by one.
    beyond: RecordSum,
    /// Records that the child wrote since then and that are not followed.
    surplus: RecordSum,
}

#[derive(Debug)]
struct OutstandingRecord {
    count: u64,
    /// Place in the order of giving, of the first of them.
    place: u64,
}

/// Keys in the order they were given, in one buffer, each after its length.
#[derive(Debug, Default)]
struct KeyQueue {
    bytes: Vec<u8>,
    /// Where the front begins.
    start: usize,
    /// How many have left it.
    place: u64,
}

impl KeyQueue {
    fn push(&mut self, key: &[u8]) {
        self.bytes.extend_from_slice(&(key.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(key);
    }

    fn front(&self) -> Option<&[u8]> {
        let (length, rest) = self.bytes.get(self.start..)?.split_first_chunk()?;
        rest.get(..u32::from_le_bytes(*length) as usize)
    }

    /// Removes the front, which is `length` long.
    fn pop(&mut self, length: usize) {
        self.start += size_of::<u32>() + length;
        self.place += 1;
        // The rest moves when it is the smaller part, so that a byte moves once at most, on average.
        if self.start * 2 > self.bytes.len() {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
    }
}

/// Records without their order: equal sums are the same records.
#[derive(Debug, Default, Eq, PartialEq)]
struct RecordSum {
    records: u64,
    hashes: u64,
}

impl RecordSum {
    fn add(&mut self, hash: u64) {
        self.records += 1;
        self.hashes = self.hashes.wrapping_add(hash);
    }
}

/// What became of the records so far. Those given are the ones that returned,
/// the missing and the unknown.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Balance {
    /// Records the child was given. Those it did not come to read count too.
    pub given: u64,
    /// Records of these that it sent back, under their kind and id.
    pub returned: u64,
    /// Records the child wrote besides.
    pub own: u64,
    /// Records it has not sent back.
    pub missing: u64,
    /// Records that were too many to be followed, some of which have not come back.
    pub unknown: u64,
    /// Records that were too many to be followed one by one.
    pub beyond: u64,
}

impl Balance {
    /// Whether every record came back.
    pub(super) fn is_even(&self) -> bool {
        self.missing == 0 && self.unknown == 0
    }
}

impl Outstanding {
    /// Follows records in `memory` bytes.
    pub(super) fn new(memory: usize) -> Self {
        Outstanding {
            queue: KeyQueue::default(),
            records: HashMap::default(),
            memory,
            used: 0,
            key: Vec::new(),
            given: 0,
            returned: 0,
            own: 0,
            beyond: RecordSum::default(),
            surplus: RecordSum::default(),
        }
    }

    fn set_key(&mut self, header: &Header<'_>) {
        self.key.clear();
        self.key.push(header.kind.digit());
        self.key.extend_from_slice(header.id);
    }

    /// A record goes to the child.
    pub(super) fn give(&mut self, header: &Header<'_>) {
        self.set_key(header);
        self.given += 1;
        let cost = ENTRY + self.key.len();
        if self.used + cost > self.memory {
            self.beyond.add(self.records.hasher().hash_one(&*self.key));
            return;
        }
        self.used += cost;
        self.queue.push(&self.key);
    }

    /// The child wrote a record.
    pub(super) fn take(&mut self, header: &Header<'_>) {
        self.set_key(header);
        if self.queue.front() == Some(&*self.key) {
            self.queue.pop(self.key.len());
        } else if !self.take_from_table() {
            self.put_into_table();
            if !self.take_from_table() {
                self.own += 1;
                if self.beyond.records > 0 {
                    self.surplus.add(self.records.hasher().hash_one(&*self.key));
                }
                return;
            }
        }
        self.returned += 1;
        self.used -= ENTRY + self.key.len();
    }

    /// Takes the record at hand out of the table, if it is there.
    fn take_from_table(&mut self) -> bool {
        let Some(entry) = self.records.get_mut(&*self.key) else { return false };
        entry.count -= 1;
        if entry.count == 0 {
            self.records.remove(&*self.key);
        }
        true
    }

    fn put_into_table(&mut self) {
        while let Some(key) = self.queue.front() {
            let (length, place) = (key.len(), self.queue.place);
            match self.records.get_mut(key) {
                Some(entry) => entry.count += 1,
                None => _ = self.records.insert(key.into(), OutstandingRecord { count: 1, place }),
            }
            self.queue.pop(length);
        }
    }

    /// What became of the records so far.
    pub(super) fn balance(&self) -> Balance {
        let beyond = self.beyond.records;
        let came_back = if self.beyond == self.surplus { beyond } else { 0 };
        Balance {
            given: self.given,
            returned: self.returned + came_back,
            own: self.own - came_back,
            missing: self.given - self.returned - beyond,
            unknown: beyond - came_back,
            beyond,
        }
    }

    /// The first `number` records that are followed and have not come back, as
    /// their header lines begin: `1 a1`.
    pub(super) fn first(&mut self, number: usize) -> Vec<String> {
        self.put_into_table();
        let mut missing: Vec<_> = self.records.iter().map(|(key, entry)| (entry.place, key)).collect();
        missing.sort_unstable();
        let shown = |key: &[u8]| {
            let id = &key[1..];
            let more = if id.len() > SHOWN { "…" } else { "" };
            format!("{} {}{more}", char::from(key[0]), id[..id.len().min(SHOWN)].escape_ascii())
        };
        missing.into_iter().take(number).map(|(_, key)| shown(key)).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Balance, ENTRY, Outstanding};
    use crate::record::{Header, Kind};

    fn header(kind: bool, id: &[u8]) -> Header<'_> {
        Header { kind: if kind { Kind::Request } else { Kind::Response }, id, ..Header::default() }
    }

    proptest! {
        /// The twin holds every record in a list.
        #[test]
        fn what_is_followed_is_what_a_list_would_say(
            steps in prop::collection::vec((any::<bool>(), any::<bool>(), "[a-d]"), 0..60),
        ) {
            let (mut outstanding, mut list) = (Outstanding::new(1 << 20), Vec::new());
            let mut expected = Balance::default();
            for (is_given, kind, id) in steps {
                let header = header(kind, id.as_bytes());
                if is_given {
                    outstanding.give(&header);
                    list.push((kind, id));
                    expected.given += 1;
                } else {
                    outstanding.take(&header);
                    match list.iter().position(|(k, i)| (*k, i) == (kind, &id)) {
                        Some(at) => {
                            list.remove(at);
                            expected.returned += 1;
                        }
                        None => expected.own += 1,
                    }
                }
                expected.missing = list.len() as u64;
                prop_assert_eq!(outstanding.balance(), expected);
            }
            let named = outstanding.first(100);
            let is_named = list.iter().all(|(kind, id)| {
                named.contains(&format!("{} {id}", if *kind { 1 } else { 2 }))
            });
            prop_assert!(is_named, "{:?}", named);
        }

        /// Whatever the memory, in any order: nothing is taken for returned
        /// that did not return, and when all did that is seen.
        #[test]
        fn little_memory_never_says_that_a_missing_record_returned(
            ids in prop::collection::vec(0_u8..30, 1..40),
            entries in 0_usize..20,
            order in any::<prop::sample::Index>(),
            lost in prop::option::of(any::<prop::sample::Index>()),
            own in prop::option::of(30_u8..40),
        ) {
            let mut outstanding = Outstanding::new(entries * (ENTRY + 2));
            for id in &ids {
                outstanding.give(&header(true, &[*id]));
            }
            let mut answers = ids.clone();
            answers.rotate_left(order.index(ids.len()));
            if let Some(lost) = lost {
                answers.remove(lost.index(answers.len()));
            }
            answers.extend(own);
            for id in &answers {
                outstanding.take(&header(true, &[*id]));
            }
            let balance = outstanding.balance();
            prop_assert_eq!(balance.returned + balance.missing + balance.unknown, balance.given);
            prop_assert_eq!(balance.returned + balance.own, answers.len() as u64);
            prop_assert!(lost.is_none() || !balance.is_even(), "{:?}", balance);
            prop_assert!(lost.is_some() || own.is_some() || balance.is_even(), "{:?}", balance);
        }
    }

    #[test]
    fn the_missing_are_named_in_the_order_they_were_given() {
        let mut outstanding = Outstanding::new(1 << 20);
        let long = [b'f'; 100];
        for (kind, id) in [(true, &b"b"[..]), (false, b"b"), (true, b"\x01"), (true, &long), (true, b"z")] {
            outstanding.give(&header(kind, id));
        }
        outstanding.take(&header(true, b"b"));
        let expected = ["2 b".to_owned(), "1 \\x01".to_owned(), format!("1 {}…", "f".repeat(60))];
        assert_eq!(outstanding.first(3), expected);
    }
}
