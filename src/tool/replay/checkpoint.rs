//! `gor-replay --checkpoint`: where a replay keeps how far it is, and whether another command may go on there.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::Args;
use crate::cli::{Exit, moment, note, values};
use crate::endpoint::{self, Place, ReadOptions, SingleObject};
use crate::observe::Count;
use crate::pace::Share;
use crate::replay::{
    CheckpointSettings, MOST_RECIPIENTS, Outcome, ReplayPosition, RequestSelection, TargetProtocol,
};
use crate::report::{RecordedReport, ReplayReport, RunOption, TargetReport};
use crate::tool::report::{ReportFiles, ReportPath, conclude};
use crate::{Error, Result};

/// The value of `format` in each checkpoint.
const FORMAT: &str = "gor-replay-checkpoint";

/// The version of the schema.
const VERSION: u64 = 1;

/// The shortest time between checkpoints.
const LEAST_INTERVAL: Duration = Duration::from_secs(1);

/// How to begin from the beginning.
const REMOVE: &str = "remove it to start from the beginning";

/// Whether a replay can be gone on with.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Checkpoint")]
#[allow(clippy::doc_markdown, reason = "these are help texts")]
pub struct CheckpointOptions {
    /// Keep in FILE which requests are done; the same command goes on there
    ///
    /// FILE is a file or an object of S3: s3://BUCKET/KEY. A replay that was interrupted sends the rest when the same
    /// command is run again, and its report covers all parts. The next request is due at once. After SIGINT and SIGTERM
    /// no request is sent twice or left out. After a crash or SIGKILL, requests sent since the last checkpoint are sent
    /// again: about those of --checkpoint-interval and half a second.
    /// Inputs must be files or objects that have not changed. A replay that is complete sends nothing when it is run
    /// again: its report is judged again (--fail-if, exit status), and written where it is missing (--report); remove
    /// FILE to start from the beginning.
    #[arg(
        long,
        value_name = "FILE",
        value_hint = clap::ValueHint::FilePath,
        conflicts_with_all = ["dry_run", "output", "middleware", "elasticsearch", "follow", "rounds", "cookies"],
        hide_short_help = true
    )]
    pub checkpoint: Option<String>,
    /// Write the checkpoint each DURATION, at least 1s
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "10s",
        value_parser = interval,
        requires = "checkpoint",
        hide_short_help = true
    )]
    pub checkpoint_interval: Duration,
}

/// How long after a checkpoint the next one is written.
fn interval(text: &str) -> Result<Duration, String> {
    let interval = values::duration(text)?;
    // Whether it is time is looked at a few times a second.
    if interval < LEAST_INTERVAL {
        Err("expected a duration of at least 1s, as 10s".into())
    } else {
        Ok(interval)
    }
}

/// An input that a replay reads.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
struct InputMark {
    name: String,
    bytes: u64,
    /// What tells its content from others: a digest of beginning and end, or the `ETag`.
    content: String,
}

/// What decides which requests are sent, and where.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
struct RunFingerprint {
    inputs: Vec<InputMark>,
    targets: Vec<String>,
    options: Vec<RunOption>,
}

/// A checkpoint as it is kept.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Kept {
    format: String,
    version: u64,
    /// Whether all is done.
    complete: bool,
    /// Whether its last run, which completed it, had failures.
    #[serde(default)]
    has_failures: bool,
    /// Whether the run that wrote it has ended by itself: nothing was sent since.
    ended: bool,
    work: RunFingerprint,
    position: ReplayPosition,
    /// Files and objects with reports of this replay.
    reports: Vec<String>,
    /// What was measured of the requests that are settled. None: there are none.
    report: Option<ReplayReport>,
}

/// Where checkpoints go.
#[derive(Debug)]
enum CheckpointStore {
    /// A file, and the newest one of its name, which is locked.
    File(PathBuf, Option<File>),
    Object(SingleObject),
}

/// The checkpoint of this run.
#[derive(Debug)]
pub(super) struct RunCheckpoint {
    name: String,
    store: CheckpointStore,
    kept: Kept,
    interval: Duration,
    /// Whether the last one could not be written.
    has_failed: bool,
}

/// Whether there is something to do.
#[derive(Debug)]
pub(super) enum Begun {
    /// A replay was completed before.
    Done(Box<Completed>),
    /// It begins, or goes on.
    Open(Box<RunCheckpoint>),
}

/// A replay that was completed before: what it came to.
#[derive(Debug)]
pub(super) struct Completed {
    checkpoint: RunCheckpoint,
    has_failures: bool,
}

/// Refuses what cannot be gone on with.
fn check(args: &Args, places: &[Place], reading: &ReadOptions) -> Result<()> {
    let wrong = |why: &str| Err(Error::Usage(format!("--checkpoint: {why}")));
    for place in places {
        if endpoint::total_size([place], reading).is_none() && !is_missing(place) {
            return wrong(&format!(
                "{place} cannot be read again from its beginning; name files or objects with -i"
            ));
        }
    }
    if places.contains(&Place::Standard) {
        return wrong("standard input cannot be read again; name files or objects with -i");
    }
    if args.targets.iter().any(|target| target.share() != Share::All) {
        return wrong("what TARGET|N leaves out depends on what was sent before; leave out the share");
    }
    if args.targets.iter().any(|target| target.protocol() == TargetProtocol::Tcp) {
        return wrong("a tcp:// target needs each connection from its beginning");
    }
    if args.targets.len() > MOST_RECIPIENTS {
        return wrong(&format!("there may be {MOST_RECIPIENTS} targets at most"));
    }
    Ok(())
}

/// Whether opening it will tell what is wrong.
fn is_missing(place: &Place) -> bool {
    match place {
        Place::File(path) => std::fs::metadata(path).map_or(true, |found| found.is_dir()),
        Place::Object(_) => true,
        _ => false,
    }
}

impl RunFingerprint {
    fn of(
        args: &Args,
        places: &[Place],
        reading: &ReadOptions,
        selection: &RequestSelection,
    ) -> Result<Self> {
        let mark = |place: &Place| {
            let (bytes, content) = endpoint::content_mark(place, reading)?;
            Ok(InputMark { name: place.to_string(), bytes, content })
        };
        let mut options = Vec::new();
        let mut add = |name: &str, value: String| options.push(RunOption { name: name.to_owned(), value });
        for input in args.input.iter().filter(|input| input.contains('|')) {
            add("input", input.clone());
        }
        add("since", selection.since.map_or("not given".to_owned(), moment::shown));
        add("until", selection.until.map_or("not given".to_owned(), moment::shown));
        add("shard", selection.shard.map_or("not given".to_owned(), |shard| shard.to_string()));
        for (name, is_given) in [
            ("split", args.writing.split),
            ("sessions", args.writing.sessions),
            ("send-incomplete", args.sending.send_incomplete),
            ("original-host", args.sending.original_host),
        ] {
            add(name, if is_given { "given" } else { "not given" }.to_owned());
        }
        add("max-record", args.reading.max_record.to_string());
        Ok(RunFingerprint {
            inputs: places.iter().map(mark).collect::<Result<_>>()?,
            targets: args.targets.iter().map(ToString::to_string).collect(),
            options,
        })
    }

    /// The first thing in which this command differs from that of a checkpoint, in words.
    fn difference(&self, kept: &RunFingerprint) -> Option<String> {
        for (now, before) in self.inputs.iter().zip(&kept.inputs) {
            if now.name != before.name {
                return Some(format!(
                    "it is of the input {}, and this command reads {}",
                    before.name, now.name
                ));
            }
            if now.bytes != before.bytes {
                let (name, now, before) = (&now.name, now.bytes, before.bytes);
                return Some(format!("the input {name} has changed: it has {now} bytes, and had {before}"));
            }
            if now.content != before.content {
                return Some(format!("the input {} has changed: its content is another one", now.name));
            }
        }
        if self.inputs.len() != kept.inputs.len() {
            return Some(format!(
                "it is of {} inputs, and now there are {}",
                kept.inputs.len(),
                self.inputs.len()
            ));
        }
        if self.targets != kept.targets {
            let [before, now] = [kept, self].map(|work| work.targets.join(" "));
            return Some(format!("it is of a replay to {before}, and this one is to {now}"));
        }
        let differing = self.options.iter().zip(&kept.options).find(|(now, before)| now != before);
        if let Some((now, before)) = differing.filter(|(now, before)| now.name == before.name) {
            return Some(format!("--{} was {}, and is {}", before.name, before.value, now.value));
        }
        (self.options != kept.options).then(|| "it is of other options".to_owned())
    }
}

impl Completed {
    /// Judges the replay again, and writes those of its reports that are missing. Nothing is sent.
    pub(super) fn conclude(mut self, args: &Args, reading: &ReadOptions) -> anyhow::Result<Exit> {
        let mut missing = Vec::new();
        for path in &args.measuring.report {
            if !self.is_written(path, reading)? {
                missing.push(path.clone());
            }
        }
        let may_write = |name: &str| args.writing.force || self.checkpoint.has_report(name);
        let files = ReportFiles::open(&missing, may_write, &reading.services)?;
        if missing.iter().any(|path| !self.checkpoint.has_report(&path.to_string())) {
            // The next time they are known.
            self.checkpoint.start(&missing)?;
        }
        let RunCheckpoint { name, kept: Kept { report, .. }, .. } = &self.checkpoint;
        if !args.reporting.quiet {
            note(format_args!("{name}: this replay is complete; nothing is sent; {REMOVE}"));
        }
        if self.has_failures {
            let errors = report.as_ref().map_or(0, |report| report.total.errors());
            let failed =
                if errors > 0 { format!(": {} failed", Count(errors, "request")) } else { String::new() };
            note(format_args!("{name}: this replay had failures{failed}"));
        }
        let done = report.as_ref().map_or(Ok(()), |report| files.write(report, &TimeZone::system()));
        let exit = if self.has_failures { Exit::Lost } else { Exit::Done };
        conclude(&args.measuring.fail_if, report.as_ref(), done, exit)
    }

    /// Whether a report of this name is there that a run of this replay has written.
    fn is_written(&self, path: &ReportPath, reading: &ReadOptions) -> Result<bool> {
        let name = path.to_string();
        if !self.checkpoint.has_report(&name) {
            return Ok(false);
        }
        match path.path() {
            // One that was opened and not written is empty.
            Some(file) => Ok(std::fs::metadata(file).is_ok_and(|found| found.len() > 0)),
            None => Ok(SingleObject::find(&name, &reading.services)?.exists() == Some(true)),
        }
    }
}

impl RunCheckpoint {
    /// Reads the checkpoint of the command line, if there is one, or begins it; none where there is no such option.
    pub(super) fn begin(
        args: &Args,
        places: &[Place],
        reading: &ReadOptions,
        selection: &RequestSelection,
    ) -> Result<Option<Begun>> {
        let Some(name) = &args.checkpoints.checkpoint else { return Ok(None) };
        check(args, places, reading)?;
        let failed = |error: Error| error.at(name.as_str());
        let work = RunFingerprint::of(args, places, reading, selection)?;
        let (store, text) = if SingleObject::is_meant(name) {
            let object = SingleObject::find(name, &reading.services)?;
            let text = object.get()?;
            (CheckpointStore::Object(object), text)
        } else {
            let path = PathBuf::from(name);
            let (held, text) =
                read(&path).map_err(failed)?.map_or((None, None), |(file, text)| (Some(file), Some(text)));
            (CheckpointStore::File(path, held), text)
        };
        let is_new = text.is_none();
        let kept = match text {
            Some(text) => {
                let kept = parse(&text).map_err(failed)?;
                if let Some(difference) = work.difference(&kept.work) {
                    let why = format!(
                        "this checkpoint is of another replay: {difference}; use another file, or {REMOVE}"
                    );
                    return Err(failed(Error::Usage(why)));
                }
                kept
            }
            None => Kept {
                format: FORMAT.to_owned(),
                version: VERSION,
                complete: false,
                has_failures: false,
                ended: true,
                work,
                position: ReplayPosition::default(),
                reports: Vec::new(),
                report: None,
            },
        };
        let interval = args.checkpoints.checkpoint_interval;
        let mut checkpoint = RunCheckpoint { name: name.clone(), store, kept, interval, has_failed: false };
        if checkpoint.kept.complete {
            let report = checkpoint.kept.report.as_ref();
            let has_failures =
                checkpoint.kept.has_failures || report.is_some_and(|report| report.total.errors() > 0);
            return Ok(Some(Begun::Done(Box::new(Completed { checkpoint, has_failures }))));
        }
        if !is_new && !args.reporting.quiet {
            checkpoint.tell();
        }
        checkpoint.kept.ended = false;
        Ok(Some(Begun::Open(Box::new(checkpoint))))
    }

    /// Notes which reports are this replay's own. That it can be written is found out before anything is sent.
    pub(super) fn start(&mut self, reports: &[ReportPath]) -> Result<()> {
        for report in reports.iter().map(ToString::to_string) {
            if !self.kept.reports.contains(&report) {
                self.kept.reports.push(report);
            }
        }
        self.write()
    }

    /// Says where it goes on.
    fn tell(&self) {
        // Not what is due, which is counted for each target.
        let runs = self.kept.report.iter().flat_map(|report| &report.runs);
        let done = Count(runs.map(|run| run.requests).sum(), "request");
        let mut line = format!("{}: going on; {done} done", self.name);
        if !self.kept.ended {
            line += "; the run before was killed or could not write its last checkpoint, and requests that it sent after \
                     the one before are sent again";
        }
        note(line);
    }

    /// Whether this replay has made the report of this name, and may write it again.
    pub(super) fn has_report(&self, name: &str) -> bool {
        self.kept.reports.iter().any(|known| known == name)
    }

    /// What the replay is told.
    pub(super) fn settings(&self) -> CheckpointSettings {
        CheckpointSettings { from: self.kept.position.clone(), interval: self.interval }
    }

    /// The report of all parts, given that of this run.
    pub(super) fn whole(&self, run: ReplayReport) -> ReplayReport {
        match self.kept.report.clone() {
            Some(before) => before.followed_by(run),
            None => run,
        }
    }

    /// Keeps what this run has settled up to now. Where that fails it is said, once, and the replay goes on.
    pub(super) fn save(&mut self, run: ReplayReport, settled: (u64, ReplayPosition)) {
        let mut now = self.kept.clone();
        now.report = Some(self.whole(settled_only(run, settled.0)));
        now.position = settled.1;
        let written = self.store.write(&now, false).map_err(|error| error.at(self.name.as_str()));
        match written {
            Ok(()) => self.has_failed = false,
            Err(error) => {
                if !std::mem::replace(&mut self.has_failed, true) {
                    note(format_args!("{error}; the replay goes on, and the checkpoint is tried again"));
                }
            }
        }
    }

    /// Keeps what the run came to in the end. Its report becomes that of all parts.
    pub(super) fn finish(mut self, run: &mut ReplayReport, outcome: &mut Outcome) -> Result<()> {
        let Some((requests, position)) = outcome.settled.take() else { return Ok(()) };
        let whole = self.whole(run.clone());
        let part = std::mem::replace(run, whole);
        self.kept.position = position;
        self.kept.complete = !outcome.is_interrupted && !outcome.is_over && outcome.failure.is_none();
        self.kept.has_failures = outcome.has_failures();
        // Of a complete replay it is the report that is written, which the same command judges again.
        self.kept.report =
            Some(if self.kept.complete { run.clone() } else { self.whole(settled_only(part, requests)) });
        self.kept.ended = true;
        self.write()
    }

    fn write(&mut self) -> Result<()> {
        self.store.write(&self.kept, true).map_err(|error| error.at(self.name.as_str()))
    }
}

/// A run's report without what another run does once more: requests that were not sent as it was interrupted, and what it
/// has read of the recording.
fn settled_only(mut run: ReplayReport, requests: u64) -> ReplayReport {
    for target in run.targets.iter_mut().chain([&mut run.total]) {
        let left = |reason: &str| ["interrupted", "time_over", "output_failed"].contains(&reason);
        let unsent: u64 = target.not_sent.iter().filter(|one| left(&one.reason)).map(|one| one.count).sum();
        target.due -= unsent;
        target.not_sent.retain(|one| !left(&one.reason));
    }
    for run in &mut run.runs {
        (run.requests, run.responses) = (requests, 0);
    }
    ReplayReport { recorded: RecordedReport::default(), ..run }
}

impl CheckpointStore {
    /// Writes it. One that is not waited for is soon followed by another one.
    fn write(&mut self, kept: &Kept, is_waited_for: bool) -> Result<()> {
        let text = serde_json::to_string(kept).map_err(std::io::Error::from)? + "\n";
        match self {
            CheckpointStore::File(path, held) => {
                *held = Some(write(path, &text, held.is_none())?);
                Ok(())
            }
            CheckpointStore::Object(object) if is_waited_for => {
                object.put(text.as_bytes(), "application/json", false)
            }
            CheckpointStore::Object(object) => object.try_put(text.as_bytes(), "application/json"),
        }
    }
}

/// The file and its content, if it is there; it is locked for this process.
fn read(path: &Path) -> Result<Option<(File, Vec<u8>)>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if !file.metadata()?.is_file() {
        return Err(Error::Usage("a checkpoint is a file or an object of S3".into()));
    }
    lock(&file)?;
    let mut text = Vec::new();
    std::io::Read::read_to_end(&mut file, &mut text)?;
    Ok(Some((file, text)))
}

/// Puts a new file in the place of another one, so that either is there as a whole whatever happens. What comes back is
/// locked.
fn write(path: &Path, text: &str, is_first: bool) -> Result<File> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mut file = tempfile::Builder::new().prefix(".gor-checkpoint-").tempfile_in(folder)?;
    lock(file.as_file())?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    let placed = if is_first { file.persist_noclobber(path) } else { file.persist(path) };
    let file = placed.map_err(|error| error.error)?;
    // Where a directory cannot be synced, the file system does without.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(file)
}

fn lock(file: &File) -> Result<()> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => {
            Err(Error::Invalid("another replay with this checkpoint is running".to_owned()))
        }
        _ => Ok(()),
    }
}

/// What is looked at before the rest is read.
#[derive(Deserialize)]
struct CheckpointTag {
    format: Option<String>,
    version: Option<u64>,
}

fn parse(text: &[u8]) -> Result<Kept> {
    let none = |why: String| Error::Invalid(format!("this checkpoint cannot be read ({why}); {REMOVE}"));
    let CheckpointTag { format, version } =
        serde_json::from_slice(text).map_err(|error| none(error.to_string()))?;
    match (format.as_deref(), version) {
        (Some(FORMAT), Some(VERSION)) => {}
        (Some(FORMAT), Some(other)) => return Err(none(format!("it is of version {other}"))),
        _ => return Err(none("it is another file".to_owned())),
    }
    let kept: Kept = serde_json::from_slice(text).map_err(|error| none(error.to_string()))?;
    let adds_up = |report: &ReplayReport| {
        std::iter::once(&report.total).chain(&report.targets).all(TargetReport::adds_up)
    };
    if kept.report.as_ref().is_some_and(|report| !adds_up(report)) {
        return Err(none("its counters do not add up".to_owned()));
    }
    Ok(kept)
}
