//! gor with inputs and outputs that are no files of this machine, and its profiles.
//!
//! Where a server or namespaces cannot be had, these tests say so and pass.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use gor_tools::record::Kind;
use rustix::process::{Pid, Signal, kill_process};

use super::live_libpcap::has_libpcap;
use super::live_vxlan;
use super::profiles::{ask, top};
use super::support::desk::{Desk, exchange};
use super::support::live::Process;
use super::support::network::{HERE, Network, PORT};
use super::support::origin::{Origin, answer};
use super::support::program::{Ran, command};
use super::support::receiver::{Receiver, requests};
use super::support::recorder::records;
use super::support::s3::{S3, reading};

#[test]
fn objects_of_s3_are_written_in_chunks_and_read_back() {
    let Some(server) = S3::start() else { return };
    server.make("logs");
    let desk = Desk::new();
    let input = [exchange(1, 10, "/a"), exchange(2, 20, "/b"), exchange(3, 30, "/c")].concat();
    desk.write("in.gor", &input);
    let gor = |args: &[&str]| {
        let output =
            reading(server.port(), "gor", args).current_dir(desk.path("")).output().expect("it runs");
        Ran::new("gor", args, output)
    };
    let write = |name: &str, more: &[&str]| {
        let args = ["--input-file", "in.gor", "--output-file", name, "--output-file-buffer", "spool"];
        gor(&[&args[..], more].concat())
    };
    write("s3://logs/day/x.gor.gz", &["--output-file-queue-limit", "2"]).ends_with(0);
    // What is there already is never overwritten.
    write("s3://logs/day/x.gor.gz", &["--http-allow-url", "/c"]).ends_with(0);
    let mut keys: Vec<_> = server.objects("logs").into_iter().map(|(key, _)| key).collect();
    keys.sort();
    assert_eq!(keys, ["day/x_0.gor.gz", "day/x_1.gor.gz", "day/x_2.gor.gz", "day/x_3.gor.gz"]);
    gor(&["--input-file", "s3://logs/day/x_[012].gor.gz", "--output-stdout"]).ends_with(0).writes(&input);
    gor(&["--input-file", "s3://logs/day/x_3.gor.gz", "--output-stdout"])
        .ends_with(0)
        .writes(&exchange(3, 30, "/c"));
    let dry = gor(&["--input-file", "s3://logs/day/", "--input-file-dry-run", "--output-null"]);
    assert!(dry.ends_with(0).stdout.starts_with(b"Records found: 8\n"));
    let origin = Origin::start(|_| answer(200, "ok"));
    let url = format!("http://{}", origin.address());
    gor(&["--input-file", "s3://logs/day/x_0.gor.gz|1000%", "--output-http", &url]).ends_with(0);
    assert_eq!(origin.received().len(), 1);
    gor(&["--input-file", "s3://logs/none.gor", "--output-null"])
        .ends_with(1)
        .says("s3://logs/none.gor: there is no");
    write("s3://elsewhere/x.gor", &[]).ends_with(1).says("there is no such bucket").says("kept in spool");
}

#[test]
fn payloads_go_to_binary_servers_and_their_answers_to_the_other_outputs() {
    let desk = Desk::new();
    desk.write("in.gor", [exchange(1, 10, "/a"), exchange(2, 20, "/b")].concat());
    let origin = Origin::start(|request| answer(200, &request.line()));
    let address = origin.address().to_string();
    desk.gor(&[
        "--input-file",
        "in.gor",
        "--output-binary",
        &address,
        "--output-binary-track-response",
        "--output-binary-workers",
        "1",
        "--output-binary-debug",
        "--output-file",
        "out.gor",
        "--output-file-append",
    ])
    .ends_with(0);
    let sent: Vec<_> = origin.received().into_iter().map(|request| request.bytes).collect();
    let recorded = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: recorded.example\r\n\r\n").into_bytes();
    assert_eq!(sent, [recorded("/a"), recorded("/b")], "as they were recorded, Host too");
    let written = records(&desk.read("out.gor"));
    let replayed: Vec<_> = written.iter().filter(|record| record.kind == Kind::Replayed).collect();
    assert_eq!(replayed.len(), 2);
    assert!(replayed[1].payload.ends_with(b"GET /b"));
    let args = ["--input-file", "in.gor", "--output-binary", "127.0.0.1:1"];
    desk.gor(&args).ends_with(1).says("refused");
}

#[test]
fn records_go_to_a_websocket() {
    let text = requests(4002, 30);
    let desk = Desk::new();
    desk.write("in.gor", &text);
    let receiver = Receiver::start("ws://127.0.0.1:0", &[]);
    let place = receiver.address.to_string();
    let args =
        ["--input-file", "in.gor", "--output-ws", &place, "--output-ws-workers", "1", "--output-ws-stats"];
    desk.gor(&args).ends_with(0);
    receiver.wait_until_it_has_written(text.len());
    let (got, _) = receiver.end(0);
    assert_eq!(String::from_utf8_lossy(&got), text);
}

/// gor in a namespace, once it records.
fn recording(space: &str, args: &[&str]) -> (Process, BufReader<std::process::ChildStderr>) {
    let gor = command("gor", &[]);
    let mut inside = Command::new("ip");
    inside.args(["netns", "exec", space]).arg(gor.get_program()).args(args);
    let mut child: Child = inside.stderr(Stdio::piped()).spawn().expect("it starts");
    let mut errors = BufReader::new(child.stderr.take().expect("it is piped"));
    let mut said = String::new();
    while !said.contains("recording servers at") {
        assert!(errors.read_line(&mut said).expect("a line") > 0, "{said}");
    }
    (Process(child), errors)
}

/// Ends it by a signal; all that had come is written.
fn end(mut gor: (Process, BufReader<std::process::ChildStderr>)) {
    kill_process(Pid::from_child(&gor.0.0), Signal::INT).expect("it runs");
    assert_eq!(gor.0.0.wait().expect("it ends").code(), Some(1), "a signal gives 1");
}

#[test]
fn every_engine_records_the_same() {
    if !has_libpcap() {
        return;
    }
    let Some(network) = Network::new() else { return };
    let _served = Network::serve(&network.here);
    let paths: Vec<String> = (0..20).map(|number| format!("/{number}/{}", number * 500)).collect();
    let desk = Desk::new();
    for engine in ["libpcap", "raw_socket", "af_packet"] {
        let file = desk.path(engine).display().to_string();
        let gor = recording(
            &network.here,
            &[
                "--input-raw",
                &format!(":{PORT}"),
                "--input-raw-engine",
                engine,
                "--input-raw-track-response",
                "--input-raw-bpf-filter",
                "tcp",
                "--input-raw-buffer-size",
                "4mb",
                "--input-raw-buffer-timeout",
                "20ms",
                "--output-file-append",
                "--output-file",
                &file,
            ],
        );
        Network::get(&network.there, HERE[0], &paths);
        end(gor);
        let kept = records(&desk.read(engine));
        let asked: Vec<String> = kept
            .iter()
            .filter(|record| record.kind == Kind::Request)
            .map(|record| {
                String::from_utf8_lossy(&record.payload).split(' ').nth(1).expect("a path").to_owned()
            })
            .collect();
        assert_eq!(asked, paths, "{engine}");
        assert_eq!(kept.len(), 2 * paths.len(), "{engine}");
    }
}

#[test]
fn what_comes_in_vxlan_is_recorded_of_the_networks_asked_for() {
    let Some(network) = Network::new() else { return };
    let desk = Desk::new();
    let [seven, eight] = ["/seven", "/eight"].map(|path| live_vxlan::exchange("10.9.0.2:4000", path).packets);
    for (port, vni, expected) in [(4789, "7", "/seven"), (7777, "-7", "/eight")] {
        let file = desk.path(vni).display().to_string();
        let port_text = port.to_string();
        let gor = recording(
            &network.here,
            &[
                "--input-raw",
                ":80",
                "--input-raw-engine",
                "vxlan",
                "--input-raw-track-response",
                "--input-raw-vxlan-port",
                &port_text,
                "--input-raw-vxlan-vni",
                vni,
                "--output-file-append",
                "--output-file",
                &file,
            ],
        );
        live_vxlan::mirror(&network.there, (HERE[0], port), 7, &seven);
        live_vxlan::mirror(&network.there, (HERE[0], port), 8, &eight);
        end(gor);
        let kept = records(&desk.read(vni));
        assert_eq!(kept.len(), 2, "{vni}");
        assert!(kept[0].payload.starts_with(format!("GET {expected} ").as_bytes()), "{vni}");
    }
}

#[test]
fn profiles_are_written_and_served() {
    let desk = Desk::new();
    desk.write("in.gor", requests(4003, 3000));
    let args = ["--input-file", "in.gor", "--output-null", "--cpuprofile", "cpu", "--memprofile", "mem"];
    desk.gor(&args).ends_with(0);
    let mut listening =
        command("gor", &["--input-tcp", "127.0.0.1:0", "--output-null", "--http-pprof", "127.0.0.1:0"]);
    let mut child = Process(listening.stderr(Stdio::piped()).spawn().expect("it starts"));
    let mut errors = BufReader::new(child.0.stderr.take().expect("it is piped"));
    let mut said = String::new();
    while !said.contains("waiting for senders") {
        assert!(errors.read_line(&mut said).expect("a line") > 0, "{said}");
    }
    let address =
        said.split("http://").nth(1).and_then(|rest| rest.split('/').next()).expect("it says where");
    let address = address.parse().expect("an address");
    for path in ["/debug/pprof/", "/debug/vars", "/debug/pprof/heap"] {
        let (head, _) = ask(address, &format!("GET {path}"));
        assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head}");
    }
    kill_process(Pid::from_child(&child.0), Signal::TERM).expect("it runs");
    assert_eq!(child.0.wait().expect("it ends").code(), Some(1), "a signal gives 1");
    for (name, kind) in [("cpu", "Type: cpu"), ("mem", "Type: alloc_space")] {
        let Some(shown) = top(&desk.path(name)) else { return };
        assert!(shown.contains("File: gor") && shown.contains(kind), "{shown}");
    }
}
