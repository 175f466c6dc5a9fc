//! From header to header: the loop over what comes next in a packet.

use super::fault::{DecodeStop, Layer, PacketRule};
use super::fragment::Fragment;
use super::link_type::LinkType;
use super::step::{NextHeader, Walk};
use super::{ip, link, mpls, pseudo, tcp, tunnel, wifi};

/// The most headers of one packet, runs of VLAN tags, of MPLS labels and of
/// extension headers being one each.
pub const MAX_HEADERS: usize = 64;

/// What headers come to when nothing is wrong.
pub(super) enum WalkResult<'a> {
    Tcp(tcp::TcpView<'a>),
    Quic { source: u16, destination: u16 },
    Fragment(Fragment<'a>),
}

/// Goes through the headers of a packet as captured.
///
/// Nearly all are Ethernet, IPv4 and TCP, of which this asks in that order and only once; [`run`] goes on with whatever
/// comes instead.
#[inline]
pub(super) fn packet<'a>(link: LinkType, walk: &mut Walk<'a>) -> Result<WalkResult<'a>, DecodeStop> {
    let next = captured(link, walk)?;
    if !matches!(next, NextHeader::Ipv4) {
        return go_on(walk, next, 1);
    }
    let next = ip::ipv4(walk)?;
    if !matches!(next, NextHeader::Tcp) {
        return go_on(walk, next, 2);
    }
    tcp::TcpView::of(walk.part).map(WalkResult::Tcp)
}

/// Goes through headers, from this one on.
pub(super) fn run<'a>(walk: &mut Walk<'a>, next: NextHeader) -> Result<WalkResult<'a>, DecodeStop> {
    go_on(walk, next, 0)
}

/// The same after so many headers.
#[inline(never)]
fn go_on<'a>(
    walk: &mut Walk<'a>,
    mut next: NextHeader,
    headers: usize,
) -> Result<WalkResult<'a>, DecodeStop> {
    for _ in headers..MAX_HEADERS {
        let result = match next {
            NextHeader::Link(link) => captured(link, walk),
            NextHeader::Ethernet => link::ethernet(walk),
            NextHeader::Ether(kind) => link::ether_type(kind, walk),
            NextHeader::Llc => link::llc(walk),
            NextHeader::Ppp => link::ppp(walk),
            NextHeader::Wifi { is_padded } => wifi::frame(is_padded, walk),
            NextHeader::Mpls => mpls::labels(walk),
            NextHeader::Ip => ip::any(walk),
            NextHeader::Ipv4 => ip::ipv4(walk),
            NextHeader::Ipv6 => ip::ipv6(walk),
            NextHeader::Udp => tunnel::udp(walk),
            NextHeader::Gre => tunnel::gre(walk),
            NextHeader::Tcp => return tcp::TcpView::of(walk.part).map(WalkResult::Tcp),
            NextHeader::Quic { source, destination } => return Ok(WalkResult::Quic { source, destination }),
            NextHeader::Fragment { id, protocol, offset, more } => {
                return Ok(WalkResult::Fragment(Fragment {
                    ends: walk.ends,
                    network: walk.network,
                    passed: walk.passed,
                    id,
                    protocol,
                    offset: usize::from(offset),
                    more,
                    part: walk.part,
                    depth: walk.depth,
                }));
            }
        };
        next = match (result, walk.tunnel) {
            (Ok(next), _) => next,
            // What has no IP inside a tunnel is still IP outside: it is counted as the tunnel's protocol.
            (Err(DecodeStop::NotIp), Some(protocol)) => return Err(DecodeStop::NotTcp(protocol)),
            (Err(stop), _) => return Err(stop),
        };
    }
    Err(DecodeStop::malformed(Layer::Packet, PacketRule::TooDeep))
}

/// Begins with a packet as captured.
#[inline]
fn captured(link: LinkType, walk: &mut Walk<'_>) -> Result<NextHeader, DecodeStop> {
    match link {
        LinkType::ETHERNET => link::ethernet(walk),
        LinkType::LINUX_SLL => link::cooked(walk),
        LinkType::LINUX_SLL2 => link::cooked_2(walk),
        LinkType::NULL | LinkType::LOOP => link::loopback(walk),
        LinkType::RAW | LinkType::RAW_BSD | LinkType::RAW_OPENBSD => Ok(NextHeader::Ip),
        LinkType::IPV4 => Ok(NextHeader::Ipv4),
        LinkType::IPV6 => Ok(NextHeader::Ipv6),
        LinkType::PPP | LinkType::PPP_HDLC => Ok(NextHeader::Ppp),
        LinkType::PPP_ETHER => link::pppoe(walk),
        LinkType::C_HDLC => link::cisco_hdlc(walk),
        LinkType::FRELAY => link::frame_relay(walk),
        LinkType::IEEE802_11 => Ok(NextHeader::Wifi { is_padded: false }),
        LinkType::IEEE802_11_RADIOTAP => wifi::radiotap(walk),
        LinkType::IEEE802_11_PRISM => wifi::prism(walk),
        LinkType::IEEE802_11_AVS => wifi::avs(walk),
        LinkType::ENC => pseudo::enc(walk),
        LinkType::PFLOG => pseudo::pflog(walk),
        LinkType::NFLOG => pseudo::nflog(walk),
        LinkType::PKTAP => pseudo::pktap(walk),
        LinkType::USER2 if pseudo::is_pktap(walk.part) => pseudo::pktap(walk),
        other => Err(DecodeStop::UnknownLink(other)),
    }
}
