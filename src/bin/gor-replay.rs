//! `gor-replay`: parses its command line, opens its inputs, and has the library replay them.

use std::ffi::OsString;
use std::num::{NonZeroU64, NonZeroUsize};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::Parser;
use gor_tools::cli::replay::{Args, dry_run};
use gor_tools::cli::{self, Exit, Verbosity};
use gor_tools::endpoint::{self, Place, ReadOptions};
use gor_tools::observe::{self, Span};
use gor_tools::pace::Pace;
use gor_tools::replay::{self, Outcome, Progress, Settings, Stop, Summary, Supply, WhenSlow};
use gor_tools::{Error, Result};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    let verbosity = Verbosity { quiet: args.quiet, verbose: 0 };
    let rounds = args.rounds.map_or(1, NonZeroU64::get);
    if rounds > 1 && places.contains(&Place::Standard) {
        return Err(Error::Usage("--loop needs an input that can be read again; name files with -i".into()));
    }
    if rounds > 1 && args.reading.follow {
        return Err(Error::Usage("--loop reads its input to the end, and with --follow it has none".into()));
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
        return dry_run(args, settings, &reading);
    }
    let outcome = replay(&settings, args, reading, &stop)?;
    if !args.quiet || outcome.has_failures() {
        cli::report(Summary(&outcome));
    } else {
        // What casts doubt on answers is said even so.
        for (target, tally) in &outcome.targets {
            tally.unasked().for_each(|line| cli::note(format_args!("{target}: {line}")));
        }
    }
    let has_failures = outcome.has_failures();
    match outcome.failure {
        Some(error) => Err(error),
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
        let Progress { sent, answered, failed, in_flight, unwritten } = now;
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
