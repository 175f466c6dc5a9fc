//! A tool as a program: its input, its status, both its streams.

use std::fmt;
use std::io::Write;
use std::path::Path;
use std::process::{Command, ExitStatus, Output, Stdio};
use std::thread;

/// A tool that ran to its end. A failed expectation shows all of it.
pub(crate) struct Ran {
    command: String,
    status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

/// A tool's command, not yet started. Its directory is the project's root.
pub(crate) fn command(tool: &str, args: &[&str]) -> Command {
    let beside = Path::new(env!("CARGO_BIN_EXE_gor-filter"));
    let mut command = Command::new(beside.with_file_name(tool));
    command.args(args).current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

/// Runs a tool on `input` to its end.
pub(crate) fn run(tool: &str, args: &[&str], input: &[u8]) -> Ran {
    let mut command = command(tool, args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the tool starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    let input = input.to_vec();
    // A tool may well end before it has read everything.
    let feeder = thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().expect("it can be waited for");
    feeder.join().expect("feeding does not fail");
    Ran::new(tool, args, output)
}

impl Ran {
    pub(crate) fn new(tool: &str, args: &[&str], output: Output) -> Self {
        Ran {
            command: format!("{tool} {}", args.join(" ")),
            status: output.status,
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).expect("messages are text"),
        }
    }

    /// It ended with this status.
    #[track_caller]
    pub(crate) fn ends_with(&self, status: i32) -> &Self {
        assert_eq!(self.status.code(), Some(status), "{self}");
        self
    }

    /// The status that it ended with; none at a signal.
    pub(crate) fn ends(&self) -> Option<i32> {
        self.status.code()
    }

    /// It said this on standard error.
    #[track_caller]
    pub(crate) fn says(&self, text: &str) -> &Self {
        assert!(self.stderr.contains(text), "expected {text:?}\n{self}");
        self
    }

    /// It said nothing on standard error.
    #[track_caller]
    pub(crate) fn is_silent(&self) -> &Self {
        assert!(self.stderr.is_empty(), "{self}");
        self
    }

    /// It wrote this to standard output.
    #[track_caller]
    pub(crate) fn writes(&self, expected: &[u8]) -> &Self {
        assert!(self.stdout == expected, "expected {:?}\n{self}", String::from_utf8_lossy(expected));
        self
    }
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "$ {}\n{}", self.command, self.status)?;
        writeln!(f, "--- stdout\n{}", String::from_utf8_lossy(&self.stdout))?;
        writeln!(f, "--- stderr\n{}", self.stderr)
    }
}
