//! Every key of `--stats-json` is explained in the manual.

use std::collections::BTreeSet;
use std::path::Path;

use gor_tools::replay::FailureReason;
use serde_json::Value;

use crate::support::origin::Origin;
use crate::support::program::run;
use crate::support::replayer::{gets, good};

/// Words in capitals of which the manual lists what they stand for.
const LISTED: [&str; 2] = ["REASON", "PERCENTILE"];

/// One part of the manual's section on statistics.
struct Manual {
    keys: Vec<String>,
    text: String,
}

impl Manual {
    /// The part about `subject`.
    fn about(subject: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("man/gor-tools.7");
        let page = std::fs::read_to_string(path).expect("the page is there").replace("\\-", "-");
        let (_, section) = page.split_once(".SH STATISTICS\n").expect("it has that section");
        let (section, _) = section.split_once("\n.SH ").expect("it is not the last one");
        let part = section.split(".SS Statistics of ").find_map(|part| part.strip_prefix(subject));
        let text = part.unwrap_or_else(|| panic!("nothing is said of {subject}")).to_owned();
        let tags = text.split(".TP\n.B ").skip(1).filter_map(|tagged| tagged.lines().next());
        let keys = tags.flat_map(|tag| tag.split(", ")).map(str::to_owned).collect();
        Manual { keys, text }
    }

    fn has_word(&self, word: &str) -> bool {
        self.text.split(|letter: char| !letter.is_alphanumeric() && letter != '_').any(|one| one == word)
    }

    /// The key that explains this one of the JSON.
    fn explains(&self, key: &str) -> Option<&String> {
        self.keys.iter().find(|explained| self.is_instance(key, explained))
    }

    /// Whether a key is this one of the manual, with names for the word in capitals.
    fn is_instance(&self, key: &str, explained: &str) -> bool {
        let Some(start) = explained.find(|letter: char| letter.is_ascii_uppercase()) else {
            return key == explained;
        };
        let (before, capitals) = explained.split_at(start);
        key.strip_prefix(before)
            .is_some_and(|name| !name.is_empty() && (!LISTED.contains(&capitals) || self.has_word(name)))
    }
}

/// Adds the path of each value, with dots; the elements of an array have its own.
fn add_keys(value: &Value, path: &str, keys: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                add_keys(value, &path, keys);
            }
        }
        // Stands for an object of what was not measured.
        Value::Null => {}
        Value::Array(array) => array.iter().for_each(|value| add_keys(value, path, keys)),
        _ => _ = keys.insert(path.to_owned()),
    }
}

/// All keys that a tool writes when it is run with each of these lists of arguments.
#[track_caller]
fn keys_of(tool: &str, runs: &[&[&str]], input: &[u8]) -> BTreeSet<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let mut keys = BTreeSet::new();
    for (number, args) in runs.iter().enumerate() {
        let file = folder.path().join(format!("{number}.json"));
        let ran = run(tool, &[args, &["--stats-json", file.to_str().expect("text")][..]].concat(), input);
        let json = std::fs::read(file).unwrap_or_else(|error| panic!("{error}\n{ran}"));
        add_keys(&serde_json::from_slice(&json).expect("JSON"), "", &mut keys);
    }
    keys
}

/// Each key that came out is explained, and each that is explained came out, but for `rare` ones.
#[track_caller]
fn assert_explained(keys: &BTreeSet<String>, manuals: &[&Manual], rare: &[&str]) {
    let explained = |key: &String| manuals.iter().find_map(|manual| manual.explains(key));
    let missing: Vec<_> = keys.iter().filter(|key| explained(key).is_none()).collect();
    assert!(missing.is_empty(), "man/gor-tools.7 does not explain {missing:?}");
    let seen: BTreeSet<_> = keys.iter().filter_map(explained).collect();
    let unseen: Vec<_> =
        manuals.iter().flat_map(|manual| &manual.keys).filter(|key| !seen.contains(key)).collect();
    assert_eq!(unseen, rare, "explained, and written by none of these runs");
}

fn of_records() -> Manual {
    Manual::about("the tools that read recordings")
}

/// A recording with responses.
fn shop() -> Vec<u8> {
    run("gor-record", &["-r", "testdata/shop.pcapng", "--responses"], b"").stdout
}

#[test]
fn what_gor_record_counts_is_explained() {
    let folder = tempfile::tempdir().expect("a folder");
    let unknown = folder.path().join("unknown.pcap");
    // One packet of two bytes, of a link type that is for private use.
    let header = [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65535, 147];
    let words = header.into_iter().chain([0, 0, 2, 2]).flat_map(u32::to_le_bytes);
    std::fs::write(&unknown, words.chain(*b"ab").collect::<Vec<_>>()).expect("a capture");
    let unknown = unknown.to_str().expect("text");
    let runs: [&[&str]; 2] = [
        &["-r", "testdata/*.pcap", "-r", "testdata/*.pcapng", "--responses", "-o", "null:"],
        &["-r", unknown, "-r", "testdata/shop.pcapng", ":80", "-o", "null:"],
    ];
    assert_explained(&keys_of("gor-record", &runs, b""), &[&Manual::about("gor-record")], &[]);
}

#[test]
fn what_gor_filter_counts_is_explained() {
    let runs: [&[&str]; 6] = [
        &["--max-size", "1kB"],
        &["--status", "^2", "--not-url", "a"],
        &["--url", "a", "--invert"],
        &["--kind", "request"],
        &["--limit", "1"],
        &["--min-latency", "1ns"],
    ];
    let mut input = shop();
    input.extend(gets(&[(0, "/unanswered")]));
    let keys = keys_of("gor-filter", &runs, &input);
    assert_explained(&keys, &[&Manual::about("gor-filter"), &of_records()], &[]);
}

#[test]
fn what_gor_rewrite_counts_is_explained() {
    let runs: [&[&str]; 4] = [
        &["--set-header", "A: b"],
        &["--redact", "all", "--redact-strict"],
        &["--middleware", "cat"],
        &["--prettify", "--only", "method:GET", "--set-host", "b"],
    ];
    let mut input = shop();
    let strange = b"POST / HTTP/1.1\r\nContent-Encoding: strange\r\nContent-Length: 2\r\n\r\nab";
    input.extend(crate::support::replayer::record(1, "a1", 0, strange));
    let keys = keys_of("gor-rewrite", &runs, &input);
    assert_explained(&keys, &[&Manual::about("gor-rewrite"), &of_records()], &["middleware.not_followed"]);
}

#[test]
fn what_gor_merge_counts_is_explained() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("in.gor");
    std::fs::write(&path, shop()).expect("a recording");
    let path = path.to_str().expect("text");
    let out = folder.path().join("out.gor");
    let runs: [&[&str]; 2] =
        [&[path, path, "--sort", "--dedup"], &[path, "--max-size", "1kB", "-o", out.to_str().expect("text")]];
    let keys = keys_of("gor-merge", &runs, b"");
    assert_explained(&keys, &[&Manual::about("gor-merge"), &of_records()], &[]);
}

#[test]
fn what_gor_show_counts_is_explained() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("in.gor");
    std::fs::write(&path, shop()).expect("a recording");
    let path = path.to_str().expect("text");
    let keys = keys_of("gor-show", &[&[path], &["--compare", path, path]], b"");
    assert_explained(&keys, &[&Manual::about("gor-show"), &of_records()], &[]);
}

#[test]
fn what_gor_report_counts_is_explained() {
    let origin = Origin::start(good);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run.json").display().to_string();
    let args = ["-q", "--no-wait", "--report", &path, &format!("http://{}", origin.address())];
    run("gor-replay", &args, &gets(&[(0, "/")])).ends_with(0);
    assert_explained(&keys_of("gor-report", &[&[&path]], b""), &[&Manual::about("gor-report")], &[]);
}

#[test]
fn what_gor_replay_counts_is_explained() {
    let origin = Origin::start(good);
    let target = format!("http://{}", origin.address());
    // Nothing listens at a port that was given back.
    let closed =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port");
    let closed = format!("http://{closed}");
    let index = format!("{closed}/i");
    let runs: [&[&str]; 5] = [
        &["--no-wait", "--timeout", "1s", "--elasticsearch", &index, &target],
        &["--no-wait", &target],
        &["--no-wait", "--timeout", "1s", &closed],
        &["--dry-run"],
        &["--no-wait", "--middleware", "sed -un p", &target],
    ];
    let mut input = gets(&[(0, "/"), (1, "/b")]);
    input.extend(crate::support::replayer::record(1, "broken", 2, b"no request"));
    let manual = Manual::about("gor-replay");
    let keys = keys_of("gor-replay", &runs, &input);
    assert_explained(
        &keys,
        &[&manual, &of_records()],
        &["targets.failed.REASON", "targets.redirected_to.SERVER"],
    );
    for reason in FailureReason::ALL {
        let Ok(Value::String(name)) = serde_json::to_value(reason) else { panic!("{reason:?}") };
        assert!(manual.has_word(&name), "man/gor-tools.7 does not explain {name}");
    }
}
