//! Every link type and tunnel, and headers that lie.

use etherparse::PacketBuilder;
use proptest::prelude::*;

use super::super::{
    Decoded, Decoder, Layer, LinkType, MAX_NESTING, MAX_TAGS, Packet, PacketFault, PacketRule,
};
use super::support::{assert_payload, decode, ethernet, ipv4_of, ipv6_of, join, tcp, udp};

#[test]
fn every_link_type_leads_to_the_segment() {
    let v4 = ipv4_of(6, &tcp(b"GET"));
    let v6 = ipv6_of(6, &tcp(b"GET"));
    let snap = [0xaa, 0xaa, 3, 0, 0, 0, 8, 0];
    let wifi = |kind: u8, flags: u8| join(&[&[kind, flags, 0, 0], &[1; 18], &[0x10, 0]]);
    let cases: Vec<(&str, LinkType, Vec<u8>)> = vec![
        ("ethernet", LinkType::ETHERNET, ethernet(0x0800, &v4)),
        ("ethernet, ipv6", LinkType::ETHERNET, ethernet(0x86dd, &v6)),
        ("ethernet, padded", LinkType::ETHERNET, join(&[&ethernet(0x0800, &v4), &[0xee; 20]])),
        ("ethernet, ipv6, padded", LinkType::ETHERNET, join(&[&ethernet(0x86dd, &v6), &[0xee; 20]])),
        ("vlan", LinkType::ETHERNET, ethernet(0x8100, &join(&[&[0, 5, 8, 0], &v4]))),
        ("qinq", LinkType::ETHERNET, ethernet(0x88a8, &join(&[&[0, 5, 0x81, 0, 0, 6, 0x86, 0xdd], &v6]))),
        ("old qinq", LinkType::ETHERNET, ethernet(0x9100, &join(&[&[0, 5, 0x91, 0, 0, 6, 8, 0], &v4]))),
        ("802.3 snap", LinkType::ETHERNET, ethernet(8 + v4.len() as u16, &join(&[&snap, &v4, &[0; 9]]))),
        ("mpls", LinkType::ETHERNET, ethernet(0x8847, &join(&[&[0, 0, 0, 9, 0, 0, 1, 9], &v4]))),
        ("pppoe", LinkType::ETHERNET, {
            let length = (v4.len() as u16 + 2).to_be_bytes();
            ethernet(0x8864, &join(&[&[0x11, 0, 0, 1], &length, &[0, 0x21], &v4, &[0; 9]]))
        }),
        ("cooked", LinkType::LINUX_SLL, join(&[&[0; 14], &[8, 0], &v4])),
        ("cooked, vlan", LinkType::LINUX_SLL, join(&[&[0; 14], &[0x81, 0, 0, 1, 8, 0], &v4])),
        ("cooked 2", LinkType::LINUX_SLL2, join(&[&[0x86, 0xdd], &[0; 18], &v6])),
        ("null, little", LinkType::NULL, join(&[&[2, 0, 0, 0], &v4])),
        ("null, big", LinkType::NULL, join(&[&[0, 0, 0, 2], &v4])),
        ("null, ipv6", LinkType::NULL, join(&[&[30, 0, 0, 0], &v6])),
        ("loop", LinkType::LOOP, join(&[&[0, 0, 0, 24], &v6])),
        ("raw 12", LinkType::RAW_BSD, v4.clone()),
        ("raw 14", LinkType::RAW_OPENBSD, v6.clone()),
        ("raw 101", LinkType::RAW, v6.clone()),
        ("ipv4", LinkType::IPV4, v4.clone()),
        ("ipv6", LinkType::IPV6, v6.clone()),
        ("ppp", LinkType::PPP, join(&[&[0, 0x21], &v4])),
        ("ppp, compressed", LinkType::PPP, join(&[&[0x21], &v4])),
        ("ppp, framed", LinkType::PPP_HDLC, join(&[&[0xff, 3, 0, 0x57], &v6])),
        ("cisco hdlc", LinkType::PPP_HDLC, join(&[&[0x0f, 0, 8, 0], &v4])),
        ("802.11", LinkType::IEEE802_11, join(&[&wifi(0x08, 1), &snap, &v4])),
        ("802.11 qos", LinkType::IEEE802_11, join(&[&wifi(0x88, 2), &[0, 0], &snap, &v4])),
        (
            "802.11 qos, 4 addresses",
            LinkType::IEEE802_11,
            join(&[&wifi(0x88, 3), &[9; 6], &[0, 0], &snap, &v4]),
        ),
        (
            "radiotap",
            LinkType::IEEE802_11_RADIOTAP,
            join(&[&[0, 0, 8, 0, 0, 0, 0, 0], &wifi(8, 1), &snap, &v4]),
        ),
        ("radiotap, padded", LinkType::IEEE802_11_RADIOTAP, {
            let header = [0, 0, 9, 0, 2, 0, 0, 0, 0x20];
            join(&[&header, &wifi(0x88, 1), &[0, 0], &[0, 0], &snap, &v4])
        }),
    ];
    for (name, link, bytes) in &cases {
        assert_payload(name, *link, bytes, b"GET");
    }
}

#[test]
fn every_tunnel_is_looked_through() {
    let v4 = ipv4_of(6, &tcp(b"GET"));
    let v6 = ipv6_of(6, &tcp(b"GET"));
    let frame = ethernet(0x0800, &v4);
    let padded = join(&[&frame, &[0xee; 7]]);
    let in_udp = |port, payload: &[u8]| ipv4_of(17, &udp(5555, port, payload));
    let in_gre = |header: &[u8], payload: &[u8]| ipv4_of(47, &join(&[header, payload]));
    let gtp = |flags: u8, more: &[u8], payload: &[u8]| {
        let length = ((more.len() + payload.len()) as u16).to_be_bytes();
        in_udp(2152, &join(&[&[flags, 255], &length, &[0, 0, 0, 1], more, payload]))
    };
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("vxlan", in_udp(4789, &join(&[&[8, 0, 0, 0, 0, 0, 1, 0], &padded]))),
        ("vxlan of linux", in_udp(8472, &join(&[&[8, 0, 0, 0, 0, 0, 1, 0], &frame]))),
        ("geneve", in_udp(6081, &join(&[&[0, 0, 0x65, 0x58, 0, 0, 1, 0], &frame]))),
        ("geneve, options, ip", in_udp(6081, &join(&[&[2, 0, 8, 0, 0, 0, 1, 0], &[7; 8], &v4]))),
        ("gre", in_gre(&[0, 0, 8, 0], &v4)),
        ("gre, ipv6", in_gre(&[0, 0, 0x86, 0xdd], &v6)),
        ("gre, checksum, key, sequence", in_gre(&[0xb0, 0, 8, 0, 1, 1, 0, 0, 2, 2, 2, 2, 3, 3, 3, 3], &v4)),
        ("gre, ethernet", in_gre(&[0x20, 0, 0x65, 0x58, 0, 0, 0, 1], &frame)),
        (
            "pptp",
            in_gre(&[0x30, 0x81, 0x88, 0x0b, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 0xff, 3, 0, 0x21], &v4),
        ),
        ("erspan i", in_gre(&[0, 0, 0x88, 0xbe], &frame)),
        ("erspan ii", in_gre(&join(&[&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10], &[0; 7]]), &frame)),
        ("erspan iii", in_gre(&join(&[&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20], &[0; 11]]), &frame)),
        ("erspan iii, subheader", {
            in_gre(&join(&[&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20], &[0; 10], &[1], &[9; 8]]), &frame)
        }),
        ("ip in ip", ipv4_of(4, &v4)),
        ("6in4", ipv4_of(41, &v6)),
        ("4in6", ipv6_of(4, &v4)),
        ("6in6", ipv6_of(41, &v6)),
        ("gtp-u", gtp(0x30, &[], &v4)),
        ("gtp-u, sequence", gtp(0x32, &[0, 1, 0, 0], &v6)),
        ("gtp-u, extensions", gtp(0x34, &[0, 0, 0, 0x85, 1, 9, 9, 0xc0, 2, 9, 9, 9, 9, 9, 9, 0], &v4)),
        ("teredo", in_udp(3544, &v6)),
        ("teredo, back", ipv4_of(17, &udp(3544, 5555, &v6))),
        ("teredo, authentication, origin", {
            let header = join(&[&[0, 1, 2, 3], &[9; 5], &[9; 9], &[0, 0, 1, 2, 3, 4, 5, 6]]);
            in_udp(3544, &join(&[&header, &v6]))
        }),
        (
            "vxlan in gre in ipv6",
            ipv6_of(
                47,
                &join(&[
                    &[0, 0, 0x65, 0x58][..],
                    &ethernet(0x0800, &in_udp(4789, &join(&[&[8, 0, 0, 0, 0, 0, 1, 0], &frame]))),
                ]),
            ),
        ),
        ("authentication", ipv4_of(51, &join(&[&[6, 4, 0, 0], &[1; 20], &tcp(b"GET")]))),
        (
            "hop-by-hop, routing, destination, atomic fragment",
            ipv6_of(
                0,
                &join(&[
                    &[43, 0, 1, 4, 0, 0, 0, 0, 60, 0, 0, 0, 0, 0, 0, 0, 44, 1][..],
                    &[0; 14],
                    &[6, 0, 0, 0, 0, 0, 0, 1],
                    &tcp(b"GET"),
                ]),
            ),
        ),
    ];
    for (name, bytes) in &cases {
        assert_payload(name, LinkType::RAW, bytes, b"GET");
    }
}

#[test]
fn what_is_no_segment_says_what_it_is() {
    let fault = |layer, rule| Decoded::Malformed(PacketFault { layer, rule });
    let v4 = ipv4_of(6, &tcp(b""));
    let with = |at: usize, value: u8| {
        let mut bytes = v4.clone();
        bytes[at] = value;
        bytes
    };
    let mut nested = v4.clone();
    for _ in 0..MAX_NESTING {
        nested = ipv4_of(4, &nested);
    }
    let tags = join(&[&[2; 12], &[0x81, 0, 0, 1].repeat(MAX_TAGS + 1), &[8, 0], &v4]);
    let cases: Vec<(&str, LinkType, Vec<u8>, Decoded<'_>)> = vec![
        ("unknown link", LinkType(195), vec![], Decoded::UnknownLink(LinkType(195))),
        ("arp", LinkType::ETHERNET, ethernet(0x0806, &[0; 28]), Decoded::NotIp),
        ("spanning tree", LinkType::ETHERNET, ethernet(38, &[0x42; 38]), Decoded::NotIp),
        ("encrypted 802.11", LinkType::IEEE802_11, join(&[&[8, 0x41], &[0; 60]]), Decoded::NotIp),
        ("udp", LinkType::RAW, ipv4_of(17, &udp(1, 53, b"?")), Decoded::NotTcp(17)),
        ("no vxlan", LinkType::RAW, ipv4_of(17, &udp(1, 4789, b"?")), Decoded::NotTcp(17)),
        ("arp in gre", LinkType::RAW, ipv4_of(47, &join(&[&[0, 0, 8, 6], &[0; 28]])), Decoded::NotTcp(47)),
        ("icmp", LinkType::RAW, ipv4_of(1, &[0; 8]), Decoded::NotTcp(1)),
        ("no next header", LinkType::RAW, ipv6_of(59, &[]), Decoded::NotTcp(59)),
        ("empty", LinkType::ETHERNET, vec![], fault(Layer::Ethernet, PacketRule::TooShort)),
        ("empty raw", LinkType::RAW, vec![], fault(Layer::Ipv4, PacketRule::TooShort)),
        ("ipv4 version", LinkType::IPV4, with(0, 0x55), fault(Layer::Ipv4, PacketRule::Version)),
        (
            "ipv4 header too short",
            LinkType::IPV4,
            with(0, 0x44),
            fault(Layer::Ipv4, PacketRule::HeaderLength),
        ),
        ("ipv4 header too long", LinkType::IPV4, with(0, 0x4f), fault(Layer::Ipv4, PacketRule::TotalLength)),
        ("ipv4 total too short", LinkType::IPV4, with(3, 19), fault(Layer::Ipv4, PacketRule::TotalLength)),
        ("tcp offset too small", LinkType::IPV4, with(32, 0x40), fault(Layer::Tcp, PacketRule::HeaderLength)),
        ("tcp offset too large", LinkType::IPV4, with(32, 0x70), fault(Layer::Tcp, PacketRule::HeaderLength)),
        ("tcp too short", LinkType::RAW, ipv4_of(6, &[0; 19]), fault(Layer::Tcp, PacketRule::TooShort)),
        (
            "ipv6 payload that ends in the TCP header",
            LinkType::RAW,
            ipv6_of(6, &tcp(b""))[..60].to_vec(),
            fault(Layer::Tcp, PacketRule::HeaderLength),
        ),
        (
            "ipv6 extension too long",
            LinkType::RAW,
            ipv6_of(0, &[6, 9, 0, 0]),
            fault(Layer::Ipv6Extension, PacketRule::HeaderLength),
        ),
        (
            "ipv6 extensions without end",
            LinkType::RAW,
            ipv6_of(60, &[60, 0, 0, 0, 0, 0, 0, 0].repeat(40)),
            fault(Layer::Ipv6Extension, PacketRule::TooDeep),
        ),
        ("nesting", LinkType::RAW, nested, fault(Layer::Ipv4, PacketRule::TooDeep)),
        ("tags", LinkType::ETHERNET, tags, fault(Layer::Vlan, PacketRule::TooDeep)),
        (
            "pppoe length",
            LinkType::PPP_ETHER,
            vec![0x11, 0, 0, 0, 0, 9, 0],
            fault(Layer::Pppoe, PacketRule::PastEnd),
        ),
        (
            "radiotap length",
            LinkType::IEEE802_11_RADIOTAP,
            vec![0, 0, 7, 0, 0, 0, 0, 0],
            fault(Layer::Radiotap, PacketRule::HeaderLength),
        ),
        (
            "gtp-u extension of length 0",
            LinkType::RAW,
            { ipv4_of(17, &udp(1, 2152, &[0x34, 255, 0, 6, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0])) },
            fault(Layer::GtpU, PacketRule::HeaderLength),
        ),
    ];
    for (name, link, bytes, expected) in &cases {
        decode(*link, bytes, |decoded| assert_eq!(decoded, *expected, "{name}: {bytes:02x?}"));
    }
}

#[test]
fn a_snapped_packet_says_how_much_is_missing() {
    let whole = ethernet(0x0800, &ipv4_of(6, &tcp(b"0123456789")));
    let headers = whole.len() - 10;
    for length in 0..=whole.len() {
        let wire_length = whole.len() as u32 + 4; // a trailer besides
        let packet = Packet { link: LinkType::ETHERNET, time: 0, wire_length, bytes: &whole[..length] };
        let mut decoder = Decoder::default();
        match decoder.decode(&packet) {
            Decoded::Tcp(segment) => {
                let here = length.saturating_sub(headers);
                assert_eq!(segment.payload, &b"0123456789"[..here], "{length}");
                assert_eq!(segment.missing as usize, 10 - here, "{length}");
            }
            Decoded::Snapped(_) => assert!(length < 54, "{length}"),
            other => panic!("{length}: {other:?}"),
        }
    }
}

#[test]
fn a_giant_is_as_long_as_the_wire_says() {
    let giant = vec![b'x'; 70_000];
    let mut v4 = ethernet(0x0800, &ipv4_of(6, &tcp(&giant)));
    v4[16..18].fill(0);
    assert_payload("ipv4", LinkType::ETHERNET, &v4, &giant);
    let mut v6 = ethernet(0x86dd, &ipv6_of(6, &tcp(&giant)));
    v6[18..20].fill(0);
    assert_payload("ipv6", LinkType::ETHERNET, &v6, &giant);
}

#[test]
fn a_mirrored_frame_that_was_cut_has_a_gap() {
    let frame = ethernet(0x0800, &ipv4_of(6, &tcp(b"0123456789")));
    let header = join(&[&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 0, 4, 0], &[0; 4]]);
    let bytes = ipv4_of(47, &join(&[&header, &frame[..frame.len() - 4]]));
    decode(LinkType::RAW, &bytes, |decoded| match decoded {
        Decoded::Tcp(segment) => assert_eq!((segment.payload, segment.missing), (&b"012345"[..], 4)),
        other => panic!("{other:?}"),
    });
}

proptest! {
    #[test]
    fn any_bytes_decode_to_something(
        link in 0..LinkType::KNOWN.len(),
        start in prop::collection::vec(any::<u8>(), 0..4),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        cut in 0..100u32,
    ) {
        let mut decoder = Decoder::default();
        for bytes in [bytes.clone(), join(&[&start, &ipv4_of(start.len() as u8, &bytes)])] {
            let wire_length = bytes.len() as u32 + cut;
            decoder.decode(&Packet { link: LinkType::KNOWN[link], time: 0, wire_length, bytes: &bytes });
        }
    }

    #[test]
    fn a_damaged_tunnel_decodes_to_something(at in 0..120usize, value in any::<u8>(), length in 0..140usize) {
        let inner = ethernet(0x0800, &ipv4_of(6, &tcp(b"GET")));
        let gre = ipv6_of(47, &join(&[&[0, 0, 0x65, 0x58], &inner]));
        let mut bytes = ipv4_of(17, &udp(1, 6081, &join(&[&[1, 0, 0x86, 0xdd], &[0; 8], &gre])));
        if let Some(byte) = bytes.get_mut(at) {
            *byte = value;
        }
        bytes.truncate(length);
        decode(LinkType::RAW, &bytes, |_| ());
    }

    #[test]
    fn what_etherparse_builds_is_read_back(
        vlan in prop::option::of((0u16..4096, prop::option::of(0u16..4096))),
        is_ipv6 in any::<bool>(),
        ports in any::<(u16, u16)>(),
        seq in any::<u32>(),
        ack in any::<u32>(),
        options in prop::collection::vec(0u8..=1, 0..=40),
        payload in prop::collection::vec(any::<u8>(), 0..300),
        padding in 0..60usize,
    ) {
        use etherparse::VlanId;
        let id = |number| VlanId::try_new(number).unwrap();
        let ip = if is_ipv6 {
            etherparse::IpHeaders::Ipv6(etherparse::Ipv6Header {
                source: [1; 16], destination: [2; 16], hop_limit: 9, ..Default::default()
            }, etherparse::Ipv6Extensions {
                destination_options: Some(etherparse::Ipv6RawExtHeader::new_raw(60.into(), &[0; 14]).unwrap()),
                ..Default::default()
            })
        } else {
            let mut header = etherparse::Ipv4Header::new(0, 9, 6.into(), [1; 4], [2; 4]).unwrap();
            header.options = etherparse::Ipv4Options::try_from(&options[..options.len() / 4 * 4]).unwrap();
            etherparse::IpHeaders::Ipv4(header, etherparse::Ipv4Extensions::default())
        };
        let ethernet = PacketBuilder::ethernet2([1; 6], [2; 6]);
        let builder = match vlan {
            None => ethernet.ip(ip),
            Some((outer, None)) => ethernet.single_vlan(id(outer)).ip(ip),
            Some((outer, Some(inner))) => ethernet.double_vlan(id(outer), id(inner)).ip(ip),
        };
        let builder = builder.tcp(ports.0, ports.1, seq, 1000).ack(ack).psh().options_raw(&options).unwrap();
        let mut bytes = Vec::new();
        builder.write(&mut bytes, &payload).unwrap();
        bytes.resize(bytes.len() + padding, 0xee);
        let packet = Packet { link: LinkType::ETHERNET, time: 1, wire_length: bytes.len() as u32, bytes: &bytes };
        let mut decoder = Decoder::default();
        let Decoded::Tcp(segment) = decoder.decode(&packet) else { panic!("no segment in {bytes:02x?}") };
        prop_assert_eq!(segment.payload, &payload[..]);
        prop_assert_eq!((segment.source().port(), segment.destination().port()), ports);
        prop_assert_eq!((segment.seq, segment.ack, segment.missing), (seq, ack, 0));
        prop_assert!(segment.flags.ack() && segment.flags.psh() && !segment.flags.syn());
        prop_assert_eq!(segment.source().is_ipv6(), is_ipv6);
    }
}
