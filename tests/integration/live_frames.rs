//! The same packets, captured from the network and read from a file, give the same records.
//!
//! Where namespaces cannot be made, or python3 or tcpdump is missing, these tests say so and pass.

use std::thread;
use std::time::Duration;

use gor_tools::record::{Kind, Mark, Record};

use super::support::frames::{self, fragments, has_python};
use super::support::live::{Recorder, exchanges};
use super::support::network::Network;
use super::support::packets::{Packet, Side, Talk, pcap};
use super::support::recorder::{Recording, is_request, number, record};

/// Whether it is a request, id, mark.
type Head = (bool, String, Option<String>);

type Wrap = fn(&[u8]) -> Vec<u8>;

/// Ways for a frame to travel.
const WRAPS: [(&str, Wrap); 16] = [
    ("plain", <[u8]>::to_vec),
    ("vlan", frames::vlan),
    ("qinq", frames::qinq),
    ("two-vlans", frames::two_vlans),
    ("mpls", frames::mpls),
    ("pppoe", frames::pppoe),
    ("snap", frames::snap),
    ("vxlan", frames::vxlan),
    ("vlan-in-vxlan", |frame| frames::vxlan(&frames::vlan(frame))),
    ("vxlan-in-vlan", |frame| frames::vlan(&frames::vxlan(frame))),
    ("geneve", frames::geneve),
    ("gtp-u", frames::gtp_u),
    ("gre", frames::gre),
    ("gre-of-ethernet", frames::gre_of_ethernet),
    ("ip-in-ipv4", frames::ip_in_ipv4),
    ("ip-in-ipv6", frames::ip_in_ipv6),
];

/// One exchange on a connection of its own, and its path.
fn talk(port: u16, is_ipv6: bool, name: &str) -> (Talk, String) {
    let path = format!("/{name}/{}/600", if is_ipv6 { 6 } else { 4 });
    let (client, server) = if is_ipv6 { ("[fd00::2]", "[fd00::1]") } else { ("10.0.0.2", "10.0.0.1") };
    let talk = Talk::between(&format!("{client}:{port}"), &format!("{server}:80")).handshake();
    let request = format!("GET {path} HTTP/1.1\r\nHost: here\r\nX-Long: {}\r\n\r\n", "x".repeat(300));
    let answer = [b"HTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\n", &body(&path)[..]].concat();
    (talk.client(request).in_segments(Side::Server, &answer, 400).close(), path)
}

fn body(path: &str) -> Vec<u8> {
    super::support::network::body(path)
}

/// Conversations in every wrap, in fragments in order and not; and the paths of them.
fn conversations() -> (Vec<Vec<u8>>, Vec<String>) {
    let (mut all, mut paths) = (Vec::new(), Vec::new());
    let mut port = 20_000;
    let mut number = 0;
    for (name, wrap) in WRAPS {
        for is_ipv6 in [false, true] {
            for (suffix, order) in [("", 0), ("-in-fragments", 1), ("-in-fragments-backwards", -1)] {
                port += 1;
                let (talk, path) = talk(port, is_ipv6, &format!("{name}{suffix}"));
                for packet in &talk.packets {
                    number += 1;
                    let mut pieces = match order {
                        0 => vec![packet.bytes.clone()],
                        _ => fragments(&packet.bytes, number),
                    };
                    if order < 0 {
                        pieces.reverse();
                    }
                    all.extend(pieces.iter().map(|piece| wrap(piece)));
                }
                paths.push(path);
            }
        }
    }
    // The outer packets are fragments, too.
    for (name, wrap) in WRAPS.into_iter().filter(|(name, _)| name.contains("in-ip") || *name == "vxlan") {
        port += 1;
        let (talk, path) = talk(port, false, &format!("{name}-outside"));
        for packet in &talk.packets {
            number += 1;
            all.extend(fragments(&wrap(&packet.bytes), number));
        }
        paths.push(path);
    }
    (all, paths)
}

/// What is recorded of frames that come from the network. The last conversation tells when all have come.
fn live(network: &Network, args: &[&str], options: &[&str], frames: &[Vec<u8>]) -> Recording {
    let (last, path) = talk(65_000, false, "last");
    let last: Vec<_> = last.packets.into_iter().map(|packet| packet.bytes).collect();
    let folder = tempfile::tempdir().expect("a folder");
    let output = folder.path().join("out.gor").display().to_string();
    let packets = folder.path().join("out.pcapng").display().to_string();
    let outputs = ["-o", "-", "-o", &output, "--flush-interval", "0s", "-w", &packets];
    let recorder = Recorder::start(&network.here, &[args, options, &outputs].concat());
    frames::send(&network.there, &[frames, &last].concat());
    let is_there = || std::fs::read(&output).is_ok_and(|text| contains(&text, path.as_bytes()));
    for _ in 0..600 {
        if is_there() {
            break;
        }
        thread::sleep(Duration::from_millis(50));
    }
    assert!(is_there(), "the last one was not recorded for 30 s");
    let mut recording = recorder.end();
    // What it kept of the packets tells the same again, times included.
    let again = record(&[&[":80", "-r", &packets], options].concat(), b"");
    if args.contains(&"--threads") {
        // The kernel does not put fragments of IPv6 together: their thread has not seen the rest of the connection.
        for record in &mut recording.records {
            record.mark = record.mark.filter(|mark| *mark != Mark::Doubtful);
        }
    }
    let (found, told) = (in_order(&recording.records), in_order(&again.records));
    let differing = found.iter().zip(&told).find(|(found, told)| found != told);
    assert!(found == told, "{args:?}: {differing:?}\n{:#}", again.stats);
    recording.records.retain(|record| record.header().id.get(..4) != Some(b"fde8"));
    recording
}

/// Records in an order that does not depend on which of two with one time came first.
fn in_order(records: &[Record]) -> Vec<Record> {
    let mut records = records.to_vec();
    records.sort_by_key(|record| (record.id.clone(), record.kind != Kind::Request, record.timestamp));
    records
}

fn contains(text: &[u8], what: &[u8]) -> bool {
    text.windows(what.len()).any(|window| window == what)
}

/// What is recorded of the same frames in a file.
fn from_file(args: &[&str], frames: &[Vec<u8>]) -> Recording {
    let packets: Vec<_> = frames.iter().map(|frame| Packet { pause: 0, bytes: frame.clone() }).collect();
    record(&[args, &["-r", "-"]].concat(), &pcap(&packets))
}

/// All of the records but their times.
fn timeless(records: &[Record]) -> Vec<(Head, &[u8])> {
    let one = |record: &'_ Record| {
        let header = record.header();
        let id = String::from_utf8_lossy(header.id).into_owned();
        (is_request(&header), id, header.mark.map(|mark| format!("{mark:?}")))
    };
    records.iter().map(|record| (one(record), &record.payload[..])).collect()
}

#[test]
fn frames_in_tunnels_tags_and_fragments_are_recorded_as_from_a_file() {
    let Some(network) = Network::new().filter(|_| has_python()) else { return };
    let (frames, paths) = conversations();
    let options = ["--responses", "--expire", "1h"];
    let file = from_file(&[&[":80"], &options[..]].concat(), &frames);
    let expected: Vec<_> = paths
        .into_iter()
        .map(|path| {
            let body = body(&path);
            (path, Some(body))
        })
        .collect();
    assert!(exchanges(&file) == expected, "{:?}", file.summary());
    for args in
        [&[":80", "--any-host"][..], &["cable:80", "--any-host"], &[":80", "--any-host", "--threads", "3"]]
    {
        let live = live(&network, args, &options, &frames);
        let (mut found, mut expected) = (timeless(&live.records), timeless(&file.records));
        if args.contains(&"--threads") {
            // Of two with one time either may come first.
            found.sort();
            expected.sort();
        }
        let missing: Vec<_> = expected.iter().filter(|one| !found.contains(one)).map(|one| &one.0).collect();
        assert!(found == expected, "{args:?}: of {} not {missing:?}\n{:#}", expected.len(), live.stats);
        assert_eq!(number(&live.stats, "/packets/dropped"), 0);
    }
}

/// Numbers that are the same each time (Knuth's MMIX generator).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

#[test]
fn damaged_frames_are_recorded_as_from_a_file() {
    let Some(network) = Network::new().filter(|_| has_python()) else { return };
    let (mut frames, _) = conversations();
    let mut numbers = Numbers(1);
    for frame in &mut frames {
        match numbers.below(40) {
            0 => frame.truncate(15 + numbers.below(80)),
            // Behind the hardware addresses, which the decoder does not look at.
            1..4 => {
                let at = (12 + numbers.below(80)).min(frame.len() - 1);
                frame[at] ^= 1 << numbers.below(8);
            }
            4 => {
                let at = (12 + numbers.below(80)).min(frame.len() - 1);
                frame[at] = numbers.below(256) as u8;
            }
            _ => {}
        }
    }
    let options = ["--responses", "--expire", "1h", "--allow-incomplete"];
    let file = from_file(&[&[":80"], &options[..]].concat(), &frames);
    let live = live(&network, &[":80", "--any-host"], &options, &frames);
    let (found, expected) = (timeless(&live.records), timeless(&file.records));
    assert!(expected.iter().any(|((_, _, mark), _)| mark.is_some()), "none has a gap");
    for (found, expected) in found.iter().zip(&expected) {
        let text = |payload| String::from_utf8_lossy(payload).into_owned();
        assert!(found == expected, "{:?} {:?}", (&found.0, text(found.1)), (&expected.0, text(expected.1)));
    }
    assert_eq!(found.len(), expected.len());
}
