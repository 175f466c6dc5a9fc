//! The rules as they were given, and their names.

use regex::bytes::Regex;

use super::pattern::{HeaderPattern, Sample, Share};

/// The rules an exchange must pass, as they were given.
///
/// Those about the first line or a header never match a payload that has no
/// such thing, be it binary or garbage.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// The request began at this time or later: nanoseconds since the epoch.
    pub since: Option<i64>,
    /// The request began before this time.
    pub until: Option<i64>,
    /// The exchange's id is in the sample.
    pub sample: Option<Sample>,
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
    /// The host asked for matches one of these; without regard to case.
    pub hosts: Vec<Regex>,
    /// No message is cut, has gaps, or ends before its framing says so.
    pub is_complete: bool,
    /// The response's status, three digits, matches one of these.
    pub statuses: Vec<Regex>,
    /// It matches none of these.
    pub not_statuses: Vec<Regex>,
    /// The exchange took this long or longer, in nanoseconds.
    pub min_latency: Option<i64>,
    /// The exchange took this long at most.
    pub max_latency: Option<i64>,
    /// The body of the request, or that of the response, matches one of these.
    pub bodies: Vec<Regex>,
}

impl Rules {
    /// Whether any of them is about the response.
    pub fn ask_the_response(&self) -> bool {
        Rule::ALL.into_iter().any(|rule| rule.is_about_the_response() && self.has(rule))
    }

    /// Whether this one was given.
    pub fn has(&self, rule: Rule) -> bool {
        match rule {
            Rule::Since => self.since.is_some(),
            Rule::Until => self.until.is_some(),
            Rule::Sample => self.sample.is_some(),
            Rule::Method => !self.methods.is_empty(),
            Rule::Url => !self.urls.is_empty(),
            Rule::NotUrl => !self.not_urls.is_empty(),
            Rule::ParamLimit => !self.param_limits.is_empty(),
            Rule::Host => !self.hosts.is_empty(),
            Rule::Header => !self.headers.is_empty(),
            Rule::NotHeader => !self.not_headers.is_empty(),
            Rule::BasicAuth => !self.basic_auth.is_empty(),
            Rule::HeaderLimit => !self.header_limits.is_empty(),
            Rule::Complete => self.is_complete,
            Rule::Status => !self.statuses.is_empty(),
            Rule::NotStatus => !self.not_statuses.is_empty(),
            Rule::MinLatency => self.min_latency.is_some(),
            Rule::MaxLatency => self.max_latency.is_some(),
            Rule::Body => !self.bodies.is_empty(),
        }
    }
}

/// A rule by the option that sets it, in the order of judging.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rule {
    /// `--since`
    Since,
    /// `--until`
    Until,
    /// `--sample`
    Sample,
    /// `--method`
    Method,
    /// `--url`
    Url,
    /// `--not-url`
    NotUrl,
    /// `--param-limit`
    ParamLimit,
    /// `--host`
    Host,
    /// `--header`
    Header,
    /// `--not-header`
    NotHeader,
    /// `--basic-auth`
    BasicAuth,
    /// `--header-limit`
    HeaderLimit,
    /// `--complete`
    Complete,
    /// `--status`
    Status,
    /// `--not-status`
    NotStatus,
    /// `--min-latency`
    MinLatency,
    /// `--max-latency`
    MaxLatency,
    /// `--body`
    Body,
}

impl Rule {
    /// All of them, in the order of judging.
    pub const ALL: [Rule; 18] = [
        Rule::Since,
        Rule::Until,
        Rule::Sample,
        Rule::Method,
        Rule::Url,
        Rule::NotUrl,
        Rule::ParamLimit,
        Rule::Host,
        Rule::Header,
        Rule::NotHeader,
        Rule::BasicAuth,
        Rule::HeaderLimit,
        Rule::Complete,
        Rule::Status,
        Rule::NotStatus,
        Rule::MinLatency,
        Rule::MaxLatency,
        Rule::Body,
    ];

    /// Whether a request alone cannot be judged by it.
    pub fn is_about_the_response(self) -> bool {
        matches!(self, Rule::Status | Rule::NotStatus | Rule::MinLatency | Rule::MaxLatency | Rule::Body)
    }

    /// The option.
    pub fn option(self) -> &'static str {
        let (_, option) = self.ledger_name().split_at("dropped by ".len());
        option
    }

    /// What its losses are called in the ledger.
    pub fn ledger_name(self) -> &'static str {
        match self {
            Rule::Since => "dropped by --since",
            Rule::Until => "dropped by --until",
            Rule::Sample => "dropped by --sample",
            Rule::Method => "dropped by --method",
            Rule::Url => "dropped by --url",
            Rule::NotUrl => "dropped by --not-url",
            Rule::ParamLimit => "dropped by --param-limit",
            Rule::Host => "dropped by --host",
            Rule::Header => "dropped by --header",
            Rule::NotHeader => "dropped by --not-header",
            Rule::BasicAuth => "dropped by --basic-auth",
            Rule::HeaderLimit => "dropped by --header-limit",
            Rule::Complete => "dropped by --complete",
            Rule::Status => "dropped by --status",
            Rule::NotStatus => "dropped by --not-status",
            Rule::MinLatency => "dropped by --min-latency",
            Rule::MaxLatency => "dropped by --max-latency",
            Rule::Body => "dropped by --body",
        }
    }
}
