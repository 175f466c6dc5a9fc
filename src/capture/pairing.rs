//! Which response answers which request, told only where the packets prove it.
//!
//! As long as nothing is missing, counting is proof: the n-th response answers the n-th request (RFC 9112 §9.3.2).
//! After a loss, or without the connection's beginning, the count is lost, and acknowledgement numbers take its
//! place. A client sends requests in batches (of one, unless it pipelines), each when it has all responses to the
//! batch before; so all requests of a batch acknowledge the same byte, and that byte is where their responses begin:
//!
//! - **Forwards**: a response that begins at the byte acknowledged by a batch answers the batch's first request, and
//!   the responses that follow on it the next ones. This needs the first request, so the one before it must have
//!   been seen too.
//! - **Backwards**: when a new batch acknowledges the end of a response, that response answered the last request of
//!   the batch before, and those before it the requests before that one. This needs the last request, so nothing may
//!   be missing before the new batch.
//!
//! In both ways a response never answers a request that the server had not acknowledged when it began to answer, nor
//! one that acknowledges more than what came before the response. A client that was seen to send a new batch while
//! responses to an earlier one were on their way is not believed: only counting tells its pairs.
//!
//! That a client waits at all is known once it was seen to do so while nothing was missing. Pairs told after a loss
//! before that are marked as doubtful; those of a connection joined in its middle are only counted, as they would be
//! all that is ever told of it.

use std::collections::VecDeque;

use crate::http::RequestContext;
use crate::record::Mark;
use crate::tcp::Seq;

/// Requests of one connection that wait for their responses. More than any client pipelines; a server that never
/// answers must not cost memory for ever.
const MAX_PENDING: usize = 4096;

/// A request that waits for its response.
#[derive(Clone, Copy, Debug)]
pub(super) struct UnansweredRequest {
    /// The number that its id is made of.
    pub(super) exchange: Seq,
    /// What its first segment acknowledged.
    pub(super) ack: Option<Seq>,
    /// Its first byte, and the one after its head.
    start: Seq,
    head_end: Seq,
    /// The byte after it, once it is whole.
    pub(super) end: Option<Seq>,
    /// What the framing of its response depends on.
    pub(super) context: RequestContext,
    /// Whether it may be text in the body of another message.
    pub(super) is_doubtful: bool,
    place: BatchPosition,
}

impl UnansweredRequest {
    /// A request whose place among the others is not known.
    pub(super) fn new(
        exchange: Seq,
        ack: Option<Seq>,
        start: Seq,
        head_end: Seq,
        context: RequestContext,
    ) -> Self {
        UnansweredRequest {
            exchange,
            ack,
            start,
            head_end,
            end: None,
            context,
            is_doubtful: false,
            place: BatchPosition::Unknown,
        }
    }

    /// What marks it, and the response to it.
    pub(super) fn mark(&self) -> Option<Mark> {
        self.is_doubtful.then_some(Mark::Doubtful)
    }

    /// Whether a response may answer it that begins at `start` and acknowledges `ack`.
    fn may_be_answered(&self, start: Seq, ack: Option<Seq>) -> bool {
        self.ack.is_none_or(|own| !own.is_after(start))
            && ack.is_none_or(|received| !self.head_end.is_after(received))
    }
}

/// Where in its batch a request is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum BatchPosition {
    /// It is the first.
    First,
    /// The request before it, which was seen, is of the same batch.
    Later,
    /// What was sent before it is missing.
    Unknown,
    /// What was sent before it is missing, and was of the same batch: the server said nothing in between.
    Within,
}

impl BatchPosition {
    fn is_after_gap(self) -> bool {
        matches!(self, BatchPosition::Unknown | BatchPosition::Within)
    }
}

/// What is known of the bytes before the next request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Before {
    /// Nothing: bytes are missing there.
    Gap,
    /// It is the first of the connection.
    Start,
    /// A request that acknowledged this.
    Request(Option<Seq>),
}

/// What a response is found to be when it begins.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    /// It answers this request.
    To(UnansweredRequest),
    /// What it answers may be told when the next batch begins: see [`Pairing::begin_batch`].
    Later,
    /// What it answers cannot be told.
    Unknown,
}

/// A response whose request is not known yet.
#[derive(Clone, Copy, Debug)]
struct Unpaired {
    start: Seq,
    ack: Option<Seq>,
    end: Option<Seq>,
}

/// A response whose request is known.
#[derive(Clone, Copy, Debug)]
struct PairedResponse {
    /// What the request acknowledged.
    batch: Option<Seq>,
    /// What the response's first segment acknowledged.
    ack: Option<Seq>,
    /// The byte after the response.
    end: Seq,
}

/// How a client was seen to send its requests.
#[allow(clippy::struct_excessive_bools, reason = "each is seen by itself")]
#[derive(Clone, Copy, Debug, Default)]
struct Habits {
    /// A batch of several requests.
    has_batches: bool,
    /// It waited for the responses to such a batch, all of them counted.
    has_waited: bool,
    /// A batch before the responses to the one before had ended.
    has_overlaps: bool,
    /// A request when it had the response to the one before, nothing of the connection missing.
    has_alternated: bool,
}

/// The pairing of one connection.
#[allow(clippy::struct_excessive_bools, reason = "each is known by itself")]
#[derive(Debug)]
pub(super) struct Pairing {
    pending: VecDeque<UnansweredRequest>,
    before: Before,
    /// Whether messages may be missing, so that counting proves nothing.
    is_disturbed: bool,
    /// Of the requests that wait, how many came before the first that may be missing, so that counting proves still.
    counted: usize,
    habits: Habits,
    /// Up to where the server had said all that it had to say when requests went missing, if that is known.
    said: Option<Seq>,
    /// The latest response, if what it answers is known and nothing is missing since.
    answered: Option<PairedResponse>,
    /// What the first segment of the latest response acknowledged, and the byte after that response, if nothing is
    /// missing since.
    latest: Option<(Option<Seq>, Seq)>,
    /// Where the latest gap in the requests begins, until a request comes.
    gap_at: Option<Seq>,
    /// Responses that follow one on the other, and whose requests are not known yet.
    unpaired: Vec<Unpaired>,
    /// Whether bytes are missing, or responses forgotten, before the next response.
    has_gap: bool,
    /// Whether that was so before the first response not paired yet.
    is_after_gap: bool,
    /// Whether the connection was joined in its middle.
    is_joined: bool,
    /// Requests given up without a response.
    pub(super) unanswered: u64,
    /// Pairs told of a connection joined in its middle, as of a client that waits.
    pub(super) assumed: u64,
}

impl Default for Pairing {
    fn default() -> Self {
        Pairing {
            pending: VecDeque::new(),
            before: Before::Start,
            is_disturbed: false,
            counted: 0,
            habits: Habits::default(),
            said: None,
            answered: None,
            latest: None,
            gap_at: None,
            unpaired: Vec::new(),
            has_gap: false,
            is_after_gap: false,
            is_joined: false,
            unanswered: 0,
            assumed: 0,
        }
    }
}

impl Pairing {
    /// Whether a response may begin at `start` though its segment acknowledges nothing new: a batch begins to be
    /// answered there, or the server has several requests to answer.
    pub(super) fn expects_response(&self, start: Seq) -> bool {
        self.pending.len() > 1 || self.begins_answer(start)
    }

    /// Whether the client had heard all before `start` when it sent a request, so that a response begins there.
    pub(super) fn begins_answer(&self, start: Seq) -> bool {
        self.pending.iter().any(|request| request.ack == Some(start))
    }

    /// Whether `start` is behind where the only answer begins that the server owes: then it is within that answer.
    pub(super) fn is_inside_answer(&self, start: Seq) -> bool {
        self.pending.len() == 1
            && self.pending.iter().any(|request| request.ack.is_some_and(|ack| start.is_after(ack)))
    }

    /// Whether one of the requests that a response may answer is a HEAD.
    pub(super) fn may_answer_head(&self) -> bool {
        self.pending.iter().any(|request| request.context.head)
    }

    /// What the first segment of the latest response acknowledged, and the byte after that response, if nothing of the
    /// server's is missing since.
    pub(super) fn latest(&self) -> Option<(Option<Seq>, Seq)> {
        self.latest
    }

    /// Whether no request waits for its response.
    pub(super) fn is_idle(&self) -> bool {
        self.pending.is_empty()
    }

    /// Forgets the requests that wait; tells how many they were.
    pub(super) fn clear(&mut self) -> u64 {
        let count = self.pending.len() as u64;
        self.pending.clear();
        self.counted = 0;
        count
    }

    /// Memory besides the pairing itself.
    pub(super) fn memory(&self) -> usize {
        self.pending.capacity() * size_of::<UnansweredRequest>()
            + self.unpaired.capacity() * size_of::<Unpaired>()
    }

    /// Bytes that the client sent are missing from `at` on; there may have been requests in them. `first` is the first
    /// byte that the server said, if that is known.
    pub(super) fn gap_in_requests(&mut self, at: Seq, first: Option<Seq>) {
        self.gap_at.get_or_insert(at);
        if self.before == Before::Start {
            self.is_joined |= first.is_none();
            self.said = first;
        } else if self.before != Before::Gap {
            self.said = self.answered.filter(|_| self.pending.is_empty()).map(|answered| answered.end);
        }
        if !self.is_disturbed {
            self.counted = self.pending.len();
        }
        self.is_disturbed = true;
        self.before = Before::Gap;
    }

    /// Bytes that the server sent are missing; there may have been responses in them. Those that are not paired yet
    /// stay so, and are forgotten here.
    pub(super) fn gap_in_responses(&mut self) {
        self.is_disturbed = true;
        self.counted = 0;
        self.answered = None;
        self.latest = None;
        self.unpaired.clear();
        self.has_gap = true;
    }

    /// Forgets the responses that are not paired yet.
    pub(super) fn forget_unpaired(&mut self) {
        self.unpaired.clear();
        self.has_gap = true;
    }

    /// A request begins that acknowledges `ack`. If it begins a batch, the responses not paired yet are settled: each
    /// one's request, in their order. None: it begins none, and they are not.
    pub(super) fn begin_batch(&mut self, ack: Option<Seq>) -> Option<Vec<Option<UnansweredRequest>>> {
        if self.unpaired.is_empty() || self.before == Before::Request(ack) {
            return None;
        }
        let mut requests = self.backwards(ack);
        if requests.iter().any(Option::is_some) {
            requests.iter_mut().flatten().for_each(|request| *request = self.doubt(*request));
            self.unanswered += self.clear().saturating_sub(requests.iter().flatten().count() as u64);
        }
        self.unpaired.clear();
        Some(requests)
    }

    /// What the responses not paired yet answer, told from the batch that begins now and acknowledges `ack`.
    fn backwards(&mut self, ack: Option<Seq>) -> Vec<Option<UnansweredRequest>> {
        let mut requests = vec![None; self.unpaired.len()];
        let is_end = self.unpaired.last().is_some_and(|last| last.end.is_some() && last.end == ack);
        // A last request that is missing would have been received before it was answered.
        let is_last_seen = match (self.before, self.unpaired.last(), self.gap_at) {
            (Before::Gap, Some(last), Some(gap)) => last.ack.is_some_and(|ack| !ack.is_after(gap)),
            _ => true,
        };
        if !is_end || !is_last_seen {
            return requests;
        }
        let batch = self.pending.back().and_then(|last| last.ack);
        let requests_of_batch = self.pending.iter().rev().take_while(|request| request.ack == batch);
        let size: usize =
            requests_of_batch.map(|request| 1 + usize::from(request.place == BatchPosition::Within)).sum();
        if batch.is_some() && self.unpaired.first().map(|first| first.start) == batch {
            // If there are fewer, responses to the batch are still to come, or to none.
            self.habits.has_overlaps |= self.unpaired.len() < size;
            self.habits.has_waited |= size > 1 && self.unpaired.len() == size;
        } else if self.is_after_gap {
            // At least one response is missing.
            self.habits.has_waited |= size > 1 && self.unpaired.len() + 1 >= size;
        }
        if self.habits.has_overlaps || self.has_unknown_habits() {
            return requests;
        }
        for ((index, response), request) in
            self.unpaired.iter().enumerate().rev().zip(self.pending.iter().rev())
        {
            if request.ack != batch || !request.may_be_answered(response.start, response.ack) {
                break;
            }
            requests[index] = Some(*request);
            if request.place != BatchPosition::Later {
                // The responses to a batch begin at the byte that it acknowledges; if not, one is too many here.
                let may_be_elsewhere = request.place.is_after_gap() || (index == 0 && self.is_after_gap);
                if request.ack != Some(response.start) && !may_be_elsewhere {
                    requests.fill(None);
                }
                break;
            }
        }
        requests
    }

    /// No request will follow: settles the responses not paired yet, if there are any.
    ///
    /// One alone, to a request that was alone on its way as far as can be seen, answers that request.
    pub(super) fn end(&mut self) -> Vec<Option<UnansweredRequest>> {
        let mut requests = vec![None; self.unpaired.len()];
        if let ([response], Some(request)) = (&self.unpaired[..], self.pending.back().copied())
            && !self.habits.has_batches
            && !self.habits.has_overlaps
            && response.end.is_some()
            && request.ack == Some(response.start)
            && request.end.is_some()
            && request.end == response.ack
        {
            requests[0] = Some(self.doubt(request));
            self.unanswered += self.clear() - 1;
        }
        self.unpaired.clear();
        requests
    }

    /// The head of a request is whole.
    pub(super) fn request(&mut self, mut request: UnansweredRequest) {
        request.place = match self.before {
            Before::Gap if self.is_first(&request) => BatchPosition::First,
            Before::Gap if self.said.is_some() && self.said == request.ack => BatchPosition::Within,
            Before::Gap => BatchPosition::Unknown,
            Before::Request(ack) if ack == request.ack => BatchPosition::Later,
            Before::Start | Before::Request(_) => BatchPosition::First,
        };
        self.habits.has_batches |= request.place == BatchPosition::Later;
        self.habits.has_overlaps |= self.overlaps(&request);
        let is_answered = self.answered.is_some_and(|answered| request.ack == Some(answered.end));
        self.habits.has_waited |= self.habits.has_batches && is_answered && self.pending.is_empty();
        self.habits.has_alternated |= !self.is_disturbed && is_answered && self.pending.is_empty();
        self.gap_at = None;
        self.before = Before::Request(request.ack);
        if self.pending.len() == MAX_PENDING {
            self.pending.pop_front();
            self.unanswered += 1;
            self.is_disturbed = true;
            self.counted = 0;
        }
        self.pending.push_back(request);
        self.look_for_overlap();
    }

    /// Whether a request, before which others are missing, is the first of its batch: those that are missing had been
    /// received before the latest response began, which the client had heard to its end.
    fn is_first(&self, request: &UnansweredRequest) -> bool {
        self.latest.is_some_and(|(ack, end)| {
            request.ack == Some(end) && ack.is_some_and(|ack| !ack.is_before(request.start))
        })
    }

    /// Whether a request shows by what it acknowledges that its client does not wait for the responses to a batch.
    fn overlaps(&self, request: &UnansweredRequest) -> bool {
        if self.pending.is_empty() && self.gap_at.is_none() {
            return false; // There is none that it could overlap, as nearly always.
        }
        // The latest response began before all of an earlier request was received, which so is still open.
        let is_open = |received: Seq| {
            self.pending.iter().any(|other| other.ack != request.ack && other.head_end.is_after(received))
        };
        if let Some((Some(received), end)) = self.latest
            && request.ack == Some(end)
            && is_open(received)
        {
            return true;
        }
        let Some(answered) = self.answered.filter(|answered| request.ack == Some(answered.end)) else {
            return false;
        };
        // The client had heard the latest response and nothing more. Not answered yet were the requests that wait, or
        // those that are missing but which the server had received when it began to respond.
        let has_received = |gap: Seq| answered.ack.is_some_and(|ack| ack.is_after(gap));
        self.pending.iter().any(|other| other.ack != request.ack) || self.gap_at.is_some_and(has_received)
    }

    /// The latest request is whole, and ends at `end`.
    pub(super) fn request_end(&mut self, exchange: Seq, end: Seq) {
        if let Some(request) = self.pending.back_mut().filter(|request| request.exchange == exchange) {
            request.end = Some(end);
        }
    }

    /// The latest request gets another number.
    pub(super) fn renumber(&mut self, exchange: Seq, number: Seq) {
        if let Some(request) = self.pending.back_mut().filter(|request| request.exchange == exchange) {
            request.exchange = number;
        }
    }

    /// A response begins at `start`, or at the empty lines before it that begin at `from`, in a segment that
    /// acknowledges `ack`.
    pub(super) fn response(&mut self, from: Seq, start: Seq, ack: Option<Seq>) -> Answer {
        if self.is_disturbed && self.counted == 0 {
            return self.disturbed_response(from, start, ack);
        }
        if let Some(&request) = self.pending.front().filter(|request| request.may_be_answered(start, ack)) {
            self.pending.pop_front();
            self.counted = self.counted.saturating_sub(1);
            return Answer::To(request);
        }
        // An answer to nothing: its request may come to light yet.
        (self.is_disturbed, self.counted) = (true, 0);
        Answer::Unknown
    }

    fn disturbed_response(&mut self, from: Seq, start: Seq, ack: Option<Seq>) -> Answer {
        if self.habits.has_overlaps {
            self.unanswered += self.clear();
            return Answer::Unknown;
        }
        self.drop_answered(start);
        let has_gap = std::mem::take(&mut self.has_gap);
        let follows = self.answered.filter(|answered| answered.end == from).map(|answered| answered.batch);
        if let Some(&request) = self.pending.front()
            && !self.has_unknown_habits()
            && request.may_be_answered(start, ack)
            && match request.place {
                BatchPosition::First => request.ack.is_some_and(|own| !own.is_before(from)),
                BatchPosition::Later => follows == Some(request.ack),
                BatchPosition::Unknown | BatchPosition::Within => false,
            }
        {
            self.pending.pop_front();
            return Answer::To(self.doubt(request));
        }
        self.answered = None;
        if self.unpaired.is_empty() && !self.pending.iter().any(|request| request.may_be_answered(start, ack))
        {
            return Answer::Unknown;
        }
        if self.unpaired.is_empty() {
            self.is_after_gap = has_gap;
        }
        self.unpaired.push(Unpaired { start, ack, end: None });
        Answer::Later
    }

    /// A request found to be answered after something was missing: with a mark, or counted, if it is not known that its
    /// client waits for responses.
    fn doubt(&mut self, mut request: UnansweredRequest) -> UnansweredRequest {
        if !self.habits.has_waited && !self.habits.has_alternated {
            request.is_doubtful |= !self.is_joined;
            self.assumed += u64::from(self.is_joined);
        }
        request
    }

    /// Whether the client sends requests ahead, and was not seen yet to wait for all responses to them.
    fn has_unknown_habits(&self) -> bool {
        self.habits.has_batches && !self.habits.has_waited
    }

    /// Drops the batches before the latest one that acknowledges no more than what comes before `start`: their
    /// responses have come before.
    fn drop_answered(&mut self, start: Seq) {
        let begins = |index: &usize| {
            let (before, first) = (&self.pending[index - 1], &self.pending[*index]);
            before.ack != first.ack && first.ack.is_some_and(|ack| !ack.is_after(start))
        };
        if let Some(first) = (1..self.pending.len()).rev().find(begins) {
            self.pending.drain(..first);
            self.unanswered += first as u64;
        }
    }

    /// The response to `request`, or one not paired yet, ends at `end`. Its first segment acknowledged `ack`.
    pub(super) fn response_end(&mut self, request: Option<&UnansweredRequest>, ack: Option<Seq>, end: Seq) {
        self.latest = Some((ack, end));
        if let Some(request) = request {
            self.answered = Some(PairedResponse { batch: request.ack, ack, end });
            self.look_for_overlap();
        } else if let Some(last) = self.unpaired.last_mut() {
            // One whose request cannot be told at all is not among them: what is there has its end already.
            last.end.get_or_insert(end);
        }
    }

    /// Whether the next request was sent before the latest response had ended, and not in the same batch as the
    /// request that it answers.
    fn look_for_overlap(&mut self) {
        if let (Some(answered), Some(next)) = (self.answered, self.pending.front()) {
            let is_before_end = next.ack.is_some_and(|ack| ack.is_before(answered.end));
            self.habits.has_overlaps |= next.ack != answered.batch && is_before_end;
        }
    }
}

#[cfg(test)]
mod tests;
