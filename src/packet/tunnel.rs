//! Tunnels, which are looked through without being asked.
//!
//! UDP tunnels are known by their ports, so what lies there may be anything
//! else: a header that is not the tunnel's makes the packet plain UDP, not malformed.

use super::captured_part::CapturedPart;
use super::fault::{DecodeStop, Layer, PacketRule};
use super::ip;
use super::link;
use super::link_type::LinkType;
use super::quic;
use super::step::{NextHeader, Walk};

/// The most extension headers of one GTP-U packet.
pub const MAX_GTP_EXTENSIONS: usize = 16;

/// The most tagged fields of one TZSP packet.
pub const MAX_TZSP_FIELDS: usize = 64;

const VXLAN: u16 = 4789;
/// What Linux had before IANA's (flannel still does).
const VXLAN_LINUX: u16 = 8472;
const VXLAN_GPE: u16 = 4790;
const GENEVE: u16 = 6081;
const GTP_U: u16 = 2152;
const MPLS: u16 = 6635;
const TEREDO: u16 = 3544;
const TZSP: u16 = 37008;

/// The ports at which a UDP packet may be a tunnel.
pub(super) const PORTS: [u16; 8] = [VXLAN, VXLAN_LINUX, VXLAN_GPE, GENEVE, GTP_U, MPLS, TEREDO, TZSP];

const PLAIN: DecodeStop = DecodeStop::NotTcp(ip::UDP);

pub(super) fn udp(walk: &mut Walk<'_>) -> Result<NextHeader, DecodeStop> {
    let header = walk.header::<8>(Layer::Udp)?;
    let source = u16::from_be_bytes([header[0], header[1]]);
    let destination = u16::from_be_bytes([header[2], header[3]]);
    let header_of = match (source, destination) {
        (_, port) if walk.selection.vxlan_ports.contains(&port) => vxlan,
        (_, VXLAN | VXLAN_LINUX) => vxlan,
        (_, VXLAN_GPE) => vxlan_gpe,
        (_, GENEVE) => geneve,
        (_, MPLS) => mpls,
        (_, TZSP) => tzsp,
        // These two answer from their port.
        (_, GTP_U) | (GTP_U, _) => gtp,
        (_, TEREDO) | (TEREDO, _) => teredo,
        _ if quic::is_initial(walk.part.bytes, walk.part.wire_length()) => {
            return Ok(NextHeader::Quic { source, destination });
        }
        _ => return Err(PLAIN),
    };
    walk.part = match u16::from_be_bytes([header[4], header[5]]) {
        // The network card was to cut it into datagrams.
        0 => walk.part,
        length => {
            let length = usize::from(length).checked_sub(8);
            walk.part.clip(length.ok_or(DecodeStop::malformed(Layer::Udp, PacketRule::TotalLength))?)
        }
    };
    walk.tunnel = Some(ip::UDP);
    header_of(walk)
}

/// VXLAN (RFC 7348 §5): flags with the bit that says the network's number counts.
fn vxlan(walk: &mut Walk<'_>) -> Result<NextHeader, DecodeStop> {
    let Ok(&[flags, _, _, _, number @ .., _]) = walk.header::<8>(Layer::Udp) else { return Err(PLAIN) };
    if flags & 0x08 == 0 {
        return Err(PLAIN);
    }
    walk.overlay(number);
    Ok(NextHeader::Ethernet)
}

/// VXLAN with the protocol told (draft-ietf-nvo3-vxlan-gpe §3).
fn vxlan_gpe(walk: &mut Walk<'_>) -> Result<NextHeader, DecodeStop> {
    const VERSION: u8 = 0x30;
    const HAS_NUMBER: u8 = 0x08;
    const HAS_PROTOCOL: u8 = 0x04;
    const MAINTENANCE: u8 = 0x01;
    let Ok(&[flags, _, _, protocol, number @ .., _]) = walk.header::<8>(Layer::Udp) else {
        return Err(PLAIN);
    };
    if flags & (VERSION | MAINTENANCE) != 0 || flags & (HAS_NUMBER | HAS_PROTOCOL) == 0 {
        return Err(PLAIN);
    }
    if flags & HAS_NUMBER != 0 {
        walk.overlay(number);
    }
    match protocol {
        _ if flags & HAS_PROTOCOL == 0 => Ok(NextHeader::Ethernet),
        1 => Ok(NextHeader::Ipv4),
        2 => Ok(NextHeader::Ipv6),
        3 => Ok(NextHeader::Ethernet),
        5 => Ok(NextHeader::Mpls),
        _ => Err(PLAIN),
    }
}

/// Geneve (RFC 8926 §3.4).
fn geneve(walk: &mut Walk<'_>) -> Result<NextHeader, DecodeStop> {
    let Ok(&[flags, _, kind_1, kind_2, number @ .., _]) = walk.header::<8>(Layer::Geneve) else {
        return Err(PLAIN);
    };
    if flags >> 6 != 0 {
        return Err(PLAIN);
    }
    walk.skip(usize::from(flags & 0x3f) * 4, Layer::Geneve)?;
    walk.overlay(number);
    Ok(link::bridged(u16::from_be_bytes([kind_1, kind_2])))
}

/// MPLS in UDP (RFC 7510): the labels begin at once.
fn mpls(walk: &mut Walk<'_>) -> Result<NextHeader, DecodeStop> {
    if walk.part.wire_length() < 4 { Err(PLAIN) } else { Ok(NextHeader::Mpls) }
}

/// TZSP, in which access points and switches send what they captured.
fn tzsp(walk: &mut Walk<'_>) -> Result<NextHeader, DecodeStop> {
    const PADDING: u8 = 0;
    const END: u8 = 1;
    let Ok(&[version, kind, protocol_1, protocol_2]) = walk.header::<4>(Layer::Tzsp) else {
        return Err(PLAIN);
    };
    // Received, or to be sent; the others are between the devices themselves.
    if version != 1 || kind > 1 {
        return Err(PLAIN);
    }
    let link = match u16::from_be_bytes([protocol_1, protocol_2]) {
        1 => LinkType::ETHERNET,
        18 => LinkType::IEEE802_11,
        119 => LinkType::IEEE802_11_PRISM,
        127 => LinkType::IEEE802_11_AVS,
        _ => return Err(PLAIN),
    };
    for _ in 0..MAX_TZSP_FIELDS {
        match walk.header::<1>(Layer::Tzsp)? {
            [PADDING] => {}
            [END] => {
                // Where the frame was captured, not where it was sent from.
                walk.leave_network();
                return Ok(NextHeader::Link(link));
            }
            _ => {
                let &[length] = walk.header::<1>(Layer::Tzsp)?;
                walk.skip(usize::from(length), Layer::Tzsp)?;
            }
        }
    }
    Err(DecodeStop::malformed(Layer::Tzsp, PacketRule::TooDeep))
}

/// GTP-U (3GPP TS 29.281 §5): user data, with optional fields and extension headers.
fn gtp(walk: &mut Walk<'_>) -> Result<NextHeader, DecodeStop> {
    const VERSION_1: u8 = 0x30;
    const OPTIONAL_FIELDS: u8 = 0x07;
    const EXTENSION: u8 = 0x04;
    const USER_DATA: u8 = 255;
    let Ok(&[flags, message, length_1, length_2, _, _, _, _]) = walk.header::<8>(Layer::GtpU) else {
        return Err(PLAIN);
    };
    if flags & 0xf0 != VERSION_1 || message != USER_DATA {
        return Err(PLAIN);
    }
    let length = usize::from(u16::from_be_bytes([length_1, length_2]));
    walk.part = walk.part.limit(length, Layer::GtpU)?;
    if flags & OPTIONAL_FIELDS != 0 {
        let &[_, _, _, next] = walk.header::<4>(Layer::GtpU)?;
        if flags & EXTENSION != 0 {
            gtp_extensions(next, walk)?;
        }
    }
    Ok(NextHeader::Ip)
}

fn gtp_extensions(mut next: u8, walk: &mut Walk<'_>) -> Result<(), DecodeStop> {
    for _ in 0..MAX_GTP_EXTENSIONS {
        if next == 0 {
            return Ok(());
        }
        let (&[words], _) = walk.part.header::<1>(Layer::GtpU)?;
        let Some(before_next) = (usize::from(words) * 4).checked_sub(1) else {
            return Err(DecodeStop::malformed(Layer::GtpU, PacketRule::HeaderLength));
        };
        walk.skip(before_next, Layer::GtpU)?;
        next = walk.header::<1>(Layer::GtpU)?[0];
    }
    Err(DecodeStop::malformed(Layer::GtpU, PacketRule::TooDeep))
}

/// Teredo (RFC 4380 §5.1.1): authentication and origin may come before IPv6.
fn teredo(walk: &mut Walk<'_>) -> Result<NextHeader, DecodeStop> {
    let skip = |walk: &mut Walk<'_>, count| walk.skip(count, Layer::Udp).map_err(|_| PLAIN);
    if walk.part.bytes.starts_with(&[0, 1]) {
        let Ok(&[_, _, id, value]) = walk.header::<4>(Layer::Udp) else { return Err(PLAIN) };
        // A nonce of eight bytes and a confirmation byte end it.
        skip(walk, usize::from(id) + usize::from(value) + 9)?;
    }
    if walk.part.bytes.starts_with(&[0, 0]) {
        skip(walk, 8)?;
    }
    match walk.part.bytes.first() {
        Some(first) if first >> 4 == 6 => Ok(NextHeader::Ipv6),
        _ => Err(PLAIN),
    }
}

/// GRE (RFC 2784, 2890), and version 1 as PPTP has it (RFC 2637 §4.1).
pub(super) fn gre(walk: &mut Walk<'_>) -> Result<NextHeader, DecodeStop> {
    const CHECKSUM: u8 = 0x80;
    const ROUTING: u8 = 0x40;
    const KEY: u8 = 0x20;
    const SEQUENCE: u8 = 0x10;
    const ACKNOWLEDGEMENT: u8 = 0x80;
    const PPP: u16 = 0x880b;
    const ERSPAN: u16 = 0x88be;
    const ERSPAN_3: u16 = 0x22eb;
    walk.tunnel = Some(ip::GRE);
    let &[flags, more_flags, kind_1, kind_2] = walk.header::<4>(Layer::Gre)?;
    let version = more_flags & 0x07;
    if version > 1 || flags & ROUTING != 0 {
        return Err(DecodeStop::NotTcp(ip::GRE));
    }
    let has_sequence = flags & SEQUENCE != 0;
    let fields = usize::from(flags & CHECKSUM != 0)
        + usize::from(flags & KEY != 0)
        + usize::from(has_sequence)
        + usize::from(version == 1 && more_flags & ACKNOWLEDGEMENT != 0);
    walk.skip(fields * 4, Layer::Gre)?;
    match (version, u16::from_be_bytes([kind_1, kind_2])) {
        (1, PPP) => Ok(NextHeader::Ppp),
        (0, ERSPAN) if has_sequence => erspan_2(walk),
        // The first ERSPAN had no header of its own.
        (0, ERSPAN) => {
            walk.leave_network();
            Ok(NextHeader::Ethernet)
        }
        (0, ERSPAN_3) => erspan_3(walk),
        (0, kind) => Ok(link::bridged(kind)),
        _ => Err(DecodeStop::NotIp),
    }
}

/// ERSPAN's flag for a mirrored frame that was cut.
const TRUNCATED: u8 = 0x04;

/// Goes on with a mirrored frame, whose network is its own. How much of it is
/// missing when it was cut is told nowhere.
fn mirrored(flags: u8, walk: &mut Walk<'_>) {
    walk.leave_network();
    if flags & TRUNCATED != 0 {
        walk.part = CapturedPart { cut: walk.part.cut.max(u32::from(u16::MAX)), ..walk.part };
    }
}

fn erspan_2(walk: &mut Walk<'_>) -> Result<NextHeader, DecodeStop> {
    let header = walk.header::<8>(Layer::Erspan)?;
    mirrored(header[2], walk);
    Ok(NextHeader::Ethernet)
}

fn erspan_3(walk: &mut Walk<'_>) -> Result<NextHeader, DecodeStop> {
    const SUBHEADER: u8 = 0x01;
    const FRAME_IP: u8 = 2;
    let header = walk.header::<12>(Layer::Erspan)?;
    if header[11] & SUBHEADER != 0 {
        walk.skip(8, Layer::Erspan)?;
    }
    mirrored(header[2], walk);
    Ok(if header[10] >> 2 & 0x1f == FRAME_IP { NextHeader::Ip } else { NextHeader::Ethernet })
}
