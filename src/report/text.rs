//! A report as text for a person.

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::groups::{MAX_GROUPS, OTHER};
use super::histogram::{Latencies, PERCENTILES};
use super::model::{
    GroupReport, ReasonCount, RecordedReport, ReplayReport, ReplayRun, ReportTime, SlowRequest, TargetReport,
};
use super::series::Series;
use crate::observe::{Count, Size, Span};
use crate::show::text::printable;

/// Rows of what happened when.
const ROWS: usize = 60;

/// Columns of a method and a path.
const NAME: usize = 40;

impl ReplayReport {
    /// The whole report, with times of this zone.
    pub fn text(&self, zone: &TimeZone) -> String {
        let mut out = String::new();
        for run in &self.runs {
            write_run(run, zone, &mut out);
        }
        if self.targets.len() > 1 {
            let _ = writeln!(out, "\nAll {} targets", self.targets.len());
            self.write_target(&self.total, zone, &mut out);
        }
        for target in &self.targets {
            let _ = writeln!(out, "\nTarget {}", printable(target.target.as_bytes()));
            self.write_target(target, zone, &mut out);
        }
        out
    }

    fn write_target(&self, target: &TargetReport, zone: &TimeZone, out: &mut String) {
        write_counts(target, out);
        self.write_latencies(target, out);
        write_groups(&target.groups, &self.recorded, out);
        write_series(&target.series, zone, out);
        write_slowest(&target.slowest, out);
    }

    fn write_latencies(&self, target: &TargetReport, out: &mut String) {
        let _ = write!(out, "\n{:<18}{:>9}", "", "count");
        for (_, _, name) in PERCENTILES {
            let _ = write!(out, "{name:>9}");
        }
        let _ = writeln!(out, "{:>9}{:>9}", "max", "mean");
        let recorded = &self.recorded;
        for (name, latencies) in [
            ("latency from due", &target.latency_from_due),
            ("latency from send", &target.latency_from_send),
            ("recorded latency", &recorded.latency),
            ("lateness", &target.lateness),
            ("connecting", &target.connect),
            ("TLS handshake", &target.tls),
        ] {
            if !latencies.0.is_empty() {
                let _ = writeln!(out, "{}", durations(name, latencies));
            }
        }
        if !recorded.latency.0.is_empty() {
            let _ = writeln!(
                out,
                "The recorded latency is that of the {} requests, of {} that were read, whose recorded response was read",
                recorded.latency.0.len(),
                recorded.requests
            );
            let _ = writeln!(
                out,
                "as well, whether or not they were sent; it compares with the latency from send."
            );
        }
        if self.runs.iter().any(|run| run.closed_loop) {
            let _ = writeln!(
                out,
                "Without waiting, the next request is sent when a response comes: a slow target hides what its users\n\
                 would have waited."
            );
        }
    }
}

fn write_run(run: &ReplayRun, zone: &TimeZone, out: &mut String) {
    let lasted = Span(run.end.0.abs_diff(run.start.0));
    let _ = writeln!(out, "run         {} to {}, {lasted}", time(run.start, zone), time(run.end, zone));
    if run.interrupted {
        let _ = writeln!(out, "            interrupted");
    }
    if let Some(error) = &run.error {
        let _ = writeln!(out, "            ended by an error: {}", printable(error.as_bytes()));
    }
    let options: Vec<_> = run
        .options
        .iter()
        .map(|option| format!("{} {}", printable(option.name.as_bytes()), printable(option.value.as_bytes())))
        .collect();
    let _ = writeln!(out, "options     {}", options.join(", "));
    let rounds = if run.rounds > 1 { format!(", in {} rounds", run.rounds) } else { String::new() };
    let _ = writeln!(out, "read        {} requests, {} responses{rounds}", run.requests, run.responses);
    let _ = writeln!(out, "version     gor-tools {}", printable(run.gor_tools.as_bytes()));
}

fn write_counts(target: &TargetReport, out: &mut String) {
    let mut row = |name: &str, text: String| {
        let _ = writeln!(out, "{name:<12}{text}");
    };
    row("due", target.due.to_string());
    let again = match target.sent_again {
        0 => String::new(),
        again => format!(" ({again} again, as their connection had been closed)"),
    };
    row("sent", format!("{}{again}", target.sent));
    reasons("not sent", target.not_sent_total(), &target.not_sent, &mut row);
    row("answered", target.answered.to_string());
    reasons("failed", target.failed_total(), &target.failed, &mut row);
    if target.answered > 0 {
        let classes = target.classes.named().into_iter().filter(|(_, number)| *number > 0);
        row(
            "classes",
            classes.map(|(class, number)| format!("{class}: {number}")).collect::<Vec<_>>().join(", "),
        );
        let statuses = target.statuses.iter().map(|(status, number)| format!("{status:03}: {number}"));
        row("statuses", statuses.collect::<Vec<_>>().join(", "));
    }
    let (sent, received) = (Size(target.bytes_sent), Size(target.bytes_received));
    let connections = Count(target.connections, "connection");
    row("bytes", format!("{sent} sent, {received} received, over {connections}"));
    for (name, number, noun, text) in [
        ("unasked", target.surplus, "response", "followed by bytes that nothing asked for"),
        ("unasked", target.answered_unasked, "connection", "begun with a response that nothing asked for"),
        ("output", target.answers_dropped, "response", "dropped, as the output was too slow"),
        ("output", target.answers_cut, "response", "marked as cut, being too long"),
    ] {
        if number > 0 {
            row(name, format!("{} {text}", Count(number, noun)));
        }
    }
    if let (Some(duration), Some(rate)) = (target.duration(), target.rate()) {
        row("duration", format!("{}, {rate:.1} responses/s", Span(duration)));
    }
}

fn reasons(name: &str, total: u64, reasons: &[ReasonCount], row: &mut impl FnMut(&str, String)) {
    if total > 0 {
        row(name, total.to_string());
    }
    for ReasonCount { text, count, first, .. } in reasons {
        row("", format!("{count:<8}{}", printable(text.as_bytes())));
        if !first.is_empty() {
            row("", format!("{:<8}first: {}", "", printable(first.as_bytes())));
        }
    }
}

fn durations(name: &str, latencies: &Latencies) -> String {
    let mut line = format!("{name:<18}{:>9}", latencies.0.len());
    let percentiles = PERCENTILES.iter().map(|(percent, _, _)| latencies.percentile(*percent));
    for value in percentiles.chain([latencies.max(), latencies.mean()]) {
        let _ = write!(line, "{:>9}", span(value));
    }
    line
}

fn write_groups(groups: &[GroupReport], recorded: &RecordedReport, out: &mut String) {
    if groups.is_empty() {
        return;
    }
    let has_recorded = !recorded.groups.is_empty();
    let _ = write!(
        out,
        "\n{:<NAME$} {:>8}{:>9}{:>7}{:>7}{:>7}{:>9}{:>9}{:>9}",
        "latency from send by method and path",
        "sent",
        "answered",
        "failed",
        "4xx",
        "5xx",
        "p50",
        "p99",
        "max"
    );
    let _ = writeln!(out, "{}", if has_recorded { "  recorded p50      p99" } else { "" });
    for group in groups {
        let latency = &group.latency_from_send;
        let _ = write!(
            out,
            "{:<NAME$} {:>8}{:>9}{:>7}{:>7}{:>7}{:>9}{:>9}{:>9}",
            printable(group.name.as_bytes()),
            group.sent,
            group.answered,
            group.failed,
            group.classes.client_error,
            group.classes.server_error,
            span(latency.percentile(50.0)),
            span(latency.percentile(99.0)),
            span(latency.max()),
        );
        if has_recorded {
            let found = recorded.groups.iter().find(|recorded| recorded.name == group.name);
            let percentile = |percent| span(found.and_then(|found| found.latency.percentile(percent)));
            let _ = write!(out, "{:>14}{:>9}", percentile(50.0), percentile(99.0));
        }
        out.push('\n');
    }
    if groups.iter().any(|group| group.name == OTHER) {
        let _ = writeln!(
            out,
            "{OTHER} are those that had no room among {MAX_GROUPS} groups; --group REGEX takes more in paths for ids."
        );
    }
}

fn write_series(series: &Series, zone: &TimeZone, out: &mut String) {
    if series.intervals.is_empty() {
        return;
    }
    let series = series.at_most(ROWS);
    let _ = writeln!(
        out,
        "\n{:<20}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}",
        format!("intervals of {}", Span(series.width.saturating_mul(1_000_000_000))),
        "sent",
        "answered",
        "failed",
        "not sent",
        "5xx",
        "p50",
        "p99",
        "max",
        "late"
    );
    for (number, interval) in &series.intervals {
        let latency = &interval.latency_from_due;
        let start = number.saturating_mul(series.width as i64).saturating_mul(1_000_000_000);
        let _ = writeln!(
            out,
            "{:<20}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}",
            time(ReportTime(start), zone),
            interval.sent,
            interval.answered,
            interval.failed,
            interval.not_sent,
            interval.classes.server_error,
            span(latency.percentile(50.0)),
            span(latency.percentile(99.0)),
            span(latency.max()),
            span((interval.sent > 0).then_some(interval.lateness_max)),
        );
    }
    let _ = writeln!(
        out,
        "Latencies are from when requests were due, of the responses that ended in the interval."
    );
}

fn write_slowest(slowest: &[SlowRequest], out: &mut String) {
    if slowest.is_empty() {
        return;
    }
    let has_several = slowest.iter().any(|slow| slow.target != slowest[0].target);
    let _ = writeln!(
        out,
        "\n{:<18}{:>9}{:>9}{:>10}  {:<30} request",
        "slowest: from due", "from send", "status", "due at", "record"
    );
    for slow in slowest {
        let nanoseconds = |seconds: f64| Span((seconds * 1e9) as u64);
        let _ = writeln!(
            out,
            "{:>18}{:>9}{:>9}{:>9.3}s  {:<30} {} {}{}",
            nanoseconds(slow.latency_from_due),
            nanoseconds(slow.latency_from_send),
            format!("{:03}", slow.status),
            slow.due,
            printable(slow.id.as_bytes()),
            printable(slow.method.as_bytes()),
            printable(slow.path.as_bytes()),
            if has_several { format!(" ({})", printable(slow.target.as_bytes())) } else { String::new() },
        );
    }
}

fn span(nanoseconds: Option<u64>) -> String {
    nanoseconds.map_or_else(|| "-".to_owned(), |nanoseconds| Span(nanoseconds).to_string())
}

/// A moment in this zone, in seconds.
pub(super) fn time(moment: ReportTime, zone: &TimeZone) -> String {
    let zoned = Timestamp::from_nanosecond(moment.0.into()).map(|time| time.to_zoned_datetime(zone.clone()));
    zoned.map_or_else(|_| moment.0.to_string(), |zoned| zoned.strftime("%Y-%m-%d %H:%M:%S").to_string())
}
