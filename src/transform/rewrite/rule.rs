//! One rule: how it is typed, and what it makes of a request's head.

use std::borrow::Cow;
use std::str::FromStr;

use memchr::memchr;
use regex::bytes::Regex;

use super::body::BodyPattern;
use super::condition::Condition;
use super::substitution::Substitution;
use super::template::ReplacementTemplate;
use super::url::UrlPattern;
use crate::http::{Head, HeadPart, edit, query};
use crate::transform::pattern::header_name;
use crate::transform::redact::Redaction;
use crate::{BadRule, Dialect};

/// A change to requests, or a redaction of all messages.
#[derive(Clone, Debug)]
pub enum RewriteRule {
    /// `--set-header`
    SetHeader(FieldSetting),
    /// `--delete-header`
    DeleteHeader(String),
    /// `--rewrite-header`
    RewriteHeader(FieldPattern),
    /// `--set-param`
    SetParam(Parameter),
    /// `--delete-param`
    DeleteParam(String),
    /// `--rewrite-url`
    RewriteUrl(UrlPattern),
    /// `--set-host`
    SetHost(String),
    /// `--rewrite-body`, for responses too where that is asked for
    RewriteBody(BodyPattern),
    /// `--prettify`, for responses too
    Prettify,
    /// `--only`: the rules after it are for requests that pass, to the next of its kind
    Only(Box<Condition>),
    /// `--redact` and its like, for responses too
    Redact(Redaction),
}

/// What a rule does to a head.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Effect {
    /// It has nothing to do with it.
    None,
    /// It applies, and the head is as before.
    Same,
    /// It changes the head.
    Changed,
}

impl RewriteRule {
    /// The rule with the habits of another program.
    #[must_use]
    pub fn in_dialect(mut self, dialect: Dialect) -> Self {
        match &mut self {
            RewriteRule::SetHeader(FieldSetting { dialect: own, .. })
            | RewriteRule::RewriteHeader(FieldPattern { dialect: own, .. }) => *own = dialect,
            RewriteRule::SetParam(parameter) => parameter.dialect = dialect,
            _ => {}
        }
        self
    }

    /// Which part of a head this rule changes, if only one.
    pub(super) fn part(&self) -> Option<HeadPart> {
        match self {
            RewriteRule::SetHeader(_) | RewriteRule::DeleteHeader(_) | RewriteRule::RewriteHeader(_) => {
                Some(HeadPart::Fields)
            }
            RewriteRule::SetParam(_) | RewriteRule::DeleteParam(_) | RewriteRule::RewriteUrl(_) => {
                Some(HeadPart::StartLine)
            }
            _ => None,
        }
    }

    /// Writes the head as this rule makes it; what was written counts only
    /// where the head has changed.
    pub(super) fn apply(&self, head: &Head<'_>, out: &mut Vec<u8>) -> Effect {
        let applies = match self {
            RewriteRule::SetHeader(field) => {
                field.set(head, out);
                true
            }
            RewriteRule::DeleteHeader(name) => edit::remove_field(head, name.as_bytes(), out),
            RewriteRule::RewriteHeader(pattern) => pattern.apply(head, out),
            RewriteRule::SetParam(parameter) => retarget(head, out, |target, out| parameter.set(target, out)),
            RewriteRule::DeleteParam(name) => {
                retarget(head, out, |target, out| delete(target, name.as_bytes(), out))
            }
            RewriteRule::RewriteUrl(pattern) => retarget(head, out, |target, out| {
                let url = query::path_and_query(target);
                out.extend_from_slice(&target[..target.len() - url.len()]);
                pattern.apply(url, out)
            }),
            RewriteRule::SetHost(host) => {
                edit::set_field(head, b"Host", host.as_bytes(), out);
                set_authority(out, host);
                true
            }
            // They see more than the head: see `draft`.
            RewriteRule::RewriteBody(_)
            | RewriteRule::Prettify
            | RewriteRule::Only(_)
            | RewriteRule::Redact(_) => false,
        };
        match applies {
            false => Effect::None,
            true if out.as_slice() == head.bytes() => Effect::Same,
            true => Effect::Changed,
        }
    }
}

/// Writes the head with the target that `change` makes, as it was where there
/// would be none left. `false`: nothing to change, and nothing is written.
fn retarget(head: &Head<'_>, out: &mut Vec<u8>, change: impl FnOnce(&[u8], &mut Vec<u8>) -> bool) -> bool {
    let Some(place) = head.target() else { return false };
    let (bytes, start) = (head.bytes(), out.len());
    out.extend_from_slice(&bytes[..place.start]);
    let from = out.len();
    if !change(&bytes[place.clone()], out) {
        out.truncate(start);
        return false;
    }
    if out.len() == from {
        out.extend_from_slice(&bytes[place.clone()]);
    }
    out.extend_from_slice(&bytes[place.end..]);
    true
}

/// Puts the host into a target of absolute form, which overrules the field
/// (RFC 9112 §3.2.2).
fn set_authority(message: &mut Vec<u8>, host: &str) {
    let Some(head) = Head::of(message) else { return };
    let Some(line) = head.request_line() else { return };
    let Some(authority) = query::authority(line.target) else { return };
    let target = [&line.target[..authority.start], host.as_bytes(), &line.target[authority.end..]].concat();
    let mut changed = Vec::with_capacity(message.len() + host.len());
    edit::set_target(&head, &target, &mut changed);
    *message = changed;
}

/// A header field to set, typed `Name: value`.
#[derive(Clone, Debug)]
pub struct FieldSetting {
    name: String,
    value: String,
    dialect: Dialect,
}

impl FieldSetting {
    /// Writes the head with this field.
    fn set(&self, head: &Head<'_>, out: &mut Vec<u8>) {
        let set = match self.dialect {
            Dialect::Unix => edit::set_field,
            Dialect::GoReplay => edit::set_value,
        };
        set(head, self.name.as_bytes(), self.value.as_bytes(), out);
    }
}

impl FromStr for FieldSetting {
    type Err = BadRule;

    /// The first colon splits; white space around both is not part of them.
    fn from_str(text: &str) -> Result<Self, BadRule> {
        let (name, start) = named(text, "Name: value")?;
        let value = text[start..].trim_end();
        if let Some(at) = value.find(breaks_line) {
            return Err(BadRule::new(text, start + at, "a header's value is one line"));
        }
        Ok(FieldSetting { name, value: value.to_owned(), dialect: Dialect::Unix })
    }
}

/// What would end a field line.
fn breaks_line(c: char) -> bool {
    matches!(c, '\r' | '\n' | '\0')
}

/// A header's name (RFC 9110 §5.1), and where what follows its colon begins.
fn named(text: &str, form: &str) -> Result<(String, usize), BadRule> {
    let missing = || BadRule::new(text, text.len(), format!("a colon is missing; expected {form}"));
    let colon = text.find(':').ok_or_else(missing)?;
    let name = header_name(text, text[..colon].trim())?;
    let value = text[colon + 1..].trim_start();
    Ok((name, text.len() - value.len()))
}

/// A header's name by itself.
pub fn name(text: &str) -> Result<String, BadRule> {
    header_name(text, text.trim())
}

/// A host to set: `name`, `name:port`, `[::1]:port`.
pub fn host(text: &str) -> Result<String, BadRule> {
    let breaks = |c: char| c.is_whitespace() || c.is_control() || "/?#@".contains(c);
    match text.find(breaks) {
        Some(at) => Err(BadRule::new(text, at, "a host is a name or an address, with :port if it has one")),
        None if text.is_empty() => Err(BadRule::new(text, 0, "the host is missing")),
        None => match port_start(text) {
            Some(at) if text[at..].parse::<u16>().is_err() => Err(BadRule::new(
                text,
                at,
                "expected a port from 0 to 65535; IPv6 addresses stand in brackets, as [::1]",
            )),
            _ => Ok(text.to_owned()),
        },
    }
}

/// Where the port of `host:port` begins: behind the first colon outside of brackets.
fn port_start(host: &str) -> Option<usize> {
    let name = if host.starts_with('[') { host.find(']')? } else { 0 };
    host[name..].find(':').map(|colon| name + colon + 1)
}

/// A pattern for the values of a header, and what stands in place of its
/// matches, typed `Name: pattern,replacement` or `Name: s#pattern#replacement#`.
#[derive(Clone, Debug)]
pub struct FieldPattern {
    name: String,
    substitution: Substitution,
    dialect: Dialect,
}

impl FieldPattern {
    /// Writes the head with every match in every line of that name replaced; in GoReplay's dialect in the first line.
    /// `false`: there is no such line.
    fn apply(&self, head: &Head<'_>, out: &mut Vec<u8>) -> bool {
        let bytes = head.bytes();
        let mut copied = 0;
        let lines = match self.dialect {
            Dialect::Unix => usize::MAX,
            Dialect::GoReplay => 1,
        };
        for field in head.fields_named(self.name.as_bytes()).take(lines) {
            out.extend_from_slice(&bytes[copied..field.value_range.start]);
            if !self.substitution.apply(&unfolded(field.value), out) {
                out.extend_from_slice(field.value);
            }
            copied = field.value_range.end;
        }
        if copied == 0 {
            return false;
        }
        out.extend_from_slice(&bytes[copied..]);
        true
    }
}

/// A value in one line (RFC 9112 §5.2), as what replaces the middle of a line end would end the head.
fn unfolded(value: &[u8]) -> Cow<'_, [u8]> {
    if memchr(b'\n', value).is_none() {
        return Cow::Borrowed(value);
    }
    let lines: Vec<_> = value.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii).collect();
    Cow::Owned(lines.join(&b' '))
}

impl FromStr for FieldPattern {
    type Err = BadRule;

    /// The first colon ends the name, the last comma the pattern, so that
    /// `{1,3}` may stand in it; or what follows the name is in sed's form.
    fn from_str(text: &str) -> Result<Self, BadRule> {
        const FORM: &str = "Name: pattern,replacement";
        let (name, start) = named(text, FORM)?;
        if let Some(substitution) = Substitution::parse(&text[start..], breaks_line) {
            let substitution = substitution.map_err(|bad| BadRule::new(text, start + bad.at, bad.reason))?;
            return Ok(FieldPattern { name, substitution, dialect: Dialect::Unix });
        }
        let missing = || BadRule::new(text, text.len(), format!("a comma is missing; expected {FORM}"));
        let comma = start + text[start..].rfind(',').ok_or_else(missing)?;
        let pattern =
            Regex::new(&text[start..comma]).map_err(|error| BadRule::pattern(text, start, &error))?;
        let template = ReplacementTemplate::new(text, comma + 1, &text[comma + 1..], &pattern, breaks_line)?;
        let substitution = Substitution { pattern, template, is_global: true };
        Ok(FieldPattern { name, substitution, dialect: Dialect::Unix })
    }
}

/// A query parameter to set, typed `name=value`.
#[derive(Clone, Debug)]
pub struct Parameter {
    name: String,
    /// As it is written: what has no place in a parameter is percent-encoded.
    pair: Vec<u8>,
    /// The same in GoReplay's dialect: what has no place in a query is.
    raw_pair: Vec<u8>,
    dialect: Dialect,
}

impl Parameter {
    /// Writes the target with this parameter: in place of the first of that
    /// name, whose others go, or at the end of the query. In GoReplay's dialect
    /// others stay, and the first behind a `&` is set before one behind the `?`.
    fn set(&self, target: &[u8], out: &mut Vec<u8>) -> bool {
        let name = self.name.as_bytes();
        let (is_there, pair, is_tidy) = match self.dialect {
            Dialect::Unix => (query::parameter(target, name).is_some(), &self.pair, true),
            Dialect::GoReplay => (query::assignment(target, name).is_some(), &self.raw_pair, false),
        };
        if !is_there {
            let sign = if memchr(b'?', target).is_some() { b'&' } else { b'?' };
            out.extend_from_slice(target);
            if !is_tidy || !matches!(out.last(), Some(b'?' | b'&')) {
                out.push(sign);
            }
            out.extend_from_slice(pair);
            return true;
        }
        let counts = |part: &[u8]| is_named(part, name) && (is_tidy || part.contains(&b'='));
        if is_tidy {
            let mut pair = Some(pair.as_slice());
            each_parameter(target, out, |part| if counts(part) { pair.take() } else { Some(part) });
            return true;
        }
        let parts = query::query(target).unwrap_or_default().split(|&byte| byte == b'&').enumerate();
        let chosen = parts.skip(1).find(|(_, part)| counts(part)).map_or(0, |(place, _)| place);
        let mut places = 0..;
        each_parameter(target, out, |part| Some(if places.next() == Some(chosen) { pair } else { part }));
        true
    }
}

impl FromStr for Parameter {
    type Err = BadRule;

    /// The first `=` splits; both sides are taken as plain text, but `%41`
    /// that is a valid escape already stays.
    fn from_str(text: &str) -> Result<Self, BadRule> {
        let missing = || BadRule::new(text, text.len(), "expected name=value");
        let (name, value) = text.split_once('=').ok_or_else(missing)?;
        if name.is_empty() {
            return Err(BadRule::new(text, 0, "the parameter's name is missing"));
        }
        let [pair, raw_pair] = [stands_in_parameter, stands_in_query].map(|stands| {
            let mut pair = Vec::new();
            encode(name.as_bytes(), stands, &mut pair);
            pair.push(b'=');
            encode(value.as_bytes(), stands, &mut pair);
            pair
        });
        let name = query::form_decoded(name.as_bytes());
        let name = String::from_utf8_lossy(&name).into_owned();
        Ok(Parameter { name, pair, raw_pair, dialect: Dialect::Unix })
    }
}

/// Writes the target without the parameters of that name. `false`: there are none.
fn delete(target: &[u8], name: &[u8], out: &mut Vec<u8>) -> bool {
    if query::parameter(target, name).is_none() {
        return false;
    }
    each_parameter(target, out, |part| (!is_named(part, name)).then_some(part));
    true
}

/// Writes the target with each part of its query as `choose` makes it, or
/// without it. A query of which nothing is left goes with its `?`.
fn each_parameter<'a>(
    target: &'a [u8],
    out: &mut Vec<u8>,
    mut choose: impl FnMut(&'a [u8]) -> Option<&'a [u8]>,
) {
    let Some(mark) = memchr(b'?', target) else { return out.extend_from_slice(target) };
    out.extend_from_slice(&target[..mark]);
    let mut sign = b'?';
    for part in target[mark + 1..].split(|&byte| byte == b'&').filter_map(&mut choose) {
        out.push(sign);
        out.extend_from_slice(part);
        sign = b'&';
    }
}

/// Whether a part of a query is a parameter of that (decoded) name.
fn is_named(part: &[u8], name: &[u8]) -> bool {
    let end = memchr(b'=', part).unwrap_or(part.len());
    !part.is_empty() && *query::form_decoded(&part[..end]) == *name
}

/// Whether a byte may stand in the name or the value of a parameter as it is (RFC 3986 §3.4).
fn stands_in_parameter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$'()*,;:@/?".contains(&byte)
}

/// Whether a byte may stand in a query as it is: all that clients write there (WHATWG URL, the query's percent-encode set).
fn stands_in_query(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\"#<>%".contains(&byte)
}

/// Percent-encodes all bytes that do not stand there; valid escapes stay.
fn encode(plain: &[u8], stands: fn(u8) -> bool, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for (at, &byte) in plain.iter().enumerate() {
        let is_escape = byte == b'%'
            && plain.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        if stands(byte) || is_escape {
            out.push(byte);
        } else {
            out.extend_from_slice(&[b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
}
