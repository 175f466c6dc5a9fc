//! Topics of Kafka as places to read and write, on a real broker, with kcat at the other end.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::process::Stdio;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::support::kafka::{Broker, await_that, broker};
use crate::support::program::{Ran, command, run};
use crate::support::replayer::record;

const SEPARATOR: &[u8] = "\n🐵🙈🙉\n".as_bytes();

/// So many requests, ten of each session. Some have bytes that text has not, or a line that looks like a separator.
fn requests(number: usize) -> Vec<Vec<u8>> {
    let one = |number: usize| {
        let body = [&b"\x00\xff\r\n"[..], SEPARATOR, b"\n\n"][number % 3];
        let head = format!("POST /{number} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
        let payload = [head.as_bytes(), body].concat();
        let id = format!("{:016x}{number:08x}", number / 10);
        if number % 3 == 1 {
            let header = format!("1 {id} {number} 0 {}\n", payload.len());
            return [header.as_bytes(), &payload, SEPARATOR].concat();
        }
        record(1, &id, number as i64, &payload)
    };
    (0..number).map(one).collect()
}

/// A record as a message has it.
fn value(record: &[u8]) -> Vec<u8> {
    record.strip_suffix(SEPARATOR).expect("it ends with a separator").to_vec()
}

fn get(number: usize) -> Vec<u8> {
    record(1, &format!("{number:024x}"), number as i64, format!("GET /{number} HTTP/1.1\r\n\r\n").as_bytes())
}

fn gets(numbers: std::ops::Range<usize>) -> Vec<Vec<u8>> {
    numbers.map(get).collect()
}

fn values(records: &[Vec<u8>]) -> Vec<Vec<u8>> {
    records.iter().map(|record| value(record)).collect()
}

fn filter(args: &[&str], input: &[u8]) -> Ran {
    run("gor-filter", args, input)
}

#[test]
fn records_are_written_byte_for_byte_and_a_session_stays_on_a_partition() {
    let Some(broker) = broker() else { return };
    let (topic, records) = (broker.topic(4), requests(300));
    for compression in ["lz4", "zstd", "gzip", "snappy", "none"] {
        let topic = broker.topic(1);
        let place = broker.place(&topic, &format!("?compression={compression}"));
        filter(&["-o", &place], &records[..20].concat()).ends_with(0).is_silent();
        let found: Vec<_> = broker.messages(&topic).into_iter().map(|message| message.value).collect();
        assert_eq!(found, values(&records[..20]));
    }
    filter(&["-o", &broker.place(&topic, "")], &records.concat()).ends_with(0).is_silent();
    let messages = broker.messages(&topic);
    let mut partitions = BTreeMap::new();
    for message in &messages {
        let partition = partitions.entry(message.key.clone()).or_insert(message.partition);
        assert_eq!(*partition, message.partition, "{}", message.key);
        let id = str::from_utf8(&message.value[2..18]).expect("an id");
        assert_eq!(message.key, id);
    }
    assert_eq!(partitions.len(), 30);
    let mut used: Vec<_> = partitions.values().collect();
    used.sort();
    used.dedup();
    assert!(used.len() > 1, "{used:?}");
    // Within a session the order stays.
    for key in partitions.keys() {
        let found: Vec<_> =
            messages.iter().filter(|message| message.key == *key).map(|message| &message.value).collect();
        let is_of_it = |value: &&Vec<u8>| &value[2..18] == key.as_bytes();
        assert_eq!(found, values(&records).iter().filter(is_of_it).collect::<Vec<_>>());
    }
    // With its own partition named, all go there.
    let other = broker.topic(3);
    filter(&["-o", &broker.place(&other, "?partition=2")], &records.concat()).ends_with(0).is_silent();
    assert!(broker.messages(&other).iter().all(|message| message.partition == 2));
    // And they come back as they were.
    let read = filter(&[&broker.place(&other, ""), "--exit-at-end"], b"");
    read.ends_with(0).is_silent().writes(&records.concat());
}

#[test]
fn messages_are_json_both_ways() {
    let Some(broker) = broker() else { return };
    let topic = broker.topic(1);
    let place = broker.place(&topic, "?format=json");
    let request = b"POST /path?q HTTP/1.1\r\nhost: a\r\nX: v1\r\nX: v2\r\nContent-Length: 2\r\n\r\nhi";
    let odd = record(1, "b2", 6, b"PUT / HTTP/1.1\r\n\r\n\xff");
    let no_http = record(1, "c3", 7, b"\x16\x03\x01");
    let input = [record(1, "a1", 5, request), no_http, odd.clone()].concat();
    filter(&["-o", &place], &input)
        .ends_with(1)
        .says("record 2 (id c3): it is not an HTTP message")
        .says("1 of 3 records not delivered");
    let found: Vec<_> =
        broker.messages(&topic).into_iter().map(|message| String::from_utf8(message.value)).collect();
    let expected = [
        r#"{"Req_URL":"/path?q","Req_Type":"1","Req_ID":"a1","Req_Ts":"5","Req_Method":"POST","Req_Body":"hi","Req_Headers":{"Content-Length":"2","Host":"a","X":"v1, v2"}}"#,
        r#"{"Req_URL":"/","Req_Type":"1","Req_ID":"b2","Req_Ts":"6","Req_Method":"PUT","Req_Body_Base64":"/w=="}"#,
    ];
    assert_eq!(found, expected.map(|text| Ok(text.to_owned())));
    // As GoReplay writes it.
    let other = br#"{"Req_URL":"/x","Req_Type":"1","Req_ID":"d4","Req_Ts":"8","Req_Method":"GET","Req_Headers":{"Host":"b"}}"#;
    broker.produce(&topic, 0, &[other.to_vec(), b"{}".to_vec()]);
    let ran = filter(&[&place, "--exit-at-end"], b"");
    let expected = [
        &b"1 a1 5\nPOST /path?q HTTP/1.1\r\nContent-Length: 2\r\nHost: a\r\nX: v1, v2\r\n\r\nhi"[..],
        b"1 b2 6\nPUT / HTTP/1.1\r\n\r\n\xff",
        b"1 d4 8\nGET /x HTTP/1.1\r\nHost: b\r\n\r\n",
    ];
    ran.ends_with(0)
        .says("partition 0, offset 3: Req_Type is not 1, 2 or 3; such messages are skipped and counted");
    ran.writes(&expected.map(|record| [record, SEPARATOR].concat()).concat());
    filter(&[&place, "--exit-at-end", "--strict"], b"").ends_with(1).says("partition 0, offset 3: Req_Type");
}

#[test]
fn reading_begins_where_it_is_told_to_and_stops_at_the_end_that_there_was() {
    let Some(broker) = broker() else { return };
    let topic = broker.topic(2);
    broker.produce(&topic, 0, &values(&gets(0..5)));
    let milliseconds = || SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later").as_millis();
    // Messages are not of the millisecond that is asked for.
    let begun = milliseconds();
    await_that("a millisecond", || milliseconds() > begun + 1);
    let time = milliseconds();
    broker.produce(&topic, 0, &values(&gets(5..8)));
    broker.produce(&topic, 1, &values(&gets(20..22)));
    for (query, expected) in [
        ("?partition=0", gets(0..8)),
        ("?partition=0&offset=earliest", gets(0..8)),
        ("?partition=0&offset=3", gets(3..8)),
        ("?partition=0&offset=8", vec![]),
        ("?partition=0&offset=latest", vec![]),
        ("?partition=1", gets(20..22)),
        (&format!("?partition=0&offset=@{time}"), gets(5..8)),
        (&format!("?partition=0&offset=@{}", time + 3_600_000), vec![]),
    ] {
        filter(&[&broker.place(&topic, query), "--exit-at-end", "-q"], b"")
            .ends_with(0)
            .writes(&expected.concat());
    }
    let all = filter(&[&broker.place(&topic, ""), "--exit-at-end", "--count"], b"");
    all.ends_with(0).writes(b"10\n");
    for (query, why) in [
        ("?partition=2", "there is no partition 2; the topic has 2"),
        ("?partition=0&offset=9", "offset 9 is not in partition 0, which has 0 to 8"),
    ] {
        filter(&[&broker.place(&topic, query), "--exit-at-end"], b"").ends_with(1).says(why);
    }
}

#[test]
fn what_comes_later_is_read_until_a_signal() {
    let Some(broker) = broker() else { return };
    let topic = broker.topic(1);
    broker.produce(&topic, 0, &values(&gets(0..3)));
    let mut reader = command("gor-filter", &[&broker.place(&topic, "?offset=latest")])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut output = reader.stdout.take().expect("a pipe");
    let (sender, first) = std::sync::mpsc::channel();
    let reading = std::thread::spawn(move || {
        let mut record = vec![0; get(7).len()];
        output.read_exact(&mut record).expect("a record comes");
        sender.send(record).expect("the test waits");
        std::io::copy(&mut output, &mut std::io::sink()).expect("it can be read");
    });
    // Nothing says when the reader has begun.
    await_that("a record", || {
        broker.produce(&topic, 0, &values(&gets(7..8)));
        first.try_recv().is_ok_and(|record| record == get(7))
    });
    let sent = std::process::Command::new("kill").args(["-INT", &reader.id().to_string()]).status();
    assert!(sent.expect("kill runs").success());
    reading.join().expect("it was read");
    assert_eq!(reader.wait().expect("it ends").code(), Some(0));
}

#[test]
fn other_tools_read_and_write_topics() {
    let Some(broker) = broker() else { return };
    let topic = broker.topic(1);
    let place = broker.place(&topic, "");
    run("gor-record", &["--dummy", "1000/s", "--exit-after", "300ms", "-o", &place, "-q"], b"").ends_with(0);
    let recorded = broker.messages(&topic).len();
    assert!(recorded > 0);
    let counted = filter(&[&place, "--exit-at-end", "--count"], b"");
    counted.ends_with(0).writes(format!("{recorded}\n").as_bytes());
    let shown = run("gor-show", &[&place, "--exit-at-end", "--summary"], b"");
    assert!(String::from_utf8_lossy(&shown.ends_with(0).stdout).contains(&recorded.to_string()), "{shown}");
    let (merged, rewritten) = (broker.topic(1), broker.topic(1));
    let (first, second) = (gets(0..3), gets(3..6));
    broker.produce(&merged, 0, &values(&second));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a.gor");
    std::fs::write(&file, first.concat()).expect("a file");
    let file = file.to_str().expect("text");
    let from = broker.place(&merged, "");
    run("gor-merge", &["--exit-at-end", &from, file], b"").ends_with(0).writes(&gets(0..6).concat());
    let to = broker.place(&rewritten, "");
    run("gor-rewrite", &["--set-header", "A: b", &from, "--exit-at-end", "-o", &to], b"").ends_with(0);
    let found = broker.messages(&rewritten);
    assert_eq!(found.len(), 3);
    assert!(found.iter().all(|message| message.value.ends_with(b"A: b\r\n\r\n")));
    let dry = run("gor-replay", &["--dry-run", "-i", &from, "--exit-at-end", "127.0.0.1:1"], b"");
    assert!(String::from_utf8_lossy(&dry.ends_with(0).stdout).contains('3'), "{dry}");
}

#[test]
fn commands_that_cannot_be_meant_are_refused() {
    for (tool, args, why) in [
        ("gor-filter", &["kafka://a/t?x=y"][..], "unknown key x"),
        ("gor-filter", &["kafka://a/t", "-o", "kafka://a/t"], "it is read as well"),
        ("gor-filter", &["kafka://a/t?group=g", "-o", "tcp://a:1"], "nobody says in time what arrived there"),
        ("gor-filter", &["kafka://a/t?group=g", "-o", "s3://b/k"], "nobody says in time what arrived there"),
        ("gor-filter", &["kafka://a/t", "tcp://127.0.0.1:0"], "cannot be read together"),
        ("gor-filter", &["kafka://a/t", "--follow"], "--follow applies to files"),
        ("gor-filter", &["--exit-at-end"], "--exit-at-end applies to kafka:// inputs"),
        ("gor-filter", &["--kafka-ca", "x"], "--kafka-ca applies to kafka:// places"),
        ("gor-filter", &["-o", "kafka://a/t?group=g"], "group= and offset= are for inputs"),
        ("gor-filter", &["-o", "kafka://me:secret@a/t"], "--kafka-password-file"),
        ("gor-filter", &["-o", "kafka://a/t", "--append"], "--append applies to files"),
        ("gor-record", &["-r", "kafka://a/t"], "no bytes of its own"),
    ] {
        let ran = run(tool, args, b"");
        assert!(
            !ran.ends_with(2).says(why).to_string().replace("me:secret@a/t\n", "").contains("secret"),
            "{ran}"
        );
    }
}

#[test]
fn what_is_wrong_is_said_in_a_line() {
    let Some(broker) = broker() else { return };
    let topic = broker.topic(1);
    let input = get(1);
    let missing = broker.place("no-such-topic", "");
    for args in [&["-o", &*missing][..], &[&missing, "--exit-at-end"]] {
        filter(args, &input).ends_with(1).says("the topic does not exist");
    }
    // Nobody listens at a port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("it has one");
    let away = format!("kafka://{free}/t?timeout=1s");
    for args in [&["-o", &*away][..], &[&away]] {
        filter(args, &input).ends_with(1).says(&format!("no broker reachable at {free}: connection refused"));
    }
    let large = record(1, "large", 1, &vec![b'x'; 3 << 20]);
    let place = broker.place(&topic, "?compression=none");
    let ran = filter(&["-o", &place], &[get(1), large, get(2)].concat());
    ran.ends_with(1)
        .says("record 2 (id large): it is larger than the broker takes")
        .says("1 of 3 records not delivered");
    let found: Vec<_> = broker.messages(&topic).into_iter().map(|message| message.value).collect();
    assert_eq!(found, values(&gets(1..3)));
}

#[test]
fn users_show_who_they_are_and_passwords_are_told_to_nobody() {
    let Some(broker) = broker() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let password = folder.path().join("password");
    let password = password.to_str().expect("text");
    for (user, secret, mechanism, why) in [
        ("alice", "alice-pw", "plain", None),
        ("alice", "wrong-pw", "plain", Some("authentication failed")),
        ("bob", "bob-pw", "scram-sha-256", None),
        ("bob", "bob-pw", "scram-sha-512", None),
        ("bob", "wrong-pw", "scram-sha-512", Some("authentication failed")),
    ] {
        let topic = broker.topic(1);
        let place = format!("kafka://{}/{topic}", broker.address("SASL"));
        std::fs::write(password, format!("{secret}\n")).expect("a file");
        let args = ["--kafka-username", user, "--kafka-sasl", mechanism, "--kafka-password-file", password];
        let ran = filter(&[&args[..], &["-o", &place]].concat(), &get(1));
        if let Some(why) = why {
            assert!(!ran.ends_with(1).says(why).to_string().contains(secret), "{ran}");
            continue;
        }
        ran.ends_with(0).is_silent();
        let reading = command("gor-filter", &[&place, "--exit-at-end"])
            .env("KAFKA_USERNAME", user)
            .env("KAFKA_PASSWORD", secret)
            .env("KAFKA_SASL", mechanism)
            .output()
            .expect("it runs");
        Ran::new("gor-filter", &[], reading).ends_with(0).is_silent().writes(&get(1));
    }
    let place = format!("kafka://{}/t?timeout=2s", broker.address("SASL"));
    filter(&["-o", &place], &get(1)).ends_with(1).says("no broker reachable at");
}

#[test]
fn users_show_who_they_are_over_tls_too() {
    let Some(broker) = broker() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let password = folder.path().join("password");
    let password = password.to_str().expect("text");
    let ca = broker.certificate("ca.pem");
    for (user, secret, mechanism) in [("alice", "alice-pw", "plain"), ("bob", "bob-pw", "scram-sha-512")] {
        let place = format!("kafka://{}/{}?timeout=5s", broker.address("BOTH"), broker.topic(1));
        let args = |secret: &str| {
            std::fs::write(password, secret).expect("a file");
            [
                "--kafka-username",
                user,
                "--kafka-sasl",
                mechanism,
                "--kafka-password-file",
                password,
                "--kafka-ca",
                &ca,
            ]
        };
        filter(&[&args(secret)[..], &["-o", &place]].concat(), &get(1)).ends_with(0).is_silent();
        filter(&[&args(secret)[..], &[&place, "--exit-at-end"]].concat(), b"").ends_with(0).writes(&get(1));
        let wrong = filter(&[&args("wrong-pw")[..], &["-o", &place]].concat(), &get(1));
        assert!(
            !wrong.ends_with(1).says("authentication failed").to_string().contains("wrong-pw"),
            "{wrong}"
        );
    }
}

#[test]
fn tls_is_verified_on_both_sides() {
    let Some(broker) = broker() else { return };
    let topic = broker.topic(1);
    let [ca, other_ca, cert, key, bad_cert, bad_key] =
        ["ca.pem", "otherca.pem", "client.pem", "client.key", "badclient.pem", "badclient.key"]
            .map(|name| broker.certificate(name));
    let tls = format!("kafka://{}/{topic}?timeout=5s", broker.address("TLS"));
    let mutual = format!("kafka://{}/{topic}?timeout=5s", broker.address("MTLS"));
    filter(&["-o", &tls, "--kafka-ca", &ca], &get(1)).ends_with(0).is_silent();
    let args = ["--kafka-ca", &ca, "--kafka-cert", &cert, "--kafka-key", &key];
    filter(&[&args[..], &["-o", &mutual]].concat(), &get(2)).ends_with(0).is_silent();
    filter(&[&args[..], &["--exit-at-end", &mutual]].concat(), b"").ends_with(0).writes(&gets(1..3).concat());
    let not_verified = "TLS: the certificate of the broker is not verified";
    filter(&["-o", &tls, "--kafka-ca", &other_ca], &get(1)).ends_with(1).says(not_verified);
    filter(&["-o", &tls, "--kafka-ca", "system"], &get(1)).ends_with(1).says(not_verified);
    let args = ["--kafka-ca", &ca, "--kafka-cert", &bad_cert, "--kafka-key", &bad_key];
    let refused = "TLS: the broker refuses our certificate, or wants one";
    filter(&[&args[..], &["-o", &mutual]].concat(), &get(1)).ends_with(1).says(refused);
    filter(&["-o", &mutual, "--kafka-ca", &ca], &get(1)).ends_with(1).says(refused);
    filter(&["-o", &tls, "--kafka-ca", "/no/such/file"], &get(1))
        .ends_with(1)
        .says("/no/such/file: no such file");
}

#[test]
fn nothing_is_lost_or_doubled_when_a_broker_dies_and_comes_back_and_it_is_said_when_it_does_not() {
    let Some(broker) = Broker::start("dying") else { return };
    let topic = broker.topic(1);
    let records = requests(4000);
    let place = broker.place(&topic, "?timeout=100s");
    let start = |place: &str| {
        let mut command = command("gor-filter", &["-o", place]);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts")
    };
    let mut writer = start(&place);
    let mut input = writer.stdin.take().expect("a pipe");
    input.write_all(&records[..2000].concat()).expect("it reads");
    await_that("some records", || !broker.messages(&topic).is_empty());
    broker.kill();
    input.write_all(&records[2000..].concat()).expect("it reads");
    drop(input);
    broker.restart();
    Ran::new("gor-filter", &[], writer.wait_with_output().expect("it ends")).ends_with(0).is_silent();
    let found: Vec<_> = broker.messages(&topic).into_iter().map(|message| message.value).collect();
    assert!(found == values(&records), "{} of {}", found.len(), records.len());

    let mut writer = start(&broker.place(&topic, "?timeout=3s"));
    let mut input = writer.stdin.take().expect("a pipe");
    input.write_all(&gets(0..10).concat()).expect("it reads");
    await_that("ten records more", || broker.messages(&topic).len() == records.len() + 10);
    broker.kill();
    input.write_all(&gets(10..30).concat()).expect("it reads");
    drop(input);
    Ran::new("gor-filter", &[], writer.wait_with_output().expect("it ends"))
        .ends_with(1)
        .says(&format!("record 11 (id {:024x}): no broker reachable at {}", 10, broker.address("PLAINTEXT")))
        .says("20 of 30 records not delivered");
}
