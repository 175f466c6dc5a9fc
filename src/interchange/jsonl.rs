//! A record as one line of JSON, and back. Nothing is lost; gor-jsonl(5) describes the lines.

use std::borrow::Cow;
use std::io::{Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ImportOptions;
use super::line_source::{LineFault, LineFormat, LineSource};
use crate::Result;
use crate::http::Head;
use crate::record::{Block, Header, Kind, MAX_HEADER, Malformed, Mark, Record, Run, Sink, View};

/// Names of the fields of a line. The first one tells that a file has such lines.
pub const FIELDS: [&str; 18] = [
    "kind",
    "id",
    "id_base64",
    "time",
    "latency_ns",
    "mark",
    "extra",
    "extra_base64",
    "method",
    "target",
    "version",
    "status",
    "reason",
    "headers",
    "head",
    "head_base64",
    "body",
    "body_base64",
];

/// Bytes gathered before they are written.
const BUFFER: usize = 1 << 18;

/// A record. Bytes that are no UTF-8 are in the field whose name ends in `_base64`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    kind: LineKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_base64: Option<String>,
    /// RFC 3339.
    time: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_ns: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mark: Option<LineMark>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<Vec<(Cow<'a, str>, Cow<'a, str>)>>,
    /// A head that is not exactly what the fields before it would make.
    #[serde(skip_serializing_if = "Option::is_none")]
    head: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    head_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum LineKind {
    Request,
    Response,
    Replayed,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum LineMark {
    Cut,
    Gap,
    Doubtful,
}

/// A head taken apart, where putting it together again gives the same bytes.
enum PlainHead<'a> {
    Request { method: &'a str, target: &'a str, version: &'a str },
    Response { version: &'a str, status: u16, reason: &'a str },
}

/// Writes a record as a line.
pub(super) fn write_line(record: &View<'_>, out: &mut Vec<u8>) -> serde_json::Result<()> {
    let Header { kind, id, timestamp, latency, mark, extra, .. } = record.header;
    let (id, id_base64) = text_or_base64(id);
    let (extra, extra_base64) = if extra.is_empty() { (None, None) } else { text_or_base64(extra) };
    let mut line = Line {
        kind: match kind {
            Kind::Request => LineKind::Request,
            Kind::Response => LineKind::Response,
            Kind::Replayed => LineKind::Replayed,
        },
        id,
        id_base64,
        time: time(timestamp).into(),
        latency_ns: latency,
        mark: mark.map(|mark| match mark {
            Mark::Cut => LineMark::Cut,
            Mark::Gap => LineMark::Gap,
            Mark::Doubtful => LineMark::Doubtful,
        }),
        extra,
        extra_base64,
        method: None,
        target: None,
        version: None,
        status: None,
        reason: None,
        headers: None,
        head: None,
        head_base64: None,
        body: None,
        body_base64: None,
    };
    let mut body = record.payload;
    if let Some(head) = Head::of(record.payload) {
        body = &record.payload[head.len()..];
        match plain(&head, kind) {
            Some((PlainHead::Request { method, target, version }, headers)) => {
                line.method = Some(method.into());
                line.target = Some(target.into());
                line.version = Some(version.into());
                line.headers = Some(headers);
            }
            Some((PlainHead::Response { version, status, reason }, headers)) => {
                line.version = Some(version.into());
                line.status = Some(status);
                line.reason = Some(reason.into());
                line.headers = Some(headers);
            }
            None => (line.head, line.head_base64) = text_or_base64(head.bytes()),
        }
    }
    if !body.is_empty() {
        (line.body, line.body_base64) = text_or_base64(body);
    }
    serde_json::to_writer(&mut *out, &line)?;
    out.push(b'\n');
    Ok(())
}

/// RFC 3339 in UTC, exact.
pub(super) fn time(nanoseconds: i64) -> String {
    // Every number of nanoseconds of 64 bits is a time between the years 1677 and 2262.
    Timestamp::from_nanosecond(nanoseconds.into()).unwrap_or_default().to_string()
}

fn text_or_base64(bytes: &[u8]) -> (Option<Cow<'_, str>>, Option<String>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (Some(text.into()), None),
        Err(_) => (None, Some(STANDARD.encode(bytes))),
    }
}

type Headers<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// The parts of a head; none where they would not make the same bytes.
fn plain<'a>(head: &Head<'a>, kind: Kind) -> Option<(PlainHead<'a>, Headers<'a>)> {
    let text = |bytes: &'a [u8]| std::str::from_utf8(bytes).ok();
    let start = if kind == Kind::Request {
        let line = head.request_line()?;
        PlainHead::Request {
            method: text(line.method)?,
            target: text(line.target)?,
            version: text(line.version)?,
        }
    } else {
        let line = head.status_line()?;
        PlainHead::Response { version: text(line.version)?, status: line.status, reason: text(line.reason)? }
    };
    let field = |field: crate::http::Field<'a>| Some((text(field.name)?.into(), text(field.value)?.into()));
    let headers = head.fields().map(field).collect::<Option<Headers<'a>>>()?;
    let mut made = Vec::with_capacity(head.len());
    write_head(&start, &headers, &mut made);
    (made == head.bytes()).then_some((start, headers))
}

fn write_head(start: &PlainHead<'_>, headers: &Headers<'_>, out: &mut Vec<u8>) {
    let line = match start {
        PlainHead::Request { method, target, version } => format!("{method} {target} {version}\r\n"),
        PlainHead::Response { version, status, reason } => format!("{version} {status:03} {reason}\r\n"),
    };
    out.extend_from_slice(line.as_bytes());
    for (name, value) in headers {
        for piece in [name, ": ", value, "\r\n"] {
            out.extend_from_slice(piece.as_bytes());
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// Reads a line into `record`, whose content is of no use after an error.
pub(super) fn read_line(text: &[u8], record: &mut Record) -> Result<(), Malformed> {
    let wrong = |why: &'static str| Err(Malformed::Object(why));
    let line: Line<'_> = serde_json::from_slice(text).map_err(|error| {
        // What is no name of a kind is an error of syntax to the library.
        if error.is_data() || serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok() {
            Malformed::Object("a field is missing, unknown, or of another type")
        } else {
            Malformed::NoJson
        }
    })?;
    record.kind = match line.kind {
        LineKind::Request => Kind::Request,
        LineKind::Response => Kind::Response,
        LineKind::Replayed => Kind::Replayed,
    };
    record.id = bytes(line.id, line.id_base64)?.unwrap_or_default();
    let time: Timestamp = line.time.parse().map_err(|_| Malformed::Object("time is not RFC 3339"))?;
    record.timestamp =
        i64::try_from(time.as_nanosecond()).map_err(|_| Malformed::Object("time is out of range"))?;
    record.latency = line.latency_ns;
    record.mark = line.mark.map(|mark| match mark {
        LineMark::Cut => Mark::Cut,
        LineMark::Gap => Mark::Gap,
        LineMark::Doubtful => Mark::Doubtful,
    });
    record.extra = bytes(line.extra, line.extra_base64)?.unwrap_or_default();
    let head = bytes(line.head, line.head_base64)?;
    record.payload.clear();
    match (record.kind, line.method, line.target, line.version, line.status, line.reason, line.headers) {
        (_, None, None, None, None, None, None) => record.payload.extend(head.into_iter().flatten()),
        _ if head.is_some() => return wrong("head takes the place of other fields"),
        (Kind::Request, Some(method), Some(target), Some(version), None, None, Some(headers)) => {
            let start = PlainHead::Request { method: &method, target: &target, version: &version };
            write_head(&start, &headers, &mut record.payload);
        }
        (
            Kind::Response | Kind::Replayed,
            None,
            None,
            Some(version),
            Some(status),
            Some(reason),
            Some(headers),
        ) => {
            let start = PlainHead::Response { version: &version, status, reason: &reason };
            write_head(&start, &headers, &mut record.payload);
        }
        (Kind::Request, ..) => return wrong("a request has method, target, version and headers"),
        _ => return wrong("a response has version, status, reason and headers"),
    }
    record.payload.extend(bytes(line.body, line.body_base64)?.into_iter().flatten());
    if has_true_header(record) { Ok(()) } else { wrong("id, mark and extra do not make a header line") }
}

/// What is in one of two fields.
fn bytes(text: Option<Cow<'_, str>>, base64: Option<String>) -> Result<Option<Vec<u8>>, Malformed> {
    match (text, base64) {
        (Some(_), Some(_)) => Err(Malformed::Object("a field is there as text and in base64")),
        (Some(text), None) => Ok(Some(text.into_owned().into_bytes())),
        (None, Some(base64)) => {
            STANDARD.decode(base64).map(Some).map_err(|_| Malformed::Object("a field is not base64"))
        }
        (None, None) => Ok(None),
    }
}

/// Whether the header line of this record is read as what it was made from.
pub(super) fn has_true_header(record: &Record) -> bool {
    let length = Some(record.payload.len() as u64);
    let header = Header { length, latency: record.latency.or(Some(0)), ..record.header() };
    let mut line = Vec::new();
    header.write(&mut line);
    line.pop();
    line.len() <= MAX_HEADER
        && !record.id.iter().any(u8::is_ascii_whitespace)
        && !line.iter().any(|byte| matches!(byte, b'\r' | b'\n'))
        && Header::parse(&line) == Ok(header)
}

/// Reads lines of JSON as records.
pub type JsonlSource<R> = LineSource<R, JsonlLines>;

impl<R: Read> JsonlSource<R> {
    /// Reads from `input`, which needs no buffer of its own.
    pub fn new(input: R, options: ImportOptions) -> Self {
        LineSource::with(JsonlLines::default(), input, options)
    }
}

/// Each line as a record.
#[derive(Debug, Default)]
pub struct JsonlLines {
    record: Record,
}

impl LineFormat for JsonlLines {
    fn read(&mut self, line: &[u8], _: u64, max_record: u64, block: &mut Block) -> Result<u64, LineFault> {
        read_line(line, &mut self.record).map_err(LineFault::Malformed)?;
        if self.record.payload.len() as u64 > max_record {
            return Err(LineFault::TooLarge);
        }
        block.push(&self.record.header(), &self.record.payload);
        Ok(1)
    }

    fn cut(&self) -> Malformed {
        Malformed::LineCut
    }
}

/// Writes records as lines.
pub struct JsonlSink<W> {
    output: W,
    text: Vec<u8>,
}

impl<W: Write> JsonlSink<W> {
    /// Lines that begin at `output`.
    pub fn new(output: W) -> Self {
        JsonlSink { output, text: Vec::new() }
    }

    fn put(&mut self) -> Result<()> {
        self.output.write_all(&self.text)?;
        self.text.clear();
        Ok(())
    }
}

impl<W: Write> Sink for JsonlSink<W> {
    fn write(&mut self, records: &Run<'_>) -> Result<()> {
        for record in records.iter() {
            write_line(&record, &mut self.text).map_err(std::io::Error::from)?;
            if self.text.len() >= BUFFER {
                self.put()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.put()?;
        Ok(self.output.flush()?)
    }

    fn finish(&mut self) -> Result<()> {
        self.flush()
    }
}

#[cfg(test)]
mod tests;
