//! Rules as they are typed: `name:regex` and `name:25%`.

use std::str::FromStr;

use regex::bytes::Regex;

/// A header's name and what one of its values must match, typed `name:regex`.
#[derive(Clone, Debug)]
pub struct HeaderPattern {
    /// Compared without regard to case.
    pub name: String,
    /// Searched for in each value of that name.
    pub value: Regex,
}

impl FromStr for HeaderPattern {
    type Err = String;

    /// The first colon splits; white space around it is not part of either.
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, pattern) = split(text, "name:regex")?;
        let value = Regex::new(pattern).map_err(|error| error.to_string())?;
        Ok(HeaderPattern { name: name.to_owned(), value })
    }
}

/// A name and how much of its values to keep, typed `name:25%` or `name:1/4`.
///
/// A value is always in or always out: what counts is its hash, so that all
/// requests of one user stay together.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Share {
    /// Of a header (in any case) or of a query parameter.
    pub name: String,
    /// 0 to 100.
    pub percent: u32,
}

impl Share {
    /// Whether `value` belongs to the share: FNV-1a of 32 bits, modulo 100, as
    /// GoReplay has it.
    pub fn contains(&self, value: &[u8]) -> bool {
        fnv1a(value) % 100 < self.percent
    }
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const FORM: &str = "name:25% or name:1/4";
        let (name, share) = split(text, FORM)?;
        let percent = match (share.strip_suffix('%'), share.split_once('/')) {
            (Some(number), _) => number.trim_end().parse::<u32>().ok(),
            (None, Some((part, whole))) => {
                let part = part.trim_end().parse::<u32>().ok();
                let whole = whole.trim_start().parse::<u32>().ok().filter(|&whole| whole > 0);
                // A third is 33 percent.
                part.zip(whole)
                    .and_then(|(part, whole)| u32::try_from(u64::from(part) * 100 / u64::from(whole)).ok())
            }
            (None, None) => None,
        };
        match percent {
            Some(percent @ 0..=100) => Ok(Share { name: name.to_owned(), percent }),
            _ => Err(format!("'{share}' is not a share; expected {FORM}, whole percents from 0% to 100%")),
        }
    }
}

/// The name before the first colon and what follows it.
fn split<'a>(text: &'a str, form: &str) -> Result<(&'a str, &'a str), String> {
    match text.split_once(':') {
        Some((name, rest)) if !name.trim().is_empty() => Ok((name.trim(), rest.trim_start())),
        Some(_) => Err(format!("the name before the colon is missing; expected {form}")),
        None => Err(format!("there is no colon; expected {form}")),
    }
}

/// The FNV-1a hash of 32 bits.
fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv_1a() {
        for (text, hash) in [("", 0x811c_9dc5), ("a", 0xe40c_292c), ("foobar", 0xbf9c_f968)] {
            assert_eq!(fnv1a(text.as_bytes()), hash, "{text}");
        }
    }

    #[test]
    fn shares_are_percents_or_fractions() {
        for (text, expected) in [
            ("user-id:25%", Some(("user-id", 25))),
            (" user-id : 25 %", Some(("user-id", 25))),
            ("user-id:0%", Some(("user-id", 0))),
            ("user-id:100%", Some(("user-id", 100))),
            ("user-id:1/3", Some(("user-id", 33))),
            ("user-id:2/2", Some(("user-id", 100))),
            ("user-id:101%", None),
            ("user-id:3/2", None),
            ("user-id:1/0", None),
            ("user-id:4294967295/1", None),
            ("user-id:-1%", None),
            ("user-id:2.5%", None),
            ("user-id:25", None),
            ("user-id:%", None),
            ("user-id:", None),
            (":25%", None),
            ("user-id", None),
            ("", None),
        ] {
            let share = text.parse::<Share>().ok();
            assert_eq!(share.as_ref().map(|share| (&*share.name, share.percent)), expected, "{text:?}");
        }
    }

    #[test]
    fn header_patterns_are_split_at_the_first_colon() {
        for (text, expected) in [
            ("Host:^a:80$", Some(("Host", "^a:80$"))),
            ("Host: a", Some(("Host", "a"))),
            ("Host:", Some(("Host", ""))),
            ("Host", None),
            (": a", None),
            ("Host:(a", None),
        ] {
            let pattern = text.parse::<HeaderPattern>().ok();
            assert_eq!(pattern.as_ref().map(|p| (&*p.name, p.value.as_str())), expected, "{text:?}");
        }
    }
}
