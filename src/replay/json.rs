//! The closing summary, for programs. Times are in seconds.

use serde_json::{Map, Value, json};

use super::documents::DocumentTally;
use super::failure::ReasonCounts;
use super::middleware::MiddlewareTally;
use super::outcome::Outcome;
use super::tally::ReplayTally;
use crate::observe::Durations;

/// An outcome as JSON: what was read, and for each target what became of its requests.
pub fn to_json(outcome: &Outcome) -> Value {
    let targets = outcome.targets.iter().map(|(target, tally)| {
        let mut object = json!({"target": target.to_string()});
        if let (Value::Object(object), Value::Object(tally)) = (&mut object, of_target(tally)) {
            object.extend(tally);
        }
        object
    });
    let mut json = json!({
        "requests": outcome.requests,
        "not_selected": outcome.not_selected.number,
        "responses": outcome.responses,
        "disordered": outcome.disordered,
        "rounds": outcome.rounds,
        "interrupted": outcome.is_interrupted,
        "echoes_dropped": outcome.echoes_dropped,
        "records_not_written": outcome.unwritten,
        "targets": targets.collect::<Value>(),
    });
    if let (Some(middleware), Value::Object(object)) = (&outcome.middleware, &mut json) {
        object.insert("middleware".to_owned(), of_middleware(middleware));
    }
    if let (Some(documents), Value::Object(object)) = (&outcome.documents, &mut json) {
        let DocumentTally { documents, written, refused, first_refusal, dropped, unsent, last_failure } =
            documents;
        let documents = json!({
            "total": documents,
            "written": written,
            "refused": refused,
            "first_refusal": first_refusal,
            "dropped": dropped,
            "not_sent": unsent,
            "last_failure": last_failure,
        });
        object.insert("documents".to_owned(), documents);
    }
    json
}

fn of_middleware(tally: &MiddlewareTally) -> Value {
    json!({
        "requests": tally.requests,
        "requests_returned": tally.returned,
        "requests_returned_late": tally.late,
        "requests_own": tally.own,
        "requests_own_not_sent": tally.own_unsent,
        "recorded_responses": tally.recorded,
        "recorded_responses_dropped": tally.recorded_dropped,
        "responses": tally.replayed,
        "responses_returned": tally.replayed_returned,
        "responses_not_returned": tally.answers_kept(),
        "responses_dropped": tally.answers_dropped,
        "delay": percentiles(&tally.delay),
        "not_waited_for": tally.is_left,
    })
}

fn of_target(tally: &ReplayTally) -> Value {
    let statuses = tally.statuses.iter().enumerate().filter(|(_, number)| **number > 0);
    json!({
        "sent": tally.sent,
        "sent_again": tally.sent_again,
        "not_sent": by_reason(&tally.not_sent),
        "answered": tally.answered,
        "failed": by_reason(&tally.failed),
        "statuses": statuses.map(|(status, number)| (status.to_string(), json!(number))).collect::<Map<_, _>>(),
        "bytes_sent": tally.bytes_sent,
        "bytes_received": tally.bytes_received,
        "connections": tally.connections,
        "duration": seconds(tally.duration()),
        "redirected": tally.redirected,
        "redirected_to": tally.redirected_to,
        "redirected_elsewhere": tally.redirected_elsewhere.number,
        "redirected_beyond": tally.redirected_beyond.number,
        "cookies_too_long": tally.cookies_too_long.number,
        "cookies_dropped": tally.cookies_dropped,
        "answers_dropped": tally.answers_dropped,
        "answers_cut": tally.answers_cut,
        "latency_from_due": percentiles(&tally.latency_from_due),
        "latency_from_send": percentiles(&tally.latency_from_send),
        "lateness": percentiles(&tally.lateness),
    })
}

/// A number for each reason that applied.
fn by_reason(counts: &ReasonCounts) -> Value {
    let reasons = counts.iter().filter_map(|(reason, count)| {
        let Ok(Value::String(key)) = serde_json::to_value(reason) else { return None };
        Some((key, json!(count.number)))
    });
    Value::Object(reasons.collect())
}

/// Nothing where nothing was measured.
fn percentiles(durations: &Durations) -> Value {
    if durations.is_empty() {
        return Value::Null;
    }
    let at = |percent| seconds(durations.percentile(percent));
    json!({
        "p50": at(50.0), "p90": at(90.0), "p99": at(99.0), "p999": at(99.9), "max": seconds(durations.max()),
    })
}

fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}
