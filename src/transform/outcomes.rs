//! Outcomes of requests by id, so that a response is written or dropped as its request was.

/// Ids in one bucket of the table: as many as a cache line holds.
const WAYS: usize = 8;

/// Buckets of the table, which takes 16 MiB once it is full.
const BUCKETS: usize = 1 << 18;

/// Requests remembered at most. A bucket may be full before: with half as
/// many requests, about one in a hundred is forgotten early.
pub const MAX_REMEMBERED: usize = WAYS * BUCKETS;

/// Set in an id whose request has had a response.
const ANSWERED: u64 = 1;
/// Set in an id whose request was kept.
const KEPT: u64 = 2;
/// Set in an id whose request was given up before its response came.
const GIVEN_UP: u64 = 4;
/// The bits of an id that are its own. An empty place has none set.
const OWN: u64 = !7;

/// What became of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum RequestOutcome {
    /// It was kept.
    Kept,
    /// It was refused.
    Refused,
    /// No response came in time, so it was refused.
    GivenUp,
}

/// Ids of requests and their outcomes, as hashes of 61 bits: a table of buckets by the
/// upper bits, each in the order of remembering, the latest first. Where a
/// bucket is full, its oldest is forgotten. So every step touches one cache
/// line only, however many are remembered.
#[derive(Debug)]
pub(super) struct OutcomeTable {
    /// Made at the first insertion.
    buckets: Vec<[u64; WAYS]>,
    number: usize,
    forgotten: u64,
}

impl OutcomeTable {
    pub(super) fn new() -> Self {
        OutcomeTable::with_buckets(BUCKETS)
    }

    /// As many buckets as a test likes; a power of two.
    pub(super) fn with_buckets(number: usize) -> Self {
        OutcomeTable { buckets: Vec::new(), number, forgotten: 0 }
    }

    /// Loads the buckets of these ids into the cache, all at once: one after the
    /// other, each load would be waited for.
    pub(super) fn prefetch(&self, ids: impl Iterator<Item = u64>) {
        if self.buckets.is_empty() {
            return;
        }
        // A bucket may lie across two cache lines.
        let ends = |id: u64| {
            self.buckets.get(place(own(id), self.number)).map_or(0, |bucket| bucket[0] ^ bucket[WAYS - 1])
        };
        std::hint::black_box(ids.fold(0, |sum, id| sum ^ ends(id)));
    }

    /// Remembers what became of the latest request with this id.
    pub(super) fn insert(&mut self, id: u64, outcome: RequestOutcome) {
        if self.buckets.is_empty() {
            self.buckets = vec![[0; WAYS]; self.number];
        }
        let id = own(id);
        let flags = match outcome {
            RequestOutcome::Kept => KEPT,
            RequestOutcome::Refused => 0,
            RequestOutcome::GivenUp => GIVEN_UP,
        };
        let bucket = &mut self.buckets[place(id, self.number)];
        // The one of the same id makes room, or an empty place, or else the oldest.
        let end = bucket.iter().position(|&known| known & OWN == id || known == 0).unwrap_or(WAYS - 1);
        let last = bucket[end];
        self.forgotten += u64::from(last != 0 && last & OWN != id && last & ANSWERED == 0);
        bucket.copy_within(..end, 1);
        bucket[0] = id | flags;
    }

    /// Forgets on purpose: a later request with the same id is not decided,
    /// or needs no remembering.
    pub(super) fn remove(&mut self, id: u64) {
        let id = own(id);
        let Some(bucket) = self.buckets.get_mut(place(id, self.number)) else { return };
        if let Some(at) = bucket.iter().position(|&known| known & OWN == id) {
            bucket.copy_within(at + 1.., at);
            bucket[WAYS - 1] = 0;
        }
    }

    /// What became of the request that a response answers, where that is known.
    pub(super) fn answer(&mut self, id: u64) -> Option<RequestOutcome> {
        let id = own(id);
        let bucket = self.buckets.get_mut(place(id, self.number))?;
        let known = bucket.iter_mut().find(|known| **known & OWN == id)?;
        *known |= ANSWERED;
        Some(match *known & (KEPT | GIVEN_UP) {
            KEPT => RequestOutcome::Kept,
            GIVEN_UP => RequestOutcome::GivenUp,
            _ => RequestOutcome::Refused,
        })
    }

    /// Requests forgotten for want of room before any response to them was seen.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

/// The id without the bits for flags; never 0.
fn own(id: u64) -> u64 {
    (id & OWN).max(!OWN + 1)
}

/// The bucket of an id, by its upper bits.
fn place(id: u64, buckets: usize) -> usize {
    ((u128::from(id) * buckets as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same in the plainest way: a list of ids for each bucket, from the
    /// oldest to the latest.
    #[derive(Default)]
    struct OutcomesTwin {
        lists: [Vec<(u64, RequestOutcome, bool)>; 2],
        forgotten: u64,
    }

    impl OutcomesTwin {
        fn list(&mut self, id: u64) -> &mut Vec<(u64, RequestOutcome, bool)> {
            &mut self.lists[usize::from(id >= 1 << 63)]
        }

        fn insert(&mut self, id: u64, outcome: RequestOutcome) {
            self.list(id).retain(|&(known, ..)| known != id);
            if self.list(id).len() == WAYS {
                let (.., is_answered) = self.list(id).remove(0);
                self.forgotten += u64::from(!is_answered);
            }
            self.list(id).push((id, outcome, false));
        }

        fn answer(&mut self, id: u64) -> Option<RequestOutcome> {
            let known = self.list(id).iter_mut().find(|(known, ..)| *known == id)?;
            known.2 = true;
            Some(known.1)
        }
    }

    proptest! {
        #[test]
        fn it_remembers_what_plain_lists_do(
            steps in prop::collection::vec((0_u8..5, (0_u64..24).prop_map(|id| (id << 59) | (1 << 40))), 0..200),
        ) {
            let (mut outcomes, mut twin) = (OutcomeTable::with_buckets(2), OutcomesTwin::default());
            for (step, id) in steps {
                if step == 3 {
                    twin.list(id).retain(|&(known, ..)| known != id);
                    outcomes.remove(id);
                } else if step == 4 {
                    prop_assert_eq!(outcomes.answer(id), twin.answer(id));
                } else {
                    let outcome = [RequestOutcome::Kept, RequestOutcome::Refused, RequestOutcome::GivenUp][usize::from(step)];
                    twin.insert(id, outcome);
                    outcomes.insert(id, outcome);
                }
                prop_assert_eq!(outcomes.forgotten(), twin.forgotten);
            }
        }
    }
}
