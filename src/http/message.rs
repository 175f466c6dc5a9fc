//! What a message says as a whole: whose host, which status, what content.

use std::borrow::Cow;

use memchr::{memchr, memmem, memrchr};

use super::{Framer, Head, RequestContext, chunked, query, status_line};

/// The host a request is for, without port: that of an absolute target or a
/// CONNECT's, which overrules the first Host field (RFC 9112 §3.2.2).
pub fn host<'a>(head: &Head<'a>) -> Option<&'a [u8]> {
    let host = host_and_port(head)?;
    // The colons of an IPv6 address stand in brackets.
    let from = memchr(b']', host).unwrap_or(0);
    let end = memrchr(b':', &host[from..]).map_or(host.len(), |colon| from + colon);
    Some(&host[..end])
}

/// The same with its port, where the request names one.
pub fn host_and_port<'a>(head: &Head<'a>) -> Option<&'a [u8]> {
    let line = head.request_line()?;
    let authority = if line.method == b"CONNECT" {
        line.target
    } else if let Some(authority) = query::authority(line.target) {
        &line.target[authority]
    } else {
        head.values(b"host").next()?
    };
    Some(&authority[memrchr(b'@', authority).map_or(0, |sign| sign + 1)..])
}

/// The three digits of a response's status.
pub fn status(response: &[u8]) -> Option<&[u8]> {
    let line = status_line(response)?;
    // The parser has found them: the first word after the version, spaces between.
    let at = memmem::find(response, line.version)? + line.version.len();
    let spaces = response[at..].iter().take_while(|&&byte| byte == b' ').count();
    response.get(at + spaces..at + spaces + 3)
}

/// Whether the last transfer coding is chunked (RFC 9112 §6.1).
pub fn is_chunked(head: &Head<'_>) -> bool {
    let coding = head.values(b"transfer-encoding").last().unwrap_or_default();
    let last = coding.rsplit(|&byte| byte == b',').next().unwrap_or_default();
    last.trim_ascii().eq_ignore_ascii_case(b"chunked")
}

/// The body without chunked framing, its content coding left as it is. What
/// has no HTTP head is body as a whole.
pub fn content(message: &[u8]) -> Cow<'_, [u8]> {
    let Some(head) = Head::of(message) else { return Cow::Borrowed(message) };
    let body = &message[head.len()..];
    if body.is_empty() || !is_chunked(&head) {
        return Cow::Borrowed(body);
    }
    let mut pieces = chunked::content(body);
    let first = pieces.next().unwrap_or_default();
    match pieces.next() {
        None => Cow::Borrowed(first),
        Some(second) => Cow::Owned([first, second].into_iter().chain(pieces).flatten().copied().collect()),
    }
}

/// Whether `bytes` are one whole request, nothing missing at its end and nothing after it.
pub fn is_whole_request(bytes: &[u8]) -> bool {
    Framer::request().is_whole(bytes)
}

/// The same of a response to a request that is not known. One of a head alone may answer a HEAD request, so it is
/// whole.
pub fn is_whole_response(bytes: &[u8]) -> bool {
    let to_head = RequestContext { head: true, ..RequestContext::default() };
    Framer::response(RequestContext::default()).is_whole(bytes)
        || Framer::response(to_head).measure(bytes) == Ok(Some(bytes.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_comes_without_port_and_an_absolute_target_overrules_the_field() {
        for (request, expected) in [
            ("GET / HTTP/1.1\r\nHost: shop.example.com\r\n\r\n", Some("shop.example.com")),
            ("GET / HTTP/1.1\r\nhost: Shop:8080\r\nHost: b\r\n\r\n", Some("Shop")),
            ("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", Some("[::1]")),
            ("GET / HTTP/1.1\r\nHost: [::1]\r\n\r\n", Some("[::1]")),
            ("GET http://u:p@proxied:81/x?a=b@c HTTP/1.1\r\nHost: b\r\n\r\n", Some("proxied")),
            ("GET http://proxied?x HTTP/1.1\r\nHost: b\r\n\r\n", Some("proxied")),
            ("GET /?u=http://c/ HTTP/1.1\r\nHost: b\r\n\r\n", Some("b")),
            ("CONNECT db.example.com:443 HTTP/1.1\r\nHost: b\r\n\r\n", Some("db.example.com")),
            ("OPTIONS * HTTP/1.1\r\nHost: b\r\n\r\n", Some("b")),
            ("GET / HTTP/1.0\r\n\r\n", None),
            ("\r\n\r\n", None),
        ] {
            let found = Head::of(request.as_bytes()).and_then(|head| host(&head));
            assert_eq!(found, expected.map(str::as_bytes), "{request:?}");
        }
    }

    #[test]
    fn a_status_is_three_digits() {
        for (response, expected) in [
            ("HTTP/1.1 200 OK\r\n\r\n", Some("200")),
            ("\r\nHTTP/1.0   404\r\n\r\n", Some("404")),
            ("HTTP/1.1 20 OK\r\n\r\n", None),
            ("GET / HTTP/1.1\r\n\r\n", None),
            ("", None),
        ] {
            assert_eq!(status(response.as_bytes()), expected.map(str::as_bytes), "{response:?}");
        }
    }

    #[test]
    fn content_is_the_body_without_chunks() {
        for (message, expected) in [
            ("GET / HTTP/1.1\r\n\r\n", ""),
            ("POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nab", "ab"),
            ("X Y\nTransfer-Encoding: gzip, Chunked\n\n2\r\nab\r\n0\r\n\r\n", "ab"),
            ("X Y\nTransfer-Encoding: chunked\n\n2\r\nab\r\n3;x\r\ncde\r\n1\r\nf\r\n0\r\n\r\n", "abcdef"),
            ("X Y\nTransfer-Encoding: chunked\n\n5\r\nab", "ab"),
            ("X Y\nTransfer-Encoding: chunked, gzip\n\n2\r\nab\r\n", "2\r\nab\r\n"),
            ("no head", "no head"),
        ] {
            assert_eq!(*content(message.as_bytes()), *expected.as_bytes(), "{message:?}");
        }
    }

    #[test]
    fn a_message_is_whole_when_its_framing_is() {
        for (is_whole, payload, expected) in [
            (is_whole_request as fn(&[u8]) -> bool, "GET / HTTP/1.1\r\n\r\n", true),
            (is_whole_request, "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nab", false),
            (is_whole_request, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na", false),
            (is_whole_request, "GET / HTTP/1.1\r\nHost", false),
            (is_whole_request, "\0binary", false),
            (is_whole_response, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", true),
            (is_whole_response, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no", false),
            (is_whole_response, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", true),
            (is_whole_response, "HTTP/1.1 200 OK\r\n\r\nuntil the end", true),
        ] {
            assert_eq!(is_whole(payload.as_bytes()), expected, "{payload:?}");
        }
    }
}
