//! What a run tells of itself: counters that reconcile, progress, histograms.

mod durations;
mod ledger;
mod progress;

pub use durations::{Durations, Span};
pub use ledger::Ledger;
pub use progress::Progress;
