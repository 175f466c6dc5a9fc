//! gor-show: what is in a recording, as text.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use serde_json::Value;

use super::support::program::{command, run};

/// The recording of the shop: 247 exchanges.
fn shop() -> Vec<u8> {
    run("gor-record", &["-r", "testdata/shop.pcapng", "--responses", "-q"], b"").stdout
}

/// Records with these payloads, a request and its response for each pair.
fn recording(exchanges: &[(&str, &str)]) -> Vec<u8> {
    let mut text = Vec::new();
    for (number, (request, response)) in exchanges.iter().enumerate() {
        for (kind, payload) in [(1, request), (2, response)] {
            if !payload.is_empty() {
                let time = 1_790_000_000_000_000_000 + number as i64 * 1_000_000_000 + kind * 1_000_000;
                let header = format!("{kind} c74e1f900a000002{number:08x} {time} 0 {}\n", payload.len());
                text.extend_from_slice(
                    &[header.as_bytes(), payload.as_bytes(), "\n🐵🙈🙉\n".as_bytes()].concat(),
                );
            }
        }
    }
    text
}

fn lines(stdout: &[u8]) -> Vec<&str> {
    str::from_utf8(stdout).expect("text").lines().collect()
}

#[test]
fn every_exchange_is_a_line_whatever_the_input_is() {
    let from_text = run("gor-show", &["--utc"], &shop());
    let from_capture = run("gor-show", &["--utc", "testdata/shop.pcapng"], b"");
    assert_eq!(lines(&from_text.ends_with(0).stdout).len(), 247);
    assert_eq!(from_text.stdout, from_capture.ends_with(0).stdout);
    let first = "2026-11-23 21:47:46.405  10.7.0.2:54664         GET     shop.test:8080/  ";
    assert!(lines(&from_text.stdout)[0].starts_with(first), "{}", lines(&from_text.stdout)[0]);
    from_text.is_silent();
}

#[test]
fn what_is_missing_or_hostile_is_marked_and_controls_nothing() {
    let input = recording(&[
        (
            "GET /\x1b[2J HTTP/1.1\r\nHost: a\x07b\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Type: text/\x1b[31m\r\n\r\n",
        ),
        ("GET /unanswered HTTP/1.1\r\nHost: a\r\n\r\n", ""),
        ("", "HTTP/1.1 500 Oops\r\n\r\n"),
        ("\x1b]0;title\x07", "\x1b[0m"),
        ("GET /short HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"),
    ]);
    for args in [&[][..], &["--headers"], &["--bodies"], &["--raw"], &["--summary"], &["--json"]] {
        let shown = run("gor-show", args, &input);
        shown.ends_with(0);
        let is_control = |byte: &u8| *byte < b' ' && *byte != b'\n' && *byte != b'\t';
        assert!(!shown.stdout.iter().any(|byte| is_control(byte) || *byte == 0x7f), "{args:?}");
    }
    let shown = run("gor-show", &["--utc"], &input);
    let text = String::from_utf8(shown.stdout).expect("text");
    assert!(text.contains("a\\x07b/\\x1b[2J"), "{text}");
    assert!(text.contains("/unanswered") && text.contains("no response"), "{text}");
    let short = text.lines().find(|line| line.contains("a/short")).expect("it is shown");
    assert!(short.ends_with("response incomplete"), "{short}");
    let summary = String::from_utf8(run("gor-show", &["--summary"], &input).stdout).expect("text");
    assert!(
        summary.contains("1 message without a mark, shorter than Content-Length or chunks say"),
        "{summary}"
    );
    assert!(text.contains("(no unanswered request before it)") && text.contains("(not HTTP)"), "{text}");
}

#[test]
fn bodies_are_decoded_and_the_rest_is_as_asked() {
    let input = recording(&[(
        "POST /a HTTP/1.1\r\nHost: b\r\nContent-Length: 9\r\n\r\n{\"a\":[1]}",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n",
    )]);
    let shown = |args: &[&str]| String::from_utf8(run("gor-show", args, &input).stdout).expect("text");
    assert!(
        shown(&["--headers"])
            .contains("\n> POST /a HTTP/1.1\n> Host: b\n> Content-Length: 9\n< HTTP/1.1 200 OK\n")
    );
    assert!(
        shown(&["--bodies"]).contains("\n{\n  \"a\": [\n    1\n  ]\n}\n< HTTP"),
        "{}",
        shown(&["--bodies"])
    );
    assert!(shown(&["--bodies"]).ends_with("< Transfer-Encoding: chunked\n\nabcd\n\n"));
    assert!(shown(&["--raw"]).contains("\n3\nabc\n1\nd\n0\n"));
}

#[test]
fn json_is_one_object_an_exchange() {
    let shown = run("gor-show", &["--json"], &shop());
    let objects: Vec<Value> = lines(&shown.ends_with(0).stdout)
        .iter()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(objects.len(), 247);
    assert!(
        objects.iter().all(|object| object["request"]["headers"].is_array() && object["status"].is_u64())
    );
}

#[test]
fn a_summary_counts_all_of_it() {
    let summary = run("gor-show", &["--summary", "--json", "--top", "3", "--by", "cookie:session"], &shop());
    let found: Value = serde_json::from_slice(&summary.ends_with(0).stdout).expect("JSON");
    assert_eq!(found["records"], serde_json::json!({"requests": 247, "responses": 247, "replayed": 0}));
    assert_eq!(found["status"], serde_json::json!({"2xx": 210, "3xx": 26, "4xx": 11}));
    assert_eq!(found["endpoints"][0]["name"], "GET /api/products");
    assert_eq!(found["endpoints"].as_array().map(Vec::len), Some(3));
    assert_eq!(found["by"]["what"], "cookie session");
    let methods = found["methods"].as_array().expect("a list");
    assert_eq!(methods[0], serde_json::json!({"name": "GET", "requests": 167}));
    let text = String::from_utf8(run("gor-show", &["--summary", "--utc"], &shop()).stdout).expect("text");
    assert!(
        text.contains("PUT /api/cart/{id}  ") && text.contains("status      2xx 210, 3xx 26, 4xx 11\n"),
        "{text}"
    );
}

#[test]
fn an_answer_after_minutes_is_shown_with_its_request_and_its_latency() {
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: shop\r\n\r\n");
    let record = |kind: u8, id: u8, seconds: u64, payload: &str| {
        let time = 1_790_000_000_000_000_000 + seconds * 1_000_000_000;
        format!("{kind} c74e1f900a000002{id:08x} {time} 0 {}\n{payload}\n🐵🙈🙉\n", payload.len())
    };
    let input = [
        record(1, 1, 0, &get("/slow")),
        record(1, 2, 90, &get("/quick")),
        record(2, 2, 91, "HTTP/1.1 200 OK\r\n\r\n"),
        record(2, 1, 125, "HTTP/1.1 503 Late\r\n\r\n"),
    ]
    .concat();
    let shown = run("gor-show", &["--utc"], input.as_bytes());
    let shown = lines(&shown.ends_with(0).stdout);
    assert_eq!(shown.len(), 3, "{shown:?}");
    assert!(shown[0].contains("shop/slow ") && shown[0].ends_with("no response"), "{shown:?}");
    assert!(shown[1].contains("shop/quick ") && shown[1].contains(" 200 "), "{shown:?}");
    for part in ["GET ", "shop/slow ", " 503 ", " 2m05s ", "late: the request was shown before"] {
        assert!(shown[2].contains(part), "{part} in {shown:?}");
    }
    let full = run("gor-show", &["--headers"], input.as_bytes()).stdout;
    assert_eq!(lines(&full).iter().filter(|line| line.starts_with("> GET /slow")).count(), 1);
    let objects = run("gor-show", &["--json"], input.as_bytes()).stdout;
    let late: Value = serde_json::from_str(lines(&objects)[2]).expect("JSON");
    assert_eq!((&late["target"], &late["latency"]), (&"/slow".into(), &125.0.into()));
    assert_eq!((&late["request_before"], &late["request"]), (&true.into(), &Value::Null));
    let summary = run("gor-show", &["--summary", "--json"], input.as_bytes()).stdout;
    let summary: Value = serde_json::from_slice(&summary).expect("JSON");
    assert_eq!(summary["all"]["unanswered"], 0);
    assert_eq!(summary["orphans"], 0);
    // What is compared waits for it.
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("late.gor").display().to_string();
    std::fs::write(&path, &input).expect("it can be written");
    let compared = run("gor-show", &["--compare", &path, &path], b"");
    assert_eq!(
        lines(&compared.ends_with(0).stdout),
        ["2 the same, 0 different, 0 answered only before, 0 only after, 0 unanswered in both"]
    );
}

/// A line comes when it happens, though the input goes on.
#[test]
fn an_exchange_of_a_live_pipe_is_shown_at_once() {
    let mut child =
        command("gor-show", &[]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it was built");
    let mut input = child.stdin.take().expect("it is piped");
    let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
    for path in ["/one", "/two"] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        input.write_all(&recording(&[(&request, "HTTP/1.1 204 No Content\r\n\r\n")])).expect("it reads");
        let mut line = String::new();
        output.read_line(&mut line).expect("text");
        assert!(line.contains(&format!("a{path} ")) && line.contains(" 204 "), "{line}");
    }
    drop(input);
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn a_replay_is_shown_beside_the_recording() {
    let mut input = recording(&[("GET /a HTTP/1.1\r\nHost: b\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n")]);
    let replayed = "3 c74e1f900a00000200000000 1790000005000000000 7000000\nHTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n\n🐵🙈🙉\n";
    input.extend_from_slice(replayed.as_bytes());
    let shown = run("gor-show", &["--utc"], &input);
    let shown = lines(&shown.stdout);
    assert!(shown.len() == 1 && shown[0].contains("200>503 !") && shown[0].contains("7.00ms"), "{shown:?}");
}

#[test]
fn two_recordings_are_compared_by_id() {
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    let answer = |status: &str, body: &str| {
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, answers: &[String]| {
        let paths = ["/same", "/status", "/body", "/gone"];
        let exchanges: Vec<_> = paths.iter().map(|path| get(path)).zip(answers.iter().cloned()).collect();
        let exchanges: Vec<_> = exchanges.iter().map(|(one, other)| (one.as_str(), other.as_str())).collect();
        let path = folder.path().join(name);
        std::fs::write(&path, recording(&exchanges)).expect("it can be written");
        path.display().to_string()
    };
    let ok = answer("200 OK", "ok");
    let before = write("before.gor", &[ok.clone(), ok.clone(), ok.clone(), ok.clone()]);
    let after =
        write("after.gor", &[ok.clone(), answer("500 Oops", "ok"), answer("200 OK", "okay"), String::new()]);
    let shown = run("gor-show", &["--compare", &before, &after], b"");
    let shown = lines(&shown.ends_with(0).stdout);
    assert_eq!(shown.len(), 3, "{shown:?}");
    assert!(shown[0].contains("a/status ") && shown[0].contains("200>500 !"), "{shown:?}");
    assert!(shown[1].contains("a/body ") && shown[1].ends_with("body 2B > 4B"), "{shown:?}");
    assert_eq!(
        shown[2],
        "1 the same, 2 different, 1 answered only before, 0 only after, 0 unanswered in both"
    );
    run("gor-show", &["--compare", &before], b"").ends_with(2);
    run("gor-show", &["--compare", &before, "none.gor"], b"").ends_with(1).says("none.gor");
}

#[test]
fn colours_are_for_terminals_or_when_asked_for() {
    let input = shop();
    assert!(!run("gor-show", &[], &input).stdout.contains(&b'\x1b'));
    assert!(run("gor-show", &["--color", "always"], &input).stdout.contains(&b'\x1b'));
}

#[test]
fn what_cannot_be_shown_is_said() {
    run("gor-show", &[], b"").ends_with(0).says("nothing to show");
    run("gor-show", &["no-such-file.gor"], b"").ends_with(1).says("no-such-file.gor");
    run("gor-show", &["--summary", "--by", "session"], b"").ends_with(2).says("header:NAME or cookie:NAME");
    run("gor-show", &["--headers", "--json"], b"").ends_with(2).says("cannot be used with");
    run("gor-show", &["--top", "3"], b"").ends_with(2).says("--summary");
}

#[test]
fn replayed_responses_alone_are_counted_and_are_no_orphans() {
    let recording = shop();
    let records = String::from_utf8_lossy(&recording);
    let replayed: String = records
        .split_inclusive("\n🐵🙈🙉\n")
        .filter_map(|record| record.strip_prefix("2 "))
        .flat_map(|rest| ["3 ", rest])
        .collect();
    let shown = run("gor-show", &["--utc"], replayed.as_bytes());
    let shown = lines(&shown.ends_with(0).stdout).join("\n");
    assert_eq!(shown.lines().count(), 247);
    assert!(shown.lines().all(|line| line.contains("(replayed response, without its request)")), "{shown}");
    let summary = run("gor-show", &["--summary"], replayed.as_bytes()).stdout;
    let summary = str::from_utf8(&summary).expect("text");
    assert!(summary.contains("replayed    2xx 210, 3xx 26, 4xx 11\n"), "{summary}");
    for left_out in ["orphans", "status", "methods", "hosts", "rate", "endpoints", ", 0B in responses"] {
        assert!(!summary.contains(left_out), "{left_out}\n{summary}");
    }
    let json = run("gor-show", &["--summary", "--json"], replayed.as_bytes()).stdout;
    let json: Value = serde_json::from_slice(&json).expect("JSON");
    assert_eq!((&json["orphans"], &json["replayed_alone"]), (&0.into(), &247.into()));
    assert_eq!(json["replayed_status"]["2xx"], 210);
    assert!(json["all"]["bytes"]["responses"].as_u64().is_some_and(|bytes| bytes > 90_000), "{json}");
}

#[test]
fn statuses_of_a_replay_are_not_mixed_with_recorded_ones() {
    let mut input = recording(&[("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n")]);
    input.extend_from_slice(
        "3 c74e1f900a00000200000000 1790000000005000000 7\nHTTP/1.1 500 Oops\r\n\r\n\n🐵🙈🙉\n".as_bytes(),
    );
    let summary = String::from_utf8(run("gor-show", &["--summary"], &input).stdout).expect("text");
    assert!(summary.contains("\nmessages    1 request, 1 response, 1 replayed response\n"), "{summary}");
    assert!(summary.contains("\nstatus      2xx 1\nreplayed    5xx 1\n"), "{summary}");
}

#[test]
fn what_nothing_is_known_of_is_not_in_a_summary() {
    let text = run("gor-show", &["--summary"], b"");
    text.writes(b"records     0\n");
    let json = run("gor-show", &["--summary", "--json"], b"").stdout;
    let json: Value = serde_json::from_slice(&json).expect("JSON");
    assert_eq!(json["all"]["latency"], serde_json::json!({}));
    assert!(json.get("from").is_none() && json.get("to").is_none(), "{json}");
}

#[test]
fn a_missing_separator_is_said_and_fails_where_the_message_before_it_is_whole() {
    let both = "1 c74e1f900a00000200000001 1790000000000000000 5\nGET / HTTP/1.1\r\n\r\n\n🐵🙈🙉\n\
                2 c74e1f900a00000200000001 1790000000000000000 5\nHTTP/1.1 200 OK\r\n\r\n\n🐵🙈🙉\n";
    let at = both.find("\n2 ").expect("a response") + 1 - "🐵🙈🙉\n".len();
    for left in ["", "\n"] {
        let joined = both.replacen("🐵🙈🙉\n", left, 1);
        let said =
            format!("record 1 (byte {}): the separator before the header here is missing", at + left.len());
        for (tool, args) in [
            ("gor-show", &[][..]),
            ("gor-filter", &[]),
            ("gor-merge", &[]),
            ("gor-rewrite", &["--redact", "all"]),
            ("gor-replay", &["--dry-run"]),
        ] {
            run(tool, args, joined.as_bytes()).ends_with(1).says(&said);
        }
    }
}

#[test]
fn a_recording_that_was_uploaded_may_be_one_in_a_body() {
    let inner = "1 c74e1f900a00000200000001 1790000000000000000 5\nGET / HTTP/1.1\r\n\r\n";
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", inner.len() + 5);
    let input = format!("1 c74e1f900a00000200000002 1790000000000000000 5\n{head}text\n{inner}\n🐵🙈🙉\n");
    let input = input.as_bytes();
    let shown = run("gor-show", &[], input);
    shown.ends_with(0).says("a line in this record looks like the header of another one");
    run("gor-show", &["-q"], input).ends_with(0).is_silent();
}

#[test]
fn exchanges_and_records_are_both_counted() {
    run("gor-show", &["--stats"], &shop())
        .ends_with(0)
        .says("247  exchanges shown\n")
        .says("494  records in them\n");
}

#[test]
fn a_list_of_nothing_and_half_a_comparison_are_refused() {
    run("gor-show", &["--summary", "--top", "0"], b"").ends_with(2).says("--top");
    run("gor-show", &["--compare", "a"], b"")
        .ends_with(2)
        .says("gor-show [OPTIONS] --compare <BEFORE> <AFTER>");
}
