//! A document for each exchange, sent to Elasticsearch or `OpenSearch`.
//!
//! Workers put what a document is made of in a bounded queue; a thread makes documents of it and sends them in batches.
//! Nobody waits for it: what finds the queue full is dropped, and counted.

mod bulk;
mod document;

use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::clock;
use super::ending::Ending;
use super::exchange::ReplayExchange;
use super::target::{Target, TargetProtocol};
use crate::Result;
use crate::pace::Share;
use crate::queue::{Inlet, Queue, QueueFlags, QueueSize};
use crate::tls::TlsOptions;

use self::bulk::Bulk;
pub(super) use self::document::DocumentExchange;

/// Bytes that may wait for the server. The exchange that reaches this is taken whole.
const WAITING: u64 = 64 << 20;

/// Bytes of a message in which its head is looked for.
const HEAD: usize = 64 << 10;

/// How often it is looked whether the server is waited for in vain.
const LOOK: Duration = Duration::from_millis(20);

/// An index: `http[s]://[user:password@]host:port/index`.
#[derive(Clone, Debug)]
pub struct DocumentIndex(Target);

impl FromStr for DocumentIndex {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = |what: &str| format!("{what}; expected http[s]://[USER:PASSWORD@]HOST[:PORT]/INDEX");
        let target: Target = text.parse().map_err(|_| expected("this is not such a URL"))?;
        let is_url =
            text.contains("://") && matches!(target.protocol(), TargetProtocol::Http | TargetProtocol::Https);
        if !is_url || target.share() != Share::All {
            return Err(expected("this is not such a URL"));
        }
        if target.prefix().is_empty() {
            return Err(expected("the index is missing"));
        }
        Ok(DocumentIndex(target))
    }
}

/// The URL without its password.
impl std::fmt::Display for DocumentIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// What became of the documents.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct DocumentTally {
    /// Exchanges, a document each.
    pub documents: u64,
    /// Documents that the server has written.
    pub written: u64,
    /// Documents that it refused, or could not be given; how it was the first time.
    pub refused: u64,
    /// Why the first of them was refused.
    pub first_refusal: String,
    /// Documents for which there was no room, as the server was too slow.
    pub dropped: u64,
    /// Documents that the server was not waited for to take.
    pub unsent: u64,
    /// Why the last try that is to be repeated failed; empty if there was none.
    pub last_failure: String,
}

impl DocumentTally {
    /// Whether a document is missing.
    pub(super) fn has_failures(&self) -> bool {
        self.written < self.documents
    }
}

/// What workers, thread and engine tell each other.
#[derive(Debug)]
struct DocumentCounters {
    documents: AtomicU64,
    dropped: AtomicU64,
    written: AtomicU64,
    refused: AtomicU64,
    first_refusal: Mutex<String>,
    last_failure: Mutex<String>,
    /// Monotonic nanoseconds after which nothing more is tried.
    deadline: AtomicU64,
}

impl Default for DocumentCounters {
    fn default() -> Self {
        DocumentCounters {
            documents: AtomicU64::default(),
            dropped: AtomicU64::default(),
            written: AtomicU64::default(),
            refused: AtomicU64::default(),
            first_refusal: Mutex::default(),
            last_failure: Mutex::default(),
            deadline: AtomicU64::new(u64::MAX),
        }
    }
}

impl DocumentCounters {
    fn refuse(&self, documents: u64, why: impl FnOnce() -> String) {
        if documents > 0 && self.refused.fetch_add(documents, Ordering::Relaxed) == 0 {
            *self.first_refusal.lock().unwrap_or_else(PoisonError::into_inner) = why();
        }
    }

    fn fail(&self, why: &str) {
        why.clone_into(&mut self.last_failure.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Where workers put exchanges.
#[derive(Clone, Debug)]
pub(super) struct DocumentOutlet {
    inlet: Arc<Inlet<DocumentExchange>>,
    counters: Arc<DocumentCounters>,
    target: u32,
}

impl DocumentOutlet {
    /// The same, for a target with this number.
    pub(super) fn of_target(&self, target: usize) -> Self {
        DocumentOutlet { target: target as u32, ..self.clone() }
    }

    /// Takes an exchange that ended now.
    pub(super) fn put(&self, exchange: &ReplayExchange, now: u64) {
        self.counters.documents.fetch_add(1, Ordering::Relaxed);
        if self.inlet.is_full() {
            self.counters.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let head = |message: &[u8]| message[..message.len().min(HEAD)].to_vec();
        let item = DocumentExchange {
            id: exchange.id.clone(),
            target: self.target,
            request: head(exchange.head()),
            response: head(exchange.answer().0),
            status: exchange.status(),
            sent_at: clock::wall() - clock::now().saturating_sub(exchange.sent_at) as i64,
            round_trip: now.saturating_sub(exchange.sent_at),
        };
        let size = QueueSize { bytes: item.size(), records: 1 };
        if !self.inlet.put(item, size) {
            self.counters.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The queue in front of the server.
#[derive(Debug)]
pub(super) struct DocumentWriter {
    pub(super) outlet: DocumentOutlet,
    queue: Queue<DocumentExchange>,
}

impl DocumentWriter {
    /// Begins to send documents. What `tls` says of trust holds for the server too.
    pub(super) fn start(index: &DocumentIndex, tls: &TlsOptions) -> Result<Self> {
        let counters = Arc::new(DocumentCounters::default());
        let bulk = Bulk::new(&index.0, tls, Arc::clone(&counters))?;
        let write = |bulk: &mut Bulk, exchange: DocumentExchange| {
            bulk.add(&exchange);
            Ok(())
        };
        let queue = Queue::start("documents", WAITING, QueueFlags::default(), bulk, write)?;
        let outlet = DocumentOutlet { inlet: Arc::clone(&queue.inlet), counters, target: 0 };
        Ok(DocumentWriter { outlet, queue })
    }

    /// Has the server given what waits, for this time at most.
    pub(super) fn finish(mut self, patience: Duration, ending: &Ending) -> DocumentTally {
        let counters = &self.outlet.counters;
        let deadline = clock::now().saturating_add(clock::nanoseconds(patience));
        counters.deadline.store(deadline, Ordering::Relaxed);
        self.queue.end();
        while self.queue.ended(LOOK).is_none() && clock::now() < deadline {
            if ending.is_now() {
                counters.deadline.store(0, Ordering::Relaxed);
                break;
            }
        }
        let number = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut tally = DocumentTally {
            documents: number(&counters.documents),
            written: number(&counters.written),
            refused: number(&counters.refused),
            first_refusal: counters.first_refusal.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            dropped: number(&counters.dropped),
            unsent: 0,
            last_failure: counters.last_failure.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        };
        tally.unsent = tally.documents.saturating_sub(tally.written + tally.refused + tally.dropped);
        tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_a_url_with_a_path_and_its_password_is_not_shown() {
        for text in ["http://h:9200/i", "https://u:p@h/a/i"] {
            assert!(text.parse::<DocumentIndex>().is_ok(), "{text}");
        }
        let shown = "https://u:secret@h/i".parse::<DocumentIndex>().map(|index| format!("{index} {index:?}"));
        assert!(shown.as_ref().is_ok_and(|shown| !shown.contains("secret")), "{shown:?}");
        for text in [
            "h:9200/i",
            "http://h:9200",
            "http://h:9200/",
            "tcp://h:1",
            "unix:/a:/i",
            "http://h/i|5",
            "ftp://h/i",
        ] {
            let error = text.parse::<DocumentIndex>().expect_err(text);
            assert!(error.contains("/INDEX"), "{error}");
        }
        assert!("http://u:secret@h/".parse::<DocumentIndex>().is_err_and(|error| !error.contains("secret")));
    }
}
