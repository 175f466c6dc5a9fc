//! Several sources as one, ordered by time, in bounded memory.
//!
//! Everything here is a [`Source`](crate::record::Source) over sources, so
//! that the parts can be put together as they are needed:
//!
//! ```text
//! Merge     several sources that are in order, into one
//! Arrivals  several sources, into one, as their records come
//! Sort      sources in any order, into one, through temporary files
//! Depth     puts right what is out of order by so many records at most
//! Window    puts right what is out of order by so much time at most
//! Dedup     leaves out what was there already
//! Retimed   other timestamps, all else as it was
//! ```

mod arrivals;
mod counts;
mod dedup;
mod depth;
mod input;
mod keyed_block;
mod merger;
mod read_ahead;
mod retime;
mod sort;
mod spill;
mod tie_break;
mod window;

pub use arrivals::Arrivals;
pub use counts::{Counted, CountingSource, MergeCounts};
pub use dedup::{Dedup, REMEMBERED};
pub use depth::Depth;
pub use input::{MergeInput, Opener};
pub use merger::{Merge, MergeOptions};
pub use retime::{Retime, Retimed};
pub use sort::Sort;
pub use window::Window;

#[cfg(test)]
mod tests;
