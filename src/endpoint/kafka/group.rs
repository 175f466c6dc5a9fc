//! What a member of a group was given and has handled, through changes of its share of the partitions.
//!
//! A share is given up only after the records of it that are under way were handled, within bounds: then their offsets
//! are committed, and whoever gets the partitions goes on behind them, without those that were handled behind one that
//! was not. What is not handled by then is handled again by others; its offsets are not committed any more, as others
//! may be further by then. Who handles records at their own time, as a replay does, is told at once not to begin with
//! others, so that only what is begun is waited for.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList, TopicPartitionListElem};

use super::KafkaAddress;
use super::offset_set::OffsetSet;
use super::words::{Causes, code};
use crate::record::{Checkpoint, OpenPositions, PartPositions, Revocation};
use crate::{Error, Result};

/// How long records under way are waited for when a share is given up. Less than members have to join a group anew.
const PATIENCE: Duration = Duration::from_secs(20);

/// The next offset of each partition.
pub(super) type NextOffsets = PartPositions;

/// What is known of a member.
#[derive(Debug, Default)]
pub(super) struct Membership {
    state: Mutex<PartitionShare>,
    changed: Condvar,
}

/// How far the handing over of a share is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum ShareStage {
    /// Its records may be under way.
    #[default]
    Kept,
    /// None is under way any more, and the share is to be given up.
    Released,
    /// Others have them already.
    Lost,
}

/// The present share of the partitions.
#[derive(Debug, Default)]
struct PartitionShare {
    /// How often it was given up.
    number: u64,
    /// Whether there is one, though of no partition maybe.
    is_assigned: bool,
    partitions: Vec<i32>,
    /// How far records were handed on.
    handed: NextOffsets,
    /// How far they were handled, as the group knows.
    committed: NextOffsets,
    /// What else was handled, as the commits say.
    metadata: BTreeMap<i32, String>,
    /// What readers before this one have handled behind what they had committed, once that is known.
    handled_before: Option<BTreeMap<i32, OffsetSet>>,
    /// Tells who handles records that the share is to be given up.
    revocation: Arc<Revocation>,
    stage: ShareStage,
    /// Nobody will say any more that records were handled.
    is_closing: bool,
}

impl PartitionShare {
    /// Whether the group knows of all records that they were handled.
    fn is_handled(&self) -> bool {
        self.handed
            .iter()
            .all(|(partition, next)| self.committed.get(partition).is_some_and(|done| done >= next))
    }
}

impl Membership {
    fn share(&self) -> MutexGuard<'_, PartitionShare> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the present share.
    pub(super) fn number(&self) -> u64 {
        self.share().number
    }

    /// The partitions of the share, if there is one.
    pub(super) fn partitions(&self) -> Option<Vec<i32>> {
        let share = self.share();
        share.is_assigned.then(|| share.partitions.clone())
    }

    /// What tells that the present share is to be given up.
    pub(super) fn revocation(&self) -> Arc<Revocation> {
        Arc::clone(&self.share().revocation)
    }

    /// Whether it is still to be said of records that they were handled.
    pub(super) fn is_awaiting(&self) -> bool {
        let share = self.share();
        !share.is_handled() && !share.is_closing
    }

    /// Whether nobody will say that any more.
    pub(super) fn is_closing(&self) -> bool {
        self.share().is_closing
    }

    /// A share was given.
    pub(super) fn assign(&self, partitions: Vec<i32>) {
        let mut share = self.share();
        share.is_assigned = true;
        share.partitions = partitions;
    }

    /// Whether it is known what readers before this one have handled of the share.
    pub(super) fn knows_what_was_handled(&self) -> bool {
        self.share().handled_before.is_some()
    }

    /// Readers before this one have handled this of the share, behind what they had committed.
    pub(super) fn set_handled_before(&self, handled: BTreeMap<i32, OffsetSet>) {
        self.share().handled_before = Some(handled);
    }

    /// Whether a reader before this one has handled a message, though not all before it.
    pub(super) fn was_handled(&self, partition: i32, offset: i64) -> bool {
        let share = self.share();
        let handled = share.handled_before.as_ref().and_then(|handled| handled.get(&partition));
        handled.is_some_and(|handled| handled.contains(offset))
    }

    /// Records were handed on.
    pub(super) fn hand_on(&self, offsets: &NextOffsets) {
        self.share().handed.extend(offsets);
    }

    /// The share is to be given up: waits until its records were handled.
    pub(super) fn give_up(&self) {
        let deadline = Instant::now() + PATIENCE;
        let mut share = self.share();
        share.revocation.revoke();
        while !share.is_handled() && share.stage == ShareStage::Kept && !share.is_closing {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            share = self.changed.wait_timeout(share, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        *share = PartitionShare {
            number: share.number + 1,
            is_closing: share.is_closing,
            ..PartitionShare::default()
        };
    }

    /// Nothing more is read, and what is under way not waited for.
    pub(super) fn close(&self) {
        self.share().is_closing = true;
        self.changed.notify_all();
    }
}

/// Hears what becomes of connections, and of the share of the partitions.
#[derive(Default)]
pub(super) struct ConsumerEvents {
    pub(super) causes: Causes,
    pub(super) membership: Arc<Membership>,
}

impl ClientContext for ConsumerEvents {
    fn log(&self, _: RDKafkaLogLevel, _: &str, line: &str) {
        self.causes.hear(line);
    }

    fn error(&self, _: KafkaError, reason: &str) {
        self.causes.hear(reason);
    }
}

impl ConsumerContext for ConsumerEvents {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(_) = rebalance {
            self.membership.give_up();
        }
    }

    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Assign(list) = rebalance {
            self.membership.assign(list.elements().iter().map(TopicPartitionListElem::partition).collect());
        }
    }
}

/// How far a member was read.
pub(super) struct Handled {
    pub(super) client: Arc<BaseConsumer<ConsumerEvents>>,
    pub(super) membership: Arc<Membership>,
    pub(super) address: KafkaAddress,
    /// The share that it is of.
    pub(super) share: u64,
    pub(super) offsets: NextOffsets,
    /// The partition and the offset of each record of the block.
    pub(super) records: Vec<(i32, i64)>,
}

impl Checkpoint for Handled {
    fn source(&self) -> usize {
        Arc::as_ptr(&self.membership) as usize
    }

    fn commit_before(&self, open: &OpenPositions) -> Result<u64> {
        // Held meanwhile, so that the share is not given up before the answer.
        let mut share = self.membership.share();
        if share.number != self.share {
            return Ok(0);
        }
        let (mut list, mut forgotten) = (TopicPartitionList::new(), 0);
        let mut commits = Vec::new();
        for (&partition, &read) in &self.offsets {
            let before = share.handled_before.as_ref().and_then(|handled| handled.get(&partition));
            let behind = open.handled_behind.get(&partition).map_or(&[][..], Vec::as_slice);
            let handled = before.unwrap_or(&OffsetSet::default()).with(behind);
            let first = open.first.get(&partition).map_or(read, |open| read.min(*open));
            let offset = handled.next_gap(first);
            let (metadata, left_out) = handled.to_metadata(offset);
            forgotten += left_out;
            if share.committed.get(&partition) != Some(&offset)
                || share.metadata.get(&partition) != Some(&metadata)
            {
                commits.push((partition, offset, metadata));
            }
        }
        if commits.is_empty() {
            return Ok(forgotten);
        }
        let committed = commits
            .iter()
            .try_for_each(|(partition, offset, metadata)| {
                let mut entry = list.add_partition(&self.address.topic, *partition);
                entry.set_metadata(metadata);
                entry.set_offset(Offset::Offset(*offset))
            })
            .and_then(|()| self.client.commit(&list, CommitMode::Sync));
        match committed {
            Ok(()) => {
                for (partition, offset, metadata) in commits {
                    share.committed.insert(partition, offset);
                    share.metadata.insert(partition, metadata);
                }
                self.membership.changed.notify_all();
                Ok(forgotten)
            }
            Err(error) if is_of_rebalance(&error) => {
                // Nothing is left to wait for.
                share.stage = ShareStage::Lost;
                self.membership.changed.notify_all();
                Err(self.explain(
                    "the group went on without this reader; what it has handled since its last \
                     commit is handled again by others",
                    &error,
                ))
            }
            Err(error) => Err(self.explain("the offsets of what was handled cannot be committed", &error)),
        }
    }

    fn position(&self, record: usize) -> Option<(i32, i64)> {
        let is_ours = self.membership.number() == self.share;
        self.records.get(record).copied().filter(|_| is_ours)
    }

    fn is_lost(&self) -> bool {
        let share = self.membership.share();
        share.number != self.share || share.stage == ShareStage::Lost
    }

    fn is_revoked(&self) -> bool {
        let share = self.membership.share();
        share.number == self.share && share.revocation.is_revoked()
    }

    fn release(&self) {
        let mut share = self.membership.share();
        if share.number == self.share {
            share.stage = ShareStage::Released;
            self.membership.changed.notify_all();
        }
    }

    fn close(&self) {
        self.membership.close();
    }
}

impl Handled {
    fn explain(&self, what: &str, error: &KafkaError) -> Error {
        let why = self.client.context().causes.explain(error, &self.address.brokers);
        Error::Invalid(format!("{what}: {why}")).at(self.address.to_string())
    }
}

fn is_of_rebalance(error: &KafkaError) -> bool {
    matches!(
        code(error),
        Some(
            Code::RebalanceInProgress
                | Code::IllegalGeneration
                | Code::UnknownMemberId
                | Code::AssignmentLost
        )
    )
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_share_is_given_up_once_its_records_are_handled() {
        let membership = Arc::new(Membership::default());
        assert_eq!(membership.partitions(), None);
        membership.assign(vec![0, 2]);
        membership.hand_on(&NextOffsets::from([(0, 5)]));
        let other = Arc::clone(&membership);
        let giving = thread::spawn(move || other.give_up());
        {
            let mut share = membership.share();
            assert_eq!(share.number, 0, "records are under way");
            share.committed.insert(0, 5);
        }
        membership.changed.notify_all();
        giving.join().expect("it ends");
        assert_eq!((membership.number(), membership.partitions()), (1, None));
    }

    #[test]
    fn who_handles_the_records_of_a_share_is_asked_for_it_and_may_release_it() {
        let membership = Arc::new(Membership::default());
        membership.assign(vec![0]);
        membership.hand_on(&NextOffsets::from([(0, 5)]));
        let (other, revocation) = (Arc::clone(&membership), membership.revocation());
        let giving = thread::spawn(move || other.give_up());
        while !revocation.is_revoked() {
            thread::yield_now();
        }
        assert!(membership.is_awaiting());
        membership.share().stage = ShareStage::Released;
        membership.changed.notify_all();
        giving.join().expect("it ends");
        assert_eq!(membership.number(), 1);
        assert!(!membership.is_awaiting() && !membership.revocation().is_revoked());
    }

    #[test]
    fn nobody_waits_for_records_of_a_source_that_is_closed() {
        let membership = Membership::default();
        membership.hand_on(&NextOffsets::from([(0, 5)]));
        membership.close();
        membership.give_up();
        assert_eq!(membership.number(), 1);
    }
}
