//! The chunked transfer coding, RFC 9112 §7.1, one piece at a time.

use memchr::memchr;

use super::FramingFault;

pub use super::bounds::{MAX_CHUNK_LINE, MAX_TRAILERS};

/// What the next bytes of a chunked body are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ChunkedPiece {
    /// Nothing more can be said before more bytes come.
    More,
    /// So many bytes of size lines, extensions, line ends or trailers; at least one.
    Framing(usize),
    /// So many bytes of content; at least one.
    Data(usize),
    /// The body is over and the next byte is not its.
    End,
}

/// A decoder of one chunked body. It holds no bytes.
///
/// Chunk extensions and trailers are stepped over (§7.1.1, §7.1.2), bare LF ends a line (§2.2), spaces and
/// tabs may follow the size.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ChunkedDecoder {
    state: ChunkedState,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum ChunkedState {
    /// In the digits of a size; `length` is that of the line so far.
    Size {
        size: u64,
        length: usize,
    },
    /// After the digits.
    Extension {
        size: u64,
        length: usize,
    },
    /// In the content, with so many bytes to come.
    Data(u64),
    /// After the content: a CR or a LF is due.
    DataEnd,
    /// After the content and a CR.
    DataLineFeed,
    /// At the start of a trailer line; `length` is that of the section so far.
    Trailer {
        length: usize,
    },
    /// At the start of a trailer line, and a CR was seen.
    TrailerCr {
        length: usize,
    },
    /// Inside a trailer line.
    TrailerLine {
        length: usize,
    },
    End,
    Failed(FramingFault),
}

impl Default for ChunkedDecoder {
    fn default() -> Self {
        Self { state: ChunkedState::Size { size: 0, length: 0 } }
    }
}

impl ChunkedDecoder {
    /// Says what `unread` begins with. The bytes told of are consumed: the next call starts after them.
    ///
    /// A fault is told once every byte before it has been, and again on every later call.
    pub fn advance(&mut self, unread: &[u8]) -> Result<ChunkedPiece, FramingFault> {
        if let ChunkedState::Data(remaining) = &mut self.state {
            let taken = usize::try_from(*remaining).unwrap_or(usize::MAX).min(unread.len());
            if taken == 0 {
                return Ok(ChunkedPiece::More);
            }
            *remaining -= taken as u64;
            if *remaining == 0 {
                self.state = ChunkedState::DataEnd;
            }
            return Ok(ChunkedPiece::Data(taken));
        }
        let mut at = 0;
        while at < unread.len()
            && !matches!(self.state, ChunkedState::Data(_) | ChunkedState::End | ChunkedState::Failed(_))
        {
            match self.state.line_piece(&unread[at..]) {
                Ok((state, used)) => {
                    self.state = state;
                    at += used;
                }
                Err(fault) => self.state = ChunkedState::Failed(fault),
            }
        }
        match self.state {
            _ if at > 0 => Ok(ChunkedPiece::Framing(at)),
            ChunkedState::End => Ok(ChunkedPiece::End),
            ChunkedState::Failed(fault) => Err(fault),
            _ => Ok(ChunkedPiece::More),
        }
    }
}

impl ChunkedState {
    /// The state after some of `bytes`, which are not empty, and how many those were.
    fn line_piece(self, bytes: &[u8]) -> Result<(ChunkedState, usize), FramingFault> {
        let first = bytes[0];
        match self {
            ChunkedState::Size { size, length } => {
                let within = length < MAX_CHUNK_LINE;
                match (char::from(first).to_digit(16), first) {
                    _ if !within => Err(FramingFault::ChunkLineTooLong),
                    (Some(_), _) if size >> 60 != 0 => Err(FramingFault::ChunkSizeOverflow),
                    (Some(digit), _) => {
                        Ok((ChunkedState::Size { size: size << 4 | u64::from(digit), length: length + 1 }, 1))
                    }
                    (None, b' ' | b'\t' | b';' | b'\r' | b'\n') if length > 0 => {
                        Ok((ChunkedState::Extension { size, length }, 0))
                    }
                    _ => Err(FramingFault::ChunkSize),
                }
            }
            ChunkedState::Extension { size, length } => {
                let (ended, used) = to_line_end(bytes, MAX_CHUNK_LINE - length);
                match (ended, used) {
                    (false, 0) => Err(FramingFault::ChunkLineTooLong),
                    (false, _) => Ok((ChunkedState::Extension { size, length: length + used }, used)),
                    (true, _) if size == 0 => Ok((ChunkedState::Trailer { length: 0 }, used)),
                    (true, _) => Ok((ChunkedState::Data(size), used)),
                }
            }
            ChunkedState::DataEnd if first == b'\r' => Ok((ChunkedState::DataLineFeed, 1)),
            ChunkedState::DataEnd | ChunkedState::DataLineFeed if first == b'\n' => {
                Ok((ChunkedState::Size { size: 0, length: 0 }, 1))
            }
            ChunkedState::DataEnd | ChunkedState::DataLineFeed => Err(FramingFault::ChunkEnd),
            ChunkedState::Trailer { length } | ChunkedState::TrailerCr { length }
                if length >= MAX_TRAILERS =>
            {
                Err(FramingFault::TrailersTooLarge)
            }
            ChunkedState::Trailer { .. } | ChunkedState::TrailerCr { .. } if first == b'\n' => {
                Ok((ChunkedState::End, 1))
            }
            ChunkedState::Trailer { length } if first == b'\r' => {
                Ok((ChunkedState::TrailerCr { length: length + 1 }, 1))
            }
            ChunkedState::Trailer { length } | ChunkedState::TrailerCr { length } => {
                Ok((ChunkedState::TrailerLine { length }, 0))
            }
            ChunkedState::TrailerLine { length } => {
                let (ended, used) = to_line_end(bytes, MAX_TRAILERS - length);
                let length = length + used;
                match (ended, used) {
                    (false, 0) => Err(FramingFault::TrailersTooLarge),
                    (false, _) => Ok((ChunkedState::TrailerLine { length }, used)),
                    (true, _) => Ok((ChunkedState::Trailer { length }, used)),
                }
            }
            ChunkedState::Data(_) | ChunkedState::End | ChunkedState::Failed(_) => Ok((self, 0)),
        }
    }
}

/// Whether a line ends within the first `room` bytes, and how many bytes there are up to and with its end.
fn to_line_end(bytes: &[u8], room: usize) -> (bool, usize) {
    let within = &bytes[..bytes.len().min(room)];
    memchr(b'\n', within).map_or((false, within.len()), |end| (true, end + 1))
}

/// The content of a chunked body without its framing, in slices; ends where the body ends, breaks a rule,
/// or is cut off.
pub fn content(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut decoder = ChunkedDecoder::default();
    let mut rest = body;
    std::iter::from_fn(move || {
        loop {
            match decoder.advance(rest) {
                Ok(ChunkedPiece::Framing(length)) => rest = &rest[length..],
                Ok(ChunkedPiece::Data(length)) => {
                    let (data, after) = rest.split_at(length);
                    rest = after;
                    return Some(data);
                }
                Ok(ChunkedPiece::More | ChunkedPiece::End) | Err(_) => return None,
            }
        }
    })
}
