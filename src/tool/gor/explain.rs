//! `--explain`: the same as a pipe of the Unix tools.

use std::io::Write as _;
use std::time::Duration;

use anyhow::Context as _;

use super::plan::{Input, InputKind, Output, Place, PlaceKind, Plan, Server, Step};
use super::values::shown;
use crate::cli::{Exit, note};
use crate::pace::Speed;

/// A tool and its command line.
type Words = Vec<String>;

/// Prints the pipe on standard output.
pub(super) fn print(plan: &Plan) -> anyhow::Result<Exit> {
    writeln!(std::io::stdout(), "{}", text(plan)).context("standard output")?;
    plan.remarks.iter().for_each(note);
    Ok(Exit::Done)
}

fn words(words: &[&str]) -> Words {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// The pipe, ready to paste.
fn text(plan: &Plan) -> String {
    let (places, servers): (Vec<&Output>, Vec<&Output>) =
        plan.outputs.iter().partition(|output| matches!(output, Output::Place(_)));
    let places: Vec<&Place> = places.into_iter().filter_map(place).collect();
    let servers: Vec<&Server> = servers.into_iter().filter_map(server).collect();
    let mut tools: Vec<Words> = Vec::new();
    let mut names = inputs(&plan.inputs, &mut tools);
    if plan.is_dry {
        let mut dry = words(&["gor-replay", "--dry-run"]);
        for name in names {
            dry.extend(["-i".to_owned(), name]);
        }
        return line(&dry);
    }
    if let Some(program) = plan.middleware.as_ref().filter(|_| servers.is_empty()) {
        tools.push(words(&["gor-rewrite", "--middleware", program, "--middleware-may-drop"]));
    }
    for step in &plan.steps {
        let (tool, args) = match step {
            Step::Filter(args) => ("gor-filter", args),
            Step::Rewrite(args) => ("gor-rewrite", args),
        };
        tools.push(std::iter::once(tool.to_owned()).chain(args.iter().cloned()).collect());
    }
    let mut tail = String::new();
    if servers.is_empty() {
        if tools.is_empty() {
            tools.push(words(&["gor-merge"]));
        }
        if let Some(last) = tools.last_mut() {
            last.extend(place_words(plan, &places));
        }
    } else {
        let mut replay = replay_words(plan, &servers);
        if plan.tracks_responses && !places.is_empty() {
            replay.push("--echo".to_owned());
            replay.extend(place_words(plan, &places));
        } else if !places.is_empty() {
            let mut copy = words(&["gor-merge"]);
            copy.extend(place_words(plan, &places));
            tail = format!("tee >({})", line(&copy));
        }
        if tools.is_empty() && tail.is_empty() {
            names.drain(..).for_each(|name| replay.extend(["-i".to_owned(), name]));
        } else if tools.is_empty() {
            tools.push(words(&["gor-merge"]));
        }
        replay.extend(servers.iter().map(|server| target_word(server)));
        tail = if tail.is_empty() { line(&replay) } else { format!("{tail} | {}", line(&replay)) };
    }
    if let Some(first) = tools.first_mut() {
        first.append(&mut names);
    }
    if let Some(time) = plan.exit_after
        && let Some(first) = tools.first_mut()
    {
        first.extend(["--exit-after".to_owned(), duration(time)]);
    }
    let mut parts: Vec<String> = tools.iter().map(|tool| line(tool)).collect();
    parts.extend(Some(tail).filter(|tail| !tail.is_empty()));
    parts.join(" | ")
}

fn place(output: &Output) -> Option<&Place> {
    if let Output::Place(place) = output { Some(place) } else { None }
}

fn server(output: &Output) -> Option<&Server> {
    if let Output::Server(server) = output { Some(server) } else { None }
}

/// A command line as a shell takes it.
fn line(words: &[String]) -> String {
    let quoted = words.iter().map(|word| {
        // What the shell is to run itself.
        if word.starts_with("<(") {
            return word.clone();
        }
        shlex::try_quote(word).map_or_else(|_| word.clone(), std::borrow::Cow::into_owned)
    });
    quoted.collect::<Vec<_>>().join(" ")
}

/// The inputs that tools read by their names; the tool that others come from is put first.
fn inputs(inputs: &[Input], tools: &mut Vec<Words>) -> Words {
    let recorder = |input: &Input| match &input.kind {
        InputKind::Packets { args, .. } => {
            Some(std::iter::once("gor-record".to_owned()).chain(args.iter().cloned()).collect::<Words>())
        }
        InputKind::Dummy => Some(words(&["gor-record", "--dummy", "--responses"])),
        _ => None,
    };
    if let [only] = inputs
        && let Some(recorder) = recorder(only)
    {
        tools.push(recorder);
        return Words::new();
    }
    let place_of = |input: &Input| match &input.kind {
        InputKind::Files { pattern, speed, .. } if *speed != Speed::RECORDED => format!("{pattern}|{speed}"),
        InputKind::Files { pattern, .. } => pattern.clone(),
        InputKind::Listener { place } | InputKind::Topic { place, .. } => place.clone(),
        InputKind::Packets { .. } | InputKind::Dummy => {
            recorder(input).map_or_else(String::new, |words| format!("<({})", line(&words)))
        }
    };
    let names: Words = inputs.iter().map(place_of).collect();
    if names.len() > 1 {
        let mut merge = words(&["gor-merge"]);
        merge.extend(names);
        tools.push(merge);
        return Words::new();
    }
    names
}

fn duration(time: Duration) -> String {
    shown(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
}

/// The options about outputs that take records.
fn place_words(plan: &Plan, places: &[&Place]) -> Words {
    let mut options = Words::new();
    let mut add = |words: &[&str]| options.extend(words.iter().map(|word| (*word).to_owned()));
    for place in places {
        add(&["-o", &place.name]);
    }
    if plan.splits && places.len() > 1 {
        add(&["--split"]);
        if plan.keeps_sessions {
            add(&["--sessions"]);
        }
    }
    let file = places.iter().find_map(|place| match &place.kind {
        PlaceKind::File(file) => Some(file),
        _ => None,
    });
    if let Some(file) = file {
        if file.appends {
            add(&["--append"]);
        }
        if let Some(size) = file.chunk_size {
            add(&["--chunk-size", &size.to_string()]);
        }
        if let Some(records) = file.chunk_records {
            add(&["--chunk-records", &records.to_string()]);
        }
    }
    let network = places.iter().find_map(|place| match &place.kind {
        PlaceKind::Network { connections, is_sticky, tls } => Some((connections, *is_sticky, tls)),
        _ => None,
    });
    if let Some((connections, is_sticky, tls)) = network {
        add(&["--connections", &connections.to_string()]);
        if is_sticky {
            add(&["--sticky"]);
        }
        if tls.skips_verification {
            add(&["--skip-verify"]);
        }
    }
    options
}

/// gor-replay and its options, without targets.
fn replay_words(plan: &Plan, servers: &[&Server]) -> Words {
    let mut replay = words(&["gor-replay"]);
    let mut add = |words: &[&str]| replay.extend(words.iter().map(|word| (*word).to_owned()));
    if let Some(program) = &plan.middleware {
        add(&["--middleware", program]);
    }
    if plan.splits && servers.len() > 1 {
        add(&["--split"]);
    }
    if plan.keeps_sessions {
        add(&["--sessions"]);
    }
    if plan.inputs.iter().any(|input| matches!(input.kind, InputKind::Files { repeats: true, .. })) {
        add(&["--loop"]);
    }
    if let Some(time) = plan.max_wait {
        add(&["--max-wait", &duration(time)]);
    }
    let Some(server) = servers.first() else { return replay };
    if let Some(connections) = server.connections {
        add(&["--connections", &connections.to_string()]);
    }
    if server.min_connections > 0 {
        add(&["--min-connections", &server.min_connections.to_string()]);
    }
    if server.timeout != Duration::from_secs(5) {
        add(&["--timeout", &duration(server.timeout)]);
    }
    if server.redirects > 0 {
        add(&["--redirects", &server.redirects.to_string()]);
    }
    if server.keeps_host && server.target.protocol() != crate::replay::Protocol::Tcp {
        add(&["--original-host"]);
    }
    if server.skips_verification {
        add(&["--skip-verify"]);
    }
    if let Some(url) = &server.elasticsearch {
        add(&["--elasticsearch", url]);
    }
    if let Some(stats) = plan.stats {
        add(&[&format!("--stats={}", duration(stats))]);
    }
    replay
}

fn target_word(server: &Server) -> String {
    match server.share {
        Some(crate::pace::Share::PerSecond(number)) => format!("{}|{number}", server.name),
        Some(share @ crate::pace::Share::Part(_)) => format!("{}|{share}", server.name),
        _ => server.name.clone(),
    }
}
