//! What a replay would do with the requests of a recording: when they are due, and which of them are sent.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use super::exchange::describe;
use super::failure::{FailureReason, ReasonCounts};
use super::request::{Editor, Unsendable};
use super::routing::{Split, Turns};
use super::schedule::{QueuedRequest, ReorderWindow};
use super::selection::{NotSelected, RequestSelection};
use super::sessions::SessionPlace;
use super::settings::{SessionMode, Settings};
use super::summary::write_counts;
use super::target::{Target, TargetProtocol};
use crate::observe::{Count, Span};
use crate::pace::{Share, Speed, Tempo, Timeline};
use crate::record::{Block, Kind, View, id_hash, session};

use serde_json::{Value, json};

const SECOND: u64 = 1_000_000_000;

/// Settled for every recipient: what is not to be sent.
const FAULTY: u64 = u64::MAX;

/// Recorded connections that are told apart, in 16 MB.
const MOST_SESSIONS: usize = 1 << 20;

/// The schedule of a replay, found out without sending anything. Shown over several lines.
#[derive(Debug)]
pub struct ReplayPlan {
    settings: Settings,
    targets: Vec<Target>,
    window: ReorderWindow,
    schedule: Schedule,
    requests: u64,
    not_selected: NotSelected,
    /// Requests older than one before them.
    out_of_order: u64,
    newest: i64,
    sessions: RecordedSessions,
    not_sent: ReasonCounts,
    sharing: Option<PlanSharing>,
}

/// Which of the targets that split the requests get how many of them.
#[derive(Debug)]
struct PlanSharing {
    turns: Turns,
    /// Requests that can be sent, for each target, in the first round.
    first_round: Vec<u64>,
    /// Turns that were taken by what takes new ones in each round: every request, or every session where the number of
    /// the round makes another one of it.
    taken: u64,
    split: Split,
}

impl PlanSharing {
    fn new(split: Split, targets: usize) -> Option<Self> {
        (split != Split::Copy && targets > 0).then(|| PlanSharing {
            turns: Turns::new(split),
            first_round: vec![0; targets],
            taken: 0,
            split,
        })
    }

    fn add(&mut self, request: &QueuedRequest) {
        let (id, before) = (request.id(), self.turns.next());
        let target = self.turns.take(id, self.first_round.len());
        self.first_round[target] += u64::from(request.settled != FAULTY);
        let is_new =
            self.split == Split::Requests || (self.turns.next() != before && session(id).len() == id.len());
        self.taken += u64::from(is_new);
    }

    /// Requests that a target gets in so many rounds: each begins with the turn behind that of the round before.
    fn of(&self, target: usize, rounds: u64) -> u64 {
        let targets = self.first_round.len() as u64;
        // After as many rounds as there are targets it is the first one's turn again.
        let in_round = |round: u64| {
            let begins_at = round % targets * (self.taken % targets) % targets;
            self.first_round[((target as u64 + targets - begins_at) % targets) as usize]
        };
        let cycle: u64 = (0..targets).map(in_round).sum();
        (rounds / targets).saturating_mul(cycle).saturating_add((0..rounds % targets).map(in_round).sum())
    }
}

/// Judges requests on any thread, as the workers of a replay would.
#[derive(Debug)]
pub struct RequestJudge {
    selection: RequestSelection,
    sends_marked: bool,
    /// What can be sent depends on no target.
    editor: Editor,
    head: Vec<u8>,
}

/// Why a request would not be sent.
#[derive(Debug)]
pub struct RequestFault(Fault);

#[derive(Debug)]
enum Fault {
    Marked,
    Broken(Unsendable),
}

impl RequestJudge {
    /// Puts into `faults` what is wrong with each record of a block. Nothing is wrong with what is no request, or is
    /// not selected.
    pub fn judge(&mut self, block: &Block, faults: &mut Vec<Option<RequestFault>>) {
        faults.clear();
        faults.extend(block.iter().map(|view| {
            let is_judged = view.header.kind == Kind::Request && self.selection.takes(&view.header);
            if is_judged { self.fault(&view) } else { None }
        }));
    }

    fn fault(&mut self, request: &View<'_>) -> Option<RequestFault> {
        if request.header.mark.is_some() && !self.sends_marked {
            return Some(RequestFault(Fault::Marked));
        }
        self.head.clear();
        let written = self.editor.write_head(request.payload, None, &mut self.head);
        written.err().map(|why| RequestFault(Fault::Broken(why)))
    }
}

/// The recorded connections of requests, told by their ids.
#[derive(Debug, Default)]
struct RecordedSessions(HashSet<u64>);

impl RecordedSessions {
    fn add(&mut self, id: &[u8]) {
        if self.0.len() < MOST_SESSIONS {
            self.0.insert(id_hash(session(id)));
        }
    }

    /// How many, and whether there may be more.
    fn number(&self) -> (usize, bool) {
        (self.0.len(), self.0.len() == MOST_SESSIONS)
    }
}

impl fmt::Display for RecordedSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, is_bounded) = self.number();
        write!(f, "{}{}", Count(number as u64, "connection"), if is_bounded { " or more" } else { "" })
    }
}

/// Pauses between requests as they would be replayed, in nanoseconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Waits {
    min: u64,
    max: u64,
    /// Before the second request.
    first: u64,
}

/// Turns due times, in order, into waits and a peak.
#[derive(Debug)]
struct Schedule {
    timeline: Timeline,
    last: Option<u64>,
    waits: Option<Waits>,
    /// The second that is being counted, and the requests in it so far.
    second: (u64, u64),
    peak: u64,
    newest: i64,
    out_of_reach: u64,
}

impl Schedule {
    fn add(&mut self, request: &QueuedRequest) {
        self.out_of_reach += u64::from(request.timestamp < self.newest);
        self.newest = self.newest.max(request.timestamp);
        let due = self.timeline.due(request.timestamp);
        if let Some(last) = self.last.replace(due) {
            let wait = due - last;
            let waits = self.waits.get_or_insert(Waits { min: wait, max: wait, first: wait });
            waits.min = waits.min.min(wait);
            waits.max = waits.max.max(wait);
        }
        let second = due / SECOND;
        self.second = if second == self.second.0 { (second, self.second.1 + 1) } else { (second, 1) };
        self.peak = self.peak.max(self.second.1);
    }
}

impl ReplayPlan {
    /// Nothing was read so far.
    pub fn new(settings: Settings, targets: Vec<Target>) -> Self {
        let schedule = Schedule {
            timeline: Timeline::new(settings.pace),
            last: None,
            waits: None,
            second: (0, 0),
            peak: 0,
            newest: i64::MIN,
            out_of_reach: 0,
        };
        ReplayPlan {
            window: ReorderWindow::new(settings.read_depth),
            schedule,
            requests: 0,
            not_selected: NotSelected::default(),
            out_of_order: 0,
            newest: i64::MIN,
            sessions: RecordedSessions::default(),
            not_sent: ReasonCounts::default(),
            sharing: PlanSharing::new(settings.split, targets.len()),
            settings,
            targets,
        }
    }

    /// The speed of the input, which multiplies that of the settings.
    #[must_use]
    pub fn at_input_speed(mut self, speed: Speed) -> Self {
        self.schedule.timeline.set_input_speed(speed);
        self
    }

    /// What the requests are to be judged with.
    pub fn judge(&self) -> RequestJudge {
        RequestJudge {
            selection: self.settings.selection,
            sends_marked: self.settings.sends_marked,
            // Where nothing is to be HTTP, nothing is judged as that.
            editor: match &self.targets[..] {
                [first, ..] if self.targets.iter().all(|target| target.protocol() == TargetProtocol::Tcp) => {
                    Editor::new(first, true)
                }
                _ => Editor::unchanged(),
            },
            head: Vec::new(),
        }
    }

    /// Takes the requests of a block, and what was found to be wrong with each of its records.
    pub fn add(&mut self, block: &Arc<Block>, faults: &[Option<RequestFault>]) {
        for (record, (view, fault)) in block.iter().zip(faults).enumerate() {
            if view.header.kind == Kind::Request {
                if !self.settings.selection.takes(&view.header) {
                    self.not_selected.add(&view.header);
                    continue;
                }
                self.requests += 1;
                self.out_of_order += u64::from(view.header.timestamp < self.newest);
                self.newest = self.newest.max(view.header.timestamp);
                self.sessions.add(view.header.id);
                if let Some(RequestFault(fault)) = fault {
                    self.leave_out(&view, fault);
                }
                let at = view.header.timestamp;
                let settled = if fault.is_some() { FAULTY } else { 0 };
                self.window.push(block, record, at, SessionPlace::default(), settled);
                if let Some(request) = self.window.pop_excess() {
                    self.release(&request);
                }
            }
        }
    }

    /// Nothing more comes.
    pub fn finish(&mut self) {
        while let Some(request) = self.window.pop() {
            self.release(&request);
        }
    }

    fn release(&mut self, request: &QueuedRequest) {
        self.schedule.add(request);
        if let Some(sharing) = &mut self.sharing {
            sharing.add(request);
        }
    }

    /// How often the requests are sent; none until the replay is interrupted.
    fn rounds(&self) -> Option<u64> {
        Some(self.settings.rounds).filter(|rounds| *rounds < u64::MAX)
    }

    /// Requests that can be sent, in one round.
    fn sendable(&self) -> u64 {
        self.requests - self.not_sent.total()
    }

    /// Requests that a target would get in so many rounds, before its share.
    fn of_target(&self, target: usize, rounds: u64) -> u64 {
        self.sharing
            .as_ref()
            .map_or_else(|| self.sendable().saturating_mul(rounds), |sharing| sharing.of(target, rounds))
    }

    /// Requests that were not asked for.
    pub fn not_selected(&self) -> &NotSelected {
        &self.not_selected
    }

    /// Requests that were found.
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// The same as JSON.
    pub fn to_json(&self) -> Value {
        let ReplayPlan { schedule, settings, .. } = self;
        let seconds = |nanoseconds: u64| nanoseconds as f64 / 1e9;
        let is_scheduled = !settings.pace.is_no_wait();
        let (sessions, has_more_sessions) = self.sessions.number();
        let reasons =
            self.not_sent.iter().map(|(reason, count)| json!({"reason": reason, "count": count.number}));
        let rounds = self.rounds();
        let targets = self.targets.iter().enumerate().map(|(at, target)| {
            json!({
                "target": target.to_string(),
                "share": target.share().to_string(),
                "requests": rounds.map(|rounds| self.of_target(at, rounds)),
            })
        });
        let end = rounds.filter(|_| is_scheduled).and_then(|rounds| schedule.timeline.end_of_rounds(rounds));
        json!({
            "requests": self.requests,
            "rounds": rounds,
            "duration_of_all_rounds": end.map(seconds),
            "not_sent": reasons.collect::<Value>(),
            "out_of_order": self.out_of_order,
            "out_of_reach": schedule.out_of_reach,
            "sessions": sessions,
            "has_more_sessions": has_more_sessions,
            "duration": schedule.last.filter(|_| is_scheduled).map(seconds),
            "peak_rate": is_scheduled.then_some(schedule.peak),
            "pauses": schedule.waits.filter(|_| is_scheduled).map(|waits| {
                json!({"min": seconds(waits.min), "max": seconds(waits.max), "first": seconds(waits.first)})
            }),
            "targets": targets.collect::<Value>(),
        })
    }

    fn leave_out(&mut self, request: &View<'_>, fault: &Fault) {
        let describe = || describe(request.header.id, request.payload);
        match fault {
            Fault::Marked => self.not_sent.add(FailureReason::Marked, describe),
            Fault::Broken(why) => {
                self.not_sent.add(FailureReason::Broken, || format!("{}: {why}", describe()));
            }
        }
    }

    fn write_schedule(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ReplayPlan { schedule, settings, .. } = self;
        write!(f, "disorder    {} older than one before", Count(self.out_of_order, "request"))?;
        if schedule.out_of_reach > 0 {
            write!(f, "; {} of them further than --read-depth reaches", schedule.out_of_reach)?;
        }
        writeln!(f)?;
        writeln!(f, "sessions    {}, by their ids", self.sessions)?;
        if settings.pace.is_no_wait() {
            writeln!(f, "schedule    none: each connection sends on as soon as it has its answer")?;
            return self.write_rounds(f);
        }
        let Some(last) = schedule.last else { return writeln!(f, "schedule    empty: there is no request") };
        let tempo = settings.pace.tempo;
        write!(f, "schedule    at {tempo}, the first request is due at 0s and the last at {}", Span(last))?;
        if let Some(longest) = settings.pace.max_wait {
            write!(f, ", with pauses of at most {}", Span(longest.as_nanos() as u64))?;
        }
        write!(f, "; at most {} in a second", schedule.peak)?;
        writeln!(f, "{}", if settings.rounds > 1 { " of the first round" } else { "" })?;
        if let Some(Waits { min, max, first }) = schedule.waits {
            writeln!(f, "pauses      {} min, {} max, {} first", Span(min), Span(max), Span(first))?;
        }
        if settings.sessions == SessionMode::Think {
            writeln!(
                f,
                "think       these times hold if responses take as long as recorded: requests wait for them"
            )?;
        }
        self.write_rounds(f)
    }

    fn write_rounds(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ReplayPlan { schedule, settings, requests, .. } = self;
        if settings.rounds < 2 {
            return Ok(());
        }
        let each = Count(*requests, "request");
        let end = |rounds| schedule.timeline.end_of_rounds(rounds).filter(|_| !settings.pace.is_no_wait());
        match (self.rounds(), settings.pace.tempo) {
            (Some(rounds), _) => {
                write!(f, "rounds      {rounds} of {each} each")?;
                if let Some(end) = end(rounds) {
                    write!(f, "; the last request of all is due at {}", Span(end))?;
                }
            }
            (None, tempo) => {
                write!(f, "rounds      until interrupted, of {each} each")?;
                if let (Tempo::Speed(_), Some(first), Some(second)) = (tempo, end(1), end(2)) {
                    write!(f, "; one begins every {}", Span(second - first))?;
                }
            }
        }
        writeln!(f)
    }
}

impl fmt::Display for ReplayPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_schedule(f)?;
        write_counts(f, "not sent", &self.not_sent)?;
        let sendable = self.sendable();
        if self.targets.is_empty() {
            return writeln!(f, "sendable    {sendable} requests; no target is given");
        }
        let Settings { timeout, keeps_host, .. } = self.settings;
        let rounds = self.rounds();
        let in_rounds = if rounds.is_none() { " in each round" } else { "" };
        for (at, target) in self.targets.iter().enumerate() {
            let number = match (rounds, &self.sharing) {
                (Some(rounds), None) => format!("{} requests", self.of_target(at, rounds)),
                (Some(rounds), Some(_)) => {
                    let all = sendable.saturating_mul(rounds);
                    format!("{} requests (of {all}, by --split)", self.of_target(at, rounds))
                }
                (None, None) => format!("{sendable} requests"),
                (None, Some(_)) => format!("its part (--split) of {sendable} requests"),
            };
            let host = match target.protocol() {
                TargetProtocol::Tcp => "the recorded bytes".into(),
                _ if keeps_host => "Host as recorded".into(),
                _ => format!("Host {}", target.authority()),
            };
            let share = match target.share() {
                Share::All => String::new(),
                share => format!("its share ({share}) of "),
            };
            let connections = self.settings.most_connections();
            let timeout = Span(timeout.as_nanos() as u64);
            writeln!(f, "target      {target}")?;
            writeln!(
                f,
                "            would get {share}{number}{in_rounds} with {host}, over at most {connections} connections, \
                 timeout {timeout}"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pace::{Pace, Tempo};
    use crate::record::Header;

    fn settings() -> Settings {
        Settings::default()
    }

    fn plan(settings: Settings, targets: &[&str], records: &[(Kind, i64, &str)]) -> String {
        let targets = targets.iter().map(|target| target.parse().expect("a target")).collect();
        let mut plan = ReplayPlan::new(settings, targets);
        for (kind, timestamp, payload) in records {
            let mut block = Block::new();
            let header = Header { kind: *kind, id: b"1", timestamp: *timestamp, ..Header::default() };
            block.push(&header, payload.as_bytes());
            let mut faults = Vec::new();
            plan.judge().judge(&block, &mut faults);
            plan.add(&Arc::new(block), &faults);
        }
        plan.finish();
        plan.to_string()
    }

    const GET: &str = "GET /a?b HTTP/1.1\r\n\r\n";

    #[test]
    fn a_plan_says_when_requests_are_due_and_which_are_sent_where() {
        let (request, second) = (Kind::Request, SECOND as i64);
        let records = [
            (request, 0, GET),
            (Kind::Response, 1, "HTTP/1.1 200 OK\r\n\r\n"),
            (request, 4 * second, GET),
            (request, 2 * second, "POST /b HTTP/1.1\r\nContent-Length: 9\r\n\r\nshort"),
            (request, 4 * second + 500, GET),
        ];
        let pace = Pace { tempo: Tempo::Speed("2x".parse().unwrap()), ..Pace::default() };
        let settings = Settings { pace, ..settings() };
        let expected = "\
disorder    1 request older than one before
sessions    1 connection, by their ids
schedule    at 2x, the first request is due at 0s and the last at 2.00s; at most 2 in a second
pauses      250ns min, 1.00s max, 1.00s first
not sent    1
  1         not one whole HTTP/1 request
              first: POST /b (record 1): the request ends before its framing says
target      http://a
            would get 3 requests with Host a, over at most 1024 connections, timeout 5.00s
target      http://b:81/p
            would get 3 requests with Host b:81, over at most 1024 connections, timeout 5.00s
";
        assert_eq!(plan(settings, &["a", "b:81/p"], &records), expected);
    }

    #[test]
    fn without_waiting_there_is_no_schedule_and_what_is_asked_of_sending_is_said() {
        let settings = Settings {
            pace: Pace { tempo: Tempo::NoWait, ..Pace::default() },
            connections: Some(3),
            keeps_host: true,
            timeout: std::time::Duration::from_millis(250),
            ..settings()
        };
        let expected = "\
disorder    0 requests older than one before
sessions    1 connection, by their ids
schedule    none: each connection sends on as soon as it has its answer
target      http://a
            would get 1 requests with Host as recorded, over at most 3 connections, timeout 250ms
";
        assert_eq!(plan(settings, &["a"], &[(Kind::Request, 0, GET)]), expected);
    }

    #[test]
    fn a_share_and_a_protocol_of_its_own_are_said() {
        let shown = plan(settings(), &["a|25%", "b|10"], &[(Kind::Request, 0, GET)]);
        assert!(shown.contains("would get its share (25%) of 1 requests with Host a,"), "{shown}");
        assert!(shown.contains("would get its share (10 a second) of 1 requests"), "{shown}");
        let shown = plan(settings(), &["tcp://a:1"], &[(Kind::Request, 0, "PING")]);
        assert!(shown.contains("would get 1 requests with the recorded bytes"), "{shown}");
    }

    #[test]
    fn what_the_window_cannot_reach_is_said() {
        let records = [9, 8, 1].map(|timestamp| (Kind::Request, timestamp, GET));
        let said = plan(Settings { read_depth: 1, ..settings() }, &[], &records);
        assert!(
            said.starts_with(
                "disorder    2 requests older than one before; 1 of them further than --read-depth reaches\n"
            ),
            "{said}"
        );
        assert!(said.ends_with("sendable    3 requests; no target is given\n"), "{said}");
    }
}
