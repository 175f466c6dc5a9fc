//! `gor-replay` and connections that end, refuse, stay silent, or are too few.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use gor_tools::pace::Speed;
use gor_tools::record::{Reader, ReaderOptions, Source};
use gor_tools::replay::{self, InputPart, Settings, Stop, Target};

use crate::support::origin::{Answer, Origin, Received};
use crate::support::replayer::{MILLISECOND, OK, assert_exit, assert_says, gets, good, record, replay};

fn posts(count: i64) -> Vec<u8> {
    let post = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody";
    (0..count).flat_map(|at| record(1, &format!("{at:024x}"), at * 2 * MILLISECOND, post)).collect()
}

#[test]
fn no_request_goes_to_a_connection_whose_end_came_with_the_last_answer() {
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    for (answer, every) in [
        (OK, 1),
        (OK, 2),
        (OK, 3),
        (chunked, 2),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 2),
        // It ends with its connection, so that each is the last.
        (b"HTTP/1.1 200 OK\r\n\r\nok", 1),
    ] {
        let origin = Origin::start(move |request| {
            if (request.number + 1) % every == 0 {
                Answer::SendAndClose(answer.to_vec())
            } else {
                Answer::Send(answer.to_vec())
            }
        });
        let target = origin.address().to_string();
        let shown = answer.escape_ascii();
        let output = replay(&[&target], &posts(100));
        assert_eq!(output.status.code(), Some(0), "{shown}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(origin.received().len(), 100, "{shown}");
    }
}

/// Says this to every connection, before any request, and ends it or not.
fn speak_first(banner: &'static [u8], ends: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        let mut kept = Vec::new();
        for mut stream in listener.incoming().flatten() {
            // The other side may have ended it already.
            let _ = stream.write_all(banner);
            if ends {
                // Closed wholly, it would be reset by the request.
                let _ = stream.shutdown(Shutdown::Write);
            }
            kept.push(stream);
        }
    });
    address
}

#[test]
fn what_comes_with_the_connection_is_read() {
    let unavailable = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
    for (banner, ends, words) in [
        (&unavailable[..], false, "statuses    503: 1\n"),
        (unavailable, true, "statuses    503: 1\n"),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\nbusy", true, "statuses    503: 1\n"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", false, "malformed answer"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", true, "malformed answer"),
        (b"HTTP/1.1 50", true, "closed inside the answer"),
        (b"", true, "closed before an answer"),
    ] {
        let target = speak_first(banner, ends).to_string();
        let output = replay(&["--timeout", "1m", &target], &gets(&[(0, "/")]));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(words), "{words:?}, ends: {ends}\n{said}");
    }
}

#[test]
fn an_answer_that_comes_with_the_connection_is_never_taken_in_silence() {
    // Says one answer too many on each connection: the first before any request, if it is quick enough.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut next = stream.write_all(OK);
                while next.is_ok() && matches!(stream.read(&mut [0; 4096]), Ok(1..)) {
                    next = stream.write_all(OK);
                }
            });
        }
    });
    let said = replay(&["--connections", "1", "--timeout", "1m", &address], &gets(&[(0, "/0"), (50, "/1")]));
    let said = String::from_utf8_lossy(&said.stderr);
    let is_told = ["asked for; the first to GET /", "began with an answer that nothing asked for"];
    assert!(is_told.iter().any(|words| said.contains(words)), "{said}");
}

#[test]
fn a_request_that_waited_is_not_called_slow_to_be_answered() {
    let origin = Origin::start(|request| {
        if request.line().ends_with("/slow") {
            thread::sleep(Duration::from_millis(600));
            Answer::Send(OK.to_vec())
        } else {
            Answer::Never
        }
    });
    let target = origin.address().to_string();
    let args = ["--connections", "1", "--timeout", "2s", &target];
    let said = assert_exit(&replay(&args, &gets(&[(0, "/slow"), (0, "/late"), (0, "/held")])), 1);
    assert_says(&said, "  1         sent too late to be answered\n");
    assert_says(&said, "ms late, held back by the limit on connections (1)\n");
    assert_says(&said, "  1         held back by the limit on connections\n");
    assert_says(&said, "limit       the only connection was busy; 2 requests waited, up to ");
}

#[test]
fn a_limit_that_was_reached_is_told_when_nothing_failed_too() {
    let origin = Origin::start(|_| {
        thread::sleep(Duration::from_millis(50));
        Answer::Send(OK.to_vec())
    });
    let target = origin.address().to_string();
    let args = ["--connections", "2", "--timeout", "1m", &target];
    let said = assert_exit(&replay(&args, &gets(&[(0, "/"); 6])), 0);
    assert_says(&said, "limit       all 2 connections were busy; 4 requests waited, up to ");
}

#[test]
fn few_descriptors_are_told_with_their_number() {
    for limit in [60, 12] {
        let origin = Origin::start(|_| Answer::Never);
        let target = origin.address().to_string();
        let script =
            format!("ulimit -n {limit}; exec {} --timeout 700ms {target}", env!("CARGO_BIN_EXE_gor-replay"));
        let mut command = Command::new("sh");
        command.args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("a shell");
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(&gets(&[(0, "/"); 100])).expect("gor-replay reads");
        drop(stdin);
        let said = assert_exit(&child.wait_with_output().expect("gor-replay ends"), 1);
        assert_says(&said, "held back by the limit on descriptors\n");
        assert_says(&said, &format!("limit       {limit} descriptors (ulimit -n) allow no more connections"));
        assert!(!said.contains("limit on connections"), "{said}");
    }
}

/// An address where nobody answers: its queue of connections is full, and what comes then is thrown away.
fn silent() -> (TcpListener, Vec<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    rustix::net::listen(&listener, 0).expect("a shorter queue");
    let address = listener.local_addr().expect("an address");
    let fill = || TcpStream::connect_timeout(&address, Duration::from_millis(300)).ok();
    let waiting = std::iter::from_fn(fill).collect();
    (listener, waiting)
}

/// Replays two requests against a target with these addresses.
fn replay_to(addresses: Vec<SocketAddr>) -> replay::ReplayTally {
    let settings =
        Settings { timeout: Duration::from_mins(2), keeps_host: true, read_depth: 1, ..Settings::default() };
    let target: Target = "some.example".parse().expect("a target");
    let input = gets(&[(0, "/1"), (1, "/2")]);
    let open = Box::new(move || {
        let reader = Reader::new(std::io::Cursor::new(input.clone()), ReaderOptions::default());
        Ok(Box::new(reader) as Box<dyn Source + Send>)
    });
    let part = InputPart { open, speed: Speed::RECORDED };
    let targets = vec![target.with_addresses(addresses)];
    let outcome = replay::run(&settings, targets, vec![vec![part]], None, &Stop::default(), |_| (), |_| ())
        .expect("a replay");
    outcome.targets.into_iter().next().expect("a target").1
}

#[test]
fn a_name_has_several_addresses_and_one_that_answers_is_enough() {
    let origin = Origin::start(good);
    let (listener, _waiting) = silent();
    let silent = listener.local_addr().expect("an address");
    let refusing = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("one");
    for addresses in [
        vec![silent, origin.address()],
        vec![origin.address(), silent],
        vec![refusing, silent, origin.address()],
        vec![silent, refusing, origin.address()],
    ] {
        let tally = replay_to(addresses.clone());
        // Waited for until the timeout, or until the kernel gives up, the silent one would fail them.
        assert_eq!((tally.sent, tally.answered), (2, 2), "{addresses:?}: {:?}", tally.not_sent);
        assert!(!tally.has_failures(), "{addresses:?}");
    }
    assert_eq!(origin.received().len(), 8);
}

#[test]
fn threads_share_requests_and_keep_recorded_connections_together() {
    let origin = Origin::start(|received| {
        if received.line().contains("/never") { Answer::Never } else { Answer::Send(OK.to_vec()) }
    });
    let folder = tempfile::tempdir().expect("a folder");
    let report = folder.path().join("report.json").display().to_string();
    let target = origin.address().to_string();
    let mut paths: Vec<(i64, String)> = (0..300).map(|number| (number % 3, format!("/{number}"))).collect();
    paths.push((3, "/never".to_owned()));
    let input = gets(&paths.iter().map(|(at, path)| (*at, path.as_str())).collect::<Vec<_>>());
    for more in [
        &["--no-wait", "--connections", "20"][..],
        &["--connections", "30"],
        &["--split", "--connections", "7"],
    ] {
        let options = ["--threads", "3", "--timeout", "1s", "--report", &report, "--force", &target];
        // With --split there is a second way to the same server.
        let second = (more.first() == Some(&"--split")).then(|| target.clone());
        let args: Vec<&str> =
            options.into_iter().chain(second.as_deref()).chain(more.iter().copied()).collect();
        let before = origin.received().len();
        let said = assert_exit(&replay(&args, &input), 1);
        let mut received: Vec<_> = origin.received()[before..].iter().map(Received::line).collect();
        received.sort();
        let mut expected: Vec<_> = paths.iter().map(|(_, path)| format!("GET {path}")).collect();
        expected.sort();
        assert_eq!(received, expected, "{said}");
        let text = std::fs::read(&report).expect("it was written");
        let report: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
        let total = &report["total"];
        assert_eq!(
            (&total["due"], &total["sent"], &total["answered"]),
            (&301.into(), &301.into(), &300.into())
        );
        assert_eq!(report["targets"].as_array().map(Vec::len), Some(1 + usize::from(second.is_some())));
        let in_groups =
            total["groups"].as_array().expect("groups").iter().map(|group| group["sent"].as_u64());
        assert_eq!(in_groups.sum::<Option<u64>>(), Some(301));
        assert_eq!(total["failed"][0]["reason"], "timeout");
    }

    // Three connections of ten requests each stay three, in order.
    let origin = Origin::start(good);
    let one = |number: u32| {
        let id = format!("{:016x}{number:08x}", number % 3);
        record(
            1,
            &id,
            i64::from(number) * MILLISECOND,
            format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes(),
        )
    };
    let input: Vec<u8> = (0..30).flat_map(one).collect();
    assert_exit(&replay(&["--sessions", "--threads", "4", &origin.address().to_string()], &input), 0);
    assert_eq!(origin.connections(), 3);
    let mut last = [None; 3];
    for received in origin.received() {
        let number: usize = received.line().trim_start_matches("GET /").parse().expect("a number");
        assert!(last[number % 3] < Some(number), "{number} after {:?}", last[number % 3]);
        last[number % 3] = Some(number);
    }
}
