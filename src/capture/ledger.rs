//! What became of every packet, byte and message of a capture, in sums that come out even.

use std::fmt;

use derive_more::AddAssign;
use serde::Serialize;

use crate::observe::{self, Counts};
use crate::packet::LinkType;
use crate::tcp::Counters;

/// Why a message is not in the recording, or not whole there.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// Segments of it are not in the capture.
    Gap,
    /// The snapshot length cut its packets.
    Snapped,
    /// Nothing of it came for the time of `--expire`.
    Expired,
    /// Its connection was closed, or another took its endpoints, in the middle of it.
    Closed,
    /// Its connection was reset in the middle of it.
    Reset,
    /// It breaks a rule of HTTP framing.
    Malformed,
    /// Its connection was forgotten, as there were too many, or too much in memory.
    Evicted,
    /// The capture ends in the middle of it.
    CaptureEnd,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Loss::Gap => "packets missing",
            Loss::Snapped => "packets cut by the snapshot length",
            Loss::Expired => "unfinished for too long",
            Loss::Closed => "connection closed",
            Loss::Reset => "connection reset",
            Loss::Malformed => "not valid HTTP",
            Loss::Evicted => "too many connections or bytes at once",
            Loss::CaptureEnd => "capture ended",
        })
    }
}

/// Packets read, each in one of the other counts.
#[derive(AddAssign, Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Packets {
    /// All of them.
    pub read: u64,
    /// Of link types that are not looked into, by type.
    pub unknown_link: Counts<LinkType>,
    /// No IP in them.
    pub not_ip: u64,
    /// IP, but not TCP.
    pub not_tcp: u64,
    /// IP fragments kept until their datagram is whole.
    pub fragments: u64,
    /// IP fragments that cannot be put together.
    pub fragments_lost: u64,
    /// Cut within their headers by the snapshot length.
    pub snapped: u64,
    /// With a header that breaks a rule.
    pub malformed: u64,
    /// TCP, but at none of the addresses to record at.
    pub other_ports: u64,
    /// Not selected by `--bpf`. Those that the kernel did not let through are not even read.
    pub left_out_by_bpf: u64,
    /// TCP, but in a VLAN or overlay that was not selected.
    pub other_networks: u64,
    /// TCP at an address to record at, but of a client that is left out by option.
    pub other_clients: u64,
    /// TCP segments taken in.
    pub segments: u64,
    /// Besides those read: what the kernel had no room for, as the buffer was full.
    pub dropped: u64,
}

impl Packets {
    /// Of link types that are not looked into.
    pub fn unknown_link(&self) -> u64 {
        self.unknown_link.sum()
    }

    /// TCP that was left out by option.
    pub fn left_out(&self) -> u64 {
        self.other_networks + self.other_clients
    }
}

/// Bytes of TCP streams, put in order, each in one of the other counts.
#[derive(AddAssign, Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Bytes {
    /// All of them.
    pub delivered: u64,
    /// In messages that were recorded, what `--max-message` cut off included.
    pub recorded: u64,
    /// Of those, what `--max-message` cut off.
    pub cut: u64,
    /// In messages that were lost.
    pub lost: u64,
    /// In responses that were not asked for.
    pub not_asked_for: u64,
    /// In 1xx responses, which are not recorded.
    pub interim: u64,
    /// Empty lines between messages, PROXY headers.
    pub between: u64,
    /// Passed over up to the next message, after a loss or at the start of the capture.
    pub skipped: u64,
    /// After an upgrade or CONNECT.
    pub tunnelled: u64,
    /// Of other protocols, or of none that could be told.
    pub other_protocols: u64,
    /// Of clients that are left out by option, whom their first bytes showed to be the clients.
    pub other_clients: u64,
}

/// Messages of one kind, each begun one in one of the other counts.
#[derive(AddAssign, Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Messages {
    /// All whose first byte was seen.
    pub begun: u64,
    /// Written, whole.
    pub recorded: u64,
    /// Written, but longer than `--max-message` and marked as cut.
    pub cut: u64,
    /// Written with parts missing, and marked so.
    pub incomplete: u64,
    /// Written whole, but marked: the request, or that of the response, may be text in the body of another message.
    pub doubtful: u64,
    /// Whole, but not asked for.
    pub not_asked_for: u64,
    /// 1xx responses.
    pub interim: u64,
    /// Not written, by reason.
    pub lost: Counts<Loss>,
    /// Of all, those whose length is told in two ways that differ.
    pub suspicious: u64,
}

impl Messages {
    /// Not written, whatever the reason.
    pub fn lost(&self) -> u64 {
        self.lost.sum()
    }

    /// Written, whole or not.
    pub fn written(&self) -> u64 {
        self.recorded + self.cut + self.incomplete + self.doubtful
    }

    fn rows(&self, table: observe::Ledger, name: &'static str) -> observe::Ledger {
        let table = table
            .sum(name, name, self.begun)
            .part_if_any("recorded", "recorded", self.recorded)
            .part_if_any("cut", "cut", self.cut)
            .part_if_any("incomplete", "incomplete", self.incomplete)
            .part_if_any("doubtful", "doubtful", self.doubtful)
            .part_if_any("not_asked_for", "not asked for", self.not_asked_for)
            .part_if_any("interim", "interim (1xx)", self.interim);
        self.lost
            .iter()
            .fold(table, |table, (loss, number)| table.part("lost", format!("lost: {loss}"), *number))
    }
}

/// Connections seen, each in one of the other counts but the last two.
#[derive(AddAssign, Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Connections {
    /// All of them; one that takes the endpoints of another counts for itself.
    pub seen: u64,
    /// That spoke HTTP.
    pub http: u64,
    /// That left HTTP by an upgrade or CONNECT.
    pub upgraded: u64,
    /// Recorded as plain bytes.
    pub binary: u64,
    /// That carried no data, or too little to tell.
    pub silent: u64,
    /// Of clients that are left out by option, as far as that was not known before their first segment.
    pub other_clients: u64,
    /// That spoke something else, by name.
    pub other: Counts<&'static str>,
    /// Of all, those that were forgotten while they lasted, as there were too many.
    pub forgotten: u64,
    /// How many were met at each address to record at.
    pub at: Counts<String>,
}

impl Connections {
    fn rows(&self, table: observe::Ledger) -> observe::Ledger {
        let table = table
            .sum("connections", "connections", self.seen)
            .part_if_any("http", "HTTP", self.http)
            .part_if_any("upgraded", "upgraded", self.upgraded)
            .part_if_any("binary", "binary", self.binary)
            .part_if_any("silent", "silent", self.silent)
            .part_if_any("other_clients", "of clients left out", self.other_clients);
        self.other.iter().fold(table, |table, (name, number)| table.part("other", *name, *number))
    }
}

/// The books of one capture.
#[derive(AddAssign, Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct CaptureLedger {
    /// Packets read.
    pub packets: Packets,
    /// Payload bytes of the segments taken in.
    pub segments: Segments,
    /// Bytes of the streams they make.
    pub bytes: Bytes,
    /// Connections.
    pub connections: Connections,
    /// Requests.
    pub requests: Messages,
    /// Responses.
    pub responses: Messages,
    /// Responses recorded whose request was not seen.
    pub without_request: u64,
    /// Responses paired as if their clients wait for each response, the beginning of the connection not being there.
    pub assumed_pairs: u64,
    /// Requests to which no response was seen, both directions being in the capture.
    pub without_response: u64,
    /// IP fragments whose datagram did not become whole, whatever it carried.
    pub incomplete_fragments: u64,
    /// Of the messages recorded and the packets kept, those that are in no output, as it was too slow.
    pub unwritten: Unwritten,
}

/// Messages recorded, and packets kept, that were dropped before the output, as their queue was full.
#[derive(AddAssign, Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Unwritten {
    /// Requests.
    pub requests: u64,
    /// Responses.
    pub responses: u64,
    /// Packets, of those that are kept with `-w`.
    pub packets: u64,
}

/// What became of the payload bytes before they were a stream.
#[derive(AddAssign, Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Segments {
    /// Payload bytes of all segments.
    pub payload: u64,
    /// Delivered in order.
    pub delivered: u64,
    /// Sent again.
    pub repeated: u64,
    /// Of the repeated ones, those that differ from the first copy, which was kept.
    pub differing: u64,
    /// Too late: their gap had been given up.
    pub late: u64,
    /// Before the first byte of a stream, after its last, or nowhere near it.
    pub misplaced: u64,
    /// Keep-alive probes, texts of resets.
    pub no_data: u64,
    /// Bytes that should have come but did not.
    pub missing: u64,
}

impl From<&Counters> for Segments {
    fn from(tcp: &Counters) -> Self {
        Segments {
            payload: tcp.payload_bytes,
            delivered: tcp.delivered_bytes,
            repeated: tcp.retransmitted_bytes + tcp.duplicate_bytes,
            differing: tcp.differing_bytes,
            late: tcp.late_bytes,
            misplaced: tcp.before_start_bytes + tcp.after_end_bytes + tcp.out_of_window_bytes,
            no_data: tcp.keep_alive_bytes + tcp.reset_bytes,
            missing: tcp.gap_bytes,
        }
    }
}

impl CaptureLedger {
    /// The sums that do not come out even: none, or there is a bug. True only
    /// once the capture has ended.
    pub fn uneven(&self) -> Vec<String> {
        self.table().discrepancies().map(str::to_owned).collect()
    }

    /// The messages alone, for records that were made from no packet.
    pub fn of_messages(&self) -> observe::Ledger {
        let table = self.requests.rows(observe::Ledger::new(), "requests");
        if self.responses.begun == 0 { table } else { self.responses.rows(table, "responses") }
    }

    /// Its sums, and what is not zero of their parts, for people: the JSON is that of the struct.
    fn table(&self) -> observe::Ledger {
        let (packets, segments, bytes) = (&self.packets, &self.segments, &self.bytes);
        let table = observe::Ledger::new()
            .sum("packets", "packets read", packets.read)
            .part_if_any("segments", "TCP segments", packets.segments)
            .part_if_any("other_ports", "at other addresses or ports", packets.other_ports)
            .part_if_any("left_out_by_bpf", "left out by --bpf", packets.left_out_by_bpf)
            .part_if_any("other_networks", "in VLANs and overlays left out", packets.other_networks)
            .part_if_any("other_clients", "of clients left out", packets.other_clients)
            .part_if_any("not_ip", "not IP", packets.not_ip)
            .part_if_any("not_tcp", "not TCP", packets.not_tcp)
            .part_if_any("fragments", "IP fragments", packets.fragments)
            .part_if_any("fragments_lost", "IP fragments lost", packets.fragments_lost)
            .part_if_any("snapped", "cut within headers", packets.snapped)
            .part_if_any("malformed", "malformed", packets.malformed)
            .part_if_any("unknown_link", "of unknown link types", packets.unknown_link())
            .sum("segments", "TCP payload bytes", segments.payload)
            .part_if_any("delivered", "delivered in order", segments.delivered)
            .part_if_any("repeated", "sent again", segments.repeated)
            .part_if_any("late", "too late", segments.late)
            .part_if_any("misplaced", "outside the streams", segments.misplaced)
            .part_if_any("no_data", "in probes and reset texts", segments.no_data)
            .sum("bytes", "stream bytes", segments.delivered)
            .part_if_any("recorded", "recorded", bytes.recorded)
            .part_if_any("lost", "in lost messages", bytes.lost)
            .part_if_any("not_asked_for", "in responses not asked for", bytes.not_asked_for)
            .part_if_any("interim", "in interim responses", bytes.interim)
            .part_if_any("between", "between messages", bytes.between)
            .part_if_any("skipped", "passed over", bytes.skipped)
            .part_if_any("tunnelled", "after an upgrade", bytes.tunnelled)
            .part_if_any("other_protocols", "of other protocols", bytes.other_protocols)
            .part_if_any("other_clients", "of clients left out", bytes.other_clients);
        let table = self.connections.rows(table);
        let table = self.requests.rows(table, "requests");
        let table = self.responses.rows(table, "responses");
        table
            .total_if_any("dropped", "packets dropped by the kernel", packets.dropped)
            .total_if_any("missing", "bytes missing", segments.missing)
            .total_if_any("differing", "repeated bytes that differ", segments.differing)
            .total_if_any("cut", "bytes cut", bytes.cut)
            .total_if_any("suspicious_requests", "suspicious requests", self.requests.suspicious)
            .total_if_any("suspicious_responses", "suspicious responses", self.responses.suspicious)
            .total_if_any("without_request", "responses without request", self.without_request)
            .total_if_any("assumed_pairs", "responses paired as if in turn", self.assumed_pairs)
            .total_if_any("without_response", "requests without response", self.without_response)
            .total_if_any("forgotten", "connections forgotten", self.connections.forgotten)
            .total_if_any("incomplete_fragments", "fragments of incomplete IP", self.incomplete_fragments)
            .total_if_any("unwritten_requests", "requests not written", self.unwritten.requests)
            .total_if_any("unwritten_responses", "responses not written", self.unwritten.responses)
            .total_if_any("unwritten_packets", "packets not written", self.unwritten.packets)
    }
}

/// A table of everything that is not zero, sums first.
impl fmt::Display for CaptureLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.table().fmt(f)
    }
}
