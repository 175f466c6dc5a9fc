//! What the end of a file's name says, and how chunks are named.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use crate::conversation::PacketSink;
use crate::endpoint::format::Compression;
use crate::interchange;
use crate::observe::Tell;
use crate::packet::FileFormat;
use crate::record::Sink;
use crate::{Dialect, Error, Result};

/// What a file that is written holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OutputFormat {
    /// Records as text; also what no name's end says otherwise.
    Gor,
    /// Captured packets.
    Capture(FileFormat),
    /// What other programs read.
    Interchange(interchange::Format),
}

/// Ends of names, before that of a compression, that ask for another format.
const FORMATS: [(&str, OutputFormat); 12] = [
    (".pcap", OutputFormat::Capture(FileFormat::Pcap)),
    (".pcapng", OutputFormat::Capture(FileFormat::Pcapng)),
    (".jsonl", OutputFormat::Interchange(interchange::Format::Jsonl)),
    (".ndjson", OutputFormat::Interchange(interchange::Format::Jsonl)),
    (".har", OutputFormat::Interchange(interchange::Format::Har)),
    (".curl", OutputFormat::Interchange(interchange::Format::Curl)),
    (".sh", OutputFormat::Interchange(interchange::Format::Curl)),
    (".http", OutputFormat::Interchange(interchange::Format::HttpFile)),
    (".rest", OutputFormat::Interchange(interchange::Format::HttpFile)),
    (".csv", OutputFormat::Interchange(interchange::Format::Csv)),
    (".postman_collection.json", OutputFormat::Interchange(interchange::Format::Postman)),
    (".parquet", OutputFormat::Interchange(interchange::Format::Parquet)),
];

/// Formats by the names that the command line has for them.
const NAMES: [(&str, OutputFormat); 10] = [
    ("gor", OutputFormat::Gor),
    ("jsonl", OutputFormat::Interchange(interchange::Format::Jsonl)),
    ("har", OutputFormat::Interchange(interchange::Format::Har)),
    ("curl", OutputFormat::Interchange(interchange::Format::Curl)),
    ("http", OutputFormat::Interchange(interchange::Format::HttpFile)),
    ("csv", OutputFormat::Interchange(interchange::Format::Csv)),
    ("postman", OutputFormat::Interchange(interchange::Format::Postman)),
    ("parquet", OutputFormat::Interchange(interchange::Format::Parquet)),
    ("pcap", OutputFormat::Capture(FileFormat::Pcap)),
    ("pcapng", OutputFormat::Capture(FileFormat::Pcapng)),
];

/// Ends of names, before that of a compression, under which people expect text.
const TEXTS: [&str; 3] = ["gor", "txt", "log"];

/// Longest end of a name that is taken for one that says what the file holds.
const LONGEST_EXTENSION: usize = 8;

/// The ends that ask for compression.
const COMPRESSIONS: [(&str, Compression); 2] = [(".gz", Compression::Gzip), (".zst", Compression::Zstd)];

/// What a name asks for: `x.gor`, `x.gz`, `x.gor.zst`, and any other name,
/// which is gor text. A format that was asked for goes before that of the name.
pub(super) fn of_name(name: &str, asked: Option<OutputFormat>) -> (OutputFormat, Compression) {
    let (name, compression) = compression(name);
    let named = || FORMATS.iter().find(|(end, _)| name.ends_with(end)).map(|(_, format)| *format);
    (asked.or_else(named).unwrap_or(OutputFormat::Gor), compression)
}

/// The end of a name that asks for this.
pub(super) fn suffix((format, compression): (OutputFormat, Compression)) -> String {
    let format = FORMATS.iter().find(|(_, known)| *known == format).map_or(".gor", |(end, _)| end);
    let compression = COMPRESSIONS.iter().find(|(_, known)| *known == compression).map_or("", |(end, _)| end);
    format!("{format}{compression}")
}

/// Refuses a name whose end says that the file holds something that is not
/// written here: `x.saz`, `x.zip`. Ends that say nothing are of no concern:
/// those with numbers alone, with template fields, or longer than extensions are.
pub(super) fn refuse_foreign(name: &str) -> Result<()> {
    let (bare, _) = compression(name);
    let file = bare.rsplit('/').next().unwrap_or(bare);
    let Some((_, end)) = file.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()) else { return Ok(()) };
    let is_extension = end.len() <= LONGEST_EXTENSION
        && end.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && end.bytes().any(|byte| byte.is_ascii_alphabetic());
    let is_known = TEXTS.contains(&end) || FORMATS.iter().any(|(known, _)| file.ends_with(known));
    if !is_extension || is_known {
        return Ok(());
    }
    // A device or a pipe may be called anything.
    if std::fs::metadata(name).is_ok_and(|found| !found.is_file()) {
        return Ok(());
    }
    let known: Vec<_> = FORMATS.iter().map(|(end, _)| *end).collect();
    Err(Error::Usage(format!(
        "{name}: .{end} files are not written here; name it .gor, .txt, .log (recordings as text) or {}, and .gz or .zst \
         after that to compress, or choose a --format",
        known.join(", ")
    )))
}

/// A name without the end that asks for compression, and that.
fn compression(name: &str) -> (&str, Compression) {
    let found =
        COMPRESSIONS.iter().find_map(|(end, compression)| Some((name.strip_suffix(end)?, *compression)));
    found.unwrap_or((name, Compression::None))
}

impl OutputFormat {
    /// The names of all formats.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }

    /// The format of this name.
    pub fn named(name: &str) -> Option<Self> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, format)| *format)
    }

    /// Refuses what this build cannot write.
    pub(super) fn refuse_missing(self) -> Result<()> {
        let OutputFormat::Interchange(format) = self else { return Ok(()) };
        match format.missing_feature() {
            Some(feature) => Err(Error::Usage(format!(
                "this build does not write {feature}: build with --features {feature}"
            ))),
            None => Ok(()),
        }
    }

    /// Refuses a terminal for what is not text to read.
    pub(super) fn refuse_terminal(self, file: &File, place: &str) -> Result<()> {
        let is_document = match self {
            OutputFormat::Gor => false,
            OutputFormat::Capture(_) => true,
            OutputFormat::Interchange(format) => format.is_document(),
        };
        if is_document && file.is_terminal() {
            let name = NAMES.iter().find(|(_, format)| *format == self).map_or("this", |(name, _)| name);
            return Err(Error::Usage(format!(
                "{place} is a terminal, where {name} is not readable; redirect it, or name a file with -o"
            )));
        }
        Ok(())
    }

    /// Whether a file that this run has begun can be gone on with after it was closed.
    pub(super) fn can_go_on(self) -> bool {
        match self {
            OutputFormat::Gor => true,
            OutputFormat::Capture(_) => false,
            OutputFormat::Interchange(format) => format.can_go_on(),
        }
    }

    /// What turns records into this format; none where their text is it.
    /// `tell` hears what the format could not hold.
    pub(super) fn sink(
        self,
        output: Box<dyn Write + Send>,
        tell: Option<Tell>,
    ) -> Option<Box<dyn Sink + Send>> {
        match self {
            OutputFormat::Gor => None,
            OutputFormat::Capture(format) => Some(Box::new(PacketSink::new(output, format, tell))),
            OutputFormat::Interchange(format) => Some(format.sink(output, tell)),
        }
    }
}

/// A path before and after the place where a chunk's number goes: before the
/// extension, and before that of the compression. `a.b/x.gor.gz` is `a.b/x`
/// and `.gor.gz`; with GoReplay it is `a.b/x.gor` and `.gz`.
fn cut(path: &str, dialect: Dialect) -> (&str, &str) {
    let bare = match dialect {
        Dialect::Unix => compression(path).0,
        Dialect::GoReplay => path,
    };
    let name = bare.rfind('/').map_or(0, |slash| slash + 1);
    // A name that begins with its only dot has no extension; some have two dots.
    let named = &bare[name..];
    let known = FORMATS.iter().find_map(|(end, _)| named.strip_suffix(end)).map(str::len);
    let at = match known.or_else(|| named.rfind('.')) {
        Some(dot) if dot > 0 => name + dot,
        _ => bare.len(),
    };
    path.split_at(at)
}

/// What the numbered keys of an object begin with, and the one of this number.
#[cfg(feature = "s3")]
pub(in super::super) fn numbered_key(key: &str, number: u64) -> (String, String) {
    (format!("{}_", cut(key, Dialect::Unix).0), chunk(key, number, Dialect::Unix))
}

/// The numbers of those keys that are numbered ones of this one.
#[cfg(feature = "s3")]
pub(in super::super) fn numbers_of<'a>(
    key: &'a str,
    keys: impl Iterator<Item = &'a str>,
) -> impl Iterator<Item = u64> {
    let (before, after) = cut(key, Dialect::Unix);
    keys.filter_map(move |key| number(key, before, after))
}

/// The number of a chunk's name, between what is before its `_` and after it.
fn number(name: &str, before: &str, after: &str) -> Option<u64> {
    let number = name.strip_prefix(before)?.strip_prefix('_')?.strip_suffix(after)?;
    if number.bytes().all(|byte| byte.is_ascii_digit()) { number.parse().ok() } else { None }
}

/// The path of a chunk: `x.gor` gives `x_0.gor`, `x_1.gor`…
pub(super) fn chunk(path: &str, number: u64, dialect: Dialect) -> String {
    let (before, after) = cut(path, dialect);
    format!("{before}_{number}{after}")
}

/// The number after the highest chunk of exactly this path that there is.
pub(super) fn next_chunk(path: &str, dialect: Dialect) -> io::Result<u64> {
    let (before, after) = cut(path, dialect);
    let (folder, stem) = before.rsplit_once('/').map_or((".", before), |(folder, stem)| (folder, stem));
    let folder = if before.starts_with('/') && folder.is_empty() { "/" } else { folder };
    let entries = match Path::new(folder).read_dir() {
        // It is created with the first chunk, or told then.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let mut next = 0;
    for entry in entries {
        let name = entry?.file_name();
        if let Some(number) = name.to_str().and_then(|name| number(name, stem, after)) {
            next = next.max(number.saturating_add(1));
        }
    }
    Ok(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunks_number_stands_before_the_extensions() {
        for (path, expected) in [
            ("x.gor", "x_3.gor"),
            ("x.gor.gz", "x_3.gor.gz"),
            ("x.gz", "x_3.gz"),
            ("x.postman_collection.json.gz", "x_3.postman_collection.json.gz"),
            ("x", "x_3"),
            ("a.b/x", "a.b/x_3"),
            ("a.b/2026-11-24.gor.zst", "a.b/2026-11-24_3.gor.zst"),
            (".hidden", ".hidden_3"),
        ] {
            assert_eq!(chunk(path, 3, Dialect::Unix), expected, "{path}");
        }
        for (path, expected) in [("x.gor.gz", "x.gor_3.gz"), ("a.b/x", "a.b/x_3"), ("x.gor", "x_3.gor")] {
            assert_eq!(chunk(path, 3, Dialect::GoReplay), expected, "{path}");
        }
    }

    #[test]
    fn a_name_that_promises_another_format_is_refused() {
        for name in
            ["x.xml", "x.zip", "x.bz2", "a.b/x.json", "x.json.gz", "x.gor.xz", "%Y.saz", "x.7z", "x.GOR"]
        {
            let error = refuse_foreign(name).expect_err(name);
            assert!(error.is_usage() && error.to_string().contains(".pcapng"), "{error}");
        }
        for name in [
            "x",
            "x.gor",
            "x.txt",
            "x.log",
            "x.gz",
            "x.zst",
            "x.gor.zst",
            "x.pcap.gz",
            "x.pcapng",
            "x.jsonl",
            "x.ndjson.gz",
            "x.har.gz",
            "x.curl",
            "x.sh",
            "x.http",
            "x.rest.gz",
            "x.csv.gz",
            "x.postman_collection.json",
            "x.parquet",
            ".hidden",
            "a.zip/x",
            "x.1",
            "x.2026-11-24",
            "x.%Y",
            "/dev/null",
            "x.",
            "x.gor-before-noon",
        ] {
            assert!(refuse_foreign(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn chunks_go_on_after_the_highest_of_exactly_that_stem() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("requests.gor").display().to_string();
        assert_eq!(next_chunk(&path, Dialect::Unix).unwrap(), 0);
        for name in
            ["requests-old_9.gor", "requests_x.gor", "requests_7.gor.gz", "requests.gor", "requests_+8.gor"]
        {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(next_chunk(&path, Dialect::Unix).unwrap(), 0);
        for name in ["requests_2.gor", "requests_10.gor"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(next_chunk(&path, Dialect::Unix).unwrap(), 11);
    }
}
