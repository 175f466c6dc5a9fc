//! A page for monitoring: text that Prometheus scrapes, served over HTTP.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// The longest request that is read, in bytes.
const MAX_REQUEST: u64 = 8 << 10;

/// Clients that are served at once; others are sent away.
const MAX_CLIENTS: usize = 32;

/// How long a client may take for its request, and for reading the answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// The media type of the `OpenMetrics` text format.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves `/metrics` from now on, on threads of its own. `page` makes the text, in the
/// `OpenMetrics` format.
pub fn serve_metrics(
    listener: TcpListener,
    page: impl Fn() -> String + Send + Sync + 'static,
) -> io::Result<()> {
    let (page, clients) = (Arc::new(page), Arc::new(()));
    thread::Builder::new().name("metrics".to_owned()).spawn(move || {
        for stream in listener.incoming() {
            // A client that goes away early is its own loss; one that cannot be accepted comes again.
            let Ok(stream) = stream else {
                thread::sleep(PATIENCE / 20);
                continue;
            };
            if Arc::strong_count(&clients) > MAX_CLIENTS {
                continue;
            }
            let (page, client) = (Arc::clone(&page), Arc::clone(&clients));
            let serve = move || {
                // Nobody else is told that a client has gone.
                let _ = answer(&stream, &*page);
                drop(client);
            };
            // Where there is no thread for it, it comes again.
            let _ = thread::Builder::new().name("scrape".to_owned()).spawn(serve);
        }
    })?;
    Ok(())
}

/// A client, which has so much time in all.
struct Client<'a> {
    stream: &'a TcpStream,
    until: Instant,
}

impl Read for Client<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let left = self.until.saturating_duration_since(Instant::now());
        self.stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.stream.read(bytes)
    }
}

fn answer(stream: &TcpStream, page: &impl Fn() -> String) -> io::Result<()> {
    stream.set_write_timeout(Some(PATIENCE))?;
    let client = Client { stream, until: Instant::now() + PATIENCE };
    let mut request = BufReader::new(client.take(MAX_REQUEST));
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

    #[test]
    fn clients_that_say_nothing_or_little_do_not_stop_the_others() {
        let address = serve();
        let mut slow: Vec<_> = (0..10).map(|_| TcpStream::connect(address).expect("it listens")).collect();
        for stream in slow.iter_mut().step_by(2) {
            stream.write_all(b"GET").expect("it reads");
        }
        assert!(ask(address, "GET /metrics HTTP/1.1\r\n\r\n").ends_with("gor 1\n"));
    }
}
