//! Email addresses and JSON web tokens in text, and what replaces them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use memchr::{memchr_iter, memmem};

use super::key::PseudonymKey;
use super::view::Edits;

/// Where replaced email addresses are at home (RFC 2606: nobody can be).
const NOWHERE: &str = "example.invalid";

/// Bytes of a URL's authority in which a user is looked for.
const MAX_USERINFO: usize = 1024;

/// Last labels that make `logo@2x.png` a file.
const FILE_ENDINGS: &[&str] =
    &["png", "jpg", "jpeg", "gif", "webp", "avif", "svg", "ico", "js", "mjs", "css"];

/// The first part of every replaced token: `{"alg":"none","typ":"redacted"}`.
const JWT_HEAD: &str = "eyJhbGciOiJub25lIiwidHlwIjoicmVkYWN0ZWQifQ";

/// Whether a word may begin at `at`: no letter or digit stands before it, other than the letter of an
/// escape like `\n`.
pub(super) fn begins_word(text: &[u8], at: usize) -> bool {
    match &text[..at] {
        [] | [.., b'\\', b'n' | b'r' | b't' | b'b' | b'f'] => true,
        [.., before] => !before.is_ascii_alphanumeric(),
    }
}

/// Whether a word may end at `at`: no letter or digit follows.
pub(super) fn ends_word(text: &[u8], at: usize) -> bool {
    text.get(at).is_none_or(|after| !after.is_ascii_alphanumeric())
}

/// Addresses `local@domain.tld`: local of letters, digits and `._%+-'`, a domain of at least two labels, the
/// last of two letters or more that is no image's or script's ending. Letters of any script count. Hashed in
/// lower case; becomes `u-<hash>@example.invalid`, and the `@` stays as it is spelled.
pub(super) fn email(key: &PseudonymKey, text: &[u8]) -> Edits {
    let mut edits = Edits::new();
    let mut done = 0;
    for at in memchr_iter(b'@', text) {
        let start = local_start(text, done, at);
        let end = domain_end(text, at + 1);
        let domain = &text[at + 1..end];
        if start == at || !is_domain(domain) || domain.eq_ignore_ascii_case(NOWHERE.as_bytes()) {
            continue;
        }
        let letters = key.letters("email", &text[start..end].to_ascii_lowercase());
        edits.push((start..at, format!("u-{letters}").into_bytes()));
        edits.push((at + 1..end, NOWHERE.as_bytes().to_vec()));
        done = end;
    }
    edits
}

/// The user and the password of URLs, `scheme://user:password@host` (RFC 3986 §3.2.1). What replaces them ends with a
/// colon, so that it is no email address together with the host.
pub(super) fn userinfo(key: &PseudonymKey, text: &[u8]) -> Edits {
    let mut edits = Edits::new();
    for slashes in memmem::find_iter(text, b"://") {
        let start = slashes + 3;
        let authority = &text[start..text.len().min(start + MAX_USERINFO)];
        let is_end = |byte: &u8| b"/?#\"'<>\\".contains(byte) || byte.is_ascii_whitespace();
        let authority = authority.split(is_end).next().unwrap_or_default();
        let Some(at) = memchr::memrchr(b'@', authority) else { continue };
        let old = &authority[..at];
        if let Some(new) = key.opaque(old.strip_suffix(b":").unwrap_or(old)) {
            edits.push((start..start + at, format!("{new}:").into_bytes()));
        }
    }
    edits
}

fn local_start(text: &[u8], from: usize, at: usize) -> usize {
    let mut start = at;
    while start > from {
        let before = &text[from..start];
        let length = match before {
            [.., byte] if byte.is_ascii() => {
                usize::from(byte.is_ascii_alphanumeric() || b"._%+-'".contains(byte))
            }
            _ => (2..=4)
                .find(|&length| {
                    before.len().checked_sub(length).is_some_and(|begin| is_letter(&before[begin..]))
                })
                .unwrap_or(0),
        };
        if length == 0 {
            break;
        }
        start -= length;
    }
    // The letter of an escape is not part of the name: what follows must stay an escape.
    if start > from && text[start - 1] == b'\\' && start < at {
        start += 1;
    }
    while start < at && matches!(text[start], b'.' | b'\'') {
        start += 1;
    }
    start
}

fn domain_end(text: &[u8], start: usize) -> usize {
    let mut end = start;
    while let Some(&byte) = text.get(end) {
        let length = if byte.is_ascii() {
            usize::from(byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
        } else {
            (2..=4).find(|&length| text.get(end..end + length).is_some_and(is_letter)).unwrap_or(0)
        };
        if length == 0 {
            break;
        }
        end += length;
    }
    while end > start && matches!(text[end - 1], b'.' | b'-') {
        end -= 1;
    }
    end
}

/// Whether `bytes` is one letter or digit of any script.
fn is_letter(bytes: &[u8]) -> bool {
    let mut characters = std::str::from_utf8(bytes).unwrap_or_default().chars();
    characters.next().is_some_and(char::is_alphanumeric) && characters.next().is_none()
}

fn is_domain(domain: &[u8]) -> bool {
    let mut labels = domain.rsplit(|&byte| byte == b'.');
    let last = labels.next().unwrap_or_default();
    let is_name = last.len() >= 2 && last.iter().any(|byte| !byte.is_ascii_digit() && *byte != b'-');
    let is_file = FILE_ENDINGS.iter().any(|ending| last.eq_ignore_ascii_case(ending.as_bytes()));
    is_name && !is_file && labels.next().is_some_and(|label| !label.is_empty())
}

/// Tokens of three parts or more in base64url with dots between, the first of which decodes to a JSON object
/// (RFC 7519; the five parts of an encrypted token too). The replacement has three: a head that says
/// `redacted`, a body whose `sub` is the hash, and no real signature.
pub(super) fn jwt(key: &PseudonymKey, text: &[u8]) -> Edits {
    let mut edits = Edits::new();
    let mut done = 0;
    for at in memmem::find_iter(text, b"eyJ") {
        let begins = begins_word(text, at) && (at == 0 || !matches!(text[at - 1], b'-' | b'_'));
        if at < done || !begins {
            continue;
        }
        let first = at + part(&text[at..]);
        done = first;
        if text.get(first) != Some(&b'.') || !is_object(&text[at..first]) {
            continue;
        }
        let (mut end, mut parts) = (first, 1);
        while parts < 5 && text.get(end) == Some(&b'.') {
            end += 1 + part(&text[end + 1..]);
            parts += 1;
        }
        done = end;
        // A dot at a sentence's end is none of the token's.
        if parts > 3 && text[end - 1] == b'.' {
            end -= 1;
        }
        if parts >= 3 && &text[at..first] != JWT_HEAD.as_bytes() {
            let subject = format!(r#"{{"sub":"{}"}}"#, key.letters("jwt", &text[at..end]));
            let body = URL_SAFE_NO_PAD.encode(subject);
            edits.push((at..end, format!("{JWT_HEAD}.{body}.redacted").into_bytes()));
        }
    }
    edits
}

/// Whether `token` is what [`jwt`] leaves behind.
pub(super) fn is_replaced_jwt(token: &[u8]) -> bool {
    token.strip_prefix(JWT_HEAD.as_bytes()).is_some_and(|rest| rest.ends_with(b".redacted"))
}

/// Length of the base64url at the beginning of `text`.
fn part(text: &[u8]) -> usize {
    let is_other = |byte: &u8| !byte.is_ascii_alphanumeric() && !matches!(byte, b'-' | b'_');
    text.iter().position(is_other).unwrap_or(text.len())
}

fn is_object(encoded: &[u8]) -> bool {
    let decoded = URL_SAFE_NO_PAD.decode(encoded).unwrap_or_default();
    decoded.starts_with(b"{") && serde_json::from_slice::<serde::de::IgnoredAny>(&decoded).is_ok()
}
