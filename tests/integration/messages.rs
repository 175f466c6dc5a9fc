//! What is said of command lines that people get wrong, and of results that are empty: what to do about it.

use std::process::Stdio;

use super::support::program::{command, run};

#[test]
fn a_wrong_command_line_says_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let recording = folder.path().join("shop.gor").display().to_string();
    run("gor-record", &["-r", "testdata/shop.pcapng", "-q", "-o", &recording], b"").ends_with(0);
    let missing = folder.path().join("a/b/c.gor").display().to_string();
    let cases: &[(&str, &[&str], i32, &str)] = &[
        ("gor-replay", &[&recording], 2, "this is a file; give recordings with -i, as in -i /"),
        (
            "gor-record",
            &["testdata/shop.pcapng"],
            2,
            "this is a file; give captures with -r, as in -r testdata/shop",
        ),
        ("gor-record", &[&recording], 2, "it looks like a recording, which the other tools read as it is"),
        ("gor-filter", &["--invert", &recording], 2, "give at least one rule, such as --method GET"),
        ("gor-filter", &["--stats-json", "-", &recording], 2, "name a file; standard output is for records"),
        ("gor-replay", &["--dry-run", "-i", &recording, "-o", "x.gor"], 2, "cannot be used with"),
        ("gor-replay", &["-i", &recording], 2, "gor-replay: TARGET is missing (Servers: HOST, HOST:PORT, "),
        ("gor-replay", &["-i", &recording, "--stats", "2s", "localhost:1"], 1, "Connection refused"),
        (
            "gor-replay",
            &["-i", &recording, "--think", "localhost"],
            2,
            "gor-replay: --think needs --sessions; give that too, or leave --think out\n",
        ),
        (
            "gor-replay",
            &["-i", &recording, "--loop-header", "Round", "localhost"],
            2,
            "gor-replay: --loop-header needs --loop; give that too, or leave --loop-header out\n",
        ),
        (
            "gor-replay",
            &["-i", &recording, "--speed", "2", "--rate=3/s", "localhost"],
            2,
            "gor-replay: '--speed' cannot be used with '--rate'; leave one out\n",
        ),
        (
            "gor-replay",
            &["--connections", "0", "-i", &recording, "localhost"],
            2,
            "expected a whole number from 1 up",
        ),
        ("gor-filter", &["--sample", "10", &recording], 2, "as 10%, 0.5% or 1/4"),
        ("gor-filter", &[&recording, "-o", &missing], 1, "there is no directory /"),
        ("gor-filter", &[&recording, "-o", &recording], 2, "it is also an input"),
        (
            "gor-filter",
            &["--status", "5xx", &recording],
            2,
            "this matches no status; those of a class are ^2",
        ),
        (
            "gor-filter",
            &["--header", "a b:c", &recording],
            2,
            "this character cannot stand in a header's name",
        ),
        ("gor-filter", &["--method", "get", &recording], 0, "--method get: methods are told apart by case"),
        (
            "gor-filter",
            &["--since", "2030-01-01", "--until", "2029-01-01", &recording],
            2,
            "nothing can match",
        ),
    ];
    for (tool, args, status, said) in cases {
        run(tool, args, b"").ends_with(*status).says(said);
    }
}

/// What clap says by itself is about its own grammar: `-1` would be an option, and an empty text a bad number.
#[test]
fn a_wrong_value_is_told_with_what_is_expected() {
    let cases: &[(&str, &[&str], &str)] = &[
        (
            "gor-replay",
            &["--speed", "-1", "localhost"],
            "expected a speed above 0, as 2x, 200% or 0.5, not \"-1\"",
        ),
        ("gor-replay", &["--rate", "-5/s", "localhost"], "expected a rate, as 500/s"),
        ("gor-replay", &["--timeout", "-2s", "localhost"], "expected a duration, as 500ms"),
        ("gor-replay", &["--start-at", "-2h", "localhost"], "--start-at is over: "),
        ("gor-replay", &["--loop=0", "localhost"], "expected a number of rounds from 1 up, as 3"),
        ("gor-filter", &["--max-size", "-1"], "expected a size, as 32mb"),
        ("gor-filter", &["--limit", "-1"], "expected a whole number, as 10"),
        ("gor-filter", &["--limit", "-q"], "invalid value '-q' for '--limit <N>': expected a whole number"),
        ("gor-filter", &["--chunk-records", "0"], "expected a whole number from 1 up"),
        ("gor-filter", &["--compress-level", "high"], "expected a level from 1 to 9 for gzip"),
        ("gor-filter", &["--header", "-a:b"], "follows an equals sign: '--header=-a:b'"),
        ("gor-filter", &["--stats="], "a value is required for '--stats[=<INTERVAL>]' but none was supplied"),
        ("gor-filter", &["--since="], "a value is required for '--since <TIME>' but none was supplied"),
        ("gor-filter", &["--output="], "a value is required for '--output <FILE>' but none was supplied"),
        (
            "gor-filter",
            &["--method", ""],
            "a value is required for '--method <METHOD>' but none was supplied",
        ),
        ("gor-show", &[""], "a value is required for '[INPUT]...' but none was supplied"),
        ("gor-rewrite", &["--set-header="], "a value is required for '--set-header <NAME:VALUE>'"),
        ("gor-record", &["--vlan", "0", ":80"], "expected the number of a VLAN from 1 to 4094"),
        ("gor-record", &["--vxlan-port", "0", ":80"], "expected a port from 1 to 65535"),
        ("gor-show", &["--top", "0", "--summary"], "expected a whole number from 1 up"),
        (
            "gor-show",
            &["--compare", "a", "b", "c"],
            "gor-show: '--compare' cannot be used with 'INPUT'; leave one out\n",
        ),
        ("gor-rewrite", &["--set-host", "a:b:c"], "expected a port from 0 to 65535"),
        ("gor-rewrite", &["--set-host", "::1"], "IPv6 addresses stand in brackets, as [::1]"),
        ("gor-rewrite", &["--set-host", "a", "--only", "url:b"], "the last --only has no rule behind it"),
        ("gor-show", &["help"], "gor-show has no subcommands, and there is no file 'help'"),
        ("gor-filter", &["filter", "x.gor"], "gor-filter has no subcommands, and there is no file 'filter'"),
        ("gor-rewrite", &["rewrite"], "gor-rewrite has no subcommands"),
    ];
    for (tool, args, said) in cases {
        run(tool, args, b"").ends_with(2).writes(b"").says(said);
    }
    // An empty pattern matches everything, and a time before now has a hyphen.
    run("gor-filter", &["--url", "", "--since", "-2h", "-q"], b"").ends_with(0).is_silent();
}

/// One output whose reader has gone does not stop the others, and is said.
#[test]
fn an_output_that_nobody_reads_any_more_is_said() {
    let shop = run("gor-record", &["-r", "testdata/shop.pcapng", "-q", "--responses"], b"").stdout;
    let folder = tempfile::tempdir().expect("a folder");
    let (input, output) = (folder.path().join("in.gor"), folder.path().join("out.gor"));
    std::fs::write(&input, &shop).expect("it can be written");
    let args = [input.to_str().expect("text"), "-o", "-", "-o", output.to_str().expect("text")];
    let mut child = command("gor-filter", &args);
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it was built");
    drop(child.stdout.take());
    let ended = child.wait_with_output().expect("it ends");
    let said = String::from_utf8(ended.stderr).expect("text");
    assert!(ended.status.success() && said.contains("the reader of one of the outputs has gone"), "{said}");
    assert!(std::fs::read(&output).expect("it is there") == shop);
}

#[test]
fn an_empty_result_says_why() {
    let shop = run("gor-record", &["-r", "testdata/shop.pcapng", "-q"], b"").stdout;
    let cases: &[(&[&str], &str)] = &[
        (
            &["--since", "2030-01-01"],
            "nothing to write: 247 of 247 requests failed --since; the recording is from 2026-11-2",
        ),
        (&["--method", "PATCH"], "nothing to write: 247 of 247 requests failed --method"),
        (&["--method", "GET", "--url", "^/nowhere"], "nothing to write: 167 of 247 requests failed --url"),
    ];
    for (args, said) in cases {
        run("gor-filter", args, &shop).ends_with(0).says(said);
        run("gor-filter", &[args, &["-q"][..]].concat(), &shop).ends_with(0).is_silent();
    }
}
