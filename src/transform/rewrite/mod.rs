//! Rules that change requests, one after the other, and the stage that applies them.
//!
//! A rule edits the head: the target, or field lines. The body is never
//! looked at, and what no rule changes goes on as the bytes that came.

mod rule;
mod stage;
mod template;
mod url;

pub use rule::{Field, FieldPattern, Parameter, Rule, host, name};
pub use stage::{Rewriting, Tally};
pub use url::UrlPattern;

#[cfg(test)]
mod tests;
