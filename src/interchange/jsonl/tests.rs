//! Lines of JSON hold records without loss, and what is no record is counted.

use proptest::prelude::*;

use super::*;
use crate::interchange::{ImportOptions, JsonlSource};
use crate::record::{Block, Intake, Source};

const OPTIONS: ImportOptions = ImportOptions { max_record: 1 << 20, is_strict: false };

fn block(records: &[Record]) -> Block {
    let mut block = Block::new();
    for record in records {
        block.push(&record.header(), &record.payload);
    }
    block
}

fn written(block: &Block) -> Vec<u8> {
    let mut out = Vec::new();
    let mut sink = JsonlSink::new(&mut out);
    sink.write_block(block).unwrap();
    sink.finish().unwrap();
    out
}

/// Gor text of all that is read, and what is said of it.
fn read(text: &[u8], options: ImportOptions) -> (Vec<u8>, Intake, Option<crate::Error>) {
    let (mut source, mut block, mut out) = (JsonlSource::new(text, options), Block::new(), Vec::new());
    let failure = loop {
        match source.read_block(&mut block) {
            Ok(true) => out.extend_from_slice(block.bytes()),
            Ok(false) => break None,
            Err(error) => break Some(error),
        }
    };
    (out, source.intake(), failure)
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    let body = prop::collection::vec(any::<u8>(), 0..40);
    let text = "[ -~äß\r\n\u{0}\u{1b}]{0,20}".prop_map(String::into_bytes);
    let head = prop_oneof![
        Just("GET /a?b=c HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n".to_owned()),
        Just("HTTP/1.1 200 OK\r\nA:b\r\nC:  d \r\n\r\n".to_owned()),
        Just("HTTP/1.1 099 \r\n\r\n".to_owned()),
        Just("HTTP/1.1 200\r\nA: b\r\n\r\n".to_owned()),
        Just("\r\nGET / HTTP/1.1\nA: b\n c\n\n".to_owned()),
        Just("GET  /  HTTP/1.1\r\n\r\n".to_owned()),
        Just("no head".to_owned()),
        "[A-Z]{1,3} /[ -~ä]{0,5} HTTP/1\\.[01]\r\n([A-Za-z]{1,3}: ?[ -~ä]{0,4}\r\n){0,3}\r\n",
    ];
    (head, prop_oneof![body, text]).prop_map(|(head, body)| [head.into_bytes(), body].concat())
}

prop_compose! {
    fn record()(
        kind in prop::sample::select(&[Kind::Request, Kind::Response, Kind::Replayed][..]),
        id in prop_oneof!["[0-9a-f]{24}".prop_map(String::into_bytes), prop::collection::vec(0x80..=0xff_u8, 1..5)],
        timestamp in any::<i64>(),
        latency in any::<Option<i64>>(),
        mark in prop::option::of(prop::sample::select(&[Mark::Cut, Mark::Gap, Mark::Doubtful][..])),
        extra in prop_oneof![Just(Vec::new()), Just(b"a=b  c".to_vec()), Just(b"\xff\"\\".to_vec())],
        payload in payload(),
    ) -> Record {
        // The number with the most digits has no positive counterpart and is no timestamp in gor text.
        Record { kind, id, timestamp: timestamp.max(-i64::MAX), latency: latency.map(|it| it.max(-i64::MAX)), mark, extra, payload }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back_byte_for_byte(records in prop::collection::vec(record(), 1..8)) {
        let block = block(&records);
        let lines = written(&block);
        prop_assert_eq!(lines.split(|byte| *byte == b'\n').count() - 1, records.len());
        let (text, intake, failure) = read(&lines, OPTIONS);
        prop_assert!(failure.is_none());
        prop_assert_eq!((intake.records, intake.malformed), (records.len() as u64, 0));
        prop_assert_eq!(String::from_utf8_lossy(&text), String::from_utf8_lossy(block.bytes()));
        prop_assert!(text == block.bytes());
    }

    #[test]
    fn any_bytes_are_read_without_harm(text in prop::collection::vec(prop::sample::select(&b"{}\":,\n1\\ukind"[..]), 0..80)) {
        let (_, intake, failure) = read(&text, OPTIONS);
        prop_assert!(failure.is_none());
        prop_assert_eq!(intake.bytes, text.len() as u64);
    }

    #[test]
    fn a_cut_at_any_byte_is_told_and_hides_no_line_before_it(at in any::<prop::sample::Index>()) {
        let record = Record { id: b"a1".to_vec(), payload: b"GET / HTTP/1.1\r\n\r\n".to_vec(), ..Record::default() };
        let one = written(&block(std::slice::from_ref(&record)));
        let text = [&*one, &one].concat();
        let cut = one.len() + 1 + at.index(one.len() - 2);
        let (_, intake, _) = read(&text[..cut], OPTIONS);
        // Without its line feed alone a line is whole.
        let is_lost = u64::from(cut < text.len() - 1);
        prop_assert_eq!((intake.records, intake.lost), (2 - is_lost, is_lost));
    }
}

#[test]
fn a_line_has_the_fields_that_are_documented() {
    let request = Record {
        kind: Kind::Request,
        id: b"c74e1f900a00000200000001".to_vec(),
        timestamp: 1_700_000_000_000_000_001,
        latency: Some(5),
        payload: b"POST /a HTTP/1.1\r\nHost: b\r\nContent-Length: 1\r\n\r\nc".to_vec(),
        ..Record::default()
    };
    let line = written(&block(&[request]));
    let expected = concat!(
        r#"{"kind":"request","id":"c74e1f900a00000200000001","time":"2023-11-14T22:13:20.000000001Z","latency_ns":5,"#,
        r#""method":"POST","target":"/a","version":"HTTP/1.1","headers":[["Host","b"],["Content-Length","1"]],"body":"c"}"#,
        "\n"
    );
    assert_eq!(String::from_utf8(line).unwrap(), expected);
    let page = include_str!("../../../man/gor-jsonl.5");
    let missing: Vec<_> = FIELDS.iter().filter(|name| !page.contains(&format!(".B {name}\n"))).collect();
    assert!(missing.is_empty(), "man/gor-jsonl.5 does not explain {missing:?}");
}

#[test]
fn what_is_no_record_is_skipped_counted_and_named() {
    let good = r#"{"kind":"request","id":"a","time":"2023-11-14T22:13:20Z","body":"b"}"#;
    for (line, reason) in [
        ("nonsense", Malformed::NoJson),
        (r#"{"kind":"request""#, Malformed::NoJson),
        ("\u{fffd}", Malformed::NoJson),
        (
            r#"{"kind":"request","id":"a","time":"2023-11-14T22:13:20Z","Body":"b"}"#,
            Malformed::Object("a field is missing, unknown, or of another type"),
        ),
        (
            r#"{"kind":"request","time":"2023-11-14T22:13:20Z"}"#,
            Malformed::Object("id, mark and extra do not make a header line"),
        ),
        (
            r#"{"kind":"request","id":"a b","time":"2023-11-14T22:13:20Z"}"#,
            Malformed::Object("id, mark and extra do not make a header line"),
        ),
        (
            r#"{"kind":"request","id":"a\n1","time":"2023-11-14T22:13:20Z"}"#,
            Malformed::Object("id, mark and extra do not make a header line"),
        ),
        (
            r#"{"kind":"request","id":"a","extra":"cut","time":"2023-11-14T22:13:20Z"}"#,
            Malformed::Object("id, mark and extra do not make a header line"),
        ),
        (r#"{"kind":"request","id":"a","time":"yesterday"}"#, Malformed::Object("time is not RFC 3339")),
        (
            r#"{"kind":"request","id":"a","time":"2400-01-01T00:00:00Z"}"#,
            Malformed::Object("time is out of range"),
        ),
        (
            r#"{"kind":"request","id":"a","time":"2023-11-14T22:13:20Z","body_base64":"?"}"#,
            Malformed::Object("a field is not base64"),
        ),
        (
            r#"{"kind":"request","id":"a","time":"2023-11-14T22:13:20Z","body":"a","body_base64":"YQ=="}"#,
            Malformed::Object("a field is there as text and in base64"),
        ),
        (
            r#"{"kind":"request","id":"a","time":"2023-11-14T22:13:20Z","method":"GET"}"#,
            Malformed::Object("a request has method, target, version and headers"),
        ),
        (
            r#"{"kind":"response","id":"a","time":"2023-11-14T22:13:20Z","method":"GET"}"#,
            Malformed::Object("a response has version, status, reason and headers"),
        ),
        (
            r#"{"kind":"request","id":"a","time":"2023-11-14T22:13:20Z","head":"","method":"GET"}"#,
            Malformed::Object("head takes the place of other fields"),
        ),
    ] {
        let text = format!("{good}\r\n\n{line}\n{good}");
        let (_, intake, failure) = read(text.as_bytes(), OPTIONS);
        assert!(failure.is_none(), "{line}");
        assert_eq!((intake.records, intake.malformed), (2, 1), "{line}");
        let (position, found) = intake.first_malformed.unwrap();
        assert_eq!((position.record, position.byte, found), (2, good.len() as u64 + 3, reason), "{line}");
        let (_, intake, failure) = read(text.as_bytes(), ImportOptions { is_strict: true, ..OPTIONS });
        assert_eq!((intake.records, failure.is_some()), (1, true), "{line}");
    }
}

#[test]
fn a_line_that_is_too_long_takes_no_memory_and_hides_none_after_it() {
    let good = r#"{"kind":"request","id":"a","time":"2023-11-14T22:13:20Z","body":"b"}"#;
    let options = ImportOptions { max_record: 1000, ..OPTIONS };
    for length in [2000, 400_000, 4_000_000] {
        let long = good.replace("\"b\"", &format!("\"{}\"", "b".repeat(length)));
        let text = format!("{good}\n{long}\n{good}\n");
        let mut source = JsonlSource::new(text.as_bytes(), options);
        let (mut block, mut largest) = (Block::new(), 0);
        while source.read_block(&mut block).unwrap() {
            largest = largest.max(source.buffer_size());
        }
        let intake = source.intake();
        assert_eq!((intake.records, intake.too_large), (2, 1), "{length}");
        assert_eq!(intake.first_too_large.map(|position| position.record), Some(2));
        assert!(largest < 2 << 20, "{largest} bytes for a line of {length}");
    }
}
