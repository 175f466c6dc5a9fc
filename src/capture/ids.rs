//! Ids of exchanges, which no two connections share.

use std::hash::BuildHasher as _;
use std::net::{IpAddr, SocketAddr};

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::tcp::{Key, Seq, Side};

/// An id: client port, server port, the last four bytes of the client's address, and the number of the exchange, all
/// in hex.
pub(super) type Id = [u8; 24];

/// Which connection has the ids that begin with a client port, a server port and four bytes of an address.
///
/// These do not name the server, so that two connections may have them in common: the two sides of a NAT seen on one
/// machine, which have the same sequence numbers as well.
#[derive(Debug, Default)]
pub(super) struct Ids {
    owners: HashMap<[u8; 8], Key, FixedState>,
}

impl Ids {
    /// What to add to the numbers of a connection's exchanges: nothing, unless another one has its ids.
    pub(super) fn salt(&mut self, key: &Key, client: SocketAddr, server: SocketAddr) -> u32 {
        let owner = self.owners.entry(session(client, server)).or_insert(*key);
        if owner == key { 0 } else { FixedState::default().hash_one(key) as u32 | 1 }
    }

    /// The connection is forgotten: its ids are free.
    pub(super) fn release(&mut self, key: &Key) {
        let [low, high] = [Side::Low, Side::High].map(|side| key.endpoint(side));
        // Of the conversations on it, either side may have been the client.
        for session in [session(low, high), session(high, low)] {
            if self.owners.get(&session) == Some(key) {
                self.owners.remove(&session);
            }
        }
    }
}

/// The id of the exchange of number `exchange`.
pub(super) fn id_of(client: SocketAddr, server: SocketAddr, exchange: Seq) -> Id {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&session(client, server));
    bytes[8..].copy_from_slice(&exchange.0.to_be_bytes());
    let mut id = [0; 24];
    for (byte, digits) in bytes.iter().zip(id.chunks_exact_mut(2)) {
        digits[0] = DIGITS[usize::from(byte >> 4)];
        digits[1] = DIGITS[usize::from(byte & 15)];
    }
    id
}

/// What the ids of all exchanges of a connection begin with.
fn session(client: SocketAddr, server: SocketAddr) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..2].copy_from_slice(&client.port().to_be_bytes());
    bytes[2..4].copy_from_slice(&server.port().to_be_bytes());
    match client.ip() {
        IpAddr::V4(ip) => bytes[4..].copy_from_slice(&ip.octets()),
        IpAddr::V6(ip) => bytes[4..].copy_from_slice(&ip.octets()[12..]),
    }
    bytes
}
