//! What the parser of a layer is given, and what it returns: the rest of a packet, and the header that comes next.

use super::address_pair::AddressPair;
use super::captured_part::CapturedPart;
use super::fault::{DecodeStop, Layer};
use super::link_type::LinkType;
use super::network::{NetworkSelection, Passed, VirtualNetwork};

/// The header that a packet goes on with.
#[derive(Clone, Copy, Debug)]
pub(super) enum NextHeader {
    Link(LinkType),
    Ethernet,
    /// What this ether type says.
    Ether(u16),
    Llc,
    Ppp,
    Wifi {
        is_padded: bool,
    },
    Mpls,
    /// Whatever version the first four bits say.
    Ip,
    Ipv4,
    Ipv6,
    Udp,
    Gre,
    Tcp,
    /// The beginning of a QUIC connection, between these ports.
    Quic {
        source: u16,
        destination: u16,
    },
    /// Nothing that can be told from this fragment alone.
    Fragment {
        id: u32,
        protocol: u8,
        offset: u16,
        more: bool,
    },
}

/// How far a packet was looked through.
pub(super) struct Walk<'a> {
    /// What is left of it.
    pub(super) part: CapturedPart<'a>,
    /// Of the innermost IP header so far.
    pub(super) ends: AddressPair,
    pub(super) network: VirtualNetwork,
    pub(super) selection: &'a NetworkSelection,
    pub(super) passed: Passed,
    /// IP headers so far.
    pub(super) depth: usize,
    /// The protocol of the innermost tunnel so far.
    pub(super) tunnel: Option<u8>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(part: CapturedPart<'a>, selection: &'a NetworkSelection) -> Self {
        Walk {
            part,
            ends: AddressPair::ipv4([0; 4], [0; 4]),
            network: VirtualNetwork::NONE,
            selection,
            passed: Passed::default(),
            depth: 0,
            tunnel: None,
        }
    }

    /// Cuts off a header of fixed length.
    #[inline]
    pub(super) fn header<const N: usize>(&mut self, layer: Layer) -> Result<&'a [u8; N], DecodeStop> {
        let (header, rest) = self.part.header::<N>(layer)?;
        self.part = rest;
        Ok(header)
    }

    /// Passes over bytes that the snapshot may have cut off.
    #[inline]
    pub(super) fn skip(&mut self, count: usize, layer: Layer) -> Result<(), DecodeStop> {
        self.part = self.part.skip(count, layer)?;
        Ok(())
    }

    /// A VLAN tag comes next.
    #[inline]
    pub(super) fn tag(&mut self, control: u16) {
        self.network = self.network.tagged(control);
        self.passed.tag(control, self.selection);
    }

    /// What follows is inside the overlay of this number.
    pub(super) fn overlay(&mut self, number: [u8; 3]) {
        self.network = VirtualNetwork::overlay(number);
        self.passed.overlay(number, self.selection);
    }

    /// What follows was captured elsewhere, in a network of its own.
    pub(super) fn leave_network(&mut self) {
        self.network = VirtualNetwork::NONE;
        self.passed = Passed::default();
    }
}
