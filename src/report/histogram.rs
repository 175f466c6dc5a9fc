//! Histograms at rest: only the durations that there were, in a form that is written and read back without loss.

use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::observe::Durations;

/// Significant digits of an interval's latencies.
pub(super) const DIGITS: u8 = 2;

/// Percentiles that are told, with their keys and names.
pub const PERCENTILES: [(f64, &str, &str); 7] = [
    (50.0, "p50", "p50"),
    (75.0, "p75", "p75"),
    (90.0, "p90", "p90"),
    (95.0, "p95", "p95"),
    (99.0, "p99", "p99"),
    (99.9, "p999", "p99.9"),
    (99.99, "p9999", "p99.99"),
];

/// Durations in nanoseconds, and how many of each, the shortest first.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(from = "Vec<(u64, u64)>")]
pub struct SparseHistogram(Vec<(u64, u64)>);

impl From<Vec<(u64, u64)>> for SparseHistogram {
    fn from(counts: Vec<(u64, u64)>) -> Self {
        let mut histogram = SparseHistogram(counts);
        histogram.put_in_order();
        histogram
    }
}

impl SparseHistogram {
    /// What is in a histogram.
    pub fn of(durations: &Durations) -> Self {
        SparseHistogram(durations.counts().collect())
    }

    /// How many there were.
    pub fn len(&self) -> u64 {
        self.0.iter().fold(0, |sum, (_, number)| sum.saturating_add(*number))
    }

    /// Whether there was none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Durations in nanoseconds, and how many of each, the shortest first.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.0.iter().copied()
    }

    /// Adds what another one of the same digits has.
    pub fn merge(&mut self, other: &SparseHistogram) {
        if self.is_empty() {
            self.0.clone_from(&other.0);
            return;
        }
        self.0.extend_from_slice(&other.0);
        self.put_in_order();
    }

    fn put_in_order(&mut self) {
        self.0.sort_unstable();
        self.0.dedup_by(|next, kept| {
            let is_same = next.0 == kept.0;
            if is_same {
                kept.1 = kept.1.saturating_add(next.1);
            }
            is_same
        });
    }

    /// The duration that so many per cent do not exceed, in nanoseconds. None: there was none.
    pub fn percentile(&self, percent: f64) -> Option<u64> {
        let durations = self.with_digits(DIGITS);
        (!durations.is_empty()).then(|| durations.percentile(percent))
    }

    /// The longest, in nanoseconds. None: there was none.
    pub fn max(&self) -> Option<u64> {
        self.0.last().map(|(nanoseconds, _)| *nanoseconds)
    }

    fn with_digits(&self, digits: u8) -> Durations {
        let mut durations = Durations::with_digits(digits);
        self.iter().for_each(|(nanoseconds, number)| durations.record_many(nanoseconds, number));
        durations
    }
}

/// A histogram with what people ask of it. Only `digits` and `histogram` are read back.
#[derive(Clone, Debug)]
pub struct Latencies(pub Durations);

impl Latencies {
    /// Of none, with three significant digits.
    pub fn new() -> Self {
        Latencies(Durations::new())
    }

    /// Nanoseconds that so many per cent do not exceed. None: there was none.
    pub fn percentile(&self, percent: f64) -> Option<u64> {
        (!self.0.is_empty()).then(|| self.0.percentile(percent))
    }

    /// The longest, in nanoseconds. None: there was none.
    pub fn max(&self) -> Option<u64> {
        (!self.0.is_empty()).then(|| self.0.max())
    }

    /// The mean, in nanoseconds. None: there was none.
    pub fn mean(&self) -> Option<u64> {
        (!self.0.is_empty()).then(|| self.0.mean() as u64)
    }

    /// Adds what another one has.
    pub fn merge(&mut self, other: &Latencies) {
        self.0.merge(&other.0);
    }
}

impl Default for Latencies {
    fn default() -> Self {
        Latencies::new()
    }
}

impl PartialEq for Latencies {
    fn eq(&self, other: &Self) -> bool {
        self.0.digits() == other.0.digits() && self.0.counts().eq(other.0.counts())
    }
}

/// Nanoseconds as seconds.
pub(super) fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

impl Serialize for Latencies {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Latencies", PERCENTILES.len() + 5)?;
        object.serialize_field("count", &self.0.len())?;
        object.serialize_field("mean", &self.mean().map(seconds))?;
        for (percent, key, _) in PERCENTILES {
            object.serialize_field(key, &self.percentile(percent).map(seconds))?;
        }
        object.serialize_field("max", &self.max().map(seconds))?;
        object.serialize_field("digits", &self.0.digits())?;
        object.serialize_field("histogram", &SparseHistogram::of(&self.0))?;
        object.end()
    }
}

impl<'de> Deserialize<'de> for Latencies {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct StoredHistogram {
            digits: u8,
            histogram: SparseHistogram,
        }
        let StoredHistogram { digits, histogram } = StoredHistogram::deserialize(deserializer)?;
        if !(1..=3).contains(&digits) {
            return Err(serde::de::Error::custom("the digits of a histogram are from 1 to 3"));
        }
        Ok(Latencies(histogram.with_digits(digits)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(durations: &[u64], digits: u8) -> Latencies {
        let mut all = Durations::with_digits(digits);
        for duration in durations {
            all.record(*duration);
        }
        Latencies(all)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            durations in prop::collection::vec(0..10_000_000_000_000_u64, 0..100), digits in 1..=3_u8,
        ) {
            let latencies = of(&durations, digits);
            let text = serde_json::to_string(&latencies).unwrap();
            let read: Latencies = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&read, &latencies);
            prop_assert_eq!(serde_json::to_string(&read).unwrap(), text);
        }

        #[test]
        fn sparse_histograms_merge_as_whole_ones(
            one in prop::collection::vec(0..10_000_000_000_u64, 0..50),
            two in prop::collection::vec(0..10_000_000_000_u64, 0..50),
        ) {
            let digits = DIGITS;
            let mut merged = SparseHistogram::of(&of(&one, digits).0);
            merged.merge(&SparseHistogram::of(&of(&two, digits).0));
            prop_assert_eq!(merged, SparseHistogram::of(&of(&[one, two].concat(), digits).0));
        }
    }

    #[test]
    fn of_nothing_nothing_is_told() {
        let json = serde_json::to_value(Latencies::new()).unwrap();
        assert_eq!((&json["count"], &json["p50"], &json["max"]), (&0.into(), &().into(), &().into()));
    }
}
