//! Header lines in a stream of bytes, and what stands where one should.

use memchr::memchr;

use super::header::{Header, MAX_HEADER, Malformed};
use super::separator::{filler_line, nuls};
use super::span::RecordSpan;

/// A header line taken apart, counted from its own first byte. Of its record
/// the end is not known yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeaderLine {
    pub(super) span: RecordSpan,
    pub(super) length: Option<u64>,
    pub(super) is_crlf: bool,
}

impl HeaderLine {
    /// Parses the line that `bytes` begins with; `None` when it has no end.
    pub(super) fn at(bytes: &[u8], is_lenient: bool) -> Option<Result<HeaderLine, Malformed>> {
        let (line, is_crlf) = header_line(bytes)?;
        let payload = line.len() + usize::from(is_crlf) + 1;
        let parsed = Header::parse(line);
        let parsed = if is_lenient { parsed.or_else(|_| Header::parse_lenient(line)) } else { parsed };
        Some(parsed.map(|header| HeaderLine {
            span: RecordSpan::new(&header, usize::from(is_crlf), payload..payload, payload),
            length: header.length,
            is_crlf,
        }))
    }
}

/// What stands after a separator.
pub(super) enum Follows {
    /// A header line.
    Header(HeaderLine),
    /// The end of the input, or a header line that is damaged.
    Record,
    /// Something else.
    Payload,
    /// Too few bytes to tell.
    Unknown,
}

/// Tells what follows a separator.
pub(super) fn what_follows(bytes: &[u8], is_at_end: bool, is_lenient: bool) -> Follows {
    let mut rest = bytes;
    loop {
        let skipped = match filler_line(rest, is_at_end) {
            Some(line) => line.len(),
            None => nuls(&rest[..rest.len().min(MAX_HEADER)]),
        };
        if skipped == 0 {
            break;
        }
        rest = &rest[skipped..];
        if bytes.len() - rest.len() >= MAX_HEADER {
            // No payload of text goes on like this.
            return Follows::Record;
        }
    }
    if let Some(Ok(line)) = HeaderLine::at(rest, is_lenient) {
        return Follows::Header(line);
    }
    match header_line(rest) {
        Some((line, _)) if Header::is_broken(line) => Follows::Record,
        None if rest.is_empty() && is_at_end => Follows::Record,
        None if rest.len() < MAX_HEADER && !is_at_end => Follows::Unknown,
        None if is_at_end && Header::is_broken(rest) => Follows::Record,
        _ => Follows::Payload,
    }
}

/// Whether a payload begins with a header line as recorders write it; `None` when there are too few bytes to tell.
/// Such a payload is always written with its length.
pub(super) fn begins_with_header(payload: &[u8], is_whole: bool) -> Option<bool> {
    match payload {
        [] => return is_whole.then_some(false),
        [b'1'..=b'3'] if !is_whole => return None,
        [b'1'..=b'3', b' ', ..] => {}
        _ => return Some(false),
    }
    // A separator, and so a line end, follows a whole payload.
    let line = match header_line(payload) {
        Some((line, _)) => line,
        None if payload.len() >= MAX_HEADER => return Some(false),
        None if is_whole => payload,
        None => return None,
    };
    // Line ends are made regular, and what is left of one may become part of the next.
    let end = line.iter().rposition(|&byte| byte != b'\r').map_or(0, |last| last + 1);
    let line = &line[..end];
    Some(Header::parse(line).is_ok_and(|header| header.is_usual()))
}

/// The header line that `bytes` begins with, without its line end, and
/// whether that is CRLF; `None` when it has none within the longest line
/// there is.
pub(super) fn header_line(bytes: &[u8]) -> Option<(&[u8], bool)> {
    let end = memchr(b'\n', &bytes[..bytes.len().min(MAX_HEADER)])?;
    let line = &bytes[..end];
    Some(line.strip_suffix(b"\r").map_or((line, false), |line| (line, true)))
}
