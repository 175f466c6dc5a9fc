//! Groups of options that several tools share. Each is flattened into a tool's own.

use std::io::IsTerminal as _;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::endpoint::{
    Notice, ObjectOptions, OutputFormat, ReadOptions, S3Options, SendOptions, Services, SingleObject,
    WriteOptions,
};
use crate::interchange::LogFormat;
use crate::record::MAX_MAX_RECORD;
use crate::{Error, Result};

/// Lines that came faster nobody could read.
const MIN_INTERVAL: Duration = Duration::from_millis(100);

/// More threads than this are a slip of the finger.
const MAX_COMPRESS_THREADS: usize = 256;

/// More requests at a time than this are a slip of the finger: their parts would fill 4 GiB.
const MAX_FETCH: usize = 256;

/// Less would be a chunk for each few records.
const MIN_SPOOL: u64 = 1 << 20;

/// What says how records are written, and is of no use to a dry run that has no output.
pub(crate) const NOT_DRY: [&str; 16] = [
    "output",
    "format",
    "append",
    "chunk_size",
    "chunk_records",
    "max_size",
    "index",
    "instance",
    "flush_interval",
    "compress_level",
    "compress_threads",
    "spool",
    "spool_max",
    "spool_wait",
    "chunk_age",
    "manifest",
];

/// How records are read.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Input")]
#[allow(clippy::doc_markdown, reason = "these are help texts")]
pub struct InputOptions {
    /// Keep reading files as they grow, as tail -F does
    ///
    /// All files are read from their beginning, at the same time, until interrupted. An incomplete record waits for
    /// its rest. A renamed file is read to its end, then the new file of that name; a truncated file is read from its
    /// beginning again; a missing file is waited for. Compressed files may grow by whole gzip members or zstd frames.
    /// Globs and directories are expanded once, at the start.
    #[arg(long, hide_short_help = true)]
    pub follow: bool,
    /// Stop reading after DURATION, write what was read, and exit with status 0
    #[arg(long, value_name = "DURATION", value_parser = super::values::duration, hide_short_help = true)]
    pub exit_after: Option<Duration>,
    /// Fail at the first malformed record instead of skipping it
    #[arg(long, hide_short_help = true)]
    pub strict: bool,
    /// Read text inputs as access logs in FORMAT, and not only those that are recognised
    ///
    /// FORMAT is that of nginx's log_format, as '$remote_addr [$time_local] "$request" $status', or combined, common,
    /// vhost_combined or json, which are recognised without it: gor-log(5).
    #[arg(long, value_name = "FORMAT", value_parser = log_format, hide_short_help = true)]
    pub log_format: Option<LogFormat>,
    /// Skip records longer than SIZE (at most 3GB), and exit with status 1
    #[arg(long, value_name = "SIZE", default_value = "1GB", value_parser = max_record, hide_short_help = true)]
    pub max_record: u64,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub services: ServiceOptions,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub listening: super::ListenArgs,
}

impl InputOptions {
    /// The same in the library's words. What is worth telling goes to
    /// standard error.
    pub fn read_options(&self) -> ReadOptions {
        ReadOptions {
            max_record: self.max_record,
            is_strict: self.strict,
            is_followed: self.follow,
            log_format: self.log_format.clone(),
            services: self.services.services(),
            listening: self.listening.options(),
            tell: |notice: &Notice<'_>| {
                if !notice.is_detail() {
                    super::note(notice);
                }
            },
            ..ReadOptions::default()
        }
    }

    /// The same for a tool that says as much as the user wants to hear.
    pub fn reading(&self, reporting: &Reporting) -> ReadOptions {
        let mut options = self.read_options();
        if reporting.quiet {
            options.tell = |notice| {
                if notice.is_loss() {
                    super::note(notice);
                }
            };
        } else if reporting.verbose {
            options.tell = |notice| super::note(notice);
        }
        options
    }
}

/// How services are read that places may be of. Each tool has them once.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "S3")]
pub struct ServiceOptions {
    /// Send at most N requests to S3 at a time [default: 4]
    ///
    /// Large objects are read and written in parts of 8 MiB. At most 2 N of them are held in memory.
    #[arg(long, value_name = "N", value_parser = fetch, hide_short_help = true)]
    pub fetch: Option<NonZeroUsize>,
    /// Use public buckets of S3 without credentials
    #[arg(long, hide_short_help = true)]
    pub no_sign_request: bool,
}

impl ServiceOptions {
    /// Refuses what says how S3 is used where none of the places that a command reads or writes is of it.
    pub fn check<'a>(&self, places: impl IntoIterator<Item = &'a String>) -> Result<()> {
        let given = [(self.fetch.is_some(), "--fetch"), (self.no_sign_request, "--no-sign-request")];
        let Some((_, option)) = given.into_iter().find(|(is_given, _)| *is_given) else { return Ok(()) };
        if places.into_iter().any(|name| SingleObject::is_meant(name)) {
            return Ok(());
        }
        Err(Error::Usage(format!("{option} applies to s3:// places, and none is given")))
    }

    /// The same in the library's words. Nothing is connected to yet.
    pub fn services(&self) -> Arc<Services> {
        let s3 = S3Options {
            fetch: self.fetch.unwrap_or(S3Options::default().fetch),
            is_anonymous: self.no_sign_request,
        };
        Arc::new(Services::new(s3, Some(|line| super::note(line))))
    }
}

fn fetch(text: &str) -> Result<NonZeroUsize, String> {
    let number = text.parse::<NonZeroUsize>().ok().filter(|number| number.get() <= MAX_FETCH);
    number.ok_or_else(|| format!("expected a number of requests from 1 to {MAX_FETCH}"))
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    LogFormat::parse(text).map_err(|error| error.to_string())
}

fn max_record(text: &str) -> Result<u64, String> {
    let size = super::values::size(text)?;
    if (1..=MAX_MAX_RECORD).contains(&size) {
        return Ok(size);
    }
    Err("expected a size from 1 byte to 3GB, as 64MB".into())
}

/// Where records are written.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Output")]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[allow(clippy::doc_markdown, reason = "these are help texts")]
pub struct OutputOptions {
    /// Write records to FILE (repeatable)
    ///
    /// Without it, records are written to standard output; gor-replay discards them. "-" is standard output, "null:"
    /// discards; tcp://, tls://, ws://, wss:// and kafka:// are places over the network: gor-tools(7). A name that ends in .gz or .zst is compressed; one that ends in .pcap
    /// or .pcapng becomes a packet capture, one in .jsonl or .ndjson lines of JSON, one in .har a HAR file, one in .csv
    /// CSV, one in .parquet Parquet, one in .curl or .sh a shell script, one in .http or .rest requests for editors, one in
    /// .postman_collection.json a Postman collection.
    ///
    /// Fields in the name start new files: %Y %m %d %H %M %S %NS (time of writing, UTC), %r (request id), %t (kind of
    /// record: 1, 2, 3), %p (part by connection: 0 to f), %i (see --instance); %% is a percent sign. Missing directories of
    /// such a name are created.
    ///
    /// s3://BUCKET/KEY is an object of S3, and KEY may have the same fields. An object that exists is never overwritten: the
    /// new one gets a number, as x_0.gor.
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub output: Vec<String>,
    /// Write files and standard output in this format [default: by the end of the name, otherwise gor]
    ///
    /// jsonl is a JSON object a line for each record, without loss: gor-jsonl(5). har is HAR 1.2, an entry for each
    /// exchange, with bodies decoded. curl is a script with a command for each request. http is
    /// what the REST client of Visual Studio Code and the HTTP client of JetBrains run; requests that these would read in another
    /// way are left out. postman is a Postman collection 2.1, with responses as examples; requests with binary bodies, or with
    /// what Postman takes for variables, are left out. csv is a line for each exchange:
    /// time, id, client, method, host, path, query, status, latency in milliseconds, bytes of request and response with their
    /// heads, content type, user agent, and yes for a replayed response. parquet
    /// has the same columns with types, if gor-tools was built with this feature. What a format cannot hold is counted at the end.
    #[arg(long, value_name = "FORMAT", value_parser = format(), hide_short_help = true)]
    pub format: Option<OutputFormat>,
    /// Overwrite existing files
    #[arg(long)]
    pub force: bool,
    /// Append to existing files
    ///
    /// A compressed file gets another gzip member or zstd frame. After a killed run, the last record is marked as cut
    /// if it is incomplete, and writing continues behind it. A file that another process is writing is refused.
    #[arg(long, conflicts_with_all = ["force", "chunk_size", "chunk_records"], hide_short_help = true)]
    pub append: bool,
    /// Start a new file before SIZE bytes of records are exceeded
    ///
    /// x.gor becomes x_0.gor, x_1.gor and so on, after the highest existing number; no file is overwritten. SIZE is
    /// counted before compression. Records are not split: a record larger than SIZE gets a file of its own.
    #[arg(long, value_name = "SIZE", value_parser = at_least_one, hide_short_help = true)]
    pub chunk_size: Option<u64>,
    /// Start a new file after N records
    #[arg(long, value_name = "N", value_parser = super::values::at_least_one, hide_short_help = true)]
    pub chunk_records: Option<NonZeroUsize>,
    /// Stop after SIZE bytes of records, counted before compression, and exit with status 1
    #[arg(long, value_name = "SIZE", value_parser = super::values::size, hide_short_help = true)]
    pub max_size: Option<u64>,
    /// Write one index file FILE.idx for each output file: the times and kinds of its records
    #[arg(long, hide_short_help = true)]
    pub index: bool,
    /// Distribute exchanges over the outputs in turn, instead of writing all of them to each output
    #[arg(long, hide_short_help = true)]
    pub split: bool,
    /// With --split, keep all exchanges of a TCP connection in one output
    #[arg(long, requires = "split", hide_short_help = true)]
    pub sessions: bool,
    /// Name that %i in a file name is replaced by [default: host name and process ID]
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pub instance: Option<String>,
    /// Flush at least this often; a kill loses at most this much
    ///
    /// Applies to regular files; pipes are written at once.
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "1s",
        value_parser = super::values::duration,
        hide_short_help = true
    )]
    pub flush_interval: Duration,
    /// Compression level: 1 to 9 for gzip, 1 to 22 for zstd [default: gzip 6, zstd 3]
    #[arg(long, value_name = "LEVEL", value_parser = level, hide_short_help = true)]
    pub compress_level: Option<u8>,
    /// Compress with N threads [default: one per core, at most 4]
    #[arg(long, value_name = "N", value_parser = compress_threads, hide_short_help = true)]
    pub compress_threads: Option<NonZeroUsize>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub tls: super::TlsArgs,
    /// Add a header to the requests to ws:// and wss:// outputs (repeatable)
    #[arg(
        long,
        value_name = "NAME: VALUE",
        value_parser = super::websocket::header,
        help_heading = "WebSocket (ws://, wss://)",
        hide_short_help = true
    )]
    pub ws_header: Vec<(String, String)>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub objects: ObjectArgs,
}

/// How objects of S3 are written.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "S3")]
#[allow(clippy::doc_markdown, reason = "these are help texts")]
pub struct ObjectArgs {
    /// Keep what is not uploaded yet in DIR [default: ~/.local/state/gor-tools/spool]
    ///
    /// Records for an output s3://BUCKET/KEY are written to files in DIR, which are uploaded when they end and removed
    /// once the server has them. What a killed run has left there is uploaded by the next run with the same DIR. Two runs
    /// cannot use one DIR at a time. XDG_STATE_HOME, if set, takes the place of ~/.local/state.
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath, hide_short_help = true)]
    pub spool: Option<PathBuf>,
    /// Stop with status 1 when SIZE waits in the spool and the server does not answer
    ///
    /// While the server answers, tools wait for it, and gor-record drops exchanges and counts them. A chunk also ends at
    /// a quarter of SIZE.
    #[arg(long, value_name = "SIZE", default_value = "1GB", value_parser = spool_max, hide_short_help = true)]
    pub spool_max: u64,
    /// At the end, wait at most DURATION for a server that does not answer
    ///
    /// It counts from when the server last took something. A request that was not answered is waited for 20 seconds even
    /// so.
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "2m",
        value_parser = super::values::duration,
        hide_short_help = true
    )]
    pub spool_wait: Duration,
    /// Start a new object when the current one is DURATION old
    ///
    /// It is uploaded then, also when no more records come. Objects of one key get numbers: x.gor, x_0.gor, x_1.gor and
    /// so on. gor-record, reading from a network, starts one every 5m without this.
    #[arg(long, value_name = "DURATION", value_parser = super::values::positive_duration, hide_short_help = true)]
    pub chunk_age: Option<Duration>,
    /// Write a line of JSON to FILE for each object that was written
    ///
    /// Its keys are bucket, key, bytes, records, earliest and latest (timestamps in nanoseconds).
    #[arg(
        long,
        value_name = "FILE",
        value_parser = super::values::report,
        value_hint = clap::ValueHint::FilePath,
        hide_short_help = true
    )]
    pub manifest: Option<PathBuf>,
}

impl ObjectArgs {
    fn options(&self) -> ObjectOptions {
        ObjectOptions {
            spool: self.spool.clone(),
            spool_max: self.spool_max,
            spool_wait: self.spool_wait,
            chunk_age: self.chunk_age,
            manifest: self.manifest.clone(),
            ..ObjectOptions::default()
        }
    }
}

fn spool_max(text: &str) -> Result<u64, String> {
    let size = super::values::size(text)?;
    if size < MIN_SPOOL { Err("expected a size of at least 1mb".into()) } else { Ok(size) }
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
            format: self.format,
            has_index: self.index,
            chunk_size: self.chunk_size,
            chunk_records: self.chunk_records.map(|number| number.get() as u64),
            max_size: self.max_size,
            flush_interval: self.flush_interval,
            compress_level: self.compress_level,
            compress_threads: self.compress_threads,
            splits: self.split,
            keeps_sessions: self.sessions,
            instance: self.instance.as_deref(),
            tell: Some(|text| super::note(text)),
            sending: SendOptions {
                tls: self.tls.options(),
                headers: self.ws_header.clone(),
                ..SendOptions::default()
            },
            objects: self.objects.options(),
            ..WriteOptions::default()
        }
    }
}

fn at_least_one(text: &str) -> Result<u64, String> {
    super::values::size(text).and_then(|size| {
        if size == 0 { Err("expected a size of at least 1 byte, as 100mb".into()) } else { Ok(size) }
    })
}

fn compress_threads(text: &str) -> Result<NonZeroUsize, String> {
    let number = text.parse::<NonZeroUsize>().ok().filter(|number| number.get() <= MAX_COMPRESS_THREADS);
    number.ok_or_else(|| format!("expected a number of threads from 1 to {MAX_COMPRESS_THREADS}, as 4"))
}

fn format() -> impl TypedValueParser<Value = OutputFormat> {
    PossibleValuesParser::new(OutputFormat::names())
        .map(|name| OutputFormat::named(&name).unwrap_or(OutputFormat::Gor))
}

fn level(text: &str) -> Result<u8, String> {
    text.parse().map_err(|_| "expected a level from 1 to 9 for gzip or 1 to 22 for zstd, as 6".into())
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = super::values::duration(text)?;
    if interval < MIN_INTERVAL {
        return Err("expected an interval of at least 100ms, as 5s".into());
    }
    Ok(interval)
}

/// What is said on standard error, and written for programs.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Messages")]
pub struct Reporting {
    /// Print more messages, and statistics
    #[arg(short, long)]
    pub verbose: bool,
    /// Print only errors and losses
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print progress, and statistics at the end
    ///
    /// A line is printed every INTERVAL; 5s where none is given.
    #[arg(
        long,
        value_name = "INTERVAL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "5s",
        value_parser = interval
    )]
    pub stats: Option<Duration>,
    /// Write statistics to FILE as JSON
    ///
    /// gor-tools(7) explains the keys.
    #[arg(
        long,
        value_name = "FILE",
        value_parser = super::values::report,
        value_hint = clap::ValueHint::FilePath,
        hide_short_help = true
    )]
    pub stats_json: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub profiles: super::ProfileOptions,
}

impl Reporting {
    /// Says that a terminal is read where no input was named, which nobody sees otherwise.
    pub fn tell_of_terminal(&self, inputs: &[String]) {
        if inputs.is_empty() && !self.quiet && std::io::stdin().is_terminal() {
            super::note("reading standard input, which is a terminal; name a file to read it instead");
        }
    }

    /// Files that are written besides the outputs.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let profiles = [&self.profiles.cpu_profile, &self.profiles.mem_profile];
        [&self.stats_json].into_iter().chain(profiles).filter_map(|path| path.as_deref())
    }
}
