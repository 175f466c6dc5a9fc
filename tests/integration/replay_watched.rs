//! What `gor-replay` tells while it runs: a line on a terminal, lines of `--stats`, the page of `--metrics`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::support::live::Process;
use super::support::origin::{Answer, Origin, answer};
use super::support::program::{command, run};
use super::support::replayer::{assert_exit, assert_says, gets, good, replay};
use super::support::skip::skip;

/// So many requests, 10 ms apart.
fn requests(number: i64) -> Vec<u8> {
    let times: Vec<(i64, &str)> = (0..number).map(|at| (at * 10, "/")).collect();
    gets(&times)
}

#[test]
fn lines_of_stats_come_at_their_interval_and_a_target_is_none() {
    let origin = Origin::start(good);
    let address = origin.address().to_string();
    let said = assert_exit(&replay(&["--stats=200ms", &address], &requests(200)), 0);
    let lines: Vec<&str> = said.lines().filter(|line| line.contains(" sent (")).collect();
    // 2 s of schedule.
    assert!(lines.len() >= 3, "{said}");
    let last = lines.last().unwrap();
    for words in
        ["/s), ", " in flight, ", " answered, 0 failed", ", latency p50 ", " p99 ", ", late p99 ", " left"]
    {
        assert!(last.contains(words), "{words}: {last}");
    }
    // What follows is a target, and there is none of this name.
    assert_says(&assert_exit(&replay(&["--stats", "target.invalid:1"], b""), 1), "target.invalid");
    for (args, words) in
        [("--stats=0s", "expected an interval of at least 100ms"), ("--stats=x", "expected a duration, as")]
    {
        assert_says(&assert_exit(&replay(&[args, &address], b""), 2), words);
    }
    // So it is with other tools.
    let filtered = run("gor-filter", &["--method", "GET", "--stats=1s"], &requests(3));
    filtered.ends_with(0).says("records");
}

#[test]
fn a_line_on_a_terminal_says_how_far_it_is() {
    let origin = Origin::start(good);
    let folder = tempfile::tempdir().expect("a folder");
    let input = folder.path().join("in.gor");
    std::fs::write(&input, requests(300)).unwrap();
    let tool = command("gor-replay", &[]).get_program().to_string_lossy().into_owned();
    let line = format!("stty cols 200; {tool} -i {} {}", input.display(), origin.address());
    let Ok(shown) = Command::new("script").args(["-qec", &line, "/dev/null"]).output() else {
        return skip("script");
    };
    let text = String::from_utf8_lossy(&shown.stdout);
    assert!(shown.status.success(), "{text}");
    let drawn: Vec<&str> = text.split(['\r', '\n']).filter(|line| line.contains(" in flight, ")).collect();
    let with_all = |line: &&&str| {
        [" sent (", " answered, ", " failed", "latency p50 ", "late p99 ", " left"]
            .iter()
            .all(|words| line.contains(words))
    };
    assert!(drawn.iter().find(with_all).is_some(), "{text}");
}

#[test]
fn the_first_failure_of_each_kind_is_said_when_it_happens() {
    let origin = Origin::start(|received| match received.line().as_str() {
        "GET /bad" => Answer::Send(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
        _ => answer(200, "x"),
    });
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().expect("a folder");
    let input = folder.path().join("in.gor");
    // The last one keeps the replay going.
    let requests = [(0, "/"), (1, "/bad"), (2, "/bad"), (900, "/"), (60_000, "/")];
    std::fs::write(&input, gets(&requests)).unwrap();
    let input = input.to_str().unwrap();
    let good = origin.address().to_string();
    let two_targets = [
        format!(
            "gor-replay: http://{closed}: connection refused; first: GET / (record {:024}): {closed}: ",
            0
        ),
        // Of two, either is the first.
        format!("gor-replay: http://{good}: malformed answer; first: GET /bad (record 0"),
    ];
    let through_gor = format!("gor: http://{closed}: connection refused; first: GET / (record {:024}): ", 0);
    let cases = [
        // However many threads of a target see it.
        ("gor-replay", vec!["-q", "--threads", "2", "-i", input, &closed, &good], &two_targets[..]),
        ("gor", vec!["--input-file", input, "--output-http", &closed], std::slice::from_ref(&through_gor)),
    ];
    for (tool, args, expected) in cases {
        let mut child = command(tool, &args);
        let mut child = Process(child.stderr(std::process::Stdio::piped()).spawn().expect("it runs"));
        let mut lines = BufReader::new(child.0.stderr.take().unwrap()).lines().map_while(Result::ok);
        let (mut said, mut found) = (Vec::new(), 0);
        while found < expected.len() {
            let line = lines.next().unwrap_or_else(|| panic!("{tool} has ended: {said:#?}"));
            found += usize::from(expected.iter().any(|words| line.starts_with(words)));
            said.push(line);
        }
        kill_process(Pid::from_child(&child.0), Signal::INT).expect("it runs");
        said.extend(lines);
        assert_eq!(child.0.wait().expect("it can be waited for").code(), Some(1), "{said:#?}");
        for words in expected {
            let number = said.iter().filter(|line| line.starts_with(words)).count();
            assert_eq!(number, 1, "{words}: {said:#?}");
        }
        let counted = |line: &String| line.trim_start().ends_with("connection refused");
        assert!(said.iter().any(counted), "{said:#?}");
    }
}

#[test]
fn a_failure_that_is_said_takes_a_line_of_its_own_on_a_terminal() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().expect("a folder");
    let input = folder.path().join("in.gor");
    // The line is there before it fails.
    std::fs::write(&input, gets(&[(0, "/"), (1, "/"), (1_500, "/")])).unwrap();
    let origin = Origin::start(good);
    let tool = command("gor-replay", &[]).get_program().to_string_lossy().into_owned();
    let line = format!("stty cols 200; {tool} -i {} {} {closed}", input.display(), origin.address());
    let Ok(shown) = Command::new("script").args(["-qec", &line, "/dev/null"]).output() else {
        return skip("script");
    };
    let text = String::from_utf8_lossy(&shown.stdout);
    let is_it = |line: &&str| line.contains(&format!("http://{closed}: connection refused; first: "));
    let said = text.split(['\r', '\n']).find(is_it).unwrap_or_else(|| panic!("{text:?}"));
    // Before it there may be what clears the line.
    let before = said.split("gor-replay: ").next().unwrap();
    assert!(!before.contains(" sent (") && !said.contains(" in flight"), "{text:?}");
}

fn page(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers in text");
    answer
}

#[test]
fn clients_that_send_half_a_request_do_not_keep_others_from_the_metrics() {
    let mut tool = command("gor-replay", &["--metrics", "127.0.0.1:0", "127.0.0.1:1"]);
    tool.stdin(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut tool = Process(tool.spawn().expect("it runs"));
    let mut line = String::new();
    BufReader::new(tool.0.stderr.as_mut().unwrap()).read_line(&mut line).expect("a line");
    let address = line.trim().strip_prefix("gor-replay: metrics are at http://").expect("the address");
    let address: SocketAddr = address.strip_suffix("/metrics").unwrap().parse().unwrap();
    let halves = |number: usize| -> Vec<_> {
        (0..number)
            .map(|_| {
                let mut stream = TcpStream::connect(address).expect("it listens");
                stream.write_all(b"GET /metrics HTTP/1.1\r\nHo").expect("it is taken");
                stream
            })
            .collect()
    };
    let mut held = halves(50);
    for _ in 0..3 {
        assert!(page(address).contains("gor_replay_"), "a whole request is answered");
        held.extend(halves(20));
    }
    // The oldest made room.
    let mut first = &held[0];
    assert_eq!(first.read(&mut [0]).expect("it is closed"), 0);
    drop(tool.0.stdin.take());
    assert_eq!(tool.0.wait().expect("it ends").code(), Some(0));
}

#[test]
fn metrics_count_what_each_target_got() {
    let origin =
        Origin::start(|received| answer(if received.line().contains("/bad") { 503 } else { 200 }, "x"));
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let folder = tempfile::tempdir().expect("a folder");
    let input = folder.path().join("in.gor");
    // The last one keeps the replay going.
    std::fs::write(&input, gets(&[(0, "/"), (1, "/bad"), (2, "/"), (3_600_000, "/")])).unwrap();
    let targets = [origin.address().to_string(), closed.to_string()];
    let mut tool = command("gor-replay", &["--metrics", "127.0.0.1:0", "-i", input.to_str().unwrap()]);
    let mut tool =
        Process(tool.args(&targets).stderr(std::process::Stdio::piped()).spawn().expect("it runs"));
    let mut line = String::new();
    BufReader::new(tool.0.stderr.as_mut().unwrap()).read_line(&mut line).expect("a line");
    let address = line.trim().strip_prefix("gor-replay: metrics are at http://").expect("the address");
    let address: SocketAddr = address.strip_suffix("/metrics").unwrap().parse().unwrap();
    let [good, bad] = targets.map(|target| format!("target=\"http://{target}\""));
    let expected = [
        format!("gor_replay_sent_total{{{good}}} 3"),
        format!("gor_replay_answered_total{{{good}}} 3"),
        format!("gor_replay_responses_total{{{good},status=\"2xx\"}} 2"),
        format!("gor_replay_responses_total{{{good},status=\"5xx\"}} 1"),
        format!("gor_replay_latency_seconds_count{{{good}}} 3"),
        format!("gor_replay_lateness_seconds_count{{{good}}} 3"),
        format!("gor_replay_in_flight{{{good}}} 0"),
        // The last one waits for its time.
        format!("gor_replay_queue{{{good}}} 1"),
        format!("gor_replay_sent_total{{{bad}}} 0"),
        format!("gor_replay_failed_total{{{bad},reason=\"refused\"}} 3"),
    ];
    let mut text = String::new();
    for _ in 0..600 {
        text = page(address);
        if expected.iter().all(|wanted| text.lines().any(|line| line == wanted)) {
            break;
        }
        thread::sleep(Duration::from_millis(50));
    }
    for wanted in expected {
        assert!(text.lines().any(|line| line == wanted), "{wanted}\n{text}");
    }
    kill_process(Pid::from_child(&tool.0), Signal::INT).expect("it runs");
    assert_eq!(tool.0.wait().expect("it can be waited for").code(), Some(1));
    for (args, status) in [(["--metrics", "there"], 2), (["--metrics", "192.0.2.1:1"], 1)] {
        let said = assert_exit(&replay(&[args[0], args[1], "127.0.0.1:1"], b""), status);
        assert_says(&said, "--metrics");
    }
}
