//! What a line says of a message.

use super::Exchange;
use crate::http::{Framer, Head, RequestContext, chunked, message};
use crate::record::{Kind, Mark, View};

/// A message in short.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Facts {
    /// The record's id.
    pub id: Box<[u8]>,
    /// When it began: nanoseconds since the Unix epoch.
    pub time: i64,
    /// Nanoseconds from its beginning to its end; of a replayed response, from the request to its end. Absent in some
    /// recordings.
    pub latency: Option<i64>,
    /// Why it is not whole.
    pub mark: Option<Mark>,
    /// Whether it is unmarked and ends before its Content-Length or last chunk, if it is no answer to a HEAD request.
    pub is_short: bool,
    /// Its first line.
    pub start: StartLine,
    /// Bytes of its body, without chunked framing, as far as they were recorded.
    pub size: u64,
    /// What the body is said to be, without parameters, in lower case.
    pub media_type: Option<Box<str>>,
}

/// The first line of a message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum StartLine {
    /// Of a request.
    Request {
        /// The method.
        method: Box<[u8]>,
        /// Whom it is for, with the port if it names one.
        host: Option<Box<[u8]>>,
        /// Path and query, or what stands in their place.
        target: Box<[u8]>,
    },
    /// Of a response: the status.
    Response(u16),
    /// It is not HTTP, or cut within its head.
    Unknown,
}

impl Facts {
    /// Looks at a record.
    pub fn of(record: &View<'_>) -> Self {
        let header = &record.header;
        let mut facts = Facts {
            id: header.id.into(),
            time: header.timestamp,
            latency: header.latency.filter(|latency| *latency >= 0),
            mark: header.mark,
            is_short: false,
            start: StartLine::Unknown,
            size: record.payload.len() as u64,
            media_type: None,
        };
        let Some(head) = Head::of(record.payload) else { return facts };
        let request = head.request_line().filter(|_| header.kind == Kind::Request);
        let status = head.status_line().filter(|_| header.kind != Kind::Request);
        facts.start = match (request, status) {
            (Some(line), _) => StartLine::Request {
                method: line.method.into(),
                host: message::host_and_port(&head).map(Into::into),
                target: crate::http::query::path_and_query(line.target).into(),
            },
            (_, Some(line)) => StartLine::Response(line.status),
            _ => return facts,
        };
        let body = &record.payload[head.len()..];
        facts.size = body.len() as u64;
        if message::is_chunked(&head) {
            facts.size = chunked::content(body).map(|piece| piece.len() as u64).sum();
        }
        if facts.mark.is_none() {
            let framer = match header.kind {
                Kind::Request => Framer::request(),
                _ => Framer::response(RequestContext::default()),
            };
            facts.is_short = framer.measure(record.payload) == Ok(None);
        }
        facts.media_type = head.values(b"content-type").next().and_then(media_type);
        facts
    }

    /// When it ended, as far as that is known.
    pub fn end(&self) -> i64 {
        self.time.saturating_add(self.latency.unwrap_or(0))
    }

    /// The status, of a response.
    pub fn status(&self) -> Option<u16> {
        if let StartLine::Response(status) = self.start { Some(status) } else { None }
    }
}

impl Exchange<Facts> {
    /// Which of its messages end before their framing says although no mark tells: the request, the response, the
    /// replayed response. A response without body may be complete where its request is not known, or is HEAD or CONNECT
    /// (RFC 9112 §6.3).
    pub fn short(&self) -> [bool; 3] {
        let method = self.request.as_ref().and_then(|request| match &request.start {
            StartLine::Request { method, .. } => Some(&**method),
            _ => None,
        });
        let needs_body = method.is_some_and(|method| method != b"HEAD" && method != b"CONNECT");
        let is_short = |answer: &Option<Facts>| {
            answer.as_ref().is_some_and(|answer| answer.is_short && (answer.size > 0 || needs_body))
        };
        let request = self.request.as_ref().is_some_and(|request| request.is_short);
        [request, is_short(&self.response), is_short(&self.replayed)]
    }
}

/// `application/json` of `Application/JSON; charset=utf-8`.
fn media_type(value: &[u8]) -> Option<Box<str>> {
    let name = value.split(|&byte| byte == b';').next()?.trim_ascii();
    let name = str::from_utf8(name).ok().filter(|name| !name.is_empty())?;
    Some(name.to_ascii_lowercase().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Block, Header};

    fn facts(kind: Kind, payload: &str) -> Facts {
        let mut block = Block::new();
        let header = Header { kind, id: b"a", timestamp: 7, latency: Some(2), ..Header::default() };
        block.push(&header, payload.as_bytes());
        Facts::of(&block.get(0))
    }

    #[test]
    fn a_request_has_a_method_a_host_and_a_target() {
        let request = "GET http://shop:81/a?b=c HTTP/1.1\r\nHost: x\r\n\r\n";
        let facts = facts(Kind::Request, request);
        let expected = StartLine::Request {
            method: (*b"GET").into(),
            host: Some((*b"shop:81").into()),
            target: (*b"/a?b=c").into(),
        };
        assert_eq!((facts.start.clone(), facts.size, facts.end()), (expected, 0, 9));
    }

    #[test]
    fn the_size_is_that_of_the_body_without_chunks() {
        for (message, size, media) in [
            ("HTTP/1.1 200 OK\r\nContent-Type: Text/HTML; charset=x\r\n\r\nabc", 3, Some("text/html")),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
                3,
                None,
            ),
            ("HTTP/1.1 204 No Content\r\n\r\n", 0, None),
        ] {
            let facts = facts(Kind::Response, message);
            assert_eq!((facts.size, facts.media_type.as_deref()), (size, media), "{message}");
        }
    }

    #[test]
    fn a_message_is_short_if_its_framing_asks_for_more_and_no_mark_tells() {
        let get = "GET / HTTP/1.1\r\n\r\n";
        let length = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n";
        let of = |request: Option<&str>, response: &str| {
            let request = request.map(|request| facts(Kind::Request, request));
            Exchange { request, response: Some(facts(Kind::Response, response)), ..Exchange::default() }
                .short()
        };
        for (request, response, expected) in [
            (Some(get), "HTTP/1.1 200 OK\r\n\r\nto the end", [false, false, false]),
            (Some(get), &format!("{length}abc"), [false, false, false]),
            (Some(get), &format!("{length}ab"), [false, true, false]),
            (Some(get), length, [false, true, false]),
            (Some("HEAD / HTTP/1.1\r\n\r\n"), length, [false, false, false]),
            (Some(get), "HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", [false, false, false]),
            (None, length, [false, false, false]),
            (None, &format!("{length}ab"), [false, true, false]),
            (
                Some("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"),
                &format!("{length}abc"),
                [true, false, false],
            ),
        ] {
            assert_eq!(of(request, response), expected, "{request:?} {response:?}");
        }
    }

    #[test]
    fn what_is_no_message_of_its_kind_is_unknown() {
        for (kind, payload) in [
            (Kind::Request, "\0\x01"),
            (Kind::Request, "GET / HT"),
            (Kind::Response, "GET / HTTP/1.1\r\n\r\n"),
        ] {
            assert_eq!(facts(kind, payload).start, StartLine::Unknown, "{payload:?}");
        }
    }
}
