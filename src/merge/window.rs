//! A reorder buffer by time: a record waits in it for so much record time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};

use super::counts::{Counted, MergeCounts};
use crate::record::{Block, Intake, Kind, Source};
use crate::{Error, Result};

/// A block with so much text is handed on.
const FULL: usize = 512 << 10;

/// Where a record is to come out: time, number, and after which of that
/// number; a response that waits for its request has the request's time and
/// number.
type OutputKey = (i64, u64, u64);

/// A source that orders what is out of order by a span of time at most.
///
/// A record comes out when one comes that is younger by more than the span.
/// A response comes out behind its request, whatever its own time, if both
/// are there at once. A record that is too late even so comes out at once,
/// and is counted. At equal times order is kept.
#[derive(Debug)]
pub struct Window<S> {
    source: S,
    span: i64,
    most: usize,
    buffer: BTreeMap<OutputKey, (usize, usize)>,
    blocks: Vec<(Block, usize)>,
    bytes: usize,
    /// The block that was read last, and its first record that was not taken in.
    unread: Option<(usize, usize)>,
    number: u64,
    newest: i64,
    /// The time of the latest record that came out.
    latest: i64,
    exchanges: HashMap<Vec<u8>, BufferedExchange>,
    end: Option<Result<(), Error>>,
    pub(super) late: u64,
    early: u64,
    written: (u64, u64),
    /// Responses looked at for the sake of another record or of their own coming out, which a test holds against the
    /// records.
    #[cfg(test)]
    pub(super) examined: usize,
}

/// What is held of one id.
#[derive(Debug, Default)]
struct BufferedExchange {
    request: Option<OutputKey>,
    /// The first to come out on top, as only that one is ever taken out.
    responses: BinaryHeap<Reverse<OutputKey>>,
}

impl<S: Source> Window<S> {
    /// Orders what `source` yields within so many nanoseconds, as long as
    /// what is held is about `most` bytes.
    pub fn new(source: S, span: i64, most: usize) -> Self {
        Window {
            source,
            span,
            most,
            buffer: BTreeMap::new(),
            blocks: Vec::new(),
            bytes: 0,
            unread: None,
            number: 0,
            newest: i64::MIN,
            latest: i64::MIN,
            exchanges: HashMap::new(),
            end: None,
            late: 0,
            early: 0,
            written: (0, 0),
            #[cfg(test)]
            examined: 0,
        }
    }

    /// Whether nothing is held, of nothing.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.buffer.is_empty() && self.exchanges.is_empty() && self.bytes == 0
    }

    /// Puts the next record of the block that was read last into the buffer.
    /// `false`: there is none. What is due is written before the next, so that
    /// it does not matter which records came in one block.
    fn insert_next(&mut self) -> bool {
        let Some((at, index)) = self.unread else { return false };
        let (block, _) = &mut self.blocks[at];
        self.unread = (index + 1 < block.len()).then_some((at, index + 1));
        let block = std::mem::take(block);
        let header = block.get(index).header;
        let key = self.place(header.kind, header.id, header.timestamp);
        self.buffer.insert(key, (at, index));
        self.blocks[at].0 = block;
        true
    }

    /// Reads the next block.
    fn read(&mut self) {
        let free = self.blocks.iter().position(|(_, held)| *held == 0);
        let at = free.unwrap_or(self.blocks.len());
        if at == self.blocks.len() {
            self.blocks.push((Block::new(), 0));
        }
        let mut block = std::mem::take(&mut self.blocks[at].0);
        match self.source.read_block(&mut block) {
            Ok(true) => {}
            Ok(false) => return self.end = Some(Ok(())),
            Err(error) => return self.end = Some(Err(error)),
        }
        self.unread = Some((at, 0));
        self.bytes += block.bytes().len();
        self.blocks[at].1 = block.len();
        self.blocks[at].0 = block;
    }

    /// Finds where a record is to come out. Responses that were to come out
    /// before their request move behind it.
    fn place(&mut self, kind: Kind, id: &[u8], time: i64) -> OutputKey {
        self.late += u64::from(time < self.latest);
        self.newest = self.newest.max(time);
        self.number += 1;
        let (mut key, mut examined) = ((time, self.number, 0), 0);
        let exchange = match self.exchanges.get_mut(id) {
            Some(exchange) => exchange,
            None => self.exchanges.entry(id.to_vec()).or_default(),
        };
        if kind != Kind::Request {
            if let Some(request) = exchange.request.filter(|request| key < *request) {
                key = (request.0, request.1, self.number);
            }
            exchange.responses.push(Reverse(key));
        } else if exchange.request.is_none() {
            exchange.request = Some(key);
            while let Some(mut response) = exchange.responses.peek_mut().filter(|response| response.0 < key) {
                // Its own number, also where it stood behind another request of the id, which has come out.
                let Reverse((_, own, number)) = *response;
                let behind = (key.0, key.1, if number == 0 { own } else { number });
                if let Some(place) = self.buffer.remove(&response.0) {
                    self.buffer.insert(behind, place);
                }
                *response = Reverse(behind);
                examined += 1;
            }
        }
        self.count(examined);
        key
    }

    /// The first record that is held, if it is to come out now.
    fn due(&self) -> Option<OutputKey> {
        let (&key, _) = self.buffer.first_key_value()?;
        let is_due = key.0 < self.newest.saturating_sub(self.span);
        (is_due || self.bytes > self.most || self.end.is_some()).then_some(key)
    }

    /// Writes what is due.
    fn write_due(&mut self, out: &mut Block) {
        while out.bytes().len() < FULL
            && let Some(key) = self.due()
        {
            let is_early = key.0 >= self.newest.saturating_sub(self.span) && self.end.is_none();
            self.early += u64::from(is_early);
            let Some((slot, first)) = self.buffer.remove(&key) else { return };
            self.latest = self.latest.max(key.0);
            let (block, held) = &mut self.blocks[slot];
            block.runs_in(first..first + 1).for_each(|run| out.append_renumbered(&run));
            forget(&mut self.exchanges, block.get(first).header.id, key);
            *held -= 1;
            if *held == 0 {
                self.bytes -= block.bytes().len();
            }
            self.count(1);
        }
    }

    #[cfg(test)]
    fn count(&mut self, examined: usize) {
        self.examined += examined;
    }

    #[cfg(not(test))]
    #[allow(clippy::unused_self, reason = "tests count here")]
    fn count(&mut self, _examined: usize) {}
}

/// Forgets a record that came out: the first of all, so that a response is the first of its id's.
fn forget(exchanges: &mut HashMap<Vec<u8>, BufferedExchange>, id: &[u8], key: OutputKey) {
    let Some(exchange) = exchanges.get_mut(id) else { return };
    exchange.request.take_if(|request| *request == key);
    if exchange.responses.peek() == Some(&Reverse(key)) {
        exchange.responses.pop();
    }
    if exchange.request.is_none() && exchange.responses.is_empty() {
        exchanges.remove(id);
    }
}

impl<S: Source> Source for Window<S> {
    fn read_block(&mut self, block: &mut Block) -> Result<bool> {
        block.clear();
        loop {
            self.write_due(block);
            if block.bytes().len() < FULL && self.insert_next() {
                continue;
            }
            if !block.is_empty() {
                let (records, bytes) = self.written;
                block.continue_after(records, bytes);
                self.written = (records + block.len() as u64, bytes + block.bytes().len() as u64);
                return Ok(true);
            }
            if let Some(end) = &mut self.end {
                return std::mem::replace(end, Ok(())).map(|()| false);
            }
            self.read();
        }
    }

    fn intake(&self) -> Intake {
        self.source.intake()
    }
}

impl<S: Counted> Counted for Window<S> {
    fn count(&self, counts: &mut MergeCounts) {
        self.source.count(counts);
        // What the merge found out of order is what this put right.
        counts.disordered = 0;
        counts.late += self.late;
        counts.early += self.early;
    }
}
