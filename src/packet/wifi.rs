//! 802.11 data frames in the clear, and the headers that cards put before them.

use super::fault::{DecodeStop, Layer, PacketRule};
use super::step::{NextHeader, Walk};

/// Radiotap (radiotap.org): of its fields only the padding flag matters.
pub(super) fn radiotap(walk: &mut Walk<'_>) -> Result<NextHeader, DecodeStop> {
    let part = walk.part;
    let (&[version, _, length_1, length_2, present @ ..], _) = part.header::<8>(Layer::Radiotap)?;
    if version != 0 {
        return Err(DecodeStop::malformed(Layer::Radiotap, PacketRule::Version));
    }
    let length = usize::from(u16::from_le_bytes([length_1, length_2]));
    if length < 8 {
        return Err(DecodeStop::malformed(Layer::Radiotap, PacketRule::HeaderLength));
    }
    walk.skip(length, Layer::Radiotap)?;
    let header = part.bytes.get(..length).unwrap_or_default();
    Ok(NextHeader::Wifi { is_padded: is_padded(header, u32::from_le_bytes(present)) })
}

/// Prism's header, which has one length, or the one by AVS that cards of the
/// same drivers put in its place.
pub(super) fn prism(walk: &mut Walk<'_>) -> Result<NextHeader, DecodeStop> {
    const LENGTH: usize = 144;
    let (&magic, _) = walk.part.header::<4>(Layer::Prism)?;
    // The low bits are the version.
    if u32::from_be_bytes(magic) & 0xffff_f000 == 0x8021_1000 {
        return avs(walk);
    }
    walk.skip(LENGTH, Layer::Prism)?;
    Ok(NextHeader::Wifi { is_padded: false })
}

/// AVS: a magic number and the length.
pub(super) fn avs(walk: &mut Walk<'_>) -> Result<NextHeader, DecodeStop> {
    let (&[_, _, _, _, length @ ..], _) = walk.part.header::<8>(Layer::Prism)?;
    let length = u32::from_be_bytes(length) as usize;
    if length < 8 {
        return Err(DecodeStop::malformed(Layer::Prism, PacketRule::HeaderLength));
    }
    walk.skip(length, Layer::Prism)?;
    Ok(NextHeader::Wifi { is_padded: false })
}

/// Whether the 802.11 header is padded to a multiple of four bytes.
fn is_padded(header: &[u8], present: u32) -> bool {
    const TIME: u32 = 1;
    const FLAGS: u32 = 2;
    const MORE: u32 = 1 << 31;
    const PADDED: u8 = 0x20;
    if present & FLAGS == 0 {
        return false;
    }
    let (words, _) = header.get(4..).unwrap_or_default().as_chunks::<4>();
    let more = words.iter().take_while(|word| u32::from_le_bytes(**word) & MORE != 0).count();
    let mut at = 4 + (more + 1) * 4;
    if present & TIME != 0 {
        at = at.next_multiple_of(8) + 8;
    }
    header.get(at).is_some_and(|flags| flags & PADDED != 0)
}

/// An 802.11 frame. Only data frames that are not encrypted hold IP for us.
pub(super) fn frame(is_padded: bool, walk: &mut Walk<'_>) -> Result<NextHeader, DecodeStop> {
    const QOS: u8 = 0x80;
    const NO_DATA: u8 = 0x40;
    const BOTH_DISTRIBUTION: u8 = 0x03;
    const MORE_FRAGMENTS: u8 = 0x04;
    const PROTECTED: u8 = 0x40;
    const ORDER: u8 = 0x80;
    const AGGREGATED: u8 = 0x80;
    let (&[kind, flags], _) = walk.part.header::<2>(Layer::Wifi)?;
    let is_data = kind & 0x0f == 0x08;
    if !is_data || kind & NO_DATA != 0 || flags & PROTECTED != 0 {
        return Err(DecodeStop::NotIp);
    }
    let header = walk.header::<24>(Layer::Wifi)?;
    let mut length = 24;
    if flags & BOTH_DISTRIBUTION == BOTH_DISTRIBUTION {
        walk.skip(6, Layer::Wifi)?;
        length += 6;
    }
    let mut is_aggregated = false;
    if kind & QOS != 0 {
        let qos = walk.header::<2>(Layer::Wifi)?;
        is_aggregated = qos[0] & AGGREGATED != 0;
        length += 2;
        if flags & ORDER != 0 {
            walk.skip(4, Layer::Wifi)?;
            length += 4;
        }
    }
    if is_padded {
        walk.skip(usize::next_multiple_of(length, 4) - length, Layer::Wifi)?;
    }
    let is_fragment = flags & MORE_FRAGMENTS != 0 || header[22] & 0x0f != 0;
    if is_aggregated || is_fragment {
        return Err(DecodeStop::malformed(Layer::Wifi, PacketRule::Unsupported));
    }
    Ok(NextHeader::Llc)
}
