//! gor-record that writes to S3, when it has given up its rights: names are looked up, connections made, chunks begun.

use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::live::{Recorder, give_to_nobody};
use crate::support::network::{HERE, Network};
use crate::support::proxy::{Harm, Proxy};
use crate::support::s3::S3;

#[test]
fn objects_are_uploaded_without_rights_while_it_records() {
    let Some(server) = S3::start() else { return };
    let Some(network) = Network::new() else { return };
    let _served = Network::serve(&network.here);
    server.make("bucket");
    let listener = Network::run_in(&network.here, || TcpListener::bind("127.0.0.1:0").expect("a port"));
    let proxy = Proxy::on(listener, server.port(), |_, _| Harm::None);
    let folder = tempfile::tempdir().expect("a folder");
    give_to_nobody(folder.path());
    let spool = folder.path().join("below/spool").display().to_string();
    // A name, which is looked up in a file.
    let endpoint = format!("AWS_ENDPOINT_URL=http://localhost:{}", proxy.port());
    let environment = [
        "env",
        "-u",
        "AWS_CA_BUNDLE",
        &endpoint,
        "AWS_ACCESS_KEY_ID=testkey",
        "AWS_SECRET_ACCESS_KEY=testsecret",
        "AWS_CONFIG_FILE=/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE=/dev/null",
        "AWS_EC2_METADATA_DISABLED=true",
    ];
    let args = [":8080", "-v", "-o", "s3://bucket/%Y/x.gor", "--spool", &spool, "--chunk-age", "100ms"];
    let recorder = Recorder::start_through(&network.here, &environment, &args);
    let paths: Vec<_> = (0..4).map(|number| format!("/{number}/1")).collect();
    for (number, path) in paths.iter().enumerate() {
        Network::get(&network.there, HERE[0], std::slice::from_ref(path));
        let begun = Instant::now();
        // The last one is uploaded at the end.
        while number < 3 && server.objects("bucket").len() <= number {
            assert!(begun.elapsed() < Duration::from_mins(1), "no object of {path}");
            thread::sleep(Duration::from_millis(20));
        }
    }
    let recording = recorder.end();
    recording.ran.says("now running as nobody, without capabilities; ").says("4 objects written to S3");
    let objects = server.objects("bucket");
    let mut found: Vec<_> = objects
        .iter()
        .flat_map(|(_, text)| String::from_utf8_lossy(text).lines().map(str::to_owned).collect::<Vec<_>>())
        .filter_map(|line| Some(line.strip_prefix("GET ")?.split(' ').next()?.to_owned()))
        .collect();
    found.sort();
    assert_eq!(found, paths);
    let mut left =
        std::fs::read_dir(&spool).expect("it was made").map(|entry| entry.expect("one").file_name());
    assert!(left.all(|name| name == "lock"), "all of it was delivered");
}
