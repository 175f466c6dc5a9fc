//! The header line of a record.

use std::fmt;
use std::io::Write;

/// What stands between a payload and the next header: an empty-looking line
/// of three monkeys, with the line feed before and after it.
pub const SEPARATOR: &[u8] = "\n🐵🙈🙉\n".as_bytes();

/// Longest header line accepted, in bytes. GoReplay's are about 70.
pub(super) const MAX_HEADER: usize = 1024;

/// What a record holds.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Kind {
    /// `1`: a request.
    #[default]
    Request,
    /// `2`: the response that was recorded with the request.
    Response,
    /// `3`: the response that a replay of the request got.
    Replayed,
}

impl Kind {
    /// The digit that stands for this kind.
    pub fn digit(self) -> u8 {
        match self {
            Kind::Request => b'1',
            Kind::Response => b'2',
            Kind::Replayed => b'3',
        }
    }
}

/// Why a record is not whole.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mark {
    /// It was longer than the recorder was told to keep.
    Cut,
    /// Packets of it were missing from the capture.
    Gap,
}

impl Mark {
    fn as_str(self) -> &'static str {
        match self {
            Mark::Cut => "cut",
            Mark::Gap => "gap",
        }
    }
}

/// The rule that a malformed record breaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Malformed {
    /// The first field is something else.
    Kind,
    /// There is no second field, or it is empty.
    Id,
    /// The third field is missing or no decimal number of 64 bits.
    Timestamp,
    /// The fourth field is no decimal number of 64 bits.
    Latency,
    /// The fifth field is no decimal number.
    Length,
    /// No line feed within the longest header line there is.
    HeaderTooLong,
    /// The input ended within the header line.
    HeaderCut,
    /// The payload is shorter than its header says, or no separator follows.
    WrongLength,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Malformed::Kind => "the kind is not 1, 2 or 3",
            Malformed::Id => "the id is missing",
            Malformed::Timestamp => "the timestamp is not a number of nanoseconds",
            Malformed::Latency => "the latency is not a number of nanoseconds",
            Malformed::Length => "the payload length is not a number of bytes",
            Malformed::HeaderTooLong => "the header line has no end within 1024 bytes",
            Malformed::HeaderCut => "the input ends inside the header line",
            Malformed::WrongLength => "no separator follows the payload length that the header gives",
        })
    }
}

/// A record's header line, taken apart.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Header<'a> {
    /// What the record holds.
    pub kind: Kind,
    /// The same for a request and its responses. Any bytes but white space.
    pub id: &'a [u8],
    /// When the message began: nanoseconds since the Unix epoch.
    pub timestamp: i64,
    /// Nanoseconds from the message's beginning to its end; for a replayed
    /// response the round trip. Older files have none, some have −1.
    pub latency: Option<i64>,
    /// Bytes of the payload, where the header says so.
    pub length: Option<u64>,
    /// Set when the message is not whole.
    pub mark: Option<Mark>,
    /// Fields after the fifth as they stand, a known mark excepted.
    pub extra: &'a [u8],
}
