//! Ids of exchanges, which no two connections share.

use std::hash::BuildHasher as _;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::tcp::{ConnectionKey, Seq, Side};

/// An id: client port, server port, the last four bytes of the client's address, and the number of the exchange, all
/// in hex.
pub(super) type ExchangeId = [u8; 24];

/// Which connection has the ids that begin with a client port, a server port and four bytes of an address.
///
/// These do not name the server, so that two connections may have them in common: the two sides of a NAT seen on one
/// machine, which have the same sequence numbers as well.
#[derive(Debug, Default)]
pub(super) struct Ids {
    owners: HashMap<u64, ConnectionKey, FixedState>,
}

impl Ids {
    /// The ids of a connection's exchanges: those of its own numbers, unless another one has these.
    pub(super) fn of(&mut self, key: &ConnectionKey, client: Side) -> ConnectionIds {
        let session = session(key, client);
        let owner = self.owners.entry(session).or_insert(*key);
        let salt = if owner == key { 0 } else { FixedState::default().hash_one(key) as u32 | 1 };
        ConnectionIds::new(session, salt)
    }

    /// The connection is forgotten: its ids are free.
    pub(super) fn release(&mut self, key: &ConnectionKey) {
        // Of the conversations on it, either side may have been the client.
        for session in [session(key, Side::Low), session(key, Side::High)] {
            if self.owners.get(&session) == Some(key) {
                self.owners.remove(&session);
            }
        }
    }
}

/// The ids of the exchanges of one connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConnectionIds {
    /// The one of number 0: what all begin with is made once.
    first: ExchangeId,
    /// What is added to the numbers.
    salt: u32,
}

impl ConnectionIds {
    fn new(session: u64, salt: u32) -> Self {
        let mut first = [0; 24];
        let (words, _) = first.as_chunks_mut::<8>();
        words[0] = hex((session >> 32) as u32);
        words[1] = hex(session as u32);
        ConnectionIds { first, salt }
    }

    /// The id of the exchange of number `exchange`.
    pub(super) fn of(&self, exchange: Seq) -> ExchangeId {
        let mut id = self.first;
        let (words, _) = id.as_chunks_mut::<8>();
        words[2] = hex((exchange + self.salt).0);
        id
    }
}

/// Eight hex digits, all at once: each half of a byte is spread to a byte of its own, and becomes a digit there.
fn hex(word: u32) -> [u8; 8] {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let word = u64::from(word);
    let pairs = (word | word << 16) & 0x0000_ffff_0000_ffff;
    let bytes = (pairs | pairs << 8) & 0x00ff_00ff_00ff_00ff;
    let halves = (bytes | bytes << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    // A half of ten or more has its fifth bit set when 6 is added.
    let letters = (halves + 6 * ONES) >> 4 & ONES;
    (halves + u64::from(b'0') * ONES + letters * u64::from(b'a' - b'0' - 10)).to_be_bytes()
}

/// What the ids of all exchanges of a connection begin with.
fn session(key: &ConnectionKey, client: Side) -> u64 {
    let ((client_port, address), (server_port, _)) = (key.tail(client), key.tail(client.other()));
    u64::from(client_port) << 48 | u64::from(server_port) << 32 | u64::from(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_ports_address_and_number_in_hex() {
        let (key, client) =
            ConnectionKey::of("10.9.171.254:65535".parse().unwrap(), "10.0.0.1:80".parse().unwrap());
        let id_of =
            |client, salt, exchange| ConnectionIds::new(session(&key, client), salt).of(Seq(exchange));
        assert_eq!(&id_of(client, 0, 0x89ab_cdef), b"ffff00500a09abfe89abcdef");
        assert_eq!(&id_of(client.other(), 1, 0x0123_4566), b"0050ffff0a00000101234567");
    }

    #[test]
    fn all_halves_of_bytes_become_their_digits() {
        for byte in 0..=u8::MAX {
            let word = u32::from_be_bytes([byte, !byte, 0, 255]);
            assert_eq!(hex(word), format!("{word:08x}").as_bytes());
        }
    }
}
