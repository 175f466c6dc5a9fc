//! A server of S3 that accepts connections and does not answer: it is told, and nobody waits for it without end.

use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::origin::Origin;
use crate::support::program::Ran;
use crate::support::proxy::{Harm, Proxy};
use crate::support::replayer::{gets, good};
use crate::support::s3::{S3, read, reading};

/// A recording of three requests in a folder.
fn recording() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let input = folder.path().join("in.gor");
    std::fs::write(&input, gets(&[(0, "/a"), (1, "/b"), (2, "/c")])).expect("a file");
    let input = input.display().to_string();
    (folder, input)
}

#[test]
fn a_second_interrupt_ends_a_replay_that_waits_for_s3_and_its_report_is_kept() {
    let Some(server) = S3::start() else { return };
    server.make("bucket");
    let (folder, input) = recording();
    let origin = Origin::start(good);
    let puts = AtomicUsize::new(0);
    // The checkpoint is begun, and neither it nor the report is written at the end.
    let proxy = Proxy::start(server.port(), move |passed, _| {
        let is_put = passed.line.starts_with("PUT ");
        if is_put && puts.fetch_add(1, Ordering::SeqCst) > 0 { Harm::Silent } else { Harm::None }
    });
    let target = format!("http://{}", origin.address());
    let places = ["--checkpoint", "s3://bucket/state", "--report", "s3://bucket/run.json"];
    let args = [&["-q", "-i", &input], &places[..], &[&target]].concat();
    let mut command = reading(proxy.port(), "gor-replay", &args);
    command.env("TMPDIR", folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("it runs");
    let begun = Instant::now();
    while proxy.lines().iter().filter(|line| line.starts_with("PUT ")).count() < 2 {
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", proxy.lines());
        thread::sleep(Duration::from_millis(5));
    }
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("an id")).expect("an id");
    // Two that are alike may become one.
    for signal in [Signal::INT, Signal::TERM] {
        kill_process(pid, signal).expect("it runs");
    }
    let ran = Ran::new("gor-replay", &args, child.wait_with_output().expect("it ends"));
    let names = std::fs::read_dir(folder.path()).expect("a folder");
    let names = names.map(|entry| entry.expect("an entry").path().display().to_string());
    let kept: Vec<_> = names.filter(|name| name.contains("gor-report-")).collect();
    assert_eq!(kept.len(), 1, "{ran}");
    let server = format!("http://127.0.0.1:{}", proxy.port());
    ran.ends_with(1).says(&format!("s3://bucket/state: interrupted before {server} answered")).says(
        &format!(
            "s3://bucket/run.json: interrupted before {server} answered; the report is kept in {}",
            kept[0]
        ),
    );
    let report = std::fs::read(&kept[0]).expect("a report");
    let report: serde_json::Value = serde_json::from_slice(&report).expect("JSON");
    assert_eq!(report["total"]["answered"], 3);
    assert_eq!(origin.received().len(), 3);
}

#[test]
fn spool_wait_bounds_the_wait_for_a_server_that_does_not_answer_which_is_told() {
    // It accepts connections, or the kernel does, and is never heard of again.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("its address").port();
    let (folder, input) = recording();
    let spool = folder.path().join("spool").display().to_string();
    let args = [&input, "-o", "s3://bucket/x.gor", "--spool", &spool, "--spool-wait", "1s"];
    read(port, "gor-filter", &args)
        .ends_with(1)
        .says(&format!("no answer from http://127.0.0.1:{port} for 5.00s; still waiting"))
        .says("for it)")
        .says(&format!("1 chunk not uploaded is kept in {spool}"));
}
