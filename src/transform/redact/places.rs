//! Where values are in a target and in a body: parameters, parts of a form, JSON strings, text.

use std::ops::Range;

use memchr::{memchr, memmem};

use super::json;
use super::key::PseudonymKey;
use super::view::{Edits, TextView, edited};
use crate::http::query::form_decoded;

/// How many bytes of a boundary are looked for (RFC 2046 §5.1.1).
const MAX_BOUNDARY: usize = 70;

/// What a decoded body is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum BodyKind<'a> {
    Json,
    Form,
    /// A form in parts, and what is between them without its dashes.
    Multipart(&'a [u8]),
    Text,
    Binary,
}

/// Media types that are not text whatever their bytes look like, by their beginnings.
const BINARY: &[&str] = &[
    "audio/",
    "font/",
    "image/",
    "video/",
    "application/gzip",
    "application/grpc",
    "application/msgpack",
    "application/pdf",
    "application/protobuf",
    "application/vnd.msgpack",
    "application/wasm",
    "application/x-gzip",
    "application/x-protobuf",
    "application/zip",
];

impl<'a> BodyKind<'a> {
    /// By the Content-Type, and by a look at the bytes: JSON in another coat is JSON, and what has a NUL is
    /// binary. Without a type what is spelled like a form is one.
    pub(super) fn of(content_type: Option<&'a [u8]>, body: &[u8]) -> Self {
        let value = content_type.unwrap_or_default();
        let media = value.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
        let media = String::from_utf8_lossy(media).to_ascii_lowercase();
        if media.starts_with("multipart/")
            && let Some(boundary) = boundary(value)
        {
            return BodyKind::Multipart(boundary);
        }
        let is_binary = BINARY.iter().any(|start| media.starts_with(start)) && !media.ends_with("+xml");
        if is_binary || memchr(0, body).is_some() {
            return BodyKind::Binary;
        }
        match &*media {
            "application/x-www-form-urlencoded" => BodyKind::Form,
            _ if media.ends_with("json") || media.ends_with("jsonl") || media.ends_with("json-seq") => {
                BodyKind::Json
            }
            _ if json::is_json(body) => BodyKind::Json,
            "" if is_form(body) => BodyKind::Form,
            "" | "application/octet-stream" if std::str::from_utf8(body).is_err() => BodyKind::Binary,
            _ => BodyKind::Text,
        }
    }
}

/// Whether the body is spelled as a form is.
pub(super) fn is_form(body: &[u8]) -> bool {
    let is_spelled = |byte: &u8| byte.is_ascii_alphanumeric() || b"%&=+-._~*[]!'()@:,/".contains(byte);
    memchr(b'=', body).is_some_and(|sign| sign > 0) && body.iter().all(is_spelled)
}

fn boundary(content_type: &[u8]) -> Option<&[u8]> {
    let lower = content_type.to_ascii_lowercase();
    let start = memmem::find(&lower, b"boundary=")? + b"boundary=".len();
    let value = &content_type[start..];
    let value = match value.strip_prefix(b"\"") {
        Some(quoted) => quoted.split(|&byte| byte == b'"').next(),
        None => value.split(|&byte| byte == b';').next(),
    };
    value.map(<[u8]>::trim_ascii).filter(|boundary| (1..=MAX_BOUNDARY).contains(&boundary.len()))
}

/// The names and values in `form`, a query or a form's body, as they stand there; a part without `=` is a
/// name.
pub(super) fn pairs(form: &[u8]) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
    let mut at = 0;
    form.split(|&byte| byte == b'&').map(move |part| {
        let (start, end) = (at, at + part.len());
        at = end + 1;
        let sign = memchr(b'=', part);
        let name_end = sign.map_or(end, |sign| start + sign);
        (start..name_end, sign.map_or(end, |sign| start + sign + 1)..end)
    })
}

/// Replaces the values of the parameters that are wanted, by their name and value, both decoded.
pub(super) fn parameters(
    key: &PseudonymKey,
    is_wanted: impl Fn(&[u8], &[u8]) -> bool,
    form: &[u8],
) -> Option<Vec<u8>> {
    let mut edits = Edits::new();
    for (found, range) in pairs(form) {
        let value = form_decoded(&form[range.clone()]);
        if is_wanted(&form_decoded(&form[found]), &value)
            && let Some(new) = key.opaque(&value)
        {
            edits.push((range, new.into_bytes()));
        }
    }
    edited(form, edits)
}

/// `target`, or a URL, with what `change` makes of its query and of its fragment.
pub(super) fn in_query(target: &[u8], change: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    let fragment = memchr(b'#', target).unwrap_or(target.len());
    let query = memchr(b'?', &target[..fragment]).unwrap_or(fragment);
    let mut edits = Edits::new();
    for range in [query..fragment, fragment..target.len()] {
        if range.len() > 1
            && let Some(new) = change(&target[range.start + 1..range.end])
        {
            edits.push((range.start + 1..range.end, new));
        }
    }
    edited(target, edits)
}

/// In the path of a target or a URL, segments that look like tokens: `/reset/4f3a…`.
///
/// They have 20 signs of a token or more, and among them a run of 16 letters and digits, both of them. UUIDs stay, and
/// 24 hexadecimal digits, as such ids are everywhere; so does what has a dot in it, as files have.
pub(super) fn in_path(target: &[u8], change: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Edits {
    let end = target.iter().position(|byte| b"?#".contains(byte)).unwrap_or(target.len());
    let (mut edits, mut at) = (Edits::new(), 0);
    for segment in target[..end].split(|&byte| byte == b'/') {
        let range = at..at + segment.len();
        at = range.end + 1;
        // What is before the first slash is no path.
        if range.start > 0
            && is_token(segment)
            && let Some(new) = change(&TextView::plain(segment).percent(false).text)
        {
            edits.push((range, new));
        }
    }
    edits
}

fn is_token(segment: &[u8]) -> bool {
    const LENGTH: usize = 20;
    const RUN: usize = 16;
    let is_sign = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_~%=".contains(byte);
    if segment.len() < LENGTH || !segment.iter().all(is_sign) {
        return false;
    }
    let groups: Vec<usize> = segment.split(|&byte| byte == b'-').map(<[u8]>::len).collect();
    let is_hex = segment.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'-');
    let is_id = is_hex && (groups == [8, 4, 4, 4, 12] || groups == [24]);
    let mut runs = segment.split(|byte| !byte.is_ascii_alphanumeric());
    let is_random = |run: &[u8]| {
        run.len() >= RUN && run.iter().any(u8::is_ascii_digit) && run.iter().any(u8::is_ascii_alphabetic)
    };
    !is_id && runs.any(is_random)
}

/// What finds and replaces in decoded text.
pub(super) type Finder<'a> = &'a dyn Fn(&[u8]) -> Edits;

fn in_view(view: &TextView, at: usize, find: Finder, edits: &mut Edits) {
    edits.extend(find(&view.text).into_iter().map(|(range, new)| {
        let range = view.spelling(&range);
        (at + range.start..at + range.end, new)
    }));
}

/// In text, percent-encoding looked through.
pub(super) fn in_text(text: &[u8], find: Finder) -> Edits {
    let mut edits = Edits::new();
    in_view(&TextView::plain(text).percent(false), 0, find, &mut edits);
    edits
}

/// In a request target: its query is spelled as a form is.
pub(super) fn in_target(target: &[u8], find: Finder) -> Edits {
    let query = memchr(b'?', target).map_or(target.len(), |mark| mark + 1);
    let mut edits = in_text(&target[..query], find);
    let in_query = in_form(&target[query..], find).into_iter();
    edits.extend(in_query.map(|(range, new)| (query + range.start..query + range.end, new)));
    edits
}

/// In the names and the values of a form or a query.
pub(super) fn in_form(form: &[u8], find: Finder) -> Edits {
    let mut edits = Edits::new();
    for (name, value) in pairs(form) {
        for range in [name, value] {
            in_view(&TextView::plain(&form[range.clone()]).percent(true), range.start, find, &mut edits);
        }
    }
    edits
}

/// In the strings of JSON, keys too, and in its numbers.
pub(super) fn in_json(text: &[u8], find: Finder) -> Edits {
    let mut edits = Edits::new();
    for token in json::tokens(text) {
        match token {
            json::Token::String(range) => {
                in_view(&TextView::json(&text[range.clone()]).percent(false), range.start, find, &mut edits);
            }
            json::Token::Bare(range) => {
                in_view(&TextView::plain(&text[range.clone()]), range.start, find, &mut edits);
            }
            json::Token::Sign(_) => {}
        }
    }
    edits
}

/// A part of a multipart body: the value of one of its headers, and where its content is.
pub(super) struct MultipartPart<'a> {
    head: &'a [u8],
    pub(super) content: Range<usize>,
}

impl<'a> MultipartPart<'a> {
    fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.head.split(|&byte| byte == b'\n').find_map(|line| {
            let colon = memchr(b':', line)?;
            line[..colon]
                .trim_ascii()
                .eq_ignore_ascii_case(name.as_bytes())
                .then(|| line[colon + 1..].trim_ascii())
        })
    }

    pub(super) fn content_type(&self) -> &'a [u8] {
        self.header("content-type").unwrap_or(b"text/plain")
    }

    /// The name of the field, `name="…"` (RFC 7578 §4.2) or without quotes.
    pub(super) fn name(&self) -> Option<&'a [u8]> {
        self.header("content-disposition")?.split(|&byte| byte == b';').find_map(|parameter| {
            let sign = memchr(b'=', parameter)?;
            let value = parameter[sign + 1..].trim_ascii();
            let unquoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
            let is_name = parameter[..sign].trim_ascii().eq_ignore_ascii_case(b"name");
            is_name.then_some(unquoted.unwrap_or(value))
        })
    }
}

/// The parts of a multipart body. The last one of a body that is cut off ends with it.
pub(super) fn parts<'a>(boundary: &[u8], body: &'a [u8]) -> Vec<MultipartPart<'a>> {
    let delimiter = [b"--", boundary].concat();
    let mut marks: Vec<_> = memmem::find_iter(body, &delimiter).collect();
    marks.push(body.len());
    let mut parts = Vec::new();
    for pair in marks.windows(2) {
        let (start, end) = (pair[0] + delimiter.len(), pair[1]);
        let Some(head) = memmem::find(&body[start..end], b"\r\n\r\n") else { continue };
        let content = start + head + 4;
        let is_delimited = end < body.len() && body[content..end].ends_with(b"\r\n");
        let content = content..if is_delimited { end - 2 } else { end };
        parts.push(MultipartPart { head: &body[start..start + head], content });
    }
    parts
}
