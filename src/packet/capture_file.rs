//! Capture files, pcap or pcapng as the first bytes say.

use std::io::Read;

use super::captured::Packet;
use super::damage::{Damage, FilePosition, NoNextPacket};
use super::input::CaptureBuffer;
use super::pcap::{self, PcapReader};
use super::pcapng::{self, Pcapng};
use crate::error::{Error, Result};

enum CaptureFormat {
    Pcap(PcapReader),
    Pcapng(Pcapng),
}

/// Whether these first bytes of a stream begin a capture file. Four suffice;
/// of a pcapng file twelve say it for sure.
pub fn is_capture(first: &[u8]) -> bool {
    pcap::is_magic(first) || pcapng::is_magic(first)
}

/// A reader of a capture file, pcap or pcapng, from a file or a pipe.
///
/// Packets are lent out of its buffer. It never reads ahead further than what
/// one `read` gives, so packets of a live pipe come out as they come in.
pub struct CaptureFile<R> {
    input: CaptureBuffer<R>,
    format: CaptureFormat,
    packets: u64,
    position: FilePosition,
    ended: bool,
}

impl<R: Read> CaptureFile<R> {
    /// Reads the first bytes and the file header.
    pub fn new(read: R) -> Result<Self> {
        let mut input = CaptureBuffer::new(read);
        let format = Self::open(&mut input).map_err(|trouble| located(trouble, 0))?;
        Ok(Self { input, format, packets: 0, position: FilePosition::default(), ended: false })
    }

    fn open(input: &mut CaptureBuffer<R>) -> Result<CaptureFormat, NoNextPacket> {
        let has_magic = input.fill(4)?;
        // No more than what surely came, so that the answer does not depend on how the stream is cut into reads.
        let first = input.unread().get(..4).unwrap_or(input.unread());
        if first.is_empty() {
            Err(NoNextPacket::Damaged(0, Damage::Empty))
        } else if !has_magic {
            Err(NoNextPacket::Damaged(0, Damage::NotACapture))
        } else if pcap::is_magic(first) {
            Ok(CaptureFormat::Pcap(PcapReader::open(input)?))
        } else if pcapng::is_magic(first) {
            Ok(CaptureFormat::Pcapng(Pcapng::open(input)?))
        } else if let [b'1'..=b'3', b' ', id, _] = first
            && id.is_ascii_hexdigit()
        {
            Err(NoNextPacket::Damaged(0, Damage::Recording))
        } else {
            Err(NoNextPacket::Damaged(0, Damage::NotACapture))
        }
    }

    /// The next packet, `None` at the end.
    ///
    /// Damage is an error that says where; all whole packets before it were
    /// delivered, and after it there are none.
    #[inline]
    #[allow(clippy::should_implement_trait, reason = "a packet borrows the reader, so this is no iterator")]
    pub fn next(&mut self) -> Result<Option<Packet<'_>>> {
        if self.ended {
            return Ok(None);
        }
        let next = match &mut self.format {
            CaptureFormat::Pcap(pcap) => pcap.next(&mut self.input),
            CaptureFormat::Pcapng(pcapng) => pcapng.next(&mut self.input),
        };
        match next {
            Ok(Some((byte, packet))) => {
                self.packets += 1;
                self.position = FilePosition { packet: self.packets, byte };
                Ok(Some(packet))
            }
            Ok(None) => {
                self.ended = true;
                Ok(None)
            }
            Err(trouble) => {
                self.ended = true;
                Err(located(trouble, self.packets + 1))
            }
        }
    }

    /// Whether `next` may have to wait, as the next packet was not read to its end yet.
    #[inline]
    pub fn is_drained(&self) -> bool {
        let unread = self.input.unread();
        let length = match &self.format {
            CaptureFormat::Pcap(pcap) => pcap.packet_length(unread),
            CaptureFormat::Pcapng(pcapng) => pcapng.packet_length(unread),
        };
        length.is_none_or(|length| unread.len() < length)
    }

    /// Where the packet that `next` gave last begins.
    pub fn position(&self) -> FilePosition {
        self.position
    }
}

fn located(trouble: NoNextPacket, packet: u64) -> Error {
    match trouble {
        NoNextPacket::Io(error) => Error::Io(error),
        NoNextPacket::Damaged(byte, damage) => {
            Error::Capture { position: FilePosition { packet, byte }, damage }
        }
    }
}
