//! Laws and cases of the gor text format.

use std::io::Read;

use proptest::prelude::*;

use super::*;
use crate::Error;

/// A reader that gives its bytes in pieces of the given sizes, in turn.
struct Pieces<'a> {
    bytes: &'a [u8],
    sizes: Vec<usize>,
    turn: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let size = self.sizes[self.turn % self.sizes.len()].min(self.bytes.len()).min(out.len());
        self.turn += 1;
        out[..size].copy_from_slice(&self.bytes[..size]);
        self.bytes = &self.bytes[size..];
        Ok(size)
    }
}

/// A stand-in for HTTP: a message is whole when it ends in an exclamation mark.
fn is_whole(_: Kind, payload: &[u8]) -> bool {
    payload.ends_with(b"!")
}

fn options() -> Options {
    Options { is_whole, ..Options::default() }
}

fn read_all(source: impl Source) -> (Vec<Record>, Intake) {
    let mut source = Records::new(source);
    let (mut records, mut record) = (Vec::new(), Record::default());
    while source.read(&mut record).expect("the input is readable") {
        records.push(record.clone());
    }
    (records, source.source().intake())
}

fn read_text(text: &[u8]) -> (Vec<Record>, Intake) {
    read_all(Reader::new(text, options()))
}

fn payloads(text: &str) -> (Vec<String>, Intake) {
    let (records, intake) = read_text(text.as_bytes());
    (records.into_iter().map(|record| String::from_utf8(record.payload).unwrap()).collect(), intake)
}

fn text_of(records: &[Record]) -> Vec<u8> {
    let mut block = Block::new();
    for record in records {
        block.push(&record.header(), &record.payload);
    }
    block.bytes().to_vec()
}

/// Payloads made of what could confuse a reader.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..20),
        2 => Just(SEPARATOR.to_vec()),
        1 => Just("🐵🙈🙉".as_bytes().to_vec()),
        1 => Just("\r\n🐵🙈🙉\r\n".as_bytes().to_vec()),
        1 => Just(b"1 abcdef0123 1000 5\n".to_vec()),
        1 => Just(b"\n".to_vec()),
        1 => Just(b"\r".to_vec()),
    ];
    prop::collection::vec(part, 0..6).prop_map(|parts| parts.concat())
}

fn record() -> impl Strategy<Value = Record> {
    let kind = prop_oneof![Just(Kind::Request), Just(Kind::Response), Just(Kind::Replayed)];
    let mark = prop_oneof![8 => Just(None), 1 => Just(Some(Mark::Cut)), 1 => Just(Some(Mark::Gap))];
    (kind, "[0-9a-f]{1,40}", 0..i64::MAX, prop::option::of(-1..i64::MAX), mark, payload()).prop_map(
        |(kind, id, timestamp, latency, mark, payload)| Record {
            kind,
            id: id.into_bytes(),
            timestamp,
            latency,
            mark,
            extra: Vec::new(),
            payload,
        },
    )
}

/// What a record reads back as: a length field brings a latency along.
fn as_read(record: &Record, text: &[u8]) -> Record {
    let line = text.split(|&byte| byte == b'\n').next().unwrap();
    Record { latency: Header::parse(line).unwrap().latency, ..record.clone() }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(records in prop::collection::vec(record(), 0..12)) {
        let (read, intake) = read_text(&text_of(&records));
        let expected: Vec<_> =
            records.iter().map(|record| as_read(record, &text_of(std::slice::from_ref(record)))).collect();
        prop_assert_eq!(read, expected);
        prop_assert_eq!(intake.malformed, 0);
        prop_assert_eq!(intake.unfinished, None);
    }

    #[test]
    fn however_the_input_is_cut_the_same_records_come_out(
        parts in prop::collection::vec(prop_oneof![
            record().prop_map(|record| text_of(&[record])),
            payload(),
        ], 0..8),
        sizes in prop::collection::vec(1_usize..40, 1..8),
        max_record in prop_oneof![Just(DEFAULT_MAX_RECORD), 20_u64..200],
    ) {
        let text = parts.concat();
        let options = Options { max_record, ..options() };
        let whole = read_all(Reader::new(&text[..], options));
        let pieces = read_all(Reader::new(Pieces { bytes: &text, sizes, turn: 0 }, options));
        prop_assert_eq!(whole, pieces);
    }

    #[test]
    fn times_are_read_as_the_standard_library_reads_them(
        time in prop_oneof![any::<i64>().prop_map(|time| time.to_string()), "-?[0-9/:]{1,20}"],
    ) {
        let line = format!("1 a {time}");
        let expected = time.parse::<i64>().ok().filter(|_| time.trim_start_matches('-').len() <= 19 && time != i64::MIN.to_string());
        prop_assert_eq!(Header::parse(line.as_bytes()).ok().map(|header| header.timestamp), expected);
    }

    #[test]
    fn raw_text_of_a_block_reads_as_the_same_records(parts in prop::collection::vec(payload(), 0..8)) {
        let text = [b"1 a 1 1\n".to_vec(), parts.concat()].concat();
        let mut reader = Reader::new(&text[..], options());
        let (mut block, mut again, mut records) = (Block::new(), Vec::new(), Vec::new());
        while reader.read_block(&mut block).unwrap() {
            block.runs(|_| true).for_each(|run| again.extend_from_slice(run.bytes()));
            for view in block.iter() {
                let mut record = Record::default();
                record.assign(&view);
                records.push(record);
            }
        }
        let raw: Vec<u8> = again;
        // A record that needed no length because of what followed it in its own
        // input keeps that neighbour here, so the text must read the same.
        prop_assert_eq!(read_text(&raw).0, records);
    }
}

#[test]
fn header_lines() {
    type Parsed<'a> = Result<(Kind, &'a str, i64, Option<i64>), Malformed>;
    let cases: &[(&str, Parsed<'_>)] = &[
        ("1 a1 1732 5", Ok((Kind::Request, "a1", 1732, Some(5)))),
        ("2 a1 1732", Ok((Kind::Response, "a1", 1732, None))),
        ("3 a1 1732 -1", Ok((Kind::Replayed, "a1", 1732, Some(-1)))),
        ("1 ids-may-be-anything 0 0 12 cut x y", Ok((Kind::Request, "ids-may-be-anything", 0, Some(0)))),
        ("4 a1 1732 5", Err(Malformed::Kind)),
        ("11 a1 1732 5", Err(Malformed::Kind)),
        ("", Err(Malformed::Kind)),
        ("1", Err(Malformed::Id)),
        ("1  1732 5", Err(Malformed::Id)),
        ("1 a1", Err(Malformed::Timestamp)),
        ("1 a1 soon", Err(Malformed::Timestamp)),
        ("1 a1 99999999999999999999", Err(Malformed::Timestamp)),
        ("1 a1 9999999999999999999", Err(Malformed::Timestamp)),
        ("1 a1 5 fast", Err(Malformed::Latency)),
        ("1 a1 5 5 -1", Err(Malformed::Length)),
        ("1 a1 5 5 x", Err(Malformed::Length)),
    ];
    for (line, expected) in cases {
        let parsed = Header::parse(line.as_bytes());
        let parsed = parsed.map(|h| (h.kind, std::str::from_utf8(h.id).unwrap(), h.timestamp, h.latency));
        assert_eq!(parsed, *expected, "{line:?}");
    }
}

#[test]
fn marks_and_unknown_fields_are_kept() {
    let text = "1 a 1 2 3 gap new fields\nabc\n🐵🙈🙉\n1 b 1 2 1 later\nx\n🐵🙈🙉\n";
    let (records, _) = read_text(text.as_bytes());
    assert_eq!(records[0].mark, Some(Mark::Gap));
    assert_eq!(records[0].extra, b"new fields");
    assert_eq!((records[1].mark, &records[1].extra[..]), (None, &b"later"[..]));
    assert_eq!(text_of(&records), text.as_bytes());
}

#[test]
fn a_bad_record_does_not_hide_the_next() {
    let good = "1 abcdef01 1 2\ngood\n🐵🙈🙉\n";
    for bad in ["9 abcdef01 1 2", "x abcdef01 1 2", "1 abcdef01", "1", "1 abcdef01 soon 2", "2 abcdef01 1 2x"]
    {
        let text = format!("{good}{bad}\nbad\n🐵🙈🙉\n{good}");
        let (read, intake) = payloads(&text);
        assert_eq!(read, ["good", "good"], "{bad:?}");
        let (position, _) = intake.first_malformed.expect(bad);
        assert_eq!((position.record, position.byte as usize), (2, good.len()), "{bad:?}");
        assert_eq!(intake.malformed, 1, "{bad:?}");
    }
}

#[test]
fn garbage_after_a_whole_message_is_a_record_of_its_own() {
    let (read, intake) = payloads("1 a 1 2\ngood!\n🐵🙈🙉\n#$%\nbad\n🐵🙈🙉\n1 b 1 2\ngood!\n🐵🙈🙉\n");
    assert_eq!((read.len(), intake.malformed), (2, 1));
}

#[test]
fn a_separator_line_in_a_body_does_not_end_the_record() {
    let (read, intake) = payloads("1 a 1 2\none\n🐵🙈🙉\ntwo!\n🐵🙈🙉\n1 b 1 2\nthree\n🐵🙈🙉\n");
    assert_eq!(read, ["one\n🐵🙈🙉\ntwo!", "three"]);
    assert_eq!(intake.malformed, 0);
}

#[test]
fn a_length_field_keeps_a_forged_record_inside_its_body() {
    let body = "x\n🐵🙈🙉\n1 f 1 2\nforged\n🐵🙈🙉\ny";
    let text = format!("1 a 1 2 {}\n{body}\n🐵🙈🙉\n1 b 1 2\nreal\n🐵🙈🙉\n", body.len());
    assert_eq!(payloads(&text).0, [body, "real"]);
}

#[test]
fn a_lying_length_does_not_hide_the_next() {
    for length in ["2", "5", "30", "4000000"] {
        let text = format!("1 a 1 2 {length}\nbad\n🐵🙈🙉\n1 b 1 2\ngood\n🐵🙈🙉\n");
        let (read, intake) = payloads(&text);
        assert_eq!(read, ["good"], "{length}");
        assert_eq!(intake.first_malformed.unwrap().1, Malformed::WrongLength, "{length}");
    }
}

#[test]
fn the_last_record_needs_no_separator() {
    for (text, payload, is_unfinished) in [
        ("1 a 1 2\nwhole!", "whole!", false),
        ("1 a 1 2\nhalf", "half", true),
        ("1 a 1 2\nwhole!\n🐵🙈", "whole!", false),
        ("1 a 1 2\nwhole!\n🐵🙈🙉", "whole!", false),
        ("1 a 1 2\nhalf\n", "half\n", true),
        ("1 a 1 2 4\nabcd", "abcd", false),
        ("1 a 1 2 4\nabcd\n🐵", "abcd", false),
    ] {
        let (read, intake) = payloads(text);
        assert_eq!(read, [payload], "{text:?}");
        assert_eq!(intake.unfinished.is_some(), is_unfinished, "{text:?}");
    }
}

#[test]
fn windows_line_ends_and_blank_lines_are_accepted_and_made_regular() {
    let text = "1 a 1 2\r\nGET\r\n\r\n\r\n🐵🙈🙉\r\n\r\n\n1 b 1 2\r\nPUT\r\n🐵🙈🙉\r\n";
    let mut reader = Reader::new(text.as_bytes(), options());
    let mut block = Block::new();
    let mut out = Vec::new();
    while reader.read_block(&mut block).unwrap() {
        block.runs(|_| true).for_each(|run| out.extend_from_slice(run.bytes()));
    }
    assert_eq!(String::from_utf8(out).unwrap(), "1 a 1 2\nGET\r\n\r\n\n🐵🙈🙉\n1 b 1 2\nPUT\n🐵🙈🙉\n");
}

#[test]
fn a_record_beyond_the_limit_is_refused_and_its_neighbours_are_not() {
    let body = "b".repeat(3 << 20);
    for length in ["", " 3145728"] {
        let text = format!("1 a 1 2\none\n🐵🙈🙉\n1 b 1 2{length}\n{body}\n🐵🙈🙉\n1 c 1 2\nthree\n🐵🙈🙉\n");
        let options = Options { max_record: 1000, ..options() };
        let (records, intake) = read_all(Reader::new(text.as_bytes(), options));
        let read: Vec<_> = records.iter().map(|record| record.payload.as_slice()).collect();
        assert_eq!(read, [&b"one"[..], b"three"]);
        assert_eq!((intake.too_large, intake.first_too_large.unwrap().record), (1, 2));
    }
}

#[test]
fn strict_reading_gives_the_good_records_and_then_the_error() {
    let text = "1 a 1 2\none\n🐵🙈🙉\n1 b soon\ntwo\n🐵🙈🙉\n1 c 1 2\nthree\n🐵🙈🙉\n";
    let mut source = Records::new(Reader::new(text.as_bytes(), Options { is_strict: true, ..options() }));
    let mut record = Record::default();
    assert!(source.read(&mut record).unwrap());
    assert_eq!(record.payload, b"one");
    let error = source.read(&mut record).unwrap_err();
    assert!(matches!(error, Error::Malformed { reason: Malformed::Timestamp, .. }), "{error}");
    assert_eq!(error.to_string(), "record 2 (byte 25): the timestamp is not a number of nanoseconds");
}

#[test]
fn an_input_that_fails_delivers_what_came_before() {
    struct Failing<'a>(&'a [u8]);
    impl Read for Failing<'_> {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            if self.0.is_empty() { Err(std::io::Error::other("torn")) } else { self.0.read(out) }
        }
    }
    let text = "1 a 1 2\none\n🐵🙈🙉\n1 b 1 2\ntwo!";
    let mut source = Records::new(Reader::new(Failing(text.as_bytes()), options()));
    let mut record = Record::default();
    assert!(source.read(&mut record).unwrap());
    assert!(source.read(&mut record).unwrap());
    assert_eq!(record.payload, b"two!");
    assert_eq!(source.read(&mut record).unwrap_err().to_string(), "torn");
}

#[test]
fn a_record_is_delivered_before_the_next_arrives() {
    /// Gives its bytes once, and must not be asked again.
    struct Once<'a>(Option<&'a [u8]>);
    impl Read for Once<'_> {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            self.0.take().expect("the reader waits for more").read(out)
        }
    }
    let text = "1 a 1 2\nwhole!\n🐵🙈🙉\n".as_bytes();
    let mut reader = Reader::new(Once(Some(text)), options());
    assert!(reader.read_block(&mut Block::new()).unwrap());
}

#[test]
fn a_large_body_is_read_in_linear_time_and_whole() {
    let body = vec![b'x'; 40 << 20];
    let text = [b"1 a 1 2\n", &body[..], SEPARATOR].concat();
    let (records, _) = read_all(Reader::new(Pieces { bytes: &text, sizes: vec![65536], turn: 0 }, options()));
    assert_eq!(records[0].payload.len(), body.len());
}
