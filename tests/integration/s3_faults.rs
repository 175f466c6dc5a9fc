//! Objects of S3 that are hard to read: connections that break, servers that refuse, are slow or go away, objects that
//! change; and how much is asked for.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use crate::support::proxy::{Harm, Proxy};
use crate::support::s3::{S3, read};

const MIB: usize = 1 << 20;

/// Records of so many bytes, or a little more.
fn records(bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 20_000);
    let body = "x".repeat(10_000);
    for number in 0.. {
        if text.len() >= bytes {
            break;
        }
        let time = 1_763_900_000_000_000_000_i64 + number * 1_000_000_000;
        let _ = write!(
            text,
            "1 {number:024x} {time} 1000\nPOST /{number} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}\n🐵🙈🙉\n",
            body.len()
        );
    }
    text
}

/// All but the last record, which may be cut and is then marked.
fn whole_records(output: &[u8]) -> &[u8] {
    let separator = "🐵🙈🙉\n".as_bytes();
    let ends = |end: &usize| output[..*end].ends_with(separator);
    (0..output.len()).rev().find(ends).map_or(&[], |end| &output[..end])
}

#[test]
fn a_large_object_is_read_by_ranges_at_most_so_many_at_a_time() {
    let Some(server) = S3::start() else { return };
    let text = records(35 * MIB);
    server.put("bucket", &[("large.gor", &text)]);
    for fetch in ["1", "3"] {
        let proxy = Proxy::start(server.port(), |_, _| Harm::Slow(MIB, Duration::from_millis(5)));
        read(proxy.port(), "gor-filter", &["--fetch", fetch, "s3://bucket/large.gor"])
            .ends_with(0)
            .is_silent()
            .writes(text.as_bytes());
        let ranges: Vec<_> =
            proxy.passed("/bucket/large.gor").into_iter().filter_map(|passed| passed.range).collect();
        let parts = text.len().div_ceil(8 * MIB);
        assert_eq!(ranges.len(), 1 + parts, "{ranges:?}");
        assert_eq!(proxy.bytes("/bucket/large.gor"), 1 + text.len());
        let most = proxy.most_at_once();
        assert!(
            most <= fetch.parse().unwrap() && (fetch == "1" || most > 1),
            "{most} at once, {fetch} allowed"
        );
    }
}

#[test]
fn many_objects_are_asked_for_at_once_but_not_too_many() {
    let Some(server) = S3::start() else { return };
    let objects: Vec<_> = (0..40).map(|number| (format!("x/{number:02}"), records(100_000))).collect();
    server.put("bucket", &objects);
    let all = objects.iter().map(|(_, text)| text.as_str()).collect::<String>();
    let proxy = Proxy::start(server.port(), |_, _| Harm::Slow(MIB, Duration::from_millis(5)));
    read(proxy.port(), "gor-filter", &["--fetch", "2", "s3://bucket/x/"])
        .ends_with(0)
        .is_silent()
        .writes(all.as_bytes());
    // A list tells all that is needed to read them.
    assert_eq!(proxy.passed("/bucket/x/").len(), 40);
    assert_eq!(proxy.most_at_once(), 2);
    // More of them open at once than may be large, each with more than one range.
    let objects: Vec<_> = (0..12).map(|number| (format!("y/{number:02}"), records(MIB))).collect();
    server.put("bucket", &objects);
    let merged = read(server.port(), "gor-merge", &["--fetch", "2", "s3://bucket/y/"]);
    assert_eq!(merged.ends_with(0).stdout.len(), objects.iter().map(|(_, text)| text.len()).sum::<usize>());
}

#[test]
fn a_broken_connection_is_taken_up_where_it_broke() {
    let Some(server) = S3::start() else { return };
    let text = records(9 * MIB);
    server.put(
        "bucket",
        &[("x", text.as_bytes().to_vec()), ("x.zst", zstd::encode_all(text.as_bytes(), 1).unwrap())],
    );
    let cut = |number: usize| if (1..20).contains(&number) { Harm::CutAfter(300_001) } else { Harm::None };
    let proxy = Proxy::start(server.port(), move |_, number| cut(number));
    read(proxy.port(), "gor-filter", &["s3://bucket/x"]).ends_with(0).is_silent().writes(text.as_bytes());
    let passed = proxy.passed("/bucket/x");
    assert!(passed.len() > 20, "{passed:?}");
    assert_eq!(proxy.bytes("/bucket/x"), 1 + text.len(), "nothing is read twice");
    let proxy =
        Proxy::start(server.port(), |_, number| if number < 9 { Harm::CutAfter(1000) } else { Harm::None });
    read(proxy.port(), "gor-filter", &["s3://bucket/x.zst"]).ends_with(0).is_silent().writes(text.as_bytes());
}

#[test]
fn a_busy_server_is_asked_again() {
    let Some(server) = S3::start() else { return };
    let text = records(100_000);
    server.put("bucket", &[("a/x", &text)]);
    let busy = "HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    for name in ["s3://bucket/a/x", "s3://bucket/a/"] {
        // Each request is refused twice before it is answered.
        let proxy = Proxy::start(
            server.port(),
            move |_, number| if number % 3 < 2 { Harm::Answer(busy) } else { Harm::None },
        );
        read(proxy.port(), "gor-filter", &[name]).ends_with(0).is_silent().writes(text.as_bytes());
        assert_eq!(proxy.passed("/").len(), 6);
    }
    let proxy = Proxy::start(server.port(), move |_, _| Harm::Answer(busy));
    read(proxy.port(), "gor-filter", &["s3://bucket/a/x"])
        .ends_with(1)
        .says("answered 503")
        .says("(tried 6 times)");
    assert_eq!(proxy.passed("/").len(), 6);
}

#[test]
fn an_object_that_changes_while_it_is_read_is_an_error() {
    let Some(server) = S3::start() else { return };
    let server = Arc::new(server);
    let text = records(20 * MIB);
    server.put("bucket", &[("x", &text)]);
    // The threads of the proxy live on, and must not keep the server.
    let other = Arc::downgrade(&server);
    // Of the same length, so that only the ETag tells.
    let changed = text.replace('x', "y");
    let proxy = Proxy::start(server.port(), move |_, number| match number {
        1 => Harm::CutAfter(MIB),
        2 => {
            other.upgrade().expect("the test runs").put("bucket", &[("x", &changed)]);
            Harm::None
        }
        _ => Harm::None,
    });
    let ran = read(proxy.port(), "gor-filter", &["--fetch", "1", "s3://bucket/x"]);
    ran.ends_with(1).says("s3://bucket/x: the object was changed while it was read");
    let whole = whole_records(&ran.stdout);
    assert!(text.as_bytes().starts_with(whole) && whole.len() + 20_000 > MIB, "{}", ran.stderr);
}

#[test]
fn what_came_before_the_server_went_away_is_delivered() {
    let Some(server) = S3::start() else { return };
    let server = Arc::new(server);
    let text = records(20 * MIB);
    server.put("bucket", &[("x", &text)]);
    // The threads of the proxy live on, and must not keep the server.
    let other = Arc::downgrade(&server);
    let proxy = Proxy::start(server.port(), move |_, number| match number {
        1 => Harm::CutAfter(3 * MIB),
        2.. => {
            other.upgrade().expect("the test runs").kill();
            Harm::None
        }
        _ => Harm::None,
    });
    let ran = read(proxy.port(), "gor-filter", &["--fetch", "1", "s3://bucket/x"]);
    ran.ends_with(1).says("s3://bucket/x: ").says("(tried 6 times)");
    let whole = whole_records(&ran.stdout);
    assert!(text.as_bytes().starts_with(whole) && whole.len() + 20_000 > 3 * MIB, "{}", ran.stderr);
}
