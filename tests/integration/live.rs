//! gor-record on a network: two namespaces with a cable between them, servers and clients in both.
//!
//! Where namespaces cannot be made (they need root and `ip`) these tests say so and pass.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use super::support::live::{Process, Recorder, exchanges, give_to_nobody};
use super::support::network::{HERE, Network, PORT, TAGGED_HERE, THERE, body, ip};
use super::support::program::{command, run};
use super::support::recorder::{assert_reconciles, number};

/// Every way to this machine: IPv4 and IPv6 over the cable, loopback, a VLAN.
#[test]
fn every_exchange_is_recorded_once_with_its_response() {
    let Some(network) = Network::new() else { return };
    let mut ways = vec![(&network.there, HERE[0]), (&network.there, HERE[1]), (&network.here, "127.0.0.1")];
    if network.add_vlan() {
        ways.push((&network.there, TAGGED_HERE));
    }
    let _served = Network::serve(&network.here);
    for addresses in [&[":8080"][..], &["cable:8080", "lo:8080"], &["127.0.0.1:8080", "10.0.0.0:1", ":8080"]]
    {
        let recorder = Recorder::start(&network.here, &[addresses, &["--responses"]].concat());
        let mut expected = Vec::new();
        for (space, host) in &ways {
            for connection in 0..3 {
                // Responses over 64 KiB come as packets that no wire could carry.
                let lengths = [0, 1, 1000, 70_000, 300_000];
                let path = |length| format!("/{host}/{connection}/{length}");
                let paths: Vec<_> = lengths.map(path).into();
                Network::get(space, host, &paths);
                expected.extend(paths.into_iter().map(|path| {
                    let body = body(&path);
                    (path, Some(body))
                }));
            }
        }
        let recording = recorder.end();
        assert!(exchanges(&recording) == expected, "{addresses:?}\n{:?}", recording.summary());
        assert_reconciles(&recording, addresses[0]);
        assert_eq!(number(&recording.stats, "/packets/dropped"), 0, "{addresses:?}");
    }
}

#[test]
fn it_ends_when_its_reader_has_gone_though_there_is_no_traffic() {
    let Some(network) = Network::new() else { return };
    let mut recorder = Recorder::start_piped(&network.here, &[":8080"]);
    drop(recorder.child.0.stdout.take());
    let mut said = String::new();
    recorder.errors.read_to_string(&mut said).expect("messages are text");
    assert!(recorder.child.0.wait().expect("it can be waited for").success(), "{said}");
}

/// Connections are shared between the threads; what they record is merged by time.
#[test]
fn several_threads_record_what_one_does() {
    let Some(network) = Network::new() else { return };
    let _served = Network::serve(&network.here);
    for args in [&[":8080"][..], &["cable:8080", "lo:8080"]] {
        let recorder = Recorder::start(&network.here, &[args, &["--responses", "--threads", "3"]].concat());
        let mut expected = Vec::new();
        for connection in 0..20 {
            let paths: Vec<_> = [0, 1000, 70_000].map(|length| format!("/{connection}/{length}")).into();
            let (space, host) = match connection % 3 {
                0 => (&network.here, "127.0.0.1"),
                1 => (&network.there, HERE[0]),
                _ => (&network.there, HERE[1]),
            };
            Network::get(space, host, &paths);
            expected.extend(paths.into_iter().map(|path| {
                let body = body(&path);
                (path, Some(body))
            }));
        }
        let recording = recorder.end();
        assert!(exchanges(&recording) == expected, "{args:?}\n{:?}", recording.summary());
        assert_reconciles(&recording, "threads");
        assert_eq!(number(&recording.stats, "/connections/http"), 20, "{args:?}");
        assert_eq!(number(&recording.stats, "/packets/dropped"), 0, "{args:?}");
    }
}

#[test]
fn servers_are_this_machines_unless_others_are_asked_for() {
    let Some(network) = Network::new() else { return };
    let _served = [Network::serve(&network.here), Network::serve(&network.there)];
    let own = "recording servers at 10.77.0.1, 127.0.0.1, ::1, fd77::1, ";
    let cases = [
        (&[":8080"][..], own, &["/in/1"][..]),
        (&[":8080", "--any-host"], "recording servers at any host, port 8080", &["/in/1", "/out/1"]),
        (&["10.77.0.2:8080"], "recording servers at 10.77.0.2:8080", &["/out/1"]),
        (&["10.77.0.2:8080", ":8080"], "recording servers at 10.77.0.2:8080; ", &["/in/1", "/out/1"]),
        (&["lo:8080"], "port 8080 on lo", &[]),
    ];
    for (args, said, recorded) in cases {
        let recorder = Recorder::start(&network.here, args);
        Network::get(&network.there, HERE[0], &["/in/1".to_owned()]);
        Network::get(&network.here, THERE[0], &["/out/1".to_owned()]);
        let recording = recorder.end();
        recording.ran.says(said);
        let paths: Vec<_> = exchanges(&recording).into_iter().map(|(path, _)| path).collect();
        assert_eq!(paths, recorded, "{args:?}");
    }
}

/// What is recorded goes to the same port of another machine, past the recorder's eyes.
#[test]
fn what_is_replayed_is_not_recorded_again() {
    let Some(network) = Network::new() else { return };
    let _served = Network::serve(&network.here);
    let replayed = Network::serve(&network.there);
    let mut recorder = Recorder::start_piped(&network.here, &[":8080"]);
    let target = format!("http://{}:{PORT}", THERE[0]);
    let program = command("gor-replay", &[]);
    let mut replay = Command::new("ip");
    replay.args(["netns", "exec", &network.here]).arg(program.get_program()).args([&target, "-q"]);
    replay.stdin(recorder.child.0.stdout.take().expect("it is piped"));
    let mut replay = Process(replay.stdout(Stdio::null()).spawn().expect("ip was there before"));

    let paths = ["/a/1", "/b/2", "/c/3"].map(str::to_owned);
    Network::get(&network.there, HERE[0], &paths);
    // They may go out on several connections.
    let mut arrived: Vec<_> = replayed.iter().take(paths.len()).collect();
    arrived.sort();
    assert_eq!(arrived, paths);
    let recording = recorder.end();
    assert!(replay.0.wait().expect("it can be waited for").success());
    assert_eq!(number(&recording.stats, "/requests/recorded"), 3, "{:#}", recording.stats);
    assert!(number(&recording.stats, "/packets/other_ports") > 0, "the replay was in sight");
    assert!(replayed.try_recv().is_err(), "one was replayed twice");
}

/// Where it goes to the very server that is recorded, it is recorded, but not sent again and again.
#[test]
fn what_is_replayed_to_the_recorded_server_does_not_go_round() {
    let Some(network) = Network::new() else { return };
    let served = Network::serve(&network.here);
    let mut recorder = Recorder::start_piped(&network.here, &[":8080"]);
    let program = command("gor-replay", &[]);
    let mut replay = Command::new("ip");
    replay.args(["netns", "exec", &network.here]).arg(program.get_program());
    replay.arg(format!("http://127.0.0.1:{PORT}"));
    replay.stdin(recorder.child.0.stdout.take().expect("it is piped"));
    let mut replay =
        Process(replay.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("ip was there before"));
    let mut errors = replay.0.stderr.take().expect("it is piped");
    let paths = ["/a/1", "/b/2", "/c/3"].map(str::to_owned);
    Network::get(&network.there, HERE[0], &paths);
    let mut arrived: Vec<_> = served.iter().take(2 * paths.len()).collect();
    arrived.sort();
    assert_eq!(arrived, ["/a/1", "/a/1", "/b/2", "/b/2", "/c/3", "/c/3"]);
    // What was replayed is recorded within the time of the buffer, and with it the end comes.
    thread::sleep(std::time::Duration::from_millis(500));
    let recording = recorder.end();
    let mut said = String::new();
    errors.read_to_string(&mut said).expect("messages are text");
    replay.0.wait().expect("it can be waited for");
    assert_eq!(number(&recording.stats, "/requests/recorded"), 6, "{:#}", recording.stats);
    assert!(served.try_recv().is_err(), "one went round again");
    let words: Vec<_> = said.split_whitespace().collect();
    assert!(words.join(" ").contains(" 3 sent by this replay itself"), "{said}");
}

/// While it is stopped, more comes than its buffer holds.
#[test]
fn what_the_kernel_drops_is_counted_and_ends_it_with_status_1() {
    let Some(network) = Network::new() else { return };
    let _served = Network::serve(&network.here);
    let recorder = Recorder::start(&network.here, &[":8080", "--responses", "--buffer-size", "8mb"]);
    recorder.signal(Signal::STOP);
    Network::get(&network.there, HERE[0], &["/large/30000000".to_owned()]);
    recorder.signal(Signal::CONT);
    let recording = recorder.end_with(1);
    recording.ran.says("dropped by the kernel; --buffer-size makes room");
    assert!(number(&recording.stats, "/packets/dropped") > 0);
    assert_reconciles(&recording, "dropped");
}

/// Nothing is read from it for as long as exchanges come, many more than the pipe, the queue and the ring hold.
#[test]
fn an_output_that_stalls_costs_whole_exchanges_and_no_packet() {
    let Some(network) = Network::new() else { return };
    let _served = Network::serve(&network.here);
    let args = [":8080", "--responses", "--output-queue", "100kb", "--buffer-size", "4mb"];
    let mut recorder = Recorder::start_piped(&network.here, &args);
    let path = |number| format!("/{number}/10000");
    // The ring has four blocks of one megabyte each: it is emptied meanwhile.
    for round in 0..20 {
        let paths: Vec<_> = (0..50).map(|number| path(round * 50 + number)).collect();
        Network::get(&network.there, HERE[0], &paths);
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
        assert_eq!(unwritten + written.len() as u64, 1000, "{kind}");
        assert_eq!(number(&recording.stats, &format!("/{kind}/recorded")), 1000);
    }
    assert_reconciles(&recording, "stalled");
}

/// The text at a path of a server in a namespace.
pub(crate) fn page(space: &str, address: SocketAddr, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: here\r\n\r\n");
    Network::run_in(space, move || {
        let mut stream = TcpStream::connect(address).expect("it listens");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers in text");
        answer
    })
}

#[test]
fn while_it_records_its_counters_can_be_read() {
    let Some(network) = Network::new() else { return };
    let _served = Network::serve(&network.here);
    let folder = tempfile::tempdir().expect("a folder");
    let output = folder.path().join("out.gor").display().to_string();
    let args = [":8080", "--responses", "--metrics", "127.0.0.1:0", "--stats", "-o", &output];
    let mut inside = Command::new("ip");
    inside.args(["netns", "exec", &network.here]).arg(command("gor-record", &[]).get_program()).args(args);
    let mut child = Process(inside.stderr(Stdio::piped()).spawn().expect("ip was there before"));
    let mut errors = BufReader::new(child.0.stderr.take().expect("it is piped"));
    let mut next = |text: &str| {
        errors.by_ref().lines().map_while(Result::ok).find(|line| line.contains(text)).expect("it is said")
    };
    let line = next("metrics are at http://");
    let address = line.split("http://").nth(1).and_then(|rest| rest.strip_suffix("/metrics"));
    let address = address.and_then(|address| address.parse().ok()).expect("an address");
    next("recording servers at");
    Network::get(&network.there, HERE[0], &["/a/1".to_owned(), "/b/2".to_owned()]);
    // The numbers are renewed once a second.
    let recorded = "gor_record_messages_total{kind=\"response\"} 2\n";
    let mut text = String::new();
    for _ in 0..300 {
        text = page(&network.here, address, "/metrics");
        if text.contains(recorded) {
            break;
        }
        thread::sleep(std::time::Duration::from_millis(100));
    }
    assert!(text.contains(recorded) && text.contains("gor_record_packets_dropped_total 0\n"), "{text}");
    let line = next("2 requests (0 lost), 2 responses (0 lost), ");
    assert!(line.contains(" packets (0 dropped), 1 connection, "), "{line}");
    kill_process(Pid::from_child(&child.0), Signal::INT).expect("it runs");
    assert!(child.0.wait().expect("it can be waited for").success());
}

#[test]
fn a_time_to_run_ends_it_as_a_signal_does() {
    let Some(network) = Network::new() else { return };
    let _served = Network::serve(&network.here);
    let recorder = Recorder::start(&network.here, &[":8080", "--exit-after", "2s"]);
    Network::get(&network.there, HERE[0], &["/a/1".to_owned()]);
    assert_eq!(recorder.wait(0).records.len(), 1);
}

/// As logrotate does it: the file is moved away, and the recorder told.
#[test]
fn after_sighup_a_file_that_was_moved_away_is_begun_anew() {
    let Some(network) = Network::new() else { return };
    let _served = Network::serve(&network.here);
    for name in ["out.gor", "out.gor.gz"] {
        let folder = tempfile::tempdir().expect("a folder");
        give_to_nobody(folder.path());
        let (output, moved) = (folder.path().join(name), folder.path().join(format!("moved-{name}")));
        let args = [":8080", "--flush-interval", "0s", "-o", output.to_str().expect("text")];
        let recorder = Recorder::start(&network.here, &args);
        let wait_for = |condition: &dyn Fn() -> bool| {
            for _ in 0..600 {
                if condition() {
                    return;
                }
                thread::sleep(std::time::Duration::from_millis(50));
            }
            panic!("{name}: nothing happened for 30 s");
        };
        let size = |path: &std::path::Path| path.metadata().map_or(0, |found| found.len());
        Network::get(&network.there, HERE[0], &["/before/1".to_owned()]);
        wait_for(&|| size(&output) > 0);
        // A file that is still there goes on.
        recorder.signal(Signal::HUP);
        Network::get(&network.there, HERE[0], &["/between/1".to_owned()]);
        let text = |path: &std::path::Path| {
            let read = run("gor-filter", &[path.to_str().expect("text")], b"");
            String::from_utf8(read.stdout).expect("text")
        };
        wait_for(&|| text(&output).contains("/between/1"));
        std::fs::rename(&output, &moved).expect("it can be moved");
        recorder.signal(Signal::HUP);
        wait_for(&|| output.exists());
        Network::get(&network.there, HERE[0], &["/after/1".to_owned()]);
        recorder.end();
        let paths = |path: &std::path::Path| {
            let text = text(path);
            ["/before/1", "/between/1", "/after/1"].map(|path| text.matches(path).count())
        };
        assert_eq!((paths(&moved), paths(&output)), ([1, 1, 0], [0, 0, 1]), "{name}");
    }
}

/// Needs no rights: all of it is found before a socket is opened.
#[test]
fn what_cannot_be_recorded_at_is_said_with_what_can() {
    let cases = [
        (&[][..], "as in 'gor-record :80'"),
        (&["no-such-name:80"], "'no-such-name' is neither an IP address nor an interface; there are "),
        (&["-r", "testdata/shop.pcapng", "eth0:80"], "with -r an interface cannot be chosen"),
        (&["-r", "testdata/shop.pcapng", "--any-host"], "cannot be used with"),
        (&["-r", "testdata/shop.pcapng", "[fe80::1%eth0]:80"], "with -r an interface cannot be chosen"),
        (&["[fe80::1%no-such-name]:80"], "'no-such-name' is no interface; there are "),
        (&["-r", "testdata/shop.pcapng", "--promisc"], "cannot be used with"),
        (&["-r", "testdata/shop.pcapng", "--ignore-interface", "lo"], "cannot be used with"),
        (&[":80", "--ignore-interface", "lo,no-such-name"], "'no-such-name' is no interface; there are "),
        (
            &["lo:80", "--ignore-interface", "lo"],
            "'lo' is to be recorded at, and --ignore-interface says not to",
        ),
        (&[":8010-8000"], "'8010-8000' is not a port from 1 to 65535, nor a range"),
        (&["10.0.0.0/33:80"], "'10.0.0.0/33' is not an IP address, a network or an interface"),
        (&[":80", "--not-client", "10.0.0.0/33"], "'10.0.0.0/33' is neither an IP address nor a network"),
        (&[":80", "--vlan", "4095"], "expected the number of a VLAN from 1 to 4094"),
        (&[":80", "--vxlan-vni", "16777216"], "a VNI is a number from 0 to 16777215"),
        (&[":80", "--buffer-size", "1mb"], "expected a size from 2MB to 2GB"),
        (&[":80", "--threads", "0"], "expected a number of threads from 1 to 256"),
        (&[":80", "--buffer-timeout", "0s"], "expected a duration from 1ms to 10s"),
    ];
    for (args, said) in cases {
        run("gor-record", args, b"").ends_with(2).says(said);
    }
}

#[test]
fn an_address_that_comes_later_is_this_machines_too() {
    let Some(network) = Network::new() else { return };
    let _served = Network::serve(&network.here);
    let mut recorder = Recorder::start_piped(&network.here, &[":8080"]);
    let mut output = BufReader::new(recorder.child.0.stdout.take().expect("it is piped"));
    ip(&format!("-n {} addr add 10.77.0.9/24 dev cable", network.here));
    let (say, said) = channel();
    let reading = thread::spawn(move || {
        let mut line = String::new();
        output.read_line(&mut line).expect("a header line");
        // The test may have given up.
        let _ = say.send(());
        output.read_to_end(&mut Vec::new()).expect("a pipe");
        line
    });
    // Addresses are looked up once a second, so some of these come too early.
    for _ in 0..300 {
        Network::get(&network.there, "10.77.0.9", &["/late/1".to_owned()]);
        if said.recv_timeout(std::time::Duration::from_millis(100)).is_ok() {
            break;
        }
    }
    recorder.signal(Signal::INT);
    assert!(reading.join().expect("reading does not fail").starts_with("1 "));
    assert!(recorder.child.0.wait().expect("it can be waited for").success());
}
