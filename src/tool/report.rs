//! The command line of `gor-report`.

mod file;

use std::collections::HashMap;
use std::io::Read as _;
use std::sync::atomic::Ordering;

use clap::Parser;
use jiff::tz::TimeZone;
use sha2::digest::Output;
use sha2::{Digest as _, Sha256};

use crate::cli::{self, Exit, Report, Reporting, ServiceOptions};
use crate::endpoint::{self, Place, ReadOptions, WriteOptions};
use crate::observe::Ledger;
use crate::report::{ReplayReport, Threshold};
use crate::tool::show;
use crate::{Error, Result};

pub use file::ReportPath;
pub(crate) use file::{ReportFiles, ReportFormat};

const EXAMPLES: &str = "\
Examples:
  gor-report run.json
  gor-report run.json -o run.html
  gor-report machine1.json machine2.json -o all.json
  gor-report --fail-if 'p99>2s' run.json

See gor-report --help for all options, more examples and the exit status.";

const LONG_EXAMPLES: &str = "\
Examples:
  Print the report of a replay:
    gor-replay -q -i shop.gor --no-wait --report one.json \\
      http://127.0.0.1:8080
    gor-report one.json
  Make a page with charts of it, which needs no network:
    gor-report run.json -o run.html
  Add up what two machines measured, and keep it:
    gor-report machine1.json machine2.json -o all.json -o all.txt
  Check a report against thresholds:
    gor-report --fail-if 'errors>1%' --fail-if 'status:5xx>0' run.json
  Print the requests a second that were answered, by interval:
    gor-report run.json -o sum.json
    jq '.total.series.intervals[].answered' sum.json

Exit status: 0 success; 1 a report could not be read or written; 2 wrong command line;
3 an expression of --fail-if is true.";

/// What is said of thresholds in the help of each tool that has them.
pub(crate) const FAIL_IF_HELP: &str = "\
Exit with status 3 if EXPR is true, as 'p99>200ms' (repeatable)

EXPR is a metric, one of > >= < <=, and a value, as 'errors>1%'. Latencies take durations: p50, p99.9 or any other percentile, max and mean, \
from when a request was due to the end of its response; send.p99 is from its first byte, connect.p99 of connecting, \
tls.p99 of TLS handshakes, lateness.p99 from due to sent. errors are requests that were not sent, unless \
for an interruption, or had no complete response, whatever its status; status:5xx and status:404 are responses. Both take a number or a percentage: of the \
requests that were due, and of the responses. rate takes responses per second, as 'rate<900/s'. All targets count \
together. What was not measured, as a latency without any response, fails too.";

/// Print the report of a replay, or of several replays added up
///
/// Reads the JSON that gor-replay --report FILE.json writes. Histograms are merged without loss: the percentiles are those
/// of all requests. gor-report(5) explains the JSON.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "gor-report",
    version,
    max_term_width = 100,
    after_help = EXAMPLES,
    after_long_help = LONG_EXAMPLES
)]
#[allow(clippy::doc_markdown, reason = "these are help texts")]
pub struct Args {
    /// Reports: files, directories, quoted globs or "-" [default: standard input]
    ///
    /// Objects of S3 are read as well: s3://BUCKET/KEY, s3://BUCKET/PREFIX/ or a quoted glob of keys.
    #[arg(value_name = "INPUT", value_hint = clap::ValueHint::FilePath)]
    pub inputs: Vec<String>,

    /// Write the report to FILE.txt, FILE.json or FILE.html instead of standard output (repeatable)
    ///
    /// s3://BUCKET/KEY.json, .txt or .html is an object of S3. If it cannot be written, the report is kept in a
    /// temporary file, whose name is printed, and the exit status is 1.
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, help_heading = "Output")]
    pub output: Vec<ReportPath>,
    /// Overwrite existing files and objects
    #[arg(long, requires = "output", help_heading = "Output")]
    pub force: bool,
    /// Show times in UTC instead of local time
    #[arg(long, help_heading = "Output")]
    pub utc: bool,
    #[arg(
        long,
        value_name = "EXPR",
        help = short(FAIL_IF_HELP),
        long_help = FAIL_IF_HELP,
        help_heading = "Thresholds"
    )]
    #[allow(missing_docs)]
    pub fail_if: Vec<Threshold>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub services: ServiceOptions,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub reporting: Reporting,
}

/// The first line of a help text.
pub(crate) fn short(text: &'static str) -> &'static str {
    text.lines().next().unwrap_or_default()
}

/// Reads all reports, adds them up, and writes the sum.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let outputs: Vec<_> = args.output.iter().map(ToString::to_string).collect();
    args.services.check(args.inputs.iter().chain(&outputs))?;
    let services = args.services.services();
    let reading = ReadOptions { is_stopping: cli::signals::stop()?, services, ..ReadOptions::default() };
    let mut reports: Vec<_> = args.output.iter().filter_map(ReportPath::path).collect();
    reports.extend(args.reporting.files());
    let to = WriteOptions { inputs: &args.inputs, reports, ..WriteOptions::default() };
    let printed = if args.output.is_empty() { vec!["-".to_owned()] } else { Vec::new() };
    endpoint::check(&printed, &to)?;

    args.reporting.tell_of_terminal(&args.inputs);
    let places = endpoint::expand(&args.inputs, &reading)?;
    refuse_inputs(&args.output, &places)?;
    let number = places.len() as u64;
    let mut sum: Option<ReplayReport> = None;
    let mut known: HashMap<Output<Sha256>, &Place> = HashMap::new();
    for place in &places {
        let text = read(place, &reading)?;
        if let Some(same) = known.insert(Sha256::digest(&text), place) {
            let why = format!("the same report as {same}; give each report once");
            return Err(Error::Invalid(why).at(place.to_string()).into());
        }
        let report =
            ReplayReport::from_json(&text).map_err(|why| Error::Invalid(why).at(place.to_string()))?;
        if args.reporting.verbose {
            cli::note(format_args!("{place}: {} requests were due", report.total.due));
        }
        match &mut sum {
            Some(sum) => sum.merge(report),
            None => sum = Some(report),
        }
    }
    let Some(report) = sum else { return Err(Error::Invalid("there is no report to read".into()).into()) };
    let zone = if args.utc { TimeZone::UTC } else { TimeZone::system() };
    let written = if args.output.is_empty() {
        show::print(&mut report.text(&zone))
    } else {
        ReportFiles::open(&args.output, |_| args.force, &reading.services)
            .and_then(|files| files.write(&report, &zone))
    };
    let ledger = Ledger::new().total("reports", "reports read", number);
    let told = Report::of(&ledger).tell(&args.reporting, written);
    conclude(&args.fail_if, Some(&report), told, Exit::Done)
}

/// Says which thresholds were not met. Where any was not, that is how the tool ends, whatever else went wrong.
pub(crate) fn conclude(
    thresholds: &[Threshold],
    report: Option<&ReplayReport>,
    done: Result<()>,
    exit: Exit,
) -> anyhow::Result<Exit> {
    let misses: Vec<_> = thresholds.iter().filter_map(|threshold| threshold.miss(&report?.total)).collect();
    if misses.is_empty() {
        return Ok(done.map(|()| exit)?);
    }
    if let Err(error) = done
        && !error.is_broken_pipe()
    {
        cli::note(error);
    }
    misses.iter().for_each(cli::note);
    Ok(Exit::Threshold)
}

/// Refuses objects as outputs that are read: the sum would be a part of the next one. Files are looked at with the outputs.
fn refuse_inputs(outputs: &[ReportPath], places: &[Place]) -> Result<()> {
    let is_read = |name: &&str| {
        places.iter().any(|place| matches!(place, Place::Object(_)) && place.to_string() == **name)
    };
    match outputs.iter().filter_map(ReportPath::object).find(is_read) {
        Some(name) => Err(Error::Usage(format!("{name}: it is also an input; write to another object"))),
        None => Ok(()),
    }
}

fn read(place: &Place, reading: &ReadOptions) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    let read = endpoint::open_bytes(place, reading)?.read_to_end(&mut text);
    if reading.is_stopping.load(Ordering::Relaxed) {
        return Err(Error::Invalid("interrupted: not all reports were read".into()));
    }
    read.map_err(|error| Error::from(error).at(place.to_string()))?;
    Ok(text)
}
