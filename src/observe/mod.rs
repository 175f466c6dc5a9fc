//! What a run tells of itself: counters that reconcile, progress, histograms.

mod advance;
mod durations;
mod ledger;
mod meter;
mod progress;

pub use durations::{Durations, Span};
pub use ledger::Ledger;
pub use meter::Meter;
pub use progress::Progress;
