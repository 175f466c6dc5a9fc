//! `gor-record --dummy`: records without any traffic.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use super::support::program::{command, run};
use super::support::recorder::{Recording, is_request, number, records, try_record};

#[test]
fn made_up_exchanges_come_at_their_rate_until_the_time_is_over() {
    for responses in [&[][..], &["--responses"]] {
        let args = [&["--dummy", "200/s", "--exit-after", "1s"], responses].concat();
        let Recording { ran, records, stats } = try_record(&args, b"");
        ran.ends_with(0).is_silent();
        let requests: Vec<_> = records.iter().filter(|record| is_request(&record.header())).collect();
        // How many depends on how busy the machine is; their times do not.
        assert!(requests.len() > 1, "{}", requests.len());
        let ids: HashSet<_> = requests.iter().map(|record| record.header().id).collect();
        assert_eq!(ids.len(), requests.len());
        for pair in requests.windows(2) {
            let pause = pair[1].header().timestamp - pair[0].header().timestamp;
            assert!((4_999_998..=5_000_002).contains(&pause), "{pause}");
        }
        let answers = records.len() - requests.len();
        assert_eq!(answers, if responses.is_empty() { 0 } else { requests.len() });
        for record in &records {
            let expected: &[u8] =
                if is_request(&record.header()) { b"GET / HTTP/1.1\r\n" } else { b"HTTP/1.1 200 OK\r\n" };
            assert!(record.payload.starts_with(expected));
        }
        assert_eq!(number(&stats, "/requests/recorded"), requests.len() as u64);
        assert_eq!(number(&stats, "/responses/recorded"), answers as u64);
    }
}

#[test]
fn it_goes_on_until_a_signal() {
    let mut child = command("gor-record", &["--dummy"]).stdout(Stdio::piped()).spawn().expect("it starts");
    let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut text = Vec::new();
    // The first comes at once, the second after a second.
    while String::from_utf8_lossy(&text).matches("GET / ").count() < 2 {
        assert!(output.read_until(b'\n', &mut text).expect("a pipe") > 0, "it ended");
    }
    kill_process(Pid::from_child(&child), Signal::TERM).expect("it runs");
    std::io::Read::read_to_end(&mut output, &mut text).expect("a pipe");
    assert!(child.wait().expect("it can be waited for").success());
    let records = records(&text);
    assert!(records.len() >= 2);
    assert!(records[1].header().timestamp - records[0].header().timestamp == 1_000_000_000);
}

#[test]
fn it_ends_when_its_reader_has_gone_though_no_record_is_due() {
    let mut child = command("gor-record", &["--dummy", "0.0001/s"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut line = Vec::new();
    assert!(output.read_until(b'\n', &mut line).expect("a pipe") > 0, "it ended");
    drop(output);
    let ended = child.wait_with_output().expect("it can be waited for");
    assert!(ended.status.success() && ended.stderr.is_empty(), "{ended:?}");
}

#[test]
fn its_statistics_count_no_packets() {
    let ran = run("gor-record", &["--dummy", "1000/s", "--exit-after", "50ms", "--stats"], b"");
    ran.ends_with(0).says("  requests\n");
    assert!(!ran.stderr.contains("packets") && !ran.stderr.contains("responses"), "{ran}");
}

#[test]
fn it_is_no_way_to_capture() {
    for (args, said) in [
        (&["--dummy", "1/s", ":80"][..], "cannot be used with"),
        (&["--dummy", "1/s", "-r", "testdata/shop.pcapng"], "cannot be used with"),
        (&["--dummy", "1/s", "--expire", "1s"], "cannot be used with"),
        (&["--dummy", "1/s", "--buffer-size", "4mb"], "cannot be used with"),
        (&["--dummy", "1/s", "-w", "x.pcap"], "cannot be used with"),
        (&["--dummy", "1/s", "--user", "root"], "cannot be used with"),
        (&["--dummy", ":80"], "expected a rate of at most 1000000/s, as 100/s"),
        (&["--dummy", "0/s"], "expected a rate of at most 1000000/s, as 100/s"),
    ] {
        run("gor-record", args, b"").ends_with(2).says(said);
    }
}
