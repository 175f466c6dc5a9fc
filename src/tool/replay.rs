//! The command line of `gor-replay`.

mod checkpoint;
mod dry_run;
mod group;
mod inputs;
mod measuring;
mod middleware;
mod sending;
mod time;
mod watching;

use std::ffi::OsString;
use std::net::{SocketAddr, TcpListener};
use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use jiff::tz::TimeZone;

use crate::cli::{
    self, Exit, InputOptions, KafkaInput, KafkaOptions, OutputOptions, Report, Reporting, WebSocketArgs,
    values,
};
use crate::endpoint::{self, Place, ReadOptions, TimeWindow};
use crate::observe::{Count, Span};
use crate::pace::Share;
use crate::replay::{
    self, DocumentIndex, Outcome, Protocol, ReplaySummary, Settings, Split, Stop, Supply, Target, WhenSlow,
};
use crate::tls::TlsOptions;
use crate::tool::report::{self, ReportFiles, ReportPath};
use crate::{Error, Result};

use self::checkpoint::{Begun, Checkpoint, CheckpointOptions};
use self::inputs::Inputs;
use self::measuring::{MeasuringOptions, now, options};
use self::middleware::MiddlewareArgs;
use self::sending::SendingOptions;
use self::time::TimeOptions;
use self::watching::Watching;

const EXAMPLES: &str = "\
Examples:
  gor-replay --dry-run -i shop.gor
  gor-replay -i shop.gor --speed 2x http://staging.example.com
  gor-replay -i shop.gor -o answers.gor http://staging.example.com

See gor-replay --help for all options, more examples and the exit status.";

const LONG_EXAMPLES: &str = "\
Examples:
  Send recorded requests to another server, at the recorded times:
    gor-replay -i shop.gor http://staging.example.com
  Send the GET requests of a capture, twice as fast:
    gor-record -r traffic.pcapng | gor-filter --method GET | \\
      gor-replay --speed 2x http://127.0.0.1:8080
  Send to two servers as fast as they answer, over 32 connections each:
    gor-replay --no-wait --connections 32 -i shop.gor \\
      http://127.0.0.1:8080 http://127.0.0.1:8081
  Keep the responses, and compare them with the recorded ones:
    gor-replay --no-wait -i shop.gor -o answers.gor http://staging.example.com
    gor-show --compare shop.gor answers.gor
  Keep a report, and fail if the target is slow or many requests fail:
    gor-replay -i shop.gor --speed 10x --report a.txt --report a.json \\
      --fail-if 'p99>2s' --fail-if 'errors>1%' http://staging.example.com
  Print what a recording holds, and when its requests would be sent:
    gor-replay --dry-run -i 'logs/*.gor.zst'

Signals:
  SIGTSTP (Ctrl-Z) pauses, and SIGCONT (fg) goes on with the schedule where it was:
  nothing becomes due, and nothing times out in between.
  SIGINT and SIGTERM stop sending, and wait for outstanding responses until their
  timeout. A second one, or SIGHUP, stops waiting; the summary and the output are
  still written.

Exit status: 0 every request was answered, with any status; 1 a request was not
answered, the output is incomplete, or the replay was interrupted; 2 wrong command
line; 3 a threshold of --fail-if was not met, whatever else happened. Records that are not one complete request are not sent; they are counted, and
do not change the exit status. Unrequested bytes (after a response, or before a
request) are reported even with -q, and their connection is not used again.";

/// Options of a replay's output, and rounds: a dry run has neither.
const NOT_DRY: [&str; 8] =
    ["metrics", "group", "fail_if", "rounds", "echo", "slow_output", "middleware", "elasticsearch"];

const SPLIT: &str =
    "Distribute requests over the targets in turn, instead of sending all to each; outputs likewise";

const SESSIONS: &str = "Use one connection per recorded connection; with --split, to one target";

const SESSIONS_LONG: &str = "Use one connection per recorded connection; with --split, to one target

Requests of a connection keep their order: each waits until it is due and the previous response has arrived. Record ids \
tell which connection a request belongs to. When --connections are open, an idle one is closed to make room.";

/// A name for [`WhenSlow`] on the command line.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum SlowOutput {
    /// Send on time; responses that the output has no room for are dropped and counted
    Drop,
    /// Keep every response; requests wait until the output has room
    Wait,
}

impl From<SlowOutput> for WhenSlow {
    fn from(action: SlowOutput) -> Self {
        match action {
            SlowOutput::Drop => WhenSlow::Drop,
            SlowOutput::Wait => WhenSlow::Wait,
        }
    }
}

/// Replay recorded requests against one or more servers
///
/// Each request is sent as long after the first one as it was recorded, whether or not earlier ones have been answered.
/// Requests are sent byte for byte as recorded, except for the Host header, which becomes that of the target. Responses
/// are read and discarded; -o writes them, as records of kind 3 with the ids of their requests.
#[derive(Clone, Debug, Parser)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[allow(rustdoc::bare_urls, clippy::doc_markdown, reason = "these are help texts")]
#[command(
    name = "gor-replay",
    version,
    max_term_width = 100,
    after_help = EXAMPLES,
    after_long_help = LONG_EXAMPLES,
    mut_arg("split", |arg| arg.help(SPLIT)),
    mut_arg("sessions", |arg| arg.requires(clap::builder::Resettable::<clap::Id>::Reset).help(SESSIONS).long_help(SESSIONS_LONG))
)]
pub struct Args {
    /// Servers: HOST, HOST:PORT, https://HOST/PREFIX, unix:/SOCKET
    ///
    /// USER:PASSWORD@ may stand before HOST. Each target gets every request, unless they --split them. 'TARGET|10' gets the first 10 requests of each second
    /// that are due, 'TARGET|10%' a tenth of them; the rest is left out. A prefix is put before every path. A Unix socket
    /// may have one too: unix:/SOCKET:/PREFIX. A host with several addresses is connected to in turn, and looked up again
    /// each 30s.
    #[arg(
        value_name = "TARGET",
        required_unless_present = "dry_run",
        value_parser = target,
        value_hint = clap::ValueHint::Hostname
    )]
    pub targets: Vec<Target>,

    /// File, directory, quoted glob or "-" (repeatable) [default: standard input]
    ///
    /// Recordings, plain or compressed, and captures (pcap, pcapng). 'FILE|200%' is replayed at twice the speed.
    ///
    /// Objects of S3 are read as well: s3://BUCKET/KEY, s3://BUCKET/PREFIX/ or a quoted glob of keys. Of a topic,
    /// 'kafka://BROKER/TOPIC?group=NAME' commits requests that were answered, failed or not to be sent.
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, help_heading = "Input")]
    pub input: Vec<String>,
    /// Reorder requests within N requests, so that the oldest is sent next
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = values::number::<usize>, help_heading = "Input", hide_short_help = true)]
    pub read_depth: usize,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub reading: InputOptions,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub websocket: WebSocketArgs,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub time: TimeOptions,
    /// Replay N times [default without N: until interrupted]
    #[arg(
        long = "loop",
        value_name = "N",
        num_args = 0..=1,
        require_equals = true,
        value_parser = rounds,
        default_missing_value = "18446744073709551615",
        help_heading = "Time"
    )]
    pub rounds: Option<NonZeroU64>,
    /// Add header NAME with the number of the round to each request
    #[arg(
        long,
        value_name = "NAME",
        value_parser = values::field_name,
        requires = "rounds",
        help_heading = "Time",
        hide_short_help = true
    )]
    pub loop_header: Option<String>,

    /// Send nothing; print a summary and the schedule
    ///
    /// The summary is that of gor-show --summary; the schedule tells when requests would be sent. With targets, also prints what each of them would get. --report FILE.json
    /// writes the same as JSON; gor-report(5) explains it.
    #[arg(long, conflicts_with_all = NOT_DRY, conflicts_with_all = cli::NOT_DRY, help_heading = "Sending")]
    pub dry_run: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub sending: SendingOptions,
    /// Ask for the certificate of NAME instead of that of the target's host
    #[arg(long, value_name = "NAME", help_heading = "TLS", hide_short_help = true)]
    pub sni: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub middleware: MiddlewareArgs,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub writing: OutputOptions,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub kafka: KafkaOptions,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub kafka_input: KafkaInput,
    /// Write the records of the input to the output too
    #[arg(long, requires = "output", help_heading = "Output", hide_short_help = true)]
    pub echo: bool,
    /// What to do when the output is slower than the responses [default: drop, with --no-wait wait]
    #[arg(long, value_name = "ACTION", requires = "output", help_heading = "Output", hide_short_help = true)]
    pub slow_output: Option<SlowOutput>,
    /// Send a document about each exchange to Elasticsearch or OpenSearch: http://HOST:9200/INDEX
    ///
    /// The document is GoReplay's: method, URL, status, some headers, the round trip in ms. Documents are sent in batches,
    /// up to 8 times where the server is busy or away; those that it refuses, or is too slow for, are counted, and the
    /// exit status is 1. The replay is not slowed, and waits for the server for the --timeout at its end.
    /// USER:PASSWORD@ may stand before HOST; --ca-cert and --skip-verify hold for an https URL.
    #[arg(long, value_name = "URL", value_hint = clap::ValueHint::Url, help_heading = "Output", hide_short_help = true)]
    // Not parsed here, as clap would show a password with what is wrong.
    pub elasticsearch: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub measuring: MeasuringOptions,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub checkpoints: CheckpointOptions,
    /// Serve metrics for Prometheus over HTTP, at the path /metrics of ADDRESS
    #[arg(
        long,
        value_name = "ADDRESS",
        value_parser = values::listen_address,
        help_heading = "Messages",
        hide_short_help = true
    )]
    pub metrics: Option<SocketAddr>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub reporting: Reporting,
}

/// How often to replay.
fn rounds(text: &str) -> Result<NonZeroU64, String> {
    text.parse().map_err(|_| "expected a number of rounds from 1 up, as 3".to_owned())
}

/// A target; the name of a recording is no target.
fn target(text: &str) -> Result<Target, String> {
    values::no_file(text, |name| format!("give recordings with -i, as in -i {name}"))
}

/// Reads this process's command line; leaves where it asks for help or is wrong.
pub fn parse() -> Args {
    cli::parse_from(&join_loop(std::env::args_os()))
}

/// Writes the number of rounds as clap needs it: `--loop 3 host` as `--loop=3 host`, but `--loop host` as it is.
fn join_loop(args: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut joined: Vec<OsString> = Vec::new();
    for arg in args {
        let is_number =
            arg.to_str().is_some_and(|arg| !arg.is_empty() && arg.bytes().all(|byte| byte.is_ascii_digit()));
        match joined.last_mut() {
            Some(last) if is_number && last == "--loop" => {
                last.push("=");
                last.push(arg);
            }
            _ => joined.push(arg),
        }
    }
    joined
}

/// Replays as the command line says.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    // Buffers are many and small, and huge pages would double the memory that they take. Without the right it stays so.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let inputs = Inputs::new(&args.input);
    args.reading.listening.check(&inputs.names())?;
    let kept =
        args.measuring.report.iter().map(ToString::to_string).chain(args.checkpoints.checkpoint.clone());
    let kept: Vec<_> = kept.collect();
    args.reading.services.check(inputs.names().iter().chain(&args.writing.output).chain(&kept))?;
    let mut reading = args.reading.reading(&args.reporting);
    reading.kafka =
        args.kafka.settings(args.kafka_input.exit_at_end, &inputs.names(), &args.writing.output)?;
    reading.listening.websocket = args.websocket.options(&inputs.names(), &args.writing.output)?;
    let (selection, _) = args.time.resolve()?;
    reading.hours = TimeWindow { since: selection.since, until: selection.until };
    let places = endpoint::expand(&inputs.names(), &reading)?;
    check(args, &places)?;
    let is_group = group::check(args, &places)?;
    // A dry run handles nothing.
    reading.tells_handled = is_group && !args.dry_run;
    let mut settings = settings(args, &places, &reading)?;
    settings.commits = reading.tells_handled;
    if args.dry_run {
        return dry_run::run(args, settings, reading);
    }
    let (sending, waiting) = cli::signals::stop_in_two_steps()?;
    cli::signals::pausing(|stop| replay::pause(stop))?;
    reading.is_stopping = Arc::clone(&sending);
    reading.services.leave_at(&waiting);
    let mut checkpoint = match Checkpoint::begin(args, &places, &reading, &selection)? {
        None => None,
        Some(Begun::Open(checkpoint)) => Some(*checkpoint),
        Some(Begun::Done(completed)) => return completed.conclude(args, &reading),
    };
    if let Some(checkpoint) = &checkpoint {
        settings.checkpoint = Some(checkpoint.settings());
        settings.measures.get_or_insert_default();
        // How far it is, is counted in records.
        reading.ends_at_failure = true;
    }
    let is_ours = |name: &str| checkpoint.as_ref().is_some_and(|checkpoint| checkpoint.has_report(name));
    let files = ReportFiles::open(
        &args.measuring.report,
        |name| args.writing.force || is_ours(name),
        &reading.services,
    )?;
    if let Some(checkpoint) = &mut checkpoint {
        checkpoint.start(&args.measuring.report)?;
    }
    let start = now();
    let listener = watching::listen(args)?;
    let is_over = match args.reading.exit_after {
        Some(time) => cli::signals::stop_after(time, &sending)?,
        None => Arc::default(),
    };
    let stop = Stop { sending, is_over, waiting };
    let mut outcome = replay(&settings, args, &inputs, &reading, listener, &stop, |mut outcome| {
        let settled = outcome.settled.take();
        let report = replay::to_report(&mut outcome, start, now(), options(args, &settings));
        if let (Some(checkpoint), Some(settled)) = (&mut checkpoint, settled) {
            checkpoint.save(report, settled);
        }
    })?;
    // Of an input without end a signal is the end.
    let has_end = !args.reading.follow && !places.iter().any(|place| matches!(place, Place::Network(_)));
    outcome.is_interrupted &= has_end || outcome.left_unsent() > 0;
    let mut measured = settings
        .measures
        .is_some()
        .then(|| replay::to_report(&mut outcome, start, now(), options(args, &settings)));
    let mut has_failures = outcome.has_failures();
    let mut kept = Ok(());
    if let (Some(checkpoint), Some(run)) = (checkpoint, &mut measured) {
        kept = checkpoint.finish(run, &mut outcome);
        // What an earlier part has lost is lost.
        has_failures |= run.total.errors() > 0;
    }
    let mut report = Report::new(&ReplaySummary(&outcome), replay::to_json(&outcome))
        .in_full(!args.reporting.quiet || has_failures);
    if args.reporting.quiet && !has_failures {
        // What casts doubt on answers is said even so.
        for (target, tally) in &outcome.targets {
            tally.unasked().for_each(|line| report.loss(format_args!("{target}: {line}")));
        }
    }
    remark(&mut report, &outcome, args);
    let mut done = report.tell(&args.reporting, outcome.failure.map_or(Ok(()), Err));
    if let Err(error) = kept {
        match done {
            Ok(()) => done = Err(error),
            Err(_) => cli::note(error),
        }
    }
    if let Some(measured) = &measured
        && let Err(error) = files.write(measured, &TimeZone::system())
    {
        match done {
            Ok(()) => done = Err(error),
            Err(_) => cli::note(error),
        }
    }
    let exit = if has_failures { Exit::Lost } else { Exit::Done };
    report::conclude(&args.measuring.fail_if, measured.as_ref(), done, exit)
}

/// Says what the summary does not cover, or that there was nothing to do.
fn remark(report: &mut Report, outcome: &Outcome, args: &Args) {
    // Where a rate or the target tells when requests are sent, their order does no harm.
    let is_timed = args.time.rate.is_none() && args.time.rate_ramp.is_none() && !args.time.no_wait;
    if outcome.disordered > 0 && is_timed {
        report.remark(format_args!(
            "{} older than one sent before, and sent at once; gor-merge puts recordings in the order of time",
            Count(outcome.disordered, "request")
        ));
    }
    if outcome.skipped > 0 {
        let has_report = !args.measuring.report.is_empty();
        let whole = if has_report { ", the report of all" } else { "" };
        let done = Count(outcome.skipped, "request");
        return report.remark(format_args!("{done} done before; the summary is of the others{whole}"));
    }
    if outcome.requests > 0 || outcome.failure.is_some() {
        return;
    }
    match outcome.not_selected {
        0 => report.remark("nothing to replay: there is no request in the input"),
        number => report.remark(format_args!(
            "nothing to replay: none of {} is selected by --since, --until and --shard",
            Count(number, "request")
        )),
    }
}

/// What cannot be meant.
fn check(args: &Args, places: &[Place]) -> Result<()> {
    let wrong = |why: &str| Err(Error::Usage(why.into()));
    let loops = args.rounds.is_some_and(|rounds| rounds.get() > 1);
    if loops && places.iter().any(|place| matches!(place, Place::Standard | Place::Network(_))) {
        return wrong("--loop needs an input that can be read again; name files with -i");
    }
    if loops && args.reading.follow {
        return wrong("--loop reads its input to the end, and with --follow it has none");
    }
    if args.dry_run && args.reading.exit_after.is_some() {
        return wrong("--exit-after ends a replay; a dry run ends with its input");
    }
    if args.writing.split && args.targets.len() < 2 && args.writing.output.len() < 2 {
        return wrong("--split shares between several targets or outputs; give two or more");
    }
    let sending = &args.sending;
    if let Some(most) = sending.connections
        && sending.min_connections > most.get()
    {
        let fewer =
            format!("--min-connections {} is more than --connections {most}", sending.min_connections);
        return Err(Error::Usage(fewer));
    }
    let has_tls = args.targets.iter().any(|target| target.protocol() == Protocol::Https)
        || args.elasticsearch.as_deref().is_some_and(|url| url.starts_with("https:"))
        || args
            .writing
            .output
            .iter()
            .any(|output| output.starts_with("tls://") || output.starts_with("wss://"));
    let option = args.writing.tls.first_given().or(args.sni.as_ref().map(|_| "--sni"));
    if let Some(option) = option.filter(|_| !has_tls) {
        return Err(Error::Usage(format!("{option} applies to https targets, and none is given")));
    }
    if !args.writing.ws_header.is_empty() && args.writing.output.is_empty() {
        return wrong("--ws-header applies to ws:// and wss:// outputs; name one with -o");
    }
    let is_limited = |target: &Target| matches!(target.share(), Share::PerSecond(_));
    if args.time.no_wait && args.targets.iter().any(is_limited) {
        return wrong(
            "with --no-wait nothing is due at a time, so TARGET|N leaves nothing out; use --rate instead",
        );
    }
    Ok(())
}

/// Where documents go.
fn index(url: &str) -> Result<DocumentIndex> {
    url.parse().map_err(|why| Error::Usage(format!("--elasticsearch: {why}")))
}

/// The command line in the library's words.
fn settings(args: &Args, places: &[Place], reading: &ReadOptions) -> Result<Settings> {
    let pace = args.time.pace();
    let (selection, start_at) = args.time.resolve()?;
    let sending = &args.sending;
    Ok(Settings {
        pace,
        rounds: args.rounds.map_or(1, NonZeroU64::get),
        round_field: args.loop_header.clone(),
        read_depth: args.read_depth,
        selection,
        start_at,
        threads: sending.threads,
        connections: sending.connections.map(NonZeroUsize::get),
        min_connections: sending.min_connections,
        idle_timeout: sending.idle_timeout,
        queue: sending.queue,
        is_precise: sending.precise,
        redirects: sending.redirects,
        sends_marked: sending.send_incomplete,
        keeps_cookies: sending.cookies,
        response_buffer: usize::try_from(sending.response_buffer).unwrap_or(usize::MAX),
        sessions: sending.session_mode(args.writing.sessions),
        split: match (args.writing.split, args.writing.sessions) {
            (false, _) => Split::Copy,
            (true, false) => Split::Requests,
            (true, true) => Split::Sessions,
        },
        timeout: sending.timeout,
        keeps_host: sending.original_host,
        is_for_origin: false,
        comes_when_due: false,
        tls: TlsOptions { server_name: args.sni.clone(), ..args.writing.tls.options() },
        echo: args.echo,
        when_slow: args.slow_output.map_or(
            // Without a schedule there is nothing to be late for.
            if pace.is_no_wait() { WhenSlow::Wait } else { WhenSlow::Drop },
            WhenSlow::from,
        ),
        supply: Supply {
            meter: Arc::clone(&reading.meter),
            is_there: !args.reading.follow && endpoint::total_size(places, reading).is_some(),
        },
        is_watched: watching::is_asked(args),
        measures: args.measuring.measures(),
        documents: args.elasticsearch.as_deref().map(index).transpose()?,
        checkpoint: None,
        commits: false,
        middleware: args.middleware.settings(args.reading.max_record),
    })
}

fn replay(
    settings: &Settings,
    args: &Args,
    inputs: &Inputs,
    reading: &ReadOptions,
    listener: Option<TcpListener>,
    stop: &Stop,
    save: impl FnMut(Outcome),
) -> anyhow::Result<Outcome> {
    let parts = inputs.open(reading)?;
    let names = inputs.names();
    let mut writing = args.writing.write_options(&names);
    writing.kafka = reading.kafka.clone();
    writing.splits &= args.writing.output.len() > 1;
    writing.sending.is_stopping = Arc::clone(&stop.sending);
    writing.sending.websocket = reading.listening.websocket.clone();
    if !args.writing.output.iter().any(|output| output.starts_with("tls://") || output.starts_with("wss://"))
    {
        // They are about the targets.
        writing.sending.tls = TlsOptions::default();
    }
    writing.services = Arc::clone(&reading.services);
    writing.objects.is_verbose = args.reporting.verbose;
    writing.reports.extend(args.reporting.files());
    writing.reports.extend(args.measuring.report.iter().filter_map(ReportPath::path));
    let out = match &args.writing.output[..] {
        [] => {
            endpoint::check(&[], &writing)?;
            None
        }
        names => Some(endpoint::create(names, &writing)?),
    };
    // When the limit is reached is counted by the replay.
    cli::raise_descriptor_limit();
    let (mut is_told, mut is_uncommitted_told) = (false, false);
    let mut watching = Watching::start(args, listener, &reading.meter)?;
    let outcome = replay::run(
        settings,
        args.targets.clone(),
        parts,
        out,
        stop,
        |now| {
            if stop.sending.load(Ordering::Relaxed) && !stop.is_over.load(Ordering::Relaxed) && !is_told {
                is_told = true;
                cli::note(waiting_for(now.in_flight, args.sending.timeout, now.unwritten));
            }
            match &now.uncommitted {
                Some(why) if !std::mem::replace(&mut is_uncommitted_told, true) => {
                    cli::note(format_args!("{why}; the replay goes on, and this is tried again"));
                }
                Some(_) => {}
                None => is_uncommitted_told = false,
            }
            watching.tell(now);
        },
        save,
    );
    watching.end();
    Ok(outcome?)
}

/// What an interrupted replay still waits for.
fn waiting_for(answers: u64, timeout: Duration, unwritten: usize) -> String {
    let longest = Span(timeout.as_nanos() as u64);
    let what = match (answers, unwritten as u64) {
        (0, 0) => "the replay to end".to_owned(),
        (0, records) => format!("the output to take {}", Count(records, "record")),
        (answers, 0) => format!("{} (at most {longest})", Count(answers, "response")),
        (answers, records) => {
            let [answers, records] = [Count(answers, "response"), Count(records, "record")];
            format!("{answers} (at most {longest}) and the output to take {records}")
        }
    };
    format!("interrupted; waiting for {what}; interrupt again not to wait")
}
