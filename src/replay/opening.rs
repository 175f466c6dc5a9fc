//! How fast connections are begun. Arithmetic only.
//!
//! New connections cost a target more than requests do, and whether a late request needs one is only known
//! when the answers of the others do not come. So a few may be begun at once, and then as many in a second
//! as no schedule within reach needs more: a burst does not connect for each of its requests, and requests
//! whose answers are slow have a connection when they are due.

/// Connections that may be begun at once after a rest.
const BURST: u64 = 16;

/// Nanoseconds from one connection to the next, when more are begun than that: 10,000 a second.
const INTERVAL: u64 = 100_000;

/// The rate at which connections are begun, as a generic cell rate algorithm.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opening {
    /// When the next connection is due if they are begun evenly.
    due: u64,
    interval: u64,
    burst: u64,
}

impl Opening {
    /// The part of one of so many threads.
    pub(super) fn of_one_in(threads: u64) -> Self {
        Opening { due: 0, interval: INTERVAL * threads, burst: BURST.div_ceil(threads) }
    }

    /// From when on another connection may be begun.
    pub(super) fn next(self) -> u64 {
        self.due.saturating_sub((self.burst - 1) * self.interval)
    }

    /// A connection is begun.
    pub(super) fn begin(&mut self, now: u64) {
        self.due = self.due.max(now) + self.interval;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MILLISECOND: u64 = 1_000_000;

    /// When connections are begun that are needed at these moments, in order.
    fn begun(needed: &[u64]) -> Vec<u64> {
        let mut opening = Opening::of_one_in(1);
        let mut now = 0;
        let begin = |needed: &u64| {
            now = now.max(*needed).max(opening.next());
            opening.begin(now);
            now
        };
        needed.iter().map(begin).collect()
    }

    proptest! {
        #[test]
        fn no_span_of_time_sees_more_than_a_burst_and_the_rate(
            pauses in prop::collection::vec(0..MILLISECOND, 1..200),
        ) {
            let mut now = MILLISECOND * 100;
            let needed: Vec<u64> = pauses.iter().map(|pause| { now += pause; now }).collect();
            let begun = begun(&needed);
            for (first, start) in begun.iter().enumerate() {
                for (count, end) in (1..).zip(&begun[first..]) {
                    prop_assert!(count <= BURST + (end - start) / INTERVAL, "{begun:?}");
                }
            }
        }
    }

    #[test]
    fn a_need_within_the_rate_is_met_at_once() {
        let needed: Vec<u64> = (100..4_000).map(|at| at * MILLISECOND / 5).collect();
        assert_eq!(begun(&needed), needed);
    }
}
