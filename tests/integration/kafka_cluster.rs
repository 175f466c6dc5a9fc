//! Three brokers, of which one is killed: nothing is lost, and nothing that was committed comes again.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use crate::support::kafka::{Cluster, await_that};
use crate::support::program::{Ran, command, run};
use crate::support::replayer::record;

/// Requests of eight sessions in turn, as many sessions as the topic has partitions or more.
fn gets(numbers: std::ops::Range<usize>) -> Vec<u8> {
    let padding = "x".repeat(300);
    numbers
        .flat_map(|number| {
            let request =
                format!("GET /{} HTTP/1.1\r\nSession: {}\r\nPadding: {padding}\r\n\r\n", number, number % 8);
            record(1, &format!("{:016x}{number:08x}", number % 8), number as i64, request.as_bytes())
        })
        .collect()
}

/// The numbers of the requests of each session, in the order in which they stand there.
fn sessions(recording: &[u8]) -> BTreeMap<usize, Vec<usize>> {
    let mut sessions: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for line in String::from_utf8_lossy(recording).lines() {
        if let Some(rest) = line.strip_prefix("GET /") {
            let number: usize = rest.split(' ').next().expect("a number").parse().expect("a number");
            sessions.entry(number % 8).or_default().push(number);
        }
    }
    sessions
}

fn expected(numbers: std::ops::Range<usize>) -> BTreeMap<usize, Vec<usize>> {
    let mut sessions: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    numbers.for_each(|number| sessions.entry(number % 8).or_default().push(number));
    sessions
}

fn read_all(place: &str) -> Vec<u8> {
    run("gor-filter", &[place, "--exit-at-end", "-q"], b"").ends_with(0).stdout.clone()
}

#[test]
fn a_broker_that_is_killed_while_records_are_written_and_read_loses_and_doubles_none() {
    let Some(cluster) = Cluster::start() else { return };
    cluster.topic("written", 4);
    let place = cluster.place("written", "");

    // Written without a break: a broker is killed in the middle, and the records go on.
    let mut writer = command("gor-filter", &["-o", &place]);
    writer.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut writer = writer.spawn().expect("it starts");
    let mut input = writer.stdin.take().expect("a pipe");
    input.write_all(&gets(0..2000)).expect("it reads");
    await_that("some are written", || !read_all(&place).is_empty());
    cluster.kill(2);
    for from in (2000..6000).step_by(500) {
        input.write_all(&gets(from..from + 500)).expect("it reads");
    }
    drop(input);
    let output = writer.wait_with_output().expect("it ends");
    Ran::new("gor-filter", &["-o", &place], output).ends_with(0).is_silent();
    assert_eq!(sessions(&read_all(&place)), expected(0..6000), "each once, in the order of its session");

    // Read by a group: another broker is killed while it reads.
    cluster.restart(2);
    let folder = tempfile::tempdir().expect("a folder");
    let output = folder.path().join("read.gor");
    let reading = cluster.place("written", "?group=readers");
    let args = [&*reading, "-o", output.to_str().expect("text"), "--append", "-q"];
    let mut reader = command("gor-filter", &args).stdin(Stdio::null()).spawn().expect("it starts");
    let read = |path: &Path| sessions(&std::fs::read(path).unwrap_or_default());
    let all = |sessions: &BTreeMap<usize, Vec<usize>>| sessions.values().map(Vec::len).sum::<usize>();
    await_that("some are read", || all(&read(&output)) > 0);
    cluster.kill(3);
    run("gor-filter", &["-o", &place], &gets(6000..8000)).ends_with(0);
    await_that("the rest is read", || all(&read(&output)) >= 8000);
    let interrupted = std::process::Command::new("kill").args(["-INT", &reader.id().to_string()]).status();
    assert!(interrupted.expect("kill runs").success());
    assert_eq!(reader.wait().expect("it ends").code(), Some(0));
    assert_eq!(read(&output), expected(0..8000), "it never left the group, so that none comes again");
    // What it committed is not read by the next member.
    run("gor-filter", &[&reading, "--exit-at-end", "-q"], b"").ends_with(0).writes(b"");
}
