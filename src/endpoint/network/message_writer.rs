//! Records that are sent as messages of a WebSocket, one in each.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tungstenite::protocol::frame::{CloseFrame, Frame};
use tungstenite::protocol::{WebSocket, WebSocketConfig};
use tungstenite::{Bytes, Error as WebSocketError, Message};

use super::handshake::{Asking, io_error};
use super::piece::Piece;
use super::stream::NetworkStream;

/// Bytes that are made ready at once, and longest frame: a longer record is several frames.
const READY: usize = 64 << 10;

/// Longest message that a receiver may send; what it says is not of interest.
const MAX_ANSWER: usize = 1 << 20;

/// A connection whose frames are made ready first, so that it is known which of them the kernel took whole.
struct Corked {
    stream: NetworkStream,
    /// The handshake is not held back.
    is_open: bool,
    ready: Vec<u8>,
    /// How much of that was sent.
    sent: usize,
}

impl Corked {
    fn is_empty(&self) -> bool {
        self.sent == self.ready.len()
    }

    /// Sends what is ready, as far as the kernel takes it at once.
    fn push(&mut self) -> io::Result<()> {
        if !self.is_empty() {
            match self.stream.write(&self.ready[self.sent..])? {
                0 => return Err(ErrorKind::WriteZero.into()),
                sent => self.sent += sent,
            }
        }
        Ok(())
    }
}

impl Read for Corked {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.stream.read(out)
    }
}

impl Write for Corked {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_open {
            self.ready.extend_from_slice(bytes);
            return Ok(bytes.len());
        }
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.is_open { Ok(()) } else { self.stream.flush() }
    }
}

/// A connection that sends each record as a binary message.
pub(super) struct MessageWriter {
    socket: WebSocket<Corked>,
    /// Where in what is ready each record ends, and its length.
    ends: VecDeque<(usize, usize)>,
    /// Bytes of the record that is not ready to its end.
    inside: usize,
    /// Whether a record was sent whole.
    has_sent: bool,
    /// What the receiver closed the connection with.
    closed: Option<CloseCode>,
}

impl MessageWriter {
    /// Asks a receiver for a WebSocket over a connection that was made to it.
    pub(super) fn connect(stream: NetworkStream, asking: &Asking) -> io::Result<Self> {
        let config = WebSocketConfig::default()
            .read_buffer_size(4096)
            .write_buffer_size(0)
            .max_message_size(Some(MAX_ANSWER))
            .max_frame_size(Some(MAX_ANSWER));
        let corked = Corked { stream, is_open: false, ready: Vec::new(), sent: 0 };
        let mut socket = asking.ask(corked, config)?;
        socket.get_mut().is_open = true;
        Ok(MessageWriter { socket, ends: VecDeque::new(), inside: 0, has_sent: false, closed: None })
    }

    pub(super) fn stream(&self) -> &NetworkStream {
        &self.socket.get_ref().stream
    }

    /// Whether the receiver has refused the length of the only record that it got a part of.
    pub(super) fn has_refused_length(&self) -> bool {
        self.closed == Some(CloseCode::Size) && !self.has_sent
    }

    /// Sends records of a piece from `at` on, where one begins. How many bytes of whole records were sent comes back.
    pub(super) fn write(&mut self, piece: &Piece, at: usize) -> io::Result<usize> {
        self.hear()?;
        if self.socket.get_ref().is_empty() {
            self.make_ready(piece, at)?;
        }
        let corked = self.socket.get_mut();
        corked.push()?;
        let sent = corked.sent;
        let mut length = 0;
        while let Some((_, record)) = self.ends.pop_front_if(|(end, _)| *end <= sent) {
            length += record;
            self.has_sent = true;
        }
        Ok(length)
    }

    /// Makes frames of the records from `at` on, behind what was made ready of the first.
    fn make_ready(&mut self, piece: &Piece, at: usize) -> io::Result<()> {
        let corked = self.socket.get_mut();
        corked.ready.clear();
        corked.sent = 0;
        let mut start = at;
        while start < piece.bytes.len() && self.socket.get_ref().ready.len() < READY {
            let end = piece.end_of(start);
            let from = start + self.inside;
            let to = end.min(from + READY);
            let data = if self.inside == 0 { Data::Binary } else { Data::Continue };
            let bytes = Bytes::copy_from_slice(&piece.bytes[from..to]);
            let frame = Frame::message(bytes, OpCode::Data(data), to == end);
            self.socket.write(Message::Frame(frame)).map_err(io_error)?;
            if to < end {
                self.inside += to - from;
                break;
            }
            self.inside = 0;
            self.ends.push_back((self.socket.get_ref().ready.len(), end - start));
            start = end;
        }
        Ok(())
    }

    /// Looks at what the receiver says, and answers it, without waiting. It is an error that it has ended the connection.
    pub(super) fn hear(&mut self) -> io::Result<()> {
        if !self.stream().has_bytes() {
            return Ok(());
        }
        self.stream().socket().set_nonblocking(true)?;
        let heard = self.drain();
        self.stream().socket().set_nonblocking(false)?;
        if heard.is_err() {
            // A record that it has most of may come to it whole, and so it knows that we have heard it.
            let _ = self.socket.flush();
            let corked = self.socket.get_mut();
            while !corked.is_empty() && corked.push().is_ok() {}
        }
        heard
    }

    fn drain(&mut self) -> io::Result<()> {
        loop {
            match self.socket.read() {
                Ok(Message::Close(frame)) => {
                    let code = frame.map_or(CloseCode::Status, |frame| frame.code);
                    self.closed = Some(code);
                    return Err(io::Error::other(format!(
                        "the receiver closed it with code {}",
                        u16::from(code)
                    )));
                }
                Ok(_) => {}
                Err(WebSocketError::Io(error)) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(WebSocketError::Io(error)) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(io_error(error)),
            }
        }
    }

    /// Answers what the receiver asked while there is nothing to send.
    pub(super) fn idle(&mut self) -> io::Result<()> {
        self.hear()?;
        match self.socket.flush() {
            Ok(()) => {}
            Err(error) => return Err(io_error(error)),
        }
        match self.socket.get_mut().push() {
            Err(error) if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                Err(error)
            }
            _ => Ok(()),
        }
    }

    /// Says that nothing more will be sent, and waits until the receiver says so as well: it has taken all.
    pub(super) fn end(mut self, patience: Duration) -> io::Result<()> {
        self.hear()?;
        let until = Instant::now() + patience;
        let is_passing =
            |error: &io::Error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted);
        self.socket
            .close(Some(CloseFrame { code: CloseCode::Normal, reason: "".into() }))
            .map_err(io_error)?;
        while !self.socket.get_ref().is_empty() {
            match self.socket.get_mut().push() {
                Err(error) if !is_passing(&error) => return Err(error),
                _ if Instant::now() >= until => return Err(ErrorKind::TimedOut.into()),
                _ => {}
            }
        }
        loop {
            match self.socket.read() {
                Ok(Message::Close(frame)) => {
                    let code = frame.map_or(CloseCode::Status, |frame| frame.code);
                    // The answer has our code, or none.
                    if matches!(code, CloseCode::Normal | CloseCode::Status) {
                        return Ok(());
                    }
                    return Err(io::Error::other(format!(
                        "it closed the connection with code {}",
                        u16::from(code)
                    )));
                }
                Ok(_) => {}
                Err(WebSocketError::Io(error)) if is_passing(&error) => {}
                Err(error) => return Err(io_error(error)),
            }
            if Instant::now() >= until {
                return Err(ErrorKind::TimedOut.into());
            }
        }
    }
}
