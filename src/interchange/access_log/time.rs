//! Moments and durations as logs write them.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// A moment of a log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct LogTime {
    /// Nanoseconds since the Unix epoch.
    pub(super) nanoseconds: i64,
    /// Whether the log has no fraction of the second.
    pub(super) is_whole: bool,
    /// Whether the log says no zone, so that UTC was taken.
    pub(super) lacks_zone: bool,
}

/// Reads `10/Oct/2000:13:55:36 -0700`, RFC 3339, or a number since the Unix epoch.
pub(super) fn moment(text: &[u8]) -> Option<LogTime> {
    let text = std::str::from_utf8(text).ok()?;
    let bytes = text.as_bytes();
    if bytes.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.') {
        return since_epoch(text);
    }
    let nanoseconds = |time: Timestamp| i64::try_from(time.as_nanosecond()).ok();
    if bytes.get(2) == Some(&b'/') {
        let time = Timestamp::strptime("%d/%b/%Y:%H:%M:%S %z", text).ok()?;
        return Some(LogTime { nanoseconds: nanoseconds(time)?, is_whole: true, lacks_zone: false });
    }
    let is_whole = !text.contains(['.', ',']);
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(LogTime { nanoseconds: nanoseconds(time)?, is_whole, lacks_zone: false });
    }
    let time: DateTime = text.parse().ok()?;
    let time = TimeZone::UTC.to_timestamp(time).ok()?;
    Some(LogTime { nanoseconds: nanoseconds(time)?, is_whole, lacks_zone: true })
}

/// Seconds, or what a number of so many digits must be: milliseconds, microseconds or nanoseconds.
fn since_epoch(text: &str) -> Option<LogTime> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    // A number with fewer digits is a duration, or whatever else has the key of a time.
    let number: i64 = if whole.len() < 9 { None } else { whole.parse().ok() }?;
    let unit: i64 = match whole.len() {
        ..=11 => 1_000_000_000,
        12..=14 => 1_000_000,
        15..=17 => 1_000,
        _ => 1,
    };
    let mut nanoseconds = number.checked_mul(unit)?;
    let mut place = unit;
    for digit in fraction.bytes() {
        place /= 10;
        nanoseconds =
            nanoseconds.checked_add(i64::from(digit.checked_sub(b'0').filter(|it| *it < 10)?) * place)?;
    }
    let is_whole = unit == 1_000_000_000 && fraction.is_empty();
    Some(LogTime { nanoseconds, is_whole, lacks_zone: false })
}

/// Longest duration of a request, in seconds.
const MAX_DURATION: f64 = 1e9;

/// A number of units that are each so many nanoseconds.
pub(super) fn duration(text: &[u8], unit: f64) -> Option<i64> {
    let number: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    let nanoseconds = (number * unit).round();
    (0.0..MAX_DURATION * 1e9).contains(&nanoseconds).then_some(nanoseconds as i64)
}
