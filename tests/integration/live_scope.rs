//! Whose traffic gor-record takes from a network: addresses, clients, interfaces, virtual networks; each exchange once.
//!
//! Where namespaces cannot be made (they need root and `ip`) these tests say so and pass.

use std::io::{BufRead, Read};
use std::process::{Command, Stdio};

use rustix::process::Signal;

use super::support::live::{Process, Recorder, exchanges};
use super::support::network::{HERE, Network, PORT, TAGGED_HERE, THERE, body, ip, try_ip};
use super::support::program::command;
use super::support::recorder::{Recording, assert_reconciles, number};
use super::support::skip::skip_for_kernel;

/// The paths of the requests that were recorded.
fn paths(recording: &Recording) -> Vec<String> {
    exchanges(recording).into_iter().map(|(path, _)| path).collect()
}

fn get(space: &str, host: &str, path: &str) {
    Network::get(space, host, &[path.to_owned()]);
}

/// What `ip` prints.
fn shown(args: &str) -> String {
    let output = Command::new("ip").args(args.split(' ')).output().expect("ip was there before");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn ranges_networks_and_addresses_on_an_interface_are_recorded_at() {
    let Some(network) = Network::new() else { return };
    ip(&format!("-n {} addr add fe80::77:1/64 dev cable nodad", network.here));
    let link = shown(&format!("-n {} -o link show cable", network.there));
    let index = link.split(':').next().expect("its index");
    let link_local = format!("fe80::77:1%{index}");
    let _served = Network::serve(&network.here);
    let all = ["/four/1", "/six/1", "/link/1"];
    let cases = [
        (":8000-8100", &all[..]),
        (":1-100,8000-8100", &all),
        (":8081-9000", &[]),
        ("10.77.0.0/24:8080", &all[..1]),
        ("10.78.0.0/24:8080", &[]),
        ("[fd00::/8]:8080", &all[1..2]),
        ("[fe80::77:1]:8080", &all[2..]),
        ("[fe80::77:1%cable]:8080", &all[2..]),
        ("[fe80::77:1%lo]:8080", &[]),
        ("[fe80::%cable/64]:8000-8100", &all[2..]),
    ];
    for (address, recorded) in cases {
        let recorder = Recorder::start(&network.here, &[address]);
        for (host, path) in [HERE[0], HERE[1], &link_local].into_iter().zip(all) {
            get(&network.there, host, path);
        }
        let recording = recorder.end();
        assert_eq!(paths(&recording), recorded, "{address}");
        assert_reconciles(&recording, address);
    }
}

#[test]
fn clients_and_interfaces_that_are_left_out_are_not_recorded() {
    let Some(network) = Network::new() else { return };
    let _served = [Network::serve(&network.here), Network::serve(&network.there)];
    let cases = [
        (&[":8080", "--any-host"][..], &["/in/1", "/out/1", "/lo/1"][..], false),
        (&[":8080", "--any-host", "--not-client", HERE[0]], &["/in/1", "/lo/1"], true),
        (&[":8080", "--not-client", "10.77.0.0/24,127.0.0.0/8"], &[], true),
        (&[":8080", "--not-client", "fd00::/8"], &["/in/1", "/lo/1"], false),
        (&[":8080", "--ignore-interface", "lo"], &["/in/1"], false),
        (&[":8080", "--any-host", "--ignore-interface", "cable"], &["/lo/1"], false),
    ];
    for (args, recorded, are_clients_counted) in cases {
        let recorder = Recorder::start(&network.here, args);
        get(&network.there, HERE[0], "/in/1");
        get(&network.here, THERE[0], "/out/1");
        get(&network.here, "127.0.0.1", "/lo/1");
        let recording = recorder.end();
        assert_eq!(paths(&recording), recorded, "{args:?}");
        assert_reconciles(&recording, &args.concat());
        let counted = number(&recording.stats, "/packets/other_clients");
        assert_eq!(counted > 0, are_clients_counted, "{args:?}: {counted}");
        if let Some(at) = args.iter().position(|arg| *arg == "--ignore-interface") {
            recording.ran.says(&format!("; not on {}", args[at + 1]));
        }
    }
}

#[test]
fn interfaces_are_promiscuous_for_as_long_as_it_runs() {
    let Some(network) = Network::new() else { return };
    let _served = Network::serve(&network.there);
    let is_promiscuous = || {
        let link = shown(&format!("-n {} -d link show cable", network.here));
        assert!(link.contains("promiscuity "), "{link}");
        !link.contains("promiscuity 0")
    };
    for (address, said) in [(":8080", "any host, port 8080; in"), ("cable:8080", "port 8080 on cable; in")] {
        assert!(!is_promiscuous());
        let recorder = Recorder::start(&network.here, &[address, "--promisc"]);
        assert!(is_promiscuous(), "{address}");
        get(&network.here, THERE[0], "/out/1");
        let recording = recorder.end();
        recording.ran.says(said).says("; in promiscuous mode, packets for other machines included");
        assert_eq!(paths(&recording), ["/out/1"], "{address}");
    }
    assert!(!is_promiscuous());
    let recorder = Recorder::start(&network.here, &["lo:8080", "--promisc"]);
    assert!(!is_promiscuous(), "another interface was named");
    recorder.end();
}

#[test]
fn only_the_vlans_and_overlays_that_are_selected_are_recorded() {
    let Some(network) = Network::new() else { return };
    let _served = Network::serve(&network.here);
    let mut ways = vec![(HERE[0], "/plain/1")];
    let has_vlan = network.add_vlan();
    if has_vlan {
        ways.push((TAGGED_HERE, "/vlan/1"));
    }
    let mut sees_vxlan = true;
    for (space, remote, address) in
        [(&network.here, THERE[0], "10.79.0.1"), (&network.there, HERE[0], "10.79.0.2")]
    {
        let add = format!("-n {space} link add over type vxlan id 7 dev cable remote {remote} dstport 4800");
        sees_vxlan &= try_ip(&add);
        if sees_vxlan {
            ip(&format!("-n {space} addr add {address}/24 dev over"));
            ip(&format!("-n {space} link set over up"));
        }
    }
    if sees_vxlan {
        ways.push(("10.79.0.1", "/vxlan/1"));
    } else {
        skip_for_kernel("this kernel has no VXLAN; the rest is tested");
    }
    let cases = [
        (&["cable:8080"][..], &["/plain/1", "/vlan/1"][..]),
        (&["cable:8080", "--vlan", "5"], &["/vlan/1"]),
        (&[":8080", "--vlan", "5"], &["/vlan/1"]),
        (&["cable:8080", "--vlan", "6"], &[]),
        (&["cable:8080", "--vxlan-port", "4800"], &["/plain/1", "/vlan/1", "/vxlan/1"]),
        (&["cable:8080", "--vxlan-port", "4800", "--vxlan-vni", "7"], &["/vxlan/1"]),
        (&["cable:8080", "--vxlan-port", "4800", "--vxlan-vni", "-7"], &["/plain/1", "/vlan/1"]),
        (&["cable:8080", "--vxlan-port", "4800", "--vxlan-vni", "8"], &[]),
    ];
    for (args, chosen) in cases {
        let recorder = Recorder::start(&network.here, args);
        for (host, path) in &ways {
            get(&network.there, host, path);
        }
        let recording = recorder.end();
        let is_there = |path: &&str| ways.iter().any(|(_, way)| way == path);
        let expected: Vec<_> = chosen.iter().copied().filter(is_there).collect();
        assert_eq!(paths(&recording), expected, "{args:?}");
        assert_reconciles(&recording, &args.concat());
        let is_selected = args.contains(&"--vlan") || args.contains(&"--vxlan-vni");
        assert_eq!(number(&recording.stats, "/packets/other_networks") > 0, is_selected, "{args:?}");
    }
}

/// A bridge whose ports are the cable and one end of a pair, with one address of this machine on the other end, and one on
/// the bridge. All responses go out over the pair, and are seen up to three times; requests come in on whichever of the
/// two answered first when the other machine asked for the address.
#[test]
fn what_is_seen_on_several_interfaces_is_recorded_once() {
    let Some(network) = Network::new() else { return };
    let here = &network.here;
    if !try_ip(&format!("-n {here} link add bridge type bridge")) {
        skip_for_kernel("this kernel has no bridges");
        return;
    }
    ip(&format!("-n {here} link add inner type veth peer name outer"));
    ip(&format!("-n {here} addr flush dev cable"));
    for port in ["cable", "outer"] {
        ip(&format!("-n {here} link set {port} master bridge"));
    }
    for interface in ["bridge", "inner", "outer"] {
        ip(&format!("-n {here} link set {interface} up"));
    }
    ip(&format!("-n {here} addr add {}/24 dev inner", HERE[0]));
    ip(&format!("-n {here} addr add 10.77.0.3/24 dev bridge"));
    let _served = Network::serve(here);
    let cases = [
        (HERE[0], &[":8080"][..], true),
        (HERE[0], &["cable:8080", "outer:8080", "inner:8080"], true),
        (HERE[0], &["inner:8080", "bridge:8080"], false),
        ("10.77.0.3", &[":8080"], true),
        ("10.77.0.3", &["inner:8080", "cable:8080"], true),
        ("10.77.0.3", &["bridge:8080", "inner:8080"], false),
    ];
    for (host, addresses, is_seen_again) in cases {
        let recorder = Recorder::start(here, &[addresses, &["--responses", "--any-host"]].concat());
        let mut expected = Vec::new();
        for connection in 0..5 {
            let paths: Vec<_> =
                [0, 1000, 70_000, 300_000].map(|length| format!("/{connection}/{length}")).into();
            Network::get(&network.there, host, &paths);
            expected.extend(paths.into_iter().map(|path| {
                let body = body(&path);
                (path, Some(body))
            }));
        }
        let recording = recorder.end();
        assert!(exchanges(&recording) == expected, "{host} {addresses:?}\n{:?}", recording.summary());
        assert_reconciles(&recording, addresses[0]);
        assert_eq!(number(&recording.stats, "/connections/seen"), 5, "{host} {addresses:?}");
        let [repeated, delivered] =
            ["repeated", "delivered"].map(|what| number(&recording.stats, &format!("/segments/{what}")));
        // Requests, which are short, may be seen once.
        let is_doubled = repeated > delivered / 2;
        assert!(is_doubled || !is_seen_again, "{host} {addresses:?}: {:#}", recording.stats);
        for lost in ["/segments/missing", "/segments/misplaced", "/segments/differing", "/bytes/skipped"] {
            assert_eq!(number(&recording.stats, lost), 0, "{host} {addresses:?}: {lost}");
        }
    }
}

/// Two that are named share a buffer, which the kernel does not end for one of them.
#[test]
fn of_several_interfaces_one_that_is_taken_away_ends_it() {
    let Some(network) = Network::new() else { return };
    let _served = Network::serve(&network.here);
    let recorder = Recorder::start(&network.here, &["lo:8080", "cable:8080"]);
    get(&network.there, HERE[0], "/before/1");
    ip(&format!("-n {} link del cable", network.here));
    let recording = recorder.wait(1);
    recording.ran.says("cable: the interface is gone");
    assert_eq!(paths(&recording), ["/before/1"]);
    assert_reconciles(&recording, "gone");
}

/// Replays what a recorder records, from here to there.
fn replay(network: &Network, recorder: &mut Recorder) -> Process {
    let target = format!("http://{}:{PORT}", THERE[0]);
    let program = command("gor-replay", &[]);
    let mut replay = Command::new("ip");
    replay.args(["netns", "exec", &network.here]).arg(program.get_program()).args([&target, "-q"]);
    replay.stdin(recorder.child.0.stdout.take().expect("it is piped"));
    Process(replay.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("ip was there before"))
}

const LOOP: &str = "this machine's own replay is being recorded: 10.77.0.1 sends to 10.77.0.2:8080";

#[test]
fn a_replay_that_is_recorded_is_noticed_at_once() {
    let Some(network) = Network::new() else { return };
    let _served = [Network::serve(&network.here), Network::serve(&network.there)];
    let written_out = format!("{}:{PORT}", THERE[0]);
    for (args, advice) in [
        (&[":8080", "--any-host"][..], "leave out --any-host or use --not-client 10.77.0.1"),
        (&[":8080", "--promisc"], "leave out --promisc or use --not-client 10.77.0.1"),
        (&[":8080", &written_out, "--real-ip-header", "X-Real-IP"], "; use --not-client 10.77.0.1"),
    ] {
        let mut recorder = Recorder::start_piped(&network.here, args);
        let mut replay = replay(&network, &mut recorder);
        // One of these goes round until it is noticed. One alone would be the end of the loop if it was recorded with a
        // mark, as on a machine that is very busy, for such requests are not sent.
        for number in 0..5 {
            get(&network.there, HERE[0], &format!("/once/{number}"));
        }
        let mut line = String::new();
        while !line.contains(LOOP) {
            line.clear();
            assert!(recorder.errors.read_line(&mut line).expect("a line") > 0, "{args:?}: it ended");
        }
        assert!(line.contains(advice), "{line}");
        recorder.signal(Signal::INT);
        let mut rest = String::new();
        recorder.errors.read_to_string(&mut rest).expect("messages are text");
        assert!(!rest.contains(LOOP), "said twice: {rest}");
        replay.0.wait().expect("it can be waited for");
    }
}

#[test]
fn traffic_that_is_no_replay_of_the_recording_is_not_taken_for_one() {
    let Some(network) = Network::new() else { return };
    let _here = Network::serve(&network.here);
    let there = Network::serve(&network.there);
    // What this machine asks of itself, and of another one, again and again; what others ask of it.
    let recorder = Recorder::start(&network.here, &[":8080", "--any-host"]);
    for _ in 0..10 {
        for (space, host) in
            [(&network.here, "127.0.0.1"), (&network.here, THERE[0]), (&network.there, HERE[0])]
        {
            Network::get(space, host, &vec!["/health/1".to_owned(); 5]);
        }
    }
    let recording = recorder.end();
    assert_eq!(paths(&recording).len(), 150);
    assert!(!recording.ran.stderr.contains("replay"), "{}", recording.ran.stderr);
    while there.try_recv().is_ok() {}
    // A replay whose client is left out.
    let args = [":8080", "--any-host", "--not-client", HERE[0]];
    let mut recorder = Recorder::start_piped(&network.here, &args);
    let mut replay = replay(&network, &mut recorder);
    let paths: Vec<_> = (0..50).map(|number| format!("/{number}/1")).collect();
    Network::get(&network.there, HERE[0], &paths);
    assert_eq!(there.iter().take(50).count(), 50);
    let recording = recorder.end();
    assert!(replay.0.wait().expect("it can be waited for").success());
    assert_eq!(number(&recording.stats, "/requests/recorded"), 50, "{:#}", recording.stats);
    assert!(there.try_recv().is_err(), "one was replayed twice");
    assert!(!recording.ran.stderr.contains("replay"), "{}", recording.ran.stderr);
}
