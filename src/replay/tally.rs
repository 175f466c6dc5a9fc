//! What became of every request, in numbers that add up.
//!
//! requests = sent + not sent by reason; sent = answered + failed by reason.

use std::fmt;

use crate::observe::Durations;

/// Why a request was not sent, or had no answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(usize)]
pub enum Reason {
    /// The record is marked as cut or as having gaps.
    Marked,
    /// The record is not one whole HTTP/1 request.
    Broken,
    /// The user ended the replay.
    Interrupted,
    /// More requests were due than the queue holds.
    QueueFull,
    /// All connections were busy until the timeout.
    NoConnection,
    /// Nothing listens there.
    Refused,
    /// The connection could not be made, for another reason.
    Unreachable,
    /// The connection was not made within the timeout.
    ConnectTimeout,
    /// The process may not open more descriptors.
    Descriptors,
    /// The other side reset the connection.
    Reset,
    /// The connection was closed before the first byte of an answer.
    ClosedBeforeAnswer,
    /// The connection was closed inside the answer.
    ClosedInsideAnswer,
    /// The answer was not whole within the timeout.
    Timeout,
    /// The answer is not HTTP/1.
    MalformedAnswer,
}

/// How many reasons there are.
const REASONS: usize = 14;

impl Reason {
    /// All of them, in the order in which a summary has them.
    pub const ALL: [Reason; REASONS] = [
        Reason::Marked,
        Reason::Broken,
        Reason::Interrupted,
        Reason::QueueFull,
        Reason::NoConnection,
        Reason::Refused,
        Reason::Unreachable,
        Reason::ConnectTimeout,
        Reason::Descriptors,
        Reason::Reset,
        Reason::ClosedBeforeAnswer,
        Reason::ClosedInsideAnswer,
        Reason::Timeout,
        Reason::MalformedAnswer,
    ];

    /// Whether the recording is the reason, so that nothing went wrong here.
    fn is_of_the_recording(self) -> bool {
        matches!(self, Reason::Marked | Reason::Broken)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Reason::Marked => "recorded incompletely",
            Reason::Broken => "not one whole HTTP/1 request",
            Reason::Interrupted => "interrupted",
            Reason::QueueFull => "queue full",
            Reason::NoConnection => "no free connection within the timeout",
            Reason::Refused => "connection refused",
            Reason::Unreachable => "no connection",
            Reason::ConnectTimeout => "no connection within the timeout",
            Reason::Descriptors => "too many open files",
            Reason::Reset => "connection reset",
            Reason::ClosedBeforeAnswer => "closed before an answer",
            Reason::ClosedInsideAnswer => "closed inside the answer",
            Reason::Timeout => "no whole answer within the timeout",
            Reason::MalformedAnswer => "malformed answer",
        })
    }
}

/// How often something happened, and how it was the first time.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Count {
    /// How often.
    pub number: u64,
    /// The first time, in words; empty for something that needs none.
    pub first: String,
}

/// How often each reason applied.
#[derive(Clone, Debug, Default)]
pub struct Counts([Count; REASONS]);

impl Counts {
    /// Counts one; `first` tells about it if it is the first.
    pub fn add(&mut self, reason: Reason, first: impl FnOnce() -> String) {
        let count = &mut self.0[reason as usize];
        count.number += 1;
        if count.number == 1 {
            count.first = first();
        }
    }

    /// Counts several that need no words.
    pub fn add_many(&mut self, reason: Reason, number: u64) {
        self.0[reason as usize].number += number;
    }

    /// How often this reason applied.
    pub fn of(&self, reason: Reason) -> &Count {
        &self.0[reason as usize]
    }

    /// How often any did.
    pub fn total(&self) -> u64 {
        self.0.iter().map(|count| count.number).sum()
    }

    /// The reasons that applied.
    pub fn iter(&self) -> impl Iterator<Item = (Reason, &Count)> {
        Reason::ALL.into_iter().map(|reason| (reason, self.of(reason))).filter(|(_, count)| count.number > 0)
    }

    fn merge(&mut self, other: &Counts) {
        for (count, more) in self.0.iter_mut().zip(&other.0) {
            count.number += more.number;
            if count.first.is_empty() {
                count.first.clone_from(&more.first);
            }
        }
    }
}

/// What one target, or one worker's share of it, saw.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Requests of which at least one byte was sent. Each counts once, however often it was sent.
    pub sent: u64,
    /// Requests whose answer came whole.
    pub answered: u64,
    /// Requests sent again because the connection had been closed before anything of the answer came.
    pub sent_again: u64,
    /// Requests that were not sent.
    pub not_sent: Counts,
    /// Requests that were sent and not answered.
    pub failed: Counts,
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
    /// Answers too long to be kept whole in the output.
    pub answers_cut: u64,
    /// Monotonic nanoseconds of the first byte sent; `u64::MAX` when there was none.
    pub first_sent: u64,
    /// Monotonic nanoseconds of the last answer's end, or of the last failure.
    pub last_ended: u64,
}

impl Tally {
    /// A tally of nothing.
    pub fn new() -> Self {
        Tally {
            sent: 0,
            answered: 0,
            sent_again: 0,
            not_sent: Counts::default(),
            failed: Counts::default(),
            statuses: vec![0; 1000],
            latency_from_due: Durations::new(),
            latency_from_send: Durations::new(),
            lateness: Durations::new(),
            bytes_sent: 0,
            bytes_received: 0,
            connections: 0,
            answers_cut: 0,
            first_sent: u64::MAX,
            last_ended: 0,
        }
    }

    /// Adds another worker's share.
    pub fn merge(&mut self, other: &Tally) {
        self.sent += other.sent;
        self.answered += other.answered;
        self.sent_again += other.sent_again;
        self.not_sent.merge(&other.not_sent);
        self.failed.merge(&other.failed);
        for (count, more) in self.statuses.iter_mut().zip(&other.statuses) {
            *count += more;
        }
        self.latency_from_due.merge(&other.latency_from_due);
        self.latency_from_send.merge(&other.latency_from_send);
        self.lateness.merge(&other.lateness);
        self.bytes_sent += other.bytes_sent;
        self.bytes_received += other.bytes_received;
        self.connections += other.connections;
        self.answers_cut += other.answers_cut;
        self.first_sent = self.first_sent.min(other.first_sent);
        self.last_ended = self.last_ended.max(other.last_ended);
    }

    /// Whether something went wrong that is not the recording's own fault.
    pub fn has_failures(&self) -> bool {
        self.failed.total() > 0 || self.not_sent.iter().any(|(reason, _)| !reason.is_of_the_recording())
    }

    /// Nanoseconds from the first byte sent to the end of the last answer.
    pub fn duration(&self) -> u64 {
        self.last_ended.saturating_sub(self.first_sent)
    }
}

impl Default for Tally {
    fn default() -> Self {
        Tally::new()
    }
}
