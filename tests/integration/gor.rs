//! gor: GoReplay's command lines do what they did, and lose nothing.

use std::fs;
use std::time::{Duration, Instant};

use gor_tools::record::Kind;
use rustix::process::{Pid, Signal, kill_process};

use super::support::clients::python;
use super::support::desk::{Desk, exchange};
use super::support::origin::{Answer, Origin, Received, answer};
use super::support::program::{command, run};
use super::support::receiver::{Receiver, SEPARATOR, requests};
use super::support::recorder::records;
use super::support::replayer::{gets, good, lines, record};

#[test]
fn files_are_numbered_and_appended_to_and_never_overwritten() {
    let desk = Desk::new();
    let input: Vec<u8> = (1..=5).flat_map(|number| exchange(number, i64::from(number) * 10, "/")).collect();
    desk.write("in.gor", &input);
    desk.write("out_0.gor", "mine");
    desk.write("out_10.gor", "mine");
    desk.write("outlook_99.gor", "mine");
    let args = ["--input-file", "in.gor", "--output-file", "out.gor", "--output-file-queue-limit", "4"];
    desk.gor(&args).ends_with(0).is_silent();
    let written = ["out_11.gor", "out_12.gor", "out_13.gor"].map(|name| desk.read(name));
    assert_eq!(written.concat(), input);
    assert_eq!(records(&written[0]).len(), 4);
    assert_eq!([desk.read("out_0.gor"), desk.read("outlook_99.gor")], [b"mine", b"mine"]);
    for _ in 0..2 {
        desk.gor(&["--input-file", "in.gor", "--output-file", "all.gor", "--output-file-append"])
            .ends_with(0);
    }
    assert_eq!(desk.read("all.gor"), [&input[..], &input[..]].concat());
    desk.gor(&["--input-file", "in.gor", "--output-file", "zip.gor.gz"]).ends_with(0);
    desk.gor(&["--input-file", "zip.gor_0.gz", "--output-stdout"]).ends_with(0).writes(&input);
}

#[test]
fn names_are_filled_in_and_other_percent_signs_stay() {
    let desk = Desk::new();
    // The second request comes between the first one and its response.
    let [first, second] = [exchange(1, 10, "/1"), exchange(2, 10, "/2")].map(|text| records(&text));
    let text = |record: &gor_tools::record::Record| {
        let mut block = gor_tools::record::Block::new();
        block.push(&record.header(), &record.payload);
        block.bytes().to_vec()
    };
    desk.write("in.gor", [text(&first[0]), text(&second[0]), text(&first[1]), text(&second[1])].concat());
    desk.gor(&["--input-file", "in.gor", "--output-file", "%r.gor"]).ends_with(0);
    let written = desk.read(&format!("{:024x}_0.gor", 1));
    assert_eq!(
        records(&written).iter().map(|record| record.kind).collect::<Vec<_>>(),
        [Kind::Request, Kind::Response]
    );
    desk.gor(&["--input-file", "in.gor", "--output-file", "a%Zb%%.gor", "--output-file-append"]).ends_with(0);
    assert!(desk.names().contains(&"a%Zb%%.gor".to_owned()), "{:?}", desk.names());
}

#[test]
fn records_go_through_setting_filters_and_rewrites_in_goreplays_order() {
    let desk = Desk::new();
    desk.write(
        "in.gor",
        [exchange(1, 10, "/v1/a"), exchange(2, 20, "/v1/b"), exchange(3, 30, "/other")].concat(),
    );
    desk.gor(&[
        "--http-rewrite-url",
        "^/v1:/v2",
        "--http-allow-url",
        "^/v1",
        "--http-disallow-header",
        "X-Drop: yes",
        "--http-set-header",
        "X-Drop: no",
        "--http-set-param",
        "q=a b",
        "--http-rewrite-header",
        "X-Drop: no,$0,1",
        "--input-file",
        "in.gor",
        "--output-file",
        "out.gor",
        "--output-file-append",
    ])
    .ends_with(0);
    let written = records(&desk.read("out.gor"));
    let lines: Vec<_> = written
        .iter()
        .map(|record| String::from_utf8_lossy(&record.payload).lines().take(2).collect::<Vec<_>>().join("|"))
        .collect();
    let response = "HTTP/1.1 200 OK|Content-Length: 2";
    assert_eq!(
        lines,
        [
            "GET /v2/a?q=a%20b HTTP/1.1|X-Drop: no,1",
            response,
            "GET /v2/b?q=a%20b HTTP/1.1|X-Drop: no,1",
            response
        ]
    );
}

#[test]
fn several_inputs_and_outputs_at_once() {
    let desk = Desk::new();
    desk.write("a1.gor", [exchange(1, 10, "/1"), exchange(3, 30, "/3")].concat());
    desk.write("a2.gor", exchange(2, 20, "/2"));
    desk.write("b.gor", exchange(4, 40, "/4"));
    let origin = Origin::start(good);
    let url = format!("http://{}", origin.address());
    desk.gor(&[
        "--input-file",
        "a*.gor",
        "--input-file",
        "b.gor",
        "--output-file",
        "one.gor",
        "--output-file",
        "two.gor|1",
        "--output-file-append",
        "--output-http",
        &url,
        "--output-null",
    ])
    .ends_with(0);
    let mut asked = lines(&origin);
    asked.sort();
    assert_eq!(asked, ["GET /1", "GET /2", "GET /3", "GET /4"]);
    let one = records(&desk.read("one.gor"));
    assert_eq!(one.len(), 8);
    // The first request of the second, and its response.
    assert_eq!(records(&desk.read("two.gor")).len(), 2);
    desk.gor(&[
        "--input-file",
        "a*.gor",
        "--split-output",
        "--output-file",
        "x.gor",
        "--output-file",
        "y.gor",
        "--output-file-append",
    ])
    .ends_with(0);
    let ids = |name: &str| records(&desk.read(name)).into_iter().map(|record| record.id).collect::<Vec<_>>();
    let id = |number: u8| format!("{number:024x}").into_bytes();
    assert_eq!(ids("x.gor"), [id(1), id(1), id(3), id(3)]);
    assert_eq!(ids("y.gor"), [id(2), id(2)]);
}

#[test]
fn requests_are_sent_when_they_are_due_as_they_were_recorded() {
    let desk = Desk::new();
    desk.write("in.gor", gets(&[(0, "/a"), (1000, "/b"), (9000, "/c")]));
    let origin = Origin::start(good);
    let url = format!("http://{}/base", origin.address());
    let timing = ["--input-file", "in.gor|200%", "--input-file-max-wait", "700ms"];
    let sending = ["--output-http", &url, "--output-http-workers", "1"];
    let started = Instant::now();
    desk.gor(&[&timing[..], &sending].concat()).ends_with(0);
    let received = origin.received();
    assert_eq!(
        received.iter().map(Received::line).collect::<Vec<_>>(),
        ["GET /base/a", "GET /base/b", "GET /base/c"]
    );
    // None comes before it is due, counted from the start: any of them may be late on a busy machine.
    for (request, due) in received.iter().zip([0, 500, 1200]) {
        let at = request.at.duration_since(started);
        assert!(at >= Duration::from_millis(due), "{}: {at:?}", request.line());
    }
    let sent = String::from_utf8(received[0].bytes.clone()).expect("text");
    assert_eq!(sent, format!("GET /base/a HTTP/1.1\r\nHost: {}\r\n\r\n", origin.address()));
    assert_eq!(origin.connections(), 1, "connections are kept");
}

#[test]
fn replayed_responses_go_to_the_other_outputs() {
    let desk = Desk::new();
    desk.write("in.gor", [exchange(1, 10, "/1"), exchange(2, 20, "/2")].concat());
    let origin = Origin::start(|request| answer(200, &request.line()));
    let url = format!("http://{}", origin.address());
    desk.gor(&[
        "--input-file",
        "in.gor",
        "--output-http",
        &url,
        "--output-http-track-response",
        "--output-file",
        "out.gor",
        "--output-file-append",
    ])
    .ends_with(0);
    let written = records(&desk.read("out.gor"));
    let replayed: Vec<_> = written.iter().filter(|record| record.kind == Kind::Replayed).collect();
    assert_eq!((written.len(), replayed.len()), (6, 2));
    // Which response comes first is the server's affair.
    for path in ["GET /1", "GET /2"] {
        assert!(replayed.iter().any(|record| record.payload.ends_with(path.as_bytes())), "{path}");
    }
}

#[test]
fn what_does_not_answer_is_told_and_fails_the_run_but_with_exit_after() {
    let desk = Desk::new();
    desk.write("in.gor", gets(&[(0, "/a"), (1, "/b")]));
    let dead = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let url = format!("http://{dead}");
    let args = ["--input-file", "in.gor", "--output-http", &url];
    desk.gor(&args).ends_with(1).says("2").says("refused");
    desk.gor(&[&args[..], &["--exit-after", "20s"]].concat()).ends_with(0).says("refused");
    desk.gor(&["--input-file", "no.gor", "--output-null", "--exit-after", "1s"])
        .ends_with(1)
        .says("no.gor: no such file");
    desk.gor(&["--input-file", "in.gor", "--output-file", "no/out.gor"])
        .ends_with(1)
        .says("there is no directory no");
    let full = [
        "--input-file",
        "in.gor",
        "--output-file",
        "/dev/full",
        "--output-file-append",
        "--output-file",
        "out.gor",
    ];
    desk.gor(&full).ends_with(1).says("/dev/full");
    assert_eq!(records(&desk.read("out.gor")).len(), 2, "the other output has all");
    desk.gor(&["--input-file", "in.gor", "--middleware", "./nothing", "--output-null"])
        .ends_with(1)
        .says("./nothing");
    desk.write("cut.gor.gz", [0x1f, 0x8b, 8, 0]);
    desk.gor(&["--input-file", "cut.gor.gz", "--output-null"]).ends_with(1).says("cut.gor.gz");
    desk.gor(&["--input-file", "in.gor", "--output-file", "small.gor", "--output-file-max-size-limit", "10"])
        .ends_with(1)
        .says("--output-file-max-size-limit is reached");
}

#[test]
fn a_server_that_does_not_answer_holds_no_other_output() {
    let desk = Desk::new();
    // They come over half a second, so that the queue is full long before the last.
    let input: Vec<_> = (0..300).map(|number| (number * 2, "/")).collect();
    desk.write("in.gor", gets(&input));
    let (stuck, quick) = (Origin::start(|_| Answer::Never), Origin::start(good));
    let urls = [&stuck, &quick].map(|origin| format!("http://{}", origin.address()));
    let started = Instant::now();
    desk.gor(&[
        "--input-file",
        "in.gor",
        "--output-http",
        &urls[0],
        "--output-http",
        &urls[1],
        "--output-file",
        "out.gor",
        "--output-file-append",
        "--output-http-timeout",
        "2s",
        "--output-http-workers",
        "20",
        "--output-http-queue-len",
        "100",
    ])
    .ends_with(1)
    .says("within the timeout")
    .says("too slow");
    assert_eq!(records(&desk.read("out.gor")).len(), 300);
    let last = quick.received().iter().map(|request| request.at).max().expect("requests came");
    assert!(last.duration_since(started) < Duration::from_secs(10), "they waited for the other server");
}

#[test]
fn programs_talk_over_tcp_with_the_bytes_of_goreplay() {
    let text = requests(4000, 3);
    let desk = Desk::new();
    desk.write("in.gor", &text);
    // What goes over the wire is what a plain socket sends and gets.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let reading = std::thread::spawn(move || {
        let mut got = Vec::new();
        for _ in 0..1 {
            let (mut stream, _) = listener.accept().expect("it connects");
            std::io::Read::read_to_end(&mut stream, &mut got).expect("it can be read");
        }
        got
    });
    desk.gor(&["--input-file", "in.gor", "--output-tcp", &address, "--output-tcp-workers", "1"]).ends_with(0);
    assert_eq!(String::from_utf8(reading.join().expect("it ends")).expect("text"), text);
    assert!(text.ends_with(SEPARATOR));

    let mut receiver = Receiver::start_tool("gor", &["--input-tcp", "127.0.0.1:0", "--output-stdout"]);
    let place = receiver.address.to_string();
    desk.gor(&["--input-file", "in.gor", "--output-tcp", &place, "--output-tcp-workers", "1"]).ends_with(0);
    receiver.wait_until_it_has_written(text.len());
    kill_process(Pid::from_child(&receiver.child), Signal::TERM).expect("it runs");
    assert_eq!(receiver.child.wait().expect("it ends").code(), Some(1), "a signal gives 1");
}

#[test]
fn a_program_sees_all_records_first_and_what_it_sends_back_is_filtered() {
    let desk = Desk::new();
    desk.write(
        "in.gor",
        [exchange(1, 10, "/drop"), exchange(2, 20, "/edit"), exchange(3, 30, "/keep")].concat(),
    );
    // Edits one path and drops another, in hex; arguments are split at each blank.
    desk.write(
        "edit.sh",
        "#!/bin/sh\n[ \"$#\" = 3 ] || exit 9\nsed -u -e '/2f64726f70/d' -e s/2f65646974/2f6564697465642f/\n",
    );
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(desk.path("edit.sh"), mode).expect("it can be changed");
    desk.gor(&[
        "--input-file",
        "in.gor",
        "--middleware",
        "./edit.sh a \"b c\"",
        "--http-allow-url",
        "^/edited/",
        "--output-file",
        "out.gor",
        "--output-file-append",
    ])
    .ends_with(0);
    let written = records(&desk.read("out.gor"));
    let requests: Vec<_> = written.iter().filter(|record| record.kind == Kind::Request).collect();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].payload.starts_with(b"GET /edited/ "));
}

/// The token of a replayed response goes into the requests that follow, which is what GoReplay's clients are for.
#[test]
fn a_program_sees_replayed_responses_and_changes_what_is_sent_later() {
    const SCRIPT: &str = r#"
import sys
token = b"recorded"
for line in sys.stdin.buffer:
    head, payload = bytes.fromhex(line.strip().decode()).split(b"\n", 1)
    if head.startswith(b"3"):
        token = payload.rsplit(b"\r\n\r\n", 1)[1]
    payload = payload.replace(b"recorded", token)
    sys.stdout.buffer.write((head + b"\n" + payload).hex().encode() + b"\n"); sys.stdout.buffer.flush()
"#;
    let Some((folder, command)) = python(SCRIPT) else { return };
    let desk = Desk::new();
    desk.write("in.gor", gets(&[(0, "/login"), (500, "/use?token=recorded")]));
    let origin =
        Origin::start(|request| answer(200, if request.line().contains("login") { "fresh" } else { "used" }));
    let url = format!("http://{}", origin.address());
    desk.gor(&[
        "--input-file",
        "in.gor",
        "--middleware",
        &command,
        "--output-http",
        &url,
        "--output-http-track-response",
        "--output-file",
        "out.gor",
        "--output-file-append",
    ])
    .ends_with(0);
    drop(folder);
    assert_eq!(lines(&origin), ["GET /login", "GET /use?token=fresh"]);
    let replayed =
        records(&desk.read("out.gor")).into_iter().filter(|record| record.kind == Kind::Replayed).count();
    assert_eq!(replayed, 2);
}

#[test]
fn a_dry_run_speaks_as_goreplay_does() {
    let desk = Desk::new();
    desk.write("in.gor", gets(&[(0, "/1"), (100, "/2"), (350, "/3"), (300, "/4"), (5350, "/5")]));
    desk.gor(&["--input-file", "in.gor|200%", "--input-file-dry-run", "--output-null"]).ends_with(0).writes(
        b"Records found: 5\nFiles processed: 1\nBytes processed: 403\nMax wait: 2.5s\nMin wait: 25ms\n\
          First wait: 50ms\nIt will take `2.675s` to replay at current speed.\n\
          Found 0 records with out of order timestamp\n",
    );
    desk.write("one.gor", gets(&[(0, "/1")]));
    desk.gor(&["--input-file", "one.gor", "--input-file-dry-run", "--output-null"]).ends_with(0);
}

#[test]
fn bodies_are_decoded_behind_the_filters() {
    let desk = Desk::new();
    let chunked = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    desk.write("in.gor", record(1, "a", 1, chunked));
    desk.gor(&[
        "--input-file",
        "in.gor",
        "--prettify-http",
        "--http-allow-header",
        "Transfer-Encoding: chunked",
        "--output-file",
        "out.gor",
        "--output-file-append",
    ])
    .ends_with(0);
    let written = records(&desk.read("out.gor"));
    assert_eq!(
        String::from_utf8_lossy(&written[0].payload),
        "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nok"
    );
}

#[test]
fn a_capture_file_is_read_to_its_end() {
    let desk = Desk::new();
    let capture = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/go.pcap");
    let expected = run("gor-record", &["-r", capture, ":8080", "--responses"], b"");
    let pcap = format!("{capture}:8080");
    let ran = desk.gor(&[
        "--input-raw",
        &pcap,
        "--input-raw-engine",
        "pcap_file",
        "--input-raw-track-response",
        "--output-stdout",
    ]);
    assert!(!expected.stdout.is_empty());
    ran.ends_with(0).writes(&expected.stdout);
}

#[test]
fn a_loop_goes_on_until_it_is_told_to_end() {
    let desk = Desk::new();
    desk.write("in.gor", gets(&[(0, "/a"), (20, "/b")]));
    let origin = Origin::start(good);
    let url = format!("http://{}", origin.address());
    let args = ["--input-file", "in.gor", "--input-file-loop", "--output-http", &url];
    let mut child = command("gor", &args).current_dir(desk.path("")).spawn().expect("it starts");
    while origin.received().len() <= 6 {
        assert_eq!(child.try_wait().expect("it can be asked"), None, "it goes on");
        std::thread::sleep(Duration::from_millis(10));
    }
    kill_process(Pid::from_child(&child), Signal::INT).expect("it runs");
    assert_eq!(child.wait().expect("it ends").code(), Some(1), "interrupted");
    // Answers may come late, and the next request then goes by another connection.
    let received = lines(&origin);
    let [first, second] = ["GET /a", "GET /b"].map(|of| received.iter().filter(|line| *line == of).count());
    assert!(first + second == received.len() && first.abs_diff(second) <= 1, "{received:?}");
    desk.gor(&[&args[..], &["--exit-after", "100ms"]].concat()).ends_with(0);
}

#[test]
fn the_files_of_a_folder_are_served_and_none_above_it() {
    let desk = Desk::new();
    fs::create_dir(desk.path("inner")).expect("it can be made");
    desk.write("inner/a.txt", "text");
    desk.write("secret", "secret");
    let mut serving = command("gor", &["file-server", "127.0.0.1:0"]);
    serving.current_dir(desk.path("inner")).stderr(std::process::Stdio::piped());
    let mut child = serving.spawn().expect("it starts");
    let mut said = String::new();
    let mut errors = std::io::BufReader::new(child.stderr.take().expect("it is piped"));
    std::io::BufRead::read_line(&mut errors, &mut said).expect("a line");
    let address = said.trim().trim_end_matches('/').rsplit('/').next().expect("an address").to_owned();
    let get = |path: &str| {
        let mut stream = std::net::TcpStream::connect(&address).expect("it listens");
        std::io::Write::write_all(&mut stream, format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes())
            .expect("sent");
        let mut text = String::new();
        std::io::Read::read_to_string(&mut stream, &mut text).expect("an answer");
        text
    };
    assert!(get("/a.txt").ends_with("\r\n\r\ntext"));
    assert!(get("/").ends_with("\r\n\r\na.txt\n"));
    for path in ["/../secret", "/%2e%2e/secret", "//secret", "/..%2fsecret", "/nothing"] {
        assert!(get(path).starts_with("HTTP/1.1 404"), "{path}");
    }
    kill_process(Pid::from_child(&child), Signal::TERM).expect("it runs");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn documents_go_to_elasticsearch() {
    let desk = Desk::new();
    desk.write("in.gor", gets(&[(0, "/a"), (1, "/b")]));
    let created = |request: &Received| {
        let documents = String::from_utf8_lossy(&request.bytes).matches("\"create\"").count();
        answer(
            200,
            &serde_json::json!({"items": vec![serde_json::json!({"create": {"status": 201}}); documents]})
                .to_string(),
        )
    };
    let (server, origin) = (Origin::start(created), Origin::start(good));
    let url = format!("http://{}", origin.address());
    let index = format!("{}/gor", server.address());
    desk.gor(&["--input-file", "in.gor", "--output-http", &url, "--output-http-elasticsearch", &index])
        .ends_with(0);
    let text: String = server
        .received()
        .iter()
        .map(|request| String::from_utf8_lossy(&request.bytes).into_owned())
        .collect();
    assert!(text.starts_with("POST /gor/_bulk "), "{text}");
    assert_eq!(text.matches("\"Req_URL\"").count(), 2, "{text}");
}

#[cfg(feature = "kafka")]
#[test]
fn messages_of_both_forms_go_to_a_topic_and_come_back() {
    let Some(broker) = super::support::kafka::broker() else { return };
    let desk = Desk::new();
    let text = gets(&[(1, "/a"), (2, "/b")]);
    desk.write("in.gor", &text);
    let place = broker.place("topic", "");
    let brokers = place.trim_start_matches("kafka://").split('/').next().expect("brokers").to_owned();
    for form in [&[][..], &["json"]] {
        let topic = broker.topic(1);
        let flag = |direction: &str| format!("--{direction}-kafka-json-format");
        let (output, input) = (flag("output"), flag("input"));
        let mut args =
            vec!["--input-file", "in.gor", "--output-kafka-host", &brokers, "--output-kafka-topic", &topic];
        args.extend(form.iter().map(|_| &*output));
        desk.gor(&args).ends_with(0);
        let message = broker.messages(&topic).into_iter().next().expect("a message");
        let expected: &[u8] = if form.is_empty() { b"1 " } else { b"{" };
        assert!(message.value.starts_with(expected), "{:?}", String::from_utf8_lossy(&message.value));
        let mut args = vec![
            "--input-kafka-host",
            &brokers,
            "--input-kafka-topic",
            &topic,
            "--input-kafka-offset",
            "-2",
            "--output-file",
            "back.gor",
            "--output-file-append",
            "--exit-after",
            "5s",
        ];
        args.extend(form.iter().map(|_| &*input));
        desk.gor(&args).ends_with(0);
        let (back, sent) = (records(&desk.read("back.gor")), records(&text));
        let shown = |records: &[gor_tools::record::Record]| -> Vec<_> {
            records.iter().map(|record| (record.kind, record.timestamp, record.payload.clone())).collect()
        };
        assert_eq!(shown(&back), shown(&sent));
        fs::remove_file(desk.path("back.gor")).expect("it is there");
    }
}

#[test]
fn a_limit_holds_at_any_speed_and_what_cannot_be_sent_is_told() {
    let desk = Desk::new();
    desk.write("in.gor", gets(&(0..300).map(|number| (number * 10, "/")).collect::<Vec<_>>()));
    let origin = Origin::start(good);
    let url = format!("http://{}|10", origin.address());
    desk.gor(&["--input-file", "in.gor|300%", "--output-http", &url]).ends_with(0);
    // Three recorded seconds in one.
    let sent = origin.received().len();
    assert!((10..=20).contains(&sent), "{sent}");
    desk.write("short.gor", record(1, "a", 1, b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc"));
    let url = format!("http://{}", origin.address());
    desk.gor(&["--input-file", "short.gor", "--output-http", &url]).ends_with(0).says("not sent    1");
}

#[test]
fn a_receiver_that_comes_later_is_waited_for() {
    let text = requests(4001, 3);
    let desk = Desk::new();
    desk.write("in.gor", &text);
    let address =
        std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let place = address.to_string();
    let args = ["--input-file", "in.gor", "--output-tcp", &place, "--output-tcp-workers", "1"];
    let mut sender = command("gor", &args);
    let mut child =
        sender.current_dir(desk.path("")).stderr(std::process::Stdio::piped()).spawn().expect("it starts");
    let mut said = String::new();
    let mut errors = std::io::BufReader::new(child.stderr.take().expect("it is piped"));
    std::io::BufRead::read_line(&mut errors, &mut said).expect("a line");
    assert!(said.contains("trying again"), "{said}");
    let listener = std::net::TcpListener::bind(address).expect("it is free again");
    let (mut stream, _) = listener.accept().expect("it connects");
    let mut got = String::new();
    std::io::Read::read_to_string(&mut stream, &mut got).expect("it can be read");
    assert_eq!(got, text);
    drop(stream);
    assert_eq!(child.wait().expect("it ends").code(), Some(0), "{said}");
}

#[test]
fn a_server_whose_name_does_not_resolve_is_named_once() {
    let desk = Desk::new();
    desk.write("in.gor", gets(&[(0, "/")]));
    let ran = desk.gor(&["--input-file", "in.gor", "--output-http", "http://no-such-host.invalid"]);
    let said = &ran.stderr;
    let words = "gor: http://no-such-host.invalid: the name cannot be resolved: ";
    let line = said.lines().find(|line| line.starts_with(words)).unwrap_or_else(|| panic!("{said}"));
    assert!(line.ends_with("; nothing more is sent to it"), "{said}");
    assert_eq!(line.matches("no-such-host").count(), 1, "{said}");
}
