//! Classic pcap files (draft-ietf-opsawg-pcap), and the "modified" kind.

use std::io::Read;

use super::captured::Packet;
use super::damage::{Damage, MAX_PACKET, NoNextPacket};
use super::input::CaptureBuffer;
use super::link_type::LinkType;

/// Microseconds.
const MICROSECONDS: u32 = 0xa1b2_c3d4;
/// Nanoseconds.
const NANOSECONDS: u32 = 0xa1b2_3c4d;
/// Microseconds, with interface, protocol and packet type in each packet
/// header (Alexey Kuznetsov's libpcap of old, still written by some devices).
const MODIFIED: u32 = 0xa1b2_cd34;

const FILE_HEADER: usize = 24;
const PACKET_HEADER: usize = 16;
const MODIFIED_PACKET_HEADER: usize = 24;

pub(super) fn is_magic(first: &[u8]) -> bool {
    layout(first).is_some()
}

/// Magic number, and whether the file is big-endian.
fn layout(first: &[u8]) -> Option<(u32, bool)> {
    let bytes = *first.first_chunk::<4>()?;
    [(u32::from_le_bytes(bytes), false), (u32::from_be_bytes(bytes), true)]
        .into_iter()
        .find(|(magic, _)| matches!(*magic, MICROSECONDS | NANOSECONDS | MODIFIED))
}

pub(super) struct PcapReader {
    is_big_endian: bool,
    /// Nanoseconds in one unit of the time's fraction.
    unit: i64,
    packet_header: usize,
    link: LinkType,
}

impl PcapReader {
    pub(super) fn open<R: Read>(input: &mut CaptureBuffer<R>) -> Result<Self, NoNextPacket> {
        let is_whole = input.fill(FILE_HEADER)?;
        let (magic, is_big_endian) =
            layout(input.unread()).ok_or(NoNextPacket::Damaged(0, Damage::NotACapture))?;
        let Some(header) = input.take(FILE_HEADER).first_chunk::<FILE_HEADER>().filter(|_| is_whole) else {
            return Err(NoNextPacket::Damaged(0, Damage::EndsInHeader));
        };
        let word = |bytes| if is_big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) };
        let half = |bytes| if is_big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) };
        let (major, minor) = (half([header[4], header[5]]), half([header[6], header[7]]));
        if major != 2 {
            return Err(NoNextPacket::Damaged(0, Damage::Version(major, minor)));
        }
        // The upper half holds the length of the frame check sequence, which the IP length cuts off anyway.
        let link = LinkType(word([header[20], header[21], header[22], header[23]]) as u16);
        let packet_header = if magic == MODIFIED { MODIFIED_PACKET_HEADER } else { PACKET_HEADER };
        let unit = if magic == NANOSECONDS { 1 } else { 1000 };
        Ok(Self { is_big_endian, unit, packet_header, link })
    }

    /// The length of the packet that `unread` begins with, its header included;
    /// `None` when that is not told yet.
    #[inline]
    pub(super) fn packet_length(&self, unread: &[u8]) -> Option<usize> {
        let captured = *unread.get(8..)?.first_chunk()?;
        let captured =
            if self.is_big_endian { u32::from_be_bytes(captured) } else { u32::from_le_bytes(captured) };
        Some(self.packet_header + captured as usize)
    }

    /// The next packet and where its header begins.
    #[inline]
    pub(super) fn next<'a, R: Read>(
        &mut self,
        input: &'a mut CaptureBuffer<R>,
    ) -> Result<Option<(u64, Packet<'a>)>, NoNextPacket> {
        let byte = input.offset();
        let damaged = |damage| Err(NoNextPacket::Damaged(byte, damage));
        let is_whole = input.fill(self.packet_header)?;
        let unread = input.unread();
        let Some(header) = unread.first_chunk::<PACKET_HEADER>().filter(|_| is_whole) else {
            return if unread.is_empty() { Ok(None) } else { damaged(Damage::EndsInPacket) };
        };
        let word =
            |at: [u8; 4]| if self.is_big_endian { u32::from_be_bytes(at) } else { u32::from_le_bytes(at) };
        let seconds = word([header[0], header[1], header[2], header[3]]);
        let fraction = word([header[4], header[5], header[6], header[7]]);
        let captured = word([header[8], header[9], header[10], header[11]]);
        let on_wire = word([header[12], header[13], header[14], header[15]]);
        if captured > MAX_PACKET {
            return damaged(Damage::PacketTooLong(captured));
        }
        if on_wire == 0 && seconds == 0 && fraction == 0 {
            return damaged(Damage::Zeros);
        }
        let length = self.packet_header + captured as usize;
        if !input.fill(length)? {
            return damaged(Damage::EndsInPacket);
        }
        let packet = Packet {
            link: self.link,
            time: i64::from(seconds) * 1_000_000_000 + i64::from(fraction) * self.unit,
            wire_length: on_wire.max(captured),
            bytes: input.take(length).get(self.packet_header..).unwrap_or_default(),
        };
        Ok(Some((byte, packet)))
    }
}
