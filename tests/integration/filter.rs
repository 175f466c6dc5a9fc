//! `gor-filter` as a program.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::process::Stdio;

use crate::support::packets::{Side, Talk, pcap};
use crate::support::program::{Ran, command, run};

const SEPARATOR: &str = "\n🐵🙈🙉\n";

/// A record as text.
fn record(kind: u8, id: &str, payload: &str) -> String {
    format!("{kind} {id} 1763900000000000000 1000\n{payload}{SEPARATOR}")
}

/// A request and its response.
fn exchange(id: &str, request: &str) -> String {
    record(1, id, request) + &record(2, id, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
}

/// A shop's traffic: of each exchange the id, method, target and headers.
fn shop() -> String {
    [
        ("a1", "GET /api/users?user_id=a HTTP/1.1\r\nHost: shop\r\nX-User: a\r\n\r\n"),
        ("b2", "POST /api/users HTTP/1.1\r\nHost: shop\r\nContent-Length: 9\r\n\r\nGET /api/"),
        ("c3", "PROPFIND /dav HTTP/1.1\r\nHost: files\r\nX-User: b\r\nX-User: a\r\n\r\n"),
        ("d4", "GET /static/logo.png HTTP/1.1\r\nAuthorization: Basic Ym9iOnNlY3JldA==\r\n\r\n"),
        ("e5", "\0\u{1}not HTTP at all"),
    ]
    .map(|(id, request)| exchange(id, request))
    .concat()
}

/// The kinds and ids of records, `1a1 2a1`.
fn ids(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let headers = text.split_terminator(SEPARATOR).filter_map(|record| record.lines().next());
    let short = |header: &str| header.split(' ').take(2).collect::<String>();
    headers.map(short).collect::<Vec<_>>().join(" ")
}

/// Both records of these exchanges.
fn both(exchanges: &str) -> String {
    exchanges.split_whitespace().map(|id| format!("1{id} 2{id}")).collect::<Vec<_>>().join(" ")
}

#[test]
fn each_rule_keeps_its_exchanges_and_inversion_the_others() {
    let cases: &[(&[&str], &str)] = &[
        (&["--method", "GET"], "a1 d4"),
        (&["--method", "GET", "--method", "PROPFIND"], "a1 c3 d4"),
        (&["--method", "get"], ""),
        (&["--url", "^/api"], "a1 b2"),
        (&["--url", "^/dav$", "--url", "user_id="], "a1 c3"),
        (&["--not-url", "^/api", "--not-url", r"\.png$"], "c3 e5"),
        (&["--header", "host:^shop$"], "a1 b2"),
        (&["--header", "Host:shop", "--header", "X-User:"], "a1"),
        (&["--header", "x-user:^a$"], "a1 c3"),
        (&["--not-header", "X-User:a"], "b2 d4 e5"),
        (&["--basic-auth", "^bob:"], "d4"),
        (&["--basic-auth", ""], "d4"),
        (&["--header-limit", "X-User:21%"], "a1 b2 d4 e5"),
        (&["--param-limit", "user_id:1/5"], "b2 c3 d4 e5"),
        (&["--method", "GET", "--url", "^/api"], "a1"),
        (&["--method", "POST", "--url", "png"], ""),
    ];
    let all = ["a1", "b2", "c3", "d4", "e5"];
    for (args, kept) in cases {
        let ran = run("gor-filter", &[args, &["-q"][..]].concat(), shop().as_bytes());
        ran.ends_with(0).is_silent();
        assert_eq!(ids(&ran.stdout), both(kept), "{ran}");
        let others: Vec<&str> = all.into_iter().filter(|id| !kept.contains(id)).collect();
        let inverted = run("gor-filter", &[args, &["--invert", "-q"][..]].concat(), shop().as_bytes());
        inverted.ends_with(0).is_silent();
        assert_eq!(ids(&inverted.stdout), both(&others.join(" ")), "{inverted}");
    }
}

#[test]
fn kinds_and_the_limit_choose_among_what_passes() {
    let input =
        shop() + &record(3, "b2", "HTTP/1.1 500 X\r\n\r\n") + &record(3, "d4", "HTTP/1.1 204 X\r\n\r\n");
    let cases: &[(&[&str], &str)] = &[
        (&["--kind", "replayed"], "3b2 3d4"),
        (&["--kind", "request", "--kind", "replayed", "--method", "GET"], "1a1 1d4 3d4"),
        (&["--kind", "response", "--method", "GET"], "2a1 2d4"),
        (&["--kind", "replayed", "--method", "GET", "--invert"], "3b2"),
        (&["--limit", "0"], ""),
        (&["--limit", "3", "--not-url", "^/api"], "1c3 2c3 1d4"),
        (&["--limit", "1", "--kind", "response"], "2a1"),
        (&["--limit", "99", "--method", "PROPFIND"], "1c3 2c3"),
    ];
    for (args, expected) in cases {
        let ran = run("gor-filter", args, input.as_bytes());
        ran.ends_with(0).is_silent();
        assert_eq!(ids(&ran.stdout), *expected, "{ran}");
    }
}

#[test]
fn without_rules_the_output_is_the_input_byte_for_byte() {
    let input = shop();
    for threads in ["1", "2", "4"] {
        run("gor-filter", &["--threads", threads], input.as_bytes()).ends_with(0).writes(input.as_bytes());
    }
}

#[test]
fn files_are_read_one_after_the_other_and_written_to_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("one.gor"), shop()).unwrap();
    std::fs::write(path("two.gor"), exchange("f6", "GET /api HTTP/1.1\r\n\r\n")).unwrap();
    let args = ["--method", "GET", "--url", "^/api", "-o", &path("out.gor"), &path("*.gor")];
    run("gor-filter", &args, b"").ends_with(0).is_silent().writes(b"");
    assert_eq!(ids(&std::fs::read(path("out.gor")).unwrap()), both("a1 f6"));
    run("gor-filter", &args, b"").ends_with(2).says("out.gor");
}

#[test]
fn an_empty_input_is_said_and_no_error() {
    let said = "gor-filter: nothing to filter: there is no record in the input\n";
    for args in [&["--method", "GET"][..], &["--limit", "1"]] {
        run("gor-filter", args, b"").ends_with(0).says(said).writes(b"");
    }
    let said = "gor-filter: nothing to filter: there is no record of that time in the input\n";
    run("gor-filter", &["--since", "2020-01-01"], b"").ends_with(0).says(said).writes(b"");
    run("gor-filter", &["--count"], b"").ends_with(0).is_silent().writes(b"0\n");
}

#[test]
fn garbage_is_named_for_what_it_looks_like() {
    let cases: &[(&str, &str)] = &[
        ("{\"a\": 1}\n", "JSON"),
        ("<!DOCTYPE html><html></html>", "HTML"),
        ("nothing of the kind\n", "text"),
    ];
    for (input, looks_like) in cases {
        run("gor-filter", &[], input.as_bytes()).ends_with(1).writes(b"").says("no record").says(looks_like);
    }
}

#[test]
fn a_bad_record_is_skipped_with_a_word_and_fatal_when_strict() {
    let input =
        exchange("a1", "GET / HTTP/1.1\r\n\r\n") + "9 b2 1 1\nx" + SEPARATOR + &record(1, "c3", "GET /");
    let ran = run("gor-filter", &[], input.as_bytes());
    ran.ends_with(0).says("standard input: record 3").says("the kind is not 1, 2 or 3");
    assert_eq!(ids(&ran.stdout), "1a1 2a1 1c3", "{ran}");
    let ran = run("gor-filter", &["--strict"], input.as_bytes());
    ran.ends_with(1).says("record 3");
    assert_eq!(ids(&ran.stdout), "1a1 2a1", "{ran}");
}

#[test]
fn a_record_beyond_the_limit_is_an_error_after_the_others() {
    let input = shop() + &record(1, "f6", &"x".repeat(2000)) + &exchange("a7", "GET / HTTP/1.1\r\n\r\n");
    let ran = run("gor-filter", &["--max-record", "1kb"], input.as_bytes());
    ran.ends_with(1).says("--max-record").says("record 11");
    assert_eq!(ids(&ran.stdout), both("a1 b2 c3 d4 e5 a7"), "{ran}");
}

#[test]
fn a_command_line_that_is_wrong_shows_where() {
    let cases: &[(&[&str], &str)] = &[
        (&["--url", "^/api("], "unclosed group\n    ^/api(\n         ^\n"),
        (&["--not-url", "^/api("], "    ^/api(\n         ^\n"),
        (&["--host", "^/api("], "    ^/api(\n         ^\n"),
        (&["--body", "^/api("], "    ^/api(\n         ^\n"),
        (&["--status", "5[0"], "    5[0\n     ^\n"),
        (&["--not-status", "5[0"], "    5[0\n     ^\n"),
        (&["--header", "Host: ^/api("], "    Host: ^/api(\n               ^\n"),
        (&["--not-header", "Host: ^/api("], "    Host: ^/api(\n               ^\n"),
        (&["--basic-auth", "^/api("], "    ^/api(\n         ^\n"),
        (&["--header", "Host"], "there is no colon; expected name:regex\n    Host\n        ^\n"),
        (&["--sample", "110%"], "expected a share from 0% to 100%, as 10%, 0.5% or 1/4\n    110%\n    ^\n"),
        (&["--since", "last week"], "2026-11-23 21:07, 21:07, 2026-11-23, yesterday, -2h"),
        (&["--until", "-2 moons"], "    -2 moons\n     ^\n"),
        (&["--min-latency", "long"], "500ms, 2s"),
        (&["--window", "1mb", "--url", "a"], "--status"),
        (&["--window", "wide", "--status", "5"], "32mb"),
        (&["--count", "-o", "out.gor"], "--output"),
        (&["--header", "Host"], "name:regex"),
        (&["--header-limit", "Host:many"], "name:25%"),
        (&["--param-limit", "user:101%"], "'user:101%'"),
        (&["--kind", "reply"], "request, response, replayed"),
        (&["--limit", "ten"], "--limit"),
        (&["--invert"], "--method"),
        (&["--threads", "0"], "1 to 256"),
        (&["--max-record", "0"], "--max-record"),
        (&["--colour"], "--colour"),
    ];
    for (args, text) in cases {
        run("gor-filter", args, b"").ends_with(2).writes(b"").says(text);
    }
}

#[test]
fn a_missing_input_is_named_and_no_output_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out.gor");
    let args = ["-o", out.to_str().unwrap(), "/no/such.gor"];
    run("gor-filter", &args, b"").ends_with(1).says("/no/such.gor: no such file or directory");
    assert!(!out.exists());
}

#[test]
fn the_ledger_says_what_became_of_each_record() {
    let directory = tempfile::tempdir().unwrap();
    let json = directory.path().join("stats.json");
    let args = ["--method", "GET", "--url", "^/api", "--stats", "--stats-json", json.to_str().unwrap()];
    run("gor-filter", &args, shop().as_bytes())
        .ends_with(0)
        .says("10  records judged\n")
        .says(" 2    written\n")
        .says(" 3    dropped by --method\n")
        .says(" 1    dropped by --url\n")
        .says(" 4    dropped with their request\n");
    let stats: serde_json::Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    assert_eq!(stats["records"]["total"], 10);
    assert_eq!(stats["records"]["by_method"], 3);
    assert_eq!(stats["bytes_read"], shop().len());
}

#[test]
fn a_full_disk_is_an_error() {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let input = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(input.path(), shop()).unwrap();
    let args = [input.path().to_str().unwrap()];
    let output = command("gor-filter", &args).stdout(full).stderr(Stdio::piped()).output().unwrap();
    Ran::new("gor-filter", &args, output)
        .ends_with(1)
        .says("gor-filter: standard output: no space left on device");
}

#[test]
fn a_closed_output_pipe_is_no_error() {
    let mut child = command("gor-filter", &[])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().unwrap();
    // Ends when the tool does: it cannot be told how much of it is read.
    while stdin.write_all(shop().as_bytes()).is_ok() {}
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    Ran::new("gor-filter", &[], output).ends_with(0).is_silent();
}

#[test]
fn a_record_goes_on_before_the_next_one_comes() {
    let mut child = command("gor-filter", &["--method", "GET"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    for round in 0..3 {
        let text = exchange(&format!("a{round}"), "GET / HTTP/1.1\r\n\r\n");
        stdin.write_all(text.as_bytes()).unwrap();
        let mut seen = vec![0; text.len()];
        stdout.read_exact(&mut seen).unwrap();
        assert_eq!(seen, text.as_bytes());
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn the_limit_ends_it_while_the_input_is_open() {
    let mut child = command("gor-filter", &["--limit", "1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(shop().as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    let mut seen = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut seen).unwrap();
    assert_eq!(ids(&seen), "1a1");
    drop(stdin);
}

#[test]
fn a_signal_ends_it_while_the_input_is_open_and_nothing_is_lost() {
    let mut child = command("gor-filter", &[]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let text = exchange("a1", "GET / HTTP/1.1\r\n\r\n");
    stdin.write_all(text.as_bytes()).unwrap();
    let mut seen = vec![0; text.len()];
    stdout.read_exact(&mut seen).unwrap();
    let kill = format!("kill -TERM {}", child.id());
    assert!(std::process::Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    assert!(child.wait().unwrap().success());
    drop(stdin);
}

/// A record with its times, in milliseconds after the recordings' beginning.
fn timed(kind: u8, id: &str, began: u64, took: u64, payload: &str) -> String {
    let began = 1_763_900_000_000 + began;
    format!("{kind} {id} {began}000000 {took}000000\n{payload}{SEPARATOR}")
}

/// Requests and responses that overlap: of each the id, status, times and bodies.
fn mixed() -> String {
    let post = "POST /b HTTP/1.1\r\nHost: Files.example.com:81\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nneedl\r\n1\r\ne\r\n0\r\n\r\n";
    [
        timed(1, "a1", 0, 0, "GET /a HTTP/1.1\r\nHost: shop.example.com\r\n\r\n"),
        timed(1, "b2", 1000, 0, post),
        timed(2, "b2", 1100, 50, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
        timed(1, "c3", 2000, 0, "GET http://proxied/c HTTP/1.1\r\nHost: x\r\n\r\n"),
        timed(2, "a1", 3000, 500, "HTTP/1.1 500 Oh\r\nContent-Length: 3\r\n\r\nred"),
        timed(2, "c3", 3100, 0, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nneedle"),
        timed(3, "a1", 9000, 7, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        timed(1, "d4", 4000, 0, "GET /no-response HTTP/1.1\r\n\r\n"),
    ]
    .concat()
}

#[test]
fn a_rule_about_the_response_chooses_the_whole_exchange() {
    let cases: &[(&[&str], &str)] = &[
        (&["--status", "^5"], "1a1 2a1 3a1"),
        (&["--status", "5.."], "1a1 2a1 3a1"),
        (&["--status", "404", "--status", "200"], "1b2 2b2 1c3 2c3"),
        (&["--not-status", "^5"], "1b2 2b2 1c3 2c3"),
        (&["--not-status", "^5", "--not-status", "404"], "1c3 2c3"),
        (&["--min-latency", "3s"], "1a1 2a1 3a1"),
        (&["--max-latency", "150ms"], "1b2 2b2"),
        (&["--min-latency", "1s", "--max-latency", "3499ms"], "1c3 2c3"),
        (&["--body", "needle"], "1b2 2b2 1c3 2c3"),
        (&["--body", "^red$"], "1a1 2a1 3a1"),
        (&["--body", "^red$", "--status", "200"], ""),
        (&["--status", "^5", "--method", "POST"], ""),
        (&["--status", "^5", "--invert"], "1b2 2b2 1c3 2c3 1d4"),
        (&["--status", "^5", "--kind", "request"], "1a1"),
        (&["--status", "^5", "--kind", "response"], "2a1"),
        (&["--status", "^[245]", "--limit", "3"], "1a1 1b2 2b2"),
        (&["--status", "^5", "--limit", "2"], "1a1 2a1"),
    ];
    for (args, expected) in cases {
        for threads in ["1", "2", "4"] {
            let ran =
                run("gor-filter", &[args, &["--threads", threads, "-q"][..]].concat(), mixed().as_bytes());
            ran.ends_with(0).is_silent();
            assert_eq!(ids(&ran.stdout), *expected, "{ran}");
        }
    }
}

#[test]
fn rules_about_time_host_sample_and_wholeness() {
    let cases: &[(&[&str], &str)] = &[
        (&["--since", "1763900001"], "1b2 2b2 1c3 2c3 1d4"),
        (&["--until", "1763900001"], "1a1 2a1 3a1"),
        (&["--since", "2025-11-23T12:13:21Z", "--until", "1763900002000"], "1b2 2b2"),
        (&["--since", "1763900002000000000", "--until", "1763900004000000"], "1c3 2c3"),
        (&["--since", "-1s"], ""),
        (&["--host", "^shop\\.EXAMPLE\\.com$"], "1a1 2a1 3a1"),
        (&["--host", "^files.example.com$", "--host", "^proxied$"], "1b2 2b2 1c3 2c3"),
        (&["--host", "81|^x$"], ""),
        (&["--complete"], "1a1 1b2 2b2 1c3 2a1 3a1 1d4"),
        (&["--sample", "0%"], ""),
        (&["--sample", "100%"], "1a1 1b2 2b2 1c3 2a1 2c3 3a1 1d4"),
    ];
    for (args, expected) in cases {
        let ran = run("gor-filter", &[args, &["-q"][..]].concat(), mixed().as_bytes());
        ran.ends_with(0).is_silent();
        assert_eq!(ids(&ran.stdout), *expected, "{ran}");
    }
    let sampled = |share| run("gor-filter", &["--sample", share], mixed().as_bytes()).stdout;
    assert_eq!(sampled("50%"), sampled("1/2"));
    let cut = "1 a1 1763900000000000000 0 18 cut\nGET / HTTP/1.1\r\n\r\n".to_owned() + SEPARATOR;
    run("gor-filter", &["--complete", "-q"], cut.as_bytes()).ends_with(0).is_silent().writes(b"");
}

#[test]
fn complete_messages_are_as_long_as_their_framing_says() {
    let post = "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello";
    let whole = record(1, "a1", post) + &record(1, "b2", "GET / HTTP/1.1\r\n\r\n");
    let input = [
        record(1, "c3", &format!("{post}more")),
        whole.clone(),
        record(1, "d4", &post[..post.len() - 1]),
        record(1, "e5", "GET / HTTP/1.1\r\n\r\njunk"),
    ];
    run("gor-filter", &["--complete"], input.concat().as_bytes()).ends_with(0).writes(whole.as_bytes());
}

#[test]
fn a_last_record_that_the_input_cuts_is_marked_as_cut() {
    let half = "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhel";
    let input = format!("1 aa 5 0\n{half}");
    let output = format!("1 aa 5 0 {} cut\n{half}\n🐵🙈🙉\n", half.len());
    for tool in ["gor-filter", "gor-merge"] {
        run(tool, &[], input.as_bytes()).ends_with(0).writes(output.as_bytes());
    }
}

#[test]
fn a_long_message_of_a_capture_is_whole_or_its_cut_is_said() {
    let body = "x".repeat(6 << 20);
    let request = format!("POST /long HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let talk = Talk::open().in_segments(Side::Client, request.as_bytes(), 16_000);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.pcap").display().to_string();
    std::fs::write(&path, pcap(&talk.packets)).unwrap();
    let ran = run("gor-filter", &[&path], b"");
    ran.ends_with(0).is_silent();
    assert!(ran.stdout.len() > request.len() && ran.stdout.windows(4).any(|four| four == b"POST"));
    let ran = run("gor-filter", &["--max-record", "1mb", &path], b"");
    ran.ends_with(1).says("cut");
}

#[test]
fn counting_prints_a_number_only() {
    let cases: &[(&[&str], &str)] = &[
        (&[], "8\n"),
        (&["--status", "^5"], "3\n"),
        (&["--method", "PUT"], "0\n"),
        (&["--limit", "2"], "2\n"),
    ];
    for (args, expected) in cases {
        let args = [args, &["--count"][..]].concat();
        run("gor-filter", &args, mixed().as_bytes()).ends_with(0).is_silent().writes(expected.as_bytes());
    }
}

#[test]
fn statistics_have_a_row_for_each_rule_in_the_order_of_judging() {
    let directory = tempfile::tempdir().unwrap();
    let json = directory.path().join("stats.json");
    let args = ["--status", "^5", "--not-url", "b", "--stats", "--stats-json", json.to_str().unwrap()];
    run("gor-filter", &args, mixed().as_bytes())
        .ends_with(0)
        .says(" 1    dropped for want of a response\n")
        .says("requests by rule     matched     dropped\n")
        .says("  --not-url                3           1\n  --status                 1           1\n");
    let stats: serde_json::Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    let by_rule = serde_json::json!([
        {"name": "--not-url", "matched": 3, "dropped": 1},
        {"name": "--status", "matched": 1, "dropped": 1},
    ]);
    assert_eq!(stats["requests_by_rule"], by_rule);
}

#[test]
fn a_response_beyond_the_window_is_told() {
    let ran = run("gor-filter", &["--status", "^5", "--window", "100"], mixed().as_bytes());
    ran.ends_with(0).says("came too late to be judged").says("--window");
    assert_eq!(ids(&ran.stdout), "", "{ran}");
}

#[test]
fn a_response_lets_what_waits_go_on_while_the_input_is_open() {
    let mut child = command("gor-filter", &["--status", "200"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let text = exchange("a1", "GET / HTTP/1.1\r\n\r\n");
    stdin.write_all(text.as_bytes()).unwrap();
    let mut seen = vec![0; text.len()];
    stdout.read_exact(&mut seen).unwrap();
    assert_eq!(seen, text.as_bytes());
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn times_may_be_local_and_what_can_match_nothing_is_refused() {
    let shop = run("gor-record", &["-r", "testdata/shop.pcapng", "-q"], b"").stdout;
    let count = |zone: &str, args: &[&str]| {
        let mut child = command("gor-filter", &[args, &["--count"]].concat());
        child.env("TZ", zone).stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut child = child.stderr(std::process::Stdio::piped()).spawn().expect("it was built");
        // One that refuses its command line reads nothing.
        let _ = std::io::Write::write_all(&mut child.stdin.take().expect("it is piped"), &shop);
        let output = child.wait_with_output().expect("it ends");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        (text(output.stdout), text(output.stderr))
    };
    // All of it is within these four seconds of UTC.
    let since = ["--since", "2026-11-23 21:47:46", "--until", "2026-11-23 21:47:51"];
    assert_eq!(count("UTC", &since), ("247\n".into(), String::new()));
    let (counted, said) = count("UTC-2", &since);
    assert_eq!(counted, "0\n");
    let span =
        "nothing to count: 247 of 247 requests failed --until; the recording is from 2026-11-23 23:47:46";
    assert!(said.contains(span), "{said}");
    let later = ["--since", "2026-11-23 23:47:46", "--until", "2026-11-23 23:47:51", "-v"];
    let (counted, said) = count("UTC-2", &later);
    assert_eq!(counted, "247\n");
    assert!(said.contains("--since is 2026-11-23 23:47:46 +02:00"), "{said}");
    let (_, said) = count("UTC", &["--since", "2026-11-24", "--until", "2026-11-23"]);
    assert!(said.contains("nothing can match: --since (2026-11-24 00:00:00 +00:00) is not before"), "{said}");
}

#[test]
fn a_host_with_a_port_gets_a_hint() {
    let input = "1 a 5 5\nGET / HTTP/1.1\r\nHost: shop.test:8080\r\n\r\n\n🐵🙈🙉\n".as_bytes();
    run("gor-filter", &["--host", "shop.test:8080"], input)
        .ends_with(0)
        .says("nothing to write: 1 of 1 request failed --host; hosts are compared without their port");
    let other = run("gor-filter", &["--host", "other"], input);
    assert!(!other.stderr.contains("port"), "{other}");
}
