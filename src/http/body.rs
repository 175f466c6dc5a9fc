//! A message's body taken out of its framing and codings, and put back changed.

use memchr::memchr;

use super::chunked::{ChunkedDecoder, ChunkedPiece};
use super::coding::{self, Coding, CodingFault};
use super::{BodyLength, Framer, Head, RequestContext, Step, edit, token};

/// What follows a head.
#[derive(Clone, Debug)]
pub struct Body<'a> {
    framing: Framing<'a>,
    /// The content with its codings, in pieces.
    pieces: Vec<&'a [u8]>,
    /// Everything but the trailers and the surplus, as it is in the message.
    raw: &'a [u8],
    /// What follows the message's end.
    surplus: &'a [u8],
}

#[derive(Clone, Copy, Debug)]
enum Framing<'a> {
    /// The line of the last chunk, of size 0, and the trailers; both are empty where it is cut off before that.
    ///
    /// Where the chunks break off at bytes that cannot follow, `broken` is what stands between the data and these.
    Chunked { last: &'a [u8], trailers: &'a [u8], broken: &'a [u8] },
    /// The length that the head declares.
    Length(u64),
    /// All there is.
    Rest,
}

/// Content, and what it is coded with.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Content {
    /// The content without codings.
    pub bytes: Vec<u8>,
    codings: Vec<Coding>,
}

impl Content {
    /// Whether it was in a coding.
    pub fn is_coded(&self) -> bool {
        !self.codings.is_empty()
    }
}

impl<'a> Body<'a> {
    /// The body of `message`, a request or a response, which begins with `head`.
    pub fn of(head: &Head<'_>, message: &'a [u8], is_request: bool) -> Self {
        let rest = &message[head.len()..];
        match length(message, is_request) {
            BodyLength::Chunked => Self::chunked(rest),
            BodyLength::Fixed(declared) => {
                let end = usize::try_from(declared).unwrap_or(usize::MAX).min(rest.len());
                let (raw, surplus) = rest.split_at(end);
                Body { framing: Framing::Length(declared), pieces: vec![raw], raw, surplus }
            }
            BodyLength::None | BodyLength::UntilClose => {
                Body { framing: Framing::Rest, pieces: vec![rest], raw: rest, surplus: &[] }
            }
        }
    }

    fn chunked(body: &'a [u8]) -> Self {
        let (mut decoder, mut pieces, mut at) = (ChunkedDecoder::default(), Vec::new(), 0);
        // Where the latest data ends.
        let mut data_end = 0;
        loop {
            match decoder.advance(&body[at..]) {
                Ok(ChunkedPiece::Framing(length)) => at += length,
                Ok(ChunkedPiece::Data(length)) => {
                    pieces.push(&body[at..at + length]);
                    at += length;
                    data_end = at;
                }
                Ok(ChunkedPiece::More | ChunkedPiece::End) | Err(_) => break,
            }
        }
        let mut tail = &body[data_end..at];
        if !pieces.is_empty() {
            tail = tail.strip_prefix(b"\r").unwrap_or(tail);
            tail = tail.strip_prefix(b"\n").unwrap_or(tail);
        }
        // A size without its line's end, or of a chunk whose data is missing, is no last chunk.
        let line = memchr(b'\n', tail).map_or(0, |end| end + 1);
        let digits = tail[..line].iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let is_last = digits > 0 && tail[..digits].iter().all(|&digit| digit == b'0');
        let (last, trailers) = if is_last { tail.split_at(line) } else { (&tail[..0], &tail[..0]) };
        let (raw, surplus) = (&body[..at - trailers.len()], &body[at..]);
        let broken = if is_last || surplus.is_empty() { &surplus[..0] } else { &body[data_end..at] };
        Body { framing: Framing::Chunked { last, trailers, broken }, pieces, raw, surplus }
    }

    /// Whether there is no content.
    pub fn is_empty(&self) -> bool {
        self.coded_length() == 0
    }

    fn coded_length(&self) -> usize {
        self.pieces.iter().map(|piece| piece.len()).sum()
    }

    /// The content without framing and codings, which `head` names; a fault when it is, or decodes to, more than
    /// `limit` bytes.
    pub fn content(&self, head: &Head<'_>, limit: usize) -> Result<Content, CodingFault> {
        // An empty body has nothing to decode, whatever its head says.
        if self.is_empty() {
            return Ok(Content::default());
        }
        let codings = codings(head)?;
        if self.coded_length() > limit {
            return Err(CodingFault::TooLarge);
        }
        let bytes = self.pieces.concat();
        if codings.is_empty() {
            return Ok(Content { bytes, codings });
        }
        let decoded = coding::decode(&bytes, codings, limit);
        match decoded.fault {
            Some(fault) => Err(fault),
            None => Ok(Content { bytes: decoded.bytes, codings: decoded.codings }),
        }
    }

    /// The trailer fields of a chunked body, up to and with the empty line where that is there.
    pub fn trailers(&self) -> &'a [u8] {
        if let Framing::Chunked { trailers, .. } = self.framing { trailers } else { &[] }
    }

    /// What follows the message's end, where it has one.
    pub fn surplus(&self) -> &'a [u8] {
        self.surplus
    }

    /// Writes the message with `head`, new content, trailers and surplus; what there is no new one of stays.
    ///
    /// With new content a chunked body becomes one chunk, a declared length follows the content: what was missing at
    /// its end is still missing. `false`: a coder failed, and what was written is of no use.
    pub fn write(
        &self,
        head: &Head<'_>,
        content: Option<&Content>,
        trailers: Option<&[u8]>,
        surplus: Option<&[u8]>,
        out: &mut Vec<u8>,
    ) -> bool {
        if let Some(content) = content {
            let Some(coded) = coding::encode(&content.bytes, &content.codings) else { return false };
            self.write_content(head, &coded, out);
        } else {
            out.extend_from_slice(head.bytes());
            out.extend_from_slice(self.raw);
        }
        out.extend_from_slice(trailers.unwrap_or(self.trailers()));
        out.extend_from_slice(surplus.unwrap_or(self.surplus));
        true
    }

    /// Whether it is in chunks.
    pub fn is_chunked(&self) -> bool {
        matches!(self.framing, Framing::Chunked { .. })
    }

    /// Whether it ends where its framing says. Without length it does.
    pub fn is_whole(&self) -> bool {
        match self.framing {
            Framing::Chunked { last, broken, .. } => !last.is_empty() && broken.is_empty(),
            Framing::Length(declared) => self.coded_length() as u64 == declared,
            Framing::Rest => true,
        }
    }

    fn write_content(&self, head: &Head<'_>, coded: &[u8], out: &mut Vec<u8>) {
        match self.framing {
            Framing::Length(declared) => {
                let missing = declared.saturating_sub(self.coded_length() as u64);
                let length = (coded.len() as u64).saturating_add(missing).to_string();
                let field = head.fields_named(b"content-length").next();
                let name = field.map_or(&b"Content-Length"[..], |field| field.name);
                edit::set_field(head, name, length.as_bytes(), out);
                out.extend_from_slice(coded);
            }
            Framing::Chunked { last, broken, .. } => {
                out.extend_from_slice(head.bytes());
                if !coded.is_empty() {
                    out.extend_from_slice(format!("{:x}\r\n", coded.len()).as_bytes());
                    out.extend_from_slice(coded);
                    // Where the last chunk is cut off, so is the end of this one.
                    out.extend_from_slice(if last.is_empty() { b"" } else { b"\r\n" });
                }
                out.extend_from_slice(last);
                // Without it the surplus might be read as the next chunk.
                out.extend_from_slice(broken);
            }
            Framing::Rest => {
                out.extend_from_slice(head.bytes());
                out.extend_from_slice(coded);
            }
        }
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
pub fn codings(head: &Head<'_>) -> Result<Vec<Coding>, CodingFault> {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::http::message;

    const LIMIT: usize = 1 << 20;

    /// The message with what `change` makes of its content.
    fn changed(
        message: &[u8],
        is_request: bool,
        change: impl Fn(&[u8]) -> Vec<u8>,
    ) -> Result<Vec<u8>, CodingFault> {
        let head = Head::of(message).expect("a head");
        let body = Body::of(&head, message, is_request);
        let mut content = body.content(&head, LIMIT)?;
        content.bytes = change(&content.bytes);
        let mut out = Vec::new();
        assert!(body.write(&head, Some(&content), None, None, &mut out), "it can be encoded");
        Ok(out)
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
            // What follows broken chunks does not become content.
            (
                "A / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n\r\n1\r\nb",
                "A / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\naa\r\n\r\n1\r\nb",
            ),
            (
                "A / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\r\n1\r\nb",
                "A / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\naa\r\r\n1\r\nb",
            ),
            (
                "A / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n5z",
                "A / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\naa\r\n5z",
            ),
            ("A / HTTP/1.1\r\n\r\nab", "A / HTTP/1.1\r\n\r\nabab"),
        ] {
            let new = changed(before.as_bytes(), true, |content| content.repeat(2)).expect("no fault");
            assert_eq!(String::from_utf8(new).unwrap(), after, "{before:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_has_a_fault() {
        let large = vec![b'a'; LIMIT + 1];
        let chunk = b"1\r\na\r\n0\r\n\r\n";
        for (field, content, fault) in [
            ("Content-Encoding: sdch", &b"a"[..], Some(CodingFault::Unknown("sdch".into()))),
            ("Content-Encoding: gzip", b"no gzip", Some(CodingFault::Broken)),
            ("Transfer-Encoding: compress, chunked", chunk, Some(CodingFault::Unknown("compress".into()))),
            ("A: b", &large, Some(CodingFault::TooLarge)),
            ("Content-Encoding: sdch", b"", None),
        ] {
            let message = [b"HTTP/1.1 200 OK\r\n", field.as_bytes(), b"\r\n\r\n", content].concat();
            assert_eq!(changed(&message, false, <[u8]>::to_vec).err(), fault, "{field}");
        }
    }

    #[test]
    fn trailers_are_replaced_and_the_chunks_stay() {
        let message =
            "A / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;x\r\na\r\n1\nb\r\n0;y\r\nT: u\r\n\r\nmore";
        let head = Head::of(message.as_bytes()).unwrap();
        let body = Body::of(&head, message.as_bytes(), true);
        assert_eq!((body.trailers(), body.surplus()), (&b"T: u\r\n\r\n"[..], &b"more"[..]));
        let mut out = Vec::new();
        assert!(body.write(&head, None, Some(b"V: w\r\n\r\n"), Some(b"less"), &mut out));
        assert_eq!(String::from_utf8(out).unwrap(), message.replace("T: u", "V: w").replace("more", "less"));
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
            let content = |message: &[u8]| {
                let head = Head::of(message).unwrap();
                Body::of(&head, message, is_request).content(&head, LIMIT).map(|content| content.bytes)
            };
            prop_assert_eq!(content(&message), Ok(before));
            let new = changed(&message, is_request, |_| after.clone()).expect("no fault");
            prop_assert!(is_whole(&new));
            prop_assert_eq!(content(&new), Ok(after));
            prop_assert_eq!(new.ends_with(b"0\r\nA: b\r\n\r\n"), is_chunked);
        }

        #[test]
        fn no_bytes_do_harm(
            fields in prop::sample::select(vec!["Content-Length: 9", "Transfer-Encoding: chunked", "Content-Encoding: gzip", "A: b"]),
            body in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"\r\n0123;".to_vec())], 0..40),
            is_request: bool,
        ) {
            let message = [format!("POST / HTTP/1.1\r\n{fields}\r\n\r\n").as_bytes(), &body].concat();
            let head = Head::of(&message).unwrap();
            let (body, mut out) = (Body::of(&head, &message, is_request), Vec::new());
            prop_assert!(body.write(&head, None, None, None, &mut out));
            prop_assert_eq!(&out, &message);
            // A fault is an answer too.
            let _ = changed(&message, is_request, <[u8]>::to_vec);
        }
    }
}
