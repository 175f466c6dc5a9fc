//! The head views and the framer on a small request and response, a long body, and a search in noise.
#![allow(missing_docs, reason = "criterion's macros make public items")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gor_tools::http::{Framer, Head, RequestContext, recognise, request_line};

const REQUEST: &[u8] = b"GET /api/items/123?page=2&sort=name HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: text/html,application/xhtml+xml\r\nAccept-Encoding: gzip, deflate\r\nConnection: keep-alive\r\nCookie: session=0123456789abcdef\r\n\r\n";
const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nServer: nginx/1.24.0\r\nDate: Mon, 23 Nov 2026 21:00:00 GMT\r\nContent-Type: text/plain\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello";

fn small(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("small");
    group.bench_function("request_line", |bench| bench.iter(|| request_line(black_box(REQUEST))));
    group.bench_function("recognise", |bench| bench.iter(|| recognise(black_box(REQUEST))));
    group.bench_function("header value", |bench| {
        bench.iter(|| Head::of(black_box(REQUEST)).and_then(|head| head.values(b"cookie").next()));
    });
    group.bench_function("frame request", |bench| {
        bench.iter(|| Framer::request().measure(black_box(REQUEST)));
    });
    group.bench_function("frame response", |bench| {
        bench.iter(|| Framer::response(RequestContext::default()).measure(black_box(RESPONSE)));
    });
    group.finish();
}

fn large(criterion: &mut Criterion) {
    let mut chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..1024 {
        chunked.extend_from_slice(b"400\r\n");
        chunked.resize(chunked.len() + 1024, b'x');
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    let mut group = criterion.benchmark_group("large");
    group.throughput(Throughput::Bytes(chunked.len() as u64));
    group.bench_function("frame chunks of 1 KiB", |bench| {
        bench.iter(|| Framer::response(RequestContext::default()).measure(black_box(&chunked)));
    });
    group.finish();
}

criterion_group!(benches, small, large);
criterion_main!(benches);
