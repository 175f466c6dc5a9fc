//! What each rule costs, a request at a time.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gor_tools::record::{Block, Header, Kind};
use gor_tools::transform::{Choice, Filter, Rules, Selection};
use regex::bytes::Regex;

const REQUEST: &[u8] =
    b"POST /api/v1/orders/3291?page=55&user_id=3291 HTTP/1.1\r\nHost: shop.example.com\r\n\
    User-Agent: okhttp/4.12.0\r\nAccept: */*\r\nX-User: 3291\r\nAuthorization: Basic Ym9iOnNlY3JldA==\r\n\
    Content-Length: 26\r\n\r\n{\"item\":1234567,\"count\":2}";

const RESPONSE: &[u8] =
    b"HTTP/1.1 200 OK\r\nServer: nginx/1.26.0\r\nContent-Type: application/json\r\nContent-Length: 64\r\n\r\n\
    0000000000000000000000000000000000000000000015860402102123842989";

fn patterns(texts: &[String]) -> Vec<Regex> {
    texts.iter().map(|text| Regex::new(text).expect("it is a pattern")).collect()
}

fn benches(criterion: &mut Criterion) {
    let none = Rules::default;
    let many: Vec<String> = (0..50).map(|number| format!("^/api/v{number}/none")).collect();
    let rules = [
        ("method", Rules { methods: vec!["POST".to_owned()], ..none() }),
        ("url", Rules { urls: patterns(&["^/api/v1".to_owned()]), ..none() }),
        ("50 urls", Rules { urls: patterns(&many), ..none() }),
        ("header", Rules { headers: vec!["X-User:^32".parse().expect("a pattern")], ..none() }),
        ("basic-auth", Rules { basic_auth: patterns(&["^bob:".to_owned()]), ..none() }),
        ("header-limit", Rules { header_limits: vec!["X-User:25%".parse().expect("a share")], ..none() }),
        ("param-limit", Rules { param_limits: vec!["user_id:25%".parse().expect("a share")], ..none() }),
    ];
    let mut group = criterion.benchmark_group("judge");
    for (name, rules) in rules {
        let filter = Filter::new(rules).expect("the patterns are small");
        group.bench_function(name, |bencher| bencher.iter(|| filter.judge(black_box(REQUEST))));
    }
    for (name, rules) in [
        ("status", Rules { statuses: patterns(&["^5".to_owned()]), ..none() }),
        ("body of a response", Rules { bodies: patterns(&["error|failed".to_owned()]), ..none() }),
    ] {
        let filter = Filter::new(rules).expect("the patterns are small");
        group.bench_function(name, |bencher| bencher.iter(|| filter.judge_response(black_box(RESPONSE))));
    }
    group.finish();
    streams(criterion);
}

/// Whole streams of a thousand exchanges: judged and selected.
fn streams(criterion: &mut Criterion) {
    let mut block = Block::new();
    for number in 0..1000 {
        let id = format!("{number:024x}");
        let header = Header { kind: Kind::Request, id: id.as_bytes(), latency: Some(9), ..Header::default() };
        block.push(&header, REQUEST);
        block.push(&Header { kind: Kind::Response, ..header }, RESPONSE);
    }
    let none = Rules::default;
    let mut group = criterion.benchmark_group("a thousand exchanges");
    group.throughput(Throughput::Bytes(block.bytes().len() as u64));
    for (name, rules) in [
        ("method, all kept", Rules { methods: vec!["POST".to_owned()], ..none() }),
        ("method, none kept", Rules { methods: vec!["PUT".to_owned()], ..none() }),
        ("since", Rules { since: Some(1), ..none() }),
        ("sample", Rules { sample: Some("10%".parse().expect("a share")), ..none() }),
        ("complete", Rules { is_complete: true, ..none() }),
        ("host", Rules { hosts: patterns(&["^shop".to_owned()]), ..none() }),
        ("status", Rules { statuses: patterns(&["^5".to_owned()]), ..none() }),
        ("latency", Rules { min_latency: Some(1), ..none() }),
        ("body", Rules { bodies: patterns(&["error|failed".to_owned()]), ..none() }),
    ] {
        let filter = Filter::new(rules.clone()).expect("the patterns are small");
        let mut selection = Selection::new(Choice::default(), &rules);
        let (mut notes, mut states, mut decided) = (Vec::new(), Vec::new(), Vec::new());
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                filter.judge_block(black_box(&block), &mut notes);
                selection.select(&notes, &mut states, &mut decided);
            });
        });
    }
    group.finish();
}

criterion_group!(filter, benches);
criterion_main!(filter);
