//! Sending recorded requests to a target on time, and telling how that went.
//!
//! ```text
//! reading ─► scheduler ─► worker ─► connection ─► target
//!  blocks     due times    a thread each, with its own connections and its share of the schedule
//! ```
//!
//! With a middleware requests go through it between scheduler and worker (`middleware.rs`).
//!
//! Threads hand each other blocks of records and batches of due times, never
//! single requests. A worker allocates and locks nothing per request: the
//! recorded bytes are copied once, into a buffer of the connection, with Host
//! edited on the way; answers are framed where they were read, and dropped.

mod addresses;
mod checkpoint;
mod clock;
mod connection;
mod cookies;
mod descriptors;
mod documents;
mod ending;
mod engine;
mod exchange;
mod failure;
mod hold;
mod json;
mod middleware;
mod offsets;
mod opening;
mod other_servers;
mod outcome;
mod output;
mod own;
mod paced;
mod plan;
mod position;
mod progress;
mod queue;
mod reading;
mod redirect;
mod report;
mod request;
mod resolver;
mod rounds;
mod routing;
mod schedule;
mod scheduler;
mod selection;
mod sessions;
mod settings;
mod share_clock;
mod start;
mod summary;
mod tally;
mod target;
mod tls;
mod transport;
mod watching;
mod worker;
mod worker_pool;

pub use clock::pause;
pub use documents::{DocumentIndex, DocumentTally};
pub use ending::Stop;
pub use engine::run;
pub use failure::{CountWithFirst, FailureReason, ReasonCounts};
pub use hold::{HeldRequests, Hold};
pub use json::to_json;
pub use middleware::{MiddlewareSettings, MiddlewareTally};
pub use outcome::Outcome;
pub use output::WhenSlow;
pub use paced::Paced;
pub use plan::{ReplayPlan, RequestFault, RequestJudge};
pub use position::{CheckpointSettings, MOST_RECIPIENTS, ReplayPosition};
pub use queue::QUEUE;
pub use reading::{InputPart, OpenSource, Supply};
pub use report::to_report;
pub use routing::Split;
pub use selection::{NotSelected, RequestSelection, Shard};
pub use settings::{CLOSED_LOOP_CONNECTIONS, Measures, OPEN_LOOP_CONNECTIONS, SessionMode, Settings};
pub use summary::ReplaySummary;
pub use tally::{ReplayTally, WatchedDurations};
pub use target::{Target, TargetProtocol};
pub use watching::{FirstFailure, ReplayProgress, TargetProgress};
