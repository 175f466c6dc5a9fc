//! Which records go on: what needs their order, and the tally of it.

use super::filter::{Note, Rule, Verdict};
use super::refused::{MAX_REMEMBERED, Refused};
use crate::record::Kind;

/// What is asked for besides the rules.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// The kinds that are written; empty means all.
    pub kinds: Vec<Kind>,
    /// How many records are written at most.
    pub limit: Option<u64>,
    /// Whether the records that pass are dropped, and the others written.
    pub is_inverted: bool,
}

/// Chooses among the records of a stream.
///
/// A request passes or fails by the rules. A response passes or fails with
/// the latest request of its id before it; where there was none, it passes.
/// Inversion exchanges what passes and what fails. Of what then passes, the
/// records of the kinds asked for are written, up to the limit.
#[derive(Debug)]
pub struct Selection {
    choice: Choice,
    limit: u64,
    /// Whether responses can be written at all.
    writes_responses: bool,
    refused: Refused,
    tally: Tally,
}

/// What became of the records. Each is counted in `written` or in one of the
/// fields that begin with `dropped`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Tally {
    /// Records looked at. Those after the limit are not.
    pub records: u64,
    /// Records that went on.
    pub written: u64,
    /// Not of the kinds asked for, whatever the rules say.
    pub dropped_by_kind: u64,
    /// Requests that failed a rule, by the first they failed, as
    /// [`Rule::ALL`] has them.
    pub dropped_by_rule: [u64; Rule::ALL.len()],
    /// Responses whose request was refused.
    pub dropped_with_request: u64,
    /// Records that pass, where those are dropped.
    pub dropped_by_inversion: u64,
    /// Refused requests that had to be forgotten before a response came.
    pub forgotten: u64,
    /// Responses that passed, but might have been refused with a request that
    /// was forgotten.
    pub doubtful: u64,
}

impl Selection {
    /// Nothing seen so far.
    pub fn new(choice: Choice) -> Self {
        Selection::with_memory(choice, MAX_REMEMBERED)
    }

    /// As [`Selection::new`], remembering `bound` refused requests.
    pub(super) fn with_memory(choice: Choice, bound: usize) -> Self {
        Selection {
            limit: choice.limit.unwrap_or(u64::MAX),
            writes_responses: choice.kinds.is_empty()
                || choice.kinds.iter().any(|&kind| kind != Kind::Request),
            choice,
            refused: Refused::new(bound),
            tally: Tally::default(),
        }
    }

    /// Goes on with the records that `notes` are about, and replaces `keep`
    /// with whether each is written. Records after the limit have no place in
    /// it.
    pub fn select(&mut self, notes: &[Note], keep: &mut Vec<bool>) {
        keep.clear();
        for note in notes {
            if self.is_over() {
                return;
            }
            keep.push(self.is_kept(note));
        }
    }

    /// Whether the limit is reached, so that no later record can be written.
    pub fn is_over(&self) -> bool {
        self.tally.written >= self.limit
    }

    /// What became of the records so far.
    pub fn tally(&self) -> Tally {
        Tally { forgotten: self.refused.forgotten(), ..self.tally }
    }

    fn is_kept(&mut self, note: &Note) -> bool {
        self.tally.records += 1;
        let passes = self.passes(note);
        let tally = &mut self.tally;
        let is_wanted = self.choice.kinds.is_empty() || self.choice.kinds.contains(&note.kind);
        let dropped = if !is_wanted {
            &mut tally.dropped_by_kind
        } else if passes != self.choice.is_inverted {
            tally.written += 1;
            return true;
        } else if passes {
            &mut tally.dropped_by_inversion
        } else if let Verdict::Drop(rule) = note.verdict {
            &mut tally.dropped_by_rule[rule as usize]
        } else {
            &mut tally.dropped_with_request
        };
        *dropped += 1;
        false
    }

    /// Whether a record passes the rules, itself or with its request.
    fn passes(&mut self, note: &Note) -> bool {
        let passes = note.verdict == Verdict::Keep;
        if !self.writes_responses {
            return passes;
        }
        match (note.kind, passes) {
            (Kind::Request, true) => {
                self.refused.remove(note.id);
                true
            }
            (Kind::Request, false) => {
                self.refused.insert(note.id);
                false
            }
            (Kind::Response | Kind::Replayed, _) => {
                let passes = !self.refused.answer(note.id);
                self.tally.doubtful += u64::from(passes && self.refused.forgotten() > 0);
                passes
            }
        }
    }
}
