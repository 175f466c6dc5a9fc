//! Which virtual network a packet was in.

/// The VLAN tags or the overlay that a packet was in.
///
/// The number of an overlay (VXLAN, Geneve, 802.1ah) takes the place of the
/// tags outside it, which are those of the network that carries it; tags inside
/// are added to it. Labels and keys that differ between the directions of a
/// connection (MPLS, GTP-U, GRE) are not part of it.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Network(pub u64);

impl Network {
    /// No tag, no overlay.
    pub const NONE: Network = Network(0);

    /// Inside an overlay with this number of 24 bits.
    pub(super) fn overlay(number: [u8; 3]) -> Self {
        let [high, middle, low] = number;
        // The bit above the number tells overlay 0 from none.
        Network(u64::from(u32::from_be_bytes([1, high, middle, low])))
    }

    /// Below one more VLAN tag. VLAN 0 is none: such a tag says only the priority.
    #[must_use]
    pub(super) fn tagged(self, control: u16) -> Self {
        match control & 0x0fff {
            0 => self,
            id => Network(self.0 << 12 | u64::from(id)),
        }
    }
}
