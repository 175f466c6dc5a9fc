//! From header to header: the loop over what comes next in a packet.

use super::fault::{Layer, Rule, Stop};
use super::fragment::Fragment;
use super::link_type::LinkType;
use super::step::{Next, Walk};
use super::{ip, link, mpls, pseudo, tcp, tunnel, wifi};

/// The most headers of one packet, runs of VLAN tags, of MPLS labels and of
/// extension headers being one each.
pub const MAX_HEADERS: usize = 64;

/// What headers come to when nothing is wrong.
pub(super) enum Found<'a> {
    Tcp(tcp::TcpView<'a>),
    Quic { source: u16, destination: u16 },
    Fragment(Fragment<'a>),
}

/// Goes through headers, from this one on.
#[inline]
pub(super) fn run<'a>(walk: &mut Walk<'a>, mut next: Next) -> Result<Found<'a>, Stop> {
    for _ in 0..MAX_HEADERS {
        let result = match next {
            Next::Link(link) => captured(link, walk),
            Next::Ethernet => link::ethernet(walk),
            Next::Ether(kind) => link::ether_type(kind, walk),
            Next::Llc => link::llc(walk),
            Next::Ppp => link::ppp(walk),
            Next::Wifi { is_padded } => wifi::frame(is_padded, walk),
            Next::Mpls => mpls::labels(walk),
            Next::Ip => ip::any(walk),
            Next::Ipv4 => ip::ipv4(walk),
            Next::Ipv6 => ip::ipv6(walk),
            Next::Udp => tunnel::udp(walk),
            Next::Gre => tunnel::gre(walk),
            Next::Tcp => return tcp::TcpView::of(walk.part).map(Found::Tcp),
            Next::Quic { source, destination } => return Ok(Found::Quic { source, destination }),
            Next::Fragment { id, protocol, offset, more } => {
                return Ok(Found::Fragment(Fragment {
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
            (Err(Stop::NotIp), Some(protocol)) => return Err(Stop::NotTcp(protocol)),
            (Err(stop), _) => return Err(stop),
        };
    }
    Err(Stop::malformed(Layer::Packet, Rule::TooDeep))
}

/// Begins with a packet as captured.
#[inline]
fn captured(link: LinkType, walk: &mut Walk<'_>) -> Result<Next, Stop> {
    match link {
        LinkType::ETHERNET => link::ethernet(walk),
        LinkType::LINUX_SLL => link::cooked(walk),
        LinkType::LINUX_SLL2 => link::cooked_2(walk),
        LinkType::NULL | LinkType::LOOP => link::loopback(walk),
        LinkType::RAW | LinkType::RAW_BSD | LinkType::RAW_OPENBSD => Ok(Next::Ip),
        LinkType::IPV4 => Ok(Next::Ipv4),
        LinkType::IPV6 => Ok(Next::Ipv6),
        LinkType::PPP | LinkType::PPP_HDLC => Ok(Next::Ppp),
        LinkType::PPP_ETHER => link::pppoe(walk),
        LinkType::C_HDLC => link::cisco_hdlc(walk),
        LinkType::FRELAY => link::frame_relay(walk),
        LinkType::IEEE802_11 => Ok(Next::Wifi { is_padded: false }),
        LinkType::IEEE802_11_RADIOTAP => wifi::radiotap(walk),
        LinkType::IEEE802_11_PRISM => wifi::prism(walk),
        LinkType::IEEE802_11_AVS => wifi::avs(walk),
        LinkType::ENC => pseudo::enc(walk),
        LinkType::PFLOG => pseudo::pflog(walk),
        LinkType::NFLOG => pseudo::nflog(walk),
        LinkType::PKTAP => pseudo::pktap(walk),
        LinkType::USER2 if pseudo::is_pktap(walk.part) => pseudo::pktap(walk),
        other => Err(Stop::UnknownLink(other)),
    }
}
