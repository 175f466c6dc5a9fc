//! Names that tell that their value is a secret, or a user's name.

/// Names of secrets, and of users, in lower case without the signs between words.
const NAMES: &[&str] = &[
    "accesskey",
    "accesskeyid",
    "apikey",
    "assertion",
    "auth",
    "authorization",
    "authuser",
    "bearer",
    "clientassertion",
    "codeverifier",
    "cookie",
    "cookies",
    "credential",
    "credentials",
    "csrf",
    "cvc",
    "cvv",
    "forwardeduser",
    "jsessionid",
    "jwt",
    "login",
    "loginname",
    "otp",
    "pass",
    "passcode",
    "passphrase",
    "phpsessid",
    "pin",
    "privatekey",
    "pwd",
    "remoteuser",
    "samlresponse",
    "secretkey",
    "session",
    "sessionid",
    "sessionkey",
    "setcookie",
    "sid",
    "sig",
    "signature",
    "ssn",
    "uid",
    "user",
    "userid",
    "xsrf",
];

/// What any part of such a name may be: `new_password`, `passwordConfirmation`.
const WITHIN: &[&str] = &["password", "passwd", "secret"];

/// What such a name may end in: `refresh_token`, but not `max_tokens`.
const ENDINGS: &[&str] = &["token", "apikey", "username"];

/// Headers that have presets of their own, which know more of them.
const OTHERS: &[&str] = &["authorization", "proxy-authorization", "cookie", "set-cookie"];

/// Whether the value of this member or parameter is a secret: its name is one of ours in any case, and with
/// any signs between its words (`apiKey`, `API-KEY`, `api_key`). Of `user[password]` and `login.password` the
/// last word counts.
pub(super) fn is_secret(name: &[u8]) -> bool {
    // Longer names are none of ours.
    const MAX_NAME: usize = 256;
    if name.len() > MAX_NAME {
        return false;
    }
    let name = name.strip_suffix(b"[]").unwrap_or(name);
    let last = name.rsplit(|byte| b".[".contains(byte)).next().unwrap_or_default();
    let letters = last.iter().filter(|byte| !b"-_ ]".contains(byte)).map(u8::to_ascii_lowercase);
    let word: Vec<u8> = letters.collect();
    NAMES.iter().any(|known| word == known.as_bytes())
        || WITHIN.iter().any(|part| memchr::memmem::find(&word, part.as_bytes()).is_some())
        || ENDINGS.iter().any(|ending| word.ends_with(ending.as_bytes()))
}

/// Whether a header's value is a secret: `X-Api-Key`, `X-CSRF-Token`.
pub(super) fn is_secret_header(name: &[u8]) -> bool {
    let word = match name {
        [b'x' | b'X', b'-', rest @ ..] => rest,
        _ => name,
    };
    !has_own_preset(name) && is_secret(word)
}

/// Whether another preset sees to this header.
pub(super) fn has_own_preset(name: &[u8]) -> bool {
    OTHERS.iter().any(|other| name.eq_ignore_ascii_case(other.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_in_every_spelling() {
        for name in [
            "password",
            "PASSWD",
            "newPassword",
            "password_confirmation",
            "user[password]",
            "login.pass",
            "token",
            "access_token",
            "refreshToken",
            "id-token",
            "client_secret",
            "secret",
            "API_KEY",
            "apiKey",
            "stripe_api_key",
            "authorization",
            "user",
            "user_name",
            "users[][username]",
            "tokens[token][]",
            "sessionId",
            "pin",
        ] {
            assert!(is_secret(name.as_bytes()), "{name}");
        }
        for name in
            ["max_tokens", "page", "passenger", "spin", "authors", "users", "", "[]", "password.length"]
        {
            assert!(!is_secret(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn headers_are_told_with_an_x_or_without() {
        for (name, expected) in [
            ("X-Api-Key", true),
            ("X-CSRF-Token", true),
            ("apikey", true),
            ("X-Amz-Security-Token", true),
            ("X-Forwarded-User", true),
            ("Authorization", false),
            ("Cookie", false),
            ("User-Agent", false),
            ("X-Request-Id", false),
        ] {
            assert_eq!(is_secret_header(name.as_bytes()), expected, "{name}");
        }
    }
}
