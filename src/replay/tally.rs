//! What became of every request, in numbers that add up.
//!
//! requests = sent + not sent by reason; sent = answered + failed by reason.

use super::failure::ReasonSet;
use std::collections::BTreeMap;

use super::clock::event_time;
use super::exchange::ReplayExchange;
use super::failure::{CountWithFirst, FailureReason, ReasonCounts};
use super::hold::{HeldRequests, Hold};
use crate::observe::{CoarseDurations, Count, Durations};
use crate::report::{Answered, GroupId, Measurements};

/// Latencies and lateness, counted only where somebody watches.
#[derive(Clone, Debug, Default)]
pub struct WatchedDurations {
    /// From when a request was due to the end of its answer; from its sending where nothing is due at a time.
    pub latency: CoarseDurations,
    /// From when a request was due to its sending.
    pub lateness: CoarseDurations,
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
    /// Cookies that were not kept, as they are longer than browsers keep them.
    pub cookies_too_long: CountWithFirst,
    /// Cookies that were not kept any longer, as there was no more room for them.
    pub cookies_dropped: u64,
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
            cookies_too_long: CountWithFirst::default(),
            cookies_dropped: 0,
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
        self.cookies_too_long.merge(&other.cookies_too_long);
        self.cookies_dropped += other.cookies_dropped;
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
            let connections = Count(self.answered_unasked, "connection");
            format!("{connections} began with an answer that nothing asked for: not used")
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
