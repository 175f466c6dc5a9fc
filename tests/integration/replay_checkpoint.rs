//! `gor-replay --checkpoint`: an interrupted replay goes on, sends each request once, and has one report.

use std::collections::BTreeMap;
use std::process::{Child, Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::support::origin::{Answer, Origin, Received, answer};
use super::support::replayer::{OK, assert_exit, assert_says, gets, good, replay, start};
use super::support::s3::{S3, reading};
use super::support::skip::skip;

/// A recording in a folder, an origin for it, and a checkpoint.
struct Scene {
    folder: tempfile::TempDir,
    origin: Origin,
}

/// Requests of a recording, 5 ms apart.
const REQUESTS: usize = 200;

impl Scene {
    fn new(conduct: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> Self {
        let scene = Scene { folder: tempfile::tempdir().expect("a folder"), origin: Origin::start(conduct) };
        let paths: Vec<String> = (0..REQUESTS).map(|number| format!("/{number}")).collect();
        let requests: Vec<(i64, &str)> =
            paths.iter().zip(0..).map(|(path, number)| (number * 5, path.as_str())).collect();
        std::fs::write(scene.path("in.gor"), gets(&requests)).expect("a recording");
        scene
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn args(&self, options: &[&str]) -> Vec<String> {
        let names = ["-i", &self.path("in.gor"), "--checkpoint", &self.path("state")].map(str::to_owned);
        let target = format!("http://{}", self.origin.address());
        names.into_iter().chain(options.iter().map(|&option| option.to_owned())).chain([target]).collect()
    }

    fn start(&self, options: &[&str]) -> Child {
        let args = self.args(options);
        start(&args.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn replay(&self, options: &[&str]) -> Output {
        self.start(options).wait_with_output().expect("it ends")
    }

    fn wait_for(&self, requests: usize) {
        let begun = Instant::now();
        while self.origin.received().len() < requests {
            assert!(begun.elapsed() < Duration::from_secs(20), "{} came", self.origin.received().len());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// How often each request came.
    fn received(&self) -> BTreeMap<String, usize> {
        let mut lines = BTreeMap::new();
        for request in self.origin.received() {
            *lines.entry(request.line()).or_default() += 1;
        }
        lines
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&std::fs::read(self.path(name)).expect("it is there")).expect("JSON")
    }
}

fn end(child: Child, signal: Signal) -> Output {
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("an id")).expect("an id");
    kill_process(pid, signal).expect("it runs");
    child.wait_with_output().expect("it ends")
}

/// The counters of a report that do not depend on time.
fn sums(report: &Value) -> Value {
    let total = &report["total"];
    let each = |parts: &Value, key: &str| -> u64 {
        parts.as_array().expect("an array").iter().map(|part| part[key].as_u64().expect("a number")).sum()
    };
    let of_series = ["sent", "answered", "failed"].map(|key| each(&total["series"]["intervals"], key));
    let of_groups = ["sent", "answered", "failed"].map(|key| each(&total["groups"], key));
    let counts = ["due", "sent", "answered", "not_sent", "statuses", "bytes_received"].map(|key| &total[key]);
    // How it was the first time depends on which of them was first.
    let failed = total["failed"].as_array().expect("an array").iter();
    let failed: Vec<_> = failed.map(|reason| (&reason["reason"], &reason["count"])).collect();
    let latencies = ["latency_from_due", "latency_from_send", "lateness"].map(|key| &total[key]["count"]);
    serde_json::json!({
        "counts": counts,
        "failed": failed,
        "latencies": latencies,
        "series": of_series,
        "groups": of_groups,
        "read": each(&report["runs"], "requests"),
        "recorded": report["recorded"]["requests"],
    })
}

/// Some are missing, and some fail.
fn mixed(request: &Received) -> Answer {
    match request.line().rsplit('/').next().and_then(|number| number.parse::<u32>().ok()) {
        Some(number) if number % 7 == 0 => answer(404, ""),
        Some(number) if number % 50 == 3 => {
            Answer::SendAndClose(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok".to_vec())
        }
        _ => Answer::Send(OK.to_vec()),
    }
}

#[test]
fn after_an_interruption_each_request_was_sent_once_and_the_report_is_that_of_one_run() {
    for signal in [Signal::INT, Signal::TERM] {
        let scene = Scene::new(mixed);
        let (report, whole) = (scene.path("run.json"), scene.path("whole.json"));
        let input = scene.path("in.gor");
        let other = Origin::start(mixed);
        let target = format!("http://{}", other.address());
        assert_exit(&replay(&["-q", "-i", &input, "--report", &whole, &target], b""), 1);
        for at in [50, 120] {
            let child = scene.start(&["--report", &report]);
            scene.wait_for(at);
            assert_exit(&end(child, signal), 1);
            assert!(scene.received().len() < REQUESTS, "it was interrupted in time");
        }
        let said = assert_exit(&scene.replay(&["--report", &report]), 1);
        assert_says(&said, "state: going on; ");
        let received = scene.received();
        assert_eq!((received.len(), received.values().max()), (REQUESTS, Some(&1)), "{received:?}");
        let report = scene.json("run.json");
        assert_eq!(sums(&report), sums(&scene.json("whole.json")), "{said}");
        assert_eq!(report["runs"].as_array().map(Vec::len), Some(3));
        assert!(report["total"]["paused"].as_f64() > Some(0.0), "{}", report["total"]["paused"]);
        // Once more, nothing is left to do.
        let said = assert_exit(&scene.replay(&[]), 1);
        assert_says(&said, "this replay is complete; nothing is sent; remove it to start from the beginning");
        assert_eq!(scene.origin.received().len(), REQUESTS);
        std::fs::remove_file(scene.path("state")).expect("it is there");
        assert_exit(&scene.replay(&["-q", "--no-wait"]), 1);
        assert_eq!(scene.origin.received().len(), 2 * REQUESTS);
    }
}

#[test]
fn a_complete_replay_is_judged_again_and_its_missing_reports_are_written() {
    let scene = Scene::new(mixed);
    let (report, other) = (scene.path("run.json"), scene.path("run.txt"));
    let options = ["-q", "--no-wait", "--report", &report, "--fail-if", "errors>0"];
    let first = assert_exit(&scene.replay(&options), 3);
    let miss = first.lines().find(|line| line.contains("errors are 4, ")).expect("the threshold is told");
    let (written, sent) = (std::fs::read(&report).expect("a report"), scene.origin.received().len());
    std::fs::remove_file(&report).expect("it is there");
    let options = [&options[..], &["--report", &other]].concat();
    assert_says(&assert_exit(&scene.replay(&options), 3), miss);
    assert!(std::fs::read(&report).expect("it is written again") == written, "it is the same report");
    assert!(std::fs::read_to_string(&other).expect("a text").contains("404"));
    // What is there stays, be it this replay's or not.
    std::fs::write(&report, "mine").expect("a file");
    std::fs::write(&other, "another").expect("a file");
    let said = assert_exit(&scene.replay(&["-q", "--report", &report, "--report", &other]), 1);
    assert_says(&said, "this replay had failures: 4 requests failed");
    assert_eq!(std::fs::read_to_string(&report).expect("it is there"), "mine");
    assert_eq!(std::fs::read_to_string(&other).expect("it is there"), "another");
    let foreign = scene.path("foreign.json");
    std::fs::write(&foreign, "foreign").expect("a file");
    assert_says(&assert_exit(&scene.replay(&["--report", &foreign]), 2), "--force overwrites it");
    assert_eq!(scene.origin.received().len(), sent, "nothing was sent");
}

#[test]
fn checkpoints_are_a_second_apart_at_least() {
    let scene = Scene::new(good);
    let said = assert_exit(&scene.replay(&["--checkpoint-interval", "999ms"]), 2);
    assert_says(&said, "expected a duration of at least 1s");
    assert!(scene.origin.received().is_empty());
}

#[test]
fn a_killed_replay_leaves_nothing_out_and_sends_no_more_twice_than_since_its_checkpoint() {
    let scene = Scene::new(good);
    let report = scene.path("run.json");
    let child = scene.start(&["--report", &report, "--checkpoint-interval", "1s", "--speed", "0.2"]);
    scene.wait_for(150);
    let position = |scene: &Scene| {
        let text = std::fs::read(scene.path("state")).expect("it is there as a whole at any time");
        let state: Value = serde_json::from_slice(&text).expect("JSON");
        state["position"]["records"].as_u64().expect("a number")
    };
    let begun = Instant::now();
    while position(&scene) == 0 {
        assert!(begun.elapsed() < Duration::from_secs(20));
    }
    end(child, Signal::KILL);
    let before = position(&scene) as usize;
    assert!(before > 0 && scene.received().len() < REQUESTS, "{before}");
    let sent = scene.received().len();
    let said = assert_exit(&scene.replay(&["--report", &report]), 0);
    assert_says(&said, "the run before was killed or could not write its last checkpoint");
    assert_says(&said, &format!("{before} requests done"));
    let received = scene.received();
    assert_eq!(received.len(), REQUESTS);
    let twice: Vec<_> = received.iter().filter(|(_, number)| **number > 1).collect();
    assert!(twice.len() <= sent - before, "{before} were done of {sent}: {twice:?}");
    // Each counts once.
    let other = Scene::new(good);
    let whole = other.path("run.json");
    assert_exit(&other.replay(&["-q", "--no-wait", "--report", &whole]), 0);
    assert_eq!(sums(&scene.json("run.json")), sums(&other.json("run.json")));
}

#[test]
fn shards_and_sessions_and_several_targets_go_on_too() {
    for options in [&["--shard", "2/3"][..], &["--sessions"], &["--threads", "3"], &["--split"]] {
        let scene = Scene::new(good);
        // Each connection of it has two requests.
        let text =
            String::from_utf8(std::fs::read(scene.path("in.gor")).expect("it is there")).expect("text");
        let apart: Vec<String> = (0..REQUESTS)
            .zip(text.split_inclusive("🐵🙈🙉\n"))
            .map(|(number, record)| format!("1 {:016x}{}", number / 2, &record[18..]))
            .collect();
        std::fs::write(scene.path("in.gor"), apart.concat()).expect("it is written");
        let second = Origin::start(|request| {
            thread::sleep(Duration::from_millis(30));
            good(request)
        });
        let target = format!("http://{}", second.address());
        let options = [options, &["-q", "--connections", "4", "--timeout", "20s", &target]].concat();
        let child = scene.start(&options);
        scene.wait_for(20);
        assert_exit(&end(child, Signal::INT), 1);
        let first = scene.origin.received().len() + second.received().len();
        assert_exit(&scene.replay(&options), 0);
        let mut lines: Vec<String> = second.received().iter().map(Received::line).collect();
        assert!(first < scene.origin.received().len() + lines.len(), "{options:?}");
        let received = scene.received();
        assert_eq!(received.values().max(), Some(&1), "{options:?}");
        let number = lines.len();
        lines.sort();
        lines.dedup();
        assert_eq!(lines.len(), number, "{options:?}");
        match options[0] {
            "--shard" => assert!((20..REQUESTS).contains(&number) && number == received.len(), "{number}"),
            "--split" => assert_eq!(number + received.len(), REQUESTS),
            _ => assert_eq!((number, received.len()), (REQUESTS, REQUESTS), "{options:?}"),
        }
    }
}

#[test]
fn another_command_or_a_changed_input_or_a_damaged_checkpoint_is_refused() {
    let scene = Scene::new(good);
    let child = scene.start(&["-q"]);
    scene.wait_for(20);
    assert_exit(&end(child, Signal::INT), 1);
    let kept = std::fs::read(scene.path("state")).expect("it is there");
    let sent = scene.origin.received().len();
    let second = format!("http://127.0.0.1:{}", 1);
    for (options, words) in [
        (&["--shard", "1/3"][..], "--shard was not given, and is 1/3"),
        (&["--since", "2001-01-01T00:00:00Z"], "--since was not given, and is "),
        (&["--send-incomplete"], "--send-incomplete was not given, and is given"),
        (&["-i", "testdata/go.pcap"], "it is of 1 inputs, and now there are 2"),
        (&[&second], "it is of a replay to http://127.0.0.1:"),
    ] {
        let said = assert_exit(&scene.replay(options), 2);
        assert_says(&said, "this checkpoint is of another replay: ");
        assert_says(&said, words);
    }
    let input = std::fs::read(scene.path("in.gor")).expect("it is there");
    let mut changed = input.clone();
    changed[100] ^= 1;
    for (content, words) in [(&input[1..], "bytes, and had "), (&changed, "its content is another one")] {
        std::fs::write(scene.path("in.gor"), content).expect("it is written");
        assert_says(&assert_exit(&scene.replay(&[]), 2), words);
    }
    std::fs::write(scene.path("in.gor"), &input).expect("it is written");
    assert_eq!(std::fs::read(scene.path("state")).expect("it is there"), kept);
    for damaged in [&kept[..kept.len() / 2], b"", b"{\"format\":\"gor-report\",\"version\":1}", &[0xff; 9]] {
        std::fs::write(scene.path("state"), damaged).expect("it is written");
        let said = assert_exit(&scene.replay(&[]), 1);
        assert_says(&said, "this checkpoint cannot be read");
        assert_eq!(std::fs::read(scene.path("state")).expect("it is there"), damaged, "it is untouched");
    }
    assert_eq!(scene.origin.received().len(), sent, "nothing was sent");
}

#[test]
fn what_cannot_be_gone_on_with_is_refused() {
    let scene = Scene::new(good);
    let target = format!("http://{}", scene.origin.address());
    let (state, input) = (scene.path("state"), scene.path("in.gor"));
    for (args, words) in [
        (&[&*target][..], "standard input"),
        (&["-i", "tcp://127.0.0.1:0", &target], "cannot be read again"),
        (&["-i", &input, "--follow", &target], "cannot be used with"),
        (&["-i", &input, "--loop", "2", &target], "cannot be used with"),
        (&["-i", &input, "-o", "null:", &target], "cannot be used with"),
        (&["-i", &input, "--middleware", "cat", &target], "cannot be used with"),
        (&["-i", &input, &format!("{target}|10%")], "leave out the share"),
        (&["-i", &input, "tcp://127.0.0.1:1"], "a tcp:// target"),
    ] {
        let said = assert_exit(&replay(&[&["--checkpoint", &state], args].concat(), b""), 2);
        assert_says(&said, words);
    }
    let said = assert_exit(&replay(&["-i", &input, "--checkpoint", "/dev/full", &target], b""), 2);
    assert_says(&said, "/dev/full: a checkpoint is a file or an object of S3");
    let missing = scene.path("missing/state");
    let said = assert_exit(&replay(&["-i", &input, "--checkpoint", &missing, &target], b""), 1);
    assert_says(&said, &missing);
    // While one runs, another one is refused.
    let child = scene.start(&["-q"]);
    scene.wait_for(10);
    assert_says(&assert_exit(&scene.replay(&[]), 1), "another replay with this checkpoint is running");
    assert_exit(&end(child, Signal::INT), 1);
    assert_exit(&scene.replay(&["-q"]), 0);
    assert_eq!(scene.received().values().max(), Some(&1));
}

#[test]
fn a_full_disk_is_told_and_the_replay_goes_on_but_does_not_end_well() {
    let scene = Scene::new(good);
    let disk = tempfile::tempdir().expect("a folder");
    let mount =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(disk.path()).status();
    if !mount.is_ok_and(|status| status.success()) {
        return skip("no file system may be mounted here");
    }
    let state = disk.path().join("state").display().to_string();
    let (input, target) = (scene.path("in.gor"), format!("http://{}", scene.origin.address()));
    let options = ["--checkpoint-interval", "1s", "--speed", "0.2"];
    let child = start(&[&["-q", "-i", &input, "--checkpoint", &state], &options[..], &[&target]].concat());
    scene.wait_for(20);
    // It fails: there is no room for all of it.
    let _ = std::fs::write(disk.path().join("filler"), vec![1; 64 << 10]);
    let output = child.wait_with_output().expect("it ends");
    let kept = std::fs::read(&state).expect("the one before is still there");
    assert!(Command::new("umount").arg(disk.path()).status().is_ok_and(|status| status.success()));
    let said = assert_exit(&output, 1);
    assert_says(&said, &format!("{state}: no space left on device; the replay goes on"));
    assert_says(&said, &format!("gor-replay: {state}: no space left on device\n"));
    assert_eq!(scene.origin.received().len(), REQUESTS, "{said}");
    let kept: Value = serde_json::from_slice(&kept).expect("it is whole");
    assert_eq!(kept["complete"], false);
}

#[test]
fn a_checkpoint_in_s3_is_gone_on_with_from_anywhere() {
    let Some(server) = S3::start() else { return };
    let scene = Scene::new(good);
    server.put("bucket", &[("in.gor", std::fs::read(scene.path("in.gor")).expect("it is there"))]);
    let target = format!("http://{}", scene.origin.address());
    let args = [
        "-i",
        "s3://bucket/in.gor",
        "--checkpoint",
        "s3://bucket/state",
        "--report",
        "s3://bucket/r.json",
        &target,
    ];
    let run = || {
        let mut command = reading(server.port(), "gor-replay", &args);
        command
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .expect("it runs")
    };
    let child = run();
    scene.wait_for(60);
    assert_exit(&end(child, Signal::TERM), 1);
    let said = assert_exit(&run().wait_with_output().expect("it ends"), 0);
    assert_says(&said, "s3://bucket/state: going on; ");
    let received = scene.received();
    assert_eq!((received.len(), received.values().max()), (REQUESTS, Some(&1)));
    let objects = server.objects("bucket");
    let report: Value = serde_json::from_slice(&objects[1].1).expect("JSON");
    assert_eq!(report["total"]["answered"], REQUESTS);
    assert_says(&assert_exit(&run().wait_with_output().expect("it ends"), 0), "nothing is sent");
    server.put("bucket", &[("in.gor", "changed")]);
    assert_says(
        &assert_exit(&run().wait_with_output().expect("it ends"), 2),
        "the input s3://bucket/in.gor has changed",
    );
}
