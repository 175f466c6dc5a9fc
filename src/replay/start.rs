//! When the clock of a replay starts. Arithmetic only.
//!
//! Reading a large request takes long. Were the clock running meanwhile, what follows it would be late. So as much
//! is read as is kept ahead anyway, and then the clock starts; earlier where there is nothing to read for now.

use super::queue::{QUEUE, QUEUE_BYTES};
use super::schedule::READ_AHEAD;

/// How long an input that may be waited for is silent when nothing is on its way.
const PAUSE: u64 = 20_000_000;

/// How long it is silent within a large record, whose buffer may have to grow.
const LONG_PAUSE: u64 = 100_000_000;

/// How long such an input is waited for that goes on and on, as live traffic does.
const LIVE: u64 = 100_000_000;

/// A record counts as large when it takes more bytes than this.
const LARGE: u64 = 2 << 20;

/// Longest wait, whatever is still being read.
const LONGEST: u64 = 5_000_000_000;

/// What was read before the clock starts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StartBuffer {
    /// Whether the input is there as a whole, so that it is never silent.
    is_there: bool,
    /// When the first request was read.
    since: Option<u64>,
    /// When something was read last.
    moved_at: u64,
    /// Bytes read of the input, as they lie there; and when the last block came.
    read: u64,
    read_at_block: u64,
    /// Requests that wait, and bytes of their blocks.
    requests: usize,
    bytes: usize,
    /// When the last of them is due, counted from the first.
    covered: u64,
}

impl StartBuffer {
    pub(super) fn new(is_there: bool) -> Self {
        StartBuffer { is_there, ..StartBuffer::default() }
    }

    /// A block came, after so many bytes were read in all: its requests, its size, and when the last request up
    /// to now is due.
    pub(super) fn add(&mut self, now: u64, read: u64, requests: usize, bytes: usize, covered: u64) {
        if requests > 0 {
            self.since.get_or_insert(now);
        }
        (self.moved_at, self.read, self.read_at_block) = (now, read, read);
        self.requests += requests;
        self.bytes += bytes;
        self.covered = self.covered.max(covered);
    }

    /// Whether anything waits for the clock.
    pub(super) fn has_begun(&self) -> bool {
        self.since.is_some()
    }

    /// Whether the clock is to start, when so many bytes were read in all.
    pub(super) fn is_time(&mut self, now: u64, read: u64) -> bool {
        if read != self.read {
            (self.moved_at, self.read) = (now, read);
        }
        let Some(since) = self.since else { return false };
        let waited = now.saturating_sub(since);
        let is_full = self.covered >= READ_AHEAD || self.bytes > QUEUE_BYTES || self.requests >= QUEUE;
        if is_full || waited >= LONGEST {
            return true;
        }
        if self.is_there {
            return false;
        }
        let is_large = self.read - self.read_at_block > LARGE;
        let silent = now.saturating_sub(self.moved_at);
        if is_large { silent >= LONG_PAUSE } else { silent >= PAUSE || waited >= LIVE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MILLISECOND: u64 = 1_000_000;

    /// When the clock starts after a first block at 0, if the reader has read this much by each millisecond.
    fn start(is_there: bool, read: impl Fn(u64) -> u64) -> u64 {
        let mut start = StartBuffer::new(is_there);
        start.add(0, read(0), 1, 100, 0);
        let starts = |at: &u64| start.is_time(at * MILLISECOND, read(*at));
        (0..10_000).find(starts).expect("it starts") * MILLISECOND
    }

    #[test]
    fn a_silent_pipe_is_not_waited_for() {
        assert_eq!(start(false, |_| 100), PAUSE);
    }

    #[test]
    fn live_traffic_is_waited_for_no_longer_than_its_bound() {
        let mut start = StartBuffer::new(false);
        let now = |at: u64| at * MILLISECOND;
        // A record of a kilobyte each millisecond, due when it comes.
        let starts = |at: &u64| {
            start.add(now(*at), at << 10, 1, 1 << 10, now(*at));
            start.is_time(now(*at), at << 10)
        };
        assert_eq!((0..10_000).find(starts).map(now), Some(LIVE));
    }

    #[test]
    fn a_large_record_that_is_being_read_is_waited_for_in_a_pipe_too() {
        // 100 MB at 250 MB/s, then silence: the record does not end.
        assert_eq!(start(false, |at| at.min(400) * 250_000), 400 * MILLISECOND + LONG_PAUSE);
        // A pause within it, while its buffer grows.
        let with_pause = |at: u64| if at < 190 { at.min(100) } else { (at - 90).min(400) } * 250_000;
        assert_eq!(start(false, with_pause), 490 * MILLISECOND + LONG_PAUSE);
    }

    #[test]
    fn an_input_that_is_there_is_read_on_though_it_seems_silent() {
        // As a compressed one does, most of whose bytes are read at once.
        assert_eq!(start(true, |_| 100), LONGEST);
    }

    #[test]
    fn the_clock_starts_when_as_much_was_read_as_is_kept_ahead() {
        for is_there in [true, false] {
            for (requests, bytes, covered, is_time) in [
                (1, 100, READ_AHEAD, true),
                (1, 100, READ_AHEAD - 1, false),
                (1, QUEUE_BYTES + 1, 0, true),
                (1, QUEUE_BYTES, 0, false),
                (QUEUE, 100, 0, true),
                (QUEUE - 1, 100, 0, false),
                (0, QUEUE_BYTES + 1, 0, false),
            ] {
                let mut start = StartBuffer::new(is_there);
                start.add(0, 0, requests, bytes, covered);
                assert_eq!(start.is_time(0, 0), is_time, "{requests} requests, {bytes} bytes, {covered} ns");
            }
        }
    }

    proptest! {
        #[test]
        fn it_always_starts(is_there: bool, steps in prop::collection::vec((0..30_u64, 0..3_000_000_u64), 1..200)) {
            let mut start = StartBuffer::new(is_there);
            start.add(0, 0, 1, 100, 0);
            let (mut now, mut read) = (0, 0);
            for (pause, more) in steps {
                now += pause * MILLISECOND;
                read += more;
                start.is_time(now, read);
            }
            prop_assert!(start.is_time(LONGEST.max(now), read));
        }
    }
}
