//! Objects of S3 that are written: chunks in a spool, handed to the uploader when they end.

use std::collections::HashMap;
use std::fs::File;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use super::opening::Existing;
use super::sink::FileSink;
use super::template::NameTemplate;
use super::{ObjectOptions, OutputPlan, OutputTarget, WriteOptions};
use crate::endpoint::bytes::open_bytes;
use crate::endpoint::place::Place;
use crate::endpoint::reading::ReadOptions;
use crate::endpoint::s3::spool::{ChunkContent, ChunkNote, Spool, SpooledChunk, default_folder};
use crate::endpoint::s3::uploader::{Orders, Uploader};
use crate::record::{Block, MAX_MAX_RECORD, Reader, ReaderOptions, Run, Sink, Source as _, View};
use crate::{Error, Result};

/// Chunks that are written at once. When one more is needed, the one not written to for longest ends.
const MAX_OPEN: usize = 32;

/// Most often it is looked whether chunks are old enough.
const LEAST_LOOK: Duration = Duration::from_millis(20);

/// Least often.
const MOST_LOOK: Duration = Duration::from_secs(1);

/// What all outputs to S3 of a run share.
pub(super) struct Delivery {
    uploader: Uploader,
    age: Option<Duration>,
    chunks: Mutex<Vec<Weak<Mutex<ObjectChunks>>>>,
}

/// The directory of chunks that are not delivered.
pub(super) fn folder(options: &ObjectOptions) -> Result<std::path::PathBuf> {
    options.spool.clone().map_or_else(default_folder, Ok)
}

/// Makes that directory, if it is not there, for a user.
pub(super) fn make_folder(options: &ObjectOptions, owner: Option<(u32, u32)>) -> Result<()> {
    Spool::make(&folder(options)?, owner)
}

impl Delivery {
    /// Takes the spool, finds credentials and makes the manifest. No thread is started: rights may be given up next.
    pub(super) fn prepare(targets: &[OutputTarget], how: &WriteOptions<'_>) -> Result<Arc<Self>> {
        let options = &how.objects;
        let folder = folder(options)?;
        let connection = how.services.s3.prepare().map_err(|error| error.at("s3"))?;
        let spool = Spool::open(&folder, how.owner)?;
        let manifest = match &options.manifest {
            None => None,
            Some(path) => {
                let failed = |error: std::io::Error| Error::from(error).at(path.display().to_string());
                let file = File::create(path).map_err(failed)?;
                if let Some((user, group)) = how.owner {
                    // Where files have no owners, it stays as it is, and is open anyway.
                    let _ = std::os::unix::fs::fchown(&file, Some(user), Some(group));
                }
                Some((path.clone(), file))
            }
        };
        if let (true, Some(tell)) = (options.is_verbose, how.tell) {
            tell(&format_args!("chunks wait in {} until they are uploaded", folder.display()));
        }
        let mut buckets: Vec<_> =
            targets.iter().filter_map(OutputTarget::bucket).map(str::to_owned).collect();
        buckets.sort();
        buckets.dedup();
        let orders = Orders {
            most: options.spool_max,
            patience: options.spool_wait,
            at_once: how.services.s3.fetch(),
            manifest,
            buckets,
            is_verbose: options.is_verbose,
            tell: how.tell,
        };
        let uploader = Uploader::new(connection, spool, orders);
        Ok(Arc::new(Delivery { uploader, age: options.chunk_age, chunks: Mutex::default() }))
    }

    /// Begins what needs threads, once.
    fn start(self: &Arc<Self>, plan: &Arc<OutputPlan>) -> Result<()> {
        self.uploader.start(|chunk| mend(plan, chunk))?;
        let Some(age) = self.age else { return Ok(()) };
        let delivery = Arc::downgrade(self);
        let look = (age / 10).clamp(LEAST_LOOK, MOST_LOOK);
        thread::Builder::new().name("chunks".to_owned()).spawn(move || {
            while let Some(delivery) = delivery.upgrade() {
                delivery.end_old(age);
                drop(delivery);
                thread::sleep(look);
            }
        })?;
        Ok(())
    }

    /// Ends the chunks that were begun so long ago.
    fn end_old(&self, age: Duration) {
        let chunks: Vec<_> = lock(&self.chunks).iter().filter_map(Weak::upgrade).collect();
        for chunks in chunks {
            let ended = lock(&chunks).end_if(|chunk| chunk.begun.elapsed() >= age);
            if let Err(error) = ended {
                self.uploader.fail(&error);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One output to S3.
pub(super) struct Objects {
    plan: Arc<OutputPlan>,
    chunks: Arc<Mutex<ObjectChunks>>,
    delivery: Arc<Delivery>,
    is_started: bool,
}

/// The chunks of an output that are being written.
struct ObjectChunks {
    plan: Arc<OutputPlan>,
    delivery: Arc<Delivery>,
    bucket: String,
    key: NameTemplate,
    /// The end of their files' names, which says what they hold.
    suffix: String,
    /// By the key without its nanoseconds, which are those of a chunk's beginning.
    open: HashMap<String, OpenChunk>,
    turn: u64,
}

struct OpenChunk {
    file: FileSink,
    chunk: SpooledChunk,
    /// Bytes of text.
    bytes: u64,
    /// Bytes of the file, as they were counted last.
    length: u64,
    begun: Instant,
    /// When it was last written to.
    turn: u64,
}

impl Objects {
    pub(super) fn new(
        plan: &Arc<OutputPlan>,
        delivery: &Arc<Delivery>,
        bucket: String,
        key: NameTemplate,
        suffix: String,
    ) -> Self {
        let chunks = Arc::new(Mutex::new(ObjectChunks {
            plan: Arc::clone(plan),
            delivery: Arc::clone(delivery),
            bucket,
            key,
            suffix,
            open: HashMap::new(),
            turn: 0,
        }));
        lock(&delivery.chunks).push(Arc::downgrade(&chunks));
        Objects { plan: Arc::clone(plan), chunks, delivery: Arc::clone(delivery), is_started: false }
    }

    fn start(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.is_started, true) { Ok(()) } else { self.delivery.start(&self.plan) }
    }

    fn start_and_check(&mut self) -> Result<()> {
        self.start()?;
        self.delivery.uploader.check()
    }
}

impl ObjectChunks {
    fn write(&mut self, records: &Run<'_>) -> Result<()> {
        let now = (self.plan.clock)();
        let Some(mut first) = records.iter().next() else { return Ok(()) };
        let (mut name, mut next) = (String::new(), String::new());
        self.key.fill(now, None, &first.header, &mut name);
        if !self.key.asks_record() {
            // The time of another one is over.
            if !self.open.contains_key(&name) {
                self.end_if(|_| true)?;
            }
            return self.put(records, &name, &first);
        }
        let mut begin = 0;
        for (number, view) in records.iter().enumerate().skip(1) {
            next.clear();
            self.key.fill(now, None, &view.header, &mut next);
            if next != name {
                self.put(&records.part(begin..number), &name, &first)?;
                std::mem::swap(&mut name, &mut next);
                (begin, first) = (number, view);
            }
        }
        self.put(&records.part(begin..records.len()), &name, &first)
    }

    /// Adds records of one key, in as many chunks as that takes.
    fn put(&mut self, records: &Run<'_>, name: &str, first: &View<'_>) -> Result<()> {
        let mut begin = 0;
        while begin < records.len() {
            self.turn += 1;
            if !self.open.contains_key(name) {
                self.make_room()?;
                let chunk = self.begin(first)?;
                self.open.insert(name.to_owned(), chunk);
            }
            let Some(open) = self.open.get_mut(name) else { return Ok(()) };
            open.turn = self.turn;
            let (mut fitting, mut bytes) = (0, open.bytes);
            for view in records.part(begin..records.len()).iter() {
                bytes += view.raw.len() as u64;
                let count = open.chunk.note.content.records + fitting + 1;
                let fits = self.plan.chunk_records.is_none_or(|most| count <= most)
                    && self.plan.chunk_size.is_none_or(|most| bytes <= most);
                // Into an empty one any record does.
                if !fits && count > 1 {
                    break;
                }
                fitting += 1;
            }
            let end = begin + fitting as usize;
            if fitting > 0 {
                let part = records.part(begin..end);
                open.file.write(&part)?;
                open.bytes += part.bytes().len() as u64;
                part.iter().for_each(|view| open.chunk.note.content.add(view.header.timestamp));
                let length = open.file.length();
                self.delivery.uploader.grow(std::mem::replace(&mut open.length, length), length);
            }
            if end < records.len() || open.length >= self.delivery.uploader.largest_chunk() {
                self.end(name)?;
            }
            begin = end;
        }
        Ok(())
    }

    fn begin(&self, record: &View<'_>) -> Result<OpenChunk> {
        let now = (self.plan.clock)();
        let mut key = String::new();
        self.key.fill(now, Some(now.subsec_nanosecond()), &record.header, &mut key);
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|error| Error::Invalid(error.to_string()))?;
        let note = ChunkNote {
            bucket: self.bucket.clone(),
            key,
            is_numbered: self.plan.has_chunks(),
            id: faster_hex::hex_string(&id),
            has_index: self.plan.has_index,
            ..ChunkNote::default()
        };
        let chunk = self.delivery.uploader.begin(note, now.as_nanosecond(), &self.suffix)?;
        let file = FileSink::open(&self.plan, &chunk.name(), Existing::Refuse)?;
        let begun = Instant::now();
        Ok(OpenChunk { file, chunk, bytes: 0, length: 0, begun, turn: self.turn })
    }

    /// Ends a chunk and has it uploaded.
    fn end(&mut self, name: &str) -> Result<()> {
        let Some(mut open) = self.open.remove(name) else { return Ok(()) };
        self.delivery.uploader.grow(open.length, 0);
        open.file.finish()?;
        drop(open.file);
        open.chunk.note.is_whole = true;
        self.delivery.uploader.put(open.chunk)
    }

    fn end_if(&mut self, is_over: impl Fn(&OpenChunk) -> bool) -> Result<()> {
        let mut over: Vec<_> = self
            .open
            .iter()
            .filter(|(_, open)| is_over(open))
            .map(|(name, open)| (open.begun, name.clone()))
            .collect();
        // Numbers of keys are in the order of time.
        over.sort();
        // Each is ended, whatever becomes of the others.
        let ended = over.into_iter().map(|(_, name)| self.end(&name)).collect::<Vec<_>>();
        ended.into_iter().collect()
    }

    fn make_room(&mut self) -> Result<()> {
        if self.open.len() < MAX_OPEN {
            return Ok(());
        }
        let oldest = self.open.iter().min_by_key(|(_, open)| open.turn).map(|(name, _)| name.clone());
        oldest.map_or(Ok(()), |name| self.end(&name))
    }
}

impl Sink for Objects {
    fn write(&mut self, records: &Run<'_>) -> Result<()> {
        self.start()?;
        if self.delivery.uploader.is_full() {
            lock(&self.chunks).end_if(|_| true)?;
            self.delivery.uploader.wait_for_room()?;
        }
        // What was read is in the spool before anything that failed ends the run.
        lock(&self.chunks).write(records)?;
        self.delivery.uploader.check()
    }

    fn flush(&mut self) -> Result<()> {
        self.start_and_check()?;
        lock(&self.chunks).open.values_mut().try_for_each(|open| open.file.flush())
    }

    fn check(&mut self) -> Result<()> {
        self.start_and_check()
    }

    fn finish(&mut self) -> Result<()> {
        let started = self.start_and_check();
        // What is open is kept whole, whatever became of the rest.
        let ended = lock(&self.chunks).end_if(|_| true);
        started.and(ended)?;
        self.delivery.uploader.finish()
    }
}

impl Drop for Objects {
    /// A run that ends early leaves whole chunks for the next one.
    fn drop(&mut self) {
        if self.is_started {
            // The error that ended the program is the one to tell.
            let _ = lock(&self.chunks).end_if(|_| true);
        }
    }
}

/// Makes a chunk whole that a killed run was writing, and finds out what is in it.
fn mend(plan: &Arc<OutputPlan>, chunk: &mut SpooledChunk) -> Result<()> {
    let name = chunk.name();
    if super::naming::of_name(&name, None).0 == super::OutputFormat::Gor {
        let plan = Arc::new(OutputPlan {
            is_forced: false,
            appends: true,
            inputs: Vec::new(),
            format: None,
            has_index: chunk.note.has_index,
            chunk_size: None,
            chunk_records: None,
            owner: plan.owner,
            // An unfinished end is compressed as the rest.
            compress_level: None,
            has_many: plan.has_many,
            kafka: plan.kafka.clone(),
            connects_later: plan.connects_later,
            tell: plan.tell,
            sending: plan.sending.clone(),
            clock: plan.clock,
            dialect: plan.dialect,
            pool: Arc::clone(&plan.pool),
            ticker: Arc::clone(&plan.ticker),
        });
        FileSink::open(&plan, &name, Existing::AsTold)?.finish()?;
    } else if let Some(tell) = plan.tell {
        tell(&format_args!(
            "{name}: this file was being written when the run was killed; its end may be missing"
        ));
    }
    chunk.note.content = content(chunk)?;
    chunk.note.is_whole = true;
    Ok(())
}

/// Counts the records of a chunk of text; those of a capture are not known.
fn content(chunk: &SpooledChunk) -> Result<ChunkContent> {
    let mut content = ChunkContent::default();
    if super::naming::of_name(&chunk.name(), None).0 != super::OutputFormat::Gor {
        return Ok(content);
    }
    let input = open_bytes(&Place::File(chunk.path.clone()), &ReadOptions::default())?;
    let options = ReaderOptions { max_record: MAX_MAX_RECORD, ..ReaderOptions::default() };
    let mut reader = Reader::new(input, options);
    let mut block = Block::new();
    while reader.read_block(&mut block).map_err(|error| error.at(chunk.name()))? {
        block.iter().for_each(|view| content.add(view.header.timestamp));
    }
    Ok(content)
}
