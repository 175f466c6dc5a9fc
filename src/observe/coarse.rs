//! A small histogram of durations for whoever watches a run: a tenth apart, cheap to add to and to copy.

const DECADES: usize = 8;

/// Bounds of a decade, in hundredths of its beginning.
const STEPS: [u64; 24] = [
    100, 110, 120, 135, 150, 165, 180, 200, 225, 250, 275, 300, 330, 360, 400, 450, 500, 550, 600, 650, 700,
    770, 850, 920,
];

/// From 1 µs to 100 s, in nanoseconds.
const BOUNDS: [u64; DECADES * STEPS.len()] = {
    let mut bounds = [0; DECADES * STEPS.len()];
    let (mut at, mut unit) = (0, 10);
    while at < bounds.len() {
        bounds[at] = STEPS[at % STEPS.len()] * unit;
        at += 1;
        if at % STEPS.len() == 0 {
            unit *= 10;
        }
    }
    bounds
};

/// How many durations were at most as long as each bound, and longer than the one before.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CoarseDurations {
    counts: [u64; BOUNDS.len() + 1],
    /// Nanoseconds of all.
    sum: u64,
}

impl Default for CoarseDurations {
    fn default() -> Self {
        CoarseDurations { counts: [0; BOUNDS.len() + 1], sum: 0 }
    }
}

impl CoarseDurations {
    /// Adds one duration in nanoseconds.
    pub fn record(&mut self, nanoseconds: u64) {
        self.counts[BOUNDS.partition_point(|bound| *bound < nanoseconds)] += 1;
        self.sum = self.sum.saturating_add(nanoseconds);
    }

    /// Adds what another one has.
    pub fn merge(&mut self, other: &CoarseDurations) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// What came since an earlier state of the same one.
    #[must_use]
    pub fn since(&self, earlier: &CoarseDurations) -> Self {
        let mut since = self.clone();
        for (count, less) in since.counts.iter_mut().zip(earlier.counts) {
            *count = count.saturating_sub(less);
        }
        since.sum = since.sum.saturating_sub(earlier.sum);
        since
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of them added up, in nanoseconds.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// How many are at most as long as a bound. What is no bound stands for the next one below.
    pub fn up_to(&self, nanoseconds: u64) -> u64 {
        self.counts[..BOUNDS.partition_point(|bound| *bound <= nanoseconds)].iter().sum()
    }

    /// The bound, in nanoseconds, that `percent` of all do not exceed; up to a seventh more than the exact value. None
    /// where there is none; the last bound where it is longer.
    pub fn percentile(&self, percent: f64) -> Option<u64> {
        let wanted = (self.len() as f64 * percent / 100.0).ceil().max(1.0) as u64;
        let mut seen = 0;
        let at = self.counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        })?;
        Some(BOUNDS[at.min(BOUNDS.len() - 1)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_percentile_is_the_next_bound_above_the_exact_one(
            mut durations in prop::collection::vec(1000..=92_000_000_000_u64, 1..100), percent in 1..=100_u32,
        ) {
            let mut coarse = CoarseDurations::default();
            for duration in &durations {
                coarse.record(*duration);
            }
            durations.sort_unstable();
            let rank = (durations.len() as f64 * f64::from(percent) / 100.0).ceil() as usize;
            let (exact, found) = (durations[rank - 1], coarse.percentile(f64::from(percent)).unwrap());
            prop_assert!(exact <= found && found as f64 <= exact as f64 * 1.15, "{exact} {found}");
            prop_assert_eq!(coarse.sum(), durations.iter().sum::<u64>());
        }

        #[test]
        fn what_came_since_is_what_was_added(
            before in prop::collection::vec(0..u64::MAX / 256, 0..50),
            after in prop::collection::vec(0..u64::MAX / 256, 0..50),
        ) {
            let of = |durations: &[u64]| {
                let mut coarse = CoarseDurations::default();
                for duration in durations {
                    coarse.record(*duration);
                }
                coarse
            };
            let (first, then) = (of(&before), of(&after));
            let mut all = first.clone();
            all.merge(&then);
            prop_assert_eq!(all.since(&first), then);
        }
    }

    #[test]
    fn bounds_are_sorted_and_counts_up_to_them_are_exact() {
        assert!(BOUNDS.is_sorted() && BOUNDS[0] == 1000 && BOUNDS.contains(&10_000_000_000));
        let mut coarse = CoarseDurations::default();
        for duration in [999, 1000, 1001, 2_500_000, 2_500_001, u64::MAX] {
            coarse.record(duration);
        }
        assert_eq!([1000, 2_500_000, 10_000_000_000].map(|bound| coarse.up_to(bound)), [2, 4, 5]);
        assert_eq!(coarse.percentile(100.0), Some(92_000_000_000));
        assert_eq!(CoarseDurations::default().percentile(50.0), None);
    }
}
