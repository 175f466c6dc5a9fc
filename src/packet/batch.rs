//! Packets kept in memory, on their way from one thread to another.

use super::captured::Packet;
use super::link_type::LinkType;

/// Packets in one buffer.
#[derive(Clone, Debug, Default)]
pub struct PacketBatch {
    bytes: Vec<u8>,
    entries: Vec<PacketEntry>,
}

#[derive(Clone, Copy, Debug)]
struct PacketEntry {
    link: LinkType,
    time: i64,
    wire_length: u32,
    /// Where its bytes begin and end.
    start: usize,
    end: usize,
}

impl PacketBatch {
    /// Adds a copy of a packet.
    pub fn push(&mut self, packet: &Packet<'_>) {
        let Packet { link, time, wire_length, bytes } = *packet;
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.entries.push(PacketEntry { link, time, wire_length, start, end: self.bytes.len() });
    }

    /// The packet of this number, from 0.
    pub fn get(&self, number: usize) -> Option<Packet<'_>> {
        let &PacketEntry { link, time, wire_length, start, end } = self.entries.get(number)?;
        Some(Packet { link, time, wire_length, bytes: self.bytes.get(start..end)? })
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = Packet<'_>> {
        (0..self.len()).filter_map(|number| self.get(number))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of memory that they take.
    pub fn size(&self) -> usize {
        self.bytes.len() + self.entries.len() * size_of::<PacketEntry>()
    }

    /// Forgets them.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
    }
}
