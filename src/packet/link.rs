//! Link layers, down to IP.

use super::fault::{DecodeStop, Layer, PacketRule};
use super::network::VirtualNetwork;
use super::step::{NextHeader, Walk};

/// The most VLAN tags on one frame.
pub const MAX_TAGS: usize = 16;

pub(super) const IPV4: u16 = 0x0800;
const TRANSPARENT_ETHERNET: u16 = 0x6558;
pub(super) const VLAN: u16 = 0x8100;
pub(super) const IPV6: u16 = 0x86dd;
pub(super) const MPLS: u16 = 0x8847;
pub(super) const MPLS_MULTICAST: u16 = 0x8848;
pub(super) const PPPOE_SESSION: u16 = 0x8864;
pub(super) const QINQ: u16 = 0x88a8;
/// 802.1ah: a backbone's service instance, and in it a customer's whole frame.
pub(super) const SERVICE_TAG: u16 = 0x88e7;
pub(super) const QINQ_OLD: u16 = 0x9100;
/// Ether types begin here; what is less is the length of an 802.3 frame.
const LEAST_ETHER_TYPE: u16 = 0x0600;
/// In Linux cooked captures: an 802.2 header follows.
const COOKED_LLC: u16 = 4;

#[inline]
pub(super) fn ethernet(walk: &mut Walk<'_>) -> Result<NextHeader, DecodeStop> {
    let header = walk.header::<14>(Layer::Ethernet)?;
    ether_type(u16::from_be_bytes([header[12], header[13]]), walk)
}

/// What follows an ether type, VLAN tags looked through.
#[inline]
pub(super) fn ether_type(kind: u16, walk: &mut Walk<'_>) -> Result<NextHeader, DecodeStop> {
    match kind {
        IPV4 => Ok(NextHeader::Ipv4),
        IPV6 => Ok(NextHeader::Ipv6),
        other => other_ether_type(other, walk),
    }
}

/// What follows an ether type that is not IP's.
#[inline(never)]
fn other_ether_type(mut kind: u16, walk: &mut Walk<'_>) -> Result<NextHeader, DecodeStop> {
    for _ in 0..=MAX_TAGS {
        match kind {
            IPV4 => return Ok(NextHeader::Ipv4),
            IPV6 => return Ok(NextHeader::Ipv6),
            VLAN | QINQ | QINQ_OLD => {
                let &[control_1, control_2, kind_1, kind_2] = walk.header::<4>(Layer::Vlan)?;
                walk.tag(u16::from_be_bytes([control_1, control_2]));
                kind = u16::from_be_bytes([kind_1, kind_2]);
            }
            SERVICE_TAG => {
                let &[_, service @ ..] = walk.header::<4>(Layer::Vlan)?;
                walk.network = VirtualNetwork::overlay(service);
                return Ok(NextHeader::Ethernet);
            }
            PPPOE_SESSION => return pppoe(walk),
            MPLS | MPLS_MULTICAST => return Ok(NextHeader::Mpls),
            length if length < LEAST_ETHER_TYPE => {
                // Zero and other lengths are trusted no further than the frame reaches.
                walk.part = walk.part.clip(usize::from(length));
                return Ok(NextHeader::Llc);
            }
            _ => return Err(DecodeStop::NotIp),
        }
    }
    Err(DecodeStop::malformed(Layer::Vlan, PacketRule::TooDeep))
}

/// What a protocol type of GRE or Geneve says: an ether type, or a whole frame.
pub(super) fn bridged(kind: u16) -> NextHeader {
    if kind == TRANSPARENT_ETHERNET { NextHeader::Ethernet } else { NextHeader::Ether(kind) }
}

/// Linux cooked capture, version 1.
pub(super) fn cooked(walk: &mut Walk<'_>) -> Result<NextHeader, DecodeStop> {
    let header = walk.header::<16>(Layer::LinuxCooked)?;
    cooked_kind(u16::from_be_bytes([header[14], header[15]]))
}

/// Linux cooked capture, version 2.
pub(super) fn cooked_2(walk: &mut Walk<'_>) -> Result<NextHeader, DecodeStop> {
    let header = walk.header::<20>(Layer::LinuxCooked)?;
    cooked_kind(u16::from_be_bytes([header[0], header[1]]))
}

fn cooked_kind(kind: u16) -> Result<NextHeader, DecodeStop> {
    match kind {
        COOKED_LLC => Ok(NextHeader::Llc),
        kind if kind < LEAST_ETHER_TYPE => Err(DecodeStop::NotIp),
        kind => Ok(NextHeader::Ether(kind)),
    }
}

/// 802.2 LLC with SNAP; without SNAP there is no IP.
pub(super) fn llc(walk: &mut Walk<'_>) -> Result<NextHeader, DecodeStop> {
    if !walk.part.bytes.starts_with(&[0xaa, 0xaa, 0x03]) {
        return Err(DecodeStop::NotIp);
    }
    walk.skip(3, Layer::Llc)?;
    snap(Layer::Llc, walk)
}

/// An organisation and a number of its own.
fn snap(layer: Layer, walk: &mut Walk<'_>) -> Result<NextHeader, DecodeStop> {
    let &[owner @ .., kind_1, kind_2] = walk.header::<5>(layer)?;
    match (owner, u16::from_be_bytes([kind_1, kind_2])) {
        // RFC 1042 and its bridge-tunnel form carry ether types.
        ([0, 0, 0 | 0xf8], kind) if kind >= LEAST_ETHER_TYPE => Ok(NextHeader::Ether(kind)),
        // A bridged Ethernet frame, with its checksum or without it (RFC 2427 §4.2).
        ([0, 0x80, 0xc2], 1 | 7) if layer == Layer::FrameRelay => Ok(NextHeader::Ethernet),
        _ => Err(DecodeStop::NotIp),
    }
}

/// An address family, in the byte order of the machine that captured.
pub(super) fn loopback(walk: &mut Walk<'_>) -> Result<NextHeader, DecodeStop> {
    let family = walk.header::<4>(Layer::Loopback)?;
    family_of(*family)
}

/// What an address family leads to, whichever way round its bytes are.
pub(super) fn family_of(family: [u8; 4]) -> Result<NextHeader, DecodeStop> {
    match u32::from_le_bytes(family).min(u32::from_be_bytes(family)) {
        2 => Ok(NextHeader::Ipv4),
        // Linux, Windows, NetBSD, FreeBSD, macOS.
        10 | 23 | 24 | 28 | 30 => Ok(NextHeader::Ipv6),
        _ => Err(DecodeStop::NotIp),
    }
}

/// PPP (RFC 1661), in HDLC framing or without it, the protocol compressed or not.
pub(super) fn ppp(walk: &mut Walk<'_>) -> Result<NextHeader, DecodeStop> {
    match walk.part.bytes.first_chunk::<2>() {
        Some([0xff, 0x03]) => walk.skip(2, Layer::Ppp)?,
        Some([0x0f | 0x8f, 0x00]) => return cisco_hdlc(walk),
        _ => {}
    }
    let &[first] = walk.header::<1>(Layer::Ppp)?;
    let protocol = if first & 1 == 1 {
        u16::from(first)
    } else {
        let &[second] = walk.header::<1>(Layer::Ppp)?;
        u16::from_be_bytes([first, second])
    };
    match protocol {
        0x0021 => Ok(NextHeader::Ipv4),
        0x0057 => Ok(NextHeader::Ipv6),
        0x0281 | 0x0283 => Ok(NextHeader::Mpls),
        _ => Err(DecodeStop::NotIp),
    }
}

/// Cisco HDLC (RFC 1547 §4.3.1): address, control, ether type.
pub(super) fn cisco_hdlc(walk: &mut Walk<'_>) -> Result<NextHeader, DecodeStop> {
    let &[_, _, kind_1, kind_2] = walk.header::<4>(Layer::Ppp)?;
    Ok(NextHeader::Ether(u16::from_be_bytes([kind_1, kind_2])))
}

/// Frame relay: a Q.922 address, then RFC 2427's protocol number, or the ether type that Cisco puts there.
pub(super) fn frame_relay(walk: &mut Walk<'_>) -> Result<NextHeader, DecodeStop> {
    const LAST: u8 = 0x01;
    const UNNUMBERED: u8 = 0x03;
    const MAX_ADDRESS: usize = 4;
    let layer = Layer::FrameRelay;
    for length in 1.. {
        let &[byte] = walk.header::<1>(layer)?;
        if byte & LAST != 0 {
            break;
        }
        if length == MAX_ADDRESS {
            return Err(DecodeStop::malformed(layer, PacketRule::HeaderLength));
        }
    }
    let &[control, second] = walk.header::<2>(layer)?;
    if control != UNNUMBERED {
        return Ok(NextHeader::Ether(u16::from_be_bytes([control, second])));
    }
    // A zero byte may come before the number, to make the length even.
    let protocol = if second == 0 { walk.header::<1>(layer)?[0] } else { second };
    match protocol {
        0xcc => Ok(NextHeader::Ipv4),
        0x8e => Ok(NextHeader::Ipv6),
        0xcf => Ok(NextHeader::Ppp),
        0x80 => snap(layer, walk),
        _ => Err(DecodeStop::NotIp),
    }
}

/// `PPPoE` in its session stage (RFC 2516 §4).
pub(super) fn pppoe(walk: &mut Walk<'_>) -> Result<NextHeader, DecodeStop> {
    let &[version, code, _, _, length_1, length_2] = walk.header::<6>(Layer::Pppoe)?;
    if version != 0x11 {
        return Err(DecodeStop::malformed(Layer::Pppoe, PacketRule::Version));
    }
    if code != 0 {
        return Err(DecodeStop::NotIp);
    }
    let length = usize::from(u16::from_be_bytes([length_1, length_2]));
    walk.part = walk.part.limit(length, Layer::Pppoe)?;
    Ok(NextHeader::Ppp)
}
