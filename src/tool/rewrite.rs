//! The command line of `gor-rewrite`.

use std::fs::File;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Context;
use clap::{ArgGroup, ArgMatches, CommandFactory, FromArgMatches, Parser};

mod redact;

pub use redact::{Presets, RedactOptions};

use super::filter;
use crate::BadRule;
use crate::cli::{self, Exit, InputOptions, OutputOptions, Verbosity, signals, values};
use crate::endpoint;
use crate::middleware::{Command, Middleware, MiddlewareOptions, Traffic};
use crate::observe::Ledger;
use crate::pipeline;
use crate::record::Intake;
use crate::transform::rewrite::{self, RewriteRule, RewriteTally, Rewriting};

/// Change requests by rules, anonymise recordings, or let a program of yours change them.
///
/// The rules are applied in the order of the command line, each to what the one before it made. They change
/// the heads of requests; redactions (--redact) also bodies and responses. Whatever no rule changes goes on byte
/// for byte. A rule that has nothing to change (no such header, no match) is passed over.
///
/// With --middleware records go through that program first, then through the rules.
#[derive(Clone, Debug, Parser)]
#[command(name = "gor-rewrite", version, after_help = EXAMPLES)]
#[command(group = ArgGroup::new(redact::GROUP).args(redact::OPTIONS).multiple(true))]
pub struct Args {
    /// Recordings to read one after the other: files, globs, `-`. Standard input when there is none.
    ///
    /// Compression (gzip, zstd) and packet captures (pcap, pcapng) are recognised by their first bytes.
    #[arg(value_name = "INPUT")]
    pub inputs: Vec<String>,

    /// Rewrite on this many threads; one for each core unless given. The output is the same.
    #[arg(long, value_name = "NUMBER", value_parser = filter::threads)]
    pub threads: Option<NonZeroUsize>,

    /// Set a header: all lines of that name become this one, or it comes directly under the request line.
    #[arg(long, value_name = "NAME: VALUE", value_parser = set_header, help_heading = "Rules")]
    pub set_header: Vec<RewriteRule>,
    /// Delete all lines of a header.
    #[arg(long, value_name = "NAME", value_parser = delete_header, help_heading = "Rules")]
    pub delete_header: Vec<RewriteRule>,
    /// Replace what matches in a header's values: `Host: (.*).example.com,$1.beta.example.com`.
    ///
    /// The last comma ends the pattern. $1 and ${1}x stand for groups, $$ for a dollar sign.
    #[arg(long, value_name = "NAME: REGEX,TEXT", value_parser = rewrite_header, help_heading = "Rules")]
    pub rewrite_header: Vec<RewriteRule>,
    /// Replace what matches in path and query: `/v1/user/([^/]+)/ping:/v2/user/$1/ping`.
    ///
    /// The first colon that no backslash precedes ends the pattern, and every match is replaced. sed's form
    /// takes any delimiter, `s#a:b#c#`, and the flags g (all matches, not the first) and i (any case). Of
    /// several such rules the first that matches a request ends the others; see --all.
    #[arg(long, value_name = "REGEX:TEXT", value_parser = rewrite_url, help_heading = "Rules")]
    pub rewrite_url: Vec<RewriteRule>,
    /// Apply every --rewrite-url that matches, not the first alone.
    #[arg(long, requires = "rewrite_url", help_heading = "Rules")]
    pub all: bool,
    /// Set a parameter of the query: it takes the place of the first of that name, or comes last.
    ///
    /// What has no place in a query is percent-encoded; escapes like %41 stay.
    #[arg(long, value_name = "NAME=VALUE", value_parser = set_param, help_heading = "Rules")]
    pub set_param: Vec<RewriteRule>,
    /// Delete the parameters of that name from the query.
    #[arg(long, value_name = "NAME", value_parser = delete_param, help_heading = "Rules")]
    pub delete_param: Vec<RewriteRule>,
    /// Set the host: the Host header, and that of a target with scheme and host, as proxies get it.
    #[arg(long, value_name = "HOST[:PORT]", value_parser = set_host, help_heading = "Rules")]
    pub set_host: Vec<RewriteRule>,

    #[command(flatten)]
    #[allow(missing_docs, reason = "the group has its own")]
    pub redaction: RedactOptions,

    /// Send records through this program, by GoReplay's protocol.
    ///
    /// It gets each record as a line of hex on its standard input, and writes those that go on to its
    /// standard output; see the README. Quotes and backslashes work as in a shell, but no
    /// shell is run. That the program fails, writes what is no record, or does not send back a record under its
    /// kind and id, is an error at the end; see --middleware-may-drop.
    #[arg(long, value_name = "COMMAND", help_heading = "Middleware")]
    pub middleware: Option<Command>,
    /// Kill the program when it has input left, or its input ended, and it neither reads nor writes for this long.
    ///
    /// That is an error. A program that never ends by itself, as GoReplay's client for Node, is ended without
    /// one: 0.5 s after its last output when every record came back, after this time when records may be dropped.
    #[arg(
        long, value_name = "DURATION", default_value = "10s", value_parser = values::duration,
        requires = "middleware", help_heading = "Middleware"
    )]
    pub middleware_timeout: Duration,
    /// The program drops records on purpose: one that does not come back is no error.
    ///
    /// Needed for programs that filter, as many of GoReplay's do by not sending a record back. Without it such a
    /// record counts as lost: it is named, and the exit status is 1. The records dropped are in the ledger (--stats).
    #[arg(long, requires = "middleware", help_heading = "Middleware")]
    pub middleware_may_drop: bool,

    #[command(flatten)]
    #[allow(missing_docs, reason = "the group has its own")]
    pub input: InputOptions,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the group has its own")]
    pub output: OutputOptions,

    /// Print the ledger at the end, on standard error: what became of each record, how many each rule
    /// changed. So does -v.
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
  Send a recording to another host, with a key of its own:
    gor-rewrite --set-host staging.example.com --set-param api_key=1 monday.gor > staging.gor
  A sample for a colleague, without secrets (in this shop, trace holds the name of a user):
    gor-filter --sample 10% testdata/shop.pcapng | gor-rewrite --redact all --redact-param trace > sample.gor
  The same replacements tomorrow, so that users can be followed over both days:
    head -c 32 /dev/urandom > key; gor-rewrite --redact all --redact-key-file key monday.gor > monday-anonymous.gor
  The paths of version 2:
    gor-rewrite --rewrite-url '/v1/user/([^/]+)/ping:/v2/user/$1/ping' -o v2.gor monday.gor
  What a program of yours makes of it:
    gor-rewrite --middleware 'node rewrite.js' -o rewritten.gor monday.gor

Exit status: 0 done, 1 something failed or was lost, 2 the command line is wrong.";

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
const RULES: [&str; 7] =
    ["set_header", "delete_header", "rewrite_header", "rewrite_url", "set_param", "delete_param", "set_host"];

/// What was typed, and the rules in the order they were typed in.
#[derive(Clone, Debug)]
pub struct CommandLine {
    args: Args,
    /// Each with what the ledger calls it.
    rules: Vec<(String, RewriteRule)>,
}

impl CommandLine {
    /// Reads this process's command line; leaves where it asks for help or is wrong.
    pub fn parse() -> Self {
        let matches = Args::command().get_matches();
        Args::from_arg_matches(&matches)
            .map_or_else(|error| error.exit(), |args| CommandLine { rules: in_order(&matches), args })
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
    // The sort is stable: the presets of one option stay in their order.
    rules.sort_by_key(|(place, ..)| *place);
    rules.into_iter().map(|(_, name, rule)| (name, rule)).collect()
}

/// Rewrites as the command line says.
pub fn run(command: &CommandLine) -> anyhow::Result<Exit> {
    let args = &command.args;
    let rules: Vec<_> = command.rules.iter().map(|(_, rule)| rule.clone()).collect();
    let redacts = rules.iter().any(|rule| matches!(rule, RewriteRule::Redact(_)));
    let mut rewriting = Rewriting::new(rules, args.all);
    let key_file = args.redaction.redact_key_file.as_deref();
    if redacts {
        rewriting = rewriting.redacting(redact::key(key_file)?, args.redaction.redact_strict);
        if key_file.is_none() && args.verbosity.verbose > 0 {
            cli::note(
                "redacting under a random key; --redact-key-file gives the same replacements in every run",
            );
        }
    }
    let is_stopping = signals::stop()?;
    let reading = args.input.reading(args.verbosity, &is_stopping);
    let mut source = endpoint::open(&args.inputs, &reading)?;
    // What is written must not be what is read.
    let mut read = args.inputs.clone();
    read.extend(key_file.map(|path| path.to_string_lossy().into_owned()));
    let mut to = args.output.write_options(&read);
    to.reports.extend(args.stats_json.as_deref());
    let mut sink = endpoint::create(&args.output.output, &to)?;
    let drawn = cli::progress(&reading.meter, &args.output.output, args.verbosity.quiet);
    // Where there is a middleware, its input is what ends; what it still answers is taken.
    let mut pipeline_stop = Arc::clone(&is_stopping);
    let mut traffic = None;
    if let Some(program) = &args.middleware {
        let options = MiddlewareOptions {
            patience: args.middleware_timeout,
            max_record: args.input.max_record,
            may_drop: args.middleware_may_drop,
        };
        let child = Middleware::start(program, source, options, &is_stopping)?;
        traffic = Some(child.traffic());
        source = Box::new(child);
        pipeline_stop = Arc::new(AtomicBool::new(false));
    }

    let threads = args.threads.or_else(|| std::thread::available_parallelism().ok());
    let threads = threads.unwrap_or(NonZeroUsize::MIN);
    let (intake, result) = pipeline::run(source, &mut rewriting, &mut *sink, threads, &pipeline_stop);
    drop(drawn);

    let mut ledger = ledger(rewriting.tally(), &command.rules, redacts, &intake);
    if let Some(traffic) = traffic {
        ledger = with_middleware(ledger, &traffic);
    }
    if args.stats || args.verbosity.verbose > 0 {
        cli::report(&ledger);
    }
    if let Some(path) = &args.stats_json {
        write_json(path, &ledger).with_context(|| path.display().to_string())?;
    }
    if let Some(said) = redact::said(rewriting.tally(), args.redaction.redact_strict) {
        cli::note(said);
    }
    result?;
    Ok(Exit::Done)
}

/// What became of the records, and how many each rule changed.
fn ledger(tally: &RewriteTally, rules: &[(String, RewriteRule)], redacts: bool, intake: &Intake) -> Ledger {
    let mut ledger = Ledger::new()
        .total("records", tally.records)
        .part("changed", tally.changed)
        .part("as they were", tally.records - tally.changed - tally.dropped)
        .part_if_any("dropped by --redact-strict", tally.dropped)
        .total("requests without an HTTP head, which no rule but redactions changes", tally.headless);
    for (number, ((name, _), changed)) in rules.iter().zip(&tally.by_rule).enumerate() {
        ledger = ledger.total(format!("changed by rule {} ({name})", number + 1), *changed);
    }
    if redacts {
        ledger = ledger
            .total("records that could not be read to be redacted", tally.unread.total())
            .part("in a coding that is not known", tally.unread.unknown)
            .part("with a body that does not decode to its end", tally.unread.broken)
            .part("too large", tally.unread.too_large)
            .part("without an HTTP head", tally.unread.headless)
            .total("binary bodies, which redactions do not look into", tally.binary);
    }
    ledger
        .total("malformed records skipped", intake.malformed)
        .total("records of a wrong length lost", intake.lost)
        .total("records larger than --max-record skipped", intake.too_large)
        .total("unfinished last records", u64::from(intake.unfinished.is_some()))
        .total("bytes read", intake.bytes)
}

/// What the middleware made of the records, by kind and id.
fn with_middleware(ledger: Ledger, traffic: &Traffic) -> Ledger {
    let balance = traffic.balance();
    ledger
        .total("records sent to the middleware", balance.given)
        .part("sent back", balance.returned)
        .part("not sent back", balance.missing)
        .part_if_any("not followed, some of them not sent back", balance.unknown)
        .total("records of its own", balance.own)
        .total("records too many at once to follow one by one", balance.beyond)
        .total("lines of it that are no records", traffic.garbage())
}

fn write_json(path: &Path, ledger: &Ledger) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    writeln!(file, "{:#}", ledger.to_json())
}
