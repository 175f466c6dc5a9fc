//! A report as it is kept in a file: JSON with a version. gor-report(5) explains each key.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::histogram::{Latencies, SparseHistogram, seconds};
use super::series::{Interval, Series};
use super::statuses::Classes;

/// The value of `format` in each report.
pub const FORMAT: &str = "gor-report";

/// The version of the schema.
pub const VERSION: u64 = 1;

/// A moment in nanoseconds since the Unix epoch, in JSON as text of RFC 3339.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct ReportTime(pub i64);

impl fmt::Display for ReportTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Nanoseconds of 64 bits are within the years that a timestamp tells.
        let timestamp = Timestamp::from_nanosecond(self.0.into()).unwrap_or_default();
        write!(f, "{timestamp:.9}")
    }
}

impl Serialize for ReportTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ReportTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let timestamp: Timestamp = text.parse().map_err(serde::de::Error::custom)?;
        i64::try_from(timestamp.as_nanosecond()).map(ReportTime).map_err(serde::de::Error::custom)
    }
}

/// What one or several replays came to.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct ReplayReport {
    /// Always [`FORMAT`].
    pub format: String,
    /// [`VERSION`].
    pub version: u64,
    /// The replays: one, or those whose reports were merged.
    pub runs: Vec<ReplayRun>,
    /// All targets together.
    pub total: TargetReport,
    /// Each target.
    pub targets: Vec<TargetReport>,
    /// What the recordings tell of their own latencies.
    pub recorded: RecordedReport,
}

/// One replay: a tool that ran.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct ReplayRun {
    /// The version of gor-tools.
    pub gor_tools: String,
    /// When it began.
    pub start: ReportTime,
    /// When it had ended.
    pub end: ReportTime,
    /// Whether the user ended it.
    pub interrupted: bool,
    /// What ended it early, if something did.
    pub error: Option<String>,
    /// Requests that were read, or read again.
    pub requests: u64,
    /// Recorded responses that were read.
    pub responses: u64,
    /// Times that the input was replayed.
    pub rounds: u64,
    /// Whether requests followed each other, not their schedule.
    pub closed_loop: bool,
    /// The options in force.
    pub options: Vec<RunOption>,
}

/// An option and its value.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct RunOption {
    /// Its name on the command line, without dashes.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// Why requests were not sent or had no response, and how many.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ReasonCount {
    /// A name for programs.
    pub reason: String,
    /// The same for people.
    pub text: String,
    /// Whether the recording is at fault, so that it is no error of the replay.
    pub of_recording: bool,
    /// How many requests.
    pub count: u64,
    /// The first of them, in words; empty where there are no words.
    pub first: String,
}

/// What became of the requests to one target, or to all.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct TargetReport {
    /// The target; empty for all targets together.
    pub target: String,
    /// Requests that were due: those sent and those not sent.
    pub due: u64,
    /// Requests of which at least a byte was sent: those answered and those failed.
    pub sent: u64,
    /// Requests that were sent a second time, as their connection had been closed.
    pub sent_again: u64,
    /// Requests that were not sent.
    pub not_sent: Vec<ReasonCount>,
    /// Requests whose response came whole.
    pub answered: u64,
    /// Requests that were sent and had no whole response.
    pub failed: Vec<ReasonCount>,
    /// Responses by class of status.
    pub classes: Classes,
    /// Responses by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Bytes of requests that were sent.
    pub bytes_sent: u64,
    /// Bytes of responses that came.
    pub bytes_received: u64,
    /// Connections that were made.
    pub connections: u64,
    /// Responses that were followed by bytes that nothing asked for.
    pub surplus: u64,
    /// Connections that began with a response that nothing asked for.
    pub answered_unasked: u64,
    /// Responses too long for the output.
    pub answers_cut: u64,
    /// Responses that the output had no room for.
    pub answers_dropped: u64,
    /// When the first byte was sent. None: nothing was sent.
    pub first_sent: Option<ReportTime>,
    /// When the last request was answered or failed. None: none was.
    pub last_ended: Option<ReportTime>,
    /// Seconds between these for which the replay was stopped, by Ctrl-Z for example. They do not count in rates.
    pub paused: f64,
    /// From when a request was due to the last byte of its response.
    pub latency_from_due: Latencies,
    /// From the first byte of a request to the last byte of its response.
    pub latency_from_send: Latencies,
    /// From the beginning of a connection until it was made.
    pub connect: Latencies,
    /// TLS handshakes.
    pub tls: Latencies,
    /// From when a request was due to its first byte.
    pub lateness: Latencies,
    /// Requests by method and path.
    pub groups: Vec<GroupReport>,
    /// What happened when.
    pub series: Series,
    /// The slowest requests, the slowest first.
    pub slowest: Vec<SlowRequest>,
}

impl TargetReport {
    /// Requests that were not sent, whatever the reason.
    pub fn not_sent_total(&self) -> u64 {
        self.not_sent.iter().map(|reason| reason.count).sum()
    }

    /// Requests that were sent and failed.
    pub fn failed_total(&self) -> u64 {
        self.failed.iter().map(|reason| reason.count).sum()
    }

    /// Requests without a response that could have had one: neither those of the recording's own fault, nor those that
    /// were not sent as the replay was interrupted, or its time over, before.
    pub fn errors(&self) -> u64 {
        let unsent = self
            .not_sent
            .iter()
            .filter(|reason| reason.reason != "interrupted" && reason.reason != "time_over");
        unsent.chain(&self.failed).filter(|reason| !reason.of_recording).map(|reason| reason.count).sum()
    }

    /// Nanoseconds from the first byte sent to the last end, less the time for which it was stopped. None: nothing was measured.
    pub fn duration(&self) -> Option<u64> {
        let (first, last) = (self.first_sent?, self.last_ended?);
        let paused = (self.paused * 1e9) as u64;
        let duration = u64::try_from(last.0.saturating_sub(first.0)).ok()?.saturating_sub(paused);
        Some(duration).filter(|duration| *duration > 0)
    }

    /// Responses a second. None: nothing was measured.
    pub fn rate(&self) -> Option<f64> {
        self.duration().map(|duration| self.answered as f64 / seconds(duration))
    }
}

/// Requests of one method to paths that are alike.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct GroupReport {
    /// Method and path, with ids taken out; `(other)` for all that had no room.
    pub name: String,
    /// Requests sent.
    pub sent: u64,
    /// Requests answered.
    pub answered: u64,
    /// Requests sent and not answered.
    pub failed: u64,
    /// Responses by class of status.
    pub classes: Classes,
    /// From when a request was due to the last byte of its response.
    pub latency_from_due: Latencies,
    /// From the first byte of a request to the last byte of its response.
    pub latency_from_send: Latencies,
}

/// One of the slowest requests.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct SlowRequest {
    /// The target that it was sent to.
    pub target: String,
    /// The id of its record.
    pub id: String,
    /// Its method.
    pub method: String,
    /// Its path as it was sent, without the query.
    pub path: String,
    /// The status of its response.
    pub status: u16,
    /// When it was due, in seconds from the start of its run.
    pub due: f64,
    /// From when it was due, in seconds.
    pub latency_from_due: f64,
    /// From its first byte, in seconds.
    pub latency_from_send: f64,
}

/// Latencies of the recordings. They cover all requests that were read, whether or not they were sent, as far as their
/// responses were read as well.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct RecordedReport {
    /// Requests that were read.
    pub requests: u64,
    /// Responses that were read.
    pub responses: u64,
    /// From the beginning of a request to the end of its response.
    pub latency: Latencies,
    /// The same for each group that has responses.
    pub groups: Vec<RecordedGroup>,
}

/// Latencies of a recording's requests of one method to paths that are alike.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct RecordedGroup {
    /// As of a [`GroupReport`].
    pub name: String,
    /// From the beginning of a request to the end of its response.
    pub latency: Latencies,
}

/// A series as it is written.
#[derive(Deserialize, Serialize)]
struct SeriesText {
    interval: u64,
    intervals: Vec<IntervalText>,
}

/// An interval as it is written.
#[derive(Deserialize, Serialize)]
struct IntervalText {
    start: ReportTime,
    sent: u64,
    answered: u64,
    failed: u64,
    not_sent: u64,
    classes: Classes,
    #[serde(skip_deserializing)]
    p50: Option<f64>,
    #[serde(skip_deserializing)]
    p99: Option<f64>,
    #[serde(skip_deserializing)]
    max: Option<f64>,
    lateness_max: f64,
    histogram: SparseHistogram,
}

const SECOND: i64 = 1_000_000_000;

impl Serialize for Series {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = |(number, interval): (&i64, &Interval)| {
            let latency = &interval.latency_from_due;
            let percentile = |percent| latency.percentile(percent).map(seconds);
            IntervalText {
                start: ReportTime(number.saturating_mul(self.width as i64).saturating_mul(SECOND)),
                sent: interval.sent,
                answered: interval.answered,
                failed: interval.failed,
                not_sent: interval.not_sent,
                classes: interval.classes,
                p50: percentile(50.0),
                p99: percentile(99.0),
                max: latency.max().map(seconds),
                lateness_max: seconds(interval.lateness_max),
                histogram: latency.clone(),
            }
        };
        let intervals = self.intervals.iter().map(text).collect();
        SeriesText { interval: self.width, intervals }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Series {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let SeriesText { interval: width, intervals } = SeriesText::deserialize(deserializer)?;
        if !width.is_power_of_two() || width > 1 << 32 {
            return Err(serde::de::Error::custom("the interval of a series is a power of two of seconds"));
        }
        let whole = |text: IntervalText| {
            let interval = Interval {
                sent: text.sent,
                answered: text.answered,
                failed: text.failed,
                not_sent: text.not_sent,
                classes: text.classes,
                latency_from_due: text.histogram,
                lateness_max: (text.lateness_max * 1e9).round() as u64,
            };
            (text.start.0.div_euclid(SECOND).div_euclid(width as i64), interval)
        };
        Ok(Series { width, intervals: intervals.into_iter().map(whole).collect() })
    }
}
