//! The connections of a recording, as the ids of its records tell them, and the pauses on them.

use crate::record::{Header, Kind, LruMap, Origin, id_hash, session};

/// Connections that are remembered at least.
const MAX_KNOWN: usize = 1 << 16;

/// Acknowledgement numbers of one connection grow by its responses. One that grows by more than this, or shrinks, is of
/// another connection from the same port.
const MAX_GROWTH: u32 = 1 << 30;

/// Which connection a request was on.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct SessionPlace {
    /// Names the connection; never 0.
    pub(super) session: u64,
    /// Recorded nanoseconds from the end of the response before it to the request; from the request before it where no
    /// response is recorded. None for the first request.
    pub(super) think: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct KnownSession {
    /// Connections from the same port before this one.
    before: u32,
    acknowledged: Option<u32>,
    /// When the last response ended, or the last request came.
    last: i64,
}

/// Tells the connections of records in the order in which they were recorded.
#[derive(Debug)]
pub(super) struct Sessions {
    known: LruMap<KnownSession>,
}

impl Sessions {
    pub(super) fn new() -> Self {
        Sessions { known: LruMap::new(MAX_KNOWN) }
    }

    /// Notes a record. Where it is, if it is a request.
    pub(super) fn note(&mut self, header: &Header<'_>) -> Option<SessionPlace> {
        let key = id_hash(session(header.id));
        let known = self.known.get(key);
        match header.kind {
            Kind::Response => {
                if let Some(known) = known {
                    let end = header.timestamp.saturating_add(header.latency.unwrap_or(0).max(0));
                    self.known.insert(key, KnownSession { last: known.last.max(end), ..known });
                }
                None
            }
            Kind::Replayed => None,
            Kind::Request => Some(self.place(key, known, header)),
        }
    }

    fn place(&mut self, key: u64, known: Option<KnownSession>, header: &Header<'_>) -> SessionPlace {
        let acknowledged = Origin::of(header.id).map(|origin| origin.exchange);
        let goes_on = |known: &KnownSession| match (known.acknowledged, acknowledged) {
            (Some(before), Some(now)) => now.wrapping_sub(before) < MAX_GROWTH,
            _ => true,
        };
        let (before, think) = match known {
            Some(known) if goes_on(&known) => {
                (known.before, Some(header.timestamp.saturating_sub(known.last).max(0) as u64))
            }
            Some(known) => (known.before + 1, None),
            None => (0, None),
        };
        self.known.insert(key, KnownSession { before, acknowledged, last: header.timestamp });
        // Distinct for connections from the same port, and distinct from none.
        let session = key.wrapping_add(u64::from(before).wrapping_mul(0x9e37_79b9_7f4a_7c15)).max(1);
        SessionPlace { session, think }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(kind: Kind, id: &str, timestamp: i64, latency: i64) -> Header<'_> {
        Header { kind, id: id.as_bytes(), timestamp, latency: Some(latency), ..Header::default() }
    }

    #[test]
    fn a_connection_goes_on_until_another_begins_at_its_port() {
        let mut sessions = Sessions::new();
        let mut request = |id: &str, at| sessions.note(&header(Kind::Request, id, at, 0)).unwrap();
        let first = request("c74e1f900a000002ffffff00", 0);
        let second = request("c74e1f900a00000200000100", 10);
        let other = request("c74f1f900a00000200000100", 10);
        let anew = request("c74e1f900a000002f0000000", 20);
        assert_eq!(first.think, None);
        assert_eq!(second, SessionPlace { session: first.session, think: Some(10) });
        assert!(other.session != first.session && other.think.is_none());
        assert!(anew.session != first.session && anew.think.is_none());
    }

    #[test]
    fn a_pause_is_from_the_end_of_the_response() {
        let mut sessions = Sessions::new();
        let id = "c74e1f900a00000200000100";
        sessions.note(&header(Kind::Request, id, 0, 0));
        assert_eq!(sessions.note(&header(Kind::Response, id, 30, 20)), None);
        let place = sessions.note(&header(Kind::Request, "c74e1f900a00000200000200", 80, 0)).unwrap();
        assert_eq!(place.think, Some(30));
        // Sent before the response before it had ended.
        sessions.note(&header(Kind::Response, id, 100, 50));
        let place = sessions.note(&header(Kind::Request, "c74e1f900a00000200000300", 120, 0)).unwrap();
        assert_eq!(place.think, Some(0));
    }
}
