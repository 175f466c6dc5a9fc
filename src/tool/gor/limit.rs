//! A share of the exchanges: the first so many of each second, or a percentage.

use std::time::Instant;

use crate::Result;
use crate::pace::{Share, ShareGate};
use crate::record::{Block, Header, Intake, Kind, LruMap, Source, id_hash};

/// Requests that were left out and whose responses are expected, at least. They take 3 MB.
const MAX_REFUSED: usize = 1 << 16;

/// Lets a share of the requests through, and with each its responses.
#[derive(Debug)]
pub(super) struct ShareLimit {
    gate: ShareGate,
    /// The first request's time, from which seconds are counted.
    first: Option<i64>,
    /// When it came, if seconds are those of the clock.
    clock: Option<Instant>,
    /// Whether requests were left out; those that never were may be missing.
    refused: LruMap<bool>,
    /// Records that were left out.
    pub(super) left_out: u64,
}

impl ShareLimit {
    /// A limit that has seen nothing. Seconds are those of the clock, where records come when they are due, or those in
    /// which they were recorded.
    pub(super) fn new(share: Share, by_clock: bool) -> Self {
        ShareLimit {
            gate: ShareGate::new(share),
            first: None,
            clock: by_clock.then(Instant::now),
            refused: LruMap::new(MAX_REFUSED),
            left_out: 0,
        }
    }

    /// Whether a record passes.
    pub(super) fn admits(&mut self, header: &Header<'_>) -> bool {
        let id = id_hash(header.id);
        let passes = if header.kind == Kind::Request {
            if self.first.is_none() && self.clock.is_some() {
                self.clock = Some(Instant::now());
            }
            let first = *self.first.get_or_insert(header.timestamp);
            let since = match self.clock {
                Some(start) => u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX),
                None => u64::try_from(header.timestamp.saturating_sub(first)).unwrap_or(0),
            };
            let passes = self.gate.admits(since);
            if !passes || self.refused.get(id).is_some() {
                self.refused.insert(id, !passes);
            }
            passes
        } else {
            self.refused.get(id) != Some(true)
        };
        self.left_out += u64::from(!passes);
        passes
    }
}

/// A source of which a share goes on.
#[derive(Debug)]
pub(super) struct LimitedSource<S> {
    source: S,
    limit: ShareLimit,
    read: Block,
}

impl<S: Source> LimitedSource<S> {
    /// Lets this share of what `source` yields through.
    pub(super) fn new(source: S, share: Share, by_clock: bool) -> Self {
        LimitedSource { source, limit: ShareLimit::new(share, by_clock), read: Block::new() }
    }
}

impl<S: Source> Source for LimitedSource<S> {
    fn read_block(&mut self, block: &mut Block) -> Result<bool> {
        block.clear();
        while block.is_empty() {
            if !self.source.read_block(&mut self.read)? {
                return Ok(false);
            }
            let passes: Vec<bool> = self.read.iter().map(|view| self.limit.admits(&view.header)).collect();
            for run in self.read.runs(|record| passes[record]) {
                block.append_renumbered(&run);
            }
        }
        Ok(true)
    }

    fn intake(&self) -> Intake {
        self.source.intake()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_go_with_their_requests() {
        let mut limit = ShareLimit::new("2".parse().unwrap(), false);
        let mut admits = |kind, id: &[u8], milliseconds: i64| {
            limit.admits(&Header { kind, id, timestamp: milliseconds * 1_000_000, ..Header::default() })
        };
        let requests = [(1, 5000), (2, 5010), (3, 5020), (4, 6000), (5, 6004), (6, 6999)];
        let passed = requests.map(|(id, time)| admits(Kind::Request, &[id], time));
        assert_eq!(passed, [true, true, false, true, true, false]);
        for ((id, time), passed) in requests.into_iter().zip(passed) {
            assert_eq!(admits(Kind::Response, &[id], time + 3000), passed);
            assert_eq!(admits(Kind::Replayed, &[id], time + 9000), passed);
        }
        // An id that is used again is a request of its own.
        assert!(admits(Kind::Request, &[3], 9000));
        assert!(admits(Kind::Response, &[3], 9001));
    }
}
