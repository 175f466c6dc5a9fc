//! Secrets in scripts, markup and settings, by the names beside them.

use std::ops::Range;

use memchr::{memchr, memchr_iter, memchr2, memchr2_iter, memchr3, memmem};

use super::credentials;
use super::key::PseudonymKey;
use super::names::{has_own_preset, is_secret, is_secret_header};
use super::view::{Edits, TextView};
use crate::http::query::form_decoded;

/// Bytes of the longest name that is looked at.
const MAX_NAME: usize = 64;

/// White space between a name, its sign and its value.
const MAX_SPACE: usize = 32;

/// How far a tag is looked at, before a name in it and after.
const MAX_TAG: usize = 1024;

/// Where a secret is.
struct SecretLocation {
    range: Range<usize>,
    spelling: SecretSpelling,
}

/// How a secret is spelled.
#[derive(Clone, Copy)]
enum SecretSpelling {
    /// As in a string.
    String,
    /// As in a URL.
    Url,
    /// As in this header, which a preset of its own sees to.
    Header(fn(&PseudonymKey, &[u8]) -> Option<Vec<u8>>),
}

impl SecretLocation {
    fn string(range: Range<usize>) -> Self {
        SecretLocation { range, spelling: SecretSpelling::String }
    }
}

/// Replaces what has the name of a secret: quoted values (`password: "x"`, `token = 'x'`, `{"pin":"x"}`), parameters
/// of URLs (`?token=x`), the content of elements (`<password>x</password>`), and what a tag that is so named has for
/// its value (`<input name="password" value="x">`, `<token value="x">`). Other values without quotes are replaced after
/// `=`, and to the end of a line that begins `name: `, where there is no bracket of a script in the whole text, and left
/// alone elsewhere, as they may be expressions.
pub(super) fn secrets(key: &PseudonymKey, text: &[u8]) -> Edits {
    if memchr3(b':', b'=', b'<', text).is_none() {
        return Edits::new();
    }
    let mut found = elements(text);
    assignments(text, &mut found);
    found.sort_by_key(|found| (found.range.start, found.range.end));
    let (mut edits, mut done) = (Edits::new(), 0);
    for SecretLocation { range, spelling } in found {
        if range.start < done {
            continue;
        }
        let spelled = &text[range.clone()];
        let opaque = |plain: &[u8]| key.opaque(plain).map(String::into_bytes);
        let new = match spelling {
            SecretSpelling::String => opaque(&TextView::json(spelled).text),
            SecretSpelling::Url => opaque(&form_decoded(spelled)),
            SecretSpelling::Header(change) => change(key, spelled),
        };
        if let Some(new) = new {
            done = range.end;
            edits.push((range, new));
        }
    }
    edits
}

fn assignments(text: &[u8], found: &mut Vec<SecretLocation>) {
    let is_code = memchr2(b'(', b'{', text).is_some();
    let mut done = 0;
    for sign in memchr2_iter(b':', b'=', text) {
        if sign < done {
            continue;
        }
        if let Some(value) = quoted_after(text, sign + 1) {
            let name = name_before(text, sign);
            if is_secret(name) {
                done = string_end(text, value);
                found.push(SecretLocation::string(value..done));
            } else if text[sign] == b'=' && name.eq_ignore_ascii_case(b"name") {
                let named = &text[value..text.len().min(value + MAX_NAME)];
                let end = named.iter().position(|&byte| byte == text[value - 1]).unwrap_or(0);
                found.extend(value_of_tag(text, value, &named[..end]));
            }
        } else if text[sign] == b':' {
            if !is_code && let Some(value) = line_value(text, sign) {
                done = value.range.end;
                found.push(value);
            }
        } else {
            let is_name = |byte: &&u8| byte.is_ascii_alphanumeric() || b"_-.[]".contains(byte);
            let length = text[..sign].iter().rev().take(MAX_NAME).take_while(is_name).count();
            let (before, name) = text[..sign].split_at(sign - length);
            // Other signs part parameters too, but in a script these are variables.
            let is_parameter = match before {
                [] | [.., b'?' | b'&'] => true,
                [.., b' ' | b'\t' | b'\n' | b',' | b';'] => !is_code || before.ends_with(b"&amp;"),
                _ => false,
            };
            if is_parameter && is_secret(name) {
                let end = word_end(text, sign + 1, b"&;#,)\\");
                found.push(SecretLocation { range: sign + 1..end, spelling: SecretSpelling::Url });
                done = end;
            } else if name.eq_ignore_ascii_case(b"name") {
                let named = &text[..text.len().min(sign + 1 + MAX_NAME)];
                let end = word_end(named, sign + 1, b"");
                found.extend(value_of_tag(text, sign + 1, &named[sign + 1..end]));
            }
        }
    }
}

/// The rest of a line that begins with the name of a secret and a colon: `Authorization: Bearer x`.
fn line_value(text: &[u8], colon: usize) -> Option<SecretLocation> {
    let name = name_before(text, colon);
    let before = text[..colon].strip_suffix(name)?;
    let indent = before.iter().rev().take(MAX_SPACE).take_while(|byte| matches!(byte, b' ' | b'\t' | b'-'));
    let is_first = matches!(&before[..before.len() - indent.count()], [] | [.., b'\n']);
    let is_wanted = is_secret(name) || is_secret_header(name) || has_own_preset(name);
    if !is_first || !matches!(text.get(colon + 1), Some(b' ' | b'\t')) || !is_wanted {
        return None;
    }
    let end = memchr(b'\n', &text[colon..]).map_or(text.len(), |length| colon + length);
    let value = &text[colon + 1..end];
    let start = end - value.trim_ascii_start().len();
    let range = start..start + value.trim_ascii().len();
    let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
    // As these headers are redacted, so that equal values stay equal, and what is replaced stays.
    let spelling = if is("authorization") || is("proxy-authorization") {
        SecretSpelling::Header(credentials::authorization)
    } else if is("cookie") {
        SecretSpelling::Header(credentials::cookie)
    } else if is("set-cookie") {
        SecretSpelling::Header(credentials::set_cookie)
    } else {
        SecretSpelling::String
    };
    (!range.is_empty()).then_some(SecretLocation { range, spelling })
}

/// Where a word ends that begins at `at` and stands without quotes: at white space, at what ends a tag or a string,
/// or at one of `others`.
fn word_end(text: &[u8], at: usize, others: &[u8]) -> usize {
    let is_end = |byte: &u8| byte.is_ascii_whitespace() || b"\"'`<>".contains(byte) || others.contains(byte);
    text[at..].iter().position(is_end).map_or(text.len(), |length| at + length)
}

/// Where the inside of a string begins that stands at `at`, perhaps after white space.
fn quoted_after(text: &[u8], at: usize) -> Option<usize> {
    let spaces = spaces(text[at..].iter());
    matches!(text.get(at + spaces), Some(b'"' | b'\'' | b'`')).then_some(at + spaces + 1)
}

fn spaces<'a>(bytes: impl Iterator<Item = &'a u8>) -> usize {
    bytes.take(MAX_SPACE).take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).count()
}

/// The name that ends before `end`, perhaps in quotes.
fn name_before(text: &[u8], end: usize) -> &[u8] {
    let mut end = end - spaces(text[..end].iter().rev());
    if matches!(text[..end].last(), Some(b'"' | b'\'' | b'`')) {
        end -= 1;
    }
    let is_name = |byte: &&u8| byte.is_ascii_alphanumeric() || b"_-.$".contains(byte);
    let length = text[..end].iter().rev().take(MAX_NAME).take_while(is_name).count();
    &text[end - length..end]
}

/// Where the string ends whose inside begins at `at`: with its quote, or with the line.
fn string_end(text: &[u8], mut at: usize) -> usize {
    let quote = text[at - 1];
    while let Some(&byte) = text.get(at) {
        match byte {
            b'\\' => at += 1,
            b'\n' => return at,
            byte if byte == quote => return at,
            _ => {}
        }
        at += 1;
    }
    text.len()
}

/// The value or content that a tag gives, which is open at `within`, if its name is that of a secret.
fn value_of_tag(text: &[u8], within: usize, name: &[u8]) -> Option<SecretLocation> {
    if !is_secret(name) {
        return None;
    }
    let from = within.saturating_sub(MAX_TAG);
    let start = from + text[from..within].iter().rposition(|byte| matches!(byte, b'<' | b'>'))?;
    if text[start] != b'<' {
        return None;
    }
    let rest = &text[..text.len().min(within + MAX_TAG)];
    let end = memchr(b'>', &rest[within..]).map_or(rest.len(), |length| within + length);
    let tag = &text[start..end];
    memchr_iter(b'=', tag).find_map(|sign| {
        let name = name_before(tag, sign);
        if !name.eq_ignore_ascii_case(b"value") && !name.eq_ignore_ascii_case(b"content") {
            return None;
        }
        let range = match quoted_after(tag, sign + 1) {
            Some(value) => value..string_end(tag, value),
            None => sign + 1..word_end(tag, sign + 1, b""),
        };
        Some(SecretLocation::string(start + range.start..start + range.end))
    })
}

/// What is in elements that are called secrets, as far as the next tag.
fn elements(text: &[u8]) -> Vec<SecretLocation> {
    let (mut found, mut done) = (Vec::new(), 0);
    for open in memchr_iter(b'<', text) {
        if open < done {
            continue;
        }
        let tag = &text[open + 1..text.len().min(open + 1 + MAX_TAG)];
        let is_name = |byte: &&u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(byte);
        let length = tag.iter().take(MAX_NAME).take_while(is_name).count();
        let name = tag[..length].rsplit(|&byte| byte == b':').next().unwrap_or_default();
        if !is_secret(name) {
            continue;
        }
        // A tag in which another begins is none.
        let Some(end) = memchr2(b'>', b'<', tag).filter(|&end| tag[end] == b'>') else { continue };
        found.extend(value_of_tag(text, open + 1 + length, name));
        if tag[end - 1] == b'/' {
            continue;
        }
        let start = open + 1 + end + 1;
        let (start, end) = match text[start..].strip_prefix(b"<![CDATA[") {
            Some(data) => {
                let start = text.len() - data.len();
                (start, memmem::find(data, b"]]>").map_or(text.len(), |length| start + length))
            }
            None => (start, memchr(b'<', &text[start..]).map_or(text.len(), |length| start + length)),
        };
        done = end;
        let content = &text[start..end];
        let start = end - content.trim_ascii_start().len();
        found.push(SecretLocation::string(start..start + content.trim_ascii().len()));
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is in `«…»` is replaced, and nothing besides is.
    #[test]
    fn secrets_are_found_by_the_names_beside_them() {
        let key = PseudonymKey::new(b"a key for tests");
        for case in [
            r#"json("POST", { user: "«ada»", password: "«correct horse»" })"#,
            r#"var apiKey = '«a\'b»', page = "1"; const token=`«x»`"#,
            r#"window.state = {"access_token":"«x»","tokens":"2"};"#,
            "password: '«x»\nnext: 'y'",
            "<user>«ada»</user><name>n</name><w:Password type='t'>\n «x y» </w:Password>",
            "<secret><![CDATA[«<&>»]]></secret><token/>a<token>«b»",
            r#"<input type="hidden" name="csrf_token" value="«x»"><input value='«y»' name='password'>"#,
            r#"<meta name="csrf-token" content="«x»"><input name="q" value="z"><label for="password">"#,
            r#"<input type="password" name="q" value="z"> token = a.token; password: x"#,
            r#"token: "", password: """#,
            r#"<input type=hidden name=csrf_token value=«x»><a href="/a?token=«x»&amp;sid=«y»&b=c#d">"#,
            "see http://h/?a=1&user[password]=«x», token=«b»",
            "if(a){b;token=c;user=d}",
            "a\n password: «x y»\r\nproxy-authorization: Bearer «abc»\nCookie: a=«b»; c=«d»\n- token: «1»\npage: 2\nuser:8080",
            "call(1)\npassword: x",
            r#"<token value="«x»"/><token value='«y»'>«z»</token><page value="1"/>"#,
            "token=«x»; path=/; sid=«y»\nAPI_KEY=«z»",
        ] {
            let mut expected = String::new();
            for (place, piece) in case.split(['«', '»']).enumerate() {
                let plain = TextView::json(piece.as_bytes());
                let new = key.opaque(&plain.text).filter(|_| place % 2 == 1);
                expected.push_str(&new.unwrap_or_else(|| piece.to_owned()));
            }
            let text = case.replace(['«', '»'], "");
            let new = super::super::view::edited(text.as_bytes(), secrets(&key, text.as_bytes()));
            let new = new.map_or(text, |new| String::from_utf8(new).unwrap());
            assert_eq!(new, expected, "{case}");
            assert_eq!(secrets(&key, new.as_bytes()), Edits::new(), "{case} is replaced twice");
        }
    }

    proptest! {
        #[test]
        fn edits_are_in_order_and_stay_replaced(
            words in prop::collection::vec(prop::sample::select(vec![
                "password", "token", "name", "value", "<", ">", "/", "=", ":", "\"", "'", "\\", " ", "\n", "x", "<![CDATA[", "]]>", "?", "&", ";",
            ]), 0..40),
        ) {
            let (key, text) = (PseudonymKey::new(b"k"), words.concat());
            let edits = secrets(&key, text.as_bytes());
            prop_assert!(edits.windows(2).all(|pair| pair[0].0.end <= pair[1].0.start));
            prop_assert!(edits.iter().all(|(range, _)| range.start < range.end && range.end <= text.len()));
        }
    }
}
