//! The command line of `gor-replay`.

mod checkpoint;
mod checks;
mod dry_run;
mod group;
mod inputs;
mod measuring;
mod middleware;
mod options;
mod sending;
mod settings;
mod time;
mod watching;

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::cli::{self, Exit, Report};
use crate::endpoint::{self, Place, ReadOptions, TimeWindow};
use crate::observe::{Count, Span};
use crate::replay::{self, Outcome, ReplaySummary, Settings, Stop};
use crate::tls::TlsOptions;
use crate::tool::report::{self, ReportFiles, ReportPath};

use self::checkpoint::{Begun, RunCheckpoint};
use self::checks::check;
use self::inputs::{Inputs, OpenInputs};
use self::measuring::now;
pub use self::options::{Args, SlowOutput, parse};
use self::settings::settings;
use self::watching::Watching;

/// Replays as the command line says.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    // Buffers are many and small, and huge pages would double the memory that they take. Without the right it stays so.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let (selection, _) = args.time.resolve()?;
    let inputs = Inputs::new(&args.input, selection.shard);
    args.reading.listening.check(&inputs.names())?;
    let kept =
        args.measuring.report.iter().map(ToString::to_string).chain(args.checkpoints.checkpoint.clone());
    let kept: Vec<_> = kept.collect();
    args.reading.services.check(inputs.names().iter().chain(&args.writing.output).chain(&kept))?;
    let mut reading = args.reading.reading(&args.reporting);
    reading.kafka =
        args.kafka.settings(args.kafka_input.exit_at_end, &inputs.names(), &args.writing.output)?;
    reading.listening.websocket = args.websocket.options(&inputs.names(), &args.writing.output)?;
    reading.hours = TimeWindow { since: selection.since, until: selection.until };
    let places = endpoint::expand(&inputs.names(), &reading)?;
    check(args, &places)?;
    let is_group = group::check(args, &places)?;
    // A dry run handles nothing.
    reading.tells_handled = is_group && !args.dry_run;
    let mut settings = settings(args, &places, &reading)?;
    settings.commits = reading.tells_handled;
    args.reporting.tell_of_terminal(&inputs.names());
    if args.dry_run {
        return dry_run::run(args, &inputs, settings, reading);
    }
    let (sending, waiting) = cli::signals::stop_in_two_steps()?;
    cli::signals::pausing(|stop| replay::pause(stop))?;
    reading.is_stopping = Arc::clone(&sending);
    reading.services.leave_at(&waiting);
    let mut checkpoint = match RunCheckpoint::begin(args, &places, &reading, &selection)? {
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
    let is_apart = reads_apart(args, &settings, &places);
    let mut outcome =
        replay(&settings, args, &inputs, &reading, is_apart, listener, &stop, |mut outcome| {
            let settled = outcome.settled.take();
            let report = replay::to_report(&mut outcome, start, now(), measuring::options(args, &settings));
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
        .then(|| replay::to_report(&mut outcome, start, now(), measuring::options(args, &settings)));
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
    remark(&mut report, &outcome, &settings, args);
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
fn remark(report: &mut Report, outcome: &Outcome, settings: &Settings, args: &Args) {
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
    report.remark(time::nothing_to_replay(&settings.selection, &outcome.not_selected));
}

/// Whether each target reads the input at its own pace, which is said where they might and do not.
fn reads_apart(args: &Args, settings: &Settings, places: &[Place]) -> bool {
    let targets = args.targets.len();
    let is_in_files = places.iter().all(|place| matches!(place, Place::File(_) | Place::Object(_)));
    if is_in_files && settings.may_read_apart(targets) {
        return true;
    }
    if targets > 1 && settings.pace.is_no_wait() && !args.reporting.quiet {
        let why = if settings.middleware.is_some() {
            "with --middleware"
        } else if settings.checkpoint.is_some() {
            "with --checkpoint"
        } else if args.reading.follow {
            "with --follow"
        } else {
            "as the input is read once (name files with -i)"
        };
        cli::note(format_args!("all targets go at the pace of the slowest, {why}"));
    }
    false
}

#[allow(clippy::too_many_arguments, reason = "it is called once")]
fn replay(
    settings: &Settings,
    args: &Args,
    inputs: &Inputs,
    reading: &ReadOptions,
    is_apart: bool,
    listener: Option<TcpListener>,
    stop: &Stop,
    save: impl FnMut(Outcome),
) -> anyhow::Result<Outcome> {
    let targets = if is_apart { args.targets.len() } else { 1 };
    let OpenInputs { inputs: parts, meters } = inputs.open_for(targets, reading)?;
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
    let mut watching = Watching::start(args, listener, meters)?;
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
                    cli::note(format_args!("{why}; the replay goes on"));
                }
                Some(_) => {}
                None => is_uncommitted_told = false,
            }
            now.first_failures.iter().for_each(cli::note);
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
