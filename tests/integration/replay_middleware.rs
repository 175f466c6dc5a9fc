//! `gor-replay` with a program that requests and responses go through.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::clients;
use crate::support::origin::{Answer, Origin, Received, answer};
use crate::support::replayer::{
    MILLISECOND, OK, assert_exit, assert_says, gets, good, lines, record, replay, start,
};

/// What every script begins with: records as they come, and a way to send one back.
const PREAMBLE: &str = r"
import sys, time
def records():
    for line in sys.stdin.buffer:
        header, payload = bytes.fromhex(line.decode().strip()).split(b'\n', 1)
        kind, id = header.split(b' ')[:2]
        yield kind, id, header, payload
def send(header, payload):
    sys.stdout.write((header + b'\n' + payload).hex() + '\n')
    sys.stdout.flush()
";

/// A script for Python, and the command that runs it.
fn script(text: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("middleware.py");
    std::fs::write(&path, format!("{PREAMBLE}{text}")).expect("the folder is writable");
    let command = format!("python3 {}", path.display());
    (folder, command)
}

/// The summary for programs, of a replay with these options and `command`.
fn json(args: &[&str], command: &str, input: &[u8], code: i32) -> (Value, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("stats.json");
    let path = path.to_str().expect("text");
    let args = [&["--middleware", command, "--stats-json", path][..], args].concat();
    let said = assert_exit(&replay(&args, input), code);
    let text = std::fs::read_to_string(path).expect("the summary was written");
    (serde_json::from_str(&text).expect("it is JSON"), said)
}

/// Each target's requests, those that the program made included, are sent or not sent, for reasons that are counted.
#[track_caller]
fn assert_reconciles(stats: &Value, own: u64) {
    for target in stats["targets"].as_array().expect("targets") {
        let sum = |value: &Value| -> u64 {
            value.as_object().expect("reasons").values().filter_map(Value::as_u64).sum()
        };
        let number = |value: &Value| value.as_u64().expect("a number");
        assert_eq!(
            number(&target["sent"]) + sum(&target["not_sent"]),
            number(&stats["requests"]) + own,
            "{stats}"
        );
        assert_eq!(number(&target["sent"]), number(&target["answered"]) + sum(&target["failed"]), "{stats}");
    }
}

/// An origin that gives out a new token with each answer, and the input that should carry them.
fn tokens() -> (Origin, Vec<u8>) {
    let given = AtomicUsize::new(0);
    let origin =
        Origin::start(move |_| answer(200, &format!("t{}", given.fetch_add(1, Ordering::SeqCst) + 1)));
    let input: Vec<u8> = (0..6_i64)
        .flat_map(|n| {
            let request = format!("GET /{n}?token=recorded HTTP/1.1\r\nHost: a\r\n\r\n");
            // The program needs time to begin.
            let at = if n == 0 { 0 } else { 1000 + n * 100 };
            record(1, &format!("{n:024x}"), at * MILLISECOND, request.as_bytes())
        })
        .collect();
    (origin, input)
}

const TOKEN: &str = r"
token = None
for kind, id, header, payload in records():
    if kind == b'3':
        token = payload.split(b'\r\n\r\n')[1]
    if kind == b'1' and token:
        payload = payload.replace(b'recorded', token)
    send(header, payload)
";

#[test]
fn a_token_of_a_response_is_put_into_the_next_request() {
    let expected = ["recorded", "t1", "t2", "t3", "t4", "t5"];
    let expected: Vec<String> = (0..6).map(|n| format!("GET /{n}?token={}", expected[n])).collect();
    let (_folder, command) = script(TOKEN);
    for pace in [&["--no-wait", "--connections", "1"][..], &["--connections", "4"]] {
        for out in [&[][..], &["-o", "-"]] {
            let (origin, input) = tokens();
            let target = origin.address().to_string();
            let args = [pace, out, &["--middleware", &command, &target]].concat();
            let output = replay(&args, &input);
            assert_exit(&output, 0);
            assert_eq!(lines(&origin), expected, "{args:?}");
            let answers = String::from_utf8(output.stdout).expect("text");
            let number = if out.is_empty() { 0 } else { 6 };
            assert_eq!(answers.matches("HTTP/1.1 200 X").count(), number, "{args:?}: {answers}");
            assert_eq!(answers.matches("\nt6\n").count(), number / 6);
        }
    }
}

#[test]
fn with_think_a_request_goes_to_the_program_when_the_response_before_it_has_come_and_the_pause_is_over() {
    let (_folder, command) = script(TOKEN);
    let number = AtomicUsize::new(0);
    let slow = Origin::start(move |_| {
        // Later than the next request was recorded.
        thread::sleep(Duration::from_millis(400));
        answer(200, &format!("t{}", number.fetch_add(1, Ordering::SeqCst) + 1))
    });
    let fast = Origin::start(|_| answer(200, "early"));
    let targets = [&fast, &slow].map(|origin| origin.address().to_string());
    // One connection; 200 ms after each response the next request, and a response that was recorded much later.
    let input: Vec<u8> = (0..3_i64)
        .flat_map(|n| {
            let request = format!("GET /{n}?token=recorded HTTP/1.1\r\nHost: a\r\n\r\n");
            let id = format!("{n:024x}");
            let at = n * 210 * MILLISECOND;
            [record(1, &id, at, request.as_bytes()), record(2, &id, at + 10 * MILLISECOND, OK)].concat()
        })
        .collect();
    let think = ["--sessions", "--think", "--timeout", "10s", &targets[0], &targets[1]];
    let (stats, _) = json(&think, &command, &input, 0);
    let expected = ["GET /0?token=recorded", "GET /1?token=t1", "GET /2?token=t2"];
    for origin in [&slow, &fast] {
        assert_eq!(lines(origin), expected);
    }
    let received = slow.received();
    let pauses: Vec<Duration> = received.windows(2).map(|pair| pair[1].at - pair[0].at).collect();
    // Never early. By the schedule it would be 210 ms.
    assert!(pauses.iter().all(|pause| *pause >= Duration::from_millis(600)), "{pauses:?}");
    assert_eq!(stats["middleware"]["recorded_responses"], 3);
    assert_reconciles(&stats, 0);

    // What does not come back does not end its connection, and what is not sent does not either.
    let (_folder, command) = script(
        r"
for kind, id, header, payload in records():
    if not (kind == b'1' and b'/0' in payload):
        send(header, payload.replace(b'GET /1?token=recorded HTTP/1.1', b'no request'))
",
    );
    let origin = Origin::start(good);
    let target = origin.address().to_string();
    let think = ["--sessions", "--think", "--timeout", "500ms", "--middleware-may-drop", &target];
    let (stats, _) = json(&think, &command, &input, 0);
    assert_eq!(lines(&origin), ["GET /2?token=recorded"]);
    assert_eq!(stats["targets"][0]["not_sent"]["dropped_by_middleware"], 1);
    assert_eq!(stats["targets"][0]["not_sent"]["broken"], 1);
    assert_reconciles(&stats, 0);
}

#[test]
fn a_recorded_response_comes_behind_its_request_and_before_that_of_the_target() {
    let origin = Origin::start(good);
    let target = origin.address().to_string();
    // Recorded long after the target will answer.
    let input = [
        gets(&[(0, "/0"), (1, "/1")]),
        record(2, &format!("{:024x}", 0), 900 * MILLISECOND, OK),
        record(2, &format!("{:024x}", 1), 950 * MILLISECOND, OK),
        record(2, "0123", 960 * MILLISECOND, OK),
    ]
    .concat();
    let (_folder, command) = script(
        r"
for kind, id, header, payload in records():
    sys.stderr.write('saw %s %d\n' % (kind.decode(), int(id, 16)))
    send(header, payload)
",
    );
    for pace in [&["--speed", "1x"][..], &["--no-wait"]] {
        let args = [pace, &["--middleware", &command, &target]].concat();
        let said = assert_exit(&replay(&args, &input), 0);
        for id in [0, 1] {
            let at = |kind: u8| said.find(&format!("saw {kind} {id}\n"));
            assert!(at(1).is_some() && at(1) < at(2) && at(2) < at(3), "{pace:?}: {said}");
        }
        assert_says(&said, "saw 2 291\n");
        assert_says(&said, "2 requests for it, 2 sent back; 2 responses, 3 recorded ones");
    }
}

#[test]
fn what_a_program_keeps_is_counted_and_a_failure_unless_it_may_drop() {
    let drops = r"
for kind, id, header, payload in records():
    if not (kind == b'1' and b'/drop' in payload):
        send(header, payload)
";
    let (_folder, command) = script(drops);
    let input = gets(&[(0, "/drop"), (1, "/a"), (2, "/drop"), (3, "/b"), (4, "/drop")]);
    for pace in [&[][..], &["--no-wait", "--connections", "1"]] {
        let origins = [Origin::start(good), Origin::start(good)];
        let targets = origins.each_ref().map(|origin| origin.address().to_string());
        let args = [pace, &["--timeout", "1s", &targets[0], &targets[1]]].concat();
        let (stats, said) = json(&args, &command, &input, 1);
        assert_says(&said, "not sent back by the middleware in time");
        for origin in &origins {
            let mut seen = lines(origin);
            seen.sort();
            assert_eq!(seen, ["GET /a", "GET /b"], "{pace:?}");
        }
        assert_eq!(stats["targets"][1]["not_sent"]["kept_by_middleware"], 3);
        assert_reconciles(&stats, 0);

        let args = [&["--middleware-may-drop", "--split"], &args[..]].concat();
        let (stats, _) = json(&args, &command, &input, 0);
        assert_eq!(stats["targets"][0]["not_sent"]["dropped_by_middleware"], 3);
        assert_eq!(stats["middleware"]["requests_returned"], 2);
    }
    let origin = Origin::start(good);
    assert_exit(&replay(&["--middleware-may-drop", &origin.address().to_string()], &input), 2);
}

#[test]
fn without_waiting_a_program_that_drops_nearly_all_is_not_waited_for_each_time() {
    let (_folder, command) = script(
        r"
for kind, id, header, payload in records():
    if kind != b'1' or b'/keep' in payload:
        send(header, payload)
",
    );
    let paths: Vec<(i64, &str)> =
        (0..2000).map(|n| (n, if n % 100 == 99 { "/keep" } else { "/x" })).collect();
    let origin = Origin::start(good);
    let target = origin.address().to_string();
    let args = ["--middleware-may-drop", "--no-wait", "--connections", "2", "--timeout", "3s", &target];
    let (stats, _) = json(&args, &command, &gets(&paths), 0);
    assert_eq!(stats["targets"][0]["not_sent"]["dropped_by_middleware"], 1980);
    assert_eq!(origin.received().len(), 20);
}

#[test]
fn a_response_that_does_not_come_back_is_missing_in_the_output() {
    let (_folder, command) = script(
        r"
for kind, id, header, payload in records():
    if kind == b'1':
        send(header, payload)
",
    );
    let origin = Origin::start(good);
    let target = origin.address().to_string();
    let input = gets(&[(0, "/a"), (1, "/b")]);
    let patience = ["--middleware-timeout", "500ms"];
    let said = assert_exit(
        &replay(&[&patience[..], &["--middleware", &command, "-o", "-", &target]].concat(), &input),
        1,
    );
    assert_says(&said, "2 responses not sent back, and missing in the output");
    for args in [&["-o", "-", "--middleware-may-drop"][..], &[]] {
        let args = [&patience[..], args, &["--middleware", &command, &target]].concat();
        assert_exit(&replay(&args, &input), 0);
    }
}

#[test]
fn what_a_program_sends_back_late_is_late_and_what_it_holds_beyond_the_timeout_is_not_sent() {
    let (_folder, command) = script(
        r"
for kind, id, header, payload in records():
    if kind == b'1':
        time.sleep(0.3 if b'/slow' in payload else 2 if b'/held' in payload else 0)
    send(header, payload)
",
    );
    let origin = Origin::start(good);
    let target = origin.address().to_string();
    let input = gets(&[(0, "/a"), (1000, "/slow"), (1500, "/held")]);
    let (stats, _) = json(&["--timeout", "1500ms", &target], &command, &input, 1);
    assert_eq!(lines(&origin), ["GET /a", "GET /slow"]);
    assert_eq!(stats["targets"][0]["not_sent"]["kept_by_middleware"], 1);
    assert_eq!(stats["middleware"]["requests_returned_late"], 1);
    let lateness = stats["targets"][0]["lateness"]["max"].as_f64().expect("a number");
    let delay = stats["middleware"]["delay"]["max"].as_f64().expect("a number");
    assert!(lateness >= 0.3 && delay >= 0.3, "{stats}");
    assert_reconciles(&stats, 0);
}

#[test]
fn requests_of_its_own_are_sent_at_once_also_on_the_last_response() {
    let (_folder, command) = script(
        r"
for kind, id, header, payload in records():
    send(header, payload)
    if kind == b'3' and not id.startswith(b'own'):
        send(b'1 own' + id + b' 1 0', b'GET /own HTTP/1.1\r\nHost: a\r\n\r\n')
",
    );
    for pace in [&[][..], &["--no-wait"], &["--sessions"]] {
        let origin = Origin::start(good);
        let target = origin.address().to_string();
        let (stats, _) = json(&[pace, &[&target]].concat(), &command, &gets(&[(0, "/a"), (700, "/b")]), 0);
        let mut seen = lines(&origin);
        assert_eq!(seen.pop().as_deref(), Some("GET /own"), "{pace:?}");
        seen.sort();
        assert_eq!(seen, ["GET /a", "GET /b", "GET /own"], "{pace:?}");
        assert_eq!(stats["middleware"]["requests_own"], 2);
        assert_reconciles(&stats, 2);
    }
}

#[test]
fn the_death_of_the_program_ends_the_replay_and_nothing_goes_uncounted() {
    let (_folder, command) = script(
        r"
for kind, id, header, payload in records():
    if b'/die' in payload:
        sys.exit(3)
    send(header, payload)
",
    );
    let input = gets(&[(0, "/a"), (1000, "/die"), (1001, "/b"), (30_000, "/c")]);
    let origin = Origin::start(good);
    let target = origin.address().to_string();
    let (stats, said) = json(&[&target], &command, &input, 1);
    assert_says(&said, "exit status 3");
    assert_eq!(lines(&origin), ["GET /a"]);
    assert_eq!(stats["targets"][0]["not_sent"]["middleware_failed"], 3, "{stats}");
    assert_reconciles(&stats, 0);

    let said = assert_exit(&replay(&["--middleware", "no-such-program", &target], &input), 1);
    assert_says(&said, "the middleware \"no-such-program\": no such file");
}

#[test]
fn a_program_that_does_not_read_is_killed_and_one_that_does_not_answer_is_not_waited_for() {
    let origin = Origin::start(good);
    let target = origin.address().to_string();
    let input = gets(&[(0, "/a"), (1, "/b")]);
    let args = ["--middleware-timeout", "500ms", "--timeout", "1s", &target];
    let (stats, said) = json(&args, "sleep 1000", &input, 1);
    assert_says(&said, "neither read its input nor wrote anything for 500ms; it was killed");
    assert_reconciles(&stats, 0);

    let (stats, said) = json(&args, "sh -c 'cat > /dev/null'", &input, 1);
    assert_says(&said, "not sent back by the middleware in time");
    assert_eq!(stats["targets"][0]["not_sent"]["kept_by_middleware"], 2);
    assert_reconciles(&stats, 0);

    // One that writes out its buffer only at the end.
    let (stats, _) = json(&args, "sed -n p", &input, 1);
    assert_eq!(stats["targets"][0]["not_sent"]["kept_by_middleware"], 2);
    assert_eq!(stats["middleware"]["requests_returned_late"], 2);
    assert_eq!(origin.received().len(), 0);
}

#[test]
fn lines_that_are_no_records_are_an_error_and_the_others_are_sent() {
    let (_folder, command) = script(
        r"
for kind, id, header, payload in records():
    sys.stdout.write('what is this\n')
    send(header, payload)
",
    );
    let origin = Origin::start(good);
    let target = origin.address().to_string();
    let (stats, said) = json(&[&target], &command, &gets(&[(0, "/a"), (1, "/b")]), 1);
    assert_says(&said, "no record in 4 lines of its output");
    let mut seen = lines(&origin);
    seen.sort();
    assert_eq!(seen, ["GET /a", "GET /b"]);
    assert_reconciles(&stats, 0);
}

#[test]
fn a_signal_ends_the_replay_and_answers_still_go_through_the_program() {
    let (_folder, command) = script(TOKEN);
    let (arrived, requests) = std::sync::mpsc::channel();
    let arrived = std::sync::Mutex::new(arrived);
    let slow = move |_: &Received| {
        arrived.lock().expect("no panic").send(()).expect("the test waits");
        std::thread::sleep(std::time::Duration::from_millis(500));
        Answer::Send(OK.to_vec())
    };
    let origin = Arc::new(Origin::start(slow));
    let target = origin.address().to_string();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let input = folder.path().join("in.gor");
    std::fs::write(&input, gets(&[(0, "/a"), (60_000, "/b")])).expect("the folder is writable");
    let args = ["--middleware", &command, "-o", "-", "-i", input.to_str().expect("text"), &target];
    let child = start(&args);
    requests.recv().expect("a request");
    let pid = rustix::process::Pid::from_raw(child.id() as i32).expect("a process");
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it is there");
    let output = child.wait_with_output().expect("it ends");
    let said = assert_exit(&output, 1);
    assert_says(&said, "interrupted");
    assert!(output.stdout.ends_with("ok\n🐵🙈🙉\n".as_bytes()), "{said}");
}

/// What GoReplay's clients are for: a token that the server gives anew is mapped, from the recorded to the replayed one.
fn maps_tokens(command: &str) {
    let origin = Origin::start(|request: &Received| {
        if request.line() == "GET /login" {
            return Answer::Send(
                b"HTTP/1.1 200 OK\r\nX-Set-Token: new\r\nContent-Length: 2\r\n\r\nok".to_vec(),
            );
        }
        Answer::Send(OK.to_vec())
    });
    let request = |id: &str, at: i64, path: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nAuth-Token: old\r\n\r\n");
        record(1, id, at * MILLISECOND, request.as_bytes())
    };
    let recorded = b"HTTP/1.1 200 OK\r\nX-Set-Token: old\r\nContent-Length: 2\r\n\r\nok";
    let input = [
        request("a1", 0, "/login"),
        // Clients expect a response to each request.
        record(2, "a1", 50 * MILLISECOND, recorded),
        request("a2", 2500, "/account"),
        record(2, "a2", 2550 * MILLISECOND, OK),
    ]
    .concat();
    let args = ["--original-host", "--middleware", command, &origin.address().to_string()];
    let said = assert_exit(&replay(&args, &input), 0);
    let tokens: Vec<bool> = origin
        .received()
        .iter()
        .map(|request| String::from_utf8_lossy(&request.bytes).contains("Auth-Token: new\r\n"))
        .collect();
    assert_eq!(tokens, [false, true], "{said}");
}

#[test]
fn goreplays_client_for_node_maps_tokens() {
    if let Some((_folder, command)) = clients::node(include_str!("middleware/tokens.js")) {
        maps_tokens(&command);
    }
}

#[test]
fn goreplays_client_for_python_maps_tokens() {
    if let Some((_folder, command)) = clients::python(include_str!("middleware/tokens.py")) {
        maps_tokens(&command);
    }
}

/// A program that writes the same line for ever.
fn floods(begins: &str, line: &str) -> String {
    let line = faster_hex::hex_string(line.as_bytes());
    format!("sh -c '{begins}; exec yes {line}'")
}

#[test]
fn a_program_that_writes_without_end_is_killed() {
    let origin = Origin::start(good);
    let target = origin.address().to_string();
    let input = gets(&[(0, "/a"), (1, "/b")]);
    let args = ["--middleware-timeout", "1s", "--timeout", "1s", &target];
    // Garbage, whether its input is read or not; a line without end.
    for begins in ["true", "cat > /dev/null"] {
        let (stats, said) = json(&args, &floods(begins, &"no record".repeat(500)), &input, 1);
        assert_says(&said, "B without a record among them; it was killed; no record in ");
        assert_reconciles(&stats, 0);
    }
    // Responses, while its input is not read; the output does not get them.
    let response = format!("3 a1 1 1\nHTTP/1.1 200 X\r\nContent-Length: 9000\r\n\r\n{}", "x".repeat(9000));
    let (stats, said) = json(&args, &floods("true", &response), &input, 1);
    assert_says(&said, "read nothing of its input for 1s, while it wrote ");
    assert_reconciles(&stats, 0);
    // Responses of its own after all was read and answered.
    let (_, said) = json(&args, &floods("cat > /dev/null", &response), &input, 1);
    assert_says(&said, "did not end, and sent back no record for 1s, while it wrote ");
    assert!(origin.received().is_empty());
}

#[test]
fn one_signal_ends_a_replay_whose_program_writes_a_little_for_ever() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let input = folder.path().join("in.gor");
    std::fs::write(&input, gets(&[(0, "/a"), (3_600_000, "/b")])).expect("the folder is writable");
    let origin = Origin::start(good);
    let (_folder, command) = script(
        r"
for kind, id, header, payload in records():
    send(header, payload)
    if kind == b'3':
        break
while True:
    time.sleep(0.05)
    send(b'3 a1 1 1', b'HTTP/1.1 200 X\r\n\r\n')
",
    );
    let target = origin.address().to_string();
    let input = input.to_str().expect("text");
    let child = start(&["--middleware", &command, "--middleware-timeout", "1s", "-i", input, &target]);
    while origin.received().is_empty() {
        std::thread::yield_now();
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it is there");
    let said = assert_exit(&child.wait_with_output().expect("it ends"), 1);
    assert_says(&said, "sent back no record for 1s, while it wrote ");
}
