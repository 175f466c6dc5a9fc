//! `gor-record -r … -w FILE`: the packets that were at the addresses, kept in a capture of their own.

use std::fs::File;
use std::path::Path;

use gor_tools::packet::{CaptureFile, LinkType};

use super::support::packets::{Talk, pcap};
use super::support::program::run;
use super::support::recorder::{Recording, number, record, try_record};

/// A packet: link type, time, length on the wire, bytes.
pub(crate) type Kept = (LinkType, i64, u32, Vec<u8>);

/// The packets of a capture that is not compressed.
#[track_caller]
pub(crate) fn packets(path: &Path) -> Vec<Kept> {
    let mut file = CaptureFile::new(File::open(path).expect("it is there")).expect("a capture");
    let mut packets = Vec::new();
    while let Some(packet) = file.next().expect("it is whole") {
        packets.push((packet.link, packet.time, packet.wire_length, packet.bytes.to_vec()));
    }
    packets
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

/// Packets that the ledger says were at the addresses: segments and fragments, and datagrams of QUIC.
fn at_addresses(recording: &Recording) -> u64 {
    number(&recording.stats, "/packets/segments")
}

#[test]
fn of_every_capture_the_packets_that_are_kept_give_the_same_records() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut number_of_captures = 0;
    for entry in std::fs::read_dir("testdata").expect("it is there") {
        let path = entry.expect("an entry").path();
        if !path.extension().is_some_and(|end| end == "pcap" || end == "pcapng") {
            continue;
        }
        number_of_captures += 1;
        let name = path.file_stem().expect("a name").to_str().expect("text");
        let kept = folder.path().join(format!("{name}.pcapng"));
        let args = ["--responses", "--allow-incomplete", "-r"];
        let first = record(&[&args[..], &[text(&path), "-w", text(&kept)]].concat(), b"");
        let second = record(&[&args[..], &[text(&kept)]].concat(), b"");
        assert!(first.ran.stdout == second.ran.stdout, "{name}");
        for part in ["segments", "bytes", "connections", "requests", "responses", "incomplete_fragments"] {
            assert_eq!(first.stats[part], second.stats[part], "{name}");
        }
        assert_eq!(at_addresses(&first), at_addresses(&second), "{name}");
        // They are as they were: link type, time, length, bytes, order.
        let all = packets(&path);
        let mut rest = all.iter();
        for packet in packets(&kept) {
            assert!(rest.any(|other| *other == packet), "{name}: a packet that was not there: {packet:?}");
        }
    }
    assert!(number_of_captures > 30, "{number_of_captures}");
}

#[test]
fn only_packets_at_the_addresses_are_kept() {
    let talk = |client: &str, server: &str| {
        Talk::between(client, server).handshake().client("GET /a HTTP/1.1\r\n\r\n").close()
    };
    let wanted = talk("10.0.0.2:4000", "10.0.0.1:80");
    let other_port = talk("10.0.0.2:4001", "10.0.0.1:81");
    let other_client = talk("10.0.0.3:4002", "10.0.0.1:80");
    let input = pcap(&wanted.clone().then(other_port).then(other_client).packets);
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["x.pcap", "x.pcapng"] {
        let kept = folder.path().join(name);
        record(&["-r", "-", "10.0.0.1:80", "--not-client", "10.0.0.3", "-w", text(&kept)], &input);
        let bytes: Vec<_> = packets(&kept).into_iter().map(|packet| packet.3).collect();
        let expected: Vec<_> = wanted.packets.iter().map(|packet| packet.bytes.clone()).collect();
        assert_eq!(bytes, expected, "{name}");
    }
    // What nothing was kept in is a capture all the same.
    for name in ["none.pcap", "none.pcapng", "none.pcap.gz", "none.pcapng.zst"] {
        let kept = folder.path().join(name);
        record(&["-r", "-", "10.0.0.9:80", "-w", text(&kept)], &input);
        record(&["-r", text(&kept)], b"").ran.says("no packets to read");
    }
}

#[test]
fn a_second_link_type_needs_pcapng() {
    let folder = tempfile::tempdir().expect("a folder");
    let args = ["-r", "testdata/vlan.pcap", "-r", "testdata/any-sll2.pcap", "--responses", "-w"];
    let kept = folder.path().join("both.pcapng.gz");
    let both = record(&[&args[..], &[text(&kept)]].concat(), b"");
    let again = record(&["-r", text(&kept), "--responses"], b"");
    assert!(!both.records.is_empty() && both.ran.stdout == again.ran.stdout);
    let kept = folder.path().join("one.pcap");
    let one = try_record(&[&args[..], &[text(&kept)]].concat(), b"");
    one.ran
        .ends_with(1)
        .says("one.pcap: a pcap file holds packets of one link type, and after 1 (ETHERNET) comes");
    one.ran.says("whose name ends in .pcapng");
    // What was written before is whole.
    let before = record(&["-r", "testdata/vlan.pcap"], b"");
    assert_eq!(packets(&kept).len() as u64, at_addresses(&before));
}

#[test]
fn a_file_that_cannot_be_written_is_said_before_anything_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::copy("testdata/shop.pcapng", path("in.pcapng")).expect("it can be copied");
    let before = std::fs::read(path("in.pcapng")).expect("it is there");
    let input = path("in.pcapng");
    let cases = [
        (vec!["-w", "x.gor"], "the name of a file that keeps packets ends in .pcap or .pcapng"),
        (vec!["-w", "-"], "the name of a file that keeps packets ends in .pcap or .pcapng"),
        (vec!["-w", "in.pcapng"], "it is also an input"),
        (vec!["-w", "in.pcapng", "--force"], "it is also an input"),
        (vec!["-w", "x.pcap", "-o", "./x.pcap"], "./x.pcap"),
        (vec!["-w", "x.pcap", "--stats-json", "x.pcap"], "x.pcap"),
        (vec!["-w", "x.pcap.gz", "--compress-level", "10"], "--compress-level of gzip is from 1 to 9"),
        (vec!["-w", "there.pcap"], "there.pcap: the file exists; --force overwrites it"),
        (vec!["-w", "there.pcap", "-o", "x.gor", "--append"], "--append cannot add to captures"),
    ];
    std::fs::write(path("there.pcap"), "something").expect("it can be written");
    for (args, said) in cases {
        let mut command = super::support::program::command("gor-record", &["-r", &input]);
        let output = command.args(&args).current_dir(folder.path()).output().expect("it runs");
        let stderr = String::from_utf8(output.stderr).expect("text");
        assert!(output.status.code() == Some(2) && stderr.contains(said), "{args:?}\n{stderr}");
        assert_eq!(output.stdout, b"", "{args:?}");
        for name in ["x.gor", "x.pcap", "x.pcap.gz"] {
            assert!(!folder.path().join(name).exists(), "{args:?}: {name}");
        }
    }
    assert!(std::fs::read(path("in.pcapng")).expect("it is there") == before);
    assert_eq!(std::fs::read(path("there.pcap")).expect("it is there"), b"something");
    let forced = run("gor-record", &["-r", &input, "-w", &path("there.pcap"), "--force"], b"");
    forced.ends_with(0);
    assert!(!packets(Path::new(&path("there.pcap"))).is_empty());
}

#[test]
fn a_full_disk_ends_it_with_the_files_name_and_what_was_recorded_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let full = folder.path().join("full.pcap");
    std::os::unix::fs::symlink("/dev/full", &full).expect("a link");
    let ran = run("gor-record", &["-r", "testdata/wrk.pcap", "-w", text(&full)], b"");
    ran.ends_with(1).says("full.pcap: ").says("no space left on device");
    super::support::recorder::records(&ran.stdout);
}
