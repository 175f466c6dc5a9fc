//! What a source that remembers what was handled is told while its requests are replayed, as a group of Kafka's readers.
//!
//! A request is handled once it is settled for all targets: answered, failed, or not to be sent. The source is told in
//! each of its parts the position of the first request that is not, and which behind it are.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::checkpoint::CheckpointLedger;
use super::progress::WorkerProgress;
use super::routing::Split;
use super::settings::Settings;
use crate::observe::Count;
use crate::record::{Checkpoint, OpenPositions};
use crate::{Error, Result};

/// How long leaving a group may take.
const LEAVING: Duration = Duration::from_secs(10);

/// How often a source is told.
const INTERVAL: Duration = Duration::from_millis(500);

/// A block that was read: the number of records before it, and what its source is to be told.
type ReadBlock = (u64, Box<dyn Checkpoint>);

/// Tells a source what was handled.
#[derive(Debug)]
pub(super) struct Offsets {
    ledger: CheckpointLedger,
    /// How the workers of each recipient are asked, with the number of the recipient.
    workers: Vec<(usize, Arc<WorkerProgress>)>,
    /// Blocks that hold open requests, and the latest one.
    blocks: VecDeque<ReadBlock>,
    /// When the workers are asked next.
    next: Instant,
    /// While the workers are asked: whether the source wanted its records back before that.
    asked: Option<bool>,
    failure: Option<Error>,
    /// Requests that were sent and come again, to another reader: the source could not be told in time.
    again: u64,
    /// Why the source was not told of requests that others have now.
    untold: Option<Error>,
}

impl Offsets {
    /// The workers are those of the first target, then those of the second one, and so on.
    pub(super) fn new(
        ledger: CheckpointLedger,
        settings: &Settings,
        workers: &[Arc<WorkerProgress>],
    ) -> Self {
        let is_copied = settings.split == Split::Copy;
        let recipient = |number: usize| if is_copied { number / settings.threads.get() } else { 0 };
        let workers = workers.iter().enumerate();
        let workers = workers.map(|(number, worker)| (recipient(number), Arc::clone(worker))).collect();
        let next = Instant::now() + INTERVAL;
        Offsets {
            ledger,
            workers,
            blocks: VecDeque::new(),
            next,
            asked: None,
            failure: None,
            again: 0,
            untold: None,
        }
    }

    /// Tells the source what was handled, if it is time for that.
    pub(super) fn look(&mut self) {
        if let Some(was_revoked) = self.asked {
            let is_awaited = |worker: &WorkerProgress| {
                worker.is_wanted.load(Ordering::Acquire) && !worker.has_ended.load(Ordering::Acquire)
            };
            if self.workers.iter().any(|(_, worker)| is_awaited(worker)) {
                return;
            }
            self.asked = None;
            self.next = Instant::now() + INTERVAL;
            let under_way = self.take();
            match self.commit(&under_way) {
                Ok(forgotten) => {
                    self.failure = None;
                    if was_revoked {
                        self.release(&under_way, forgotten);
                    }
                }
                // It cannot be told any more.
                Err(error) if self.is_lost() => self.untold = self.untold.take().or(Some(error)),
                Err(error) => self.failure = Some(error),
            }
            return;
        }
        self.blocks.extend(self.ledger.take(Vec::new()));
        let Some((_, newest)) = self.blocks.back() else { return };
        let is_revoked = newest.is_revoked();
        if is_revoked || Instant::now() >= self.next {
            self.workers.iter().for_each(|(_, worker)| worker.is_wanted.store(true, Ordering::Release));
            self.asked = Some(is_revoked);
        }
    }

    /// What kept the source from being told the last time, or at all.
    pub(super) fn failure(&self) -> Option<&Error> {
        self.failure.as_ref().or(self.untold.as_ref())
    }

    /// Tells the source what was handled, once all workers have ended, and that nothing more will be. Then waits until it
    /// is closed, when `reader` is dropped: it leaves the group, so that others need not find out that it is gone.
    pub(super) fn finish(mut self, reader: &Receiver<()>) -> Result<()> {
        let under_way = self.take();
        let committed = self.commit(&under_way).map(|forgotten| self.again += forgotten);
        if let Some((_, newest)) = self.blocks.back() {
            newest.close();
        }
        self.blocks.clear();
        // Nothing is ever sent.
        let _ = reader.recv_timeout(LEAVING);
        committed?;
        if let Some(error) = self.untold {
            return Err(error);
        }
        if self.again > 0 {
            return Err(Error::Invalid(format!(
                "{} may be sent again by another reader of the group: they were under way when it took over, or were \
                 more than the group can remember",
                Count(self.again, "request")
            )));
        }
        Ok(())
    }

    /// Whether the source has given to others what was read latest.
    fn is_lost(&self) -> bool {
        self.blocks.back().is_some_and(|(_, newest)| newest.is_lost())
    }

    /// Takes what workers have settled, and what was read. The requests that are under way.
    fn take(&mut self) -> HashSet<u64> {
        let (mut settled, mut under_way) = (Vec::new(), HashSet::new());
        for (recipient, worker) in &self.workers {
            let part = std::mem::take(&mut *worker.part.lock().unwrap_or_else(PoisonError::into_inner));
            settled.push((*recipient, part.numbers));
            under_way.extend(part.under_way);
        }
        self.blocks.extend(self.ledger.take(settled));
        under_way
    }

    /// The part and the position of a record, unless its source has taken it back.
    fn position(&self, record: u64) -> Option<(i32, i64)> {
        let after = self.blocks.partition_point(|(first, _)| *first <= record);
        let (first, block) = self.blocks.get(after.checked_sub(1)?)?;
        block.position((record - first) as usize)
    }

    /// Has the source remember what was handled. Gives how many requests it cannot remember that were.
    fn commit(&mut self, under_way: &HashSet<u64>) -> Result<u64> {
        let (mut open, mut given_back) = (OpenPositions::default(), Vec::new());
        for (number, record) in self.ledger.open() {
            match self.position(record) {
                Some((part, position)) => {
                    let first = open.first.entry(part).or_insert(position);
                    *first = position.min(*first);
                }
                // Others have it, or it was read again.
                None => given_back.push(number),
            }
        }
        for record in self.ledger.settled_behind() {
            if let Some((part, position)) = self.position(record)
                && open.first.get(&part).is_some_and(|first| *first < position)
            {
                open.handled_behind.entry(part).or_default().push(position);
            }
        }
        for number in given_back {
            self.again += u64::from(under_way.contains(&number));
            self.ledger.settle(number);
        }
        let settled = self.ledger.position().records;
        while self.blocks.get(1).is_some_and(|(first, _)| *first <= settled) {
            self.blocks.pop_front();
        }
        self.blocks.back().map_or(Ok(0), |(_, newest)| newest.commit_before(&open))
    }

    /// Lets a source that wants its records back have them, unless one of them is under way.
    fn release(&mut self, under_way: &HashSet<u64>, forgotten: u64) {
        let Some((_, newest)) = self.blocks.back() else { return };
        let mut open = self.ledger.open().into_iter();
        let is_under_way =
            open.any(|(number, record)| under_way.contains(&number) && self.position(record).is_some());
        if newest.is_revoked() && !is_under_way {
            newest.release();
            self.again += forgotten;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::{Mutex, mpsc};

    use super::*;
    use crate::record::PartPositions;
    use crate::replay::checkpoint::Notes;
    use crate::replay::position::ReplayPosition;

    /// What a source was told, and whether it has taken its records back or wants them.
    #[derive(Debug, Default)]
    struct SourceOffsets {
        told: Mutex<Vec<PartPositions>>,
        handled_behind: Mutex<BTreeMap<i32, Vec<i64>>>,
        share: Mutex<u64>,
        is_revoked: Mutex<bool>,
        events: Mutex<Vec<&'static str>>,
    }

    struct Read {
        source: Arc<SourceOffsets>,
        share: u64,
        records: Vec<(i32, i64)>,
        end: PartPositions,
    }

    impl Checkpoint for Read {
        fn source(&self) -> usize {
            0
        }

        fn commit_before(&self, open: &OpenPositions) -> Result<u64> {
            if *self.source.share.lock().unwrap() == self.share {
                let told = self
                    .end
                    .iter()
                    .map(|(part, read)| (*part, open.first.get(part).map_or(*read, |open| *read.min(open))));
                self.source.told.lock().unwrap().push(told.collect());
                self.source.handled_behind.lock().unwrap().clone_from(&open.handled_behind);
            }
            Ok(0)
        }

        fn position(&self, record: usize) -> Option<(i32, i64)> {
            (*self.source.share.lock().unwrap() == self.share).then(|| self.records[record])
        }

        fn is_lost(&self) -> bool {
            *self.source.share.lock().unwrap() != self.share
        }

        fn is_revoked(&self) -> bool {
            *self.source.is_revoked.lock().unwrap()
        }

        fn release(&self) {
            self.source.events.lock().unwrap().push("released");
        }

        fn close(&self) {
            self.source.events.lock().unwrap().push("closed");
        }
    }

    struct Scene {
        source: Arc<SourceOffsets>,
        notes: Notes,
        worker: Arc<WorkerProgress>,
        offsets: Offsets,
        read: PartPositions,
    }

    impl Scene {
        fn new() -> Self {
            let (notes, worker) = (Notes::default(), Arc::<WorkerProgress>::default());
            let ledger = CheckpointLedger::new(1, &ReplayPosition::default(), Arc::clone(&notes));
            let offsets = Offsets::new(ledger, &Settings::default(), &[Arc::clone(&worker)]);
            Scene { source: Arc::default(), notes, worker, offsets, read: PartPositions::new() }
        }

        /// A block of requests is read, of these parts and positions.
        fn read(&mut self, share: u64, records: &[(i32, i64)]) {
            self.read.extend(records.iter().map(|(part, position)| (*part, position + 1)));
            let mut notes = self.notes.lock().unwrap();
            let first = notes.records;
            notes.requests.extend((first..).take(records.len()).map(|record| (record, 0)));
            notes.records += records.len() as u64;
            let (source, records, end) = (Arc::clone(&self.source), records.to_vec(), self.read.clone());
            notes.checkpoints.push((first, Box::new(Read { source, share, records, end })));
        }

        /// The worker says what is settled and what is under way; what the source is told then.
        fn tell(&mut self, settled: &[u64], under_way: &[u64]) -> Option<Vec<(i32, i64)>> {
            self.offsets.next = Instant::now();
            self.offsets.look();
            assert!(self.worker.is_wanted.load(Ordering::Acquire), "it is asked");
            self.offsets.look();
            {
                let mut part = self.worker.part.lock().unwrap();
                part.numbers.extend(settled);
                part.under_way = under_way.to_vec();
            }
            self.worker.is_wanted.store(false, Ordering::Release);
            self.offsets.look();
            self.source.told.lock().unwrap().pop().map(|told| told.into_iter().collect())
        }

        fn events(&self) -> Vec<&'static str> {
            self.source.events.lock().unwrap().clone()
        }
    }

    #[test]
    fn each_part_is_committed_up_to_its_first_open_request() {
        let mut scene = Scene::new();
        scene.read(0, &[(0, 10), (1, 70), (0, 11), (0, 12), (1, 71)]);
        assert_eq!(scene.tell(&[], &[]), Some(vec![(0, 10), (1, 70)]));
        assert_eq!(scene.tell(&[2, 1], &[0]), Some(vec![(0, 10), (1, 71)]));
        assert_eq!(*scene.source.handled_behind.lock().unwrap(), [(0, vec![11])].into());
        scene.read(0, &[(0, 13)]);
        assert_eq!(scene.tell(&[0, 4], &[]), Some(vec![(0, 12), (1, 72)]));
        assert_eq!(scene.tell(&[3], &[]), Some(vec![(0, 13), (1, 72)]));
        assert_eq!(scene.tell(&[5], &[]), Some(vec![(0, 14), (1, 72)]));
        let (reader, done) = mpsc::sync_channel(0);
        drop(reader);
        scene.offsets.finish(&done).unwrap();
        assert_eq!(*scene.source.events.lock().unwrap(), ["closed"]);
    }

    #[test]
    fn a_share_is_released_when_none_of_its_requests_is_under_way() {
        let mut scene = Scene::new();
        scene.read(0, &[(0, 1), (0, 2), (0, 3)]);
        assert_eq!(scene.tell(&[], &[0]), Some(vec![(0, 1)]));
        *scene.source.is_revoked.lock().unwrap() = true;
        assert_eq!(scene.tell(&[], &[0, 1]), Some(vec![(0, 1)]));
        assert_eq!(scene.tell(&[0], &[1]), Some(vec![(0, 2)]));
        assert!(scene.events().is_empty());
        // The third was not begun.
        assert_eq!(scene.tell(&[1], &[]), Some(vec![(0, 3)]));
        assert_eq!(scene.events(), ["released"]);
    }

    #[test]
    fn a_share_that_is_gone_holds_nothing_back() {
        let mut scene = Scene::new();
        scene.read(0, &[(0, 1), (0, 2)]);
        assert_eq!(scene.tell(&[0], &[]), Some(vec![(0, 2)]));
        *scene.source.share.lock().unwrap() = 1;
        assert_eq!(scene.tell(&[], &[1]), None);
        // It is read again, and sent by this replay.
        scene.read(1, &[(0, 2), (0, 3)]);
        assert_eq!(scene.offsets.again, 1, "the one that was under way");
        assert_eq!(scene.tell(&[], &[1]), Some(vec![(0, 2)]));
        assert_eq!(scene.tell(&[1, 2], &[]), Some(vec![(0, 3)]));
        assert_eq!(scene.tell(&[3], &[]), Some(vec![(0, 4)]));
        assert_eq!(scene.offsets.blocks.len(), 1);
    }
}
