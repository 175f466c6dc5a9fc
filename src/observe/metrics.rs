//! A page for monitoring: text that Prometheus scrapes, served over HTTP.

use std::io;
use std::net::TcpListener;

use super::server::{Page, serve_pages};

/// The media type of the `OpenMetrics` text format.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves `/metrics` from now on, on threads of its own. `page` makes the text, in the
/// `OpenMetrics` format.
pub fn serve_metrics(
    listener: TcpListener,
    page: impl Fn() -> String + Send + Sync + 'static,
) -> io::Result<()> {
    serve_pages(listener, move |request| match request.path {
        "/metrics" => Page::new(OPEN_METRICS, page()),
        _ => Page::refusal("404 Not Found", "metrics are at /metrics"),
    })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpStream};

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
