//! The command line of `gor-show`.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::num::NonZeroUsize;

use clap::{ArgGroup, Parser, ValueEnum};
use jiff::tz::TimeZone;
use regex::bytes::Regex;

use crate::BadRule;
use crate::cli::{
    Exit, InputOptions, KafkaInput, KafkaOptions, Report, Reporting, Tool, WebSocketArgs, note, with_intake,
};
use crate::endpoint;
use crate::observe::{Count, Ledger};
use crate::record::{Block, Discard, Sink, Source as _};
use crate::show::{
    By, Compared, Comparison, ComparisonCounts, Exchange, Facts, FullMessage, Joiner, LineStyle, MessagePart,
    Overview, RecordingSide, TrafficSummary, has_replayed, write_json,
};
use crate::transform::{Stage, pattern};

/// Show recordings: one line per exchange, full messages, or a summary
///
/// Reads recordings and packet captures, and writes text to standard output. The columns are time, client, method, host
/// and path, status, latency, size of the request body, size of the response body, and type of the response.
///
/// An exchange is shown when its response comes; without response, at the end of the input or after a minute of the
/// recording. A response that comes even later is shown on a line of its own, marked as late.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "gor-show",
    version,
    max_term_width = 100,
    override_usage = "gor-show [OPTIONS] [INPUT]...\n       gor-show [OPTIONS] --compare <BEFORE> <AFTER>",
    after_help = EXAMPLES,
    after_long_help = LONG_EXAMPLES
)]
#[command(group = ArgGroup::new("form").args(["headers", "bodies", "raw", "json"]))]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[allow(clippy::doc_markdown, reason = "these are help texts")]
pub struct Args {
    /// Files, directories, quoted globs or "-" [default: standard input]
    ///
    /// Objects of S3 are read as well: s3://BUCKET/KEY, s3://BUCKET/PREFIX/ or a quoted glob of keys.
    #[arg(value_name = "INPUT", value_hint = clap::ValueHint::FilePath)]
    pub inputs: Vec<String>,

    /// Show start lines and headers
    #[arg(long, help_heading = "What to show")]
    pub headers: bool,
    /// Show headers and decoded bodies
    ///
    /// Chunked framing, gzip, deflate, br and zstd are decoded, JSON is indented if that makes no more than 16 MiB,
    /// binary bodies are shown as a hex dump.
    #[arg(long, help_heading = "What to show")]
    pub bodies: bool,
    /// Show messages as recorded, with control characters escaped
    #[arg(long, help_heading = "What to show")]
    pub raw: bool,
    /// Write a JSON object per exchange, one per line
    ///
    /// With --summary, writes one object. Keys: id, client, time, method, host, target, status, latency (in seconds), request, response, replayed. The
    /// last three are objects with time, latency, status, mark (cut, gap or doubtful), incomplete (true
    /// without a mark and shorter than Content-Length or chunks say), size, headers (a list of pairs) and body. body is decoded; a body that is not UTF-8 is in body_base64 instead, and body_fault says why a
    /// body could not be decoded. request_before is true if an earlier object has the request, but not this
    /// response. Unknown values are absent.
    #[arg(long, help_heading = "What to show")]
    pub json: bool,
    /// List exchanges with different status or body in two recordings
    ///
    /// The other exchanges are counted. Both are recordings of the same requests: exchanges are matched by id, as gor-replay -o writes it. If an exchange
    /// has a replayed response, that one is compared. Bodies are compared without chunked framing and content coding.
    #[arg(
        long,
        num_args = 2,
        value_names = ["BEFORE", "AFTER"],
        value_hint = clap::ValueHint::FilePath,
        conflicts_with_all = ["inputs", "headers", "bodies", "raw", "json", "summary", "follow"],
        help_heading = "What to show"
    )]
    pub compare: Vec<String>,

    /// Show a summary: times, methods, statuses, hosts, endpoints, latencies, clients
    #[arg(long, conflicts_with_all = ["headers", "bodies", "raw"], help_heading = "Summary")]
    pub summary: bool,
    /// Count requests by a header or cookie too: header:X-User, cookie:session
    #[arg(long, value_name = "KIND:NAME", requires = "summary", help_heading = "Summary")]
    pub by: Option<By>,
    /// Show the N most frequent entries of each list
    #[arg(long, value_name = "N", default_value = "10", value_parser = crate::cli::values::at_least_one, requires = "summary", help_heading = "Summary")]
    pub top: NonZeroUsize,
    /// Treat matches in paths as ids, besides numbers, UUIDs and long hex words
    #[arg(long, value_name = "REGEX", value_parser = group, requires = "summary", help_heading = "Summary")]
    pub group: Option<Regex>,

    /// Show times in UTC instead of local time
    #[arg(long, help_heading = "Format")]
    pub utc: bool,
    /// When to use colours
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto", help_heading = "Format")]
    pub color: Color,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub input: InputOptions,
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
    #[allow(missing_docs)]
    pub reporting: Reporting,
}

/// The values of `--color`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
#[allow(clippy::doc_markdown, reason = "these are help texts")]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

const EXAMPLES: &str = "\
Examples:
  gor-show shop.gor
  gor-show --bodies shop.gor | less -R
  gor-show --summary --by cookie:session shop.gor

See gor-show --help for all options, more examples and the exit status.";

const LONG_EXAMPLES: &str = "\
Examples:
  Show one line per exchange:
    gor-show shop.gor
  Show heads and decoded bodies:
    gor-show --bodies shop.gor | less -R
  Show the headers of server errors:
    gor-filter --status '^5' shop.gor | gor-show --headers
  Summarise a recording, and count requests by session:
    gor-show --summary --by cookie:session shop.gor
  List the targets of failed requests:
    gor-show --json shop.gor | jq -r 'select(.status >= 400) | .target'
  List exchanges that a new version answers differently:
    gor-show --compare before.gor after.gor
  Watch live traffic:
    sudo gor-record :8080 --responses | gor-show

Exit status: 0 success; 1 an input could not be read to its end; 2 wrong command line.";

/// What is taken for an id in paths.
pub(super) fn group(text: &str) -> Result<Regex, BadRule> {
    pattern(text)
}

/// Shows what the command line names.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    args.input.listening.check(&args.inputs)?;
    args.input.services.check(args.inputs.iter().chain(&args.compare))?;
    let mut tool = Tool::new(&args.input, &[], &args.reporting)?
        .with_kafka(&args.kafka, &args.kafka_input, args.inputs.iter().chain(&args.compare))?
        .with_websockets(&args.websocket, &[&args.inputs[..], &args.compare].concat())?;
    if let [before, after] = args.compare.as_slice() {
        tool.print(&args.compare)?;
        return compare(args, [before, after], &tool);
    }
    tool.print(&args.inputs)?;
    if args.summary {
        tool = tool.printing_at_the_end();
    }
    tool.reading.tells_handled = true;
    args.reporting.tell_of_terminal(&args.inputs);
    let source = endpoint::open(&args.inputs, &tool.reading)?;
    let mut showing = Showing::new(args);
    let (intake, copied) = tool.run(source, &mut showing, &mut Discard, Some(NonZeroUsize::MIN));
    let ledger = if args.summary {
        Ledger::new().total("records", "records read", showing.records)
    } else {
        Ledger::new().total("exchanges", "exchanges shown", showing.exchanges).total(
            "records",
            "records in them",
            showing.records,
        )
    };
    let mut report = Report::of(&with_intake(ledger, &intake));
    tool.remark_if_empty(&mut report, &intake, &copied, "show");
    tool.end(report, copied)
}

/// Reads two recordings in step, and shows where their answers differ.
fn compare(args: &Args, names: [&String; 2], tool: &Tool<'_>) -> anyhow::Result<Exit> {
    let open = |name: &String| endpoint::open(std::slice::from_ref(name), &tool.reading);
    let mut sources = [Some(open(names[0])?), Some(open(names[1])?)];
    let mut joiners = [Joiner::<Compared>::patient(), Joiner::patient()];
    let mut given = [0_u64; 2];
    let mut comparison = Comparison::default();
    let line = line(args);
    let mut block = Block::new();
    let mut exit = Exit::Done;
    let mut out = String::new();
    while let Some(at) = [0, 1].into_iter().filter(|at| sources[*at].is_some()).min_by_key(|at| given[*at]) {
        let side = [RecordingSide::Before, RecordingSide::After][at];
        let mut take = |exchange| {
            given[at] += 1;
            if let Some(difference) = comparison.take(side, exchange) {
                line.write_noted(&difference.exchange, difference.note.as_deref(), &mut out);
            }
        };
        let read = sources[at].as_mut().map_or(Ok(false), |source| source.read_block(&mut block));
        if let Ok(true) = read {
            if has_replayed(&block) {
                joiners[at].expect_replayed();
            }
            block.iter().for_each(|record| joiners[at].take(&record, &mut take));
        } else {
            joiners[at].finish(&mut take);
            sources[at] = None;
        }
        if let Err(error) = read {
            note(error);
            exit = Exit::Lost;
        }
        print(&mut out)?;
    }
    let ComparisonCounts { same, different, only_before, only_after, unanswered, given_up } =
        comparison.finish();
    let _ = writeln!(
        out,
        "{same} the same, {different} different, {only_before} answered only before, {only_after} only after, \
         {unanswered} unanswered in both"
    );
    print(&mut out)?;
    let ledger = Ledger::new()
        .total("same", "exchanges the same", same)
        .total("different", "different", different)
        .total("only_before", "answered only before", only_before)
        .total("only_after", "answered only after", only_after)
        .total("unanswered", "unanswered in both", unanswered)
        .total("not_compared", "not compared", given_up);
    let mut report = Report::of(&ledger);
    if given_up > 0 {
        report.loss(format_args!(
            "{} not compared: the recordings are in too different an order",
            Count(given_up, "exchange")
        ));
        exit = Exit::Lost;
    }
    Ok(tool.end(report, Ok(()))?.max(exit))
}

/// How exchanges are shown.
enum Form {
    Lines(Joiner<Facts>),
    Full(Joiner<FullMessage>, MessagePart),
    Json(Joiner<FullMessage>),
    Summary(Box<Overview>),
}

/// Writes exchanges to standard output.
struct Showing {
    form: Form,
    line: LineStyle,
    is_json: bool,
    top: usize,
    has_looked: bool,
    records: u64,
    /// Not counted for a summary.
    exchanges: u64,
    text: String,
}

impl Showing {
    fn new(args: &Args) -> Self {
        let part = match (args.headers, args.bodies, args.raw) {
            (true, _, _) => Some(MessagePart::Heads),
            (_, true, _) => Some(MessagePart::Bodies),
            (_, _, true) => Some(MessagePart::Raw),
            _ => None,
        };
        let form = match part {
            Some(part) => Form::Full(Joiner::default(), part),
            None if args.summary => Form::Summary(Box::new(Overview::new(TrafficSummary::new(
                args.group.clone(),
                args.by.clone(),
            )))),
            None if args.json => Form::Json(Joiner::default()),
            None => Form::Lines(Joiner::default()),
        };
        Showing {
            form,
            line: line(args),
            is_json: args.json,
            top: args.top.get(),
            has_looked: false,
            records: 0,
            exchanges: 0,
            text: String::new(),
        }
    }

    /// Whether there are responses of a replay is looked up in the first block, before its exchanges are shown.
    fn look(&mut self, block: &Block) {
        if std::mem::replace(&mut self.has_looked, true) {
            return;
        }
        if has_replayed(block) {
            match &mut self.form {
                Form::Lines(joiner) => joiner.expect_replayed(),
                Form::Full(joiner, _) | Form::Json(joiner) => joiner.expect_replayed(),
                // It looks for itself.
                Form::Summary(_) => {}
            }
        }
    }

    fn take(&mut self, block: &Block) {
        self.records += block.len() as u64;
        let Showing { form, line, text, exchanges, .. } = self;
        if let Form::Summary(overview) = form {
            return overview.add(block);
        }
        for record in block.iter() {
            match form {
                Form::Lines(joiner) => {
                    joiner.take(&record, |exchange: Exchange<Facts>| {
                        *exchanges += 1;
                        line.write(&exchange, text);
                    });
                }
                Form::Full(joiner, part) => {
                    joiner.take(&record, |exchange| {
                        *exchanges += 1;
                        line.write_full(&exchange, *part, text);
                    });
                }
                Form::Json(joiner) => joiner.take(&record, |exchange| {
                    *exchanges += 1;
                    write_json(&exchange, text);
                }),
                Form::Summary(_) => {}
            }
        }
    }

    fn end(&mut self) {
        let Showing { form, line, text, exchanges, .. } = self;
        match form {
            Form::Lines(joiner) => joiner.finish(|exchange| {
                *exchanges += 1;
                line.write(&exchange, text);
            }),
            Form::Full(joiner, part) => joiner.finish(|exchange| {
                *exchanges += 1;
                line.write_full(&exchange, *part, text);
            }),
            Form::Json(joiner) => joiner.finish(|exchange| {
                *exchanges += 1;
                write_json(&exchange, text);
            }),
            Form::Summary(overview) => {
                let summary = overview.finish();
                if self.is_json {
                    summary.write_json(self.top, text);
                } else {
                    text.push_str(&summary.text(&line.zone, self.top));
                }
            }
        }
    }
}

/// How lines are written to standard output.
fn line(args: &Args) -> LineStyle {
    let stdout = std::io::stdout();
    let is_coloured = match args.color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => anstream::AutoStream::choice(&stdout) != anstream::ColorChoice::Never,
    };
    let zone = if args.utc { TimeZone::UTC } else { TimeZone::system() };
    let width = stdout.is_terminal().then(|| rustix::termios::tcgetwinsize(&stdout).ok()).flatten();
    let width = width.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0);
    LineStyle { zone, width, is_coloured }
}

/// Writes text to standard output, and takes it away.
pub(super) fn print(text: &mut String) -> crate::Result<()> {
    if !text.is_empty() {
        let mut stdout = std::io::stdout().lock();
        let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
        written.map_err(|error| crate::Error::from(error).at("standard output"))?;
        text.clear();
    }
    Ok(())
}

impl Stage for Showing {
    type Notes = ();
    type Worker = ();

    fn worker(&self) {}

    fn emit(&mut self, block: &mut Block, (): &mut (), _: &mut dyn Sink) -> crate::Result<()> {
        self.look(block);
        self.take(block);
        print(&mut self.text)
    }

    fn keeps_records(&self) -> bool {
        match &self.form {
            Form::Lines(joiner) => joiner.has_waiting(),
            Form::Full(joiner, _) | Form::Json(joiner) => joiner.has_waiting(),
            // It is shown at the end.
            Form::Summary(_) => true,
        }
    }

    fn finish(&mut self, _: &mut dyn Sink) -> crate::Result<()> {
        self.end();
        print(&mut self.text)
    }
}
