//! Bytes of packets and files, written out plainly.

use std::io::Read;

use super::super::{CaptureFile, Decoded, Decoder, LinkType, Packet};

/// What a test keeps of a packet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct KeptPacket {
    pub(super) link: u16,
    pub(super) time: i64,
    pub(super) wire_length: u32,
    pub(super) bytes: Vec<u8>,
}

/// All packets, and the error's text if one ended them.
pub(super) fn read_all(read: impl Read) -> (Vec<KeptPacket>, Option<String>) {
    let mut packets = Vec::new();
    let mut file = match CaptureFile::new(read) {
        Ok(file) => file,
        Err(error) => return (packets, Some(error.to_string())),
    };
    loop {
        match file.next() {
            Ok(Some(Packet { link, time, wire_length, bytes })) => {
                packets.push(KeptPacket { link: link.0, time, wire_length, bytes: bytes.to_vec() });
                assert_eq!(file.position().packet, packets.len() as u64);
            }
            Ok(None) => return (packets, None),
            Err(error) => return (packets, Some(error.to_string())),
        }
    }
}

/// Gives reads of the sizes it is told, over and over.
pub(super) struct Cut<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) sizes: std::iter::Cycle<std::slice::Iter<'a, usize>>,
}

impl Read for Cut<'_> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        let size = (*self.sizes.next().unwrap_or(&1)).clamp(1, to.len());
        (&mut self.bytes).read(&mut to[..size])
    }
}

pub(super) fn decode(link: LinkType, bytes: &[u8], check: impl FnOnce(Decoded<'_>)) {
    let packet = Packet { link, time: 7, wire_length: bytes.len() as u32, bytes };
    check(Decoder::default().decode(&packet));
}

/// Asserts that there is a segment with this payload and nothing missing.
#[track_caller]
pub(super) fn assert_payload(name: &str, link: LinkType, bytes: &[u8], payload: &[u8]) {
    decode(link, bytes, |decoded| match decoded {
        Decoded::Tcp(segment) => {
            assert_eq!(segment.payload, payload, "{name}: {bytes:02x?}");
            assert_eq!((segment.seq, segment.missing, segment.time), (0x0102_0304, 0, 7), "{name}");
            assert_eq!((segment.source().port(), segment.destination().port()), (40_000, 80), "{name}");
        }
        other => panic!("{name}: {other:?} of {bytes:02x?}"),
    });
}

pub(super) fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

pub(super) fn tcp(payload: &[u8]) -> Vec<u8> {
    let header = [0x9c, 0x40, 0, 80, 1, 2, 3, 4, 5, 6, 7, 8, 0x60, 0x18, 0xff, 0xff, 0, 0, 0, 0, 1, 1, 1, 0];
    join(&[&header, payload])
}

pub(super) fn ipv4_of(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let [length_1, length_2] = (20 + payload.len() as u16).to_be_bytes();
    let header = [0x45, 0, length_1, length_2, 0, 9, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    join(&[&header, payload])
}

pub(super) fn ipv6_of(next: u8, payload: &[u8]) -> Vec<u8> {
    let [length_1, length_2] = (payload.len() as u16).to_be_bytes();
    join(&[&[0x60, 0, 0, 0, length_1, length_2, next, 64], &[0xfd; 16], &[0xfc; 16], payload])
}

pub(super) fn udp(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let length = 8 + payload.len() as u16;
    join(&[&source.to_be_bytes(), &destination.to_be_bytes(), &length.to_be_bytes(), &[0, 0], payload])
}

pub(super) fn ethernet(kind: u16, payload: &[u8]) -> Vec<u8> {
    join(&[&[2; 6], &[4; 6], &kind.to_be_bytes(), payload])
}
