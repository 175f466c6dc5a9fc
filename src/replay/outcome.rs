//! What a replay came to.

use super::documents::DocumentTally;
use super::failure::FailureReason;
use super::middleware::MiddlewareTally;
use super::position::ReplayPosition;
use super::selection::NotSelected;
use super::tally::ReplayTally;
use super::target::Target;
use crate::Error;
use crate::record::Intake;
use crate::report::RecordedLatencies;

/// What a replay came to.
#[derive(Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each says something of its own")]
pub struct Outcome {
    /// Each target and what it saw.
    pub targets: Vec<(Target, ReplayTally)>,
    /// Requests read and, with several rounds, read again.
    pub requests: u64,
    /// Requests that were not asked for, by their time or their shard.
    pub not_selected: NotSelected,
    /// Requests that were older than one sent before them, and could not be put in order.
    pub disordered: u64,
    /// Responses among the records; they are not sent.
    pub responses: u64,
    /// Times that the input was replayed, an unfinished one included.
    pub rounds: u64,
    /// What was read, in the last round.
    pub intake: Intake,
    /// Whether the user ended the replay.
    pub is_interrupted: bool,
    /// Whether it ended as its time was over.
    pub is_over: bool,
    /// Whether requests followed each other, not their schedule.
    pub is_closed_loop: bool,
    /// Whether they came when they were due.
    pub comes_when_due: bool,
    /// Records of the input that did not go to the output, as it was too slow.
    pub echoes_dropped: u64,
    /// Records that were on their way to the output when it was not waited for any more.
    pub unwritten: usize,
    /// What ended the reading or the writing early.
    pub failure: Option<Error>,
    /// What went through the middleware, if there is one.
    pub middleware: Option<Box<MiddlewareTally>>,
    /// What became of the documents, if there are any.
    pub documents: Option<DocumentTally>,
    /// The latencies of the recording, if a report is made.
    pub recorded: Option<Box<RecordedLatencies>>,
    /// Requests that an earlier run has settled.
    pub skipped: u64,
    /// Requests of this run that are settled, and where another run would go on, if that is asked for.
    pub settled: Option<(u64, ReplayPosition)>,
}

impl Outcome {
    /// Requests that were not sent as the user ended the replay.
    pub fn left_unsent(&self) -> u64 {
        self.targets.iter().map(|(_, tally)| tally.not_sent.of(FailureReason::Interrupted).number).sum()
    }

    /// Whether anything went wrong: a request that could be sent was not, or was not answered.
    pub fn has_failures(&self) -> bool {
        self.is_interrupted
            || self.echoes_dropped > 0
            || self.unwritten > 0
            || self.middleware.as_ref().is_some_and(|middleware| middleware.has_failures())
            || self.documents.as_ref().is_some_and(DocumentTally::has_failures)
            || self.targets.iter().any(|(_, tally)| tally.has_failures())
    }
}
