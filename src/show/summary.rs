//! What is in a recording as a whole: how much, when, of what, how fast.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use regex::bytes::Regex;

use super::endpoint::grouped;
use super::line::latency;
use super::{Earlier, Exchange, Facts, StartLine};
use crate::http::{Head, query};
use crate::observe::Names;
use crate::record::{Origin, View};

/// Endpoints that are told apart; each takes about 14 KB.
const MAX_ENDPOINTS: usize = 2048;

/// Methods, hosts, clients and users that are told apart, of each.
const MAX_NAMES: usize = 65_536;

/// Intervals of the chart that are counted; beyond it they become twice as long.
const MAX_INTERVALS: usize = 4096;

/// The longest latency told apart from longer ones: an hour, in microseconds.
const LONGEST: u64 = 3_600_000_000;

/// By what requests are counted besides: whose they are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum By {
    /// The value of this header.
    Header(String),
    /// The value of this cookie.
    Cookie(String),
}

impl std::str::FromStr for By {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("header", name)) if !name.is_empty() => Ok(By::Header(name.to_owned())),
            Some(("cookie", name)) if !name.is_empty() => Ok(By::Cookie(name.to_owned())),
            _ => Err("expected header:NAME or cookie:NAME, as cookie:session".into()),
        }
    }
}

impl std::fmt::Display for By {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            By::Header(name) => write!(f, "header {name}"),
            By::Cookie(name) => write!(f, "cookie {name}"),
        }
    }
}

/// What is told of some requests: how many, how large, how fast.
#[derive(Clone, Debug)]
pub struct Group {
    /// Requests.
    pub requests: u64,
    /// Of these, those without a response.
    pub unanswered: u64,
    /// Responses with a status of 400 and more.
    pub failed: u64,
    /// Bytes of bodies, of requests and of responses.
    pub bytes: [u64; 2],
    /// Microseconds.
    latency: Histogram<u32>,
}

impl Default for Group {
    fn default() -> Self {
        // The bounds are constant and valid: this cannot fail.
        let latency =
            Histogram::new_with_bounds(1, LONGEST, 2).unwrap_or_else(|error| unreachable!("{error}"));
        Group { requests: 0, unanswered: 0, failed: 0, bytes: [0, 0], latency }
    }
}

impl Group {
    fn add(&mut self, exchange: &Exchange<Facts>) {
        let answer = exchange.response.as_ref().or(exchange.replayed.as_ref());
        if exchange.earlier == Earlier::Answered {
            return;
        }
        if exchange.earlier == Earlier::Unanswered {
            // Its request is counted already, as one without an answer.
            self.unanswered = self.unanswered.saturating_sub(u64::from(answer.is_some()));
        } else {
            self.requests += u64::from(exchange.request.is_some());
            self.unanswered += u64::from(answer.is_none());
            self.bytes[0] += exchange.request.as_ref().map_or(0, |request| request.size);
        }
        self.failed += u64::from(answer.and_then(Facts::status).is_some_and(|status| status >= 400));
        let size = |message: Option<&Facts>| message.map_or(0, |message| message.size);
        self.bytes[1] += size(answer);
        // Negative where the recording has the two in another order: that is no latency.
        if let Some(latency) = latency(exchange).and_then(|latency| u64::try_from(latency).ok()) {
            self.latency.saturating_record((latency / 1000).max(1));
        }
    }

    /// The latency, in nanoseconds, that so many per cent do not exceed. None: there is no latency.
    pub fn percentile(&self, percent: f64) -> Option<i64> {
        (!self.latency.is_empty()).then(|| self.latency.value_at_percentile(percent) as i64 * 1000)
    }
}

/// What was found so far.
#[derive(Debug)]
pub struct TrafficSummary {
    pattern: Option<Regex>,
    by: Option<By>,
    /// Records by kind: requests, responses, replayed responses.
    pub records: [u64; 3],
    /// Records with a mark: cut, with gaps, and doubtful.
    pub marked: [u64; 3],
    /// Messages without a mark that end before their framing says.
    pub incomplete: u64,
    /// Recorded responses whose request was not found.
    pub orphans: u64,
    /// Replayed responses of which neither the request nor the recorded response was found.
    pub replayed_alone: u64,
    /// The first and the last time, in nanoseconds since the Unix epoch.
    pub time: Option<[i64; 2]>,
    /// All exchanges.
    pub all: Group,
    pub(super) methods: Names<u64>,
    /// By the first digit of the status of recorded responses; 0: it has none.
    pub classes: [u64; 10],
    /// The same of replayed responses.
    pub replayed_classes: [u64; 10],
    /// Replayed responses whose status differs from the recorded one.
    pub differing: u64,
    pub(super) hosts: Names<u64>,
    pub(super) endpoints: Names<Group>,
    /// By the four bytes that ids have of their addresses.
    pub(super) clients: Names<u64>,
    pub(super) users: Names<u64>,
    /// Requests by interval of so many seconds since the Unix epoch.
    intervals: BTreeMap<i64, u64>,
    interval: i64,
    scratch: Vec<u8>,
}

impl TrafficSummary {
    /// Nothing was found so far. What the pattern matches in paths is taken for an id.
    pub fn new(pattern: Option<Regex>, by: Option<By>) -> Self {
        TrafficSummary {
            pattern,
            by,
            records: [0; 3],
            marked: [0; 3],
            incomplete: 0,
            orphans: 0,
            replayed_alone: 0,
            time: None,
            all: Group::default(),
            methods: Names::new(MAX_NAMES),
            classes: [0; 10],
            replayed_classes: [0; 10],
            differing: 0,
            hosts: Names::new(MAX_NAMES),
            endpoints: Names::new(MAX_ENDPOINTS),
            clients: Names::new(MAX_NAMES),
            users: Names::new(MAX_NAMES),
            intervals: BTreeMap::new(),
            interval: 1,
            scratch: Vec::new(),
        }
    }

    /// By what requests are counted besides.
    pub fn by(&self) -> Option<&By> {
        self.by.as_ref()
    }

    /// Takes a record as it comes.
    pub fn record(&mut self, record: &View<'_>) {
        let header = &record.header;
        self.records[usize::from(header.kind.digit() - b'1')] += 1;
        match header.mark {
            Some(crate::record::Mark::Cut) => self.marked[0] += 1,
            Some(crate::record::Mark::Gap) => self.marked[1] += 1,
            Some(crate::record::Mark::Doubtful) => self.marked[2] += 1,
            None => {}
        }
        let [first, last] = self.time.get_or_insert([header.timestamp; 2]);
        *first = (*first).min(header.timestamp);
        *last = (*last).max(header.timestamp);
        if header.kind != crate::record::Kind::Request {
            return;
        }
        self.count_in_time(header.timestamp);
        if let Some(by) = &self.by
            && let Some(head) = Head::of(record.payload)
        {
            let user = match by {
                By::Header(name) => head.values(name.as_bytes()).next(),
                By::Cookie(name) => head.values(b"cookie").find_map(|value| cookie(value, name.as_bytes())),
            };
            self.users.count(user.unwrap_or(b"(none)"));
        }
    }

    /// Takes an exchange once it is whole.
    pub fn exchange(&mut self, exchange: &Exchange<Facts>) {
        let class = |answer: &Facts| usize::from(answer.status().unwrap_or(0) / 100 % 10);
        if let Some(response) = &exchange.response {
            self.classes[class(response)] += 1;
        }
        if let Some(replayed) = &exchange.replayed {
            self.replayed_classes[class(replayed)] += 1;
        }
        if let (Some(response), Some(replayed)) = (&exchange.response, &exchange.replayed) {
            self.differing += u64::from(response.status() != replayed.status());
        }
        let [request, response, replayed] = exchange.short();
        let is_counted = exchange.earlier.is_shown();
        self.incomplete += u64::from(request && !is_counted) + u64::from(response) + u64::from(replayed);
        self.all.add(exchange);
        let Some(request) = &exchange.request else {
            match exchange.response {
                Some(_) => self.orphans += 1,
                None => self.replayed_alone += 1,
            }
            return;
        };
        let is_late = exchange.earlier.is_shown();
        if !is_late && let Some(origin) = Origin::of(&request.id) {
            self.clients.count(&origin.client.octets());
        }
        let StartLine::Request { method, host, target } = &request.start else { return };
        if !is_late {
            self.methods.count(method);
            self.hosts.count(host.as_deref().unwrap_or(b"(none)"));
        }
        let mut path = std::mem::take(&mut self.scratch);
        path.clear();
        path.extend_from_slice(method);
        path.push(b' ');
        grouped(query::path(target), self.pattern.as_ref(), &mut path);
        if let Some(group) = self.endpoints.get(&path) {
            group.add(exchange);
        }
        self.scratch = path;
    }

    fn count_in_time(&mut self, time: i64) {
        let second = time.div_euclid(1_000_000_000);
        *self.intervals.entry(second.div_euclid(self.interval)).or_default() += 1;
        while self.intervals.len() > MAX_INTERVALS {
            self.interval *= 2;
            let mut halved = BTreeMap::new();
            for (at, number) in std::mem::take(&mut self.intervals) {
                *halved.entry(at.div_euclid(2)).or_default() += number;
            }
            self.intervals = halved;
        }
    }

    /// The most requests of one interval, a second: both.
    pub fn peak(&self) -> f64 {
        self.intervals.values().max().map_or(0.0, |most| *most as f64 / self.interval as f64)
    }

    /// Requests a second over time, in at most so many equal parts of the time.
    pub fn rates(&self, parts: usize) -> Vec<f64> {
        let (Some((&first, _)), Some((&last, _))) =
            (self.intervals.first_key_value(), self.intervals.last_key_value())
        else {
            return Vec::new();
        };
        let width = ((last - first) as u64 / parts.max(1) as u64 + 1) as i64;
        let number = ((last - first) / width + 1) as usize;
        let mut rates = vec![0.0; number];
        for (at, count) in &self.intervals {
            rates[((at - first) / width) as usize] += *count as f64;
        }
        for rate in &mut rates {
            *rate /= (width * self.interval) as f64;
        }
        rates
    }
}

/// The value of a cookie in a Cookie field (RFC 6265 §4.2.1).
fn cookie<'a>(value: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    value.split(|&byte| byte == b';').find_map(|pair| {
        let pair = pair.trim_ascii();
        pair.strip_prefix(name)?.strip_prefix(b"=")
    })
}
