//! Values as Go reads them: numbers with a base, sizes, durations; and durations as Go prints them.

use std::time::Duration;

/// Units of a duration (Go's `time.ParseDuration`), in nanoseconds.
const UNITS: [(&str, f64); 8] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("\u{b5}s", 1e3),
    ("\u{3bc}s", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 60e9),
    ("h", 3600e9),
];

/// Units of a size, in bytes.
const SIZES: [(&str, i64); 4] = [("kb", 1 << 10), ("mb", 1 << 20), ("gb", 1 << 30), ("tb", 1 << 40)];

/// `true`, `1`, `t`…: what Go's `strconv.ParseBool` takes.
pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err("expected true or false".into()),
    }
}

/// A whole number: `10`, `0x10`, `0b1`, `0o7`, `1_000`.
pub(super) fn number(text: &str) -> Result<i64, String> {
    whole(text).ok_or_else(|| "expected a whole number, as 10 or 0x10".to_owned())
}

/// Bytes: `1024`, `32mb`, `0x20mb`. Never negative.
pub(super) fn size(text: &str) -> Result<i64, String> {
    let lower = text.to_ascii_lowercase();
    let (digits, unit) = SIZES
        .iter()
        .find_map(|(name, unit)| Some((lower.strip_suffix(name)?, *unit)))
        .unwrap_or((lower.as_str(), 1));
    let size = whole(digits).filter(|size| *size >= 0).and_then(|size| size.checked_mul(unit));
    size.ok_or_else(|| "expected a size in bytes, or with kb, mb, gb or tb, as 5mb".to_owned())
}

/// `300ms`, `1m30s`, `1.5h`. Never negative.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "expected a duration with its unit, as 300ms, 5s or 1m30s".to_owned();
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(wrong());
    }
    let mut nanoseconds = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let number: f64 = rest[..end].parse().map_err(|_| wrong())?;
        rest = &rest[end..];
        let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let unit = UNITS.iter().find(|(name, _)| *name == &rest[..end]).ok_or_else(wrong)?.1;
        rest = &rest[end..];
        nanoseconds += number * unit;
    }
    if nanoseconds >= i64::MAX as f64 {
        return Err("expected at most 292 years".to_owned());
    }
    Ok(Duration::from_nanos(nanoseconds.round() as u64))
}

/// A whole number as Go's `strconv.ParseInt` reads it with base 0.
fn whole(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let (digits, base) = match lower.get(..2) {
        Some("0x") => (&lower[2..], 16),
        Some("0b") => (&lower[2..], 2),
        Some("0o") => (&lower[2..], 8),
        _ if lower.len() > 1 && lower.starts_with('0') => (&lower[1..], 8),
        _ => (lower.as_str(), 10),
    };
    if digits.is_empty() || digits.starts_with(['+', '-']) {
        return None;
    }
    i64::from_str_radix(&digits.replace('_', ""), base).ok()?.checked_mul(sign)
}

/// Nanoseconds as Go prints a duration: `1m30s`, `5.351s`, `500µs`, `0s`.
pub(super) fn shown(nanoseconds: u64) -> String {
    const SECOND: u64 = 1_000_000_000;
    let fraction = |whole: u64, unit: u64| {
        let (number, rest) = (whole / unit, whole % unit);
        if rest == 0 {
            return number.to_string();
        }
        let digits = unit.ilog10() as usize;
        let rest = format!("{rest:0digits$}");
        format!("{number}.{}", rest.trim_end_matches('0'))
    };
    match nanoseconds {
        0 => "0s".to_owned(),
        1..1_000 => format!("{nanoseconds}ns"),
        1_000..1_000_000 => format!("{}µs", fraction(nanoseconds, 1_000)),
        1_000_000..SECOND => format!("{}ms", fraction(nanoseconds, 1_000_000)),
        _ => {
            let (hours, rest) = (nanoseconds / (3600 * SECOND), nanoseconds % (3600 * SECOND));
            let (minutes, rest) = (rest / (60 * SECOND), rest % (60 * SECOND));
            let seconds = fraction(rest, SECOND);
            match (hours, minutes) {
                (0, 0) => format!("{seconds}s"),
                (0, _) => format!("{minutes}m{seconds}s"),
                _ => format!("{hours}h{minutes}m{seconds}s"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_bases_of_go() {
        for (text, expected) in [
            ("10", 10),
            ("-3", -3),
            ("0x20", 32),
            ("0b11", 3),
            ("0o17", 15),
            ("017", 15),
            ("1_000", 1000),
            ("0", 0),
        ] {
            assert_eq!(number(text), Ok(expected), "{text}");
        }
        for text in ["", "-", "abc", "1.5", "0x", "99999999999999999999"] {
            assert!(number(text).is_err(), "{text}");
        }
        assert_eq!(size("0x20MB"), Ok(32 << 20));
        assert_eq!(size("1tb"), Ok(1 << 40));
        for text in ["5m", "1k", "kb", "-1", "9999999tb"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_read_and_printed_as_in_go() {
        for (text, nanoseconds) in [
            ("0", 0),
            ("300ms", 300_000_000),
            ("1m30s", 90_000_000_000),
            ("1.5h", 5_400_000_000_000),
            ("2us", 2_000),
            (".5s", 500_000_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_nanos(nanoseconds)), "{text}");
        }
        for text in ["", "3", "1d", "-1s", "s", "1s2", "1e3s"] {
            assert!(duration(text).is_err(), "{text}");
        }
        for (nanoseconds, expected) in [
            (0, "0s"),
            (15, "15ns"),
            (500_000, "500µs"),
            (2_500_000_000, "2.5s"),
            (5_351_000_000, "5.351s"),
            (60_000_000_000, "1m0s"),
            (3_600_000_000_000, "1h0m0s"),
            (100_000_000, "100ms"),
        ] {
            assert_eq!(shown(nanoseconds), expected);
        }
    }
}
