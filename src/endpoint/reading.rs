//! How places are read, and what is told meanwhile.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::KafkaSettings;
use super::framing::HttpFraming;
use super::network::ListenOptions;
use super::s3::{S3Options, Store};
use crate::Error;
use crate::interchange::LogFormat;
use crate::observe::Meter;
use crate::record::{DEFAULT_MAX_RECORD, Failures, Intake, JoinedRecords, ReaderOptions};

/// How to read places.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct ReadOptions {
    /// Longest record accepted, in bytes.
    pub max_record: u64,
    /// Whether the first malformed record is an error.
    pub is_strict: bool,
    /// Whether a place that cannot be read whole is the end of all, instead of being left out.
    pub ends_at_failure: bool,
    /// Most bytes read at once, which is what blocks are as large as; see
    /// [`ReaderOptions::most_read`](crate::record::ReaderOptions::most_read).
    pub most_read: usize,
    /// Whether text of a file is read ahead by a thread of its own, which is no use where many are read at once.
    pub reads_ahead: bool,
    /// Whether header lines are read as GoReplay does; see
    /// [`ReaderOptions::is_lenient`](crate::record::ReaderOptions::is_lenient).
    pub is_lenient: bool,
    /// Whether files are read on as they grow, and through their rotation.
    pub is_followed: bool,
    /// How text is written that is an access log, where it is not told by its content.
    pub log_format: Option<LogFormat>,
    /// Which records are wanted at all, if that is known. Of a file with an
    /// index beside it no more is read than may hold them, and the exchanges
    /// they belong to; other records come all the same.
    pub window: Option<TimeWindow>,
    /// The times that are meant where the keys of objects have fields of time. Unlike [`window`](Self::window) it has no
    /// part in what is read of an object.
    pub hours: TimeWindow,
    /// How places that senders connect to are listened at.
    pub listening: ListenOptions,
    /// When it turns true, every input ends: a file where it is, a pipe when its writer ends or says nothing more, as
    /// the writer may have been asked to end as well. A record that was not read whole by then is left out.
    pub is_stopping: Arc<AtomicBool>,
    /// Turns true when an input was ended before its end: a pipe that was silent was not.
    pub is_cut: Arc<AtomicBool>,
    /// Services that places may be of.
    pub services: Arc<Services>,
    /// How brokers of Kafka are talked to, and when reading ends.
    pub kafka: KafkaSettings,
    /// Whether the reader tells sources when records were handled ([`Source::checkpoint`](crate::record::Source)). A
    /// place that has to be told is not read by others.
    pub tells_handled: bool,
    /// Counts what is read.
    pub meter: Arc<Meter>,
    /// Hears what a person should know before the end.
    pub tell: fn(&Notice<'_>),
}

/// The services that a process reads from, each with the one connection that all places of it share.
#[derive(Debug, Default)]
pub struct Services {
    pub(super) s3: Store,
}

impl Services {
    /// Connects to nothing before a place needs it. A server that does not answer is told.
    pub fn new(s3: S3Options, tell: Option<fn(&dyn fmt::Display)>) -> Self {
        Services { s3: Store::new(s3, tell) }
    }

    /// Has what waits for a service end soon when this turns true.
    pub fn leave_at(&self, is_leaving: &Arc<AtomicBool>) {
        self.s3.leave_at(is_leaving);
    }
}

/// Times of records: nanoseconds since the Unix epoch, both inclusive.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct TimeWindow {
    /// The earliest.
    pub since: Option<i64>,
    /// The latest.
    pub until: Option<i64>,
}

impl ReadOptions {
    /// How gor text is read.
    pub(super) fn reader_options(&self) -> ReaderOptions {
        let ReadOptions { max_record, is_strict, most_read, is_lenient, .. } = *self;
        ReaderOptions { max_record, is_strict, most_read, is_lenient, framing: HttpFraming::boxed }
    }

    /// Whether reading is to end.
    pub fn is_over(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }

    /// What becomes of so many places, if some cannot be read. The only one is the whole input.
    pub(super) fn failures(&self, total: usize) -> Failures {
        let tell = self.tell;
        let total = if self.ends_at_failure { 1 } else { total };
        Failures::new(total, self.is_strict, move |error| tell(&Notice::Failed(error)))
    }

    /// Notes that an input was ended before its end.
    pub fn cut(&self) {
        self.is_cut.store(true, Ordering::Relaxed);
    }

    /// Whether an input was ended before its end.
    pub fn was_cut(&self) -> bool {
        self.is_cut.load(Ordering::Relaxed)
    }
}

impl Default for ReadOptions {
    fn default() -> Self {
        ReadOptions {
            max_record: DEFAULT_MAX_RECORD,
            is_strict: false,
            ends_at_failure: false,
            most_read: ReaderOptions::default().most_read,
            reads_ahead: true,
            is_lenient: false,
            is_followed: false,
            log_format: None,
            window: None,
            hours: TimeWindow::default(),
            listening: ListenOptions::default(),
            is_stopping: Arc::default(),
            is_cut: Arc::default(),
            services: Arc::default(),
            kafka: KafkaSettings::default(),
            tells_handled: false,
            meter: Arc::default(),
            tell: |_| {},
        }
    }
}

/// Something about one of the places that is read. Its text is one line.
#[derive(Debug)]
pub enum Notice<'a> {
    /// It could not be read, or not to its end. The other places are read all
    /// the same, and the source ends with an error.
    Failed(&'a Error),
    /// It was found in a directory, and holds no record.
    PassedOver(&'a Error),
    /// Records of it are malformed and were skipped.
    Malformed {
        /// The place's name.
        place: &'a str,
        /// What was read from this place alone.
        intake: &'a Intake,
    },
    /// Records of it hold what looks like the header line of another record.
    Joined {
        /// The place's name.
        place: &'a str,
        /// How many, and where.
        joined: JoinedRecords,
    },
    /// Its last record is not whole.
    Unfinished {
        /// The place's name.
        place: &'a str,
        /// What was read from this place alone.
        intake: &'a Intake,
    },
    /// It is a capture, and not all of its traffic became records.
    Lost {
        /// The place's name.
        place: &'a str,
        /// What was lost, and why.
        losses: &'a str,
        /// Whether something is lost for sure: it may be as it should, too.
        is_certain: bool,
    },
    /// It is in another format, which has something that records cannot hold.
    NotCarried {
        /// The place's name.
        place: &'a str,
        /// What was left out, or changed.
        what: &'a str,
    },
    /// The index beside it is not its own, or not any more. It is not used.
    StaleIndex(&'a str),
    /// Senders can connect to it.
    Listening {
        /// The place's name.
        place: &'a str,
        /// Where that is.
        address: SocketAddr,
    },
    /// A message of it is no record.
    BadMessage {
        /// The place's name.
        place: &'a str,
        /// Which one, and what is wrong.
        fault: &'a str,
    },
    /// It is followed, and not there yet.
    Awaited(&'a str),
    /// It is followed, and was cut: it is read from its beginning again.
    Truncated(&'a str),
    /// It is followed, and its name is now another file's, which is read from
    /// its beginning.
    Replaced(&'a str),
}

impl Notice<'_> {
    /// Whether something failed or was lost. The others are worth knowing, no more.
    pub fn is_loss(&self) -> bool {
        match self {
            Notice::Failed(_)
            | Notice::Malformed { .. }
            | Notice::Unfinished { .. }
            | Notice::NotCarried { .. }
            | Notice::BadMessage { .. } => true,
            Notice::Lost { is_certain, .. } => *is_certain,
            _ => false,
        }
    }

    /// Whether it is the usual course of things.
    pub fn is_detail(&self) -> bool {
        matches!(self, Notice::Replaced(_))
    }
}

impl fmt::Display for Notice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::Failed(error) => error.fmt(f),
            Notice::PassedOver(error) => write!(f, "{error}; it is passed over"),
            Notice::Malformed { place, intake } => {
                if let Some((position, rule)) = &intake.first_malformed {
                    write!(f, "{place}: {position}: {rule}")?;
                }
                match intake.malformed {
                    1 => f.write_str("; it is skipped"),
                    count => write!(f, "; {count} such malformed records are skipped"),
                }
            }
            Notice::Joined { place, joined } => {
                let position = joined.first.unwrap_or_default();
                write!(
                    f,
                    "{place}: {position}: a line in this record looks like the header of another one; the separator \
                     before it may be missing"
                )?;
                match joined.number {
                    1 => Ok(()),
                    count => write!(f, "; so it is in {count} records"),
                }
            }
            Notice::Unfinished { place, intake } => {
                let position = intake.unfinished.unwrap_or_default();
                write!(f, "{place}: {position}: the input ends inside this record")
            }
            Notice::Lost { place, losses, .. } => write!(f, "{place}: {losses}"),
            Notice::NotCarried { place, what } => write!(f, "{place}: not carried over: {what}"),
            Notice::StaleIndex(place) => {
                write!(
                    f,
                    "{place}: the index beside it does not match it and is not used; --index writes a new one"
                )
            }
            Notice::Listening { place, address } => write!(f, "{place}: waiting for senders at {address}"),
            Notice::BadMessage { place, fault } => {
                write!(f, "{place}: {fault}; such messages are skipped and counted")
            }
            Notice::Awaited(place) => write!(f, "{place}: waiting for this file to appear"),
            Notice::Truncated(place) => {
                write!(f, "{place}: the file was truncated; it is read from its beginning again")
            }
            Notice::Replaced(place) => write!(f, "{place}: the file was replaced; the new one is read"),
        }
    }
}
