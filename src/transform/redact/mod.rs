//! Redaction: which values of a message are nobody's business, and what stands in their place.
//!
//! A value is replaced by a keyed hash of itself, so that under one [`PseudonymKey`] equal values stay equal wherever
//! they are and however they are spelled: percent-encoded in a query, escaped in a JSON string, plain in a
//! header. What is replaced is never replaced again, neither by the same redaction nor by another, except for
//! numbers in JSON. All else keeps its bytes: spacing, the order of keys, the spelling of numbers.
//!
//! | what | becomes |
//! | --- | --- |
//! | a credential, a cookie, a parameter, a header, a JSON string | `redacted-` and 16 letters |
//! | a user and a password in a URL | `redacted-` and 16 letters, and an empty password |
//! | an email address | `u-<16 letters>@example.invalid` |
//! | a card | as many digits in the same groups, from 9999, Luhn-valid |
//! | a JWT | a JWT whose `typ` is `redacted` and whose `sub` is the hash |
//! | an IPv4 address | one of 240.0.0.0/4, reserved |
//! | an IPv6 address | one of `2001:db8::/32`, for documentation |
//! | a telephone number | other digits in the same places, +999 in front |
//! | digits 9 to 16 of a record's id | the replacement of the IPv4 address that they are |
//!
//! Looked through are percent-encoding (three layers), JSON's escapes and multipart bodies, each part by its
//! own type. Addresses of `2001:db8::/32` are replaced as others are; replacements tell by a checksum. Not reached: tokens
//! in paths that stand in bodies, members of JSON called `code` and `key`, base64 other than Basic's, HTML's `&#64;`, UTF-16, what is binary by its
//! Content-Type or by a NUL in it, and parts of forms whose name holds a `;`. All of it takes time linear in
//! the message, whatever its bytes.

mod credentials;
mod find;
mod json;
mod key;
mod names;
mod numbers;
mod path;
mod places;
mod source;
mod view;

pub use key::PseudonymKey;

use crate::error::BadRule;
use memchr::{memchr, memmem};
use path::Path;
use places::{BodyKind, Finder};
use view::{Edits, edited, may_be_escaped};

/// How deeply multipart bodies may be nested.
const MAX_NESTING: usize = 4;

/// Headers whose value is a URL, the parameters of which are redacted as the target's are.
const URL_HEADERS: &[&str] = &["referer", "location", "content-location"];

/// Headers that say where a body ends and how it is read, which stay.
const FRAMING_HEADERS: &[&str] =
    &["content-length", "transfer-encoding", "content-encoding", "content-type", "connection", "upgrade"];

/// Headers that name products with versions, which look like IPv4 addresses.
const PRODUCT_HEADERS: &[&str] =
    &["user-agent", "server", "sec-ch-ua-full-version", "sec-ch-ua-full-version-list"];

/// One thing to redact.
#[derive(Clone, Debug)]
pub struct Redaction(RedactRule);

#[derive(Clone, Debug)]
enum RedactRule {
    Authorization,
    Cookie,
    SetCookie,
    /// What is called a secret, wherever names are.
    Secrets(Path),
    Text(Class),
    Json(Path),
    Param(Vec<u8>),
    Header(String),
}

/// What is found in text wherever text is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Class {
    Userinfo,
    Email,
    Card,
    Jwt,
    Ipv4,
    Ipv6,
    Ip,
    Phone,
}

/// A preset's name, and what makes its rule.
type Preset = (&'static str, fn() -> RedactRule);

/// The presets by the names they have on the command line, in the order in which `all` applies them: what takes
/// a whole value comes before what looks for a part of it.
const PRESETS: &[Preset] = &[
    ("authorization", || RedactRule::Authorization),
    ("cookie", || RedactRule::Cookie),
    ("set-cookie", || RedactRule::SetCookie),
    ("secrets", || RedactRule::Secrets(Path::to_secrets())),
    ("userinfo", || RedactRule::Text(Class::Userinfo)),
    ("jwt", || RedactRule::Text(Class::Jwt)),
    ("email", || RedactRule::Text(Class::Email)),
    ("card", || RedactRule::Text(Class::Card)),
    ("ip", || RedactRule::Text(Class::Ip)),
    ("ipv4", || RedactRule::Text(Class::Ipv4)),
    ("ipv6", || RedactRule::Text(Class::Ipv6)),
    ("phone", || RedactRule::Text(Class::Phone)),
];

impl Class {
    /// Whether a look at the bytes does not rule it out that there is something to find.
    fn may_be_in(self, bytes: &[u8]) -> bool {
        let has = |byte| memchr(byte, bytes).is_some();
        may_be_escaped(bytes)
            || match self {
                Class::Email | Class::Userinfo => has(b'@'),
                Class::Jwt => memmem::find(bytes, b"eyJ").is_some(),
                Class::Ipv4 => has(b'.'),
                Class::Ipv6 => has(b':'),
                Class::Ip => has(b'.') || has(b':'),
                Class::Phone => has(b'+') || has(b'-') || has(b'.') || has(b'('),
                Class::Card => bytes.len() >= 13,
            }
    }

    fn find(self, key: &PseudonymKey, text: &[u8]) -> Edits {
        match self {
            Class::Userinfo => find::userinfo(key, text),
            Class::Email => find::email(key, text),
            Class::Card => numbers::card(key, text),
            Class::Jwt => find::jwt(key, text),
            Class::Ipv4 => numbers::ipv4(key, text),
            Class::Ipv6 => numbers::ipv6(key, text),
            Class::Phone => numbers::phone(key, text),
            Class::Ip => {
                let mut edits = numbers::ipv6(key, text);
                let longer = edits.len();
                for (range, new) in numbers::ipv4(key, text) {
                    // An address at the end of a longer one was seen to with it. Both lists are in order.
                    let next = edits[..longer].partition_point(|(found, _)| found.end <= range.start);
                    if edits[..longer].get(next).is_none_or(|(found, _)| range.end <= found.start) {
                        edits.push((range, new));
                    }
                }
                edits.sort_by_key(|(range, _)| range.start);
                edits
            }
        }
    }
}

impl Redaction {
    /// The names that [`Redaction::preset`] knows.
    pub fn presets() -> impl Iterator<Item = &'static str> {
        PRESETS.iter().map(|(name, _)| *name)
    }

    /// A preset, by its name.
    pub fn preset(name: &str) -> Result<Self, BadRule> {
        let rule = PRESETS.iter().find(|(known, _)| *known == name).map(|(_, rule)| rule());
        rule.map(Redaction).ok_or_else(|| {
            let known = Self::presets().collect::<Vec<_>>().join(", ");
            BadRule::new(name, 0, format!("no such preset; the presets are {known}"))
        })
    }

    /// All presets, each with its name.
    pub fn all() -> impl Iterator<Item = (&'static str, Self)> {
        // `ip` is both of these, and tells an IPv4 address within an IPv6 one.
        let is_part = |name: &str| matches!(name, "ipv4" | "ipv6");
        PRESETS.iter().filter(move |(name, _)| !is_part(name)).map(|(name, rule)| (*name, Redaction(rule())))
    }

    /// What a path selects in JSON bodies, and all that is below: `$`, then `.name`, `['name']`, `[0]`,
    /// `[*]`, `.*` or `..name`. Strings become strings, numbers numbers of as many digits, `true` becomes
    /// `false`, and `null` stays. Of several values in a row (NDJSON) each has the path.
    pub fn json(path: &str) -> Result<Self, BadRule> {
        Path::parse(path).map(|path| Redaction(RedactRule::Json(path)))
    }

    /// The values of a parameter in queries and forms, multipart ones too, and in the URL of a Referer or a
    /// Location. Its name is compared decoded and in its case.
    pub fn param(name: &str) -> Result<Self, BadRule> {
        match name {
            "" => Err(BadRule::new(name, 0, "the name of a parameter is missing")),
            name => Ok(Redaction(RedactRule::Param(name.as_bytes().to_vec()))),
        }
    }

    /// The whole value of a header, whose name is compared without regard to case.
    pub fn header(name: &str) -> Result<Self, BadRule> {
        match name.bytes().position(|byte| !crate::http::is_token_byte(byte)) {
            None if name.is_empty() => Err(BadRule::new(name, 0, "the name of a header is missing")),
            None if FRAMING_HEADERS.iter().any(|known| name.eq_ignore_ascii_case(known)) => {
                Err(BadRule::new(name, 0, "this header says how the body is read, so it stays"))
            }
            None => Ok(Redaction(RedactRule::Header(name.to_owned()))),
            Some(at) => Err(BadRule::new(name, at, "this sign cannot be in a header's name")),
        }
    }

    /// The new id of a record, whose digits 9 to 16 are the last four bytes of the client's address; `None` when
    /// it stays. Of an IPv4 address the replacement is the one that it has everywhere else.
    pub fn id(&self, key: &PseudonymKey, id: &[u8]) -> Option<Vec<u8>> {
        if !self.reads_ids() {
            return None;
        }
        let address = id.get(8..16).filter(|_| id.iter().all(u8::is_ascii_hexdigit));
        let address = address.and_then(|digits| std::str::from_utf8(digits).ok());
        match address.and_then(|digits| u32::from_str_radix(digits, 16).ok()) {
            Some(address) => {
                let new = u32::from(numbers::ipv4_in_id(key, address.into()));
                Some([&id[..8], format!("{new:08x}").as_bytes(), &id[16..]].concat())
            }
            // An id of another form may spell an address out.
            None => edited(id, Class::Ip.find(key, id)),
        }
    }

    /// Whether headers can change.
    pub fn reads_headers(&self) -> bool {
        !matches!(self.0, RedactRule::Json(_))
    }

    /// Whether ids can change.
    pub fn reads_ids(&self) -> bool {
        matches!(self.0, RedactRule::Text(Class::Ipv4 | Class::Ipv6 | Class::Ip))
    }

    /// Whether request targets can change.
    pub fn reads_target(&self) -> bool {
        matches!(self.0, RedactRule::Text(_) | RedactRule::Param(_) | RedactRule::Secrets(_))
    }

    /// Whether bodies can change.
    pub fn reads_body(&self) -> bool {
        matches!(
            self.0,
            RedactRule::Text(_) | RedactRule::Param(_) | RedactRule::Secrets(_) | RedactRule::Json(_)
        )
    }

    /// Whether a parameter's value is to be replaced.
    fn is_wanted(&self, name: &[u8], value: &[u8]) -> bool {
        match &self.0 {
            RedactRule::Param(wanted) => name == wanted,
            RedactRule::Secrets(_) => names::is_secret_parameter(name, value),
            _ => false,
        }
    }

    /// The new value of the header `name`; `None` when it stays.
    pub fn header_value(&self, key: &PseudonymKey, name: &[u8], value: &[u8]) -> Option<Vec<u8>> {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        match &self.0 {
            RedactRule::Authorization if is("authorization") || is("proxy-authorization") => {
                credentials::authorization(key, value)
            }
            RedactRule::Cookie if is("cookie") => credentials::cookie(key, value),
            RedactRule::SetCookie if is("set-cookie") => credentials::set_cookie(key, value),
            RedactRule::Header(known) if is(known) => key.opaque(value.trim_ascii()).map(String::into_bytes),
            RedactRule::Secrets(_) if names::is_secret_header(name) => {
                key.opaque(value.trim_ascii()).map(String::into_bytes)
            }
            RedactRule::Secrets(_) if names::has_own_preset(name) => None,
            RedactRule::Secrets(_) | RedactRule::Text(_) if FRAMING_HEADERS.iter().any(|known| is(known)) => {
                None
            }
            RedactRule::Param(_) if URL_HEADERS.iter().any(|known| is(known)) => {
                places::in_query(value, |query| self.parameters(key, query))
            }
            RedactRule::Secrets(_) => {
                let is_url = URL_HEADERS.iter().any(|known| is(known));
                let query = |query: &[u8]| self.parameters(key, query);
                let new = is_url.then(|| places::in_query(value, query)).flatten();
                let new = then(value, new, |value| if is_url { tokens(key, value) } else { Edits::new() });
                then(value, new, |value| places::in_text(value, &|text| source::secrets(key, text)))
            }
            RedactRule::Text(class) if !class.may_be_in(value) => None,
            RedactRule::Text(Class::Ipv4 | Class::Ip) if PRODUCT_HEADERS.iter().any(|known| is(known)) => {
                None
            }
            RedactRule::Text(class) => edited(value, places::in_text(value, &|text| class.find(key, text))),
            _ => None,
        }
    }

    fn parameters(&self, key: &PseudonymKey, form: &[u8]) -> Option<Vec<u8>> {
        places::parameters(key, |name, value| self.is_wanted(name, value), form)
    }

    /// The new request target, scheme and authority included where it has them; `None` when it stays.
    pub fn target(&self, key: &PseudonymKey, target: &[u8]) -> Option<Vec<u8>> {
        match &self.0 {
            RedactRule::Param(_) => places::in_query(target, |query| self.parameters(key, query)),
            RedactRule::Secrets(_) => {
                let new = places::in_query(target, |query| self.parameters(key, query));
                let new = then(target, new, |target| tokens(key, target));
                then(target, new, |target| places::in_target(target, &|text| source::secrets(key, text)))
            }
            RedactRule::Text(class) if class.may_be_in(target) => {
                edited(target, places::in_target(target, &|text| class.find(key, text)))
            }
            _ => None,
        }
    }

    /// The new body, of one that is neither chunked nor compressed; `None` when it stays. JSON stays JSON of
    /// the same structure, a form keeps its names, or as many of them where a preset finds something in one.
    pub fn body(&self, key: &PseudonymKey, content_type: Option<&[u8]>, body: &[u8]) -> Option<Vec<u8>> {
        let may_change = match &self.0 {
            RedactRule::Text(class) => class.may_be_in(body),
            _ => self.reads_body() && !body.is_empty(),
        };
        may_change.then(|| self.nested_body(key, content_type, body, 0)).flatten()
    }

    fn nested_body(
        &self,
        key: &PseudonymKey,
        content_type: Option<&[u8]>,
        body: &[u8],
        depth: usize,
    ) -> Option<Vec<u8>> {
        let edits = match (&self.0, BodyKind::of(content_type, body)) {
            (_, BodyKind::Multipart(boundary)) if depth < MAX_NESTING => {
                let mut edits = Edits::new();
                for part in places::parts(boundary, body) {
                    let content = &body[part.content.clone()];
                    let new = if part.name().is_some_and(|name| self.is_wanted(name, content)) {
                        key.opaque(content).map(String::into_bytes)
                    } else {
                        self.nested_body(key, Some(part.content_type()), content, depth + 1)
                    };
                    edits.extend(new.map(|new| (part.content, new)));
                }
                edits
            }
            (RedactRule::Param(_), BodyKind::Form) => return self.parameters(key, body),
            (RedactRule::Json(path), BodyKind::Json) => json::redact(key, path, body),
            (RedactRule::Secrets(path), kind) => {
                // What has a name first, then what has one within another's value.
                let find: Finder = &|text| source::secrets(key, text);
                return match kind {
                    BodyKind::Json => {
                        let new = edited(body, json::redact(key, path, body));
                        then(body, new, |body| places::in_json(body, find))
                    }
                    // Some clients send a form as plain text.
                    BodyKind::Text if !places::is_form(body) => edited(body, source::secrets(key, body)),
                    BodyKind::Form | BodyKind::Text => {
                        then(body, self.parameters(key, body), |body| places::in_form(body, find))
                    }
                    BodyKind::Multipart(_) | BodyKind::Binary => None,
                };
            }
            (RedactRule::Text(class), kind) => {
                let find: Finder = &|text| class.find(key, text);
                match kind {
                    BodyKind::Json => places::in_json(body, find),
                    BodyKind::Form => places::in_form(body, find),
                    BodyKind::Text => places::in_text(body, find),
                    BodyKind::Multipart(_) | BodyKind::Binary => return None,
                }
            }
            _ => return None,
        };
        edited(body, edits)
    }
}

/// Segments of a path that look like tokens.
fn tokens(key: &PseudonymKey, target: &[u8]) -> Edits {
    places::in_path(target, |token| key.opaque(token).map(String::into_bytes))
}

/// Whether redactions do not look into such a body.
pub fn is_binary(content_type: Option<&[u8]>, body: &[u8]) -> bool {
    BodyKind::of(content_type, body) == BodyKind::Binary
}

/// `old`, or the `new` one in its place, with more edits.
fn then(old: &[u8], new: Option<Vec<u8>>, more: impl Fn(&[u8]) -> Edits) -> Option<Vec<u8>> {
    let current = new.as_deref().unwrap_or(old);
    edited(current, more(current)).or(new)
}

#[cfg(test)]
mod tests;
