//! The table of open connections: found by their endpoints, put out by idleness.
//!
//! Entries lie in a slab, linked from the idlest to the one touched last; an index of slab numbers finds them. The
//! hash is seeded at random, as endpoints are the choice of strangers, and its order shows nowhere: everything that
//! goes through the table goes along the links.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::ConnectionKey;

/// No slot.
const NONE: u32 = u32::MAX;

/// Names an entry while it is in the table; afterwards the next entry may have the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableId(u32);

struct Slot<C> {
    key: ConnectionKey,
    touched: i64,
    bytes: usize,
    older: u32,
    /// In a free slot, the next free one.
    newer: u32,
    content: Option<C>,
}

/// Connections with content `C`, bounded in number and in the bytes their owner charges to them.
///
/// The table tells when it is over a limit and which entry to give up; it never drops one by itself.
pub struct Table<C> {
    hasher: RandomState,
    index: HashTable<u32>,
    slots: Vec<Slot<C>>,
    free: u32,
    oldest: u32,
    newest: u32,
    /// The latest time seen: time running backwards does not make an entry idler.
    clock: i64,
    bytes: usize,
    max_connections: usize,
    max_bytes: usize,
}

impl<C> Table<C> {
    /// A table for so many connections and so many bytes charged to them.
    ///
    /// Takes memory as it fills. At most 2^32 - 2 connections are possible.
    pub fn new(max_connections: usize, max_bytes: usize) -> Self {
        Self {
            hasher: RandomState::default(),
            index: HashTable::new(),
            slots: Vec::new(),
            free: NONE,
            oldest: NONE,
            newest: NONE,
            clock: i64::MIN,
            bytes: 0,
            max_connections: max_connections.min(NONE as usize - 1),
            max_bytes,
        }
    }

    /// How many connections there are.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// The sum of what is charged.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Finds the connection that a key joins, without touching it.
    ///
    /// Where the key has no network and there are connections in several, it is the one touched last: a packet seen
    /// twice is seen twice in a row.
    pub fn find(&self, key: &ConnectionKey) -> Option<TableId> {
        let hash = self.hasher.hash_one(key);
        let found = *self.index.find(hash, |&slot| self.slots[slot as usize].key.joins(key))?;
        // An entry without network is the only one of its endpoints, so that only a key without one has a choice.
        if key.network() == 0 && self.slots[found as usize].key.network() != 0 {
            return self.find_latest(hash, key);
        }
        Some(TableId(found))
    }

    #[cold]
    fn find_latest(&self, hash: u64, key: &ConnectionKey) -> Option<TableId> {
        let joining = self.index.iter_hash(hash).filter(|slot| self.slots[**slot as usize].key.joins(key));
        let latest = joining.max_by_key(|slot| {
            let slot = &self.slots[**slot as usize];
            (slot.touched, slot.key.network())
        });
        latest.copied().map(TableId)
    }

    /// Finds the connection that a key joins and makes it the least idle one. It is in the key's network from now on,
    /// if none was known.
    pub fn touch(&mut self, key: &ConnectionKey, now: i64) -> Option<TableId> {
        let id = self.find(key)?;
        let slot = &mut self.slots[id.0 as usize];
        if slot.key.network() != key.network() && slot.key.network() == 0 {
            slot.key = *key;
        }
        self.refresh(id.0, now);
        Some(id)
    }

    /// Adds a connection as the least idle one, charged with nothing, and returns what was there that its key joins.
    ///
    /// May put the table over its limit: call [`Table::evict_over_limit`] until it has nothing more.
    pub fn insert(&mut self, key: ConnectionKey, content: C, now: i64) -> (TableId, Option<C>) {
        if let Some(id) = self.touch(&key, now) {
            self.charge(id, 0);
            return (id, self.slots[id.0 as usize].content.replace(content));
        }
        let slot = Slot { key, touched: now, bytes: 0, older: NONE, newer: NONE, content: Some(content) };
        let number = self.free;
        let number = if let Some(free) = self.slots.get_mut(number as usize) {
            self.free = free.newer;
            *free = slot;
            number
        } else {
            self.slots.push(slot);
            self.slots.len() as u32 - 1
        };
        let (hasher, slots) = (&self.hasher, &self.slots);
        let hash = |slot: &u32| hasher.hash_one(slots[*slot as usize].key);
        self.index.insert_unique(hash(&number), number, hash);
        self.link(number, now);
        (TableId(number), None)
    }

    /// The content of an entry; none if it was removed.
    pub fn get(&self, id: TableId) -> Option<&C> {
        self.slots.get(id.0 as usize)?.content.as_ref()
    }

    /// The content of an entry, to change; none if it was removed.
    pub fn get_mut(&mut self, id: TableId) -> Option<&mut C> {
        self.slots.get_mut(id.0 as usize)?.content.as_mut()
    }

    /// Sets how many bytes an entry holds, in place of what it was charged before.
    pub fn charge(&mut self, id: TableId, bytes: usize) {
        if let Some(slot) = self.slots.get_mut(id.0 as usize)
            && slot.content.is_some()
        {
            self.bytes = self.bytes - slot.bytes + bytes;
            slot.bytes = bytes;
        }
    }

    /// Takes an entry out.
    pub fn remove(&mut self, id: TableId) -> Option<(ConnectionKey, C)> {
        let slot = self.slots.get_mut(id.0 as usize)?;
        let content = slot.content.take()?;
        let key = slot.key;
        self.bytes -= slot.bytes;
        self.unlink(id.0);
        self.slots[id.0 as usize].newer = self.free;
        self.free = id.0;
        let hash = self.hasher.hash_one(key);
        if let Ok(entry) = self.index.find_entry(hash, |&slot| slot == id.0) {
            entry.remove();
        }
        Some((key, content))
    }

    /// Takes out the idlest entry. Repeated, this empties the table from the idlest to the least idle.
    pub fn pop_idlest(&mut self) -> Option<(ConnectionKey, C)> {
        self.remove(TableId(self.oldest))
    }

    /// Takes out the idlest entry if it was not touched for more than `idle` nanoseconds at `now`.
    pub fn expire_idle(&mut self, now: i64, idle: i64) -> Option<(ConnectionKey, C)> {
        let oldest = self.slots.get(self.oldest as usize)?;
        if now.saturating_sub(oldest.touched) > idle { self.pop_idlest() } else { None }
    }

    /// Takes out the idlest entry if there are too many, or too many bytes are charged.
    ///
    /// The last one stays, whatever is charged to it: it is the one at work, with limits of its own.
    pub fn evict_over_limit(&mut self) -> Option<(ConnectionKey, C)> {
        let is_over = self.len() > self.max_connections || self.bytes > self.max_bytes;
        if is_over && self.len() > 1 { self.pop_idlest() } else { None }
    }

    /// The entries from the idlest to the least idle.
    pub fn iter(&self) -> impl Iterator<Item = (&ConnectionKey, &C)> {
        let mut number = self.oldest;
        std::iter::from_fn(move || {
            let slot = self.slots.get(number as usize)?;
            number = slot.newer;
            Some((&slot.key, slot.content.as_ref()?))
        })
    }

    fn refresh(&mut self, number: u32, now: i64) {
        if self.newest == number {
            self.clock = self.clock.max(now);
            self.slots[number as usize].touched = self.clock;
        } else {
            self.unlink(number);
            self.link(number, now);
        }
    }

    /// Links a slot as the newest.
    fn link(&mut self, number: u32, now: i64) {
        self.clock = self.clock.max(now);
        let slot = &mut self.slots[number as usize];
        slot.touched = self.clock;
        slot.older = self.newest;
        slot.newer = NONE;
        match self.slots.get_mut(self.newest as usize) {
            Some(newest) => newest.newer = number,
            None => self.oldest = number,
        }
        self.newest = number;
    }

    fn unlink(&mut self, number: u32) {
        let Slot { older, newer, .. } = self.slots[number as usize];
        match self.slots.get_mut(older as usize) {
            Some(slot) => slot.newer = newer,
            None => self.oldest = newer,
        }
        match self.slots.get_mut(newer as usize) {
            Some(slot) => slot.older = older,
            None => self.newest = older,
        }
    }
}

#[cfg(test)]
mod tests;
