//! Numbers by name, which add up.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use serde::Serialize;

/// How many of each kind there were.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, derive_more::Deref, derive_more::DerefMut)]
#[serde(transparent)]
pub struct Counts<K: Ord>(BTreeMap<K, u64>);

impl<K: Ord> Counts<K> {
    /// All of them.
    pub fn sum(&self) -> u64 {
        self.0.values().sum()
    }
}

impl<K: Ord> Default for Counts<K> {
    fn default() -> Self {
        Counts(BTreeMap::new())
    }
}

impl<K: Ord> AddAssign for Counts<K> {
    fn add_assign(&mut self, other: Self) {
        for (kind, number) in other.0 {
            *self.0.entry(kind).or_default() += number;
        }
    }
}

impl<K: Ord> FromIterator<(K, u64)> for Counts<K> {
    fn from_iter<I: IntoIterator<Item = (K, u64)>>(counts: I) -> Self {
        Counts(counts.into_iter().collect())
    }
}

impl<K: Ord, const N: usize> From<[(K, u64); N]> for Counts<K> {
    fn from(counts: [(K, u64); N]) -> Self {
        counts.into_iter().collect()
    }
}
