//! The workers, one for each target: started together, waited for together.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::thread::{self, JoinHandle};

use mio::Waker;

use super::routing::WorkerInbox;
use super::tally::ReplayTally;
use super::worker::{ReplayWorker, WorkerOptions, WorkerProgress};
use crate::Result;

/// Batches that may wait for a worker, besides those it has in hand.
const BATCHES: usize = 1;

/// Tells that a worker has ended, also by a panic.
struct EndOfWorker(Option<Arc<WorkerProgress>>);

impl Drop for EndOfWorker {
    fn drop(&mut self) {
        if let Some(progress) = &self.0 {
            progress.has_ended.store(true, Ordering::Release);
        }
    }
}

/// Threads, each with the connections to its target.
#[derive(Debug, Default)]
pub(super) struct WorkerPool {
    workers: Vec<JoinHandle<std::io::Result<ReplayTally>>>,
    progress: Vec<Arc<WorkerProgress>>,
    /// Kept until the workers have ended.
    wakers: Vec<Arc<Waker>>,
}

impl WorkerPool {
    /// Starts a worker, and says where it takes its batches from.
    pub(super) fn start(&mut self, options: WorkerOptions) -> Result<WorkerInbox> {
        self.progress.push(Arc::clone(&options.progress));
        let (batches, intake) = sync_channel(BATCHES);
        let (worker, waker) = ReplayWorker::new(options, intake)?;
        let waker = Arc::new(waker);
        self.wakers.push(Arc::clone(&waker));
        let ending = EndOfWorker(self.progress.last().cloned());
        self.workers.push(thread::spawn(move || {
            let tally = worker.run();
            drop(ending);
            tally
        }));
        Ok(WorkerInbox { batches, waker })
    }

    /// The counters of each worker.
    pub(super) fn progress(&self) -> impl Iterator<Item = Arc<WorkerProgress>> {
        self.progress.iter().cloned()
    }

    /// Waits for the workers. What each of them saw, in the order in which they were started.
    pub(super) fn join(self) -> Result<Vec<ReplayTally>> {
        self.workers.into_iter().map(|worker| Ok(join(worker)?)).collect()
    }
}

/// The value a thread ends with. A panic there goes on here.
pub(super) fn join<T>(thread: JoinHandle<T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
