//! Habits that all tools have: exit statuses, standard streams, signals.

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const RECORD: &str = env!("CARGO_BIN_EXE_gor-record");
const SHOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/shop.pcapng");

/// Runs a line of shell, in which `gor-record` and `$SHOP` mean ours.
fn shell(folder: &Path, line: &str) -> Output {
    let tools = Path::new(RECORD).parent().expect("a binary is in a folder");
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new("bash");
    command.args(["-c", line]).current_dir(folder).env("PATH", path).env("SHOP", SHOP);
    command.stdin(Stdio::null()).output().expect("bash runs")
}

/// What failed, with all that is needed to understand it.
fn story(line: &str, output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(1000)]).into_owned();
    format!("{line}\n{}\nstdout: {}\nstderr: {}", output.status, text(&output.stdout), text(&output.stderr))
}

#[test]
fn exit_statuses_and_what_is_said() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("there"), "precious").unwrap();
    for (line, status, said) in [
        ("gor-record -r $SHOP -o null:", 0, ""),
        ("gor-record -r $SHOP --responses | head -c 10; exit ${PIPESTATUS[0]}", 0, ""),
        ("gor-record -r $SHOP --responses >&-", 0, ""),
        ("gor-record -r missing -o null:", 1, "gor-record: missing: no such file or directory\n"),
        ("gor-record -r 'missing*' -o null:", 1, "gor-record: missing*: no file matches this pattern\n"),
        ("mkdir dir; gor-record -r dir -o null:", 1, "gor-record: dir: no file in this directory\n"),
        ("gor-record -r $SHOP >/dev/full", 1, "gor-record: standard output: no space left on device\n"),
        ("gor-record -r $SHOP -o /dev/full", 1, "gor-record: /dev/full: no space left on device\n"),
        ("gor-record -r missing -o null: 2>/dev/full", 1, ""),
        (
            "gor-record -r $SHOP -o there",
            2,
            "gor-record: there: the file exists; --force overwrites it, --append adds to it\n",
        ),
        (
            "cp $SHOP in; gor-record -r in -o in --force",
            2,
            "gor-record: in: it is also an input (in); write to another file\n",
        ),
        (
            "cp $SHOP in; gor-record -r - <in >>in",
            2,
            "gor-record: standard output: it is also an input (standard input); write to another file\n",
        ),
        ("gor-record -r - -r -", 2, "gor-record: standard input can be read only once, but is named twice\n"),
        (
            "gor-record -r ws://broker:1/x",
            2,
            "gor-record: ws://broker:1/x: only records can be read from here\n",
        ),
    ] {
        let output = shell(folder.path(), line);
        let is_as_expected = output.status.code() == Some(status);
        assert!(is_as_expected, "{}", story(line, &output));
        assert_eq!(String::from_utf8_lossy(&output.stderr), said, "{}", story(line, &output));
    }
    assert_eq!(std::fs::read(folder.path().join("there")).unwrap(), b"precious");
}

#[test]
fn a_value_that_does_not_parse_names_option_value_and_form() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, parts) in [
        ("--max-message 5apples", ["--max-message", "5apples", "32mb"]),
        ("--max-message ''", ["--max-message", "a value is required", "none was supplied"]),
        ("--expire 5", ["--expire", "'5'", "1m30s"]),
    ] {
        let line = format!("gor-record -r $SHOP {arguments}");
        let output = shell(folder.path(), &line);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{}", story(&line, &output));
        assert!(parts.iter().all(|part| said.contains(part)), "{}", story(&line, &output));
    }
}

#[test]
fn input_is_the_same_by_name_by_pipe_and_compressed() {
    let folder = tempfile::tempdir().unwrap();
    let expected = shell(folder.path(), "gor-record -r $SHOP --responses -o -").stdout;
    assert!(!expected.is_empty());
    for line in [
        "gor-record -r - --responses <$SHOP",
        "cat $SHOP | gor-record -r - --responses",
        "gzip -c $SHOP | gor-record -r - --responses",
        "gor-record -r $SHOP --responses -o out && cat out",
        "gor-record -r <(cat $SHOP) --responses -o >(cat) | cat",
    ] {
        let output = shell(folder.path(), line);
        assert!(output.status.success() && output.stdout == expected, "{}", story(line, &output));
    }
}

#[test]
fn the_first_signal_ends_the_work_though_the_input_goes_on() {
    let mut tool = Command::new(RECORD);
    tool.args(["-r", "-", "--responses"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut tool = tool.spawn().expect("the tool runs");
    let mut input = tool.stdin.take().expect("it is piped");
    input.write_all(&std::fs::read(SHOP).unwrap()[..40_000]).unwrap();
    // Once records come, the handlers stand.
    let mut first = [0];
    std::io::Read::read_exact(tool.stdout.as_mut().expect("it is piped"), &mut first).unwrap();
    rustix::process::kill_process(pid(&tool), rustix::process::Signal::TERM).unwrap();
    let output = tool.wait_with_output().unwrap();
    drop(input);
    // It ends in the middle of a packet.
    assert_eq!(output.status.code(), Some(1), "{}", story("one signal", &output));
    assert!(output.stderr.ends_with(b"interrupted: the rest of the input was not read\n"));
}

#[test]
fn the_second_signal_ends_the_program_though_its_output_is_stuck() {
    let mut tool = Command::new(RECORD);
    tool.args(["-r", SHOP, "--responses"]).stdout(Stdio::piped());
    let mut tool = tool.spawn().expect("the tool runs");
    // Nobody reads, and its records are more than the pipe holds.
    let stuck = tool.stdout.take().expect("it is piped");
    while rustix::io::ioctl_fionread(&stuck).unwrap() < 60_000 {
        std::thread::yield_now();
    }
    let status = loop {
        // Signals of one number that wait are merged by the kernel, so there may be more than two.
        if let Some(status) = tool.try_wait().unwrap() {
            break status;
        }
        rustix::process::kill_process(pid(&tool), rustix::process::Signal::TERM).unwrap();
        std::thread::yield_now();
    };
    assert_eq!(status.signal(), Some(15), "{status}");
}

fn pid(child: &std::process::Child) -> rustix::process::Pid {
    rustix::process::Pid::from_child(child)
}

#[test]
fn a_time_that_is_over_ends_reading_and_that_is_no_loss() {
    let shop = Command::new(RECORD).args(["-r", SHOP, "--responses"]).output().expect("it runs").stdout;
    for tool in ["gor-filter", "gor-rewrite", "gor-merge", "gor-show"] {
        let mut command = super::support::program::command(tool, &["--exit-after", "300ms"]);
        let mut tool =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut input = tool.stdin.take().expect("it is piped");
        // The writer of this pipe never ends.
        input.write_all(&shop[..shop.len().min(20_000)]).expect("it reads");
        let output = tool.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(!output.stdout.is_empty(), "{output:?}");
    }
}
