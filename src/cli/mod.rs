//! What the binaries share: exit codes, value parsers, option groups.

pub mod filter;
pub mod merge;
mod moment;
mod options;
mod progress;
pub mod record;
pub mod replay;
pub mod rewrite;
mod run;
pub mod show;
pub mod signals;
pub mod values;

pub use options::{InputOptions, OutputOptions, Verbosity};
pub use progress::{Drawn, progress};
pub use run::{Exit, note, report, run};
