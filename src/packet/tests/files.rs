//! Capture files of every kind, cut anywhere, and those that lie.

use std::time::Duration;

use pcap_file::pcap::{PcapHeader, PcapPacket, PcapWriter};
use pcap_file::{DataLink, Endianness, TsResolution};
use proptest::prelude::*;

use super::super::{MAX_BLOCK, MAX_PACKET, is_capture};
use super::support::{Cut, KeptPacket, join, read_all};

/// Words in one byte order.
fn words(big: bool, words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| if big { word.to_be_bytes() } else { word.to_le_bytes() }).collect()
}

fn halves(big: bool, halves: &[u16]) -> Vec<u8> {
    halves.iter().flat_map(|half| if big { half.to_be_bytes() } else { half.to_le_bytes() }).collect()
}

fn pcap_header(big: bool, magic: u32, link: u32) -> Vec<u8> {
    join(&[&words(big, &[magic]), &halves(big, &[2, 4]), &words(big, &[0, 0, 262_144, link])])
}

fn block(big: bool, kind: u32, body: &[u8]) -> Vec<u8> {
    let padding = vec![0; body.len().next_multiple_of(4) - body.len()];
    let length = 12 + (body.len() + padding.len()) as u32;
    join(&[&words(big, &[kind, length]), body, &padding, &words(big, &[length])])
}

fn section(big: bool) -> Vec<u8> {
    let body = join(&[&words(big, &[0x1a2b_3c4d]), &halves(big, &[1, 0]), &[0xff; 8]]);
    block(big, 0x0a0d_0d0a, &body)
}

fn interface(big: bool, link: u16, snap: u32, options: &[u8]) -> Vec<u8> {
    block(big, 1, &join(&[&halves(big, &[link, 0]), &words(big, &[snap]), options]))
}

fn option(big: bool, code: u16, value: &[u8]) -> Vec<u8> {
    let padding = vec![0; value.len().next_multiple_of(4) - value.len()];
    join(&[&halves(big, &[code, value.len() as u16]), value, &padding])
}

fn enhanced(big: bool, interface: u32, ticks: u64, bytes: &[u8], on_wire: u32) -> Vec<u8> {
    let header = [interface, (ticks >> 32) as u32, ticks as u32, bytes.len() as u32, on_wire];
    let padding = vec![0; bytes.len().next_multiple_of(4) - bytes.len()];
    let comment = option(big, 1, b"a comment");
    block(big, 6, &join(&[&words(big, &header), bytes, &padding, &comment]))
}

fn kept(link: u16, time: i64, wire_length: u32, bytes: &[u8]) -> KeptPacket {
    KeptPacket { link, time, wire_length, bytes: bytes.to_vec() }
}

/// A file of every block, and where each ends, with the packets that are whole by then.
fn sample_pcapng() -> (Vec<Vec<u8>>, Vec<KeptPacket>) {
    let mut blocks = Vec::new();
    let mut packets = Vec::new();
    for big in [false, true] {
        let offset = if big { 100i64.to_be_bytes() } else { 100i64.to_le_bytes() };
        blocks.push(section(big));
        blocks.push(interface(big, 1, 5, &[]));
        blocks.push(interface(big, 101, 0, &join(&[&option(big, 2, b"eth0"), &option(big, 9, &[9])])));
        blocks.push(interface(big, 276, 0, &join(&[&option(big, 9, &[0x8a]), &option(big, 14, &offset)])));
        blocks.push(block(big, 0x0bad, b"unknown"));
        blocks.push(enhanced(big, 0, 1_700_000_000_000_001, b"one", 3));
        packets.push(kept(1, 1_700_000_000_000_001_000, 3, b"one"));
        blocks.push(enhanced(big, 1, 1_700_000_000_000_000_002, b"two", 1500));
        packets.push(kept(101, 1_700_000_000_000_000_002, 1500, b"two"));
        blocks.push(enhanced(big, 2, 1024 + 512, b"three", 5));
        packets.push(kept(276, 101_500_000_000, 5, b"three"));
        blocks.push(block(big, 3, &join(&[&words(big, &[9]), b"simpl"])));
        packets.push(kept(1, 101_500_000_000, 9, b"simpl"));
        let obsolete = join(&[&halves(big, &[1, 7]), &words(big, &[0, 5, 3, 3]), b"old"]);
        blocks.push(block(big, 2, &obsolete));
        packets.push(kept(101, 5, 3, b"old"));
    }
    (blocks, packets)
}

#[test]
fn every_kind_of_pcap_is_read() {
    for big in [false, true] {
        for (magic, nanoseconds, extra) in
            [(0xa1b2_c3d4, 5000, 0), (0xa1b2_3c4d, 5, 0), (0xa1b2_cd34, 5000, 8)]
        {
            let packet = words(big, &[4_000_000_000, 5, 3, 60]);
            let file = join(&[&pcap_header(big, magic, 113), &packet, &vec![9; extra], b"abc"]);
            assert!(is_capture(&file[..4]), "{magic:x}");
            let expected = kept(113, 4_000_000_000_000_000_000 + nanoseconds, 60, b"abc");
            assert_eq!(read_all(&file[..]), (vec![expected], None), "{magic:x} {big}");
        }
    }
}

#[test]
fn every_block_of_pcapng_is_read() {
    let (blocks, packets) = sample_pcapng();
    assert!(is_capture(&blocks[0]));
    assert_eq!(read_all(&blocks.concat()[..]), (packets, None));
}

#[test]
fn time_resolutions_of_any_size_are_reckoned_with() {
    let cases: [(u8, u64, i64); 8] = [
        (0, 3, 3_000_000_000),
        (3, 3, 3_000_000),
        (12, 3_000, 3),
        (19, u64::MAX, 1_844_674_407),
        (0x7f, u64::MAX, 0),
        (0x80, 3, 3_000_000_000),
        (0xff, u64::MAX, 0),
        (0, u64::MAX, i64::MAX),
    ];
    for (resolution, ticks, time) in cases {
        let interface = interface(false, 1, 0, &option(false, 9, &[resolution]));
        let file = join(&[&section(false), &interface, &enhanced(false, 0, ticks, b"", 0)]);
        assert_eq!(read_all(&file[..]).0, [kept(1, time, 0, b"")], "{resolution:x} {ticks}");
    }
}

#[test]
fn a_file_cut_anywhere_gives_its_whole_packets_and_then_says_so() {
    let (blocks, packets) = sample_pcapng();
    let file = blocks.concat();
    for length in 0..file.len() {
        let mut end = 0;
        let whole = blocks.iter().take_while(|block| {
            end += block.len();
            end <= length
        });
        let whole: Vec<_> = whole.collect();
        let is_packet = |block: &[u8]| matches!(block[0].max(block[3]), 2 | 3 | 6);
        let count = whole.iter().filter(|block| is_packet(block)).count();
        let ends_between = whole.iter().map(|block| block.len()).sum::<usize>() == length && length > 0;
        let (read, error) = read_all(&file[..length]);
        assert_eq!(read, packets[..count], "{length}");
        assert_eq!(error.is_none(), ends_between, "{length}: {error:?}");
    }
    let records = [pcap_header(false, 0xa1b2_c3d4, 1), join(&[&words(false, &[1, 1, 3, 3]), b"abc"])];
    let file = join(&[&records[0], &records[1], &records[1]]);
    for length in 0..file.len() {
        let (read, error) = read_all(&file[..length]);
        assert_eq!(read.len(), length.saturating_sub(24) / 19, "{length}");
        let expected = match length {
            0 => Some("byte 0: the file is empty".into()),
            1..4 => Some("byte 0: this is neither a pcap nor a pcapng file".into()),
            4..24 => Some("byte 0: the file ends inside the file header".into()),
            24 | 43 => None,
            25..43 => Some("packet 1 (byte 24): the file ends inside the packet".to_string()),
            _ => Some("packet 2 (byte 43): the file ends inside the packet".into()),
        };
        assert_eq!(error, expected, "{length}");
    }
}

#[test]
fn damage_is_named_with_its_place() {
    let pcap = pcap_header(false, 0xa1b2_c3d4, 1);
    let good = join(&[&section(false), &interface(false, 1, 0, &[]), &enhanced(false, 0, 0, b"abcd", 4)]);
    let packet = |captured| block(false, 6, &words(false, &[0, 0, 0, captured, 4, 9]));
    let mut trailer = block(false, 77, b"");
    trailer[8] = 99;
    let cases: Vec<(Vec<u8>, String)> = vec![
        (b"GET / HTTP/1.1\r\n".to_vec(), "byte 0: this is neither a pcap nor a pcapng file".into()),
        (
            join(&[&words(false, &[0xa1b2_c3d4, 9]), &[0; 16]]),
            "byte 0: version 9.0 of the file format is not known".into(),
        ),
        (
            join(&[&pcap, &[b'A'; 40]]),
            format!(
                "packet 1 (byte 24): the packet claims 1094795585 captured bytes; {MAX_PACKET} is the most that is accepted"
            ),
        ),
        (
            join(&[&pcap, &words(false, &[1, 1, 0, 9]), &[0; 40]]),
            "packet 2 (byte 40): zeros stand where a packet should begin".into(),
        ),
        (
            join(&[&good, &[b'A'; 40]]),
            "packet 2 (byte 100): a block of type 0x41414141 cannot be 1094795585 bytes long".into(),
        ),
        (
            join(&[&good, &words(false, &[6, 0x1000_0000])]),
            format!(
                "packet 2 (byte 100): the block claims 268435456 bytes; {MAX_BLOCK} is the most that is accepted"
            ),
        ),
        (
            join(&[&good, &words(false, &[6, 8, 8])]),
            "packet 2 (byte 100): a block of type 0x6 cannot be 8 bytes long".into(),
        ),
        (
            join(&[&good, &packet(5)]),
            "packet 2 (byte 100): the packet claims 5 captured bytes, more than its block holds".into(),
        ),
        (
            join(&[&good, &packet(u32::MAX)]),
            format!(
                "packet 2 (byte 100): the packet claims 4294967295 captured bytes; {MAX_PACKET} is the most that is accepted"
            ),
        ),
        (
            join(&[&good, &enhanced(false, 3, 0, b"", 0)]),
            "packet 2 (byte 100): the packet is of interface 3, which the section does not describe".into(),
        ),
        (
            join(&[&good, &interface(false, 1, 0, &halves(false, &[9, 200]))]),
            "packet 2 (byte 100): an option reaches past the end of its block".into(),
        ),
        (
            join(&[&good, &trailer]),
            "packet 2 (byte 100): the block's length is 12 at its beginning and 99 at its end".into(),
        ),
        (
            join(&[&good, &words(false, &[77, 0xffff_fff0]), &[0; 99]]),
            "packet 2 (byte 100): the file ends inside a block".into(),
        ),
        (
            join(&[&good, &section(false), &enhanced(false, 0, 0, b"", 0)]),
            "packet 2 (byte 128): the packet is of interface 0, which the section does not describe".into(),
        ),
        (
            join(&[&words(false, &[0x0a0d_0d0a, 28]), &[7; 20]]),
            "byte 0: the section header's byte-order magic is 0x07070707".into(),
        ),
    ];
    for (file, expected) in &cases {
        let (read, error) = read_all(&file[..]);
        assert_eq!(error.as_ref(), Some(expected), "after {read:?}");
        // The fuzzer found a section header that was named differently when it came byte by byte.
        assert_eq!(read_all(Cut { bytes: file, sizes: [1].iter().cycle() }), (read, error));
    }
}

#[test]
fn packets_and_blocks_up_to_the_limit_are_read() {
    let bytes = vec![5; MAX_PACKET as usize];
    let length = MAX_PACKET;
    let file = join(&[&pcap_header(true, 0xa1b2_c3d4, 1), &words(true, &[1, 0, length, length]), &bytes]);
    assert_eq!(read_all(&file[..]), (vec![kept(1, 1_000_000_000, length, &bytes)], None));
    let unknown = block(false, 9, &vec![0; MAX_BLOCK as usize]);
    let file =
        join(&[&section(false), &interface(false, 1, 0, &[]), &unknown, &enhanced(false, 0, 0, b"a", 1)]);
    assert_eq!(read_all(&file[..]), (vec![kept(1, 0, 1, b"a")], None));
}

proptest! {
    #[test]
    fn however_the_file_is_cut_into_reads_the_same_packets_come(sizes in prop::collection::vec(1..70usize, 1..9)) {
        let (blocks, packets) = sample_pcapng();
        let file = blocks.concat();
        let cut = Cut { bytes: &file, sizes: sizes.iter().cycle() };
        prop_assert_eq!(read_all(cut), (packets, None));
    }

    #[test]
    fn what_pcap_file_writes_is_read_back(
        packets in prop::collection::vec((any::<u32>(), 0..1_000_000_000u32, prop::collection::vec(any::<u8>(), 1..600), 0..100u32), 0..30),
        big in any::<bool>(),
        is_nanosecond in any::<bool>(),
        sizes in prop::collection::vec(1..3000usize, 1..5),
    ) {
        let header = PcapHeader {
            ts_resolution: if is_nanosecond { TsResolution::NanoSecond } else { TsResolution::MicroSecond },
            endianness: if big { Endianness::Big } else { Endianness::Little },
            datalink: DataLink::ETHERNET,
            ..PcapHeader::default()
        };
        let mut writer = PcapWriter::with_header(Vec::new(), header).unwrap();
        let mut expected = Vec::new();
        for (seconds, nanoseconds, bytes, more) in &packets {
            let wire_length = bytes.len() as u32 + more;
            let time = Duration::new(u64::from(*seconds), *nanoseconds);
            writer.write_packet(&PcapPacket::new(time, wire_length, bytes)).unwrap();
            let fraction = if is_nanosecond { *nanoseconds } else { nanoseconds / 1000 * 1000 };
            let time = i64::from(*seconds) * 1_000_000_000 + i64::from(fraction);
            expected.push(kept(1, time, wire_length, bytes));
        }
        let file = writer.into_writer();
        let cut = Cut { bytes: &file, sizes: sizes.iter().cycle() };
        prop_assert_eq!(read_all(cut), (expected, None));
    }

    #[test]
    fn noise_after_a_header_ends(noise in prop::collection::vec(any::<u8>(), 0..300), is_pcapng in any::<bool>()) {
        let header = if is_pcapng { section(false) } else { pcap_header(false, 0xa1b2_c3d4, 1) };
        let (_, error) = read_all(&join(&[&header, &noise])[..]);
        prop_assert!(noise.len() < 16 || error.is_some() || !is_pcapng);
    }
}
