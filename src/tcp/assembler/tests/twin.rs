//! A slow assembler that is obviously right: every byte by itself, in a map from its offset.

use std::collections::BTreeMap;

use super::{Event, Limits, PIECE_OVERHEAD};

/// One byte of what an assembler tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StreamByte {
    Byte { offset: u64, byte: u8, seq: u32, ack: u32, time: i64 },
    Lost { offset: u64, is_snapped: bool },
    Fin(i64),
    Reset(i64),
    Restart,
}

/// The items of an event.
pub(super) fn itemise(event: Event<'_>, items: &mut Vec<StreamByte>) {
    match event {
        Event::Data(chunk) => {
            assert!(!chunk.bytes.is_empty());
            let (seq, ack, time) = (chunk.seq.0, chunk.ack.map_or(0, |ack| ack.0), chunk.time);
            items.extend((0u32..).zip(chunk.bytes).map(|(i, &byte)| {
                let offset = chunk.offset + u64::from(i);
                StreamByte::Byte { offset, byte, seq: seq.wrapping_add(i), ack, time }
            }));
        }
        Event::Gap { bytes, offset, is_snapped } => {
            assert!(bytes > 0);
            items.extend((offset..offset + bytes).map(|offset| StreamByte::Lost { offset, is_snapped }));
        }
        Event::Fin { time } => items.push(StreamByte::Fin(time)),
        Event::Reset { time } => items.push(StreamByte::Reset(time)),
        Event::Restart => items.push(StreamByte::Restart),
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
    /// Up to where the other side acknowledged just before.
    pub(super) received: Option<i64>,
}

#[derive(Clone)]
struct Known {
    /// None if it was snapped.
    byte: Option<u8>,
    ack: u32,
    time: i64,
    segment: usize,
}

pub(super) struct AssemblerTwin {
    first_seq: u32,
    next: u64,
    known: BTreeMap<u64, Known>,
    fin: Option<(u64, i64)>,
    /// When bytes came last that lie before others.
    filled: Option<i64>,
    /// Up to where the other side acknowledged, and when: first and latest, as far as beyond `next`.
    received: Option<[(u64, i64); 2]>,
    is_finished: bool,
    segments: usize,
    pub(super) items: Vec<StreamByte>,
}

impl AssemblerTwin {
    pub(super) fn new(first_seq: u32) -> Self {
        Self {
            first_seq,
            next: 0,
            known: BTreeMap::new(),
            fin: None,
            filled: None,
            received: None,
            is_finished: false,
            segments: 0,
            items: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, placed: &Placed, limits: &Limits) {
        if let Some(end) = placed.received {
            self.acknowledged(end, placed.time);
        }
        self.segments += 1;
        let length = placed.payload.len() as u64 + u64::from(placed.missing);
        let is_keep_alive = !placed.is_fin && length <= 1 && placed.at + 1 == self.next as i64;
        if !is_keep_alive && !self.is_finished {
            self.place(placed, length);
        }
        self.drain();
        while let Some((end, since)) = self.hole() {
            let is_old = since.max(self.filled.unwrap_or(since)) + limits.patience <= placed.time;
            let received = self.received.map(|[first, _]| first);
            match received.filter(|(_, since)| since + limits.reordering <= placed.time) {
                Some((received, _)) => self.give_up_before(end.min(received)),
                None if is_old => self.give_up(),
                None => break,
            }
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

    /// The other side acknowledges all before `end`.
    fn acknowledged(&mut self, end: i64, time: i64) {
        if end <= self.next as i64 || self.is_finished {
            return;
        }
        let said = (end as u64, time);
        self.received = Some(match self.received {
            None => [said; 2],
            Some([first, latest]) => [first, if said.0 > latest.0 { said } else { latest }],
        });
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
                Some(byte) => StreamByte::Byte { offset, byte, seq, ack, time },
                None => StreamByte::Lost { offset, is_snapped: true },
            });
            self.next += 1;
        }
        if let Some([(first, _), latest]) = self.received
            && first <= self.next
        {
            self.received = (latest.0 > self.next).then_some([latest; 2]);
        }
        if let Some((end, time)) = self.fin
            && end == self.next
        {
            self.fin = None;
            self.is_finished = true;
            self.items.push(StreamByte::Fin(time));
        }
        if self.known.is_empty() && self.fin.is_none() {
            self.filled = None;
        }
    }

    fn hole(&self) -> Option<(u64, i64)> {
        self.known.first_key_value().map(|(&at, known)| (at, known.time)).or(self.fin)
    }

    fn give_up(&mut self) {
        if let Some((end, _)) = self.hole() {
            self.give_up_before(end);
        }
    }

    fn give_up_before(&mut self, end: u64) {
        self.items.extend((self.next..end).map(|offset| StreamByte::Lost { offset, is_snapped: false }));
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
