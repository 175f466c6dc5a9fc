//! Groups of options that several tools share. Each is flattened into a tool's own.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::endpoint::{Notice, ReadOptions, WriteOptions};
use crate::record::MAX_MAX_RECORD;

/// More threads than this are a slip of the finger.
const MAX_COMPRESS_THREADS: usize = 256;

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
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Output")]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct OutputOptions {
    /// Write records to this file; `-` is standard output, `null:` discards. May be repeated.
    ///
    /// Names that end in .gz or .zst are compressed. Fields in a name make files: %Y %m %d %H %M %S %NS (time
    /// of writing, UTC), %r (request id), %t (record type: 1, 2, 3), %i (instance), %% (a percent sign).
    /// Directories that such a name needs are created.
    #[arg(short, long, value_name = "PLACE")]
    pub output: Vec<String>,
    /// Overwrite existing files.
    #[arg(long)]
    pub force: bool,
    /// Add to existing files; to compressed ones a new gzip member or zstd frame.
    ///
    /// A file that a killed run left goes on after what was whole; what there is of a last record is kept, marked as
    /// cut. While one program writes to a file, another is refused.
    #[arg(long, conflicts_with_all = ["force", "chunk_size", "chunk_records"])]
    pub append: bool,
    /// Begin the next chunk before a file has more than so many bytes of records, counted before compression.
    ///
    /// `x.gor` becomes `x_0.gor`, `x_1.gor`…, after the highest chunk that exists; none is overwritten. A record
    /// is never split: one larger than a chunk has its own.
    #[arg(long, value_name = "SIZE", value_parser = at_least_one)]
    pub chunk_size: Option<u64>,
    /// Begin the next chunk when a file has so many records.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    pub chunk_records: Option<u64>,
    /// Write so many bytes of records in all, counted before compression, then stop with status 1.
    #[arg(long, value_name = "SIZE", value_parser = super::values::size)]
    pub max_size: Option<u64>,
    /// Write at least so often what has come: a kill loses no more. Pipes get everything at once.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = super::values::duration)]
    pub flush_interval: Duration,
    /// Compress so much: 1 to 9 for gzip (6 unless given), 1 to 22 for zstd (3).
    #[arg(long, value_name = "LEVEL")]
    pub compress_level: Option<u8>,
    /// Compress on so many threads; up to four of the cores unless given.
    #[arg(long, value_name = "NUMBER", value_parser = compress_threads)]
    pub compress_threads: Option<NonZeroUsize>,
    /// Write beside each file an index, FILE.idx: which times and kinds stand where.
    #[arg(long)]
    pub index: bool,
    /// Share between the outputs, exchange by exchange in turn, instead of writing all to each.
    #[arg(long)]
    pub split: bool,
    /// With --split, all exchanges of a TCP session go to one output.
    #[arg(long, requires = "split")]
    pub sessions: bool,
    /// What %i in a name stands for; host name and process id unless given.
    #[arg(long, value_name = "NAME")]
    pub instance: Option<String>,
}

impl OutputOptions {
    /// Whether any output is a file, and not a standard stream.
    pub fn has_files(&self) -> bool {
        self.output.iter().any(|name| name != "-" && name != "null:")
    }

    /// The same in the library's words. `inputs` are what is read meanwhile.
    pub fn write_options<'a>(&'a self, inputs: &'a [String]) -> WriteOptions<'a> {
        WriteOptions {
            is_forced: self.force,
            appends: self.append,
            inputs,
            has_index: self.index,
            chunk_size: self.chunk_size,
            chunk_records: self.chunk_records,
            max_size: self.max_size,
            flush_interval: self.flush_interval,
            compress_level: self.compress_level,
            compress_threads: self.compress_threads,
            splits: self.split,
            keeps_sessions: self.sessions,
            instance: self.instance.as_deref(),
            tell: Some(|text| super::note(text)),
            ..WriteOptions::default()
        }
    }
}

fn at_least_one(text: &str) -> Result<u64, String> {
    super::values::size(text)
        .and_then(|size| if size == 0 { Err("a chunk has at least 1 byte".into()) } else { Ok(size) })
}

fn compress_threads(text: &str) -> Result<NonZeroUsize, String> {
    let number = text.parse::<NonZeroUsize>().ok().filter(|number| number.get() <= MAX_COMPRESS_THREADS);
    number.ok_or_else(|| format!("a number of threads is from 1 to {MAX_COMPRESS_THREADS}"))
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
