//! One segment as an Ethernet frame, with its checksums.

use std::net::SocketAddrV4;

/// Sender has no more data.
pub(super) const FIN: u8 = 0x01;
/// Numbers start here.
pub(super) const SYN: u8 = 0x02;
/// The connection is gone.
pub(super) const RST: u8 = 0x04;
/// The last segment of a message.
pub(super) const PSH: u8 = 0x08;
/// The acknowledgement number counts.
pub(super) const ACK: u8 = 0x10;

/// Payload of a full segment: an Ethernet's 1500 bytes without the headers of IPv4 and TCP.
pub const MSS: usize = 1460;

/// The window told in every segment; what is not acknowledged never fills it.
const WINDOW: u16 = 65_535;

/// Invented, locally administered: the client's and the server's.
const MACS: [[u8; 6]; 2] = [[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]];

const ETHERNET: usize = 14;
const IP: usize = 20;
const TCP: usize = 20;
/// The option that a SYN has: the MSS.
const SYN_OPTION: usize = 4;

/// What a segment's headers say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub(super) source: SocketAddrV4,
    pub(super) destination: SocketAddrV4,
    /// Whether the server sends it; it only matters to the Ethernet addresses.
    pub(super) is_servers: bool,
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) flags: u8,
}

/// Headers of a frame, in a buffer of their own.
#[derive(Debug)]
pub(super) struct Headers {
    bytes: [u8; ETHERNET + IP + TCP + SYN_OPTION],
    length: usize,
}

impl Headers {
    /// The headers of a segment with this payload, of at most [`MSS`] bytes.
    pub(super) fn of(segment: &Segment, payload: &[u8]) -> Self {
        let option = if segment.flags & SYN == 0 { 0 } else { SYN_OPTION };
        let mut bytes = [0; ETHERNET + IP + TCP + SYN_OPTION];
        let sender = usize::from(segment.is_servers);
        bytes[..6].copy_from_slice(&MACS[1 - sender]);
        bytes[6..12].copy_from_slice(&MACS[sender]);
        bytes[12..14].copy_from_slice(&[0x08, 0x00]);

        let tcp_length = TCP + option + payload.len();
        let ip = &mut bytes[ETHERNET..ETHERNET + IP];
        // Version 4, five words of header; not to be fragmented; 64 hops; TCP.
        ip[0] = 0x45;
        ip[2..4].copy_from_slice(&((IP + tcp_length) as u16).to_be_bytes());
        ip[6..10].copy_from_slice(&[0x40, 0, 64, 6]);
        ip[12..16].copy_from_slice(&segment.source.ip().octets());
        ip[16..20].copy_from_slice(&segment.destination.ip().octets());
        let addresses = sum(&ip[12..20]);
        let checksum = folded(sum(ip));
        ip[10..12].copy_from_slice(&checksum.to_be_bytes());

        let tcp = &mut bytes[ETHERNET + IP..];
        tcp[..2].copy_from_slice(&segment.source.port().to_be_bytes());
        tcp[2..4].copy_from_slice(&segment.destination.port().to_be_bytes());
        tcp[4..8].copy_from_slice(&segment.seq.to_be_bytes());
        tcp[8..12].copy_from_slice(&segment.ack.to_be_bytes());
        tcp[12] = (((TCP + option) / 4) << 4) as u8;
        tcp[13] = segment.flags;
        tcp[14..16].copy_from_slice(&WINDOW.to_be_bytes());
        if option > 0 {
            tcp[TCP..].copy_from_slice(&[2, 4, (MSS >> 8) as u8, MSS as u8]);
        }
        // The pseudo header: addresses, protocol, length (RFC 9293 §3.1).
        let checksum = folded(addresses + 6 + tcp_length as u64 + sum(tcp) + sum(payload));
        tcp[16..18].copy_from_slice(&checksum.to_be_bytes());
        Headers { bytes, length: ETHERNET + IP + TCP + option }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// The sum of 16-bit words, big-endian; a last odd byte is the upper half of one.
fn sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<2>();
    // 32 bits hold the sum of 65 536 words; no part summed here is so long.
    let sum: u32 = words.iter().map(|word| u32::from(u16::from_be_bytes(*word))).sum();
    u64::from(sum) + rest.first().map_or(0, |&last| u64::from(last) << 8)
}

/// The Internet checksum of a sum of words (RFC 1071).
fn folded(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
