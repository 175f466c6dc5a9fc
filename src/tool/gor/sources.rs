//! The inputs of a plan, opened.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Parser as _;

use super::feedback::{Feedback, FeedbackSource};
use super::limit::LimitedSource;
use super::plan::{Input, InputKind, Plan};
use crate::capture::{CaptureLedger, Dummy, NetworkRecording, Snapshot, Unwritten};
use crate::cli::{Every, Report, note};
use crate::endpoint::{self, Dropped, Place, ReadOptions, RecordQueue};
use crate::merge::{Arrivals, Depth, Merge, MergeInput, MergeOptions};
use crate::pace::{Pace, Speed, Tempo};
use crate::record::{Block, Failures, Intake, Source, pipe};
use crate::replay::{OpenSource, Paced};
use crate::tool::record::{self, live::StatsLine};
use crate::{Error, Result};

/// Bytes of records from the network that may wait to be handled; beyond, exchanges are dropped and counted.
const QUEUE: u64 = 32 << 20;

/// Files that are open at once; more are opened when their time has come.
const MOST_OPEN: usize = 128;

/// How often signals are looked for while nothing is due.
const LOOK: Duration = Duration::from_millis(50);

/// What became of the packets of an input.
#[derive(Clone, Debug, Default)]
pub(super) struct PacketAccount {
    ledger: Arc<Mutex<CaptureLedger>>,
    /// Whether capturing has failed, which was told.
    has_failed: Arc<AtomicBool>,
}

impl PacketAccount {
    /// Says what was lost. Whether something was that could have been kept.
    pub(super) fn report(&self, report: &mut Report) -> bool {
        let ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(losses) = ledger.losses(false) {
            report.loss(losses);
        }
        let is_unwritten = ledger.unwritten != Unwritten::default();
        ledger.packets.dropped > 0 || is_unwritten || self.has_failed.load(Ordering::Relaxed)
    }
}

/// All inputs as one, and what is to be said of them at the end.
pub(super) struct Sources {
    sources: Vec<Box<dyn Source + Send>>,
    pub(super) packets: Vec<PacketAccount>,
}

impl Sources {
    /// Opens all inputs. Whoever brings responses back is told when they have ended.
    pub(super) fn open(plan: &Plan, reading: &ReadOptions, feedback: Option<&Feedback>) -> Result<Sources> {
        let mut accounts: Vec<PacketAccount> = Vec::new();
        let mut sources = Vec::new();
        let files = FileReading { plan, reading };
        for input in &plan.inputs {
            let source: Box<dyn Source + Send> = match &input.kind {
                InputKind::Files { pattern, speed, repeats } => files.open(pattern, *speed, *repeats)?,
                InputKind::Packets { args, is_live } => {
                    let (source, account) = packets(args, *is_live, reading, plan.stats)?;
                    accounts.push(account);
                    source
                }
                InputKind::Listener { place } => endpoint::open(std::slice::from_ref(place), reading)?,
                InputKind::Topic { place, speed } => topic(place, *speed, plan, reading)?,
                InputKind::Dummy => Box::new(DummySource::start(reading)?),
            };
            let source = match input.share {
                Some(share) => Box::new(LimitedSource::new(source, share, plan.is_paced())),
                None => source,
            };
            sources.push(match feedback {
                Some(feedback) => feedback.input(source),
                None => source,
            });
        }
        Ok(Sources { sources, packets: accounts })
    }

    /// All of them as one, and the responses that come back, if that is asked for.
    pub(super) fn join(&mut self, returning: Option<FeedbackSource>) -> Result<Box<dyn Source + Send>> {
        let mut sources = std::mem::take(&mut self.sources);
        let inputs = sources.len();
        if let Some(returning) = returning {
            sources.push(Box::new(returning));
        }
        if sources.len() == 1 {
            return Ok(sources.remove(0));
        }
        let failures = Failures::new(inputs, false, |error| note(error));
        Ok(Box::new(Arrivals::start(sources, failures)?))
    }
}

/// How recordings are read.
struct FileReading<'a> {
    plan: &'a Plan,
    reading: &'a ReadOptions,
}

impl FileReading<'_> {
    /// Recordings, by time as far as the read depth goes; held back until they are due where time matters.
    fn open(&self, pattern: &str, speed: Speed, repeats: bool) -> Result<Box<dyn Source + Send>> {
        let (pattern, reading, depth) = (pattern.to_owned(), self.reading.clone(), self.plan.read_depth);
        let mut first = Some(files(&pattern, &reading, depth)?);
        let mut open: OpenSource =
            Box::new(move || first.take().map_or_else(|| files(&pattern, &reading, depth), Ok));
        if !self.plan.is_paced() {
            return open();
        }
        let pace = Pace { tempo: Tempo::Speed(speed), max_wait: self.plan.max_wait };
        let ReadOptions { is_stopping, is_cut, .. } = self.reading;
        Ok(Box::new(Paced::new(open, pace, repeats, Arc::clone(is_stopping), Arc::clone(is_cut))))
    }
}

/// The recordings of a pattern, merged by time.
pub(super) fn files(pattern: &str, reading: &ReadOptions, depth: usize) -> Result<Box<dyn Source + Send>> {
    let places = endpoint::expand(&[pattern.to_owned()], reading)?;
    let is_plain = |place: &Place| matches!(place, Place::File(_) | Place::Object(_) | Place::Standard);
    if let Some(other) = places.iter().find(|place| !is_plain(place)) {
        return Err(Error::Usage(format!(
            "--input-file {other}: this is not a file; other inputs have flags of their own"
        )));
    }
    // What comes through a pipe is not kept back until more comes.
    let is_pipe = |place: &Place| match place {
        Place::File(path) => std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir()),
        other => matches!(other, Place::Standard),
    };
    let depth = if places.iter().any(is_pipe) { 0 } else { depth };
    if places.len() == 1 {
        let source = endpoint::open(&[pattern.to_owned()], reading)?;
        return Ok(Box::new(Depth::new(source, depth)));
    }
    let reading = &ReadOptions { reads_ahead: false, ..reading.clone() };
    let are_many = places.len() > MOST_OPEN;
    let inputs = places.iter().map(|place| {
        let (name, how) = (place.to_string(), reading.clone());
        let first = are_many.then(|| first_time(&name, reading));
        let open = Box::new(move || -> Result<Box<dyn Source + Send>> {
            Ok(Box::new(Depth::new(endpoint::open(&[name], &how)?, depth)))
        });
        MergeInput { open, first }
    });
    let options = MergeOptions { fan_in: MOST_OPEN, directory: std::env::temp_dir() };
    let failures = Failures::new(places.len(), false, |error| note(error));
    Ok(Box::new(Merge::new(inputs.collect(), options, failures)?))
}

/// The first record's time. An input that has none says so when it is opened.
fn first_time(name: &str, reading: &ReadOptions) -> i64 {
    let how = ReadOptions { most_read: 0, tell: |_| {}, ..reading.clone() };
    let mut block = Block::new();
    let read = endpoint::open(&[name.to_owned()], &how).and_then(|mut source| source.read_block(&mut block));
    if matches!(read, Ok(true)) { block.get(0).header.timestamp } else { i64::MIN }
}

fn topic(address: &str, speed: Speed, plan: &Plan, reading: &ReadOptions) -> Result<Box<dyn Source + Send>> {
    let reading = ReadOptions { kafka: plan.kafka_input.clone(), ..reading.clone() };
    let names = [address.to_owned()];
    let mut first = Some(endpoint::open(&names, &reading)?);
    let (is_stopping, is_cut) = (Arc::clone(&reading.is_stopping), Arc::clone(&reading.is_cut));
    let mut open: OpenSource =
        Box::new(move || first.take().map_or_else(|| endpoint::open(&names, &reading), Ok));
    if speed == Speed::RECORDED {
        return open();
    }
    let pace = Pace { tempo: Tempo::Speed(speed), max_wait: None };
    Ok(Box::new(Paced::new(open, pace, false, is_stopping, is_cut)))
}

/// What gor-record makes of packets.
fn packets(
    args: &[String],
    is_live: bool,
    reading: &ReadOptions,
    interval: Option<Duration>,
) -> Result<(Box<dyn Source + Send>, PacketAccount)> {
    let words = std::iter::once("gor-record".to_owned()).chain(args.iter().cloned());
    let args = record::Args::try_parse_from(words).map_err(|error| {
        let is_address = error.to_string().contains("[ADDRESS]");
        match wrong("--input-raw", &error) {
            // As GoReplay has it, this is no matter of the command line's form.
            Error::Usage(text) if is_address => Error::Invalid(text),
            other => other,
        }
    })?;
    args.check().map_err(in_own_flags)?;
    if !is_live {
        let failures = Failures::new(args.read.len(), false, |error| note(error));
        let (source, ledger) = record::files::source(&args, reading, failures)?;
        return Ok((source, PacketAccount { ledger, ..PacketAccount::default() }));
    }
    let account = PacketAccount::default();
    Ok((record_live(args, Arc::clone(&reading.is_stopping), account.clone(), interval)?, account))
}

/// Records on a thread of its own, which waits for nobody: exchanges that are not taken in time are dropped, counted.
fn record_live(
    args: record::Args,
    stop: Arc<AtomicBool>,
    account: PacketAccount,
    interval: Option<Duration>,
) -> Result<Box<dyn Source + Send>> {
    let (sink, source) = pipe();
    let mut queue = RecordQueue::start(Box::new(sink.ending()), QUEUE, &Arc::default())?;
    let (opened, is_open) = channel();
    thread::Builder::new().name("capture".to_owned()).spawn(move || {
        // What captures stays on the thread that has opened it.
        let network = NetworkRecording::open(args.capture_options(), &args.watch(), args.threads, &stop);
        let mut network = match network {
            Ok(network) => network,
            // It is waited for.
            Err(error) => return drop(opened.send(Err(error))),
        };
        note(in_own_words(network.scope()));
        network.warnings().iter().for_each(note);
        let _ = opened.send(Ok(()));
        let mut block = Block::new();
        let mut stats = Every::new(interval);
        let mut is_slow = false;
        loop {
            match network.poll(&mut block) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    note(&error);
                    account.has_failed.store(true, Ordering::Relaxed);
                }
            }
            if let Some(warning) = network.warning() {
                note(in_own_words(&warning));
            }
            let put = if block.is_empty() { queue.check() } else { queue.put(&mut block) };
            if put.is_err() {
                break;
            }
            let dropped = queue.dropped();
            if stats.is_due()
                && let Ok(ledger) = network.ledger()
            {
                let unwritten =
                    Unwritten { requests: dropped.requests, responses: dropped.responses, packets: 0 };
                let (output, lag) = (network.intake().bytes, network.lag().as_secs_f64());
                let ledger = CaptureLedger { unwritten, ..ledger };
                note(StatsLine(&Snapshot { ledger, queued: queue.waiting(), output, lag }));
            }
            if dropped.requests > 0 && !std::mem::replace(&mut is_slow, true) {
                note("records are not taken in time; exchanges are dropped from now on, as long as it is so");
            }
        }
        let Dropped { requests, responses } = queue.dropped();
        match network.ledger() {
            Ok(ledger) => {
                let unwritten = Unwritten { requests, responses, packets: 0 };
                let ledger = CaptureLedger { unwritten, ..ledger };
                *account.ledger.lock().unwrap_or_else(PoisonError::into_inner) = ledger;
            }
            Err(error) => {
                note(error);
                account.has_failed.store(true, Ordering::Relaxed);
            }
        }
        // Who reads the pipe has failed, and says why.
        let _ = queue.finish();
    })?;
    is_open
        .recv()
        .unwrap_or_else(|_| Err(Error::Invalid("a thread ended before its work was done".into())))
        .map_err(in_own_flags)?;
    Ok(Box::new(source))
}

/// Options of gor-record in what it says, as the flags that stand for them here.
fn in_own_words(text: &str) -> String {
    let instead = text.replace("--any-host", "--input-raw-promisc");
    instead.replace("use --not-client", "use gor-record with --not-client")
}

/// Options of the Unix tools and the flags that became them.
const NAMES: [(&str, &str); 22] = [
    ("--rewrite-header", "--http-rewrite-header"),
    ("--rewrite-url", "--http-rewrite-url"),
    ("--set-header", "--http-set-header"),
    ("--set-param", "--http-set-param"),
    ("--method", "--http-allow-method"),
    ("--url", "--http-allow-url"),
    ("--not-url", "--http-disallow-url"),
    ("--header", "--http-allow-header"),
    ("--not-header", "--http-disallow-header"),
    ("--basic-auth", "--http-basic-auth-filter"),
    ("--header-limit", "--http-header-limiter"),
    ("--param-limit", "--http-param-limiter"),
    ("--bpf", "--input-raw-bpf-filter"),
    ("--engine", "--input-raw-engine"),
    ("--timestamp-source", "--input-raw-timestamp-type"),
    ("--real-ip-header", "--input-raw-realip-header"),
    ("--ignore-interface", "--input-raw-ignore-interface"),
    ("--vlan", "--input-raw-vlan-vid"),
    ("--vxlan-port", "--input-raw-vxlan-port"),
    ("--vxlan-vni", "--input-raw-vxlan-vni"),
    ("--max-message", "--copy-buffer-size"),
    ("[ADDRESS]...", "--input-raw"),
];

/// What gor-record says of a wrong command line, with our flags in the place of its options. An address that is none is
/// no matter of the command line's form, as GoReplay has it.
fn in_own_flags(error: Error) -> Error {
    let Error::Usage(text) = error else { return error };
    let own = |word: &str| NAMES.iter().find(|(option, _)| *option == word).map(|(_, flag)| *flag);
    let is_named = text.split(' ').any(|word| own(word).is_some());
    let words: Vec<&str> = text.split(' ').map(|word| own(word).unwrap_or(word)).collect();
    match words.join(" ") {
        text if is_named => Error::Usage(text),
        text if text.contains("is neither an IP address nor an interface") => {
            Error::Invalid(format!("--input-raw: {text}"))
        }
        text => Error::Usage(format!("--input-raw: {text}")),
    }
}

/// What clap says of words that were made of flags, in one line.
pub(super) fn wrong(what: &str, error: &clap::Error) -> Error {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
    // `'--url <REGEX>'`
    let named = NAMES.iter().find_map(|(option, flag)| {
        let (before, rest) = line.split_once(&format!("'{option}"))?;
        let (value_name, after) = rest.split_once('\'')?;
        let is_whole = value_name.is_empty() || value_name.starts_with(' ');
        is_whole.then(|| format!("{before}{flag}{after}"))
    });
    Error::Usage(named.unwrap_or_else(|| format!("{what}: {line}")))
}

/// Exchanges that nobody had, one each second.
struct DummySource {
    dummy: Dummy,
    start: Instant,
    is_stopping: Arc<AtomicBool>,
    intake: Intake,
}

impl DummySource {
    fn start(reading: &ReadOptions) -> Result<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(now.as_nanos()).unwrap_or(i64::MAX);
        let session = getrandom::u64().map_err(std::io::Error::from)?;
        Ok(DummySource {
            dummy: Dummy::new(1.0, true, session, now),
            start: Instant::now(),
            is_stopping: Arc::clone(&reading.is_stopping),
            intake: Intake::default(),
        })
    }
}

impl Source for DummySource {
    fn read_block(&mut self, block: &mut Block) -> Result<bool> {
        block.clear();
        while block.is_empty() {
            if self.is_stopping.load(Ordering::Relaxed) {
                return Ok(false);
            }
            thread::sleep(self.dummy.next_due().saturating_sub(self.start.elapsed()).min(LOOK));
            self.dummy.make(self.start.elapsed(), 1, block);
        }
        self.intake.records += block.len() as u64;
        self.intake.bytes += block.bytes().len() as u64;
        Ok(true)
    }

    fn intake(&self) -> Intake {
        self.intake
    }
}

/// Whether all inputs can wait for a slow output.
pub(super) fn can_wait(inputs: &[Input]) -> bool {
    inputs.iter().all(Input::can_wait)
}
