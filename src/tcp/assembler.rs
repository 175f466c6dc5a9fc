//! One direction's assembler: segments in any order become the stream that was sent.
//!
//! Where the stream is, is an offset of 64 bits, so that the wrap of sequence numbers is met in one place
//! ([`Assembler::distance`]). In-order payload passes through uncopied; what is ahead waits in pieces by offset.
//!
//! The rules for what is not plain sailing:
//!
//! - **The first copy of a byte wins.** Later copies are counted, and compared while the first is still at hand.
//! - **The start** is the byte after the SYN. Without one it is where the first segment is. As long as nothing was
//!   delivered (only bare acknowledgements were seen) an earlier segment moves it back. Once bytes were delivered,
//!   earlier ones are ignored and counted; a late SYN no more than [`JOIN_SLACK`] before them is no restart.
//! - **Keep-alive probes** (at most one byte, one before what comes next) never become data (RFC 9293 §3.8.4). A
//!   stream is not joined on a lone zero byte, which is what probes carry.
//! - **Holes** are waited for until the piece behind them, or the latest byte that filled them, is `patience` old, or
//!   too much is buffered. One whose bytes the other side acknowledged was lost by the capture alone, and is waited
//!   for only as long as the capture may have reordered segments.
//! - **Implausible segments** (further than [`WINDOW`] from what comes next, or before the start or after the end by
//!   more than [`JOIN_SLACK`]) are ignored, unless a second one with payload follows on the first: then the stream has moved
//!   there. Forwards that is a gap; backwards, or after its end, it is a restart whose SYN was missed.
//! - **A SYN** with another number than the stream's is a restart.
//! - **RST** counts if it is in the window. One ahead of what was seen waits for the bytes before it, and is dropped
//!   when data passes it. The stream goes on after it if its sender does (RFC 5961 §3: an RST may be ignored).

mod gaps;

use super::reassembly_buffer::{BufferedPiece, ReassemblyBuffer, SegmentOrigin};
use super::{Chunk, Counters, Event, Flags, Segment, Seq};

/// How far from the next byte a segment may be, in bytes, to be believed.
pub const WINDOW: u64 = 64 << 20;

/// How far before a stream's start and after its end segments may still be its own, and how far after an implausible
/// segment its successor, in bytes.
const JOIN_SLACK: u64 = 64 << 10;

/// More bytes than this were never cut off one segment: the claim is not believed.
const MAX_SNAPPED: u32 = 1 << 20;

/// What a buffered piece costs besides its bytes.
pub const PIECE_OVERHEAD: usize = 96;

/// Where the first offset is put internally, so that a start can move back without going below zero.
const BASE: u64 = 1 << 40;

/// How much and how long one direction may hold back.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Nanoseconds of packet time to wait for a missing byte while nothing fills the hole.
    pub patience: i64,
    /// Nanoseconds of packet time within which a capture may have reordered segments: the wait for a byte that
    /// the other side acknowledged.
    pub reordering: i64,
    /// Bytes buffered, [`PIECE_OVERHEAD`] for each piece included.
    pub bytes: usize,
    /// Pieces buffered.
    pub pieces: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { patience: 5_000_000_000, reordering: 2_000_000_000, bytes: 4 << 20, pieces: 16 << 10 }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
enum StreamStage {
    /// Nothing came yet.
    Unseen,
    /// A start is taken, but nothing was delivered from it and no SYN seen.
    Joined,
    /// The start is settled.
    Open,
    /// The FIN was delivered.
    Finished,
    /// An RST was delivered, and nothing after it.
    Reset,
}

/// One direction of a connection. Small (40 bytes) as long as segments come in order.
pub struct Assembler {
    /// Offset of the next byte to deliver.
    next: u64,
    /// Offset of the stream's first byte.
    start: u64,
    next_seq: Seq,
    isn: Option<Seq>,
    stage: StreamStage,
    /// Open, and nothing to look at but the sequence number of the next segment.
    is_smooth: bool,
    buffer: Option<Box<ReassemblyBuffer>>,
}

impl Default for Assembler {
    fn default() -> Self {
        Self {
            next: BASE,
            start: BASE,
            next_seq: Seq(0),
            isn: None,
            stage: StreamStage::Unseen,
            is_smooth: false,
            buffer: None,
        }
    }
}

/// Where bytes and counts go during one call.
struct EventOutput<'o, D> {
    counters: &'o mut Counters,
    deliver: &'o mut D,
}

impl Assembler {
    /// An assembler that saw nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the stream's SYN was not seen, so that its first byte may be in the middle of something.
    #[inline]
    pub fn is_joined(&self) -> bool {
        self.isn.is_none()
    }

    /// The sequence number of the next byte to deliver, after a delivered FIN the one after it; none before
    /// anything was seen.
    #[inline]
    pub fn next_seq(&self) -> Option<Seq> {
        let fin = u32::from(self.stage == StreamStage::Finished);
        (self.stage > StreamStage::Unseen).then_some(self.next_seq + fin)
    }

    /// Memory held back, [`PIECE_OVERHEAD`] for each piece included.
    #[inline]
    pub fn buffered(&self) -> usize {
        self.buffer.as_ref().map_or(0, |buffer| buffer.held_bytes() + buffer.piece_count() * PIECE_OVERHEAD)
    }

    /// Payload bytes held back.
    pub fn held_bytes(&self) -> usize {
        self.buffer.as_ref().map_or(0, |buffer| buffer.held_bytes())
    }

    /// Takes notice that the other side acknowledged, at packet time `time`, all bytes before `ack`: those that are
    /// missing will not be sent again. A stream of which nothing was seen begins there; for sure, as if its SYN had
    /// been seen, if a SYN acknowledges it.
    #[inline]
    pub fn acknowledged(&mut self, ack: Seq, by: Flags, time: i64) {
        if self.stage == StreamStage::Unseen {
            self.anchor(ack, by.has(Flags::SYN).then_some(Seq(ack.0.wrapping_sub(1))));
            return;
        }
        let distance = self.distance(ack);
        if distance > 0 && distance <= WINDOW as i64 && self.stage < StreamStage::Finished {
            let end = self.next + distance as u64;
            self.buffer_mut().acknowledged(end, time);
            self.is_smooth = false;
        }
    }

    /// Takes the next segment as captured and delivers what it completes.
    ///
    /// Also gives up the gaps that are due at the segment's time, after the segment had its chance to fill them.
    pub fn push<D: FnMut(Event<'_>)>(
        &mut self,
        segment: &Segment<'_>,
        limits: &Limits,
        counters: &mut Counters,
        deliver: &mut D,
    ) {
        counters.segments += 1;
        counters.payload_bytes += segment.payload.len() as u64;
        let out = &mut EventOutput { counters, deliver };
        if self.is_next(segment) {
            if !segment.payload.is_empty() {
                let origin = SegmentOrigin { ack: segment.ack, time: segment.time, is_segment_start: true };
                self.hand_over(segment.payload, origin, out);
            }
            return;
        }
        if segment.flags.has(Flags::URG) {
            out.counters.urgent_segments += 1;
        }
        if segment.flags.has(Flags::RST) {
            self.reset(segment, out);
        } else {
            self.start(segment, out);
            self.place(segment, out);
        }
        self.deliver_ready(out);
        self.give_up_due(segment.time, limits, out);
        self.give_up_overflow(limits, out);
        self.tidy();
    }

    /// Takes a segment that has nothing to deliver, as a bare acknowledgement in order. False: [`Assembler::push`] has to
    /// take it.
    #[inline]
    pub fn pass_bare(&mut self, segment: &Segment<'_>, counters: &mut Counters) -> bool {
        let is_bare = segment.payload.is_empty() && self.is_next(segment);
        counters.segments += u64::from(is_bare);
        is_bare
    }

    /// Whether no byte is waited for or held back, so that a segment in order changes nothing but by its payload.
    #[inline]
    pub fn is_smooth(&self) -> bool {
        self.is_smooth
    }

    /// Whether a segment is the next one of a stream that there is nothing else to look at of.
    #[inline]
    fn is_next(&self, segment: &Segment<'_>) -> bool {
        const CONTROL: Flags = Flags::SYN.with(Flags::FIN).with(Flags::RST).with(Flags::URG);
        self.is_smooth && segment.seq == self.next_seq && segment.missing == 0 && !segment.flags.has(CONTROL)
    }

    fn buffer_mut(&mut self) -> &mut ReassemblyBuffer {
        self.buffer.get_or_insert_default()
    }

    /// How far `seq` is ahead of the next byte.
    fn distance(&self, seq: Seq) -> i64 {
        i64::from(seq - self.next_seq)
    }

    /// Whether bytes so far ahead of the next, or behind it, can belong to this stream.
    fn is_plausible(&self, distance: i64, length: u64) -> bool {
        let behind = (self.next - self.start + JOIN_SLACK).min(WINDOW) as i64;
        let after = if self.stage > StreamStage::Open { JOIN_SLACK } else { WINDOW } as i64;
        distance >= -behind && distance + length as i64 <= after
    }

    /// Begins a stream at `seq`.
    fn anchor(&mut self, seq: Seq, isn: Option<Seq>) {
        let stage = if isn.is_some() { StreamStage::Open } else { StreamStage::Joined };
        *self = Self { next_seq: seq, isn, stage, ..Self::default() };
    }

    fn restart<D: FnMut(Event<'_>)>(&mut self, seq: Seq, isn: Option<Seq>, out: &mut EventOutput<'_, D>) {
        while self.give_up_first(u64::MAX, out) {}
        out.counters.restarts += 1;
        (out.deliver)(Event::Restart);
        self.anchor(seq, isn);
    }

    /// Finds or moves the stream's start where the segment says something about it.
    fn start<D: FnMut(Event<'_>)>(&mut self, segment: &Segment<'_>, out: &mut EventOutput<'_, D>) {
        let first = segment.first_byte();
        if segment.flags.has(Flags::SYN) {
            let behind = -self.distance(first);
            let delivered = (self.next - self.start) as i64;
            if self.isn == Some(segment.seq) {
                out.counters.repeated_syns += 1;
            } else if self.stage == StreamStage::Unseen {
                self.anchor(first, Some(segment.seq));
            } else if self.stage <= StreamStage::Open
                && self.isn.is_none()
                && (delivered..=JOIN_SLACK as i64).contains(&behind)
            {
                // A late SYN: the stream was joined on segments that had overtaken it.
                self.isn = Some(segment.seq);
                self.move_start(behind);
                self.stage = StreamStage::Open;
            } else {
                self.restart(first, Some(segment.seq), out);
            }
            return;
        }
        match self.stage {
            StreamStage::Unseen if segment.payload == [0] => self.anchor(first + 1, None),
            StreamStage::Unseen => self.anchor(first, None),
            StreamStage::Joined if !segment.payload.is_empty() => {
                // The bare acknowledgement that set the start may have been a keep-alive probe (one byte early),
                // or reordered, or junk.
                let distance = self.distance(first);
                let is_nearby = (-(JOIN_SLACK as i64)..=-2).contains(&distance)
                    || (distance == -1 && segment.payload.len() > 1)
                    || distance == 1;
                let is_free = self.buffer.as_ref().is_none_or(|buffer| buffer.is_empty());
                if is_nearby || is_free && !self.is_plausible(distance, 0) {
                    self.move_start(-distance);
                }
            }
            _ => {}
        }
    }

    /// Moves the start back by so many bytes (forwards if negative), if nothing was delivered yet.
    fn move_start(&mut self, back: i64) {
        if self.stage == StreamStage::Joined {
            self.next = self.next.wrapping_add_signed(-back);
            self.start = self.next;
            self.next_seq = self.next_seq + (-back) as u32;
        }
    }

    /// Puts the segment's bytes and its FIN where they belong.
    fn place<D: FnMut(Event<'_>)>(&mut self, segment: &Segment<'_>, out: &mut EventOutput<'_, D>) {
        let payload = segment.payload;
        let missing = if segment.missing <= MAX_SNAPPED { segment.missing } else { 0 };
        let length = payload.len() as u64 + u64::from(missing);
        let distance = self.distance(segment.first_byte());
        let is_bare = !segment.flags.has(Flags::SYN.with(Flags::FIN));
        if is_bare && distance == -1 && length <= 1 {
            out.counters.keep_alive_segments += 1;
            out.counters.keep_alive_bytes += payload.len() as u64;
            return;
        }
        if !self.is_plausible(distance, length) {
            return self.stray(segment, length, out);
        }
        if length == 0 && is_bare {
            return;
        }
        if let Some(buffer) = &mut self.buffer {
            buffer.stray = None;
        }
        let at = self.next.wrapping_add_signed(distance);
        let end = at + length;
        if let Some(buffer) = &mut self.buffer
            && buffer.reset.is_some_and(|(offset, _)| end > offset)
        {
            buffer.reset = None;
            out.counters.out_of_window_segments += 1;
        }
        let at_new = self.skip_known(at, payload.len() as u64, out);
        let payload = &payload[(at_new - at) as usize..];
        let limit = if self.stage == StreamStage::Finished {
            self.next
        } else {
            self.buffer.as_ref().and_then(|buffer| buffer.fin).map_or(u64::MAX, |(offset, _)| offset)
        };
        let room = limit.saturating_sub(at_new).min(payload.len() as u64) as usize;
        out.counters.after_end_bytes += (payload.len() - room) as u64;
        out.counters.reordered_segments += u64::from(room > 0 && at_new > self.next);
        if room > 0 && self.stage == StreamStage::Reset {
            self.stage = StreamStage::Open;
        }
        self.fill(at_new, &payload[..room], segment, out);
        self.note_snapped(end - u64::from(missing), end.min(limit), segment, out);
        if segment.flags.has(Flags::FIN) {
            self.finish(end, segment.time, out);
        }
    }

    /// Counts the bytes from `at` that come before the next, and returns where the others begin.
    fn skip_known<D>(&self, at: u64, length: u64, out: &mut EventOutput<'_, D>) -> u64 {
        let end = (at + length).min(self.next).max(at);
        let before = end.min(self.start).saturating_sub(at);
        let (late_start, late_end) = self.buffer.as_ref().map_or((0, 0), |buffer| buffer.late);
        let late = end.min(late_end).saturating_sub(at.max(late_start));
        out.counters.before_start_bytes += before;
        out.counters.late_bytes += late;
        out.counters.retransmitted_bytes += end - at - before - late;
        end
    }

    /// Delivers or buffers those of the bytes, none of them delivered, that are not buffered yet.
    fn fill<D: FnMut(Event<'_>)>(
        &mut self,
        mut at: u64,
        mut bytes: &[u8],
        segment: &Segment<'_>,
        out: &mut EventOutput<'_, D>,
    ) {
        while !bytes.is_empty() {
            let is_segment_start = self.next_seq + (at - self.next) as u32 == segment.first_byte();
            let buffer = self.buffer.as_ref();
            let known = buffer.and_then(|buffer| buffer.covering(at));
            let taken = if let Some((start, end, piece)) = known {
                let taken = bytes.len().min((end - at) as usize);
                if piece.snapped == 0 {
                    let first = &piece.bytes[(at - start) as usize..][..taken];
                    let differing = first.iter().zip(bytes).filter(|(first, later)| first != later).count();
                    out.counters.differing_bytes += differing as u64;
                }
                out.counters.duplicate_bytes += taken as u64;
                if taken as u64 == end - at {
                    // Compared to its end: it may go, so that new bytes behind it pass through uncopied.
                    self.deliver_piece(out);
                }
                taken
            } else {
                let next_start = buffer.and_then(|buffer| buffer.next_start(at)).unwrap_or(u64::MAX);
                let new = &bytes[..bytes.len().min((next_start - at) as usize)];
                let (ack, time) = (segment.ack, segment.time);
                if let Some(buffer) = &mut self.buffer
                    && (next_start != u64::MAX || buffer.fin.is_some())
                {
                    buffer.filled = buffer.filled.max(Some(time));
                }
                if at == self.next {
                    self.hand_over(new, SegmentOrigin { ack, time, is_segment_start }, out);
                } else {
                    let origin = SegmentOrigin { ack, time, is_segment_start };
                    self.buffer_mut().insert(at, BufferedPiece { bytes: new.into(), snapped: 0, origin });
                }
                new.len()
            };
            at += taken as u64;
            bytes = &bytes[taken..];
        }
    }

    /// Notes that the bytes from `from` to `to` were cut off, up to the first one that is there all the same.
    fn note_snapped<D: FnMut(Event<'_>)>(
        &mut self,
        from: u64,
        to: u64,
        segment: &Segment<'_>,
        out: &mut EventOutput<'_, D>,
    ) {
        let from = from.max(self.next);
        let buffer = self.buffer.as_ref();
        if from >= to || buffer.is_some_and(|buffer| buffer.covering(from).is_some()) {
            return;
        }
        let next_start = buffer.and_then(|buffer| buffer.next_start(from)).unwrap_or(u64::MAX);
        let snapped = (to.min(next_start) - from) as u32;
        if from == self.next {
            self.skip(u64::from(snapped), true, out);
        } else {
            let origin = SegmentOrigin { ack: segment.ack, time: segment.time, is_segment_start: false };
            let piece = BufferedPiece { bytes: Box::default(), snapped, origin };
            self.buffer_mut().insert(from, piece);
        }
    }

    /// Notes where the stream ends. Of several FINs the first counts.
    fn finish<D>(&mut self, end: u64, time: i64, out: &mut EventOutput<'_, D>) {
        if self.stage > StreamStage::Open {
            return;
        }
        let seen = self.buffer.as_ref().and_then(|buffer| buffer.end()).unwrap_or(self.next);
        if end < seen.max(self.next) {
            out.counters.ignored_fins += 1;
        } else {
            self.buffer_mut().fin.get_or_insert((end, time));
        }
    }

    fn reset<D: FnMut(Event<'_>)>(&mut self, segment: &Segment<'_>, out: &mut EventOutput<'_, D>) {
        out.counters.reset_bytes += segment.payload.len() as u64;
        if self.stage == StreamStage::Unseen {
            self.anchor(segment.seq, None);
        }
        let distance = self.distance(segment.seq);
        if !self.is_plausible(distance, 0) {
            out.counters.out_of_window_segments += 1;
        } else if self.stage != StreamStage::Reset {
            let at = self.next.wrapping_add_signed(distance).max(self.next);
            let at = if self.stage == StreamStage::Finished { self.next } else { at };
            let buffer = self.buffer_mut();
            let at = at.max(buffer.end().unwrap_or(0));
            let at = buffer.fin.map_or(at, |(end, _)| at.min(end));
            buffer.reset.get_or_insert((at, segment.time));
        }
    }

    /// Ignores a segment in an implausible place, or follows the stream there if it is the second.
    fn stray<D: FnMut(Event<'_>)>(
        &mut self,
        segment: &Segment<'_>,
        length: u64,
        out: &mut EventOutput<'_, D>,
    ) {
        let first = segment.first_byte();
        let expected = self.buffer.as_ref().and_then(|buffer| buffer.stray);
        let follows = |expected| (0..=JOIN_SLACK as i64).contains(&i64::from(first - expected));
        if segment.payload.is_empty() || !expected.is_some_and(follows) {
            out.counters.out_of_window_segments += 1;
            out.counters.out_of_window_bytes += segment.payload.len() as u64;
            if !segment.payload.is_empty() {
                self.buffer_mut().stray = Some(first + length as u32);
            }
            return;
        }
        while self.give_up_first(u64::MAX, out) {}
        let distance = self.distance(first);
        if self.stage > StreamStage::Open || distance <= 0 {
            self.restart(first, None, out);
        } else {
            self.skip(distance as u64, false, out);
        }
        self.place(segment, out);
    }

    /// Delivers the next bytes.
    fn hand_over<D: FnMut(Event<'_>)>(
        &mut self,
        bytes: &[u8],
        origin: SegmentOrigin,
        out: &mut EventOutput<'_, D>,
    ) {
        let (seq, offset) = (self.next_seq, self.next - self.start);
        self.advance(bytes.len() as u64);
        out.counters.delivered_bytes += bytes.len() as u64;
        let SegmentOrigin { ack, time, is_segment_start } = origin;
        (out.deliver)(Event::Data(Chunk { bytes, seq, ack, time, offset, is_segment_start }));
    }

    /// Delivers a gap.
    fn skip<D: FnMut(Event<'_>)>(&mut self, bytes: u64, is_snapped: bool, out: &mut EventOutput<'_, D>) {
        let offset = self.next - self.start;
        out.counters.gaps += 1;
        out.counters.gap_bytes += bytes;
        if is_snapped {
            out.counters.snapped_bytes += bytes;
        } else {
            self.buffer_mut().late = (self.next, self.next + bytes);
        }
        self.advance(bytes);
        (out.deliver)(Event::Gap { bytes, offset, is_snapped });
    }

    fn advance(&mut self, bytes: u64) {
        self.next += bytes;
        self.next_seq = self.next_seq + bytes as u32;
        if let Some(buffer) = &mut self.buffer {
            buffer.advance(self.next);
        }
        if self.stage == StreamStage::Joined {
            self.stage = StreamStage::Open;
        }
    }

    /// Delivers the first piece if it has nothing missing before it; false if there is none such.
    fn deliver_piece<D: FnMut(Event<'_>)>(&mut self, out: &mut EventOutput<'_, D>) -> bool {
        let Some(piece) = self.buffer.as_mut().and_then(|buffer| buffer.take(self.next)) else {
            return false;
        };
        if piece.snapped > 0 {
            self.skip(u64::from(piece.snapped), true, out);
        } else {
            self.hand_over(&piece.bytes, piece.origin, out);
        }
        true
    }

    /// Delivers what is held and has nothing missing before it, the stream's end included.
    fn deliver_ready<D: FnMut(Event<'_>)>(&mut self, out: &mut EventOutput<'_, D>) {
        while self.deliver_piece(out) {}
        let Some(buffer) = &mut self.buffer else { return };
        if let Some((_, time)) = buffer.fin.take_if(|(end, _)| *end == self.next) {
            self.stage = StreamStage::Finished;
            (out.deliver)(Event::Fin { time });
        }
        if let Some((_, time)) = buffer.reset.take_if(|(offset, _)| *offset <= self.next) {
            if self.stage < StreamStage::Finished {
                self.stage = StreamStage::Reset;
            }
            (out.deliver)(Event::Reset { time });
        }
        if let Some(buffer) = &mut self.buffer
            && buffer.is_empty()
        {
            buffer.filled = None;
        }
    }

    /// Lets go of what is not needed while segments come in order.
    fn tidy(&mut self) {
        let is_done = |buffer: &ReassemblyBuffer| {
            buffer.is_empty() && buffer.stray.is_none() && buffer.received.is_none()
        };
        let is_quiet = self.buffer.as_deref().is_none_or(is_done);
        self.is_smooth = is_quiet && self.stage == StreamStage::Open;
        if is_quiet && self.buffer.as_ref().is_some_and(|buffer| buffer.late == (0, 0)) {
            self.buffer = None;
        }
    }
}

#[cfg(test)]
mod tests;
