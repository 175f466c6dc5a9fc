//! Card numbers, telephone numbers and IP addresses in text, and what replaces them.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use memchr::memchr_iter;

use super::find::{begins_word, ends_word};
use super::key::PseudonymKey;
use super::view::Edits;

/// Digits of a card number (ISO/IEC 7812-1).
const CARD_DIGITS: std::ops::RangeInclusive<usize> = 13..=19;

/// Digits of an international telephone number, country code included (ITU-T E.164; seven is the least that
/// is in use).
const PHONE_DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

/// Bytes of the longest spelling of an IPv6 address, with an IPv4 address at its end.
const MAX_IPV6: usize = 45;

/// Runs of digits in `text`, as ranges.
fn runs(text: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + text[at..].iter().position(u8::is_ascii_digit)?;
        let length = text[start..].iter().position(|byte| !byte.is_ascii_digit());
        at = length.map_or(text.len(), |length| start + length);
        Some(start..at)
    })
}

/// Replaces the digits within `range` where they stand, each by the next of `digits`.
fn put_digits(text: &[u8], range: Range<usize>, mut digits: &[u8], edits: &mut Edits) {
    for run in runs(&text[range.clone()]) {
        let (new, rest) = digits.split_at(run.len().min(digits.len()));
        digits = rest;
        edits.push((range.start + run.start..range.start + run.end, new.to_vec()));
    }
}

fn digits_of(text: &[u8]) -> Vec<u8> {
    text.iter().copied().filter(u8::is_ascii_digit).collect()
}

/// Card numbers: 13 to 19 digits that pass the Luhn check and begin as cards of banks do (2 to 6, 8, 97), in
/// one run or in groups with the same sign (space, dash, plus) between, the first of four digits, or six.
///
/// The replacement has as many digits in the same groups and passes the Luhn check. It begins with 9999,
/// which is nobody's (ISO 3166 has no country 999), and is never taken for a card again.
pub(super) fn card(key: &PseudonymKey, text: &[u8]) -> Edits {
    let runs: Vec<_> = runs(text).filter(|run| run.len() <= 19).collect();
    let (mut edits, mut next) = (Edits::new(), 0);
    while next < runs.len() {
        let Some(count) = card_at(text, &runs[next..]) else {
            next += 1;
            continue;
        };
        let range = runs[next].start..runs[next + count - 1].end;
        let number = digits_of(&text[range.clone()]);
        let mut fake = key.digits("card", &number, number.len());
        fake[..4].fill(b'9');
        let last = fake.len() - 1;
        fake[last] = b'0';
        fake[last] = b'0' + (10 - luhn(&fake)) % 10;
        put_digits(text, range, &fake, &mut edits);
        next += count;
    }
    edits
}

/// How many of `runs`, from the first on, are a card's number.
fn card_at(text: &[u8], runs: &[Range<usize>]) -> Option<usize> {
    let first = &runs[0];
    let begins = matches!(text[first.start], b'2'..=b'6' | b'8') || text[first.clone()].starts_with(b"97");
    let after_point = matches!(&text[..first.start], [.., digit, b'.'] if digit.is_ascii_digit());
    if !begins || after_point || !begins_word(text, first.start) {
        return None;
    }
    let mut digits = 0;
    let mut found = None;
    for (index, run) in runs.iter().enumerate() {
        if index > 0 {
            let gap = &text[runs[index - 1].end..run.start];
            let sign = text[runs[0].end];
            if gap != [sign] || !matches!(sign, b' ' | b'-' | b'+') {
                break;
            }
            let is_group = match runs[0].len() {
                4 => run.len() <= 6,
                6 => run.len() == 13,
                _ => false,
            };
            // Only the last group is shorter than three.
            if !is_group || index > 1 && runs[index - 1].len() < 3 {
                break;
            }
        }
        digits += run.len();
        if digits > *CARD_DIGITS.end() {
            break;
        }
        let before_point = matches!(&text[run.end..], [b'.', digit, ..] if digit.is_ascii_digit());
        let ends = ends_word(text, run.end) && !before_point;
        if ends && CARD_DIGITS.contains(&digits) && luhn(&digits_of(&text[first.start..run.end])) == 0 {
            found = Some(index + 1);
        }
    }
    found
}

/// The Luhn sum of `digits` modulo 10; 0 for a valid number (ISO/IEC 7812-1 annex B).
fn luhn(digits: &[u8]) -> u8 {
    let sum = digits.iter().rev().enumerate().map(|(place, digit)| match (place % 2, digit - b'0') {
        (0, digit) => u32::from(digit),
        (_, digit) => u32::from(digit * 2 / 10 + digit * 2 % 10),
    });
    (sum.sum::<u32>() % 10) as u8
}

/// Telephone numbers: `+` and 7 to 15 digits, with single spaces, dashes, dots, slashes or brackets between;
/// and North American ones in the forms `555-123-4567`, `555.123.4567` and `(555) 123-4567`. Other national
/// forms look like any number and are left alone.
///
/// Digits are replaced where they stand: an international number begins with +999, which is no country, a
/// North American one with 0, which is no area. The last eight are the same in both forms.
pub(super) fn phone(key: &PseudonymKey, text: &[u8]) -> Edits {
    let (mut edits, mut done) = (Edits::new(), 0);
    for run in runs(text) {
        if run.start < done {
            continue;
        }
        let before = run.start.checked_sub(1).map(|at| text[at]);
        let range = match before {
            Some(b'+') => international(text, run.start),
            _ => american(text, &run, before == Some(b'(')),
        };
        let Some(range) = range else { continue };
        done = range.end;
        let number = digits_of(&text[range.clone()]);
        let is_international = before == Some(b'+');
        if is_international && number.starts_with(b"999") {
            continue;
        }
        let whole = if is_international { number.clone() } else { [b"1", &number[..]].concat() };
        let mut fake = key.digits("phone", &whole, number.len());
        fake[..if is_international { 3 } else { 1 }].fill(if is_international { b'9' } else { b'0' });
        put_digits(text, range, &fake, &mut edits);
    }
    edits
}

/// The number whose first digit, after the plus, is at `start`.
fn international(text: &[u8], start: usize) -> Option<Range<usize>> {
    let (mut end, mut at, mut digits, mut signs) = (start, start, 0, 0);
    while let Some(&byte) = text.get(at) {
        if byte.is_ascii_digit() {
            digits += 1;
            signs = 0;
            end = at + 1;
            if digits > *PHONE_DIGITS.end() {
                // One run of sixteen is no number; groups that follow a number are not part of it.
                end = text[start..at]
                    .iter()
                    .rposition(|byte| !byte.is_ascii_digit())
                    .map(|sign| start + sign)?;
                while end > start && !text[end - 1].is_ascii_digit() {
                    end -= 1;
                }
                break;
            }
        } else if b" -./()".contains(&byte) && signs < 2 {
            signs += 1;
        } else {
            break;
        }
        at += 1;
    }
    let digits = digits_of(&text[start..end]).len();
    (PHONE_DIGITS.contains(&digits) && text[start] != b'0' && ends_word(text, end)).then_some(start..end)
}

/// `(555) 123-4567` or `555-123-4567`, whose first run of digits is `area`.
fn american(text: &[u8], area: &Range<usize>, in_brackets: bool) -> Option<Range<usize>> {
    let rest = text.get(area.end..)?;
    let (skip, sign) = match rest {
        [b')', b' ', ..] if in_brackets => (2, b'-'),
        [b')', ..] if in_brackets => (1, b'-'),
        [sign @ (b'-' | b'.'), ..] if !in_brackets => (1, *sign),
        _ => return None,
    };
    let number = rest.get(skip..skip + 8)?;
    let (exchange, line) = (&number[..3], &number[4..]);
    let is_number = number[3] == sign
        && area.len() == 3
        && (b'2'..=b'9').contains(&text[area.start])
        && exchange.iter().chain(line).all(u8::is_ascii_digit);
    let end = area.end + skip + 8;
    // Part of a longer chain of numbers it is something else, unless the chain begins with the country.
    let before = &text[..area.start];
    let is_free = match before {
        [b'1', b'-' | b'.'] => true,
        [.., first, b'1', b'-' | b'.'] | [.., first, b'-' | b'.'] => !first.is_ascii_alphanumeric(),
        _ => begins_word(text, area.start),
    };
    let follows = matches!(&text[end..], [b'-' | b'.', digit, ..] if digit.is_ascii_digit());
    (is_number && is_free && ends_word(text, end) && !follows).then_some(area.start..end)
}

/// IPv4 addresses: four numbers to 255, without zeros in front, that are no part of a longer chain. A version
/// of four small numbers looks the same and is replaced; one that ends in `.0.0.0`, as browsers write theirs,
/// is not. Becomes an address of 240.0.0.0/4, which is reserved (RFC 1112 §4) and so nobody's.
pub(super) fn ipv4(key: &PseudonymKey, text: &[u8]) -> Edits {
    let (mut edits, mut done) = (Edits::new(), 0);
    for dot in memchr_iter(b'.', text) {
        if dot < done {
            continue;
        }
        let is_part = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
        let start = done + text[done..dot].iter().rposition(|byte| !is_part(byte)).map_or(0, |at| at + 1);
        let length = text[dot..].iter().position(|byte| !is_part(byte));
        let mut end = length.map_or(text.len(), |length| dot + length);
        done = end;
        if text[end - 1] == b'.' {
            end -= 1;
        }
        let is_word = begins_word(text, start) && ends_word(text, end);
        let address = std::str::from_utf8(&text[start..end]).ok().and_then(|text| text.parse().ok());
        if let Some(new) = address.filter(|_| is_word).and_then(|address| other_ipv4(key, address)) {
            edits.push((start..end, new.to_string().into_bytes()));
        }
    }
    edits
}

fn other_ipv4(key: &PseudonymKey, address: Ipv4Addr) -> Option<Ipv4Addr> {
    let octets = address.octets();
    (octets[0] < 240 && octets[1..] != [0, 0, 0]).then(|| ipv4_in_id(key, address))
}

/// The replacement of an address in a record's id, where it may be the end of an IPv6 address: so none stays, not
/// even one that would be a replacement or a version in a text.
pub(super) fn ipv4_in_id(key: &PseudonymKey, address: Ipv4Addr) -> Ipv4Addr {
    let hash = key.number("ipv4", &address.octets());
    let [.., second, third, fourth] = hash.to_be_bytes();
    Ipv4Addr::new(240 + ((hash >> 24) % 15) as u8, second, third, fourth)
}

/// IPv6 addresses in every form that has a digit in it (`a::b` alone is more often code). Becomes an address
/// of `2001:db8::/32` (RFC 3849: documentation), with a checksum at its end; one that stands for an IPv4 address stands for that one's
/// replacement.
pub(super) fn ipv6(key: &PseudonymKey, text: &[u8]) -> Edits {
    let (mut edits, mut done) = (Edits::new(), 0);
    for colon in memchr_iter(b':', text) {
        if colon < done {
            continue;
        }
        let is_part = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
        let start = done + text[done..colon].iter().rposition(|byte| !is_part(byte)).map_or(0, |at| at + 1);
        let length = text[colon..].iter().position(|byte| !is_part(byte));
        let mut end = length.map_or(text.len(), |length| colon + length);
        done = end;
        while end > start
            && (text[end - 1] == b'.' || text[..end].ends_with(b":") && !text[..end].ends_with(b"::"))
        {
            end -= 1;
        }
        let found = &text[start..end];
        if found.len() > MAX_IPV6 || !begins_word(text, start) || !ends_word(text, end) {
            continue;
        }
        let address = std::str::from_utf8(found).ok().and_then(|text| text.parse().ok());
        let has_digit = found.iter().any(u8::is_ascii_digit);
        if let Some(new) = address.filter(|_| has_digit).and_then(|address| other_ipv6(key, address)) {
            edits.push((start..end, new.to_string().into_bytes()));
        }
    }
    edits
}

fn other_ipv6(key: &PseudonymKey, address: Ipv6Addr) -> Option<Ipv6Addr> {
    if let Some(address) = address.to_ipv4_mapped() {
        return other_ipv4(key, address).map(|new| new.to_ipv6_mapped());
    }
    let replacement = |hash: u64| {
        Ipv6Addr::from(0x2001_0db8_u128 << 96 | u128::from(hash) << 32 | u128::from(checksum(hash)))
    };
    if address == replacement((address.to_bits() >> 32) as u64) {
        return None;
    }
    let hash = key.number("ipv6", &address.octets());
    Some(replacement((hash >> 64) as u64))
}

/// What the last 32 bits of a replacement are, so that it is told from an address that stands in a text. It protects
/// nothing.
fn checksum(hash: u64) -> u32 {
    (hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32 ^ 0x5bd1_e995
}
