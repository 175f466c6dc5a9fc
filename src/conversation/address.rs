//! Who talked to whom, read out of a record's id, or made from it.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use crate::record;

/// The server's address, which no id tells (RFC 5737, TEST-NET-1).
pub const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// The server's address where [`SERVER`] is the client's.
pub const OTHER_SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

/// Client and server of an exchange, and its number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct ExchangeOrigin {
    pub(super) client: SocketAddrV4,
    pub(super) server: SocketAddrV4,
    /// The acknowledgement number at the request's first segment.
    pub(super) exchange: u32,
}

impl ExchangeOrigin {
    /// Of an id of 24 hex digits: ports, client address and number as they
    /// are in it. Of another id: port and address (RFC 2544, 198.18.0.0/15) by
    /// its hash, server port 80.
    pub(super) fn of(id: &[u8]) -> Self {
        record::Origin::of(id).map_or_else(|| Self::hashed(id), Self::told)
    }

    fn told(id: record::Origin) -> Self {
        let server = if id.client == SERVER { OTHER_SERVER } else { SERVER };
        ExchangeOrigin {
            client: SocketAddrV4::new(id.client, id.client_port),
            server: SocketAddrV4::new(server, id.server_port),
            exchange: id.exchange,
        }
    }

    fn hashed(id: &[u8]) -> Self {
        // FNV-1a, then mixed: close ids must not be close addresses.
        let hash = id.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        let hash = mixed(hash);
        let client = Ipv4Addr::from_bits(0xc612_0000 | (hash as u32 & 0x0001_ffff));
        // Above the ports that are services'.
        let port = 1024 + ((hash >> 17) % (65_536 - 1024)) as u16;
        ExchangeOrigin {
            client: SocketAddrV4::new(client, port),
            server: SocketAddrV4::new(SERVER, 80),
            exchange: (hash >> 32) as u32,
        }
    }

    /// Both ends as sockets.
    pub(super) fn ends(&self) -> (SocketAddr, SocketAddr) {
        (SocketAddr::V4(self.client), SocketAddr::V4(self.server))
    }
}

/// Spreads the bits of a number over all of it (the finalizer of `SplitMix64`).
pub(super) fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::ExchangeOrigin;

    #[test]
    fn an_id_tells_its_ends_and_any_other_has_some() {
        let cases = [
            ("0fa000500a0000020007a121", Some(("10.0.0.2:4000", "192.0.2.1:80", 500_001))),
            ("0FA000500A0000020007A121", Some(("10.0.0.2:4000", "192.0.2.1:80", 500_001))),
            ("ffff1f90c000020100000000", Some(("192.0.2.1:65535", "192.0.2.2:8080", 0))),
            ("0fa000500a0000020007a12", None),
            ("0fa000500a0000020007a12x", None),
            ("932079936fa4306fc308d67588178d17d823647c", None),
        ];
        for (id, expected) in cases {
            let origin = ExchangeOrigin::of(id.as_bytes());
            if let Some((client, server, exchange)) = expected {
                let found = (origin.client.to_string(), origin.server.to_string(), origin.exchange);
                assert_eq!(found, (client.to_owned(), server.to_owned(), exchange), "{id}");
            } else {
                assert!(origin.client.to_string().starts_with("198.1"), "{id}: {origin:?}");
                assert_eq!(origin, ExchangeOrigin::of(id.as_bytes()), "{id}");
            }
        }
    }
}
