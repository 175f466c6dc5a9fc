//! What gor-record may do while it records: as little as it can.
//!
//! Where namespaces cannot be made (they need root and `ip`) these tests say so and pass.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io::BufRead;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::support::live::{NOBODY, Recorder, give_to_nobody};
use super::support::network::{HERE, Network};
use super::support::program::{Ran, command, run};
use super::support::skip::skip;

/// The fields of `/proc/PID/task/*/status`, of every thread.
fn threads_of(process: u32) -> Vec<BTreeMap<String, String>> {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).expect("it runs");
    let status = |task: std::io::Result<std::fs::DirEntry>| {
        let text = std::fs::read_to_string(task.expect("an entry").path().join("status")).expect("it runs");
        let field = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_owned(), value.split_whitespace().collect::<Vec<_>>().join(" ")))
        };
        text.lines().filter_map(field).collect()
    };
    tasks.map(status).collect()
}

fn wait_for(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..600 {
        if condition() {
            return;
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("not within 30 s: {what}");
}

/// Bit of `CAP_DAC_OVERRIDE`, as the kernel shows a set.
const DAC_OVERRIDE: &str = "0000000000000002";
const NONE: &str = "0000000000000000";

/// Paths of recorded requests in files, in order of their names.
fn recorded(files: &[PathBuf]) -> Vec<String> {
    let mut paths = Vec::new();
    for file in files {
        let read = run("gor-filter", &[file.to_str().expect("text")], b"");
        read.ends_with(0);
        let text = String::from_utf8(read.stdout).expect("text");
        let path = |line: &str| Some(line.strip_prefix("GET ")?.split(' ').next()?.to_owned());
        paths.extend(text.lines().filter_map(path));
    }
    paths
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("it is there");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

fn owner(path: &Path) -> (u32, u32) {
    let found: Metadata = path.metadata().expect("it is there");
    (found.uid(), found.gid())
}

#[test]
fn no_thread_has_more_rights_than_it_needs() {
    let Some(network) = Network::new() else { return };
    let _served = Network::serve(&network.here);
    let sudo = ["env", "SUDO_UID=1234", "SUDO_GID=77"];
    let root_with_sudo = ["env", "SUDO_UID=0", "SUDO_GID=0"];
    let cases = [
        (&[][..], &[][..], (NOBODY, NOBODY), NONE),
        (&[], &["--threads", "3"], (NOBODY, NOBODY), NONE),
        (&sudo[..], &["--promisc"], (1234, 77), NONE),
        (&root_with_sudo, &[], (NOBODY, NOBODY), NONE),
        (&sudo, &["--user", "nobody:88"], (NOBODY, 88), NONE),
        (&[], &["--user", "4321:88"], (4321, 88), NONE),
        (&[], &["--user", "root"], (0, 0), DAC_OVERRIDE),
    ];
    for (through, args, (user, group), capabilities) in cases {
        let folder = tempfile::tempdir().expect("a folder");
        let output = folder.path().join("out.gor.gz");
        let usual = [":8080", "--flush-interval", "1ms", "--stats", "-o"];
        let usual = [&usual[..], &[output.to_str().expect("text")], args].concat();
        let recorder = Recorder::start_through(&network.here, through, &usual);
        Network::get(&network.there, HERE[0], &["/a/1".to_owned()]);
        wait_for("a record in the file", || output.metadata().is_ok_and(|found| found.len() > 0));
        let threads = threads_of(recorder.child.0.id());
        assert!(threads.len() >= 3, "those of the output, the metrics and the capture: {threads:?}");
        for status in threads {
            let field = |name: &str| status[name].as_str();
            let (name, all) = (field("Name"), |number: u32| vec![number.to_string(); 4].join(" "));
            assert_eq!((field("Uid"), field("Gid")), (&*all(user), &*all(group)), "{args:?} {name}");
            if user != 0 {
                assert_eq!(field("Groups"), group.to_string(), "{args:?} {name}");
            }
            for (set, expected) in [
                ("CapEff", capabilities),
                ("CapPrm", capabilities),
                ("CapInh", NONE),
                ("CapAmb", NONE),
                ("CapBnd", NONE),
            ] {
                assert_eq!(field(set), expected, "{args:?} {name} {set}");
            }
            assert_eq!(field("NoNewPrivs"), "1", "{args:?} {name}");
        }
        recorder.end();
        assert_eq!(recorded(std::slice::from_ref(&output)), ["/a/1"], "{args:?}");
        assert_eq!(owner(&output), (user, group), "{args:?}");
    }
}

#[test]
fn files_that_are_begun_later_are_the_users() {
    let Some(network) = Network::new() else { return };
    let _served = Network::serve(&network.here);
    let paths: Vec<_> = (0..3).map(|number| format!("/{number}/1")).collect();
    let cases = [("x.gor", &["--chunk-records", "1"][..]), ("%t/x-%r.gor", &["--index"])];
    for (name, args) in cases {
        let folder = tempfile::tempdir().expect("a folder");
        give_to_nobody(folder.path());
        let output = folder.path().join(name).display().to_string();
        let args = [&[":8080", "-v", "-o", &output], args].concat();
        let recorder = Recorder::start(&network.here, &args);
        Network::get(&network.there, HERE[0], &paths);
        let recording = recorder.end();
        recording.ran.says("now running as nobody, without capabilities; ");
        let in_folder =
            if args.contains(&"--index") { folder.path().join("1") } else { folder.path().into() };
        let files = files_in(&in_folder);
        assert!(files.iter().all(|file| owner(file) == (NOBODY, NOBODY)), "{files:?}");
        let (indexes, files): (Vec<_>, Vec<_>) =
            files.into_iter().partition(|file| file.extension().is_some_and(|end| end == "idx"));
        assert_eq!(indexes.len(), if args.contains(&"--index") { 3 } else { 0 }, "{name}");
        let mut found = recorded(&files);
        found.sort();
        assert_eq!(found, paths, "{name}");
    }
}

#[test]
fn files_that_could_not_be_begun_later_are_refused_at_the_start() {
    let Some(network) = Network::new() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).display().to_string();
    let cases = [
        (at("x.gor"), &["--chunk-size", "1mb"][..], "its chunks are made in "),
        (at("x.gor"), &["--index"], "its index is made in "),
        (at("%Y/x.gor"), &[], "its files are made in "),
    ];
    for (output, args, what) in cases {
        let run = |more: &[&str]| {
            let program = command("gor-record", &[]);
            let mut inside = Command::new("ip");
            inside.args(["netns", "exec", &network.here]).arg(program.get_program());
            inside.args([":8080", "--exit-after", "1ms", "-o", &output]).args(args).args(more);
            inside.env_remove("SUDO_UID").env_remove("SUDO_GID").stdin(Stdio::null());
            Ran::new("gor-record", &[], inside.output().expect("ip was there before"))
        };
        let remedy = format!("use --user root, or 'sudo chown nobody {}'", folder.path().display());
        let refused = run(&["--stats-json", &at("stats.json")]);
        refused.ends_with(1).says(what).says("where nobody may not write").says(&remedy);
        assert_eq!(refused.stderr.lines().count(), 1, "{refused}");
        assert!(files_in(folder.path()).is_empty(), "nothing is left behind");
        let clear =
            || files_in(folder.path()).iter().for_each(|file| std::fs::remove_file(file).expect("root may"));
        run(&["--user", "root"]).ends_with(0);
        clear();
        give_to_nobody(folder.path());
        run(&[]).ends_with(0);
        clear();
        std::os::unix::fs::chown(folder.path(), Some(0), Some(0)).expect("root may");
    }
}

/// What is open stays open; only what is begun anew is made by the user.
#[test]
fn a_file_where_the_user_may_not_write_goes_on_after_it_was_moved_away() {
    let Some(network) = Network::new() else { return };
    let _served = Network::serve(&network.here);
    for (option, name) in [("-o", "x.gor"), ("-w", "x.pcap")] {
        let folder = tempfile::tempdir().expect("a folder");
        let (output, moved) = (folder.path().join(name), folder.path().join(format!("moved-{name}")));
        let args = [":8080", "--flush-interval", "0s", option, output.to_str().expect("text")];
        let mut recorder = Recorder::start(&network.here, &args);
        let mut line = || {
            let mut line = String::new();
            recorder.errors.read_line(&mut line).expect("a line");
            line
        };
        let said = line();
        assert!(said.contains(&format!("{name}: nobody may not write in ")), "{said}");
        assert!(said.contains("cannot be reopened at SIGHUP; use --user root, or 'sudo chown "), "{said}");
        Network::get(&network.there, HERE[0], &["/before/1".to_owned()]);
        std::fs::rename(&output, &moved).expect("it can be moved");
        kill_process(Pid::from_child(&recorder.child.0), Signal::HUP).expect("it runs");
        let said = line();
        let goes_on = "the file was moved away, and records are still written to it there";
        assert!(said.contains(goes_on), "{said}");
        Network::get(&network.there, HERE[0], &["/after/1".to_owned()]);
        recorder.end();
        assert!(!output.exists());
        let moved = if option == "-w" {
            let records = folder.path().join("from-packets.gor");
            let (from, to) = (moved.to_str().expect("text"), records.to_str().expect("text"));
            run("gor-record", &["-r", from, ":8080", "-o", to], b"").ends_with(0);
            records
        } else {
            moved
        };
        assert_eq!(recorded(&[moved]), ["/before/1", "/after/1"], "{option}");
    }
}

#[test]
fn a_user_that_there_is_not_is_wrong_usage() {
    let cases = [
        ("no-such-user", "--user no-such-user: there is no such user"),
        ("root:no-such-group", "there is no group no-such-group"),
        ("4123456789", "name a group too, as in 4123456789:4123456789"),
    ];
    for (user, said) in cases {
        run("gor-record", &[":80", "--user", user], b"").ends_with(2).says(said);
    }
    let file = ["-r", "testdata/shop.pcapng", "--user", "nobody"];
    run("gor-record", &file, b"").ends_with(2).says("cannot be used with");
}

/// Runs a copy of gor-record in a namespace as a user without rights. None: it was said what is missing for that.
fn run_as_nobody(space: &str, program: &Path, args: &[&str]) -> Option<Output> {
    let nobody = NOBODY.to_string();
    let mut inside = Command::new("ip");
    inside.args([
        "netns",
        "exec",
        space,
        "setpriv",
        "--reuid",
        &nobody,
        "--regid",
        &nobody,
        "--clear-groups",
    ]);
    inside.arg(program).args(args).stdin(Stdio::null());
    let output = inside.output().expect("ip was there before");
    if String::from_utf8_lossy(&output.stderr).contains("exec of \"setpriv\" failed") {
        skip("setpriv of util-linux is not installed");
        return None;
    }
    Some(output)
}

#[test]
fn without_rights_it_says_the_command_that_gives_them_and_then_it_records() {
    let Some(network) = Network::new() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).expect("it is ours");
    let program = folder.path().join("gor-record");
    std::fs::copy(command("gor-record", &[]).get_program(), &program).expect("there is room");
    let record = |args: &[&str]| {
        let output =
            run_as_nobody(&network.here, &program, &[&[":8080", "--exit-after", "1ms"], args].concat());
        output.map(|output| Ran::new("gor-record", args, output))
    };
    let Some(refused) = record(&[]) else { return };
    refused.ends_with(1).says("needs root or CAP_NET_RAW: use sudo, or once 'sudo setcap ");
    let said = refused.stderr.split("'sudo ").nth(1).and_then(|said| said.split('\'').next());
    let words: Vec<_> = said.expect("a command").split(' ').collect();
    match Command::new(words[0]).args(&words[1..]).output() {
        Ok(done) if done.status.success() => {}
        _ => {
            skip(
                "setcap of libcap2-bin is not installed, or this file system has no capabilities; the rest is tested",
            );
            return;
        }
    }
    let said = "now running as nobody, without capabilities; ";
    record(&["-v"]).expect("it ran before").ends_with(0).says(said);
    record(&["-v", "--promisc", "--threads", "2"]).expect("it ran before").ends_with(0).says(said);
    record(&["-v", "--user", "nobody"]).expect("it ran before").ends_with(0).says(said);
    record(&["--user", "root"])
        .expect("it ran before")
        .ends_with(2)
        .says("only root can become another user");
}

#[test]
fn root_of_a_user_namespace_without_other_users_stays_what_it_is_and_says_so() {
    let program = command("gor-record", &[]);
    let unshared = |args: &[&str]| {
        let mut inside = Command::new("unshare");
        inside.args(["--map-root-user", "--net"]).args(args).stdin(Stdio::null());
        inside.env_remove("SUDO_UID").env_remove("SUDO_GID").output()
    };
    if !unshared(&["true"]).is_ok_and(|done| done.status.success()) {
        skip("user namespaces cannot be made here");
        return;
    }
    let program = program.get_program().to_str().expect("text");
    let record = |args: &[&str]| {
        let args = [&[program, ":8080", "--exit-after", "1ms"], args].concat();
        Ran::new("gor-record", &args, unshared(&args).expect("it ran before"))
    };
    let default = record(&["-v"]);
    default.ends_with(0).says("cannot become nobody (").says("), and stays root\n");
    default.says("now running as root, with no capability but CAP_DAC_OVERRIDE; ");
    record(&["--user", "nobody"]).ends_with(1).says("--user nobody: cannot become this user: ");
    record(&["--user", "root"]).ends_with(0);
}

/// In the sandbox no TCP connection can be made but to the ports of outputs, and no name can be looked up.
#[test]
fn an_output_over_the_network_is_connected_to_again_without_roots_rights() {
    let Some(network) = Network::new() else { return };
    let _served = Network::serve(&network.here);
    let receive = |port: u16, file: &Path| {
        let program = command("gor-filter", &[]);
        let mut inside = Command::new("ip");
        inside.args(["netns", "exec", &network.here]).arg(program.get_program());
        inside.arg(format!("tcp://127.0.0.1:{port}")).arg("-o").arg(file).stderr(Stdio::piped());
        let mut child = inside.spawn().expect("ip was there before");
        let mut said = String::new();
        let mut errors = std::io::BufReader::new(child.stderr.take().expect("it is piped"));
        errors.read_line(&mut said).expect("a line");
        let port: u16 = said.trim().rsplit(':').next().and_then(|port| port.parse().ok()).expect(&said);
        // What else it says is of no interest, but must not end it.
        thread::spawn(move || std::io::copy(&mut errors, &mut std::io::sink()));
        (child, port)
    };
    let folder = tempfile::tempdir().expect("a folder");
    let [first, second] = ["first.gor", "second.gor"].map(|name| folder.path().join(name));
    let (mut receiver, port) = receive(0, &first);
    let place = format!("tcp://127.0.0.1:{port}");
    let recorder = Recorder::start(&network.here, &[":8080", "-o", &place]);
    Network::get(&network.there, HERE[0], &["/first/1".to_owned()]);
    wait_for("the first request at the receiver", || {
        std::fs::read(&first).is_ok_and(|text| text.windows(8).any(|window| window == b"/first/1"))
    });
    receiver.kill().expect("it runs");
    receiver.wait().expect("it can be waited for");
    let (mut receiver, _) = receive(port, &second);
    wait_for("a request at the next receiver", || {
        Network::get(&network.there, HERE[0], &["/second/1".to_owned()]);
        std::fs::read(&second).is_ok_and(|text| text.windows(9).any(|window| window == b"/second/1"))
    });
    let recording = recorder.end_with(1);
    recording.ran.says("the connection was lost");
    kill_process(Pid::from_child(&receiver), Signal::INT).expect("it runs");
    receiver.wait().expect("it can be waited for");
}
