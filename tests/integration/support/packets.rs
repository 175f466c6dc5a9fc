//! Captures written as conversations: who says what, and what of it the capture lacks.

use std::net::{IpAddr, SocketAddr};

use etherparse::PacketBuilder;

/// Time at which every capture begins, in nanoseconds since the epoch.
pub(crate) const START: i64 = 1_700_000_000_000_000_000;

/// Between two packets, in nanoseconds.
pub(crate) const STEP: i64 = 1_000_000;

/// One packet: an Ethernet frame, and how long after the packet before it it came.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) pause: i64,
    pub(crate) bytes: Vec<u8>,
}

/// Who sends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Side {
    Client,
    Server,
}

use Side::{Client, Server};

/// One TCP connection. What it says is numbered and acknowledged as TCP does:
/// a segment acknowledges everything that the other side said before it.
#[derive(Clone, Debug)]
pub(crate) struct Talk {
    ends: [SocketAddr; 2],
    /// The next sequence number of each side.
    next: [u32; 2],
    /// What each side acknowledges.
    heard: [u32; 2],
    is_deaf: bool,
    pause: i64,
    pub(crate) packets: Vec<Packet>,
}

impl Talk {
    /// A connection from the usual client to the usual server, with handshake.
    pub(crate) fn open() -> Self {
        Self::between("10.0.0.2:4000", "10.0.0.1:80").handshake()
    }

    /// As [`Talk::open`], the handshake not being in the capture.
    pub(crate) fn joined() -> Self {
        Self::between("10.0.0.2:4000", "10.0.0.1:80")
    }

    /// A connection of which nothing is in the capture yet.
    pub(crate) fn between(client: &str, server: &str) -> Self {
        let ends = [client, server].map(|end| end.parse().expect("an address with a port"));
        Self::numbered(ends, [1000, 500_000])
    }

    fn numbered(ends: [SocketAddr; 2], next: [u32; 2]) -> Self {
        Talk { ends, next, heard: [next[1], next[0]], is_deaf: false, pause: 0, packets: Vec::new() }
    }

    /// The first sequence numbers, in place of the usual ones.
    pub(crate) fn from(self, client: u32, server: u32) -> Self {
        Self::numbered(self.ends, [client, server])
    }

    pub(crate) fn handshake(mut self) -> Self {
        for side in [Client, Server] {
            self.packet(side, Tcp::syn, side == Server, &[]);
            self.next[side as usize] = self.next[side as usize].wrapping_add(1);
            self.heard[1 - side as usize] = self.next[side as usize];
        }
        self.packet(Client, |tcp| tcp, true, &[]);
        self
    }

    /// The client sends one segment.
    pub(crate) fn client(self, bytes: impl AsRef<[u8]>) -> Self {
        self.says(Client, bytes.as_ref())
    }

    /// The server sends one segment.
    pub(crate) fn server(self, bytes: impl AsRef<[u8]>) -> Self {
        self.says(Server, bytes.as_ref())
    }

    pub(crate) fn says(mut self, side: Side, bytes: &[u8]) -> Self {
        self.hear(side);
        self.packet(side, Tcp::psh, true, bytes);
        self.advance(side, bytes.len())
    }

    /// One side sends this, cut into segments of so many bytes.
    pub(crate) fn in_segments(mut self, side: Side, bytes: &[u8], length: usize) -> Self {
        for segment in bytes.chunks(length) {
            self = self.says(side, segment);
        }
        self
    }

    /// One side sends this, but it is not in the capture.
    pub(crate) fn unseen(mut self, side: Side, bytes: impl AsRef<[u8]>) -> Self {
        self.hear(side);
        self.advance(side, bytes.as_ref().len())
    }

    /// The next segment is sent before anything new of the other side has arrived.
    pub(crate) fn unaware(mut self) -> Self {
        self.is_deaf = true;
        self
    }

    /// So many milliseconds pass.
    pub(crate) fn wait(mut self, milliseconds: i64) -> Self {
        self.pause += milliseconds * 1_000_000;
        self
    }

    /// One side ends its direction.
    pub(crate) fn fin(mut self, side: Side) -> Self {
        self.hear(side);
        self.packet(side, Tcp::fin, true, &[]);
        self.advance(side, 1)
    }

    /// Both sides end, the client first.
    pub(crate) fn close(self) -> Self {
        self.fin(Client).fin(Server)
    }

    /// One side resets the connection.
    pub(crate) fn reset(mut self, side: Side) -> Self {
        self.hear(side);
        self.packet(side, Tcp::rst, true, &[]);
        self
    }

    /// A bare acknowledgement.
    pub(crate) fn acknowledges(mut self, side: Side) -> Self {
        self.hear(side);
        self.packet(side, |tcp| tcp, true, &[]);
        self
    }

    /// A keep-alive probe: a zero byte, one before what comes next.
    pub(crate) fn probe(mut self, side: Side) -> Self {
        self.next[side as usize] = self.next[side as usize].wrapping_sub(1);
        self.packet(side, |tcp| tcp, true, &[0]);
        self.next[side as usize] = self.next[side as usize].wrapping_add(1);
        self
    }

    /// The last packet once more.
    pub(crate) fn again(mut self) -> Self {
        self.packets.extend(self.packets.last().cloned());
        self
    }

    /// One side sends its last `length` bytes and these in one segment.
    pub(crate) fn overlapping(mut self, side: Side, last: &[u8], bytes: &[u8]) -> Self {
        self.next[side as usize] = self.next[side as usize].wrapping_sub(last.len() as u32);
        self.says(side, &[last, bytes].concat())
    }

    /// The last packet is captured so many packets earlier.
    pub(crate) fn early(mut self, places: usize) -> Self {
        let packet = self.packets.pop().expect("a packet");
        let at = self.packets.len() - places;
        self.packets.insert(at, packet);
        self
    }

    /// The other connection follows.
    pub(crate) fn then(mut self, other: Talk) -> Self {
        self.packets.extend(other.packets);
        self
    }

    /// The number the next request gets, eight hex digits: what the client acknowledges.
    pub(crate) fn acknowledged(&self) -> u32 {
        self.next[Server as usize]
    }

    fn hear(&mut self, side: Side) {
        if !std::mem::take(&mut self.is_deaf) {
            self.heard[side as usize] = self.next[1 - side as usize];
        }
    }

    fn advance(mut self, side: Side, length: usize) -> Self {
        self.next[side as usize] = self.next[side as usize].wrapping_add(length as u32);
        self
    }

    fn packet(&mut self, side: Side, flags: impl FnOnce(Tcp) -> Tcp, has_ack: bool, payload: &[u8]) {
        let (from, to) = (self.ends[side as usize], self.ends[1 - side as usize]);
        let (seq, ack) = (self.next[side as usize], self.heard[side as usize]);
        let link = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
        let ip = match (from.ip(), to.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => link.ipv4(from.octets(), to.octets(), 64),
            (IpAddr::V6(from), IpAddr::V6(to)) => link.ipv6(from.octets(), to.octets(), 64),
            _ => panic!("addresses of two families"),
        };
        let tcp = ip.tcp(from.port(), to.port(), seq, 64000);
        let tcp = flags(if has_ack { tcp.ack(ack) } else { tcp });
        let mut bytes = Vec::with_capacity(tcp.size(payload.len()));
        tcp.write(&mut bytes, payload).expect("a vector takes everything");
        self.packets.push(Packet { pause: std::mem::take(&mut self.pause), bytes });
    }
}

type Tcp = etherparse::PacketBuilderStep<etherparse::TcpHeader>;

/// The times of packets, which come [`STEP`] apart and after their pauses.
pub(crate) fn times(packets: &[Packet]) -> impl Iterator<Item = (i64, &[u8])> {
    packets.iter().scan(START, |time, packet| {
        *time += STEP + packet.pause;
        Some((*time, packet.bytes.as_slice()))
    })
}

/// A pcap file of nanoseconds.
pub(crate) fn pcap(packets: &[Packet]) -> Vec<u8> {
    pcap_snapped(packets, 0xffff)
}

/// As [`pcap`], but of each packet only so many bytes were captured.
pub(crate) fn pcap_snapped(packets: &[Packet], length: usize) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_3c4d, 4 << 16 | 2, 0, 0, 0xffff_u32, 1] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    for (time, bytes) in times(packets) {
        let kept = &bytes[..bytes.len().min(length)];
        let (seconds, rest) = (time / 1_000_000_000, time % 1_000_000_000);
        for word in [seconds as u32, rest as u32, kept.len() as u32, bytes.len() as u32] {
            file.extend_from_slice(&word.to_le_bytes());
        }
        file.extend_from_slice(kept);
    }
    file
}
