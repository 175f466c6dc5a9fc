//! The thread that decides when each request is due and which worker sends it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::checkpoint::Notes;
use super::clock;
use super::ending::Ending;
use super::failure::FailureReason;
use super::middleware::{MiddlewareTally, ThroughChild};
use super::own::Own;
use super::position::{ReplayPosition, RequestProgress};
use super::reading::{Reading, Supply};
use super::routing::{Router, Split};
use super::schedule::{QueuedRequest, ReorderWindow, ScheduledRequest};
use super::selection::{NotSelected, RequestSelection};
use super::sessions::Sessions;
use super::settings::{SessionMode, Settings};
use super::share_clock::ShareClock;
use super::start::StartBuffer;
use crate::Error;
use crate::pace::Timeline;
use crate::record::{Block, Checkpoint, Header, Intake, Kind, View};
use crate::report::RecordedLatencies;

/// A request that is due within this time leaves the sort window, however few wait there.
const SOON: u64 = 5_000_000;

/// When time does not tell, the window is emptied once the input was silent for this long.
const SILENCE: u64 = 10_000_000;

/// How often it is looked whether the clock is to start.
const START_LOOK: u64 = 5_000_000;

/// Longest wait before looking whether the user has ended the replay.
const LONGEST_WAIT: u64 = 50_000_000;

/// What was scheduled.
#[derive(Debug, Default)]
pub(super) struct Scheduled {
    /// Requests, those that were not handed over included.
    pub(super) requests: u64,
    /// Requests that no target got, and why: this replay has sent them itself, or was ended before.
    pub(super) own: u64,
    pub(super) unscheduled: u64,
    /// Requests that the group gave to another reader before a target was chosen.
    pub(super) reassigned: u64,
    /// The same of requests that came so far that a target was chosen, for each.
    pub(super) unsent: Vec<Vec<(FailureReason, u64)>>,
    /// For each target, how many requests were for it.
    pub(super) turns: Vec<u64>,
    /// Requests that did not come through the middleware to a target, why, and how the first of each was.
    pub(super) unrouted: Vec<(FailureReason, u64, String)>,
    /// Requests that were not asked for.
    pub(super) not_selected: NotSelected,
    /// Requests that an earlier run has settled.
    pub(super) skipped: u64,
    /// Requests that are older than one before them, further back than the window reaches.
    pub(super) disordered: u64,
    /// Responses, which are not sent.
    pub(super) responses: u64,
    /// Times that the input was read.
    pub(super) rounds: u64,
    /// What was read.
    pub(super) intake: Intake,
    /// What ended the reading early.
    pub(super) failure: Option<Error>,
    /// The latencies of the recording, if they are measured.
    pub(super) recorded: Option<Box<RecordedLatencies>>,
}

impl Scheduled {
    /// What schedulers that each had the whole input for a target of their own have scheduled together. Where the end
    /// came before all was read, a target has not got what others have: that is not sent, for this reason.
    pub(super) fn of_targets(each: Vec<Scheduled>, split: Split, reason: FailureReason) -> Scheduled {
        let requests = each.iter().map(|of_target| of_target.requests).max().unwrap_or(0);
        let turn =
            |(target, scheduled): (usize, &Scheduled)| scheduled.turns.get(target).copied().unwrap_or(0);
        let turns: Vec<u64> = each.iter().enumerate().map(turn).collect();
        let mut unsent: Vec<_> = each
            .iter()
            .enumerate()
            .map(|(target, scheduled)| scheduled.unsent.get(target).cloned().unwrap_or_default())
            .collect();
        if split == Split::Copy {
            for (unsent, turns) in unsent.iter_mut().zip(&turns) {
                unsent.push((reason, requests - turns));
            }
        } else if let Some(first) = unsent.first_mut() {
            first.push((reason, requests - turns.iter().sum::<u64>()));
        }
        let reduce = |mut sum: Scheduled, other: Scheduled| {
            if other.requests > sum.requests {
                sum.intake = other.intake;
            }
            sum.requests = sum.requests.max(other.requests);
            if other.not_selected.number > sum.not_selected.number {
                sum.not_selected = other.not_selected;
            }
            sum.disordered = sum.disordered.max(other.disordered);
            sum.responses = sum.responses.max(other.responses);
            sum.rounds = sum.rounds.max(other.rounds);
            sum.failure = sum.failure.or(other.failure);
            sum.recorded = sum.recorded.or(other.recorded);
            sum
        };
        let sum = each.into_iter().reduce(reduce).unwrap_or_default();
        Scheduled { unscheduled: 0, unsent, turns, ..sum }
    }

    /// What was scheduled was for the child; this is what came of it. Its counts.
    pub(super) fn add_child(&mut self, through: ThroughChild) -> Box<MiddlewareTally> {
        self.unrouted = through.unrouted;
        let unsent = std::mem::replace(&mut self.unsent, through.unsent);
        self.unrouted.extend(unsent.into_iter().flatten().map(|(why, number)| (why, number, String::new())));
        self.failure = through.failure.or(self.failure.take());
        Box::new(through.tally)
    }
}

/// Schedules what is read for every target alike.
#[derive(Debug)]
pub(super) struct Scheduler {
    timeline: Timeline,
    is_closed_loop: bool,
    window: ReorderWindow,
    supply: Supply,
    /// When the first request is due. Not known before the clock has started.
    anchor: Option<u64>,
    start: StartBuffer,
    /// The newest timestamp of this round.
    newest: Option<i64>,
    /// The newest timestamp that was released, in this round.
    newest_released: Option<i64>,
    router: Router,
    selection: RequestSelection,
    /// Present where it matters which connection a request was on.
    sessions: Option<Sessions>,
    /// Whether a session's request is due by the answer before it.
    is_closed_by_session: bool,
    /// The wall clock's time at which the first request is due, if it is given.
    start_at: Option<i64>,
    scheduled: Scheduled,
    own: Own,
    /// When the last request is due, told once all of them are scheduled: monotonic nanoseconds.
    last_due: Arc<AtomicU64>,
    /// Whether recorded responses are wanted beside the requests.
    shows_responses: bool,
    /// What an earlier run has settled, where checkpoints are made; and how many targets get each request.
    from: Option<(ReplayPosition, usize)>,
    notes: Notes,
    /// Records read.
    read: u64,
    /// When the first request that is sent would be due if all before it were sent by this run.
    begins_at: Option<u64>,
    share_clock: ShareClock,
}

impl Scheduler {
    pub(super) fn new(settings: &Settings, has_streams: bool, router: Router) -> Self {
        let Settings { pace, supply, selection, sessions, middleware, .. } = settings;
        Scheduler {
            timeline: Timeline::new(*pace),
            is_closed_loop: pace.is_no_wait(),
            window: ReorderWindow::new(settings.read_depth),
            start: StartBuffer::new(supply.is_there),
            supply: supply.clone(),
            anchor: None,
            newest: None,
            newest_released: None,
            router,
            selection: *selection,
            sessions: (*sessions != SessionMode::Off || has_streams).then(Sessions::new),
            is_closed_by_session: *sessions == SessionMode::Think,
            start_at: settings.start_at,
            scheduled: Scheduled { rounds: 1, ..Scheduled::default() },
            own: Own::default(),
            last_due: Arc::default(),
            shows_responses: middleware.is_some(),
            from: None,
            notes: Notes::default(),
            read: 0,
            begins_at: None,
            share_clock: ShareClock::default(),
        }
    }

    /// Tells when the last request is due, once that is known.
    pub(super) fn telling(self, last_due: Arc<AtomicU64>) -> Self {
        Scheduler { last_due, ..self }
    }

    /// Leaves out the requests that the replay has sent itself.
    pub(super) fn knowing(self, own: Own) -> Self {
        Scheduler { own, ..self }
    }

    /// Goes on where an earlier run has ended, with so many recipients, and notes what is read.
    pub(super) fn going_on(self, from: Option<ReplayPosition>, recipients: usize, notes: Notes) -> Self {
        Scheduler { from: from.map(|from| (from, recipients)), notes, ..self }
    }

    /// Measures the latencies of the recording too.
    pub(super) fn measuring(mut self, recorded: Option<Box<RecordedLatencies>>) -> Self {
        self.scheduled.recorded = recorded;
        self
    }

    /// Schedules until the input has ended or the replay ends early. The workers
    /// learn of the end by their inboxes' being closed.
    pub(super) fn run(mut self, readings: &Receiver<Reading>, ending: &Ending) -> Scheduled {
        while !ending.is_near() {
            match readings.recv_timeout(self.longest_wait()) {
                Ok(Reading::Block(block, intake, checkpoint)) => {
                    self.scheduled.intake = intake;
                    self.follow_share(&block);
                    self.take(&block, checkpoint);
                    self.release_what_is_due();
                }
                Ok(Reading::Checkpoint(checkpoint)) => self.note(Vec::new(), Some((self.read, checkpoint))),
                Ok(Reading::Speed(speed)) => {
                    self.release_all();
                    self.timeline.set_input_speed(speed);
                }
                Ok(Reading::Round) => {
                    self.release_all();
                    self.start();
                    self.newest = None;
                    self.newest_released = None;
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
                // What is in files comes, and is put in the same order each time it is read.
                Err(RecvTimeoutError::Timeout) if self.is_closed_loop && self.supply.is_there => {}
                Err(RecvTimeoutError::Timeout) if self.is_closed_loop => self.release_all(),
                Err(RecvTimeoutError::Timeout) => self.release_what_is_due(),
                Err(RecvTimeoutError::Disconnected) => return self.end(),
            }
            self.start_if_it_is_time();
            self.hand_over();
        }
        self.scheduled.unscheduled += self.window.len() as u64;
        self.close(ending.reason())
    }

    fn end(mut self) -> Scheduled {
        self.release_all();
        self.start();
        if let Some(anchor) = self.anchor.filter(|_| !self.is_closed_loop) {
            self.last_due.store(anchor.saturating_add(self.router.last_due()), Ordering::Relaxed);
        }
        self.hand_over();
        self.close(None)
    }

    fn close(mut self, ending: Option<FailureReason>) -> Scheduled {
        self.scheduled.turns = self.router.turns();
        self.scheduled.unsent = self.router.close(ending.unwrap_or(FailureReason::Interrupted));
        self.scheduled
    }

    /// Until when nothing need be done if nothing is read.
    fn longest_wait(&self) -> Duration {
        let wait = match self.window.first() {
            _ if self.is_waiting_to_start() && self.start.has_begun() => START_LOOK,
            None => LONGEST_WAIT,
            Some(_) if self.is_closed_loop && self.supply.is_there => LONGEST_WAIT,
            Some(_) if self.is_closed_loop => SILENCE,
            Some(timestamp) => {
                let now = clock::now();
                let due = self.anchor.unwrap_or(now).saturating_add(self.peek(timestamp));
                due.saturating_sub(now + SOON).min(LONGEST_WAIT)
            }
        };
        Duration::from_nanos(wait)
    }

    /// When a request would be due if it came next, counted from the first that is sent.
    fn peek(&self, timestamp: i64) -> u64 {
        self.timeline.peek(timestamp).saturating_sub(self.begins_at.unwrap_or(0))
    }

    /// The targets, as bits, for which a request is settled; none where it is not to be sent at all. Requests at the
    /// beginning pass as if they were sent, so that what follows is due as it would have been.
    fn settled(&mut self, record: u64, header: &Header<'_>) -> Option<u64> {
        let Some((from, recipients)) = &self.from else { return Some(0) };
        match from.of(record, *recipients) {
            RequestProgress::Open(settled) => return Some(settled),
            RequestProgress::Before => drop(self.timeline.due(header.timestamp)),
            RequestProgress::Settled => {}
        }
        self.scheduled.skipped += 1;
        self.router.skip(header.id);
        None
    }

    /// Puts a block's requests in order, as far as the window is deep.
    fn take(&mut self, block: &Arc<Block>, checkpoint: Option<Box<dyn Checkpoint>>) {
        let before = self.scheduled.requests;
        let checkpoint = checkpoint.map(|checkpoint| (self.read, checkpoint));
        if let Some(recorded) = &mut self.scheduled.recorded {
            let selection = &self.selection;
            let is_asked =
                |view: &View<'_>| view.header.kind != Kind::Request || selection.takes(&view.header);
            block.iter().filter(is_asked).for_each(|view| recorded.take(&view));
        }
        let mut open = Vec::new();
        for (record, view) in block.iter().enumerate() {
            let number = self.read;
            self.read += 1;
            let place = self.sessions.as_mut().and_then(|sessions| sessions.note(&view.header));
            if view.header.kind == Kind::Request {
                if !self.selection.takes(&view.header) {
                    self.scheduled.not_selected.add(&view.header);
                    continue;
                }
                let Some(settled) = self.settled(number, &view.header) else { continue };
                self.scheduled.requests += 1;
                // What is in files was there before.
                if !self.supply.is_there && self.own.has_sent(&view.header) {
                    self.scheduled.own += 1;
                    continue;
                }
                self.newest = self.newest.max(Some(view.header.timestamp));
                let timestamp = view.header.timestamp;
                if self.from.is_some() {
                    open.push((number, settled));
                    self.begins_at.get_or_insert(self.timeline.peek(timestamp));
                }
                self.window.push(block, record, timestamp, place.unwrap_or_default(), settled);
                if let Some(request) = self.window.pop_excess() {
                    self.release(&request);
                }
            } else {
                self.scheduled.responses += 1;
                let is_shown = self.shows_responses && view.header.kind == Kind::Response;
                if is_shown && self.selection.takes(&view.header) {
                    self.router.push_response(block, record, self.window.pushed());
                }
            }
        }
        if self.from.is_some() {
            self.note(open, checkpoint);
        }
        if self.is_waiting_to_start() {
            let requests = (self.scheduled.requests - before) as usize;
            let mut preview = self.timeline.clone();
            if let Some(first) = self.window.first() {
                preview.due(first);
            }
            let covered = self.newest.map_or(0, |newest| preview.peek(newest));
            let covered = covered.saturating_sub(self.begins_at.unwrap_or(0));
            let read = self.supply.meter.bytes();
            self.start.add(clock::now(), read, requests, block.bytes().len(), covered);
        }
    }

    fn note_left_out(&mut self) {
        let mut left_out = self.router.take_left_out();
        if !left_out.is_empty() {
            let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
            notes.left_out.append(&mut left_out);
        }
    }

    /// Notes what was read: requests, and what the source is to be told of them.
    fn note(&mut self, mut requests: Vec<(u64, u64)>, checkpoint: Option<(u64, Box<dyn Checkpoint>)>) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        notes.records = self.read;
        notes.requests.append(&mut requests);
        notes.checkpoints.extend(checkpoint);
    }

    /// Begins with a share of a group, if the block is the first of it. What was read of the share before and is not
    /// sent is others' now, or comes again: the schedule goes on where it was with what was sent.
    fn follow_share(&mut self, block: &Block) {
        if !self.share_clock.begins(block) {
            return;
        }
        self.release_all();
        self.hand_over();
        // What comes again is no later part of its connection.
        if self.sessions.is_some() {
            self.sessions = Some(Sessions::new());
        }
        if let Some(anchor) = self.anchor {
            self.share_clock.rewind(&mut self.timeline, clock::now().saturating_sub(anchor));
        }
    }

    /// Whether requests wait for the clock, or would.
    fn is_waiting_to_start(&self) -> bool {
        self.anchor.is_none() && !self.is_closed_loop
    }

    fn start_if_it_is_time(&mut self) {
        if self.is_waiting_to_start() && self.start.is_time(clock::now(), self.supply.meter.bytes()) {
            self.start();
            self.release_what_is_due();
        }
    }

    /// Starts the clock, and hands over what waits for it.
    fn start(&mut self) {
        if self.is_waiting_to_start() && self.start.has_begun() {
            let now = clock::now();
            let wait = self.start_at.map_or(0, |time| time.saturating_sub(clock::wall()).max(0));
            self.anchor = Some(now + wait as u64);
            self.hand_over();
        }
    }

    fn release_what_is_due(&mut self) {
        if self.is_closed_loop || self.anchor.is_none() {
            return;
        }
        let now = clock::now();
        let soon = (now + SOON).saturating_sub(self.anchor.unwrap_or(now));
        while self.window.first().is_some_and(|timestamp| self.peek(timestamp) <= soon)
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

    /// Gives a request its due time, counted from the anchor.
    fn release(&mut self, request: &QueuedRequest) {
        if request.block().is_revoked() {
            self.scheduled.reassigned += 1;
            return;
        }
        let newest = self.newest_released.get_or_insert(request.timestamp);
        self.scheduled.disordered += u64::from(request.timestamp < *newest);
        *newest = request.timestamp.max(*newest);
        let before = self.share_clock.is_asked().then(|| self.timeline.clone());
        let due = self.timeline.due(request.timestamp).saturating_sub(self.begins_at.unwrap_or(0));
        if let (false, Some(before)) = (self.is_closed_loop, before) {
            let since = |anchor: u64| clock::now().saturating_sub(anchor);
            // Nothing is late by being read late.
            self.anchor = self.anchor.map(|anchor| anchor + ShareClock::pause_before(due, since(anchor)));
            self.share_clock.remember(due, before, self.anchor.map(since));
        }
        let think = request.place.think.filter(|_| self.is_closed_by_session);
        let think = think.map(|think| self.timeline.pause(think));
        let session = request.place.session;
        self.router.push(request, ScheduledRequest { due, session, think, ..ScheduledRequest::default() });
    }

    /// Hands over what was released, or has it wait for the clock.
    fn hand_over(&mut self) {
        if self.from.is_some() {
            self.note_left_out();
        }
        if !self.is_waiting_to_start() {
            let anchor = *self.anchor.get_or_insert_with(clock::now);
            self.router.hand_over(anchor);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pace::Pace;
    use crate::pace::{Share, Tempo};
    use crate::replay::reading::Supply;
    use crate::replay::routing::WorkerInbox;
    use crate::replay::schedule::RequestBatch;
    use mio::{Poll, Token, Waker};
    use std::sync::mpsc::{Sender, channel, sync_channel};
    use std::thread::{self, JoinHandle};

    const SECOND: i64 = 1_000_000_000;

    /// A scheduler at work: what it is given, what it hands over, and what it says in the end.
    struct SchedulerRun {
        readings: Sender<Reading>,
        batches: Receiver<Arc<RequestBatch>>,
        ending: Ending,
        thread: JoinHandle<Scheduled>,
        _poll: Poll,
    }

    fn work(depth: usize, pace: Pace) -> SchedulerRun {
        let poll = Poll::new().unwrap();
        let waker = Arc::new(Waker::new(poll.registry(), Token(0)).unwrap());
        let (inbox, batches) = sync_channel(100);
        let supply = Supply { is_there: true, ..Supply::default() };
        let inbox = WorkerInbox { batches: inbox, waker, waiting: Arc::default() };
        let router = Router::new([(vec![inbox], Share::All)], Split::Copy);
        let settings = Settings { pace, read_depth: depth, supply, ..Settings::default() };
        let scheduler = Scheduler::new(&settings, false, router);
        let (readings, taken) = channel();
        let ending = Ending::default();
        let end = ending.clone();
        let thread = thread::spawn(move || scheduler.run(&taken, &end));
        SchedulerRun { readings, batches, ending, thread, _poll: poll }
    }

    /// Requests at these times.
    fn block(times: &[i64]) -> Reading {
        let mut block = Block::new();
        for timestamp in times {
            let header = Header { kind: Kind::Request, id: b"1", timestamp: *timestamp, ..Header::default() };
            block.push(&header, b"GET / HTTP/1.1\r\n\r\n");
        }
        Reading::Block(Arc::new(block), Intake::default(), None)
    }

    fn dues(batches: &Receiver<Arc<RequestBatch>>) -> Vec<u64> {
        batches
            .iter()
            .flat_map(|batch| batch.entries.iter().map(|entry| entry.due).collect::<Vec<_>>())
            .collect()
    }

    #[test]
    fn the_clock_does_not_run_while_the_first_seconds_are_read() {
        for depth in [0, 2, 100] {
            let work = work(depth, Pace::default());
            work.readings.send(block(&[0, SECOND / 10])).unwrap();
            work.readings.send(block(&[SECOND / 5, SECOND / 4])).unwrap();
            // A large record may be read for long before it ends.
            let ended_at = clock::now();
            work.readings.send(Reading::End(Intake::default())).unwrap();
            let dues = dues(&work.batches);
            assert!(dues[0] >= ended_at, "depth {depth}: the first was due before the last was read");
            let offsets: Vec<u64> = dues.iter().map(|due| due - dues[0]).collect();
            assert_eq!(offsets, [0, 100_000_000, 200_000_000, 250_000_000], "depth {depth}");
            assert_eq!(work.thread.join().unwrap().requests, 4);
        }
    }

    #[test]
    fn the_clock_starts_without_the_end_when_enough_was_read() {
        for depth in [0, 2, 100] {
            let work = work(depth, Pace::default());
            work.readings.send(block(&[SECOND, 2 * SECOND])).unwrap();
            work.readings.send(block(&[3 * SECOND])).unwrap();
            let batch = work.batches.recv().unwrap();
            let first = batch.entries[0].due;
            let later = clock::now();
            work.readings.send(Reading::End(Intake::default())).unwrap();
            let mut all: Vec<u64> = batch.entries.iter().map(|entry| entry.due).collect();
            all.extend(dues(&work.batches));
            assert_eq!(all.last().map(|last| last - first), Some(2_000_000_000), "depth {depth}");
            assert!(first <= later, "depth {depth}");
        }
    }

    #[test]
    fn without_a_schedule_nothing_waits_for_a_clock() {
        let work = work(0, Pace { tempo: Tempo::NoWait, ..Pace::default() });
        work.readings.send(block(&[0])).unwrap();
        assert_eq!(work.batches.recv().unwrap().entries.len(), 1);
        drop(work.readings);
        work.thread.join().unwrap();
    }

    #[test]
    fn what_waits_for_the_clock_is_counted_when_the_replay_ends_before() {
        let work = work(1, Pace::default());
        work.readings.send(block(&[0, 1, 2])).unwrap();
        work.readings.send(block(&[3])).unwrap();
        work.ending.stop.sending.store(true, std::sync::atomic::Ordering::Relaxed);
        let scheduled = work.thread.join().unwrap();
        let unsent: u64 = scheduled.unsent[0].iter().map(|(_, number)| number).sum();
        assert_eq!(scheduled.unscheduled + unsent, scheduled.requests);
        assert_eq!(work.batches.try_iter().count(), 0);
    }

    #[test]
    fn the_next_round_goes_on_with_the_clock_of_the_first() {
        let work = work(100, Pace::default());
        work.readings.send(block(&[0, SECOND])).unwrap();
        work.readings.send(Reading::Round).unwrap();
        work.readings.send(block(&[0, SECOND])).unwrap();
        work.readings.send(Reading::End(Intake::default())).unwrap();
        let dues = dues(&work.batches);
        let offsets: Vec<u64> = dues.iter().map(|due| (due - dues[0]) / 1_000_000_000).collect();
        assert_eq!(offsets, [0, 1, 2, 3]);
    }
}
