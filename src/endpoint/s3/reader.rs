//! The bytes of an object: ranges of it, fetched ahead, each read on where its connection broke.
//!
//! Of each object one part is fetched or waits to be read, of as many objects as requests may run at a time a large one;
//! and as many large parts more, of whatever object is read. Thus memory is bounded however many objects are open, and
//! none of them waits for what another holds.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use super::Object;
use super::client::S3Connection;
use super::trouble::{Patience, Trouble, broken, innermost, lasting};
use crate::endpoint::pump::thread_lost;
use crate::endpoint::reading::ReadOptions;
use crate::observe::Meter;

/// Bytes of a large part, and of one that an object has beyond the number of large ones.
const LARGE: u64 = 8 << 20;
const SMALL: u64 = 256 << 10;

/// Of an object that is open before its turn no more than its first part is fetched.
const LOOKED_AT: u64 = 1 << 20;

/// How often a wait for bytes looks whether it is to end.
const STOP_CHECK: Duration = Duration::from_millis(100);

/// A piece of a part, or why there is no more of it.
type PartBytes = Result<bytes::Bytes, String>;

/// An object that is read from one end of a range to the other.
pub(in super::super) struct ObjectReader {
    connection: Arc<S3Connection>,
    object: Arc<Object>,
    etag: Arc<str>,
    /// Where the next part begins, and where the range ends.
    next: u64,
    end: u64,
    /// Bytes of the range that were not read yet.
    left: u64,
    given: u64,
    parts: VecDeque<FetchedPart>,
    piece: bytes::Bytes,
    /// Lets this object have a large part of its own.
    large: Option<OwnedSemaphorePermit>,
    failure: Option<String>,
    is_stopping: Arc<AtomicBool>,
    is_cut: Arc<AtomicBool>,
    meter: Arc<Meter>,
}

/// A part that is fetched.
struct FetchedPart {
    pieces: Receiver<PartBytes>,
    /// What was not taken yet.
    left: u64,
    /// None: it is the part that each object may have.
    permit: Option<OwnedSemaphorePermit>,
    task: JoinHandle<()>,
}

impl Drop for FetchedPart {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl ObjectReader {
    /// Begins to fetch the range.
    pub(super) fn new(
        connection: &Arc<S3Connection>,
        object: &Arc<Object>,
        etag: &str,
        range: Range<u64>,
        how: &ReadOptions,
    ) -> Self {
        let mut reader = ObjectReader {
            connection: Arc::clone(connection),
            object: Arc::clone(object),
            etag: etag.into(),
            next: range.start,
            end: range.end,
            left: range.end - range.start,
            given: 0,
            parts: VecDeque::new(),
            piece: bytes::Bytes::new(),
            large: permit(&connection.large),
            failure: None,
            is_stopping: Arc::clone(&how.is_stopping),
            is_cut: Arc::clone(&how.is_cut),
            meter: Arc::clone(&how.meter),
        };
        reader.fetch_more();
        reader
    }

    /// Begins to fetch what may be fetched.
    fn fetch_more(&mut self) {
        while self.next < self.end {
            let has_own = self.parts.iter().any(|part| part.permit.is_none());
            let (size, permit) = if !has_own {
                (if self.large.is_some() { LARGE } else { SMALL }, None)
            } else if self.given < LOOKED_AT {
                return;
            } else {
                let Some(large) = permit(&self.connection.prefetch) else { return };
                (LARGE, Some(large))
            };
            let range = self.next..self.end.min(self.next + size);
            self.next = range.end;
            let left = range.end - range.start;
            // Bounded by the part: whoever fetches never waits for whoever reads.
            let (sender, pieces) = channel();
            let fetch = Fetch {
                connection: Arc::clone(&self.connection),
                object: Arc::clone(&self.object),
                etag: Arc::clone(&self.etag),
                range,
                sender,
            };
            let task = self.connection.runtime().spawn(fetch.run());
            self.parts.push_back(FetchedPart { pieces, left, permit, task });
        }
    }

    /// Waits for the next piece. False: the range has ended, or reading is to end.
    fn take_piece(&mut self) -> io::Result<bool> {
        while self.piece.is_empty() {
            if let Some(text) = &self.failure {
                return Err(io::Error::other(text.clone()));
            }
            if self.left == 0 {
                return Ok(false);
            }
            if self.is_stopping.load(Ordering::Relaxed) {
                self.is_cut.store(true, Ordering::Relaxed);
                return Ok(false);
            }
            self.fetch_more();
            let Some(part) = self.parts.front_mut() else { return Err(thread_lost()) };
            match part.pieces.recv_timeout(STOP_CHECK) {
                Ok(Ok(piece)) => {
                    part.left -= piece.len() as u64;
                    self.left -= piece.len() as u64;
                    self.piece = piece;
                    if part.left == 0 {
                        self.parts.pop_front();
                    }
                }
                Ok(Err(text)) => {
                    self.failure = Some(text);
                    self.parts.clear();
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(thread_lost()),
            }
        }
        Ok(true)
    }
}

impl Read for ObjectReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() || !self.take_piece()? {
            return Ok(0);
        }
        let length = out.len().min(self.piece.len());
        out[..length].copy_from_slice(&self.piece.split_to(length));
        self.given += length as u64;
        self.meter.add_bytes(length as u64);
        Ok(length)
    }
}

fn permit(semaphore: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    Arc::clone(semaphore).try_acquire_owned().ok()
}

/// Fetches a range, on from where it broke off.
struct Fetch {
    connection: Arc<S3Connection>,
    object: Arc<Object>,
    etag: Arc<str>,
    range: Range<u64>,
    sender: Sender<PartBytes>,
}

impl Fetch {
    async fn run(mut self) {
        let mut patience = Patience::default();
        while !self.range.is_empty() {
            let before = self.range.start;
            let Err(trouble) = self.fetch().await else { continue };
            if self.range.start > before {
                patience.renew();
            }
            if let Err(trouble) = patience.wait(trouble).await {
                // Nobody may want it any more.
                let _ = self.sender.send(Err(trouble.text));
                return;
            }
        }
    }

    /// Sends what one request brings.
    async fn fetch(&mut self) -> Result<(), Trouble> {
        let _turn = self.connection.requests.acquire().await;
        let asked = self
            .connection
            .client
            .get_object()
            .bucket(&*self.object.bucket)
            .key(&self.object.key)
            .range(format!("bytes={}-{}", self.range.start, self.range.end - 1))
            .if_match(&*self.etag)
            .send();
        let answer =
            self.connection.asked(asked).await?.map_err(|error| self.connection.server.trouble(&error))?;
        if answer.e_tag().is_some_and(|etag| etag != &*self.etag) {
            return Err(lasting("the object was changed while it was read"));
        }
        let begins = format!("bytes {}-", self.range.start);
        let is_ours =
            answer.content_range().map_or(self.range.start == 0, |range| range.starts_with(&begins));
        if !is_ours {
            return Err(lasting("the server sends another part of the object than it was asked for"));
        }
        let mut body: ByteStream = answer.body;
        while !self.range.is_empty() {
            let piece = match self.connection.watch.piece(body.next()).await? {
                Some(Ok(piece)) => piece,
                Some(Err(error)) => return Err(broken(&innermost(&error))),
                None => return Err(broken("it ended too early")),
            };
            let wanted = usize::try_from(self.range.end - self.range.start).unwrap_or(usize::MAX);
            let piece = if piece.len() > wanted { piece.slice(..wanted) } else { piece };
            self.range.start += piece.len() as u64;
            if !piece.is_empty() && self.sender.send(Ok(piece)).is_err() {
                // Nobody wants it any more.
                self.range.start = self.range.end;
            }
        }
        Ok(())
    }
}
