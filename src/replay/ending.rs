//! What ends a replay before its input does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::failure::FailureReason;

/// How the user ends a replay.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    /// Nothing more is sent; the answers to what was sent are waited for.
    pub sending: Arc<AtomicBool>,
    /// Whether `sending` is set because the time that was given is over.
    pub is_over: Arc<AtomicBool>,
    /// Nothing is waited for any more. Only looked at when `sending` is set too.
    pub waiting: Arc<AtomicBool>,
}

/// Whether the replay ends early, and why.
#[derive(Clone, Debug, Default)]
pub(super) struct Ending {
    pub(super) stop: Stop,
    /// The output cannot be written any more.
    pub(super) output_failed: Arc<AtomicBool>,
    /// The child that requests go through has failed.
    pub(super) middleware_failed: Arc<AtomicBool>,
}

impl Ending {
    /// Whether nothing more is to be sent.
    pub(super) fn is_near(&self) -> bool {
        self.reason().is_some()
    }

    /// Why what was not sent yet never will be.
    pub(super) fn reason(&self) -> Option<FailureReason> {
        if self.output_failed.load(Ordering::Relaxed) {
            Some(FailureReason::OutputFailed)
        } else if self.stop.sending.load(Ordering::Relaxed) {
            let is_over = self.stop.is_over.load(Ordering::Relaxed);
            Some(if is_over { FailureReason::TimeOver } else { FailureReason::Interrupted })
        } else if self.middleware_failed.load(Ordering::Relaxed) {
            Some(FailureReason::MiddlewareFailed)
        } else {
            None
        }
    }

    /// Whether nothing is to be waited for.
    pub(super) fn is_now(&self) -> bool {
        self.stop.sending.load(Ordering::Relaxed) && self.stop.waiting.load(Ordering::Relaxed)
    }
}
