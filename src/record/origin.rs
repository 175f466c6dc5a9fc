//! What an id tells of the connection that its exchange was on.

use std::net::Ipv4Addr;

use super::lru::id_hash;

/// Hex digits of an id that tells its connection.
const ID_DIGITS: usize = 24;

/// Digits of an id that name its session: the ports and the client.
const SESSION_DIGITS: usize = 16;

/// The part of an id that is the same for all exchanges of a connection.
pub fn session(id: &[u8]) -> &[u8] {
    &id[..id.len().min(SESSION_DIGITS)]
}

/// An id without the number of the round (`.2`) that a replay in rounds puts behind it.
fn without_round(id: &[u8]) -> &[u8] {
    match id.split_at_checked(ID_DIGITS) {
        Some((id, [b'.', round @ ..])) if !round.is_empty() && round.iter().all(u8::is_ascii_digit) => id,
        _ => id,
    }
}

/// Who sent a request to which port, out of an id as recorders make it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Origin {
    /// The client's port.
    pub client_port: u16,
    /// The server's port.
    pub server_port: u16,
    /// The last four bytes of the client's address: all of an IPv4 address, the end of an IPv6 address.
    pub client: Ipv4Addr,
    /// What tells exchanges of one connection apart: the acknowledgement number at the request's first segment.
    pub exchange: u32,
}

impl Origin {
    /// Reads an id. None: it is not of 24 hex digits.
    pub fn of(id: &[u8]) -> Option<Self> {
        let id: &[u8; ID_DIGITS] = without_round(id).try_into().ok()?;
        let mut bytes = [0_u8; ID_DIGITS / 2];
        for (byte, pair) in bytes.iter_mut().zip(id.as_chunks::<2>().0) {
            let [high, low] = pair.map(|digit| char::from(digit).to_digit(16));
            *byte = (high? << 4 | low?) as u8;
        }
        let [p0, p1, s0, s1, client @ .., e0, e1, e2, e3] = bytes;
        Some(Origin {
            client_port: u16::from_be_bytes([p0, p1]),
            server_port: u16::from_be_bytes([s0, s1]),
            client: client.into(),
            exchange: u32::from_be_bytes([e0, e1, e2, e3]),
        })
    }
}

/// Parts that names of files tell apart, by a digit in hex (`%p`).
pub const NAMED_PARTS: u64 = 16;

/// Which of so many parts, counted from 0, has the records of this id: all of a connection are in the same one.
pub fn connection_part(id: &[u8], parts: u64) -> u64 {
    id_hash(session(id)) % parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_24_hex_digits_tells_its_connection_and_no_other_does() {
        let origin = Origin {
            client_port: 51022,
            server_port: 8080,
            client: [10, 0, 0, 2].into(),
            exchange: 0x0102_0304,
        };
        assert_eq!(Origin::of(b"c74e1f900a00000201020304"), Some(origin));
        assert_eq!(Origin::of(b"C74E1F900A00000201020304"), Some(origin));
        assert_eq!(Origin::of(b"c74e1f900a00000201020304.17"), Some(origin), "of round 17");
        for id in [
            "",
            "c74e1f900a00000201020304.",
            "c74e1f900a00000201020304.x",
            "c74e1f900a000002",
            "+74e1f900a00000201020304",
            "c74e1f900a0000020102030405",
        ] {
            assert_eq!(Origin::of(id.as_bytes()), None, "{id}");
        }
    }
}
