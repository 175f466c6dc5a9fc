//! `gor-replay` with an output that is slow, full or gone, and with signals that end it.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::origin::{Answer, Origin};
use crate::support::replayer::{OK, assert_exit, assert_says, gets, replay, start};

const SEPARATOR: &[u8] = "\n🐵🙈🙉\n".as_bytes();

/// Records of kind 3.
fn answers(output: &[u8]) -> usize {
    let starts = output.windows(SEPARATOR.len() + 2).filter(|window| window.ends_with(b"\n3 ")).count();
    starts + usize::from(output.starts_with(b"3 "))
}

fn large(length: usize) -> Origin {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").into_bytes();
    Origin::start(move |_| Answer::Send([&head[..], &vec![b'x'; length]].concat()))
}

fn requests(count: i64) -> Vec<u8> {
    gets(&(0..count).map(|at| (at * 2, "/")).collect::<Vec<_>>())
}

/// Starts with this input, which fits a pipe.
fn start_with(args: &[&str], input: &[u8]) -> Child {
    let mut child = start(args);
    child.stdin.take().expect("a pipe").write_all(input).expect("gor-replay reads");
    child
}

fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_mins(2), "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn a_reader_that_pauses_stops_no_request_and_what_it_misses_is_told() {
    let origin = large(1_000_000);
    let target = origin.address().to_string();
    // Over one connection, each was answered when the next one comes.
    let args = ["--connections", "1", "--timeout", "2m", "-o", "-", &target];
    let child = start_with(&args, &requests(100));
    // Not a byte of the output is read until then.
    wait_for("all are sent", || origin.received().len() == 100);
    let output = child.wait_with_output().expect("gor-replay ends");
    let said = assert_exit(&output, 1);
    assert_says(&said, "sent        100\n");
    assert_says(&said, "answered    100\n");
    let kept = answers(&output.stdout);
    assert!(kept > 60, "{kept}");
    assert_says(&said, &format!("output      {} responses dropped, as it was too slow", 100 - kept));
}

#[test]
fn where_the_output_is_waited_for_nothing_is_missing() {
    let origin = large(1_000_000);
    let target = origin.address().to_string();
    let args = ["--connections", "1", "--timeout", "2m", "--slow-output", "wait", "-o", "-", &target];
    let child = start_with(&args, &requests(100));
    // As many as the queue holds.
    wait_for("the queue fills", || origin.received().len() >= 66);
    let output = child.wait_with_output().expect("gor-replay ends");
    assert_exit(&output, 0);
    assert_eq!(answers(&output.stdout), 100);
}

#[test]
fn a_reader_that_drips_misses_nothing_that_fits() {
    let origin = large(10_000);
    let target = origin.address().to_string();
    let mut child = start_with(&["-o", "-", &target], &requests(50));
    let mut stdout = child.stdout.take().expect("a pipe");
    let (mut output, mut some) = (Vec::new(), [0; 700]);
    loop {
        match stdout.read(&mut some).expect("an output") {
            0 => break,
            length => output.extend_from_slice(&some[..length]),
        }
    }
    assert_exit(&child.wait_with_output().expect("gor-replay ends"), 0);
    assert_eq!(answers(&output), 50);
}

#[test]
fn an_output_that_fails_is_the_reason_for_what_is_not_sent() {
    let origin = large(1_000);
    let target = origin.address().to_string();
    let input = gets(&[(0, "/now"), (3_600_000, "/in-an-hour")]);
    let said = assert_exit(&replay(&["-o", "/dev/full", &target], &input), 1);
    assert_says(&said, "  1         the output failed, or its reader closed it\n");
    assert_says(&said, "/dev/full: ");
    assert!(!said.contains("interrupted"), "{said}");
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("a signal");
}

#[test]
fn a_second_signal_and_a_hangup_end_the_waiting_and_the_report_comes_all_the_same() {
    for (first, second) in [
        (Signal::INT, Some(Signal::INT)),
        (Signal::TERM, Some(Signal::INT)),
        (Signal::INT, Some(Signal::HUP)),
        (Signal::HUP, None),
    ] {
        let origin = Origin::start(|request| {
            if request.line() == "GET /now" { Answer::Send(OK.to_vec()) } else { Answer::Never }
        });
        let target = origin.address().to_string();
        let input = gets(&[(0, "/now"), (50, "/never"), (3_600_000, "/in-an-hour")]);
        let mut child = start_with(&["--timeout", "10m", "-o", "-", &target], &input);
        // The answer has been handed on, so that one is left to wait for.
        let mut stdout = child.stdout.take().expect("a pipe");
        let mut written = vec![0];
        stdout.read_exact(&mut written).expect("an answer");
        wait_for("both are sent", || origin.received().len() == 2);
        signal(&child, first);
        let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut said = String::new();
        if let Some(second) = second {
            while !said.contains("waiting for 1 response (at most 10m00s)") {
                assert_ne!(stderr.read_line(&mut said).expect("text"), 0, "{first:?}: {said}");
            }
            signal(&child, second);
        }
        stderr.read_to_string(&mut said).expect("text");
        stdout.read_to_end(&mut written).expect("answers");
        let status = child.wait().expect("gor-replay ends");
        assert_eq!(status.code(), Some(1), "{first:?} {second:?}: {said}");
        assert_says(&said, "sent        2\n");
        assert_says(&said, "  1         interrupted\n");
        assert_says(&said, "  1         not waited for: ended by a signal\n");
        assert_eq!(answers(&written), 1, "{first:?} {second:?}: {said}");
    }
}
