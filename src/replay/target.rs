//! Where requests go: what a target on the command line means, and the addresses its name stands for.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use super::addresses::ServerAddress;
use crate::http::{auth, query};
use crate::pace::Share;
use crate::{Error, Result};

/// What is spoken with a target.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TargetProtocol {
    /// HTTP/1 over TCP, or over a Unix socket.
    Http,
    /// HTTP/1 over TLS.
    Https,
    /// The recorded bytes, whatever they mean.
    Tcp,
}

impl TargetProtocol {
    fn scheme(self) -> &'static str {
        match self {
            TargetProtocol::Http => "http",
            TargetProtocol::Https => "https",
            TargetProtocol::Tcp => "tcp",
        }
    }

    /// The port where none is given. Binary protocols have none.
    fn default_port(self) -> Option<u16> {
        match self {
            TargetProtocol::Http => Some(80),
            TargetProtocol::Https => Some(443),
            TargetProtocol::Tcp => None,
        }
    }
}

/// A server that requests are sent to.
///
/// Written `host`, `host:port`, `https://user:password@host:port/prefix`, `tcp://host:port` or
/// `unix:/path/of/socket`, which may be followed by `:/prefix`; an IPv6 address stands in brackets. `|10` behind it
/// lets 10 requests a second through, `|10%` a tenth of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    protocol: TargetProtocol,
    host: String,
    port: u16,
    /// Instead of host and port.
    socket: Option<Arc<Path>>,
    /// What the Host field says: the port only when it is not the protocol's own.
    authority: String,
    /// Put before every recorded path. Empty, or begins with `/` and ends with something else.
    prefix: String,
    /// The value of the Authorization field, for requests that have none.
    authorization: Option<String>,
    share: Share,
    /// What the host resolves to, where no resolver is to be asked.
    addresses: Vec<SocketAddr>,
}

impl Target {
    /// What is spoken with it.
    pub fn protocol(&self) -> TargetProtocol {
        self.protocol
    }

    /// Its name, without brackets; that of its certificate too.
    pub fn host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// What the Host field says.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// What is put before every recorded path; often empty.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The Authorization value for requests that have none.
    pub fn authorization(&self) -> Option<&str> {
        self.authorization.as_deref()
    }

    /// Which of the requests it gets.
    pub fn share(&self) -> Share {
        self.share
    }

    /// The target with these addresses for its host, whatever a resolver would say. None asks the resolver.
    #[must_use]
    pub fn with_addresses(self, addresses: Vec<SocketAddr>) -> Self {
        Target { addresses, ..self }
    }

    /// All addresses of the host, at least one, in the resolver's order.
    pub(super) fn resolve(&self) -> Result<Vec<ServerAddress>> {
        if let Some(path) = &self.socket {
            return Ok(vec![ServerAddress::Unix(Arc::clone(path))]);
        }
        if !self.addresses.is_empty() {
            return Ok(self.addresses.iter().copied().map(ServerAddress::Ip).collect());
        }
        let bare = self.host();
        let mut addresses: Vec<ServerAddress> = Vec::new();
        let found = (bare, self.port).to_socket_addrs().map_err(|error| {
            // The resolver's own words come after a prefix that says nothing.
            let text = error.to_string();
            let reason = text.rsplit(": ").next().unwrap_or(&text).to_lowercase();
            Error::Invalid(format!("the name cannot be resolved: {reason}")).at(self.to_string())
        })?;
        for address in found.map(ServerAddress::Ip) {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        if addresses.is_empty() {
            return Err(Error::Invalid("the name has no address".to_owned()).at(self.to_string()));
        }
        Ok(addresses)
    }

    /// Whether its addresses may change while it is used.
    pub(super) fn is_a_name(&self) -> bool {
        self.socket.is_none() && self.addresses.is_empty() && self.host().parse::<std::net::IpAddr>().is_err()
    }
}

/// The target without its password and its share.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.socket {
            Some(path) if self.prefix.is_empty() => write!(f, "unix:{}", path.display()),
            Some(path) => write!(f, "unix:{}:{}", path.display(), self.prefix),
            None => write!(f, "{}://{}{}", self.protocol.scheme(), self.authority, self.prefix),
        }
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = |what: &str| {
            format!(
                "{what}; expected HOST, HOST:PORT, http[s]://USER:PASSWORD@HOST/PREFIX, unix:/SOCKET or tcp://HOST:PORT"
            )
        };
        let (text, share) = match text.split_once('|') {
            Some((text, share)) => (text, share.parse()?),
            None => (text, Share::All),
        };
        if let Some(socket) = text.strip_prefix("unix:") {
            return Target::of_socket(socket, share).map_err(expected);
        }
        let (protocol, rest) = match text.split_once("://") {
            None => (TargetProtocol::Http, text),
            Some((scheme, rest)) => {
                let known = [TargetProtocol::Http, TargetProtocol::Https, TargetProtocol::Tcp]
                    .into_iter()
                    .find(|protocol| scheme.eq_ignore_ascii_case(protocol.scheme()))
                    .ok_or_else(|| expected(&format!("the scheme {scheme:?} is not known")))?;
                (known, rest)
            }
        };
        if !is_plain(rest) {
            return Err(expected("only a path may follow the host"));
        }
        let (place, prefix) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        let (user, place) = match place.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, place),
        };
        let prefix = prefix.trim_end_matches('/');
        if protocol == TargetProtocol::Tcp && (user.is_some() || !prefix.is_empty()) {
            return Err(expected("a tcp:// target has no user and no path"));
        }
        let (host, port) = split_port(place, protocol.default_port()).map_err(expected)?;
        let authority =
            if protocol.default_port() == Some(port) { host.to_owned() } else { format!("{host}:{port}") };
        Ok(Target {
            protocol,
            host: host.to_owned(),
            port,
            socket: None,
            authority,
            prefix: prefix.to_owned(),
            authorization: user.map(|user| auth::basic(&query::percent_decoded(user.as_bytes()))),
            share,
            addresses: Vec::new(),
        })
    }
}

impl Target {
    /// `/path`, or `/path:/prefix` as nginx writes it.
    fn of_socket(text: &str, share: Share) -> Result<Self, &'static str> {
        let (path, prefix) =
            text.split_once(":/").map_or((text, ""), |(path, _)| (path, &text[path.len() + 1..]));
        if !path.starts_with('/') {
            return Err("the path of a Unix socket begins with /");
        }
        if !is_plain(prefix) {
            return Err("only a path may follow the socket");
        }
        Ok(Target {
            protocol: TargetProtocol::Http,
            host: "localhost".into(),
            port: 80,
            socket: Some(Path::new(path).into()),
            authority: "localhost".into(),
            prefix: prefix.trim_end_matches('/').into(),
            authorization: None,
            share,
            addresses: Vec::new(),
        })
    }
}

/// Whether nothing in it would be out of place between a host and a recorded path.
fn is_plain(text: &str) -> bool {
    !text.bytes().any(|byte| byte <= b' ' || byte == 0x7f || matches!(byte, b'?' | b'#' | b'|'))
}

/// Host, brackets kept, and port.
fn split_port(place: &str, default: Option<u16>) -> Result<(&str, u16), &'static str> {
    let (host, port) = if place.starts_with('[') {
        let end = place.find(']').ok_or("the bracket of the IPv6 address is not closed")? + 1;
        let (host, rest) = place.split_at(end);
        match rest {
            "" => (host, None),
            _ => (host, Some(rest.strip_prefix(':').ok_or("a port follows the bracket after a colon")?)),
        }
    } else {
        match place.split_once(':') {
            Some((_, port)) if port.contains(':') => return Err("an IPv6 address stands in brackets"),
            Some((host, port)) => (host, Some(port)),
            None => (place, None),
        }
    };
    if host.is_empty() {
        return Err("the host is missing");
    }
    if port.is_none() && host.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("a port alone is not a target, as localhost:8080 is");
    }
    let port = match port {
        None => default.ok_or("a tcp:// target has a port")?,
        Some(digits) => {
            let port = digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()));
            port.filter(|port| *port != 0).ok_or("the port is not a number from 1 to 65535")?
        }
    };
    Ok((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_written_in_many_ways() {
        for (text, authority, prefix, authorization) in [
            ("staging.com", "staging.com", "", None),
            ("host:8000", "host:8000", "", None),
            ("host:80", "host", "", None),
            ("http://host/", "host", "", None),
            ("HTTP://host:81/a/b/", "host:81", "/a/b", None),
            ("127.0.0.1:8080/v1", "127.0.0.1:8080", "/v1", None),
            ("[::1]:8080", "[::1]:8080", "", None),
            ("http://[::1]/", "[::1]", "", None),
            ("http://u:p@host", "host", "", Some("Basic dTpw")),
            ("http://u:p%40@host:1/x", "host:1", "/x", Some("Basic dTpwQA==")),
            ("https://host", "host", "", None),
            ("https://host:80", "host:80", "", None),
            ("tcp://host:6379", "host:6379", "", None),
            ("unix:/run/app.sock", "localhost", "", None),
            ("unix:/run/app.sock:/v1/", "localhost", "/v1", None),
        ] {
            let target: Target = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(target.authority(), authority, "{text}");
            assert_eq!(target.prefix(), prefix, "{text}");
            assert_eq!(target.authorization(), authorization, "{text}");
        }
    }

    #[test]
    fn what_is_no_target_is_refused_in_words() {
        for (text, words) in [
            ("", "host is missing"),
            (":80", "host is missing"),
            ("http://", "host is missing"),
            ("host:", "port"),
            ("host:0", "port"),
            ("host:+1", "port"),
            ("host:65536", "port"),
            ("::1", "brackets"),
            ("[::1", "bracket"),
            ("[::1]8", "colon"),
            ("host/?q", "only a path"),
            ("host name", "only a path"),
            ("ftp://host", "scheme"),
            ("tcp://host", "has a port"),
            ("tcp://u@host:1", "no user"),
            ("tcp://host:1/x", "no path"),
            ("unix:run/app", "begins with /"),
            ("host|", "share"),
            ("host|0", "share"),
            ("host|101%", "share"),
        ] {
            let error = text.parse::<Target>().unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let target: Target = "http://u:secret@host/x".parse().unwrap();
        assert_eq!(target.to_string(), "http://host/x");
    }
}
