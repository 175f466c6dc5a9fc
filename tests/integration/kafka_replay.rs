//! `gor-replay` as a reader of a group: what was replayed is committed, nothing else is, and shares change without loss.

use std::collections::BTreeMap;
use std::process::{Child, Output};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::kafka::{Broker, await_that, broker};
use crate::support::origin::{Answer, Origin, Received};
use crate::support::program::run;
use crate::support::replayer::{MILLISECOND, OK, assert_exit, assert_says, good, record, replay, start};

/// Requests, so many milliseconds apart, each of a connection of its own, so that they are on all partitions.
fn gets(numbers: std::ops::Range<usize>, apart: i64) -> Vec<u8> {
    let one = |number: usize| {
        let request = format!("GET /{number} HTTP/1.1\r\nHost: recorded.example\r\n\r\n");
        record(1, &format!("{number:016x}00000000"), number as i64 * apart * MILLISECOND, request.as_bytes())
    };
    numbers.flat_map(one).collect()
}

fn produce(broker: &Broker, topic: &str, recording: &[u8]) {
    run("gor-filter", &["-o", &broker.place(topic, "")], recording).ends_with(0).is_silent();
}

/// A replay of a topic to an origin.
struct Member {
    place: String,
    target: String,
}

impl Member {
    fn new(broker: &Broker, topic: &str, group: &str, origin: &Origin) -> Self {
        let place = broker.place(topic, &format!("?group={group}"));
        Member { place, target: format!("http://{}", origin.address()) }
    }

    fn args<'a>(&'a self, options: &[&'a str]) -> Vec<&'a str> {
        [&["-i", &*self.place][..], options, &[&*self.target]].concat()
    }

    fn start(&self, options: &[&str]) -> Child {
        start(&self.args(options))
    }

    /// Runs to the end that the topic has now.
    fn replay(&self, options: &[&str]) -> Output {
        replay(&self.args(&[options, &["--exit-at-end"]].concat()), b"")
    }
}

fn signal(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("an id")).expect("an id");
    kill_process(pid, signal).expect("it runs");
}

fn end(child: Child, with: Signal) -> Output {
    signal(&child, with);
    child.wait_with_output().expect("it ends")
}

/// How often each request came.
fn counts(origins: &[&Origin]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for request in origins.iter().flat_map(|origin| origin.received()) {
        *counts.entry(request.line()).or_default() += 1;
    }
    counts
}

#[track_caller]
fn assert_each_once(origins: &[&Origin], number: usize, said: &[&str]) {
    let counts = counts(origins);
    let doubled: Vec<_> = counts.iter().filter(|(_, count)| **count != 1).collect();
    assert!(doubled.is_empty(), "{doubled:?}; standard errors:\n{}", said.join("\n---\n"));
    assert_eq!(counts.len(), number, "standard errors:\n{}", said.join("\n---\n"));
}

#[test]
fn a_group_goes_on_where_it_was() {
    let Some(broker) = broker() else { return };
    let (topic, origin) = (broker.topic(1), Origin::start(good));
    let member = Member::new(broker, &topic, "replay-on", &origin);
    produce(broker, &topic, &gets(0..50, 1));
    assert_exit(&member.replay(&[]), 0);
    broker.await_committed("replay-on", &topic, 50);
    assert_says(&assert_exit(&member.replay(&[]), 0), "nothing to replay");
    produce(broker, &topic, &gets(50..60, 1));
    assert_exit(&member.replay(&["--no-wait"]), 0);
    assert_each_once(&[&origin], 60, &[]);
    // Another group begins at the beginning.
    let other = Member::new(broker, &topic, "replay-other", &origin);
    assert_exit(&other.replay(&["--no-wait", "--threads", "2"]), 0);
    assert_eq!(origin.received().len(), 120);
}

#[test]
fn what_is_read_ahead_at_an_interruption_is_left_to_the_next_run() {
    let Some(broker) = broker() else { return };
    for (partitions, options) in [(1, &[][..]), (3, &[]), (3, &["--sessions"])] {
        let (topic, origin) = (broker.topic(partitions), Origin::start(good));
        let member = Member::new(broker, &topic, "replay-cut", &origin);
        produce(broker, &topic, &gets(0..400, 5));
        for at in [50, 150] {
            let child = member.start(options);
            await_that("requests come", || origin.received().len() >= at);
            let said = assert_exit(&end(child, Signal::INT), 1);
            let sent = origin.received().len();
            assert!(sent < 400, "{said}");
            assert_each_once(&[&origin], sent, &[&said]);
        }
        let sent = origin.received().len();
        let said =
            assert_exit(&member.replay(&[options, &["--exit-after", "6s", "--speed", "0.1"]].concat()), 0);
        assert!((sent..400).contains(&origin.received().len()), "{said}");
        let said = assert_exit(&member.replay(options), 0);
        assert_each_once(&[&origin], 400, &[&said]);
    }
}

#[test]
fn nothing_is_left_out_after_a_kill_and_what_was_committed_is_not_sent_again() {
    let Some(broker) = broker() else { return };
    let topic = broker.topic(1);
    // What comes late is never answered.
    let conduct = |request: &Received| match request.line()[5..].parse::<usize>() {
        Ok(100..) => Answer::Never,
        _ => Answer::Send(OK.to_vec()),
    };
    let (origin, later) = (Origin::start(conduct), Origin::start(good));
    produce(broker, &topic, &gets(0..120, 1));
    let child = Member::new(broker, &topic, "replay-killed", &origin).start(&["--timeout", "1m"]);
    await_that("all are sent", || origin.received().len() == 120);
    // Only what was answered.
    broker.await_committed("replay-killed", &topic, 100);
    assert_eq!(end(child, Signal::KILL).status.code(), None);
    let said = assert_exit(&Member::new(broker, &topic, "replay-killed", &later).replay(&[]), 0);
    assert_each_once(&[&later], 20, &[&said]);
    // Killed before anything of it was committed.
    let (topic, first) = (broker.topic(1), Origin::start(good));
    produce(broker, &topic, &gets(0..300, 5));
    let member = Member::new(broker, &topic, "replay-killed", &first);
    let child = member.start(&[]);
    await_that("some are sent", || !first.received().is_empty());
    assert_eq!(end(child, Signal::KILL).status.code(), None);
    let said = assert_exit(&member.replay(&["--no-wait"]), 0);
    assert_eq!(counts(&[&first]).len(), 300, "{said}");
}

#[test]
fn shares_change_in_the_middle_of_a_schedule_without_loss_and_without_doubles() {
    let Some(broker) = broker() else { return };
    let topic = broker.topic(4);
    let origins = [Origin::start(good), Origin::start(good)];
    // All is read long before it is due.
    produce(broker, &topic, &gets(0..300, 50));
    let members = origins.each_ref().map(|origin| Member::new(broker, &topic, "replay-timed", origin));
    let one = members[0].start(&["--exit-at-end"]);
    await_that("the first sends", || origins[0].received().len() >= 20);
    let other = members[1].start(&["--exit-at-end"]);
    let [one, other] = [one, other].map(|member| member.wait_with_output().expect("it ends"));
    let [one, other] = [&one, &other].map(|output| assert_exit(output, 0));
    assert_each_once(&origins.each_ref(), 300, &[&one, &other]);
    assert!(!origins[1].received().is_empty(), "{other}");
    let said = assert_exit(&members[0].replay(&[]), 0);
    assert_says(&said, "nothing to replay");
}

/// Requests of 40 connections in turn, so many milliseconds apart.
fn gets_of_connections(numbers: std::ops::Range<usize>, apart: i64) -> Vec<u8> {
    let one = |number: usize| {
        let request = format!("GET /{number} HTTP/1.1\r\nHost: recorded.example\r\n\r\n");
        let id = format!("{:016x}{:08x}", number % 40, 1 + number / 40);
        record(1, &id, number as i64 * apart * MILLISECOND, request.as_bytes())
    };
    numbers.flat_map(one).collect()
}

/// The numbers of requests of each recorded connection, in the order in which they came.
fn of_connections(origins: &[&Origin]) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new(); 40];
    for request in origins.iter().flat_map(|origin| origin.received()) {
        let number: usize = request.line()[5..].parse().expect("a number");
        all[number % 40].push(number);
    }
    all
}

#[test]
fn whole_connections_go_to_another_member_with_their_partition_and_stay_in_order() {
    let Some(broker) = broker() else { return };
    for options in [&["--sessions"][..], &["--sessions", "--think"]] {
        let topic = broker.topic(4);
        let origins = [Origin::start(good), Origin::start(good)];
        // All is read long before it is due.
        produce(broker, &topic, &gets_of_connections(0..300, 50));
        let members = origins.each_ref().map(|origin| Member::new(broker, &topic, "replay-sessions", origin));
        let options = [options, &["--exit-at-end"]].concat();
        let one = members[0].start(&options);
        await_that("the first sends", || origins[0].received().len() >= 60);
        let other = members[1].start(&options);
        let [one, other] = [one, other].map(|member| member.wait_with_output().expect("it ends"));
        let [one, other] = [&one, &other].map(|output| assert_exit(output, 0));
        assert_each_once(&origins.each_ref(), 300, &[&one, &other]);
        assert!(!origins[1].received().is_empty(), "{other}");
        // What the second has got of a connection comes behind what the first had sent of it.
        for numbers in of_connections(&origins.each_ref()) {
            assert!(numbers.is_sorted(), "{options:?}: {numbers:?}\n{one}\n---\n{other}");
        }
        let said = assert_exit(&members[0].replay(&[]), 0);
        assert_says(&said, "nothing to replay");
    }
}

/// The first request of a connection is answered late, so that the second one is not sent before the replay ends, while
/// those of other connections are.
#[test]
fn what_was_sent_behind_a_request_that_was_not_is_not_sent_again() {
    let Some(broker) = broker() else { return };
    let topic = broker.topic(1);
    let slow = |request: &Received| match &*request.line() {
        "GET /0" => {
            std::thread::sleep(Duration::from_secs(2));
            good(request)
        }
        _ => Answer::Send(OK.to_vec()),
    };
    let origins = [Origin::start(slow), Origin::start(good)];
    let members = origins.each_ref().map(|origin| Member::new(broker, &topic, "replay-behind", origin));
    produce(broker, &topic, &gets_of_connections(0..100, 1));
    let one = members[0].start(&["--sessions"]);
    await_that("all but those of one connection are sent", || origins[0].received().len() == 97);
    let said = assert_exit(&end(one, Signal::INT), 1);
    assert_eq!(origins[0].received().len(), 98, "{said}");
    broker.await_committed("replay-behind", &topic, 40);
    // Who does not send everything hands on what it has not seen, too.
    let other = assert_exit(&members[1].replay(&["--sessions"]), 0);
    assert_each_once(&origins.each_ref(), 100, &[&said, &other]);
    assert_eq!(counts(&[&origins[1]]).into_keys().collect::<Vec<_>>(), ["GET /40", "GET /80"]);
    assert_says(&assert_exit(&members[0].replay(&[]), 0), "nothing to replay");
    broker.await_committed("replay-behind", &topic, 100);
}

#[test]
fn a_member_that_was_given_up_says_that_its_requests_are_sent_again() {
    let Some(broker) = broker() else { return };
    let topic = broker.topic(1);
    let origins = [Origin::start(good), Origin::start(good)];
    let members = origins.each_ref().map(|origin| Member::new(broker, &topic, "replay-given-up", origin));
    produce(broker, &topic, &gets(0..100, 50));
    let one = members[0].start(&["--exit-at-end"]);
    await_that("the first sends", || origins[0].received().len() >= 20);
    signal(&one, Signal::STOP);
    // The group waits for a member for 10 seconds.
    let other = assert_exit(&members[1].replay(&["--no-wait"]), 0);
    signal(&one, Signal::CONT);
    let one = one.wait_with_output().expect("it ends");
    let status = one.status.code();
    let one = String::from_utf8_lossy(&one.stderr).into_owned();
    let all = counts(&origins.each_ref());
    assert_eq!(all.len(), 100, "{one}\n---\n{other}");
    if all.values().any(|count| *count > 1) {
        assert_eq!(status, Some(1), "{one}");
        assert_says(&one, "the group went on without this reader");
    }
}

#[test]
fn members_come_and_go_while_records_come() {
    let Some(broker) = broker() else { return };
    let topic = broker.topic(4);
    let origins = [Origin::start(good), Origin::start(good)];
    let members = origins.each_ref().map(|origin| Member::new(broker, &topic, "replay-shared", origin));
    let mut sent = 0;
    let mut batch = || {
        produce(broker, &topic, &gets(sent..sent + 40, 1));
        sent += 40;
        sent
    };
    let all = |number| counts(&origins.each_ref()).len() == number;
    let mut number = batch();
    let one = members[0].start(&[]);
    await_that("the first sends", || all(number));
    let other = members[1].start(&["--no-wait"]);
    await_that("the second sends", || {
        number = batch();
        !origins[1].received().is_empty()
    });
    await_that("all is sent", || all(number));
    let one = assert_exit(&end(one, Signal::INT), 1);
    let before = origins[1].received().len();
    await_that("the second sends the rest", || {
        number = batch();
        origins[1].received().len() > before
    });
    await_that("all is sent by the second", || all(number));
    let other = assert_exit(&end(other, Signal::INT), 1);
    assert_each_once(&origins.each_ref(), number, &[&one, &other]);
    assert_says(&assert_exit(&members[0].replay(&[]), 0), "nothing to replay");
}

#[test]
fn what_fails_or_is_not_sent_is_committed_too() {
    let Some(broker) = broker() else { return };
    let nowhere = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        format!("http://{}", listener.local_addr().expect("an address"))
    };
    let origin = Origin::start(good);
    let target = format!("http://{}", origin.address());
    let half = format!("{target}|50%");
    let cut = [
        gets(0..10, 1),
        record(1, "00000000000000ff00000000", 10, b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nab"),
        record(2, "00000000000000ff00000000", 11, OK),
    ];
    for (group, targets, options, status) in [
        ("refused", &[&*nowhere][..], &[][..], 1),
        ("one-refused", &[&target, &nowhere], &[], 1),
        ("cut", &[&target], &[], 0),
        ("none", &[&target], &["--since", "2020-01-01T00:00:00Z"], 0),
        ("shard", &[&target], &["--shard", "1/3"], 0),
        ("share", &[&half, &target], &[], 0),
        ("split", &[&target, &target], &["--split"], 0),
    ] {
        let topic = broker.topic(1);
        produce(broker, &topic, &cut.concat());
        let group = format!("replay-{group}");
        let place = broker.place(&topic, &format!("?group={group}"));
        let args = [&["-i", &*place, "--exit-at-end"][..], options, targets].concat();
        assert_exit(&replay(&args, b""), status);
        broker.await_committed(&group, &topic, 12);
        assert_says(&assert_exit(&replay(&args, b""), 0), "nothing to replay");
    }
}

#[test]
fn what_cannot_be_committed_is_refused() {
    let place = "kafka://127.0.0.1:1/topic?group=g";
    for (options, why) in [
        (&["-i", "other.gor"][..], "must be the only input"),
        (&["--loop", "2"], "--loop"),
        (&["--middleware", "cat"], "--middleware"),
        (&["-o", "answers.gor"], "-o"),
        (&["--elasticsearch", "http://127.0.0.1:1/a"], "--elasticsearch"),
        (&["tcp://127.0.0.1:1"], "tcp://"),
        (&["--checkpoint", "state"], "cannot be read again"),
        (&["--dry-run"], "leave group out"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("other.gor"), gets(0..1, 1)).expect("a file");
        let other = folder.path().join("other.gor").display().to_string();
        let options: Vec<&str> =
            options.iter().map(|word| if *word == "other.gor" { &*other } else { word }).collect();
        let args = [&["-i", place][..], &options, &["127.0.0.1:1"]].concat();
        let said = assert_exit(&replay(&args, b""), 2);
        assert_says(&said, why);
    }
}
