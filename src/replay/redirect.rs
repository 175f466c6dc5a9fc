//! Redirections: the request that follows a response which points elsewhere (RFC 9110 §15.4).

use url::Url;

use crate::http::edit::{FieldEdit, set_field, write_edited};
use crate::http::{Field, Head};

/// What comes of a response.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Redirection {
    /// It is no redirection.
    None,
    /// It points to something that is not reached by HTTP: what it points to.
    Unsupported(String),
    /// The next request.
    Followed(NextRequest),
}

/// The request that follows a redirection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct NextRequest {
    pub(super) head: Vec<u8>,
    /// Whether it has the body of the one before.
    pub(super) keeps_body: bool,
    /// The server that sent the redirection, and the one it points to, as origins of URLs: `http://host:port`.
    pub(super) from: String,
    pub(super) to: String,
}

/// Fields that are about a body.
const OF_BODY: [&[u8]; 5] =
    [b"content-length", b"content-type", b"content-encoding", b"transfer-encoding", b"expect"];

/// Fields that prove to one host who is asking, and are not for another one.
const CREDENTIALS: [&[u8]; 3] = [b"authorization", b"cookie", b"proxy-authorization"];

fn is_among(field: &Field<'_>, names: &[&[u8]]) -> bool {
    names.iter().any(|name| field.name.eq_ignore_ascii_case(name))
}

/// What follows `request`, which went by this scheme and was answered so.
pub(super) fn follow(scheme: &str, request: &[u8], response: &[u8]) -> Redirection {
    let (Some(request), Some(response)) = (Head::of(request), Head::of(response)) else {
        return Redirection::None;
    };
    let (Some(line), Some(status)) = (request.request_line(), response.status_line()) else {
        return Redirection::None;
    };
    let location = response.values(b"location").next().and_then(|value| std::str::from_utf8(value).ok());
    let (301 | 302 | 303 | 307 | 308, Some(location)) = (status.status, location) else {
        return Redirection::None;
    };
    let Some(base) = base(scheme, &request, line.target) else { return Redirection::None };
    let Ok(next) = base.join(location) else { return Redirection::None };
    if !matches!(next.scheme(), "http" | "https") || next.port() == Some(0) {
        return Redirection::Unsupported(location.to_owned());
    }
    // Clients change POST, though the RFC only allows it; 303 asks for it.
    let becomes_get = match status.status {
        303 => !matches!(line.method, b"GET" | b"HEAD"),
        301 | 302 => line.method == b"POST",
        _ => false,
    };
    let target = &next[url::Position::BeforePath..url::Position::AfterQuery];
    let is_trusted = keeps_credentials(&base, &next);
    let edit = |field: &Field<'_>| {
        let goes = becomes_get && is_among(field, &OF_BODY) || !is_trusted && is_among(field, &CREDENTIALS);
        if goes { FieldEdit::Remove } else { FieldEdit::Keep }
    };
    let mut head = Vec::new();
    write_edited(&request, Some(target.as_bytes()), b"", edit, &mut head);
    if becomes_get {
        head.splice(..line.method.len(), *b"GET");
    }
    let (from, to) = (base.origin().ascii_serialization(), next.origin().ascii_serialization());
    if from != to {
        head = with_host(&head, &next[url::Position::BeforeHost..url::Position::AfterPort]);
    }
    Redirection::Followed(NextRequest { head, keeps_body: !becomes_get, from, to })
}

/// Whether credentials go along: on the same host, unless they would leave TLS.
fn keeps_credentials(base: &Url, next: &Url) -> bool {
    base.host() == next.host() && (base.scheme() != "https" || next.scheme() == "https")
}

/// The head with this Host.
fn with_host(head: &[u8], host: &str) -> Vec<u8> {
    let mut out = Vec::new();
    if let Some(head) = Head::of(head) {
        set_field(&head, b"Host", host.as_bytes(), &mut out);
    }
    out
}

/// Where the request went.
fn base(scheme: &str, request: &Head<'_>, target: &[u8]) -> Option<Url> {
    let target = std::str::from_utf8(target).ok()?;
    if !target.starts_with('/') {
        return Url::parse(target).ok();
    }
    let host = request.values(b"host").next().and_then(|host| std::str::from_utf8(host).ok());
    Url::parse(&format!("{scheme}://{}{target}", host.unwrap_or("localhost").trim())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow_from(scheme: &str, method: &str, status: u16, location: &str) -> Redirection {
        let request = format!(
            "{method} /a/b?c HTTP/1.1\r\nHost: t:81\r\nContent-Length: 2\r\nCookie: x\r\nAUTHORIZATION: y\r\nX: z\r\n\r\n"
        );
        let response = format!("HTTP/1.1 {status} X\r\nLocation: {location}\r\n\r\n");
        follow(scheme, request.as_bytes(), response.as_bytes())
    }

    /// The next request: its head, and whether it has the body and goes to the same server.
    fn followed(method: &str, status: u16, location: &str) -> (String, bool, bool) {
        match follow_from("http", method, status, location) {
            Redirection::Followed(next) => {
                (String::from_utf8(next.head).unwrap(), next.keeps_body, next.from == next.to)
            }
            other => panic!("{method} {status} {location}: {other:?}"),
        }
    }

    #[test]
    fn on_the_same_server_only_the_target_of_the_request_changes() {
        for (location, target) in [
            ("/x", "/x"),
            ("x", "/a/x"),
            ("../x?y=z", "/x?y=z"),
            ("?q", "/a/b?q"),
            ("http://t:81/x#part", "/x"),
            ("//T:81/x", "/x"),
            ("", "/a/b?c"),
        ] {
            let (head, keeps_body, is_same) = followed("GET", 302, location);
            assert!(keeps_body && is_same, "{location}");
            let expected = format!(
                "GET {target} HTTP/1.1\r\nHost: t:81\r\nContent-Length: 2\r\nCookie: x\r\nAUTHORIZATION: y\r\nX: z\r\n\r\n"
            );
            assert_eq!(head, expected, "{location}");
        }
    }

    #[test]
    fn another_host_gets_its_own_name_and_no_credentials() {
        for (scheme, location, to, host, has_credentials) in [
            ("http", "http://other/x", "http://other", "other", false),
            ("http", "//other:82/x", "http://other:82", "other:82", false),
            ("http", "https://u:p@other:443/x", "https://other", "other", false),
            ("http", "http://[::1]:82/x", "http://[::1]:82", "[::1]:82", false),
            ("http", "http://sub.t:81/x", "http://sub.t:81", "sub.t:81", false),
            ("http", "http://t/x", "http://t", "t", true),
            ("http", "https://t:82/x", "https://t:82", "t:82", true),
            ("https", "http://t:81/x", "http://t:81", "t:81", false),
        ] {
            let Redirection::Followed(next) = follow_from(scheme, "GET", 307, location) else {
                panic!("{location}");
            };
            assert_eq!((&next.from[..], &next.to[..]), (&format!("{scheme}://t:81")[..], to), "{location}");
            let head = String::from_utf8(next.head).unwrap();
            assert!(head.starts_with(&format!("GET /x HTTP/1.1\r\nHost: {host}\r\n")), "{location}: {head}");
            assert!(head.contains("X: z\r\n"), "{location}: {head}");
            for field in ["Cookie", "AUTHORIZATION"] {
                assert_eq!(head.contains(field), has_credentials, "{location}: {head}");
            }
        }
    }

    #[test]
    fn what_is_no_http_is_not_followed_and_other_statuses_point_nowhere() {
        let location = "ftp://t:81/";
        assert_eq!(follow_from("http", "GET", 301, location), Redirection::Unsupported(location.into()));
        for status in [200, 300, 304, 305, 306, 404] {
            assert_eq!(follow_from("http", "GET", status, "/x"), Redirection::None, "{status}");
        }
        assert_eq!(follow_from("http", "GET", 302, "http://[/"), Redirection::None);
    }

    #[test]
    fn methods_change_as_clients_change_them() {
        for (method, status, expected, keeps) in [
            ("POST", 301, "GET", false),
            ("POST", 302, "GET", false),
            ("PUT", 302, "PUT", true),
            ("PUT", 303, "GET", false),
            ("HEAD", 303, "HEAD", true),
            ("POST", 307, "POST", true),
            ("POST", 308, "POST", true),
        ] {
            let (head, keeps_body, _) = followed(method, status, "/x");
            assert_eq!(keeps_body, keeps, "{method} {status}");
            assert!(head.starts_with(&format!("{expected} /x HTTP/1.1\r\n")), "{head}");
            assert_eq!(head.contains("Content-Length"), keeps_body, "{head}");
        }
    }
}
