//! When `gor-replay` sends: rates, ramps, rounds, parts of the recording, an appointed moment.

use std::io::Write;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::origin::{Answer, Origin, Received};
use crate::support::replayer::{
    MILLISECOND, OK, assert_exit, assert_says, gets, good, lines, record, replay, start,
};

/// From the first request to each, in seconds.
fn offsets(origin: &Origin) -> Vec<f64> {
    let received = origin.received();
    received.iter().map(|request| (request.at - received[0].at).as_secs_f64()).collect()
}

#[test]
fn a_rate_spreads_requests_evenly_whatever_was_recorded() {
    let origin = Origin::start(good);
    // All at once, then an hour later.
    let times: Vec<(i64, &str)> = (0..50).map(|number| (number / 25 * 3_600_000, "/")).collect();
    assert_exit(&replay(&["--rate", "100/s", &origin.address().to_string()], &gets(&times)), 0);
    let offsets = offsets(&origin);
    assert_eq!(offsets.len(), 50);
    // The 49 pauses last 490 ms; nothing comes early, and nothing is left out.
    for (number, offset) in offsets.iter().enumerate() {
        let due = number as f64 * 0.01;
        assert!(*offset > due - 0.05, "request {number} came after {offset} s");
    }
}

#[test]
fn a_ramp_changes_the_rate() {
    let origin = Origin::start(good);
    let times: Vec<(i64, &str)> = (0..60).map(|_| (0, "/")).collect();
    let ramp = ["--rate-ramp", "20/s..100/s:1s", &origin.address().to_string()];
    assert_exit(&replay(&ramp, &gets(&times)), 0);
    let offsets = offsets(&origin);
    // After half a second 20·0.5 + 80·0.125 = 20 requests are due, after a whole one 60.
    let half = offsets.iter().filter(|offset| **offset < 0.5).count();
    assert!((5..=30).contains(&half), "{half} requests in the first half");
    assert!(offsets[59] > 0.9, "{offsets:?}");
    for (args, words) in [
        (["--rate-ramp", "20..0:1s"], "rate of 0"),
        (["--rate", "0"], "expected a rate"),
        (["--speed-ramp", "1x..2x"], "not a ramp"),
    ] {
        let said = assert_exit(&replay(&[args[0], args[1], "localhost:1"], b""), 2);
        assert_says(&said, words);
    }
    assert_exit(&replay(&["--rate", "1", "--speed", "2x", "localhost:1"], b""), 2);
    assert_exit(&replay(&["--rate", "1", "--max-wait", "1s", "localhost:1"], b""), 2);
}

#[test]
fn the_speed_may_change_and_inputs_may_have_their_own() {
    let origin = Origin::start(good);
    let times: Vec<(i64, &str)> = (0..20).map(|number| (number * 100, "/")).collect();
    // 1.9 s of recording: at 1x to 9x within half a second 2.5 s pass.
    let ramp = ["--speed-ramp", "1x..9x:500ms", &origin.address().to_string()];
    assert_exit(&replay(&ramp, &gets(&times)), 0);
    let span = offsets(&origin)[19];
    assert!((0.35..1.4).contains(&span), "{span}");

    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("a.gor"), gets(&[(0, "/a"), (400, "/b")])).expect("a file");
    std::fs::write(path("b.gor"), gets(&[(400, "/c"), (4400, "/d")])).expect("a file");
    let origin = Origin::start(good);
    let fast = format!("{}|1000%", path("b.gor"));
    assert_exit(&replay(&["-i", &path("a.gor"), "-i", &fast, &origin.address().to_string()], b""), 0);
    assert_eq!(lines(&origin).last().map(String::as_str), Some("GET /d"));
    let span = offsets(&origin)[3];
    assert!((0.7..2.0).contains(&span), "0.4 s and a tenth of 4 s: {span}");
}

#[test]
fn rounds_are_told_apart() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("in.gor").display().to_string();
    std::fs::write(&path, gets(&[(0, "/a"), (10, "/b")])).expect("a file");
    let origin = Origin::start(good);
    let target = origin.address().to_string();
    let args = ["--loop=3", "--loop-header", "X-Round", "--echo", "-o", "-", "-i", &path, &target];
    let output = replay(&args, b"");
    assert_exit(&output, 0);
    let rounds: Vec<String> = origin
        .received()
        .iter()
        .map(|request| {
            let text = String::from_utf8_lossy(&request.bytes).into_owned();
            text.lines().find_map(|line| line.strip_prefix("X-Round: ")).unwrap_or("none").to_owned()
        })
        .collect();
    assert_eq!(rounds, ["1", "1", "2", "2", "3", "3"]);
    let text = String::from_utf8_lossy(&output.stdout);
    let headers = |kind: &str| -> Vec<&str> {
        let mut ids: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with(kind))
            .filter_map(|line| line.split(' ').nth(1))
            .collect();
        ids.sort_unstable();
        ids
    };
    let zeros = "0".repeat(23);
    let mut expected: Vec<String> = ["", ".2", ".3"]
        .iter()
        .flat_map(|round| [format!("{zeros}0{round}"), format!("{zeros}1{round}")])
        .collect();
    expected.sort_unstable();
    assert_eq!(headers("1 "), expected);
    assert_eq!(headers("3 "), expected);
    assert_exit(&replay(&["--loop-header", "X-Round", "-i", &path, &target], b""), 2);
    assert_exit(&replay(&["--loop", "--loop-header", "X Round", "-i", &path, &target], b""), 2);
}

#[test]
fn only_what_was_recorded_in_a_time_is_sent() {
    let origin = Origin::start(good);
    let target = origin.address().to_string();
    let second = 1000 * MILLISECOND;
    let input: Vec<u8> = (0..10)
        .flat_map(|number| {
            let request = format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n");
            record(1, &format!("{number:024x}"), (1_763_900_000 + number) * second, request.as_bytes())
        })
        .collect();
    let args = ["--speed", "100x", "--since", "1763900003", "--until", "1763900006", &target];
    let said = assert_exit(&replay(&args, &input), 0);
    assert_eq!(lines(&origin), ["GET /3", "GET /4", "GET /5"]);
    assert_says(&said, "7 not selected");
    let said = assert_exit(&replay(&["--since", "1863900003", &target], &input), 0);
    assert_says(
        &said,
        "nothing to replay: none of 10 requests is selected by --since; they were recorded from 2025-11-2",
    );
    let said = assert_exit(&replay(&["--dry-run", "--since", "1863900003"], &input), 0);
    assert_says(
        &said,
        "nothing to replay: none of 10 requests is selected by --since; they were recorded from 2025-11-2",
    );
    let said = assert_exit(&replay(&["--since", "1763900009", "--until", "1763900006", &target], &input), 2);
    assert_says(&said, "nothing can match");
}

#[test]
fn recorded_latencies_are_those_of_the_selected_requests() {
    let origin = Origin::start(good);
    let second = 1000 * MILLISECOND;
    let input: Vec<u8> = (0..4)
        .flat_map(|number| {
            let (id, at) = (format!("{number:024x}"), (1_763_900_000 + number) * second);
            let request = record(1, &id, at, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            [request, record(2, &id, at + (number + 1) * MILLISECOND, OK)].concat()
        })
        .collect();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("report.json").display().to_string();
    let target = origin.address().to_string();
    let args = ["--speed", "100x", "--since", "1763900002", "--report", &path, &target];
    assert_exit(&replay(&args, &input), 0);
    let text = std::fs::read(&path).expect("a report");
    let report: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    assert_eq!(report["recorded"]["latency"]["count"], 2, "{}", report["recorded"]);
    let options = report["runs"][0]["options"].to_string();
    assert!(options.contains("since"), "{options}");
}

#[test]
fn the_first_request_keeps_an_appointment() {
    let origin = Origin::start(good);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_millis();
    let start = (now + 1500).to_string();
    let began = Instant::now();
    let args = ["--start-at", &start, &origin.address().to_string()];
    assert_exit(&replay(&args, &gets(&[(0, "/a"), (100, "/b")])), 0);
    let at = |request: &Received| request.at - began;
    let received = origin.received();
    // The command line was read after `began`, and the clock may be a millisecond off.
    assert!(at(&received[0]) > Duration::from_millis(1400), "{:?}", at(&received[0]));
    assert_eq!(received.len(), 2);
    let said = assert_exit(&replay(&["--start-at", "2020-01-01", &origin.address().to_string()], b""), 2);
    assert_says(&said, "--start-at is over");
}

#[test]
fn connections_are_opened_before_they_are_needed_and_closed_when_idle() {
    let origin = Origin::start(good);
    let target = origin.address().to_string();
    let said = assert_exit(&replay(&["--min-connections", "5", &target], &gets(&[(300, "/a")])), 0);
    assert_eq!(origin.connections(), 5, "{said}");

    let origin = Origin::start(good);
    let target = origin.address().to_string();
    let args = ["--idle-timeout", "50ms", &target];
    assert_exit(&replay(&args, &gets(&[(0, "/a"), (600, "/b")])), 0);
    assert_eq!(origin.connections(), 2);
}

#[test]
fn a_pause_shifts_the_schedule() {
    let origin = Origin::start(good);
    let times: Vec<(i64, &str)> = (0..10).map(|number| (number * 100, "/")).collect();
    let folder = tempfile::tempdir().expect("a folder");
    let report = folder.path().join("report.json");
    let (report_name, target) = (report.display().to_string(), origin.address().to_string());
    let mut child = start(&["--timeout", "2s", "--report", &report_name, &target]);
    child.stdin.take().expect("a pipe").write_all(&gets(&times)).expect("gor-replay reads");
    let began = Instant::now();
    while origin.received().len() < 3 {
        assert!(began.elapsed() < Duration::from_mins(1), "nothing was sent");
        std::thread::yield_now();
    }
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::TSTP).expect("it runs");
    let is_stopped = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).expect("it is there");
        stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T'))
    };
    while !is_stopped() {
        assert!(began.elapsed() < Duration::from_mins(1), "it does not stop");
        std::thread::yield_now();
    }
    let before = origin.received().len();
    // Longer than the rest of the recording, and than the timeout.
    std::thread::sleep(Duration::from_millis(2500));
    assert_eq!(origin.received().len(), before);
    kill_process(pid, Signal::CONT).expect("it is there");
    let output = child.wait_with_output().expect("it ends");
    let said = assert_exit(&output, 0);
    assert_says(&said, "answered    10\n");
    let offsets = offsets(&origin);
    let rest = offsets[9] - offsets[before];
    let due = (9 - before) as f64 * 0.1;
    assert!(rest > due - 0.08, "{rest} s for what takes {due} s: {offsets:?}");
    // The report knows of the pause: by the clock it took longer than what the rates are about.
    let text = std::fs::read(report).expect("it was written");
    let report: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    let paused = report["total"]["paused"].as_f64().expect("seconds");
    assert!((2.4..60.0).contains(&paused), "{paused}");
    let numbers: Vec<u64> = report["total"]["series"]["intervals"]
        .as_array()
        .expect("intervals")
        .iter()
        .filter_map(|interval| interval["start"].as_str()?.parse::<jiff::Timestamp>().ok())
        .map(|start| start.as_second() as u64)
        .collect();
    let span = numbers.last().zip(numbers.first()).map(|(last, first)| last - first);
    assert!(span >= Some(2), "the intervals lack the pause: {numbers:?}");
}

#[test]
fn no_more_requests_wait_than_the_queue_holds() {
    let slow = |_: &Received| {
        std::thread::sleep(Duration::from_millis(300));
        Answer::Send(OK.to_vec())
    };
    let origin = Origin::start(slow);
    let times: Vec<(i64, &str)> = (0..100).map(|number| (number, "/")).collect();
    let target = origin.address().to_string();
    let args = ["--connections", "1", "--queue", "5", "--timeout", "1m", &target];
    let said = assert_exit(&replay(&args, &gets(&times)), 1);
    assert_says(&said, "queue full");
    // The one that is sent at once, and the last five; one more may have been sent meanwhile.
    let answered = origin.received().len();
    assert!((6..=8).contains(&answered), "{answered} answered: {said}");
    // Those that are not due do not count.
    let origin = Origin::start(good);
    let spread: Vec<(i64, &str)> = (0..50).map(|number| (number * 10, "/")).collect();
    assert_exit(&replay(&["--queue", "5", &origin.address().to_string()], &gets(&spread)), 0);
    assert_eq!(origin.received().len(), 50);
}

#[test]
fn a_precise_replay_sends_the_same() {
    let origin = Origin::start(good);
    let times: Vec<(i64, &str)> = (0..20).map(|number| (number * 5, "/")).collect();
    assert_exit(&replay(&["--precise", &origin.address().to_string()], &gets(&times)), 0);
    assert_eq!(origin.received().len(), 20);
}

#[test]
fn a_response_buffer_cuts_what_is_kept() {
    let origin = Origin::start(|_| crate::support::origin::answer(200, &"x".repeat(5000)));
    let target = origin.address().to_string();
    let output = replay(&["--response-buffer", "1000", "-o", "-", &target], &gets(&[(0, "/")]));
    assert_exit(&output, 0);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.lines().next().is_some_and(|line| line.ends_with(" 1000 cut")), "{text}");
}

#[test]
fn a_part_is_taken_from_the_environment() {
    let origin = Origin::start(good);
    let target = origin.address().to_string();
    let folder = tempfile::tempdir().expect("a folder");
    let input = folder.path().join("in.gor");
    let one =
        |number: u32| record(1, &format!("{number:016x}00000000"), 0, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    std::fs::write(&input, (0..60).flat_map(one).collect::<Vec<u8>>()).expect("a file");
    let part = |variables: &[(&str, &str)]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_gor-replay"));
        command.args(["--no-wait", "--shard-from-env", "-i"]).arg(&input).arg(&target);
        for name in ["GOR_SHARD_INDEX", "GOR_SHARD_COUNT", "JOB_COMPLETION_INDEX"] {
            command.env_remove(name);
        }
        command.envs(variables.iter().copied()).output().expect("it runs")
    };
    for index in ["0", "1", "2"] {
        let name = if index == "1" { "GOR_SHARD_INDEX" } else { "JOB_COMPLETION_INDEX" };
        let before = origin.received().len();
        assert_exit(&part(&[(name, index), ("GOR_SHARD_COUNT", "3")]), 0);
        assert!(origin.received().len() > before, "part {index} has something");
    }
    assert_eq!(origin.received().len(), 60, "all parts together are the whole");
    for (variables, said) in [
        (&[("GOR_SHARD_COUNT", "3")][..], "GOR_SHARD_INDEX or JOB_COMPLETION_INDEX is not set"),
        (&[("GOR_SHARD_INDEX", "1")], "GOR_SHARD_COUNT is not set"),
        (&[("GOR_SHARD_INDEX", "x"), ("GOR_SHARD_COUNT", "3")], "GOR_SHARD_INDEX is not a number"),
        (
            &[("GOR_SHARD_INDEX", "3"), ("GOR_SHARD_COUNT", "3")],
            "GOR_SHARD_INDEX is 3, but there are only 3 parts",
        ),
    ] {
        assert_says(&assert_exit(&part(variables), 2), said);
    }
}

#[test]
fn a_replay_whose_time_is_over_waits_for_responses_and_has_lost_nothing() {
    let origin = Origin::start(good);
    let address = origin.address().to_string();
    let folder = tempfile::tempdir().expect("a folder");
    let report = folder.path().join("report.json");
    let report = report.to_str().expect("text");
    // The second is due in an hour.
    let input = gets(&[(0, "/now"), (3_600_000_000_000, "/later")]);
    let output = replay(&["--exit-after", "500ms", "--report", report, &address], &input);
    let said = assert_exit(&output, 0);
    assert_says(&said, "time over (--exit-after)");
    assert!(!said.contains("interrupted"), "{said}");
    assert_eq!(lines(&origin), ["GET /now"]);
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(report).expect("a report")).expect("JSON");
    assert_eq!(report["runs"][0]["interrupted"], false);
    assert_eq!(report["total"]["not_sent"][0]["reason"], "time_over");
}

#[test]
fn recordings_of_the_same_time_one_after_the_other_are_told() {
    let origin = Origin::start(good);
    let folder = tempfile::tempdir().expect("a folder");
    let names = ["a.gor", "b.gor"].map(|name| folder.path().join(name).display().to_string());
    let many: Vec<(i64, &str)> = (0..300).map(|number| (number, "/")).collect();
    for name in &names {
        std::fs::write(name, gets(&many)).expect("a file");
    }
    let address = origin.address().to_string();
    let output = replay(&["-i", &names[0], "-i", &names[1], "--read-depth", "10", &address], b"");
    assert_says(&assert_exit(&output, 0), "requests older than one sent before, and sent at once; gor-merge");
    let output = replay(&["-i", &names[0], &address], b"");
    assert!(!assert_exit(&output, 0).contains("older than"));
}
