//! One segment as an Ethernet frame, with its checksums.

use std::net::SocketAddrV4;

use etherparse::{EtherType, Ethernet2Header, IpNumber, Ipv4Header, TcpHeader, TcpOptionElement};

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

/// Hops left, of 64 that systems begin with.
const HOPS: u8 = 64;

const ETHERNET: usize = Ethernet2Header::LEN;
const IP: usize = Ipv4Header::MIN_LEN;
const TCP: usize = TcpHeader::MIN_LEN;
/// The option that a SYN has: the MSS.
const SYN_OPTION: usize = 4;

/// What a segment's headers say.
#[derive(Clone, Copy, Debug)]
pub(super) struct SegmentHeaders {
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
pub(super) struct FrameHeaders {
    bytes: [u8; ETHERNET + IP + TCP + SYN_OPTION],
    length: usize,
}

impl FrameHeaders {
    /// The headers of a segment with this payload, of at most [`MSS`] bytes.
    pub(super) fn of(segment: &SegmentHeaders, payload: &[u8]) -> Self {
        const FITS: &str = "a segment of at most MSS bytes fits every length field";
        let sender = usize::from(segment.is_servers);
        let ethernet = Ethernet2Header {
            source: MACS[sender],
            destination: MACS[1 - sender],
            ether_type: EtherType::IPV4,
        };

        let has = |flag| segment.flags & flag != 0;
        let mut tcp = TcpHeader::new(segment.source.port(), segment.destination.port(), segment.seq, WINDOW);
        tcp.acknowledgment_number = segment.ack;
        (tcp.fin, tcp.syn, tcp.rst, tcp.psh, tcp.ack) = (has(FIN), has(SYN), has(RST), has(PSH), has(ACK));
        if tcp.syn {
            tcp.set_options(&[TcpOptionElement::MaximumSegmentSize(MSS as u16)]).expect("four bytes fit");
        }
        let (source, destination) = (segment.source.ip().octets(), segment.destination.ip().octets());
        let length = (tcp.header_len() + payload.len()) as u16;
        let mut ip = Ipv4Header::new(length, HOPS, IpNumber::TCP, source, destination).expect(FITS);
        ip.header_checksum = ip.calc_header_checksum();
        tcp.checksum = tcp.calc_checksum_ipv4(&ip, payload).expect(FITS);

        let mut bytes = [0; ETHERNET + IP + TCP + SYN_OPTION];
        let length = ETHERNET + IP + tcp.header_len();
        bytes[..ETHERNET].copy_from_slice(&ethernet.to_bytes());
        bytes[ETHERNET..ETHERNET + IP].copy_from_slice(&ip.to_bytes());
        bytes[ETHERNET + IP..length].copy_from_slice(&tcp.to_bytes());
        FrameHeaders { bytes, length }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(is_servers: bool, flags: u8) -> SegmentHeaders {
        let ends =
            [SocketAddrV4::new([10, 1, 2, 3].into(), 40_000), SocketAddrV4::new([192, 0, 2, 1].into(), 80)];
        let (source, destination) = if is_servers { (ends[1], ends[0]) } else { (ends[0], ends[1]) };
        SegmentHeaders { source, destination, is_servers, seq: 0x0102_0304, ack: 0xfffe_fdfc, flags }
    }

    /// The checksums were calculated by hand once (RFC 791 §3.1, RFC 9293 §3.1), not by the library.
    #[test]
    fn headers_are_these_bytes() {
        let cases: [(SegmentHeaders, &[u8], &str); 3] = [
            (
                segment(false, SYN),
                b"",
                "02000000000202000000000108004500002c0000400040066cc70a010203c00002019c40005001020304fffefdfc6002ffff2b8f0000020405b4",
            ),
            (
                segment(true, PSH | ACK),
                b"HTTP/1.1 ",
                "0200000000010200000000020800450000310000400040066cc2c00002010a01020300509c4001020304fffefdfc5018ffff29250000",
            ),
            (
                segment(false, FIN | RST | ACK),
                &[b'x'; MSS],
                "0200000000020200000000010800450005dc00004000400667170a010203c00002019c40005001020304fffefdfc5015ffffb5fc0000",
            ),
        ];
        for (segment, payload, expected) in cases {
            let headers = FrameHeaders::of(&segment, payload);
            assert_eq!(faster_hex::hex_string(headers.bytes()), expected, "{segment:?}");
        }
    }
}
