//! `gor-replay` to servers that speak no HTTP, and cookies of those that do.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::support::origin::{Answer, Origin, Received};
use crate::support::replayer::{MILLISECOND, assert_exit, assert_says, good, record, replay};

/// What a server heard, a list for each connection.
type Heard = Arc<Mutex<Vec<Vec<u8>>>>;

/// A server of a line protocol: greets, and answers each line with what `answer` gives, in pieces.
fn line_server(greeting: &'static str, answer: fn(&str) -> Vec<&'static str>) -> (SocketAddr, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let heard = Heard::default();
    let all = Arc::clone(&heard);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let all = Arc::clone(&all);
            thread::spawn(move || serve(stream, greeting, answer, &all));
        }
    });
    (address, heard)
}

fn serve(mut stream: TcpStream, greeting: &str, answer: fn(&str) -> Vec<&'static str>, all: &Heard) {
    let number = {
        let mut all = all.lock().unwrap();
        all.push(Vec::new());
        all.len() - 1
    };
    // A client that has gone ends it.
    let _ = stream.write_all(greeting.as_bytes());
    let mut line = Vec::new();
    let mut byte = [0];
    while let Ok(1) = stream.read(&mut byte) {
        all.lock().unwrap()[number].push(byte[0]);
        line.push(byte[0]);
        if byte[0] == b'\n' {
            for piece in answer(&String::from_utf8_lossy(&std::mem::take(&mut line))) {
                let _ = stream.write_all(piece.as_bytes());
                thread::sleep(Duration::from_millis(10));
            }
        }
    }
}

fn say(connection: u16, acknowledged: u32, at: i64, text: &[u8]) -> Vec<u8> {
    record(1, &format!("{connection:04x}1f900a000002{acknowledged:08x}"), at * MILLISECOND, text)
}

/// Payloads of records of kind 3, with the ids' last digits, sorted.
fn answers(output: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(output);
    let mut found: Vec<(String, String)> = text
        .split("\n🐵🙈🙉\n")
        .filter_map(|record| record.split_once('\n'))
        .filter(|(header, _)| header.starts_with("3 "))
        .map(|(header, payload)| {
            let id = header.split(' ').nth(1).unwrap_or_default();
            (format!("{}-{}", &id[..4], &id[20..]), payload.to_owned())
        })
        .collect();
    found.sort();
    found
}

fn echo(line: &str) -> Vec<&'static str> {
    match line {
        "PING\n" => vec!["PONG\n"],
        "LONG\n" => vec!["one ", "two ", "three\n"],
        _ => vec![],
    }
}

#[test]
fn bytes_go_out_as_recorded_on_a_connection_for_each_recorded_one() {
    let (address, heard) = line_server("", echo);
    let input = [
        say(1, 100, 0, b"PING\n"),
        say(2, 100, 5, b"LONG\n"),
        say(1, 200, 100, b"LONG\n"),
        say(2, 200, 600, b"\x00\xffPING\nPING\n"),
    ]
    .concat();
    let output = replay(&["-o", "-", &format!("tcp://{address}")], &input);
    let said = assert_exit(&output, 0);
    assert_says(&said, "answered    4\n");
    let mut heard = heard.lock().unwrap().clone();
    heard.sort();
    assert_eq!(heard, [b"LONG\n\x00\xffPING\nPING\n".to_vec(), b"PING\nLONG\n".to_vec()]);
    let expected = [
        ("0001-0064", "PONG\n"),
        ("0001-00c8", "one two three\n"),
        ("0002-0064", "one two three\n"),
        ("0002-00c8", "PONG\n"),
    ];
    assert_eq!(answers(&output.stdout), expected.map(|(id, text)| (id.to_owned(), text.to_owned())));
}

#[test]
fn the_next_request_ends_an_answer_and_is_on_time() {
    let (address, _) = line_server("", echo);
    // Each 20 ms, far less than the silence that ends an answer otherwise.
    let input: Vec<u8> =
        (0..20).flat_map(|number| say(1, number, i64::from(number) * 20, b"PING\n")).collect();
    let json = tempfile::NamedTempFile::new().expect("a file");
    let path = json.path().display().to_string();
    let output = replay(&["-o", "-", "--stats-json", &path, &format!("tcp://{address}")], &input);
    assert_exit(&output, 0);
    let found = answers(&output.stdout);
    assert_eq!(found.len(), 20);
    assert!(found.iter().all(|(_, text)| text == "PONG\n"), "{found:?}");
    let stats: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&path).expect("JSON")).expect("JSON");
    assert_eq!(stats["targets"][0]["connections"], 1);
}

#[test]
fn a_server_that_speaks_first_and_one_that_keeps_silent() {
    let (address, heard) = line_server("220 ready\n", echo);
    let output = replay(&[&format!("tcp://{address}")], &say(1, 1, 0, b"PING\n"));
    assert_exit(&output, 0);
    assert_eq!(heard.lock().unwrap()[0], b"PING\n");

    let (address, _) = line_server("", |_| vec![]);
    let output = replay(&["--timeout", "300ms", &format!("tcp://{address}")], &say(1, 1, 0, b"PING\n"));
    assert_says(&assert_exit(&output, 1), "no whole answer within the timeout");
}

#[test]
fn cookies_beyond_a_limit_are_not_kept_and_counted() {
    let conduct = |request: &Received| match &request.line()[..] {
        "GET /set" => {
            let many: Vec<_> =
                (0..200).map(|number| format!("Set-Cookie: c{number}=1; Path=/\r\n")).collect();
            let many = many.concat();
            let long = "x".repeat(4096);
            let head = format!("{many}Set-Cookie: long={long}; Path=/\r\nContent-Length: 0\r\n");
            Answer::Send(format!("HTTP/1.1 200 OK\r\n{head}\r\n").into_bytes())
        }
        _ => good(request),
    };
    let origin = Origin::start(conduct);
    let target = origin.address().to_string();
    let get = |acknowledged: u32, at: i64, path: &str| {
        say(1, acknowledged, at, format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes())
    };
    let input = [get(1, 0, "/set"), get(2, 100, "/then")].concat();
    let said = assert_exit(&replay(&["--sessions", "--cookies", &target], &input), 0);
    assert_says(
        &said,
        "cookies     1 not kept, of more than 4096 bytes; the first in the response to GET /set",
    );
    assert_says(&said, "cookies     20 dropped to bound memory");
    let sent = String::from_utf8_lossy(&origin.received()[1].bytes).into_owned();
    assert!(sent.contains("Cookie: c20=1; ") && !sent.contains("long="), "{sent}");
}

#[test]
fn cookies_of_the_target_take_the_place_of_recorded_ones() {
    let conduct = |request: &Received| match &request.line()[..] {
        "GET /login" => {
            let number = request.client;
            Answer::Send(
                format!(
                    "HTTP/1.1 200 OK\r\nSet-Cookie: sid=new{number}; Path=/\r\nContent-Length: 0\r\n\r\n"
                )
                .into_bytes(),
            )
        }
        _ => good(request),
    };
    let origin = Origin::start(conduct);
    let target = origin.address().to_string();
    let get = |connection: u16, acknowledged: u32, at: i64, path: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nCookie: sid=old; a=b\r\n\r\n");
        say(connection, acknowledged, at, request.as_bytes())
    };
    let input = [
        get(1, 1, 0, "/login"),
        get(2, 1, 1, "/login"),
        get(1, 2, 100, "/cart"),
        get(2, 2, 101, "/cart"),
        get(3, 1, 102, "/cart"),
    ]
    .concat();
    assert_exit(&replay(&["--sessions", "--cookies", &target], &input), 0);
    let sent = |request: &Received| {
        let text = String::from_utf8_lossy(&request.bytes).into_owned();
        text.lines().find_map(|line| line.strip_prefix("Cookie: ")).unwrap_or_default().to_owned()
    };
    for request in origin.received() {
        let logged_in = origin.received().iter().any(|other| {
            other.client == request.client && other.number < request.number && other.line() == "GET /login"
        });
        let expected =
            if logged_in { format!("sid=new{}; a=b", request.client) } else { "sid=old; a=b".to_owned() };
        assert_eq!(sent(&request), expected, "{}", request.line());
    }
    assert_eq!(origin.received().len(), 5);
    assert_exit(&replay(&["--cookies", &target], b""), 2);
}
