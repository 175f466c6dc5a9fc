//! How fast records are written to files: plain, gzip, zstd, with an index.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gor_tools::endpoint::{WriteOptions, create};
use gor_tools::record::{Block, Header};

/// About a megabyte of requests, as a reader gives it at once.
fn block() -> Block {
    let mut block = Block::new();
    for number in 0..5000_i64 {
        let id = format!("{:04x}1f900a000001{number:08x}", 32768 + number % 2000);
        let timestamp = 1_763_900_000_000_000_000 + number;
        let header = Header { id: id.as_bytes(), timestamp, latency: Some(12_000), ..Header::default() };
        let request = format!(
            "GET /api/v1/users/{number} HTTP/1.1\r\nHost: shop.example.com\r\nUser-Agent: curl/8.5.0\r\n\r\n"
        );
        block.push(&header, request.as_bytes());
    }
    block
}

/// Blocks of one file.
const BLOCKS: u64 = 16;

fn benches(criterion: &mut Criterion) {
    let block = block();
    let folder = tempfile::tempdir().expect("there is room for files");
    let mut group = criterion.benchmark_group("writer");
    group.sample_size(10).throughput(Throughput::Bytes(BLOCKS * block.bytes().len() as u64));
    for (what, name, has_index) in [
        ("plain", "x.gor", false),
        ("plain with an index", "x.gor", true),
        ("gzip", "x.gor.gz", false),
        ("zstd", "x.gor.zst", false),
    ] {
        let names = [folder.path().join(name).display().to_string()];
        group.bench_function(what, |bencher| {
            bencher.iter(|| {
                let how = WriteOptions { is_forced: true, has_index, ..WriteOptions::default() };
                let mut sink = create(&names, &how).expect("it can be created");
                for _ in 0..BLOCKS {
                    sink.write_block(&block).expect("there is room");
                }
                sink.finish().expect("there is room");
            });
        });
    }
    group.finish();
}

criterion_group!(writer, benches);
criterion_main!(writer);
