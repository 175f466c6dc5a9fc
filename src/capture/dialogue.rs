//! Who asks and who answers on one connection, and which answer is whose.

use super::decide::UNKNOWN;
use super::echoes::Echoes;
use super::ids::Ids;
use super::ledger::{CaptureLedger, Loss};
use super::pairing::{Answer, Pairing, UnansweredRequest};
use super::recording::Deferred;
use super::stream::{MessageStream, StreamProgress, StreamState};
use super::{CaptureOptions, Protocol};
use crate::http::{Framer, RequestContext, starts_request, starts_response};
use crate::record::{Block, Mark};
use crate::tcp::{Chunk, ConnectionKey, Seq, Side};

/// Where a dialogue's records and counts go.
pub(super) struct DialogueOut<'a> {
    pub(super) block: &'a mut Block,
    pub(super) ledger: &'a mut CaptureLedger,
    pub(super) options: &'a CaptureOptions,
    /// Which connection has which ids.
    pub(super) ids: &'a mut Ids,
    /// What notices that the recording is replayed into itself. None: it need not.
    pub(super) echoes: Option<&'a mut Echoes>,
    /// Room to edit a request in.
    pub(super) scratch: &'a mut Vec<u8>,
}

/// What the connection turned out to be.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Mode {
    /// Too few bytes came to tell.
    #[default]
    Undecided,
    Http,
    /// It was HTTP, up to an upgrade or CONNECT.
    Tunnel,
    /// Another protocol, by name.
    Other(&'static str),
    /// Plain bytes, as the user said.
    Binary,
    /// Its client turned out to be one that is left out.
    LeftOut,
}

/// Both directions of a connection, as messages.
#[derive(Debug, Default)]
pub(super) struct Dialogue {
    pub(super) mode: Mode,
    /// Who sends the requests, once that is known.
    pub(super) client: Option<Side>,
    pub(super) streams: [MessageStream; 2],
    pub(super) pairing: Pairing,
    /// What the response under way answers, from its first byte, or that of a 1xx response before it.
    pub(super) answer: Option<Answer>,
    /// Whole responses whose ids are not known yet: those that the pairing has not settled.
    pub(super) deferred: Vec<Option<Deferred>>,
    pub(super) deferred_bytes: usize,
    /// The request under way, once its head is whole.
    pub(super) sending: Option<Seq>,
    last_exchange: Option<Seq>,
    /// The latest request of plain bytes.
    pub(super) asked: Option<UnansweredRequest>,
    /// Added to the numbers of exchanges, so that ids differ from those of another connection.
    pub(super) salt: Option<u32>,
    /// Where the bytes told of each side end.
    position: [Seq; 2],
    /// What each side's latest bytes acknowledged.
    pub(super) last_ack: [Option<Seq>; 2],
    /// Where the latest gap of each side begins.
    gap_at: [Option<Seq>; 2],
    /// The first byte of each side, if its SYN was seen.
    pub(super) first: [Option<Seq>; 2],
    /// Which sides' first byte was seen, though perhaps not their SYN.
    is_whole: [bool; 2],
    /// Which sides lack bytes from before the protocol was known.
    pub(super) has_gap: [bool; 2],
    /// The end of the latest response that is no 1xx, and of the latest that is one.
    final_end: Option<Seq>,
    interim_end: Option<Seq>,
    /// Where the server's stream was when a request broke the framing: the client's bytes are no requests until a
    /// response beyond this shows that the server went on.
    pub(super) broken_at: Option<Seq>,
    /// Whether the request under way may be text in the body of another.
    pub(super) is_unproven: bool,
    /// Whether nothing but its bytes shows that the request under way, or the next response, begins where it does.
    pub(super) is_doubtful: [bool; 2],
    /// Which sides any byte came from.
    pub(super) has_spoken: [bool; 2],
}

impl Dialogue {
    /// A dialogue whose client is known already, or not.
    pub(super) fn new(client: Option<Side>, protocol: Protocol) -> Self {
        let mode = if protocol == Protocol::Binary { Mode::Binary } else { Mode::Undecided };
        Dialogue { mode, client, ..Dialogue::default() }
    }

    /// Takes the next bytes of one side. `is_joined` tells of each side whether
    /// its first byte may have been in the middle of something.
    pub(super) fn data(
        &mut self,
        key: &ConnectionKey,
        side: Side,
        chunk: &Chunk<'_>,
        is_joined: [bool; 2],
        out: &mut DialogueOut<'_>,
    ) {
        let is_first = !std::mem::replace(&mut self.has_spoken[side as usize], true);
        if is_first {
            self.is_whole[side as usize] = self.first[side as usize] == Some(chunk.seq);
        }
        let is_joined = [is_joined[0] && !self.is_whole[0], is_joined[1] && !self.is_whole[1]];
        out.ledger.bytes.delivered += chunk.bytes.len() as u64;
        self.position[side as usize] = chunk.seq + chunk.bytes.len() as u32;
        if is_first && self.mode == Mode::Http && is_joined[side as usize] {
            self.seek(key, side, out);
        }
        match self.mode {
            Mode::Http => self.http(key, side, chunk, out),
            Mode::Undecided => self.decide(key, side, chunk, is_joined, out),
            Mode::Binary => self.binary(key, side, chunk, out),
            Mode::Tunnel => out.ledger.bytes.tunnelled += chunk.bytes.len() as u64,
            Mode::LeftOut => out.ledger.bytes.other_clients += chunk.bytes.len() as u64,
            Mode::Other(UNKNOWN) if is_first => self.decide_again(key, side, chunk, is_joined, out),
            Mode::Other(_) => out.ledger.bytes.other_protocols += chunk.bytes.len() as u64,
        }
        self.last_ack[side as usize] = chunk.ack;
    }

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
    fn has_moved(&self, side: Side, ack: Option<Seq>) -> bool {
        match (ack, self.last_ack[side as usize]) {
            (Some(ack), Some(last)) => ack.is_after(last),
            _ => true,
        }
    }

    pub(super) fn http(
        &mut self,
        key: &ConnectionKey,
        side: Side,
        chunk: &Chunk<'_>,
        out: &mut DialogueOut<'_>,
    ) {
        if self.is_bare_head(side) && self.may_be_next_response(side, chunk) {
            let is_sure = self.has_moved(side, chunk.ack);
            self.end_bare_head(key, side, Some(chunk.seq), is_sure, &mut &[][..], out);
        }
        let mut rest = chunk.bytes;
        while !rest.is_empty() {
            if self.mode != Mode::Http {
                out.ledger.bytes.tunnelled += rest.len() as u64;
                return;
            }
            let stream = &mut self.streams[side as usize];
            if let StreamState::Seeking(_) = stream.state {
                let at_start = rest.len() == chunk.bytes.len();
                self.find(key, side, &Chunk { bytes: rest, is_segment_start: at_start, ..*chunk }, out);
                return;
            }
            if stream.is_between() {
                let blank = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
                out.ledger.bytes.between += blank as u64;
                rest = &rest[blank..];
                if rest.is_empty() {
                    return;
                }
                let consumed = (chunk.bytes.len() - rest.len()) as u32;
                let from = chunk.seq + (consumed - blank as u32);
                self.begin(key, side, from, &Chunk { seq: chunk.seq + consumed, ..*chunk }, out);
            }
            self.message(key, side, chunk.time, &mut rest, out);
        }
    }

    /// Whether a segment behind a bare head may be the next response, and not the head's body. One that begins with a
    /// whole status line is: that the head answered a HEAD which is not in the capture is more likely than such a body.
    fn may_be_next_response(&self, side: Side, chunk: &Chunk<'_>) -> bool {
        match starts_response(chunk.bytes) {
            Some(starts) => starts && (chunk.is_segment_start || self.may_begin(side, chunk)),
            None => self.may_begin(side, chunk),
        }
    }

    /// Looks for the start of a message, and goes on with it.
    fn find(&mut self, key: &ConnectionKey, side: Side, chunk: &Chunk<'_>, out: &mut DialogueOut<'_>) {
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

    /// Reads on in the message under way, to its end if that is in `rest`.
    fn message(
        &mut self,
        key: &ConnectionKey,
        side: Side,
        time: i64,
        rest: &mut &[u8],
        out: &mut DialogueOut<'_>,
    ) {
        let stream = &mut self.streams[side as usize];
        stream.message.end = stream.message.end.max(time);
        loop {
            match self.streams[side as usize].advance(rest) {
                Ok(StreamProgress::More) => return,
                Ok(StreamProgress::Head) => {
                    self.head(side, out);
                    if self.client != Some(side) {
                        self.end_before_next(key, side, rest, out);
                    }
                }
                Ok(StreamProgress::Whole) => return self.whole(key, side, rest, out),
                Err(_) => return self.malformed(key, side, rest, out),
            }
        }
    }

    /// The message under way breaks the framing: nobody can tell where it ends (RFC 9112 §6.3).
    fn malformed(&mut self, key: &ConnectionKey, side: Side, rest: &mut &[u8], out: &mut DialogueOut<'_>) {
        self.lose(key, side, Loss::Malformed, rest, out);
        let ack = self.streams[side as usize].message.ack;
        self.streams[side as usize].leave(rest);
        out.ledger.bytes.lost += rest.len() as u64;
        *rest = &[];
        if self.client == Some(side) {
            self.broken_at = ack.or(Some(self.position[side.other() as usize]));
        }
        self.seek(key, side, out);
    }

    /// A message begins with `chunk`, after empty lines that begin at `from`.
    fn begin(
        &mut self,
        key: &ConnectionKey,
        side: Side,
        from: Seq,
        chunk: &Chunk<'_>,
        out: &mut DialogueOut<'_>,
    ) {
        let options = out.options;
        let (framer, keep) = if self.client == Some(side) {
            self.end_bare_head(key, side.other(), chunk.ack, true, &mut &[][..], out);
            if let Some(requests) = self.pairing.begin_batch(chunk.ack) {
                self.settle(key, &requests, out);
            }
            self.sending = None;
            out.ledger.requests.begun += 1;
            (Framer::request(), options.max_message)
        } else {
            // After a 1xx the request stays the same.
            let pairing = &mut self.pairing;
            let answer = *self.answer.get_or_insert_with(|| pairing.response(from, chunk.seq, chunk.ack));
            out.ledger.responses.begun += 1;
            let context =
                if let Answer::To(request) = answer { request.context } else { RequestContext::default() };
            (Framer::response(context), if options.has_responses { options.max_message } else { 0 })
        };
        let stream = &mut self.streams[side as usize];
        // As doubtful as a request is what the client sent together with it.
        let goes_on =
            self.client == Some(side) && stream.message.is_doubtful && stream.message.ack == chunk.ack;
        stream.begin(framer, chunk, keep);
        stream.message.is_doubtful = std::mem::take(&mut self.is_doubtful[side as usize]) || goes_on;
    }

    /// A response to a request that is not known ends with its head if what came after it shows so: it may have
    /// answered a HEAD. `end` is where it would end. Unless that `is_sure`, it is marked, and what follows.
    fn end_bare_head(
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
    fn is_bare_head(&self, side: Side) -> bool {
        self.client != Some(side)
            && self.answer.is_some_and(|answer| !matches!(answer, Answer::To(_)))
            && self.streams[side as usize].is_only_a_head()
    }

    /// As [`Dialogue::end_bare_head`], when what follows the head in the same segment is another response.
    fn end_before_next(
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

    /// The head is whole.
    fn head(&mut self, side: Side, out: &mut DialogueOut<'_>) {
        let stream = &self.streams[side as usize];
        let Some(framer) = stream.framer() else { return };
        let is_suspicious = framer.is_suspicious();
        if self.client != Some(side) {
            out.ledger.responses.suspicious += u64::from(is_suspicious);
            return;
        }
        out.ledger.requests.suspicious += u64::from(is_suspicious);
        let (context, message) = (framer.context(), stream.message);
        let exchange = self.next_exchange(message.ack.unwrap_or_default());
        self.begin_exchange(exchange);
        let mut request =
            UnansweredRequest::new(exchange, message.ack, message.seq, message.head_end(), context);
        request.is_doubtful = message.is_doubtful;
        self.pairing.request(request);
    }

    /// The request under way gets its number.
    pub(super) fn begin_exchange(&mut self, exchange: Seq) {
        self.sending = Some(exchange);
    }

    /// The first number from `wanted` up that no exchange of this connection has.
    pub(super) fn next_exchange(&mut self, wanted: Seq) -> Seq {
        let exchange = match self.last_exchange {
            Some(last) if !wanted.is_after(last) => last + 1,
            _ => wanted,
        };
        self.last_exchange = Some(exchange);
        exchange
    }

    /// The byte after the message under way, which is whole, and behind which `rest` follows.
    fn end_of_message(&self, side: Side, rest: &[u8]) -> Seq {
        let stream = &self.streams[side as usize];
        if stream.is_only_a_head() {
            return stream.message.head_end();
        }
        self.position[side as usize] + (stream.rest_of(rest).len() as u32).wrapping_neg()
    }

    /// The message is whole: writes it, and looks at what it means to the connection.
    fn whole(&mut self, key: &ConnectionKey, side: Side, rest: &mut &[u8], out: &mut DialogueOut<'_>) {
        let stream = &self.streams[side as usize];
        let is_response = self.client != Some(side);
        let (is_interim, leaves_http) =
            stream.framer().map_or((false, false), |framer| (framer.is_interim(), framer.upgrades()));
        if is_response && is_interim {
            out.ledger.responses.interim += 1;
            out.ledger.bytes.interim += stream.message.length;
            self.interim_end = Some(self.end_of_message(side, rest));
            self.streams[side as usize].leave(rest);
            return;
        }
        let end = self.end_of_message(side, rest);
        if is_response {
            self.final_end = Some(end);
            let request = if let Some(Answer::To(request)) = &self.answer { Some(request) } else { None };
            self.pairing.response_end(request, stream.message.ack, end);
        } else if let Some(exchange) = self.sending {
            self.pairing.request_end(exchange, end);
        }
        let is_text = std::mem::take(&mut self.is_unproven)
            && !is_response
            && starts_request(stream.rest_of(rest)) == Some(false);
        if is_text {
            // What follows is no request, so this was not one either, but text in the body of one.
            out.ledger.bytes.lost += stream.rest_of(rest).len() as u64;
            self.lose(key, side, Loss::Malformed, rest, out);
            self.streams[side as usize].leave(rest);
            *rest = &[];
            self.seek(key, side, out);
            return;
        }
        if stream.message.has_gap {
            let loss = if stream.message.is_snapped { Loss::Snapped } else { Loss::Gap };
            self.lose(key, side, loss, rest, out);
        } else {
            let is_doubtful = stream.message.is_doubtful;
            let mark = stream.is_cut().then_some(Mark::Cut).or(is_doubtful.then_some(Mark::Doubtful));
            self.write(key, side, mark, rest, out);
        }
        self.streams[side as usize].leave(rest);
        if is_response && leaves_http {
            self.leave_http(side.other(), out);
        }
    }

    /// The rest of the connection is a tunnel; what the client sent before the answer is in it.
    fn leave_http(&mut self, client: Side, out: &mut DialogueOut<'_>) {
        self.mode = Mode::Tunnel;
        let stream = &mut self.streams[client as usize];
        match stream.state {
            StreamState::Within(_) => {
                out.ledger.requests.begun -= 1;
                out.ledger.bytes.tunnelled += stream.message.length;
            }
            _ => out.ledger.bytes.skipped += stream.buffer.len() as u64,
        }
        stream.leave(&mut &[][..]);
        self.pairing.clear();
    }

    /// Gives up the message under way, if there is one.
    pub(super) fn give_up(&mut self, key: &ConnectionKey, side: Side, loss: Loss, out: &mut DialogueOut<'_>) {
        match (self.mode, &self.streams[side as usize].state) {
            (Mode::Http, StreamState::Within(_)) => self.lose(key, side, loss, &[], out),
            (Mode::Binary, _) => return self.binary_end(key, side, out),
            _ => out.ledger.bytes.skipped += self.streams[side as usize].buffer.len() as u64,
        }
        self.streams[side as usize].leave(&mut &[][..]);
    }

    fn seek(&mut self, key: &ConnectionKey, side: Side, out: &mut DialogueOut<'_>) {
        self.lose_count(key, side, out);
        self.streams[side as usize].seek();
    }

    /// Messages of `side` may be missing here.
    pub(super) fn lose_count(&mut self, key: &ConnectionKey, side: Side, out: &mut DialogueOut<'_>) {
        if self.client == Some(side) {
            let gap = self.gap_at[side as usize].take();
            // Of a connection joined in its middle nobody knows whether requests are missing.
            let first =
                self.first[side.other() as usize].filter(|_| gap.is_some() || self.has_gap[side as usize]);
            self.pairing.gap_in_requests(gap.unwrap_or(self.position[side as usize]), first);
        } else {
            self.answer = None;
            self.pairing.gap_in_responses();
            self.settle_none(key, out);
        }
    }

    /// Bytes of one side are missing.
    pub(super) fn gap(
        &mut self,
        key: &ConnectionKey,
        side: Side,
        bytes: u64,
        is_snapped: bool,
        out: &mut DialogueOut<'_>,
    ) {
        let at = self.position[side as usize];
        self.position[side as usize] = at + bytes as u32;
        if self.has_spoken[side as usize] {
            self.gap_at[side as usize] = Some(at);
        }
        let stream = &mut self.streams[side as usize];
        match self.mode {
            Mode::Http => {
                if stream.pass_over(bytes, is_snapped) {
                    self.message(key, side, i64::MIN, &mut &[][..], out);
                } else {
                    self.give_up(key, side, if is_snapped { Loss::Snapped } else { Loss::Gap }, out);
                    self.seek(key, side, out);
                }
            }
            Mode::Undecided => {
                self.has_gap[side as usize] = true;
                self.give_up(key, side, Loss::Gap, out);
            }
            Mode::Binary => stream.message.has_gap = true,
            Mode::Tunnel | Mode::Other(_) | Mode::LeftOut => {}
        }
    }

    /// One side has no more to say. A body that lasts until then is whole.
    pub(super) fn fin(&mut self, key: &ConnectionKey, side: Side, out: &mut DialogueOut<'_>) {
        let is_bare_head = self.is_bare_head(side);
        let stream = &mut self.streams[side as usize];
        // A head and nothing more answers a HEAD request, as far as anyone can tell.
        let is_whole = stream.ends_with_connection() || is_bare_head;
        if self.mode == Mode::Http && is_whole {
            self.whole(key, side, &mut &[][..], out);
        }
        if self.mode == Mode::Http || self.mode == Mode::Binary {
            self.give_up(key, side, Loss::Closed, out);
        }
        self.settle_end(key, out);
    }

    /// No batch of requests will follow that could tell what the responses not paired yet answer.
    fn settle_end(&mut self, key: &ConnectionKey, out: &mut DialogueOut<'_>) {
        let requests = self.pairing.end();
        self.settle(key, &requests, out);
    }

    /// The connection was reset, by whichever side.
    pub(super) fn reset(&mut self, key: &ConnectionKey, out: &mut DialogueOut<'_>) {
        for side in [Side::Low, Side::High] {
            if self.mode == Mode::Http || self.mode == Mode::Binary {
                self.give_up(key, side, Loss::Reset, out);
            }
        }
        self.settle_end(key, out);
    }

    /// Nothing came for too long.
    pub(super) fn expire(&mut self, key: &ConnectionKey, side: Side, out: &mut DialogueOut<'_>) {
        self.give_up(key, side, Loss::Expired, out);
        if self.mode == Mode::Http {
            self.settle_end(key, out);
            self.seek(key, side, out);
        }
    }

    /// Whether a message of this side is under way.
    pub(super) fn is_unfinished(&self, side: Side) -> bool {
        let stream = &self.streams[side as usize];
        match self.mode {
            Mode::Http => matches!(stream.state, StreamState::Within(_)),
            Mode::Binary => stream.message.length > 0,
            _ => false,
        }
    }

    /// The connection is over, or not followed any further: settles its accounts.
    pub(super) fn end(&mut self, key: &ConnectionKey, loss: Loss, out: &mut DialogueOut<'_>) {
        let has_spoken = self.has_spoken != [false, false];
        for side in [Side::Low, Side::High] {
            self.give_up(key, side, loss, out);
        }
        self.settle_end(key, out);
        let connections = &mut out.ledger.connections;
        match self.mode {
            Mode::Http => connections.http += 1,
            Mode::Tunnel => connections.upgraded += 1,
            Mode::Binary => connections.binary += 1,
            Mode::LeftOut => connections.other_clients += 1,
            Mode::Other(name) => *connections.other.entry(name).or_default() += 1,
            Mode::Undecided if has_spoken => *connections.other.entry("unknown").or_default() += 1,
            Mode::Undecided => connections.silent += 1,
        }
        if !matches!(self.mode, Mode::Binary | Mode::LeftOut) && self.has_spoken == [true, true] {
            out.ledger.without_response += self.pairing.unanswered + self.pairing.clear();
            if out.options.has_responses {
                out.ledger.assumed_pairs += self.pairing.assumed;
            }
        }
        self.pairing.clear();
    }

    /// Who the client is, as far as the addresses to record at tell.
    pub(super) fn known_client(&self, options: &CaptureOptions) -> Option<Side> {
        if options.addresses.is_empty() { None } else { self.client }
    }

    /// Memory held.
    pub(super) fn held(&self) -> usize {
        let streams: usize = self.streams.iter().map(|stream| stream.buffer.capacity()).sum();
        streams + self.pairing.held() + self.deferred_bytes
    }
}
