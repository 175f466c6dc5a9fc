//! What decides on a record: filters and sampling.
//!
//! A decision has two parts. [`Filter`] looks at one request alone; it is
//! pure, so blocks are judged on all cores. [`Selection`] then goes over the
//! records in their order: responses follow their request there, and kinds,
//! inversion and the limit are applied.

mod filter;
mod filtering;
mod pattern;
mod refused;
mod selection;
mod stage;

pub use filter::{Filter, Note, Rule, Rules, Verdict};
pub use filtering::Filtering;
pub use pattern::{HeaderPattern, Share};
pub use refused::MAX_REMEMBERED;
pub use selection::{Choice, Selection, Tally};
pub use stage::{Scout, Stage, Worker};

#[cfg(test)]
mod tests;
