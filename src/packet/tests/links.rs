//! Headers of capturing systems and of wide-area links, as their specifications have them.

use proptest::prelude::*;

use super::super::{Decoded, Decoder, Layer, LinkType, MAX_ATTRIBUTES, Packet, PacketFault, PacketRule};
use super::support::{assert_payload, decode, ethernet, ipv4_of, ipv6_of, join, tcp};

/// A netfilter attribute with its padding, little-endian.
fn attribute(kind: u8, value: &[u8]) -> Vec<u8> {
    let [length_1, length_2] = (4 + value.len() as u16).to_le_bytes();
    join(&[&[length_1, length_2, kind, 0], value, &vec![0; value.len().next_multiple_of(4) - value.len()]])
}

/// A PKTAP header of the least length, leading to this link type.
fn pktap(follows: u8, link: u8) -> Vec<u8> {
    join(&[&[108, 0, 0, 0, follows, 0, 0, 0, link, 0, 0, 0], &[7; 96]])
}

#[test]
fn what_a_capturing_system_puts_before_a_packet_is_looked_through() {
    let v4 = ipv4_of(6, &tcp(b"GET"));
    let v6 = ipv6_of(6, &tcp(b"GET"));
    let frame = ethernet(0x0800, &v4);
    let snap = [0xaa, 0xaa, 3, 0, 0, 0, 8, 0];
    let wifi = join(&[&[0x08, 1, 0, 0], &[1; 18], &[0x10, 0], &snap, &v4]);
    let nflog = |attributes: &[&[u8]]| join(&[&[2, 0, 0, 5], &attributes.concat()]);
    let big_endian =
        join(&[&[2, 0, 0, 5, 0, 7, 0, 10, b'a', b'b', 0, 0], &[0, 4 + v4.len() as u8, 0, 9], &v4]);
    let avs = |length: usize| join(&[&[0x80, 0x21, 0x10, 1, 0, 0, 0, length as u8], &vec![7; length - 8]]);
    let cases: Vec<(&str, LinkType, Vec<u8>)> = vec![
        ("nflog", LinkType::NFLOG, nflog(&[&attribute(1, &[8, 0, 1, 0]), &attribute(9, &v4)])),
        ("nflog, padded", LinkType::NFLOG, nflog(&[&attribute(10, b"prefix\0"), &attribute(9, &v6)])),
        ("nflog, attributes after", LinkType::NFLOG, nflog(&[&attribute(9, &v4), &attribute(1, &[0; 4])])),
        ("nflog, big-endian", LinkType::NFLOG, big_endian),
        ("pktap", LinkType::PKTAP, join(&[&pktap(1, 1), &frame])),
        ("pktap, raw", LinkType::PKTAP, join(&[&pktap(1, 12), &v6])),
        ("pktap, null", LinkType::PKTAP, join(&[&pktap(1, 0), &[30, 0, 0, 0], &v6])),
        ("pktap as user 2", LinkType::USER2, join(&[&pktap(1, 1), &frame])),
        ("pflog of openbsd", LinkType::PFLOG, join(&[&[97, 2], &[7; 98], &v4])),
        ("pflog, shorter", LinkType::PFLOG, join(&[&[61, 24], &[7; 62], &v6])),
        ("pflog of freebsd", LinkType::PFLOG, join(&[&[64, 28], &[7; 62], &v6])),
        ("enc", LinkType::ENC, join(&[&[2, 0, 0, 0], &[7; 8], &v4])),
        ("enc, big-endian, ipv6", LinkType::ENC, join(&[&[0, 0, 0, 24], &[7; 8], &v6])),
        ("prism", LinkType::IEEE802_11_PRISM, join(&[&[0x44, 0, 0, 0, 0x90, 0, 0, 0], &[7; 136], &wifi])),
        ("avs as prism", LinkType::IEEE802_11_PRISM, join(&[&avs(64), &wifi])),
        ("avs", LinkType::IEEE802_11_AVS, join(&[&avs(80), &wifi])),
        ("cisco hdlc", LinkType::C_HDLC, join(&[&[0x0f, 0, 8, 0], &v4])),
        ("cisco hdlc, multicast", LinkType::C_HDLC, join(&[&[0x8f, 0, 0x86, 0xdd], &v6])),
        ("frame relay", LinkType::FRELAY, join(&[&[0x18, 0x41, 0x03, 0xcc], &v4])),
        ("frame relay, ipv6", LinkType::FRELAY, join(&[&[0x18, 0x41, 0x03, 0x8e], &v6])),
        ("frame relay, snap", LinkType::FRELAY, join(&[&[0x18, 0x41, 3, 0, 0x80, 0, 0, 0, 8, 0], &v4])),
        (
            "frame relay, bridged",
            LinkType::FRELAY,
            join(&[&[0x18, 0x41, 3, 0, 0x80, 0, 0x80, 0xc2, 0, 7], &frame]),
        ),
        ("frame relay, ppp", LinkType::FRELAY, join(&[&[0x18, 0x41, 0x03, 0xcf, 0, 0x21], &v4])),
        ("frame relay, long address", LinkType::FRELAY, join(&[&[0x18, 0x40, 0x40, 0x01, 3, 0xcc], &v4])),
        ("frame relay of cisco", LinkType::FRELAY, join(&[&[0x18, 0x41, 8, 0], &v4])),
    ];
    for (name, link, bytes) in &cases {
        assert_payload(name, *link, bytes, b"GET");
    }
}

#[test]
fn what_is_not_such_a_header_says_so() {
    let fault = |layer, rule| Decoded::Malformed(PacketFault { layer, rule });
    let v4 = ipv4_of(6, &tcp(b"GET"));
    let user2 = Decoded::UnknownLink(LinkType::USER2);
    let too_many = join(&[&[2, 0, 0, 5], &attribute(1, &[0; 4]).repeat(MAX_ATTRIBUTES + 1)]);
    let cases: Vec<(&str, LinkType, Vec<u8>, Decoded<'_>)> = vec![
        (
            "nflog without packet",
            LinkType::NFLOG,
            join(&[&[2, 0, 0, 5], &attribute(1, &[0; 4])]),
            Decoded::NotIp,
        ),
        ("nflog version", LinkType::NFLOG, vec![2, 1, 0, 5], fault(Layer::Nflog, PacketRule::Version)),
        (
            "nflog length",
            LinkType::NFLOG,
            vec![2, 0, 0, 5, 3, 0, 9, 0],
            fault(Layer::Nflog, PacketRule::HeaderLength),
        ),
        (
            "nflog past the end",
            LinkType::NFLOG,
            vec![2, 0, 0, 5, 30, 0, 9, 0],
            fault(Layer::Nflog, PacketRule::PastEnd),
        ),
        ("nflog without end", LinkType::NFLOG, too_many, fault(Layer::Nflog, PacketRule::TooDeep)),
        ("pktap without packet", LinkType::PKTAP, pktap(0, 1), Decoded::NotIp),
        ("pktap length", LinkType::PKTAP, vec![9; 12], fault(Layer::Pktap, PacketRule::HeaderLength)),
        ("pktap of what is not known", LinkType::PKTAP, pktap(1, 195), Decoded::UnknownLink(LinkType(195))),
        ("user 2, empty", LinkType::USER2, vec![], user2),
        ("user 2, of its own", LinkType::USER2, join(&[&[0; 108], &v4]), user2),
        ("user 2, unknown link", LinkType::USER2, pktap(1, 195), user2),
        ("pflog length", LinkType::PFLOG, vec![9, 2, 0, 0], fault(Layer::Pflog, PacketRule::HeaderLength)),
        ("pflog of another family", LinkType::PFLOG, join(&[&[61, 7], &[0; 62], &v4]), Decoded::NotIp),
        ("enc of another family", LinkType::ENC, join(&[&[7, 0, 0, 0], &[0; 8], &v4]), Decoded::NotIp),
        (
            "prism too short",
            LinkType::IEEE802_11_PRISM,
            vec![0x44; 9],
            fault(Layer::Prism, PacketRule::HeaderLength),
        ),
        ("avs length", LinkType::IEEE802_11_AVS, vec![0; 8], fault(Layer::Prism, PacketRule::HeaderLength)),
        ("keep-alive of cisco", LinkType::C_HDLC, join(&[&[0x8f, 0, 0x80, 0x35], &[0; 18]]), Decoded::NotIp),
        ("lmi", LinkType::FRELAY, vec![0, 1, 3, 8, 0, 0x75], Decoded::NotIp),
        (
            "frame relay address",
            LinkType::FRELAY,
            vec![0; 9],
            fault(Layer::FrameRelay, PacketRule::HeaderLength),
        ),
    ];
    for (name, link, bytes, expected) in &cases {
        decode(*link, bytes, |decoded| assert_eq!(decoded, *expected, "{name}: {bytes:02x?}"));
    }
}

#[test]
fn pktap_inside_pktap_ends() {
    let bytes = pktap(1, 149).repeat(100);
    let deep = Decoded::Malformed(PacketFault { layer: Layer::Packet, rule: PacketRule::TooDeep });
    for link in [LinkType::PKTAP, LinkType::USER2] {
        decode(link, &bytes, |decoded| assert_eq!(decoded, deep));
    }
}

#[test]
fn a_length_that_no_packet_had_loses_nothing_of_one_captured_whole() {
    let cases = [("ipv4", ipv4_of(6, &tcp(b"0123456789")), 2), ("ipv6", ipv6_of(6, &tcp(b"0123456789")), 4)];
    for (name, whole, at) in cases {
        let mut bytes = whole.clone();
        bytes[at..at + 2].copy_from_slice(&1500u16.to_be_bytes());
        assert_payload(name, LinkType::RAW, &bytes, b"0123456789");
        // Cut by the snapshot, it is known how much was there, and the rest stays missing.
        for cut in 1..=10 {
            let snapped = &bytes[..bytes.len() - cut];
            let packet =
                Packet { link: LinkType::RAW, time: 7, wire_length: bytes.len() as u32, bytes: snapped };
            match Decoder::default().decode(&packet) {
                Decoded::Tcp(segment) => assert_eq!(segment.missing as usize, cut, "{name}"),
                other => panic!("{name}, cut by {cut}: {other:?}"),
            }
        }
    }
}

proptest! {
    #[test]
    fn what_is_damaged_or_cut_decodes_to_something(
        which in 0..6usize,
        damage in prop::collection::vec((0..120usize, any::<u8>()), 0..4),
        length in 0..200usize,
        cut in 0..60u32,
    ) {
        let v4 = ipv4_of(6, &tcp(b"GET"));
        let (link, mut bytes) = [
            (LinkType::NFLOG, join(&[&[2, 0, 0, 5], &attribute(1, &[0; 4]), &attribute(9, &v4)])),
            (LinkType::PKTAP, join(&[&pktap(1, 12), &v4])),
            (LinkType::USER2, join(&[&pktap(1, 12), &v4])),
            (LinkType::PFLOG, join(&[&[61, 2], &[7; 62], &v4])),
            (LinkType::FRELAY, join(&[&[0x18, 0x41, 0x03, 0xcc], &v4])),
            (LinkType::IEEE802_11_PRISM, join(&[&[0x80, 0x21, 0x10, 1, 0, 0, 0, 64], &[7; 90], &v4])),
        ][which].clone();
        for (at, value) in damage {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        bytes.truncate(length);
        let wire_length = bytes.len() as u32 + cut;
        Decoder::default().decode(&Packet { link, time: 0, wire_length, bytes: &bytes });
    }
}
