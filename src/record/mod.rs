//! The gor text format.
mod header;
pub use header::{Header, Kind, Malformed, Mark, SEPARATOR};
