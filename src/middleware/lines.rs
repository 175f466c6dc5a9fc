//! Records as lines of hex, both ways.

use std::io::{self, Write};

use crate::record::{Block, Header, MAX_HEADER, Malformed, SEPARATOR, View};

/// Bytes of a record that become hex at once.
const PIECE: usize = 1 << 15;

/// Writes a record as one line, the line feed included.
pub(super) fn write(view: &View<'_>, out: &mut impl Write, scratch: &mut Vec<u8>) -> io::Result<()> {
    // The header line as it stands, its line feed, then the payload: all in one piece of the text.
    let line = memchr::memchr(b'\n', view.raw).map_or(view.raw.len(), |end| end + 1);
    for piece in view.raw[..line + view.payload.len()].chunks(PIECE) {
        scratch.resize(piece.len() * 2, 0);
        faster_hex::hex_encode(piece, scratch).map_err(io::Error::other)?;
        out.write_all(scratch)?;
    }
    out.write_all(b"\n")
}

/// Why a line is no record.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Garbage {
    #[error("it is not hex")]
    NotHex,
    #[error("{0}")]
    Malformed(Malformed),
    #[error("no line feed stands after the record's header line")]
    NoPayload,
    #[error("it is longer than --max-record allows")]
    TooLong,
    #[error("it ends without a line feed, so that the rest of it may be missing")]
    Half,
}

/// Adds the record of a line, which comes without its line end, to `block`.
/// Digits of either case are taken, and a carriage return at the end.
pub(super) fn read(line: &[u8], block: &mut Block, scratch: &mut Vec<u8>) -> Result<(), Garbage> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if !line.len().is_multiple_of(2) {
        return Err(Garbage::NotHex);
    }
    scratch.resize(line.len() / 2, 0);
    faster_hex::hex_decode(line, scratch).map_err(|_| Garbage::NotHex)?;
    let end = memchr::memchr(b'\n', scratch).ok_or(Garbage::NoPayload)?;
    let header = Header::parse(&scratch[..end]).map_err(Garbage::Malformed)?;
    // An id this long would not fit a record's view either.
    if end >= MAX_HEADER {
        return Err(Garbage::Malformed(Malformed::HeaderTooLong));
    }
    let payload = &scratch[end + 1..];
    block.push(&header, payload);
    // A length may have been added: no reader would take the record.
    let raw = block.get(block.len() - 1).raw;
    if raw.len() - payload.len() - SEPARATOR.len() > MAX_HEADER {
        block.pop();
        return Err(Garbage::Malformed(Malformed::HeaderTooLong));
    }
    Ok(())
}
