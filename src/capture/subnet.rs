//! IP addresses that have their first bits in common: `10.0.0.0/8`, `fd00::/8`, or one alone.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// An IP address, or all that begin like it.
///
/// Displayed in the form in which it is given.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Subnet {
    ip: IpAddr,
    /// How many bits count. None: all of them.
    prefix: Option<u8>,
}

/// A text is no [`Subnet`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("'{0}' is neither an IP address nor a network as in 10.0.0.0/8 or fd00::/8")]
pub struct NoSubnet(String);

impl FromStr for Subnet {
    type Err = NoSubnet;

    fn from_str(text: &str) -> Result<Self, NoSubnet> {
        Self::parse(text).ok_or_else(|| NoSubnet(text.to_owned()))
    }
}

impl Subnet {
    fn parse(text: &str) -> Option<Self> {
        let Some((ip, prefix)) = text.split_once('/') else {
            return Some(Subnet { ip: text.parse::<IpAddr>().ok()?.to_canonical(), prefix: None });
        };
        let given: IpAddr = ip.parse().ok()?;
        if prefix.is_empty() || !prefix.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let mut prefix: u8 = prefix.parse().ok()?;
        let ip = given.to_canonical();
        if ip != given {
            // An IPv4 network mapped into IPv6 is that IPv4 network.
            prefix = prefix.checked_sub(96)?;
        }
        let bits = if ip.is_ipv4() { 32 } else { 128 };
        (prefix <= bits).then_some(Subnet { ip, prefix: Some(prefix) })
    }

    /// Whether an address is in it. An IPv4 address mapped into IPv6 is that IPv4 address.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        let Some(prefix) = self.prefix else { return ip == self.ip };
        let differing = match (self.ip, ip) {
            (IpAddr::V4(own), IpAddr::V4(ip)) => (own.to_bits() ^ ip.to_bits()).leading_zeros(),
            (IpAddr::V6(own), IpAddr::V6(ip)) => (own.to_bits() ^ ip.to_bits()).leading_zeros(),
            _ => return false,
        };
        differing >= u32::from(prefix)
    }

    /// The address, and after it the prefix, each as it is written.
    pub(super) fn parts(&self) -> (IpAddr, String) {
        (self.ip, self.prefix.map_or(String::new(), |prefix| format!("/{prefix}")))
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ip, prefix) = self.parts();
        write!(f, "{ip}{prefix}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_contains_the_addresses_that_begin_like_it() {
        let cases = [
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
            ("10.0.0.1", "::ffff:10.0.0.1", true),
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.1.2.3/8", "10.255.0.1", true),
            ("10.0.0.0/9", "10.128.0.1", false),
            ("10.0.0.1/32", "10.0.0.1", true),
            ("10.0.0.1/32", "10.0.0.0", false),
            ("0.0.0.0/0", "255.0.0.1", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "fd00::1", true),
            ("::/0", "10.0.0.1", false),
            ("fd00::/8", "fdff::1", true),
            ("fd00::/8", "fe00::1", false),
            ("fd00::1/128", "fd00::2", false),
            ("::ffff:10.0.0.0/104", "10.9.9.9", true),
        ];
        for (subnet, ip, contains) in cases {
            let subnet: Subnet = subnet.parse().expect(subnet);
            assert_eq!(subnet.contains(ip.parse().unwrap()), contains, "{subnet} {ip}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "/8",
            "10.0.0.0/",
            "10.0.0.0/33",
            "fd00::/129",
            "10.0/8",
            "10.0.0.0/+8",
            "::ffff:10.0.0.0/8",
            "x",
        ] {
            assert_eq!(text.parse::<Subnet>(), Err(NoSubnet(text.into())));
        }
    }
}
