//! When each record is due. Arithmetic only: nothing here sleeps or reads a clock.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// Speeds are counted in millionths, so that `0.1` is exactly a tenth.
const UNIT: u64 = 1_000_000;

/// Fastest speed there is: a thousand million times.
const FASTEST: u64 = 1_000_000_000 * UNIT;

/// Time between two rounds of a recording whose requests all have the same
/// timestamp, as recorded: there is no pause in it to go by.
const LONE_ROUND: u64 = 1_000_000_000;

/// How much faster than recorded. `2x`, `200%`, and `2` are the same.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Speed(NonZeroU64);

impl Speed {
    /// As fast as recorded.
    pub const RECORDED: Speed = Speed(NonZeroU64::new(UNIT).unwrap());

    /// How long `recorded` nanoseconds last at this speed, rounded down.
    fn play(self, recorded: u64) -> u64 {
        scale(recorded, UNIT, self.0.get())
    }

    /// How many recorded nanoseconds pass in `played` ones.
    fn unplay(self, played: u64) -> u64 {
        scale(played, self.0.get(), UNIT)
    }
}

/// `value * numerator / denominator`, saturating.
fn scale(value: u64, numerator: u64, denominator: u64) -> u64 {
    if numerator == denominator {
        return value;
    }
    let scaled = u128::from(value) * u128::from(numerator) / u128::from(denominator);
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x", self.0.get() as f64 / UNIT as f64)
    }
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (digits, unit) = match (text.strip_suffix(['x', 'X']), text.strip_suffix('%')) {
            (Some(digits), _) => (digits, UNIT),
            (_, Some(digits)) => (digits, UNIT / 100),
            _ => (text, UNIT),
        };
        let expected = || format!("expected a speed above 0 such as 2x, 200% or 0.5, not {text:?}");
        if !digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
            return Err(expected());
        }
        let factor: f64 = digits.parse().map_err(|_| expected())?;
        let millionths = (factor * unit as f64).round();
        if millionths > FASTEST as f64 {
            return Err(expected());
        }
        NonZeroU64::new(millionths as u64).map(Speed).ok_or_else(expected)
    }
}

/// What the user asked of time.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How much faster than recorded.
    pub speed: Speed,
    /// Longest pause between two requests, as it is waited: after the speed.
    pub max_wait: Option<Duration>,
    /// Everything is due at once.
    pub no_wait: bool,
}

impl Default for Pace {
    fn default() -> Self {
        Pace { speed: Speed::RECORDED, max_wait: None, no_wait: false }
    }
}

/// Turns timestamps into due times: nanoseconds from the first record's.
///
/// A timestamp older than the newest so far is due together with that one,
/// so disorder never stretches time. Due times never go back.
#[derive(Clone, Debug)]
pub struct Timeline {
    pace: Pace,
    /// Longest pause, in recorded time.
    longest: u64,
    /// Recorded time since the very first record, long pauses cut.
    elapsed: u64,
    /// Newest timestamp of this round.
    newest: Option<i64>,
    /// `elapsed` when this round began.
    began: u64,
    /// Records of this round.
    records: u64,
}

impl Timeline {
    /// A timeline that has seen nothing.
    pub fn new(pace: Pace) -> Self {
        let longest = pace.max_wait.map_or(u64::MAX, |wait| {
            let played = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
            pace.speed.unplay(played)
        });
        Timeline { pace, longest, elapsed: 0, newest: None, began: 0, records: 0 }
    }

    /// When a record with this timestamp would be due if it came next.
    pub fn peek(&self, timestamp: i64) -> u64 {
        if self.pace.no_wait {
            return 0;
        }
        self.pace.speed.play(self.elapsed.saturating_add(self.pause(timestamp)))
    }

    /// When the next record, which has this timestamp, is due.
    pub fn due(&mut self, timestamp: i64) -> u64 {
        self.elapsed = self.elapsed.saturating_add(self.pause(timestamp));
        self.newest = Some(self.newest.map_or(timestamp, |newest| newest.max(timestamp)));
        self.records += 1;
        if self.pace.no_wait { 0 } else { self.pace.speed.play(self.elapsed) }
    }

    /// The recording begins again: its first record is due one mean pause
    /// (of the round that ended) after its last.
    pub fn begin_round(&mut self) {
        if self.records == 0 {
            return;
        }
        let length = self.elapsed - self.began;
        let pause = length.checked_div(self.records - 1).filter(|pause| *pause > 0).unwrap_or(LONE_ROUND);
        self.elapsed = self.elapsed.saturating_add(pause.min(self.longest));
        self.began = self.elapsed;
        self.newest = None;
        self.records = 0;
    }

    fn pause(&self, timestamp: i64) -> u64 {
        let Some(newest) = self.newest else { return 0 };
        // The difference of two i64 fits u64 when it is not negative.
        if timestamp <= newest { 0 } else { timestamp.abs_diff(newest).min(self.longest) }
    }
}
