//! gor-record as a program: what goes in, what comes out.

use gor_tools::record::{Header, Reader, ReaderOptions, Record, Records, Source as _};
use serde_json::Value;

use super::program::{Ran, run};

/// What one run of gor-record came to.
pub(crate) struct Recording {
    pub(crate) ran: Ran,
    pub(crate) records: Vec<Record>,
    /// The ledger, as `--stats-json` writes it.
    pub(crate) stats: Value,
}

impl Recording {
    /// One line for each record: kind, a letter for each id in order of
    /// appearance, the first words, and the mark.
    pub(crate) fn summary(&self) -> Vec<String> {
        let mut ids: Vec<Vec<u8>> = Vec::new();
        let mut lines = Vec::new();
        for record in &self.records {
            let header = record.header();
            let number = ids.iter().position(|id| id == header.id).unwrap_or_else(|| {
                ids.push(header.id.to_vec());
                ids.len() - 1
            });
            let letter = char::from(b'a' + number as u8);
            let first = record.payload.split(|byte| *byte == b'\n').next().unwrap_or_default();
            let first = String::from_utf8_lossy(first);
            let words: Vec<_> = first.split_whitespace().collect();
            let words = match words[..] {
                ["HTTP/1.1" | "HTTP/1.0", status, ..] => status.to_owned(),
                [method, target, "HTTP/1.1" | "HTTP/1.0"] => format!("{method} {target}"),
                _ => words.join(" "),
            };
            let kind = char::from(header.kind.digit());
            let mark = header.mark.map_or(String::new(), |mark| format!(" {mark:?}").to_lowercase());
            lines.push(format!("{kind} {letter} {words}{mark}"));
        }
        lines
    }
}

/// Runs gor-record with `--stats-json`; the input goes to its standard input.
/// The run must end with status 0.
#[track_caller]
pub(crate) fn record(args: &[&str], input: &[u8]) -> Recording {
    let recording = try_record(args, input);
    recording.ran.ends_with(0);
    recording
}

/// As [`record`], whatever the exit status.
pub(crate) fn try_record(args: &[&str], input: &[u8]) -> Recording {
    let folder = tempfile::tempdir().expect("a folder");
    let stats = folder.path().join("stats.json");
    let path = stats.to_string_lossy();
    let ran = run("gor-record", &[args, &["--stats-json", &path]].concat(), input);
    let records = records(&ran.stdout);
    let stats = std::fs::read(stats)
        .map_or(Value::Null, |text| serde_json::from_slice(&text).expect("--stats-json writes JSON"));
    Recording { ran, records, stats }
}

/// The records in gor text, which must be flawless.
#[track_caller]
pub(crate) fn records(text: &[u8]) -> Vec<Record> {
    let options = ReaderOptions { is_strict: true, ..ReaderOptions::default() };
    let mut source = Records::new(Reader::new(text, options));
    let (mut records, mut record) = (Vec::new(), Record::default());
    while source.read(&mut record).expect("what gor-record writes can be read") {
        let mut copy = Record::default();
        std::mem::swap(&mut copy, &mut record);
        records.push(copy);
    }
    assert_eq!(source.source().intake().unfinished, None, "the last record is whole");
    records
}

/// Whether it is a request's header.
pub(crate) fn is_request(header: &Header<'_>) -> bool {
    header.kind == gor_tools::record::Kind::Request
}

/// A number of the ledger, by the path to it; 0 where it has no such entry.
pub(crate) fn number(stats: &Value, path: &str) -> u64 {
    stats.pointer(path).and_then(Value::as_u64).unwrap_or(0)
}

/// The sum of the numbers in the ledger at `path`, which may be one or a map of them.
fn sum(stats: &Value, path: &str) -> u64 {
    match stats.pointer(path) {
        Some(Value::Object(map)) => map.values().filter_map(Value::as_u64).sum(),
        Some(value) => value.as_u64().unwrap_or_else(|| panic!("{path} is {value}")),
        None => panic!("the ledger has no {path}"),
    }
}

/// The sums that must come out even: the whole, and its parts.
const SUMS: [(&str, &[&str]); 7] = [
    (
        "/packets/read",
        &[
            "/packets/unknown_link",
            "/packets/not_ip",
            "/packets/not_tcp",
            "/packets/fragments",
            "/packets/fragments_lost",
            "/packets/snapped",
            "/packets/malformed",
            "/packets/other_ports",
            "/packets/left_out_by_bpf",
            "/packets/other_networks",
            "/packets/other_clients",
            "/packets/segments",
        ],
    ),
    (
        "/segments/payload",
        &[
            "/segments/delivered",
            "/segments/repeated",
            "/segments/late",
            "/segments/misplaced",
            "/segments/no_data",
        ],
    ),
    ("/segments/delivered", &["/bytes/delivered"]),
    (
        "/bytes/delivered",
        &[
            "/bytes/recorded",
            "/bytes/lost",
            "/bytes/not_asked_for",
            "/bytes/interim",
            "/bytes/between",
            "/bytes/skipped",
            "/bytes/tunnelled",
            "/bytes/other_protocols",
            "/bytes/other_clients",
        ],
    ),
    ("/requests/begun", &MESSAGES_OF_REQUESTS),
    ("/responses/begun", &MESSAGES_OF_RESPONSES),
    (
        "/connections/seen",
        &[
            "/connections/http",
            "/connections/upgraded",
            "/connections/binary",
            "/connections/silent",
            "/connections/other_clients",
            "/connections/other",
        ],
    ),
];

const MESSAGES_OF_REQUESTS: [&str; 7] = [
    "/requests/recorded",
    "/requests/cut",
    "/requests/incomplete",
    "/requests/doubtful",
    "/requests/not_asked_for",
    "/requests/interim",
    "/requests/lost",
];

const MESSAGES_OF_RESPONSES: [&str; 7] = [
    "/responses/recorded",
    "/responses/cut",
    "/responses/incomplete",
    "/responses/doubtful",
    "/responses/not_asked_for",
    "/responses/interim",
    "/responses/lost",
];

/// The ledger's sums come out even, and it counts the records that were written.
#[track_caller]
pub(crate) fn assert_reconciles(recording: &Recording, name: &str) {
    let stats = &recording.stats;
    for (whole, parts) in SUMS {
        let of_parts: u64 = parts.iter().map(|part| sum(stats, part)).sum();
        assert_eq!(sum(stats, whole), of_parts, "{name}: {whole} of {stats:#}");
    }
    for (kind, path) in [(true, "/requests"), (false, "/responses")] {
        let counted: u64 = ["recorded", "cut", "incomplete", "doubtful"]
            .map(|part| sum(stats, &format!("{path}/{part}")))
            .iter()
            .sum();
        let written = recording.records.iter().filter(|record| is_request(&record.header()) == kind).count();
        let unwritten = sum(stats, &format!("/unwritten{path}"));
        assert_eq!(counted, written as u64 + unwritten, "{name}: {path} of {stats:#}");
    }
}
