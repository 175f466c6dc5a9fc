//! Bytes that one thread reads ahead for another, so many pieces at most.

use std::io::{self, ErrorKind, Read};
use std::ops::Range;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use crate::record::{TextFeed, hand_over};

/// Bytes read or decompressed at once.
const PIECE: usize = 1 << 19;

/// Pieces of a place that wait to be read. With those in the hands of the two
/// threads, 2 MiB a place: what is read should still be in the processor's cache when it is taken apart.
const PIECES_WAITING: usize = 2;

/// What may be left of a record at the end of a piece so that the next piece need not be copied behind it.
const ROOM: usize = 1 << 16;

/// Where in memory what is read should begin: to between 1 and 31 bytes behind such a place, which is where an allocator
/// puts large vectors, some processors copy three times as slowly.
const ALIGNMENT: usize = 1 << 12;

/// Reads `input` on a thread of its own, and gives what was read.
pub(super) fn pump(input: impl Read + Send + 'static) -> io::Result<PieceReader> {
    let (pieces, writer) = PieceReader::new();
    start("decoder", writer, input)?;
    Ok(pieces)
}

/// Reads the text of records on a thread of its own, which is handed over without being copied.
pub(super) fn read_ahead(input: impl Read + Send + 'static) -> io::Result<TextPieces> {
    let (pieces, writer) = pieces(ROOM);
    start("file reader", writer, input)?;
    Ok(TextPieces(pieces))
}

fn start(name: &str, writer: PieceWriter, input: impl Read + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.to_owned()).spawn(move || writer.run(input)).map(drop)
}

/// What the thread that reads hands on.
enum PumpItem {
    Piece(PumpedPiece),
    Failed(io::Error),
    End,
}

/// Bytes that were read, behind so much unused room.
struct PumpedPiece {
    bytes: Vec<u8>,
    room: usize,
}

/// Pieces that another thread has read, each with unused room at its front.
struct PumpedPieces {
    messages: Receiver<PumpItem>,
    used: Sender<Vec<u8>>,
    is_over: bool,
}

/// The other end.
pub(super) struct PieceWriter {
    messages: SyncSender<PumpItem>,
    used: Receiver<Vec<u8>>,
    room: usize,
}

fn pieces(room: usize) -> (PumpedPieces, PieceWriter) {
    let (to_reader, messages) = sync_channel(PIECES_WAITING);
    let (used, free) = channel();
    (PumpedPieces { messages, used, is_over: false }, PieceWriter { messages: to_reader, used: free, room })
}

impl PumpedPieces {
    /// Waits for the next one. None: there are no more.
    fn next(&mut self) -> io::Result<Option<PumpedPiece>> {
        if self.is_over {
            return Ok(None);
        }
        let item = self.messages.recv().map_err(|_| thread_lost())?;
        self.is_over = !matches!(item, PumpItem::Piece(_));
        match item {
            PumpItem::Piece(piece) => Ok(Some(piece)),
            PumpItem::End => Ok(None),
            PumpItem::Failed(error) => Err(error),
        }
    }

    /// Gives a vector back to be read into.
    fn give_back(&self, bytes: Vec<u8>) {
        // The other thread may be done with pieces.
        let _ = self.used.send(bytes);
    }
}

impl PieceWriter {
    /// Reads to the end, or until nobody wants more.
    pub(super) fn run(self, mut input: impl Read) {
        let size = self.room + ALIGNMENT + PIECE;
        loop {
            // What a giant record has made large is not kept.
            let used = self.used.try_iter().find(|used| (size..2 * size).contains(&used.capacity()));
            let mut bytes = used.unwrap_or_else(|| vec![0; size]);
            bytes.resize(size, 0);
            let room = self.room + bytes[self.room..].as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
            let message = match input.read(&mut bytes[room..room + PIECE]) {
                Ok(0) => PumpItem::End,
                Ok(length) => {
                    bytes.truncate(room + length);
                    PumpItem::Piece(PumpedPiece { bytes, room })
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

/// The bytes another thread has read.
pub(super) struct PieceReader {
    pieces: PumpedPieces,
    piece: Vec<u8>,
    given: usize,
}

impl PieceReader {
    pub(super) fn new() -> (Self, PieceWriter) {
        let (pieces, writer) = pieces(0);
        (PieceReader { pieces, piece: Vec::new(), given: 0 }, writer)
    }
}

impl Read for PieceReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.given == self.piece.len() {
            let Some(PumpedPiece { bytes, room }) = self.pieces.next()? else { return Ok(0) };
            self.pieces.give_back(std::mem::replace(&mut self.piece, bytes));
            self.given = room;
        }
        let length = out.len().min(self.piece.len() - self.given);
        out[..length].copy_from_slice(&self.piece[self.given..self.given + length]);
        self.given += length;
        Ok(length)
    }
}

/// The text of records that another thread has read.
pub(super) struct TextPieces(PumpedPieces);

impl TextFeed for TextPieces {
    fn read_more(&mut self, text: &mut Vec<u8>, kept: usize, _: usize) -> io::Result<Range<usize>> {
        let Some(PumpedPiece { bytes, room }) = self.0.next()? else { return Ok(0..kept) };
        let (read, used) = hand_over(text, kept, bytes, room);
        self.0.give_back(used);
        Ok(read)
    }
}

/// A thread that ends early has panicked, and said so itself.
pub(super) fn thread_lost() -> io::Error {
    io::Error::other("a thread ended before its work was done")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Block, Header, Kind, Reader, ReaderOptions, Source as _};

    /// Reads of these sizes, in turn.
    struct Reads<'a> {
        bytes: &'a [u8],
        sizes: std::iter::Cycle<std::slice::Iter<'static, usize>>,
    }

    impl Read for Reads<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let most = self.sizes.next().copied().unwrap_or_default().min(out.len());
            (&mut self.bytes).take(most as u64).read(out)
        }
    }

    fn records(mut reader: Reader<impl TextFeed>) -> Vec<(crate::Position, Vec<u8>)> {
        let (mut records, mut block) = (Vec::new(), Block::new());
        while reader.read_block(&mut block).expect("it can be read") {
            records.extend(block.iter().map(|view| (view.position, view.raw.to_vec())));
        }
        records
    }

    #[test]
    fn text_handed_over_is_what_was_read_wherever_records_are_cut() {
        let mut text = Block::new();
        // Some are left over that are longer than the room for them, and some span pieces.
        for (number, length) in [20, 70_000, 300, 2 * PIECE, 5, 9, ROOM, ROOM - 1, PIECE, 100]
            .into_iter()
            .cycle()
            .take(60)
            .enumerate()
        {
            let header =
                Header { kind: Kind::Request, id: b"1a", timestamp: number as i64, ..Header::default() };
            text.push(&header, &vec![b'a' + (number % 26) as u8; length]);
        }
        let text: &'static [u8] = text.bytes().to_vec().leak();
        let expected = records(Reader::new(text, ReaderOptions::default()));
        assert_eq!(expected.len(), 60);
        for sizes in [&[usize::MAX][..], &[1, 70_001, 13], &[PIECE - 1], &[4096]] {
            let input = Reads { bytes: text, sizes: sizes.iter().cycle() };
            let pieces = read_ahead(input).expect("a thread can be started");
            assert!(records(Reader::new(pieces, ReaderOptions::default())) == expected, "{sizes:?}");
        }
    }

    #[test]
    fn an_error_comes_behind_what_was_read_before_it() {
        let input =
            (&b"1 1a 5 5\nGET\n\xf0\x9f\x90\xb5\xf0\x9f\x99\x88\xf0\x9f\x99\x89\n"[..]).chain(TornInput);
        let mut reader =
            Reader::new(read_ahead(input).expect("a thread can be started"), ReaderOptions::default());
        let mut block = Block::new();
        assert!(reader.read_block(&mut block).expect("it can be read"));
        assert_eq!(block.len(), 1);
        let error = reader.read_block(&mut block).expect_err("it is torn");
        assert!(error.to_string().contains("torn"), "{error}");
    }

    /// An input that cannot be read.
    struct TornInput;

    impl Read for TornInput {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("torn"))
        }
    }
}
