//! How `gor-record` runs on a network: from the first packet to the last, and what it says meanwhile.

use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::Args;
use crate::capture::{Ledger, Messages, Network, Snapshot, Unwritten};
use crate::cli::{Exit, note, signals};
use crate::endpoint::{self, Dropped, Queue};
use crate::observe;
use crate::record::Block;

/// How often `--stats` tells how far it is.
const STATS_INTERVAL: Duration = Duration::from_secs(5);

/// How old the numbers of `--metrics` may be.
const METRICS_INTERVAL: Duration = Duration::from_secs(1);

/// Records until it is told to stop, and tells what became of everything.
pub fn run(args: &Args, stop: &Arc<AtomicBool>) -> anyhow::Result<(Ledger, Exit)> {
    let mut network = Network::open(args.capture_options(), &args.watch(), args.threads, stop)?;
    let mut write = args.output.write_options(&[]);
    write.reports.extend(args.stats_json.as_deref());
    let sink = endpoint::create(&args.output.output, &write)?;
    let reopening = if args.output.has_files() { signals::reopening()? } else { Arc::default() };
    let mut queue = Queue::start(sink, args.output_queue, &reopening)?;
    let mut reports = Reports::start(args)?;
    if let Some(time) = args.exit_after {
        signals::stop_after(time, stop)?;
    }
    if !args.verbosity.quiet {
        note(network.scope());
    }
    for warning in network.warnings() {
        note(warning);
    }
    let mut exit = Exit::Done;
    let mut is_slow = false;
    let mut block = Block::new();
    loop {
        match network.poll(&mut block) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                note(error);
                exit = Exit::Lost;
            }
        }
        if let Some(warning) = network.warning() {
            note(warning);
        }
        if !block.is_empty() {
            queue.put(&mut block)?;
        }
        if queue.dropped() != Dropped::default() && !std::mem::replace(&mut is_slow, true) {
            note("the output is too slow; exchanges are dropped from now on, as long as it is");
        }
        if reports.are_due() {
            reports.make(snapshot(&mut network, &queue)?);
        }
    }
    let dropped = queue.finish()?;
    let ledger = Ledger { unwritten: unwritten(dropped), ..network.ledger()? };
    if ledger.packets.read == 0 && !args.verbosity.quiet {
        note("no packets were seen");
    }
    if ledger.packets.dropped > 0 || ledger.unwritten != Unwritten::default() {
        exit = Exit::Lost;
    }
    Ok((ledger, exit))
}

fn unwritten(dropped: Dropped) -> Unwritten {
    Unwritten { requests: dropped.requests, responses: dropped.responses }
}

fn snapshot(network: &mut Network, queue: &Queue) -> crate::Result<Snapshot> {
    Ok(Snapshot {
        ledger: Ledger { unwritten: unwritten(queue.dropped()), ..network.ledger()? },
        queued: queue.waiting(),
        output: network.intake().bytes,
        lag: network.lag().as_secs_f64(),
    })
}

/// What is told while it runs.
struct Reports {
    /// When the next line of `--stats` is due.
    stats: Option<Instant>,
    /// What `--metrics` serves, and when it is next renewed.
    metrics: Option<(Arc<Mutex<Snapshot>>, Instant)>,
}

impl Reports {
    fn start(args: &Args) -> anyhow::Result<Self> {
        let now = Instant::now();
        let mut reports = Reports { stats: args.stats.then(|| now + STATS_INTERVAL), metrics: None };
        if let Some(address) = args.metrics {
            let served = Arc::new(Mutex::new(Snapshot::default()));
            let page = Arc::clone(&served);
            let page = move || page.lock().unwrap_or_else(PoisonError::into_inner).open_metrics();
            let at = observe::serve_metrics(address, page).with_context(|| format!("--metrics {address}"))?;
            if !args.verbosity.quiet {
                note(format_args!("metrics are at http://{at}/metrics"));
            }
            reports.metrics = Some((served, now));
        }
        Ok(reports)
    }

    fn are_due(&self) -> bool {
        let metrics = self.metrics.as_ref().map(|(_, due)| *due);
        let next = self.stats.into_iter().chain(metrics).min();
        next.is_some_and(|due| due <= Instant::now())
    }

    fn make(&mut self, snapshot: Snapshot) {
        let now = Instant::now();
        if let Some(due) = &mut self.stats
            && *due <= now
        {
            *due = now + STATS_INTERVAL;
            note(Line(&snapshot));
        }
        if let Some((served, due)) = &mut self.metrics {
            *due = now + METRICS_INTERVAL;
            *served.lock().unwrap_or_else(PoisonError::into_inner) = snapshot;
        }
    }
}

/// A snapshot in one line.
struct Line<'a>(&'a Snapshot);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Snapshot { ledger, queued, output, lag } = self.0;
        let recorded = |messages: &Messages| messages.recorded + messages.cut + messages.incomplete;
        write!(
            f,
            "{} packets ({} dropped), {} connections, {} requests ({} lost), {} responses ({} lost), \
             {} bytes ({} waiting), {lag:.1} s behind",
            ledger.packets.read,
            ledger.packets.dropped,
            ledger.connections.seen,
            recorded(&ledger.requests),
            ledger.requests.lost() + ledger.unwritten.requests,
            recorded(&ledger.responses),
            ledger.responses.lost() + ledger.unwritten.responses,
            output,
            queued,
        )
    }
}
