//! gor's command line: its syntax, its help, the migration table, and `--explain`.

use std::path::Path;

use gor_tools::tool::gor;

use super::support::program::run;
use super::support::replayer::gets;

const BEGIN: &str = "<!-- flags -->\n";
/// What GoReplay says of itself on standard output beside its help and when a command line is wrong.
const BANNER: &str = "\
Gor is a simple http traffic replication tool written in Go. Its main goal is to replay traffic from production servers to staging and dev environments.
Project page: https://github.com/buger/gor
Author: <Leonid Bugaev> leonsbox@gmail.com
Current Version: v2.0.0

";

const END: &str = "<!-- end of flags -->";

/// With `GOR_BLESS` set, writes it instead.
#[test]
fn the_migration_table_has_every_flag_as_it_is() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("MIGRATING.md");
    let text = std::fs::read_to_string(&path).expect("it is there");
    let (before, rest) = text.split_once(BEGIN).expect("it says where the table begins");
    let (table, after) = rest.split_once(END).expect("it says where the table ends");
    let current = gor::migration();
    if std::env::var_os("GOR_BLESS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{current}{END}{after}")).expect("it can be written");
    } else {
        assert!(table == current, "not current; `GOR_BLESS=1 cargo test gor_flags` rewrites it");
    }
    for flag in gor::FLAGS {
        assert!(current.contains(&format!("| `--{}`", flag.name)), "{}", flag.name);
    }
}

#[test]
fn wrong_command_lines_name_flag_value_and_form() {
    for (args, status, said) in [
        (&["--nope"][..], 2, "there is no flag --nope"),
        (&["--output-fil", "x"], 2, "did you mean --output-file?"),
        (&["--output-null=maybe"], 2, "--output-null \"maybe\": expected true or false"),
        (&["--exit-after", "3"], 2, "--exit-after \"3\": expected a duration with its unit"),
        (&["--copy-buffer-size", "5m"], 2, "expected a size in bytes, or with kb, mb, gb or tb"),
        (&["--input-raw-vlan-vid", "abc"], 2, "--input-raw-vlan-vid \"abc\": expected a whole number"),
        (&["--input-raw-protocol", "foo"], 2, "expected one of http, binary"),
        (&["--output-file"], 2, "--output-file needs a value"),
        (&["--output-null", "stray", "--input-file", "x"], 2, "\"stray\" is not a flag"),
        (&["--input-file", "x"], 1, "nothing to do: give an output"),
        (&["--output-null"], 1, "nothing to do: give an input"),
        (&["--input-raw", "localhost", "--output-null"], 1, "the port is missing"),
        (&["--input-raw", ":abc", "--output-null"], 1, "not a port"),
        (&["--input-file", "x|y", "--output-null"], 2, "expected a share"),
        (&["--input-file", "x", "--output-http", "t|abc"], 2, "expected a share"),
        (&["--input-file", "x", "--output-null", "--http-rewrite-url", "/a"], 2, "a colon is missing"),
        (
            &["--input-file", "x", "--output-null", "--http-rewrite-header", "Host: a"],
            2,
            "a comma is missing",
        ),
        (&["--input-file", "x", "--output-null", "--http-header-limiter", "X: 50"], 2, "name:25%"),
        (&["--input-file", "x", "--output-null", "--http-header-limiter", "X: 50.5%"], 2, "whole percents"),
        (&["--input-file", "x", "--output-null", "--http-allow-url", "("], 2, "'(' for --http-allow-url"),
        (&["--input-file", "x", "--output-kafka-host", "b"], 2, "needs --output-kafka-topic"),
        (&["--input-tcp", ":0", "--input-tcp-secure", "--output-null"], 2, "needs --input-tcp-certificate"),
        (&["file-server"], 1, "needs an address"),
        (&["file-server", ":0", "more"], 1, "takes one address"),
        (&["file-server", "here"], 1, "expected an address to listen at"),
        (&["--input", "x"], 2, "did you mean --input-file, --input-raw, --input-tcp, --input-dummy?"),
        (&["-v"], 2, "did you mean --verbose?"),
        (&["--input-file", "", "--output-null"], 2, "--input-file \"\": the name is empty"),
        (&["--input-file", "x", "--output-tcp", "h"], 2, "--output-tcp \"h\": expected HOST:PORT"),
        (&["--input-tcp", "80x", "--output-null"], 2, "--input-tcp \"80x\": expected HOST:PORT"),
        (
            &["--input-file", "x", "--output-ws", "http://h"],
            2,
            "--output-ws \"http://h\": expected HOST:PORT",
        ),
        (&["--input-raw", "no.invalid:80", "--output-null"], 1, "--input-raw: 'no.invalid' is neither"),
        (
            &["--input-raw", ":80", "--output-null", "--input-raw-realip-header", "A B"],
            2,
            "'A B' for --input-raw-realip-header",
        ),
        (
            &["--input-raw", ":80", "--output-null", "--input-raw-vxlan-port", "99999999"],
            2,
            "'99999999' for --input-raw-vxlan-port",
        ),
        (
            &["--input-file", "x", "--output-null", "--http-rewrite-url", "[a:b"],
            2,
            "--http-rewrite-url \"[a:b\": unclosed character class",
        ),
        (
            &["--input-file", "x", "--output-null", "--http-rewrite-url", "/(v1):/$9"],
            2,
            "--http-rewrite-url \"/(v1):/$9\": the pattern has no group \"9\"",
        ),
        (
            &["--input-file", "x", "--output-null", "--http-rewrite-header", "A: (,b"],
            2,
            "--http-rewrite-header \"A: (,b\": ",
        ),
        (&["--input-kafka-topic", "t", "--output-null"], 2, "--input-kafka-topic needs --input-kafka-host"),
        (
            &[
                "--input-kafka-host",
                "b",
                "--input-kafka-topic",
                "t",
                "--output-null",
                "--input-kafka-mechanism",
                "x",
            ],
            2,
            "--input-kafka-mechanism \"x\": expected PLAIN",
        ),
        (&["--input-file", "x", "--output-ws", ""], 2, "--output-ws \"\": expected HOST:PORT"),
        (
            &["--input-raw", ":80", "--output-null", "--input-raw-vlan-vid", "-1"],
            2,
            "'-1' for --input-raw-vlan-vid",
        ),
        (
            &["--input-file", "x", "--output-file", "s3://b/x.gor", "--output-file-append"],
            2,
            "--output-file-append: objects of S3",
        ),
    ] {
        let banner = if status == 2 { BANNER } else { "" };
        run("gor", args, b"").ends_with(status).writes(banner.as_bytes()).says(said);
    }
}

/// What an option of a tool is called in the table is what the tool calls it.
#[test]
fn the_options_of_the_unix_tools_are_there() {
    let help: String = ["gor-record", "gor-filter", "gor-rewrite", "gor-merge", "gor-replay"]
        .map(|tool| String::from_utf8(run(tool, &["--help"], b"").stdout).expect("text"))
        .concat();
    let options: Vec<&str> = help
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
        .filter(|word| word.starts_with("--"))
        .collect();
    for flag in gor::FLAGS {
        for word in flag.unix.split([' ', ';', ',', '=']).filter(|word| word.starts_with("--")) {
            assert!(options.contains(&word), "--{}: {word}", flag.name);
        }
    }
}

#[test]
fn help_lists_every_flag_and_ends_as_goreplay_does() {
    let help = run("gor", &["--help"], b"");
    help.ends_with(2).writes(BANNER.as_bytes());
    for flag in gor::FLAGS {
        assert!(help.stderr.contains(&format!("\n  --{}", flag.name)), "{}", flag.name);
    }
}

#[test]
fn a_flag_that_has_nothing_to_do_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let input = folder.path().join("in.gor").display().to_string();
    std::fs::write(&input, gets(&[(1, "/")])).expect("it can be written");
    for (flags, said) in [
        (
            &["--output-http-workers", "3"][..],
            "--output-http-workers has nothing to do: there is no --output-http",
        ),
        (&["--output-http-stats-ms", "500"], "there is no --output-http-stats or --stats"),
        (&["--kafka-tls-ca-cert", "x"], "there is no --input-kafka-host or --output-kafka-host"),
        (&["--output-kafka-username", "x"], "there is no --output-kafka-use-sasl"),
        (&["--input-tcp-certificate", "x"], "there is no --input-tcp-secure"),
    ] {
        run("gor", &[&["--input-file", &input, "--output-null"], flags].concat(), b"")
            .ends_with(0)
            .says(said);
    }
    let receiver = ["--input-file", &input, "--explain", "--output-tcp", ":1", "--output-tcp-skip-verify"];
    run("gor", &receiver, b"").ends_with(0).says("there is no --output-tcp-secure");
    let server = ["--input-file", &input, "--explain", "--output-ws", ":1", "--output-ws-skip-verify"];
    run("gor", &server, b"").ends_with(0).says("there is no wss://");
    let capture =
        ["--input-raw", "x.pcap:80", "--input-raw-engine", "pcap_file", "--output-null", "--explain"];
    run("gor", &[&capture[..], &["--input-raw-promisc", "--input-raw-expire", "1s"]].concat(), b"")
        .ends_with(0)
        .says("--input-raw-promisc has nothing to do: a capture file is read")
        .says("--input-raw-expire has nothing to do: a capture file is read");
    // These are GoReplay's own engine's.
    run(
        "gor",
        &["--input-raw", ":80", "--output-null", "--explain", "--input-raw-timestamp-type", "host"],
        b"",
    )
    .ends_with(0)
    .writes(b"gor-record :80 --engine libpcap --timestamp-source host -o null:\n");
}

#[test]
fn explain_prints_a_pipe_that_does_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let input = folder.path().join("in.gor").display().to_string();
    std::fs::write(&input, gets(&[(1, "/a"), (2, "/v1/b"), (3, "/c")])).expect("it can be written");
    let flags = [
        "--input-file",
        &input,
        "--output-stdout",
        "--http-rewrite-url",
        "/v1/:/v2/",
        "--http-allow-url",
        "[ab]",
        "--http-set-header",
        "X-A: it's",
    ];
    let done = run("gor", &flags, b"");
    done.ends_with(0);
    let explained = run("gor", &[&["--explain"], &flags[..]].concat(), b"");
    explained.ends_with(0);
    let pipe = String::from_utf8(explained.stdout).expect("text");
    let binaries = Path::new(env!("CARGO_BIN_EXE_gor")).parent().expect("a folder");
    let path = format!("{}:{}", binaries.display(), std::env::var("PATH").unwrap_or_default());
    let piped =
        std::process::Command::new("bash").args(["-c", &pipe]).env("PATH", path).output().expect("bash");
    assert!(piped.status.success(), "{pipe}: {}", String::from_utf8_lossy(&piped.stderr));
    assert_eq!(String::from_utf8_lossy(&piped.stdout), String::from_utf8_lossy(&done.stdout), "{pipe}");
    for (flags, expected) in [
        (
            &["--input-raw", ":8080", "--input-raw-track-response", "--output-http", "staging.com|10%"][..],
            "gor-record :8080 --responses | gor-replay 'staging.com|10%'\n",
        ),
        (&["--input-tcp", ":28020", "--output-null"], "gor-merge -o null: tcp://:28020\n"),
        (
            &[
                "--input-file",
                "a.gor|200%",
                "--output-http",
                "t",
                "--input-file-loop",
                "--middleware",
                "./m a",
            ],
            "gor-rewrite --middleware './m a' --middleware-may-drop a.gor | gor-replay --speed 2x t\n",
        ),
        (
            &["--input-file", "a*.gor", "--http-allow-method", "GET", "--output-null"],
            "gor-merge 'a*.gor' | gor-filter --method GET -o null:\n",
        ),
        (
            &[
                "--input-file",
                "a.gor",
                "--output-http",
                "t",
                "--exit-after",
                "5s",
                "--output-http-queue-len",
                "9",
            ],
            "gor-replay --queue 9 -i a.gor --exit-after 5s t\n",
        ),
        (
            &[
                "--input-tcp",
                ":1",
                "--input-tcp-secure",
                "--input-tcp-certificate",
                "c",
                "--input-tcp-certificate-key",
                "k",
                "--output-file",
                "s3://b/x.gor",
                "--output-file-size-limit",
                "0",
                "--output-file-queue-limit",
                "0",
                "--output-file-buffer",
                "spool",
            ],
            "gor-merge -o s3://b/x.gor --chunk-size 9223372036854775807 --spool spool tls://:1 --tls-cert c --tls-key k\n",
        ),
    ] {
        run("gor", &[&["--explain"], flags].concat(), b"").ends_with(0).writes(expected.as_bytes());
    }
}

#[test]
fn explain_says_what_its_pipe_does_otherwise() {
    for (flags, said) in [
        (&["--output-http", "t", "--input-file-loop"][..], "the pause between rounds"),
        (&["--output-null", "--input-file-loop"], "the loop"),
        (&["--output-null", "--http-set-header", "A: b"], "the name as it was recorded"),
        (&["--output-null", "--http-set-param", "a=b"], "GoReplay's queries"),
        (&["--output-null", "--http-rewrite-header", "A: b,c"], "the first line alone"),
        (&["--output-null", "--http-header-limiter", "A: 1%"], "requests whose header is empty"),
        (&["--output-null", "--http-param-limiter", "a: 1%"], "requests whose parameter has no ="),
    ] {
        run("gor", &[&["--explain", "--input-file", "a.gor"], flags].concat(), b"")
            .ends_with(0)
            .says(&format!("not in this pipe: {said}"));
    }
}
