//! One connection to a target: its socket, and the exchange that it carries.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use rustix::io::Errno;

use super::exchange::Exchange;
use super::tally::Reason;

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
pub(super) struct Connection {
    pub(super) phase: Phase,
    pub(super) exchange: Exchange,
    /// Whether an exchange before this one went over the socket.
    pub(super) is_reused: bool,
    /// Whether an answer ever came over a socket of this place, since it was last vacant.
    pub(super) is_proven: bool,
    /// Which of the target's addresses comes next if this one cannot be connected to, and how many are left.
    pub(super) next_address: usize,
    pub(super) addresses_left: usize,
    /// Where it stands among the idle ones, while it is idle.
    pub(super) idle_at: usize,
    stream: Option<TcpStream>,
}

impl Connection {
    pub(super) fn new() -> Self {
        Connection {
            phase: Phase::Vacant,
            exchange: Exchange::new(),
            is_reused: false,
            is_proven: false,
            next_address: 0,
            addresses_left: 0,
            idle_at: 0,
            stream: None,
        }
    }

    /// Begins to connect.
    pub(super) fn open(&mut self, address: SocketAddr, registry: &Registry, token: Token) -> io::Result<()> {
        let mut stream = TcpStream::connect(address)?;
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        self.stream = Some(stream);
        self.phase = Phase::Connecting;
        self.is_reused = false;
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
                Err(error) => Moved::Broken(error),
            };
        }
    }
}

/// Whether the process, or the machine, has no descriptor left.
pub(super) fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

/// Why a connection could not be made.
pub(super) fn connect_reason(error: &io::Error) -> Reason {
    match error.kind() {
        ErrorKind::ConnectionRefused => Reason::Refused,
        ErrorKind::ConnectionReset => Reason::Reset,
        ErrorKind::TimedOut => Reason::ConnectTimeout,
        _ if is_out_of_descriptors(error) => Reason::Descriptors,
        _ => Reason::Unreachable,
    }
}
