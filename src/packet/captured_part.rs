//! What is left of a packet below the headers already looked at.

use super::fault::{DecodeStop, Layer, PacketRule};

/// Bytes that were captured, and how many came after them on the wire.
#[derive(Clone, Copy, Debug)]
pub(super) struct CapturedPart<'a> {
    pub(super) bytes: &'a [u8],
    /// Bytes that the snapshot cut off.
    pub(super) cut: u32,
}

impl<'a> CapturedPart<'a> {
    /// How long it was on the wire.
    pub(super) fn wire_length(self) -> usize {
        self.bytes.len() + self.cut as usize
    }

    /// A header of fixed length, and what follows it.
    #[inline]
    pub(super) fn header<const N: usize>(
        self,
        layer: Layer,
    ) -> Result<(&'a [u8; N], CapturedPart<'a>), DecodeStop> {
        match self.bytes.split_first_chunk::<N>() {
            Some((header, bytes)) => Ok((header, CapturedPart { bytes, ..self })),
            None if self.wire_length() < N => Err(DecodeStop::malformed(layer, PacketRule::TooShort)),
            None => Err(DecodeStop::Snapped(layer)),
        }
    }

    /// What follows `count` bytes, which the snapshot may have cut off.
    #[inline]
    pub(super) fn skip(self, count: usize, layer: Layer) -> Result<CapturedPart<'a>, DecodeStop> {
        match self.bytes.get(count..) {
            Some(bytes) => Ok(CapturedPart { bytes, ..self }),
            None if count <= self.wire_length() => {
                Ok(CapturedPart { bytes: &[], cut: (self.wire_length() - count) as u32 })
            }
            None => Err(DecodeStop::malformed(layer, PacketRule::HeaderLength)),
        }
    }

    /// The first `length` bytes: what a length field says is all there is.
    #[inline]
    pub(super) fn limit(self, length: usize, layer: Layer) -> Result<CapturedPart<'a>, DecodeStop> {
        match self.bytes.get(..length) {
            Some(bytes) => Ok(CapturedPart { bytes, cut: 0 }),
            None if length <= self.wire_length() => {
                Ok(CapturedPart { cut: (length - self.bytes.len()) as u32, ..self })
            }
            None => Err(DecodeStop::malformed(layer, PacketRule::PastEnd)),
        }
    }

    /// The first `length` bytes, or all when that is more: a network card that
    /// cuts or joins segments leaves lengths that no packet had, and of what was
    /// captured nothing is lost by them.
    #[inline]
    pub(super) fn clip(self, length: usize) -> CapturedPart<'a> {
        match self.bytes.get(..length) {
            Some(bytes) => CapturedPart { bytes, cut: 0 },
            None => CapturedPart { cut: self.cut.min((length - self.bytes.len()) as u32), ..self },
        }
    }
}
