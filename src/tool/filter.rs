//! The command line of `gor-filter`.

use std::fs::File;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use clap::{ArgGroup, Parser, ValueEnum};
use jiff::tz::TimeZone;
use regex::bytes::Regex;

use crate::BadRule;
use crate::cli::values::{self, Moment};
use crate::cli::{self, Exit, InputOptions, OutputOptions, Verbosity, moment, note, signals};
use crate::endpoint::{self, TimeWindow};
use crate::observe::Ledger;
use crate::pipeline;
use crate::record::{Discard, Intake, Kind, Sink};
use crate::transform::{
    Choice, Filter, FilterRule, Filtering, HeaderPattern, NamedShare, Rules, Sample, Selection,
    SelectionTally, pattern,
};

/// More threads than this are a slip of the finger.
const MAX_THREADS: usize = 256;

/// Choose records by rules about their exchange.
///
/// A request is written when it passes every rule. Its responses, original and
/// replayed, share its fate however late they come; a response that comes
/// before its request, or without one, is judged by what it says itself. Rules
/// see each message as it was recorded, as bytes; a payload that is not HTTP has
/// no method, no URL and no header, and all of it is body.
///
/// A rule about the response chooses the whole exchange: the request waits for
/// its first response, original or replayed, and the records after it wait with
/// it, so that the order stays. A request whose response does not come within
/// --window is not written.
///
/// What passes is then chosen in this order: --invert, --kind, --limit.
#[derive(Clone, Debug, Parser)]
#[allow(clippy::struct_excessive_bools, reason = "each is an option of its own")]
#[command(
    name = "gor-filter",
    version,
    after_help = EXAMPLES,
    group(ArgGroup::new("rule").multiple(true)),
    group(ArgGroup::new("asking").multiple(true)),
)]
pub struct Args {
    /// Recordings to read one after the other: files, directories, globs, `-`. Standard input when there is none.
    ///
    /// Compression (gzip, zstd) and packet captures (pcap, pcapng) are recognised by their first bytes.
    #[arg(value_name = "INPUT")]
    pub inputs: Vec<String>,

    /// Judge on this many threads; one for each core unless given. The output is the same.
    #[arg(long, value_name = "NUMBER", value_parser = threads)]
    pub threads: Option<NonZeroUsize>,

    /// The method is this one; any of those given.
    ///
    /// Methods are compared byte for byte, known or not: PROPFIND and PURGE are filtered like GET.
    #[arg(long = "method", value_name = "METHOD", group = "rule", help_heading = "Rules")]
    pub methods: Vec<String>,
    /// The path and query match; any of those given.
    ///
    /// They are matched as recorded, nothing decoded: `/a%20b?x=1`. Of a target with scheme and host, as
    /// proxies get it, these do not count; a CONNECT's `host:port` and `*` are matched as they are.
    #[arg(long = "url", value_name = "REGEX", value_parser = pattern, group = "rule", help_heading = "Rules")]
    pub urls: Vec<Regex>,
    /// The path and query match none of those given.
    #[arg(long = "not-url", value_name = "REGEX", value_parser = pattern, group = "rule", help_heading = "Rules")]
    pub not_urls: Vec<Regex>,
    /// A header of this name, in any case, is there and a value of it matches; all of those given.
    #[arg(long = "header", value_name = "NAME:REGEX", group = "rule", help_heading = "Rules")]
    pub headers: Vec<HeaderPattern>,
    /// No value of a header of this name matches; none of those given.
    #[arg(long = "not-header", value_name = "NAME:REGEX", group = "rule", help_heading = "Rules")]
    pub not_headers: Vec<HeaderPattern>,
    /// The decoded user:password of basic authentication is there and matches; any of those given.
    #[arg(long = "basic-auth", value_name = "REGEX", value_parser = pattern, group = "rule", help_heading = "Rules")]
    pub basic_auth: Vec<Regex>,
    /// The header's value belongs to this share of all values, by its hash, or it has none; all of those given.
    ///
    /// A value is always in or always out: FNV-1a of 32 bits, modulo 100, below the percentage. The same
    /// values are kept as by GoReplay. `user-id:1/4` says the same as `user-id:25%`.
    #[arg(long = "header-limit", value_name = "NAME:PERCENT", group = "rule", help_heading = "Rules")]
    pub header_limits: Vec<NamedShare>,
    /// The same for a parameter of the query, its value taken as recorded.
    #[arg(long = "param-limit", value_name = "NAME:PERCENT", group = "rule", help_heading = "Rules")]
    pub param_limits: Vec<NamedShare>,

    /// The host matches; any of those given.
    ///
    /// It is that of the Host header, or of a target with scheme and host or a CONNECT's, which overrule it;
    /// without port, and without regard to case.
    #[arg(long = "host", value_name = "REGEX", value_parser = pattern, group = "rule", help_heading = "Rules")]
    pub hosts: Vec<Regex>,
    /// The body of the request or that of the response matches; any of those given.
    ///
    /// Chunked framing is taken away first, a content coding like gzip is not.
    #[arg(long = "body", value_name = "REGEX", value_parser = pattern, groups = ["rule", "asking"], help_heading = "Rules")]
    pub bodies: Vec<Regex>,
    /// The response's status matches; any of those given. `^5` and `5..` are all server errors.
    #[arg(long = "status", value_name = "REGEX", value_parser = status, groups = ["rule", "asking"], help_heading = "Rules")]
    pub statuses: Vec<Regex>,
    /// The response's status matches none of those given. There must be a response.
    #[arg(long = "not-status", value_name = "REGEX", value_parser = status, groups = ["rule", "asking"], help_heading = "Rules")]
    pub not_statuses: Vec<Regex>,
    /// The exchange took this long or longer, from the request's beginning to the response's end.
    ///
    /// Of a replayed response its round trip counts.
    #[arg(long, value_name = "DURATION", value_parser = values::duration, groups = ["rule", "asking"], help_heading = "Rules")]
    pub min_latency: Option<Duration>,
    /// The exchange took this long at most.
    #[arg(long, value_name = "DURATION", value_parser = values::duration, groups = ["rule", "asking"], help_heading = "Rules")]
    pub max_latency: Option<Duration>,
    /// Keep requests that began at TIME or later: `2026-11-23 21:07`, 21:07, yesterday, -2h, 2026-11-23T09:00:00Z.
    ///
    /// Times without a zone are local; a date alone is its beginning. RFC 3339 times and numbers since the Unix epoch (in
    /// seconds, milliseconds, microseconds or nanoseconds, as their size says) are taken too. -v says what was understood.
    #[arg(long, value_name = "TIME", value_parser = values::time, allow_hyphen_values = true, group = "rule", help_heading = "Rules")]
    pub since: Option<Moment>,
    /// Keep requests that began before TIME.
    #[arg(long, value_name = "TIME", value_parser = values::time, allow_hyphen_values = true, group = "rule", help_heading = "Rules")]
    pub until: Option<Moment>,
    /// The exchange belongs to a sample of this size: 10%, 0.5%, 1/4.
    ///
    /// A hash of its id decides, so that the same exchanges are taken again. To sample users, use --header-limit.
    #[arg(long, value_name = "SHARE", group = "rule", help_heading = "Rules")]
    pub sample: Option<Sample>,
    /// The message is whole: not marked as cut or with gaps, and as long as its HTTP framing says.
    ///
    /// A request that is not whole takes its responses with it; a response that is not is dropped alone.
    #[arg(long, group = "rule", help_heading = "Rules")]
    pub complete: bool,
    /// How many bytes after its request a response may begin, where a rule asks it. They are kept in memory.
    #[arg(long, value_name = "SIZE", default_value = "8mb", value_parser = values::size, requires = "asking", help_heading = "Rules")]
    pub window: u64,

    /// Write exactly the records that the rules drop, and drop those that they let pass.
    #[arg(long, help_heading = "Choice")]
    pub invert: bool,
    /// Write records of this kind; any of those given.
    ///
    /// Requests that are not written decide on their responses all the same.
    #[arg(long = "kind", value_name = "KIND", help_heading = "Choice")]
    pub kinds: Vec<KindName>,
    /// Write this many records and stop.
    #[arg(long, value_name = "NUMBER", help_heading = "Choice")]
    pub limit: Option<u64>,

    /// Print the number of records that would be written instead of them.
    #[arg(long, conflicts_with_all = ["output", "force"], help_heading = "Choice")]
    pub count: bool,

    #[command(flatten)]
    #[allow(missing_docs, reason = "the group has its own")]
    pub input: InputOptions,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the group has its own")]
    pub output: OutputOptions,

    /// Print the ledger at the end, on standard error: what became of each record. So does -v.
    ///
    /// Below it stands how many requests each rule matched and dropped, in the order of judging.
    #[arg(long, help_heading = "Messages")]
    pub stats: bool,
    /// Write the ledger to this file, as JSON.
    #[arg(long, value_name = "FILE", value_parser = values::report, help_heading = "Messages")]
    pub stats_json: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the group has its own")]
    pub verbosity: Verbosity,
}

const EXAMPLES: &str = "\
Examples:
  What the API was asked, and answered:
    gor-record -r testdata/shop.pcapng --responses | gor-filter --method GET --url '^/api'
  The same of one host, into a file:
    gor-filter --method GET --url '^/api' --header 'Host:^shop' -o api.gor monday.gor tuesday.gor.gz
  A quarter of the users, with all that each of them did:
    gor-filter --header-limit 'X-User:25%' 'logs/*.gor.zst' > sample.gor
  All that went wrong in the last hour, or took over a second:
    gor-filter --status '^5' --since -1h monday.gor > errors.gor; gor-filter --min-latency 1s monday.gor > slow.gor
  How many logins failed:
    gor-filter --url '^/login' --status '^401' --kind request --count monday.gor
  The first ten requests that are no image, style or script:
    gor-filter --not-url '\\.(png|css|js)(\\?|$)' --kind request --limit 10 monday.gor

Exit status: 0 done, 1 something failed or was lost, 2 the command line is wrong.";

/// The kinds of records by name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum KindName {
    /// What the client sent.
    Request,
    /// What the server answered when it was recorded.
    Response,
    /// What a replay of the request was answered.
    Replayed,
}

impl From<KindName> for Kind {
    fn from(name: KindName) -> Self {
        match name {
            KindName::Request => Kind::Request,
            KindName::Response => Kind::Response,
            KindName::Replayed => Kind::Replayed,
        }
    }
}

pub(super) fn threads(text: &str) -> Result<NonZeroUsize, String> {
    let number = text.parse::<NonZeroUsize>().ok();
    number
        .filter(|number| number.get() <= MAX_THREADS)
        .ok_or_else(|| format!("a number of threads is from 1 to {MAX_THREADS}"))
}

impl Args {
    /// The rules, relative times counted from `now`.
    fn rules(&self, now: i64) -> Rules {
        let nanoseconds = |duration: Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
        Rules {
            since: self.since.map(|moment| moment.resolve(now, &TimeZone::system())),
            until: self.until.map(|moment| moment.resolve(now, &TimeZone::system())),
            sample: self.sample,
            methods: self.methods.clone(),
            urls: self.urls.clone(),
            not_urls: self.not_urls.clone(),
            headers: self.headers.clone(),
            not_headers: self.not_headers.clone(),
            basic_auth: self.basic_auth.clone(),
            header_limits: self.header_limits.clone(),
            param_limits: self.param_limits.clone(),
            hosts: self.hosts.clone(),
            is_complete: self.complete,
            statuses: self.statuses.clone(),
            not_statuses: self.not_statuses.clone(),
            min_latency: self.min_latency.map(nanoseconds),
            max_latency: self.max_latency.map(nanoseconds),
            bodies: self.bodies.clone(),
        }
    }

    fn choice(&self) -> Choice {
        let kinds = self.kinds.iter().map(|&kind| kind.into()).collect();
        Choice { kinds, limit: self.limit, is_inverted: self.invert, window: self.window }
    }

    /// Where records go.
    fn sink(&self) -> crate::Result<Box<dyn Sink + Send>> {
        if self.count {
            return Ok(Box::new(Discard));
        }
        let mut to = self.output.write_options(&self.inputs);
        to.reports.extend(self.stats_json.as_deref());
        endpoint::create(&self.output.output, &to)
    }
}

/// Filters as the command line says.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let rules = args.rules(i64::try_from(now.as_nanos()).unwrap_or(i64::MAX));
    if args.invert && !FilterRule::ALL.into_iter().any(|rule| rules.has(rule)) {
        return Err(crate::Error::Usage(
            "--invert writes what the rules drop: give at least one rule, such as --method GET".into(),
        )
        .into());
    }
    for name in &args.methods {
        if name.bytes().any(|byte| byte.is_ascii_lowercase()) && !args.verbosity.quiet {
            let upper = name.to_uppercase();
            note(format_args!(
                "--method {name}: methods are told apart by case, and most are in capitals: {upper}"
            ));
        }
    }
    if !args.invert
        && let (Some(since), Some(until)) = (rules.since, rules.until)
        && since >= until
    {
        let [since, until] = [since, until].map(moment::shown);
        let text = format!("nothing can match: --since ({since}) is not before --until ({until})");
        return Err(crate::Error::Usage(text).into());
    }
    if args.verbosity.verbose > 0 {
        for (option, time) in [("--since", rules.since), ("--until", rules.until)] {
            if let Some(time) = time {
                note(format_args!("{option} is {}", moment::shown(time)));
            }
        }
    }
    let filter = Filter::new(rules.clone()).context("the patterns cannot be used together")?;
    let mut filtering = Filtering::new(filter, Selection::new(args.choice(), &rules));
    let is_stopping = signals::stop()?;
    let mut reading = args.input.reading(args.verbosity, &is_stopping);
    if !args.invert && (rules.since.is_some() || rules.until.is_some()) {
        reading.window = Some(TimeWindow { since: rules.since, until: rules.until });
    }
    let source = endpoint::open(&args.inputs, &reading)?;
    let mut sink = args.sink()?;

    let threads = args.threads.or_else(|| std::thread::available_parallelism().ok());
    let threads = threads.unwrap_or(NonZeroUsize::MIN);
    let drawn = cli::progress(&reading.meter, &args.output.output, args.verbosity.quiet);
    let (intake, result) = pipeline::run(source, &mut filtering, &mut *sink, threads, &is_stopping);
    drop(drawn);

    let tally = filtering.tally();
    tell_losses(&tally);
    if let Some(reason) = emptiness(&tally, &rules).filter(|_| !args.verbosity.quiet && !args.count) {
        note(reason);
    }
    let ledger = ledger(&tally, &intake);
    let table = table(&tally, &rules);
    if args.stats || args.verbosity.verbose > 0 {
        cli::report(&ledger);
        cli::report(show(&table));
    }
    if let Some(path) = &args.stats_json {
        write_json(path, &ledger, &table).with_context(|| path.display().to_string())?;
    }
    // Where an input fails, what the others hold is counted all the same.
    let counted = if args.count { writeln!(std::io::stdout(), "{}", tally.written) } else { Ok(()) };
    result?;
    counted.context("standard output").map(|()| Exit::Done)
}

/// A pattern of statuses, which must match at least one of them.
fn status(text: &str) -> Result<Regex, BadRule> {
    let regex = pattern(text)?;
    if (100..1000).any(|status: u16| regex.is_match(status.to_string().as_bytes())) {
        return Ok(regex);
    }
    Err(BadRule::new(text, 0, "this matches no status; server errors are ^5, or 5 and two dots"))
}

/// Why nothing was written, where something could have been.
fn emptiness(tally: &SelectionTally, rules: &Rules) -> Option<String> {
    if tally.written > 0 || tally.requests == 0 {
        return None;
    }
    let (rule, failed) = FilterRule::ALL
        .into_iter()
        .map(|rule| (rule, tally.failed[rule as usize]))
        .filter(|(rule, failed)| rules.has(*rule) && *failed > 0)
        .max_by_key(|(_, failed)| *failed)?;
    let span = match (rule, tally.times) {
        (FilterRule::Since | FilterRule::Until, Some(times)) => {
            let [first, last] = times.map(moment::shown);
            format!("; the recording is from {first} to {last}")
        }
        _ => String::new(),
    };
    Some(format!("nothing to write: {failed} of {} requests failed {}{span}", tally.requests, rule.option()))
}

/// Says what was lost that the user did not ask to lose.
fn tell_losses(tally: &SelectionTally) {
    if tally.doubtful > 0 {
        note(format_args!(
            "{} requests were forgotten before a response came: \
             some of {} later responses may belong to them",
            tally.forgotten, tally.doubtful
        ));
    }
    if tally.late > 0 {
        note(format_args!(
            "{} responses came too late to be asked: their exchanges were taken to match no rule about \
             responses; a larger --window waits longer",
            tally.late
        ));
    }
}

/// A rule that was given, and how many requests it matched and dropped, of
/// those that came as far as it.
type Row = (FilterRule, u64, u64);

fn table(tally: &SelectionTally, rules: &Rules) -> Vec<Row> {
    let mut left = tally.requests;
    let mut is_asked = false;
    let mut rows = Vec::new();
    for rule in FilterRule::ALL.into_iter().filter(|&rule| rules.has(rule)) {
        if rule.is_about_the_response() && !is_asked {
            is_asked = true;
            left = tally.answered;
        }
        let dropped = tally.failed[rule as usize];
        left -= dropped;
        rows.push((rule, left, dropped));
    }
    rows
}

/// The table for a person.
fn show(table: &[Row]) -> String {
    if table.is_empty() {
        return String::new();
    }
    let rows = table
        .iter()
        .map(|(rule, matched, dropped)| format!("  {:<16}{matched:>12}{dropped:>12}\n", rule.option()));
    let heading = format!("{:<18}{:>12}{:>12}\n", "requests by rule", "matched", "dropped");
    std::iter::once(heading).chain(rows).collect()
}

/// What became of the records, and what was read besides.
fn ledger(tally: &SelectionTally, intake: &Intake) -> Ledger {
    let mut ledger = Ledger::new().total("records judged", tally.records).part("written", tally.written);
    for (rule, count) in FilterRule::ALL.into_iter().zip(tally.dropped_by_rule) {
        ledger = ledger.part_if_any(rule.ledger_name(), count);
    }
    ledger
        .part_if_any("dropped for want of a response", tally.dropped_unanswered)
        .part_if_any("dropped with their request", tally.dropped_with_request)
        .part_if_any("dropped by --invert", tally.dropped_by_inversion)
        .part_if_any("dropped by --kind", tally.dropped_by_kind)
        .part_if_any("dropped by --limit", tally.dropped_by_limit)
        .total("requests forgotten before a response", tally.forgotten)
        .total("responses after --window", tally.late)
        .total("malformed records skipped", intake.malformed)
        .total("records of a wrong length lost", intake.lost)
        .total("records larger than --max-record skipped", intake.too_large)
        .total("unfinished last records", u64::from(intake.unfinished.is_some()))
        .total("bytes read", intake.bytes)
}

fn write_json(path: &Path, ledger: &Ledger, table: &[Row]) -> std::io::Result<()> {
    let mut json = ledger.to_json();
    let rows = table.iter().map(|(rule, matched, dropped)| {
        (rule.option().to_owned(), serde_json::json!({"matched": matched, "dropped": dropped}))
    });
    json["requests_by_rule"] = serde_json::Value::Object(rows.collect());
    let mut file = File::create(path)?;
    writeln!(file, "{json:#}")
}
