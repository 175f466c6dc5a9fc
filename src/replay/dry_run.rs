//! What a replay would do, found out by reading only.

use std::fmt;
use std::sync::Arc;

use super::schedule::{Request, Window};
use super::summary::Bytes;
use crate::Result;
use crate::http::{query, request_line, status_line};
use crate::observe::{Names, Span};
use crate::pace::{Pace, Timeline};
use crate::record::{Block, Intake, Kind, Source};

/// Distinct methods and paths that are told apart; requests for others are counted as such.
const MOST_NAMES: usize = 65_536;

/// How many of the most frequent ones are shown.
const SHOWN: usize = 10;

const SECOND: u64 = 1_000_000_000;

/// What was found in a recording. Shown over several lines.
#[derive(Debug)]
pub struct DryRun {
    /// Files or streams that were read.
    pub files: usize,
    /// What was read of them.
    pub intake: Intake,
    /// Requests.
    pub requests: u64,
    /// Responses as recorded, and replayed ones.
    pub responses: u64,
    /// Records that are marked as not whole.
    pub marked: u64,
    /// Requests older than one before them.
    pub out_of_order: u64,
    /// Of those, requests that the sort window could not put in their place.
    pub out_of_reach: u64,
    /// When the last request is due, in nanoseconds from the first.
    pub length: u64,
    /// Longest, shortest, and first pause between requests, in nanoseconds; none with fewer than two.
    pub waits: Option<Waits>,
    /// Most requests due within a second, counted from the first request.
    pub peak: u64,
    /// Whether nothing waits, so that times mean nothing.
    pub is_closed_loop: bool,
    methods: Names<u64>,
    paths: Names<u64>,
    /// Responses by the first digit of their status; 0 for what has none.
    classes: [u64; 10],
}

/// Pauses between requests as they would be replayed, in nanoseconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Waits {
    /// The shortest.
    pub min: u64,
    /// The longest.
    pub max: u64,
    /// The one before the second request.
    pub first: u64,
}

/// Turns due times, in order, into waits and a peak.
#[derive(Debug)]
struct Waiting {
    timeline: Timeline,
    last: Option<u64>,
    waits: Option<Waits>,
    /// The second that is being counted, and the requests in it so far.
    second: (u64, u64),
    peak: u64,
    newest: i64,
    out_of_reach: u64,
}

impl Waiting {
    fn add(&mut self, request: &Request) {
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

impl DryRun {
    /// Reads a source of `files` files to its end.
    pub fn read(source: &mut dyn Source, files: usize, pace: Pace, read_depth: usize) -> Result<Self> {
        let mut found = DryRun {
            files,
            intake: Intake::default(),
            requests: 0,
            responses: 0,
            marked: 0,
            out_of_order: 0,
            out_of_reach: 0,
            length: 0,
            waits: None,
            peak: 0,
            is_closed_loop: pace.no_wait,
            methods: Names::new(MOST_NAMES),
            paths: Names::new(MOST_NAMES),
            classes: [0; 10],
        };
        let timeline = Timeline::new(pace);
        let mut waiting = Waiting {
            timeline,
            last: None,
            waits: None,
            second: (0, 0),
            peak: 0,
            newest: i64::MIN,
            out_of_reach: 0,
        };
        let mut window = Window::new(read_depth);
        let mut newest = i64::MIN;
        let mut block = Block::new();
        while source.read_block(&mut block)? {
            let full = Arc::new(block);
            for (record, view) in full.iter().enumerate() {
                found.look_at(view.header.kind, view.payload);
                found.marked += u64::from(view.header.mark.is_some());
                if view.header.kind == Kind::Request {
                    found.out_of_order += u64::from(view.header.timestamp < newest);
                    newest = newest.max(view.header.timestamp);
                    window.push(&full, record, view.header.timestamp);
                    window.pop_excess().iter().for_each(|request| waiting.add(request));
                }
            }
            // The block's memory is used again, unless requests of it wait in the window.
            block = Arc::try_unwrap(full).unwrap_or_default();
        }
        while let Some(request) = window.pop() {
            waiting.add(&request);
        }
        found.intake = source.intake();
        found.length = waiting.last.unwrap_or(0);
        found.waits = waiting.waits;
        found.peak = waiting.peak;
        found.out_of_reach = waiting.out_of_reach;
        Ok(found)
    }

    fn look_at(&mut self, kind: Kind, payload: &[u8]) {
        if kind == Kind::Request {
            self.requests += 1;
            if let Some(line) = request_line(payload) {
                self.methods.count(line.method);
                self.paths.count(query::path(line.target));
            }
        } else {
            self.responses += 1;
            let status = status_line(payload).map_or(0, |line| line.status);
            self.classes[usize::from(status / 100).min(9)] += 1;
        }
    }
}

impl fmt::Display for DryRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = Bytes(self.intake.bytes);
        writeln!(f, "files       {}, {bytes} ({} bytes)", self.files, self.intake.bytes)?;
        write!(
            f,
            "records     {}: {} requests, {} responses",
            self.intake.records, self.requests, self.responses
        )?;
        if self.marked > 0 {
            write!(f, "; {} not whole", self.marked)?;
        }
        writeln!(f)?;
        write!(f, "disorder    {} requests are older than one before them", self.out_of_order)?;
        if self.out_of_reach > 0 {
            write!(f, "; {} of them further than --read-depth reaches", self.out_of_reach)?;
        }
        writeln!(f)?;
        if self.is_closed_loop {
            writeln!(f, "replay      as fast as the target answers")?;
        } else {
            if let Some(Waits { min, max, first }) = self.waits {
                writeln!(f, "waits       {} min, {} max, {} first", Span(min), Span(max), Span(first))?;
            }
            writeln!(f, "replay      takes {}, peak {} requests in a second", Span(self.length), self.peak)?;
        }
        write_names(f, "methods", &self.methods)?;
        write_names(f, "paths", &self.paths)?;
        let classes = self.classes.iter().enumerate().filter(|(_, number)| **number > 0);
        let classes: Vec<String> = classes.map(|(class, number)| format!("{class}xx: {number}")).collect();
        if classes.is_empty() { Ok(()) } else { writeln!(f, "statuses    {}", classes.join(", ")) }
    }
}

fn write_names(f: &mut fmt::Formatter<'_>, title: &str, names: &Names<u64>) -> fmt::Result {
    let (top, others) = names.most_frequent(SHOWN);
    for (place, (name, count)) in top.iter().enumerate() {
        writeln!(f, "{:<12}{count:>9}  {}", if place == 0 { title } else { "" }, name.escape_ascii())?;
    }
    if others > 0 {
        writeln!(f, "{:<12}{others:>9}  others", "")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Header, Options, Reader};

    fn recording(records: &[(Kind, i64, &str)]) -> Vec<u8> {
        let mut block = Block::new();
        for (kind, timestamp, payload) in records {
            let header = Header { kind: *kind, id: b"1", timestamp: *timestamp, ..Header::default() };
            block.push(&header, payload.as_bytes());
        }
        block.bytes().to_vec()
    }

    #[test]
    fn a_dry_run_tells_what_a_replay_would_do() {
        let (request, second) = (Kind::Request, SECOND as i64);
        let get = "GET /a?b HTTP/1.1\r\n\r\n";
        let bytes = recording(&[
            (request, 0, get),
            (Kind::Response, 1, "HTTP/1.1 200 OK\r\n\r\n"),
            (request, 4 * second, get),
            (request, 2 * second, "POST /b HTTP/1.1\r\n\r\n"),
            (Kind::Response, 1, "HTTP/1.1 503 No\r\n\r\n"),
            (request, 4 * second + 500, get),
        ]);
        let pace = Pace { speed: "2x".parse().unwrap(), ..Pace::default() };
        let mut source = Reader::new(&bytes[..], Options::default());
        let found = DryRun::read(&mut source, 1, pace, 100).unwrap();
        let expected = format!(
            "files       1, {} B ({} bytes)\n\
             records     6: 4 requests, 2 responses\n\
             disorder    1 requests are older than one before them\n\
             waits       250 ns min, 1.00 s max, 1.00 s first\n\
             replay      takes 2.00 s, peak 2 requests in a second\n\
             methods             3  GET\n\
             {:12}        1  POST\n\
             paths               3  /a\n\
             {:12}        1  /b\n\
             statuses    2xx: 1, 5xx: 1\n",
            bytes.len(),
            bytes.len(),
            "",
            ""
        );
        assert_eq!(found.to_string(), expected);
    }

    #[test]
    fn what_the_window_cannot_reach_is_told() {
        let records: Vec<_> =
            [9, 8, 1].map(|timestamp| (Kind::Request, timestamp, "GET / HTTP/1.1\r\n\r\n")).to_vec();
        let bytes = recording(&records);
        let mut source = Reader::new(&bytes[..], Options::default());
        let found = DryRun::read(&mut source, 1, Pace::default(), 1).unwrap();
        assert_eq!((found.out_of_order, found.out_of_reach), (2, 1));
    }
}
