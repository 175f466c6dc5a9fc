//! gor-record with libpcap: as an engine, and as the compiler of `--bpf`.
//!
//! Where the library is not installed, or namespaces cannot be made, these tests say so and pass.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::SystemTime;

use rustix::process::Signal;

use super::support::live::{Recorder, exchanges};
use super::support::network::{HERE, Network, THERE, body, ip};
use super::support::program::{Ran, command, run};
use super::support::recorder::{Recording, assert_reconciles, number, record};
use super::support::skip::skip;

/// A capture with TCP at port 8080, and more.
const CAPTURE: &str = "testdata/any-sll.pcap";

/// Files that libpcap is loaded from.
const NAMES: [&str; 3] = ["libpcap.so.0.8", "libpcap.so.1", "libpcap.so"];
const FOLDERS: [&str; 10] = [
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib/arm-linux-gnueabihf",
    "/usr/lib/riscv64-linux-gnu",
    "/usr/lib/i386-linux-gnu",
];

/// False: it was said that it is not installed.
pub(super) fn has_libpcap() -> bool {
    let ran = run("gor-record", &["-r", CAPTURE, "--bpf", "tcp"], b"");
    let is_there = !ran.stderr.contains("which cannot be loaded");
    if !is_there {
        skip("libpcap is not installed");
    }
    is_there
}

fn network() -> Option<Network> {
    if has_libpcap() { Network::new() } else { None }
}

/// Asks for paths over each way to this machine, and says what there is to be recorded.
fn talk(network: &Network) -> Vec<(String, Option<Vec<u8>>)> {
    let mut expected = Vec::new();
    for (space, host) in [(&network.there, HERE[0]), (&network.there, HERE[1]), (&network.here, "127.0.0.1")]
    {
        for connection in 0..3 {
            let paths: Vec<_> =
                [0, 1, 1000, 70_000, 300_000].map(|length| format!("/{host}/{connection}/{length}")).into();
            Network::get(space, host, &paths);
            expected.extend(paths.into_iter().map(|path| {
                let body = body(&path);
                (path, Some(body))
            }));
        }
    }
    expected
}

fn paths(recording: &Recording) -> Vec<String> {
    exchanges(recording).into_iter().map(|(path, _)| path).collect()
}

#[test]
fn both_engines_record_the_same() {
    let Some(network) = network() else { return };
    let _served = Network::serve(&network.here);
    for addresses in [&[":8080"][..], &["cable:8080", "lo:8080"]] {
        let [first, second] = ["libpcap", "af_packet"].map(|engine| {
            let args = [addresses, &["--responses", "--engine", engine]].concat();
            Recorder::start(&network.here, &args)
        });
        let begin = SystemTime::now();
        let mut expected = talk(&network);
        let times = [begin, SystemTime::now()]
            .map(|time| time.duration_since(SystemTime::UNIX_EPOCH).expect("it is after 1970").as_nanos());
        expected.sort();
        let mut ledgers = Vec::new();
        for recorder in [first, second] {
            let recording = recorder.end();
            let is_meanwhile = |time: i64| (times[0]..=times[1]).contains(&(time as u128));
            assert!(recording.records.iter().all(|record| is_meanwhile(record.header().timestamp)));
            let mut found = exchanges(&recording);
            found.sort();
            assert!(found == expected, "{addresses:?}\n{:?}", recording.summary());
            assert_reconciles(&recording, addresses[0]);
            assert_eq!(number(&recording.stats, "/packets/dropped"), 0, "{addresses:?}");
            ledgers.push(recording.stats);
        }
        // What is seen twice on a loopback interface counts once with both; TCP itself may repeat some bytes.
        for count in ["/segments/payload", "/segments/repeated"] {
            assert_eq!(number(&ledgers[0], count), number(&ledgers[1], count), "{addresses:?} {count}");
        }
    }
}

#[test]
fn packets_must_match_the_expression_and_the_address() {
    let Some(network) = network() else { return };
    let _served = Network::serve(&network.here);
    let [v4, v6, own] = [HERE[0], HERE[1], "127.0.0.1"].map(|host| format!("/{host}/1"));
    let from_there = format!("host {}", THERE[0]);
    let cases: [(&[&str], &str, &[&String]); 6] = [
        (&[":8080"], "tcp", &[&v4, &v6, &own]),
        (&[":8080"], &from_there, &[&v4]),
        (&[":8080"], "ip6 or net 127.0.0.0/8", &[&v6, &own]),
        (&["cable:8080"], "ip6", &[&v6]),
        (&[":8081"], "tcp port 8080", &[]),
        (&["lo:8080"], "not tcp port 8080", &[]),
    ];
    for engine in ["libpcap", "af_packet"] {
        for (addresses, expression, expected) in &cases {
            let args = [addresses, &["--responses", "--engine", engine, "--bpf", expression][..]].concat();
            let recorder = Recorder::start(&network.here, &args);
            for (space, host, path) in [
                (&network.there, HERE[0], &v4),
                (&network.there, HERE[1], &v6),
                (&network.here, "127.0.0.1", &own),
            ] {
                Network::get(space, host, std::slice::from_ref(path));
            }
            let recording = recorder.end();
            assert_eq!(paths(&recording).iter().collect::<Vec<_>>(), *expected, "{args:?}");
            assert_eq!(number(&recording.stats, "/segments/repeated"), 0, "{args:?}");
            assert_reconciles(&recording, expression);
        }
    }
}

/// While it is stopped, more comes than its buffer holds.
#[test]
fn what_libpcap_has_no_room_for_is_counted_and_ends_it_with_status_1() {
    let Some(network) = network() else { return };
    let _served = Network::serve(&network.here);
    let args = [":8080", "--responses", "--buffer-size", "8mb", "--engine", "libpcap"];
    let recorder = Recorder::start(&network.here, &args);
    recorder.signal(Signal::STOP);
    Network::get(&network.there, HERE[0], &["/large/30000000".to_owned()]);
    recorder.signal(Signal::CONT);
    let recording = recorder.end_with(1);
    recording.ran.says("dropped by the kernel; --buffer-size makes room");
    assert!(number(&recording.stats, "/packets/dropped") > 0);
    assert_reconciles(&recording, "dropped");
}

#[test]
fn an_interface_that_is_taken_away_ends_it_with_status_1() {
    for engine in ["libpcap", "af_packet"] {
        let Some(network) = network() else { return };
        let _served = Network::serve(&network.here);
        let args = ["cable:8080", "--responses", "--engine", engine];
        let recorder = Recorder::start(&network.here, &args);
        Network::get(&network.there, HERE[0], &["/one/1".to_owned()]);
        ip(&format!("-n {} link del cable", network.here));
        let recording = recorder.wait(1);
        recording.ran.says("gor-record: cable: ");
        assert_eq!(paths(&recording), ["/one/1"]);
        assert_reconciles(&recording, engine);
    }
}

/// Runs it in a namespace, to its end.
fn run_in(space: &str, args: &[&str]) -> Ran {
    let program = command("gor-record", &[]);
    let mut inside = Command::new("ip");
    inside.args(["netns", "exec", space]).arg(program.get_program()).args(args);
    let output = inside.stdin(Stdio::null()).output().expect("ip was there before");
    Ran::new("gor-record", args, output)
}

#[test]
fn what_an_interface_has_not_is_said_with_what_it_has() {
    let Some(network) = network() else { return };
    let cases: [(&[&str], i32, &str); 7] = [
        (
            &["cable:80", "--engine", "libpcap", "--timestamp-source", "adapter"],
            2,
            "cable has no timestamps of --timestamp-source adapter; it has host",
        ),
        (&["cable:80", "--engine", "libpcap", "--monitor"], 2, "cable has no monitor mode"),
        (&[":80", "--engine", "libpcap", "--monitor"], 2, "any has no monitor mode"),
        (&["cable:80", ":81", "--engine", "libpcap"], 2, "name an interface at every address, or at none"),
        (&[":80", "--bpf", "ether host 02:00:00:00:00:01"], 2, "cannot be applied to all interfaces at once"),
        (&[":80", "--engine", "libpcap", "--bpf", "vlan"], 2, "cannot be applied to all interfaces at once"),
        // The compiler makes a loop of it.
        (&["cable:80", "--bpf", "ip6 protochain 6"], 2, "the kernel does not take the program of --bpf"),
    ];
    for (args, status, said) in cases {
        run_in(&network.here, args).ends_with(status).says(said);
    }
    // One that it has is taken.
    let args = ["cable:8080", "--engine", "libpcap", "--timestamp-source", "host"];
    let _served = Network::serve(&network.here);
    let recorder = Recorder::start(&network.here, &args);
    Network::get(&network.there, HERE[0], &["/one/1".to_owned()]);
    assert_eq!(paths(&recorder.end()), ["/one/1"]);
}

/// Needs no rights: it is found before anything is opened.
#[test]
fn an_expression_that_is_none_is_wrong_usage() {
    if !has_libpcap() {
        return;
    }
    for args in [
        &[":80", "--bpf", "tcp prot 80"][..],
        &["lo:80", "--engine", "libpcap", "--bpf", "tcp prot 80"],
        &["-r", CAPTURE, "--bpf", "tcp prot 80"],
    ] {
        run("gor-record", args, b"").ends_with(2).says("--bpf 'tcp prot 80': ").says("syntax error");
    }
}

#[test]
fn engines_go_with_their_input() {
    let cases = [
        (&["--engine", "pcap_file"][..], "say which with -r"),
        (&[":80", "--engine", "pcap_file"], "say which with -r"),
        (&["-r", CAPTURE, "--engine", "libpcap"], "leave out --engine, or -r"),
        (&["-r", CAPTURE, "--engine", "raw_socket"], "leave out --engine, or -r"),
        (&[":80", "--monitor"], "--monitor needs --engine libpcap"),
        (
            &[":80", "--engine", "af_packet", "--timestamp-source", "host"],
            "--timestamp-source needs --engine libpcap",
        ),
        (&[":80", "--engine", "libpcap", "--timestamp-source", "sundial"], "adapter_unsynced"),
    ];
    for (args, said) in cases {
        run("gor-record", args, b"").ends_with(2).says(said);
    }
    let alone = run("gor-record", &["-r", CAPTURE, "--responses"], b"");
    let named = run("gor-record", &["-r", CAPTURE, "--responses", "--engine", "pcap_file"], b"");
    assert!(!alone.stdout.is_empty());
    named.ends_with(0).writes(&alone.stdout);
}

#[test]
fn of_a_file_the_expression_leaves_out_what_the_address_would() {
    if !has_libpcap() {
        return;
    }
    let cases = [
        ("any-sll.pcap", "tcp port 8080"),
        ("any-sll2.pcap", "tcp port 8080"),
        ("ipv6-loopback.pcap", "tcp port 8080"),
        ("vlan.pcap", "vlan and tcp port 8080"),
    ];
    for (file, expression) in cases {
        let file = format!("testdata/{file}");
        let args = ["-r", &file, "--responses", ":8080"];
        let all = record(&args, b"");
        assert!(!all.records.is_empty(), "{file}");
        let selected = record(&[&args[..], &["--bpf", expression]].concat(), b"");
        selected.ran.writes(&all.ran.stdout);
        assert_reconciles(&selected, &file);
        let count = |recording: &Recording, path| number(&recording.stats, path);
        assert_eq!(count(&selected, "/packets/segments"), count(&all, "/packets/segments"), "{file}");
        assert_eq!(count(&selected, "/packets/read"), count(&all, "/packets/read"), "{file}");
        assert_eq!(
            count(&selected, "/packets/left_out_by_bpf"),
            count(&all, "/packets/read") - count(&all, "/packets/segments"),
            "{file}"
        );

        for (addresses, said) in
            [(&[":8080"][..], " packets left out by --bpf"), (&[], "all packets left out by --bpf, ")]
        {
            let args = [&["-r", &file, "--bpf", "udp port 1"], addresses].concat();
            let none = record(&args, b"");
            none.ran.says(said);
            assert!(none.records.is_empty(), "{file}");
            assert_eq!(count(&none, "/packets/left_out_by_bpf"), count(&none, "/packets/read"), "{file}");
        }
    }
}

#[test]
fn without_the_library_it_is_said_where_to_get_it() {
    let is_file = |path: &String| Path::new(path).exists();
    let files: Vec<_> = FOLDERS
        .iter()
        .flat_map(|folder| NAMES.map(|name| format!("{folder}/{name}")))
        .filter(is_file)
        .collect();
    // In a mount namespace of its own the library is empty.
    let hide: Vec<_> = files.iter().map(|file| format!("mount --bind /dev/null {file} && ")).collect();
    let hide = hide.concat();
    for (option, args) in [
        ("--engine libpcap", &[":80", "--engine", "libpcap"][..]),
        ("--bpf", &[":80", "--bpf", "tcp"]),
        ("--bpf", &["-r", CAPTURE, "--bpf", "tcp"]),
    ] {
        let program = command("gor-record", args);
        let mut hidden = Command::new("unshare");
        hidden.args(["--mount", "sh", "-c", &format!("{hide}exec \"$@\""), "sh"]);
        hidden.arg(program.get_program()).args(args).current_dir(env!("CARGO_MANIFEST_DIR"));
        let output = hidden.stdin(Stdio::null()).output();
        let Ok(output) = output else {
            skip("there is no unshare");
            return;
        };
        if !String::from_utf8_lossy(&output.stderr).contains("gor-record: ") {
            skip("mount namespaces need root");
            return;
        }
        let ran = Ran::new("gor-record", args, output);
        ran.ends_with(1).says(&format!("{option} needs the library libpcap"));
        ran.says("'apt install libpcap0.8', 'dnf install libpcap' or 'apk add libpcap'");
    }
}
