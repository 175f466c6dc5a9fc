//! A packet as it was captured.

use super::link_type::LinkType;

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
