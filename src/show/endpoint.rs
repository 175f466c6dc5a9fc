//! Requests for the same thing under one name: paths with the ids in them taken out.

use regex::bytes::Regex;

/// What stands for an id.
const ID: &[u8] = b"{id}";

/// A hex word of at least this many digits is an id.
const LEAST_HEX: usize = 8;

/// A word of letters and digits mixed, and at least this long, is an id.
const LEAST_MIXED: usize = 20;

/// The path with ids replaced: segments that are numbers, UUIDs, hashes and other long words with digits in them.
/// What the user's pattern matches is replaced before. Added to `out`.
pub fn grouped(path: &[u8], pattern: Option<&Regex>, out: &mut Vec<u8>) {
    let path = match pattern {
        Some(pattern) => pattern.replace_all(path, regex::bytes::NoExpand(ID)),
        None => path.into(),
    };
    for (number, segment) in path.split(|&byte| byte == b'/').enumerate() {
        if number > 0 {
            out.push(b'/');
        }
        out.extend_from_slice(if is_id(segment) { ID } else { segment });
    }
}

fn is_id(segment: &[u8]) -> bool {
    let digits = segment.iter().filter(|byte| byte.is_ascii_digit()).count();
    if segment.is_empty() || digits == 0 {
        return false;
    }
    let is_uuid = segment.len() == 36
        && segment.iter().enumerate().all(|(at, &byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    let is_hex = segment.len() >= LEAST_HEX && segment.iter().all(u8::is_ascii_hexdigit);
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_=".contains(byte);
    digits == segment.len()
        || is_uuid
        || is_hex
        || (segment.len() >= LEAST_MIXED && segment.iter().all(is_word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_taken_out_of_paths() {
        for (path, expected) in [
            ("/", "/"),
            ("/api/cart/7", "/api/cart/{id}"),
            ("/api/cart/7/items/12", "/api/cart/{id}/items/{id}"),
            ("/v2/users", "/v2/users"),
            ("/u/9f86d081-884c-4d65-9a2f-eaa0c55ad015/x", "/u/{id}/x"),
            ("/blob/9f86d081884c7d65", "/blob/{id}"),
            ("/deadbeef", "/deadbeef"),
            ("/t/dGhpcyBpcyBhIHRva2Vu1", "/t/{id}"),
            ("/this-is-a-long-title-of-words", "/this-is-a-long-title-of-words"),
            ("/img/logo2.png", "/img/logo2.png"),
            ("*", "*"),
        ] {
            let mut out = Vec::new();
            grouped(path.as_bytes(), None, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        }
        let mut out = Vec::new();
        grouped(b"/shop/blue-shirt/7", Some(&Regex::new("[a-z]+-shirt").unwrap()), &mut out);
        assert_eq!(out, b"/shop/{id}/{id}");
    }
}
