//! Compression in pieces: each is a whole gzip member or zstd frame.
//!
//! Pieces are compressed independently of each other, on several threads, and
//! hold whole records. So a file that ends anywhere between two of them is
//! good, and one that ends within a piece is good up to there.

use std::io::{self, Write};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, sync_channel};

use flate2::write::GzEncoder;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::endpoint::format::Compression;

/// Text of a piece: enough that its beginning costs nothing in size.
pub(super) const GZIP_PIECE: usize = 1 << 20;
pub(super) const ZSTD_PIECE: usize = 4 << 20;

/// Text of a piece where many files are open at once.
pub(super) const SMALL_PIECE: usize = 1 << 19;

/// How to compress.
#[derive(Clone, Copy, Debug)]
pub(super) struct CompressionOptions {
    pub(super) compression: Compression,
    pub(super) level: u8,
}

impl CompressionOptions {
    /// One whole piece.
    pub(super) fn compress(self, text: &[u8]) -> io::Result<Vec<u8>> {
        if self.compression == Compression::Zstd {
            let mut compressor = zstd::bulk::Compressor::new(i32::from(self.level))?;
            compressor.include_checksum(true)?;
            return compressor.compress(text);
        }
        let mut stream = StreamEncoder::new(self)?;
        stream.write(text)?;
        stream.finish()
    }
}

/// A piece that is written bit by bit.
pub(super) enum StreamEncoder {
    Gzip(GzEncoder<Vec<u8>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

impl StreamEncoder {
    /// Begins a piece.
    pub(super) fn new(coding: CompressionOptions) -> io::Result<Self> {
        if coding.compression == Compression::Zstd {
            let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), i32::from(coding.level))?;
            encoder.include_checksum(true)?;
            return Ok(StreamEncoder::Zstd(encoder));
        }
        let level = flate2::Compression::new(u32::from(coding.level));
        Ok(StreamEncoder::Gzip(GzEncoder::new(Vec::new(), level)))
    }

    /// Takes text.
    pub(super) fn write(&mut self, text: &[u8]) -> io::Result<()> {
        match self {
            StreamEncoder::Gzip(encoder) => encoder.write_all(text),
            StreamEncoder::Zstd(encoder) => encoder.write_all(text),
        }
    }

    /// Gives everything from which all text so far can be read back.
    pub(super) fn sync(&mut self) -> io::Result<Vec<u8>> {
        match self {
            StreamEncoder::Gzip(encoder) => encoder.flush().map(|()| std::mem::take(encoder.get_mut())),
            StreamEncoder::Zstd(encoder) => encoder.flush().map(|()| std::mem::take(encoder.get_mut())),
        }
    }

    /// Ends the piece and gives the rest.
    pub(super) fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            StreamEncoder::Gzip(encoder) => encoder.finish(),
            StreamEncoder::Zstd(encoder) => encoder.finish(),
        }
    }
}

/// A compressed piece, and the text's memory to use again.
pub(super) type Done = (io::Result<Vec<u8>>, Vec<u8>);

/// Threads that compress. They start with the first piece.
#[derive(Debug)]
pub(super) struct Pool {
    pool: OnceLock<ThreadPool>,
    threads: usize,
}

impl Pool {
    /// Compresses on so many threads.
    pub(super) fn new(threads: usize) -> Self {
        Pool { pool: OnceLock::new(), threads }
    }

    /// How many pieces may be on their way at once.
    pub(super) fn room(&self) -> usize {
        self.threads + 1
    }

    /// Has a piece compressed.
    pub(super) fn compress(
        &self,
        mut text: Vec<u8>,
        coding: CompressionOptions,
    ) -> io::Result<Receiver<Done>> {
        let (done, result) = sync_channel(1);
        self.started()?.spawn_fifo(move || {
            let result = coding.compress(&text);
            text.clear();
            // Nobody waits for it after an output failed.
            let _ = done.send((result, text));
        });
        Ok(result)
    }

    fn started(&self) -> io::Result<&ThreadPool> {
        if let Some(pool) = self.pool.get() {
            return Ok(pool);
        }
        let pool = ThreadPoolBuilder::new()
            .num_threads(self.threads)
            .thread_name(|_| "compressor".to_owned())
            // Whoever waits for the piece is told, as its other end is gone.
            .panic_handler(drop)
            .build()
            .map_err(io::Error::other)?;
        // Where two outputs come here at once, one of the pools ends again.
        Ok(self.pool.get_or_init(|| pool))
    }
}

/// A thread that ends early has panicked, and said so itself.
pub(super) fn thread_lost() -> io::Error {
    io::Error::other("a thread that compresses ended before its work was done")
}
