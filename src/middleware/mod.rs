//! A child process that records go through: one line of hex each, in and out.
//!
//! The child gets each record on its standard input as one line of lower-case
//! hex, `hex(header line LF payload)`, and answers the same way on its
//! standard output. What it sends back goes on, in the order it sends it,
//! records of its own included. Its standard error is ours. That is GoReplay's
//! protocol, byte for byte.
//!
//! What it does not send back is dropped, which is an error unless the caller
//! says that it may. That is judged by kind and id (`outstanding.rs`).
//!
//! ```text
//! source ─► feeder thread ─► child ─► reader thread ─► Middleware, a source
//! ```
//!
//! The feeder waits for a child that does not read, the reader waits for
//! whoever takes the records; neither waits for the other, so that a pipe of
//! any size will do.

mod child;
mod command;
mod flood;
mod lines;
mod outstanding;
mod traffic;

pub use child::{Middleware, MiddlewareOptions};
pub use command::Command;
pub use outstanding::Balance;
pub use traffic::Traffic;

#[cfg(test)]
mod tests;
