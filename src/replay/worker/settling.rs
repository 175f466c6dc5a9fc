//! What a worker tells of requests that have come to their end, and which it leaves to others.

use std::sync::PoisonError;

use super::ReplayWorker;
use crate::replay::clock;
use crate::replay::connection::{ClientConnection, Phase};
use crate::replay::exchange::describe;
use crate::replay::failure::FailureReason;
use crate::replay::schedule::{RequestBatch, ScheduledRequest};

impl ReplayWorker {
    /// A request has come to its end, and is never to be sent again.
    pub(super) fn settle(&mut self, number: u64) {
        if self.options.settles {
            self.settled.push(number);
        }
        if let Some(ends) = &self.options.ends {
            ends.put(number, clock::now());
        }
    }

    /// Hands over which requests are settled, with what was counted of all of them.
    pub(super) fn hand_over_settled(&mut self) {
        let is_under_way = |connection: &&ClientConnection| {
            matches!(connection.phase, Phase::LookingUp | Phase::Connecting | Phase::Busy)
                && !connection.is_spare
                && connection.exchange.sent_at != 0
        };
        let under_way = self.connections.iter().filter(is_under_way);
        let tally = self
            .options
            .is_continued
            .then(|| Box::new(self.tally.without(under_way.map(|connection| &connection.exchange))));
        let begun = self.connections.iter().filter(|connection| {
            matches!(connection.phase, Phase::LookingUp | Phase::Connecting | Phase::Busy)
                && !connection.is_spare
        });
        let mut part = self.options.progress.part.lock().unwrap_or_else(PoisonError::into_inner);
        part.numbers.append(&mut self.settled);
        part.under_way = begun.map(|connection| connection.exchange.number).collect();
        part.tally = tally;
    }

    /// Counts a request that its source has taken back. It is not settled: others, or this replay, get it again.
    pub(super) fn leave_to_others(&mut self, batch: &RequestBatch, entry: ScheduledRequest) {
        let view = batch.blocks[entry.block as usize].get(entry.record as usize);
        self.tally.not_sent.add(FailureReason::Reassigned, || describe(view.header.id, view.payload));
        self.tally.note_not_sent(clock::now(), 1);
    }

    /// Leaves the next requests to others, at whatever time they are due, as far as their source has taken them back.
    pub(super) fn leave_revoked(&mut self) {
        while let Some((batch, entry)) = self.queue.revoked_front() {
            self.leave_to_others(&batch, entry);
            self.queue.pop();
        }
    }
}
