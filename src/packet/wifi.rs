//! 802.11 data frames in the clear, with and without a radiotap header.

use super::decode::{Context, Found};
use super::fault::{Layer, Rule, Stop};
use super::link;
use super::part::Part;

/// Radiotap (radiotap.org): of its fields only the padding flag matters.
pub(super) fn radiotap(part: Part<'_>, context: Context) -> Result<Found<'_>, Stop> {
    let (&[version, _, length_1, length_2, present @ ..], _) = part.header::<8>(Layer::Radiotap)?;
    if version != 0 {
        return Err(Stop::malformed(Layer::Radiotap, Rule::Version));
    }
    let length = usize::from(u16::from_le_bytes([length_1, length_2]));
    if length < 8 {
        return Err(Stop::malformed(Layer::Radiotap, Rule::HeaderLength));
    }
    let rest = part.skip(length, Layer::Radiotap)?;
    let header = part.bytes.get(..length).unwrap_or_default();
    frame(rest, is_padded(header, u32::from_le_bytes(present)), context)
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
pub(super) fn frame(part: Part<'_>, is_padded: bool, context: Context) -> Result<Found<'_>, Stop> {
    const QOS: u8 = 0x80;
    const NO_DATA: u8 = 0x40;
    const BOTH_DISTRIBUTION: u8 = 0x03;
    const MORE_FRAGMENTS: u8 = 0x04;
    const PROTECTED: u8 = 0x40;
    const ORDER: u8 = 0x80;
    const AGGREGATED: u8 = 0x80;
    let (&[kind, flags], _) = part.header::<2>(Layer::Wifi)?;
    let is_data = kind & 0x0f == 0x08;
    if !is_data || kind & NO_DATA != 0 || flags & PROTECTED != 0 {
        return Err(Stop::NotIp);
    }
    let (header, mut rest) = part.header::<24>(Layer::Wifi)?;
    let mut length = 24;
    if flags & BOTH_DISTRIBUTION == BOTH_DISTRIBUTION {
        rest = rest.skip(6, Layer::Wifi)?;
        length += 6;
    }
    let mut is_aggregated = false;
    if kind & QOS != 0 {
        let (qos, after) = rest.header::<2>(Layer::Wifi)?;
        is_aggregated = qos[0] & AGGREGATED != 0;
        rest = after;
        length += 2;
        if flags & ORDER != 0 {
            rest = rest.skip(4, Layer::Wifi)?;
            length += 4;
        }
    }
    if is_padded {
        rest = rest.skip(usize::next_multiple_of(length, 4) - length, Layer::Wifi)?;
    }
    let is_fragment = flags & MORE_FRAGMENTS != 0 || header[22] & 0x0f != 0;
    if is_aggregated || is_fragment {
        return Err(Stop::malformed(Layer::Wifi, Rule::Unsupported));
    }
    link::llc(rest, context)
}
