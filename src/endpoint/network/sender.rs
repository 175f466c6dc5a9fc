//! An output that connects to a receiver and sends it records.
//!
//! Each connection has a thread and a bounded queue of pieces, each of whole records. What waits in a queue outlasts a
//! connection: another one is made, and begins with the record that the old one broke in.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::address::NetworkAddress;
use super::handshake::Asking;
use super::options::SendOptions;
use super::outlet::{LOOK, ReceiverConnection, Route};
use super::piece::Piece;
use crate::endpoint::backoff::jittered;
use crate::observe::{Count, Tell};
use crate::record::{Run, Sink, id_hash, session};
use crate::tls::client_config;
use crate::{Error, Result};

/// Bytes of a piece. A longer record is a piece of its own.
const PIECE: usize = 256 << 10;

/// Room in a piece for the record that fills it.
const SLACK: usize = 16 << 10;

/// Pieces that wait for a connection.
const WAITING: usize = 32;

/// The pauses between attempts to connect again: from the first, twice as long each time, up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(5);

/// How long a receiver that is away is waited for, once nothing more is to come, and how long for it to end a connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often a connection is looked at while nothing is sent.
const IDLE: Duration = Duration::from_millis(250);

/// One connection: the piece that is being filled, and what sends.
struct SenderConnection {
    piece: Piece,
    state: SenderConnectionState,
}

/// What sends. Its thread begins with the first piece: before it, rights are given up, which is for a process of one thread.
enum SenderConnectionState {
    Connected(Box<Sender>),
    Sending(SyncSender<Piece>, JoinHandle<Result<()>>),
    /// All was handed over.
    Ending(JoinHandle<Result<()>>),
    Ended,
}

impl SenderConnection {
    fn hand_over(&mut self) -> Result<()> {
        if self.piece.bytes.is_empty() {
            return Ok(());
        }
        let state = match std::mem::replace(&mut self.state, SenderConnectionState::Ended) {
            SenderConnectionState::Connected(sender) => {
                let (pieces, incoming) = sync_channel(WAITING);
                let thread = thread::Builder::new().name("sender".to_owned());
                SenderConnectionState::Sending(pieces, thread.spawn(move || sender.run(&incoming))?)
            }
            state => state,
        };
        self.state = state;
        // The next one is likely to be about as long.
        let room = (self.piece.bytes.len() + SLACK).min(PIECE + SLACK);
        let piece = std::mem::replace(&mut self.piece, Piece::with_room(room));
        let is_taken =
            matches!(&self.state, SenderConnectionState::Sending(pieces, _) if pieces.send(piece).is_ok());
        if is_taken { Ok(()) } else { self.end() }
    }

    /// Has the thread know that nothing more comes.
    fn close(&mut self) {
        self.state = match std::mem::replace(&mut self.state, SenderConnectionState::Ended) {
            SenderConnectionState::Sending(_, thread) => SenderConnectionState::Ending(thread),
            state => state,
        };
    }

    /// Waits until all is sent, after which nothing is taken any more.
    fn end(&mut self) -> Result<()> {
        self.close();
        match std::mem::replace(&mut self.state, SenderConnectionState::Ended) {
            SenderConnectionState::Connected(mut sender) => sender.finish(),
            SenderConnectionState::Ending(thread) => {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            }
            SenderConnectionState::Sending(..) | SenderConnectionState::Ended => Ok(()),
        }
    }
}

/// A receiver of records, over one connection or several.
pub(in crate::endpoint) struct NetworkSink {
    connections: Vec<SenderConnection>,
    is_sticky: bool,
    /// The connection whose turn it is.
    next: usize,
    /// Tells the threads that nothing more will come.
    is_ending: Arc<AtomicBool>,
}

impl NetworkSink {
    /// Connects, which must succeed at once the first time, unless the receiver is waited for.
    pub(in crate::endpoint) fn connect(
        address: &NetworkAddress,
        how: &SendOptions,
        tell: Option<Tell>,
    ) -> Result<Self> {
        let tls = address.is_secure().then(|| client_config(&how.tls).map(Arc::new)).transpose()?;
        let asking = address.is_websocket().then(|| Asking::new(address, how)).transpose()?;
        let mut connections = Vec::new();
        let is_ending = Arc::new(AtomicBool::new(false));
        for _ in 0..how.connections.get() {
            let (address, tls, asking) = (address.clone(), tls.clone(), asking.clone());
            let mut route = Route { address, known: Vec::new(), tls, asking };
            let outlet = match ReceiverConnection::connect(&mut route) {
                Ok(outlet) => Some(outlet),
                Err(error) if how.waits_for_receiver => {
                    if let (Some(tell), true) = (tell, connections.is_empty()) {
                        tell(&format_args!("{error}; trying again until the receiver is there"));
                    }
                    None
                }
                Err(error) => return Err(error),
            };
            let sender = Sender {
                route,
                outlet,
                is_stopping: Arc::clone(&how.is_stopping),
                is_ending: Arc::clone(&is_ending),
                give_up_at: None,
                has_sent: false,
                breaks: 0,
                tell,
            };
            connections.push(SenderConnection {
                piece: Piece::default(),
                state: SenderConnectionState::Connected(Box::new(sender)),
            });
        }
        Ok(NetworkSink { connections, is_sticky: how.is_sticky, next: 0, is_ending })
    }
}

impl NetworkSink {
    /// Each record to the connection of its session.
    fn write_by_session(&mut self, records: &Run<'_>) -> Result<()> {
        let number = self.connections.len() as u64;
        for (index, record) in records.iter().enumerate() {
            let connection = (id_hash(session(record.header.id)) % number) as usize;
            let connection = &mut self.connections[connection];
            connection.piece.append(&records.part(index..index + 1));
            if connection.piece.bytes.len() >= PIECE {
                connection.hand_over()?;
            }
        }
        Ok(())
    }

    /// Piece by piece to the connections in turn.
    fn write_in_turn(&mut self, records: &Run<'_>) -> Result<()> {
        let mut rest = records.clone();
        while !rest.is_empty() {
            let connection = &mut self.connections[self.next];
            let room = PIECE.saturating_sub(connection.piece.bytes.len());
            // Those that fit, and the one that fills the piece.
            let number = rest.ends().take_while(|end| *end < room).count() + 1;
            connection.piece.append(&rest.part(0..number));
            rest = rest.part(number..rest.len());
            if connection.piece.bytes.len() >= PIECE {
                connection.hand_over()?;
                self.next = (self.next + 1) % self.connections.len();
            }
        }
        Ok(())
    }
}

impl Sink for NetworkSink {
    fn write(&mut self, records: &Run<'_>) -> Result<()> {
        if self.is_sticky { self.write_by_session(records) } else { self.write_in_turn(records) }
    }

    fn flush(&mut self) -> Result<()> {
        for connection in &mut self.connections {
            // Its thread looks at a connection, once there is one.
            if let SenderConnectionState::Connected(sender) = &mut connection.state {
                sender.idle();
            }
            connection.hand_over()?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        self.is_ending.store(true, Ordering::Relaxed);
        let handed_over = self.flush();
        // All know that nothing more comes before any of them is waited for.
        self.connections.iter_mut().for_each(SenderConnection::close);
        let ended = self.connections.iter_mut().map(SenderConnection::end);
        ended.fold(handed_over, Result::and)
    }
}

/// The thread of a connection.
struct Sender {
    route: Route,
    outlet: Option<ReceiverConnection>,
    /// Turns true when the tool was asked to end.
    is_stopping: Arc<AtomicBool>,
    /// Turns true when nothing more is to come.
    is_ending: Arc<AtomicBool>,
    /// When the receiver is not waited for any more.
    give_up_at: Option<Instant>,
    /// Whether anything was sent.
    has_sent: bool,
    /// Connections that were lost.
    breaks: u64,
    tell: Option<Tell>,
}

impl Sender {
    fn run(mut self, pieces: &Receiver<Piece>) -> Result<()> {
        loop {
            let piece = match pieces.recv_timeout(IDLE) {
                Ok(piece) => piece,
                Err(RecvTimeoutError::Timeout) => {
                    self.idle();
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return self.finish(),
            };
            let mut sent = 0;
            if let Err(error) = self.send(&piece, &mut sent) {
                let records =
                    piece.records_after(sent) + pieces.iter().map(|piece| piece.ends.len()).sum::<usize>();
                let lost = Count(records as u64, "record");
                let why =
                    format!("{lost} could not be sent, and the last of those before may be missing: {error}");
                return Err(Error::Invalid(why).at(self.route.address.to_string()));
            }
        }
    }

    /// Looks at the connection while nothing is sent.
    fn idle(&mut self) {
        if let Some(Err(error)) = self.outlet.as_mut().map(ReceiverConnection::idle) {
            if self.has_sent {
                self.note_break(&error);
            } else {
                // Nothing can be missing.
                self.outlet = None;
            }
        }
    }

    /// Sends a piece from `at` on, over as many connections as it takes. `at` says how far it was sent.
    fn send(&mut self, piece: &Piece, at: &mut usize) -> Result<()> {
        self.has_sent = true;
        while *at < piece.bytes.len() {
            let Some(outlet) = &mut self.outlet else {
                self.connect_again()?;
                continue;
            };
            match outlet.write(piece, *at) {
                Ok(written) => *at += written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The receiver takes nothing at the moment.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.is_given_up() {
                        return Err(Error::Invalid("the receiver takes nothing more".into()));
                    }
                }
                Err(error) => {
                    *at = piece.start_of(*at);
                    if outlet.has_refused_length() {
                        let length = piece.end_of(*at) - *at;
                        *at += length;
                        self.tell(&format_args!(
                            "a record of {length} bytes is too long for the receiver, and left out"
                        ));
                    }
                    self.note_break(&error);
                }
            }
        }
        Ok(())
    }

    fn note_break(&mut self, error: &io::Error) {
        self.outlet = None;
        self.breaks += 1;
        self.tell(&format_args!("the connection was lost ({error}); connecting again"));
    }

    fn tell(&self, text: &dyn std::fmt::Display) {
        if let Some(tell) = self.tell {
            tell(&format_args!("{}: {text}", self.route.address));
        }
    }

    /// Connects until it succeeds, or the receiver is not waited for any more.
    fn connect_again(&mut self) -> Result<()> {
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match ReceiverConnection::connect(&mut self.route) {
                Ok(outlet) => {
                    self.outlet = Some(outlet);
                    return Ok(());
                }
                Err(error) => error,
            };
            let until = Instant::now() + jittered(pause);
            while Instant::now() < until {
                if self.is_given_up() {
                    return Err(error);
                }
                thread::sleep(LOOK.min(until.saturating_duration_since(Instant::now())));
            }
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    /// Whether the receiver was waited for long enough since the tool was asked to end.
    fn is_given_up(&mut self) -> bool {
        let flags = [&self.is_stopping, &self.is_ending];
        if !flags.iter().any(|flag| flag.load(Ordering::Relaxed)) {
            return false;
        }
        Instant::now() >= *self.give_up_at.get_or_insert_with(|| Instant::now() + PATIENCE)
    }

    /// Has the receiver know that this was all, and waits until it has taken it.
    fn finish(&mut self) -> Result<()> {
        self.end().map_err(|error| error.at(self.route.address.to_string()))
    }

    fn end(&mut self) -> Result<()> {
        if let Some(outlet) = self.outlet.take() {
            outlet.end(PATIENCE).map_err(|error| {
                let why = format!(
                    "the receiver did not confirm the end ({error}); the last records may be missing"
                );
                Error::Invalid(why)
            })?;
        }
        match self.breaks {
            0 => Ok(()),
            breaks => {
                let lost = Count(breaks, "connection");
                let why = format!("{lost} was lost while records were sent; some of them may be missing");
                Err(Error::Invalid(why))
            }
        }
    }
}
