//! Recordings in formats of other programs, written and read by the real tools.

use crate::support::program::run;

const SEPARATOR: &str = "\n🐵🙈🙉\n";

/// An exchange of one id, as gor text.
fn exchange(number: u32) -> String {
    let time = 1_700_000_000_000_000_000 + u64::from(number) * 1_000_000;
    let body = format!("{{\"number\":{number}}}");
    format!(
        "1 {number:024x} {time} 2000\nPOST /{number}?a=b HTTP/1.1\r\nHost: shop.example\r\nContent-Length: {length}\r\n\r\n\
         {body}{SEPARATOR}2 {number:024x} {answered} 3000\nHTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}{SEPARATOR}",
        answered = time + 500_000,
        length = body.len(),
    )
}

fn recording(exchanges: u32) -> String {
    (0..exchanges).map(exchange).collect()
}

#[test]
fn lines_of_json_are_written_by_name_or_format_and_read_by_content_and_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let input = recording(2000);
    for name in ["x.jsonl", "x.ndjson.gz", "x.jsonl.zst"] {
        let path = folder.path().join(name).display().to_string();
        run("gor-filter", &["-o", &path], input.as_bytes()).ends_with(0).is_silent();
        // The name is of no concern to those who read.
        let other = folder.path().join(format!("{name}.x")).display().to_string();
        std::fs::rename(&path, &other).unwrap();
        run("gor-filter", &[&other], b"").ends_with(0).is_silent().writes(input.as_bytes());
        run("gor-merge", &[&other], b"").ends_with(0).is_silent().writes(input.as_bytes());
    }
    let lines = run("gor-rewrite", &["--format", "jsonl"], input.as_bytes());
    lines.ends_with(0).is_silent();
    assert_eq!(lines.stdout.split(|byte| *byte == b'\n').count() - 1, 4000);
    run("gor-rewrite", &[], &lines.stdout).ends_with(0).is_silent().writes(input.as_bytes());
    let marked = ["\u{feff}".as_bytes(), b"\r\n", &lines.stdout].concat();
    run("gor-filter", &[], &marked).ends_with(0).is_silent().writes(input.as_bytes());
}

#[test]
fn a_format_goes_before_the_name_and_not_to_the_network() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.odd").display().to_string();
    run("gor-filter", &["-o", &path], recording(1).as_bytes())
        .ends_with(2)
        .says(".odd files are not written here");
    run("gor-filter", &["-o", &path, "--format", "jsonl"], recording(1).as_bytes()).ends_with(0).is_silent();
    assert!(std::fs::read(&path).unwrap().starts_with(b"{\"kind\":\"request\","));
    let path = folder.path().join("x.jsonl").display().to_string();
    run("gor-filter", &["-o", &path, "--format", "gor"], recording(1).as_bytes()).ends_with(0).is_silent();
    assert_eq!(std::fs::read(&path).unwrap(), recording(1).as_bytes());
    run("gor-filter", &["-o", "null:", "--format", "jsonl"], b"")
        .ends_with(2)
        .says("--format applies to files");
    run("gor-filter", &["-o", &path, "--format", "har2"], b"").ends_with(2).says("possible values");
    let captured = run("gor-filter", &["--format", "pcap"], recording(1).as_bytes());
    captured.ends_with(0);
    assert!(
        captured.stdout.starts_with(&[0xd4, 0xc3, 0xb2, 0xa1])
            || captured.stdout.starts_with(&[0x4d, 0x3c, 0xb2, 0xa1])
    );
}

#[test]
fn chunks_and_files_by_template_are_lines_of_json_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    // More files than are open at once: some are gone on with.
    let input = recording(60);
    let scattered: String = [&*input, &input].concat();
    run("gor-filter", &["-o", &path("%r.jsonl")], scattered.as_bytes()).ends_with(0).is_silent();
    let names: Vec<_> = (0..60).map(|number| path(&format!("{number:024x}.jsonl"))).collect();
    for (number, name) in (0..).zip(&names) {
        run("gor-filter", &[name], b"").ends_with(0).writes(exchange(number).repeat(2).as_bytes());
    }
    run("gor-filter", &["-o", &path("x.jsonl"), "--chunk-records", "50"], input.as_bytes())
        .ends_with(0)
        .is_silent();
    let chunks = [path("x_0.jsonl"), path("x_1.jsonl"), path("x_2.jsonl")];
    let args: Vec<&str> = chunks.iter().map(String::as_str).collect();
    run("gor-filter", &args, b"").ends_with(0).is_silent().writes(input.as_bytes());
}

#[test]
fn json_that_is_cut_or_no_recording_ends_with_an_error() {
    let lines = run("gor-filter", &["--format", "jsonl"], recording(2).as_bytes()).stdout;
    let cut = &lines[..lines.len() - 10];
    let ran = run("gor-filter", &[], cut);
    ran.ends_with(1).says("the input ends inside this line of JSON");
    assert_eq!(ran.stdout.windows(SEPARATOR.len()).filter(|part| *part == SEPARATOR.as_bytes()).count(), 3);
    let malformed = [b"{\"kind\":\"request\"}\n", &*lines].concat();
    run("gor-filter", &[], &malformed)
        .ends_with(0)
        .says("record 1 (byte 0): the JSON object is not a record")
        .writes(recording(2).as_bytes());
    run("gor-filter", &["--strict"], &malformed).ends_with(1).says("the JSON object is not a record");
    run("gor-filter", &[], b"{\"a\":1}\n").ends_with(1).says("it looks like JSON");
    run("gor-filter", &[], b"{\"kind\":\"x\"}\n").ends_with(1).says("it looks like JSON");
}
