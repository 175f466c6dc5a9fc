//! Which of a target's addresses is connected to. No socket here.
//!
//! Connections take turns among the addresses. One that swallows packets is left for the next after a short
//! while, in the spirit of RFC 8305, and passed over for some time, so that it does not delay every connection.

use std::net::SocketAddr;

/// How long an address may be silent before the next one is tried (RFC 8305 §5).
pub(super) const ATTEMPT: u64 = 250_000_000;

/// How long an address that was silent is passed over.
const REST: u64 = 30_000_000_000;

/// Where an attempt to connect has come among the addresses.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Attempt {
    /// The address that is tried next.
    next: usize,
    /// How many were not tried yet.
    left: usize,
}

impl Attempt {
    /// Whether there is an address left to be tried.
    pub(super) fn has_more(self) -> bool {
        self.left > 0
    }
}

/// The addresses of a target, at least one.
#[derive(Clone, Debug)]
pub(super) struct Addresses {
    known: Vec<(SocketAddr, u64)>,
    turn: usize,
}

impl Addresses {
    pub(super) fn new(addresses: &[SocketAddr]) -> Self {
        Addresses { known: addresses.iter().map(|address| (*address, 0)).collect(), turn: 0 }
    }

    /// Begins with the address whose turn it is. If that one rests, with the next that does not.
    pub(super) fn begin(&mut self, now: u64) -> Attempt {
        let count = self.known.len();
        let awake = (0..count).map(|step| (self.turn + step) % count).find(|at| self.known[*at].1 <= now);
        let next = awake.unwrap_or(self.turn);
        self.turn = (next + 1) % count;
        Attempt { next, left: count }
    }

    /// The next address of an attempt, until each had its turn.
    pub(super) fn next(&self, attempt: &mut Attempt) -> Option<SocketAddr> {
        attempt.left = attempt.left.checked_sub(1)?;
        let address = self.known[attempt.next].0;
        attempt.next = (attempt.next + 1) % self.known.len();
        Some(address)
    }

    /// This address has not answered.
    pub(super) fn rest(&mut self, address: SocketAddr, now: u64) {
        if let Some(known) = self.known.iter_mut().find(|known| known.0 == address) {
            known.1 = now.saturating_add(REST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    fn tried(addresses: &mut Addresses, now: u64) -> Vec<u16> {
        let mut attempt = addresses.begin(now);
        std::iter::from_fn(|| addresses.next(&mut attempt)).map(|address| address.port()).collect()
    }

    #[test]
    fn every_address_is_tried_and_each_comes_first_in_turn() {
        let mut addresses = Addresses::new(&[address(1), address(2), address(3)]);
        assert_eq!(tried(&mut addresses, 1), [1, 2, 3]);
        assert_eq!(tried(&mut addresses, 1), [2, 3, 1]);
        assert_eq!(tried(&mut addresses, 1), [3, 1, 2]);
    }

    #[test]
    fn a_silent_address_comes_first_again_when_it_has_rested() {
        let mut addresses = Addresses::new(&[address(1), address(2)]);
        addresses.rest(address(1), 5);
        assert_eq!(tried(&mut addresses, 6), [2, 1]);
        assert_eq!(tried(&mut addresses, 7), [2, 1]);
        assert_eq!(tried(&mut addresses, 5 + REST), [1, 2]);
        addresses.rest(address(1), REST);
        addresses.rest(address(2), REST);
        assert_eq!(tried(&mut addresses, REST + 1), [2, 1], "all silent: in turn");
    }
}
