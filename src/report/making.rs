//! Measurements become parts of a report when the replay has ended.

use serde::Deserialize;

use super::histogram::{Latencies, seconds};
use super::measurements::Measurements;
use super::model::{
    FORMAT, GroupReport, ReasonCount, RecordedGroup, RecordedReport, ReplayReport, ReplayRun, ReportTime,
    SlowRequest, TargetReport, VERSION,
};
use super::recorded::RecordedLatencies;

impl Measurements {
    /// Adds what was measured to the report of a target. `start` is that of the run.
    pub fn report(self, target: &mut TargetReport, start: ReportTime) {
        target.first_sent = self.first_sent.map(|time| ReportTime(time.wall));
        target.last_ended = self.last_ended.map(|time| ReportTime(time.wall));
        target.paused = self.first_sent.zip(self.last_ended).map_or(0.0, |(first, last)| {
            let shown = last.monotonic.saturating_sub(first.monotonic);
            seconds(last.wall.abs_diff(first.wall).saturating_sub(shown))
        });
        target.slowest = self
            .slowest
            .iter()
            .map(|slow| SlowRequest {
                target: target.target.clone(),
                id: lossy(&slow.id),
                method: lossy(&slow.method),
                path: lossy(&slow.path),
                status: slow.status,
                due: slow.due.saturating_sub(start.0) as f64 / 1e9,
                latency_from_due: seconds(slow.latency_from_due),
                latency_from_send: seconds(slow.latency_from_send),
            })
            .collect();
        target.slowest.sort_by(|one, two| two.latency_from_due.total_cmp(&one.latency_from_due));
        target.connect = Latencies(self.connect);
        target.tls = Latencies(self.tls);
        target.series = self.series.finish();
        let used = self.groups.into_named().filter(|(_, counts)| counts.sent > 0);
        target.groups = used
            .map(|(name, counts)| GroupReport {
                name,
                sent: counts.sent,
                answered: counts.answered,
                failed: counts.failed,
                classes: counts.classes,
                latency_from_due: Latencies(counts.latency_from_due),
                latency_from_send: Latencies(counts.latency_from_send),
            })
            .collect();
        target.sort_groups();
    }
}

impl RecordedLatencies {
    /// As a part of a report. So many requests were read.
    pub fn report(self, requests: u64) -> RecordedReport {
        let groups = self
            .groups
            .into_named()
            .filter_map(|(name, latency)| Some(RecordedGroup { name, latency: Latencies(*latency.0?) }));
        let mut report = RecordedReport {
            requests,
            responses: self.responses,
            latency: Latencies(self.latency),
            groups: groups.collect(),
        };
        report.sort_groups();
        report
    }
}

impl ReplayReport {
    /// The report of one run.
    pub fn new(run: ReplayRun, targets: Vec<TargetReport>, recorded: RecordedReport) -> Self {
        ReplayReport {
            format: FORMAT.to_owned(),
            version: VERSION,
            runs: vec![run],
            total: TargetReport::total(&targets),
            targets,
            recorded,
        }
    }
}

impl TargetReport {
    /// Whether the counters add up: requests that were due, that were sent, and responses.
    pub fn adds_up(&self) -> bool {
        let statuses = self.statuses.values().fold(0_u64, |sum, number| sum.saturating_add(*number));
        let sum = |one: u64, reasons: &[ReasonCount]| {
            reasons.iter().fold(one, |sum, reason| sum.saturating_add(reason.count))
        };
        self.due == sum(self.sent, &self.not_sent)
            && self.sent == sum(self.answered, &self.failed)
            && self.answered == statuses
            && self.answered == self.latency_from_due.0.len()
    }
}

/// What is looked at before the rest of a report is read.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct FormatTag {
    format: Option<String>,
    version: Option<u64>,
}

impl ReplayReport {
    /// A report out of its JSON; or, in words, why this is none.
    pub fn from_json(text: &[u8]) -> Result<Self, String> {
        let none = "this is not a report; gor-replay --report FILE.json writes one";
        let FormatTag { format, version } =
            serde_json::from_slice(text).map_err(|error: serde_json::Error| match error.is_eof() {
                true if text.trim_ascii().is_empty() => format!("{none} (it is empty)"),
                true => format!("the JSON is cut: {error}"),
                false => format!("{none} ({error})"),
            })?;
        if format.as_deref() != Some(FORMAT) {
            return Err(none.to_owned());
        }
        match version {
            Some(VERSION) => {}
            Some(other) => {
                return Err(format!(
                    "this is a report of version {other}; this tool reads version {VERSION}"
                ));
            }
            None => return Err("this is a report without a version".to_owned()),
        }
        let report: ReplayReport =
            serde_json::from_slice(text).map_err(|error| format!("the report is damaged: {error}"))?;
        if !std::iter::once(&report.total).chain(&report.targets).all(TargetReport::adds_up) {
            return Err("the report is damaged: its counters do not add up".to_owned());
        }
        Ok(report)
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
