//! Which virtual network a packet was in, and which of them are asked for.

/// The VLAN tags or the overlay that a packet was in.
///
/// The number of an overlay (VXLAN, Geneve, 802.1ah) takes the place of the
/// tags outside it, which are those of the network that carries it; tags inside
/// are added to it. Labels and keys that differ between the directions of a
/// connection (MPLS, GTP-U, GRE) are not part of it.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct VirtualNetwork(pub u64);

impl VirtualNetwork {
    /// No tag, no overlay.
    pub const NONE: VirtualNetwork = VirtualNetwork(0);

    /// Inside an overlay with this number of 24 bits.
    pub(super) fn overlay(number: [u8; 3]) -> Self {
        let [high, middle, low] = number;
        // The bit above the number tells overlay 0 from none.
        VirtualNetwork(u64::from(u32::from_be_bytes([1, high, middle, low])))
    }

    /// Below one more VLAN tag. VLAN 0 is none: such a tag says only the priority.
    #[must_use]
    pub(super) fn tagged(self, control: u16) -> Self {
        match control & 0x0fff {
            0 => self,
            id => VirtualNetwork(self.0 << 12 | u64::from(id)),
        }
    }
}

/// Virtual networks to look into, where not all are wanted.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct NetworkSelection {
    /// UDP ports that are VXLAN too, whatever else they may be known for.
    pub vxlan_ports: Vec<u16>,
    /// VLANs, one of whose tags a packet must have. None: any, and no tag too.
    pub vlans: Vec<u16>,
    /// Numbers of overlays (VXLAN, Geneve), one of which a packet must be in. None: any, and no overlay too.
    pub overlays: Vec<u32>,
    /// Numbers of overlays that a packet must not be in.
    pub barred_overlays: Vec<u32>,
}

impl NetworkSelection {
    /// Whether a packet is wanted that came through these.
    pub(super) fn wants(&self, passed: Passed) -> bool {
        (passed.is_in_vlan || self.vlans.is_empty())
            && (passed.is_in_overlay || self.overlays.is_empty())
            && !passed.is_in_barred_overlay
    }
}

/// What a packet came through of a [`NetworkSelection`], at whichever depth.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Passed {
    is_in_vlan: bool,
    is_in_overlay: bool,
    is_in_barred_overlay: bool,
}

impl Passed {
    /// Below one more VLAN tag.
    pub(super) fn tag(&mut self, control: u16, selection: &NetworkSelection) {
        self.is_in_vlan |= selection.vlans.contains(&(control & 0x0fff));
    }

    /// Inside an overlay.
    pub(super) fn overlay(&mut self, number: [u8; 3], selection: &NetworkSelection) {
        let [high, middle, low] = number;
        let number = u32::from_be_bytes([0, high, middle, low]);
        self.is_in_overlay |= selection.overlays.contains(&number);
        self.is_in_barred_overlay |= selection.barred_overlays.contains(&number);
    }
}
