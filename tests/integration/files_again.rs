//! Files that are written to again, by several at once, or while they are read.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Stdio};

use super::support::skip::skip;
use crate::support::program::{Ran, command, run};

const SEPARATOR: &str = "\n🐵🙈🙉\n";

fn request(number: u32) -> String {
    format!("1 {number:024x} 17639{number:014} 10\nGET /{number} HTTP/1.1\r\n\r\n{SEPARATOR}")
}

/// Requests numbered from `from` to before `to`.
fn requests(from: u32, to: u32) -> String {
    (from..to).map(request).collect()
}

/// What our own reader finds in a file.
fn read(path: &str) -> String {
    let ran = run("gor-filter", &[path], b"");
    ran.ends_with(0);
    String::from_utf8(ran.stdout).unwrap()
}

/// Runs a tool with these files as its standard streams.
fn run_with(tool: &str, args: &[&str], input: Stdio, output: Stdio) -> Ran {
    let child = command(tool, args).stdin(input).stdout(output).stderr(Stdio::piped()).spawn().unwrap();
    Ran::new(tool, args, child.wait_with_output().unwrap())
}

#[test]
fn an_output_that_is_an_input_or_another_output_is_refused_before_it_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (file, link, hard, fresh, dangling) =
        (path("x.gor"), path("l.gor"), path("h.gor"), path("n.gor"), path("d.gor"));
    let input = requests(0, 3);
    std::fs::write(&file, &input).unwrap();
    symlink(&file, &link).unwrap();
    std::fs::hard_link(&file, &hard).unwrap();
    symlink(&fresh, &dangling).unwrap();
    for tool in ["gor-filter", "gor-rewrite", "gor-merge"] {
        let own: &[&str] = if tool == "gor-rewrite" { &["--set-header", "X: 1"] } else { &[] };
        let cases: [&[&str]; 9] = [
            &["--force", "-o", &file, &file],
            &["--force", "-o", &link, &file],
            &["--force", "-o", &file, &hard],
            &["--append", "-o", &file, &file],
            &["--force", "-o", &fresh, "-o", &file, &link],
            &["--force", "-o", &fresh, "-o", &fresh],
            &["--force", "-o", &fresh, "-o", &dangling],
            &["--force", "-o", &path("./n.gor"), "-o", &fresh],
            &["-o", &fresh, "--stats-json", &file, &file],
        ];
        for case in cases {
            run(tool, &[own, case].concat(), b"").ends_with(2).says("it is also");
            assert_eq!(std::fs::read_to_string(&file).unwrap(), input, "{tool} {case:?}");
            assert!(!Path::new(&fresh).exists(), "{tool} {case:?}");
        }
        for mode in ["--force", "--append"] {
            let args = [own, &[mode, "-o", &link]].concat();
            let ran = run_with(tool, &args, File::open(&file).unwrap().into(), Stdio::null());
            ran.ends_with(2).says("it is also an input");
        }
        let append = || OpenOptions::new().append(true).open(&file).unwrap();
        run_with(tool, own, File::open(&file).unwrap().into(), append().into()).ends_with(2);
        run_with(tool, &[own, &["-o", "-", "-o", &link]].concat(), Stdio::null(), append().into())
            .ends_with(2);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), input, "{tool}");
    }
}

/// A writer that has been given these records and has written them out.
fn writer(args: &[&str], path: &str, records: &str, is_there: impl Fn() -> bool) -> Child {
    let mut child = command("gor-filter", &[args, &["--flush-interval", "10ms", "-o", path]].concat())
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.as_mut().unwrap().write_all(records.as_bytes()).unwrap();
    while !is_there() {
        assert!(child.try_wait().unwrap().is_none(), "the writer has ended");
        std::thread::yield_now();
    }
    child
}

fn length(path: &str) -> u64 {
    std::fs::metadata(path).map_or(0, |found| found.len())
}

#[test]
fn a_second_writer_is_told_and_loses_nothing_of_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.gor").display().to_string();
    let mut first = writer(&[], &path, &requests(0, 10), || length(&path) > 0);
    for mode in ["--append", "--force"] {
        let second = run("gor-filter", &[mode, "-o", &path], requests(20, 30).as_bytes());
        second.ends_with(1).says("another program is writing to it");
    }
    first.stdin.take().unwrap().write_all(requests(10, 20).as_bytes()).unwrap();
    assert!(first.wait().unwrap().success());
    run("gor-filter", &["--append", "-o", &path], requests(20, 30).as_bytes()).ends_with(0).is_silent();
    assert_eq!(read(&path), requests(0, 30));
}

#[test]
fn a_writer_that_was_killed_goes_on_where_it_was() {
    for name in ["x.gor", "x.gor.gz", "x.gor.zst"] {
        for index in [&[][..], &["--index"]] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(name).display().to_string();
            let args = [&["--append"], index].concat();
            for round in 0..3 {
                let (from, to) = (round * 60, round * 60 + 60);
                let is_there = || {
                    let ran = run("gor-filter", &["--count", &path], b"");
                    ran.stdout == format!("{to}\n").as_bytes()
                };
                let mut child = writer(&args, &path, &requests(from, to), is_there);
                child.kill().unwrap();
                child.wait().unwrap();
            }
            let whole =
                run("gor-filter", &[&args[..], &["-o", &path]].concat(), requests(180, 200).as_bytes());
            whole.ends_with(0);
            assert_eq!(read(&path), requests(0, 200), "{name} {index:?}");
            if !index.is_empty() {
                let since = ["--since", "1763900000000000190", &path];
                run("gor-filter", &since, b"").ends_with(0).writes(requests(190, 200).as_bytes());
            }
        }
    }
}

#[test]
fn a_record_that_a_killed_writer_left_unfinished_is_kept_and_marked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.gor").display().to_string();
    let body = "POST /b HTTP/1.1\r\nContent-Length: 9\r\n\r\n123";
    let cases = [
        (format!("1 ab 5 0\n{body}"), format!("1 ab 5 0 {} cut\n{body}{SEPARATOR}", body.len())),
        (format!("1 ab 5 0 99\n{body}"), format!("1 ab 5 0 {} cut\n{body}{SEPARATOR}", body.len())),
        (format!("1 ab 5 0\n{body}456789"), format!("1 ab 5 0\n{body}456789{SEPARATOR}")),
        (format!("1 ab 5 0\n{body}456789\n🐵"), format!("1 ab 5 0\n{body}456789{SEPARATOR}")),
        (String::new(), String::new()),
        ("1 ab 5 0 1".into(), String::new()),
        ("1 ab 5 0 14".into(), String::new()),
        (
            format!("1 ab 5 0 99\n{body}{SEPARATOR}"),
            format!("1 ab 5 0 {} cut\n{body}{SEPARATOR}{SEPARATOR}", body.len() + SEPARATOR.len()),
        ),
    ];
    for (torn, mended) in cases {
        std::fs::write(&path, requests(0, 2) + &torn).unwrap();
        run("gor-filter", &["--append", "-o", &path], request(2).as_bytes()).ends_with(0);
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            requests(0, 2) + &mended + &request(2),
            "{torn:?}"
        );
    }
}

#[test]
fn what_is_no_record_is_not_taken_away_by_what_is_added() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.gor").display().to_string();
    let crlf = requests(0, 2).replace(SEPARATOR, "\r\n🐵🙈🙉\r\n");
    let whole = requests(0, 2);
    for there in ["notes", "1 note", "notes\nand more", &format!("{whole}notes"), &crlf] {
        std::fs::write(&path, there).unwrap();
        run("gor-filter", &["--append", "-o", &path], request(2).as_bytes()).ends_with(0);
        let now = std::fs::read_to_string(&path).unwrap();
        assert!(now.starts_with(there) && now.ends_with(&request(2)), "{there:?}: {now:?}");
        assert!(!now.contains("cut"), "{now:?}");
    }
}

#[test]
fn a_file_that_is_truncated_while_it_is_written_gets_no_hole() {
    for name in ["x.gor", "x.gor.gz"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name).display().to_string();
        let mut child =
            writer(&[], &path, &requests(0, 50), || length(&path) > 0 && read_any(&path) == requests(0, 50));
        OpenOptions::new().write(true).truncate(true).open(&path).unwrap();
        child.stdin.take().unwrap().write_all(requests(50, 60).as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
        assert_eq!(read(&path), requests(50, 60), "{name}");
    }
}

/// What can be read of a file that is being written.
fn read_any(path: &str) -> String {
    String::from_utf8(run("gor-filter", &[path], b"").stdout).unwrap()
}

#[test]
fn a_shell_that_adds_to_a_full_disk_keeps_whole_records() {
    let folder = tempfile::tempdir().unwrap();
    let mut mount = std::process::Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(folder.path()).stderr(Stdio::null());
    let mounted = mount.status();
    if !mounted.is_ok_and(|status| status.success()) {
        skip("no file system may be mounted here");
        return;
    }
    let path = folder.path().join("x.gor").display().to_string();
    std::fs::write(&path, requests(0, 10)).unwrap();
    let input = folder.path().parent().unwrap().join(format!("{}.in", folder.path().display()));
    std::fs::write(&input, requests(10, 40_000)).unwrap();
    let output = OpenOptions::new().append(true).open(&path).unwrap();
    let ran = run_with("gor-filter", &[], File::open(&input).unwrap().into(), output.into());
    let kept = std::fs::read_to_string(&path).unwrap();
    std::process::Command::new("umount").arg(folder.path()).status().unwrap();
    std::fs::remove_file(&input).unwrap();
    ran.ends_with(1).says("its last whole record is number");
    assert!(kept.len() > 900_000 && requests(0, 40_000).starts_with(&kept), "{}", kept.len());
    assert!(kept.ends_with(SEPARATOR));
}

#[test]
fn a_run_that_failed_leaves_no_empty_file_in_the_way_of_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.gor").display().to_string();
    let missing = folder.path().join("missing.gor").display().to_string();
    for tool in ["gor-filter", "gor-merge"] {
        run(tool, &["-o", &path, &missing], b"").ends_with(1);
        assert!(!Path::new(&path).exists(), "{tool}");
        run(tool, &["-o", &path], b"").ends_with(0);
        assert_eq!(length(&path), 0, "an empty input is no failure");
        std::fs::remove_file(&path).unwrap();
    }
}
