//! The rules as they were given, and their names.

use regex::bytes::Regex;

use super::pattern::{HeaderPattern, NamedShare, Sample};
use crate::Dialect;

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
    pub header_limits: Vec<NamedShare>,
    /// Where a query parameter of that name is there, its first value, as it
    /// stands there, is in the share.
    pub param_limits: Vec<NamedShare>,
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
    /// What is a header or a parameter that limits are asked of.
    pub dialect: Dialect,
}

impl Rules {
    /// Whether any of them is about the response.
    pub fn ask_the_response(&self) -> bool {
        FilterRule::ALL.into_iter().any(|rule| rule.is_about_the_response() && self.has(rule))
    }

    /// Whether this one was given.
    pub fn has(&self, rule: FilterRule) -> bool {
        match rule {
            FilterRule::Since => self.since.is_some(),
            FilterRule::Until => self.until.is_some(),
            FilterRule::Sample => self.sample.is_some(),
            FilterRule::Method => !self.methods.is_empty(),
            FilterRule::Url => !self.urls.is_empty(),
            FilterRule::NotUrl => !self.not_urls.is_empty(),
            FilterRule::ParamLimit => !self.param_limits.is_empty(),
            FilterRule::Host => !self.hosts.is_empty(),
            FilterRule::Header => !self.headers.is_empty(),
            FilterRule::NotHeader => !self.not_headers.is_empty(),
            FilterRule::BasicAuth => !self.basic_auth.is_empty(),
            FilterRule::HeaderLimit => !self.header_limits.is_empty(),
            FilterRule::Complete => self.is_complete,
            FilterRule::Status => !self.statuses.is_empty(),
            FilterRule::NotStatus => !self.not_statuses.is_empty(),
            FilterRule::MinLatency => self.min_latency.is_some(),
            FilterRule::MaxLatency => self.max_latency.is_some(),
            FilterRule::Body => !self.bodies.is_empty(),
        }
    }
}

/// A rule by the option that sets it, in the order of judging.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FilterRule {
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

impl FilterRule {
    /// All of them, in the order of judging.
    pub const ALL: [FilterRule; 18] = [
        FilterRule::Since,
        FilterRule::Until,
        FilterRule::Sample,
        FilterRule::Method,
        FilterRule::Url,
        FilterRule::NotUrl,
        FilterRule::ParamLimit,
        FilterRule::Host,
        FilterRule::Header,
        FilterRule::NotHeader,
        FilterRule::BasicAuth,
        FilterRule::HeaderLimit,
        FilterRule::Complete,
        FilterRule::Status,
        FilterRule::NotStatus,
        FilterRule::MinLatency,
        FilterRule::MaxLatency,
        FilterRule::Body,
    ];

    /// Whether a request alone cannot be judged by it.
    pub fn is_about_the_response(self) -> bool {
        matches!(
            self,
            FilterRule::Status
                | FilterRule::NotStatus
                | FilterRule::MinLatency
                | FilterRule::MaxLatency
                | FilterRule::Body
        )
    }

    /// The option that gives it.
    pub fn option(self) -> &'static str {
        match self {
            FilterRule::Since => "--since",
            FilterRule::Until => "--until",
            FilterRule::Sample => "--sample",
            FilterRule::Method => "--method",
            FilterRule::Url => "--url",
            FilterRule::NotUrl => "--not-url",
            FilterRule::ParamLimit => "--param-limit",
            FilterRule::Host => "--host",
            FilterRule::Header => "--header",
            FilterRule::NotHeader => "--not-header",
            FilterRule::BasicAuth => "--basic-auth",
            FilterRule::HeaderLimit => "--header-limit",
            FilterRule::Complete => "--complete",
            FilterRule::Status => "--status",
            FilterRule::NotStatus => "--not-status",
            FilterRule::MinLatency => "--min-latency",
            FilterRule::MaxLatency => "--max-latency",
            FilterRule::Body => "--body",
        }
    }
}
