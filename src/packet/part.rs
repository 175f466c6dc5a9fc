//! What is left of a packet below the headers already looked at.

use super::fault::{Layer, Rule, Stop};

/// Bytes that were captured, and how many came after them on the wire.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'a> {
    pub(super) bytes: &'a [u8],
    /// Bytes that the snapshot cut off.
    pub(super) cut: u32,
}

impl<'a> Part<'a> {
    /// How long it was on the wire.
    pub(super) fn wire_length(self) -> usize {
        self.bytes.len() + self.cut as usize
    }

    /// A header of fixed length, and what follows it.
    #[inline]
    pub(super) fn header<const N: usize>(self, layer: Layer) -> Result<(&'a [u8; N], Part<'a>), Stop> {
        match self.bytes.split_first_chunk::<N>() {
            Some((header, bytes)) => Ok((header, Part { bytes, ..self })),
            None if self.wire_length() < N => Err(Stop::malformed(layer, Rule::TooShort)),
            None => Err(Stop::Snapped(layer)),
        }
    }

    /// What follows `count` bytes, which the snapshot may have cut off.
    #[inline]
    pub(super) fn skip(self, count: usize, layer: Layer) -> Result<Part<'a>, Stop> {
        match self.bytes.get(count..) {
            Some(bytes) => Ok(Part { bytes, ..self }),
            None if count <= self.wire_length() => {
                Ok(Part { bytes: &[], cut: (self.wire_length() - count) as u32 })
            }
            None => Err(Stop::malformed(layer, Rule::HeaderLength)),
        }
    }

    /// The first `length` bytes: what a length field says is all there is.
    #[inline]
    pub(super) fn limit(self, length: usize, layer: Layer) -> Result<Part<'a>, Stop> {
        match self.bytes.get(..length) {
            Some(bytes) => Ok(Part { bytes, cut: 0 }),
            None if length <= self.wire_length() => {
                Ok(Part { cut: (length - self.bytes.len()) as u32, ..self })
            }
            None => Err(Stop::malformed(layer, Rule::PastEnd)),
        }
    }

    /// The first `length` bytes, or all when that is more: a network card that
    /// cuts or joins segments leaves lengths that no packet had, and of what was
    /// captured nothing is lost by them.
    #[inline]
    pub(super) fn clip(self, length: usize) -> Part<'a> {
        match self.bytes.get(..length) {
            Some(bytes) => Part { bytes, cut: 0 },
            None => Part { cut: self.cut.min((length - self.bytes.len()) as u32), ..self },
        }
    }
}
