//! When each record is due. Arithmetic only: nothing here sleeps or reads a clock.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;
use std::time::Duration;

mod ramp;
mod share;
#[cfg(test)]
mod tests;

pub use ramp::{Rate, RateRamp, SpeedRamp};
pub use share::{Share, ShareGate};

use ramp::Ramp;

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

    /// The speed as a number, 1 as recorded.
    fn factor(self) -> f64 {
        self.0.get() as f64 / UNIT as f64
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
        let expected = || format!("expected a speed above 0, as 2x, 200% or 0.5, not {text:?}");
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

/// What decides when requests are due.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tempo {
    /// The recorded times, so much faster.
    Speed(Speed),
    /// The recorded times, at a speed that changes.
    SpeedRamp(SpeedRamp),
    /// So many requests in a second, evenly spread, in the recorded order.
    Rate(Rate),
    /// A rate that changes.
    RateRamp(RateRamp),
    /// Everything is due at once.
    NoWait,
}

impl fmt::Display for Tempo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Tempo::Speed(speed) => speed.fmt(f),
            Tempo::SpeedRamp(ramp) => ramp.fmt(f),
            Tempo::Rate(rate) => rate.fmt(f),
            Tempo::RateRamp(ramp) => ramp.fmt(f),
            Tempo::NoWait => f.write_str("full speed"),
        }
    }
}

/// What the user asked of time.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// What decides when requests are due.
    pub tempo: Tempo,
    /// Longest pause between two requests, as it is waited: after the speed. Rates know none.
    pub max_wait: Option<Duration>,
}

impl Pace {
    /// Whether everything is due at once.
    pub fn is_no_wait(&self) -> bool {
        self.tempo == Tempo::NoWait
    }
}

impl Default for Pace {
    fn default() -> Self {
        Pace { tempo: Tempo::Speed(Speed::RECORDED), max_wait: None }
    }
}

/// Longer pauses are none: the time of a record was not known, or its clock not set.
const LONGEST_PAUSE: i64 = 10 * 365 * 86_400 * 1_000_000_000;

/// Takes pauses of decades out of timestamps, in the order in which records are due.
#[derive(Clone, Copy, Debug, Default)]
pub struct KnownTime {
    last: Option<i64>,
    skipped: i64,
}

impl KnownTime {
    /// The timestamp without such pauses before it.
    pub fn of(&mut self, timestamp: i64) -> i64 {
        let last = self.last.replace(timestamp).unwrap_or(timestamp);
        let pause = timestamp.saturating_sub(last);
        if pause > LONGEST_PAUSE {
            self.skipped = self.skipped.saturating_add(pause);
        }
        timestamp.saturating_sub(self.skipped)
    }
}

/// Turns timestamps into due times: nanoseconds from the first record's.
///
/// A timestamp older than the newest so far is due together with that one,
/// so disorder never stretches time. Due times never go back.
#[derive(Clone, Debug)]
pub struct Timeline {
    tempo: Tempo,
    /// Longest pause, in played time.
    max_wait: Option<u64>,
    /// How much faster than the others the input is played that is read now.
    input_speed: Speed,
    /// Recorded time since the very first record, long pauses cut.
    elapsed: u64,
    /// Newest timestamp of this round.
    newest: Option<i64>,
    /// `elapsed` when this round began.
    began: u64,
    /// Records of this round, and of all rounds.
    records: u64,
    all_records: u64,
}

impl Timeline {
    /// A timeline that has seen nothing.
    pub fn new(pace: Pace) -> Self {
        let max_wait = pace.max_wait.map(|wait| u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX));
        Timeline {
            tempo: pace.tempo,
            max_wait,
            input_speed: Speed::RECORDED,
            elapsed: 0,
            newest: None,
            began: 0,
            records: 0,
            all_records: 0,
        }
    }

    /// The records that follow come from an input with a speed of its own, which multiplies the other.
    pub fn set_input_speed(&mut self, speed: Speed) {
        self.input_speed = speed;
    }

    /// When a record with this timestamp would be due if it came next.
    pub fn peek(&self, timestamp: i64) -> u64 {
        self.play(self.after_pause(timestamp), self.all_records)
    }

    /// When the next record, which has this timestamp, is due.
    pub fn due(&mut self, timestamp: i64) -> u64 {
        self.elapsed = self.after_pause(timestamp);
        self.newest = Some(self.newest.map_or(timestamp, |newest| newest.max(timestamp)));
        let due = self.play(self.elapsed, self.all_records);
        self.records += 1;
        self.all_records += 1;
        due
    }

    /// How long a pause of so many recorded nanoseconds lasts here. Where there is no such thing, as with a rate, it
    /// stays as it is.
    pub fn pause(&self, recorded: u64) -> u64 {
        let recorded = self.input_speed.play(recorded);
        let played = match self.tempo {
            Tempo::Speed(speed) => speed.play(recorded),
            Tempo::SpeedRamp(SpeedRamp(ramp)) => {
                let end = ramp.time_of(self.elapsed.saturating_add(recorded) as f64);
                (end - ramp.time_of(self.elapsed as f64)) as u64
            }
            Tempo::Rate(_) | Tempo::RateRamp(_) => recorded,
            Tempo::NoWait => 0,
        };
        played.min(self.max_wait.unwrap_or(u64::MAX))
    }

    /// The recording begins again: its first record is due one mean pause
    /// (of the round that ended) after its last.
    pub fn begin_round(&mut self) {
        if self.records == 0 {
            return;
        }
        let length = self.elapsed - self.began;
        let pause = length.checked_div(self.records - 1).filter(|pause| *pause > 0).unwrap_or(LONE_ROUND);
        self.elapsed = self.cut(pause);
        self.began = self.elapsed;
        self.newest = None;
        self.records = 0;
    }

    /// When the last record of so many rounds is due, of which this has seen the first; none where it has no record.
    ///
    /// With a speed that changes and a longest pause, later rounds are taken to be as long as the first.
    pub fn end_of_rounds(&self, rounds: u64) -> Option<u64> {
        let last = self.all_records.saturating_mul(rounds).checked_sub(1)?;
        let mut next = self.clone();
        next.begin_round();
        let later = rounds.saturating_sub(1).saturating_mul(next.began - self.began);
        Some(self.play(self.elapsed.saturating_add(later), last))
    }

    /// When a record is due that stands there in recorded time, and behind so many others.
    fn play(&self, elapsed: u64, before: u64) -> u64 {
        let by_rate = |ramp: Ramp| ramp.time_of(before as f64) as u64;
        match self.tempo {
            Tempo::Speed(speed) => speed.play(elapsed),
            Tempo::SpeedRamp(SpeedRamp(ramp)) => ramp.time_of(elapsed as f64) as u64,
            Tempo::Rate(rate) => by_rate(rate.ramp()),
            Tempo::RateRamp(RateRamp(ramp)) => by_rate(ramp),
            Tempo::NoWait => 0,
        }
    }

    /// Recorded time at a record that comes next and has this timestamp.
    fn after_pause(&self, timestamp: i64) -> u64 {
        let Some(newest) = self.newest else { return self.elapsed };
        if timestamp <= newest {
            return self.elapsed;
        }
        // The difference of two i64 fits u64 when it is not negative.
        self.cut(self.input_speed.play(timestamp.abs_diff(newest)))
    }

    /// Recorded time after a pause, which is no longer than what is waited at most.
    fn cut(&self, pause: u64) -> u64 {
        let end = self.elapsed.saturating_add(pause);
        match (self.tempo, self.max_wait) {
            (Tempo::Speed(speed), Some(wait)) => end.min(self.elapsed.saturating_add(speed.unplay(wait))),
            (Tempo::SpeedRamp(SpeedRamp(ramp)), Some(wait)) => {
                let latest = ramp.amount_at(ramp.time_of(self.elapsed as f64) + wait as f64);
                end.min((latest as u64).max(self.elapsed))
            }
            _ => end,
        }
    }
}
