//! The workers of all targets: started together, waited for together.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::thread::{self, JoinHandle};

use mio::Waker;

use super::addresses::{Addresses, ServerAddress};
use super::documents::DocumentOutlet;
use super::ending::Ending;
use super::middleware::feed::RequestEnds;
use super::output::Outlet;
use super::own::Own;
use super::progress::WorkerProgress;
use super::request::Editor;
use super::resolver;
use super::routing::WorkerInbox;
use super::settings::{SessionMode, Settings};
use super::tally::ReplayTally;
use super::target::{Target, TargetProtocol};
use super::tls::TlsClient;
use super::worker::{ReplayWorker, WorkerOptions};
use crate::Result;
use crate::report::Measurements;

/// Batches that may wait for a worker, besides those it has in hand.
const BATCHES: usize = 1;

/// Tells that a worker has ended, also by a panic.
struct EndOfWorker(Option<Arc<WorkerProgress>>);

impl Drop for EndOfWorker {
    fn drop(&mut self) {
        if let Some(progress) = &self.0 {
            progress.has_ended.store(true, Ordering::Release);
        }
    }
}

/// Threads, each with the connections to its target.
#[derive(Debug, Default)]
pub(super) struct WorkerPool {
    workers: Vec<JoinHandle<std::io::Result<ReplayTally>>>,
    progress: Vec<Arc<WorkerProgress>>,
    /// Kept until the workers have ended.
    wakers: Vec<Arc<Waker>>,
}

impl WorkerPool {
    /// Starts a worker, and says where it takes its batches from.
    pub(super) fn start(&mut self, options: WorkerOptions) -> Result<WorkerInbox> {
        self.progress.push(Arc::clone(&options.progress));
        let (batches, intake) = sync_channel(BATCHES);
        let (worker, waker) = ReplayWorker::new(options, intake)?;
        self.wakers.push(Arc::clone(&waker));
        let ending = EndOfWorker(self.progress.last().cloned());
        self.workers.push(thread::spawn(move || {
            let tally = worker.run();
            drop(ending);
            tally
        }));
        let waiting = self.progress.last().map(|progress| Arc::clone(&progress.untaken)).unwrap_or_default();
        Ok(WorkerInbox { batches, waker, waiting })
    }

    /// The counters of each worker.
    pub(super) fn progress(&self) -> impl Iterator<Item = Arc<WorkerProgress>> {
        self.progress.iter().cloned()
    }

    /// Waits for the workers. What each of them saw, in the order in which they were started.
    pub(super) fn join(self) -> Result<Vec<ReplayTally>> {
        self.workers.into_iter().map(|worker| Ok(join(worker)?)).collect()
    }
}

/// What the workers of all targets have in common.
pub(super) struct TargetWorkers<'a> {
    pub(super) settings: &'a Settings,
    /// Most connections of each.
    pub(super) connections: usize,
    pub(super) descriptors: Option<u64>,
    pub(super) output: Option<Outlet>,
    pub(super) documents: Option<DocumentOutlet>,
    pub(super) ending: Ending,
    pub(super) own: Own,
    /// Where it is told which requests have ended, if others wait for that before they come to the workers.
    pub(super) ends: Option<RequestEnds>,
}

impl TargetWorkers<'_> {
    /// Starts the workers of a target, and says how to reach them.
    pub(super) fn start(
        &self,
        pool: &mut WorkerPool,
        number: usize,
        target: &Target,
        addresses: &[ServerAddress],
        tls: Option<&TlsClient>,
    ) -> Result<Vec<WorkerInbox>> {
        let settings = self.settings;
        let threads = settings.threads.get();
        let start = |_| {
            pool.start(WorkerOptions {
                new_addresses: resolver::keep_looking(target, addresses.to_vec()),
                addresses: Addresses::new(addresses.to_vec()),
                tls: tls.cloned(),
                editor: match Editor::new(target, settings.keeps_host) {
                    editor if settings.is_for_origin => editor.for_origin(target),
                    editor => editor,
                },
                timeout: settings.timeout,
                threads: threads as u64,
                sessions: match (settings.sessions, target.protocol()) {
                    // A stream means nothing without its beginning.
                    (SessionMode::Off, TargetProtocol::Tcp) => SessionMode::Schedule,
                    (mode, _) => mode,
                },
                min_connections: settings.min_connections.div_ceil(threads).min(self.connections),
                idle_timeout: settings.idle_timeout,
                is_precise: settings.is_precise && !settings.pace.is_no_wait(),
                response_buffer: settings.response_buffer,
                sends_marked: settings.sends_marked,
                redirects: settings.redirects,
                tls_options: settings.tls.clone(),
                keeps_cookies: settings.keeps_cookies,
                queue: settings.queue.div_ceil(threads),
                connections: self.connections,
                descriptors: self.descriptors,
                is_closed_loop: settings.pace.is_no_wait(),
                output: self.output.clone(),
                documents: self.documents.as_ref().map(|documents| documents.of_target(number)),
                ending: self.ending.clone(),
                own: self.own.clone(),
                ends: self.ends.clone(),
                progress: Arc::default(),
                is_watched: settings.is_watched,
                settles: settings.checkpoint.is_some() || settings.commits,
                is_continued: settings.checkpoint.is_some(),
                measured: settings
                    .measures
                    .clone()
                    .map(|measures| Box::new(Measurements::new(measures.group))),
            })
        };
        (0..threads).map(start).collect()
    }
}

/// The value a thread ends with. A panic there goes on here.
pub(super) fn join<T>(thread: JoinHandle<T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
