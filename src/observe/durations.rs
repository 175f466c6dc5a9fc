//! A histogram of durations: constant memory, three significant digits, mergeable.

use hdrhistogram::Histogram;

/// Longest duration told apart from longer ones: an hour, in nanoseconds.
const LONGEST: u64 = 3_600_000_000_000;

/// How many durations of which length there were.
#[derive(Clone, Debug)]
pub struct Durations(Histogram<u64>);

impl Durations {
    /// A histogram that has seen nothing. Its memory is all allocated here.
    pub fn new() -> Self {
        // The bounds are constant and valid: this cannot fail.
        Durations(Histogram::new_with_bounds(1, LONGEST, 3).unwrap_or_else(|error| unreachable!("{error}")))
    }

    /// Adds one duration in nanoseconds; longer than an hour counts as an hour.
    pub fn record(&mut self, nanoseconds: u64) {
        self.0.saturating_record(nanoseconds);
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
