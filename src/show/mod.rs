//! What is in a recording, for a person to read: exchanges in lines, messages in full, a summary.
//!
//! [`Joiner`] puts requests and their responses together again, [`Facts`] are what a line says of a message, and
//! [`LineStyle`] writes one. Whatever was recorded may be hostile: nothing of it reaches a terminal but as printable
//! characters ([`text`]).

mod compare;
mod content;
mod endpoint;
mod facts;
mod full;
mod joiner;
mod json;
mod json_text;
mod line;
mod overview;
mod report;
mod summary;
pub mod text;

pub use compare::{Compared, Comparison, ComparisonCounts, Difference, RecordingSide};
pub use endpoint::grouped;
pub use facts::{Facts, StartLine};
pub use full::{FullMessage, MessagePart};
pub use joiner::{Earlier, Exchange, Joiner, KeptMessage};
pub use json::write_json;
pub use line::{LineStyle, recorded_latency};
pub use overview::{Overview, has_replayed};
pub use summary::{By, Group, TrafficSummary};
