//! Several threads that record from the network, each its share of the connections, as one.
//!
//! Each thread sends its records with a lower bound: no record that it sends later was completed before that time.
//! Records are given out up to the earliest of these times, in the order in which they were completed, and so are the
//! packets that are kept.

use std::collections::{BTreeSet, VecDeque};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::CaptureLedger;
use super::live::{Live, Setup};
use crate::packet::live::{LiveOptions, TapShare, Wire};
use crate::packet::{Packet, PacketBatch};
use crate::record::{Block, Header, View};
use crate::{Error, Result};

/// Batches of one thread that may wait to be merged.
const MAX_BATCHES: usize = 64;

/// How often a thread sends its ledger.
const LEDGER_INTERVAL: Duration = Duration::from_millis(500);

/// What a thread sends at a time.
struct RecordBatch {
    thread: usize,
    block: Block,
    kept: PacketBatch,
    /// What comes later was completed no earlier than this: nanoseconds since the Unix epoch.
    passed: i64,
    lag: Duration,
    ledger: Option<Box<CaptureLedger>>,
    /// What went wrong, after the records.
    error: Option<Error>,
    warning: Option<String>,
    is_last: bool,
}

impl RecordBatch {
    fn empty(thread: usize) -> Self {
        RecordBatch {
            thread,
            block: Block::new(),
            kept: PacketBatch::default(),
            passed: i64::MIN,
            lag: Duration::ZERO,
            ledger: None,
            error: None,
            warning: None,
            is_last: false,
        }
    }
}

/// What is known of a thread.
#[derive(Default)]
struct ThreadState {
    waiting: VecDeque<Block>,
    /// How many records of the first block are given out.
    given: usize,
    kept: VecDeque<PacketBatch>,
    /// How many packets of the first batch are given out.
    kept_given: usize,
    passed: i64,
    lag: Duration,
    ledger: CaptureLedger,
    has_ended: bool,
}

impl ThreadState {
    fn next(&self) -> Option<View<'_>> {
        self.waiting.front().map(|block| block.get(self.given))
    }

    fn next_kept(&self) -> Option<Packet<'_>> {
        self.kept.front()?.get(self.kept_given)
    }

    fn advance_kept(&mut self) {
        self.kept_given += 1;
        if self.kept.front().is_some_and(|packets| packets.len() <= self.kept_given) {
            self.kept.pop_front();
            self.kept_given = 0;
        }
    }

    fn advance(&mut self) {
        self.given += 1;
        if self.waiting.front().is_some_and(|block| block.len() <= self.given) {
            self.waiting.pop_front();
            self.given = 0;
        }
    }
}

/// The threads, and what of their records waits for others.
pub(super) struct RecorderPool {
    batches: Receiver<RecordBatch>,
    parts: Vec<ThreadState>,
    patience: Duration,
    /// Warnings that were not given out yet.
    warnings: VecDeque<String>,
    /// Warnings and errors that one thread had, which others may have too.
    told: BTreeSet<String>,
    kept: PacketBatch,
    /// What the threads are to be started with.
    waiting: Option<(Setup, Vec<TapShare>, LiveOptions, SyncSender<RecordBatch>)>,
}

impl RecorderPool {
    /// A thread for each share. They are started when it is polled, so that they have no more rights than the thread
    /// that does so.
    pub(super) fn new(setup: Setup, shares: Vec<TapShare>, options: LiveOptions) -> Self {
        let (sender, batches) = sync_channel(MAX_BATCHES * shares.len());
        let parts = shares.iter().map(|_| ThreadState::default()).collect();
        let patience = options.buffer_timeout;
        let waiting = Some((setup, shares, options, sender));
        RecorderPool {
            batches,
            parts,
            patience,
            warnings: VecDeque::new(),
            told: BTreeSet::new(),
            kept: PacketBatch::default(),
            waiting,
        }
    }

    fn start(&mut self) -> Result<()> {
        // Its sender ends here: once every thread has ended there is none left.
        let Some((setup, shares, options, sender)) = self.waiting.take() else { return Ok(()) };
        for (number, share) in shares.into_iter().enumerate() {
            let (setup, sender, options) = (setup.clone(), sender.clone(), options.clone());
            thread::Builder::new().name(format!("capture {number}")).spawn(move || {
                match setup.begin(Wire::of(share, &options)) {
                    Ok(live) => record(number, live, &sender),
                    Err(error) => {
                        // Nobody takes it where another thread has failed before.
                        let _ = sender.send(RecordBatch {
                            error: Some(error),
                            is_last: true,
                            ..RecordBatch::empty(number)
                        });
                    }
                }
            })?;
        }
        Ok(())
    }

    /// As [`Live::poll`].
    pub(super) fn poll(&mut self, block: &mut Block) -> Result<bool> {
        self.start()?;
        let mut error = None;
        match self.batches.recv_timeout(self.patience) {
            Ok(batch) => error = self.take(batch),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                let has_failed = self.parts.iter().any(|part| !part.has_ended);
                self.parts.iter_mut().for_each(|part| part.has_ended = true);
                self.give_out(i64::MAX, block);
                let failed = || Error::Invalid("a thread that records has failed".into());
                return if has_failed { Err(failed()) } else { Ok(!block.is_empty()) };
            }
        }
        while error.is_none()
            && let Ok(batch) = self.batches.try_recv()
        {
            error = self.take(batch);
        }
        let running = self.parts.iter().filter(|part| !part.has_ended);
        let passed = running.map(|part| part.passed).min();
        self.give_out(passed.unwrap_or(i64::MAX), block);
        error.map_or(Ok(true), Err)
    }

    fn take(&mut self, batch: RecordBatch) -> Option<Error> {
        let part = &mut self.parts[batch.thread];
        if !batch.block.is_empty() {
            part.waiting.push_back(batch.block);
        }
        if !batch.kept.is_empty() {
            part.kept.push_back(batch.kept);
        }
        (part.passed, part.lag, part.has_ended) = (batch.passed, batch.lag, batch.is_last);
        if let Some(ledger) = batch.ledger {
            part.ledger = *ledger;
        }
        let warning = batch.warning.filter(|warning| self.told.insert(warning.clone()));
        self.warnings.extend(warning);
        batch.error.filter(|error| self.told.insert(error.to_string()))
    }

    /// As [`Live::warning`].
    pub(super) fn warning(&mut self) -> Option<String> {
        self.warnings.pop_front()
    }

    /// Gives out what was completed before a time.
    fn give_out(&mut self, before: i64, block: &mut Block) {
        let next = |parts: &[ThreadState]| {
            let first = |(at, part): (usize, &ThreadState)| Some((completed(&part.next()?.header), at));
            parts.iter().enumerate().filter_map(first).min()
        };
        while let Some((time, at)) = next(&self.parts)
            && (time < before || before == i64::MAX)
        {
            let part = &mut self.parts[at];
            if let Some(record) = part.next() {
                block.push(&record.header, record.payload);
            }
            part.advance();
        }
        self.give_out_kept(before);
    }

    fn give_out_kept(&mut self, before: i64) {
        let next = |parts: &[ThreadState]| {
            let first = |(at, part): (usize, &ThreadState)| Some((part.next_kept()?.time, at));
            parts.iter().enumerate().filter_map(first).min()
        };
        while let Some((time, at)) = next(&self.parts)
            && (time < before || before == i64::MAX)
        {
            let part = &mut self.parts[at];
            if let Some(packet) = part.next_kept() {
                self.kept.push(&packet);
            }
            part.advance_kept();
        }
    }

    /// As [`Live::kept`].
    pub(super) fn kept(&mut self) -> &mut PacketBatch {
        &mut self.kept
    }

    /// What became of everything, as of at most a second ago; all of it once the last record was given out.
    pub(super) fn ledger(&self) -> CaptureLedger {
        let mut sum = CaptureLedger::default();
        for part in &self.parts {
            sum += part.ledger.clone();
        }
        sum
    }

    pub(super) fn lag(&self) -> Duration {
        self.parts.iter().map(|part| part.lag).max().unwrap_or_default()
    }
}

/// When a message was complete.
fn completed(header: &Header<'_>) -> i64 {
    header.timestamp.saturating_add(header.latency.unwrap_or_default())
}

/// Records until the end.
fn record(thread: usize, mut live: Live, sender: &SyncSender<RecordBatch>) {
    let mut told = Instant::now();
    loop {
        let mut block = Block::new();
        let polled = live.poll(&mut block);
        let is_last = matches!(polled, Ok(false));
        let mut batch = RecordBatch {
            thread,
            block,
            kept: std::mem::take(live.kept()),
            passed: live.passed(),
            lag: live.lag(),
            ledger: None,
            error: polled.err(),
            warning: live.warning(),
            is_last,
        };
        if is_last || told.elapsed() >= LEDGER_INTERVAL {
            told = Instant::now();
            match live.ledger() {
                Ok(ledger) => batch.ledger = Some(Box::new(ledger)),
                Err(error) => batch.error = batch.error.or(Some(error)),
            }
        }
        // Nobody takes it where the output has failed.
        if sender.send(batch).is_err() || is_last {
            return;
        }
    }
}
