//! The bytes of a stream, in one reused buffer that lends them out.

use std::io::{self, Read};

/// Size the buffer starts with, in bytes. It grows only when one packet or
/// block is larger, and only as that one's bytes really arrive.
pub const BUFFER: usize = 256 * 1024;

pub(super) struct CaptureBuffer<R> {
    read: R,
    buffer: Vec<u8>,
    /// The unread bytes are `buffer[start..end]`.
    start: usize,
    end: usize,
    /// Where `start` is in the stream.
    offset: u64,
}

impl<R: Read> CaptureBuffer<R> {
    pub(super) fn new(read: R) -> Self {
        Self { read, buffer: vec![0; BUFFER], start: 0, end: 0, offset: 0 }
    }

    /// Where the first unread byte is in the stream, from 0.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) fn unread(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Waits until `wanted` bytes are unread, and for no more than these; false
    /// when the stream ends before.
    #[inline]
    pub(super) fn fill(&mut self, wanted: usize) -> io::Result<bool> {
        if self.end - self.start >= wanted { Ok(true) } else { self.fill_more(wanted) }
    }

    #[cold]
    fn fill_more(&mut self, wanted: usize) -> io::Result<bool> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        while self.end < wanted {
            if self.end == self.buffer.len() {
                self.buffer.resize(self.buffer.len() * 2, 0);
            }
            let free = self.buffer.get_mut(self.end..).unwrap_or_default();
            match self.read.read(free) {
                Ok(0) => return Ok(false),
                Ok(count) => self.end = self.buffer.len().min(self.end + count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Lends the first `count` unread bytes, which then count as read. `fill`
    /// must have seen them; fewer come out where there are fewer.
    #[inline]
    pub(super) fn take(&mut self, count: usize) -> &[u8] {
        let from = self.start;
        self.start = self.end.min(from + count);
        self.offset += (self.start - from) as u64;
        self.buffer.get(from..self.start).unwrap_or_default()
    }

    /// Passes over `count` bytes without holding them; false when the stream
    /// ends before.
    pub(super) fn skip(&mut self, count: u64) -> io::Result<bool> {
        let mut left = count;
        while left > 0 {
            if !self.fill(1)? {
                return Ok(false);
            }
            let here = left.min((self.end - self.start) as u64);
            self.take(here as usize);
            left -= here;
        }
        Ok(true)
    }
}
