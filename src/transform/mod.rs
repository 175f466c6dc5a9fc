//! What decides on a record: filters and sampling.
//!
//! A decision has two parts. [`Filter`] looks at one message alone; it is
//! pure, so blocks are judged on all cores. [`Selection`] then goes over the
//! records in their order: responses follow their request there, requests
//! wait for their response where a rule asks it, and kinds, inversion and the
//! limit are applied. [`Filtering`] is both as a [`Stage`] of the copy loop.

pub mod redact;

mod filter;
mod filtering;
mod outcomes;
mod outstanding;
mod pattern;
mod reorder_buffer;
pub mod rewrite;
mod rules;
mod selection;
mod stage;

pub use filter::{Filter, Note, Verdict};
pub use filtering::Filtering;
pub use outcomes::MAX_REMEMBERED;
pub use pattern::{HeaderPattern, NamedShare, Sample, pattern};
pub use rules::{FilterRule, Rules};
pub use selection::{Choice, DEFAULT_WINDOW, RecordState, Selection, SelectionTally};
pub use stage::{Pass, Stage, Worker};

#[cfg(test)]
mod tests;
