//! Values on the command line. Clap adds the option and the value to what is
//! said here; nothing that does not parse ever becomes a default.

use std::time::Duration;

use regex::bytes::Regex;

/// A duration: `500ms`, `2s`, `1m30s`, `1h`.
pub fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|_| "a duration looks like 500ms, 2s, 1m30s or 1h".into())
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
    let shift = match unit {
        "" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return None,
    };
    u64::from_str_radix(digits, 16).ok()?.checked_mul(1 << shift)
}

/// A share in percent, from 0 to 100: `25%`, `0.5%`. The sign may be left out.
pub fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).parse::<f64>().ok();
    number
        .filter(|percent| (0.0..=100.0).contains(percent))
        .ok_or_else(|| "a share looks like 25% and is from 0% to 100%".into())
}

/// A speed as a factor of the recorded one: `2x`, `200%`, `0.5`.
pub fn speed(text: &str) -> Result<f64, String> {
    let (number, unit) = match (text.strip_suffix('x'), text.strip_suffix('%')) {
        (Some(number), _) => (number, 1.0),
        (_, Some(number)) => (number, 0.01),
        _ => (text, 1.0),
    };
    let factor = number.parse::<f64>().ok().map(|factor| factor * unit);
    factor
        .filter(|factor| factor.is_finite() && *factor > 0.0)
        .ok_or_else(|| "a speed looks like 2x, 200% or 0.5 and is more than 0".into())
}

/// A regular expression over bytes.
pub fn pattern(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|error| format!("not a regular expression: {}", fault_of(&error)))
}

/// The name of a header field, and what its value is matched against.
#[derive(Clone, Debug)]
pub struct NamePattern {
    /// The field's name as it was written.
    pub name: String,
    /// The expression after the first colon.
    pub pattern: Regex,
}

/// A header field's name and a regular expression: `name:regex`. The first
/// colon divides them; white space around it is left out.
pub fn name_pattern(text: &str) -> Result<NamePattern, String> {
    let (name, expression) = text.split_once(':').unwrap_or_default();
    let name = name.trim();
    if name.is_empty() || name.contains(char::is_whitespace) {
        return Err("a header rule looks like name:regex, as in 'User-Agent:curl'".into());
    }
    Ok(NamePattern { name: name.to_owned(), pattern: pattern(expression.trim_start())? })
}

/// The last line of a regex error says what is wrong, the others draw it.
fn fault_of(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}
