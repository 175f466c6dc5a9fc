//! A report as a page of HTML: one file, which loads nothing and needs no network.
//!
//! A policy in its head lets only its own script and style work, besides everything shown being escaped.

mod axis;
mod charts;
mod escape;
mod numbers;
mod plot;
mod tables;

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::tz::TimeZone;
use sha2::{Digest as _, Sha256};

use self::charts::{IntervalSeries, figure, percentiles};
use self::escape::Escaped;
use self::numbers::{count, rounded, share, span};
use super::model::{ReplayReport, TargetReport};
use super::text::time;
use crate::observe::{Count, Size, Span};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

const BY_PERCENTILE: &str = "The latency of responses by percentile: at 99 %, 99 of 100 responses were as fast or \
    faster. Both axes are logarithmic, so that the slowest few can be seen.";

/// What the two latencies are.
const WAITING: &str = "<p>The latency from due begins when the schedule wanted the request to be sent, so that time \
    spent waiting for a free connection counts, as it would for a user. A load generator that only sends when the last \
    response has come measures least when the server is slowest: this mistake is called coordinated omission. The \
    latency from send begins with the first byte, and leaves that wait out; where the two differ, requests waited.</p>\n";

const CLOSED_LOOP: &str = "<p>This replay did not wait for due times (<code>--no-wait</code>): the next request is sent \
    when a response comes, so a slow target hides what its users would have waited.</p>\n";

impl ReplayReport {
    /// The whole report as a page, with times of this zone.
    pub fn html(&self, zone: &TimeZone) -> String {
        let mut page = HtmlPage { report: self, zone, out: String::new() };
        page.write();
        page.out
    }
}

/// A page in the making.
struct HtmlPage<'a> {
    report: &'a ReplayReport,
    zone: &'a TimeZone,
    out: String,
}

impl HtmlPage<'_> {
    fn write(&mut self) {
        let targets = &self.report.targets;
        let [style, script] = [STYLE, SCRIPT].map(|text| STANDARD.encode(Sha256::digest(text)));
        let _ = write!(
            self.out,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{style}'; \
             script-src 'sha256-{script}'; base-uri 'none'; form-action 'none'\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"referrer\" content=\"no-referrer\">\n\
             <title>Replay report</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>Replay report</h1>\n"
        );
        self.write_summary();
        self.out.push_str("</header>\n<main>\n");
        if let [target] = &targets[..] {
            self.write_target(target, 2);
        } else {
            self.write_targets();
        }
        self.write_runs();
        let _ = write!(self.out, "</main>\n<script>{SCRIPT}</script>\n</body>\n</html>\n");
    }

    /// A comparison of the targets, their sum, and each.
    fn write_targets(&mut self) {
        let targets = &self.report.targets;
        self.heading(2, "Targets");
        self.out.push_str(&tables::targets(targets));
        self.heading(2, &format!("All {} targets", targets.len()));
        self.write_target(&self.report.total, 3);
        for (number, target) in targets.iter().enumerate() {
            let name = Escaped(&target.target);
            let _ = writeln!(self.out, "<h2 id=\"target{}\">Target {name}</h2>", number + 1);
            self.write_target(target, 3);
        }
    }

    /// A heading of our own words.
    fn heading(&mut self, level: u8, text: &str) {
        let _ = writeln!(self.out, "<h{level}>{text}</h{level}>");
    }

    fn write_summary(&mut self) {
        let ReplayReport { runs, total, targets, .. } = self.report;
        let ends = runs.iter().map(|run| run.start).min().zip(runs.iter().map(|run| run.end).max());
        if let Some((start, end)) = ends {
            let _ = write!(
                self.out,
                "<p class=\"lead\">{} to {}, {}",
                time(start, self.zone),
                time(end, self.zone),
                Span(end.0.abs_diff(start.0))
            );
            if runs.len() > 1 {
                let _ = write!(self.out, ", {} replays added up", runs.len());
            }
            if let [target] = &targets[..] {
                let _ = write!(self.out, "<br>Target {}", Escaped(&target.target));
            }
            self.out.push_str("</p>\n");
        }
        for run in runs {
            if run.interrupted {
                self.out.push_str("<p class=\"warning\">The replay was interrupted.</p>\n");
            }
            if let Some(error) = &run.error {
                let _ = writeln!(
                    self.out,
                    "<p class=\"warning\">The replay ended by an error: {}</p>",
                    Escaped(error)
                );
            }
        }
        let errors = total.errors();
        let latency = &total.latency_from_due;
        let figures = [
            ("", "due", count(total.due), "requests"),
            ("", "answered", count(total.answered), &*share(total.answered, total.due)),
            (if errors > 0 { "bad" } else { "" }, "errors", count(errors), &*share(errors, total.due)),
            ("", "rate", total.rate().map_or_else(|| "–".to_owned(), rounded), "responses/s"),
            ("", "p50", span(latency.percentile(50.0)), "latency from due"),
            ("", "p99", span(latency.percentile(99.0)), "latency from due"),
            ("", "max", span(latency.max()), "latency from due"),
        ];
        self.out.push_str("<dl class=\"figures\">\n");
        for (class, name, value, what) in figures {
            let _ = writeln!(
                self.out,
                "<div><dt>{name}</dt><dd class=\"{class}\">{value}<small>{what}</small></dd></div>"
            );
        }
        self.out.push_str("</dl>\n");
    }

    fn write_target(&mut self, target: &TargetReport, level: u8) {
        self.write_latencies(target, level);
        self.write_times(target, level);
        self.write_counts(target, level);
        self.heading(level, "By method and path");
        if target.groups.is_empty() {
            self.out.push_str("<p>No request was sent.</p>\n");
        } else {
            self.out.push_str("<p class=\"note\">Ids in paths are replaced by <code>{id}</code>.</p>\n");
            self.out.push_str(&tables::groups(target, &self.report.recorded));
        }
        self.heading(level, "Slowest requests");
        if target.slowest.is_empty() {
            self.out.push_str("<p>No response came.</p>\n");
        } else {
            self.out.push_str(
                "<p class=\"note\">Those with the longest latency from due. <i>Due at</i> counts from the start of the \
                 replay; <code>gor-show</code> and <code>gor-filter</code> find the record by its id.</p>\n",
            );
            self.out.push_str(&tables::slowest(&target.slowest));
        }
    }

    fn write_counts(&mut self, target: &TargetReport, level: u8) {
        self.heading(level, "What became of the requests");
        self.out.push_str("<p class=\"note\">Each line is the sum of the lines indented below it.</p>\n");
        self.out.push_str(&tables::counters(target));
        let _ = write!(
            self.out,
            "<p>{} sent, {} received, over {}",
            Size(target.bytes_sent),
            Size(target.bytes_received),
            Count(target.connections, "connection")
        );
        if let Some(duration) = target.duration() {
            let _ = write!(self.out, ", in {}", Span(duration));
        }
        self.out.push_str(".</p>\n");
        for (number, noun, text) in [
            (target.sent_again, "request", "sent again on another connection, as the first had been closed"),
            (target.surplus, "response", "followed by bytes that nothing asked for"),
            (target.answered_unasked, "connection", "begun with a response that nothing asked for"),
            (target.answers_dropped, "response", "dropped, as the output was too slow"),
            (target.answers_cut, "response", "marked as cut, being too long for the output"),
        ] {
            if number > 0 {
                let nouns = if number == 1 { "" } else { "s" };
                let _ = writeln!(self.out, "<p>{} {noun}{nouns} {text}.</p>", count(number));
            }
        }
        self.heading(level, "Failures");
        let failures = tables::failures(target);
        self.out.push_str(failures.as_deref().unwrap_or("<p>Every request has a complete response.</p>\n"));
        if target.not_sent.iter().chain(&target.failed).any(|reason| reason.of_recording) {
            self.out.push_str(
                "<p class=\"note\">What is marked <i>recording</i> is the recording's fault, and no error of the \
                 replay.</p>\n",
            );
        }
    }

    fn write_latencies(&mut self, target: &TargetReport, level: u8) {
        self.heading(level, "Latency");
        let recorded = &self.report.recorded;
        let curves = [
            ("due", "from due", &target.latency_from_due),
            ("send", "from send", &target.latency_from_send),
            ("recorded", "recorded", &recorded.latency),
        ];
        let names: Vec<_> = curves
            .iter()
            .filter(|(_, _, latencies)| latencies.max().is_some())
            .map(|(class, name, _)| (*class, *name))
            .collect();
        match percentiles(&curves) {
            Some(plot) => self.out.push_str(&figure("Latency by percentile", BY_PERCENTILE, &names, &plot)),
            None => self.out.push_str("<p>No response came.</p>\n"),
        }
        self.out.push_str(WAITING);
        if self.report.runs.iter().any(|run| run.closed_loop) {
            self.out.push_str(CLOSED_LOOP);
        }
        if recorded.latency.max().is_some() {
            let _ = writeln!(
                self.out,
                "<p>The recorded latency is that of the {} requests, of {} that were read, whose recorded response was \
                 read as well, whether or not they were sent; it compares with the latency from send.</p>",
                count(recorded.latency.0.len()),
                count(recorded.requests)
            );
        }
        self.out.push_str(&tables::latencies(&[
            ("latency from due", &target.latency_from_due),
            ("latency from send", &target.latency_from_send),
            ("recorded latency", &recorded.latency),
            ("lateness", &target.lateness),
            ("connecting", &target.connect),
            ("TLS handshake", &target.tls),
        ]));
    }

    fn write_times(&mut self, target: &TargetReport, level: u8) {
        self.heading(level, "Over time");
        let Some(timeline) = IntervalSeries::of(&target.series, self.zone) else {
            self.out.push_str("<p>No request was sent.</p>\n");
            return;
        };
        let interval = match timeline.width() {
            1 => "a second".to_owned(),
            seconds => Count(seconds, "second").to_string(),
        };
        let _ = writeln!(
            self.out,
            "<p class=\"note\">Each step is an interval of {interval}; the replay covers only a part of the first and the \
             last one. Point at an interval to see its values.</p>"
        );
        if let Some(plot) = timeline.latency() {
            let caption = "The latency from due of the responses that ended in each interval, on a logarithmic axis: \
                half of them were as fast as p50 or faster, 99 of 100 as p99, and all of them as max. Where there is a gap, no response ended.";
            self.out.push_str(&figure(
                "Latency from due",
                caption,
                &[("p50", "p50"), ("p99", "p99"), ("max", "max")],
                &plot,
            ));
        }
        let caption = "Requests sent and responses received per second: where responses fall behind, the target does not \
            keep up; where both fall, requests waited, or fewer were due.";
        let names = [("sent", "sent"), ("answered", "responses")];
        self.out.push_str(&figure("Requests and responses per second", caption, &names, &timeline.rates()));
        let caption = "Per second, the responses by class of status, and on top the requests that failed or were not sent.";
        self.out.push_str(&figure(
            "Outcomes per second",
            caption,
            &timeline.outcome_names(),
            &timeline.statuses(),
        ));
        if let Some(plot) = timeline.lateness() {
            let caption = "The longest lateness in each interval, on a logarithmic axis: the time from when a request was \
                due to its first byte, because no connection was free or this machine was too slow.";
            self.out.push_str(&figure("Lateness", caption, &[("late", "lateness")], &plot));
        }
    }

    fn write_runs(&mut self) {
        let runs = &self.report.runs;
        for (number, run) in runs.iter().enumerate() {
            let name = if runs.len() == 1 {
                "The replay".to_owned()
            } else {
                format!("Replay {} of {}", number + 1, runs.len())
            };
            self.heading(2, &name);
            self.out.push_str(&tables::run(run, self.zone));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::observe::Durations;
    use crate::report::histogram::{Latencies, SparseHistogram};
    use crate::report::model::{
        GroupReport, ReasonCount, RecordedGroup, RecordedReport, ReplayRun, ReportTime, RunOption,
        SlowRequest,
    };
    use crate::report::series::{Interval, Series};
    use crate::report::statuses::Classes;

    fn latencies() -> Latencies {
        let mut durations = Durations::new();
        (1..=2000).for_each(|number| durations.record(number * 1000));
        Latencies(durations)
    }

    fn target(text: &str) -> TargetReport {
        let reason = |count, of_recording| ReasonCount {
            reason: text.to_owned(),
            text: text.to_owned(),
            of_recording,
            count,
            first: format!("x{text}"),
        };
        let classes = Classes { successful: 1990, server_error: 10, ..Classes::default() };
        let interval = Interval {
            sent: 2005,
            answered: 2000,
            failed: 5,
            not_sent: 3,
            classes,
            latency_from_due: SparseHistogram::of(&latencies().0),
            lateness_max: 70_000,
        };
        TargetReport {
            target: text.to_owned(),
            due: 2008,
            sent: 2005,
            answered: 2000,
            not_sent: vec![reason(3, true)],
            failed: vec![reason(5, false)],
            classes,
            statuses: BTreeMap::from([(200, 1990), (503, 10)]),
            first_sent: Some(ReportTime(0)),
            last_ended: Some(ReportTime(2_000_000_000)),
            latency_from_due: latencies(),
            latency_from_send: latencies(),
            lateness: latencies(),
            groups: vec![GroupReport { name: text.to_owned(), sent: 2005, ..GroupReport::default() }],
            series: Series { width: 1, intervals: BTreeMap::from([(0, interval.clone()), (7, interval)]) },
            slowest: vec![
                SlowRequest {
                    target: text.to_owned(),
                    id: text.to_owned(),
                    method: text.to_owned(),
                    path: text.to_owned(),
                    status: 200,
                    due: 0.1,
                    latency_from_due: 0.002,
                    latency_from_send: 0.001,
                };
                2
            ],
            ..TargetReport::default()
        }
    }

    /// A page in which each text is this one.
    fn page(text: &str, targets: usize) -> String {
        let run = ReplayRun {
            gor_tools: text.to_owned(),
            start: ReportTime(0),
            end: ReportTime(3_000_000_000),
            interrupted: true,
            error: Some(text.to_owned()),
            requests: 2008,
            responses: 2000,
            rounds: 1,
            closed_loop: true,
            options: vec![RunOption { name: text.to_owned(), value: text.to_owned() }],
        };
        let groups = vec![RecordedGroup { name: text.to_owned(), latency: latencies() }];
        let recorded = RecordedReport { requests: 2008, responses: 2000, latency: latencies(), groups };
        ReplayReport::new(run, vec![target(text); targets], recorded).html(&TimeZone::UTC)
    }

    /// What a browser takes for markup.
    fn tags(page: &str) -> Vec<&str> {
        page.split('<').skip(1).map(|tag| tag.split_once('>').map_or(tag, |(tag, _)| tag)).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn no_text_changes_the_markup(text in any::<String>(), targets in 1..3_usize) {
            let [shown, plain] = [page(&text, targets), page("plain", targets)];
            prop_assert_eq!(tags(&shown), tags(&plain));
        }
    }

    #[test]
    fn hostile_text_is_shown_as_text() {
        for text in [
            "<script>alert(1)</script>",
            "</script><script>alert(1)</script>",
            "</style></title><svg onload=alert(1)>",
            "\"><img src=x onerror=alert(1)>",
            "' onmouseover='alert(1)",
            "<!--",
            "]]>",
            "&lt;script&gt;",
            "\u{0}<\u{202e}script",
        ] {
            let page = page(text, 2);
            assert_eq!(tags(&page), tags(&self::page("plain", 2)), "{text}");
            assert!(page.contains(&Escaped(text).to_string()), "{text}");
        }
    }

    #[test]
    fn nothing_is_loaded() {
        let page = page("plain", 2);
        for word in
            ["http:", "https:", "src=", "@import", "url(", "//cdn", "<link", "<iframe", "style=\"", " on"]
        {
            let found: Vec<_> = match word {
                // Handlers in attributes; the word is in sentences too.
                " on" => tags(&page).into_iter().filter(|tag| tag.contains(" on")).collect(),
                _ => page.matches(word).collect(),
            };
            assert!(found.is_empty(), "{found:?}");
        }
        assert!(page.contains("default-src 'none'; style-src 'sha256-"));
    }

    #[test]
    fn a_report_of_nothing_is_a_page() {
        let run = ReplayRun {
            gor_tools: String::new(),
            start: ReportTime(0),
            end: ReportTime(0),
            interrupted: false,
            error: None,
            requests: 0,
            responses: 0,
            rounds: 0,
            closed_loop: false,
            options: Vec::new(),
        };
        for targets in [0, 1, 2] {
            let targets = vec![TargetReport::default(); targets];
            let page =
                ReplayReport::new(run.clone(), targets, RecordedReport::default()).html(&TimeZone::UTC);
            assert!(page.ends_with("</html>\n") && !page.contains("NaN"), "{page}");
        }
    }

    /// The colours of a scheme by name: the first block has the light one, the second one the dark one.
    fn colours(block: usize) -> BTreeMap<&'static str, &'static str> {
        let block = STYLE.split(":root {").nth(block + 1).and_then(|rest| rest.split('}').next());
        let pairs = block.expect("a block of colours").split([';', '\n']);
        pairs.filter_map(|pair| pair.trim().strip_prefix("--")?.split_once(": ")).collect()
    }

    /// As WCAG 2.2 defines it.
    fn luminance(colour: &str) -> f64 {
        let part = |at: usize| {
            let value =
                f64::from(u8::from_str_radix(&colour[at..at + 2], 16).expect("a colour of six digits"))
                    / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5)
    }

    #[test]
    fn text_and_marks_stand_out_from_the_page() {
        for block in [0, 1] {
            let colours = colours(block);
            let page = luminance(colours["page"]);
            let contrast = |name: &str| {
                let colour = luminance(colours[name]);
                (page.max(colour) + 0.05) / (page.min(colour) + 0.05)
            };
            for name in ["ink", "soft", "warn", "due"] {
                assert!(contrast(name) >= 4.5, "{block} {name}: {}", contrast(name));
            }
            for name in ["send", "recorded", "max", "s0", "s1", "s2", "s3", "s4", "s5", "failed", "unsent"] {
                assert!(contrast(name) >= 3.0, "{block} {name}: {}", contrast(name));
            }
        }
    }
}
