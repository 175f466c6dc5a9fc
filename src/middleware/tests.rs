//! What a child does to the records that go through it, and how it may end.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::{Command, Middleware, lines};
use crate::record::{Block, Header, Kind, Options, Reader, Record, Records};

/// Long enough that only a child that hangs takes it.
const PATIENCE: Duration = Duration::from_secs(20);

fn text(records: usize, payload: &str) -> Vec<u8> {
    let mut block = Block::new();
    for number in 0..records {
        let id = format!("{number:024x}");
        let header =
            Header { kind: Kind::Request, id: id.as_bytes(), timestamp: number as i64, ..Header::default() };
        block.push(&header, payload.as_bytes());
    }
    block.bytes().to_vec()
}

/// Sends `text` through a shell script: what comes out, and how it ended.
fn through(script: &str, text: Vec<u8>, patience: Duration) -> (Vec<Record>, Option<String>) {
    let command: Command = format!("sh -c {}", shlex::try_quote(script).unwrap()).parse().unwrap();
    let source = Reader::new(std::io::Cursor::new(text), Options::default());
    let middleware = Middleware::start(&command, source, patience, 1 << 20, &Arc::default()).unwrap();
    let mut records = Records::new(middleware);
    let (mut all, mut record) = (Vec::new(), Record::default());
    loop {
        match records.read(&mut record) {
            Ok(true) => all.push(record.clone()),
            Ok(false) => return (all, None),
            Err(error) => return (all, Some(error.to_string())),
        }
    }
}

proptest! {
    #[test]
    fn a_record_comes_back_from_its_line(payload: Vec<u8>, id in "[0-9a-f]{1,40}", time: i64, latency: Option<i64>) {
        let mut block = Block::new();
        block.push(&Header { kind: Kind::Response, id: id.as_bytes(), timestamp: time, latency, ..Header::default() }, &payload);
        let (mut line, mut scratch, mut again) = (Vec::new(), Vec::new(), Block::new());
        lines::write(&block.get(0), &mut line, &mut scratch).unwrap();
        prop_assert_eq!(line.pop(), Some(b'\n'));
        prop_assert!(line.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
        lines::read(&line, &mut again, &mut scratch).unwrap();
        prop_assert_eq!(again.bytes(), block.bytes());
    }

    #[test]
    fn no_line_breaks_the_reader(line: Vec<u8>) {
        let (mut block, mut scratch) = (Block::new(), Vec::new());
        let result = lines::read(&line, &mut block, &mut scratch);
        prop_assert_eq!(result.is_ok(), block.len() == 1);
    }
}

#[test]
fn what_a_child_echoes_is_what_came_however_large_the_pipes_are() {
    // Far more than both pipes hold, and larger than one block.
    let text = text(3000, &"x".repeat(1500));
    let (records, error) = through("cat", text, PATIENCE);
    assert_eq!((records.len(), error), (3000, None));
    assert!(records.iter().enumerate().all(|(number, record)| record.timestamp == number as i64));
}

#[test]
fn a_child_that_reads_all_before_it_writes_does_not_block() {
    let (records, error) = through("x=$(cat); printf '%s\\n' \"$x\"", text(500, &"y".repeat(900)), PATIENCE);
    assert_eq!((records.len(), error), (500, None));
}

#[test]
fn what_is_not_sent_back_is_dropped() {
    let (records, error) = through("sed -n 1~2p", text(10, "GET / HTTP/1.1\r\n\r\n"), PATIENCE);
    assert_eq!((records.len(), error), (5, None));
}

#[test]
fn how_a_child_failed_is_told_with_its_status_and_what_was_lost() {
    let cases = [
        ("head -n 3; exec 0<&-; exit 7", "before its input did with exit status 7", 3),
        ("cat; exit 3", "ended with exit status 3 (2000 records were sent to it, 2000 came back)", 2000),
        ("cat; kill -9 $$", "ended with signal 9", 2000),
        ("head -n 2 | tr -d '\\n'; cat >/dev/null", "wrote 1 lines that are no records", 0),
        ("echo hello; cat", "the first is line 1 (\"hello\"): it is not hex", 2000),
        ("cat; printf 3120", "ends without a line feed", 2000),
        ("echo 3420610a; cat", "the kind is not 1, 2 or 3", 2000),
    ];
    for (script, expected, came_back) in cases {
        let (records, error) = through(script, text(2000, &"z".repeat(200)), PATIENCE);
        let error = error.unwrap_or_default();
        assert!(error.contains(expected), "{script}: {error}");
        assert_eq!(records.len(), came_back, "{script}: {error}");
    }
}

#[test]
fn a_child_that_hangs_after_its_input_is_killed_and_that_is_an_error_where_records_are_missing() {
    let cases = [
        ("cat; exec sleep 1000", 2, ""),
        (
            "head -n 1; cat >/dev/null; exec sleep 1000",
            1,
            "it was killed (2 records were sent to it, 1 came back)",
        ),
        ("cat; exec >&-; exec sleep 1000", 2, "closed its output and did not end"),
    ];
    for (script, came_back, expected) in cases {
        let (records, error) = through(script, text(2, "a"), Duration::from_millis(300));
        let error = error.unwrap_or_default();
        assert!(error.contains(expected) && error.is_empty() == expected.is_empty(), "{script}: {error}");
        assert_eq!(records.len(), came_back, "{script}");
    }
}

#[test]
fn quotes_hold_an_argument_together() {
    let (records, error) = through("test 'a b' = \"a b\" && cat", text(1, "a"), PATIENCE);
    assert_eq!((records.len(), error), (1, None));
    for (text, at) in [("", 0), ("  ", 2), ("node 'x", 7)] {
        assert_eq!(text.parse::<Command>().unwrap_err().at, at, "{text:?}");
    }
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let command: Command = "no-such-program --now".parse().unwrap();
    let source = Reader::new(&b""[..], Options::default());
    let error =
        Middleware::start(&command, source, PATIENCE, 1 << 20, &Arc::default()).unwrap_err().to_string();
    assert!(error.contains("no-such-program --now") && error.contains("no such file"), "{error}");
}
