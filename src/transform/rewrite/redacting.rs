//! Redactions applied to heads, to trailers, and to what is no message; for bodies see `draft`.

use super::rule::RewriteRule;
use crate::http::coding::CodingFault;
use crate::http::{Head, RequestLine, StatusLine};
use crate::transform::redact::{PseudonymKey, Redaction};

/// A larger head, or a body that is or decodes to more, is not redacted. A replacement may be thirteen times as long
/// as what it replaces, and a block holds less than 4 GiB.
pub const MAX_BODY: usize = 128 << 20;

/// What could not be read, and so was not redacted; each record is counted once.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Unread {
    /// Bodies in a coding that is not known.
    pub unknown: u64,
    /// Bodies that do not decode to their end.
    pub broken: u64,
    /// Heads or bodies of more than [`MAX_BODY`].
    pub too_large: u64,
    /// Records without an HTTP head. They are redacted as text.
    pub headless: u64,
}

impl Unread {
    pub(super) fn add(&mut self, other: &Unread) {
        self.unknown += other.unknown;
        self.broken += other.broken;
        self.too_large += other.too_large;
        self.headless += other.headless;
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.unknown + self.broken + self.too_large + self.headless
    }

    pub(super) fn count(&mut self, fault: &CodingFault) {
        match fault {
            CodingFault::Unknown(_) => self.unknown += 1,
            CodingFault::Broken => self.broken += 1,
            CodingFault::TooLarge => self.too_large += 1,
        }
    }
}

/// What is found out about one message.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Which rules changed something, in their order.
    pub(super) hits: Vec<bool>,
    pub(super) unread: Unread,
    /// Whether the body is one that rules do not look into.
    pub(super) is_binary: bool,
    /// Whether there were trailers that went with the chunks.
    pub(super) has_trailers: bool,
}

/// The redactions among the rules, each with its place.
fn redactions(rules: &[RewriteRule]) -> impl Iterator<Item = (usize, &Redaction)> {
    rules.iter().enumerate().filter_map(|(place, rule)| match rule {
        RewriteRule::Redact(redaction) => Some((place, redaction)),
        _ => None,
    })
}

/// The new id of a record, by the first redaction that looks at ids; a second one would make it differ from the same
/// address elsewhere.
pub(super) fn id(rules: &[RewriteRule], key: &PseudonymKey, id: &[u8], hits: &mut [bool]) -> Option<Vec<u8>> {
    let (place, redaction) = redactions(rules).find(|(_, redaction)| redaction.reads_ids())?;
    let new = redaction.id(key, id)?;
    hits[place] = true;
    Some(new)
}

/// Writes the head as one redaction makes it. `false`, and nothing written: it stays.
pub(super) fn head(redaction: &Redaction, key: &PseudonymKey, head: &Head<'_>, out: &mut Vec<u8>) -> bool {
    let bytes = head.bytes();
    if bytes.len() > MAX_BODY {
        return false;
    }
    let mut copied = 0;
    let mut replace = |range: std::ops::Range<usize>, new: Vec<u8>| {
        out.extend_from_slice(&bytes[copied..range.start]);
        out.extend_from_slice(&new);
        copied = range.end;
    };
    let range_of = |part: &[u8]| {
        let start = part.as_ptr() as usize - bytes.as_ptr() as usize;
        start..start + part.len()
    };
    if let Some(StatusLine { reason, .. }) = head.status_line() {
        // A header of no name: what is found in any text is found there.
        if redaction.reads_headers()
            && let Some(new) = redaction.header_value(key, b"", reason)
        {
            replace(range_of(reason), new);
        }
    } else if let Some(RequestLine { target, .. }) = head.request_line()
        && redaction.reads_target()
        && let Some(new) = redaction.target(key, target)
    {
        replace(range_of(target), new);
    }
    if redaction.reads_headers() {
        for field in head.fields() {
            if let Some(new) = redaction.header_value(key, field.name, field.value) {
                replace(field.value_range, new);
            }
        }
    }
    if copied == 0 {
        return false;
    }
    out.extend_from_slice(&bytes[copied..]);
    true
}

/// Field lines without a start line, the last of which may be cut off.
pub(super) fn section_of_fields(
    redaction: &Redaction,
    key: &PseudonymKey,
    section: &[u8],
) -> Option<Vec<u8>> {
    const START: &[u8] = b"trailers\r\n";
    if section.iter().all(u8::is_ascii_whitespace) {
        return None;
    }
    let new = cut_head(redaction, key, &[START, section].concat())?;
    Some(new[START.len()..].to_vec())
}

/// A head whose end may be missing, as one redaction makes it.
fn cut_head(redaction: &Redaction, key: &PseudonymKey, bytes: &[u8]) -> Option<Vec<u8>> {
    let completed = [bytes, b"\r\n\r\n"].concat();
    let whole = Head::of(&completed)?;
    let mut out = Vec::new();
    if !head(redaction, key, &whole, &mut out) {
        return None;
    }
    match whole.len().checked_sub(bytes.len()) {
        Some(added) => out.truncate(out.len() - added),
        None => out.extend_from_slice(&bytes[whole.len()..]),
    }
    Some(out)
}

/// Writes a message that has no whole head as the redactions make it: as a head that is cut off, and as text.
/// `false`, and nothing written: it stays.
pub(super) fn headless(
    rules: &[RewriteRule],
    key: &PseudonymKey,
    message: &[u8],
    findings: &mut Findings,
    out: &mut Vec<u8>,
) -> bool {
    if message.len() > MAX_BODY {
        findings.unread.too_large += 1;
        return false;
    }
    let completed = [message, b"\r\n\r\n"].concat();
    let is_http = Head::of(&completed).is_some_and(|head| {
        let request = head.request_line();
        head.status_line().is_some() || request.is_some_and(|line| line.version.starts_with(b"HTTP/"))
    });
    if !is_http {
        findings.unread.headless += 1;
    }
    let mut new: Option<Vec<u8>> = None;
    for (place, redaction) in redactions(rules) {
        for changes in [cut_head, |redaction: &Redaction, key: &PseudonymKey, text: &[u8]| {
            redaction.body(key, None, text)
        }] {
            if let Some(changed) = changes(redaction, key, new.as_deref().unwrap_or(message)) {
                findings.hits[place] = true;
                new = Some(changed);
            }
        }
    }
    new.map(|new| out.extend_from_slice(&new)).is_some()
}

#[cfg(test)]
mod tests;
