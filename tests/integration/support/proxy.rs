//! A proxy for HTTP/1.1 that counts what it passes on, and does harm as it is told.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A request that came, and how many bytes of the answer's body were passed on.
#[derive(Clone, Debug)]
pub(crate) struct Passed {
    /// `GET /bucket/key`.
    pub(crate) line: String,
    pub(crate) range: Option<String>,
    pub(crate) bytes: usize,
}

/// What becomes of a request.
pub(crate) enum Harm {
    None,
    /// The server is not asked; this is the answer.
    Answer(&'static str),
    /// The connection ends after so many bytes of the body.
    CutAfter(usize),
    /// So long a wait before each piece of so many bytes.
    Slow(usize, Duration),
    /// The connection ends at once.
    Gone,
    /// The connection stays, and nothing is taken from it or comes from it.
    Silent,
    /// The connection ends after so many bytes of the request's body were passed on.
    CutRequest(usize),
    /// All of the request is passed on, and the connection ends without an answer.
    NoAnswer,
}

type Plan = dyn Fn(&Passed, usize) -> Harm + Send + Sync;

/// A proxy before one server. Its threads end with the process.
pub(crate) struct Proxy {
    port: u16,
    passed: Arc<Mutex<Vec<Passed>>>,
    at_once: Arc<AtOnce>,
}

/// How many requests are under way, and how many were at most.
#[derive(Default)]
struct AtOnce {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Proxy {
    /// `plan` says what becomes of each request, given its number from 0.
    pub(crate) fn start(server: u16, plan: impl Fn(&Passed, usize) -> Harm + Send + Sync + 'static) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").expect("a free port"), server, plan)
    }

    /// The same at an address that may be of another namespace.
    pub(crate) fn on(
        listener: TcpListener,
        server: u16,
        plan: impl Fn(&Passed, usize) -> Harm + Send + Sync + 'static,
    ) -> Self {
        let port = listener.local_addr().expect("its address").port();
        let passed = Arc::new(Mutex::new(Vec::new()));
        let (plan, all): (Arc<Plan>, _) = (Arc::new(plan), Arc::clone(&passed));
        let at_once = Arc::new(AtOnce::default());
        let counted = Arc::clone(&at_once);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (plan, all, counted) = (Arc::clone(&plan), Arc::clone(&all), Arc::clone(&counted));
                thread::spawn(move || {
                    let now = counted.now.fetch_add(1, Ordering::SeqCst) + 1;
                    counted.most.fetch_max(now, Ordering::SeqCst);
                    // Whoever goes away in the middle ends the exchange.
                    let _ = pass(client, server, &*plan, &all, &counted);
                });
            }
        });
        Proxy { port, passed, at_once }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The requests that came, as `PUT /bucket/key`.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.passed.lock().expect("no thread panicked").iter().map(|passed| passed.line.clone()).collect()
    }

    /// The requests that came for paths that begin so.
    pub(crate) fn passed(&self, path: &str) -> Vec<Passed> {
        let all = self.passed.lock().expect("no thread panicked").clone();
        let begins = format!("GET {path}");
        all.into_iter().filter(|passed| passed.line.starts_with(&begins)).collect()
    }

    /// How many requests were under way at most.
    pub(crate) fn most_at_once(&self) -> usize {
        self.at_once.most.load(Ordering::SeqCst)
    }

    /// Bytes of bodies that were passed on of these.
    pub(crate) fn bytes(&self, path: &str) -> usize {
        self.passed(path).iter().map(|passed| passed.bytes).sum()
    }
}

/// One request of a connection, which ends with its answer.
fn pass(
    mut client: TcpStream,
    server: u16,
    plan: &Plan,
    all: &Mutex<Vec<Passed>>,
    at_once: &AtOnce,
) -> std::io::Result<()> {
    // It is over before the client can know, so that the next request is none at the same time.
    let answered = exchange(&mut client, server, plan, all);
    at_once.now.fetch_sub(1, Ordering::SeqCst);
    if let Some(last) = answered? {
        client.write_all(&last)?;
    }
    client.shutdown(Shutdown::Both)
}

/// Passes all on but the last bytes of the answer.
fn exchange(
    client: &mut TcpStream,
    server: u16,
    plan: &Plan,
    all: &Mutex<Vec<Passed>>,
) -> std::io::Result<Option<Vec<u8>>> {
    let head = read_head(client)?;
    let field = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
    };
    let line = head.split(" HTTP/1.1").next().unwrap_or_default().to_owned();
    let passed = Passed { line, range: field("range"), bytes: 0 };
    let number = {
        let mut all = all.lock().expect("no thread panicked");
        all.push(passed.clone());
        all.len() - 1
    };
    let harm = plan(&passed, number);
    let length = field("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    match harm {
        Harm::Gone => return Err(ErrorKind::ConnectionAborted.into()),
        // The thread ends with the process.
        Harm::Silent => loop {
            thread::park();
        },
        Harm::Answer(answer) => {
            std::io::copy(&mut Read::by_ref(client).take(length), &mut std::io::sink())?;
            return Ok(Some(answer.as_bytes().to_vec()));
        }
        _ => {}
    }
    let mut upstream = TcpStream::connect(("127.0.0.1", server))?;
    // Who passes all on need not be told to go on with a body.
    let is_hop = |line: &str| ["connection:", "expect:"].iter().any(|name| line.starts_with(name));
    let kept = head.lines().filter(|line| !is_hop(&line.to_ascii_lowercase()) && !line.is_empty());
    let asked = kept.fold(String::new(), |asked, line| asked + line + "\r\n");
    upstream.write_all(format!("{asked}Connection: close\r\n\r\n").as_bytes())?;
    let most = if let Harm::CutRequest(most) = harm { length.min(most as u64) } else { length };
    std::io::copy(&mut Read::by_ref(client).take(most), &mut upstream)?;
    if let Harm::CutRequest(_) = harm {
        return Err(ErrorKind::ConnectionAborted.into());
    }
    let mut last_bytes = read_head(&mut upstream)?.into_bytes();
    if let Harm::NoAnswer = harm {
        return Err(ErrorKind::ConnectionAborted.into());
    }
    let (most, step, wait) = match harm {
        Harm::CutAfter(most) => (most, 1 << 16, Duration::ZERO),
        Harm::Slow(step, wait) => (usize::MAX, step, wait),
        _ => (usize::MAX, 1 << 16, Duration::ZERO),
    };
    let mut buffer = vec![0; step];
    let mut left = most;
    while left > 0 {
        let step = step.min(left);
        let read = upstream.read(&mut buffer[..step])?;
        if read == 0 {
            break;
        }
        thread::sleep(wait);
        client.write_all(&last_bytes)?;
        last_bytes.clear();
        last_bytes.extend_from_slice(&buffer[..read]);
        left -= read;
        all.lock().expect("no thread panicked")[number].bytes += read;
    }
    Ok(Some(last_bytes))
}

/// The head of a message with the empty line after it, and nothing of its body.
fn read_head(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    String::from_utf8(head).map_err(|_| ErrorKind::InvalidData.into())
}
