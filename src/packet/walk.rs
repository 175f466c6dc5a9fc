//! From header to header: the loop over what comes next in a packet.

use std::net::{IpAddr, Ipv4Addr};

use super::fault::{Layer, Rule, Stop};
use super::fragment::Fragment;
use super::ip::Ends;
use super::link_type::LinkType;
use super::network::{Network, Passed, Selection};
use super::part::Part;
use super::{ip, link, mpls, pseudo, tcp, tunnel, wifi};

/// The most headers of one packet, runs of VLAN tags, of MPLS labels and of
/// extension headers being one each.
pub const MAX_HEADERS: usize = 64;

/// The header that a packet goes on with.
#[derive(Clone, Copy, Debug)]
pub(super) enum Next {
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

/// What headers come to when nothing is wrong.
pub(super) enum Found<'a> {
    Tcp(tcp::TcpView<'a>),
    Quic { source: u16, destination: u16 },
    Fragment(Fragment<'a>),
}

/// How far a packet was looked through.
pub(super) struct Walk<'a> {
    /// What is left of it.
    pub(super) part: Part<'a>,
    /// Of the innermost IP header so far.
    pub(super) ends: Ends,
    pub(super) network: Network,
    pub(super) selection: &'a Selection,
    pub(super) passed: Passed,
    /// IP headers so far.
    pub(super) depth: usize,
    /// The protocol of the innermost tunnel so far.
    pub(super) tunnel: Option<u8>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(part: Part<'a>, selection: &'a Selection) -> Self {
        let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        Walk {
            part,
            ends: Ends { source: nowhere, destination: nowhere },
            network: Network::NONE,
            selection,
            passed: Passed::default(),
            depth: 0,
            tunnel: None,
        }
    }

    /// Cuts off a header of fixed length.
    #[inline]
    pub(super) fn header<const N: usize>(&mut self, layer: Layer) -> Result<&'a [u8; N], Stop> {
        let (header, rest) = self.part.header::<N>(layer)?;
        self.part = rest;
        Ok(header)
    }

    /// Passes over bytes that the snapshot may have cut off.
    #[inline]
    pub(super) fn skip(&mut self, count: usize, layer: Layer) -> Result<(), Stop> {
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
        self.network = Network::overlay(number);
        self.passed.overlay(number, self.selection);
    }

    /// What follows was captured elsewhere, in a network of its own.
    pub(super) fn leave_network(&mut self) {
        self.network = Network::NONE;
        self.passed = Passed::default();
    }

    /// Goes through headers, from this one on.
    #[inline]
    pub(super) fn run(&mut self, mut next: Next) -> Result<Found<'a>, Stop> {
        for _ in 0..MAX_HEADERS {
            let result = match next {
                Next::Link(link) => self.link(link),
                Next::Ethernet => link::ethernet(self),
                Next::Ether(kind) => link::ether_type(kind, self),
                Next::Llc => link::llc(self),
                Next::Ppp => link::ppp(self),
                Next::Wifi { is_padded } => wifi::frame(is_padded, self),
                Next::Mpls => mpls::labels(self),
                Next::Ip => ip::any(self),
                Next::Ipv4 => ip::ipv4(self),
                Next::Ipv6 => ip::ipv6(self),
                Next::Udp => tunnel::udp(self),
                Next::Gre => tunnel::gre(self),
                Next::Tcp => return tcp::TcpView::of(self.part).map(Found::Tcp),
                Next::Quic { source, destination } => return Ok(Found::Quic { source, destination }),
                Next::Fragment { id, protocol, offset, more } => {
                    return Ok(Found::Fragment(Fragment {
                        ends: self.ends,
                        network: self.network,
                        passed: self.passed,
                        id,
                        protocol,
                        offset: usize::from(offset),
                        more,
                        part: self.part,
                        depth: self.depth,
                    }));
                }
            };
            next = match (result, self.tunnel) {
                (Ok(next), _) => next,
                // What has no IP inside a tunnel is still IP outside: it is counted as the tunnel's protocol.
                (Err(Stop::NotIp), Some(protocol)) => return Err(Stop::NotTcp(protocol)),
                (Err(stop), _) => return Err(stop),
            };
        }
        Err(Stop::malformed(Layer::Packet, Rule::TooDeep))
    }

    /// Begins with a packet as captured.
    #[inline]
    fn link(&mut self, link: LinkType) -> Result<Next, Stop> {
        match link {
            LinkType::ETHERNET => link::ethernet(self),
            LinkType::LINUX_SLL => link::cooked(self),
            LinkType::LINUX_SLL2 => link::cooked_2(self),
            LinkType::NULL | LinkType::LOOP => link::loopback(self),
            LinkType::RAW | LinkType::RAW_BSD | LinkType::RAW_OPENBSD => Ok(Next::Ip),
            LinkType::IPV4 => Ok(Next::Ipv4),
            LinkType::IPV6 => Ok(Next::Ipv6),
            LinkType::PPP | LinkType::PPP_HDLC => Ok(Next::Ppp),
            LinkType::PPP_ETHER => link::pppoe(self),
            LinkType::C_HDLC => link::cisco_hdlc(self),
            LinkType::FRELAY => link::frame_relay(self),
            LinkType::IEEE802_11 => Ok(Next::Wifi { is_padded: false }),
            LinkType::IEEE802_11_RADIOTAP => wifi::radiotap(self),
            LinkType::IEEE802_11_PRISM => wifi::prism(self),
            LinkType::IEEE802_11_AVS => wifi::avs(self),
            LinkType::ENC => pseudo::enc(self),
            LinkType::PFLOG => pseudo::pflog(self),
            LinkType::NFLOG => pseudo::nflog(self),
            LinkType::PKTAP => pseudo::pktap(self),
            LinkType::USER2 if pseudo::is_pktap(self.part) => pseudo::pktap(self),
            other => Err(Stop::UnknownLink(other)),
        }
    }
}
