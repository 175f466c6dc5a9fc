//! How often each of many names was met, in bounded memory.

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use hashbrown::hash_map::EntryRef;

/// Longest name told apart from others that begin like it, in bytes.
const LONGEST_NAME: usize = 200;

/// Something by name, for so many names at most.
#[derive(Debug)]
pub struct Names<V> {
    values: HashMap<Vec<u8>, V, RandomState>,
    most: usize,
    /// How often any other was met.
    pub others: u64,
}

impl<V: Default> Names<V> {
    /// Tells so many names apart.
    pub fn new(most: usize) -> Self {
        Names { values: HashMap::default(), most, others: 0 }
    }

    /// What is kept under a name. None: there is no room for another name.
    pub fn get(&mut self, name: &[u8]) -> Option<&mut V> {
        let name = &name[..name.len().min(LONGEST_NAME)];
        let is_full = self.values.len() >= self.most;
        match self.values.entry_ref(name) {
            EntryRef::Occupied(entry) => Some(entry.into_mut()),
            EntryRef::Vacant(_) if is_full => {
                self.others += 1;
                None
            }
            EntryRef::Vacant(entry) => Some(entry.insert(V::default())),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Those with the largest numbers, the largest first, by name where they are equal.
    pub fn top(&self, shown: usize, number: impl Fn(&V) -> u64) -> Vec<(&[u8], &V)> {
        let mut all: Vec<(&[u8], &V)> = self.values.iter().map(|(name, value)| (&**name, value)).collect();
        all.sort_unstable_by(|one, two| number(two.1).cmp(&number(one.1)).then(one.0.cmp(two.0)));
        all.truncate(shown);
        all
    }
}

impl Names<u64> {
    /// Counts a name once more.
    pub fn count(&mut self, name: &[u8]) {
        if let Some(count) = self.get(name) {
            *count += 1;
        }
    }

    /// The most frequent names, and how often any other was met.
    pub fn most_frequent(&self, shown: usize) -> (Vec<(&[u8], u64)>, u64) {
        let top: Vec<_> =
            self.top(shown, |count| *count).into_iter().map(|(name, count)| (name, *count)).collect();
        let all: u64 = self.values.values().sum();
        let others = all - top.iter().map(|(_, count)| count).sum::<u64>() + self.others;
        (top, others)
    }
}
