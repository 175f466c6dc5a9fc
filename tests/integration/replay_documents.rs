//! `gor-replay` and the documents that it sends to Elasticsearch: a server that behaves as told, and `OpenSearch`.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::support::origin::{Answer, Origin, Received, answer};
use crate::support::replayer::{MILLISECOND, assert_exit, assert_says, gets, good, record, replay};
use crate::support::skip::skip;

/// The bodies of bulk requests, line by line, and their number.
fn bulk_lines(server: &Origin) -> (Vec<Value>, usize) {
    let received = server.received();
    let lines = received.iter().flat_map(lines_of).collect();
    (lines, received.len())
}

fn lines_of(request: &Received) -> Vec<Value> {
    let text = String::from_utf8(request.bytes.clone()).expect("it is text");
    let (_, body) = text.split_once("\r\n\r\n").expect("a body");
    body.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}

/// What a server says of so many documents with these statuses, in turn.
fn bulk_answer(request: &Received, status: impl Fn(usize) -> u16) -> Answer {
    let items: Vec<Value> = (0..lines_of(request).len() / 2)
        .map(|number| match status(number) {
            201 => json!({"create": {"status": 201}}),
            status => json!({"create": {
                "status": status, "error": {"type": "mapper_parsing_exception", "reason": "no such field"},
            }}),
        })
        .collect();
    answer(200, &json!({"errors": true, "items": items}).to_string())
}

/// Replays so many requests, with documents to this server; the exit status is to be `code`. What was said, and the
/// counts of documents.
#[track_caller]
fn documents(requests: i64, server: &str, args: &[&str], code: i32) -> (String, Value) {
    let origin = Origin::start(good);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let stats = folder.path().join("stats.json");
    let stats = stats.to_str().expect("text");
    let target = origin.address().to_string();
    let given = ["--no-wait", "--elasticsearch", server, "--stats-json", stats, &target];
    let input = gets(&(0..requests).map(|number| (number, "/a")).collect::<Vec<_>>());
    let said = assert_exit(&replay(&[&given[..], args].concat(), &input), code);
    assert_eq!(origin.received().len() as i64, requests, "the replay is not disturbed");
    assert!(!said.contains("secret"), "{said}");
    let text = std::fs::read_to_string(stats).expect("the summary was written");
    let stats: Value = serde_json::from_str(&text).expect("it is JSON");
    let counts = stats["documents"].clone();
    let number = |key: &str| counts[key].as_i64().expect("a number");
    let sum = ["written", "refused", "dropped", "not_sent"].into_iter().map(number).sum::<i64>();
    assert_eq!((sum, number("total")), (requests, requests), "{counts}");
    (said, counts)
}

#[test]
fn each_exchange_is_a_document_with_goreplays_keys() {
    let server = Origin::start(|request: &Received| bulk_answer(request, |_| 201));
    let origin = Origin::start(|_: &Received| {
        Answer::Send(
            b"HTTP/1.1 404 No\r\nContent-Type: text/x\r\nSet-Cookie: a=b\r\nContent-Length: 2\r\n\r\nok"
                .to_vec(),
        )
    });
    let request =
        b"POST /a?b=c HTTP/1.1\r\nHost: h\r\nUser-Agent: me\r\nCookie: k=v\r\nContent-Length: 3\r\n\r\nabc";
    let input = record(1, "a1", MILLISECOND, request);
    let url = format!("http://{}/gor", server.address());
    let target = origin.address().to_string();
    for out in [&[][..], &["-o", "/dev/null"]] {
        let args = [out, &["--elasticsearch", &url, &target, &target]].concat();
        let said = assert_exit(&replay(&args, &input), 0);
        assert_says(&said, "documents   2 written of 2\n");
    }
    let (lines, requests) = bulk_lines(&server);
    assert_eq!((lines.len(), requests), (8, 2));
    assert!(server.received()[0].bytes.starts_with(b"POST /gor/_bulk HTTP/1.1\r\n"));
    let ids: Vec<&str> =
        lines.iter().step_by(2).map(|line| line["create"]["_id"].as_str().expect("an id")).collect();
    assert!(ids[0] != ids[1] && ids.iter().all(|id| id.starts_with("a1-")), "{ids:?}");
    let mut document = lines[1].clone();
    let fields = document.as_object_mut().expect("an object");
    assert!(fields.remove("RTT").is_some_and(|value| value.is_u64()));
    let time = fields.remove("Timestamp").expect("a time");
    assert!(time.as_str().is_some_and(|time| time.parse::<jiff::Timestamp>().is_ok()), "{time}");
    let expected = json!({
        "Req_URL": "/a?b=c", "Req_Method": "POST", "Req_User-Agent": "me", "Req_Cookies": "k=v",
        "Resp_Status": "404", "Resp_Status-Code": "404", "Resp_Proto": "HTTP/1.1", "Resp_Content-Type": "text/x",
        "Resp_Content-Length": "2", "Resp_Set-Cookie": "a=b",
    });
    assert_eq!(document, expected);
}

#[test]
fn documents_come_in_batches_with_the_password_that_is_never_shown() {
    let server = Origin::start(|request: &Received| {
        let text = String::from_utf8_lossy(&request.bytes).to_ascii_lowercase();
        // elastic:secret
        if text.contains("authorization: basic zwxhc3rpyzpzzwnyzxq=") {
            bulk_answer(request, |_| 201)
        } else {
            answer(401, "who?")
        }
    });
    let url = format!("http://elastic:secret@{}/gor", server.address());
    let (said, _) = documents(2500, &url, &[], 0);
    assert_says(&said, "documents   2500 written of 2500\n");
    let (lines, requests) = bulk_lines(&server);
    assert_eq!(lines.len(), 5000);
    assert!((3..=6).contains(&requests), "{requests}");

    let wrong = format!("http://elastic:secret2@{}/gor", server.address());
    let (said, counts) = documents(5, &wrong, &["-q"], 1);
    assert_says(&said, "documents   5 refused; the first: 401 Unauthorized who?\n");
    assert_eq!(counts["refused"], 5);
}

#[test]
fn a_busy_server_is_asked_again_and_documents_are_written_once() {
    let asked = AtomicUsize::new(0);
    let server = Origin::start(move |request: &Received| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => answer(429, "busy"),
        1 => answer(503, "starting"),
        // Cut off after it was written, so that the next try finds it there.
        2 => Answer::SendAndClose(Vec::new()),
        3 => bulk_answer(request, |number| [409, 429, 201][number % 3]),
        _ => bulk_answer(request, |_| 201),
    });
    let url = format!("http://{}/gor", server.address());
    let (said, counts) = documents(6, &url, &[], 0);
    assert_says(&said, "documents   6 written of 6\n");
    assert_eq!(counts["first_refusal"], "");
    // The last try has those alone that were refused for the time being.
    let lines: Vec<usize> = server.received().iter().map(|request| lines_of(request).len() / 2).collect();
    assert_eq!(lines, [6, 6, 6, 6, 2]);
}

#[test]
fn documents_that_the_server_refuses_are_told_with_the_first_reason() {
    let server = Origin::start(|request: &Received| {
        bulk_answer(request, |number| if number == 1 { 400 } else { 201 })
    });
    let url = format!("http://{}/gor", server.address());
    let (said, counts) = documents(3, &url, &["-q"], 1);
    assert_says(&said, "documents   1 refused; the first: 400 mapper_parsing_exception: no such field\n");
    assert_eq!((&counts["written"], &counts["refused"]), (&json!(2), &json!(1)));

    let strange = Origin::start(good);
    let url = format!("http://{}/gor", strange.address());
    let (said, _) = documents(3, &url, &[], 1);
    assert_says(&said, "3 refused; the first: its answer is not that of a bulk request");
}

#[test]
fn a_server_that_is_away_or_silent_is_waited_for_no_longer_than_the_timeout() {
    // Nothing listens at a port that was given back.
    let closed =
        TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port");
    let silent = Origin::start(|_: &Received| Answer::Never);
    for address in [closed, silent.address()] {
        let url = format!("http://u:secret@{address}/gor");
        let (said, counts) = documents(4, &url, &["--timeout", "700ms"], 1);
        assert_says(&said, "documents   4 not taken by the server before the timeout");
        assert_eq!(said.contains("; the last failure: "), address == closed, "{said}");
        assert_eq!(said.contains("onnection refused"), address == closed, "{said}");
        assert_eq!(counts["not_sent"], 4);
    }
}

#[test]
fn a_wrong_url_is_a_wrong_command_line_and_shows_no_password() {
    for url in ["http://u:secret@h:9200", "u:secret@h:9200/i", "http://u:secret@h/i|5", "unix:/x:/i"] {
        let output = replay(&["--elasticsearch", url, "127.0.0.1:1"], b"");
        let said = assert_exit(&output, 2);
        assert_says(&said, "--elasticsearch: ");
        assert_says(&said, "expected http[s]://");
        assert!(!said.contains("secret"), "{said}");
    }
}

/// A node of `OpenSearch`, which ends when this is dropped.
struct OpenSearch {
    folder: PathBuf,
}

impl OpenSearch {
    /// None where it cannot be had.
    fn start() -> Option<Self> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("opensearch");
        for program in ["mvn", "javac", "java", "curl", "python3"] {
            let found = Command::new("which").arg(program).stdout(Stdio::null()).status();
            if !found.is_ok_and(|status| status.success()) {
                skip(format_args!("OpenSearch needs {program}"));
                return None;
            }
        }
        let server = OpenSearch { folder };
        for step in ["fetch", "up"] {
            let ran = server.script(step);
            if !ran.status.success() {
                skip(format_args!("OpenSearch: {step} did not work here: {ran:?}"));
                return None;
            }
        }
        Some(server)
    }

    fn script(&self, step: &str) -> std::process::Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/services/opensearch.sh");
        let mut command = Command::new(script);
        command.arg(step).env("DIR", &self.folder).stdin(Stdio::null());
        command.output().expect("the script runs")
    }

    /// A question by curl, and the answer.
    fn ask(&self, args: &[&str], path: &str) -> Value {
        let port = std::fs::read_to_string(self.folder.join("port")).expect("its port");
        let url = format!("http://127.0.0.1:{}/{path}", port.trim());
        let ran = Command::new("curl").args(["-sS", "--max-time", "30"]).args(args).arg(url).output();
        let output = ran.expect("curl runs").stdout;
        serde_json::from_slice(&output)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output)))
    }

    fn url(&self) -> String {
        let port = std::fs::read_to_string(self.folder.join("port")).expect("its port");
        format!("http://127.0.0.1:{}/gor", port.trim())
    }
}

impl Drop for OpenSearch {
    fn drop(&mut self) {
        self.script("down");
    }
}

#[test]
fn opensearch_takes_the_documents_and_answers_questions_about_them() {
    let Some(server) = OpenSearch::start() else { return };
    let (said, _) = documents(1500, &server.url(), &[], 0);
    assert_says(&said, "documents   1500 written of 1500\n");
    server.ask(&["-X", "POST"], "gor/_refresh");
    assert_eq!(server.ask(&[], "gor/_count?q=Req_Method:GET")["count"], 1500);
    let mapping = server.ask(&[], "gor/_mapping");
    let fields = &mapping["gor"]["mappings"]["properties"];
    assert_eq!((&fields["RTT"]["type"], &fields["Timestamp"]["type"]), (&json!("long"), &json!("date")));
    // A field that is a number there cannot take text.
    let numbers = r#"{"mappings":{"properties":{"Req_URL":{"type":"integer"}}}}"#;
    server.ask(&["-X", "PUT", "-H", "Content-Type: application/json", "-d", numbers], "numbers");
    let url = server.url().replace("/gor", "/numbers");
    let (said, _) = documents(2, &url, &[], 1);
    assert_says(&said, "documents   2 refused; the first: 400 mapper_parsing_exception");
}
