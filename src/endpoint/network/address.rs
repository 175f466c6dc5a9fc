//! Addresses of records over the network: `tcp://host:port`, `tls://host:port`.

use std::fmt;
use std::str::FromStr;

/// What carries the records.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Transport {
    Tcp,
    Tls,
}

impl Transport {
    const ALL: [Transport; 2] = [Transport::Tcp, Transport::Tls];

    fn scheme(self) -> &'static str {
        if self == Transport::Tcp { "tcp://" } else { "tls://" }
    }
}

/// Where records come from or go to over the network.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NetworkAddress {
    pub(super) transport: Transport,
    /// Without brackets; empty for all addresses of this machine.
    pub(super) host: String,
    pub(super) port: u16,
}

impl NetworkAddress {
    /// Whether a name on the command line is meant to be one.
    pub(in crate::endpoint) fn is_meant(name: &str) -> bool {
        Transport::ALL.iter().any(|transport| name.starts_with(transport.scheme()))
    }

    /// Whether TLS carries the records.
    pub(in crate::endpoint) fn is_secure(&self) -> bool {
        self.transport == Transport::Tls
    }

    /// The TCP port.
    pub(in crate::endpoint) fn port(&self) -> u16 {
        self.port
    }

    /// Host and port, as they are written behind the scheme.
    pub(super) fn authority(&self) -> String {
        let NetworkAddress { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

impl fmt::Display for NetworkAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.transport.scheme(), self.authority())
    }
}

impl FromStr for NetworkAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("{text}: expected tcp://HOST:PORT or tls://HOST:PORT");
        let found = Transport::ALL
            .into_iter()
            .find_map(|transport| Some((transport, text.strip_prefix(transport.scheme())?)));
        let (transport, rest) = found.ok_or_else(expected)?;
        let (host, port) = rest.rsplit_once(':').ok_or_else(expected)?;
        let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|_| is_port).ok_or_else(expected)?;
        let host = match host.strip_prefix('[').map(|rest| rest.strip_suffix(']')) {
            Some(inner) => inner.filter(|inner| inner.contains(':')).ok_or_else(expected)?,
            None if host.contains([':', '/', '@', '?', '#', '[', ']', ' ']) => return Err(expected()),
            None => host,
        };
        Ok(NetworkAddress { transport, host: host.to_owned(), port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_address_has_a_host_or_none_and_a_port() {
        for text in ["tcp://:28020", "tcp://a.example:1", "tls://10.0.0.1:28020", "tls://[::1]:9"] {
            assert_eq!(
                text.parse::<NetworkAddress>().map(|address| address.to_string()).as_deref(),
                Ok(text)
            );
        }
        for text in [
            "tcp://",
            "tcp://host",
            "tcp://host:",
            "tcp://host:+1",
            "tcp://host:70000",
            "tcp://a:b:1",
            "tcp://[a]:1",
            "tcp://[::1:1",
            "tcp://host:1/path",
            "tcp://u@host:1",
            "http://host:1",
            "host:1",
        ] {
            assert!(text.parse::<NetworkAddress>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_shown_so_that_it_is_read_again(text in "(tcp|tls)://[a-z0-9.:\\[\\]]{0,12}:[0-9]{1,5}") {
            if let Ok(address) = text.parse::<NetworkAddress>() {
                prop_assert_eq!(address.to_string().parse::<NetworkAddress>(), Ok(address));
            }
        }
    }
}
