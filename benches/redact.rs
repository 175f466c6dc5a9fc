//! Redaction of a JSON body of 1 MiB, with a secret here and there, and of a text without any.
#![allow(missing_docs, reason = "criterion's macros make public items")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gor_tools::transform::redact::{PseudonymKey, Redaction};

fn bodies(criterion: &mut Criterion) {
    let key = PseudonymKey::new(b"key");
    let mut json = b"[".to_vec();
    for number in 0.. {
        let secret =
            if number % 20 == 0 { "bob@example.com 192.0.2.7 4111111111111111" } else { "nothing to hide" };
        json.extend_from_slice(format!(r#"{{"id":{number},"name":"a name","text":"{secret}"}}"#).as_bytes());
        if json.len() >= 1 << 20 {
            break;
        }
        json.push(b',');
    }
    json.push(b']');
    let text = b"a line of text without any secret in it\n".repeat(26 << 10);
    let mut rules: Vec<_> = ["secrets", "email", "card", "jwt", "ip", "phone"]
        .map(|name| (name, Redaction::preset(name).expect("it is a preset")))
        .into();
    rules.push(("json path", Redaction::json("$..text").expect("it is a path")));
    for (name, body) in [("json", &json), ("text", &text)] {
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(body.len() as u64));
        for (rule_name, rule) in &rules {
            group.bench_function(*rule_name, |bench| bench.iter(|| rule.body(&key, None, black_box(body))));
        }
        group.finish();
    }
}

criterion_group!(benches, bodies);
criterion_main!(benches);
