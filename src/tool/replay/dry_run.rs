//! `gor-replay --dry-run`: what is in the recording, and what a replay of it would send.

use std::fmt::Write as _;
use std::sync::Arc;

use jiff::tz::TimeZone;
use serde_json::json;

use super::Args;
use super::inputs::Inputs;
use super::time::nothing_to_replay;
use crate::Error;
use crate::cli::{Exit, Report, Tool, with_intake};
use crate::endpoint::{self, ReadOptions, WriteOptions};
use crate::observe::{Ledger, Size};
use crate::record::{Block, Discard, Sink};
use crate::replay::{ReplayPlan, RequestFault, RequestJudge, Settings};
use crate::show::{Facts, Overview, TrafficSummary};
use crate::tool::report::{ReportFiles, ReportFormat, ReportPath};
use crate::tool::show;
use crate::transform::{Stage, Worker};

/// Names of each list, as many as gor-show has.
const TOP: usize = 10;

/// Reads the input to its end, and writes to standard output what `gor-show --summary` says of it and what would be sent.
pub(super) fn run(
    args: &Args,
    inputs: &Inputs,
    settings: Settings,
    reading: ReadOptions,
) -> anyhow::Result<Exit> {
    let reports = &args.measuring.report;
    if let Some(page) = reports.iter().find(|report| report.format() == ReportFormat::Html) {
        let why = format!("{page}: the report of a dry run is FILE.json or FILE.txt");
        return Err(Error::Usage(why).into());
    }
    if args.writing.force && reports.is_empty() {
        return Err(
            Error::Usage("--force cannot be used with --dry-run, unless there is a --report".into()).into()
        );
    }
    let Some(speed) = inputs.speed() else {
        let why = "a dry run has one speed for all inputs ('FILE|200%'); look at those of another one by themselves";
        return Err(Error::Usage(why.into()).into());
    };
    let inputs = &inputs.names()[..];
    let tool =
        Tool::with(reading, &[], &args.reporting)?.following(args.reading.follow).printing_at_the_end();
    tool.print(inputs)?;
    let files = endpoint::expand(inputs, &tool.reading)?.len();
    let mut writing = WriteOptions { inputs, ..WriteOptions::default() };
    writing.reports.extend(args.reporting.files());
    writing.reports.extend(reports.iter().filter_map(ReportPath::path));
    endpoint::check(&["-".to_owned()], &writing)?;
    let reports = ReportFiles::open(reports, |_| args.writing.force, &tool.reading.services)?;
    let source = endpoint::open(inputs, &tool.reading)?;
    let selection = settings.selection;
    let overview = Overview::new(TrafficSummary::new(None, None));
    let mut planning =
        Planning { overview, plan: ReplayPlan::new(settings, args.targets.clone()).at_input_speed(speed) };
    let (intake, copied) = tool.run(source, &mut planning, &mut Discard, None);
    let Planning { mut overview, plan } = planning;
    let summary = overview.finish();
    let mut text = summary.text(&TimeZone::system(), TOP);
    let bytes = intake.bytes;
    // Writing to a string does not fail.
    let _ = write!(text, "\nfiles       {files}, {} ({bytes} bytes)\n{plan}", Size(bytes));
    let printed = show::print(&mut text.clone());
    let written = reports.write_with(|format| match format {
        ReportFormat::Text | ReportFormat::Html => Ok(text.clone()),
        ReportFormat::Json => {
            let object = json!({
                "format": "gor-dry-run",
                "version": 1,
                "summary": summary.json(TOP),
                "files": files,
                "bytes": bytes,
                "records": intake.records,
                "plan": plan.to_json(),
            });
            Ok(serde_json::to_string(&object).map_err(std::io::Error::from)? + "\n")
        }
    });
    printed?;
    let ledger = Ledger::new().total("records", "records read", intake.records).total(
        "requests",
        "requests that would be sent",
        plan.requests(),
    );
    let mut report = Report::of(&with_intake(ledger, &intake));
    if plan.requests() == 0 {
        report.remark(nothing_to_replay(&selection, plan.not_selected()));
    }
    tool.end(report, copied.and(written))
}

/// The summary, and the schedule.
struct Planning {
    overview: Overview,
    plan: ReplayPlan,
}

/// What is found out about each record of a block without knowing the others, which is most of the work.
#[derive(Default)]
struct RecordFacts {
    facts: Vec<Facts>,
    faults: Vec<Option<RequestFault>>,
}

impl Worker<RecordFacts> for RequestJudge {
    fn work(&mut self, block: &mut Block, notes: &mut RecordFacts) {
        notes.facts.clear();
        notes.facts.extend(block.iter().map(|record| Facts::of(&record)));
        self.judge(block, &mut notes.faults);
    }
}

impl Stage for Planning {
    type Notes = RecordFacts;
    type Worker = RequestJudge;

    fn worker(&self) -> RequestJudge {
        self.plan.judge()
    }

    fn emit(&mut self, block: &mut Block, notes: &mut RecordFacts, _: &mut dyn Sink) -> crate::Result<()> {
        let full = Arc::new(std::mem::take(block));
        self.overview.add_known(&full, &mut notes.facts);
        self.plan.add(&full, &notes.faults);
        // The block's memory is used again, unless requests of it wait for their place.
        *block = Arc::try_unwrap(full).unwrap_or_default();
        Ok(())
    }

    fn finish(&mut self, _: &mut dyn Sink) -> crate::Result<()> {
        self.plan.finish();
        Ok(())
    }
}
