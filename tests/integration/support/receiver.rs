//! Tools that wait for senders, and what is sent to them.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::program::{Ran, command, run};

/// What stands between two records.
pub(crate) const SEPARATOR: &str = "\n🐵🙈🙉\n";

/// A request of a client, told by its port, with a body of so many bytes.
pub(crate) fn request(client: u16, number: u32, length: usize) -> String {
    let body = "x".repeat(length);
    let text =
        format!("POST /{client}/{number} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}");
    format!(
        "1 {client:04x}0050{:08x}{number:08x} {} 0\n{text}{SEPARATOR}",
        0x7f00_0001, 1_763_900_000_000_000_000_u64
    )
}

/// So many of them.
pub(crate) fn requests(client: u16, number: u32) -> String {
    (0..number).map(|number| request(client, number, 10)).collect()
}

/// A tool that waits for senders, and writes what they send to its standard output.
pub(crate) struct Receiver {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) said: String,
    errors: BufReader<ChildStderr>,
    reading: thread::JoinHandle<Vec<u8>>,
    /// How much of its output was read.
    written: Arc<(Mutex<usize>, Condvar)>,
}

impl Receiver {
    pub(crate) fn start(place: &str, more: &[&str]) -> Self {
        Self::start_tool("gor-filter", &[&[place], more].concat())
    }

    pub(crate) fn start_tool(tool: &str, args: &[&str]) -> Self {
        let mut command = command(tool, args);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the tool starts");
        let mut output = child.stdout.take().expect("it is piped");
        let written = Arc::new((Mutex::new(0), Condvar::new()));
        let counted = Arc::clone(&written);
        let reading = thread::spawn(move || {
            let (mut text, mut bytes) = (Vec::new(), [0; 8192]);
            loop {
                let read = output.read(&mut bytes).expect("a pipe can be read");
                text.extend_from_slice(&bytes[..read]);
                *counted.0.lock().expect("nobody panics") = text.len();
                counted.1.notify_all();
                if read == 0 {
                    return text;
                }
            }
        });
        let mut errors = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut said = String::new();
        errors.read_line(&mut said).expect("a line");
        let (_, address) =
            said.trim().rsplit_once("waiting for senders at ").unwrap_or_else(|| panic!("{said}"));
        let address = address.parse().expect("an address");
        Receiver { child, address, said, errors, reading, written }
    }

    pub(crate) fn place(&self, scheme: &str) -> String {
        format!("{scheme}://{}", self.address)
    }

    /// Waits until it has said this.
    pub(crate) fn wait_until_it_says(&mut self, text: &str) {
        while !self.said.contains(text) {
            let length = self.errors.read_line(&mut self.said).expect("a line");
            assert!(length > 0, "expected {text:?}: {}", self.said);
        }
    }

    /// Waits until it has written so many bytes.
    pub(crate) fn wait_until_it_has_written(&self, bytes: usize) {
        let (written, changed) = &*self.written;
        let written = written.lock().expect("nobody panics");
        let waited = changed.wait_timeout_while(written, Duration::from_mins(1), |written| *written < bytes);
        let (written, _) = waited.expect("nobody panics");
        assert!(*written >= bytes, "{} bytes", *written);
    }

    /// Asks it to end. What it wrote, and what it said.
    #[track_caller]
    pub(crate) fn end(self, status: i32) -> (Vec<u8>, String) {
        kill_process(Pid::from_child(&self.child), Signal::INT).expect("it runs");
        self.ended(status)
    }

    /// Waits until it ends by itself. What it wrote, and what it said.
    #[track_caller]
    pub(crate) fn ended(mut self, status: i32) -> (Vec<u8>, String) {
        self.errors.read_to_string(&mut self.said).expect("text");
        let exit = self.child.wait().expect("it can be waited for");
        assert_eq!(exit.code(), Some(status), "{}", self.said);
        (self.reading.join().expect("it ends"), self.said)
    }
}

/// Has gor-filter send what it reads.
pub(crate) fn send(place: &str, more: &[&str], input: &str) -> Ran {
    run("gor-filter", &[&["-o", place], more].concat(), input.as_bytes())
}
