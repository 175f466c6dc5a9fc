//! `gor-record` on scripted conversations: what must become of each, in a table.
#![allow(clippy::too_many_lines, reason = "tables of cases")]

use crate::support::packets::Side::{Client, Server};
use crate::support::packets::{Packet, Talk, pcap, pcap_snapped};
use crate::support::recorder::{Recording, assert_reconciles, number, record};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

fn post(path: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn status(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} Reason\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// A name, more arguments, the conversation, the records, and numbers of the ledger.
struct Case {
    name: &'static str,
    args: &'static [&'static str],
    talk: Talk,
    records: &'static [&'static str],
    stats: &'static [(&'static str, u64)],
}

impl Case {
    fn new(name: &'static str, talk: Talk, records: &'static [&'static str]) -> Self {
        Case { name, args: &["--responses"], talk, records, stats: &[] }
    }

    fn with(self, args: &'static [&'static str]) -> Self {
        Case { args, ..self }
    }

    fn counts(self, stats: &'static [(&'static str, u64)]) -> Self {
        Case { stats, ..self }
    }
}

/// Runs all cases and tells of all that differ.
#[track_caller]
fn check(cases: Vec<Case>) {
    let mut faults = Vec::new();
    for case in cases {
        let recording = record(&[&["-r", "-"], case.args].concat(), &pcap(&case.talk.packets));
        assert_reconciles(&recording, case.name);
        if recording.summary() != case.records {
            faults.push(format!("{}: {:?}, expected {:?}", case.name, recording.summary(), case.records));
        }
        for (path, expected) in case.stats {
            let found = number(&recording.stats, path);
            if found != *expected {
                faults.push(format!("{}: {path} is {found}, expected {expected}", case.name));
            }
        }
    }
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
}

const PAIR: &[&str] = &["1 a GET /a", "2 a 200"];
const TWO_PAIRS: &[&str] = &["1 a GET /a", "2 a 200", "1 b GET /b", "2 b 200"];

#[test]
fn messages_are_framed_and_paired() {
    let three = [get("/a"), get("/b"), get("/c")].concat();
    check(vec![
        Case::new("one exchange", Talk::open().client(get("/a")).server(OK).close(), PAIR),
        Case::new(
            "two on one connection",
            Talk::open().client(get("/a")).server(OK).client(get("/b")).server(CHUNKED),
            TWO_PAIRS,
        ),
        Case::new(
            "pipelined in one segment",
            Talk::open().client(&three).server([OK, &status("404", ""), CHUNKED].concat()),
            &["1 a GET /a", "1 b GET /b", "1 c GET /c", "2 a 200", "2 b 404", "2 c 200"],
        ),
        Case::new(
            "pipelined in segments with one acknowledgement",
            Talk::open().in_segments(Client, three.as_bytes(), 7).in_segments(Server, [OK, OK, OK].concat().as_bytes(), 5),
            &["1 a GET /a", "1 b GET /b", "1 c GET /c", "2 a 200", "2 b 200", "2 c 200"],
        ),
        Case::new(
            "a request over two segments",
            Talk::open().client("GET /a HT").client("TP/1.1\r\nHost: a\r\n\r\n").server(OK),
            PAIR,
        ),
        Case::new(
            "an interim response is no record",
            Talk::open()
                .client("PUT /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
                .server(CONTINUE)
                .client("xy")
                .server(OK),
            &["1 a PUT /a", "2 a 200"],
        )
        .counts(&[("/responses/interim", 1), ("/bytes/interim", 25)]),
        Case::new(
            "two interim responses and the final one in a segment",
            Talk::open().client(get("/a")).server([CONTINUE, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", OK].concat()),
            PAIR,
        )
        .counts(&[("/responses/interim", 2)]),
        Case::new(
            "a final response before its request is whole",
            Talk::open().client("POST /a HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc").server(status("413", "no")).client("defghi").client(get("/b")).server(OK),
            &["2 a 413", "1 a POST /a", "1 b GET /b", "2 b 200"],
        ),
        Case::new(
            "an upgrade ends HTTP",
            Talk::open()
                .client("GET /a HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
                .server("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x01\x02")
                .client(get("/not-http"))
                .server("12345"),
            &["1 a GET /a", "2 a 101"],
        )
        .counts(&[("/connections/upgraded", 1), ("/bytes/tunnelled", 42)]),
        Case::new(
            "CONNECT ends HTTP when it succeeds",
            Talk::open().client("CONNECT b:443 HTTP/1.1\r\n\r\n").server("HTTP/1.1 200 Fine\r\n\r\n").client("\x16\x03\x01").server("xyz"),
            &["1 a CONNECT b:443", "2 a 200"],
        )
        .counts(&[("/connections/upgraded", 1), ("/bytes/tunnelled", 6)]),
        Case::new(
            "CONNECT that is refused stays HTTP",
            Talk::open().client("CONNECT b:443 HTTP/1.1\r\n\r\n").server(status("403", "no")).client(get("/b")).server(OK),
            &["1 a CONNECT b:443", "2 a 403", "1 b GET /b", "2 b 200"],
        ),
        Case::new(
            "HEAD, 204 and 304 have no body",
            Talk::open()
                .client("HEAD /a HTTP/1.1\r\n\r\n")
                .server("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")
                .client(get("/b"))
                .server("HTTP/1.1 204 No Content\r\n\r\n")
                .client(get("/c"))
                .server("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n")
                .client(get("/d"))
                .server(OK),
            &["1 a HEAD /a", "2 a 200", "1 b GET /b", "2 b 204", "1 c GET /c", "2 c 304", "1 d GET /d", "2 d 200"],
        ),
        Case::new(
            "until close, ended by FIN",
            Talk::open().client("GET /a HTTP/1.0\r\n\r\n").server("HTTP/1.0 200 OK\r\n\r\nbody").fin(Server),
            PAIR,
        ),
        Case::new(
            "until close, ended by RST",
            Talk::open().client(get("/a")).server("HTTP/1.1 200 OK\r\n\r\nbody").reset(Server),
            &["1 a GET /a"],
        )
        .counts(&[("/responses/lost/reset", 1)]),
        Case::new(
            "conflicting lengths are framed by the chunks",
            Talk::open()
                .client("POST /a HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n")
                .server(OK),
            &["1 a POST /a", "2 a 200"],
        )
        .counts(&[("/requests/suspicious", 1)]),
        Case::new(
            "a second request sent before the first response has arrived",
            Talk::open().client(get("/a")).server(OK).unaware().client(get("/b")).server(status("404", "")),
            &["1 a GET /a", "2 a 200", "1 b GET /b", "2 b 404"],
        ),
        Case::new(
            "an empty line between messages",
            Talk::open().client(get("/a") + "\r\n").server(OK).client(get("/b")).server(OK),
            TWO_PAIRS,
        )
        .counts(&[("/bytes/between", 2)]),
    ]);
}

#[test]
fn what_tcp_does_to_segments_does_not_show() {
    let exchange = || Talk::open().client(get("/a")).server(OK);
    check(vec![
        Case::new("retransmission", Talk::open().client(get("/a")).again().server(OK).again(), PAIR),
        Case::new(
            "overlap",
            Talk::open()
                .client("GET /a HTTP/1.1\r\n")
                .overlapping(Client, b"1.1\r\n", b"A: b\r\n\r\n")
                .server(OK),
            PAIR,
        ),
        Case::new(
            "reordered within a direction",
            Talk::open().client("GET /a HTTP/1.1\r\n").client("A: b\r\n\r\n").early(1).server(OK),
            PAIR,
        ),
        Case::new("a response captured before its request", exchange().early(1), PAIR),
        Case::new(
            "responses captured before their requests, twice",
            exchange().early(1).client(get("/b")).server(OK).early(1),
            TWO_PAIRS,
        ),
        Case::new(
            "the next request captured before the response that it knows",
            exchange().client(get("/b")).early(1).server(OK),
            TWO_PAIRS,
        ),
        Case::new(
            "keep-alive probes",
            exchange().probe(Client).acknowledges(Server).probe(Server).client(get("/b")).server(OK),
            TWO_PAIRS,
        ),
        Case::new(
            "sequence numbers wrap",
            Talk::joined()
                .from(u32::MAX - 20, u32::MAX - 10)
                .handshake()
                .client(get("/a"))
                .server(OK)
                .client(get("/b"))
                .server(OK),
            TWO_PAIRS,
        ),
        Case::new(
            "the port is used again",
            exchange()
                .close()
                .then(Talk::joined().from(77_000, 88_000).handshake().client(get("/b")).server(OK)),
            TWO_PAIRS,
        )
        .counts(&[("/connections/seen", 2)]),
        Case::new(
            "the port is used again without an end",
            exchange()
                .client("GET /lost")
                .then(Talk::joined().from(77_000, 88_000).handshake().client(get("/b")).server(OK)),
            TWO_PAIRS,
        )
        .counts(&[("/connections/seen", 2), ("/requests/lost/closed", 1)]),
    ]);
}

#[test]
fn other_protocols_are_named_and_not_decoded() {
    let tls = "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00";
    check(vec![
        Case::new("TLS", Talk::open().client(tls).server(tls), &[]).counts(&[("/connections/other/TLS", 1)]),
        Case::new("HTTP/2", Talk::open().client("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), &[])
            .counts(&[("/connections/other/HTTP~12", 1)]),
        Case::new("SSH", Talk::open().server("SSH-2.0-x\r\n").client("SSH-2.0-y\r\n"), &[])
            .counts(&[("/connections/other/SSH", 1)]),
        Case::new("nothing known", Talk::open().client("hello there\n").server("good day\n"), &[])
            .counts(&[("/connections/other/unknown", 1)]),
    ]);
}

#[test]
fn a_connection_joined_in_its_middle_finds_the_next_message() {
    check(vec![
        Case::new(
            "in a request's body",
            Talk::joined().client("the end of a body").server(OK).client(get("/a")).server(OK),
            &["2 a 200", "1 b GET /a", "2 b 200"],
        )
        .counts(&[("/without_request", 1)]),
        Case::new(
            "in a response's body",
            Talk::joined().server("the end of a body").client(get("/a")).server(OK),
            PAIR,
        ),
        Case::new(
            "in a response's body that goes on into the next segment",
            Talk::joined().server("of a body").server("the end\r\n").client(get("/a")).server(OK),
            PAIR,
        ),
        Case::new(
            "at a request",
            Talk::joined().client(get("/a")).server(OK),
            &["1 a GET /a doubtful", "2 a 200 doubtful"],
        ),
        Case::new(
            "behind the first byte of a request",
            Talk::joined().client("OST /a HTTP/1.1\r\nA: b\r\n\r\n").server(OK),
            &["2 a 200"],
        )
        .counts(&[("/without_request", 1)]),
        Case::new(
            "at a response",
            Talk::joined().server(OK).client(get("/a")).server(OK),
            &["2 a 200 doubtful", "1 b GET /a", "2 b 200"],
        ),
        Case::new(
            "the next request is cut in two",
            Talk::joined()
                .client("of a body")
                .server(OK)
                .client("GET /a HT")
                .client("TP/1.1\r\nA: b\r\n\r\n")
                .server(OK),
            &["2 a 200", "1 b GET /a", "2 b 200"],
        ),
        Case::new(
            "what looks like a request within a segment is text",
            Talk::joined().client("of a body\r\nGET /a HTTP/1.1\r\nA: b\r\n\r\n").server(OK),
            &["2 a 200"],
        ),
        Case::new(
            "what looks like a request and has no request after it is text",
            Talk::joined().client("GET /a HTTP/1.1\r\nA: b\r\n\r\n{body}").server(OK),
            &["2 a 200"],
        ),
        Case::new(
            "what looks like a request in the next segment of a body is text",
            Talk::joined()
                .client("of a body\r\n")
                .client("GET /a HTTP/1.1\r\nA: b\r\n\r\n")
                .server(OK)
                .client(get("/b"))
                .server(OK),
            &["2 a 200", "1 b GET /b", "2 b 200"],
        ),
    ]);
}

#[test]
fn either_direction_may_be_missing() {
    let unseen = |side| {
        let (get_a, get_b) = (get("/a"), get("/b"));
        let talk = Talk::joined();
        match side {
            Server => talk.client(get_a).unseen(Server, OK).client(get_b).unseen(Server, OK),
            Client => talk.unseen(Client, get_a).server(OK).unseen(Client, get_b).server(status("404", "")),
        }
    };
    check(vec![
        Case::new("no responses", unseen(Server), &["1 a GET /a doubtful", "1 b GET /b"])
            .counts(&[("/without_response", 0)]),
        Case::new("no requests", unseen(Client), &["2 a 200 doubtful", "2 b 404"])
            .counts(&[("/without_request", 2)]),
        Case::new(
            "no requests but their SYN",
            Talk::open()
                .unseen(Client, get("/a"))
                .server(OK)
                .unseen(Client, get("/b"))
                .server(status("404", "")),
            &["2 a 200", "2 b 404"],
        ),
    ]);
}

#[test]
fn a_loss_costs_its_message_and_no_other() {
    let later = |talk: Talk| talk.wait(3000).client(get("/z")).server(OK);
    check(vec![
        Case::new(
            "a gap in a request's head",
            later(
                Talk::open()
                    .client(get("/a"))
                    .server(OK)
                    .client("GET /b HT")
                    .unseen(Client, "TP/1.1\r\n")
                    .client("A: b\r\n\r\n")
                    .server(OK),
            ),
            &["1 a GET /a", "2 a 200", "2 b 200", "1 c GET /z", "2 c 200 doubtful"],
        )
        .counts(&[("/requests/lost/gap", 1)]),
        Case::new(
            "a gap in a request's body",
            later(
                Talk::open()
                    .client(post("/a", "0123456789").trim_end_matches("6789"))
                    .unseen(Client, "6789")
                    .client("")
                    .server(OK),
            ),
            &["2 a 200", "1 b GET /z", "2 b 200"],
        ),
        Case::new(
            "a gap in a response's body",
            later(
                Talk::open()
                    .client(get("/a"))
                    .server("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
                    .unseen(Server, "def")
                    .server("ghi"),
            ),
            &["1 a GET /a", "1 b GET /z", "2 b 200"],
        )
        .counts(&[("/responses/lost/gap", 1)]),
        Case::new(
            "a whole request",
            later(
                Talk::open()
                    .client(get("/a"))
                    .server(OK)
                    .unseen(Client, get("/b"))
                    .server(status("404", ""))
                    .client(get("/c"))
                    .server(OK),
            ),
            &[
                "1 a GET /a",
                "2 a 200",
                "2 b 404",
                "1 c GET /c",
                "2 c 200 doubtful",
                "1 d GET /z",
                "2 d 200 doubtful",
            ],
        ),
        Case::new(
            "a whole response",
            later(
                Talk::open().client(get("/a")).unseen(Server, OK).client(get("/b")).server(status("404", "")),
            ),
            &["1 a GET /a", "1 b GET /b", "2 b 404 doubtful", "1 c GET /z", "2 c 200 doubtful"],
        ),
        Case::new(
            "an unfinished message expires",
            Talk::open().client("GET /a HTTP/1.1\r\n").wait(5000).client("A: b\r\n\r\n").server(OK),
            &["2 a 200"],
        )
        .with(&["--responses", "--expire", "2s"])
        .counts(&[("/requests/lost/expired", 1)]),
        Case::new(
            "an unfinished message is waited for",
            Talk::open().client("GET /a HTTP/1.1\r\n").wait(500_000).client("A: b\r\n\r\n").server(OK),
            PAIR,
        ),
        Case::new(
            "an unfinished message is waited for with a longer --expire",
            Talk::open().client("GET /a HTTP/1.1\r\n").wait(5000).client("A: b\r\n\r\n").server(OK),
            PAIR,
        )
        .with(&["--responses", "--expire", "10s"]),
        Case::new(
            "a message that the capture's end cuts",
            Talk::open().client(get("/a")).server(&OK[..20]),
            &["1 a GET /a"],
        )
        .counts(&[("/responses/lost/capture_end", 1)]),
        Case::new(
            "a message without its end is recorded when that is asked for",
            Talk::open().client(get("/a")).server(&OK[..20]),
            &["1 a GET /a", "2 a 200 gap"],
        )
        .with(&["--responses", "--allow-incomplete"]),
        Case::new(
            "a gap in a body is recorded when that is asked for",
            later(
                Talk::open()
                    .client(get("/a"))
                    .server("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
                    .unseen(Server, "def")
                    .server("ghi"),
            ),
            &["1 a GET /a", "2 a 200 gap", "1 b GET /z", "2 b 200"],
        )
        .with(&["--responses", "--allow-incomplete"]),
        Case::new(
            "a chunk size that overflows",
            Talk::open()
                .client(get("/a"))
                .server("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n")
                .client(get("/b"))
                .server(OK),
            &["1 a GET /a", "1 b GET /b", "2 b 200 doubtful"],
        )
        .counts(&[("/responses/lost/malformed", 1)]),
        Case::new(
            "garbage after a good message",
            Talk::open().client(get("/a") + "\x01\x02garbage\n").server(OK).client(get("/b")).server(OK),
            &["1 a GET /a", "2 a 200", "1 b GET /b", "2 b 200 doubtful"],
        )
        .counts(&[("/requests/lost/malformed", 1)]),
    ]);
}

/// Within the pipeline nobody can tell whose response is whose.
#[test]
fn after_a_pipeline_that_lost_something_exchanges_are_paired_again() {
    let three = || Talk::open().client(get("/a"));
    let talks = [
        three().unseen(Client, get("/b")).client(get("/c")).server(OK).server(OK).server(OK),
        three().client(get("/b") + &get("/c")).unseen(Server, OK).server(OK).server(OK),
    ];
    // How many requests and responses are missing here cannot be told, nor that the client waits for all of them.
    let hopeless =
        three().client(get("/b")).unseen(Client, get("/c")).unseen(Server, OK).server(OK).server(OK);
    let hopeless = hopeless.wait(3000).client(get("/y")).server(OK);
    let recording = record(&["-r", "-", "--responses"], &pcap(&hopeless.packets));
    assert_eq!(
        recording.summary(),
        ["1 a GET /a", "1 b GET /b", "2 c 200 doubtful", "2 d 200", "1 e GET /y", "2 f 200"]
    );
    for talk in talks {
        let talk = talk.wait(3000).client(get("/y")).server(OK).client(get("/z")).server(status("404", ""));
        let recording = record(&["-r", "-", "--responses"], &pcap(&talk.packets));
        let [.., y, y_answer, z, z_answer] = &recording.records[..] else {
            panic!("{:?}", recording.summary())
        };
        let ids = [y, y_answer, z, z_answer].map(|record| record.header().id.to_vec());
        assert!(y.payload.starts_with(b"GET /y") && ids[0] == ids[1], "{:?}", recording.summary());
        assert!(
            z_answer.payload.starts_with(b"HTTP/1.1 404") && ids[2] == ids[3],
            "{:?}",
            recording.summary()
        );
    }
}

#[test]
fn what_is_odd_but_clear_is_recorded() {
    let identity = "Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nok";
    check(vec![
        Case::new(
            "identity is no coding",
            Talk::open()
                .client(format!("POST /a HTTP/1.1\r\n{identity}"))
                .server(format!("HTTP/1.1 200 OK\r\n{identity}"))
                .client(get("/b"))
                .server(OK),
            &["1 a POST /a", "2 a 200", "1 b GET /b", "2 b 200"],
        ),
        Case::new(
            "a response to what is no valid request",
            Talk::open().client("\u{1}\u{2} nonsense\r\n\r\n").server(status("400", "")),
            &["2 a 400"],
        )
        .counts(&[("/without_request", 1)]),
        Case::new(
            "a reset that its sender does not obey",
            Talk::open().client(get("/a")).reset(Server).server(OK).client(get("/b")).server(OK),
            &["1 a GET /a", "2 a 200", "1 b GET /b", "2 b 200"],
        ),
        Case::new(
            "a body that a reset ends is not whole",
            Talk::open().client(get("/a")).server("HTTP/1.0 200 OK\r\n\r\nbody").reset(Server),
            &["1 a GET /a"],
        )
        .counts(&[("/responses/lost/reset", 1)]),
        Case::new(
            "a reset far ahead says nothing about bytes before it",
            Talk::open()
                .client(get("/a"))
                .server(OK)
                .then(Talk::between("10.0.0.2:4000", "10.0.0.1:80").from(1001, 30_000_000).reset(Server)),
            PAIR,
        )
        .counts(&[("/segments/missing", 0)]),
    ]);
}

#[test]
fn a_body_that_looks_like_a_message_is_a_body() {
    let answer = "HTTP/1.1 200 OK\r\nX-Id: 9999\r\nContent-Length: 0\r\n\r\n";
    let inside = || status("200", answer);
    let asked = "GET /fake HTTP/1.1\r\nHost: a\r\n\r\n";
    // A bare acknowledgement of the client overtook the handshake.
    let overtaken = Talk::open().client(get("/a")).server(inside()).client(get("/b")).server(inside());
    let mut packets = overtaken.packets;
    let handshake = packets.remove(2);
    packets.remove(0);
    packets.insert(0, handshake);
    let recording = record(&["-r", "-", "--responses"], &pcap(&packets));
    assert_eq!(recording.summary(), ["1 a GET /a", "2 a 200", "1 b GET /b", "2 b 200"]);
    check(vec![
        Case::new(
            "a late start",
            Talk::joined().client(get("/a")).server(inside()).client(get("/b")).server(inside()),
            &["1 a GET /a doubtful", "2 a 200 doubtful", "1 b GET /b", "2 b 200"],
        ),
        Case::new(
            "a response to an unseen request",
            Talk::joined().server(inside()).client(get("/b")).server(inside()),
            &["2 a 200 doubtful", "1 b GET /b", "2 b 200"],
        ),
        Case::new(
            "who opened the connection is the client",
            Talk::open()
                .unseen(Client, get("/a"))
                .unseen(Server, format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", asked.len()))
                .server(asked)
                .client(get("/b"))
                .server(OK),
            &["1 a GET /b", "2 a 200 doubtful"],
        ),
    ]);
}

#[test]
fn the_two_sides_of_a_nat_have_ids_of_their_own() {
    let outer = Talk::between("10.0.0.2:4000", "192.0.2.1:80").handshake().client(get("/a")).server(OK);
    let inner = Talk::between("10.0.0.2:4000", "172.17.0.2:80").handshake().client(get("/a")).server(OK);
    let both = outer.packets.iter().zip(&inner.packets).flat_map(|(one, other)| [one.clone(), other.clone()]);
    let both = record(&["-r", "-", "--responses"], &pcap(&both.collect::<Vec<_>>()));
    let alone = record(&["-r", "-", "--responses"], &pcap(&outer.packets));
    let ids = |recording: &Recording| -> Vec<_> {
        recording.records.iter().map(|record| record.header().id.to_vec()).collect()
    };
    let [one, other, one_answer, other_answer] = &ids(&both)[..] else { panic!("{:?}", both.summary()) };
    assert!(one == one_answer && other == other_answer && one != other);
    assert_eq!(ids(&alone)[0], *one);
}

#[test]
fn ids_stay_with_their_endpoints_when_a_port_is_used_again() {
    let talk = |server: &str, client: u32, number: u32| {
        Talk::between("10.0.0.2:4000", server).from(client, number).handshake()
    };
    let (one, other) = ("192.0.2.1:80", "172.17.0.2:80");
    let first = talk(one, 1000, 500_000).client(get("/a"));
    let again = talk(one, 9_000_000, 700_000);
    let inner = talk(other, 1000, 500_000).client(get("/a"));
    let recording = record(&["-r", "-"], &pcap(&packets([first, again, inner])));
    let ids: Vec<_> = recording.records.iter().map(|record| record.header().id.to_vec()).collect();
    assert!(ids.len() == 2 && ids[0] != ids[1], "{ids:?}");
}

#[test]
fn what_the_end_of_the_capture_cuts_has_ids_of_its_own() {
    let half =
        |server: &str| Talk::between("10.0.0.2:4000", server).handshake().client(&post("/a", "body")[..50]);
    let both = packets(["192.0.2.1:80", "172.17.0.2:80"].map(half));
    let recording = record(&["-r", "-", "--allow-incomplete"], &pcap(&both));
    let ids: Vec<_> = recording.records.iter().map(|record| record.header().id.to_vec()).collect();
    assert!(ids.len() == 2 && ids[0] != ids[1], "{ids:?}");
}

#[test]
fn options_decide_what_is_recorded() {
    let exchange = || Talk::open().client(get("/a")).server(OK);
    let six = || Talk::between("[::2]:4000", "[::1]:80").handshake().client(get("/a")).server(OK);
    check(vec![
        Case::new("no responses", exchange(), &["1 a GET /a"])
            .with(&[])
            .counts(&[("/responses/not_asked_for", 1)]),
        Case::new("a port", exchange(), PAIR).with(&["--responses", ":80"]),
        Case::new("another port", exchange(), &[])
            .with(&["--responses", ":81"])
            .counts(&[("/packets/other_ports", 5)]),
        Case::new("an address and ports", exchange(), PAIR).with(&["--responses", "10.0.0.1:8080,80"]),
        Case::new("the client's address is no server", exchange(), &[]).with(&["--responses", "10.0.0.2:"]),
        Case::new("an IPv6 address", six(), PAIR).with(&["--responses", "[::1]:"]),
        Case::new("a range of ports", exchange(), PAIR).with(&["--responses", ":8080,70-90"]),
        Case::new("another range of ports", exchange(), &[])
            .with(&["--responses", ":81-90"])
            .counts(&[("/packets/other_ports", 5)]),
        Case::new("a network", exchange(), PAIR).with(&["--responses", "10.0.0.0/31:80"]),
        Case::new("the client's network is no server's", exchange(), &[])
            .with(&["--responses", "10.0.0.2/31:80"]),
        Case::new("an IPv6 network", six(), PAIR).with(&["--responses", "[::/126]:80"]),
        Case::new("a client that is left out", exchange(), &[])
            .with(&["--responses", ":80", "--not-client", "10.1.0.0/16,10.0.0.2"])
            .counts(&[("/packets/other_clients", 5), ("/connections/seen", 0)]),
        Case::new("the server is no client", exchange(), PAIR).with(&[
            "--responses",
            ":80",
            "--not-client",
            "10.0.0.1",
        ]),
        Case::new("another client than that left out", six(), PAIR).with(&[
            "--responses",
            "--not-client",
            "::3",
            "--not-client",
            "0.0.0.0/0",
        ]),
        Case::new("a client that is left out, told by its SYN", exchange(), &[])
            .with(&["--responses", "--not-client", "10.0.0.2/32"])
            .counts(&[
                ("/connections/other_clients", 1),
                ("/bytes/other_clients", 68),
                ("/requests/begun", 0),
            ]),
        Case::new(
            "a client that is left out, told by its request",
            Talk::joined().client(get("/a")).server(OK),
            &[],
        )
        .with(&["--responses", "--not-client", "10.0.0.2/32"])
        .counts(&[("/connections/other_clients", 1), ("/requests/begun", 0)]),
        Case::new("one of two clients", exchange().then(six()), PAIR)
            .with(&["--responses", "--not-client", "10.0.0.0/8"])
            .counts(&[("/packets/other_clients", 5), ("/connections/http", 1)]),
        Case::new("a client that is left out, of plain bytes", exchange(), &[])
            .with(&["--responses", "--protocol", "binary", "--not-client", "10.0.0.2"])
            .counts(&[("/connections/other_clients", 1), ("/requests/begun", 0)]),
        Case::new(
            "a client that is left out takes its endpoints again",
            exchange().then(
                Talk::between("10.0.0.2:4000", "10.0.0.1:80")
                    .from(9_000_000, 7_000_000)
                    .handshake()
                    .client(get("/b"))
                    .server(OK),
            ),
            &[],
        )
        .with(&["--responses", "--not-client", "10.0.0.2"])
        .counts(&[("/connections/other_clients", 2), ("/requests/begun", 0)]),
        Case::new(
            "too long a message is cut",
            Talk::open().client(post("/a", &"x".repeat(500))).server(OK),
            &["1 a POST /a cut", "2 a 200"],
        )
        .with(&["--responses", "--max-message", "100"])
        .counts(&[("/bytes/cut", 450)]),
        Case::new(
            "binary",
            Talk::open().client("ping").client("ping").server("pong").client("bye"),
            &["1 a pingping", "2 a pong", "1 b bye"],
        )
        .with(&["--responses", "--protocol", "binary"]),
    ]);
}

fn packets(talks: impl IntoIterator<Item = Talk>) -> Vec<Packet> {
    talks.into_iter().flat_map(|talk| talk.packets).collect()
}

#[test]
fn ids_are_made_of_ports_address_and_acknowledgement() {
    let talk = Talk::open();
    let first = talk.acknowledged();
    let talk = talk.client(get("/a") + &get("/b")).server([OK, OK].concat());
    let third = talk.acknowledged();
    let talk = talk.client(get("/c"));
    let recording = record(&["-r", "-"], &pcap(&talk.packets));
    let ids: Vec<_> = recording
        .records
        .iter()
        .map(|record| String::from_utf8_lossy(record.header().id).into_owned())
        .collect();
    let expected = [first, first + 1, third].map(|exchange| format!("0fa000500a000002{exchange:08x}"));
    assert_eq!(ids, expected);
}

#[test]
fn expect_is_removed_and_the_real_ip_put_in_place_of_a_forged_one() {
    let request = "PUT /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nx-real-ip: 1.1.1.1\r\nContent-Length: 2\r\n\r\nxy";
    for (talk, address) in
        [(Talk::open(), "10.0.0.2"), (Talk::between("[fd00::7]:4000", "[::1]:80").handshake(), "fd00::7")]
    {
        let packets = talk.client(request).packets;
        let recording = record(&["-r", "-", "--real-ip-header", "X-Real-IP"], &pcap(&packets));
        let expected =
            format!("PUT /a HTTP/1.1\r\nX-Real-IP: {address}\r\nHost: a\r\nContent-Length: 2\r\n\r\nxy");
        assert_eq!(String::from_utf8_lossy(&recording.records[0].payload), expected);
        let plain = record(&["-r", "-"], &pcap(&packets));
        let expected = request.replace("Expect: 100-continue\r\n", "");
        assert_eq!(String::from_utf8_lossy(&plain.records[0].payload), expected);
    }
}

/// The packets with a VLAN tag.
fn tagged(id: u8, talk: &Talk) -> Vec<Packet> {
    let tag = |packet: &Packet| {
        let (addresses, rest) = packet.bytes.split_at(12);
        Packet { pause: packet.pause, bytes: [addresses, &[0x81, 0, 0, id], rest].concat() }
    };
    talk.packets.iter().map(tag).collect()
}

/// The first packet of each, then the second of each.
fn in_turns(captures: &[Vec<Packet>]) -> Vec<Packet> {
    let longest = captures.iter().map(Vec::len).max().unwrap_or(0);
    (0..longest).flat_map(|at| captures.iter().filter_map(move |capture| capture.get(at).cloned())).collect()
}

#[test]
fn the_same_endpoints_in_two_vlans_are_two_connections() {
    let one = Talk::open().client(get("/a")).server(OK).client(get("/b")).server(OK).close();
    let two = Talk::open().from(9_000_000, 77).handshake();
    let two = two.client(get("/c")).server(status("404", "no")).close();
    let capture = in_turns(&[tagged(5, &one), tagged(6, &two)]);
    let recording = record(&["-r", "-", "--responses"], &pcap(&capture));
    assert_reconciles(&recording, "two vlans");
    let expected = ["1 a GET /a", "1 b GET /c", "2 a 200", "2 b 404", "1 c GET /b", "2 c 200"];
    assert_eq!(recording.summary(), expected);
    assert_eq!(number(&recording.stats, "/connections/seen"), 2);
    assert_eq!(recording.ran.stderr, "", "nothing is lost");
}

/// The same packets inside VXLAN.
fn in_vxlan(port: u16, number: u8, talk: &Talk) -> Vec<Packet> {
    let wrap = |packet: &Packet| {
        let link = etherparse::PacketBuilder::ethernet2([2, 0, 0, 0, 0, 3], [2, 0, 0, 0, 0, 4]);
        let udp = link.ipv4([192, 0, 2, 1], [192, 0, 2, 2], 64).udp(5555, port);
        let payload = [&[8, 0, 0, 0, 0, 0, number, 0], packet.bytes.as_slice()].concat();
        let mut bytes = Vec::new();
        udp.write(&mut bytes, &payload).expect("a vector takes everything");
        Packet { pause: packet.pause, bytes }
    };
    talk.packets.iter().map(wrap).collect()
}

#[test]
fn only_the_networks_that_are_selected_are_recorded() {
    let talk = |path: &str, port: u16| {
        let client = format!("10.0.0.2:{port}");
        Talk::between(&client, "10.0.0.1:80").handshake().client(get(path)).server(OK).close()
    };
    let capture = in_turns(&[
        talk("/plain", 4000).packets,
        tagged(5, &talk("/vlan5", 4001)),
        tagged(6, &talk("/vlan6", 4002)),
        in_vxlan(4789, 5, &talk("/vxlan5", 4003)),
        in_vxlan(4789, 6, &talk("/vxlan6", 4004)),
        in_vxlan(4800, 7, &talk("/vxlan7", 4005)),
    ]);
    let each = talk("/", 1).packets.len() as u64;
    let cases = [
        (&[][..], &["/plain", "/vlan5", "/vlan6", "/vxlan5", "/vxlan6"][..], [0, 1]),
        (&["--vlan", "5"], &["/vlan5"], [4, 1]),
        (&["--vlan", "6,5"], &["/vlan5", "/vlan6"], [3, 1]),
        (&["--vlan", "7"], &[], [5, 1]),
        (&["--vxlan-vni", "5"], &["/vxlan5"], [4, 1]),
        (&["--vxlan-vni", "-5"], &["/plain", "/vlan5", "/vlan6", "/vxlan6"], [1, 1]),
        (&["--vxlan-vni", "-5,-6"], &["/plain", "/vlan5", "/vlan6"], [2, 1]),
        (&["--vxlan-vni", "5,6", "--vxlan-vni", "-6"], &["/vxlan5"], [4, 1]),
        (&["--vxlan-port", "4800", "--vxlan-vni", "7"], &["/vxlan7"], [5, 0]),
        (&["--vxlan-port", "4800,80", "--vxlan-vni", "6,7"], &["/vxlan6", "/vxlan7"], [4, 0]),
        (&["--vlan", "5", "--vxlan-vni", "5"], &[], [5, 1]),
    ];
    for (args, paths, [other_networks, udp]) in cases {
        let recording = record(&[&["-r", "-"], args].concat(), &pcap(&capture));
        assert_reconciles(&recording, &args.concat());
        let found: Vec<_> = recording.summary().iter().map(|line| line[8..].to_owned()).collect();
        assert_eq!(found, paths, "{args:?}");
        assert_eq!(number(&recording.stats, "/packets/other_networks"), other_networks * each, "{args:?}");
        assert_eq!(number(&recording.stats, "/packets/not_tcp"), udp * each, "{args:?}");
    }
}

#[test]
fn a_selection_that_leaves_nothing_says_so() {
    let capture = pcap(&Talk::open().client(get("/a")).server(OK).packets);
    for (args, said) in [
        (&["--vlan", "5"][..], "all 5 TCP segments left out by --vlan, --vxlan-vni or --not-client"),
        (&[":80", "--not-client", "10.0.0.2"], "no connection at :80; 5 TCP segments left out by "),
    ] {
        record(&[&["-r", "-"], args].concat(), &capture).ran.says(said);
    }
}

#[test]
fn a_packet_seen_with_and_without_its_tag_is_one() {
    let talk = Talk::open().client(get("/a")).server(OK).client(get("/b")).server(OK).close();
    let (plain, vlan) = (talk.packets.clone(), tagged(5, &talk));
    for order in [[plain.clone(), vlan.clone()], [vlan, plain]] {
        let recording = record(&["-r", "-", "--responses"], &pcap(&in_turns(&order)));
        assert_reconciles(&recording, "seen twice");
        assert_eq!(recording.summary(), TWO_PAIRS);
        assert_eq!(number(&recording.stats, "/connections/seen"), 1);
    }
}

#[test]
fn whichever_packets_have_a_tag_the_same_records_come_out() {
    let talk = Talk::open().client(get("/a")).server(OK).client(get("/b")).server(OK).close();
    let vlan = tagged(5, &talk);
    let plain = record(&["-r", "-", "--responses"], &pcap(&talk.packets));
    assert_eq!(plain.summary(), TWO_PAIRS);
    for mask in [0xffff, 0x5555, 0xaaaa, 0x0007, 0x0ff0, 0x1248] {
        let both = talk.packets.iter().zip(&vlan).enumerate();
        let chosen = both.map(|(at, (plain, vlan))| if mask >> at & 1 == 1 { vlan } else { plain }.clone());
        let recording = record(&["-r", "-", "--responses"], &pcap(&chosen.collect::<Vec<_>>()));
        assert_reconciles(&recording, "some tagged");
        assert!(recording.ran.stdout == plain.ran.stdout, "{mask:#x}: {:?}", recording.summary());
    }
}

/// The same file, its link type another one.
fn of_link_type(mut file: Vec<u8>, link: u32) -> Vec<u8> {
    file[20..24].copy_from_slice(&link.to_le_bytes());
    file
}

#[test]
fn what_a_capture_lacks_is_said_without_a_flag() {
    let talk = Talk::open().client(get("/a")).server(OK).close();
    let whole = pcap(&talk.packets);
    let arp = Packet { pause: 0, bytes: [&[0xff; 12][..], &[8, 6], &[0; 28]].concat() };
    let middle = Talk::joined().client("of a body\nits end\n").server(OK).client(get("/a")).server(OK);
    let before = Talk::joined().from(10_000, 500_000).client(get("/a")).server(OK);
    let late = Talk::joined().from(10_000 - 1460, 499_000).client([b'x'; 1460]);
    let ended = Talk::open().client(get("/a")).server(OK).fin(Client).client("more");
    // The first of two fragments, and only that.
    let mut fragment = talk.packets[3].clone();
    fragment.bytes[20] |= 0x20;
    fragment.bytes.truncate(14 + 40);
    fragment.bytes[16..18].copy_from_slice(&36u16.to_be_bytes());
    let fragment = [talk.packets.clone(), vec![fragment]].concat();
    let cases: Vec<(&str, Vec<u8>, &[&str], &str)> = vec![
        ("fragment", pcap(&fragment), &[], "1 IP fragment whose datagram is incomplete"),
        ("all is well", whole.clone(), &[], ""),
        ("all is well at the address", whole.clone(), &[":80"], ""),
        (
            "unknown link type",
            of_link_type(whole.clone(), 249),
            &[],
            "7 packets of link type 249 (USBPCAP), which is not supported",
        ),
        (
            "without name",
            of_link_type(whole.clone(), 999),
            &[],
            "7 packets of link type 999, which is not supported",
        ),
        ("no ip", pcap(&[arp.clone(), arp]), &[], "no IP in 2 packets"),
        ("nothing", pcap(&[]), &[], "no packets to read"),
        ("no message", pcap(&Talk::open().close().packets), &[], "no message to record in 1 connection"),
        (
            "another port",
            whole.clone(),
            &[":9999"],
            "no connection at :9999; 7 TCP segments at other addresses or ports",
        ),
        ("one of two addresses", whole.clone(), &[":80", "10.9.9.9:"], "no connection at 10.9.9.9"),
        ("quiet about addresses", whole, &["-q", ":9999"], ""),
        (
            "joined in a body",
            pcap(&middle.packets),
            &[],
            "1 response without a request; 1 response paired on the assumption that clients wait for each response, \
             as the beginning of the connection is not in the capture; 18 bytes passed over up to the start of a message",
        ),
        (
            "before the first byte",
            pcap(&[before.packets, late.packets].concat()),
            &[],
            "1 request that may be text in the body of another (marked doubtful); 1 response whose request, beginning \
             or end is not certain (marked doubtful); 1 response paired on the assumption that clients wait for each \
             response, as the beginning of the connection is not in the capture; 1460 payload bytes ignored, being \
             outside the TCP streams",
        ),
        (
            "after the end",
            pcap(&ended.packets),
            &[],
            "4 payload bytes ignored, being outside the TCP streams",
        ),
    ];
    let mut faults = Vec::new();
    for (name, file, args, says) in cases {
        let recording = record(&[&["-r", "-", "--responses"], args].concat(), &file);
        assert_reconciles(&recording, name);
        let expected = if says.is_empty() { String::new() } else { format!("gor-record: {says}\n") };
        if recording.ran.stderr != expected {
            faults.push(format!("{name}: {:?}, expected {expected:?}", recording.ran.stderr));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_body_that_holds_the_separator_comes_back_whole() {
    let body = "one\n🐵🙈🙉\n1 deadbeef 1 1\nGET /forged HTTP/1.1\r\n\r\n\n🐵🙈🙉\n";
    let talk = Talk::open().client(post("/a", body)).server(status("200", body)).client(get("/b"));
    let recording = record(&["-r", "-", "--responses"], &pcap(&talk.packets));
    assert_eq!(recording.summary(), ["1 a POST /a", "2 a 200", "1 b GET /b"]);
    assert!(recording.records[0].payload.ends_with(body.as_bytes()));
    assert!(recording.records[1].payload.ends_with(body.as_bytes()));
}

#[test]
fn a_snapped_body_is_a_gap_and_the_next_messages_come_out() {
    let long = post("/a", &"x".repeat(900));
    let talk = Talk::open().client(&long).server(OK).client(get("/b")).server(OK);
    let recording = record(&["-r", "-", "--responses"], &pcap_snapped(&talk.packets, 200));
    assert_reconciles(&recording, "snapped");
    assert_eq!(recording.summary(), ["2 a 200", "1 b GET /b", "2 b 200"]);
    assert_eq!(number(&recording.stats, "/requests/lost/snapped"), 1);
}

#[test]
fn a_head_without_end_is_given_up() {
    let talk = Talk::open().client("GET /a HTTP/1.1\r\n").in_segments(
        Client,
        "A: bcdefgh\r\n".repeat(100_000).as_bytes(),
        16_000,
    );
    let talk = talk.client(get("/b")).server(OK);
    let recording = record(&["-r", "-", "--responses"], &pcap(&talk.packets));
    assert_reconciles(&recording, "an endless head");
    // Nobody can tell that what follows is a request, not a part of that head.
    assert_eq!(recording.summary(), ["2 a 200"]);
    assert_eq!(number(&recording.stats, "/requests/lost/malformed"), 1);
}

#[test]
fn connections_beyond_the_bound_are_forgotten_and_counted() {
    let client = |number: u32| format!("10.1.{}.{}:4000", number >> 8, number & 255);
    let one = |number| Talk::between(&client(number), "10.0.0.1:80").handshake().client("GET /unfinished");
    let recording = record(&["-r", "-"], &pcap(&packets((0..40_000).map(one))));
    assert_reconciles(&recording, "many connections");
    assert_eq!(number(&recording.stats, "/connections/seen"), 40_000);
    assert!(
        number(&recording.stats, "/requests/lost/evicted")
            + number(&recording.stats, "/requests/lost/expired")
            > 7_000
    );
}

#[test]
fn a_recording_given_for_a_capture_gets_a_hint() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.gor");
    std::fs::write(&path, "1 c74e1f900a00000200000001 5 5\nGET / HTTP/1.1\r\n\r\n\n🐵🙈🙉\n")
        .expect("a file");
    super::support::program::run("gor-record", &["-r", path.to_str().expect("text")], b"")
        .ends_with(1)
        .says("this is a recording, not a capture; gor-filter and gor-show read recordings");
}
