//! What ends messages before they are whole, and a connection: losses, and who has no more to say.

use super::dialogue::{Dialogue, DialogueOut, Mode};
use super::ledger::Loss;
use super::stream::StreamState;
use crate::tcp::{ConnectionKey, Side};

impl Dialogue {
    /// The message under way breaks the framing: nobody can tell where it ends (RFC 9112 §6.3).
    pub(super) fn malformed(
        &mut self,
        key: &ConnectionKey,
        side: Side,
        rest: &mut &[u8],
        out: &mut DialogueOut<'_>,
    ) {
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

    /// Gives up the message under way, if there is one.
    pub(super) fn give_up(&mut self, key: &ConnectionKey, side: Side, loss: Loss, out: &mut DialogueOut<'_>) {
        match (self.mode, &self.streams[side as usize].state) {
            (Mode::Http, StreamState::Within(_)) => self.lose(key, side, loss, &[], out),
            (Mode::Binary, _) => return self.binary_end(key, side, out),
            _ => out.ledger.bytes.skipped += self.streams[side as usize].buffer.len() as u64,
        }
        self.streams[side as usize].leave(&mut &[][..]);
    }

    pub(super) fn seek(&mut self, key: &ConnectionKey, side: Side, out: &mut DialogueOut<'_>) {
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
}
