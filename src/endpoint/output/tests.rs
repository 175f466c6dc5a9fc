//! Laws of what is written: it is read back, however it is compressed, cut and shared.

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};

use proptest::prelude::*;

use super::*;
use crate::endpoint::index::Index;
use crate::endpoint::{ReadOptions, open};
use crate::record::{Block, Header, Kind, Record, Records, SEPARATOR};

/// Blocks of records, as a sink gets them.
fn blocks() -> impl Strategy<Value = Vec<Block>> {
    let payload = prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..200),
        1 => Just(SEPARATOR.to_vec()),
        1 => Just(vec![b'x'; 300_000]),
    ];
    let record = (0..3_usize, "[0-9a-f]{16}[0-3]", -5..i64::MAX, payload);
    prop::collection::vec(prop::collection::vec(record, 1..20), 0..6).prop_map(|blocks| {
        let block = |records: Vec<(usize, String, i64, Vec<u8>)>| {
            let mut block = Block::new();
            for (kind, id, timestamp, payload) in records {
                let kind = [Kind::Request, Kind::Response, Kind::Replayed][kind];
                let latency = Some(7);
                let header = Header { kind, id: id.as_bytes(), timestamp, latency, ..Header::default() };
                block.push(&header, &payload);
            }
            block
        };
        blocks.into_iter().map(block).collect()
    })
}

fn records(blocks: &[Block]) -> Vec<Record> {
    let views = blocks.iter().flat_map(Block::iter);
    views
        .map(|view| {
            let mut record = Record::default();
            record.assign(&view);
            record
        })
        .collect()
}

fn write(names: &[String], how: &WriteOptions<'_>, blocks: &[Block]) -> Result<()> {
    let mut sink = create(names, how)?;
    for (number, block) in blocks.iter().enumerate() {
        sink.write_block(block)?;
        if number % 2 == 0 {
            sink.flush()?;
        }
    }
    sink.finish()
}

/// What is in files that are all right.
fn read(names: &[String]) -> Vec<Record> {
    let mut source = Records::new(open(names, &ReadOptions::default()).expect("it opens"));
    let (mut records, mut record) = (Vec::new(), Record::default());
    while source.read(&mut record).expect("it is read to its end") {
        records.push(record.clone());
    }
    records
}

/// All files of a folder but indexes, sorted: by number where they have one.
fn files(folder: &Path) -> Vec<String> {
    let mut files = Vec::new();
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else if path.extension().is_none_or(|end| end != "idx") {
            files.push(path.display().to_string());
        }
    }
    files.sort_by_key(|name| (name.len(), name.clone()));
    files
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_back(
        blocks in blocks(),
        more in blocks(),
        end in prop::sample::select(vec![".gor", ".gor.gz", ".zst", ""]),
        threads in 1..4_usize,
        chunk_records in prop::option::of(1..30_u64),
        chunk_size in prop::option::of(1..400_000_u64),
        has_index: bool,
        is_immediate: bool,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let names = [folder.path().join(format!("out{end}")).display().to_string()];
        let flush_interval = if is_immediate { Duration::ZERO } else { FLUSH_INTERVAL };
        let compress_threads = NonZeroUsize::new(threads);
        let how = WriteOptions { has_index, flush_interval, compress_threads, ..WriteOptions::default() };
        let mut expected = records(&blocks);
        let is_whole = chunk_records.is_none() && chunk_size.is_none();
        write(&names, &WriteOptions { chunk_size, chunk_records, ..how.clone() }, &blocks).unwrap();
        if is_whole {
            write(&names, &WriteOptions { appends: true, ..how }, &more).unwrap();
            expected.extend(records(&more));
        }
        let files = files(folder.path());
        prop_assert_eq!(files.is_empty(), !is_whole && expected.is_empty());
        if !files.is_empty() {
            prop_assert!(read(&files) == expected, "{:?}", files);
        }
        for file in &files {
            let of_file = read(std::slice::from_ref(file));
            prop_assert!(chunk_records.is_none_or(|most| of_file.len() as u64 <= most));
            let index = Index::load(Path::new(file));
            prop_assert_eq!(index.is_some(), has_index);
            let Some(part) = index.and_then(|index| index.range(None, None)) else { continue };
            prop_assert_eq!(part.records, of_file.len() as u64);
            prop_assert_eq!(part.end, std::fs::metadata(file).unwrap().len());
        }
    }

    #[test]
    fn shares_together_are_the_input_and_nothing_that_belongs_together_is_parted(
        blocks in blocks(),
        outputs in 2..5_usize,
        keeps_sessions: bool,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let names: Vec<_> =
            (0..outputs).map(|number| folder.path().join(number.to_string()).display().to_string()).collect();
        let how = WriteOptions { splits: true, keeps_sessions, ..WriteOptions::default() };
        write(&names, &how, &blocks).unwrap();
        let shares: Vec<_> = names.iter().map(|name| read(std::slice::from_ref(name))).collect();
        let key = |record: &Record| record.id[..if keeps_sessions { 16 } else { record.id.len() }].to_vec();
        let mut keys: Vec<_> = shares
            .iter()
            .map(|share| share.iter().map(key).collect::<std::collections::BTreeSet<_>>())
            .collect();
        for share in &shares {
            // In the order of the input.
            let mut rest = records(&blocks).into_iter();
            prop_assert!(share.iter().all(|record| rest.any(|other| other == *record)));
        }
        prop_assert_eq!(shares.iter().map(Vec::len).sum::<usize>(), records(&blocks).len());
        let counts: Vec<_> = keys.iter().map(std::collections::BTreeSet::len).collect();
        prop_assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1, "{:?}", counts);
        let total: usize = counts.iter().sum();
        let first = keys.remove(0);
        prop_assert_eq!(keys.into_iter().fold(first, |all, more| &all | &more).len(), total);
    }
}

/// Records that are requests with these ids.
fn requests(ids: &[&str]) -> Block {
    let mut block = Block::new();
    for id in ids {
        block.push(&Header { id: id.as_bytes(), ..Header::default() }, b"GET / HTTP/1.1\r\n\r\n");
    }
    block
}

#[test]
fn names_follow_the_time_and_the_records_with_few_files_open() {
    /// A second later each time it is asked.
    fn clock() -> Timestamp {
        static NOW: AtomicI64 = AtomicI64::new(1_763_900_000);
        Timestamp::from_second(NOW.fetch_add(1, Ordering::Relaxed)).unwrap()
    }
    let folder = tempfile::tempdir().unwrap();
    let how = WriteOptions { clock, instance: Some("box"), ..WriteOptions::default() };
    let name = |template: &str| [folder.path().join(template).display().to_string()];
    let ids: Vec<_> = (0..300).map(|number| format!("{:x}", number % 100)).collect();
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    write(&name("by-id/%i/%r.gor.gz"), &how, &[requests(&ids)]).unwrap();
    let made = files(&folder.path().join("by-id/box"));
    assert_eq!(made.len(), 100);
    assert!(made.iter().all(|file| read(std::slice::from_ref(file)).len() == 3), "{made:?}");
    let error = write(&name("by-id/%i/%r.gor.gz"), &how, &[requests(&ids)]).unwrap_err();
    assert!(error.is_usage(), "{error}");
    let forced = WriteOptions { is_forced: true, ..how.clone() };
    write(&name("by-id/%i/%r.gor.gz"), &forced, &[requests(&ids)]).unwrap();
    assert!(made.iter().all(|file| read(std::slice::from_ref(file)).len() == 3), "{made:?}");

    write(&name("by-time/%S"), &how, &[requests(&["a"]), requests(&["b", "c"])]).unwrap();
    assert_eq!(files(&folder.path().join("by-time")).len(), 2);
}

#[test]
fn options_that_would_have_no_effect_are_refused() {
    let gz = ["x.gor.gz".to_owned()];
    let level = |level| WriteOptions { compress_level: Some(level), ..WriteOptions::default() };
    let default = WriteOptions::default();
    for (names, how, expected) in [
        (&[][..], WriteOptions { has_index: true, ..default.clone() }, "--index applies to files"),
        (&["null:".into()], WriteOptions { appends: true, ..default.clone() }, "--append applies to files"),
        (&gz, WriteOptions { splits: true, ..default.clone() }, "--split shares between several outputs"),
        (&gz, level(10), "gzip is from 1 to 9"),
        (&["x.zst".into()], level(23), "zstd is from 1 to 22"),
        (&["x.gor".into()], level(3), "none is given"),
        (
            &["x.pcap".into()],
            WriteOptions { appends: true, ..default.clone() },
            "captures and other formats cannot be added to",
        ),
        (&["x.pcap".into()], WriteOptions { has_index: true, ..default }, "not beside captures"),
    ] {
        let error = create(names, &how).err().expect(expected);
        assert!(error.is_usage() && error.to_string().contains(expected), "{error}");
    }
}
