//! Names of files with fields in them: `%Y-%m-%d/%r.gor`.

use std::fmt::Write as _;

use jiff::Timestamp;

use crate::BadRule;
use crate::record::{Header, NAMED_PARTS, connection_part, id_hash};

/// Longest part of a name that an id becomes; a longer one is cut and marked.
const MAX_ID: usize = 128;

/// What the fields are, for whoever wrote another.
const FIELDS: &str = "the fields are %Y %m %d %H %M %S %NS (time of writing, UTC), %r (request id), \
                      %p (part by connection: 0 to f), %t (record type: 1, 2, 3), %i (instance) and %% (a percent sign)";

/// A part of a name.
#[derive(Clone, Debug, Eq, PartialEq)]
enum NamePart {
    Text(String),
    /// A field of the time, as strftime has it.
    Time(&'static str),
    Nanoseconds,
    Id,
    Kind,
    /// One of sixteen parts, by the connection: all records of a connection are in the same one, in every run.
    ConnectionPart,
}

/// A name with fields.
#[derive(Clone, Debug)]
pub(super) struct NameTemplate {
    parts: Vec<NamePart>,
}

impl NameTemplate {
    /// Takes a name apart. `instance` is what `%i` stands for.
    pub(super) fn parse(name: &str, instance: &str) -> Result<Self, BadRule> {
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut rest = name;
        while let Some(at) = rest.find('%') {
            text.push_str(&rest[..at]);
            let field = &rest[at + 1..];
            let (part, length) = match field.as_bytes() {
                [b'%' | b'i', ..] => (None, 1),
                [b'Y', ..] => (Some(NamePart::Time("%Y")), 1),
                [b'm', ..] => (Some(NamePart::Time("%m")), 1),
                [b'd', ..] => (Some(NamePart::Time("%d")), 1),
                [b'H', ..] => (Some(NamePart::Time("%H")), 1),
                [b'M', ..] => (Some(NamePart::Time("%M")), 1),
                [b'S', ..] => (Some(NamePart::Time("%S")), 1),
                [b'N', b'S', ..] => (Some(NamePart::Nanoseconds), 2),
                [b'r', ..] => (Some(NamePart::Id), 1),
                [b'p', ..] => (Some(NamePart::ConnectionPart), 1),
                [b't', ..] => (Some(NamePart::Kind), 1),
                _ => {
                    let position = name.len() - rest.len() + at;
                    return Err(BadRule::new(name, position, format!("no such field: {FIELDS}")));
                }
            };
            match part {
                Some(part) => {
                    if !text.is_empty() {
                        parts.push(NamePart::Text(std::mem::take(&mut text)));
                    }
                    parts.push(part);
                }
                None if field.starts_with('i') => text.push_str(instance),
                None => text.push('%'),
            }
            rest = &field[length..];
        }
        text.push_str(rest);
        if !text.is_empty() {
            parts.push(NamePart::Text(text));
        }
        Ok(NameTemplate { parts })
    }

    /// The name, where it has no field that changes.
    pub(super) fn fixed(&self) -> Option<&str> {
        match &self.parts[..] {
            [] => Some(""),
            [NamePart::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// What comes before the first field.
    pub(super) fn beginning(&self) -> &str {
        match self.parts.first() {
            Some(NamePart::Text(text)) => text,
            _ => "",
        }
    }

    /// Whether the name depends on the record.
    pub(super) fn asks_record(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, NamePart::Id | NamePart::Kind | NamePart::ConnectionPart))
    }

    /// Appends the name for a record that is written now. `nanoseconds` are
    /// what `%NS` becomes: those of the moment the file was begun.
    pub(super) fn fill(
        &self,
        now: Timestamp,
        nanoseconds: Option<i32>,
        record: &Header<'_>,
        name: &mut String,
    ) {
        for part in &self.parts {
            match part {
                NamePart::Text(text) => name.push_str(text),
                NamePart::Time(field) => name.push_str(&now.strftime(field).to_string()),
                NamePart::Nanoseconds => {
                    // Writing into a string cannot fail.
                    if let Some(nanoseconds) = nanoseconds {
                        let _ = write!(name, "{nanoseconds:09}");
                    }
                }
                NamePart::Id => push_id(record.id, name),
                NamePart::Kind => name.push(char::from(record.kind.digit())),
                NamePart::ConnectionPart => {
                    let _ = write!(name, "{:x}", connection_part(record.id, NAMED_PARTS));
                }
            }
        }
    }
}

/// Writes an id so that it is a part of a file's name whatever it holds, and
/// no two ids are written alike.
///
/// Bytes but letters, digits, `-`, `_` and a dot within become `%2F`; so an
/// id can never lead to another directory.
fn push_id(id: &[u8], name: &mut String) {
    let start = name.len();
    for &byte in id {
        let is_safe = byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if is_safe || (byte == b'.' && name.len() > start) {
            name.push(char::from(byte));
        } else {
            let _ = write!(name, "%{byte:02X}");
        }
        if name.len() - start > MAX_ID {
            name.truncate(start + MAX_ID - 18);
            let _ = write!(name, "%~{:016x}", id_hash(id));
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Kind;

    fn fill(name: &str, id: &[u8]) -> String {
        let now: Timestamp = "2026-11-24T01:02:03.000045Z".parse().unwrap();
        let mut filled = String::new();
        let header = Header { kind: Kind::Response, id, ..Header::default() };
        let template = NameTemplate::parse(name, "box-7").unwrap();
        template.fill(now, Some(now.subsec_nanosecond()), &header, &mut filled);
        filled
    }

    #[test]
    fn fields_are_filled() {
        for (name, expected) in [
            ("%Y-%m-%d/%H%M%S.gor", "2026-11-24/010203.gor"),
            ("%NS", "000045000"),
            ("%i_%t_%r.gor.gz", "box-7_2_a1.gor.gz"),
            ("100%%", "100%"),
            ("plain", "plain"),
        ] {
            assert_eq!(fill(name, b"a1"), expected, "{name}");
        }
    }

    #[test]
    fn the_records_of_a_connection_are_in_one_part_of_sixteen() {
        let part = |connection: u64, exchange: u32| {
            fill("%p", format!("{connection:016x}{exchange:08x}").as_bytes())
        };
        let parts: std::collections::BTreeSet<_> = (0..400).map(|connection| part(connection, 1)).collect();
        assert_eq!(parts.into_iter().collect::<String>(), "0123456789abcdef");
        assert!((0..400).all(|connection| part(connection, 1) == part(connection, 0xffff_0000)));
    }

    #[test]
    fn an_id_never_leaves_its_directory_and_no_two_are_alike() {
        let long = [b'a'; 300];
        let mut other = long;
        other[299] = b'b';
        assert!(fill("%r", &long).len() <= MAX_ID);
        assert_ne!(fill("%r", &long), fill("%r", &other));
        for (id, expected) in [
            (&b"../../etc/passwd"[..], "%2E.%2F..%2Fetc%2Fpasswd"),
            (b".", "%2E"),
            (b"a%2Fb", "a%252Fb"),
            (b"a.b", "a.b"),
            ("é".as_bytes(), "%C3%A9"),
        ] {
            assert_eq!(fill("%r", id), expected);
        }
    }

    #[test]
    fn an_unknown_field_is_shown_with_a_caret() {
        for (name, at) in [("a%q", 1), ("%Y%", 2), ("%N", 0), ("é%d%x", 4)] {
            let error = NameTemplate::parse(name, "").unwrap_err();
            assert_eq!(error.at, at, "{name}");
            assert!(error.reason.contains("%NS"), "{error}");
        }
    }
}
