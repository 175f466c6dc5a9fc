//! Records over the network: `tcp://` and `tls://` as inputs and outputs.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::front::Certificates;
use crate::support::origin::Origin;
use crate::support::program::{Ran, command, run};
use crate::support::receiver::{Receiver, SEPARATOR, request, requests, send};
use crate::support::recorder::records;
use crate::support::replayer::good;

#[test]
fn what_is_on_the_wire_is_the_text_and_nothing_else() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let place = format!("tcp://{}", listener.local_addr().expect("an address"));
    let receiving = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a sender");
        let mut text = Vec::new();
        stream.read_to_end(&mut text).expect("it ends");
        text
    });
    let input = [request(1, 0, 0), request(1, 1, 1_000_000), request(2, 2, 3)].concat();
    send(&place, &[], &input).ends_with(0).is_silent();
    assert!(receiving.join().expect("it ends") == input.as_bytes());

    // And the other way round: whoever sends this text is understood.
    let receiver = Receiver::start("tcp://127.0.0.1:0", &[]);
    TcpStream::connect(receiver.address)
        .and_then(|mut stream| stream.write_all(input.as_bytes()))
        .expect("sent");
    // What was sent before an end of its own is taken.
    send(&receiver.place("tcp"), &[], &requests(3, 1)).ends_with(0);
    let (text, _) = receiver.end(0);
    assert_eq!(text.len(), input.len() + requests(3, 1).len());
}

#[test]
fn many_senders_are_heard_at_once_and_each_keeps_its_order() {
    let receiver = Receiver::start("tcp://127.0.0.1:0", &[]);
    let place = receiver.place("tcp");
    let senders = (0..12_u16).map(|client| {
        let place = place.clone();
        thread::spawn(move || {
            send(&place, &[], &requests(client, 300)).ends_with(0).is_silent().stderr.clone()
        })
    });
    let senders: Vec<_> = senders.collect();
    for sender in senders {
        sender.join().expect("it ends");
    }
    let (text, _) = receiver.end(0);
    let all = String::from_utf8(text).expect("text");
    assert_eq!(all.matches(SEPARATOR).count(), 12 * 300);
    for client in 0..12 {
        let of_it: String = records(all.as_bytes())
            .iter()
            .filter(|record| record.id.starts_with(format!("{client:04x}").as_bytes()))
            .map(|record| String::from_utf8_lossy(&record.payload).into_owned() + "\n")
            .collect();
        let expected: String = records(requests(client, 300).as_bytes())
            .iter()
            .map(|record| String::from_utf8_lossy(&record.payload).into_owned() + "\n")
            .collect();
        assert!(of_it == expected, "client {client}");
    }
}

#[test]
fn half_a_record_is_left_out_and_told_and_garbage_is_cut_off() {
    let mut receiver = Receiver::start("tcp://127.0.0.1:0", &[]);
    let connect = || TcpStream::connect(receiver.address).expect("it listens");
    let (mut half, mut garbage, mut fine) = (connect(), connect(), connect());
    fine.write_all(requests(1, 2).as_bytes()).expect("sent");
    let text = requests(2, 3);
    half.write_all(&text.as_bytes()[..text.len() - 20]).expect("sent");
    drop(half);
    garbage.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
    let mut answer = Vec::new();
    // It is closed, and gets no answer.
    assert_eq!(garbage.read_to_end(&mut answer).unwrap_or_default(), 0);
    receiver.wait_until_it_says("ended inside a record");
    receiver.wait_until_it_says("it sends no records, but an HTTP request without a record header");
    fine.write_all(request(1, 2, 10).as_bytes()).expect("it goes on");
    drop(fine);
    send(&receiver.place("tcp"), &[], &requests(3, 1)).ends_with(0);
    let (text, said) = receiver.end(1);
    let ids: Vec<_> = records(&text)
        .iter()
        .map(|record| String::from_utf8_lossy(&record.payload[6..10]).into_owned())
        .collect();
    let mut of_each: Vec<_> = ids.iter().map(String::as_str).collect();
    of_each.sort_unstable();
    assert_eq!(of_each, ["1/0 ", "1/1 ", "1/2 ", "2/0 ", "2/1 ", "3/0 "], "{said}");
    assert!(said.contains("2 of"), "{said}");
}

#[test]
fn records_of_a_sender_that_are_lost_are_an_error() {
    let receiver = Receiver::start("tcp://127.0.0.1:0", &["--max-record", "1kB"]);
    let input = [request(1, 0, 10), request(1, 1, 3000), request(1, 2, 10)].concat();
    send(&receiver.place("tcp"), &[], &input).ends_with(0);
    let (text, said) = receiver.end(1);
    assert_eq!(records(&text).len(), 2, "{said}");
    assert!(said.contains("--max-record"), "{said}");
    // A header that is none costs the records after it nothing.
    let receiver = Receiver::start("tcp://127.0.0.1:0", &[]);
    let text =
        [&request(1, 0, 10), "1 no header\nGET / HTTP/1.1\r\n\r\n", SEPARATOR, &request(1, 1, 10)].concat();
    TcpStream::connect(receiver.address)
        .and_then(|mut stream| stream.write_all(text.as_bytes()))
        .expect("sent");
    send(&receiver.place("tcp"), &[], &request(2, 0, 10)).ends_with(0);
    let (text, said) = receiver.end(0);
    assert_eq!(records(&text).len(), 3, "{said}");
    assert!(said.contains("it is skipped"), "{said}");
}

#[test]
fn a_receiver_that_comes_back_gets_the_record_that_broke_whole() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let place = format!("tcp://{}", listener.local_addr().expect("an address"));
    let mut child = command("gor-filter", &["-o", &place])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut input = child.stdin.take().expect("it is piped");
    let (mut first, _) = listener.accept().expect("a sender");
    input.write_all(request(1, 0, 10).as_bytes()).expect("it reads");
    let mut text = vec![0; request(1, 0, 10).len()];
    first.read_exact(&mut text).expect("the first record");
    // The first receiver goes while a long record comes.
    let long = request(1, 1, 20_000_000);
    let feeding = thread::spawn(move || {
        input.write_all(long.as_bytes()).expect("it reads");
        input.write_all(requests(2, 5).as_bytes()).expect("it reads");
    });
    let mut some = vec![0; 1_000_000];
    first.read_exact(&mut some).expect("a part of it");
    drop(first);
    let (mut second, _) = listener.accept().expect("the sender comes again");
    let mut text = Vec::new();
    second.read_to_end(&mut text).expect("it ends");
    drop(second);
    feeding.join().expect("it ends");
    let expected = request(1, 1, 20_000_000) + &requests(2, 5);
    assert!(text == expected.as_bytes(), "{} bytes for {}", text.len(), expected.len());
    // Nobody knows what the first one did with what it had.
    let ran = Ran::new("gor-filter", &["-o", &place], child.wait_with_output().expect("it ends"));
    ran.ends_with(1).says("the connection was lost").says("some of them may be missing");
}

#[test]
fn what_cannot_be_delivered_is_an_error() {
    let nobody = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port");
    send(&format!("tcp://{nobody}"), &[], &requests(1, 1))
        .ends_with(1)
        .says(&format!("tcp://{nobody}: Connection refused"));
    send("tcp://no-such-host.invalid:1", &[], "").ends_with(1).says("tcp://no-such-host.invalid:1: ");
    for place in ["tcp://host", "tls://:x", "tcp://a/b:1"] {
        send(place, &[], "").ends_with(2).says("expected tcp://HOST:PORT");
        run("gor-filter", &[place], b"").ends_with(2).says("expected tcp://HOST:PORT");
    }
    // Where somebody listens already.
    let busy = TcpListener::bind("127.0.0.1:0").expect("a port");
    let place = format!("tcp://{}", busy.local_addr().expect("an address"));
    run("gor-filter", &[&place], b"").ends_with(1).says(&place).says("in use");

    // One that takes the records and never ends the connection has not confirmed them.
    let taking = thread::spawn(move || {
        let (mut stream, _) = busy.accept().expect("a sender");
        let mut text = Vec::new();
        stream.read_to_end(&mut text).expect("it ends");
        thread::sleep(Duration::from_secs(12));
    });
    let begun = Instant::now();
    send(&place, &[], &requests(1, 1)).ends_with(1).says("did not confirm the end");
    assert!(begun.elapsed() < Duration::from_mins(1));
    taking.join().expect("it ends");
}

#[test]
fn a_receiver_that_takes_a_part_only_has_not_confirmed_the_rest() {
    let certificates = Certificates::new();
    certificates.make("server", &["127.0.0.1"]);
    let name = |name: &str| certificates.path(name).display().to_string();
    let (ca, cert, key) = (certificates.ca(), name("server.pem"), name("server.key"));
    let serving = ["--tls-cert", &cert, "--tls-key", &key];
    for (scheme, serving, trusting) in [("tcp", &[][..], &[][..]), ("tls", &serving, &["--ca-cert", &ca])] {
        let place = format!("{scheme}://127.0.0.1:0");
        let receiver = Receiver::start(&place, &[serving, &["--limit", "10"]].concat());
        let place = receiver.place(scheme);
        let mut sender = command("gor-filter", &[&["-o", &place][..], trusting].concat())
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut input = sender.stdin.take().expect("it is piped");
        // Sent at once, and read by the receiver at once: there is nothing that is not acknowledged.
        input.write_all(requests(1, 100).as_bytes()).expect("it reads");
        let (text, said) = receiver.ended(0);
        assert_eq!(records(&text).len(), 10, "{said}");
        drop(input);
        let ran = Ran::new("gor-filter", &["-o", &place], sender.wait_with_output().expect("it ends"));
        ran.ends_with(1).says("missing");
    }
}

#[test]
fn certificates_are_checked_on_both_sides() {
    let certificates = Certificates::new();
    let name = |name: &str| certificates.path(name).display().to_string();
    for (made, host) in [("server", "localhost"), ("client", "somebody"), ("elsewhere", "elsewhere.example")]
    {
        certificates.make(made, &[host]);
    }
    let (ca, cert, key) = (certificates.ca(), name("server.pem"), name("server.key"));
    let others = Certificates::new();
    let serving = ["--tls-cert", &cert, "--tls-key", &key];
    let input = requests(1, 50);

    let receiver = Receiver::start("tls://127.0.0.1:0", &serving);
    let place = format!("tls://localhost:{}", receiver.address.port());
    send(&place, &["--ca-cert", &ca], &input).ends_with(0).is_silent();
    send(&place, &["--skip-verify"], &input).ends_with(0).is_silent();
    send(&place, &["--ca-cert", &others.ca()], &input).ends_with(1).says("invalid peer certificate");
    send(&receiver.place("tls"), &["--ca-cert", &ca], &input).ends_with(1).says(&receiver.place("tls"));
    // Without TLS nothing is understood.
    let mut plain = TcpStream::connect(receiver.address).expect("it listens");
    plain.write_all(input.as_bytes()).expect("sent");
    let _ = plain.read_to_end(&mut Vec::new());
    let (text, said) = receiver.end(1);
    assert_eq!(text.len(), 2 * input.len(), "{said}");

    let mutual = [&serving[..], &["--client-ca", &ca]].concat();
    let receiver = Receiver::start("tls://127.0.0.1:0", &mutual);
    let place = format!("tls://localhost:{}", receiver.address.port());
    let own = [name("client.pem"), name("client.key")];
    send(&place, &["--ca-cert", &ca, "--client-cert", &own[0], "--client-key", &own[1]], &input).ends_with(0);
    send(&place, &["--ca-cert", &ca], &input).ends_with(1);
    let (text, said) = receiver.end(1);
    assert!(text == input.as_bytes(), "{said}");

    run("gor-filter", &["tls://127.0.0.1:0"], b"").ends_with(2).says("give --tls-cert and --tls-key");
}

#[test]
fn only_the_allowed_may_send() {
    let mut receiver = Receiver::start("tcp://127.0.0.1:0", &["--allow", "10.0.0.0/8,fd00::/8"]);
    let mut stream = TcpStream::connect(receiver.address).expect("it listens");
    assert_eq!(stream.read_to_end(&mut Vec::new()).unwrap_or_default(), 0);
    receiver.wait_until_it_says("not in --allow");
    let (text, _) = receiver.end(0);
    assert!(text.is_empty());
    let receiver = Receiver::start("tcp://127.0.0.1:0", &["--allow", "10.0.0.0/8,127.0.0.0/8"]);
    send(&receiver.place("tcp"), &[], &requests(1, 3)).ends_with(0);
    assert_eq!(receiver.end(0).0, requests(1, 3).as_bytes());
}

#[test]
fn a_session_stays_on_one_of_several_connections() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let place = format!("tcp://{}", listener.local_addr().expect("an address"));
    let receiving = thread::spawn(move || {
        let streams: Vec<_> = (0..3).map(|_| listener.accept().expect("a sender").0).collect();
        let read = |mut stream: TcpStream| {
            thread::spawn(move || {
                let mut text = Vec::new();
                stream.read_to_end(&mut text).expect("it ends");
                text
            })
        };
        let reading: Vec<_> = streams.into_iter().map(read).collect();
        reading.into_iter().map(|reading| reading.join().expect("it ends")).collect::<Vec<_>>()
    });
    let input: String = (0..400).map(|number| request((number % 40) as u16, number, 100)).collect();
    send(&place, &["--connections", "3", "--sticky"], &input).ends_with(0).is_silent();
    let texts = receiving.join().expect("it ends");
    assert_eq!(texts.iter().map(|text| records(text).len()).sum::<usize>(), 400);
    assert!(texts.iter().filter(|text| !text.is_empty()).count() > 1);
    for client in 0..40 {
        let beginning = format!("{client:04x}");
        let has =
            |text: &&Vec<u8>| records(text).iter().any(|record| record.id.starts_with(beginning.as_bytes()));
        assert_eq!(texts.iter().filter(has).count(), 1, "client {client}");
    }
    send(&place, &["--sticky"], "").ends_with(2);
    run("gor-record", &["-r", "testdata/shop.pcapng", "--connections", "2"], b"")
        .ends_with(2)
        .says("outputs; name one");
    // Options about what is not there are refused.
    for (args, said) in [
        (
            &["--connections", "2"][..],
            "--connections and --sticky apply to tcp://, tls://, ws:// and wss:// outputs",
        ),
        (&["--skip-verify", "-o", "null:"], "apply to tls:// and wss:// outputs"),
        (&["--allow", "10.0.0.0/8"], "--allow applies to tcp://, tls://, ws:// and wss:// inputs"),
        (
            &["--tls-cert", "x", "--tls-key", "y", "tcp://127.0.0.1:0"],
            "--tls-cert applies to tls:// and wss:// inputs",
        ),
    ] {
        run("gor-filter", args, b"").ends_with(2).says(said);
    }
}

#[test]
fn what_is_received_is_replayed_as_it_comes_and_shown() {
    let origin = Origin::start(good);
    let target = format!("http://{}", origin.address());
    let mut replayer = Receiver::start_tool("gor-replay", &["-i", "tcp://127.0.0.1:0", &target]);
    send(&replayer.place("tcp"), &[], &requests(1, 20)).ends_with(0);
    let begun = Instant::now();
    while origin.received().len() < 20 {
        assert!(begun.elapsed() < Duration::from_mins(1), "{} came", origin.received().len());
        thread::yield_now();
    }
    kill_process(Pid::from_child(&replayer.child), Signal::INT).expect("it runs");
    replayer.wait_until_it_says("answered    20\n");
    // A signal is the only end that such an input has.
    assert_eq!(replayer.child.wait().expect("it ends").code(), Some(0));

    let shower = Receiver::start_tool("gor-show", &["tcp://127.0.0.1:0"]);
    send(&shower.place("tcp"), &[], &requests(1, 3)).ends_with(0);
    let (text, said) = shower.end(0);
    assert_eq!(String::from_utf8_lossy(&text).matches("POST").count(), 3, "{said}");
}

#[test]
fn the_commands_of_the_readme_work_together() {
    let readme = include_str!("../../README.md");
    let commands = readme.lines().filter(|line| line.starts_with("gor-") && line.contains("28020"));
    let words = |line: &str| -> Vec<String> {
        let line = line.split(" #").next().unwrap_or_default().replace('\'', "");
        line.split_whitespace().map(ToOwned::to_owned).collect()
    };
    let [collect, plain, secure]: [Vec<String>; 3] =
        commands.map(words).collect::<Vec<_>>().try_into().expect("one that collects, two that send");
    let certificates = Certificates::new();
    certificates.make("server", &["localhost"]);
    let [cert, key] =
        ["pem", "key"].map(|end| certificates.path(&format!("server.{end}")).display().to_string());
    let recorded = run("gor-record", &["-r", "testdata/shop.pcapng"], b"").stdout;
    for (sending, scheme) in [(plain, "tcp"), (secure, "tls")] {
        let folder = tempfile::tempdir().expect("a folder");
        let logs = format!("{}/logs/", folder.path().display());
        let place = format!("{scheme}://127.0.0.1:0");
        let mut collecting: Vec<_> = collect[1..]
            .iter()
            .map(|word| word.replace("logs/", &logs).replace("tcp://:28020", &place))
            .collect();
        if scheme == "tls" {
            collecting.extend(["--tls-cert".to_owned(), cert.clone(), "--tls-key".to_owned(), key.clone()]);
        }
        let collecting: Vec<_> = collecting.iter().map(String::as_str).collect();
        let receiver = Receiver::start_tool(&collect[0], &collecting);
        let here = format!("localhost:{}", receiver.address.port());
        let sent: Vec<_> = sending[1..]
            .iter()
            .map(|word| match word.as_str() {
                ":80" => "--read=testdata/shop.pcapng".to_owned(),
                "ca.pem" => certificates.ca(),
                word => word.replace("collector.internal:28020", &here),
            })
            .collect();
        let sent: Vec<_> = sent.iter().map(String::as_str).collect();
        run(&sending[0], &sent, b"").ends_with(0);
        receiver.end(0);
        assert!(run("gor-filter", &[&logs], b"").stdout == recorded, "{sent:?}");
    }
}

#[test]
fn what_answers_is_no_receiver() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let place = format!("tcp://{}", listener.local_addr().expect("it has one"));
    // A web server reads what comes, and says what it thinks of it.
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                let mut bytes = [0; 4096];
                if stream.read(&mut bytes).is_ok_and(|read| read > 0) {
                    stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").expect("it is read");
                }
                while stream.read(&mut bytes).is_ok_and(|read| read > 0) {}
            });
        }
    });
    for number in [2, 5000] {
        let ran = send(&place, &[], &requests(1, number));
        ran.ends_with(1).says("the other side is not a receiver of records: it sends \"HTTP/1.1 400 Bad");
    }
}
