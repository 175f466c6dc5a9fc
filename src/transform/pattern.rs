//! Rules as they are typed: `name:regex`, `name:25%` and `10%`.

use std::str::FromStr;

use regex::bytes::Regex;

use crate::error::BadRule;
use crate::http::is_token_byte;

/// A pattern as it is typed.
pub fn pattern(text: &str) -> Result<Regex, BadRule> {
    Regex::new(text).map_err(|error| BadRule::pattern(text, 0, &error))
}

/// `name`, which is part of `text`, if a header may be called so (RFC 9110 §5.1).
pub(super) fn header_name(text: &str, name: &str) -> Result<String, BadRule> {
    if name.is_empty() {
        return Err(BadRule::new(text, 0, "the header's name is missing"));
    }
    match name.char_indices().find(|&(_, c)| !u8::try_from(c).is_ok_and(is_token_byte)) {
        Some((at, _)) => {
            let start = text.find(name).unwrap_or(0);
            Err(BadRule::new(text, start + at, "this character cannot stand in a header's name"))
        }
        None => Ok(name.to_owned()),
    }
}

/// A header's name and what one of its values must match, typed `name:regex`.
#[derive(Clone, Debug)]
pub struct HeaderPattern {
    /// Compared without regard to case.
    pub name: String,
    /// Searched for in each value of that name.
    pub value: Regex,
}

impl FromStr for HeaderPattern {
    type Err = BadRule;

    /// The first colon splits; white space around it is not part of either.
    fn from_str(text: &str) -> Result<Self, BadRule> {
        let (name, start) = split(text, "name:regex")?;
        let value = Regex::new(&text[start..]).map_err(|error| BadRule::pattern(text, start, &error))?;
        Ok(HeaderPattern { name: header_name(text, name)?, value })
    }
}

/// A name and how much of its values to keep, typed `name:25%` or `name:1/4`.
///
/// A value is always in or always out: what counts is its hash, so that all
/// requests of one user stay together.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NamedShare {
    /// Of a header (in any case) or of a query parameter.
    pub name: String,
    /// 0 to 100.
    pub percent: u32,
}

impl NamedShare {
    /// Whether `value` belongs to the share: FNV-1a of 32 bits, modulo 100, as
    /// GoReplay has it.
    pub fn contains(&self, value: &[u8]) -> bool {
        fnv1a(value) % 100 < self.percent
    }
}

impl FromStr for NamedShare {
    type Err = BadRule;

    fn from_str(text: &str) -> Result<Self, BadRule> {
        const FORM: &str = "name:25% or name:1/4";
        let (name, start) = split(text, FORM)?;
        let share = &text[start..];
        let percent = match (share.strip_suffix('%'), share.split_once('/')) {
            (Some(number), _) => number.trim_end().parse::<u32>().ok(),
            // A third is 33 percent.
            (None, Some(_)) => {
                fraction(share).and_then(|(part, whole)| u32::try_from(part * 100 / whole).ok())
            }
            (None, None) => None,
        };
        let percent = percent.filter(|&percent| percent <= 100);
        percent.map(|percent| NamedShare { name: name.to_owned(), percent }).ok_or_else(|| {
            let reason = format!("expected {FORM}, in whole percents from 0% to 100%");
            BadRule::new(text, start, reason)
        })
    }
}

/// How much of the exchanges to keep, typed `10%`, `0.5%` or `1/4`.
///
/// An id is always in or always out, so that an exchange stays whole and the
/// same sample is taken again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sample {
    /// Hashes below this are in, out of 2⁶⁴.
    below: u128,
}

impl Sample {
    /// Whether the exchange with this id is in the sample: the FNV-1a hash of
    /// 64 bits of the id, its bits mixed once more, is below that share of 2⁶⁴.
    pub fn contains(&self, id: &[u8]) -> bool {
        let hash = id.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        // The finaliser of MurmurHash3: FNV's upper bits hardly depend on the last bytes.
        let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        let hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        u128::from(hash ^ (hash >> 33)) < self.below
    }
}

impl FromStr for Sample {
    type Err = BadRule;

    fn from_str(text: &str) -> Result<Self, BadRule> {
        const ALL: f64 = 18_446_744_073_709_551_616.0;
        let below = match (text.strip_suffix('%'), fraction(text)) {
            (Some(number), _) => {
                let percent = number.trim_end().parse::<f64>().ok();
                percent.filter(|percent| (0.0..=100.0).contains(percent)).map(|p| (p / 100.0 * ALL) as u128)
            }
            (None, Some((part, whole))) if part <= whole => {
                Some((u128::from(part) << 64) / u128::from(whole))
            }
            (None, _) => None,
        };
        let reason = "expected a share from 0% to 100%, as 10%, 0.5% or 1/4";
        below.map(|below| Sample { below }).ok_or_else(|| BadRule::new(text, 0, reason))
    }
}

/// `1/4` as its two numbers, of which the second is not 0.
fn fraction(text: &str) -> Option<(u64, u64)> {
    let (part, whole) = text.split_once('/')?;
    let part = part.trim_end().parse::<u32>().ok()?;
    let whole = whole.trim_start().parse::<u32>().ok().filter(|&whole| whole > 0)?;
    Some((part.into(), whole.into()))
}

/// The name before the first colon, and where what follows it begins.
fn split<'a>(text: &'a str, form: &str) -> Result<(&'a str, usize), BadRule> {
    let Some(colon) = text.find(':') else {
        return Err(BadRule::new(text, text.len(), format!("there is no colon; expected {form}")));
    };
    let name = text[..colon].trim();
    if name.is_empty() {
        return Err(BadRule::new(text, 0, format!("the name before the colon is missing; expected {form}")));
    }
    Ok((name, text.len() - text[colon + 1..].trim_start().len()))
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
            let share = text.parse::<NamedShare>().ok();
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

    #[test]
    fn samples_are_percents_or_fractions_and_take_about_that_much() {
        let ids: Vec<String> = (0..20_000).map(|id| format!("{id:024x}")).collect();
        for (text, expected) in [
            ("10%", Some(2000)),
            ("0.5%", Some(100)),
            ("1/4", Some(5000)),
            (" 1 / 4", None),
            ("1 / 4", Some(5000)),
            ("0%", Some(0)),
            ("100%", Some(20_000)),
            ("1/1", Some(20_000)),
            ("101%", None),
            ("5/4", None),
            ("1/0", None),
            ("-1%", None),
            ("NaN%", None),
            ("10", None),
            ("", None),
        ] {
            let sample = text.parse::<Sample>().ok();
            let taken = sample.map(|sample| ids.iter().filter(|id| sample.contains(id.as_bytes())).count());
            match (taken, expected) {
                (Some(taken), Some(expected)) => {
                    let slack = if expected % 20_000 == 0 { 0 } else { 20 + expected / 20 };
                    assert!(taken.abs_diff(expected) <= slack, "{text:?}: {taken}");
                }
                _ => assert_eq!(taken, expected, "{text:?}"),
            }
        }
    }

    #[test]
    fn what_does_not_parse_has_a_caret_under_the_fault() {
        let header = |text: &str| text.parse::<HeaderPattern>().unwrap_err().at;
        let share = |text: &str| text.parse::<NamedShare>().unwrap_err().at;
        assert_eq!((header("Host"), header(":a"), header("Host: a(")), (4, 0, 7));
        assert_eq!((share("user"), share("user: 101%"), share(" :5%")), (4, 6, 0));
        assert_eq!(pattern("^/a[").unwrap_err().at, 3);
    }
}
