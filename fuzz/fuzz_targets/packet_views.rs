//! Packets of any bytes and any link type decode to something, and the ledger of fragments reconciles.
//!
//! The input is a row of packets: link type, bytes cut by the snapshot, length, bytes.
#![no_main]

use gor_tools::packet::{Decoded, Decoder, FragmentLimits, LinkType, Packet};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let limits = FragmentLimits { datagrams: 8, bytes: 100_000, age: 50 };
    let mut decoder = Decoder::new(limits);
    let mut rest = data;
    let mut time = 0;
    while let Some((&[link, cut, length_1, length_2], after)) = rest.split_first_chunk::<4>() {
        let length = usize::from(u16::from_le_bytes([length_1, length_2])).min(after.len());
        let (bytes, following) = after.split_at(length);
        rest = following;
        time += i64::from(link / 16);
        let link = LinkType::KNOWN[usize::from(link) % LinkType::KNOWN.len()];
        let packet = Packet { link, time, wire_length: bytes.len() as u32 + u32::from(cut), bytes };
        if let Decoded::Tcp(segment) = decoder.decode(&packet) {
            assert_eq!(segment.time, time);
            assert!(segment.payload.len() <= 65_535.max(bytes.len()));
        }
        let tally = decoder.fragments();
        assert_eq!(tally.taken, tally.joined + tally.lost + tally.waiting);
    }
});
