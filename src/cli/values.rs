//! Values on the command line. Clap adds the option and the value to what is
//! said here; nothing that does not parse ever becomes a default.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

pub use super::moment::{Moment, time};

/// A duration: `500ms`, `2s`, `1m30s`, `1h`, `2d`. A day has 24 hours.
pub fn duration(text: &str) -> Result<Duration, String> {
    let span = text.parse::<jiff::Span>().ok();
    let signed = span.and_then(|span| span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).ok());
    let duration = signed.and_then(|signed| Duration::try_from(signed).ok());
    duration.ok_or_else(|| "expected a duration, as 500ms, 2s, 1m30s or 1h".into())
}

/// The same, longer than nothing.
pub(crate) fn positive_duration(text: &str) -> Result<Duration, String> {
    let duration = duration(text)?;
    if duration.is_zero() { Err("expected a duration above 0s, as 500ms or 2s".into()) } else { Ok(duration) }
}

/// What is parsed from `text`, unless that is the name of a file: then the user meant something else.
pub(crate) fn no_file<T: FromStr>(text: &str, instead: impl FnOnce(&str) -> String) -> Result<T, String>
where
    T::Err: std::fmt::Display,
{
    if Path::new(text).is_file() {
        return Err(format!("this is a file; {}", instead(text)));
    }
    text.parse().map_err(|error: T::Err| error.to_string())
}

/// The name of a file for a report.
pub(crate) fn report(text: &str) -> Result<PathBuf, String> {
    if text == "-" {
        return Err("name a file; standard output is for records".into());
    }
    Ok(text.into())
}

/// A number that is at least 1.
pub(crate) fn at_least_one(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_| "expected a whole number from 1 up, as 8".into())
}

/// A whole number.
pub(crate) fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| "expected a whole number, as 10".into())
}

/// A number of bytes: `32mb` and `32MiB` (both 1024 × 1024 × 32), `1gb`,
/// plain `5000`, hexadecimal `0x20mb`.
pub fn size(text: &str) -> Result<u64, String> {
    parse_size(text)
        .ok_or_else(|| "expected a size, as 32mb, 32MiB, 1gb, 0x20mb or a plain number of bytes".into())
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

/// Where to listen: `9187` and `:9187` are ports of all addresses.
pub(crate) fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix(':').unwrap_or(text).parse::<u16>();
    match (text.parse(), port) {
        (Ok(address), _) => Ok(address),
        (_, Ok(port)) => Ok(SocketAddr::from(([0, 0, 0, 0], port))),
        _ => Err("expected an address to listen at, as 127.0.0.1:9187, [::1]:9187 or :9187".into()),
    }
}

/// More threads than this are a slip of the finger.
const MAX_THREADS: usize = 256;

/// A number of threads to work on.
pub(crate) fn threads(text: &str) -> Result<NonZeroUsize, String> {
    let number = text.parse::<NonZeroUsize>().ok();
    number
        .filter(|number| number.get() <= MAX_THREADS)
        .ok_or_else(|| format!("expected a number of threads from 1 to {MAX_THREADS}, as 4"))
}

/// A name that may stand in a header line (RFC 9110 §5.1).
pub(crate) fn field_name(text: &str) -> Result<String, String> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_token) {
        return Ok(text.to_string());
    }
    Err("expected the name of a header, as X-Real-IP".into())
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
            ("1.5s", Some(1500)),
            ("2d", Some(172_800_000)),
            ("1h 1sec", Some(3_601_000)),
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
}
