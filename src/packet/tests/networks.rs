//! Frames inside frames, and which network they are in.

use proptest::prelude::*;

use super::super::{
    Decoded, Layer, LinkType, MAX_LABELS, MAX_TZSP_FIELDS, PacketFault, PacketRule, VirtualNetwork,
};
use super::support::{assert_payload, decode, ethernet, ipv4_of, ipv6_of, join, tcp, udp};

fn in_udp(port: u16, payload: &[u8]) -> Vec<u8> {
    ipv4_of(17, &udp(5555, port, payload))
}

fn tagged(id: u16, rest: &[u8]) -> Vec<u8> {
    join(&[&(0xe000 | id).to_be_bytes(), rest])
}

#[test]
fn frames_and_packets_under_labels_and_in_tunnels_are_found() {
    let v4 = ipv4_of(6, &tcp(b"GET"));
    let v6 = ipv6_of(6, &tcp(b"GET"));
    let frame = ethernet(0x0800, &v4);
    // Hardware addresses that look like the versions of IP.
    let like = |first: u8, payload: &[u8], kind: u16| {
        join(&[&[first, 1, 2, 3, 0, 9], &[0; 6], &kind.to_be_bytes(), payload])
    };
    let bottom = [0, 1, 1, 64];
    let mpls = |payload: &[u8]| ethernet(0x8847, &join(&[&[0, 2, 0, 64], &bottom, payload]));
    let raw = |bytes: Vec<u8>| ethernet(0x0800, &bytes);
    let tzsp = |kind: u8, protocol: u8, fields: &[u8], payload: &[u8]| {
        raw(in_udp(37008, &join(&[&[1, kind, 0, protocol], fields, payload])))
    };
    let gpe = |flags: u8, protocol: u8, payload: &[u8]| {
        raw(in_udp(4790, &join(&[&[flags, 0, 0, protocol, 0, 0, 1, 0], payload])))
    };
    let wifi = join(&[&[0x08, 1, 0, 0], &[1; 18], &[0x10, 0], &[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &v4]);
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("mpls, ipv4", mpls(&v4)),
        ("mpls, ipv6", mpls(&v6)),
        ("mpls, multicast", ethernet(0x8848, &join(&[&bottom, &v4]))),
        ("pseudowire with control word", mpls(&join(&[&[0, 0, 0, 7], &frame]))),
        ("pseudowire without control word", mpls(&frame)),
        ("pseudowire, address like ipv4", mpls(&like(0x45, &v4, 0x0800))),
        ("pseudowire, address like ipv6", mpls(&like(0x60, &v6, 0x86dd))),
        ("pseudowire, address like a control word", mpls(&like(0, &v4, 0x0800))),
        (
            "pseudowire, tagged",
            mpls(&join(&[&[0; 4], &ethernet(0x8100, &tagged(5, &join(&[&[8, 0], &v4])))])),
        ),
        ("mpls in udp", raw(in_udp(6635, &join(&[&bottom, &v4])))),
        ("pseudowire in udp", raw(in_udp(6635, &join(&[&bottom, &[0; 4], &frame])))),
        ("mpls in gre", raw(ipv4_of(47, &join(&[&[0, 0, 0x88, 0x47], &bottom, &frame])))),
        (
            "mpls in ppp",
            raw(ipv4_of(47, &join(&[&[0x20, 1, 0x88, 0x0b, 0, 0, 0, 0, 2, 0x81], &bottom, &v4]))),
        ),
        ("gpe, ethernet", gpe(0x0c, 3, &frame)),
        ("gpe, ipv4", gpe(0x0c, 1, &v4)),
        ("gpe, ipv6", gpe(0x0c, 2, &v6)),
        ("gpe, mpls", gpe(0x0c, 5, &join(&[&bottom, &v4]))),
        ("gpe, no number", gpe(0x04, 1, &v4)),
        ("gpe, no protocol", gpe(0x08, 0, &frame)),
        ("tzsp", tzsp(0, 1, &[1], &frame)),
        ("tzsp, to be sent", tzsp(1, 1, &[1], &frame)),
        ("tzsp, fields", tzsp(0, 1, &[0, 10, 2, 9, 9, 60, 0, 1], &frame)),
        ("tzsp, 802.11", tzsp(0, 18, &[1], &wifi)),
        ("802.1ah", ethernet(0x88e7, &join(&[&[0, 0, 1, 0], &frame]))),
        (
            "802.1ah in a backbone vlan",
            ethernet(0x88a8, &tagged(7, &join(&[&[0x88, 0xe7, 0, 0, 1, 0], &frame]))),
        ),
    ];
    for (name, bytes) in &cases {
        assert_payload(name, LinkType::ETHERNET, bytes, b"GET");
    }
}

#[test]
fn what_only_uses_the_port_of_a_tunnel_is_udp() {
    let v4 = ipv4_of(6, &tcp(b"GET"));
    let udp_as_such = Decoded::NotTcp(17);
    let malformed = |layer, rule| Decoded::Malformed(PacketFault { layer, rule });
    let labels = [0, 0, 0, 64].repeat(MAX_LABELS + 1);
    let cases = [
        ("gpe, reserved version", in_udp(4790, &join(&[&[0x3c, 0, 0, 1, 0, 0, 1, 0], &v4])), udp_as_such),
        ("gpe, maintenance", in_udp(4790, &join(&[&[0x0d, 0, 0, 1, 0, 0, 1, 0], &v4])), udp_as_such),
        ("gpe, another protocol", in_udp(4790, &join(&[&[0x0c, 0, 0, 4, 0, 0, 1, 0], &v4])), udp_as_such),
        ("gpe, short", in_udp(4790, b"?"), udp_as_such),
        ("tzsp, version", in_udp(37008, &join(&[&[2, 0, 0, 1, 1], &v4])), udp_as_such),
        ("tzsp, keep-alive", in_udp(37008, &[1, 4, 0, 0, 1]), udp_as_such),
        ("tzsp, short", in_udp(37008, b"?"), udp_as_such),
        (
            "tzsp without end",
            in_udp(37008, &join(&[&[1, 0, 0, 1], &[0; MAX_TZSP_FIELDS + 1]])),
            malformed(Layer::Tzsp, PacketRule::TooDeep),
        ),
        ("mpls, short", in_udp(6635, b"?"), udp_as_such),
        ("mpls, no ip", in_udp(6635, &join(&[&[0, 1, 1, 64], &[0x90; 40]])), udp_as_such),
        ("mpls, labels without end", in_udp(6635, &labels), malformed(Layer::Mpls, PacketRule::TooDeep)),
    ];
    for (name, bytes, expected) in &cases {
        decode(LinkType::RAW, bytes, |decoded| assert_eq!(decoded, *expected, "{name}: {bytes:02x?}"));
    }
}

/// The network of the segment in these bytes.
#[track_caller]
fn network(name: &str, bytes: &[u8]) -> VirtualNetwork {
    let mut network = None;
    decode(LinkType::ETHERNET, bytes, |decoded| match decoded {
        Decoded::Tcp(segment) => network = Some(segment.network),
        other => panic!("{name}: {other:?}"),
    });
    network.expect("a segment")
}

#[test]
fn networks_are_told_apart_by_tags_and_overlays() {
    let v4 = ipv4_of(6, &tcp(b"GET"));
    let frame = ethernet(0x0800, &v4);
    let in_vlan = |id| ethernet(0x8100, &tagged(id, &join(&[&[8, 0], &v4])));
    let in_overlay = |number: u8| in_udp(4789, &[&[8, 0, 0, 0, 0, 0, number, 0], &frame[..]].concat());
    let outside = |bytes: Vec<u8>| ethernet(0x0800, &bytes);
    let different = [
        ("none", frame.clone()),
        ("vlan 5", in_vlan(5)),
        ("vlan 6", in_vlan(6)),
        (
            "vlan 5 in vlan 6",
            ethernet(0x88a8, &tagged(6, &join(&[&[0x81, 0], &tagged(5, &join(&[&[8, 0], &v4]))]))),
        ),
        (
            "vlan 6 in vlan 5",
            ethernet(0x88a8, &tagged(5, &join(&[&[0x81, 0], &tagged(6, &join(&[&[8, 0], &v4]))]))),
        ),
        ("vxlan 0", outside(in_overlay(0))),
        ("vxlan 5", outside(in_overlay(5))),
        ("vxlan 6", outside(in_overlay(6))),
        ("vlan 6 in vxlan 5", { outside(in_udp(4789, &join(&[&[8, 0, 0, 0, 0, 0, 5, 0], &in_vlan(6)]))) }),
    ];
    for (at, (name, bytes)) in different.iter().enumerate() {
        for (other, others) in &different[..at] {
            assert_ne!(network(name, bytes), network(other, others), "{name} and {other}");
        }
    }
    let same = [
        ("a priority is no vlan", in_vlan(0), frame.clone()),
        (
            "the network that carries an overlay is not its own",
            { ethernet(0x8100, &tagged(9, &join(&[&[8, 0], &in_overlay(5)]))) },
            outside(in_overlay(5)),
        ),
        (
            "vxlan and its extension",
            { outside(in_udp(4790, &join(&[&[0x0c, 0, 0, 3, 0, 0, 5, 0], &frame]))) },
            outside(in_overlay(5)),
        ),
        (
            "a mirrored frame is in its own network",
            {
                ethernet(
                    0x8100,
                    &tagged(9, &join(&[&[8, 0], &ipv4_of(47, &join(&[&[0, 0, 0x88, 0xbe], &in_vlan(5)]))])),
                )
            },
            in_vlan(5),
        ),
        ("labels are of no network", { ethernet(0x8847, &join(&[&[0, 1, 1, 64], &v4])) }, frame.clone()),
    ];
    for (name, one, other) in &same {
        assert_eq!(network(name, one), network(name, other), "{name}");
    }
}

proptest! {
    #[test]
    fn what_is_damaged_in_a_tunnel_decodes_to_something(
        which in 0..5usize,
        damage in prop::collection::vec((0..120usize, any::<u8>()), 0..4),
        length in 0..160usize,
    ) {
        let v4 = ipv4_of(6, &tcp(b"GET"));
        let frame = ethernet(0x0800, &v4);
        let tunnel = match which {
            0 => in_udp(37008, &join(&[&[1, 0, 0, 1, 10, 2, 9, 9, 1], &frame])),
            1 => in_udp(4790, &join(&[&[0x0c, 0, 0, 5, 0, 0, 1, 0, 0, 1, 1, 64], &v4])),
            2 => in_udp(6635, &join(&[&[0, 1, 1, 64, 0, 0, 0, 0], &frame])),
            3 => in_udp(4789, &join(&[&[8, 0, 0, 0, 0, 0, 1, 0], &ethernet(0x88e7, &join(&[&[0; 4], &frame]))])),
            _ => ipv6_of(47, &join(&[&[0, 0, 0x88, 0x47, 0, 0, 0, 64, 0, 1, 1, 64], &v4])),
        };
        let mut bytes = ethernet(if which == 4 { 0x86dd } else { 0x0800 }, &tunnel);
        for (at, value) in damage {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        bytes.truncate(length);
        decode(LinkType::ETHERNET, &bytes, |_| ());
    }
}
