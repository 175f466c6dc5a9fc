//! Where a message's head and body end, RFC 9112 §6, however its bytes are cut into reads.
//!
//! Decisions where the RFC leaves a choice, since what was on the wire is to be recorded and not refused:
//! differing Content-Lengths are framed by the first; a Content-Length beside a Transfer-Encoding is
//! overruled. Such a message is [suspicious](Framer::is_suspicious), as it smells of request smuggling
//! (RFC 9112 §11.2).

mod facts;

use std::ops::Range;

use self::facts::{FramingFacts, LastCoding};
use super::chunked::{ChunkedDecoder, ChunkedPiece};
use super::head::{request_words, status_words, without_cr};
use super::token::LineFeeds;
use super::{FramingFault, token};

pub use super::bounds::{MAX_HEAD, MAX_METHOD};

const VERSION_START: &[u8; 7] = b"HTTP/1.";

/// What a response must know of the request it answers.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RequestContext {
    /// The method was HEAD: the response has no body, whatever its fields say.
    pub head: bool,
    /// The method was CONNECT: after a 2xx the connection is a tunnel.
    pub connect: bool,
}

impl RequestContext {
    /// What the response to a request with `method`, which is case-sensitive, must know.
    pub fn of(method: &[u8]) -> Self {
        Self { head: method == b"HEAD", connect: method == b"CONNECT" }
    }
}

/// What the next bytes of a message are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// Nothing more can be said before more bytes come; those shown remain unread.
    More,
    /// So many bytes of empty lines before the start line; they belong to no message (RFC 9112 §2.2).
    Skip(usize),
    /// So many bytes of head, its empty line included; now the framer's questions have answers.
    Head(usize),
    /// So many bytes of body, chunked framing included; at least one.
    Body(usize),
    /// The message is over and the next byte is not its.
    Done,
}

/// Where a message lies in the bytes that begin with it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Extent {
    /// The head, after empty lines; `None` when it is not whole.
    pub head: Option<Range<usize>>,
    /// Where what is known of the message ends.
    pub end: usize,
    /// Whether its framing says that it ends there, or why framing stopped.
    pub is_over: Result<bool, FramingFault>,
}

impl Extent {
    /// Whether the message is over at the end of its `bytes`, whatever its connection does.
    pub fn is_all_of(&self, bytes: &[u8]) -> bool {
        self.is_over == Ok(true) && self.end == bytes.len()
    }
}

/// How the length of a body is told, RFC 9112 §6.3.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum BodyLength {
    /// There is no body.
    #[default]
    None,
    /// Content-Length, in bytes.
    Fixed(u64),
    /// The chunked coding says.
    Chunked,
    /// A response that ends with its connection.
    UntilClose,
}

/// Finds the end of one message in the bytes of one direction of a connection. It holds no bytes.
#[derive(Clone, Debug)]
pub struct Framer {
    side: MessageSide,
    state: FramerState,
    scan: Scan,
    facts: FramingFacts,
    length: BodyLength,
    /// Bytes looked at in heads, which a test holds against the bytes given.
    #[cfg(test)]
    pub(super) examined: usize,
}

#[derive(Clone, Copy, Debug)]
enum MessageSide {
    Request,
    Response(RequestContext),
}

#[derive(Clone, Copy, Debug)]
enum FramerState {
    /// Before the start line, where empty lines are stepped over.
    Before,
    /// In the head, before its first bytes were found to be a start line's.
    Start,
    /// In the head.
    Head,
    Fixed(u64),
    Chunked(ChunkedDecoder),
    UntilClose,
    Done,
    Failed(FramingFault),
}

/// How far a head was read; offsets from its first byte.
#[derive(Clone, Copy, Debug, Default)]
struct Scan {
    /// No line end is left in the bytes before.
    searched: usize,
    /// Where the line that has no end yet begins.
    line: usize,
    /// Where the last field line begins that may matter and is not yet known to be whole; folded lines may follow it.
    field: Option<usize>,
    /// Where the first field line begins; 0 before the start line was read.
    fields: usize,
}

impl Framer {
    /// A framer for a request.
    pub fn request() -> Self {
        Self::new(MessageSide::Request)
    }

    /// A framer for one response to the request of `context`. Each 1xx response and the final one after it
    /// take a framer of their own.
    pub fn response(context: RequestContext) -> Self {
        Self::new(MessageSide::Response(context))
    }

    fn new(side: MessageSide) -> Self {
        Self {
            side,
            state: FramerState::Before,
            scan: Scan::default(),
            facts: FramingFacts::default(),
            length: BodyLength::None,
            #[cfg(test)]
            examined: 0,
        }
    }

    /// Says what `unread` begins with, which is everything that came after the bytes consumed so far.
    ///
    /// The number in the answer is consumed: the next call starts after those bytes. A head is not consumed
    /// before it is whole; until then `unread` grows, and what was examined is not examined again. A fault
    /// is told once every good byte before it was consumed, and again on every later call.
    #[inline]
    pub fn advance(&mut self, unread: &[u8]) -> Result<Step, FramingFault> {
        let step = match &mut self.state {
            FramerState::Before | FramerState::Start | FramerState::Head => self.head(unread),
            FramerState::Fixed(remaining) => {
                let taken = usize::try_from(*remaining).unwrap_or(usize::MAX).min(unread.len());
                *remaining -= taken as u64;
                if *remaining == 0 {
                    self.state = FramerState::Done;
                }
                Ok(body_or_more(taken))
            }
            FramerState::Chunked(decoder) => match chunks(decoder, unread) {
                Ok(Step::Done) => {
                    self.state = FramerState::Done;
                    Ok(Step::Done)
                }
                step => step,
            },
            FramerState::UntilClose => Ok(body_or_more(unread.len())),
            FramerState::Done => Ok(Step::Done),
            FramerState::Failed(fault) => Err(*fault),
        };
        if let Err(fault) = step {
            self.state = FramerState::Failed(fault);
        }
        step
    }

    /// Passes over so many bytes of body that are not at hand. False, and nothing passed, when
    /// they may have held the message's end: in the head, in a chunked body, past a fixed length.
    pub fn pass_over(&mut self, bytes: u64) -> bool {
        match &mut self.state {
            FramerState::Fixed(remaining) if bytes <= *remaining => {
                *remaining -= bytes;
                if *remaining == 0 {
                    self.state = FramerState::Done;
                }
                true
            }
            FramerState::UntilClose => true,
            _ => false,
        }
    }

    /// The connection ended here; whether the message is whole: it was over, or it ends with its connection.
    pub fn close(&mut self) -> bool {
        if matches!(self.state, FramerState::UntilClose) {
            self.state = FramerState::Done;
        }
        self.is_over()
    }

    /// Where the message lies that `bytes` begin with. For a framer that was not used before; it has answers
    /// about the head afterwards.
    pub fn extent(&mut self, bytes: &[u8]) -> Extent {
        self.extent_from(bytes, 0)
    }

    /// The same for a framer that has consumed that many of the `bytes`, as of a message of which more has come.
    /// The head is told once.
    pub fn extent_from(&mut self, bytes: &[u8], consumed: usize) -> Extent {
        let mut extent = Extent { head: None, end: consumed, is_over: Ok(false) };
        loop {
            match self.advance(&bytes[extent.end..]) {
                Ok(Step::Skip(length) | Step::Body(length)) => extent.end += length,
                Ok(Step::Head(length)) => {
                    extent.head = Some(extent.end..extent.end + length);
                    extent.end += length;
                }
                Ok(Step::More) => return extent,
                Ok(Step::Done) => return Extent { is_over: Ok(true), ..extent },
                Err(fault) => return Extent { is_over: Err(fault), ..extent },
            }
        }
    }

    /// The length of the message that `bytes` begin with, empty lines before it included, when nothing
    /// follows `bytes`; `None` when it is not whole. For a framer that was not used before.
    pub fn measure(mut self, bytes: &[u8]) -> Result<Option<usize>, FramingFault> {
        let Extent { end, is_over, .. } = self.extent(bytes);
        Ok((is_over? || self.close()).then_some(end))
    }

    /// Whether `bytes` are one whole message and nothing after it. For a framer that was not used before.
    pub fn is_whole(self, bytes: &[u8]) -> bool {
        self.measure(bytes) == Ok(Some(bytes.len()))
    }

    /// Whether the message is over: [`Framer::advance`] would say [`Step::Done`].
    #[inline]
    pub fn is_over(&self) -> bool {
        matches!(self.state, FramerState::Done)
    }

    /// Whether the head was consumed, so that the questions below have answers.
    pub fn has_head(&self) -> bool {
        !matches!(
            self.state,
            FramerState::Before | FramerState::Start | FramerState::Head | FramerState::Failed(_)
        )
    }

    /// How the length of the body is told.
    pub fn length(&self) -> BodyLength {
        self.length
    }

    /// What the response to this request must know; for a request whose head was consumed.
    pub fn context(&self) -> RequestContext {
        self.facts.request
    }

    /// A response's status, 100 to 999.
    pub fn status(&self) -> Option<u16> {
        self.facts.status
    }

    /// Whether this is a response that another, final one follows: 1xx but 101 (RFC 9110 §15.2).
    pub fn is_interim(&self) -> bool {
        matches!(self.facts.status, Some(100 | 102..=199))
    }

    /// Whether others may see the message end elsewhere: both Content-Length and Transfer-Encoding, differing
    /// Content-Lengths, Transfer-Encoding in HTTP/1.0, chunked twice or with parameters, whitespace before the
    /// colon of a framing field or before the first field line (RFC 9112 §2.2, §5.1, §6.1, §6.3, §7.1).
    pub fn is_suspicious(&self) -> bool {
        self.facts.suspicious
    }

    /// Whether the head gives more than one Content-Length, and not the same (RFC 9112 §6.3, rule 5).
    pub fn has_differing_lengths(&self) -> bool {
        self.facts.content_lengths_differ
    }

    /// Whether another HTTP message may follow this one on its connection (RFC 9112 §9.3).
    pub fn keeps_alive(&self) -> bool {
        let facts = &self.facts;
        let is_old = facts.minor == 0;
        let has_left = facts.status.is_some() && self.upgrades();
        let faulty = is_old && facts.coding != LastCoding::None;
        let ends = facts.close || has_left || faulty || self.length == BodyLength::UntilClose;
        !ends && (!is_old || facts.keep_alive)
    }

    /// Whether a request asks for `100 Continue` before it sends its body (RFC 9110 §10.1.1).
    pub fn expects_continue(&self) -> bool {
        self.facts.expects_continue
    }

    /// A request: whether it asks to leave HTTP, by CONNECT or by Upgrade with its connection option
    /// (RFC 9110 §7.8). A response: whether it has left HTTP, by 101 or by a 2xx to CONNECT.
    pub fn upgrades(&self) -> bool {
        match (self.side, self.facts.status) {
            (MessageSide::Response(context), Some(status)) => {
                status == 101 || context.connect && (200..300).contains(&status)
            }
            _ => self.facts.request.connect || self.facts.upgrade && self.facts.connection_upgrade,
        }
    }

    /// Empty lines, then the head.
    #[inline(never)]
    fn head(&mut self, unread: &[u8]) -> Result<Step, FramingFault> {
        if matches!(self.state, FramerState::Before) {
            match token::empty_lines(unread) {
                0 if matches!(unread, [] | [b'\r']) => return Ok(Step::More),
                0 => self.state = FramerState::Start,
                skipped => return Ok(Step::Skip(skipped)),
            }
        }
        let within = &unread[..unread.len().min(MAX_HEAD)];
        if matches!(self.state, FramerState::Start)
            && self.scan.searched == 0
            && let Some(length) = self.head_at_once(within)
        {
            self.count(length);
            self.decide()?;
            return Ok(Step::Head(length));
        }
        if matches!(self.state, FramerState::Start) {
            if !self.begins_well(within)? {
                return Ok(Step::More);
            }
            self.state = FramerState::Head;
        }
        let mut scan = self.scan;
        for line_feed in LineFeeds::new(within, scan.searched) {
            let line = std::mem::replace(&mut scan.line, line_feed + 1)..line_feed + 1;
            self.count(line.end - scan.searched);
            scan.searched = line.end;
            if scan.fields == 0 {
                start_line(self.side, without_cr(&within[line.start..line_feed]), &mut self.facts)?;
                scan.fields = line.end;
            } else if self.field_line(within, line, &mut scan) {
                self.decide()?;
                return Ok(Step::Head(scan.searched));
            }
        }
        self.count(within.len() - scan.searched);
        scan.searched = within.len();
        self.scan = scan;
        if within.len() == MAX_HEAD { Err(FramingFault::HeadTooLarge) } else { Ok(Step::More) }
    }

    /// Reads a head of which all is at hand, as nearly always, and which has no folded line; its length. `None`: nothing
    /// was noted, and the careful way, line by line, has to tell.
    #[inline]
    fn head_at_once(&mut self, within: &[u8]) -> Option<usize> {
        let mut facts = FramingFacts::default();
        let mut line_feeds = LineFeeds::new(within, 0);
        let end = line_feeds.next()?;
        start_line(self.side, without_cr(&within[..end]), &mut facts).ok()?;
        if matches!(self.side, MessageSide::Request) && !is_method(within) {
            return None;
        }
        let mut start = end + 1;
        for end in line_feeds {
            let line = &within[start..=end];
            match LINES[usize::from(line[0])] {
                LineStart::Framing => {
                    facts.note(line);
                }
                LineStart::Folded => return None,
                LineStart::End if matches!(line, [b'\n'] | [b'\r', b'\n']) => {
                    self.facts = facts;
                    return Some(end + 1);
                }
                LineStart::Other | LineStart::End => {}
            }
            start = end + 1;
        }
        None
    }

    /// Whether the first bytes are a start line's; `false` when there are too few to tell. Bytes that are
    /// not HTTP are thus refused before a line end is waited for.
    fn begins_well(&mut self, head: &[u8]) -> Result<bool, FramingFault> {
        if let MessageSide::Response(_) = self.side {
            if head.starts_with(VERSION_START) {
                self.count(VERSION_START.len());
                return Ok(true);
            }
            let length = head.len().min(VERSION_START.len());
            self.count(length);
            let is_good = head[..length] == VERSION_START[..length];
            return if is_good { Ok(false) } else { Err(FramingFault::StatusLine) };
        }
        let start = &head[..head.len().min(MAX_METHOD + 1)];
        let method = start.iter().position(|&byte| !token::is_token_byte(byte));
        self.count(method.unwrap_or(start.len()));
        match method {
            Some(1..) if method.is_some_and(|length| start[length] == b' ') => Ok(true),
            None if start.len() <= MAX_METHOD => Ok(false),
            _ => Err(FramingFault::Method),
        }
    }

    /// Reads a line after the start line; whether it ends the head.
    #[inline]
    fn field_line(&mut self, head: &[u8], line: Range<usize>, scan: &mut Scan) -> bool {
        let first = head[line.start];
        if matches!(first, b' ' | b'\t') {
            self.facts.suspicious |= line.start == scan.fields;
            return false;
        }
        if let Some(field) = scan.field.take() {
            let field = &head[field..line.start];
            if self.facts.note(field) {
                self.count(field.len());
            }
        }
        if matches!(first.to_ascii_lowercase(), b'c' | b't' | b'e' | b'u') {
            scan.field = Some(line.start);
            return false;
        }
        matches!((first, line.len()), (b'\n', _) | (b'\r', 2))
    }

    /// The rules of RFC 9112 §6.3, in their order, once the head is whole.
    fn decide(&mut self) -> Result<(), FramingFault> {
        let facts = &mut self.facts;
        let both = facts.coding != LastCoding::None
            && (facts.minor == 0 || facts.content_length.is_some() || facts.content_length_is_broken);
        facts.suspicious |= both;
        let is_response = facts.status.is_some();
        let has_no_body = match (self.side, facts.status) {
            (MessageSide::Response(context), Some(status)) => {
                context.head
                    || matches!(status, 100..=199 | 204 | 304)
                    || context.connect && (200..300).contains(&status)
            }
            _ => false,
        };
        self.length = match (facts.coding, facts.content_length) {
            _ if has_no_body => BodyLength::None,
            (LastCoding::Chunked, _) => BodyLength::Chunked,
            (LastCoding::Other, _) if is_response => BodyLength::UntilClose,
            (LastCoding::Other, _) => return Err(FramingFault::TransferCoding),
            (LastCoding::None, _) if facts.content_length_is_broken => {
                return Err(FramingFault::ContentLength);
            }
            (LastCoding::None, Some(length)) => BodyLength::Fixed(length),
            (LastCoding::None, None) if is_response => BodyLength::UntilClose,
            (LastCoding::None, None) => BodyLength::None,
        };
        self.state = match self.length {
            BodyLength::None | BodyLength::Fixed(0) => FramerState::Done,
            BodyLength::Fixed(length) => FramerState::Fixed(length),
            BodyLength::Chunked => FramerState::Chunked(ChunkedDecoder::default()),
            BodyLength::UntilClose => FramerState::UntilClose,
        };
        Ok(())
    }

    #[cfg(test)]
    fn count(&mut self, examined: usize) {
        self.examined += examined;
    }

    #[cfg(not(test))]
    #[allow(clippy::unused_self, reason = "tests count here")]
    fn count(&mut self, _: usize) {}
}

/// Reads the start line.
#[inline]
fn start_line(side: MessageSide, line: &[u8], facts: &mut FramingFacts) -> Result<(), FramingFault> {
    let version = match side {
        MessageSide::Request => {
            let words = request_words(line).ok_or(FramingFault::RequestLine)?;
            facts.request = RequestContext::of(words.method);
            Some(words.version)
                .filter(|version| token::is_version(version))
                .ok_or(FramingFault::RequestLine)?
        }
        MessageSide::Response(_) => {
            let words =
                status_words(line).filter(|words| words.status >= 100).ok_or(FramingFault::StatusLine)?;
            facts.status = Some(words.status);
            Some(words.version)
                .filter(|version| token::is_version(version))
                .ok_or(FramingFault::StatusLine)?
        }
    };
    facts.minor = version[version.len() - 1] - b'0';
    Ok(())
}

/// Whether bytes begin with a method that is a token, and a space.
#[inline]
fn is_method(bytes: &[u8]) -> bool {
    let start = &bytes[..bytes.len().min(MAX_METHOD + 1)];
    let length = start.iter().position(|&byte| !token::is_token_byte(byte));
    length.is_some_and(|length| length > 0 && start[length] == b' ')
}

/// What a line after the start line may be by its first byte.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum LineStart {
    Other,
    /// A field that may matter to framing.
    Framing,
    /// The rest of the line before it.
    Folded,
    /// The empty line.
    End,
}

const LINES: [LineStart; 256] = {
    let mut lines = [LineStart::Other; 256];
    let mut letter = 0;
    let letters = b"cCtTeEuU";
    while letter < letters.len() {
        lines[letters[letter] as usize] = LineStart::Framing;
        letter += 1;
    }
    lines[b' ' as usize] = LineStart::Folded;
    lines[b'\t' as usize] = LineStart::Folded;
    lines[b'\r' as usize] = LineStart::End;
    lines[b'\n' as usize] = LineStart::End;
    lines
};

/// As much of a chunked body as `unread` holds.
fn chunks(decoder: &mut ChunkedDecoder, unread: &[u8]) -> Result<Step, FramingFault> {
    let mut taken = 0;
    loop {
        match decoder.advance(&unread[taken..]) {
            Ok(ChunkedPiece::Framing(length) | ChunkedPiece::Data(length)) => taken += length,
            Ok(ChunkedPiece::More) => return Ok(body_or_more(taken)),
            _ if taken > 0 => return Ok(Step::Body(taken)),
            Ok(ChunkedPiece::End) => return Ok(Step::Done),
            Err(fault) => return Err(fault),
        }
    }
}

fn body_or_more(taken: usize) -> Step {
    if taken == 0 { Step::More } else { Step::Body(taken) }
}

#[cfg(test)]
mod tests;
