//! A histogram of durations: constant memory, three significant digits, mergeable.

use hdrhistogram::Histogram;

/// Longest duration told apart from longer ones: an hour, in nanoseconds.
const LONGEST: u64 = 3_600_000_000_000;

/// Significant digits unless fewer are asked for.
const MOST_DIGITS: u8 = 3;

/// How many durations of which length there were.
#[derive(Clone, Debug)]
pub struct Durations(Histogram<u64>);

impl Durations {
    /// A histogram that has seen nothing. Its memory is all allocated here.
    pub fn new() -> Self {
        Durations::with_digits(MOST_DIGITS)
    }

    /// The same with so many significant digits, of 1 to 3: with 2 it takes an eighth of the memory.
    pub fn with_digits(digits: u8) -> Self {
        let digits = digits.clamp(1, MOST_DIGITS);
        // The bounds are constant and valid: this cannot fail.
        let histogram = Histogram::new_with_bounds(1, LONGEST, digits);
        Durations(histogram.unwrap_or_else(|error| unreachable!("{error}")))
    }

    /// Significant digits by which durations are told apart.
    pub fn digits(&self) -> u8 {
        self.0.sigfig()
    }

    /// Adds one duration in nanoseconds; longer than an hour counts as an hour.
    pub fn record(&mut self, nanoseconds: u64) {
        self.0.saturating_record(nanoseconds);
    }

    /// Adds several durations of the same length.
    pub fn record_many(&mut self, nanoseconds: u64, number: u64) {
        self.0.saturating_record_n(nanoseconds, number);
    }

    /// Adds what another one has. Nothing is lost where both have the same digits.
    pub fn merge(&mut self, other: &Durations) {
        for (nanoseconds, number) in other.counts() {
            self.record_many(nanoseconds, number);
        }
    }

    /// Takes back durations that were added.
    pub fn subtract(&mut self, added: &Durations) {
        if self.0.subtract(&added.0).is_err() {
            // Of what was not added nothing can be taken back.
        }
    }

    /// What there is: durations, the shortest first, and how many of each.
    pub fn counts(&self) -> impl Iterator<Item = (u64, u64)> {
        self.0.iter_recorded().map(|step| (step.value_iterated_to(), step.count_since_last_iteration()))
    }

    /// Forgets all. The memory stays.
    pub fn clear(&mut self) {
        self.0.reset();
    }

    /// How many there were.
    pub fn len(&self) -> u64 {
        self.0.len()
    }

    /// Whether there was none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The duration, in nanoseconds, that `percent` of all do not exceed; 0 if there was none.
    pub fn percentile(&self, percent: f64) -> u64 {
        self.0.value_at_percentile(percent)
    }

    /// The arithmetic mean, in nanoseconds; 0 if there was none.
    pub fn mean(&self) -> f64 {
        self.0.mean()
    }

    /// The longest, in nanoseconds; 0 if there was none.
    pub fn max(&self) -> u64 {
        self.0.max()
    }
}

impl Default for Durations {
    fn default() -> Self {
        Durations::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(durations: &[u64], digits: u8) -> Durations {
        let mut all = Durations::with_digits(digits);
        for duration in durations {
            all.record(*duration);
        }
        all
    }

    fn facts(durations: &Durations) -> (Vec<(u64, u64)>, Vec<u64>, u64, u64) {
        let percentiles = [0.0, 50.0, 99.0, 99.99, 100.0].map(|percent| durations.percentile(percent));
        (durations.counts().collect(), percentiles.to_vec(), durations.max(), durations.mean().to_bits())
    }

    proptest! {
        #[test]
        fn merged_histograms_are_the_histogram_of_all(
            one in prop::collection::vec(0..=u64::MAX, 0..50),
            two in prop::collection::vec(0..10_000_000_000_u64, 0..50),
            digits in 1..=3_u8,
        ) {
            let mut merged = of(&one, digits);
            merged.merge(&of(&two, digits));
            prop_assert_eq!(facts(&merged), facts(&of(&[one, two].concat(), digits)));
        }

        #[test]
        fn a_cleared_histogram_is_as_new(durations in prop::collection::vec(0..10_000_000_000_u64, 0..50)) {
            let mut cleared = of(&durations, 2);
            cleared.clear();
            prop_assert_eq!(facts(&cleared), facts(&Durations::with_digits(2)));
        }
    }
}
