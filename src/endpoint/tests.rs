//! Cases of places: what is opened, what is refused, and what is told.

use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

use flate2::write::GzEncoder;

use super::*;
use crate::record::{Block, Reader, ReaderOptions, Record, Records, Source};

const ONE: &str = "1 a 1 2\none\n🐵🙈🙉\n";
const TWO: &str = "1 b 1 2\ntwo\n🐵🙈🙉\n";

/// What notices said. Tests that look at it share it, so they take turns.
static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Reads everything: the payloads, what was told, and the error at the end.
fn read(names: &[&str], how: ReadOptions) -> (Vec<String>, Vec<String>, Option<String>) {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    TOLD.lock().unwrap().clear();
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    let how = ReadOptions { tell: |notice| TOLD.lock().unwrap().push(notice.to_string()), ..how };
    let (mut payloads, mut record) = (Vec::new(), Record::default());
    let error = open(&names, &how).and_then(|source| {
        let mut records = Records::new(source);
        while records.read(&mut record)? {
            payloads.push(String::from_utf8_lossy(&record.payload).into_owned());
        }
        assert_eq!(records.source().intake().records, payloads.len() as u64);
        Ok(())
    });
    let told = std::mem::take(&mut *TOLD.lock().unwrap());
    (payloads, told, error.err().map(|error| error.to_string()))
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        std::fs::write(self.0.path().join(name), content).unwrap();
        self.path(name)
    }

    /// A message without the folder's changing name.
    fn plain(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.0.path().display()), "")
    }
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zstd(text: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(text, 1).unwrap()
}

#[test]
fn compression_is_told_by_the_first_bytes_and_goes_on_over_members() {
    let folder = Folder::new();
    let (one, two) = (ONE.as_bytes(), TWO.as_bytes());
    let skippable = [&[0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"xyz", &zstd(one), &zstd(two)].concat();
    for (what, content) in [
        ("plain", [one, two].concat()),
        ("with a byte order mark", [b"\xef\xbb\xbf", one, two].concat()),
        ("one gzip member", gzip(&[one, two].concat())),
        ("two gzip members", [gzip(one), gzip(two)].concat()),
        ("an empty gzip member between", [gzip(one), gzip(b""), gzip(two)].concat()),
        ("a record over two members", [gzip(&one[..5]), gzip(&[&one[5..], two].concat())].concat()),
        ("gzip and zeros", [gzip(&[one, two].concat()), vec![0; 300_000]].concat()),
        ("two zstd frames", [zstd(one), zstd(two)].concat()),
        ("a skippable frame first", skippable),
    ] {
        let path = folder.file("input", content);
        assert_eq!(
            read(&[&path], ReadOptions::default()),
            (vec!["one".into(), "two".into()], vec![], None),
            "{what}"
        );
    }
}

#[test]
fn cut_and_damaged_data_delivers_what_decodes_and_then_fails() {
    let folder = Folder::new();
    let many: Vec<u8> =
        (0..2000_u64).flat_map(|n| format!("1 {n:x} 1 2\n{}\n🐵🙈🙉\n", n * n * 7919).into_bytes()).collect();
    let (gz, zst) = (gzip(&many), zstd(&many));
    let cut = |bytes: &[u8]| bytes[..bytes.len() / 2].to_vec();
    let one = ONE.as_bytes();
    for (what, content, at_least, expected) in [
        ("gzip cut", cut(&gz), 500, "input: the gzip data ends early: the file was cut"),
        (
            "gzip cut in its check sum",
            gz[..gz.len() - 3].to_vec(),
            2000,
            "input: the gzip data ends early: the file was cut",
        ),
        (
            "second member cut",
            [gzip(one), cut(&gz)].concat(),
            500,
            "input: the gzip data ends early: the file was cut",
        ),
        (
            "second member's header cut",
            [gzip(one), gz[..5].to_vec()].concat(),
            1,
            "input: the gzip data ends early: the file was cut",
        ),
        (
            "noise after gzip",
            [gzip(one), b"noise".to_vec()].concat(),
            1,
            "input: the bytes after the gzip data are not gzip data",
        ),
        ("zstd cut", [zstd(one), cut(&zst)].concat(), 1, "input: the zstd data ends early: the file was cut"),
        (
            "zstd cut in its last byte",
            zst[..zst.len() - 1].to_vec(),
            0,
            "input: the zstd data ends early: the file was cut",
        ),
        (
            "noise after zstd",
            [zstd(one), b"noise".to_vec()].concat(),
            1,
            "input: the zstd data is damaged: Unknown frame descriptor",
        ),
    ] {
        let path = folder.file("input", content);
        let (payloads, _, error) = read(&[&path], ReadOptions::default());
        assert_eq!(error.map(|error| folder.plain(&error)).as_deref(), Some(expected), "{what}");
        assert!(payloads.len() >= at_least, "{what}: {} records", payloads.len());
    }
}

#[test]
fn an_input_without_a_record_is_an_error_that_says_what_it_looks_like() {
    let folder = Folder::new();
    for (content, looks) in [
        (&b"{\"a\": 1}\n"[..], "JSON"),
        (b"<html>", "HTML or XML"),
        (b"\n \n", "nothing but white space"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "an HTTP request without a record header"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "an HTTP response without a record header"),
        (b"10.0.0.1 - - [x] \"GET / HTTP/1.1\" 200\n", "a web server's log"),
        (b"hello world, this is text", "text of another kind"),
        (b"\x01\x02\x03\x00\x00", "binary data"),
        (b"PK\x03\x04....", "a zip archive"),
        (b"#!/bin/sh\n\n# 1\ncurl a\n", "a script"),
        (b"time,id,client,method\n", "CSV, which is written, not read"),
        (b"PAR1\x15\x04", "Parquet, which is written, not read"),
        (b"{\"format\":\"gor-report\",\"version\":1}", "the report of a replay, which gor-report reads"),
        (&gzip(&gzip(b"x")), "gzip data inside compressed data"),
    ] {
        let path = folder.file("input", content);
        let expected = format!("input: no record in it; it looks like {looks}");
        let (payloads, told, error) = read(&[&path], ReadOptions::default());
        assert_eq!((payloads.len(), told.len()), (0, 0), "{looks}");
        assert_eq!(folder.plain(&error.unwrap()), expected);
    }
}

#[test]
fn an_empty_input_is_no_error() {
    let folder = Folder::new();
    for content in [Vec::new(), gzip(b""), zstd(b"")] {
        let path = folder.file("input", &content);
        assert_eq!(read(&[&path], ReadOptions::default()), (vec![], vec![], None), "{content:?}");
    }
}

#[test]
fn a_place_that_fails_does_not_hide_the_others() {
    let folder = Folder::new();
    let (one, two) = (folder.file("one", ONE), folder.file("two", TWO));
    let (missing, cut) = (folder.path("missing"), folder.file("cut", &gzip(ONE.as_bytes())[..20]));
    let names = [&one, &missing, &cut, &two].map(String::as_str);
    let (payloads, told, error) = read(&names, ReadOptions::default());
    assert_eq!(payloads, ["one", "o", "two"]);
    let told: Vec<_> = told.iter().map(|line| folder.plain(line)).collect();
    assert_eq!(
        told,
        [
            "missing: no such file or directory",
            "cut: record 1 (byte 0): the input ends inside this record",
            "cut: the gzip data ends early: the file was cut"
        ]
    );
    assert_eq!(error.unwrap(), "2 of 4 inputs could not be read whole");
}

#[test]
fn the_only_place_fails_with_its_own_error() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("empty")).unwrap();
    for (name, expected) in
        [("missing", "missing: no such file or directory"), ("empty", "empty: no file in this directory")]
    {
        let (_, told, error) = read(&[&folder.path(name)], ReadOptions::default());
        assert_eq!((told.len(), folder.plain(&error.unwrap()).as_str()), (0, expected));
    }
}

#[test]
fn malformed_records_are_told_once_a_place() {
    let folder = Folder::new();
    let bad = "9 a 1 2\nbad\n🐵🙈🙉\n";
    let first = folder.file("first", format!("{bad}{ONE}{bad}"));
    let second = folder.file("second", format!("{TWO}{bad}"));
    let (payloads, told, error) = read(&[&first, &second], ReadOptions::default());
    assert_eq!((payloads.len(), error), (2, None));
    let told: Vec<_> = told.iter().map(|line| folder.plain(line)).collect();
    assert_eq!(
        told,
        [
            "first: record 1 (byte 0): the kind is not 1, 2 or 3; 2 such malformed records are skipped",
            "second: record 2 (byte 25): the kind is not 1, 2 or 3; it is skipped",
        ]
    );
    let strict = ReadOptions { is_strict: true, ..ReadOptions::default() };
    let (payloads, _, error) = read(&[&second, &first], strict);
    assert_eq!(payloads, ["two"]);
    assert_eq!(folder.plain(&error.unwrap()), "second: record 2 (byte 25): the kind is not 1, 2 or 3");
}

#[test]
fn a_record_beyond_the_limit_is_an_error_after_the_others() {
    let folder = Folder::new();
    let path = folder.file("input", format!("1 a 1 2\n{}\n🐵🙈🙉\n{ONE}", "x".repeat(500)));
    let (payloads, _, error) = read(&[&path], ReadOptions { max_record: 100, ..ReadOptions::default() });
    assert_eq!(payloads, ["one"]);
    let expected =
        "input: record 1 (byte 0): the record is larger than 100 bytes; --max-record raises the limit";
    assert_eq!(folder.plain(&error.unwrap()), expected);
}

#[test]
fn patterns_are_expanded_and_names_that_exist_are_not() {
    let folder = Folder::new();
    folder.file("b.gor", TWO);
    folder.file("a.gor", ONE);
    let odd = folder.file("[x]", ONE);
    let all = |name: &str| read(&[&folder.path(name)], ReadOptions::default());
    assert_eq!(all("*.gor").0, ["one", "two"]);
    assert_eq!(read(&[&odd], ReadOptions::default()).0, ["one"]);
    assert_eq!(folder.plain(&all("*.txt").2.unwrap()), "*.txt: no file matches this pattern");
    assert!(all("a***").2.unwrap().contains("not a file pattern"));
    let twice = expand(&["-".into(), "-".into()], &ReadOptions::default()).unwrap_err();
    assert!(twice.is_usage(), "{twice}");
}

#[test]
fn a_directory_is_the_recordings_below_it_in_the_order_of_their_paths() {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.path("deep/er")).unwrap();
    std::fs::create_dir(folder.path(".hidden")).unwrap();
    folder.file("b", TWO);
    folder.file("deep/er/z", gzip(ONE.as_bytes()));
    folder.file("deep/a", zstd(TWO.as_bytes()));
    for left_out in [".swap", ".hidden/x", "b.idx", "deep/a.tmp", "b~", "c.part"] {
        folder.file(left_out, "1 x 1 2\nnever\n🐵🙈🙉\n");
    }
    std::os::unix::fs::symlink(folder.path("b"), folder.path("link")).unwrap();
    std::os::unix::fs::symlink(folder.path("."), folder.path("loop")).unwrap();
    folder.file("notes", "no recording");
    let (payloads, told, error) = read(&[&folder.path("")], ReadOptions::default());
    assert_eq!((payloads.as_slice(), error), (&["two", "two", "one"].map(str::to_owned)[..], None));
    let told: Vec<_> = told.iter().map(|line| folder.plain(line)).collect();
    assert_eq!(told, ["notes: no record in it; it looks like text of another kind; it is passed over"]);
}

/// Records of every length, some longer than a piece.
fn records(lengths: &[usize]) -> Vec<u8> {
    let record = |(index, &length): (usize, &usize)| {
        let payload: Vec<u8> = (0..length).map(|at| b'a' + ((at * 7 + index) % 26) as u8).collect();
        [format!("1 {index:x} {index} 2\n").as_bytes(), &payload, "\n🐵🙈🙉\n".as_bytes()].concat()
    };
    lengths.iter().enumerate().flat_map(record).collect()
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    #[test]
    fn any_cut_into_members_and_files_gives_the_same_records(
        lengths in proptest::collection::vec(
            proptest::prop_oneof![9 => 0..3000_usize, 1 => 0..700_000_usize], 1..30),
        cuts in proptest::collection::vec((proptest::prelude::any::<proptest::sample::Index>(), 0..3_u8), 0..8),
    ) {
        let text = records(&lengths);
        let folder = Folder::new();
        let whole = folder.file("whole", &text);
        let expected = read(&[&whole], ReadOptions::default());
        proptest::prop_assert_eq!(expected.0.len(), lengths.len());
        // One file of members cut anywhere, and files that end where records do.
        let mut at: Vec<usize> = cuts.iter().map(|(cut, _)| cut.index(text.len() + 1)).collect();
        at.sort_unstable();
        let ends = at.iter().copied().chain([text.len()]);
        let starts = std::iter::once(0).chain(at.iter().copied());
        let parts: Vec<&[u8]> = starts.zip(ends).map(|(start, end)| &text[start..end]).collect();
        for compress in [gzip, zstd] {
            let members: Vec<u8> = parts.iter().flat_map(|part| compress(part)).collect();
            let path = folder.file("members", members);
            proptest::prop_assert_eq!(&read(&[&path], ReadOptions::default()), &expected);
        }
        let mut names = Vec::new();
        let mut rest = &lengths[..];
        for (number, (cut, how)) in cuts.iter().enumerate() {
            let (some, others) = rest.split_at(cut.index(rest.len() + 1));
            rest = others;
            let text = records(some);
            let content = match how { 0 => text, 1 => gzip(&text), _ => zstd(&text) };
            names.push((folder.file(&number.to_string(), content), some.to_vec()));
        }
        let all: Vec<&str> = names.iter().map(|(name, _)| name.as_str()).collect();
        if !all.is_empty() {
            let one_by_one: Vec<String> =
                all.iter().flat_map(|name| read(&[name], ReadOptions::default()).0).collect();
            proptest::prop_assert_eq!(read(&all, ReadOptions::default()).0, one_by_one);
        }
    }
}

/// Writes gzip members of one record each, and an index that says where.
fn indexed(folder: &Folder, texts: &[String]) -> String {
    let (mut content, mut builder) = (Vec::new(), index::Builder::new());
    for text in texts {
        for view in block(text).iter() {
            builder.note(&view);
        }
        let noted = builder.cut().unwrap();
        builder.place(noted, content.len() as u64);
        content.extend(gzip(text.as_bytes()));
    }
    let path = folder.file("indexed", content);
    builder.write(Path::new(&path)).unwrap();
    path
}

#[test]
fn of_a_file_with_an_index_only_the_wanted_time_is_read() {
    let folder = Folder::new();
    let texts: Vec<String> = (0..10).map(|at| format!("1 {at:x} {at}00 2\npayload {at}\n🐵🙈🙉\n")).collect();
    let path = indexed(&folder, &texts);
    let within = |since, until| {
        let meter = std::sync::Arc::default();
        let window = Some(TimeWindow { since, until });
        let how = ReadOptions { window, meter: std::sync::Arc::clone(&meter), ..ReadOptions::default() };
        let (payloads, told, error) = read(&[&path], how);
        assert_eq!((told, error), (vec![], None));
        (payloads.iter().map(|payload| payload[8..].to_owned()).collect::<String>(), meter.bytes())
    };
    assert_eq!(within(Some(250), Some(500)).0, "345");
    assert_eq!(within(None, Some(100)).0, "01");
    assert_eq!(within(Some(901), None), (String::new(), 0));
    assert!(within(Some(900), None).1 < 100);
    assert_eq!(within(None, None).0, "0123456789");
}

#[test]
fn an_index_that_lies_is_told_and_not_used() {
    let folder = Folder::new();
    let path = indexed(&folder, &[ONE.to_owned(), TWO.to_owned()]);
    folder.file("indexed", format!("{TWO}{ONE}"));
    let window = Some(TimeWindow { since: Some(1000), until: None });
    let (payloads, told, error) = read(&[&path], ReadOptions { window, ..ReadOptions::default() });
    assert_eq!((payloads, error), (vec!["two".to_owned(), "one".to_owned()], None));
    assert_eq!(
        folder.plain(&told.concat()),
        "indexed: the index beside it does not match it and is not used; --index writes a new one"
    );
}

#[test]
fn thousands_of_places_are_read_with_few_descriptors_at_a_time() {
    let folder = Folder::new();
    let path = folder.file("one", ONE);
    let names = vec![path.as_str(); 3000];
    assert_eq!(read(&names, ReadOptions::default()).0.len(), 3000);
}

/// The records of a text.
fn block(text: &str) -> Block {
    let mut block = Block::new();
    Reader::new(text.as_bytes(), ReaderOptions::default()).read_block(&mut block).unwrap();
    block
}

fn write(path: &str, how: &WriteOptions<'_>) -> Result<(), crate::Error> {
    let mut sink = create(&[path.to_owned()], how)?;
    sink.write_block(&block(ONE))?;
    sink.write_block(&block(TWO))?;
    sink.finish()
}

#[test]
fn an_existing_file_is_overwritten_only_by_force() {
    let folder = Folder::new();
    let path = folder.path("out");
    write(&path, &WriteOptions::default()).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{ONE}{TWO}"));
    folder.file("out", "precious".repeat(100));
    let error = write(&path, &WriteOptions::default()).unwrap_err();
    assert!(error.is_usage());
    assert_eq!(
        folder.plain(&error.to_string()),
        "out: the file exists; --force overwrites it, --append adds to it"
    );
    assert!(std::fs::read_to_string(&path).unwrap().starts_with("precious"));
    write(&path, &WriteOptions { is_forced: true, ..WriteOptions::default() }).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{ONE}{TWO}"));
}

#[test]
fn an_input_is_never_overwritten() {
    let folder = Folder::new();
    let (path, link) = (folder.file("in", ONE), folder.path("link"));
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let inputs = [folder.path("*n")];
    for output in [&path, &link] {
        let error =
            write(output, &WriteOptions { is_forced: true, inputs: &inputs, ..WriteOptions::default() })
                .unwrap_err();
        assert!(error.is_usage(), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), ONE);
    }
}

#[test]
fn devices_are_written_as_they_are_and_a_full_one_is_named() {
    write("/dev/null", &WriteOptions::default()).unwrap();
    write("null:", &WriteOptions::default()).unwrap();
    if Path::new("/dev/full").exists() {
        let error = write("/dev/full", &WriteOptions::default()).unwrap_err();
        assert_eq!(error.to_string(), "/dev/full: no space left on device");
    }
}

#[test]
fn what_cannot_be_written_is_refused_before_anything_is() {
    let folder = Folder::new();
    for (name, usage) in [("x%q.gor", true), ("no/such/folder", false), (".", false)] {
        let error = write(&folder.path(name), &WriteOptions::default()).unwrap_err();
        assert_eq!(error.is_usage(), usage, "{error}");
    }
    for name in ["s3://bucket", "kafka://a", "ws://a:x"] {
        let error = write(name, &WriteOptions::default()).unwrap_err();
        assert!(error.is_usage(), "{name}: {error}");
        let is_read = name.starts_with("s3://");
        assert!(is_read || expand(&[name.to_owned()], &ReadOptions::default()).unwrap_err().is_usage());
    }
    assert_eq!(std::fs::read_dir(folder.0.path()).unwrap().count(), 0);
}

#[test]
fn copies_are_alike() {
    let folder = Folder::new();
    let names = [folder.path("a"), folder.path("b"), "null:".into()];
    let mut sink = create(&names, &WriteOptions::default()).unwrap();
    let large = TWO.repeat(30_000);
    for text in [ONE, &large, TWO] {
        let mut reader = Reader::new(text.as_bytes(), ReaderOptions::default());
        let mut block = Block::new();
        while reader.read_block(&mut block).unwrap() {
            sink.write_block(&block).unwrap();
        }
    }
    sink.finish().unwrap();
    for name in &names[..2] {
        assert_eq!(std::fs::read_to_string(name).unwrap(), format!("{ONE}{large}{TWO}"));
    }
}

#[test]
fn captures_are_read_as_records_whatever_is_around_them() {
    let folder = Folder::new();
    let capture = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/shop.pcapng")).unwrap();
    let plain = folder.file("shop", &capture);
    let (payloads, _, error) = read(&[&plain], ReadOptions::default());
    assert_eq!(error, None);
    let starting = |start: &str| payloads.iter().filter(|payload| payload.starts_with(start)).count();
    assert!(starting("GET ") > 0 && starting("HTTP/1.1 ") > 0, "{} records", payloads.len());
    for content in [gzip(&capture), zstd(&capture)] {
        let path = folder.file("compressed", content);
        assert_eq!(read(&[&path], ReadOptions::default()).0, payloads);
    }
    let one = folder.file("one", ONE);
    let mixed = [payloads.clone(), vec!["one".into()], payloads].concat();
    assert_eq!(read(&[&plain, &one, &plain], ReadOptions::default()).0, mixed);
}

#[test]
fn a_cut_capture_delivers_its_whole_packets_and_then_fails() {
    let folder = Folder::new();
    let capture = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/shop.pcapng")).unwrap();
    for (name, content, expected) in [
        ("cut", capture[..capture.len() / 2].to_vec(), "cut: "),
        (
            "cut.gz",
            {
                let gz = gzip(&capture);
                gz[..gz.len() / 2].to_vec()
            },
            "cut.gz: ",
        ),
        ("noise", [&capture[..8], &[0xff; 4000][..]].concat(), "noise: "),
    ] {
        let path = folder.file(name, content);
        let (payloads, _, error) = read(&[&path], ReadOptions::default());
        let error = folder.plain(&error.expect(name));
        assert!(error.starts_with(expected) && !error[expected.len()..].contains(expected), "{error}");
        assert_eq!(payloads.is_empty(), name == "noise", "{name}");
    }
}

#[test]
fn a_whole_message_ends_its_record_whatever_follows() {
    let folder = Folder::new();
    let request = "1 a 1 2\nPUT / HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi\n🐵🙈🙉\n";
    let response = "2 a 1 2\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n\n🐵🙈🙉\n";
    let until_close = "2 a 1 2\nHTTP/1.1 200 OK\r\n\r\nhi\n🐵🙈🙉\n";
    for (text, records, malformed) in [(request, 2, 1), (response, 2, 1), (until_close, 2, 0)] {
        let path = folder.file("input", format!("{text}what is this\n🐵🙈🙉\n{ONE}"));
        let (payloads, told, error) = read(&[&path], ReadOptions::default());
        assert_eq!((payloads.len(), told.len(), error), (records, malformed, None), "{text}");
    }
}
