//! Points in time as they are typed.

use std::time::Duration;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use crate::error::BadRule;

/// What is said of a text that is no time.
const FORM: &str = "expected a time, as 2026-11-23 21:07, 21:07, 2026-11-23, yesterday, -2h, now, 2026-11-23T09:00:00Z or 1763900000";

/// A point in time as it is typed: fixed, or to be counted from now, or in local time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Moment {
    /// Nanoseconds since the Unix epoch.
    At(i64),
    /// So long before now.
    Ago(Duration),
    /// By the clock of the zone.
    Local(DateTime),
    /// Today by the clock of the zone.
    Today(Time),
    /// The beginning of the day that was so many days ago.
    DaysAgo(i64),
}

impl Moment {
    /// Nanoseconds since the Unix epoch, where `now` is that, and the zone is the local one.
    ///
    /// A local time that the clock shows twice is the first one; one that it leaves out is as if it had not yet been
    /// changed.
    pub fn resolve(self, now: i64, zone: &TimeZone) -> i64 {
        let local = |time: DateTime| {
            let zoned = time.to_zoned_datetime(zone.clone()).ok();
            zoned.and_then(|zoned| i64::try_from(zoned.timestamp().as_nanosecond()).ok())
        };
        let today =
            || Some(Timestamp::from_nanosecond(now.into()).ok()?.to_zoned_datetime(zone.clone()).date());
        let resolved = match self {
            Moment::At(time) => Some(time),
            Moment::Ago(ago) => Some(now.saturating_sub(i64::try_from(ago.as_nanos()).unwrap_or(i64::MAX))),
            Moment::Local(time) => local(time),
            Moment::Today(time) => today().and_then(|day| local(day.to_datetime(time))),
            Moment::DaysAgo(days) => today()
                .and_then(|day| day.checked_sub(days.days()).ok())
                .and_then(|day| local(day.to_datetime(Time::midnight()))),
        };
        // Nothing that can be typed is outside the range, but for the years about its ends.
        resolved.unwrap_or(i64::MAX)
    }
}

/// A point in time: a date with or without a time of day (`2026-11-23 21:07`), a time of today (`21:07`), `today`,
/// `yesterday`, all local; RFC 3339 with its zone (`2026-11-23T09:00:00Z`, `2026-11-23T10:00:00.5+01:00`); `-2h` before
/// now, `now`; or a number since the Unix epoch, whose size says whether it is of seconds (up to 11 digits), milliseconds (up
/// to 14), microseconds (up to 17) or nanoseconds.
pub fn time(text: &str) -> Result<Moment, BadRule> {
    match text {
        "now" => return Ok(Moment::Ago(Duration::ZERO)),
        "today" => return Ok(Moment::DaysAgo(0)),
        "yesterday" => return Ok(Moment::DaysAgo(1)),
        _ => {}
    }
    if let Some(ago) = text.strip_prefix('-') {
        return super::values::duration(ago).map(Moment::Ago).map_err(|_| BadRule::new(text, 1, FORM));
    }
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let unit = match text.trim_start_matches('0').len() {
            0..=11 => 1_000_000_000,
            12..=14 => 1_000_000,
            15..=17 => 1000,
            _ => 1,
        };
        let time = text.parse::<i64>().ok().and_then(|number| number.checked_mul(unit));
        return time.map(Moment::At).ok_or_else(|| BadRule::new(text, 0, "that time is after the year 2262"));
    }
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return in_range(timestamp, text).map(Moment::At);
    }
    if !text.contains(':')
        && let Ok(date) = text.parse::<Date>()
    {
        return local(date.to_datetime(Time::midnight()), text);
    }
    if text.contains('-')
        && let Ok(time) = text.parse::<DateTime>()
    {
        return local(time, text);
    }
    text.parse().map(Moment::Today).map_err(|_| BadRule::new(text, 0, FORM))
}

/// A time in local time, with its offset from UTC, as it is told to a person.
pub(crate) fn shown(time: i64) -> String {
    let zoned =
        Timestamp::from_nanosecond(time.into()).map(|time| time.to_zoned_datetime(TimeZone::system()));
    zoned.map_or_else(|_| time.to_string(), |zoned| zoned.strftime("%Y-%m-%d %H:%M:%S%.f %:z").to_string())
}

fn local(time: DateTime, text: &str) -> Result<Moment, BadRule> {
    let zoned = time.to_zoned_datetime(TimeZone::UTC).map_err(|_| BadRule::new(text, 0, FORM))?;
    in_range(zoned.timestamp(), text).map(|_| Moment::Local(time))
}

fn in_range(time: Timestamp, text: &str) -> Result<i64, BadRule> {
    let fault = |_| BadRule::new(text, 0, "that time is not between the years 1677 and 2262");
    i64::try_from(time.as_nanosecond()).map_err(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_form_that_people_type() {
        let second = 1_000_000_000;
        // 1970-01-02 03:00 UTC, which is 05:00 in the zone.
        let now = 27 * 3600 * second;
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        let noon = 1_795_424_400 * second;
        for (text, expected) in [
            ("2026-11-23T09:00:00Z", Some(noon)),
            ("2026-11-23T10:00:00+01:00", Some(noon)),
            ("2026-11-23T09:00:00.5Z", Some(noon + second / 2)),
            ("2026-11-23 11:00:00", Some(noon)),
            ("2026-11-23T11:00", Some(noon)),
            ("2026-11-23 11:00:00.5", Some(noon + second / 2)),
            ("2026-11-23", Some(noon - 11 * 3600 * second)),
            ("05:00", Some(now)),
            ("04:59:59", Some(now - second)),
            ("today", Some(22 * 3600 * second)),
            ("yesterday", Some(-2 * 3600 * second)),
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1763900000", Some(1_763_900_000 * second)),
            ("1763900000123", Some(1_763_900_000_123_000_000)),
            ("1763900000123456", Some(1_763_900_000_123_456_000)),
            ("1763900000123456789", Some(1_763_900_000_123_456_789)),
            ("0", Some(0)),
            ("now", Some(now)),
            ("-2h", Some(25 * 3600 * second)),
            ("-1h30m", Some(now - 5400 * second)),
            ("99999999999", None),
            ("9999-01-01T00:00:00Z", None),
            ("9999-01-01", None),
            ("tomorrow or so", None),
            ("25:00", None),
            ("2026-13-01", None),
            ("-", None),
            ("-2 weeks or so", None),
            ("", None),
        ] {
            let found = time(text).ok().map(|moment| moment.resolve(now, &zone));
            assert_eq!(found, expected, "{text:?}");
        }
    }
}
