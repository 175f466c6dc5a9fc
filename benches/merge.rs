//! What merging costs, of inputs whose records alternate and of such that follow each other.

use std::hint::black_box;
use std::io::Cursor;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gor_tools::merge::{Merge, MergeInput, MergeOptions};
use gor_tools::record::{Block, Failures, Header, Reader, Source};

const INPUTS: i64 = 8;
const RECORDS: i64 = 10_000;

/// The text of an input; `step` from one record to the next.
fn text(first: i64, step: i64) -> Vec<u8> {
    let payload = b"GET /api/v1/orders/3291 HTTP/1.1\r\nHost: shop.example.com\r\nAccept: */*\r\n\r\n";
    let mut block = Block::new();
    for number in 0..RECORDS {
        block.push(
            &Header { id: b"80001f900a000001", timestamp: first + number * step, ..Header::default() },
            payload,
        );
    }
    block.bytes().to_vec()
}

fn merge(texts: &[Vec<u8>]) -> usize {
    let inputs = texts.iter().map(|text| {
        let reader = Reader::new(Cursor::new(text.clone()), gor_tools::record::ReaderOptions::default());
        MergeInput { open: Box::new(|| Ok(Box::new(reader))), first: None }
    });
    let options = MergeOptions { fan_in: 64, directory: std::env::temp_dir() };
    let failures = Failures::new(texts.len(), false, |_| {});
    let mut merge = Merge::new(inputs.collect(), options, failures).expect("the inputs open");
    let (mut block, mut records) = (Block::new(), 0);
    while merge.read_block(&mut block).expect("the inputs are readable") {
        records += black_box(&block).len();
    }
    records
}

fn benches(criterion: &mut Criterion) {
    let cases = [
        ("alternating", (0..INPUTS).map(|input| text(input, INPUTS)).collect::<Vec<_>>()),
        ("consecutive", (0..INPUTS).map(|input| text(input * RECORDS, 1)).collect()),
        ("all of one time", (0..INPUTS).map(|_| text(1, 0)).collect()),
    ];
    let mut group = criterion.benchmark_group("merge");
    for (name, texts) in &cases {
        group.throughput(Throughput::Bytes(texts.iter().map(|text| text.len() as u64).sum()));
        group.bench_function(*name, |bencher| bencher.iter(|| merge(texts)));
    }
    group.finish();
}

criterion_group!(merging, benches);
criterion_main!(merging);
