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
    /// A capture file that is damaged.
    #[error("{position}: {damage}")]
    Capture {
        /// The packet that could not be read.
        position: crate::packet::Position,
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

/// An operating system error without Rust's `(os error 2)`, in lower case.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

impl Error {
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

    /// Whether the command line is to blame.
    pub fn is_usage(&self) -> bool {
        match self {
            Error::Usage(_) => true,
            Error::At { error, .. } => error.is_usage(),
            _ => false,
        }
    }
}
