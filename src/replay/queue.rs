//! A worker's requests that are not sent yet: those that wait for their time, and those that wait longer.

use std::collections::VecDeque;
use std::sync::Arc;

use super::schedule::{RequestBatch, ScheduledRequest};

/// Requests that are due and may wait for a connection, where nothing else is said; beyond, the oldest is given up.
pub const QUEUE: usize = 65_536;

/// Bytes of the blocks that waiting requests are in; beyond, the oldest is given up.
pub(super) const QUEUE_BYTES: usize = 64 << 20;

/// Batches in hand when time does not tell how many.
const CLOSED_LOOP_BATCHES: usize = 2;

/// Batches in hand, and how far they were used up.
#[derive(Debug, Default)]
pub(super) struct BatchQueue {
    batches: VecDeque<Arc<RequestBatch>>,
    /// Entries of the front batch that are done with.
    used: usize,
    entries: usize,
    bytes: usize,
}

impl BatchQueue {
    pub(super) fn push(&mut self, batch: Arc<RequestBatch>) {
        if !batch.entries.is_empty() {
            self.entries += batch.entries.len();
            self.bytes += size(&batch);
            self.batches.push_back(batch);
        }
    }

    pub(super) fn front(&self) -> Option<(&RequestBatch, ScheduledRequest)> {
        self.batches.front().map(|batch| (&**batch, batch.entries[self.used]))
    }

    /// The same, with the batch to be kept.
    pub(super) fn shared_front(&self) -> Option<(Arc<RequestBatch>, ScheduledRequest)> {
        self.batches.front().map(|batch| (Arc::clone(batch), batch.entries[self.used]))
    }

    /// The same, if its source has taken it back.
    pub(super) fn revoked_front(&self) -> Option<(Arc<RequestBatch>, ScheduledRequest)> {
        let (batch, entry) = self.front()?;
        if batch.is_revoked(entry) { self.shared_front() } else { None }
    }

    pub(super) fn pop(&mut self) {
        self.used += 1;
        self.entries -= 1;
        if let Some(batch) = self.batches.front()
            && batch.entries.len() == self.used
        {
            self.bytes -= size(batch);
            self.used = 0;
            self.batches.pop_front();
        }
    }

    /// Requests in it.
    pub(super) fn len(&self) -> usize {
        self.entries
    }

    /// Whether more is wanted from where the batches come, when no time tells.
    pub(super) fn is_low(&self) -> bool {
        self.batches.len() < CLOSED_LOOP_BATCHES
    }

    pub(super) fn last_due(&self) -> Option<u64> {
        self.batches.back().and_then(|batch| batch.entries.last()).map(|entry| entry.due)
    }

    /// Requests in it that are due by `now`.
    pub(super) fn due(&self, now: u64) -> usize {
        let mut due = 0;
        for (at, batch) in self.batches.iter().enumerate() {
            let entries = &batch.entries[if at == 0 { self.used } else { 0 }..];
            let of_batch = entries.partition_point(|entry| entry.due <= now);
            due += of_batch;
            if of_batch < entries.len() {
                break;
            }
        }
        due
    }

    /// Whether more are in it, due or not, than that many, or than there is memory for.
    pub(super) fn is_over_full(&self, most: usize) -> bool {
        self.entries > most || (self.bytes > QUEUE_BYTES && self.batches.len() > CLOSED_LOOP_BATCHES)
    }
}

fn size(batch: &RequestBatch) -> usize {
    batch.blocks.iter().map(|block| block.bytes().len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_is_counted_over_batches_and_behind_what_was_used() {
        let mut queue = BatchQueue::default();
        for dues in [&[1, 2, 3][..], &[4, 8], &[9]] {
            let entries = dues
                .iter()
                .map(|due| ScheduledRequest { due: *due, ..ScheduledRequest::default() })
                .collect();
            queue.push(Arc::new(RequestBatch { entries, ..RequestBatch::default() }));
        }
        queue.pop();
        let counts = [0, 1, 2, 4, 7, 8, 100].map(|now| queue.due(now));
        assert_eq!(counts, [0, 0, 1, 3, 3, 4, 5]);
    }
}
