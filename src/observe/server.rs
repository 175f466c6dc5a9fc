//! A small HTTP server for whoever watches a run: bounded clients, bounded time, GET and HEAD.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The longest request that is read, in bytes.
const MAX_REQUEST: u64 = 8 << 10;

/// Clients that are served at once. For one more the oldest is sent away whose request has not come, or else the new one.
const MAX_CLIENTS: usize = 32;

/// How long a client may take for its request, and for reading the answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a client asks for.
#[derive(Clone, Copy, Debug)]
pub struct PageRequest<'a> {
    /// The path, without the query.
    pub path: &'a str,
    /// What is behind the question mark.
    pub query: &'a str,
    /// Whether only the head of the answer is asked for.
    pub is_head: bool,
}

impl PageRequest<'_> {
    /// The value of a parameter of the query, as it is written there.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Page {
    status: &'static str,
    kind: &'static str,
    body: Vec<u8>,
}

impl Page {
    /// What was asked for, and its media type.
    pub fn new(kind: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Page { status: "200 OK", kind, body: body.into() }
    }

    /// A line of text instead of what was asked for.
    pub fn refusal(status: &'static str, why: impl std::fmt::Display) -> Self {
        Page { status, kind: "text/plain; charset=utf-8", body: format!("{why}\n").into_bytes() }
    }
}

/// Answers requests from now on, on threads of its own.
pub fn serve_pages(
    listener: TcpListener,
    page: impl Fn(PageRequest<'_>) -> Page + Send + Sync + 'static,
) -> io::Result<()> {
    let (page, clients, asking) = (Arc::new(page), Arc::new(()), Arc::new(PendingClients::default()));
    thread::Builder::new().name("pages".to_owned()).spawn(move || {
        for stream in listener.incoming() {
            // A client that goes away early is its own loss; one that cannot be accepted comes again.
            let Ok(stream) = stream else {
                thread::sleep(PATIENCE / 20);
                continue;
            };
            if Arc::strong_count(&clients) > MAX_CLIENTS && !asking.send_oldest_away() {
                continue;
            }
            let stream = Arc::new(stream);
            asking.add(&stream);
            let (page, client, others) = (Arc::clone(&page), Arc::clone(&clients), Arc::clone(&asking));
            let asked = Arc::clone(&stream);
            let serve = move || {
                // Nobody else is told that a client has gone.
                let _ = answer(&asked, &others, &*page);
                others.remove(&asked);
                drop(client);
            };
            // Where there is no thread for it, it comes again.
            if thread::Builder::new().name("page".to_owned()).spawn(serve).is_err() {
                asking.remove(&stream);
            }
        }
    })?;
    Ok(())
}

/// Clients whose requests have not come yet, the oldest first.
#[derive(Debug, Default)]
struct PendingClients(Mutex<VecDeque<Arc<TcpStream>>>);

impl PendingClients {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<TcpStream>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, stream: &Arc<TcpStream>) {
        self.lock().push_back(Arc::clone(stream));
    }

    fn remove(&self, stream: &Arc<TcpStream>) {
        self.lock().retain(|other| !Arc::ptr_eq(other, stream));
    }

    /// Has the thread of the oldest client end, if there is one.
    fn send_oldest_away(&self) -> bool {
        let Some(oldest) = self.lock().pop_front() else { return false };
        // One that is gone already has the same effect.
        let _ = oldest.shutdown(Shutdown::Both);
        true
    }
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

fn answer(
    stream: &Arc<TcpStream>,
    asking: &PendingClients,
    page: &impl Fn(PageRequest<'_>) -> Page,
) -> io::Result<()> {
    stream.set_write_timeout(Some(PATIENCE))?;
    let client = Client { stream, until: Instant::now() + PATIENCE };
    let mut request = BufReader::new(client.take(MAX_REQUEST));
    let (mut line, mut field) = (String::new(), String::new());
    request.read_line(&mut line)?;
    while request.read_line(&mut field)? > 0 && !field.trim_end().is_empty() {
        field.clear();
    }
    asking.remove(stream);
    let mut words = line.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let is_head = method == "HEAD";
    let Page { status, kind, body } = if is_head || method == "GET" {
        page(PageRequest { path, query, is_head })
    } else {
        Page::refusal("405 Method Not Allowed", "only GET and HEAD")
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    let mut stream = &**stream;
    stream.write_all(head.as_bytes())?;
    if !is_head {
        stream.write_all(&body)?;
    }
    stream.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_by_their_whole_name() {
        let request = PageRequest { path: "/", query: "xseconds=1&seconds=20&seconds=3", is_head: false };
        assert_eq!(request.parameter("seconds"), Some("20"));
        assert_eq!(request.parameter("second"), None);
    }
}
