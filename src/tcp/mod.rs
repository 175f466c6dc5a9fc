//! TCP as byte streams: sequence numbers, one direction's assembler, the table of connections.
//!
//! Segments go in as a capture saw them, lost, doubled, reordered or cut; bytes come out in the order in which they
//! were sent, with a word about every byte that is not there. Nothing here reads a clock, touches a socket or knows
//! what the bytes mean: time is packet time and comes in with the segments.

mod assembler;
mod counters;
mod key;
mod reassembly_buffer;
mod segment;
mod seq;
mod table;

pub use assembler::{Assembler, Limits, PIECE_OVERHEAD, WINDOW};
pub use counters::Counters;
pub use key::{ConnectionKey, Side};
pub use segment::{Chunk, Event, Flags, Segment};
pub use seq::Seq;
pub use table::{Table, TableId};
