//! Records over `ws://` and `wss://`: what is on the wire, and senders of all kinds.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use crate::support::front::Certificates;
use crate::support::program::run;
use crate::support::receiver::{Receiver, SEPARATOR, request, requests, send};
use crate::support::recorder::records;

/// The handshake in RFC 6455, 1.3.
const ASKED: &str = "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

const BINARY: u8 = 2;
const TEXT: u8 = 1;
const MORE: u8 = 0;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const FINAL: u8 = 0x80;

/// A frame of a client, by the rules in RFC 6455, 5.2.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let mut bytes = vec![first];
    match payload.len() {
        length @ ..126 => bytes.push(0x80 | length as u8),
        length @ ..=0xffff => {
            bytes.push(0x80 | 0x7e);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

fn message(text: &str) -> Vec<u8> {
    frame(FINAL | BINARY, text.as_bytes())
}

fn close() -> Vec<u8> {
    frame(FINAL | CLOSE, &1000_u16.to_be_bytes())
}

/// A client that has asked, and got this answer.
fn ask(receiver: &Receiver, request: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(receiver.address).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("an answer");
        answer.push(byte[0]);
    }
    (stream, String::from_utf8(answer).expect("text"))
}

/// What comes until the connection ends.
fn rest(mut stream: TcpStream) -> Vec<u8> {
    let mut text = Vec::new();
    stream.read_to_end(&mut text).expect("it ends");
    text
}

/// Sends these bytes behind a handshake. What the receiver answered until the end.
fn say(receiver: &Receiver, bytes: &[u8]) -> Vec<u8> {
    let (mut stream, answer) = ask(receiver, ASKED);
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    stream.write_all(bytes).expect("sent");
    rest(stream)
}

/// The code of the close frame that a receiver sent at the end.
fn code(said: &[u8]) -> u16 {
    let at = said.iter().rposition(|byte| *byte == FINAL | CLOSE).expect("a close frame");
    u16::from_be_bytes([said[at + 2], said[at + 3]])
}

#[test]
fn the_bytes_of_a_handshake_and_of_a_message_are_those_of_the_standard() {
    let receiver = Receiver::start("ws://127.0.0.1:0", &[]);
    let (mut stream, answer) = ask(&receiver, ASKED);
    let mut lines: Vec<_> = answer.trim_end().split("\r\n").map(str::to_ascii_lowercase).collect();
    lines[1..].sort_unstable();
    let expected = [
        "http/1.1 101 switching protocols",
        "connection: upgrade",
        "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=",
        "upgrade: websocket",
    ];
    assert_eq!(lines, expected, "{answer}");
    stream.write_all(&message(&request(1, 0, 10))).expect("sent");
    stream.write_all(&close()).expect("sent");
    assert_eq!(rest(stream), [0x88, 2, 3, 232]);
    let (text, said) = receiver.end(0);
    assert!(text == request(1, 0, 10).as_bytes(), "{said}");

    // And the other way round.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let place = format!("ws://{}/in?x=1", listener.local_addr().expect("an address"));
    let receiving = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a sender");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("a request");
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).expect("text");
        let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).expect("a key");
        let accept = tungstenite::handshake::derive_accept_key(key.as_bytes());
        let answer = format!(
            "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        stream.write_all(answer.as_bytes()).expect("sent");
        let mut begin = [0; 8];
        stream.read_exact(&mut begin).expect("a frame");
        let length = usize::from(u16::from_be_bytes([begin[2], begin[3]]));
        let mut payload = vec![0; length];
        stream.read_exact(&mut payload).expect("its payload");
        for (byte, mask) in payload.iter_mut().zip(begin[4..].iter().cycle()) {
            *byte ^= mask;
        }
        let mut end = [0; 8];
        stream.read_exact(&mut end).expect("a close frame");
        stream.write_all(&[0x88, 2, 3, 232]).expect("sent");
        (head, begin[..2].to_vec(), payload, end[..2].to_vec())
    });
    let input = request(1, 0, 100);
    send(&place, &["--ws-header", "X-Team: search", "--ws-header", "Host: other"], &input)
        .ends_with(0)
        .is_silent();
    let (head, begin, payload, end) = receiving.join().expect("it ends");
    assert!(head.starts_with("GET /in?x=1 HTTP/1.1\r\nHost: other\r\n"), "{head}");
    assert!(head.to_ascii_lowercase().contains("x-team: search\r\n"), "{head}");
    assert_eq!((begin, end), (vec![0x82, 0x80 | 0x7e], vec![0x88, 0x82]));
    assert!(payload == input.as_bytes());
}

#[test]
fn records_come_through_as_they_were() {
    let recorded = run("gor-record", &["-r", "testdata/shop.pcapng"], b"").stdout;
    let text = String::from_utf8(recorded).expect("text");
    let input = text + &request(1, 0, 0) + &request(1, 1, 3_000_000) + &requests(2, 500);
    let certificates = Certificates::new();
    let name = |name: &str| certificates.path(name).display().to_string();
    certificates.make("server", &["localhost"]);
    certificates.make("client", &["somebody"]);
    let (ca, cert, key) = (certificates.ca(), name("server.pem"), name("server.key"));
    let own = [name("client.pem"), name("client.key")];
    let serving = ["--tls-cert", &cert, "--tls-key", &key, "--client-ca", &ca];
    let sending = ["--ca-cert", &ca, "--client-cert", &own[0], "--client-key", &own[1]];
    for (scheme, listening, sending) in [("ws", &[][..], &[][..]), ("wss", &serving, &sending)] {
        let receiver = Receiver::start(&format!("{scheme}://127.0.0.1:0/records"), listening);
        let place = format!("{scheme}://localhost:{}/records", receiver.address.port());
        send(&place, sending, &input).ends_with(0).is_silent();
        if scheme == "wss" {
            send(&place, &["--ca-cert", &ca], &input).ends_with(1);
            send(&place, &[], &input).ends_with(1).says("invalid peer certificate");
        }
        let (text, said) = receiver.end(i32::from(scheme == "wss"));
        assert!(text == input.as_bytes(), "{} for {}: {said}", text.len(), input.len());
    }
    run("gor-filter", &["wss://127.0.0.1:0"], b"").ends_with(2).says("a wss:// input needs a certificate");
}

#[test]
fn a_message_may_be_text_or_binary_whole_or_in_frames_with_a_separator_or_without() {
    let receiver = Receiver::start("ws://127.0.0.1:0", &[]);
    let [one, two, three, four] = [0, 1, 2, 3].map(|number| request(1, number, 70_000));
    let bare = two.strip_suffix(SEPARATOR).expect("it ends so");
    let (begin, end) = three.as_bytes().split_at(40_000);
    let bytes = [
        frame(FINAL | TEXT, one.as_bytes()),
        frame(FINAL | BINARY, bare.as_bytes()),
        frame(BINARY, begin),
        frame(FINAL | PING, b"still there?"),
        frame(FINAL | MORE, end),
        message(&(four.clone() + &request(1, 4, 5))),
        close(),
    ];
    let said = say(&receiver, &bytes.concat());
    assert_eq!(said, [&[0x8a, 12][..], b"still there?", &[0x88, 2, 3, 232]].concat());
    let (text, said) = receiver.end(0);
    assert!(text == [one, two, three, four, request(1, 4, 5)].concat().as_bytes(), "{said}");
}

#[test]
fn many_senders_are_heard_at_once_and_each_keeps_its_order() {
    let receiver = Receiver::start("ws://127.0.0.1:0", &[]);
    let place = receiver.place("ws");
    let senders = (0..12_u16).map(|client| {
        let place = place.clone();
        let more: &[&str] = if client == 0 { &["--connections", "3", "--sticky"] } else { &[] };
        thread::spawn(move || {
            send(&place, more, &requests(client, 300)).ends_with(0).is_silent().stderr.clone()
        })
    });
    for sender in senders.collect::<Vec<_>>() {
        sender.join().expect("it ends");
    }
    let (text, _) = receiver.end(0);
    let all = records(&text);
    assert_eq!(all.len(), 12 * 300);
    for client in 0..12 {
        let of_it = all.iter().filter(|record| record.id.starts_with(format!("{client:04x}").as_bytes()));
        let expected = requests(client, 300);
        assert!(of_it.eq(&records(expected.as_bytes())), "client {client}");
    }
}

#[test]
fn what_is_no_sender_is_answered_and_cut_off_and_the_others_go_on() {
    let mut receiver = Receiver::start("ws://127.0.0.1:0", &["--max-record", "10kB"]);
    let (mut fine, _) = ask(&receiver, ASKED);
    fine.write_all(&message(&request(1, 0, 10))).expect("sent");
    // One that only looks whether somebody listens says nothing, and nothing is said of it.
    drop(TcpStream::connect(receiver.address).expect("it listens"));
    for (asked, answer) in [
        (ASKED.replace("Upgrade: websocket\r\n", ""), "426 "),
        (ASKED.replace("Version: 13", "Version: 8"), "426 "),
        (ASKED.replace("dGhlIHNhbXBsZSBub25jZQ==", "short"), "426 "),
        (ASKED.replace("GET ", "POST "), "400 "),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), "426 "),
        (request(1, 1, 10), "400 "),
        (format!("GET /{} HTTP/1.1\r\n", "x".repeat(20_000)), "431 "),
    ] {
        let (stream, found) = ask(&receiver, &asked);
        assert!(found.starts_with(&format!("HTTP/1.1 {answer}")), "{asked}: {found}");
        assert!(rest(stream).is_empty());
    }
    receiver.wait_until_it_says("it begins no WebSocket, but sends a plain HTTP request");
    let mut unmasked = vec![FINAL | BINARY, 5];
    unmasked.extend(b"1 a 5");
    let mut announced = vec![FINAL | BINARY, 0x80 | 127];
    announced.extend((u64::MAX >> 1).to_be_bytes());
    announced.extend([0; 4]);
    for (bytes, expected, said) in [
        (unmasked, 1002, "cut off: the other side breaks the WebSocket protocol"),
        (frame(FINAL | MORE, b"x"), 1002, "cut off: the other side breaks"),
        (frame(FINAL | 5, b"x"), 1002, "cut off: the other side breaks"),
        (frame(FINAL | 0x40 | BINARY, b"x"), 1002, "cut off: the other side breaks"),
        (announced, 1009, "cut off: record 1 (byte 0)"),
        (frame(FINAL | TEXT, b"1 a 5 7\n\xff"), 1007, "cut off: a text message is not UTF-8"),
    ] {
        assert_eq!(code(&say(&receiver, &bytes)), expected, "{said}");
        receiver.wait_until_it_says(said);
    }
    // A message without a record costs those after it nothing.
    let bytes = [message("hello"), message("1 a 5 7 30\ntoo short"), message(&request(1, 1, 10)), close()];
    assert_eq!(code(&say(&receiver, &bytes.concat())), 1000);
    receiver.wait_until_it_says("it is skipped");
    assert_eq!(code(&say(&receiver, &[message("hello"), close()].concat())), 1000);
    receiver.wait_until_it_says("nothing that it sent is a record");
    // So does one that is too long.
    let bytes = [message(&request(2, 0, 20_000)), message(&request(1, 2, 10)), close()];
    assert_eq!(code(&say(&receiver, &bytes.concat())), 1000);
    receiver.wait_until_it_says("--max-record");
    fine.write_all(&[message(&request(1, 3, 10)), close()].concat()).expect("it goes on");
    assert_eq!(code(&rest(fine)), 1000);
    let (text, said) = receiver.end(1);
    let mut found: Vec<_> = records(&text).iter().map(|record| record.payload[6..10].to_vec()).collect();
    found.sort_unstable();
    assert_eq!(found, [b"1/0 ", b"1/1 ", b"1/2 ", b"1/3 "], "{said}");
}

#[test]
fn a_sender_that_breaks_off_is_told() {
    let mut receiver = Receiver::start("ws://127.0.0.1:0", &[]);
    let broken = message(&request(1, 1, 100_000));
    let bytes = [message(&request(1, 0, 10)), broken[..50_000].to_vec()].concat();
    let (mut stream, _) = ask(&receiver, ASKED);
    stream.write_all(&bytes).expect("sent");
    drop(stream);
    receiver.wait_until_it_says("the connection ended inside a record, which is left out");
    // Between two frames of a message.
    say(&receiver, &[frame(BINARY, b"1 a 5 7\n"), close()].concat());
    receiver.wait_until_it_says("inside a record");
    let (mut stream, _) = ask(&receiver, ASKED);
    stream.write_all(&message(&request(1, 2, 10))).expect("sent");
    drop(stream);
    receiver.wait_until_it_says("ended without a close frame; records may be missing");
    let (text, said) = receiver.end(1);
    assert!(text == (request(1, 0, 10) + &request(1, 2, 10)).as_bytes(), "{said}");
}

#[test]
fn a_receiver_that_ends_tells_its_senders_and_takes_what_they_had_begun() {
    let receiver = Receiver::start("ws://127.0.0.1:0", &[]);
    let (mut idle, _) = ask(&receiver, ASKED);
    let (mut busy, _) = ask(&receiver, ASKED);
    idle.write_all(&message(&request(1, 0, 10))).expect("sent");
    let (begin, end) = (message(&request(1, 1, 10)), close());
    busy.write_all(&begin[..30]).expect("sent");
    let ending = thread::spawn(move || receiver.end(0));
    let answering = |mut stream: TcpStream, rest: Vec<u8>| {
        let mut told = [0; 4];
        stream.read_exact(&mut told).expect("a close frame");
        assert_eq!(code(&told), 1001);
        stream.write_all(&rest).expect("sent");
    };
    answering(busy, [&begin[30..], &end].concat());
    answering(idle, end);
    let (text, said) = ending.join().expect("it ends");
    assert_eq!(records(&text).len(), 2, "{said}");
}

#[test]
fn who_does_not_know_the_password_the_path_or_the_subprotocol_is_refused() {
    let place = "ws://me:pass%20word@127.0.0.1:0/in";
    let mut receiver =
        Receiver::start(place, &["--ws-protocol", "records.v2", "--ws-protocol", "records.v1"]);
    assert!(!receiver.said.contains("word"), "{}", receiver.said);
    let port = receiver.address.port();
    let input = requests(1, 3);
    let v1 = ["--ws-protocol", "records.v1"];
    let secret = |password: &str| {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), format!("{password}\n")).expect("it is written");
        file
    };
    let [right, wrong] = ["pass word", "other"].map(secret);
    let [right, wrong] = [&right, &wrong].map(|file| file.path().to_str().expect("text"));
    let at = |login: &str, path: &str| format!("ws://{login}localhost:{port}{path}");
    send(&at("me:pass%20word@", "/in"), &v1, &input).ends_with(0).is_silent();
    send(&at("me@", "/in"), &[&v1[..], &["--ws-password-file", right]].concat(), &input)
        .ends_with(0)
        .is_silent();
    let header = ["--ws-header", "Authorization: Basic bWU6cGFzcyB3b3Jk"];
    send(&at("", "/in"), &[&v1[..], &header].concat(), &input).ends_with(0).is_silent();
    for (login, more) in [
        ("me@", &["--ws-password-file", wrong][..]),
        ("you:pass%20word@", &[]),
        ("me:pass%20wor@", &[]),
        ("", &[]),
    ] {
        let ran = send(&at(login, "/in"), &[&v1[..], more].concat(), &input);
        ran.ends_with(1).says("the receiver answers 401 Unauthorized");
        assert!(!ran.stderr.contains("wor"), "{:?}", ran.stderr);
    }
    receiver.wait_until_it_says("refused: wrong user or password");
    send(&at("me:pass%20word@", "/out"), &v1, &input).ends_with(1).says("the receiver answers 404");
    receiver.wait_until_it_says("refused: wrong path");
    for more in [&[][..], &["--ws-protocol", "records.v3"]] {
        send(&at("me:pass%20word@", "/in"), more, &input).ends_with(1).says("the receiver answers 400");
    }
    receiver.wait_until_it_says("refused: it offers no subprotocol of --ws-protocol");
    let (text, said) = receiver.end(0);
    assert!(text == input.repeat(3).as_bytes() && !said.contains("word "), "{said}");
    // Whoever is asked for none of them names none.
    let receiver = Receiver::start("ws://127.0.0.1:0", &[]);
    send(&receiver.place("ws"), &v1, &input).ends_with(1).says("the receiver accepts no subprotocol");
    receiver.end(1);

    run("gor-filter", &["ws://me@127.0.0.1:0"], b"").ends_with(2).says("give --ws-password-file");
    for (args, said) in [
        (&["--ws-protocol", "a"][..], "--ws-protocol applies to ws:// and wss:// places"),
        (&["--ws-header", "a: b"], "--ws-header applies to ws:// and wss:// outputs"),
        (
            &["--ws-password-file", "x", "-o", "ws://a:1"],
            "--ws-password-file applies to places as ws://USER@HOST",
        ),
        (&["--ws-protocol", "a b", "-o", "ws://a:1"], "expected a name"),
        (&["--ws-header", "Upgrade: b", "-o", "ws://a:1"], "is set by the WebSocket handshake"),
        (&["-o", "ws://me:word@host:x"], "ws://host:x: expected ws[s]://"),
        (&["-o", "ws://host:1", "--ca-cert", "x"], "apply to tls:// and wss:// outputs"),
    ] {
        let ran = run("gor-filter", args, b"");
        ran.ends_with(2).says(said);
        assert!(!ran.stderr.contains("word@"));
    }
}
