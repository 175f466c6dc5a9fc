//! JSON bodies: the tokens in them, and which of them a path selects.

use std::ops::Range;

use super::key::{MARK, PseudonymKey};
use super::path::{Path, States};
use super::view::{Edits, TextView};

/// How deeply containers may be nested for a path to be followed; the rest of a deeper body is left alone.
pub(super) const MAX_DEPTH: usize = 1024;

/// A word of JSON (RFC 8259 §2).
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Token {
    /// One of `{}[]:,`.
    Sign(u8),
    /// The inside of a string; one that is cut off ends with the text.
    String(Range<usize>),
    /// A number, `true`, `false`, `null`, or what should be one.
    Bare(Range<usize>),
}

/// The tokens of `text`. Nothing is wrong here: whatever stands between signs and strings is a bare word.
pub(super) fn tokens(text: &[u8]) -> impl Iterator<Item = Token> {
    let mut at = 0;
    std::iter::from_fn(move || {
        // A record separator begins each text of a sequence (RFC 7464).
        let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0x1e);
        let start = at + text[at..].iter().position(|byte| !is_space(byte))?;
        let token = match text[start] {
            sign @ (b'{' | b'}' | b'[' | b']' | b':' | b',') => {
                at = start + 1;
                Token::Sign(sign)
            }
            b'"' => {
                let end = string_end(text, start + 1);
                at = (end + 1).min(text.len());
                Token::String(start + 1..end)
            }
            _ => {
                let is_end = |byte: &u8| is_space(byte) || b"{}[]:,\"".contains(byte);
                at = text[start..].iter().position(is_end).map_or(text.len(), |length| start + length);
                Token::Bare(start..at)
            }
        };
        Some(token)
    })
}

/// Where the quote stands that ends a string.
fn string_end(text: &[u8], mut at: usize) -> usize {
    while let Some(found) = text.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        match text[at + found] {
            b'"' => return at + found,
            _ => at += found + 2,
        }
    }
    text.len()
}

/// Whether `text` is one JSON value or several, each on its own (RFC 8259, NDJSON).
pub(super) fn is_json(text: &[u8]) -> bool {
    let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
    matches!(first, Some(b'{' | b'['))
        && serde_json::Deserializer::from_slice(text)
            .into_iter::<serde::de::IgnoredAny>()
            .all(|value| value.is_ok())
}

/// An open container.
struct OpenContainer {
    states: States,
    /// How many elements are over in an array; `None` in an object.
    index: Option<usize>,
    /// The key whose value comes next, decoded.
    key: Option<Vec<u8>>,
}

impl OpenContainer {
    fn child(&self, path: &Path) -> Option<States> {
        match (self.index, &self.key) {
            (Some(index), _) => Some(path.element(self.states, index)),
            (None, Some(key)) => Some(path.member(self.states, key)),
            (None, None) => None,
        }
    }
}

/// Replaces all that `path` selects in each JSON value of `text`.
///
/// Where the text stops being JSON, what follows is left alone.
pub(super) fn redact(key: &PseudonymKey, path: &Path, text: &[u8]) -> Edits {
    let mut edits = Edits::new();
    let mut stack: Vec<OpenContainer> = Vec::new();
    let mut tokens = tokens(text).peekable();
    while let Some(token) = tokens.next() {
        if let (Some(frame), Token::String(range)) = (stack.last_mut(), &token)
            && frame.index.is_none()
            && frame.key.is_none()
        {
            frame.key = Some(TextView::json(&text[range.clone()]).text.into_owned());
            if tokens.next_if_eq(&Token::Sign(b':')).is_none() {
                break;
            }
            continue;
        }
        let states = match stack.last() {
            Some(frame) => frame.child(path),
            None => Some(path.root()),
        };
        match (token, states) {
            (Token::Sign(b'}' | b']'), _) => {
                if stack.pop().is_none() {
                    break;
                }
            }
            (Token::Sign(b','), _) => {
                if let Some(frame) = stack.last_mut() {
                    frame.key = None;
                    frame.index = frame.index.map(|index| index + 1);
                }
            }
            (Token::Sign(open @ (b'{' | b'[')), Some(states)) if stack.len() < MAX_DEPTH => {
                stack.push(OpenContainer { states, index: (open == b'[').then_some(0), key: None });
            }
            (Token::String(range), Some(states)) if path.selects(states) => {
                if let Some(new) = key.opaque(&TextView::json(&text[range.clone()]).text) {
                    edits.push((range, new.into_bytes()));
                }
            }
            (Token::Bare(range), Some(states)) if path.selects(states) => {
                edits.extend(bare(key, &text[range.clone()]).map(|new| (range, new)));
            }
            (Token::String(_) | Token::Bare(_), Some(_)) => {}
            _ => break,
        }
    }
    edits
}

/// The replacement of a number has its digits in the same places, other ones, and its exponent; that of
/// `true` is `false`; `null` and `false` stay, and what is none of these becomes a string's replacement.
fn bare(key: &PseudonymKey, text: &[u8]) -> Option<Vec<u8>> {
    match text {
        b"null" | b"false" => None,
        b"true" => Some(b"false".to_vec()),
        [b'-' | b'0'..=b'9', ..] => {
            let exponent = text.iter().position(|byte| matches!(byte, b'e' | b'E')).unwrap_or(text.len());
            let mut digits = key.digits("number", text, exponent);
            let whole =
                text.iter().skip(usize::from(text[0] == b'-')).take_while(|byte| byte.is_ascii_digit());
            let first = usize::from(text[0] == b'-');
            // No number but 0 begins with 0.
            if whole.count() > 1 && digits[first] == b'0' {
                digits[first] = b'1';
            }
            let new = text.iter().enumerate().map(|(at, &byte)| match digits.get(at) {
                Some(&digit) if byte.is_ascii_digit() => digit,
                _ => byte,
            });
            Some(new.collect())
        }
        _ => Some(format!("\"{MARK}{}\"", key.letters("value", text)).into_bytes()),
    }
}
