//! Addresses of records over the network: `tcp://host:port`, `tls://host:port`, `ws://host:port/path`, `wss://…`.

use std::fmt;
use std::str::FromStr;

use crate::http::query;
use crate::{Error, Result};

/// What carries the records.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Carrier {
    Tcp,
    Tls,
    WebSocket,
    SecureWebSocket,
}

impl Carrier {
    const ALL: [Carrier; 4] = [Carrier::Tcp, Carrier::Tls, Carrier::WebSocket, Carrier::SecureWebSocket];

    fn scheme(self) -> &'static str {
        match self {
            Carrier::Tcp => "tcp://",
            Carrier::Tls => "tls://",
            Carrier::WebSocket => "ws://",
            Carrier::SecureWebSocket => "wss://",
        }
    }

    fn default_port(self) -> Option<u16> {
        match self {
            Carrier::Tcp | Carrier::Tls => None,
            Carrier::WebSocket => Some(80),
            Carrier::SecureWebSocket => Some(443),
        }
    }
}

/// Who a sender is. Nothing of the password is in its text.
#[derive(Clone, Eq, PartialEq)]
struct Login {
    user: Vec<u8>,
    password: Option<Vec<u8>>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Where records come from or go to over the network.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NetworkAddress {
    pub(super) transport: Carrier,
    /// Without brackets; empty for all addresses of this machine.
    pub(super) host: String,
    pub(super) port: u16,
    /// Of a WebSocket, with its query; empty where none was given.
    pub(super) path: String,
    login: Option<Login>,
}

impl NetworkAddress {
    /// Whether a name on the command line is meant to be one.
    pub fn is_meant(name: &str) -> bool {
        Carrier::ALL.iter().any(|transport| name.starts_with(transport.scheme()))
    }

    /// Whether TLS carries the records.
    pub(in crate::endpoint) fn is_secure(&self) -> bool {
        matches!(self.transport, Carrier::Tls | Carrier::SecureWebSocket)
    }

    /// Whether records are messages of a WebSocket.
    pub fn is_websocket(&self) -> bool {
        self.transport.default_port().is_some()
    }

    /// The TCP port.
    pub(in crate::endpoint) fn port(&self) -> u16 {
        self.port
    }

    /// Whether there is a user whose password is to be found elsewhere.
    pub fn lacks_password(&self) -> bool {
        self.login.as_ref().is_some_and(|login| login.password.is_none())
    }

    /// `user:password`, if there is a user. Where the address has no password it is the one that is given.
    pub(super) fn credentials(&self, password: Option<&str>) -> Result<Option<Vec<u8>>> {
        let Some(login) = &self.login else { return Ok(None) };
        let password = login.password.as_deref().or(password.map(str::as_bytes)).ok_or_else(|| {
            Error::Usage(format!(
                "{self}: the user has no password; give --ws-password-file, or set GOR_WS_PASSWORD"
            ))
        })?;
        Ok(Some([&login.user, &b":"[..], password].concat()))
    }

    /// Host and port, as they are written behind the scheme.
    pub(super) fn authority(&self) -> String {
        let NetworkAddress { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

/// The address without user and password.
impl fmt::Display for NetworkAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.transport.scheme(), self.authority(), self.path)
    }
}

impl FromStr for NetworkAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Carrier::ALL
            .into_iter()
            .find_map(|transport| Some((transport, text.strip_prefix(transport.scheme())?)));
        let expected = || {
            // What stands before the host may be a password.
            let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
            let shown = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
            let forms = match found {
                Some((transport, _)) if transport.default_port().is_some() => {
                    "ws[s]://[USER[:PASSWORD]@]HOST[:PORT][/PATH]"
                }
                _ => "tcp://HOST:PORT or tls://HOST:PORT",
            };
            format!("{scheme}://{shown}: expected {forms}")
        };
        let (transport, rest) = found.ok_or_else(expected)?;
        let is_websocket = transport.default_port().is_some();
        let (place, path) = match rest.find(['/', '?']).filter(|_| is_websocket) {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"#\"<>\\^`{|}".contains(&byte);
        if path.starts_with('?') || !path.bytes().all(is_plain) {
            return Err(expected());
        }
        let (login, place) = match place.rsplit_once('@').filter(|_| is_websocket) {
            None => (None, place),
            Some((login, place)) => {
                let (user, password) =
                    login.split_once(':').map_or((login, None), |(user, password)| (user, Some(password)));
                let decoded = |text: &str| query::percent_decoded(text.as_bytes()).to_vec();
                if user.is_empty() || decoded(user).contains(&b':') {
                    return Err(expected());
                }
                (Some(Login { user: decoded(user), password: password.map(decoded) }), place)
            }
        };
        let (host, port) = match (place.rsplit_once(':'), transport.default_port()) {
            // A colon within brackets is the host's.
            (Some((host, port)), _) if !port.ends_with(']') => {
                let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
                (host, port.parse().ok().filter(|_| is_port).ok_or_else(expected)?)
            }
            (_, Some(port)) if !place.is_empty() => (place, port),
            _ => return Err(expected()),
        };
        let host = match host.strip_prefix('[').map(|rest| rest.strip_suffix(']')) {
            Some(inner) => inner.filter(|inner| inner.contains(':')).ok_or_else(expected)?,
            None if host.contains([':', '/', '@', '?', '#', '[', ']', ' ']) => return Err(expected()),
            None => host,
        };
        Ok(NetworkAddress { transport, host: host.to_owned(), port, path: path.to_owned(), login })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_address_has_a_host_or_none_and_a_port() {
        for text in [
            "tcp://:28020",
            "tcp://a.example:1",
            "tls://10.0.0.1:28020",
            "tls://[::1]:9",
            "ws://:1",
            "wss://h:2/a/b?c=d",
        ] {
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
            "ws://",
            "ws://host:/",
            "ws://host:1?a",
            "ws://host:1/a#b",
            "ws://host:1/a b",
            "ws://:password@host:1",
        ] {
            assert!(text.parse::<NetworkAddress>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_websocket_has_a_port_of_its_own_and_a_user_whom_nobody_sees() {
        let address = |text: &str| text.parse::<NetworkAddress>().expect(text);
        assert_eq!(address("ws://host").to_string(), "ws://host:80");
        assert_eq!(address("wss://[::1]/x").to_string(), "wss://[::1]:443/x");
        let secret = address("ws://me:p%40ss%3Aword@host:1/x");
        assert_eq!(secret.to_string(), "ws://host:1/x");
        assert!(!format!("{secret:?}").contains("p@ss") && !secret.lacks_password());
        assert_eq!(secret.credentials(Some("other")).expect("there").as_deref(), Some(&b"me:p@ss:word"[..]));
        let user = address("ws://me@host:1");
        assert!(user.lacks_password());
        assert_eq!(user.credentials(Some("word")).expect("given").as_deref(), Some(&b"me:word"[..]));
        assert!(user.credentials(None).expect_err("nowhere").is_usage());
        assert_eq!(address("ws://host:1").credentials(Some("word")).expect("none"), None);
        for wrong in ["ws://me:pa/ss@host:1", "ws://me:pass@host:x", "tcp://me:pass@host:1", "ws://me:pass"] {
            let error = wrong.parse::<NetworkAddress>().expect_err(wrong);
            assert!(!error.contains("pa/ss") && !error.contains("me:pass@"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_shown_so_that_it_is_read_again(text in "(tcp|tls|ws|wss)://[a-z0-9.:\\[\\]]{0,12}:[0-9]{1,5}(/[a-z]{0,3})?") {
            if let Ok(address) = text.parse::<NetworkAddress>() {
                prop_assert_eq!(address.to_string().parse::<NetworkAddress>(), Ok(address));
            }
        }
    }
}
