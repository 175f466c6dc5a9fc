//! Places that records come from and go to: standard streams, files, captures.
//!
//! A place is named on the command line: `-` for a standard stream, a path, a
//! glob for reading, `null:` for writing. What a file holds is told by its
//! first bytes, never by its name.

mod bytes;
mod format;
mod index;
mod input;
mod output;
mod place;
mod recent;

pub use bytes::{open_bytes, open_bytes_until};
pub use input::{Notice, ReadOptions, open};
pub use output::{FLUSH_INTERVAL, WriteOptions, create};
pub use place::{Place, expand};

#[cfg(test)]
mod tests;
