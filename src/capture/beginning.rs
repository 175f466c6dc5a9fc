//! Where a message begins when that is in doubt: after a loss, in the middle of a connection, behind a bare head.

use super::dialogue::{Dialogue, DialogueOut, Mode};
use super::pairing::Answer;
use crate::http::{starts_request, starts_response};
use crate::tcp::{Chunk, ConnectionKey, Seq, Side};

impl Dialogue {
    /// Whether a message of `side` may begin with `chunk`, of whose stream bytes are missing.
    ///
    /// A message begins with a segment that acknowledges more than the one before it: within a message the other side
    /// has no reason to say anything. A client, moreover, acknowledges a whole response then, if responses are seen.
    /// In answer to a request of which the sender is not known to have understood the end, that is the only proof.
    pub(super) fn may_begin(&self, side: Side, chunk: &Chunk<'_>) -> bool {
        let has_moved = self.has_moved(side, chunk.ack);
        if !chunk.is_segment_start {
            return false;
        }
        if self.client == Some(side) && self.goes_on(chunk.ack) {
            return false;
        }
        if self.client != Some(side) {
            return self.pairing.expects_response(chunk.seq)
                || (has_moved && !self.pairing.is_inside_answer(chunk.seq));
        }
        let after_response = self.final_end.is_some() && self.final_end == chunk.ack;
        if let Some(broken) = self.broken_at {
            return after_response && self.final_end.is_some_and(|end| end.is_after(broken));
        }
        let server = side.other();
        let sees_responses = self.has_spoken[server as usize]
            && self.streams[server as usize].is_between()
            && self.final_end.is_some();
        has_moved && (after_response || !sees_responses)
    }

    /// Whether a client that acknowledges `ack` has heard a 1xx response last, and so goes on with its request.
    fn goes_on(&self, ack: Option<Seq>) -> bool {
        ack.is_some() && ack == self.interim_end
    }

    /// Whether a message of the client begins with the byte at `seq`, before which bytes are missing, in a segment that
    /// acknowledges `ack`: if a response acknowledged all that came before it, and the client has heard that response
    /// to its end. Otherwise the bytes may go on with a message whose beginning is missing.
    pub(super) fn shows_its_beginning(&self, client: Side, seq: Seq, ack: Option<Seq>) -> bool {
        let server = client.other() as usize;
        let latest = match self.mode {
            Mode::Http => self.pairing.latest(),
            _ => self.has_spoken[server].then(|| (self.last_ack[server], self.position[server])),
        };
        latest.is_some_and(|(received, end)| {
            ack == Some(end) && received.is_some_and(|received| !received.is_before(seq))
        })
    }

    /// Whether a segment acknowledges more than the latest one of its side before.
    pub(super) fn has_moved(&self, side: Side, ack: Option<Seq>) -> bool {
        match (ack, self.last_ack[side as usize]) {
            (Some(ack), Some(last)) => ack.is_after(last),
            _ => true,
        }
    }

    /// Whether a segment behind a bare head may be the next response, and not the head's body. One that begins with a
    /// whole status line is: that the head answered a HEAD which is not in the capture is more likely than such a body.
    pub(super) fn may_be_next_response(&self, side: Side, chunk: &Chunk<'_>) -> bool {
        match starts_response(chunk.bytes) {
            Some(starts) => starts && (chunk.is_segment_start || self.may_begin(side, chunk)),
            None => self.may_begin(side, chunk),
        }
    }

    /// Looks for the start of a message, and goes on with it.
    pub(super) fn find(
        &mut self,
        key: &ConnectionKey,
        side: Side,
        chunk: &Chunk<'_>,
        out: &mut DialogueOut<'_>,
    ) {
        let may_begin = chunk.is_segment_start && self.may_begin(side, chunk);
        let starts = if self.client == Some(side) { starts_request } else { starts_response };
        let (passed, found) = self.streams[side as usize].find(chunk, may_begin, starts);
        out.ledger.bytes.skipped += passed as u64;
        if let Some((start, bytes)) = found {
            self.is_doubtful[side as usize] = if self.client == Some(side) {
                self.broken_at = None;
                !self.shows_its_beginning(side, start.seq, start.ack)
            } else {
                !self.pairing.begins_answer(start.seq)
            };
            let (seq, ack) = (start.seq, start.ack);
            self.http(key, side, &Chunk { bytes: &bytes, seq, ack, time: start.time, ..*chunk }, out);
        }
    }

    /// A response to a request that is not known ends with its head if what came after it shows so: it may have
    /// answered a HEAD. `end` is where it would end. Unless that `is_sure`, it is marked, and what follows.
    pub(super) fn end_bare_head(
        &mut self,
        key: &ConnectionKey,
        side: Side,
        end: Option<Seq>,
        is_sure: bool,
        rest: &mut &[u8],
        out: &mut DialogueOut<'_>,
    ) {
        if self.is_bare_head(side) && end == Some(self.streams[side as usize].message.head_end()) {
            self.streams[side as usize].message.is_doubtful |= !is_sure;
            self.is_doubtful[side as usize] = !is_sure;
            self.whole(key, side, rest, out);
        }
    }

    /// Whether of a response to a request that is not known the head has come, and nothing more.
    pub(super) fn is_bare_head(&self, side: Side) -> bool {
        self.streams[side as usize].is_only_a_head()
            && self.client != Some(side)
            && matches!(self.answer, Some(Answer::Later | Answer::Unknown))
    }

    /// As [`Dialogue::end_bare_head`], when what follows the head in the same segment is another response.
    pub(super) fn end_before_next(
        &mut self,
        key: &ConnectionKey,
        side: Side,
        rest: &mut &[u8],
        out: &mut DialogueOut<'_>,
    ) {
        let stream = &self.streams[side as usize];
        if self.is_bare_head(side)
            && starts_response(stream.rest_of(rest)) == Some(true)
            && self.pairing.may_answer_head()
        {
            let end = Some(stream.message.head_end());
            self.end_bare_head(key, side, end, false, rest, out);
        }
    }
}
