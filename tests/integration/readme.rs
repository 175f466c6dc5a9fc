//! What the README shows is so: its commands run, and its samples are what the tools print.

use super::examples::Desk;
use super::support::program::run;

const README: &str = include_str!("../../README.md");

/// The blocks of the README in this language.
fn blocks(language: &str) -> Vec<&'static str> {
    let begin = format!("\n```{language}\n");
    README.split(&begin).skip(1).map(|block| block.split_once("\n```").expect("an end").0).collect()
}

#[test]
fn the_commands_of_the_readme_run_in_order() {
    let commands: Vec<String> =
        blocks("sh").iter().flat_map(|block| block.lines()).map(str::to_owned).collect();
    // Those with a service run against one, in `s3_in.rs` and `network.rs`.
    let needs_service = |command: &String| {
        ["s3://", "tcp://:", "tcp://c", "tls://c"].iter().any(|place| command.contains(place))
    };
    let commands: Vec<String> = commands.into_iter().filter(|command| !needs_service(command)).collect();
    assert!(commands.len() >= 25, "{commands:?}");
    Desk::empty().run_each(&commands);
}

#[test]
fn every_block_of_commands_is_among_those_that_run() {
    let fences = README.lines().filter(|line| line.starts_with("```")).count();
    assert_eq!(fences, 2 * (blocks("sh").len() + blocks("text").len()), "each block is sh or text");
}

#[test]
fn the_samples_of_the_readme_are_what_the_tools_print() {
    let recorded = run("gor-record", &["-r", "testdata/shop.pcapng", "--responses", "--stats"], b"");
    let shown = run("gor-show", &["--utc"], &recorded.stdout);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    let [exchanges, statistics, _summary_of_a_replay] = blocks("text")[..] else { panic!("three samples") };
    assert_eq!(shown.lines().take(4).collect::<Vec<_>>(), exchanges.lines().collect::<Vec<_>>());
    recorded.says(statistics);
}
