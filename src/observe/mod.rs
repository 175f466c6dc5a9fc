//! Telling what happens: counters that reconcile, histograms, progress.

mod durations;

pub use durations::{Durations, Span};
