//! What the field lines of a head say that matters to framing.

use super::RequestContext;
use crate::http::token;

/// What a head says that matters to framing.
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a claim of its own that a head makes or does not")]
pub(super) struct FramingFacts {
    pub(super) minor: u8,
    pub(super) status: Option<u16>,
    pub(super) request: RequestContext,
    pub(super) content_length: Option<u64>,
    pub(super) content_length_is_broken: bool,
    pub(super) content_lengths_differ: bool,
    pub(super) coding: LastCoding,
    pub(super) close: bool,
    pub(super) keep_alive: bool,
    pub(super) upgrade: bool,
    pub(super) connection_upgrade: bool,
    pub(super) expects_continue: bool,
    pub(super) suspicious: bool,
}

/// The last transfer coding.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum LastCoding {
    #[default]
    None,
    Chunked,
    Other,
}

impl FramingFacts {
    /// Takes note of a field line that may matter by its first letters, which settle most; whether it did.
    #[inline]
    pub(super) fn note(&mut self, line: &[u8]) -> bool {
        let Some(first) = line.first_chunk::<4>() else { return false };
        // Letters in lower case; other bytes may become others, and the whole name is compared where these four fit.
        match &first.map(|byte| byte | 0x20) {
            b"cont" => line.get(8).is_some_and(|byte| byte | 0x20 == b'l') && self.note_framing(line),
            b"conn" | b"tran" | b"expe" | b"upgr" => self.note_framing(line),
            _ => false,
        }
    }

    fn note_framing(&mut self, line: &[u8]) -> bool {
        let is_spaced = match line[0].to_ascii_lowercase() {
            b'c' => {
                if let Some((value, is_spaced)) = value_of(b"Content-Length", line) {
                    self.content_length(value);
                    is_spaced
                } else if let Some((value, is_spaced)) = value_of(b"Connection", line) {
                    self.connection(value);
                    is_spaced
                } else {
                    return false;
                }
            }
            b't' => {
                let Some((value, is_spaced)) = value_of(b"Transfer-Encoding", line) else { return false };
                self.transfer_encoding(value);
                is_spaced
            }
            b'e' => {
                let Some((value, is_spaced)) = value_of(b"Expect", line) else { return false };
                self.expects_continue |= token::trim(value).eq_ignore_ascii_case(b"100-continue");
                is_spaced
            }
            b'u' => {
                let Some((_, is_spaced)) = value_of(b"Upgrade", line) else { return false };
                self.upgrade = true;
                is_spaced
            }
            _ => return false,
        };
        self.suspicious |= is_spaced;
        true
    }

    /// A number, or a list of the same number (RFC 9110 §8.6).
    fn content_length(&mut self, value: &[u8]) {
        if let Some(length) = number(token::trim(value)) {
            // What nearly all say.
            self.one_content_length(length);
            return;
        }
        let mut is_broken = true;
        for element in token::list(value) {
            let Some(length) = number(element) else {
                self.content_length_is_broken = true;
                return;
            };
            is_broken = false;
            self.one_content_length(length);
        }
        self.content_length_is_broken |= is_broken;
    }

    fn one_content_length(&mut self, length: u64) {
        self.content_lengths_differ |= *self.content_length.get_or_insert(length) != length;
        self.suspicious |= self.content_lengths_differ;
    }

    /// The codings in the order they were applied, over all field lines (RFC 9112 §6.1).
    fn transfer_encoding(&mut self, value: &[u8]) {
        let mut is_empty = true;
        for element in token::list(value) {
            is_empty = false;
            let name = token::trim(element.split(|&byte| byte == b';').next().unwrap_or_default());
            if name.eq_ignore_ascii_case(b"identity") {
                continue; // No coding at all (RFC 2616 §3.6), as old clients and servers say.
            }
            self.suspicious |= self.coding == LastCoding::Chunked;
            self.coding = if name.eq_ignore_ascii_case(b"chunked") {
                self.suspicious |= name.len() < element.len();
                LastCoding::Chunked
            } else {
                LastCoding::Other
            };
        }
        if is_empty && self.coding == LastCoding::None {
            self.coding = LastCoding::Other;
        }
    }

    fn connection(&mut self, value: &[u8]) {
        if token::trim(value) == b"keep-alive" {
            // What nearly all say.
            self.keep_alive = true;
            return;
        }
        for option in token::list(value) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
            self.connection_upgrade |= option.eq_ignore_ascii_case(b"upgrade");
        }
    }
}

/// What follows the colon of a field line if its name is `name` in any case, and whether there is whitespace before the
/// colon. What settles most lines is looked at first: the byte after the name, then whether it is spelled as usual.
#[inline]
fn value_of<'a, const N: usize>(name: &[u8; N], line: &'a [u8]) -> Option<(&'a [u8], bool)> {
    let (start, rest) = line.split_first_chunk::<N>()?;
    let is_end = rest.first().is_some_and(|&byte| byte == b':' || token::is_space(byte));
    if !is_end || !(start == name || start.eq_ignore_ascii_case(name)) {
        return None;
    }
    let trimmed = token::trim_start(rest);
    Some((trimmed.strip_prefix(b":")?, trimmed.len() < rest.len()))
}

/// Decimal digits and nothing else, at least one, within 64 bits.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    if digits.len() < 19 {
        // They fit, whatever they are.
        let add = |number: u64, digit: &u8| {
            number.wrapping_mul(10).wrapping_add(u64::from(digit.wrapping_sub(b'0')))
        };
        let number = digits.iter().fold(0, add);
        return digits.iter().all(u8::is_ascii_digit).then_some(number);
    }
    digits.iter().try_fold(0_u64, |number, &digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}
