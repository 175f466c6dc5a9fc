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

/// Names of parameters that may be secrets: of an authorization server's answer, of an API. In JSON they are too often
/// something else.
const PARAMETERS: &[&str] = &["code", "key"];

/// Headers that have presets of their own, which know more of them.
const OTHERS: &[&str] = &["authorization", "proxy-authorization", "cookie", "set-cookie"];

/// Whether the value of this member or parameter is a secret: its name is one of ours in any case, and with
/// any signs between its words (`apiKey`, `API-KEY`, `api_key`). Of `user[password]` and `login.password` the
/// last word counts, or the last two together: `user[name]`.
pub(super) fn is_secret(name: &[u8]) -> bool {
    // Longer names are none of ours.
    const MAX_NAME: usize = 256;
    if name.len() > MAX_NAME {
        return false;
    }
    let name = name.strip_suffix(b"[]").unwrap_or(name);
    let mut parts = name.rsplit(|byte| b".[".contains(byte));
    let mut word = Vec::new();
    let add_before = |part: &[u8], word: &mut Vec<u8>| {
        let letters = part.iter().filter(|byte| !b"-_ ]".contains(byte)).map(u8::to_ascii_lowercase);
        word.splice(..0, letters);
    };
    let is_known = |word: &[u8]| {
        NAMES.iter().any(|known| word == known.as_bytes())
            || ENDINGS.iter().any(|ending| word.ends_with(ending.as_bytes()))
    };
    add_before(parts.next().unwrap_or_default(), &mut word);
    if is_known(&word) || WITHIN.iter().any(|part| memchr::memmem::find(&word, part.as_bytes()).is_some()) {
        return true;
    }
    let is_word = !word.is_empty();
    parts.next().is_some_and(|before| {
        add_before(before, &mut word);
        is_word && is_known(&word)
    })
}

/// Whether the value of this parameter of a query or a form is a secret, by its name; of some names only where it is no
/// word: `code=4f3a`, but not `code=DE`.
pub(super) fn is_secret_parameter(name: &[u8], value: &[u8]) -> bool {
    const LONGEST_WORD: usize = 16;
    let is_maybe = PARAMETERS.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()));
    let is_word = value.len() <= LONGEST_WORD && !value.iter().any(u8::is_ascii_digit);
    is_secret(name) || is_maybe && !is_word
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
            "user[name]",
            "user.name",
            "session[id]",
        ] {
            assert!(is_secret(name.as_bytes()), "{name}");
        }
        for name in [
            "max_tokens",
            "page",
            "passenger",
            "spin",
            "authors",
            "users",
            "",
            "[]",
            "password.length",
            "shop[name]",
        ] {
            assert!(!is_secret(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn parameters_that_may_be_secrets_are_judged_by_their_values() {
        for (name, value, expected) in [
            ("code", "4/0AX4XfWh", true),
            ("code", "123456", true),
            ("key", "AIzaSyD", false),
            ("KEY", "AIzaSyD4", true),
            ("code", "DE", false),
            ("key", "abcdefghijklmnopq", true),
            ("keys", "1", false),
            ("token", "x", true),
        ] {
            assert_eq!(is_secret_parameter(name.as_bytes(), value.as_bytes()), expected, "{name}={value}");
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
