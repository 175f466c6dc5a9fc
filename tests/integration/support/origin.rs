//! An origin server that remembers every request byte for byte, and misbehaves as it is told.
//!
//! Plain threads and sockets, sharing no code with what is tested against it.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// When its last byte came.
    pub(crate) at: Instant,
    /// The port that it came from, which tells its connection.
    pub(crate) client: u16,
    /// Which request of its connection it is, counted from 0.
    pub(crate) number: usize,
    /// Head and body.
    pub(crate) bytes: Vec<u8>,
}

impl Received {
    /// Method and target.
    pub(crate) fn line(&self) -> String {
        let text = String::from_utf8_lossy(&self.bytes);
        text.lines()
            .next()
            .unwrap_or_default()
            .rsplit_once(' ')
            .map_or(String::new(), |(line, _)| line.to_owned())
    }
}

/// What the origin does about a request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// Sends these bytes and waits for the next request.
    Send(Vec<u8>),
    /// Sends these bytes and closes, whatever they promised.
    SendAndClose(Vec<u8>),
    /// Sends these bytes and resets the connection.
    SendAndReset(Vec<u8>),
    /// Sends the first bytes, then the second ones for ever.
    Endless(Vec<u8>, Vec<u8>),
    /// Keeps silent, the connection open.
    Never,
}

/// A whole answer with this status and body.
pub(crate) fn answer(status: u16, body: &str) -> Answer {
    Answer::Send(format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes())
}

type Conduct = dyn Fn(&Received) -> Answer + Send + Sync;

/// How long a connection's thread waits before it looks whether all is over.
const PATIENCE: Duration = Duration::from_millis(50);

/// A server on a free port of the loopback address. Stops when dropped.
pub(crate) struct Origin {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    connections: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
}

impl Origin {
    /// Serves with `conduct`, which is asked about every request.
    pub(crate) fn start(conduct: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let origin = Origin {
            address,
            received: Arc::default(),
            connections: Arc::default(),
            is_over: Arc::default(),
        };
        let conduct: Arc<Conduct> = Arc::new(conduct);
        let (received, connections, is_over) =
            (origin.received.clone(), origin.connections.clone(), origin.is_over.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if is_over.load(Ordering::SeqCst) {
                    break;
                }
                connections.fetch_add(1, Ordering::SeqCst);
                let (received, conduct, is_over) = (received.clone(), conduct.clone(), is_over.clone());
                thread::spawn(move || serve(stream, &received, &*conduct, &is_over));
            }
        });
        origin
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// All requests that came so far, in the order in which they were whole.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// Connections made so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for connections; it may have ended already.
        let _ = TcpStream::connect(self.address);
    }
}

/// One connection. It ends with the first error: the other side has gone.
fn serve(mut stream: TcpStream, received: &Mutex<Vec<Received>>, conduct: &Conduct, is_over: &AtomicBool) {
    stream.set_nodelay(true).expect("a socket option");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket option");
    let client = stream.peer_addr().map_or(0, |client| client.port());
    let mut bytes = Vec::new();
    let mut number = 0;
    let mut seen = vec![0; 64 << 10];
    while !is_over.load(Ordering::SeqCst) {
        // Looked at before it is taken: a socket closed with unread bytes is reset.
        let length = match stream.peek(&mut seen) {
            Ok(0) => return,
            Ok(length) => length,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
            Err(_) => return,
        };
        let earlier = bytes.len();
        bytes.extend_from_slice(&seen[..length]);
        let Some(end) = request_end(&bytes) else {
            if stream.read_exact(&mut seen[..length]).is_err() {
                return;
            }
            continue;
        };
        bytes.truncate(end);
        let request = Received { at: Instant::now(), client, number, bytes: std::mem::take(&mut bytes) };
        number += 1;
        let answer = conduct(&request);
        received.lock().unwrap().push(request);
        if let Answer::SendAndReset(answer) = &answer {
            // Given time to be read before the reset throws it away.
            if stream.write_all(answer).is_ok() {
                thread::sleep(PATIENCE);
            }
            return;
        }
        if stream.read_exact(&mut seen[..end - earlier]).is_err() || !act(&mut stream, answer, is_over) {
            return;
        }
    }
}

/// Answers; whether the connection goes on.
fn act(stream: &mut TcpStream, answer: Answer, is_over: &AtomicBool) -> bool {
    match answer {
        Answer::Send(bytes) => stream.write_all(&bytes).is_ok(),
        Answer::SendAndClose(bytes) | Answer::SendAndReset(bytes) => {
            // One segment with the last bytes and the end, which so come in one event.
            // The demo, which the compiler builds from this file alone, never gives this answer.
            #[cfg(test)]
            rustix::net::sockopt::set_tcp_cork(&*stream, true).expect("a socket option");
            // The connection ends in either case.
            let _ = stream.write_all(&bytes);
            false
        }
        Answer::Endless(first, again) => {
            let mut next = stream.write_all(&first);
            while next.is_ok() && !is_over.load(Ordering::SeqCst) {
                next = stream.write_all(&again);
            }
            false
        }
        Answer::Never => {
            while !is_over.load(Ordering::SeqCst) {
                match stream.read(&mut [0; 1024]) {
                    Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                    Ok(0) | Err(_) => break,
                    Ok(_) => {}
                }
            }
            false
        }
    }
}

/// Where the first request of `bytes` ends, if it is whole.
fn request_end(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    if value("transfer-encoding:") == Some("chunked") {
        return chunks_end(bytes, head);
    }
    let length: usize = value("content-length:").and_then(|value| value.parse().ok()).unwrap_or(0);
    (bytes.len() >= head + length).then_some(head + length)
}

/// Where chunks that begin at `at` end, if the last one and the trailers are there.
fn chunks_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let line = bytes[at..].iter().position(|byte| *byte == b'\n')? + 1;
        let digits = String::from_utf8_lossy(&bytes[at..at + line]);
        let size = usize::from_str_radix(digits.split(';').next().unwrap_or_default().trim(), 16).ok()?;
        at += line;
        if size == 0 {
            // Trailers, up to an empty line.
            let rest = &bytes[at..];
            return if rest.starts_with(b"\r\n") {
                Some(at + 2)
            } else {
                rest.windows(4).position(|window| window == b"\r\n\r\n").map(|end| at + end + 4)
            };
        }
        at += size + 2;
        if at > bytes.len() {
            return None;
        }
    }
}
