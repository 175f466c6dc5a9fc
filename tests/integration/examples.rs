//! The commands in help texts, the README and gor-tools.7 run when they are pasted into a shell.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::CommandFactory as _;
use gor_tools::tool::{filter, gor, merge, record, replay, report, rewrite, show};
use tempfile::TempDir;

use super::support::origin::{Origin, Received};
use super::support::replayer::good;
use super::support::skip::skip;

/// Targets in the texts: a server of the test takes their place.
const TARGETS: [&str; 4] = [
    "http://staging.example.com",
    "http://127.0.0.1:8080/v2",
    "http://127.0.0.1:8080",
    "http://127.0.0.1:8081",
];

/// A server named by its address alone, which is that of the test as well.
const SITE: &str = "--set-host 127.0.0.1:8080";

/// Parts of commands that are not run, each with the reason. Their options are still checked.
const NOT_RUN: [(&str, &str); 10] = [
    ("install target/", "it installs what was built"),
    ("gor --input-raw", "it captures from the network of this machine"),
    ("kafka://", "it needs brokers"),
    ("sudo ", "it needs root, and captures from the network of this machine"),
    ("tcpdump ", "it needs root"),
    ("--engine vxlan", "it waits for mirrored traffic"),
    ("cargo ", "it builds the tools"),
    ("./demo", "it builds the tools"),
    ("--dummy", "it runs until it is interrupted"),
    ("--follow", "it runs until it is interrupted"),
];

/// Programs in the texts that are not on every machine, and what tells that a command needs them.
const PROGRAMS: [(&str, &str); 3] = [("jq", "jq -"), ("less", "less -"), ("curl", "sh shop.sh")];

/// A directory in which the commands find what they name, and a server.
pub(crate) struct Desk {
    folder: TempDir,
    origin: Origin,
}

impl Desk {
    /// With the captures of the repository only.
    pub(crate) fn empty() -> Self {
        let desk = Desk { folder: tempfile::tempdir().expect("a folder"), origin: Origin::start(good) };
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for name in ["testdata", "man", "examples"] {
            symlink(root.join(name), desk.folder.path().join(name)).expect("a link");
        }
        desk
    }

    /// With recordings under all names in the texts.
    pub(crate) fn new() -> Self {
        let desk = Desk::empty();
        desk.run(
            "gor-record -q -r testdata/shop.pcapng --responses -o shop.gor
             mkdir logs traffic
             cp testdata/shop.pcapng traffic.pcapng; cp testdata/nginx.pcap traffic.pcap
             gzip -c testdata/nginx.pcap > traffic/1.pcap.gz
             gor-rewrite -q --set-header 'X-Version: 2' shop.gor -o new.gor
             for name in monday web1 web2 web3 left right before after; do cp shop.gor $name.gor; done
             gzip -c shop.gor > tuesday.gor.gz; cp tuesday.gor.gz web2.gor.gz
             gor-filter -q shop.gor -o logs/a.gor.zst; gor-filter -q --limit 9 shop.gor -o logs/b.gor.zst
             gor-replay -q --no-wait -i shop.gor --report run.json http://127.0.0.1:8080
             cp run.json machine1.json
             gor-replay -q --no-wait -i shop.gor --report machine2.json http://127.0.0.1:8080
             head -c 32 /dev/urandom > key
             cp examples/shop.har examples/access.log .
             gor-merge -q --rebase -30m shop.gor -o live-20261126-23.gor.zst",
        );
        desk
    }

    /// Where a file of this name is.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What its server was asked, as method and target.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.origin.received().iter().map(Received::line).collect()
    }

    /// The names in its directory.
    fn names(&self) -> BTreeSet<OsString> {
        let entries = std::fs::read_dir(&self.folder).expect("a folder");
        entries.map(|entry| entry.expect("an entry").file_name()).collect()
    }

    /// Runs commands as a shell does, and wants all of each pipe to succeed. Returns what they print.
    #[track_caller]
    pub(crate) fn run(&self, commands: &str) -> String {
        let mut text = commands.replace(SITE, &format!("--set-host {}", self.origin.address()));
        for target in TARGETS {
            text = text.replace(target, &format!("http://{}", self.origin.address()));
        }
        let tools = Path::new(env!("CARGO_BIN_EXE_gor-filter")).parent().expect("a directory").to_owned();
        let path = std::env::join_paths([tools, PathBuf::from("/bin"), "/usr/bin".into()]).expect("a path");
        let mut shell = Command::new("bash");
        shell.args(["-e", "-o", "pipefail", "-c", &text]).current_dir(&self.folder).env("PATH", path);
        let output = shell.stdin(Stdio::null()).output().expect("bash runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{commands}\n{}\n{said}", output.status);
        String::from_utf8(output.stdout).expect("text")
    }

    /// Runs each command, or checks its options where it is not run.
    #[track_caller]
    pub(crate) fn run_each(&self, commands: &[String]) {
        for command in commands {
            if let Some(program) = lacking(command) {
                skip(format_args!("{program} is not installed: {command}"));
                parse(command);
                continue;
            }
            match NOT_RUN.iter().find(|(part, _)| command.contains(part)) {
                Some((_, reason)) => {
                    eprintln!("not run, as {reason}: {command}");
                    parse(command);
                }
                None => drop(self.run(command)),
            }
        }
    }
}

/// A program that these commands need, and that is not installed.
pub(crate) fn lacking(commands: &str) -> Option<&'static str> {
    let is_there =
        |program: &str| Command::new(program).arg("--version").stdin(Stdio::null()).output().is_ok();
    let needed = PROGRAMS.iter().filter(|(_, sign)| commands.contains(sign));
    needed.map(|&(program, _)| program).find(|program| !is_there(program))
}

/// Each tool in a pipe takes the options that it is given.
#[track_caller]
fn parse(command: &str) {
    let words = shlex::split(command).expect("words of a shell");
    for part in words.split(|word| matches!(word.as_str(), "|" | "&&" | ";")) {
        let part = if part.first().is_some_and(|word| word == "sudo") { &part[1..] } else { part };
        let end = part.iter().position(|word| word.starts_with('>') || word == "&").unwrap_or(part.len());
        let Some(tool) = part.first() else { continue };
        if let Some(tool) = tools().into_iter().find(|found| found.get_name() == tool) {
            let result = tool.try_get_matches_from(&part[..end]);
            assert!(result.is_ok(), "{command}: {result:?}");
        }
    }
}

fn tools() -> [clap::Command; 8] {
    [
        record::Args::command(),
        filter::Args::command(),
        rewrite::Args::command(),
        merge::Args::command(),
        replay::Args::command(),
        show::Args::command(),
        report::Args::command(),
        gor::command(),
    ]
}

/// The runs of lines that are indented by four.
fn scripts(text: &str) -> Vec<String> {
    let mut scripts: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in text.lines() {
        let command = line.strip_prefix("    ");
        match (command, scripts.last_mut()) {
            (Some(command), Some(last)) if goes_on => {
                last.push('\n');
                last.push_str(command);
            }
            (Some(command), _) => scripts.push(command.to_owned()),
            (None, _) => {}
        }
        goes_on = command.is_some();
    }
    scripts
}

#[track_caller]
fn run_examples_of(tool: &clap::Command) {
    let desk = Desk::new();
    let (short, long) = (tool.get_after_help(), tool.get_after_long_help());
    let short = short.expect("examples").to_string();
    let long = long.expect("more examples").to_string();
    let short: Vec<String> =
        short.lines().filter_map(|line| line.strip_prefix("  ")).map(str::to_owned).collect();
    let long = scripts(&long);
    assert!(short.len() >= 2 && long.len() >= 4, "{short:?} {long:?}");
    for line in short.iter().chain(&long).flat_map(|command| command.lines()) {
        assert!(line.len() <= 76, "this wraps on a terminal of 80 columns: {line}");
    }
    let given = desk.names();
    for example in [short, long].concat() {
        desk.run_each(&[example]);
        // Examples do not build on each other, and no tool overwrites a file unasked.
        for name in desk.names().difference(&given) {
            std::fs::remove_file(desk.folder.path().join(name)).expect("a file");
        }
    }
}

#[test]
fn the_examples_in_the_help_of_gor_filter_run() {
    run_examples_of(&filter::Args::command());
}

#[test]
fn the_examples_in_the_help_of_gor_merge_run() {
    run_examples_of(&merge::Args::command());
}

#[test]
fn the_examples_in_the_help_of_gor_record_run() {
    run_examples_of(&record::Args::command());
}

#[test]
fn the_examples_in_the_help_of_gor_replay_run() {
    run_examples_of(&replay::Args::command());
}

#[test]
fn the_examples_in_the_help_of_gor_report_run() {
    run_examples_of(&report::Args::command());
}

#[test]
fn the_examples_in_the_help_of_gor_rewrite_run() {
    run_examples_of(&rewrite::Args::command());
}

#[test]
fn the_examples_in_the_help_of_gor_show_run() {
    run_examples_of(&show::Args::command());
}

/// The headings of gor-tools(7) from COOKBOOK on, and the blocks below them between `.EX` and `.EE`, as a reader of the
/// page sees them.
pub(crate) fn recipes() -> Vec<(String, String)> {
    let page = include_str!("../../man/gor-tools.7");
    let plain = |text: &str| text.replace("\\-", "-").replace("\\*(Aq", "'").replace("\\e", "\\");
    let (_, cookbook) = page.split_once(".SH COOKBOOK").expect("a cookbook");
    let (cookbook, _) = cookbook.split_once("\n.SH").expect("another chapter");
    let recipes = cookbook.split("\n.SS ").skip(1);
    recipes
        .map(|recipe| {
            let (heading, text) = recipe.split_once('\n').expect("commands");
            let (_, block) = text.split_once(".EX\n").expect("a beginning");
            let (block, _) = block.split_once("\n.EE").expect("an end");
            (plain(heading), plain(block))
        })
        .collect()
}

#[test]
fn the_recipes_of_gor_tools_7_run() {
    let recipes: Vec<String> = recipes().into_iter().map(|(_, commands)| commands).collect();
    assert!(recipes.len() >= 10, "{recipes:?}");
    let desk = Desk::new();
    desk.run("gor-merge -q --rebase yesterday shop.gor -o logs/c.gor.zst");
    desk.run_each(&recipes);
}

/// A screen has some 40 lines; what is rare is only in --help.
#[test]
fn short_help_fits_a_screen() {
    // That of gor is all there is, as with GoReplay.
    for mut tool in
        tools().map(|tool| tool.term_width(100)).into_iter().filter(|tool| tool.get_name() != "gor")
    {
        let lines = tool.render_help().to_string().lines().count();
        assert!(lines <= 45, "{} -h has {lines} lines", tool.get_name());
    }
}
