//! One message as segments: where it is cut, when each is sent, what may follow it.

use super::frame::MSS;
use crate::http::recognise::{Recognised, recognise};
use crate::http::{BodyLength, Framer, RequestContext, request_line};
use crate::record::{Mark, View};

/// Bytes that a held message is charged with besides its own.
const OVERHEAD: usize = 256;

/// A record that waits to be sent, or is being sent.
#[derive(Debug)]
pub(super) struct QueuedMessage {
    /// Id and payload, in one allocation.
    bytes: Vec<u8>,
    id_length: usize,
    pub(super) start: i64,
    latency: i64,
    pub(super) mark: Option<Mark>,
}

impl QueuedMessage {
    pub(super) fn of(view: &View<'_>) -> Self {
        let mut bytes = Vec::with_capacity(view.header.id.len() + view.payload.len());
        bytes.extend_from_slice(view.header.id);
        bytes.extend_from_slice(view.payload);
        QueuedMessage {
            bytes,
            id_length: view.header.id.len(),
            start: view.header.timestamp,
            latency: view.header.latency.unwrap_or(0).max(0),
            mark: view.header.mark,
        }
    }

    pub(super) fn id(&self) -> &[u8] {
        &self.bytes[..self.id_length]
    }

    pub(super) fn payload(&self) -> &[u8] {
        &self.bytes[self.id_length..]
    }

    /// What it is charged with while it is held.
    pub(super) fn cost(&self) -> usize {
        self.bytes.len() + OVERHEAD
    }
}

/// What a message means to its connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct MessageShape {
    /// Bytes after which the other side may know what it is about: the head;
    /// of what is no HTTP, everything.
    pub(super) head: usize,
    /// Whether a reader can tell its end only by the end of the connection, or
    /// would take what follows for something else.
    pub(super) is_last: bool,
    /// What its answer must know.
    pub(super) context: RequestContext,
}

impl MessageShape {
    pub(super) fn of_request(message: &QueuedMessage) -> Self {
        let payload = message.payload();
        let (head, is_whole, _) = framed(Framer::request(), payload);
        let is_known = recognise(payload) == Recognised::Request;
        let method = request_line(payload).map(|line| line.method).unwrap_or_default();
        MessageShape {
            head,
            is_last: !is_whole || !is_known || message.mark.is_some(),
            context: RequestContext::of(method),
        }
    }

    pub(super) fn of_response(message: &QueuedMessage, context: RequestContext) -> Self {
        let (head, is_whole, framer) = framed(Framer::response(context), message.payload());
        let leaves = framer.upgrades() || framer.is_interim() || framer.length() == BodyLength::UntilClose;
        MessageShape { head, is_last: !is_whole || leaves || message.mark.is_some(), context }
    }
}

/// Length of the head, and whether the payload is one whole message and nothing else.
fn framed(mut framer: Framer, payload: &[u8]) -> (usize, bool, Framer) {
    let extent = framer.extent(payload);
    match &extent.head {
        // Empty lines before a message are passed over by those who read it.
        Some(head) if head.start == 0 => (head.end, extent.is_all_of(payload), framer),
        _ => (payload.len(), false, framer),
    }
}

/// Longest pause within a message, in nanoseconds: readers take a longer one for its end.
const PAUSE: i64 = 1_000_000_000;

/// Segments made for the sake of shorter pauses, at most.
const MAX_PAUSES: usize = 4096;

/// A message being sent: segment by segment, the first at its start, the last
/// after its latency, those between evenly between.
#[derive(Debug)]
pub(super) struct Sending {
    pub(super) message: QueuedMessage,
    pub(super) shape: MessageShape,
    pub(super) sent: usize,
    segment: usize,
    segments: usize,
    /// Length of the first segment, and of the others but the last.
    first: usize,
    length: usize,
}

impl Sending {
    pub(super) fn new(message: QueuedMessage, shape: MessageShape) -> Self {
        let payload = message.payload();
        let pauses =
            usize::try_from(message.latency / PAUSE).map_or(MAX_PAUSES, |whole| whole.min(MAX_PAUSES));
        let pauses = pauses + usize::from(message.latency % PAUSE != 0);
        let (mut first, mut length) = (payload.len().min(MSS), MSS);
        if payload.len().div_ceil(MSS) <= pauses && payload.len() > 1 {
            // Time passes, so there must be a segment after the first, which is the head or the start line.
            let line = memchr::memchr(b'\n', payload).map_or(0, |end| end + 1);
            let is_apt = |at: &usize| (1..payload.len().min(MSS + 1)).contains(at);
            first = [shape.head, line].into_iter().find(is_apt).unwrap_or(first.min(payload.len() / 2));
            length = (payload.len() - first).div_ceil(pauses).clamp(1, MSS);
        }
        let segments = 1 + (payload.len() - first).div_ceil(length);
        Sending { message, shape, sent: 0, segment: 0, segments, first, length }
    }

    /// When its next segment is sent.
    pub(super) fn due(&self) -> i64 {
        let QueuedMessage { start, latency, .. } = self.message;
        let gaps = self.segments.saturating_sub(1).max(1) as i128;
        let after = i128::from(latency) * self.segment as i128 / gaps;
        start.saturating_add(i64::try_from(after).unwrap_or(i64::MAX))
    }

    /// Where the next segment lies in the payload.
    pub(super) fn next(&self) -> std::ops::Range<usize> {
        let length = if self.segment == 0 { self.first } else { self.length };
        self.sent..self.message.payload().len().min(self.sent + length)
    }

    /// The next segment was sent.
    pub(super) fn advance(&mut self) {
        self.sent = self.next().end;
        self.segment += 1;
    }

    pub(super) fn is_over(&self) -> bool {
        self.sent == self.message.payload().len()
    }

    /// Whether the other side may know what it is about.
    pub(super) fn has_head(&self) -> bool {
        self.sent >= self.shape.head
    }
}
