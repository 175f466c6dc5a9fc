//! A page for monitoring: text that Prometheus scrapes, served over HTTP.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// The longest request that is read, in bytes.
const MAX_REQUEST: u64 = 8 << 10;

/// How long a client may take for its request and for reading the answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// The media type of the `OpenMetrics` text format.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves `/metrics` from now on, on a thread of its own, one client after the other. `page` makes the text, in the
/// `OpenMetrics` format.
pub fn serve_metrics(listener: TcpListener, page: impl Fn() -> String + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name("metrics".to_owned()).spawn(move || {
        for stream in listener.incoming() {
            // A client that goes away early is its own loss; one that cannot be accepted comes again.
            let answered = stream.and_then(|stream| answer(&stream, &page));
            if answered.is_err_and(|error| error.raw_os_error() == Some(libc::EMFILE)) {
                thread::sleep(PATIENCE);
            }
        }
    })?;
    Ok(())
}

fn answer(stream: &TcpStream, page: &impl Fn() -> String) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut request = BufReader::new(stream.take(MAX_REQUEST));
    let (mut line, mut field) = (String::new(), String::new());
    request.read_line(&mut line)?;
    while request.read_line(&mut field)? > 0 && !field.trim_end().is_empty() {
        field.clear();
    }
    let mut words = line.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = target.split('?').next().unwrap_or_default();
    let (status, kind, body) = match (method, path) {
        ("GET" | "HEAD", "/metrics") => ("200 OK", OPEN_METRICS, page()),
        ("GET" | "HEAD", _) => ("404 Not Found", "text/plain", "metrics are at /metrics\n".to_owned()),
        _ => ("405 Method Not Allowed", "text/plain", "only GET and HEAD\n".to_owned()),
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    let mut stream = stream;
    stream.write_all(head.as_bytes())?;
    if method != "HEAD" {
        stream.write_all(body.as_bytes())?;
    }
    stream.flush()
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn serve() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("it has one");
        serve_metrics(listener, || "gor 1\n".to_owned()).expect("a thread");
        address
    }

    fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).expect("it listens");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers in text");
        answer
    }

    #[test]
    fn the_page_is_at_metrics_and_nothing_else_is_anywhere() {
        let address = serve();
        let cases = [
            ("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\n", "\r\n\r\ngor 1\n"),
            ("GET /metrics?x=1 HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n", "\r\n\r\ngor 1\n"),
            ("HEAD /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n", "close\r\n\r\n"),
            ("GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 404 ", "/metrics\n"),
            ("POST /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 405 ", "HEAD\n"),
        ];
        for (request, begins, ends) in cases {
            let answer = ask(address, request);
            assert!(answer.starts_with(begins) && answer.ends_with(ends), "{request:?} {answer:?}");
        }
    }

    /// It is one client after the other, so the next one is served once this one is given up.
    #[test]
    fn a_client_that_says_nothing_does_not_stop_the_others_for_ever() {
        let address = serve();
        let _silent = TcpStream::connect(address).expect("it listens");
        assert!(ask(address, "GET /metrics HTTP/1.1\r\n\r\n").ends_with("gor 1\n"));
    }
}
