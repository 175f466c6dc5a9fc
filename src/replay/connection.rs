//! One connection to a target: its socket, and the exchange that it carries.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use mio::{Registry, Token};
use rustix::io::Errno;

use super::addresses::{Attempt, ServerAddress};
use super::exchange::ReplayExchange;
use super::failure::FailureReason;
use super::other_servers::ServerPlace;
use super::tls::TlsClient;
use super::transport::{Moved, Transport};

/// What a connection is doing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Phase {
    /// There is none; its buffers wait for the next.
    Vacant,
    /// The server to which a redirect leads is being looked up.
    LookingUp,
    /// It is being made for an exchange.
    Connecting,
    /// It carries an exchange.
    Busy,
    /// It waits for the next exchange.
    Idle,
}

/// A connection that waits until redirects of the same exchange, or of a later one, lead to its server again.
#[derive(Debug)]
struct ParkedConnection {
    server: ServerPlace,
    address: Option<ServerAddress>,
    transport: Transport,
}

/// Most connections that wait so in one place: that to the target, and one to another server.
pub(super) const MAX_PARKED: usize = 2;

/// A place for a connection. It outlives the socket, and so do its buffers.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is remembered by itself, from an event of its own")]
pub(super) struct ClientConnection {
    pub(super) phase: Phase,
    pub(super) exchange: ReplayExchange,
    /// Whether an exchange before this one went over the socket.
    pub(super) is_reused: bool,
    /// The address that it is connected to, or was last.
    pub(super) address: Option<ServerAddress>,
    /// Which of the target's addresses come next if this one cannot be connected to.
    pub(super) attempt: Attempt,
    /// When connecting to this address began.
    pub(super) began_at: u64,
    /// When the socket was connected.
    pub(super) connected_at: u64,
    /// Events tell what is new, and only once. So what they tell is remembered until it was acted on: there
    /// may be something to read,
    pub(super) is_readable: bool,
    /// and the other side has ended the connection, by a close or a reset, behind what is still to be read.
    pub(super) has_ended: bool,
    /// Whether more is to be read or written than its last turn allowed.
    pub(super) is_postponed: bool,
    /// The reset that a write met; reading tells only an end after it.
    reset: Option<io::Error>,
    /// Since when it is idle, while it is.
    pub(super) idle_since: u64,
    /// Whether it is being made for no request.
    pub(super) is_spare: bool,
    /// The recorded connection that it stands for; 0 for none.
    pub(super) session: u64,
    /// Where it stands among the idle ones, while it is idle.
    pub(super) idle_at: usize,
    transport: Option<Transport>,
    /// Which server it is to.
    pub(super) server: ServerPlace,
    parked: Vec<ParkedConnection>,
    /// Whether the socket is connected, and what is missing is TLS.
    pub(super) is_securing: bool,
}

impl ClientConnection {
    pub(super) fn new() -> Self {
        ClientConnection {
            phase: Phase::Vacant,
            exchange: ReplayExchange::new(),
            is_reused: false,
            address: None,
            attempt: Attempt::default(),
            began_at: 0,
            connected_at: 0,
            is_readable: false,
            has_ended: false,
            is_postponed: false,
            reset: None,
            idle_since: 0,
            is_spare: false,
            session: 0,
            idle_at: 0,
            transport: None,
            server: ServerPlace::Target,
            parked: Vec::new(),
            is_securing: false,
        }
    }

    /// Begins to connect.
    pub(super) fn open(
        &mut self,
        address: &ServerAddress,
        tls: Option<&TlsClient>,
        registry: &Registry,
        token: Token,
    ) -> io::Result<()> {
        // The old socket goes first: the new one may need its descriptor.
        self.transport = None;
        self.address = Some(address.clone());
        self.transport = Some(Transport::connect(address, tls, registry, token)?);
        self.phase = Phase::Connecting;
        self.is_securing = false;
        self.is_reused = false;
        self.is_readable = false;
        self.has_ended = false;
        self.reset = None;
        Ok(())
    }

    /// Whether connecting has come to an end, and a good one.
    pub(super) fn is_connected(&self) -> io::Result<bool> {
        self.transport.as_ref().map_or(Ok(false), Transport::is_connected)
    }

    /// Whether the handshake of TLS has come to an end, and a good one. Without TLS there is none.
    pub(super) fn is_secured(&mut self) -> io::Result<bool> {
        self.transport.as_mut().map_or(Ok(false), Transport::is_secured)
    }

    /// The addresses of both ends, while it is connected.
    pub(super) fn ends(&self) -> Option<(SocketAddr, SocketAddr)> {
        self.transport.as_ref()?.ends()
    }

    /// Whether it is, or becomes, a TLS connection.
    pub(super) fn is_tls(&self) -> bool {
        self.transport.as_ref().is_some_and(Transport::is_tls)
    }

    /// Goes over to another server: keeps the connection for later, if it may be used again, and takes up one that was
    /// kept. False if there is none: one is to be made.
    pub(super) fn go_over(
        &mut self,
        server: ServerPlace,
        keeps: bool,
        registry: &Registry,
        token: Token,
    ) -> bool {
        let (left, address) = (self.transport.take(), self.address.take());
        if let Some(mut transport) = left.filter(|_| keeps)
            && transport.park(registry).is_ok()
        {
            // That to the target comes first in the list, and stays.
            if self.parked.len() >= MAX_PARKED {
                self.parked.pop();
            }
            let parked = ParkedConnection { server: self.server, address, transport };
            let at = if self.server == ServerPlace::Target { 0 } else { self.parked.len() };
            self.parked.insert(at, parked);
        }
        self.server = server;
        self.is_readable = false;
        self.has_ended = false;
        self.reset = None;
        let Some(at) = self.parked.iter().position(|parked| parked.server == server) else { return false };
        let mut parked = self.parked.remove(at);
        if parked.transport.resume(registry, token).is_err() {
            return false;
        }
        self.address = parked.address;
        self.transport = Some(parked.transport);
        self.is_reused = true;
        true
    }

    /// Closes the socket.
    pub(super) fn close(&mut self) {
        self.transport = None;
        self.parked.clear();
        self.server = ServerPlace::Target;
        self.phase = Phase::Vacant;
        self.exchange.finish();
    }

    /// Reads what is there into `buffer`.
    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> Moved {
        let Some(transport) = &mut self.transport else { return Moved::Nothing };
        let moved = transport.receive(buffer);
        match &moved {
            // What the socket has given is everything, unless the end comes after it.
            Moved::Bytes(length) => {
                self.is_readable = self.has_ended || !transport.is_drained(*length == buffer.len());
            }
            Moved::Nothing => self.is_readable = false,
            Moved::Broken(_) => {
                self.has_ended = true;
                // What was met first is why.
                return self.reset.take().map_or(moved, Moved::Broken);
            }
            Moved::End => {
                self.has_ended = true;
                return self.reset.take().map_or(Moved::End, Moved::Broken);
            }
        }
        moved
    }

    /// Looks at what is there, and leaves it there.
    pub(super) fn peek(&mut self, buffer: &mut [u8]) -> Moved {
        let Some(transport) = &mut self.transport else { return Moved::Nothing };
        match transport.peek(buffer) {
            Moved::Broken(error) => self.note_broken(error),
            other => other,
        }
    }

    /// Writes what the kernel takes of the request.
    pub(super) fn send(&mut self) -> Moved {
        let Some(transport) = &mut self.transport else { return Moved::Nothing };
        match transport.send(self.exchange.unsent()) {
            Moved::Bytes(length) => {
                self.exchange.advance(length);
                Moved::Bytes(length)
            }
            Moved::Broken(error) => self.note_broken(error),
            other => other,
        }
    }

    /// Whether all of the request has gone out to the kernel.
    pub(super) fn is_sent(&self) -> bool {
        self.exchange.is_sent() && !self.transport.as_ref().is_some_and(Transport::has_unsent)
    }

    /// Hands the kernel what waits for it below the request.
    pub(super) fn flush(&mut self) -> Moved {
        let Some(transport) = &mut self.transport else { return Moved::Nothing };
        match transport.flush() {
            Moved::Broken(error) => self.note_broken(error),
            other => other,
        }
    }

    /// A write or a look has failed. An answer may have come before the end did: a refusal of a large body, say.
    fn note_broken(&mut self, error: io::Error) -> Moved {
        self.is_readable = true;
        self.has_ended = true;
        self.reset.get_or_insert(error);
        Moved::End
    }
}

/// Whether the process, or the machine, has no descriptor left.
pub(super) fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

/// Why a connection could not be made.
pub(super) fn connect_reason(error: &io::Error) -> FailureReason {
    match error.kind() {
        ErrorKind::ConnectionRefused => FailureReason::Refused,
        ErrorKind::ConnectionReset => FailureReason::ResetBeforeAnswer,
        ErrorKind::TimedOut => FailureReason::ConnectTimeout,
        _ if is_out_of_descriptors(error) => FailureReason::Descriptors,
        _ => FailureReason::Unreachable,
    }
}
