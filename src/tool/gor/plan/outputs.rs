//! Where records go.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::super::flags::GivenFlags;
use super::inputs::check_port;
use crate::pace::Share;
use crate::replay::{DocumentIndex, Target};
use crate::tls::TlsOptions;
use crate::{Error, Result};

/// Records in a file, unless told otherwise.
const QUEUE_LIMIT: i64 = 256;

/// Bytes in a file, unless told otherwise.
const SIZE_LIMIT: i64 = 32 << 20;

/// Bytes in a file without a limit.
const NO_SIZE_LIMIT: u64 = i64::MAX as u64;

/// Bytes of a response that are kept where no flag says how many: GoReplay keeps all.
pub(in super::super) const RESPONSE_BUFFER: i64 = 5 << 20;

/// Requests that may wait for a connection, unless told otherwise.
pub(in super::super) const QUEUE_LENGTH: i64 = 1000;

/// How long a connection may be idle, unless told otherwise.
pub(in super::super) const IDLE_TIMEOUT: Duration = Duration::from_secs(2);

/// An output.
#[derive(Clone, Debug)]
pub(in super::super) enum PlannedOutput {
    Place(OutputPlace),
    Server(Box<ReplayServer>),
}

/// An output that takes records.
#[derive(Clone, Debug)]
pub(in super::super) struct OutputPlace {
    /// As the Unix tools name it.
    pub(in super::super) name: String,
    pub(in super::super) share: Option<Share>,
    pub(in super::super) kind: PlaceKind,
}

/// What kind of place it is.
#[derive(Clone, Debug)]
pub(in super::super) enum PlaceKind {
    /// Standard output, or nowhere.
    Stream,
    File(FileOptions),
    /// Another gor, a WebSocket.
    Network {
        connections: NonZeroUsize,
        is_sticky: bool,
        tls: TlsOptions,
    },
    Topic,
}

/// How files are written.
#[derive(Clone, Debug)]
pub(in super::super) struct FileOptions {
    pub(in super::super) appends: bool,
    pub(in super::super) chunk_size: Option<u64>,
    pub(in super::super) chunk_records: Option<u64>,
    pub(in super::super) max_size: Option<u64>,
    pub(in super::super) flush_interval: Duration,
    pub(in super::super) spool: Option<String>,
}

/// An output that requests are sent to.
#[derive(Clone, Debug)]
pub(in super::super) struct ReplayServer {
    pub(in super::super) target: Target,
    /// As the Unix tools name it.
    pub(in super::super) name: String,
    pub(in super::super) share: Option<Share>,
    pub(in super::super) connections: Option<usize>,
    pub(in super::super) min_connections: usize,
    pub(in super::super) queue: usize,
    pub(in super::super) timeout: Duration,
    pub(in super::super) idle_timeout: Duration,
    pub(in super::super) redirects: u32,
    pub(in super::super) response_buffer: usize,
    pub(in super::super) keeps_host: bool,
    pub(in super::super) skips_verification: bool,
    pub(in super::super) tracks_responses: bool,
    pub(in super::super) documents: Option<DocumentIndex>,
    pub(in super::super) elasticsearch: Option<String>,
}

impl PlannedOutput {
    /// Whether time matters to whoever takes the records.
    pub(in super::super) fn is_live(&self) -> bool {
        match self {
            PlannedOutput::Server(_) => true,
            PlannedOutput::Place(place) => matches!(place.kind, PlaceKind::Network { .. } | PlaceKind::Topic),
        }
    }
}

/// `NAME|10` or `NAME|10%`.
pub(in super::super) fn split_share<'a>(flag: &str, text: &'a str) -> Result<(&'a str, Option<Share>)> {
    let Some((name, share)) = text.rsplit_once('|') else { return Ok((text, None)) };
    let share = share.parse().map_err(|reason| Error::Usage(format!("--{flag} {text:?}: {reason}")))?;
    Ok((name, Some(share)))
}

/// The outputs of the command line.
pub(super) fn outputs(flags: &GivenFlags) -> Result<Vec<PlannedOutput>> {
    let mut outputs = Vec::new();
    let stream = |name: &str| {
        PlannedOutput::Place(OutputPlace { name: name.to_owned(), share: None, kind: PlaceKind::Stream })
    };
    if flags.is("output-stdout") {
        outputs.push(stream("-"));
    }
    if flags.is("output-null") {
        outputs.push(stream("null:"));
    }
    let file = file_options(flags)?;
    for text in flags.texts("output-file") {
        let (name, share) = split_share("output-file", text)?;
        if name.is_empty() {
            return Err(Error::Usage("--output-file: the name is empty".into()));
        }
        if file.appends && name.starts_with("s3://") {
            let text =
                "--output-file-append: objects of S3 are written once, and nothing can be added to them";
            return Err(Error::Usage(text.into()));
        }
        let kind = PlaceKind::File(file.clone());
        outputs.push(PlannedOutput::Place(OutputPlace { name: literal(name), share, kind }));
    }
    for (flag, schemes) in [("output-tcp", ["tcp", "tls"]), ("output-ws", ["ws", "wss"])] {
        for text in flags.texts(flag) {
            outputs.push(PlannedOutput::Place(network(flags, flag, text, schemes)?));
        }
    }
    if let Some(brokers) = flags.text("output-kafka-host") {
        let topic = flags
            .text("output-kafka-topic")
            .ok_or_else(|| Error::Usage("--output-kafka-host needs --output-kafka-topic".into()))?;
        let format = if flags.is("output-kafka-json-format") { "json" } else { "gor" };
        let name = format!("kafka://{brokers}/{topic}?format={format}");
        outputs.push(PlannedOutput::Place(OutputPlace { name, share: None, kind: PlaceKind::Topic }));
    }
    for text in flags.texts("output-http") {
        outputs.push(PlannedOutput::Server(Box::new(server(flags, text)?)));
    }
    for text in flags.texts("output-binary") {
        outputs.push(PlannedOutput::Server(Box::new(binary(flags, text)?)));
    }
    Ok(outputs)
}

/// A name for files in which only the fields that GoReplay fills in are fields: other percent signs stand for
/// themselves.
fn literal(name: &str) -> String {
    const FIELDS: [&str; 9] = ["Y", "m", "d", "H", "M", "NS", "S", "r", "t"];
    let mut text = String::new();
    let mut rest = name;
    while let Some(at) = rest.find('%') {
        text.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let is_field = FIELDS.iter().any(|field| rest.starts_with(field)) || rest.starts_with('i');
        text.push_str(if is_field { "%" } else { "%%" });
    }
    text + rest
}

fn file_options(flags: &GivenFlags) -> Result<FileOptions> {
    let appends = flags.is("output-file-append");
    let number = |name: &str, default: i64| -> Result<Option<u64>> {
        match flags.number(name).unwrap_or(default) {
            0 => Ok(None),
            number => u64::try_from(number)
                .map(Some)
                .map_err(|_| Error::Usage(format!("--{name} {number}: expected 0 or more"))),
        }
    };
    let mut chunk_size = number("output-file-size-limit", SIZE_LIMIT)?.filter(|_| !appends);
    let chunk_records = number("output-file-queue-limit", QUEUE_LIMIT)?.filter(|_| !appends);
    if !appends && chunk_records.is_none() {
        // Without any limit the only file has a number, too.
        chunk_size.get_or_insert(NO_SIZE_LIMIT);
    }
    Ok(FileOptions {
        appends,
        chunk_size,
        chunk_records,
        max_size: number("output-file-max-size-limit", 1 << 40)?,
        flush_interval: flags.duration("output-file-flush-interval").unwrap_or(Duration::from_secs(1)),
        spool: flags.text("output-file-buffer").map(ToOwned::to_owned),
    })
}

/// Whether certificates are looked at, of a group of flags.
fn tls(flags: &GivenFlags, group: &str) -> TlsOptions {
    TlsOptions { skips_verification: flags.is(&format!("{group}-skip-verify")), ..TlsOptions::default() }
}

/// `host:port`, or an address with its scheme.
fn network(flags: &GivenFlags, flag: &str, text: &str, [plain, secure]: [&str; 2]) -> Result<OutputPlace> {
    let (address, share) = split_share(flag, text)?;
    let is_secure = flag == "output-tcp" && flags.is("output-tcp-secure");
    let scheme = if is_secure { secure } else { plain };
    if address.is_empty() {
        return Err(Error::Usage(format!("--{flag} {text:?}: expected HOST:PORT")));
    }
    let name = match address.split_once("://") {
        Some((given, _)) if ![plain, secure].contains(&given) => {
            let text =
                format!("--{flag} {text:?}: expected HOST:PORT, or {plain}:// or {secure}:// before it");
            return Err(Error::Usage(text));
        }
        Some(_) => address.to_owned(),
        None => {
            if flag == "output-tcp" {
                check_port(flag, address)?;
            }
            format!("{scheme}://{address}")
        }
    };
    let workers = count(flags, &format!("{flag}-workers"), 10)?;
    let is_tls = name.starts_with(&format!("{secure}://"));
    let kind = PlaceKind::Network {
        connections: NonZeroUsize::new(workers).unwrap_or(NonZeroUsize::MIN),
        is_sticky: flags.is(&format!("{flag}-sticky")) || flags.is("recognize-tcp-sessions"),
        tls: if is_tls { tls(flags, flag) } else { TlsOptions::default() },
    };
    Ok(OutputPlace { name, share, kind })
}

/// A number that is not negative.
fn count(flags: &GivenFlags, name: &str, default: i64) -> Result<usize> {
    let number = flags.number(name).unwrap_or(default);
    usize::try_from(number).map_err(|_| Error::Usage(format!("--{name} {number}: expected 0 or more")))
}

fn server(flags: &GivenFlags, text: &str) -> Result<ReplayServer> {
    let (name, share) = split_share("output-http", text)?;
    let target: Target =
        name.parse().map_err(|reason| Error::Usage(format!("--output-http {text:?}: {reason}")))?;
    // To set or to rewrite Host asks for it to be kept.
    let sets_host = flags
        .texts("http-set-header")
        .chain(flags.texts("http-rewrite-header"))
        .any(|rule| rule.split_once(':').is_some_and(|(name, _)| name.trim().eq_ignore_ascii_case("host")));
    let elasticsearch = flags
        .text("output-http-elasticsearch")
        .map(|text| if text.contains("://") { text.to_owned() } else { format!("http://{text}") });
    let documents = elasticsearch
        .as_deref()
        .map(|url| url.parse().map_err(|why| Error::Usage(format!("--output-http-elasticsearch: {why}"))))
        .transpose()?;
    Ok(ReplayServer {
        target,
        name: name.to_owned(),
        share,
        connections: Some(count(flags, "output-http-workers", 0)?).filter(|workers| *workers > 0),
        min_connections: if flags.has("output-http-workers-min") {
            count(flags, "output-http-workers-min", 1)?
        } else {
            0
        },
        queue: count(flags, "output-http-queue-len", QUEUE_LENGTH)?.max(1),
        timeout: time(flags, "output-http-timeout", Duration::from_secs(5)),
        idle_timeout: time(flags, "output-http-worker-timeout", IDLE_TIMEOUT),
        redirects: count(flags, "output-http-redirects", 0)? as u32,
        response_buffer: count(flags, "output-http-response-buffer", RESPONSE_BUFFER)?,
        keeps_host: flags.is("http-original-host") || sets_host,
        skips_verification: flags.is("output-http-skip-verify"),
        tracks_responses: flags.is("output-http-track-response"),
        documents,
        elasticsearch,
    })
}

fn binary(flags: &GivenFlags, text: &str) -> Result<ReplayServer> {
    let (name, share) = split_share("output-binary", text)?;
    let name = if name.contains("://") { name.to_owned() } else { format!("tcp://{name}") };
    let target: Target =
        name.parse().map_err(|reason| Error::Usage(format!("--output-binary {text:?}: {reason}")))?;
    Ok(ReplayServer {
        target,
        name,
        share,
        connections: Some(count(flags, "output-binary-workers", 0)?).filter(|workers| *workers > 0),
        min_connections: 0,
        queue: QUEUE_LENGTH as usize,
        timeout: time(flags, "output-binary-timeout", Duration::from_secs(5)),
        idle_timeout: Duration::from_mins(1),
        redirects: 0,
        response_buffer: match count(flags, "output-tcp-response-buffer", 0)? {
            0 => RESPONSE_BUFFER as usize,
            size => size,
        },
        keeps_host: true,
        skips_verification: false,
        tracks_responses: flags.is("output-binary-track-response"),
        documents: None,
        elasticsearch: None,
    })
}

/// A time, of which none at all means the usual one.
fn time(flags: &GivenFlags, name: &str, default: Duration) -> Duration {
    flags.duration(name).filter(|time| !time.is_zero()).unwrap_or(default)
}
