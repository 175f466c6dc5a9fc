//! `--report`, `--fail-if` and gor-report: what a replay came to adds up, is kept, merged and judged.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::support::front::{Certificates, TlsFront, server_config};
use super::support::origin::{Answer, Origin, Received, answer};
use super::support::program::{command, run};
use super::support::replayer::{
    MILLISECOND, OK, assert_exit, assert_says, gets, good, record, replay, start,
};

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Folder(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn json(&self, name: &str) -> Value {
        let text = std::fs::read(self.path(name)).expect("it was written");
        serde_json::from_slice(&text).expect("JSON")
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("it was written")
    }
}

fn url(origin: &Origin) -> String {
    format!("http://{}", origin.address())
}

/// A port at which nothing listens.
fn closed() -> String {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    format!("http://{}", socket.local_addr().expect("an address"))
}

/// Answers as the path says.
fn by_path(request: &Received) -> Answer {
    match request.line().split(['/', '?']).nth(1) {
        Some("missing") => answer(404, ""),
        Some("error") => answer(503, "oops"),
        Some("never") => Answer::Never,
        Some("cut") => Answer::SendAndClose(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok".to_vec()),
        _ => Answer::Send(OK.to_vec()),
    }
}

/// Twelve requests, of which two cannot be sent; the first two have recorded responses, of 3 and 5 ms.
fn mixed() -> Vec<u8> {
    let paths = [
        "/cart/1",
        "/cart/2?a=b",
        "/cart/9f86d081884c7d65",
        "/missing",
        "/missing",
        "/error",
        "/never/1",
        "/cut",
        "/",
        "/",
    ];
    let mut input = gets(&paths.map(|path| (1, path)));
    let response = |number: u32, at: i64| {
        let id = format!("{number:024x}");
        let header = format!("2 {id} {} {MILLISECOND}\n", at * MILLISECOND);
        [header.as_bytes(), OK, "\n🐵🙈🙉\n".as_bytes()].concat()
    };
    input.extend(response(0, 3));
    input.extend(response(1, 5));
    input.extend(record(1, "broken", MILLISECOND, b"no request"));
    let marked = "1 marked 1000000 0 18 cut\nGET / HTTP/1.1\r\n\r\n\n🐵🙈🙉\n";
    input.extend(marked.as_bytes());
    input
}

fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("no number: {value}"))
}

fn sum(reasons: &Value) -> u64 {
    reasons.as_array().expect("an array").iter().map(|reason| count(&reason["count"])).sum()
}

/// A value's numbers under one key of each object in it.
fn each(values: &Value, key: &str) -> u64 {
    values.as_array().expect("an array").iter().map(|value| count(&value[key])).sum()
}

fn pairs(histogram: &Value) -> BTreeMap<u64, u64> {
    let pairs = histogram["histogram"].as_array().expect("an array").iter();
    pairs.map(|pair| (count(&pair[0]), count(&pair[1]))).collect()
}

/// The counters of a target, or of all, add up in every view of them.
#[track_caller]
fn assert_adds_up(target: &Value) {
    let [due, sent, answered] = ["due", "sent", "answered"].map(|key| count(&target[key]));
    assert_eq!(due, sent + sum(&target["not_sent"]), "{target}");
    assert_eq!(sent, answered + sum(&target["failed"]), "{target}");
    let of_values = |object: &Value| object.as_object().expect("an object").values().map(count).sum::<u64>();
    assert_eq!(of_values(&target["statuses"]), answered);
    assert_eq!(of_values(&target["classes"]), answered);
    for (of, expected) in [
        ("latency_from_due", answered),
        ("latency_from_send", answered),
        ("lateness", sent),
        ("connect", count(&target["connections"])),
    ] {
        assert_eq!(count(&target[of]["count"]), expected, "{of}");
        assert_eq!(pairs(&target[of]).values().sum::<u64>(), expected, "{of}");
    }
    for parts in [&target["groups"], &target["series"]["intervals"]] {
        assert_eq!(each(parts, "sent"), sent, "{parts}");
        assert_eq!(each(parts, "answered"), answered, "{parts}");
        assert_eq!(each(parts, "failed"), sent - answered, "{parts}");
    }
    assert_eq!(target["slowest"].as_array().map(Vec::len), Some((answered as usize).min(20)));
}

#[test]
fn a_report_of_a_replay_with_failures_adds_up() {
    let folder = Folder::new();
    let origin = Origin::start(by_path);
    let json = folder.path("run.json");
    let args = ["--timeout", "300ms", "--report", &json, "--group", "^/never/.*", &url(&origin), &closed()];
    assert_exit(&replay(&args, &mixed()), 1);
    let report = folder.json("run.json");
    assert_eq!((&report["format"], &report["version"]), (&"gor-report".into(), &1.into()));
    let [one, two] = [0, 1].map(|at| &report["targets"][at]);
    for target in [one, two, &report["total"]] {
        assert_adds_up(target);
    }
    assert_eq!(["due", "sent", "answered"].map(|key| count(&one[key])), [12, 10, 8]);
    assert_eq!(["due", "sent", "answered"].map(|key| count(&two[key])), [12, 0, 0]);
    assert_eq!(["due", "sent", "answered"].map(|key| count(&report["total"][key])), [24, 10, 8]);
    let reasons = |reasons: &Value| -> Vec<(String, u64)> {
        let reasons = reasons.as_array().expect("an array").iter();
        reasons.map(|one| (one["reason"].as_str().expect("text").to_owned(), count(&one["count"]))).collect()
    };
    assert_eq!(reasons(&one["not_sent"]), [("marked".to_owned(), 1), ("broken".to_owned(), 1)]);
    assert_eq!(reasons(&one["failed"]), [("closed_inside_answer".to_owned(), 1), ("timeout".to_owned(), 1)]);
    assert_eq!(reasons(&two["not_sent"])[2], ("refused".to_owned(), 10));
    assert_eq!(one["statuses"], serde_json::json!({"200": 5, "404": 2, "503": 1}));
    let groups: BTreeMap<&str, u64> = one["groups"]
        .as_array()
        .expect("an array")
        .iter()
        .map(|group| (group["name"].as_str().expect("text"), count(&group["sent"])))
        .collect();
    let expected = [
        ("GET /", 2),
        ("GET /cart/{id}", 3),
        ("GET /cut", 1),
        ("GET /error", 1),
        ("GET /missing", 2),
        ("GET {id}", 1),
    ];
    assert_eq!(groups, expected.into());
    // From the beginning of a request, at 1 ms, to the end of its response, which took 1 ms.
    let recorded = &report["recorded"];
    assert_eq!((count(&recorded["requests"]), count(&recorded["responses"])), (12, 2));
    assert_eq!(count(&recorded["latency"]["count"]), 2);
    let max = recorded["latency"]["max"].as_f64().expect("a number");
    assert!((0.005..0.00501).contains(&max), "{recorded}");
    assert_eq!(recorded["groups"][0]["name"], "GET /cart/{id}");
}

#[test]
fn statistics_and_report_say_the_same() {
    let folder = Folder::new();
    let origin = Origin::start(by_path);
    let [json, stats] = ["run.json", "stats.json"].map(|name| folder.path(name));
    let args = ["--timeout", "300ms", "--report", &json, "--stats-json", &stats, &url(&origin)];
    assert_exit(&replay(&args, &mixed()), 1);
    let (report, stats) = (folder.json("run.json"), folder.json("stats.json"));
    let (target, known) = (&report["targets"][0], &stats["targets"][0]);
    for key in ["sent", "answered", "sent_again", "statuses", "bytes_sent", "bytes_received", "connections"] {
        assert_eq!(target[key], known[key], "{key}");
    }
    for key in ["latency_from_due", "latency_from_send", "lateness"] {
        for percentile in ["p50", "p90", "p99", "p999", "max"] {
            assert_eq!(target[key][percentile], known[key][percentile], "{key} {percentile}");
        }
    }
}

#[test]
fn tls_handshakes_are_measured_beside_connecting() {
    let folder = Folder::new();
    let certificates = Certificates::new();
    let origin = Origin::start(|_| Answer::SendAndClose(OK.to_vec()));
    let front = TlsFront::start(server_config(&certificates, &["localhost"], false), origin.address(), true);
    let target = format!("https://localhost:{}", front.address.port());
    let json = folder.path("run.json");
    let args = ["--report", &json, "--ca-cert", &certificates.ca(), "--fail-if", "tls.max>1ns", &target];
    let said = assert_exit(&replay(&args, &gets(&[(0, "/"), (100, "/"), (200, "/")])), 3);
    assert_says(&said, "gor-replay: tls.max is ");
    let total = &folder.json("run.json")["total"];
    assert_adds_up(total);
    assert!(count(&total["connections"]) >= 3, "{total}");
    assert_eq!(total["tls"]["count"], total["connections"]);
}

/// Two reports of different replays against the same server.
fn two_reports(folder: &Folder, origin: &Origin) -> [String; 2] {
    let [a, b] = ["a.json", "b.json"].map(|name| folder.path(name));
    let target = url(origin);
    assert_exit(&replay(&["-q", "--timeout", "300ms", "--report", &a, &target], &mixed()), 1);
    let input = gets(&[(0, "/cart/7"), (1, "/other"), (1200, "/missing")]);
    assert_exit(&replay(&["-q", "--report", &b, &target, &target], &input), 0);
    [a, b]
}

#[test]
fn merged_reports_are_the_sum_of_their_parts() {
    let folder = Folder::new();
    let origin = Origin::start(by_path);
    let [a, b] = two_reports(&folder, &origin);
    let [ab, ba] = ["ab.json", "ba.json"].map(|name| folder.path(name));
    run("gor-report", &[&a, &b, "-o", &ab], b"").ends_with(0).is_silent().writes(b"");
    run("gor-report", &[&b, &a, "-o", &ba], b"").ends_with(0).is_silent();
    let [one, two, both, turned] = ["a.json", "b.json", "ab.json", "ba.json"].map(|name| folder.json(name));
    assert_eq!(both["runs"].as_array().map(Vec::len), Some(2));
    // The first target of that name is in both, the second one in the second alone.
    assert_eq!(both["targets"].as_array().map(Vec::len), Some(2));
    for target in both["targets"].as_array().expect("an array").iter().chain([&both["total"]]) {
        assert_adds_up(target);
    }
    let (one, two, total) = (&one["total"], &two["total"], &both["total"]);
    for key in ["due", "sent", "answered", "bytes_sent", "bytes_received", "connections"] {
        assert_eq!(count(&total[key]), count(&one[key]) + count(&two[key]), "{key}");
    }
    for key in ["latency_from_due", "latency_from_send", "lateness", "connect"] {
        let mut expected = pairs(&one[key]);
        for (nanoseconds, number) in pairs(&two[key]) {
            *expected.entry(nanoseconds).or_default() += number;
        }
        assert_eq!(pairs(&total[key]), expected, "{key}");
        assert_eq!(total[key], turned["total"][key], "{key}");
    }
    for key in ["groups", "series", "slowest", "statuses", "first_sent", "last_ended"] {
        assert_eq!(total[key], turned["total"][key], "{key}");
    }
}

#[test]
fn a_report_that_is_read_and_written_again_is_the_same() {
    let folder = Folder::new();
    let origin = Origin::start(by_path);
    let [a, b] = two_reports(&folder, &origin);
    for report in [&a, &b] {
        let again = folder.path("again.json");
        run("gor-report", &["--force", "-o", &again, report], b"").ends_with(0).is_silent();
        let [first, second] =
            [report, &again].map(|path| std::fs::read_to_string(path).expect("it is there"));
        assert!(first == second, "{first}\n{second}");
        let piped = run("gor-report", &["--force", "-o", &again], first.as_bytes());
        piped.ends_with(0);
        assert!(std::fs::read_to_string(&again).expect("it is there") == first);
    }
}

#[test]
fn the_text_is_that_of_gor_report_and_tells_all_parts() {
    let folder = Folder::new();
    let origin = Origin::start(by_path);
    let [json, plain] = ["run.json", "run.txt"].map(|name| folder.path(name));
    let args = ["--timeout", "300ms", "--report", &json, "--report", &plain, &url(&origin)];
    assert_exit(&replay(&args, &mixed()), 1);
    let text = folder.text("run.txt");
    run("gor-report", &[&json], b"").ends_with(0).is_silent().writes(text.as_bytes());
    for part in [
        "due         12\n",
        "sent        10\n",
        "            1       closed inside the answer\n",
        "first: GET /cut",
        "statuses    200: 5, 404: 2, 503: 1\n",
        "speed 1x, connections 1024, timeout 300ms",
        "latency from due ",
        "recorded latency ",
        "of the 2 requests, of 12 that were read",
        "GET /cart/{id}",
        "intervals of 1.00s",
        "slowest: ",
        "000000000000000000000000",
    ] {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

#[test]
fn thresholds_decide_the_exit_status() {
    let folder = Folder::new();
    let origin = Origin::start(by_path);
    let target = url(&origin);
    let json = folder.path("run.json");
    assert_exit(&replay(&["-q", "--timeout", "300ms", "--report", &json, &target], &mixed()), 1);
    let fine = gets(&[(0, "/"), (1, "/a"), (2, "/missing")]);
    let (p99, wrong) = ("p99>1h", "p99=1h");
    for (options, input, status, report_status, said) in [
        (&["--fail-if", p99][..], &fine, 0, 0, ""),
        // Both failed; and lost as it is, it meets its thresholds.
        (&["--fail-if", p99], &mixed(), 1, 0, ""),
        (&["--fail-if", "errors>1"], &mixed(), 3, 3, "errors are 2, above 1"),
        (
            &["--fail-if", p99, "--fail-if", "errors>10%"],
            &mixed(),
            3,
            3,
            "errors are 16.6667% (2 of 12), above 10%",
        ),
        (&["--fail-if", "status:5xx>0"], &mixed(), 3, 3, "status:5xx is 1, above 0"),
        (&["--fail-if", "status:404>50%"], &fine, 0, 0, ""),
        (&["--fail-if", "status:404>20%"], &fine, 3, 3, "status:404 is "),
        (&["--fail-if", "rate<1000000/s"], &fine, 3, 3, "/s, below 1000000/s"),
        (&["--fail-if", "max>1ns"], &fine, 3, 3, ", above 1ns"),
        (&["--fail-if", "tls.p99>1s"], &fine, 3, 3, "tls.p99 is unknown: there was no TLS handshake"),
        (&["--fail-if", wrong], &fine, 2, 2, "expected a threshold, as p99>200ms"),
    ] {
        let ran = replay(&[&["-q", "--timeout", "300ms"], options, &[&target]].concat(), input);
        assert_says(&assert_exit(&ran, status), said);
        let path = folder.path("judged.json");
        let _ = replay(&["-q", "--force", "--timeout", "300ms", "--report", &path, &target], input);
        let judged = run("gor-report", &[options, &["-q", &path]].concat(), b"");
        judged.ends_with(report_status).says(said);
    }
    // Nothing was answered, and no number is known.
    let ran = replay(&["-q", "--fail-if", "p50>1s", &closed()], &fine);
    assert_says(&assert_exit(&ran, 3), "p50 is unknown: no request was answered (p50>1s)");
    let ran = replay(&["--fail-if", "errors>1%", "--fail-if", "errors>0", &target], b"");
    assert_says(&assert_exit(&ran, 3), "errors are unknown: no request was due (errors>1%)");
}

#[test]
fn a_report_overwrites_nothing_unasked_and_leaves_nothing_behind() {
    let folder = Folder::new();
    let origin = Origin::start(good);
    let target = url(&origin);
    let precious = folder.path("precious.json");
    std::fs::write(&precious, "precious").expect("it can be written");
    let input = gets(&[(0, "/")]);
    let said = assert_exit(&replay(&["--report", &precious, &target], &input), 2);
    assert_says(&said, "precious.json: the file exists; --force overwrites it");
    assert_eq!(folder.text("precious.json"), "precious");
    assert!(origin.received().is_empty(), "it is said before anything is sent");
    assert_exit(&replay(&["-q", "--force", "--report", &precious, &target], &input), 0);
    assert_eq!(count(&folder.json("precious.json")["total"]["answered"]), 1);

    let unknown = folder.path("run.pdf");
    for tool in [("gor-replay", "--report", target.as_str()), ("gor-report", "-o", precious.as_str())] {
        let (tool, option, place) = tool;
        run(tool, &[option, &unknown, place], b"")
            .ends_with(2)
            .says("expected a name that ends in .txt, .json or .html");
    }
    let [new, output] = ["new.json", "new.txt"].map(|name| folder.path(name));
    let missing = folder.path("missing.gor");
    let absent = folder.path("absent/new.json");
    let other_name = folder.path("./new.json");
    for (args, status, said) in [
        (vec!["--report", &new, "-i", &missing, &target], 1, "missing.gor: no such file"),
        (vec!["--report", &output, "-o", &output, &target], 2, "it is also another output"),
        (vec!["--report", &new, "--report", &new, &target], 2, "new.json: this report is named twice"),
        (
            vec!["--report", &new, "--report", &other_name, "--force", &target],
            2,
            "this report is named twice",
        ),
        (vec!["--report", &absent, &target], 1, "absent/new.json: no such file or directory"),
        (vec!["--report", &new, "--dry-run", "--fail-if", "errors>0"], 2, "cannot be used with"),
        (vec!["--group", "a", &target], 2, "--report"),
    ] {
        assert_says(&assert_exit(&replay(&args, &input), status), said);
        assert!(!Path::new(&new).exists() && !Path::new(&output).exists(), "{args:?}");
    }
    run("gor-report", &["-o", &precious, &precious, "--force"], b"").ends_with(2).says("it is also an input");
    run("gor-report", &[&precious, "-o", &new, "-o", &new], b"")
        .ends_with(2)
        .says("it is also another output");
}

#[test]
fn an_interrupted_replay_writes_its_report() {
    let folder = Folder::new();
    let origin = Origin::start(good);
    let json = folder.path("run.json");
    let mut child = start(&["--report", &json, "--fail-if", "errors>0", &url(&origin)]);
    let mut input = child.stdin.take().expect("a pipe");
    // The last one is due long after.
    std::io::Write::write_all(&mut input, &gets(&[(0, "/"), (1, "/"), (3_600_000, "/")])).expect("it reads");
    while origin.received().len() < 2 {
        std::thread::yield_now();
    }
    kill_process(Pid::from_child(&child), Signal::INT).expect("it runs");
    let output = child.wait_with_output().expect("it ends");
    drop(input);
    assert_exit(&output, 1);
    let report = folder.json("run.json");
    assert_eq!(report["runs"][0]["interrupted"], true);
    assert_adds_up(&report["total"]);
    assert_eq!(["due", "answered"].map(|key| count(&report["total"][key])), [3, 2]);
}

#[test]
fn a_replay_whose_input_fails_writes_its_report() {
    let folder = Folder::new();
    let origin = Origin::start(good);
    let json = folder.path("run.json");
    let input = [&gets(&[(0, "/")])[..], b"9 bad 1 1\nx\n", "\n🐵🙈🙉\n".as_bytes()].concat();
    assert_exit(&replay(&["--strict", "--report", &json, &url(&origin)], &input), 1);
    let report = folder.json("run.json");
    let error = report["runs"][0]["error"].as_str().expect("text");
    assert!(error.contains("record 2"), "{error}");
    assert_adds_up(&report["total"]);
}

#[test]
fn what_is_no_report_is_named() {
    let folder = Folder::new();
    let origin = Origin::start(good);
    let good = folder.path("good.json");
    assert_exit(&replay(&["-q", "--report", &good, &url(&origin)], &gets(&[(0, "/")])), 0);
    let text = folder.text("good.json");
    let bad = folder.path("bad.json");
    for (content, said) in [
        (
            String::new(),
            "bad.json: this is not a report; gor-replay --report FILE.json writes one (it is empty)",
        ),
        ("{}".to_owned(), "bad.json: this is not a report"),
        ("[1]".to_owned(), "bad.json: this is not a report"),
        (text[..text.len() / 2].to_owned(), "bad.json: the JSON is cut"),
        (text.replacen("gor-report", "other", 1), "bad.json: this is not a report"),
        (
            text.replacen("\"version\":1", "\"version\":2", 1),
            "bad.json: this is a report of version 2; this tool reads version 1",
        ),
        (
            text.replacen("\"due\":1", "\"due\":2", 1),
            "bad.json: the report is damaged: its counters do not add up",
        ),
        (text.replacen("\"digits\":3", "\"digits\":9", 1), "bad.json: the report is damaged: "),
        (text.replacen("\"interval\":1,", "\"interval\":3,", 1), "bad.json: the report is damaged: "),
    ] {
        std::fs::write(&bad, &content).expect("it can be written");
        // A sum that lacks a part would be wrong.
        run("gor-report", &[&good, &bad], b"").ends_with(1).writes(b"").says(said);
        run("gor-report", &[&bad, "-o", &folder.path("sum.txt")], b"").ends_with(1).says(said);
    }
    std::fs::write(&bad, &text).expect("it can be written");
    run("gor-report", &[&good, &bad], b"")
        .ends_with(1)
        .writes(b"")
        .says("the same report as")
        .says("give each report once");
    let missing = folder.path("missing.json");
    let ran = run("gor-report", &["-q", &good, &missing], b"");
    assert_eq!(
        ran.ends_with(1).stderr,
        format!("gor-report: {missing}: no such file or directory\n"),
        "{ran}"
    );
    assert!(!Path::new(&folder.path("sum.txt")).exists());
}

/// What all tools are asked is in `twelve.rs`.
#[test]
fn gor_report_says_which_reports_it_read() {
    let folder = Folder::new();
    let origin = Origin::start(good);
    let path = folder.path("run.json");
    assert_exit(&replay(&["-q", "--report", &path, &url(&origin)], &gets(&[(0, "/")])), 0);
    let printed = run("gor-report", &[&path], b"");
    run("gor-report", &["-v", &path], b"")
        .ends_with(0)
        .says("run.json: 1 requests were due")
        .says("1  reports read");
    let pattern = folder.path("*.json");
    run("gor-report", &[&pattern], b"").ends_with(0).writes(&printed.stdout);
}

#[test]
fn a_replay_says_where_its_report_cannot_be_written() {
    let folder = Folder::new();
    let origin = Origin::start(good);
    let full = folder.path("full.txt");
    std::os::unix::fs::symlink("/dev/full", &full).expect("a link");
    let ran = replay(&["-q", "--report", &full, &url(&origin)], &gets(&[(0, "/")]));
    assert_says(&assert_exit(&ran, 1), "full.txt: no space left on device");
}

#[test]
fn a_report_whose_file_is_removed_or_replaced_meanwhile_is_kept_in_a_temporary_file() {
    for is_replaced in [false, true] {
        let (folder, origin) = (Folder::new(), Origin::start(good));
        let [place, kept] = ["place", "kept"].map(|name| folder.path(name));
        for name in [&place, &kept] {
            std::fs::create_dir(name).expect("a folder");
        }
        let name = format!("{place}/run.json");
        let mut replay = command("gor-replay", &["-q", "--report", &name, &url(&origin)]);
        replay.env("TMPDIR", &kept).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = replay.spawn().expect("gor-replay runs");
        let mut input = child.stdin.take().expect("a pipe");
        std::io::Write::write_all(&mut input, &gets(&[(0, "/")])).expect("it reads");
        while origin.received().is_empty() {
            std::thread::yield_now();
        }
        std::fs::remove_dir_all(&place).expect("it is there");
        if is_replaced {
            std::fs::create_dir(&place).expect("a folder");
            std::fs::write(&name, "another").expect("it can be written");
        }
        drop(input);
        let said = assert_exit(&child.wait_with_output().expect("it ends"), 1);
        assert_says(
            &said,
            "run.json: the file was removed or replaced while it was open; the report is kept in ",
        );
        let kept: Vec<_> = std::fs::read_dir(&kept).expect("it is there").collect();
        let [Ok(report)] = &kept[..] else { panic!("{kept:?}") };
        let report = report.path();
        assert_says(&said, report.to_str().expect("text"));
        let report: Value = serde_json::from_slice(&std::fs::read(report).expect("a file")).expect("JSON");
        assert_eq!(count(&report["total"]["answered"]), 1);
        assert_eq!(std::fs::read_to_string(&name).ok().as_deref(), is_replaced.then_some("another"));
    }
}

/// The names of all keys in a value, but for those that are statuses.
fn add_names(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                if name.parse::<u16>().is_err() {
                    names.insert(name.clone());
                }
                add_names(value, names);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| add_names(value, names)),
        _ => {}
    }
}

#[test]
fn every_key_of_a_report_is_explained_and_there_are_no_others() {
    let folder = Folder::new();
    let origin = Origin::start(by_path);
    let [a, _] = two_reports(&folder, &origin);
    let mut names = BTreeSet::new();
    add_names(
        &folder.json(Path::new(&a).file_name().and_then(|name| name.to_str()).expect("text")),
        &mut names,
    );
    assert!(names.len() > 50, "{names:?}");
    let page = include_str!("../../man/gor-report.5");
    // What a dry run writes is looked at where dry runs are.
    let (page, _) = page.split_once("\n.SH DRY RUNS\n").expect("it tells of dry runs");
    let (_, page) = page.split_once("\n.SS The report\n").expect("it has keys");
    // What is in quotes is between bold words.
    let bold = page.lines().filter_map(|line| line.strip_prefix(".BR ").or(line.strip_prefix(".B ")));
    let words = bold.flat_map(|line| line.split('"').step_by(2).flat_map(str::split_whitespace));
    let is_key = |word: &&str| word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let explained: BTreeSet<String> = words.filter(is_key).map(str::to_owned).collect();
    let missing: Vec<_> = names.difference(&explained).collect();
    assert!(missing.is_empty(), "man/gor-report.5 does not explain {missing:?}");
    let unseen: Vec<_> = explained.difference(&names).collect();
    assert_eq!(unseen, ["1"], "explained, and in no report; the version is a value");
}
