//! gor-record that writes to Kafka, when it has given up its rights: brokers are connected to then, over TLS, too.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::thread;

use crate::support::kafka::{await_that, broker};
use crate::support::live::{Recorder, give_to_nobody};
use crate::support::network::{HERE, Network};

/// Has the broker's port seen in the namespace, under the same number, as that is what the broker tells.
fn forward(space: &str, port: u16) {
    let listener =
        Network::run_in(space, move || TcpListener::bind(("127.0.0.1", port)).expect("a free port"));
    thread::spawn(move || {
        for near in listener.incoming().map_while(Result::ok) {
            let far = TcpStream::connect(("127.0.0.1", port)).expect("the broker");
            for (mut from, mut to) in [(near.try_clone(), far.try_clone()), (Ok(far), Ok(near))]
                .map(|(from, to)| (from.expect("a copy"), to.expect("a copy")))
            {
                thread::spawn(move || {
                    // Either side may end first.
                    let _ = io::copy(&mut from, &mut to);
                    let _ = to.shutdown(std::net::Shutdown::Write);
                });
            }
        }
    });
}

#[test]
fn records_go_to_a_topic_while_it_records_without_rights() {
    let Some(broker) = broker() else { return };
    let Some(network) = Network::new() else { return };
    let _served = Network::serve(&network.here);
    let folder = tempfile::tempdir().expect("a folder");
    give_to_nobody(folder.path());
    for (listener, options) in [("PLAINTEXT", &[][..]), ("TLS", &["--kafka-ca"])] {
        let topic = broker.topic(1);
        let address = broker.address(listener);
        let (_, port) = address.split_once(':').expect("a port");
        forward(&network.here, port.parse().expect("a number"));
        // Only root reads it, and it is not read later.
        let authorities = folder.path().join("ca.pem");
        std::fs::copy(broker.certificate("ca.pem"), &authorities).expect("a copy");
        let authorities = path_text(&authorities);
        let place = format!("kafka://{address}/{topic}");
        let mut args = vec![":8080", "-v", "--responses", "-o", &place];
        args.extend(options);
        args.extend(options.first().map(|_| authorities));
        let recorder = Recorder::start(&network.here, &args);
        std::fs::remove_file(authorities).expect("it was there");
        Network::get(&network.there, HERE[0], &["/1/1".to_owned()]);
        await_that("the exchange is in the topic", || broker.messages(&topic).len() == 2);
        Network::get(&network.there, HERE[0], &["/2/1".to_owned()]);
        let recording = recorder.end();
        recording.ran.says("now running as nobody, without capabilities; ");
        let values: Vec<String> = broker
            .messages(&topic)
            .iter()
            .map(|message| {
                String::from_utf8_lossy(&message.value).lines().nth(1).expect("a start line").to_owned()
            })
            .collect();
        let responses = "HTTP/1.1 200 OK";
        assert_eq!(values, ["GET /1/1 HTTP/1.1", responses, "GET /2/1 HTTP/1.1", responses], "{listener}");
    }
}

fn path_text(path: &Path) -> &str {
    path.to_str().expect("text")
}

#[test]
fn a_topic_that_is_not_there_ends_it() {
    let Some(broker) = broker() else { return };
    let Some(network) = Network::new() else { return };
    let address = broker.address("PLAINTEXT");
    let (_, port) = address.split_once(':').expect("a port");
    forward(&network.here, port.parse().expect("a number"));
    let place = broker.place("no-such-topic", "");
    let recorder = Recorder::start(&network.here, &[":8080", "-o", &place]);
    recorder.wait(1).ran.says("no-such-topic: the topic does not exist");
}
