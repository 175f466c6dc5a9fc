//! Records written as captures, and what reads them back: ourselves, etherparse, tshark.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use etherparse::{NetHeaders, PacketHeaders, TransportHeader};
use gor_tools::capture::{CaptureOptions, Recorder};
use gor_tools::conversation::{Conversations, PacketSink};
use gor_tools::packet::{CaptureFile, FileFormat};
use gor_tools::record::{Block, Header, Kind, Mark, Record, Sink};
use proptest::prelude::*;

use super::support::skip::skip;
use crate::support::program::run;
use crate::support::recorder;

const START: i64 = 1_700_000_000_000_000_000;

const FORMATS: [FileFormat; 2] = [FileFormat::Pcap, FileFormat::Pcapng];

const REQUESTS: [&str; 4] = [
    "GET /a HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /b HTTP/1.1\r\nContent-Length: 4\r\n\r\nabcd",
    "PUT /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nxyz\r\n0\r\n\r\n",
    "DELETE /d HTTP/1.0\r\n\r\n",
];

/// Responses to any of them; the last ends with its connection.
const RESPONSES: [&str; 4] = [
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 204 No Content\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nT: z\r\n\r\n",
    "HTTP/1.0 200 OK\r\n\r\nuntil the end",
];

fn record(kind: Kind, id: &str, timestamp: i64, latency: i64, payload: impl AsRef<[u8]>) -> Record {
    Record {
        kind,
        id: id.as_bytes().to_vec(),
        timestamp,
        latency: Some(latency),
        payload: payload.as_ref().to_vec(),
        ..Record::default()
    }
}

/// An id of the usual form.
fn id(session: u16, exchange: u32) -> String {
    format!("{:04x}1f900a000002{exchange:08x}", 40_000 + session)
}

fn block(records: &[Record]) -> Block {
    let mut block = Block::new();
    for record in records {
        block.push(&record.header(), &record.payload);
    }
    block
}

fn capture(records: &[Record], format: FileFormat) -> Vec<u8> {
    let mut conversations = Conversations::new(format);
    block(records).iter().for_each(|view| conversations.take(&view));
    conversations.finish();
    conversations.bytes().to_vec()
}

/// What is recorded from a capture, with patience for pauses of any length.
fn recorded(capture: &[u8]) -> Vec<Record> {
    let options = CaptureOptions {
        has_responses: true,
        allows_incomplete: true,
        expire: Some(i64::MAX / 4),
        ..CaptureOptions::default()
    };
    let mut recorder = Recorder::new(options);
    let (mut block, mut file) = (Block::new(), CaptureFile::new(capture).expect("a capture"));
    while let Some(packet) = file.next().expect("no damage") {
        recorder.packet(&packet, &mut block);
    }
    recorder.finish(&mut block);
    let ledger = recorder.ledger();
    assert_eq!(ledger.uneven(), Vec::<&str>::new(), "{ledger:?}");
    let mut records = Vec::new();
    for view in block.iter() {
        let mut record = Record::default();
        record.assign(&view);
        records.push(record);
    }
    records
}

/// Kind, id and payload.
type Told = (u8, String, Vec<u8>);

/// Kinds, ids and payloads, in one order for all.
fn told(records: &[Record]) -> Vec<Told> {
    let text = |id: &[u8]| String::from_utf8_lossy(id).into_owned();
    let mut told: Vec<_> =
        records.iter().map(|it| (it.kind.digit(), text(&it.id), it.payload.clone())).collect();
    told.sort();
    told
}

/// The same and times.
fn timed(records: &[Record]) -> Vec<(i64, Option<i64>, Told)> {
    let one = |it: &Record| told(std::slice::from_ref(it)).remove(0);
    let mut timed: Vec<_> = records.iter().map(|it| (it.timestamp, it.latency, one(it))).collect();
    timed.sort();
    timed
}

/// Every packet's checksums are right; of each direction the numbers go on
/// where the last segment ended, nothing is acknowledged before it was sent,
/// and time does not go back; every connection ends.
fn assert_well_formed(capture: &[u8]) {
    let mut file = CaptureFile::new(capture).expect("a capture");
    let (mut next, mut clocks, mut open) = (HashMap::new(), HashMap::new(), HashMap::new());
    while let Some(packet) = file.next().expect("no damage") {
        let headers = PacketHeaders::from_ethernet_slice(packet.bytes).expect("headers");
        let Some(NetHeaders::Ipv4(ip, _)) = headers.net else { panic!("no IPv4: {packet:?}") };
        let Some(TransportHeader::Tcp(tcp)) = headers.transport else { panic!("no TCP: {packet:?}") };
        let payload = headers.payload.slice();
        assert_eq!(ip.header_checksum, ip.calc_header_checksum());
        assert_eq!(Ok(tcp.checksum), tcp.calc_checksum_ipv4(&ip, payload));
        let ends = ((ip.source, tcp.source_port), (ip.destination, tcp.destination_port));
        let back = (ends.1, ends.0);
        let pair = ends.min(back);
        let clock = clocks.entry(pair).or_insert(i64::MIN);
        assert!(packet.time >= *clock, "time goes back at {tcp:?}");
        *clock = packet.time;
        if tcp.syn {
            if !tcp.ack {
                assert_eq!(open.insert(pair, 2), None, "opened twice: {tcp:?}");
                next.remove(&back);
            }
        } else {
            assert_eq!(next.get(&ends), Some(&tcp.sequence_number), "{tcp:?}");
        }
        if tcp.ack {
            let ahead = tcp.acknowledgment_number.wrapping_sub(next[&back]) as i32;
            assert!((-65_535..=0).contains(&ahead), "acknowledges {ahead} beyond what came: {tcp:?}");
        }
        let length = payload.len() as u32 + u32::from(tcp.syn) + u32::from(tcp.fin);
        next.insert(ends, tcp.sequence_number.wrapping_add(length));
        if tcp.fin {
            *open.get_mut(&pair).expect("it is open") -= 1;
        }
        if tcp.rst || open.get(&pair) == Some(&0) {
            open.remove(&pair);
        }
    }
    assert!(open.is_empty(), "left open: {open:?}");
}

prop_compose! {
    /// Records in any order and at any time, of few sessions: exchanges,
    /// halves of them, the same once more, with numbers that fit and that do not.
    fn any_records()(
        records in prop::collection::vec(
            (any::<bool>(), 0_u16..3, 0_u32..200, 0_usize..4, 0_i64..9_000_000, 0_i64..3_000_000),
            1..40,
        )
    ) -> Vec<Record> {
        records.into_iter().map(|(is_request, session, exchange, which, at, latency)| {
            let id = id(session, exchange.wrapping_sub(100));
            let (kind, payload) =
                if is_request { (Kind::Request, REQUESTS[which]) } else { (Kind::Response, RESPONSES[which]) };
            record(kind, &id, START + at * 1000, latency * 1000, payload)
        }).collect()
    }
}

/// Sessions as they are recorded: one exchange after the other, numbers that
/// go on by the length of the response, or somewhere else.
fn any_sessions() -> impl Strategy<Value = Vec<Record>> {
    let exchange =
        (0_usize..4, 0_usize..5, 0_i64..3_000_000_000, 0_i64..3_000_000_000, any::<bool>(), 0_usize..70_000);
    let session = (any::<u32>(), prop::collection::vec(exchange, 1..6));
    prop::collection::vec(session, 1..4).prop_map(|sessions| {
        let mut records = Vec::new();
        for (session, (mut number, exchanges)) in sessions.into_iter().enumerate() {
            let mut at = START + session as i64 * 1_234_567;
            for (request, response, latency, pause, fits, length) in exchanges {
                let id = id(session as u16, number);
                records.push(record(Kind::Request, &id, at, latency, REQUESTS[request]));
                at += latency + pause + 100_000;
                let body = "x".repeat(length);
                let large = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
                let payload = RESPONSES.get(response).map_or(large, ToString::to_string);
                number = number.wrapping_add(payload.len() as u32 + u32::from(!fits) * 77);
                records.push(record(Kind::Response, &id, at, latency / 2, payload));
                at += latency / 2 + pause + 100_000;
            }
        }
        records.sort_by_key(|record| record.timestamp + record.latency.unwrap_or(0));
        records
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn whatever_is_written_comes_back_under_its_id(records in any_records()) {
        let capture = capture(&records, FileFormat::Pcapng);
        assert_well_formed(&capture);
        prop_assert_eq!(told(&recorded(&capture)), told(&records));
    }

    #[test]
    fn sessions_come_back_with_their_times_to_the_nanosecond(records in any_sessions()) {
        for format in FORMATS {
            let capture = capture(&records, format);
            assert_well_formed(&capture);
            prop_assert_eq!(timed(&recorded(&capture)), timed(&records));
        }
    }
}

#[test]
fn pipelined_requests_keep_their_numbers_and_their_times() {
    let mut records = Vec::new();
    for number in 0..20 {
        let at = START + i64::from(number) * 10;
        records.push(record(Kind::Request, &id(0, 500 + number), at, 0, REQUESTS[number as usize % 3]));
    }
    for number in 0..20 {
        let at = START + 1_000_000 + i64::from(number) * 10;
        records.push(record(Kind::Response, &id(0, 500 + number), at, 0, RESPONSES[number as usize % 3]));
    }
    let capture = capture(&records, FileFormat::Pcapng);
    assert_well_formed(&capture);
    assert_eq!(timed(&recorded(&capture)), timed(&records));
    let mut file = CaptureFile::new(&capture[..]).expect("a capture");
    let mut packets = 0;
    while file.next().expect("no damage").is_some() {
        packets += 1;
    }
    assert_eq!(packets, 3 + 40 + 3, "one connection");
}

#[test]
fn what_is_not_whole_ends_by_a_reset_and_is_a_gap_again() {
    for (kind, mark) in [(Kind::Request, Mark::Cut), (Kind::Response, Mark::Gap)] {
        let mut records = vec![
            record(Kind::Request, &id(1, 7), START, 0, REQUESTS[0]),
            record(Kind::Response, &id(1, 7), START + 50, 0, RESPONSES[0]),
        ];
        let part = records.iter_mut().find(|record| record.kind == kind).expect("it is there");
        part.payload = if kind == Kind::Request {
            b"POST /b HTTP/1.1\r\nContent-Length: 400\r\n\r\nabcd".to_vec()
        } else {
            b"HTTP/1.0 200 OK\r\n\r\nup to the gap".to_vec()
        };
        part.mark = Some(mark);
        let capture = capture(&records, FileFormat::Pcap);
        assert_well_formed(&capture);
        let back = recorded(&capture);
        assert_eq!(told(&back), told(&records), "{kind:?}");
        let marks: Vec<_> = back.iter().filter(|it| it.kind == kind).map(|it| it.mark).collect();
        assert_eq!(marks, [Some(Mark::Gap)], "{kind:?}");
    }
}

#[test]
fn what_no_segment_can_tell_is_left_out_and_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.pcap").to_string_lossy().into_owned();
    let mut records = vec![
        record(Kind::Request, &id(1, 7), START, 0, REQUESTS[0]),
        record(Kind::Replayed, &id(1, 7), START + 50, 9, RESPONSES[0]),
        record(Kind::Response, &id(1, 7), START + 60, 0, ""),
    ];
    let ran = run("gor-filter", &["-o", &path], block(&records).bytes());
    ran.ends_with(0).says("left out of the capture: 1 replayed response, 1 record without payload");
    records.truncate(1);
    assert_eq!(told(&recorded(&std::fs::read(&path).unwrap())), told(&records));
}

#[test]
fn ids_of_other_forms_and_bytes_that_are_no_http_are_conversations_too() {
    let records = [
        record(Kind::Request, "932079936fa4306fc308d67588178d17d823647c", START, 0, REQUESTS[0]),
        record(Kind::Response, "932079936fa4306fc308d67588178d17d823647c", START + 50, 0, RESPONSES[0]),
        record(Kind::Request, &id(3, 8), START + 60, 0, b"\x00\xff\n\nnot HTTP"),
        record(Kind::Response, &id(3, 8), START + 70, 0, b"\x01\x02"),
    ];
    let capture = capture(&records, FileFormat::Pcapng);
    assert_well_formed(&capture);
    let http = recorded(&capture);
    assert_eq!(http.len(), 2, "{http:?}");
    assert!(http[0].id == http[1].id && http[0].payload == records[0].payload);
    let binary = recorder::record(&["-r", "-", "--responses", "--protocol", "binary"], &capture).records;
    let binary: Vec<_> = binary.into_iter().filter(|it| it.id == records[2].id).collect();
    assert_eq!(timed(&binary), timed(&records[2..]));
}

/// A sink's output, piece by piece.
#[derive(Clone, Default)]
struct Pieces(std::sync::Arc<std::sync::Mutex<Vec<Vec<u8>>>>);

impl std::io::Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().push(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn no_packet_is_split_between_two_writes() {
    let body = format!("HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n{}", "x".repeat(300_000));
    let mut records = Vec::new();
    for number in 0..20 {
        let at = START + i64::from(number) * 2_000_000_000;
        records.push(record(Kind::Request, &id(number as u16, 9), at, 0, REQUESTS[0]));
        records.push(record(Kind::Response, &id(number as u16, 9), at + 50, 900_000, &body));
    }
    for format in FORMATS {
        let pieces = Pieces::default();
        let mut sink = PacketSink::new(pieces.clone(), format, None);
        sink.write_block(&block(&records)).unwrap();
        sink.flush().unwrap();
        let (mut so_far, pieces_before) = (Vec::new(), pieces.0.lock().unwrap().clone());
        assert!(pieces_before.len() > 3, "{}", pieces_before.len());
        for piece in pieces_before {
            so_far.extend(piece);
            let mut file = CaptureFile::new(&so_far[..]).expect("a capture");
            while file.next().expect("it ends with a whole packet").is_some() {}
        }
        sink.finish().unwrap();
        let all = pieces.0.lock().unwrap().concat();
        assert_eq!(timed(&recorded(&all)), timed(&records));
    }
}

#[test]
fn more_than_is_held_back_and_more_than_is_open_is_written_all_the_same() {
    let body = format!("HTTP/1.1 200 OK\r\nContent-Length: 20000000\r\n\r\n{}", "x".repeat(20_000_000));
    let mut records = vec![
        record(Kind::Request, &id(0, 9), START, 0, REQUESTS[0]),
        record(Kind::Response, &id(0, 9), START + 50, 900_000, body),
    ];
    for number in 0..20_000_u32 {
        let id = format!("{:04x}1f900a000002{number:08x}", 1024 + number);
        records.push(record(Kind::Request, &id, START + 1000 + i64::from(number), 0, REQUESTS[0]));
    }
    let capture = capture(&records, FileFormat::Pcap);
    assert_well_formed(&capture);
    assert_eq!(recorded_whole(&capture), told(&records));
}

/// As [`recorded`], of messages of any length and any number of connections.
fn recorded_whole(capture: &[u8]) -> Vec<Told> {
    told(&recorder::record(&["-r", "-", "--responses", "--max-message", "1gb"], capture).records)
}

/// Captures whose own times contradict each other (packets of two directions
/// captured out of order, responses that are missing in a pipeline), so that some messages come back later.
const SKEWED: [&str; 2] = ["nginx-skewed.pcap", "nginx-lossy.pcap"];

#[test]
fn a_recording_written_as_a_capture_is_the_same_recording() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("x.pcapng").to_string_lossy().into_owned();
    let mut captures = 0;
    for entry in std::fs::read_dir("testdata").expect("testdata is there") {
        let path = entry.expect("testdata is readable").path();
        if !path.extension().is_some_and(|end| end == "pcap" || end == "pcapng") {
            continue;
        }
        let name = path.to_string_lossy().into_owned();
        let once = recorder::record(&["-r", &name, "--responses"], b"");
        run("gor-filter", &["-o", &out, "--force"], &once.ran.stdout);
        let twice = recorder::record(&["-r", &out, "--responses"], b"");
        assert_eq!(told(&twice.records), told(&once.records), "{name}");
        if !SKEWED.iter().any(|skewed| name.ends_with(skewed)) {
            assert_eq!(timed(&twice.records), timed(&once.records), "{name}");
        }
        captures += 1;
    }
    assert!(captures > 30, "{captures}");
}

/// What tshark says, or nothing where there is none.
fn tshark(args: &[&str]) -> Option<String> {
    let Ok(output) = Command::new("tshark").args(args).output() else {
        skip("tshark is not installed");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).expect("text"))
}

#[test]
fn tshark_reads_the_same_exchanges_and_finds_nothing_wrong() {
    let folder = tempfile::tempdir().expect("a folder");
    for (capture, end) in
        [("wrk.pcap", "pcap"), ("pipelining.pcap", "pcapng"), ("until-close.pcap", "pcapng")]
    {
        let out = folder.path().join(format!("{capture}.{end}")).to_string_lossy().into_owned();
        let capture = Path::new("testdata").join(capture).to_string_lossy().into_owned();
        let recording = recorder::record(&["-r", &capture, "--responses"], b"");
        run("gor-filter", &["-o", &out], &recording.ran.stdout).ends_with(0).is_silent();

        let checks = ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"];
        let Some(expert) = tshark(&[&["-r", &out, "-q", "-z", "expert,warn"][..], &checks].concat()) else {
            return;
        };
        assert!(!expert.contains("Warn") && !expert.contains("Error"), "{capture}\n{expert}");
        let flaws = "tcp.analysis.retransmission || tcp.analysis.out_of_order || tcp.analysis.lost_segment \
                     || tcp.analysis.ack_lost_segment || tcp.analysis.duplicate_ack || tcp.analysis.window_full";
        assert_eq!(tshark(&["-r", &out, "-Y", flaws]).as_deref(), Some(""), "{capture}");

        // As many as in the capture that the recording was made of, whose responses it may miscount itself.
        for field in ["http.request.method", "http.response.code"] {
            let count = |file: &str| {
                let found = tshark(&["-r", file, "-Y", "http", "-T", "fields", "-e", field]);
                let found = found.expect("it is there");
                found.split([',', '\n']).filter(|value| !value.is_empty()).count()
            };
            assert!(count(&out) > 0 && count(&out) == count(&capture), "{capture} {field}");
        }
        if end == "pcapng" {
            let comments = tshark(&["-r", &out, "-T", "fields", "-e", "frame.comment"]).expect("it is there");
            let mut comments: Vec<_> = comments.lines().filter(|line| !line.is_empty()).collect();
            let id = |record: &Record| String::from_utf8(record.id.clone()).expect("hex");
            let mut ids: Vec<_> = recording.records.iter().map(id).collect();
            comments.sort_unstable();
            ids.sort();
            assert_eq!(comments, ids, "{capture}");
        }
    }
}

#[test]
fn a_header_without_latency_is_a_message_of_one_moment() {
    let mut block = Block::new();
    let id = id(4, 4);
    let header = Header { id: id.as_bytes(), timestamp: START, ..Header::default() };
    block.push(&header, REQUESTS[0].as_bytes());
    let mut conversations = Conversations::new(FileFormat::Pcap);
    block.iter().for_each(|view| conversations.take(&view));
    conversations.finish();
    let back = recorded(conversations.bytes());
    assert_eq!((back[0].timestamp, back[0].latency), (START, Some(0)));
}
