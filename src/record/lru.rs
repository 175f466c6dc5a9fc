//! A map from ids to values that keeps those used last (LRU), in bounded memory.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

/// The hash under which an id is remembered: the same in every run.
///
/// Two of a million ids are taken for one another with a chance of one in
/// thirty million.
pub fn id_hash(id: &[u8]) -> u64 {
    FixedState::default().hash_one(id)
}

/// A map that forgets the entries that were not looked at for longest.
///
/// It keeps two generations: what is looked at moves to the newer one, and
/// when that is full, the older one is dropped. So the last `bound` ids looked
/// at are always known, and twice as many at most.
#[derive(Debug)]
pub struct LruMap<V> {
    newer: HashMap<u64, V, FixedState>,
    older: HashMap<u64, V, FixedState>,
    bound: usize,
    forgotten: u64,
}

impl<V: Copy> LruMap<V> {
    /// Remembers at least `bound` ids.
    pub fn new(bound: usize) -> Self {
        let empty = || HashMap::with_hasher(FixedState::default());
        LruMap { newer: empty(), older: empty(), bound, forgotten: 0 }
    }

    /// What is known of an id, if anything.
    pub fn get(&mut self, id: u64) -> Option<V> {
        if let Some(&value) = self.newer.get(&id) {
            return Some(value);
        }
        let value = self.older.remove(&id)?;
        self.insert(id, value);
        Some(value)
    }

    /// Remembers something, in place of what was known.
    pub fn insert(&mut self, id: u64, value: V) {
        if self.newer.len() >= self.bound && !self.newer.contains_key(&id) {
            std::mem::swap(&mut self.newer, &mut self.older);
            self.forgotten += self.newer.len() as u64;
            self.newer.clear();
        }
        self.older.remove(&id);
        self.newer.insert(id, value);
    }

    /// How many ids were forgotten.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ids_looked_at_are_known_and_never_more_than_twice_as_many() {
        let mut map = LruMap::new(100);
        for id in 0..10_000_u64 {
            map.insert(id, id * 2);
            assert_eq!(map.get(id.saturating_sub(24)), Some(id.saturating_sub(24) * 2));
            assert!(map.newer.len() + map.older.len() <= 200);
        }
        let known = (0..10_000).filter(|&id| map.get(id).is_some()).count() as u64;
        assert_eq!(known + map.forgotten(), 10_000);
    }
}
