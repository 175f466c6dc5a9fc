//! Laws and cases of the rules about heads.

use proptest::prelude::*;

use super::rule::{Effect, host, name};
use super::*;
use crate::Dialect;
use crate::http::{Head, request_line};
use crate::record::{Block, Header, Kind};
use crate::transform::{Stage, Worker};

/// What a rule makes of a request's head.
fn applied(rule: &RewriteRule, request: &str) -> String {
    let mut out = Vec::new();
    let effect = rule.apply(&Head::of(request.as_bytes()).unwrap(), &mut out);
    if effect == Effect::Changed { String::from_utf8(out).unwrap() } else { request.to_owned() }
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")
}

#[test]
fn a_url_is_rewritten_in_either_form() {
    for (rule, before, after) in [
        (r"/v1/user/([^\/]+)/ping:/v2/user/$1/ping", "/v1/user/joe/ping", "/v2/user/joe/ping"),
        ("a:b", "/aXa?a", "/bXb?b"),
        ("^/x:/y", "http://h:1/x/1", "http://h:1/y/1"),
        (r"a\:b:c", "/a:b", "/c"),
        ("s#a:b#c#", "/a:b/a:b", "/c/a:b"),
        ("s#a:b#c#g", "/a:b/a:b", "/c/c"),
        ("s,API,v,gi", "/api/Api", "/v/v"),
        (r"s/\/(\w+)\/(\w+)/\/$2\/$1/", "/a/b", "/b/a"),
        ("s|(?<p>x)|${p}1$$|", "/x", "/x1$"),
        ("shop:store", "/shop", "/store"),
        ("nothing:x", "/a", "/a"),
    ] {
        let rule = RewriteRule::RewriteUrl(rule.parse().unwrap_or_else(|error| panic!("{rule}: {error}")));
        assert_eq!(applied(&rule, &get(before)), get(after), "{rule:?}");
    }
}

#[test]
fn a_parameter_is_set_or_deleted_and_the_query_stays_valid() {
    for (rule, before, after) in [
        ("k=v", "/", "/?k=v"),
        ("k=v", "/?", "/?k=v"),
        ("k=v", "/?a=1&", "/?a=1&k=v"),
        ("k=v", "/?k=1&a=2&k=3&kk=4", "/?k=v&a=2&kk=4"),
        ("k=a b&c=d%41+", "/?%6b=1", "/?k=a%20b%26c%3Dd%41%2B"),
        ("ü=", "/", "/?%C3%BC="),
        ("k=v", "/?k", "/?k=v"),
    ] {
        let rule = RewriteRule::SetParam(rule.parse().unwrap());
        assert_eq!(applied(&rule, &get(before)), get(after), "{rule:?} on {before}");
    }
    for (before, after) in [
        ("/?k=1", "/"),
        ("/?a&k&b", "/?a&b"),
        ("/?%6B=1&a=k", "/?a=k"),
        ("/k=1", "/k=1"),
        ("/?kk=1", "/?kk=1"),
    ] {
        assert_eq!(applied(&RewriteRule::DeleteParam("k".into()), &get(before)), get(after));
    }
}

#[test]
fn headers_are_set_deleted_and_rewritten() {
    let rewrite = |text: &str| RewriteRule::RewriteHeader(text.parse().unwrap());
    let request = |fields: &str| format!("GET / HTTP/1.1\r\n{fields}\r\n");
    for (rule, before, after) in [
        (
            RewriteRule::SetHeader("User-Agent : Gor ".parse().unwrap()),
            "A: b\r\n",
            "User-Agent: Gor\r\nA: b\r\n",
        ),
        (RewriteRule::SetHeader("a:b:c".parse().unwrap()), "A: b\r\n", "a: b:c\r\n"),
        (RewriteRule::DeleteHeader("cookie".into()), "Cookie: 1\r\nA: b\r\nCOOKIE: 2\r\n", "A: b\r\n"),
        (
            rewrite("Host: (.*).example.com,$1.beta.example.com"),
            "host:  shop.example.com \r\n",
            "host:  shop.beta.example.com \r\n",
        ),
        (rewrite("A: x{1,2},y"), "A: xxx\r\nB: x\r\na: x\r\n", "A: yy\r\nB: x\r\na: y\r\n"),
        (rewrite("C: x,y"), "A: x\r\n", "A: x\r\n"),
        // What would replace a part of a line end would end the head.
        (rewrite("A: .*,"), "A: x\r\n y\r\nB: z\r\n", "A: \r\nB: z\r\n"),
        (rewrite("A: x,z"), "A: x\r\n\t y\r\nB: z\r\n", "A: z y\r\nB: z\r\n"),
        (rewrite("A: q,z"), "A: x\r\n y\r\nB: z\r\n", "A: x\r\n y\r\nB: z\r\n"),
        (RewriteRule::SetHost("new:81".into()), "Host: old\r\nA: b\r\n", "Host: new:81\r\nA: b\r\n"),
    ] {
        assert_eq!(applied(&rule, &request(before)), request(after), "{rule:?}");
    }
    let absolute = "GET http://u@old:1/x?y HTTP/1.1\r\nHost: old:1\r\n\r\n";
    let expected = "GET http://new/x?y HTTP/1.1\r\nHost: new\r\n\r\n";
    assert_eq!(applied(&RewriteRule::SetHost("new".into()), absolute), expected);
}

#[test]
fn goreplays_rules_keep_what_is_around_a_value_and_read_queries_as_it_does() {
    let theirs = |rule: RewriteRule| rule.in_dialect(Dialect::GoReplay);
    let request = |fields: &str| format!("GET / HTTP/1.1\r\n{fields}\r\n");
    for (rule, before, after) in [
        (
            RewriteRule::SetHeader("x-a: 1".parse().unwrap()),
            "X-A:\t2\r\nB: c\r\nx-A: 3\r\n",
            "X-A:\t1\r\nB: c\r\n",
        ),
        (RewriteRule::SetHeader("x-a: 1".parse().unwrap()), "B: c\r\n", "x-a: 1\r\nB: c\r\n"),
        (RewriteRule::RewriteHeader("a: x,y".parse().unwrap()), "A: xx\r\nA: x\r\n", "A: yy\r\nA: x\r\n"),
        (RewriteRule::RewriteHeader("a: x,y".parse().unwrap()), "A: z\r\nA: x\r\n", "A: z\r\nA: x\r\n"),
    ] {
        assert_eq!(applied(&theirs(rule.clone()), &request(before)), request(after), "{rule:?}");
    }
    for (rule, before, after) in [
        ("k=v", "/?", "/?&k=v"),
        ("k=v", "/?a=1&", "/?a=1&&k=v"),
        ("k=v", "/?k", "/?k&k=v"),
        ("k=v", "/?k&k=1&k=2&a", "/?k&k=v&k=2&a"),
        ("k=v", "/?k=1&a&k=2&k=3", "/?k=1&a&k=v&k=3"),
        ("k=v", "/?k=1&a=k&k", "/?k=v&a=k&k"),
        ("k=v", "/?k=1#f", "/?k=v"),
        ("k=v", "/#f", "/#f?k=v"),
        ("k=a=b&c+[d]|%41", "/", "/?k=a=b&c+[d]|%41"),
        ("k=100% \"ü\" #<>", "/", "/?k=100%25%20%22%C3%BC%22%20%23%3C%3E"),
        ("f[a]=1", "/?f[a]=2", "/?f[a]=1"),
    ] {
        let rule = theirs(RewriteRule::SetParam(rule.parse().unwrap()));
        assert_eq!(applied(&rule, &get(before)), get(after), "{rule:?} on {before}");
    }
}

#[test]
fn a_rule_that_does_not_parse_says_where() {
    let cases = [
        ("a", "a".parse::<UrlPattern>().map(|_| ()), 1),
        ("(a:b", "(a:b".parse::<UrlPattern>().map(|_| ()), 0),
        ("(a):$2", "(a):$2".parse::<UrlPattern>().map(|_| ()), 4),
        ("(a):$1x", "(a):$1x".parse::<UrlPattern>().map(|_| ()), 4),
        ("a:b c", "a:b c".parse::<UrlPattern>().map(|_| ()), 3),
        ("s#a#b#q", "s#a#b#q".parse::<UrlPattern>().map(|_| ()), 6),
        ("Host", "Host".parse::<FieldSetting>().map(|_| ()), 4),
        ("Ho st: a", "Ho st: a".parse::<FieldSetting>().map(|_| ()), 2),
        ("A: b\nC: d", "A: b\nC: d".parse::<FieldSetting>().map(|_| ()), 4),
        ("A: x", "A: x".parse::<FieldPattern>().map(|_| ()), 4),
        ("A: [,y", "A: [,y".parse::<FieldPattern>().map(|_| ()), 3),
        ("k", "k".parse::<Parameter>().map(|_| ()), 1),
        ("a b", name("a b").map(|_| ()), 1),
        ("a/b", host("a/b").map(|_| ()), 1),
    ];
    for (text, result, at) in cases {
        assert_eq!(result.unwrap_err().at, at, "{text:?}");
    }
}

fn rewrite(rules: Vec<RewriteRule>, applies_all: bool, block: &mut Block) -> RewriteTally {
    let mut tally = RewriteTally::default();
    Rewriting::new(rules, applies_all).worker().work(block, &mut tally);
    tally
}

#[test]
fn the_first_url_rule_that_matches_wins_unless_all_are_asked_for() {
    let rules = || -> Vec<RewriteRule> {
        ["^/a:/a", "^/(.):/b$1", "b:c"]
            .iter()
            .map(|rule| RewriteRule::RewriteUrl(rule.parse().unwrap()))
            .collect()
    };
    for (applies_all, before, after, by_rule) in
        [(false, "/x", "/bx", [0, 1, 0]), (false, "/ab", "/ab", [0, 0, 0]), (true, "/ab", "/cac", [0, 1, 1])]
    {
        let mut block = Block::new();
        block.push(&Header { id: b"1", ..Header::default() }, get(before).as_bytes());
        let tally = rewrite(rules(), applies_all, &mut block);
        assert_eq!(block.get(0).payload, get(after).as_bytes());
        assert_eq!(tally.by_rule, by_rule);
    }
}

proptest! {
    #[test]
    fn only_what_a_rule_changes_is_changed(
        records in proptest::collection::vec((any::<bool>(), "(GET|X) /[ab]{0,3} HTTP/1.1\r\n(Host: a\r\n)?\r\n.{0,9}|[a-z]{0,9}"), 0..12),
    ) {
        let mut block = Block::new();
        for (number, (is_request, payload)) in records.iter().enumerate() {
            let kind = if *is_request { Kind::Request } else { Kind::Response };
            let id = number.to_string();
            block.push(&Header { kind, id: id.as_bytes(), timestamp: number as i64, ..Header::default() }, payload.as_bytes());
        }
        let before: Vec<_> = block.iter().map(|view| view.raw.to_vec()).collect();
        let rules = vec![RewriteRule::RewriteUrl("a:zz".parse().unwrap()), RewriteRule::SetHeader("Host: q".parse().unwrap())];
        let tally = rewrite(rules, false, &mut block);
        prop_assert_eq!(block.len(), before.len());
        let mut changed = 0;
        for ((view, before), (is_request, payload)) in block.iter().zip(&before).zip(&records) {
            match Head::of(payload.as_bytes()) {
                Some(head) if *is_request => {
                    let after = Head::of(view.payload).unwrap();
                    let target = request_line(payload.as_bytes()).unwrap().target;
                    let expected = String::from_utf8_lossy(target).replace('a', "zz");
                    prop_assert_eq!(request_line(view.payload).unwrap().target, expected.as_bytes());
                    prop_assert_eq!(after.values(b"host").collect::<Vec<_>>(), [b"q"]);
                    prop_assert_eq!(&view.payload[after.len()..], &payload.as_bytes()[head.len()..]);
                    changed += 1;
                }
                _ => prop_assert_eq!(view.raw, before.as_slice()),
            }
        }
        prop_assert_eq!(tally.changed, changed);
    }
}

/// What is left of a block when such rules were applied.
fn after(rules: Vec<RewriteRule>, records: &[(Kind, Vec<u8>)]) -> Vec<(Kind, Vec<u8>)> {
    let mut block = Block::new();
    for (kind, payload) in records {
        block.push(&Header { kind: *kind, id: b"1", ..Header::default() }, payload);
    }
    let mut tally = RewriteTally::default();
    Rewriting::new(rules, false).changing_responses(true).worker().work(&mut block, &mut tally);
    block.iter().map(|view| (view.header.kind, view.payload.to_vec())).collect()
}

fn rules() -> impl Strategy<Value = RewriteRule> {
    prop::sample::select(vec![
        RewriteRule::RewriteUrl("a:zz".parse().unwrap()),
        RewriteRule::RewriteUrl("b:a".parse().unwrap()),
        RewriteRule::SetHeader("X: 1".parse().unwrap()),
        RewriteRule::DeleteHeader("Host".into()),
        RewriteRule::RewriteBody("s/a/bb/g".parse().unwrap()),
        RewriteRule::Prettify,
    ])
}

fn conditions() -> impl Strategy<Value = RewriteRule> {
    let texts = vec!["url:zz", "method:GET", "header:Transfer-Encoding:chunked", "not-url:b", "host:h"];
    prop::sample::select(texts).prop_map(|text| RewriteRule::Only(Box::new(text.parse().unwrap())))
}

fn messages() -> impl Strategy<Value = (Kind, Vec<u8>)> {
    let heads = vec!["GET /ab HTTP/1.1\r\nHost: h\r\n", "POST /b?a HTTP/1.1\r\n", "HTTP/1.1 200 OK\r\n"];
    let bodies = prop::collection::vec(prop::sample::select(b"abc".to_vec()), 0..9);
    (prop::sample::select(heads), bodies, 0..4_u8).prop_map(|(head, body, form)| {
        let kind = if head.starts_with("HTTP") { Kind::Response } else { Kind::Request };
        let chunks = format!("{:x}\r\n{}\r\n0\r\n\r\n", body.len(), String::from_utf8_lossy(&body));
        let (fields, body) = match form {
            0 if !body.is_empty() => ("Transfer-Encoding: chunked".to_owned(), chunks.into_bytes()),
            1 => {
                let coded = crate::http::coding::encode(&body, &[crate::http::coding::Coding::Gzip]).unwrap();
                (format!("Content-Encoding: gzip\r\nContent-Length: {}", coded.len()), coded)
            }
            2 => ("Content-Length: 99".to_owned(), body),
            _ => (format!("Content-Length: {}", body.len()), body),
        };
        (kind, [format!("{head}{fields}\r\n\r\n").as_bytes(), &body].concat())
    })
}

proptest! {
    #[test]
    fn groups_are_runs_one_after_the_other(
        groups in prop::collection::vec((conditions(), prop::collection::vec(rules(), 0..3)), 0..3),
        first in prop::collection::vec(rules(), 0..3),
        records in prop::collection::vec(messages(), 1..6),
    ) {
        let mut together = first.clone();
        let mut apart = after(first, &records);
        for (condition, rules) in groups {
            let group = [vec![condition], rules].concat();
            apart = after(group.clone(), &apart);
            together.extend(group);
        }
        prop_assert_eq!(after(together, &records), apart);
    }

    #[test]
    fn to_prettify_twice_is_to_prettify_once_and_the_content_stays(records in prop::collection::vec(messages(), 1..6)) {
        let content = |(kind, message): &(Kind, Vec<u8>)| {
            let head = Head::of(message).unwrap();
            let body = crate::http::body::Body::of(&head, message, *kind == Kind::Request);
            body.content(&head, MAX_BODY).map(|content| content.bytes)
        };
        let once = after(vec![RewriteRule::Prettify], &records);
        prop_assert_eq!(after(vec![RewriteRule::Prettify], &once), once.clone());
        for (before, after) in records.iter().zip(&once) {
            prop_assert_eq!(content(before), content(after));
        }
    }
}
