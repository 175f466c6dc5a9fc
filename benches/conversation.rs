//! How fast records become packets.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use gor_tools::conversation::Conversations;
use gor_tools::packet::FileFormat;
use gor_tools::record::{Block, Header, Kind};

/// Exchanges on a hundred connections, with responses of so many bytes.
fn exchanges(body: usize) -> Block {
    let mut block = Block::new();
    let request = b"GET /api/products?page=1 HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: bench\r\n\r\n";
    let mut response = format!("HTTP/1.1 200 OK\r\nContent-Length: {body}\r\n\r\n").into_bytes();
    response.resize(response.len() + body, b'x');
    let count = (16 << 20) / (request.len() + response.len());
    for number in 0..count {
        let (session, turn) = (number % 100, number / 100);
        let exchange = (turn * response.len()) as u32 + 1;
        let id = format!("{:04x}1f900a000002{exchange:08x}", 40_000 + session);
        let timestamp = 1_700_000_000_000_000_000 + number as i64 * 100_000;
        let header = Header { id: id.as_bytes(), timestamp, latency: Some(10_000), ..Header::default() };
        block.push(&header, request);
        let header = Header { kind: Kind::Response, timestamp: timestamp + 20_000, ..header };
        block.push(&header, &response);
    }
    block
}

fn rates(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("conversation");
    for body in [500, 20_000] {
        let block = exchanges(body);
        group.throughput(Throughput::Bytes(block.bytes().len() as u64));
        for format in [FileFormat::Pcap, FileFormat::Pcapng] {
            group.bench_function(format!("{format:?}, responses of {body} bytes"), |bencher| {
                bencher.iter_batched_ref(
                    || Conversations::new(format),
                    |conversations| {
                        for record in black_box(&block).iter() {
                            conversations.take(&record);
                            if conversations.bytes().len() > 1 << 18 {
                                conversations.clear();
                            }
                        }
                        conversations.finish();
                        conversations.tally().packets
                    },
                    BatchSize::LargeInput,
                );
            });
        }
    }
    group.finish();
}

criterion_group!(benches, rates);
criterion_main!(benches);
