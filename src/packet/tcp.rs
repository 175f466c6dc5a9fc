//! The TCP header (RFC 9293 §3.1).

use std::fmt;

use super::captured_part::CapturedPart;
use super::fault::{DecodeStop, Layer, PacketRule};

/// The control bits of a TCP header.
#[derive(Clone, Copy, Default, Eq, Hash, PartialEq)]
pub struct ControlBits(pub u8);

impl ControlBits {
    /// No more data from the sender.
    pub const FIN: ControlBits = ControlBits(0x01);
    /// The sequence number is the initial one.
    pub const SYN: ControlBits = ControlBits(0x02);
    /// The connection is reset.
    pub const RST: ControlBits = ControlBits(0x04);
    /// Push.
    pub const PSH: ControlBits = ControlBits(0x08);
    /// The acknowledgement number counts.
    pub const ACK: ControlBits = ControlBits(0x10);
    /// The urgent pointer counts.
    pub const URG: ControlBits = ControlBits(0x20);

    /// Whether all bits of `flags` are set.
    pub fn contains(self, flags: ControlBits) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// SYN is set.
    pub fn syn(self) -> bool {
        self.contains(ControlBits::SYN)
    }

    /// ACK is set.
    pub fn ack(self) -> bool {
        self.contains(ControlBits::ACK)
    }

    /// FIN is set.
    pub fn fin(self) -> bool {
        self.contains(ControlBits::FIN)
    }

    /// RST is set.
    pub fn rst(self) -> bool {
        self.contains(ControlBits::RST)
    }

    /// PSH is set.
    pub fn psh(self) -> bool {
        self.contains(ControlBits::PSH)
    }
}

impl std::ops::BitOr for ControlBits {
    type Output = ControlBits;

    fn bitor(self, other: ControlBits) -> ControlBits {
        ControlBits(self.0 | other.0)
    }
}

impl fmt::Debug for ControlBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (ControlBits::SYN, "SYN"),
            (ControlBits::ACK, "ACK"),
            (ControlBits::FIN, "FIN"),
            (ControlBits::RST, "RST"),
            (ControlBits::PSH, "PSH"),
            (ControlBits::URG, "URG"),
        ];
        let set: Vec<&str> =
            names.iter().filter(|(flag, _)| self.contains(*flag)).map(|(_, name)| *name).collect();
        write!(f, "Flags({})", set.join("|"))
    }
}

/// A header whose data offset was checked, and the payload after it.
pub(super) struct TcpView<'a> {
    header: &'a [u8; 20],
    pub(super) payload: CapturedPart<'a>,
}

impl<'a> TcpView<'a> {
    #[inline]
    pub(super) fn of(part: CapturedPart<'a>) -> Result<Self, DecodeStop> {
        let (header, rest) = part.header::<20>(Layer::Tcp)?;
        let length = usize::from(header[12] >> 4) * 4;
        let Some(options) = length.checked_sub(20) else {
            return Err(DecodeStop::malformed(Layer::Tcp, PacketRule::HeaderLength));
        };
        Ok(Self { header, payload: rest.skip(options, Layer::Tcp)? })
    }

    pub(super) fn source_port(&self) -> u16 {
        u16::from_be_bytes([self.header[0], self.header[1]])
    }

    pub(super) fn destination_port(&self) -> u16 {
        u16::from_be_bytes([self.header[2], self.header[3]])
    }

    pub(super) fn seq(&self) -> u32 {
        u32::from_be_bytes([self.header[4], self.header[5], self.header[6], self.header[7]])
    }

    pub(super) fn ack(&self) -> u32 {
        u32::from_be_bytes([self.header[8], self.header[9], self.header[10], self.header[11]])
    }

    pub(super) fn flags(&self) -> ControlBits {
        ControlBits(self.header[13] & 0x3f)
    }
}
