//! Groups of options that several tools share. Each is flattened into a tool's own.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::endpoint::{Notice, ReadOptions};
use crate::record::MAX_MAX_RECORD;

/// How records are read.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Input")]
pub struct InputOptions {
    /// Fail at the first malformed record instead of skipping it.
    #[arg(long)]
    pub strict: bool,
    /// Longest record accepted, up to 3gb.
    #[arg(long, value_name = "SIZE", default_value = "1gb", value_parser = max_record)]
    pub max_record: u64,
    /// Read files on as they grow, until interrupted, as `tail -F` does.
    ///
    /// Files are read from their beginning, all at once, and records come as they are written; half a record
    /// waits for its rest. A file that is renamed is read to its end, then the new one of its name; one that is
    /// truncated is read from its beginning again; one that is not there is waited for. Compressed files may
    /// grow too, by whole members or frames. Patterns and directories are looked up once.
    #[arg(long)]
    pub follow: bool,
}

impl InputOptions {
    /// The same in the library's words. What is worth telling goes to
    /// standard error.
    pub fn read_options(&self) -> ReadOptions {
        ReadOptions {
            max_record: self.max_record,
            is_strict: self.strict,
            is_followed: self.follow,
            tell: |notice: &Notice<'_>| {
                if !notice.is_detail() {
                    super::note(notice);
                }
            },
            ..ReadOptions::default()
        }
    }

    /// The same for a tool that ends when `is_stopping` turns true, and says
    /// as much as the user wants to hear.
    pub fn reading(&self, verbosity: Verbosity, is_stopping: &Arc<AtomicBool>) -> ReadOptions {
        let mut options = self.read_options();
        options.is_stopping = Arc::clone(is_stopping);
        if verbosity.quiet {
            options.tell = |notice| {
                if notice.is_error() {
                    super::note(notice);
                }
            };
        } else if verbosity.verbose > 0 {
            options.tell = |notice| super::note(notice);
        }
        options
    }
}

fn max_record(text: &str) -> Result<u64, String> {
    let size = super::values::size(text)?;
    if (1..=MAX_MAX_RECORD).contains(&size) {
        return Ok(size);
    }
    Err("the longest record is from 1 byte to 3gb".into())
}

/// Where records are written.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Output")]
pub struct OutputOptions {
    /// Write records to this file; `-` is standard output, `null:` discards. May be repeated.
    #[arg(short, long, value_name = "PLACE")]
    pub output: Vec<String>,
    /// Overwrite existing files.
    #[arg(long)]
    pub force: bool,
}

/// How much is said on standard error.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
#[command(next_help_heading = "Messages")]
pub struct Verbosity {
    /// Say more; twice for everything.
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Say only what went wrong.
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
}
