//! What a replay tells while it runs: a line on a terminal, lines of `--stats`, and the page of `--metrics`.

use std::collections::VecDeque;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::Args;
use crate::cli::{self, Every};
use crate::observe::{self, Meter, Span};
use crate::replay::{ReplayProgress, WatchedDurations};

/// The time that the line on the terminal is about.
const RECENT: Duration = Duration::from_secs(5);

/// States that are remembered of that time.
const STATES: usize = 5;

/// A state, and when it was.
#[derive(Clone, Debug)]
struct State {
    at: Instant,
    sent: u64,
    durations: WatchedDurations,
}

/// Tells it.
pub(super) struct Watching {
    progress: observe::Progress,
    stats: Every,
    served: Option<Arc<Mutex<ReplayProgress>>>,
    start: Instant,
    /// How far each reader of the input is.
    meters: Vec<Arc<Meter>>,
    has_rounds: bool,
    /// States for the line on the terminal: the oldest one is first.
    recent: VecDeque<State>,
    /// That of the last line of `--stats`.
    told: State,
}

/// Listens at the address of `--metrics`, which is an error where it cannot be.
pub(super) fn listen(args: &Args) -> anyhow::Result<Option<TcpListener>> {
    let bind = |address| TcpListener::bind(address).with_context(|| format!("--metrics {address}"));
    args.metrics.map(bind).transpose()
}

/// Whether anybody wants to know how long requests take, while they are sent.
pub(super) fn is_asked(args: &Args) -> bool {
    let on_terminal = !args.reporting.quiet && std::io::IsTerminal::is_terminal(&std::io::stderr());
    on_terminal
        || args.reporting.stats.is_some()
        || args.metrics.is_some()
        || args.reporting.profiles.pprof.is_some()
}

impl Watching {
    /// Begins; what is listened at is answered from now on.
    pub(super) fn start(
        args: &Args,
        listener: Option<TcpListener>,
        meters: Vec<Arc<Meter>>,
    ) -> anyhow::Result<Self> {
        let start = Instant::now();
        let first = State { at: start, sent: 0, durations: WatchedDurations::default() };
        let served = Arc::new(Mutex::new(ReplayProgress::default()));
        let latest = || {
            let served = Arc::clone(&served);
            move || served.lock().unwrap_or_else(PoisonError::into_inner).clone()
        };
        let is_served = listener.is_some() || args.reporting.profiles.pprof.is_some();
        if let Some(listener) = listener {
            let (at, progress) = (listener.local_addr()?, latest());
            observe::serve_metrics(listener, move || progress().open_metrics())?;
            if !args.reporting.quiet {
                cli::note(format_args!("metrics are at http://{at}/metrics"));
            }
        }
        let counted = latest();
        cli::show_counters(move || counted().to_json());
        let progress = observe::Progress::new(args.reporting.quiet || args.reporting.stats.is_some());
        cli::show_line(Some(&progress));
        Ok(Watching {
            progress,
            stats: Every::new(args.reporting.stats),
            served: is_served.then_some(served),
            start,
            meters,
            has_rounds: args.rounds.is_some(),
            recent: VecDeque::from([first.clone()]),
            told: first,
        })
    }

    /// Tells how far it is.
    pub(super) fn tell(&mut self, now: ReplayProgress) {
        let state = State { at: Instant::now(), sent: now.sent, durations: now.durations() };
        if self.stats.is_due() {
            cli::note(line(&now, &self.told, &state, self.left(&now)));
            self.told = state.clone();
        }
        if let Some(oldest) = self.recent.front() {
            self.progress.say(line(&now, oldest, &state, self.left(&now)));
        }
        if self.recent.back().is_none_or(|last| state.at - last.at >= RECENT / STATES as u32) {
            self.recent.push_back(state);
            if self.recent.len() > STATES {
                self.recent.pop_front();
            }
        }
        if let Some(served) = &self.served {
            *served.lock().unwrap_or_else(PoisonError::into_inner) = now;
        }
    }

    /// Takes the line away.
    pub(super) fn end(&self) {
        cli::show_line(None);
        self.progress.clear();
    }

    /// The time that is left: by the schedule once all is read, or else by the size of the input.
    fn left(&self, now: &ReplayProgress) -> Option<Duration> {
        if self.has_rounds {
            return None;
        }
        if let Some(left) = now.left {
            return Some(Duration::from_nanos(left));
        }
        let slowest = self.meters.iter().min_by_key(|meter| meter.bytes())?;
        let (read, total) = (slowest.bytes(), slowest.total()?);
        (0 < read && read < total).then(|| self.start.elapsed().mul_f64((total - read) as f64 / read as f64))
    }
}

/// A line about the time from one state to another.
fn line(now: &ReplayProgress, from: &State, to: &State, left: Option<Duration>) -> String {
    let seconds = (to.at - from.at).as_secs_f64().max(0.001);
    let rate = (to.sent - from.sent) as f64 / seconds;
    let ReplayProgress { sent, answered, failed, in_flight, .. } = now;
    let mut parts = vec![
        format!("{sent} sent ({rate:.0}/s)"),
        format!("{in_flight} in flight"),
        format!("{answered} answered"),
        format!("{failed} failed"),
    ];
    let latency = to.durations.latency.since(&from.durations.latency);
    if let (Some(median), Some(most)) = (latency.percentile(50.0), latency.percentile(99.0)) {
        parts.push(format!("latency p50 {} p99 {}", Span(median), Span(most)));
    }
    let lateness = to.durations.lateness.since(&from.durations.lateness);
    if let Some(late) = lateness.percentile(99.0) {
        parts.push(format!("late p99 {}", Span(late)));
    }
    if let Some(left) = left {
        // To the second: more would only flicker.
        parts.push(format!("{} left", Span(left.as_secs_f64().ceil() as u64 * 1_000_000_000)));
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_about_the_time_since_the_state_before() {
        let start = Instant::now();
        let mut durations = WatchedDurations::default();
        durations.latency.record(50_000_000_000);
        let from = State { at: start, sent: 100, durations: durations.clone() };
        for _ in 0..99 {
            durations.latency.record(900_000);
        }
        durations.latency.record(40_000_000);
        durations.latency.record(40_000_000);
        durations.lateness.record(30_000);
        let to = State { at: start + Duration::from_secs(2), sent: 300, durations };
        let now =
            ReplayProgress { sent: 300, answered: 290, failed: 3, in_flight: 7, ..ReplayProgress::default() };
        let said = line(&now, &from, &to, Some(Duration::from_millis(11_200)));
        let expected = "300 sent (100/s), 7 in flight, 290 answered, 3 failed, latency p50 920us p99 40.0ms, \
                        late p99 30.0us, 12.0s left";
        assert_eq!(said, expected);
        let quiet = line(&now, &to, &to, None);
        assert_eq!(quiet, "300 sent (0/s), 7 in flight, 290 answered, 3 failed");
    }
}
