//! What a run tells of itself: counters that reconcile, progress, histograms.

mod advance;
mod coarse;
mod counts;
mod cpu_profile;
mod durations;
mod heap;
mod heap_profile;
mod ledger;
mod meter;
mod metrics;
mod names;
mod progress;
mod quantity;
mod server;

pub use advance::describe;
pub use coarse::CoarseDurations;
pub use counts::Counts;
pub use cpu_profile::{CpuProfile, prepare_profiles};
pub use durations::Durations;
pub use heap::{SampledHeap, sample_heap};
pub use heap_profile::{HeapProfile, HeapSample};
pub use ledger::Ledger;
pub use meter::Meter;
pub use metrics::serve_metrics;
pub use names::Names;
pub use progress::Progress;
pub use quantity::{Count, Size, Span};
pub use server::{Page, PageRequest, serve_pages};

/// Says a line to a person.
pub type Tell = fn(&dyn std::fmt::Display);
