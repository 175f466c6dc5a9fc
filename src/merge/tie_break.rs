//! The tie-break of a merge: records of one time keep their order, except that a response comes after its request.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use crate::record::{Block, Kind};

/// Whether a response among these may belong to a request that comes after them.
pub(super) fn has_open_response(ties: &Block) -> bool {
    let mut requests = HashSet::new();
    let is_request = |kind| kind == Kind::Request;
    requests.extend(ties.iter().filter(|view| is_request(view.header.kind)).map(|view| view.header.id));
    ties.iter().any(|view| !is_request(view.header.kind) && !requests.contains(view.header.id))
}

/// The order in which records of one time are to be written, or `None` where
/// that is how they stand.
///
/// A response that stands before its request moves to right behind it, as do
/// the others of that request, in their order.
pub(super) fn order(ties: &Block) -> Option<Vec<usize>> {
    let is_request = |index: usize| ties.get(index).header.kind == Kind::Request;
    let first_response = (0..ties.len()).find(|&index| !is_request(index))?;
    if !(first_response..ties.len()).any(is_request) {
        return None;
    }
    let mut requests: HashMap<&[u8], usize> = HashMap::new();
    for (index, view) in ties.iter().enumerate() {
        if view.header.kind == Kind::Request
            && let Entry::Vacant(entry) = requests.entry(view.header.id)
        {
            entry.insert(index);
        }
    }
    let place = |index: usize| {
        let header = ties.get(index).header;
        let request = requests.get(header.id).copied().unwrap_or(0);
        if header.kind == Kind::Request || request < index { (index, 0) } else { (request, index + 1) }
    };
    let mut order: Vec<usize> = (0..ties.len()).collect();
    order.sort_by_key(|&index| place(index));
    Some(order)
}
