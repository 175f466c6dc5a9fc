//! What the recording lacks, in one line.

use std::fmt;

use super::ledger::{CaptureLedger, Messages};
use crate::observe::{Count, Counts};

/// Link types, and addresses, that are named; of others only the number is told.
const MAX_NAMED: usize = 8;

impl CaptureLedger {
    /// One line about what the recording lacks though nobody asked for that;
    /// none when nothing is lacking. Unless `is_quiet`, it also tells what may be
    /// as it should: connections of other protocols, addresses without any, and
    /// why a recording is empty.
    pub fn losses(&self, is_quiet: bool) -> Option<String> {
        self.losses_by(is_quiet, "--max-message")
    }

    /// Messages that were cut because they are longer than the limit.
    pub fn cut(&self) -> u64 {
        self.requests.cut + self.responses.cut
    }

    /// The same as [`CaptureLedger::losses`] for a tool whose limit for messages is another option.
    pub fn losses_by(&self, is_quiet: bool, limit: &str) -> Option<String> {
        let mut parts = Vec::new();
        self.unread(&mut parts);
        if !is_quiet {
            self.unmet(&mut parts);
        }
        self.lost_messages(&mut parts, limit);
        if !is_quiet {
            self.assumed(&mut parts);
        }
        self.lost_bytes(&mut parts);
        self.unwritten(&mut parts);
        let unseen: u64 = self.connections.other.sum();
        if unseen > 0 && !is_quiet {
            let what = Count(unseen, "connection");
            parts.push(format!("{what} seen and not decoded ({})", by_name(&self.connections.other)));
        }
        if parts.is_empty() && !is_quiet {
            parts.extend(self.emptiness());
        }
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    /// Packets that could not be looked into.
    fn unread(&self, parts: &mut Vec<String>) {
        if self.packets.dropped > 0 {
            let what = Count(self.packets.dropped, "packet");
            parts.push(format!("{what} dropped by the kernel; --buffer-size makes room"));
        }
        for (link, number) in self.packets.unknown_link.iter().take(MAX_NAMED) {
            let what = Count(*number, "packet");
            parts.push(format!("{what} of link type {link}, which is not supported"));
        }
        let others: u64 = self.packets.unknown_link.values().skip(MAX_NAMED).sum();
        if others > 0 {
            parts.push(format!("{} of other link types", Count(others, "packet")));
        }
        let unreadable = self.packets.snapped + self.packets.malformed;
        if unreadable > 0 {
            parts.push(format!("{} not readable", Count(unreadable, "packet")));
        }
        if self.incomplete_fragments > 0 {
            let what = Count(self.incomplete_fragments, "IP fragment");
            parts.push(format!("{what} whose datagram is incomplete"));
        }
    }

    /// Addresses to record at that have no connection.
    fn unmet(&self, parts: &mut Vec<String>) {
        let unmet = || self.connections.at.iter().filter(|(_, number)| **number == 0);
        if unmet().next().is_none() {
            return;
        }
        let names: Vec<_> = unmet().take(MAX_NAMED).map(|(address, _)| address.as_str()).collect();
        let others = unmet().count() - names.len();
        let more = if others > 0 { format!(" and {others} more") } else { String::new() };
        parts.push(format!("no connection at {}{more}", names.join(", ")));
        if self.packets.other_ports > 0 {
            let what = Count(self.packets.other_ports, "TCP segment");
            parts.push(format!("{what} at other addresses or ports"));
        }
        if self.packets.left_out_by_bpf > 0 {
            let what = Count(self.packets.left_out_by_bpf, "packet");
            parts.push(format!("{what} left out by --bpf"));
        }
        if self.packets.left_out() > 0 {
            let what = Count(self.packets.left_out(), "TCP segment");
            parts.push(format!("{what} left out by --vlan, --vxlan-vni or --not-client"));
        }
    }

    fn lost_messages(&self, parts: &mut Vec<String>, limit: &str) {
        for (messages, one) in [(&self.requests, "request"), (&self.responses, "response")] {
            if messages.lost() > 0 {
                parts.push(format!("{} lost ({})", Count(messages.lost(), one), by_name(&messages.lost)));
            }
            if messages.cut > 0 {
                parts.push(format!("{} cut at {limit}", Count(messages.cut, one)));
            }
            if messages.doubtful > 0 {
                let what = Count(messages.doubtful, one);
                let doubt = match one {
                    "request" => "that may be text in the body of another",
                    _ => "whose request, beginning or end is not certain",
                };
                parts.push(format!("{what} {doubt} (marked doubtful)"));
            }
            if messages.incomplete > 0 {
                parts.push(format!("{} recorded with parts missing", Count(messages.incomplete, one)));
            }
        }
        if self.without_request > 0 {
            let what = Count(self.without_request, "response");
            parts.push(format!("{what} without a request"));
        }
    }

    /// Pairs that are right only if the client does not pipeline.
    fn assumed(&self, parts: &mut Vec<String>) {
        if self.assumed_pairs > 0 {
            let what = Count(self.assumed_pairs, "response");
            parts.push(format!(
                "{what} paired on the assumption that clients wait for each response, as the beginning of the \
                 connection is not in the capture"
            ));
        }
    }

    /// Payload that is in no message, and was not to be.
    fn lost_bytes(&self, parts: &mut Vec<String>) {
        let (segments, bytes) = (&self.segments, &self.bytes);
        if segments.missing > 0 {
            let what = Count(segments.missing, "byte");
            let late = match segments.late {
                0 => String::new(),
                late => format!(" or too late ({late} came after all)"),
            };
            parts.push(format!("{what} of TCP streams missing from the capture{late}"));
        }
        if segments.differing > 0 {
            let what = Count(segments.differing, "byte");
            parts.push(format!("{what} sent twice and not the same; the first copy was kept"));
        }
        if segments.misplaced > 0 {
            let what = Count(segments.misplaced, "payload byte");
            parts.push(format!("{what} ignored, being outside the TCP streams"));
        }
        if bytes.skipped > 0 {
            let what = Count(bytes.skipped, "byte");
            parts.push(format!("{what} passed over up to the start of a message"));
        }
    }

    /// What the output was too slow for.
    fn unwritten(&self, parts: &mut Vec<String>) {
        let unwritten = &self.unwritten;
        if unwritten.requests + unwritten.responses > 0 {
            let requests = Count(unwritten.requests, "request");
            let responses = Count(unwritten.responses, "response");
            parts.push(format!(
                "{requests} and {responses} not written, as the output was too slow; --output-queue lets more wait"
            ));
        }
        if unwritten.packets > 0 {
            let packets = Count(unwritten.packets, "packet");
            parts.push(format!(
                "{packets} not in the file of -w, as it was too slow; --output-queue lets more wait"
            ));
        }
    }

    /// Why there is nothing in the recording, though nothing was lost.
    fn emptiness(&self) -> Option<String> {
        let recorded = |messages: &Messages| messages.written();
        let packets = &self.packets;
        if packets.read == 0 || recorded(&self.requests) + recorded(&self.responses) > 0 {
            return None;
        }
        let read = Count(packets.read, "packet");
        Some(if packets.not_ip == packets.read {
            format!("no IP in {read}")
        } else if packets.left_out_by_bpf == packets.read {
            format!("all packets left out by --bpf, {read}")
        } else if packets.left_out() > 0 && packets.segments == 0 {
            let what = Count(packets.left_out(), "TCP segment");
            format!("all {what} left out by --vlan, --vxlan-vni or --not-client")
        } else if packets.segments == 0 {
            format!("no TCP in {read}")
        } else {
            format!("no message to record in {}", Count(self.connections.seen, "connection"))
        })
    }
}

/// `1 request`, `2 requests`.
/// `TLS 3, SSH 1`.
fn by_name<K: fmt::Display + Ord>(counts: &Counts<K>) -> String {
    let parts: Vec<_> = counts.iter().map(|(name, number)| format!("{name} {number}")).collect();
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::LinkType;

    fn ledger(fill: impl FnOnce(&mut CaptureLedger)) -> CaptureLedger {
        let mut ledger = CaptureLedger::default();
        fill(&mut ledger);
        ledger
    }

    #[test]
    fn what_is_lacking_is_said_in_one_line() {
        let cases: Vec<(CaptureLedger, Option<&str>, Option<&str>)> = vec![
            (ledger(|_| ()), None, None),
            (
                ledger(|all| {
                    (all.packets.read, all.packets.segments, all.requests.recorded) = (9, 9, 1);
                }),
                None,
                None,
            ),
            (ledger(|all| (all.packets.read, all.packets.not_ip) = (2, 2)), Some("no IP in 2 packets"), None),
            (
                ledger(|all| (all.packets.read, all.packets.not_ip, all.packets.not_tcp) = (2, 1, 1)),
                Some("no TCP in 2 packets"),
                None,
            ),
            (
                ledger(|all| {
                    (all.packets.read, all.packets.segments, all.connections.seen) = (3, 3, 1);
                }),
                Some("no message to record in 1 connection"),
                None,
            ),
            (
                ledger(|all| all.packets.unknown_link = [(LinkType(249), 13), (LinkType(999), 1)].into()),
                Some(
                    "13 packets of link type 249 (USBPCAP), which is not supported; \
                     1 packet of link type 999, which is not supported",
                ),
                Some(
                    "13 packets of link type 249 (USBPCAP), which is not supported; \
                     1 packet of link type 999, which is not supported",
                ),
            ),
            (
                ledger(|all| {
                    all.packets.other_ports = 928;
                    all.connections.at = [(":9999".to_owned(), 0), (":80".to_owned(), 3)].into();
                }),
                Some("no connection at :9999; 928 TCP segments at other addresses or ports"),
                None,
            ),
            (
                ledger(|all| {
                    all.requests.recorded = 1;
                    all.packets.other_ports = 928;
                    all.connections.at = [(":80".to_owned(), 3)].into();
                }),
                None,
                None,
            ),
            (
                ledger(|all| {
                    all.requests.recorded = 1;
                    (all.segments.repeated, all.segments.no_data) = (500, 1);
                    (all.segments.misplaced, all.bytes.skipped) = (1460, 31);
                }),
                Some(
                    "1460 payload bytes ignored, being outside the TCP streams; \
                     31 bytes passed over up to the start of a message",
                ),
                Some(
                    "1460 payload bytes ignored, being outside the TCP streams; \
                     31 bytes passed over up to the start of a message",
                ),
            ),
            (
                ledger(|all| (all.segments.missing, all.segments.late) = (60, 40)),
                Some("60 bytes of TCP streams missing from the capture or too late (40 came after all)"),
                Some("60 bytes of TCP streams missing from the capture or too late (40 came after all)"),
            ),
            (
                ledger(|all| all.packets.dropped = 2),
                Some("2 packets dropped by the kernel; --buffer-size makes room"),
                Some("2 packets dropped by the kernel; --buffer-size makes room"),
            ),
            (
                ledger(|all| (all.unwritten.requests, all.unwritten.responses) = (1, 2)),
                Some(
                    "1 request and 2 responses not written, as the output was too slow; \
                     --output-queue lets more wait",
                ),
                Some(
                    "1 request and 2 responses not written, as the output was too slow; \
                     --output-queue lets more wait",
                ),
            ),
            (
                ledger(|all| all.incomplete_fragments = 1),
                Some("1 IP fragment whose datagram is incomplete"),
                Some("1 IP fragment whose datagram is incomplete"),
            ),
        ];
        for (ledger, told, quietly) in cases {
            assert_eq!(ledger.losses(false).as_deref(), told, "{ledger:?}");
            assert_eq!(ledger.losses(true).as_deref(), quietly, "quiet: {ledger:?}");
        }
    }

    #[test]
    fn packets_that_the_file_of_w_lacks_are_said_even_quietly() {
        let lacking = ledger(|all| all.unwritten.packets = 3);
        let said = "3 packets not in the file of -w, as it was too slow; --output-queue lets more wait";
        for is_quiet in [false, true] {
            assert_eq!(lacking.losses(is_quiet).as_deref(), Some(said));
        }
    }

    #[test]
    fn what_was_left_out_by_option_is_said_where_it_explains_what_is_missing() {
        let nothing_else = ledger(|all| {
            (all.packets.read, all.packets.other_networks, all.packets.other_clients) = (9, 3, 6);
        });
        let said = "all 9 TCP segments left out by --vlan, --vxlan-vni or --not-client";
        assert_eq!(nothing_else.losses(false).as_deref(), Some(said));
        assert_eq!(nothing_else.losses(true), None);
        let unmet = ledger(|all| {
            all.packets.other_clients = 1;
            all.connections.at = [(":80".to_owned(), 0)].into();
        });
        let said = "no connection at :80; 1 TCP segment left out by --vlan, --vxlan-vni or --not-client";
        assert_eq!(unmet.losses(false).as_deref(), Some(said));
    }

    #[test]
    fn only_so_many_link_types_and_addresses_are_named() {
        let many = ledger(|all| {
            all.packets.unknown_link = (1000..1100).map(|link| (LinkType(link), 2)).collect();
            all.connections.at = (1..=20).map(|port| (format!(":{port:02}"), 0)).collect();
        });
        let line = many.losses(false).expect("something is lacking");
        assert!(line.contains("184 packets of other link types"), "{line}");
        assert!(line.contains(":07, :08 and 12 more"), "{line}");
    }
}
