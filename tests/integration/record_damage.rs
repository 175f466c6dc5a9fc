//! `gor-record` given what is no capture, or only part of one, and places that cannot be read or written.

use std::io::{Read as _, Write as _};
use std::process::Stdio;

use crate::support::packets::{Talk, pcap};
use crate::support::program::{command, run};
use crate::support::recorder::{assert_reconciles, records, try_record};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

/// One exchange, on a connection of its own for each path.
fn capture(path: &str) -> Vec<u8> {
    let client = format!("10.0.0.2:4{:03}", path.len() * 100 + usize::from(path.ends_with('b')));
    pcap(&Talk::between(&client, "10.0.0.1:80").handshake().client(get(path)).server(OK).packets)
}

/// A folder with the captures `first` and `second`, and files as given.
fn folder(files: &[(&str, &[u8])]) -> (tempfile::TempDir, impl Fn(&str) -> String + use<>) {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).expect("the file can be written");
    }
    let root = folder.path().to_owned();
    (folder, move |name: &str| root.join(name).to_string_lossy().into_owned())
}

#[test]
fn a_damaged_file_gives_what_is_whole_and_does_not_hide_the_next() {
    let (first, second) = (capture("/a"), capture("/b"));
    let header = &first[..24];
    let noise: Vec<u8> =
        (0..5000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let cases: Vec<(&str, Vec<u8>, usize, &str)> = vec![
        ("truncated in a packet", first[..first.len() - 10].to_vec(), 1, "packet 5"),
        ("truncated in a packet's header", [&first[..], &[1, 2, 3]].concat(), 2, "packet 6"),
        ("garbage", b"this is no capture at all".to_vec(), 0, "byte 0"),
        ("noise after a header", [header, &noise].concat(), 0, "packet 1"),
        ("empty", Vec::new(), 0, "the file is empty"),
        ("half a header", header[..11].to_vec(), 0, "byte 0"),
    ];
    for (name, bytes, before, says) in cases {
        let (_folder, path) = folder(&[("damaged", &bytes), ("second", &second)]);
        let recording = try_record(&["-r", &path("damaged"), "-r", &path("second"), "--responses"], b"");
        // What is empty lacks nothing.
        let status = i32::from(!bytes.is_empty());
        recording.ran.ends_with(status).says("damaged").says(says);
        assert_reconciles(&recording, name);
        let records = &recording.records;
        assert!(records.len() > before, "{name}: {:?}", recording.summary());
        let last = records.iter().filter(|record| record.payload.starts_with(b"GET /b")).count();
        assert_eq!(last, 1, "{name}: {:?}", recording.summary());
    }
}

#[test]
fn what_cannot_be_read_is_told_by_name() {
    let (_folder, path) = folder(&[("good", &capture("/a"))]);
    let (_empty, empty) = folder(&[]);
    run("gor-record", &["-r", &empty("")], b"").ends_with(1).says("director").writes(b"");
    for (place, words) in [(path("missing"), "missing"), ("/proc/self/mem".to_owned(), "/proc/self/mem")] {
        let ran = run("gor-record", &["-r", &place], b"");
        ran.ends_with(1).says(words).writes(b"");
        let ran = run("gor-record", &["-r", &place, "-r", &path("good")], b"");
        ran.ends_with(1).says(words);
        assert_eq!(records(&ran.stdout).len(), 1, "{place}: {ran}");
    }
}

#[test]
fn wrong_addresses_are_usage_errors() {
    for (address, says) in [
        ("80", "':80'"),
        ("eth0:80", "'eth0'"),
        (":0", "'0'"),
        (":80,http", "'http'"),
        (":65536", "'65536'"),
        ("[::1:80", "'[::1'"),
        ("10.0.0.1.2:80", "'10.0.0.1.2'"),
    ] {
        run("gor-record", &["-r", "-", address], b"").ends_with(2).says(says);
    }
    run("gor-record", &[], b"").ends_with(2);
}

#[test]
fn outputs_are_refused_full_or_closed() {
    let input = capture("/a");
    let (_folder, path) = folder(&[("there", b"old")]);
    run("gor-record", &["-r", "-", "-o", &path("there")], &input).ends_with(2).says("there");
    assert_eq!(std::fs::read(path("there")).expect("it is there"), b"old");
    run("gor-record", &["-r", "-", "-o", &path("there"), "--force"], &input).ends_with(0).is_silent();
    assert_eq!(records(&std::fs::read(path("there")).expect("it is there")).len(), 1);

    let full = std::fs::File::options().write(true).open("/dev/full").expect("/dev/full is there");
    let mut child = command("gor-record", &["-r", "-"])
        .stdin(Stdio::piped())
        .stdout(full)
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    child.stdin.take().expect("it is piped").write_all(&input).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("gor-record: "), "{output:?}");

    let mut child = command("gor-record", &["-r", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    drop(child.stdout.take());
    child.stdin.take().expect("it is piped").write_all(&input).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

/// Reads from `output` until `count` separators came.
fn read_records(output: &mut impl std::io::Read, count: usize) -> Vec<u8> {
    let (mut text, mut byte) = (Vec::new(), [0]);
    let separator = "\n🐵🙈🙉\n".as_bytes();
    let mut seen = 0;
    while seen < count {
        output.read_exact(&mut byte).expect("a record comes before the input ends");
        text.push(byte[0]);
        seen += usize::from(text.ends_with(separator));
    }
    text
}

#[test]
fn records_of_a_live_pipe_come_out_at_once() {
    let args = ["-r", "-", "--responses"];
    let mut child =
        command("gor-record", &args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
    let (mut input, mut output) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
    let talk = Talk::open().client(get("/a"));
    let first = pcap(&talk.packets);
    let talk = talk.server(OK).client(get("/b"));
    let all = pcap(&talk.packets);
    input.write_all(&first).expect("it reads");
    assert_eq!(records(&read_records(&mut output, 1))[0].payload, get("/a").as_bytes());
    // The response, and the beginning of the next packet.
    let response_end = all.len() - get("/b").len() - 54 - 16;
    input.write_all(&all[first.len()..response_end + 30]).expect("it reads");
    assert_eq!(records(&read_records(&mut output, 1))[0].payload, OK.as_bytes());
    input.write_all(&all[response_end + 30..]).expect("it reads");
    assert_eq!(records(&read_records(&mut output, 1))[0].payload, get("/b").as_bytes());
    drop(input);
    let mut rest = Vec::new();
    output.read_to_end(&mut rest).expect("the output ends");
    assert_eq!(rest, b"");
    assert!(child.wait().expect("it ends").success());
}
