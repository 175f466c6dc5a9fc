//! The rules as a stage of the copy loop: each block rewritten on any thread.

use super::changes::RecordChange;
use super::draft::Draft;
use super::redacting::{self, Findings, Unread};
use super::rule::{Effect, RewriteRule};
use crate::Result;
use crate::http::Head;
use crate::record::{Block, Header, Kind, Sink, View};
use crate::transform::redact::PseudonymKey;
use crate::transform::{Stage, Worker};

/// What became of the records.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RewriteTally {
    /// Records that came.
    pub records: u64,
    /// Records that at least one rule changed, and that were written.
    pub changed: u64,
    /// Records left out because they could not be redacted.
    pub dropped: u64,
    /// Requests without a whole HTTP head, which none but redactions can change.
    pub headless: u64,
    /// What redactions could not read.
    pub unread: Unread,
    /// Bodies that rules do not look into.
    pub binary: u64,
    /// Messages whose trailers went with their chunks.
    pub trailers: u64,
    /// Records that each rule changed, and that were written, in the order of the rules; of a condition, requests that
    /// passed.
    pub by_rule: Vec<u64>,
    /// The first of the changed records of a block, where they are to be shown.
    pub changes: Vec<RecordChange>,
}

impl RewriteTally {
    fn add(&mut self, other: &RewriteTally) {
        self.records += other.records;
        self.changed += other.changed;
        self.dropped += other.dropped;
        self.headless += other.headless;
        self.unread.add(&other.unread);
        self.binary += other.binary;
        self.trailers += other.trailers;
        self.by_rule.iter_mut().zip(&other.by_rule).for_each(|(sum, count)| *sum += count);
    }
}

/// What redactions need besides themselves.
#[derive(Clone, Debug)]
struct Redacting {
    key: PseudonymKey,
    is_strict: bool,
}

/// Writes the records as the rules make them.
#[derive(Debug)]
pub struct Rewriting {
    rules: Vec<RewriteRule>,
    applies_all: bool,
    redacting: Option<Redacting>,
    changes_responses: bool,
    showing: Option<ChangeDisplay>,
    tally: RewriteTally,
}

/// How changes are shown.
#[derive(Clone, Copy, Debug)]
struct ChangeDisplay {
    /// Changed records that are still shown.
    left: usize,
    show: fn(&RecordChange),
}

impl Rewriting {
    /// Applies `rules` in their order. Of the rules about the URL the first
    /// that matches ends the others, unless `applies_all`. Redactions among
    /// them are passed over; see [`Rewriting::redacting`].
    pub fn new(rules: Vec<RewriteRule>, applies_all: bool) -> Self {
        let tally = RewriteTally { by_rule: vec![0; rules.len()], ..RewriteTally::default() };
        Rewriting { rules, applies_all, redacting: None, changes_responses: false, showing: None, tally }
    }

    /// Applies rules about bodies to responses, too.
    #[must_use]
    pub fn changing_responses(mut self, changes_responses: bool) -> Self {
        self.changes_responses = changes_responses;
        self
    }

    /// Shows the first `number` records that are changed.
    #[must_use]
    pub fn showing(mut self, number: usize, show: fn(&RecordChange)) -> Self {
        self.showing = Some(ChangeDisplay { left: number, show });
        self
    }

    /// Applies the redactions among the rules too, under this key. Records
    /// that they cannot read are dropped if `is_strict`.
    #[must_use]
    pub fn redacting(mut self, key: PseudonymKey, is_strict: bool) -> Self {
        self.redacting = Some(Redacting { key, is_strict });
        self
    }

    /// What became of the records so far.
    pub fn tally(&self) -> &RewriteTally {
        &self.tally
    }
}

impl Stage for Rewriting {
    type Notes = RewriteTally;
    type Worker = Rewriter;

    fn worker(&self) -> Rewriter {
        // A clone of a pattern has its own scratch space.
        Rewriter {
            rules: self.rules.clone(),
            applies_all: self.applies_all,
            redacting: self.redacting.clone(),
            changes_responses: self.changes_responses,
            reads_responses: self.redacting.is_some()
                || self.rules.iter().any(|rule| match rule {
                    RewriteRule::RewriteBody(_) => self.changes_responses,
                    rule => matches!(rule, RewriteRule::Prettify),
                }),
            shows: self.showing.map_or(0, |showing| showing.left),
            ..Rewriter::default()
        }
    }

    fn emit(&mut self, block: &mut Block, notes: &mut RewriteTally, sink: &mut dyn Sink) -> Result<()> {
        self.tally.add(notes);
        if let Some(showing) = &mut self.showing {
            let shown = notes.changes.len().min(showing.left);
            notes.changes.drain(..shown).for_each(|change| (showing.show)(&change));
            showing.left -= shown;
        }
        sink.write_block(block)
    }
}

/// What is to become of a record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Disposition<'v> {
    Same,
    /// Its message is what was left in [`Rewriter::message`], and then this part of the old one.
    Changed(&'v [u8]),
    Dropped,
}

/// Rewrites blocks. Each thread has its own, with its own buffers.
#[derive(Debug, Default)]
pub struct Rewriter {
    rules: Vec<RewriteRule>,
    applies_all: bool,
    redacting: Option<Redacting>,
    changes_responses: bool,
    /// Whether any rule may change a response.
    reads_responses: bool,
    /// Changed records of a block that are kept to be shown.
    shows: usize,
    findings: Findings,
    id: Option<Vec<u8>>,
    message: Vec<u8>,
    edited: Vec<u8>,
    changed: Block,
}

impl Worker<RewriteTally> for Rewriter {
    fn work(&mut self, block: &mut Block, notes: &mut RewriteTally) {
        let mut by_rule = std::mem::take(&mut notes.by_rule);
        by_rule.clear();
        by_rule.resize(self.rules.len(), 0);
        *notes = RewriteTally { records: block.len() as u64, by_rule, ..RewriteTally::default() };
        if self.rules.is_empty() {
            return;
        }
        let mut out = std::mem::take(&mut self.changed);
        out.clear();
        // Records before this one are in `out` or dropped, or nothing has changed so far.
        let mut copied = 0;
        for index in 0..block.len() {
            if !self.reads_responses && block.kind(index) != Kind::Request {
                continue;
            }
            let view = block.get(index);
            // A record of a kind that is not known goes on as it is: it would get another one.
            if view.raw.first() != Some(&view.header.kind.digit()) {
                continue;
            }
            let disposition = self.judge(&view, notes);
            if disposition == Disposition::Same {
                continue;
            }
            block.runs_in(copied..index).for_each(|run| out.append(&run));
            if let Disposition::Changed(rest) = disposition {
                let parts = [self.message.as_slice(), rest];
                if notes.changes.len() < self.shows {
                    let id = self.id.as_deref().unwrap_or(view.header.id);
                    notes.changes.push(RecordChange::new(&view, id, &parts.concat()));
                }
                match &self.id {
                    Some(id) => out.push(&Header { id, ..view.header }, &parts.concat()),
                    None => out.push_message(&view, parts),
                }
            }
            copied = index + 1;
        }
        if copied > 0 {
            block.runs_in(copied..block.len()).for_each(|run| out.append(&run));
            std::mem::swap(block, &mut out);
        }
        self.changed = out;
    }
}

impl Rewriter {
    /// Leaves the new id and the beginning of the new message of a record that
    /// is changed in `self.id` and `self.message`, and counts.
    fn judge<'v>(&mut self, view: &View<'v>, notes: &mut RewriteTally) -> Disposition<'v> {
        self.findings.unread = Unread::default();
        self.findings.is_binary = false;
        self.findings.has_trailers = false;
        self.findings.hits.clear();
        self.findings.hits.resize(self.rules.len(), false);
        self.id = self.redacting.as_ref().and_then(|redacting| {
            redacting::id(&self.rules, &redacting.key, view.header.id, &mut self.findings.hits)
        });
        let is_request = view.header.kind == Kind::Request;
        let changed = if let Some(head) = Head::of(view.payload) {
            self.rewrite(view, &head)
        } else {
            notes.headless += u64::from(is_request);
            self.message.clear();
            let is_changed = self.redacting.as_ref().is_some_and(|redacting| {
                let (rules, key) = (&self.rules, &redacting.key);
                redacting::headless(rules, key, view.payload, &mut self.findings, &mut self.message)
            });
            is_changed.then_some(&[][..])
        };
        notes.unread.add(&self.findings.unread);
        notes.binary += u64::from(self.findings.is_binary);
        notes.trailers += u64::from(self.findings.has_trailers);
        if self.redacting.as_ref().is_some_and(|redacting| redacting.is_strict)
            && self.findings.unread.total() > 0
        {
            notes.dropped += 1;
            return Disposition::Dropped;
        }
        notes.by_rule.iter_mut().zip(&self.findings.hits).for_each(|(count, &hit)| *count += u64::from(hit));
        let rest = match changed {
            Some(rest) => rest,
            None if self.id.is_none() => return Disposition::Same,
            None => {
                self.message.clear();
                view.payload
            }
        };
        notes.changed += 1;
        Disposition::Changed(rest)
    }

    /// Leaves the beginning of the changed message in `self.message`, and returns what follows it as it was. `None`: all
    /// is as it was.
    fn rewrite<'v>(&mut self, view: &View<'v>, head: &Head<'_>) -> Option<&'v [u8]> {
        let is_request = view.header.kind == Kind::Request;
        let mut draft = Draft::new(view.payload, *head, is_request);
        let (mut is_changed, mut is_url_done, mut is_meant) = (false, false, true);
        // How the lines of the changed head lie, if that is known.
        let mut shape = None;
        for (place, rule) in self.rules.iter().enumerate() {
            let current = match shape {
                _ if !is_changed => Some(*head),
                Some(shape) => Some(Head::of_shape(&self.message, shape)),
                None => Head::of(&self.message),
            };
            let Some(current) = current else { continue };
            if let RewriteRule::Only(condition) = rule {
                is_meant = is_request && condition.passes(&view.header, current.bytes());
                self.findings.hits[place] = is_meant;
                is_url_done = false;
                continue;
            }
            let is_url = matches!(rule, RewriteRule::RewriteUrl(_));
            if !is_meant || is_url && is_url_done {
                continue;
            }
            self.edited.clear();
            let findings = &mut self.findings;
            let (effect, mut is_hit) = match (rule, &self.redacting) {
                (RewriteRule::Redact(redaction), Some(redacting)) => {
                    let is_new = redacting::head(redaction, &redacting.key, &current, &mut self.edited);
                    let effect = if is_new { Effect::Changed } else { Effect::None };
                    (effect, draft.redact(redaction, &redacting.key, findings))
                }
                (RewriteRule::RewriteBody(pattern), _) => {
                    let is_asked = is_request || self.changes_responses;
                    (Effect::None, is_asked && draft.substitute(pattern, findings))
                }
                (RewriteRule::Prettify, _) => {
                    let is_new = draft.prettify(&current, findings, &mut self.edited);
                    (if is_new { Effect::Changed } else { Effect::None }, is_new)
                }
                (rule, _) if is_request => (rule.apply(&current, &mut self.edited), false),
                _ => (Effect::None, false),
            };
            is_url_done |= is_url && !self.applies_all && effect != Effect::None;
            if effect == Effect::Changed {
                shape = rule.part().map(|part| current.shape_after(part, self.edited.len()));
                std::mem::swap(&mut self.message, &mut self.edited);
                is_changed = true;
                is_hit = true;
            }
            self.findings.hits[place] |= is_hit;
        }
        self.edited.clear();
        if draft.was_read()
            && let Some(new_head) = if is_changed { Head::of(&self.message) } else { Some(*head) }
            && draft.write(&new_head, &mut self.findings, &mut self.edited)
        {
            std::mem::swap(&mut self.message, &mut self.edited);
            return Some(&[]);
        }
        is_changed.then(|| &view.payload[head.len()..])
    }
}
