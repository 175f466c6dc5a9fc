//! Who a packet is from, and to whom: the addresses of its innermost IP header.

use std::net::IpAddr;

/// The two addresses of an IP header.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct AddressPair {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
}

impl AddressPair {
    pub(super) fn is_ipv6(self) -> bool {
        self.source.is_ipv6()
    }
}
