//! Which targets get a request, and the batches that go to their workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};

use mio::Waker;

use super::failure::FailureReason;
use super::schedule::{QueuedRequest, RequestBatch, ScheduledRequest};
use crate::pace::{Share, ShareGate};
use crate::record::{Block, LruMap, id_hash, session};

/// Exchanges or sessions whose target is remembered at least.
const MAX_KNOWN: usize = 1 << 16;

/// The way to one worker.
#[derive(Debug)]
pub(super) struct WorkerInbox {
    pub(super) batches: SyncSender<Arc<RequestBatch>>,
    /// Shared, as a waker that is dropped takes its last call along.
    pub(super) waker: Arc<Waker>,
    /// Requests in batches that the worker has not taken, the one included for which there is no room yet.
    pub(super) waiting: Arc<AtomicU64>,
}

impl WorkerInbox {
    fn put(&self, batch: Arc<RequestBatch>) {
        self.waiting.fetch_add(batch.entries.len() as u64, Ordering::Relaxed);
        if self.batches.send(batch).is_err() || self.waker.wake().is_err() {
            // The worker has failed. The engine reports why, and the replay with it has failed.
        }
    }

    /// Hands over a batch if there is room for it; it comes back otherwise.
    fn offer(&self, batch: Arc<RequestBatch>) -> Option<Arc<RequestBatch>> {
        let requests = batch.entries.len() as u64;
        self.waiting.fetch_add(requests, Ordering::Relaxed);
        match self.batches.try_send(batch) {
            Err(TrySendError::Full(batch)) => {
                self.waiting.fetch_sub(requests, Ordering::Relaxed);
                return Some(batch);
            }
            Ok(()) if self.waker.wake().is_ok() => {}
            // The worker has failed, as above.
            Ok(()) | Err(TrySendError::Disconnected(_)) => {}
        }
        None
    }

    /// Lets the worker know that nothing more will come.
    fn close(self) {
        drop(self.batches);
        if self.waker.wake().is_err() {
            // It notices within a tick.
        }
    }
}

/// A worker, and what it gets next.
#[derive(Debug)]
struct WorkerRoute {
    inbox: WorkerInbox,
    batch: RequestBatch,
    /// A batch that was offered and not taken.
    offered: Option<Arc<RequestBatch>>,
}

impl WorkerRoute {
    fn new(inbox: WorkerInbox) -> Self {
        WorkerRoute { inbox, batch: RequestBatch::default(), offered: None }
    }

    /// Requests that were not handed over.
    fn waiting(&self) -> u64 {
        let batches = self.offered.as_deref().into_iter().chain([&self.batch]);
        batches.map(|batch| batch.entries.len() as u64).sum()
    }
}

/// The way to one target: to the workers that share what it gets.
#[derive(Debug)]
struct TargetRoute {
    workers: Vec<WorkerRoute>,
    /// The worker whose turn is next, where requests need not stay together.
    next: usize,
    gate: ShareGate,
    /// Requests that it did not get, by its share.
    left_out: u64,
    /// Requests whose turn was its, those included.
    turns: u64,
}

impl TargetRoute {
    /// The worker that gets a request; those of one recorded connection have the same.
    fn worker(&mut self, request: &QueuedRequest, keeps_sessions: bool) -> &mut WorkerRoute {
        let number = self.workers.len();
        let turn = match number {
            1 => 0,
            _ if keeps_sessions => (id_hash(session(request.id())) % number as u64) as usize,
            _ => {
                let turn = self.next;
                self.next = (turn + 1) % number;
                turn
            }
        };
        &mut self.workers[turn]
    }

    fn waiting(&self) -> u64 {
        self.workers.iter().map(WorkerRoute::waiting).sum()
    }
}

/// How requests are shared among several targets.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Split {
    /// Each target gets every request.
    #[default]
    Copy,
    /// They take requests in turn.
    Requests,
    /// They take recorded connections in turn.
    Sessions,
}

/// Which of several targets that share the requests gets the next one.
#[derive(Debug)]
pub(super) struct Turns {
    split: Split,
    known: LruMap<usize>,
    next: usize,
}

impl Turns {
    pub(super) fn new(split: Split) -> Self {
        Turns { split, known: LruMap::new(MAX_KNOWN), next: 0 }
    }

    /// The target whose turn is next.
    pub(super) fn next(&self) -> usize {
        self.next
    }

    /// Which of so many targets gets a request with this id.
    pub(super) fn take(&mut self, id: &[u8], targets: usize) -> usize {
        let key = id_hash(session(id));
        if self.split == Split::Sessions
            && let Some(known) = self.known.get(key)
        {
            return known;
        }
        let turn = self.next;
        self.next = (turn + 1) % targets.max(1);
        if self.split == Split::Sessions {
            self.known.insert(key, turn);
        }
        turn
    }
}

/// Every target, and what it gets next.
#[derive(Debug)]
pub(super) struct Router {
    routes: Vec<TargetRoute>,
    split: Split,
    /// Whether requests of a recorded connection go to the same worker.
    keeps_sessions: bool,
    turns: Turns,
    last_due: u64,
    /// Which requests were left out by the share of a target, with the number of its recipient: where the requests are numbered for that.
    left_out: Option<Vec<(usize, u64)>>,
}

impl Router {
    /// The targets in order: the ways to the workers of each, and its share. One without workers has its turns, and
    /// gets nothing: another router is for it.
    pub(super) fn new(targets: impl IntoIterator<Item = (Vec<WorkerInbox>, Share)>, split: Split) -> Self {
        let route = |(inboxes, share): (Vec<WorkerInbox>, _)| TargetRoute {
            workers: inboxes.into_iter().map(WorkerRoute::new).collect(),
            next: 0,
            gate: ShareGate::new(share),
            left_out: 0,
            turns: 0,
        };
        let routes = targets.into_iter().map(route).collect();
        Router { routes, split, keeps_sessions: false, turns: Turns::new(split), last_due: 0, left_out: None }
    }

    /// Has requests of a recorded connection go to the same worker of a target.
    pub(super) fn keeping_sessions(self, keeps_sessions: bool) -> Self {
        Router { keeps_sessions, ..self }
    }

    /// Notes which requests are left out, if that is asked for.
    pub(super) fn noting_left_out(self, is_asked: bool) -> Self {
        Router { left_out: is_asked.then(Vec::new), ..self }
    }

    /// The requests that were left out since the last time: the recipient of the target, and the number.
    pub(super) fn take_left_out(&mut self) -> Vec<(usize, u64)> {
        self.left_out.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Has the targets whose turn it is get a request, due so long after the first one. How many get it.
    pub(super) fn push(&mut self, request: &QueuedRequest, schedule: ScheduledRequest) -> u64 {
        let (mut pushed, keeps_sessions) = (0, self.keeps_sessions);
        self.last_due = self.last_due.max(schedule.due);
        let targets = match self.split {
            Split::Copy => 0..self.routes.len(),
            Split::Requests | Split::Sessions => {
                let turn = self.turns.take(request.id(), self.routes.len());
                turn..turn + 1
            }
        };
        for (recipient, route) in self.routes[targets].iter_mut().enumerate() {
            let is_settled = self.split == Split::Copy && request.settled >> recipient & 1 == 1;
            if is_settled || route.workers.is_empty() {
                continue;
            }
            route.turns += 1;
            if route.gate.admits(schedule.due) {
                route.worker(request, keeps_sessions).batch.push(request, schedule);
                pushed += 1;
            } else {
                route.left_out += 1;
                if let Some(left_out) = &mut self.left_out {
                    left_out.push((recipient, request.number()));
                }
            }
        }
        pushed
    }

    /// A request that is settled already had its turn.
    pub(super) fn skip(&mut self, id: &[u8]) {
        if self.split != Split::Copy {
            self.turns.take(id, self.routes.len());
        }
    }

    fn workers(&mut self) -> impl Iterator<Item = &mut WorkerRoute> {
        self.routes.iter_mut().flat_map(|route| &mut route.workers)
    }

    /// Has the targets get a recorded response, which was read behind so many requests.
    pub(super) fn push_response(&mut self, block: &Arc<Block>, record: usize, number: u64) {
        for worker in self.workers() {
            worker.batch.push_response(block, record, number);
        }
    }

    /// For each target, how many requests were for it.
    pub(super) fn turns(&self) -> Vec<u64> {
        self.routes.iter().map(|route| route.turns).collect()
    }

    /// When the last request is due, counted from the first one.
    pub(super) fn last_due(&self) -> u64 {
        self.last_due
    }

    /// Hands over what each target has got since the last time. The first request is due at `anchor`.
    pub(super) fn hand_over(&mut self, anchor: u64) {
        for worker in self.workers() {
            if worker.batch.is_empty() {
                continue;
            }
            let batch = anchored(std::mem::take(&mut worker.batch), anchor);
            worker.inbox.put(batch);
        }
    }

    /// The same, as far as the targets take it at once.
    pub(super) fn offer(&mut self, anchor: u64) {
        for worker in self.workers() {
            while worker.offered.is_some() || !worker.batch.entries.is_empty() {
                let batch = worker
                    .offered
                    .take()
                    .unwrap_or_else(|| anchored(std::mem::take(&mut worker.batch), anchor));
                worker.offered = worker.inbox.offer(batch);
                if worker.offered.is_some() {
                    break;
                }
            }
        }
    }

    /// Requests that were not handed over, once for each target.
    pub(super) fn waiting(&self) -> u64 {
        self.routes.iter().map(TargetRoute::waiting).sum()
    }

    /// Lets the workers know that nothing more will come. For each target, what it did not get, and why.
    pub(super) fn close(&mut self, unsent: FailureReason) -> Vec<Vec<(FailureReason, u64)>> {
        let close = |route: TargetRoute| {
            let waiting = route.waiting();
            route.workers.into_iter().for_each(|worker| worker.inbox.close());
            vec![(FailureReason::LeftOut, route.left_out), (unsent, waiting)]
        };
        self.routes.drain(..).map(close).collect()
    }
}

/// A batch whose due times are those of the clock, the first request being due at `anchor`.
fn anchored(mut batch: RequestBatch, anchor: u64) -> Arc<RequestBatch> {
    for entry in &mut batch.entries {
        entry.due = entry.due.saturating_add(anchor);
    }
    Arc::new(batch)
}
