//! `gor-replay`: parses its command line, opens its inputs, and has the library replay them.

use std::ffi::OsString;
use std::num::{NonZeroU64, NonZeroUsize};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use gor_tools::cli::{self, Exit, InputOptions, OutputOptions, Verbosity};
use gor_tools::endpoint::{self, Place, ReadOptions, WriteOptions};
use gor_tools::observe;
use gor_tools::pace::{Pace, Speed};
use gor_tools::replay::{self, DryRun, Outcome, Progress, Settings, Summary, Target};
use gor_tools::{Error, Result};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const EXAMPLES: &str = "\
Examples:
  gor-replay -i requests.gor staging.example.com
      sends what was recorded, when it was recorded to come
  gor-record -r traffic.pcapng | gor-filter --method GET | gor-replay --speed 2x http://127.0.0.1:8080
      sends the GET requests of a capture, twice as fast
  gor-replay --no-wait --connections 32 -i requests.gor localhost:8080 localhost:8081
      sends to two targets, as fast as they answer
  gor-replay --dry-run -i 'requests-*.gor.gz'
      tells what is recorded, and how long a replay takes

Exit status:
  0 every request was answered, whatever its status; 1 one was not, or the replay was interrupted; 2 the command line
  is wrong. Records that are not one whole request are not sent and counted; they are no failure.";

/// Replay recorded HTTP requests, on time, against one or several servers.
///
/// Each request is due as long after the first one as it was recorded after it, and is sent then, however
/// late others are. What is sent is what was recorded; only Host becomes the target's. Answers are read and
/// dropped; with -o they are written as records of kind 3, with the ids of their requests.
#[derive(Debug, Parser)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[allow(rustdoc::bare_urls, clippy::doc_markdown, reason = "these are help texts")]
#[command(name = "gor-replay", version, after_help = EXAMPLES)]
struct Args {
    /// Where requests go: HOST, HOST:PORT or http://USER:PASSWORD@HOST/PREFIX. Each of several gets them all.
    #[arg(value_name = "TARGET", required_unless_present = "dry_run")]
    targets: Vec<Target>,

    /// Read records from this file or pattern; `-` or nothing is standard input. May be repeated.
    #[arg(short, long, value_name = "PLACE", help_heading = "Input")]
    input: Vec<String>,
    /// Requests among which the oldest is next, so that disorder in the recording is put right.
    #[arg(long, value_name = "N", default_value_t = 100, help_heading = "Input")]
    read_depth: usize,
    #[command(flatten)]
    reading: InputOptions,

    /// How much faster than recorded; 2x, 200% and 2 are the same.
    #[arg(long, value_name = "SPEED", default_value = "1x", help_heading = "Time")]
    speed: Speed,
    /// Longest pause between two requests.
    #[arg(long, value_name = "DURATION", value_parser = cli::values::duration, help_heading = "Time")]
    max_wait: Option<Duration>,
    /// Send as fast as the target answers, on all connections.
    #[arg(long, conflicts_with_all = ["speed", "max_wait"], help_heading = "Time")]
    no_wait: bool,
    /// Replay N times, or until interrupted. Time goes on from round to round.
    #[arg(
        long = "loop",
        value_name = "N",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "18446744073709551615",
        help_heading = "Time"
    )]
    rounds: Option<NonZeroU64>,

    /// Most connections to each target. [default: 1024, with --no-wait 64]
    #[arg(long, value_name = "MAX", help_heading = "Sending")]
    connections: Option<NonZeroUsize>,
    /// Longest time from when a request is due to the last byte of its answer.
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "5s",
        value_parser = cli::values::duration,
        help_heading = "Sending"
    )]
    timeout: Duration,
    /// Leave Host as it was recorded.
    #[arg(long, help_heading = "Sending")]
    original_host: bool,
    /// Send nothing; tell what is recorded, and how long a replay takes.
    #[arg(long, help_heading = "Sending")]
    dry_run: bool,

    #[command(flatten)]
    writing: OutputOptions,
    /// Write the input to the output too.
    #[arg(long, requires = "output", help_heading = "Output")]
    echo: bool,
    #[command(flatten)]
    verbosity: Verbosity,
}

fn main() -> ExitCode {
    let args = Args::parse_from(join_loop(std::env::args_os()));
    cli::run("gor-replay", || Ok(run(&args)?))
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

fn run(args: &Args) -> Result<Exit> {
    let places = endpoint::expand(&args.input)?;
    let pace = Pace { speed: args.speed, max_wait: args.max_wait, no_wait: args.no_wait };
    let reading = args.reading.read_options();
    if args.dry_run {
        let mut source = endpoint::open(&args.input, &reading)?;
        eprint!("{}", DryRun::read(&mut *source, places.len(), pace, args.read_depth)?);
        return Ok(Exit::Done);
    }
    let rounds = args.rounds.map_or(1, NonZeroU64::get);
    if rounds > 1 && places.contains(&Place::Standard) {
        return Err(Error::Usage("--loop needs an input that can be read again; name files with -i".into()));
    }
    let settings = Settings {
        pace,
        rounds,
        read_depth: args.read_depth,
        connections: args.connections.map(NonZeroUsize::get),
        timeout: args.timeout,
        keeps_host: args.original_host,
        echo: args.echo,
        workers: None,
    };
    let outcome = replay(&settings, args, reading)?;
    if !args.verbosity.quiet || outcome.has_failures() {
        eprint!("{}", Summary(&outcome));
    }
    let has_failures = outcome.has_failures();
    match outcome.failure {
        Some(error) => Err(error),
        None if has_failures => Ok(Exit::Lost),
        None => Ok(Exit::Done),
    }
}

fn replay(settings: &Settings, args: &Args, reading: ReadOptions) -> Result<Outcome> {
    let inputs = args.input.clone();
    // What is missing is told before anything is sent.
    let mut first = Some(endpoint::open(&inputs, &reading)?);
    let open = Box::new(move || first.take().map_or_else(|| endpoint::open(&inputs, &reading), Ok));
    let writing = WriteOptions { is_forced: args.writing.force, inputs: &args.input };
    let out = match &args.writing.output[..] {
        [] => None,
        names => Some(endpoint::create(names, &writing)?),
    };
    let stop = cli::signals::stop()?;
    replay::raise_descriptor_limit();
    let progress = observe::Progress::new(args.verbosity.quiet);
    let outcome = replay::run(settings, args.targets.clone(), open, out, &stop, |now| {
        let Progress { sent, answered, failed } = now;
        let rate = answered as f64 / progress.elapsed().as_secs_f64();
        progress.say(format!("{sent} sent, {answered} answered ({rate:.0}/s), {failed} failed"));
    });
    progress.clear();
    outcome
}
