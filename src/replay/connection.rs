//! One connection to a target: its socket, and the exchange that it carries.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use rustix::io::Errno;

use super::addresses::Attempt;
use super::exchange::ReplayExchange;
use super::tally::FailureReason;

/// What a connection is doing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Phase {
    /// There is none; its buffers wait for the next.
    Vacant,
    /// It is being made for an exchange.
    Connecting,
    /// It carries an exchange.
    Busy,
    /// It waits for the next exchange.
    Idle,
}

/// What came of a read or a write.
#[derive(Debug)]
pub(super) enum Moved {
    /// So many bytes.
    Bytes(usize),
    /// Nothing, for now.
    Nothing,
    /// The other side has closed.
    End,
    /// The connection is broken.
    Broken(io::Error),
}

/// A place for a connection. It outlives the socket, and so do its buffers.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is remembered by itself, from an event of its own")]
pub(super) struct ClientConnection {
    pub(super) phase: Phase,
    pub(super) exchange: ReplayExchange,
    /// Whether an exchange before this one went over the socket.
    pub(super) is_reused: bool,
    /// The address that it is connected to, or was last.
    pub(super) address: Option<SocketAddr>,
    /// Which of the target's addresses come next if this one cannot be connected to.
    pub(super) attempt: Attempt,
    /// When connecting to this address began.
    pub(super) began_at: u64,
    /// Events tell what is new, and only once. So what they tell is remembered until it was acted on: there
    /// may be something to read,
    pub(super) is_readable: bool,
    /// and the other side has ended the connection, by a close or a reset, behind what is still to be read.
    pub(super) has_ended: bool,
    /// Whether more is to be read or written than its last turn allowed.
    pub(super) is_postponed: bool,
    /// The reset that a write met; reading tells only an end after it.
    reset: Option<io::Error>,
    /// Where it stands among the idle ones, while it is idle.
    pub(super) idle_at: usize,
    stream: Option<TcpStream>,
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
            is_readable: false,
            has_ended: false,
            is_postponed: false,
            reset: None,
            idle_at: 0,
            stream: None,
        }
    }

    /// Begins to connect.
    pub(super) fn open(&mut self, address: SocketAddr, registry: &Registry, token: Token) -> io::Result<()> {
        // The old socket goes first: the new one may need its descriptor.
        self.stream = None;
        self.address = Some(address);
        let mut stream = TcpStream::connect(address)?;
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        self.stream = Some(stream);
        self.phase = Phase::Connecting;
        self.is_reused = false;
        self.is_readable = false;
        self.has_ended = false;
        self.reset = None;
        Ok(())
    }

    /// Whether connecting has come to an end, and a good one.
    pub(super) fn is_established(&self) -> io::Result<bool> {
        let Some(stream) = &self.stream else { return Ok(false) };
        if let Some(error) = stream.take_error()? {
            return Err(error);
        }
        match stream.peer_addr() {
            Ok(_) => {
                // Requests go out whole: waiting to fill packets would only delay them.
                stream.set_nodelay(true)?;
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The addresses of both ends, while it is connected.
    pub(super) fn ends(&self) -> Option<(SocketAddr, SocketAddr)> {
        let stream = self.stream.as_ref()?;
        Some((stream.local_addr().ok()?, stream.peer_addr().ok()?))
    }

    /// Closes the socket.
    pub(super) fn close(&mut self) {
        self.stream = None;
        self.phase = Phase::Vacant;
        self.exchange.finish();
    }

    /// Reads what is there into `buffer`.
    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> Moved {
        let Some(stream) = &mut self.stream else { return Moved::Nothing };
        loop {
            return match stream.read(buffer) {
                Ok(0) => {
                    self.has_ended = true;
                    self.reset.take().map_or(Moved::End, Moved::Broken)
                }
                Ok(length) => {
                    // A read that did not fill the buffer took everything, unless the end comes after it.
                    self.is_readable = length == buffer.len() || self.has_ended;
                    Moved::Bytes(length)
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.is_readable = false;
                    Moved::Nothing
                }
                Err(error) => {
                    self.has_ended = true;
                    Moved::Broken(error)
                }
            };
        }
    }

    /// Looks at what is there, and leaves it there.
    pub(super) fn peek(&self, buffer: &mut [u8]) -> Moved {
        let Some(stream) = &self.stream else { return Moved::Nothing };
        loop {
            return match stream.peek(buffer) {
                Ok(0) => Moved::End,
                Ok(length) => Moved::Bytes(length),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => Moved::Nothing,
                Err(error) => Moved::Broken(error),
            };
        }
    }

    /// Writes what the kernel takes of the request.
    pub(super) fn send(&mut self) -> Moved {
        let Some(stream) = &mut self.stream else { return Moved::Nothing };
        loop {
            let [head, body] = self.exchange.unsent();
            let written =
                if body.is_empty() { stream.write(&head) } else { stream.write_vectored(&[head, body]) };
            return match written {
                Ok(0) => Moved::Nothing,
                Ok(length) => {
                    self.exchange.advance(length);
                    Moved::Bytes(length)
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => Moved::Nothing,
                Err(error) => {
                    // An answer may have come before the end did: a refusal of a large body, say.
                    self.is_readable = true;
                    self.has_ended = true;
                    self.reset.get_or_insert(error);
                    Moved::End
                }
            };
        }
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
