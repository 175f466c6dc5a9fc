//! gor-record is ended, killed, or cannot write while clients ask for more and more.
//!
//! Where namespaces cannot be made (they need root and `ip`) these tests say so and pass.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use gor_tools::record::{Kind, Record};
use rustix::process::Signal;

use super::support::live::{Recorder, exchanges};
use super::support::network::{HERE, Network, body};
use super::support::program::{Ran, run};
use super::support::recorder::{assert_reconciles, number, records};

const OUTPUTS: [&str; 3] = ["out.gor", "out.gor.gz", "out.gor.zst"];

/// Clients that ask without a pause, until it is dropped.
struct Load {
    /// Paths whose answers have come.
    answered: Arc<Mutex<Vec<String>>>,
    is_over: Arc<AtomicBool>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    fn start(network: &Network) -> Self {
        let (answered, is_over) = (Arc::<Mutex<Vec<_>>>::default(), Arc::<AtomicBool>::default());
        let client = |client: usize| {
            let (there, answered, is_over) = (network.there.clone(), answered.clone(), is_over.clone());
            thread::spawn(move || {
                for connection in 0.. {
                    if is_over.load(Ordering::Relaxed) {
                        return;
                    }
                    let path = |length| format!("/load/{client}/{connection}/{length}");
                    let paths = [0, 10, 5000, 70_000].map(path);
                    Network::get(&there, HERE[client % 2], &paths);
                    answered.lock().expect("no client panics").extend(paths);
                }
            })
        };
        let clients = (0..3).map(client).collect();
        Load { answered, is_over, clients }
    }

    /// What was answered so far, which is so much at least.
    fn answered(&self, least: usize) -> Vec<String> {
        wait_for("answers", || {
            let answered = self.answered.lock().expect("no client panics");
            (answered.len() >= least).then(|| answered.clone())
        })
    }

    fn end(mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        for client in self.clients.drain(..) {
            client.join().expect("all answers are right");
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

#[track_caller]
fn wait_for<T>(what: &str, condition: impl Fn() -> Option<T>) -> T {
    for _ in 0..600 {
        if let Some(answer) = condition() {
            return answer;
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("no {what} for 30 s");
}

/// What gor-filter reads from a file.
fn read(file: &Path, args: &[&str]) -> Ran {
    run("gor-filter", &[args, &[file.to_str().expect("text")]].concat(), b"")
}

/// Each of these paths has its request and its whole response once among the records.
#[track_caller]
fn assert_has(records: &[Record], paths: &[String], name: &str) {
    let mut found: BTreeMap<String, Vec<&Record>> = BTreeMap::new();
    let mut responses: BTreeMap<&[u8], Vec<&Record>> = BTreeMap::new();
    for record in records {
        if record.kind == Kind::Request {
            let path = record.payload.split(|byte| *byte == b' ').nth(1).expect("a path");
            found.entry(String::from_utf8(path.to_vec()).expect("text")).or_default().push(record);
        } else {
            responses.entry(&record.id).or_default().push(record);
        }
    }
    for path in paths {
        let [request] = found.get(path).map_or(&[][..], Vec::as_slice) else {
            panic!("{name}: not one request for {path}, of {} records", records.len())
        };
        let [response] = responses.get(&request.id[..]).map_or(&[][..], Vec::as_slice) else {
            panic!("{name}: not one response to {path}")
        };
        assert!(request.mark.is_none() && response.mark.is_none(), "{name}: {path}");
        assert!(response.payload.ends_with(&[b"\r\n\r\n", &body(path)[..]].concat()), "{name}: {path}");
    }
}

#[test]
fn what_was_seen_before_sigterm_is_in_the_file() {
    let Some(network) = Network::new() else { return };
    let _served = Network::serve(&network.here);
    for (name, threads) in OUTPUTS.iter().zip(["1", "2", "1"]) {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join(name);
        // It ends before the interval does.
        let output = ["-o", file.to_str().expect("text"), "--flush-interval", "1h"];
        let args = [&[":8080", "--responses", "--threads", threads], &output[..]].concat();
        let recorder = Recorder::start(&network.here, &args);
        let load = Load::start(&network);
        let answered = load.answered(100);
        recorder.signal(Signal::TERM);
        let recording = recorder.wait(0);
        load.end();
        assert_eq!(number(&recording.stats, "/packets/dropped"), 0, "{name}");
        let read = read(&file, &["--strict"]);
        read.ends_with(0).is_silent();
        let records = records(&read.stdout);
        assert_has(&records, &answered, name);
        let counted = |kind: &str| number(&recording.stats, &format!("/{kind}/recorded"));
        assert_eq!(counted("requests") + counted("responses"), records.len() as u64, "{name}");
    }
}

#[test]
fn a_kill_loses_nothing_that_was_flushed_and_another_run_goes_on_in_the_file() {
    let Some(network) = Network::new() else { return };
    let _served = Network::serve(&network.here);
    for name in OUTPUTS {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join(name);
        let args = [":8080", "--responses", "-o", file.to_str().expect("text")];
        let mut recorder = Recorder::start(&network.here, &args);
        let load = Load::start(&network);
        let mut answered = load.answered(100);
        // The last one asked for. When it is in the file, those before it are.
        answered.push("/last/1".to_owned());
        Network::get(&network.there, HERE[0], &["/last/1".to_owned()]);
        wait_for("last exchange in the file", || {
            let text = read(&file, &[]).stdout;
            let mut windows = text.windows(8);
            windows.any(|window| window == b" /last/1").then_some(())
        });
        recorder.signal(Signal::KILL);
        recorder.child.0.wait().expect("it can be waited for");
        load.end();
        let left = read(&file, &[]);
        assert_has(&records(&left.stdout), &answered, name);
        // It may have been killed while it wrote.
        let is_cut =
            ["the input ends inside", "the file was cut"].iter().any(|cut| left.stderr.contains(cut));
        assert!(left.stderr.is_empty() || is_cut, "{name}: {}", left.stderr);

        let recorder = Recorder::start(&network.here, &[&args[..], &["--append"]].concat());
        let later = [1, 20_000].map(|length| format!("/later/{length}"));
        Network::get(&network.there, HERE[1], &later);
        recorder.end();
        let read = read(&file, &["--strict"]);
        read.ends_with(0);
        answered.extend(later);
        assert_has(&records(&read.stdout), &answered, name);
    }
}

/// Nothing reads its output for ten seconds, while some megabytes come each second. Buffers have their usual sizes.
#[test]
fn an_output_that_stalls_for_ten_seconds_costs_what_is_counted_and_no_packet() {
    const LENGTH: usize = 20_000;
    const ENOUGH: usize = 45_000_000;
    let Some(network) = Network::new() else { return };
    let _served = Network::serve(&network.here);
    let mut recorder = Recorder::start_piped(&network.here, &[":8080", "--responses"]);
    let begin = Instant::now();
    let mut asked = 0;
    let mut round = 0;
    // More than the queue holds, and as long as that.
    while asked * LENGTH < ENOUGH || begin.elapsed() < Duration::from_secs(10) {
        let paths: Vec<_> = (0..25).map(|number| format!("/{round}/{number}/{LENGTH}")).collect();
        Network::get(&network.there, HERE[round % 2], &paths);
        asked += paths.len();
        round += 1;
        // So much each second, not as much as there can be.
        let due = Duration::from_millis(100) * u32::try_from(round).expect("not that many");
        thread::sleep(due.saturating_sub(begin.elapsed()));
    }
    recorder.read_output();
    let recording = recorder.end_with(1);
    recording.ran.says("the output is too slow").says("not written, as the output was too slow");
    assert_eq!(number(&recording.stats, "/packets/dropped"), 0);
    let written = exchanges(&recording);
    assert!(written.iter().all(|(path, answer)| answer.as_ref() == Some(&body(path))), "a request alone");
    for kind in ["requests", "responses"] {
        let unwritten = number(&recording.stats, &format!("/unwritten/{kind}"));
        assert!(unwritten > 0, "{kind}");
        assert_eq!(unwritten + written.len() as u64, asked as u64, "{kind}");
    }
    assert_reconciles(&recording, "stalled");
}
