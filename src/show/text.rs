//! Bytes of a recording as text that may go to a terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Bytes as text: what is not printable, or not UTF-8, becomes `\xNN` or `\u{NN}`, so that no escape sequence of a
/// recording reaches a terminal, and no sign changes the direction of what follows.
pub fn printable(bytes: &[u8]) -> Cow<'_, str> {
    escaped(bytes, |_| false)
}

/// The same for text of several lines: line feeds and tabs stay.
pub fn printable_lines(bytes: &[u8]) -> Cow<'_, str> {
    escaped(bytes, |sign| matches!(sign, '\n' | '\t'))
}

fn escaped(bytes: &[u8], stays: impl Fn(char) -> bool) -> Cow<'_, str> {
    if let Ok(text) = str::from_utf8(bytes)
        && text.chars().all(|sign| is_printable(sign) || stays(sign))
    {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        for sign in chunk.valid().chars() {
            // Writing to a string does not fail.
            let _ = match sign {
                _ if is_printable(sign) || stays(sign) => write!(out, "{sign}"),
                '\u{0}'..='\u{7f}' => write!(out, "\\x{:02x}", sign as u32),
                _ => write!(out, "\\u{{{:x}}}", sign as u32),
            };
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    Cow::Owned(out)
}

/// Neither a control character, nor one that changes the direction of text or is a line end to some terminals.
pub(super) fn is_printable(sign: char) -> bool {
    !sign.is_control()
        && !matches!(sign, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// A number of bytes in at most five characters: `0`, `999`, `1.2k`, `35k`, `1.0M`; k is 1024.
pub fn short_size(bytes: u64) -> String {
    scaled(bytes as f64, 1024.0, &["", "k", "M", "G", "T", "P", "E"])
}

fn scaled(number: f64, base: f64, units: &[&str]) -> String {
    let (mut number, mut unit) = (number, 0);
    while number >= 999.5 && unit + 1 < units.len() {
        number /= base;
        unit += 1;
    }
    let name = units.get(unit).copied().unwrap_or_default();
    if unit == 0 || number >= 9.95 { format!("{number:.0}{name}") } else { format!("{number:.1}{name}") }
}

/// A time in three digits and its unit: `850us`, `12.3ms`, `4.56s`, `2m05s`, `3h07m`.
pub fn short_time(nanoseconds: i64) -> String {
    if nanoseconds < 0 {
        return "-".to_owned();
    }
    let seconds = nanoseconds as f64 / 1e9;
    let three = |number: f64, unit: &str| {
        let digits = if number < 9.995 { 2 } else { usize::from(number < 99.95) };
        format!("{number:.digits$}{unit}")
    };
    match seconds {
        _ if seconds < 999.5e-6 => format!("{:.0}us", seconds * 1e6),
        _ if seconds < 0.9995 => three(seconds * 1e3, "ms"),
        _ if seconds < 99.95 => three(seconds, "s"),
        _ if seconds < 5970.0 => {
            format!("{}m{:02}s", seconds.round() as u64 / 60, seconds.round() as u64 % 60)
        }
        _ => format!("{}h{:02}m", seconds as u64 / 3600, seconds as u64 % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_not_printable_is_escaped() {
        for (bytes, line, lines) in [
            (&b"/a b"[..], "/a b", "/a b"),
            ("/käse/🧀".as_bytes(), "/käse/🧀", "/käse/🧀"),
            (b"a\x1b[31mred\x07", "a\\x1b[31mred\\x07", "a\\x1b[31mred\\x07"),
            (b"a\nb\tc\r", "a\\x0ab\\x09c\\x0d", "a\nb\tc\\x0d"),
            (b"\xff\xc3", "\\xff\\xc3", "\\xff\\xc3"),
            ("\u{9b}31m \u{202e}evil".as_bytes(), "\\u{9b}31m \\u{202e}evil", "\\u{9b}31m \\u{202e}evil"),
        ] {
            assert_eq!(printable(bytes), line);
            assert_eq!(printable_lines(bytes), lines);
        }
    }

    proptest! {
        #[test]
        fn no_control_character_is_left(bytes: Vec<u8>) {
            prop_assert!(!printable(&bytes).chars().any(char::is_control));
            prop_assert!(!printable_lines(&bytes).chars().any(|sign| sign.is_control() && sign != '\n' && sign != '\t'));
        }
    }

    #[test]
    fn sizes_and_times_are_short() {
        for (bytes, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1.0k"),
            (1234, "1.2k"),
            (35_000, "34k"),
            (1 << 20, "1.0M"),
            (u64::MAX, "16E"),
        ] {
            assert_eq!(short_size(bytes), text);
        }
        for (time, text) in [
            (-1, "-"),
            (0, "0us"),
            (850_000, "850us"),
            (999_600, "1.00ms"),
            (12_345_678, "12.3ms"),
            (456_700_000, "457ms"),
            (999_700_000, "1.00s"),
            (4_560_000_000, "4.56s"),
            (125_000_000_000, "2m05s"),
            (11_220_000_000_000, "3h07m"),
        ] {
            assert_eq!(short_time(time), text, "{time}");
        }
    }
}
