//! `gor-replay`: parses its command line, opens its inputs, and has the library replay them.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::num::{NonZeroU64, NonZeroUsize};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use gor_tools::observe;
use gor_tools::pace::{Pace, Speed};
use gor_tools::record::{Options, Reader, Source};
use gor_tools::replay::{self, DryRun, Progress, Settings, Summary, Target};
use gor_tools::{Error, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const EXAMPLES: &str = "\
Examples:
  gor-replay -i requests.gor staging.example.com
      sends what was recorded, when it was recorded to come
  gor-record -r traffic.pcapng | gor-filter --method GET | gor-replay --speed 2x http://127.0.0.1:8080
      twice as fast
  gor-replay --no-wait --connections 32 -i requests.gor localhost:8080 localhost:8081
      as fast as each of two targets answers
  gor-replay --dry-run -i 'requests-*.gor.gz'
      tells what is recorded and how long a replay takes

Exit status: 0 every request was answered, whatever the status; 1 a request failed or the replay was
interrupted; 2 wrong command line. Records that are not whole requests are not sent, and no failure.";

/// Replay recorded HTTP requests on time against one or several servers.
///
/// Each request is sent when it is due, counted from the first one's, however late others are. What is
/// sent is what was recorded; only Host becomes the target's.
#[derive(Debug, Parser)]
#[command(name = "gor-replay", version, after_help = EXAMPLES)]
struct Args {
    /// Where requests go: HOST, HOST:PORT or http://USER:PASSWORD@HOST/PREFIX; each of several gets all
    #[arg(value_name = "TARGET", required_unless_present = "dry_run")]
    targets: Vec<Target>,

    /// Recording to replay; `-` or none is standard input
    #[arg(short, long, value_name = "PLACE", help_heading = "Input")]
    input: Vec<String>,
    /// Requests among which the oldest is sent next, so that disorder in the recording is put right
    #[arg(long, value_name = "N", default_value_t = 100, help_heading = "Input")]
    read_depth: usize,
    /// Fail at the first malformed record instead of counting it
    #[arg(long, help_heading = "Input")]
    strict: bool,
    /// Largest record accepted
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = size, help_heading = "Input")]
    max_record: u64,

    /// How much faster than recorded: 2x, 200% and 2 are the same
    #[arg(long, value_name = "SPEED", default_value = "1x", help_heading = "Time")]
    speed: Speed,
    /// Longest pause between two requests
    #[arg(long, value_name = "DURATION", value_parser = duration, help_heading = "Time")]
    max_wait: Option<Duration>,
    /// Send as fast as the target answers, all connections busy; latency is then from the sending only
    #[arg(long, conflicts_with_all = ["speed", "max_wait"], help_heading = "Time")]
    no_wait: bool,
    /// Replay N times, or until interrupted; time goes on
    #[arg(
        long = "loop", value_name = "N", num_args = 0..=1, require_equals = true,
        default_missing_value = "18446744073709551615", help_heading = "Time"
    )]
    rounds: Option<NonZeroU64>,

    /// Most connections to each target [default: 1024, with --no-wait 64]
    #[arg(long, value_name = "MAX", help_heading = "Sending")]
    connections: Option<NonZeroUsize>,
    /// Longest time from when a request is due to the last byte of its answer
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration, help_heading = "Sending")]
    timeout: Duration,
    /// Keep Host as it was recorded
    #[arg(long, help_heading = "Sending")]
    original_host: bool,
    /// Send nothing; tell what is recorded and how long a replay takes
    #[arg(long, help_heading = "Sending")]
    dry_run: bool,

    /// Write the answers, as records of kind 3 with the ids of their requests
    #[arg(short, long, value_name = "PLACE", help_heading = "Output")]
    output: Option<String>,
    /// Pass the input through to the output too
    #[arg(long, requires = "output", help_heading = "Output")]
    echo: bool,
    /// No progress, and no summary unless something failed
    #[arg(short, long, help_heading = "Output")]
    quiet: bool,
}

fn main() -> ExitCode {
    let args = Args::parse_from(join_loop(std::env::args_os()));
    match run(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) if error.is_broken_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gor-replay: {error}");
            ExitCode::from(1)
        }
    }
}

/// Whether everything that was to be sent was answered.
fn run(args: &Args) -> Result<bool> {
    let pace = Pace { speed: args.speed, max_wait: args.max_wait, no_wait: args.no_wait };
    if args.dry_run {
        let found =
            DryRun::read(&mut *Inputs::of(args).open()?, args.input.len().max(1), pace, args.read_depth)?;
        eprint!("{found}");
        return Ok(true);
    }
    if args.rounds.is_some_and(|rounds| rounds.get() > 1) && reads_stdin(args) {
        usage_error("--loop reads its input again, which standard input cannot be; name files with -i");
    }
    let settings = Settings {
        pace,
        rounds: args.rounds.map_or(1, NonZeroU64::get),
        read_depth: args.read_depth,
        connections: args.connections.map(NonZeroUsize::get),
        timeout: args.timeout,
        keeps_host: args.original_host,
        echo: args.echo,
        workers: None,
    };
    let stop = Arc::new(AtomicBool::new(false));
    listen_for_signals(&stop)?;
    replay::raise_descriptor_limit();
    let out = args.output.as_deref().map(create).transpose()?;
    let inputs = Inputs::of(args);
    // Said before anything is sent: an input that cannot be opened, that is.
    let mut first = Some(inputs.open()?);
    let reopen = Box::new(move || first.take().map_or_else(|| inputs.open(), Ok));
    let progress = observe::Progress::new(args.quiet);
    let outcome = replay::run(&settings, args.targets.clone(), reopen, out, &stop, |now| {
        let rate = now.answered as f64 / progress.elapsed().as_secs_f64();
        let Progress { sent, answered, failed } = now;
        progress.say(format!("{sent} sent, {answered} answered ({rate:.0}/s), {failed} failed"));
    });
    progress.clear();
    let outcome = outcome?;
    if !args.quiet || outcome.has_failures() {
        eprint!("{}", Summary(&outcome));
    }
    match outcome.failure {
        Some(error) => Err(error),
        None => Ok(!outcome.has_failures()),
    }
}

fn reads_stdin(args: &Args) -> bool {
    args.input.is_empty() || args.input.iter().any(|input| input == "-")
}

fn usage_error(text: &str) -> ! {
    Args::command().error(ErrorKind::ArgumentConflict, text).exit()
}

/// The first SIGINT or SIGTERM sets `stop`, the second one kills.
fn listen_for_signals(stop: &Arc<AtomicBool>) -> Result<()> {
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal finds the flag not set yet.
        flag::register_conditional_default(signal, Arc::clone(stop))?;
        flag::register(signal, Arc::clone(stop))?;
    }
    Ok(())
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

// Until src/endpoint and src/cli are there.

#[derive(Clone)]
struct Inputs(Vec<String>, Options);

impl Inputs {
    fn of(args: &Args) -> Self {
        Inputs(
            args.input.clone(),
            Options { max_record: args.max_record, is_strict: args.strict, ..Options::default() },
        )
    }

    fn open(&self) -> Result<Box<dyn Source + Send>> {
        let mut all: Box<dyn Read + Send> = Box::new(io::empty());
        for input in &self.0 {
            all = Box::new(all.chain(File::open(input).map_err(|error| Error::from(error).at(input))?));
        }
        if self.0.is_empty() {
            all = Box::new(io::stdin());
        }
        Ok(Box::new(Reader::new(all, self.1)))
    }
}

fn create(place: &str) -> Result<Box<dyn Write + Send>> {
    Ok(if place == "-" { Box::new(io::stdout()) } else { Box::new(File::create(place)?) })
}

fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|error| format!("expected a duration such as 500ms or 1m30s: {error}"))
}

fn size(text: &str) -> Result<u64, String> {
    parse_size::parse_size(text).map_err(|error| format!("expected a size such as 32MB: {error}"))
}
