//! How a capture file is damaged and where, and the bounds on what is accepted from one.

use std::fmt;
use std::io;

/// The most bytes one captured packet may have. tcpdump stops at 262,144; a
/// larger claim than this is a lie or noise.
pub const MAX_PACKET: u32 = 1024 * 1024;

/// The longest block that is held whole: packets, interfaces and section
/// headers. Blocks of other types are passed over, whatever their length.
pub const MAX_BLOCK: u32 = 4 * 1024 * 1024;

/// The most interfaces that one section may describe.
pub const MAX_INTERFACES: usize = 65_536;

/// Where in a capture file something was met.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct FilePosition {
    /// Number of the packet, from 1; 0 before the first.
    pub packet: u64,
    /// Offset of the packet's header or block in the (decompressed) file, from 0.
    pub byte: u64,
}

impl fmt::Display for FilePosition {
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
    /// Records, as gor-record writes them.
    #[error("this is a recording, not a capture; gor-filter and gor-show read recordings")]
    Recording,
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
    /// A pcapng block longer than [`MAX_BLOCK`].
    #[error("the block claims {0} bytes; {MAX_BLOCK} is the most that is accepted")]
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
    #[error("the block's length is {0} at its beginning and {1} at its end")]
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
    /// More interfaces than [`MAX_INTERFACES`].
    #[error("the section describes more than {MAX_INTERFACES} interfaces")]
    TooManyInterfaces,
}

/// Why there is no next packet.
#[derive(Debug)]
pub(super) enum NoNextPacket {
    Io(io::Error),
    /// The damage, and where what is damaged begins.
    Damaged(u64, Damage),
}

impl From<io::Error> for NoNextPacket {
    fn from(error: io::Error) -> Self {
        NoNextPacket::Io(error)
    }
}
