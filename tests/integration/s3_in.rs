//! Objects of S3 as inputs, of a real server: names, order, formats, and what is said where it does not work.

use std::io::Write as _;
use std::net::TcpListener;

use crate::support::origin::Origin;
use crate::support::program::{Ran, run};
use crate::support::proxy::{Harm, Proxy};
use crate::support::replayer::good;
use crate::support::s3::{S3, read, reading};

/// A request as a record: its number is also its second.
fn record(number: usize) -> String {
    let time = 1_763_900_000_000_000_000_i64 + number as i64 * 1_000_000_000;
    format!("1 {number:024x} {time} 1000\nGET /{number} HTTP/1.1\r\nHost: a\r\n\r\n\n🐵🙈🙉\n")
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn an_object_is_read_as_a_file_of_its_content_would_be() {
    let Some(server) = S3::start() else { return };
    let text = [1, 2, 3].map(record).concat();
    let capture = std::fs::read("testdata/go.pcap").expect("a capture");
    server.put(
        "bucket",
        &[
            ("a b/ü+%.gor", text.clone().into_bytes()),
            ("x.gz", gzip(text.as_bytes())),
            ("x.zst", zstd::encode_all(text.as_bytes(), 1).unwrap()),
            ("x.pcap", capture.clone()),
            ("x.pcap.gz", gzip(&capture)),
            ("empty", Vec::new()),
            ("noise", b"no record at all\n".to_vec()),
        ],
    );
    for key in ["a b/ü+%.gor", "x.gz", "x.zst"] {
        let name = format!("s3://bucket/{key}");
        read(server.port(), "gor-filter", &[&name]).ends_with(0).is_silent().writes(text.as_bytes());
    }
    let expected = run("gor-filter", &["-"], &capture);
    assert!(!expected.stdout.is_empty(), "{expected}");
    for key in ["x.pcap", "x.pcap.gz"] {
        let name = format!("s3://bucket/{key}");
        read(server.port(), "gor-filter", &[&name]).ends_with(0).writes(&expected.stdout);
    }
    read(server.port(), "gor-filter", &["s3://bucket/empty"])
        .ends_with(0)
        .says("nothing to filter")
        .writes(b"");
    read(server.port(), "gor-filter", &["s3://bucket/noise"])
        .ends_with(1)
        .says("s3://bucket/noise: no record in it");
}

#[test]
fn all_below_a_prefix_comes_in_the_order_of_keys_past_the_first_page_of_the_list() {
    let Some(server) = S3::start() else { return };
    let mut objects: Vec<(String, String)> =
        (0..1100).map(|n| (format!("logs/{n:04}.gor"), record(n))).collect();
    objects.push(("logs/0003.gor.idx".to_owned(), "no index".to_owned()));
    objects.push(("logs/.hidden".to_owned(), "hidden".to_owned()));
    objects.push(("logs-other/x.gor".to_owned(), record(5000)));
    server.put("archive", &objects);
    let all = (0..1100).map(record).collect::<String>();
    read(server.port(), "gor-filter", &["s3://archive/logs/"])
        .ends_with(0)
        .is_silent()
        .writes(all.as_bytes());
    let all = all + &record(5000);
    let named = ["s3://archive/logs/", "s3://archive/logs-other/"];
    read(server.port(), "gor-filter", &named).ends_with(0).writes(all.as_bytes());
    let last = (1090..1100).map(record).collect::<String>();
    read(server.port(), "gor-filter", &["s3://archive/logs/109?.gor*"]).ends_with(0).writes(last.as_bytes());
    // A byte of `-` is less than one of `/`; numbers are not compared by their value.
    let all = record(5000) + &(0..1100).map(record).collect::<String>();
    read(server.port(), "gor-filter", &["s3://archive"]).ends_with(0).writes(all.as_bytes());
}

#[test]
fn patterns_match_keys_as_a_shell_would() {
    let Some(server) = S3::start() else { return };
    let objects = ["a/x_10.gor", "a/x_9.gor", "a/b/x_1.gor", "b/x_2.gor", "a/[1].gor", "c/%m"];
    server.put("bucket", &objects.iter().zip(0..).map(|(key, n)| (*key, record(n))).collect::<Vec<_>>());
    for (pattern, expected) in [
        ("a/*.gor", &[4, 0, 1][..]),
        ("*/x_?.gor", &[1, 3]),
        ("**/x_[12].gor", &[2, 3]),
        ("a/[[]1].gor", &[4]),
        ("?/", &[4, 2, 0, 1, 3, 5]),
    ] {
        let expected = expected.iter().map(|number| record(*number)).collect::<String>();
        let name = format!("s3://bucket/{pattern}");
        read(server.port(), "gor-filter", &[&name]).ends_with(0).is_silent().writes(expected.as_bytes());
    }
    for name in ["s3://bucket/a/*.gz", "s3://bucket/d/"] {
        read(server.port(), "gor-filter", &[name]).ends_with(1).says(&format!("{name}: no object matches"));
    }
    for (name, said) in [
        ("s3://", "the bucket is missing"),
        ("s3://b*/x", "patterns are for keys"),
        ("s3://bucket/[x", "not a pattern of keys"),
    ] {
        read(server.port(), "gor-filter", &[name]).ends_with(2).says(said);
    }
}

#[test]
fn every_tool_that_reads_reads_objects() {
    let Some(server) = S3::start() else { return };
    let text = [1, 2, 3].map(record).concat();
    let capture = std::fs::read("testdata/go.pcap").expect("a capture");
    server.put(
        "bucket",
        &[("a.gor", record(2).as_bytes()), ("b.gor", record(1).as_bytes()), ("go.pcap", &capture)],
    );
    server.put("bucket", &[("all.gor.gz", gzip(text.as_bytes()))]);
    let read = |tool, args: &[&str]| read(server.port(), tool, args);
    read("gor-rewrite", &["s3://bucket/all.gor.gz"]).ends_with(0).writes(text.as_bytes());
    let merged = [1, 2].map(record).concat();
    read("gor-merge", &["s3://bucket/?.gor"]).ends_with(0).writes(merged.as_bytes());
    let shifted = read("gor-merge", &["--shift", "s3://bucket/b.gor=+1h", "s3://bucket/?.gor"]);
    assert!(shifted.ends_with(0).stdout.starts_with(record(2).as_bytes()), "{shifted}");
    let shown = read("gor-show", &["s3://bucket/all.gor.gz"]);
    assert_eq!(String::from_utf8_lossy(&shown.ends_with(0).stdout).matches("GET").count(), 3, "{shown}");
    let planned = read("gor-replay", &["--dry-run", "-i", "s3://bucket/?.gor", "127.0.0.1:1"]);
    let said = String::from_utf8_lossy(&planned.ends_with(0).stdout).into_owned();
    assert!(said.contains("files       2,"), "{planned}");
    let recorded = read("gor-record", &["--responses", "-r", "s3://bucket/go.pcap"]);
    recorded.ends_with(0).writes(&run("gor-record", &["--responses", "-r", "testdata/go.pcap"], b"").stdout);
    read("gor-report", &["s3://bucket/a.gor"]).ends_with(1).says("s3://bucket/a.gor: ");
    read("gor-filter", &["--follow", "s3://bucket/a.gor"]).ends_with(2).says("does not grow");
}

#[test]
fn one_object_that_is_missing_does_not_hide_the_others() {
    let Some(server) = S3::start() else { return };
    server.put("bucket", &[("a", record(1)), ("b", record(2))]);
    let names = ["s3://bucket/a", "s3://bucket/nothing", "s3://bucket/b"];
    read(server.port(), "gor-filter", &names)
        .ends_with(1)
        .says("s3://bucket/nothing: there is no such object")
        .writes([1, 2].map(record).concat().as_bytes());
}

#[test]
fn what_is_wrong_with_bucket_credentials_and_server_is_said_in_one_line() {
    let Some(server) = S3::start() else { return };
    server.put("bucket", &[("a", record(1))]);
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let endpoint = format!("http://{}", nobody.local_addr().expect("its address"));
    drop(nobody);
    let unreachable = format!("cannot connect to {endpoint}: connection refused; check AWS_ENDPOINT_URL");
    let (unset, no_sign) = (("", ""), "--no-sign-request");
    for (args, (name, value), said) in [
        (&["s3://nobucket/a"][..], unset, "s3://nobucket/a: there is no such bucket at http://127.0.0.1:"),
        (&["s3://nobucket/"], unset, "s3://nobucket/: there is no such bucket at http://127.0.0.1:"),
        (&["s3://bucket/nothing"], unset, "s3://bucket/nothing: there is no such object"),
        (&["s3://bucket/a"], ("AWS_SECRET_ACCESS_KEY", "x"), "check AWS_SECRET_ACCESS_KEY or AWS_PROFILE"),
        (&["s3://bucket/"], ("AWS_SECRET_ACCESS_KEY", "x"), "check AWS_SECRET_ACCESS_KEY or AWS_PROFILE"),
        (&["s3://bucket/a"], ("AWS_ACCESS_KEY_ID", "x"), "check AWS_ACCESS_KEY_ID or AWS_PROFILE"),
        (
            &["s3://bucket/a"],
            ("AWS_ACCESS_KEY_ID", ""),
            "no credentials for S3: set AWS_PROFILE, or AWS_ACCESS_KEY_ID",
        ),
        (
            &["s3://bucket/a", no_sign],
            unset,
            "access denied without credentials: leave out --no-sign-request",
        ),
        (&["s3://bucket/a"], ("AWS_ENDPOINT_URL", &*endpoint), &*unreachable),
    ] {
        let mut command = reading(server.port(), "gor-filter", args);
        if !name.is_empty() {
            command.env(name, value);
        }
        let ran = crate::support::program::Ran::new("gor-filter", args, command.output().expect("it runs"));
        ran.ends_with(1).says(said).writes(b"");
        assert_eq!(ran.stderr.lines().count(), 1, "{ran}");
    }
}

#[test]
fn a_public_bucket_needs_no_credentials() {
    let Some(server) = S3::start() else { return };
    server.put("bucket", &[("a", record(1))]);
    server.publish("bucket");
    for name in ["s3://bucket/a", "s3://bucket/"] {
        let mut command = reading(server.port(), "gor-filter", &["--no-sign-request", name]);
        command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
        let output = command.output().expect("it runs");
        assert_eq!((output.status.code(), &*output.stdout), (Some(0), record(1).as_bytes()), "{output:?}");
    }
}

#[test]
fn of_an_object_with_an_index_no_more_is_read_than_the_time_needs() {
    let Some(server) = S3::start() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let records = (0..40_000).map(record).collect::<String>();
    for name in ["x.gor", "x.gor.gz"] {
        let path = folder.path().join(name);
        let path = path.to_str().expect("text");
        run("gor-filter", &["--index", "-o", path], records.as_bytes()).ends_with(0);
    }
    server.put_folder("bucket", folder.path());
    let window = ["--since", "1763920000", "--until", "1763920002"];
    let expected = (20_000..20_002).map(record).collect::<String>();
    let size = std::fs::metadata(folder.path().join("x.gor")).expect("it is there").len() as usize;
    for (name, most) in [("s3://bucket/x.gor", size / 4), ("s3://bucket/x.gor*", size / 4)] {
        let proxy = Proxy::start(server.port(), |_, _| Harm::None);
        let ran = read(proxy.port(), "gor-filter", &[&window[..], &[name]].concat());
        let times = if name.ends_with('*') { 2 } else { 1 };
        ran.ends_with(0).is_silent().writes(expected.repeat(times).as_bytes());
        let bytes = proxy.bytes("/bucket/x.gor?") + proxy.bytes("/bucket/x.gor.idx");
        assert!(bytes > 0 && bytes < most, "{bytes} bytes were read of {size}");
    }
    // Nothing of that time: no more is read than shows that the index is its own.
    let proxy = Proxy::start(server.port(), |_, _| Harm::None);
    let ran = read(proxy.port(), "gor-filter", &["--since", "1", "--until", "2", "s3://bucket/x.gor"]);
    ran.ends_with(0).writes(b"");
    assert!(
        proxy.bytes("/bucket/x.gor") < size / 4,
        "{} bytes were read of {size}",
        proxy.bytes("/bucket/x.gor")
    );
    // The object is another one now, as long as before.
    server.put("bucket", &[("x.gor", records.replace("Host: a", "Host: b"))]);
    let ran = read(server.port(), "gor-filter", &[&window[..], &["s3://bucket/x.gor"]].concat());
    let expected = expected.replace("Host: a", "Host: b");
    ran.ends_with(0).says("the index beside it does not match it").writes(expected.as_bytes());
}

#[test]
fn keys_with_fields_of_time_are_those_of_the_hours_asked_for() {
    let Some(server) = S3::start() else { return };
    // 1763900000 is 2025-11-23 12:13:20 UTC.
    let keys = (0..24).map(|hour| format!("logs/2025/11/23/{hour:02}/x.gor"));
    let objects: Vec<_> = keys.zip(0..24).map(|(key, hour)| (key, record(hour * 3600))).collect();
    server.put("bucket", &objects);
    let proxy = Proxy::start(server.port(), |_, _| Harm::None);
    let window = ["--since", "2025-11-23T15:00:00Z", "--until", "2025-11-23T16:30:00Z"];
    for name in [
        "s3://bucket/logs/%Y/%m/%d/%H/",
        "s3://bucket/logs/%Y/%m/%d/%H/x.gor",
        "s3://bucket/logs/%Y/*/%d/%H/*",
    ] {
        let args = [&window[..], &[name]].concat();
        // Record 3 * 3600 is of 15:13:20, and stands below the hour 3, which is not looked at.
        read(proxy.port(), "gor-filter", &args).ends_with(0).writes(b"");
    }
    let read_keys = proxy.passed("/bucket/logs/");
    let hours: Vec<_> = (14..=17).map(|hour| format!("GET /bucket/logs/2025/11/23/{hour}/")).collect();
    assert_eq!(read_keys.len(), 3 * 4, "{read_keys:?}");
    assert!(
        read_keys.iter().all(|passed| hours.iter().any(|hour| passed.line.starts_with(hour))),
        "{read_keys:?}"
    );
    let all = [
        "--since",
        "2025-11-23T00:00:00Z",
        "--until",
        "2025-11-23T23:00:00Z",
        "s3://bucket/logs/%Y/%m/%d/%H/",
    ];
    let expected = (0..11).map(|hour| record(hour * 3600)).collect::<String>();
    read(server.port(), "gor-filter", &all).ends_with(0).writes(expected.as_bytes());
    let name = "s3://bucket/logs/%Y/%m/%d/%H/";
    read(server.port(), "gor-filter", &["--since", "2025-11-23", name]).ends_with(2).says("give both");
    let none = ["--since", "2024-11-23T15:00:00Z", "--until", "2024-11-23T16:30:00Z", name];
    read(server.port(), "gor-filter", &none).ends_with(1).says("no object matches");
}

#[test]
fn certificates_that_cannot_be_read_are_an_error_that_names_their_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ca.pem");
    let bad = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (content, said) in [
        ("no certificate\n", "there is no certificate (PEM) in it"),
        (
            "-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----\n",
            "this is not a file of certificates (PEM)",
        ),
        (bad, "a certificate in it cannot be used"),
    ] {
        std::fs::write(&path, content).expect("a file");
        let args = ["s3://bucket/x"];
        let mut command = reading(1, "gor-filter", &args);
        let output = command.env("AWS_CA_BUNDLE", &path).output().expect("it runs");
        let ran = Ran::new("gor-filter", &args, output);
        ran.ends_with(1).says(&format!("AWS_CA_BUNDLE {}: {said}", path.display()));
    }
}

#[test]
fn the_commands_of_the_readme_run() {
    let Some(server) = S3::start() else { return };
    let shop = run("gor-record", &["-r", "testdata/shop.pcapng", "--responses"], b"").stdout;
    server.put(
        "archive",
        &[
            ("2026/11/23/21.gor.gz", gzip(&shop)),
            ("2026/11/23/21-web1.gor.zst", shop.clone()),
            ("2026/11/shop.gor.gz", gzip(&shop)),
            ("shop.gor", shop.clone()),
        ],
    );
    server.make("reports");
    let origin = Origin::start(good);
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("shop.gor"), &shop).expect("a file");
    let bins = std::path::Path::new(env!("CARGO_BIN_EXE_gor-filter")).parent().expect("a folder");
    let path = format!("{}:{}", bins.display(), std::env::var("PATH").expect("it is set"));
    let readme = include_str!("../../README.md");
    let begins = ["gor-", "AWS_"];
    let commands = readme
        .lines()
        .filter(|line| line.contains("s3://") && begins.iter().any(|begin| line.starts_with(begin)));
    let mut number = 0;
    for line in commands {
        let line = line.replace("http://minio:9000", &format!("http://127.0.0.1:{}", server.port()));
        let line = line.replace("staging.example.com", &origin.address().to_string());
        let line = line.replace(" --shard 1/16", " --shard 1/2 --no-wait");
        let mut shell = reading(server.port(), "gor-filter", &[]);
        let env: Vec<_> =
            shell.get_envs().map(|(key, value)| (key.to_owned(), value.map(ToOwned::to_owned))).collect();
        shell = std::process::Command::new("bash");
        for (key, value) in env {
            match value {
                Some(value) => shell.env(key, value),
                None => shell.env_remove(key),
            };
        }
        let output = shell
            .args(["-c", &line])
            .env("PATH", &path)
            .env("XDG_STATE_HOME", folder.path().join("state"))
            .current_dir(folder.path())
            .output()
            .expect("it runs");
        let is_quiet = output.stderr.is_empty() || line.contains("gor-replay -i");
        assert!(output.status.success() && is_quiet, "{line}: {output:?}");
        number += 1;
    }
    assert_eq!(number, 8);
    for name in ["hour.gor", "logins.gor", "november.html"] {
        let read = std::fs::read(folder.path().join(name)).expect("it was written");
        assert!(!read.is_empty(), "{name}");
    }
    assert!(!origin.received().is_empty());
}
