//! The keyed hash that values are replaced by.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What makes replacements stable: under one key equal values get equal replacements, and nobody without
/// the key can find a value by trying.
///
/// HMAC-SHA256 (RFC 2104), of which a replacement shows at most 64 bits.
#[derive(Clone)]
pub struct PseudonymKey(Hmac<Sha256>);

impl std::fmt::Debug for PseudonymKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(..)")
    }
}

/// What begins the replacement of an opaque value: a header, a cookie, a parameter, a JSON string.
pub(super) const MARK: &str = "redacted-";

/// Letters in a replacement, each of which carries four bits.
const LETTERS: usize = 16;

impl PseudonymKey {
    /// A key of any bytes in any number; 32 random ones are good.
    pub fn new(secret: &[u8]) -> Self {
        // HMAC hashes a long key and pads a short one, so that no length is refused.
        PseudonymKey(<Hmac<Sha256> as KeyInit>::new_from_slice(secret).unwrap_or_else(|_| {
            <Hmac<Sha256> as KeyInit>::new(&hmac::digest::Key::<Hmac<Sha256>>::default())
        }))
    }

    fn hash(&self, class: &str, value: &[u8]) -> [u8; 32] {
        let mut mac = self.0.clone();
        mac.update(class.as_bytes());
        mac.update(&[0]);
        mac.update(value);
        mac.finalize().into_bytes().into()
    }

    /// 64 bits as the letters a to p. There is no digit among them, so that no replacement looks like a
    /// card or an address.
    pub(super) fn letters(&self, class: &str, value: &[u8]) -> String {
        let hash = self.hash(class, value);
        let nibbles = hash.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        nibbles.take(LETTERS).map(|nibble| char::from(b'a' + nibble)).collect()
    }

    /// The first 128 bits as a number.
    pub(super) fn number(&self, class: &str, value: &[u8]) -> u128 {
        self.hash(class, value).iter().take(16).fold(0, |number, &byte| number << 8 | u128::from(byte))
    }

    /// `count` decimal digits. The last ones are the same whatever the count; beyond 38 they are 0.
    pub(super) fn digits(&self, class: &str, value: &[u8], count: usize) -> Vec<u8> {
        let mut number = self.number(class, value);
        let mut digits = vec![b'0'; count];
        for digit in digits.iter_mut().rev().take(38) {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
        }
        digits
    }

    /// The replacement of an opaque value, decoded beforehand; `None` when there is nothing to hide: an
    /// empty value, or one that is a replacement already.
    pub(super) fn opaque(&self, value: &[u8]) -> Option<String> {
        let is_done = value.strip_prefix(MARK.as_bytes()).is_some_and(|letters| {
            letters.len() == LETTERS && letters.iter().all(|letter| (b'a'..=b'p').contains(letter))
        });
        (!value.is_empty() && !is_done).then(|| format!("{MARK}{}", self.letters("value", value)))
    }
}
