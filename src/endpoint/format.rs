//! What bytes are, told by the first of them.

use crate::packet;

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
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum InputFormat {
    /// Records as text. Also whatever is not known: the reader finds out
    /// whether there is a record in it.
    Gor,
    /// Captured packets, pcap or pcapng.
    Capture,
}

impl InputFormat {
    pub(super) fn of(first: &[u8]) -> Self {
        if packet::is_capture(first) { InputFormat::Capture } else { InputFormat::Gor }
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
