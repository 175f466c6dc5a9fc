//! A message as writers of other formats see it: what it says, and what they have to count as lost.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::remarks::Remarks;
use crate::http::body::{self, Body};
use crate::http::coding::{self, CodingFault, MAX_DECODED};
use crate::http::{Head, RequestLine, StatusLine, is_token, message, query};
use crate::record::{Kind, Mark, Origin, Record};

/// The host in URLs of requests that name none (RFC 6761 §6.4: no host has this name).
const NO_HOST: &[u8] = b"unknown.invalid";

/// The port that tells that a request was one of https, as nothing else does in a recording.
const HTTPS: u16 = 443;

/// A message of HTTP/1.
pub(super) struct Message<'a> {
    pub(super) record: &'a Record,
    pub(super) head: Head<'a>,
    pub(super) start: Start<'a>,
    /// The body without chunks, in its codings.
    pub(super) content: Cow<'a, [u8]>,
    has_trailers: bool,
    has_surplus: bool,
}

/// The first line.
#[derive(Clone, Copy)]
pub(super) enum Start<'a> {
    Request(RequestLine<'a>),
    Response(StatusLine<'a>),
}

/// A header field; the value has no line ends and no NUL.
pub(super) struct FieldText<'a> {
    pub(super) name: &'a str,
    pub(super) value: Cow<'a, [u8]>,
}

impl<'a> Message<'a> {
    /// The message of a record. None, counted: it is no message of HTTP/1.
    pub(super) fn of(record: &'a Record, remarks: &mut Remarks) -> Option<Self> {
        let found = Self::read(record);
        if found.is_none() {
            remarks.count("record that is no message of HTTP/1", "records that are no messages of HTTP/1");
        }
        found
    }

    fn read(record: &'a Record) -> Option<Self> {
        let payload = &*record.payload;
        let head = Head::of(payload)?;
        let is_request = record.kind == Kind::Request;
        let start = if is_request {
            let line = head.request_line()?;
            Start::Request(
                Some(line).filter(|line| is_token(line.method) && line.version.starts_with(b"HTTP/"))?,
            )
        } else {
            Start::Response(head.status_line()?)
        };
        let body = Body::of(&head, payload, is_request);
        let content = if body.is_chunked() {
            message::content(payload)
        } else {
            Cow::Borrowed(&payload[head.len()..payload.len() - body.surplus().len()])
        };
        // Without any, what is there of them is the empty line at most.
        let has_trailers = !body.trailers().trim_ascii().is_empty();
        Some(Message { record, head, start, content, has_trailers, has_surplus: !body.surplus().is_empty() })
    }

    /// The id for a comment or a description: ids of foreign recordings may have any signs, which become `_`.
    pub(super) fn plain_id(&self) -> String {
        String::from_utf8_lossy(&self.record.id)
            .chars()
            .map(|sign| if sign.is_ascii_alphanumeric() || ".-_".contains(sign) { sign } else { '_' })
            .collect()
    }

    /// Counts that it is not whole.
    pub(super) fn count_mark(&self, remarks: &mut Remarks) {
        match self.record.mark {
            Some(Mark::Cut) => remarks.count("message that was cut", "messages that were cut"),
            Some(Mark::Gap) => remarks.count("message with gaps", "messages with gaps"),
            Some(Mark::Doubtful) => remarks.count("doubtful message", "doubtful messages"),
            None => {}
        }
    }

    /// Counts what no other format has a place for.
    pub(super) fn count_lost(&self, remarks: &mut Remarks) {
        self.count_mark(remarks);
        if !self.record.extra.is_empty() {
            remarks.count("record's additional header line fields", "records' additional header line fields");
        }
        if self.has_trailers {
            remarks.count("message's trailers", "messages' trailers");
        }
        if self.has_surplus {
            remarks.count("message's bytes after its end", "messages' bytes after their ends");
        }
    }

    /// The method; of a response nothing.
    pub(super) fn method(&self) -> &'a str {
        match self.start {
            Start::Request(line) => str::from_utf8(line.method).unwrap_or_default(),
            Start::Response(_) => "",
        }
    }

    /// The target; of a response nothing.
    pub(super) fn target(&self) -> &'a [u8] {
        match self.start {
            Start::Request(line) => line.target,
            Start::Response(_) => b"",
        }
    }

    /// Whether the target is a path that a URL can hold as it is.
    pub(super) fn has_plain_path(&self) -> bool {
        self.target().starts_with(b"/") && self.target().iter().all(|&byte| is_of_url(byte))
    }

    /// As the first line has it.
    pub(super) fn version(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(match self.start {
            Start::Request(line) => line.version,
            Start::Response(line) => line.version,
        })
    }

    /// Counts a version that the format has no place for, where clients send HTTP/1.1.
    pub(super) fn count_version(&self, remarks: &mut Remarks) {
        if self.version() != "HTTP/1.1" {
            remarks.count(
                "request of another version, now HTTP/1.1",
                "requests of other versions, now HTTP/1.1",
            );
        }
    }

    /// `http`, unless the port in the id is that of https.
    pub(super) fn scheme(&self) -> &'static str {
        match Origin::of(&self.record.id) {
            Some(origin) if origin.server_port == HTTPS => "https",
            _ => "http",
        }
    }

    /// Scheme and host of the URL. What cannot be in a host is percent-encoded.
    pub(super) fn site(&self, remarks: &mut Remarks) -> String {
        let host = message::host_and_port(&self.head).unwrap_or_default();
        if host.is_empty() {
            remarks.count(
                "request without Host, whose URL has unknown.invalid",
                "requests without Host, whose URLs have unknown.invalid",
            );
        }
        let host = if host.is_empty() { NO_HOST } else { host };
        let may_be_in_host = |byte: u8| is_of_url(byte) && !b"/?\\<>\"`{|}^".contains(&byte);
        format!("{}://{}", self.scheme(), encoded(host, may_be_in_host))
    }

    /// The URL of a request. What cannot be in one is percent-encoded, and counted.
    pub(super) fn url(&self, remarks: &mut Remarks) -> String {
        let target = self.target();
        let site = self.site(remarks);
        let path = query::path_and_query(target);
        if path.iter().any(|&byte| !is_of_url(byte)) {
            remarks.count(
                "target with bytes that URLs cannot have, now percent-encoded",
                "targets with bytes that URLs cannot have, now percent-encoded",
            );
        }
        if query::authority(target).is_some() {
            return format!("{site}{}", encoded(path, is_of_url));
        }
        if target.starts_with(b"/") {
            return site + &encoded(target, is_of_url);
        }
        remarks.count("target that is neither path nor URL", "targets that are neither path nor URL");
        site
    }

    /// The header fields in their order; what cannot be one is left out and counted.
    pub(super) fn fields(&self, remarks: &mut Remarks) -> Vec<FieldText<'a>> {
        let mut fields = Vec::new();
        for field in self.head.fields() {
            let Some(name) = str::from_utf8(field.name).ok().filter(|name| is_token(name.as_bytes())) else {
                remarks.count("header line that is none of HTTP", "header lines that are none of HTTP");
                continue;
            };
            let mut value = Cow::Borrowed(field.value);
            if value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
                remarks.count(
                    "header value whose line ends or NULs are now spaces",
                    "header values whose line ends or NULs are now spaces",
                );
                for byte in value.to_mut() {
                    if matches!(*byte, b'\r' | b'\n' | 0) {
                        *byte = b' ';
                    }
                }
            }
            fields.push(FieldText { name, value });
        }
        fields
    }

    /// The value of the first field of this name.
    pub(super) fn field(&self, name: &'static [u8]) -> Option<&'a [u8]> {
        self.head.values(name).next()
    }

    /// The body without codings. One that does not decode stays as it is, and is counted.
    pub(super) fn decoded(&self, remarks: &mut Remarks) -> Cow<'_, [u8]> {
        if self.content.is_empty() {
            return Cow::Borrowed(&self.content);
        }
        let fault = match body::codings(&self.head) {
            Ok(codings) if codings.is_empty() => return Cow::Borrowed(&self.content),
            Ok(codings) => {
                let decoded = coding::decode(&self.content, codings, MAX_DECODED);
                match decoded.fault {
                    None => return Cow::Owned(decoded.bytes),
                    Some(fault) => fault,
                }
            }
            Err(fault) => fault,
        };
        if fault == CodingFault::TooLarge {
            remarks.count(
                "body that decodes to more than 64 MiB, as it was sent",
                "bodies that decode to more than 64 MiB, as they were sent",
            );
        } else {
            remarks.count(
                "body that does not decode, as it was sent",
                "bodies that do not decode, as they were sent",
            );
        }
        Cow::Borrowed(&self.content)
    }
}

/// Text of a header; bytes that are not UTF-8 are taken for Latin-1, and counted.
pub(super) fn text<'a>(value: &Cow<'a, [u8]>, remarks: &mut Remarks) -> Cow<'a, str> {
    let text = match value {
        Cow::Borrowed(bytes) => str::from_utf8(bytes).ok().map(Cow::Borrowed),
        Cow::Owned(bytes) => str::from_utf8(bytes).ok().map(|text| Cow::Owned(text.to_owned())),
    };
    text.unwrap_or_else(|| {
        remarks.count(
            "header value that is not UTF-8, read as Latin-1",
            "header values that are not UTF-8, read as Latin-1",
        );
        value.iter().map(|&byte| char::from(byte)).collect::<String>().into()
    })
}

/// Whether a byte may be in a URL's path or query as browsers write them: no space, no control character, no `#`,
/// nothing beyond ASCII.
fn is_of_url(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'#'
}

/// Bytes as text, all those percent-encoded that may not be there.
fn encoded(bytes: &[u8], may_stay: impl Fn(u8) -> bool) -> String {
    let mut out = String::with_capacity(bytes.len());
    for &byte in bytes {
        if may_stay(byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::coding::Coding;

    #[test]
    fn a_body_decodes_to_a_bounded_size() {
        for (size, expected) in [
            (MAX_DECODED, None),
            (MAX_DECODED + 1, Some("1 body that decodes to more than 64 MiB, as it was sent")),
        ] {
            let body = coding::encode(&vec![b'a'; size], &[Coding::Zstd]).expect("it can be encoded");
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Encoding: zstd\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            let payload = [head.as_bytes(), &body].concat();
            let record = Record { kind: Kind::Response, payload, ..Record::default() };
            let mut remarks = Remarks::default();
            let message = Message::of(&record, &mut remarks).expect("a message");
            let decoded = message.decoded(&mut remarks);
            assert_eq!(decoded.len(), if expected.is_some() { body.len() } else { size });
            assert_eq!(remarks.text().as_deref(), expected);
        }
    }
}
