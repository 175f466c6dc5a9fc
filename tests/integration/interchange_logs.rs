//! Access logs of web servers, read and replayed by the real tools.

use std::io::Write as _;

use crate::support::origin::{Origin, Received, answer};
use crate::support::program::run;

const LOG: &str = r#"10.0.0.1 - - [14/Nov/2023:23:13:20 +0100] "GET /a?b=c HTTP/1.1" 200 2326 "http://shop.example/" "Mozilla \"5.0\" \x22x\x22"
10.0.0.2 - ann [14/Nov/2023:23:13:20 +0100] "POST /cart HTTP/2.0" 302 0 "-" "curl/8"
10.0.0.1 - - [14/Nov/2023:23:13:21 +0100] "GET /c HTTP/1.1" 404 - "-" "-"
10.0.0.3 - - [14/Nov/2023:23:13:21 +0100] "\x16\x03\x01" 400 157 "-" "-"
"#;

/// The text that the log becomes, with dots for the part of the ids that tells logs apart.
const RECORDS: &str = "1 040000500a000001........ 1700000000000000000 0\nGET /a?b=c HTTP/1.1\r\nHost: localhost\r\n\
     Referer: http://shop.example/\r\nUser-Agent: Mozilla \"5.0\" \"x\"\r\n\r\n\n🐵🙈🙉\n\
     2 040000500a000001........ 1700000000000000000 0 39 cut\nHTTP/1.1 200 \r\nContent-Length: 2326\r\n\r\n\n🐵🙈🙉\n\
     1 040000500a000002........ 1700000000000000000 0 60 cut\nPOST /cart HTTP/1.1\r\nHost: localhost\r\n\
     User-Agent: curl/8\r\n\r\n\n🐵🙈🙉\n\
     2 040000500a000002........ 1700000000000000000 0 36 cut\nHTTP/1.1 302 \r\nContent-Length: 0\r\n\r\n\n🐵🙈🙉\n\
     1 040000500a000001........ 1700000001000000000 0\nGET /c HTTP/1.1\r\nHost: localhost\r\n\r\n\n🐵🙈🙉\n\
     2 040000500a000001........ 1700000001000000000 0 17 cut\nHTTP/1.1 404 \r\n\r\n\n🐵🙈🙉\n";

/// Records with dots for the last eight digits of their ids.
fn without_numbers(records: &[u8]) -> String {
    let mut text = String::from_utf8(records.to_vec()).unwrap();
    let starts: Vec<_> = text.match_indices(" 04000050").map(|(at, _)| at).collect();
    for at in starts {
        text.replace_range(at + 17..at + 25, "........");
    }
    text
}

#[test]
fn a_log_is_recognised_by_its_content_and_what_it_does_not_have_is_counted() {
    let ran = run("gor-filter", &[], LOG.as_bytes());
    ran.ends_with(0);
    assert_eq!(without_numbers(&ran.stdout), RECORDS);
    ran.says("standard input: not carried over: 3 hosts (localhost is written), 2 bodies of responses, 3 durations");
    ran.says("1 request of another version of HTTP (written as HTTP/1.1), 1 request's credentials, 1 body of a request");
    ran.says("1 line without an HTTP request");
    ran.says("1 fraction of a second (requests of the same second come at once; those of a file are spread)");
    // What is missing is told to those who want to hear little, too.
    run("gor-filter", &["-q"], LOG.as_bytes()).ends_with(0).says("not carried over");
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("access.log"), LOG).unwrap();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(LOG.as_bytes()).unwrap();
    std::fs::write(path("access.log.1.gz"), packed.finish().unwrap()).unwrap();
    // All of a file is there: requests of the same second are spread over it. A pipe is not waited for.
    let spread =
        RECORDS.replace("0a000002........ 1700000000000000000", "0a000002........ 1700000000500000000");
    for tool in ["gor-filter", "gor-merge"] {
        for name in ["access.log", "access.log.1.gz"] {
            let ran = run(tool, &[&path(name)], b"");
            ran.ends_with(0)
                .says("2 fractions of seconds (the requests of each second are spread evenly over it)");
            assert_eq!(without_numbers(&ran.stdout), spread);
        }
    }
    let rewritten = run("gor-rewrite", &["--set-host", "shop.example", &path("access.log")], b"");
    rewritten.ends_with(0);
    assert_eq!(without_numbers(&rewritten.stdout), {
        let shorter = spread.replace("localhost", "shop.example");
        shorter.replace(" 60 cut", " 63 cut")
    });
    let shown = run("gor-show", &[&path("access.log")], b"");
    shown.ends_with(0);
    let lines = String::from_utf8(shown.stdout.clone()).unwrap();
    assert!(lines.lines().count() >= 3 && lines.contains("/a?b=c") && lines.contains("404"), "{lines}");
    // Durations that the log does not have are none.
    let log = path("access.log");
    for (tool, args) in [("gor-show", &["--summary", &log][..]), ("gor-replay", &["--dry-run", "-i", &log])] {
        let ran = run(tool, args, b"");
        let text = String::from_utf8_lossy(&ran.stdout) + &*ran.stderr;
        assert!(
            text.contains("/a") && !text.contains("1.00us") && !text.contains("latency"),
            "{tool}: {text}"
        );
    }
    let found = run("gor-filter", &["--status", "404"], LOG.as_bytes());
    found.ends_with(0);
    assert_eq!(found.stdout.windows(6).filter(|part| part == b"GET /c").count(), 1);
    assert_eq!(found.stdout.windows(5).filter(|part| part == b"GET /").count(), 1);
}

#[test]
fn requests_of_a_log_are_replayed_and_those_without_their_body_are_not() {
    let origin = Origin::start(|_| answer(200, "ok"));
    let address = origin.address().to_string();
    let ran = run("gor-replay", &["--speed", "20x", &address], LOG.as_bytes());
    ran.ends_with(0).says("marked in the recording as incomplete or doubtful");
    let mut lines: Vec<_> = origin.received().iter().map(Received::line).collect();
    lines.sort();
    assert_eq!(lines, ["GET /a?b=c", "GET /c"]);
}

#[test]
fn lines_of_json_are_a_log_where_they_say_a_request_and_a_time() {
    let line = r#"{"time":"2023-11-14T22:13:20.500+00:00","remote_addr":"10.0.0.1","method":"GET","uri":"/a","status":200,"request_time":0.25,"host":"shop.example"}"#;
    let ran = run("gor-filter", &[], format!("{line}\n{{\"a\":1}}\n").as_bytes());
    ran.ends_with(0).says("record 3 (byte 147): line 2: it has no time: {\"a\":1}; it is skipped");
    let text = without_numbers(&ran.stdout);
    let expected = "1 040000500a000001........ 1700000000250000000 0\nGET /a HTTP/1.1\r\nHost: shop.example\r\n\r\n\n🐵🙈🙉\n\
                    2 040000500a000001........ 1700000000500000000 0 17 cut\nHTTP/1.1 200 \r\n\r\n\n🐵🙈🙉\n";
    assert_eq!(text, expected);
    // Records as JSON are no log, even where their fields are in another order.
    let records = run("gor-filter", &["--format", "jsonl"], &ran.stdout);
    let moved = String::from_utf8(records.stdout.clone()).unwrap();
    let moved: String = moved
        .lines()
        .map(|line| {
            let object: std::collections::BTreeMap<String, serde_json::Value> =
                serde_json::from_str(line).unwrap();
            serde_json::to_string(&object).unwrap() + "\n"
        })
        .collect();
    assert!(moved.starts_with("{\"headers\""), "{moved}");
    run("gor-filter", &[], moved.as_bytes()).ends_with(0).is_silent().writes(&ran.stdout);
}

#[test]
fn a_format_of_ones_own_is_given_and_recordings_are_read_beside_it() {
    const FORMAT: &str = "$msec|$remote_addr|$request_method $host$";
    let format = "$msec|$remote_addr|$request_method $request_uri|$http_x_trace|$other";
    let text = "1700000000.125|10.0.0.1|GET /a?b|\\x22t|rest | of it\n";
    let ran = run("gor-filter", &["--log-format", format], text.as_bytes());
    ran.ends_with(0);
    let expected = "1 040000500a000001........ 1700000000125000000 0\nGET /a?b HTTP/1.1\r\nHost: localhost\r\n\
                    X-Trace: \"t\r\n\r\n\n🐵🙈🙉\n";
    assert_eq!(without_numbers(&ran.stdout), expected);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("a.log"), text).unwrap();
    std::fs::write(path("a.gor"), &ran.stdout).unwrap();
    let both = run("gor-filter", &["--log-format", format, &path("a.log"), &path("a.gor")], b"");
    both.ends_with(0).writes(&[&ran.stdout[..], &ran.stdout].concat());
    run("gor-filter", &["--log-format", FORMAT], b"")
        .ends_with(2)
        .says("expected the name of a variable, as $status");
    run("gor-filter", &["--log-format", "$status"], b"").ends_with(2).says("the format has no time");
    run("gor-filter", &["--log-format", "combined", "tcp://127.0.0.1:0"], b"")
        .ends_with(2)
        .says("--log-format applies to files and standard input");
    run("gor-filter", &["--log-format", format], LOG.as_bytes()).ends_with(1).says(
        "no line of it is in the log format; line 1: it is not in the log format: 10.0.0.1 - - [14/Nov/2023",
    );
    run("gor-filter", &[], text.as_bytes()).ends_with(1).says("no record in it");
}

#[test]
fn lines_that_do_not_parse_are_counted_and_the_first_is_shown() {
    let text = format!("{LOG}what is this?\n\n{LOG}and this?\n");
    let ran = run("gor-filter", &[], text.as_bytes());
    ran.ends_with(0)
        .says("line 5: it is not in the log format: what is this?; 2 such malformed records are skipped");
    assert_eq!(without_numbers(&ran.stdout), RECORDS.repeat(2));
    run("gor-filter", &["--strict"], text.as_bytes())
        .ends_with(1)
        .says("line 5: it is not in the log format");
    run("gor-filter", &[], &LOG.as_bytes()[..LOG.len() - 20])
        .ends_with(1)
        .says("the input ends inside this line");
}
