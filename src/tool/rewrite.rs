//! The command line of `gor-rewrite`.

use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use clap::{ArgGroup, ArgMatches, CommandFactory, FromArgMatches, Parser};

mod redact;

pub use redact::{Presets, RedactOptions};

use crate::cli::{
    self, Exit, InputOptions, KafkaInput, KafkaOptions, OutputOptions, Report, Reporting, SendArgs, Tool,
    WebSocketArgs, values, with_intake,
};
use crate::endpoint;
use crate::middleware::{Command, Middleware, MiddlewareOptions, Traffic};
use crate::observe::{Count, Ledger};
use crate::record::{Discard, Intake, Sink};
use crate::transform::rewrite::{self, ChangeLine, RecordChange, RewriteRule, RewriteTally, Rewriting};
use crate::{BadRule, Dialect};

/// Rewrite recordings: change requests, redact secrets, run a program on each record
///
/// Rules are applied in the order of the command line, each to the result of the one before. They change requests;
/// redactions (--redact) and --prettify also change responses. Everything else is copied byte for byte. A rule that does
/// not apply (no such header, no match) is skipped. Content-Length and chunks fit the body after every change.
///
/// With --middleware, records go through that program first, then through the rules.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "gor-rewrite",
    version,
    max_term_width = 100,
    after_help = EXAMPLES,
    after_long_help = LONG_EXAMPLES
)]
#[command(group = ArgGroup::new(redact::GROUP).args(redact::OPTIONS).multiple(true))]
#[allow(clippy::doc_markdown, reason = "these are help texts")]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Args {
    /// Files, directories, quoted globs or "-" [default: standard input]
    ///
    /// They are read one after the other. Recordings and packet captures (pcap, pcapng), plain or compressed (gzip,
    /// zstd), are recognised by their first bytes.
    ///
    /// Objects of S3 are read as well: s3://BUCKET/KEY, s3://BUCKET/PREFIX/ or a quoted glob of keys.
    #[arg(value_name = "INPUT", value_hint = clap::ValueHint::FilePath)]
    pub inputs: Vec<String>,

    /// Set a header: replace it, or add it
    ///
    /// It takes the place of all headers of that name. A new header is added directly after the request line.
    #[arg(long, value_name = "NAME:VALUE", value_parser = set_header, help_heading = "Rules")]
    pub set_header: Vec<RewriteRule>,
    /// Delete all headers of this name
    #[arg(long, value_name = "NAME", value_parser = delete_header, help_heading = "Rules")]
    pub delete_header: Vec<RewriteRule>,
    /// Replace matches in a header: 'Host: old$,new'
    ///
    /// The last comma ends the pattern; sed's form, 'Host: s#old$#new#', takes any delimiter. $1 and ${1}x stand for groups, $$ for a dollar sign.
    #[arg(long, value_name = "NAME:REGEX,TEXT", value_parser = rewrite_header, help_heading = "Rules", hide_short_help = true)]
    pub rewrite_header: Vec<RewriteRule>,
    /// Set the host, in Host and absolute targets
    #[arg(long, value_name = "HOST[:PORT]", value_parser = set_host, help_heading = "Rules")]
    pub set_host: Vec<RewriteRule>,
    /// Replace in path and query: '^/v1/:/v2/'
    ///
    /// The first colon without a backslash before it ends the pattern; every match is replaced. sed's form takes any
    /// delimiter, s#a:b#c#, and the flags g (all matches, not only the first) and i (ignore case). Of several
    /// --rewrite-url, only the first that matches a request is applied; see --all.
    #[arg(long, value_name = "REGEX:TEXT", value_parser = rewrite_url, help_heading = "Rules")]
    pub rewrite_url: Vec<RewriteRule>,
    /// Apply every --rewrite-url that matches, not only the first
    #[arg(long, requires = "rewrite_url", help_heading = "Rules", hide_short_help = true)]
    pub all: bool,
    /// Set a query parameter: replace it, or append it
    ///
    /// Of several parameters of this name the first is replaced.     /// Characters that are not allowed in a query are percent-encoded; escapes such as %41 are kept.
    #[arg(long, value_name = "NAME=VALUE", value_parser = set_param, help_heading = "Rules", hide_short_help = true)]
    pub set_param: Vec<RewriteRule>,
    /// Delete all query parameters of this name
    #[arg(long, value_name = "NAME", value_parser = delete_param, help_heading = "Rules", hide_short_help = true)]
    pub delete_param: Vec<RewriteRule>,

    /// Replace in bodies: 's/old/new/g'
    ///
    /// In bodies of requests. Any delimiter will do, as in s#a#b#. Flags: g (all matches, not only the first), i (ignore case), m (^ and $ match
    /// at lines). Chunked and compressed bodies (gzip, deflate, br, zstd) are decoded, and encoded again. Binary bodies,
    /// and those that cannot be decoded, stay as they are, and are counted.
    #[arg(long, value_name = "s/A/B/", value_parser = rewrite_body, help_heading = "Rules")]
    pub rewrite_body: Vec<RewriteRule>,
    /// Apply --rewrite-body to responses, too
    #[arg(long, requires = "rewrite_body", help_heading = "Rules", hide_short_help = true)]
    pub responses: bool,
    /// Decode chunked and compressed bodies
    ///
    /// Bodies of requests and responses, in chunks, gzip, deflate, br and zstd. Transfer-Encoding and Content-Encoding go, and Content-Length says how long the body is. Trailers go with the chunks.
    /// A body that is cut or cannot be decoded stays as it is, and is counted.
    #[arg(long, help_heading = "Rules")]
    pub prettify: bool,
    /// Apply the rules behind it only to requests that pass: url:^/api, method:POST
    ///
    /// Another --only starts a new group. CONDITION is a rule of gor-filter and its value: method, url, not-url, host,
    /// header (header:Name:regex), not-header, basic-auth, header-limit, param-limit or sample. It is asked of the request
    /// as the rules before have left it. Responses are not changed by rules behind it, so --redact and its like
    /// stand before all --only.
    #[arg(long, value_name = "CONDITION", value_parser = only, help_heading = "Rules", hide_short_help = true)]
    pub only: Vec<RewriteRule>,

    /// Show the first N changes [default: 10]
    ///
    /// Of N records, on standard error, line by line. Bodies are shown decoded.
    #[arg(
        long,
        value_name = "N",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "10",
        value_parser = values::at_least_one,
        help_heading = "Rules"
    )]
    pub diff: Option<NonZeroUsize>,
    /// Write nothing, and say how many records would be changed
    #[arg(
        long,
        conflicts_with_all = cli::NOT_DRY,
        conflicts_with_all = NOT_DRY,
        help_heading = "Rules",
        hide_short_help = true
    )]
    pub dry_run: bool,

    #[command(flatten)]
    #[allow(missing_docs, reason = "the group has its own")]
    pub redaction: RedactOptions,

    /// Run COMMAND, and send records through it
    ///
    /// The protocol is GoReplay's: COMMAND reads each record as a line of hex from its standard input, and writes the
    /// records to keep to its standard output. Quotes and backslashes work as in a shell, but no shell is run. It is
    /// an error if COMMAND fails, writes something that is not a record, or does not return a record under its kind and
    /// id; see --middleware-may-drop.
    #[arg(long, value_name = "COMMAND", value_hint = clap::ValueHint::CommandString, help_heading = "Middleware")]
    pub middleware: Option<Command>,
    /// Allow the program to drop records
    ///
    /// For programs that filter, as many of GoReplay's do by not returning a record. Without this option such a
    /// record is reported as lost, and the exit status is 1. --stats counts the records dropped.
    #[arg(long, requires = "middleware", help_heading = "Middleware", hide_short_help = true)]
    pub middleware_may_drop: bool,
    /// Kill the program if it neither reads nor writes for DURATION
    ///
    /// So it is if it writes more than 64 MiB meanwhile without reading, and at once after as much without a record.
    /// This is an error, and counts only while there is input for it, or after its input ended. A program that does
    /// not exit at the end of its input, as GoReplay's client for Node, is terminated without an error: 0.5 s after its
    /// last output if every record was returned, after DURATION if records may be dropped.
    #[arg(
        long, value_name = "DURATION", default_value = "10s", value_parser = values::duration,
        requires = "middleware", help_heading = "Middleware", hide_short_help = true
    )]
    pub middleware_timeout: Duration,

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

/// What else is of no use to a dry run, as it has no output.
const NOT_DRY: [&str; 10] = [
    "split",
    "sessions",
    "middleware",
    "force",
    "ca_cert",
    "client_cert",
    "skip_verify",
    "ws_header",
    "connections",
    "sticky",
];

const EXAMPLES: &str = "\
Examples:
  gor-rewrite --set-host staging.example.com shop.gor > staging.gor
  gor-rewrite --redact all shop.gor > redacted.gor
  gor-rewrite --middleware 'sed -n p' shop.gor > same.gor

See gor-rewrite --help for all options, more examples and the exit status.";

const LONG_EXAMPLES: &str = "\
Examples:
  Send a recording to another host, with an API key:
    gor-rewrite --set-host staging.example.com --set-param api_key=1 \\
      shop.gor > staging.gor
  Change paths to those of version 2:
    gor-rewrite --rewrite-url '/v1/user/([^/]+)/ping:/v2/user/$1/ping' \\
      -o v2.gor shop.gor
  See what a rule would do, and write nothing:
    gor-rewrite --rewrite-url '^/v1/:/v2/' --diff --dry-run shop.gor
  Change bodies of one path only:
    gor-rewrite --only 'url:^/api/' --rewrite-body 's/alice/bob/g' \\
      shop.gor > bob.gor
  Read responses without decoding them:
    gor-rewrite --prettify shop.gor > plain.gor
  Share a sample without secrets (here, trace holds the name of a user):
    gor-filter --sample 10% testdata/shop.pcapng | \\
      gor-rewrite --redact all --redact-param trace > sample.gor
  Use the same replacements in every run, to follow users over several days:
    head -c 32 /dev/urandom > key
    gor-rewrite --redact all --redact-key-file key monday.gor > redacted.gor
  Send records through a program:
    gor-rewrite --middleware 'sed -n p' shop.gor > same.gor

Exit status: 0 success; 1 something failed or was lost; 2 wrong command line.";

fn set_header(text: &str) -> Result<RewriteRule, BadRule> {
    text.parse().map(RewriteRule::SetHeader)
}

fn delete_header(text: &str) -> Result<RewriteRule, BadRule> {
    rewrite::name(text).map(RewriteRule::DeleteHeader)
}

fn rewrite_header(text: &str) -> Result<RewriteRule, BadRule> {
    text.parse().map(RewriteRule::RewriteHeader)
}

fn rewrite_url(text: &str) -> Result<RewriteRule, BadRule> {
    text.parse().map(RewriteRule::RewriteUrl)
}

fn set_param(text: &str) -> Result<RewriteRule, BadRule> {
    text.parse().map(RewriteRule::SetParam)
}

fn rewrite_body(text: &str) -> Result<RewriteRule, BadRule> {
    text.parse().map(RewriteRule::RewriteBody)
}

fn only(text: &str) -> Result<RewriteRule, BadRule> {
    text.parse().map(|condition| RewriteRule::Only(Box::new(condition)))
}

fn delete_param(text: &str) -> Result<RewriteRule, BadRule> {
    if text.is_empty() {
        return Err(BadRule::new(text, 0, "the parameter's name is missing"));
    }
    Ok(RewriteRule::DeleteParam(text.to_owned()))
}

fn set_host(text: &str) -> Result<RewriteRule, BadRule> {
    rewrite::host(text).map(RewriteRule::SetHost)
}

/// The options that are rules.
const RULES: [&str; 9] = [
    "set_header",
    "delete_header",
    "rewrite_header",
    "rewrite_url",
    "set_param",
    "delete_param",
    "set_host",
    "rewrite_body",
    "only",
];

/// What was typed, and the rules in the order they were typed in.
#[derive(Clone, Debug)]
pub struct RewriteCommandLine {
    args: Args,
    /// Each with what the ledger calls it.
    rules: Vec<(String, RewriteRule)>,
}

impl RewriteCommandLine {
    /// What is said of the run.
    pub fn reporting(&self) -> &Reporting {
        &self.args.reporting
    }

    /// Takes words for the command line, the program's name first; the error is clap's.
    pub(super) fn of_words(words: &[String]) -> Result<Self, clap::Error> {
        let matches = Args::command().try_get_matches_from(words)?;
        Ok(RewriteCommandLine { rules: in_order(&matches), args: Args::from_arg_matches(&matches)? })
    }

    /// What applies the rules in this dialect, where they need no key.
    pub(super) fn rewriting(&self, dialect: Dialect) -> Rewriting {
        let rules = self.rules.iter().map(|(_, rule)| rule.clone().in_dialect(dialect)).collect();
        Rewriting::new(rules, self.args.all).changing_responses(self.args.responses)
    }

    /// Reads this process's command line; leaves where it asks for help or is wrong.
    pub fn parse() -> Self {
        let matches = cli::matches(Args::command(), &std::env::args_os().collect::<Vec<_>>());
        Args::from_arg_matches(&matches)
            .map_or_else(|error| error.exit(), |args| RewriteCommandLine { rules: in_order(&matches), args })
    }
}

/// The rules of all options, in the order of the command line.
fn in_order(matches: &ArgMatches) -> Vec<(String, RewriteRule)> {
    let mut rules = Vec::new();
    for option in RULES {
        let values = matches.get_many::<RewriteRule>(option).into_iter().flatten();
        let places = matches.indices_of(option).into_iter().flatten();
        let name = format!("--{}", option.replace('_', "-"));
        rules.extend(places.zip(values).map(|(place, rule)| (place, name.clone(), rule.clone())));
    }
    for option in redact::OPTIONS {
        let values = matches.get_many::<Presets>(option).into_iter().flatten();
        let places = matches.indices_of(option).into_iter().flatten();
        for (place, Presets(redactions)) in places.zip(values) {
            let named = redactions.iter().cloned();
            rules.extend(named.map(|(name, redaction)| (place, name, RewriteRule::Redact(redaction))));
        }
    }
    if matches.get_flag("prettify")
        && let Some(place) = matches.index_of("prettify")
    {
        rules.push((place, "--prettify".to_owned(), RewriteRule::Prettify));
    }
    // The sort is stable: the presets of one option stay in their order.
    rules.sort_by_key(|(place, ..)| *place);
    rules.into_iter().map(|(_, name, rule)| (name, rule)).collect()
}

/// Rewrites as the command line says.
pub fn run(command: &RewriteCommandLine) -> anyhow::Result<Exit> {
    let args = &command.args;
    args.input.listening.check(&args.inputs)?;
    args.input.services.check(args.inputs.iter().chain(&args.output.output))?;
    let rules: Vec<_> = command.rules.iter().map(|(_, rule)| rule.clone()).collect();
    let redacts = rules.iter().any(|rule| matches!(rule, RewriteRule::Redact(_)));
    refuse_useless(&rules)?;
    if rules.is_empty() && args.diff.is_some() {
        let text =
            "--diff shows what rules change, and there is none; name one, such as --set-header 'NAME: VALUE'";
        return Err(crate::Error::Usage(text.into()).into());
    }
    let mut rewriting = Rewriting::new(rules, args.all).changing_responses(args.responses);
    if let Some(number) = args.diff {
        rewriting = rewriting.showing(number.get(), show);
    }
    let key_file = args.redaction.redact_key_file.as_deref();
    if redacts {
        rewriting = rewriting.redacting(redact::key(key_file)?, args.redaction.redact_strict);
        if key_file.is_none() && args.reporting.verbose {
            cli::note(
                "redacting under a random key; --redact-key-file gives the same replacements in every run",
            );
        }
    }
    let mut tool = Tool::new(&args.input, &args.output.output, &args.reporting)?
        .with_kafka(&args.kafka, &args.kafka_input, &args.inputs)?
        .with_websockets(&args.websocket, &args.inputs)?;
    // What a child still has is not known to be written.
    tool.reading.tells_handled = args.middleware.is_none() && !args.dry_run;
    if args.dry_run {
        tool = tool.printing_at_the_end();
    }
    args.reporting.tell_of_terminal(&args.inputs);
    let mut source = endpoint::open(&args.inputs, &tool.reading)?;
    // What is written must not be what is read.
    let mut read = args.inputs.clone();
    read.extend(key_file.map(|path| path.to_string_lossy().into_owned()));
    let mut sink: Box<dyn Sink + Send> =
        if args.dry_run { Box::new(Discard) } else { tool.create(&args.output, &args.sending, &read)? };
    let mut traffic = None;
    if let Some(program) = &args.middleware {
        let options = MiddlewareOptions {
            patience: args.middleware_timeout,
            max_record: args.input.max_record,
            may_drop: args.middleware_may_drop,
        };
        let child = Middleware::start(program, source, options)?;
        traffic = Some(child.traffic());
        source = Box::new(child);
    }
    let (intake, copied) = tool.run(source, &mut rewriting, &mut *sink, args.threads);

    let mut ledger = ledger(rewriting.tally(), &command.rules, redacts, &intake);
    if let Some(traffic) = traffic {
        ledger = with_middleware(ledger, &traffic);
    }
    let mut report = Report::of(&ledger);
    if args.dry_run {
        let RewriteTally { changed, records, .. } = rewriting.tally();
        report.remark(format!(
            "{changed} of {} would be changed; nothing was written",
            Count(*records, "record")
        ));
    }
    if redacts {
        if let Some(said) = redact::said(rewriting.tally(), args.redaction.redact_strict) {
            report.loss(said);
        }
    } else if let Some(said) = unchanged(rewriting.tally()) {
        report.remark(said);
    }
    tool.remark_if_empty(&mut report, &intake, &copied, "rewrite");
    tool.end(report, copied)
}

/// Refuses conditions of no rule, and redactions for some requests alone: their responses would keep the secrets.
fn refuse_useless(rules: &[RewriteRule]) -> crate::Result<()> {
    let mut behind = rules.iter().skip_while(|rule| !matches!(rule, RewriteRule::Only(_)));
    if behind.any(|rule| matches!(rule, RewriteRule::Redact(_))) {
        let text = "redactions are for all messages, responses too: put them before the first --only";
        return Err(crate::Error::Usage(text.into()));
    }
    if matches!(rules.last(), Some(RewriteRule::Only(_))) {
        let text = "the last --only has no rule behind it, to which it would apply";
        return Err(crate::Error::Usage(text.into()));
    }
    Ok(())
}

/// Shows what has changed in a record.
fn show(change: &RecordChange) {
    let style = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
    let (title, removed, added) = (Style::new().bold(), style(AnsiColor::Red), style(AnsiColor::Green));
    let mut text = String::new();
    for line in change.lines() {
        let (style, mark, line) = match &line {
            ChangeLine::Title(line) => (title, "", line),
            ChangeLine::Same(line) => (Style::new(), "  ", line),
            ChangeLine::Removed(line) => (removed, "- ", line),
            ChangeLine::Added(line) => (added, "+ ", line),
        };
        // What would steer the terminal is shown instead.
        let is_harmless = |c: char| !c.is_control() || c == '\t';
        let line: String = line.chars().map(|c| if is_harmless(c) { c } else { '\u{fffd}' }).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{style}{mark}{line}{style:#}");
    }
    anstream::eprint!("{text}\n");
}

/// What rules about bodies could not change, in one line; `None` when there is nothing.
pub(super) fn unchanged(tally: &RewriteTally) -> Option<String> {
    let reasons = [
        (tally.unread.unknown, "in an unknown content coding"),
        (tally.unread.broken, "cut or damaged"),
        (tally.unread.too_large, "too large"),
        (tally.binary, "binary"),
    ];
    let reasons: Vec<_> = reasons
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, reason)| format!("{count} {reason}"))
        .collect();
    (!reasons.is_empty()).then(|| format!("bodies that rules did not look into: {}", reasons.join(", ")))
}

/// What became of the records, and how many each rule changed.
fn ledger(tally: &RewriteTally, rules: &[(String, RewriteRule)], redacts: bool, intake: &Intake) -> Ledger {
    let mut ledger = Ledger::new()
        .sum("records", "records", tally.records)
        .part("changed", "changed", tally.changed)
        .part("unchanged", "unchanged", tally.records - tally.changed - tally.dropped)
        .part_if_any("dropped_undecoded", "dropped by --redact-strict", tally.dropped)
        .total(
            "headless",
            "requests without an HTTP head, which no rule but redactions changes",
            tally.headless,
        );
    let reads_bodies =
        rules.iter().any(|(_, rule)| matches!(rule, RewriteRule::RewriteBody(_) | RewriteRule::Prettify));
    if redacts || reads_bodies {
        let undecoded = if redacts {
            "records that could not be read to be redacted"
        } else {
            "bodies that could not be decoded"
        };
        ledger = ledger
            .sum("undecoded", undecoded, tally.unread.total())
            .part("unknown_coding", "in a coding that is not known", tally.unread.unknown)
            .part("broken_body", "with a body that does not decode to its end", tally.unread.broken)
            .part("too_large", "too large", tally.unread.too_large)
            .part("headless", "without an HTTP head", tally.unread.headless)
            .total("binary", "binary bodies, which rules do not look into", tally.binary)
            .total("trailers", "messages whose trailers went with their chunks", tally.trailers);
    }
    let (mut changed, mut passed) = (Vec::new(), Vec::new());
    for ((name, rule), count) in rules.iter().zip(&tally.by_rule) {
        match rule {
            RewriteRule::Only(condition) => passed.push((format!("{name} {condition}"), vec![*count])),
            _ => changed.push((name.clone(), vec![*count])),
        }
    }
    let ledger = with_intake(ledger, intake).list("rules", "records by rule", &["changed"], changed);
    if passed.is_empty() {
        ledger
    } else {
        ledger.list("conditions", "requests by condition", &["passed"], passed)
    }
}

/// What the middleware made of the records, by kind and id.
fn with_middleware(ledger: Ledger, traffic: &Traffic) -> Ledger {
    let balance = traffic.balance();
    ledger
        .sum("middleware", "records sent to the middleware", balance.given)
        .part("returned", "sent back", balance.returned)
        .part("missing", "not sent back", balance.missing)
        .part_if_any("not_followed", "not followed, some of them not sent back", balance.unknown)
        .total("middleware_own", "records of its own", balance.own)
        .total("middleware_beyond", "records too many at once to follow one by one", balance.beyond)
        .total("middleware_garbage", "lines that are not records", traffic.garbage())
}
