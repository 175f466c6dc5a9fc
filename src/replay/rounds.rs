//! Records of later rounds, told apart from those of the first.

use std::borrow::Cow;

use crate::http::Head;
use crate::http::edit::{FieldEdit, write_edited};
use crate::record::{Block, Header, Kind};

/// The block's records as a round has them: behind the first, each id ends in the round's number (`.2`); with `field`,
/// each request has a header field of that name that says the number, directly under its request line.
pub(super) fn mark_round(block: &Block, round: u64, field: Option<&str>) -> Block {
    let line = field.map(|name| format!("{name}: {round}\r\n"));
    let mut marked = Block::new();
    let mut id = Vec::new();
    for view in block.iter() {
        id.clear();
        id.extend_from_slice(view.header.id);
        if round > 1 {
            id.extend_from_slice(format!(".{round}").as_bytes());
        }
        let payload = match &line {
            Some(line) if view.header.kind == Kind::Request => with_line(view.payload, line.as_bytes()),
            _ => Cow::Borrowed(view.payload),
        };
        marked.push(&Header { id: &id, ..view.header }, &payload);
    }
    marked
}

/// A request with one more field line. What is no request stays as it is.
fn with_line<'a>(payload: &'a [u8], line: &[u8]) -> Cow<'a, [u8]> {
    let Some(head) = Head::of(payload) else { return Cow::Borrowed(payload) };
    if head.request_line().is_none() {
        return Cow::Borrowed(payload);
    }
    let mut edited = Vec::with_capacity(payload.len() + line.len());
    write_edited(&head, None, line, |_| FieldEdit::Keep, &mut edited);
    edited.extend_from_slice(&payload[head.bytes().len()..]);
    Cow::Owned(edited)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_rounds_have_ids_and_a_field_of_their_own() {
        let mut block = Block::new();
        let request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok";
        block.push(&Header { kind: Kind::Request, id: b"a1", timestamp: 7, ..Header::default() }, request);
        block.push(
            &Header { kind: Kind::Response, id: b"a1", ..Header::default() },
            b"HTTP/1.1 200 OK\r\n\r\n",
        );
        block.push(&Header { kind: Kind::Request, id: b"a2", ..Header::default() }, b"no request");
        let shown = |round, field| -> Vec<(String, String)> {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            let marked = mark_round(&block, round, field);
            marked.iter().map(|view| (text(view.header.id), text(view.payload))).collect()
        };
        let first = shown(1, Some("X-Round"));
        assert_eq!(first[0].0, "a1");
        let expected = "POST / HTTP/1.1\r\nX-Round: 1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok";
        assert_eq!(first[0].1, expected);
        let third = shown(3, None);
        assert_eq!(third[0], ("a1.3".into(), String::from_utf8(request.to_vec()).unwrap()));
        assert_eq!(third[1], ("a1.3".into(), "HTTP/1.1 200 OK\r\n\r\n".into()));
        assert_eq!(third[2], ("a2.3".into(), "no request".into()));
    }
}
