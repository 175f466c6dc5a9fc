//! Conditions under which a replay is to count as failed: `p99>200ms`, `errors>1%`, `status:5xx>0`, `rate<900/s`.

use std::fmt;
use std::str::FromStr;

use super::histogram::Latencies;
use super::model::TargetReport;
use crate::error::BadRule;
use crate::observe::Span;

/// The forms that there are, for messages.
pub const FORMS: &str = "expected a threshold, as p99>200ms, max>1s, mean>50ms, send.p90>100ms, connect.p99>20ms, \
    lateness.p99.9>10ms, errors>1%, errors>10, status:5xx>0, status:404>1% or rate<900/s";

/// The longest duration that is measured; see [`crate::observe::Durations`].
const LONGEST: f64 = 3.6e12;

/// What is measured in durations, and how it is written before a dot.
const MEASURED: [(Measured, &str); 5] = [
    (Measured::FromDue, ""),
    (Measured::FromSend, "send"),
    (Measured::Connect, "connect"),
    (Measured::Tls, "tls"),
    (Measured::Lateness, "lateness"),
];

/// Units of durations, the longest first, and their nanoseconds.
const UNITS: [(&str, f64); 6] =
    [("h", 3.6e12), ("m", 6e10), ("s", 1e9), ("ms", 1e6), ("us", 1e3), ("ns", 1.0)];

/// A threshold that a replay may miss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold {
    metric: Metric,
    comparison: ThresholdOperator,
    limit: Limit,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Metric {
    Duration(Measured, Statistic),
    Errors,
    Status(StatusRange),
    Rate,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Measured {
    FromDue,
    FromSend,
    Connect,
    Tls,
    Lateness,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Statistic {
    Percentile(f64),
    Max,
    Mean,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum StatusRange {
    Class(u16),
    Code(u16),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum ThresholdOperator {
    Above,
    NotBelow,
    Below,
    NotAbove,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Limit {
    /// Nanoseconds.
    Duration(f64),
    Number(f64),
    Percent(f64),
    PerSecond(f64),
}

impl Threshold {
    /// Why these requests do not meet it. None: they do. What was not measured does not meet any.
    pub fn miss(&self, report: &TargetReport) -> Option<String> {
        match self.measure(report) {
            Err(unknown) => {
                let verb = self.metric.verb();
                Some(format!("{} {verb} unknown: {unknown} ({self})", self.metric))
            }
            Ok((value, shown)) if self.comparison.holds(value, self.limit.value()) => {
                let verb = self.metric.verb();
                let (metric, comparison, limit) = (self.metric, self.comparison.words(), self.limit);
                Some(format!("{metric} {verb} {shown}, {comparison} {limit}"))
            }
            Ok(_) => None,
        }
    }

    /// The value, and how it is shown; or why there is none.
    fn measure(&self, report: &TargetReport) -> Result<(f64, String), &'static str> {
        match self.metric {
            Metric::Duration(measured, statistic) => {
                let value = statistic.of(measured.of(report)).ok_or(measured.lack())?;
                // Shown in full where three digits would not tell it from the limit.
                let (mut shown, limit) = (Span(value).to_string(), self.limit.value());
                if shown == Span(limit as u64).to_string() && value != limit as u64 {
                    let (name, unit) = unit_of(limit);
                    shown = format!("{}{name}", value as f64 / unit);
                }
                Ok((value as f64, shown))
            }
            Metric::Errors => self.part(report.errors(), report.due, "no request was due"),
            Metric::Status(range) => {
                let found = report.statuses.iter().filter(|(status, _)| range.contains(**status));
                self.part(found.map(|(_, number)| number).sum(), report.answered, "no request was answered")
            }
            Metric::Rate => {
                let rate = report.rate().ok_or("no request was sent")?;
                Ok((rate, format!("{rate:.1}/s")))
            }
        }
    }

    /// A number, by itself or as a part of all.
    fn part(&self, number: u64, all: u64, lack: &'static str) -> Result<(f64, String), &'static str> {
        if all == 0 {
            return Err(lack);
        }
        if !matches!(self.limit, Limit::Percent(_)) {
            return Ok((number as f64, number.to_string()));
        }
        let percent = number as f64 * 100.0 / all as f64;
        let digits = format!("{percent:.4}");
        let short = digits.trim_end_matches('0').trim_end_matches('.');
        Ok((percent, format!("{short}% ({number} of {all})")))
    }
}

impl Metric {
    /// What follows its name in a sentence.
    fn verb(self) -> &'static str {
        if self == Metric::Errors { "are" } else { "is" }
    }
}

impl Measured {
    fn of(self, report: &TargetReport) -> &Latencies {
        match self {
            Measured::FromDue => &report.latency_from_due,
            Measured::FromSend => &report.latency_from_send,
            Measured::Connect => &report.connect,
            Measured::Tls => &report.tls,
            Measured::Lateness => &report.lateness,
        }
    }

    fn lack(self) -> &'static str {
        match self {
            Measured::FromDue | Measured::FromSend => "no request was answered",
            Measured::Connect => "no connection was made",
            Measured::Tls => "there was no TLS handshake",
            Measured::Lateness => "no request was sent",
        }
    }
}

impl Statistic {
    fn of(self, latencies: &Latencies) -> Option<u64> {
        match self {
            Statistic::Percentile(percent) => latencies.percentile(percent),
            Statistic::Max => latencies.max(),
            Statistic::Mean => latencies.mean(),
        }
    }
}

impl StatusRange {
    fn contains(self, status: u16) -> bool {
        match self {
            StatusRange::Class(class) => status / 100 == class,
            StatusRange::Code(code) => status == code,
        }
    }
}

impl ThresholdOperator {
    fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            ThresholdOperator::Above => value > limit,
            ThresholdOperator::NotBelow => value >= limit,
            ThresholdOperator::Below => value < limit,
            ThresholdOperator::NotAbove => value <= limit,
        }
    }

    fn words(self) -> &'static str {
        match self {
            ThresholdOperator::Above => "above",
            ThresholdOperator::NotBelow => "not below",
            ThresholdOperator::Below => "below",
            ThresholdOperator::NotAbove => "not above",
        }
    }
}

impl Limit {
    fn value(self) -> f64 {
        let (Limit::Duration(value) | Limit::Number(value) | Limit::Percent(value) | Limit::PerSecond(value)) =
            self;
        value
    }
}

/// The longest unit of which nanoseconds are a whole number. Hours and minutes are said in seconds.
fn unit_of(nanoseconds: f64) -> (&'static str, f64) {
    UNITS[2..].iter().find(|(_, unit)| nanoseconds % unit == 0.0).copied().unwrap_or(UNITS[5])
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Metric::Duration(measured, statistic) => {
                let name = MEASURED.iter().find(|(known, _)| known == measured).map_or("", |(_, name)| name);
                write!(f, "{name}{}", if name.is_empty() { "" } else { "." })?;
                match statistic {
                    Statistic::Percentile(percent) => write!(f, "p{percent}"),
                    Statistic::Max => f.write_str("max"),
                    Statistic::Mean => f.write_str("mean"),
                }
            }
            Metric::Errors => f.write_str("errors"),
            Metric::Status(StatusRange::Class(class)) => write!(f, "status:{class}xx"),
            Metric::Status(StatusRange::Code(code)) => write!(f, "status:{code:03}"),
            Metric::Rate => f.write_str("rate"),
        }
    }
}

impl fmt::Display for ThresholdOperator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ThresholdOperator::Above => ">",
            ThresholdOperator::NotBelow => ">=",
            ThresholdOperator::Below => "<",
            ThresholdOperator::NotAbove => "<=",
        })
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Limit::Duration(0.0) => f.write_str("0s"),
            Limit::Duration(nanoseconds) => {
                let (name, unit) = unit_of(*nanoseconds);
                write!(f, "{}{name}", nanoseconds / unit)
            }
            Limit::Number(number) => number.fmt(f),
            Limit::Percent(percent) => write!(f, "{percent}%"),
            Limit::PerSecond(rate) => write!(f, "{rate}/s"),
        }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Threshold { metric, comparison, limit } = self;
        write!(f, "{metric}{comparison}{limit}")
    }
}

impl FromStr for Threshold {
    type Err = BadRule;

    fn from_str(text: &str) -> Result<Self, BadRule> {
        let wrong = |at: usize, reason: &str| BadRule::new(text, at, format!("{reason}; {FORMS}"));
        let Some(at) = text.find(['<', '>']) else {
            return Err(wrong(text.len(), "a comparison (>, >=, < or <=) is missing"));
        };
        let (name, rest) = text.split_at(at);
        let (comparison, length) = match rest.as_bytes() {
            [b'>', b'=', ..] => (ThresholdOperator::NotBelow, 2),
            [b'<', b'=', ..] => (ThresholdOperator::NotAbove, 2),
            [b'>', ..] => (ThresholdOperator::Above, 1),
            _ => (ThresholdOperator::Below, 1),
        };
        let metric = metric(name.trim()).map_err(|reason| wrong(0, reason))?;
        let value = &rest[length..];
        let start = at + length + (value.len() - value.trim_start().len());
        let limit = limit(metric, value.trim()).map_err(|reason| wrong(start, reason))?;
        Ok(Threshold { metric, comparison, limit })
    }
}

fn metric(name: &str) -> Result<Metric, &'static str> {
    match name {
        "errors" => return Ok(Metric::Errors),
        "rate" => return Ok(Metric::Rate),
        _ => {}
    }
    if let Some(range) = name.strip_prefix("status:") {
        let class = range.strip_suffix("xx").filter(|class| class.len() == 1);
        let number = |text: &str| text.parse::<u16>().ok();
        let range = match class {
            Some(class) => number(class).filter(|class| (1..=5).contains(class)).map(StatusRange::Class),
            None => number(range)
                .filter(|code| range.len() == 3 && range.is_ascii() && (100..=999).contains(code))
                .map(StatusRange::Code),
        };
        return range.map(Metric::Status).ok_or("a status is a class, as 5xx, or three digits");
    }
    let is_of = |(_, measured): &&(Measured, &str)| {
        !measured.is_empty() && name.strip_prefix(measured).is_some_and(|rest| rest.starts_with('.'))
    };
    let (measured, statistic) = match MEASURED.iter().find(is_of) {
        Some((measured, prefix)) => (*measured, &name[prefix.len() + 1..]),
        None => (Measured::FromDue, name),
    };
    let statistic = match statistic {
        "max" => Statistic::Max,
        "mean" => Statistic::Mean,
        other => {
            let Some(percent) = other.strip_prefix('p').and_then(number) else {
                return Err("there is no such measurement");
            };
            if percent <= 0.0 || percent > 100.0 {
                return Err("a percentile is above 0 and at most 100, as p99.9");
            }
            Statistic::Percentile(percent)
        }
    };
    Ok(Metric::Duration(measured, statistic))
}

fn limit(metric: Metric, text: &str) -> Result<Limit, &'static str> {
    match metric {
        Metric::Duration(..) => {
            let wrong = "a duration is expected, as 200ms";
            let end = text.find(|sign: char| sign.is_ascii_alphabetic()).ok_or(wrong)?;
            let (digits, name) = text.split_at(end);
            let (_, unit) = UNITS.iter().find(|(unit, _)| *unit == name).ok_or(wrong)?;
            let nanoseconds = (number(digits).ok_or(wrong)? * unit).round();
            if nanoseconds > LONGEST {
                return Err("longer than an hour is not measured");
            }
            Ok(Limit::Duration(nanoseconds))
        }
        Metric::Errors | Metric::Status(_) => match text.strip_suffix('%') {
            Some(digits) => number(digits)
                .filter(|percent| *percent <= 100.0)
                .map(Limit::Percent)
                .ok_or("a part from 0% to 100% is expected"),
            None => number(text)
                .filter(|_| !text.contains('.'))
                .map(Limit::Number)
                .ok_or("a number or a percentage is expected, as 10 or 1%"),
        },
        Metric::Rate => text
            .strip_suffix("/s")
            .and_then(number)
            .map(Limit::PerSecond)
            .ok_or("a rate is expected, as 900/s"),
    }
}

/// Digits, and maybe a point and more digits.
fn number(text: &str) -> Option<f64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // What is longer could not be told exactly.
    let is_number = are_digits(whole) && are_digits(part) && text.len() <= 15;
    is_number.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::Durations;
    use crate::report::{ReasonCount, ReportTime};
    use proptest::prelude::*;

    fn thresholds() -> impl Strategy<Value = Threshold> {
        let measured = (0..MEASURED.len()).prop_map(|at| MEASURED[at].0);
        let statistic = prop_oneof![
            Just(Statistic::Max),
            Just(Statistic::Mean),
            (1..=1_000_000_u32).prop_map(|part| Statistic::Percentile(f64::from(part) / 1e4)),
        ];
        let duration =
            (measured, statistic, 0..=3_600_000_000_000_u64).prop_map(|(measured, statistic, limit)| {
                (Metric::Duration(measured, statistic), Limit::Duration(limit as f64))
            });
        let counted = prop_oneof![
            Just(Metric::Errors),
            (1..=5_u16).prop_map(|class| Metric::Status(StatusRange::Class(class))),
            (100..=999_u16).prop_map(|code| Metric::Status(StatusRange::Code(code))),
        ];
        let part = prop_oneof![
            (0..1_000_000_000_u32).prop_map(|number| Limit::Number(f64::from(number))),
            (0..=1_000_000_u32).prop_map(|part| Limit::Percent(f64::from(part) / 1e4)),
        ];
        let rate = (0..=u32::MAX).prop_map(|rate| (Metric::Rate, Limit::PerSecond(f64::from(rate) / 1e2)));
        let comparison = prop_oneof![
            Just(ThresholdOperator::Above),
            Just(ThresholdOperator::NotBelow),
            Just(ThresholdOperator::Below),
            Just(ThresholdOperator::NotAbove),
        ];
        (prop_oneof![duration, (counted, part), rate], comparison)
            .prop_map(|((metric, limit), comparison)| Threshold { metric, comparison, limit })
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(threshold in thresholds()) {
            let text = threshold.to_string();
            prop_assert_eq!(text.parse::<Threshold>(), Ok(threshold), "{}", text);
            let Threshold { metric, comparison, limit } = threshold;
            let spaced = format!(" {metric} {comparison}  {limit} ");
            prop_assert_eq!(spaced.parse::<Threshold>(), Ok(threshold), "{}", spaced);
        }

        #[test]
        fn nothing_that_is_typed_panics(text in "[a-z0-9:.%/<>= é]{0,20}") {
            // Either is fine.
            let _ = text.parse::<Threshold>();
        }
    }

    #[test]
    fn what_is_wrong_is_shown_with_the_forms() {
        for (text, at, reason) in [
            ("", 0, "a comparison"),
            ("p99", 3, "a comparison"),
            ("p99=200ms", 9, "a comparison"),
            (">200ms", 0, "no such measurement"),
            ("p>200ms", 0, "no such measurement"),
            ("p101>200ms", 0, "at most 100"),
            ("p999>200ms", 0, "as p99.9"),
            ("p0>200ms", 0, "above 0"),
            ("q99>200ms", 0, "no such measurement"),
            ("send>200ms", 0, "no such measurement"),
            ("send.errors>1", 0, "no such measurement"),
            ("connect.>1ms", 0, "no such measurement"),
            ("p99>200", 4, "a duration"),
            ("p99>", 4, "a duration"),
            ("p99>>1ms", 4, "a duration"),
            ("p99> ms", 5, "a duration"),
            ("p99>-1ms", 4, "a duration"),
            ("p99>1e3ms", 4, "a duration"),
            ("p99>1.ms", 4, "a duration"),
            ("p99>200 ms", 4, "a duration"),
            ("p99>2h", 4, "longer than an hour"),
            ("max>5%", 4, "a duration"),
            ("errors>1ms", 7, "a number or a percentage"),
            ("errors>1.5", 7, "a number or a percentage"),
            ("errors>101%", 7, "from 0% to 100%"),
            ("errors>%", 7, "from 0% to 100%"),
            ("status>1", 0, "no such measurement"),
            ("status:>1", 0, "a class, as 5xx"),
            ("status:6xx>1", 0, "a class, as 5xx"),
            ("status:55xx>1", 0, "a class, as 5xx"),
            ("status:99>1", 0, "a class, as 5xx"),
            ("status:0404>1", 0, "a class, as 5xx"),
            ("status:+44>1", 0, "a class, as 5xx"),
            ("status:5xx>1/s", 11, "a number or a percentage"),
            ("rate<900", 5, "a rate"),
            ("rate<900/m", 5, "a rate"),
        ] {
            let wrong = text.parse::<Threshold>().expect_err(text);
            assert!(
                wrong.reason.contains(reason) && wrong.reason.contains(FORMS),
                "{text:?}: {}",
                wrong.reason
            );
            assert_eq!(wrong.at, at, "{text:?}");
        }
    }

    /// 1000 requests were due, of which 990 were answered in 1 to 990 ms, 10 with 500; 8 failed, 2 were cut.
    fn report() -> TargetReport {
        let reason = |reason: &str, of_recording, count| ReasonCount {
            reason: reason.to_owned(),
            text: String::new(),
            of_recording,
            count,
            first: String::new(),
        };
        let mut latency = Durations::new();
        (1..=990).for_each(|milliseconds| latency.record(milliseconds * 1_000_000));
        TargetReport {
            due: 1000,
            sent: 998,
            answered: 990,
            not_sent: vec![reason("marked", true, 2)],
            failed: vec![reason("timeout", false, 8)],
            statuses: [(200, 980), (500, 10)].into(),
            first_sent: Some(ReportTime(0)),
            last_ended: Some(ReportTime(2_000_000_000)),
            latency_from_due: Latencies(latency),
            ..TargetReport::default()
        }
    }

    #[test]
    fn a_threshold_that_is_missed_says_by_how_much() {
        for (text, expected) in [
            ("p50>495.9ms", None),
            ("p50>400ms", Some("p50 is 495ms, above 400ms")),
            ("max>2s", None),
            ("mean<1s", Some("mean is 496ms, below 1s")),
            ("p100>=989ms", Some("p100 is 990ms, not below 989ms")),
            ("errors>8", None),
            ("errors>=8", Some("errors are 8, not below 8")),
            ("errors>0.5%", Some("errors are 0.8% (8 of 1000), above 0.5%")),
            ("status:5xx>0", Some("status:5xx is 10, above 0")),
            ("status:500>1%", Some("status:500 is 1.0101% (10 of 990), above 1%")),
            ("status:404>0", None),
            ("rate<900/s", Some("rate is 495.0/s, below 900/s")),
            ("rate<400/s", None),
            ("lateness.p99>1ms", Some("lateness.p99 is unknown: no request was sent (lateness.p99>1ms)")),
            ("connect.max<1ms", Some("connect.max is unknown: no connection was made (connect.max<1ms)")),
            ("tls.p50>1s", Some("tls.p50 is unknown: there was no TLS handshake (tls.p50>1s)")),
            ("send.p50>1s", Some("send.p50 is unknown: no request was answered (send.p50>1s)")),
        ] {
            let threshold: Threshold = text.parse().expect(text);
            assert_eq!(threshold.miss(&report()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_above_by_little_is_shown_in_full() {
        let mut latency = Durations::new();
        latency.record(200_300_000);
        let report = TargetReport { latency_from_due: Latencies(latency), ..TargetReport::default() };
        let miss = "p99>200ms".parse::<Threshold>().unwrap().miss(&report).unwrap();
        assert!(miss.starts_with("p99 is 200.4") && miss.ends_with("ms, above 200ms"), "{miss}");
    }

    #[test]
    fn of_nothing_nothing_is_known() {
        let nothing = TargetReport::default();
        for text in ["errors>0", "errors>1%", "status:5xx>0", "status:5xx>1%", "rate<1/s", "p99>1s"] {
            let miss = text.parse::<Threshold>().unwrap().miss(&nothing).unwrap_or_default();
            assert!(miss.contains("is unknown") || miss.contains("are unknown"), "{text}: {miss:?}");
        }
    }
}
