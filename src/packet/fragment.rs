//! IP fragments, put together (RFC 791 §3.2, RFC 8200 §4.5).

use std::collections::BTreeMap;
use std::ops::Range;

use hashbrown::HashMap;

use super::address_pair::AddressPair;
use super::captured_part::CapturedPart;
use super::fault::{DecodeStop, Layer, PacketRule};
use super::network::{Passed, VirtualNetwork};

/// The most bytes a datagram put together has.
pub const MAX_DATAGRAM: usize = 65_535;

/// The most runs of bytes, with holes between, that a datagram may be in.
pub const MAX_ISLANDS: usize = 512;

/// How much the table of fragments holds. What goes beyond it pushes out the
/// oldest datagram, whose fragments count as lost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FragmentLimits {
    /// Datagrams that wait at one time.
    pub datagrams: usize,
    /// Bytes of all of them.
    pub bytes: usize,
    /// Nanoseconds of packet time from a datagram's first fragment on.
    pub age: i64,
}

impl Default for FragmentLimits {
    /// 1024 datagrams, 8 MiB, 30 seconds (as Linux waits).
    fn default() -> Self {
        Self { datagrams: 1024, bytes: 8 * 1024 * 1024, age: 30_000_000_000 }
    }
}

/// What became of fragments. `taken = joined + lost + waiting`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct FragmentTally {
    /// Fragments looked at: those held, those that completed a datagram, and those
    /// lost as they came. Malformed ones are not among them.
    pub taken: u64,
    /// Fragments of datagrams that became whole.
    pub joined: u64,
    /// Fragments that were given up: too old, pushed out, cut by the snapshot.
    pub lost: u64,
    /// Fragments that wait.
    pub waiting: u64,
    /// Datagrams that became whole.
    pub datagrams: u64,
    /// Bytes that came twice; the first copy was kept.
    pub overlapping: u64,
}

/// A fragment as its IP header says.
#[derive(Clone, Copy)]
pub(super) struct Fragment<'a> {
    pub(super) ends: AddressPair,
    pub(super) network: VirtualNetwork,
    pub(super) passed: Passed,
    pub(super) id: u32,
    /// What the datagram carries. In IPv6 only the first fragment knows.
    pub(super) protocol: u8,
    /// Of its first byte in the datagram.
    pub(super) offset: usize,
    /// More fragments follow it.
    pub(super) more: bool,
    pub(super) part: CapturedPart<'a>,
    /// IP headers around it, its own included.
    pub(super) depth: usize,
}

/// A datagram put together.
pub(super) struct Datagram {
    pub(super) ends: AddressPair,
    pub(super) protocol: u8,
    pub(super) bytes: Vec<u8>,
}

pub(super) enum Added {
    Held,
    Lost,
    Whole(Datagram),
}

#[derive(Clone, Copy, Eq, Hash, PartialEq)]
struct FragmentKey {
    ends: AddressPair,
    network: VirtualNetwork,
    id: u32,
    /// 0 in IPv6, where the protocol does not tell datagrams apart.
    protocol: u8,
}

struct Partial {
    key: FragmentKey,
    began: i64,
    fragments: u64,
    protocol: u8,
    /// Where the datagram ends, once its last fragment came.
    end: Option<usize>,
    bytes: Vec<u8>,
    /// What of `bytes` came: in order, apart from each other, not empty.
    islands: Vec<Range<usize>>,
}

pub(super) struct Fragments {
    limits: FragmentLimits,
    by_key: HashMap<FragmentKey, u64, foldhash::fast::RandomState>,
    /// By the order they began in.
    partials: BTreeMap<u64, Partial>,
    next: u64,
    bytes: usize,
    tally: FragmentTally,
}

impl Fragments {
    pub(super) fn new(limits: FragmentLimits) -> Self {
        Self {
            limits,
            by_key: HashMap::default(),
            partials: BTreeMap::new(),
            next: 0,
            bytes: 0,
            tally: FragmentTally::default(),
        }
    }

    pub(super) fn tally(&self) -> FragmentTally {
        self.tally
    }

    pub(super) fn add(&mut self, fragment: &Fragment<'_>, now: i64) -> Result<Added, DecodeStop> {
        self.expire(now);
        let length = fragment.part.wire_length();
        let end = fragment.offset + length;
        if fragment.more && !length.is_multiple_of(8) {
            return Err(DecodeStop::malformed(Layer::Fragment, PacketRule::FragmentLength));
        }
        if end > MAX_DATAGRAM {
            return Err(DecodeStop::malformed(Layer::Fragment, PacketRule::FragmentPastEnd));
        }
        let serial = self.serial_of(fragment, now);
        let Some(partial) = self.partials.get_mut(&serial) else { return Ok(Added::Lost) };
        let is_past_end = match partial.end {
            Some(known) => end > known || (!fragment.more && end != known),
            None => !fragment.more && partial.islands.last().is_some_and(|last| last.end > end),
        };
        if is_past_end {
            return Err(DecodeStop::malformed(Layer::Fragment, PacketRule::FragmentPastEnd));
        }
        self.tally.taken += 1;
        if fragment.part.cut > 0 {
            self.tally.lost += 1;
            self.forget_if_empty(serial);
            return Ok(Added::Lost);
        }
        let before = partial.bytes.len();
        partial.add(fragment, end, &mut self.tally);
        self.tally.waiting += 1;
        self.bytes += partial.bytes.len() - before;
        if partial.is_whole() {
            return Ok(self.complete(serial));
        }
        if partial.islands.len() > MAX_ISLANDS {
            self.give_up(serial);
        }
        while self.partials.len() > self.limits.datagrams || self.bytes > self.limits.bytes {
            let Some((&oldest, _)) = self.partials.first_key_value() else { break };
            self.give_up(oldest);
        }
        Ok(if self.partials.contains_key(&serial) { Added::Held } else { Added::Lost })
    }

    fn serial_of(&mut self, fragment: &Fragment<'_>, now: i64) -> u64 {
        let protocol = if fragment.ends.is_ipv6() { 0 } else { fragment.protocol };
        let key = FragmentKey { ends: fragment.ends, network: fragment.network, id: fragment.id, protocol };
        let Self { by_key, partials, next, .. } = self;
        *by_key.entry(key).or_insert_with(|| {
            *next += 1;
            let partial = Partial {
                key,
                began: now,
                fragments: 0,
                protocol: fragment.protocol,
                end: None,
                bytes: Vec::new(),
                islands: Vec::new(),
            };
            partials.insert(*next, partial);
            *next
        })
    }

    fn remove(&mut self, serial: u64) -> Option<Partial> {
        let partial = self.partials.remove(&serial)?;
        self.by_key.remove(&partial.key);
        self.bytes -= partial.bytes.len();
        self.tally.waiting -= partial.fragments;
        Some(partial)
    }

    fn complete(&mut self, serial: u64) -> Added {
        let Some(partial) = self.remove(serial) else { return Added::Lost };
        self.tally.joined += partial.fragments;
        self.tally.datagrams += 1;
        Added::Whole(Datagram { ends: partial.key.ends, protocol: partial.protocol, bytes: partial.bytes })
    }

    fn give_up(&mut self, serial: u64) {
        if let Some(partial) = self.remove(serial) {
            self.tally.lost += partial.fragments;
        }
    }

    fn forget_if_empty(&mut self, serial: u64) {
        if self.partials.get(&serial).is_some_and(|partial| partial.fragments == 0) {
            self.remove(serial);
        }
    }

    fn expire(&mut self, now: i64) {
        while let Some((&oldest, partial)) = self.partials.first_key_value() {
            if now.saturating_sub(partial.began) <= self.limits.age {
                break;
            }
            self.give_up(oldest);
        }
    }
}

impl Partial {
    fn is_whole(&self) -> bool {
        matches!((self.end, self.islands.as_slice()), (Some(end), [only]) if *only == (0..end))
    }

    fn add(&mut self, fragment: &Fragment<'_>, end: usize, tally: &mut FragmentTally) {
        self.fragments += 1;
        if fragment.offset == 0 && self.islands.first().is_none_or(|first| first.start > 0) {
            self.protocol = fragment.protocol;
        }
        if !fragment.more {
            self.end = Some(end);
        }
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        let mut fresh = fragment.part.bytes.len();
        let mut at = fragment.offset;
        // Only the holes between the islands are written to: the first copy wins.
        let from = self.islands.partition_point(|island| island.end < at);
        let mut to = from;
        let mut merged = at..end;
        for island in self.islands.iter().skip(from).take_while(|island| island.start <= end) {
            copy(&mut self.bytes, fragment, at..island.start.max(at));
            fresh -= island.end.min(end).saturating_sub(island.start.max(fragment.offset));
            at = island.end.min(end).max(at);
            merged = merged.start.min(island.start)..merged.end.max(island.end);
            to += 1;
        }
        copy(&mut self.bytes, fragment, at..end);
        if !merged.is_empty() {
            self.islands.splice(from..to, [merged]);
        }
        tally.overlapping += (fragment.part.bytes.len() - fresh) as u64;
    }
}

/// Copies the bytes of the datagram's `range` out of the fragment.
fn copy(bytes: &mut [u8], fragment: &Fragment<'_>, range: Range<usize>) {
    let inside = range.start - fragment.offset..range.end.max(range.start) - fragment.offset;
    if let (Some(to), Some(from)) = (bytes.get_mut(range), fragment.part.bytes.get(inside)) {
        to.copy_from_slice(from);
    }
}
