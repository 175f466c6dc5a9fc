//! What identifies a connection: its two endpoints, whichever of them sent, and the network they are in.

use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Which endpoint of a [`ConnectionKey`] sent a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The endpoint with the lower address, or of equal addresses the lower port.
    Low,
    /// The other endpoint.
    High,
}

impl Side {
    /// The endpoint that did not send.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Low => Self::High,
            Self::High => Self::Low,
        }
    }
}

/// Two endpoints, in one order for both directions, and the virtual network they are in.
///
/// An IPv4 address and the same one mapped into IPv6 are one endpoint, told as IPv4; flow labels and scopes are not
/// part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectionKey {
    /// Halves of the addresses, so that the key is aligned to 8 bytes and not to 16.
    addresses: [[u64; 2]; 2],
    ports: [u16; 2],
    /// 0: none is known.
    network: u64,
}

impl ConnectionKey {
    /// The key of a segment's connection, and which of its sides sent the segment.
    ///
    /// An endpoint that talks to itself is `Low` in both directions. The network is not known.
    pub fn of(source: SocketAddr, destination: SocketAddr) -> (Self, Side) {
        Self::of_halves([halves(source), halves(destination)], [source.port(), destination.port()])
    }

    /// The same of addresses as the halves of numbers, an IPv4 address mapped into IPv6, and of ports; the source's
    /// first.
    #[inline]
    pub fn of_halves([source, destination]: [[u64; 2]; 2], ports: [u16; 2]) -> (Self, Side) {
        let (source, destination) = ((source, ports[0]), (destination, ports[1]));
        let (low, high, side) = if source <= destination {
            (source, destination, Side::Low)
        } else {
            (destination, source, Side::High)
        };
        (Self { addresses: [low.0, high.0], ports: [low.1, high.1], network: 0 }, side)
    }

    /// The same endpoints in the network of this number; 0 is none.
    #[must_use]
    pub fn within(self, network: u64) -> Self {
        Self { network, ..self }
    }

    /// The number of the network; 0 if none is known.
    pub fn network(&self) -> u64 {
        self.network
    }

    /// Whether segments of both keys may be of one connection: the same endpoints in one network, or in one that is
    /// known of one of them only. A packet seen inside a VLAN and outside it is still one packet.
    pub fn joins(&self, other: &Self) -> bool {
        self.addresses == other.addresses
            && self.ports == other.ports
            && (self.network == other.network || self.network == 0 || other.network == 0)
    }

    /// The port of one side, and the last four bytes of its address.
    pub fn tail(&self, side: Side) -> (u16, u32) {
        let [_, low] = self.addresses[side as usize];
        (self.ports[side as usize], low as u32)
    }

    /// The address and port of one side.
    pub fn endpoint(&self, side: Side) -> SocketAddr {
        let [high, low] = self.addresses[side as usize];
        let address = Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low));
        SocketAddr::new(address.to_canonical(), self.ports[side as usize])
    }
}

/// The halves of an address; one of IPv4 is mapped into IPv6.
fn halves(address: SocketAddr) -> [u64; 2] {
    let bits = match address.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().to_bits(),
        IpAddr::V6(ip) => ip.to_bits(),
    };
    [(bits >> 64) as u64, bits as u64]
}

/// Keys that join hash alike: the network is left out.
impl Hash for ConnectionKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Each as one number, which costs foldhash less than its two halves.
        for [high, low] in self.addresses {
            state.write_u128(u128::from(high) << 64 | u128::from(low));
        }
        state.write_u32(u32::from(self.ports[0]) << 16 | u32::from(self.ports[1]));
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, SocketAddr};

    use super::{ConnectionKey, Side};

    #[test]
    fn both_directions_have_one_key_and_know_their_side() {
        let cases = [
            ("10.0.0.1:80", "10.0.0.2:40000"),
            ("10.0.0.1:80", "10.0.0.1:81"),
            ("[2001:db8::1]:443", "[2001:db8::2]:1"),
            ("1.2.3.4:5", "[2001:db8::2]:1"),
        ];
        for (low, high) in cases {
            let (a, b): (SocketAddr, SocketAddr) = (low.parse().unwrap(), high.parse().unwrap());
            let (key, side) = ConnectionKey::of(a, b);
            let (back, other) = ConnectionKey::of(b, a);
            assert_eq!(key, back, "{low} {high}");
            assert_eq!(side, other.other(), "{low} {high}");
            assert_eq!((key.endpoint(side), key.endpoint(other)), (a, b), "{low} {high}");
            for (side, end) in [(side, a), (other, b)] {
                let bytes = match end.ip() {
                    IpAddr::V4(ip) => ip.octets().to_vec(),
                    IpAddr::V6(ip) => ip.octets()[12..].to_vec(),
                };
                let (port, address) = key.tail(side);
                assert_eq!((port, address.to_be_bytes().to_vec()), (end.port(), bytes), "{low} {high}");
            }
        }
    }

    #[test]
    fn an_endpoint_talking_to_itself_is_one_side() {
        let own = "127.0.0.1:9".parse().unwrap();
        assert_eq!(ConnectionKey::of(own, own).1, Side::Low);
    }

    #[test]
    fn a_mapped_address_is_the_address() {
        let plain = ConnectionKey::of("1.2.3.4:5".parse().unwrap(), "1.2.3.5:6".parse().unwrap());
        let mapped =
            ConnectionKey::of("[::ffff:1.2.3.4]:5".parse().unwrap(), "[::ffff:1.2.3.5]:6".parse().unwrap());
        assert_eq!(plain, mapped);
    }
}
