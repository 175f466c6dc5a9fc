//! The figures of a page: latency by percentile, and what happened when.

use std::fmt::Write as _;

use jiff::tz::TimeZone;

use super::axis::{LinearScale, LogScale, Tick, time_ticks};
use super::numbers::{count, rounded, span};
use super::plot::Plot;
use crate::report::histogram::Latencies;
use crate::report::model::ReportTime;
use crate::report::series::{Interval, Series};
use crate::report::text::time;

/// Parts of the time that are drawn.
const PARTS: u64 = 200;

/// Points of a line of percentiles.
const POINTS: u32 = 240;

/// Percentiles that are labelled, with how far they are from the left: powers of ten of what is above them.
const LABELLED: [(f64, &str); 5] =
    [(50.0, "50 %"), (90.0, "90 %"), (99.0, "99 %"), (99.9, "99.9 %"), (99.99, "99.99 %")];

/// A figure with its title, its caption, a sentence or more, and the names of what is drawn by class.
pub(super) fn figure(title: &str, caption: &str, names: &[(&str, &str)], plot: &str) -> String {
    let mut out = format!("<figure>\n<ul class=\"names\"><li class=\"title\">{title}</li>");
    for (class, name) in names {
        let _ = write!(out, "<li><span class=\"sample {class}\"></span>{name}</li>");
    }
    let _ = write!(out, "</ul>\n{plot}<figcaption>{caption}</figcaption>\n</figure>\n");
    out
}

/// Latencies by percentile, each with its class and name. Those of which there are none are left out.
pub(super) fn percentiles(curves: &[(&str, &str, &Latencies)]) -> Option<String> {
    let curves: Vec<_> = curves
        .iter()
        .filter(|(_, _, latencies)| latencies.max().is_some())
        .map(|(class, name, latencies)| (*class, *name, *latencies, Cumulative::of(latencies)))
        .collect();
    let most = curves.iter().map(|(_, _, latencies, _)| latencies.0.len()).max()?;
    // As far as there are requests to tell percentiles apart; the longest is at the end.
    let width = (most as f64).log10().clamp(2.0, 5.0);
    let ends = curves.iter().flat_map(|(_, _, latencies, steps)| [steps.at(0.0), latencies.max()]);
    let scale = LogScale::of(ends.flatten())?;

    let place = |percent: f64| -(1.0 - percent / 100.0).log10() / width;
    let mut labelled: Vec<(f64, String, Option<f64>)> = LABELLED
        .iter()
        .map(|(percent, name)| (place(*percent), (*name).to_owned(), Some(*percent)))
        .filter(|(at, _, _)| *at < 0.88)
        .collect();
    labelled.push((1.0, "max".to_owned(), None));
    let ticks: Vec<_> = labelled.iter().map(|(at, name, _)| Tick { at: *at, label: name.clone() }).collect();
    let mut plot = Plot::new(&scale.ticks(), &ticks);
    for (class, _, latencies, steps) in &curves {
        let mut points = Vec::new();
        for number in 0..POINTS {
            let at = f64::from(number) / f64::from(POINTS);
            let percent = 100.0 * (1.0 - 10_f64.powf(-at * width));
            points.extend(steps.at(percent).map(|value| (at, scale.at(value))));
        }
        points.extend(latencies.max().map(|value| (1.0, scale.at(value))));
        plot.line(class, &points);
        let value =
            |percent: Option<f64>| percent.map_or(latencies.max(), |percent| latencies.percentile(percent));
        let dots = labelled.iter().filter_map(|(at, _, percent)| Some((*at, scale.at(value(*percent)?))));
        plot.dots(class, &dots.collect::<Vec<_>>());
    }
    for (number, (at, name, percent)) in labelled.iter().enumerate() {
        let left = if number == 0 { 0.0 } else { f64::midpoint(labelled[number - 1].0, *at) };
        let right = labelled.get(number + 1).map_or(1.0, |(next, _, _)| f64::midpoint(*at, *next));
        let mut text = name.clone();
        for (_, name, latencies, _) in &curves {
            let value = percent.map_or(latencies.max(), |percent| latencies.percentile(percent));
            let _ = write!(text, "\n{name}: {}", span(value));
        }
        plot.hover(left, right, &text);
    }
    Some(plot.finish("percentiles", "Latency by percentile"))
}

/// How many durations there are up to each.
struct Cumulative(Vec<(u64, u64)>);

impl Cumulative {
    fn of(latencies: &Latencies) -> Self {
        let mut sum = 0;
        let add = |(nanoseconds, number): (u64, u64)| {
            sum += number;
            (sum, nanoseconds)
        };
        Cumulative(latencies.0.counts().map(add).collect())
    }

    fn at(&self, percent: f64) -> Option<u64> {
        let all = self.0.last()?.0;
        let wanted = ((all as f64 * percent / 100.0).ceil() as u64).clamp(1, all);
        let found = self.0.partition_point(|(sum, _)| *sum < wanted);
        self.0.get(found).map(|(_, nanoseconds)| *nanoseconds)
    }
}

/// A series, with each interval from the first to the last.
pub(super) struct IntervalSeries<'a> {
    intervals: Vec<Interval>,
    /// Seconds of an interval.
    width: u64,
    /// Seconds since the Unix epoch.
    start: i64,
    zone: &'a TimeZone,
}

impl<'a> IntervalSeries<'a> {
    /// None: nothing happened.
    pub(super) fn of(series: &Series, zone: &'a TimeZone) -> Option<Self> {
        let Series { width, mut intervals } = series.spanning(PARTS);
        let (first, last) = (*intervals.first_key_value()?.0, *intervals.last_key_value()?.0);
        let intervals = (first..=last).map(|number| intervals.remove(&number).unwrap_or_default()).collect();
        Some(IntervalSeries { intervals, width, start: first.saturating_mul(width as i64), zone })
    }

    /// Seconds of an interval.
    pub(super) fn width(&self) -> u64 {
        self.width
    }

    fn plot(&self, vertical: &[Tick]) -> Plot {
        let seconds = (self.intervals.len() as i64).saturating_mul(self.width as i64);
        Plot::new(vertical, &time_ticks(self.start, seconds, self.zone))
    }

    /// A value of each interval.
    fn each<T>(&self, of: impl Fn(&Interval) -> T) -> Vec<T> {
        self.intervals.iter().map(of).collect()
    }

    fn rate(&self, number: u64) -> f64 {
        number as f64 / self.width as f64
    }

    fn finish(&self, mut plot: Plot, label: &str, text: impl Fn(&Interval) -> String) -> String {
        let parts = self.intervals.len() as f64;
        for (number, interval) in self.intervals.iter().enumerate() {
            let start = self.start.saturating_add((number as i64).saturating_mul(self.width as i64));
            let time = time(ReportTime(start.saturating_mul(1_000_000_000)), self.zone);
            let number = number as f64;
            plot.hover(number / parts, (number + 1.0) / parts, &format!("{time}\n{}", text(interval)));
        }
        plot.finish("time", label)
    }

    /// None: no response came.
    pub(super) fn latency(&self) -> Option<String> {
        let of = |percent| self.each(|interval| interval.latency_from_due.percentile(percent));
        let (p50, p99) = (of(50.0), of(99.0));
        let max = self.each(|interval| interval.latency_from_due.max());
        let scale = LogScale::of([&p50, &p99, &max].into_iter().flatten().flatten().copied())?;
        let mut plot = self.plot(&scale.ticks());
        let levels =
            |values: &[Option<u64>]| values.iter().map(|value| value.map(|value| scale.at(value))).collect();
        let (p50, p99, max): (Vec<_>, Vec<_>, Vec<_>) = (levels(&p50), levels(&p99), levels(&max));
        let between = p50.iter().zip(&p99).map(|(p50, p99)| p50.zip(*p99)).collect::<Vec<_>>();
        plot.band("between", &between);
        plot.steps("p99", &p99);
        plot.steps("p50", &p50);
        plot.dashes("max", &max);
        Some(self.finish(plot, "Latency over time", |interval| {
            let latency = &interval.latency_from_due;
            format!(
                "p50: {}\np99: {}\nmax: {}\nresponses: {}",
                span(latency.percentile(50.0)),
                span(latency.percentile(99.0)),
                span(latency.max()),
                count(interval.answered)
            )
        }))
    }

    pub(super) fn rates(&self) -> String {
        let (sent, answered) = (self.each(|interval| interval.sent), self.each(|interval| interval.answered));
        let most = sent.iter().chain(&answered).copied().max().unwrap_or(0);
        let scale = LinearScale::to(self.rate(most));
        let mut plot = self.plot(&scale.ticks());
        let levels =
            |values: &[u64]| values.iter().map(|value| Some(scale.at(self.rate(*value)))).collect::<Vec<_>>();
        plot.steps("sent", &levels(&sent));
        plot.steps("answered", &levels(&answered));
        self.finish(plot, "Requests and responses per second over time", |interval| {
            let (sent, answered) = (self.rate(interval.sent), self.rate(interval.answered));
            format!("sent: {}/s\nresponses: {}/s", rounded(sent), rounded(answered))
        })
    }

    /// What became of requests, with those without a response above the responses.
    pub(super) fn statuses(&self) -> String {
        let most = self.each(|interval| outcomes(interval).iter().map(|(_, _, number)| number).sum::<u64>());
        let scale = LinearScale::to(self.rate(most.into_iter().max().unwrap_or(0)));
        let mut plot = self.plot(&scale.ticks());
        let all = self.each(outcomes);
        for kind in 0..OUTCOMES {
            let levels = all.iter().map(|outcomes| {
                let below: u64 = outcomes[..kind].iter().map(|(_, _, number)| number).sum();
                let number = outcomes[kind].2;
                (number > 0).then(|| (scale.at(self.rate(below)), scale.at(self.rate(below + number))))
            });
            let class = all.first().map_or("", |outcomes| outcomes[kind].0);
            plot.band(class, &levels.collect::<Vec<_>>());
        }
        self.finish(plot, "Statuses and failures over time", |interval| {
            let there = outcomes(interval).into_iter().filter(|(_, _, number)| *number > 0);
            let lines: Vec<_> = there.map(|(_, name, number)| format!("{name}: {}", count(number))).collect();
            if lines.is_empty() { "nothing".to_owned() } else { lines.join("\n") }
        })
    }

    /// Names of what became of requests, of those that there were.
    pub(super) fn outcome_names(&self) -> Vec<(&'static str, &'static str)> {
        let mut sum = [0; OUTCOMES];
        for interval in &self.intervals {
            for (sum, (_, _, number)) in sum.iter_mut().zip(outcomes(interval)) {
                *sum += number;
            }
        }
        let names = outcomes(&Interval::default()).map(|(class, name, _)| (class, name));
        names.into_iter().zip(sum).filter(|(_, sum)| *sum > 0).map(|(name, _)| name).collect()
    }

    /// None: nothing was sent.
    pub(super) fn lateness(&self) -> Option<String> {
        let late = self.each(|interval| (interval.sent > 0).then_some(interval.lateness_max));
        let scale = LogScale::of(late.iter().flatten().copied())?;
        let mut plot = self.plot(&scale.ticks());
        let levels: Vec<_> = late.iter().map(|late| late.map(|late| scale.at(late))).collect();
        plot.steps("late", &levels);
        Some(self.finish(plot, "Lateness over time", |interval| {
            let late = (interval.sent > 0).then_some(interval.lateness_max);
            format!("longest lateness: {}\nsent: {}", span(late), count(interval.sent))
        }))
    }
}

const OUTCOMES: usize = 8;

/// What became of an interval's requests: class, name and number.
fn outcomes(interval: &Interval) -> [(&'static str, &'static str, u64); OUTCOMES] {
    let classes = &interval.classes;
    [
        ("s2", "2xx", classes.successful),
        ("s3", "3xx", classes.redirection),
        ("s1", "1xx", classes.informational),
        ("s0", "other statuses", classes.other),
        ("s4", "4xx", classes.client_error),
        ("s5", "5xx", classes.server_error),
        ("failed", "failed", interval.failed),
        ("unsent", "not sent", interval.not_sent),
    ]
}
