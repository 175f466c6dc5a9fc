//! A stream of bytes to a server: TCP or a Unix socket, with TLS on it or without.

use std::io::{self, BufRead, ErrorKind, IoSlice, Read, Write};
use std::net::SocketAddr;

use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token};
use rustls::ClientConnection as TlsSession;

use super::addresses::ServerAddress;
use super::tls::TlsClient;

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

/// A read or a write, tried again when a signal came in between.
fn moved(mut operation: impl FnMut() -> io::Result<usize>) -> Moved {
    loop {
        return match operation() {
            Ok(0) => Moved::End,
            Ok(length) => Moved::Bytes(length),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == ErrorKind::WouldBlock => Moved::Nothing,
            Err(error) => Moved::Broken(error),
        };
    }
}

/// A socket that does not block.
#[derive(Debug)]
enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    fn connect(address: &ServerAddress) -> io::Result<Self> {
        match address {
            ServerAddress::Ip(address) => TcpStream::connect(*address).map(Socket::Tcp),
            ServerAddress::Unix(path) => UnixStream::connect(path).map(Socket::Unix),
        }
    }

    fn as_source(&mut self) -> &mut dyn Source {
        match self {
            Socket::Tcp(stream) => stream,
            Socket::Unix(stream) => stream,
        }
    }

    /// Whether connecting has come to an end, and a good one.
    fn is_connected(&self) -> io::Result<bool> {
        let connected = match self {
            Socket::Tcp(stream) => stream.take_error()?.map_or_else(|| stream.peer_addr().map(|_| ()), Err),
            Socket::Unix(stream) => stream.take_error()?.map_or_else(|| stream.peer_addr().map(|_| ()), Err),
        };
        match connected {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn peek(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => stream.peek(buffer),
            Socket::Unix(stream) => {
                use rustix::net::{RecvFlags, recv};
                Ok(recv(&*stream, &mut buffer[..], RecvFlags::PEEK)?.0)
            }
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => stream.read(buffer),
            Socket::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => stream.write(bytes),
            Socket::Unix(stream) => stream.write(bytes),
        }
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => stream.write_vectored(pieces),
            Socket::Unix(stream) => stream.write_vectored(pieces),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A connection's bytes on their way.
#[derive(Debug)]
pub(super) struct Transport {
    socket: Socket,
    tls: Option<Box<TlsSession>>,
    /// Whether the socket, as far as it was connected, has nothing more to be read for now.
    is_drained: bool,
}

impl Transport {
    /// Begins to connect. The event loop learns of everything that happens.
    pub(super) fn connect(
        address: &ServerAddress,
        tls: Option<&TlsClient>,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Self> {
        let mut socket = Socket::connect(address)?;
        registry.register(socket.as_source(), token, Interest::READABLE | Interest::WRITABLE)?;
        let session = |client: &TlsClient| TlsSession::new(client.config.clone(), client.name.clone());
        let tls = tls.map(session).transpose().map_err(io::Error::other)?.map(Box::new);
        Ok(Transport { socket, tls, is_drained: false })
    }

    /// Has the event loop tell nothing more of it, until it is resumed.
    pub(super) fn park(&mut self, registry: &Registry) -> io::Result<()> {
        registry.deregister(self.socket.as_source())
    }

    /// Has the event loop tell of it again, by another token maybe.
    pub(super) fn resume(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(self.socket.as_source(), token, Interest::READABLE | Interest::WRITABLE)
    }

    /// Whether the socket is connected; TLS begins then.
    pub(super) fn is_connected(&self) -> io::Result<bool> {
        if !self.socket.is_connected()? {
            return Ok(false);
        }
        if let Socket::Tcp(stream) = &self.socket {
            // Requests go out whole: waiting to fill packets would only delay them.
            stream.set_nodelay(true)?;
        }
        Ok(true)
    }

    /// Goes on with the handshake of TLS; whether there is none, or it has come to a good end.
    pub(super) fn is_secured(&mut self) -> io::Result<bool> {
        loop {
            match self.flush() {
                Moved::Broken(error) => return Err(error),
                Moved::Nothing | Moved::Bytes(_) | Moved::End => {}
            }
            let Some(tls) = &self.tls else { return Ok(true) };
            if !tls.is_handshaking() {
                return Ok(true);
            }
            match self.read_records() {
                Moved::Bytes(_) => {}
                Moved::Nothing => return Ok(false),
                Moved::End => return Err(ErrorKind::UnexpectedEof.into()),
                Moved::Broken(error) => return Err(error),
            }
        }
    }

    /// Whether there is TLS on it.
    pub(super) fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// The addresses of both ends, where they are IP addresses.
    pub(super) fn ends(&self) -> Option<(SocketAddr, SocketAddr)> {
        match &self.socket {
            Socket::Tcp(stream) => Some((stream.local_addr().ok()?, stream.peer_addr().ok()?)),
            Socket::Unix(_) => None,
        }
    }

    /// Reads what is there into `buffer`.
    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> Moved {
        let Some(tls) = &mut self.tls else {
            let moved = moved(|| self.socket.read(buffer));
            // A read that did not fill the buffer took everything.
            self.is_drained = match moved {
                Moved::Bytes(length) => length < buffer.len(),
                _ => true,
            };
            return moved;
        };
        match moved(|| tls.reader().read(buffer)) {
            Moved::Nothing => match self.read_records() {
                Moved::Bytes(_) => self.receive(buffer),
                other => other,
            },
            other => other,
        }
    }

    /// Looks at what is there, and leaves it there.
    pub(super) fn peek(&mut self, buffer: &mut [u8]) -> Moved {
        let Some(tls) = &mut self.tls else { return moved(|| self.socket.peek(buffer)) };
        let looked = moved(|| {
            let mut reader = tls.reader();
            let there = reader.fill_buf()?;
            let length = there.len().min(buffer.len());
            buffer[..length].copy_from_slice(&there[..length]);
            Ok(length)
        });
        match looked {
            Moved::Nothing => match self.read_records() {
                Moved::Bytes(_) => self.peek(buffer),
                other => other,
            },
            other => other,
        }
    }

    /// Whether there is nothing more to be read before an event tells of something.
    pub(super) fn is_drained(&self, filled: bool) -> bool {
        self.is_drained && !filled
    }

    /// Takes records of TLS from the socket, and answers those that ask for it.
    fn read_records(&mut self) -> Moved {
        let Some(tls) = &mut self.tls else { return Moved::Nothing };
        let mut socket = Draining { socket: &mut self.socket, is_drained: &mut self.is_drained };
        let length = match moved(|| tls.read_tls(&mut socket)) {
            Moved::Bytes(length) => length,
            // Without a farewell: somebody may have cut the stream (RFC 8446 §6.1).
            Moved::End if !tls.is_handshaking() => {
                return Moved::Broken(io::Error::new(
                    ErrorKind::UnexpectedEof,
                    "closed without a TLS close_notify",
                ));
            }
            other => return other,
        };
        let read = tls.process_new_packets().map_err(|error| io::Error::new(ErrorKind::InvalidData, error));
        // An alert tells the other side what is wrong, even then.
        let flushed = self.flush();
        match (read, flushed) {
            (Err(error), _) | (_, Moved::Broken(error)) => Moved::Broken(error),
            _ => Moved::Bytes(length),
        }
    }

    /// Writes as much as the kernel takes, and TLS has room for.
    pub(super) fn send(&mut self, pieces: [IoSlice<'_>; 2]) -> Moved {
        let [head, body] = pieces;
        let Some(tls) = &mut self.tls else {
            return match moved(|| {
                if body.is_empty() {
                    self.socket.write(&head)
                } else {
                    self.socket.write_vectored(&[head, body])
                }
            }) {
                Moved::End => Moved::Nothing,
                other => other,
            };
        };
        let written = moved(|| tls.writer().write_vectored(&[head, body]));
        match (written, self.flush()) {
            (_, Moved::Broken(error)) => Moved::Broken(error),
            (Moved::End, _) => Moved::Nothing,
            (other, _) => other,
        }
    }

    /// Whether bytes that were taken wait for the kernel.
    pub(super) fn has_unsent(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }

    /// Hands bytes that wait to the kernel, as far as it takes them.
    pub(super) fn flush(&mut self) -> Moved {
        let Some(tls) = &mut self.tls else { return Moved::Nothing };
        while tls.wants_write() {
            match moved(|| tls.write_tls(&mut self.socket)) {
                Moved::Bytes(_) => {}
                other => return other,
            }
        }
        Moved::Nothing
    }
}

/// A socket that notices when nothing more is there.
struct Draining<'a> {
    socket: &'a mut Socket,
    is_drained: &'a mut bool,
}

impl Read for Draining<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.socket.read(buffer);
        *self.is_drained = read.as_ref().map_or(true, |length| *length < buffer.len());
        read
    }
}
