//! A connection to a receiver, whatever carries the records.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;

use super::address::NetworkAddress;
use super::handshake::Asking;
use super::message_writer::MessageWriter;
use super::piece::Piece;
use super::stream::NetworkStream;
use crate::tls::trust_hint;
use crate::{Error, Result};

/// How often a wait for the receiver is broken off, to look whether to go on.
pub(super) const LOOK: Duration = Duration::from_millis(50);

/// How connections to a receiver are made.
pub(super) struct Route {
    pub(super) address: NetworkAddress,
    /// Addresses that its host had when it was looked up last.
    pub(super) known: Vec<SocketAddr>,
    pub(super) tls: Option<Arc<ClientConfig>>,
    /// What it is asked for, where records are messages of a WebSocket.
    pub(super) asking: Option<Asking>,
}

/// A connection.
pub(super) enum ReceiverConnection {
    Stream(NetworkStream),
    Messages(Box<MessageWriter>),
}

impl ReceiverConnection {
    /// A connection that makes nobody wait for long without a look whether to go on.
    pub(super) fn connect(route: &mut Route) -> Result<Self> {
        let Route { address, known, tls, asking } = route;
        let stream = NetworkStream::connect(address, known, tls.as_ref())?;
        let outlet = match asking {
            None => ReceiverConnection::Stream(stream),
            Some(asking) => {
                let asked = MessageWriter::connect(stream, asking).map_err(|error| {
                    let why = format!("{error}{}", trust_hint(&error));
                    Error::Invalid(why).at(address.to_string())
                });
                ReceiverConnection::Messages(Box::new(asked?))
            }
        };
        let socket = match &outlet {
            ReceiverConnection::Stream(stream) => stream.socket(),
            ReceiverConnection::Messages(messages) => messages.stream().socket(),
        };
        socket.set_read_timeout(Some(LOOK))?;
        socket.set_write_timeout(Some(LOOK))?;
        Ok(outlet)
    }

    /// Sends a part of a piece from `at` on; how many bytes of it comes back.
    pub(super) fn write(&mut self, piece: &Piece, at: usize) -> io::Result<usize> {
        match self {
            ReceiverConnection::Stream(stream) => {
                stream.check_open()?;
                stream.write(&piece.bytes[at..])
            }
            ReceiverConnection::Messages(messages) => messages.write(piece, at),
        }
    }

    /// Does what is to be done while there is nothing to send.
    pub(super) fn idle(&mut self) -> io::Result<()> {
        match self {
            ReceiverConnection::Stream(_) => Ok(()),
            ReceiverConnection::Messages(messages) => messages.idle(),
        }
    }

    /// Whether the record that is being sent is longer than the receiver takes.
    pub(super) fn has_refused_length(&self) -> bool {
        matches!(self, ReceiverConnection::Messages(messages) if messages.has_refused_length())
    }

    /// Has the receiver know that this was all, and waits until it has taken it.
    pub(super) fn end(self, patience: Duration) -> io::Result<()> {
        match self {
            ReceiverConnection::Stream(stream) => stream.end(patience),
            ReceiverConnection::Messages(messages) => messages.end(patience),
        }
    }
}
