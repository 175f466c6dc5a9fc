//! Replayed responses on their way back to the middleware, which sees them among the records of the inputs.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::Result;
use crate::record::{Block, Intake, Run, Sink, Source};

/// How long nothing may happen before no more responses are expected: the middleware may send requests of its own.
const QUIET: Duration = Duration::from_millis(500);

/// How often it is looked whether that is so.
const LOOK: Duration = Duration::from_millis(50);

/// What is known of the inputs and the servers.
#[derive(Debug, Default)]
struct Activity {
    /// Inputs that have not ended.
    open_inputs: AtomicUsize,
    /// Requests that each server was given, and those that it still has in flight.
    servers: Mutex<Vec<(Arc<AtomicU64>, Arc<AtomicU64>)>>,
}

/// Where responses are put in.
#[derive(Debug)]
pub(super) struct Feedback {
    blocks: Sender<Block>,
    activity: Arc<Activity>,
}

/// The responses, as an input. It ends once the others have, and nothing has happened for a while.
#[derive(Debug)]
pub(super) struct FeedbackSource {
    blocks: Receiver<Block>,
    activity: Arc<Activity>,
    intake: Intake,
}

/// Begins with so many other inputs.
pub(super) fn feedback(inputs: usize) -> (Feedback, FeedbackSource) {
    let (sender, blocks) = channel();
    let activity = Arc::new(Activity { open_inputs: AtomicUsize::new(inputs), ..Activity::default() });
    let source = FeedbackSource { blocks, activity: Arc::clone(&activity), intake: Intake::default() };
    (Feedback { blocks: sender, activity }, source)
}

impl Feedback {
    /// Where a server puts its responses.
    pub(super) fn sink(&self) -> Box<dyn Sink + Send> {
        Box::new(FeedbackSink { blocks: self.blocks.clone(), block: Block::new() })
    }

    /// Watches a server that is given `entered` requests; where it is to tell how many it has in flight.
    pub(super) fn watch(&self, entered: Arc<AtomicU64>) -> Arc<AtomicU64> {
        // Nothing is known of it before it has spoken.
        let in_flight = Arc::new(AtomicU64::new(1));
        let mut servers = self.activity.servers.lock().unwrap_or_else(PoisonError::into_inner);
        servers.push((entered, Arc::clone(&in_flight)));
        in_flight
    }

    /// An input whose end is noticed.
    pub(super) fn input(&self, source: Box<dyn Source + Send>) -> Box<dyn Source + Send> {
        Box::new(WatchedInput { source, activity: Some(Arc::clone(&self.activity)) })
    }
}

struct WatchedInput {
    source: Box<dyn Source + Send>,
    activity: Option<Arc<Activity>>,
}

impl Source for WatchedInput {
    fn read_block(&mut self, block: &mut Block) -> Result<bool> {
        let read = self.source.read_block(block);
        if !matches!(read, Ok(true))
            && let Some(activity) = self.activity.take()
        {
            activity.open_inputs.fetch_sub(1, Ordering::Relaxed);
        }
        read
    }

    fn intake(&self) -> Intake {
        self.source.intake()
    }
}

struct FeedbackSink {
    blocks: Sender<Block>,
    block: Block,
}

impl Sink for FeedbackSink {
    fn write(&mut self, records: &Run<'_>) -> Result<()> {
        self.block.append_renumbered(records);
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        if !self.block.is_empty() {
            // Once all has ended nobody is left to see them.
            let _ = self.blocks.send(std::mem::take(&mut self.block));
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        self.flush()
    }
}

impl FeedbackSource {
    /// What has been given to the servers, and whether something is still under way.
    fn state(&self) -> (u64, bool) {
        let servers = self.activity.servers.lock().unwrap_or_else(PoisonError::into_inner);
        let given = servers.iter().map(|(entered, _)| entered.load(Ordering::Relaxed)).sum();
        let is_busy = servers.iter().any(|(_, in_flight)| in_flight.load(Ordering::Relaxed) > 0);
        (given, is_busy || self.activity.open_inputs.load(Ordering::Relaxed) > 0)
    }
}

impl Source for FeedbackSource {
    fn read_block(&mut self, block: &mut Block) -> Result<bool> {
        let mut since = Instant::now();
        let (mut before, _) = self.state();
        loop {
            match self.blocks.recv_timeout(LOOK) {
                Ok(next) => {
                    self.intake.records += next.len() as u64;
                    self.intake.bytes += next.bytes().len() as u64;
                    *block = next;
                    return Ok(true);
                }
                Err(RecvTimeoutError::Timeout) => {
                    let (given, is_busy) = self.state();
                    if is_busy || given != before {
                        (since, before) = (Instant::now(), given);
                    } else if since.elapsed() >= QUIET {
                        break;
                    }
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        block.clear();
        Ok(false)
    }

    fn intake(&self) -> Intake {
        self.intake
    }
}
