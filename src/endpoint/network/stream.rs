//! A connection, with TLS or without.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use rustix::net::{RecvFlags, recv, sockopt};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection, StreamOwned};

use super::address::NetworkAddress;
use crate::tls::trust_hint;
use crate::{Error, Result};

/// Longest time for a connection to be made, its TLS handshake included.
const CONNECTING: Duration = Duration::from_secs(10);

/// A connection to send over, or to receive from.
pub(super) enum NetworkStream {
    Plain(TcpStream),
    ToServer(Box<StreamOwned<ClientConnection, TcpStream>>),
    FromClient(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl NetworkStream {
    /// Connects to an address. Where its host cannot be looked up, as the process may not any more, it has the addresses
    /// that are `known` of it.
    pub(super) fn connect(
        address: &NetworkAddress,
        known: &mut Vec<SocketAddr>,
        tls: Option<&Arc<ClientConfig>>,
    ) -> Result<Self> {
        let mut connect = || -> io::Result<Self> {
            let socket = connect(address, known)?;
            let Some(config) = tls else { return Ok(NetworkStream::Plain(socket)) };
            let name = ServerName::try_from(address.host.clone()).map_err(io::Error::other)?;
            let session = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
            let mut stream = StreamOwned::new(session, socket);
            while stream.conn.is_handshaking() {
                stream.conn.complete_io(&mut stream.sock)?;
            }
            Ok(NetworkStream::ToServer(Box::new(stream)))
        };
        connect().map_err(|error| {
            let why = format!("{error}{}", trust_hint(&error));
            Error::Invalid(why).at(address.to_string())
        })
    }

    /// A connection that was accepted.
    pub(super) fn accepted(socket: TcpStream, tls: Option<&Arc<ServerConfig>>) -> io::Result<Self> {
        keep_alive(&socket);
        let Some(config) = tls else { return Ok(NetworkStream::Plain(socket)) };
        let session = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
        Ok(NetworkStream::FromClient(Box::new(StreamOwned::new(session, socket))))
    }

    pub(super) fn socket(&self) -> &TcpStream {
        match self {
            NetworkStream::Plain(socket) => socket,
            NetworkStream::ToServer(stream) => &stream.sock,
            NetworkStream::FromClient(stream) => &stream.sock,
        }
    }

    /// Whether the connection is broken off, so that the other side hears of it as of an error, if it is closed now or this
    /// process ends, in whatever way.
    pub(super) fn set_breaks(&self, breaks: bool) {
        // Where it cannot, the end is like any other.
        let _ = sockopt::set_socket_linger(self.socket(), breaks.then_some(Duration::ZERO));
    }

    /// Whether bytes, or the end, have come.
    pub(super) fn has_bytes(&self) -> bool {
        let found = recv(self.socket(), &mut [0; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT);
        !matches!(found, Err(rustix::io::Errno::AGAIN))
    }

    /// Fails if the other side has ended the connection, or says anything, as a receiver of records never does. It is
    /// found out without waiting.
    pub(super) fn check_open(&mut self) -> io::Result<()> {
        let mut byte = [0];
        match recv(self.socket(), &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT) {
            Ok((0, _)) => return Err(io::ErrorKind::ConnectionReset.into()),
            Ok(_) => {}
            Err(rustix::io::Errno::AGAIN) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        // In TLS it may be a session ticket, or a part of something.
        let mut told = [0; 4096];
        match self.read(&mut told) {
            Ok(0) => Err(io::ErrorKind::ConnectionReset.into()),
            Ok(length) => Err(no_receiver(&told[..length])),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Says that nothing more will be sent, and waits until the other side ends the connection as well: it has taken all.
    pub(super) fn end(mut self, patience: Duration) -> io::Result<()> {
        self.socket().set_read_timeout(Some(patience))?;
        self.socket().set_write_timeout(Some(patience))?;
        if let NetworkStream::ToServer(stream) = &mut self {
            stream.conn.send_close_notify();
            while stream.conn.wants_write() {
                stream.conn.write_tls(&mut stream.sock)?;
            }
        }
        self.socket().shutdown(std::net::Shutdown::Write)?;
        let mut rest = [0; 4096];
        match self.read(&mut rest) {
            Ok(0) => Ok(()),
            Ok(length) => Err(no_receiver(&rest[..length])),
            // One that ends TCP without a word in TLS has ended as well.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(io::ErrorKind::TimedOut.into()),
            Err(error) => Err(error),
        }
    }
}

/// What sends something to a sender has not taken its records.
fn no_receiver(told: &[u8]) -> io::Error {
    let what = String::from_utf8_lossy(&told[..told.len().min(40)]).escape_debug().to_string();
    io::Error::other(format!("the other side is not a receiver of records: it sends \"{what}\""))
}

/// A TCP connection to one of the addresses that a host has.
fn connect(address: &NetworkAddress, known: &mut Vec<SocketAddr>) -> io::Result<TcpStream> {
    match (address.host.as_str(), address.port).to_socket_addrs() {
        Ok(found) => *known = found.collect(),
        Err(error) if known.is_empty() => return Err(error),
        Err(_) => {}
    }
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for found in known {
        match TcpStream::connect_timeout(found, CONNECTING) {
            Ok(socket) => {
                socket.set_nodelay(true)?;
                // A handshake that nobody answers ends; what is sent later may be waited for.
                socket.set_read_timeout(Some(CONNECTING))?;
                keep_alive(&socket);
                return Ok(socket);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Has the kernel look whether the other side is still there while nothing is sent.
fn keep_alive(socket: &TcpStream) {
    // Where it cannot, an end is noticed when something is sent.
    let _ = sockopt::set_socket_keepalive(socket, true)
        .and_then(|()| sockopt::set_tcp_keepidle(socket, Duration::from_mins(1)))
        .and_then(|()| sockopt::set_tcp_keepintvl(socket, Duration::from_secs(20)));
}

impl Read for NetworkStream {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            NetworkStream::Plain(socket) => socket.read(out),
            NetworkStream::ToServer(stream) => stream.read(out),
            NetworkStream::FromClient(stream) => stream.read(out),
        }
    }
}

impl Write for NetworkStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            NetworkStream::Plain(socket) => socket.write(bytes),
            NetworkStream::ToServer(stream) => stream.write(bytes),
            NetworkStream::FromClient(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            NetworkStream::Plain(socket) => socket.flush(),
            NetworkStream::ToServer(stream) => stream.flush(),
            NetworkStream::FromClient(stream) => stream.flush(),
        }
    }
}
