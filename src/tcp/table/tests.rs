//! The table against a vector that does the same slowly.

use super::Table;
use crate::tcp::ConnectionKey;
use proptest::prelude::*;

/// Three keys have the same endpoints: in no network that is known, and in two.
fn key(number: u16) -> ConnectionKey {
    let client = ([10, 0, 1, (number >> 8) as u8], 1000 + number / 3).into();
    ConnectionKey::of(([10, 0, 0, 1], 80).into(), client).0.within(u64::from(number % 3))
}

/// Keys, contents, times and charges, the idlest first.
#[derive(Default)]
struct TableTwin {
    entries: Vec<(ConnectionKey, u32, i64, usize)>,
    clock: i64,
}

impl TableTwin {
    /// The entry that a key joins: of several, the one touched last.
    fn find(&self, key: ConnectionKey) -> Option<usize> {
        let joining = self.entries.iter().enumerate().filter(|(_, entry)| entry.0.joins(&key));
        joining.max_by_key(|(_, entry)| (entry.2, entry.0.network())).map(|(at, _)| at)
    }

    fn touch(&mut self, key: ConnectionKey, now: i64) -> bool {
        self.clock = self.clock.max(now);
        let Some(at) = self.find(key) else { return false };
        let entry = self.entries.remove(at);
        let known = if entry.0.network() == 0 { key } else { entry.0 };
        self.entries.push((known, entry.1, self.clock, entry.3));
        true
    }

    fn bytes(&self) -> usize {
        self.entries.iter().map(|entry| entry.3).sum()
    }

    fn pop(&mut self) -> Option<(ConnectionKey, u32)> {
        (!self.entries.is_empty()).then(|| self.entries.remove(0)).map(|entry| (entry.0, entry.1))
    }
}

#[derive(Clone, Debug)]
enum Deed {
    Insert(u16, usize),
    Touch(u16),
    Charge(u16, usize),
    Remove(u16),
    Expire(i64),
    Evict,
    Pop,
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        4 => (0..20u16, 0..100usize).prop_map(|(key, bytes)| Deed::Insert(key, bytes)),
        4 => (0..20u16).prop_map(Deed::Touch),
        2 => (0..20u16, 0..100usize).prop_map(|(key, bytes)| Deed::Charge(key, bytes)),
        1 => (0..20u16).prop_map(Deed::Remove),
        1 => (0..50i64).prop_map(Deed::Expire),
        2 => Just(Deed::Evict),
        1 => Just(Deed::Pop),
    ]
}

proptest! {
    #[test]
    fn the_table_does_what_a_vector_does(deeds in prop::collection::vec((deed(), -3..10i64), 1..200)) {
        let (mut table, mut twin) = (Table::new(8, 400), TableTwin::default());
        let mut now = 0;
        table.clock = 0;
        for (content, (deed, step)) in (0u32..).zip(deeds) {
            now += step;
            match deed {
                Deed::Insert(number, bytes) => {
                    let known = twin.touch(key(number), now);
                    let (id, old) = table.insert(key(number), content, now);
                    table.charge(id, bytes);
                    prop_assert_eq!(old.is_some(), known);
                    let replaced = if known { twin.entries.pop() } else { None };
                    prop_assert_eq!(old, replaced.map(|entry| entry.1));
                    let kept = replaced.map_or(key(number), |entry| entry.0);
                    twin.entries.push((kept, content, twin.clock, bytes));
                }
                Deed::Touch(number) => {
                    let known = table.touch(&key(number), now);
                    // A miss is no sight of the connection, so the twin's clock must not run on.
                    let clock = twin.clock;
                    let found = twin.touch(key(number), now);
                    if !found {
                        twin.clock = clock;
                    }
                    prop_assert_eq!(known.is_some(), found);
                }
                Deed::Charge(number, bytes) => {
                    if let Some(id) = table.find(&key(number)) {
                        table.charge(id, bytes);
                    }
                    if let Some(at) = twin.find(key(number)) {
                        twin.entries[at].3 = bytes;
                    }
                }
                Deed::Remove(number) => {
                    let removed = table.find(&key(number)).and_then(|id| table.remove(id));
                    let at = twin.find(key(number));
                    prop_assert_eq!(removed, at.map(|at| twin.entries.remove(at)).map(|entry| (entry.0, entry.1)));
                }
                Deed::Expire(idle) => {
                    let is_due = twin.entries.first().is_some_and(|entry| now - entry.2 > idle);
                    let expired = if is_due { twin.pop() } else { None };
                    prop_assert_eq!(table.expire_idle(now, idle), expired);
                }
                Deed::Evict => {
                    let is_over = (twin.entries.len() > 8 || twin.bytes() > 400) && twin.entries.len() > 1;
                    let evicted = if is_over { twin.pop() } else { None };
                    prop_assert_eq!(table.evict_over_limit(), evicted);
                }
                Deed::Pop => prop_assert_eq!(table.pop_idlest(), twin.pop()),
            }
            prop_assert_eq!(table.len(), twin.entries.len());
            prop_assert_eq!(table.bytes(), twin.bytes());
            let listed: Vec<_> = table.iter().map(|(key, content)| (*key, *content)).collect();
            let expected: Vec<_> = twin.entries.iter().map(|entry| (entry.0, entry.1)).collect();
            prop_assert_eq!(listed, expected);
        }
    }
}

#[test]
fn a_million_connections_are_cheap() {
    const LIMIT: usize = 1 << 16;
    let mut table = Table::new(LIMIT, usize::MAX);
    let mut evicted = 0u32;
    for number in 0..1_000_000u32 {
        let client = (number.to_be_bytes(), 40_000).into();
        let (key, _) = ConnectionKey::of(client, ([10, 0, 0, 1], 80).into());
        table.insert(key, number, i64::from(number));
        while let Some((_, content)) = table.evict_over_limit() {
            assert_eq!(content, evicted, "the idlest goes first");
            evicted += 1;
        }
    }
    assert_eq!(table.len(), LIMIT);
    assert_eq!(table.slots.len(), LIMIT + 1, "slots are used again");
    assert!(size_of::<super::Slot<()>>() <= 80, "{}", size_of::<super::Slot<()>>());
}

#[test]
fn a_connection_is_told_apart_by_its_network_once_that_is_known() {
    let [plain, one, two] = [key(0), key(1), key(2)];
    let mut table = Table::new(4, 4);
    let (first, _) = table.insert(plain, 'a', 0);
    assert_eq!(table.touch(&one, 1), Some(first), "a tag seen later");
    assert_eq!(table.find(&plain), Some(first), "and without it again");
    assert_eq!(table.find(&two), None, "another tag");
    let (second, _) = table.insert(two, 'b', 2);
    assert_eq!(table.touch(&plain, 3), Some(second), "without a tag, the one seen last");
    table.touch(&one, 4);
    assert_eq!(table.touch(&plain, 5), Some(first));
    table.remove(first);
    assert_eq!(table.touch(&plain, 6), Some(second), "and the only one that is left");
    assert_eq!(table.find(&one), None);
}

#[test]
fn a_removed_entry_is_gone_whatever_its_number_is_asked_for() {
    let mut table = Table::new(4, 4);
    let (id, _) = table.insert(key(1), 'a', 0);
    assert_eq!(table.remove(id), Some((key(1), 'a')));
    table.charge(id, 9);
    assert_eq!(table.get(id), None);
    assert_eq!(table.remove(id), None);
    assert_eq!(table.pop_idlest(), None);
    assert_eq!(table.bytes(), 0);
}

#[test]
fn the_last_connection_is_not_evicted() {
    let mut table = Table::new(4, 10);
    let (id, _) = table.insert(key(1), (), 0);
    table.charge(id, 11);
    assert_eq!(table.evict_over_limit(), None);
}
