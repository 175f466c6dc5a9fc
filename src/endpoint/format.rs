//! What bytes are, told by the first of them.

use crate::interchange::{FIELDS, LogFormat};
use crate::packet;
use crate::record::{Header, SEPARATOR};

/// Bytes that must be there, unless the input is shorter, before its
/// beginning is looked at. The longest of the magic numbers that matter.
pub(super) const MAGIC: usize = 4;

/// How bytes are compressed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Compression {
    None,
    /// RFC 1952.
    Gzip,
    /// RFC 8878, skippable frames included.
    Zstd,
}

impl Compression {
    pub(super) fn of(first: &[u8]) -> Self {
        match first {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
            _ => Compression::None,
        }
    }
}

/// What uncompressed bytes hold.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum InputFormat {
    /// Records as text. Also whatever is not known: the reader finds out
    /// whether there is a record in it.
    Gor,
    /// Captured packets, pcap or pcapng.
    Capture,
    /// A JSON object on each line.
    Jsonl,
    /// HAR: a JSON object with entries.
    Har,
    /// An access log of a web server.
    Log(LogFormat),
}

/// White space and longest key before an object's first value, beyond which no format is looked for.
const LONGEST_BEGINNING: usize = 256;

/// Whether as much of an input is there as tells what it is: of JSON that may be several formats, and of text that may be
/// a log, the first line.
pub(super) fn is_decided(first: &[u8]) -> bool {
    if first.len() < MAGIC {
        return false;
    }
    if Compression::of(first) != Compression::None || packet::is_capture(first) {
        return true;
    }
    let text = text_of(first);
    match first_key(first) {
        FirstKey::Cut => first.len() >= LONGEST_BEGINNING,
        FirstKey::Key(b"kind" | b"log") => true,
        FirstKey::None if text.is_empty() => first.len() >= LONGEST_BEGINNING,
        FirstKey::None if matches!(text, [b'1'..=b'3', b' ', ..]) => true,
        FirstKey::None | FirstKey::Key(_) => text.iter().any(|byte| *byte == b'\n' || *byte < 9),
    }
}

/// Text from the first character on that is neither UTF-8's mark nor white space.
fn text_of(first: &[u8]) -> &[u8] {
    first.strip_prefix("\u{feff}".as_bytes()).unwrap_or(first).trim_ascii_start()
}

/// How JSON begins.
#[derive(Debug, Eq, PartialEq)]
enum FirstKey<'a> {
    /// No object, or an empty one.
    None,
    /// The input ends before the key does.
    Cut,
    Key(&'a [u8]),
}

/// The first key of the object that text begins with.
fn first_key(text: &[u8]) -> FirstKey<'_> {
    let Some(text) = text_of(text).strip_prefix(b"{") else { return FirstKey::None };
    let text = text.trim_ascii_start();
    if text.is_empty() {
        return FirstKey::Cut;
    }
    let Some(text) = text.strip_prefix(b"\"") else { return FirstKey::None };
    match memchr::memchr(b'"', text) {
        Some(end) => FirstKey::Key(&text[..end]),
        None => FirstKey::Cut,
    }
}

impl InputFormat {
    /// Tells the format by the first bytes. Text that is neither records nor packets is a log of the format `log`, where
    /// one is given.
    pub(super) fn of(first: &[u8], log: Option<&LogFormat>) -> Self {
        if packet::is_capture(first) {
            return InputFormat::Capture;
        }
        match first_key(first) {
            FirstKey::Key(b"kind") => return InputFormat::Jsonl,
            FirstKey::Key(b"log") if log.is_none() => return InputFormat::Har,
            _ => {}
        }
        let text = text_of(first);
        let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
        if Header::parse(line).is_ok() {
            return InputFormat::Gor;
        }
        if let Some(log) = log {
            return InputFormat::Log(log.clone());
        }
        // Records whose beginning is missing may be of logs.
        let has_records = memchr::memmem::find(text, SEPARATOR).is_some();
        if let Some(log) = LogFormat::of(text).filter(|_| !has_records) {
            return InputFormat::Log(log);
        }
        match first_key(first) {
            FirstKey::Key(key) if FIELDS.iter().any(|name| name.as_bytes() == key) => InputFormat::Jsonl,
            _ => InputFormat::Gor,
        }
    }
}

/// Names what the beginning of an input that holds no record looks like.
pub(super) fn resembles(first: &[u8]) -> &'static str {
    const MAGICS: &[(&[u8], &str)] = &[
        (b"\x1f\x8b", "gzip data inside compressed data"),
        (b"\x28\xb5\x2f\xfd", "zstd data inside compressed data"),
        (b"BZh", "bzip2 data"),
        (b"\xfd7zXZ\0", "xz data"),
        (b"\x04\x22\x4d\x18", "lz4 data"),
        (b"PK\x03\x04", "a zip archive"),
        (b"\x7fELF", "a program"),
        (b"%PDF", "a PDF document"),
        (b"\x89PNG", "an image"),
        (b"\xff\xfe", "text in UTF-16"),
        (b"\xfe\xff", "text in UTF-16"),
        (b"PRI * HTTP/2", "HTTP/2"),
        (b"HTTP/", "an HTTP response without a record header"),
        (b"#!", "a script"),
        (b"PAR1", "Parquet, which is written, not read"),
        (b"time,id,client,", "CSV, which is written, not read"),
        (b"{\"format\":\"gor-report\"", "the report of a replay, which gor-report reads"),
    ];
    if let Some((_, name)) = MAGICS.iter().find(|(magic, _)| first.starts_with(magic)) {
        return name;
    }
    if first.get(257..262) == Some(b"ustar") {
        return "a tar archive";
    }
    let text = first.trim_ascii_start();
    if text.is_empty() {
        return "nothing but white space";
    }
    let line = text.split(|&byte| byte == b'\n').next().unwrap_or_default().trim_ascii_end();
    if line.ends_with(b" HTTP/1.1") || line.ends_with(b" HTTP/1.0") {
        return "an HTTP request without a record header";
    }
    if line.contains(&b'"') && memchr::memmem::find(line, b" HTTP/1.").is_some() {
        return "a web server's log";
    }
    match text {
        [b'{' | b'[', ..] => "JSON",
        [b'<', ..] => "HTML or XML",
        _ if text.contains(&0) || text.iter().filter(|byte| **byte < 9).count() > 0 => "binary data",
        _ if std::str::from_utf8(&text[..text.len().saturating_sub(3)]).is_ok() => "text of another kind",
        _ => "binary data",
    }
}
