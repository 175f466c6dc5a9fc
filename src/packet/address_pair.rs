//! Who a packet is from, and to whom: the addresses of its innermost IP header.

use std::net::{IpAddr, Ipv6Addr};

/// The two addresses of an IP header, each as the two halves of a number of 128 bits, as that is what is compared and
/// hashed for each packet. An IPv4 address is the one that it is mapped to in IPv6 (RFC 4291 §2.5.5.2).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct AddressPair {
    source: [u64; 2],
    destination: [u64; 2],
    is_ipv6: bool,
}

impl AddressPair {
    /// Of an IPv4 header; no address is 0.0.0.0.
    #[inline]
    pub(super) fn ipv4(source: [u8; 4], destination: [u8; 4]) -> Self {
        let mapped = |address| [0, 0xffff << 32 | u64::from(u32::from_be_bytes(address))];
        AddressPair { source: mapped(source), destination: mapped(destination), is_ipv6: false }
    }

    /// Of an IPv6 header.
    pub(super) fn ipv6(source: [u8; 16], destination: [u8; 16]) -> Self {
        let halves = |address| {
            let bits = u128::from_be_bytes(address);
            [(bits >> 64) as u64, bits as u64]
        };
        AddressPair { source: halves(source), destination: halves(destination), is_ipv6: true }
    }

    /// Whether the header is IPv6's.
    pub fn is_ipv6(&self) -> bool {
        self.is_ipv6
    }

    /// The halves of both addresses, the source's first.
    #[inline]
    pub fn halves(&self) -> [[u64; 2]; 2] {
        [self.source, self.destination]
    }

    /// The source.
    pub fn source(&self) -> IpAddr {
        self.address(self.source)
    }

    /// The destination.
    pub fn destination(&self) -> IpAddr {
        self.address(self.destination)
    }

    fn address(&self, [high, low]: [u64; 2]) -> IpAddr {
        let address = Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low));
        if self.is_ipv6 { address.into() } else { address.to_canonical() }
    }
}
