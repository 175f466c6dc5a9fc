//! How to replay.

use std::num::NonZeroUsize;
use std::time::Duration;

use regex::bytes::Regex;

use super::documents::DocumentIndex;
use super::middleware::settings::MiddlewareSettings;
use super::output::WhenSlow;
use super::position::CheckpointSettings;
use super::queue::QUEUE;
use super::reading::Supply;
use super::routing::Split;
use super::selection::RequestSelection;
use crate::pace::Pace;
use crate::tls::TlsOptions;

/// Most connections to a target while requests follow their schedule.
pub const OPEN_LOOP_CONNECTIONS: usize = 1024;

/// Most connections to a target while requests follow each other. All of them are kept busy.
pub const CLOSED_LOOP_CONNECTIONS: usize = 64;

/// How to replay.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
pub struct Settings {
    /// When requests are due.
    pub pace: Pace,
    /// How often the recording is replayed.
    pub rounds: u64,
    /// The name of a header field that requests get and that says which round they are of.
    pub round_field: Option<String>,
    /// Requests among which the next one is looked for, so that they are sent in order.
    pub read_depth: usize,
    /// Threads that send to each target, each on connections of its own.
    pub threads: NonZeroUsize,
    /// Most connections to each target; by default [`OPEN_LOOP_CONNECTIONS`] or [`CLOSED_LOOP_CONNECTIONS`].
    pub connections: Option<usize>,
    /// How long after its due time a request is given up.
    pub timeout: Duration,
    /// Which requests are replayed at all.
    pub selection: RequestSelection,
    /// Connections to each target that are opened before they are needed, and kept.
    pub min_connections: usize,
    /// How long a connection may be idle before it is closed.
    pub idle_timeout: Duration,
    /// Whether to be awake before a request is due.
    pub is_precise: bool,
    /// Bytes of a response that are kept for the output.
    pub response_buffer: usize,
    /// Whether requests that are marked are sent too, if their bytes are one whole request.
    pub sends_marked: bool,
    /// Redirections that are followed, to whatever server.
    pub redirects: u32,
    /// Whether cookies that targets set are sent in place of recorded ones, on each recorded connection.
    pub keeps_cookies: bool,
    /// Requests that are due and may wait for a connection; beyond, the oldest is given up.
    pub queue: usize,
    /// What becomes of the recorded connections.
    pub sessions: SessionMode,
    /// How several targets share the requests.
    pub split: Split,
    /// When the first request is due, if not as soon as it can be: nanoseconds since the Unix epoch.
    pub start_at: Option<i64>,
    /// Whether Host stays as recorded.
    pub keeps_host: bool,
    /// Whether requests come when they are due, and are sent at once.
    pub comes_when_due: bool,
    /// Whether every request is changed into one to an origin server: a host in the request line goes, and Host is
    /// added where it is missing.
    pub is_for_origin: bool,
    /// Whom https targets are to be, and who we are to them.
    pub tls: TlsOptions,
    /// Whether the input goes to the output too.
    pub echo: bool,
    /// What is done when the output is slower than the answers.
    pub when_slow: WhenSlow,
    /// The input, as far as it tells when the clock is to start.
    pub supply: Supply,
    /// Whether latencies are counted for whoever watches.
    pub is_watched: bool,
    /// What is measured for a report, if one is made.
    pub measures: Option<Measures>,
    /// The child that requests and responses go through, if there is one.
    pub middleware: Option<MiddlewareSettings>,
    /// Where a document of each exchange goes, if anywhere.
    pub documents: Option<DocumentIndex>,
    /// How often it is said which requests are settled, and which were before, if that is asked for.
    pub checkpoint: Option<CheckpointSettings>,
    /// Whether the source is told which requests are settled.
    pub commits: bool,
}

/// What becomes of the recorded connections.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum SessionMode {
    /// Requests take whatever connection is free.
    #[default]
    Off,
    /// Each recorded connection has one of its own.
    Schedule,
    /// The same, and a request is due as long after the answer before it as it was recorded.
    Think,
}

/// What is measured for a report.
#[derive(Clone, Debug, Default)]
pub struct Measures {
    /// What this matches in paths is taken for an id.
    pub group: Option<Regex>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            pace: Pace::default(),
            rounds: 1,
            round_field: None,
            read_depth: 100,
            threads: NonZeroUsize::MIN,
            connections: None,
            timeout: Duration::from_secs(5),
            selection: RequestSelection::default(),
            min_connections: 0,
            idle_timeout: Duration::from_mins(1),
            is_precise: false,
            response_buffer: 5 << 20,
            sends_marked: false,
            redirects: 0,
            keeps_cookies: false,
            queue: QUEUE,
            sessions: SessionMode::Off,
            split: Split::Copy,
            start_at: None,
            keeps_host: false,
            comes_when_due: false,
            is_for_origin: false,
            tls: TlsOptions::default(),
            echo: false,
            when_slow: WhenSlow::Drop,
            supply: Supply::default(),
            is_watched: false,
            measures: None,
            middleware: None,
            documents: None,
            checkpoint: None,
            commits: false,
        }
    }
}

impl Settings {
    /// Most connections to each target, as far as descriptors allow them.
    pub fn most_connections(&self) -> usize {
        let default = if self.pace.is_no_wait() { CLOSED_LOOP_CONNECTIONS } else { OPEN_LOOP_CONNECTIONS };
        self.connections.unwrap_or(default).max(1)
    }

    /// Whether several targets may read the input at their own pace, if it can be opened for each of them.
    pub fn may_read_apart(&self, targets: usize) -> bool {
        // A middleware gets each request once, and a checkpoint remembers all requests between the first and the
        // last target.
        targets > 1
            && self.pace.is_no_wait()
            && self.supply.is_there
            && self.middleware.is_none()
            && self.checkpoint.is_none()
            && !self.commits
    }

    /// How many of the targets get each request.
    pub(super) fn copies(&self, targets: usize) -> usize {
        if self.split == Split::Copy { targets } else { 1 }
    }
}
