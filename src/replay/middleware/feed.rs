//! What waits for the child: a queue that workers and the stage put blocks in, and the source that it is fed from.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use mio::Waker;

use crate::Result;
use crate::queue::{Output, Queue, QueueFlags};
use crate::record::{Block, Intake, Kind, Source};

/// Bytes that may wait for the child. The block that reaches this is taken whole.
const WAITING: u64 = 64 << 20;

/// Which requests have ended, and when: told by workers where other requests wait for that.
#[derive(Clone, Debug, Default)]
pub(in crate::replay) struct RequestEnds {
    ended: Arc<Mutex<Vec<(u64, u64)>>>,
    waker: Arc<OnceLock<Arc<Waker>>>,
}

impl RequestEnds {
    /// The request of this number has ended.
    pub(in crate::replay) fn put(&self, number: u64, at: u64) {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).push((number, at));
        if let Some(Err(_)) = self.waker.get().map(|waker| waker.wake()) {
            // The stage looks again within a tick.
        }
    }

    /// Those since the last time.
    pub(super) fn take(&self) -> Vec<(u64, u64)> {
        std::mem::take(&mut *self.ended.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Who counts what the child is given, and is woken by it.
#[derive(Clone, Debug, Default)]
pub(super) struct Feed {
    /// Responses of the targets that went to the child.
    pub(super) replayed: Arc<AtomicU64>,
    waker: Arc<OnceLock<Arc<Waker>>>,
    pub(super) ends: RequestEnds,
}

impl Feed {
    /// Has the stage learn of responses at once.
    pub(super) fn wake_by(&self, waker: Arc<Waker>) {
        let is_set = self.ends.waker.set(Arc::clone(&waker)).is_err();
        if self.waker.set(waker).is_err() || is_set {
            // There is one stage, which sets it once.
        }
    }
}

/// The end of the queue. A child that takes no more does not fail it: how the child ended is told where its output ends.
struct FeedEnd {
    blocks: Option<SyncSender<Arc<Block>>>,
    feed: Feed,
}

impl FeedEnd {
    fn write(&mut self, block: Arc<Block>) {
        let replayed = block.iter().filter(|view| view.header.kind == Kind::Replayed).count() as u64;
        if let Some(blocks) = &self.blocks
            && blocks.send(block).is_err()
        {
            self.blocks = None;
        }
        if replayed > 0 {
            self.feed.replayed.fetch_add(replayed, Ordering::Relaxed);
            if let Some(Err(_)) = self.feed.waker.get().map(|waker| waker.wake()) {
                // It looks again within a tick.
            }
        }
    }
}

impl Output for FeedEnd {
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    fn reopen(&mut self) -> Result<()> {
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        self.blocks = None;
        Ok(())
    }
}

/// What the child is fed from. It ends with the queue.
pub(super) struct FeedSource(Receiver<Arc<Block>>);

impl Source for FeedSource {
    fn read_block(&mut self, block: &mut Block) -> Result<bool> {
        block.clear();
        let Ok(next) = self.0.recv() else { return Ok(false) };
        match Arc::try_unwrap(next) {
            Ok(next) => *block = next,
            Err(shared) => shared.runs(|_| true).for_each(|run| block.append(&run)),
        }
        Ok(true)
    }

    fn intake(&self) -> Intake {
        Intake::default()
    }
}

/// The queue, what is read from its end, and what counts in between.
pub(super) fn start() -> Result<(Feed, FeedSource, Queue<Arc<Block>>)> {
    let feed = Feed::default();
    let (blocks, source) = sync_channel(1);
    let end = FeedEnd { blocks: Some(blocks), feed: feed.clone() };
    let write = |end: &mut FeedEnd, block: Arc<Block>| {
        end.write(block);
        Ok(())
    };
    let queue = Queue::start("feed", WAITING, QueueFlags::default(), end, write)?;
    Ok((feed, FeedSource(source), queue))
}
