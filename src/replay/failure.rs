//! Why requests were not sent or had no answer, counted.

use std::fmt;

use serde::Serialize;

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
    pub(super) fn is_told_at_once(self) -> bool {
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
    pub(super) fn merge(&mut self, other: &CountWithFirst) {
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
    pub(super) fn merge(&mut self, other: &ReasonCounts) {
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
