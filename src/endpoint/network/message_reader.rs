//! Records that come as messages of a WebSocket, one in each: the messages of one sender.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use tungstenite::error::{CapacityError, ProtocolError};
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{CloseFrame, Role, WebSocket, WebSocketConfig};
use tungstenite::{Error as WebSocketError, Message};

use super::handshake::{Demands, Refusal, io_error};
use super::sender_bytes::SenderBytes;
use crate::endpoint::Notice;
use crate::endpoint::reading::ReadOptions;
use crate::record::{Block, Intake, JoinedRecords, Reader, ReaderOptions, SEPARATOR, Source as _};
use crate::{Error, Position, Result};

/// Bytes of a block but for its last record, and of what is read at once.
const BLOCK: usize = 1 << 16;

/// A message may be so much longer than a record may be, and is skipped. Behind one that is still longer nothing is read.
const SLACK: u64 = 1 << 20;

/// Longest frame. Memory is taken for a whole frame when its header comes, so a frame may not be as long as any record.
const MAX_FRAME: usize = 64 << 20;

/// How long a sender is waited for that was told to end.
const PATIENCE: Duration = Duration::from_secs(1);

/// The records of one sender.
pub(super) struct MessageReader {
    name: String,
    state: MessageState,
    intake: Intake,
    joined: JoinedRecords,
    /// What ended the connection, behind records that are still to be handed out.
    failure: Option<Error>,
}

enum MessageState {
    Asked(Box<SenderBytes>, Arc<Demands>),
    Open(Box<WebSocket<SenderBytes>>),
    Ended,
}

/// What a sender said.
enum Heard {
    Message(Message),
    /// Nothing more at the moment, or until reading is to end.
    Nothing,
    /// It has ended the connection as it should.
    End,
}

impl MessageReader {
    pub(super) fn new(name: &str, bytes: SenderBytes, demands: Arc<Demands>) -> Self {
        MessageReader {
            name: name.to_owned(),
            state: MessageState::Asked(Box::new(bytes), demands),
            intake: Intake::default(),
            joined: JoinedRecords::default(),
            failure: None,
        }
    }

    pub(super) fn intake(&self) -> Intake {
        self.intake
    }

    pub(super) fn joined(&self) -> JoinedRecords {
        self.joined
    }

    /// The next records; none at the end.
    pub(super) fn read_block(&mut self, block: &mut Block) -> Result<bool> {
        block.clear();
        let mut socket = match std::mem::replace(&mut self.state, MessageState::Ended) {
            MessageState::Ended => return self.failure.take().map_or(Ok(false), Err),
            MessageState::Open(socket) => socket,
            MessageState::Asked(bytes, demands) => match self.answer(*bytes, &demands)? {
                Some(socket) => Box::new(socket),
                None => return Ok(false),
            },
        };
        match self.take_messages(&mut socket, block) {
            Ok(true) => self.state = MessageState::Open(socket),
            Ok(false) => {}
            Err((code, error)) => {
                let _ = socket.close(Some(CloseFrame { code, reason: "".into() }));
                socket.get_mut().close_after_drain();
                self.failure = Some(error);
            }
        }
        if block.is_empty() {
            return self.failure.take().map_or(Ok(false), Err);
        }
        Ok(true)
    }

    /// Answers the handshake. None: there is no connection, and that is no loss.
    fn answer(
        &mut self,
        mut bytes: SenderBytes,
        demands: &Demands,
    ) -> Result<Option<WebSocket<SenderBytes>>> {
        let how = bytes.how.clone();
        match demands.answer(&mut bytes) {
            Ok(rest) => {
                bytes.begin_messages(&rest);
                let most = how.max_record.saturating_add(SLACK);
                let most = usize::try_from(most).unwrap_or(usize::MAX);
                let config = WebSocketConfig::default()
                    .read_buffer_size(BLOCK)
                    .write_buffer_size(0)
                    .max_write_buffer_size(1 << 20)
                    .max_message_size(Some(most))
                    .max_frame_size(Some(most.min(MAX_FRAME)));
                Ok(Some(WebSocket::from_partially_read(bytes, rest, Role::Server, Some(config))))
            }
            Err(Refusal::Gone) => Ok(None),
            Err(Refusal::Denied(why)) => {
                bytes.close_after_drain();
                (how.tell)(&Notice::Failed(&Error::Invalid(why).at(self.name.as_str())));
                Ok(None)
            }
            Err(Refusal::Garbage(why)) => {
                bytes.close_after_drain();
                Err(Error::Invalid(why))
            }
            // Reading is to end.
            Err(Refusal::Failed(error)) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(Refusal::Failed(error)) => Err(error.into()),
        }
    }

    /// Takes as many messages as there are, but waits for the first. False: the connection has ended.
    fn take_messages(
        &mut self,
        socket: &mut WebSocket<SenderBytes>,
        block: &mut Block,
    ) -> Result<bool, (CloseCode, Error)> {
        let how = socket.get_ref().how.clone();
        while block.bytes().len() < BLOCK {
            socket.get_mut().waits = block.is_empty();
            let heard = self.hear(socket)?;
            match heard {
                Heard::Message(message) => {
                    socket.get_mut().restart(false);
                    if let Message::Text(_) | Message::Binary(_) = message {
                        self.take(&message.into_data(), block, &how)
                            .map_err(|error| (CloseCode::Invalid, error))?;
                    }
                }
                Heard::Nothing if !block.is_empty() => return Ok(true),
                Heard::Nothing if socket.get_ref().is_ending() => {
                    return is_whole_at_end(socket).map(|()| false);
                }
                Heard::Nothing => {
                    // The sender is told to end, and may end its message.
                    socket.get_mut().wait_for_end(PATIENCE);
                    let _ = socket.close(Some(CloseFrame { code: CloseCode::Away, reason: "".into() }));
                }
                Heard::End => return is_whole_at_end(socket).map(|()| false),
            }
        }
        Ok(true)
    }

    /// Waits for what the sender says next.
    fn hear(&mut self, socket: &mut WebSocket<SenderBytes>) -> Result<Heard, (CloseCode, Error)> {
        loop {
            let error = match socket.read() {
                Ok(message) => return Ok(Heard::Message(message)),
                Err(error) => error,
            };
            let failed = match error {
                WebSocketError::ConnectionClosed | WebSocketError::AlreadyClosed => return Ok(Heard::End),
                WebSocketError::Io(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Ok(Heard::Nothing);
                }
                WebSocketError::Io(error) if error.kind() == ErrorKind::Interrupted => continue,
                WebSocketError::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
                    is_whole_at_end(socket)?;
                    let why = "the connection ended without a close frame; records may be missing";
                    (CloseCode::Away, Error::Invalid(why.into()))
                }
                WebSocketError::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
                    return Err(self.refuse_length(size, max_size, &socket.get_ref().how));
                }
                WebSocketError::Utf8(_) => {
                    let why = "cut off: a text message is not UTF-8; records are sent in binary messages";
                    (CloseCode::Invalid, Error::Invalid(why.into()))
                }
                WebSocketError::Io(error) => (CloseCode::Policy, error.into()),
                error => {
                    let why = format!("cut off: {}", io_error(error));
                    (CloseCode::Protocol, io::Error::other(why).into())
                }
            };
            return Err(failed);
        }
    }

    /// A message or a frame is so long that it is not even skipped.
    fn refuse_length(&mut self, size: usize, most: usize, how: &ReadOptions) -> (CloseCode, Error) {
        let error = if size as u64 > how.max_record {
            let position = self.position();
            self.intake.too_large += 1;
            self.intake.first_too_large.get_or_insert(position);
            let cause = Error::RecordTooLarge { position, limit: how.max_record };
            Error::Invalid(format!("cut off: {cause}"))
        } else {
            Error::Invalid(format!("cut off: a frame of {size} bytes; a frame has at most {most}"))
        };
        (CloseCode::Size, error)
    }

    /// Where the next message stands.
    fn position(&self) -> Position {
        let Intake { records, malformed, lost, too_large, bytes, .. } = self.intake;
        Position { record: records + malformed + lost + too_large + 1, byte: bytes }
    }

    /// Adds what a message holds to `block`.
    fn take(&mut self, text: &[u8], block: &mut Block, how: &ReadOptions) -> Result<()> {
        // The end of the message is the end of its last record.
        let ending = if text.ends_with(SEPARATOR) { &[][..] } else { SEPARATOR };
        let whole = [text, ending].concat();
        let options = ReaderOptions { most_read: BLOCK, ..how.reader_options() };
        let mut reader = Reader::new(&whole[..], options).starting_at(self.position());
        let mut found = Block::new();
        let read = loop {
            match reader.read_block(&mut found) {
                Ok(true) => found.runs_in(0..found.len()).for_each(|run| block.append(&run)),
                Ok(false) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        let intake = Intake { bytes: text.len() as u64, ..reader.intake() };
        self.intake = self.intake.join(&intake);
        self.joined = self.joined.join(&reader.joined());
        read
    }
}

/// Whether nothing has come in part of a connection that has ended.
fn is_whole_at_end(socket: &WebSocket<SenderBytes>) -> Result<(), (CloseCode, Error)> {
    if !socket.get_ref().is_inside_message() {
        return Ok(());
    }
    let why = "the connection ended inside a record, which is left out";
    Err((CloseCode::Away, Error::Invalid(why.into())))
}
