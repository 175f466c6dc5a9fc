//! `--explain`: the same as a pipe of the Unix tools.

use std::io::Write as _;
use std::time::Duration;

use anyhow::Context as _;

use super::plan::{
    IDLE_TIMEOUT, Input, InputKind, OutputPlace, PlaceKind, Plan, PlannedOutput, PlannedStep, QUEUE_LENGTH,
    READ_DEPTH, RESPONSE_BUFFER, ReplayServer,
};
use super::values::shown;
use crate::cli::{Exit, note};
use crate::endpoint::KafkaSettings;
use crate::pace::Speed;
use crate::tls::ServerTls;

/// A tool and its command line.
type Words = Vec<String>;

/// Prints the pipe on standard output, and on standard error what it does not do.
pub(super) fn print(plan: &Plan) -> anyhow::Result<Exit> {
    writeln!(std::io::stdout(), "{}", text(plan)).context("standard output")?;
    plan.remarks.iter().for_each(note);
    for missing in missing(plan) {
        note(format_args!("not in this pipe: {missing}"));
    }
    Ok(Exit::Done)
}

/// What the pipe does otherwise, or not at all.
fn missing(plan: &Plan) -> Vec<String> {
    let mut missing = Vec::new();
    let has_servers = plan.outputs.iter().any(|output| matches!(output, PlannedOutput::Server(_)));
    let limited = plan.inputs.iter().filter(|input| input.share.is_some()).map(|input| input.name.clone());
    let places = plan.outputs.iter().filter_map(place);
    let limited =
        limited.chain(places.clone().filter(|place| place.share.is_some()).map(|place| place.name.clone()));
    missing.extend(limited.map(|name| format!("the limit of {name}; gor-filter --sample takes a share")));
    let is_alone = plan.inputs.len() == 1 && has_servers;
    for input in &plan.inputs {
        if let InputKind::Files { speed, repeats, pattern } = &input.kind {
            if *speed != Speed::RECORDED && !is_alone && plan.is_paced() {
                missing.push(format!("the speed of {pattern}"));
            }
            let loops = is_alone && plan.steps.is_empty() && plan.middleware.is_none();
            if *repeats {
                missing.push(if loops { ROUNDS } else { LOOP }.to_owned());
            }
        }
    }
    let files: Vec<_> = places
        .filter_map(|place| if let PlaceKind::File(file) = &place.kind { Some((place, file)) } else { None })
        .collect();
    if files.iter().any(|(_, file)| file.chunk_size.is_some() || file.chunk_records.is_some()) {
        missing.push("GoReplay's chunks: those of the Unix tools never exceed their size, and x.gor.gz becomes x_0.gor.gz".to_owned());
    }
    missing.extend(other_rules(&plan.steps));
    if plan.is_dry {
        missing.push("GoReplay's words: gor-replay tells more, and in its own".to_owned());
    }
    if plan.inputs.len() > 1 {
        missing.push(
            "the order: gor-merge orders several inputs by time, gor takes them as they come".to_owned(),
        );
    }
    if plan.middleware.is_some() && has_servers && plan.tracks_responses && !plan.steps.is_empty() {
        missing.push("the order: gor-replay has the middleware behind the filters".to_owned());
    }
    if plan.splits && has_servers && plan.outputs.iter().any(|output| place(output).is_some()) {
        missing.push("the turns: places have all, and only servers take turns".to_owned());
    }
    if plan.kafka_input.user.is_some() || plan.kafka_output.user.is_some() {
        missing.push("the password: set KAFKA_PASSWORD, or give --kafka-password-file".to_owned());
    }
    missing
}

const LOOP: &str = "the loop, which gor-replay has where it reads files itself";
const ROUNDS: &str = "the pause between rounds: gor waits for the mean pause of all records, gor-replay for that of the \
                      requests; without responses in the files it is the same";

/// What rules of the Unix tools do otherwise than GoReplay's.
fn other_rules(steps: &[PlannedStep]) -> impl Iterator<Item = String> {
    const RULES: [(&str, &str); 5] = [
        (
            "--set-header",
            "the name as it was recorded: gor-rewrite writes headers that it sets as they are given",
        ),
        (
            "--set-param",
            "GoReplay's queries: gor-rewrite percent-encodes &, = and + in values, replaces a parameter without =, and drops others of that name",
        ),
        ("--rewrite-header", "the first line alone: gor-rewrite rewrites every line of a header"),
        ("--header-limit", "requests whose header is empty: gor-filter takes that for a value, gor for none"),
        (
            "--param-limit",
            "requests whose parameter has no =: gor-filter takes that for an empty value, gor for none",
        ),
    ];
    let has = |option: &str| {
        steps.iter().any(|step| {
            let (PlannedStep::Filter(args) | PlannedStep::Rewrite(args)) = step;
            args.iter().any(|arg| arg == option)
        })
    };
    RULES.into_iter().filter(move |(option, _)| has(option)).map(|(_, said)| said.to_owned())
}

fn words(words: &[&str]) -> Words {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// The pipe, ready to paste.
fn text(plan: &Plan) -> String {
    let (places, servers): (Vec<&PlannedOutput>, Vec<&PlannedOutput>) =
        plan.outputs.iter().partition(|output| matches!(output, PlannedOutput::Place(_)));
    let places: Vec<&OutputPlace> = places.into_iter().filter_map(place).collect();
    let servers: Vec<&ReplayServer> = servers.into_iter().filter_map(server).collect();
    let mut tools: Vec<Words> = Vec::new();
    let mut names = inputs(&plan.inputs, &mut tools);
    if plan.is_dry {
        let mut dry = words(&["gor-replay", "--dry-run"]);
        for name in names {
            dry.extend(["-i".to_owned(), name]);
        }
        if let [Input { kind: InputKind::Files { speed, .. }, .. }] = &plan.inputs[..]
            && *speed != Speed::RECORDED
        {
            dry.extend(["--speed".to_owned(), speed.to_string()]);
        }
        return line(&dry);
    }
    // Only gor-replay shows replayed responses to it.
    let is_in_replay = !servers.is_empty() && plan.tracks_responses;
    let has_stages = !plan.steps.is_empty() || plan.middleware.is_some() && !is_in_replay;
    if has_stages
        && matches!(&plan.inputs[..], [Input { kind: InputKind::Files { pattern, .. }, .. }] if are_many(pattern))
    {
        // The others read one file behind the other.
        tools.push(words(&["gor-merge"]));
    }
    if let Some(program) = plan.middleware.as_ref().filter(|_| !is_in_replay) {
        tools.push(words(&["gor-rewrite", "--middleware", program, "--middleware-may-drop"]));
    }
    for step in &plan.steps {
        let (tool, args) = match step {
            PlannedStep::Filter(args) => ("gor-filter", args),
            PlannedStep::Rewrite(args) => ("gor-rewrite", args),
        };
        tools.push(std::iter::once(tool.to_owned()).chain(args.iter().cloned()).collect());
    }
    let reading = reading_words(plan);
    let mut tail = String::new();
    if servers.is_empty() {
        if tools.is_empty() {
            tools.push(words(&["gor-merge"]));
        }
        if let Some(last) = tools.last_mut() {
            last.extend(place_words(plan, &places));
        }
    } else {
        let mut replay = replay_words(plan, &servers, is_in_replay);
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
            replay.extend(reading.iter().cloned());
        } else if tools.is_empty() {
            tools.push(words(&["gor-merge"]));
        }
        replay.extend(servers.iter().map(|server| target_word(server)));
        tail = if tail.is_empty() { line(&replay) } else { format!("{tail} | {}", line(&replay)) };
    }
    if let Some(first) = tools.first_mut() {
        first.append(&mut names);
        first.extend(reading);
    }
    let mut parts: Vec<String> = tools.iter().map(|tool| line(tool)).collect();
    parts.extend(Some(tail).filter(|tail| !tail.is_empty()));
    parts.join(" | ")
}

/// Whether a pattern may stand for several files, which gor merges by time.
fn are_many(pattern: &str) -> bool {
    pattern.contains(['*', '?', '[']) || pattern.ends_with('/') || std::path::Path::new(pattern).is_dir()
}

fn place(output: &PlannedOutput) -> Option<&OutputPlace> {
    if let PlannedOutput::Place(place) = output { Some(place) } else { None }
}

fn server(output: &PlannedOutput) -> Option<&ReplayServer> {
    if let PlannedOutput::Server(server) = output { Some(server) } else { None }
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

/// The options about inputs, for the tool that reads them.
fn reading_words(plan: &Plan) -> Words {
    let mut options = Words::new();
    if let Some(time) = plan.exit_after {
        options.extend(["--exit-after".to_owned(), duration(time)]);
    }
    if let Some(ServerTls { certificate: (certificate, key), .. }) = &plan.server_tls {
        for (option, path) in [("--tls-cert", certificate), ("--tls-key", key)] {
            options.extend([option.to_owned(), path.display().to_string()]);
        }
    }
    if plan.inputs.iter().any(|input| matches!(input.kind, InputKind::Topic { .. })) {
        options.extend(kafka_words(&plan.kafka_input));
    }
    options
}

/// How brokers are talked to, but for the password.
fn kafka_words(settings: &KafkaSettings) -> Words {
    let mut options = Words::new();
    let identity = settings.identity.as_ref();
    for (option, path) in [
        ("--kafka-ca", settings.ca.as_ref()),
        ("--kafka-cert", identity.map(|(certificate, _)| certificate)),
        ("--kafka-key", identity.map(|(_, key)| key)),
    ] {
        options.extend(path.into_iter().flat_map(|path| [option.to_owned(), path.display().to_string()]));
    }
    if let Some((user, _, sasl)) = &settings.user {
        let sasl = sasl.mechanism().to_ascii_lowercase();
        options.extend(["--kafka-username".to_owned(), user.clone(), "--kafka-sasl".to_owned(), sasl]);
    }
    options
}

/// The options about outputs that take records.
fn place_words(plan: &Plan, places: &[&OutputPlace]) -> Words {
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
        if let Some(size) = file.max_size.filter(|size| *size != 1 << 40) {
            add(&["--max-size", &size.to_string()]);
        }
        if file.flush_interval != Duration::from_secs(1) {
            add(&["--flush-interval", &duration(file.flush_interval)]);
        }
        let has_objects = places.iter().any(|place| place.name.starts_with("s3://"));
        if let Some(spool) = file.spool.as_ref().filter(|_| has_objects) {
            add(&["--spool", spool]);
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
    if places.iter().any(|place| matches!(place.kind, PlaceKind::Topic)) {
        options.extend(kafka_words(&plan.kafka_output));
    }
    options
}

/// gor-replay and its options, without targets.
fn replay_words(plan: &Plan, servers: &[&ReplayServer], has_middleware: bool) -> Words {
    let mut replay = words(&["gor-replay"]);
    let mut add = |words: &[&str]| replay.extend(words.iter().map(|word| (*word).to_owned()));
    if let Some(program) = plan.middleware.as_ref().filter(|_| has_middleware) {
        add(&["--middleware", program]);
    }
    if plan.splits && servers.len() > 1 {
        add(&["--split"]);
    }
    if plan.keeps_sessions {
        add(&["--sessions"]);
    }
    if let [Input { kind: InputKind::Files { speed, repeats, .. }, .. }] = &plan.inputs[..] {
        if *speed != Speed::RECORDED {
            add(&["--speed", &speed.to_string()]);
        }
        if *repeats && plan.steps.is_empty() && (plan.middleware.is_none() || has_middleware) {
            add(&["--loop"]);
        }
    }
    if let Some(time) = plan.max_wait {
        add(&["--max-wait", &duration(time)]);
    }
    let Some(server) = servers.first() else { return replay };
    let is_binary = server.target.protocol() == crate::replay::TargetProtocol::Tcp;
    if let Some(connections) = server.connections {
        add(&["--connections", &connections.to_string()]);
    }
    if server.min_connections > 0 {
        add(&["--min-connections", &server.min_connections.to_string()]);
    }
    if server.timeout != Duration::from_secs(5) {
        add(&["--timeout", &duration(server.timeout)]);
    }
    if server.idle_timeout != IDLE_TIMEOUT && !is_binary {
        add(&["--idle-timeout", &duration(server.idle_timeout)]);
    }
    if server.queue != QUEUE_LENGTH as usize {
        add(&["--queue", &server.queue.to_string()]);
    }
    if server.response_buffer != RESPONSE_BUFFER as usize {
        add(&["--response-buffer", &server.response_buffer.to_string()]);
    }
    if plan.read_depth != READ_DEPTH {
        add(&["--read-depth", &plan.read_depth.to_string()]);
    }
    if server.redirects > 0 {
        add(&["--redirects", &server.redirects.to_string()]);
    }
    if server.keeps_host && !is_binary {
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

fn target_word(server: &ReplayServer) -> String {
    match server.share {
        Some(crate::pace::Share::PerSecond(number)) => format!("{}|{number}", server.name),
        Some(share @ crate::pace::Share::Part(_)) => format!("{}|{share}", server.name),
        _ => server.name.clone(),
    }
}
