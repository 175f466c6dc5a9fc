//! Rules about one request, and the verdict they come to.

use std::hash::BuildHasher;

use foldhash::quality::RandomState;
use regex::bytes::{Regex, RegexSet, RegexSetBuilder};

use super::pattern::{HeaderPattern, Share};
use crate::http::{Head, RequestLine, auth, query, request_line};
use crate::record::{Block, Kind};

/// What memory one compiled pattern may take; so many patterns may take that
/// many times as much.
const PATTERN_SIZE: usize = 10 << 20;

/// The rules a request must pass, as they were given.
///
/// Those about the first line or a header never match a payload that has no
/// such thing, be it binary or garbage.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// The method is one of these. Compared byte for byte.
    pub methods: Vec<String>,
    /// Path and query match one of these.
    pub urls: Vec<Regex>,
    /// Path and query match none of these.
    pub not_urls: Vec<Regex>,
    /// Each of these matches the value of some field line of its name.
    pub headers: Vec<HeaderPattern>,
    /// None of these matches any field line.
    pub not_headers: Vec<HeaderPattern>,
    /// The decoded `user:password` matches one of these.
    pub basic_auth: Vec<Regex>,
    /// Where a header of that name is there, its first value is in the share.
    pub header_limits: Vec<Share>,
    /// Where a query parameter of that name is there, its first value, as it
    /// stands there, is in the share.
    pub param_limits: Vec<Share>,
}

/// A rule by the option that sets it, in the order of judging.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rule {
    /// `--method`
    Method,
    /// `--url`
    Url,
    /// `--not-url`
    NotUrl,
    /// `--param-limit`
    ParamLimit,
    /// `--header`
    Header,
    /// `--not-header`
    NotHeader,
    /// `--basic-auth`
    BasicAuth,
    /// `--header-limit`
    HeaderLimit,
}

impl Rule {
    /// All of them, in the order of judging.
    pub const ALL: [Rule; 8] = [
        Rule::Method,
        Rule::Url,
        Rule::NotUrl,
        Rule::ParamLimit,
        Rule::Header,
        Rule::NotHeader,
        Rule::BasicAuth,
        Rule::HeaderLimit,
    ];

    /// What its losses are called in the ledger.
    pub fn ledger_name(self) -> &'static str {
        match self {
            Rule::Method => "dropped by --method",
            Rule::Url => "dropped by --url",
            Rule::NotUrl => "dropped by --not-url",
            Rule::ParamLimit => "dropped by --param-limit",
            Rule::Header => "dropped by --header",
            Rule::NotHeader => "dropped by --not-header",
            Rule::BasicAuth => "dropped by --basic-auth",
            Rule::HeaderLimit => "dropped by --header-limit",
        }
    }
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It passes every rule.
    Keep,
    /// It fails this rule, and none before it.
    Drop(Rule),
}

/// What judging leaves about one record for the [`Selection`](super::Selection).
#[derive(Clone, Copy, Debug)]
pub struct Note {
    /// What the record holds.
    pub kind: Kind,
    /// About a request. Of a response it says nothing.
    pub verdict: Verdict,
    /// A hash of the record's id.
    pub id: u64,
}

/// Rules made ready.
///
/// A clone has its own scratch space: threads that judge at the same time
/// should each have one.
#[derive(Clone, Debug)]
pub struct Filter {
    methods: Vec<Vec<u8>>,
    urls: Option<RegexSet>,
    not_urls: Option<RegexSet>,
    param_limits: Vec<Share>,
    headers: Vec<HeaderPattern>,
    not_headers: Vec<HeaderPattern>,
    basic_auth: Option<RegexSet>,
    header_limits: Vec<Share>,
    reads_line: bool,
    reads_head: bool,
    hasher: RandomState,
}

impl Filter {
    /// Makes rules ready. Fails only where patterns that are right one by one
    /// take too much memory together.
    pub fn new(rules: Rules) -> Result<Filter, regex::Error> {
        let Rules { methods, urls, not_urls, headers, not_headers, basic_auth, header_limits, param_limits } =
            rules;
        Ok(Filter {
            reads_line: !(methods.is_empty()
                && urls.is_empty()
                && not_urls.is_empty()
                && param_limits.is_empty()),
            reads_head: !(headers.is_empty()
                && not_headers.is_empty()
                && basic_auth.is_empty()
                && header_limits.is_empty()),
            methods: methods.into_iter().map(String::into_bytes).collect(),
            urls: any_of(&urls)?,
            not_urls: any_of(&not_urls)?,
            param_limits,
            headers,
            not_headers,
            basic_auth: any_of(&basic_auth)?,
            header_limits,
            hasher: RandomState::default(),
        })
    }

    /// Whether there is no rule, so that every request passes.
    pub fn is_empty(&self) -> bool {
        !self.reads_line && !self.reads_head
    }

    /// Judges a request.
    pub fn judge(&self, request: &[u8]) -> Verdict {
        let failed = self.reads_line.then(|| self.failed_by_line(request)).flatten();
        let failed = failed.or_else(|| self.reads_head.then(|| self.failed_by_head(request)).flatten());
        failed.map_or(Verdict::Keep, Verdict::Drop)
    }

    /// Judges every record of a block; `notes` is replaced.
    pub fn judge_block(&self, block: &Block, notes: &mut Vec<Note>) {
        notes.clear();
        if self.is_empty() {
            notes.extend(block.iter().map(|view| Note {
                kind: view.header.kind,
                verdict: Verdict::Keep,
                id: 0,
            }));
            return;
        }
        notes.extend(block.iter().map(|view| {
            let kind = view.header.kind;
            let verdict = if kind == Kind::Request { self.judge(view.payload) } else { Verdict::Keep };
            Note { kind, verdict, id: self.hasher.hash_one(view.header.id) }
        }));
    }

    /// The first rule about the first line that the request fails.
    fn failed_by_line(&self, request: &[u8]) -> Option<Rule> {
        let line = request_line(request);
        if !self.methods.is_empty() {
            let has_method = |line: RequestLine<'_>| self.methods.iter().any(|method| method == line.method);
            if !line.is_some_and(has_method) {
                return Some(Rule::Method);
            }
        }
        let target = line.map(|line| line.target);
        let url = target.map(query::path_and_query);
        if let Some(urls) = &self.urls
            && !url.is_some_and(|url| urls.is_match(url))
        {
            return Some(Rule::Url);
        }
        if let Some(not_urls) = &self.not_urls
            && url.is_some_and(|url| not_urls.is_match(url))
        {
            return Some(Rule::NotUrl);
        }
        let is_out = |share: &Share| {
            let value = target.and_then(|target| query::parameter(target, share.name.as_bytes()));
            value.is_some_and(|value| !share.contains(value))
        };
        self.param_limits.iter().any(is_out).then_some(Rule::ParamLimit)
    }

    /// The first rule about headers that the request fails.
    fn failed_by_head(&self, request: &[u8]) -> Option<Rule> {
        let head = Head::of(request);
        let matches = |rule: &HeaderPattern| values(head, &rule.name).any(|value| rule.value.is_match(value));
        if !self.headers.iter().all(matches) {
            return Some(Rule::Header);
        }
        if self.not_headers.iter().any(matches) {
            return Some(Rule::NotHeader);
        }
        if let Some(basic_auth) = &self.basic_auth
            && !values(head, "authorization")
                .filter_map(auth::credentials)
                .any(|plain| basic_auth.is_match(&plain))
        {
            return Some(Rule::BasicAuth);
        }
        let is_out =
            |share: &Share| values(head, &share.name).next().is_some_and(|value| !share.contains(value));
        self.header_limits.iter().any(is_out).then_some(Rule::HeaderLimit)
    }
}

/// The values of the field lines of that name, where there is a head.
fn values<'a>(head: Option<Head<'a>>, name: &str) -> impl Iterator<Item = &'a [u8]> {
    head.into_iter().flat_map(move |head| head.values(name.as_bytes()))
}

/// One matcher for all the patterns, so that many cost about as much as one.
fn any_of(patterns: &[Regex]) -> Result<Option<RegexSet>, regex::Error> {
    if patterns.is_empty() {
        return Ok(None);
    }
    RegexSetBuilder::new(patterns.iter().map(Regex::as_str))
        .size_limit(PATTERN_SIZE.saturating_mul(patterns.len()))
        .build()
        .map(Some)
}
