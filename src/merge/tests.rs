//! Laws of merging, against twins that are slow and obvious.

use proptest::prelude::*;

use super::*;
use crate::record::{Block, Failures, Intake, Kind, Record, Source};
use crate::{Error, Result};

/// A source of these records, so many in a block in turn.
struct Given {
    records: std::vec::IntoIter<Record>,
    sizes: Vec<usize>,
    turn: usize,
    handed_out: u64,
    end: Option<Error>,
}

impl Source for Given {
    fn read_block(&mut self, block: &mut Block) -> Result<bool> {
        block.clear();
        let size = self.sizes[self.turn % self.sizes.len()];
        self.turn += 1;
        for record in self.records.by_ref().take(size) {
            block.push(&record.header(), &record.payload);
            self.handed_out += 1;
        }
        if block.is_empty() { self.end.take().map_or(Ok(false), Err) } else { Ok(true) }
    }

    fn intake(&self) -> Intake {
        Intake { records: self.handed_out, ..Intake::default() }
    }
}

fn given(records: &[Record], sizes: &[usize]) -> Given {
    Given {
        records: Vec::from(records).into_iter(),
        sizes: sizes.to_vec(),
        turn: 0,
        handed_out: 0,
        end: None,
    }
}

fn inputs(lists: &[Vec<Record>], sizes: &[usize], are_known: bool) -> Vec<MergeInput> {
    let input = |list: &Vec<Record>| {
        let source = given(list, sizes);
        let first = are_known.then(|| list.first().map_or(i64::MIN, |record| record.timestamp));
        MergeInput { open: Box::new(move || Ok(Box::new(source))), first }
    };
    lists.iter().map(input).collect()
}

fn options(fan_in: usize) -> MergeOptions {
    MergeOptions { fan_in, directory: std::env::temp_dir() }
}

fn failures(total: usize) -> Failures {
    Failures::new(total, false, |_| {})
}

/// Everything a source yields; it ends well.
fn all(source: &mut dyn Source) -> Vec<Record> {
    let (records, end) = read(source);
    end.expect("the source ends well");
    records
}

fn read(source: &mut dyn Source) -> (Vec<Record>, Result<()>) {
    let (mut records, mut block) = (Vec::new(), Block::new());
    loop {
        match source.read_block(&mut block) {
            Ok(true) => records.extend(block.iter().map(|view| {
                let mut record = Record::default();
                record.assign(&view);
                record
            })),
            Ok(false) => return (records, Ok(())),
            Err(error) => return (records, Err(error)),
        }
    }
}

/// Requests and responses of few ids and times, each payload unlike all others.
fn records(most: usize) -> impl Strategy<Value = Vec<Record>> {
    let kind = prop_oneof![Just(Kind::Request), Just(Kind::Response), Just(Kind::Replayed)];
    prop::collection::vec((kind, 0..6_u8, 0..40_i64, "[a-z]{0,30}"), 0..most).prop_map(|parts| {
        let record = |(kind, id, timestamp, payload): (Kind, u8, i64, String)| Record {
            kind,
            id: vec![b'a' + id],
            timestamp,
            latency: Some(1),
            payload: payload.into_bytes(),
            ..Record::default()
        };
        parts.into_iter().map(record).collect()
    })
}

/// Lists in order, in which responses follow their requests.
fn ordered(lists: usize, most: usize) -> impl Strategy<Value = Vec<Vec<Record>>> {
    prop::collection::vec(records(most), 1..lists).prop_map(|mut lists| {
        for list in &mut lists {
            list.sort_by_key(|record| record.timestamp);
        }
        lists
    })
}

/// Of each time, moves responses that stand before their request behind it:
/// one by one, as often as there is one.
fn settled(mut records: Vec<Record>) -> Vec<Record> {
    let mut order: Vec<(i64, usize, usize)> =
        records.iter().enumerate().map(|(index, record)| (record.timestamp, index, 0)).collect();
    for (index, record) in records.iter().enumerate() {
        let is_mine = |other: &Record| {
            other.kind == Kind::Request && other.id == record.id && other.timestamp == record.timestamp
        };
        let request = records.iter().position(is_mine);
        if let Some(request) = request.filter(|&request| record.kind != Kind::Request && request > index) {
            order[index] = (record.timestamp, request, index + 1);
        }
    }
    let mut numbers: Vec<usize> = (0..records.len()).collect();
    numbers.sort_by_key(|&index| order[index]);
    numbers.into_iter().map(|index| std::mem::take(&mut records[index])).collect()
}

/// The slow twin: one list after the other, sorted stably.
fn sorted(lists: &[Vec<Record>]) -> Vec<Record> {
    let mut records = lists.concat();
    records.sort_by_key(|record| record.timestamp);
    settled(records)
}

/// When a record is to come out.
type TwinKey = (i64, usize, usize);

/// The slow twin of a window: all that is held is gone through for each record.
fn windowed(records: &[Record], span: i64, most: usize) -> Vec<Record> {
    let (mut held, mut out) = (Vec::<(TwinKey, usize, usize)>::new(), Vec::new());
    let mut requests: Vec<Option<(TwinKey, Vec<u8>)>> = vec![None; records.len()];
    let first = |held: &[(TwinKey, usize, usize)]| {
        held.iter().enumerate().min_by_key(|(_, (key, ..))| *key).map(|(place, (key, ..))| (place, *key))
    };
    let (mut newest, mut read) = (i64::MIN, 0);
    let bytes = |record: &Record| {
        let mut block = Block::new();
        block.push(&record.header(), &record.payload);
        block.bytes().len()
    };
    loop {
        // What was read last counts before it is taken in.
        let unread = records.get(read).map_or(0, bytes);
        while let Some((place, key)) = first(&held)
            && (key.0 < newest.saturating_sub(span)
                || unread + held.iter().map(|(.., bytes)| bytes).sum::<usize>() > most
                || read == records.len())
        {
            let (_, index, _) = held.remove(place);
            for request in &mut requests {
                *request = request.take().filter(|(own, _)| *own != key);
            }
            out.push(records[index].clone());
        }
        let Some(record) = records.get(read) else { return out };
        newest = newest.max(record.timestamp);
        let mut key = (record.timestamp, read + 1, 0);
        // The request of the id that was there first of those that are held.
        let known = requests.iter().flatten().find(|(_, id)| *id == record.id).map(|(key, _)| *key);
        if record.kind == Kind::Request && known.is_none() {
            requests[read] = Some((key, record.id.clone()));
            let is_response =
                |index: usize| records[index].kind != Kind::Request && records[index].id == record.id;
            for (response, index, _) in &mut held {
                if is_response(*index) && *response < key {
                    *response = (key.0, key.1, *index + 1);
                }
            }
        } else if let Some(request) = known.filter(|request| key < *request && record.kind != Kind::Request) {
            key = (request.0, request.1, read + 1);
        }
        held.push((key, read, unread));
        read += 1;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn merging_is_sorting_stably(
        lists in ordered(7, 30),
        sizes in prop::collection::vec(1_usize..9, 1..4),
    ) {
        // Where a list alone has a response before its request, merging leaves it.
        let lists: Vec<_> = lists.into_iter().map(|list| sorted(&[list])).collect();
        let mut merge = Merge::new(inputs(&lists, &sizes, false), options(64), failures(lists.len())).unwrap();
        prop_assert_eq!(all(&mut merge), sorted(&lists));
        prop_assert_eq!(merge.intake().records as usize, lists.concat().len());
    }

    #[test]
    fn however_few_inputs_may_be_open_the_same_comes_out(
        lists in ordered(20, 12),
        sizes in prop::collection::vec(1_usize..9, 1..4),
        fan_in in 1_usize..5,
    ) {
        let lists: Vec<_> = lists.into_iter().map(|list| sorted(&[list])).collect();
        let inputs = inputs(&lists, &sizes, true);
        let mut merge = Merge::new(inputs, options(fan_in), failures(lists.len())).unwrap();
        prop_assert_eq!(all(&mut merge), sorted(&lists));
        prop_assert_eq!(merge.intake().records as usize, lists.concat().len());
    }

    #[test]
    fn an_input_keeps_its_own_order_whatever_it_is(
        lists in prop::collection::vec(records(20), 1..5),
        sizes in prop::collection::vec(1_usize..9, 1..4),
    ) {
        // Unlike in all else, each record is marked with its list and place.
        let mark = |(list, records): (usize, Vec<Record>)| -> Vec<Record> {
            let mark = |(place, record): (usize, Record)| {
                Record { kind: Kind::Request, payload: format!("{list} {place}").into_bytes(), ..record }
            };
            records.into_iter().enumerate().map(mark).collect()
        };
        let lists: Vec<_> = lists.into_iter().enumerate().map(mark).collect();
        let mut merge = Merge::new(inputs(&lists, &sizes, false), options(64), failures(lists.len())).unwrap();
        let merged = all(&mut merge);
        prop_assert_eq!(merged.len(), lists.concat().len());
        for (index, list) in lists.iter().enumerate() {
            let prefix = format!("{index} ");
            let mine = merged.iter().filter(|record| record.payload.starts_with(prefix.as_bytes()));
            prop_assert_eq!(mine.cloned().collect::<Vec<_>>(), list.clone());
        }
    }

    #[test]
    fn an_external_sort_is_a_stable_sort(
        lists in prop::collection::vec(records(150), 1..4),
        sizes in prop::collection::vec(1_usize..50, 1..4),
        memory in prop_oneof![Just(1_usize), Just(3000), Just(20_000), Just(1 << 20)],
    ) {
        let mut sort = Sort::new(inputs(&lists, &sizes, false), memory, options(64), failures(lists.len()));
        prop_assert_eq!(all(&mut sort), sorted(&lists));
        prop_assert_eq!(sort.intake().records as usize, lists.concat().len());
    }

    #[test]
    fn a_window_as_long_as_the_disorder_sorts(
        list in records(60),
        sizes in prop::collection::vec(1_usize..9, 1..4),
    ) {
        let list: Vec<_> =
            list.into_iter().map(|record| Record { kind: Kind::Request, ..record }).collect();
        let mut window = Window::new(given(&list, &sizes), 40, usize::MAX);
        prop_assert_eq!(all(&mut window), sorted(std::slice::from_ref(&list)));
    }

    #[test]
    fn a_window_loses_nothing_and_puts_no_response_before_its_request(
        list in records(60),
        sizes in prop::collection::vec(1_usize..9, 1..4),
        span in 0_i64..50,
        most in prop_oneof![Just(0_usize), Just(200), Just(usize::MAX)],
    ) {
        let mut window = Window::new(given(&list, &sizes), span, most);
        let out = all(&mut window);
        let text = |records: &[Record]| {
            let mut texts: Vec<_> = records.iter().map(|record| format!("{record:?}")).collect();
            texts.sort();
            texts
        };
        prop_assert_eq!(text(&out), text(&list));
        prop_assert!(window.is_empty());
        if span >= 40 && most == usize::MAX {
            for (index, record) in out.iter().enumerate().filter(|(_, record)| record.kind != Kind::Request) {
                let is_request = |other: &Record| other.kind == Kind::Request && other.id == record.id;
                let after = out[index..].iter().any(is_request);
                prop_assert!(!after || out[..index].iter().any(is_request), "{:?}", record);
            }
        }
    }

    #[test]
    fn a_window_is_a_list_gone_through_for_each_record(
        list in records(80),
        span in 0_i64..50,
        most in prop_oneof![Just(0_usize), 30..2000_usize, Just(usize::MAX)],
    ) {
        let mut window = Window::new(given(&list, &[1]), span, most);
        prop_assert_eq!(all(&mut window), windowed(&list, span, most));
        prop_assert!(window.is_empty());
    }

    #[test]
    fn what_was_there_is_left_out(
        list in records(60),
        sizes in prop::collection::vec(1_usize..9, 1..4),
        remembered in 1_usize..20,
    ) {
        let list: Vec<_> = list.into_iter().map(|record| Record { payload: Vec::new(), ..record }).collect();
        // The slow twin: a list of those that are remembered.
        let (mut expected, mut known) = (Vec::new(), Vec::new());
        for record in &list {
            let same = (record.kind, record.id.clone());
            if !known.contains(&same) {
                known.push(same);
                known.drain(..known.len().saturating_sub(remembered));
                expected.push(record.clone());
            }
        }
        let mut dedup = Dedup::remembering(given(&list, &sizes), remembered);
        prop_assert_eq!(all(&mut dedup), expected);
    }

    #[test]
    fn other_times_change_nothing_else(
        list in records(30),
        by in -1_000_000_000_000_i64..1_000_000_000_000,
        sizes in prop::collection::vec(1_usize..9, 1..4),
    ) {
        let moved = |record: &Record| Record { timestamp: record.timestamp + by, ..record.clone() };
        let expected: Vec<_> = list.iter().map(moved).collect();
        prop_assert_eq!(all(&mut Retimed::new(given(&list, &sizes), Retime::By(by))), expected.clone());
        if let Some(first) = expected.first() {
            let rebased = Retimed::new(given(&list, &sizes), Retime::StartAt(first.timestamp));
            prop_assert_eq!(all(&mut { rebased }), expected);
        }
    }
}

fn request(timestamp: i64, payload: &str) -> Record {
    Record { id: b"a".to_vec(), timestamp, latency: Some(1), payload: payload.into(), ..Record::default() }
}

#[test]
fn an_input_that_fails_does_not_hide_the_others() {
    for are_sorted in [false, true] {
        let mut broken = given(&[request(1, "a"), request(5, "b")], &[1]);
        broken.end = Some(Error::Invalid("torn".to_owned()));
        let whole = given(&[request(3, "c"), request(9, "d")], &[1]);
        let missing = || Err(Error::Invalid("not there".to_owned()));
        let inputs = vec![
            MergeInput { open: Box::new(missing), first: None },
            MergeInput { open: Box::new(|| Ok(Box::new(broken))), first: None },
            MergeInput { open: Box::new(|| Ok(Box::new(whole))), first: None },
        ];
        let (records, end) = if are_sorted {
            read(&mut Sort::new(inputs, 1 << 20, options(64), failures(3)))
        } else {
            read(&mut Merge::new(inputs, options(64), failures(3)).unwrap())
        };
        let payloads: Vec<_> = records.iter().map(|record| record.payload[0]).collect();
        assert_eq!(payloads, b"acbd");
        assert_eq!(end.unwrap_err().to_string(), "2 of 3 inputs could not be read whole");
    }
}

#[test]
fn what_is_too_late_for_the_window_is_written_and_counted() {
    let list = [10, 50, 8, 51, 47].map(|time| request(time, "x"));
    let mut window = Window::new(given(&list, &[1]), 5, usize::MAX);
    let times: Vec<_> = all(&mut window).iter().map(|record| record.timestamp).collect();
    assert_eq!(times, [10, 8, 47, 50, 51]);
    assert_eq!(window.late, 1);
}

#[test]
fn no_response_in_a_window_is_examined_over_and_over() {
    const COUNT: i64 = 2000;
    let kinds = [Kind::Request, Kind::Response, Kind::Replayed];
    let record = |kind, time| Record { kind, ..request(time, "x") };
    let lists: [(&str, Vec<Record>); 4] = [
        ("all kinds in turn", (0..COUNT).map(|at| record(kinds[at as usize % 3], 0)).collect()),
        ("responses alone", (0..COUNT).map(|at| record(Kind::Response, at)).collect()),
        ("falling responses", (0..COUNT).map(|at| record(Kind::Response, -at)).collect()),
        (
            "responses, then requests",
            (0..COUNT).map(|at| record(kinds[usize::from(at < COUNT / 2)], at)).collect(),
        ),
    ];
    for (name, list) in lists {
        let mut window = Window::new(given(&list, &[100]), i64::MAX, usize::MAX);
        assert_eq!(all(&mut window).len(), list.len());
        assert!(window.examined <= 3 * list.len(), "{name}: {} for {}", window.examined, list.len());
    }
}

#[test]
fn a_sort_of_many_runs_takes_several_passes() {
    let list: Vec<_> =
        (0..4000).map(|time| request((time * 7919) % 4001, "some payload of a record")).collect();
    let mut sort =
        Sort::new(inputs(std::slice::from_ref(&list), &[100], false), 12_000, options(64), failures(1));
    assert_eq!(all(&mut sort), sorted(&[list]));
    let mut counts = MergeCounts::default();
    sort.count(&mut counts);
    // Less than half the memory is one run, and as many chunks of 4 KiB are merged at once.
    assert!(counts.runs > 8, "{counts:?}");
}
