//! Objects of S3 as outputs, on a real server: keys, formats, chunks; and what becomes of them when server, network or
//! disk fail, or the tool is killed.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::program::{Ran, run};
use crate::support::proxy::{Harm, Passed, Proxy};
use crate::support::s3::{S3, reading};
use crate::support::skip::skip;

/// A request as a record, which does not compress to less than its random body: its number is also its second.
fn record(number: usize, body: usize) -> String {
    let time = 1_763_900_000_000_000_000_i64 + number as i64 * 1_000_000_000;
    let mut state = number as u64 + 1;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b' ' + (state >> 33) as u8 % 95)
    };
    let body: String = (0..body).map(|_| random()).collect();
    format!(
        "1 {number:024x} {time} 1000\nPOST /{number} HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}\n🐵🙈🙉\n",
        body.len()
    )
}

fn records(numbers: std::ops::Range<usize>, body: usize) -> String {
    numbers.map(|number| record(number, body)).collect()
}

/// A spool of its own, and tools that use it.
struct Spool(tempfile::TempDir);

impl Spool {
    fn new() -> Self {
        Spool(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self) -> &str {
        self.0.path().to_str().expect("text")
    }

    /// Names of the chunks in it.
    fn chunks(&self) -> Vec<String> {
        let entries =
            self.0.path().read_dir().expect("a folder").map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<_> = entries.map(|name| name.into_string().expect("text")).collect();
        names.retain(|name| !["lock", "to", "new"].iter().any(|end| name.rsplit('.').next() == Some(end)));
        names.sort();
        names
    }

    fn start(&self, port: u16, tool: &str, args: &[&str]) -> Child {
        let mut command = reading(port, tool, args);
        command
            .args(["--spool", self.path()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().expect("the tool starts")
    }

    /// Runs `gor-filter` on some input to its end.
    fn write(&self, port: u16, args: &[&str], input: &str) -> Ran {
        let mut child = self.start(port, "gor-filter", args);
        feed(child.stdin.take(), input);
        end(child, args)
    }

    /// The note beside the only chunk.
    fn note(&self) -> String {
        std::fs::read_to_string(self.note_path()).expect("a note")
    }

    fn set_note(&self, text: &str) {
        std::fs::write(self.note_path(), text).expect("a note");
    }

    fn note_path(&self) -> std::path::PathBuf {
        self.0.path().join(format!("{}.to", self.chunks()[0]))
    }

    #[track_caller]
    fn is_empty(&self) {
        assert_eq!(self.chunks(), Vec::<String>::new());
    }
}

/// Writes all of it from another thread, and ends the input.
fn feed(stdin: Option<ChildStdin>, input: &str) {
    let (mut stdin, input) = (stdin.expect("a pipe"), input.to_owned());
    // A tool may well end before it has read everything.
    thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
}

fn end(child: Child, args: &[&str]) -> Ran {
    Ran::new("gor-filter", args, child.wait_with_output().expect("it can be waited for"))
}

fn kill(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("it runs");
}

#[track_caller]
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_mins(1), "waited for {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// What an object's bytes are, by other programs.
fn unpacked(key: &str, content: &[u8]) -> String {
    let mut text = String::new();
    let program = match key.rsplit('.').next() {
        Some("gz") => "gzip",
        Some("zst") => {
            zstd::stream::read::Decoder::new(content)
                .expect("a frame")
                .read_to_string(&mut text)
                .expect("text");
            return text;
        }
        _ => return String::from_utf8(content.to_vec()).expect("text"),
    };
    let mut child = Command::new(program)
        .arg("-dc")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it is everywhere");
    let (mut stdin, content) = (child.stdin.take().expect("a pipe"), content.to_vec());
    let feeder = thread::spawn(move || stdin.write_all(&content).expect("it reads"));
    child.stdout.take().expect("a pipe").read_to_string(&mut text).expect("text");
    feeder.join().expect("it is fed");
    assert!(child.wait().expect("it ends").success());
    text
}

/// Keys of a bucket, and the records of all its objects together.
fn delivered(server: &S3, bucket: &str) -> (Vec<String>, String) {
    let objects = server.objects(bucket);
    let text = objects.iter().map(|(key, content)| unpacked(key, content)).collect();
    (objects.into_iter().map(|(key, _)| key).collect(), text)
}

/// The same records, in whatever order.
#[track_caller]
fn are_the_same(delivered: &str, expected: &str) {
    let sorted = |text: &str| {
        let mut records: Vec<_> = text.split("\n🐵🙈🙉\n").map(str::to_owned).collect();
        records.sort();
        records
    };
    let (delivered, expected) = (sorted(delivered), sorted(expected));
    assert!(delivered == expected, "{} records, and {} expected", delivered.len(), expected.len());
}

const BUSY: &str = "HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

fn is_put(passed: &Passed) -> bool {
    passed.line.starts_with("PUT ")
}

#[test]
fn an_object_is_what_the_file_would_be() {
    let Some(server) = S3::start() else { return };
    server.make("bucket");
    let (spool, text) = (Spool::new(), records(0..300, 1000));
    for key in ["x.gor", "x.gor.gz", "a b/x.zst", "deep/er/ü+%%.gor.zst", "x.pcap"] {
        let name = format!("s3://bucket/{key}");
        spool.write(server.port(), &["-o", &name], &text).ends_with(0).is_silent();
    }
    spool.is_empty();
    let objects = server.objects("bucket");
    let keys: Vec<_> = objects.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["a b/x.zst", "deep/er/ü+%.gor.zst", "x.gor", "x.gor.gz", "x.pcap"]);
    for (key, content) in &objects {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join(key.rsplit('/').next().expect("a name").replace('%', "%%"));
        let file = file.to_str().expect("text");
        run("gor-filter", &["-o", file], text.as_bytes()).ends_with(0);
        assert!(std::fs::read(file.replace("%%", "%")).expect("a file") == *content, "{key}");
        if !key.ends_with("pcap") {
            assert!(unpacked(key, content) == text, "{key}");
        }
    }
}

#[test]
fn every_tool_that_writes_writes_objects() {
    let Some(server) = S3::start() else { return };
    server.make("bucket");
    let (spool, folder) = (Spool::new(), tempfile::tempdir().expect("a folder"));
    let input = folder.path().join("x.gor");
    let text = records(0..3, 10);
    std::fs::write(&input, &text).expect("a file");
    let input = input.to_str().expect("text");
    for (tool, args) in [
        ("gor-rewrite", vec!["-o", "s3://bucket/rewritten", input]),
        ("gor-merge", vec!["-o", "s3://bucket/merged", input]),
        ("gor-record", vec!["-r", "testdata/go.pcap", "-o", "s3://bucket/recorded"]),
        ("gor-record", vec!["--dummy", "100/s", "--exit-after", "300ms", "-o", "s3://bucket/dummy"]),
        ("gor-filter", vec!["-o", "s3://bucket/copy", "-o", "s3://bucket/another", "s3://bucket/merged"]),
    ] {
        end(spool.start(server.port(), tool, &args), &args).ends_with(0);
    }
    let objects = server.objects("bucket");
    let of = |key: &str| {
        let found = objects.iter().find(|(found, _)| found == key);
        found.unwrap_or_else(|| panic!("no {key}")).1.clone()
    };
    for key in ["rewritten", "merged", "copy", "another"] {
        assert!(of(key) == text.as_bytes(), "{key}");
    }
    let expected = run("gor-record", &["-r", "testdata/go.pcap"], b"").stdout;
    assert!(of("recorded") == expected, "what it writes to standard output");
    assert!(String::from_utf8_lossy(&of("dummy")).matches("🐵🙈🙉").count() > 3);
    assert_eq!(objects.len(), 6);
    spool.is_empty();
}

#[test]
fn an_object_is_never_overwritten_and_the_next_one_gets_a_number() {
    let Some(server) = S3::start() else { return };
    server
        .put("bucket", &[("a/x.gor.gz", "another one"), ("a/x_7.gor.gz", "this, too"), ("a/x_y.gor.gz", "")]);
    let spool = Spool::new();
    for number in 0..3 {
        let args = ["-o", "s3://bucket/a/x.gor.gz"];
        spool.write(server.port(), &args, &record(number, 10)).ends_with(0).is_silent();
    }
    // Two of one run, of the same time.
    let args = ["-o", "s3://bucket/b_%Y.gor", "--chunk-records", "2"];
    spool.write(server.port(), &args, &records(0..5, 10)).ends_with(0).is_silent();
    let objects = server.objects("bucket");
    let keys: Vec<_> = objects.iter().map(|(key, _)| key.as_str()).collect();
    let expected =
        ["a/x.gor.gz", "a/x_10.gor.gz", "a/x_7.gor.gz", "a/x_8.gor.gz", "a/x_9.gor.gz", "a/x_y.gor.gz"];
    assert_eq!(keys[..6], expected);
    let year = keys[6].strip_prefix("b_").and_then(|rest| rest.strip_suffix("_0.gor")).expect("a year");
    assert_eq!(keys[6..], [0, 1, 2].map(|number| format!("b_{year}_{number}.gor")));
    assert_eq!(objects[0].1, b"another one");
    for (object, number) in [(3, 0), (4, 1), (1, 2)] {
        assert_eq!(unpacked(keys[object], &objects[object].1), record(number, 10), "{}", keys[object]);
    }
    assert_eq!(
        objects[6..].iter().map(|(key, content)| unpacked(key, content)).collect::<String>(),
        records(0..5, 10)
    );
}

#[test]
fn names_from_records_and_time_become_keys_and_the_manifest_lists_them() {
    let Some(server) = S3::start() else { return };
    server.make("bucket");
    let (spool, folder) = (Spool::new(), tempfile::tempdir().expect("a folder"));
    let manifest = folder.path().join("manifest").display().to_string();
    // More than may be open at once, and each twice.
    let text = records(0..40, 100) + &records(0..40, 100);
    let args = ["-o", "s3://bucket/%r.gor", "--manifest", &manifest, "--index"];
    spool.write(server.port(), &args, &text).ends_with(0).is_silent();
    let objects = server.objects("bucket");
    are_the_same(
        &objects
            .iter()
            .filter(|(key, _)| !key.ends_with("idx"))
            .map(|(key, text)| unpacked(key, text))
            .collect::<String>(),
        &text,
    );
    let lines = std::fs::read_to_string(&manifest).expect("it was written");
    let mut listed = 0;
    for line in lines.lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let key = line["key"].as_str().expect("a key");
        let (_, content) = objects.iter().find(|(found, _)| found == key).expect("it is there");
        assert_eq!(
            (line["bucket"].as_str(), line["bytes"].as_u64()),
            (Some("bucket"), Some(content.len() as u64))
        );
        let number = i64::from_str_radix(&key[..24], 16).expect("a number");
        let time = 1_763_900_000_000_000_000 + number * 1_000_000_000;
        assert_eq!((line["earliest"].as_i64(), line["latest"].as_i64()), (Some(time), Some(time)), "{line}");
        let records = unpacked(key, content).matches("🐵🙈🙉").count();
        assert_eq!(line["records"].as_u64(), Some(records as u64), "{line}");
        assert!(objects.iter().any(|(found, _)| *found == format!("{key}.idx")), "its index");
        listed += 1;
    }
    assert_eq!(listed * 2, objects.len(), "{lines}");
    // What is written is read by its index.
    let args = ["--index", "-o", "s3://bucket/large.gor.zst"];
    spool.write(server.port(), &args, &records(0..9000, 300)).ends_with(0);
    let since = ["--since", "1763908999", "s3://bucket/large.gor.zst"];
    end(
        reading(server.port(), "gor-filter", &since)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts"),
        &since,
    )
    .ends_with(0)
    .is_silent()
    .writes(record(8999, 300).as_bytes());
}

#[test]
fn a_large_chunk_goes_in_parts_that_are_sent_again_where_they_fail() {
    let Some(server) = S3::start() else { return };
    server.make("bucket");
    let (spool, text) = (Spool::new(), records(0..450, 100_000));
    assert!(text.len() > 40 << 20);
    let tried = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&tried);
    let proxy = Proxy::start(server.port(), move |passed, _| {
        let is_part = is_put(passed) && passed.line.contains("partNumber");
        match is_part.then(|| counted.fetch_add(1, Ordering::SeqCst)) {
            Some(0) => Harm::CutRequest(1 << 20),
            Some(2) => Harm::Answer(BUSY),
            Some(4) => Harm::NoAnswer,
            _ => Harm::None,
        }
    });
    spool.write(proxy.port(), &["-o", "s3://bucket/x.gor"], &text).ends_with(0);
    let lines = proxy.lines();
    let count = |what: &str| lines.iter().filter(|line| line.contains(what)).count();
    // Six parts, and three again.
    assert_eq!(count("partNumber="), 9, "{lines:#?}");
    assert!(proxy.most_at_once() <= 5, "{} at once", proxy.most_at_once());
    // An object that is there already costs no part.
    spool.write(proxy.port(), &["-o", "s3://bucket/x.gor"], &text).ends_with(0);
    let (keys, delivered) = delivered(&server, "bucket");
    assert_eq!(keys, ["x.gor", "x_0.gor"]);
    assert!(delivered == text.repeat(2), "byte by byte");
    spool.is_empty();
}

#[test]
fn an_answer_that_is_lost_makes_no_second_object() {
    let Some(server) = S3::start() else { return };
    server.make("bucket");
    for (key, text) in [("small.gor", records(0..10, 100)), ("large.gor", records(0..200, 100_000))] {
        let spool = Spool::new();
        let lost = AtomicUsize::new(0);
        let proxy = Proxy::start(server.port(), move |passed, _| {
            // The request that makes the object.
            let makes = (is_put(passed) && !passed.line.contains('?'))
                || (passed.line.starts_with("POST ") && passed.line.contains("uploadId"));
            if makes && lost.fetch_add(1, Ordering::SeqCst) == 0 { Harm::NoAnswer } else { Harm::None }
        });
        spool.write(proxy.port(), &["-o", &format!("s3://bucket/{key}")], &text).ends_with(0);
        spool.is_empty();
    }
    let keys: Vec<_> = server.objects("bucket").into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["large.gor", "small.gor"]);
}

#[test]
fn a_server_that_is_away_or_busy_is_waited_for() {
    let Some(server) = S3::start() else { return };
    server.make("bucket");
    let (spool, text) = (Spool::new(), records(0..100, 1000));
    let is_away = Arc::new(AtomicBool::new(true));
    let away = Arc::clone(&is_away);
    let proxy = Proxy::start(server.port(), move |_, number| match number {
        _ if away.load(Ordering::SeqCst) => Harm::Gone,
        number if number % 3 == 0 => Harm::Answer(BUSY),
        _ => Harm::None,
    });
    let args = ["-o", "s3://bucket/x.gor", "--chunk-records", "30"];
    let mut child = spool.start(proxy.port(), "gor-filter", &args);
    feed(child.stdin.take(), &text);
    wait_until("some tries", || proxy.lines().len() > 6);
    assert_eq!(spool.chunks().len(), 4, "all of them wait");
    is_away.store(false, Ordering::SeqCst);
    end(child, &args).ends_with(0).says("trying again until it works").says("S3 answers again");
    let (keys, delivered) = delivered(&server, "bucket");
    assert_eq!(keys, [0, 1, 2, 3].map(|number| format!("x_{number}.gor")));
    assert_eq!(delivered, text);
    spool.is_empty();
}

#[test]
fn what_cannot_be_delivered_is_kept_and_goes_with_the_next_run() {
    let Some(server) = S3::start() else { return };
    server.make("bucket");
    let text = records(0..10, 100);
    // What is wrong, and what is said of it.
    let cases = [
        ("AWS_SECRET_ACCESS_KEY", "wrong", "check AWS_SECRET_ACCESS_KEY", "x"),
        ("AWS_ACCESS_KEY_ID", "nobody", "check AWS_ACCESS_KEY_ID", "x"),
        ("NOTHING", "", "there is no such bucket", "nowhere"),
    ];
    for (variable, value, said, bucket) in cases {
        let spool = Spool::new();
        let bucket = if bucket == "nowhere" { "nowhere" } else { "bucket" };
        let args = ["-o", &format!("s3://{bucket}/{variable}.gor"), "--spool", spool.path()];
        let mut command = reading(server.port(), "gor-filter", &args);
        command.env(variable, value).stdin(Stdio::piped()).stderr(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        feed(child.stdin.take(), &text);
        let ran = end(child, &args);
        ran.ends_with(1).says(said).says(spool.path());
        assert_eq!(ran.stderr.lines().count(), 1, "{ran}");
        assert_eq!(spool.chunks().len(), 1, "{ran}");
        if bucket == "bucket" {
            // The next run has nothing of its own.
            spool
                .write(server.port(), &["-o", "s3://bucket/other.gor"], "")
                .ends_with(0)
                .says(&format!("1 chunk of an earlier run is in {}; uploading it", spool.path()));
            spool.is_empty();
        } else {
            // One for another server waits for a run that writes to that.
            let port = Proxy::start(server.port(), |_, _| Harm::None).port();
            spool
                .write(port, &["-o", "s3://bucket/y.gor"], &text)
                .ends_with(0)
                .says("stay there: they are for");
            assert_eq!(spool.chunks().len(), 1);
        }
    }
    let (keys, delivered) = delivered(&server, "bucket");
    assert_eq!(keys, ["AWS_ACCESS_KEY_ID.gor", "AWS_SECRET_ACCESS_KEY.gor", "y.gor"]);
    assert_eq!(delivered, text.repeat(3));
}

#[test]
fn a_killed_run_is_completed_by_the_next_and_nothing_is_there_twice() {
    let Some(server) = S3::start() else { return };
    server.make("bucket");
    for (number, key) in ["x.gor", "y.gor.gz", "z.gor.zst"].into_iter().enumerate() {
        let spool = Spool::new();
        let text = records(0..2000, 2000);
        // Objects arrive, and of each fifth the answer does not: the tool is killed in between.
        let is_good = Arc::new(AtomicBool::new(false));
        let good = Arc::clone(&is_good);
        let proxy = Proxy::start(server.port(), move |passed, request| {
            let is_lost = is_put(passed) && request % 5 == number && !good.load(Ordering::SeqCst);
            if is_lost { Harm::NoAnswer } else { Harm::None }
        });
        let name = format!("s3://bucket/{key}");
        let args = ["-o", &name, "--chunk-records", "100", "--flush-interval", "10ms"];
        let mut child = spool.start(proxy.port(), "gor-filter", &args);
        let mut stdin = child.stdin.take().expect("a pipe");
        // The input does not end: the last chunk is being written.
        stdin.write_all(text.as_bytes()).expect("it reads");
        stdin.write_all(&record(2000, 2000).as_bytes()[..500]).expect("it reads");
        wait_until("some objects", || {
            proxy.lines().iter().filter(|line| line.starts_with("PUT ")).count() > 6
        });
        child.kill().expect("it runs");
        child.wait().expect("it ends");
        let left = spool.chunks().len();
        assert!(left > 0, "something is left");
        is_good.store(true, Ordering::SeqCst);
        let ran = spool.write(proxy.port(), &["-o", "s3://bucket/other.gor"], "");
        ran.ends_with(0).says("of an earlier run");
        spool.is_empty();
        let prefix = key.split('.').next().expect("a name");
        let objects: Vec<_> =
            server.objects("bucket").into_iter().filter(|(found, _)| found.starts_with(prefix)).collect();
        let got: String = objects.iter().map(|(key, content)| unpacked(key, content)).collect();
        // The tool may have been killed before it had read all.
        let count = got.matches("🐵🙈🙉").count();
        assert!(count > 600, "{count} records");
        are_the_same(&got, &records(0..count, 2000));
    }
}

#[test]
fn a_server_that_dies_in_the_middle_of_an_upload_gets_the_rest_later() {
    let Some(mut server) = S3::start() else { return };
    server.make("bucket");
    let (spool, text) = (Spool::new(), records(0..300, 100_000));
    let (parts, pid) = (AtomicUsize::new(0), server.pid());
    let proxy = Proxy::start(server.port(), move |passed, _| {
        if passed.line.contains("partNumber") && parts.fetch_add(1, Ordering::SeqCst) == 1 {
            kill_process(pid, Signal::KILL).expect("it runs");
        }
        Harm::None
    });
    let args = ["-o", "s3://bucket/x.gor", "--spool-wait", "1s"];
    let ran = spool.write(proxy.port(), &args, &text);
    ran.ends_with(1)
        .says("(waited 1.00s for it)")
        .says(&format!("1 chunk not uploaded is kept in {}", spool.path()));
    assert_eq!(spool.chunks().len(), 1);
    server.up();
    // The address is that of the proxy, which is still the same server.
    let now = server.port();
    let note = spool.note();
    let other = note.replace(&proxy.port().to_string(), &now.to_string());
    assert_ne!(note, other);
    spool.set_note(&other);
    spool.write(now, &["-o", "s3://bucket/other.gor"], "").ends_with(0).says("uploading it");
    let (keys, delivered) = delivered(&server, "bucket");
    assert_eq!(keys, ["x.gor"]);
    assert!(delivered == text);
    spool.is_empty();
}

#[test]
fn a_full_spool_is_an_error_only_while_the_server_is_away() {
    let Some(server) = S3::start() else { return };
    server.make("bucket");
    let text = records(0..80, 100_000);
    let args = ["-o", "s3://bucket/x.gor", "--spool-max", "2MB"];
    // Slow, but there.
    let spool = Spool::new();
    let slow = Proxy::start(server.port(), |passed, _| {
        if is_put(passed) { Harm::Slow(1 << 16, Duration::from_millis(30)) } else { Harm::None }
    });
    spool.write(slow.port(), &args, &text).ends_with(0).is_silent();
    let (_, got) = delivered(&server, "bucket");
    are_the_same(&got, &text);
    spool.is_empty();
    let away = Proxy::start(server.port(), |_, _| Harm::Gone);
    let ran = spool.write(away.port(), &args, &text);
    ran.ends_with(1).says("--spool-max of 2097152 bytes is reached: cannot connect").says(spool.path());
    let kept: String = spool
        .chunks()
        .iter()
        .map(|name| std::fs::read_to_string(spool.0.path().join(name)).expect("text"))
        .collect();
    let count = kept.matches("🐵🙈🙉").count();
    assert!(kept == records(0..count, 100_000) && (15..30).contains(&count), "{count} records\n{ran}");
}

#[test]
fn a_full_disk_keeps_whole_records_for_the_next_run() {
    let Some(server) = S3::start() else { return };
    server.make("bucket");
    let spool = Spool::new();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=3m", "tmpfs", spool.path()])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !mounted {
        return skip("no file system may be mounted here");
    }
    let _mounted = Mounted(spool.0.path());
    let text = records(0..50, 100_000);
    let ran = spool.write(server.port(), &["-o", "s3://bucket/x.gor", "--spool-max", "1GB"], &text);
    ran.ends_with(1).says("no space left").says("its last whole record is number");
    assert_eq!(spool.chunks().len(), 1);
    spool.write(server.port(), &["-o", "s3://bucket/other.gor"], "").ends_with(0).says("uploading it");
    let (keys, got) = delivered(&server, "bucket");
    let count = got.matches("🐵🙈🙉").count();
    assert!(keys == ["x.gor"] && count > 20 && got == records(0..count, 100_000), "{keys:?} {count}");
    spool.is_empty();
}

struct Mounted<'a>(&'a Path);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}

#[test]
fn a_chunk_that_is_old_is_uploaded_though_nothing_more_comes() {
    let Some(server) = S3::start() else { return };
    server.make("bucket");
    let spool = Spool::new();
    let args = ["-o", "s3://bucket/x.gor", "--chunk-age", "50ms"];
    let mut child = spool.start(server.port(), "gor-filter", &args);
    let mut stdin = child.stdin.take().expect("a pipe");
    for number in 0..3 {
        stdin.write_all(record(number, 10).as_bytes()).expect("it reads");
        wait_until("an object", || server.objects("bucket").len() > number);
    }
    kill(&child, Signal::INT);
    drop(stdin);
    end(child, &args).ends_with(0);
    let (keys, got) = delivered(&server, "bucket");
    assert_eq!(keys, ["x.gor", "x_0.gor", "x_1.gor"]);
    assert_eq!(got, records(0..3, 10));
}

#[test]
fn two_runs_do_not_share_a_spool_and_what_makes_no_sense_is_refused() {
    let Some(server) = S3::start() else { return };
    server.make("bucket");
    let spool = Spool::new();
    let args = ["-o", "s3://bucket/x.gor"];
    let mut child = spool.start(server.port(), "gor-filter", &args);
    let stdin = child.stdin.take().expect("a pipe");
    let lock = spool.0.path().join("lock");
    wait_until("the lock", || {
        std::fs::File::open(&lock).is_ok_and(|lock| {
            rustix::fs::flock(lock, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_err()
        })
    });
    spool
        .write(server.port(), &args, "")
        .ends_with(1)
        .says("another run uses this directory; give each its own");
    drop(stdin);
    end(child, &args).ends_with(0);
    for (args, said) in [
        (&["-o", "s3://bucket/x", "--append"][..], "objects of S3 are written once"),
        (&["-o", "s3://bucket/x", "--force"], "objects of S3 are never overwritten"),
        (&["-o", "s3://bucket"], "name the object"),
        (&["-o", "s3://bucket/a/"], "name the object"),
        (&["-o", "s3:///a"], "the bucket is missing"),
        (&["-o", "s3://b%Y/a"], "fields are for keys"),
        (&["-o", "s3://bucket/%q"], "no such field"),
        (&["-o", "s3://bucket/x.saz"], ".saz files are not written here"),
        (&["-o", "x.gor"], "--spool applies to objects of S3"),
    ] {
        spool.write(server.port(), args, "").ends_with(2).says(said);
    }
    assert!(server.objects("bucket").is_empty(), "no record, no object");
}
