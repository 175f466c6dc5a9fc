//! Laws of the index: a part found by it holds what reading everything finds.

use proptest::prelude::*;

use super::*;
use crate::record::{Block, Header};

/// Records by id, kind and time, indexed with a line for every `every` of them.
fn build(records: &[(u8, usize, i64)], every: u64) -> (Builder, Block) {
    let mut block = Block::new();
    for (id, kind, timestamp) in records {
        let kind = [Kind::Request, Kind::Response, Kind::Replayed][*kind];
        let id = format!("{id:x}");
        block.push(&Header { kind, id: id.as_bytes(), timestamp: *timestamp, ..Header::default() }, b"hi");
    }
    let mut builder = Builder::new();
    let mut from = 0;
    for view in block.iter() {
        builder.note(&view);
        if builder.noted() == every {
            let noted = builder.cut().unwrap();
            builder.place(noted, from);
            from = view.position.byte + view.raw.len() as u64;
        }
    }
    if let Some(noted) = builder.cut() {
        builder.place(noted, from);
    }
    (builder, block)
}

/// What a file of this length is known by.
fn seal(length: u64) -> Seal {
    Seal { length, modified: -1, digest: "digest".to_owned() }
}

fn records() -> impl Strategy<Value = Vec<(u8, usize, i64)>> {
    prop::collection::vec((0..20_u8, 0..3_usize, -50..50_i64), 0..80)
}

proptest! {
    #[test]
    fn a_part_holds_all_records_of_its_time_and_the_exchanges_they_belong_to(
        records in records(),
        every in 1..9_u64,
        since in prop::option::of(-60..60_i64),
        until in prop::option::of(-60..60_i64),
    ) {
        let (builder, block) = build(&records, every);
        let length = block.bytes().len() as u64;
        let (index, _) = Index::parse(&builder.text(&seal(length))).expect("what is written is read");
        let is_within = |time: i64| since.is_none_or(|since| since <= time) && until.is_none_or(|until| time <= until);
        let wanted: Vec<u8> =
            records.iter().filter(|(_, _, time)| is_within(*time)).map(|(id, _, _)| *id).collect();
        let part = index.range(since, until);
        let Some(part) = part else {
            prop_assert!(wanted.is_empty());
            return Ok(());
        };
        let first = block.iter().position(|view| view.position.byte == part.offset).expect("a record begins there");
        prop_assert_eq!(part.start.record, first as u64 + 1);
        prop_assert_eq!(part.start.byte, part.offset);
        let end = first + part.records as usize;
        prop_assert_eq!(block.iter().nth(end).map_or(length, |view| view.position.byte), part.end);
        for (number, (id, _, time)) in records.iter().enumerate() {
            let is_inside = (first..end).contains(&number);
            prop_assert!(is_inside || !is_within(*time), "record {} is left out", number);
            // Exchanges are known from their request on.
            let known = records.iter().position(|(other, kind, _)| other == id && *kind == 0);
            if known.is_some_and(|request| request <= number) && wanted.contains(id) {
                let of_exchange = records.iter().enumerate().skip(known.unwrap_or_default());
                let touches = of_exchange
                    .filter(|(_, (other, _, _))| other == id)
                    .any(|(other, _)| (first..end).contains(&other));
                prop_assert!(is_inside || !touches, "record {} of a chosen exchange is left out", number);
            }
        }
    }

    #[test]
    fn no_text_makes_the_parser_fail(text in "[a-z0-9 -]{0,40}", lines in prop::collection::vec("(at )?[0-9 -]{0,50}", 0..5)) {
        let text = format!("{MAGIC}{text}\n{}\nend\n", lines.join("\n"));
        if let Some((index, _)) = Index::parse(&text) {
            index.range(Some(0), Some(5));
        }
    }
}

#[test]
fn an_index_is_that_of_its_file_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.gor");
    let (builder, block) = build(&vec![(1, 0, 5); 9000], 100);
    std::fs::write(&path, block.bytes()).unwrap();
    assert_eq!(Index::load(&path), None);
    builder.write(&path).unwrap();
    let index = Index::load(&path).expect("it matches");
    assert_eq!(index.range(None, None).map(|part| part.records), Some(9000));

    let written_at = std::fs::metadata(&path).unwrap().modified().unwrap();
    // All but the time may look the same.
    let write = |text: &[u8]| {
        std::fs::write(&path, text).unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(written_at).unwrap();
    };
    let middle = block.bytes().len() / 34 * 2;
    for (what, at) in
        [("the first byte", 0), ("the last byte", block.bytes().len() - 1), ("a sample", middle)]
    {
        let mut changed = block.bytes().to_vec();
        changed[at] ^= 1;
        write(&changed);
        assert_eq!(Index::load(&path), None, "{what}");
    }
    write(&[block.bytes(), b"x"].concat());
    assert_eq!(Index::load(&path), None, "a byte more");
    write(block.bytes());
    assert_eq!(Index::load(&path), Some(index), "as it was");
    let later = written_at + std::time::Duration::from_nanos(1);
    File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
    assert_eq!(Index::load(&path), None, "edited where no sample is taken");
    File::options().write(true).open(&path).unwrap().set_modified(written_at).unwrap();
    let text = std::fs::read(sidecar(&path)).unwrap();
    std::fs::write(sidecar(&path), &text[..text.len() / 2]).unwrap();
    assert_eq!(Index::load(&path), None, "half an index");
}

#[test]
fn the_index_of_a_file_of_any_length_is_bounded_and_still_right() {
    let mut builder = Builder::new();
    let mut block = Block::new();
    block.push(&Header { id: b"a", timestamp: 1, ..Header::default() }, b"");
    let total = 3 * MAX_GROUPS as u64 + 7;
    for number in 0..total {
        builder.note(&block.get(0));
        let noted = builder.cut().unwrap();
        builder.place(noted, number);
    }
    assert!(builder.groups.len() <= MAX_GROUPS);
    let (index, _) = Index::parse(&builder.text(&seal(total))).unwrap();
    assert_eq!(index.range(None, None).unwrap().records, total);
    let resumed = Builder::resume(index);
    assert_eq!(resumed.next.record, total + 1);
}
