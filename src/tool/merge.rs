//! The command line of `gor-merge`.

mod values;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::PoisonError;
use std::time::{Duration, SystemTime};

use clap::Parser;

use self::values::{Shift, memory};
use crate::cli::values::{Moment, duration, time};
use crate::cli::{
    Exit, InputOptions, KafkaInput, KafkaOptions, OutputOptions, Report, Reporting, SendArgs, Tool,
    WebSocketArgs, raise_descriptor_limit, with_intake,
};
use crate::endpoint::{self, Place, ReadOptions};
use crate::merge::{
    Counted, CountingSource, Dedup, Merge, MergeCounts, MergeInput, MergeOptions, Opener, REMEMBERED, Retime,
    Retimed, Sort, Window,
};
use crate::observe::{Count, Ledger};
use crate::record::{Block, Intake, Source as _};
use crate::transform::Pass;
use crate::{Error, Result};

/// Most files that are open at once where more are merged.
const FAN_IN: usize = 64;

/// Descriptors for everything but inputs.
const OTHER_FILES: usize = 20;

/// Bytes that all inputs together read at once.
const READ_AHEAD: usize = 8 << 20;

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
#[allow(clippy::doc_markdown, reason = "these are help texts")]
pub struct Args {
    /// Files, directories, quoted globs or "-" [default: standard input]
    ///
    /// Recordings and packet captures (pcap, pcapng), plain or compressed (gzip, zstd), are recognised by their first
    /// bytes.
    ///
    /// Objects of S3 are read as well: s3://BUCKET/KEY, s3://BUCKET/PREFIX/ or a quoted glob of keys.
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
    #[command(flatten)]
    #[allow(missing_docs)]
    pub sending: SendArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub websocket: WebSocketArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub kafka: KafkaOptions,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub kafka_input: KafkaInput,

    #[command(flatten)]
    #[allow(missing_docs, reason = "the group has its own")]
    pub reporting: Reporting,
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
    args.input.listening.check(&args.inputs)?;
    args.input.services.check(args.inputs.iter().chain(&args.output.output))?;
    let tool = Tool::new(&args.input, &args.output.output, &args.reporting)?
        .with_kafka(&args.kafka, &args.kafka_input, &args.inputs)?
        .with_websockets(&args.websocket, &args.inputs)?;
    args.reporting.tell_of_terminal(&args.inputs);
    let places = places(args, &tool.reading)?;
    refuse_group(&places)?;
    tool.reading
        .meter
        .set_total(endpoint::total_size(places.iter().map(|named| &named.place), &tool.reading));
    let directory = args.temp_dir.clone().unwrap_or_else(std::env::temp_dir);
    let options = MergeOptions { fan_in: fan_in(&places), directory };
    let (source, counts) = CountingSource::new(source(args, places, options, &tool)?);
    let mut sink = tool.create(&args.output, &args.sending, &args.inputs)?;
    let mut pass = Pass::default();
    let (intake, copied) = tool.run(source, &mut pass, &mut *sink, Some(NonZeroUsize::MIN));

    let counts = *counts.lock().unwrap_or_else(PoisonError::into_inner);
    // The last block may have been written in part.
    let written = copied.as_ref().err().and_then(Error::written).unwrap_or(pass.written);
    let mut report = Report::of(&ledger(&intake, &counts, written));
    remarks(&counts, &mut report);
    tool.remark_if_empty(&mut report, &intake, &copied, "merge");
    tool.end(report, copied)
}

/// A place to read, its name as `endpoint::open` takes it, and what is added to its times.
struct Named {
    place: Place,
    name: String,
    shift: Option<i64>,
}

/// The inputs and their shifts.
fn places(args: &Args, how: &ReadOptions) -> Result<Vec<Named>> {
    let typed = if args.inputs.is_empty() { vec!["-".to_owned()] } else { args.inputs.clone() };
    // Told for all of them: that standard input is named twice.
    let total = endpoint::expand(&typed, how)?.len();
    let mut used = vec![false; args.shifts.len()];
    let mut places = Vec::with_capacity(total);
    for input in typed {
        for place in endpoint::expand(std::slice::from_ref(&input), how)? {
            let name = match &place {
                Place::File(path) => path.to_string_lossy().into_owned(),
                Place::Standard | Place::Network(_) | Place::Kafka(_) => input.clone(),
                Place::Object(object) => object.to_string(),
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

/// Refuses a topic that is read in a group: a record that waits for those of other inputs may wait for longer than a group
/// waits for its readers, so that others would get it as well.
fn refuse_group(places: &[Named]) -> Result<()> {
    let is_group = |named: &&Named| matches!(&named.place, Place::Kafka(address) if address.group.is_some());
    let Some(named) = places.iter().find(is_group) else { return Ok(()) };
    let why = "gor-merge holds records back until other inputs are as far, and a group does not wait for that; read the \
               topic with gor-filter, which commits what it wrote, and merge its files, or leave group out";
    Err(Error::Usage(format!("{}: {why}", named.name)))
}

/// Whether a place can be opened twice, and does not change by being read.
fn is_file(place: &Place) -> bool {
    match place {
        Place::Standard | Place::Network(_) | Place::Kafka(_) => false,
        Place::File(path) => std::fs::metadata(path).is_ok_and(|found| found.is_file()),
        Place::Object(_) => true,
    }
}

/// How many inputs may be open at once. The soft limit of open files is raised as far as is allowed; if that is not
/// far enough, fewer are opened at once.
fn fan_in(places: &[Named]) -> usize {
    let live = places.iter().filter(|named| !is_file(&named.place)).count();
    let limit = usize::try_from(raise_descriptor_limit().unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
    // Passes need as many again.
    (limit.saturating_sub(live + OTHER_FILES) / 2).clamp(2, FAN_IN)
}

/// Puts together what the command line asks for.
fn source(
    args: &Args,
    places: Vec<Named>,
    options: MergeOptions,
    tool: &Tool<'_>,
) -> Result<Box<dyn Counted + Send>> {
    let failures = tool.failures(places.len());
    let open_at_once = if args.sort { 1 } else { places.len().min(options.fan_in) };
    let most_read = READ_AHEAD / open_at_once;
    let how = ReadOptions { most_read, reads_ahead: open_at_once == 1, ..tool.reading.clone() };
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

/// What did not come out as it was asked for.
fn remarks(counts: &MergeCounts, report: &mut Report) {
    let MergeCounts { disordered, open_ties, late, early, .. } = *counts;
    if disordered > 0 {
        report.remark(format_args!(
            "{} out of order in the input, merged as read; use --window or --sort to put records in order",
            Count(disordered, "record")
        ));
    }
    if late > 0 {
        report.remark(format_args!(
            "{} later than --window allows, and written where they came; use a larger --window, or --sort",
            Count(late, "record")
        ));
    }
    if early > 0 {
        report.remark(format_args!(
            "{} written before the time of --window was over, as they did not fit; use a larger --memory",
            Count(early, "record")
        ));
    }
    if open_ties > 0 {
        report.remark(format_args!(
            "{open_ties}MB of records have the same time; a response among them may be written before its request"
        ));
    }
}

/// What became of the records, and what was read besides.
fn ledger(intake: &Intake, counts: &MergeCounts, written: u64) -> Ledger {
    let unwritten = intake.records.saturating_sub(written + counts.duplicates);
    let ledger = Ledger::new()
        .sum("records", "records read", written + counts.duplicates + unwritten)
        .part("written", "written", written)
        .part_if_any("duplicates", "dropped by --dedup", counts.duplicates)
        .part_if_any("not_written", "not written", unwritten)
        .total("out_of_order", "records out of order in their input", counts.disordered)
        .total("after_window", "records later than --window", counts.late)
        .total("before_window", "records that left the window early", counts.early)
        .total("forgotten", "records no longer known to --dedup", counts.forgotten)
        .total("runs", "runs in temporary files", counts.runs);
    with_intake(ledger, intake)
}

const _: () = assert!(REMEMBERED == 131_072, "the help of --dedup says how many");
