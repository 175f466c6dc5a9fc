//! Batches of documents, and what the server says about each of them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use reqwest::blocking::Client;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::redirect::Policy;
use serde_json::Value;

use super::DocumentCounters;
use super::document::DocumentExchange;
use crate::queue::Output;
use crate::replay::clock;
use crate::replay::target::{Target, TargetProtocol};
use crate::replay::tls::HTTP;
use crate::tls::{TlsOptions, client_config};
use crate::{Error, Result};

/// A batch is sent when it has so many documents or bytes, or is so old.
const DOCUMENTS: usize = 1000;
const BYTES: usize = 4 << 20;
const AGE: Duration = Duration::from_secs(1);

/// How often a batch is tried, and how long after the first time the second one comes; each pause is twice as long.
const TRIES: u32 = 8;
const PAUSE: Duration = Duration::from_millis(100);

/// Longest pause between two tries, and between two looks whether there is time for another one.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(20);

/// Longest time that the server may take for a batch.
const PATIENCE: Duration = Duration::from_secs(10);

/// How much of what the server says about a failure is shown.
const SHOWN: usize = 200;

/// The batch at hand, and where it goes.
pub(super) struct Bulk {
    client: Client,
    url: String,
    authorization: Option<String>,
    counters: Arc<DocumentCounters>,
    /// The lines of each document.
    batch: Vec<Vec<u8>>,
    bytes: usize,
    begun: Option<Instant>,
}

/// What became of a try.
enum BulkAttempt {
    /// Of each document, or of none where the answer is not understood.
    Answered(Vec<DocumentVerdict>),
    /// It may go better the next time.
    Again(String),
    Refused(String),
}

/// What the server says about a document.
enum DocumentVerdict {
    Written,
    Again(String),
    Refused(String),
}

impl Bulk {
    pub(super) fn new(index: &Target, tls: &TlsOptions, counters: Arc<DocumentCounters>) -> Result<Self> {
        // Without TLS nobody is trusted, and no certificates of the system are needed.
        let is_secure = index.protocol() == TargetProtocol::Https;
        let tls = TlsOptions {
            client_certificate: None,
            server_name: None,
            skips_verification: tls.skips_verification || !is_secure,
            ..tls.clone()
        };
        let mut config = client_config(&tls)?;
        config.alpn_protocols = vec![HTTP.to_vec()];
        let client = Client::builder()
            .tls_backend_preconfigured(config)
            .redirect(Policy::none())
            .no_proxy()
            .user_agent(concat!("gor-replay/", env!("CARGO_PKG_VERSION")))
            .timeout(PATIENCE)
            .build()
            .map_err(|error| Error::Invalid(format!("--elasticsearch: {error}")))?;
        Ok(Bulk {
            client,
            url: format!("{index}/_bulk"),
            authorization: index.authorization().map(str::to_owned),
            counters,
            batch: Vec::new(),
            bytes: 0,
            begun: None,
        })
    }

    /// Adds a document, and sends the batch if it is full or old.
    pub(super) fn add(&mut self, exchange: &DocumentExchange) {
        let mut lines = Vec::new();
        exchange.write(&mut lines);
        self.bytes += lines.len();
        self.batch.push(lines);
        self.begun.get_or_insert_with(Instant::now);
        if self.batch.len() >= DOCUMENTS || self.bytes >= BYTES {
            self.send();
        } else {
            self.send_if_old();
        }
    }

    fn send_if_old(&mut self) {
        if self.begun.is_some_and(|begun| begun.elapsed() >= AGE) {
            self.send();
        }
    }

    /// Sends the batch, as often as it helps.
    fn send(&mut self) {
        let mut batch = std::mem::take(&mut self.batch);
        (self.bytes, self.begun) = (0, None);
        let mut pause = PAUSE;
        for left in (0..TRIES).rev() {
            if batch.is_empty() || self.is_over() {
                // What is left at the end is counted as not sent.
                return;
            }
            let why = match self.attempt(&batch) {
                BulkAttempt::Refused(why) => return self.counters.refuse(batch.len() as u64, || why),
                BulkAttempt::Again(why) => why,
                BulkAttempt::Answered(verdicts) => {
                    let mut first = String::new();
                    let mut again = Vec::new();
                    for (lines, verdict) in batch.into_iter().zip(verdicts) {
                        match verdict {
                            DocumentVerdict::Written => {
                                _ = self.counters.written.fetch_add(1, Ordering::Relaxed);
                            }
                            DocumentVerdict::Refused(why) => self.counters.refuse(1, || why),
                            DocumentVerdict::Again(why) => {
                                first = why;
                                again.push(lines);
                            }
                        }
                    }
                    batch = again;
                    first
                }
            };
            if !batch.is_empty() {
                self.counters.fail(&why);
            }
            if left == 0 {
                return self.counters.refuse(batch.len() as u64, || format!("after {TRIES} tries: {why}"));
            }
            if !batch.is_empty() {
                self.wait(pause);
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }

    fn attempt(&self, batch: &[Vec<u8>]) -> BulkAttempt {
        let mut request = self.client.post(&self.url).header(CONTENT_TYPE, "application/x-ndjson");
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let answer = match request.body(batch.concat()).send() {
            Ok(answer) => answer,
            Err(error) => return BulkAttempt::Again(causes(&error.without_url())),
        };
        let status = answer.status();
        let text = match answer.text() {
            Ok(text) => text,
            Err(error) => return BulkAttempt::Again(causes(&error.without_url())),
        };
        if !status.is_success() {
            let shown: String = text.chars().take(SHOWN).collect();
            let why = format!("{status} {shown}").trim_end().to_owned();
            let may_help = matches!(status.as_u16(), 429 | 502 | 503 | 504);
            return if may_help { BulkAttempt::Again(why) } else { BulkAttempt::Refused(why) };
        }
        let verdicts = serde_json::from_str(&text).ok().and_then(|answer| verdicts(&answer, batch.len()));
        verdicts.map_or_else(
            || BulkAttempt::Refused("its answer is not that of a bulk request".to_owned()),
            BulkAttempt::Answered,
        )
    }

    /// Whether nothing more is to be tried.
    fn is_over(&self) -> bool {
        clock::now() >= self.counters.deadline.load(Ordering::Relaxed)
    }

    fn wait(&self, pause: Duration) {
        let begun = Instant::now();
        while begun.elapsed() < pause && !self.is_over() {
            thread::sleep(LOOK.min(pause));
        }
    }
}

/// What went wrong, with what it was caused by.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// What a bulk answer says of each of so many documents.
fn verdicts(answer: &Value, documents: usize) -> Option<Vec<DocumentVerdict>> {
    let items = answer["items"].as_array().filter(|items| items.len() == documents)?;
    let verdict = |item: &Value| {
        let result = item.as_object()?.values().next()?;
        let why = || {
            let (kind, reason) = (&result["error"]["type"], &result["error"]["reason"]);
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            format!("{} {}: {}", result["status"], text(kind), text(reason))
        };
        Some(match result["status"].as_u64()? {
            // 409: it is there by an earlier try, whose answer did not come.
            200..=299 | 409 => DocumentVerdict::Written,
            429 | 503 => DocumentVerdict::Again(why()),
            _ => DocumentVerdict::Refused(why()),
        })
    };
    items.iter().map(verdict).collect()
}

impl Output for Bulk {
    fn flush(&mut self) -> Result<()> {
        self.send_if_old();
        Ok(())
    }

    fn reopen(&mut self) -> Result<()> {
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        self.send();
        Ok(())
    }

    fn check(&mut self) -> Result<()> {
        self.send_if_old();
        Ok(())
    }
}
