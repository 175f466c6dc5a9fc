//! The command line of `gor-replay`.

mod dry_run;

use std::ffi::OsString;
use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use crate::cli::{self, Exit, InputOptions, OutputOptions, Verbosity, values};
use crate::endpoint::{self, Place, ReadOptions};
use crate::observe::{self, Span};
use crate::pace::{Pace, Speed};
use crate::replay::{self, Outcome, ReplayProgress, ReplaySummary, Settings, Stop, Supply, Target, WhenSlow};
use crate::{Error, Result};

const EXAMPLES: &str = "\
Examples:
  gor-replay -i requests.gor staging.example.com
      sends what was recorded, when it was recorded to come
  gor-record -r traffic.pcapng | gor-filter --method GET | gor-replay --speed 2x http://127.0.0.1:8080
      sends the GET requests of a capture, twice as fast
  gor-replay --no-wait --connections 32 -i requests.gor localhost:8080 localhost:8081
      sends to two targets, as fast as they answer
  gor-replay --dry-run -i 'requests-*.gor.gz'
      prints what is recorded, and when it would be sent

Exit status:
  0 every request was answered, whatever its status; 1 one was not, an answer is missing in the output, or the
  replay was interrupted; 2 the command line is wrong. Records that are not one whole request are not sent and counted; they are no failure.
  Nor is what no request asked for: bytes after an answer, or an answer at connect. It is told, also with -q, and the
  connection is not used any more; of what comes at connect only a status of 400 or more is taken for an answer.

Signals:
  SIGINT and SIGTERM end the sending; answers under way are waited for until their timeout. A second one, and SIGHUP,
  end the waiting: the summary and the output are still written.";

/// Options of a replay's output, and rounds: a dry run has neither.
const NOT_DRY: [&str; 16] = [
    "output",
    "rounds",
    "force",
    "append",
    "chunk_size",
    "chunk_records",
    "max_size",
    "flush_interval",
    "compress_level",
    "compress_threads",
    "index",
    "split",
    "sessions",
    "instance",
    "echo",
    "slow_output",
];

/// A name for [`WhenSlow`] on the command line.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum SlowOutput {
    /// Send on time; answers that the output has no room for are dropped from it and counted.
    Drop,
    /// Keep every answer; requests wait until the output has room.
    Wait,
}

impl From<SlowOutput> for WhenSlow {
    fn from(action: SlowOutput) -> Self {
        match action {
            SlowOutput::Drop => WhenSlow::Drop,
            SlowOutput::Wait => WhenSlow::Wait,
        }
    }
}

/// Replay recorded HTTP requests, on time, against one or several servers.
///
/// Each request is due as long after the first one as it was recorded after it, and is sent then, however
/// late others are. What is sent is what was recorded; only Host becomes the target's. Answers are read and
/// dropped; with -o they are written as records of kind 3, with the ids of their requests.
#[derive(Clone, Debug, Parser)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[allow(rustdoc::bare_urls, clippy::doc_markdown, reason = "these are help texts")]
#[command(name = "gor-replay", version, after_help = EXAMPLES)]
pub struct Args {
    /// Where requests go: HOST, HOST:PORT or http://USER:PASSWORD@HOST/PREFIX. Each of several gets them all.
    #[arg(value_name = "TARGET", required_unless_present = "dry_run", value_parser = target)]
    pub targets: Vec<Target>,

    /// Read records from this file or pattern; `-` or nothing is standard input. May be repeated.
    #[arg(short, long, value_name = "PLACE", help_heading = "Input")]
    pub input: Vec<String>,
    /// Requests among which the oldest is next, so that disorder in the recording is put right.
    #[arg(long, value_name = "N", default_value_t = 100, help_heading = "Input")]
    pub read_depth: usize,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub reading: InputOptions,

    /// How much faster than recorded; 2x, 200% and 2 are the same.
    #[arg(long, value_name = "SPEED", default_value = "1x", help_heading = "Time")]
    pub speed: Speed,
    /// Longest pause between two requests.
    #[arg(long, value_name = "DURATION", value_parser = values::duration, help_heading = "Time")]
    pub max_wait: Option<Duration>,
    /// Send as fast as the target answers, on all connections.
    #[arg(long, conflicts_with_all = ["speed", "max_wait"], help_heading = "Time")]
    pub no_wait: bool,
    /// Replay N times, or until interrupted. Time goes on from round to round.
    #[arg(
        long = "loop",
        value_name = "N",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "18446744073709551615",
        help_heading = "Time"
    )]
    pub rounds: Option<NonZeroU64>,

    /// Most connections to each target. [default: 1024, with --no-wait 64]
    #[arg(long, value_name = "MAX", value_parser = values::at_least_one, help_heading = "Sending")]
    pub connections: Option<NonZeroUsize>,
    /// Longest time from when a request is due to the last byte of its answer.
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "5s",
        value_parser = values::duration,
        help_heading = "Sending"
    )]
    pub timeout: Duration,
    /// Leave Host as it was recorded.
    #[arg(long, help_heading = "Sending")]
    pub original_host: bool,
    /// Send nothing; print what `gor-show --summary` does, when requests would be due, and what each target would get.
    #[arg(long, conflicts_with_all = NOT_DRY, help_heading = "Sending")]
    pub dry_run: bool,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub writing: OutputOptions,
    /// Write the input to the output too.
    #[arg(long, requires = "output", help_heading = "Output")]
    pub echo: bool,
    /// What to do when the output is slower than the answers: drop answers from it, or wait and send late.
    /// [default: drop, with --no-wait wait]
    #[arg(long, value_name = "ACTION", requires = "output", help_heading = "Output")]
    pub slow_output: Option<SlowOutput>,
    /// Say only what went wrong.
    #[arg(short, long, help_heading = "Messages")]
    pub quiet: bool,
}

/// A target; the name of a recording is no target.
fn target(text: &str) -> Result<Target, String> {
    values::no_file(text, |name| format!("give recordings with -i, as in -i {name}"))
}

/// Reads this process's command line; leaves where it asks for help or is wrong.
pub fn parse() -> Args {
    Args::parse_from(join_loop(std::env::args_os()))
}

/// Writes the number of rounds as clap needs it: `--loop 3 host` as `--loop=3 host`, but `--loop host` as it is.
fn join_loop(args: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut joined: Vec<OsString> = Vec::new();
    for arg in args {
        let is_number =
            arg.to_str().is_some_and(|arg| !arg.is_empty() && arg.bytes().all(|byte| byte.is_ascii_digit()));
        match joined.last_mut() {
            Some(last) if is_number && last == "--loop" => {
                last.push("=");
                last.push(arg);
            }
            _ => joined.push(arg),
        }
    }
    joined
}

/// Replays as the command line says.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let places = endpoint::expand(&args.input)?;
    let pace = Pace { speed: args.speed, max_wait: args.max_wait, no_wait: args.no_wait };
    let verbosity = Verbosity { quiet: args.quiet, verbose: 0 };
    let rounds = args.rounds.map_or(1, NonZeroU64::get);
    if rounds > 1 && places.contains(&Place::Standard) {
        return Err(
            Error::Usage("--loop needs an input that can be read again; name files with -i".into()).into()
        );
    }
    if rounds > 1 && args.reading.follow {
        return Err(
            Error::Usage("--loop reads its input to the end, and with --follow it has none".into()).into()
        );
    }
    let stop = if args.dry_run {
        Stop { sending: cli::signals::stop()?, ..Stop::default() }
    } else {
        let (sending, waiting) = cli::signals::stop_in_two_steps()?;
        Stop { sending, waiting }
    };
    let reading = args.reading.reading(verbosity, &stop.sending);
    let settings = Settings {
        pace,
        rounds,
        read_depth: args.read_depth,
        connections: args.connections.map(NonZeroUsize::get),
        timeout: args.timeout,
        keeps_host: args.original_host,
        echo: args.echo,
        when_slow: args.slow_output.map_or(
            // Without a schedule there is nothing to be late for.
            if args.no_wait { WhenSlow::Wait } else { WhenSlow::Drop },
            WhenSlow::from,
        ),
        workers: None,
        supply: Supply {
            meter: Arc::clone(&reading.meter),
            is_there: !args.reading.follow && endpoint::total_size(&places).is_some(),
        },
    };
    if args.dry_run {
        return dry_run::run(args, settings, &reading);
    }
    let outcome = replay(&settings, args, reading, &stop)?;
    if !args.quiet || outcome.has_failures() {
        cli::report(ReplaySummary(&outcome));
    } else {
        // What casts doubt on answers is said even so.
        for (target, tally) in &outcome.targets {
            tally.unasked().for_each(|line| cli::note(format_args!("{target}: {line}")));
        }
    }
    let has_failures = outcome.has_failures();
    match outcome.failure {
        Some(error) => Err(error.into()),
        None if has_failures => Ok(Exit::Lost),
        None => Ok(Exit::Done),
    }
}

fn replay(settings: &Settings, args: &Args, reading: ReadOptions, stop: &Stop) -> Result<Outcome> {
    let inputs = args.input.clone();
    // What is missing is told before anything is sent.
    let mut first = Some(endpoint::open(&inputs, &reading)?);
    let open = Box::new(move || first.take().map_or_else(|| endpoint::open(&inputs, &reading), Ok));
    let writing = args.writing.write_options(&args.input);
    let out = match &args.writing.output[..] {
        [] => None,
        names => Some(endpoint::create(names, &writing)?),
    };
    replay::raise_descriptor_limit();
    let progress = observe::Progress::new(args.quiet);
    let mut is_told = false;
    let outcome = replay::run(settings, args.targets.clone(), open, out, stop, |now| {
        let ReplayProgress { sent, answered, failed, in_flight, unwritten } = now;
        if stop.sending.load(Ordering::Relaxed) && !is_told {
            is_told = true;
            cli::note(waiting_for(in_flight, args.timeout, unwritten));
        }
        let rate = answered as f64 / progress.elapsed().as_secs_f64();
        progress.say(format!("{sent} sent, {answered} answered ({rate:.0}/s), {failed} failed"));
    });
    progress.clear();
    outcome
}

/// What an interrupted replay still waits for.
fn waiting_for(answers: u64, timeout: Duration, unwritten: usize) -> String {
    let longest = Span(timeout.as_nanos() as u64);
    let what = match (answers, unwritten) {
        (0, 0) => "the last to end".to_owned(),
        (0, records) => format!("the output to take {records} records"),
        (answers, 0) => format!("{answers} answers (at most {longest})"),
        (answers, records) => {
            format!("{answers} answers (at most {longest}) and the output to take {records} records")
        }
    };
    format!("interrupted; waiting for {what}; interrupt again not to wait")
}
