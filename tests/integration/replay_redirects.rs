//! `gor-replay --redirects`: answers that point elsewhere, on the target and on other servers.

use crate::support::front::{Certificates, TlsFront, server_config};
use crate::support::origin::{Answer, Origin, Received};
use crate::support::replayer::{MILLISECOND, assert_exit, assert_says, gets, good, lines, record, replay};

/// A redirection, with more fields.
fn found(location: &str, fields: &str) -> Answer {
    let head = format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\n{fields}Content-Length: 3\r\n\r\nabc");
    Answer::Send(head.into_bytes())
}

/// A target that points elsewhere, as a path after `/to/` says, and answers other requests.
fn pointing(to: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Origin {
    Origin::start(move |request| {
        let line = request.line();
        let path = line.split(' ').nth(1).unwrap_or_default();
        to(path).map_or_else(|| good(request), |location| found(&location, ""))
    })
}

/// The value of a field of a request.
fn field(request: &Received, name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(&request.bytes).into_owned();
    let value = |line: &str| Some(line.strip_prefix(name)?.strip_prefix(": ")?.to_owned());
    text.lines().find_map(value)
}

/// Requests with credentials for these paths, 100 ms apart, on one recorded connection.
fn with_credentials(paths: &[&str]) -> Vec<u8> {
    let one = |(number, path): (usize, &&str)| {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Basic x\r\nCookie: sid=old\r\nX: y\r\n\r\n"
        );
        let id = format!("00011f900a000002{:08x}", number + 1);
        record(1, &id, number as i64 * 100 * MILLISECOND, request.as_bytes())
    };
    paths.iter().enumerate().flat_map(one).collect()
}

#[test]
fn redirections_are_followed_within_the_target() {
    let conduct = |request: &Received| match request.line().split(' ').nth(1).unwrap_or_default() {
        "/start" => found("/middle", ""),
        "/middle" => Answer::SendAndClose(b"HTTP/1.1 301 X\r\nLocation: end?x\r\n\r\n".to_vec()),
        "/round" => found("/round", ""),
        _ => good(request),
    };
    let origin = Origin::start(conduct);
    let target = origin.address().to_string();
    let post = "POST /start HTTP/1.1\r\nHost: a\r\nX: y\r\nContent-Length: 2\r\n\r\nok";
    let output = replay(&["--redirects", "2", "-o", "-", &target], &record(1, "a1", 0, post.as_bytes()));
    let said = assert_exit(&output, 0);
    assert_says(&said, "redirected  2 times");
    assert_eq!(lines(&origin), ["POST /start", "GET /middle", "GET /end?x"]);
    let last = String::from_utf8_lossy(&origin.received()[2].bytes).into_owned();
    assert!(last.contains("X: y\r\n") && !last.contains("Content-Length"), "{last}");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(text.matches("HTTP/1.1 ").count(), 1, "only the last response is kept: {text}");
    assert!(text.contains("HTTP/1.1 200 OK"), "{text}");

    let get = |path: &str| record(1, "a1", 0, format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
    let said = assert_exit(&replay(&["--redirects", "3", &target], &get("/round")), 0);
    assert_says(&said, "statuses    302: 1\n");
    assert_eq!(lines(&origin).iter().filter(|line| *line == "GET /round").count(), 4);
    // By default nothing is followed.
    let before = origin.received().len();
    assert_exit(&replay(&[&target], &get("/start")), 0);
    assert_eq!(origin.received().len(), before + 1);
}

#[test]
fn another_server_gets_the_request_without_credentials_and_both_connections_are_kept() {
    for options in [&["--connections", "1"][..], &["--sessions"]] {
        let other = Origin::start(good);
        let place = format!("localhost:{}", other.address().port());
        let location = format!("http://{place}/there?q");
        let origin = pointing(move |path| path.starts_with("/away").then(|| location.clone()));
        let target = origin.address().to_string();
        let input = with_credentials(&["/away/1", "/stay", "/away/2"]);
        let said = assert_exit(&replay(&[options, &["--redirects", "1", &target]].concat(), &input), 0);
        assert_says(&said, "sent        3\n");
        assert_says(&said, "answered    3\n");
        assert_says(&said, "statuses    200: 3\n");
        assert_says(&said, &format!("redirected  2 times, 2 to other servers: http://{place} (2)\n"));
        assert_eq!(lines(&origin), ["GET /away/1", "GET /stay", "GET /away/2"]);
        assert_eq!(lines(&other), ["GET /there?q", "GET /there?q"]);
        for request in other.received() {
            assert_eq!(field(&request, "Host"), Some(place.clone()));
            assert_eq!(field(&request, "X").as_deref(), Some("y"));
            assert_eq!((field(&request, "Authorization"), field(&request, "Cookie")), (None, None));
        }
        assert_eq!((origin.connections(), other.connections()), (1, 1), "{options:?}");
        // What is not redirected has its credentials.
        assert_eq!(field(&origin.received()[2], "Cookie").as_deref(), Some("sid=old"));
    }
}

#[test]
fn another_port_and_https_of_the_same_host_get_the_credentials() {
    let certificates = Certificates::new();
    let last = Origin::start(good);
    let back = format!("http://{}/last", last.address());
    let secure = pointing(move |_| Some(back.clone()));
    let front = TlsFront::start(server_config(&certificates, &["127.0.0.1"], false), secure.address(), true);
    let up = format!("https://{}/secure", front.address);
    let origin = pointing(move |path| (path == "/start").then(|| up.clone()));
    let target = origin.address().to_string();
    let args = ["--redirects", "5", "--ca-cert", &certificates.ca(), &target];
    let said = assert_exit(&replay(&args, &with_credentials(&["/start"])), 0);
    assert_says(&said, "redirected  2 times, 2 to other servers");
    assert_eq!(field(&secure.received()[0], "Cookie").as_deref(), Some("sid=old"));
    assert_eq!(field(&secure.received()[0], "Authorization").as_deref(), Some("Basic x"));
    assert_eq!(field(&last.received()[0], "Cookie"), None, "they do not leave TLS");

    // A certificate that nobody trusts is not trusted on the way either.
    let args = ["--redirects", "5", &target];
    let said = assert_exit(&replay(&args, &with_credentials(&["/start"])), 1);
    assert_says(&said, "TLS failed");
    assert_exit(&replay(&["--redirects", "5", "--skip-verify", &target], &with_credentials(&["/start"])), 0);
}

#[test]
fn a_way_over_another_server_leads_back_to_the_target() {
    let other = pointing(|path| Some(path.replacen("/back/", "http://127.0.0.1:", 1)));
    let place = format!("http://localhost:{}", other.address().port());
    let origin = Origin::start(move |request| match &request.line()[..] {
        "GET /start" => found(
            &format!("{place}/back/{}/end", field(request, "Host").unwrap().rsplit(':').next().unwrap()),
            "",
        ),
        _ => good(request),
    });
    let target = origin.address().to_string();
    let said = assert_exit(
        &replay(
            &["--connections", "1", "--redirects", "2", &target],
            &with_credentials(&["/start", "/next"]),
        ),
        0,
    );
    assert_says(&said, "redirected  2 times, 1 to other servers");
    assert_eq!(lines(&origin), ["GET /start", "GET /end", "GET /next"]);
    assert_eq!(field(&origin.received()[1], "Cookie"), None, "what is gone is gone");
    assert_eq!(origin.connections(), 1);
}

#[test]
fn servers_that_are_not_there_fail_their_requests_only() {
    let origin = pointing(|path| match path {
        "/nowhere" => Some("http://nosuch.invalid/x".into()),
        "/refused" => Some("http://localhost:1/x".into()),
        "/mail" => Some("mailto:a@b".into()),
        _ => None,
    });
    let target = origin.address().to_string();
    let input = gets(&[(0, "/nowhere"), (10, "/refused"), (20, "/mail"), (30, "/a"), (40, "/nowhere")]);
    let said = assert_exit(&replay(&["--redirects", "3", &target], &input), 1);
    assert_says(&said, "sent        5\n");
    assert_says(&said, "answered    2\n");
    assert_says(&said, "statuses    200: 1, 302: 1\n");
    assert_says(&said, "redirected to a name that does not resolve");
    assert_says(&said, "nosuch.invalid");
    assert_says(&said, "redirected to a server that cannot be connected to");
    assert_says(&said, "http://localhost:1 (");
    assert_says(&said, "1 redirect not followed, not to an http or https URL; the first: GET /mail");
    assert_eq!(lines(&origin).len(), 5);
}

#[test]
fn other_servers_are_bounded_in_number() {
    // Nothing listens there.
    let origin = pointing(|path| Some(format!("http://127.9.{}", &path[1..])));
    let target = origin.address().to_string();
    let paths: Vec<String> = (0..70).map(|number| format!("/{number}.1:1/")).collect();
    let requests: Vec<(i64, &str)> = paths.iter().map(|path| (0, &path[..])).collect();
    let said =
        assert_exit(&replay(&["--connections", "1", "--redirects", "1", &target], &gets(&requests)), 1);
    assert_says(&said, "sent        70\n");
    assert_says(&said, "answered    6\n");
    assert_says(&said, "redirected  64 times, 64 to other servers: ");
    assert_says(&said, " and 59 more\n");
    assert_says(&said, "6 redirects not followed, to more than 64 other servers; the first: GET /64.1:1/");
}

#[test]
fn cookies_set_with_a_redirect_go_along_on_the_target_alone() {
    let other = Origin::start(|_| {
        Answer::Send(b"HTTP/1.1 200 OK\r\nSet-Cookie: sid=theirs\r\nContent-Length: 0\r\n\r\n".to_vec())
    });
    let away = format!("http://localhost:{}/", other.address().port());
    let origin = Origin::start(move |request| match &request.line()[..] {
        "GET /login" => found("/home", "Set-Cookie: sid=new; Path=/\r\n"),
        "GET /away" => found(&away, ""),
        _ => good(request),
    });
    let target = origin.address().to_string();
    let args = ["--sessions", "--cookies", "--redirects", "1", &target];
    assert_exit(&replay(&args, &with_credentials(&["/login", "/away", "/cart"])), 0);
    assert_eq!(lines(&origin), ["GET /login", "GET /home", "GET /away", "GET /cart"]);
    let sent: Vec<_> = origin.received().iter().filter_map(|request| field(request, "Cookie")).collect();
    assert_eq!(sent, ["sid=old", "sid=new", "sid=new", "sid=new"]);
    assert_eq!(field(&other.received()[0], "Cookie"), None);
}
