//! What else gor-record makes of a network than HTTP: protocols that it only counts, and bytes of any protocol.
//!
//! Where namespaces cannot be made (they need root and `ip`) these tests say so and pass.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::thread;

use super::support::live::Recorder;
use super::support::network::{HERE, Network, PORT, THERE};
use super::support::recorder::{assert_reconciles, is_request, number};

/// A server that reads to the end and answers nothing.
fn sink(space: &str) {
    let listener =
        Network::run_in(space, || TcpListener::bind(("::", PORT)).expect("the port is free in there"));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut read = Vec::new();
            stream.expect("a connection").read_to_end(&mut read).expect("the client ends");
        }
    });
}

/// Says this on a connection of its own, and waits for the other side's end.
fn say(space: &str, host: &'static str, bytes: &'static [u8]) {
    Network::run_in(space, move || {
        let mut stream = TcpStream::connect((host, PORT)).expect("the server listens");
        stream.write_all(bytes).expect("the server reads");
        stream.shutdown(std::net::Shutdown::Write).expect("it is open");
        stream.read_to_end(&mut Vec::new()).expect("the server ends");
    });
}

/// The beginning of a TLS handshake (RFC 8446 §4.1.2), of which the rest is zeros.
fn client_hello() -> &'static [u8] {
    let mut hello = vec![0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3];
    hello.resize(205, 0);
    hello.leak()
}

/// Datagrams of a kind that is not to be seen.
const OTHERS: u64 = 20;

/// Both engines have the same filter in the kernel; what is counted is what a capture of the same has.
#[test]
fn connections_of_other_protocols_are_counted_by_name() {
    let Some(network) = Network::new() else { return };
    sink(&network.here);
    for args in [&[":8080"][..], &["cable:8080", "--threads", "2"]] {
        let recorder = Recorder::start(&network.here, args);
        say(&network.there, HERE[0], client_hello());
        say(&network.there, HERE[1], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
        for (from, to) in [(THERE[0], HERE[0]), (THERE[1], HERE[1])] {
            Network::run_in(&network.there, move || {
                let socket = UdpSocket::bind((from, 0)).expect("a socket");
                let mut initial = vec![0xc3, 0, 0, 0, 1, 8];
                initial.resize(1200, 7);
                let send = |bytes: &[u8], port| {
                    socket.send_to(bytes, (to, port)).expect("a datagram can be sent");
                };
                // The second one is the first one sent again.
                send(&initial, PORT);
                send(&initial, PORT);
                for _ in 0..OTHERS {
                    send(&initial, PORT + 1);
                    send(b"hello", PORT);
                }
                // Of the connection once it is encrypted.
                initial[0] = 0x43;
                (0..OTHERS).for_each(|_| send(&initial, PORT));
            });
        }
        let recording = recorder.end();
        recording.ran.says("4 connections seen and not decoded (");
        for (protocol, expected) in [("TLS", 1), ("HTTP/2", 1), ("QUIC", 2)] {
            let pointer = format!("/connections/other/{}", protocol.replace('/', "~1"));
            assert_eq!(number(&recording.stats, &pointer), expected, "{protocol}: {:#}", recording.stats);
            recording.ran.says(protocol);
        }
        // Besides, IPv6 tells of its multicast groups when it likes, with extension headers that are looked through.
        assert!(number(&recording.stats, "/packets/not_tcp") >= 4, "{:#}", recording.stats);
        assert_reconciles(&recording, args[0]);
    }
}

/// A line protocol: the server says each line back, in capitals and in two writes.
fn shout(space: &str) {
    let listener =
        Network::run_in(space, || TcpListener::bind(("::", PORT)).expect("the port is free in there"));
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || {
                let mut output = stream.expect("a connection");
                let mut input = BufReader::new(output.try_clone().expect("a second handle"));
                let mut line = String::new();
                while input.read_line(&mut line).expect("text") > 0 {
                    let answer = line.to_uppercase();
                    let (first, rest) = answer.split_at(answer.len() / 2);
                    for part in [first, rest] {
                        output.write_all(part.as_bytes()).expect("the client reads");
                    }
                    line.clear();
                }
            });
        }
    });
}

#[test]
fn with_protocol_binary_a_message_is_what_one_side_says_until_the_other_answers() {
    let Some(network) = Network::new() else { return };
    shout(&network.here);
    let args = [":8080", "--responses", "--protocol", "binary", "--expire", "500ms"];
    for threads in ["1", "2"] {
        let recorder = Recorder::start(&network.here, &[&args[..], &["--threads", threads]].concat());
        let exchanges =
            [("PING\n", "PING\n"), ("get /x HTTP/1.1\n", "GET /X HTTP/1.1\n"), ("bye\n", "BYE\n")];
        Network::run_in(&network.there, move || {
            let mut output = TcpStream::connect((HERE[0], PORT)).expect("the server listens");
            let mut input = BufReader::new(output.try_clone().expect("a second handle"));
            for (line, expected) in exchanges {
                output.write_all(line.as_bytes()).expect("the server reads");
                let mut answer = String::new();
                input.read_line(&mut answer).expect("text");
                assert_eq!(answer, expected);
            }
        });
        let recording = recorder.end();
        let said = |is_asked: bool| -> Vec<_> {
            let of_kind = recording.records.iter().filter(|record| is_request(&record.header()) == is_asked);
            of_kind.map(|record| String::from_utf8(record.payload.clone()).expect("text")).collect()
        };
        assert_eq!(said(true), exchanges.map(|(line, _)| line), "{threads} threads");
        assert_eq!(said(false), exchanges.map(|(_, answer)| answer), "{threads} threads");
        for pair in recording.records.chunks(2) {
            assert_eq!(pair[0].header().id, pair[1].header().id, "{threads} threads");
        }
        assert_eq!(number(&recording.stats, "/connections/binary"), 1);
        assert_reconciles(&recording, "binary");
    }
}

/// Without an end of the connection or an answer, only the clock tells that a message is over.
#[test]
fn with_protocol_binary_a_side_that_is_quiet_has_said_a_message() {
    let Some(network) = Network::new() else { return };
    let listener = Network::run_in(&network.here, || TcpListener::bind(("::", PORT)).expect("a port"));
    let args = [":8080", "--protocol", "binary", "--expire", "300ms"];
    let mut recorder = Recorder::start_piped(&network.here, &args);
    let mut output = BufReader::new(recorder.child.0.stdout.take().expect("it is piped"));
    let mut stream = Network::run_in(&network.there, || TcpStream::connect((HERE[0], PORT)).expect("a port"));
    let _accepted = listener.accept().expect("a connection");
    for word in ["one", "two"] {
        stream.write_all(word.as_bytes()).expect("the server's buffer has room");
        let mut record = Vec::new();
        // Its separator ends with a line feed too.
        while !record.ends_with("🐵🙈🙉\n".as_bytes()) {
            let read = output.read_until(b'\n', &mut record).expect("a pipe");
            assert!(read > 0, "{}", String::from_utf8_lossy(&record));
        }
        let text = String::from_utf8(record).expect("text");
        assert!(text.starts_with("1 ") && text.contains(&format!("\n{word}\n")), "{text}");
    }
    recorder.signal(rustix::process::Signal::INT);
    assert!(recorder.child.0.wait().expect("it can be waited for").success());
}

#[test]
fn the_clients_address_goes_into_the_field_that_is_asked_for() {
    let Some(network) = Network::new() else { return };
    let _served = Network::serve(&network.here);
    for threads in ["1", "2"] {
        let args = [":8080", "--real-ip-header", "X-Real-IP", "--threads", threads];
        let recorder = Recorder::start(&network.here, &args);
        for host in HERE {
            Network::get(&network.there, host, &["/a/1".to_owned(), "/b/1".to_owned()]);
        }
        Network::get(&network.here, "127.0.0.1", &["/c/1".to_owned()]);
        let recording = recorder.end();
        let fields: Vec<_> = recording
            .records
            .iter()
            .map(|record| {
                let text = String::from_utf8(record.payload.clone()).expect("text");
                assert!(text.ends_with("\r\n\r\n"), "{text}");
                let field = text.lines().find_map(|line| line.strip_prefix("X-Real-IP: ")).expect("a field");
                field.to_owned()
            })
            .collect();
        assert_eq!(fields, [THERE[0], THERE[0], THERE[1], THERE[1], "127.0.0.1"], "{threads} threads");
        assert_reconciles(&recording, "real ip");
    }
}
