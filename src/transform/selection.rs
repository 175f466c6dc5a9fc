//! Which records go on: what needs their order, and the tally of it.

use super::filter::{Note, Verdict};
use super::outcomes::{OutcomeTable, RequestOutcome};
use super::outstanding::{OutstandingRequest, OutstandingRequests};
use super::rules::{FilterRule, Rules};
use crate::record::Kind;

/// What is asked for besides the rules.
#[derive(Clone, Debug)]
pub struct Choice {
    /// The kinds that are written; empty means all.
    pub kinds: Vec<Kind>,
    /// How many records are written at most.
    pub limit: Option<u64>,
    /// Whether the records that pass are dropped, and the others written.
    pub is_inverted: bool,
    /// How many bytes of records after a request its response may begin, where
    /// a rule asks it.
    pub window: u64,
}

/// The window unless the user says otherwise: 8 MiB. What waits is kept in
/// memory, small records with as much again for what is known of them.
pub const DEFAULT_WINDOW: u64 = 8 << 20;

/// Records whose ids are looked for in memory at the same time.
const PREFETCH: usize = 32;

impl Default for Choice {
    fn default() -> Self {
        Choice { kinds: Vec::new(), limit: None, is_inverted: false, window: DEFAULT_WINDOW }
    }
}

/// What becomes of a record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RecordState {
    /// It is not written.
    Drop,
    /// It is written.
    Write,
    /// Its response decides.
    Wait,
}

/// Chooses among the records of a stream.
///
/// A request passes or fails by the rules. Where a rule asks the response,
/// the first one of the request's id within the window decides, original or
/// replayed; a request that gets none there fails. A response passes or fails
/// with the latest request of its id before it; where there was none, by what
/// it says itself. Inversion exchanges what passes and what fails. Of what then
/// passes, the records of the kinds asked for are written, up to the limit.
#[derive(Debug)]
pub struct Selection {
    choice: Choice,
    limit: u64,
    /// Whether requests wait for their responses.
    asks_responses: bool,
    /// Whether responses can be written at all.
    writes_responses: bool,
    /// Whether a response without a request may be judged by its own time, so
    /// that a request must be remembered although it passed.
    judges_time: bool,
    min_latency: Option<i64>,
    max_latency: Option<i64>,
    outcomes: OutcomeTable,
    outstanding: OutstandingRequests,
    tally: SelectionTally,
}

/// What became of the records. Each is counted in `written` or in one of the
/// fields that begin with `dropped`, once nothing waits any more.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct SelectionTally {
    /// Records looked at. Those after the limit are not.
    pub records: u64,
    /// Records that went on.
    pub written: u64,
    /// Not of the kinds asked for, whatever the rules say.
    pub dropped_by_kind: u64,
    /// Records that failed a rule, by the first they failed, as
    /// [`FilterRule::ALL`] has them.
    pub dropped_by_rule: [u64; FilterRule::ALL.len()],
    /// Requests whose response was asked for and did not come in time.
    pub dropped_unanswered: u64,
    /// Responses whose request was refused.
    pub dropped_with_request: u64,
    /// Records that pass, where those are dropped.
    pub dropped_by_inversion: u64,
    /// Records that passed or waited when the limit was reached.
    pub dropped_by_limit: u64,
    /// Requests whose outcome had to be forgotten before a response came.
    pub forgotten: u64,
    /// Responses that passed, but might have been refused with a request that
    /// was forgotten.
    pub doubtful: u64,
    /// Responses that came after the window.
    pub late: u64,
    /// Requests in all.
    pub requests: u64,
    /// When the first and the last of them began, in nanoseconds since the Unix epoch.
    pub times: Option<[i64; 2]>,
    /// Requests by the first rule they failed, whatever was chosen besides.
    pub failed: [u64; FilterRule::ALL.len()],
    /// Requests that passed every rule about themselves.
    pub asked: u64,
    /// Those of them whose response passed or failed a rule too.
    pub answered: u64,
}

impl SelectionTally {
    /// Records that are counted as written or dropped.
    pub(super) fn settled(&self) -> u64 {
        self.written
            + self.dropped_by_kind
            + self.dropped_by_rule.iter().sum::<u64>()
            + self.dropped_unanswered
            + self.dropped_with_request
            + self.dropped_by_inversion
            + self.dropped_by_limit
    }
}

/// Why a record passes or not.
#[derive(Clone, Copy)]
enum SelectionReason {
    Passes,
    Fails(FilterRule),
    Unanswered,
    WithRequest,
}

impl Selection {
    /// Nothing seen so far. `rules` are those of the filter.
    pub fn new(choice: Choice, rules: &Rules) -> Self {
        Selection::with_memory(choice, rules, OutcomeTable::new())
    }

    /// As [`Selection::new`], with a memory of its own size.
    pub(super) fn with_memory(choice: Choice, rules: &Rules, outcomes: OutcomeTable) -> Self {
        Selection {
            limit: choice.limit.unwrap_or(u64::MAX),
            asks_responses: rules.ask_the_response(),
            writes_responses: choice.kinds.is_empty()
                || choice.kinds.iter().any(|&kind| kind != Kind::Request),
            judges_time: rules.since.is_some() || rules.until.is_some(),
            min_latency: rules.min_latency,
            max_latency: rules.max_latency,
            outstanding: OutstandingRequests::new(choice.window),
            choice,
            outcomes,
            tally: SelectionTally::default(),
        }
    }

    /// Goes on with the records that `notes` are about, and replaces `states`
    /// with what becomes of each. Records after the limit have no place in it.
    ///
    /// `decided` is replaced with the records of earlier blocks that wait no
    /// longer, by their numbers over all blocks from 0, and whether each is
    /// written. Where responses are asked, the limit is for the caller to keep.
    pub fn select(&mut self, notes: &[Note], states: &mut Vec<RecordState>, decided: &mut Vec<(u64, bool)>) {
        states.clear();
        decided.clear();
        if self.asks_responses {
            self.outstanding.begin_block();
        }
        for group in notes.chunks(PREFETCH) {
            if self.is_over() {
                return;
            }
            if self.asks_responses || self.writes_responses {
                self.outcomes.prefetch(group.iter().map(|note| note.id));
            }
            if self.asks_responses {
                self.ask_group(group, states, decided);
            } else {
                self.judge_group(group, states);
            }
        }
        if self.asks_responses {
            // A response in the next block begins there at the earliest.
            self.expire(self.outstanding.position(), states, decided);
        }
    }

    fn judge_group(&mut self, notes: &[Note], states: &mut Vec<RecordState>) {
        for note in notes {
            if self.is_over() {
                return;
            }
            let (kind, reason) = (note.kind, self.reason(note));
            self.tally.records += 1;
            self.count_request(kind, reason);
            self.count_time(note);
            let is_written = self.settle(kind, reason);
            states.push(if is_written { RecordState::Write } else { RecordState::Drop });
        }
    }

    fn ask_group(&mut self, notes: &[Note], states: &mut Vec<RecordState>, decided: &mut Vec<(u64, bool)>) {
        for note in notes {
            self.expire(self.outstanding.position(), states, decided);
            let state = self.ask(note, states, decided);
            states.push(state);
            self.outstanding.step(u64::from(note.length));
        }
    }

    /// Decides on what still waits: there are no more records.
    pub fn finish(&mut self, decided: &mut Vec<(u64, bool)>) {
        decided.clear();
        self.outstanding.begin_block();
        while let Some((id, request)) = self.outstanding.take_oldest() {
            self.decide(id, &request, SelectionReason::Unanswered, &mut Vec::new(), decided);
        }
    }

    /// Whether requests wait for their responses.
    pub fn asks_responses(&self) -> bool {
        self.asks_responses
    }

    /// How many records are to be written at most.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Whether the limit is reached, so that no later record can be written.
    pub fn is_over(&self) -> bool {
        !self.asks_responses && self.tally.written >= self.limit
    }

    /// What became of the records so far.
    pub fn tally(&self) -> SelectionTally {
        SelectionTally { forgotten: self.outcomes.forgotten(), ..self.tally }
    }

    /// Why a record passes or not where no response is asked.
    fn reason(&mut self, note: &Note) -> SelectionReason {
        let by_itself = match note.verdict {
            Verdict::Drop(rule) => SelectionReason::Fails(rule),
            _ => SelectionReason::Passes,
        };
        if !self.writes_responses {
            return by_itself;
        }
        match (note.kind, by_itself) {
            (Kind::Request, SelectionReason::Passes) if self.judges_time => {
                self.outcomes.insert(note.id, RequestOutcome::Kept);
            }
            (Kind::Request, SelectionReason::Passes) => self.outcomes.remove(note.id),
            (Kind::Request, _) => self.outcomes.insert(note.id, RequestOutcome::Refused),
            (Kind::Response | Kind::Replayed, _) => return self.follow(note),
        }
        by_itself
    }

    /// What becomes of a record where responses are asked.
    fn ask(
        &mut self,
        note: &Note,
        states: &mut [RecordState],
        decided: &mut Vec<(u64, bool)>,
    ) -> RecordState {
        self.tally.records += 1;
        self.count_time(note);
        let before = self.outstanding.take(note.id);
        if note.kind != Kind::Request {
            if let Some(request) = before {
                let reason = self.answer(&request, note);
                self.decide(note.id, &request, reason, states, decided);
            }
            let reason = self.follow(note);
            return if self.settle(note.kind, reason) { RecordState::Write } else { RecordState::Drop };
        }
        if let Some(request) = before {
            // Another request of the same id: a response will be this one's.
            self.decide(note.id, &request, SelectionReason::Unanswered, states, decided);
        }
        let reason = match note.verdict {
            Verdict::Await { body } => {
                self.outcomes.remove(note.id);
                let is_held = self.wants(Kind::Request);
                self.outstanding.push(note, body, is_held);
                return if is_held {
                    RecordState::Wait
                } else {
                    self.tally.dropped_by_kind += 1;
                    RecordState::Drop
                };
            }
            Verdict::Keep => {
                self.outcomes.insert(note.id, RequestOutcome::Kept);
                SelectionReason::Passes
            }
            Verdict::Drop(rule) => {
                self.outcomes.insert(note.id, RequestOutcome::Refused);
                SelectionReason::Fails(rule)
            }
        };
        self.count_request(Kind::Request, reason);
        if self.settle(Kind::Request, reason) { RecordState::Write } else { RecordState::Drop }
    }

    /// Gives up the requests whose response cannot begin within the window
    /// any more when the next record begins at `position`.
    fn expire(&mut self, position: u64, states: &mut [RecordState], decided: &mut Vec<(u64, bool)>) {
        while let Some((id, request)) = self.outstanding.take_expired(position) {
            self.decide(id, &request, SelectionReason::Unanswered, states, decided);
            self.outcomes.insert(id, RequestOutcome::GivenUp);
        }
    }

    /// What the response to a request that waits says.
    fn answer(&self, request: &OutstandingRequest, response: &Note) -> SelectionReason {
        if let Verdict::Drop(rule @ (FilterRule::Status | FilterRule::NotStatus)) = response.verdict {
            return SelectionReason::Fails(rule);
        }
        if let Some(rule) = self.failed_by_latency(response, Some(request.time)) {
            return SelectionReason::Fails(rule);
        }
        match response.verdict {
            Verdict::Drop(rule) if request.needs_body => SelectionReason::Fails(rule),
            _ => SelectionReason::Passes,
        }
    }

    /// The first rule about latency that an exchange fails. One that is not
    /// known fails them all.
    fn failed_by_latency(&self, response: &Note, began: Option<i64>) -> Option<FilterRule> {
        let took = match response.kind {
            Kind::Replayed => Some(response.time).filter(|&took| took != super::filter::NO_TIME),
            _ => began.map(|began| response.time.saturating_sub(began)),
        };
        if self.min_latency.is_some_and(|min| took.is_none_or(|took| took < min)) {
            return Some(FilterRule::MinLatency);
        }
        self.max_latency
            .is_some_and(|max| took.is_none_or(|took| took > max))
            .then_some(FilterRule::MaxLatency)
    }

    /// Settles a request that waited.
    fn decide(
        &mut self,
        id: u64,
        request: &OutstandingRequest,
        reason: SelectionReason,
        states: &mut [RecordState],
        decided: &mut Vec<(u64, bool)>,
    ) {
        let outcome = if matches!(reason, SelectionReason::Passes) {
            RequestOutcome::Kept
        } else {
            RequestOutcome::Refused
        };
        self.outcomes.insert(id, outcome);
        self.count_request(Kind::Request, reason);
        if !request.is_held {
            return;
        }
        let is_written = self.settle(Kind::Request, reason);
        match self.outstanding.index_in_block(request) {
            Some(index) => states[index] = if is_written { RecordState::Write } else { RecordState::Drop },
            None => decided.push((request.record, is_written)),
        }
    }

    /// Why a response passes or not: with its request, or by itself.
    fn follow(&mut self, note: &Note) -> SelectionReason {
        let reason = match self.outcomes.answer(note.id) {
            Some(RequestOutcome::Kept) => SelectionReason::Passes,
            Some(RequestOutcome::Refused) => return SelectionReason::WithRequest,
            Some(RequestOutcome::GivenUp) => {
                self.tally.late += 1;
                return SelectionReason::WithRequest;
            }
            None => {
                let by_itself = match note.verdict {
                    Verdict::Drop(rule @ (FilterRule::Status | FilterRule::NotStatus)) => Some(rule),
                    Verdict::Drop(rule) => self.failed_by_latency(note, None).or(Some(rule)),
                    _ => self.failed_by_latency(note, None),
                };
                if let Some(rule) = note.alone.or(by_itself) {
                    return SelectionReason::Fails(rule);
                }
                self.tally.doubtful += u64::from(self.outcomes.forgotten() > 0);
                SelectionReason::Passes
            }
        };
        if note.is_incomplete { SelectionReason::Fails(FilterRule::Complete) } else { reason }
    }

    fn wants(&self, kind: Kind) -> bool {
        self.choice.kinds.is_empty() || self.choice.kinds.contains(&kind)
    }

    /// Counts a record, and says whether it is written.
    fn settle(&mut self, kind: Kind, reason: SelectionReason) -> bool {
        let passes = matches!(reason, SelectionReason::Passes);
        let is_wanted = self.wants(kind);
        let tally = &mut self.tally;
        let counted = if !is_wanted {
            &mut tally.dropped_by_kind
        } else if passes != self.choice.is_inverted {
            tally.written += 1;
            return true;
        } else {
            match reason {
                SelectionReason::Passes => &mut tally.dropped_by_inversion,
                SelectionReason::Fails(rule) => &mut tally.dropped_by_rule[rule as usize],
                SelectionReason::Unanswered => &mut tally.dropped_unanswered,
                SelectionReason::WithRequest => &mut tally.dropped_with_request,
            }
        };
        *counted += 1;
        false
    }

    /// Takes note of when requests begin.
    fn count_time(&mut self, note: &Note) {
        if note.kind == Kind::Request {
            let [first, last] = self.tally.times.get_or_insert([note.time; 2]);
            *first = (*first).min(note.time);
            *last = (*last).max(note.time);
        }
    }

    /// Counts what the rules said about a request.
    fn count_request(&mut self, kind: Kind, reason: SelectionReason) {
        if kind != Kind::Request {
            return;
        }
        let tally = &mut self.tally;
        tally.requests += 1;
        match reason {
            SelectionReason::Fails(rule) => {
                tally.failed[rule as usize] += 1;
                let is_answer = rule.is_about_the_response();
                tally.asked += u64::from(is_answer);
                tally.answered += u64::from(is_answer);
            }
            SelectionReason::Passes => {
                tally.asked += 1;
                tally.answered += 1;
            }
            SelectionReason::Unanswered | SelectionReason::WithRequest => tally.asked += 1,
        }
    }
}
