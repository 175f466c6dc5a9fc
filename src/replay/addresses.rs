//! Which of a target's addresses is connected to. No socket here.
//!
//! Connections take turns among the addresses. One that swallows packets is left for the next after a short
//! while, in the spirit of RFC 8305, and passed over for some time, so that it does not delay every connection.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

/// Where a server listens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum ServerAddress {
    Ip(SocketAddr),
    /// A Unix socket.
    Unix(Arc<Path>),
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServerAddress::Ip(address) => address.fmt(f),
            ServerAddress::Unix(path) => path.display().fmt(f),
        }
    }
}

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
    known: Vec<(ServerAddress, u64)>,
    turn: usize,
}

impl Addresses {
    pub(super) fn new(addresses: Vec<ServerAddress>) -> Self {
        Addresses { known: addresses.into_iter().map(|address| (address, 0)).collect(), turn: 0 }
    }

    /// What the name stands for now. What is known of addresses that stay is kept.
    pub(super) fn renew(&mut self, addresses: &[ServerAddress]) {
        let is_new = |address: &ServerAddress| !self.known.iter().any(|known| known.0 == *address);
        let fresh: Vec<_> = addresses.iter().filter(|address| is_new(address)).cloned().collect();
        self.known.retain(|known| addresses.contains(&known.0));
        self.known.extend(fresh.into_iter().map(|address| (address, 0)));
        self.turn %= self.known.len().max(1);
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
    pub(super) fn next(&self, attempt: &mut Attempt) -> Option<ServerAddress> {
        attempt.left = attempt.left.checked_sub(1)?;
        // There may be fewer by now.
        let address = self.known[attempt.next % self.known.len()].0.clone();
        attempt.next = (attempt.next + 1) % self.known.len();
        Some(address)
    }

    /// This address has not answered.
    pub(super) fn rest(&mut self, address: &ServerAddress, now: u64) {
        if let Some(known) = self.known.iter_mut().find(|known| known.0 == *address) {
            known.1 = now.saturating_add(REST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> ServerAddress {
        ServerAddress::Ip(([127, 0, 0, 1], port).into())
    }

    fn port(address: &ServerAddress) -> u16 {
        match address {
            ServerAddress::Ip(address) => address.port(),
            ServerAddress::Unix(_) => 0,
        }
    }

    fn tried(addresses: &mut Addresses, now: u64) -> Vec<u16> {
        let mut attempt = addresses.begin(now);
        std::iter::from_fn(|| addresses.next(&mut attempt)).map(|address| port(&address)).collect()
    }

    #[test]
    fn renewed_addresses_keep_what_is_known_and_drop_what_is_gone() {
        let mut addresses = Addresses::new(vec![address(1), address(2), address(3)]);
        addresses.rest(&address(1), 5);
        let mut attempt = addresses.begin(6);
        addresses.renew(&[address(1), address(4)]);
        assert_eq!(tried(&mut addresses, 6), [4, 1], "the first still rests");
        assert!(addresses.next(&mut attempt).is_some(), "an attempt that has begun goes on");
    }

    #[test]
    fn every_address_is_tried_and_each_comes_first_in_turn() {
        let mut addresses = Addresses::new(vec![address(1), address(2), address(3)]);
        assert_eq!(tried(&mut addresses, 1), [1, 2, 3]);
        assert_eq!(tried(&mut addresses, 1), [2, 3, 1]);
        assert_eq!(tried(&mut addresses, 1), [3, 1, 2]);
    }

    #[test]
    fn a_silent_address_comes_first_again_when_it_has_rested() {
        let mut addresses = Addresses::new(vec![address(1), address(2)]);
        addresses.rest(&address(1), 5);
        assert_eq!(tried(&mut addresses, 6), [2, 1]);
        assert_eq!(tried(&mut addresses, 7), [2, 1]);
        assert_eq!(tried(&mut addresses, 5 + REST), [1, 2]);
        addresses.rest(&address(1), REST);
        addresses.rest(&address(2), REST);
        assert_eq!(tried(&mut addresses, REST + 1), [2, 1], "all silent: in turn");
    }
}
