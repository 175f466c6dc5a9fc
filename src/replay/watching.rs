//! How far a replay has come, for whoever watches: copied from the workers at each of their ticks.

use super::tally::WatchedDurations;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};
use serde_json::{Value, json};

use super::failure::FailureReason;
use super::tally::ReplayTally;
use crate::observe::CoarseDurations;

/// Bounds of the histograms of `--metrics`, in microseconds.
const BUCKETS: [u64; 18] = [
    10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 10_000_000,
];

/// How far one target has come.
#[derive(Clone, Debug, Default)]
pub struct TargetProgress {
    /// Its URL.
    pub target: String,
    /// Requests sent, and answered.
    pub sent: u64,
    /// Requests answered.
    pub answered: u64,
    /// Requests not sent, or not answered, by reason.
    pub failed: Vec<(FailureReason, u64)>,
    /// Answers by the first digit of their status.
    pub classes: [u64; 10],
    /// Requests that are being sent, or whose answers are waited for.
    pub in_flight: u64,
    /// Requests that were read and wait for their time or for a connection.
    pub queue: u64,
    /// Connections that are open, and all that were made.
    pub open: u64,
    /// Connections made.
    pub connections: u64,
    /// Bytes of requests.
    pub bytes_sent: u64,
    /// Bytes of answers.
    pub bytes_received: u64,
    /// How long it took.
    pub durations: WatchedDurations,
}

impl TargetProgress {
    /// Adds what another thread has counted for the same target.
    pub(super) fn add(&mut self, other: &TargetProgress) {
        self.sent += other.sent;
        self.answered += other.answered;
        for (reason, number) in &other.failed {
            match self.failed.iter_mut().find(|(known, _)| known == reason) {
                Some((_, sum)) => *sum += number,
                None => self.failed.push((*reason, *number)),
            }
        }
        for (sum, number) in self.classes.iter_mut().zip(other.classes) {
            *sum += number;
        }
        self.in_flight += other.in_flight;
        self.queue += other.queue;
        self.open += other.open;
        self.connections += other.connections;
        self.bytes_sent += other.bytes_sent;
        self.bytes_received += other.bytes_received;
        self.durations.latency.merge(&other.durations.latency);
        self.durations.lateness.merge(&other.durations.lateness);
    }

    /// Takes what was counted so far.
    pub(super) fn renew(&mut self, tally: &ReplayTally) {
        self.sent = tally.sent;
        self.answered = tally.answered;
        self.failed.clear();
        for reason in FailureReason::ALL {
            let number = tally.failed.of(reason).number + tally.not_sent.of(reason).number;
            if number > 0 {
                self.failed.push((reason, number));
            }
        }
        for (class, statuses) in self.classes.iter_mut().zip(tally.statuses.chunks(100)) {
            *class = statuses.iter().sum();
        }
        self.connections = tally.connections;
        self.bytes_sent = tally.bytes_sent;
        self.bytes_received = tally.bytes_received;
        if let Some(watched) = &tally.watched {
            self.durations.clone_from(watched);
        }
    }
}

/// A failure of a kind that a target has not seen before.
#[derive(Clone, Debug)]
pub struct FirstFailure {
    /// The target's URL.
    pub target: String,
    /// Which kind.
    pub reason: FailureReason,
    /// The request, and what happened; empty for something that needs no words.
    pub example: String,
}

impl fmt::Display for FirstFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.target, self.reason)?;
        if self.example.is_empty() { Ok(()) } else { write!(f, "; first: {}", self.example) }
    }
}

/// How far a replay has come.
#[derive(Clone, Debug, Default)]
pub struct ReplayProgress {
    /// Requests sent, to all targets.
    pub sent: u64,
    /// Requests answered.
    pub answered: u64,
    /// Requests not sent, or not answered.
    pub failed: u64,
    /// Requests whose answers are waited for.
    pub in_flight: u64,
    /// Records that wait for the output.
    pub unwritten: usize,
    /// Nanoseconds until the last request is due, once all of them are read.
    pub left: Option<u64>,
    /// Each target.
    pub targets: Vec<TargetProgress>,
    /// Failures since the last time, the first of each kind and target.
    pub first_failures: Vec<FirstFailure>,
    /// Why the source could not be told which requests are settled, the last time.
    pub uncommitted: Option<String>,
}

impl ReplayProgress {
    /// Latencies and lateness, of all targets.
    pub fn durations(&self) -> WatchedDurations {
        let mut all = WatchedDurations::default();
        for target in &self.targets {
            all.latency.merge(&target.durations.latency);
            all.lateness.merge(&target.durations.lateness);
        }
        all
    }

    /// The same as JSON, for `/debug/vars`.
    pub fn to_json(&self) -> Value {
        let targets = self.targets.iter().map(|target| {
            json!({
                "target": target.target, "sent": target.sent, "answered": target.answered,
                "in_flight": target.in_flight, "queue": target.queue, "connections_open": target.open,
                "connections": target.connections, "bytes_sent": target.bytes_sent,
                "bytes_received": target.bytes_received,
            })
        });
        json!({
            "sent": self.sent, "answered": self.answered, "failed": self.failed, "in_flight": self.in_flight,
            "records_not_written": self.unwritten, "targets": targets.collect::<Value>(),
        })
    }

    /// Text in the `OpenMetrics` format.
    pub fn open_metrics(&self) -> String {
        let mut registry = Registry::with_prefix("gor_replay");
        registry.register_collector(Box::new(self.clone()));
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &registry);
        text
    }
}

/// The key of a reason in JSON and in labels.
fn key(reason: FailureReason) -> String {
    match serde_json::to_value(reason) {
        Ok(Value::String(key)) => key,
        _ => String::new(),
    }
}

impl Collector for ReplayProgress {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        type Number = fn(&TargetProgress) -> u64;
        type Of = fn(&WatchedDurations) -> &CoarseDurations;
        let counters: [(&str, &str, Number); 5] = [
            ("sent", "Requests sent", |target| target.sent),
            ("answered", "Requests answered", |target| target.answered),
            ("connections", "Connections made", |target| target.connections),
            ("sent_bytes", "Bytes of requests sent", |target| target.bytes_sent),
            ("received_bytes", "Bytes of responses", |target| target.bytes_received),
        ];
        for (name, help, number) in counters {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for target in &self.targets {
                counter(&mut family, &[("target", &target.target)], number(target))?;
            }
        }
        let help = "Requests not sent or not answered, by reason";
        let mut family = encoder.encode_descriptor("failed", help, None, MetricType::Counter)?;
        for target in &self.targets {
            for (reason, number) in &target.failed {
                counter(&mut family, &[("target", &target.target), ("reason", &key(*reason))], *number)?;
            }
        }
        let help = "Responses by the class of their status";
        let mut family = encoder.encode_descriptor("responses", help, None, MetricType::Counter)?;
        for target in &self.targets {
            for (class, number) in target.classes.iter().enumerate().filter(|(_, number)| **number > 0) {
                let class = format!("{class}xx");
                counter(&mut family, &[("target", &target.target), ("status", &class)], *number)?;
            }
        }
        let gauges: [(&str, &str, Number); 3] = [
            ("in_flight", "Requests whose responses are waited for", |target| target.in_flight),
            (
                "queue",
                "Requests that wait for their time or for a connection, except up to --read-depth being put in order",
                |target| target.queue,
            ),
            ("connections_open", "Connections that are open", |target| target.open),
        ];
        for (name, help, number) in gauges {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for target in &self.targets {
                let labels = [("target", target.target.as_str())];
                family.encode_family(&labels)?.encode_gauge(&number(target))?;
            }
        }
        let latency =
            "From when a request was due to the end of its response; without waiting, from its sending";
        let lateness = "From when a request was due to its sending";
        let histograms: [(&str, &str, Of); 2] = [
            ("latency", latency, |watched| &watched.latency),
            ("lateness", lateness, |watched| &watched.lateness),
        ];
        for (name, help, of) in histograms {
            let mut family =
                encoder.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
            for target in &self.targets {
                let labels = [("target", target.target.as_str())];
                histogram(&mut family.encode_family(&labels)?, of(&target.durations))?;
            }
        }
        Ok(())
    }
}

fn counter(family: &mut MetricEncoder<'_>, labels: &[(&str, &String)], value: u64) -> fmt::Result {
    let labels: Vec<(&str, &str)> = labels.iter().map(|(name, label)| (*name, label.as_str())).collect();
    family.encode_family(&labels.as_slice())?.encode_counter::<NoLabelSet, _, u64>(&value, None)
}

fn histogram(metric: &mut MetricEncoder<'_>, durations: &CoarseDurations) -> fmt::Result {
    let mut below = 0;
    let mut buckets = Vec::new();
    for micros in BUCKETS {
        let up_to = durations.up_to(micros * 1000);
        buckets.push((micros as f64 / 1e6, up_to - below));
        below = up_to;
    }
    buckets.push((f64::INFINITY, durations.len() - below));
    metric.encode_histogram::<NoLabelSet>(durations.sum() as f64 / 1e9, durations.len(), &buckets, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_of_a_target_is_a_line() {
        let mut tally = ReplayTally::new();
        tally.watched = Some(Box::default());
        (tally.sent, tally.answered, tally.connections) = (10, 8, 3);
        (tally.bytes_sent, tally.bytes_received) = (1000, 2000);
        (tally.statuses[200], tally.statuses[204], tally.statuses[503]) = (5, 1, 2);
        tally.failed.add_many(FailureReason::Timeout, 2);
        tally.not_sent.add_many(FailureReason::QueueFull, 4);
        let watched = tally.watched.as_mut().unwrap();
        for latency in [5_000, 900_000, 20_000_000_000] {
            watched.latency.record(latency);
        }
        let mut target = TargetProgress {
            target: "http://a".to_owned(),
            in_flight: 7,
            queue: 6,
            open: 2,
            ..Default::default()
        };
        target.renew(&tally);
        let progress = ReplayProgress { targets: vec![target], ..ReplayProgress::default() };
        let text = progress.open_metrics();
        for line in [
            "gor_replay_sent_total{target=\"http://a\"} 10",
            "gor_replay_answered_total{target=\"http://a\"} 8",
            "gor_replay_failed_total{target=\"http://a\",reason=\"timeout\"} 2",
            "gor_replay_failed_total{target=\"http://a\",reason=\"queue_full\"} 4",
            "gor_replay_responses_total{target=\"http://a\",status=\"2xx\"} 6",
            "gor_replay_responses_total{target=\"http://a\",status=\"5xx\"} 2",
            "gor_replay_in_flight{target=\"http://a\"} 7",
            "gor_replay_queue{target=\"http://a\"} 6",
            "gor_replay_connections_open{target=\"http://a\"} 2",
            "gor_replay_connections_total{target=\"http://a\"} 3",
            "gor_replay_sent_bytes_total{target=\"http://a\"} 1000",
            "gor_replay_received_bytes_total{target=\"http://a\"} 2000",
            "gor_replay_latency_seconds_bucket{le=\"0.001\",target=\"http://a\"} 2",
            "gor_replay_latency_seconds_bucket{le=\"10.0\",target=\"http://a\"} 2",
            "gor_replay_latency_seconds_bucket{le=\"+Inf\",target=\"http://a\"} 3",
            "gor_replay_latency_seconds_count{target=\"http://a\"} 3",
            "gor_replay_lateness_seconds_count{target=\"http://a\"} 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
