//! A changed record beside what it was, line by line, for people.

use similar::{ChangeTag, TextDiff};

use super::redacting::MAX_BODY;
use crate::http::Head;
use crate::http::body::Body;
use crate::record::{Kind, View};
use crate::transform::redact::is_binary;

/// Lines that are the same, shown around those that are not.
const CONTEXT: usize = 2;

/// A record that rules have changed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RecordChange {
    kind: Kind,
    id: [Vec<u8>; 2],
    message: [Vec<u8>; 2],
}

/// A line of what is shown.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ChangeLine {
    /// Which record it is, or where lines are left out.
    Title(String),
    /// It is the same before and after.
    Same(String),
    /// It was there before.
    Removed(String),
    /// It is there now.
    Added(String),
}

impl RecordChange {
    pub(super) fn new(before: &View<'_>, id: &[u8], message: &[u8]) -> Self {
        RecordChange {
            kind: before.header.kind,
            id: [before.header.id.to_vec(), id.to_vec()],
            message: [before.payload.to_vec(), message.to_vec()],
        }
    }

    /// What is different. Bodies are shown decoded.
    pub fn lines(&self) -> Vec<ChangeLine> {
        let kind = match self.kind {
            Kind::Request => "request",
            Kind::Response => "response",
            Kind::Replayed => "replayed response",
        };
        let [old_id, new_id] = self.id.each_ref().map(|id| String::from_utf8_lossy(id));
        let id = if old_id == new_id { old_id.into_owned() } else { format!("{old_id} -> {new_id}") };
        let mut lines = vec![ChangeLine::Title(format!("{kind} {id}"))];
        let [before, after] =
            self.message.each_ref().map(|message| text(message, self.kind == Kind::Request));
        let diff = TextDiff::from_lines(&before, &after);
        for (number, group) in diff.grouped_ops(CONTEXT).iter().enumerate() {
            if number > 0 {
                lines.push(ChangeLine::Title("...".to_owned()));
            }
            for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
                let line = change.value().trim_end_matches(['\r', '\n']).to_owned();
                lines.push(match change.tag() {
                    ChangeTag::Equal => ChangeLine::Same(line),
                    ChangeTag::Delete => ChangeLine::Removed(line),
                    ChangeTag::Insert => ChangeLine::Added(line),
                });
            }
        }
        lines
    }
}

/// The message as people read it.
fn text(message: &[u8], is_request: bool) -> String {
    let Some(head) = Head::of(message) else { return String::from_utf8_lossy(message).into_owned() };
    let body = Body::of(&head, message, is_request);
    let content = match body.content(&head, MAX_BODY) {
        Ok(content) if !is_binary(head.values(b"content-type").next(), &content.bytes) => {
            String::from_utf8_lossy(&content.bytes).into_owned()
        }
        Ok(content) => format!("(binary body of {} bytes)", content.bytes.len()),
        Err(fault) => format!("({fault}: {} bytes)", message.len() - head.len()),
    };
    format!("{}{content}", String::from_utf8_lossy(head.bytes()))
}
