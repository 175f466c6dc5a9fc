//! What a worker makes of bytes that were there before its request, which only a stopped worker can tell for sure.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use super::{ClientConnection, Phase, ReplayWorker, RequestBatch, WorkerOptions};
use crate::record::{Block, Header, Kind};
use crate::replay::addresses::{Addresses, ServerAddress};
use crate::replay::clock;
use crate::replay::ending::Ending;
use crate::replay::failure::FailureReason;
use crate::replay::request::Editor;
use crate::replay::schedule::ScheduledRequest;
use crate::replay::settings::SessionMode;
use crate::replay::transport::Moved;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A worker that nobody runs, and whom it connects to.
fn worker() -> (ReplayWorker, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let options = WorkerOptions {
        addresses: Addresses::new(vec![ServerAddress::Ip(listener.local_addr().unwrap())]),
        new_addresses: crate::replay::resolver::NewAddresses::default(),
        tls: None,
        editor: Editor::new(&"some.example".parse().unwrap(), true),
        timeout: Duration::from_mins(1),
        sessions: SessionMode::Off,
        min_connections: 0,
        idle_timeout: Duration::from_mins(1),
        is_precise: false,
        response_buffer: 0,
        sends_marked: false,
        redirects: 0,
        tls_options: crate::tls::TlsOptions::default(),
        keeps_cookies: false,
        queue: crate::replay::queue::QUEUE,
        connections: 4,
        descriptors: None,
        is_closed_loop: false,
        output: None,
        documents: None,
        ending: Ending::default(),
        own: crate::replay::own::Own::default(),
        ends: None,
        threads: 1,
        progress: Arc::default(),
        is_watched: false,
        settles: false,
        is_continued: false,
        measured: None,
    };
    let (_, intake) = sync_channel(1);
    (ReplayWorker::new(options, intake).unwrap().0, listener)
}

/// Gives the worker requests that are due.
fn give(worker: &mut ReplayWorker, method: &str, count: u32) {
    let mut block = Block::new();
    for _ in 0..count {
        let header = Header { kind: Kind::Request, id: b"a1", ..Header::default() };
        block
            .push(&header, format!("{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").as_bytes());
    }
    let due = clock::now();
    let entries =
        (0..count).map(|record| ScheduledRequest { due, record, ..ScheduledRequest::default() }).collect();
    worker.queue.push(Arc::new(RequestBatch {
        blocks: vec![Arc::new(block)],
        entries,
        ..RequestBatch::default()
    }));
}

/// Takes a connection and says this at once; comes back when it has reached the worker's socket.
fn accept_and_say(listener: &TcpListener, bytes: &[u8], connection: &mut ClientConnection) -> TcpStream {
    let mut stream = listener.accept().unwrap().0;
    say(&mut stream, bytes, connection);
    stream
}

fn say(stream: &mut TcpStream, bytes: &[u8], connection: &mut ClientConnection) {
    stream.write_all(bytes).unwrap();
    while !matches!(connection.peek(&mut [0; 4096]), Moved::Bytes(length) if length == bytes.len()) {
        std::thread::yield_now();
    }
}

/// Has the worker read what is there.
fn read(worker: &mut ReplayWorker, slot: usize) {
    worker.note(slot, true, false);
    worker.attend(slot);
}

/// The request that comes; none when the connection is closed, or reset as something was not read of it.
fn receive(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = vec![0; 4096];
    let length = match stream.read(&mut bytes) {
        Err(error) if error.kind() == ErrorKind::ConnectionReset => 0,
        length => length.unwrap(),
    };
    bytes.truncate(length);
    bytes
}

#[test]
fn a_request_goes_elsewhere_when_the_connection_begins_with_an_answer() {
    for early in [
        OK,
        b"\r\nHTTP/1.0 304 Not Modified\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 2",
        b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 503 X\r\n\r\n",
    ] {
        let (mut worker, listener) = worker();
        give(&mut worker, "POST", 1);
        worker.connects_left = 4;
        worker.dispatch();
        let mut first = accept_and_say(&listener, early, &mut worker.connections[0]);
        worker.attend(0);
        let shown = early.escape_ascii();
        assert_eq!(worker.connections[0].phase, Phase::Connecting, "{shown}");
        assert!(receive(&mut first).is_empty(), "{shown}: nothing was sent");
        assert_eq!((worker.tally.sent, worker.tally.answered), (0, 0), "{shown}");

        let mut second = listener.accept().unwrap().0;
        worker.attend(0);
        assert!(receive(&mut second).starts_with(b"POST / "), "{shown}");
        say(&mut second, b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", &mut worker.connections[0]);
        read(&mut worker, 0);
        assert_eq!((worker.tally.sent, worker.tally.answered), (1, 1), "{shown}");
        assert_eq!((worker.tally.statuses[201], worker.tally.answered_unasked), (1, 1), "{shown}");
        assert!(!worker.tally.has_failures());
        let words = "1 connection began with an answer that nothing asked for: not used";
        assert_eq!(worker.tally.unasked().collect::<Vec<_>>(), [words]);
    }
}

#[test]
fn a_request_fails_when_the_next_connection_begins_with_an_answer_too() {
    let (mut worker, listener) = worker();
    give(&mut worker, "GET", 1);
    worker.connects_left = 4;
    worker.dispatch();
    let _first = accept_and_say(&listener, OK, &mut worker.connections[0]);
    worker.attend(0);
    assert_eq!(worker.connections[0].phase, Phase::Connecting, "it goes elsewhere");
    let _second = accept_and_say(&listener, OK, &mut worker.connections[0]);
    worker.attend(0);
    assert_eq!(worker.connections[0].phase, Phase::Vacant);
    let failure = worker.tally.not_sent.of(FailureReason::Unasked);
    assert_eq!((failure.number, worker.tally.not_sent.total()), (1, 1));
    assert!(failure.first.starts_with("GET / (record a1): 127.0.0.1:"), "{}", failure.first);
    assert_eq!((worker.tally.sent, worker.tally.answered, worker.tally.answered_unasked), (0, 0, 2));
}

#[test]
fn a_refusal_of_the_connection_is_the_answer_and_its_last() {
    for status in [408, 429, 503] {
        let (mut worker, listener) = worker();
        give(&mut worker, "GET", 1);
        worker.connects_left = 4;
        worker.dispatch();
        let refusal = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n");
        let _stream = accept_and_say(&listener, refusal.as_bytes(), &mut worker.connections[0]);
        read(&mut worker, 0);
        assert_eq!((worker.tally.answered, worker.tally.statuses[status]), (1, 1));
        assert_eq!(worker.connections[0].phase, Phase::Vacant, "it is not used again");
    }
}

#[test]
fn an_answer_that_began_before_its_request_is_none() {
    let (mut worker, listener) = worker();
    give(&mut worker, "GET", 1);
    worker.connects_left = 4;
    worker.dispatch();
    let mut stream = accept_and_say(&listener, &OK[..9], &mut worker.connections[0]);
    worker.attend(0);
    assert_eq!(worker.tally.sent, 1, "its status may yet be a refusal");
    stream.write_all(&OK[9..]).unwrap();
    while worker.connections[0].phase == Phase::Busy {
        read(&mut worker, 0);
    }
    assert_eq!((worker.tally.answered, worker.tally.failed.of(FailureReason::Unasked).number), (0, 1));
}

#[test]
fn what_came_on_an_idle_connection_is_not_taken_for_the_next_answer() {
    for (method, late, surplus) in [
        ("GET", OK, 1),
        ("POST", OK, 1),
        ("GET", b"x", 1),
        // A server's farewell, which answers nothing.
        ("GET", b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n", 0),
    ] {
        let (mut worker, listener) = worker();
        give(&mut worker, method, 1);
        worker.connects_left = 4;
        worker.dispatch();
        let mut first = listener.accept().unwrap().0;
        worker.attend(0);
        receive(&mut first);
        say(&mut first, OK, &mut worker.connections[0]);
        read(&mut worker, 0);
        assert_eq!((worker.connections[0].phase, worker.tally.answered), (Phase::Idle, 1));
        // No event has told of it when the next request is due.
        say(&mut first, late, &mut worker.connections[0]);
        give(&mut worker, method, 1);
        worker.dispatch();
        assert_eq!(worker.connections[0].phase, Phase::Connecting, "{method}: a new connection");
        let mut second = listener.accept().unwrap().0;
        worker.attend(0);
        assert!(!receive(&mut second).is_empty(), "{method}");
        assert!(receive(&mut first).is_empty(), "{method}: sent on the first connection");
        assert_eq!((worker.tally.sent, worker.tally.surplus.number), (2, surplus), "{method}");
    }
}

#[test]
fn what_came_after_the_last_answer_is_told_at_the_end() {
    let (mut worker, listener) = worker();
    give(&mut worker, "GET", 1);
    worker.connects_left = 4;
    worker.dispatch();
    let mut stream = listener.accept().unwrap().0;
    worker.attend(0);
    say(&mut stream, OK, &mut worker.connections[0]);
    read(&mut worker, 0);
    assert_eq!(worker.tally.unasked().count(), 0);
    say(&mut stream, OK, &mut worker.connections[0]);
    worker.is_exhausted = true;
    let tally = worker.run().unwrap();
    let words = "1 response was followed by bytes that nothing asked for; the first to GET / (record a1)";
    assert_eq!(tally.unasked().collect::<Vec<_>>(), [words]);
}
