//! What can go wrong, and where it did.

use std::fmt;
use std::io;

/// The library's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Where in a stream of records something was met.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Position {
    /// Number of the record, counted from 1, malformed ones included.
    pub record: u64,
    /// Offset of its first byte in the (decompressed) stream, from 0.
    pub byte: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "record {} (byte {})", self.record, self.byte)
    }
}

/// An error of this library. Its text is one lower-case line without the
/// program's name; the binaries print it once, at the edge.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system said no.
    #[error("{}", plain(.0))]
    Io(#[from] io::Error),
    /// A record that does not follow the format.
    #[error("{position}: {reason}")]
    Malformed {
        /// Where the record begins.
        position: Position,
        /// Which rule it breaks.
        reason: crate::record::Malformed,
    },
    /// A record longer than the reader was allowed to hold.
    #[error("{position}: the record is larger than {limit} bytes; --max-record raises the limit")]
    RecordTooLarge {
        /// Where the record begins.
        position: Position,
        /// The limit in force, in bytes.
        limit: u64,
    },
    /// The output is as large as the user lets it become.
    #[error("--max-size of {limit} bytes is reached; {}", last_of(*.records, .id))]
    SizeReached {
        /// The limit in force, in bytes.
        limit: u64,
        /// Records that were written.
        records: u64,
        /// The id of the last one.
        id: String,
    },
    /// A capture file that is damaged.
    #[error("{position}: {damage}")]
    Capture {
        /// The packet that could not be read.
        position: crate::packet::FilePosition,
        /// What is wrong with it.
        damage: crate::packet::Damage,
    },
    /// Input that is not what it should be, in the words of whoever found out.
    #[error("{0}")]
    Invalid(String),
    /// What was asked for cannot be, in the words of whoever found out. It is
    /// the command line that must change.
    #[error("{0}")]
    Usage(String),
    /// Another error, and the place it happened at.
    #[error("{place}: {error}")]
    At {
        /// A path, an address, `standard input`.
        place: String,
        /// What happened there.
        error: Box<Error>,
    },
}

/// A text of the user's that does not parse: a rule, a pattern, a template.
/// It prints as the reason, then the text with a caret under the fault.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub struct BadRule {
    /// The text as it was given.
    pub text: String,
    /// Offset of the byte that is at fault; the text's length where something
    /// is missing at the end.
    pub at: usize,
    /// What is wrong there, and what was expected.
    pub reason: String,
}

impl BadRule {
    /// Says what is wrong with the byte at `at`.
    pub fn new(text: &str, at: usize, reason: impl Into<String>) -> Self {
        BadRule { text: text.to_owned(), at, reason: reason.into() }
    }

    /// A regular expression that does not parse, and that begins at `start`
    /// in the text.
    pub fn pattern(text: &str, start: usize, error: &regex::Error) -> Self {
        let said = error.to_string();
        // The library draws the pattern, a caret below it, then `error: …`.
        let reason = said.lines().last().unwrap_or_default().trim_start_matches("error: ");
        let caret = said.lines().find(|line| line.trim() == "^" || line.trim().starts_with("^^"));
        let column = caret.map_or(0, |line| line.find('^').unwrap_or(0).saturating_sub(4));
        let pattern = text.get(start..).unwrap_or_default();
        let within = pattern.char_indices().nth(column).map_or(pattern.len(), |(at, _)| at);
        BadRule::new(text, start + within, reason)
    }
}

impl fmt::Display for BadRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let before = self.text.get(..self.at).unwrap_or(&self.text);
        let column = before.chars().count();
        write!(f, "{}\n    {}\n    {:column$}^", self.reason, self.text, "")
    }
}

/// An operating system error without Rust's `(os error 2)`, in lower case.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

fn last_of(records: u64, id: &str) -> String {
    match records {
        0 => "not even the first record fits".to_owned(),
        _ => format!("the last record written is number {records} (id {id})"),
    }
}

impl Error {
    /// How many records were written, where the output ended because of its size.
    pub fn written(&self) -> Option<u64> {
        if let Error::SizeReached { records, .. } = self { Some(*records) } else { None }
    }

    /// The same error with the place it happened at in front.
    #[must_use]
    pub fn at(self, place: impl Into<String>) -> Self {
        Error::At { place: place.into(), error: Box::new(self) }
    }

    /// Whether whoever reads our output has gone away, which is no failure.
    pub fn is_broken_pipe(&self) -> bool {
        match self {
            Error::Io(error) => error.kind() == io::ErrorKind::BrokenPipe,
            Error::At { error, .. } => error.is_broken_pipe(),
            _ => false,
        }
    }

    /// Whether it is that a capture file has no byte at all.
    pub fn is_empty_capture(&self) -> bool {
        match self {
            Error::Capture { damage, .. } => *damage == crate::packet::Damage::Empty,
            Error::At { error, .. } => error.is_empty_capture(),
            _ => false,
        }
    }

    /// Whether a record is to blame, not its file.
    pub fn is_about_a_record(&self) -> bool {
        match self {
            Error::Malformed { .. } | Error::RecordTooLarge { .. } => true,
            Error::At { error, .. } => error.is_about_a_record(),
            _ => false,
        }
    }

    /// Whether the command line is to blame.
    pub fn is_usage(&self) -> bool {
        match self {
            Error::Usage(_) => true,
            Error::At { error, .. } => error.is_usage(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::BadRule;

    #[test]
    fn the_caret_stands_under_the_fault() {
        let text = "Höst:(a[".to_owned();
        let pattern = regex::Regex::new(&text[6..]).unwrap_err();
        let shown = BadRule::pattern(&text, 6, &pattern).to_string();
        assert_eq!(shown, "unclosed character class\n    Höst:(a[\n           ^", "{pattern}");
        let shown = BadRule::new("ab", 2, "a colon is missing").to_string();
        assert_eq!(shown, "a colon is missing\n    ab\n      ^");
    }
}
