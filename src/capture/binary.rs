//! Connections of any protocol: a message is what one side says until the other answers.

use super::dialogue::{Dialogue, DialogueOut};
use super::ledger::Loss;
use super::pairing::{Answer, UnansweredRequest};
use crate::http::RequestContext;
use crate::record::Mark;
use crate::tcp::{Chunk, ConnectionKey, Side};

impl Dialogue {
    /// Takes the next bytes of one side. Who speaks first is the client, unless
    /// that is known already.
    pub(super) fn binary(
        &mut self,
        key: &ConnectionKey,
        side: Side,
        chunk: &Chunk<'_>,
        out: &mut DialogueOut<'_>,
    ) {
        if self.client.is_none() {
            self.client = Some(side);
            if self.leave_out(key, out) {
                out.ledger.bytes.other_clients += chunk.bytes.len() as u64;
                return;
            }
        }
        self.binary_end(key, side.other(), out);
        let is_request = self.client == Some(side);
        let keep = if is_request || out.options.has_responses { out.options.max_message } else { 0 };
        let stream = &mut self.streams[side as usize];
        let message = &mut stream.message;
        if message.length == 0 {
            let begun = if is_request { &mut out.ledger.requests } else { &mut out.ledger.responses };
            begun.begun += 1;
            message.start = chunk.time;
            message.end = chunk.time;
            message.seq = chunk.seq;
            message.ack = chunk.ack;
            message.keep = keep;
        }
        message.end = message.end.max(chunk.time);
        message.length += chunk.bytes.len() as u64;
        stream.buffer_bytes(chunk.bytes);
    }

    /// The message of one side ends, as the other answers, or nothing more comes.
    pub(super) fn binary_end(&mut self, key: &ConnectionKey, side: Side, out: &mut DialogueOut<'_>) {
        let message = self.streams[side as usize].message;
        if message.length == 0 {
            return;
        }
        if self.client == Some(side) {
            let exchange = self.next_exchange(message.ack.unwrap_or_default());
            self.begin_exchange(exchange);
            self.asked = Some(UnansweredRequest::new(
                exchange,
                message.ack,
                message.seq,
                message.seq,
                RequestContext::default(),
            ));
        } else {
            self.answer = Some(self.asked.map_or(Answer::Unknown, Answer::To));
        }
        let is_cut = self.streams[side as usize].is_cut();
        match (message.has_gap, is_cut) {
            (true, _) => self.lose(key, side, Loss::Gap, &[], out),
            (false, true) => self.write(key, side, Some(Mark::Cut), &[], out),
            (false, false) => self.write(key, side, None, &[], out),
        }
        let stream = &mut self.streams[side as usize];
        stream.leave(&mut &[][..]);
        stream.message.length = 0;
        stream.message.has_gap = false;
    }
}
