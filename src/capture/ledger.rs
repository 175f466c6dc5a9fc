//! What became of every packet, byte and message of a capture, in sums that come out even.

use std::fmt;

use derive_more::AddAssign;
use serde::Serialize;

use crate::observe::Counts;
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

    fn is_even(&self) -> bool {
        let sum = self.written() + self.not_asked_for + self.interim + self.lost();
        self.begun == sum
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

/// The counts of one capture.
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
    pub fn uneven(&self) -> Vec<&'static str> {
        let packets = &self.packets;
        let sums = [
            (
                "packets",
                packets.read
                    == packets.unknown_link()
                        + packets.not_ip
                        + packets.not_tcp
                        + packets.fragments
                        + packets.fragments_lost
                        + packets.snapped
                        + packets.malformed
                        + packets.other_ports
                        + packets.left_out_by_bpf
                        + packets.left_out()
                        + packets.segments,
            ),
            (
                "segments",
                self.segments.payload
                    == self.segments.delivered
                        + self.segments.repeated
                        + self.segments.late
                        + self.segments.misplaced
                        + self.segments.no_data,
            ),
            ("delivered", self.segments.delivered == self.bytes.delivered),
            (
                "bytes",
                self.bytes.delivered
                    == self.bytes.recorded
                        + self.bytes.lost
                        + self.bytes.not_asked_for
                        + self.bytes.interim
                        + self.bytes.between
                        + self.bytes.skipped
                        + self.bytes.tunnelled
                        + self.bytes.other_protocols
                        + self.bytes.other_clients,
            ),
            ("requests", self.requests.is_even()),
            ("responses", self.responses.is_even()),
            (
                "connections",
                self.connections.seen
                    == self.connections.http
                        + self.connections.upgraded
                        + self.connections.binary
                        + self.connections.silent
                        + self.connections.other_clients
                        + self.connections.other.sum(),
            ),
        ];
        sums.into_iter().filter(|(_, is_even)| !is_even).map(|(name, _)| name).collect()
    }
}

/// A table of everything that is not zero, sums first.
impl fmt::Display for CaptureLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (packets, segments, bytes) = (&self.packets, &self.segments, &self.bytes);
        section(
            f,
            "packets read",
            packets.read,
            &[
                ("TCP segments", packets.segments),
                ("other addresses or ports", packets.other_ports),
                ("left out by --bpf", packets.left_out_by_bpf),
                ("VLANs, overlays left out", packets.other_networks),
                ("clients left out", packets.other_clients),
                ("not IP", packets.not_ip),
                ("not TCP", packets.not_tcp),
                ("IP fragments", packets.fragments),
                ("IP fragments lost", packets.fragments_lost),
                ("cut within headers", packets.snapped),
                ("malformed", packets.malformed),
                ("unknown link type", packets.unknown_link()),
            ],
        )?;
        section(
            f,
            "TCP payload bytes",
            segments.payload,
            &[
                ("delivered in order", segments.delivered),
                ("sent again", segments.repeated),
                ("too late", segments.late),
                ("outside the stream", segments.misplaced),
                ("probes and reset texts", segments.no_data),
            ],
        )?;
        section(
            f,
            "stream bytes",
            bytes.delivered,
            &[
                ("recorded", bytes.recorded),
                ("in lost messages", bytes.lost),
                ("responses not asked for", bytes.not_asked_for),
                ("interim responses", bytes.interim),
                ("between messages", bytes.between),
                ("passed over", bytes.skipped),
                ("after an upgrade", bytes.tunnelled),
                ("other protocols", bytes.other_protocols),
                ("clients left out", bytes.other_clients),
            ],
        )?;
        let connections = &self.connections;
        let mut rows = vec![
            ("HTTP", connections.http),
            ("upgraded", connections.upgraded),
            ("binary", connections.binary),
            ("silent", connections.silent),
            ("clients left out", connections.other_clients),
        ];
        rows.extend(connections.other.iter().map(|(name, number)| (*name, *number)));
        section(f, "connections", connections.seen, &rows)?;
        for (name, messages) in [("requests", &self.requests), ("responses", &self.responses)] {
            let reasons: Vec<_> =
                messages.lost.iter().map(|(loss, number)| (format!("lost: {loss}"), *number)).collect();
            let mut rows = vec![
                ("recorded", messages.recorded),
                ("cut", messages.cut),
                ("incomplete", messages.incomplete),
                ("doubtful", messages.doubtful),
                ("not asked for", messages.not_asked_for),
                ("interim (1xx)", messages.interim),
            ];
            rows.extend(reasons.iter().map(|(name, number)| (name.as_str(), *number)));
            section(f, name, messages.begun, &rows)?;
        }
        section(
            f,
            "besides",
            0,
            &[
                ("packets dropped by the kernel", self.packets.dropped),
                ("bytes missing", segments.missing),
                ("repeated bytes that differ", segments.differing),
                ("bytes cut", bytes.cut),
                ("suspicious requests", self.requests.suspicious),
                ("suspicious responses", self.responses.suspicious),
                ("responses without request", self.without_request),
                ("responses paired as if in turn", self.assumed_pairs),
                ("requests without response", self.without_response),
                ("connections forgotten", connections.forgotten),
                ("fragments of incomplete IP", self.incomplete_fragments),
                ("requests not written", self.unwritten.requests),
                ("responses not written", self.unwritten.responses),
                ("packets not written", self.unwritten.packets),
            ],
        )
    }
}

/// A sum and its parts; parts that are zero are left out.
fn section(f: &mut fmt::Formatter<'_>, name: &str, sum: u64, rows: &[(&str, u64)]) -> fmt::Result {
    let parts = rows.iter().filter(|(_, number)| *number > 0);
    if sum == 0 && parts.clone().next().is_none() {
        return Ok(());
    }
    if sum > 0 {
        writeln!(f, "{name:<30} {sum:>14}")?;
    } else {
        writeln!(f, "{name}")?;
    }
    for (name, number) in parts {
        writeln!(f, "  {name:<28} {number:>14}")?;
    }
    Ok(())
}
