//! What goes into an assembler and what comes out of it.

use super::Seq;

/// The flags of a TCP header, as its fourteenth octet has them (RFC 9293 §3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u8);

impl Flags {
    /// The acknowledgement number means something.
    pub const ACK: Self = Self(0x10);
    /// The sender has no more data.
    pub const FIN: Self = Self(0x01);
    /// Sequence numbers start here.
    pub const SYN: Self = Self(0x02);
    /// The connection is gone.
    pub const RST: Self = Self(0x04);
    /// The urgent pointer means something.
    pub const URG: Self = Self(0x20);

    /// Whether any flag of `other` is set.
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// These flags and those of `other`.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// One segment of one direction, as captured.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// The header's sequence number: of the SYN if there is one, else of the first payload byte.
    pub seq: Seq,
    /// The header's acknowledgement number, handed on with the bytes; none without the ACK flag.
    pub ack: Option<Seq>,
    /// The header's flags.
    pub flags: Flags,
    /// The payload bytes that the capture has.
    pub payload: &'a [u8],
    /// How many payload bytes after these were on the wire but are not in the capture.
    pub missing: u32,
    /// Packet time in nanoseconds.
    pub time: i64,
}

impl Segment<'_> {
    /// The sequence number of the first payload byte; a SYN takes one number itself.
    pub fn first_byte(&self) -> Seq {
        self.seq + u32::from(self.flags.has(Flags::SYN))
    }
}

/// Consecutive bytes of the stream, all brought by one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// The bytes; never none.
    pub bytes: &'a [u8],
    /// The sequence number of the first of `bytes`, which is not the segment's when its head was known already.
    pub seq: Seq,
    /// The acknowledgement number of the segment.
    pub ack: Option<Seq>,
    /// The segment's packet time in nanoseconds: after reordering, not the order of delivery.
    pub time: i64,
    /// Where `bytes` begin in the stream; gaps count, and a restart begins again at 0.
    pub offset: u64,
    /// Whether the first of `bytes` is the first of the segment: only there can a message begin after a loss.
    pub is_segment_start: bool,
}

/// What an assembler tells, in stream order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The next bytes.
    Data(Chunk<'a>),
    /// Bytes that will not come: what follows begins after them.
    Gap {
        /// How many bytes are missing; never 0.
        bytes: u64,
        /// Where they would begin in the stream.
        offset: u64,
        /// True when the capture cut them off, false when their segments were never seen.
        is_snapped: bool,
    },
    /// The sender closed its side. After this comes nothing but `Reset` or `Restart`.
    Fin {
        /// Packet time of the FIN, in nanoseconds.
        time: i64,
    },
    /// The sender reset the connection. Whether both sides obeyed shows in what follows.
    Reset {
        /// Packet time of the RST, in nanoseconds.
        time: i64,
    },
    /// The same two endpoints began another connection; what was buffered has come before this. Whether the new
    /// stream is known from its first byte tells [`super::Assembler::is_joined`].
    Restart,
}
