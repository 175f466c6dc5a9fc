//! The command line of `gor-filter`.

use std::fs::File;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{ArgGroup, Parser, ValueEnum};
use regex::bytes::Regex;

use super::{Exit, InputOptions, OutputOptions, Verbosity, note, signals};
use crate::endpoint::{self, WriteOptions};
use crate::observe::Ledger;
use crate::pipeline;
use crate::record::{Intake, Kind};
use crate::transform::{Choice, Filter, HeaderPattern, Rule, Rules, Selection, Share, Tally};

/// More threads than this are a slip of the finger.
const MAX_THREADS: usize = 256;

/// Choose records by rules about their requests.
///
/// A request is written when it passes every rule. Its responses, original and
/// replayed, share its fate however late they come; a response that comes
/// before its request, or without one, is written. Rules see each request as it
/// was recorded, as bytes; a payload that is not HTTP has no method, no URL and
/// no header.
///
/// What passes is then chosen in this order: --invert, --kind, --limit.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "gor-filter",
    version,
    after_help = EXAMPLES,
    group(ArgGroup::new("rule").multiple(true)),
)]
pub struct Args {
    /// Recordings to read one after the other: files, globs, `-`. Standard input when there is none.
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
    #[arg(long = "url", value_name = "REGEX", group = "rule", help_heading = "Rules")]
    pub urls: Vec<Regex>,
    /// The path and query match none of those given.
    #[arg(long = "not-url", value_name = "REGEX", group = "rule", help_heading = "Rules")]
    pub not_urls: Vec<Regex>,
    /// A header of this name, in any case, is there and a value of it matches; all of those given.
    #[arg(long = "header", value_name = "NAME:REGEX", group = "rule", help_heading = "Rules")]
    pub headers: Vec<HeaderPattern>,
    /// No value of a header of this name matches; none of those given.
    #[arg(long = "not-header", value_name = "NAME:REGEX", group = "rule", help_heading = "Rules")]
    pub not_headers: Vec<HeaderPattern>,
    /// The decoded user:password of basic authentication is there and matches; any of those given.
    #[arg(long = "basic-auth", value_name = "REGEX", group = "rule", help_heading = "Rules")]
    pub basic_auth: Vec<Regex>,
    /// The header's value belongs to this share of all values, by its hash, or it has none; all of those given.
    ///
    /// A value is always in or always out: FNV-1a of 32 bits, modulo 100, below the percentage. The same
    /// values are kept as by GoReplay. `user-id:1/4` says the same as `user-id:25%`.
    #[arg(long = "header-limit", value_name = "NAME:PERCENT", group = "rule", help_heading = "Rules")]
    pub header_limits: Vec<Share>,
    /// The same for a parameter of the query, its value taken as recorded.
    #[arg(long = "param-limit", value_name = "NAME:PERCENT", group = "rule", help_heading = "Rules")]
    pub param_limits: Vec<Share>,

    /// Write exactly the records that the rules drop, and drop those that they let pass.
    #[arg(long, requires = "rule", help_heading = "Choice")]
    pub invert: bool,
    /// Write records of this kind; any of those given.
    ///
    /// Requests that are not written decide on their responses all the same.
    #[arg(long = "kind", value_name = "KIND", help_heading = "Choice")]
    pub kinds: Vec<KindName>,
    /// Write this many records and stop.
    #[arg(long, value_name = "NUMBER", help_heading = "Choice")]
    pub limit: Option<u64>,

    #[command(flatten)]
    #[allow(missing_docs, reason = "the group has its own")]
    pub input: InputOptions,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the group has its own")]
    pub output: OutputOptions,

    /// Print the ledger at the end, on standard error: what became of each record. So does -v.
    #[arg(long, help_heading = "Messages")]
    pub stats: bool,
    /// Write the ledger to this file, as JSON.
    #[arg(long, value_name = "FILE", help_heading = "Messages")]
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

fn threads(text: &str) -> Result<NonZeroUsize, String> {
    let number = text.parse::<NonZeroUsize>().ok();
    number
        .filter(|number| number.get() <= MAX_THREADS)
        .ok_or_else(|| format!("a number of threads is from 1 to {MAX_THREADS}"))
}

impl Args {
    /// The rules about requests.
    fn rules(&self) -> Rules {
        Rules {
            methods: self.methods.clone(),
            urls: self.urls.clone(),
            not_urls: self.not_urls.clone(),
            headers: self.headers.clone(),
            not_headers: self.not_headers.clone(),
            basic_auth: self.basic_auth.clone(),
            header_limits: self.header_limits.clone(),
            param_limits: self.param_limits.clone(),
        }
    }

    fn choice(&self) -> Choice {
        let kinds = self.kinds.iter().map(|&kind| kind.into()).collect();
        Choice { kinds, limit: self.limit, is_inverted: self.invert }
    }
}

/// Filters as the command line says.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let filter = Filter::new(args.rules()).context("the patterns cannot be used together")?;
    let mut selection = Selection::new(args.choice());
    let is_stopping = signals::stop()?;
    let source = endpoint::open(&args.inputs, &args.input.read_options())?;
    let to = WriteOptions {
        is_forced: args.output.force,
        inputs: &args.inputs,
        tell: Some(|text| super::note(text)),
    };
    let mut sink = endpoint::create(&args.output.output, &to)?;

    let threads = args.threads.or_else(|| std::thread::available_parallelism().ok());
    let threads = threads.unwrap_or(NonZeroUsize::MIN);
    let (intake, result) = pipeline::run(source, &filter, &mut selection, &mut *sink, threads, &is_stopping);

    let tally = selection.tally();
    if tally.doubtful > 0 {
        note(format_args!(
            "{} requests that failed a rule were forgotten before a response came: \
             some of {} later responses may belong to them",
            tally.forgotten, tally.doubtful
        ));
    }
    let ledger = ledger(&tally, &intake);
    if args.stats || args.verbosity.verbose > 0 {
        super::report(&ledger);
    }
    if let Some(path) = &args.stats_json {
        write_json(path, &ledger).with_context(|| path.display().to_string())?;
    }
    result?;
    Ok(Exit::Done)
}

/// What became of the records, and what was read besides.
fn ledger(tally: &Tally, intake: &Intake) -> Ledger {
    let mut ledger = Ledger::new().total("records judged", tally.records).part("written", tally.written);
    for (rule, count) in Rule::ALL.into_iter().zip(tally.dropped_by_rule) {
        ledger = ledger.part_if_any(rule.ledger_name(), count);
    }
    ledger
        .part_if_any("dropped with their request", tally.dropped_with_request)
        .part_if_any("dropped by --invert", tally.dropped_by_inversion)
        .part_if_any("dropped by --kind", tally.dropped_by_kind)
        .total("requests forgotten before a response", tally.forgotten)
        .total("malformed records skipped", intake.malformed)
        .total("records larger than --max-record skipped", intake.too_large)
        .total("unfinished last records", u64::from(intake.unfinished.is_some()))
        .total("bytes read", intake.bytes)
}

fn write_json(path: &Path, ledger: &Ledger) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    writeln!(file, "{:#}", ledger.to_json())
}
