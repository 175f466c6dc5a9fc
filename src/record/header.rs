//! The header line of a record.

use std::fmt;
use std::ops::Range;

use wide::u8x16;

/// What stands between a payload and the next header: an empty-looking line
/// of three monkeys, with the line feed before and after it.
pub const SEPARATOR: &[u8] = "\n🐵🙈🙉\n".as_bytes();

/// Longest header line accepted, in bytes. GoReplay's are about 70.
pub const MAX_HEADER: usize = 1024;

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
    /// Packets are missing before it, so that it may be text in the body of another message, or end elsewhere; or, of a
    /// response, it may answer another request than the one with its id.
    Doubtful,
}

impl Mark {
    /// The word in the header line.
    pub fn as_str(self) -> &'static str {
        match self {
            Mark::Cut => "cut",
            Mark::Gap => "gap",
            Mark::Doubtful => "doubtful",
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
    /// The fifth field is no decimal number, or larger than any record.
    Length,
    /// No line feed within the longest header line there is.
    HeaderTooLong,
    /// The input ended within the header line.
    HeaderCut,
    /// No separator follows a payload of the length that its header gives.
    WrongLength,
    /// The input ends before a payload of the length that its header gives.
    PayloadCut,
    /// The separator, or the header line of another record, follows the header line at once.
    NoPayload,
    /// NULs where a header line should begin.
    Nul,
    /// A line of JSON that is none.
    NoJson,
    /// A JSON value that is no record, for this reason.
    Object(&'static str),
    /// An entry of a HAR file that is no exchange of HTTP, for this reason.
    Entry(&'static str),
    /// The input ended within a line of JSON.
    LineCut,
    /// A line of an access log that is not of the log's format.
    Log {
        /// Number of the line, counted from 1.
        line: u64,
        /// What is wrong.
        why: &'static str,
        /// How the line begins.
        shown: Excerpt,
    },
    /// The input ended within a line of an access log.
    LogCut,
}

/// Bytes of an excerpt.
const EXCERPT: usize = 60;

/// The beginning of a text, to be shown.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Excerpt {
    bytes: [u8; EXCERPT],
    length: u8,
    is_cut: bool,
}

impl Excerpt {
    /// The beginning of this text.
    pub fn of(text: &[u8]) -> Self {
        let mut bytes = [0; EXCERPT];
        let length = text.len().min(EXCERPT);
        bytes[..length].copy_from_slice(&text[..length]);
        Excerpt { bytes, length: length as u8, is_cut: text.len() > EXCERPT }
    }
}

impl fmt::Display for Excerpt {
    /// One line, with what is not printable escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = String::from_utf8_lossy(&self.bytes[..usize::from(self.length)]);
        // The last character may have been cut.
        let text = if self.is_cut { text.trim_end_matches('\u{fffd}') } else { &text };
        for character in text.chars() {
            if character.is_control() {
                write!(f, "{}", character.escape_default())?;
            } else {
                write!(f, "{character}")?;
            }
        }
        f.write_str(if self.is_cut { "…" } else { "" })
    }
}

impl fmt::Debug for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Malformed::Object(why) => return write!(f, "the JSON object is not a record: {why}"),
            Malformed::Entry(why) => return write!(f, "the entry is not an HTTP exchange: {why}"),
            Malformed::NoJson => "the line is not valid JSON",
            Malformed::Log { line, why, shown } => return write!(f, "line {line}: {why}: {shown}"),
            Malformed::LogCut => "the input ends inside this line",
            Malformed::LineCut => "the input ends inside this line of JSON",
            Malformed::Kind => "the kind is not 1, 2 or 3",
            Malformed::Id => "the id is missing",
            Malformed::Timestamp => "the timestamp is not a number of nanoseconds",
            Malformed::Latency => "the latency is not a number of nanoseconds",
            Malformed::Length => "the payload length is not a possible number of bytes",
            Malformed::HeaderTooLong => "the header line has no end within 1024 bytes",
            Malformed::HeaderCut => "the input ends inside the header line",
            Malformed::WrongLength => "no separator follows the payload length that the header gives",
            Malformed::PayloadCut => "the input ends inside the payload, whose length the header gives",
            Malformed::NoPayload => "there is no payload after the header line",
            Malformed::Nul => "there are NUL bytes instead of a header line",
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

impl<'a> Header<'a> {
    /// Takes a header line apart. `line` comes without its line end.
    pub fn parse(line: &'a [u8]) -> Result<Header<'a>, Malformed> {
        Header::parse_plain(line).map_or_else(|| Header::parse_any(line), Ok)
    }

    fn parse_any(line: &'a [u8]) -> Result<Header<'a>, Malformed> {
        let mut header = Header::default();
        let mut rest = line;
        header.kind = match next_field(&mut rest) {
            Some(b"1") => Kind::Request,
            Some(b"2") => Kind::Response,
            Some(b"3") => Kind::Replayed,
            _ => return Err(Malformed::Kind),
        };
        header.id = next_field(&mut rest).ok_or(Malformed::Id)?;
        header.timestamp = next_field(&mut rest).and_then(integer).ok_or(Malformed::Timestamp)?;
        header.latency = match next_field(&mut rest) {
            Some(field) => Some(integer(field).ok_or(Malformed::Latency)?),
            None => return Ok(header),
        };
        if let Some(field) = next_field(&mut rest) {
            let length = integer(field).and_then(|length| u64::try_from(length).ok());
            header.length = Some(length.ok_or(Malformed::Length)?);
            let before_mark = rest;
            header.mark = match next_field(&mut rest) {
                Some(b"cut") => Some(Mark::Cut),
                Some(b"gap") => Some(Mark::Gap),
                Some(b"doubtful") => Some(Mark::Doubtful),
                _ => {
                    rest = before_mark;
                    None
                }
            };
            header.extra = rest;
        }
        Ok(header)
    }

    /// Takes apart what GoReplay takes for a header line: three fields or more, whatever they are; of two blanks in a row
    /// the id is between them, and empty.
    pub(super) fn parse_lenient(line: &'a [u8]) -> Result<Header<'a>, Malformed> {
        let mut rest = line;
        let kind = match next_field(&mut rest) {
            Some(b"1") => Kind::Request,
            Some(b"3") => Kind::Replayed,
            Some([b'0'..=b'9']) => Kind::Response,
            _ => return Err(Malformed::Kind),
        };
        let id = next_field(&mut rest).unwrap_or_default();
        let timestamp = next_field(&mut rest).ok_or(Malformed::Timestamp)?;
        let timestamp = integer(timestamp).unwrap_or(0);
        let latency = next_field(&mut rest).and_then(integer);
        Ok(Header { kind, id, timestamp, latency, extra: rest, ..Header::default() })
    }

    /// A line as all recorders write it, and nothing more. `None` of any other, good or not.
    fn parse_plain(line: &'a [u8]) -> Option<Header<'a>> {
        let plain = PlainHeader::at(line).filter(|plain| plain.length == line.len())?;
        let PlainHeader { kind, timestamp, latency, .. } = plain;
        Some(Header { kind, id: &line[PLAIN_ID], timestamp, latency: Some(latency), ..Header::default() })
    }

    /// Whether a line that [`Header::parse`] refuses was yet meant as a header:
    /// all its fields but one are right, or it stops early.
    ///
    /// The reader asks this of the line after a separator. A damaged record
    /// must not become the tail of the good one before it.
    pub(super) fn is_broken(line: &[u8]) -> bool {
        let mut rest = line;
        let kind = next_field(&mut rest).unwrap_or_default();
        let is_kind = matches!(kind, b"1" | b"2" | b"3");
        let id = next_field(&mut rest).unwrap_or_default();
        let timestamp = next_field(&mut rest);
        let is_time = timestamp.and_then(integer).is_some();
        let is_id = id.iter().all(u8::is_ascii_hexdigit);
        (is_kind && (is_id || is_time)) || (!id.is_empty() && is_id && is_time)
    }

    /// Whether this is how recorders write a header line: the id is of hex digits, as many as hold a
    /// session, and the timestamp is of this century. Text that was recorded does not look so by chance.
    pub(super) fn is_usual(&self) -> bool {
        const SESSION: usize = 16;
        const CENTURY: i64 = 946_684_800_000_000_000;
        self.id.len() >= SESSION && self.id.iter().all(u8::is_ascii_hexdigit) && self.timestamp >= CENTURY
    }

    /// Appends the header line, with its line feed.
    pub fn write(&self, out: &mut Vec<u8>) {
        self.write_with(self.latency, self.length, out);
    }

    /// The same with another latency and length.
    pub(super) fn write_with(&self, latency: Option<i64>, length: Option<u64>, out: &mut Vec<u8>) {
        if let (Some(latency), None, None, true) = (latency, length, self.mark, self.extra.is_empty())
            && self.write_plain(latency, out)
        {
            return;
        }
        let mut digits = itoa::Buffer::new();
        out.extend_from_slice(&[self.kind.digit(), b' ']);
        out.extend_from_slice(self.id);
        out.push(b' ');
        out.extend_from_slice(digits.format(self.timestamp).as_bytes());
        if let Some(latency) = latency {
            out.push(b' ');
            out.extend_from_slice(digits.format(latency).as_bytes());
        }
        if let Some(length) = length {
            out.push(b' ');
            out.extend_from_slice(digits.format(length).as_bytes());
        }
        if let Some(mark) = self.mark {
            out.push(b' ');
            out.extend_from_slice(mark.as_str().as_bytes());
        }
        if !self.extra.is_empty() {
            out.push(b' ');
            out.extend_from_slice(self.extra);
        }
        out.push(b'\n');
    }
}

impl Header<'_> {
    /// Writes a line as all recorders write it, put together in one piece. `false`: it is none, and nothing is written.
    #[inline]
    fn write_plain(&self, latency: i64, out: &mut Vec<u8>) -> bool {
        const ID: usize = 24;
        const TIMESTAMP: usize = 19;
        const BEFORE_LATENCY: usize = 2 + ID + 1 + TIMESTAMP + 1;
        let mut digits = itoa::Buffer::new();
        let (Ok(id), Ok(timestamp)) = (
            <&[u8; ID]>::try_from(self.id),
            <&[u8; TIMESTAMP]>::try_from(digits.format(self.timestamp).as_bytes()),
        ) else {
            return false;
        };
        let mut line = [b' '; BEFORE_LATENCY];
        line[0] = self.kind.digit();
        line[2..2 + ID].copy_from_slice(id);
        line[2 + ID + 1..BEFORE_LATENCY - 1].copy_from_slice(timestamp);
        out.extend_from_slice(&line);
        out.extend_from_slice(itoa::Buffer::new().format(latency).as_bytes());
        out.push(b'\n');
        true
    }
}

/// Cuts the next field off. An empty field is none.
///
/// Fields are a few bytes long, so a plain loop is faster than `memchr`.
fn next_field<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.iter().position(|&byte| byte == b' ').unwrap_or(rest.len());
    let field = &rest[..end];
    *rest = rest.get(end + 1..).unwrap_or_default();
    (!field.is_empty()).then_some(field)
}

/// A decimal number with an optional minus sign.
fn integer(field: &[u8]) -> Option<i64> {
    let (is_negative, digits) = match field {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    let (eights, rest) = digits.as_chunks::<8>();
    let mut value = 0_u64;
    for &eight in eights {
        value = value * 100_000_000 + eight_digits(eight)?;
    }
    for &digit in rest {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        // Nineteen digits fit 64 bits unsigned.
        value = value * 10 + u64::from(digit);
    }
    let value = i64::try_from(value).ok()?;
    Some(if is_negative { -value } else { value })
}

/// A header line as all recorders write it: an id of 24 bytes, a timestamp of 19 digits, and a latency.
#[derive(Clone, Copy, Debug)]
pub(super) struct PlainHeader {
    pub(super) kind: Kind,
    pub(super) timestamp: i64,
    pub(super) latency: i64,
    /// Of the line, up to the first byte that is no digit of the latency.
    pub(super) length: usize,
}

/// Where the id of such a line is.
pub(super) const PLAIN_ID: Range<usize> = 2..26;

impl PlainHeader {
    /// What `bytes` begin with, if it is such a line.
    #[inline]
    pub(super) fn at(bytes: &[u8]) -> Option<PlainHeader> {
        const LATENCY: usize = 47;
        let (start, rest) = bytes.split_first_chunk::<LATENCY>()?;
        let kind = match start[0] {
            b'1' => Kind::Request,
            b'2' => Kind::Response,
            b'3' => Kind::Replayed,
            _ => return None,
        };
        let (id, timestamp) = (&start[PLAIN_ID], &start[27..46]);
        if [start[1], start[26], start[46]] != [b' '; 3] || has_blank(id.first_chunk()?) {
            return None;
        }
        let timestamp = nineteen_digits(timestamp.first_chunk()?)?;
        let (latency, digits) = leading_digits(rest)?;
        Some(PlainHeader { kind, timestamp, latency, length: LATENCY + digits })
    }
}

/// The decimal digits that `bytes` begin with, from 1 to 18 of them, and how many there are.
#[inline]
fn leading_digits(bytes: &[u8]) -> Option<(i64, usize)> {
    if let Some(&first) = bytes.first_chunk() {
        let values = u64::from_le_bytes(first) ^ ZEROS;
        // The upper bit of each byte that is more than 9.
        let others =
            (((values & 0x7f7f_7f7f_7f7f_7f7f) + 0x7676_7676_7676_7676) | values) & 0x8080_8080_8080_8080;
        let digits = others.trailing_zeros() / 8;
        if (1..8).contains(&digits) {
            // As many zeros before them as make eight.
            return Some((join_digits(values << (64 - 8 * digits)) as i64, digits as usize));
        }
    }
    let digits = bytes.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(bytes.len());
    let value =
        bytes[..digits].iter().fold(0, |value: i64, &byte| value.wrapping_mul(10) + i64::from(byte - b'0'));
    (1..=18).contains(&digits).then_some((value, digits))
}

/// Whether there is a space or a line feed in the id, of which the first and the last sixteen bytes are looked at.
#[inline]
fn has_blank(id: &[u8; 24]) -> bool {
    let (Some(first), Some(last)) = (id.first_chunk(), id.last_chunk()) else { return true };
    let blanks = [first, last].map(|&bytes: &[u8; 16]| {
        let bytes = u8x16::new(bytes);
        bytes.simd_eq(u8x16::splat(b' ')) | bytes.simd_eq(u8x16::splat(b'\n'))
    });
    (blanks[0] | blanks[1]).to_bitmask() != 0
}

/// As many decimal digits as a timestamp of this century has.
#[inline]
fn nineteen_digits(digits: &[u8; 19]) -> Option<i64> {
    let (eights, [a, b, c]) = digits.as_chunks::<8>() else { return None };
    let [first, second] = eights else { return None };
    let rest = [a, b, c].map(|digit| digit.wrapping_sub(b'0'));
    if rest.iter().any(|&digit| digit > 9) {
        return None;
    }
    let [a, b, c] = rest.map(u64::from);
    let sixteen = eight_digits(*first)? * 100_000_000 + eight_digits(*second)?;
    i64::try_from(sixteen * 1000 + a * 100 + b * 10 + c).ok()
}

/// The digit zero, eight times.
const ZEROS: u64 = 0x3030_3030_3030_3030;

/// Eight decimal digits at once.
fn eight_digits(digits: [u8; 8]) -> Option<u64> {
    let text = u64::from_le_bytes(digits);
    // A digit's upper half is 3, and stays 3 when 6 is added.
    let upper = 0xf0f0_f0f0_f0f0_f0f0;
    let are_digits = text & upper == ZEROS && text.wrapping_add(0x0606_0606_0606_0606) & upper == ZEROS;
    are_digits.then(|| join_digits(text - ZEROS))
}

/// The number of eight digits, a byte each, the first of which is the lowest: pairs are joined, then pairs of pairs, then
/// the two halves.
fn join_digits(ones: u64) -> u64 {
    let pairs = (ones * 10 + (ones >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    (fours * 10_000 + (fours >> 32)) & 0xffff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn leading_digits_are_a_number_wherever_they_end(text in "[0-9]{0,20}([^0-9].{0,9})?") {
            let digits = text.bytes().take_while(u8::is_ascii_digit).count();
            let expected = (1..=18).contains(&digits).then(|| (text[..digits].parse::<i64>().unwrap(), digits));
            prop_assert_eq!(leading_digits(text.as_bytes()), expected);
        }

        #[test]
        fn the_usual_line_is_parsed_as_any_line_is(
            mut line in "[1-4] [0-9a-f]{24} [0-9]{19} (-1|[0-9]{1,20})( [0-9]{1,3}( cut)?)?".prop_map(String::into_bytes),
            changes in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(&b"0 -x9\xff"[..])), 0..3),
        ) {
            for (at, byte) in changes {
                let at = at.index(line.len());
                line[at] = byte;
            }
            prop_assert_eq!(Header::parse(&line), Header::parse_any(&line));
        }
    }
}
