//! Edits of a message's head: each writes the head anew, all but what it changes byte for byte.

use super::head::{Field, Head};

/// What becomes of a field line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FieldEdit<'a> {
    /// It stays.
    Keep,
    /// It goes, with the lines folded into it.
    Remove,
    /// Its value is replaced, and the rest of the line stays.
    Value(&'a [u8]),
}

/// Writes `head`, a request's with another target where one is given, with whole lines added directly under the start line, and with each field line as `edit` says.
pub fn write_edited<'a>(
    head: &Head<'_>,
    target: Option<&[u8]>,
    added: &[u8],
    mut edit: impl FnMut(&Field<'_>) -> FieldEdit<'a>,
    out: &mut Vec<u8>,
) {
    let bytes = head.bytes();
    let mut copied = target.map_or(0, |target| write_to_target(head, target, out));
    let under = head.fields_start();
    out.extend_from_slice(&bytes[copied..under]);
    out.extend_from_slice(added);
    copied = under;
    for field in head.fields() {
        let (gone, value) = match edit(&field) {
            FieldEdit::Keep => continue,
            FieldEdit::Remove => (field.line, &b""[..]),
            FieldEdit::Value(value) => (field.value_range, value),
        };
        out.extend_from_slice(&bytes[copied..gone.start]);
        out.extend_from_slice(value);
        copied = gone.end;
    }
    out.extend_from_slice(&bytes[copied..]);
}

/// Writes `head` with one field line of that name and value.
///
/// The first line of that name, in any case, becomes `name: value`, the others
/// go. Where there is none, the line comes directly under the start line. It
/// ends as the start line does.
pub fn set_field(head: &Head<'_>, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    let bytes = head.bytes();
    let line = |out: &mut Vec<u8>| {
        out.extend_from_slice(name);
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(line_end(head));
    };
    let mut lines = head.fields_named(name).map(|field| field.line);
    let Some(first) = lines.next() else {
        let under = head.fields_start();
        out.extend_from_slice(&bytes[..under]);
        line(out);
        out.extend_from_slice(&bytes[under..]);
        return;
    };
    out.extend_from_slice(&bytes[..first.start]);
    line(out);
    let mut copied = first.end;
    for other in lines {
        out.extend_from_slice(&bytes[copied..other.start]);
        copied = other.end;
    }
    out.extend_from_slice(&bytes[copied..]);
}

/// Writes `head` with one field line of that name and value.
///
/// The first line of that name, in any case, gets this value, and keeps its name and the white space around the value;
/// the others go. Where there is none, it is as with [`set_field`].
pub fn set_value(head: &Head<'_>, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    let bytes = head.bytes();
    let mut fields = head.fields_named(name);
    let Some(first) = fields.next() else { return set_field(head, name, value, out) };
    out.extend_from_slice(&bytes[..first.value_range.start]);
    out.extend_from_slice(value);
    let mut copied = first.value_range.end;
    if first.value.is_empty() {
        // White space with nothing in it is around nothing.
        copied += bytes[copied..].iter().take_while(|byte| b" \t".contains(byte)).count();
    }
    for other in fields {
        out.extend_from_slice(&bytes[copied..other.line.start]);
        copied = other.line.end;
    }
    out.extend_from_slice(&bytes[copied..]);
}

/// Writes the head of a message whose body has this length and is neither in chunks nor in a coding.
pub fn set_plain_length(head: &Head<'_>, length: usize, out: &mut Vec<u8>) {
    let length = length.to_string();
    let mut is_told = head.values(b"content-length").next().is_none();
    let added = if is_told { format!("Content-Length: {length}\r\n") } else { String::new() };
    let edit = |field: &Field<'_>| {
        let is_named = |name: &&str| field.name.eq_ignore_ascii_case(name.as_bytes());
        if is_named(&"content-length") && !std::mem::replace(&mut is_told, true) {
            FieldEdit::Value(length.as_bytes())
        } else if ["content-length", "transfer-encoding", "content-encoding", "trailer"].iter().any(is_named)
        {
            FieldEdit::Remove
        } else {
            FieldEdit::Keep
        }
    };
    write_edited(head, None, added.as_bytes(), edit, out);
}

/// Writes `head` without the field lines of that name, in any case. `false`:
/// there are none, and nothing is written.
pub fn remove_field(head: &Head<'_>, name: &[u8], out: &mut Vec<u8>) -> bool {
    if head.values(name).next().is_none() {
        return false;
    }
    head.without(name).for_each(|piece| out.extend_from_slice(piece));
    true
}

/// Writes a request's `head` with another target. Nothing is written of what
/// is no request.
pub fn set_target(head: &Head<'_>, target: &[u8], out: &mut Vec<u8>) {
    let copied = write_to_target(head, target, out);
    if copied > 0 {
        out.extend_from_slice(&head.bytes()[copied..]);
    }
}

/// Writes what is before the target of a request and `target`; where the old one ends. 0, and nothing written,
/// of what is no request.
fn write_to_target(head: &Head<'_>, target: &[u8], out: &mut Vec<u8>) -> usize {
    let Some(old) = head.target() else { return 0 };
    out.extend_from_slice(&head.bytes()[..old.start]);
    out.extend_from_slice(target);
    old.end
}

/// How the start line ends.
fn line_end(head: &Head<'_>) -> &'static [u8] {
    if head.bytes()[..head.fields_start()].ends_with(b"\r\n") { b"\r\n" } else { b"\n" }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn edited(message: &str, edit: impl Fn(&Head<'_>, &mut Vec<u8>)) -> String {
        let head = Head::of(message.as_bytes()).unwrap();
        let mut out = Vec::new();
        edit(&head, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_field_is_set_in_place_or_under_the_start_line() {
        for (head, expected) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nX-A: 1\r\nHost: a\r\n\r\n"),
            ("GET / HTTP/1.1\nHost: a\n\n", "GET / HTTP/1.1\nX-A: 1\nHost: a\n\n"),
            ("\r\nGET / HTTP/1.1\r\n\r\n", "\r\nGET / HTTP/1.1\r\nX-A: 1\r\n\r\n"),
            (
                "GET / HTTP/1.1\r\nx-a:  2\r\nHost: a\r\nX-A: 3\r\nB: c\r\nx-A:4\r\n\r\n",
                "GET / HTTP/1.1\r\nX-A: 1\r\nHost: a\r\nB: c\r\n\r\n",
            ),
        ] {
            assert_eq!(edited(head, |head, out| set_field(head, b"X-A", b"1", out)), expected, "{head:?}");
        }
    }

    #[test]
    fn a_value_is_set_and_what_is_around_it_stays() {
        for (head, expected) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nX-A: 1\r\nHost: a\r\n\r\n"),
            (
                "GET / HTTP/1.1\r\nx-a:\t2 \r\nHost: a\r\nX-A: 3\r\nB: c\r\nx-A:4\r\n\r\n",
                "GET / HTTP/1.1\r\nx-a:\t1 \r\nHost: a\r\nB: c\r\n\r\n",
            ),
            ("GET / HTTP/1.1\r\nx-a: 2\r\n 3\r\nB: c\r\n\r\n", "GET / HTTP/1.1\r\nx-a: 1\r\nB: c\r\n\r\n"),
            ("GET / HTTP/1.1\nx-a:\n\n", "GET / HTTP/1.1\nx-a:1\n\n"),
            ("GET / HTTP/1.1\r\nx-a: \r\n\r\n", "GET / HTTP/1.1\r\nx-a:1\r\n\r\n"),
        ] {
            assert_eq!(edited(head, |head, out| set_value(head, b"X-A", b"1", out)), expected, "{head:?}");
        }
    }

    #[test]
    fn a_field_is_removed_with_all_its_lines_or_nothing_is_written() {
        let head = "GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\na: 3\r\n\r\n";
        let removed = edited(head, |head, out| assert!(remove_field(head, b"a", out)));
        assert_eq!(removed, "GET / HTTP/1.1\r\nB: 2\r\n\r\n");
        assert_eq!(edited(head, |head, out| assert!(!remove_field(head, b"c", out))), "");
    }

    #[test]
    fn fields_go_or_get_other_values_and_lines_are_added_under_the_start_line() {
        let edit = |field: &Field<'_>| match field.name {
            b"A" => FieldEdit::Remove,
            b"B" => FieldEdit::Value(b"new"),
            _ => FieldEdit::Keep,
        };
        for (head, target, expected) in [
            (
                "GET /a HTTP/1.1\r\nA: 1\r\n folded\r\nB:  2 \r\nC: 3\r\nA:4\r\n\r\n",
                Some("/b"),
                "GET /b HTTP/1.1\r\nX: y\r\nB:  new \r\nC: 3\r\n\r\n",
            ),
            ("GET /a HTTP/1.0\nB:\n\n", None, "GET /a HTTP/1.0\nX: y\r\nB:new\n\n"),
            ("HTTP/1.1 200 OK\r\n\r\n", None, "HTTP/1.1 200 OK\r\nX: y\r\n\r\n"),
        ] {
            let edited = edited(head, |head, out| {
                write_edited(head, target.map(str::as_bytes), b"X: y\r\n", edit, out);
            });
            assert_eq!(edited, expected, "{head:?}");
        }
    }

    #[test]
    fn a_target_is_changed_alone() {
        let changed = edited("GET  / HTTP/1.1\r\nA: /\r\n\r\n", |head, out| set_target(head, b"/b?c", out));
        assert_eq!(changed, "GET  /b?c HTTP/1.1\r\nA: /\r\n\r\n");
    }

    proptest! {
        #[test]
        fn a_field_that_was_set_is_there_once_and_the_others_as_before(
            lines in proptest::collection::vec(("[A-Da-d]{1,2}", "[ -~]{0,8}"), 0..6),
            name in "[A-Da-d]{1,2}",
            value in "[!-~]{1,8}",
        ) {
            let mut message = b"GET / HTTP/1.1\r\n".to_vec();
            for (name, value) in &lines {
                message.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
            }
            message.extend_from_slice(b"\r\n");
            let before = Head::of(&message).unwrap();
            let mut out = Vec::new();
            set_field(&before, name.as_bytes(), value.as_bytes(), &mut out);
            let after = Head::of(&out).unwrap();
            prop_assert_eq!(after.len(), out.len());
            prop_assert_eq!(after.values(name.as_bytes()).collect::<Vec<_>>(), [value.as_bytes()]);
            let others = |head: &Head<'_>| {
                let fields = head.fields().filter(|field| !field.name.eq_ignore_ascii_case(name.as_bytes()));
                fields.map(|field| (field.name.to_vec(), field.value.to_vec())).collect::<Vec<_>>()
            };
            prop_assert_eq!(others(&after), others(&before));
        }
    }
}
