//! The options of `gor-replay` that are about its report, and what a report says of the other options.

use regex::bytes::Regex;

use super::Args;
use crate::cli::moment;
use crate::observe::Span;
use crate::pace::Tempo;
use crate::replay::{Measures, Settings};
use crate::report::{ReportTime, RunOption, Threshold};
use crate::tool::report::{FAIL_IF_HELP, ReportPath, short};
use crate::tool::show;

/// What is kept of the measurements, and how they are judged.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Report")]
#[allow(clippy::doc_markdown, reason = "these are help texts")]
pub struct MeasuringOptions {
    /// Write a report: FILE.txt, .json or .html (repeatable)
    ///
    /// It has what became of each request, latencies by method and path and over time, the slowest requests, and the
    /// latencies of the recording. It is also written when the replay is interrupted or fails. gor-report prints the JSON
    /// as text, and adds up that of several machines.
    ///
    /// s3://BUCKET/KEY.json, .txt or .html is an object of S3. Bucket and credentials are checked at the start. If the
    /// object cannot be written, the report is kept in a temporary file, whose name is printed, and the exit status is 1.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub report: Vec<ReportPath>,
    /// Treat matches in paths as ids, besides numbers, UUIDs and long hex words
    #[arg(
        long,
        value_name = "REGEX",
        value_parser = show::group,
        requires = "report",
        hide_short_help = true
    )]
    pub group: Option<Regex>,
    #[arg(long, value_name = "EXPR", help = short(FAIL_IF_HELP), long_help = FAIL_IF_HELP)]
    #[allow(missing_docs)]
    pub fail_if: Vec<Threshold>,
}

impl MeasuringOptions {
    /// What is to be measured, if anything is.
    pub(super) fn measures(&self) -> Option<Measures> {
        let is_needed = !self.report.is_empty() || !self.fail_if.is_empty();
        is_needed.then(|| Measures { group: self.group.clone() })
    }
}

/// The time.
pub(super) fn now() -> ReportTime {
    ReportTime(i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX))
}

/// The options that say how the replay was done, for its report.
pub(super) fn options(args: &Args, settings: &Settings) -> Vec<RunOption> {
    let mut options = Vec::new();
    let mut add = |name: &str, value: String| options.push(RunOption { name: name.to_owned(), value });
    for input in &args.input {
        add("input", input.clone());
    }
    match settings.pace.tempo {
        Tempo::Speed(speed) => add("speed", speed.to_string()),
        Tempo::SpeedRamp(ramp) => add("speed-ramp", ramp.to_string()),
        Tempo::Rate(rate) => add("rate", rate.to_string()),
        Tempo::RateRamp(ramp) => add("rate-ramp", ramp.to_string()),
        Tempo::NoWait => add("no-wait", "true".to_owned()),
    }
    if let Some(pause) = settings.pace.max_wait {
        add("max-wait", Span(pause.as_nanos() as u64).to_string());
    }
    if let Some(rounds) = args.rounds {
        let is_endless = rounds.get() == u64::MAX;
        add("loop", if is_endless { "until interrupted".to_owned() } else { rounds.to_string() });
    }
    if let Some(shard) = settings.selection.shard {
        add("shard", shard.to_string());
    }
    for (name, time) in [("since", settings.selection.since), ("until", settings.selection.until)] {
        if let Some(time) = time {
            add(name, moment::shown(time));
        }
    }
    for (name, is_given) in [
        ("sessions", args.writing.sessions),
        ("think", args.sending.think),
        ("cookies", args.sending.cookies),
        ("split", args.writing.split),
    ] {
        if is_given {
            add(name, "true".to_owned());
        }
    }
    add("connections", settings.most_connections().to_string());
    add("timeout", Span(args.sending.timeout.as_nanos() as u64).to_string());
    if args.sending.original_host {
        add("original-host", "true".to_owned());
    }
    options
}
