//! What gor-record records from a network, and what it reads from the file that tcpdump writes at the same time.
//!
//! Where namespaces cannot be made, or tcpdump is missing, these tests say so and pass.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread;
use std::time::Duration;

use gor_tools::record::{Kind, Record};
use rustix::process::{Pid, Signal, kill_process};

use super::support::live::{Process, Recorder, exchanges};
use super::support::network::{HERE, Network, body};
use super::support::recorder::{Recording, assert_reconciles, number, record};
use super::support::skip::skip;

fn inside(space: &str, program: &[&str]) -> Command {
    let mut inside = Command::new("ip");
    inside.args(["netns", "exec", space]).args(program);
    inside
}

/// A tcpdump that writes a file.
struct Tcpdump {
    child: Process,
    errors: BufReader<ChildStderr>,
}

impl Tcpdump {
    /// None: it was said that there is none.
    fn start(space: &str, interface: &str, file: &Path) -> Option<Self> {
        if Command::new("tcpdump").arg("--version").output().is_err() {
            skip("tcpdump is not installed");
            return None;
        }
        let file = file.to_str().expect("text");
        let options = ["-U", "-B", "65536", "--time-stamp-precision=nano", "-Z", "root", "-w", file];
        let mut tcpdump = inside(space, &["tcpdump", "-i", interface]);
        tcpdump.args(options).args(["tcp", "port", "8080"]).stdin(Stdio::null()).stderr(Stdio::piped());
        let mut child: Child = tcpdump.spawn().expect("ip was there before");
        let mut errors = BufReader::new(child.stderr.take().expect("it is piped"));
        let child = Process(child);
        let mut line = String::new();
        while !line.contains("listening on") {
            line.clear();
            assert!(errors.read_line(&mut line).expect("text") > 0, "tcpdump ended");
        }
        Some(Tcpdump { child, errors })
    }

    fn end(mut self) {
        kill_process(Pid::from_child(&self.child.0), Signal::INT).expect("it runs");
        let mut said = String::new();
        self.errors.read_to_string(&mut said).expect("text");
        assert!(said.contains("\n0 packets dropped by kernel"), "{said}");
        assert!(self.child.0.wait().expect("it can be waited for").success(), "{said}");
    }
}

/// Several connections at a time, over IPv4 and IPv6, with bodies from nothing to more than one packet can hold.
fn talk(network: &Network) {
    let clients: Vec<_> = (0..4)
        .map(|client| {
            let (there, host) = (network.there.clone(), HERE[client % 2]);
            thread::spawn(move || {
                for connection in 0..4 {
                    let path = |length| format!("/{client}/{connection}/{length}");
                    Network::get(&there, host, &[0, 1, 1400, 70_000, 300_000].map(path));
                }
            })
        })
        .collect();
    for client in clients {
        client.join().expect("all answers are right");
    }
}

/// In an order that does not depend on who saw which packet first: exchange by exchange.
fn sorted(recording: &Recording) -> Vec<Record> {
    let mut records = recording.records.clone();
    records.sort_by_key(|record| (record.id.clone(), record.kind != Kind::Request));
    records
}

/// The kernel has each of two who look at a packet look at the clock.
fn timeless(records: &[Record]) -> Vec<Record> {
    records.iter().map(|record| Record { timestamp: 0, latency: None, ..record.clone() }).collect()
}

fn head(record: &Record) -> String {
    let id = String::from_utf8_lossy(&record.id);
    format!("{:?} {id} {:?} {} bytes", record.kind, record.mark, record.payload.len())
}

#[test]
fn tcpdump_beside_it_sees_what_it_records() {
    let Some(network) = Network::new() else { return };
    let _served = Network::serve(&network.here);
    let folder = tempfile::tempdir().expect("a folder");
    for (interface, args) in
        [("cable", &["cable:8080"][..]), ("cable", &[":8080", "--threads", "2"]), ("any", &[":8080"])]
    {
        let file = folder.path().join("beside.pcap");
        let Some(tcpdump) = Tcpdump::start(&network.here, interface, &file) else { return };
        let recorder = Recorder::start(&network.here, &[args, &["--responses"]].concat());
        talk(&network);
        let live = recorder.end();
        assert_eq!(exchanges(&live).len(), 80);
        assert!(exchanges(&live).into_iter().all(|(path, answer)| answer == Some(body(&path))));
        assert_reconciles(&live, interface);
        // tcpdump writes what it gets once a second.
        let path = file.to_str().expect("text");
        let from_file = || record(&[":8080", "--responses", "-r", path], b"");
        let mut beside = from_file();
        for _ in 0..300 {
            if beside.records.len() >= live.records.len() {
                break;
            }
            thread::sleep(Duration::from_millis(100));
            beside = from_file();
        }
        tcpdump.end();
        assert_eq!(number(&live.stats, "/packets/dropped"), 0);
        let [live, beside] = [&live, &beside].map(sorted);
        for (live, beside) in timeless(&live).iter().zip(&timeless(&beside)) {
            assert!(live == beside, "{args:?} {} {}", head(live), head(beside));
        }
        assert_eq!(live.len(), beside.len(), "{args:?}");
        // Both saw the request before the server did, which answered then.
        for (live, beside) in live.chunks(2).zip(beside.chunks(2)) {
            let [asked, answered] = [0, 1].map(|at| [live[at].timestamp, beside[at].timestamp]);
            assert!(asked.iter().max() <= answered.iter().min(), "{args:?} {asked:?} {answered:?}");
        }
    }
}
