//! What became of every request, in numbers that add up.
//!
//! requests = sent + not sent by reason; sent = answered + failed by reason.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::clock::event_time;
use super::exchange::ReplayExchange;
use super::watching::WatchedDurations;
use crate::observe::Durations;
use crate::report::{Answered, GroupId, Measurements};

/// Why a request was not sent, or had no answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(usize)]
pub enum FailureReason {
    /// The record is marked as cut or as having gaps.
    Marked,
    /// The record is not one whole HTTP/1 request.
    Broken,
    /// It is beyond the share of this target.
    LeftOut,
    /// This replay has sent it, and it was recorded anew.
    OwnRequest,
    /// The group gave it to another of its readers before it was sent.
    Reassigned,
    /// The user ended the replay.
    Interrupted,
    /// The time that the replay was given was over.
    TimeOver,
    /// The output failed, and the replay ended with it.
    OutputFailed,
    /// The middleware failed, and the replay ended with it.
    MiddlewareFailed,
    /// The middleware did not send it back in time.
    KeptByMiddleware,
    /// The same, where it may drop requests.
    DroppedByMiddleware,
    /// More requests were due than the queue holds.
    QueueFull,
    /// As many connections as are allowed were busy until the timeout.
    HeldByConnections,
    /// No more descriptors were allowed, and all connections were busy until the timeout.
    HeldByDescriptors,
    /// The output took no more answers, and it is to be waited for.
    HeldByOutput,
    /// The requests before it on its recorded connection were not answered until the timeout.
    HeldBySession,
    /// It came from the input when its timeout was over.
    ReadTooLate,
    /// Nothing listens there.
    Refused,
    /// The connection could not be made, for another reason.
    Unreachable,
    /// The connection was not made within the timeout.
    ConnectTimeout,
    /// The handshake of TLS failed, or something in TLS later.
    TlsFailed,
    /// The process may not open more descriptors.
    Descriptors,
    /// The other side reset the connection before the first byte of an answer.
    ResetBeforeAnswer,
    /// The other side reset the connection inside the answer.
    ResetInsideAnswer,
    /// The connection was closed before the first byte of an answer.
    ClosedBeforeAnswer,
    /// The connection was closed inside the answer.
    ClosedInsideAnswer,
    /// The answer was not whole within the timeout, of which much had passed before the request was sent.
    SentTooLate,
    /// The answer was not whole within the timeout.
    Timeout,
    /// The user did not wait for the answer.
    NotWaitedFor,
    /// The answer is not HTTP/1.
    MalformedAnswer,
    /// An answer was there before the request was sent, on another connection too.
    Unasked,
    /// A redirect leads to a server whose name could not be looked up.
    RedirectUnresolved,
    /// A redirect leads to a server to which no connection could be made.
    RedirectUnreachable,
}

/// How many reasons there are.
const REASONS: usize = 33;

impl FailureReason {
    /// All of them, in the order in which a summary has them.
    pub const ALL: [FailureReason; REASONS] = [
        FailureReason::Marked,
        FailureReason::Broken,
        FailureReason::LeftOut,
        FailureReason::OwnRequest,
        FailureReason::Reassigned,
        FailureReason::Interrupted,
        FailureReason::TimeOver,
        FailureReason::OutputFailed,
        FailureReason::MiddlewareFailed,
        FailureReason::KeptByMiddleware,
        FailureReason::DroppedByMiddleware,
        FailureReason::QueueFull,
        FailureReason::HeldByConnections,
        FailureReason::HeldByDescriptors,
        FailureReason::HeldByOutput,
        FailureReason::HeldBySession,
        FailureReason::ReadTooLate,
        FailureReason::Refused,
        FailureReason::Unreachable,
        FailureReason::ConnectTimeout,
        FailureReason::TlsFailed,
        FailureReason::Descriptors,
        FailureReason::ResetBeforeAnswer,
        FailureReason::ResetInsideAnswer,
        FailureReason::ClosedBeforeAnswer,
        FailureReason::ClosedInsideAnswer,
        FailureReason::SentTooLate,
        FailureReason::Timeout,
        FailureReason::NotWaitedFor,
        FailureReason::MalformedAnswer,
        FailureReason::Unasked,
        FailureReason::RedirectUnresolved,
        FailureReason::RedirectUnreachable,
    ];

    /// Whether the first time is to be told when it happens. The end of the replay is told by itself.
    fn is_told_at_once(self) -> bool {
        let is_of_the_end = matches!(
            self,
            FailureReason::Interrupted
                | FailureReason::NotWaitedFor
                | FailureReason::OutputFailed
                | FailureReason::MiddlewareFailed
        );
        !is_of_the_end && !self.is_of_the_recording()
    }

    /// Whether the recording is the reason, or what was asked for, or another reader of a group, so that nothing went
    /// wrong here.
    pub(super) fn is_of_the_recording(self) -> bool {
        matches!(
            self,
            FailureReason::Marked
                | FailureReason::Broken
                | FailureReason::LeftOut
                | FailureReason::TimeOver
                | FailureReason::Reassigned
                | FailureReason::DroppedByMiddleware
        )
    }
}

impl fmt::Display for FailureReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            FailureReason::Marked => "marked in the recording as incomplete or doubtful",
            FailureReason::Broken => "not one whole HTTP/1 request",
            FailureReason::LeftOut => "beyond the target's share (TARGET|N, TARGET|N%)",
            FailureReason::OwnRequest => {
                "sent by this replay itself, and recorded again (gor-record --not-client)"
            }
            FailureReason::Reassigned => "left to another reader of the group",
            FailureReason::Interrupted => "interrupted",
            FailureReason::TimeOver => "time over (--exit-after)",
            FailureReason::OutputFailed => "the output failed, or its reader closed it",
            FailureReason::MiddlewareFailed => "the middleware failed",
            FailureReason::KeptByMiddleware => {
                "not sent back by the middleware in time (does it flush each line? --middleware-may-drop)"
            }
            FailureReason::DroppedByMiddleware => "dropped by the middleware (--middleware-may-drop)",
            FailureReason::QueueFull => "queue full",
            FailureReason::HeldByConnections => "held back by the limit on connections",
            FailureReason::HeldByDescriptors => "held back by the limit on descriptors",
            FailureReason::HeldByOutput => "held back by the output",
            FailureReason::HeldBySession => "held back by earlier requests of its connection",
            FailureReason::ReadTooLate => "read from the input too late",
            FailureReason::Refused => "connection refused",
            FailureReason::Unreachable => "no connection",
            FailureReason::ConnectTimeout => "no connection within the timeout",
            FailureReason::TlsFailed => "TLS failed",
            FailureReason::Descriptors => "too many open files",
            FailureReason::ResetBeforeAnswer => "connection reset before an answer",
            FailureReason::ResetInsideAnswer => "connection reset inside the answer",
            FailureReason::ClosedBeforeAnswer => "closed before an answer",
            FailureReason::ClosedInsideAnswer => "closed inside the answer",
            FailureReason::SentTooLate => "sent too late to be answered",
            FailureReason::NotWaitedFor => "not waited for: ended by a signal",
            FailureReason::Timeout => "no whole answer within the timeout",
            FailureReason::MalformedAnswer => "malformed answer",
            FailureReason::Unasked => "answered before it was sent",
            FailureReason::RedirectUnresolved => "redirected to a name that does not resolve",
            FailureReason::RedirectUnreachable => "redirected to a server that cannot be connected to",
        })
    }
}

/// Reasons that were told.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ReasonSet(u64);

impl ReasonSet {
    /// Adds a reason; whether it was not there before.
    pub(super) fn add(&mut self, reason: FailureReason) -> bool {
        let bit = 1 << reason as u64;
        let is_new = self.0 & bit == 0;
        self.0 |= bit;
        is_new
    }
}

/// What requests that are due wait for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(usize)]
pub enum Hold {
    /// As many connections as are allowed are busy.
    Connections,
    /// No more descriptors are allowed, and all connections are busy.
    Descriptors,
    /// The output takes no more answers, and it is to be waited for.
    Output,
}

impl Hold {
    /// All of them, in the order in which a summary has them.
    pub const ALL: [Hold; 3] = [Hold::Connections, Hold::Descriptors, Hold::Output];

    /// Why a request is given up that waited for this until its timeout.
    pub(super) fn reason(self) -> FailureReason {
        match self {
            Hold::Connections => FailureReason::HeldByConnections,
            Hold::Descriptors => FailureReason::HeldByDescriptors,
            Hold::Output => FailureReason::HeldByOutput,
        }
    }
}

/// How many requests had to wait, and how long.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct HeldRequests {
    /// Whether the bound was reached, be it for an instant.
    pub is_reached: bool,
    /// Requests, those that were given up included.
    pub requests: u64,
    /// The longest time that one waited, in nanoseconds.
    pub longest: u64,
}

impl HeldRequests {
    pub(super) fn add(&mut self, nanoseconds: u64) {
        self.requests += 1;
        self.longest = self.longest.max(nanoseconds);
    }
}

/// How often something happened, and how it was the first time.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CountWithFirst {
    /// How often.
    pub number: u64,
    /// The first time, in words; empty for something that needs none.
    pub first: String,
}

impl CountWithFirst {
    /// Counts one; `first` tells about it if it is the first.
    pub fn add(&mut self, first: impl FnOnce() -> String) {
        self.number += 1;
        if self.number == 1 {
            self.first = first();
        }
    }
}

impl CountWithFirst {
    /// Adds what was counted elsewhere.
    fn merge(&mut self, other: &CountWithFirst) {
        if self.number == 0 {
            self.first.clone_from(&other.first);
        }
        self.number += other.number;
    }
}

/// How often each reason applied.
#[derive(Clone, Debug)]
pub struct ReasonCounts([CountWithFirst; REASONS]);

impl Default for ReasonCounts {
    fn default() -> Self {
        ReasonCounts(std::array::from_fn(|_| CountWithFirst::default()))
    }
}

impl ReasonCounts {
    /// Counts one; `first` tells about it if it is the first.
    pub fn add(&mut self, reason: FailureReason, first: impl FnOnce() -> String) {
        self.0[reason as usize].add(first);
    }

    /// Counts several that need no words.
    pub fn add_many(&mut self, reason: FailureReason, number: u64) {
        self.0[reason as usize].number += number;
    }

    /// Counts several; `first` tells about the first.
    pub(super) fn add_several(&mut self, reason: FailureReason, number: u64, first: &str) {
        let count = &mut self.0[reason as usize];
        if number > 0 && count.number == 0 {
            first.clone_into(&mut count.first);
        }
        count.number += number;
    }

    /// Adds what was counted elsewhere.
    fn merge(&mut self, other: &ReasonCounts) {
        for (count, more) in self.0.iter_mut().zip(&other.0) {
            count.merge(more);
        }
    }

    /// How often this reason applied.
    pub fn of(&self, reason: FailureReason) -> &CountWithFirst {
        &self.0[reason as usize]
    }

    /// How often any did.
    pub fn total(&self) -> u64 {
        self.0.iter().map(|count| count.number).sum()
    }

    /// The reasons that applied.
    pub fn iter(&self) -> impl Iterator<Item = (FailureReason, &CountWithFirst)> {
        FailureReason::ALL
            .into_iter()
            .map(|reason| (reason, self.of(reason)))
            .filter(|(_, count)| count.number > 0)
    }
}

/// What the worker of one target saw.
#[derive(Clone, Debug)]
pub struct ReplayTally {
    /// Requests of which at least one byte was sent. Each counts once, however often it was sent.
    pub sent: u64,
    /// Requests whose answer came whole.
    pub answered: u64,
    /// Requests sent again because the connection had been closed before anything of the answer came.
    pub sent_again: u64,
    /// Requests that were not sent.
    pub not_sent: ReasonCounts,
    /// Requests that were sent and not answered.
    pub failed: ReasonCounts,
    /// Answers by status code; the index is the code.
    pub statuses: Vec<u64>,
    /// From when a request was due to the last byte of its answer.
    pub latency_from_due: Durations,
    /// From a request's first byte on the wire to the last byte of its answer.
    pub latency_from_send: Durations,
    /// From when a request was due to its first byte on the wire.
    pub lateness: Durations,
    /// Bytes of requests that the kernel took.
    pub bytes_sent: u64,
    /// Bytes of answers.
    pub bytes_received: u64,
    /// Connections made.
    pub connections: u64,
    /// Answers that were followed by bytes that nothing asked for; their connections were not used again.
    pub surplus: CountWithFirst,
    /// Connections that began with an answer before anything was sent, and were given up.
    pub answered_unasked: u64,
    /// Redirections followed.
    pub redirected: u64,
    /// Those of them that led to other servers, by the server: `http://host:port`.
    pub redirected_to: BTreeMap<String, u64>,
    /// Redirections that were not followed, as they lead to no HTTP.
    pub redirected_elsewhere: CountWithFirst,
    /// Redirections that were not followed, as they lead to more servers than a worker keeps.
    pub redirected_beyond: CountWithFirst,
    /// Answers too long to be kept whole in the output.
    pub answers_cut: u64,
    /// Answers that did not go to the output, as it was too slow.
    pub answers_dropped: u64,
    /// Requests that waited, by what they waited for; the index is a [`Hold`].
    pub held: [HeldRequests; 3],
    /// Most connections at a time that were allowed.
    pub connections_allowed: u64,
    /// The limit on descriptors, where it allows no more connections than that.
    pub descriptors: Option<u64>,
    /// What is measured besides, for whoever watches; nobody does where it is `None`.
    pub watched: Option<Box<WatchedDurations>>,
    /// What is measured besides, for a report; none is to be made where it is `None`.
    pub measured: Option<Box<Measurements>>,
    /// The same of the other threads of the target.
    pub measured_elsewhere: Vec<Measurements>,
    /// Threads that sent.
    pub threads: u64,
    /// Whether requests follow each other, and are due when they are sent.
    pub is_closed_loop: bool,
    /// Monotonic nanoseconds of the first byte sent; `u64::MAX` when there was none.
    pub first_sent: u64,
    /// Monotonic nanoseconds of the last answer's end, or of the last failure.
    pub last_ended: u64,
}

impl ReplayTally {
    /// A tally of nothing.
    pub fn new() -> Self {
        ReplayTally {
            sent: 0,
            answered: 0,
            sent_again: 0,
            not_sent: ReasonCounts::default(),
            failed: ReasonCounts::default(),
            statuses: vec![0; 1000],
            latency_from_due: Durations::new(),
            latency_from_send: Durations::new(),
            lateness: Durations::new(),
            bytes_sent: 0,
            bytes_received: 0,
            connections: 0,
            surplus: CountWithFirst::default(),
            answered_unasked: 0,
            redirected: 0,
            redirected_to: BTreeMap::new(),
            redirected_elsewhere: CountWithFirst::default(),
            redirected_beyond: CountWithFirst::default(),
            answers_cut: 0,
            answers_dropped: 0,
            held: [HeldRequests::default(); 3],
            connections_allowed: 0,
            descriptors: None,
            watched: None,
            measured: None,
            measured_elsewhere: Vec::new(),
            threads: 1,
            is_closed_loop: false,
            first_sent: u64::MAX,
            last_ended: 0,
        }
    }

    /// What the threads of one target saw together.
    pub(super) fn of_threads(tallies: impl IntoIterator<Item = ReplayTally>) -> ReplayTally {
        let together = |mut sum: ReplayTally, other| {
            sum.add(other);
            sum
        };
        tallies.into_iter().reduce(together).unwrap_or_default()
    }

    /// Adds what another thread of the same target saw.
    fn add(&mut self, other: ReplayTally) {
        self.threads += other.threads;
        self.sent += other.sent;
        self.answered += other.answered;
        self.sent_again += other.sent_again;
        self.not_sent.merge(&other.not_sent);
        self.failed.merge(&other.failed);
        for (sum, number) in self.statuses.iter_mut().zip(other.statuses) {
            *sum += number;
        }
        self.latency_from_due.merge(&other.latency_from_due);
        self.latency_from_send.merge(&other.latency_from_send);
        self.lateness.merge(&other.lateness);
        self.bytes_sent += other.bytes_sent;
        self.bytes_received += other.bytes_received;
        self.connections += other.connections;
        self.surplus.merge(&other.surplus);
        self.answered_unasked += other.answered_unasked;
        self.redirected += other.redirected;
        for (server, number) in other.redirected_to {
            *self.redirected_to.entry(server).or_default() += number;
        }
        self.redirected_elsewhere.merge(&other.redirected_elsewhere);
        self.redirected_beyond.merge(&other.redirected_beyond);
        self.answers_cut += other.answers_cut;
        self.answers_dropped += other.answers_dropped;
        for (sum, held) in self.held.iter_mut().zip(other.held) {
            sum.is_reached |= held.is_reached;
            sum.requests += held.requests;
            sum.longest = sum.longest.max(held.longest);
        }
        self.connections_allowed += other.connections_allowed;
        self.measured_elsewhere.extend(other.measured.map(|measured| *measured));
        self.first_sent = self.first_sent.min(other.first_sent);
        self.last_ended = self.last_ended.max(other.last_ended);
    }

    /// The group of a recorded request.
    pub(super) fn group(&mut self, payload: &[u8]) -> GroupId {
        self.measured.as_mut().map_or_else(GroupId::default, |measured| measured.group(payload))
    }

    /// A connection was made: how long TCP's handshake took, and that of TLS.
    pub(super) fn note_connected(&mut self, connecting: u64, securing: Option<u64>) {
        self.connections += 1;
        if let Some(measured) = &mut self.measured {
            measured.connected(connecting);
            if let Some(securing) = securing {
                measured.secured(securing);
            }
        }
    }

    /// The first byte of a request was sent now.
    pub(super) fn note_sent(&mut self, exchange: &ReplayExchange, now: u64) {
        let late = now.saturating_sub(exchange.due);
        self.sent += 1;
        self.first_sent = self.first_sent.min(now);
        self.lateness.record(late);
        if let Some(watched) = &mut self.watched {
            watched.lateness.record(late);
        }
        if let Some(measured) = &mut self.measured {
            measured.sent(event_time(now), exchange.group, late);
        }
    }

    /// The same without the requests that are under way: what becomes of them is not known.
    pub(super) fn without<'a>(&self, under_way: impl Iterator<Item = &'a ReplayExchange>) -> ReplayTally {
        let mut settled = ReplayTally { watched: None, ..self.clone() };
        let mut lateness = Durations::new();
        for exchange in under_way {
            settled.sent = settled.sent.saturating_sub(1);
            lateness.record(exchange.sent_at.saturating_sub(exchange.due));
            if let Some(measured) = &mut settled.measured {
                measured.forget_sent(event_time(exchange.sent_at), exchange.group);
            }
        }
        settled.lateness.subtract(&lateness);
        settled
    }

    /// The response to a request ended now.
    pub(super) fn note_answered(&mut self, exchange: &ReplayExchange, now: u64) {
        let ReplayExchange { due, sent_at, group, .. } = *exchange;
        let status = exchange.status();
        self.answered += 1;
        if !exchange.shape.is_raw {
            self.statuses[usize::from(status)] += 1;
        }
        self.latency_from_send.record(now.saturating_sub(sent_at));
        self.latency_from_due.record(now.saturating_sub(due));
        self.last_ended = now;
        if let Some(watched) = &mut self.watched {
            watched.latency.record(now.saturating_sub(if self.is_closed_loop { sent_at } else { due }));
        }
        if let Some(measured) = &mut self.measured {
            let (id, request) = (&exchange.id, exchange.head());
            measured.answered(event_time(now), &Answered { id, request, group, status, due, sent_at });
        }
    }

    /// A request that was sent has failed now; why is counted elsewhere.
    pub(super) fn note_failed(&mut self, exchange: &ReplayExchange, now: u64) {
        self.last_ended = now;
        if let Some(measured) = &mut self.measured {
            measured.failed(event_time(now), exchange.group);
        }
    }

    /// Requests were given up now without being sent; why is counted elsewhere.
    pub(super) fn note_not_sent(&mut self, now: u64, number: u64) {
        if let Some(measured) = &mut self.measured {
            measured.not_sent(event_time(now), number);
        }
    }

    /// How many requests waited for this, and how long.
    pub fn held_by(&self, hold: Hold) -> HeldRequests {
        self.held[hold as usize]
    }

    /// The first failure of each kind that is not in `told`, which has them from now on.
    pub(super) fn untold_failures(&self, told: &mut ReasonSet) -> Vec<(FailureReason, String)> {
        self.not_sent
            .iter()
            .chain(self.failed.iter())
            .filter(|(reason, _)| reason.is_told_at_once() && told.add(*reason))
            .map(|(reason, count)| (reason, count.first.clone()))
            .collect()
    }

    /// What came that nothing asked for, in words: a line each.
    pub fn unasked(&self) -> impl Iterator<Item = String> {
        let CountWithFirst { number, first } = &self.surplus;
        let surplus = (*number > 0).then(|| {
            let followed = if *number == 1 { "response was followed" } else { "responses were followed" };
            format!("{number} {followed} by bytes that nothing asked for; the first to {first}")
        });
        let early = (self.answered_unasked > 0).then(|| {
            let connections = self.answered_unasked;
            format!(
                "{connections} connections began with an answer that nothing asked for; they were not used"
            )
        });
        surplus.into_iter().chain(early)
    }

    /// Whether something went wrong that is not the recording's own fault.
    pub fn has_failures(&self) -> bool {
        self.answers_dropped > 0
            || self.redirected_beyond.number > 0
            || self.failed.total() > 0
            || self.not_sent.iter().any(|(reason, _)| !reason.is_of_the_recording())
    }

    /// Nanoseconds from the first byte sent to the end of the last answer.
    pub fn duration(&self) -> u64 {
        self.last_ended.saturating_sub(self.first_sent)
    }
}

impl Default for ReplayTally {
    fn default() -> Self {
        ReplayTally::new()
    }
}
