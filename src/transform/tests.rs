//! Laws and cases of filters.

use std::collections::HashMap;

use proptest::prelude::*;
use regex::bytes::Regex;

use super::*;
use crate::Dialect;
use crate::record::{Block, Header, Kind};

fn patterns(texts: &[&str]) -> Vec<Regex> {
    texts.iter().map(|text| Regex::new(text).expect(text)).collect()
}

fn parsed<T: std::str::FromStr<Err = crate::error::BadRule>>(texts: &[&str]) -> Vec<T> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn methods(names: &[&str]) -> Rules {
    Rules { methods: names.iter().map(ToString::to_string).collect(), ..Rules::default() }
}

fn urls(texts: &[&str]) -> Rules {
    Rules { urls: patterns(texts), ..Rules::default() }
}

fn not_urls(texts: &[&str]) -> Rules {
    Rules { not_urls: patterns(texts), ..Rules::default() }
}

fn headers(texts: &[&str]) -> Rules {
    Rules { headers: parsed(texts), ..Rules::default() }
}

fn not_headers(texts: &[&str]) -> Rules {
    Rules { not_headers: parsed(texts), ..Rules::default() }
}

fn basic_auth(texts: &[&str]) -> Rules {
    Rules { basic_auth: patterns(texts), ..Rules::default() }
}

fn header_limits(texts: &[&str]) -> Rules {
    Rules { header_limits: parsed(texts), ..Rules::default() }
}

fn param_limits(texts: &[&str]) -> Rules {
    Rules { param_limits: parsed(texts), ..Rules::default() }
}

/// The same verdict on each of the requests.
fn check(rules: &Rules, requests: &[&str], verdict: Verdict) {
    let filter = Filter::new(rules.clone()).unwrap();
    for request in requests {
        assert_eq!(filter.judge(request.as_bytes()), verdict, "{rules:?} on {request:?}");
    }
}

const GARBAGE: [&str; 4] = ["", "\0\u{1}\u{2}", "no line end", "\r\n\r\n"];

#[test]
fn without_rules_everything_passes() {
    check(&Rules::default(), &GARBAGE, Verdict::Keep);
    assert!(Filter::new(Rules::default()).unwrap().is_empty());
}

#[test]
fn a_method_is_one_of_those_given_whatever_they_are() {
    let rules = methods(&["GET", "PROPFIND"]);
    let passing = ["GET / HTTP/1.1\r\n\r\n", "PROPFIND /a HTTP/1.1\r\n\r\n", "\r\nGET /\n\n"];
    check(&rules, &passing, Verdict::Keep);
    let failing = ["POST / HTTP/1.1\r\n\r\n", "GETS / HTTP/1.1\r\n\r\n", "get / HTTP/1.1\r\n\r\n", "GET"];
    check(&rules, &failing, Verdict::Drop(FilterRule::Method));
    check(&rules, &GARBAGE, Verdict::Drop(FilterRule::Method));
}

#[test]
fn a_url_is_path_and_query_as_recorded() {
    check(&urls(&["^/api/.*x=1$"]), &["GET /api/a?x=1 HTTP/1.1\r\n\r\n"], Verdict::Keep);
    check(&urls(&["^/nothing", "^/b$"]), &["GET /b HTTP/1.1\r\n\r\n"], Verdict::Keep);
    check(&urls(&["%20"]), &["GET /a%20b HTTP/1.1\r\n\r\n"], Verdict::Keep);
    check(&urls(&["^/a b$"]), &["GET /a b HTTP/1.1\r\n\r\n"], Verdict::Keep);
    check(&urls(&["^/p\\?q$"]), &["GET http://host/p?q HTTP/1.1\r\n\r\n"], Verdict::Keep);
    check(&urls(&["^example.com:443$"]), &["CONNECT example.com:443 HTTP/1.1\r\n\r\n"], Verdict::Keep);
    check(&urls(&["(?-u)^/\\xff$"]), &[], Verdict::Keep);
    let failing = ["GET /x HTTP/1.1\r\nReferer: /api\r\n\r\n/api", "GET http://api/x HTTP/1.1\r\n\r\n"];
    check(&urls(&["api", "HTTP", "^$"]), &failing, Verdict::Drop(FilterRule::Url));
    check(&urls(&[""]), &GARBAGE[..3], Verdict::Drop(FilterRule::Url));
}

#[test]
fn a_url_may_be_any_bytes() {
    let filter = Filter::new(urls(&["(?-u)^/\\xff$"])).unwrap();
    assert_eq!(filter.judge(b"GET /\xff HTTP/1.1\r\n\r\n"), Verdict::Keep);
}

#[test]
fn one_matching_pattern_is_enough_to_drop() {
    let rules = not_urls(&["^/health", "\\.png$"]);
    check(
        &rules,
        &["GET /healthz HTTP/1.1\r\n\r\n", "GET /a.png HTTP/1.1\r\n\r\n"],
        Verdict::Drop(FilterRule::NotUrl),
    );
    check(&rules, &["GET /a.png?x HTTP/1.1\r\n\r\n"], Verdict::Keep);
    check(&rules, &GARBAGE, Verdict::Keep);
}

#[test]
fn all_header_patterns_must_match_some_line_of_their_name() {
    let request = "GET / HTTP/1.1\r\nX-A: 1\r\nx-a:2\r\nX-B: one, two\r\n\r\nX-C: body";
    for passing in [&["x-a:^1$"][..], &["X-A:^2$"], &["X-A:1", "X-A:2", "x-b:two"], &["X-A:"]] {
        check(&headers(passing), &[request], Verdict::Keep);
    }
    for failing in [&["X-A:^12$"][..], &["X-A:1", "X-B:three"], &["X-C:"], &["X-C:body"]] {
        check(&headers(failing), &[request], Verdict::Drop(FilterRule::Header));
    }
    check(&headers(&["X-A:"]), &GARBAGE, Verdict::Drop(FilterRule::Header));
    check(
        &headers(&["X-A:"]),
        &["GET / HTTP/1.1\r\nX-A: the head has no end"],
        Verdict::Drop(FilterRule::Header),
    );
}

#[test]
fn one_matching_line_is_enough_to_drop() {
    let rules = not_headers(&["User-Agent:bot", "X-Test:"]);
    let failing =
        ["GET / HTTP/1.1\r\nuser-agent: a\r\nuser-agent: robot\r\n\r\n", "GET / HTTP/1.1\nX-TEST:\n\n"];
    check(&rules, &failing, Verdict::Drop(FilterRule::NotHeader));
    check(&rules, &["GET /bot HTTP/1.1\r\nUser-Agent: curl\r\n\r\n"], Verdict::Keep);
    check(&rules, &GARBAGE, Verdict::Keep);
}

#[test]
fn credentials_are_decoded_and_their_absence_is_no_match() {
    let rules = basic_auth(&["^Aladdin:", "^bob:secret$"]);
    let with = |value: &str| format!("GET / HTTP/1.1\r\nAuthorization: {value}\r\n\r\n");
    check(
        &rules,
        &[&with("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), &with("basic Ym9iOnNlY3JldA")],
        Verdict::Keep,
    );
    let failing = [&*with("Basic YWxpY2U6eA=="), &with("Bearer QWxhZGRpbjpv"), "GET / HTTP/1.1\r\n\r\n"];
    check(&rules, &failing, Verdict::Drop(FilterRule::BasicAuth));
    check(&basic_auth(&[""]), &GARBAGE, Verdict::Drop(FilterRule::BasicAuth));
}

#[test]
fn limits_keep_a_share_of_the_values_and_all_requests_without_one() {
    // FNV-1a of "a" is 3826002220, of "b" 3876335077, of "c" 3859557458.
    let header = |value: &str| format!("GET / HTTP/1.1\r\nUser-Id: {value}\r\nUser-Id: a\r\n\r\n");
    let rules = header_limits(&["user-id:21%"]);
    check(&rules, &[&header("a"), "GET / HTTP/1.1\r\n\r\n"], Verdict::Keep);
    check(&rules, &[&header("b"), &header("c")], Verdict::Drop(FilterRule::HeaderLimit));
    check(&header_limits(&["user-id:20%"]), &[&header("a")], Verdict::Drop(FilterRule::HeaderLimit));
    check(&rules, &GARBAGE, Verdict::Keep);

    let rules = param_limits(&["user_id:59%"]);
    check(
        &rules,
        &["GET /?x&user_id=a&user_id=b HTTP/1.1\r\n\r\n", "GET /?user_id=c HTTP/1.1\r\n\r\n"],
        Verdict::Keep,
    );
    check(&rules, &["GET /?user_id=b HTTP/1.1\r\n\r\n"], Verdict::Drop(FilterRule::ParamLimit));
    // The hash of nothing is 2166136261.
    let none = ["GET /?user_id HTTP/1.1\r\nUser-Id:\r\n\r\n"];
    check(&rules, &none, Verdict::Drop(FilterRule::ParamLimit));
    check(&header_limits(&["user-id:59%"]), &none, Verdict::Drop(FilterRule::HeaderLimit));
    let theirs = |rules: Rules| Rules { dialect: Dialect::GoReplay, ..rules };
    check(&theirs(rules.clone()), &none, Verdict::Keep);
    check(&theirs(header_limits(&["user-id:59%"])), &none, Verdict::Keep);
    check(
        &theirs(rules.clone()),
        &["GET /?user_id=&user_id=a HTTP/1.1\r\n\r\n"],
        Verdict::Drop(FilterRule::ParamLimit),
    );
    check(&rules, &["GET /user_id=b HTTP/1.1\r\n\r\n", "GET /?my_user_id=b HTTP/1.1\r\n\r\n"], Verdict::Keep);
    check(&rules, &GARBAGE, Verdict::Keep);
}

#[test]
fn a_share_keeps_about_that_much() {
    let filter = Filter::new(param_limits(&["id:25%"])).unwrap();
    let kept = (0..10_000)
        .filter(|id| filter.judge(format!("GET /?id={id} HTTP/1.1\r\n\r\n").as_bytes()) == Verdict::Keep)
        .count();
    assert!((2300..2700).contains(&kept), "{kept} of 10000");
}

/// A record in short: kind, id, and whether its request passes the rules.
type Short = (Kind, u8, bool);

/// Lets GET only pass.
fn filter() -> Filter {
    Filter::new(methods(&["GET"])).unwrap()
}

fn selection(choice: &Choice) -> Selection {
    Selection::new(choice.clone(), &methods(&["GET"]))
}

fn block(records: &[Short]) -> Block {
    let mut block = Block::new();
    for &(kind, id, passes) in records {
        let payload: &[u8] = match (kind, passes) {
            (Kind::Request, true) => b"GET / HTTP/1.1\r\n\r\n",
            (Kind::Request, false) => b"PUT / HTTP/1.1\r\n\r\n",
            _ => b"HTTP/1.1 200 OK\r\n\r\n",
        };
        block.push(&Header { kind, id: &[b'a' + id], ..Header::default() }, payload);
    }
    block
}

/// Which of the records are written, when they come in one block.
fn select(selection: &mut Selection, filter: &Filter, records: &[Short]) -> Vec<bool> {
    let (mut notes, mut states) = (Vec::new(), Vec::new());
    filter.judge_block(&block(records), &mut notes);
    selection.select(&notes, &mut states, &mut Vec::new());
    states.resize(records.len(), RecordState::Drop);
    states.into_iter().map(|state| state == RecordState::Write).collect()
}

fn select_all(choice: &Choice, records: &[Short]) -> (Vec<bool>, SelectionTally) {
    let mut selection = selection(choice);
    let keep = select(&mut selection, &filter(), records);
    (keep, selection.tally())
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Request), Just(Kind::Response), Just(Kind::Replayed)]
}

fn shorts(ids: u8) -> impl Strategy<Value = Vec<Short>> {
    prop::collection::vec((kind(), 0..ids, any::<bool>()), 0..40)
}

fn choice() -> impl Strategy<Value = Choice> {
    (prop::collection::vec(kind(), 0..3), prop::option::of(0_u64..30), any::<bool>())
        .prop_map(|(kinds, limit, is_inverted)| Choice { kinds, limit, is_inverted, ..Choice::default() })
}

proptest! {
    #[test]
    fn the_selection_is_what_its_definition_says(records in shorts(6), choice in choice()) {
        let mut latest = HashMap::new();
        let mut left = choice.limit.unwrap_or(u64::MAX);
        let expected: Vec<bool> = records.iter().map(|&(kind, id, passes)| {
            let passes = if kind == Kind::Request { passes } else { latest.get(&id).copied().unwrap_or(true) };
            if kind == Kind::Request {
                latest.insert(id, passes);
            }
            let is_wanted = choice.kinds.is_empty() || choice.kinds.contains(&kind);
            let is_written = passes != choice.is_inverted && is_wanted && left > 0;
            left -= u64::from(is_written);
            is_written
        }).collect();
        prop_assert_eq!(select_all(&choice, &records).0, expected);
    }

    #[test]
    fn inversion_writes_what_is_dropped_otherwise(records in shorts(6)) {
        let plain = select_all(&Choice::default(), &records).0;
        let inverted = select_all(&Choice { is_inverted: true, ..Choice::default() }, &records).0;
        prop_assert!(plain.iter().zip(&inverted).all(|(plain, inverted)| plain != inverted));
    }

    #[test]
    fn a_limit_writes_the_first_of_what_is_written_without(records in shorts(6), choice in choice()) {
        let all = select_all(&Choice { limit: None, ..choice.clone() }, &records).0;
        let limit = choice.limit.map_or(usize::MAX, |limit| limit as usize);
        let some = select_all(&choice, &records).0;
        let indices = |keep: &[bool]| -> Vec<usize> { (0..keep.len()).filter(|&index| keep[index]).collect() };
        let expected: Vec<usize> = indices(&all).into_iter().take(limit).collect();
        prop_assert_eq!(indices(&some), expected);
    }

    #[test]
    fn the_tally_reconciles(records in shorts(6), choice in choice()) {
        let (keep, tally) = select_all(&choice, &records);
        prop_assert_eq!(tally.written, keep.iter().filter(|&&kept| kept).count() as u64);
        let dropped = tally.dropped_by_kind + tally.dropped_by_rule.iter().sum::<u64>()
            + tally.dropped_with_request + tally.dropped_by_inversion;
        prop_assert_eq!(tally.records, tally.written + dropped);
        if choice.limit.is_none() {
            prop_assert_eq!(tally.records, records.len() as u64);
        }
    }

    #[test]
    fn blocks_do_not_matter(records in shorts(6), choice in choice(), cut in 0_usize..40) {
        let cut = cut.min(records.len());
        let (filter, mut selection) = (filter(), selection(&choice));
        let mut keep = select(&mut selection, &filter, &records[..cut]);
        keep.extend(select(&mut selection, &filter, &records[cut..]));
        prop_assert_eq!(keep, select_all(&choice, &records).0);
    }

    #[test]
    fn the_filter_of_a_concatenation_is_the_concatenation_of_the_filters(a in shorts(6), b in shorts(6)) {
        // Responses may follow a request of the first part, so the second has ids of its own.
        let b: Vec<Short> = b.into_iter().map(|(kind, id, passes)| (kind, id + 6, passes)).collect();
        let choice = Choice::default();
        let both = [select_all(&choice, &a).0, select_all(&choice, &b).0].concat();
        prop_assert_eq!(select_all(&choice, &[a, b].concat()).0, both);
    }
}

#[test]
fn requests_forgotten_for_want_of_room_are_counted() {
    let refused = |id| (Kind::Request, id, false);
    let answer = |id| (Kind::Response, id, true);
    let rules = methods(&["GET"]);
    let mut selection =
        Selection::with_memory(Choice::default(), &rules, outcomes::OutcomeTable::with_buckets(1));
    // There is room for eight. The ninth refusal pushes an answered request
    // out, the tenth one without an answer.
    let mut records = vec![refused(0), answer(0)];
    records.extend((1..10).map(refused));
    records.extend([answer(2), answer(1)]);
    let keep = select(&mut selection, &filter(), &records);
    assert_eq!(keep.iter().position(|&kept| kept), Some(records.len() - 1));
    assert_eq!((selection.tally().forgotten, selection.tally().doubtful), (1, 1));
}

#[test]
fn a_response_follows_the_latest_request_of_its_id() {
    let records = [
        (Kind::Response, 0, true),
        (Kind::Request, 0, false),
        (Kind::Replayed, 0, true),
        (Kind::Request, 0, true),
        (Kind::Response, 0, true),
        (Kind::Replayed, 0, true),
    ];
    let (keep, tally) = select_all(&Choice::default(), &records);
    assert_eq!(keep, [true, false, false, true, true, true]);
    assert_eq!((tally.dropped_by_rule[FilterRule::Method as usize], tally.dropped_with_request), (1, 1));
}

mod exchanges;
