//! Which end of a connection is the server: `:80`, `10.0.0.1:80,8080`, `[::1]:`, `eth0:80`.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use super::servers::Servers;

/// The longest name of an interface, in bytes (`IFNAMSIZ`).
const MAX_INTERFACE: usize = 15;

/// An address to record at, as given on a command line.
///
/// Displayed in the form in which it is given.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Address {
    /// None: any.
    ip: Option<IpAddr>,
    /// Empty: any.
    ports: Vec<u16>,
    /// None: any.
    interface: Option<Interface>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Interface {
    name: String,
    /// 0 until it is known.
    index: u32,
}

/// Why a text is no [`Address`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fault {
    /// What stands where the host should be.
    Host(String),
    /// What stands where a port should be.
    Port(String),
    /// A lone number.
    NoColon(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Host(host) => write!(f, "'{host}' is not an IP address (IPv6 goes in brackets: [::1]:80)"),
            Fault::Port(port) => write!(f, "'{port}' is not a port from 1 to 65535"),
            Fault::NoColon(port) => write!(f, "a port alone is written with a colon: ':{port}'"),
        }
    }
}

impl std::error::Error for Fault {}

impl FromStr for Address {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Fault::NoColon(text.to_string()));
        }
        let (host, ports) = match text.rsplit_once(':') {
            // The last colon of a bare IPv6 address separates no port.
            Some(_) if text.parse::<IpAddr>().is_ok() => (text, ""),
            Some((host, ports)) => (host, ports),
            None => (text, ""),
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let (ip, interface) = match bare.parse::<IpAddr>() {
            Ok(ip) => (Some(ip.to_canonical()), None),
            Err(_) if host.is_empty() => (None, None),
            Err(_) if is_interface(host) => (None, Some(Interface { name: host.to_string(), index: 0 })),
            Err(_) => return Err(Fault::Host(host.to_string())),
        };
        let ports = ports.split(',').filter(|port| !port.is_empty()).map(|port| match port.parse() {
            Ok(0) | Err(_) => Err(Fault::Port(port.to_string())),
            Ok(port) => Ok(port),
        });
        Ok(Address { ip, ports: ports.collect::<Result<_, _>>()?, interface })
    }
}

/// Whether an interface could be called so. Digits and dots alone are an IP address with a fault.
fn is_interface(host: &str) -> bool {
    let has_letter = host.bytes().any(|byte| byte.is_ascii_alphabetic());
    let is_barred = |byte: u8| byte.is_ascii_whitespace() || b"/:[]*%".contains(&byte);
    has_letter && host.len() <= MAX_INTERFACE && !host.bytes().any(is_barred)
}

impl Address {
    /// Whether it names a host by its IP address.
    pub fn has_host(&self) -> bool {
        self.ip.is_some()
    }

    /// The ports it names. None: any.
    pub fn ports(&self) -> &[u16] {
        &self.ports
    }

    /// The name of the interface, and its index once that is known.
    pub fn interface(&self) -> Option<(&str, u32)> {
        self.interface.as_ref().map(|interface| (interface.name.as_str(), interface.index))
    }

    /// Its interface has this index.
    pub fn set_interface_index(&mut self, index: u32) {
        if let Some(interface) = &mut self.interface {
            interface.index = index;
        }
    }

    /// Whether an endpoint is a server to record at, in a packet seen on the interface of this index.
    pub fn serves(&self, endpoint: SocketAddr, interface: u32, servers: &Servers) -> bool {
        self.matches(endpoint)
            && (self.ip.is_some() || servers.include(endpoint.ip()))
            && self.interface.as_ref().is_none_or(|own| own.index == interface)
    }

    /// Whether an endpoint is at this address. An IPv4 address mapped into
    /// IPv6 is that IPv4 address.
    pub fn matches(&self, endpoint: SocketAddr) -> bool {
        self.ip.is_none_or(|ip| ip == endpoint.ip().to_canonical())
            && (self.ports.is_empty() || self.ports.contains(&endpoint.port()))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(interface) = &self.interface {
            f.write_str(&interface.name)?;
        }
        match self.ip {
            None => {}
            Some(IpAddr::V4(ip)) => write!(f, "{ip}")?,
            Some(IpAddr::V6(ip)) => write!(f, "[{ip}]")?,
        }
        f.write_str(":")?;
        for (at, port) in self.ports.iter().enumerate() {
            write!(f, "{}{port}", if at == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_displayed_as_it_is_given() {
        for text in [
            ":",
            ":80",
            ":80,8080",
            "10.0.0.1:80",
            "10.0.0.1:",
            "[::1]:80",
            "[2001:db8::1]:",
            "eth0:80",
            "br-1.5:",
        ] {
            let address: Address = text.parse().expect(text);
            assert_eq!(address.to_string(), text);
        }
    }

    #[test]
    fn an_address_matches_its_endpoints_and_no_others() {
        let cases = [
            (":80", "10.0.0.1:80", true),
            (":80", "[::1]:80", true),
            (":80", "10.0.0.1:81", false),
            (":", "10.0.0.1:81", true),
            ("", "10.0.0.1:81", true),
            ("10.0.0.1:80,8080", "10.0.0.1:8080", true),
            ("10.0.0.1:80,8080", "10.0.0.2:8080", false),
            ("10.0.0.1", "10.0.0.1:1", true),
            ("[::1]:", "[::1]:9", true),
            ("::1", "[::1]:9", true),
            ("[::1]:8", "[::1]:9", false),
            ("10.0.0.1:80", "[::ffff:10.0.0.1]:80", true),
        ];
        for (address, endpoint, matches) in cases {
            let address: Address = address.parse().expect(address);
            assert_eq!(address.matches(endpoint.parse().unwrap()), matches, "{address:?} {endpoint}");
        }
    }

    #[test]
    fn without_a_host_an_address_means_the_servers_it_is_told() {
        let own = Servers::At(["10.0.0.1".parse().unwrap(), "fe80::1".parse().unwrap()].into());
        let cases = [
            (":80", "10.0.0.1:80", 7, [true, true]),
            (":80", "[::ffff:10.0.0.1]:80", 7, [true, true]),
            (":80", "10.0.0.2:80", 7, [true, false]),
            (":80", "127.0.0.3:80", 1, [true, true]),
            (":80", "10.0.0.1:81", 7, [false, false]),
            ("10.0.0.2:80", "10.0.0.2:80", 7, [true, true]),
            ("eth0:80", "10.0.0.1:80", 7, [true, true]),
            ("eth0:80", "10.0.0.1:80", 8, [false, false]),
            ("eth0:80", "10.0.0.2:80", 7, [true, false]),
        ];
        for (text, endpoint, interface, serves) in cases {
            let mut address: Address = text.parse().expect(text);
            address.set_interface_index(7);
            for (servers, serves) in [&Servers::Any, &own].into_iter().zip(serves) {
                let does = address.serves(endpoint.parse().unwrap(), interface, servers);
                assert_eq!(does, serves, "{text} {endpoint} {interface} {servers:?}");
            }
        }
    }

    #[test]
    fn what_is_no_address_says_why() {
        let cases = [
            ("80", Fault::NoColon("80".into())),
            ("10.0.0.300:80", Fault::Host("10.0.0.300".into())),
            ("[eth0]:80", Fault::Host("[eth0]".into())),
            ("a/b:80", Fault::Host("a/b".into())),
            ("no-interface-has-this:80", Fault::Host("no-interface-has-this".into())),
            (":0", Fault::Port("0".into())),
            (":80,http", Fault::Port("http".into())),
            (":65536", Fault::Port("65536".into())),
        ];
        for (text, fault) in cases {
            assert_eq!(text.parse::<Address>(), Err(fault), "{text}");
        }
    }
}
