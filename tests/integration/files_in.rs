//! Files as inputs, with the real tools: directories, damage, and files that grow.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdout, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::support::skip::skip;
use crate::support::program::{command, run};

/// A request as a record.
fn record(id: &str) -> String {
    format!("1 {id} 1763900000000000000 1000\nGET /{id} HTTP/1.1\r\nHost: a\r\n\r\n\n🐵🙈🙉\n")
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn name(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        std::fs::write(self.path(name), content).unwrap();
        self.name(name)
    }

    fn append(&self, name: &str, content: impl AsRef<[u8]>) {
        let mut file = OpenOptions::new().append(true).open(self.path(name)).unwrap();
        file.write_all(content.as_ref()).unwrap();
    }
}

#[test]
fn bodies_that_are_or_end_in_separator_lines_are_kept_without_a_length_in_the_header() {
    let monkeys = "🐵🙈🙉";
    for message in [
        format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n{monkeys}"),
        format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 26\r\n\r\n{monkeys}\n{monkeys}\n"),
        format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nd\r\n\n{monkeys}\r\n0\r\n\r\n"),
        format!("POST / HTTP/1.1\r\nHost: a\r\n\r\n{monkeys}"),
        format!("HTTP/1.0 200 OK\r\n\r\n{monkeys}"),
        // Of what its connection ends nothing tells where it does.
        format!("HTTP/1.0 200 OK\r\n\r\nab\n{monkeys}\n{monkeys}"),
    ] {
        let kind = if message.starts_with("HTTP") { 2 } else { 1 };
        let head = format!("{kind} a1 1763900000000000000 1000");
        for rest in [record("b2"), String::new()] {
            let ran = run("gor-filter", &[], format!("{head}\n{message}\n{monkeys}\n{rest}").as_bytes());
            let expected = format!("{head} {}\n{message}\n{monkeys}\n{rest}", message.len());
            assert_eq!(String::from_utf8_lossy(&ran.ends_with(0).stdout), expected);
        }
    }
    // Complete messages have no more of them.
    let twice = record("a1") + monkeys + "\n" + &record("b2");
    let ran = run("gor-filter", &[], twice.as_bytes());
    assert_eq!(String::from_utf8_lossy(&ran.ends_with(0).stdout), record("a1") + &record("b2"));
}

#[test]
fn a_scheme_that_no_place_has_and_options_of_s3_without_any_are_a_wrong_command_line() {
    let tools = ["gor-filter", "gor-rewrite", "gor-merge", "gor-show"];
    for tool in tools {
        run(tool, &["udp://127.0.0.1:1"], b"")
            .ends_with(2)
            .says("no udp:// places; expected a file, s3://, kafka://");
        for option in [&["--fetch", "4"][..], &["--no-sign-request"]] {
            let about = format!("{} applies to s3:// places, and none is given", option[0]);
            run(tool, option, b"").ends_with(2).says(&about);
        }
    }
    for tool in ["gor-filter", "gor-merge", "gor-rewrite"] {
        run(tool, &["-o", "udp://127.0.0.1:1"], b"").ends_with(2).says("no udp:// places");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let report = folder.path().join("run.json");
    let report = report.to_str().expect("text");
    for (tool, args) in [
        ("gor-replay", &["--fetch", "2", "--report", report, "127.0.0.1:1"][..]),
        ("gor-record", &["--fetch", "2", "-r", "testdata/nginx.pcap"]),
        ("gor-report", &["--fetch", "2", "x.json"]),
    ] {
        run(tool, args, b"").ends_with(2).says("--fetch applies to s3:// places, and none is given");
    }
    run("gor-replay", &["-i", "udp://127.0.0.1:1", "127.0.0.1:1"], b"").ends_with(2).says("no udp:// places");
    // A file of such a name is what it is.
    std::fs::create_dir(folder.path().join("udp:")).expect("a folder");
    std::fs::write(folder.path().join("udp:/x"), record("a1")).expect("a file");
    let mut shown = command("gor-show", &["udp://x"]);
    let shown = shown.current_dir(folder.path()).output().expect("the tool starts");
    assert!(shown.status.success() && !shown.stdout.is_empty(), "{shown:?}");
}

#[test]
fn a_directory_and_a_quoted_pattern_are_their_files_in_order() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("logs")).unwrap();
    folder.file("logs/b.gor.gz", gzip(&record("b")));
    folder.file("logs/a.gor", record("a"));
    folder.file("logs/c.gor", record("c"));
    folder.file("logs/c.gor.idx", "gor-index");
    let all = ["a", "b", "c"].map(record).concat();
    for place in ["logs", "logs/*", "logs/*.gor*"] {
        run("gor-filter", &[&folder.name(place)], b"").ends_with(0).is_silent().writes(all.as_bytes());
    }
}

#[test]
fn thousands_of_small_compressed_files_come_in_order() {
    let folder = Folder::new();
    let names: Vec<String> = (0..3000).map(|number| format!("{number:04}")).collect();
    for name in &names {
        folder.file(name, gzip(&record(name)));
    }
    let all: String = names.iter().map(|name| record(name)).collect();
    run("gor-filter", &[&folder.name("")], b"").ends_with(0).is_silent().writes(all.as_bytes());
}

#[test]
fn cut_gzip_gives_what_decodes_and_then_fails_after_the_other_files() {
    let folder = Folder::new();
    let many: String = (0..5000).map(|number| record(&format!("{number:x}"))).collect();
    let cut = gzip(&many);
    let cut = folder.file("cut.gz", &cut[..cut.len() / 2]);
    let alone = run("gor-filter", &[&cut], b"");
    alone.ends_with(1).says("cut.gz: the gzip data ends early: the file was cut");
    let whole = alone.stdout.len() / record("100").len() * record("100").len();
    assert!(whole > 1000 && many.as_bytes().starts_with(&alone.stdout[..whole / 2]));
    let after = folder.file("after", record("z"));
    let both = run("gor-filter", &[&cut, &after], b"");
    both.ends_with(1).says("1 of 2 inputs could not be read whole");
    assert!(both.stdout.ends_with(record("z").as_bytes()));
}

#[test]
fn a_record_cut_within_its_length_is_lost_and_nothing_in_it_comes_out() {
    let body = "x\n🐵🙈🙉\n1 f 5 0\nDELETE /all HTTP/1.1\r\nHost: a\r\n\r\n\n🐵🙈🙉\nzzzz";
    let whole = format!("{}1 b 1 2 {}\n{body}", record("a"), body.len());
    for cut in [1, 5, 20, 40, body.len() - 1] {
        let input = &whole.as_bytes()[..whole.len() - cut];
        for tool in ["gor-filter", "gor-rewrite", "gor-merge"] {
            let run = run(tool, &[], input);
            run.ends_with(1).writes(record("a").as_bytes()).says("record 2").says("the input ends inside");
        }
        for input in [gzip(&String::from_utf8_lossy(input)), input.to_vec()] {
            let folder = Folder::new();
            let (cut, good) = (folder.file("cut", input), folder.file("good", record("c")));
            let both = [record("a"), record("c")].concat();
            run("gor-filter", &[&cut, &good], b"").ends_with(1).writes(both.as_bytes());
        }
    }
}

#[test]
fn what_holds_a_separator_is_written_with_its_length_by_every_tool() {
    let body = "x\n🐵🙈🙉\ny";
    let input = format!("1 a 1 2\n{body}\n🐵🙈🙉\n1 b 1\n{body}\n🐵🙈🙉\n{}", record("c"));
    let length = body.len();
    let expected =
        format!("1 a 1 2 {length}\n{body}\n🐵🙈🙉\n1 b 1 0 {length}\n{body}\n🐵🙈🙉\n{}", record("c"));
    for tool in ["gor-filter", "gor-rewrite", "gor-merge"] {
        run(tool, &[], input.as_bytes()).ends_with(0).is_silent().writes(expected.as_bytes());
    }
}

#[test]
fn chunks_are_read_in_their_order_and_by_time_where_that_is_known() {
    let folder = Folder::new();
    let input: String = (0..25).map(|number| record(&format!("{number:x}"))).collect();
    let output = folder.name("x.gor");
    run("gor-filter", &["--chunk-records", "2", "-o", &output], input.as_bytes()).ends_with(0);
    for place in ["", "x_*"] {
        run("gor-filter", &[&folder.name(place)], b"").ends_with(0).writes(input.as_bytes());
    }

    let folder = Folder::new();
    let at = |time: u32| format!("1 a{time} {time} 0\nGET / HTTP/1.1\r\n\r\n\n🐵🙈🙉\n");
    for (name, time) in [("a.gor", 3), ("b.gor", 1), ("c.gor", 2)] {
        run("gor-filter", &["--index", "-o", &folder.name(name)], at(time).as_bytes()).ends_with(0);
    }
    let by_time = [1, 2, 3].map(at).concat();
    run("gor-filter", &[&folder.name("*.gor")], b"").ends_with(0).writes(by_time.as_bytes());
    // One without an index: names decide.
    std::fs::remove_file(folder.path("b.gor.idx")).unwrap();
    let by_name = [3, 1, 2].map(at).concat();
    run("gor-filter", &[&folder.name("*.gor")], b"").ends_with(0).writes(by_name.as_bytes());
}

#[test]
fn count_counts_what_could_be_read() {
    let folder = Folder::new();
    let good = folder.file("good", record("a").repeat(3));
    let missing = folder.name("missing");
    run("gor-filter", &["--count", &good, &missing], b"").ends_with(1).writes(b"3\n").says("missing");
}

#[test]
fn a_name_of_another_format_is_refused_before_anything_is_written() {
    let folder = Folder::new();
    let path = folder.name("x.saz");
    run("gor-filter", &["-o", &path], record("a").as_bytes()).ends_with(2).says(".pcapng");
    assert!(!folder.path("x.saz").exists());
}

#[test]
fn quiet_leaves_only_what_failed_or_was_lost() {
    let folder = Folder::new();
    let input = record("a") + "9 b 1 1\nx\n🐵🙈🙉\n" + &record("c");
    let bad = folder.file("bad", &input);
    let kept = record("a") + &record("c");
    run("gor-filter", &[&bad], b"").ends_with(0).says("the kind is not 1, 2 or 3");
    run("gor-filter", &["-q", &bad], b"").ends_with(0).says("; it is skipped").writes(kept.as_bytes());
    let missing = folder.name("missing");
    run("gor-filter", &["-q", &bad, &missing], b"").ends_with(1).says("missing: no such file");
}

/// `gor-filter --follow`, its output read as it comes.
struct Following {
    child: Child,
    stdout: ChildStdout,
    stderr: ChildStderr,
}

impl Following {
    fn start(args: &[&str]) -> Self {
        let mut command = command("gor-filter", &[&["--follow"], args].concat());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        Following { child, stdout, stderr }
    }

    /// Waits until exactly this was written.
    #[track_caller]
    fn writes(&mut self, expected: &str) {
        let mut seen = vec![0; expected.len()];
        self.stdout.read_exact(&mut seen).unwrap();
        assert_eq!(String::from_utf8_lossy(&seen), expected);
    }

    /// Waits until a line with this was said.
    #[track_caller]
    fn says(&mut self, expected: &str) {
        let (mut line, mut byte) = (Vec::new(), [0]);
        while byte != *b"\n" {
            self.stderr.read_exact(&mut byte).unwrap();
            line.extend(byte);
        }
        let line = String::from_utf8_lossy(&line);
        assert!(line.contains(expected), "expected {expected:?}: {line}");
    }

    /// Asks it to end, and that it does so well and has nothing more to give.
    #[track_caller]
    fn ends(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        self.stderr.read_to_string(&mut rest).unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!((status.code(), rest.as_str()), (Some(0), ""));
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        // It has ended already where the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_growing_file_is_read_on_and_half_a_record_waits_for_its_rest() {
    let folder = Folder::new();
    let name = folder.file("log", record("a"));
    let mut following = Following::start(&[&name]);
    following.writes(&record("a"));
    let (start, end) = (&record("c")[..20], &record("c")[20..]);
    folder.append("log", record("b") + start);
    following.writes(&record("b"));
    folder.append("log", end);
    following.writes(&record("c"));
    folder.append("log", &record("d")[..50]);
    following.ends();
}

#[test]
fn a_rotated_file_is_read_to_its_end_and_then_the_new_one() {
    let folder = Folder::new();
    let name = folder.file("log", record("a"));
    let mut following = Following::start(&["-v", &name]);
    following.writes(&record("a"));
    std::fs::rename(folder.path("log"), folder.path("log.1")).unwrap();
    folder.append("log.1", record("b"));
    following.writes(&record("b"));
    folder.append("log.1", record("c"));
    folder.file("new", record("d"));
    std::fs::rename(folder.path("new"), folder.path("log")).unwrap();
    following.writes(&(record("c") + &record("d")));
    following.says("log: the file was replaced");
    folder.append("log", record("e"));
    following.writes(&record("e"));
}

#[test]
fn a_truncated_file_is_read_from_its_beginning_again() {
    let folder = Folder::new();
    let name = folder.file("log", record("long-before") + &record("b"));
    let mut following = Following::start(&[&name]);
    following.writes(&(record("long-before") + &record("b")));
    File::create(folder.path("log")).unwrap();
    following.says("log: the file was truncated");
    folder.append("log", record("c"));
    following.writes(&record("c"));
    following.ends();
}

#[test]
fn files_are_followed_together_and_one_that_is_missing_is_waited_for() {
    let folder = Folder::new();
    let (one, two) = (folder.file("one", record("a")), folder.name("two"));
    let mut following = Following::start(&[&one, &two]);
    following.says("two: waiting for this file to appear");
    following.writes(&record("a"));
    folder.file("two", record("b"));
    following.writes(&record("b"));
    folder.append("one", record("c"));
    following.writes(&record("c"));
    folder.append("two", record("d"));
    following.writes(&record("d"));
    following.ends();
}

#[test]
fn a_compressed_file_may_grow_by_members() {
    let folder = Folder::new();
    let name = folder.file("log.gz", gzip(&record("a")));
    let mut following = Following::start(&[&name]);
    following.writes(&record("a"));
    let member = gzip(&record("b"));
    folder.append("log.gz", &member[..15]);
    folder.append("log.gz", &member[15..]);
    following.writes(&record("b"));
    following.ends();
}

#[test]
fn too_many_files_to_follow_are_a_wrong_command_line() {
    let folder = Folder::new();
    for number in 0..65 {
        folder.file(&number.to_string(), record("a"));
    }
    run("gor-filter", &["--follow", &folder.name("")], b"").ends_with(2).says("too many to follow");
}

/// What a tool says on a terminal while its input, a named pipe, is open.
/// None: there is no `script` here to make a terminal.
fn on_a_terminal(folder: &Folder, tool: &str, records: &[u8], until: &str) -> Option<String> {
    let fifo = folder.name("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let tool = tool.replace("FIFO", &fifo);
    let beside = PathBuf::from(env!("CARGO_BIN_EXE_gor-filter"));
    let line = format!("{}/{tool}", beside.parent().unwrap().display());
    let mut script = std::process::Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).stdin(Stdio::null()).stdout(Stdio::piped());
    let Ok(mut script) = script.spawn() else {
        skip("there is no `script` to make a terminal");
        return None;
    };
    let mut input = OpenOptions::new().write(true).open(&fifo).unwrap();
    input.write_all(records).unwrap();
    let (mut said, mut byte) = (Vec::new(), [0]);
    let mut terminal = script.stdout.take().unwrap();
    while !String::from_utf8_lossy(&said).contains(until) && terminal.read(&mut byte).unwrap() > 0 {
        said.extend(byte);
    }
    drop(input);
    terminal.read_to_end(&mut said).unwrap();
    assert!(script.wait().unwrap().success());
    Some(String::from_utf8_lossy(&said).into_owned())
}

/// What a tool says to a terminal that it has for all three streams, and how it ends. Its input ends at once.
fn alone_on_a_terminal(line: &str) -> Option<(i32, String)> {
    let beside = PathBuf::from(env!("CARGO_BIN_EXE_gor-filter"));
    let line = format!("{}/{line}", beside.parent().unwrap().display());
    let mut script = std::process::Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let Ok(mut script) = script.spawn() else {
        skip("there is no `script` to make a terminal");
        return None;
    };
    // Ctrl-D. The pipe stays open until the tool has ended.
    let mut input = script.stdin.take().unwrap();
    input.write_all(b"\x04").unwrap();
    let mut said = Vec::new();
    script.stdout.take().unwrap().read_to_end(&mut said).unwrap();
    let status = script.wait().unwrap();
    drop(input);
    Some((status.code().unwrap(), String::from_utf8_lossy(&said).into_owned()))
}

#[test]
fn who_reads_a_terminal_says_so_unless_it_was_named() {
    let said = "reading standard input, which is a terminal";
    for tool in [
        "gor-show",
        "gor-filter",
        "gor-rewrite",
        "gor-merge",
        "gor-report",
        "gor-replay --dry-run 127.0.0.1:1",
    ] {
        let Some((_, alone)) = alone_on_a_terminal(tool) else { return };
        assert_eq!(alone.matches(said).count(), 1, "{tool}: {alone:?}");
    }
    for line in ["gor-show -", "gor-show -q", "gor-show /dev/null", "gor-filter </dev/null"] {
        let Some((_, alone)) = alone_on_a_terminal(line) else { return };
        assert!(!alone.contains(said), "{line}: {alone:?}");
    }
}

#[test]
fn documents_for_programs_are_not_written_to_a_terminal() {
    let folder = Folder::new();
    let file = folder.file("a.gor", record("a1"));
    for format in ["har", "postman", "pcap", "pcapng"] {
        for output in ["", "-o -", "-o /dev/tty"] {
            let line = format!("gor-filter {file} --format {format} {output}");
            let Some((status, said)) = alone_on_a_terminal(&line) else { return };
            let place = if output.ends_with("tty") { "/dev/tty" } else { "standard output" };
            let expected =
                format!("{place} is a terminal, where {format} is not readable; redirect it, or name a file");
            assert!(status == 2 && said.contains(&expected), "{line}: {status} {said:?}");
        }
        let line = format!("gor-filter {file} --format {format} 2>/dev/null | wc -c");
        let Some((status, said)) = alone_on_a_terminal(&line) else { return };
        assert!(status == 0 && said.trim().parse::<u32>().is_ok_and(|bytes| bytes > 20), "{line}: {said:?}");
    }
    for format in ["gor", "jsonl", "csv", "curl", "http"] {
        let line = format!("gor-filter {file} --format {format}");
        let Some((status, said)) = alone_on_a_terminal(&line) else { return };
        assert!(status == 0 && said.contains("/a1"), "{line}: {said:?}");
    }
}

#[test]
fn progress_is_drawn_on_a_terminal_and_taken_away() {
    let folder = Folder::new();
    let text = record("a") + &record("b");
    let tool = format!("gor-filter FIFO -o {}", folder.name("out"));
    let Some(said) = on_a_terminal(&folder, &tool, text.as_bytes(), "/s") else { return };
    assert!(said.contains(&format!("{}B read, 2 records", text.len())), "{said:?}");
    assert!(said.ends_with("\u{1b}[2K"), "{said:?}");
    assert_eq!(std::fs::read_to_string(folder.path("out")).unwrap(), text);
}

#[test]
fn progress_is_drawn_where_something_is_printed_only_at_the_end() {
    let folder = Folder::new();
    let text = record("a") + &record("b");
    for tool in [
        "gor-replay --dry-run -i FIFO 127.0.0.1:1",
        "gor-filter --count FIFO",
        "gor-show --summary FIFO",
        "gor-rewrite --dry-run --set-host a FIFO",
    ] {
        let Some(said) = on_a_terminal(&folder, tool, text.as_bytes(), "records, ") else { return };
        std::fs::remove_file(folder.path("fifo")).expect("it was made");
        let drawn = format!("{}B read, 2 records, ", text.len());
        let at = said.find(&drawn).unwrap_or_else(|| panic!("{tool}: {said:?}"));
        assert!(said[at..].contains("\u{1b}[2K"), "{tool}: it is taken away: {said:?}");
    }
}

#[test]
fn progress_is_drawn_of_captures_too() {
    let folder = Folder::new();
    let capture = std::fs::read("testdata/shop.pcapng").unwrap();
    let tool = "gor-record -r FIFO -o null:";
    let Some(said) = on_a_terminal(&folder, tool, &capture, "/s") else { return };
    assert!(said.contains("kB read"), "{said:?}");
}
