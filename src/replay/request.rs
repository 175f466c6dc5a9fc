//! The bytes of a recorded request on their way to a target: Host changed, the rest as it was.
//!
//! What changes, and nothing else does:
//! - the value of Host becomes the target's, unless the recorded one is to be kept. A request without
//!   Host is sent without. In a request to a proxy (`GET http://host/path`, RFC 9112 §3.2.2) the host
//!   stands in the request line too, and changes there;
//! - the target's prefix is put before the path;
//! - a target with a user adds Authorization, directly under the request line, to requests that have none;
//! - empty lines around the request are left out: they belong to no message (RFC 9112 §2.2).
//!
//! A request that asks to leave HTTP (Upgrade, CONNECT) is sent like any other. If the target agrees, the
//! exchange ends with the head of its answer, and so does the connection.

use std::borrow::Cow;
use std::ops::Range;

use super::cookies::CookieJar;
use super::target::{Target, TargetProtocol};
use crate::http::edit::{FieldEdit, remove_field, set_field, write_edited};
use crate::http::{Field, Framer, FramingFault, Head, RequestContext, query};

/// Why a recorded request cannot be sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Unsendable {
    /// It is not an HTTP/1 request.
    Fault(FramingFault),
    /// It ends before its framing says.
    Short,
    /// Something follows where its framing says that it ends.
    Long,
}

impl std::fmt::Display for Unsendable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unsendable::Fault(fault) => fault.fmt(f),
            Unsendable::Short => f.write_str("the request ends before its framing says"),
            Unsendable::Long => f.write_str("bytes follow where the request's framing says that it ends"),
        }
    }
}

/// What sending a request must know of it.
#[derive(Clone, Debug, Default)]
pub(super) struct RequestShape {
    /// What its response must know.
    pub(super) context: RequestContext,
    /// Whether sending it twice does what sending it once does (RFC 9110 §9.2.2).
    pub(super) is_idempotent: bool,
    /// Whether another request may follow on the connection.
    pub(super) keeps_alive: bool,
    /// Where the body lies in the recorded payload.
    pub(super) body: Range<usize>,
    /// Whether this is no HTTP, and goes out as it is.
    pub(super) is_raw: bool,
}

/// Changes requests for one target.
#[derive(Clone, Debug)]
pub(super) struct Editor {
    /// The new value of Host; `None` keeps the recorded one.
    host: Option<Vec<u8>>,
    prefix: Vec<u8>,
    /// A whole field line.
    authorization: Option<Vec<u8>>,
    /// Whether nothing is taken for HTTP.
    is_raw: bool,
    /// What Host is where there is none, if every request is to be as one to an origin server: without a host in its
    /// request line, and with Host.
    origin: Option<Vec<u8>>,
}

impl Editor {
    /// Has requests to proxies changed into such to an origin server (RFC 9112 §3.2.1), and Host added where it is
    /// missing.
    pub(super) fn for_origin(self, target: &Target) -> Self {
        Editor { origin: Some(target.authority().into()), ..self }
    }

    pub(super) fn new(target: &Target, keeps_host: bool) -> Self {
        Editor {
            host: (!keeps_host).then(|| target.authority().into()),
            prefix: target.prefix().into(),
            authorization: target
                .authorization()
                .map(|value| format!("Authorization: {value}\r\n").into_bytes()),
            is_raw: target.protocol() == TargetProtocol::Tcp,
            origin: None,
        }
    }

    /// Changes nothing.
    pub(super) fn unchanged() -> Self {
        Editor { host: None, prefix: Vec::new(), authorization: None, is_raw: false, origin: None }
    }

    /// Whether nothing is taken for HTTP.
    pub(super) fn is_raw(&self) -> bool {
        self.is_raw
    }

    /// Appends the head of the request in `payload`, as it is to be sent, to `out`. With cookies, those of `jar` are sent
    /// in place of the recorded ones; `now` is in nanoseconds since the Unix epoch.
    pub(super) fn write_head(
        &self,
        payload: &[u8],
        jar: Option<(&CookieJar, i64)>,
        out: &mut Vec<u8>,
    ) -> Result<RequestShape, Unsendable> {
        if self.is_raw {
            let body = 0..payload.len();
            return Ok(RequestShape { keeps_alive: true, is_raw: true, body, ..RequestShape::default() });
        }
        let (head, shape) = measure(payload)?;
        let head = Head::of(&payload[head]).ok_or(Unsendable::Short)?;
        let line = head.request_line().ok_or(Unsendable::Fault(FramingFault::RequestLine))?;
        let authorization = match &self.authorization {
            Some(line) if head.values(b"authorization").next().is_none() => &line[..],
            _ => b"",
        };
        let target = self.target(line.target);
        // The host in the request line is the one that counts (RFC 9112 §3.2.2).
        let named = self.origin.as_ref().and(query::authority(line.target)).map(|range| &line.target[range]);
        let host = self.host.as_deref().or(named);
        let cookies =
            jar.map(|(jar, now)| cookies(&head, target.as_deref().unwrap_or(line.target), jar, now));
        let mut added = Cow::Borrowed(authorization);
        if let Some(own) = &self.origin
            && head.values(b"host").next().is_none()
        {
            added.to_mut().extend_from_slice(&[b"Host: ", host.unwrap_or(own), b"\r\n"].concat());
        }
        let mut is_first_cookie = true;
        if let Some(Some(value)) = &cookies
            && head.values(b"cookie").next().is_none()
        {
            added.to_mut().extend_from_slice(&[b"Cookie: ", &value[..], b"\r\n"].concat());
        }
        let edit = |field: &Field<'_>| {
            if let (Some(host), true) = (host, field.name.eq_ignore_ascii_case(b"host")) {
                return FieldEdit::Value(host);
            }
            let (Some(value), true) = (&cookies, field.name.eq_ignore_ascii_case(b"cookie")) else {
                return FieldEdit::Keep;
            };
            match (value, std::mem::take(&mut is_first_cookie)) {
                (Some(value), true) => FieldEdit::Value(value),
                _ => FieldEdit::Remove,
            }
        };
        write_edited(&head, target.as_deref(), &added, edit, out);
        Ok(RequestShape {
            is_idempotent: is_idempotent(line.method),
            context: RequestContext::of(line.method),
            ..shape
        })
    }

    /// The target as it is to be sent, where it changes.
    fn target(&self, target: &[u8]) -> Option<Vec<u8>> {
        let authority = query::authority(target);
        let (before, path) = target.split_at(authority.as_ref().map_or(0, |authority| authority.end));
        // `*` and the authority form (CONNECT) have no path to put something before.
        let has_path = path.starts_with(b"/") || authority.is_some();
        let prefix = if has_path { &self.prefix[..] } else { b"" };
        if self.origin.is_some() && authority.is_some() {
            let root: &[u8] = if path.starts_with(b"/") { b"" } else { b"/" };
            return Some([prefix, root, path].concat());
        }
        match (&self.host, authority) {
            (Some(host), Some(authority)) => Some([&target[..authority.start], host, prefix, path].concat()),
            _ if prefix.is_empty() => None,
            _ => Some([before, prefix, path].concat()),
        }
    }
}

/// The head with the cookies of a jar in place of recorded ones; the time is in nanoseconds since the Unix epoch.
pub(super) fn with_cookies(bytes: Vec<u8>, (jar, now): (&CookieJar, i64)) -> Vec<u8> {
    let Some(head) = Head::of(&bytes) else { return bytes };
    let target = head.request_line().map_or(&b"/"[..], |line| line.target);
    let mut out = Vec::new();
    match cookies(&head, target, jar, now) {
        Some(value) => set_field(&head, b"Cookie", &value, &mut out),
        None if remove_field(&head, b"cookie", &mut out) => {}
        None => return bytes,
    }
    out
}

/// The value of Cookie, if it is to be sent: what was recorded, with what the jar has in its place.
fn cookies(head: &Head<'_>, target: &[u8], jar: &CookieJar, now: i64) -> Option<Vec<u8>> {
    let recorded = head.values(b"cookie").collect::<Vec<_>>().join(&b"; "[..]);
    let path = query::authority(target).map_or(target, |authority| &target[authority.end..]);
    jar.apply(&recorded, &String::from_utf8_lossy(path), now)
}

/// Where the head lies in a payload that is exactly one request, and what its framing tells.
fn measure(payload: &[u8]) -> Result<(Range<usize>, RequestShape), Unsendable> {
    let mut framer = Framer::request();
    let extent = framer.extent(payload);
    let (true, Some(head)) = (extent.is_over.map_err(Unsendable::Fault)?, extent.head) else {
        return Err(Unsendable::Short);
    };
    if payload[extent.end..].iter().any(|byte| !matches!(byte, b'\r' | b'\n')) {
        return Err(Unsendable::Long);
    }
    let body = head.end..extent.end;
    Ok((head, RequestShape { keeps_alive: framer.keeps_alive(), body, ..RequestShape::default() }))
}

/// RFC 9110 §9.2.2. A method this does not know is taken not to be.
pub(super) fn is_idempotent(method: &[u8]) -> bool {
    matches!(method, b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE" | b"PUT" | b"DELETE")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(target: &str, keeps_host: bool, payload: &[u8]) -> Result<(String, RequestShape), Unsendable> {
        let editor = Editor::new(&target.parse().unwrap(), keeps_host);
        let mut out = Vec::new();
        let shape = editor.write_head(payload, None, &mut out)?;
        out.extend_from_slice(&payload[shape.body.clone()]);
        Ok((String::from_utf8(out).unwrap(), shape))
    }

    #[test]
    fn to_an_origin_server_every_request_has_its_form_and_a_host() {
        for (keeps_host, payload, expected) in [
            (false, "GET /2 HTTP/1.1\r\nX: y\r\n\r\n", "GET /2 HTTP/1.1\r\nHost: t:81\r\nX: y\r\n\r\n"),
            (true, "GET /2 HTTP/1.1\r\n\r\n", "GET /2 HTTP/1.1\r\nHost: t:81\r\n\r\n"),
            (
                false,
                "GET http://a:8/3?q HTTP/1.1\r\nHost: b\r\n\r\n",
                "GET /p/3?q HTTP/1.1\r\nHost: t:81\r\n\r\n",
            ),
            (
                true,
                "GET http://a:8/3?q HTTP/1.1\r\nHost: b\r\n\r\n",
                "GET /p/3?q HTTP/1.1\r\nHost: a:8\r\n\r\n",
            ),
            (true, "GET http://a HTTP/1.1\r\n\r\n", "GET /p/ HTTP/1.1\r\nHost: a\r\n\r\n"),
            (true, "GET http://a?q HTTP/1.1\r\n\r\n", "GET /p/?q HTTP/1.1\r\nHost: a\r\n\r\n"),
            (true, "OPTIONS * HTTP/1.1\r\nHost: b\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: b\r\n\r\n"),
        ] {
            let prefixed = payload.contains("http://");
            let target = if prefixed { "t:81/p" } else { "t:81" }.parse().unwrap();
            let mut out = Vec::new();
            let editor = Editor::new(&target, keeps_host).for_origin(&target);
            editor.write_head(payload.as_bytes(), None, &mut out).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{payload}");
        }
    }

    #[test]
    fn only_the_host_changes() {
        for (target, payload, expected) in [
            ("t", "GET / HTTP/1.1\r\nhOST:  a \r\nX:y\r\n\r\n", "GET / HTTP/1.1\r\nhOST:  t \r\nX:y\r\n\r\n"),
            ("t:81", "PURGE /x HTTP/1.1\nHost: a\n\n", "PURGE /x HTTP/1.1\nHost: t:81\n\n"),
            ("t", "GET / HTTP/1.1\r\nHost:\r\n\r\n", "GET / HTTP/1.1\r\nHost:t\r\n\r\n"),
            ("t", "GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.0\r\n\r\n"),
            (
                "t",
                "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: t\r\nHost: t\r\n\r\n",
            ),
            (
                "t",
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n\0\n\r\n",
                "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\n\0\n",
            ),
            ("t/p", "GET /a?b HTTP/1.1\r\nHost: a\r\n\r\n", "GET /p/a?b HTTP/1.1\r\nHost: t\r\n\r\n"),
            ("t/p", "\r\nGET / HTTP/1.1\r\n\r\n", "GET /p/ HTTP/1.1\r\n\r\n"),
            ("t/p", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: t\r\n\r\n"),
            ("t/p", "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", "CONNECT a:1 HTTP/1.1\r\nHost: t\r\n\r\n"),
            (
                "t/p",
                "GET http://a:9/x HTTP/1.1\r\nHost: a\r\n\r\n",
                "GET http://t/p/x HTTP/1.1\r\nHost: t\r\n\r\n",
            ),
            (
                "u:p@t",
                "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                "GET / HTTP/1.1\r\nAuthorization: Basic dTpw\r\nHost: t\r\n\r\n",
            ),
            (
                "u:p@t",
                "GET / HTTP/1.1\r\nauthorization: x\r\n\r\n",
                "GET / HTTP/1.1\r\nauthorization: x\r\n\r\n",
            ),
        ] {
            let (out, _) = edited(target, false, payload.as_bytes()).unwrap();
            assert_eq!(out, expected, "{target} {payload:?}");
        }
    }

    #[test]
    fn the_recorded_host_is_kept_where_asked() {
        for (payload, expected) in [
            ("GET /a HTTP/1.1\r\nHost: a\r\n\r\n", "GET /p/a HTTP/1.1\r\nHost: a\r\n\r\n"),
            ("GET http://a/x HTTP/1.1\r\nHost: a\r\n\r\n", "GET http://a/p/x HTTP/1.1\r\nHost: a\r\n\r\n"),
        ] {
            assert_eq!(edited("t/p", true, payload.as_bytes()).unwrap().0, expected, "{payload:?}");
        }
    }

    #[test]
    fn what_is_not_exactly_one_request_is_not_sent() {
        for (payload, expected) in [
            ("", Unsendable::Short),
            ("GET / HTTP/1.1\r\nHost: a\r\n", Unsendable::Short),
            ("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nab", Unsendable::Short),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", Unsendable::Short),
            ("GET / HTTP/1.1\r\n\r\nab", Unsendable::Long),
            ("GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n", Unsendable::Long),
        ] {
            assert_eq!(edited("t", false, payload.as_bytes()).unwrap_err(), expected, "{payload:?}");
        }
        assert!(matches!(edited("t", false, b"\x16\x03\x01 hello\r\n\r\n"), Err(Unsendable::Fault(_))));
    }

    #[test]
    fn a_request_tells_whether_it_may_be_repeated_and_followed() {
        for (payload, is_idempotent, keeps_alive) in [
            ("GET / HTTP/1.1\r\n\r\n", true, true),
            ("PUT / HTTP/1.1\r\nConnection: close\r\n\r\n", true, false),
            ("POST / HTTP/1.0\r\n\r\n", false, false),
            ("get / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", false, true),
        ] {
            let (_, shape) = edited("t", false, payload.as_bytes()).unwrap();
            assert_eq!((shape.is_idempotent, shape.keeps_alive), (is_idempotent, keeps_alive), "{payload:?}");
        }
    }
}
