//! The requests that were refused, remembered so that their responses can follow them.

use std::collections::VecDeque;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

/// Refused requests remembered at once: the most that a table of 2²⁰ places
/// holds. They take 26 MB.
pub const MAX_REMEMBERED: usize = 7 << 17;

/// Ids of refused requests, as hashes of 64 bits. The oldest is forgotten
/// when one more would be too many.
#[derive(Debug)]
pub(super) struct Refused {
    table: HashTable<Remembered>,
    /// Every id in the order of its refusal, also those taken back since.
    order: VecDeque<u64>,
    /// Turn of the id at the front of `order`. Wraps.
    first_turn: u32,
    bound: usize,
    forgotten: u64,
}

#[derive(Debug)]
struct Remembered {
    id: u64,
    /// Which of the places in `order` is its latest.
    turn: u32,
    is_answered: bool,
}

impl Refused {
    /// Remembers at most `bound` ids, which is at least 1.
    pub(super) fn new(bound: usize) -> Self {
        Refused { table: HashTable::new(), order: VecDeque::new(), first_turn: 0, bound, forgotten: 0 }
    }

    /// Remembers that the latest request with this id was refused.
    pub(super) fn insert(&mut self, id: u64) {
        if self.order.len() == self.bound {
            self.forget_oldest();
        }
        let turn = self.first_turn.wrapping_add(self.order.len() as u32);
        self.order.push_back(id);
        let remembered = Remembered { id, turn, is_answered: false };
        match self.table.entry(id, |known| known.id == id, |known| known.id) {
            Entry::Occupied(mut entry) => *entry.get_mut() = remembered,
            Entry::Vacant(entry) => drop(entry.insert(remembered)),
        }
    }

    /// Takes it back: a later request with the same id passed.
    pub(super) fn remove(&mut self, id: u64) {
        if let Ok(entry) = self.table.find_entry(id, |known| known.id == id) {
            entry.remove();
        }
    }

    /// Whether the request that a response answers was refused.
    pub(super) fn answer(&mut self, id: u64) -> bool {
        let known = self.table.find_mut(id, |known| known.id == id);
        known.is_some_and(|known| {
            known.is_answered = true;
            true
        })
    }

    /// Requests forgotten before any response to them was seen.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    fn forget_oldest(&mut self) {
        let Some(id) = self.order.pop_front() else { return };
        let turn = self.first_turn;
        self.first_turn = turn.wrapping_add(1);
        // An id taken back, or refused again since, is not meant here.
        if let Ok(entry) = self.table.find_entry(id, |known| known.id == id && known.turn == turn) {
            self.forgotten += u64::from(!entry.get().is_answered);
            entry.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same in the plainest way: a list from the oldest to the latest.
    #[derive(Default)]
    struct Twin {
        list: Vec<(Option<u64>, bool)>,
        forgotten: u64,
    }

    impl Twin {
        fn remove(&mut self, id: u64) {
            self.list.iter_mut().filter(|(known, _)| *known == Some(id)).for_each(|(known, _)| *known = None);
        }

        fn insert(&mut self, id: u64, bound: usize) {
            if self.list.len() == bound {
                let (known, is_answered) = self.list.remove(0);
                self.forgotten += u64::from(known.is_some() && !is_answered);
            }
            self.remove(id);
            self.list.push((Some(id), false));
        }

        fn answer(&mut self, id: u64) -> bool {
            let known = self.list.iter_mut().find(|(known, _)| *known == Some(id));
            known.is_some_and(|(_, is_answered)| {
                *is_answered = true;
                true
            })
        }
    }

    proptest! {
        #[test]
        fn it_remembers_what_a_plain_list_does(
            bound in 1_usize..6,
            steps in prop::collection::vec((0_u8..3, 0_u64..8), 0..60),
        ) {
            let (mut refused, mut twin) = (Refused::new(bound), Twin::default());
            for (step, id) in steps {
                match step {
                    0 => {
                        twin.insert(id, bound);
                        refused.insert(id);
                    }
                    1 => {
                        twin.remove(id);
                        refused.remove(id);
                    }
                    _ => prop_assert_eq!(refused.answer(id), twin.answer(id)),
                }
                prop_assert_eq!(refused.forgotten(), twin.forgotten);
                prop_assert!(refused.order.len() <= bound);
            }
        }
    }
}
