//! The options of `gor-replay`.

use std::net::SocketAddr;
use std::num::NonZeroU64;

use clap::{Parser, ValueEnum};

use super::checkpoint::CheckpointOptions;
use super::measuring::MeasuringOptions;
use super::middleware::MiddlewareArgs;
use super::sending::SendingOptions;
use super::time::TimeOptions;
use crate::cli::{
    self, InputOptions, KafkaInput, KafkaOptions, OutputOptions, Reporting, WebSocketArgs, values,
};
use crate::replay::{Target, WhenSlow};

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

/// Options of a replay's output, which a dry run does not have.
const NOT_DRY: [&str; 7] =
    ["metrics", "group", "fail_if", "echo", "slow_output", "middleware", "elasticsearch"];

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
    /// The summary is that of gor-show --summary; the schedule tells when requests would be sent, with --loop also when
    /// the last round ends. With targets, also prints what each of them would get. --report FILE.json writes the same as
    /// JSON; gor-report(5) explains it.
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
    let is_number = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    cli::parse_from(&cli::join_value(&std::env::args_os().collect::<Vec<_>>(), "--loop", is_number))
}
