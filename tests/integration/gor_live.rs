//! gor on a network: what comes in is sent on, and what is sent is not recorded again.
//!
//! Where namespaces cannot be made (they need root and `ip`) this test says so and passes.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use gor_tools::record::Kind;
use rustix::process::{Pid, Signal, kill_process};

use super::support::network::{HERE, Network, PORT, THERE};
use super::support::recorder::records;

#[test]
fn what_comes_in_is_kept_and_sent_to_another_server_once() {
    let Some(network) = Network::new() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("kept.gor");
    let _served = Network::serve(&network.here);
    let sent = Network::serve(&network.there);
    let gor = Path::new(env!("CARGO_BIN_EXE_gor-filter")).with_file_name("gor");
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &network.here]).arg(gor);
    command.args(["--input-raw", &format!(":{PORT}"), "--input-raw-track-response"]);
    command.args(["--output-http", &format!("http://{}:{PORT}", THERE[0]), "--output-file-append"]);
    command.arg("--output-file").arg(&file);
    let mut child = command.stderr(Stdio::piped()).spawn().expect("it starts");
    let mut errors = BufReader::new(child.stderr.take().expect("it is piped"));
    let mut said = String::new();
    while !said.contains("recording servers at") {
        assert!(errors.read_line(&mut said).expect("a line") > 0, "{said}");
    }
    let paths: Vec<String> = (0..20).map(|number| format!("/{number}/10")).collect();
    Network::get(&network.there, HERE[0], &paths);
    let mut came: Vec<String> = (0..paths.len()).map(|_| sent.recv().expect("it is sent on")).collect();
    // Each once: a loop would bring more.
    assert!(sent.recv_timeout(std::time::Duration::from_millis(700)).is_err());
    came.sort();
    let mut expected = paths.clone();
    expected.sort();
    assert_eq!(came, expected);
    kill_process(Pid::from_child(&child), Signal::INT).expect("it runs");
    assert_eq!(child.wait().expect("it ends").code(), Some(1), "a signal gives 1");
    let kept = records(&std::fs::read(&file).expect("it was written"));
    let of = |kind| kept.iter().filter(|record| record.kind == kind).count();
    assert_eq!((of(Kind::Request), of(Kind::Response)), (20, 20));
}
