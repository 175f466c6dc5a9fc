//! `gor-replay` against an origin that remembers everything and misbehaves on demand.

use std::io::Write;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::support::origin::{Answer, Origin, answer};
use crate::support::program::run;
use crate::support::replayer::{
    MILLISECOND, OK, assert_exit, assert_says, gets, good, lines, record, replay, start,
};

#[test]
fn what_was_recorded_is_what_is_sent_but_for_the_host() {
    let origin = Origin::start(good);
    let target = origin.address().to_string();
    let requests: Vec<Vec<u8>> = vec![
        b"GET /a?b=%20c HTTP/1.1\r\nx-ODD:   kept \r\nHost: HOST\r\nX-odd: twice\r\n\r\n".to_vec(),
        b"PROPFIND /d HTTP/1.1\r\nhost:HOST\r\nContent-Length: 6\r\n\r\n\0\xff\r\n\n1".to_vec(),
        b"POST /e HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: z\r\n\r\n".to_vec(),
        [format!("PUT /f HTTP/1.1\r\nHost: HOST\r\nContent-Length: {}\r\n\r\n", 3 << 20).as_bytes(), &[b'z'; 3 << 20]]
            .concat(),
    ];
    let with_host = |request: &[u8], host: &str| -> Vec<u8> {
        let at = request.windows(4).position(|window| window == b"HOST").expect("a host");
        [&request[..at], host.as_bytes(), &request[at + 4..]].concat()
    };
    let input: Vec<u8> = requests
        .iter()
        .flat_map(|request| record(1, "a1", 0, &with_host(request, "shop.example:81")))
        .collect();

    assert_exit(&replay(&["--connections", "1", &target], &input), 0);
    let sent: Vec<Vec<u8>> = origin.received().into_iter().map(|request| request.bytes).collect();
    let expected: Vec<Vec<u8>> = requests.iter().map(|request| with_host(request, &target)).collect();
    assert!(sent == expected, "{:?}", lines(&origin));

    let origin = Origin::start(good);
    let target = origin.address().to_string();
    assert_exit(&replay(&["--original-host", "--connections", "1", &target], &input), 0);
    let sent: Vec<Vec<u8>> = origin.received().into_iter().map(|request| request.bytes).collect();
    let expected: Vec<Vec<u8>> =
        requests.iter().map(|request| with_host(request, "shop.example:81")).collect();
    assert!(sent == expected, "{:?}", lines(&origin));
}

#[test]
fn requests_come_when_they_were_recorded_to_come() {
    let input = gets(&[(0, "/0"), (100, "/1"), (400, "/2"), (300, "/3"), (2_400, "/4")]);
    for (args, due) in [
        (&["--speed", "10x"][..], [0, 10, 30, 40, 240]),
        (&["--speed", "200%", "--max-wait", "50ms"], [0, 50, 100, 150, 200]),
        (&["--speed", "8", "--loop", "1", "--read-depth", "1"], [0, 12, 37, 50, 300]),
    ] {
        let origin = Origin::start(good);
        let target = origin.address().to_string();
        let began = Instant::now();
        assert_exit(&replay(&[args, &["--connections", "1", &target]].concat(), &input), 0);
        assert_eq!(lines(&origin), ["GET /0", "GET /1", "GET /3", "GET /2", "GET /4"], "{args:?}");
        for (request, due) in origin.received().iter().zip(due) {
            let at = (request.at - began).as_millis();
            // Never early. How late is measured where the machine is quiet: benches/replay.sh.
            assert!(at >= due, "{args:?}: {} at {at} ms, due at {due} ms", request.line());
        }
    }
}

#[test]
fn every_round_of_a_loop_comes_after_the_one_before() {
    let origin = Origin::start(good);
    let target = origin.address().to_string();
    let path = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(path.path(), gets(&[(0, "/0"), (60, "/1")])).expect("a recording");
    let input = path.path().to_str().expect("a path");
    let began = Instant::now();
    let said = assert_exit(&replay(&["--loop", "3", "--connections", "1", "-i", input, &target], b""), 0);
    assert_eq!(lines(&origin), ["GET /0", "GET /1"].repeat(3));
    assert_says(&said, "6 requests, 0 responses, in 3 rounds");
    // From before the first was sent, which may have been late: the last one is never early.
    let last = origin.received()[5].at - began;
    assert!(last >= Duration::from_millis(300), "{last:?}");
}

#[test]
fn connections_are_kept_and_as_many_as_are_needed() {
    let origin = Origin::start(good);
    let target = origin.address().to_string();
    let requests: Vec<(i64, &str)> = (0..20).map(|number| (number * 5, "/")).collect();
    assert_exit(&replay(&["--connections", "1", &target], &gets(&requests)), 0);
    assert_eq!((origin.connections(), origin.received().len()), (1, 20));

    let slow = Origin::start(|_| {
        std::thread::sleep(Duration::from_millis(100));
        Answer::Send(OK.to_vec())
    });
    let target = slow.address().to_string();
    assert_exit(&replay(&["--speed", "1000x", &target], &gets(&requests)), 0);
    assert!(slow.connections() > 5, "{} connections", slow.connections());
}

#[test]
fn a_target_that_misbehaves_is_counted_by_reason_and_never_hung_on() {
    let flood = b"HTTP/1.1 102 Processing\r\n\r\n".to_vec();
    let cases: Vec<(&str, Answer)> = vec![
        ("connection reset before an answer", Answer::SendAndReset(b"".to_vec())),
        (
            "connection reset inside the answer",
            Answer::SendAndReset(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf".to_vec()),
        ),
        ("closed before an answer", Answer::SendAndClose(b"".to_vec())),
        ("closed inside the answer", Answer::SendAndClose(b"HTTP/1.1 20".to_vec())),
        ("closed inside the answer", Answer::SendAndClose(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec())),
        (
            "closed inside the answer",
            Answer::SendAndClose(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf".to_vec()),
        ),
        (
            "closed inside the answer",
            Answer::SendAndClose(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n".to_vec(),
            ),
        ),
        ("no whole answer within the timeout", Answer::Never),
        (
            "no whole answer within the timeout",
            Answer::Endless(b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b'x'; 10_000]),
        ),
        ("malformed answer", Answer::Send(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec())),
        ("malformed answer", Answer::Send(vec![0; 100])),
        (
            "malformed answer",
            Answer::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc".to_vec()),
        ),
        ("malformed answer", Answer::Send(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n".to_vec())),
        (
            "malformed answer",
            Answer::Send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".to_vec()),
        ),
        (
            "malformed answer",
            Answer::Endless(b"HTTP/1.1 200 OK\r\n".to_vec(), b"X-Again: and again\r\n".to_vec()),
        ),
        ("malformed answer", Answer::Endless(b"".to_vec(), flood)),
    ];
    for (reason, misconduct) in cases {
        let shown: String = format!("{misconduct:?}").chars().take(120).collect();
        let origin = Origin::start(move |request| {
            if request.line().ends_with("/bad") { misconduct.clone() } else { Answer::Send(OK.to_vec()) }
        });
        let target = origin.address().to_string();
        let began = Instant::now();
        let output = replay(&["--timeout", "700ms", &target], &gets(&[(0, "/bad"), (20, "/good")]));
        // It ends: how soon depends on the machine, that it does must not.
        assert!(began.elapsed() < Duration::from_mins(1), "{shown}: {:?}", began.elapsed());
        let said = assert_exit(&output, 1);
        assert!(said.contains(&format!("  1         {reason}\n")), "{shown}:\n{said}");
        assert_says(&said, "first: GET /bad (record 000000000000000000000000)");
        assert_says(&said, "sent        2\n");
        assert_says(&said, "answered    1\n");
        assert_eq!(origin.received().len(), 2, "{shown}");
    }
}

#[test]
fn a_target_that_is_not_there_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let target = listener.local_addr().expect("an address").to_string();
    drop(listener);
    let said = assert_exit(&replay(&[&target], &gets(&[(0, "/a"), (0, "/b")])), 1);
    assert_says(&said, "not sent    2\n  2         connection refused\n");
    assert_says(&said, &format!("GET /a (record {:024}): {target}: ", 0));
    // Nothing was measured: no time is shown.
    assert!(!said.contains("\nduration") && !said.contains("\nlatency"), "{said}");
    let said = assert_exit(&replay(&["no-such-host.invalid"], &gets(&[(0, "/a")])), 1);
    assert_says(&said, "gor-replay: http://no-such-host.invalid: the name cannot be resolved: ");
    assert_eq!(said.matches("no-such-host").count(), 1, "{said}");
}

#[test]
fn an_idle_connection_that_was_closed_is_replaced() {
    let origin = Origin::start(|_| Answer::SendAndClose(OK.to_vec()));
    let target = origin.address().to_string();
    let input = gets(&[(0, "/0"), (100, "/1"), (200, "/2")]);
    assert_exit(&replay(&[&target], &input), 0);
    assert_eq!((origin.connections(), origin.received().len()), (3, 3));
}

#[test]
fn a_request_that_found_its_connection_closed_is_sent_again_only_if_that_is_safe() {
    for (method, is_repeated) in [("GET", true), ("DELETE", true), ("POST", false), ("PATCH", false)] {
        let origin = Origin::start(|request| {
            if request.number == 0 { Answer::Send(OK.to_vec()) } else { Answer::SendAndClose(Vec::new()) }
        });
        let target = origin.address().to_string();
        let request = format!("{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
        let input =
            [record(1, "a1", 0, request.as_bytes()), record(1, "a2", 50 * MILLISECOND, request.as_bytes())];
        let output = replay(&["--connections", "1", &target], &input.concat());
        let said = assert_exit(&output, i32::from(!is_repeated));
        assert_says(&said, "sent        2");
        let came = origin.received().len();
        assert_eq!(came, if is_repeated { 3 } else { 2 }, "{method}");
        assert_says(&said, if is_repeated { "1 again" } else { "closed before an answer" });
    }
}

#[test]
fn bytes_after_an_answer_are_not_taken_for_the_next_and_told() {
    let whole = [OK, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"].concat();
    for answer in [[OK, b"and more than that"].concat(), whole, [OK, b"\r\n"].concat()] {
        let shown = answer.escape_ascii().to_string();
        let origin = Origin::start(move |_| Answer::Send(answer.clone()));
        let target = origin.address().to_string();
        for quiet in [&[][..], &["-q"]] {
            let args = [&["--connections", "1", &target], quiet].concat();
            let said = assert_exit(&replay(&args, &gets(&[(0, "/0"), (50, "/1"), (100, "/2")])), 0);
            let words =
                "3 responses were followed by bytes that nothing asked for; the first to GET /0 (record 0";
            assert_eq!(said.matches(words).count(), 1, "{shown}, {quiet:?}:\n{said}");
            assert_eq!(said.lines().count() == 1, !quiet.is_empty(), "{said}");
        }
        assert_eq!((origin.connections(), origin.received().len()), (6, 6), "{shown}");
    }
}

#[test]
fn answers_are_framed_by_their_requests_and_interim_ones_skipped() {
    let origin = Origin::start(|request| {
        Answer::Send(match request.line().as_str() {
            "HEAD /" => b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n".to_vec(),
            "GET /304" => b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n".to_vec(),
            _ => [b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n", OK].concat(),
        })
    });
    let target = origin.address().to_string();
    let input: Vec<u8> = ["HEAD /", "GET /304", "GET /200", "HEAD /"]
        .iter()
        .enumerate()
        .flat_map(|(at, line)| {
            record(1, "a", at as i64 * MILLISECOND, format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes())
        })
        .collect();
    let said = assert_exit(&replay(&["--connections", "1", "--timeout", "2s", &target], &input), 0);
    assert_says(&said, "statuses    200: 3, 304: 1\n");
    assert_eq!(origin.connections(), 1);
}

#[test]
fn answers_go_to_the_output_with_the_ids_of_their_requests() {
    let origin = Origin::start(|request| answer(200 + request.number as u16, &request.line()));
    let target = origin.address().to_string();
    let input = [gets(&[(0, "/0"), (5, "/1")]), record(2, "ff", 6, b"HTTP/1.1 200 OK\r\n\r\n")].concat();
    let output = replay(&["--connections", "1", "-o", "-", &target], &input);
    assert_exit(&output, 0);
    let text = String::from_utf8(output.stdout).expect("text");
    let records: Vec<&str> = text.split_terminator("\n🐵🙈🙉\n").collect();
    assert_eq!(records.len(), 2, "{text}");
    for (number, record) in records.iter().enumerate() {
        let (header, payload) = record.split_once('\n').expect("a header line");
        let fields: Vec<&str> = header.split(' ').collect();
        assert_eq!(fields[..2], ["3", &format!("{number:024x}")], "{header}");
        let (start, length): (i64, i64) = (fields[2].parse().unwrap(), fields[3].parse().unwrap());
        assert!(start > 1_700_000_000_000_000_000 && length > 0, "{header}");
        assert_eq!(payload, format!("HTTP/1.1 {} X\r\nContent-Length: 6\r\n\r\nGET /{number}", 200 + number));
    }

    let output = replay(&["-q", "--connections", "1", "--echo", "-o", "-", &target], &input);
    assert_eq!(assert_exit(&output, 0), "");
    assert!(output.stdout.starts_with(&input), "the input comes through unchanged");
    assert_eq!(String::from_utf8_lossy(&output.stdout).matches("\n🐵🙈🙉\n3 ").count(), 2);
}

#[test]
fn what_is_not_a_whole_request_is_counted_and_not_sent() {
    let origin = Origin::start(good);
    let target = origin.address().to_string();
    let cut = "GET /cut HTTP/1.1\r\nHost: a\r\n\r\n";
    let input = [
        format!("1 a1 0 0 {} cut\n{cut}\n🐵🙈🙉\n", cut.len()).into_bytes(),
        record(1, "a2", 0, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf"),
        record(1, "a3", 0, b"\x16\x03\x01garbage"),
        record(2, "a4", 0, b"HTTP/1.1 200 OK\r\n\r\n"),
        gets(&[(200, "/good")]),
    ];
    let said = assert_exit(&replay(&[&target], &input.concat()), 0);
    assert_eq!(lines(&origin), ["GET /good"]);
    assert_says(&said, "read        4 requests, 1 response\n");
    assert_says(&said, "not sent    3\n  1         marked in the recording as incomplete or doubtful\n");
    assert_says(&said, "  2         not one whole HTTP/1 request\n");
    let said = assert_exit(&replay(&["--send-incomplete", &target], &input.concat()), 0);
    assert_says(&said, "not sent    2\n");
    assert_eq!(lines(&origin)[1..], ["GET /cut", "GET /good"]);
}

#[test]
fn a_target_has_a_prefix_and_credentials() {
    let origin = Origin::start(good);
    let target = format!("http://ann:pw@{}/v2/", origin.address());
    assert_exit(&replay(&[&target], &gets(&[(0, "/x?y")])), 0);
    let text = String::from_utf8(origin.received()[0].bytes.clone()).unwrap();
    let expected = format!(
        "GET /v2/x?y HTTP/1.1\r\nAuthorization: Basic YW5uOnB3\r\nHost: {}\r\n\r\n",
        origin.address()
    );
    assert_eq!(text, expected);
}

#[test]
fn a_slow_target_does_not_hold_up_another() {
    let (fast, stuck) = (Origin::start(good), Origin::start(|_| Answer::Never));
    let (one, two) = (fast.address().to_string(), stuck.address().to_string());
    let requests: Vec<(i64, &str)> = (0..40).map(|number| (number * 5, "/")).collect();
    let output = replay(&["--timeout", "2s", "--connections", "4", &two, &one], &gets(&requests));
    let said = assert_exit(&output, 1);
    assert_eq!(fast.received().len(), 40);
    let received = fast.received();
    let length = received[39].at - received[0].at;
    // Held up by the other, the fifth request would have waited for its timeout.
    assert!(length < Duration::from_secs(2), "{length:?}");
    assert_says(&said, "no whole answer within the timeout");
    assert_says(&said, "held back by the limit on connections\n");
    assert_says(&said, "limit       all 4 connections were busy; ");
}

#[test]
fn without_waiting_all_connections_are_kept_busy() {
    let origin = Origin::start(good);
    let target = origin.address().to_string();
    let requests: Vec<(i64, &str)> = (0..500).map(|number| (number * 60_000, "/")).collect();
    let said = assert_exit(&replay(&["--no-wait", "--connections", "8", &target], &gets(&requests)), 0);
    assert_eq!((origin.connections(), origin.received().len()), (8, 500));
    assert_says(&said, "Without waiting");
}

#[test]
fn a_record_from_a_live_pipe_is_sent_at_once() {
    let origin = Origin::start(good);
    let target = origin.address().to_string();
    let mut child = start(&[&target]);
    let mut stdin = child.stdin.take().expect("a pipe");
    for count in 1..=3 {
        stdin.write_all(&gets(&[(count, "/live")])).expect("gor-replay reads");
        let written = Instant::now();
        while origin.received().len() < count as usize {
            assert!(written.elapsed() < Duration::from_mins(1), "request {count} does not come");
            std::thread::yield_now();
        }
    }
    drop(stdin);
    assert_exit(&child.wait_with_output().expect("gor-replay ends"), 0);
}

#[test]
fn a_signal_ends_the_sending_and_the_summary_comes_all_the_same() {
    let origin = Origin::start(good);
    let target = origin.address().to_string();
    let mut child = start(&[&target]);
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(&gets(&[(0, "/now"), (3_600_000, "/in-an-hour")])).expect("gor-replay reads");
    while origin.received().is_empty() {
        std::thread::yield_now();
    }
    let process = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(process, rustix::process::Signal::INT).expect("a signal");
    let said = assert_exit(&child.wait_with_output().expect("gor-replay ends"), 1);
    drop(stdin);
    assert_says(&said, "2 requests, 0 responses; interrupted");
    assert_says(&said, "sent        1\n");
    assert_says(&said, "  1         interrupted\n");
}

#[test]
fn more_threads_than_make_sense_are_refused_before_anything_begins() {
    let said = assert_exit(&replay(&["--threads", "5000", "127.0.0.1:1"], b""), 2);
    assert_says(&said, "expected a number of threads from 1 to 256, as 4");
}

#[test]
fn a_dry_run_sends_nothing_and_prints_the_summary_of_gor_show() {
    let origin = Origin::start(good);
    let target = origin.address().to_string();
    let input = gets(&[(0, "/a"), (90_000, "/b")]);
    let output = replay(&["--dry-run", "--connections", "7", "--timeout", "250ms", &target], &input);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(origin.connections(), 0);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let said = String::from_utf8(output.stdout).expect("text");
    let summary = run("gor-show", &["--summary"], &input).stdout;
    let plan = said.strip_prefix(str::from_utf8(&summary).expect("text")).expect("the same summary");
    let expected = format!(
        "
files       1, {size} ({bytes} bytes)
disorder    0 requests older than one before
sessions    1 connection, by their ids
schedule    at 1x, the first request is due at 0s and the last at 90.0s; at most 1 in a second
pauses      90.0s min, 90.0s max, 90.0s first
target      http://{target}
            would get 2 requests with Host {target}, over at most 7 connections, timeout 250ms
",
        bytes = input.len(),
        size = gor_tools::observe::Size(input.len() as u64),
    );
    assert_eq!(plan, expected);
    for option in ["--output=x.gor", "--force", "--compress-level=3", "--flush-interval=2s"] {
        let output = replay(&["--dry-run", option], &input);
        let said = assert_exit(&output, 2);
        assert_says(&said, "cannot be used with");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let [json, text, page] =
        ["a.json", "a.txt", "a.html"].map(|name| folder.path().join(name).display().to_string());
    let reports = ["--dry-run", "--report", &json, "--report", &text, "-q", &target];
    let output = replay(&reports, &input);
    assert_exit(&output, 0);
    assert_eq!(std::fs::read(&text).expect("it was written"), output.stdout);
    let report = std::fs::read(&json).expect("it was written");
    let report: serde_json::Value = serde_json::from_slice(&report).expect("JSON");
    let plan = &report["plan"];
    assert_eq!(report["summary"]["records"]["requests"], 2);
    assert_eq!((&report["bytes"], &report["files"]), (&input.len().into(), &1.into()));
    assert_eq!((&plan["requests"], &plan["sessions"], &plan["peak_rate"]), (&2.into(), &1.into(), &1.into()));
    assert_eq!((&plan["duration"], &plan["pauses"]["max"]), (&90.0.into(), &90.0.into()));
    assert_eq!(plan["targets"][0]["target"], format!("http://{target}"));
    let page_of_keys = include_str!("../../man/gor-report.5");
    let (_, explained) = page_of_keys.split_once("\n.SH DRY RUNS\n").expect("it tells of dry runs");
    let keys =
        |value: &serde_json::Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    for key in [keys(&report), keys(plan), keys(&plan["pauses"]), keys(&plan["targets"][0])].concat() {
        let is_word = |word: &str| word.trim_matches('"') == key;
        assert!(explained.split([' ', '\n']).any(is_word), "man/gor-report.5 does not explain {key}");
    }
    // It is not overwritten unasked, and there is no page.
    assert_says(&assert_exit(&replay(&reports, &input), 2), "--force overwrites it");
    assert_exit(&replay(&[&reports[..], &["--force"]].concat(), &input), 0);
    assert_says(
        &assert_exit(&replay(&["--dry-run", "--report", &page], &input), 2),
        "a.html: the report of a dry run",
    );
    let output = replay(&["--dry-run"], b"");
    assert_eq!(output.status.code(), Some(0));
    assert_says(&String::from_utf8_lossy(&output.stderr), "nothing to replay");
}

#[test]
fn a_dry_run_counts_rounds_and_what_targets_that_split_the_requests_get() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("in.gor").display().to_string();
    std::fs::write(&path, gets(&[(0, "/a"), (500, "/b"), (1000, "/c")])).expect("a recording");
    let dry = |args: &[&str]| {
        let output = run("gor-replay", &[&["--dry-run", "-i", &path], args].concat(), b"");
        String::from_utf8(output.ends_with(0).stdout.clone()).expect("text")
    };
    let fast = format!("{path}|200%");
    let output = run("gor-replay", &["--dry-run", "--speed", "2x", "-i", &fast], b"");
    let said = String::from_utf8(output.ends_with(0).stdout.clone()).expect("text");
    assert_says(&said, "the first request is due at 0s and the last at 250ms;");
    let refused = run("gor-replay", &["--dry-run", "-i", &fast, "-i", &path], b"");
    refused.ends_with(2).says("a dry run has one speed for all inputs");
    let said = dry(&["--loop", "3", "--speed", "2x", "--split", "a", "b"]);
    for words in [
        "at 2x, the first request is due at 0s and the last at 500ms; at most 3 in a second of the first round\n",
        // Each takes half a second, and a quarter passes to the next.
        "rounds      3 of 3 requests each; the last request of all is due at 2.00s\n",
        "target      http://a\n            would get 5 requests (of 9, by --split) with Host a,",
        "target      http://b\n            would get 4 requests (of 9, by --split) with Host b,",
    ] {
        assert_says(&said, words);
    }
    // The ids are all of one connection.
    let said = dry(&["--loop=3", "--split", "--sessions", "a", "b"]);
    assert_says(&said, "would get 9 requests (of 9, by --split) with Host a,");
    assert_says(&said, "would get 0 requests (of 9, by --split) with Host b,");
    let said = dry(&["--loop", "--split", "a", "b"]);
    assert_says(&said, "rounds      until interrupted, of 3 requests each; one begins every 1.50s\n");
    assert_says(&said, "would get its part (--split) of 3 requests in each round with Host b,");
    let said = dry(&["--loop", "2", "--no-wait", "a"]);
    assert_says(&said, "rounds      2 of 3 requests each\n");
    assert_says(&said, "would get 6 requests with Host a,");
    // What is sent is what was said.
    let origins = [Origin::start(good), Origin::start(good)];
    let targets = origins.each_ref().map(|origin| origin.address().to_string());
    let [first, second] = targets.each_ref().map(String::as_str);
    for no_wait in [&["--no-wait"][..], &["--speed", "100x"]] {
        let before = origins.each_ref().map(|origin| origin.received().len());
        let args = [no_wait, &["--loop=3", "--split", "-i", &path, first, second]].concat();
        assert_exit(&replay(&args, b""), 0);
        let came = origins.each_ref().map(|origin| origin.received().len());
        assert_eq!([came[0] - before[0], came[1] - before[1]], [5, 4], "{args:?}");
    }
    let json = folder.path().join("plan.json").display().to_string();
    dry(&["--loop=3", "--split", "--report", &json, "a", "b"]);
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&json).expect("it was written")).expect("JSON");
    let plan = &report["plan"];
    assert_eq!((&plan["requests"], &plan["rounds"]), (&3.into(), &3.into()));
    assert_eq!(plan["duration_of_all_rounds"], 4.0);
    assert_eq!([&plan["targets"][0]["requests"], &plan["targets"][1]["requests"]], [&5, &4]);
}

#[test]
fn a_wrong_command_line_is_told_apart() {
    for args in [
        &[][..],
        &["ftp://host"],
        &["host", "--speed", "fast"],
        &["host", "--timeout", "5 parsecs"],
        &["host", "--echo"],
        &["host", "--no-wait", "--speed", "2x"],
        &["host:99999"],
        &["host", "--loop"],
    ] {
        let output = replay(args, b"");
        assert_exit(&output, 2);
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn a_reader_of_the_output_that_has_gone_is_no_failure() {
    let origin = Origin::start(good);
    let target = origin.address().to_string();
    let mut child = start(&["-o", "-", "--loop=1", &target]);
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().expect("a pipe");
    // It may end before it has read all of this.
    let _ = stdin.write_all(&gets(&[(0, "/"), (100, "/"), (200, "/"), (300, "/")]));
    drop(stdin);
    assert_exit(&child.wait_with_output().expect("gor-replay ends"), 0);
}
