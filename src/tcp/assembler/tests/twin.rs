//! A slow assembler that is obviously right: every byte by itself, in a map from its offset.

use std::collections::BTreeMap;

use super::{Event, Limits, PIECE_OVERHEAD};

/// One byte of what an assembler tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Byte { offset: u64, byte: u8, seq: u32, ack: u32, time: i64 },
    Lost { offset: u64, is_snapped: bool },
    Fin(i64),
    Reset(i64),
    Restart,
}

/// The items of an event.
pub(super) fn itemise(event: Event<'_>, items: &mut Vec<Item>) {
    match event {
        Event::Data(chunk) => {
            assert!(!chunk.bytes.is_empty());
            let (seq, ack, time) = (chunk.seq.0, chunk.ack.map_or(0, |ack| ack.0), chunk.time);
            items.extend((0u32..).zip(chunk.bytes).map(|(i, &byte)| {
                let offset = chunk.offset + u64::from(i);
                Item::Byte { offset, byte, seq: seq.wrapping_add(i), ack, time }
            }));
        }
        Event::Gap { bytes, offset, is_snapped } => {
            assert!(bytes > 0);
            items.extend((offset..offset + bytes).map(|offset| Item::Lost { offset, is_snapped }));
        }
        Event::Fin { time } => items.push(Item::Fin(time)),
        Event::Reset { time } => items.push(Item::Reset(time)),
        Event::Restart => items.push(Item::Restart),
    }
}

/// A segment placed by where its payload begins in the stream, which may be before its start.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub(super) at: i64,
    pub(super) payload: Vec<u8>,
    pub(super) missing: u32,
    pub(super) is_fin: bool,
    pub(super) ack: u32,
    pub(super) time: i64,
}

#[derive(Clone)]
struct Known {
    /// None if it was snapped.
    byte: Option<u8>,
    ack: u32,
    time: i64,
    segment: usize,
}

pub(super) struct Twin {
    first_seq: u32,
    next: u64,
    known: BTreeMap<u64, Known>,
    fin: Option<(u64, i64)>,
    /// When bytes came last that lie before others.
    filled: Option<i64>,
    is_finished: bool,
    segments: usize,
    pub(super) items: Vec<Item>,
}

impl Twin {
    pub(super) fn new(first_seq: u32) -> Self {
        Self {
            first_seq,
            next: 0,
            known: BTreeMap::new(),
            fin: None,
            filled: None,
            is_finished: false,
            segments: 0,
            items: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, placed: &Placed, limits: &Limits) {
        self.segments += 1;
        let length = placed.payload.len() as u64 + u64::from(placed.missing);
        let is_keep_alive = !placed.is_fin && length <= 1 && placed.at + 1 == self.next as i64;
        if !is_keep_alive && !self.is_finished {
            self.place(placed, length);
        }
        self.drain();
        let due = |since: i64, filled: Option<i64>| since.max(filled.unwrap_or(since)) + limits.patience;
        while self.hole().is_some_and(|(_, since)| due(since, self.filled) <= placed.time) {
            self.give_up();
        }
        while self.pieces() > limits.pieces || self.buffered() > limits.bytes {
            self.give_up();
        }
    }

    pub(super) fn flush(&mut self) {
        while self.hole().is_some() {
            self.give_up();
        }
    }

    pub(super) fn held(&self) -> usize {
        self.known.values().filter(|known| known.byte.is_some()).count()
    }

    fn place(&mut self, placed: &Placed, length: u64) {
        let limit = self.fin.map_or(i64::MAX, |(end, _)| end as i64);
        let known = Known { byte: None, ack: placed.ack, time: placed.time, segment: self.segments };
        let mut at = placed.at;
        for &byte in &placed.payload {
            if at >= self.next as i64 && at < limit {
                let has_later = self.fin.is_some() || self.known.range(at as u64 + 1..).next().is_some();
                if has_later && !self.known.contains_key(&(at as u64)) {
                    self.filled = self.filled.max(Some(placed.time));
                }
                self.known.entry(at as u64).or_insert(Known { byte: Some(byte), ..known.clone() });
            }
            at += 1;
        }
        let end = placed.at + length as i64;
        for at in at.max(self.next as i64)..end.min(limit) {
            if self.known.contains_key(&(at as u64)) {
                break;
            }
            self.known.insert(at as u64, known.clone());
        }
        let seen = self.known.last_key_value().map_or(self.next, |(at, _)| at + 1);
        if placed.is_fin && self.fin.is_none() && end >= seen as i64 {
            self.fin = Some((end as u64, placed.time));
        }
    }

    fn drain(&mut self) {
        while let Some(known) = self.known.remove(&self.next) {
            let seq = self.first_seq.wrapping_add(self.next as u32);
            let (offset, ack, time) = (self.next, known.ack, known.time);
            self.items.push(match known.byte {
                Some(byte) => Item::Byte { offset, byte, seq, ack, time },
                None => Item::Lost { offset, is_snapped: true },
            });
            self.next += 1;
        }
        if let Some((end, time)) = self.fin
            && end == self.next
        {
            self.fin = None;
            self.is_finished = true;
            self.items.push(Item::Fin(time));
        }
        if self.known.is_empty() && self.fin.is_none() {
            self.filled = None;
        }
    }

    fn hole(&self) -> Option<(u64, i64)> {
        self.known.first_key_value().map(|(&at, known)| (at, known.time)).or(self.fin)
    }

    fn give_up(&mut self) {
        let Some((end, _)) = self.hole() else { return };
        self.items.extend((self.next..end).map(|offset| Item::Lost { offset, is_snapped: false }));
        self.next = end;
        self.drain();
    }

    fn pieces(&self) -> usize {
        let mut last = None;
        let mut pieces = 0;
        for (&at, known) in &self.known {
            let this = (at, known.segment, known.byte.is_some());
            if last != Some((at.wrapping_sub(1), this.1, this.2)) {
                pieces += 1;
            }
            last = Some(this);
        }
        pieces
    }

    fn buffered(&self) -> usize {
        self.held() + self.pieces() * PIECE_OVERHEAD
    }
}
