//! Twelve questions that every tool is asked, and answers alike.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::support::origin::Origin;
use super::support::program::{Ran, command, run};
use super::support::replayer::{OK, good, record};
use super::support::skip::skip;

/// A tool, and what it needs besides its input.
struct Asked {
    /// What it is called here: one of them is asked in two ways.
    name: &'static str,
    tool: &'static str,
    options: &'static [&'static str],
    /// What stands before the name of each input.
    input_option: Option<&'static str>,
    needs_target: bool,
    reads: Reads,
    writes: Writes,
}

impl Asked {
    /// Whether `-o` names what it writes.
    fn has_outputs(&self) -> bool {
        self.writes != Writes::Text || self.reads == Reads::Reports
    }

    /// This name with an end that the tool takes for `-o`: that of a report says how it is written.
    fn output_name(&self, name: &str) -> String {
        if self.reads == Reads::Reports { format!("{name}.json") } else { name.to_owned() }
    }
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Reads {
    Recordings,
    Captures,
    /// Of replays. They are added up, so one that is missing, empty or cut is an error, and then nothing is written.
    Reports,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Writes {
    Records,
    /// For a person.
    Text,
    /// Records with times of their own, and a report on standard error unless it is to be quiet.
    Answers,
}

const COPIES: Asked = Asked {
    name: "",
    tool: "",
    options: &[],
    input_option: None,
    needs_target: false,
    reads: Reads::Recordings,
    writes: Writes::Records,
};

const TOOLS: [Asked; 8] = [
    Asked {
        name: "gor-record -r",
        tool: "gor-record",
        options: &["--responses"],
        input_option: Some("-r"),
        reads: Reads::Captures,
        ..COPIES
    },
    Asked { name: "gor-show", tool: "gor-show", writes: Writes::Text, ..COPIES },
    Asked { name: "gor-filter", tool: "gor-filter", ..COPIES },
    Asked { name: "gor-rewrite", tool: "gor-rewrite", options: &["--set-header", "A: b"], ..COPIES },
    Asked { name: "gor-merge", tool: "gor-merge", ..COPIES },
    Asked {
        name: "gor-replay",
        tool: "gor-replay",
        options: &["--no-wait"],
        input_option: Some("-i"),
        needs_target: true,
        writes: Writes::Answers,
        ..COPIES
    },
    Asked {
        name: "gor-replay --dry-run",
        tool: "gor-replay",
        options: &["--dry-run"],
        input_option: Some("-i"),
        writes: Writes::Text,
        ..COPIES
    },
    Asked { name: "gor-report", tool: "gor-report", reads: Reads::Reports, writes: Writes::Text, ..COPIES },
];

/// What all of them are asked about: a recording, a capture of the same and a report of its replay; and a server to replay
/// against.
struct Walk {
    folder: TempDir,
    origin: Origin,
}

impl Walk {
    fn new() -> Self {
        let walk = Walk { folder: tempfile::tempdir().expect("a folder"), origin: Origin::start(good) };
        walk.file("few.gor", &exchanges(10));
        walk.capture("few");
        let [recording, report] = ["few.gor", "few.json"].map(|name| walk.path(name));
        let target = format!("http://{}", walk.origin.address());
        let replayed = ["-q", "--no-wait", "-i", &recording, "--report", &report, &target];
        run("gor-replay", &replayed, b"").ends_with(0).is_silent();
        walk.file("empty", b"");
        walk.file("text", b"This is no recording.\nNor is it a capture.\n");
        walk
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn file(&self, name: &str, text: &[u8]) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).expect("it can be written");
        path
    }

    /// Makes a capture beside a recording.
    fn capture(&self, name: &str) {
        let [recording, capture] = [".gor", ".pcap"].map(|end| self.path(&format!("{name}{end}")));
        run("gor-merge", &["--force", "-o", &capture, &recording], b"").ends_with(0).is_silent();
    }

    /// The path of the input that has this name, in the form that the tool reads.
    fn input(&self, asked: &Asked, name: &str) -> String {
        let end = match asked.reads {
            Reads::Recordings => "gor",
            Reads::Captures => "pcap",
            Reads::Reports => "json",
        };
        self.path(&format!("{name}.{end}"))
    }

    /// All arguments of a tool, with these inputs.
    fn args(&self, asked: &Asked, options: &[&str], inputs: &[&str]) -> Vec<String> {
        let mut args: Vec<String> = asked.options.iter().chain(options).map(ToString::to_string).collect();
        if asked.writes == Writes::Answers && !options.contains(&"-o") {
            args.extend(["-o", "-"].map(String::from));
        }
        for input in inputs {
            args.extend(asked.input_option.map(String::from));
            args.push((*input).to_owned());
        }
        if asked.needs_target {
            args.push(format!("http://{}", self.origin.address()));
        }
        args
    }

    fn ask(&self, asked: &Asked, options: &[&str], inputs: &[&str]) -> Ran {
        let args = self.args(asked, options, inputs);
        run(asked.tool, &args.iter().map(String::as_str).collect::<Vec<_>>(), b"")
    }

    /// Asks about the recording, or the capture of it.
    fn ask_few(&self, asked: &Asked, options: &[&str]) -> Ran {
        self.ask(asked, options, &[&self.input(asked, "few")])
    }

    /// The tool's command with its standard streams as files, `-` being its input.
    fn command(&self, asked: &Asked, options: &[&str], input: &str) -> Command {
        let args = self.args(asked, options, &[input]);
        let mut command = command(asked.tool, &args.iter().map(String::as_str).collect::<Vec<_>>());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Starts a tool on a pipe.
    fn start_piped(&self, asked: &Asked, options: &[&str]) -> (Child, ChildStdin) {
        let mut child =
            self.command(asked, options, "-").stdin(Stdio::piped()).spawn().expect("the tool starts");
        let input = child.stdin.take().expect("it is piped");
        (child, input)
    }
}

/// A recording in the order of time.
fn exchanges(count: i64) -> Vec<u8> {
    let one = |number: i64| {
        let id = format!("{number:024x}");
        let request =
            format!("GET /{number} HTTP/1.1\r\nHost: recorded.example\r\nX-Pad: {:0600}\r\n\r\n", 0);
        let at = 1_700_000_000_000_000_000 + number * 1_000_000;
        [record(1, &id, at, request.as_bytes()), record(2, &id, at + 500_000, OK)].concat()
    };
    (0..count).flat_map(one).collect()
}

/// Records in the output of a tool.
fn count_records(output: &[u8]) -> usize {
    String::from_utf8_lossy(output).matches("\n🐵🙈🙉\n").count()
}

/// What a tool wrote is what it writes without the question.
#[track_caller]
fn assert_unharmed(asked: &Asked, ran: &Ran, plain: &Ran) {
    match asked.writes {
        Writes::Answers => assert_eq!(count_records(&ran.stdout), 10, "{ran}"),
        _ => drop(ran.writes(&plain.stdout)),
    }
}

fn lines(text: &str) -> usize {
    text.lines().count()
}

#[test]
fn quiet_says_nothing_but_what_is_wrong_or_lost() {
    let walk = Walk::new();
    let few = std::fs::read(walk.path("few.gor")).expect("it was written");
    let cut = walk.file("cut.gor", &few[..few.len() - 20]);
    let bad = walk.file(
        "bad.gor",
        &[b"9 bad 1 1\nx\n\xf0\x9f\x90\xb5\xf0\x9f\x99\x88\xf0\x9f\x99\x89\n", &few[..]].concat(),
    );
    let capture = std::fs::read(walk.path("few.pcap")).expect("it was written");
    let cut_capture = walk.file("cut.pcap", &capture[..capture.len() - 20]);
    let report = std::fs::read(walk.path("few.json")).expect("it was written");
    let cut_report = walk.file("cut.json", &report[..report.len() - 20]);
    for asked in &TOOLS {
        let quiet = walk.ask_few(asked, &["-q"]);
        assert_unharmed(asked, quiet.ends_with(0).is_silent(), &walk.ask_few(asked, &[]));
        walk.ask(asked, &["-q"], &[&walk.path("missing")]).ends_with(1).says("missing");
        if asked.reads == Reads::Reports {
            walk.ask(asked, &["-q"], &[&cut_report]).ends_with(1).says("cut.json: the JSON is cut");
            continue;
        }
        walk.ask(asked, &["-q"], &[&walk.path("empty")]).ends_with(0).is_silent();
        walk.ask(asked, &["-q"], &[&cut_capture]).ends_with(1).says("cut.pcap: packet");
        if asked.reads == Reads::Recordings {
            walk.ask(asked, &["-q"], &[&cut]).ends_with(0).says("cut.gor: record 20");
            walk.ask(asked, &["-q"], &[&bad]).ends_with(0).says("bad.gor: record 1 (byte 0)");
        }
    }
}

#[test]
fn verbose_says_more_and_is_not_quiet() {
    let walk = Walk::new();
    for asked in &TOOLS {
        let (plain, verbose, stats) =
            (walk.ask_few(asked, &[]), walk.ask_few(asked, &["-v"]), walk.ask_few(asked, &["--stats"]));
        assert_unharmed(asked, verbose.ends_with(0), &plain);
        assert!(lines(&verbose.stderr) >= lines(&stats.stderr), "{verbose}{stats}");
        // What a replay came to is said without being asked.
        if asked.writes != Writes::Answers {
            assert!(lines(&verbose.stderr) > lines(&plain.stderr), "{verbose}{plain}");
        }
        let both = walk.ask_few(asked, &["-q", "-v"]);
        both.ends_with(2).writes(b"").says("'--quiet' cannot be used with '--verbose'");
    }
}

#[test]
fn statistics_are_said_at_the_end_and_no_record_is_harmed() {
    let walk = Walk::new();
    for asked in &TOOLS {
        let stats = walk.ask_few(asked, &["--stats"]);
        assert_unharmed(asked, stats.ends_with(0), &walk.ask_few(asked, &[]));
        let has_counts = stats.stderr.lines().any(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            let counted: &[&str] = if asked.reads == Reads::Reports { &["1"] } else { &["10", "20"] };
            words.len() > 1 && words.iter().any(|word| counted.contains(word))
        });
        assert!(has_counts, "{stats}");
        // Quiet is about other messages: what is asked for is said.
        let asked_for = walk.ask_few(asked, &["--stats", "-q"]);
        assert_eq!(lines(&asked_for.ends_with(0).stderr), lines(&stats.stderr), "{asked_for}{stats}");
    }
}

#[test]
fn statistics_in_json_are_an_object_with_the_same_keys_each_time() {
    let walk = Walk::new();
    let json = walk.path("stats.json");
    for asked in &TOOLS {
        let few = walk.input(asked, "few");
        let stats = |input: &str| -> Value {
            walk.ask(asked, &["-q", "--stats-json", &json], &[input]).ends_with(0).is_silent();
            let text = std::fs::read(&json).expect("it was written");
            serde_json::from_slice(&text).expect("it is JSON")
        };
        let keys = |stats: &Value| -> Vec<String> {
            stats.as_object().expect("an object").keys().cloned().collect()
        };
        let some = stats(&few);
        if asked.reads == Reads::Reports {
            assert_eq!(some, serde_json::json!({"reports": 1}));
        } else {
            assert_eq!(keys(&some), keys(&stats(&walk.path("empty"))), "{}", asked.name);
        }
        if let Some(records) = some.get("records").and_then(Value::as_object) {
            let total = records["total"].as_u64().expect("a number");
            let parts = records.iter().filter(|(key, _)| *key != "total");
            assert_eq!((total, parts.filter_map(|(_, part)| part.as_u64()).sum()), (20, 20), "{some}");
        } else if let Some(records) = some.get("records") {
            assert_eq!(records, 20, "{}: {some}", asked.name);
        }
        refuses_its_input(&walk, asked, &few, |few| walk.ask(asked, &["--stats-json", few], &[few]));
        let once = walk.path(&asked.output_name("once"));
        if asked.has_outputs() {
            let both = walk.ask_few(asked, &["-o", &once, "--stats-json", &once]);
            both.ends_with(2).says("it is also another output");
        }
        let output = File::create(&once).expect("it can be made");
        let text =
            walk.command(asked, &["--stats-json", &once], &few).stdout(output).output().expect("it ends");
        Ran::new(asked.tool, &[], text).ends_with(2).says("it is also another output (standard output)");
    }
}

/// A tool that is to write to its input leaves it as it is.
#[track_caller]
fn refuses_its_input(walk: &Walk, asked: &Asked, few: &str, ask: impl Fn(&str) -> Ran) {
    let before = std::fs::read(few).expect("it is there");
    let own = walk.file(&asked.output_name("own"), &before);
    ask(&own).ends_with(2).writes(b"").says("it is also an input").says("write to another file");
    assert!(std::fs::read(&own).expect("it is there") == before, "{}", asked.name);
}

#[test]
fn progress_is_drawn_on_a_terminal_after_a_second_and_only_there() {
    let walk = Walk::new();
    thread::scope(|scope| {
        // A report is small, and no progress is drawn of reading it.
        for asked in TOOLS.iter().filter(|asked| asked.reads != Reads::Reports) {
            scope.spawn(|| draws_on_a_terminal_only(&walk, asked));
        }
    });
}

fn draws_on_a_terminal_only(walk: &Walk, asked: &Asked) {
    let [fifo, output] = ["fifo", "output"].map(|end| walk.path(&format!("{}.{end}", asked.name)));
    assert!(Command::new("mkfifo").arg(&fifo).status().expect("it runs").success());
    let args = walk.args(asked, &[], &[&fifo]);
    let program = command(asked.tool, &[]);
    let mut line = String::new();
    for word in
        std::iter::once(program.get_program().to_str().expect("text")).chain(args.iter().map(String::as_str))
    {
        write!(line, "'{word}' ").expect("a string takes it");
    }
    write!(line, "> '{output}'").expect("a string takes it");
    // It runs for longer than the one on the terminal, and must draw nothing.
    let (piped, mut piped_input) = walk.start_piped(asked, &[]);
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).stdin(Stdio::null()).stdout(Stdio::piped());
    let Ok(mut script) = script.spawn() else {
        drop(piped_input);
        piped.wait_with_output().expect("it ends");
        return skip("there is no `script` of bsdutils to make a terminal");
    };
    let few = std::fs::read(walk.input(asked, "few")).expect("it was written");
    let mut input = File::options().write(true).open(&fifo).expect("it is read");
    input.write_all(&few).expect("it is read");
    piped_input.write_all(&few).expect("it is read");
    let drawn = if asked.writes == Writes::Answers { "10 answered" } else { "B read" };
    let (mut said, mut byte) = (Vec::new(), [0]);
    let mut terminal = script.stdout.take().expect("it is piped");
    while !String::from_utf8_lossy(&said).contains(drawn) && terminal.read(&mut byte).expect("it says") > 0 {
        said.extend(byte);
    }
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(said.contains(drawn), "{}: {said:?}", asked.name);
    drop((input, piped_input));
    terminal.read_to_end(&mut Vec::new()).expect("it ends");
    assert!(script.wait().expect("it ends").success());
    let piped = Ran::new(asked.tool, &[], piped.wait_with_output().expect("it ends"));
    piped.ends_with(0);
    assert!(!piped.stderr.contains("B read") && !piped.stderr.contains('\u{1b}'), "{piped}");
    let output = std::fs::read(output).expect("it was written");
    match asked.writes {
        Writes::Answers => assert_eq!(count_records(&output), 10),
        _ => assert!(output == piped.stdout, "{}: {}", asked.name, String::from_utf8_lossy(&output)),
    }
}

/// Waits until a process would be told of SIGINT.
fn await_handler(child: &Child) {
    let path = format!("/proc/{}/status", child.id());
    loop {
        let status = std::fs::read_to_string(&path).expect("it runs");
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).expect("Linux has it");
        let caught = u64::from_str_radix(caught.trim(), 16).expect("a number");
        if caught & 1 << (Signal::INT.as_raw() - 1) != 0 {
            return;
        }
        thread::yield_now();
    }
}

/// Waits until all is read of what was written to a pipe.
fn await_empty(input: &ChildStdin) {
    while rustix::io::ioctl_fionread(input).expect("a pipe") > 0 {
        thread::yield_now();
    }
}

fn interrupt(child: &Child) {
    kill_process(Pid::from_child(child), Signal::INT).expect("it runs");
}

#[test]
fn an_interrupted_tool_ends_with_what_came() {
    let walk = Walk::new();
    for asked in &TOOLS {
        let plain = walk.ask_few(asked, &[]);
        let few = std::fs::read(walk.input(asked, "few")).expect("it was written");
        // One that is silent is left open, one that ends at the same time is closed.
        for is_closed in [false, true] {
            let (child, mut input) = walk.start_piped(asked, &[]);
            let (first, last) = few.split_at(few.len() / 2);
            input.write_all(first).expect("it is read");
            await_handler(&child);
            await_empty(&input);
            input.write_all(last).expect("it is read");
            if !is_closed {
                await_empty(&input);
            }
            interrupt(&child);
            let open = (!is_closed).then_some(input);
            let ran = Ran::new(asked.tool, &[], child.wait_with_output().expect("it ends"));
            drop(open);
            if asked.writes == Writes::Answers {
                ran.ends_with(1).says("interrupted").says("answered");
            } else if asked.reads == Reads::Reports && (!is_closed || ran.ends() == Some(1)) {
                // Whether a report that goes on was read to its end is unknown, and a part of a sum would be wrong.
                ran.ends_with(1).writes(b"").says("interrupted: not all reports were read");
            } else {
                ran.ends_with(0).is_silent().writes(&plain.stdout);
            }
        }
    }
}

#[test]
fn an_interrupted_tool_says_that_the_rest_was_not_read() {
    let walk = Walk::new();
    for asked in &TOOLS {
        let few = std::fs::read(walk.input(asked, "few")).expect("it was written");
        let (mut child, mut input) = walk.start_piped(asked, &["-q"]);
        let mut output = child.stdout.take().expect("it is piped");
        let reading = thread::spawn(move || output.read_to_end(&mut Vec::new()));
        await_handler(&child);
        // The capture's head stands once; what follows is packets for ever.
        let head = if asked.reads == Reads::Captures { 24 } else { 0 };
        let (say, said) = std::sync::mpsc::channel();
        let writing = thread::spawn(move || {
            let mut written = input.write_all(&few[..head]);
            for round in 0.. {
                written = written.and_then(|()| input.write_all(&few[head..]));
                if written.is_err() {
                    return;
                }
                if round == 20 {
                    say.send(()).expect("it is waited for");
                }
            }
        });
        said.recv().expect("it reads so much");
        interrupt(&child);
        let ran = Ran::new(asked.tool, &[], child.wait_with_output().expect("it ends"));
        writing.join().expect("it ends");
        reading.join().expect("it ends").expect("it can be read");
        ran.ends_with(1).says("interrupted");
        if asked.reads == Reads::Reports {
            ran.says("interrupted: not all reports were read");
        } else if asked.writes != Writes::Answers {
            ran.says("interrupted: the rest of the input was not read");
        }
    }
}

/// Waits until a pipe that nobody reads is full, so that its writer waits.
fn await_full(output: &ChildStdout) {
    while rustix::io::ioctl_fionread(output).expect("a pipe") < 60_000 {
        thread::yield_now();
    }
}

#[test]
fn an_interrupted_tool_leaves_the_rest_of_a_file() {
    let walk = Walk::new();
    walk.file("big.gor", &exchanges(20_000));
    walk.capture("big");
    // A dry run and a sum of reports are written when all was read, and a replay tells below what it has sent.
    let tools = TOOLS.iter().filter(|asked| !["gor-replay", "gor-report"].contains(&asked.tool));
    for asked in tools {
        let mut child = walk.command(asked, &[], &walk.input(asked, "big")).spawn().expect("the tool starts");
        let output = child.stdout.take().expect("it is piped");
        await_full(&output);
        interrupt(&child);
        let reading = thread::spawn(move || {
            let mut output = output;
            let mut text = Vec::new();
            output.read_to_end(&mut text).map(|_| text)
        });
        let ran = Ran::new(asked.tool, &[], child.wait_with_output().expect("it ends"));
        ran.ends_with(1).says("interrupted: the rest of the input was not read");
        let text = reading.join().expect("it ends").expect("it can be read");
        let end: &[u8] = if asked.writes == Writes::Records { "\n🐵🙈🙉\n".as_bytes() } else { b"\n" };
        assert!(text.ends_with(end) && text.len() >= 60_000, "{}", asked.name);
    }
}

#[test]
fn a_reader_that_goes_is_no_failure() {
    let walk = Walk::new();
    walk.file("big.gor", &exchanges(2000));
    walk.capture("big");
    for asked in &TOOLS {
        let input = walk.input(asked, if asked.reads == Reads::Reports { "few" } else { "big" });
        let mut child = walk.command(asked, &["-q"], &input).spawn().expect("the tool starts");
        let mut output = child.stdout.take().expect("it is piped");
        output.read_exact(&mut [0]).expect("it writes");
        drop(output);
        let ran = Ran::new(asked.tool, &[], child.wait_with_output().expect("it ends"));
        ran.ends_with(0);
        // A replay says which requests it did not send.
        if asked.writes != Writes::Answers {
            ran.is_silent();
        }
    }
}

#[test]
fn a_full_disk_is_named_in_one_line() {
    let walk = Walk::new();
    // The end of its name says how a report is written.
    let report = walk.path("full.txt");
    std::os::unix::fs::symlink("/dev/full", &report).expect("a link");
    for asked in &TOOLS {
        let full = File::options().write(true).open("/dev/full").expect("Linux has it");
        let said =
            walk.command(asked, &["-q"], &walk.input(asked, "few")).stdout(full).output().expect("it ends");
        let said = Ran::new(asked.tool, &[], said);
        let last = |ran: &Ran| ran.stderr.lines().last().unwrap_or_default().to_owned();
        said.ends_with(1);
        assert_eq!(
            last(&said),
            format!("{}: standard output: no space left on device", asked.tool),
            "{said}"
        );
        let json = walk.ask_few(asked, &["-q", "--stats-json", "/dev/full"]);
        assert_eq!(
            last(json.ends_with(1)),
            format!("{}: /dev/full: no space left on device", asked.tool),
            "{json}"
        );
        if !asked.has_outputs() {
            continue;
        }
        let output = if asked.reads == Reads::Reports { &report } else { "/dev/full" };
        let named = walk.ask_few(asked, &["-q", "-o", output]);
        let line = last(named.ends_with(1));
        // A report that cannot be written where it is wanted is kept.
        let (reason, kept) = line.split_once("; the report is kept in ").unwrap_or((&line, ""));
        assert_eq!(reason, format!("{}: {output}: no space left on device", asked.tool), "{named}");
        assert_eq!(kept.is_empty(), asked.reads != Reads::Reports, "{named}");
        if !kept.is_empty() {
            std::fs::remove_file(kept).expect("it is there");
        }
        if asked.writes == Writes::Records {
            assert_eq!((lines(&said.stderr), lines(&named.stderr)), (1, 1), "{said}{named}");
        }
    }
}

#[test]
fn a_missing_input_is_named_and_the_others_are_read_unless_they_are_added_up() {
    let walk = Walk::new();
    let missing = walk.path("missing");
    for asked in &TOOLS {
        let name = format!("{}: {missing}: no such file or directory\n", asked.tool);
        let alone = walk.ask(asked, &[], &[&missing]);
        assert_eq!(alone.ends_with(1).writes(b"").stderr, name, "{alone}");
        let plain = walk.ask_few(asked, &[]);
        let few = walk.input(asked, "few");
        let with = walk.ask(asked, &["-q"], &[&missing, &few]);
        if asked.reads == Reads::Reports {
            assert_eq!(with.ends_with(1).writes(b"").stderr, name, "{with}");
            continue;
        }
        with.ends_with(1).says(&name).says("1 of 2 inputs could not be read whole");
        // A report that cannot be written does not hide it.
        let unreported = walk.ask(asked, &["-q", "--stats-json", "/dev/full"], &[&missing, &few]);
        unreported.ends_with(1).says("1 of 2 inputs could not be read whole").says("/dev/full: ");
        // A dry run says of how many files it is.
        if asked.name != "gor-replay --dry-run" {
            assert_unharmed(asked, &with, &plain);
        }
    }
}

#[test]
fn an_empty_input_is_said_and_is_no_failure_but_one_without_records_is() {
    let walk = Walk::new();
    for asked in &TOOLS {
        for input in ["-", &walk.path("empty")] {
            let empty = walk.ask(asked, &[], &[input]);
            match asked.reads {
                Reads::Recordings => empty.ends_with(0).says("nothing to "),
                Reads::Captures => empty.ends_with(0).says("no packets to read"),
                Reads::Reports => empty.ends_with(1).writes(b"").says("this is not a report"),
            };
        }
        let text = walk.ask(asked, &["-q"], &[&walk.path("text")]);
        let said = match asked.reads {
            Reads::Recordings => "no record in it",
            Reads::Captures => "neither a pcap nor a pcapng",
            Reads::Reports => "this is not a report",
        };
        text.ends_with(1).says(&walk.path("text")).says(said);
    }
}

#[test]
fn an_output_that_is_the_input_is_refused() {
    let walk = Walk::new();
    for asked in &TOOLS {
        let few = walk.input(asked, "few");
        if asked.has_outputs() {
            let ways: &[&[&str]] = if asked.reads == Reads::Reports {
                &[&[], &["--force"]]
            } else {
                &[&[], &["--force"], &["--append"]]
            };
            for how in ways {
                refuses_its_input(&walk, asked, &few, |own| {
                    walk.ask(asked, &[*how, &["-o", own]].concat(), &[own])
                });
            }
        }
        for is_standard in [false, true] {
            refuses_its_input(&walk, asked, &few, |own| {
                let input = if is_standard { "-" } else { own };
                let output = File::options().append(true).open(own).expect("it is there");
                let mut command = walk.command(asked, &[], input);
                command.stdin(File::open(own).expect("it is there")).stdout(output);
                Ran::new(asked.tool, &[], command.output().expect("it ends"))
            });
        }
    }
}

#[test]
fn help_has_a_purpose_a_usage_and_examples() {
    for asked in &TOOLS {
        for option in ["-h", "--help"] {
            let help = run(asked.tool, &[option], b"");
            help.ends_with(0).is_silent();
            let text = String::from_utf8(help.stdout.clone()).expect("text");
            let purpose = text.lines().next().unwrap_or_default();
            assert!(purpose.starts_with(char::is_uppercase) && !purpose.ends_with('.'), "{purpose}");
            assert!(purpose.len() > 20 && purpose.len() <= 100, "{purpose}");
            assert!(text.lines().nth(1) == Some(""), "one line of purpose: {text}");
            assert!(text.contains(&format!("\nUsage: {} ", asked.tool)), "{text}");
            assert!(text.contains("\nExamples:\n"), "{text}");
        }
        let unknown = run(asked.tool, &["--bogus"], b"");
        unknown.ends_with(2).writes(b"").says("unexpected argument '--bogus'").says("try '--help'");
    }
}
