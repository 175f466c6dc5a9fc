//! Files that are written: by the real tools, killed, cut short and full.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use super::support::skip::skip;
use crate::support::program::{command, run};

const SEPARATOR: &str = "\n🐵🙈🙉\n";

/// Requests numbered from `from` to before `to`.
fn requests(from: u32, to: u32) -> String {
    let request = |number: u32| {
        format!("1 {number:024x} 17639{number:014} 10\nGET /{number} HTTP/1.1\r\n\r\n{SEPARATOR}")
    };
    (from..to).map(request).collect::<Vec<_>>().concat()
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn names(&self) -> Vec<String> {
        let entries = self.0.path().read_dir().unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

/// What a file holds, as the programs of the system read it.
fn content(path: &str) -> Vec<u8> {
    let program = match Path::new(path).extension().and_then(|end| end.to_str()) {
        Some("gz") => "gzip",
        Some("zst") => "zstd",
        _ => return std::fs::read(path).unwrap(),
    };
    let output = Command::new(program).args(["-dc", path]).output();
    let Ok(output) = output else {
        // Without the program our own reader must do.
        return run("gor-filter", &[path], b"").stdout;
    };
    assert!(output.status.success(), "{program} -dc {path}: {output:?}");
    output.stdout
}

#[test]
fn files_are_compressed_by_their_names_and_read_by_others() {
    let folder = Folder::new();
    let input = requests(0, 20_000);
    for name in ["x.gor", "x.gor.gz", "x.gz", "x.gor.zst", "x.zst"] {
        for level in [None, Some("1"), Some("9")] {
            let path = folder.path(name);
            let mut args = vec!["-o", &path, "--force"];
            if let Some(level) = level.filter(|_| name != "x.gor") {
                args.extend(["--compress-level", level]);
            }
            run("gor-filter", &args, input.as_bytes()).ends_with(0).is_silent();
            assert!(content(&path) == input.as_bytes(), "{name} {level:?}");
        }
    }
}

#[test]
fn an_existing_file_is_kept_replaced_or_added_to() {
    let folder = Folder::new();
    for name in ["x.gor", "x.gor.gz", "x.gor.zst"] {
        let path = folder.path(name);
        run("gor-filter", &["-o", &path], requests(0, 10).as_bytes()).ends_with(0);
        let ran = run("gor-filter", &["-o", &path], requests(10, 20).as_bytes());
        ran.ends_with(2).says(name).says("--force overwrites it, --append adds to it");
        for round in 1..3 {
            let more = requests(round * 10, round * 10 + 10);
            run("gor-filter", &["-o", &path, "--append"], more.as_bytes()).ends_with(0).is_silent();
        }
        assert!(content(&path) == requests(0, 30).as_bytes(), "{name}");
        run("gor-filter", &["-o", &path, "--force"], requests(5, 6).as_bytes()).ends_with(0);
        assert!(content(&path) == requests(5, 6).as_bytes(), "{name}");
    }
}

#[test]
fn what_is_added_to_half_a_record_does_not_become_part_of_it() {
    let folder = Folder::new();
    let path = folder.path("x.gor");
    let whole = requests(0, 3);
    for cut in [1, 5, SEPARATOR.len(), SEPARATOR.len() + 3] {
        std::fs::write(&path, &whole.as_bytes()[..whole.len() - cut]).unwrap();
        run("gor-filter", &["-o", &path, "--append"], requests(3, 5).as_bytes()).ends_with(0);
        let ran = run("gor-filter", &[&path], b"");
        ran.ends_with(0);
        let text = String::from_utf8_lossy(&ran.stdout).into_owned();
        assert_eq!(text.matches("HTTP/1.1").count(), 5, "{ran}");
        assert!(text.ends_with(&requests(3, 5)), "{ran}");
    }
    let path = folder.path("x.gor.gz");
    run("gor-filter", &["-o", &path], requests(0, 5000).as_bytes()).ends_with(0);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let ran = run("gor-filter", &["-o", &path, "--append"], requests(5000, 5002).as_bytes());
    ran.ends_with(0).says("its end was left unfinished");
    let text = String::from_utf8(content(&path)).unwrap();
    assert!(text.matches("HTTP/1.1").count() > 1000 && text.ends_with(&requests(5000, 5002)));
    std::fs::write(&path, [&bytes[..], b"no gzip data"].concat()).unwrap();
    let ran = run("gor-filter", &["-o", &path, "--append"], requests(3, 5).as_bytes());
    ran.ends_with(1).says("could not be read back");
}

#[test]
fn chunks_hold_whole_records_and_go_on_after_the_highest() {
    let folder = Folder::new();
    let path = folder.path("x.gor.gz");
    std::fs::write(folder.path("x-old_7.gor.gz"), "").unwrap();
    run("gor-filter", &["-o", &path, "--chunk-records", "4"], requests(0, 10).as_bytes()).ends_with(0);
    let size = requests(10, 12).len().to_string();
    run("gor-filter", &["-o", &path, "--chunk-size", &size], requests(10, 15).as_bytes()).ends_with(0);
    let expected = [(0, 4), (4, 8), (8, 10), (10, 12), (12, 14), (14, 15)];
    for (number, (from, to)) in expected.into_iter().enumerate() {
        let chunk = content(&folder.path(&format!("x_{number}.gor.gz")));
        assert_eq!(String::from_utf8_lossy(&chunk), requests(from, to), "chunk {number}");
    }
    assert_eq!(folder.names().len(), expected.len() + 1);
}

#[test]
fn the_size_of_all_is_limited_and_the_last_record_named() {
    let folder = Folder::new();
    let size = (requests(0, 7).len() + 20).to_string();
    for name in ["x.gor", "x.gor.zst"] {
        let path = folder.path(name);
        let ran = run("gor-filter", &["-o", &path, "--max-size", &size], requests(0, 50).as_bytes());
        ran.ends_with(1).says(&format!("--max-size of {size} bytes is reached"));
        ran.says(&format!("number 7 (id {:024x})", 6));
        assert!(content(&path) == requests(0, 7).as_bytes(), "{ran}");
        for tool in ["gor-filter", "gor-merge"] {
            let counted = run(tool, &["--stats", "--max-size", &size], requests(0, 50).as_bytes());
            counted.ends_with(1).says(" 7    written\n").says("43    not written");
        }
    }
}

#[test]
fn names_are_made_from_time_and_records() {
    let folder = Folder::new();
    let response = format!("2 {:024x} 5 5\nHTTP/1.1 204 No\r\n\r\n{SEPARATOR}", 1);
    let input = requests(0, 2) + &response;
    let path = folder.path("%Y/%t-%r-%i.gor");
    run("gor-filter", &["-o", &path, "--instance", "me"], input.as_bytes()).ends_with(0).is_silent();
    let year = folder.names().concat();
    assert!(year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit()), "{year}");
    for (name, expected) in
        [(format!("1-{:024x}-me.gor", 0), requests(0, 1)), (format!("2-{:024x}-me.gor", 1), response)]
    {
        assert_eq!(String::from_utf8_lossy(&content(&folder.path(&format!("{year}/{name}")))), expected);
    }
    run("gor-filter", &["-o", "x%Q.gor"], b"").ends_with(2).says("    x%Q.gor\n     ^").says("%NS");
}

#[test]
fn several_outputs_are_copies_or_shares() {
    let folder = Folder::new();
    let (one, two) = (folder.path("one.gor.gz"), folder.path("two.gor"));
    run("gor-filter", &["-o", &one, "-o", &two], requests(0, 100).as_bytes()).ends_with(0);
    assert!(content(&one) == requests(0, 100).as_bytes() && content(&two) == content(&one));
    let args = ["-o", &one, "-o", &two, "--force", "--split"];
    run("gor-filter", &args, requests(0, 100).as_bytes()).ends_with(0);
    let lines = |path: &str| String::from_utf8_lossy(&content(path)).matches("GET").count();
    assert_eq!((lines(&one), lines(&two)), (50, 50));
    // The ids differ in their last digits only: they are of one session.
    let args = [&args[..], &["--sessions"]].concat();
    run("gor-filter", &args, requests(0, 100).as_bytes()).ends_with(0);
    assert_eq!((lines(&one), lines(&two)), (100, 0));
}

#[test]
fn a_kill_leaves_what_was_flushed_though_nothing_more_came() {
    let folder = Folder::new();
    for name in ["x.gor", "x.gor.gz", "x.gor.zst"] {
        let path = folder.path(name);
        let mut child = command("gor-filter", &["-o", &path, "--flush-interval", "20ms"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        for (from, to) in [(0, 5), (5, 3000), (3000, 3001)] {
            stdin.write_all(requests(from, to).as_bytes()).unwrap();
            let expected = requests(0, to);
            let is_there = |_: &i32| run("gor-filter", &[&path], b"").stdout == expected.as_bytes();
            assert!((0..5000).any(|attempt| is_there(&attempt)), "{name}: record {to} never came");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let ran = run("gor-filter", &[&path], b"");
        ran.writes(requests(0, 3001).as_bytes());
    }
}

#[test]
fn a_kill_in_the_middle_of_writing_leaves_whole_records() {
    let folder = Folder::new();
    let input = folder.path("input");
    std::fs::write(&input, requests(0, 300_000)).unwrap();
    for name in ["x.gor", "x.gor.gz", "x.gor.zst"] {
        let path = folder.path(name);
        let mut child = command("gor-filter", &["-o", &path, &input]).spawn().unwrap();
        while std::fs::metadata(&path).map_or(0, |found| found.len()) < 100_000 {
            assert!(child.try_wait().unwrap().is_none_or(|status| status.success()));
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let ran = run("gor-filter", &["-q", &path], b"");
        let whole = ran.stdout.len();
        assert!(whole > 50_000, "{name}: {whole} bytes");
        // Only the last record may be a part of one.
        let text = requests(0, 300_000);
        let end = ran.stdout[..whole - SEPARATOR.len()].len();
        assert!(text.as_bytes().starts_with(&ran.stdout[..end]), "{name}");
    }
}

/// Mounts a file system of 3 MB, if that may be.
fn small_disk(folder: &Path) -> Option<Mounted<'_>> {
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=3m", "tmpfs"])
        .arg(folder)
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !mounted {
        skip("no file system may be mounted here");
    }
    mounted.then_some(Mounted(folder))
}

struct Mounted<'a>(&'a Path);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}

#[test]
fn a_full_disk_keeps_whole_records_and_says_which_was_the_last() {
    let folder = Folder::new();
    let Some(disk) = small_disk(folder.0.path()) else { return };
    for name in ["x.gor", "x.gor.gz", "x.gor.zst"] {
        let path = folder.path(name);
        // Ids that do not compress well.
        let record = |number: u64| {
            let id = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let noise = id.rotate_left(17).wrapping_mul(0xd6e8_feb8_6659_fd93);
            format!("1 {id:016x} {number} 10\nGET /{noise:x} HTTP/1.1\r\n\r\n{SEPARATOR}")
        };
        let input = (0..400_000).map(record).collect::<Vec<_>>().concat();
        let ran = run("gor-filter", &["-o", &path], input.as_bytes());
        ran.ends_with(1).says(&format!("{name}: no space left on device; its last whole record is number "));
        let said = ran.stderr.split("number ").nth(1).unwrap();
        let number: usize = said.split(' ').next().unwrap().parse().unwrap();
        let id = said.split("(id ").nth(1).unwrap().split(')').next().unwrap();
        let kept = content(&path);
        assert!(input.as_bytes().starts_with(&kept) && kept.ends_with(SEPARATOR.as_bytes()), "{ran}");
        let kept = String::from_utf8(kept).unwrap();
        assert_eq!(kept.matches(SEPARATOR).count(), number, "{ran}");
        assert!(kept.rsplit(SEPARATOR).nth(1).unwrap().contains(&format!("1 {id} ")), "{ran}");
        std::fs::remove_file(&path).unwrap();
    }
    drop(disk);
}

#[test]
fn an_index_is_made_beside_each_file_and_goes_on_with_it() {
    let folder = Folder::new();
    for name in ["x.gor", "x.gor.zst"] {
        let path = folder.path(name);
        run("gor-filter", &["-o", &path, "--index"], requests(0, 10_000).as_bytes()).ends_with(0);
        run("gor-filter", &["-o", &path, "--index", "--append"], requests(10_000, 12_000).as_bytes())
            .ends_with(0)
            .is_silent();
        let index = std::fs::read_to_string(folder.path(&format!("{name}.idx"))).unwrap();
        assert!(index.starts_with("gor-index 2\n") && index.contains("\ntotal 12000 12000 0 0 "), "{index}");
        assert!(index.lines().filter(|line| line.starts_with("at ")).count() >= 4, "{index}");
        run("gor-filter", &["-o", &path, "--append"], requests(0, 1).as_bytes()).ends_with(0);
        // The file has changed: its index is made anew.
        run("gor-filter", &["-o", &path, "--index", "--append"], requests(0, 1).as_bytes()).ends_with(0);
        let index = std::fs::read_to_string(folder.path(&format!("{name}.idx"))).unwrap();
        assert!(index.contains("\ntotal 12002 12002 0 0 "), "{index}");
    }
}

#[test]
fn an_input_that_is_missing_leaves_no_output() {
    let folder = Folder::new();
    let out = folder.path("out.gor.gz");
    run("gor-record", &["-r", "/no/such", "-o", &out], b"").ends_with(1).says("/no/such");
    assert!(folder.names().is_empty());
}
