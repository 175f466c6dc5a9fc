//! Places opened and decompressed on other threads, before their turn.
//!
//! A plain file is opened ahead and read by whoever wants its bytes; of a
//! compressed one, so many pieces are decompressed ahead.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::bytes::{Bytes, Coded, open_coded};
use super::place::Found;
use super::reading::ReadOptions;
use crate::{Position, Result};

/// Places open at a time: the one that is read, and those after it.
const PLACES_OPEN: usize = 4;

/// Bytes decompressed at once.
const PIECE: usize = 1 << 18;

/// Pieces of a place that wait to be read. With those in the hands of the two
/// threads, 3 MiB a place.
const PIECES_WAITING: usize = 10;

/// How often a wait for a place that does not open looks whether it is to end.
const STOP_CHECK: Duration = Duration::from_millis(100);

/// Places in their order, opened ahead.
pub(super) struct Ahead {
    rest: std::vec::IntoIter<Found>,
    opening: VecDeque<(Found, Receiver<Result<Opened>>)>,
    to_workers: Sender<Job>,
    jobs: Arc<Mutex<Receiver<Job>>>,
    workers: usize,
    how: ReadOptions,
}

/// A place to open, and where its bytes are to go.
type Job = (super::Place, SyncSender<Result<Opened>>);

/// The bytes of a place, and where in the stream of its records they begin.
type Opened = (Bytes, Position);

impl Ahead {
    /// Opens nothing yet.
    pub(super) fn new(places: Vec<Found>, how: &ReadOptions) -> Self {
        let (to_workers, jobs) = channel();
        Ahead {
            rest: places.into_iter(),
            opening: VecDeque::new(),
            to_workers,
            jobs: Arc::new(Mutex::new(jobs)),
            workers: 0,
            how: how.clone(),
        }
    }

    /// Leaves out the places that are not read yet.
    pub(super) fn stop(&mut self) {
        self.rest = Vec::new().into_iter();
        self.opening.clear();
    }

    /// The next place and its bytes, or why it has none. None: that was the
    /// last, or reading is to end.
    pub(super) fn next(&mut self) -> Option<(Found, Result<Opened>)> {
        while self.opening.len() < PLACES_OPEN
            && let Some(found) = self.rest.next()
        {
            let (reply, opened) = sync_channel(1);
            if let Err(error) = self.hire() {
                return Some((found, Err(error.into())));
            }
            // The other end is in this struct.
            let _ = self.to_workers.send((found.place.clone(), reply));
            self.opening.push_back((found, opened));
        }
        let (found, opened) = self.opening.pop_front()?;
        loop {
            match opened.recv_timeout(STOP_CHECK) {
                Ok(bytes) => return Some((found, bytes)),
                Err(RecvTimeoutError::Disconnected) => return Some((found, Err(thread_lost().into()))),
                // A named pipe that nobody writes to does not even open.
                Err(RecvTimeoutError::Timeout) if self.how.is_over() => return None,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Starts a worker for each place that is open at a time: one that
    /// waits for its bytes must not keep the others.
    fn hire(&mut self) -> io::Result<()> {
        if self.workers < PLACES_OPEN {
            let (jobs, how) = (Arc::clone(&self.jobs), self.how.clone());
            thread::Builder::new().name("opener".to_owned()).spawn(move || work(&jobs, &how))?;
            self.workers += 1;
        }
        Ok(())
    }
}

/// Opens and decompresses places until there are no more.
fn work(jobs: &Mutex<Receiver<Job>>, how: &ReadOptions) {
    loop {
        let job = jobs.lock().map(|jobs| jobs.recv());
        let Ok(Ok((place, reply))) = job else { return };
        let (bytes, work) = match open_coded(&place, how) {
            Ok((Coded::Plain(bytes), start)) => (Ok((bytes, start)), None),
            Ok((Coded::Compressed(decoder), start)) => {
                let (pieces, writer) = Pieces::new();
                (Ok((Box::new(pieces) as Bytes, start)), Some((decoder, writer)))
            }
            Err(error) => (Err(error), None),
        };
        // Nobody waits for it any more: what it was opened for has ended.
        let is_wanted = reply.send(bytes).is_ok();
        if let Some((decoder, writer)) = work.filter(|_| is_wanted) {
            writer.run(decoder);
        }
    }
}

/// Reads `input` on a thread of its own, and gives what was read.
pub(super) fn pump(input: Bytes) -> io::Result<Bytes> {
    let (pieces, writer) = Pieces::new();
    thread::Builder::new().name("decoder".to_owned()).spawn(move || writer.run(input))?;
    Ok(Box::new(pieces))
}

/// What the thread that reads hands on.
enum Message {
    Piece(Vec<u8>),
    Failed(io::Error),
    End,
}

/// The bytes another thread has read.
struct Pieces {
    messages: Receiver<Message>,
    used: Sender<Vec<u8>>,
    piece: Vec<u8>,
    given: usize,
    is_over: bool,
}

/// The other end.
struct Writer {
    messages: SyncSender<Message>,
    used: Receiver<Vec<u8>>,
}

impl Pieces {
    fn new() -> (Self, Writer) {
        let (to_reader, messages) = sync_channel(PIECES_WAITING);
        let (used, free) = channel();
        let pieces = Pieces { messages, used, piece: Vec::new(), given: 0, is_over: false };
        (pieces, Writer { messages: to_reader, used: free })
    }
}

impl Writer {
    /// Reads to the end, or until nobody wants more.
    fn run(self, mut input: Bytes) {
        loop {
            let mut piece = self.used.try_recv().unwrap_or_default();
            piece.resize(PIECE, 0);
            let message = match input.read(&mut piece) {
                Ok(0) => Message::End,
                Ok(length) => {
                    piece.truncate(length);
                    Message::Piece(piece)
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => Message::Failed(error),
            };
            let is_last = !matches!(message, Message::Piece(_));
            if self.messages.send(message).is_err() || is_last {
                return;
            }
        }
    }
}

impl Read for Pieces {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.given == self.piece.len() {
            if self.is_over {
                return Ok(0);
            }
            match self.messages.recv() {
                Ok(Message::Piece(piece)) => {
                    // The other thread may be done with pieces.
                    let _ = self.used.send(std::mem::replace(&mut self.piece, piece));
                    self.given = 0;
                }
                Ok(Message::End) => self.is_over = true,
                Ok(Message::Failed(error)) => {
                    self.is_over = true;
                    return Err(error);
                }
                Err(_) => return Err(thread_lost()),
            }
        }
        let length = out.len().min(self.piece.len() - self.given);
        out[..length].copy_from_slice(&self.piece[self.given..self.given + length]);
        self.given += length;
        Ok(length)
    }
}

/// A thread that ends early has panicked, and said so itself.
fn thread_lost() -> io::Error {
    io::Error::other("a thread ended before its work was done")
}
