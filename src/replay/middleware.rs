//! Requests and responses on their way through a child process.
//!
//! ```text
//! scheduler ─► stage ─► feed ─► child ─► answers ─► stage ─► router ─► workers
//!               due              ▲          │ replayed
//!                       workers ─┘          └─► output
//! ```
//!
//! A request goes to the child when it is due, so that the child can have learned from the responses to those before it,
//! and what comes back keeps its due time: what the child takes is lateness. A recorded response goes to the child
//! directly behind its request, since clients look for it before that of the target; those of the targets go as they come.

mod answers;
pub(super) mod feed;
mod in_child;
mod recorded;
pub(super) mod settings;
mod stage;
mod thinking;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::ending::Ending;
use super::failure::FailureReason;
use super::output::{Outlet, WhenSlow};
use super::progress::WorkerProgress;
use super::routing::{Router, WorkerInbox};
use super::worker_pool::join;
use crate::middleware::{Middleware, MiddlewareOptions, Traffic};
use crate::observe::Durations;
use crate::queue::Queue;
use crate::record::Block;
use crate::{Error, Result};

pub use self::settings::MiddlewareSettings;

use self::answers::{ChildAnswers, ReturnedAnswers};
use self::feed::{Feed, RequestEnds};
use self::stage::{MiddlewareLoop, StageOptions};

/// Blocks of what the child wrote that may wait for the stage.
const RETURNED: usize = 16;

/// How long the child is waited for when nothing is to be waited for any more.
const GRACE: Duration = Duration::from_secs(1);

/// What went through the child.
#[derive(Clone, Debug, Default)]
pub struct MiddlewareTally {
    /// Requests that it was given.
    pub requests: u64,
    /// Requests that it sent back in time.
    pub returned: u64,
    /// Requests that it sent back after they were given up.
    pub late: u64,
    /// Requests of its own, those that were not sent included.
    pub own: u64,
    /// Requests of its own that came when nothing was sent any more.
    pub own_unsent: u64,
    /// Recorded responses that it was given.
    pub recorded: u64,
    /// Recorded responses that it was not given, as it did not read in time.
    pub recorded_dropped: u64,
    /// Responses of the targets that it was given.
    pub replayed: u64,
    /// Responses of the targets that it sent back.
    pub replayed_returned: u64,
    /// Responses that it sent back and the output had no room for.
    pub answers_dropped: u64,
    /// From when the child was given a request until it came back.
    pub delay: Durations,
    /// Whether it may drop what it likes.
    pub may_drop: bool,
    /// Whether the responses that it sends back go to an output.
    pub has_output: bool,
    /// Whether it was left to itself at the end.
    pub is_left: bool,
}

impl MiddlewareTally {
    /// Responses that are missing in the output as the child did not send them back.
    pub fn answers_kept(&self) -> u64 {
        if self.has_output { self.replayed.saturating_sub(self.replayed_returned) } else { 0 }
    }

    /// Whether anything was lost here, besides what the targets' tallies tell.
    pub(super) fn has_failures(&self) -> bool {
        let is_short = self.answers_kept() > 0 && !self.may_drop;
        is_short
            || self.own_unsent > 0
            || self.recorded_dropped > 0
            || self.answers_dropped > 0
            || self.is_left
    }
}

/// What the way through the child came to.
#[derive(Debug, Default)]
pub(super) struct ThroughChild {
    pub(super) tally: MiddlewareTally,
    /// What ended the child early, or what it did wrong.
    pub(super) failure: Option<Error>,
    /// Requests for which no target was chosen, and why; how the first of each was.
    pub(super) unrouted: Vec<(FailureReason, u64, String)>,
    /// For each target, what it did not get of what came back, and why.
    pub(super) unsent: Vec<Vec<(FailureReason, u64)>>,
}

/// The child, before it is known where what it sends back goes.
#[derive(Debug)]
pub(super) struct ChildStart {
    /// Where workers put responses.
    pub(super) outlet: Outlet,
    feed: Feed,
    queue: Queue<Arc<Block>>,
    child: Middleware,
    options: MiddlewareOptions,
    ending: Ending,
}

/// What the stage needs to know of the replay.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flow {
    pub(super) is_closed_loop: bool,
    pub(super) timeout: Duration,
    /// Requests that may wait for a connection.
    pub(super) queue: usize,
    /// Requests that all targets together carry at most.
    pub(super) connections: usize,
    /// Targets that each request goes to.
    pub(super) copies: usize,
    /// Whether a request waits for the response before it on its recorded connection.
    pub(super) is_closed_by_session: bool,
}

impl ChildStart {
    /// Where workers tell which requests have ended.
    pub(super) fn ends(&self) -> RequestEnds {
        self.feed.ends.clone()
    }

    /// Starts the child.
    pub(super) fn new(settings: &MiddlewareSettings, when_slow: WhenSlow, ending: &Ending) -> Result<Self> {
        let (feed, source, queue) = feed::start()?;
        let child = Middleware::start(
            &settings.command,
            source,
            // What it must send back depends on the kind, which is judged here.
            MiddlewareOptions { may_drop: true, ..settings.options },
        )?;
        let outlet = Outlet::new(Arc::clone(&queue.inlet), when_slow, ending).prompt();
        Ok(ChildStart { outlet, feed, queue, child, options: settings.options, ending: ending.clone() })
    }

    /// Begins to let requests through: to the child from the inbox, and from it to `router`.
    pub(super) fn route(
        self,
        router: Router,
        progress: Vec<Arc<WorkerProgress>>,
        output: Option<Outlet>,
        flow: Flow,
    ) -> Result<(WorkerInbox, ChildWay)> {
        let ChildStart { feed, queue, child, options, ending, .. } = self;
        let traffic = child.traffic();
        let (returned, returns) = sync_channel(RETURNED);
        let has_output = output.is_some();
        let (stage, inbox) = MiddlewareLoop::new(StageOptions {
            router,
            progress,
            returns,
            feed: Arc::clone(&queue.inlet),
            seen: feed.clone(),
            ending: ending.clone(),
            may_drop: options.may_drop,
            flow,
        })?;
        feed.wake_by(Arc::clone(&inbox.waker));
        let answers =
            ChildAnswers { child, returned, waker: Arc::clone(&inbox.waker), output, ending: ending.clone() };
        let way = ChildWay {
            queue,
            feed,
            traffic,
            stage: thread::Builder::new().name("middleware".to_owned()).spawn(move || stage.run())?,
            answers: thread::Builder::new().name("returned".to_owned()).spawn(move || answers.run())?,
            ending,
            may_drop: options.may_drop,
            has_output,
        };
        Ok((inbox, way))
    }
}

/// The child at work.
#[derive(Debug)]
pub(super) struct ChildWay {
    queue: Queue<Arc<Block>>,
    feed: Feed,
    traffic: Arc<Traffic>,
    stage: JoinHandle<ThroughChild>,
    answers: JoinHandle<ReturnedAnswers>,
    ending: Ending,
    may_drop: bool,
    has_output: bool,
}

impl ChildWay {
    /// Ends the child's input behind what it was given, and waits for the child. All workers must have ended.
    pub(super) fn finish(self) -> ThroughChild {
        self.queue.end();
        let mut now_since = None;
        while !self.answers.is_finished() || !self.stage.is_finished() {
            self.traffic.last_call(self.ending.is_near());
            thread::sleep(GRACE / 500);
            if self.ending.is_now() {
                self.traffic.stop();
                if now_since.get_or_insert_with(Instant::now).elapsed() >= GRACE {
                    // Its threads are left to themselves.
                    let tally = MiddlewareTally { is_left: true, ..MiddlewareTally::default() };
                    return ThroughChild { tally, ..ThroughChild::default() };
                }
            }
        }
        let answers = join(self.answers);
        let mut through = join(self.stage);
        through.tally.replayed = self.feed.replayed.load(Ordering::Relaxed);
        through.tally.replayed_returned = answers.replayed;
        through.tally.answers_dropped = answers.dropped;
        (through.tally.may_drop, through.tally.has_output) = (self.may_drop, self.has_output);
        through.failure = answers.failure;
        through
    }
}
