//! Whether what is recorded is a replay of the recording: `gor-record … | gor-replay …` that sees its own requests.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, Hasher as _};
use std::net::SocketAddr;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::Servers;

/// Requests that are remembered.
const MAX_REMEMBERED: usize = 1 << 14;

/// Echoes, less requests that are none, that make a replay.
const ENOUGH: u32 = 20;

/// Notices requests that come round again and again.
///
/// A request is an *echo* if a client on this machine sends it to a server, here or elsewhere, and within the time looked at that
/// server got the same one from this machine more often than all others together, who sent it at least once. So the
/// first copy of a request is no echo, as a proxy, a NAT or a replay that ends here sends it once for each that came,
/// and neither is what this machine asks again and again by itself, which nobody else asked. What is replayed, recorded and
/// replayed again is an echo from its second round on. Requests are the same if they are so but for the first Host, which
/// gor-replay changes, and for the field that `--real-ip-header` adds.
///
/// When echoes outnumber other requests from this machine by 20 since they last were level, it is a replay.
#[derive(Debug)]
pub(super) struct Echoes {
    own: Servers,
    /// Nanoseconds that a request is remembered.
    window: i64,
    hasher: RandomState,
    /// What was recorded, in order: when, what, and to which server if it went from this machine to another.
    recent: VecDeque<(i64, u64, Option<SocketAddr>)>,
    /// How often each was recorded, once a client on this machine was seen, and how often each went to a server.
    all: HashMap<u64, u32, RandomState>,
    sent: HashMap<(u64, SocketAddr), u32, RandomState>,
    is_counting: bool,
    score: u32,
    found: Option<Echo>,
    is_over: bool,
}

/// A replay that is recorded: who sends it where.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Echo {
    pub(super) client: SocketAddr,
    pub(super) server: SocketAddr,
}

impl Echoes {
    /// Remembers requests for so many nanoseconds.
    pub(super) fn new(window: i64) -> Self {
        Echoes {
            own: Servers::Any,
            window,
            hasher: RandomState::default(),
            recent: VecDeque::new(),
            all: HashMap::default(),
            sent: HashMap::default(),
            is_counting: false,
            score: 0,
            found: None,
            is_over: false,
        }
    }

    /// These are the addresses of this machine.
    pub(super) fn own(&mut self, own: Servers) {
        self.own = own;
    }

    /// Takes note of a request as it is recorded.
    pub(super) fn request(
        &mut self,
        time: i64,
        client: SocketAddr,
        server: SocketAddr,
        payload: &[u8],
        ignored: Option<&str>,
    ) {
        if self.is_over {
            return;
        }
        while self.recent.len() >= MAX_REMEMBERED
            || self.recent.front().is_some_and(|(then, ..)| time.saturating_sub(*then) > self.window)
        {
            self.forget_first();
        }
        let what = self.digest(payload, ignored);
        let sent_to = self.own.include(client.ip()).then_some(server);
        if sent_to.is_some() && !std::mem::replace(&mut self.is_counting, true) {
            for (_, what, _) in &self.recent {
                *self.all.entry(*what).or_default() += 1;
            }
        }
        self.recent.push_back((time, what, sent_to));
        if !self.is_counting {
            return;
        }
        let all = self.all.entry(what).or_default();
        *all += 1;
        let Some(server) = sent_to else { return };
        let sent = self.sent.entry((what, server)).or_default();
        *sent += 1;
        let others = *all - *sent;
        self.score = if others > 0 && *sent > others { self.score + 1 } else { self.score.saturating_sub(1) };
        if self.score >= ENOUGH {
            self.found = Some(Echo { client, server });
            self.is_over = true;
            (self.recent, self.all, self.sent) = Default::default();
        }
    }

    /// A replay, once, when it was noticed.
    pub(super) fn take(&mut self) -> Option<Echo> {
        self.found.take()
    }

    fn forget_first(&mut self) {
        let Some((_, what, sent_to)) = self.recent.pop_front() else { return };
        if !self.is_counting {
            return;
        }
        if let Some(all) = self.all.get_mut(&what) {
            *all -= 1;
            if *all == 0 {
                self.all.remove(&what);
            }
        }
        let Some(key) = sent_to.map(|server| (what, server)) else { return };
        if let Some(sent) = self.sent.get_mut(&key) {
            *sent -= 1;
            if *sent == 0 {
                self.sent.remove(&key);
            }
        }
    }

    /// A hash of a request without its first Host and the first field that is ignored. Lines are looked at one by one
    /// only until both were found.
    fn digest(&self, payload: &[u8], ignored: Option<&str>) -> u64 {
        let mut hash = self.hasher.build_hasher();
        let mut left_out = [Some("host"), ignored];
        let line_length = |at: usize| memchr::memchr(b'\n', &payload[at..]).map(|end| end + 1);
        let (mut hashed, mut at) = (0, line_length(0).unwrap_or_default());
        while left_out != [None; 2]
            && let Some(length) = line_length(at)
        {
            let line = &payload[at..at + length];
            if matches!(line, [b'\n'] | [b'\r', b'\n']) {
                break;
            }
            if let Some(name) = left_out.iter_mut().find(|name| name.is_some_and(|name| is_field(name, line)))
            {
                *name = None;
                hash.write(&payload[hashed..at]);
                hashed = at + length;
            }
            at += length;
        }
        hash.write(&payload[hashed..]);
        hash.finish()
    }
}

/// Whether `line` is a field line of that name, in any case.
fn is_field(name: &str, line: &[u8]) -> bool {
    line.split_at_checked(name.len()).is_some_and(|(start, rest)| {
        matches!(rest, [b':' | b' ' | b'\t', ..]) && start.eq_ignore_ascii_case(name.as_bytes())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;
    const US: &str = "10.0.0.5:40000";
    const THEM: &str = "10.0.0.9:80";

    fn echoes() -> Echoes {
        let mut echoes = Echoes::new(10 * SECOND);
        echoes.own(Servers::At(["10.0.0.5".parse().unwrap()].into()));
        echoes
    }

    fn request(path: u32, host: &str) -> Vec<u8> {
        format!("POST /{path} HTTP/1.1\r\nHost: {host}\r\nX-Real-IP: {host}\r\nContent-Length: 2\r\n\r\nhi")
            .into_bytes()
    }

    /// Tells of requests, given as time in tenths of a second, client, server, path.
    fn notices<'a>(requests: impl IntoIterator<Item = (i64, &'a str, &'a str, u32)>) -> Option<Echo> {
        let mut echoes = echoes();
        for (time, client, server, path) in requests {
            let (client, server) = (client.parse().unwrap(), server.parse().unwrap());
            let payload = request(path, &format!("{server}"));
            echoes.request(time * SECOND / 10, client, server, &payload, Some("x-real-ip"));
        }
        echoes.take()
    }

    const STRANGER: &str = "10.0.0.7:1000";
    const OUR_SERVER: &str = "10.0.0.5:80";

    #[test]
    fn one_request_that_goes_round_is_a_replay() {
        let first = (0, STRANGER, OUR_SERVER, 1);
        let rounds = |number| std::iter::once(first).chain((1..=number).map(|time| (time, US, THEM, 1)));
        let echo = Echo { client: US.parse().unwrap(), server: THEM.parse().unwrap() };
        // The first goes out once for the one that came, and is no echo.
        assert_eq!(notices(rounds(20)), None);
        assert_eq!(notices(rounds(21)), Some(echo));
    }

    #[test]
    fn a_replay_to_the_server_that_is_recorded_is_one_too() {
        let first = (0, STRANGER, OUR_SERVER, 1);
        let rounds = std::iter::once(first).chain((1..=21).map(|time| (time, US, OUR_SERVER, 1)));
        let server = OUR_SERVER.parse().unwrap();
        assert_eq!(notices(rounds), Some(Echo { client: US.parse().unwrap(), server }));
    }

    #[test]
    fn requests_that_go_round_while_others_come_are_a_replay() {
        // Each that came goes out, and comes in anew, with what went out in the round before.
        let mut requests = Vec::new();
        for time in 0..30 {
            requests.push((time, STRANGER, OUR_SERVER, time as u32));
            requests.extend((0..=time).map(|path| (time, US, THEM, path as u32)));
        }
        assert!(notices(requests).is_some());
    }

    #[test]
    fn plain_traffic_is_no_replay() {
        let many = 0..1000;
        // Checks of this machine by itself, and of another one.
        assert_eq!(notices(many.clone().map(|time| (time, US, OUR_SERVER, 1))), None);
        assert_eq!(notices(many.clone().map(|time| (time, US, THEM, 1))), None);
        // A proxy, or a NAT: what comes in goes out once.
        let forwarded = |time| [(time, STRANGER, OUR_SERVER, 1), (time, US, THEM, 1)];
        assert_eq!(notices(many.clone().flat_map(forwarded)), None);
        // A proxy here, whose application is here and is recorded at too.
        let behind = |time| [(time, STRANGER, OUR_SERVER, 1), (time, US, "10.0.0.5:8080", 1)];
        assert_eq!(notices(many.clone().flat_map(behind)), None);
        // Machines that check each other, this one more often.
        let checks = |time| [(time * 50, US, THEM, 1), (time * 50, US, "10.0.0.8:80", 1)];
        let checked = |time| (time % 12 == 0).then_some((time * 50, STRANGER, OUR_SERVER, 1));
        assert_eq!(
            notices(many.clone().flat_map(|time| checks(time).into_iter().chain(checked(time)))),
            None
        );
        // A replay to a server that is not recorded at.
        assert_eq!(notices(many.map(|time| (time, STRANGER, OUR_SERVER, time as u32 % 7))), None);
    }

    #[test]
    fn requests_are_the_same_but_for_host_and_the_field_that_is_ignored() {
        let echoes = echoes();
        let digest = |request: &str| echoes.digest(request.as_bytes(), Some("X-Real-IP"));
        let request = digest("GET / HTTP/1.1\r\nX-Real-IP: 1\r\nA: b\r\nHost: a\r\nC: d\r\n\r\nbody");
        let same = [
            "GET / HTTP/1.1\r\nX-Real-IP: 23\r\nA: b\r\nHost: other\r\nC: d\r\n\r\nbody",
            "GET / HTTP/1.1\r\nx-real-ip:1\r\nA: b\r\nHOST:\r\nC: d\r\n\r\nbody",
        ];
        let others = [
            "GET /x HTTP/1.1\r\nX-Real-IP: 1\r\nA: b\r\nHost: a\r\nC: d\r\n\r\nbody",
            "PUT / HTTP/1.1\r\nX-Real-IP: 1\r\nA: b\r\nHost: a\r\nC: d\r\n\r\nbody",
            "GET / HTTP/1.1\r\nX-Real-IP: 1\r\nA: c\r\nHost: a\r\nC: d\r\n\r\nbody",
            "GET / HTTP/1.1\r\nX-Real-IP: 1\r\nA: b\r\nHost: a\r\nC: e\r\n\r\nbody",
            "GET / HTTP/1.1\r\nX-Real-IP: 1\r\nA: b\r\nHost: a\r\nC: d\r\n\r\nbod",
            "GET / HTTP/1.1\r\nX-Real-IPs: 1\r\nA: b\r\nHost: a\r\nC: d\r\n\r\nbody",
        ];
        for same in same {
            assert_eq!(digest(same), request, "{same:?}");
        }
        for other in others {
            assert_ne!(digest(other), request, "{other:?}");
        }
        // What stands behind the head is no field.
        assert_ne!(digest("GET / HTTP/1.1\r\n\r\nHost: a\n"), digest("GET / HTTP/1.1\r\n\r\nHost: b\n"));
    }

    #[test]
    fn no_more_is_remembered_than_there_is_room_for() {
        let mut echoes = echoes();
        for number in 0..MAX_REMEMBERED as u32 + 100 {
            let (client, server) = (US.parse().unwrap(), THEM.parse().unwrap());
            echoes.request(0, client, server, &request(number, "a"), None);
        }
        let numbers = [echoes.recent.len(), echoes.all.len(), echoes.sent.len()];
        assert_eq!(numbers, [MAX_REMEMBERED; 3]);
        echoes.request(11 * SECOND, US.parse().unwrap(), THEM.parse().unwrap(), &request(0, "a"), None);
        assert_eq!([echoes.recent.len(), echoes.all.len(), echoes.sent.len()], [1; 3]);
    }
}
