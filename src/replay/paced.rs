//! Records handed out when they are due, for whatever sends them on at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::clock;
use super::reading::OpenSource;
use super::rounds::mark_round;
use crate::Result;
use crate::pace::{KnownTime, Pace, Timeline};
use crate::record::{Block, Intake, Source};

/// Longest sleep before looking whether reading is to end.
const LOOK: u64 = 50_000_000;

/// Records that are due within this time go together.
const TOGETHER: u64 = 100_000;

/// A source that holds each record back until it is due, counted from its first one.
pub struct Paced {
    open: OpenSource,
    source: Option<Box<dyn Source + Send>>,
    timeline: Timeline,
    /// What was read and is not handed out yet: from this record on.
    block: Block,
    next: usize,
    /// When the next record is due, if that is known: from the beginning.
    due: Option<u64>,
    time: KnownTime,
    /// When the first record was due, by the clock.
    start: Option<u64>,
    repeats: bool,
    round: u64,
    is_round_empty: bool,
    is_stopping: Arc<AtomicBool>,
    is_cut: Arc<AtomicBool>,
    /// What was read in rounds before.
    before: Intake,
}

impl std::fmt::Debug for Paced {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Paced").field("round", &self.round).finish_non_exhaustive()
    }
}

impl Paced {
    /// Reads what `open` opens, once or, with `repeats`, again and again. Once `is_stopping` is true nothing more is
    /// handed out, and `is_cut` turns true if something was left.
    pub fn new(
        open: OpenSource,
        pace: Pace,
        repeats: bool,
        is_stopping: Arc<AtomicBool>,
        is_cut: Arc<AtomicBool>,
    ) -> Self {
        Paced {
            open,
            source: None,
            timeline: Timeline::new(pace),
            block: Block::new(),
            next: 0,
            due: None,
            time: KnownTime::default(),
            start: None,
            repeats,
            round: 1,
            is_round_empty: true,
            is_stopping,
            is_cut,
            before: Intake::default(),
        }
    }

    /// Reads until a record waits. `false`: there are no more.
    fn fill(&mut self) -> Result<bool> {
        while self.next == self.block.len() {
            let source = match &mut self.source {
                Some(source) => source,
                none => {
                    clock::ask_for_exact_timers();
                    none.insert((self.open)()?)
                }
            };
            (self.next, self.due) = (0, None);
            self.block.clear();
            if source.read_block(&mut self.block)? {
                self.is_round_empty = false;
                if self.round > 1 {
                    self.block = mark_round(&self.block, self.round, None);
                }
                continue;
            }
            if !self.repeats || self.is_round_empty {
                return Ok(false);
            }
            self.before = self.before.join(&source.intake());
            self.source = None;
            self.is_round_empty = true;
            self.round += 1;
            self.timeline.begin_round();
        }
        Ok(true)
    }

    /// Sleeps until a moment. `false`: nothing more is to be handed out.
    fn wait(&self, until: u64) -> bool {
        loop {
            if self.is_stopping.load(Ordering::Relaxed) {
                return false;
            }
            let now = clock::now();
            if now >= until {
                return true;
            }
            thread::sleep(Duration::from_nanos((until - now).min(LOOK)));
        }
    }

    /// When the next record is due, by the clock.
    fn due(&mut self) -> u64 {
        let timestamp = self.block.get(self.next).header.timestamp;
        let due = *self.due.get_or_insert_with(|| self.timeline.due(self.time.of(timestamp)));
        self.start.get_or_insert_with(clock::now).saturating_add(due)
    }
}

impl Source for Paced {
    fn read_block(&mut self, block: &mut Block) -> Result<bool> {
        block.clear();
        if !self.fill()? {
            return Ok(false);
        }
        let due = self.due();
        if !self.wait(due) {
            self.is_cut.store(true, Ordering::Relaxed);
            return Ok(false);
        }
        let (first, now) = (self.next, clock::now().saturating_add(TOGETHER));
        while self.next < self.block.len() && self.due() <= now {
            self.next += 1;
            self.due = None;
        }
        for run in self.block.runs_in(first..self.next) {
            block.append_renumbered(&run);
        }
        Ok(true)
    }

    fn intake(&self) -> Intake {
        self.source.as_ref().map_or(self.before, |source| self.before.join(&source.intake()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Header, Kind, Reader, ReaderOptions};

    const MILLISECOND: i64 = 1_000_000;

    fn recording(times: &[i64]) -> Vec<u8> {
        let mut block = Block::new();
        for timestamp in times {
            let header = Header { kind: Kind::Request, id: b"1", timestamp: *timestamp, ..Header::default() };
            block.push(&header, b"GET / HTTP/1.1\r\n\r\n");
        }
        block.bytes().to_vec()
    }

    fn paced(times: &[i64], speed: &str, repeats: bool, stop: &Arc<AtomicBool>) -> Paced {
        let text = recording(times);
        let open = Box::new(move || {
            let reader = Reader::new(std::io::Cursor::new(text.clone()), ReaderOptions::default());
            Ok(Box::new(reader) as Box<dyn Source + Send>)
        });
        let tempo = crate::pace::Tempo::Speed(speed.parse().unwrap());
        Paced::new(open, Pace { tempo, max_wait: None }, repeats, Arc::clone(stop), Arc::default())
    }

    #[test]
    fn nothing_comes_before_it_is_due_and_rounds_follow_each_other() {
        let stop = Arc::default();
        let mut source =
            paced(&[0, 40 * MILLISECOND, 40 * MILLISECOND, 80 * MILLISECOND], "200%", true, &stop);
        let (mut block, mut came) = (Block::new(), Vec::new());
        let start = clock::now();
        while came.len() < 8 {
            assert!(source.read_block(&mut block).unwrap());
            let at = clock::now() - start;
            came.extend(block.iter().map(|view| (view.header.id.to_vec(), at)));
        }
        // A round's first record is due one mean pause behind the last one before.
        for ((id, at), (round, due)) in came.iter().zip([
            ("1", 0),
            ("1", 20),
            ("1", 20),
            ("1", 40),
            ("1.2", 53),
            ("1.2", 73),
            ("1.2", 73),
            ("1.2", 93),
        ]) {
            assert_eq!(id, round.as_bytes());
            assert!(*at + TOGETHER >= due * MILLISECOND as u64, "{at} is before {due} ms");
        }
    }

    #[test]
    fn it_ends_at_once_when_it_is_told_to() {
        let stop = Arc::new(AtomicBool::new(false));
        let mut source = paced(&[0, 3_600_000 * MILLISECOND], "1x", false, &stop);
        let mut block = Block::new();
        assert!(source.read_block(&mut block).unwrap());
        stop.store(true, Ordering::Relaxed);
        assert!(!source.read_block(&mut block).unwrap());
        assert!(source.is_cut.load(Ordering::Relaxed));
    }
}
