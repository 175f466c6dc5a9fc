//! What a process knows of S3: one connection, made when it is needed, and the objects it has found.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::ops::Range;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::{JoinError, JoinHandle};

use super::client::S3Connection;
use super::listing::list;
use super::location::{Keys, Location};
use super::reader::ObjectReader;
use super::trouble::{Trouble, lasting, retried};
use super::{Found, Object, S3Options, SCHEME};
use crate::endpoint::index::{Index, MAX_SIDECAR, sidecar_name};
use crate::endpoint::pump::thread_lost;
use crate::endpoint::reading::{ReadOptions, TimeWindow};
use crate::observe::Tell;
use crate::{Error, Result};

/// Smaller objects are read as a whole: to see whether an index is theirs would take as long.
const LEAST_INDEXED: u64 = 1 << 20;

/// How often a wait looks whether it is to end.
const LOOK: Duration = Duration::from_millis(100);

/// How long a request may take though the user has asked not to wait: who did not want to wait for something else may
/// want its result.
const FAIR_CHANCE: Duration = Duration::from_secs(2);

/// Objects, and whether each was only found below a prefix that was named.
type Expanded = Vec<(Arc<Object>, bool)>;

/// S3, as one process sees it.
#[derive(Debug, Default)]
pub(in super::super) struct Store {
    options: S3Options,
    /// Says that a server does not answer.
    tell: Option<Tell>,
    /// When it turns true, requests that whoever asks waits for are not waited for any more.
    is_leaving: OnceLock<Arc<AtomicBool>>,
    connection: Mutex<Option<Arc<S3Connection>>>,
    /// Objects of which something is known. A name that is one of them is that object, whatever it looks like.
    known: Mutex<HashSet<Arc<Object>>>,
    /// What was listed, by location: the same name stands for the same objects, as often as it is asked.
    listed: Mutex<HashMap<String, Expanded>>,
}

impl Store {
    /// Most requests at a time.
    pub(in super::super) fn fetch(&self) -> usize {
        self.options.fetch.get()
    }

    /// Nothing is asked of the server before a name needs it.
    pub(in super::super) fn new(options: S3Options, tell: Option<Tell>) -> Self {
        Store { options, tell, ..Store::default() }
    }

    /// Has requests be given up when this turns true.
    pub(in super::super) fn leave_at(&self, is_leaving: &Arc<AtomicBool>) {
        // It is the first one that counts.
        let _ = self.is_leaving.set(Arc::clone(is_leaving));
    }

    /// Waits for requests, or until it is time to leave and they had a fair chance.
    pub(super) fn wait<T>(
        &self,
        connection: &S3Connection,
        work: impl Future<Output = Result<T, Trouble>>,
    ) -> Result<T, Trouble> {
        let begun = Instant::now();
        connection.runtime().block_on(async {
            let mut work = pin!(work);
            loop {
                if let Ok(done) = tokio::time::timeout(LOOK, work.as_mut()).await {
                    return done;
                }
                let is_leaving = self.is_leaving.get().is_some_and(|flag| flag.load(Ordering::Relaxed));
                if is_leaving && begun.elapsed() >= FAIR_CHANCE {
                    return Err(lasting(&format!(
                        "interrupted before {} answered",
                        connection.server.name()
                    )));
                }
            }
        })
    }

    pub(super) fn connection(&self) -> Result<Arc<S3Connection>> {
        let connection = self.prepare()?;
        connection.start()?;
        Ok(connection)
    }

    /// The connection, with settings and credentials, which may have no threads yet.
    pub(in super::super) fn prepare(&self) -> Result<Arc<S3Connection>> {
        let mut connection = lock(&self.connection);
        if let Some(connection) = &*connection {
            return Ok(Arc::clone(connection));
        }
        Ok(Arc::clone(connection.insert(Arc::new(S3Connection::open(self.options, self.tell)?))))
    }

    /// The objects that a name means. One that is named as it is is not looked for.
    pub(in super::super) fn expand(&self, name: &str, hours: TimeWindow) -> Result<Expanded> {
        let plain = name.strip_prefix(SCHEME).and_then(|rest| rest.split_once('/'));
        if let Some((bucket, key)) = plain
            && let Some(known) = lock(&self.known).get(&Object::named(&bucket.into(), key.to_owned()))
        {
            return Ok(vec![(Arc::clone(known), false)]);
        }
        if let Some(known) = lock(&self.listed).get(name) {
            return Ok(known.clone());
        }
        let locations = Location::in_hours(name, hours)?;
        let objects = match &locations[..] {
            [Location { bucket, keys: Keys::One(key) }] => {
                return Ok(vec![(self.known(Object::named(&bucket.as_str().into(), key.clone())), false)]);
            }
            locations => self.list(locations).map_err(|error| error.at(name))?,
        };
        if objects.is_empty() {
            return Err(Error::Invalid("no object matches".into()).at(name));
        }
        lock(&self.listed).insert(name.to_owned(), objects.clone());
        Ok(objects)
    }

    /// The objects of several locations, each once, in the order of their keys.
    fn list(&self, locations: &[Location]) -> Result<Expanded> {
        let connection = self.connection()?;
        let mut tasks = Vec::with_capacity(locations.len());
        for location in locations {
            let (asked, location) = (Arc::clone(&connection), location.clone());
            let task = async move {
                let bucket: Arc<str> = location.bucket.as_str().into();
                list(&asked, &bucket, location.prefix()).await.map(|objects| (location, objects))
            };
            tasks.push(connection.runtime().spawn(task));
        }
        let mut expanded = Vec::new();
        for task in tasks {
            let listed = connection.runtime().block_on(task).map_err(lost)?;
            let (location, objects) = listed.map_err(told)?;
            let keys: HashSet<&str> = objects.iter().map(|object| object.key.as_str()).collect();
            let is_below = matches!(location.keys, Keys::Below(_));
            for object in objects.iter().filter(|object| location.takes(&object.key)) {
                if let Some(found) = object.found.get() {
                    let has_index = keys.contains(sidecar_name(&object.key).as_str());
                    let found = Found { has_index: Some(has_index), ..found.clone() };
                    let object = Object { found: found.into(), ..object.clone() };
                    expanded.push((self.known(object), is_below));
                }
            }
        }
        expanded.sort_by(|(one, _), (other, _)| one.key.cmp(&other.key));
        expanded.dedup_by(|(one, _), (other, _)| one == other);
        Ok(expanded)
    }

    /// The one object of this name that the process knows.
    fn known(&self, object: Object) -> Arc<Object> {
        let mut known = lock(&self.known);
        if let Some(known) = known.get(&object) {
            return Arc::clone(known);
        }
        let object = Arc::new(object);
        known.insert(Arc::clone(&object));
        object
    }

    /// How large an object is; an error where it is not there.
    pub(in super::super) fn size(&self, object: &Object) -> Result<u64> {
        self.found(object).map(|found| found.size)
    }

    /// What the server says of an object, asked once.
    fn found<'a>(&self, object: &'a Object) -> Result<&'a Found> {
        if object.found.get().is_none() {
            let connection = self.connection()?;
            let found = self.wait(&connection, look(&connection, object)).map_err(told)?;
            let _ = object.found.set(found);
        }
        Ok(object.found.get().expect("it was set above"))
    }

    /// The index beside an object, where it is of use; an error where it is not its own.
    pub(in super::super) fn index(&self, object: &Arc<Object>) -> Result<Option<Index>> {
        let found = self.found(object)?;
        if found.size < LEAST_INDEXED || found.has_index == Some(false) {
            return Ok(None);
        }
        let connection = self.connection()?;
        let beside = Object::named(&object.bucket, sidecar_name(&object.key));
        // It only saves time: without it all is read.
        let range = 0..MAX_SIDECAR;
        let text = connection.runtime().block_on(get(&connection, &beside, range, None));
        let Some(text) = text.ok().and_then(|text| String::from_utf8(text).ok()) else { return Ok(None) };
        let read = |ranges: Vec<Range<u64>>| -> Result<Vec<Vec<u8>>> {
            let begin = |range| {
                let (asked, object, etag) = (Arc::clone(&connection), Arc::clone(object), found.etag.clone());
                connection.runtime().spawn(async move { get(&asked, &object, range, Some(&etag)).await })
            };
            let tasks: Vec<_> = ranges.into_iter().map(begin).collect();
            let end = |task: JoinHandle<Result<_, Trouble>>| {
                connection.runtime().block_on(task).map_err(lost)?.map_err(told)
            };
            tasks.into_iter().map(end).collect()
        };
        match Index::of_copy(&text, found.size, read)? {
            None => Err(Error::Invalid("the index beside it is not its own".into())),
            index => Ok(index),
        }
    }

    /// Opens an object, or a range of it.
    pub(in super::super) fn open(
        &self,
        object: &Arc<Object>,
        range: Option<Range<u64>>,
        how: &ReadOptions,
    ) -> Result<ObjectReader> {
        let found = self.found(object)?;
        Ok(ObjectReader::new(&self.connection()?, object, &found.etag, range.unwrap_or(0..found.size), how))
    }
}

impl Object {
    fn named(bucket: &Arc<str>, key: String) -> Self {
        Object { bucket: Arc::clone(bucket), key, found: OnceLock::new() }
    }
}

/// Asks for the first byte of an object: unlike a request for its head alone, this tells what is wrong.
async fn look(connection: &S3Connection, object: &Object) -> Result<Found, Trouble> {
    let request = connection.client.get_object().bucket(&*object.bucket).key(&object.key);
    retried(|| async {
        let _turn = connection.requests.acquire().await;
        let sent = match connection.asked(request.clone().range("bytes=0-0").send()).await? {
            Ok(answer) => Ok(answer),
            Err(error) => match connection.server.trouble(&error) {
                // An object without a byte has no first one.
                Trouble { status: Some(416), .. } => connection.asked(request.clone().send()).await?,
                _ => Err(error),
            },
        };
        let mut answer = sent.map_err(|error| connection.server.trouble(&error))?;
        if answer.content_range().is_some() {
            // One byte, whose end ends the request. The head has told all that is wanted.
            let _ = connection.content(std::mem::take(&mut answer.body)).await;
        }
        let total = match answer.content_range() {
            Some(range) => range.rsplit('/').next().and_then(|total| total.parse().ok()),
            None => answer.content_length().and_then(|length| u64::try_from(length).ok()),
        };
        match (total, answer.e_tag()) {
            (Some(size), Some(etag)) => Ok(Found { size, etag: etag.to_owned(), has_index: None }),
            _ => Err(lasting("the server tells no size or no ETag of the object")),
        }
    })
    .await
}

/// The bytes of a range, or as many as there are.
async fn get(
    connection: &S3Connection,
    object: &Object,
    range: Range<u64>,
    etag: Option<&str>,
) -> Result<Vec<u8>, Trouble> {
    let request = connection
        .client
        .get_object()
        .bucket(&*object.bucket)
        .key(&object.key)
        .range(format!("bytes={}-{}", range.start, range.end - 1))
        .set_if_match(etag.map(str::to_owned));
    retried(|| async {
        let _turn = connection.requests.acquire().await;
        let asked = connection.asked(request.clone().send()).await?;
        connection.content(asked.map_err(|error| connection.server.trouble(&error))?.body).await
    })
    .await
}

/// A task that ended before its work was done has panicked, and said so itself.
fn lost(_: JoinError) -> Error {
    thread_lost().into()
}

pub(super) fn told(trouble: Trouble) -> Error {
    Error::Invalid(trouble.text)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
