//! Scales of charts: where a value is, from 0 to 1, and which values are labelled.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::numbers::count;

/// A labelled value.
pub(super) struct Tick {
    /// From 0, at the left or the bottom, to 1.
    pub(super) at: f64,
    pub(super) label: String,
}

/// Durations on a logarithmic scale.
pub(super) struct LogScale {
    /// Powers of ten of nanoseconds.
    low: f64,
    high: f64,
}

impl LogScale {
    /// A scale for these durations, which ends at 1, 2 or 5 of a unit. None: there is no duration.
    pub(super) fn of(nanoseconds: impl Iterator<Item = u64>) -> Option<Self> {
        let (mut low, mut high) = (u64::MAX, 0);
        for value in nanoseconds.map(|value| value.max(1)) {
            (low, high) = (low.min(value), high.max(value));
        }
        if high == 0 {
            return None;
        }
        let steps: Vec<u64> =
            (0..=13).flat_map(|power| [1, 2, 5].map(|digit| digit * 10_u64.pow(power))).collect();
        let below = steps.iter().rfind(|step| **step <= low).copied().unwrap_or(1);
        let above = steps.iter().find(|step| **step >= high && **step > below).copied().unwrap_or(high);
        Some(LogScale { low: (below as f64).log10(), high: (above as f64).log10() })
    }

    pub(super) fn at(&self, nanoseconds: u64) -> f64 {
        let power = (nanoseconds.max(1) as f64).log10();
        ((power - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    pub(super) fn ticks(&self) -> Vec<Tick> {
        let decades = self.high - self.low;
        let digits: &[u64] = if decades <= 2.4 { &[1, 2, 5] } else { &[1] };
        let every = if decades > 7.0 { 2 } else { 1 };
        let mut ticks = Vec::new();
        for power in (0..=13_u32).filter(|power| power.is_multiple_of(every)) {
            for digit in digits {
                let nanoseconds = digit * 10_u64.pow(power);
                let exponent = (nanoseconds as f64).log10();
                if exponent >= self.low - 1e-9 && exponent <= self.high + 1e-9 {
                    ticks.push(Tick { at: self.at(nanoseconds), label: round_duration(nanoseconds) });
                }
            }
        }
        ticks
    }
}

/// A duration of few digits, without zeros after the point.
fn round_duration(nanoseconds: u64) -> String {
    let units = [(1_000_000_000, "s"), (1_000_000, "ms"), (1000, "us"), (1, "ns")];
    let (size, unit) = units.into_iter().find(|(size, _)| nanoseconds >= *size).unwrap_or((1, "ns"));
    format!("{}{unit}", nanoseconds / size)
}

/// Numbers from 0.
pub(super) struct LinearScale {
    step: f64,
    steps: u32,
}

impl LinearScale {
    /// A scale up to a round number that is not less than this one.
    pub(super) fn to(most: f64) -> Self {
        let most = if most > 0.0 { most } else { 1.0 };
        let power = 10_f64.powf((most / 4.0).log10().floor());
        let step =
            [1.0, 2.0, 5.0, 10.0].map(|digit| digit * power).into_iter().find(|step| step * 4.0 >= most);
        let step = step.unwrap_or(most);
        LinearScale { step, steps: ((most / step) - 1e-9).ceil().max(1.0) as u32 }
    }

    pub(super) fn at(&self, value: f64) -> f64 {
        (value / (self.step * f64::from(self.steps))).clamp(0.0, 1.0)
    }

    pub(super) fn ticks(&self) -> Vec<Tick> {
        let digits = (-self.step.log10().floor()).max(0.0) as usize;
        (0..=self.steps)
            .map(|step| {
                let value = self.step * f64::from(step);
                let label =
                    if digits > 0 { format!("{value:.digits$}") } else { count(value.round() as u64) };
                Tick { at: f64::from(step) / f64::from(self.steps), label }
            })
            .collect()
    }
}

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Seconds between labels of time.
const TIME_STEPS: [i64; 20] = [
    1,
    2,
    5,
    10,
    15,
    30,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    7 * DAY,
];

/// Labels of time for a stretch that begins at this second since the Unix epoch.
pub(super) fn time_ticks(start: i64, seconds: i64, zone: &TimeZone) -> Vec<Tick> {
    let seconds = seconds.max(1);
    let mut step = TIME_STEPS.into_iter().find(|step| seconds <= step * 8).unwrap_or(7 * DAY);
    while seconds > step.saturating_mul(8) {
        step = step.saturating_mul(2);
    }
    let Ok(first) = Timestamp::from_second(start) else { return Vec::new() };
    // Labels are round in local time as it is at the beginning.
    let offset = i64::from(zone.to_offset(first).seconds());
    let format = if step < MINUTE { "%H:%M:%S" } else { "%H:%M" };
    let mut ticks = Vec::new();
    let mut at = start + (-(start + offset)).rem_euclid(step);
    while at <= start.saturating_add(seconds) {
        let Ok(moment) = Timestamp::from_second(at) else { break };
        let moment = moment.to_zoned_datetime(zone.clone());
        // At midnight the day is what is new.
        let is_day = step >= DAY || (at + offset).rem_euclid(DAY) == 0;
        let label = moment.strftime(if is_day { "%Y-%m-%d" } else { format }).to_string();
        ticks.push(Tick { at: (at - start) as f64 / seconds as f64, label });
        at = at.saturating_add(step);
    }
    ticks
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels(ticks: &[Tick]) -> Vec<&str> {
        ticks.iter().map(|tick| tick.label.as_str()).collect()
    }

    proptest! {
        #[test]
        fn each_duration_is_on_its_scale_and_few_are_labelled(
            values in prop::collection::vec(0..3_600_000_000_000_u64, 1..20),
        ) {
            let scale = LogScale::of(values.iter().copied()).unwrap();
            let (low, high) = (values.iter().min().unwrap(), values.iter().max().unwrap());
            prop_assert!(scale.at(*low) <= scale.at(*high));
            prop_assert!(10_f64.powf(scale.low) <= *low.max(&1) as f64 * 1.0001);
            prop_assert!(10_f64.powf(scale.high) >= *high as f64 * 0.9999);
            let ticks = scale.ticks();
            prop_assert!((1..=9).contains(&ticks.len()), "{:?}", labels(&ticks));
        }

        #[test]
        fn a_linear_scale_reaches_its_value(most in 0.001..1e9_f64) {
            let scale = LinearScale::to(most);
            let top = scale.step * f64::from(scale.steps);
            prop_assert!(top >= most * 0.999_999 && scale.step * (f64::from(scale.steps) - 1.0) < most);
            let ticks = scale.ticks();
            prop_assert!((2..=5).contains(&ticks.len()));
            let mut distinct = labels(&ticks);
            distinct.dedup();
            prop_assert_eq!(distinct.len(), ticks.len());
        }

        #[test]
        fn labels_of_time_are_few_and_within(start in 0..4_000_000_000_i64, seconds in 1..2_000_000_000_i64) {
            let ticks = time_ticks(start, seconds, &TimeZone::UTC);
            prop_assert!(ticks.len() <= 9);
            prop_assert!(ticks.iter().all(|tick| (0.0..=1.0).contains(&tick.at)));
        }
    }

    #[test]
    fn labels_are_round() {
        let scale = LogScale::of([130_000, 7_500_000].into_iter()).unwrap();
        assert_eq!(labels(&scale.ticks()), ["100us", "200us", "500us", "1ms", "2ms", "5ms", "10ms"]);
        assert_eq!(labels(&LinearScale::to(1234.0).ticks()), ["0", "500", "1,000", "1,500"]);
        assert_eq!(labels(&LinearScale::to(0.7).ticks()), ["0.0", "0.2", "0.4", "0.6", "0.8"]);
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        assert_eq!(
            labels(&time_ticks(1_800_000_003, 40, &zone)),
            ["09:00:05", "09:00:10", "09:00:15", "09:00:20", "09:00:25", "09:00:30", "09:00:35", "09:00:40"]
        );
        assert_eq!(
            labels(&time_ticks(1_799_989_000, 3 * DAY, &zone)),
            ["12:00", "2027-01-16", "12:00", "2027-01-17", "12:00", "2027-01-18"]
        );
    }
}
