//! What a replay came to, measured while it runs, kept in a file, and merged with what other machines measured.
//!
//! [`Measurements`] are taken by a worker, [`RecordedLatencies`] by whoever reads the input. A [`ReplayReport`] is made
//! of them at the end.

mod groups;
mod histogram;
mod html;
mod making;
mod measurements;
mod merge;
mod model;
mod recorded;
mod series;
mod slowest;
mod statuses;
mod text;
mod threshold;

pub use groups::GroupId;
pub use histogram::{Latencies, PERCENTILES, SparseHistogram};
pub use measurements::{Answered, EventTime, Measurements};
pub use model::{
    FORMAT, GroupReport, ReasonCount, RecordedGroup, RecordedReport, ReplayReport, ReplayRun, ReportTime,
    RunOption, SlowRequest, TargetReport, VERSION,
};
pub use recorded::RecordedLatencies;
pub use series::{Interval, Series};
pub use statuses::Classes;
pub use threshold::{FORMS, Threshold};
