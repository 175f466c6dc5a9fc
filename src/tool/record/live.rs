//! How `gor-record` runs on a network: from the first packet to the last, and what it says meanwhile.

use std::fmt;
use std::io::IsTerminal as _;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::{Args, report, rights};
use crate::capture::{CaptureLedger, Messages, NetworkRecording, Snapshot, Unwritten};
use crate::cli::{Every, Exit, Profiles, note, show_counters, signals};
use crate::endpoint::{self, Dropped, PacketFile, PacketQueue, RecordQueue};
use crate::observe::{self, Count};
use crate::packet::PacketBatch;
use crate::privileges::{Privileges, User};
use crate::record::{Block, Sink};

/// How old an object of S3 becomes, unless told otherwise: what comes from a network has no end.
const CHUNK_AGE: Duration = Duration::from_mins(5);

/// How old the numbers of `--metrics` and `--pprof` may be.
const METRICS_INTERVAL: Duration = Duration::from_secs(1);

/// Records until it is told to stop, and tells what became of everything.
pub(super) fn run(args: &Args, profiles: &Profiles) -> anyhow::Result<Exit> {
    let kafka = args.kafka()?;
    let stop = &signals::stop()?;
    let mut privileges = Privileges::choose(args.user.as_deref())?;
    if args.monitor {
        // libpcap takes the interface that it has made away again at the end.
        privileges.keep_network_administration();
    }
    let mut network = NetworkRecording::open(args.capture_options(), &args.watch(), args.threads, stop)?;
    let mut write = args.write_options(stop)?;
    write.kafka = kafka;
    // Its threads would keep the rights that are given up below.
    write.connects_later = true;
    write.owner = privileges.user().map(User::owner);
    if args.output.output.iter().any(|name| name.starts_with("s3://")) {
        write.objects.chunk_age.get_or_insert(CHUNK_AGE);
    }
    endpoint::make_spool(&args.output.output, &write)?;
    let later = endpoint::later(&args.output.output, &write)?;
    let unmovable = rights::check(&privileges, &later)?;
    let sink = endpoint::create(&args.output.output, &write)?;
    let file = args.write.as_deref().map(|path| PacketFile::create(path, &write)).transpose()?;
    let listener = args.metrics.map(listen).transpose()?;
    let stats_json = args
        .reporting
        .stats_json
        .as_deref()
        .map(|path| rights::open_report(path, write.owner))
        .transpose()?;
    let obstacle = privileges.obstacle().map(ToOwned::to_owned);
    if let Some(owner) = write.owner {
        profiles.give_to(owner)?;
    }
    let folders = later.iter().map(|later| later.folder.as_path()).chain(profiles.folder());
    let given_up = privileges.give_up(
        &folders.collect::<Vec<_>>(),
        &endpoint::settings(&args.output.output),
        endpoint::ports(&args.output.output, &write)?.as_deref(),
    )?;
    // From here on there may be threads.
    profiles.serve()?;
    let mut outputs = LiveOutputs::start(args, sink, file)?;
    let mut reports = Reports::start(args, listener)?;
    if let Some(time) = args.exit_after {
        signals::stop_after(time, stop)?;
    }
    if !args.reporting.quiet {
        note(network.scope());
        obstacle.iter().for_each(note);
        // Of a run that a person watches, or that ends soon, no file is moved away.
        let is_short = args.exit_after.is_some() || std::io::stderr().is_terminal();
        if !is_short || args.reporting.verbose {
            unmovable.iter().for_each(note);
        }
    }
    if args.reporting.verbose {
        note(given_up);
    }
    for warning in network.warnings() {
        note(warning);
    }
    let ran = record(&mut network, &mut outputs, &mut reports);
    let unwritten = outputs.finish(ran.is_err());
    // What was counted until then is told and written, whatever failed.
    let (mut exit, mut failure) = match ran {
        Ok(exit) => (exit, None),
        Err(error) => (Exit::Lost, Some(error)),
    };
    let unwritten = unwritten.unwrap_or_else(|error| {
        failure.get_or_insert(error.into());
        Unwritten::default()
    });
    let ledger = CaptureLedger { unwritten, ..network.ledger()? };
    let mut report = report(&ledger, args.reporting.quiet)?.in_file(stats_json);
    if ledger.packets.read == 0 {
        report.remark("no packet of the recorded servers was seen; the first line lists them");
    }
    if ledger.packets.dropped > 0 || ledger.unwritten != Unwritten::default() {
        exit = Exit::Lost;
    }
    report.tell(&args.reporting, Ok(()))?;
    failure.map_or(Ok(exit), Err)
}

fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).with_context(|| format!("--metrics {address}"))
}

/// Records until there is no more.
fn record(
    network: &mut NetworkRecording,
    outputs: &mut LiveOutputs,
    reports: &mut Reports,
) -> anyhow::Result<Exit> {
    let mut exit = Exit::Done;
    let mut block = Block::new();
    loop {
        match network.poll(&mut block) {
            Ok(true) => {}
            Ok(false) => return Ok(exit),
            Err(error) => {
                note(error);
                exit = Exit::Lost;
            }
        }
        if let Some(warning) = network.warning() {
            note(warning);
        }
        outputs.put(&mut block, network.kept())?;
        if reports.are_due() {
            reports.make(snapshot(network, outputs)?);
        }
    }
}

/// Where the records go, and the packets where they are kept.
struct LiveOutputs {
    queue: RecordQueue,
    packets: Option<PacketQueue>,
    is_slow: bool,
    are_packets_slow: bool,
}

impl LiveOutputs {
    fn start(args: &Args, sink: Box<dyn Sink + Send>, file: Option<PacketFile>) -> anyhow::Result<Self> {
        let reopening = |has_files| if has_files { signals::reopening() } else { Ok(Arc::default()) };
        let has_files = args.output.has_files() || file.is_some();
        let queue = RecordQueue::start(sink, args.output_queue, &reopening(has_files)?)?;
        let packets = match file {
            Some(file) => Some(PacketQueue::start(file, args.output_queue, &reopening(true)?)?),
            None => None,
        };
        Ok(LiveOutputs { queue, packets, is_slow: false, are_packets_slow: false })
    }

    fn put(&mut self, block: &mut Block, kept: &mut PacketBatch) -> anyhow::Result<()> {
        if block.is_empty() {
            self.queue.check()?;
        } else {
            self.queue.put(block)?;
        }
        if let Some(packets) = &mut self.packets {
            packets.put(kept)?;
        }
        let unwritten = self.unwritten();
        if unwritten.requests + unwritten.responses > 0 && !std::mem::replace(&mut self.is_slow, true) {
            note("the output is too slow; exchanges are dropped from now on, as long as it is");
        }
        if unwritten.packets > 0 && !std::mem::replace(&mut self.are_packets_slow, true) {
            note("the file of -w is too slow; packets are left out of it from now on, as long as it is");
        }
        Ok(())
    }

    /// What was dropped so far.
    fn unwritten(&self) -> Unwritten {
        let Dropped { requests, responses } = self.queue.dropped();
        Unwritten { requests, responses, packets: self.packets.as_ref().map_or(0, PacketQueue::dropped) }
    }

    /// Waits until all is written, also what one has waiting when the other has failed. The error is the records' if both
    /// fail; none is returned if there was one before, as that one is told.
    fn finish(mut self, has_failed: bool) -> crate::Result<Unwritten> {
        let unwritten = self.unwritten();
        let kept = self.packets.as_mut().map_or(Ok(()), PacketQueue::finish);
        let written = self.queue.finish();
        let lost = self.queue.waiting_records();
        if lost > 0 {
            note(format_args!("lost, as waiting for the output when it failed: {}", Count(lost, "record")));
        }
        if has_failed {
            kept.err().into_iter().chain(written.err()).for_each(note);
            return Ok(unwritten);
        }
        if let (Err(error), Err(_)) = (&kept, &written) {
            note(error);
        }
        written?;
        kept?;
        Ok(unwritten)
    }
}

fn snapshot(network: &mut NetworkRecording, outputs: &LiveOutputs) -> crate::Result<Snapshot> {
    Ok(Snapshot {
        ledger: CaptureLedger { unwritten: outputs.unwritten(), ..network.ledger()? },
        queued: outputs.queue.waiting(),
        output: network.intake().bytes,
        lag: network.lag().as_secs_f64(),
    })
}

/// What is told while it runs.
struct Reports {
    /// When the next line of `--stats` is due.
    stats: Every,
    /// What `--metrics` and `--pprof` serve, and when it is next renewed.
    metrics: Option<(Arc<Mutex<Snapshot>>, Instant)>,
}

impl Reports {
    fn start(args: &Args, listener: Option<TcpListener>) -> anyhow::Result<Self> {
        let now = Instant::now();
        let mut reports = Reports { stats: Every::new(args.reporting.stats), metrics: None };
        let served = Arc::new(Mutex::new(Snapshot::default()));
        let latest = |served: &Arc<Mutex<Snapshot>>| {
            let served = Arc::clone(served);
            move || served.lock().unwrap_or_else(PoisonError::into_inner).clone()
        };
        if args.reporting.profiles.pprof.is_some() {
            let snapshot = latest(&served);
            show_counters(move || snapshot().to_json());
            reports.metrics = Some((Arc::clone(&served), now));
        }
        if let Some(listener) = listener {
            let at = listener.local_addr()?;
            let snapshot = latest(&served);
            observe::serve_metrics(listener, move || snapshot().open_metrics())?;
            if !args.reporting.quiet {
                note(format_args!("metrics are at http://{at}/metrics"));
            }
            reports.metrics = Some((served, now));
        }
        Ok(reports)
    }

    fn are_due(&self) -> bool {
        let metrics = self.metrics.as_ref().map(|(_, due)| *due);
        let next = self.stats.next().into_iter().chain(metrics).min();
        next.is_some_and(|due| due <= Instant::now())
    }

    fn make(&mut self, snapshot: Snapshot) {
        let now = Instant::now();
        if self.stats.is_due() {
            note(StatsLine(&snapshot));
        }
        if let Some((served, due)) = &mut self.metrics {
            *due = now + METRICS_INTERVAL;
            *served.lock().unwrap_or_else(PoisonError::into_inner) = snapshot;
        }
    }
}

/// A snapshot in one line.
pub(in crate::tool) struct StatsLine<'a>(pub(in crate::tool) &'a Snapshot);

impl fmt::Display for StatsLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Snapshot { ledger, queued, output, lag } = self.0;
        let recorded = |messages: &Messages| messages.written();
        write!(
            f,
            "{} ({} dropped), {}, {} ({} lost), {} ({} lost), {} ({} waiting), {lag:.1} s behind",
            Count(ledger.packets.read, "packet"),
            ledger.packets.dropped,
            Count(ledger.connections.seen, "connection"),
            Count(recorded(&ledger.requests), "request"),
            ledger.requests.lost() + ledger.unwritten.requests,
            Count(recorded(&ledger.responses), "response"),
            ledger.responses.lost() + ledger.unwritten.responses,
            Count(*output, "byte"),
            queued,
        )
    }
}
