//! MPLS labels (RFC 3032), and what is under the last one.
//!
//! Nothing in a label says that: it is known to the routers at the ends only.
//! IP shows by its version; a pseudowire's Ethernet frame, with the control
//! word of RFC 4385 or without it, by an ether type where a frame has one.

use super::fault::{DecodeStop, Layer, PacketRule};
use super::link::{IPV4, IPV6, MPLS, PPPOE_SESSION, QINQ, VLAN};
use super::step::{NextHeader, Walk};

/// The most MPLS labels on one packet.
pub const MAX_LABELS: usize = 16;

const CONTROL_WORD: usize = 4;

pub(super) fn labels(walk: &mut Walk<'_>) -> Result<NextHeader, DecodeStop> {
    const BOTTOM: u8 = 0x01;
    for _ in 0..MAX_LABELS {
        let label = walk.header::<4>(Layer::Mpls)?;
        if label[2] & BOTTOM != 0 {
            return under(walk);
        }
    }
    Err(DecodeStop::malformed(Layer::Mpls, PacketRule::TooDeep))
}

/// What is under the last label.
fn under(walk: &mut Walk<'_>) -> Result<NextHeader, DecodeStop> {
    let bytes = walk.part.bytes;
    let version = bytes.first().map(|first| first >> 4);
    // A hardware address may begin with any four bits, so those of a version alone do not tell.
    if is_ip(bytes, walk.part.wire_length()) {
        return Ok(NextHeader::Ip);
    }
    if version == Some(0) && bytes.get(CONTROL_WORD..).is_some_and(is_frame) {
        walk.skip(CONTROL_WORD, Layer::Mpls)?;
        return Ok(NextHeader::Ethernet);
    }
    if is_frame(bytes) {
        return Ok(NextHeader::Ethernet);
    }
    // Too little was captured to tell.
    if version == Some(0) && walk.part.cut > 0 && bytes.len() < CONTROL_WORD + 15 {
        return Err(DecodeStop::Snapped(Layer::Mpls));
    }
    Ok(NextHeader::Ip)
}

/// Whether this is an IP header whose lengths can be true. Of IPv6 the length is
/// to be exact: hardware addresses that begin with 6 are common, with 45 they are not.
fn is_ip(bytes: &[u8], wire_length: usize) -> bool {
    match *bytes {
        [0x45..=0x4f, _, length_1, length_2, ..] => {
            let length = usize::from(u16::from_be_bytes([length_1, length_2]));
            length == 0 || (20..=wire_length).contains(&length)
        }
        [0x60..=0x6f, _, _, _, length_1, length_2, ..] => {
            usize::from(u16::from_be_bytes([length_1, length_2])) + 40 == wire_length
        }
        _ => false,
    }
}

/// Whether this is an Ethernet frame that leads to IP, as far as its first bytes tell.
fn is_frame(bytes: &[u8]) -> bool {
    let Some(&[.., kind_1, kind_2, first]) = bytes.first_chunk::<15>() else { return false };
    match u16::from_be_bytes([kind_1, kind_2]) {
        IPV4 => first >> 4 == 4,
        IPV6 => first >> 4 == 6,
        VLAN | QINQ | MPLS | PPPOE_SESSION => true,
        _ => false,
    }
}
