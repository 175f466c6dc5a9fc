//! What workers say of themselves while they work.

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};

use super::failure::FailureReason;
use super::tally::ReplayTally;
use super::watching::TargetProgress;

/// Counts for whoever watches, renewed at every tick.
#[derive(Debug, Default)]
pub(super) struct WorkerProgress {
    pub(super) sent: AtomicU64,
    pub(super) answered: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) in_flight: AtomicU64,
    /// Requests in batches on their way to the worker.
    pub(super) untaken: Arc<AtomicU64>,
    /// The first failure of each kind since this was last taken.
    pub(super) first_failures: Mutex<Vec<(FailureReason, String)>>,
    /// What else is known, where somebody watches.
    pub(super) details: Mutex<TargetProgress>,
    /// Whether what was settled is to be handed over at the next tick; and what was.
    pub(super) is_wanted: AtomicBool,
    pub(super) part: Mutex<SettledPart>,
    /// The worker is gone.
    pub(super) has_ended: AtomicBool,
}

/// What a worker hands over.
#[derive(Debug, Default)]
pub(super) struct SettledPart {
    /// Requests that were settled since the last time, by their numbers among those to be sent.
    pub(super) numbers: Vec<u64>,
    /// What was counted of all that the worker has settled up to now. None: nothing new.
    pub(super) tally: Option<Box<ReplayTally>>,
    /// Requests that were begun and have not come to an end, by the same numbers.
    pub(super) under_way: Vec<u64>,
}
