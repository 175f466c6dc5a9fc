//! The thread that decides when each request is due and which worker sends it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

use mio::Waker;

use super::clock;
use super::ending::Ending;
use super::reading::Reading;
use super::schedule::{Batch, Request, Window};
use crate::Error;
use crate::pace::{Pace, Timeline};
use crate::record::{Block, Intake, Kind};

/// A request that is due within this time leaves the sort window, however few wait there.
const SOON: u64 = 5_000_000;

/// When time does not tell, the window is emptied once the input was silent for this long.
const SILENCE: u64 = 10_000_000;

/// Longest wait before looking whether the user has ended the replay.
const LONGEST_WAIT: u64 = 50_000_000;

/// The way to one worker.
#[derive(Debug)]
pub(super) struct Inbox {
    pub(super) batches: SyncSender<Arc<Batch>>,
    /// Shared, as a waker that is dropped takes its last call along.
    pub(super) waker: Arc<Waker>,
}

impl Inbox {
    fn put(&self, batch: Arc<Batch>) {
        if self.batches.send(batch).is_err() || self.waker.wake().is_err() {
            // The worker has failed. The engine reports why, and the replay with it has failed.
        }
    }

    /// Lets the worker know that nothing more will come.
    fn close(self) {
        drop(self.batches);
        if self.waker.wake().is_err() {
            // It notices within a tick.
        }
    }
}

/// What was scheduled.
#[derive(Debug, Default)]
pub(super) struct Scheduled {
    /// Requests, those that were not handed over included.
    pub(super) requests: u64,
    /// Requests that were not handed over because the replay was ended, for each target.
    pub(super) unscheduled: u64,
    /// Responses, which are not sent.
    pub(super) responses: u64,
    /// Times that the input was read.
    pub(super) rounds: u64,
    /// What was read.
    pub(super) intake: Intake,
    /// What ended the reading early.
    pub(super) failure: Option<Error>,
}

/// Schedules what is read for every target alike.
#[derive(Debug)]
pub(super) struct Scheduler {
    timeline: Timeline,
    is_closed_loop: bool,
    window: Window,
    /// When the first request is due. Not known before there is one.
    anchor: Option<u64>,
    /// The inboxes of each target. All targets have the same number.
    targets: Vec<Vec<Inbox>>,
    /// What is handed over next, for each inbox of a target.
    batches: Vec<Batch>,
    /// Which inbox the next request is for.
    turn: usize,
    scheduled: Scheduled,
}

impl Scheduler {
    pub(super) fn new(pace: Pace, depth: usize, targets: Vec<Vec<Inbox>>) -> Self {
        let inboxes = targets.first().map_or(0, Vec::len);
        Scheduler {
            timeline: Timeline::new(pace),
            is_closed_loop: pace.no_wait,
            window: Window::new(depth),
            anchor: None,
            targets,
            batches: (0..inboxes).map(|_| Batch::default()).collect(),
            turn: 0,
            scheduled: Scheduled { rounds: 1, ..Scheduled::default() },
        }
    }

    /// Schedules until the input has ended or the replay ends early. The workers
    /// learn of the end by their inboxes' being closed.
    pub(super) fn run(mut self, readings: &Receiver<Reading>, ending: &Ending) -> Scheduled {
        while !ending.is_near() {
            match readings.recv_timeout(self.longest_wait()) {
                Ok(Reading::Block(block, intake)) => {
                    self.scheduled.intake = intake;
                    self.take(&block);
                    self.release_what_is_due();
                }
                Ok(Reading::Round) => {
                    self.release_all();
                    self.timeline.begin_round();
                    self.scheduled.rounds += 1;
                }
                Ok(Reading::End(intake)) => {
                    self.scheduled.intake = intake;
                    return self.end();
                }
                Ok(Reading::Failed(error)) => {
                    self.scheduled.failure = Some(error);
                    return self.end();
                }
                Err(RecvTimeoutError::Timeout) if self.is_closed_loop => self.release_all(),
                Err(RecvTimeoutError::Timeout) => self.release_what_is_due(),
                Err(RecvTimeoutError::Disconnected) => return self.end(),
            }
            self.hand_over();
        }
        self.scheduled.unscheduled += self.window.len() as u64;
        self.close()
    }

    fn end(mut self) -> Scheduled {
        self.release_all();
        self.hand_over();
        self.close()
    }

    fn close(self) -> Scheduled {
        self.targets.into_iter().flatten().for_each(Inbox::close);
        self.scheduled
    }

    /// Until when nothing need be done if nothing is read.
    fn longest_wait(&self) -> Duration {
        let wait = match self.window.first() {
            None => LONGEST_WAIT,
            Some(_) if self.is_closed_loop => SILENCE,
            Some(timestamp) => {
                let now = clock::now();
                let due = self.anchor.unwrap_or(now).saturating_add(self.timeline.peek(timestamp));
                due.saturating_sub(now + SOON).min(LONGEST_WAIT)
            }
        };
        Duration::from_nanos(wait)
    }

    /// Puts a block's requests in order, as far as the window is deep.
    fn take(&mut self, block: &Arc<Block>) {
        for (record, view) in block.iter().enumerate() {
            if view.header.kind == Kind::Request {
                self.scheduled.requests += 1;
                self.window.push(block, record, view.header.timestamp);
                if let Some(request) = self.window.pop_excess() {
                    self.release(&request);
                }
            } else {
                self.scheduled.responses += 1;
            }
        }
    }

    fn release_what_is_due(&mut self) {
        if self.is_closed_loop {
            return;
        }
        let now = clock::now();
        let soon = (now + SOON).saturating_sub(self.anchor.unwrap_or(now));
        while self.window.first().is_some_and(|timestamp| self.timeline.peek(timestamp) <= soon)
            && let Some(request) = self.window.pop()
        {
            self.release(&request);
        }
    }

    fn release_all(&mut self) {
        while let Some(request) = self.window.pop() {
            self.release(&request);
        }
    }

    /// Gives a request its due time, counted from the anchor, and its worker.
    fn release(&mut self, request: &Request) {
        let due = self.timeline.due(request.timestamp);
        self.batches[self.turn].push(request, due);
        self.turn = (self.turn + 1) % self.batches.len();
    }

    /// Hands over what was released, to the workers of every target.
    fn hand_over(&mut self) {
        for (place, batch) in self.batches.iter_mut().enumerate() {
            if batch.entries.is_empty() {
                continue;
            }
            let mut batch = std::mem::take(batch);
            let anchor = *self.anchor.get_or_insert_with(clock::now);
            for entry in &mut batch.entries {
                entry.due = entry.due.saturating_add(anchor);
            }
            let batch = Arc::new(batch);
            for inboxes in &self.targets {
                inboxes[place].put(Arc::clone(&batch));
            }
        }
    }
}
