//! Which part of the requests a target gets: all, so many a second, or a percentage.

use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};
use std::str::FromStr;

const SECOND: u64 = 1_000_000_000;

/// Percentages are counted in millionths.
const WHOLE: u32 = 1_000_000;

/// The part of the requests that a target gets.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Share {
    /// Every request.
    #[default]
    All,
    /// At most so many in a second of the schedule; the rest is left out.
    PerSecond(NonZeroU64),
    /// This many of a million requests, evenly spread.
    Part(NonZeroU32),
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Share::All => f.write_str("100%"),
            Share::PerSecond(number) => write!(f, "{number} a second"),
            Share::Part(millionths) => write!(f, "{}%", f64::from(millionths.get()) / 1e4),
        }
    }
}

/// `10` (a second) or `10%`.
impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected =
            || format!("expected a share, as |10 (requests a second) or |10%, not {:?}", format!("|{text}"));
        if let Some(percent) = text.strip_suffix('%') {
            if !percent.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
                return Err(expected());
            }
            let percent: f64 = percent.parse().map_err(|_| expected())?;
            let millionths = (percent * 1e4).round();
            if millionths > f64::from(WHOLE) {
                return Err(expected());
            }
            return NonZeroU32::new(millionths as u32).map(Share::Part).ok_or_else(expected);
        }
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(expected());
        }
        text.parse().ok().and_then(NonZeroU64::new).map(Share::PerSecond).ok_or_else(expected)
    }
}

/// Lets a [`Share`] of requests through.
#[derive(Clone, Debug, Default)]
pub struct ShareGate {
    share: Share,
    /// The second that is counted, and how many were let through in it.
    second: u64,
    passed: u64,
    /// What is owed of a whole request, in millionths.
    owed: u32,
}

impl ShareGate {
    /// A gate that has seen nothing.
    pub fn new(share: Share) -> Self {
        // The first one passes, as with `|1%` of a recording of one request one is expected to be sent.
        let owed = match share {
            Share::Part(millionths) => WHOLE - millionths.get(),
            _ => 0,
        };
        ShareGate { share, owed, ..ShareGate::default() }
    }

    /// Whether the next request passes, which is due so many nanoseconds after the first one.
    pub fn admits(&mut self, due: u64) -> bool {
        match self.share {
            Share::All => true,
            Share::PerSecond(most) => {
                let second = due / SECOND;
                if second != self.second {
                    (self.second, self.passed) = (second, 0);
                }
                self.passed += 1;
                self.passed <= most.get()
            }
            Share::Part(millionths) => {
                self.owed += millionths.get();
                let passes = self.owed >= WHOLE;
                if passes {
                    self.owed -= WHOLE;
                }
                passes
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_percentage_is_spread_evenly_behind_the_first(millionths in 1..=WHOLE, count in 1..3000_u64) {
            let mut gate = ShareGate::new(Share::Part(NonZeroU32::new(millionths).unwrap()));
            let passed = (0..count).filter(|_| gate.admits(0)).count() as u64;
            let exact = (count - 1) * u64::from(millionths) / u64::from(WHOLE) + 1;
            prop_assert_eq!(passed, exact);
        }

        #[test]
        fn no_second_sees_more_than_its_number(
            mut dues in prop::collection::vec(0..20 * SECOND, 0..300), most in 1..20_u64,
        ) {
            dues.sort_unstable();
            let mut gate = ShareGate::new(Share::PerSecond(NonZeroU64::new(most).unwrap()));
            let passed: Vec<u64> = dues.iter().copied().filter(|due| gate.admits(*due)).collect();
            for second in 0..20 {
                let within = |dues: &[u64]| dues.iter().filter(|due| **due / SECOND == second).count() as u64;
                prop_assert_eq!(within(&passed), within(&dues).min(most));
            }
        }
    }

    #[test]
    fn shares_are_written_as_numbers_and_percentages() {
        for (text, shown) in [("10", "10 a second"), ("10%", "10%"), ("0.5%", "0.5%"), ("100%", "100%")] {
            assert_eq!(text.parse::<Share>().unwrap().to_string(), shown);
        }
        for text in ["", "0", "0%", "101%", "-1", "1e3%", "x", "%", "10/s"] {
            let error = text.parse::<Share>().unwrap_err();
            assert!(error.contains("share"), "{text}: {error}");
        }
    }
}
