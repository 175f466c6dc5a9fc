//! Where records go: to several outputs at once, each behind a queue of its own.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::limit::ShareLimit;
use crate::cli::note;
use crate::endpoint::Dropped;
use crate::pace::Share;
use crate::queue::{Queue, QueueFlags, QueueSize};
use crate::record::{Block, Header, Kind, LruMap, Run, Sink, id_hash, session};
use crate::{Error, Result};

/// Bytes of records that may wait for an output.
const QUEUE: usize = 64 << 20;

/// How often it is looked whether a full queue has room again.
const LOOK: Duration = Duration::from_millis(1);

/// Requests that were dropped and whose responses are expected, at least. They take 3 MB.
const MAX_DROPPED: usize = 1 << 16;

/// Exchanges or sessions whose output is remembered at least. They take 40 MB.
const MAX_KNOWN: usize = 1 << 19;

/// What gathers here before it is handed to the queues.
const FULL: usize = 256 << 10;

/// What an output takes besides requests.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Takes {
    /// Every record.
    All,
    /// Requests: it is a server.
    Requests,
}

/// What goes to an output, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct BranchOptions {
    /// Which exchanges.
    pub(super) share: Option<Share>,
    /// Whether the seconds of a limit are those of the clock.
    pub(super) by_clock: bool,
    /// Which records of them.
    pub(super) takes: Takes,
    /// Records that may wait.
    pub(super) most: usize,
    /// Whether the inputs wait when it is slow.
    pub(super) waits: bool,
}

/// An output, and what waits for it.
pub(super) struct Branch {
    name: String,
    queue: Queue<Arc<Block>>,
    takes: Takes,
    limit: Option<ShareLimit>,
    /// Records that may wait.
    most: usize,
    /// Whether the inputs wait while as much waits as may. Otherwise exchanges are dropped.
    waits: bool,
    refused: LruMap<()>,
    dropped: Dropped,
    is_slow: bool,
    /// Requests that were handed over.
    entered: Arc<AtomicU64>,
    failed: Arc<AtomicBool>,
    ended: Option<Result<()>>,
}

impl Branch {
    /// Begins to write to `sink` what is put in.
    pub(super) fn start(
        name: String,
        sink: Box<dyn Sink + Send>,
        options: BranchOptions,
        reopening: Arc<AtomicBool>,
    ) -> Result<Self> {
        let flags = QueueFlags { reopening, ..QueueFlags::default() };
        let failed = Arc::clone(&flags.failed);
        let write = |sink: &mut Box<dyn Sink + Send>, block: Arc<Block>| sink.write_block(&block);
        let queue = Queue::start("output", QUEUE as u64, flags, sink, write)?;
        let BranchOptions { share, by_clock, takes, most, waits } = options;
        Ok(Branch {
            name,
            queue,
            takes,
            limit: share.map(|share| ShareLimit::new(share, by_clock)),
            most,
            waits,
            refused: LruMap::new(MAX_DROPPED),
            dropped: Dropped::default(),
            is_slow: false,
            entered: Arc::default(),
            failed,
            ended: None,
        })
    }

    /// Counts the requests that are handed over.
    pub(super) fn entered(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.entered)
    }

    fn is_full(&self) -> bool {
        let waiting = self.queue.inlet.waiting();
        waiting.bytes >= self.queue.inlet.limit() || waiting.records >= self.most
    }

    /// Hands over what of a block is for this output: `wanted` says of each record whether its turn is here. Whether the
    /// output goes on.
    fn put(&mut self, block: &Arc<Block>, wanted: Option<&[bool]>, may_wait: bool) -> bool {
        if self.ended.is_some() {
            return false;
        }
        if self.failed.load(Ordering::Relaxed) {
            return self.fail();
        }
        let waits = self.waits && may_wait;
        while waits && self.is_full() && !self.failed.load(Ordering::Relaxed) {
            thread::sleep(LOOK);
        }
        let has_room = waits || !self.is_full();
        let passes: Vec<bool> = block
            .iter()
            .enumerate()
            .map(|(record, view)| {
                wanted.is_none_or(|wanted| wanted[record]) && self.takes(&view.header, has_room)
            })
            .collect();
        let part = if passes.iter().all(|passes| *passes) {
            Arc::clone(block)
        } else {
            let mut part = Block::new();
            for run in block.runs(|record| passes[record]) {
                part.append_renumbered(&run);
            }
            Arc::new(part)
        };
        if part.is_empty() {
            return true;
        }
        let requests = part.iter().filter(|view| view.header.kind == Kind::Request).count();
        self.entered.fetch_add(requests as u64, Ordering::Relaxed);
        let size = QueueSize { bytes: part.bytes().len(), records: part.len() };
        self.queue.inlet.put(part, size) || self.fail()
    }

    /// Whether a record goes to this output, as far as it is for it to decide.
    fn takes(&mut self, header: &Header<'_>, has_room: bool) -> bool {
        if self.takes == Takes::Requests && header.kind != Kind::Request {
            return false;
        }
        if self.limit.as_mut().is_some_and(|limit| !limit.admits(header)) {
            return false;
        }
        let id = id_hash(header.id);
        let is_dropped = match header.kind {
            Kind::Request => !has_room,
            _ => self.refused.get(id).is_some(),
        };
        if is_dropped && header.kind == Kind::Request {
            self.refused.insert(id, ());
            self.dropped.requests += 1;
            if !std::mem::replace(&mut self.is_slow, true) {
                note(format_args!(
                    "{}: this output is too slow; exchanges are dropped from now on, as long as it is",
                    self.name
                ));
            }
        }
        self.dropped.responses += u64::from(is_dropped && header.kind != Kind::Request);
        !is_dropped
    }

    /// It has failed, and why is kept. What comes after it is not written.
    fn fail(&mut self) -> bool {
        let ended = self.queue.finish();
        tell(&ended);
        self.ended = Some(ended);
        false
    }

    /// Waits until all is written, and tells why it was not, once.
    fn finish(&mut self) -> Result<()> {
        self.ended.take().unwrap_or_else(|| {
            let ended = self.queue.finish();
            tell(&ended);
            ended
        })
    }
}

/// Tells why an output ended, but for its reader's having gone.
fn tell(ended: &Result<()>) {
    if let Err(error) = ended
        && !error.is_broken_pipe()
    {
        note(error);
    }
}

/// How outputs share the records.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Sharing {
    /// Each gets all.
    Copies,
    /// Exchanges in turn.
    Exchanges,
    /// Recorded connections in turn.
    Sessions,
}

/// Outputs that several threads write to.
type Branches = Vec<Arc<Mutex<Branch>>>;

fn lock(branch: &Mutex<Branch>) -> MutexGuard<'_, Branch> {
    branch.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All outputs.
pub(super) struct FanOut {
    /// Shared with those that bring responses back.
    branches: Branches,
    sharing: Sharing,
    known: LruMap<usize>,
    next: usize,
    block: Block,
}

/// What came of the outputs.
#[derive(Debug, Default)]
pub(super) struct OutputsEnd {
    /// Why each of them ended, if it was for an error. Those were told.
    pub(super) errors: Vec<Error>,
    /// What was too much for an output.
    pub(super) dropped: Vec<(String, Dropped)>,
}

impl FanOut {
    pub(super) fn new(branches: Vec<Branch>, sharing: Sharing) -> Self {
        FanOut {
            branches: branches.into_iter().map(|branch| Arc::new(Mutex::new(branch))).collect(),
            sharing,
            known: LruMap::new(MAX_KNOWN),
            next: 0,
            block: Block::new(),
        }
    }

    /// Where replayed responses are put in: for all outputs that are no servers.
    pub(super) fn returns(&self) -> Returns {
        let takes_all = |branch: &&Arc<Mutex<Branch>>| lock(branch).takes == Takes::All;
        let branches = self.branches.iter().filter(takes_all).cloned().collect();
        Returns { branches, block: Block::new() }
    }

    /// Which output has the turn.
    fn turn(&mut self, header: &Header<'_>) -> usize {
        let id = if self.sharing == Sharing::Sessions { session(header.id) } else { header.id };
        let key = id_hash(id);
        if let Some(output) = self.known.get(key) {
            return output;
        }
        let output = self.next % self.branches.len();
        self.next = output + 1;
        self.known.insert(key, output);
        output
    }

    fn hand_on(&mut self) -> Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        let block = Arc::new(std::mem::take(&mut self.block));
        let turns: Option<Vec<usize>> = (self.sharing != Sharing::Copies)
            .then(|| block.iter().map(|view| self.turn(&view.header)).collect());
        let mut is_one_left = false;
        for (output, branch) in self.branches.iter().enumerate() {
            let wanted: Option<Vec<bool>> =
                turns.as_ref().map(|turns| turns.iter().map(|turn| *turn == output).collect());
            is_one_left |= lock(branch).put(&block, wanted.as_deref(), true);
        }
        // What they ended with is told, and comes back at the end.
        if is_one_left { Ok(()) } else { Err(io::Error::from(io::ErrorKind::BrokenPipe).into()) }
    }

    /// Ends the servers first, as what they still answer goes to the others; once `servers` has waited for that, the
    /// others.
    pub(super) fn end(mut self, servers: impl FnOnce()) -> OutputsEnd {
        // Whether one is left does not matter any more.
        let _ = self.hand_on();
        let mut end = OutputsEnd::default();
        let mut finish = |takes: Takes| {
            let (of_these, others): (Vec<_>, Vec<_>) =
                self.branches.drain(..).partition(|branch| lock(branch).takes == takes);
            self.branches = others;
            for branch in &of_these {
                lock(branch).queue.end();
            }
            for branch in of_these {
                let mut branch = lock(&branch);
                end.errors.extend(branch.finish().err());
                if branch.dropped != Dropped::default() {
                    end.dropped.push((branch.name.clone(), branch.dropped));
                }
            }
        };
        finish(Takes::Requests);
        servers();
        finish(Takes::All);
        end
    }
}

impl Sink for FanOut {
    fn write(&mut self, records: &Run<'_>) -> Result<()> {
        self.block.append_renumbered(records);
        if self.block.bytes().len() >= FULL { self.hand_on() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        self.hand_on()
    }

    fn finish(&mut self) -> Result<()> {
        self.hand_on()
    }
}

/// Takes replayed responses.
pub(super) struct Returns {
    branches: Branches,
    block: Block,
}

impl Sink for Returns {
    fn write(&mut self, records: &Run<'_>) -> Result<()> {
        self.block.append_renumbered(records);
        if self.block.bytes().len() >= FULL { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        if !self.block.is_empty() {
            let block = Arc::new(std::mem::take(&mut self.block));
            for branch in &self.branches {
                // To wait here would hold the servers up.
                lock(branch).put(&block, None, false);
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        self.flush()
    }
}
