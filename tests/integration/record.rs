//! `gor-record` on captures of real traffic, held against what clients and servers logged.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;

use gor_tools::http::{Head, request_line, status_line};
use gor_tools::record::{Kind, Record};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::support::recorder::{Recording, assert_reconciles, number, record, records};

/// All captures of `testdata/`: file, name.
fn captures() -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let mut captures = Vec::new();
    for entry in std::fs::read_dir(folder).expect("testdata is there") {
        let path = entry.expect("testdata is readable").path();
        if path.extension().is_some_and(|kind| kind == "pcap" || kind == "pcapng") {
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            captures.push((path.to_string_lossy().into_owned(), name));
        }
    }
    captures.sort();
    assert!(captures.len() > 30, "the captures were not found");
    captures
}

/// What was logged of a capture: the exchanges of each connection, in order.
fn truth(name: &str) -> BTreeMap<(String, String), Vec<Value>> {
    let path = format!("{}/testdata/{name}.truth.jsonl", env!("CARGO_MANIFEST_DIR"));
    let mut truth: BTreeMap<_, Vec<Value>> = BTreeMap::new();
    for line in std::fs::read_to_string(&path).expect(&path).lines() {
        let entry: Value = serde_json::from_str(line).expect(line);
        let ends = (text(&entry, "connection"), text(&entry, "server"));
        truth.entry(ends).or_default().push(entry);
    }
    truth
}

fn text(entry: &Value, field: &str) -> String {
    entry[field].as_str().unwrap_or_default().to_owned()
}

/// Whether a log entry says this of itself.
fn says(entry: &Value, field: &str, value: impl Into<Value>) -> bool {
    entry.get(field) == Some(&value.into())
}

/// The first 16 digits of the ids of a connection: client port, server port, client address.
fn session(ends: &(String, String)) -> String {
    let [client, server] =
        [&ends.0, &ends.1].map(|end| end.parse::<std::net::SocketAddr>().expect("an address"));
    let address = match client.ip() {
        std::net::IpAddr::V4(ip) => ip.octets(),
        std::net::IpAddr::V6(ip) => ip.octets()[12..].try_into().expect("four bytes"),
    };
    format!("{:04x}{:04x}{:08x}", client.port(), server.port(), u32::from_be_bytes(address))
}

/// The length and hash of a message's body, without chunked framing.
fn body(message: &[u8]) -> (u64, String) {
    let head = Head::of(message).expect("a whole head");
    let rest = &message[head.len()..];
    let is_chunked = head.values(b"transfer-encoding").any(|value| value.eq_ignore_ascii_case(b"chunked"));
    let body = if is_chunked && !rest.is_empty() { unchunked(rest) } else { rest.to_vec() };
    let hash: Vec<String> = Sha256::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect();
    (body.len() as u64, hash.concat())
}

fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|pair| pair == b"\r\n").expect("a chunk's length");
        let digits = std::str::from_utf8(&rest[..line]).expect("digits").split(';').next().expect("digits");
        let length = usize::from_str_radix(digits.trim(), 16).expect(digits);
        rest = &rest[line + 2..];
        if length == 0 {
            return body;
        }
        body.extend_from_slice(&rest[..length]);
        rest = &rest[length + 2..];
    }
}

fn is_this_request(entry: &Value, payload: &[u8]) -> bool {
    let line = request_line(payload).expect("a request line");
    let (length, hash) = body(payload);
    text(entry, "method").as_bytes() == line.method
        && text(entry, "target").as_bytes() == line.target
        && says(entry, "request_body_length", length)
        && says(entry, "request_body_sha256", hash)
}

fn is_this_response(entry: &Value, payload: &[u8]) -> bool {
    let line = status_line(payload).expect("a status line");
    let (length, hash) = body(payload);
    says(entry, "status", line.status)
        && says(entry, "response_body_length", length)
        && says(entry, "response_body_sha256", hash)
}

/// Whether the capture must have yielded this part of the exchange.
fn is_owed(entry: &Value, kind: Kind) -> bool {
    let (part, complete) = match kind {
        Kind::Request => ("request", "request_complete"),
        _ => ("response", "response_complete"),
    };
    let is_captured = entry.get("captured").is_none_or(|captured| captured == part);
    is_captured && !says(entry, complete, false)
}

/// Holds the records of one connection against what was logged of it. Returns
/// what differs.
fn compare(entries: &[Value], records: &[&Record]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut met: BTreeMap<&[u8], &Value> = BTreeMap::new();
    let mut rest = entries;
    for record in records.iter().filter(|record| record.header().kind == Kind::Request) {
        let header = record.header();
        let found = rest.iter().position(|entry| is_this_request(entry, &record.payload)).map(|at| {
            let (passed, from) = rest.split_at(at);
            let owed = passed.iter().filter(|entry| is_owed(entry, Kind::Request));
            faults.extend(owed.map(|entry| format!("no request for {entry}")));
            rest = &from[1..];
            &from[0]
        });
        match found {
            None => faults.push(format!(
                "a request that was never sent: {:?}",
                String::from_utf8_lossy(&record.payload[..record.payload.len().min(80)])
            )),
            Some(entry) => {
                if met.insert(header.id, entry).is_some() {
                    faults.push(format!("an id twice: {entry}"));
                }
                let response = records
                    .iter()
                    .find(|other| other.header().kind == Kind::Response && other.header().id == header.id);
                match response {
                    Some(response) if !is_this_response(entry, &response.payload) => {
                        faults.push(format!(
                            "another response than that of {entry}: {:?}",
                            String::from_utf8_lossy(&response.payload[..response.payload.len().min(80)])
                        ));
                    }
                    None if is_owed(entry, Kind::Response) => faults.push(format!("no response for {entry}")),
                    _ => {}
                }
            }
        }
    }
    faults.extend(
        rest.iter()
            .filter(|entry| is_owed(entry, Kind::Request))
            .map(|entry| format!("no request for {entry}")),
    );
    // Responses whose request is not there must be somebody's, in order.
    let mut rest = entries.iter();
    for record in records.iter().filter(|record| record.header().kind == Kind::Response) {
        if met.contains_key(record.header().id) {
            continue;
        }
        if !rest.any(|entry| is_this_response(entry, &record.payload)) {
            faults.push(format!(
                "a response that was never sent: {:?}",
                String::from_utf8_lossy(&record.payload[..record.payload.len().min(80)])
            ));
        }
    }
    let owed = entries.iter().filter(|entry| is_owed(entry, Kind::Response)).count();
    let got = records.iter().filter(|record| record.header().kind == Kind::Response).count();
    if got < owed {
        faults.push(format!("{owed} responses are owed, {got} came"));
    }
    faults
}

#[test]
fn what_was_logged_is_what_is_recorded() {
    let mut faults = Vec::new();
    for (file, name) in captures() {
        let recording = record(&["-r", &file, "--responses"], b"");
        let truth = truth(&name);
        let mut by_session: BTreeMap<String, Vec<&Record>> = BTreeMap::new();
        for record in &recording.records {
            let id = String::from_utf8(record.header().id.to_vec()).expect("hex");
            assert!(
                id.len() == 24 && id.bytes().all(|digit| b"0123456789abcdef".contains(&digit)),
                "{name}: {id}"
            );
            by_session.entry(id[..16].to_owned()).or_default().push(record);
        }
        for (ends, entries) in &truth {
            let records = by_session.remove(&session(ends)).unwrap_or_default();
            faults.extend(
                compare(entries, &records).into_iter().map(|fault| format!("{name}: {ends:?}: {fault}")),
            );
        }
        faults
            .extend(by_session.keys().map(|session| format!("{name}: records of no connection: {session}")));
    }
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
}

/// A response is never before its request, and ids are of their requests only.
#[test]
fn responses_follow_their_requests_and_no_id_serves_twice() {
    for (file, name) in captures() {
        let recording = record(&["-r", &file, "--responses"], b"");
        let mut seen: BTreeMap<(Vec<u8>, u8), i64> = BTreeMap::new();
        let mut orphans = 0;
        for record in &recording.records {
            let header = record.header();
            let key = |kind: Kind| (header.id.to_vec(), kind.digit());
            assert_eq!(
                seen.insert(key(header.kind), header.timestamp),
                None,
                "{name}: an id twice: {header:?}"
            );
            assert!(header.latency.is_some_and(|latency| latency >= 0), "{name}: {header:?}");
            if header.kind == Kind::Response {
                orphans += u64::from(!seen.contains_key(&key(Kind::Request)));
            }
        }
        assert!(orphans >= number(&recording.stats, "/without_request"), "{name}: {:#}", recording.stats);
    }
}

#[test]
fn the_books_of_every_capture_come_out_even() {
    for (file, name) in captures() {
        for args in [
            &[][..],
            &["--responses"],
            &["--allow-incomplete"],
            &["--protocol", "binary", "--responses"],
            &[":8080", "--responses"],
        ] {
            let recording = record(&[&["-r", &file], args].concat(), b"");
            assert_reconciles(&recording, &format!("{name} {args:?}"));
        }
    }
}

#[test]
fn requests_are_the_same_with_responses_and_without() {
    for (file, name) in captures() {
        let with = record(&["-r", &file, "--responses"], b"");
        let without = record(&["-r", &file], b"");
        let requests = |recording: &Recording| -> Vec<Vec<u8>> {
            let requests = recording.records.iter().filter(|record| record.header().kind == Kind::Request);
            requests.map(|record| [record.header().id, record.payload.as_slice()].concat()).collect()
        };
        assert_eq!(requests(&with).len(), requests(&without).len(), "{name}");
        assert!(requests(&with) == requests(&without), "{name}");
        assert!(without.records.iter().all(|record| record.header().kind == Kind::Request), "{name}");
    }
}

/// A reader for the program's input that gives little at a time.
fn in_pieces(args: &[&str], bytes: &[u8], size: usize) -> Vec<u8> {
    use std::process::{Command, Stdio};
    let mut command = Command::new(env!("CARGO_BIN_EXE_gor-record"));
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("gor-record runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    std::thread::scope(|scope| {
        scope
            .spawn(move || bytes.chunks(size).for_each(|piece| stdin.write_all(piece).expect("it reads on")));
        let output = child.wait_with_output().expect("gor-record ends");
        assert_eq!(output.status.code(), Some(0));
        output.stdout
    })
}

#[test]
fn the_same_capture_gives_the_same_bytes_however_it_comes() {
    for (file, name) in captures() {
        let bytes = std::fs::read(&file).expect("the capture is readable");
        let from_file = record(&["-r", &file, "--responses"], b"").ran.stdout;
        let again = record(&["-r", &file, "--responses"], b"").ran.stdout;
        assert!(from_file == again, "{name}: twice from the file");
        let args = ["-r", "-", "--responses"];
        assert!(from_file == in_pieces(&args, &bytes, 771), "{name}: in small pieces");
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&bytes).expect("a vector takes everything");
        let gzip = gzip.finish().expect("a vector takes everything");
        assert!(from_file == record(&args, &gzip).ran.stdout, "{name}: gzip");
        let zstd = zstd::encode_all(bytes.as_slice(), 1).expect("zstd compresses");
        assert!(from_file == record(&args, &zstd).ran.stdout, "{name}: zstd");
    }
}

/// Where packets of a little-endian pcap file begin; the last is its end.
fn pcap_packets(bytes: &[u8]) -> Vec<usize> {
    let mut at = 24;
    let mut starts = vec![at];
    while at < bytes.len() {
        let length = u32::from_le_bytes(bytes[at + 8..at + 12].try_into().expect("four bytes"));
        at += 16 + length as usize;
        starts.push(at);
    }
    starts
}

/// Where blocks of a little-endian pcapng file begin, and of what type they are.
fn pcapng_blocks(bytes: &[u8]) -> Vec<(usize, u32)> {
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    let (mut at, mut starts) = (0, Vec::new());
    while at < bytes.len() {
        starts.push((at, word(at)));
        at += word(at + 4) as usize;
    }
    starts
}

/// The halves of a capture, each a capture of its own.
fn halves(bytes: &[u8], is_pcapng: bool) -> [Vec<u8>; 2] {
    let (header, middle) = if is_pcapng {
        let packets: Vec<_> = pcapng_blocks(bytes).into_iter().filter(|(_, kind)| *kind == 6).collect();
        (packets[0].0, packets[packets.len() / 2].0)
    } else {
        let packets = pcap_packets(bytes);
        (24, packets[packets.len() / 2])
    };
    [bytes[..middle].to_vec(), [&bytes[..header], &bytes[middle..]].concat()]
}

#[test]
fn a_capture_in_two_files_is_the_capture_continued() {
    let folder = tempfile::tempdir().expect("a folder");
    for (file, name) in captures() {
        let bytes = std::fs::read(&file).expect("the capture is readable");
        let paths = ["first", "second"].map(|part| folder.path().join(part).to_string_lossy().into_owned());
        for (path, half) in paths.iter().zip(halves(&bytes, file.ends_with("ng"))) {
            std::fs::write(path, half).expect("the half can be written");
        }
        let whole = record(&["-r", &file, "--responses"], b"");
        let parts = record(&["-r", &paths[0], "-r", &paths[1], "--responses"], b"");
        assert!(whole.ran.stdout == parts.ran.stdout, "{name}");
        assert_eq!(whole.stats, parts.stats, "{name}");
        assert_eq!(records(&whole.ran.stdout).len(), parts.records.len(), "{name}");
    }
}
