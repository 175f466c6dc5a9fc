//! Which requests of a live recording were sent by this very replay, and have come round to it again:
//! `gor-record :80 | gor-replay localhost:80` would go on with them for ever.
//!
//! A record's id tells the client's port, the server's port, and the last four bytes of the client's address. A request
//! from a connection of this replay, recorded since that was made, is its own.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::record::{Header, Origin};

/// Connections that are remembered, the latest ones.
const MAX_REMEMBERED: usize = 1 << 14;

/// The connections that a replay has made.
#[derive(Clone, Debug, Default)]
pub(super) struct Own(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    has_any: AtomicBool,
    /// What ids tell of each, and when it was made: nanoseconds since the Unix epoch.
    made: Mutex<Made>,
}

#[derive(Debug, Default)]
struct Made {
    times: HashMap<SessionKey, i64, RandomState>,
    /// The oldest first.
    order: VecDeque<SessionKey>,
}

impl Own {
    /// Remembers a connection that was made at `time`, if it is to a server on this machine: a recorder that sees what
    /// goes to other machines notices that by itself.
    pub(super) fn add(&self, local: SocketAddr, peer: SocketAddr, time: i64) {
        if local.ip() != peer.ip() {
            return;
        }
        let mut made = self.0.made.lock().unwrap_or_else(PoisonError::into_inner);
        if made.order.len() >= MAX_REMEMBERED
            && let Some(oldest) = made.order.pop_front()
        {
            made.times.remove(&oldest);
        }
        let session = session(local, peer.port());
        made.times.insert(session, time);
        made.order.push_back(session);
        self.0.has_any.store(true, Ordering::Relaxed);
    }

    /// Whether this replay has sent the request of this record.
    pub(super) fn has_sent(&self, header: &Header<'_>) -> bool {
        if !self.0.has_any.load(Ordering::Relaxed) {
            return false;
        }
        let Some(Origin { client, client_port, server_port, .. }) = Origin::of(header.id) else {
            return false;
        };
        let session = (client, client_port, server_port);
        let made = self.0.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.times.get(&session).is_some_and(|time| *time <= header.timestamp)
    }
}

/// What ids tell of a connection: the last four bytes of the client's address, its port, and the server's.
type SessionKey = (Ipv4Addr, u16, u16);

fn session(client: SocketAddr, server_port: u16) -> SessionKey {
    let address = match client.ip().to_canonical() {
        IpAddr::V4(ip) => ip,
        IpAddr::V6(ip) => Ipv4Addr::from_bits(ip.to_bits() as u32),
    };
    (address, client.port(), server_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_from_a_connection_of_the_replay_is_its_own_once_that_was_made() {
        let own = Own::default();
        let sent =
            |id: &str, timestamp| own.has_sent(&Header { id: id.as_bytes(), timestamp, ..Header::default() });
        assert!(!sent("c74e1f907f00000100000001", 1000));
        own.add("127.0.0.1:51022".parse().unwrap(), "127.0.0.1:8080".parse().unwrap(), 500);
        own.add("[fd91::2]:51023".parse().unwrap(), "[fd91::2]:8080".parse().unwrap(), 500);
        assert!(sent("c74e1f907f00000100000001", 500));
        assert!(sent("c74f1f9000000002deadbeef", 1000));
        own.add("10.0.0.5:51024".parse().unwrap(), "10.0.0.9:8080".parse().unwrap(), 500);
        assert!(!sent("c7501f900a00000500000001", 1000), "it goes to another machine");
        // Before it was made, of another connection, or an id that tells none.
        assert!(!sent("c74e1f907f00000100000001", 499));
        assert!(!sent("c74e1f917f00000100000001", 1000));
        assert!(!sent("c74e1f907f000001", 1000));
        assert!(!sent("not a connection's at all", 1000));
    }
}
