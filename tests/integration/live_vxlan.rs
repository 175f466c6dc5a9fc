//! `gor-record --engine vxlan`: mirrored traffic, received in datagrams that these tests send.
//!
//! Where namespaces cannot be made (they need root and `ip`) these tests say so and pass.

use std::net::UdpSocket;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use gor_tools::packet::LinkType;
use rustix::process::Signal;

use super::packets_kept::packets;
use super::support::live::Recorder;
use super::support::network::{HERE, Network};
use super::support::packets::{Packet, Talk, pcap};
use super::support::program::{command, run};
use super::support::recorder::{Recording, assert_reconciles, number, record};
use super::support::skip::skip;

const PORT: u16 = 4789;

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

/// An exchange on a connection of its own.
pub(super) fn exchange(client: &str, path: &str) -> Talk {
    Talk::between(client, "10.9.0.1:80")
        .handshake()
        .client(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"))
        .server("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        .close()
}

/// Sends frames as what a mirror sees in a network of this number.
pub(super) fn mirror(space: &str, to: (&'static str, u16), network: u32, packets: &[Packet]) {
    let header = [&[8, 0, 0, 0][..], &network.to_be_bytes()[1..], &[0]].concat();
    let datagrams: Vec<_> = packets.iter().map(|packet| [&header[..], &packet.bytes].concat()).collect();
    Network::run_in(space, move || {
        let any = if to.0.contains(':') { "::" } else { "0.0.0.0" };
        let socket = UdpSocket::bind((any, 0)).expect("a socket");
        for datagram in datagrams {
            socket.send_to(&datagram, to).expect("a datagram can be sent");
        }
    });
}

/// Id and payload of each record.
fn messages(recording: &Recording) -> Vec<(Vec<u8>, Vec<u8>)> {
    recording.records.iter().map(|record| (record.header().id.to_vec(), record.payload.clone())).collect()
}

#[test]
fn what_is_mirrored_is_recorded_as_from_a_file_of_the_same_frames() {
    let Some(network) = Network::new() else { return };
    let talk = exchange("10.9.0.2:4000", "/a")
        .then(exchange("10.9.0.3:4001", "/b"))
        .then(Talk::between("[fd09::2]:4002", "[fd09::1]:80").handshake().client("GET /six HTTP/1.1\r\n\r\n"))
        .then(
            Talk::between("10.9.0.2:4003", "10.9.0.1:81").handshake().client("GET /other HTTP/1.1\r\n\r\n"),
        );
    let expected = record(&["-r", "-", ":80", "--responses"], &pcap(&talk.packets));
    assert_eq!(expected.records.len(), 5);
    let folder = tempfile::tempdir().expect("a folder");
    for (name, to, args) in [
        ("four.pcap", (HERE[0], PORT), &[":80"][..]),
        ("six.pcapng", (HERE[1], PORT), &[":80", "--any-host"]),
        ("ports.pcapng.gz", (HERE[0], 7777), &[":80", "--vxlan-port", "7777,7778"]),
    ] {
        let kept = folder.path().join(name);
        let args = [args, &["--responses", "--engine", "vxlan", "-w", text(&kept)]].concat();
        let recorder = Recorder::start(&network.here, &args);
        // While it is stopped only the kernel can tell when they came.
        recorder.signal(Signal::STOP);
        mirror(&network.there, to, 7, &talk.packets);
        let sent = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos() as i64;
        recorder.signal(Signal::CONT);
        let live = recorder.end();
        for record in &live.records {
            assert!(record.header().timestamp <= sent, "{name}: {} {sent}", record.header().timestamp);
        }
        if name == "four.pcap" {
            // From there to here, over IPv4 and UDP.
            for (link, _, _, bytes) in packets(&kept) {
                assert_eq!(link, LinkType::RAW);
                assert_eq!(bytes[12..20], [10, 77, 0, 2, 10, 77, 0, 1], "{bytes:x?}");
                assert_eq!((bytes[9], &bytes[22..24]), (17, &PORT.to_be_bytes()[..]));
            }
        }
        assert_eq!(messages(&live), messages(&expected), "{name}: {:?}", live.summary());
        assert_reconciles(&live, name);
        let ports = if to.1 == PORT { "4789" } else { "7777, 7778" };
        live.ran.says(&format!(
            "recording servers at any host, port 80; in VXLAN received at UDP port {ports}\n"
        ));
        assert_eq!(number(&live.stats, "/packets/dropped"), 0, "{name}");
        assert_eq!(number(&live.stats, "/packets/other_ports"), 4, "{name}");
        // What is kept gives the same, to the nanosecond.
        let again = ["-r", text(&kept), ":80", "--responses", "--vxlan-port", &to.1.to_string()];
        assert!(record(&again, b"").ran.stdout == live.ran.stdout, "{name}");
    }
}

#[test]
fn networks_are_selected_by_number_and_apart_from_each_other() {
    let Some(network) = Network::new() else { return };
    for (args, recorded) in [
        (&[][..], &["/seven", "/eight"][..]),
        (&["--vxlan-vni", "7"], &["/seven"]),
        (&["--vxlan-vni", "-7"], &["/eight"]),
    ] {
        let args = [&["10.9.0.0/24:80", "--engine", "vxlan", "--responses"], args].concat();
        let recorder = Recorder::start(&network.here, &args);
        // The same addresses, ports and sequence numbers in two networks, packet by packet.
        let [seven, eight] = ["/seven", "/eight"].map(|path| exchange("10.9.0.2:4000", path).packets);
        for (seven, eight) in seven.iter().zip(&eight) {
            mirror(&network.there, (HERE[0], PORT), 7, std::slice::from_ref(seven));
            mirror(&network.there, (HERE[0], PORT), 8, std::slice::from_ref(eight));
        }
        let live = recorder.end();
        assert_reconciles(&live, "networks");
        let payloads: Vec<_> = messages(&live).into_iter().map(|(_, payload)| payload).collect();
        for path in ["/seven", "/eight"] {
            let asked =
                payloads.iter().filter(|payload| payload.starts_with(format!("GET {path} ").as_bytes()));
            assert_eq!(asked.count(), usize::from(recorded.contains(&path)), "{args:?} {path}");
        }
        assert_eq!(live.records.len(), 2 * recorded.len(), "{args:?}");
    }
}

#[test]
fn datagrams_that_there_was_no_room_for_are_counted_and_end_it_with_status_1() {
    let Some(network) = Network::new() else { return };
    let recorder = Recorder::start(&network.here, &[":80", "--engine", "vxlan", "--buffer-size", "2mb"]);
    recorder.signal(Signal::STOP);
    let mut talk = Talk::open();
    for _ in 0..10_000 {
        talk = talk.client([b'x'; 1300]);
    }
    mirror(&network.there, (HERE[0], PORT), 7, &talk.packets);
    recorder.signal(Signal::CONT);
    let live = recorder.end_with(1);
    live.ran.says("dropped by the kernel; --buffer-size makes room");
    let (read, dropped) = (number(&live.stats, "/packets/read"), number(&live.stats, "/packets/dropped"));
    assert!(read > 0 && dropped > 0, "{read} {dropped}");
    assert_eq!(read + dropped, 10_003);
}

/// Root without any capability is nobody of consequence.
#[test]
fn it_needs_no_rights() {
    let Some(network) = Network::new() else { return };
    let program = command("gor-record", &[]);
    let mut inside = Command::new("ip");
    inside.args(["netns", "exec", &network.here, "setpriv", "--bounding-set=-all", "--inh-caps=-all"]);
    inside.arg(program.get_program()).args([":80", "--engine", "vxlan", "--exit-after", "200ms"]);
    let output = inside.stdin(Stdio::null()).output().expect("ip was there before");
    let stderr = String::from_utf8(output.stderr).expect("text");
    if stderr.contains("setpriv") {
        skip("setpriv of util-linux is missing");
        return;
    }
    assert!(output.status.success(), "{stderr}");
    // The limit of the system holds then, which is below the default of --buffer-size unless an administrator raised it.
    assert!(stderr.contains("recording servers at any host"), "{stderr}");
}

#[test]
fn a_port_in_use_is_said_with_what_to_do() {
    let Some(network) = Network::new() else { return };
    let _other =
        Network::run_in(&network.here, || UdpSocket::bind(("::", PORT)).expect("it is free in there"));
    let program = command("gor-record", &[]);
    let mut inside = Command::new("ip");
    inside.args(["netns", "exec", &network.here]).arg(program.get_program());
    let output = inside.args([":80", "--engine", "vxlan"]).output().expect("ip was there before");
    let stderr = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("UDP port 4789 is in use") && stderr.contains("--vxlan-port"), "{stderr}");
}

#[test]
fn what_it_cannot_do_is_wrong_usage() {
    for (args, said) in [
        (&[":80", "--threads", "2"][..], "--threads is for --engine af_packet; vxlan has one"),
        (&[":80", "--bpf", "tcp"], "--bpf selects packets that are captured"),
        (&[":80", "--promisc"], "--engine vxlan listens at all interfaces"),
        (&["eth0:80"], "--engine vxlan listens at all interfaces"),
        (&[":80", "--ignore-interface", "lo"], "--engine vxlan listens at all interfaces"),
        (&[":80", "--monitor"], "--monitor needs --engine libpcap"),
        (&["-r", "testdata/shop.pcapng"], "with -r nothing is captured"),
        (&[], "nothing to record"),
    ] {
        run("gor-record", &[&["--engine", "vxlan"], args].concat(), b"").ends_with(2).says(said);
    }
}
