//! What the binaries share: exit codes, value parsers, option groups.

pub mod moment;
mod options;
mod progress;
mod run;
pub mod signals;
pub mod values;

pub use options::{InputOptions, OutputOptions, Verbosity};
pub use progress::{Drawn, progress};
pub use run::{Exit, note, report, run};
