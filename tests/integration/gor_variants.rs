//! gor with the values that its flags may have: names, limits, speeds, levels, and outputs in turn.

use std::fs;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use gor_tools::record::Kind;

use super::support::desk::{Desk, exchange};
use super::support::origin::Origin;
use super::support::program::run;
use super::support::recorder::records;
use super::support::replayer::{gets, good};

/// What a folder holds: seven exchanges, in in.gor.
fn desk() -> (Desk, Vec<u8>) {
    let desk = Desk::new();
    let text: Vec<u8> = (1..=7).flat_map(|number| exchange(number, i64::from(number) * 100, "/")).collect();
    desk.write("in.gor", &text);
    (desk, text)
}

/// The files that were written, whose names begin so.
fn written(desk: &Desk, start: &str) -> Vec<String> {
    desk.names().into_iter().filter(|name| name.starts_with(start)).collect()
}

#[test]
fn all_fields_of_a_name_are_filled_in_and_each_record_is_in_its_file() {
    let (desk, text) = desk();
    let name = "x-%Y%m%d-%H%M%S-%NS-%t-%r-%i-%q.gor";
    desk.gor(&["--input-file", "in.gor", "--output-file", name]).ends_with(0).is_silent();
    let names = written(&desk, "x-");
    assert_eq!(names.len(), 14, "{names:?}");
    for name in &names {
        let fields: Vec<_> = name.split('-').collect();
        let is_number = |at: usize, length: usize| {
            fields[at].len() == length && fields[at].bytes().all(|byte| byte.is_ascii_digit())
        };
        assert!(is_number(1, 8) && is_number(2, 6) && is_number(3, 9), "{name}");
        let kept = records(&desk.read(name));
        assert_eq!(kept.len(), 1, "{name}");
        let kind = if kept[0].kind == Kind::Request { "1" } else { "2" };
        assert_eq!((fields[4], fields[5].as_bytes()), (kind, &kept[0].id[..]), "{name}");
        assert!(name.ends_with("-%q_0.gor"), "{name}");
    }
    // A second run adds to one file for each type, of exactly this name.
    let args = ["--input-file", "in.gor", "--output-file", "t%t.gor", "--output-file-append"];
    desk.gor(&args).ends_with(0);
    desk.gor(&args).ends_with(0);
    assert_eq!(written(&desk, "t"), ["t1.gor", "t2.gor"]);
    let lengths = ["t1.gor", "t2.gor"].map(|name| desk.read(name).len());
    assert_eq!(lengths.iter().sum::<usize>(), 2 * text.len());
    assert_eq!(records(&desk.read("t2.gor")).len(), 14);
}

#[test]
fn a_limit_begins_the_next_file_and_none_leaves_one() {
    let (desk, text) = desk();
    let length = exchange(1, 100, "/").len();
    let cases: [(&[&str], &[usize]); 5] = [
        // The record that reaches it is the last one.
        (&["--output-file-size-limit", &(length + 1).to_string()], &[3, 3, 3, 3, 2]),
        (&["--output-file-size-limit", &length.to_string()], &[2, 2, 2, 2, 2, 2, 2]),
        (&["--output-file-queue-limit", "5"], &[5, 5, 4]),
        (&["--output-file-queue-limit", "0"], &[14]),
        (&["--output-file-queue-limit", "0", "--output-file-size-limit", "0"], &[14]),
    ];
    for (flags, numbers) in cases {
        desk.gor(&[&["--input-file", "in.gor", "--output-file", "c.gor"], flags].concat()).ends_with(0);
        let expected: Vec<_> = (0..numbers.len()).map(|number| format!("c_{number}.gor")).collect();
        assert_eq!(written(&desk, "c"), expected, "{flags:?}");
        let files: Vec<_> = expected.iter().map(|name| desk.read(name)).collect();
        let found: Vec<_> = files.iter().map(|file| records(file).len()).collect();
        assert_eq!((&found[..], files.concat()), (numbers, text.clone()), "{flags:?}");
        for name in &expected {
            fs::remove_file(desk.path(name)).expect("it is there");
        }
    }
}

#[test]
fn a_run_ends_with_the_record_that_reaches_the_size_of_all_files() {
    let (desk, text) = desk();
    let two = exchange(1, 100, "/").len() * 2;
    let limit = (two - 1).to_string();
    let args = ["--input-file", "in.gor", "--output-file-max-size-limit", &limit, "--output-file"];
    for (output, name, runs) in
        [(&["m.gor"][..], "m_0.gor", 1), (&["m.gor", "--output-file-append"], "m.gor", 2)]
    {
        for number in 1..=runs {
            let ran = desk.gor(&[&args[..], output].concat());
            ran.ends_with(1).says("--output-file-max-size-limit is reached; what came then is not written");
            assert_eq!(desk.read(name), text[..two].repeat(number), "of one run");
        }
    }
}

#[test]
fn three_outputs_take_exchanges_in_turn() {
    let (desk, _) = desk();
    for yes in [&["--split-output"][..], &["--split-output", "true"], &["-split-output=true"]] {
        let outputs = ["--output-file", "a.gor", "--output-file", "b.gor", "--output-file", "c.gor"];
        let more = ["--output-file-append", "--input-file", "in.gor"];
        desk.gor(&[&outputs[..], &more, yes].concat()).ends_with(0);
        for (name, numbers) in [("a.gor", &[1, 4, 7][..]), ("b.gor", &[2, 5]), ("c.gor", &[3, 6])] {
            let expected: Vec<u8> =
                numbers.iter().flat_map(|number| exchange(*number, i64::from(*number) * 100, "/")).collect();
            assert_eq!(desk.read(name), expected, "{name}");
            fs::remove_file(desk.path(name)).expect("it is there");
        }
    }
}

#[test]
fn speeds_count_and_levels_of_words_beyond_one_say_no_more() {
    let (desk, _) = desk();
    for (speed, time) in [("50%", "1.202s"), ("100%", "601ms"), ("200%", "300.5ms")] {
        let file = format!("in.gor|{speed}");
        let ran = desk.gor(&["--input-file", &file, "--input-file-dry-run", "--output-null"]);
        let said = String::from_utf8_lossy(&ran.ends_with(0).stdout);
        assert!(said.contains(&format!("It will take `{time}` to replay")), "{said}");
    }
    desk.write("two.gor", gets(&[(0, "/a"), (300, "/b")]));
    let origin = Origin::start(good);
    let url = format!("http://{}", origin.address());
    let args = ["--input-file", "two.gor|50%", "--output-http", &url];
    desk.gor(&[&args[..], &["--verbose", "0"]].concat()).ends_with(0).is_silent();
    // Times differ from run to run.
    let lines = |level: &str| {
        let ran = desk.gor(&[&args[..], &["--verbose", level]].concat());
        let lines = ran.ends_with(0).stderr.lines();
        lines
            .filter(|line| !line.starts_with("duration") && !line.starts_with("latency"))
            .map(str::to_owned)
            .collect()
    };
    let first: Vec<String> = lines("1");
    assert!(first.contains(&"answered    2".to_owned()), "{first:?}");
    assert_eq!((lines("2"), lines("3")), (first.clone(), first));
    let ran = desk.gor(&[&args[..], &["--output-http-stats", "--output-http-stats-ms", "100"]].concat());
    ran.ends_with(0).says(&format!("gor: {url}: ")).says(" sent, ").says(" answered, 0 failed, ");
}

#[test]
fn a_broker_that_was_never_there_is_not_waited_for_beyond_the_end() {
    // Nobody listens at a port that was free a moment ago.
    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("it has one");
    let words = format!("no broker reachable at {free}: connection refused");
    let (desk, text) = desk();
    let host = free.to_string();
    let start = Instant::now();
    let args = ["--input-file", "in.gor", "--output-kafka-host", &host, "--output-kafka-topic", "t"];
    desk.gor(&[&args[..], &["--exit-after", "100ms"]].concat()).ends_with(1).says(&words);
    assert!(start.elapsed() < Duration::from_secs(30), "that is how long it waits without an end");
    // These would be tried for an hour.
    let place = format!("kafka://{free}/t?timeout=3600s");
    let args = ["-o", &place, "--exit-after", "100ms"];
    run("gor-filter", &args, &text).ends_with(1).says(&words);
    run("gor-record", &[&["--dummy"], &args[..]].concat(), b"").ends_with(1).says(&words);
}
