//! Durations, sizes and counts as people read them: the same form in every tool's output.

use std::fmt;

/// Shows nanoseconds with three digits and a unit that options take too: `850us`, `12.3ms`, `4.56s`, `2m05s`, `3h07m`.
#[derive(Clone, Copy, Debug)]
pub struct Span(pub u64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanoseconds = self.0 as f64;
        let seconds = nanoseconds / 1e9;
        let text = match seconds {
            _ if self.0 == 0 => "0s".to_owned(),
            _ if self.0 < 1000 => format!("{}ns", self.0),
            _ if seconds < 999.5e-6 => three(nanoseconds / 1e3, "us"),
            _ if seconds < 0.9995 => three(nanoseconds / 1e6, "ms"),
            _ if seconds < 99.95 => three(seconds, "s"),
            _ if seconds < 5970.0 => {
                let seconds = seconds.round() as u64;
                format!("{}m{:02}s", seconds / 60, seconds % 60)
            }
            _ => format!("{}h{:02}m", seconds as u64 / 3600, seconds as u64 % 3600 / 60),
        };
        f.pad(&text)
    }
}

fn three(number: f64, unit: &str) -> String {
    let digits = if number < 9.995 { 2 } else { usize::from(number < 99.95) };
    format!("{number:.digits$}{unit}")
}

/// Shows a number of bytes in at most five characters, by powers of ten: `0B`, `999B`, `1.2kB`, `35kB`, `1.0MB`.
#[derive(Clone, Copy, Debug)]
pub struct Size(pub u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1000 {
            return f.pad(&format!("{}B", self.0));
        }
        let (mut number, mut unit) = (self.0 as f64 / 1e3, 0);
        let units = ["kB", "MB", "GB", "TB", "PB", "EB"];
        while number >= 999.5 && unit + 1 < units.len() {
            number /= 1e3;
            unit += 1;
        }
        let digits = usize::from(number < 9.95);
        f.pad(&format!("{number:.digits$}{}", units[unit]))
    }
}

/// Shows how many there are of something named by a noun that has a plural with s: `0 requests`, `1 request`.
#[derive(Clone, Copy, Debug)]
pub struct Count<'a>(pub u64, pub &'a str);

impl fmt::Display for Count<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Count(number, noun) = self;
        write!(f, "{number} {noun}{}", if *number == 1 { "" } else { "s" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_three_digits_and_a_unit() {
        for (nanoseconds, expected) in [
            (0, "0s"),
            (7, "7ns"),
            (999, "999ns"),
            (1_234, "1.23us"),
            (86_240, "86.2us"),
            (850_000, "850us"),
            (999_600, "1.00ms"),
            (12_345_678, "12.3ms"),
            (456_700_000, "457ms"),
            (999_700_000, "1.00s"),
            (4_560_000_000, "4.56s"),
            (61_000_000_000, "61.0s"),
            (125_000_000_000, "2m05s"),
            (11_220_000_000_000, "3h07m"),
            (u64::MAX, "5124095h34m"),
        ] {
            assert_eq!(Span(nanoseconds).to_string(), expected, "{nanoseconds}");
        }
        assert_eq!(format!("{:>7}|{:<7}|", Span(850_000), Span(850_000)), "  850us|850us  |");
    }

    #[test]
    fn a_size_has_five_characters_at_most() {
        for (bytes, expected) in [
            (0, "0B"),
            (999, "999B"),
            (1000, "1.0kB"),
            (1234, "1.2kB"),
            (9_960, "10kB"),
            (35_000, "35kB"),
            (999_499, "999kB"),
            (999_500, "1.0MB"),
            (1 << 30, "1.1GB"),
            (u64::MAX, "18EB"),
        ] {
            assert_eq!(Size(bytes).to_string(), expected);
        }
        assert_eq!(format!("{:>5}|", Size(7)), "   7B|");
    }

    #[test]
    fn one_thing_has_no_plural() {
        for (number, expected) in [(0, "0 requests"), (1, "1 request"), (2, "2 requests")] {
            assert_eq!(Count(number, "request").to_string(), expected);
        }
    }
}
