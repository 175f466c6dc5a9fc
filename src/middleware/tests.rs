//! What a child does to the records that go through it, and how it may end.

use std::thread;
use std::time::Duration;

use proptest::prelude::*;

use super::{Command, Middleware, MiddlewareOptions, lines};
use crate::record::{self, Block, Header, Kind, Reader, Record, Records};

/// Long enough that only a child that hangs takes it.
const PATIENCE: Duration = Duration::from_secs(20);

const STRICT: MiddlewareOptions =
    MiddlewareOptions { patience: PATIENCE, max_record: 1 << 20, may_drop: false };
const MAY_DROP: MiddlewareOptions = MiddlewareOptions { may_drop: true, ..STRICT };

/// For children that hang; enough for one to start.
const IMPATIENT: MiddlewareOptions = MiddlewareOptions { patience: Duration::from_secs(1), ..STRICT };

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
fn through(script: &str, text: Vec<u8>, options: MiddlewareOptions) -> (Vec<Record>, Option<String>) {
    let command: Command = format!("sh -c {}", shlex::try_quote(script).unwrap()).parse().unwrap();
    let source = Reader::new(std::io::Cursor::new(text), record::ReaderOptions::default());
    let middleware = Middleware::start(&command, source, options).unwrap();
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

/// Checks cases that wait, all at the same time.
fn at_once<T: Sync>(cases: &[T], check: impl Fn(&T) + Sync) {
    thread::scope(|scope| cases.iter().for_each(|case| _ = scope.spawn(|| check(case))));
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

    /// What a child may answer is what a recording can hold.
    #[test]
    fn what_is_taken_from_a_line_is_read_back_from_a_recording(
        id in "[!-~]{1,40}|f{900,1100}|f{65536}",
        numbers in "|( -?[0-9]{1,3}){0,3}( cut| gap| [!-~\r]{0,8}| x{900,1000}){0,2}",
        payload in prop_oneof![any::<Vec<u8>>(), Just(b"a\n\xf0\x9f\x90\xb5\xf0\x9f\x99\x88\xf0\x9f\x99\x89\n1 a 1 1\nb".to_vec())],
    ) {
        let head = format!("1 {id} 1763900000000000000{numbers}\n");
        let line = faster_hex::hex_string(&[head.as_bytes(), &payload].concat());
        let (mut block, mut scratch) = (Block::new(), Vec::new());
        if lines::read(line.as_bytes(), &mut block, &mut scratch).is_err() {
            return Ok(());
        }
        prop_assert_eq!(block.get(0).header.id, id.as_bytes());
        let text = [block.bytes(), &text(1, "next")].concat();
        let mut records = Records::new(Reader::new(&*text, record::ReaderOptions::default()));
        let mut record = Record::default();
        prop_assert!(records.read(&mut record).unwrap());
        prop_assert_eq!((&record.id[..], &record.payload[..]), (id.as_bytes(), &payload[..]), "{:?}", head);
        prop_assert!(records.read(&mut record).unwrap());
        prop_assert_eq!(&record.payload, b"next");
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
    let (records, error) = through("cat", text, STRICT);
    assert_eq!((records.len(), error), (3000, None));
    assert!(records.iter().enumerate().all(|(number, record)| record.timestamp == number as i64));
}

#[test]
fn a_child_that_reads_all_before_it_writes_does_not_block() {
    let (records, error) = through("x=$(cat); printf '%s\\n' \"$x\"", text(500, &"y".repeat(900)), STRICT);
    assert_eq!((records.len(), error), (500, None));
}

#[test]
fn a_record_that_does_not_come_back_under_its_kind_and_id_is_named_unless_dropping_is_allowed() {
    let missing = |records: usize, first: &[usize]| {
        let ids: Vec<_> = first.iter().map(|number| format!("1 {number:024x}")).collect();
        let more = if records > 3 { ", …" } else { "" };
        format!("did not send back {records} of 10 records ({}{more}); if it drops", ids.join(", "))
    };
    let cases = [
        ("sed -n 1~2p", 5, missing(5, &[1, 3, 5]), "5 came back)"),
        ("sed -n '1~2{p;p}'", 10, missing(5, &[1, 3, 5]), "5 came back, 5 of its own)"),
        ("sed -n '$!{p;p}'", 18, missing(1, &[9]), "9 came back, 9 of its own)"),
        ("sed s/^312030/312066/", 10, missing(10, &[0, 1, 2]), "0 came back, 10 of its own)"),
        ("sed s/^31/32/", 10, missing(10, &[0, 1, 2]), "0 came back, 10 of its own)"),
        ("cat >/dev/null", 0, missing(10, &[0, 1, 2]), "0 came back)"),
    ];
    for (script, came, missing, counts) in cases {
        let (records, error) = through(script, text(10, "GET / HTTP/1.1\r\n\r\n"), STRICT);
        let error = error.unwrap_or_default();
        assert!(error.contains(&missing) && error.ends_with(counts), "{script}: {error}, expected {missing}");
        assert_eq!(records.len(), came, "{script}");
        let (records, error) = through(script, text(10, "GET / HTTP/1.1\r\n\r\n"), MAY_DROP);
        assert_eq!((records.len(), error), (came, None), "{script}");
    }
}

#[test]
fn records_of_its_own_and_another_order_are_no_fault() {
    for script in ["tac", "sed p", "cat; echo 31206620310a"] {
        let (records, error) = through(script, text(10, "a"), STRICT);
        assert!(error.is_none() && records.len() >= 10, "{script}: {error:?}");
    }
}

#[test]
fn records_of_one_id_are_counted() {
    let twice = [text(1, "a"), text(1, "a")].concat();
    assert_eq!(through("cat", twice.clone(), STRICT).1, None);
    let error = through("sed 1d", twice, STRICT).1.unwrap_or_default();
    assert!(error.contains("did not send back 1 of 2 records (1 000000000000000000000000)"), "{error}");
}

#[test]
fn how_a_child_failed_is_told_with_its_status_and_what_was_lost() {
    let cases = [
        ("head -n 3; exec 0<&-; exit 7", "ended with exit status 7, before it had read all its input", 3),
        ("cat; exit 3", "ended with exit status 3 (2000 records sent to it, 2000 came back)", 2000),
        ("cat; kill -9 $$", "ended with signal 9", 2000),
        ("head -n 2 | tr -d '\\n'; cat >/dev/null", "no record in 1 line of its output", 0),
        ("echo hello; cat", "the first is line 1 (\"hello\"): it is not hex", 2000),
        ("cat; printf 3120", "ends without a line feed", 2000),
        ("echo 3420610a; cat", "the kind is not 1, 2 or 3", 2000),
        ("head -n 5; kill -9 $$", "signal 9, before it had read all its input; did not send back ", 5),
    ];
    for (script, expected, came_back) in cases {
        let (records, error) = through(script, text(2000, &"z".repeat(200)), STRICT);
        let error = error.unwrap_or_default();
        assert!(error.contains(expected), "{script}: {error}");
        assert_eq!(records.len(), came_back, "{script}: {error}");
    }
}

#[test]
fn a_child_that_hangs_is_killed_and_what_is_missing_is_told() {
    let after = "within 1s after its input ended; it was killed; did not send back ";
    let before = "neither read its input nor wrote anything for 1s; it was killed; did not send back ";
    // Two records fit into the pipe; of 2000 most do not, and its input stays open.
    let cases = [
        ("cat; exec sleep 1000", 2, 2, ""),
        ("cat; sleep 1000; true", 2, 2, ""),
        ("head -n 1; cat >/dev/null; exec sleep 1000", 2, 1, after),
        ("read a; echo $a; echo $a; read b; exec sleep 1000", 2, 2, after),
        ("cat; printf 31; exec sleep 1000", 2, 2, "ends without a line feed"),
        ("cat; exec >&-; exec sleep 1000", 2, 2, "closed its output and did not end"),
        ("exec sleep 1000", 2, 0, before),
        ("exec sleep 1000", 2000, 0, "0 came back; the rest of the input was not read)"),
        ("read a; echo $a; exec 0<&-; exec sleep 1000", 2000, 1, before),
    ];
    at_once(&cases, |(script, given, came_back, expected)| {
        let (records, error) = through(script, text(*given, &"a".repeat(200)), IMPATIENT);
        let error = error.unwrap_or_default();
        assert!(error.contains(expected) && error.is_empty() == expected.is_empty(), "{script}: {error}");
        assert_eq!(records.len(), *came_back, "{script}");
    });
}

#[test]
fn where_dropping_is_allowed_a_child_must_still_read_all_and_end_well() {
    let early = "ended with exit status 0, before it had read all its input";
    let cases = [
        ("head -n 1; cat >/dev/null; exec sleep 1000", 2, ""),
        ("exec sleep 1000", 2, "neither read its input"),
        ("exit 0", 2, early),
        ("read a", 2000, early),
        ("cat >/dev/null; exit 3", 2, "exit status 3"),
    ];
    at_once(&cases, |(script, given, expected)| {
        let options = MiddlewareOptions { may_drop: true, ..IMPATIENT };
        let error = through(script, text(*given, &"a".repeat(200)), options).1.unwrap_or_default();
        assert!(error.contains(expected) && error.is_empty() == expected.is_empty(), "{script}: {error}");
        assert!(!error.contains("may-drop"), "{script}: {error}");
    });
}

/// A record that comes when a file is there, and an end that takes the file away.
struct Late {
    sign: std::path::PathBuf,
    is_given: bool,
}

impl record::Source for Late {
    fn read_block(&mut self, block: &mut Block) -> crate::Result<bool> {
        block.clear();
        if self.is_given {
            std::fs::remove_file(&self.sign)?;
            return Ok(false);
        }
        while !self.sign.exists() {
            thread::sleep(Duration::from_millis(1));
        }
        block
            .push(&Header { kind: Kind::Request, id: b"a1", ..Header::default() }, b"GET / HTTP/1.1\r\n\r\n");
        self.is_given = true;
        Ok(true)
    }

    fn intake(&self) -> record::Intake {
        record::Intake::default()
    }
}

#[test]
fn what_came_after_a_child_closed_its_output_is_known_not_to_be_read() {
    let directory = tempfile::tempdir().unwrap();
    let sign = directory.path().join("sign");
    let script = |end: &str| {
        let sign = shlex::try_quote(sign.to_str().unwrap()).unwrap().into_owned();
        // Late enough for whoever looks when the output is closed to have looked.
        let script = format!("exec >&-; sleep 0.2; touch {sign}; while test -e {sign}; do :; done; {end}");
        format!("sh -c {}", shlex::try_quote(&script).unwrap()).parse::<Command>().unwrap()
    };
    for (end, expected) in [
        ("exit 0", Some("ended with exit status 0, before it had read all its input")),
        ("cat >/dev/null; exit 0", None),
    ] {
        let late = Late { sign: sign.clone(), is_given: false };
        let middleware = Middleware::start(&script(end), late, MAY_DROP).unwrap();
        let error =
            Records::new(middleware).read(&mut Record::default()).err().map(|error| error.to_string());
        let is_expected = match expected {
            Some(words) => error.as_ref().is_some_and(|error| error.contains(words)),
            None => error.is_none(),
        };
        assert!(is_expected, "{end}: {error:?}");
    }
}

#[test]
fn a_late_child_is_waited_for_though_as_many_records_came_as_went() {
    // It is silent for longer than a child that has sent everything back may be.
    let late = "read a; echo $a; echo $a; read b; sleep 0.8; echo $b";
    let (records, error) = through(late, text(2, "a"), STRICT);
    assert_eq!((records.len(), error), (3, None));
    // Dropping or not: what is dropped is not known before it ends.
    let (records, error) = through(late, text(2, "a"), MAY_DROP);
    assert_eq!((records.len(), error), (3, None));
}

#[test]
fn quotes_hold_an_argument_together() {
    let (records, error) = through("test 'a b' = \"a b\" && cat", text(1, "a"), STRICT);
    assert_eq!((records.len(), error), (1, None));
    for (text, at) in [("", 0), ("  ", 2), ("node 'x", 7)] {
        assert_eq!(text.parse::<Command>().unwrap_err().at, at, "{text:?}");
    }
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let command: Command = "no-such-program --now".parse().unwrap();
    let source = Reader::new(&b""[..], record::ReaderOptions::default());
    let error = Middleware::start(&command, source, STRICT).unwrap_err().to_string();
    assert!(error.contains("no-such-program --now") && error.contains("no such file"), "{error}");
}
