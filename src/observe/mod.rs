//! What a run tells of itself: counters that reconcile, progress, histograms.

mod advance;
mod counts;
mod durations;
mod ledger;
mod meter;
mod metrics;
mod names;
mod progress;
mod quantity;

pub use advance::describe;
pub use counts::Counts;
pub use durations::Durations;
pub use ledger::Ledger;
pub use meter::Meter;
pub use metrics::serve_metrics;
pub use names::Names;
pub use progress::Progress;
pub use quantity::{Count, Size, Span};
