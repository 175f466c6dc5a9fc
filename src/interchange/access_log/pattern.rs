//! Formats of logs in the syntax of nginx's `log_format`, and lines taken apart by them.

use std::borrow::Cow;

use super::entry::{LogEntry, LogField};
use crate::error::BadRule;

/// Text between variables, and what the variables mean.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Pattern {
    /// Before the first variable.
    start: Vec<u8>,
    parts: Vec<VariablePart>,
    /// Whether text may follow, after a space.
    allows_more: bool,
}

/// A variable, and the text behind it. Without text the value goes on to the end of the line.
#[derive(Clone, Debug, PartialEq)]
struct VariablePart {
    /// None: of no use here.
    field: Option<LogField>,
    end: Vec<u8>,
}

impl Pattern {
    /// Reads a format. An error shows what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, BadRule> {
        let mut pattern = Pattern { start: Vec::new(), parts: Vec::new(), allows_more: false };
        let mut at = 0;
        while let Some(character) = text[at..].chars().next() {
            if character != '$' {
                let literal = pattern.parts.last_mut().map_or(&mut pattern.start, |part| &mut part.end);
                at += character.len_utf8();
                literal.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
            let rest = &text[at + 1..];
            let (name, length) = if let Some(inner) = rest.strip_prefix('{') {
                let name = inner.split_once('}').map(|(name, _)| name);
                let name = name.ok_or_else(|| BadRule::new(text, at, "\"}\" is missing"))?;
                (name, name.len() + 3)
            } else {
                let is_other = |character: char| !character.is_ascii_alphanumeric() && character != '_';
                let name = &rest[..rest.find(is_other).unwrap_or(rest.len())];
                (name, name.len() + 1)
            };
            if name.is_empty() {
                return Err(BadRule::new(text, at, "expected the name of a variable, as $status"));
            }
            if pattern.parts.last().is_some_and(|part| part.end.is_empty()) {
                let reason =
                    "two variables need text between them, so that it is clear where the first one ends";
                return Err(BadRule::new(text, at, reason));
            }
            pattern.parts.push(VariablePart { field: LogField::named(name), end: Vec::new() });
            at += length;
        }
        let has = |wanted: &[LogField]| {
            pattern.parts.iter().filter_map(|part| part.field.as_ref()).any(|field| wanted.contains(field))
        };
        let has_parts = has(&[LogField::Method]) && has(&[LogField::Target, LogField::Path]);
        let reason = match (has(&[LogField::Time]), has(&[LogField::Request]) || has_parts) {
            (true, true) => return Ok(pattern),
            (false, _) => "the format has no time: $time_local, $time_iso8601 or $msec",
            (true, false) => "the format has no request: $request, or $request_method and $request_uri",
        };
        Err(BadRule::new(text, text.len(), reason))
    }

    /// The same with text allowed behind it.
    pub(super) fn with_more(self) -> Self {
        Pattern { allows_more: true, ..self }
    }

    /// Takes a line apart. An error says why it is not of this format.
    pub(super) fn read<'a>(&'a self, line: &'a [u8]) -> Result<LogEntry<'a>, &'static str> {
        const OTHER: &str = "it is not in the log format";
        let mut entry = LogEntry::default();
        let mut rest = line.strip_prefix(&*self.start).ok_or(OTHER)?;
        for (number, part) in self.parts.iter().enumerate() {
            let is_last = number + 1 == self.parts.len();
            let length = if part.end.is_empty() {
                if self.allows_more { memchr::memchr(b' ', rest).unwrap_or(rest.len()) } else { rest.len() }
            } else {
                end_of_value(rest, &part.end, is_last && !self.allows_more).ok_or(OTHER)?
            };
            if let Some(field) = &part.field {
                entry.set(field, unescaped(&rest[..length]))?;
            }
            rest = &rest[length + part.end.len()..];
        }
        match rest {
            [] => {}
            [b' ', ..] if self.allows_more => entry.has_more = true,
            _ => return Err(OTHER),
        }
        Ok(entry)
    }
}

/// Where a value ends that this text follows: at its first occurrence without a backslash before it, or, where the text
/// is to end the line, at the end.
fn end_of_value(text: &[u8], end: &[u8], is_at_end: bool) -> Option<usize> {
    if is_at_end {
        return text.ends_with(end).then(|| text.len() - end.len());
    }
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with(end) {
            return Some(at);
        }
        at += if text[at] == b'\\' { 2 } else { 1 };
    }
    None
}

/// A value without escapes: `\x22` of nginx and Apache, and those of JSON and C.
pub(super) fn unescaped(value: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\\', value).is_none() {
        return Cow::Borrowed(value);
    }
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'\\' {
            out.push(*first);
            continue;
        }
        let simple = match tail.first() {
            Some(byte @ (b'"' | b'\\' | b'/')) => Some(*byte),
            Some(b'n') => Some(b'\n'),
            Some(b'r') => Some(b'\r'),
            Some(b't') => Some(b'\t'),
            Some(b'b') => Some(8),
            Some(b'f') => Some(12),
            Some(b'v') => Some(11),
            _ => None,
        };
        if let Some(byte) = simple {
            out.push(byte);
            rest = &tail[1..];
        } else if let Some(byte) = tail.strip_prefix(b"x").and_then(|tail| hex(tail.get(..2)?)) {
            out.push(byte as u8);
            rest = &tail[3..];
        } else if let Some(character) =
            tail.strip_prefix(b"u").and_then(|tail| char::from_u32(hex(tail.get(..4)?)?))
        {
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            rest = &tail[5..];
        } else {
            out.push(b'\\');
        }
    }
    Cow::Owned(out)
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, digit| Some(number << 4 | char::from(*digit).to_digit(16)?))
}
