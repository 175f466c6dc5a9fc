//! One chunk becomes an object: in one request, or in parts; and never in the place of another object.

use std::error::Error as StdError;
use std::fs::File;
use std::future::Future;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use tokio::task::JoinSet;

use super::client::S3Connection;
use super::trouble::{Server, Trouble, lasting};
use super::watch::{SdkResult, TransferProgress};

/// Longer chunks are uploaded in parts.
const LONGEST_WHOLE: u64 = 16 << 20;

/// Bytes of a part, unless there would be too many.
const PART: u64 = 8 << 20;

/// Most parts of an object, by the protocol.
const MAX_PARTS: u64 = 10_000;

/// How long a server may take to make one object of many parts.
const JOIN_TIMEOUT: Duration = Duration::from_mins(2);

/// The key of the object's own data that holds its chunk's id.
const ID: &str = "gor-chunk";

/// Where a file is to go.
#[derive(Clone, Debug)]
pub(super) struct Goal {
    pub(super) bucket: String,
    pub(super) key: String,
    /// What tells the object from others.
    pub(super) id: String,
}

/// How an upload ended.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Uploaded {
    /// The object is there.
    Done,
    /// Another object has this key.
    Taken,
}

/// An upload in parts that was begun, and the parts that the server has.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub(super) upload: Option<String>,
    done: Vec<Option<CompletedPart>>,
}

/// What uploads are done with.
#[derive(Clone, Debug)]
pub(super) struct Uploads {
    connection: Arc<S3Connection>,
    client: Client,
    server: Server,
}

impl Uploads {
    pub(super) fn new(connection: &Arc<S3Connection>) -> Self {
        Uploads {
            client: connection.client.clone(),
            server: connection.server.written(),
            connection: Arc::clone(connection),
        }
    }

    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    /// When the server last took or gave something.
    pub(super) fn moved(&self) -> Instant {
        self.connection.watch.moved()
    }

    /// The answer to a request without a body to speak of.
    fn asked<T, E>(
        &self,
        asked: impl Future<Output = SdkResult<T, E>>,
    ) -> impl Future<Output = Result<T, Trouble>>
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        self.sent(|_| asked)
    }

    /// The answer to a request whose body is watched.
    fn sent<T, E, F>(
        &self,
        send: impl FnOnce(TransferProgress) -> F,
    ) -> impl Future<Output = Result<T, Trouble>>
    where
        F: Future<Output = SdkResult<T, E>>,
        E: ProvideErrorMetadata + StdError + 'static,
    {
        let answer = self.connection.watch.answer(send);
        async { answer.await?.map_err(|error| self.server.trouble(&error)) }
    }

    /// Asks whether the bucket is there, and these credentials are known. Who may only write is told so, too, which
    /// is no error here.
    pub(super) async fn probe(&self, bucket: &str) -> Result<(), Trouble> {
        let _turn = self.connection.requests.acquire().await;
        self.asked(self.client.list_objects_v2().bucket(bucket).max_keys(1).send()).await.map(drop)
    }

    /// Writes an object in one request; where it `is_new`, only if there is none of this key.
    pub(super) async fn put(
        &self,
        bucket: &str,
        key: &str,
        content: Arc<[u8]>,
        content_type: &str,
        is_new: bool,
    ) -> Result<(), Trouble> {
        let _turn = self.connection.requests.acquire().await;
        let request = self
            .client
            .put_object()
            .bucket(bucket)
            .key(key)
            .set_if_none_match(is_new.then(|| "*".to_owned()))
            .checksum_algorithm(ChecksumAlgorithm::Crc32)
            .content_type(content_type)
            .body(ByteStream::from(Bytes::from_owner(content)));
        self.sent(|sending| request.customize().interceptor(sending).send()).await.map(drop)
    }

    /// An object as a whole, or this range of it.
    pub(super) async fn get(&self, bucket: &str, key: &str, range: Option<&str>) -> Result<Vec<u8>, Trouble> {
        let _turn = self.connection.requests.acquire().await;
        let request = self.client.get_object().bucket(bucket).key(key).set_range(range.map(str::to_owned));
        let answer = self.asked(request.send()).await?;
        self.connection.content(answer.body).await
    }

    /// The keys that begin so. Unlike for reading, nothing is tried again here: who waits says so.
    pub(super) async fn keys(&self, bucket: &str, prefix: &str) -> Result<Vec<String>, Trouble> {
        let (mut keys, mut next) = (Vec::new(), None::<String>);
        loop {
            let _turn = self.connection.requests.acquire().await;
            let request = self.client.list_objects_v2().bucket(bucket).prefix(prefix);
            let page = self.asked(request.set_continuation_token(next.clone()).send()).await?;
            keys.extend(page.contents().iter().filter_map(|entry| entry.key().map(str::to_owned)));
            match page.next_continuation_token() {
                Some(token) if page.is_truncated() == Some(true) && next.as_deref() != Some(token) => {
                    next = Some(token.to_owned());
                }
                _ => return Ok(keys),
            }
        }
    }

    /// Uploads a file. What is there of an earlier try in `parts` is not sent again; `begun` hears of an upload in
    /// parts before any of them is sent, and again when it is over.
    pub(super) async fn upload(
        &self,
        path: &Path,
        goal: &Goal,
        parts: &mut Parts,
        begun: impl FnMut(Option<&str>),
    ) -> Result<Uploaded, Trouble> {
        let file = Arc::new(File::open(path).map_err(|error| unreadable(path, &error))?);
        let size = file.metadata().map_err(|error| unreadable(path, &error))?.len();
        let uploaded = if size <= LONGEST_WHOLE {
            self.whole(&file, path, size, goal).await
        } else {
            self.in_parts(&file, path, size, goal, parts, begun).await
        };
        match uploaded {
            Err(trouble) if trouble.status == Some(412) => {
                // It may be the object of an earlier try whose answer was lost.
                Ok(if self.is_there(goal).await? == Some(true) { Uploaded::Done } else { Uploaded::Taken })
            }
            Err(trouble) => Err(trouble),
            Ok(()) => Ok(Uploaded::Done),
        }
    }

    async fn whole(&self, file: &Arc<File>, path: &Path, size: u64, goal: &Goal) -> Result<(), Trouble> {
        let _turn = self.connection.requests.acquire().await;
        let body = read(file, path, 0, size).await?;
        let request = self
            .client
            .put_object()
            .bucket(&goal.bucket)
            .key(&goal.key)
            .if_none_match("*")
            .checksum_algorithm(ChecksumAlgorithm::Crc32)
            .metadata(ID, &goal.id)
            .body(body);
        self.sent(|sending| request.customize().interceptor(sending).send()).await.map(drop)
    }

    /// Whether an object has this key: this chunk's (true) or another one (false).
    async fn is_there(&self, goal: &Goal) -> Result<Option<bool>, Trouble> {
        let _turn = self.connection.requests.acquire().await;
        match self.asked(self.client.head_object().bucket(&goal.bucket).key(&goal.key).send()).await {
            Ok(found) => Ok(Some(found.metadata().and_then(|data| data.get(ID)) == Some(&goal.id))),
            Err(Trouble { status: Some(404), .. }) => Ok(None),
            // Who may only write cannot know. Then it is another one's: rather twice than never.
            Err(Trouble { status: Some(401 | 403), .. }) => Ok(Some(false)),
            Err(trouble) => Err(trouble),
        }
    }

    async fn in_parts(
        &self,
        file: &Arc<File>,
        path: &Path,
        size: u64,
        goal: &Goal,
        parts: &mut Parts,
        mut begun: impl FnMut(Option<&str>),
    ) -> Result<(), Trouble> {
        let part = PART.max(size.div_ceil(MAX_PARTS));
        let upload = if let Some(upload) = &parts.upload {
            upload.clone()
        } else {
            let upload = self.begin(goal).await?;
            begun(Some(&upload));
            *parts = Parts { upload: Some(upload.clone()), done: vec![None; size.div_ceil(part) as usize] };
            upload
        };
        let mut sent = self.send_parts(file, path, size, part, goal, &upload, parts).await;
        if sent.is_ok() {
            sent = self.complete(goal, &upload, parts).await;
        }
        match &sent {
            Err(trouble) if trouble.may_pass => {}
            // The server has forgotten it, or has made the object and its answer was lost: the next try finds out.
            Err(trouble) if trouble.status == Some(404) && self.is_there(goal).await? == Some(true) => {
                *parts = Parts::default();
                begun(None);
                return Ok(());
            }
            Err(trouble) if trouble.status == Some(404) && trouble.text.contains("NoSuchUpload") => {
                *parts = Parts::default();
                begun(None);
                return sent.map_err(|trouble| Trouble { may_pass: true, ..trouble });
            }
            Err(_) => {
                self.abort(goal, &upload).await;
                *parts = Parts::default();
                begun(None);
            }
            Ok(()) => begun(None),
        }
        sent
    }

    async fn begin(&self, goal: &Goal) -> Result<String, Trouble> {
        // Before all of it is sent for nothing.
        if self.is_there(goal).await?.is_some() {
            return Err(Trouble { status: Some(412), ..lasting("there is an object of this key") });
        }
        let _turn = self.connection.requests.acquire().await;
        let request = self
            .client
            .create_multipart_upload()
            .bucket(&goal.bucket)
            .key(&goal.key)
            .checksum_algorithm(ChecksumAlgorithm::Crc32)
            .metadata(ID, &goal.id);
        let answer = self.asked(request.send()).await?;
        answer.upload_id().map(str::to_owned).ok_or_else(|| lasting("the server gives no id of the upload"))
    }

    /// Sends what the server does not have yet, as much at a time as there may be requests.
    #[allow(clippy::too_many_arguments, reason = "they are of one upload")]
    async fn send_parts(
        &self,
        file: &Arc<File>,
        path: &Path,
        size: u64,
        part: u64,
        goal: &Goal,
        upload: &str,
        parts: &mut Parts,
    ) -> Result<(), Trouble> {
        let mut sending: JoinSet<Result<_, Trouble>> = JoinSet::new();
        for number in (0..parts.done.len()).filter(|number| parts.done[*number].is_none()) {
            let (uploads, file, path) = (self.clone(), Arc::clone(file), path.to_owned());
            let request = self
                .client
                .upload_part()
                .bucket(&goal.bucket)
                .key(&goal.key)
                .upload_id(upload)
                .checksum_algorithm(ChecksumAlgorithm::Crc32)
                .part_number(number as i32 + 1);
            let at = number as u64 * part;
            sending.spawn(async move {
                let _turn = uploads.connection.requests.acquire().await;
                let body = read(&file, &path, at, part.min(size - at)).await?;
                let request = request.body(body).customize();
                let answer = uploads.sent(|sending| request.interceptor(sending).send()).await?;
                let part = CompletedPart::builder()
                    .part_number(number as i32 + 1)
                    .set_e_tag(answer.e_tag)
                    .set_checksum_crc32(answer.checksum_crc32);
                Ok((number, part.build()))
            });
        }
        let mut result = Ok(());
        // Those that come after one that failed are taken, too: they need not be sent again.
        while let Some(sent) = sending.join_next().await {
            match sent {
                Ok(Ok((number, part))) => parts.done[number] = Some(part),
                Ok(Err(trouble)) => {
                    if !trouble.may_pass {
                        sending.abort_all();
                    }
                    result = result.and(Err(trouble));
                }
                Err(error) if error.is_cancelled() => {}
                Err(_) => return Err(lasting("a thread ended before its work was done")),
            }
        }
        result
    }

    async fn complete(&self, goal: &Goal, upload: &str, parts: &Parts) -> Result<(), Trouble> {
        let _turn = self.connection.requests.acquire().await;
        let done = parts.done.iter().flatten().cloned().collect();
        let request = self
            .client
            .complete_multipart_upload()
            .bucket(&goal.bucket)
            .key(&goal.key)
            .upload_id(upload)
            .if_none_match("*")
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(done)).build());
        let joined = self.connection.watch.answer_within(JOIN_TIMEOUT, |_| request.send()).await?;
        joined.map(drop).map_err(|error| self.server.trouble(&error))
    }

    /// Has the server forget the parts of an upload that does not go on. It does so by itself where the bucket says when.
    pub(super) async fn abort(&self, goal: &Goal, upload: &str) {
        let _turn = self.connection.requests.acquire().await;
        let request =
            self.client.abort_multipart_upload().bucket(&goal.bucket).key(&goal.key).upload_id(upload);
        // What made it necessary is told; this costs storage at most.
        let _ = self.asked(request.send()).await;
    }
}

/// Bytes of a file, read where that may take its time.
async fn read(file: &Arc<File>, path: &Path, at: u64, length: u64) -> Result<ByteStream, Trouble> {
    let file = Arc::clone(file);
    let reading = tokio::task::spawn_blocking(move || {
        let mut bytes = vec![0; length as usize];
        file.read_exact_at(&mut bytes, at).map(|()| bytes)
    });
    match reading.await {
        Ok(Ok(bytes)) => Ok(ByteStream::from(bytes)),
        Ok(Err(error)) => Err(unreadable(path, &error)),
        Err(_) => Err(lasting("a thread ended before its work was done")),
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Trouble {
    lasting(&format!("{}: {error}", path.display()))
}
