//! Places that records are written to.
//!
//! ```text
//! size limit ─► copies or shares ─► names made from records ─► chunks ─► a file, plain or compressed
//! ```

mod chunks;
mod coding;
mod collisions;
mod file;
mod later;
mod many;
pub(super) mod naming;
#[cfg(feature = "s3")]
mod objects;
mod opening;
mod packets;
mod queue;
mod repair;
mod several;
mod sink;
mod template;
mod ticker;

use std::fmt;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

pub use self::later::{Later, LaterReason, later, make_spool, ports, settings};
pub use self::naming::OutputFormat;
pub use self::packets::{PacketFile, PacketQueue};
pub use self::queue::{Dropped, RecordQueue};

use self::chunks::Chunks;
use self::coding::Pool;
use self::collisions::OutputIdentity;
use self::many::Many;
use self::opening::Existing;
use self::several::{Copies, Limited, SplitOutputs};
use self::sink::FileSink;
use self::template::NameTemplate;
use self::ticker::Ticker;
use super::format::Compression;
use super::kafka::{self, KafkaAddress, KafkaSettings};
use super::network::{NetworkAddress, NetworkSink, SendOptions};
use super::place::refuse_scheme;
use super::reading::Services;
use super::s3::SCHEME;
use crate::record::{Discard, Sink};
use crate::tls::TlsOptions;
use crate::{Dialect, Error, Result};

/// Most threads that compress unless more are asked for: each takes memory.
const COMPRESS_THREADS: usize = 4;

/// Bytes of chunks that wait to be uploaded at most, unless told otherwise.
pub const SPOOL_MAX: u64 = 1 << 30;

/// How long a server that takes nothing is waited for at the end, unless told otherwise.
pub const SPOOL_WAIT: Duration = Duration::from_mins(2);

/// How long text waits in a file that is written, unless told otherwise.
pub const FLUSH_INTERVAL: Duration = Duration::from_secs(1);

/// How objects of S3 are written.
#[derive(Clone, Debug)]
pub struct ObjectOptions {
    /// The directory of chunks that are not uploaded yet; the user's own where none is named.
    pub spool: Option<PathBuf>,
    /// Bytes that may be in it.
    pub spool_max: u64,
    /// How long, at the end, a server is waited for that takes nothing.
    pub spool_wait: Duration,
    /// How old a chunk becomes before it is uploaded.
    pub chunk_age: Option<Duration>,
    /// Gets a line for each object.
    pub manifest: Option<PathBuf>,
    /// Whether it is told what went well.
    pub is_verbose: bool,
}

impl Default for ObjectOptions {
    fn default() -> Self {
        ObjectOptions {
            spool: None,
            spool_max: SPOOL_MAX,
            spool_wait: SPOOL_WAIT,
            chunk_age: None,
            manifest: None,
            is_verbose: false,
        }
    }
}

/// How to write places.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct WriteOptions<'a> {
    /// Whether an existing file is overwritten.
    pub is_forced: bool,
    /// Whether an existing file is added to. Goes before `is_forced`.
    pub appends: bool,
    /// What is read meanwhile, and must not be written to.
    pub inputs: &'a [String],
    /// The file that packets are kept in, by [`PacketFile`].
    pub packets: Option<&'a str>,
    /// What else is written to, besides the outputs.
    pub reports: Vec<&'a Path>,
    /// The format of all files and of standard output; by their names where there is none.
    pub format: Option<OutputFormat>,
    /// Whether each file gets an index beside it.
    pub has_index: bool,
    /// Bytes of records, before compression, after which the next chunk begins.
    pub chunk_size: Option<u64>,
    /// Records after which the next chunk begins.
    pub chunk_records: Option<u64>,
    /// Bytes of records, before compression, after which writing ends with an error.
    pub max_size: Option<u64>,
    /// How long text may wait before it can be read back from a file.
    pub flush_interval: Duration,
    /// Number of the user and of the group that files created now are to belong to; none for whoever creates them.
    pub owner: Option<(u32, u32)>,
    /// Level of compression; the program's own default where there is none.
    pub compress_level: Option<u8>,
    /// Threads that compress.
    pub compress_threads: Option<NonZeroUsize>,
    /// Whether several outputs share the exchanges instead of getting all.
    pub splits: bool,
    /// Whether what shares them keeps sessions together.
    pub keeps_sessions: bool,
    /// What `%i` stands for; host name and process id where there is none.
    pub instance: Option<&'a str>,
    /// How brokers of Kafka are talked to.
    pub kafka: KafkaSettings,
    /// Whether Kafka is connected to when the first records come, or the output is looked after, and not before.
    pub connects_later: bool,
    /// Is told what a format could not hold, and what was not kept together.
    pub tell: Option<fn(&dyn fmt::Display)>,
    /// How outputs over the network send.
    pub sending: SendOptions,
    /// How objects are written.
    pub objects: ObjectOptions,
    /// The services that outputs may be of.
    pub services: Arc<Services>,
    /// The time of writing.
    pub clock: fn() -> Timestamp,
    /// Whose habits are followed.
    pub dialect: Dialect,
}

impl Default for WriteOptions<'_> {
    fn default() -> Self {
        WriteOptions {
            is_forced: false,
            appends: false,
            inputs: &[],
            packets: None,
            reports: Vec::new(),
            format: None,
            has_index: false,
            chunk_size: None,
            chunk_records: None,
            max_size: None,
            flush_interval: FLUSH_INTERVAL,
            owner: None,
            compress_level: None,
            compress_threads: None,
            splits: false,
            keeps_sessions: false,
            instance: None,
            kafka: KafkaSettings::default(),
            connects_later: false,
            tell: None,
            sending: SendOptions::default(),
            objects: ObjectOptions::default(),
            services: Arc::default(),
            clock: Timestamp::now,
            dialect: Dialect::default(),
        }
    }
}

/// What all files of one output have in common.
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
struct OutputPlan {
    is_forced: bool,
    appends: bool,
    inputs: Vec<String>,
    format: Option<OutputFormat>,
    has_index: bool,
    chunk_size: Option<u64>,
    chunk_records: Option<u64>,
    owner: Option<(u32, u32)>,
    compress_level: Option<u8>,
    /// Whether files are made from a template.
    has_many: bool,
    kafka: KafkaSettings,
    connects_later: bool,
    tell: Option<fn(&dyn fmt::Display)>,
    sending: SendOptions,
    clock: fn() -> Timestamp,
    dialect: Dialect,
    pool: Arc<Pool>,
    ticker: Arc<Ticker>,
}

impl OutputPlan {
    fn has_chunks(&self) -> bool {
        self.chunk_size.is_some() || self.chunk_records.is_some()
    }

    /// A file that was moved away cannot be begun anew. Going on is better than to end: whoever moved it still has all.
    fn go_on_moved(&self, error: Error) -> Result<()> {
        let Some(tell) = self.tell else { return Err(error) };
        tell(&format_args!("{error}; the file was moved away, and records are still written to it there"));
        Ok(())
    }
}

/// Opens places for writing. Each of them gets every record, or its share.
///
/// No name, or `-`, means standard output, `null:` discards, anything else is
/// a file, or many where the name has fields (`%Y`, `%r`…), but `kafka://…` a topic. An existing one is
/// refused unless forced or added to, and one that is also an input always;
/// pipes and devices are written to as they are. Names that end in `.gz` or
/// `.zst` are compressed.
pub fn create(names: &[String], how: &WriteOptions<'_>) -> Result<Box<dyn Sink + Send>> {
    let standard = ["-".to_owned()];
    let names = if names.is_empty() { &standard } else { names };
    let instance = how.instance.map_or_else(this_instance, ToOwned::to_owned);
    let mut targets = Vec::with_capacity(names.len());
    for name in names {
        targets.push(OutputTarget::parse(name, &instance, how.format)?);
    }
    refuse_useless(&targets, how)?;
    refuse_useless_for_sending(&targets, how)?;
    refuse_collisions(&targets, how)?;
    #[cfg(feature = "s3")]
    let delivery = if targets.iter().any(|target| target.bucket().is_some()) {
        Some(objects::Delivery::prepare(&targets, how)?)
    } else {
        None
    };
    let plan = plan(&targets, how);
    let mut sinks: Vec<Box<dyn Sink + Send>> = Vec::with_capacity(names.len());
    for target in targets {
        #[cfg(feature = "s3")]
        if let (OutputTarget::Object(object), Some(delivery)) = (&target, &delivery) {
            let ObjectTarget { bucket, key, suffix, .. } = object.clone();
            sinks.push(Box::new(objects::Objects::new(&plan, delivery, bucket, key, suffix)));
            continue;
        }
        sinks.push(target.open(&plan)?);
    }
    let sink: Box<dyn Sink + Send> = match sinks.len() {
        1 => sinks.remove(0),
        _ if how.splits => Box::new(SplitOutputs::new(sinks, how.keeps_sessions, how.tell)),
        _ => Box::new(Copies(sinks, how.tell)),
    };
    Ok(match how.max_size {
        Some(limit) => Box::new(Limited::new(sink, limit, how.dialect)),
        None => sink,
    })
}

/// Refuses places that are inputs or each other, as [`create`] does, and opens none.
pub fn check(names: &[String], how: &WriteOptions<'_>) -> Result<()> {
    let instance = how.instance.map_or_else(this_instance, ToOwned::to_owned);
    let targets: Result<Vec<_>> =
        names.iter().map(|name| OutputTarget::parse(name, &instance, how.format)).collect();
    refuse_collisions(&targets?, how)
}

fn plan(targets: &[OutputTarget], how: &WriteOptions<'_>) -> Arc<OutputPlan> {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = how.compress_threads.map_or(cores.min(COMPRESS_THREADS), NonZeroUsize::get);
    Arc::new(OutputPlan {
        is_forced: how.is_forced,
        appends: how.appends,
        inputs: how.inputs.to_vec(),
        format: how.format,
        has_index: how.has_index,
        chunk_size: how.chunk_size,
        chunk_records: how.chunk_records,
        owner: how.owner,
        compress_level: how.compress_level,
        has_many: targets.iter().any(|target| match target {
            OutputTarget::Many(..) => true,
            OutputTarget::Object(object) => object.key.asks_record(),
            _ => false,
        }),
        kafka: how.kafka.clone(),
        connects_later: how.connects_later,
        tell: how.tell,
        sending: how.sending.clone(),
        clock: how.clock,
        dialect: how.dialect,
        pool: Arc::new(Pool::new(threads)),
        ticker: Arc::new(Ticker::new(how.flush_interval)),
    })
}

/// What a name means.
enum OutputTarget {
    Null,
    Standard,
    File(String, (OutputFormat, Compression)),
    Network(NetworkAddress),
    Many(NameTemplate, (OutputFormat, Compression)),
    Kafka(KafkaAddress),
    Object(ObjectTarget),
}

/// Objects of a bucket that are written.
#[derive(Clone)]
#[cfg_attr(not(feature = "s3"), allow(dead_code, reason = "it is refused"))]
struct ObjectTarget {
    bucket: String,
    key: NameTemplate,
    of_file: (OutputFormat, Compression),
    /// The end of the names of files that hold the same.
    suffix: String,
}

impl ObjectTarget {
    fn parse(name: &str, rest: &str, instance: &str, asked: Option<OutputFormat>) -> Result<Self> {
        if cfg!(not(feature = "s3")) {
            return Err(Error::Usage(format!("{name}: this build has no S3: build with --features s3")));
        }
        let wrong = |why: &str| Err(Error::Usage(format!("{name}: {why}")));
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return wrong("the bucket is missing: s3://BUCKET/KEY");
        }
        if !bucket.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte)) {
            return wrong("the name of a bucket has letters, digits, dots and hyphens; fields are for keys");
        }
        if key.is_empty() || key.ends_with('/') {
            return wrong("name the object, not only where it is to be: s3://BUCKET/KEY");
        }
        if asked.is_none() {
            naming::refuse_foreign(key)?;
        }
        let of_file = naming::of_name(key, asked);
        let key = NameTemplate::parse(key, instance).map_err(|error| Error::Usage(error.to_string()))?;
        Ok(ObjectTarget { bucket: bucket.to_owned(), key, of_file, suffix: naming::suffix(of_file) })
    }
}

impl OutputTarget {
    fn parse(name: &str, instance: &str, format: Option<OutputFormat>) -> Result<Self> {
        if let Some(rest) = name.strip_prefix(SCHEME) {
            return ObjectTarget::parse(name, rest, instance, format).map(OutputTarget::Object);
        }
        if let Some(address) = KafkaAddress::output(name) {
            return address.map(OutputTarget::Kafka);
        }
        match name {
            "null:" => return Ok(OutputTarget::Null),
            "-" => return Ok(OutputTarget::Standard),
            _ => {}
        }
        if NetworkAddress::is_meant(name) {
            return name.parse().map(OutputTarget::Network).map_err(Error::Usage);
        }
        refuse_scheme(name)?;
        if format.is_none() {
            naming::refuse_foreign(name)?;
        }
        let (format, compression) = naming::of_name(name, format);
        let template =
            NameTemplate::parse(name, instance).map_err(|error| Error::Usage(error.to_string()))?;
        Ok(match template.fixed() {
            Some(path) => OutputTarget::File(path.to_owned(), (format, compression)),
            None => OutputTarget::Many(template, (format, compression)),
        })
    }

    fn open(self, plan: &Arc<OutputPlan>) -> Result<Box<dyn Sink + Send>> {
        Ok(match self {
            OutputTarget::Null => Box::new(Discard),
            OutputTarget::Standard => Box::new(FileSink::standard(plan)?),
            OutputTarget::Network(address) => {
                Box::new(NetworkSink::connect(&address, &plan.sending, plan.tell)?)
            }
            OutputTarget::File(path, _) if plan.has_chunks() => Box::new(Chunks::new(plan, &path, false)),
            OutputTarget::File(path, _) => Box::new(FileSink::open(plan, &path, Existing::AsTold)?),
            OutputTarget::Many(template, _) => Box::new(Many::new(plan, template)),
            OutputTarget::Object(object) => {
                return Err(Error::Invalid("it is not a file".into()).at(object.bucket));
            }
            OutputTarget::Kafka(address) => {
                let is_stopping = &plan.sending.is_stopping;
                kafka::create(&address, &plan.kafka, plan.connects_later, is_stopping)?
            }
        })
    }

    /// The bucket, where it is of S3.
    fn bucket(&self) -> Option<&str> {
        if let OutputTarget::Object(object) = self { Some(&object.bucket) } else { None }
    }

    /// What a file is to hold, and how it is compressed.
    fn of_file(&self) -> Option<(OutputFormat, Compression)> {
        match self {
            OutputTarget::Null
            | OutputTarget::Standard
            | OutputTarget::Network(_)
            | OutputTarget::Kafka(_) => None,
            OutputTarget::File(_, of_file) | OutputTarget::Many(_, of_file) => Some(*of_file),
            OutputTarget::Object(object) => Some(object.of_file),
        }
    }
}

/// Refuses outputs that are inputs, or each other, before anything is opened.
fn refuse_collisions(targets: &[OutputTarget], how: &WriteOptions<'_>) -> Result<()> {
    let read: Vec<_> = how.inputs.iter().filter_map(|name| KafkaAddress::input(name)?.ok()).collect();
    for target in targets {
        // What was handed over may still be on its way, or wait to be uploaded, and is lost with this process.
        let elsewhere = match target {
            OutputTarget::Network(address) => Some(address.to_string()),
            OutputTarget::Object(object) => Some(format!("s3://{}", object.bucket)),
            _ => None,
        };
        if let (Some(place), Some(read)) = (elsewhere, read.iter().find(|read| read.group.is_some())) {
            let text =
                format!("{place}: nobody says in time what arrived there, as a group has to know ({read})");
            return Err(Error::Usage(text));
        }
        if let OutputTarget::Kafka(written) = target
            && read.iter().any(|read| (&read.brokers, &read.topic) == (&written.brokers, &written.topic))
        {
            return Err(Error::Usage(format!(
                "{written}: it is read as well, and would be read without end"
            )));
        }
    }
    let outputs = targets.iter().filter_map(|target| match target {
        OutputTarget::Standard => Some(("standard output".to_owned(), collisions::of_standard_output())),
        // Chunks are new files.
        OutputTarget::File(path, _) if how.chunk_size.is_none() && how.chunk_records.is_none() => {
            Some((path.clone(), OutputIdentity::of_path(Path::new(path))))
        }
        _ => None,
    });
    let packets = how.packets.map(|path| (path.to_owned(), OutputIdentity::of_path(Path::new(path))));
    let reports = how.reports.iter().copied().chain(how.objects.manifest.as_deref());
    let reports = reports.map(|path| (path.display().to_string(), OutputIdentity::of_path(path)));
    collisions::refuse(&outputs.chain(packets).chain(reports).collect::<Vec<_>>(), how.inputs)
}

/// Refuses what says how to send where nothing is sent.
fn refuse_useless_for_sending(targets: &[OutputTarget], how: &WriteOptions<'_>) -> Result<()> {
    let usage = |text: &str| Err(Error::Usage(text.to_owned()));
    let SendOptions { tls, connections, is_sticky, headers, .. } = &how.sending;
    let mut addresses = targets.iter().filter_map(|target| match target {
        OutputTarget::Network(address) => Some(address),
        _ => None,
    });
    if addresses.clone().next().is_none() && (connections.get() > 1 || *is_sticky) {
        return usage(
            "--connections and --sticky apply to tcp://, tls://, ws:// and wss:// outputs; name one with -o",
        );
    }
    if !headers.is_empty() && !addresses.clone().any(NetworkAddress::is_websocket) {
        return usage("--ws-header applies to ws:// and wss:// outputs; name one with -o");
    }
    if *tls != TlsOptions::default() && !addresses.any(NetworkAddress::is_secure) {
        return usage(
            "--ca-cert, --client-cert and --skip-verify apply to tls:// and wss:// outputs; name one with -o",
        );
    }
    Ok(())
}

/// Refuses what would have no effect, and levels that there are not.
fn refuse_useless(targets: &[OutputTarget], how: &WriteOptions<'_>) -> Result<()> {
    let usage = |text: &str| Err(Error::Usage(text.to_owned()));
    let of_files: Vec<_> = targets.iter().filter_map(OutputTarget::of_file).collect();
    let needs_file = [
        (how.appends, "--append"),
        (how.has_index, "--index"),
        (how.chunk_size.is_some(), "--chunk-size"),
        (how.chunk_records.is_some(), "--chunk-records"),
    ];
    if let Some((_, option)) = needs_file.iter().find(|(is_given, _)| *is_given && of_files.is_empty()) {
        return Err(Error::Usage(format!("{option} applies to files; name one with -o")));
    }
    refuse_useless_for_objects(targets, how)?;
    let has_stream = targets.iter().any(|target| matches!(target, OutputTarget::Standard));
    if how.format.is_some() && of_files.is_empty() && !has_stream {
        return usage("--format applies to files and standard output; records go elsewhere as gor text");
    }
    of_files
        .iter()
        .map(|(format, _)| *format)
        .chain(how.format)
        .try_for_each(OutputFormat::refuse_missing)?;
    let has_other = of_files.iter().any(|(format, _)| *format != OutputFormat::Gor);
    if has_other && how.appends {
        return usage("--append adds to gor text; captures and other formats cannot be added to");
    }
    if has_other && how.has_index {
        return usage("--index is made beside gor text, not beside captures and other formats");
    }
    if how.splits && targets.len() < 2 {
        return usage("--split shares between several outputs; name them with -o");
    }
    let Some(level) = how.compress_level else { return Ok(()) };
    let mut compressions: Vec<_> = of_files.iter().map(|(_, compression)| *compression).collect();
    compressions.extend(how.packets.map(|path| naming::of_name(path, None).1));
    if compressions.contains(&Compression::Gzip) && !(1..=9).contains(&level) {
        return usage("--compress-level of gzip is from 1 to 9");
    }
    if compressions.contains(&Compression::Zstd) && !(1..=22).contains(&level) {
        return usage("--compress-level of zstd is from 1 to 22");
    }
    if compressions.iter().all(|compression| *compression == Compression::None) {
        return usage("--compress-level applies to files whose names end in .gz or .zst, and none is given");
    }
    Ok(())
}

/// The same for what applies to objects, or to files alone.
fn refuse_useless_for_objects(targets: &[OutputTarget], how: &WriteOptions<'_>) -> Result<()> {
    let usage = |text: &str| Err(Error::Usage(text.to_owned()));
    let ObjectOptions { spool, spool_max, spool_wait, chunk_age, manifest, .. } = &how.objects;
    if targets.iter().any(|target| target.bucket().is_some()) {
        let has_files =
            targets.iter().any(|target| matches!(target, OutputTarget::File(..) | OutputTarget::Many(..)));
        return match () {
            () if how.appends => usage("--append adds to files; objects of S3 are written once"),
            () if how.is_forced && !has_files => usage(
                "--force overwrites files; objects of S3 are never overwritten, a second one gets a number",
            ),
            () => Ok(()),
        };
    }
    let given = [
        (spool.is_some(), "--spool"),
        (*spool_max != SPOOL_MAX, "--spool-max"),
        (*spool_wait != SPOOL_WAIT, "--spool-wait"),
        (chunk_age.is_some(), "--chunk-age"),
        (manifest.is_some(), "--manifest"),
    ];
    match given.iter().find(|(is_given, _)| *is_given) {
        Some((_, option)) => {
            usage(&format!("{option} applies to objects of S3; name one with -o s3://BUCKET/KEY"))
        }
        None => Ok(()),
    }
}

/// What tells this process from others: host name and process id.
fn this_instance() -> String {
    let host = rustix::system::uname();
    format!("{}-{}", host.nodename().to_string_lossy().replace('/', "_"), std::process::id())
}

#[cfg(test)]
mod tests;
