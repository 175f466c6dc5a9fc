//! How far a replay is: which requests are settled, answered or failed, so that another run can go on there.
//!
//! Workers remember which requests they have settled, and hand this over together with their tallies, so that a
//! checkpoint counts exactly the requests that it calls settled.

use super::position::ReplayPosition;
use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::outcome::Outcome;
use super::progress::WorkerProgress;
use super::routing::Split;
use super::settings::Settings;
use super::tally::ReplayTally;
use super::target::Target;
use crate::record::Checkpoint;

/// What the scheduler has read: written by its thread, and taken from time to time.
#[derive(Debug, Default)]
pub(super) struct Noted {
    /// Records read.
    pub(super) records: u64,
    /// Requests since the last time: the number of the record, and the recipients for which it is settled already.
    pub(super) requests: Vec<(u64, u64)>,
    /// Requests that a target did not get, by its share: the recipient, and the number among the requests.
    pub(super) left_out: Vec<(usize, u64)>,
    /// What sources are to be told, with the number of records before its block.
    pub(super) checkpoints: Vec<(u64, Box<dyn Checkpoint>)>,
}

/// The same, shared.
pub(super) type Notes = Arc<Mutex<Noted>>;

/// Requests in the order of the input, from the first that is not settled.
#[derive(Debug, Default)]
struct Recipient {
    /// Requests that left it.
    first: u64,
    /// The number of the record, and whether it is settled.
    requests: VecDeque<(u64, bool)>,
}

impl Recipient {
    fn add(&mut self, record: u64, is_settled: bool) {
        self.requests.push_back((record, is_settled));
        self.shorten();
    }

    fn settle(&mut self, number: u64) {
        if let Some(at) = number.checked_sub(self.first)
            && let Some((_, is_settled)) = self.requests.get_mut(at as usize)
        {
            *is_settled = true;
        }
        self.shorten();
    }

    fn shorten(&mut self) {
        while let Some((_, true)) = self.requests.front() {
            self.requests.pop_front();
            self.first += 1;
        }
    }

    /// The record of the first request that is not settled.
    fn open(&self) -> Option<u64> {
        self.requests.front().map(|(record, _)| *record)
    }

    /// The records of settled requests from here on, of so many that were read, as ranges of neighbours among the
    /// requests.
    fn ranges(&self, from: u64, read: u64) -> Vec<(u64, u64)> {
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        // Those that left it are before all that are open.
        let open = self.open().unwrap_or(read);
        if from < open {
            ranges.push((from, open - 1));
        }
        let mut is_next = false;
        for (record, is_settled) in self.requests.iter().filter(|(record, _)| *record >= from) {
            match ranges.last_mut().filter(|_| is_next) {
                Some((_, last)) if *is_settled => *last = *record,
                _ if *is_settled => ranges.push((*record, *record)),
                _ => {}
            }
            is_next = *is_settled;
        }
        ranges
    }
}

/// What was read and settled.
#[derive(Debug)]
pub(super) struct CheckpointLedger {
    recipients: Vec<Recipient>,
    from: ReplayPosition,
    records: u64,
    /// Requests that were to be sent at all.
    requests: u64,
    notes: Notes,
}

impl CheckpointLedger {
    pub(super) fn new(recipients: usize, from: &ReplayPosition, notes: Notes) -> Self {
        let recipients = (0..recipients).map(|_| Recipient::default()).collect();
        CheckpointLedger { recipients, from: from.clone(), records: 0, requests: 0, notes }
    }

    /// Takes what workers have settled, each with its recipient, and then what was read, which is ahead of them.
    pub(super) fn take(&mut self, settled: Vec<(usize, Vec<u64>)>) -> Vec<(u64, Box<dyn Checkpoint>)> {
        let noted = {
            let mut shared = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
            let records = shared.records;
            std::mem::replace(&mut *shared, Noted { records, ..Noted::default() })
        };
        self.records = noted.records;
        for (record, done) in noted.requests {
            self.requests += 1;
            for (recipient, bit) in self.recipients.iter_mut().zip(0..) {
                recipient.add(record, done >> bit & 1 == 1);
            }
        }
        for (recipient, numbers) in settled {
            for number in numbers {
                self.recipients[recipient].settle(number);
            }
        }
        for (recipient, number) in noted.left_out {
            self.recipients[recipient].settle(number);
        }
        noted.checkpoints
    }

    /// Requests that are not settled for all recipients: their numbers, and those of their records, in order.
    pub(super) fn open(&self) -> Vec<(u64, u64)> {
        let of_recipient = |recipient: &Recipient| {
            let first = recipient.first;
            let requests = recipient.requests.iter().zip(first..);
            let open = requests.filter(|((_, is_settled), _)| !is_settled);
            open.map(|((record, _), number)| (number, *record)).collect::<Vec<_>>()
        };
        let mut open: Vec<_> = self.recipients.iter().flat_map(of_recipient).collect();
        open.sort_unstable();
        open.dedup();
        open
    }

    /// The records of requests that are settled for all recipients, though one before them is not, in order.
    pub(super) fn settled_behind(&self) -> Vec<u64> {
        let Some(last) = self.recipients.iter().min_by_key(|recipient| recipient.first) else {
            return Vec::new();
        };
        let is_settled = |number: u64| {
            let of_recipient = |recipient: &Recipient| {
                let at = number.checked_sub(recipient.first);
                at.is_none_or(|at| recipient.requests.get(at as usize).is_some_and(|(_, settled)| *settled))
            };
            self.recipients.iter().all(of_recipient)
        };
        let requests = last.requests.iter().zip(last.first..);
        requests.filter(|(_, number)| is_settled(*number)).map(|((record, _), _)| *record).collect()
    }

    /// A request is settled, whatever has become of it.
    pub(super) fn settle(&mut self, number: u64) {
        self.recipients.iter_mut().for_each(|recipient| recipient.settle(number));
    }

    /// Where another run would go on.
    pub(super) fn position(&self) -> ReplayPosition {
        let open = self.recipients.iter().filter_map(Recipient::open).min();
        let records = open.unwrap_or(self.records).max(self.from.records);
        let of_recipient = |(number, recipient): (usize, &Recipient)| {
            let earlier = self.from.settled.get(number).into_iter().flatten();
            let earlier = earlier.filter(|(_, last)| *last >= records).copied();
            joined(recipient.ranges(records, self.records).into_iter().chain(earlier).collect())
        };
        ReplayPosition { records, settled: self.recipients.iter().enumerate().map(of_recipient).collect() }
    }

    /// Requests of this run that are settled for all recipients.
    pub(super) fn settled(&self) -> u64 {
        let open = |number: usize| {
            let is_open = |recipient: &Recipient| {
                let at = (number as u64).checked_sub(recipient.first);
                at.and_then(|at| recipient.requests.get(at as usize))
                    .is_some_and(|(_, is_settled)| !is_settled)
            };
            self.recipients.iter().any(is_open)
        };
        let first = self.recipients.iter().map(|recipient| recipient.first).min().unwrap_or(self.requests);
        let open = (first..self.requests).filter(|number| open(*number as usize)).count();
        self.requests - open as u64
    }
}

/// Makes checkpoints while a replay runs.
#[derive(Debug)]
pub(super) struct CheckpointMaker<'a> {
    ledger: CheckpointLedger,
    interval: Duration,
    targets: Vec<Target>,
    settings: &'a Settings,
    workers: Vec<Arc<WorkerProgress>>,
    /// What each worker has handed over last.
    tallies: Vec<Option<ReplayTally>>,
    /// When the next one is due; none while it is waited for the workers.
    next: Option<Instant>,
}

impl<'a> CheckpointMaker<'a> {
    /// The workers are those of the first target, then those of the second one, and so on.
    pub(super) fn new(
        ledger: CheckpointLedger,
        interval: Duration,
        targets: &[Target],
        settings: &'a Settings,
        workers: Vec<Arc<WorkerProgress>>,
    ) -> Self {
        let tallies = vec![None; workers.len()];
        let next = Some(Instant::now() + interval);
        CheckpointMaker { ledger, interval, targets: targets.to_vec(), settings, workers, tallies, next }
    }

    /// What is settled, if it is time to say so.
    pub(super) fn look(&mut self) -> Option<Outcome> {
        if let Some(next) = self.next {
            if Instant::now() < next {
                return None;
            }
            self.next = None;
            for worker in &self.workers {
                worker.is_wanted.store(true, Ordering::Release);
            }
            return None;
        }
        let is_awaited = |worker: &Arc<WorkerProgress>| worker.is_wanted.load(Ordering::Acquire);
        if self.workers.iter().any(|worker| is_awaited(worker) && !worker.has_ended.load(Ordering::Acquire)) {
            return None;
        }
        self.take();
        self.next = Some(Instant::now() + self.interval);
        let mut tallies = self.tallies.iter().map(|tally| tally.clone().unwrap_or_default());
        let threads = self.settings.threads.get();
        let targets = self.targets.iter().cloned();
        let targets = targets.map(|target| (target, ReplayTally::of_threads(tallies.by_ref().take(threads))));
        Some(Outcome {
            targets: targets.collect(),
            settled: Some((self.ledger.settled(), self.ledger.position())),
            requests: self.ledger.settled(),
            rounds: 1,
            is_closed_loop: self.settings.pace.is_no_wait(),
            ..Outcome::default()
        })
    }

    /// How many requests are settled, and where another run would go on, once all workers have ended.
    pub(super) fn finish(mut self) -> (u64, ReplayPosition) {
        self.take();
        (self.ledger.settled(), self.ledger.position())
    }

    /// Takes what workers have handed over.
    fn take(&mut self) {
        let threads = self.settings.threads.get();
        let is_copied = self.settings.split == Split::Copy;
        let mut settled = Vec::new();
        for (number, worker) in self.workers.iter().enumerate() {
            let part = std::mem::take(&mut *worker.part.lock().unwrap_or_else(PoisonError::into_inner));
            settled.push((if is_copied { number / threads } else { 0 }, part.numbers));
            if let Some(tally) = part.tally {
                self.tallies[number] = Some(*tally);
            }
        }
        // Checkpoints are of files, which are told nothing.
        drop(self.ledger.take(settled));
    }
}

/// Ranges in order, those that overlap as one.
fn joined(mut ranges: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    ranges.sort_unstable();
    let mut joined: Vec<(u64, u64)> = Vec::new();
    for (first, last) in ranges {
        match joined.last_mut() {
            Some((_, end)) if first <= *end => *end = last.max(*end),
            _ => joined.push((first, last)),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::position::RequestProgress;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_settled_is_not_sent_again_and_what_is_open_is(
            // Of each record: whether it is a request, and whether each of two recipients has settled it.
            records in prop::collection::vec((any::<bool>(), any::<bool>(), any::<bool>()), 0..40),
        ) {
            let notes = Notes::default();
            let mut ledger = CheckpointLedger::new(2, &ReplayPosition::default(), Arc::clone(&notes));
            let (mut numbers, mut requests) = ([Vec::new(), Vec::new()], Vec::new());
            for (record, (is_request, one, two)) in (0..).zip(&records) {
                if *is_request {
                    for (numbers, is_settled) in numbers.iter_mut().zip([one, two]) {
                        numbers.extend(is_settled.then_some(requests.len() as u64));
                    }
                    requests.push((record, (*one, *two)));
                }
            }
            {
                let mut noted = notes.lock().unwrap();
                noted.records = records.len() as u64;
                noted.requests = requests.iter().map(|(record, _)| (*record, 0)).collect();
            }
            let [one, mut two] = numbers;
            // In any order.
            two.reverse();
            ledger.take(vec![(0, one), (1, two)]);
            let position = ledger.position();
            for (record, (one, two)) in &requests {
                let open = match position.of(*record, 2) {
                    RequestProgress::Before | RequestProgress::Settled => (false, false),
                    RequestProgress::Open(recipients) => (recipients & 1 == 0, recipients & 2 == 0),
                };
                prop_assert_eq!(open, (!one, !two), "record {}: {:?}", record, position);
            }
            let open: Vec<u64> = ledger.open().into_iter().map(|(_, record)| record).collect();
            let expected = requests.iter().filter(|(_, (one, two))| !one || !two);
            prop_assert_eq!(open, expected.map(|(record, _)| *record).collect::<Vec<_>>());
            let settled = requests.iter().filter(|(_, (one, two))| *one && *two).count();
            prop_assert_eq!(ledger.settled(), settled as u64);
            let first = requests.iter().find(|(_, (one, two))| !one || !two).map(|(record, _)| *record);
            prop_assert_eq!(position.records, first.unwrap_or(records.len() as u64));
        }
    }
}
