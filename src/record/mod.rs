//! The gor text format: records, their header line, reading and writing.
//!
//! A record is a header line, the payload as it was on the wire, and a
//! separator line:
//!
//! ```text
//! KIND SP ID SP TIMESTAMP SP LATENCY [SP LENGTH [SP MARK]] LF
//! PAYLOAD
//! LF 🐵🙈🙉 LF
//! ```
//!
//! Everything is read in [`Block`]s: whole records in one buffer, each
//! record a [`View`] into it. [`Records`] is the plain loop on top.

mod block;
mod checkpoint;
mod failures;
mod framing;
mod header;
mod header_line;
mod joined;
mod lru;
mod origin;
mod pipe;
mod reader;
mod separator;
mod sink;
mod source;
mod span;
mod text_feed;

pub use block::{Block, Run, View};
pub use checkpoint::{Checkpoint, Checkpoints, OpenPositions, PartPositions, Revocation};
pub use failures::Failures;
pub use framing::{MessageFraming, NewMessageFraming};
pub use header::{Excerpt, Header, Kind, MAX_HEADER, Malformed, Mark, SEPARATOR};
pub use joined::JoinedRecords;
pub use lru::{LruMap, id_hash};
pub use origin::{NAMED_PARTS, Origin, connection_part, session};
pub use pipe::{PipeSink, PipeSource, pipe};
pub use reader::{DEFAULT_MAX_RECORD, MAX_MAX_RECORD, Reader, ReaderOptions};
pub use sink::{Discard, Sink};
pub use source::{Intake, Record, Records, Source};
pub use text_feed::{TextFeed, hand_over};

#[cfg(test)]
mod tests;
