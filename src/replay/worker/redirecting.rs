//! A worker's way on: answers that point elsewhere, on the target or on another server.

use mio::Token;

use super::ReplayWorker;
use crate::replay::addresses::Addresses;
use crate::replay::clock;
use crate::replay::connection::Phase;
use crate::replay::failure::FailureReason;
use crate::replay::other_servers::{Lookup, ServerPlace};
use crate::replay::redirect::{NextRequest, Redirection};

impl ReplayWorker {
    /// Whether the answer points elsewhere, and the request goes on there.
    pub(super) fn is_redirected(&mut self, slot: usize, has_surplus: bool) -> bool {
        let connection = &self.connections[slot];
        if !(300..400).contains(&connection.exchange.status()) {
            return false;
        }
        let goes_on = connection.exchange.keeps_alive() && !has_surplus && !connection.has_ended;
        self.keep_cookies(slot);
        let exchange = &self.connections[slot].exchange;
        let next = match exchange.redirection(self.scheme(slot), self.options.redirects) {
            Redirection::None => return false,
            Redirection::Unsupported(location) => {
                let first = || format!("{} to {location}", exchange.describe());
                self.tally.redirected_elsewhere.add(first);
                return false;
            }
            Redirection::Followed(next) => next,
        };
        let Some(server) = self.place(slot, &next) else {
            let exchange = &self.connections[slot].exchange;
            self.tally.redirected_beyond.add(|| format!("{} to {}", exchange.describe(), next.to));
            return false;
        };
        self.tally.redirected += 1;
        if let ServerPlace::Other(place) = server {
            let origin = self.others.get(place).origin();
            *self.tally.redirected_to.entry(origin.to_owned()).or_default() += 1;
        }
        self.follow(slot, next, server, goes_on);
        true
    }

    /// Sends the next request to its server. `goes_on`: the connection may be used again.
    fn follow(&mut self, slot: usize, next: NextRequest, server: ServerPlace, goes_on: bool) {
        let connection = &mut self.connections[slot];
        let jar = self.cookies.as_ref().filter(|_| server == ServerPlace::Target);
        let jar = jar.and_then(|cookies| cookies.get(connection.session));
        connection.exchange.redirect(next, jar.map(|jar| (jar, clock::wall())));
        if connection.server == server {
            return if goes_on { self.send_on(slot) } else { self.connect_anew(slot) };
        }
        if self.go_over(slot, server, goes_on) {
            self.send_on(slot);
        } else if let ServerPlace::Other(place) = server {
            self.connections[slot].phase = Phase::LookingUp;
            self.go_on_after_lookup(slot, place, clock::now());
        } else {
            self.connect_anew(slot);
        }
    }

    /// Sends on an open connection.
    fn send_on(&mut self, slot: usize) {
        self.connections[slot].is_reused = true;
        self.connections[slot].phase = Phase::Busy;
        self.send(slot, clock::now());
    }

    /// Goes over to another server. Whether a connection to it is open from before.
    fn go_over(&mut self, slot: usize, server: ServerPlace, keeps: bool) -> bool {
        let registry = self.poll.registry();
        self.connections[slot].go_over(server, keeps, registry, Token(slot)) && self.is_usable(slot)
    }

    /// Takes up the connection to the target again, once an exchange with another server is over. Whether it is open.
    pub(super) fn go_home(&mut self, slot: usize, keeps: bool) -> bool {
        self.go_over(slot, ServerPlace::Target, keeps)
    }

    /// Where a redirection leads; none if that would be one server too many.
    fn place(&mut self, slot: usize, next: &NextRequest) -> Option<ServerPlace> {
        let connection = &self.connections[slot];
        if next.from == next.to {
            Some(connection.server)
        } else if connection.exchange.leads_home(next) {
            Some(ServerPlace::Target)
        } else {
            self.others.place(&next.to).map(ServerPlace::Other)
        }
    }

    fn scheme(&self, slot: usize) -> &'static str {
        match self.connections[slot].server {
            ServerPlace::Other(place) => self.others.get(place).scheme(),
            ServerPlace::Target if self.options.tls.is_some() => "https",
            ServerPlace::Target => "http",
        }
    }

    /// The addresses of the server that a connection is to.
    pub(super) fn addresses_of(&mut self, slot: usize) -> &mut Addresses {
        match self.connections[slot].server {
            ServerPlace::Target => &mut self.options.addresses,
            ServerPlace::Other(place) => &mut self.others.get_mut(place).addresses,
        }
    }

    /// The address that a connection is to, or was to be; that of another server with its name.
    pub(super) fn describe_server(&self, slot: usize) -> String {
        let connection = &self.connections[slot];
        let address = connection.address.as_ref().map(ToString::to_string);
        let ServerPlace::Other(place) = connection.server else { return address.unwrap_or_default() };
        let address = address.map(|address| format!(" ({address})")).unwrap_or_default();
        format!("{}{address}", self.others.get(place).origin())
    }

    /// Connects where a lookup has ended that requests wait for.
    pub(super) fn go_on_after_lookups(&mut self, now: u64) {
        for place in self.others.take_ended(now) {
            for slot in 0..self.connections.len() {
                let connection = &self.connections[slot];
                if connection.phase == Phase::LookingUp && connection.server == ServerPlace::Other(place) {
                    self.go_on_after_lookup(slot, place, now);
                }
            }
        }
    }

    /// Connects to a server if it is looked up.
    fn go_on_after_lookup(&mut self, slot: usize, place: usize, now: u64) {
        match self.others.look_up(place, now) {
            Lookup::Done => self.connect_anew(slot),
            Lookup::UnderWay => {}
            Lookup::Failed(why) => self.fail_to_look_up(slot, &why),
        }
    }

    /// The server that a redirection leads to was not found.
    pub(super) fn fail_to_look_up(&mut self, slot: usize, why: &str) {
        self.fail(slot, FailureReason::RedirectUnresolved, why);
    }
}
