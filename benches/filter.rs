//! What each rule costs, a request at a time.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use gor_tools::transform::{Filter, Rules};
use regex::bytes::Regex;

const REQUEST: &[u8] =
    b"POST /api/v1/orders/3291?page=55&user_id=3291 HTTP/1.1\r\nHost: shop.example.com\r\n\
    User-Agent: okhttp/4.12.0\r\nAccept: */*\r\nX-User: 3291\r\nAuthorization: Basic Ym9iOnNlY3JldA==\r\n\
    Content-Length: 26\r\n\r\n{\"item\":1234567,\"count\":2}";

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
    group.finish();
}

criterion_group!(filter, benches);
criterion_main!(filter);
