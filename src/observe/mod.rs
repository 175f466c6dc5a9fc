//! What a run tells of itself: counters that reconcile, progress, histograms.

mod ledger;

pub use ledger::Ledger;
