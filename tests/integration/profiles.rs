//! `--cpu-profile`, `--mem-profile` and `--pprof`, which all tools have.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::support::live::Process;
use super::support::network::{HERE, Network};
use super::support::program::{command, run};
use super::support::skip::skip;

const SHOP: &str = "testdata/shop.pcapng";

/// What `go tool pprof -top` says of a profile. None: there is no Go.
pub(super) fn top(profile: &Path) -> Option<String> {
    let bytes = std::fs::read(profile).expect("the profile is there");
    assert_eq!(bytes.get(..2), Some(&[0x1f, 0x8b][..]), "profiles are gzipped");
    let go = ["go", "/usr/local/go/bin/go"]
        .into_iter()
        .find(|go| Command::new(go).arg("version").output().is_ok_and(|version| version.status.success()));
    let Some(go) = go else {
        skip("go tool pprof");
        return None;
    };
    let mut tool = Command::new(go);
    tool.args(["tool", "pprof", "-top", "-nodecount=100000"]).arg(profile).env("HOME", "/tmp");
    let shown = tool.output().expect("it runs");
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
    Some(String::from_utf8(shown.stdout).expect("text"))
}

/// Records, many times those of a small recording.
fn records(times: usize) -> Vec<u8> {
    let recorded = run("gor-record", &["-r", SHOP, "--responses"], b"");
    recorded.ends_with(0);
    recorded.stdout.repeat(times)
}

#[test]
fn every_tool_writes_profiles_that_go_tool_pprof_reads() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (input, report) = (path("in.gor"), path("r.json"));
    std::fs::write(&input, records(1)).unwrap();
    run("gor-replay", &["-i", &input, "--no-wait", "--report", &report, "127.0.0.1:1"], b"").ends_with(1);
    let target = ["-i", &input, "--no-wait", "--timeout", "1s", "127.0.0.1:1"];
    let cases: [(&str, &[&str], i32); 8] = [
        ("gor-record", &["-r", SHOP, "-o", "null:"], 0),
        ("gor-filter", &["--method", "GET", "-o", "null:", &input], 0),
        ("gor-rewrite", &["--set-header", "A: b", "-o", "null:", &input], 0),
        ("gor-merge", &["-o", "null:", &input], 0),
        ("gor-replay", &["--dry-run", "-i", &input], 0),
        ("gor-replay", &target, 1),
        ("gor-show", &[&input], 0),
        ("gor-report", &[&report], 0),
    ];
    for (at, (tool, args, status)) in cases.into_iter().enumerate() {
        let (cpu, memory) = (path(&format!("{at}.cpu")), path(&format!("{at}.mem")));
        let profiles = ["--cpu-profile", &cpu, "--mem-profile", &memory];
        run(tool, &[args, &profiles].concat(), b"").ends_with(status);
        let (Some(cpu), Some(memory)) = (top(Path::new(&cpu)), top(Path::new(&memory))) else { return };
        assert!(cpu.contains(&format!("File: {tool}")) && cpu.contains("Type: cpu"), "{tool}: {cpu}");
        assert!(memory.contains("Type: alloc_space"), "{tool}: {memory}");
    }
}

#[test]
fn profiles_name_where_time_and_memory_go() {
    let folder = tempfile::tempdir().expect("a folder");
    let (cpu, memory) = (folder.path().join("cpu"), folder.path().join("mem"));
    let args = ["--sort", "-o", "null:", "--cpu-profile", cpu.to_str().unwrap(), "--mem-profile"];
    let temporary = folder.path().join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let mut merge = command("gor-merge", &[&args[..], &[memory.to_str().unwrap()]].concat());
    let mut merge =
        merge.env("TMPDIR", &temporary).stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    merge.stdin.take().unwrap().write_all(&records(300)).unwrap();
    assert!(merge.wait().unwrap().success());
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0, "nothing is left behind");
    let (Some(cpu), Some(memory)) = (top(&cpu), top(&memory)) else { return };
    assert!(cpu.contains("gor_tools::"), "{cpu}");
    assert!(memory.contains("gor_tools::merge::sort::"), "{memory}");
    assert!(!memory.contains("observe::heap"), "{memory}");
}

#[test]
fn what_cannot_be_profiled_is_said_before_anything_is_done() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (input, output) = (path("in.gor"), path("out.gor"));
    let text = records(1);
    std::fs::write(&input, &text).unwrap();
    let missing = path("missing/cpu");
    let new = path("new");
    let cases: [(&[&str], i32, &str); 6] = [
        (&["--cpu-profile", &input], 2, "it is also an input"),
        (&["--mem-profile", &input], 2, "it is also an input"),
        (&["--cpu-profile", &new, "--mem-profile", &new], 2, "it is also another output"),
        (&["--cpu-profile", &missing], 1, "missing/cpu: no such file or directory"),
        (&["--pprof", "192.0.2.1:1"], 1, "--pprof 192.0.2.1:1"),
        (&["--pprof", "there"], 2, "as 127.0.0.1:6060"),
    ];
    for (args, status, said) in cases {
        let ran = run("gor-merge", &[args, &["-o", &output, &input]].concat(), b"");
        ran.ends_with(status).says(said);
        assert!(!Path::new(&output).exists() && !Path::new(&new).exists(), "{args:?}");
        assert!(std::fs::read(&input).unwrap() == text, "{args:?}: the input is as it was");
    }
}

/// The head and the body of an answer.
pub(super) fn ask(address: SocketAddr, request: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.write_all(format!("{request} HTTP/1.1\r\nHost: here\r\n\r\n").as_bytes()).expect("it reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it answers");
    let end = answer.windows(4).position(|end| end == b"\r\n\r\n").expect("a head");
    let body = answer.split_off(end + 4);
    (String::from_utf8(answer).expect("text"), body)
}

#[test]
fn profiles_and_counters_are_served_while_a_tool_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let args = ["-o", "null:", "--pprof", "127.0.0.1:0", "--set-header", "Token: hunter2"];
    let mut tool = command("gor-rewrite", &args);
    let mut tool = Process(tool.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs"));
    let mut line = String::new();
    BufReader::new(tool.0.stderr.take().unwrap()).read_line(&mut line).expect("a line");
    let address = line.trim().strip_prefix("gor-rewrite: profiles are at http://").expect("the address");
    let address: SocketAddr = address.strip_suffix("/debug/pprof/").unwrap().parse().unwrap();

    let (head, body) = ask(address, "GET /debug/pprof/");
    assert!(head.starts_with("HTTP/1.1 200 ") && body.starts_with(b"/debug/pprof/profile"), "{head}");
    for (request, status) in [
        ("GET /", 404),
        ("GET /debug/pprof/profile?seconds=0", 400),
        ("GET /debug/pprof/profile?seconds=x", 400),
        ("HEAD /debug/pprof/profile", 405),
        ("POST /debug/pprof/heap", 405),
    ] {
        assert!(ask(address, request).0.starts_with(&format!("HTTP/1.1 {status} ")), "{request}");
    }

    // What is read later is counted.
    let text = records(1);
    let mut stdin = tool.0.stdin.take().unwrap();
    stdin.write_all(&text).unwrap();
    let bytes = |vars: &Value| vars["counters"]["bytes_read"].as_u64().unwrap();
    let vars = loop {
        let (head, body) = ask(address, "GET /debug/vars");
        assert!(head.contains("Content-Type: application/json"), "{head}");
        let vars: Value = serde_json::from_slice(&body).expect("JSON");
        if bytes(&vars) == text.len() as u64 {
            break vars;
        }
    };
    assert_eq!(vars["arguments"][0], "gor-rewrite");
    assert!(!vars.to_string().contains("hunter2"), "{vars}");
    assert!(vars["memory"]["resident_bytes"].as_u64().unwrap() > 1 << 20, "{vars}");
    assert!(vars["uptime_seconds"].as_f64().unwrap() > 0.0, "{vars}");

    let (head, cpu) = ask(address, "GET /debug/pprof/profile?seconds=1");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let (_, in_use) = ask(address, "GET /debug/pprof/heap");
    let paths = [(cpu, "Type: cpu"), (in_use, "Type: inuse_space")];
    for (profile, kind) in paths {
        let path = folder.path().join("profile");
        std::fs::write(&path, profile).unwrap();
        let Some(shown) = top(&path) else { return };
        assert!(shown.contains(kind), "{shown}");
    }
    drop(stdin);
    assert!(tool.0.wait().unwrap().success());
}

/// It has no rights any more when it makes them, and may open no file.
#[test]
fn a_recorder_that_gave_up_its_rights_makes_profiles() {
    let Some(network) = Network::new() else { return };
    let _served = Network::serve(&network.here);
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (output, cpu, memory) = (path("out.gor"), path("cpu"), path("mem"));
    let args =
        [":8080", "-o", &output, "--cpu-profile", &cpu, "--mem-profile", &memory, "--pprof", "127.0.0.1:0"];
    let mut inside = Command::new("ip");
    inside.args(["netns", "exec", &network.here]).arg(command("gor-record", &[]).get_program()).args(args);
    let mut child = Process(inside.stderr(Stdio::piped()).spawn().expect("ip was there before"));
    let mut errors =
        BufReader::new(child.0.stderr.take().expect("it is piped")).lines().map_while(Result::ok);
    let line = errors.find(|line| line.contains("profiles are at http://")).expect("it is said");
    let address = line.split("http://").nth(1).and_then(|rest| rest.strip_suffix("/debug/pprof/"));
    let address: SocketAddr = address.and_then(|address| address.parse().ok()).expect("an address");
    errors.find(|line| line.contains("recording servers at")).expect("it is said");
    Network::get(&network.there, HERE[0], &(0..200).map(|at| format!("/a/{at}")).collect::<Vec<_>>());
    let page = |path: &str| super::live::page(&network.here, address, path);
    let counted = (0..600).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        let text = page("/debug/vars");
        let (_, body) = text.split_once("\r\n\r\n").expect("a head");
        let vars: Value = serde_json::from_str(body).expect("JSON");
        assert!(vars["memory"]["resident_bytes"].as_u64() > Some(1 << 20), "{vars}");
        vars["counters"]["ledger"]["requests"]["recorded"] == 200
    });
    assert!(counted, "its counters are shown");
    // One at a time: that of --cpu-profile is being made.
    let answer = page("/debug/pprof/profile?seconds=1");
    assert!(answer.starts_with("HTTP/1.1 409 "), "{answer}");
    kill_process(Pid::from_child(&child.0), Signal::INT).expect("it runs");
    let rest: Vec<String> = errors.collect();
    assert!(child.0.wait().expect("it can be waited for").success(), "{rest:?}");
    let (Some(cpu), Some(memory)) = (top(Path::new(&cpu)), top(Path::new(&memory))) else { return };
    assert!(cpu.contains("Type: cpu"), "{cpu}");
    assert!(memory.contains("gor_tools::"), "names are found: {memory}");
}
