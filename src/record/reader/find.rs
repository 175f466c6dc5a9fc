//! One record at the front of bytes that are not taken apart yet: where it ends, or what is wrong with it.

use memchr::memchr;

use super::super::header::{Kind, MAX_HEADER, Malformed, SEPARATOR};
use super::super::header_line::{Follows, HeaderLine, begins_with_header, header_line, what_follows};
use super::super::separator::{
    MONKEYS, OPENING, PayloadEnd, Search, find_separator, is_repeated, may_become_separator,
    partial_separator, separator_at,
};
use super::super::span::RecordSpan;
use super::super::text_feed::TextFeed;
use super::{MAX_MAX_RECORD, Reader};

/// Most payload that is searched for its end where its length cannot be right.
const SEARCHED_PAYLOAD: u64 = 1 << 20;

/// How many times as long as what was read all such searches may be that found no end.
const SEARCHES: u64 = 8;

/// How much may yet be searched in vain, so that many records with wrong lengths take no more than a multiple of the
/// time that it takes to read them.
#[derive(Clone, Copy, Debug)]
pub(super) struct SearchAllowance {
    left: u64,
    /// Where in the stream it was so much.
    at: u64,
}

impl SearchAllowance {
    /// All that there ever is, at a place in the stream.
    pub(super) fn full(at: u64) -> Self {
        SearchAllowance { left: SEARCHED_PAYLOAD, at }
    }

    /// What there is at a later place.
    fn at(self, at: u64) -> Self {
        let gained = at.saturating_sub(self.at).saturating_mul(SEARCHES);
        SearchAllowance { left: self.left.saturating_add(gained).min(SEARCHED_PAYLOAD), at }
    }
}

/// What was found at the front of the bytes not yet taken apart.
pub(super) enum FindResult {
    /// A record. The span counts from the front.
    Record { span: RecordSpan, length: usize },
    /// Nothing that can be decided before more bytes come.
    NeedMore,
    /// A record that breaks a rule.
    Malformed(Malformed),
    /// A line that is no header, right before one that is, and its length.
    Noise(Malformed, usize),
    /// A record whose length field is wrong. Its end is not before `skip`.
    Lost { reason: Malformed, skip: usize },
    /// A record beyond the limit, and how many bytes of it are known to be its own.
    TooLarge { length: u64 },
}

impl<F: TextFeed> Reader<F> {
    /// Looks for one record at the front of `bytes`, which is not empty and
    /// begins with no line end and stands at `at` in the stream. Odd line ends
    /// are made regular in place.
    pub(super) fn find(&mut self, bytes: &mut [u8], at: u64) -> FindResult {
        let line = match self.known_line.take() {
            Some(line) => line,
            None => match HeaderLine::at(bytes, self.options.is_lenient) {
                Some(Ok(line)) => line,
                // The payload was meant to have a length: what is in it is no record.
                Some(Err(Malformed::Length)) => return self.wrong_length(bytes, at),
                Some(Err(reason)) => {
                    return malformed_line(bytes, reason, self.is_at_end, self.options.is_lenient);
                }
                None if bytes.len() >= MAX_HEADER => return FindResult::Malformed(Malformed::HeaderTooLong),
                None if self.is_at_end => return FindResult::Malformed(Malformed::HeaderCut),
                None => return FindResult::NeedMore,
            },
        };
        let HeaderLine { mut span, length, is_crlf } = line;
        let payload = span.payload as usize;
        let ending = match length {
            // Nothing that was ever written is that long.
            Some(length) if length > MAX_MAX_RECORD => Err(self.wrong_length(bytes, at)),
            Some(length) => self.known_end(bytes, payload, length),
            None => self.search_end(bytes, &line),
        };
        let PayloadEnd { payload_end, separator } = match ending {
            Ok(ending) => ending,
            Err(found) => return found,
        };
        if length.is_none() && (self.is_at_end || separator != SEPARATOR.len()) {
            // What ends it is made regular, and may make a separator of its last line.
            let end = bytes[payload..payload_end].strip_suffix(b"\r").unwrap_or(&bytes[payload..payload_end]);
            self.holds_separator |= end == MONKEYS || end.ends_with(OPENING);
        }
        span.payload_end = payload_end as u32;
        span.end = (payload_end + SEPARATOR.len()) as u32;
        let length = payload_end + separator;
        if is_crlf {
            // The carriage return is overwritten, its byte becomes unused.
            bytes.copy_within(..payload - 2, 1);
        }
        if separator >= SEPARATOR.len() {
            bytes[payload_end..payload_end + SEPARATOR.len()].copy_from_slice(SEPARATOR);
        } else {
            // The input ended early: `finish` puts the separator there.
            span.end = length as u32;
        }
        FindResult::Record { span, length }
    }

    /// The end of a payload whose length is known.
    fn known_end(&self, bytes: &[u8], payload: usize, length: u64) -> Result<PayloadEnd, FindResult> {
        // The separator may begin earlier than the length says, but ends no earlier.
        let skip = length.saturating_add(payload as u64).saturating_sub(SEPARATOR.len() as u64);
        let skip = skip.max(payload as u64 - 1);
        if length.saturating_add(payload as u64) > self.options.max_record {
            return Err(FindResult::TooLarge { length: skip });
        }
        let payload_end = payload + length as usize;
        if bytes.len() < payload_end {
            let cut = FindResult::Lost { reason: Malformed::PayloadCut, skip: bytes.len() };
            return Err(if self.is_at_end { cut } else { FindResult::NeedMore });
        }
        let after = &bytes[payload_end..];
        match separator_at(after) {
            Some(separator) => Ok(PayloadEnd { payload_end, separator }),
            None if !may_become_separator(after) => {
                Err(FindResult::Lost { reason: Malformed::WrongLength, skip: skip as usize })
            }
            None if self.is_at_end => Ok(PayloadEnd { payload_end, separator: after.len() }),
            None => Err(FindResult::NeedMore),
        }
    }

    /// Finds where a record ends whose length field cannot be right: at the
    /// separator where the payload is whole by its own framing, so that what
    /// is inside it is no record; where none is found, at the first separator.
    fn wrong_length(&mut self, bytes: &[u8], at: u64) -> FindResult {
        let reason = Malformed::Length;
        let Some((line, is_crlf)) = header_line(bytes) else { return FindResult::Malformed(reason) };
        let payload = line.len() + usize::from(is_crlf) + 1;
        let kind = match line[0] {
            b'1' => Kind::Request,
            b'2' => Kind::Response,
            _ => Kind::Replayed,
        };
        let allowance = self.allowance.at(at);
        let most = payload + allowance.left as usize;
        let searched = &bytes[..bytes.len().min(most)];
        let is_all = self.is_at_end || searched.len() == most;
        let mut from = self.scanned.max(payload);
        loop {
            match find_separator(searched, from, is_all) {
                Search::At(PayloadEnd { payload_end, .. }) => {
                    if self.is_whole(kind, &bytes[payload..payload_end]) {
                        return FindResult::Lost { reason, skip: payload_end };
                    }
                    from = payload_end + 1;
                }
                Search::Open(_) if is_all => {
                    let left = allowance.left - (searched.len() - payload) as u64;
                    self.allowance = SearchAllowance { left, at };
                    return FindResult::Lost { reason, skip: payload - 1 };
                }
                Search::Open(at) => {
                    self.scanned = at;
                    return FindResult::NeedMore;
                }
            }
        }
    }

    /// Whether so much of the payload at the front is a whole message.
    fn is_whole(&mut self, kind: Kind, payload: &[u8]) -> bool {
        self.framing.get_or_insert_with(|| (self.options.framing)(kind)).is_whole(payload)
    }

    /// Looks for a separator or another header line where the payload should be: then
    /// there is no payload. A payload may well begin with a separator line.
    fn check_payload(&mut self, bytes: &[u8], payload: usize) -> Result<(), FindResult> {
        match begins_with_header(&bytes[payload..], self.is_at_end) {
            Some(true) => return Err(FindResult::Noise(Malformed::NoPayload, payload)),
            Some(false) => {}
            None => return Err(FindResult::NeedMore),
        }
        let rest = &bytes[payload - 1..];
        let follows = match separator_at(rest) {
            Some(separator) => what_follows(&rest[separator..], self.is_at_end, self.options.is_lenient),
            None if self.is_at_end && rest.len() >= OPENING.len() && may_become_separator(rest) => {
                Follows::Record
            }
            None if !self.is_at_end && may_become_separator(rest) => Follows::Unknown,
            None => return Ok(()),
        };
        match follows {
            Follows::Header(_) | Follows::Record => Err(FindResult::Malformed(Malformed::NoPayload)),
            Follows::Unknown => Err(FindResult::NeedMore),
            Follows::Payload => {
                self.holds_separator = true;
                Ok(())
            }
        }
    }

    /// The end of a payload whose length is not known.
    fn search_end(&mut self, bytes: &[u8], line: &HeaderLine) -> Result<PayloadEnd, FindResult> {
        let (payload, kind) = (line.span.payload as usize, line.span.kind);
        if self.scanned == 0 {
            self.check_payload(bytes, payload)?;
        }
        // A payload may be empty: its separator's line feed is then the header's own.
        let mut from = self.scanned.max(payload);
        loop {
            let search = find_separator(bytes, from, self.is_at_end);
            let reached = match &search {
                Search::At(ending) => ending.payload_end,
                Search::Open(at) => *at,
            };
            if reached as u64 > self.options.max_record {
                return Err(FindResult::TooLarge { length: reached as u64 });
            }
            self.scanned = reached;
            let ending = match search {
                Search::At(ending) => ending,
                Search::Open(_) if self.is_at_end => {
                    let left = partial_separator(&bytes[payload..], line.is_crlf);
                    return Ok(PayloadEnd { payload_end: bytes.len() - left, separator: left });
                }
                Search::Open(_) => return Err(FindResult::NeedMore),
            };
            let next = ending.payload_end + ending.separator;
            let message = &bytes[payload..ending.payload_end];
            let is_end = if is_repeated(&bytes[next..], self.is_at_end) {
                // A body may end in separator lines, or be one: only a whole message ends before them.
                self.is_whole(kind, message)
            } else {
                match what_follows(&bytes[next..], self.is_at_end, self.options.is_lenient) {
                    Follows::Header(line) => {
                        // It is the next that is looked for, and need not be parsed again.
                        self.known_line = Some(line);
                        true
                    }
                    Follows::Record => true,
                    _ if self.is_whole(kind, message) => true,
                    Follows::Unknown => return Err(FindResult::NeedMore),
                    Follows::Payload => false,
                }
            };
            if is_end {
                return Ok(ending);
            }
            self.holds_separator = true;
            // The line end of this one is the one before the next, with its carriage return.
            from = next - 2;
        }
    }
}

/// A line at the front that is no header. It is all that is lost where a
/// header line follows at once; otherwise its payload goes with it.
fn malformed_line(bytes: &[u8], reason: Malformed, is_at_end: bool, is_lenient: bool) -> FindResult {
    let end = memchr(b'\n', bytes).map_or(bytes.len(), |end| end + 1);
    let rest = &bytes[end..];
    match HeaderLine::at(rest, is_lenient) {
        Some(Ok(_)) => FindResult::Noise(reason, end),
        None if !is_at_end && rest.len() < MAX_HEADER => FindResult::NeedMore,
        _ => FindResult::Malformed(reason),
    }
}
