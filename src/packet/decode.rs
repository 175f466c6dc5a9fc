//! One packet in, at most one TCP segment out.

use std::net::SocketAddr;

use super::address_pair::AddressPair;
use super::captured::Packet;
use super::captured_part::CapturedPart;
use super::fault::{DecodeStop, Layer, PacketFault};
use super::fragment::{Added, Fragment, FragmentLimits, FragmentTally, Fragments};
use super::ip;
use super::link_type::LinkType;
use super::network::{NetworkSelection, VirtualNetwork};
use super::step::Walk;
use super::tcp::{ControlBits, TcpView};
use super::walk::{self, WalkResult};

/// A TCP segment as a packet carried it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TcpSegment<'a> {
    /// Who sent it to whom.
    pub ends: AddressPair,
    /// Their ports, the source's first.
    pub ports: [u16; 2],
    /// The VLAN or overlay that both are in.
    pub network: VirtualNetwork,
    /// Sequence number of the first payload byte, or of the SYN.
    pub seq: u32,
    /// Acknowledgement number; it counts only with the ACK flag.
    pub ack: u32,
    /// The control bits.
    pub flags: ControlBits,
    /// The payload that was captured.
    pub payload: &'a [u8],
    /// Payload bytes after these that the snapshot cut off.
    pub missing: u32,
    /// The packet's time, nanoseconds since the Unix epoch. A segment put
    /// together from fragments has that of the one that came last.
    pub time: i64,
}

impl TcpSegment<'_> {
    /// Who sent it.
    pub fn source(&self) -> SocketAddr {
        SocketAddr::new(self.ends.source(), self.ports[0])
    }

    /// Whom it went to.
    pub fn destination(&self) -> SocketAddr {
        SocketAddr::new(self.ends.destination(), self.ports[1])
    }
}

/// What became of a packet. Each falls into exactly one case.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Decoded<'a> {
    /// It carried, or completed, this segment.
    Tcp(TcpSegment<'a>),
    /// A TCP segment in a virtual network that is not among those selected.
    OtherNetwork,
    /// A link type that is not looked into.
    UnknownLink(LinkType),
    /// No IP in it: ARP, spanning tree, an encrypted or empty 802.11 frame.
    NotIp,
    /// IP, but not TCP: the protocol number, of the innermost IP header. UDP and
    /// GRE are these when what they carry is not a tunnel that is known.
    NotTcp(u8),
    /// UDP with which a QUIC connection begins, or goes on to.
    Quic {
        /// Who sent it.
        source: SocketAddr,
        /// Whom it went to.
        destination: SocketAddr,
        /// The VLAN or overlay that both are in.
        network: VirtualNetwork,
    },
    /// An IP fragment whose datagram is not whole yet. What became of these in
    /// the end is in [`Decoder::fragments`].
    FragmentHeld,
    /// An IP fragment that cannot be put together: the snapshot cut it, or it
    /// was in more pieces or bytes than the limits allow.
    FragmentLost,
    /// The snapshot cut the packet inside the headers of this layer.
    Snapped(Layer),
    /// A header that breaks a rule.
    Malformed(PacketFault),
}

impl From<DecodeStop> for Decoded<'_> {
    fn from(stop: DecodeStop) -> Self {
        match stop {
            DecodeStop::UnknownLink(link) => Decoded::UnknownLink(link),
            DecodeStop::NotIp => Decoded::NotIp,
            DecodeStop::NotTcp(protocol) => Decoded::NotTcp(protocol),
            DecodeStop::Snapped(layer) => Decoded::Snapped(layer),
            DecodeStop::Malformed(fault) => Decoded::Malformed(fault),
        }
    }
}

/// Decodes packets. Holds only the IP fragments that wait for others.
pub struct Decoder {
    fragments: Fragments,
    /// The datagram put together last, which its segment is a view into.
    whole: Vec<u8>,
    selection: NetworkSelection,
}

impl Decoder {
    /// A decoder with an empty table of fragments.
    pub fn new(limits: FragmentLimits) -> Self {
        Self { fragments: Fragments::new(limits), whole: Vec::new(), selection: NetworkSelection::default() }
    }

    /// The same, for packets in these networks only.
    #[must_use]
    pub fn selecting(self, selection: NetworkSelection) -> Self {
        Self { selection, ..self }
    }

    /// Goes through the headers of a packet.
    #[inline]
    pub fn decode<'a>(&'a mut self, packet: &Packet<'a>) -> Decoded<'a> {
        let cut = packet.wire_length.saturating_sub(packet.bytes.len() as u32);
        let Decoder { fragments, whole, selection } = self;
        let mut walk = Walk::new(CapturedPart { bytes: packet.bytes, cut }, selection);
        match walk::packet(packet.link, &mut walk) {
            Ok(WalkResult::Tcp(tcp)) => segment(&walk, &tcp, packet.time),
            Ok(WalkResult::Quic { source, destination }) => quic(&walk, source, destination),
            Ok(WalkResult::Fragment(fragment)) => {
                put_together(&fragment, packet.time, fragments, whole, selection)
            }
            Err(stop) => stop.into(),
        }
    }

    /// What became of fragments so far.
    pub fn fragments(&self) -> FragmentTally {
        self.fragments.tally()
    }
}

fn put_together<'a>(
    fragment: &Fragment<'_>,
    time: i64,
    fragments: &mut Fragments,
    whole: &'a mut Vec<u8>,
    selection: &'a NetworkSelection,
) -> Decoded<'a> {
    let (mut depth, mut network, mut passed) = (fragment.depth, fragment.network, fragment.passed);
    let mut added = fragments.add(fragment, time);
    // A datagram put together may be a tunnel with a fragment inside, which may complete another. Each round
    // uses up fragments that waited in the table, so this ends.
    loop {
        let datagram = match added {
            Ok(Added::Whole(datagram)) => datagram,
            Ok(Added::Held) => return Decoded::FragmentHeld,
            Ok(Added::Lost) => return Decoded::FragmentLost,
            Err(stop) => return stop.into(),
        };
        *whole = datagram.bytes;
        let part = CapturedPart { bytes: whole.as_slice(), cut: 0 };
        let mut walk = Walk { ends: datagram.ends, network, passed, depth, ..Walk::new(part, selection) };
        if let Ok(WalkResult::Fragment(inner)) = payload(datagram.protocol, &mut walk) {
            (depth, network, passed) = (inner.depth, inner.network, inner.passed);
            added = fragments.add(&inner, time);
            continue;
        }
        // Looked at once more, since the borrow that is returned may not begin inside the loop's question.
        let part = CapturedPart { bytes: whole.as_slice(), cut: 0 };
        let mut walk = Walk { ends: datagram.ends, network, passed, depth, ..Walk::new(part, selection) };
        return match payload(datagram.protocol, &mut walk) {
            Ok(WalkResult::Tcp(tcp)) => segment(&walk, &tcp, time),
            Ok(WalkResult::Quic { source, destination }) => quic(&walk, source, destination),
            Ok(WalkResult::Fragment(_)) => Decoded::FragmentHeld,
            Err(stop) => stop.into(),
        };
    }
}

/// Goes on with what an IP header carries.
fn payload<'a>(protocol: u8, walk: &mut Walk<'a>) -> Result<WalkResult<'a>, DecodeStop> {
    let next = ip::payload(protocol, walk)?;
    walk::run(walk, next)
}

fn quic<'a>(walk: &Walk<'_>, source: u16, destination: u16) -> Decoded<'a> {
    if !walk.selection.wants(walk.passed) {
        return Decoded::NotTcp(ip::UDP);
    }
    Decoded::Quic {
        source: SocketAddr::new(walk.ends.source(), source),
        destination: SocketAddr::new(walk.ends.destination(), destination),
        network: walk.network,
    }
}

#[inline]
fn segment<'a>(walk: &Walk<'_>, tcp: &TcpView<'a>, time: i64) -> Decoded<'a> {
    if !walk.selection.wants(walk.passed) {
        return Decoded::OtherNetwork;
    }
    Decoded::Tcp(TcpSegment {
        ends: walk.ends,
        ports: [tcp.source_port(), tcp.destination_port()],
        network: walk.network,
        seq: tcp.seq(),
        ack: tcp.ack(),
        flags: tcp.flags(),
        payload: tcp.payload.bytes,
        missing: tcp.payload.cut,
        time,
    })
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new(FragmentLimits::default())
    }
}
