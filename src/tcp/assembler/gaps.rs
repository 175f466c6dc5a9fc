//! When missing bytes are given up, and what was held behind them is delivered.

use super::{Assembler, EventOutput};
use crate::tcp::reassembly_buffer::ReassemblyBuffer;
use crate::tcp::{Counters, Event, Limits, Seq};

impl Assembler {
    /// The packet time at which [`Assembler::give_up_gaps`] has something to do, if nothing comes before.
    #[inline]
    pub fn deadline(&self, limits: &Limits) -> Option<i64> {
        self.buffer.as_ref().and_then(|buffer| Self::deadline_of(buffer, limits))
    }

    fn deadline_of(buffer: &ReassemblyBuffer, limits: &Limits) -> Option<i64> {
        let (_, since) = buffer.first_hole()?;
        let lost = since.max(buffer.filled.unwrap_or(since)).saturating_add(limits.patience);
        let received = buffer.received.map_or(i64::MAX, |(_, since)| since.saturating_add(limits.reordering));
        Some(lost.min(received))
    }

    /// Gives up the gaps that were waited for long enough at `now`, and delivers what is behind them.
    pub fn give_up_gaps<D: FnMut(Event<'_>)>(
        &mut self,
        now: i64,
        limits: &Limits,
        counters: &mut Counters,
        deliver: &mut D,
    ) {
        self.give_up_due(now, limits, &mut EventOutput { counters, deliver });
        self.tidy();
    }

    /// Gives up the gaps before `end`, and delivers what is behind them: those bytes are known to have arrived
    /// at the other side, so they will not be sent again. `end` need not be the end of a gap.
    pub fn give_up_before<D: FnMut(Event<'_>)>(
        &mut self,
        end: Seq,
        counters: &mut Counters,
        deliver: &mut D,
    ) {
        let out = &mut EventOutput { counters, deliver };
        while end.is_after(self.next_seq) {
            let before = self.next + (end - self.next_seq) as u64;
            if !self.give_up_first(before, out) {
                break;
            }
        }
        self.tidy();
    }

    /// Gives up all gaps and delivers all that is held: nothing more will come.
    pub fn flush<D: FnMut(Event<'_>)>(&mut self, counters: &mut Counters, deliver: &mut D) {
        let out = &mut EventOutput { counters, deliver };
        while self.give_up_first(u64::MAX, out) {}
        self.tidy();
    }

    pub(super) fn give_up_due<D: FnMut(Event<'_>)>(
        &mut self,
        now: i64,
        limits: &Limits,
        out: &mut EventOutput<'_, D>,
    ) {
        while self.deadline(limits).is_some_and(|deadline| deadline <= now) {
            let received = self.buffer.as_ref().and_then(|buffer| buffer.received);
            let before = match received {
                Some((end, since)) if since.saturating_add(limits.reordering) <= now => end,
                _ => u64::MAX,
            };
            self.give_up_first(before, out);
        }
    }

    pub(super) fn give_up_overflow<D: FnMut(Event<'_>)>(
        &mut self,
        limits: &Limits,
        out: &mut EventOutput<'_, D>,
    ) {
        let is_over = |buffer: &ReassemblyBuffer| buffer.piece_count() > limits.pieces;
        while self.buffered() > limits.bytes || self.buffer.as_deref().is_some_and(is_over) {
            out.counters.overflow_gaps += 1;
            self.give_up_first(u64::MAX, out);
        }
    }

    /// Gives up the first hole as far as it lies before `end`; false if there is none.
    pub(super) fn give_up_first<D: FnMut(Event<'_>)>(
        &mut self,
        end: u64,
        out: &mut EventOutput<'_, D>,
    ) -> bool {
        let Some((hole_end, _)) = self.buffer.as_ref().and_then(|buffer| buffer.first_hole()) else {
            return false;
        };
        let mut end = end.min(hole_end);
        if let Some(buffer) = self.buffer.as_mut().filter(|buffer| buffer.holds_only_reset()) {
            // An RST says nothing about bytes before it: missing are those that the other side has received.
            let known = buffer.received_end().max(self.next);
            buffer.reset = buffer.reset.map(|(offset, time)| (offset.min(known), time));
            end = end.min(known);
        }
        if end > self.next {
            self.skip(end - self.next, false, out);
        }
        self.deliver_ready(out);
        true
    }
}
