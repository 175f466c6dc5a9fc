//! What is written as HAR is read back as the same exchanges.

use std::sync::Mutex;

use proptest::prelude::*;

use super::*;
use crate::http::coding::{self, Coding};
use crate::interchange::exchange_sink::ExchangeSink;
use crate::interchange::{HarSource, ImportOptions};
use crate::record::{Block, Sink, Source};

const OPTIONS: ImportOptions = ImportOptions { max_record: 1 << 20, is_strict: true };

fn written(records: &[Record]) -> Vec<u8> {
    let (mut block, mut out) = (Block::new(), Vec::new());
    for record in records {
        block.push(&record.header(), &record.payload);
    }
    let mut sink = ExchangeSink::new(HarFormat::default(), &mut out, None);
    sink.write_block(&block).unwrap();
    sink.finish().unwrap();
    out
}

fn read(text: &[u8]) -> Vec<Record> {
    let input = std::io::Cursor::new(text.to_vec());
    let (mut source, mut block) = (HarSource::new(input, OPTIONS).unwrap(), Block::new());
    let mut records = Vec::new();
    while source.read_block(&mut block).unwrap() {
        records.extend(block.iter().map(|view| <Record as crate::show::KeptMessage>::keep(&view)));
    }
    records
}

/// What must be the same of a record before and behind: time, latency, start line, fields, decoded body.
type Essence = (Kind, Vec<u8>, i64, i64, Vec<u8>, Vec<(String, Vec<u8>)>, Vec<u8>);

fn essence(record: &Record) -> Essence {
    let mut remarks = Remarks::default();
    let message = Message::of(record, &mut remarks).expect("HTTP");
    let start = message.head.start_line().to_vec();
    let is_framing = |name: &str| {
        ["content-length", "transfer-encoding", "content-encoding"].contains(&&*name.to_ascii_lowercase())
    };
    let fields = message.fields(&mut remarks).into_iter();
    let fields = fields
        .filter(|field| !is_framing(field.name))
        .map(|field| (field.name.to_owned(), field.value.into_owned()));
    let body = message.decoded(&mut remarks).into_owned();
    assert_eq!(remarks.text(), None);
    (record.kind, record.id.clone(), record.timestamp, record.latency.unwrap(), start, fields.collect(), body)
}

fn framed(start: &str, fields: &str, body: &[u8], is_chunked: bool, codes: &str) -> Vec<u8> {
    let codings = match codes {
        "gzip" => vec![Coding::Gzip],
        "deflate" => vec![Coding::Deflate { is_bare: false }],
        "br" => vec![Coding::Brotli],
        "zstd" => vec![Coding::Zstd],
        _ => vec![],
    };
    let coding = if codes.is_empty() { String::new() } else { format!("Content-Encoding: {codes}\r\n") };
    let sent = coding::encode(body, &codings).unwrap();
    let (framing, sent) = if is_chunked {
        let chunk = |part: &[u8]| [format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat();
        let chunks = sent.chunks(7).map(chunk).collect::<Vec<_>>().concat();
        ("Transfer-Encoding: chunked".to_owned(), [&*chunks, b"0\r\n\r\n"].concat())
    } else {
        (format!("Content-Length: {}", sent.len()), sent)
    };
    [format!("{start}\r\n{fields}{coding}{framing}\r\n\r\n").as_bytes(), &sent].concat()
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        "[ -~äß\r\n\u{0}\u{1b}\u{feff}]{0,20}".prop_map(String::into_bytes),
    ]
}

fn fields() -> impl Strategy<Value = String> {
    let types =
        "(Content-Type: (text/plain(; charset=(utf-8|iso-8859-1|\"UTF-16\"|iso-2022-jp|x))?|image/png)\r\n)?";
    let others = "(([A-Za-z]{1,3}|Cookie|Set-Cookie|X-Q): ([!-~ä]([ -~ä]{0,6}[!-~ä])?)?\r\n){0,3}";
    (types, others).prop_map(|(types, others)| types + &others)
}

prop_compose! {
    fn exchange(number: usize)(
        method in prop::sample::select(vec!["GET", "POST", "M-SEARCH"]),
        target in "/[!-\"$-~]{0,12}",
        host in "[a-z]{1,5}(:[1-9][0-9]{0,3})?",
        version in prop::sample::select(vec!["HTTP/1.0", "HTTP/1.1"]),
        status in prop_oneof![200_u16..204, 205..304_u16, 305..1000_u16],
        reason in "([!-~ä]([ -~ä]{0,6}[!-~ä])?)?",
        (asked, answered) in (fields(), fields()),
        (sent, got) in (body(), body()),
        is_chunked in any::<[bool; 2]>(),
        codes in prop::array::uniform2(prop::sample::select(vec!["", "gzip", "br", "zstd", "deflate"])),
        time in 0..4_000_000_000_000_000_000_i64,
        durations in prop::array::uniform4(0..100_000_000_000_i64),
        kinds in prop::sample::select(vec![vec![Kind::Response], vec![Kind::Replayed], vec![Kind::Response, Kind::Replayed], vec![]]),
        port in prop::sample::select(vec![80_u16, 443]),
    ) -> Vec<Record> {
        let [send, wait, receive, _] = durations;
        let id = format!("{number:04x}{port:04x}7f0000010000{number:04x}").into_bytes();
        let asked = format!("Host: {host}\r\n{asked}");
        let request = framed(&format!("{method} {target} {version}"), &asked, &sent, is_chunked[0], codes[0]);
        let request = Record { kind: Kind::Request, id: id.clone(), timestamp: time, latency: Some(send), payload: request, ..Record::default() };
        let response = framed(&format!("{version} {status} {reason}"), &answered, &got, is_chunked[1], codes[1]);
        let answers = kinds.into_iter().map(|kind| Record {
            kind,
            id: id.clone(),
            timestamp: if kind == Kind::Response { time + send + wait } else { time },
            latency: Some(if kind == Kind::Response { receive } else { send + wait }),
            payload: response.clone(),
            ..Record::default()
        });
        std::iter::once(request).chain(answers).collect()
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back_as_the_same_exchanges(exchanges in (0..4_usize).prop_flat_map(|count| (0..count).map(exchange).collect::<Vec<_>>())) {
        let mut records = exchanges.concat();
        let text = written(&records);
        prop_assert!(serde_json::from_slice::<serde::de::IgnoredAny>(&text).is_ok());
        let mut back = read(&text);
        // An exchange that is not answered comes when its time is over.
        let key = |record: &Record| (record.id.clone(), record.kind as u8);
        records.sort_by_key(key);
        back.sort_by_key(key);
        let essences = |records: &[Record]| records.iter().map(essence).collect::<Vec<_>>();
        prop_assert_eq!(essences(&back), essences(&records));
    }

    #[test]
    fn any_bytes_become_json(
        payloads in prop::collection::vec((prop::sample::select(vec![Kind::Request, Kind::Response, Kind::Replayed]), 0..3_u8, any::<(i64, Option<i64>)>(),
            prop_oneof![
                prop::collection::vec(any::<u8>(), 0..60),
                "(GET|POST|\u{e4}) [ -~ä\r\n\u{0}]{0,12} HTTP/1.1\r\n([A-Za-z:@ä]{1,4}[: ]{1,2}[ -~ä\r\u{0}]{0,6}\r\n){0,3}\r\n[ -~]{0,5}".prop_map(String::into_bytes),
                "HTTP/1.1 [0-9]{3} [ -~ä]{0,4}\r\n(Content-Encoding: gzip\r\n|Set-Cookie: [ -~]{0,9}\r\n|Transfer-Encoding: chunked\r\n){0,3}\r\n[ -~]{0,5}".prop_map(String::into_bytes),
            ]), 0..6),
    ) {
        let records: Vec<_> = payloads.into_iter().map(|(kind, id, (time, latency), payload)| Record {
            kind, id: vec![b'a' + id], timestamp: time.max(-i64::MAX), latency: latency.map(|it| it.max(-i64::MAX)), payload, ..Record::default()
        }).collect();
        let text = written(&records);
        let value: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
        prop_assert!(value["log"]["entries"].is_array());
    }
}

/// What was told by the latest sink of the test below.
static TOLD: Mutex<String> = Mutex::new(String::new());

#[test]
fn what_cannot_be_carried_is_counted_and_told() {
    let record = |kind, id: &str, timestamp, payload: &[u8]| Record {
        kind,
        id: id.into(),
        timestamp,
        latency: Some(5),
        payload: payload.to_vec(),
        ..Record::default()
    };
    let get = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let (request, response) = (record(Kind::Request, "a", 0, get), record(Kind::Response, "a", 7, ok));
    let with = |payload: &[u8]| vec![record(Kind::Request, "a", 0, payload), response.clone()];
    let answered = |payload: &[u8]| vec![request.clone(), record(Kind::Response, "a", 7, payload)];
    let marked = Record { mark: Some(crate::record::Mark::Gap), ..request.clone() };
    let cases: Vec<(Vec<Record>, &str)> = vec![
        (vec![request.clone(), response.clone()], ""),
        (vec![request.clone()], "1 response that is missing"),
        (vec![response.clone()], "1 response without request"),
        (vec![marked, response.clone()], "1 message with gaps"),
        (with(b"\x16\x03\x01"), "1 record that is no message of HTTP/1, 1 response without request"),
        (with(b"GET / HTTP/1.1\r\n\r\n"), "1 request without Host, whose URL has unknown.invalid"),
        (
            with(b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"),
            "1 target with bytes that URLs cannot have, now percent-encoded",
        ),
        (with(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), "1 target that is neither path nor URL"),
        (with(b"GET / HTTP/1.1\r\nHost: a\r\nX y: z\r\n\r\n"), "1 header line that is none of HTTP"),
        (
            with(b"GET / HTTP/1.1\r\nHost: a\r\nX: \xe4\r\n\r\n"),
            "1 header value that is not UTF-8, read as Latin-1",
        ),
        (
            with(b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n"),
            "1 header value whose line ends or NULs are now spaces",
        ),
        (with(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), "1 request's further Host headers"),
        (
            with(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n\xff"),
            "1 binary body of a request, in base64 that other programs take for text",
        ),
        (
            answered(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n\r\n"),
            "1 message's trailers",
        ),
        (answered(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nabc"), "1 message's bytes after its end"),
        (
            answered(b"HTTP/1.1 200 OK\r\nContent-Encoding: x\r\nContent-Length: 1\r\n\r\na"),
            "1 body that does not decode, as it was sent",
        ),
        (vec![record(Kind::Request, "a", 9, get), response.clone()], "1 response before its request"),
        (
            vec![record(Kind::Request, "a", 5, get), response.clone()],
            "1 request's end after its response had begun",
        ),
    ];
    for (records, expected) in cases {
        TOLD.lock().unwrap().clear();
        let mut block = Block::new();
        for record in &records {
            block.push(&record.header(), &record.payload);
        }
        let tell: crate::observe::Tell = |text| TOLD.lock().unwrap().push_str(&text.to_string());
        let mut out = Vec::new();
        let mut sink = ExchangeSink::new(HarFormat::default(), &mut out, Some(tell));
        sink.write_block(&block).unwrap();
        sink.finish().unwrap();
        let expected =
            if expected.is_empty() { String::new() } else { format!("not carried over to HAR: {expected}") };
        assert_eq!(*TOLD.lock().unwrap(), expected, "{records:?}");
        assert!(serde_json::from_slice::<serde::de::IgnoredAny>(&out).is_ok());
    }
}

#[test]
fn an_entry_has_what_har_asks_for() {
    let request = "POST /a%20b?c=d+e&f HTTP/1.1\r\nHost: shop:8080\r\nCookie: a=b; c=d\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok";
    let response = "HTTP/1.1 302 Found\r\nSet-Cookie: s=1; Path=/; HttpOnly; Expires=Wed, 21 Oct 2015 07:28:00 GMT\r\nLocation: /x\r\n\
                    Content-Length: 1\r\n\r\n!";
    let id = b"d4311f907f00000100000001".to_vec();
    let record = |kind, timestamp, latency, payload: &str| Record {
        kind,
        id: id.clone(),
        timestamp,
        latency: Some(latency),
        payload: payload.into(),
        ..Record::default()
    };
    let text = written(&[
        record(Kind::Request, 1_700_000_000_000_000_000, 1_000_000, request),
        record(Kind::Response, 1_700_000_000_003_500_000, 250_000, response),
    ]);
    let file: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let expected = serde_json::json!({
        "_id": "d4311f907f00000100000001",
        "startedDateTime": "2023-11-14T22:13:20Z",
        "time": 3.75,
        "request": {
            "method": "POST", "url": "http://shop:8080/a%20b?c=d+e&f", "httpVersion": "HTTP/1.1",
            "cookies": [{"name": "a", "value": "b"}, {"name": "c", "value": "d"}],
            "headers": [{"name": "Host", "value": "shop:8080"}, {"name": "Cookie", "value": "a=b; c=d"},
                {"name": "Content-Type", "value": "text/plain"}, {"name": "Content-Length", "value": "2"}],
            "queryString": [{"name": "c", "value": "d e"}, {"name": "f", "value": ""}],
            "postData": {"mimeType": "text/plain", "text": "ok", "params": []},
            "headersSize": request.len() - 2, "bodySize": 2,
        },
        "response": {
            "status": 302, "statusText": "Found", "httpVersion": "HTTP/1.1",
            "cookies": [{"name": "s", "value": "1", "path": "/", "expires": "2015-10-21T07:28:00Z", "httpOnly": true, "secure": false}],
            "headers": [{"name": "Set-Cookie", "value": "s=1; Path=/; HttpOnly; Expires=Wed, 21 Oct 2015 07:28:00 GMT"},
                {"name": "Location", "value": "/x"}, {"name": "Content-Length", "value": "1"}],
            "content": {"size": 1, "mimeType": "x-unknown", "text": "!"},
            "redirectURL": "/x", "headersSize": response.len() - 1, "bodySize": 1,
        },
        "cache": {},
        "timings": {"blocked": -1.0, "dns": -1.0, "connect": -1.0, "send": 1.0, "wait": 2.5, "receive": 0.25, "ssl": -1.0},
        "connection": "54321",
    });
    assert_eq!(file["log"]["entries"], serde_json::json!([expected]));
    assert_eq!(
        (&file["log"]["version"], &file["log"]["creator"]["name"]),
        (&"1.2".into(), &"gor-tools".into())
    );
}
