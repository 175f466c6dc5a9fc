//! What the child writes: requests go back to the stage, responses of the targets to the output.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;

use mio::Waker;

use super::super::ending::Ending;
use super::super::output::Outlet;
use crate::Error;
use crate::middleware::Middleware;
use crate::record::{Block, Kind, Source};

/// What came back besides requests, and how the child ended.
#[derive(Debug, Default)]
pub(super) struct ReturnedAnswers {
    /// Responses of the targets.
    pub(super) replayed: u64,
    /// Those of them that the output had no room for.
    pub(super) dropped: u64,
    pub(super) failure: Option<Error>,
}

/// The child, and where what it writes goes.
#[derive(Debug)]
pub(super) struct ChildAnswers {
    pub(super) child: Middleware,
    pub(super) returned: SyncSender<Arc<Block>>,
    pub(super) waker: Arc<Waker>,
    pub(super) output: Option<Outlet>,
    pub(super) ending: Ending,
}

impl ChildAnswers {
    /// Reads until the child's end.
    pub(super) fn run(mut self) -> ReturnedAnswers {
        let mut answers = ReturnedAnswers::default();
        let mut block = Block::new();
        loop {
            match self.child.read_block(&mut block) {
                Ok(true) => self.hand_on(std::mem::take(&mut block), &mut answers),
                Ok(false) => break,
                Err(error) => {
                    // Where its input has ended nothing is left to be sent, and this changes nothing.
                    self.ending.middleware_failed.store(true, Ordering::Relaxed);
                    answers.failure = Some(error);
                    break;
                }
            }
        }
        drop(self.returned);
        if self.waker.wake().is_err() {
            // The stage notices within a tick.
        }
        answers
    }

    fn hand_on(&self, block: Block, answers: &mut ReturnedAnswers) {
        let count = |kind| block.iter().filter(|view| view.header.kind == kind).count() as u64;
        let (replayed, has_requests) = (count(Kind::Replayed), count(Kind::Request) > 0);
        answers.replayed += replayed;
        if let Some(output) = &self.output
            && replayed > 0
        {
            let mut kept = Block::new();
            block
                .runs(|record| block.get(record).header.kind == Kind::Replayed)
                .for_each(|run| kept.append(&run));
            output.wait();
            answers.dropped += output.put(Arc::new(kept)) as u64;
        }
        // Blocks without requests show the stage that the child is at work.
        let is_taken = self.returned.send(Arc::new(block)).is_ok();
        if !is_taken && has_requests || self.waker.wake().is_err() {
            // The stage has failed. The engine reports why, and the replay with it has failed.
        }
    }
}
