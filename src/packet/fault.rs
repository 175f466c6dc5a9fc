//! Why a packet gives no segment: which layer, and which rule it breaks.

use std::fmt;

use super::link_type::LinkType;

/// A protocol that is looked into.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[allow(missing_docs, reason = "each is the name of the protocol")]
pub enum Layer {
    Packet,
    Ethernet,
    Vlan,
    LinuxCooked,
    Loopback,
    Ppp,
    Pppoe,
    Mpls,
    Llc,
    FrameRelay,
    Wifi,
    Radiotap,
    Prism,
    Enc,
    Pflog,
    Nflog,
    Pktap,
    Ipv4,
    Ipv6,
    Ipv6Extension,
    Authentication,
    Fragment,
    Udp,
    Gre,
    Erspan,
    Geneve,
    GtpU,
    Tzsp,
    Tcp,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Layer::Packet => "packet",
            Layer::Ethernet => "ethernet",
            Layer::Vlan => "vlan",
            Layer::LinuxCooked => "linux cooked",
            Layer::Loopback => "loopback",
            Layer::Ppp => "ppp",
            Layer::Pppoe => "pppoe",
            Layer::Mpls => "mpls",
            Layer::Llc => "llc",
            Layer::FrameRelay => "frame relay",
            Layer::Wifi => "802.11",
            Layer::Radiotap => "radiotap",
            Layer::Prism => "prism",
            Layer::Enc => "enc",
            Layer::Pflog => "pflog",
            Layer::Nflog => "nflog",
            Layer::Pktap => "pktap",
            Layer::Ipv4 => "ipv4",
            Layer::Ipv6 => "ipv6",
            Layer::Ipv6Extension => "ipv6 extension",
            Layer::Authentication => "authentication header",
            Layer::Fragment => "ip fragment",
            Layer::Udp => "udp",
            Layer::Gre => "gre",
            Layer::Erspan => "erspan",
            Layer::Geneve => "geneve",
            Layer::GtpU => "gtp-u",
            Layer::Tzsp => "tzsp",
            Layer::Tcp => "tcp",
        })
    }
}

/// A rule that packets break.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, thiserror::Error)]
pub enum PacketRule {
    /// Fewer bytes on the wire than the header has.
    #[error("the packet ends inside the header")]
    TooShort,
    /// A version other than the one that belongs here.
    #[error("the version is not known")]
    Version,
    /// A header length below the least or beyond the packet.
    #[error("the header length is out of range")]
    HeaderLength,
    /// A total length below the header's.
    #[error("the length is less than that of the header")]
    TotalLength,
    /// A length beyond what was on the wire.
    #[error("the length reaches past the end of the packet")]
    PastEnd,
    /// More headers of the kind than its limit.
    #[error("too many headers lie inside each other")]
    TooDeep,
    /// A fragment but the last whose length is no multiple of eight.
    #[error("a fragment before the last is not a multiple of 8 bytes long")]
    FragmentLength,
    /// A fragment beyond the end of its datagram, or beyond what IP allows.
    #[error("the fragment reaches past the end of its datagram")]
    FragmentPastEnd,
    /// A form that is not looked into: aggregated or fragmented 802.11 frames.
    #[error("this form is not decoded")]
    Unsupported,
}

/// What is wrong with a packet.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, thiserror::Error)]
#[error("{layer}: {rule}")]
pub struct PacketFault {
    /// Whose header it is.
    pub layer: Layer,
    /// The rule it breaks.
    pub rule: PacketRule,
}

/// Why looking into a packet stopped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum DecodeStop {
    UnknownLink(LinkType),
    NotIp,
    NotTcp(u8),
    Snapped(Layer),
    Malformed(PacketFault),
}

impl DecodeStop {
    pub(super) fn malformed(layer: Layer, rule: PacketRule) -> Self {
        DecodeStop::Malformed(PacketFault { layer, rule })
    }
}
