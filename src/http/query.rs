//! A request target's authority, its path, its query, and the query's parameters.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memchr;

/// What follows the first `?` of a request target; `None` when there is none.
pub fn query(target: &[u8]) -> Option<&[u8]> {
    memchr(b'?', target).map(|mark| &target[mark + 1..])
}

/// The path of a request target (RFC 9112 §3.2).
///
/// Of an absolute form the path begins after the authority and may be empty. The asterisk form and an
/// authority form have no path and are returned whole.
pub fn path(target: &[u8]) -> &[u8] {
    let path = path_and_query(target);
    &path[..memchr(b'?', path).unwrap_or(path.len())]
}

/// The path and query of a request target as they stand in it: [`path`], and the `?` and what follows it.
pub fn path_and_query(target: &[u8]) -> &[u8] {
    &target[authority(target).map_or(0, |authority| authority.end)..]
}

/// Where the authority of a target in absolute form lies, user and port included; `None` for the other forms
/// (RFC 9112 §3.2, RFC 3986 §3.1 and §3.2).
pub fn authority(target: &[u8]) -> Option<Range<usize>> {
    let is_of_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    let scheme = target.iter().position(|byte| !is_of_scheme(byte))?;
    if scheme == 0 || !target[scheme..].starts_with(b"://") {
        return None;
    }
    let start = scheme + 3;
    let length = target[start..].iter().position(|byte| b"/?#".contains(byte));
    Some(start..length.map_or(target.len(), |length| start + length))
}

/// The parameters of a query, as they stand in it.
///
/// Parts between `&` that are empty are left out; one without `=` has an empty value.
pub fn parameters(query: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    query.split(|&byte| byte == b'&').filter(|part| !part.is_empty()).map(|part| match memchr(b'=', part) {
        Some(sign) => (&part[..sign], &part[sign + 1..]),
        None => (part, &part[part.len()..]),
    })
}

/// The value, as it stands there, of the first parameter of `target` whose decoded name is `name`.
pub fn parameter<'a>(target: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    parameters(query(target)?).find(|(found, _)| *form_decoded(found) == *name).map(|(_, value)| value)
}

/// As [`parameter`], among those alone that have a `=`.
pub fn assignment<'a>(target: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let parts = query(target)?.split(|&byte| byte == b'&');
    let mut pairs =
        parts.filter_map(|part| memchr(b'=', part).map(|sign| (&part[..sign], &part[sign + 1..])));
    pairs.find(|(found, _)| *form_decoded(found) == *name).map(|(_, value)| value)
}

/// `bytes` with its percent-encoded bytes decoded (RFC 3986 §2.1); what is no valid escape stays.
pub fn percent_decoded(bytes: &[u8]) -> Cow<'_, [u8]> {
    decoded(bytes, false)
}

/// As [`percent_decoded`], and a `+` is a space, as in queries that come from forms.
pub fn form_decoded(bytes: &[u8]) -> Cow<'_, [u8]> {
    decoded(bytes, true)
}

fn decoded(bytes: &[u8], plus_is_space: bool) -> Cow<'_, [u8]> {
    let is_special = |byte: u8| byte == b'%' || plus_is_space && byte == b'+';
    let Some(first) = bytes.iter().position(|&byte| is_special(byte)) else { return Cow::Borrowed(bytes) };
    let mut plain = Vec::with_capacity(bytes.len());
    plain.extend_from_slice(&bytes[..first]);
    let mut rest = &bytes[first..];
    while let [byte, after @ ..] = rest {
        rest = after;
        plain.push(match (byte, after) {
            (b'%', [high, low, after @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    rest = after;
                    high << 4 | low
                }
                _ => b'%',
            },
            (b'+', _) if plus_is_space => b' ',
            _ => *byte,
        });
    }
    Cow::Owned(plain)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_form_of_target_has_its_path_and_query() {
        for (target, expected_path, expected_query, both) in [
            ("/", "/", None, "/"),
            ("/a/b?x=1", "/a/b", Some("x=1"), "/a/b?x=1"),
            ("/a?", "/a", Some(""), "/a?"),
            ("/a?b?c", "/a", Some("b?c"), "/a?b?c"),
            ("/to?u=http://h/x", "/to", Some("u=http://h/x"), "/to?u=http://h/x"),
            ("/x://y/z", "/x://y/z", None, "/x://y/z"),
            ("http://h:80/p?q", "/p", Some("q"), "/p?q"),
            ("http://h?q", "", Some("q"), "?q"),
            ("http://h", "", None, ""),
            ("*", "*", None, "*"),
            ("h:443", "h:443", None, "h:443"),
            ("", "", None, ""),
        ] {
            let bytes = target.as_bytes();
            assert_eq!(path(bytes), expected_path.as_bytes(), "path of {target}");
            assert_eq!(query(bytes), expected_query.map(str::as_bytes), "query of {target}");
            assert_eq!(path_and_query(bytes), both.as_bytes(), "path and query of {target}");
        }
    }

    #[test]
    fn parameters_come_in_order_and_undecoded() {
        let query: &[u8] = b"a=1&&b&c=&=d&a=2=3&%61=%20";
        let expected: &[(&[u8], &[u8])] =
            &[(b"a", b"1"), (b"b", b""), (b"c", b""), (b"", b"d"), (b"a", b"2=3"), (b"%61", b"%20")];
        assert_eq!(parameters(query).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_parameter_is_found_by_its_decoded_name() {
        assert_eq!(parameter(b"/?user%5Fid=7&user_id=8", b"user_id"), Some(&b"7"[..]));
        assert_eq!(parameter(b"/?x=1", b"y"), None);
        assert_eq!(parameter(b"/", b"y"), None);
        assert_eq!(parameter(b"/?a&a=1", b"a"), Some(&b""[..]));
        assert_eq!(assignment(b"/?a&a=1", b"a"), Some(&b"1"[..]));
        assert_eq!(assignment(b"/?a=&b", b"a"), Some(&b""[..]));
        assert_eq!(assignment(b"/?a=&b", b"b"), None);
    }

    #[test]
    fn what_is_no_escape_stays() {
        for (encoded, plain, form) in [
            ("", "", ""),
            ("a+b", "a+b", "a b"),
            ("%41%6a%6A", "Ajj", "Ajj"),
            ("%", "%", "%"),
            ("%4", "%4", "%4"),
            ("%zz%+1%41", "%zz%+1A", "%zz% 1A"),
        ] {
            assert_eq!(*percent_decoded(encoded.as_bytes()), *plain.as_bytes(), "{encoded}");
            assert_eq!(*form_decoded(encoded.as_bytes()), *form.as_bytes(), "{encoded}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(bytes: Vec<u8>) {
            let encoded = bytes.iter().map(|byte| format!("%{byte:02x}")).collect::<Vec<_>>().concat();
            prop_assert_eq!(&*percent_decoded(encoded.as_bytes()), &bytes[..]);
        }

        #[test]
        fn any_target_has_parts(bytes: Vec<u8>) {
            prop_assert!(path_and_query(&bytes).len() <= bytes.len());
            prop_assert!(path_and_query(&bytes).starts_with(path(&bytes)));
            prop_assert!(form_decoded(&bytes).len() <= bytes.len());
        }
    }
}
