//! Requests of a log that has whole seconds, spread evenly over each second: as they stand they would all come at its
//! beginning.

use std::collections::{BTreeMap, VecDeque};
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

/// A block is handed out when it has so many bytes.
const BLOCK_SIZE: usize = 256 << 10;

/// A log whose requests of the same second come one after the other within it, in the order of their lines.
///
/// Lines wait until one that is two seconds later was read, so this is for logs that are there already. A log that has
/// any fraction of a second stays as it is from there on.
pub struct SpreadSource<R> {
    log: LogSource<R>,
    held: VecDeque<Record>,
    held_bytes: usize,
    seconds: BTreeMap<i64, Second>,
    newest: i64,
    /// How much later the records of the latest line are than its time.
    offset: i64,
    is_at_end: bool,
    failure: Option<Error>,
    incoming: Block,
    /// Records handed out, and their bytes.
    records: u64,
    bytes: u64,
    remarks: Remarks,
}

/// What is known of the requests of a second.
#[derive(Debug, Default)]
struct Second {
    requests: i64,
    handed_out: i64,
    latest: i64,
}

impl<R: Read> SpreadSource<R> {
    /// Reads on from `log`, of which nothing was read.
    pub fn new(log: LogSource<R>) -> Self {
        SpreadSource {
            log,
            held: VecDeque::new(),
            held_bytes: 0,
            seconds: BTreeMap::new(),
            newest: i64::MIN,
            offset: 0,
            is_at_end: false,
            failure: None,
            incoming: Block::new(),
            records: 0,
            bytes: 0,
            remarks: Remarks::default(),
        }
    }

    fn fill(&mut self) {
        match self.log.read_block(&mut self.incoming) {
            Ok(true) => {}
            Ok(false) => self.is_at_end = true,
            Err(error) => (self.is_at_end, self.failure) = (true, Some(error)),
        }
        if self.is_at_end {
            return;
        }
        for view in self.incoming.iter() {
            if view.header.kind == Kind::Request {
                let second = view.header.timestamp.div_euclid(SECOND);
                self.newest = self.newest.max(second);
                self.seconds.entry(second).or_default().requests += 1;
            }
            let record = Record::keep(&view);
            self.held_bytes += record.cost();
            self.held.push_back(record);
        }
    }

    /// Whether all requests of a second are known, as far as this can be waited for.
    fn is_known(&self, second: i64) -> bool {
        self.is_at_end
            || self.log.has_fractions()
            || self.newest >= second.saturating_add(LATEST)
            || self.held_bytes > MOST_HELD
    }

    /// Hands out what is held, as far as its time is known.
    fn release(&mut self, block: &mut Block) {
        while block.bytes().len() < BLOCK_SIZE {
            let Some(front) = self.held.front() else { return };
            if front.kind == Kind::Request {
                let second = front.timestamp.div_euclid(SECOND);
                if !self.is_known(second) {
                    return;
                }
                self.offset = self.next_offset(second);
            }
            let Some(mut record) = self.held.pop_front() else { return };
            self.held_bytes -= record.cost();
            record.timestamp = record.timestamp.saturating_add(self.offset);
            block.push(&record.header(), &record.payload);
        }
    }

    /// How far into its second the next request of it is.
    fn next_offset(&mut self, second: i64) -> i64 {
        let has_fractions = self.log.has_fractions();
        let Some(known) = self.seconds.get_mut(&second) else { return 0 };
        // More of them may have become known since the one before.
        let offset = (known.handed_out * SECOND / known.requests.max(1)).max(known.latest);
        if known.requests > 1 && !has_fractions {
            self.remarks.count(
                "fraction of a second (the requests of each second are spread evenly over it)",
                "fractions of seconds (the requests of each second are spread evenly over it)",
            );
        }
        known.handed_out += 1;
        known.latest = offset;
        if known.handed_out == known.requests {
            self.seconds.remove(&second);
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
