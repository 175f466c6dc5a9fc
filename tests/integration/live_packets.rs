//! `gor-record -w FILE` on a network: the packets are kept beside the records.
//!
//! Where namespaces cannot be made (they need root and `ip`) these tests say so and pass.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use super::packets_kept::packets;
use super::support::live::{Recorder, give_to_nobody};
use super::support::network::{HERE, Network, TAGGED_HERE};
use super::support::program::run;
use super::support::recorder::{assert_reconciles, is_request, number, record};
use super::support::skip::skip;

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

/// The law of `-w`: read again, the packets give the records that the network gave.
#[test]
fn what_is_kept_gives_the_same_records() {
    let Some(network) = Network::new() else { return };
    let has_vlan = network.add_vlan();
    let _served = [Network::serve(&network.here), Network::serve(&network.there)];
    let folder = tempfile::tempdir().expect("a folder");
    let cases = [
        ("all.pcapng", &[":8080"][..]),
        ("all.pcap", &["cable:8080", "lo:8080"]),
        ("some.pcapng.zst", &["10.77.0.1:8080,1-100"]),
        ("shared.pcapng", &[":8080", "--threads", "3"]),
        ("libpcap.pcap.gz", &["cable:8080", "--engine", "libpcap"]),
    ];
    for (name, args) in cases {
        let has_libpcap = run("gor-record", &["--bpf", "tcp", "-r", "testdata/shop.pcapng"], b"").ends();
        if args.contains(&"libpcap") && has_libpcap != Some(0) {
            skip("libpcap is not installed; the rest is tested");
            continue;
        }
        let kept = folder.path().join(name);
        let recorder = Recorder::start(&network.here, &[args, &["--responses", "-w", text(&kept)]].concat());
        for connection in 0..6 {
            let paths: Vec<_> = [0, 1000, 70_000].map(|length| format!("/{connection}/{length}")).into();
            match connection % 3 {
                0 => Network::get(&network.here, "127.0.0.1", &paths),
                1 if has_vlan => Network::get(&network.there, TAGGED_HERE, &paths),
                number => Network::get(&network.there, HERE[usize::from(number == 2)], &paths),
            }
        }
        // Another server, at the same port: it passes the filter in the kernel, and is not kept.
        Network::get(&network.here, "10.77.0.2", &["/other/1".to_owned()]);
        let live = recorder.end();
        assert_reconciles(&live, name);
        assert_eq!(number(&live.stats, "/packets/dropped"), 0, "{name}");
        assert!(live.records.len() >= 6, "{name}: {}", live.records.len());
        let address = args[0].rsplit(':').next().expect("ports");
        let again =
            record(&["-r", text(&kept), &format!(":{address}"), "--responses", "--expire", "2s"], b"");
        let order = |recording: &super::support::recorder::Recording| {
            let mut records = recording.records.clone();
            // Threads share a clock, but two messages may be complete at the same time.
            if name == "shared.pcapng" {
                records.sort_by_key(|record| (record.header().id.to_vec(), is_request(&record.header())));
            }
            records
        };
        assert!(order(&live) == order(&again), "{name}\n{:?}\n{:?}", live.summary(), again.summary());
        let segments = number(&live.stats, "/packets/segments");
        assert_eq!(number(&again.stats, "/packets/read"), segments, "{name}");
        assert_eq!(number(&again.stats, "/packets/segments"), segments, "{name}");
        if name == "all.pcapng" && has_vlan {
            let tagged = packets(&kept).into_iter().filter(|packet| packet.3[12..14] == [0x81, 0]).count();
            assert!(tagged > 0, "the tag that the kernel took off is not in the file");
        }
    }
}

#[test]
fn a_file_that_is_too_slow_stops_no_packet_and_what_it_lacks_is_counted() {
    let Some(network) = Network::new() else { return };
    let _served = Network::serve(&network.here);
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = folder.path().join("slow.pcap");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo is there").success());
    // Opened, so that it can be written to, and not read yet.
    let mut reader = OpenOptions::new()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
        .open(&pipe)
        .expect("a pipe");
    let args = [":8080", "--responses", "-w", text(&pipe), "--output-queue", "100kb"];
    let recorder = Recorder::start(&network.here, &args);
    for round in 0..10 {
        let paths: Vec<_> = (0..20).map(|number| format!("/{round}/{number}/20000")).collect();
        Network::get(&network.there, HERE[0], &paths);
    }
    let reading = thread::spawn(move || {
        rustix::fs::fcntl_setfl(&reader, rustix::fs::OFlags::empty()).expect("a pipe");
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut reader, &mut bytes).expect("a pipe");
        bytes
    });
    let recording = recorder.end_with(1);
    recording.ran.says("the file of -w is too slow; packets are left out of it from now on");
    recording.ran.says("not in the file of -w, as it was too slow; --output-queue lets more wait");
    assert_eq!(number(&recording.stats, "/requests/recorded"), 200);
    assert_eq!(number(&recording.stats, "/packets/dropped"), 0);
    assert_reconciles(&recording, "slow");
    let kept = folder.path().join("kept.pcap");
    std::fs::write(&kept, reading.join().expect("it does not fail")).expect("it can be written");
    let unwritten = number(&recording.stats, "/unwritten/packets");
    assert!(unwritten > 0);
    let segments = number(&recording.stats, "/packets/segments");
    assert_eq!(packets(&kept).len() as u64 + unwritten, segments);
}

#[test]
fn a_full_disk_ends_it_and_the_records_so_far_are_written() {
    let Some(network) = Network::new() else { return };
    let _served = Network::serve(&network.here);
    let folder = tempfile::tempdir().expect("a folder");
    let full = folder.path().join("full.pcap");
    std::os::unix::fs::symlink("/dev/full", &full).expect("a link");
    let output = folder.path().join("out.gor");
    let mut recorder = Recorder::start(&network.here, &[":8080", "-w", text(&full), "-o", text(&output)]);
    let mut exit = None;
    for number in 0..300 {
        Network::get(&network.there, HERE[0], &[format!("/{number}/1")]);
        exit = recorder.child.0.try_wait().expect("it can be waited for");
        if exit.is_some() {
            break;
        }
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(exit.and_then(|exit| exit.code()), Some(1));
    let mut said = String::new();
    std::io::Read::read_to_string(&mut recorder.errors, &mut said).expect("text");
    assert!(said.contains("full.pcap: ") && said.contains("no space left on device"), "{said}");
    let records = super::support::recorder::records(&std::fs::read(&output).expect("it is there"));
    assert!(records.first().is_some_and(|record| record.payload.starts_with(b"GET /0/1 ")));
}

#[test]
fn after_sighup_a_file_that_was_moved_away_is_begun_anew() {
    let Some(network) = Network::new() else { return };
    let _served = Network::serve(&network.here);
    for name in ["x.pcap", "x.pcapng.gz"] {
        let folder = tempfile::tempdir().expect("a folder");
        give_to_nobody(folder.path());
        let (kept, moved) = (folder.path().join(name), folder.path().join(format!("moved-{name}")));
        let recorder =
            Recorder::start(&network.here, &[":8080", "--flush-interval", "0s", "-w", text(&kept)]);
        let wait_for = |what: &str, condition: &dyn Fn() -> bool| {
            for _ in 0..600 {
                if condition() {
                    return;
                }
                thread::sleep(Duration::from_millis(50));
            }
            panic!("{name}: {what}");
        };
        Network::get(&network.there, HERE[0], &["/before/1".to_owned()]);
        wait_for("nothing is written", &|| kept.metadata().is_ok_and(|found| found.len() > 0));
        std::fs::rename(&kept, &moved).expect("it can be moved");
        recorder.signal(Signal::HUP);
        wait_for("no new file", &|| kept.exists());
        Network::get(&network.there, HERE[0], &["/after/1".to_owned()]);
        recorder.end();
        let paths = |path: &Path| {
            let again = record(&["-r", text(path), ":8080"], b"");
            let count = |what: &str| again.summary().iter().filter(|line| line.contains(what)).count();
            [count("/before/1"), count("/after/1")]
        };
        assert_eq!((paths(&moved), paths(&kept)), ([1, 0], [0, 1]), "{name}");
    }
}
