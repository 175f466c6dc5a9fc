//! `gor-replay` with recorded connections of their own, several targets, and parts of a recording.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::support::origin::{Answer, Origin, Received};
use crate::support::program::run;
use crate::support::replayer::{
    MILLISECOND, OK, assert_exit, assert_says, gets, good, lines, record, replay,
};

/// A request's or response's id: a connection, and how much it had acknowledged.
fn id(connection: u16, acknowledged: u32) -> String {
    format!("{connection:04x}1f900a000002{acknowledged:08x}")
}

fn get(connection: u16, acknowledged: u32, at: i64, path: &str) -> Vec<u8> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    record(1, &id(connection, acknowledged), at * MILLISECOND, request.as_bytes())
}

fn response(connection: u16, acknowledged: u32, at: i64) -> Vec<u8> {
    record(2, &id(connection, acknowledged), at * MILLISECOND, OK)
}

/// Requests of each connection of the origin, in order.
fn by_connection(origin: &Origin) -> Vec<Vec<String>> {
    let mut connections: BTreeMap<u16, Vec<String>> = BTreeMap::new();
    for request in origin.received() {
        connections.entry(request.client).or_default().push(request.line());
    }
    let mut found: Vec<Vec<String>> = connections.into_values().collect();
    found.sort();
    found
}

#[test]
fn each_recorded_connection_has_one_of_its_own() {
    let origin = Origin::start(good);
    let target = origin.address().to_string();
    let input = [
        get(1, 100, 0, "/a1"),
        get(2, 100, 1, "/b1"),
        get(1, 200, 50, "/a2"),
        get(2, 200, 51, "/b2"),
        get(1, 300, 100, "/a3"),
        // Another connection from the first one's port.
        get(1, 0xf000_0000, 150, "/c1"),
    ]
    .concat();
    assert_exit(&replay(&["--sessions", &target], &input), 0);
    let expected = [vec!["GET /a1", "GET /a2", "GET /a3"], vec!["GET /b1", "GET /b2"], vec!["GET /c1"]];
    assert_eq!(by_connection(&origin), expected);
}

#[test]
fn a_request_waits_for_the_answer_before_it_on_its_connection_and_for_no_other() {
    let slow = |request: &Received| {
        if request.line() == "GET /a1" {
            std::thread::sleep(Duration::from_millis(400));
        }
        Answer::Send(OK.to_vec())
    };
    let origin = Origin::start(slow);
    let target = origin.address().to_string();
    let input =
        [get(1, 100, 0, "/a1"), get(1, 200, 10, "/a2"), get(2, 100, 20, "/b1"), get(2, 200, 30, "/b2")]
            .concat();
    assert_exit(&replay(&["--sessions", &target], &input), 0);
    // In the order in which they were answered.
    assert_eq!(lines(&origin), ["GET /b1", "GET /b2", "GET /a1", "GET /a2"]);
    assert_eq!(by_connection(&origin).len(), 2);

    // What waits until its timeout is given up, and why is said.
    let input =
        [get(1, 100, 0, "/a1"), get(1, 200, 0, "/a2"), get(2, 100, 20, "/b1"), get(2, 200, 30, "/b2")]
            .concat();
    let origin = Origin::start(|request: &Received| match &request.line()[..] {
        "GET /a1" => Answer::Never,
        _ => Answer::Send(OK.to_vec()),
    });
    let target = origin.address().to_string();
    let said = assert_exit(&replay(&["--sessions", "--timeout", "300ms", &target], &input), 1);
    assert_says(&said, "no whole answer within the timeout");
    assert_says(&said, "held back by earlier requests of its connection");
    assert_eq!(lines(&origin), ["GET /a1", "GET /b1", "GET /b2"]);
}

#[test]
fn with_think_the_pause_counts_from_the_answer() {
    let slow = |_: &Received| {
        std::thread::sleep(Duration::from_millis(300));
        Answer::Send(OK.to_vec())
    };
    let origin = Origin::start(slow);
    let target = origin.address().to_string();
    let input = [
        get(1, 100, 0, "/a1"),
        response(1, 100, 10),
        get(1, 200, 210, "/a2"),
        response(1, 200, 220),
        get(1, 300, 420, "/a3"),
    ]
    .concat();
    assert_exit(&replay(&["--sessions", "--think", &target], &input), 0);
    let received = origin.received();
    let pauses: Vec<Duration> = received.windows(2).map(|pair| pair[1].at - pair[0].at).collect();
    // 300 ms until the answer, then 200 ms. By the schedule it would be 300 and 300.
    assert!(pauses.iter().all(|pause| *pause >= Duration::from_millis(500)), "{pauses:?}");
    assert_exit(&replay(&["--think", &target], &input), 2);
    for other in [&["--no-wait"][..], &["--rate", "10"], &["--rate-ramp", "1..2:1s"]] {
        assert_exit(&replay(&[&["--sessions", "--think", &target], other].concat(), &input), 2);
    }
}

#[test]
fn sessions_find_room_when_there_are_more_than_connections() {
    let origin = Origin::start(good);
    let target = origin.address().to_string();
    let input: Vec<u8> = (0..200_u16)
        .flat_map(|number| get(number % 20, u32::from(number) * 10, i64::from(number), &format!("/{number}")))
        .collect();
    for pace in [&["--sessions"][..], &["--sessions", "--no-wait"]] {
        let args = [pace, &["--connections", "4", &target]].concat();
        assert_exit(&replay(&args, &input), 0);
    }
    assert_eq!(origin.received().len(), 400);
    let mut last: BTreeMap<u16, u16> = BTreeMap::new();
    for request in origin.received().iter().take(200) {
        let number: u16 = request.line().trim_start_matches("GET /").parse().expect("a number");
        let before = last.insert(number % 20, number);
        assert!(before.is_none_or(|before| before < number), "{number} came after {before:?}");
    }
}

#[test]
fn sessions_take_the_connections_that_were_opened_in_advance() {
    let origin = Origin::start(good);
    let target = origin.address().to_string();
    let input = [get(1, 100, 0, "/a1"), get(2, 100, 1, "/b1"), get(1, 200, 50, "/a2")].concat();
    let start = SystemTime::now() + Duration::from_millis(1500);
    let start = start.duration_since(UNIX_EPOCH).expect("a time").as_millis().to_string();
    let args = ["--sessions", "--min-connections", "2", "--start-at", &start, &target];
    assert_exit(&replay(&args, &input), 0);
    assert_eq!(origin.connections(), 2);
    assert_eq!(by_connection(&origin), [vec!["GET /a1", "GET /a2"], vec!["GET /b1"]]);
}

#[test]
fn targets_take_requests_or_connections_in_turn() {
    let origins = [Origin::start(good), Origin::start(good)];
    let targets = origins.each_ref().map(|origin| origin.address().to_string());
    let input: Vec<u8> = (0..40_u16)
        .flat_map(|n| get(n % 8, u32::from(n), i64::from(n), &format!("/{}/{n}", n % 8)))
        .collect();
    assert_exit(&replay(&["--split", &targets[0], &targets[1]], &input), 0);
    assert_eq!(origins.each_ref().map(|origin| origin.received().len()), [20, 20]);

    let origins = [Origin::start(good), Origin::start(good)];
    let targets = origins.each_ref().map(|origin| origin.address().to_string());
    assert_exit(&replay(&["--split", "--sessions", &targets[0], &targets[1]], &input), 0);
    let connections = origins.each_ref().map(|origin| -> BTreeSet<String> {
        let of = |line: String| line.split('/').nth(1).unwrap_or_default().to_owned();
        lines(origin).into_iter().map(of).collect()
    });
    assert_eq!(connections.each_ref().map(BTreeSet::len), [4, 4]);
    assert!(connections[0].is_disjoint(&connections[1]));
    assert_exit(&replay(&["--split", &targets[0]], &input), 2);
}

#[test]
fn a_target_gets_its_share_and_the_rest_is_counted() {
    let origins = [Origin::start(good), Origin::start(good), Origin::start(good)];
    let address = |number: usize| origins[number].address().to_string();
    let targets = [address(0), format!("{}|25%", address(1)), format!("{}|10", address(2))];
    // 80 requests within a second, and 20 in the next one.
    let times: Vec<(i64, &str)> = (0..100).map(|number| (number * 12, "/")).collect();
    let said = assert_exit(&replay(&[&targets[0], &targets[1], &targets[2]], &gets(&times)), 0);
    assert_eq!(origins.each_ref().map(|origin| origin.received().len()), [100, 25, 20]);
    assert_says(&said, "beyond the target's share");
    assert_exit(&replay(&["--no-wait", &targets[2]], &gets(&times)), 2);
}

#[test]
fn one_slow_target_does_not_delay_another() {
    let slow = Origin::start(|_| Answer::Never);
    let fast = Origin::start(good);
    let times: Vec<(i64, &str)> = (0..200).map(|number| (number * 2, "/")).collect();
    let targets = [slow.address().to_string(), fast.address().to_string()];
    let args = ["--timeout", "1s", "--connections", "2", &targets[0], &targets[1]];
    let said = assert_exit(&replay(&args, &gets(&times)), 1);
    assert_eq!(fast.received().len(), 200, "{said}");
    let received = fast.received();
    let span = received[199].at - received[0].at;
    assert!(span < Duration::from_millis(900), "398 ms were recorded, {span:?} passed");
}

#[test]
fn shards_are_disjoint_and_whole_and_keep_connections_together() {
    let input: Vec<u8> = (0..300_u16)
        .flat_map(|n| get(n % 60, u32::from(n), i64::from(n) / 10, &format!("/{}/{n}", n % 60)))
        .collect();
    let mut all = BTreeSet::new();
    let mut connections = BTreeSet::new();
    for shard in ["1/3", "2/3", "3/3"] {
        let origin = Origin::start(good);
        let said = assert_exit(&replay(&["--shard", shard, &origin.address().to_string()], &input), 0);
        assert_says(&said, "not selected");
        let of = |line: &String| line.split('/').nth(1).unwrap_or_default().to_owned();
        let here: BTreeSet<String> = lines(&origin).iter().map(of).collect();
        assert!(!here.is_empty() && connections.is_disjoint(&here));
        connections.extend(here);
        all.extend(lines(&origin));
    }
    assert_eq!(all.len(), 300);
    assert_exit(&replay(&["--shard", "4/3", "localhost:1"], b""), 2);
}

#[test]
fn a_shard_reads_only_the_parts_of_a_recording_that_may_have_its_connections() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let input: Vec<u8> = (0..300_u16)
        .flat_map(|n| get(n % 60, u32::from(n), i64::from(n) / 10, &format!("/{}/{n}", n % 60)))
        .collect();
    run("gor-filter", &["-q", "-o", &path("part-%p.gor")], &input).ends_with(0);
    let mut all = BTreeSet::new();
    for shard in ["1/4", "2/4", "3/4", "4/4"] {
        let origin = Origin::start(good);
        let args = ["-i", &path("part-%p.gor"), "--shard", shard, &origin.address().to_string()];
        let said = assert_exit(&replay(&args, b""), 0);
        // Whatever it has read is its own.
        assert!(!said.contains("not selected"), "{said}");
        assert!(
            lines(&origin).into_iter().all(|line| all.insert(line)),
            "{shard} sent what others have sent"
        );
    }
    assert_eq!(all.len(), 300);
    let plan = run("gor-replay", &["--dry-run", "-i", &path("part-%p.gor")], b"");
    assert!(plan.ends_with(0).stdout.starts_with(b"records     300\n"));
}
