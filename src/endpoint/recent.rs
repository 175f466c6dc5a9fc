//! What was lately known of some ids, in bounded memory.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

/// The hash under which an id is remembered: the same in every run.
///
/// Two of a million ids are taken for one another with a chance of one in
/// thirty million.
pub(super) fn hash(id: &[u8]) -> u64 {
    FixedState::default().hash_one(id)
}

/// A map that forgets the entries that were not looked at for longest.
///
/// It keeps two generations: what is looked at moves to the young one, and
/// when that is full, the old one is forgotten. So the last `bound` ids looked
/// at are always known, and twice as many at most.
#[derive(Debug)]
pub(super) struct Recent<V> {
    young: HashMap<u64, V, FixedState>,
    old: HashMap<u64, V, FixedState>,
    bound: usize,
    forgotten: u64,
}

impl<V: Copy> Recent<V> {
    /// Remembers at least `bound` ids.
    pub(super) fn new(bound: usize) -> Self {
        let empty = || HashMap::with_hasher(FixedState::default());
        Recent { young: empty(), old: empty(), bound, forgotten: 0 }
    }

    /// What is known of an id, if anything.
    pub(super) fn get(&mut self, id: u64) -> Option<V> {
        if let Some(&value) = self.young.get(&id) {
            return Some(value);
        }
        let value = self.old.remove(&id)?;
        self.insert(id, value);
        Some(value)
    }

    /// Remembers something, in place of what was known.
    pub(super) fn insert(&mut self, id: u64, value: V) {
        if self.young.len() >= self.bound && !self.young.contains_key(&id) {
            std::mem::swap(&mut self.young, &mut self.old);
            self.forgotten += self.young.len() as u64;
            self.young.clear();
        }
        self.old.remove(&id);
        self.young.insert(id, value);
    }

    /// How many ids were forgotten.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ids_looked_at_are_known_and_never_more_than_twice_as_many() {
        let mut recent = Recent::new(100);
        for id in 0..10_000_u64 {
            recent.insert(id, id * 2);
            assert_eq!(recent.get(id.saturating_sub(24)), Some(id.saturating_sub(24) * 2));
            assert!(recent.young.len() + recent.old.len() <= 200);
        }
        let known = (0..10_000).filter(|&id| recent.get(id).is_some()).count() as u64;
        assert_eq!(known + recent.forgotten(), 10_000);
    }
}
