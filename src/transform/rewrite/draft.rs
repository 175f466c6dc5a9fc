//! A message on its way through the rules: its head as it is by now, and its body, which is decoded when a rule first asks.

use super::body::BodyPattern;
use super::redacting::{self, Findings, MAX_BODY};
use crate::http::body::{Body, Content};
use crate::http::coding::CodingFault;
use crate::http::{Head, edit};
use crate::transform::redact::{PseudonymKey, Redaction, is_binary};

/// A message that rules change.
pub(super) struct Draft<'m> {
    message: &'m [u8],
    old_head: Head<'m>,
    is_request: bool,
    /// None: no rule has asked.
    parts: Option<DraftBody<'m>>,
}

/// What follows the head.
struct DraftBody<'m> {
    body: Body<'m>,
    content: Readable,
    /// Each where it is not as it was.
    trailers: Option<Vec<u8>>,
    surplus: Option<Vec<u8>>,
    /// Whether the content is.
    is_new: bool,
    /// Whether chunks and codings were taken away.
    is_plain: bool,
}

/// The content of a body, as far as a rule has asked for it.
enum Readable {
    NotAsked,
    Unreadable,
    Binary(Content),
    Text(Content),
}

impl<'m> Draft<'m> {
    /// The message begins with this head.
    pub(super) fn new(message: &'m [u8], head: Head<'m>, is_request: bool) -> Self {
        Draft { message, old_head: head, is_request, parts: None }
    }

    /// What follows the head, if there is anything.
    fn parts(&mut self) -> Option<&mut DraftBody<'m>> {
        if self.message.len() == self.old_head.len() {
            return None;
        }
        let (head, message, is_request) = (&self.old_head, self.message, self.is_request);
        Some(self.parts.get_or_insert_with(|| DraftBody {
            body: Body::of(head, message, is_request),
            content: Readable::NotAsked,
            trailers: None,
            surplus: None,
            is_new: false,
            is_plain: false,
        }))
    }

    /// The same, with the content decoded. What cannot be is found out once.
    fn decoded(&mut self, findings: &mut Findings) -> Option<&mut DraftBody<'m>> {
        let head = self.old_head;
        let parts = self.parts()?;
        if matches!(parts.content, Readable::NotAsked) {
            let content = match parts.body.content(&head, MAX_BODY) {
                Ok(_) if parts.body.surplus().len() > MAX_BODY => Err(CodingFault::TooLarge),
                content => content,
            };
            let content_type = head.values(b"content-type").next();
            parts.content = match content {
                Err(fault) => {
                    findings.unread.count(&fault);
                    Readable::Unreadable
                }
                Ok(found) if !found.bytes.is_empty() && is_binary(content_type, &found.bytes) => {
                    Readable::Binary(found)
                }
                Ok(found) => Readable::Text(found),
            };
        }
        Some(parts)
    }

    /// Changes the content, where it is text; `None` from `change`: it stays. Whether it has changed.
    fn edit(&mut self, findings: &mut Findings, change: impl FnOnce(&[u8]) -> Option<Vec<u8>>) -> bool {
        let Some(parts) = self.decoded(findings) else { return false };
        findings.is_binary |= matches!(parts.content, Readable::Binary(_));
        let Readable::Text(content) = &mut parts.content else { return false };
        let Some(new) = change(&content.bytes).filter(|new| *new != content.bytes) else { return false };
        content.bytes = new;
        parts.is_new = true;
        true
    }

    /// Applies a redaction to what follows the head; whether anything has changed.
    pub(super) fn redact(
        &mut self,
        redaction: &Redaction,
        key: &PseudonymKey,
        findings: &mut Findings,
    ) -> bool {
        if self.old_head.len() > MAX_BODY {
            // Once for all redactions.
            findings.unread.too_large = 1;
            return false;
        }
        let content_type = self.old_head.values(b"content-type").next();
        let mut is_changed = redaction.reads_body()
            && self.edit(findings, |content| redaction.body(key, content_type, content));
        let Some(parts) = self.parts() else { return false };
        let section = parts.trailers.as_deref().unwrap_or(parts.body.trailers());
        if let Some(new) = redacting::section_of_fields(redaction, key, section) {
            parts.trailers = Some(new);
            is_changed = true;
        }
        let rest = parts.surplus.as_deref().unwrap_or(parts.body.surplus());
        if rest.len() <= MAX_BODY
            && let Some(new) = redaction.body(key, None, rest)
        {
            parts.surplus = Some(new);
            is_changed = true;
        }
        is_changed
    }

    /// Replaces matches in the content; whether it has changed.
    pub(super) fn substitute(&mut self, pattern: &BodyPattern, findings: &mut Findings) -> bool {
        self.edit(findings, |content| pattern.apply(content))
    }

    /// Takes chunks and codings away, and writes the head that tells so. `false`, and nothing written: there are none,
    /// or they cannot be.
    pub(super) fn prettify(&mut self, head: &Head<'_>, findings: &mut Findings, out: &mut Vec<u8>) -> bool {
        let Some(parts) = self.decoded(findings) else { return false };
        let (Readable::Binary(content) | Readable::Text(content)) = &parts.content else { return false };
        if parts.is_plain || !(parts.body.is_chunked() || content.is_coded()) {
            return false;
        }
        if !parts.body.is_whole() {
            findings.unread.count(&CodingFault::Broken);
            return false;
        }
        findings.has_trailers |= !parts.body.trailers().trim_ascii().is_empty();
        parts.is_plain = true;
        edit::set_plain_length(head, content.bytes.len(), out);
        true
    }

    /// Whether a rule has looked at what follows the head. What none has looked at is as it was.
    pub(super) fn was_read(&self) -> bool {
        self.parts.is_some()
    }

    /// Writes the message under its new head. `false`, and nothing written: what follows the head is as it was.
    pub(super) fn write(&self, head: &Head<'_>, findings: &mut Findings, out: &mut Vec<u8>) -> bool {
        let Some(parts) = &self.parts else { return false };
        let content = match &parts.content {
            Readable::Binary(content) | Readable::Text(content) => Some(content),
            Readable::NotAsked | Readable::Unreadable => None,
        };
        let (trailers, surplus) = (parts.trailers.as_deref(), parts.surplus.as_deref());
        if let Some(content) = content.filter(|_| parts.is_plain) {
            edit::set_plain_length(head, content.bytes.len(), out);
            out.extend_from_slice(&content.bytes);
            out.extend_from_slice(surplus.unwrap_or(parts.body.surplus()));
            return true;
        }
        if !parts.is_new && trailers.is_none() && surplus.is_none() {
            return false;
        }
        let is_written = parts.body.write(head, content.filter(|_| parts.is_new), trailers, surplus, out);
        if !is_written {
            findings.unread.broken += 1;
        }
        is_written
    }
}
