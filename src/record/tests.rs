//! Laws and cases of the gor text format.

mod effort;

use std::io::Read;
use std::ops::Range;

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

/// Hands over vectors with unused bytes at their front, where what is kept of the last one finds room in most cases.
struct HandedOver<R> {
    pieces: R,
    room: usize,
}

impl<R: Read> TextFeed for HandedOver<R> {
    fn read_more(&mut self, text: &mut Vec<u8>, kept: usize, _: usize) -> std::io::Result<Range<usize>> {
        let mut piece = vec![b'x'; self.room + 50];
        let read = self.pieces.read(&mut piece[self.room..])?;
        piece.truncate(self.room + read);
        Ok(hand_over(text, kept, piece, self.room).0)
    }
}

/// An input that cannot be read.
struct Torn;

impl Read for Torn {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(std::io::Error::other("torn"))
    }
}

/// A stand-in for HTTP: a message is whole when it ends in an exclamation mark.
#[derive(Debug)]
pub(super) struct EndsInMark;

impl MessageFraming for EndsInMark {
    fn is_whole(&mut self, payload: &[u8]) -> bool {
        payload.ends_with(b"!")
    }
}

fn options() -> ReaderOptions {
    ReaderOptions { framing: |_| Box::new(EndsInMark), ..ReaderOptions::default() }
}

fn read_all(source: impl Source) -> (Vec<Record>, Intake) {
    let mut source = Records::new(source);
    let (mut records, mut record) = (Vec::new(), Record::default());
    while source.read(&mut record).expect("the input is readable") {
        records.push(record.clone());
    }
    (records, source.source().intake())
}

/// All records as they stand in their blocks, where they stood in the stream, and what was wrong.
fn read_in_place(mut source: impl Source) -> (Vec<InPlace>, Intake) {
    let (mut records, mut block) = (Vec::new(), Block::new());
    while source.read_block(&mut block).expect("the input is readable") {
        records.extend(in_place(&block));
    }
    (records, source.intake())
}

/// The same of an input that fails, and its error.
fn read_to_failure(mut source: impl Source) -> (Vec<InPlace>, crate::Error) {
    let (mut records, mut block) = (Vec::new(), Block::new());
    loop {
        match source.read_block(&mut block) {
            Ok(true) => records.extend(in_place(&block)),
            Ok(false) => panic!("the input fails"),
            Err(error) => return (records, error),
        }
    }
}

/// Where a record stood in its stream, and its text.
type InPlace = (crate::Position, Vec<u8>);

fn in_place(block: &Block) -> impl Iterator<Item = InPlace> {
    block.iter().map(|view| (view.position, view.raw.to_vec()))
}

fn read_text(text: &[u8]) -> (Vec<Record>, Intake) {
    read_all(Reader::new(text, options()))
}

/// Payloads that mostly hold the header line of another record, behind a message that may be whole.
fn payload_with_header() -> impl Strategy<Value = Vec<u8>> {
    let separator = prop_oneof![4 => Just(""), 1 => Just("x\n\u{1f435}\u{1f648}\u{1f649}\ny")];
    let line = prop_oneof![
        3 => Just("1 c74e1f900a00000200000001 1790000000000000000 5\n"),
        1 => Just("1 c74e1f900a00000200000001 1790000000 5\n"),
    ];
    ("[a-z]{1,30}!?", separator, line, "[a-z]{0,9}!").prop_map(|(before, separator, line, after)| {
        format!("{before}{separator}\n{line}{after}").into_bytes()
    })
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
        2 => Just(b"1 0123456789abcdef 1790000000000000000 5\n".to_vec()),
        1 => Just(b"1 0123456789abcdef 1790000000000000000 5\r".to_vec()),
        2 => Just(b"1 0123456789abcdef01234567 1790000000000000000 5\n".to_vec()),
        1 => Just(b"2 0123456789abcdef0123\n567 1790000000000000000 5\n".to_vec()),
        1 => Just(b"\n\xf0\x9f\x90\xb5\xf0\x9f\x99\x88\xf0\x9f\x99\x88\n\xf0".to_vec()),
        1 => Just(b"\n".to_vec()),
        1 => Just(b"\r".to_vec()),
    ];
    prop::collection::vec(part, 0..6).prop_map(|parts| parts.concat())
}

fn record() -> impl Strategy<Value = Record> {
    let kind = prop_oneof![Just(Kind::Request), Just(Kind::Response), Just(Kind::Replayed)];
    let mark = prop_oneof![8 => Just(None), 1 => Just(Some(Mark::Cut)), 1 => Just(Some(Mark::Gap))];
    // Half of them as recorders write them.
    let id = prop_oneof!["[0-9a-f]{1,40}", "[0-9a-f]{24}"];
    let time = prop_oneof![0..i64::MAX, 1_790_000_000_000_000_000_i64..1_800_000_000_000_000_000];
    (kind, id, time, prop::option::of(-1..i64::MAX), mark, payload()).prop_map(
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

/// A record's text with this length in its header.
fn with_length(record: &Record, length: i64, is_crlf: bool) -> Vec<u8> {
    let (end, separator) =
        if is_crlf { ("\r\n", "\r\n🐵🙈🙉\r\n") } else { ("\n", "\n🐵🙈🙉\n") };
    let digit = char::from(record.kind.digit());
    let head = format!("{digit} a1 {} 5 {length}{end}", record.timestamp);
    [head.as_bytes(), &record.payload, separator.as_bytes()].concat()
}

/// The text of records that all have their length.
fn with_lengths(records: &[Record], is_crlf: bool) -> Vec<u8> {
    records.iter().flat_map(|record| with_length(record, record.payload.len() as i64, is_crlf)).collect()
}

/// What may stand between records and is none.
fn noise() -> impl Strategy<Value = &'static [u8]> {
    prop::sample::select(vec![
        &b""[..],
        b"\n",
        b"\r\n\r\n",
        "🐵🙈🙉\n".as_bytes(),
        "\n🐵🙈🙉\n\n🐵🙈🙉\r\n".as_bytes(),
        &[0; 5],
        &[0; 3000],
        "\0\0\n🐵🙈🙉\n\0".as_bytes(),
        b"\0\r\n\n\0\r\n\0\n",
        b"a line of a log\n",
        b"1 deadbeef soon 0\n",
        "9 deadbeef 1 0\nGET / HTTP/1.1\r\n\r\n\n🐵🙈🙉\n".as_bytes(),
        "2 deadbeef 1 0\n🐵🙈🙉\n".as_bytes(),
        "1 deadbeef 1 0\r\n🐵🙈🙉\r\n".as_bytes(),
        "1 deadbeef 1 0 99999999999999\nGET!\n🐵🙈🙉\n".as_bytes(),
        "1 deadbeef 1 0 99999999999999999999\nx\n🐵🙈🙉\n1 f 1 2\nforged\n🐵🙈🙉\ny!\n🐵🙈🙉\n".as_bytes(),
    ])
}

/// Records, what could be their payloads, and what stands between them, in any order.
fn damaged_text() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        record().prop_map(|record| text_of(&[record])),
        payload(),
        noise().prop_map(<[u8]>::to_vec),
    ];
    prop::collection::vec(part, 0..8).prop_map(|parts| parts.concat())
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
        text in damaged_text(),
        sizes in prop::collection::vec(1_usize..40, 1..8),
        room in prop_oneof![0_usize..20, 20_usize..200],
        max_record in prop_oneof![Just(DEFAULT_MAX_RECORD), 20_u64..200],
    ) {
        let options = ReaderOptions { max_record, ..options() };
        let whole = read_all(Reader::new(&text[..], options));
        let pieces = || Pieces { bytes: &text, sizes: sizes.clone(), turn: 0 };
        prop_assert_eq!(whole, read_all(Reader::new(pieces(), options)));
        let in_place = read_in_place(Reader::new(pieces(), options));
        let handed_over = HandedOver { pieces: pieces(), room };
        prop_assert_eq!(in_place, read_in_place(Reader::new(handed_over, options)));
    }

    #[test]
    fn what_comes_before_a_failure_reads_as_if_the_input_ended_there(
        text in damaged_text(),
        sizes in prop::collection::vec(1_usize..40, 1..8),
        room in prop_oneof![0_usize..20, 20_usize..200],
        cut in any::<prop::sample::Index>(),
    ) {
        let text = &text[..cut.index(text.len() + 1)];
        let pieces = || Pieces { bytes: text, sizes: sizes.clone(), turn: 0 };
        let (whole, _) = read_in_place(Reader::new(pieces(), options()));
        let handed_over = HandedOver { pieces: pieces().chain(Torn), room };
        for (records, error) in [
            read_to_failure(Reader::new(pieces().chain(Torn), options())),
            read_to_failure(Reader::new(handed_over, options())),
        ] {
            prop_assert_eq!(&records, &whole);
            prop_assert_eq!(error.to_string(), "torn");
        }
    }

    #[test]
    fn a_record_with_another_payload_has_the_header_that_is_written_anew(
        records in prop::collection::vec(record(), 1..6), payload in payload()
    ) {
        let text = text_of(&records);
        let mut read = Block::new();
        let mut reader = Reader::new(&text[..], options());
        while reader.read_block(&mut read).unwrap() {
            let (mut quick, mut anew) = (Block::new(), Block::new());
            for view in read.iter() {
                let (head, body) = payload.split_at(payload.len() / 3);
                quick.push_message(&view, [head, body]);
                anew.push(&view.header, &payload);
            }
            prop_assert_eq!(quick.bytes(), anew.bytes());
            let parts = |block: &Block| block.iter().map(|view| (view.header.length, view.payload.to_vec(), view.raw.to_vec())).collect::<Vec<_>>();
            prop_assert_eq!(parts(&quick), parts(&anew));
        }
    }

    #[test]
    fn searches_find_the_same_wherever_the_blocks_are_searched(
        payloads in prop::collection::vec(payload_with_header(), 1..8),
        is_cut in any::<bool>(),
        sizes in prop::collection::vec(1_usize..200, 1..8),
        order in any::<prop::sample::Index>(),
    ) {
        let record = |payload: &Vec<u8>| [b"1 a 1 1\n".to_vec(), payload.clone(), SEPARATOR.to_vec()].concat();
        let mut text = payloads.iter().map(record).collect::<Vec<_>>().concat();
        text.truncate(text.len() - usize::from(is_cut) * SEPARATOR.len());
        let pieces = || Pieces { bytes: &text, sizes: sizes.clone(), turn: 0 };

        let mut reader = Reader::new(&text[..], options());
        while reader.read_block(&mut Block::new()).unwrap() {}
        let expected = reader.joined();

        let mut reader = Reader::new(pieces(), options());
        reader.defer_searches();
        let mut blocks = vec![Block::new()];
        while reader.read_block(blocks.last_mut().unwrap()).unwrap() {
            blocks.push(Block::new());
        }
        let first = order.index(blocks.len());
        blocks.rotate_left(first);
        blocks.iter_mut().for_each(Block::search);
        prop_assert_eq!(reader.joined(), expected);
        // What is read of it later is nobody else's to search.
        prop_assert_eq!(reader.joined(), expected);
    }

    #[test]
    fn what_passes_reads_the_same_beside_any_neighbour(parts in prop::collection::vec(payload(), 0..8)) {
        let text = [b"1 a 1 1\n".to_vec(), parts.concat()].concat();
        let mut reader = Reader::new(&text[..], options());
        let mut block = Block::new();
        while reader.read_block(&mut block).unwrap() {
            for (index, view) in block.iter().enumerate() {
                prop_assert!(view.header.length.is_some() || !block::needs_length(view.payload));
                let run = block.runs_in(index..index + 1).next().unwrap();
                let alone = [run.bytes(), b"2 b 7 7\nlast!\n"].concat();
                let (read, intake) = read_text(&alone);
                prop_assert_eq!(read.len(), 2);
                prop_assert_eq!(&read[0].payload, view.payload);
                prop_assert_eq!(intake.malformed, 0);
            }
        }
    }

    #[test]
    fn a_cut_recording_with_lengths_yields_no_record_that_was_not_in_it(
        records in prop::collection::vec(record(), 1..6),
        cut in any::<prop::sample::Index>(),
        is_crlf in any::<bool>(),
    ) {
        let text = with_lengths(&records, is_crlf);
        let cut = cut.index(text.len() + 1);
        let (read, intake) = read_text(&text[..cut]);
        prop_assert!(read.len() <= records.len());
        for (read, record) in read.iter().zip(&records) {
            prop_assert_eq!(&read.payload, &record.payload);
        }
        prop_assert_eq!(intake.malformed + intake.lost <= 1, true);
        let (whole, _) = read_text(&text);
        prop_assert_eq!(whole.len(), records.len());
    }

    #[test]
    fn a_length_off_by_one_costs_its_own_record_alone(
        records in prop::collection::vec(record(), 1..6),
        at in any::<prop::sample::Index>(),
        off in prop_oneof![Just(-1_i64), Just(1)],
        is_crlf in any::<bool>(),
    ) {
        let at = at.index(records.len());
        let mut records = records;
        records[at].payload.push(b'x');
        // One byte further, a separator with CRLF line ends is still one.
        let off = if is_crlf { -1 } else { off };
        let length = records[at].payload.len() as i64 + off;
        let text = [
            with_lengths(&records[..at], is_crlf),
            with_length(&records[at], length, is_crlf),
            with_lengths(&records[at + 1..], is_crlf),
        ]
        .concat();
        let (read, intake) = read_text(&text);
        let payloads: Vec<_> = read.iter().map(|record| &record.payload).collect();
        let mut expected: Vec<_> = records.iter().map(|record| &record.payload).collect();
        expected.remove(at);
        prop_assert_eq!(payloads, expected);
        prop_assert_eq!(intake.lost, 1);
    }

    #[test]
    fn noise_between_records_loses_none_of_the_neighbours(
        records in prop::collection::vec(record(), 1..6),
        noise in prop::collection::vec(noise(), 7),
        is_crlf in any::<bool>(),
    ) {
        let mut text = noise[0].to_vec();
        for (record, noise) in records.iter().zip(&noise[1..]) {
            text.extend_from_slice(&with_length(record, record.payload.len() as i64, is_crlf));
            text.extend_from_slice(noise);
        }
        let (read, _) = read_text(&text);
        let payloads: Vec<_> = read.iter().map(|record| &record.payload).collect();
        let expected: Vec<_> = records.iter().map(|record| &record.payload).collect();
        prop_assert_eq!(payloads, expected);
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
fn a_separator_is_found_wherever_it_stands() {
    let header = "1 0123456789abcdef01234567 1790000000000000000 5\n";
    for length in (1..200).chain(1000..1100) {
        // What begins as one, is not at the beginning of a line, or has something behind it, is none.
        for begun in ["", "🐵🙈🙉", "\n🐵🙈\n", "\n🐵🙈🙉x"] {
            let payload = format!("{begun:a<length$}!");
            let text = format!("{header}{payload}\n🐵🙈🙉\n").repeat(3);
            assert_eq!(payloads(&text).0, vec![payload; 3], "{length} {begun:?}");
        }
    }
}

#[test]
fn a_separator_line_in_a_body_does_not_end_the_record() {
    let (read, intake) = payloads("1 a 1 2\none\n🐵🙈🙉\ntwo!\n🐵🙈🙉\n1 b 1 2\nthree\n🐵🙈🙉\n");
    assert_eq!(read, ["one\n🐵🙈🙉\ntwo!", "three"]);
    assert_eq!(intake.malformed, 0);
}

#[test]
fn a_message_that_ends_in_separator_lines_keeps_them_unless_it_is_whole_before() {
    let next = "1 b 1 2\nnext!\n🐵🙈🙉\n";
    for (line_end, after) in [("\n", next), ("\r\n", next), ("\n", ""), ("\r\n", "")] {
        let separator = format!("🐵🙈🙉{line_end}");
        for (text, expected) in [
            // The body is the line itself, as the empty line before it belongs to the message.
            (format!("POST{line_end}{separator}{separator}"), format!("POST{line_end}🐵🙈🙉")),
            (
                format!("a{line_end}{separator}{separator}{separator}"),
                format!("a{line_end}{separator}🐵🙈🙉"),
            ),
            (format!("a{line_end}{separator}{line_end}{separator}"), format!("a{line_end}{separator}")),
            // It is written twice.
            (format!("a!{line_end}{separator}{separator}"), "a!".to_owned()),
            (format!("a!{line_end}{separator}{line_end}{separator}{separator}"), "a!".to_owned()),
        ] {
            let mut expected = vec![expected];
            expected.extend((!after.is_empty()).then(|| "next!".to_owned()));
            let text = format!("1 a 1 2{line_end}{text}{after}");
            for cut in 1..text.len() {
                let pieces = Pieces { bytes: text.as_bytes(), sizes: vec![cut, text.len()], turn: 0 };
                let (read, intake) = read_all(Reader::new(pieces, options()));
                let again = read_text(&text_of(&read)).0;
                assert_eq!(again, read, "{text:?}");
                let read: Vec<_> =
                    read.iter().map(|record| String::from_utf8_lossy(&record.payload)).collect();
                assert_eq!(read, expected, "{text:?} cut at {cut}");
                assert_eq!((intake.malformed, intake.unfinished), (0, None), "{text:?}");
            }
        }
    }
}

#[test]
fn a_header_line_that_lost_its_payload_does_not_swallow_the_next_record() {
    let header = "1 0123456789abcdef01234567 1790000000000000000 5";
    let rest = format!("{header}\ntwo\n🐵🙈🙉\n{header}\nthree\n🐵🙈🙉\n");
    for line in [format!("{header}\n"), format!("{header}\r\n"), "1 a 1 2\n".to_owned()] {
        let (read, intake) = payloads(&format!("1 a 1 2\none\n🐵🙈🙉\n{line}{rest}"));
        assert_eq!(read, ["one", "two", "three"], "{line:?}");
        assert_eq!(intake.malformed, 1);
        assert_eq!(intake.first_malformed.unwrap().1, Malformed::NoPayload);
    }
}

#[test]
fn a_payload_that_begins_with_a_header_line_is_written_with_its_length() {
    let payload = b"1 0123456789abcdef01234567 1790000000000000000 5\nforged".to_vec();
    let record = Record { id: b"a".to_vec(), timestamp: 1, latency: Some(2), payload, ..Record::default() };
    let text = text_of(std::slice::from_ref(&record));
    assert_eq!(read_text(&text).0, [record]);
}

#[test]
fn a_length_field_keeps_a_forged_record_inside_its_body() {
    let body = "x\n🐵🙈🙉\n1 f 1 2\nforged\n🐵🙈🙉\ny";
    let text = format!("1 a 1 2 {}\n{body}\n🐵🙈🙉\n1 b 1 2\nreal\n🐵🙈🙉\n", body.len());
    assert_eq!(payloads(&text).0, [body, "real"]);
}

#[test]
fn a_wrong_length_costs_one_record_and_what_lies_within_it() {
    let cases = [
        ("2", &["good"][..], Malformed::WrongLength),
        ("4", &["good"], Malformed::WrongLength),
        ("16", &["good"], Malformed::WrongLength),
        ("30", &[], Malformed::WrongLength),
        ("4000000", &[], Malformed::PayloadCut),
        // Nothing is that long, so nothing is known to lie within it.
        ("99999999999", &["good"], Malformed::Length),
        ("99999999999999999999999", &["good"], Malformed::Length),
        ("-1", &["good"], Malformed::Length),
    ];
    for (length, expected, reason) in cases {
        let text = format!("1 a 1 2 {length}\nbad\n🐵🙈🙉\n1 b 1 2\ngood\n🐵🙈🙉\n");
        let (read, intake) = payloads(&text);
        assert_eq!(read, expected, "{length}");
        assert_eq!(intake.first_lost.map(|(_, reason)| reason), Some(reason), "{length}");
        assert_eq!((intake.lost, intake.malformed), (1, 0), "{length}");
    }
}

#[test]
fn the_end_of_a_record_of_impossible_length_is_found_by_its_framing() {
    let forged = "x\n🐵🙈🙉\n1 f 1 2\nforged\n🐵🙈🙉\n";
    let text = format!("1 a 1 2 99999999999\n{forged}y!\n🐵🙈🙉\n1 b 1 2\ngood\n🐵🙈🙉\n");
    assert_eq!(payloads(&text).0, ["good"]);
    let (long, next) = ("z".repeat(2 << 20), "\n🐵🙈🙉\n1 b 1 2\ngood\n🐵🙈🙉\n");
    assert_eq!(payloads(&format!("1 a 1 2 99999999999\n{long}{next}")).0, ["good"]);
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
        ("1 a 1 2 4\r\nabcd\r\n🐵", "abcd", false),
        ("1 a 1 2 4\r\nabcd\r\n🐵🙈🙉\r", "abcd", false),
        ("1 a 1 2\r\nwhole!\r\n🐵", "whole!", false),
        ("1 a 1 2\r\nwhole!\r\n🐵🙈🙉\r", "whole!", false),
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
        let options = ReaderOptions { max_record: 1000, ..options() };
        let (records, intake) = read_all(Reader::new(text.as_bytes(), options));
        let read: Vec<_> = records.iter().map(|record| record.payload.as_slice()).collect();
        assert_eq!(read, [&b"one"[..], b"three"]);
        assert_eq!((intake.too_large, intake.first_too_large.unwrap().record), (1, 2));
    }
}

#[test]
fn strict_reading_gives_the_good_records_and_then_the_error() {
    let text = "1 a 1 2\none\n🐵🙈🙉\n1 b soon\ntwo\n🐵🙈🙉\n1 c 1 2\nthree\n🐵🙈🙉\n";
    let mut source =
        Records::new(Reader::new(text.as_bytes(), ReaderOptions { is_strict: true, ..options() }));
    let mut record = Record::default();
    assert!(source.read(&mut record).unwrap());
    assert_eq!(record.payload, b"one");
    let error = source.read(&mut record).unwrap_err();
    assert!(matches!(error, Error::Malformed { reason: Malformed::Timestamp, .. }), "{error}");
    assert_eq!(error.to_string(), "record 2 (byte 25): the timestamp is not a number of nanoseconds");
}

#[test]
fn an_input_that_fails_delivers_what_came_before() {
    let text = "1 a 1 2\none\n🐵🙈🙉\n1 b 1 2\ntwo!";
    let mut source = Records::new(Reader::new(text.as_bytes().chain(Torn), options()));
    let mut record = Record::default();
    assert!(source.read(&mut record).unwrap());
    assert!(source.read(&mut record).unwrap());
    assert_eq!(record.payload, b"two!");
    assert_eq!(source.read(&mut record).unwrap_err().to_string(), "torn");

    // Behind what is passed over, too.
    let mut source = Records::new(Reader::new("\n1 b 1 2\ntwo!".as_bytes().chain(Torn), options()));
    assert!(source.read(&mut record).unwrap());
    assert_eq!(record.payload, b"two!");
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
