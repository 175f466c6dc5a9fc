//! Link layers, down to IP.

use super::decode::{Context, Found};
use super::fault::{Layer, Rule, Stop};
use super::part::Part;
use super::{ip, wifi};

/// The most VLAN tags on one frame.
pub const MAX_TAGS: usize = 16;

/// The most MPLS labels on one packet.
pub const MAX_LABELS: usize = 16;

/// What a captured packet begins with (the LINKTYPE registry of tcpdump.org).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct LinkType(pub u16);

#[allow(missing_docs, reason = "each is the registry's name")]
impl LinkType {
    pub const NULL: LinkType = LinkType(0);
    pub const ETHERNET: LinkType = LinkType(1);
    pub const PPP: LinkType = LinkType(9);
    pub const RAW_BSD: LinkType = LinkType(12);
    pub const RAW_OPENBSD: LinkType = LinkType(14);
    pub const PPP_HDLC: LinkType = LinkType(50);
    pub const PPP_ETHER: LinkType = LinkType(51);
    pub const RAW: LinkType = LinkType(101);
    pub const IEEE802_11: LinkType = LinkType(105);
    pub const LOOP: LinkType = LinkType(108);
    pub const LINUX_SLL: LinkType = LinkType(113);
    pub const IEEE802_11_RADIOTAP: LinkType = LinkType(127);
    pub const IPV4: LinkType = LinkType(228);
    pub const IPV6: LinkType = LinkType(229);
    pub const LINUX_SLL2: LinkType = LinkType(276);

    /// All that are looked into.
    pub const KNOWN: [LinkType; 15] = [
        Self::NULL,
        Self::ETHERNET,
        Self::PPP,
        Self::RAW_BSD,
        Self::RAW_OPENBSD,
        Self::PPP_HDLC,
        Self::PPP_ETHER,
        Self::RAW,
        Self::IEEE802_11,
        Self::LOOP,
        Self::LINUX_SLL,
        Self::IEEE802_11_RADIOTAP,
        Self::IPV4,
        Self::IPV6,
        Self::LINUX_SLL2,
    ];
}

const IPV4: u16 = 0x0800;
const TRANSPARENT_ETHERNET: u16 = 0x6558;
const VLAN: u16 = 0x8100;
const IPV6: u16 = 0x86dd;
const MPLS: u16 = 0x8847;
const MPLS_MULTICAST: u16 = 0x8848;
const PPPOE_SESSION: u16 = 0x8864;
const QINQ: u16 = 0x88a8;
const QINQ_OLD: u16 = 0x9100;
/// Ether types begin here; what is less is the length of an 802.3 frame.
const LEAST_ETHER_TYPE: u16 = 0x0600;
/// In Linux cooked captures: an 802.2 header follows.
const COOKED_LLC: u16 = 4;

/// Begins with a packet as captured.
#[inline]
pub(super) fn packet(link: LinkType, part: Part<'_>, context: Context) -> Result<Found<'_>, Stop> {
    match link {
        LinkType::ETHERNET => ethernet(part, context),
        LinkType::LINUX_SLL => {
            let (header, rest) = part.header::<16>(Layer::LinuxCooked)?;
            cooked(u16::from_be_bytes([header[14], header[15]]), rest, context)
        }
        LinkType::LINUX_SLL2 => {
            let (header, rest) = part.header::<20>(Layer::LinuxCooked)?;
            cooked(u16::from_be_bytes([header[0], header[1]]), rest, context)
        }
        LinkType::NULL | LinkType::LOOP => loopback(part, context),
        LinkType::RAW | LinkType::RAW_BSD | LinkType::RAW_OPENBSD => ip::any(part, context),
        LinkType::IPV4 => ip::ipv4(part, context),
        LinkType::IPV6 => ip::ipv6(part, context),
        LinkType::PPP | LinkType::PPP_HDLC => ppp(part, context),
        LinkType::PPP_ETHER => pppoe(part, context),
        LinkType::IEEE802_11 => wifi::frame(part, false, context),
        LinkType::IEEE802_11_RADIOTAP => wifi::radiotap(part, context),
        other => Err(Stop::UnknownLink(other)),
    }
}

#[inline]
pub(super) fn ethernet(part: Part<'_>, context: Context) -> Result<Found<'_>, Stop> {
    let (header, rest) = part.header::<14>(Layer::Ethernet)?;
    ether_type(u16::from_be_bytes([header[12], header[13]]), rest, context)
}

/// What follows an ether type, VLAN tags looked through.
#[inline]
pub(super) fn ether_type(mut kind: u16, mut part: Part<'_>, context: Context) -> Result<Found<'_>, Stop> {
    for _ in 0..=MAX_TAGS {
        match kind {
            IPV4 => return ip::ipv4(part, context),
            IPV6 => return ip::ipv6(part, context),
            VLAN | QINQ | QINQ_OLD => {
                let (&[_, _, kind_1, kind_2], rest) = part.header::<4>(Layer::Vlan)?;
                (kind, part) = (u16::from_be_bytes([kind_1, kind_2]), rest);
            }
            PPPOE_SESSION => return pppoe(part, context),
            MPLS | MPLS_MULTICAST => return mpls(part, context),
            length if length < LEAST_ETHER_TYPE => {
                // Zero and other lengths are trusted no further than the frame reaches.
                let rest = part.limit(usize::from(length), Layer::Ethernet).unwrap_or(part);
                return llc(rest, context);
            }
            _ => return Err(Stop::NotIp),
        }
    }
    Err(Stop::malformed(Layer::Vlan, Rule::TooDeep))
}

/// What a protocol type of GRE or Geneve says: an ether type, or a whole frame.
pub(super) fn bridged(kind: u16, part: Part<'_>, context: Context) -> Result<Found<'_>, Stop> {
    if kind == TRANSPARENT_ETHERNET { ethernet(part, context) } else { ether_type(kind, part, context) }
}

fn cooked(kind: u16, part: Part<'_>, context: Context) -> Result<Found<'_>, Stop> {
    match kind {
        COOKED_LLC => llc(part, context),
        kind if kind < LEAST_ETHER_TYPE => Err(Stop::NotIp),
        kind => ether_type(kind, part, context),
    }
}

/// 802.2 LLC with SNAP; without SNAP there is no IP.
pub(super) fn llc(part: Part<'_>, context: Context) -> Result<Found<'_>, Stop> {
    if !part.bytes.starts_with(&[0xaa, 0xaa, 0x03]) {
        return Err(Stop::NotIp);
    }
    let (header, rest) = part.header::<8>(Layer::Llc)?;
    let kind = u16::from_be_bytes([header[6], header[7]]);
    // RFC 1042 and its bridge-tunnel form carry ether types; other organisations have numbers of their own.
    let is_ether_type = matches!(header[3..6], [0, 0, 0 | 0xf8]);
    if is_ether_type && kind >= LEAST_ETHER_TYPE { ether_type(kind, rest, context) } else { Err(Stop::NotIp) }
}

/// An address family, in the byte order of the machine that captured.
fn loopback(part: Part<'_>, context: Context) -> Result<Found<'_>, Stop> {
    let (family, rest) = part.header::<4>(Layer::Loopback)?;
    match u32::from_le_bytes(*family).min(u32::from_be_bytes(*family)) {
        2 => ip::ipv4(rest, context),
        // Linux, Windows, NetBSD, FreeBSD, macOS.
        10 | 23 | 24 | 28 | 30 => ip::ipv6(rest, context),
        _ => Err(Stop::NotIp),
    }
}

/// PPP (RFC 1661), in HDLC framing or without it, the protocol compressed or not.
pub(super) fn ppp(mut part: Part<'_>, context: Context) -> Result<Found<'_>, Stop> {
    match part.bytes.first_chunk::<2>() {
        Some([0xff, 0x03]) => part = part.skip(2, Layer::Ppp)?,
        // Cisco HDLC: address, control, ether type.
        Some([0x0f | 0x8f, 0x00]) => {
            let (&[_, _, kind_1, kind_2], rest) = part.header::<4>(Layer::Ppp)?;
            return ether_type(u16::from_be_bytes([kind_1, kind_2]), rest, context);
        }
        _ => {}
    }
    let (&[first], rest) = part.header::<1>(Layer::Ppp)?;
    let (protocol, rest) = if first & 1 == 1 {
        (u16::from(first), rest)
    } else {
        let (&protocol, rest) = part.header::<2>(Layer::Ppp)?;
        (u16::from_be_bytes(protocol), rest)
    };
    match protocol {
        0x0021 => ip::ipv4(rest, context),
        0x0057 => ip::ipv6(rest, context),
        0x0281 | 0x0283 => mpls(rest, context),
        _ => Err(Stop::NotIp),
    }
}

/// `PPPoE` in its session stage (RFC 2516 §4).
fn pppoe(part: Part<'_>, context: Context) -> Result<Found<'_>, Stop> {
    let (&[version, code, _, _, length_1, length_2], rest) = part.header::<6>(Layer::Pppoe)?;
    if version != 0x11 {
        return Err(Stop::malformed(Layer::Pppoe, Rule::Version));
    }
    if code != 0 {
        return Err(Stop::NotIp);
    }
    let length = usize::from(u16::from_be_bytes([length_1, length_2]));
    ppp(rest.limit(length, Layer::Pppoe)?, context)
}

/// MPLS labels (RFC 3032), under which IP shows by its version.
fn mpls(mut part: Part<'_>, context: Context) -> Result<Found<'_>, Stop> {
    for _ in 0..MAX_LABELS {
        let (label, rest) = part.header::<4>(Layer::Mpls)?;
        part = rest;
        if label[2] & 1 == 1 {
            return ip::any(part, context);
        }
    }
    Err(Stop::malformed(Layer::Mpls, Rule::TooDeep))
}
