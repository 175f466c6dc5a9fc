//! Bytes that one thread reads ahead for another, so many pieces at most.

use std::io::{self, ErrorKind, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

/// Bytes decompressed at once.
const PIECE: usize = 1 << 18;

/// Pieces of a place that wait to be read. With those in the hands of the two
/// threads, 3 MiB a place.
const PIECES_WAITING: usize = 10;

/// Reads `input` on a thread of its own, and gives what was read.
pub(super) fn pump(input: impl Read + Send + 'static) -> io::Result<PieceReader> {
    let (pieces, writer) = PieceReader::new();
    thread::Builder::new().name("decoder".to_owned()).spawn(move || writer.run(input))?;
    Ok(pieces)
}

/// What the thread that reads hands on.
enum PumpItem {
    Piece(Vec<u8>),
    Failed(io::Error),
    End,
}

/// The bytes another thread has read.
pub(super) struct PieceReader {
    messages: Receiver<PumpItem>,
    used: Sender<Vec<u8>>,
    piece: Vec<u8>,
    given: usize,
    is_over: bool,
}

/// The other end.
pub(super) struct PieceWriter {
    messages: SyncSender<PumpItem>,
    used: Receiver<Vec<u8>>,
}

impl PieceReader {
    pub(super) fn new() -> (Self, PieceWriter) {
        let (to_reader, messages) = sync_channel(PIECES_WAITING);
        let (used, free) = channel();
        let pieces = PieceReader { messages, used, piece: Vec::new(), given: 0, is_over: false };
        (pieces, PieceWriter { messages: to_reader, used: free })
    }
}

impl PieceWriter {
    /// Reads to the end, or until nobody wants more.
    pub(super) fn run(self, mut input: impl Read) {
        loop {
            let mut piece = self.used.try_recv().unwrap_or_default();
            piece.resize(PIECE, 0);
            let message = match input.read(&mut piece) {
                Ok(0) => PumpItem::End,
                Ok(length) => {
                    piece.truncate(length);
                    PumpItem::Piece(piece)
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => PumpItem::Failed(error),
            };
            let is_last = !matches!(message, PumpItem::Piece(_));
            if self.messages.send(message).is_err() || is_last {
                return;
            }
        }
    }
}

impl Read for PieceReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.given == self.piece.len() {
            if self.is_over {
                return Ok(0);
            }
            match self.messages.recv() {
                Ok(PumpItem::Piece(piece)) => {
                    // The other thread may be done with pieces.
                    let _ = self.used.send(std::mem::replace(&mut self.piece, piece));
                    self.given = 0;
                }
                Ok(PumpItem::End) => self.is_over = true,
                Ok(PumpItem::Failed(error)) => {
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
pub(super) fn thread_lost() -> io::Error {
    io::Error::other("a thread ended before its work was done")
}
