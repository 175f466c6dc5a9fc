//! `--input-file-dry-run`: how many records there are, and how long they would take, in GoReplay's words.

use std::io::Write as _;

use anyhow::Context as _;

use super::plan::{InputKind, Plan};
use super::sources::files;
use super::values::shown;
use crate::cli::{Exit, note, signals};
use crate::endpoint::{self, Notice, ReadOptions};
use crate::pace::{KnownTime, Pace, Speed, Tempo, Timeline};
use crate::record::{Block, Source as _};

/// What was seen of the records of an input.
#[derive(Debug, Default)]
struct Seen {
    time: KnownTime,
    records: u64,
    bytes: u64,
    /// When the last one would be due.
    last: u64,
    first_wait: Option<u64>,
    longest: u64,
    shortest: Option<u64>,
    disordered: u64,
}

impl Seen {
    fn take(&mut self, block: &Block, timeline: &mut Timeline, newest: &mut i64) {
        for view in block.iter() {
            let header = view.raw.len() - view.payload.len() - crate::record::SEPARATOR.len();
            self.bytes += (header + view.payload.len()) as u64;
            self.disordered += u64::from(view.header.timestamp < *newest);
            *newest = view.header.timestamp.max(*newest);
            let due = timeline.due(self.time.of(view.header.timestamp));
            if self.records > 0 {
                let wait = due - self.last;
                self.first_wait.get_or_insert(wait);
                self.longest = self.longest.max(wait);
                self.shortest = Some(self.shortest.map_or(wait, |shortest| shortest.min(wait)));
            }
            self.last = due;
            self.records += 1;
        }
    }
}

/// Reads the files of each input, and says what they come to.
pub(super) fn run(plan: &Plan) -> anyhow::Result<Exit> {
    let mut exit = Exit::Done;
    let is_stopping = signals::stop()?;
    for input in &plan.inputs {
        let InputKind::Files { pattern, speed, .. } = &input.kind else {
            note(format_args!("--input-file-dry-run: {}: this is not a file, and is left out", input.name));
            exit = Exit::Lost;
            continue;
        };
        exit = exit.max(one(plan, pattern, *speed, &is_stopping)?);
    }
    Ok(exit)
}

fn one(
    plan: &Plan,
    pattern: &str,
    speed: Speed,
    is_stopping: &std::sync::Arc<std::sync::atomic::AtomicBool>,
) -> anyhow::Result<Exit> {
    let reading = ReadOptions {
        is_stopping: std::sync::Arc::clone(is_stopping),
        tell: |notice: &Notice<'_>| note(notice),
        is_lenient: true,
        ..ReadOptions::default()
    };
    let places = endpoint::expand(&[pattern.to_owned()], &reading)?;
    let mut source = files(pattern, &reading, plan.read_depth)?;
    let mut timeline = Timeline::new(Pace { tempo: Tempo::Speed(speed), max_wait: plan.max_wait });
    let (mut seen, mut block, mut newest) = (Seen::default(), Block::new(), i64::MIN);
    let read = loop {
        match source.read_block(&mut block) {
            Ok(true) => seen.take(&block, &mut timeline, &mut newest),
            Ok(false) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "Records found: {}\nFiles processed: {}\nBytes processed: {}\nMax wait: {}\nMin wait: {}\nFirst wait: {}\n\
         It will take `{}` to replay at current speed.\nFound {} records with out of order timestamp",
        seen.records,
        places.len(),
        seen.bytes,
        shown(seen.longest),
        shown(seen.shortest.unwrap_or(0)),
        shown(seen.first_wait.unwrap_or(0)),
        shown(seen.last),
        seen.disordered,
    )
    .context("standard output")?;
    read?;
    let intake = source.intake();
    let is_whole = intake.malformed + intake.lost + intake.too_large == 0 && !reading.was_cut();
    Ok(if is_whole { Exit::Done } else { Exit::Lost })
}
