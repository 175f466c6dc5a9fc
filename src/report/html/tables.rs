//! The tables of a page.

use std::fmt::{Display, Write as _};

use jiff::tz::TimeZone;

use super::escape::Escaped;
use super::numbers::{count, rounded, share, span};
use crate::report::groups::{MAX_GROUPS, OTHER};
use crate::report::histogram::{Latencies, PERCENTILES};
use crate::report::model::{RecordedReport, ReplayRun, SlowRequest, TargetReport};
use crate::report::text::time;

/// A table that may be wider than the page, with its head.
fn table(class: &str, head: &str, body: &str) -> String {
    format!(
        "<div class=\"wide\"><table class=\"{class}\">\n<thead>{head}</thead>\n<tbody>\n{body}</tbody>\n</table></div>\n"
    )
}

fn heads(names: &[&str]) -> String {
    let mut row = "<tr>".to_owned();
    for name in names {
        let _ = write!(row, "<th scope=\"col\">{name}</th>");
    }
    row + "</tr>"
}

/// A cell that is sorted by this number.
fn cell(sorted_by: impl Display, text: impl Display) -> String {
    format!("<td data-value=\"{sorted_by}\">{text}</td>")
}

fn number(number: u64) -> String {
    cell(number, count(number))
}

fn duration(nanoseconds: Option<u64>) -> String {
    let sorted_by = nanoseconds.map_or_else(|| "-1".to_owned(), |nanoseconds| nanoseconds.to_string());
    cell(sorted_by, span(nanoseconds))
}

/// What became of the requests: each line is the sum of those indented below it.
pub(super) fn counters(target: &TargetReport) -> String {
    let mut body = String::new();
    let mut row = |depth: u8, name: &str, number: u64| {
        let _ = writeln!(
            body,
            "<tr><th scope=\"row\" class=\"depth{depth}\">{name}</th><td>{}</td><td>{}</td></tr>",
            count(number),
            share(number, target.due)
        );
    };
    row(0, "due", target.due);
    row(1, "sent", target.sent);
    row(2, "answered", target.answered);
    for (status, number) in &target.statuses {
        row(3, &format!("status {status:03}"), *number);
    }
    row(2, "failed", target.failed_total());
    for reason in &target.failed {
        row(3, &Escaped(&reason.text).to_string(), reason.count);
    }
    row(1, "not sent", target.not_sent_total());
    for reason in &target.not_sent {
        row(2, &Escaped(&reason.text).to_string(), reason.count);
    }
    table("counters", &heads(&["Requests", "Number", "Of those due"]), &body)
}

/// Why requests have no response. None: all have one.
pub(super) fn failures(target: &TargetReport) -> Option<String> {
    let mut body = String::new();
    for (when, reasons) in [("not sent", &target.not_sent), ("failed", &target.failed)] {
        for reason in reasons {
            let first =
                if reason.first.is_empty() { "–".to_owned() } else { Escaped(&reason.first).to_string() };
            let at_fault = if reason.of_recording { " (recording)" } else { "" };
            let _ = writeln!(
                body,
                "<tr><th scope=\"row\">{}{at_fault}</th>{}<td>{when}</td><td class=\"words\">{first}</td></tr>",
                Escaped(&reason.text),
                number(reason.count),
            );
        }
    }
    let head = heads(&["Reason", "Number", "Requests were", "First example"]);
    (!body.is_empty()).then(|| table("failures sortable", &head, &body))
}

/// Percentiles of all that was measured.
pub(super) fn latencies(rows: &[(&str, &Latencies)]) -> String {
    let mut body = String::new();
    for (name, latencies) in rows.iter().filter(|(_, latencies)| latencies.max().is_some()) {
        let _ = write!(body, "<tr><th scope=\"row\">{name}</th>{}", number(latencies.0.len()));
        let percentiles = PERCENTILES.iter().map(|(percent, _, _)| latencies.percentile(*percent));
        for value in percentiles.chain([latencies.max(), latencies.mean()]) {
            let _ = write!(body, "<td>{}</td>", span(value));
        }
        body.push_str("</tr>\n");
    }
    let names: Vec<_> = ["", "Number"]
        .into_iter()
        .chain(PERCENTILES.map(|(_, _, name)| name))
        .chain(["max", "mean"])
        .collect();
    if body.is_empty() { body } else { table("latencies", &heads(&names), &body) }
}

/// Requests by method and path, beside the latencies of the recording.
pub(super) fn groups(target: &TargetReport, recorded: &RecordedReport) -> String {
    let has_recorded = !recorded.groups.is_empty();
    let mut body = String::new();
    for group in &target.groups {
        let _ = write!(
            body,
            "<tr><th scope=\"row\" class=\"path\">{}</th>{}{}{}{}{}",
            Escaped(&group.name),
            number(group.sent),
            number(group.answered),
            number(group.failed),
            number(group.classes.client_error),
            number(group.classes.server_error)
        );
        let (due, send) = (&group.latency_from_due, &group.latency_from_send);
        for value in [due.percentile(50.0), due.percentile(99.0), due.max()] {
            body.push_str(&duration(value));
        }
        for value in [send.percentile(50.0), send.percentile(99.0), send.max()] {
            body.push_str(&duration(value));
        }
        if has_recorded {
            let found = recorded.groups.iter().find(|recorded| recorded.name == group.name);
            for percent in [50.0, 99.0] {
                body.push_str(&duration(found.and_then(|found| found.latency.percentile(percent))));
            }
        }
        body.push_str("</tr>\n");
    }
    let mut over =
        "<tr><td></td><td colspan=\"5\"></td><th colspan=\"3\" scope=\"colgroup\">latency from due</th>\
         <th colspan=\"3\" scope=\"colgroup\">latency from send</th>"
            .to_owned();
    let mut names = vec!["Method and path", "sent", "answered", "failed", "4xx", "5xx"];
    names.extend(["p50", "p99", "max", "p50", "p99", "max"]);
    if has_recorded {
        over.push_str("<th colspan=\"2\" scope=\"colgroup\">recorded</th>");
        names.extend(["p50", "p99"]);
    }
    let mut out = table("groups sortable", &format!("{over}</tr>{}", heads(&names)), &body);
    if target.groups.iter().any(|group| group.name == OTHER) {
        let _ = writeln!(
            out,
            "<p class=\"note\">{OTHER} are those that had no room among {MAX_GROUPS} groups; \
             <code>--group REGEX</code> takes more in paths for ids.</p>"
        );
    }
    out
}

/// The slowest requests.
pub(super) fn slowest(slowest: &[SlowRequest]) -> String {
    let has_several = slowest.iter().any(|slow| slow.target != slowest[0].target);
    let mut body = String::new();
    for slow in slowest {
        let nanoseconds = |seconds: f64| Some((seconds * 1e9) as u64);
        let _ = write!(
            body,
            "<tr><th scope=\"row\" class=\"path\">{} {}</th>{}{}{}{}<td class=\"path\">{}</td>",
            Escaped(&slow.method),
            Escaped(&slow.path),
            duration(nanoseconds(slow.latency_from_due)),
            duration(nanoseconds(slow.latency_from_send)),
            cell(slow.status, format_args!("{:03}", slow.status)),
            cell(slow.due, format_args!("{:.3}s", slow.due)),
            Escaped(&slow.id),
        );
        if has_several {
            let _ = write!(body, "<td class=\"path\">{}</td>", Escaped(&slow.target));
        }
        body.push_str("</tr>\n");
    }
    let mut names = vec!["Request", "from due", "from send", "status", "due at", "record"];
    if has_several {
        names.push("target");
    }
    table("slowest sortable", &heads(&names), &body)
}

/// The targets beside each other, each with a link to its part of the page.
pub(super) fn targets(targets: &[TargetReport]) -> String {
    let mut body = String::new();
    for (at, target) in targets.iter().enumerate() {
        let latency = &target.latency_from_due;
        let rate = target.rate();
        let _ = writeln!(
            body,
            "<tr><th scope=\"row\" class=\"path\"><a href=\"#target{}\">{}</a></th>{}{}{}{}{}{}{}{}</tr>",
            at + 1,
            Escaped(&target.target),
            number(target.due),
            number(target.sent),
            number(target.answered),
            number(target.errors()),
            cell(rate.unwrap_or(-1.0), rate.map_or_else(|| "–".to_owned(), rounded)),
            duration(latency.percentile(50.0)),
            duration(latency.percentile(99.0)),
            duration(latency.max()),
        );
    }
    let names = ["Target", "due", "sent", "answered", "errors", "responses/s", "p50", "p99", "max"];
    table("targets sortable", &heads(&names), &body)
}

/// When a replay ran, what it read, and its options.
pub(super) fn run(run: &ReplayRun, zone: &TimeZone) -> String {
    let own = [
        ("start", time(run.start, zone)),
        ("end", time(run.end, zone)),
        ("requests read", count(run.requests)),
        ("responses read", count(run.responses)),
        ("rounds", count(run.rounds)),
        ("gor-tools", run.gor_tools.clone()),
    ];
    let own = own.into_iter().map(|(name, value)| (name.to_owned(), value));
    let options = run.options.iter().map(|option| (format!("--{}", option.name), option.value.clone()));
    let mut body = String::new();
    for (name, value) in own.chain(options) {
        let (name, value) = (Escaped(&name), Escaped(&value));
        let _ = writeln!(body, "<tr><th scope=\"row\">{name}</th><td>{value}</td></tr>");
    }
    table("options", "", &body)
}
