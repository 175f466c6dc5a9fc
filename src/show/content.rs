//! A body as a person can read it: decoded, indented, in its charset, or as a dump of its bytes.

use std::fmt::Write as _;

use encoding_rs::Encoding;
use serde::de::IgnoredAny;

use super::json_text;
use super::text::{printable, printable_lines};
use crate::http::{Head, body, coding, message, query};

/// An indented text has so many bytes at most; JSON of which it would have more is shown as it was sent.
const MAX_INDENTED: usize = 16 << 20;

/// Bytes of a dump.
const MAX_DUMPED: usize = 512;

/// What the body of a message is, without chunks and codings.
pub(super) struct ShownBody {
    pub(super) bytes: Vec<u8>,
    /// Why there may be more, or why it is still coded.
    pub(super) fault: Option<coding::CodingFault>,
}

/// The body of a message.
pub(super) fn content(head: &Head<'_>, payload: &[u8]) -> ShownBody {
    let body = message::content(payload);
    match body::codings(head) {
        Err(fault) => ShownBody { bytes: body.into_owned(), fault: Some(fault) },
        Ok(codings) => {
            let decoded = coding::decode(&body, codings, coding::MAX_DECODED);
            match decoded.fault {
                // What does not even begin to decode is shown as it is.
                Some(fault) if decoded.bytes.is_empty() => {
                    ShownBody { bytes: body.into_owned(), fault: Some(fault) }
                }
                fault => ShownBody { bytes: decoded.bytes, fault },
            }
        }
    }
}

/// Writes a body, of several lines perhaps, without a line feed at its end. Nothing if it is empty.
pub(super) fn write(head: &Head<'_>, payload: &[u8], is_coloured: bool, out: &mut String) {
    let ShownBody { bytes, fault } = content(head, payload);
    let media = head.values(b"content-type").next().unwrap_or_default();
    if !bytes.is_empty() {
        out.push_str(&readable(&bytes, media, is_coloured));
    }
    if let Some(fault) = fault {
        let separator = if bytes.is_empty() { "" } else { "\n" };
        let _ = write!(out, "{separator}[{}]", printable(fault.to_string().as_bytes()));
    }
}

fn readable(bytes: &[u8], media: &[u8], is_coloured: bool) -> String {
    let mut parameters = media.split(|&byte| byte == b';');
    let kind = parameters.next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
    let looks_like_json = matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'['));
    let is_json =
        (looks_like_json || kind.ends_with(b"json")) && serde_json::from_slice::<IgnoredAny>(bytes).is_ok();
    if is_json && let Some(indented) = json_text::indented(bytes, is_coloured, MAX_INDENTED) {
        return indented;
    }
    let mut text = as_text(bytes, &kind, parameters);
    if is_json {
        let _ = write!(text, "\n[not indented: that would be more than {} MiB]", MAX_INDENTED >> 20);
    }
    text
}

/// A body that is not indented, by its type and the parameters of that.
fn as_text<'a>(bytes: &[u8], kind: &[u8], mut parameters: impl Iterator<Item = &'a [u8]>) -> String {
    if kind == b"application/x-www-form-urlencoded" {
        let lines = query::parameters(bytes).map(|(name, value)| {
            format!("{} = {}", printable(&query::form_decoded(name)), printable(&query::form_decoded(value)))
        });
        return lines.collect::<Vec<_>>().join("\n");
    }
    let charset = parameters.find_map(|parameter| {
        let (name, value) = parameter.split_at(parameter.iter().position(|&byte| byte == b'=')?);
        let value = value[1..].trim_ascii();
        let value = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
        name.trim_ascii().eq_ignore_ascii_case(b"charset").then_some(value)
    });
    if let Some(encoding) = charset.and_then(Encoding::for_label) {
        let (text, _, has_faults) = encoding.decode(bytes);
        if !has_faults {
            return printable_lines(text.trim_end_matches(['\r', '\n']).replace("\r\n", "\n").as_bytes())
                .into_owned();
        }
    }
    match str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => {
            printable_lines(text.trim_end_matches(['\r', '\n']).replace("\r\n", "\n").as_bytes()).into_owned()
        }
        _ => dump(bytes),
    }
}

/// As `xxd` does it: offset, bytes, and what of them is printable ASCII.
fn dump(bytes: &[u8]) -> String {
    let mut out = String::new();
    for (number, line) in bytes[..bytes.len().min(MAX_DUMPED)].chunks(16).enumerate() {
        if number > 0 {
            out.push('\n');
        }
        let _ = write!(out, "{:08x} ", number * 16);
        for at in 0..16 {
            let gap = if at % 8 == 0 { " " } else { "" };
            let _ = match line.get(at) {
                Some(byte) => write!(out, "{gap}{byte:02x} "),
                None => write!(out, "{gap}   "),
            };
        }
        let shown =
            |byte: &u8| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' };
        let _ = write!(out, " |{}|", line.iter().map(shown).collect::<String>());
    }
    if bytes.len() > MAX_DUMPED {
        let _ = write!(out, "\n[{} more bytes]", bytes.len() - MAX_DUMPED);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(head: &str, body: &[u8]) -> String {
        let payload = [format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n").as_bytes(), body].concat();
        let mut out = String::new();
        write(&Head::of(&payload).expect("a head"), &payload, false, &mut out);
        out
    }

    #[test]
    fn a_body_is_shown_as_what_it_is() {
        let gzip = |text: &[u8]| coding::encode(text, &[coding::Coding::Gzip]).expect("it can be encoded");
        let cases: Vec<(&str, Vec<u8>, &str)> = vec![
            ("A: b", b"".to_vec(), ""),
            ("A: b", b"{\"a\":1}".to_vec(), "{\n  \"a\": 1\n}"),
            ("Content-Type: application/problem+json", b"17".to_vec(), "17"),
            ("Content-Type: application/json", b"{\"a\":".to_vec(), "{\"a\":"),
            ("Content-Type: application/x-www-form-urlencoded", b"a=1%202&b=+c".to_vec(), "a = 1 2\nb =  c"),
            (
                "Content-Type: text/plain; charset=ISO-8859-1",
                b"k\xe4se\r\n\x1b[2J\r\n".to_vec(),
                "käse\n\\x1b[2J",
            ),
            ("Content-Type: text/plain", "käse\n".into(), "käse"),
            ("Content-Encoding: gzip", gzip(b"hello"), "hello"),
            (
                "Content-Encoding: gzip",
                gzip(b"hello")[..12].to_vec(),
                "h\n[the body does not decode to its end]",
            ),
            ("Content-Encoding: gzip", b"hello".to_vec(), "hello\n[the body does not decode to its end]"),
            ("Transfer-Encoding: gzip", gzip(b"hello"), "hello"),
            ("Content-Encoding: sdch", b"hello".to_vec(), "hello\n[the content coding 'sdch' is not known]"),
            ("Transfer-Encoding: chunked", b"3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n".to_vec(), "abcd"),
            (
                "A: b",
                b"\x00\x01ab".to_vec(),
                "00000000  00 01 61 62                                       |..ab|",
            ),
        ];
        for (head, body, expected) in cases {
            assert_eq!(shown(head, &body), expected, "{head} {body:?}");
        }
    }

    #[test]
    fn indentation_has_a_limit() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let text = shown("Content-Type: application/json", nested(50_000).as_bytes());
        assert_eq!((text.lines().count(), text.len() < 16 << 20), (99_999, true));
        let body = nested(70_000);
        let text = shown("Content-Type: application/json", body.as_bytes());
        assert_eq!(text, format!("{body}\n[not indented: that would be more than 16 MiB]"));
    }

    #[test]
    fn a_dump_has_a_limit() {
        let text = shown("Content-Type: image/png", &[0xff; 600]);
        assert_eq!(text.lines().count(), 33);
        assert!(text.ends_with("[88 more bytes]"), "{text}");
    }
}
