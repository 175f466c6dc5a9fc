//! The laws of the timeline.

use super::*;

#[test]
fn pauses_of_decades_are_none() {
    let mut time = KnownTime::default();
    let second = 1_000_000_000;
    let now = 1_700_000_000 * second;
    let known: Vec<i64> = [0, now, now + second, now + 3 * second].map(|at| time.of(at)).to_vec();
    assert_eq!(known, [0, 0, second, 3 * second]);
}
use proptest::prelude::*;

const SECOND: i64 = 1_000_000_000;

fn pace(speed: &str, max_wait: Option<Duration>) -> Pace {
    Pace { tempo: Tempo::Speed(speed.parse().unwrap()), max_wait }
}

fn dues(pace: Pace, timestamps: &[i64]) -> Vec<u64> {
    let mut timeline = Timeline::new(pace);
    timestamps.iter().map(|timestamp| timeline.due(*timestamp)).collect()
}

fn timestamps() -> impl Strategy<Value = Vec<i64>> {
    let close = prop::collection::vec(0..100 * SECOND, 1..60);
    let wild = prop::collection::vec(any::<i64>(), 1..20);
    prop_oneof![4 => close, 1 => wild]
}

fn speeds() -> impl Strategy<Value = Speed> {
    (1..10_000_000_u64).prop_map(|millionths| Speed(NonZeroU64::new(millionths).unwrap()))
}

proptest! {
    #[test]
    fn records_in_order_are_due_when_they_were_recorded(mut timestamps in timestamps()) {
        timestamps.sort_unstable();
        let expected: Vec<u64> = timestamps.iter().map(|at| at.abs_diff(timestamps[0])).collect();
        prop_assert_eq!(dues(Pace::default(), &timestamps), expected);
    }

    #[test]
    fn due_times_begin_at_zero_and_never_go_back(
        timestamps in timestamps(),
        speed in speeds(),
        wait in prop::option::of(0..20_000_u64),
    ) {
        let pace = Pace { tempo: Tempo::Speed(speed), max_wait: wait.map(Duration::from_millis) };
        let dues = dues(pace, &timestamps);
        prop_assert_eq!(dues[0], 0);
        prop_assert!(dues.is_sorted());
    }

    #[test]
    fn disorder_never_stretches_time(timestamps in prop::collection::vec(0..100 * SECOND, 1..60)) {
        let mut timestamps = timestamps;
        timestamps[0] = 0;
        let newest = timestamps.iter().max().unwrap();
        prop_assert_eq!(*dues(Pace::default(), &timestamps).last().unwrap(), newest.unsigned_abs());
    }

    #[test]
    fn the_speed_divides_time_without_drift(mut timestamps in timestamps(), speed in speeds()) {
        timestamps.sort_unstable();
        let length = u128::from(timestamps.last().unwrap().abs_diff(timestamps[0]));
        let expected = length * u128::from(UNIT) / u128::from(speed.0.get());
        let pace = Pace { tempo: Tempo::Speed(speed), ..Pace::default() };
        let last = *dues(pace, &timestamps).last().unwrap();
        prop_assert_eq!(u128::from(last), expected.min(u128::from(u64::MAX)));
    }

    #[test]
    fn no_pause_is_longer_than_the_longest(timestamps in timestamps(), speed in speeds(), wait in 0..5_000_u64) {
        let wait = Duration::from_millis(wait);
        let dues = dues(Pace { tempo: Tempo::Speed(speed), max_wait: Some(wait) }, &timestamps);
        for pair in dues.windows(2) {
            // Rounding down may move either end by less than a nanosecond.
            prop_assert!(u128::from(pair[1] - pair[0]) <= wait.as_nanos() + 1);
        }
    }

    #[test]
    fn peeking_tells_what_comes_and_changes_nothing(timestamps in timestamps(), speed in speeds()) {
        let mut timeline = Timeline::new(Pace { tempo: Tempo::Speed(speed), ..Pace::default() });
        for timestamp in timestamps {
            let peeked = timeline.peek(timestamp);
            prop_assert_eq!(peeked, timeline.peek(timestamp));
            prop_assert_eq!(peeked, timeline.due(timestamp));
        }
    }

    #[test]
    fn time_goes_on_in_every_round(timestamps in prop::collection::vec(0..100 * SECOND, 1..60), speed in speeds()) {
        let mut timeline = Timeline::new(Pace { tempo: Tempo::Speed(speed), ..Pace::default() });
        let first: Vec<u64> = timestamps.iter().map(|at| timeline.due(*at)).collect();
        timeline.begin_round();
        let second: Vec<u64> = timestamps.iter().map(|at| timeline.due(*at)).collect();
        prop_assert!(second[0] >= *first.last().unwrap());
        for (one, two) in first.iter().zip(&second) {
            // The same distance from the round's beginning, but for rounding.
            prop_assert!((two - second[0]).abs_diff(*one) <= 1);
        }
    }
}

#[test]
fn the_next_round_begins_one_mean_pause_after_the_last() {
    for (timestamps, expected) in [(&[0, 10, 20][..], 30), (&[5], 1_000_000_000), (&[5, 5], 1_000_000_000)] {
        let mut timeline = Timeline::new(Pace::default());
        for timestamp in timestamps {
            timeline.due(*timestamp);
        }
        timeline.begin_round();
        assert_eq!(timeline.due(timestamps[0]), expected, "{timestamps:?}");
    }
}

#[test]
fn without_waiting_everything_is_due_at_once() {
    let pace = Pace { tempo: Tempo::NoWait, ..Pace::default() };
    assert_eq!(dues(pace, &[0, SECOND, 7 * SECOND]), [0, 0, 0]);
}

#[test]
fn a_pause_is_measured_after_the_speed() {
    let pace = pace("2x", Some(Duration::from_secs(1)));
    assert_eq!(dues(pace, &[0, SECOND, 10 * SECOND]), [0, 500_000_000, 1_500_000_000]);
}

#[test]
fn speeds_are_read_in_three_ways() {
    for (text, millionths) in [
        ("2x", 2_000_000),
        ("2X", 2_000_000),
        ("200%", 2_000_000),
        ("0.5", 500_000),
        ("50%", 500_000),
        (".1", 100_000),
    ] {
        assert_eq!(text.parse::<Speed>().map(|speed| speed.0.get()), Ok(millionths), "{text}");
    }
    for text in
        ["", "x", "0", "0%", "-1", "fast", "2xx", "1e400", "inf", "nan", "1e3", "0.0000001", "9999999999999"]
    {
        let error = text.parse::<Speed>().unwrap_err();
        assert!(error.contains(&format!("{text:?}")), "{error}");
    }
}
