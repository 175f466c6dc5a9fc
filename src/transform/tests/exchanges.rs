//! Laws and cases of rules about responses: the whole exchange, in order, within the window.

use super::*;
use crate::record::{Header, Run, Sink};

/// One record: kind, id, when it began, how long it took, and its payload.
type Long = (Kind, u8, i64, i64, &'static str);

/// What is written.
#[derive(Default)]
struct Written(Vec<u8>);

impl Sink for Written {
    fn write(&mut self, records: &Run<'_>) -> crate::Result<()> {
        for view in records.iter() {
            assert!(!view.payload.is_empty());
        }
        self.0.extend_from_slice(records.bytes());
        Ok(())
    }

    fn flush(&mut self) -> crate::Result<()> {
        Ok(())
    }

    fn finish(&mut self) -> crate::Result<()> {
        Ok(())
    }
}

fn text(&(kind, id, timestamp, latency, payload): &Long) -> Block {
    let mut block = Block::new();
    let id = &[b'a' + id];
    let header = Header { kind, id, timestamp, latency: Some(latency), ..Header::default() };
    block.push(&header, payload.as_bytes());
    block
}

/// Filters records that come in blocks of these sizes, in turn.
fn filtered(rules: &Rules, choice: &Choice, records: &[Long], sizes: &[usize]) -> (Vec<u8>, SelectionTally) {
    let filter = Filter::new(rules.clone()).unwrap();
    let mut stage = Filtering::new(filter.clone(), Selection::new(choice.clone(), rules));
    let (mut sink, mut notes, mut rest) = (Written::default(), Vec::new(), records);
    for &size in sizes.iter().cycle() {
        if rest.is_empty() || stage.is_over() {
            break;
        }
        let (now, later) = rest.split_at(size.min(rest.len()));
        let mut block = Block::new();
        for record in now {
            block.append(&text(record).runs(|_| true).next().unwrap());
        }
        filter.judge_block(&block, &mut notes);
        stage.emit(&mut block, &mut notes, &mut sink).unwrap();
        rest = later;
    }
    stage.finish(&mut sink).unwrap();
    (sink.0, stage.tally())
}

const REQUESTS: [&str; 3] = [
    "GET / HTTP/1.1\r\n\r\n",
    "PUT / HTTP/1.1\r\n\r\n",
    "GET /long HTTP/1.1\r\nContent-Length: 3\r\n\r\nred",
];
const RESPONSES: [&str; 3] =
    ["HTTP/1.1 200 OK\r\n\r\nred", "HTTP/1.1 500 Oh\r\n\r\n", "HTTP/1.1 503 No\r\n\r\ngreen"];

fn longs() -> impl Strategy<Value = Vec<Long>> {
    let record = (kind(), 0_u8..5, 0_i64..40, -1_i64..30, 0_usize..3);
    let record = record.prop_map(|(kind, id, timestamp, latency, text)| {
        let payload = if kind == Kind::Request { REQUESTS[text] } else { RESPONSES[text] };
        (kind, id, timestamp, latency, payload)
    });
    prop::collection::vec(record, 0..40)
}

fn rules() -> impl Strategy<Value = Rules> {
    let times = (prop::option::of(5_i64..20), prop::option::of(20_i64..40));
    let latencies = (prop::option::of(0_i64..20), prop::option::of(5_i64..40));
    (any::<[bool; 4]>(), times, latencies).prop_map(|(has, (since, until), (min_latency, max_latency))| {
        Rules {
            since,
            until,
            methods: if has[0] { vec!["GET".to_owned()] } else { Vec::new() },
            statuses: patterns(if has[1] { &["^5"] } else { &[] }),
            not_statuses: patterns(if has[2] { &["503"] } else { &[] }),
            bodies: patterns(if has[3] { &["red", "blue"] } else { &[] }),
            min_latency,
            max_latency,
            ..Rules::default()
        }
    })
}

fn wide_choice() -> impl Strategy<Value = Choice> {
    (choice(), prop_oneof![Just(1 << 20), 0_u64..600])
        .prop_map(|(choice, window)| Choice { window, ..choice })
}

/// The definition, read off the command's help: for each record look at all others.
struct FilterTwin<'a> {
    rules: &'a Rules,
    window: u64,
    records: &'a [Long],
    /// Where each record begins.
    begins: Vec<u64>,
}

impl FilterTwin<'_> {
    fn new<'a>(rules: &'a Rules, window: u64, records: &'a [Long]) -> FilterTwin<'a> {
        let mut at = 0;
        let begins = records.iter().map(|record| {
            at += text(record).bytes().len() as u64;
            at - text(record).bytes().len() as u64
        });
        FilterTwin { rules, window, records, begins: begins.collect() }
    }

    fn is_in_time(&self, (_, _, timestamp, ..): Long) -> bool {
        self.rules.since.is_none_or(|since| timestamp >= since)
            && self.rules.until.is_none_or(|until| timestamp < until)
    }

    fn has_body(&self, (.., payload): Long) -> bool {
        self.rules.bodies.is_empty() || payload.contains("red")
    }

    fn latency_fits(&self, response: Long, request: Option<Long>) -> bool {
        let (kind, _, timestamp, latency, _) = response;
        let took = match kind {
            Kind::Replayed => (latency >= 0).then_some(latency),
            _ => request.map(|request| timestamp + latency.max(0) - request.2),
        };
        self.rules.min_latency.is_none_or(|min| took.is_some_and(|took| took >= min))
            && self.rules.max_latency.is_none_or(|max| took.is_some_and(|took| took <= max))
    }

    fn status_fits(&self, (.., payload): Long) -> bool {
        let status = &payload[9..12];
        (self.rules.statuses.is_empty() || status.starts_with('5'))
            && (self.rules.not_statuses.is_empty() || status != "503")
    }

    fn passes(&self, index: usize) -> bool {
        let record = self.records[index];
        if record.0 == Kind::Request {
            return self.request_passes(index);
        }
        let mut before = (0..index).rev();
        match before.find(|&at| self.records[at].0 == Kind::Request && self.records[at].1 == record.1) {
            Some(request) => self.request_passes(request),
            None => {
                self.is_in_time(record)
                    && self.status_fits(record)
                    && self.latency_fits(record, None)
                    && self.has_body(record)
            }
        }
    }

    fn request_passes(&self, index: usize) -> bool {
        let request = self.records[index];
        if !self.is_in_time(request) || (!self.rules.methods.is_empty() && !request.4.starts_with("GET")) {
            return false;
        }
        let rules = self.rules;
        let asks_always = !rules.statuses.is_empty()
            || !rules.not_statuses.is_empty()
            || rules.min_latency.is_some()
            || rules.max_latency.is_some();
        if self.has_body(request) && !asks_always {
            return true;
        }
        let next = (index + 1..self.records.len()).find(|&at| self.records[at].1 == request.1);
        let Some(next) = next.filter(|&at| self.records[at].0 != Kind::Request) else { return false };
        let response = self.records[next];
        self.begins[next] - self.begins[index] <= self.window
            && self.status_fits(response)
            && self.latency_fits(response, Some(request))
            && (self.has_body(request) || self.has_body(response))
    }
}

proptest! {
    #[test]
    fn what_is_written_is_what_the_definition_says_however_it_is_cut(
        rules in rules(),
        choice in wide_choice(),
        records in longs(),
        sizes in prop::collection::vec(1_usize..9, 1..4),
    ) {
        let twin = FilterTwin::new(&rules, choice.window, &records);
        let is_wanted = |kind| choice.kinds.is_empty() || choice.kinds.contains(&kind);
        let expected: Vec<u8> = (0..records.len())
            .filter(|&index| is_wanted(records[index].0) && twin.passes(index) != choice.is_inverted)
            .take(choice.limit.unwrap_or(u64::MAX) as usize)
            .flat_map(|index| text(&records[index]).bytes().to_vec())
            .collect();
        let (written, tally) = filtered(&rules, &choice, &records, &sizes);
        prop_assert_eq!(String::from_utf8(written).unwrap(), String::from_utf8(expected).unwrap());
        prop_assert_eq!(tally.records, tally.settled());
    }
}

fn statuses(texts: &[&str]) -> Rules {
    Rules { statuses: patterns(texts), ..Rules::default() }
}

/// The ids and kinds of what is written.
fn written(rules: &Rules, choice: &Choice, records: &[Long], sizes: &[usize]) -> String {
    let text = String::from_utf8(filtered(rules, choice, records, sizes).0).unwrap();
    let headers = text.lines().filter(|line| line.starts_with(['1', '2', '3']) && line.contains(" 0 "));
    headers.map(|line| line[..3].replace(' ', "")).collect::<Vec<_>>().join(" ")
}

fn request(id: u8) -> Long {
    (Kind::Request, id, 0, 0, REQUESTS[0])
}

fn response(id: u8, text: usize) -> Long {
    (Kind::Response, id, 0, 0, RESPONSES[text])
}

#[test]
fn an_exchange_goes_on_whole_and_in_its_place() {
    let records = [
        request(0),
        request(1),
        request(2),
        response(1, 1),
        response(0, 0),
        (Kind::Replayed, 1, 0, 0, RESPONSES[0]),
        response(2, 2),
    ];
    for size in 1..=records.len() {
        let found = written(&statuses(&["^5"]), &Choice::default(), &records, &[size]);
        assert_eq!(found, "1b 1c 2b 3b 2c", "blocks of {size}");
    }
}

#[test]
fn a_response_after_the_window_is_late_and_told() {
    let length = text(&request(0)).bytes().len() as u64;
    let records = [request(0), request(1), response(0, 1), response(1, 1)];
    for (window, expected, late) in
        [(2 * length - 1, "", 2), (2 * length, "1a 2a", 1), (1000, "1a 1b 2a 2b", 0)]
    {
        let choice = Choice { window, ..Choice::default() };
        assert_eq!(written(&statuses(&["500"]), &choice, &records, &[1]), expected, "window {window}");
        let (_, tally) = filtered(&statuses(&["500"]), &choice, &records, &[4]);
        assert_eq!(tally.late, late, "window {window}");
    }
}

#[test]
fn what_waits_takes_no_more_than_its_text() {
    // A chunk is a mebibyte: these are three of them in blocks of one record.
    let mut records = vec![request(0)];
    records.extend((0..30_000).map(|_| (Kind::Response, 1, 0, 0, RESPONSES[1])));
    records.push(response(0, 1));
    let (text, tally) = filtered(&statuses(&["500"]), &Choice::default(), &records, &[1]);
    assert!(text.starts_with(b"1 a"), "{}", text.len());
    assert_eq!((tally.written, tally.records), (30_002, 30_002));
}
