//! The command line of `gor-merge`.

mod values;

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, channel, sync_channel};
use std::thread;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use clap::Parser;

use self::values::{Shift, memory};
use crate::cli::values::{Moment, duration, report, time};
use crate::cli::{self, Exit, InputOptions, OutputOptions, Verbosity, note, signals};
use crate::endpoint::{self, Place, ReadOptions};
use crate::merge::{
    Counted, Dedup, Failures, Merge, MergeCounts, MergeInput, MergeOptions, Opener, REMEMBERED, Retime,
    Retimed, Sort, Window,
};
use crate::observe::Ledger;
use crate::record::{Block, Intake, Sink, Source};
use crate::{Error, Result};

/// Most files that are open at once where more are merged.
const FAN_IN: usize = 64;

/// Descriptors for everything but inputs.
const OTHER_FILES: usize = 20;

/// Bytes that all inputs together read at once.
const READ_AHEAD: usize = 8 << 20;

/// Blocks between what merges and what writes.
const BLOCKS: usize = 3;

/// Merge recordings by time
///
/// Inputs whose records are in order are merged while they are read, in little memory, however many there are. Records
/// of the same time keep the order of the inputs on the command line, except that a response never precedes its
/// request.
///
/// Inputs may be pipes: records are written as soon as the order allows. An idle input holds back the others until its
/// next record or its end.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "gor-merge",
    version,
    max_term_width = 100,
    after_help = EXAMPLES,
    after_long_help = LONG_EXAMPLES
)]
pub struct Args {
    /// Files, directories, quoted globs or "-" [default: standard input]
    ///
    /// Recordings and packet captures (pcap, pcapng), plain or compressed (gzip, zstd), are recognised by their first
    /// bytes.
    #[arg(value_name = "INPUT", value_hint = clap::ValueHint::FilePath)]
    pub inputs: Vec<String>,

    /// Sort inputs of any size in any order, through temporary files
    ///
    /// Nothing is written until all inputs have been read.
    #[arg(long, help_heading = "Order")]
    pub sort: bool,
    /// Reorder records that are out of order by DURATION at most
    ///
    /// Records are held until one comes that is later by more than DURATION. A response with an earlier time than its
    /// request is written after it. A record that comes later than that is written when it comes, and counted.
    #[arg(long, value_name = "DURATION", value_parser = duration, help_heading = "Order")]
    pub window: Option<Duration>,
    /// Hold at most SIZE in memory for --sort or --window (1MB to 3GB)
    #[arg(long, value_name = "SIZE", default_value = "48MB", value_parser = memory, help_heading = "Order")]
    pub memory: usize,
    /// Directory for temporary files [default: TMPDIR, or /tmp]
    ///
    /// The files have no name: the system removes them when the process ends.
    #[arg(
        long,
        value_name = "DIRECTORY",
        value_hint = clap::ValueHint::DirPath,
        help_heading = "Order",
        hide_short_help = true
    )]
    pub temp_dir: Option<PathBuf>,

    /// Drop duplicate records: those with the same id, kind and payload
    ///
    /// Times are not compared. The last 131072 different records are remembered.
    #[arg(long, help_heading = "Records")]
    pub dedup: bool,
    /// Add DURATION to the times of an input: web2.gor=-250ms (repeatable)
    ///
    /// FILE is an input as given, also "-" or a glob, or a file that a glob matches. Times are shifted before merging.
    #[arg(
        long = "shift",
        value_name = "FILE=DURATION",
        allow_hyphen_values = true,
        help_heading = "Records"
    )]
    pub shifts: Vec<Shift>,
    /// Move all times so that the first record written has TIME: now, -2h
    ///
    /// Also an RFC 3339 time (2026-11-24T09:00:00Z), a local time ("2026-11-24 09:00"), or a number of seconds,
    /// milliseconds, microseconds or nanoseconds since the Unix epoch.
    #[arg(
        long,
        value_name = "TIME",
        value_parser = time,
        allow_hyphen_values = true,
        help_heading = "Records"
    )]
    pub rebase: Option<Moment>,

    #[command(flatten)]
    #[allow(missing_docs, reason = "the group has its own")]
    pub input: InputOptions,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the group has its own")]
    pub output: OutputOptions,

    /// Print statistics at the end, on standard error (implied by -v)
    #[arg(long, help_heading = "Messages")]
    pub stats: bool,
    /// Write the statistics to FILE as JSON
    #[arg(
        long,
        value_name = "FILE",
        value_parser = report,
        value_hint = clap::ValueHint::FilePath,
        help_heading = "Messages",
        hide_short_help = true
    )]
    pub stats_json: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the group has its own")]
    pub verbosity: Verbosity,
}

const EXAMPLES: &str = "\
Examples:
  gor-merge web1.gor web2.gor.gz web3.gor -o all.gor
  gor-merge --sort --dedup 'logs/*.gor.zst' -o sorted.gor
  gor-merge --shift web2.gor=-1500ms --window 200ms -o all.gor web?.gor

See gor-merge --help for all options, more examples and the exit status.";

const LONG_EXAMPLES: &str = "\
Examples:
  Merge the recordings of three servers:
    gor-merge web1.gor web2.gor.gz web3.gor -o all.gor
  The same, where one clock is 1.5 s ahead and all are off by up to 200 ms:
    gor-merge --shift web2.gor=-1500ms --window 200ms -o all.gor web?.gor
  Merge what two recorders saw, each record once:
    gor-merge --dedup left.gor right.gor > all.gor
  Sort recordings in any order, and move their times so that they begin now:
    gor-merge --sort --rebase now 'logs/*.gor.zst' -o sorted.gor

Exit status: 0 success; 1 something failed or was lost; 2 wrong command line.";

/// Merges as the command line says.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let is_stopping = signals::stop()?;
    let places = places(args)?;
    let directory = args.temp_dir.clone().unwrap_or_else(std::env::temp_dir);
    let fan_in = fan_in(&places);
    let options = MergeOptions { fan_in, directory, is_stopping };
    let source = source(args, places, options)?;
    let mut to = args.output.write_options(&args.inputs);
    to.reports.extend(args.stats_json.as_deref());
    let mut sink = endpoint::create(&args.output.output, &to)?;

    let mut end = End::default();
    let mut written = 0;
    let result = copy(source, &mut *sink, &mut end, &mut written);
    if !args.verbosity.quiet {
        warn(&end.counts);
    }
    let ledger = ledger(&end, written);
    if args.stats || args.verbosity.verbose > 0 {
        cli::report(&ledger);
    }
    if let Some(path) = &args.stats_json {
        let written = File::create(path).and_then(|mut file| writeln!(file, "{:#}", ledger.to_json()));
        written.with_context(|| path.display().to_string())?;
    }
    result?;
    Ok(Exit::Done)
}

/// A place to read, its name as `endpoint::open` takes it, and what is added to its times.
struct Named {
    place: Place,
    name: String,
    shift: Option<i64>,
}

/// The inputs and their shifts.
fn places(args: &Args) -> Result<Vec<Named>> {
    let typed = if args.inputs.is_empty() { vec!["-".to_owned()] } else { args.inputs.clone() };
    // Told for all of them: that standard input is named twice.
    let total = endpoint::expand(&typed)?.len();
    let mut used = vec![false; args.shifts.len()];
    let mut places = Vec::with_capacity(total);
    for input in typed {
        for place in endpoint::expand(std::slice::from_ref(&input))? {
            let name = match &place {
                Place::File(path) => path.to_string_lossy().into_owned(),
                Place::Standard => input.clone(),
            };
            let found = args.shifts.iter().position(|shift| shift.file == name || shift.file == input);
            if let Some(index) = found {
                used[index] = true;
            }
            places.push(Named { place, name, shift: found.map(|index| args.shifts[index].by) });
        }
    }
    match args.shifts.iter().zip(used).find(|(_, is_used)| !is_used) {
        Some((Shift { file, .. }, _))
            if args.shifts.iter().filter(|shift| shift.file == *file).count() > 1 =>
        {
            Err(Error::Usage(format!("--shift {file}: it is given more than once")))
        }
        Some((Shift { file, .. }, _)) => {
            Err(Error::Usage(format!("--shift {file}: it is none of the inputs")))
        }
        None => Ok(places),
    }
}

/// Whether a place can be opened twice, and does not change by being read.
fn is_file(place: &Place) -> bool {
    matches!(place, Place::File(path) if std::fs::metadata(path).is_ok_and(|found| found.is_file()))
}

/// How many inputs may be open at once. The soft limit of open files is
/// raised as far as is needed and allowed.
fn fan_in(places: &[Named]) -> usize {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let live = places.iter().filter(|named| !is_file(&named.place)).count();
    // Passes need as many again.
    let wanted = (live + OTHER_FILES + 2 * FAN_IN) as u64;
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|soft| soft < wanted) {
        let mut raised = limit;
        raised.current = Some(limit.maximum.map_or(wanted, |hard| hard.min(wanted)));
        // Where it cannot be raised, fewer are opened at once.
        if setrlimit(Resource::Nofile, raised).is_ok() {
            limit = raised;
        }
    }
    let soft = limit.current.unwrap_or(u64::MAX).min(wanted) as usize;
    (soft.saturating_sub(live + OTHER_FILES) / 2).clamp(2, FAN_IN)
}

/// Puts together what the command line asks for.
fn source(args: &Args, places: Vec<Named>, options: MergeOptions) -> Result<Box<dyn Counted + Send>> {
    let strict = args.input.strict;
    let failures = Failures::new(places.len(), strict, |error| note(error));
    let open_at_once = if args.sort { 1 } else { places.len().min(options.fan_in) };
    let how = ReadOptions { most_read: READ_AHEAD / open_at_once, ..args.input.read_options() };
    let are_many = places.len() > options.fan_in;
    let inputs = places.into_iter().map(|named| {
        let first = (are_many && !args.sort && is_file(&named.place)).then(|| first_time(&named, &how));
        MergeInput { open: opener(named.name, named.shift, how.clone()), first }
    });
    let inputs = inputs.collect();
    let mut source: Box<dyn Counted + Send> = if args.sort {
        Box::new(Sort::new(inputs, args.memory, options, failures))
    } else {
        Box::new(Merge::new(inputs, options, failures)?)
    };
    if let Some(span) = args.window {
        let span = i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
        source = Box::new(Window::new(source, span, args.memory));
    }
    if args.dedup {
        source = Box::new(Dedup::new(source));
    }
    if let Some(moment) = args.rebase {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let start =
            moment.resolve(i64::try_from(now.as_nanos()).unwrap_or(i64::MAX), &jiff::tz::TimeZone::system());
        source = Box::new(Retimed::new(source, Retime::StartAt(start)));
    }
    Ok(source)
}

fn opener(name: String, shift: Option<i64>, how: ReadOptions) -> Opener {
    Box::new(move || {
        let source = endpoint::open(&[name], &how)?;
        Ok(match shift {
            Some(by) => Box::new(Retimed::new(source, Retime::By(by))),
            None => source,
        })
    })
}

/// The first record's time. An input that has none, or cannot be read, is
/// opened before the others, and says so itself then.
fn first_time(named: &Named, how: &ReadOptions) -> i64 {
    let how = ReadOptions { most_read: 0, tell: |_| {}, ..how.clone() };
    let mut block = Block::new();
    let read =
        opener(named.name.clone(), named.shift, how)().and_then(|mut source| source.read_block(&mut block));
    if matches!(read, Ok(true)) { block.get(0).header.timestamp } else { i64::MIN }
}

/// What is known when all was read.
#[derive(Default)]
struct End {
    intake: Intake,
    counts: MergeCounts,
}

/// What the merging thread hands on.
enum Item {
    Block(Block),
    End(End, Result<()>),
}

/// Writes what the source yields, and finishes the sink. What waits goes on
/// before the source is waited for.
fn copy(
    source: Box<dyn Counted + Send>,
    sink: &mut dyn Sink,
    end: &mut End,
    written: &mut u64,
) -> Result<()> {
    let (hand_on, items) = sync_channel(BLOCKS + 1);
    let (used, free) = channel();
    for _ in 0..BLOCKS {
        // The other end is in this function.
        let _ = used.send(Block::new());
    }
    let merging = thread::Builder::new().name("merge".to_owned());
    merging.spawn(move || merge(source, &free, &hand_on))?;
    loop {
        let item = match items.try_recv() {
            Err(TryRecvError::Empty) => {
                sink.flush()?;
                items.recv().ok()
            }
            item => item.ok(),
        };
        match item {
            Some(Item::Block(block)) => {
                sink.write_block(&block)?;
                *written += block.len() as u64;
                // The merging thread may be done.
                let _ = used.send(block);
            }
            Some(Item::End(all, result)) => {
                *end = all;
                let finished = if result.is_ok() { sink.finish() } else { sink.finish_failed() };
                return result.and(finished);
            }
            None => {
                return Err(Error::Invalid("the merging thread ended before its work was done".to_owned()));
            }
        }
    }
}

/// Reads the source to its end, or until nobody wants more.
fn merge(mut source: Box<dyn Counted + Send>, free: &Receiver<Block>, hand_on: &SyncSender<Item>) {
    while let Ok(mut block) = free.recv() {
        let item = match source.read_block(&mut block) {
            Ok(true) => Item::Block(block),
            end => {
                let mut counts = MergeCounts::default();
                source.count(&mut counts);
                Item::End(End { intake: source.intake(), counts }, end.map(|_| ()))
            }
        };
        let is_over = matches!(item, Item::End(..));
        if hand_on.send(item).is_err() || is_over {
            return;
        }
    }
}

/// Says what did not come out as it was asked for.
fn warn(counts: &MergeCounts) {
    let MergeCounts { disordered, open_ties, late, early, .. } = *counts;
    if disordered > 0 {
        note(format_args!(
            "{disordered} records are earlier than one before them in their input, and stand where they were \
             found; --window or --sort puts them right"
        ));
    }
    if late > 0 {
        note(format_args!("{late} records came later than --window allows, and stand where they came"));
    }
    if early > 0 {
        note(format_args!("{early} records left the window before their time; --memory makes room for more"));
    }
    if open_ties > 0 {
        note(format_args!(
            "so many records are of one time ({open_ties} mb) that a response among them may stand before its request"
        ));
    }
}

/// What became of the records, and what was read besides.
fn ledger(end: &End, written: u64) -> Ledger {
    let End { intake, counts } = end;
    let unwritten = intake.records.saturating_sub(written + counts.duplicates);
    Ledger::new()
        .total("records read", written + counts.duplicates + unwritten)
        .part("written", written)
        .part_if_any("dropped by --dedup", counts.duplicates)
        .part_if_any("not written", unwritten)
        .total("records out of order in their input", counts.disordered)
        .total("records later than --window", counts.late)
        .total("records hurried out of the window", counts.early)
        .total("records no longer known to --dedup", counts.forgotten)
        .total("runs in temporary files", counts.runs)
        .total("malformed records skipped", intake.malformed)
        .total("records of a wrong length lost", intake.lost)
        .total("records larger than --max-record skipped", intake.too_large)
        .total("unfinished last records", u64::from(intake.unfinished.is_some()))
        .total("bytes read", intake.bytes)
}

const _: () = assert!(REMEMBERED == 131_072, "the help of --dedup says how many");
