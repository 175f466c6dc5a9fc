//! Headers that a capturing system puts before packets, to tell where it saw them.

use super::captured_part::CapturedPart;
use super::fault::{DecodeStop, Layer, PacketRule};
use super::link;
use super::link_type::LinkType;
use super::step::{NextHeader, Walk};

/// The most attributes of one NFLOG packet.
pub const MAX_ATTRIBUTES: usize = 64;

/// OpenBSD's `enc(4)`: address family, security parameters, flags.
pub(super) fn enc(walk: &mut Walk<'_>) -> Result<NextHeader, DecodeStop> {
    let &[family @ .., _, _, _, _, _, _, _, _] = walk.header::<12>(Layer::Enc)?;
    link::family_of(family)
}

/// OpenBSD's `pflog(4)`: its length, which is padded to words, and the address family.
pub(super) fn pflog(walk: &mut Walk<'_>) -> Result<NextHeader, DecodeStop> {
    /// The oldest header, up to the direction.
    const LEAST: usize = 45;
    let (&[length, family], _) = walk.part.header::<2>(Layer::Pflog)?;
    let length = usize::from(length);
    if length < LEAST {
        return Err(DecodeStop::malformed(Layer::Pflog, PacketRule::HeaderLength));
    }
    walk.skip(length.next_multiple_of(4), Layer::Pflog)?;
    link::family_of([family, 0, 0, 0])
}

/// Linux's netfilter log: attributes in the byte order of the machine that
/// captured, one of which is the packet.
pub(super) fn nflog(walk: &mut Walk<'_>) -> Result<NextHeader, DecodeStop> {
    const PAYLOAD: u16 = 9;
    let layer = Layer::Nflog;
    let &[_, version, _, _] = walk.header::<4>(layer)?;
    if version != 0 {
        return Err(DecodeStop::malformed(layer, PacketRule::Version));
    }
    for _ in 0..MAX_ATTRIBUTES {
        if walk.part.wire_length() == 0 {
            return Err(DecodeStop::NotIp);
        }
        let &[length_1, length_2, kind_1, kind_2] = walk.header::<4>(layer)?;
        // Kinds are small and not zero, which tells the byte order.
        let (length, kind) = if kind_2 == 0 {
            (u16::from_le_bytes([length_1, length_2]), u16::from(kind_1))
        } else {
            (u16::from_be_bytes([length_1, length_2]), u16::from_be_bytes([kind_1, kind_2]))
        };
        let Some(length) = usize::from(length).checked_sub(4) else {
            return Err(DecodeStop::malformed(layer, PacketRule::HeaderLength));
        };
        if kind == PAYLOAD {
            walk.part = walk.part.limit(length, layer)?;
            return Ok(NextHeader::Ip);
        }
        // The last attribute may lack its padding.
        walk.skip(length.next_multiple_of(4).min(walk.part.wire_length().max(length)), layer)?;
    }
    Err(DecodeStop::malformed(layer, PacketRule::TooDeep))
}

/// A PKTAP header's length in its oldest form.
const PKTAP_LEAST: u32 = 108;
/// That a packet follows.
const PKTAP_PACKET: u32 = 1;

/// The first fields of Apple's PKTAP header: length, what follows, and its link type.
fn pktap_fields(header: [u8; 12]) -> [u32; 3] {
    let (fields, _) = header.as_chunks::<4>();
    [0, 1, 2].map(|at| fields.get(at).map_or(0, |field| u32::from_le_bytes(*field)))
}

/// Whether a packet of the link type left to users can be PKTAP.
pub(super) fn is_pktap(part: CapturedPart<'_>) -> bool {
    let Some(header) = part.bytes.first_chunk::<12>() else { return false };
    let [length, follows, link] = pktap_fields(*header);
    let is_known = LinkType::KNOWN.iter().any(|known| u32::from(known.0) == link);
    (PKTAP_LEAST..=512).contains(&length)
        && length as usize <= part.wire_length()
        && follows == PKTAP_PACKET
        && is_known
}

pub(super) fn pktap(walk: &mut Walk<'_>) -> Result<NextHeader, DecodeStop> {
    let (&header, _) = walk.part.header::<12>(Layer::Pktap)?;
    let [length, follows, link] = pktap_fields(header);
    if length < PKTAP_LEAST {
        return Err(DecodeStop::malformed(Layer::Pktap, PacketRule::HeaderLength));
    }
    walk.skip(length as usize, Layer::Pktap)?;
    if follows != PKTAP_PACKET {
        return Err(DecodeStop::NotIp);
    }
    match u16::try_from(link) {
        Ok(link) => Ok(NextHeader::Link(LinkType(link))),
        Err(_) => Err(DecodeStop::malformed(Layer::Pktap, PacketRule::Unsupported)),
    }
}
