//! The slowest requests, in memory that is all allocated at the beginning.

use crate::http::{query, request_line};

/// Requests that are kept.
pub(super) const MOST: usize = 20;

/// Bytes that are kept of an id, a method and a path, of each.
const LONGEST: usize = 200;

/// An answered request, as it is kept among the slowest.
#[derive(Clone, Debug, Default)]
pub(super) struct Slow {
    pub(super) id: Vec<u8>,
    pub(super) method: Vec<u8>,
    pub(super) path: Vec<u8>,
    pub(super) status: u16,
    /// When it was due, in nanoseconds since the Unix epoch.
    pub(super) due: i64,
    pub(super) latency_from_due: u64,
    pub(super) latency_from_send: u64,
}

/// The slowest of all that were added, in no order.
#[derive(Clone, Debug)]
pub(super) struct Slowest {
    kept: Vec<Slow>,
    length: usize,
    /// No slower than this is worth keeping.
    least: u64,
}

impl Slowest {
    pub(super) fn new() -> Self {
        let room = || Vec::with_capacity(LONGEST);
        let slow = || Slow { id: room(), method: room(), path: room(), ..Slow::default() };
        Slowest { kept: std::iter::repeat_with(slow).take(MOST).collect(), length: 0, least: 0 }
    }

    /// Adds a request of this id and these bytes, if it is slow. `facts` has the rest.
    pub(super) fn add(&mut self, id: &[u8], request: &[u8], facts: &Slow) {
        if self.length == MOST && facts.latency_from_due <= self.least {
            return;
        }
        let place = if self.length < MOST {
            self.length += 1;
            self.length - 1
        } else {
            self.fastest()
        };
        let line = request_line(request);
        let (method, path) =
            line.map_or((&b""[..], &b""[..]), |line| (line.method, query::path(line.target)));
        let slow = &mut self.kept[place];
        for (to, from) in [(&mut slow.id, id), (&mut slow.method, method), (&mut slow.path, path)] {
            to.clear();
            to.extend_from_slice(&from[..from.len().min(LONGEST)]);
        }
        let Slow { status, due, latency_from_due, latency_from_send, .. } = *facts;
        (slow.status, slow.due) = (status, due);
        (slow.latency_from_due, slow.latency_from_send) = (latency_from_due, latency_from_send);
        if self.length == MOST {
            self.least = self.kept[self.fastest()].latency_from_due;
        }
    }

    fn fastest(&self) -> usize {
        (0..self.length).min_by_key(|at| self.kept[*at].latency_from_due).unwrap_or(0)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Slow> {
        self.kept[..self.length].iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_slowest_of_all_are_kept(latencies in prop::collection::vec(0..1000_u64, 0..100)) {
            let mut slowest = Slowest::new();
            for latency in &latencies {
                let request = format!("GET /{latency}?q HTTP/1.1\r\n\r\n");
                let facts = Slow { latency_from_due: *latency, ..Slow::default() };
                slowest.add(b"id", request.as_bytes(), &facts);
            }
            let mut expected = latencies;
            expected.sort_unstable_by(|one, two| two.cmp(one));
            expected.truncate(MOST);
            let mut kept: Vec<u64> = slowest.iter().map(|slow| slow.latency_from_due).collect();
            kept.sort_unstable_by(|one, two| two.cmp(one));
            prop_assert_eq!(kept, expected);
            for slow in slowest.iter() {
                let path = format!("/{}", slow.latency_from_due);
                prop_assert_eq!(&slow.path, path.as_bytes());
            }
        }
    }

    #[test]
    fn no_more_memory_is_taken_by_later_ones() {
        let mut slowest = Slowest::new();
        let capacity =
            |slowest: &Slowest| slowest.kept.iter().map(|slow| slow.path.capacity()).sum::<usize>();
        let before = capacity(&slowest);
        let request = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(10_000));
        for latency in 0..100 {
            slowest.add(b"id", request.as_bytes(), &Slow { latency_from_due: latency, ..Slow::default() });
        }
        assert_eq!(capacity(&slowest), before);
    }
}
