//! A summary as text and as JSON.

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::json::write_pretty;
use super::line::{address, duration};
use super::summary::{Group, TrafficSummary};
use super::text::printable;
use crate::observe::{Count, Names, Size, Span};

/// Columns of the chart of requests over time.
const CHART: usize = 60;

/// From nothing to the most.
const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Percentiles of latency that are told.
const PERCENTILES: [f64; 5] = [50.0, 90.0, 99.0, 99.9, 100.0];

impl TrafficSummary {
    /// Text for a person; `top`: how many names of each list.
    pub fn text(&self, zone: &TimeZone, top: usize) -> String {
        let mut out = String::new();
        // A row without text is left out.
        let mut row = |name: &str, text: String| {
            if !text.is_empty() {
                let _ = writeln!(out, "{name:<12}{text}");
            }
        };
        let [requests, responses, replayed] = self.records;
        row("records", format!("{}", requests + responses + replayed));
        let Some([first, last]) = self.time else { return out };
        row(
            "time",
            format!("{} to {}, {}", local(first, zone), local(last, zone), Span(last.abs_diff(first))),
        );
        let replays = Count(replayed, "replayed response");
        let replays = if replayed > 0 { format!(", {replays}") } else { String::new() };
        let (asked, answered) = (Count(requests, "request"), Count(responses, "response"));
        row("messages", format!("{asked}, {answered}{replays}"));
        if self.all.unanswered > 0 {
            row("unanswered", format!("{} without a response", Count(self.all.unanswered, "request")));
        }
        if self.orphans > 0 {
            row("orphans", format!("{} without their request", Count(self.orphans, "response")));
        }
        if self.replayed_alone > 0 && requests > 0 {
            let alone = Count(self.replayed_alone, "replayed response");
            row("alone", format!("{alone} without their request"));
        }
        for (name, number) in ["cut", "with gaps", "doubtful"].into_iter().zip(self.marked) {
            if number > 0 {
                row(name, Count(number, "record").to_string());
            }
        }
        if self.incomplete > 0 {
            let incomplete = Count(self.incomplete, "message");
            row(
                "incomplete",
                format!("{incomplete} without a mark, shorter than Content-Length or chunks say"),
            );
        }
        if self.differing > 0 {
            let differing = Count(self.differing, "replayed response");
            row("differing", format!("{differing} with another status"));
        }
        row("methods", named(&self.methods, top));
        let classes = |classes: &[u64; 10]| {
            let classes = by_class(classes).map(|(class, number)| format!("{class} {number}"));
            classes.collect::<Vec<_>>().join(", ")
        };
        row("status", classes(&self.classes));
        row("replayed", classes(&self.replayed_classes));
        row("hosts", named(&self.hosts, top));
        let [sent, received] = self.all.bytes.map(Size);
        row("bodies", format!("{sent} in requests, {received} in responses"));
        let percentiles = PERCENTILES.into_iter().filter_map(|percent| {
            let name = if percent < 100.0 { format!("p{percent}") } else { "max".to_owned() };
            Some(format!("{name} {}", duration(self.all.percentile(percent)?)))
        });
        row("latency", percentiles.collect::<Vec<_>>().join(", "));
        if requests == 0 {
            return out;
        }
        self.chart(&mut out);
        let title = format!("endpoints ({} in all)", self.endpoints.len() as u64);
        let _ = writeln!(
            out,
            "\n{title:<40} {:>9} {:>7} {:>7} {:>8} {:>8} {:>8}",
            "requests", "failed", "p50", "p99", "sent", "received"
        );
        for (name, group) in self.endpoints.top(top, |group| group.requests) {
            let time = |percent| group.percentile(percent).map_or("-".to_owned(), duration);
            let _ = writeln!(
                out,
                "{:<40} {:>9} {:>7} {:>7} {:>8} {:>8} {:>8}",
                printable(name),
                group.requests,
                group.failed,
                time(50.0),
                time(99.0),
                Size(group.bytes[0]),
                Size(group.bytes[1]),
            );
        }
        if self.endpoints.others > 0 {
            let _ = writeln!(out, "{:<40} {:>9}", "(others)", self.endpoints.others);
        }
        list("clients", &self.clients, client, top, &mut out);
        if let Some(by) = self.by() {
            list(&by.to_string(), &self.users, escaped, top, &mut out);
        }
        out
    }

    fn chart(&self, out: &mut String) {
        let rates = self.rates(CHART);
        let most = rates.iter().copied().fold(0.0, f64::max);
        if rates.len() < 2 {
            let _ = writeln!(out, "{:<12}{:.0} requests/s at most", "rate", self.peak());
            return;
        }
        let bar = |rate: &f64| {
            // Little is not nothing.
            let height = (rate / most * 8.0).round() as usize;
            BARS[height.max(usize::from(*rate > 0.0)).min(8)]
        };
        let bars: String = rates.iter().map(bar).collect();
        let _ = writeln!(out, "{:<12}|{bars}| {:.0} requests/s at most", "rate", self.peak());
    }

    /// The same as JSON over several lines.
    pub fn write_json(&self, top: usize, out: &mut String) {
        write_pretty(&self.json(top), out);
    }

    /// The same as a JSON value.
    pub fn json(&self, top: usize) -> Value {
        let [requests, responses, replayed] = self.records;
        let time = |at: i64| Timestamp::from_nanosecond(at.into()).map(|time| time.to_string()).ok();
        let list = |names: &Names<u64>, shown: fn(&[u8]) -> String| -> Value {
            let all = names.top(top, |number| *number);
            all.iter().map(|(name, number)| json!({"name": shown(name), "requests": number})).collect()
        };
        let endpoints: Vec<_> = self.endpoints.top(top, |group| group.requests);
        let endpoint = |(name, values): &(&[u8], &Group)| {
            let mut object = group(values);
            object["name"] = lossy(name).into();
            object
        };
        let classes = |classes: &[u64; 10]| {
            let classes = by_class(classes).map(|(class, number)| (class, Value::from(number)));
            Value::Object(classes.collect())
        };
        let mut object = json!({
            "records": {"requests": requests, "responses": responses, "replayed": replayed},
            "cut": self.marked[0],
            "with_gaps": self.marked[1],
            "doubtful": self.marked[2],
            "incomplete": self.incomplete,
            "orphans": self.orphans,
            "replayed_alone": self.replayed_alone,
            "differing": self.differing,
            "all": group(&self.all),
            "methods": list(&self.methods, lossy),
            "status": classes(&self.classes),
            "replayed_status": classes(&self.replayed_classes),
            "hosts": list(&self.hosts, lossy),
            "endpoints": endpoints.iter().map(endpoint).collect::<Vec<_>>(),
            "other_endpoints": self.endpoints.others,
            "clients": list(&self.clients, client),
            "peak_rate": self.peak(),
            "rates": self.rates(CHART),
        });
        if let Some([first, last]) = self.time {
            // Times before the year -9999 or after 9999 have no name.
            for (key, at) in [("from", first), ("to", last)] {
                if let Some(at) = time(at) {
                    object[key] = at.into();
                }
            }
        }
        if let Some(by) = self.by() {
            object["by"] = json!({"what": by.to_string(), "top": list(&self.users, lossy)});
        }
        object
    }
}

fn group(group: &Group) -> Value {
    let latency = PERCENTILES.iter().filter_map(|percent| {
        let name = if *percent < 100.0 { format!("p{percent}") } else { "max".to_owned() };
        Some((name, (group.percentile(*percent)? as f64 / 1e9).into()))
    });
    json!({
        "requests": group.requests,
        "unanswered": group.unanswered,
        "failed": group.failed,
        "bytes": {"requests": group.bytes[0], "responses": group.bytes[1]},
        "latency": latency.collect::<serde_json::Map<String, Value>>(),
    })
}

/// `2xx` and how many there are of it, and so on.
fn by_class(classes: &[u64; 10]) -> impl Iterator<Item = (String, u64)> {
    classes.iter().copied().enumerate().filter(|(_, number)| *number > 0).map(|(class, number)| {
        let name = if class == 0 { "none".to_owned() } else { format!("{class}xx") };
        (name, number)
    })
}

/// `GET 90, POST 4`.
fn named(names: &Names<u64>, top: usize) -> String {
    let shown = names.top(top, |number| *number);
    let mut parts: Vec<_> =
        shown.iter().map(|(name, number)| format!("{} {number}", printable(name))).collect();
    if names.len() > shown.len() {
        parts.push(format!("and {} more", names.len() - shown.len()));
    }
    parts.join(", ")
}

fn list(title: &str, names: &Names<u64>, shown: fn(&[u8]) -> String, top: usize, out: &mut String) {
    if names.is_empty() {
        return;
    }
    let title = format!("{title} ({} in all)", names.len());
    let _ = writeln!(out, "\n{title:<40} {:>9}", "requests");
    let (most, others) = names.most_frequent(top);
    for (name, number) in most {
        let _ = writeln!(out, "{:<40} {number:>9}", shown(name));
    }
    if others > 0 {
        let _ = writeln!(out, "{:<40} {others:>9}", "(others)");
    }
}

fn escaped(name: &[u8]) -> String {
    printable(name).into_owned()
}

/// A client, which is counted by the bytes of its address.
fn client(name: &[u8]) -> String {
    <[u8; 4]>::try_from(name).map_or_else(|_| escaped(name), |octets| address(octets.into()))
}

fn lossy(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

fn local(time: i64, zone: &TimeZone) -> String {
    let zoned = Timestamp::from_nanosecond(time.into()).map(|time| time.to_zoned_datetime(zone.clone()));
    zoned.map_or_else(|_| time.to_string(), |zoned| zoned.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Block, Header};
    use crate::show::Overview;

    #[test]
    fn a_recording_may_last_as_long_as_times_can_tell() {
        let mut block = Block::new();
        for timestamp in [i64::MIN, i64::MAX] {
            block.push(&Header { id: b"a", timestamp, ..Header::default() }, b"GET / HTTP/1.1\r\n\r\n");
        }
        let mut overview = Overview::new(TrafficSummary::new(None, None));
        overview.add(&block);
        let text = overview.finish().text(&TimeZone::UTC, 1);
        assert!(text.contains(&format!(", {}\n", Span(u64::MAX))), "{text}");
    }
}
