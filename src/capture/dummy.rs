//! Exchanges that nobody had, to try out what comes after a recorder.

use std::time::Duration;

use crate::record::{Block, Header, Kind};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: gor-record --dummy\r\n\r\n";
const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\ndummy\n";

/// Nanoseconds from a request's begin to its response's.
const LATENCY: i64 = 1_000_000;

/// The same exchange again and again, at an even rate; the first one at once.
#[derive(Clone, Debug)]
pub struct Dummy {
    /// Exchanges per second.
    rate: f64,
    has_responses: bool,
    /// What its ids begin with.
    session: u64,
    /// When it began: nanoseconds since the Unix epoch.
    start: i64,
    made: u64,
}

impl Dummy {
    /// Begins at `start`, nanoseconds since the Unix epoch, with so many exchanges per second, which is above 0. Two with
    /// different numbers for `session` have no id in common.
    pub fn new(rate: f64, has_responses: bool, session: u64, start: i64) -> Self {
        Dummy { rate, has_responses, session, start, made: 0 }
    }

    /// Exchanges made so far.
    pub fn made(&self) -> u64 {
        self.made
    }

    /// How long after the start the next exchange is due.
    pub fn next_due(&self) -> Duration {
        Duration::try_from_secs_f64(self.made as f64 / self.rate).unwrap_or(Duration::MAX)
    }

    /// Adds the exchanges that are due so long after the start, but no more than `most`. Their times are those at
    /// which they were due.
    pub fn make(&mut self, elapsed: Duration, most: usize, block: &mut Block) {
        for _ in 0..most {
            let due = self.next_due();
            if due > elapsed {
                return;
            }
            let timestamp = self.start.saturating_add(i64::try_from(due.as_nanos()).unwrap_or(i64::MAX));
            // As many as fit into the last eight digits, and then the next session.
            let session = self.session.wrapping_add(self.made >> 32);
            let id = format!("{session:016x}{:08x}", self.made as u32);
            let request = Header {
                kind: Kind::Request,
                id: id.as_bytes(),
                timestamp,
                latency: Some(0),
                ..Header::default()
            };
            block.push(&request, REQUEST);
            if self.has_responses {
                let timestamp = timestamp.saturating_add(LATENCY);
                block.push(&Header { kind: Kind::Response, timestamp, ..request }, RESPONSE);
            }
            self.made += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_comes_once_with_its_own_id_and_time() {
        let mut dummy = Dummy::new(4.0, true, 7, 1_000_000_000);
        let mut block = Block::new();
        for (elapsed, most, made) in [(0, 10, 1), (0, 10, 1), (249, 10, 1), (250, 10, 2), (10_000, 3, 5)] {
            dummy.make(Duration::from_millis(elapsed), most, &mut block);
            assert_eq!((dummy.made(), block.len() as u64), (made, 2 * made), "{elapsed} ms");
        }
        assert_eq!(dummy.next_due(), Duration::from_millis(1250));
        for (number, pair) in block.iter().collect::<Vec<_>>().chunks(2).enumerate() {
            let due = 1_000_000_000 + number as i64 * 250_000_000;
            let expected = format!("0000000000000007{number:08x}");
            assert_eq!((pair[0].header.kind, pair[1].header.kind), (Kind::Request, Kind::Response));
            assert!(pair.iter().all(|record| record.header.id == expected.as_bytes()));
            assert_eq!([pair[0].header.timestamp, pair[1].header.timestamp], [due, due + LATENCY]);
        }
    }

    #[test]
    fn the_response_is_as_long_as_it_says() {
        let text = str::from_utf8(RESPONSE).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())));
    }
}
