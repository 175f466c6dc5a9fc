//! What the binaries share: exit codes, value parsers, option groups.

pub mod moment;

mod descriptors;
mod options;
mod progress;
mod report;
mod run;
pub mod signals;
mod tool;
pub mod values;

pub use descriptors::raise_descriptor_limit;
pub use options::{InputOptions, OutputOptions, Reporting};
pub use progress::{Drawn, Every, progress};
pub use report::{Report, with_intake};
pub use run::{Exit, note, report, run};
pub use tool::Tool;
