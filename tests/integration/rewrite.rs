//! `gor-rewrite` as a program: its rules, and programs of others that records go through.

use crate::support::clients;
use crate::support::program::run;

const SEPARATOR: &str = "\n🐵🙈🙉\n";

fn record(kind: u8, id: &str, payload: &str) -> String {
    format!("{kind} {id} 1763900000000000000 1000\n{payload}{SEPARATOR}")
}

const REQUEST: &str =
    "GET /v1/user/joe/ping?key=old&q=1 HTTP/1.1\r\nHost: shop.example.com\r\nCookie: a=b\r\n\r\n";
const RESPONSE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nCookie: a=b\r\n\r\nok";

fn exchange() -> String {
    record(1, "a1", REQUEST) + &record(2, "a1", RESPONSE)
}

/// Rewrites the exchange: what becomes of the request.
fn rewritten(args: &[&str]) -> String {
    let ran = run("gor-rewrite", args, exchange().as_bytes());
    ran.ends_with(0).is_silent();
    let text = String::from_utf8(ran.stdout.clone()).expect("it is text");
    let response = record(2, "a1", RESPONSE);
    let request = text.strip_suffix(&response).unwrap_or_else(|| panic!("the response changed: {ran}"));
    let payload = request.strip_suffix(SEPARATOR).expect("a record ends with the separator");
    payload.strip_prefix("1 a1 1763900000000000000 1000\n").expect("the header line stays").to_owned()
}

#[test]
fn each_rule_changes_what_it_says() {
    for (args, from, to) in [
        (&["--set-host", "new:8"][..], "shop.example.com", "new:8"),
        (&["--set-header", "cookie: c"], "Cookie: a=b", "cookie: c"),
        (&["--set-header", "A: c"], "Host:", "A: c\r\nHost:"),
        (&["--delete-header", "COOKIE"], "Cookie: a=b\r\n", ""),
        (&["--rewrite-header", "Host: (.*).example.com,$1.beta.example.com"], "shop.", "shop.beta."),
        (&["--rewrite-url", r"/v1/user/([^\/]+)/ping:/v2/user/$1/ping"], "/v1/", "/v2/"),
        (&["--rewrite-url", "s#/V1#/v3#i"], "/v1/", "/v3/"),
        (&["--set-param", "key=n w"], "key=old", "key=n%20w"),
        (&["--delete-param", "key"], "key=old&", ""),
        (&["--rewrite-url", "a:b", "--rewrite-url", "v1:v2", "--rewrite-url", "v2:v3"], "v1", "v2"),
        (&["--all", "--rewrite-url", "v1:v2", "--rewrite-url", "v2:v3"], "v1", "v3"),
    ] {
        assert_eq!(rewritten(args), REQUEST.replace(from, to), "{args:?}");
    }
}

#[test]
fn rules_apply_in_the_order_of_the_command_line() {
    let set = ["--set-param", "q=2"];
    let delete = ["--delete-param", "q"];
    assert_eq!(rewritten(&[set, delete].concat()), REQUEST.replace("&q=1", ""));
    assert_eq!(rewritten(&[delete, set].concat()), REQUEST.replace("q=1", "q=2"));
}

#[test]
fn a_rule_that_does_not_parse_is_shown_with_a_caret() {
    for (args, said) in [
        (["--rewrite-url", "(a:b"], "unclosed group"),
        (["--rewrite-url", "(a):$2"], "the pattern has no group \"2\""),
        (["--rewrite-header", "Host: a"], "a comma is missing"),
        (["--set-header", "Host"], "a colon is missing"),
        (["--set-param", "k"], "expected name=value"),
        (["--delete-header", "a b"], "cannot stand in a header's name"),
        (["--set-host", "a/b"], "a host is a name"),
        (["--middleware", "node 'x"], "a quote is open"),
    ] {
        run("gor-rewrite", &args, b"").ends_with(2).says(said).says("^\n").says(args[1]);
    }
}

#[test]
fn the_output_is_the_same_on_any_number_of_threads_and_the_ledger_reconciles() {
    let input: String = (0..20_000_u32)
        .map(|n| record(1 + (n % 2) as u8, &format!("{n:x}"), if n % 2 == 0 { REQUEST } else { RESPONSE }))
        .collect();
    let outputs = ["1", "2", "4"].map(|threads| {
        let args = ["--threads", threads, "--rewrite-url", "ping:pong", "--set-header", "A: b", "--stats"];
        let ran = run("gor-rewrite", &args, input.as_bytes());
        ran.ends_with(0).says("20000  records\n").says("10000    changed\n").says("10000    unchanged\n");
        ran.says("  --rewrite-url       10000\n");
        ran.stdout.clone()
    });
    assert!(outputs[0] == outputs[1] && outputs[1] == outputs[2]);
}

#[test]
fn records_go_through_a_program_and_then_through_the_rules() {
    let args = ["--set-param", "q=2", "--middleware", "sed -n p"];
    assert_eq!(rewritten(&args), REQUEST.replace("q=1", "q=2"));
}

#[test]
fn what_a_program_does_not_send_back_is_lost_unless_it_may_drop() {
    let request = record(1, "a1", REQUEST);
    // The response has the request's id, and is another record.
    for (program, output) in [("sed 2d", request.clone()), ("sed '2d;p'", request.repeat(2))] {
        let lost = run("gor-rewrite", &["--middleware", program], exchange().as_bytes());
        lost.ends_with(1).says("did not send back 1 of 2 records (2 a1)").says("--middleware-may-drop");
        lost.writes(output.as_bytes());
        let args = ["--middleware", program, "--middleware-may-drop"];
        run("gor-rewrite", &args, exchange().as_bytes()).ends_with(0).is_silent().writes(output.as_bytes());
    }
    let args = ["--middleware", "sed '2d;p'", "--middleware-may-drop", "--stats"];
    let told = run("gor-rewrite", &args, exchange().as_bytes());
    told.ends_with(0).says("2  records sent to the middleware\n").says("1    sent back\n");
    told.says("1    not sent back\n").says("1  records of its own\n");
    run("gor-rewrite", &["--middleware-may-drop"], b"").ends_with(2);
}

#[test]
fn a_program_that_fails_is_told_and_what_it_sent_back_is_written() {
    let args = ["--middleware", "sh -c 'head -n 1; cat >/dev/null; echo why >&2; exit 4'"];
    let ran = run("gor-rewrite", &args, exchange().as_bytes());
    ran.ends_with(1)
        .says("why\n")
        .says("exit status 4; did not send back 1 of 2 records (2 a1)")
        .says("(2 records sent to it, 1 came back)");
    ran.writes(record(1, "a1", REQUEST).as_bytes());
    let ran = run("gor-rewrite", &["--middleware", "no-such-program"], exchange().as_bytes());
    ran.ends_with(1).says("the middleware \"no-such-program\": no such file");
}

/// What a client makes of the exchange.
fn through_client(middleware: &str) -> String {
    let ran = run("gor-rewrite", &["--middleware", middleware], exchange().as_bytes());
    ran.ends_with(0);
    let text = String::from_utf8(ran.stdout.clone()).expect("it is text");
    assert!(text.ends_with(&record(2, "a1", RESPONSE)), "{ran}");
    text
}

#[test]
fn goreplays_client_for_node_works_unchanged() {
    let Some((_folder, command)) = clients::node(include_str!("middleware/node.js")) else { return };
    let text = through_client(&command);
    assert!(text.contains("GET /node/v1/user/joe/ping?key=old&q=1 HTTP/1.1\r\n"), "{text}");
    assert!(text.contains("X-Client: node\r\n"), "{text}");
}

#[test]
fn goreplays_client_for_python_works_unchanged() {
    let Some((_folder, command)) = clients::python(include_str!("middleware/python.py")) else { return };
    let text = through_client(&command);
    assert!(text.contains("GET /python/v1/user/joe/ping?key=old&q=1 HTTP/1.1\r\n"), "{text}");
}

fn gzip(content: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, content.as_bytes()).expect("memory");
    encoder.finish().expect("memory")
}

/// A record whose payload is any bytes.
fn record_of(kind: u8, id: &str, payload: &[u8]) -> Vec<u8> {
    [format!("{kind} {id} 1763900000000000000 1000\n").as_bytes(), payload, SEPARATOR.as_bytes()].concat()
}

/// The payloads of a recording, without bodies that are binary.
fn payloads(recording: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(recording);
    text.split_terminator(SEPARATOR)
        .map(|record| record.split_once('\n').expect("a header line").1.to_owned())
        .collect()
}

#[test]
fn bodies_are_rewritten_and_their_lengths_say_so() {
    let post = |body: &str| format!("POST /a HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let chunked = |body: &str| {
        format!(
            "POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
            body.len()
        )
    };
    let answer = |body: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let recording = [post("alice, alice"), chunked("Alice"), answer("alice")];
    let input: String =
        [1, 1, 2].iter().zip(&recording).map(|(kind, payload)| record(*kind, "a1", payload)).collect();
    for (args, expected) in [
        (&["--rewrite-body", "s/alice/bob/"][..], [post("bob, alice"), chunked("Alice"), answer("alice")]),
        (&["--rewrite-body", "s#alice#bob#gi"], [post("bob, bob"), chunked("bob"), answer("alice")]),
        (
            &["--rewrite-body", "s/(?i)alice/$0$0/", "--responses"],
            [post("alicealice, alice"), chunked("AliceAlice"), answer("alicealice")],
        ),
        (
            &["--rewrite-body", "s/, .*//", "--rewrite-body", "s/^alice$/x/"],
            [post("x"), chunked("Alice"), answer("alice")],
        ),
    ] {
        let ran = run("gor-rewrite", args, input.as_bytes());
        ran.ends_with(0).is_silent();
        assert_eq!(payloads(&ran.stdout), expected, "{args:?}");
    }
    // Compressed bodies stay compressed.
    let coded = gzip("alice");
    let head =
        format!("POST /c HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", coded.len());
    let input = record_of(1, "a1", &[head.as_bytes(), &coded].concat());
    let ran = run("gor-rewrite", &["--rewrite-body", "s/alice/bob/"], &input);
    let shown = run("gor-rewrite", &["--prettify"], &ran.ends_with(0).stdout);
    assert_eq!(payloads(&shown.ends_with(0).stdout), ["POST /c HTTP/1.1\r\nContent-Length: 3\r\n\r\nbob"]);
}

#[test]
fn bodies_are_prettified_and_those_that_cannot_be_stay_and_are_counted() {
    let body = gzip("hello");
    let chunks = [format!("{:x}\r\n", body.len()).as_bytes(), &body, b"\r\n0\r\nDigest: x\r\n\r\n"].concat();
    let head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\nTrailer: Digest\r\nA: b\r\n\r\n";
    let plain = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nA: b\r\n\r\nhello";
    let whole = [head.as_bytes(), &chunks].concat();
    let ran = run("gor-rewrite", &["--prettify", "--stats"], &record_of(2, "a1", &whole));
    ran.ends_with(0).says("messages whose trailers went with their chunks");
    assert_eq!(payloads(&ran.stdout), [plain]);
    run("gor-rewrite", &["--prettify"], &ran.stdout).ends_with(0).is_silent().writes(&ran.stdout);
    // To a HEAD and to a 304 there is no body, whatever the head says.
    let empty = "HTTP/1.1 304 Not Modified\r\nContent-Encoding: gzip\r\nContent-Length: 20\r\n\r\n";
    let cut = &whole[..whole.len() - 30];
    let unknown = b"HTTP/1.1 200 OK\r\nContent-Encoding: sdch\r\nContent-Length: 2\r\n\r\nab";
    let input =
        [record(2, "a2", empty).into_bytes(), record_of(2, "a3", cut), record_of(2, "a4", unknown)].concat();
    let ran = run("gor-rewrite", &["--prettify"], &input);
    ran.ends_with(0).writes(&input).says("1 in an unknown content coding, 1 cut or damaged");
}

#[test]
fn rules_behind_only_are_for_requests_that_pass() {
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    let input: String =
        ["/api/1", "/shop", "/api/2"].iter().map(|path| record(1, "a1", &get(path))).collect();
    let args = [
        "--only",
        "url:^/api",
        "--set-host",
        "b",
        "--only",
        "url:2$",
        "--rewrite-url",
        "^/api:/v2",
        "--stats",
    ];
    let ran = run("gor-rewrite", &args, input.as_bytes());
    ran.ends_with(0).says("--only url:^/api");
    let host = |path: &str| get(path).replace(" a\r", " b\r");
    assert_eq!(payloads(&ran.stdout), [host("/api/1"), get("/shop"), host("/v2/2")]);
    for (args, said) in [
        (&["--only", "status:200", "--set-host", "b"][..], "use gor-filter"),
        (&["--only", "color:red"], "no such rule"),
        (&["--only", "url"], "expected RULE:VALUE"),
        (&["--only", "url:(", "--set-host", "b"], "unclosed group"),
        (&["--only", "url:a", "--redact", "all"], "put them before the first --only"),
        (&["--responses"], "--rewrite-body"),
        (&["--rewrite-body", "a"], "expected s/pattern/replacement/"),
        (&["--rewrite-body", "s/a/$1/"], "the pattern has no group"),
    ] {
        run("gor-rewrite", args, input.as_bytes()).ends_with(2).says(said);
    }
}

#[test]
fn a_dry_run_refuses_what_is_about_an_output() {
    for option in [
        "--chunk-size=1mb",
        "--chunk-records=3",
        "--index",
        "--spool=/nowhere",
        "--chunk-age=1s",
        "--manifest=m.jsonl",
        "--append",
        "--force",
        "--max-size=1mb",
        "--flush-interval=2s",
        "--compress-level=3",
        "--instance=a",
        "-ox.gor",
        "--split",
        "--spool-max=2mb",
        "--spool-wait=1s",
        "--compress-threads=2",
        "--connections=2",
        "--skip-verify",
        "--ws-header=A: b",
        "--format=gor",
        "--middleware=cat",
    ] {
        run("gor-rewrite", &["--set-host", "a", "--dry-run", option], b"")
            .ends_with(2)
            .says("cannot be used with");
    }
    for option in ["--spool=/nowhere", "--chunk-age=1s", "--manifest=m.jsonl", "--index", "--format=jsonl"] {
        run("gor-replay", &["--dry-run", option], b"").ends_with(2).says("cannot be used with");
    }
}

#[test]
fn what_would_change_is_shown_and_nothing_is_written() {
    let args = ["--rewrite-url", "v1:v2", "--diff", "--dry-run"];
    let ran = run("gor-rewrite", &args, exchange().as_bytes());
    ran.ends_with(0).writes(b"");
    ran.says("request a1\n- GET /v1/user/joe/ping?key=old&q=1 HTTP/1.1\n+ GET /v2/user/joe/ping?key=old&q=1 HTTP/1.1\n  Host:");
    ran.says("1 of 2 records would be changed; nothing was written");
    // The output is the same with and without it, and only so many are shown.
    let twice = exchange().repeat(2);
    let plain = run("gor-rewrite", &["--rewrite-url", "v1:v2"], twice.as_bytes());
    let shown = run("gor-rewrite", &["--rewrite-url", "v1:v2", "--diff=1"], twice.as_bytes());
    shown.ends_with(0).writes(&plain.stdout);
    assert_eq!(shown.stderr.matches("request a1").count(), 1, "{shown}");
    for dry in [&["--diff"][..], &["--diff=3", "--dry-run"], &["--diff", "--middleware", "cat"]] {
        run("gor-rewrite", dry, exchange().as_bytes())
            .ends_with(2)
            .writes(b"")
            .says("--diff shows what rules change, and there is none");
    }
}
