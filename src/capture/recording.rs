//! Messages as records: their ids, their marks, and the responses that wait for an id.

use super::dialogue::{Dialogue, DialogueOut, Mode};
use super::edit;
use super::ids::ExchangeId;
use super::ledger::{CaptureLedger, Loss, Messages};
use super::pairing::{Answer, UnansweredRequest};
use super::stream::{Deferred, StreamMessage};
use crate::http::Framer;
use crate::record::{Header, Kind, Mark};
use crate::tcp::{ConnectionKey, Seq, Side};

/// Bytes of one connection's responses that may wait for their ids. When they are more, their requests remain unknown.
const MAX_DEFERRED: usize = 1 << 20;

impl Dialogue {
    /// Writes what is kept of the message under way, whole or not, and counts it.
    pub(super) fn write(
        &mut self,
        key: &ConnectionKey,
        side: Side,
        mark: Option<Mark>,
        at_hand: &[u8],
        out: &mut DialogueOut<'_>,
    ) {
        let is_request = self.client == Some(side);
        if is_request {
            let ack = self.streams[side as usize].message.ack;
            let exchange = self.sending.take().unwrap_or_else(|| self.next_exchange(ack.unwrap_or_default()));
            self.write_request(key, side, exchange, mark, at_hand, out);
            return;
        }
        let answer = self.answer.take();
        if !out.options.has_responses {
            if matches!(answer, Some(Answer::Later)) {
                self.defer(key, None, out);
            }
            out.ledger.responses.not_asked_for += 1;
            out.ledger.bytes.not_asked_for += self.streams[side as usize].message.length;
            return;
        }
        if let Some(Answer::To(request)) = answer {
            let id = self.id(key, request.exchange, out);
            let stream = &self.streams[side as usize];
            let mark = mark.or(request.mark());
            record(Kind::Response, &id, &stream.message, mark, stream.payload(at_hand), out);
            return;
        }
        let stream = &self.streams[side as usize];
        let (message, payload) = (stream.message, stream.payload(at_hand).to_vec());
        match answer {
            Some(Answer::Later) => self.defer(key, Some(Deferred { message, mark, payload }), out),
            _ => self.write_orphan(key, &Deferred { message, mark, payload }, out),
        }
    }

    /// Lets a response wait for its id, or one that is not written (none) keep its place among those that are.
    fn defer(&mut self, key: &ConnectionKey, response: Option<Deferred>, out: &mut DialogueOut<'_>) {
        let payload = response.as_ref().map_or(0, |response| response.payload.len());
        self.deferred_bytes += payload + size_of::<Option<Deferred>>();
        self.deferred.push(response);
        if self.deferred_bytes > MAX_DEFERRED {
            self.pairing.forget_unpaired();
            self.settle_none(key, out);
        }
    }

    fn write_request(
        &mut self,
        key: &ConnectionKey,
        side: Side,
        exchange: Seq,
        mark: Option<Mark>,
        at_hand: &[u8],
        out: &mut DialogueOut<'_>,
    ) {
        let id = self.id(key, exchange, out);
        let stream = &self.streams[side as usize];
        let mut payload = stream.payload(at_hand);
        let kept = payload.len();
        let expects = stream.framer().is_some_and(Framer::expects_continue);
        let real_ip = out.options.real_ip_header.as_deref();
        let mut edited = Vec::new();
        let is_edited = self.mode == Mode::Http && (expects || real_ip.is_some());
        if is_edited {
            std::mem::swap(&mut edited, out.scratch);
            let client = key.endpoint(side).ip();
            edit::write_request(payload, expects, real_ip.map(|name| (name, client)), &mut edited);
            payload = &edited;
        }
        record_edited(Kind::Request, &id, &stream.message, mark, payload, kept, out);
        if let Some(echoes) = &mut out.echoes {
            let (client, server) = (key.endpoint(side), key.endpoint(side.other()));
            echoes.request(stream.message.end, client, server, payload, real_ip);
        }
        if is_edited {
            *out.scratch = edited;
        }
    }

    /// The id of an exchange of this connection.
    fn id(&mut self, key: &ConnectionKey, exchange: Seq, out: &mut DialogueOut<'_>) -> ExchangeId {
        let client = self.client.unwrap_or(Side::Low);
        self.ids.get_or_insert_with(|| out.ids.of(key, client)).of(exchange)
    }

    /// Writes a response whose request is not known.
    fn write_orphan(&mut self, key: &ConnectionKey, response: &Deferred, out: &mut DialogueOut<'_>) {
        out.ledger.without_request += 1;
        let exchange = self.next_exchange(response.message.seq);
        let id = self.id(key, exchange, out);
        record(Kind::Response, &id, &response.message, response.mark, &response.payload, out);
    }

    /// Writes the responses that waited for their ids: their requests are known now, or never will be.
    pub(super) fn settle(
        &mut self,
        key: &ConnectionKey,
        requests: &[Option<UnansweredRequest>],
        out: &mut DialogueOut<'_>,
    ) {
        self.deferred_bytes = 0;
        let requests = requests.iter().copied().chain(std::iter::repeat(None));
        for (response, request) in std::mem::take(&mut self.deferred).into_iter().zip(requests) {
            match (response, request) {
                (Some(response), Some(request)) => {
                    let id = self.id(key, request.exchange, out);
                    let mark = response.mark.or(request.mark());
                    record(Kind::Response, &id, &response.message, mark, &response.payload, out);
                }
                (Some(response), None) => self.write_orphan(key, &response, out),
                (None, _) => {}
            }
        }
    }

    /// Writes the responses that waited for their ids as answers to nothing known.
    pub(super) fn settle_none(&mut self, key: &ConnectionKey, out: &mut DialogueOut<'_>) {
        self.settle(key, &[], out);
    }

    /// The message under way will not be whole: counts it, or writes what there is of it.
    ///
    /// It is not left yet; the caller knows how it goes on.
    pub(super) fn lose(
        &mut self,
        key: &ConnectionKey,
        side: Side,
        loss: Loss,
        at_hand: &[u8],
        out: &mut DialogueOut<'_>,
    ) {
        let is_request = self.client == Some(side);
        let is_wanted = is_request || out.options.has_responses;
        if !is_wanted || (out.options.allows_incomplete && loss != Loss::Malformed) {
            self.write(key, side, Some(Mark::Gap), at_hand, out);
            return;
        }
        out.ledger.bytes.lost += self.streams[side as usize].message.length;
        *messages(out.ledger, is_request).lost.entry(loss).or_default() += 1;
        if is_request {
            self.sending = None;
        } else if let Some(Answer::Later) = self.answer.take() {
            self.defer(key, None, out);
        }
    }
}

/// Writes a record of a message.
fn record(
    kind: Kind,
    id: &[u8],
    message: &StreamMessage,
    mark: Option<Mark>,
    payload: &[u8],
    out: &mut DialogueOut<'_>,
) {
    record_edited(kind, id, message, mark, payload, payload.len(), out);
}

/// Writes a record of a message of which `kept` bytes were kept, before they were edited.
fn record_edited(
    kind: Kind,
    id: &[u8],
    message: &StreamMessage,
    mark: Option<Mark>,
    payload: &[u8],
    kept: usize,
    out: &mut DialogueOut<'_>,
) {
    let latency = Some(message.end - message.start);
    let header = Header { kind, id, timestamp: message.start, latency, mark, ..Header::default() };
    out.block.push(&header, payload);
    out.ledger.bytes.recorded += message.length;
    out.ledger.bytes.cut += message.length - (kept as u64).min(message.length);
    let messages = messages(out.ledger, kind == Kind::Request);
    match mark {
        None => messages.recorded += 1,
        Some(Mark::Cut) => messages.cut += 1,
        Some(Mark::Gap) => messages.incomplete += 1,
        Some(Mark::Doubtful) => messages.doubtful += 1,
    }
}

fn messages(ledger: &mut CaptureLedger, is_request: bool) -> &mut Messages {
    if is_request { &mut ledger.requests } else { &mut ledger.responses }
}
