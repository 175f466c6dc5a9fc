//! Telling what happens: counters that reconcile, histograms, progress.

mod durations;
mod progress;

pub use durations::{Durations, Span};
pub use progress::Progress;
