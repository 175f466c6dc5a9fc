//! `gor-replay` as a program, recordings for it, and what its tests expect of it.

use std::io::Write;
use std::process::{Child, Command, Output, Stdio};

use super::origin::{Answer, Origin, Received};

pub(crate) const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
pub(crate) const MILLISECOND: i64 = 1_000_000;

/// One record as text.
pub(crate) fn record(kind: u8, id: &str, timestamp: i64, payload: &[u8]) -> Vec<u8> {
    [format!("{kind} {id} {timestamp} 0\n").as_bytes(), payload, "\n🐵🙈🙉\n".as_bytes()].concat()
}

/// A recording of GET requests for these paths, at these milliseconds.
pub(crate) fn gets(requests: &[(i64, &str)]) -> Vec<u8> {
    let one = |(number, (at, path)): (usize, &(i64, &str))| {
        let request = format!("GET {path} HTTP/1.1\r\nHost: recorded.example\r\n\r\n");
        record(1, &format!("{number:024x}"), at * MILLISECOND, request.as_bytes())
    };
    requests.iter().enumerate().flat_map(one).collect()
}

pub(crate) fn start(args: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gor-replay"));
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("gor-replay runs")
}

/// Runs to the end with this input.
pub(crate) fn replay(args: &[&str], input: &[u8]) -> Output {
    let mut child = start(args);
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_vec();
    let writing = std::thread::spawn(move || {
        // A program that ends early does not read all of it.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().expect("gor-replay ends");
    writing.join().expect("the writer ends");
    output
}

#[track_caller]
pub(crate) fn assert_exit(output: &Output, code: i32) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "exit status; standard error:\n{said}");
    said
}

#[track_caller]
pub(crate) fn assert_says(said: &str, words: &str) {
    assert!(said.contains(words), "{words:?} is not in:\n{said}");
}

pub(crate) fn good(_: &Received) -> Answer {
    Answer::Send(OK.to_vec())
}

pub(crate) fn lines(origin: &Origin) -> Vec<String> {
    origin.received().iter().map(Received::line).collect()
}
