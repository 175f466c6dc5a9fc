//! Tunnels, which are looked through without being asked.
//!
//! UDP tunnels are known by their ports, so what lies there may be anything
//! else: a header that is not the tunnel's makes the packet plain UDP, not malformed.

use super::decode::{Context, Found};
use super::fault::{Layer, Rule, Stop};
use super::part::Part;
use super::{ip, link};

/// The most extension headers of one GTP-U packet.
pub const MAX_GTP_EXTENSIONS: usize = 16;

/// IANA's, and the one that Linux had before (flannel still does).
const VXLAN: [u16; 2] = [4789, 8472];
const GENEVE: u16 = 6081;
const GTP_U: u16 = 2152;
const TEREDO: u16 = 3544;

const PLAIN: Stop = Stop::NotTcp(ip::UDP);

pub(super) fn udp(part: Part<'_>, context: Context) -> Result<Found<'_>, Stop> {
    let (header, rest) = part.header::<8>(Layer::Udp)?;
    let source = u16::from_be_bytes([header[0], header[1]]);
    let destination = u16::from_be_bytes([header[2], header[3]]);
    let is_tunnel = VXLAN.contains(&destination)
        || [GENEVE, GTP_U, TEREDO].contains(&destination)
        || [GTP_U, TEREDO].contains(&source);
    if !is_tunnel {
        return Err(PLAIN);
    }
    let rest = match u16::from_be_bytes([header[4], header[5]]) {
        // The network card was to cut it into datagrams.
        0 => rest,
        length => {
            let length = usize::from(length).checked_sub(8);
            rest.limit(length.ok_or(Stop::malformed(Layer::Udp, Rule::TotalLength))?, Layer::Udp)?
        }
    };
    let found = match destination {
        _ if VXLAN.contains(&destination) => vxlan(rest, context),
        GENEVE => geneve(rest, context),
        GTP_U => gtp(rest, context),
        TEREDO => teredo(rest, context),
        _ if source == GTP_U => gtp(rest, context),
        _ => teredo(rest, context),
    };
    carried(found, ip::UDP)
}

/// VXLAN (RFC 7348 §5): flags with the bit that says the network's number counts.
fn vxlan(part: Part<'_>, context: Context) -> Result<Found<'_>, Stop> {
    let Ok((header, rest)) = part.header::<8>(Layer::Udp) else { return Err(PLAIN) };
    if header[0] & 0x08 == 0 { Err(PLAIN) } else { link::ethernet(rest, context) }
}

/// Geneve (RFC 8926 §3.4).
fn geneve(part: Part<'_>, context: Context) -> Result<Found<'_>, Stop> {
    let Ok((header, rest)) = part.header::<8>(Layer::Geneve) else { return Err(PLAIN) };
    if header[0] >> 6 != 0 {
        return Err(PLAIN);
    }
    let rest = rest.skip(usize::from(header[0] & 0x3f) * 4, Layer::Geneve)?;
    link::bridged(u16::from_be_bytes([header[2], header[3]]), rest, context)
}

/// GTP-U (3GPP TS 29.281 §5): user data, with optional fields and extension headers.
fn gtp(part: Part<'_>, context: Context) -> Result<Found<'_>, Stop> {
    const VERSION_1: u8 = 0x30;
    const OPTIONAL_FIELDS: u8 = 0x07;
    const EXTENSION: u8 = 0x04;
    const USER_DATA: u8 = 255;
    let Ok((&[flags, message, length_1, length_2, _, _, _, _], rest)) = part.header::<8>(Layer::GtpU) else {
        return Err(PLAIN);
    };
    if flags & 0xf0 != VERSION_1 || message != USER_DATA {
        return Err(PLAIN);
    }
    let mut rest = rest.limit(usize::from(u16::from_be_bytes([length_1, length_2])), Layer::GtpU)?;
    if flags & OPTIONAL_FIELDS != 0 {
        let (&[_, _, _, next], after) = rest.header::<4>(Layer::GtpU)?;
        rest = after;
        if flags & EXTENSION != 0 {
            rest = after_gtp_extensions(next, rest)?;
        }
    }
    ip::any(rest, context)
}

fn after_gtp_extensions(mut next: u8, mut rest: Part<'_>) -> Result<Part<'_>, Stop> {
    for _ in 0..MAX_GTP_EXTENSIONS {
        if next == 0 {
            return Ok(rest);
        }
        let (&[words], _) = rest.header::<1>(Layer::GtpU)?;
        let Some(before_next) = (usize::from(words) * 4).checked_sub(1) else {
            return Err(Stop::malformed(Layer::GtpU, Rule::HeaderLength));
        };
        let (&[following], after) = rest.skip(before_next, Layer::GtpU)?.header::<1>(Layer::GtpU)?;
        (next, rest) = (following, after);
    }
    Err(Stop::malformed(Layer::GtpU, Rule::TooDeep))
}

/// Teredo (RFC 4380 §5.1.1): authentication and origin may come before IPv6.
fn teredo(mut part: Part<'_>, context: Context) -> Result<Found<'_>, Stop> {
    if part.bytes.starts_with(&[0, 1]) {
        let Ok((&[_, _, id, value], rest)) = part.header::<4>(Layer::Udp) else { return Err(PLAIN) };
        // A nonce of eight bytes and a confirmation byte end it.
        let Ok(rest) = rest.skip(usize::from(id) + usize::from(value) + 9, Layer::Udp) else {
            return Err(PLAIN);
        };
        part = rest;
    }
    if part.bytes.starts_with(&[0, 0]) {
        let Ok(rest) = part.skip(8, Layer::Udp) else { return Err(PLAIN) };
        part = rest;
    }
    match part.bytes.first() {
        Some(first) if first >> 4 == 6 => ip::ipv6(part, context),
        _ => Err(PLAIN),
    }
}

/// GRE (RFC 2784, 2890), and version 1 as PPTP has it (RFC 2637 §4.1).
pub(super) fn gre(part: Part<'_>, context: Context) -> Result<Found<'_>, Stop> {
    const CHECKSUM: u8 = 0x80;
    const ROUTING: u8 = 0x40;
    const KEY: u8 = 0x20;
    const SEQUENCE: u8 = 0x10;
    const ACKNOWLEDGEMENT: u8 = 0x80;
    const PPP: u16 = 0x880b;
    const ERSPAN: u16 = 0x88be;
    const ERSPAN_3: u16 = 0x22eb;
    let (&[flags, more_flags, kind_1, kind_2], rest) = part.header::<4>(Layer::Gre)?;
    let version = more_flags & 0x07;
    if version > 1 || flags & ROUTING != 0 {
        return Err(Stop::NotTcp(ip::GRE));
    }
    let has_sequence = flags & SEQUENCE != 0;
    let fields = usize::from(flags & CHECKSUM != 0)
        + usize::from(flags & KEY != 0)
        + usize::from(has_sequence)
        + usize::from(version == 1 && more_flags & ACKNOWLEDGEMENT != 0);
    let rest = rest.skip(fields * 4, Layer::Gre)?;
    let found = match (version, u16::from_be_bytes([kind_1, kind_2])) {
        (1, PPP) => link::ppp(rest, context),
        (0, ERSPAN) if has_sequence => erspan_2(rest, context),
        // The first ERSPAN had no header of its own.
        (0, ERSPAN) => link::ethernet(rest, context),
        (0, ERSPAN_3) => erspan_3(rest, context),
        (0, kind) => link::bridged(kind, rest, context),
        _ => Err(Stop::NotIp),
    };
    carried(found, ip::GRE)
}

/// What has no IP inside a tunnel is still IP outside: it is counted as the tunnel's protocol.
fn carried(found: Result<Found<'_>, Stop>, protocol: u8) -> Result<Found<'_>, Stop> {
    match found {
        Err(Stop::NotIp) => Err(Stop::NotTcp(protocol)),
        found => found,
    }
}

/// ERSPAN's flag for a mirrored frame that was cut.
const TRUNCATED: u8 = 0x04;

/// A mirrored frame, of which nobody knows how much is missing when it was cut.
fn mirrored(part: Part<'_>, flags: u8) -> Part<'_> {
    if flags & TRUNCATED == 0 { part } else { Part { cut: part.cut.max(u32::from(u16::MAX)), ..part } }
}

fn erspan_2(part: Part<'_>, context: Context) -> Result<Found<'_>, Stop> {
    let (header, rest) = part.header::<8>(Layer::Erspan)?;
    link::ethernet(mirrored(rest, header[2]), context)
}

fn erspan_3(part: Part<'_>, context: Context) -> Result<Found<'_>, Stop> {
    const SUBHEADER: u8 = 0x01;
    const FRAME_IP: u8 = 2;
    let (header, rest) = part.header::<12>(Layer::Erspan)?;
    let rest = if header[11] & SUBHEADER != 0 { rest.skip(8, Layer::Erspan)? } else { rest };
    let rest = mirrored(rest, header[2]);
    if header[10] >> 2 & 0x1f == FRAME_IP { ip::any(rest, context) } else { link::ethernet(rest, context) }
}
