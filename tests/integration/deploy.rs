//! The command lines in `deploy/` are command lines of the tools.

use clap::Parser as _;
use gor_tools::tool::{record::Args, replay};

#[test]
fn what_is_deployed_is_a_command_line_that_records_from_the_network() {
    let read = |name: &str| std::fs::read_to_string(format!("deploy/{name}")).expect("it is there");
    let mut lines: Vec<(String, Vec<String>)> = Vec::new();
    for name in ["kubernetes/sidecar.yaml", "kubernetes/daemonset.yaml"] {
        // The lists are written so that they are JSON too.
        let text = read(name);
        let args = text.lines().find_map(|line| line.trim().strip_prefix("args: ")).expect("a list");
        lines.push((name.to_owned(), serde_json::from_str(args).expect("a list of texts")));
    }
    for (name, marker) in [("gor-record.service", "GOR_RECORD_ARGS="), ("README.md", "'GOR_RECORD_ARGS=")] {
        let text = read(name);
        let found = text
            .lines()
            .filter(|line| !line.contains("ExecStart"))
            .filter_map(|line| line.split_once(marker));
        let words = found.map(|(_, args)| {
            let end = args.find(['"', '\'']).unwrap_or(args.len());
            args[..end].split_whitespace().map(ToOwned::to_owned).collect()
        });
        lines.extend(words.map(|words| (name.to_owned(), words)));
    }
    assert_eq!(lines.len(), 5, "two manifests, two in the unit, one in the text: {lines:?}");
    for (name, args) in lines {
        let args = Args::try_parse_from(["gor-record".to_owned()].into_iter().chain(args));
        let args = args.unwrap_or_else(|error| panic!("{name}: {error}"));
        args.check().unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(args.is_live() && args.output.append && args.output.has_files(), "{name}");
    }
}

#[test]
fn the_job_is_a_replay_of_a_part_and_its_pods_are_as_many_as_the_parts() {
    let text = std::fs::read_to_string("deploy/kubernetes/replay-job.yaml").expect("it is there");
    let after =
        |key: &str| text.lines().find_map(|line| line.trim().strip_prefix(key)).expect("a value").trim();
    let args: Vec<String> = serde_json::from_str(after("args: ")).expect("a list of texts");
    let args =
        replay::Args::try_parse_from(["gor-replay".to_owned()].into_iter().chain(args)).expect("it is one");
    assert!(args.time.shard_from_env && args.time.start_at.is_some() && args.measuring.report.len() == 1);
    assert_eq!(after("completions: "), after("parallelism: "));
    assert_eq!(after("value: ").trim_matches('"'), after("completions: "));
    assert_eq!(after("command: "), "[\"gor-replay\"]");
}
