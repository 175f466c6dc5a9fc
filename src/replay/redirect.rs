//! Redirections: the request that follows a response which points elsewhere (RFC 9110 §15.4).
//!
//! Only those are followed that stay with the target: what was recorded is sent to no server that nobody has named.

use url::Url;

use crate::http::edit::{FieldEdit, write_edited};
use crate::http::{Field, Head};

/// What comes of a response.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Redirection {
    /// It is no redirection.
    None,
    /// It points to another server.
    Elsewhere,
    /// The next request is there.
    Followed {
        /// Whether it has the body of the one before.
        keeps_body: bool,
    },
}

/// Fields that are about a body.
const OF_BODY: [&[u8]; 5] =
    [b"content-length", b"content-type", b"content-encoding", b"transfer-encoding", b"expect"];

/// Appends the head of the request that follows `request`, which went by this scheme and was answered so, to `out`.
pub(super) fn follow(scheme: &str, request: &[u8], response: &[u8], out: &mut Vec<u8>) -> Redirection {
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
    if next.origin() != base.origin() {
        return Redirection::Elsewhere;
    }
    // Clients change POST, though the RFC only allows it; 303 asks for it.
    let becomes_get = match status.status {
        303 => !matches!(line.method, b"GET" | b"HEAD"),
        301 | 302 => line.method == b"POST",
        _ => false,
    };
    let target = &next[url::Position::BeforePath..url::Position::AfterQuery];
    let edit = |field: &Field<'_>| {
        let goes = becomes_get && OF_BODY.iter().any(|name| field.name.eq_ignore_ascii_case(name));
        if goes { FieldEdit::Remove } else { FieldEdit::Keep }
    };
    let start = out.len();
    write_edited(&request, Some(target.as_bytes()), b"", edit, out);
    if becomes_get {
        out.splice(start..start + line.method.len(), *b"GET");
    }
    Redirection::Followed { keeps_body: !becomes_get }
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

    fn followed(method: &str, status: u16, location: &str) -> (Redirection, String) {
        let request =
            format!("{method} /a/b?c HTTP/1.1\r\nHost: t:81\r\nContent-Length: 2\r\nCookie: x\r\n\r\n");
        let response = format!("HTTP/1.1 {status} X\r\nLocation: {location}\r\n\r\n");
        let mut out = Vec::new();
        let redirection = follow("http", request.as_bytes(), response.as_bytes(), &mut out);
        (redirection, String::from_utf8(out).unwrap())
    }

    #[test]
    fn what_stays_with_the_target_is_followed() {
        for (location, target) in [
            ("/x", "/x"),
            ("x", "/a/x"),
            ("../x?y=z", "/x?y=z"),
            ("?q", "/a/b?q"),
            ("http://t:81/x#part", "/x"),
            ("//T:81/x", "/x"),
            ("", "/a/b?c"),
        ] {
            let (redirection, head) = followed("GET", 302, location);
            assert_eq!(redirection, Redirection::Followed { keeps_body: true }, "{location}");
            let expected =
                format!("GET {target} HTTP/1.1\r\nHost: t:81\r\nContent-Length: 2\r\nCookie: x\r\n\r\n");
            assert_eq!(head, expected, "{location}");
        }
    }

    #[test]
    fn other_servers_are_not_followed_and_other_statuses_point_nowhere() {
        for location in ["http://t/x", "https://t:81/x", "http://other:81/", "//other/x", "ftp://t:81/"] {
            assert_eq!(followed("GET", 301, location).0, Redirection::Elsewhere, "{location}");
        }
        for status in [200, 300, 304, 305, 306, 404] {
            assert_eq!(followed("GET", status, "/x").0, Redirection::None, "{status}");
        }
        assert_eq!(followed("GET", 302, "http://[/").0, Redirection::None);
    }

    #[test]
    fn methods_change_as_clients_change_them() {
        for (method, status, expected, keeps_body) in [
            ("POST", 301, "GET", false),
            ("POST", 302, "GET", false),
            ("PUT", 302, "PUT", true),
            ("PUT", 303, "GET", false),
            ("HEAD", 303, "HEAD", true),
            ("POST", 307, "POST", true),
            ("POST", 308, "POST", true),
        ] {
            let (redirection, head) = followed(method, status, "/x");
            assert_eq!(redirection, Redirection::Followed { keeps_body }, "{method} {status}");
            assert!(head.starts_with(&format!("{expected} /x HTTP/1.1\r\n")), "{head}");
            assert_eq!(head.contains("Content-Length"), keeps_body, "{head}");
        }
    }
}
