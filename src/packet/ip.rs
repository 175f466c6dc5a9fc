//! IPv4 (RFC 791) and IPv6 (RFC 8200), and what they carry.

use super::address_pair::AddressPair;
use super::captured_part::CapturedPart;
use super::fault::{DecodeStop, Layer, PacketRule};
use super::step::{NextHeader, Walk};

/// The most IP headers inside each other.
pub const MAX_NESTING: usize = 8;

/// The most extension headers of one IPv6 packet.
pub const MAX_EXTENSIONS: usize = 16;

pub(super) const HOP_BY_HOP: u8 = 0;
pub(super) const IPV4: u8 = 4;
pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
pub(super) const IPV6: u8 = 41;
pub(super) const ROUTING: u8 = 43;
pub(super) const FRAGMENT: u8 = 44;
pub(super) const GRE: u8 = 47;
pub(super) const AUTHENTICATION: u8 = 51;
pub(super) const DESTINATION: u8 = 60;

/// An IPv4 header whose lengths were checked, and its payload.
struct Ipv4View<'a> {
    header: &'a [u8; 20],
    payload: CapturedPart<'a>,
}

impl<'a> Ipv4View<'a> {
    #[inline]
    fn of(part: CapturedPart<'a>) -> Result<Self, DecodeStop> {
        let fault = |rule| Err(DecodeStop::malformed(Layer::Ipv4, rule));
        let (header, _) = part.header::<20>(Layer::Ipv4)?;
        if header[0] >> 4 != 4 {
            return fault(PacketRule::Version);
        }
        let length = usize::from(header[0] & 0xf) * 4;
        if length < 20 {
            return fault(PacketRule::HeaderLength);
        }
        let total = match u16::from_be_bytes([header[2], header[3]]) {
            // The network card was to cut it into segments: it is as long as it was captured.
            0 => part.wire_length(),
            total => usize::from(total),
        };
        if total < length {
            return fault(PacketRule::TotalLength);
        }
        let payload = part.clip(total).skip(length, Layer::Ipv4)?;
        Ok(Self { header, payload })
    }

    fn ends(&self) -> AddressPair {
        let h = self.header;
        AddressPair::ipv4([h[12], h[13], h[14], h[15]], [h[16], h[17], h[18], h[19]])
    }

    fn protocol(&self) -> u8 {
        self.header[9]
    }

    fn id(&self) -> u32 {
        u32::from(u16::from_be_bytes([self.header[4], self.header[5]]))
    }

    fn has_more_fragments(&self) -> bool {
        self.header[6] & 0x20 != 0
    }

    fn fragment_offset(&self) -> u16 {
        u16::from_be_bytes([self.header[6] & 0x1f, self.header[7]]) * 8
    }
}

/// An IPv6 header whose length was checked, and what follows it.
struct Ipv6View<'a> {
    header: &'a [u8; 8],
    source: &'a [u8; 16],
    destination: &'a [u8; 16],
    payload: CapturedPart<'a>,
}

impl<'a> Ipv6View<'a> {
    #[inline]
    fn of(part: CapturedPart<'a>) -> Result<Self, DecodeStop> {
        let (header, rest) = part.header::<8>(Layer::Ipv6)?;
        let (source, rest) = rest.header::<16>(Layer::Ipv6)?;
        let (destination, rest) = rest.header::<16>(Layer::Ipv6)?;
        if header[0] >> 4 != 6 {
            return Err(DecodeStop::malformed(Layer::Ipv6, PacketRule::Version));
        }
        let length = match u16::from_be_bytes([header[4], header[5]]) {
            // A jumbogram, or one that the network card was to cut into segments.
            0 if matches!(header[6], TCP | HOP_BY_HOP) => rest.wire_length(),
            length => usize::from(length),
        };
        Ok(Self { header, source, destination, payload: rest.clip(length) })
    }

    fn ends(&self) -> AddressPair {
        AddressPair::ipv6(*self.source, *self.destination)
    }

    fn next_header(&self) -> u8 {
        self.header[6]
    }
}

/// Whatever version the first four bits say; other bits are `NotIp`.
pub(super) fn any(walk: &mut Walk<'_>) -> Result<NextHeader, DecodeStop> {
    let (&[first], _) = walk.part.header::<1>(Layer::Ipv4)?;
    match first >> 4 {
        4 => Ok(NextHeader::Ipv4),
        6 => Ok(NextHeader::Ipv6),
        _ => Err(DecodeStop::NotIp),
    }
}

/// One header deeper.
#[inline]
fn deeper(layer: Layer, walk: &mut Walk<'_>) -> Result<(), DecodeStop> {
    if walk.depth == MAX_NESTING {
        return Err(DecodeStop::malformed(layer, PacketRule::TooDeep));
    }
    walk.depth += 1;
    Ok(())
}

#[inline]
pub(super) fn ipv4(walk: &mut Walk<'_>) -> Result<NextHeader, DecodeStop> {
    deeper(Layer::Ipv4, walk)?;
    let view = Ipv4View::of(walk.part)?;
    (walk.ends, walk.part) = (view.ends(), view.payload);
    let (offset, more, protocol) = (view.fragment_offset(), view.has_more_fragments(), view.protocol());
    if offset == 0 && !more {
        return payload(protocol, walk);
    }
    Ok(NextHeader::Fragment { id: view.id(), protocol, offset, more })
}

#[inline]
pub(super) fn ipv6(walk: &mut Walk<'_>) -> Result<NextHeader, DecodeStop> {
    deeper(Layer::Ipv6, walk)?;
    let view = Ipv6View::of(walk.part)?;
    (walk.ends, walk.part) = (view.ends(), view.payload);
    payload(view.next_header(), walk)
}

/// What an IP header carries, extension headers first.
#[inline]
pub(super) fn payload(protocol: u8, walk: &mut Walk<'_>) -> Result<NextHeader, DecodeStop> {
    match protocol {
        TCP => Ok(NextHeader::Tcp),
        UDP => Ok(NextHeader::Udp),
        GRE => Ok(NextHeader::Gre),
        IPV4 => Ok(NextHeader::Ipv4),
        IPV6 => Ok(NextHeader::Ipv6),
        AUTHENTICATION => extensions(protocol, walk),
        HOP_BY_HOP | ROUTING | DESTINATION | FRAGMENT if walk.ends.is_ipv6() => extensions(protocol, walk),
        other => Err(DecodeStop::NotTcp(other)),
    }
}

fn extensions(mut protocol: u8, walk: &mut Walk<'_>) -> Result<NextHeader, DecodeStop> {
    for _ in 0..MAX_EXTENSIONS {
        let layer = if protocol == AUTHENTICATION { Layer::Authentication } else { Layer::Ipv6Extension };
        match protocol {
            HOP_BY_HOP | ROUTING | DESTINATION if walk.ends.is_ipv6() => {
                let (&[next, length], _) = walk.part.header::<2>(layer)?;
                walk.skip((usize::from(length) + 1) * 8, layer)?;
                protocol = next;
            }
            AUTHENTICATION => {
                let (&[next, length], _) = walk.part.header::<2>(layer)?;
                walk.skip((usize::from(length) + 2) * 4, layer)?;
                protocol = next;
            }
            FRAGMENT if walk.ends.is_ipv6() => {
                let &[next, _, offset_1, offset_2, ref id @ ..] = walk.header::<8>(layer)?;
                let (offset, more) = (u16::from_be_bytes([offset_1, offset_2 & 0xf8]), offset_2 & 1 != 0);
                if offset > 0 || more {
                    let id = u32::from_be_bytes(*id);
                    return Ok(NextHeader::Fragment { id, protocol: next, offset, more });
                }
                protocol = next;
            }
            // An upper layer at last: none of the above, so this does not come back here.
            _ => return payload(protocol, walk),
        }
    }
    Err(DecodeStop::malformed(Layer::Ipv6Extension, PacketRule::TooDeep))
}
