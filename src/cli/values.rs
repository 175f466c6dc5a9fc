//! Values on the command line. Clap adds the option and the value to what is
//! said here; nothing that does not parse ever becomes a default.

use std::time::Duration;

use crate::error::BadRule;

/// A duration: `500ms`, `2s`, `1m30s`, `1h`.
pub fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|_| "a duration looks like 500ms, 2s, 1m30s or 1h".into())
}

/// A point in time as it is typed: fixed, or counted back from now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Moment {
    /// Nanoseconds since the Unix epoch.
    At(i64),
    /// So long before now.
    Ago(Duration),
}

impl Moment {
    /// Nanoseconds since the Unix epoch, where `now` is that.
    pub fn resolve(self, now: i64) -> i64 {
        match self {
            Moment::At(time) => time,
            Moment::Ago(ago) => now.saturating_sub(i64::try_from(ago.as_nanos()).unwrap_or(i64::MAX)),
        }
    }
}

/// A point in time: RFC 3339 with its zone (`2026-11-23T09:00:00Z`,
/// `2026-11-23T10:00:00.5+01:00`), `-2h` before now, `now`, or a number since
/// the Unix epoch, whose size says whether it is of seconds (up to 11 digits),
/// milliseconds (up to 14), microseconds (up to 17) or nanoseconds.
pub fn time(text: &str) -> Result<Moment, BadRule> {
    const FORM: &str = "a time looks like 2026-11-23T09:00:00Z, -2h, now or 1763900000";
    if text == "now" {
        return Ok(Moment::Ago(Duration::ZERO));
    }
    if let Some(ago) = text.strip_prefix('-') {
        return humantime::parse_duration(ago).map(Moment::Ago).map_err(|_| BadRule::new(text, 1, FORM));
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
    let timestamp = text.parse::<jiff::Timestamp>();
    let timestamp = timestamp.map_err(|error| BadRule::new(text, 0, format!("{FORM}: {error}")))?;
    i64::try_from(timestamp.as_nanosecond())
        .map(Moment::At)
        .map_err(|_| BadRule::new(text, 0, "that time is not between the years 1677 and 2262"))
}

/// A number of bytes: `32mb` and `32MiB` (both 1024 × 1024 × 32), `1gb`,
/// plain `5000`, hexadecimal `0x20mb`.
pub fn size(text: &str) -> Result<u64, String> {
    parse_size(text)
        .ok_or_else(|| "a size looks like 32mb, 32MiB, 1gb, 0x20mb or a plain number of bytes".into())
}

fn parse_size(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let Some(hex) = lower.strip_prefix("0x") else {
        return parse_size::Config::new().with_binary().parse_size(&lower).ok();
    };
    let end = hex.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(hex.len());
    let (digits, unit) = hex.split_at(end);
    // A bare `b` is a digit: `0x20b` is 523.
    let shift = match unit.trim_start() {
        "" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return None,
    };
    u64::from_str_radix(digits, 16).ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, expected) in [
            ("0", Some(0)),
            ("5000", Some(5000)),
            ("32mb", Some(32 << 20)),
            ("32MB", Some(32 << 20)),
            ("32MiB", Some(32 << 20)),
            ("1.5k", Some(1536)),
            ("1gb", Some(1 << 30)),
            ("2 tb", Some(2 << 40)),
            ("0x20mb", Some(32 << 20)),
            ("0x20", Some(32)),
            ("0x20b", Some(0x20b)),
            ("0X1F KB", Some(31 << 10)),
            ("", None),
            ("mb", None),
            ("-1", None),
            ("five", None),
            ("5 apples", None),
            ("0x", None),
            ("0x5q", None),
            ("0xffffffffffffffffff", None),
            ("0xffffffffffffff tb", None),
            ("99999999999999999999", None),
            ("20000000tb", None),
            ("NaN", None),
            ("1e400", None),
        ] {
            assert_eq!(size(text).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn durations() {
        for (text, expected) in [
            ("500ms", Some(500)),
            ("2s", Some(2000)),
            ("1m30s", Some(90_000)),
            ("1h", Some(3_600_000)),
            ("0s", Some(0)),
            ("", None),
            ("5", None),
            ("-2s", None),
            ("2x", None),
            ("s", None),
            ("99999999999999999999s", None),
        ] {
            assert_eq!(duration(text).ok(), expected.map(Duration::from_millis), "{text:?}");
        }
    }

    #[test]
    fn times() {
        let second = 1_000_000_000;
        for (text, expected) in [
            ("2026-11-23T09:00:00Z", Some(1_795_424_400 * second)),
            ("2026-11-23T10:00:00+01:00", Some(1_795_424_400 * second)),
            ("2026-11-23T09:00:00.5Z", Some(1_795_424_400 * second + second / 2)),
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1763900000", Some(1_763_900_000 * second)),
            ("1763900000123", Some(1_763_900_000_123_000_000)),
            ("1763900000123456", Some(1_763_900_000_123_456_000)),
            ("1763900000123456789", Some(1_763_900_000_123_456_789)),
            ("0", Some(0)),
            ("now", Some(3 * 3600 * second)),
            ("-2h", Some(3600 * second)),
            ("-1h30m", Some(5400 * second)),
            ("99999999999", None),
            ("2026-11-23T09:00:00", None),
            ("2026-11-23", None),
            ("9999-01-01T00:00:00Z", None),
            ("yesterday", None),
            ("-", None),
            ("-2 weeks or so", None),
            ("", None),
        ] {
            let found = time(text).ok().map(|moment| moment.resolve(3 * 3600 * second));
            assert_eq!(found, expected, "{text:?}");
        }
    }
}
