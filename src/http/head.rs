//! Views of a message's head: the start line and the field lines as they were on the wire.
//!
//! Tolerant, because recordings are: bare LF ends a line, methods and names may be anything, values need
//! not be UTF-8, empty lines before the start line are stepped over (RFC 9112 §2.2). Whether the head is
//! good enough to know where its message ends is a question for [`framing`](super::framing).

use std::ops::Range;

use memchr::{memchr, memrchr};

use super::token::{self, LineFeeds};

/// The first line of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RequestLine<'a> {
    /// What precedes the first space.
    pub method: &'a [u8],
    /// What lies between method and version, in whichever of the four forms (RFC 9112 §3.2).
    pub target: &'a [u8],
    /// The last word where it begins with `HTTP/`; otherwise empty, as in HTTP/0.9.
    pub version: &'a [u8],
}

/// The first line of a response.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct StatusLine<'a> {
    /// Begins with `HTTP/`.
    pub version: &'a [u8],
    /// Three digits, so 0 to 999.
    pub status: u16,
    /// May be empty, and may be any bytes.
    pub reason: &'a [u8],
}

/// The first line of a request, without looking at anything after it.
///
/// `None` when the line has no end yet or no target. A space inside the target stays in the target
/// (RFC 9112 §3 lets a recipient take the words from both ends). A status line is not told apart: it has
/// a first and a second word too.
pub fn request_line(message: &[u8]) -> Option<RequestLine<'_>> {
    request_words(first_line(message)?)
}

/// The first line of a response, without looking at anything after it; `None` when the line has no end yet
/// or is not `HTTP/`, a space and three digits.
pub fn status_line(message: &[u8]) -> Option<StatusLine<'_>> {
    status_words(first_line(message)?)
}

/// The first line that is not empty, without its line end.
fn first_line(message: &[u8]) -> Option<&[u8]> {
    let line = &message[token::empty_lines(message)..];
    Some(without_cr(&line[..memchr(b'\n', line)?]))
}

/// A line, whose LF is already gone, without its CR.
#[inline]
pub(super) fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The words of a request line that has lost its line end.
pub(super) fn request_words(line: &[u8]) -> Option<RequestLine<'_>> {
    let line = token::trim_end(line);
    // A method is a few bytes long, so a plain loop is faster than `memchr`.
    let space = line.iter().position(|&byte| byte == b' ')?;
    let (method, rest) = (&line[..space], &line[space + 1..]);
    let (target, version) = match rest.split_last_chunk::<9>() {
        Some((target, [b' ', version @ ..])) if token::is_version(version) => (target, &version[..]),
        _ => match memrchr(b' ', rest) {
            Some(last) if rest[last + 1..].starts_with(b"HTTP/") => (&rest[..last], &rest[last + 1..]),
            _ if rest.starts_with(b"HTTP/") => (&rest[..0], rest),
            _ => (rest, &rest[rest.len()..]),
        },
    };
    let target = token::trim(target);
    (!target.is_empty()).then_some(RequestLine { method, target, version })
}

/// The words of a status line that has lost its line end.
pub(super) fn status_words(line: &[u8]) -> Option<StatusLine<'_>> {
    if !line.starts_with(b"HTTP/") {
        return None;
    }
    let (version, mut rest) = match line.split_first_chunk::<8>() {
        Some((version, [b' ', rest @ ..])) if token::is_version(version) => (&version[..], rest),
        _ => {
            let space = line.iter().position(|&byte| byte == b' ')?;
            (&line[..space], &line[space + 1..])
        }
    };
    while let [b' ', after @ ..] = rest {
        rest = after;
    }
    let (digits, reason) = rest.split_first_chunk::<3>()?;
    let reason = match reason {
        [] => reason,
        [b' ', reason @ ..] => reason,
        _ => return None,
    };
    let digits = digits.map(|digit| u16::from(digit.wrapping_sub(b'0')));
    let [hundreds, tens, ones] = digits;
    let is_number = digits.iter().all(|&digit| digit <= 9);
    is_number.then(|| StatusLine { version, status: hundreds * 100 + tens * 10 + ones, reason })
}

/// A field line with the lines folded into it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Field<'a> {
    /// What precedes the colon, without whitespace at its end; the whole line when there is no colon.
    pub name: &'a [u8],
    /// What follows the colon, without the whitespace around it. A folded line's inner line end stays.
    pub value: &'a [u8],
    /// Where `value` lies in the message.
    pub value_range: Range<usize>,
    /// Where the whole line lies in the message, its line end and folded lines included: what to leave out
    /// when the field is to go.
    pub line: Range<usize>,
}

/// What an edit of a head changes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HeadPart {
    /// The start line.
    StartLine,
    /// Field lines.
    Fields,
}

/// How the lines of a head lie.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HeadShape {
    start: usize,
    fields: usize,
    end: usize,
}

/// The whole head of a message.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// From the message's first byte to the end of the empty line.
    bytes: &'a [u8],
    /// Where the start line begins, after empty lines.
    start: usize,
    /// Where the first field line begins.
    fields: usize,
    /// Where the empty line begins.
    end: usize,
}

impl<'a> Head<'a> {
    /// The head that `message` begins with; `None` when the empty line that ends it is not there.
    pub fn of(message: &'a [u8]) -> Option<Self> {
        let start = token::empty_lines(message);
        let fields = LineFeeds::new(message, start).next()? + 1;
        let empty_line = token::find_empty_line(message, fields)?;
        Some(Head { bytes: &message[..empty_line.end], start, fields, end: empty_line.start })
    }

    /// The head of `bytes`, all of which it is, where it is known how its lines lie: they are not looked for.
    pub fn of_shape(bytes: &'a [u8], shape: HeadShape) -> Self {
        let HeadShape { start, fields, end } = shape;
        let head = Head { bytes, start, fields, end };
        debug_assert_eq!(
            Head::of(bytes).map(|found| (found.len(), found.shape())),
            Some((bytes.len(), shape))
        );
        head
    }

    /// How its lines lie.
    pub fn shape(&self) -> HeadShape {
        HeadShape { start: self.start, fields: self.fields, end: self.end }
    }

    /// How the lines lie once a change of one part, which adds no line end to the start line, has given it this length.
    pub fn shape_after(&self, change: HeadPart, length: usize) -> HeadShape {
        let fields = match change {
            HeadPart::StartLine => self.fields + length - self.len(),
            HeadPart::Fields => self.fields,
        };
        HeadShape { start: self.start, fields, end: self.end + length - self.len() }
    }

    /// The bytes of the head, up to and with the empty line.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Bytes up to the body.
    #[allow(clippy::len_without_is_empty, reason = "a head is never empty")]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The start line without its line end.
    pub fn start_line(&self) -> &'a [u8] {
        without_cr(&self.bytes[self.start..self.fields - 1])
    }

    /// The start line read as a request's.
    pub fn request_line(&self) -> Option<RequestLine<'a>> {
        request_words(self.start_line())
    }

    /// Where the target of a request lies.
    pub fn target(&self) -> Option<Range<usize>> {
        let target = self.request_line()?.target;
        let start = target.as_ptr() as usize - self.bytes.as_ptr() as usize;
        Some(start..start + target.len())
    }

    /// The start line read as a response's.
    pub fn status_line(&self) -> Option<StatusLine<'a>> {
        status_words(self.start_line())
    }

    /// Where the first line after the start line begins.
    pub(super) fn fields_start(&self) -> usize {
        self.fields
    }

    /// The field lines in their order.
    pub fn fields(&self) -> Fields<'a> {
        let bytes = &self.bytes[..self.end];
        Fields { bytes, at: self.fields, line_feeds: LineFeeds::new(bytes, self.fields) }
    }

    /// The field lines whose name is `name` in any case.
    pub fn fields_named<'n>(&self, name: &'n [u8]) -> impl Iterator<Item = Field<'a>> + use<'a, 'n> {
        let mut fields = self.fields();
        std::iter::from_fn(move || {
            loop {
                let field = fields.next_that_begins(name)?;
                if field.name.len() == name.len() {
                    return Some(field);
                }
            }
        })
    }

    /// The values of the field lines whose name is `name` in any case.
    pub fn values<'n>(&self, name: &'n [u8]) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.fields_named(name).map(|field| field.value)
    }

    /// The head in pieces that leave out every field line whose name is `name` in any case.
    pub fn without<'n>(&self, name: &'n [u8]) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        let bytes = self.bytes;
        let mut from = 0;
        self.fields_named(name)
            .map(|field| field.line)
            .chain(std::iter::once(bytes.len()..bytes.len()))
            .map(move |gone| {
                let piece = &bytes[from..gone.start];
                from = gone.end;
                piece
            })
            .filter(|piece| !piece.is_empty())
    }
}

/// The field lines of a head, in order.
///
/// A line that begins with a space or a tab belongs to the line before it (RFC 9112 §5.2); directly under
/// the start line it is a field of its own, with nothing sensible for a name.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    /// The message up to the empty line.
    bytes: &'a [u8],
    /// Where the next line begins.
    at: usize,
    /// The ends of that line and those after it.
    line_feeds: LineFeeds<'a>,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        let line = self.next_line()?;
        Some(self.field(line))
    }
}

impl<'a> Fields<'a> {
    /// Where the next line lies, with the lines folded into it.
    #[inline]
    fn next_line(&mut self) -> Option<Range<usize>> {
        let start = self.step()?;
        self.unfold();
        Some(start..self.at)
    }

    /// Goes on by one line, and tells where it begins.
    #[inline]
    fn step(&mut self) -> Option<usize> {
        if self.at >= self.bytes.len() {
            return None;
        }
        let end = self.line_feeds.next().map_or(self.bytes.len(), |end| end + 1);
        Some(std::mem::replace(&mut self.at, end))
    }

    /// Goes on behind the lines that are folded into the one before.
    #[inline]
    fn unfold(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t')) && self.step().is_some() {}
    }

    /// The next field whose name begins with `name` as a word, in any case. Most are others, and need not be taken apart.
    #[inline]
    fn next_that_begins(&mut self, name: &[u8]) -> Option<Field<'a>> {
        loop {
            let start = self.step()?;
            // No name begins with white space, so what is folded into another line is passed over.
            let Some((begins, rest)) = self.bytes[start..self.at].split_at_checked(name.len()) else {
                continue;
            };
            let is_as_long = rest.first().is_some_and(|&byte| byte == b':' || token::is_space(byte));
            if is_as_long && begins.eq_ignore_ascii_case(name) {
                self.unfold();
                return Some(self.field(start..self.at));
            }
        }
    }

    /// A line taken apart.
    fn field(&self, range: Range<usize>) -> Field<'a> {
        let start = range.start;
        let line = &self.bytes[range.clone()];
        let colon = memchr(b':', line);
        let name = token::trim_end(&line[..colon.unwrap_or(line.len())]);
        let value_line = token::trim_end(&line[colon.map_or(line.len(), |colon| colon + 1)..]);
        let value = token::trim(value_line);
        let value_end = start + colon.map_or(line.len(), |colon| colon + 1) + value_line.len();
        Field { name, value, value_range: value_end - value.len()..value_end, line: range }
    }
}

#[cfg(test)]
mod tests;
