//! Recording, transforming and replaying HTTP traffic.
//!
//! The way of the data, one room a subject:
//!
//! ```text
//! packets ─► segments ─► HTTP messages ─► exchanges ─► records     packet, tcp, http, capture
//! bytes ──► records ──► transforms ──► records ──► bytes           endpoint, record, transform, pipeline
//! records ─► due times ─► connections ─► exchanges ─► records      pace, replay
//! measurements ─► report ─► reports merged ─► text                 report
//! records ─► exchanges ─► text                                     show
//! records ─► JSON and other formats ─► records                     interchange
//! ```
//!
//! Which room may know which is written in `ARCHITECTURE.md` and held by a test.

#![deny(unsafe_code)]

pub mod capture;
pub mod cli;
pub mod conversation;
pub mod dialect;
pub mod endpoint;
pub mod error;
pub mod http;
pub mod interchange;
pub mod merge;
pub mod middleware;
pub mod observe;
pub mod pace;
pub mod packet;
pub mod pipeline;
pub mod privileges;
pub mod queue;
pub mod record;
pub mod replay;
pub mod report;
pub mod show;
pub mod tcp;
pub mod tls;
pub mod tool;
pub mod transform;

pub use dialect::Dialect;
pub use error::{BadRule, Error, Position, Result};
