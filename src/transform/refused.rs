//! The requests that were refused, remembered so that their responses can follow them.

use std::collections::VecDeque;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

/// Refused requests remembered at once. They take 19 MB.
///
/// As many as a table of 2²⁰ places holds: with twice the places it is at most
/// half full, and so never grows further for the traces of what was removed.
pub const MAX_REMEMBERED: usize = 7 << 17;

/// Set in an id whose request has had a response.
const ANSWERED: u64 = 1;

/// Ids of refused requests, as hashes of 63 bits. The oldest is forgotten
/// when one more would be too many.
#[derive(Debug)]
pub(super) struct Refused {
    /// Every id in the order of its refusal, also those taken back since.
    order: VecDeque<u64>,
    /// The turn of each id, which says where it stands in `order`; of an id
    /// that was refused several times the latest.
    turns: HashTable<u32>,
    /// Turn of the id at the front of `order`. Wraps.
    first: u32,
    bound: usize,
    forgotten: u64,
}

impl Refused {
    /// Remembers at most `bound` ids, which is at least 1.
    pub(super) fn new(bound: usize) -> Self {
        Refused { order: VecDeque::new(), turns: HashTable::new(), first: 0, bound, forgotten: 0 }
    }

    /// Remembers that the latest request with this id was refused.
    pub(super) fn insert(&mut self, id: u64) {
        if self.order.len() == self.bound {
            self.forget_oldest();
        }
        let id = id & !ANSWERED;
        let Refused { order, turns, first, .. } = self;
        let turn = first.wrapping_add(order.len() as u32);
        order.push_back(id);
        let known = |&turn: &u32| order[place(turn, *first)] & !ANSWERED;
        match turns.entry(id, |turn| known(turn) == id, known) {
            Entry::Occupied(mut entry) => *entry.get_mut() = turn,
            Entry::Vacant(entry) => drop(entry.insert(turn)),
        }
    }

    /// Takes it back: a later request with the same id passed.
    pub(super) fn remove(&mut self, id: u64) {
        let id = id & !ANSWERED;
        let Refused { order, turns, first, .. } = self;
        let is_known = |&turn: &u32| order[place(turn, *first)] & !ANSWERED == id;
        if let Ok(entry) = turns.find_entry(id, is_known) {
            entry.remove();
        }
    }

    /// Whether the request that a response answers was refused.
    pub(super) fn answer(&mut self, id: u64) -> bool {
        let id = id & !ANSWERED;
        let Refused { order, turns, first, .. } = self;
        let is_known = |&turn: &u32| order[place(turn, *first)] & !ANSWERED == id;
        let Some(&turn) = turns.find(id, is_known) else { return false };
        order[place(turn, *first)] |= ANSWERED;
        true
    }

    /// Requests forgotten before any response to them was seen.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    fn forget_oldest(&mut self) {
        let oldest = self.first;
        let Some(&id) = self.order.front() else { return };
        // An id taken back, or refused again since, is not meant here.
        if let Ok(entry) = self.turns.find_entry(id & !ANSWERED, |&turn| turn == oldest) {
            self.forgotten += u64::from(id & ANSWERED == 0);
            entry.remove();
        }
        self.order.pop_front();
        self.first = oldest.wrapping_add(1);
    }
}

/// Where the id of a turn stands in the order that begins with turn `first`.
fn place(turn: u32, first: u32) -> usize {
    turn.wrapping_sub(first) as usize
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
            steps in prop::collection::vec((0_u8..3, (0_u64..8).prop_map(|id| id << 1)), 0..60),
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
