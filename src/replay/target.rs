//! Where requests go: what a target on the command line means, and the addresses its name stands for.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use crate::http::{auth, query};
use crate::{Error, Result};

/// A server that requests are sent to.
///
/// Written `host`, `host:port` or `http://user:password@host:port/prefix`;
/// an IPv6 address stands in brackets.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Target {
    host: String,
    port: u16,
    /// What the Host field says: the port only when it is not 80.
    authority: String,
    /// Put before every recorded path. Empty, or begins with `/` and ends with something else.
    prefix: String,
    /// The value of the Authorization field, for requests that have none.
    authorization: Option<String>,
    /// What the host resolves to, where no resolver is to be asked.
    addresses: Vec<SocketAddr>,
}

impl Target {
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

    /// The target with these addresses for its host, whatever a resolver would say. None asks the resolver.
    #[must_use]
    pub fn with_addresses(self, addresses: Vec<SocketAddr>) -> Self {
        Target { addresses, ..self }
    }

    /// All addresses of the host, at least one, in the resolver's order.
    pub fn resolve(&self) -> Result<Vec<SocketAddr>> {
        if !self.addresses.is_empty() {
            return Ok(self.addresses.clone());
        }
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        let mut addresses: Vec<SocketAddr> = Vec::new();
        let found = (bare, self.port).to_socket_addrs().map_err(|error| {
            // The resolver's own words come after a prefix that says nothing.
            let text = error.to_string();
            let reason = text.rsplit(": ").next().unwrap_or(&text).to_lowercase();
            Error::Invalid(format!("the name {bare:?} cannot be resolved: {reason}")).at(self.to_string())
        })?;
        for address in found {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        if addresses.is_empty() {
            return Err(Error::Invalid(format!("the name {bare:?} has no address")).at(self.to_string()));
        }
        Ok(addresses)
    }
}

/// The target without its password.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.prefix)
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected =
            |what: &str| format!("{what}; expected HOST, HOST:PORT or http://USER:PASSWORD@HOST/PREFIX");
        let rest = match text.split_once("://") {
            None => text,
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some((scheme, _)) if scheme.eq_ignore_ascii_case("https") => {
                return Err("https is not supported yet; use http".to_owned());
            }
            Some((scheme, _)) => return Err(expected(&format!("the scheme {scheme:?} is not known"))),
        };
        if rest.bytes().any(|byte| byte <= b' ' || byte == 0x7f || matches!(byte, b'?' | b'#' | b'|')) {
            return Err(expected("only a path may follow the host"));
        }
        let (place, prefix) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        let (user, place) = match place.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, place),
        };
        let (host, port) = split_port(place).map_err(expected)?;
        Ok(Target {
            host: host.to_owned(),
            port,
            authority: if port == 80 { host.to_owned() } else { format!("{host}:{port}") },
            prefix: prefix.trim_end_matches('/').to_owned(),
            authorization: user.map(|user| auth::basic(&query::percent_decoded(user.as_bytes()))),
            addresses: Vec::new(),
        })
    }
}

/// Host, brackets kept, and port, 80 unless it is given.
fn split_port(place: &str) -> Result<(&str, u16), &'static str> {
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
        return Err("a port alone is no target, as in localhost:8080");
    }
    let port = match port {
        None => 80,
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
            ("https://host", "not supported yet"),
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
