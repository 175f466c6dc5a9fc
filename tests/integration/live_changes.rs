//! Connections that are open before gor-record starts and after it ends; interfaces that come, go and change.
//!
//! Where namespaces cannot be made (they need root and `ip`) these tests say so and pass.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::Duration;

use super::support::live::{Recorder, exchanges};
use super::support::network::{HERE, Network, PORT, body, ip};
use super::support::recorder::{Recording, assert_reconciles, number};

fn paths(recording: &Recording) -> Vec<String> {
    exchanges(recording).into_iter().map(|(path, _)| path).collect()
}

fn get(network: &Network, path: &str) {
    Network::get(&network.there, HERE[0], &[path.to_owned()]);
}

/// A connection that stays open.
struct Connection(BufReader<TcpStream>);

impl Connection {
    fn open(network: &Network, host: &'static str) -> Self {
        let connect = move || TcpStream::connect((host, PORT)).expect("the server listens");
        Connection(BufReader::new(Network::run_in(&network.there, connect)))
    }

    fn ask(&mut self, path: &str) {
        write!(self.0.get_mut(), "GET {path} HTTP/1.1\r\nHost: here\r\n\r\n").expect("the server reads");
    }

    fn is_answered(&mut self, path: &str) {
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            assert!(self.0.read_line(&mut line).expect("a line") > 0, "{path}: it ended");
        }
        let mut answer = vec![0; body(path).len()];
        self.0.read_exact(&mut answer).expect("all of it");
        assert!(answer == body(path), "{path}");
    }

    fn get(&mut self, path: &str) {
        self.ask(path);
        self.is_answered(path);
    }
}

#[test]
fn of_a_connection_that_was_and_stays_open_what_is_said_meanwhile_is_recorded() {
    let Some(network) = Network::new() else { return };
    let _served = Network::serve(&network.here);
    for args in [&[":8080"][..], &["cable:8080"], &[":8080", "--threads", "2"]] {
        let mut connections = HERE.map(|host| Connection::open(&network, host));
        for connection in &mut connections {
            connection.get("/before/1000");
        }
        let recorder = Recorder::start(&network.here, &[args, &["--responses"]].concat());
        let mut expected = Vec::new();
        for (number, connection) in connections.iter_mut().enumerate() {
            for length in [0, 1, 70_000] {
                let path = format!("/{number}/{length}");
                connection.get(&path);
                let body = body(&path);
                expected.push((path, Some(body)));
            }
        }
        let recording = recorder.end();
        for connection in &mut connections {
            connection.get("/after/1000");
        }
        assert!(exchanges(&recording) == expected, "{args:?}\n{:?}", recording.summary());
        assert_reconciles(&recording, args[0]);
        assert_eq!(number(&recording.stats, "/connections/seen"), 2, "{args:?}");
    }
}

#[test]
fn an_interface_that_goes_down_and_up_is_recorded_at_again() {
    let Some(network) = Network::new() else { return };
    let _served = Network::serve(&network.here);
    let here = &network.here;
    for args in
        [&["cable:8080"][..], &[":8080"], &["cable:8080", "lo:8080"], &["cable:8080", "--threads", "2"]]
    {
        let recorder = Recorder::start(here, args);
        get(&network, "/before/1");
        let mut connection = Connection::open(&network, HERE[0]);
        connection.get("/open/1");
        for round in 0..2 {
            ip(&format!("-n {here} link set cable down"));
            // Time to notice it: addresses and interfaces are looked at once a second.
            thread::sleep(Duration::from_millis(1200));
            ip(&format!("-n {here} link set cable up"));
            // TCP sends it again until it arrives.
            connection.get(&format!("/still/{round}/1"));
            get(&network, &format!("/again/{round}/1"));
        }
        let recording = recorder.end();
        let expected = ["/before/1", "/open/1", "/still/0/1", "/again/0/1", "/still/1/1", "/again/1/1"];
        assert_eq!(paths(&recording), expected, "{args:?}");
        assert_reconciles(&recording, &args.concat());
    }
}

#[test]
fn an_interface_that_is_deleted_ends_it_where_it_was_named() {
    let Some(network) = Network::new() else { return };
    let _served = Network::serve(&network.here);
    let here = &network.here;
    for (args, is_named) in [
        (&["more:8080"][..], true),
        (&["more:8080", "--threads", "2"], true),
        (&["more:8080", "lo:8080"], true),
        (&[":8080"], false),
    ] {
        ip(&format!("-n {here} link add more type veth peer name other"));
        ip(&format!("-n {here} addr add 10.80.0.1/24 dev more"));
        ip(&format!("-n {here} link set more up"));
        let recorder = Recorder::start(here, args);
        get(&network, "/before/1");
        ip(&format!("-n {here} link del more"));
        if is_named {
            let recording = recorder.wait(1);
            recording.ran.says("more: the interface is gone");
            let said = recording.ran.stderr.matches("the interface is gone").count();
            assert_eq!(said, 1, "{}", recording.ran.stderr);
            assert_reconciles(&recording, &args.concat());
        } else {
            get(&network, "/after/1");
            let recording = recorder.end();
            assert_eq!(paths(&recording), ["/before/1", "/after/1"]);
        }
    }
}

#[test]
fn an_interface_that_is_made_later_is_recorded_at_where_none_was_named() {
    let Some(network) = Network::new() else { return };
    let _served = Network::serve(&network.here);
    let here = &network.here;
    for option in ["--any-host", "--promisc"] {
        let recorder = Recorder::start(here, &[":8080", option]);
        get(&network, "/before/1");
        ip(&format!("-n {here} link add later type veth peer name later netns {}", network.there));
        for (space, address) in [(here, "10.81.0.1"), (&network.there, "10.81.0.2")] {
            ip(&format!("-n {space} addr add {address}/24 dev later"));
            ip(&format!("-n {space} link set later up"));
        }
        Network::get(&network.there, "10.81.0.1", &["/later/70000".to_owned()]);
        if option == "--promisc" {
            let mut shown = String::new();
            for _ in 0..600 {
                let show = ["-n", here, "-d", "link", "show", "later"];
                let show = Command::new("ip").args(show).output().expect("ip was there before");
                shown = String::from_utf8(show.stdout).expect("text");
                if shown.contains("promiscuity 1") {
                    break;
                }
                thread::sleep(Duration::from_millis(50));
            }
            assert!(shown.contains("promiscuity 1"), "{shown}");
        }
        let recording = recorder.end();
        assert_eq!(paths(&recording), ["/before/1", "/later/70000"], "{option}");
        ip(&format!("-n {here} link del later"));
    }
}

#[test]
fn an_interface_that_is_renamed_is_still_recorded_at() {
    let Some(network) = Network::new() else { return };
    let _served = Network::serve(&network.here);
    let here = &network.here;
    for args in [&["cable:8080"][..], &["cable:8080", "lo:8080"], &["cable:8080", "--threads", "2"]] {
        let mut recorder = Recorder::start(here, args);
        get(&network, "/before/1");
        ip(&format!("-n {here} link set cable down"));
        ip(&format!("-n {here} link set cable name wire"));
        ip(&format!("-n {here} link set wire up"));
        let mut line = String::new();
        recorder.errors.read_line(&mut line).expect("a line");
        assert!(line.ends_with("cable is called wire now, and is still recorded at\n"), "{line}");
        get(&network, "/after/1");
        let recording = recorder.end();
        assert_eq!(paths(&recording), ["/before/1", "/after/1"], "{args:?}");
        assert!(!recording.ran.stderr.contains("wire"), "said twice: {}", recording.ran.stderr);
        ip(&format!("-n {here} link set wire down"));
        ip(&format!("-n {here} link set wire name cable"));
        ip(&format!("-n {here} link set cable up"));
    }
}
