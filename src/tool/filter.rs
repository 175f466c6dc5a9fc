//! The command line of `gor-filter`.

use std::io::Write;
use std::num::NonZeroUsize;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use clap::{ArgGroup, Parser, ValueEnum};
use jiff::tz::TimeZone;
use regex::bytes::Regex;

use crate::cli::values::{self, Moment};
use crate::cli::{
    Exit, InputOptions, KafkaInput, KafkaOptions, OutputOptions, Report, Reporting, SendArgs, Tool,
    WebSocketArgs, moment, note, with_intake,
};
use crate::endpoint::{self, TimeWindow};
use crate::observe::{Count, Ledger};
use crate::record::{Discard, Intake, Kind, Sink};
use crate::transform::{
    Choice, Filter, FilterRule, Filtering, HeaderPattern, NamedShare, Rules, Sample, Selection,
    SelectionTally, pattern,
};
use crate::{BadRule, Dialect};

/// Filter recordings: keep the records that match rules
///
/// A request is written if it passes every rule. Its responses, recorded and replayed, are written with it. A response
/// whose request is not in the input is judged by its own content. Rules see each message as recorded, byte for byte.
/// A payload that is not HTTP has no method, URL or headers: all of it is body.
///
/// A rule about the response (--status, --not-status, --min-latency, --max-latency, --body) selects the whole exchange:
/// the request, and the records after it, wait for its first response. A request whose response does not begin within
/// --window is dropped.
///
/// --invert, --kind and --limit are applied after the rules, in this order.
#[derive(Clone, Debug, Parser)]
#[allow(clippy::struct_excessive_bools, reason = "each is an option of its own")]
#[command(
    name = "gor-filter",
    version,
    max_term_width = 100,
    after_help = EXAMPLES,
    after_long_help = LONG_EXAMPLES,
    group(ArgGroup::new("rule").multiple(true)),
    group(ArgGroup::new("asking").multiple(true)),
)]
#[allow(clippy::doc_markdown, reason = "these are help texts")]
pub struct Args {
    /// Files, directories, quoted globs or "-" [default: standard input]
    ///
    /// They are read one after the other. Recordings and packet captures (pcap, pcapng), plain or compressed (gzip,
    /// zstd), are recognised by their first bytes.
    ///
    /// Objects of S3 are read as well: s3://BUCKET/KEY, s3://BUCKET/PREFIX/ or a quoted glob of keys.
    #[arg(value_name = "INPUT", value_hint = clap::ValueHint::FilePath)]
    pub inputs: Vec<String>,

    /// Keep requests with this method (repeatable; any matches)
    ///
    /// Methods are compared byte for byte, and need not be known: PROPFIND and PURGE work like GET.
    #[arg(long = "method", value_name = "METHOD", group = "rule", help_heading = "Rules")]
    pub methods: Vec<String>,
    /// Keep requests whose path and query match (repeatable; any matches)
    ///
    /// They are matched as recorded, without decoding: /a%20b?x=1. Of a target in absolute form, as sent to proxies,
    /// only path and query are matched; the host:port of CONNECT and "*" are matched as they are.
    #[arg(long = "url", value_name = "REGEX", value_parser = pattern, group = "rule", help_heading = "Rules")]
    pub urls: Vec<Regex>,
    /// Drop requests whose path and query match (repeatable)
    #[arg(long = "not-url", value_name = "REGEX", value_parser = pattern, group = "rule", help_heading = "Rules", hide_short_help = true)]
    pub not_urls: Vec<Regex>,
    /// Keep requests whose host matches (repeatable; any matches)
    ///
    /// The host is that of an absolute target or of CONNECT, or else that of the Host header. It is matched without
    /// its port, ignoring case.
    #[arg(long = "host", value_name = "REGEX", value_parser = pattern, group = "rule", help_heading = "Rules")]
    pub hosts: Vec<Regex>,
    /// Keep requests with a matching header (repeatable; all must match)
    ///
    /// The name is compared ignoring case; of several headers of this name, any may match.
    #[arg(long = "header", value_name = "NAME:REGEX", group = "rule", help_heading = "Rules")]
    pub headers: Vec<HeaderPattern>,
    /// Drop requests with a matching header (repeatable)
    #[arg(
        long = "not-header",
        value_name = "NAME:REGEX",
        group = "rule",
        help_heading = "Rules",
        hide_short_help = true
    )]
    pub not_headers: Vec<HeaderPattern>,
    /// Keep exchanges with this status: ^5, 404 (repeatable; any matches)
    #[arg(long = "status", value_name = "REGEX", value_parser = status, groups = ["rule", "asking"], help_heading = "Rules")]
    pub statuses: Vec<Regex>,
    /// Drop exchanges whose response status matches, and those without response (repeatable)
    #[arg(long = "not-status", value_name = "REGEX", value_parser = status, groups = ["rule", "asking"], help_heading = "Rules", hide_short_help = true)]
    pub not_statuses: Vec<Regex>,
    /// Keep exchanges whose request or response body matches (repeatable; any matches)
    ///
    /// Chunked framing is removed first; content codings such as gzip are not decoded.
    #[arg(long = "body", value_name = "REGEX", value_parser = pattern, groups = ["rule", "asking"], help_heading = "Rules", hide_short_help = true)]
    pub bodies: Vec<Regex>,
    /// Keep exchanges that took DURATION or longer
    ///
    /// Measured from the beginning of the request to the end of the response; for replayed responses, the round trip.
    #[arg(long, value_name = "DURATION", value_parser = values::duration, groups = ["rule", "asking"], help_heading = "Rules")]
    pub min_latency: Option<Duration>,
    /// Keep exchanges that took DURATION or less
    #[arg(long, value_name = "DURATION", value_parser = values::duration, groups = ["rule", "asking"], help_heading = "Rules", hide_short_help = true)]
    pub max_latency: Option<Duration>,
    /// Keep requests from TIME on: "2026-11-23 21:07", yesterday, -2h
    ///
    /// A time alone (21:07) is today. Times without a zone are local; a date alone means its first instant. RFC 3339
    /// (2026-11-23T09:00:00Z) and numbers
    /// since the Unix epoch (seconds, milliseconds, microseconds or nanoseconds, told apart by their size) are accepted
    /// too. -v prints how TIME was understood.
    #[arg(long, value_name = "TIME", value_parser = values::time, allow_hyphen_values = true, group = "rule", help_heading = "Rules")]
    pub since: Option<Moment>,
    /// Keep requests that began before TIME
    #[arg(long, value_name = "TIME", value_parser = values::time, allow_hyphen_values = true, group = "rule", help_heading = "Rules")]
    pub until: Option<Moment>,
    /// Keep a sample of the exchanges: 10%, 0.5% or 1/4
    ///
    /// A hash of the record id decides, so that every run selects the same exchanges. To sample by user, use
    /// --header-limit.
    #[arg(long, value_name = "SHARE", group = "rule", help_heading = "Rules")]
    pub sample: Option<Sample>,
    /// Keep this share of a header's values, and requests without it: X-User:25% (repeatable)
    ///
    /// A hash decides on each value (32-bit FNV-1a modulo 100), so that a value is always kept or always dropped, the
    /// same ones as in GoReplay. user-id:1/4 means user-id:25%.
    #[arg(
        long = "header-limit",
        value_name = "NAME:PERCENT",
        group = "rule",
        help_heading = "Rules",
        hide_short_help = true
    )]
    pub header_limits: Vec<NamedShare>,
    /// Keep this share of a query parameter's values, and requests without it (repeatable)
    ///
    /// As --header-limit; values are taken as recorded, without decoding.
    #[arg(
        long = "param-limit",
        value_name = "NAME:PERCENT",
        group = "rule",
        help_heading = "Rules",
        hide_short_help = true
    )]
    pub param_limits: Vec<NamedShare>,
    /// Keep requests whose basic authentication matches, decoded as user:password (repeatable; any matches)
    #[arg(
        long = "basic-auth",
        value_name = "REGEX",
        value_parser = pattern,
        group = "rule",
        help_heading = "Rules",
        hide_short_help = true
    )]
    pub basic_auth: Vec<Regex>,
    /// Keep complete messages: without mark (cut, gap, doubtful), and as long as their framing says
    ///
    /// An incomplete request is dropped with its responses; an incomplete response is dropped alone.
    #[arg(long, group = "rule", help_heading = "Rules", hide_short_help = true)]
    pub complete: bool,
    /// Wait for a response until SIZE bytes of records after its request are held in memory
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "8MB",
        value_parser = values::size,
        requires = "asking",
        help_heading = "Rules",
        hide_short_help = true
    )]
    pub window: u64,

    /// Write the records that the rules drop instead
    #[arg(long, help_heading = "Selection", hide_short_help = true)]
    pub invert: bool,
    /// Write only this kind: request, response or replayed (repeatable)
    ///
    /// Requests that are not written still select their responses.
    #[arg(long = "kind", value_name = "KIND", hide_possible_values = true, help_heading = "Selection")]
    pub kinds: Vec<KindName>,
    /// Stop after N records
    ///
    /// Requests and responses count as one record each; with --kind request, only requests count.
    #[arg(long, value_name = "N", value_parser = values::number::<u64>, help_heading = "Selection")]
    pub limit: Option<u64>,
    /// Print the number of matching records instead of the records
    ///
    /// Requests and responses count as one record each; with --kind request, only requests count.
    #[arg(long, conflicts_with_all = ["output", "force"], help_heading = "Selection")]
    pub count: bool,

    #[command(flatten)]
    #[allow(missing_docs, reason = "the group has its own")]
    pub input: InputOptions,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the group has its own")]
    pub output: OutputOptions,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub sending: SendArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub websocket: WebSocketArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub kafka: KafkaOptions,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub kafka_input: KafkaInput,

    #[command(flatten)]
    #[allow(missing_docs, reason = "the group has its own")]
    pub reporting: Reporting,
    /// Use N threads [default: one per core]; the output does not depend on it
    #[arg(long, value_name = "N", value_parser = values::threads, hide_short_help = true)]
    pub threads: Option<NonZeroUsize>,
}

const EXAMPLES: &str = "\
Examples:
  gor-filter --method GET --url '^/api' shop.gor > api.gor
  gor-filter --status '^5' --count shop.gor
  gor-filter --min-latency 100ms shop.gor | gor-show

See gor-filter --help for all options, more examples and the exit status.";

const LONG_EXAMPLES: &str = "\
Examples:
  Keep the API's GET requests with their responses:
    gor-filter --method GET --url '^/api' shop.gor > api.gor
  Keep those of one host, from two recordings:
    gor-filter --host '^shop' -o api.gor monday.gor tuesday.gor.gz
  Keep a quarter of the users, with all their requests:
    gor-filter --header-limit 'X-User:25%' 'logs/*.gor.zst' > sample.gor
  Keep server errors of the last hour:
    gor-filter --status '^5' --since -1h shop.gor > errors.gor
  Keep slow exchanges, to open them in Wireshark:
    gor-filter --min-latency 100ms -o slow.pcapng shop.gor
  Count failed logins:
    gor-filter --url '^/login' --status '^401' --kind request --count shop.gor
  Keep the first ten requests except images, styles and scripts:
    gor-filter --not-url '\\.(png|css|js)$' --kind request --limit 10 shop.gor

Exit status: 0 success; 1 something failed or was lost; 2 wrong command line.";

/// The kinds of records by name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum KindName {
    /// Requests
    Request,
    /// Responses recorded with the requests
    Response,
    /// Responses that a replay got
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

impl Args {
    /// The rules, relative times counted from `now`.
    pub(super) fn rules(&self, now: i64) -> Rules {
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
            dialect: Dialect::Unix,
        }
    }

    pub(super) fn choice(&self) -> Choice {
        let kinds = self.kinds.iter().map(|&kind| kind.into()).collect();
        Choice { kinds, limit: self.limit, is_inverted: self.invert, window: self.window }
    }
}

/// Filters as the command line says.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    args.input.listening.check(&args.inputs)?;
    args.input.services.check(args.inputs.iter().chain(&args.output.output))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let rules = args.rules(i64::try_from(now.as_nanos()).unwrap_or(i64::MAX));
    if args.invert && !FilterRule::ALL.into_iter().any(|rule| rules.has(rule)) {
        return Err(crate::Error::Usage(
            "--invert writes what the rules drop: give at least one rule, such as --method GET".into(),
        )
        .into());
    }
    for name in &args.methods {
        if name.bytes().any(|byte| byte.is_ascii_lowercase()) && !args.reporting.quiet {
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
    if args.reporting.verbose {
        for (option, time) in [("--since", rules.since), ("--until", rules.until)] {
            if let Some(time) = time {
                note(format_args!("{option} is {}", moment::shown(time)));
            }
        }
    }
    let filter = Filter::new(rules.clone()).context("the patterns cannot be used together")?;
    let mut filtering = Filtering::new(filter, Selection::new(args.choice(), &rules));
    let mut tool = Tool::new(&args.input, &args.output.output, &args.reporting)?
        .with_kafka(&args.kafka, &args.kafka_input, &args.inputs)?
        .with_websockets(&args.websocket, &args.inputs)?;
    tool.reading.tells_handled = true;
    if !args.invert && (rules.since.is_some() || rules.until.is_some()) {
        let window = TimeWindow { since: rules.since, until: rules.until };
        tool.reading.window = Some(window);
        tool.reading.hours = window;
    }
    if args.count {
        tool = tool.printing_at_the_end();
    }
    args.reporting.tell_of_terminal(&args.inputs);
    let source = endpoint::open(&args.inputs, &tool.reading)?;
    let mut sink: Box<dyn Sink> = if args.count {
        tool.print(&args.inputs)?;
        Box::new(Discard)
    } else {
        tool.create(&args.output, &args.sending, &args.inputs)?
    };
    let (intake, copied) = tool.run(source, &mut filtering, &mut *sink, args.threads);

    let tally = filtering.tally();
    let written = copied.as_ref().err().and_then(crate::Error::written).unwrap_or(tally.written);
    let mut report = Report::of(&ledger(&tally, written, &rules, &intake));
    losses(&tally, &mut report);
    if let Some(reason) = emptiness(&tally, &rules, args.count) {
        report.remark(reason);
    }
    // Of --limit 0 nothing is read, and a count says it itself.
    if tool.had_no_record(&intake, &copied) && args.limit != Some(0) && !args.count {
        // With an index, no more is read than what is of the time asked for.
        let of_time = if tool.reading.window.is_some() { " of that time" } else { "" };
        report.remark(format_args!("nothing to filter: there is no record{of_time} in the input"));
    }
    // Where an input fails, what the others hold is counted all the same.
    if args.count {
        writeln!(std::io::stdout(), "{}", tally.written).context("standard output")?;
    }
    tool.end(report, copied)
}

/// A pattern of statuses, which must match at least one of them.
fn status(text: &str) -> Result<Regex, BadRule> {
    let regex = pattern(text)?;
    if (100..1000).any(|status: u16| regex.is_match(status.to_string().as_bytes())) {
        return Ok(regex);
    }
    Err(BadRule::new(
        text,
        0,
        "this matches no status; those of a class are ^2, ^3, ^4 or ^5, of two classes ^[45]",
    ))
}

/// Why nothing was written or counted, where something could have been.
fn emptiness(tally: &SelectionTally, rules: &Rules, is_counting: bool) -> Option<String> {
    if tally.written > 0 || tally.requests == 0 {
        return None;
    }
    let (rule, failed) = FilterRule::ALL
        .into_iter()
        .map(|rule| (rule, tally.failed[rule as usize]))
        .filter(|(rule, failed)| rules.has(*rule) && *failed > 0)
        .max_by_key(|(_, failed)| *failed)?;
    // A count of 0 says it itself, but not that 21:07 is of today.
    if is_counting && !matches!(rule, FilterRule::Since | FilterRule::Until) {
        return None;
    }
    let span = match (rule, tally.times) {
        (FilterRule::Since | FilterRule::Until, Some(times)) => {
            let [first, last] = times.map(moment::shown);
            format!("; the recording is from {first} to {last}")
        }
        _ => String::new(),
    };
    let has_port = |host: &Regex| {
        let (_, port) = host.as_str().trim_end_matches('$').rsplit_once(':').unwrap_or_default();
        !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
    };
    let hint = if rule == FilterRule::Host && rules.hosts.iter().any(has_port) {
        "; hosts are compared without their port: leave it out, or use --header 'Host: NAME:PORT'"
    } else {
        ""
    };
    let requests = Count(tally.requests, "request");
    let purpose = if is_counting { "count" } else { "write" };
    Some(format!("nothing to {purpose}: {failed} of {requests} failed {}{span}{hint}", rule.option()))
}

/// What was lost that the user did not ask to lose.
pub(super) fn losses(tally: &SelectionTally, report: &mut Report) {
    if tally.doubtful > 0 {
        report.loss(format_args!(
            "{} forgotten before their responses came; {} that came later may belong to them",
            Count(tally.forgotten, "request"),
            Count(tally.doubtful, "response")
        ));
    }
    if tally.late > 0 {
        report.loss(format_args!(
            "{} came too late to be judged, so rules about responses did not match; use a larger --window",
            Count(tally.late, "response")
        ));
    }
}

/// Of each rule that was given, how many requests it matched and dropped, of those that came as far as it.
fn by_rule(tally: &SelectionTally, rules: &Rules) -> Vec<(String, Vec<u64>)> {
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
        rows.push((rule.option().to_owned(), vec![left, dropped]));
    }
    rows
}

/// What became of the records, and what was read besides.
fn ledger(tally: &SelectionTally, written: u64, rules: &Rules, intake: &Intake) -> Ledger {
    let mut ledger = Ledger::new()
        .sum("records", "records judged", tally.records)
        .part("written", "written", written)
        .part_if_any(
            "not_written",
            "not written, because of --max-size",
            tally.written.saturating_sub(written),
        );
    for (rule, count) in FilterRule::ALL.into_iter().zip(tally.dropped_by_rule) {
        ledger = ledger.part_if_any(
            format!("by_{}", rule.option()[2..].replace('-', "_")),
            format!("dropped by {}", rule.option()),
            count,
        );
    }
    let ledger = ledger
        .part_if_any("unanswered", "dropped for want of a response", tally.dropped_unanswered)
        .part_if_any("with_request", "dropped with their request", tally.dropped_with_request)
        .part_if_any("by_invert", "dropped by --invert", tally.dropped_by_inversion)
        .part_if_any("by_kind", "dropped by --kind", tally.dropped_by_kind)
        .part_if_any("by_limit", "dropped by --limit", tally.dropped_by_limit)
        .total("forgotten", "requests forgotten before a response", tally.forgotten)
        .total("late", "responses after --window", tally.late);
    with_intake(ledger, intake).list(
        "requests_by_rule",
        "requests by rule",
        &["matched", "dropped"],
        by_rule(tally, rules),
    )
}
