//! What one message says about the rules, and the verdict it comes to.

use std::hash::BuildHasher;

use foldhash::quality::RandomState;
use regex::bytes::{Regex, RegexSet, RegexSetBuilder};

use super::pattern::{HeaderPattern, NamedShare, Sample};
use super::rules::{FilterRule, Rules};
use crate::Dialect;
use crate::http::message;
use crate::http::{Head, RequestLine, auth, query, request_line};
use crate::record::{Block, Header, Kind, View};

/// What memory one compiled pattern may take; so many patterns may take that
/// many times as much.
const PATTERN_SIZE: usize = 10 << 20;

/// What becomes of a message, as far as it can tell itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It passes every rule.
    Keep,
    /// It fails this rule, and none before it.
    Drop(FilterRule),
    /// It is a request that fails no rule, and the response is to be asked.
    Await {
        /// Whether a body must match yet: that of the request does not.
        body: bool,
    },
}

/// What judging leaves about one record for the [`Selection`](super::Selection).
#[derive(Clone, Copy, Debug)]
pub struct Note {
    /// What the record holds.
    pub kind: Kind,
    /// Of a response, only rules about responses are in it, latency not.
    pub verdict: Verdict,
    /// What a response fails beyond that where its request is not known.
    pub alone: Option<FilterRule>,
    /// Whether it is a response that must be whole, and is not.
    pub is_incomplete: bool,
    /// Bytes of the record; a longer one than 4 GiB cannot be.
    pub length: u32,
    /// A hash of the record's id.
    pub id: u64,
    /// In nanoseconds: of a request when it began, of a response when it
    /// ended; of a replayed one how long it took, or `i64::MIN`.
    pub time: i64,
}

/// The time that is not known.
pub(super) const NO_TIME: i64 = i64::MIN;

/// Rules made ready.
///
/// A clone has its own scratch space: threads that judge at the same time
/// should each have one.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each says what of a message has to be looked at")]
pub struct Filter {
    since: Option<i64>,
    until: Option<i64>,
    sample: Option<Sample>,
    methods: Vec<Vec<u8>>,
    urls: Option<RegexSet>,
    not_urls: Option<RegexSet>,
    param_limits: Vec<NamedShare>,
    hosts: Option<RegexSet>,
    headers: Vec<HeaderPattern>,
    not_headers: Vec<HeaderPattern>,
    basic_auth: Option<RegexSet>,
    header_limits: Vec<NamedShare>,
    is_complete: bool,
    statuses: Option<RegexSet>,
    not_statuses: Option<RegexSet>,
    bodies: Option<RegexSet>,
    dialect: Dialect,
    is_empty: bool,
    reads_line: bool,
    reads_head: bool,
    /// Whether every exchange's response has a say, whatever the request's body is.
    asks_always: bool,
    hasher: RandomState,
}

impl Filter {
    /// Makes rules ready. Fails only where patterns that are right one by one
    /// take too much memory together.
    pub fn new(rules: Rules) -> Result<Filter, regex::Error> {
        let has_any = |wanted: &[FilterRule]| wanted.iter().any(|&rule| rules.has(rule));
        Ok(Filter {
            is_empty: !has_any(&FilterRule::ALL),
            reads_line: has_any(&[
                FilterRule::Method,
                FilterRule::Url,
                FilterRule::NotUrl,
                FilterRule::ParamLimit,
            ]),
            reads_head: has_any(&[
                FilterRule::Host,
                FilterRule::Header,
                FilterRule::NotHeader,
                FilterRule::BasicAuth,
                FilterRule::HeaderLimit,
            ]),
            asks_always: has_any(&[
                FilterRule::Status,
                FilterRule::NotStatus,
                FilterRule::MinLatency,
                FilterRule::MaxLatency,
            ]),
            since: rules.since,
            until: rules.until,
            sample: rules.sample,
            methods: rules.methods.into_iter().map(String::into_bytes).collect(),
            urls: any_of(&rules.urls, false)?,
            not_urls: any_of(&rules.not_urls, false)?,
            param_limits: rules.param_limits,
            hosts: any_of(&rules.hosts, true)?,
            headers: rules.headers,
            not_headers: rules.not_headers,
            basic_auth: any_of(&rules.basic_auth, false)?,
            header_limits: rules.header_limits,
            is_complete: rules.is_complete,
            statuses: any_of(&rules.statuses, false)?,
            not_statuses: any_of(&rules.not_statuses, false)?,
            bodies: any_of(&rules.bodies, false)?,
            dialect: rules.dialect,
            hasher: RandomState::default(),
        })
    }

    /// Whether there is no rule, so that every request passes.
    pub fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// Judges what a request says, without its header line.
    pub fn judge(&self, request: &[u8]) -> Verdict {
        let failed = self.reads_line.then(|| self.failed_by_line(request)).flatten();
        let failed = failed.or_else(|| self.reads_head.then(|| self.failed_by_head(request)).flatten());
        if let Some(rule) = failed {
            return Verdict::Drop(rule);
        }
        if self.is_complete && !message::is_whole_request(request) {
            return Verdict::Drop(FilterRule::Complete);
        }
        let body = !self.body_matches(request);
        if body || self.asks_always { Verdict::Await { body } } else { Verdict::Keep }
    }

    /// Whether a request passes all rules that ask nothing but its header line and its head.
    pub(super) fn passes(&self, header: &Header<'_>, head: &[u8]) -> bool {
        self.failed_by_header(header).is_none()
            && !(self.reads_line && self.failed_by_line(head).is_some())
            && !(self.reads_head && self.failed_by_head(head).is_some())
    }

    /// Judges what a response says, without its header line. Its wholeness is
    /// a matter of its own.
    pub fn judge_response(&self, response: &[u8]) -> Verdict {
        if self.statuses.is_some() || self.not_statuses.is_some() {
            let matches = |patterns: &RegexSet| {
                message::status(response).is_some_and(|digits| patterns.is_match(digits))
            };
            if self.statuses.as_ref().is_some_and(|statuses| !matches(statuses)) {
                return Verdict::Drop(FilterRule::Status);
            }
            if self.not_statuses.as_ref().is_some_and(matches) {
                return Verdict::Drop(FilterRule::NotStatus);
            }
        }
        if self.body_matches(response) { Verdict::Keep } else { Verdict::Drop(FilterRule::Body) }
    }

    /// Judges every record of a block; `notes` is replaced.
    pub fn judge_block(&self, block: &Block, notes: &mut Vec<Note>) {
        notes.clear();
        notes.extend(block.iter().map(|view| {
            let header = &view.header;
            let mut note = Note {
                kind: header.kind,
                verdict: Verdict::Keep,
                alone: None,
                is_incomplete: false,
                length: view.raw.len() as u32,
                id: 0,
                time: header.timestamp,
            };
            if !self.is_empty {
                self.fill_in(&mut note, &view);
            }
            note
        }));
    }

    fn fill_in(&self, note: &mut Note, view: &View<'_>) {
        let header = &view.header;
        note.id = self.hasher.hash_one(header.id);
        let by_header = self.failed_by_header(header);
        if note.kind == Kind::Request {
            note.verdict = match by_header {
                Some(rule) => Verdict::Drop(rule),
                None if self.is_complete && header.mark.is_some() => Verdict::Drop(FilterRule::Complete),
                None => self.judge(view.payload),
            };
            return;
        }
        note.alone = by_header;
        note.verdict = self.judge_response(view.payload);
        note.is_incomplete =
            self.is_complete && (header.mark.is_some() || !is_whole(header.kind, view.payload));
        let latency = header.latency.filter(|&latency| latency >= 0);
        note.time = match header.kind {
            Kind::Replayed => latency.unwrap_or(NO_TIME),
            _ => header.timestamp.saturating_add(latency.unwrap_or(0)),
        };
    }

    /// The first rule about the header line that the record fails.
    fn failed_by_header(&self, header: &Header<'_>) -> Option<FilterRule> {
        if self.since.is_some_and(|since| header.timestamp < since) {
            return Some(FilterRule::Since);
        }
        if self.until.is_some_and(|until| header.timestamp >= until) {
            return Some(FilterRule::Until);
        }
        self.sample.is_some_and(|sample| !sample.contains(header.id)).then_some(FilterRule::Sample)
    }

    /// Whether a pattern for bodies matches, or there is none.
    fn body_matches(&self, message: &[u8]) -> bool {
        self.bodies.as_ref().is_none_or(|bodies| bodies.is_match(&message::content(message)))
    }

    /// The first rule about the first line that the request fails.
    fn failed_by_line(&self, request: &[u8]) -> Option<FilterRule> {
        let line = request_line(request);
        if !self.methods.is_empty() {
            let has_method = |line: RequestLine<'_>| self.methods.iter().any(|method| method == line.method);
            if !line.is_some_and(has_method) {
                return Some(FilterRule::Method);
            }
        }
        let target = line.map(|line| line.target);
        let url = target.map(query::path_and_query);
        if let Some(urls) = &self.urls
            && !url.is_some_and(|url| urls.is_match(url))
        {
            return Some(FilterRule::Url);
        }
        if let Some(not_urls) = &self.not_urls
            && url.is_some_and(|url| not_urls.is_match(url))
        {
            return Some(FilterRule::NotUrl);
        }
        let is_out = |share: &NamedShare| {
            let value = target.and_then(|target| match self.dialect {
                Dialect::Unix => query::parameter(target, share.name.as_bytes()),
                Dialect::GoReplay => query::assignment(target, share.name.as_bytes()),
            });
            value.is_some_and(|value| !share.contains(value))
        };
        self.param_limits.iter().any(is_out).then_some(FilterRule::ParamLimit)
    }

    /// The first rule about the head that the request fails.
    fn failed_by_head(&self, request: &[u8]) -> Option<FilterRule> {
        let head = Head::of(request);
        if let Some(hosts) = &self.hosts
            && !head.and_then(|head| message::host(&head)).is_some_and(|host| hosts.is_match(host))
        {
            return Some(FilterRule::Host);
        }
        let matches = |rule: &HeaderPattern| values(head, &rule.name).any(|value| rule.value.is_match(value));
        if !self.headers.iter().all(matches) {
            return Some(FilterRule::Header);
        }
        if self.not_headers.iter().any(matches) {
            return Some(FilterRule::NotHeader);
        }
        if let Some(basic_auth) = &self.basic_auth
            && !values(head, "authorization")
                .filter_map(auth::credentials)
                .any(|plain| basic_auth.is_match(&plain))
        {
            return Some(FilterRule::BasicAuth);
        }
        let counts = |value: &&[u8]| self.dialect == Dialect::Unix || !value.is_empty();
        let is_out = |share: &NamedShare| {
            values(head, &share.name).next().filter(counts).is_some_and(|value| !share.contains(value))
        };
        self.header_limits.iter().any(is_out).then_some(FilterRule::HeaderLimit)
    }
}

/// The values of the field lines of that name, where there is a head.
fn values<'a>(head: Option<Head<'a>>, name: &str) -> impl Iterator<Item = &'a [u8]> {
    head.into_iter().flat_map(move |head| head.values(name.as_bytes()))
}

/// One matcher for all the patterns, so that many cost about as much as one.
fn any_of(patterns: &[Regex], ignores_case: bool) -> Result<Option<RegexSet>, regex::Error> {
    if patterns.is_empty() {
        return Ok(None);
    }
    RegexSetBuilder::new(patterns.iter().map(Regex::as_str))
        .case_insensitive(ignores_case)
        .size_limit(PATTERN_SIZE.saturating_mul(patterns.len()))
        .build()
        .map(Some)
}

/// Whether a payload is one whole message of its kind.
fn is_whole(kind: Kind, payload: &[u8]) -> bool {
    match kind {
        Kind::Request => message::is_whole_request(payload),
        _ => message::is_whole_response(payload),
    }
}
