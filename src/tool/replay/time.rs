//! The options of `gor-replay` that say when requests are due.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::cli::moment::{self, Moment};
use crate::cli::values;
use crate::observe::Count;
use crate::pace::{Pace, Rate, RateRamp, Speed, SpeedRamp, Tempo};
use crate::replay::{NotSelected, RequestSelection, Shard};
use crate::{Error, Result};

/// When requests are due.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Time")]
#[allow(clippy::doc_markdown, reason = "these are help texts")]
pub struct TimeOptions {
    /// Replay at SPEED, as 2x, 200% or 0.5 [default: 1x]
    #[arg(long, value_name = "SPEED", group = "tempo")]
    pub speed: Option<Speed>,
    /// Change the speed linearly over a time, as 1x..10x:10m, then keep it
    #[arg(long, value_name = "RAMP", group = "tempo", hide_short_help = true)]
    pub speed_ramp: Option<SpeedRamp>,
    /// Send requests evenly at RATE, as 500/s, 100/m or 20/h
    ///
    /// They are sent in the recorded order. Recorded times only give the order. No request is left out. A number alone is a rate a second. With --shard, it is
    /// the rate of this part.
    #[arg(long, value_name = "RATE", group = "tempo")]
    pub rate: Option<Rate>,
    /// Change the rate linearly over a time, as 100/s..5000/s:10m, then keep it
    #[arg(long, value_name = "RAMP", group = "tempo", hide_short_help = true)]
    pub rate_ramp: Option<RateRamp>,
    /// Send as fast as the target answers, on all connections
    ///
    /// Each of several targets reads the input at its own pace if it is in files or objects of S3. An input that can be
    /// read only once (a pipe, the network, a topic, --follow) is read ahead of the slowest target by a few blocks of
    /// records, so that all targets go at its pace; likewise with --middleware and --checkpoint. This is reported at
    /// the start. With a schedule, no target waits for another.
    #[arg(long, group = "tempo", conflicts_with = "max_wait")]
    pub no_wait: bool,
    /// Shorten pauses between requests to DURATION
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = values::duration,
        conflicts_with_all = ["rate", "rate_ramp"],
        hide_short_help = true
    )]
    pub max_wait: Option<Duration>,
    /// Send the first request at TIME, as 21:30 or 2026-11-23T09:00:00Z
    #[arg(long, value_name = "TIME", value_parser = values::time, allow_hyphen_values = true, hide_short_help = true)]
    pub start_at: Option<Moment>,
    /// Replay requests recorded at TIME or later (times as in gor-filter)
    #[arg(long, value_name = "TIME", value_parser = values::time, allow_hyphen_values = true, hide_short_help = true)]
    pub since: Option<Moment>,
    /// Replay requests recorded before TIME
    #[arg(long, value_name = "TIME", value_parser = values::time, allow_hyphen_values = true, hide_short_help = true)]
    pub until: Option<Moment>,
    /// Replay part I of N, as 1/3 on the first of three machines; keeps connections together
    ///
    /// Every part reads the whole input, unless the names of files or objects have their part, by %p in gor-record -o,
    /// and INPUT has %p in that place: then only those are read that may have connections of part I. With N = 2, 4, 8 or 16
    /// none is read twice.
    #[arg(long, value_name = "I/N", hide_short_help = true)]
    pub shard: Option<Shard>,
    /// Take the part from the environment: GOR_SHARD_INDEX (from 0) of GOR_SHARD_COUNT
    ///
    /// For the same command on many machines. Without GOR_SHARD_INDEX it is JOB_COMPLETION_INDEX, which indexed Jobs of
    /// Kubernetes have.
    #[arg(long, conflicts_with = "shard", hide_short_help = true)]
    pub shard_from_env: bool,
}

impl TimeOptions {
    /// Which requests are replayed, and when the first one is due.
    pub fn resolve(&self) -> Result<(RequestSelection, Option<i64>)> {
        let now = Timestamp::now().as_nanosecond() as i64;
        let at = |moment: Option<Moment>| moment.map(|moment| moment.resolve(now, &TimeZone::system()));
        let (since, until, start_at) = (at(self.since), at(self.until), at(self.start_at));
        if let (Some(since), Some(until)) = (since, until)
            && since >= until
        {
            let [since, until] = [since, until].map(moment::shown);
            let why = format!("nothing can match: --since ({since}) is not before --until ({until})");
            return Err(Error::Usage(why));
        }
        if let Some(start) = start_at.filter(|start| *start < now) {
            return Err(Error::Usage(format!("--start-at is over: {}", moment::shown(start))));
        }
        Ok((RequestSelection { since, until, shard: self.shard()? }, start_at))
    }

    fn shard(&self) -> Result<Option<Shard>> {
        if !self.shard_from_env {
            return Ok(self.shard);
        }
        let index = ["GOR_SHARD_INDEX", "JOB_COMPLETION_INDEX"];
        let (index_name, index) = number_of(&index)?;
        let (count_name, count) = number_of(&["GOR_SHARD_COUNT"])?;
        let shard = Shard::of_index(index, count).ok_or_else(|| {
            let why = format!(
                "--shard-from-env: {index_name} is {index}, but there are only {count} parts ({count_name})"
            );
            Error::Usage(why)
        })?;
        Ok(Some(shard))
    }

    /// The same in the library's words.
    pub fn pace(&self) -> Pace {
        let by_rate = self.rate.map(Tempo::Rate).or(self.rate_ramp.map(Tempo::RateRamp));
        let no_wait = self.no_wait.then_some(Tempo::NoWait);
        let tempo = no_wait
            .or(by_rate)
            .or(self.speed_ramp.map(Tempo::SpeedRamp))
            .unwrap_or(Tempo::Speed(self.speed.unwrap_or(Speed::RECORDED)));
        Pace { tempo, max_wait: self.max_wait }
    }
}

/// The first of these variables of the environment that is set, and the number that it has.
fn number_of<'a>(names: &[&'a str]) -> Result<(&'a str, u64)> {
    let found = names.iter().find_map(|name| Some((*name, std::env::var_os(name)?)));
    let Some((name, value)) = found else {
        return Err(Error::Usage(format!("--shard-from-env: {} is not set", names.join(" or "))));
    };
    let number = value.to_str().and_then(|value| value.parse().ok());
    let number = number.ok_or_else(|| {
        Error::Usage(format!("--shard-from-env: {name} is not a number: {}", value.display()))
    })?;
    Ok((name, number))
}

/// Why a replay has nothing to do.
pub(super) fn nothing_to_replay(selection: &RequestSelection, missed: &NotSelected) -> String {
    if missed.number == 0 {
        return "nothing to replay: there is no request in the input".to_owned();
    }
    let RequestSelection { since, until, shard } = selection;
    let options = [("--since", since.is_some()), ("--until", until.is_some()), ("--shard", shard.is_some())];
    let given: Vec<_> = options.iter().filter_map(|(name, is_given)| is_given.then_some(*name)).collect();
    let span = missed.times.filter(|_| since.is_some() || until.is_some()).map_or(String::new(), |times| {
        let [first, last] = times.map(moment::shown);
        format!("; they were recorded from {first} to {last}")
    });
    let requests = Count(missed.number, "request");
    format!("nothing to replay: none of {requests} is selected by {}{span}", given.join(" and "))
}
