//! One TCP connection: both directions in order, and in the order of cause and effect.

use std::collections::VecDeque;

use super::dialogue::{Dialogue, DialogueOut};
use super::ledger::Loss;
use super::{CaptureOptions, Protocol};
use crate::tcp::{Assembler, Chunk, ConnectionKey, Counters, Event, Flags, Limits, Segment, Seq, Side};

/// Bytes of one connection that may wait for the other direction, [`EVENT_OVERHEAD`] for each event included.
const MAX_QUEUED: usize = 1 << 20;

/// What an event that waits costs besides its bytes.
const EVENT_OVERHEAD: usize = 96;

/// Nanoseconds of quiet that end a message of plain bytes, unless another time is given.
const BINARY_QUIET: i64 = 2_000_000_000;

const SIDES: [Side; 2] = [Side::Low, Side::High];

/// What is told of one direction, waiting until the other has caught up.
#[derive(Debug)]
enum QueuedEvent {
    Data { bytes: Vec<u8>, seq: Seq, ack: Option<Seq>, time: i64, is_segment_start: bool },
    Gap { bytes: u64, is_snapped: bool },
    Fin,
}

impl QueuedEvent {
    /// Memory that it takes.
    fn cost(&self) -> usize {
        match self {
            QueuedEvent::Data { bytes, .. } => bytes.len() + EVENT_OVERHEAD,
            QueuedEvent::Gap { .. } | QueuedEvent::Fin => EVENT_OVERHEAD,
        }
    }
}

/// One direction's waiting events, in order.
#[derive(Debug, Default)]
struct EventQueue {
    events: VecDeque<QueuedEvent>,
    /// What the events cost.
    bytes: usize,
}

/// A connection, from its first segment to its last.
///
/// A captured packet may precede what caused it: a response its request, when
/// the two were reordered on their way into the capture. Acknowledgements tell.
/// Bytes that acknowledge something not yet seen of the other direction wait
/// until that has come. After as long as a missing segment is waited for, what
/// they acknowledge is known to be missing from the capture.
pub(super) struct Connection {
    key: ConnectionKey,
    assemblers: [Assembler; 2],
    dialogue: Dialogue,
    /// Events of either direction that wait for the other one: the reorder buffer of both. None while nothing waits.
    queues: Option<Box<[EventQueue; 2]>>,
    /// Up to where each direction need not be waited for: it is not in the capture.
    given_up: [Option<Seq>; 2],
    /// Packet time of each direction's last segment with payload.
    heard: [i64; 2],
    /// Whether the segment at hand is a SYN, so that the first byte it brings is its stream's.
    is_syn: bool,
    /// Which directions any segment was seen of.
    is_heard: [bool; 2],
    /// Who reset the connection and when, as long as the other may not have obeyed.
    reset: Option<(Side, i64)>,
    /// The earliest time at which [`Connection::wake`] is sure to be called.
    pub(super) armed: i64,
}

/// What a connection works with during one call.
pub(super) struct Context<'a> {
    pub(super) counters: &'a mut Counters,
    pub(super) limits: &'a Limits,
    pub(super) out: DialogueOut<'a>,
}

impl Connection {
    /// A connection of which nothing was seen.
    pub(super) fn new(key: ConnectionKey, client: Option<Side>, options: &CaptureOptions) -> Self {
        Connection {
            key,
            assemblers: [Assembler::new(), Assembler::new()],
            dialogue: Dialogue::new(client, options.protocol),
            queues: None,
            given_up: [None; 2],
            heard: [0; 2],
            is_syn: false,
            is_heard: [false; 2],
            reset: None,
            armed: i64::MAX,
        }
    }

    /// Takes the next segment that `side` sent. False: it changed nothing that is charged or waited for, as a bare
    /// acknowledgement of what was seen.
    pub(super) fn segment(&mut self, side: Side, segment: &Segment<'_>, context: &mut Context<'_>) -> bool {
        if !segment.payload.is_empty() || segment.missing > 0 {
            self.heard[side as usize] = segment.time;
        }
        self.is_heard[side as usize] = true;
        if !segment.flags.has(Flags::RST) {
            if let Some(ack) = segment.ack {
                self.assemblers[side.other() as usize].acknowledged(ack, segment.flags, segment.time);
            }
            if self.reset.is_some_and(|(by, _)| by == side) && !segment.payload.is_empty() {
                // Who resets a connection says nothing more on it: this reset was somebody else's.
                self.reset = None;
            }
        }
        self.is_syn = segment.flags.has(Flags::SYN);
        let is_bare = self.assemblers[side.other() as usize].is_smooth()
            && self.queues.is_none()
            && self.assemblers[side as usize].pass_bare(segment, context.counters);
        if !is_bare {
            self.assemble(side, context, |assembler, limits, counters, receiver| {
                assembler.push(segment, limits, counters, &mut |event| receiver.take(event));
            });
        }
        if self.is_syn {
            self.dialogue.first[side as usize] = Some(segment.first_byte());
            if segment.ack.is_none() && context.out.options.protocol == Protocol::Http {
                // Who opens a connection is the client.
                if self.dialogue.client.is_none() {
                    self.dialogue.client = Some(side);
                    self.dialogue.leave_out(&self.key, &mut context.out);
                }
            }
        }
        if let (Some(_), Some(ack)) = (self.dialogue.first[side as usize], segment.ack) {
            // A server says nothing before it was asked.
            self.dialogue.first[side.other() as usize].get_or_insert(ack);
        }
        self.is_syn = false;
        if self.queues.is_some() {
            self.release(segment.time, context);
        }
        !is_bare
    }

    /// Lets one assembler work, and tells what it delivers, or has it wait.
    fn assemble(
        &mut self,
        side: Side,
        context: &mut Context<'_>,
        work: impl FnOnce(&mut Assembler, &Limits, &mut Counters, &mut EventReceiver<'_, '_>),
    ) {
        let seen = self.position(side.other());
        let [low, high] = &self.assemblers;
        let mut joined = [low.is_joined(), high.is_joined()];
        if self.is_syn {
            joined[side as usize] = false;
        }
        let mut receiver = EventReceiver {
            out: &mut context.out,
            key: &self.key,
            side,
            seen,
            joined,
            dialogue: &mut self.dialogue,
            queues: &mut self.queues,
            given_up: &mut self.given_up,
            is_reset: self.reset.is_some(),
            reset: None,
            has_restarted: false,
        };
        work(&mut self.assemblers[side as usize], context.limits, context.counters, &mut receiver);
        let (reset, has_restarted) = (receiver.reset, receiver.has_restarted);
        if has_restarted {
            self.reset = None;
        }
        if let Some(time) = reset {
            self.reset.get_or_insert((side, time));
        }
        if has_restarted {
            self.restart(side.other(), context);
        }
    }

    /// Lets a direction begin anew, as the other one has. What waited of it was
    /// of the former connection, and behind a gap.
    fn restart(&mut self, side: Side, context: &mut Context<'_>) {
        let mut assembler = std::mem::take(&mut self.assemblers[side as usize]);
        let bytes = &mut context.out.ledger.bytes;
        assembler.flush(context.counters, &mut |event| {
            if let Event::Data(chunk) = event {
                bytes.delivered += chunk.bytes.len() as u64;
                bytes.skipped += chunk.bytes.len() as u64;
            }
        });
    }

    /// Up to where a direction was told to the dialogue, or need not be waited
    /// for; none before anything was seen.
    fn position(&self, side: Side) -> Option<Seq> {
        if !self.is_heard[side as usize] {
            return None;
        }
        let waiting = self.queues.as_ref().map(|queues| &queues[side as usize].events);
        let first = waiting.and_then(|events| {
            events.iter().find_map(|event| match event {
                QueuedEvent::Data { seq, .. } => Some(*seq),
                _ => None,
            })
        });
        let told = first.or_else(|| self.assemblers[side as usize].next_seq())?;
        match self.given_up[side as usize] {
            Some(given_up) if given_up.is_after(told) => Some(given_up),
            _ => Some(told),
        }
    }

    /// Tells what need not wait any longer at `now`.
    fn release(&mut self, now: i64, context: &mut Context<'_>) {
        while let Some(queues) = &self.queues {
            if queues.iter().all(|queue| queue.events.is_empty()) {
                self.queues = None;
                return;
            }
            let is_full = queues.iter().map(|queue| queue.bytes).sum::<usize>() > MAX_QUEUED;
            let mut is_moving = false;
            for side in SIDES {
                while self.may_tell_first(side) {
                    self.tell_first(side, context);
                    is_moving = true;
                }
            }
            if is_moving {
                continue;
            }
            let Some((since, side, ack)) = self.first_waiting() else { return };
            if !is_full && since.saturating_add(context.limits.reordering) > now {
                return;
            }
            let other = side.other();
            self.assemble(other, context, |assembler, _, counters, receiver| {
                assembler.give_up_before(ack, counters, &mut |event| receiver.take(event));
            });
            self.given_up[other as usize] = Some(ack);
        }
    }

    /// Whether the first event that waits has nothing left to wait for.
    fn may_tell_first(&self, side: Side) -> bool {
        match self.queues.as_ref().and_then(|queues| queues[side as usize].events.front()) {
            Some(QueuedEvent::Data { ack, .. }) => !is_ahead(*ack, self.position(side.other())),
            Some(_) => true,
            None => false,
        }
    }

    /// Of what waits in front in either direction, the one that came first: its
    /// packet time, its side, and what it acknowledges.
    fn first_waiting(&self) -> Option<(i64, Side, Seq)> {
        let queues = self.queues.as_ref()?;
        let first = |side: Side| match queues[side as usize].events.front()? {
            QueuedEvent::Data { time, ack: Some(ack), .. } => Some((*time, side, *ack)),
            _ => None,
        };
        SIDES.into_iter().filter_map(first).min_by_key(|(time, ..)| *time)
    }

    /// Tells the first event that waits.
    fn tell_first(&mut self, side: Side, context: &mut Context<'_>) {
        let joined = SIDES.map(|side| self.assemblers[side as usize].is_joined());
        let Some(queues) = &mut self.queues else { return };
        let queue = &mut queues[side as usize];
        let (key, out) = (&self.key, &mut context.out);
        let event = queue.events.pop_front();
        queue.bytes -= event.as_ref().map_or(0, QueuedEvent::cost);
        match event {
            Some(QueuedEvent::Data { bytes, seq, ack, time, is_segment_start }) => {
                let chunk = Chunk { bytes: &bytes, seq, ack, time, offset: 0, is_segment_start };
                self.dialogue.data(key, side, &chunk, joined, out);
            }
            Some(QueuedEvent::Gap { bytes, is_snapped }) => {
                self.dialogue.gap(key, side, bytes, is_snapped, out);
            }
            Some(QueuedEvent::Fin) => self.dialogue.fin(key, side, out),
            None => {}
        }
    }

    /// Does what is due at `now`.
    pub(super) fn wake(&mut self, now: i64, context: &mut Context<'_>) {
        for side in SIDES {
            self.assemble(side, context, |assembler, limits, counters, receiver| {
                assembler.give_up_gaps(now, limits, counters, &mut |event| receiver.take(event));
            });
            self.release(now, context);
            if self.expires(side, expire(context.out.options)).is_some_and(|due| due <= now) {
                self.dialogue.expire(&self.key, side, &mut context.out);
            }
        }
        if self.reset.is_some_and(|(_, time)| time.saturating_add(context.limits.reordering) <= now) {
            self.obey_reset(context);
        }
    }

    /// When the message under way is given up, if nothing more of it comes.
    #[inline]
    fn expires(&self, side: Side, expire: Option<i64>) -> Option<i64> {
        let expire = expire.filter(|_| self.dialogue.is_unfinished(side))?;
        Some(self.heard[side as usize].saturating_add(expire))
    }

    /// The connection was reset: what is under way will not be whole.
    fn obey_reset(&mut self, context: &mut Context<'_>) {
        if self.reset.take().is_some() {
            self.release(i64::MAX, context);
            self.dialogue.reset(&self.key, &mut context.out);
        }
    }

    /// When [`Connection::wake`] has something to do, if nothing comes before.
    #[inline]
    pub(super) fn deadline(&self, context: &Context<'_>) -> i64 {
        let mut deadline = i64::MAX;
        let expire = expire(context.out.options);
        for side in SIDES {
            if let Some(due) = self.assemblers[side as usize].deadline(context.limits) {
                deadline = deadline.min(due);
            }
            if let Some(due) = self.expires(side, expire) {
                deadline = deadline.min(due);
            }
        }
        if self.queues.is_some()
            && let Some((since, ..)) = self.first_waiting()
        {
            deadline = deadline.min(since.saturating_add(context.limits.reordering));
        }
        if let Some((_, since)) = self.reset {
            deadline = deadline.min(since.saturating_add(context.limits.reordering));
        }
        deadline
    }

    /// Gives up whatever is waited for, and settles the accounts.
    pub(super) fn end(&mut self, loss: Loss, context: &mut Context<'_>) {
        for side in SIDES {
            self.assemble(side, context, |assembler, _, counters, receiver| {
                assembler.flush(counters, &mut |event| receiver.take(event));
            });
        }
        self.release(i64::MAX, context);
        self.obey_reset(context);
        self.dialogue.end(&self.key, loss, &mut context.out);
    }

    /// The connection is not followed any further: its ids are free.
    pub(super) fn forget(&mut self, context: &mut Context<'_>) {
        self.end(Loss::Evicted, context);
        context.out.ids.release(&self.key);
    }

    /// Whether forgetting the connection loses nothing: it is between messages.
    pub(super) fn is_quiet(&self) -> bool {
        self.queues.is_none()
            && self.assemblers.iter().all(|assembler| assembler.buffered() == 0)
            && self.dialogue.pairing.is_idle()
            && self.dialogue.deferred.is_empty()
            && !SIDES.iter().any(|&side| self.dialogue.is_unfinished(side))
    }

    /// Memory besides the connection itself.
    pub(super) fn memory(&self) -> usize {
        let [low, high] = &self.assemblers;
        let queued = self.queues.as_ref().map_or(0, |queues| queues[0].bytes + queues[1].bytes);
        queued + low.buffered() + high.buffered() + self.dialogue.memory()
    }
}

/// How long a message may be under way without anything more of it.
fn expire(options: &CaptureOptions) -> Option<i64> {
    options.expire.or((options.protocol == Protocol::Binary).then_some(BINARY_QUIET))
}

/// Whether `ack` acknowledges more than was seen.
fn is_ahead(ack: Option<Seq>, seen: Option<Seq>) -> bool {
    ack.zip(seen).is_some_and(|(ack, seen)| ack.is_after(seen))
}

/// Where an assembler's events go: to the dialogue, or into the queue of its side.
struct EventReceiver<'a, 'o> {
    out: &'a mut DialogueOut<'o>,
    key: &'a ConnectionKey,
    side: Side,
    seen: Option<Seq>,
    joined: [bool; 2],
    dialogue: &'a mut Dialogue,
    queues: &'a mut Option<Box<[EventQueue; 2]>>,
    given_up: &'a mut [Option<Seq>; 2],
    /// Whether a reset was seen before.
    is_reset: bool,
    /// When a reset was seen.
    reset: Option<i64>,
    has_restarted: bool,
}

impl EventReceiver<'_, '_> {
    #[inline]
    fn take(&mut self, event: Event<'_>) {
        match &event {
            Event::Data(chunk) if self.queues.is_none() && !is_ahead(chunk.ack, self.seen) => {
                self.dialogue.data(self.key, self.side, chunk, self.joined, self.out);
            }
            _ => self.queue_or_tell(event),
        }
    }

    #[inline(never)]
    fn queue_or_tell(&mut self, event: Event<'_>) {
        let out = &mut *self.out;
        let is_waiting =
            self.queues.as_ref().is_some_and(|queues| !queues[self.side as usize].events.is_empty());
        match event {
            Event::Data(chunk) if is_waiting || is_ahead(chunk.ack, self.seen) => {
                let Chunk { bytes, seq, ack, time, is_segment_start, .. } = chunk;
                self.queue(QueuedEvent::Data { bytes: bytes.to_vec(), seq, ack, time, is_segment_start });
            }
            Event::Data(chunk) => self.dialogue.data(self.key, self.side, &chunk, self.joined, out),
            Event::Gap { bytes, is_snapped, .. } if is_waiting => {
                self.queue(QueuedEvent::Gap { bytes, is_snapped });
            }
            Event::Gap { bytes, is_snapped, .. } => {
                self.joined[self.side as usize] = true;
                self.dialogue.gap(self.key, self.side, bytes, is_snapped, out);
            }
            Event::Fin { .. } if is_waiting => self.queue(QueuedEvent::Fin),
            Event::Fin { .. } => self.dialogue.fin(self.key, self.side, out),
            Event::Reset { time } => self.reset = Some(time),
            Event::Restart => {
                self.tell_all();
                let out = &mut *self.out;
                if self.is_reset || self.reset.take().is_some() {
                    self.dialogue.reset(self.key, out);
                }
                self.dialogue.end(self.key, Loss::Closed, out);
                *self.dialogue = Dialogue::new(self.dialogue.known_client(out.options), out.options.protocol);
                self.dialogue.leave_out(self.key, out);
                out.ledger.connections.seen += 1;
                (self.seen, *self.given_up) = (None, [None; 2]);
                (self.joined, self.has_restarted) = ([true; 2], true);
            }
        }
    }

    fn queue(&mut self, event: QueuedEvent) {
        let queue = &mut self.queues.get_or_insert_default()[self.side as usize];
        queue.bytes += event.cost();
        queue.events.push_back(event);
    }

    /// Tells everything that waits, in either direction: the connection is over.
    fn tell_all(&mut self) {
        let out = &mut *self.out;
        let Some(queues) = self.queues.take() else { return };
        for (side, queue) in SIDES.into_iter().zip(*queues) {
            for event in queue.events {
                match event {
                    QueuedEvent::Data { bytes, seq, ack, time, is_segment_start } => {
                        let chunk = Chunk { bytes: &bytes, seq, ack, time, offset: 0, is_segment_start };
                        self.dialogue.data(self.key, side, &chunk, self.joined, out);
                    }
                    QueuedEvent::Gap { bytes, is_snapped } => {
                        self.dialogue.gap(self.key, side, bytes, is_snapped, out);
                    }
                    QueuedEvent::Fin => self.dialogue.fin(self.key, side, out),
                }
            }
        }
    }
}
