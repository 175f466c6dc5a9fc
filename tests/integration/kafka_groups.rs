//! Readers of a group: what was handled is committed, nothing else is, and shares change without loss.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::kafka::{Broker, await_that, broker};
use crate::support::program::{command, run};
use crate::support::replayer::record;

fn get(number: usize) -> Vec<u8> {
    let padding = "x".repeat(200);
    let request = format!("GET /{number} HTTP/1.1\r\nPadding: {padding}\r\n\r\n");
    // Each is of a session of its own, so that they are on all partitions.
    record(1, &format!("{number:016x}00000000"), number as i64, request.as_bytes())
}

fn gets(numbers: std::ops::Range<usize>) -> Vec<u8> {
    numbers.flat_map(get).collect()
}

/// Our own writer, which other tests look at.
fn produce(broker: &Broker, topic: &str, numbers: std::ops::Range<usize>) {
    run("gor-filter", &["-o", &broker.place(topic, "")], &gets(numbers)).ends_with(0).is_silent();
}

/// How often each request stands in a recording.
fn counts(recordings: &[&Path]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for recording in recordings {
        let text = std::fs::read(recording).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        for line in text.lines().filter(|line| line.starts_with("GET /")) {
            *counts.entry(line.to_owned()).or_default() += 1;
        }
    }
    counts
}

fn reader(place: &str, output: &Path) -> Child {
    let output = output.to_str().expect("text");
    let mut command = command("gor-filter", &[place, "-o", output, "--append"]);
    command.stdin(Stdio::null()).spawn().expect("it starts")
}

fn interrupt(mut reader: Child) {
    let sent = Command::new("kill").args(["-INT", &reader.id().to_string()]).status().expect("kill runs");
    assert!(sent.success());
    assert_eq!(reader.wait().expect("it ends").code(), Some(0));
}

#[test]
fn a_group_goes_on_where_it_was() {
    let Some(broker) = broker() else { return };
    let topic = broker.topic(1);
    let place = broker.place(&topic, "?group=on");
    produce(broker, &topic, 0..50);
    let read = || run("gor-filter", &[&place, "--exit-at-end", "-q"], b"");
    read().ends_with(0).writes(&gets(0..50));
    broker.await_committed("on", &topic, 50);
    read().ends_with(0).writes(b"");
    produce(broker, &topic, 50..60);
    read().ends_with(0).writes(&gets(50..60));
    // Another group, and none, begin at the beginning.
    for query in ["?group=other", ""] {
        let place = broker.place(&topic, query);
        run("gor-filter", &[&place, "--exit-at-end", "--count"], b"").ends_with(0).writes(b"60\n");
    }
    let place = broker.place(&topic, "?group=late&offset=latest");
    run("gor-filter", &[&place, "--exit-at-end", "--count"], b"").ends_with(0).writes(b"0\n");
}

#[test]
fn what_an_output_did_not_take_is_read_again_and_what_was_committed_is_not() {
    let Some(broker) = broker() else { return };
    let topic = broker.topic(1);
    let folder = tempfile::tempdir().expect("a folder");
    let (place, output) = (broker.place(&topic, "?group=killed"), folder.path().join("out.gor"));
    produce(broker, &topic, 0..100);
    let mut killed = reader(&place, &output);
    // Committed while the reader goes on, and only what is in the file by then.
    broker.await_committed("killed", &topic, 100);
    assert_eq!(std::fs::read(&output).expect("it was written"), gets(0..100));
    killed.kill().expect("it runs");
    killed.wait().expect("it ends");
    // Nobody reads this pipe, which holds less than what comes: the rest waits to be written.
    produce(broker, &topic, 100..2000);
    let mut stuck = command("gor-filter", &[&place]);
    let mut stuck = stuck.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("it starts");
    let output = stuck.stdout.take().expect("a pipe");
    await_that("a full pipe", || rustix::io::ioctl_fionread(&output).is_ok_and(|waiting| waiting > 60_000));
    stuck.kill().expect("it runs");
    stuck.wait().expect("it ends");
    run("gor-filter", &[&place, "--exit-at-end", "-q"], b"").ends_with(0).writes(&gets(100..2000));
}

#[test]
fn shares_change_without_loss_and_without_doubles() {
    let Some(broker) = broker() else { return };
    let topic = broker.topic(4);
    let folder = tempfile::tempdir().expect("a folder");
    let [first, second] = ["first.gor", "second.gor"].map(|name| folder.path().join(name));
    let place = broker.place(&topic, "?group=shared");
    let (mut sent, batch) = (0, |number: usize| {
        produce(broker, &topic, number..number + 40);
        number + 40
    });
    sent = batch(sent);
    let one = reader(&place, &first);
    await_that("the first reads", || counts(&[&first]).len() == sent);
    let other = reader(&place, &second);
    // Records come while the second joins, and until it has a share.
    await_that("the second reads", || {
        sent = batch(sent);
        !counts(&[&second]).is_empty()
    });
    await_that("all is read", || counts(&[&first, &second]).len() == sent);
    interrupt(one);
    let before = counts(&[&second]).len();
    await_that("the second reads all", || {
        sent = batch(sent);
        counts(&[&first, &second]).len() == sent
    });
    assert!(counts(&[&second]).len() > before);
    interrupt(other);
    let counts = counts(&[&first, &second]);
    assert_eq!(counts.len(), sent);
    let doubled: Vec<_> = counts.iter().filter(|(_, count)| **count != 1).collect();
    assert!(doubled.is_empty(), "{doubled:?}");
    run("gor-filter", &[&place, "--exit-at-end", "--count"], b"").ends_with(0).writes(b"0\n");
}

#[test]
fn what_gor_show_has_shown_is_committed_and_what_waits_for_its_response_is_not() {
    let Some(broker) = broker() else { return };
    let topic = broker.topic(1);
    let place = broker.place(&topic, "?group=shown");
    let answer = |number: usize| {
        record(2, &format!("{number:016x}00000000"), number as i64 + 1, b"HTTP/1.1 204 No Content\r\n\r\n")
    };
    let send = |records: &[u8]| {
        run("gor-filter", &["-o", &broker.place(&topic, "")], records).ends_with(0).is_silent();
    };
    send(&[get(0), answer(0), get(1), answer(1)].concat());
    let mut child = command("gor-show", &[&place]);
    let child = child.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("it starts");
    // While it goes on.
    broker.await_committed("shown", &topic, 4);
    send(&get(2));
    let (mut killed, mut shown) = (child, String::new());
    // It has come once the next exchange is shown, for which it does not wait.
    send(&[get(3), answer(3)].concat());
    let mut lines = BufReader::new(killed.stdout.take().expect("a pipe"));
    while !shown.contains("/3 ") {
        assert!(lines.read_line(&mut shown).expect("it shows") > 0, "{shown}");
    }
    killed.kill().expect("it runs");
    killed.wait().expect("it ends");
    // What waits comes again, and what was committed does not.
    let again = run("gor-show", &[&place, "--exit-at-end", "--json", "-q"], b"");
    again.ends_with(0);
    let again = String::from_utf8_lossy(&again.stdout);
    assert!(again.contains("\"/2\"") && again.contains("\"/3\""), "{again}");
    assert!(!again.contains("\"/1\""), "{again}");
    run("gor-show", &[&place, "--exit-at-end"], b"").ends_with(0).says("nothing to show");
    // A summary is one of all, and handled at the end.
    let place = broker.place(&topic, "?group=summed");
    run("gor-show", &[&place, "--exit-at-end", "--summary"], b"").ends_with(0);
    broker.await_committed("summed", &topic, 7);
}

#[test]
fn gor_merge_and_comparisons_refuse_a_group_and_say_what_to_use() {
    let place = "kafka://127.0.0.1:1/topic?group=g";
    run("gor-merge", &[place], b"").ends_with(2).says("read the topic with gor-filter");
    run("gor-show", &["--compare", place, "testdata/shop.pcapng"], b"").ends_with(2).says("leave group out");
}
