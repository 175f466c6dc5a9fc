//! How fast records are read: the reader as a whole, and a header line.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gor_tools::record::{Block, Header, Kind, Reader, ReaderOptions, Source};

/// About 8 MB of requests and responses of the usual size.
fn recording() -> Vec<u8> {
    let mut block = Block::new();
    for number in 0..16_000_i64 {
        let id = format!("{:04x}1f900a000001{number:08x}", 32768 + number % 2000);
        let header = Header {
            timestamp: 1_763_900_000_000_000_000 + number,
            latency: Some(12_000),
            ..Header::default()
        };
        let request = format!(
            "GET /api/v1/users/{number} HTTP/1.1\r\nHost: shop.example.com\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n"
        );
        block.push(&Header { kind: Kind::Request, id: id.as_bytes(), ..header }, request.as_bytes());
        let response = format!("HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Length: 64\r\n\r\n{number:064}");
        block.push(&Header { kind: Kind::Response, id: id.as_bytes(), ..header }, response.as_bytes());
    }
    block.bytes().to_vec()
}

fn benches(criterion: &mut Criterion) {
    let text = recording();
    let mut group = criterion.benchmark_group("record");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("reader", |bencher| {
        let mut block = Block::new();
        bencher.iter(|| {
            let mut reader = Reader::new(&text[..], ReaderOptions::default());
            while reader.read_block(&mut block).expect("the text is good") {
                black_box(block.len());
            }
        });
    });
    group.throughput(Throughput::Elements(1));
    group.bench_function("header", |bencher| {
        let line: &[u8] = b"1 80001f900a00000100000000 1763900000000000000 12000";
        bencher.iter(|| Header::parse(black_box(line)).is_ok());
    });
    group.finish();
}

criterion_group!(record, benches);
criterion_main!(record);
