//! Speeds and rates that change over time.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::Speed;

const SECOND: f64 = 1e9;

/// Something that flows at a speed which changes evenly from one value to another, and then stays.
///
/// What flows may be requests, or recorded time. A rate of 0 at the end is not allowed: what is still to come would
/// never be due.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ramp {
    /// How much flows in a nanosecond at the beginning and at the end.
    from: f64,
    to: f64,
    /// Nanoseconds from one to the other.
    over: f64,
}

impl Ramp {
    /// A flow that does not change. `rate` is for a nanosecond.
    fn constant(rate: f64) -> Self {
        Ramp { from: rate, to: rate, over: 0.0 }
    }

    /// How much has flowed when the ramp is over.
    fn whole(&self) -> f64 {
        f64::midpoint(self.from, self.to) * self.over
    }

    /// After how many nanoseconds this much has flowed.
    pub(super) fn time_of(&self, amount: f64) -> f64 {
        let whole = self.whole();
        if amount >= whole {
            return self.over + (amount - whole) / self.to;
        }
        if amount <= 0.0 {
            return 0.0;
        }
        // The root of from·t + (to - from)/(2·over)·t² = amount, in the form that loses no digits.
        let growth = (self.to - self.from) / self.over;
        let root = (self.from * self.from + 2.0 * growth * amount).max(0.0).sqrt();
        2.0 * amount / (self.from + root)
    }

    /// How much has flowed after so many nanoseconds.
    pub(super) fn amount_at(&self, time: f64) -> f64 {
        if time >= self.over {
            return self.whole() + (time - self.over) * self.to;
        }
        (self.from + (self.to - self.from) / self.over * time / 2.0) * time
    }
}

/// Requests in a given time: `100/s`, `6000/m`, or `100`, which is for a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    per_second: f64,
}

impl Rate {
    /// Requests a second.
    pub fn per_second(self) -> f64 {
        self.per_second
    }

    pub(super) fn ramp(self) -> Ramp {
        Ramp::constant(self.per_second / SECOND)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", self.per_second)
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rate = rate(text)?;
        if rate.per_second == 0.0 { Err(expected_rate(text)) } else { Ok(rate) }
    }
}

fn expected_rate(text: &str) -> String {
    format!("expected a rate, as 500/s, 100/m or 0.5/s, not {text:?}")
}

fn rate(text: &str) -> Result<Rate, String> {
    let (digits, seconds) = match text.split_once('/') {
        None | Some((_, "s")) => (text.split('/').next().unwrap_or(text), 1.0),
        Some((digits, "m" | "min")) => (digits, 60.0),
        Some((digits, "h")) => (digits, 3600.0),
        Some(_) => return Err(expected_rate(text)),
    };
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number: f64 = digits.parse().ok().filter(|_| is_number).ok_or_else(|| expected_rate(text))?;
    if number > 1e9 {
        return Err(format!("{text:?} is more than a thousand million requests a second"));
    }
    Ok(Rate { per_second: number / seconds })
}

/// A rate that changes: `100/s..5000/s:10m`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateRamp(pub(super) Ramp);

impl fmt::Display for RateRamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ramp { from, to, over } = self.0;
        write!(f, "{}/s to {}/s within {} s", from * SECOND, to * SECOND, over / SECOND)
    }
}

impl FromStr for RateRamp {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = |why: String| format!("{why}; expected FROM..TO:DURATION, as 100/s..5000/s:10m");
        let (from, to, over) = split(text).map_err(expected)?;
        let (from, to) = (rate(from).map_err(expected)?, rate(to).map_err(expected)?);
        if to.per_second == 0.0 {
            return Err(expected("a rate of 0 at the end sends nothing more".into()));
        }
        Ok(RateRamp(Ramp { from: from.per_second / SECOND, to: to.per_second / SECOND, over }))
    }
}

/// A speed that changes: `1x..10x:10m`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SpeedRamp(pub(super) Ramp);

impl fmt::Display for SpeedRamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ramp { from, to, over } = self.0;
        write!(f, "{from}x to {to}x within {} s", over / SECOND)
    }
}

impl FromStr for SpeedRamp {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = |why: String| format!("{why}; expected FROM..TO:DURATION, as 1x..10x:10m");
        let (from, to, over) = split(text).map_err(expected)?;
        let speed = |text: &str| text.parse::<Speed>().map_err(expected);
        Ok(SpeedRamp(Ramp { from: speed(from)?.factor(), to: speed(to)?.factor(), over }))
    }
}

/// Both ends, and the nanoseconds between them.
fn split(text: &str) -> Result<(&str, &str, f64), String> {
    let parts = text.split_once("..").and_then(|(from, rest)| {
        let (to, over) = rest.rsplit_once(':')?;
        Some((from, to, over))
    });
    let (from, to, over) = parts.ok_or_else(|| format!("{text:?} is not a ramp"))?;
    let over: Duration = over
        .parse::<jiff::SignedDuration>()
        .ok()
        .and_then(|over| over.try_into().ok())
        .ok_or_else(|| format!("{over:?} is not a duration"))?;
    if over.is_zero() {
        return Err("a ramp takes longer than 0s".to_owned());
    }
    Ok((from, to, over.as_nanos() as f64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn time_and_amount_are_each_others_inverse(
            from in 0.0..10.0_f64, to in 0.001..10.0_f64, over in 1.0..1e12_f64, at in 0.0..3.0_f64,
        ) {
            let ramp = Ramp { from, to, over };
            let time = at * over;
            let amount = ramp.amount_at(time);
            let back = ramp.time_of(amount);
            prop_assert!((back - time).abs() <= 1e-6 * over + 1.0, "{time} came back as {back}");
        }

        #[test]
        fn more_never_takes_less_time(
            from in 0.0..10.0_f64, to in 0.001..10.0_f64, over in 1.0..1e12_f64,
            mut amounts in prop::collection::vec(0.0..1e13_f64, 2..50),
        ) {
            let ramp = Ramp { from, to, over };
            amounts.sort_by(f64::total_cmp);
            let times: Vec<f64> = amounts.iter().map(|amount| ramp.time_of(*amount)).collect();
            prop_assert!(times.is_sorted(), "{times:?}");
        }
    }

    #[test]
    fn a_ramp_sends_the_mean_of_its_ends() {
        let RateRamp(ramp) = "100/s..300/s:10s".parse().unwrap();
        assert_eq!(ramp.amount_at(10.0 * SECOND).round() as u64, 2000);
        assert_eq!(ramp.time_of(2300.0).round() as u64, 11 * SECOND as u64);
        let RateRamp(ramp) = "0..10:1m".parse().unwrap();
        assert_eq!(ramp.time_of(0.0) as u64, 0);
        assert!((ramp.time_of(300.0) - 60.0 * SECOND).abs() < 1.0);
    }

    #[test]
    fn what_is_no_ramp_or_rate_is_refused_in_words() {
        for text in [
            "",
            "100/s",
            "100/s..:1m",
            "1/s..0/s:1m",
            "1..2",
            "1..2:",
            "1..2:0s",
            "1..2:-1s",
            "x..2:1s",
            "1/d..2:1s",
        ] {
            let error = text.parse::<RateRamp>().unwrap_err();
            assert!(error.contains("expected FROM..TO:DURATION"), "{text}: {error}");
        }
        assert!("1x..10x:1m".parse::<SpeedRamp>().is_ok());
        assert!("0x..10x:1m".parse::<SpeedRamp>().is_err());
        for text in ["", "0", "0/s", "1/d", "-1/s", "1e3", "x/s", "inf", "2000000000/s"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
        for (text, shown) in [("500/s", "500/s"), ("120/m", "2/s"), ("0.5", "0.5/s"), ("3600/h", "1/s")] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), shown);
        }
    }
}
