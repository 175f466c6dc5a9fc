//! Who asks and who answers on one connection, and which answer is whose.

use super::echoes::Echoes;
use super::ids::{ConnectionIds, Ids};
use super::ledger::{CaptureLedger, Loss};
use super::pairing::{Answer, Pairing, UnansweredRequest};
use super::stream::{Deferred, MessageStream, StreamProgress, StreamState};
use super::{CaptureOptions, Protocol};
use crate::http::{Framer, RequestContext, starts_request};
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

/// What a connection is called that speaks nothing known.
pub(super) const UNKNOWN: &str = "unknown";

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
    /// The ids of exchanges, once there was one.
    pub(super) ids: Option<ConnectionIds>,
    /// Where the bytes told of each side end.
    pub(super) position: [Seq; 2],
    /// What each side's latest bytes acknowledged.
    pub(super) last_ack: [Option<Seq>; 2],
    /// Where the latest gap of each side begins.
    pub(super) gap_at: [Option<Seq>; 2],
    /// The first byte of each side, if its SYN was seen.
    pub(super) first: [Option<Seq>; 2],
    /// Which sides' first byte was seen, though perhaps not their SYN.
    is_whole: [bool; 2],
    /// Which sides lack bytes from before the protocol was known.
    pub(super) has_gap: [bool; 2],
    /// The end of the latest response that is no 1xx, and of the latest that is one.
    pub(super) final_end: Option<Seq>,
    pub(super) interim_end: Option<Seq>,
    /// Where the server's stream was when a request broke the framing: the client's bytes are no requests until a
    /// response beyond this shows that the server went on.
    pub(super) broken_at: Option<Seq>,
    /// Whether the request under way may be text in the body of another.
    pub(super) is_unproven: bool,
    /// Whether nothing but its bytes shows that the request under way, or the next response, begins where it does.
    pub(super) is_doubtful: [bool; 2],
    /// What the bytes that are being taken acknowledge.
    ack: Option<Seq>,
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
        self.ack = chunk.ack;
        let is_first = !std::mem::replace(&mut self.has_spoken[side as usize], true);
        if is_first {
            self.is_whole[side as usize] = self.first[side as usize] == Some(chunk.seq);
        }
        out.ledger.bytes.delivered += chunk.bytes.len() as u64;
        self.position[side as usize] = chunk.seq + chunk.bytes.len() as u32;
        match self.mode {
            Mode::Http => {
                if is_first && self.may_be_inside(is_joined)[side as usize] {
                    self.seek(key, side, out);
                }
                self.http(key, side, chunk, out);
            }
            Mode::Undecided => self.decide(key, side, chunk, self.may_be_inside(is_joined), out),
            Mode::Binary => self.binary(key, side, chunk, out),
            Mode::Tunnel => out.ledger.bytes.tunnelled += chunk.bytes.len() as u64,
            Mode::LeftOut => out.ledger.bytes.other_clients += chunk.bytes.len() as u64,
            Mode::Other(UNKNOWN) if is_first => {
                self.decide_again(key, side, chunk, self.may_be_inside(is_joined), out);
            }
            Mode::Other(_) => out.ledger.bytes.other_protocols += chunk.bytes.len() as u64,
        }
        self.last_ack[side as usize] = chunk.ack;
    }

    /// Of each side that was joined, whether its first byte may have been in the middle of something.
    fn may_be_inside(&self, is_joined: [bool; 2]) -> [bool; 2] {
        [is_joined[0] && !self.is_whole[0], is_joined[1] && !self.is_whole[1]]
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

    /// Reads on in the message under way, to its end if that is in `rest`.
    pub(super) fn message(
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
            let answer = self.answer.get_or_insert_with(|| pairing.response(from, chunk.seq, chunk.ack));
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

    /// A request whose body waited for an interim response has its number from the body: its final response begins
    /// behind that one.
    fn renumber(&mut self, side: Side, exchange: Seq) {
        let waited = self.streams[side as usize].framer().is_some_and(Framer::expects_continue);
        let Some(ack) = self.ack.filter(|ack| waited && ack.is_after(exchange)) else {
            return;
        };
        let number = self.next_exchange(ack);
        self.sending = Some(number);
        self.pairing.renumber(exchange, number);
        // The interim response has taken it off those that wait.
        if let Some(Answer::To(request)) = &mut self.answer
            && request.exchange == exchange
        {
            request.exchange = number;
        }
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
    pub(super) fn whole(
        &mut self,
        key: &ConnectionKey,
        side: Side,
        rest: &mut &[u8],
        out: &mut DialogueOut<'_>,
    ) {
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
        if let Some(exchange) = self.sending.filter(|_| !is_response) {
            self.renumber(side, exchange);
        }
        let stream = &self.streams[side as usize];
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

    /// Whether a message of this side is under way.
    pub(super) fn is_unfinished(&self, side: Side) -> bool {
        let stream = &self.streams[side as usize];
        match self.mode {
            Mode::Http => matches!(stream.state, StreamState::Within(_)),
            Mode::Binary => stream.message.length > 0,
            _ => false,
        }
    }

    /// Who the client is, as far as the addresses to record at tell.
    pub(super) fn known_client(&self, options: &CaptureOptions) -> Option<Side> {
        if options.addresses.is_empty() { None } else { self.client }
    }

    /// Memory used, in bytes.
    pub(super) fn memory(&self) -> usize {
        let [low, high] = &self.streams;
        low.buffer.capacity() + high.buffer.capacity() + self.pairing.memory() + self.deferred_bytes
    }
}
