//! Brings chunks from the spool to their buckets, several at a time and each until it is there.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Mutex as AsyncMutex, Semaphore};

use super::SCHEME;
use super::client::S3Connection;
use super::spool::{ChunkNote, Spool, SpooledChunk};
use super::trouble::{TRIES, Trouble, pause};
use super::upload::{Goal, Parts, Uploaded, Uploads};
use super::watch::SILENCE as SILENCE_ENDS;
use crate::endpoint::output::naming::{numbered_key, numbers_of};
use crate::observe::{Count, Span, Tell};
use crate::{Error, Result};

/// How long the end is waited for before it is said what for.
const SILENCE: Duration = Duration::from_secs(2);

/// What is asked of an uploader.
#[derive(Debug)]
pub(in super::super) struct Orders {
    /// Bytes that may be in the spool.
    pub(in super::super) most: u64,
    /// How long, at the end, a server is waited for that takes nothing.
    pub(in super::super) patience: Duration,
    /// Chunks that are uploaded at a time.
    pub(in super::super) at_once: usize,
    /// Gets a line for each object.
    pub(in super::super) manifest: Option<(PathBuf, File)>,
    /// The buckets of the outputs.
    pub(in super::super) buckets: Vec<String>,
    pub(in super::super) is_verbose: bool,
    pub(in super::super) tell: Option<Tell>,
}

/// How far it is.
#[derive(Debug)]
struct UploadProgress {
    /// Chunks that are not delivered, and their bytes.
    chunks: usize,
    bytes: u64,
    /// Bytes of chunks that are being written.
    open: u64,
    delivered: u64,
    /// Requests that failed since the last one that did not, and why.
    failures: u32,
    trouble: String,
    /// When the server last took something.
    taken: Instant,
    /// What no further try changes. Nothing more is begun.
    failed: Option<String>,
    /// Whether the end was told to the user, one way or the other.
    is_over: bool,
}

/// The number that the next object of a key gets. None: the plain key was given away, and no number yet.
type ObjectNumbers = HashMap<(String, String), Option<u64>>;

/// What sinks, threads and tasks share.
#[derive(Debug)]
struct UploaderShared {
    spool: Mutex<Spool>,
    folder: PathBuf,
    orders: Orders,
    progress: Mutex<UploadProgress>,
    changed: Condvar,
    uploads: Uploads,
    names: AsyncMutex<ObjectNumbers>,
}

/// The uploader of a run. Its threads begin with [`Uploader::start`]: rights may be given up between.
#[derive(Debug)]
pub(in super::super) struct Uploader {
    shared: Arc<UploaderShared>,
    connection: Arc<S3Connection>,
    queue: Mutex<Option<UnboundedSender<SpooledChunk>>>,
}

/// A line of the manifest.
#[derive(Serialize)]
struct Delivered<'a> {
    bucket: &'a str,
    key: &'a str,
    bytes: u64,
    records: u64,
    earliest: Option<i64>,
    latest: Option<i64>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Uploader {
    pub(in super::super) fn new(connection: Arc<S3Connection>, spool: Spool, orders: Orders) -> Self {
        let progress = UploadProgress {
            chunks: 0,
            bytes: 0,
            open: 0,
            delivered: 0,
            failures: 0,
            trouble: String::new(),
            taken: Instant::now(),
            failed: None,
            is_over: false,
        };
        let shared = UploaderShared {
            folder: spool.folder().to_owned(),
            spool: Mutex::new(spool),
            orders,
            progress: Mutex::new(progress),
            changed: Condvar::new(),
            uploads: Uploads::new(&connection),
            names: AsyncMutex::default(),
        };
        Uploader { shared: Arc::new(shared), connection, queue: Mutex::new(None) }
    }

    /// Begins to upload, first what earlier runs have left; `mend` makes a chunk whole that a killed run was writing.
    /// Does nothing the second time.
    pub(in super::super) fn start(&self, mend: impl Fn(&mut SpooledChunk) -> Result<()>) -> Result<()> {
        let mut queue = lock(&self.queue);
        if queue.is_some() {
            return Ok(());
        }
        self.connection.start()?;
        let (sender, incoming) = unbounded_channel();
        let left = lock(&self.shared.spool).left()?;
        self.connection.runtime().spawn(dispatch(Arc::clone(&self.shared), incoming));
        let sender = queue.insert(sender).clone();
        drop(queue);
        self.take_up(left, mend, &sender);
        Ok(())
    }

    /// Has chunks of earlier runs uploaded, but for those that are of another server.
    fn take_up(
        &self,
        left: Vec<SpooledChunk>,
        mend: impl Fn(&mut SpooledChunk) -> Result<()>,
        queue: &UnboundedSender<SpooledChunk>,
    ) {
        let endpoint = &self.shared.uploads.server().endpoint;
        let (own, others): (Vec<_>, Vec<_>) =
            left.into_iter().partition(|chunk| chunk.note.endpoint == *endpoint);
        let folder = self.shared.folder.display();
        if let Some(other) = others.first() {
            let server = other.note.endpoint.as_deref().unwrap_or("Amazon's S3");
            self.shared.tell(format_args!(
                "{} of an earlier run in {folder} stay there: they are for {server}, and this run is for {}",
                Count(others.len() as u64, "chunk"),
                endpoint.as_deref().unwrap_or("Amazon's S3")
            ));
        }
        if !own.is_empty() {
            let chunks = Count(own.len() as u64, "chunk");
            let (are, them) = if own.len() == 1 { ("is", "it") } else { ("are", "them") };
            self.shared.tell(format_args!("{chunks} of an earlier run {are} in {folder}; uploading {them}"));
        }
        for mut chunk in own {
            let mended = if chunk.note.is_whole { Ok(()) } else { mend(&mut chunk) };
            match mended.and_then(|()| self.shared.count(&chunk)) {
                Ok(()) => self.hand_over(queue, chunk),
                Err(error) => self.shared.fail(&error),
            }
        }
    }

    fn hand_over(&self, queue: &UnboundedSender<SpooledChunk>, chunk: SpooledChunk) {
        if queue.send(chunk).is_err() {
            self.shared.fail(&Error::Invalid("a thread that uploads ended before its work was done".into()));
        }
    }

    /// Begins a chunk, whose file's name ends with `suffix`.
    pub(in super::super) fn begin(&self, note: ChunkNote, now: i128, suffix: &str) -> Result<SpooledChunk> {
        let note = ChunkNote { endpoint: self.shared.uploads.server().endpoint.clone(), ..note };
        lock(&self.shared.spool).begin(note, now, suffix)
    }

    /// Takes a chunk to which nothing more is written.
    pub(in super::super) fn put(&self, chunk: SpooledChunk) -> Result<()> {
        self.shared.count(&chunk)?;
        match &*lock(&self.queue) {
            Some(queue) => {
                self.sync(chunk.clone());
                self.hand_over(queue, chunk);
            }
            // It waits for the next run.
            None => self.shared.fail(&Error::Invalid("nothing was uploaded".into())),
        }
        Ok(())
    }

    /// Syncs a chunk to the disk, while it is uploaded and others are written.
    fn sync(&self, chunk: SpooledChunk) {
        let shared = Arc::clone(&self.shared);
        self.connection.runtime().spawn_blocking(move || {
            if let Err(error) = chunk.sync() {
                shared.tell(format_args!("{}: cannot be synced to the disk: {error}", chunk.name()));
            }
        });
    }

    /// Notes that chunks that are being written became so much longer, or are not any more.
    pub(in super::super) fn grow(&self, before: u64, now: u64) {
        let mut progress = lock(&self.shared.progress);
        progress.open = (progress.open + now).saturating_sub(before);
    }

    /// Bytes after which a chunk ends, so that others fit into the spool while it is uploaded.
    pub(in super::super) fn largest_chunk(&self) -> u64 {
        self.shared.orders.most / 4
    }

    /// Whether there is more in the spool than may be, chunks that are being written included.
    pub(in super::super) fn is_full(&self) -> bool {
        let progress = lock(&self.shared.progress);
        progress.bytes + progress.open > self.shared.orders.most
    }

    /// Fails if no further try will deliver a chunk.
    pub(in super::super) fn check(&self) -> Result<()> {
        let mut progress = lock(&self.shared.progress);
        match progress.failed.clone() {
            Some(failed) => Err(self.shared.kept(&mut progress, &failed)),
            None => Ok(()),
        }
    }

    /// Waits until there is room in the spool; an error where the server is away, too.
    pub(in super::super) fn wait_for_room(&self) -> Result<()> {
        let UploaderShared { orders, changed, .. } = &*self.shared;
        let mut progress = lock(&self.shared.progress);
        loop {
            if let Some(failed) = progress.failed.clone() {
                return Err(self.shared.kept(&mut progress, &failed));
            }
            if progress.chunks == 0 || progress.bytes + progress.open <= orders.most {
                return Ok(());
            }
            if progress.failures >= TRIES {
                let why = format!("--spool-max of {} bytes is reached: {}", orders.most, progress.trouble);
                return Err(self.shared.kept(&mut progress, &why));
            }
            progress = changed.wait(progress).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Says why uploading cannot go on.
    pub(in super::super) fn fail(&self, error: &Error) {
        self.shared.fail(error);
    }

    /// Waits until all chunks are delivered; an error where they are not.
    pub(in super::super) fn finish(&self) -> Result<()> {
        let UploaderShared { orders, changed, folder, .. } = &*self.shared;
        let begun = Instant::now();
        let (mut is_told, look) = (false, Duration::from_millis(200));
        let mut progress = lock(&self.shared.progress);
        loop {
            if let Some(failed) = progress.failed.clone() {
                return Err(self.shared.kept(&mut progress, &failed));
            }
            if progress.chunks == 0 {
                break;
            }
            // A request that did not fail yet may be about to be answered.
            let patience =
                if progress.failures > 0 { orders.patience } else { orders.patience.max(SILENCE_ENDS) };
            if progress.taken.max(begun).max(self.shared.uploads.moved()).elapsed() >= patience {
                let span = Span(patience.as_nanos() as u64);
                let trouble = match &*progress.trouble {
                    "" => format!("no answer from {}", self.shared.uploads.server().name()),
                    trouble => trouble.to_owned(),
                };
                let why = format!("{trouble} (waited {span} for it)");
                return Err(self.shared.kept(&mut progress, &why));
            }
            if begun.elapsed() >= SILENCE && !std::mem::replace(&mut is_told, true) {
                self.shared.tell(format_args!(
                    "waiting for {} to be uploaded; if interrupted twice, {} kept in {} for the next run",
                    Count(progress.chunks as u64, "chunk"),
                    if progress.chunks == 1 { "it is" } else { "they are" },
                    folder.display()
                ));
            }
            progress = changed.wait_timeout(progress, look).unwrap_or_else(PoisonError::into_inner).0;
        }
        if !std::mem::replace(&mut progress.is_over, true) && orders.is_verbose {
            self.shared.tell(format_args!("{} written to S3", Count(progress.delivered, "object")));
        }
        Ok(())
    }
}

impl Drop for Uploader {
    /// What ended the run early is told by others; where the chunks are is told here.
    fn drop(&mut self) {
        let mut progress = lock(&self.shared.progress);
        if progress.chunks > 0 && !progress.is_over {
            let kept = self.shared.whereabouts(&progress);
            self.shared.tell(kept);
        }
        progress.is_over = true;
    }
}

impl UploaderShared {
    fn tell(&self, line: impl fmt::Display) {
        if let Some(tell) = self.orders.tell {
            tell(&line);
        }
    }

    /// Counts a chunk that is to be delivered, until it was.
    fn count(&self, chunk: &SpooledChunk) -> Result<()> {
        chunk.save().map_err(|error| Error::from(error).at(chunk.name()))?;
        let mut progress = lock(&self.progress);
        progress.chunks += 1;
        progress.bytes += chunk.size();
        Ok(())
    }

    fn fail(&self, error: &Error) {
        lock(&self.progress).failed.get_or_insert(error.to_string());
        self.changed.notify_all();
    }

    /// An error, with what became of the chunks that are not delivered.
    fn kept(&self, progress: &mut UploadProgress, why: &str) -> Error {
        let first = !std::mem::replace(&mut progress.is_over, true);
        let has_any = progress.chunks > 0 || progress.open > 0;
        let kept = if first && has_any { format!("; {}", self.whereabouts(progress)) } else { String::new() };
        Error::Invalid(format!("{why}{kept}"))
    }

    fn whereabouts(&self, progress: &UploadProgress) -> String {
        let chunks = progress.chunks as u64 + u64::from(progress.open > 0);
        format!(
            "{} not uploaded {} kept in {}, and a next run with this spool uploads {}",
            Count(chunks, "chunk"),
            if chunks == 1 { "is" } else { "are" },
            self.folder.display(),
            if chunks == 1 { "it" } else { "them" }
        )
    }

    /// The server has answered.
    fn is_there(&self) {
        let mut progress = lock(&self.progress);
        if progress.failures >= 2 {
            self.tell("S3 answers again; uploading goes on");
        }
        progress.failures = 0;
        progress.taken = Instant::now();
        self.changed.notify_all();
    }

    /// A request failed that is tried again.
    fn is_away(&self, trouble: &Trouble) {
        let mut progress = lock(&self.progress);
        progress.failures = progress.failures.saturating_add(1);
        progress.trouble.clone_from(&trouble.text);
        if progress.failures == 2 {
            self.tell(format_args!("{}; trying again until it works", trouble.text));
        }
        self.changed.notify_all();
    }

    /// Does it until it succeeds or cannot.
    async fn persist<T, F>(&self, mut request: impl FnMut() -> F) -> Result<T, Trouble>
    where
        F: Future<Output = Result<T, Trouble>>,
    {
        let mut tries = 0;
        loop {
            match request().await {
                Ok(done) => {
                    self.is_there();
                    return Ok(done);
                }
                Err(trouble) if trouble.may_pass => {
                    tries += 1;
                    self.is_away(&trouble);
                    tokio::time::sleep(pause(tries)).await;
                }
                Err(trouble) => return Err(trouble),
            }
        }
    }

    /// The key of the next object that is to have this one. `is_taken`: the last one belongs to another object.
    async fn name(&self, note: &ChunkNote, is_taken: bool) -> Result<String, Trouble> {
        let mut names = self.names.lock().await;
        let id = (note.bucket.clone(), note.key.clone());
        let known = names.get(&id).copied();
        let number = match known {
            None if !note.is_numbered && !is_taken => {
                names.insert(id, None);
                return Ok(note.key.clone());
            }
            Some(Some(next)) if !is_taken => next,
            known => {
                // Other programs write there, too.
                let (prefix, _) = numbered_key(&note.key, 0);
                let listed = self.persist(|| self.uploads.keys(&note.bucket, &prefix)).await;
                let next = match listed {
                    Ok(keys) => {
                        numbers_of(&note.key, keys.iter().map(String::as_str)).max().map_or(0, |n| n + 1)
                    }
                    // Who may not list goes on one by one.
                    Err(Trouble { status: Some(401 | 403), .. }) => 0,
                    Err(trouble) => return Err(trouble),
                };
                known.flatten().unwrap_or(0).max(next)
            }
        };
        names.insert(id, Some(number + 1));
        Ok(numbered_key(&note.key, number).1)
    }

    /// Uploads one file to its end.
    async fn send(
        &self,
        chunk: &mut SpooledChunk,
        path: &Path,
        key: &str,
        id: &str,
    ) -> Result<Uploaded, Trouble> {
        let (mut parts, mut tries) = (Parts::default(), 0);
        let goal = Goal { bucket: chunk.note.bucket.clone(), key: key.to_owned(), id: id.to_owned() };
        loop {
            let begun = |upload: Option<&str>| {
                chunk.note.upload = upload.map(str::to_owned);
                // It is only there so that a next run can have the server forget the parts.
                let _ = chunk.save();
            };
            match self.uploads.upload(path, &goal, &mut parts, begun).await {
                Ok(uploaded) => {
                    self.is_there();
                    return Ok(uploaded);
                }
                Err(trouble) if trouble.may_pass => {
                    tries += 1;
                    self.is_away(&trouble);
                    tokio::time::sleep(pause(tries)).await;
                }
                Err(trouble) => return Err(trouble),
            }
        }
    }

    /// Uploads a chunk and its index, and takes them out of the spool.
    async fn deliver(&self, chunk: &mut SpooledChunk, mut key: String) -> Result<()> {
        let place = |note: &ChunkNote, key: &str| format!("{SCHEME}{}/{key}", note.bucket);
        if let (Some(upload), Some(key)) = (chunk.note.upload.take(), chunk.note.tried.clone()) {
            let goal = Goal { bucket: chunk.note.bucket.clone(), key, id: chunk.note.id.clone() };
            self.uploads.abort(&goal, &upload).await;
        }
        let (path, id) = (chunk.path.clone(), chunk.note.id.clone());
        loop {
            chunk.note.tried = Some(key.clone());
            // Where the disk is full the note stays as it was. It matters only to who takes up the chunk of a killed run.
            let _ = chunk.save();
            let (note, failed) = (chunk.note.clone(), place(&chunk.note, &key));
            match self.send(chunk, &path, &key, &id).await {
                Ok(Uploaded::Done) => break,
                Ok(Uploaded::Taken) => {
                    let named = self.name(&note, true).await;
                    key = named.map_err(|trouble| Error::Invalid(trouble.text).at(failed))?;
                }
                Err(trouble) => return Err(Error::Invalid(trouble.text).at(failed)),
            }
        }
        let index = chunk.index();
        if chunk.note.has_index && index.exists() {
            let beside = crate::endpoint::index::sidecar_name(&key);
            let place = place(&chunk.note, &beside);
            match self.send(chunk, &index, &beside, &format!("{id}-index")).await {
                Ok(Uploaded::Done) => {}
                Ok(Uploaded::Taken) => {
                    self.tell(format_args!("{place}: there is another object, so the index is not written"));
                }
                Err(trouble) => return Err(Error::Invalid(trouble.text).at(place)),
            }
        }
        self.record(chunk, &key)?;
        let size = chunk.size();
        chunk.remove().map_err(|error| Error::from(error).at(chunk.name()))?;
        let mut progress = lock(&self.progress);
        progress.chunks -= 1;
        progress.bytes = progress.bytes.saturating_sub(size);
        progress.delivered += 1;
        self.changed.notify_all();
        Ok(())
    }

    /// Adds an object to the manifest.
    fn record(&self, chunk: &SpooledChunk, key: &str) -> Result<()> {
        let Some((path, file)) = &self.orders.manifest else { return Ok(()) };
        let ChunkNote { bucket, content, .. } = &chunk.note;
        let bytes = std::fs::metadata(&chunk.path).map_or(0, |found| found.len());
        let (records, earliest, latest) = (content.records, content.earliest, content.latest);
        let delivered = Delivered { bucket, key, bytes, records, earliest, latest };
        let mut line = serde_json::to_vec(&delivered).map_err(|error| Error::Invalid(error.to_string()))?;
        line.push(b'\n');
        // One write, so that lines of several tasks do not mix.
        let mut file: &File = file;
        file.write_all(&line).map_err(|error| Error::from(error).at(path.display().to_string()))
    }
}

/// Gives each chunk its key, in their order, and has it uploaded.
async fn dispatch(shared: Arc<UploaderShared>, mut queue: UnboundedReceiver<SpooledChunk>) {
    for bucket in &shared.orders.buckets {
        let probing = Arc::clone(&shared);
        let bucket = bucket.clone();
        tokio::spawn(async move {
            match probing.uploads.probe(&bucket).await {
                // A server that is away is noticed again by the first chunk.
                Err(trouble) if !trouble.may_pass && !trouble.is_denied => {
                    probing.fail(&Error::Invalid(trouble.text).at(format!("{SCHEME}{bucket}")));
                }
                _ => {}
            }
        });
    }
    let turns = Arc::new(Semaphore::new(shared.orders.at_once));
    while let Some(mut chunk) = queue.recv().await {
        // The semaphore is never closed.
        let turn = Arc::clone(&turns).acquire_owned().await;
        let key = match chunk.note.tried.clone() {
            Some(key) => Ok(key),
            None => shared.name(&chunk.note, false).await,
        };
        let key = match key {
            Ok(key) => key,
            Err(trouble) => {
                let place = format!("{SCHEME}{}/{}", chunk.note.bucket, chunk.note.key);
                shared.fail(&Error::Invalid(trouble.text).at(place));
                continue;
            }
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            if let Err(error) = shared.deliver(&mut chunk, key).await {
                shared.fail(&error);
            }
            drop(turn);
        });
    }
}
