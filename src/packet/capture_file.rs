//! Capture files, pcap or pcapng as the first bytes say.

use std::fmt;
use std::io::{self, Read};

use super::input::Input;
use super::link_type::LinkType;
use super::pcap::{self, Pcap};
use super::pcapng::{self, Pcapng};
use crate::error::{Error, Result};

/// The most bytes one captured packet may have. tcpdump stops at 262,144; a
/// larger claim than this is a lie or noise.
pub const MAX_PACKET: u32 = 1024 * 1024;

/// One captured packet, as it lies in the reader's buffer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Packet<'a> {
    /// What the first byte of `bytes` belongs to.
    pub link: LinkType,
    /// Nanoseconds since the Unix epoch. A packet whose block holds no time
    /// (pcapng's Simple Packet Block) has that of the packet before it.
    pub time: i64,
    /// How long the packet was on the wire; never less than `bytes`.
    pub wire_length: u32,
    /// What was captured of it.
    pub bytes: &'a [u8],
}

/// Where in a capture file something was met.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Position {
    /// Number of the packet, from 1; 0 before the first.
    pub packet: u64,
    /// Offset of the packet's header or block in the (decompressed) file, from 0.
    pub byte: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.packet {
            0 => write!(f, "byte {}", self.byte),
            packet => write!(f, "packet {packet} (byte {})", self.byte),
        }
    }
}

/// How a capture file is damaged.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Damage {
    /// Neither pcap nor pcapng.
    #[error("this is neither a pcap nor a pcapng file")]
    NotACapture,
    /// No byte at all.
    #[error("the file is empty")]
    Empty,
    /// The end came before the end of the file header.
    #[error("the file ends inside the file header")]
    EndsInHeader,
    /// The end came inside a packet.
    #[error("the file ends inside the packet")]
    EndsInPacket,
    /// The end came inside another pcapng block.
    #[error("the file ends inside a block")]
    EndsInBlock,
    /// A format version that is not known.
    #[error("version {0}.{1} of the file format is not known")]
    Version(u16, u16),
    /// More bytes than [`MAX_PACKET`].
    #[error("the packet claims {0} captured bytes; {MAX_PACKET} is the most that is accepted")]
    PacketTooLong(u32),
    /// Zeros where a packet header should be.
    #[error("zeros stand where a packet should begin")]
    Zeros,
    /// A pcapng block longer than [`super::MAX_BLOCK`].
    #[error("the block claims {0} bytes; {max} is the most that is accepted", max = pcapng::MAX_BLOCK)]
    BlockTooLong(u32),
    /// A pcapng block shorter than what it must hold, or not a multiple of four long.
    #[error("a block of type {kind:#x} cannot be {length} bytes long")]
    BlockLength {
        /// Its type.
        kind: u32,
        /// Its length as it claims.
        length: u32,
    },
    /// A pcapng block whose two lengths differ.
    #[error("the block's length is {0} at its begin and {1} at its end")]
    BlockTrailer(u32, u32),
    /// A pcapng packet with more captured bytes than its block.
    #[error("the packet claims {0} captured bytes, more than its block holds")]
    PacketPastBlock(u32),
    /// A pcapng option that is longer than what is left of its block.
    #[error("an option reaches past the end of its block")]
    OptionPastBlock,
    /// A section header whose byte-order magic is not one.
    #[error("the section header's byte-order magic is {0:#010x}")]
    ByteOrder(u32),
    /// A packet of an interface that the section has not described.
    #[error("the packet is of interface {0}, which the section does not describe")]
    Interface(u32),
    /// More interfaces than [`super::MAX_INTERFACES`].
    #[error("the section describes more than {max} interfaces", max = pcapng::MAX_INTERFACES)]
    TooManyInterfaces,
}

/// Why there is no next packet.
#[derive(Debug)]
pub(super) enum Trouble {
    Io(io::Error),
    /// The damage, and where what is damaged begins.
    Damaged(u64, Damage),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Trouble::Io(error)
    }
}

enum Format {
    Pcap(Pcap),
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
    input: Input<R>,
    format: Format,
    packets: u64,
    position: Position,
    ended: bool,
}

impl<R: Read> CaptureFile<R> {
    /// Reads the first bytes and the file header.
    pub fn new(read: R) -> Result<Self> {
        let mut input = Input::new(read);
        let format = Self::open(&mut input).map_err(|trouble| located(trouble, 0))?;
        Ok(Self { input, format, packets: 0, position: Position::default(), ended: false })
    }

    fn open(input: &mut Input<R>) -> Result<Format, Trouble> {
        let has_magic = input.fill(4)?;
        // No more than what surely came, so that the answer does not depend on how the stream is cut into reads.
        let first = input.unread().get(..4).unwrap_or(input.unread());
        if first.is_empty() {
            Err(Trouble::Damaged(0, Damage::Empty))
        } else if !has_magic {
            Err(Trouble::Damaged(0, Damage::NotACapture))
        } else if pcap::is_magic(first) {
            Ok(Format::Pcap(Pcap::open(input)?))
        } else if pcapng::is_magic(first) {
            Ok(Format::Pcapng(Pcapng::open(input)?))
        } else {
            Err(Trouble::Damaged(0, Damage::NotACapture))
        }
    }

    /// The next packet, `None` at the end.
    ///
    /// Damage is an error that says where; all whole packets before it were
    /// delivered, and after it there are none.
    #[allow(clippy::should_implement_trait, reason = "a packet borrows the reader, so this is no iterator")]
    pub fn next(&mut self) -> Result<Option<Packet<'_>>> {
        if self.ended {
            return Ok(None);
        }
        let next = match &mut self.format {
            Format::Pcap(pcap) => pcap.next(&mut self.input),
            Format::Pcapng(pcapng) => pcapng.next(&mut self.input),
        };
        match next {
            Ok(Some((byte, packet))) => {
                self.packets += 1;
                self.position = Position { packet: self.packets, byte };
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
            Format::Pcap(pcap) => pcap.packet_length(unread),
            Format::Pcapng(pcapng) => pcapng.packet_length(unread),
        };
        length.is_none_or(|length| unread.len() < length)
    }

    /// Where the packet that `next` gave last begins.
    pub fn position(&self) -> Position {
        self.position
    }
}

fn located(trouble: Trouble, packet: u64) -> Error {
    match trouble {
        Trouble::Io(error) => Error::Io(error),
        Trouble::Damaged(byte, damage) => Error::Capture { position: Position { packet, byte }, damage },
    }
}
