//! Servers besides the target, to which redirects lead (--redirects).
//!
//! A name is looked up, and what TLS needs is read, on a thread of its own: neither may hold up the worker's schedule.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use mio::Waker;

use super::addresses::{Addresses, ServerAddress};
use super::clock::nanoseconds;
use super::resolver::INTERVAL;
use super::target::{Target, TargetProtocol};
use super::tls::TlsClient;
use crate::Result;
use crate::tls::TlsOptions;

/// Servers that a worker follows redirects to, besides its target.
pub(super) const MAX_OTHER_SERVERS: usize = 64;

/// How long a name that could not be looked up counts as unknown, in nanoseconds.
const REST: u64 = 5_000_000_000;

/// What a thread has found out about a server: where it is, and what TLS with it begins with.
type Found = Result<(Vec<ServerAddress>, Option<TlsClient>)>;

/// Which server a connection is to: the target, or another one by its place in [`OtherServers`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum ServerPlace {
    #[default]
    Target,
    Other(usize),
}

/// What is known of a server when a request is about to go there.
#[derive(Debug)]
pub(super) enum Lookup {
    /// Its addresses are known.
    Done,
    /// They will be told.
    UnderWay,
    /// They could not be found: why.
    Failed(String),
}

/// A server that a redirect led to.
#[derive(Debug)]
pub(super) struct OtherServer {
    /// As URLs name it: scheme, host, and the port where it is not the scheme's own.
    origin: String,
    target: Target,
    pub(super) addresses: Addresses,
    pub(super) tls: Option<TlsClient>,
    /// Why the last lookup failed, if it did and nothing is known from before.
    fault: Option<String>,
    is_known: bool,
    is_under_way: bool,
    /// When the next lookup is due.
    renew_at: u64,
}

impl OtherServer {
    /// The scheme that is spoken with it.
    pub(super) fn scheme(&self) -> &'static str {
        if self.target.protocol() == TargetProtocol::Https { "https" } else { "http" }
    }

    /// As URLs name it.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    fn take(&mut self, found: Found, now: u64) {
        self.is_under_way = false;
        match found {
            Ok((addresses, tls)) => {
                self.addresses.renew(&addresses);
                // A TLS client that is in use has sessions to resume.
                self.tls = self.tls.take().or(tls);
                (self.is_known, self.fault) = (true, None);
                self.renew_at = now.saturating_add(nanoseconds(INTERVAL));
            }
            Err(error) => {
                self.fault = (!self.is_known).then(|| error.to_string());
                self.renew_at = now.saturating_add(REST);
            }
        }
    }
}

/// The servers that redirects have led a worker to.
#[derive(Debug)]
pub(super) struct OtherServers {
    servers: Vec<OtherServer>,
    tls: TlsOptions,
    results: Receiver<(usize, Found)>,
    told: Sender<(usize, Found)>,
    waker: Arc<Waker>,
    under_way: usize,
}

impl OtherServers {
    /// None yet. `waker` is called when a lookup has ended. Of `tls`, what is meant for the target alone is left out:
    /// the name in its certificate, and our own certificate.
    pub(super) fn new(tls: TlsOptions, waker: Arc<Waker>) -> Self {
        let (told, results) = channel();
        let tls = TlsOptions { client_certificate: None, server_name: None, ..tls };
        OtherServers { servers: Vec::new(), tls, results, told, waker, under_way: 0 }
    }

    /// The place of a server that a URL names so; none if there are too many.
    pub(super) fn place(&mut self, origin: &str) -> Option<usize> {
        if let Some(known) = self.servers.iter().position(|server| server.origin == origin) {
            return Some(known);
        }
        if self.servers.len() >= MAX_OTHER_SERVERS {
            return None;
        }
        self.servers.push(OtherServer {
            origin: origin.to_owned(),
            target: origin.parse().ok()?,
            addresses: Addresses::new(Vec::new()),
            tls: None,
            fault: None,
            is_known: false,
            is_under_way: false,
            renew_at: 0,
        });
        Some(self.servers.len() - 1)
    }

    pub(super) fn get(&self, place: usize) -> &OtherServer {
        &self.servers[place]
    }

    pub(super) fn get_mut(&mut self, place: usize) -> &mut OtherServer {
        &mut self.servers[place]
    }

    /// Looks the server up, if that was not done lately.
    pub(super) fn look_up(&mut self, place: usize, now: u64) -> Lookup {
        let server = &mut self.servers[place];
        if !server.is_under_way && server.renew_at <= now {
            let (target, tls) = (server.target.clone(), self.tls.clone());
            let (told, waker) = (self.told.clone(), Arc::clone(&self.waker));
            let look = move || {
                let found =
                    target.resolve().and_then(|addresses| Ok((addresses, TlsClient::new(&target, &tls)?)));
                if told.send((place, found)).is_ok() && waker.wake().is_err() {
                    // The worker looks at the next tick.
                }
            };
            match thread::Builder::new().spawn(look) {
                Ok(_) => {
                    server.is_under_way = true;
                    self.under_way += 1;
                }
                Err(error) => server.take(Err(error.into()), now),
            }
        }
        let server = &self.servers[place];
        match &server.fault {
            _ if server.is_known => Lookup::Done,
            Some(fault) if !server.is_under_way => Lookup::Failed(fault.clone()),
            _ => Lookup::UnderWay,
        }
    }

    /// The servers whose lookup has ended since the last time.
    pub(super) fn take_ended(&mut self, now: u64) -> Vec<usize> {
        let mut ended = Vec::new();
        while self.under_way > 0
            && let Ok((place, found)) = self.results.try_recv()
        {
            self.under_way -= 1;
            self.servers[place].take(found, now);
            ended.push(place);
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::{Poll, Token};

    #[test]
    fn servers_are_bounded_in_number_and_known_by_their_origin() {
        let poll = Poll::new().unwrap();
        let waker = Arc::new(Waker::new(poll.registry(), Token(0)).unwrap());
        let mut servers = OtherServers::new(TlsOptions::default(), waker);
        for at in 0..MAX_OTHER_SERVERS {
            assert_eq!(servers.place(&format!("http://a{at}")), Some(at));
        }
        assert_eq!(servers.place("http://one-more"), None);
        assert_eq!(servers.place("http://a7"), Some(7));
        assert_eq!(servers.get(7).scheme(), "http");
    }
}
