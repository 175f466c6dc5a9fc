//! Records of one time: they keep their order, but that a response comes after its request.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::record::{Block, Kind};

/// The order in which records of one time are to be written, or `None` where
/// that is how they stand.
///
/// A response that stands before its request moves to right behind it, as do
/// the others of that request, in their order.
pub(super) fn settle(ties: &Block) -> Option<Vec<usize>> {
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
