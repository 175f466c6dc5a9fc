//! What is done to the records: gor-filter's and gor-rewrite's stages, one behind the other.

use std::num::NonZeroUsize;
use std::thread::{self, JoinHandle};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Parser as _;

use super::plan::PlannedStep;
use super::sources::wrong;
use crate::cli::Report;
use crate::pipeline;
use crate::record::{Intake, PipeSource, Sink, Source, pipe};
use crate::tool::{filter, rewrite};
use crate::transform::rewrite::Rewriting;
use crate::transform::{Filter, Filtering, Selection};
use crate::{Dialect, Error, Result};

/// What is done to the records, as stages of the copy loop.
pub(super) enum StepStage {
    Filter(Box<Filtering>),
    Rewrite(Box<Rewriting>),
}

impl StepStage {
    pub(super) fn new(step: &PlannedStep) -> Result<Self> {
        let words = |name: &str, args: &[String]| -> Vec<String> {
            std::iter::once(name.to_owned()).chain(args.iter().cloned()).collect()
        };
        match step {
            PlannedStep::Filter(args) => {
                let args = filter::Args::try_parse_from(words("gor-filter", args))
                    .map_err(|error| wrong("filters", &error))?;
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                let mut rules = args.rules(i64::try_from(now.as_nanos()).unwrap_or(i64::MAX));
                rules.dialect = Dialect::GoReplay;
                let filter = Filter::new(rules.clone()).map_err(|error| {
                    Error::Usage(format!("the patterns cannot be used together: {error}"))
                })?;
                Ok(StepStage::Filter(Box::new(Filtering::new(filter, Selection::new(args.choice(), &rules)))))
            }
            PlannedStep::Rewrite(args) => {
                let line = rewrite::RewriteCommandLine::of_words(&words("gor-rewrite", args))
                    .map_err(|error| wrong("rewrites", &error))?;
                Ok(StepStage::Rewrite(Box::new(line.rewriting(Dialect::GoReplay))))
            }
        }
    }

    /// Copies from a source to a sink through this.
    pub(super) fn copy(
        &mut self,
        source: impl Source + Send + 'static,
        sink: &mut dyn Sink,
        threads: NonZeroUsize,
    ) -> (Intake, Result<()>) {
        match self {
            StepStage::Filter(stage) => pipeline::run(source, &mut **stage, sink, threads),
            StepStage::Rewrite(stage) => pipeline::run(source, &mut **stage, sink, threads),
        }
    }

    /// Says what is missing.
    pub(super) fn report(&self, report: &mut Report) {
        match self {
            StepStage::Filter(stage) => filter::losses(&stage.tally(), report),
            StepStage::Rewrite(stage) => {
                if let Some(said) = rewrite::unchanged(stage.tally()) {
                    report.remark(said);
                }
            }
        }
    }
}

/// A source of what another becomes by a step, on a thread of its own; and the step once that has ended.
pub(super) fn through(
    source: Box<dyn Source + Send>,
    mut stage: StepStage,
    threads: NonZeroUsize,
) -> Result<(PipeSource, JoinHandle<StepStage>)> {
    let (mut sink, out) = pipe();
    let thread = thread::Builder::new().name("step".to_owned()).spawn(move || {
        let (intake, result) = stage.copy(source, &mut sink, threads);
        sink.end(intake, result);
        stage
    })?;
    Ok((out, thread))
}
