//! Requests by method and path, with the ids taken out of paths: a bounded number of groups, found fast.

use std::hash::{BuildHasher, Hasher};

use foldhash::quality::RandomState;
use hashbrown::HashMap;
use regex::bytes::Regex;

use crate::http::{query, request_line};
use crate::show::grouped;

/// Groups that are told apart; the requests of all others are in one more.
pub(super) const MAX_GROUPS: usize = 200;

/// The name of that one.
pub(super) const OTHER: &str = "(other)";

/// Longest name of a group, in bytes.
const LONGEST_NAME: usize = 200;

/// Paths whose group is remembered.
const CACHED: usize = 4096;

/// A group's place in its table.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct GroupId(u16);

/// Something for each group, found by method and path.
#[derive(Clone, Debug)]
pub(super) struct Groups<V> {
    /// What it matches in paths is an id too.
    pattern: Option<Regex>,
    hasher: RandomState,
    /// The hashes of methods and paths, and their groups. A hash of 64 bits with a random key stands for its path.
    cache: Box<[(u64, GroupId)]>,
    names: HashMap<Vec<u8>, GroupId, RandomState>,
    /// The first is that of all others.
    values: Vec<V>,
    scratch: Vec<u8>,
}

impl<V: Default> Groups<V> {
    pub(super) fn new(pattern: Option<Regex>) -> Self {
        Groups {
            pattern,
            hasher: RandomState::default(),
            cache: vec![(0, GroupId::default()); CACHED].into_boxed_slice(),
            names: HashMap::default(),
            values: vec![V::default()],
            scratch: Vec::new(),
        }
    }

    /// The group of a request. Nothing is allocated but for a new group.
    pub(super) fn find(&mut self, payload: &[u8]) -> GroupId {
        let Some(line) = request_line(payload) else { return GroupId::default() };
        let path = query::path(line.target);
        let mut hasher = self.hasher.build_hasher();
        // A number is hashed faster than bytes are.
        match short_method(line.method) {
            Some(number) => hasher.write_u64(number),
            None => hasher.write(line.method),
        }
        hasher.write(path);
        // 0 is that of an empty place.
        let hash = hasher.finish() | 1;
        // Two paths share two places, so that neither drives the other out each time.
        let first = ((hash >> 32) as usize % CACHED) & !1;
        for (cached, group) in &self.cache[first..first + 2] {
            if *cached == hash {
                return *group;
            }
        }
        let group = self.look_up(line.method, path);
        self.cache[first + 1] = self.cache[first];
        self.cache[first] = (hash, group);
        group
    }

    fn look_up(&mut self, method: &[u8], path: &[u8]) -> GroupId {
        self.scratch.clear();
        self.scratch.extend_from_slice(method);
        self.scratch.push(b' ');
        grouped(path, self.pattern.as_ref(), &mut self.scratch);
        self.scratch.truncate(LONGEST_NAME);
        if let Some(group) = self.names.get(&self.scratch) {
            return *group;
        }
        if self.names.len() == MAX_GROUPS {
            return GroupId::default();
        }
        let group = GroupId(self.values.len() as u16);
        self.values.push(V::default());
        self.names.insert(self.scratch.clone(), group);
        group
    }

    pub(super) fn get(&mut self, group: GroupId) -> &mut V {
        &mut self.values[usize::from(group.0)]
    }

    /// All groups and their names, that of all others last.
    pub(super) fn into_named(self) -> impl Iterator<Item = (String, V)> {
        let mut names = vec![OTHER.to_owned(); self.values.len()];
        for (name, group) in self.names {
            names[usize::from(group.0)] = String::from_utf8_lossy(&name).into_owned();
        }
        let mut all: Vec<_> = names.into_iter().zip(self.values).collect();
        all.rotate_left(1);
        all.into_iter()
    }
}

/// A method of up to eight bytes as a number; none of its bytes is zero.
fn short_method(method: &[u8]) -> Option<u64> {
    let mut bytes = [0; 8];
    bytes.get_mut(..method.len())?.copy_from_slice(method);
    Some(u64::from_le_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(groups: Groups<u64>) -> Vec<(String, u64)> {
        groups.into_named().collect()
    }

    fn count(groups: &mut Groups<u64>, line: &str) {
        let group = groups.find(format!("{line} HTTP/1.1\r\n\r\n").as_bytes());
        *groups.get(group) += 1;
    }

    #[test]
    fn requests_with_other_ids_and_queries_are_of_one_group() {
        let mut groups = Groups::new(Some(Regex::new("[a-z]+-shirt").unwrap()));
        for line in
            ["GET /a/1?b=2", "GET /a/2", "POST /a/1", "GET http://h/a/3", "GET /red-shirt", "GET /blue-shirt"]
        {
            count(&mut groups, line);
            count(&mut groups, line);
        }
        let expected = [("GET /a/{id}", 6), ("POST /a/{id}", 2), ("GET /{id}", 4), (OTHER, 0)];
        assert_eq!(named(groups), expected.map(|(name, number)| (name.to_owned(), number)));
    }

    #[test]
    fn what_has_no_room_is_in_the_group_of_others() {
        let mut groups = Groups::new(None);
        for round in 0..2 {
            for number in 0..MAX_GROUPS + 7 {
                count(
                    &mut groups,
                    &format!("GET /{}{}", "x".repeat(number % 14 + 1), "yz".repeat(number / 14)),
                );
            }
            assert_eq!(groups.values.len(), MAX_GROUPS + 1, "round {round}");
        }
        count(&mut groups, "");
        let named = named(groups);
        assert_eq!(named.last(), Some(&(OTHER.to_owned(), 15)));
        assert!(named.iter().rev().skip(1).all(|(_, number)| *number == 2), "{named:?}");
    }
}
