//! The messages in one direction of a connection: where each begins, ends, and what of it is kept.

use crate::http::{Framer, FramingFault, Step};
use crate::record::Mark;
use crate::tcp::{Chunk, Seq};

/// One direction's messages.
#[derive(Debug, Default)]
pub(super) struct MessageStream {
    pub(super) state: StreamState,
    /// What is kept of the message, where it spans chunks; or what is unread.
    pub(super) buffer: Vec<u8>,
    /// Whether the message spans chunks, so that the buffer has its beginning.
    is_buffered: bool,
    /// How many of the bytes at hand are the message's, when it is not buffered.
    taken: usize,
    has_head: bool,
    pub(super) message: StreamMessage,
}

/// Where a stream stands.
#[derive(Debug, Default)]
#[allow(clippy::large_enum_variant, reason = "a box would be one more allocation a message")]
pub(super) enum StreamState {
    /// The next byte begins a message.
    #[default]
    Between,
    /// Within a message.
    Within(Framer),
    /// Looking for the next start of a message; where one may begin whose bytes so far are in the buffer.
    Seeking(Option<MessageStart>),
}

/// The segment that a message begins with.
#[derive(Clone, Copy, Debug)]
pub(super) struct MessageStart {
    pub(super) seq: Seq,
    pub(super) ack: Option<Seq>,
    pub(super) time: i64,
}

/// The message that a stream is in.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StreamMessage {
    /// Packet time of its first byte and of its last so far.
    pub(super) start: i64,
    pub(super) end: i64,
    /// Of its first segment.
    pub(super) seq: Seq,
    pub(super) ack: Option<Seq>,
    /// Bytes of it on the wire and at hand; those not kept included.
    pub(super) length: u64,
    /// Of these, the head's, once it is whole.
    pub(super) head_length: u64,
    /// Bytes to keep.
    pub(super) keep: usize,
    pub(super) has_gap: bool,
    pub(super) is_snapped: bool,
    /// Whether it may be no message, or one that ends elsewhere.
    pub(super) is_doubtful: bool,
}

impl StreamMessage {
    /// The byte after its head.
    pub(super) fn head_end(&self) -> Seq {
        self.seq + self.head_length as u32
    }
}

/// A whole response that waits for its id.
#[derive(Debug)]
pub(super) struct Deferred {
    pub(super) message: StreamMessage,
    pub(super) mark: Option<Mark>,
    pub(super) payload: Vec<u8>,
}

/// What the bytes at hand came to.
pub(super) enum StreamProgress {
    /// They are used up.
    More,
    /// The head is whole: the framer's questions have answers.
    Head,
    /// The message is whole: [`MessageStream::payload`] has what is kept of it.
    Whole,
}

impl MessageStream {
    /// Whether no message is under way.
    pub(super) fn is_between(&self) -> bool {
        matches!(self.state, StreamState::Between)
    }

    /// Begins a message whose first byte `chunk` brings, and of which so many
    /// bytes are kept.
    pub(super) fn begin(&mut self, framer: Framer, chunk: &Chunk<'_>, keep: usize) {
        self.state = StreamState::Within(framer);
        self.message = StreamMessage {
            start: chunk.time,
            end: chunk.time,
            seq: chunk.seq,
            ack: chunk.ack,
            keep,
            ..StreamMessage::default()
        };
    }

    /// The framer of the message under way.
    pub(super) fn framer(&self) -> Option<&Framer> {
        match &self.state {
            StreamState::Within(framer) => Some(framer),
            _ => None,
        }
    }

    /// Reads on in `rest` until something is to be told. What was read is taken
    /// off its front only once the message is buffered, or [left](Self::leave).
    pub(super) fn advance(&mut self, rest: &mut &[u8]) -> Result<StreamProgress, FramingFault> {
        let StreamState::Within(framer) = &mut self.state else { return Ok(StreamProgress::More) };
        if !self.is_buffered {
            return self.advance_at_hand(rest);
        }
        if !self.has_head {
            return self.advance_head(rest);
        }
        loop {
            if framer.is_over() {
                return Ok(StreamProgress::Whole);
            }
            match framer.advance(rest)? {
                Step::Body(length) => {
                    let room = self.message.keep.saturating_sub(self.buffer.len());
                    self.buffer.extend_from_slice(&rest[..length.min(room)]);
                    self.message.length += length as u64;
                    *rest = &rest[length..];
                }
                Step::Done => return Ok(StreamProgress::Whole),
                _ => return Ok(StreamProgress::More),
            }
        }
    }

    /// The quick way: nothing is buffered yet, and perhaps nothing needs to be.
    fn advance_at_hand(&mut self, rest: &mut &[u8]) -> Result<StreamProgress, FramingFault> {
        let StreamState::Within(framer) = &mut self.state else { return Ok(StreamProgress::More) };
        loop {
            if framer.is_over() {
                return Ok(StreamProgress::Whole);
            }
            match framer.advance(&rest[self.taken..])? {
                Step::Head(length) => {
                    self.taken += length;
                    self.message.length = self.taken as u64;
                    self.message.head_length = self.message.length;
                    self.has_head = true;
                    return Ok(StreamProgress::Head);
                }
                Step::Skip(length) | Step::Body(length) => {
                    self.taken += length;
                    self.message.length = self.taken as u64;
                }
                Step::Done => return Ok(StreamProgress::Whole),
                Step::More => {
                    let kept = if self.has_head { rest.len().min(self.message.keep) } else { rest.len() };
                    self.buffer.extend_from_slice(&rest[..kept]);
                    self.message.length = rest.len() as u64;
                    (self.is_buffered, self.taken) = (true, 0);
                    *rest = &[];
                    return Ok(StreamProgress::More);
                }
            }
        }
    }

    /// The head began in earlier chunks. What is beyond its end came just now.
    fn advance_head(&mut self, rest: &mut &[u8]) -> Result<StreamProgress, FramingFault> {
        let StreamState::Within(framer) = &mut self.state else { return Ok(StreamProgress::More) };
        let before = self.buffer.len();
        self.buffer.extend_from_slice(rest);
        let step = match framer.advance(&self.buffer) {
            Ok(step) => step,
            Err(fault) => {
                self.buffer.truncate(before);
                return Err(fault);
            }
        };
        if let Step::Head(length) = step {
            self.buffer.truncate(length);
            self.has_head = true;
            *rest = &rest[length.saturating_sub(before)..];
        } else {
            *rest = &[];
        }
        self.message.length = self.buffer.len() as u64;
        self.message.head_length = self.message.length;
        Ok(if self.has_head { StreamProgress::Head } else { StreamProgress::More })
    }

    /// Adds bytes to a message that has no framing, as far as they are kept.
    pub(super) fn buffer_bytes(&mut self, bytes: &[u8]) {
        self.is_buffered = true;
        let room = self.message.keep.saturating_sub(self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// Whether the head is whole, and no body has come yet.
    pub(super) fn is_only_a_head(&self) -> bool {
        self.has_head && self.message.length == self.message.head_length
    }

    /// What is kept of the message: the buffer, or the front of what is at hand.
    pub(super) fn payload<'a>(&'a self, at_hand: &'a [u8]) -> &'a [u8] {
        let bytes = if self.is_buffered { &self.buffer } else { &at_hand[..self.taken] };
        &bytes[..bytes.len().min(self.message.keep)]
    }

    /// Of the bytes at hand, those that are not the message's.
    pub(super) fn rest_of<'a>(&self, at_hand: &'a [u8]) -> &'a [u8] {
        &at_hand[self.taken..]
    }

    /// Whether more of the message was on the wire than is kept.
    pub(super) fn is_cut(&self) -> bool {
        self.message.length > self.message.keep as u64
    }

    /// Leaves the message behind, its bytes at hand too; the next byte begins another.
    pub(super) fn leave(&mut self, rest: &mut &[u8]) {
        *rest = &rest[self.taken..];
        self.state = StreamState::Between;
        self.is_buffered = false;
        self.has_head = false;
        self.taken = 0;
        if self.buffer.capacity() > KEEP_BUFFER {
            self.buffer = Vec::new();
        }
        self.buffer.clear();
    }

    /// Passes over bytes that are missing. False: the message cannot go on.
    pub(super) fn pass_over(&mut self, bytes: u64, is_snapped: bool) -> bool {
        self.message.has_gap = true;
        self.message.is_snapped |= is_snapped;
        match &mut self.state {
            StreamState::Within(framer) => framer.pass_over(bytes),
            _ => false,
        }
    }

    /// Whether the message under way is whole if the connection ends here.
    pub(super) fn ends_with_connection(&mut self) -> bool {
        match &mut self.state {
            StreamState::Within(framer) => framer.close(),
            _ => false,
        }
    }

    /// Starts to look for the next message. The one under way must have been left.
    pub(super) fn seek(&mut self) {
        self.leave(&mut &[][..]);
        self.state = StreamState::Seeking(None);
    }

    /// Looks for the start of a message in `chunk`, which begins where one may begin if `may_begin`. Returns how many
    /// bytes were passed over, and where a message has been found to start, its bytes so far.
    pub(super) fn find(
        &mut self,
        chunk: &Chunk<'_>,
        may_begin: bool,
        starts: fn(&[u8]) -> Option<bool>,
    ) -> (usize, Option<(MessageStart, Vec<u8>)>) {
        let StreamState::Seeking(candidate) = &mut self.state else { return (0, None) };
        let mut passed = 0;
        if may_begin {
            passed = self.buffer.len();
            self.buffer.clear();
            *candidate = Some(MessageStart { seq: chunk.seq, ack: chunk.ack, time: chunk.time });
        }
        let Some(start) = *candidate else { return (chunk.bytes.len(), None) };
        self.buffer.extend_from_slice(chunk.bytes);
        match starts(&self.buffer) {
            None => (passed, None),
            Some(true) => {
                let bytes = std::mem::take(&mut self.buffer);
                self.leave(&mut &[][..]);
                (passed, Some((start, bytes)))
            }
            Some(false) => {
                passed += self.buffer.len();
                self.buffer.clear();
                *candidate = None;
                (passed, None)
            }
        }
    }
}

/// A buffer larger than this is given back after its message.
const KEEP_BUFFER: usize = 16 << 10;
