//! Which end of a connection is the server: `:80`, `10.0.0.0/8:80,8000-8010`, `[::1]:`, `eth0:80`, `[fe80::1%eth0]:80`.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use super::ports::Ports;
use super::servers::Servers;
use super::subnet::Subnet;

/// The longest name of an interface, in bytes (`IFNAMSIZ`).
const MAX_INTERFACE: usize = 15;

/// An address to record at, as given on a command line.
///
/// Displayed in the form in which it is given, without a colon where no port is named.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Address {
    /// None: any.
    host: Option<Subnet>,
    ports: Ports,
    /// None: any.
    interface: Option<InterfaceEntry>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct InterfaceEntry {
    name: String,
    /// 0 until it is known.
    index: u32,
}

/// Why a text is no [`Address`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AddressFault {
    /// What stands where the host should be.
    Host(String),
    /// What stands where a port should be.
    Port(String),
    /// A lone number.
    NoColon(String),
}

impl fmt::Display for AddressFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AddressFault::Host(host) if host == "localhost" => {
                f.write_str("names are not looked up; localhost is 127.0.0.1:PORT or [::1]:PORT")
            }
            AddressFault::Host(host) => write!(
                f,
                "'{host}' is not an IP address, a network or an interface (IPv6 goes in brackets: [::1]:80, [fd00::/8]:80)"
            ),
            AddressFault::Port(port) => {
                write!(f, "'{port}' is not a port from 1 to 65535, nor a range of them as in 8000-8010")
            }
            AddressFault::NoColon(port) => write!(f, "a port alone is written with a colon: ':{port}'"),
        }
    }
}

impl std::error::Error for AddressFault {}

impl FromStr for Address {
    type Err = AddressFault;

    fn from_str(text: &str) -> Result<Self, AddressFault> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(AddressFault::NoColon(text.to_string()));
        }
        let (host, ports) = match text.rsplit_once(':') {
            // The last colon of a bare IPv6 address separates no port.
            Some(_) if host_of(text).is_some() || text.ends_with(']') => (text, ""),
            Some((host, ports)) => (host, ports),
            None => (text, ""),
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let (host, interface) = match host_of(bare) {
            Some((host, interface)) => (Some(host), interface),
            None if host.is_empty() => (None, None),
            None if is_interface(host) => (None, Some(InterfaceEntry { name: host.to_string(), index: 0 })),
            None => return Err(AddressFault::Host(host.to_string())),
        };
        Ok(Address { host, ports: Ports::parse(ports).map_err(AddressFault::Port)?, interface })
    }
}

/// Addresses that are written out, and the interface that they are to be seen on: `fe80::1%eth0`, and of a network
/// `fe80::%eth0/64` (RFC 4007 §11.7).
fn host_of(text: &str) -> Option<(Subnet, Option<InterfaceEntry>)> {
    let Some((ip, rest)) = text.split_once('%') else { return Some((text.parse().ok()?, None)) };
    let (name, prefix) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let interface = is_interface(name).then(|| InterfaceEntry { name: name.to_owned(), index: 0 })?;
    Some((format!("{ip}{prefix}").parse().ok()?, Some(interface)))
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
        self.host.is_some()
    }

    /// The ports it names.
    pub fn ports(&self) -> &Ports {
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
            && (self.host.is_some() || servers.include(endpoint.ip()))
            && self.interface.as_ref().is_none_or(|own| own.index == interface)
    }

    /// Whether an endpoint is at this address. An IPv4 address mapped into
    /// IPv6 is that IPv4 address.
    pub fn matches(&self, endpoint: SocketAddr) -> bool {
        self.host.is_none_or(|host| host.contains(endpoint.ip())) && self.ports.contains(endpoint.port())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let interface = self.interface.as_ref().map_or("", |interface| interface.name.as_str());
        match self.host.map(|host| host.parts()) {
            None => f.write_str(interface)?,
            Some((ip, prefix)) => {
                let sign = if interface.is_empty() { "" } else { "%" };
                let is_bare = ip.is_ipv4() || self.ports.is_any();
                let [open, close] = if is_bare { ["", ""] } else { ["[", "]"] };
                write!(f, "{open}{ip}{sign}{interface}{prefix}{close}")?;
            }
        }
        let is_alone = self.ports.is_any() && (self.host.is_some() || self.interface.is_some());
        if is_alone { Ok(()) } else { write!(f, ":{}", self.ports) }
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
            "10.0.0.1",
            "[::1]:80",
            "2001:db8::1",
            "fe80::1%eth0",
            "eth0:80",
            "br-1.5",
            ":8000-8010",
            ":80,8000-8010,9000",
            "eth0:8000-8010",
            "10.0.0.0/8:80",
            "10.1.2.3/8",
            "fd00::/8",
            "[fd00::/8]:80",
            "[fe80::1%eth0]:80",
            "[fe80::%eth0/64]:80-90",
            "10.0.0.1%eth0:80",
        ] {
            let address: Address = text.parse().expect(text);
            assert_eq!(address.to_string(), text);
        }
        for (text, shown) in
            [("10.0.0.1:", "10.0.0.1"), ("eth0:", "eth0"), ("[::1]:", "::1"), ("[::1]", "::1"), ("", ":")]
        {
            assert_eq!(text.parse::<Address>().expect(text).to_string(), shown);
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
            (":80,8000-8010", "10.0.0.1:8005", true),
            (":80,8000-8010", "10.0.0.1:8011", false),
            ("10.0.0.0/8:80", "10.9.9.9:80", true),
            ("10.0.0.0/8:80", "11.0.0.1:80", false),
            ("10.0.0.0/8", "10.0.0.1:9", true),
            ("[fd00::/8]:80", "[fd77::1]:80", true),
            ("fd00::/8", "[fd77::1]:80", true),
            ("[fd00::/8]:80", "[fe80::1]:80", false),
            ("fe80::1%eth0", "[fe80::1]:80", true),
            ("[fe80::1]:80", "[fe80::1]:80", true),
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
            ("[fe80::2%eth0]:80", "[fe80::2]:80", 7, [true, true]),
            ("[fe80::2%eth0]:80", "[fe80::2]:80", 8, [false, false]),
            ("10.0.0.0/24:80", "10.0.0.2:80", 8, [true, true]),
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
            ("80", AddressFault::NoColon("80".into())),
            ("10.0.0.300:80", AddressFault::Host("10.0.0.300".into())),
            ("[eth0]:80", AddressFault::Host("[eth0]".into())),
            ("a/b:80", AddressFault::Host("a/b".into())),
            ("no-interface-has-this:80", AddressFault::Host("no-interface-has-this".into())),
            (":0", AddressFault::Port("0".into())),
            (":80,http", AddressFault::Port("http".into())),
            (":65536", AddressFault::Port("65536".into())),
            (":8010-8000", AddressFault::Port("8010-8000".into())),
            (":80,8000-", AddressFault::Port("8000-".into())),
            ("10.0.0.0/33:80", AddressFault::Host("10.0.0.0/33".into())),
            ("[fe80::1%]:80", AddressFault::Host("[fe80::1%]".into())),
            ("eth0%eth0:80", AddressFault::Host("eth0%eth0".into())),
        ];
        for (text, fault) in cases {
            assert_eq!(text.parse::<Address>(), Err(fault), "{text}");
        }
    }
}
