//! The ledger of a live capture in the words of Prometheus.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};

use super::ledger::CaptureLedger;

/// How a live capture is getting on.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// What became of everything so far.
    pub ledger: CaptureLedger,
    /// Bytes of records that wait for the output.
    pub queued: u64,
    /// Bytes of records handed to the output, those that wait included.
    pub output: u64,
    /// Seconds that the latest packet looked at is behind the clock, while packets wait; else 0.
    pub lag: f64,
}

impl Snapshot {
    /// The same as JSON: the ledger as `--stats-json` has it, and how the output is getting on.
    pub fn to_json(&self) -> Value {
        let Snapshot { ledger, queued, output, lag } = self;
        json!({"ledger": ledger, "output_queue_bytes": queued, "output_bytes": output, "lag_seconds": lag})
    }

    /// Text in the `OpenMetrics` format.
    pub fn open_metrics(&self) -> String {
        let mut registry = Registry::with_prefix("gor_record");
        registry.register_collector(Box::new(self.clone()));
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &registry);
        text
    }
}

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let CaptureLedger { packets, segments, connections, requests, responses, unwritten, .. } =
            &self.ledger;
        counter(&mut encoder, "packets_read", "Packets looked at", packets.read)?;
        counter(
            &mut encoder,
            "packets_dropped",
            "Packets that the kernel had no room for, as the buffer was full",
            packets.dropped,
        )?;
        counter(&mut encoder, "tcp_segments", "TCP segments at the addresses recorded at", packets.segments)?;
        counter(
            &mut encoder,
            "tcp_bytes_missing",
            "Bytes of TCP streams that were not seen",
            segments.missing,
        )?;

        counter(&mut encoder, "connections_seen", "Connections met", connections.seen)?;
        let mut family = encoder.encode_descriptor(
            "connections_ended",
            "Connections that are over, by what they spoke",
            None,
            MetricType::Counter,
        )?;
        let kinds = [
            ("http", connections.http),
            ("upgraded", connections.upgraded),
            ("binary", connections.binary),
            ("silent", connections.silent),
        ];
        let others = connections.other.iter().map(|(name, number)| (*name, *number));
        for (name, number) in kinds.into_iter().chain(others) {
            one_of(&mut family, &[("protocol", name)], number)?;
        }

        let both = [("request", requests), ("response", responses)];
        let mut family =
            encoder.encode_descriptor("messages", "Messages recorded, by kind", None, MetricType::Counter)?;
        for (kind, messages) in both {
            one_of(&mut family, &[("kind", kind)], messages.written())?;
        }

        let mut family = encoder.encode_descriptor(
            "messages_lost",
            "Messages not recorded, or not whole, by kind and reason",
            None,
            MetricType::Counter,
        )?;
        let dropped = [unwritten.requests, unwritten.responses];
        for ((kind, messages), dropped) in both.into_iter().zip(dropped) {
            for (loss, number) in messages.lost.iter() {
                one_of(&mut family, &[("kind", kind), ("reason", &loss.to_string())], *number)?;
            }
            let marked =
                [("cut", messages.cut), ("incomplete", messages.incomplete), ("output too slow", dropped)];
            for (reason, number) in marked {
                one_of(&mut family, &[("kind", kind), ("reason", reason)], number)?;
            }
        }

        counter(
            &mut encoder,
            "packets_unwritten",
            "Packets left out of the file of -w, as it was too slow",
            unwritten.packets,
        )?;
        counter(&mut encoder, "output_bytes", "Bytes of records handed to the output", self.output)?;
        gauge(&mut encoder, "output_queue_bytes", "Bytes of records that wait for the output", &self.queued)?;
        gauge(
            &mut encoder,
            "lag_seconds",
            "How far the latest packet looked at is behind the clock",
            &self.lag,
        )
    }
}

fn counter(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    metric.encode_counter::<NoLabelSet, _, u64>(&value, None)
}

fn gauge<V: prometheus_client::encoding::EncodeGaugeValue>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: &V,
) -> fmt::Result {
    encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(value)
}

fn one_of<S: EncodeLabelSet>(family: &mut MetricEncoder<'_>, labels: &S, value: u64) -> fmt::Result {
    family.encode_family(labels)?.encode_counter::<NoLabelSet, _, u64>(&value, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Loss;

    #[test]
    fn each_number_of_a_snapshot_is_a_line() {
        let mut snapshot = Snapshot { queued: 7, output: 900, lag: 0.25, ..Snapshot::default() };
        let ledger = &mut snapshot.ledger;
        (ledger.packets.read, ledger.packets.dropped) = (100, 3);
        ledger.connections.other.insert("TLS", 4);
        ledger.requests.recorded = 10;
        ledger.responses.lost.insert(Loss::Gap, 2);
        (ledger.unwritten.requests, ledger.unwritten.packets) = (5, 6);
        let text = snapshot.open_metrics();
        for line in [
            "gor_record_packets_read_total 100",
            "gor_record_packets_dropped_total 3",
            "gor_record_connections_ended_total{protocol=\"TLS\"} 4",
            "gor_record_messages_total{kind=\"request\"} 10",
            "gor_record_messages_lost_total{kind=\"response\",reason=\"packets missing\"} 2",
            "gor_record_messages_lost_total{kind=\"request\",reason=\"output too slow\"} 5",
            "gor_record_packets_unwritten_total 6",
            "gor_record_output_bytes_total 900",
            "gor_record_output_queue_bytes 7",
            "gor_record_lag_seconds 0.25",
            "# EOF",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
