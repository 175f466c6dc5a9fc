//! `gor-replay` to targets over TLS and Unix sockets.

use std::sync::atomic::Ordering;

use crate::support::front::{Certificates, TlsFront, config_of, server_config, unix_front};
use crate::support::origin::{Answer, Origin};
use crate::support::replayer::{
    MILLISECOND, OK, assert_exit, assert_says, gets, good, lines, record, replay,
};

const PATHS: [(i64, &str); 3] = [(0, "/a"), (200, "/b"), (400, "/c")];

#[test]
fn requests_go_over_tls_and_the_certificate_is_checked() {
    let certificates = Certificates::new();
    let origin = Origin::start(good);
    let front = TlsFront::start(server_config(&certificates, &["localhost"], false), origin.address(), true);
    let target = format!("https://localhost:{}", front.address.port());

    let output = replay(&["--ca-cert", &certificates.ca(), &target], &gets(&PATHS));
    assert_exit(&output, 0);
    assert_eq!(lines(&origin), ["GET /a", "GET /b", "GET /c"]);
    let host = format!("Host: localhost:{}", front.address.port());
    let first = String::from_utf8_lossy(&origin.received()[0].bytes).into_owned();
    assert!(first.contains(&host), "{first}");
    assert_eq!(*front.names.lock().unwrap(), [Some("localhost".to_owned())]);

    // Nobody whom the system trusts has signed it.
    let said = assert_exit(&replay(&[&target], &gets(&PATHS[..1])), 1);
    assert_says(&said, "TLS failed");
    assert_says(&said, "UnknownIssuer");
    assert_says(&said, "--ca-cert FILE trusts its issuer");
    assert_eq!(origin.received().len(), 3);

    // It is not for this name.
    let by_address = format!("https://127.0.0.1:{}", front.address.port());
    let said = assert_exit(&replay(&["--ca-cert", &certificates.ca(), &by_address], &gets(&PATHS[..1])), 1);
    assert_says(&said, "TLS failed");
    assert_eq!(origin.received().len(), 3);
    assert_exit(
        &replay(&["--ca-cert", &certificates.ca(), "--sni", "localhost", &by_address], &gets(&PATHS[..1])),
        0,
    );
    assert_exit(&replay(&["--skip-verify", &by_address], &gets(&PATHS[..1])), 0);
    assert_eq!(origin.received().len(), 5);
}

#[test]
fn a_self_signed_certificate_is_accepted_where_it_is_named() {
    let certificates = Certificates::new();
    certificates.make_self_signed("server", &["localhost"], true);
    certificates.make_self_signed("other", &["localhost"], true);
    let origin = Origin::start(good);
    let front = TlsFront::start(config_of(&certificates, "server", false), origin.address(), true);
    let named = certificates.path("server.pem").display().to_string();
    let other = certificates.path("other.pem").display().to_string();
    let by_name = format!("https://localhost:{}", front.address.port());
    let by_address = format!("https://{}", front.address);
    assert_exit(&replay(&["--ca-cert", &named, &by_name], &gets(&PATHS[..1])), 0);
    for args in [["--ca-cert", &other, &by_name], ["--ca-cert", &named, &by_address]] {
        let said = assert_exit(&replay(&args, &gets(&PATHS[..1])), 1);
        assert_says(&said, "TLS failed");
    }
    assert_eq!(origin.received().len(), 1);
    // One whose time is over is not.
    certificates.make_self_signed("old", &["localhost"], false);
    let front = TlsFront::start(config_of(&certificates, "old", false), origin.address(), true);
    let (old, target) = (
        certificates.path("old.pem").display().to_string(),
        format!("https://localhost:{}", front.address.port()),
    );
    let said = assert_exit(&replay(&["--ca-cert", &old, &target], &gets(&PATHS[..1])), 1);
    assert_says(&said, "xpired");
}

#[test]
fn a_client_shows_its_certificate_where_it_is_asked() {
    let certificates = Certificates::new();
    let origin = Origin::start(good);
    let front = TlsFront::start(server_config(&certificates, &["localhost"], true), origin.address(), true);
    let target = format!("https://localhost:{}", front.address.port());
    let (pem, key) = certificates.make("client", &["somebody"]);
    let (pem, key) = (pem.display().to_string(), key.display().to_string());

    let with = ["--ca-cert", &certificates.ca(), "--client-cert", &pem, "--client-key", &key, &target];
    assert_exit(&replay(&with, &gets(&PATHS)), 0);
    assert_eq!(origin.received().len(), 3);
    let said = assert_exit(&replay(&["--ca-cert", &certificates.ca(), &target], &gets(&PATHS[..1])), 1);
    assert_says(&said, "CertificateRequired");
    assert_eq!(origin.received().len(), 3);
}

#[test]
fn sessions_are_resumed_on_new_connections() {
    let certificates = Certificates::new();
    let origin = Origin::start(|_| Answer::SendAndClose(OK.to_vec()));
    let front = TlsFront::start(server_config(&certificates, &["localhost"], false), origin.address(), true);
    let target = format!("https://localhost:{}", front.address.port());
    let paths: Vec<(i64, &str)> = (0..5).map(|number| (number * 100, "/")).collect();
    assert_exit(&replay(&["--ca-cert", &certificates.ca(), &target], &gets(&paths)), 0);
    assert_eq!(origin.received().len(), 5);
    assert!(front.resumed.load(Ordering::SeqCst) >= 3, "{:?}", front.resumed);
}

#[test]
fn large_bodies_pass_both_ways() {
    let certificates = Certificates::new();
    let body: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
    let request = [b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n", &body[..]].concat();
    let answer = [b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n", &body[..]].concat();
    let sent = answer.clone();
    let origin = Origin::start(move |_| Answer::Send(sent.clone()));
    let front = TlsFront::start(server_config(&certificates, &["localhost"], false), origin.address(), true);
    let target = format!("https://localhost:{}", front.address.port());
    let input: Vec<u8> =
        (0..3).flat_map(|at| record(1, &format!("{at:024x}"), at * MILLISECOND, &request)).collect();
    let output = replay(&["--timeout", "1m", "--skip-verify", "--original-host", "-o", "-", &target], &input);
    assert_exit(&output, 0);
    for received in origin.received() {
        assert!(received.bytes == request, "a request came changed");
    }
    let found = output.stdout.windows(answer.len()).filter(|window| *window == answer).count();
    assert_eq!(found, 3, "responses in the output");
}

#[test]
fn a_response_that_ends_with_its_connection_needs_the_farewell_of_tls() {
    let certificates = Certificates::new();
    for (says_goodbye, code, words) in
        [(true, 0, "answered    1\n"), (false, 1, "without a TLS close_notify")]
    {
        let origin = Origin::start(|_| Answer::SendAndClose(b"HTTP/1.1 200 OK\r\n\r\nbody".to_vec()));
        let config = server_config(&certificates, &["localhost"], false);
        let front = TlsFront::start(config, origin.address(), says_goodbye);
        let target = format!("https://localhost:{}", front.address.port());
        let said = assert_exit(&replay(&["--skip-verify", &target], &gets(&PATHS[..1])), code);
        assert_says(&said, words);
    }
}

#[test]
fn a_server_without_tls_is_told() {
    let origin = Origin::start(good);
    let target = format!("https://{}", origin.address());
    let said = assert_exit(&replay(&["--skip-verify", "--timeout", "2s", &target], &gets(&PATHS[..1])), 1);
    // This origin waits for the end of what it takes for a head.
    assert_says(&said, "no handshake in time; does it speak TLS?");
    assert_says(&said, "TLS failed");
    let speaking = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let target = format!("https://{}", speaking.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for mut stream in speaking.incoming().flatten() {
            use std::io::Write;
            // The client ends it.
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
            std::thread::sleep(std::time::Duration::from_secs(1));
        }
    });
    let said = assert_exit(&replay(&["--skip-verify", &target], &gets(&PATHS[..1])), 1);
    assert_says(&said, "TLS failed");
    assert_says(&said, "try http://");
}

#[test]
fn files_of_certificates_that_cannot_be_used_are_named() {
    let certificates = Certificates::new();
    let (_, key) = certificates.make("server", &["a"]);
    let key = key.display().to_string();
    for (args, words) in [
        (vec!["--ca-cert", "/nowhere.pem", "https://localhost"], "/nowhere.pem"),
        (vec!["--ca-cert", &key, "https://localhost"], "no certificate in it"),
        (vec!["--client-cert", &key, "--client-key", &key, "https://localhost"], "no certificate in it"),
    ] {
        let said = assert_exit(&replay(&args, &gets(&PATHS)), 1);
        assert_says(&said, words);
    }
    assert_exit(&replay(&["--client-cert", &key, "https://localhost"], b""), 2);
}

#[test]
fn a_target_that_speaks_tls_where_http_is_expected_is_told() {
    // The alert that OpenSSL answers with: protocol version.
    let origin = Origin::start(|_| Answer::Send(vec![0x15, 3, 1, 0, 2, 2, 70]));
    let said = assert_exit(&replay(&[&format!("http://{}", origin.address())], &gets(&PATHS[..1])), 1);
    assert_says(&said, "TLS instead of HTTP; the target may want https://");
}

#[test]
fn what_is_wrong_with_our_own_certificate_is_not_said_of_a_peer() {
    let certificates = Certificates::new();
    let [(pem, _), (_, key)] = ["one", "two"].map(|name| certificates.make(name, &["localhost"]));
    let [pem, key] = [pem, key].map(|path| path.to_str().expect("text").to_owned());
    let junk = certificates.path("junk.pem");
    std::fs::write(&junk, "-----BEGIN CERTIFICATE-----\nanVuaw==\n-----END CERTIFICATE-----\n")
        .expect("a file");
    let junk = junk.to_str().expect("text");
    let no_certificate = "it is not an X.509 certificate, or is damaged";
    for (args, expected) in [
        (vec!["--client-cert", &pem, "--client-key", &key], "two.key is not that of the certificate"),
        (vec!["--client-cert", junk, "--client-key", &key], no_certificate),
        (vec!["--ca-cert", junk], no_certificate),
    ] {
        let said = assert_exit(&replay(&[&args[..], &["https://localhost:1"]].concat(), b""), 1);
        assert_says(&said, expected);
        assert!(!said.contains("peer"), "{said}");
    }
}

#[test]
fn a_unix_socket_is_a_target() {
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("app.sock");
    let origin = Origin::start(good);
    unix_front(&socket, origin.address());
    let target = format!("unix:{}:/v1", socket.display());
    assert_exit(&replay(&[&target], &gets(&PATHS)), 0);
    assert_eq!(lines(&origin), ["GET /v1/a", "GET /v1/b", "GET /v1/c"]);
    let first = String::from_utf8_lossy(&origin.received()[0].bytes).into_owned();
    assert!(first.contains("Host: localhost\r\n"), "{first}");

    let missing = format!("unix:{}", directory.path().join("none").display());
    let said = assert_exit(&replay(&[&missing], &gets(&PATHS[..1])), 1);
    assert_says(&said, "no connection");
    assert_says(&said, "No such file");
    assert_says(&said, "none: No such file");
}
