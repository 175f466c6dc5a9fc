//! gor-record in a namespace of the network, and the exchanges that it recorded.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::{self, JoinHandle};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::program::{Ran, command};
use super::recorder::{Recording, is_request, records};

/// A process that does not outlive a test that fails.
pub(crate) struct Process(pub(crate) Child);

impl Drop for Process {
    fn drop(&mut self) {
        // Where the test went well it has ended already, and neither does anything.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whom root becomes.
pub(crate) const NOBODY: u32 = 65534;

/// Lets it make files in a directory once it is not root any more.
pub(crate) fn give_to_nobody(folder: &Path) {
    std::os::unix::fs::chown(folder, Some(NOBODY), Some(NOBODY)).expect("root may");
}

/// A gor-record that runs in a namespace.
pub(crate) struct Recorder {
    pub(crate) child: Process,
    pub(crate) errors: BufReader<std::process::ChildStderr>,
    said: String,
    folder: TempDir,
    /// What reads its output, as a full pipe would stop it.
    reading: Option<JoinHandle<std::io::Result<Vec<u8>>>>,
}

impl Recorder {
    /// Starts it, and waits until it says what it records.
    pub(crate) fn start(space: &str, args: &[&str]) -> Self {
        Self::start_through(space, &[], args)
    }

    /// The same, by another program that runs it.
    pub(crate) fn start_through(space: &str, through: &[&str], args: &[&str]) -> Self {
        let mut recorder = Self::spawn(space, through, args);
        recorder.read_output();
        recorder
    }

    /// Reads its output from now on.
    pub(crate) fn read_output(&mut self) {
        let mut output = self.child.0.stdout.take().expect("it is piped");
        self.reading = Some(thread::spawn(move || {
            let mut text = Vec::new();
            output.read_to_end(&mut text).map(|_| text)
        }));
    }

    /// The same, with its output to be taken.
    pub(crate) fn start_piped(space: &str, args: &[&str]) -> Self {
        Self::spawn(space, &[], args)
    }

    fn spawn(space: &str, through: &[&str], args: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let stats = folder.path().join("stats.json");
        let program = command("gor-record", &[]);
        let mut inside = Command::new("ip");
        // It becomes who called sudo, and these tests expect that nobody did.
        inside.env_remove("SUDO_UID").env_remove("SUDO_GID");
        inside.args(["netns", "exec", space]).args(through).arg(program.get_program()).args(args);
        inside.arg("--stats-json").arg(stats);
        inside.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = inside.spawn().expect("ip was there before");
        let mut errors = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut said = String::new();
        // What is said of the output that it goes on in may come before.
        while !said.contains("recording servers at") {
            let length = errors.read_line(&mut said).expect("a line");
            assert!(length > 0, "{said}");
        }
        Recorder { child: Process(child), errors, said, folder, reading: None }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child.0), signal).expect("it runs");
    }

    /// Ends it with a signal; it must end well.
    #[track_caller]
    pub(crate) fn end(self) -> Recording {
        self.end_with(0)
    }

    /// Ends it with a signal; it must end with this status.
    #[track_caller]
    pub(crate) fn end_with(self, code: i32) -> Recording {
        self.signal(Signal::INT);
        self.wait(code)
    }

    /// Waits until it ends by itself, which must be with this status.
    #[track_caller]
    pub(crate) fn wait(mut self, code: i32) -> Recording {
        self.errors.read_to_string(&mut self.said).expect("messages are text");
        let exit = self.child.0.wait().expect("it can be waited for");
        let stdout = self.reading.take().map_or(Vec::new(), |reading| {
            reading.join().expect("reading does not fail").expect("a pipe can be read")
        });
        let output = Output { status: exit, stdout, stderr: std::mem::take(&mut self.said).into_bytes() };
        let stats = std::fs::read(self.folder.path().join("stats.json")).expect("it wrote its ledger");
        let stats: Value = serde_json::from_slice(&stats).expect("--stats-json writes JSON");
        let records = records(&output.stdout);
        let ran = Ran::new("gor-record", &[], output);
        ran.ends_with(code);
        Recording { ran, records, stats }
    }
}

/// Paths of requests in the order in which they were recorded, each with the body of its response.
pub(crate) fn exchanges(recording: &Recording) -> Vec<(String, Option<Vec<u8>>)> {
    let requests = recording.records.iter().filter(|record| is_request(&record.header()));
    let exchange = |request: &gor_tools::record::Record| {
        let path = request.payload.split(|byte| *byte == b' ').nth(1).expect("a path");
        let mut answers = recording
            .records
            .iter()
            .filter(|record| !is_request(&record.header()) && record.header().id == request.header().id);
        let body = answers.next().map(|answer| {
            let end = answer.payload.windows(4).position(|end| end == b"\r\n\r\n").expect("a head");
            answer.payload[end + 4..].to_vec()
        });
        assert!(answers.next().is_none(), "a second answer");
        (String::from_utf8(path.to_vec()).expect("text"), body)
    };
    requests.map(exchange).collect()
}
