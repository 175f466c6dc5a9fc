//! What the recording lacks, in one line.

use std::collections::BTreeMap;
use std::fmt;

use super::ledger::{Ledger, Messages};

/// Link types, and addresses, that are named; of others only the number is told.
const MAX_NAMED: usize = 8;

impl Ledger {
    /// One line about what the recording lacks though nobody asked for that;
    /// none when nothing is lacking. Unless `is_quiet`, it also tells what may be
    /// as it should: connections of other protocols, addresses without any, and
    /// why a recording is empty.
    pub fn losses(&self, is_quiet: bool) -> Option<String> {
        let mut parts = Vec::new();
        self.unread(&mut parts);
        if !is_quiet {
            self.unmet(&mut parts);
        }
        self.lost_messages(&mut parts);
        self.lost_bytes(&mut parts);
        let unseen: u64 = self.connections.other.values().sum();
        if unseen > 0 && !is_quiet {
            let what = count(unseen, "connection", "connections");
            parts.push(format!("{what} seen and not decoded ({})", by_name(&self.connections.other)));
        }
        if parts.is_empty() && !is_quiet {
            parts.extend(self.emptiness());
        }
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    /// Packets that could not be looked into.
    fn unread(&self, parts: &mut Vec<String>) {
        for (link, number) in self.packets.unknown_link.iter().take(MAX_NAMED) {
            let what = count(*number, "packet", "packets");
            parts.push(format!("{what} of link type {link}, which is not supported"));
        }
        let others: u64 = self.packets.unknown_link.values().skip(MAX_NAMED).sum();
        if others > 0 {
            parts.push(format!("{} of other link types", count(others, "packet", "packets")));
        }
        let unreadable = self.packets.snapped + self.packets.malformed;
        if unreadable > 0 {
            parts.push(format!("{} not readable", count(unreadable, "packet", "packets")));
        }
        if self.incomplete_fragments > 0 {
            let what = count(self.incomplete_fragments, "IP fragment", "IP fragments");
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
            let what = count(self.packets.other_ports, "TCP segment", "TCP segments");
            parts.push(format!("{what} at other addresses or ports"));
        }
    }

    fn lost_messages(&self, parts: &mut Vec<String>) {
        for (messages, one, many) in
            [(&self.requests, "request", "requests"), (&self.responses, "response", "responses")]
        {
            if messages.lost() > 0 {
                parts.push(format!(
                    "{} lost ({})",
                    count(messages.lost(), one, many),
                    by_name(&messages.lost)
                ));
            }
            if messages.cut > 0 {
                parts.push(format!("{} cut at --max-message", count(messages.cut, one, many)));
            }
            if messages.incomplete > 0 {
                parts.push(format!("{} recorded with parts missing", count(messages.incomplete, one, many)));
            }
        }
        if self.without_request > 0 {
            let what = count(self.without_request, "response", "responses");
            parts.push(format!("{what} without a request"));
        }
    }

    /// Payload that is in no message, and was not to be.
    fn lost_bytes(&self, parts: &mut Vec<String>) {
        let (segments, bytes) = (&self.segments, &self.bytes);
        if segments.missing > 0 {
            let what = count(segments.missing, "byte", "bytes");
            let late = match segments.late {
                0 => String::new(),
                late => format!(" or too late ({late} came after all)"),
            };
            parts.push(format!("{what} of TCP streams missing from the capture{late}"));
        }
        if segments.misplaced > 0 {
            let what = count(segments.misplaced, "payload byte", "payload bytes");
            parts.push(format!("{what} ignored, being outside the TCP streams"));
        }
        if bytes.skipped > 0 {
            let what = count(bytes.skipped, "byte", "bytes");
            parts.push(format!("{what} passed over up to the start of a message"));
        }
    }

    /// Why there is nothing in the recording, though nothing was lost.
    fn emptiness(&self) -> Option<String> {
        let recorded = |messages: &Messages| messages.recorded + messages.cut + messages.incomplete;
        let packets = &self.packets;
        if recorded(&self.requests) + recorded(&self.responses) > 0 {
            return None;
        }
        let read = count(packets.read, "packet", "packets");
        Some(if packets.read == 0 {
            "no packets".to_owned()
        } else if packets.not_ip == packets.read {
            format!("no IP in {read}")
        } else if packets.segments == 0 {
            format!("no TCP in {read}")
        } else {
            format!("no message to record in {}", count(self.connections.seen, "connection", "connections"))
        })
    }
}

/// `1 request`, `2 requests`.
fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// `TLS 3, SSH 1`.
fn by_name<K: fmt::Display>(counts: &BTreeMap<K, u64>) -> String {
    let parts: Vec<_> = counts.iter().map(|(name, number)| format!("{name} {number}")).collect();
    parts.join(", ")
}
