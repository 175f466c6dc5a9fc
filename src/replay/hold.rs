//! What requests that are due wait for.

use super::failure::FailureReason;

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
