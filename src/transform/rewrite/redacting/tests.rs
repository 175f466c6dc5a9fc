//! Laws and cases of redacting whole records.

use proptest::prelude::*;

use super::*;
use crate::http::body::Body;
use crate::http::{coding, message};
use crate::record::{Block, Header, Kind, Mark};
use crate::transform::rewrite::{RewriteTally, Rewriting};
use crate::transform::{Stage, Worker};

const SECRET: &str = "bob@example.com";

fn all() -> Vec<RewriteRule> {
    Redaction::all().map(|(_, redaction)| RewriteRule::Redact(redaction)).collect()
}

fn one(name: &str) -> Vec<RewriteRule> {
    vec![RewriteRule::Redact(Redaction::preset(name).expect("a preset"))]
}

/// What becomes of records, each with its kind, id and mark.
fn redacted(
    rules: Vec<RewriteRule>,
    is_strict: bool,
    records: &[(Kind, &str, Option<Mark>, &[u8])],
) -> (RewriteTally, Vec<(String, Vec<u8>)>) {
    let mut block = Block::new();
    for &(kind, id, mark, payload) in records {
        let header =
            Header { kind, id: id.as_bytes(), timestamp: 1, latency: Some(1), mark, ..Header::default() };
        block.push(&header, payload);
    }
    let rewriting = Rewriting::new(rules, false).redacting(PseudonymKey::new(b"a key for tests"), is_strict);
    let mut tally = RewriteTally::default();
    rewriting.worker().work(&mut block, &mut tally);
    let text = |view: crate::record::View<'_>| {
        let mark = view.header.mark.map_or("", Mark::as_str);
        let length = view.header.length.map_or(String::new(), |length| length.to_string());
        (format!("{} {mark} {length}", String::from_utf8_lossy(view.header.id)), view.payload.to_vec())
    };
    (tally, block.iter().map(text).collect())
}

/// What becomes of one message.
fn message(rules: Vec<RewriteRule>, kind: Kind, payload: &[u8]) -> Vec<u8> {
    redacted(rules, false, &[(kind, "a1", None, payload)]).1.remove(0).1
}

fn is_whole(kind: Kind, payload: &[u8]) -> bool {
    if kind == Kind::Request {
        message::is_whole_request(payload)
    } else {
        message::is_whole_response(payload)
    }
}

fn kind() -> impl Strategy<Value = Kind> {
    prop::sample::select(vec![Kind::Request, Kind::Response, Kind::Replayed])
}

fn start(kind: Kind) -> &'static str {
    if kind == Kind::Request { "POST /a?b=c HTTP/1.1\r\n" } else { "HTTP/1.1 200 OK\r\n" }
}

/// A body in chunks of at most seven bytes, with a trailer.
fn in_chunks(content: &[u8]) -> Vec<u8> {
    let chunk = |chunk: &[u8]| [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat();
    let chunks: Vec<_> = content.chunks(7).map(chunk).collect();
    [chunks.concat(), format!("0\r\nX-Who: {SECRET}\r\n\r\n").into_bytes()].concat()
}

const CODINGS: [(&str, &[coding::Coding]); 5] = [
    ("identity", &[]),
    ("gzip", &[coding::Coding::Gzip]),
    ("deflate", &[coding::Coding::Deflate { is_bare: false }]),
    ("br", &[coding::Coding::Brotli]),
    ("zstd", &[coding::Coding::Zstd]),
];

proptest! {
    #[test]
    fn no_secret_is_left_behind_framing_and_codings_and_what_was_whole_is(
        kind in kind(),
        coding in 0..CODINGS.len(),
        is_chunked: bool,
        before in "[a-z ]{0,40}",
        after in "[ ,][a-z ]{0,40}",
    ) {
        let (name, codings) = CODINGS[coding];
        let content = format!("{before} {SECRET}{after}");
        let coded = coding::encode(content.as_bytes(), codings).unwrap();
        let (framing, body) = if is_chunked {
            ("Transfer-Encoding: chunked".to_owned(), in_chunks(&coded))
        } else {
            (format!("Content-Length: {}", coded.len()), coded)
        };
        let head = format!("{}Content-Type: text/plain\r\nX-Who: {SECRET}\r\nContent-Encoding: {name}\r\n{framing}\r\n\r\n", start(kind));
        let payload = [head.as_bytes(), &body].concat();
        prop_assert!(is_whole(kind, &payload));
        let new = message(all(), kind, &payload);
        prop_assert!(is_whole(kind, &new));
        let new_head = Head::of(&new).unwrap();
        let new_body = Body::of(&new_head, &new, kind == Kind::Request);
        let content = new_body.content(&new_head, MAX_BODY).expect("it decodes").bytes;
        let text = [new_head.bytes(), &content, new_body.trailers()].map(String::from_utf8_lossy).concat();
        prop_assert!(!text.contains(SECRET), "{}", text);
        let copies = text.matches("@example.invalid").count();
        prop_assert_eq!(copies, if is_chunked { 3 } else { 2 });
        let rest: Vec<_> = content.split(|&byte| byte == b'@').collect();
        prop_assert!(rest[0].starts_with(before.as_bytes()) && rest[1].ends_with(after.as_bytes()));
        // Redacted again it stays as it is, byte for byte.
        prop_assert_eq!(&message(all(), kind, &new), &new);
    }

    #[test]
    fn a_message_that_is_whole_by_its_framing_stays_so_whatever_it_holds(
        kind in kind(),
        fields in prop::collection::vec((
            prop::sample::select(vec!["Content-Length", "Transfer-Encoding", "Content-Encoding", "Content-Type", "Cookie", "X-A", "Connection", "TE"]),
            prop::sample::select(vec!["0", "5", "20", "chunked", "gzip", "5, 5", "a=b; c=d", SECRET, "4111111111111111", "text/plain", "application/json", ""]),
        ), 0..5),
        body in prop_oneof![
            "[a-z@. \r\n0-9:=&\"{}]{0,40}".prop_map(String::into_bytes),
            prop::collection::vec(any::<u8>(), 0..30),
            Just(b"a@bcd.ef: 1111111111".to_vec()),
            Just(b"8\r\na@bcd.ef\r\n0\r\nX-A: a@bcd.ef\r\n\r\n".to_vec()),
            Just(b"a@b.de".to_vec()),
        ],
        lines in prop::sample::select(vec!["", "\r\n", "\n"]),
    ) {
        let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let fields = fields.concat();
        let payload = [format!("{lines}{}{fields}\r\n", start(kind)).as_bytes(), &body].concat();
        let new = message(all(), kind, &payload);
        prop_assert!(!is_whole(kind, &payload) || is_whole(kind, &new), "{:?} {:?}", String::from_utf8_lossy(&payload), String::from_utf8_lossy(&new));
    }

    #[test]
    fn what_holds_nothing_to_redact_passes_byte_for_byte(
        kind in kind(),
        body in "[a-z ]{0,60}",
        coding in 0..CODINGS.len(),
    ) {
        let (name, codings) = CODINGS[coding];
        let coded = coding::encode(body.as_bytes(), codings).unwrap();
        let head = format!("{}content-encoding: {name}\r\nTRANSFER-Encoding:chunked\r\n\r\n", start(kind));
        let chunks = [format!("0{:X} ;x=y\n", coded.len()).as_bytes(), &coded, b"\r\n0\r\nA: b\n\r\n"].concat();
        let payload = [head.as_bytes(), &chunks].concat();
        prop_assert_eq!(message(all(), kind, &payload), payload);
    }
}

#[test]
fn what_cannot_be_read_passes_with_its_head_redacted_or_is_dropped() {
    let response = |fields: &str, body: &[u8]| {
        [format!("HTTP/1.1 200 OK\r\nX-A: {SECRET}\r\n{fields}\r\n\r\n").as_bytes(), body].concat()
    };
    let gzip = coding::encode(&b"a".repeat(1000), &[coding::Coding::Gzip]).unwrap();
    let bomb = coding::encode(&vec![b'a'; MAX_BODY + 1], &[coding::Coding::Gzip]).unwrap();
    let messages = [
        response("Content-Encoding: sdch", b"abc"),
        response("Content-Encoding: gzip", &gzip[..20]),
        response("Content-Encoding: gzip", &bomb),
        b"\x16\x03\x01 no HTTP".to_vec(),
        response("A: b", b"abc"),
    ];
    let records: Vec<_> = messages.iter().map(|message| (Kind::Response, "a1", None, &message[..])).collect();
    let (tally, out) = redacted(one("email"), false, &records);
    let unread = Unread { unknown: 1, broken: 1, too_large: 1, headless: 1 };
    assert_eq!((tally.unread, tally.changed, tally.dropped, &tally.by_rule[..]), (unread, 4, 0, &[4][..]));
    for ((_, new), old) in out.iter().zip(&messages) {
        let head = Head::of(old).map_or(0, |head| head.len());
        assert!(new.ends_with(&old[head..]) && !String::from_utf8_lossy(new).contains("bob"));
    }
    let (tally, kept) = redacted(one("email"), true, &records);
    assert_eq!((tally.unread, tally.changed, tally.dropped, &tally.by_rule[..]), (unread, 1, 4, &[1][..]));
    assert_eq!(kept, out[4..]);
}

#[test]
fn marks_stay_lengths_are_right_and_what_is_cut_off_is_redacted_too() {
    let head = "POST / HTTP/1.1\r\nAuthorization: Basic YTpi";
    let body = "POST / HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 90\r\n\r\n{\"password\":\"x\",\"a";
    let (tally, out) = redacted(
        all(),
        true,
        &[
            (Kind::Request, "a1", Some(Mark::Cut), head.as_bytes()),
            (Kind::Request, "a2", Some(Mark::Gap), body.as_bytes()),
        ],
    );
    assert_eq!((tally.unread.total(), tally.headless, tally.changed), (0, 1, 2));
    for ((header, payload), (id, mark)) in out.iter().zip([("a1", "cut"), ("a2", "gap")]) {
        assert_eq!(*header, format!("{id} {mark} {}", payload.len()));
    }
    assert!(
        out[0].1.starts_with(b"POST / HTTP/1.1\r\nAuthorization: Basic ") && !out[0].1.ends_with(b"YTpi")
    );
    let new = String::from_utf8(out[1].1.clone()).unwrap();
    // As many bytes are missing as were.
    let content = |message: &str| message.len() - message.find('{').unwrap();
    let declared = 90 + content(&new) - content(body);
    assert!(new.contains(&format!("Content-Length: {declared}\r\n")), "{new}");
    assert!(new.ends_with("\",\"a") && new.contains("{\"password\":\"redacted-"), "{new}");
}

#[test]
fn a_request_and_its_responses_keep_one_id_and_a_session_stays_one() {
    let messages = [
        (Kind::Request, "d5881f900a0700021b82e6e9"),
        (Kind::Response, "d5881f900a0700021b82e6e9"),
        (Kind::Replayed, "d5881f900a0700021b82e6e9"),
        (Kind::Request, "d5881f900a07000200000001"),
        (Kind::Request, "d5881f900a07000300000001"),
    ];
    let records: Vec<_> =
        messages.iter().map(|&(kind, id)| (kind, id, None, start(kind).as_bytes())).collect();
    for rules in [all(), one("ipv4"), [one("ipv6"), one("ipv4")].concat()] {
        let out = redacted(rules, false, &records).1;
        let ids: Vec<_> = out.iter().map(|(header, _)| header.split(' ').next().unwrap()).collect();
        assert!(ids[0] == ids[1] && ids[0] == ids[2] && ids[0][..16] == ids[3][..16] && ids[0] != ids[3]);
        assert!(ids[3][..16] != ids[4][..16]);
        assert!(ids.iter().all(|id| !id.contains("0a07000") && id.len() == 24), "{ids:?}");
    }
    assert_eq!(redacted(one("email"), false, &records).1[0].0.split(' ').next().unwrap(), messages[0].1);
}

#[test]
fn redactions_take_their_turn_among_the_rules() {
    let set = RewriteRule::SetHeader(format!("X-A: {SECRET}").parse().unwrap());
    let payload = format!("{}Content-Length: 15\r\n\r\n{SECRET}", start(Kind::Request));
    let count = |rules: Vec<RewriteRule>| {
        String::from_utf8(message(rules, Kind::Request, payload.as_bytes())).unwrap().matches(SECRET).count()
    };
    assert_eq!(count([vec![set.clone()], one("email")].concat()), 0);
    assert_eq!(count([one("email"), vec![set]].concat()), 1);
}

#[test]
fn a_body_is_read_only_for_redactions_that_look_into_bodies() {
    let broken =
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nSet-Cookie: a=b\r\nTransfer-Encoding: chunked\r\n\r\n\
        3\r\nabc\r\n0\r\nSet-Cookie: c=d\r\n\r\n";
    let (tally, out) = redacted(one("set-cookie"), true, &[(Kind::Response, "a1", None, broken)]);
    assert_eq!((tally.unread.total(), tally.changed, tally.dropped), (0, 1, 0));
    let text = String::from_utf8(out[0].1.clone()).unwrap();
    assert!(
        text.contains("Set-Cookie: a=redacted-")
            && text.contains("\r\n3\r\nabc\r\n0\r\nSet-Cookie: c=redacted-")
    );
    assert!(is_whole(Kind::Response, &out[0].1));
}
