//! Credentials in headers: Authorization, Cookie and Set-Cookie.

use super::find;
use super::key::PseudonymKey;
use super::view::{Edits, TextView, edited};
use crate::http::auth;

/// An Authorization value with its credentials replaced and its scheme kept; without a scheme the whole
/// value is replaced.
///
/// Basic stays the base64 of a user and a password, each replaced on its own: equal users stay equal, equal
/// passwords only those of one user. A token that is a JWT is replaced as the preset `jwt` would.
pub(super) fn authorization(key: &PseudonymKey, value: &[u8]) -> Option<Vec<u8>> {
    let trimmed = value.trim_ascii();
    if let Some(plain) = auth::credentials(trimmed) {
        return basic(key, &plain);
    }
    let (scheme, token) = match trimmed.iter().position(|byte| matches!(byte, b' ' | b'\t')) {
        Some(space) => (&trimmed[..=space], trimmed[space..].trim_ascii()),
        None => (&trimmed[..0], trimmed),
    };
    let replacement = match find::jwt(key, token).as_slice() {
        [(range, replacement)] if *range == (0..token.len()) => replacement.clone(),
        _ if find::is_replaced_jwt(token) => return None,
        _ => key.opaque(token)?.into_bytes(),
    };
    Some([scheme, &replacement].concat())
}

fn basic(key: &PseudonymKey, plain: &[u8]) -> Option<Vec<u8>> {
    let (user, password) = match plain.iter().position(|&byte| byte == b':') {
        Some(colon) => (&plain[..colon], Some(&plain[colon + 1..])),
        None => (plain, None),
    };
    let new_user = key.opaque(user);
    // The user's replacement is hashed along with the password, and nothing but a pair of replacements is
    // left alone.
    let new_password =
        password.filter(|password| key.opaque(password).is_some()).and_then(|_| key.opaque(plain));
    if new_user.is_none() && new_password.is_none() {
        return None;
    }
    let mut out = new_user.map_or_else(|| user.to_vec(), String::into_bytes);
    if let Some(password) = password {
        out.push(b':');
        out.extend_from_slice(new_password.as_ref().map_or(password, |new| new.as_bytes()));
    }
    Some(auth::basic(&out).into_bytes())
}

/// A Cookie value with the value of each pair replaced; names and spacing stay.
pub(super) fn cookie(key: &PseudonymKey, value: &[u8]) -> Option<Vec<u8>> {
    let (mut edits, mut at) = (Edits::new(), 0);
    for pair in value.split(|&byte| byte == b';') {
        cookie_pair(key, pair, at, &mut edits);
        at += pair.len() + 1;
    }
    edited(value, edits)
}

/// A Set-Cookie value with the cookie's value replaced; its name and attributes stay (RFC 6265 §4.1.1).
pub(super) fn set_cookie(key: &PseudonymKey, value: &[u8]) -> Option<Vec<u8>> {
    let mut edits = Edits::new();
    let pair = value.split(|&byte| byte == b';').next().unwrap_or_default();
    cookie_pair(key, pair, 0, &mut edits);
    edited(value, edits)
}

/// A pair without `=` is all value, as browsers have it. Quotes stay around the value.
fn cookie_pair(key: &PseudonymKey, pair: &[u8], at: usize, edits: &mut Edits) {
    let mut start = pair.iter().position(|&byte| byte == b'=').map_or(0, |sign| sign + 1);
    let mut end = pair.trim_ascii_end().len().max(start);
    start += pair[start..end].len() - pair[start..end].trim_ascii_start().len();
    if end - start >= 2 && pair[start] == b'"' && pair[end - 1] == b'"' {
        (start, end) = (start + 1, end - 1);
    }
    if let Some(new) = key.opaque(&TextView::plain(&pair[start..end]).percent(false).text) {
        edits.push((at + start..at + end, new.into_bytes()));
    }
}
