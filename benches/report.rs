//! What a report costs the replay: measurements of a request from its preparation to its answer, and of the recording.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gor_tools::record::{Block, Header, Kind};
use gor_tools::report::{Answered, EventTime, Measurements, RecordedLatencies};
use regex::bytes::Regex;

/// Requests of each round.
const REQUESTS: usize = 10_000;

/// Requests for so many different paths.
fn requests(paths: usize) -> Vec<Vec<u8>> {
    let one = |number: usize| {
        let path = number % paths;
        format!("GET /item/{path}/view?user={number} HTTP/1.1\r\nHost: shop.example.com\r\n\r\n").into_bytes()
    };
    (0..REQUESTS).map(one).collect()
}

/// A moment of both clocks.
fn time(now: u64) -> EventTime {
    EventTime { monotonic: now, wall: now as i64 }
}

/// All that is measured of these requests: 20,000 a second, answered in 0.1 to 1.1 ms.
fn measure(measurements: &mut Measurements, requests: &[Vec<u8>], now: &mut u64) {
    for request in requests {
        *now += 50_000;
        let group = measurements.group(black_box(request));
        measurements.sent(time(*now), group, 30_000);
        let latency = 100_000 + *now % 1_000_003;
        let answered = Answered {
            id: b"0123456789abcdef01234567",
            request,
            group,
            status: 200,
            due: *now - latency - 30_000,
            sent_at: *now - latency,
        };
        measurements.answered(time(*now), &answered);
    }
}

fn measurements(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("report");
    group.throughput(Throughput::Elements(REQUESTS as u64));
    let pattern = || Some(Regex::new("user-[a-z]+").expect("a pattern"));
    for (name, paths, pattern) in [
        ("500 paths", 500, None),
        ("500 paths, --group", 500, pattern()),
        ("10000 paths", REQUESTS, None),
        ("10000 paths, --group", REQUESTS, pattern()),
    ] {
        let (mut measurements, requests) = (Measurements::new(pattern), requests(paths));
        let mut now = 1_000_000_000;
        group.bench_function(name, |bencher| {
            bencher.iter(|| measure(&mut measurements, &requests, &mut now));
        });
    }
    let mut block = Block::new();
    for (number, request) in requests(500).iter().enumerate() {
        let id = format!("{number:024x}");
        for (kind, payload) in [(Kind::Request, &request[..]), (Kind::Response, b"HTTP/1.1 200 OK\r\n\r\n")] {
            block.push(&Header { kind, id: id.as_bytes(), ..Header::default() }, payload);
        }
    }
    let mut recorded = RecordedLatencies::new(None);
    group.bench_function("the recording", |bencher| {
        bencher.iter(|| block.iter().for_each(|record| recorded.take(&record)));
    });
    group.finish();
}

criterion_group!(benches, measurements);
criterion_main!(benches);
