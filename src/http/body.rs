//! A message's body taken out of its framing and codings, and put back changed.

use memchr::memchr;

use super::chunked::{Decoder, Piece};
use super::coding::{self, Coding, Fault};
use super::{BodyLength, Framer, Head, RequestContext, Step, edit, token};

/// What follows a head.
#[derive(Clone, Debug)]
pub struct Body<'a> {
    framing: Framing<'a>,
    codings: Vec<Coding>,
    content: Vec<u8>,
    fault: Option<Fault>,
    /// Bytes of the content with its codings.
    coded_length: usize,
    /// What follows the message's end.
    surplus: &'a [u8],
}

#[derive(Clone, Copy, Debug)]
enum Framing<'a> {
    /// What follows the data of the last chunk, from the line of size 0 on; empty when it is cut off before that.
    Chunked(&'a [u8]),
    /// The length that the head declares.
    Length(u64),
    /// All there is.
    Rest,
}

impl<'a> Body<'a> {
    /// The body of `message`, a request or a response, which begins with `head`; of one that is, or decodes
    /// to, more than `limit` bytes there is no content, and a fault.
    pub fn of(head: &Head<'_>, message: &'a [u8], is_request: bool, limit: usize) -> Self {
        let rest = &message[head.len()..];
        let (framing, pieces, surplus) = match length(message, is_request) {
            BodyLength::Chunked => {
                let chunks = Chunks::of(rest);
                (Framing::Chunked(chunks.tail), chunks.data, chunks.surplus)
            }
            BodyLength::Fixed(declared) => {
                let end = usize::try_from(declared).unwrap_or(usize::MAX).min(rest.len());
                (Framing::Length(declared), vec![&rest[..end]], &rest[end..])
            }
            BodyLength::None | BodyLength::UntilClose => (Framing::Rest, vec![rest], &rest[rest.len()..]),
        };
        let coded_length = pieces.iter().map(|piece| piece.len()).sum();
        let mut body =
            Body { framing, codings: Vec::new(), content: Vec::new(), fault: None, coded_length, surplus };
        match codings(head) {
            // An empty body has nothing to decode, whatever its head says.
            _ if coded_length == 0 => {}
            Err(fault) => body.fault = Some(fault),
            Ok(_) if rest.len() > limit => body.fault = Some(Fault::TooLarge),
            Ok(codings) if codings.is_empty() => body.content = pieces.concat(),
            Ok(codings) => {
                let decoded = coding::decode(&pieces.concat(), codings, limit);
                body.fault = decoded.fault;
                body.codings = decoded.codings;
                body.content = if body.fault.is_none() { decoded.bytes } else { Vec::new() };
            }
        }
        body
    }

    /// The content without framing and codings; empty where there is a fault.
    pub fn content(&self) -> &[u8] {
        &self.content
    }

    /// Why the content cannot be read.
    pub fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    /// The trailer fields of a chunked body, up to and with the empty line where that is there.
    pub fn trailers(&self) -> Option<&'a [u8]> {
        let Framing::Chunked(tail) = self.framing else { return None };
        memchr(b'\n', tail).map(|end| &tail[end + 1..])
    }

    /// What follows the message's end, where it has one.
    pub fn surplus(&self) -> &'a [u8] {
        self.surplus
    }

    /// Writes the message with `head`, other content in the same codings, other trailers and another surplus.
    ///
    /// A chunked body becomes one chunk, a declared length follows the content: what was missing at its end is
    /// still missing. `false`, and nothing written: there is a fault, or a coder failed.
    pub fn write(
        &self,
        head: &Head<'_>,
        content: &[u8],
        trailers: &[u8],
        surplus: &[u8],
        out: &mut Vec<u8>,
    ) -> bool {
        if self.fault.is_some() {
            return false;
        }
        let coded;
        let coded = if self.codings.is_empty() {
            content
        } else {
            let Some(encoded) = coding::encode(content, &self.codings) else { return false };
            coded = encoded;
            &coded[..]
        };
        match self.framing {
            Framing::Length(declared) => {
                let missing = declared.saturating_sub(self.coded_length as u64);
                let length = (coded.len() as u64 + missing).to_string();
                let name =
                    head.fields_named(b"content-length").next().map_or(&b"Content-Length"[..], |f| f.name);
                edit::set_field(head, name, length.as_bytes(), out);
                out.extend_from_slice(coded);
            }
            Framing::Chunked(tail) => {
                out.extend_from_slice(head.bytes());
                if !coded.is_empty() {
                    out.extend_from_slice(format!("{:x}\r\n", coded.len()).as_bytes());
                    out.extend_from_slice(coded);
                }
                // Where the last chunk is cut off, so is its line end.
                if !tail.is_empty() {
                    let end = memchr(b'\n', tail).map_or(tail.len(), |end| end + 1);
                    out.extend_from_slice(if coded.is_empty() { b"" } else { b"\r\n" });
                    out.extend_from_slice(&tail[..end]);
                    out.extend_from_slice(trailers);
                }
            }
            Framing::Rest => {
                out.extend_from_slice(head.bytes());
                out.extend_from_slice(coded);
            }
        }
        out.extend_from_slice(surplus);
        true
    }
}

/// How the length of the body is told; of a message whose framing is broken, all there is is its body.
fn length(message: &[u8], is_request: bool) -> BodyLength {
    let mut framer = if is_request { Framer::request() } else { Framer::response(RequestContext::default()) };
    let mut at = 0;
    loop {
        match framer.advance(&message[at..]) {
            Ok(Step::Skip(length)) => at += length,
            Ok(Step::Head(_)) => return framer.length(),
            Ok(Step::More | Step::Body(_) | Step::Done) | Err(_) => return BodyLength::UntilClose,
        }
    }
}

/// The codings of the content, then those of its transfer but the chunks, in the order in which they were applied.
fn codings(head: &Head<'_>) -> Result<Vec<Coding>, Fault> {
    let mut codings = coding::codings(head)?;
    let mut transfer: Vec<_> = head.values(b"transfer-encoding").flat_map(token::list).collect();
    if transfer.last().is_some_and(|last| name(last).eq_ignore_ascii_case(b"chunked")) {
        transfer.pop();
    }
    codings.extend(coding::named(transfer.into_iter().map(name))?);
    Ok(codings)
}

/// A transfer coding without its parameters.
fn name(coding: &[u8]) -> &[u8] {
    coding.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii()
}

/// A chunked body taken apart.
struct Chunks<'a> {
    data: Vec<&'a [u8]>,
    tail: &'a [u8],
    surplus: &'a [u8],
}

impl<'a> Chunks<'a> {
    fn of(body: &'a [u8]) -> Self {
        let (mut decoder, mut data, mut at) = (Decoder::default(), Vec::new(), 0);
        // What came after the latest data.
        let mut framing = 0..0;
        loop {
            match decoder.advance(&body[at..]) {
                Ok(Piece::Framing(length)) => {
                    framing = at..at + length;
                    at += length;
                }
                Ok(Piece::Data(length)) => {
                    data.push(&body[at..at + length]);
                    at += length;
                    framing = at..at;
                }
                Ok(Piece::More | Piece::End) | Err(_) => break,
            }
        }
        let mut tail = &body[framing];
        if !data.is_empty() {
            tail = tail.strip_prefix(b"\r").unwrap_or(tail);
            tail = tail.strip_prefix(b"\n").unwrap_or(tail);
        }
        // A size without its line's end, or of a chunk whose data is missing, is no last chunk.
        let line = memchr(b'\n', tail).map_or(&tail[..0], |end| &tail[..end]);
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        if digits == 0 || line[..digits].iter().any(|&digit| digit != b'0') {
            tail = &tail[..0];
        }
        Chunks { data, tail, surplus: &body[at..] }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::http::message;

    const LIMIT: usize = 1 << 20;

    /// The message with what `change` makes of its content.
    fn changed(message: &[u8], is_request: bool, change: impl Fn(&[u8]) -> Vec<u8>) -> Option<Vec<u8>> {
        let head = Head::of(message).expect("a head");
        let body = Body::of(&head, message, is_request, LIMIT);
        let mut out = Vec::new();
        let trailers = body.trailers().unwrap_or_default();
        body.write(&head, &change(body.content()), trailers, body.surplus(), &mut out).then_some(out)
    }

    #[test]
    fn content_is_replaced_and_the_framing_says_so() {
        for (before, after) in [
            ("A / HTTP/1.1\r\ncontent-LENGTH:  2\r\n\r\nab", "A / HTTP/1.1\r\ncontent-LENGTH: 4\r\n\r\nabab"),
            (
                "A / HTTP/1.1\r\nContent-Length: 2, 2\r\n\r\nab",
                "A / HTTP/1.1\r\nContent-Length: 4\r\n\r\nabab",
            ),
            // Three bytes are missing, before and after.
            ("A / HTTP/1.1\r\nContent-Length: 5\r\n\r\nab", "A / HTTP/1.1\r\nContent-Length: 7\r\n\r\nabab"),
            ("A / HTTP/1.1\r\nContent-Length: 1\r\n\r\nabc", "A / HTTP/1.1\r\nContent-Length: 2\r\n\r\naabc"),
            (
                "A / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;x\r\na\r\n1\r\nb\r\n00;y\r\nT: u\r\n\r\n",
                "A / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabab\r\n00;y\r\nT: u\r\n\r\n",
            ),
            (
                "A / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nT:",
                "A / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabab\r\n0\r\nT:",
            ),
            (
                "A / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
                "A / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabab",
            ),
            (
                "A / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n5\r\n",
                "A / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabab",
            ),
            ("A / HTTP/1.1\r\n\r\nab", "A / HTTP/1.1\r\n\r\nabab"),
        ] {
            let new = changed(before.as_bytes(), true, |content| content.repeat(2)).expect("no fault");
            assert_eq!(String::from_utf8(new).unwrap(), after, "{before:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_has_a_fault_and_is_not_written() {
        let large = vec![b'a'; LIMIT + 1];
        for (field, content, fault) in [
            ("Content-Encoding: sdch", &b"a"[..], Some(Fault::Unknown("sdch".into()))),
            ("Content-Encoding: gzip", b"no gzip", Some(Fault::Broken)),
            (
                "Transfer-Encoding: compress, chunked",
                b"1\r\na\r\n0\r\n\r\n",
                Some(Fault::Unknown("compress".into())),
            ),
            ("A: b", &large, Some(Fault::TooLarge)),
            ("Content-Encoding: sdch", b"", None),
        ] {
            let message = [b"HTTP/1.1 200 OK\r\n", field.as_bytes(), b"\r\n\r\n", content].concat();
            let body = Body::of(&Head::of(&message).unwrap(), &message, false, LIMIT);
            assert_eq!(body.fault(), fault.as_ref(), "{field}");
            assert_eq!(changed(&message, false, <[u8]>::to_vec).is_none(), fault.is_some(), "{field}");
        }
    }

    /// A body in chunks of at most three bytes.
    fn in_chunks(content: &[u8]) -> Vec<u8> {
        let chunks = content
            .chunks(3)
            .map(|chunk| [format!("{:X}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
        [chunks.collect::<Vec<_>>().concat(), b"0\r\nA: b\r\n\r\n".to_vec()].concat()
    }

    proptest! {
        #[test]
        fn a_whole_message_stays_whole_and_holds_the_new_content(
            before in prop::collection::vec(any::<u8>(), 1..200),
            after in prop::collection::vec(any::<u8>(), 1..200),
            coding in prop::sample::select(vec!["", "gzip", "deflate", "br", "zstd", "br, gzip"]),
            is_chunked: bool,
            is_request: bool,
            codes_transfer: bool,
        ) {
            let names: Vec<_> = coding.split(", ").filter(|name| !name.is_empty()).map(str::as_bytes).collect();
            let codings = coding::named(names.into_iter()).unwrap();
            let coded = coding::encode(&before, &codings).unwrap();
            let start = if is_request { "POST / HTTP/1.1" } else { "HTTP/1.1 200 OK" };
            let fields = match (is_chunked, codes_transfer && !coding.is_empty()) {
                (false, _) => format!("Content-Encoding: {coding}\r\nContent-Length: {}", coded.len()),
                (true, false) => format!("Content-Encoding: {coding}\r\nTransfer-Encoding: chunked"),
                (true, true) => format!("Transfer-Encoding: {coding}, chunked"),
            };
            let body = if is_chunked { in_chunks(&coded) } else { coded };
            let message = [format!("{start}\r\n{fields}\r\n\r\n").as_bytes(), &body].concat();
            let is_whole = if is_request { message::is_whole_request } else { message::is_whole_response };
            prop_assert!(is_whole(&message));
            let read = Body::of(&Head::of(&message).unwrap(), &message, is_request, LIMIT);
            prop_assert_eq!(read.content(), &before[..]);
            let new = changed(&message, is_request, |_| after.clone()).expect("it can be written");
            prop_assert!(is_whole(&new));
            let read = Body::of(&Head::of(&new).unwrap(), &new, is_request, LIMIT);
            prop_assert_eq!(read.content(), &after[..]);
            prop_assert_eq!(read.trailers(), is_chunked.then_some(&b"A: b\r\n\r\n"[..]));
        }

        #[test]
        fn no_bytes_do_harm(
            fields in prop::sample::select(vec!["Content-Length: 9", "Transfer-Encoding: chunked", "Content-Encoding: gzip", "A: b"]),
            body in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"\r\n0123;".to_vec())], 0..40),
            is_request: bool,
        ) {
            let message = [format!("POST / HTTP/1.1\r\n{fields}\r\n\r\n").as_bytes(), &body].concat();
            changed(&message, is_request, <[u8]>::to_vec);
        }
    }
}
