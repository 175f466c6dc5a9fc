//! `gor-rewrite --redact` as a program: nothing of the shop's secrets is left in a sample for a colleague.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gor_tools::http::{Head, coding, message, query};
use gor_tools::record::Record;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::support::program::{Ran, run};
use crate::support::recorder::{is_request, records};

const SHOP: &str = "testdata/shop.pcapng";
const TRUTH: &str = include_str!("../../testdata/shop.truth.jsonl");

/// The options of the example in the help and in the README.
const EXAMPLE: [&str; 4] = ["--redact", "all", "--redact-param", "trace"];

/// All that was recorded in the shop.
fn shop() -> Vec<u8> {
    let ran = run("gor-filter", &["--sample", "100%", SHOP], b"");
    ran.ends_with(0);
    ran.stdout
}

/// A key, so that every run of a test is the same; where its file is.
fn key() -> (TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("key");
    std::fs::write(&path, "a key for tests, always the same\n").expect("a file");
    let path = path.to_string_lossy().into_owned();
    (folder, path)
}

fn redacted(args: &[&str], input: &[u8]) -> Ran {
    let (_folder, key) = key();
    let ran = run("gor-rewrite", &[args, &["--redact-key-file", &key]].concat(), input);
    ran.ends_with(0);
    ran
}

fn header(record: &Record, name: &str) -> Vec<String> {
    let head = Head::of(&record.payload).expect("a head");
    head.values(name.as_bytes()).map(|value| String::from_utf8_lossy(value).into_owned()).collect()
}

/// A record's body without framing and codings.
fn body(record: &Record) -> Vec<u8> {
    let head = Head::of(&record.payload).expect("a head");
    let codings = coding::codings(&head).expect("known codings");
    let decoded = coding::decode(&message::content(&record.payload), codings, 1 << 30);
    assert_eq!(decoded.fault, None);
    decoded.bytes
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

/// The value of a member of a JSON body, or of a parameter of a form.
fn value(body: &[u8], name: &str) -> Option<String> {
    if let Ok(json) = serde_json::from_slice::<Value>(body) {
        return json[name].as_str().map(str::to_owned);
    }
    let (_, value) = query::parameters(body).find(|(found, _)| *found == name.as_bytes())?;
    Some(String::from_utf8_lossy(&query::form_decoded(value)).into_owned())
}

/// A record's Basic credentials, `user:password`.
fn credentials(record: &Record) -> Vec<String> {
    let values = header(record, "authorization");
    let encoded = values.iter().filter_map(|value| value.strip_prefix("Basic "));
    let decoded = encoded.map(|encoded| STANDARD.decode(encoded).expect("base64"));
    decoded.map(|plain| String::from_utf8(plain).expect("text")).collect()
}

fn sessions(records: &[Record]) -> BTreeSet<String> {
    let cookies =
        records.iter().flat_map(|record| [header(record, "cookie"), header(record, "set-cookie")].concat());
    let pairs: Vec<_> =
        cookies.flat_map(|cookie| cookie.split("; ").map(str::to_owned).collect::<Vec<_>>()).collect();
    pairs.iter().filter_map(|pair| pair.strip_prefix("session=").map(str::to_owned)).collect()
}

/// The secrets of those exchanges of which the truth says that they are logins, or were let in.
#[derive(Default)]
struct Secrets {
    users: BTreeSet<String>,
    passwords: BTreeSet<String>,
    sessions: BTreeSet<String>,
    clients: BTreeSet<String>,
}

impl Secrets {
    fn of(records: &[Record]) -> Self {
        let mut secrets = Secrets::default();
        let truth = TRUTH.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let (mut logins, mut admins) = (0, 0);
        for exchange in truth {
            let client = exchange["connection"].as_str().expect("an address");
            secrets.clients.insert(client.rsplit_once(':').expect("a port").0.to_owned());
            logins += usize::from(exchange["target"] == "/api/login");
            admins += usize::from(exchange["target"] == "/api/orders/all" && exchange["status"] == 200);
            if exchange["target"] == "/api/login" {
                let digest = exchange["request_body_sha256"].as_str().expect("a digest");
                let login = records.iter().find(|record| {
                    is_request(&record.header()) && sha256(&message::content(&record.payload)) == digest
                });
                let login = body(login.expect("each login was recorded"));
                secrets.users.extend(value(&login, "user"));
                secrets.passwords.extend(value(&login, "password"));
            }
        }
        let mut let_in = 0;
        for record in records {
            for credentials in credentials(record) {
                let (user, password) = credentials.split_once(':').expect("two of them");
                secrets.users.insert(user.to_owned());
                secrets.passwords.insert(password.to_owned());
                let_in += 1;
            }
        }
        secrets.sessions = sessions(records);
        assert!(logins > 0 && admins > 0 && let_in >= admins && secrets.sessions.len() > 1);
        secrets
    }

    /// All of them but those of one letter, of which a text is full.
    fn words(&self) -> BTreeSet<&str> {
        let all = [&self.users, &self.passwords, &self.sessions, &self.clients];
        all.into_iter().flatten().map(String::as_str).filter(|word| word.len() > 1).collect()
    }
}

/// Those of the words that stand in the text as words, in any spelling of URLs or forms.
fn found<'a>(words: &BTreeSet<&'a str>, text: &[u8]) -> BTreeSet<&'a str> {
    let in_text = |text: &[u8], word: &str| {
        memchr::memmem::find_iter(text, word.as_bytes()).any(|at| {
            let is_part = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
            !is_part(at.checked_sub(1).and_then(|before| text.get(before)))
                && !is_part(text.get(at + word.len()))
        })
    };
    let spellings = [text.to_vec(), query::form_decoded(text).into_owned()];
    words.iter().copied().filter(|word| spellings.iter().any(|text| in_text(text, word))).collect()
}

/// The bytes of a recording, what gor-show decodes of it, and its decoded credentials, without the names of programs:
/// one is a user's too.
fn all_of(recording: &[u8]) -> Vec<u8> {
    let shown = run("gor-show", &["--json"], recording);
    shown.ends_with(0);
    let credentials = records(recording).iter().flat_map(credentials).collect::<Vec<_>>().join("\n");
    let text = [recording, &shown.stdout, credentials.as_bytes()].concat();
    let agents = regex::bytes::Regex::new("(?i)user-agent(: |\",\")curl/[0-9.]+").expect("a pattern");
    agents.replace_all(&text, &b"program"[..]).into_owned()
}

#[test]
fn a_sample_for_a_colleague_holds_no_user_password_session_or_address() {
    for text in [include_str!("../../README.md"), include_str!("../../man/gor-rewrite.1")] {
        let text = text.replace("\\-", "-");
        assert!(text.contains(&format!("gor-rewrite {} > sample.gor", EXAMPLE.join(" "))));
    }
    let original = shop();
    let before = records(&original);
    let secrets = Secrets::of(&before);
    let words = secrets.words();
    assert_eq!(found(&words, &all_of(&original)), words, "the search finds what is there");

    let ran = redacted(&EXAMPLE, &original);
    ran.is_silent();
    let after = records(&ran.stdout);
    assert_eq!(found(&words, &all_of(&ran.stdout)), BTreeSet::new());
    for record in &after {
        assert_eq!(found(&words, &body(record)), BTreeSet::new());
        for name in ["user", "password"] {
            // Also where it is too short to be looked for.
            let value = value(&body(record), name);
            assert!(value.is_none_or(|value| value.starts_with("redacted-")));
        }
        assert!(!record.header().id.windows(8).any(|digits| digits == b"0a070002"));
    }

    // What was equal is equal, what was whole is whole, and each response has its request's id.
    assert_eq!(sessions(&after).len(), secrets.sessions.len());
    assert_eq!(before.len(), after.len());
    let same = |records: &[Record]| -> Vec<usize> {
        let first = |id: &[u8]| records.iter().position(|record| record.header().id == id);
        records.iter().filter_map(|record| first(record.header().id)).collect()
    };
    assert_eq!(same(&before), same(&after));
    for (before, after) in before.iter().zip(&after) {
        let is_whole =
            if is_request(&before.header()) { message::is_whole_request } else { message::is_whole_response };
        assert!(is_whole(&after.payload) || !is_whole(&before.payload));
    }
}

#[test]
fn without_its_name_a_secret_is_not_known() {
    let original = shop();
    let secrets = Secrets::of(&records(&original));
    let ran = redacted(&["--redact", "all"], &original);
    let left = found(&secrets.words(), &all_of(&ran.stdout));
    // The shop's clients send these as `trace`, which is no secret's name.
    assert_eq!(left, BTreeSet::from(["alan", "barbara"]));
    let text = String::from_utf8_lossy(&ran.stdout).replace("trace=alan", "").replace("trace=barbara", "");
    assert_eq!(found(&left, text.as_bytes()), BTreeSet::new());
}

#[test]
fn the_output_is_the_same_on_any_number_of_threads_and_in_every_run_with_the_key() {
    let original = shop();
    let outputs = ["1", "2", "4"]
        .map(|threads| redacted(&[&EXAMPLE[..], &["--threads", threads]].concat(), &original).stdout);
    assert!(outputs[0] == outputs[1] && outputs[1] == outputs[2]);
    // What is redacted already stays, but for ids and numbers.
    let again = redacted(&["--redact", "authorization,cookie,set-cookie,secrets,email"], &outputs[0]);
    assert!(again.stdout == outputs[0]);
    let random = [0, 1].map(|_| {
        let ran = run("gor-rewrite", &["--redact", "cookie", "-v"], &original);
        ran.ends_with(0).says("under a random key");
        ran.stdout
    });
    assert!(random[0] != random[1]);
}

const SEPARATOR: &str = "\n🐵🙈🙉\n";

fn record(kind: u8, payload: &str) -> String {
    format!("{kind} d5881f900a0700021b82e6e9 1763900000000000000 1000\n{payload}{SEPARATOR}")
}

#[test]
fn each_option_redacts_requests_and_responses() {
    let json = r#"{"a":{"b":"x"},"c":"y"}"#;
    let input = [1, 2, 3].map(|kind| {
        let start = if kind == 1 { "POST /?p=x&q=y HTTP/1.1" } else { "HTTP/1.1 200 OK" };
        let fields = "Content-Type: application/json\r\nX-A: x\r\nReferer: http://h/?p=x\r\nX-B: y";
        record(kind, &format!("{start}\r\n{fields}\r\nContent-Length: {}\r\n\r\n{json}", json.len()))
    });
    let input = input.concat();
    for (args, kept, replaced) in [
        (["--redact-json", "$.a"], r#""c":"y""#, r#"{"b":"redacted-"#),
        (["--redact-header", "x-a"], "X-B: y", "X-A: redacted-"),
        (["--redact-param", "p"], "HTTP/1.1\r\n", "?p=redacted-"),
        (["--redact", "ipv4"], "X-A: x", "1763900000000000000"),
    ] {
        let out = redacted(&args, input.as_bytes()).stdout;
        let out = String::from_utf8(out).expect("text");
        let out: Vec<_> = out.split_terminator(SEPARATOR).collect();
        assert_eq!(out.len(), 3);
        for (out, kind) in out.iter().zip(["1", "2", "3"]) {
            assert!(out.starts_with(kind) && out.contains(replaced), "{args:?}: {out}");
            assert!(kind != "1" || out.contains(kept), "{args:?}: {out}");
            assert!(args[1] != "ipv4" || !out.contains("0a070002"), "{out}");
        }
    }
}

#[test]
fn what_cannot_be_read_is_said_without_a_flag_and_dropped_when_strict() {
    let broken = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc";
    let unknown = broken.replace("gzip", "sdch");
    let good = record(2, "HTTP/1.1 200 OK\r\nX-A: a@b.de\r\n\r\n");
    let input = [record(2, broken), good, record(2, &unknown)].concat();
    let ran = redacted(&["--redact", "email", "--stats"], input.as_bytes());
    ran.says("2 records could not be redacted (1 in an unknown content coding, 1 with a body that does");
    ran.says("--redact-strict drops them").says("  --redact email           1\n");
    assert_eq!(records(&ran.stdout).len(), 3);
    let ran = redacted(&["--redact", "email", "--redact-strict", "--stats"], input.as_bytes());
    ran.says("; they were dropped\n").says("2    dropped by --redact-strict\n").says("3  records\n");
    let left = String::from_utf8(ran.stdout.clone()).expect("text");
    assert!(left.contains("@example.invalid") && records(&ran.stdout).len() == 1);
}

#[test]
fn a_wrong_option_or_key_is_refused() {
    let (folder, key) = key();
    for (args, status, said) in [
        (&["--redact", "email,nothing"][..], 2, "email,nothing\n          ^"),
        (&["--redact", "nothing"], 2, "no such preset; the presets are authorization"),
        (&["--redact-json", "a"], 2, "a path into JSON begins with $"),
        (&["--redact-header", "Content-Length"], 2, "so it stays"),
        (
            &["--redact-key-file", &key],
            2,
            "gor-rewrite: --redact-key-file needs --redact or --redact-json or",
        ),
        (&["--redact-strict"], 2, "gor-rewrite: --redact-strict needs --redact or --redact-json or"),
        (&["--redact", "all", "--redact-key-file", "missing"], 1, "missing: no such file or directory"),
        (
            &["--redact", "all", "--redact-key-file", "/dev/null"],
            1,
            "/dev/null: the key is shorter than 16 bytes",
        ),
        (&["--redact", "all", "--redact-key-file", &key, "-o", &key, "--force"], 2, "it is also an input"),
    ] {
        let ran = run("gor-rewrite", args, b"");
        ran.ends_with(status).says(said);
    }
    assert!(std::fs::read(folder.path().join("key")).is_ok_and(|key| !key.is_empty()));
}

#[test]
fn a_key_file_that_is_not_there_is_said_once() {
    let ran = run("gor-rewrite", &["--redact", "all", "--redact-key-file", "/no/such/file"], b"");
    ran.ends_with(1);
    assert_eq!(ran.stderr, "gor-rewrite: /no/such/file: no such file or directory\n");
}
