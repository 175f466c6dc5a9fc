//! What a replay came to, measured while it runs, kept in a file, and merged with what other machines measured.
//!
//! [`Measurements`] are taken by a worker, [`RecordedLatencies`] by whoever reads the input. A [`ReplayReport`] is made
//! of them at the end.

mod groups;
mod histogram;
mod measurements;
mod recorded;
mod series;
mod slowest;
mod statuses;

pub use groups::GroupId;
pub use histogram::{Latencies, PERCENTILES, SparseHistogram};
pub use measurements::{Answered, Measurements};
pub use recorded::RecordedLatencies;
pub use series::{Interval, Series};
pub use statuses::Classes;
