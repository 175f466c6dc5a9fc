//! What happened when: counts and latencies in intervals of a second, or of more where the time is long.

use std::collections::BTreeMap;

use super::histogram::{DIGITS, SparseHistogram};
use super::statuses::Classes;
use crate::observe::Durations;

/// Intervals that are kept; beyond it they become twice as long.
pub(super) const MOST: usize = 600;

/// What happened in one interval. Each event counts in the interval in which it happened.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Interval {
    /// Requests whose first byte was sent.
    pub sent: u64,
    /// Requests whose response ended.
    pub answered: u64,
    /// Requests that were sent, and failed now.
    pub failed: u64,
    /// Requests that were given up without being sent.
    pub not_sent: u64,
    /// Responses by class of status.
    pub classes: Classes,
    /// Of the responses that ended, from when the request was due, in nanoseconds.
    pub latency_from_due: SparseHistogram,
    /// The longest lateness of the requests that were sent, in nanoseconds.
    pub lateness_max: u64,
}

impl Interval {
    fn merge(&mut self, other: &Interval) {
        self.sent += other.sent;
        self.answered += other.answered;
        self.failed += other.failed;
        self.not_sent += other.not_sent;
        self.classes += other.classes;
        self.latency_from_due.merge(&other.latency_from_due);
        self.lateness_max = self.lateness_max.max(other.lateness_max);
    }
}

/// Intervals by their number: that of seconds since the Unix epoch, divided by `width`. Those without any event are absent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Series {
    /// Seconds of each interval: a power of two.
    pub width: u64,
    /// What happened.
    pub intervals: BTreeMap<i64, Interval>,
}

impl Default for Series {
    fn default() -> Self {
        Series { width: 1, intervals: BTreeMap::new() }
    }
}

impl Series {
    /// Adds what happened in an interval of a second.
    fn add(&mut self, second: i64, interval: &Interval) {
        let number = second.div_euclid(self.width as i64);
        self.intervals.entry(number).or_default().merge(interval);
        self.bound();
    }

    /// Adds what another one has.
    pub fn merge(&mut self, other: &Series) {
        while self.width < other.width {
            self.double();
        }
        let ratio = (self.width / other.width.max(1)).max(1) as i64;
        for (number, interval) in &other.intervals {
            self.intervals.entry(number.div_euclid(ratio)).or_default().merge(interval);
        }
        self.bound();
    }

    /// The same in at most so many intervals.
    #[must_use]
    pub fn at_most(&self, intervals: usize) -> Series {
        let mut series = self.clone();
        while series.intervals.len() > intervals.max(1) && series.width < 1 << 32 {
            series.double();
        }
        series
    }

    /// The same in intervals so long that at most so many lie from the first to the last, empty ones included.
    #[must_use]
    pub(super) fn spanning(&self, intervals: u64) -> Series {
        let mut series = self.clone();
        while series.span() > intervals.max(1) && series.width < 1 << 32 {
            series.double();
        }
        series
    }

    /// Intervals from the first to the last.
    fn span(&self) -> u64 {
        let ends = self.intervals.first_key_value().zip(self.intervals.last_key_value());
        ends.map_or(0, |((first, _), (last, _))| last.abs_diff(*first) + 1)
    }

    fn bound(&mut self) {
        while self.intervals.len() > MOST && self.width < 1 << 32 {
            self.double();
        }
    }

    fn double(&mut self) {
        self.width *= 2;
        for (number, interval) in std::mem::take(&mut self.intervals) {
            self.intervals.entry(number.div_euclid(2)).or_default().merge(&interval);
        }
    }
}

/// A series in the making. Events come in order of time, so that only the newest interval has a whole histogram.
#[derive(Clone, Debug)]
pub(super) struct SeriesRecorder {
    second: i64,
    current: Interval,
    latency: Durations,
    series: Series,
}

impl SeriesRecorder {
    pub(super) fn new() -> Self {
        let latency = Durations::with_digits(DIGITS);
        SeriesRecorder { second: i64::MIN, current: Interval::default(), latency, series: Series::default() }
    }

    /// The interval of this moment, in nanoseconds since the Unix epoch.
    pub(super) fn at(&mut self, moment: i64) -> &mut Interval {
        let second = moment.div_euclid(1_000_000_000);
        if second != self.second {
            self.file();
            self.second = second;
        }
        &mut self.current
    }

    /// Counts a response in the interval of this moment.
    pub(super) fn answered(&mut self, moment: i64, status: u16, latency: u64) {
        let interval = self.at(moment);
        interval.answered += 1;
        interval.classes.count(status, 1);
        self.latency.record(latency);
    }

    /// Takes back that a request was sent at this moment.
    pub(super) fn forget_sent(&mut self, moment: i64) {
        let second = moment.div_euclid(1_000_000_000);
        let width = self.series.width as i64;
        let interval = if second == self.second {
            Some(&mut self.current)
        } else {
            self.series.intervals.get_mut(&second.div_euclid(width))
        };
        if let Some(interval) = interval {
            interval.sent = interval.sent.saturating_sub(1);
        }
    }

    fn file(&mut self) {
        let mut interval = std::mem::take(&mut self.current);
        if !self.latency.is_empty() {
            interval.latency_from_due = SparseHistogram::of(&self.latency);
            self.latency.clear();
        }
        if interval != Interval::default() {
            self.series.add(self.second, &interval);
        }
    }

    pub(super) fn finish(mut self) -> Series {
        self.file();
        self.series
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: i64 = 1_000_000_000;

    /// Answers after so many milliseconds from each other, of so many nanoseconds.
    fn recorded(start: i64, answers: &[(u32, u64)]) -> Series {
        let mut recorder = SeriesRecorder::new();
        let mut moment = start;
        for (pause, latency) in answers {
            moment += i64::from(*pause) * 1_000_000;
            recorder.at(moment).sent += 1;
            recorder.answered(moment, 200, *latency);
        }
        recorder.finish()
    }

    fn answers() -> impl Strategy<Value = Vec<(u32, u64)>> {
        prop::collection::vec((0..20_000_u32, 0..10_000_000_000_u64), 0..1500)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn no_event_is_lost_however_long_it_lasts(start in -5..2_000_000_000_i64, answers in answers()) {
            let series = recorded(start * SECOND, &answers);
            prop_assert!(series.intervals.len() <= MOST && series.width.is_power_of_two());
            let sum = |of: fn(&Interval) -> u64| series.intervals.values().map(of).sum::<u64>();
            prop_assert_eq!(sum(|interval| interval.sent), answers.len() as u64);
            prop_assert_eq!(sum(|interval| interval.answered), answers.len() as u64);
            prop_assert_eq!(sum(|interval| interval.latency_from_due.len()), answers.len() as u64);
        }

        #[test]
        fn it_does_not_matter_which_is_merged_into_which(one in answers(), two in answers(), apart in 0..2000_i64) {
            let [one, two] = [recorded(0, &one), recorded(apart * SECOND, &two)];
            let [mut first, mut second] = [one.clone(), two.clone()];
            first.merge(&two);
            second.merge(&one);
            prop_assert_eq!(first, second);
        }
    }

    #[test]
    fn intervals_are_those_of_the_clock() {
        let series = recorded(3 * SECOND - 1, &[(0, 5), (0, 7), (1, 9), (10_000, 11)]);
        let found: Vec<_> =
            series.intervals.iter().map(|(number, interval)| (*number, interval.sent)).collect();
        assert_eq!((series.width, found), (1, vec![(2, 2), (3, 1), (13, 1)]));
    }
}
