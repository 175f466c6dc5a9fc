//! What a worker measures of one target. Nothing here allocates or locks for a request, but for a new group, an
//! interval's end, and a bounded number of times.

use regex::bytes::Regex;

use super::groups::{GroupId, Groups};
use super::histogram::DIGITS;
use super::series::SeriesRecorder;
use super::slowest::{Slow, Slowest};
use super::statuses::Classes;
use crate::observe::Durations;

/// What is counted of a group of requests.
#[derive(Clone, Debug)]
pub(super) struct GroupCounts {
    pub(super) sent: u64,
    pub(super) answered: u64,
    pub(super) failed: u64,
    pub(super) classes: Classes,
    pub(super) latency_from_due: Durations,
    pub(super) latency_from_send: Durations,
}

impl Default for GroupCounts {
    fn default() -> Self {
        GroupCounts {
            sent: 0,
            answered: 0,
            failed: 0,
            classes: Classes::default(),
            latency_from_due: Durations::with_digits(DIGITS),
            latency_from_send: Durations::with_digits(DIGITS),
        }
    }
}

/// When something happened.
#[derive(Clone, Copy, Debug)]
pub struct EventTime {
    /// Nanoseconds of a clock that stands still while the replay is stopped. Its zero means nothing.
    pub monotonic: u64,
    /// Nanoseconds since the Unix epoch.
    pub wall: i64,
}

/// A response that came whole.
#[derive(Clone, Copy, Debug)]
pub struct Answered<'a> {
    /// The record's id.
    pub id: &'a [u8],
    /// The request, as far as its first line at least.
    pub request: &'a [u8],
    /// The group of the request.
    pub group: GroupId,
    /// The status.
    pub status: u16,
    /// When the request was due: monotonic nanoseconds, as all moments here.
    pub due: u64,
    /// When its first byte was sent.
    pub sent_at: u64,
}

/// Measurements of one target.
#[derive(Clone, Debug)]
pub struct Measurements {
    /// When the first byte was sent.
    pub(super) first_sent: Option<EventTime>,
    /// When the last request was answered or failed.
    pub(super) last_ended: Option<EventTime>,
    pub(super) groups: Groups<GroupCounts>,
    pub(super) series: SeriesRecorder,
    pub(super) connect: Durations,
    pub(super) tls: Durations,
    pub(super) slowest: Slowest,
}

impl Measurements {
    /// Measurements of nothing so far. What the pattern matches in paths is taken for an id.
    pub fn new(pattern: Option<Regex>) -> Self {
        Measurements {
            first_sent: None,
            last_ended: None,
            groups: Groups::new(pattern),
            series: SeriesRecorder::new(),
            connect: Durations::new(),
            tls: Durations::new(),
            slowest: Slowest::new(),
        }
    }

    /// The group of a recorded request.
    pub fn group(&mut self, payload: &[u8]) -> GroupId {
        self.groups.find(payload)
    }

    /// A connection was made, in this time.
    pub fn connected(&mut self, nanoseconds: u64) {
        self.connect.record(nanoseconds);
    }

    /// A TLS handshake was done, in this time.
    pub fn secured(&mut self, nanoseconds: u64) {
        self.tls.record(nanoseconds);
    }

    /// A request's first byte was sent now, so late.
    pub fn sent(&mut self, now: EventTime, group: GroupId, late: u64) {
        self.first_sent.get_or_insert(now);
        self.groups.get(group).sent += 1;
        let interval = self.series.at(now.wall);
        interval.sent += 1;
        interval.lateness_max = interval.lateness_max.max(late);
    }

    /// Takes back that a request was sent then: what becomes of it is not known.
    pub fn forget_sent(&mut self, then: EventTime, group: GroupId) {
        let sent = &mut self.groups.get(group).sent;
        *sent = sent.saturating_sub(1);
        self.series.forget_sent(then.wall);
    }

    /// A response ended now.
    pub fn answered(&mut self, now: EventTime, answered: &Answered<'_>) {
        let Answered { id, request, group, status, due, sent_at } = *answered;
        let (latency_from_due, latency_from_send) =
            (now.monotonic.saturating_sub(due), now.monotonic.saturating_sub(sent_at));
        self.last_ended = Some(now);
        let counts = self.groups.get(group);
        counts.answered += 1;
        counts.classes.count(status, 1);
        counts.latency_from_due.record(latency_from_due);
        counts.latency_from_send.record(latency_from_send);
        self.series.answered(now.wall, status, latency_from_due);
        let due = now.wall.saturating_sub_unsigned(latency_from_due);
        let facts = Slow { status, due, latency_from_due, latency_from_send, ..Slow::default() };
        self.slowest.add(id, request, &facts);
    }

    /// A request that was sent has failed now.
    pub fn failed(&mut self, now: EventTime, group: GroupId) {
        self.last_ended = Some(now);
        self.groups.get(group).failed += 1;
        self.series.at(now.wall).failed += 1;
    }

    /// Requests were given up now, without being sent.
    pub fn not_sent(&mut self, now: EventTime, number: u64) {
        self.series.at(now.wall).not_sent += number;
    }
}
