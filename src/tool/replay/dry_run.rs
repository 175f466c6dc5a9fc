//! `gor-replay --dry-run`: what is in the recording, and what a replay of it would send.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::tz::TimeZone;

use super::Args;
use crate::cli::{Exit, note};
use crate::endpoint::{self, ReadOptions};
use crate::observe::Size;
use crate::record::{Block, Source as _};
use crate::replay::{Plan, Settings};
use crate::show::{Overview, TrafficSummary};
use crate::tool::show;

/// Names of each list, as many as gor-show has.
const TOP: usize = 10;

/// Reads the input to its end, and writes to standard output what `gor-show --summary` says of it and what would be sent.
pub(super) fn run(args: &Args, settings: Settings, reading: &ReadOptions) -> anyhow::Result<Exit> {
    let files = endpoint::expand(&args.input)?.len();
    let mut source = endpoint::open(&args.input, reading)?;
    let mut overview = Overview::new(TrafficSummary::new(None, None));
    let mut plan = Plan::new(settings, args.targets.clone());
    let mut block = Block::new();
    while source.read_block(&mut block)? {
        let full = Arc::new(block);
        overview.add(&full);
        plan.add(&full);
        // The block's memory is used again, unless requests of it wait for their place.
        block = Arc::try_unwrap(full).unwrap_or_default();
    }
    plan.finish();
    let bytes = source.intake().bytes;
    let mut text = overview.finish().text(&TimeZone::system(), TOP);
    // Writing to a string does not fail.
    let _ = write!(text, "\nfiles       {files}, {} ({bytes} bytes)\n{plan}", Size(bytes));
    show::print(&mut text)?;
    if plan.requests() == 0 && !args.quiet {
        note("nothing to replay: there is no request in the input");
    }
    // Who follows files ends it so.
    if reading.is_stopping.load(Ordering::Relaxed) && !args.reading.follow {
        note("interrupted: this is what was read until then");
        return Ok(Exit::Lost);
    }
    Ok(Exit::Done)
}
