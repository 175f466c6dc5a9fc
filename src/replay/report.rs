//! The report of a replay, for `--report` and `--fail-if`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::failure::ReasonCounts;
use super::outcome::Outcome;
use super::tally::ReplayTally;
use super::target::Target;
use crate::report::{
    Classes, Latencies, ReasonCount, RecordedReport, ReplayReport, ReplayRun, ReportTime, RunOption,
    TargetReport,
};

/// A report of what was measured, which is taken out of the outcome. The replay began and ended at these moments.
pub fn to_report(
    outcome: &mut Outcome,
    start: ReportTime,
    end: ReportTime,
    options: Vec<RunOption>,
) -> ReplayReport {
    let run = ReplayRun {
        gor_tools: env!("CARGO_PKG_VERSION").to_owned(),
        start,
        end,
        interrupted: outcome.is_interrupted,
        error: outcome.failure.as_ref().map(ToString::to_string),
        requests: outcome.requests,
        responses: outcome.responses,
        rounds: outcome.rounds,
        closed_loop: outcome.is_closed_loop,
        options,
    };
    let targets = outcome.targets.iter_mut().map(|(target, tally)| of_target(target, tally, start)).collect();
    // The recording is read from its beginning, whatever was done before.
    let requests = outcome.requests + outcome.skipped;
    let recorded =
        outcome.recorded.take().map_or_else(RecordedReport::default, |recorded| recorded.report(requests));
    ReplayReport::new(run, targets, recorded)
}

fn of_target(target: &Target, tally: &mut ReplayTally, start: ReportTime) -> TargetReport {
    let seen = tally.statuses.iter().zip(0_u16..).filter(|(number, _)| **number > 0);
    let statuses: BTreeMap<u16, u64> = seen.map(|(number, status)| (status, *number)).collect();
    let mut classes = Classes::default();
    for (status, number) in &statuses {
        classes.count(*status, *number);
    }
    let mut report = TargetReport {
        target: target.to_string(),
        due: tally.sent + tally.not_sent.total(),
        sent: tally.sent,
        sent_again: tally.sent_again,
        not_sent: by_reason(&tally.not_sent),
        answered: tally.answered,
        failed: by_reason(&tally.failed),
        classes,
        statuses,
        bytes_sent: tally.bytes_sent,
        bytes_received: tally.bytes_received,
        connections: tally.connections,
        surplus: tally.surplus.number,
        answered_unasked: tally.answered_unasked,
        answers_cut: tally.answers_cut,
        answers_dropped: tally.answers_dropped,
        latency_from_due: Latencies(tally.latency_from_due.clone()),
        latency_from_send: Latencies(tally.latency_from_send.clone()),
        lateness: Latencies(tally.lateness.clone()),
        ..TargetReport::default()
    };
    if let Some(measured) = tally.measured.take() {
        measured.report(&mut report, start);
        for other in std::mem::take(&mut tally.measured_elsewhere) {
            let mut part = TargetReport { target: report.target.clone(), ..TargetReport::default() };
            other.report(&mut part, start);
            report.merge(&part);
        }
    }
    report
}

fn by_reason(counts: &ReasonCounts) -> Vec<ReasonCount> {
    let counted = counts.iter().filter_map(|(reason, count)| {
        let Ok(Value::String(name)) = serde_json::to_value(reason) else { return None };
        Some(ReasonCount {
            reason: name,
            text: reason.to_string(),
            of_recording: reason.is_of_the_recording(),
            count: count.number,
            first: count.first.clone(),
        })
    });
    counted.collect()
}
