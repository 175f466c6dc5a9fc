//! What is in `deploy/`: its files are what they are read as, and their command lines are those of the tools.

use std::fs;
use std::path::Path;

use clap::Parser as _;
use gor_tools::tool::{filter, record, replay};

use super::support::clients;
use super::support::program::{Ran, command};
use super::support::s3::S3;

const KUBERNETES: [&str; 4] = ["sidecar", "daemonset", "daemonset-s3", "replay-job"];

fn read(name: &str) -> String {
    fs::read_to_string(format!("deploy/{name}")).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What stands behind a key, where it comes first.
fn value<'a>(text: &'a str, key: &str) -> &'a str {
    text.lines().find_map(|line| line.trim().strip_prefix(key)).unwrap_or_else(|| panic!("a {key}")).trim()
}

/// The lists are written so that they are JSON, too.
fn list(text: &str, key: &str) -> Vec<String> {
    serde_json::from_str(value(text, key)).expect("a list of texts")
}

/// Arguments behind a variable, where it is set; of systemd's units and of the text.
fn variables(text: &str, name: &str) -> Vec<Vec<String>> {
    let settings = text.lines().filter(|line| !line.starts_with("Exec"));
    let settings = settings.filter_map(|line| line.split_once(&format!("{name}=")));
    settings
        .map(|(_, args)| {
            let end = args.find(['"', '\'']).unwrap_or(args.len());
            args[..end].split_whitespace().map(|word| word.replace("%%", "%")).collect()
        })
        .collect()
}

/// The recorders that are deployed, by the file that deploys them.
fn recorders() -> Vec<(String, Vec<String>)> {
    let mut all: Vec<(String, Vec<String>)> = Vec::new();
    for name in ["kubernetes/sidecar.yaml", "kubernetes/daemonset.yaml", "kubernetes/daemonset-s3.yaml"] {
        all.push((name.to_owned(), list(&read(name), "args: ")));
    }
    for name in ["gor-record.service", "README.md"] {
        all.extend(variables(&read(name), "GOR_RECORD_ARGS").into_iter().map(|args| (name.to_owned(), args)));
    }
    assert_eq!(all.len(), 7, "three manifests, two in the unit, two in the text: {all:#?}");
    all
}

fn with_name(tool: &str, args: &[String]) -> Vec<String> {
    [tool.to_owned()].into_iter().chain(args.iter().cloned()).collect()
}

#[test]
fn what_is_deployed_is_a_command_line_that_records_from_the_network_into_files_or_objects() {
    for (name, args) in recorders() {
        let is_to_s3 = args.iter().any(|word| word.starts_with("s3://"));
        let args = record::Args::try_parse_from(with_name("gor-record", &args));
        let args = args.unwrap_or_else(|error| panic!("{name}: {error}"));
        args.check().unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(args.is_live() && (is_to_s3 || args.output.has_files() && args.output.append), "{name}");
    }
}

/// Runs a recorder's command line on a capture, below a folder, with everything else as it is deployed.
fn record_capture(args: &[String], folder: &Path, port: u16) -> Ran {
    let capture = fs::canonicalize("testdata/shop.pcapng").expect("a capture").display().to_string();
    let below = |path: &str| folder.join(path).display().to_string();
    let mut words: Vec<String> = vec!["-r".into(), capture];
    for word in &args[1..] {
        match word.as_str() {
            // Of a capture there is no own host, and nobody asks for metrics.
            "--any-host" | "--metrics" | "0.0.0.0:9187" => {}
            word if word.starts_with("/data/") || word == "/spool" => words.push(below(&word[1..])),
            word => words.push(word.replace("$(NODE_NAME)", "node7")),
        }
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut recorder = command("gor-record", &words);
    recorder.current_dir(folder).env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}"));
    recorder.env("AWS_ACCESS_KEY_ID", "testkey").env("AWS_SECRET_ACCESS_KEY", "testsecret");
    Ran::new("gor-record", &words, recorder.output().expect("it runs"))
}

#[test]
fn what_is_deployed_writes_what_it_records() {
    let Some(server) = S3::start() else { return };
    server.put::<_, &[u8]>("archive", &[("other/empty", b"")]);
    for (name, args) in recorders() {
        let folder = tempfile::tempdir().expect("a folder");
        for below in ["data", "spool"] {
            fs::create_dir(folder.path().join(below)).expect("a folder");
        }
        record_capture(&args, folder.path(), server.port()).ends_with(0);
        if args.iter().any(|word| word.starts_with("s3://")) {
            let ran = super::support::s3::read(
                server.port(),
                "gor-filter",
                &["s3://archive/20*/*/*/*.gor.zst", "--count"],
            );
            ran.ends_with(0);
            let left = walk(&folder.path().join("spool"));
            assert!(left.iter().all(|(_, bytes)| *bytes == 0), "{name}: the spool is empty: {left:?}");
        } else {
            let files = walk(folder.path());
            let [(path, bytes)] = &files[..] else { panic!("{name}: one file: {files:?}") };
            assert!(*bytes > 1000, "{name}: {path}");
        }
    }
}

/// The files below a folder, with their sizes.
fn walk(folder: &Path) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry");
        if entry.file_type().expect("a type").is_dir() {
            found.extend(walk(&entry.path()));
        } else {
            found.push((entry.path().display().to_string(), entry.metadata().expect("its size").len()));
        }
    }
    found
}

#[test]
fn the_collector_is_a_filter_that_listens() {
    let unit = read("gor-collect.service");
    let lines = variables(&unit, "GOR_COLLECT_ARGS");
    assert_eq!(lines.len(), 2, "one in its head, one that is used: {lines:?}");
    for args in lines {
        filter::Args::try_parse_from(with_name("gor-filter", &args))
            .unwrap_or_else(|error| panic!("{args:?}: {error}"));
        assert!(args[0].ends_with("://:28020"), "{args:?}");
    }
}

#[test]
fn the_job_is_a_replay_of_a_part_and_its_pods_are_as_many_as_the_parts() {
    let text = read("kubernetes/replay-job.yaml");
    let args =
        replay::Args::try_parse_from(with_name("gor-replay", &list(&text, "args: "))).expect("it is one");
    assert!(args.time.shard_from_env && args.time.start_at.is_some() && args.measuring.report.len() == 1);
    assert_eq!(value(&text, "completions: "), value(&text, "parallelism: "));
    assert_eq!(value(&text, "value: ").trim_matches('"'), value(&text, "completions: "));
    assert_eq!(list(&text, "command: "), ["gor-replay"]);
}

#[test]
fn the_command_to_try_it_with_is_one_and_its_capture_is_there() {
    let text = read("compose.yaml");
    let commands: Vec<Vec<String>> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("command: [\"gor-"))
        .map(|rest| serde_json::from_str(&format!("[\"gor-{rest}")).expect("a list of texts"))
        .collect();
    let [command] = &commands[..] else { panic!("one command: {commands:?}") };
    replay::Args::try_parse_from(command).expect("it is one");
    let (from, _) = value(&text, "- ../").split_once(':').expect("where it is, and where it is seen");
    assert!(Path::new(from).is_file(), "{from}");
}

#[test]
fn manifests_are_what_kubernetes_compose_and_the_workflows_take() {
    let packages = ["kubernetes-validate==1.37.0", "check-jsonschema==0.39.0"];
    let Some(python) = clients::python_with(&packages) else { return };
    let root = fs::canonicalize(".").expect("the project");
    let check = |args: &[&str]| {
        let ran = python.run(args, &root);
        assert!(ran.status.success(), "{args:?}: {ran:?}");
    };
    for name in KUBERNETES {
        check(&["kubernetes-validate", "--strict", &format!("deploy/kubernetes/{name}.yaml")]);
    }
    check(&["check-jsonschema", "--builtin-schema", "vendor.compose-spec", "deploy/compose.yaml"]);
    let workflow = ".github/workflows/release.yml";
    check(&["check-jsonschema", "--builtin-schema", "vendor.github-workflows", workflow]);
}

#[test]
fn every_manifest_is_among_those_that_are_checked() {
    let entries = fs::read_dir("deploy/kubernetes").expect("a folder");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name")).collect();
    names.sort();
    let mut known = KUBERNETES.map(|name| format!("{name}.yaml"));
    known.sort();
    assert_eq!(names, known);
}

#[test]
fn the_scripts_of_the_package_are_scripts_and_never_give_a_capability_unasked() {
    for name in ["config", "postinst", "postrm"] {
        let path = format!("deploy/debian/{name}");
        let ran = std::process::Command::new("sh").args(["-n", &path]).output().expect("a shell");
        assert!(ran.status.success(), "{name}: {ran:?}");
    }
    let templates = read("debian/templates");
    assert_eq!(value(&templates, "Default: "), "false");
}

#[test]
fn every_tool_is_in_the_package_and_in_the_image() {
    let manifest = fs::read_to_string("Cargo.toml").expect("it is there");
    let image = read("Containerfile");
    for tool in fs::read_dir("src/bin").expect("a folder") {
        let name = tool.expect("an entry").file_name().into_string().expect("a name");
        let name = name.trim_end_matches(".rs");
        // cargo-deb puts the profile in the place of release.
        let asset = format!("[\"target/release/{name}\", \"usr/bin/\", \"755\"]");
        assert!(manifest.contains(&asset), "{asset} in Cargo.toml");
        assert!(image.contains(&format!("/source/target/dist/{name} ")), "{name} in the Containerfile");
    }
}
