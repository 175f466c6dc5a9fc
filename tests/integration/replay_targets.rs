//! `gor-replay` with several targets: what one of them does is of no matter to the others.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::support::live::Process;
use super::support::origin::{Answer, Origin};
use super::support::program::command;
use super::support::replayer::{OK, assert_exit, assert_says, good, lines, record, replay};

/// Requests, of 4 KiB each: more than is read ahead.
const REQUESTS: usize = 3000;

/// Connections to each target.
const CONNECTIONS: usize = 4;

/// A gate before all answers of a server.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    /// Returns once it is open.
    fn pass(&self) {
        let is_open = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(is_open, |is_open| !*is_open).unwrap());
    }
}

/// A server that answers once the gate is open.
fn behind(gate: &Gate) -> Origin {
    let gate = gate.clone();
    Origin::start(move |_| {
        gate.pass();
        Answer::Send(OK.to_vec())
    })
}

fn recording() -> Vec<u8> {
    let padding = "x".repeat(4096);
    let one = |number| {
        let request = format!("GET /{number} HTTP/1.1\r\nHost: a\r\nPadding: {padding}\r\n\r\n");
        record(1, &format!("{number:024x}"), number as i64, request.as_bytes())
    };
    (0..REQUESTS).flat_map(one).collect()
}

fn start(input: &Path, args: &[&str], targets: &[&Origin]) -> Process {
    let mut tool = command("gor-replay", &["--no-wait", "--timeout", "1h", "-i", input.to_str().unwrap()]);
    tool.args(["--connections", &CONNECTIONS.to_string()]).args(args);
    tool.args(targets.iter().map(|target| target.address().to_string()));
    Process(tool.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("gor-replay runs"))
}

/// Waits until it ends, and that well.
fn end(mut process: Process) -> String {
    let mut said = String::new();
    process.0.stderr.take().expect("a pipe").read_to_string(&mut said).expect("text");
    assert_eq!(process.0.wait().expect("it ends").code(), Some(0), "{said}");
    said
}

/// Waits until so many requests have come.
fn wait_for(origin: &Origin, requests: usize, child: &mut Child) {
    let began = Instant::now();
    while origin.received().len() < requests {
        assert_eq!(child.try_wait().expect("it can be asked"), None, "it has ended");
        // Long enough for any machine: this is about a replay that stands still.
        assert!(began.elapsed() < Duration::from_mins(2), "{} of {requests} came", origin.received().len());
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn without_waiting_a_target_is_not_held_up_by_one_that_does_not_answer() {
    let folder = tempfile::tempdir().expect("a folder");
    let input = folder.path().join("in.gor");
    std::fs::write(&input, recording()).unwrap();
    let all: Vec<String> = (0..REQUESTS).map(|number| format!("GET /{number}")).collect();
    let sorted = |origin: &Origin| {
        let mut lines = lines(origin);
        lines.sort_by_key(|line| line["GET /".len()..].parse::<usize>().expect("a number"));
        lines
    };
    let gate = Gate::default();
    // Whichever comes first.
    for slow_is_first in [true, false] {
        let (gate, fast) = (Gate::default(), Origin::start(good));
        let slow = behind(&gate);
        let targets = if slow_is_first { [&slow, &fast] } else { [&fast, &slow] };
        let mut process = start(&input, &[], &targets);
        wait_for(&fast, REQUESTS, &mut process.0);
        assert_eq!(slow.received().len(), 0, "what came there is not answered, so it is not remembered");
        assert!(slow.connections() <= CONNECTIONS);
        gate.open();
        let said = end(process);
        assert_says(&said, &format!("read        {REQUESTS} requests, 0 responses\n"));
        assert_eq!(said.matches(&format!("answered    {REQUESTS}\n")).count(), 2, "{said}");
        assert!(!said.contains("slowest"), "{said}");
        assert_eq!((sorted(&fast), sorted(&slow)), (all.clone(), all.clone()));
    }
    // So it is with those that split the requests.
    let fast = Origin::start(good);
    let slow = behind(&gate);
    let mut process = start(&input, &["--split"], &[&slow, &fast]);
    wait_for(&fast, REQUESTS / 2, &mut process.0);
    assert_eq!(slow.received().len(), 0);
    gate.open();
    end(process);
    let in_turn = |from: usize| all.iter().skip(from).step_by(2).cloned().collect::<Vec<_>>();
    assert_eq!((sorted(&slow), sorted(&fast)), (in_turn(0), in_turn(1)));
}

#[test]
fn requests_that_a_slow_target_did_not_come_to_are_counted_when_the_replay_is_interrupted() {
    let folder = tempfile::tempdir().expect("a folder");
    let [input, counts] = ["in.gor", "counts.json"].map(|name| folder.path().join(name));
    std::fs::write(&input, recording()).unwrap();
    for args in [&[][..], &["--split"]] {
        let (gate, fast) = (Gate::default(), Origin::start(good));
        let slow = behind(&gate);
        let json = ["--stats-json", counts.to_str().unwrap()];
        let mut process = start(&input, &[args, &json].concat(), &[&fast, &slow]);
        let copies = if args.is_empty() { 2 } else { 1 };
        wait_for(&fast, REQUESTS * copies / 2, &mut process.0);
        let interrupt = |child: &Child| kill_process(Pid::from_child(child), Signal::INT).expect("it runs");
        interrupt(&process.0);
        let mut said = BufReader::new(process.0.stderr.take().expect("a pipe")).lines();
        let is_told = said.any(|line| line.expect("text").contains("interrupt again not to wait"));
        assert!(is_told, "it has ended by itself");
        interrupt(&process.0);
        let said: Vec<String> = said.map(|line| line.expect("text")).collect();
        assert_eq!(process.0.wait().expect("it ends").code(), Some(1), "{said:#?}");
        gate.open();
        let counts: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&counts).expect("it was written")).expect("JSON");
        assert_eq!(counts["requests"], REQUESTS, "{counts:#}");
        let sum = |of: &serde_json::Value| -> u64 {
            of.as_object().expect("reasons").values().map(|number| number.as_u64().expect("a number")).sum()
        };
        let mut requests = 0;
        for target in counts["targets"].as_array().expect("targets") {
            let sent = target["sent"].as_u64().expect("a number");
            assert_eq!(sent, target["answered"].as_u64().unwrap() + sum(&target["failed"]), "{counts:#}");
            requests += sent + sum(&target["not_sent"]);
        }
        assert_eq!(requests, (REQUESTS * copies) as u64, "{args:?}: {counts:#}");
    }
}

#[test]
fn that_targets_of_an_input_that_is_read_once_wait_for_each_other_is_said() {
    let origins = [Origin::start(good), Origin::start(good)];
    let targets = origins.each_ref().map(|origin| origin.address().to_string());
    let [first, second] = targets.each_ref().map(String::as_str);
    let input = record(1, "a", 0, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let words = "gor-replay: all targets go at the pace of the slowest, as the input is read once";
    assert_says(&assert_exit(&replay(&["--no-wait", first, second], &input), 0), words);
    // There is a schedule, or one target.
    for args in [&[first, second][..], &["--no-wait", first]] {
        let said = assert_exit(&replay(args, &input), 0);
        assert!(!said.contains("slowest"), "{args:?}: {said}");
    }
}
