//! Sequence numbers, which wrap around at 2^32.

use std::ops::{Add, Sub};

/// A TCP sequence number (RFC 9293 §3.4): arithmetic is modulo 2^32.
///
/// There is no `Ord`: of two numbers the later is the one less than 2^31 ahead, which is no total order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Seq(pub u32);

impl Seq {
    /// Whether `self` comes before `other`. Numbers exactly 2^31 apart are each before the other.
    pub fn is_before(self, other: Self) -> bool {
        self - other < 0
    }

    /// Whether `self` comes after `other`. Numbers exactly 2^31 apart are neither after the other.
    pub fn is_after(self, other: Self) -> bool {
        self - other > 0
    }
}

impl Add<u32> for Seq {
    type Output = Self;

    fn add(self, bytes: u32) -> Self {
        Self(self.0.wrapping_add(bytes))
    }
}

impl Sub for Seq {
    type Output = i32;

    /// The signed distance from `other` to `self`: positive when `self` is ahead.
    fn sub(self, other: Self) -> i32 {
        self.0.wrapping_sub(other.0) as i32
    }
}

#[cfg(test)]
mod tests {
    use super::Seq;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn distance_undoes_addition(start: u32, step in 0..i32::MAX as u32) {
            prop_assert_eq!(Seq(start) + step - Seq(start), step as i32);
            prop_assert_eq!(Seq(start) - (Seq(start) + step), -(step as i32));
        }
    }

    #[test]
    fn order_survives_the_wrap() {
        for (earlier, later) in [(0, 1), (u32::MAX, 0), (u32::MAX - 5, 10), (0x7fff_ffff, 0x8000_0000)] {
            assert!(Seq(earlier).is_before(Seq(later)), "{earlier} {later}");
            assert!(Seq(later).is_after(Seq(earlier)), "{earlier} {later}");
        }
        assert!(!Seq(7).is_before(Seq(7)) && !Seq(7).is_after(Seq(7)));
    }
}
