//! A limit on the size of files (`ulimit -f`) is a full disk: told, with whole records kept.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;

use crate::support::origin::Origin;
use crate::support::replayer::{gets, good};

/// Runs a tool that may write no file of more than 8 KiB.
fn limited(tool: &str, args: &str, input: &[u8], directory: &Path) -> Output {
    let tool = Path::new(env!("CARGO_BIN_EXE_gor-filter")).with_file_name(tool);
    let script = format!("ulimit -f 8; exec {} {args}", tool.display());
    let mut command = Command::new("bash");
    command.args(["-c", &script]).current_dir(directory);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("a shell");
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_vec();
    // A tool that ends early does not read all of it.
    let writing = thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().expect("it ends");
    writing.join().expect("the writer ends");
    output
}

/// Ended with status 1 and this in words; the file holds whole records, and some.
#[track_caller]
fn assert_told_and_whole(output: &Output, words: &str, path: &Path) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{:?}\n{said}", output.status);
    assert!(said.contains(words), "{words:?} is not in:\n{said}");
    let text = std::fs::read(path).expect("a file");
    assert!(text.len() > 4096 && text.len() <= 8192, "{} bytes", text.len());
    assert!(text.ends_with("\n🐵🙈🙉\n".as_bytes()), "{}", String::from_utf8_lossy(&text));
}

fn many() -> Vec<u8> {
    gets(&vec![(0, "/some/path"); 2000])
}

#[test]
fn a_tool_whose_file_may_not_grow_ends_with_an_error_and_whole_records() {
    for (tool, args) in
        [("gor-filter", "-o out.gor"), ("gor-rewrite", "-o out.gor"), ("gor-merge", "-o out.gor -")]
    {
        let directory = tempfile::tempdir().expect("a directory");
        let output = limited(tool, args, &many(), directory.path());
        let words = format!("{tool}: out.gor: file too large; its last whole record is number ");
        assert_told_and_whole(&output, &words, &directory.path().join("out.gor"));
    }
}

#[test]
fn a_recording_that_may_not_grow_ends_with_an_error_and_whole_records() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    std::fs::write(root.join("in.gor"), many()).expect("a recording");
    let made = limited("gor-filter", "in.gor -o -", b"", root);
    assert_eq!(made.stdout, many(), "a pipe has no size");
    // Unlimited, as the capture is larger than the limit.
    let filter = Command::new(env!("CARGO_BIN_EXE_gor-filter"))
        .args(["in.gor", "-o", "in.pcap"])
        .current_dir(root)
        .status()
        .expect("gor-filter runs");
    assert!(filter.success());
    let output = limited("gor-record", "-r in.pcap -o out.gor", b"", root);
    assert_told_and_whole(&output, "gor-record: out.gor: file too large; ", &root.join("out.gor"));
}

#[test]
fn a_replay_whose_output_may_not_grow_ends_with_an_error_and_whole_records() {
    let directory = tempfile::tempdir().expect("a directory");
    let origin = Origin::start(good);
    let args = format!("--no-wait -o out.gor {}", origin.address());
    let output = limited("gor-replay", &args, &many(), directory.path());
    let path = directory.path().join("out.gor");
    assert_told_and_whole(&output, "gor-replay: out.gor: file too large; ", &path);
}

#[test]
fn a_program_that_a_tool_starts_finds_the_signal_as_it_was() {
    let directory = tempfile::tempdir().expect("a directory");
    let masks = "sh -c \"grep -e SigBlk -e SigIgn /proc/self/status >&2; cat\"";
    let script = format!("--middleware '{masks}' -o /dev/null");
    let output = limited("gor-rewrite", &script, &gets(&[(0, "/")]), directory.path());
    let said = String::from_utf8_lossy(&output.stderr);
    let masks: Vec<u64> = said
        .lines()
        .filter_map(|line| line.starts_with("Sig").then(|| line.split_whitespace().last()).flatten())
        .filter_map(|digits| u64::from_str_radix(digits, 16).ok())
        .collect();
    assert_eq!(masks.len(), 2, "{said}");
    let bit = 1 << (rustix::process::Signal::XFSZ.as_raw() - 1);
    assert!(masks.iter().all(|mask| mask & bit == 0), "{said}");
}
