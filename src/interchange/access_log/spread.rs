//! Requests of a log that has whole seconds, spread evenly over each second: as they stand they would all come at its
//! beginning.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::Read;

use super::LogSource;
use crate::interchange::Import;
use crate::interchange::remarks::Remarks;
use crate::record::{Block, Intake, Kind, Record, Source};
use crate::show::KeptMessage as _;
use crate::{Error, Result};

const SECOND: i64 = 1_000_000_000;

/// How many seconds a line may be late: servers write lines when requests end, some with the time of their beginning.
const LATEST: i64 = 2;

/// Memory for records that wait until their second is whole. Beyond it they go with what is known of it.
const MOST_HELD: usize = 32 << 20;

/// Seconds that wait for more lines at most: where times go back, no later one says that they are whole. That which is
/// farthest ahead of the newest line is then taken for whole.
const MOST_OPEN: usize = 1 << 16;

/// A block is handed out when it has so many bytes.
const BLOCK_SIZE: usize = 256 << 10;

/// A log whose requests of the same second come one after the other within it, in the order of their lines.
///
/// Lines wait until one that is two seconds later was read, so this is for logs that are there already. What comes of a
/// second behind that, as where logs stand one after the other, is spread over it anew. A log that has any fraction of a
/// second stays as it is from there on. How the input is cut into blocks changes nothing.
pub struct SpreadSource<R> {
    log: LogSource<R>,
    held: VecDeque<HeldRecord>,
    held_bytes: usize,
    /// The seconds whose requests wait, or have waited so far.
    seconds: HashMap<u64, Second>,
    /// Of these, those that more lines may belong to, by their time.
    open: BTreeMap<i64, u64>,
    /// First and last of the times that were taken for whole as more was open than is kept.
    given_up: Option<(i64, i64)>,
    /// Number of the next second.
    next_second: u64,
    /// Whether some time was finer than a second.
    has_fractions: bool,
    /// How much later the records of the latest line are than its time.
    offset: i64,
    is_at_end: bool,
    failure: Option<Error>,
    incoming: Block,
    /// Records of it that were taken.
    taken: usize,
    /// Records handed out, and their bytes.
    records: u64,
    bytes: u64,
    remarks: Remarks,
}

/// A record that waits, and the number of the second it is of: a request alone has one.
struct HeldRecord {
    record: Record,
    second: Option<u64>,
}

/// What is known of the requests of a second.
#[derive(Debug, Default)]
struct Second {
    /// Since the Unix epoch.
    time: i64,
    requests: i64,
    handed_out: i64,
    latest: i64,
    /// Whether a line was read that is so much later that no more belong to it.
    is_complete: bool,
    /// Whether others of the same time may have been given up.
    is_rest: bool,
}

impl<R: Read> SpreadSource<R> {
    /// Reads on from `log`, of which nothing was read.
    pub fn new(log: LogSource<R>) -> Self {
        SpreadSource {
            log,
            held: VecDeque::new(),
            held_bytes: 0,
            seconds: HashMap::new(),
            open: BTreeMap::new(),
            given_up: None,
            next_second: 0,
            has_fractions: false,
            offset: 0,
            is_at_end: false,
            failure: None,
            incoming: Block::new(),
            taken: 0,
            records: 0,
            bytes: 0,
            remarks: Remarks::default(),
        }
    }

    /// Reads the next lines, all of whose records were taken before.
    fn fill(&mut self) {
        self.taken = 0;
        match self.log.read_block(&mut self.incoming) {
            Ok(true) => {}
            Ok(false) => self.is_at_end = true,
            Err(error) => (self.is_at_end, self.failure) = (true, Some(error)),
        }
        if self.is_at_end {
            self.incoming.clear();
        }
    }

    /// Takes the next record of the lines that were read. False: there is none.
    fn take(&mut self) -> bool {
        if self.taken == self.incoming.len() {
            return false;
        }
        let view = self.incoming.get(self.taken);
        self.taken += 1;
        let (kind, time) = (view.header.kind, view.header.timestamp);
        let record = Record::keep(&view);
        self.held_bytes += record.cost();
        let second = (kind == Kind::Request).then(|| self.second_of(time));
        self.held.push_back(HeldRecord { record, second });
        true
    }

    /// Counts a request of this time, and gives the number of its second.
    fn second_of(&mut self, time: i64) -> u64 {
        self.has_fractions |= time.rem_euclid(SECOND) != 0;
        let time = time.div_euclid(SECOND);
        while let Some(whole) = self.open.first_entry()
            && whole.key().saturating_add(LATEST) <= time
        {
            let number = whole.remove();
            self.complete(number);
        }
        let number = *self.open.entry(time).or_insert_with(|| {
            self.next_second += 1;
            self.next_second
        });
        let is_given_up = self.given_up.is_some_and(|(first, last)| (first..=last).contains(&time));
        let second = self.seconds.entry(number).or_default();
        second.is_rest |= second.requests == 0 && is_given_up;
        (second.time, second.requests) = (time, second.requests + 1);
        if second.is_rest && !self.has_fractions {
            self.remarks.count(
                "request that may be of a second of long before, and is spread over it anew",
                "requests that may be of seconds of long before, and are spread over them anew",
            );
        }
        if self.open.len() > MOST_OPEN
            && let Some((farthest, number)) = self.open.pop_last()
        {
            let (first, last) = self.given_up.unwrap_or((farthest, farthest));
            self.given_up = Some((first.min(farthest), last.max(farthest)));
            self.complete(number);
        }
        number
    }

    /// No more requests belong to a second.
    fn complete(&mut self, number: u64) {
        let Some(second) = self.seconds.get_mut(&number) else { return };
        second.is_complete = true;
        if second.handed_out == second.requests {
            self.seconds.remove(&number);
        }
    }

    /// Whether all requests of a second are known, as far as this can be waited for.
    fn is_known(&self, second: u64) -> bool {
        self.is_at_end
            || self.has_fractions
            || self.held_bytes > MOST_HELD
            || self.seconds.get(&second).is_none_or(|second| second.is_complete)
    }

    /// Hands out what is held, as far as its time is known.
    fn release(&mut self, block: &mut Block) {
        while block.bytes().len() < BLOCK_SIZE {
            let Some(front) = self.held.front() else { return };
            if let Some(second) = front.second {
                if !self.is_known(second) {
                    return;
                }
                self.offset = self.next_offset(second);
            }
            let Some(HeldRecord { mut record, .. }) = self.held.pop_front() else { return };
            self.held_bytes -= record.cost();
            record.timestamp = record.timestamp.saturating_add(self.offset);
            block.push(&record.header(), &record.payload);
        }
    }

    /// How far into its second the next request of it is.
    fn next_offset(&mut self, number: u64) -> i64 {
        let has_fractions = self.has_fractions;
        let Some(second) = self.seconds.get_mut(&number) else { return 0 };
        // More of them may have become known since the one before.
        let offset = (second.handed_out * SECOND / second.requests.max(1)).max(second.latest);
        if second.requests > 1 && !has_fractions {
            self.remarks.count(
                "fraction of a second (the requests of each second are spread evenly over it)",
                "fractions of seconds (the requests of each second are spread evenly over it)",
            );
        }
        second.handed_out += 1;
        second.latest = offset;
        if second.is_complete && second.handed_out == second.requests {
            self.seconds.remove(&number);
        }
        if has_fractions { 0 } else { offset }
    }
}

impl<R: Read> Source for SpreadSource<R> {
    fn read_block(&mut self, block: &mut Block) -> Result<bool> {
        block.clear();
        block.continue_after(self.records, self.bytes);
        loop {
            self.release(block);
            let is_full = block.bytes().len() >= BLOCK_SIZE;
            if !is_full && self.take() {
                continue;
            }
            if !block.is_empty() {
                self.records += block.len() as u64;
                self.bytes += block.bytes().len() as u64;
                return Ok(true);
            }
            if self.is_at_end {
                return self.failure.take().map_or(Ok(false), Err);
            }
            self.fill();
        }
    }

    fn intake(&self) -> Intake {
        Intake { records: self.records, ..self.log.intake() }
    }
}

impl<R: Read> Import for SpreadSource<R> {
    fn not_carried(&self) -> Option<String> {
        let parts: Vec<_> = self.log.not_carried().into_iter().chain(self.remarks.text()).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::interchange::ImportOptions;
    use crate::interchange::access_log::LogFormat;

    fn source() -> SpreadSource<&'static [u8]> {
        let options = ImportOptions { max_record: 1 << 20, is_strict: true };
        SpreadSource::new(LogSource::new(&b""[..], LogFormat::parse("common").unwrap(), options))
    }

    #[test]
    fn times_that_go_back_hold_a_bounded_number_of_seconds() {
        let mut source = source();
        let lines = 3 * MOST_OPEN as i64;
        for line in 0..lines {
            let number = source.second_of((lines - line) * SECOND);
            assert_eq!(source.next_offset(number), 0);
        }
        assert_eq!((source.open.len(), source.seconds.len()), (MOST_OPEN, MOST_OPEN));
        assert_eq!(source.not_carried(), None);
        // One that still waits goes on, one that does not begins anew, which is told.
        let number = source.second_of(2 * SECOND);
        assert_eq!(source.next_offset(number), SECOND / 2);
        let number = source.second_of(lines * SECOND);
        assert_eq!(source.next_offset(number), 0);
        let expected = "1 request that may be of a second of long before, and is spread over it anew";
        assert!(source.not_carried().unwrap().ends_with(expected));
        // All of the others are whole now, and forgotten.
        assert_eq!((source.open.len(), source.seconds.len()), (1, 1));
    }

    proptest! {
        #[test]
        fn a_line_is_of_the_second_that_was_last_open(times in prop::collection::vec(0..12_i64, 0..80)) {
            let mut source = source();
            let numbers: Vec<_> = times.iter().map(|time| source.second_of(time * SECOND)).collect();
            for (line, time) in times.iter().enumerate() {
                let since = (0..line).rev().find(|earlier| times[*earlier] == *time);
                let is_whole = |since: usize| times[since..line].iter().any(|later| *later >= time + LATEST);
                let expected = since.filter(|since| !is_whole(*since)).map(|since| numbers[since]);
                prop_assert_eq!(numbers[..line].contains(&numbers[line]).then_some(numbers[line]), expected);
            }
        }
    }
}
