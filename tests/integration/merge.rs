//! `gor-merge` as a program.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::support::skip::skip;
use crate::support::program::{Ran, command, run};

const SEPARATOR: &str = "\n🐵🙈🙉\n";

/// A request of this id and time.
fn record(id: &str, time: i64) -> String {
    format!("1 {id} {time} 1000\nGET /{id} HTTP/1.1\r\n\r\n{SEPARATOR}")
}

/// Requests with these ids and times: `a1 b2` are `a` at 1 and `b` at 2.
fn recording(names: &str) -> String {
    names.split_whitespace().map(|name| record(&name[..1], name[1..].parse().unwrap())).collect()
}

/// The ids and times of records, as [`recording`] takes them.
fn names(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let headers = text.split_terminator(SEPARATOR).filter_map(|record| record.lines().next());
    let short = |header: &str| header.split(' ').skip(1).take(2).collect::<String>();
    headers.map(short).collect::<Vec<_>>().join(" ")
}

/// A directory of recordings.
struct Files(TempDir);

impl Files {
    fn new(files: &[(&str, &str)]) -> Self {
        let directory = Files(tempfile::tempdir().unwrap());
        for (name, names) in files {
            std::fs::write(directory.path(name), recording(names)).unwrap();
        }
        directory
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    /// Runs the tool; what begins with `@` is a file of this directory.
    fn merge(&self, args: &[&str], input: &[u8]) -> Ran {
        let args: Vec<String> = args.iter().map(|arg| arg.replace('@', &self.path(""))).collect();
        run("gor-merge", &args.iter().map(String::as_str).collect::<Vec<_>>(), input)
    }
}

#[test]
fn recordings_come_out_as_one_ordered_by_time() {
    let files =
        Files::new(&[("a.gor", "a1 b4 c7"), ("b.gor", "d2 e4 f9"), ("c.gor", ""), ("d.gor", "g0 h8")]);
    let ran = files.merge(&["@a.gor", "@b.gor", "@c.gor", "@d.gor"], b"");
    ran.ends_with(0).is_silent();
    assert_eq!(names(&ran.stdout), "g0 a1 d2 b4 e4 c7 h8 f9");
    let ran = files.merge(&["@b.gor", "@a.gor"], b"");
    assert_eq!(names(&ran.stdout), "a1 d2 e4 b4 c7 f9", "at equal times the first input is first");
    let ran = files.merge(&["@*.gor", "-"], recording("x3").as_bytes());
    assert_eq!(names(&ran.stdout), "g0 a1 d2 x3 b4 e4 c7 h8 f9");
}

#[test]
fn each_option_does_what_it_says() {
    let files = Files::new(&[("a.gor", "a3 b1 c2 d9"), ("b.gor", "e2 c2 f8")]);
    let cases: &[(&[&str], &str)] = &[
        (&["--sort", "@a.gor", "@b.gor"], "b1 c2 e2 c2 a3 f8 d9"),
        (&["--window", "2ns", "@a.gor", "@b.gor"], "b1 e2 c2 c2 a3 f8 d9"),
        (&["--sort", "--dedup", "@a.gor", "@b.gor"], "b1 c2 e2 a3 f8 d9"),
        (&["--sort", "--rebase", "1970-01-01T00:00:00.000000011Z", "@b.gor"], "e11 c11 f17"),
        (&["--shift", "@b.gor=-2ns", "--sort", "@a.gor", "@b.gor"], "e0 c0 b1 c2 a3 f6 d9"),
        (&["--shift=@*.gor=+1ns", "--sort", "@*.gor"], "b2 c3 e3 c3 a4 f9 d10"),
        (&["--sort", "--shift", "@b.gor=1ns", "--rebase=1", "@b.gor"], "e1000000000 c1000000000 f1000000006"),
    ];
    for (args, expected) in cases {
        let ran = files.merge(args, b"");
        ran.ends_with(0).is_silent();
        assert_eq!(names(&ran.stdout), *expected, "{ran}");
    }
}

#[test]
fn other_times_leave_all_else_byte_for_byte() {
    let text = "2 id.x 5 -1 5 cut of later\nab\n\0c\n🐵🙈🙉\n1 y 999\nGET /\n🐵🙈🙉\n";
    let ran = run("gor-merge", &["--shift=-=+1ns"], text.as_bytes());
    ran.ends_with(0);
    let expected = text.replace(" 5 -1", " 6 -1").replace("999", "1000");
    ran.writes(expected.as_bytes());
}

#[test]
fn a_response_comes_after_its_request() {
    let request = record("x", 5);
    let response = format!("2 x 5 1\nHTTP/1.1 200 OK\r\n\r\n{SEPARATOR}");
    let early = response.replace(" 5 ", " 3 ");
    let files = Files::new(&[]);
    std::fs::write(files.path("one.gor"), &response).unwrap();
    std::fs::write(files.path("two.gor"), &request).unwrap();
    std::fs::write(files.path("early.gor"), &early).unwrap();
    files.merge(&["@one.gor", "@two.gor"], b"").ends_with(0).writes((request.clone() + &response).as_bytes());
    files.merge(&["--sort", "@one.gor", "@two.gor"], b"").writes((request.clone() + &response).as_bytes());
    files.merge(&["--window=5ns", "@early.gor", "@two.gor"], b"").writes((request + &early).as_bytes());
}

#[test]
fn a_large_record_among_others_is_nothing_to_be_told() {
    let large = format!("1 bb 2 0\nPOST / HTTP/1.1\r\n\r\n{}\n🐵🙈🙉\n", "x".repeat(2_000_000));
    let small = |id: &str, time: u64| format!("1 {id} {time} 0\nGET / HTTP/1.1\r\n\r\n\n🐵🙈🙉\n");
    let input = small("aa", 1) + &large + &small("cc", 3);
    for args in [&[][..], &["--sort"], &["--sort", "--memory", "1mb"]] {
        run("gor-merge", args, input.as_bytes()).ends_with(0).is_silent().writes(input.as_bytes());
    }
}

#[test]
fn an_input_out_of_order_is_told_and_written_as_it_stands() {
    let ran = run("gor-merge", &[], recording("a5 b3 c9").as_bytes());
    ran.ends_with(0).says("1 record out of order in the input");
    assert_eq!(names(&ran.stdout), "a5 b3 c9");
    run("gor-merge", &["-q"], recording("a5 b3 c9").as_bytes()).ends_with(0).is_silent();
    let ran = run("gor-merge", &["--window", "1ns"], recording("a5 b9 c3").as_bytes());
    ran.ends_with(0).says("1 record later than --window");
    assert_eq!(names(&ran.stdout), "a5 c3 b9");
}

#[test]
fn a_command_line_that_is_wrong_shows_where() {
    let files = Files::new(&[("a.gor", "a1")]);
    let cases: &[(&[&str], &str)] = &[
        (&["--shift", "@a.gor"], "FILE=+1h"),
        (&["--shift", "a=+soon"], "    a=+soon\n       ^"),
        (&["--shift", "@b.gor=+1h", "@a.gor"], "b.gor: it is none of the inputs"),
        (&["--shift", "@a.gor=+1h", "--shift", "@a.gor=1h", "@a.gor"], "more than once"),
        (&["--rebase", "soon"], "    soon\n    ^"),
        (&["--window", "soon"], "500ms"),
        (&["--memory", "1kb"], "from 1MB to 3GB"),
        (&["-", "-"], "standard input"),
    ];
    for (args, text) in cases {
        files.merge(args, b"").ends_with(2).writes(b"").says(text);
    }
}

#[test]
fn broken_inputs_do_not_hide_the_others() {
    let files = Files::new(&[("a.gor", "a1 b5"), ("b.gor", "c3")]);
    let whole = recording(&"d2 e4 ".repeat(2000));
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    packed.write_all(whole.as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    std::fs::write(files.path("cut.gz"), &packed[..packed.len() / 2]).unwrap();
    for extra in [&[][..], &["--sort"]] {
        let inputs = ["-q", "@a.gor", "@missing.gor", "@cut.gz", "@b.gor"];
        let ran = files.merge(&[extra, &inputs].concat(), b"");
        ran.ends_with(1).says("missing.gor: no such file").says("cut.gz: the gzip data ends early");
        ran.says("2 of 4 inputs could not be read whole");
        let found = names(&ran.stdout);
        for name in ["a1", "b5", "c3", "d2", "e4"] {
            assert!(found.split(' ').any(|found| found == name), "{name}: {found}");
        }
    }
    let ran = files.merge(&["@missing.gor", "-o", "@out.gor"], b"");
    ran.ends_with(1).says("missing.gor");
    assert!(!Path::new(&files.path("out.gor")).exists());
}

#[test]
fn the_ledger_says_what_became_of_each_record() {
    let ran = run("gor-merge", &["--dedup", "--stats"], recording("a1 a2 b3").as_bytes());
    ran.ends_with(0).says("3  records read\n").says("2    written\n").says("1    dropped by --dedup\n");
}

/// Two thousand files of which a hundred at a time overlap.
#[test]
fn thousands_of_inputs_need_few_descriptors() {
    let files = Files::new(&[]);
    let mut expected: Vec<i64> = Vec::new();
    for file in 0..2000_i64 {
        let times: Vec<i64> = (0..3).map(|turn| file * 100 + turn * 5000).collect();
        expected.extend(&times);
        let text: String = times.iter().map(|time| record("a", *time)).collect();
        std::fs::write(files.path(&format!("{file:04}.gor")), text).unwrap();
    }
    expected.sort_unstable();
    let expected: Vec<_> = expected.iter().map(|time| format!("a{time}")).collect();
    let tool = Path::new(env!("CARGO_BIN_EXE_gor-merge")).display();
    for limits in ["ulimit -n 64", "ulimit -Sn 64"] {
        for option in ["", "--sort"] {
            let line = format!("{limits}; exec {tool} {option} '{}*.gor'", files.path(""));
            let output = Command::new("sh").args(["-c", &line]).output().unwrap();
            let ran = Ran::new("sh", &["-c", &line], output);
            ran.ends_with(0).is_silent();
            assert!(names(&ran.stdout) == expected.join(" "), "{line}");
        }
    }
}

#[test]
fn pipes_are_merged_as_they_speak() {
    let files = Files::new(&[("a.gor", "a1 c7")]);
    let mut child = command("gor-merge", &[&files.path("a.gor"), "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut say = |names: &str, heard: &str| {
        stdin.write_all(recording(names).as_bytes()).unwrap();
        let mut seen = vec![0; recording(heard).len()];
        stdout.read_exact(&mut seen).unwrap();
        assert_eq!(String::from_utf8(seen).unwrap(), recording(heard));
    };
    say("b3", "a1 b3");
    say("b4 b5", "b4 b5");
    say("d8", "c7 d8");
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_signal_writes_what_was_read_and_ends() {
    let files = Files::new(&[("a.gor", "a1 c7 e9")]);
    let mut child = command("gor-merge", &[&files.path("a.gor"), "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(recording("b3").as_bytes()).unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut seen = vec![0; recording("a1 b3").len()];
    stdout.read_exact(&mut seen).unwrap();
    signal(child.id(), "TERM");
    let mut rest = Vec::new();
    stdout.read_to_end(&mut rest).unwrap();
    assert_eq!(names(&rest), "c7 e9");
    assert!(child.wait().unwrap().success());
    drop(stdin);
}

fn signal(id: u32, name: &str) {
    let kill = format!("kill -{name} {id}");
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
}

/// The temporary file of a process is open, and has no name.
fn holds_temporary_file(id: u32, directory: &str) -> bool {
    let Ok(open) = std::fs::read_dir(format!("/proc/{id}/fd")) else { return false };
    let links = open.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok());
    links.into_iter().any(|link| link.to_string_lossy().starts_with(directory))
}

#[test]
fn a_sort_that_is_killed_leaves_no_temporary_files() {
    for name in ["TERM", "KILL"] {
        let files = Files::new(&[]);
        let directory = files.path("");
        let mut child = command("gor-merge", &["--sort", "--memory", "1mb"])
            .env("TMPDIR", &directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let text = recording(&"b7 a2 ".repeat(20_000));
        stdin.write_all(text.as_bytes()).unwrap();
        while !holds_temporary_file(child.id(), &directory) {
            std::thread::yield_now();
        }
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0, "it has a name");
        signal(child.id(), name);
        let mut seen = Vec::new();
        child.stdout.take().unwrap().read_to_end(&mut seen).unwrap();
        child.wait().unwrap();
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0, "{name}");
        drop(stdin);
    }
}

#[test]
fn a_full_temporary_disk_is_an_error_that_names_it() {
    let files = Files::new(&[]);
    std::fs::write(files.path("in.gor"), recording(&"b7 a2 ".repeat(60_000))).unwrap();
    std::fs::create_dir(files.path("small")).unwrap();
    let mount = format!("mount -t tmpfs -o size=1m tmpfs {}", files.path("small"));
    let unshared = ["--map-root-user", "--mount", "sh", "-c"];
    if !Command::new("unshare").args(unshared).arg(&mount).status().is_ok_and(|status| status.success()) {
        skip("no small disk can be mounted here");
        return;
    }
    let tool = env!("CARGO_BIN_EXE_gor-merge");
    let (small, input) = (files.path("small"), files.path("in.gor"));
    let line = format!("{mount} && exec {tool} --sort --memory 1mb --temp-dir {small} {input}");
    let output = Command::new("unshare").args(unshared).arg(&line).output().unwrap();
    let ran = Ran::new("unshare", &[&line], output);
    ran.ends_with(1).says("small: no space left on device; --temp-dir");
}
