//! Which hosts an address without one means.

use std::collections::BTreeSet;
use std::net::IpAddr;

/// Where servers may be.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Servers {
    /// Anywhere, as in a capture file.
    #[default]
    Any,
    /// At these addresses, and at all of loopback: those of this machine.
    At(BTreeSet<IpAddr>),
}

impl Servers {
    /// Whether there may be one at this address.
    pub fn include(&self, ip: IpAddr) -> bool {
        match self {
            Servers::Any => true,
            Servers::At(own) => {
                let ip = ip.to_canonical();
                ip.is_loopback() || own.contains(&ip)
            }
        }
    }
}
