//! Real servers and clients: what they logged, sent and got is what was recorded.
//!
//! Where namespaces cannot be made, or nginx, curl or python3 is missing, these tests say so and pass.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gor_tools::record::{Kind, Record};
use serde_json::Value;

use super::support::frames::has_python;
use super::support::live::{Process, Recorder};
use super::support::network::{HERE, Network, PORT};
use super::support::recorder::{Recording, assert_reconciles, number};
use super::support::skip::skip;

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later");
    i64::try_from(since.as_nanos()).expect("it is not that late")
}

fn inside(space: &str, program: &[&str]) -> Command {
    let mut inside = Command::new("ip");
    inside.args(["netns", "exec", space]).args(program);
    inside
}

fn has(program: &str, version: &str) -> bool {
    let is_there = Command::new(program).arg(version).output().is_ok();
    if !is_there {
        skip(format_args!("{program} is not installed"));
    }
    is_there
}

/// What is asked for: the part of a request line between method and version.
fn target(request: &[u8]) -> String {
    let word = request.split(|byte| *byte == b' ').nth(1).expect("a request line");
    String::from_utf8(word.to_vec()).expect("text")
}

/// Requests by their targets, each with its response. No target comes twice.
fn exchanges(recording: &Recording) -> BTreeMap<String, (&Record, &Record)> {
    let of_kind = |kind| recording.records.iter().filter(move |record| record.kind == kind);
    let mut responses: BTreeMap<_, _> =
        of_kind(Kind::Response).map(|response| (&response.id, response)).collect();
    assert_eq!(responses.len(), of_kind(Kind::Response).count(), "two responses have one id");
    let mut exchanges = BTreeMap::new();
    for request in of_kind(Kind::Request) {
        let response = responses.remove(&request.id).expect("each request has its response");
        assert!(exchanges.insert(target(&request.payload), (request, response)).is_none());
    }
    assert!(
        responses.is_empty(),
        "responses without a request\n{:?}\n{:#}",
        recording.summary(),
        recording.stats
    );
    exchanges
}

/// A message's body as it was on the wire.
fn body(message: &[u8]) -> &[u8] {
    let end = message.windows(4).position(|end| end == b"\r\n\r\n").expect("a head");
    &message[end + 4..]
}

/// What chunks hold, to the last one.
fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    loop {
        let end = body.windows(2).position(|end| end == b"\r\n").expect("a size");
        let size = str::from_utf8(&body[..end]).expect("hex digits");
        let size = usize::from_str_radix(size, 16).expect("hex digits");
        let (chunk, rest) = body[end + 2..].split_at(size);
        content.extend_from_slice(chunk);
        body = rest.strip_prefix(b"\r\n").expect("a line end");
        if size == 0 {
            assert!(body.is_empty());
            return content;
        }
    }
}

/// An nginx on all addresses of a namespace, and its folder.
struct Nginx {
    folder: tempfile::TempDir,
    child: Process,
}

impl Nginx {
    fn start(space: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path().display();
        fs::create_dir(folder.path().join("files")).expect("a folder");
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {at}/{kind};\n"))
            .concat();
        let config = format!(
            "daemon off; master_process off; user root; pid {at}/pid; error_log {at}/error.log;\n\
             events {{}}\n\
             http {{ {temporary}\n\
             log_format exact '$connection $connection_requests $request_method $request_uri $status \
             $request_length $bytes_sent';\n\
             access_log {at}/access.log exact;\n\
             if_modified_since before; gzip on; gzip_min_length 0; gzip_types *; client_max_body_size 0;\n\
             server {{ listen [::]:{PORT} ipv6only=off; root {at}/files;\n\
             dav_methods PUT; create_full_put_path on; }} }}\n"
        );
        let path = folder.path().join("nginx.conf");
        fs::write(&path, config).expect("a file");
        let path = path.display().to_string();
        let mut nginx = inside(space, &["nginx", "-e", "stderr", "-c", &path]);
        let mut nginx = Nginx { child: Process(nginx.spawn().expect("ip was there before")), folder };
        let is_up = || Network::run_in(space, || TcpStream::connect(("127.0.0.1", PORT)).is_ok());
        for _ in 0..600 {
            assert!(nginx.child.0.try_wait().expect("it can be asked").is_none(), "nginx ended");
            if is_up() {
                return nginx;
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("nginx does not listen after 30 s");
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("files").join(name)
    }
}

/// Bytes that do not repeat soon, or text.
fn content(length: usize, is_text: bool) -> Vec<u8> {
    let byte = |at: usize| if is_text { b'a' + (at % 26) as u8 } else { (at.wrapping_mul(at) >> 7) as u8 };
    (0..length).map(byte).collect()
}

/// Options of curl, and targets that it asks for with them on one connection.
const CURLS: [(&[&str], &[&str]); 11] = [
    (&[], &["/0?get", "/1?get", "/1000?get", "/65536?get", "/1000000?get", "/3000000?get"]),
    (&["-H", "Accept-Encoding: gzip"], &["/1?gzip", "/1000?gzip", "/1000000?gzip", "/1000?gzip-again"]),
    (&["-I"], &["/3000000?head", "/0?head", "/1000?head", "/none?head"]),
    (&["-H", "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT"], &["/1000?not-modified", "/1?not-modified"]),
    (&["-r", "100-999"], &["/65536?range", "/1000?range"]),
    (&["-r", "0-9,20-29"], &["/65536?ranges"]),
    // All of it is sent before the answer that does not want it can come.
    (&["--data-binary", "@{files}/1000"], &["/1000?not-allowed"]),
    (&["-T", "{files}/1000000", "-H", "Expect:"], &["/put"]),
    (&["-T", "{files}/1000000", "-H", "Expect:", "-H", "Transfer-Encoding: chunked"], &["/put-in-chunks"]),
    (&["-T", "{files}/1000000", "-H", "Expect: 100-continue"], &["/put-asked-first"]),
    (&["-Z", "--http1.0"], &["/1000000?old", "/3000000?old", "/0?old"]),
];

const EXPECT: &str = "Expect: 100-continue\r\n";
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

#[test]
fn what_nginx_logs_and_curl_gets_is_recorded() {
    let Some(network) = Network::new().filter(|_| has("nginx", "-v") && has("curl", "-V")) else { return };
    let nginx = Nginx::start(&network.here);
    for length in [0, 1, 1000, 65_536, 1_000_000, 3_000_000] {
        fs::write(nginx.file(&length.to_string()), content(length, length % 1000 == 0)).expect("a file");
    }
    let recorder = Recorder::start(&network.here, &[":8080", "--responses"]);
    let folder = tempfile::tempdir().expect("a folder");
    // By target: when it was asked for, what came back, and when it had.
    let mut asked = BTreeMap::new();
    for (options, targets) in CURLS {
        let begin = now();
        let mut curl = inside(&network.there, &["curl", "-sS", "--raw", "-i"]);
        let files = nginx.file("").display().to_string();
        curl.args(options.iter().map(|option| option.replace("{files}", &files)));
        let output = |target: &str| folder.path().join(target.trim_start_matches('/'));
        for target in targets {
            curl.arg(format!("http://{}:{PORT}{target}", HERE[0])).arg("-o").arg(output(target));
        }
        let curl = curl.output().expect("ip was there before");
        assert!(curl.status.success(), "{options:?}: {}", String::from_utf8_lossy(&curl.stderr));
        let end = now();
        for target in targets {
            let got = fs::read(output(target)).expect("curl wrote it");
            asked.insert((*target).to_owned(), (begin, got, end));
        }
    }
    let lines = || fs::read_to_string(nginx.folder.path().join("access.log")).expect("nginx wrote it");
    for _ in 0..600 {
        if lines().lines().count() >= asked.len() {
            break;
        }
        thread::sleep(Duration::from_millis(50));
    }
    let recording = recorder.end();
    assert_reconciles(&recording, "nginx");
    assert_eq!(number(&recording.stats, "/packets/dropped"), 0);
    let exchanges = exchanges(&recording);
    assert!(exchanges.keys().eq(asked.keys()), "{:?}", recording.summary());
    for (target, (begin, got, end)) in &asked {
        let (request, response) = exchanges[target];
        let got = got.strip_prefix(CONTINUE).unwrap_or(got);
        assert!(response.payload == got, "{target}: {} bytes, {}", response.payload.len(), got.len());
        let times = [*begin, request.timestamp, response.timestamp, *end];
        assert!(times.is_sorted(), "{target}: {times:?}");
    }
    let sent = content(1_000_000, true);
    for target in ["/put", "/put-asked-first"] {
        assert!(body(&exchanges[target].0.payload) == sent, "{target}");
    }
    assert!(unchunked(body(&exchanges["/put-in-chunks"].0.payload)) == sent);
    assert!(body(&exchanges["/1000?not-allowed"].0.payload) == content(1000, true));

    let mut in_order: BTreeMap<u64, Vec<(u64, String)>> = BTreeMap::new();
    let lines = lines();
    assert_eq!(lines.lines().count(), asked.len(), "{lines}");
    for line in lines.lines() {
        let [connection, place, method, target, status, request_length, sent] =
            line.split(' ').collect::<Vec<_>>()[..]
        else {
            panic!("{line}")
        };
        let number = |text: &str| text.parse().expect("a number");
        let (request, response) = exchanges[target];
        assert!(request.payload.starts_with(format!("{method} {target} ").as_bytes()), "{line}");
        assert!(response.payload.starts_with(format!("HTTP/1.1 {status} ").as_bytes()), "{line}");
        let is_asked_first = target == "/put-asked-first";
        // That line is left out of a record, as a replay would wait for the answer to it.
        let left_out = if is_asked_first { EXPECT.len() } else { 0 };
        // nginx does not count what it does not want.
        let unread = if status == "405" { body(&request.payload).len() } else { 0 };
        assert_eq!(request.payload.len() + left_out - unread, number(request_length) as usize, "{line}");
        let interim = if is_asked_first { CONTINUE.len() } else { 0 };
        assert_eq!(response.payload.len() + interim, number(sent) as usize, "{line}");
        in_order.entry(number(connection)).or_default().push((number(place), target.to_owned()));
    }
    for served in in_order.values_mut() {
        served.sort();
        let found: Vec<_> = recording
            .records
            .iter()
            .filter(|record| record.kind == Kind::Request)
            .map(|request| target(&request.payload))
            .filter(|target| served.iter().any(|(_, one)| one == target))
            .collect();
        assert!(found.iter().eq(served.iter().map(|(_, target)| target)), "{found:?} {served:?}");
    }
}

/// A server that logs, as JSON, what it reads and answers, and when.
const SERVER: &str = r"
import hashlib, http.server, json, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    wbufsize = -1
    def log_message(self, *_): pass
    def do_POST(self):
        body = b''
        if self.headers.get('Transfer-Encoding') == 'chunked':
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get('Content-Length', 0)))
        received = time.time_ns()
        answer = body[::-1] + self.path.encode()
        sending = time.time_ns()
        self.send_response(200)
        if len(body) % 2:
            self.send_header('Transfer-Encoding', 'chunked')
            self.end_headers()
            for at in range(0, len(answer), 5000):
                piece = answer[at:at + 5000]
                self.wfile.write(b'%x\r\n%s\r\n' % (len(piece), piece))
            self.wfile.write(b'0\r\n\r\n')
        else:
            self.send_header('Content-Length', str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)
        self.wfile.flush()
        sys.stdout.write(json.dumps({'port': self.client_address[1], 'target': self.path, 'received': received,
            'sending': sending, 'read': hashlib.sha256(body).hexdigest(),
            'answered': hashlib.sha256(answer).hexdigest()}) + '\n')
        sys.stdout.flush()
    do_GET = do_POST
server = http.server.ThreadingHTTPServer(('', 8080), Handler)
print('ready', flush=True)
server.serve_forever()
";

/// Clients in threads, each with connections that are used several times.
const CLIENT: &str = r"
import hashlib, http.client, json, random, sys, threading, time
def client(number):
    numbers = random.Random(number)
    for round in range(3):
        connection = http.client.HTTPConnection(sys.argv[1], 8080)
        for place in range(6):
            target = f'/{number}/{round}/{place}'
            body = numbers.randbytes(numbers.choice([0, 1, 999, 40000, 250001]))
            before = time.time_ns()
            if not body:
                connection.request('GET', target)
            elif place % 2:
                pieces = [body[at:at + 7000] for at in range(0, len(body), 7000)]
                connection.request('POST', target, iter(pieces), encode_chunked=True,
                    headers={'Transfer-Encoding': 'chunked'})
            else:
                connection.request('POST', target, body)
            answer = connection.getresponse().read()
            sys.stdout.write(json.dumps({'target': target, 'before': before, 'after': time.time_ns(),
                'sent': hashlib.sha256(body).hexdigest(),
                'got': hashlib.sha256(answer).hexdigest()}) + '\n')
        connection.close()
threads = [threading.Thread(target=client, args=(number,)) for number in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
";

/// The digest of a body, taken out of its chunks if it is in them.
fn digest(message: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    let head = &message[..message.len() - body(message).len()];
    let is_chunked = String::from_utf8_lossy(head).contains("Transfer-Encoding: chunked");
    let content = if is_chunked { unchunked(body(message)) } else { body(message).to_vec() };
    faster_hex::hex_string(&Sha256::digest(content))
}

#[test]
fn what_a_python_server_and_its_clients_log_is_recorded() {
    let Some(network) = Network::new().filter(|_| has_python()) else { return };
    let mut python = inside(&network.here, &["python3", "-c", SERVER]);
    let mut python = Process(python.stdout(Stdio::piped()).spawn().expect("ip was there before"));
    let mut log = BufReader::new(python.0.stdout.take().expect("it is piped")).lines();
    let mut next = || log.next().expect("it goes on").expect("text");
    assert_eq!(next(), "ready");
    for threads in ["1", "3"] {
        let recorder = Recorder::start(&network.here, &[":8080", "--responses", "--threads", threads]);
        let clients = inside(&network.there, &["python3", "-c", CLIENT, HERE[0]]).output();
        let clients = clients.expect("ip was there before");
        assert!(clients.status.success(), "{}", String::from_utf8_lossy(&clients.stderr));
        let parse = |line: &str| serde_json::from_str::<Value>(line).expect("JSON");
        let clients: Vec<_> = str::from_utf8(&clients.stdout).expect("text").lines().map(parse).collect();
        assert_eq!(clients.len(), 72);
        let server_log: Vec<_> = clients.iter().map(|_| parse(&next())).collect();
        let recording = recorder.end();
        assert_reconciles(&recording, threads);
        let exchanges = exchanges(&recording);
        assert_eq!(exchanges.len(), clients.len());
        for client in &clients {
            let text = |log: &Value, name: &str| log[name].as_str().expect("text").to_owned();
            let time = |log: &Value, name: &str| log[name].as_i64().expect("a time");
            let target = text(client, "target");
            let (request, response) = exchanges[&target];
            let server = server_log.iter().find(|log| text(log, "target") == target).expect("it was served");
            let [sent, got] = [request, response].map(|record| digest(&record.payload));
            assert_eq!([&sent, &got], [&text(client, "sent"), &text(client, "got")], "{target}");
            assert_eq!([&sent, &got], [&text(server, "read"), &text(server, "answered")], "{target}");
            let times = [
                time(client, "before"),
                request.timestamp,
                time(server, "received"),
                time(server, "sending"),
                response.timestamp,
                time(client, "after"),
            ];
            assert!(times.is_sorted(), "{target}: {times:?}");
            let id = String::from_utf8_lossy(&request.id).into_owned();
            let port = server["port"].as_u64().expect("a port");
            assert!(id.starts_with(&format!("{port:04x}{PORT:04x}")), "{target}: {id} from {port}");
        }
        // Each connection of a client has them in the order of its places.
        for number in 0..4 {
            for round in 0..3 {
                let prefix = format!("/{number}/{round}/");
                let requests = recording.records.iter().filter(|record| record.kind == Kind::Request);
                let targets: Vec<_> = requests
                    .map(|request| target(&request.payload))
                    .filter(|target| target.starts_with(&prefix))
                    .collect();
                assert!(targets.is_sorted() && targets.len() == 6, "{targets:?}");
            }
        }
    }
}
