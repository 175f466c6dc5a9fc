//! Exchanges in formats of other programs, written by the real tools and read by these programs.

use std::io::Write as _;
use std::process::Stdio;

use crate::support::clients::python_with;
use crate::support::program::{command, run};

const SEPARATOR: &str = "\n🐵🙈🙉\n";

/// A record.
fn record(kind: u8, number: u32, payload: &[u8]) -> Vec<u8> {
    let time = 1_700_000_000_000_000_000 + u64::from(number) * 1_000_000 + u64::from(kind) * 500_000;
    let header = format!("{kind} {number:04x}00507f000001{number:08x} {time} 2000\n");
    [header.as_bytes(), payload, SEPARATOR.as_bytes()].concat()
}

/// Exchanges, each with a body of text and one of bytes.
fn exchanges(count: u32) -> Vec<u8> {
    let exchange = |number| {
        let request =
            format!("POST /{number}?a=b HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 4\r\n\r\nkä\n");
        let response = [
            b"HTTP/1.1 201 Created\r\nContent-Type: image/png\r\nContent-Length: 3\r\n\r\n".as_slice(),
            b"\xff\x00!",
        ];
        [record(1, number, request.as_bytes()), record(2, number, &response.concat())].concat()
    };
    (0..count).flat_map(exchange).collect()
}

#[test]
fn a_har_file_is_read_back_and_a_request_without_response_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let input = exchanges(500);
    for name in ["x.har", "x.har.gz"] {
        let path = folder.path().join(name).display().to_string();
        run("gor-filter", &["-o", &path], &input).ends_with(0).is_silent();
        run("gor-filter", &[&path], b"").ends_with(0).is_silent().writes(&input);
    }
    let get = record(1, 7, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let ran = run("gor-merge", &["--format", "har"], &get);
    ran.ends_with(0).says("not carried over to HAR: 1 response that is missing");
    run("gor-filter", &[], &ran.stdout).ends_with(0).says("1 request without response").writes(&get);
    // Nothing is a file too.
    let path = folder.path().join("none.har").display().to_string();
    run("gor-filter", &["-o", &path, "--method", "PUT"], &input).ends_with(0);
    run("gor-filter", &[&path], b"").ends_with(0).writes(b"");
    run("gor-filter", &["-o", &path, "--append"], &input).ends_with(2).says("cannot be added to");
}

#[test]
fn a_har_file_whose_writer_was_killed_is_told_to_be_cut_and_its_entries_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.har").display().to_string();
    let mut tool = command("gor-filter", &["-o", &path, "--flush-interval", "10ms"]);
    let mut tool = tool.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut stdin = tool.stdin.take().unwrap();
    stdin.write_all(&exchanges(3000)).unwrap();
    stdin.flush().unwrap();
    while std::fs::metadata(&path).map_or(0, |file| file.len()) < 100_000 {
        std::thread::yield_now();
    }
    tool.kill().unwrap();
    tool.wait().unwrap();
    let ran = run("gor-filter", &[&path], b"");
    ran.ends_with(1).says("the input ends inside the JSON of a HAR file");
    assert!(ran.stdout.starts_with(&exchanges(100)), "{ran}");
}

#[test]
fn a_har_library_reads_what_is_written() {
    const SCRIPT: &str = "
import sys
from haralyzer import HarParser
for page in HarParser.from_file('x.har').pages:
  for entry in page.entries:
    print(entry.request.method, entry.request.url, entry.request.text, entry.response.status, entry.response.mimeType,
        entry.response.textEncoding, entry.response.text, entry.time, entry.startTime.isoformat())
";
    let Some(python) = python_with(&["haralyzer==2.4.0"]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.har").display().to_string();
    run("gor-filter", &["-o", &path], &exchanges(2)).ends_with(0).is_silent();
    let output = python.run(&["python", "-c", SCRIPT], folder.path());
    let text = String::from_utf8_lossy(&output.stdout);
    let expected = "POST http://shop.example/0?a=b kä\n 201 image/png base64 /wAh 0.502 2023-11-14T22:13:20.000500+00:00\n\
                    POST http://shop.example/1?a=b kä\n 201 image/png base64 /wAh 0.502 2023-11-14T22:13:20.001500+00:00\n";
    assert!(text == expected, "{text}\n{}", String::from_utf8_lossy(&output.stderr));
}
