//! Records that are sent over `ws://` to receivers that fail, and to and from an implementation of others.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;

use tungstenite::protocol::WebSocketConfig;
use tungstenite::protocol::frame::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Message, accept, accept_with_config};

use crate::support::clients::node_websockets;
use crate::support::program::{Ran, command};
use crate::support::receiver::{Receiver, request, requests, send};
use crate::support::recorder::records;

/// Messages of a sender until it ends, which is answered.
fn messages(listener: &TcpListener) -> Vec<u8> {
    let (stream, _) = listener.accept().expect("a sender");
    let mut socket = accept(stream).expect("a handshake");
    let mut text = Vec::new();
    loop {
        match socket.read() {
            Ok(Message::Binary(bytes)) => text.extend(bytes),
            Ok(_) => {}
            Err(tungstenite::Error::ConnectionClosed) => return text,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_receiver_that_comes_back_gets_the_record_that_broke_whole() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let place = format!("ws://{}", listener.local_addr().expect("an address"));
    let mut child = command("gor-filter", &["-o", &place])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut input = child.stdin.take().expect("it is piped");
    let (stream, _) = listener.accept().expect("a sender");
    let mut first = accept(stream).expect("a handshake");
    input.write_all(request(1, 0, 10).as_bytes()).expect("it reads");
    let record = first.read().expect("the first record").into_data();
    assert!(record == request(1, 0, 10).as_bytes());
    // While there is nothing to send, it answers all the same.
    first.send(Message::Ping("there?".into())).expect("sent");
    assert_eq!(first.read().expect("an answer"), Message::Pong("there?".into()));
    // The first receiver goes while a long record comes.
    let long = request(1, 1, 20_000_000);
    let feeding = thread::spawn(move || {
        input.write_all(long.as_bytes()).expect("it reads");
        input.write_all(requests(2, 5).as_bytes()).expect("it reads");
    });
    first.get_mut().read_exact(&mut vec![0; 1_000_000]).expect("a part of it");
    drop(first);
    let text = messages(&listener);
    feeding.join().expect("it ends");
    let expected = request(1, 1, 20_000_000) + &requests(2, 5);
    assert!(text == expected.as_bytes(), "{} bytes for {}", text.len(), expected.len());
    // Nobody knows what the first one did with what it had.
    let ran = Ran::new("gor-filter", &["-o", &place], child.wait_with_output().expect("it ends"));
    ran.ends_with(1).says("the connection was lost").says("some of them may be missing");
}

#[test]
fn a_killed_receiver_is_followed_by_the_next_one() {
    let mut receiver = Receiver::start("ws://127.0.0.1:0", &[]);
    let place = receiver.place("ws");
    let mut child = command("gor-filter", &["-o", &place, "--flush-interval", "10ms"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut input = child.stdin.take().expect("it is piped");
    input.write_all(request(1, 0, 10).as_bytes()).expect("it reads");
    let mut said = BufReader::new(child.stderr.take().expect("it is piped"));
    // It has written what it got.
    receiver.wait_until_it_has_written(1);
    receiver.child.kill().expect("it runs");
    receiver.child.wait().expect("it can be waited for");
    let next = Receiver::start(&place, &[]);
    input.write_all(requests(2, 5).as_bytes()).expect("it reads");
    drop(input);
    let mut text = String::new();
    said.read_to_string(&mut text).expect("text");
    assert_eq!(child.wait().expect("it ends").code(), Some(1), "{text}");
    assert!(text.contains("the connection was lost"), "{text}");
    let (text, said) = next.end(0);
    assert!(text == requests(2, 5).as_bytes(), "{said}");
}

#[test]
fn a_record_that_the_receiver_does_not_take_is_left_out_and_told() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let place = format!("ws://{}", listener.local_addr().expect("an address"));
    let (sender, ends) = channel();
    let receiving = thread::spawn(move || {
        let mut text = Vec::new();
        while ends.try_recv().is_err() {
            let (stream, _) = listener.accept().expect("a sender");
            let config = WebSocketConfig::default().max_message_size(Some(1_000_000));
            let Ok(mut socket) = accept_with_config(stream, Some(config)) else { continue };
            let error = loop {
                match socket.read() {
                    Ok(Message::Binary(bytes)) => text.extend(bytes),
                    Ok(_) => {}
                    Err(error) => break error,
                }
            };
            if let tungstenite::Error::Capacity(_) = error {
                let _ = socket.close(Some(CloseFrame { code: CloseCode::Size, reason: "too long".into() }));
                // Its close frame is to arrive, so all that is on its way is read.
                let _ = std::io::copy(socket.get_mut(), &mut std::io::sink());
            }
        }
        text
    });
    let input = request(1, 0, 10) + &request(1, 1, 30_000_000) + &requests(2, 5);
    let ran = send(&place, &[], &input);
    sender.send(()).expect("it waits");
    let _ = std::net::TcpStream::connect(place.trim_start_matches("ws://"));
    ran.ends_with(1).says("is too long for the receiver, and left out").says("some of them may be missing");
    let text = receiving.join().expect("it ends");
    assert!(text == (request(1, 0, 10) + &requests(2, 5)).as_bytes(), "{} records", records(&text).len());
}

#[test]
fn a_receiver_that_does_not_take_all_has_not_confirmed_it() {
    for (answer, said) in [(Some(CloseCode::Error), "code 1011"), (None, "did not confirm the end")] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let place = format!("ws://{}", listener.local_addr().expect("an address"));
        let receiving = thread::spawn(move || {
            let (stream, _) = listener.accept().expect("a sender");
            let mut socket = accept(stream).expect("a handshake");
            assert!(socket.read().expect("a record").is_binary());
            if let Some(code) = answer {
                let _ = socket.close(Some(CloseFrame { code, reason: "".into() }));
                let _ = std::io::copy(socket.get_mut(), &mut std::io::sink());
            }
        });
        send(&place, &[], &request(1, 0, 10)).ends_with(1).says(said);
        receiving.join().expect("it ends");
    }
}

/// Receives, and tells what as soon as a sender has ended; then sends it all to the address that it is told.
const PEER: &str = r"
const { WebSocket, WebSocketServer } = require('ws');
const server = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: names => names.has('records') && 'records' });
server.on('listening', () => console.log(server.address().port));
server.on('connection', (socket, request) => {
    const messages = [];
    socket.on('message', (data, isBinary) => messages.push([data, isBinary]));
    socket.on('close', code => {
        console.log(JSON.stringify({ code, number: messages.length, binary: messages.every(([, binary]) => binary),
            login: Buffer.from(request.headers.authorization.slice(6), 'base64').toString(), path: request.url }));
        process.stdin.once('data', line => {
            const sender = new WebSocket(line.toString().trim(), ['records']);
            sender.on('open', () => {
                messages.forEach(([data], at) => at % 2 ? sender.send(data) : sender.send(data.toString('latin1') === data.toString() ? data.toString() : data));
                sender.close(1000);
            });
            sender.on('close', code => { console.log(code, sender.protocol); process.exit(0); });
        });
    });
});
";

#[test]
fn what_node_receives_and_sends_is_what_was_sent() {
    let Some(folder) = node_websockets(PEER) else { return };
    let mut child = Command::new("node")
        .arg("peer.js")
        .current_dir(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("npm came with node");
    let mut said = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let mut next = || said.next().expect("a line").expect("text");
    let port = next();
    let recorded = crate::support::program::run("gor-record", &["-r", "testdata/shop.pcapng"], b"").stdout;
    let input = String::from_utf8(recorded).expect("text") + &request(1, 0, 300_000) + &requests(2, 50);
    let place = format!("ws://me:word@127.0.0.1:{port}/in?a=b");
    send(&place, &["--ws-protocol", "records"], &input).ends_with(0).is_silent();
    let number = records(input.as_bytes()).len();
    let expected =
        format!(r#"{{"code":1000,"number":{number},"binary":true,"login":"me:word","path":"/in?a=b"}}"#);
    assert_eq!(next(), expected);
    let receiver = Receiver::start("ws://you:word@127.0.0.1:0", &["--ws-protocol", "records"]);
    let place = format!("ws://you:word@{}/\n", receiver.address);
    child.stdin.take().expect("it is piped").write_all(place.as_bytes()).expect("it reads");
    assert_eq!(next(), "1000 records");
    child.wait().expect("it ends");
    let (text, said) = receiver.end(0);
    assert!(text == input.as_bytes(), "{} for {}: {said}", text.len(), input.len());
}
