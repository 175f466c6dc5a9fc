//! Which requests of an input are settled, so that another run can go on from there.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Targets that each get every request, at most: one bit of a word for each.
pub const MOST_RECIPIENTS: usize = 64;

/// Which requests of the input are settled.
///
/// A recipient is a target that gets every request; targets that split the requests are one recipient together.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct ReplayPosition {
    /// All requests among so many first records of the input are settled.
    pub records: u64,
    /// For each recipient, the numbers of later records, from 0, that are requests which are settled too: first and last.
    pub settled: Vec<Vec<(u64, u64)>>,
}

impl ReplayPosition {
    /// The recipients, as bits, for which a request is settled: the record of this number.
    fn recipients(&self, record: u64) -> u64 {
        let is_settled = |recipient: &&Vec<(u64, u64)>| {
            let at = recipient.partition_point(|(_, last)| *last < record);
            recipient.get(at).is_some_and(|(first, _)| *first <= record)
        };
        self.settled
            .iter()
            .zip(0..)
            .filter(|(recipient, _)| is_settled(recipient))
            .fold(0, |bits, (_, bit)| bits | 1 << bit)
    }

    /// What is to become of the record of this number, if it is a request and there are so many recipients.
    pub(super) fn of(&self, record: u64, recipients: usize) -> RequestProgress {
        if record < self.records {
            return RequestProgress::Before;
        }
        let settled = self.recipients(record);
        if recipients > 0 && settled.count_ones() as usize >= recipients {
            RequestProgress::Settled
        } else {
            RequestProgress::Open(settled)
        }
    }
}

/// How far a request is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum RequestProgress {
    /// It is before all that are open.
    Before,
    /// It is settled, and others before it are not.
    Settled,
    /// It is to be sent, but not to these recipients.
    Open(u64),
}

/// How often a replay says how far it is, and where it goes on.
#[derive(Clone, Debug)]
pub struct CheckpointSettings {
    /// What an earlier run has settled.
    pub from: ReplayPosition,
    /// How long after a checkpoint the next one is made.
    pub interval: Duration,
}
