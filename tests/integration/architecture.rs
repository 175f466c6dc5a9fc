//! Which room may know which, held against what the sources import, and what their types are called.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Each room and the rooms it may know. Everyone may know `error`.
///
/// ARCHITECTURE.md shows the same table.
const ROOMS: &[(&str, &[&str])] = &[
    ("error", &["record", "packet"]),
    ("dialect", &[]),
    ("record", &[]),
    ("http", &[]),
    ("packet", &[]),
    ("tcp", &[]),
    ("pace", &[]),
    ("observe", &[]),
    ("transform", &["record", "http", "dialect"]),
    ("capture", &["packet", "tcp", "http", "record", "observe"]),
    ("conversation", &["packet", "tcp", "http", "record", "observe"]),
    (
        "endpoint",
        &[
            "record",
            "packet",
            "capture",
            "conversation",
            "http",
            "interchange",
            "observe",
            "queue",
            "tls",
            "dialect",
        ],
    ),
    ("interchange", &["record", "http", "observe", "show"]),
    ("queue", &["record"]),
    ("tls", &[]),
    ("pipeline", &["record", "transform"]),
    ("middleware", &["record", "observe"]),
    ("replay", &["record", "http", "pace", "observe", "queue", "report", "middleware", "tls"]),
    ("report", &["record", "http", "observe", "show"]),
    ("merge", &["record"]),
    ("privileges", &[]),
    ("show", &["record", "http", "observe"]),
    ("cli", &["record", "capture", "endpoint", "interchange", "observe", "pipeline", "tls", "transform"]),
    (
        "tool",
        &[
            "cli",
            "record",
            "http",
            "packet",
            "tcp",
            "pace",
            "observe",
            "transform",
            "capture",
            "conversation",
            "dialect",
            "endpoint",
            "interchange",
            "middleware",
            "pipeline",
            "queue",
            "replay",
            "report",
            "merge",
            "privileges",
            "show",
            "tls",
        ],
    ),
];

/// Rooms that do no input or output, read no clock and start no thread.
const PURE: &[&str] = &["http", "tcp", "pace", "transform"];

/// What a pure room does not mention.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::process",
    "std::env",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "UnixStream",
    "UnixListener",
    "SystemTime",
    "Instant",
    "thread::",
    "stdin(",
    "stdout(",
    "stderr(",
    "print!(",
    "println!(",
];

/// A source file without its comments.
struct Source {
    path: PathBuf,
    /// Modules from the crate's root to this file.
    module: Vec<String>,
    text: String,
}

impl Source {
    fn read(root: &Path, path: PathBuf) -> Self {
        let text = std::fs::read_to_string(&path).expect("sources are readable");
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let text = lines.map(|line| line.split(" // ").next().unwrap_or(line)).collect::<Vec<_>>().join("\n");
        let relative = path.strip_prefix(root).expect("sources are below the root").with_extension("");
        let mut module: Vec<_> =
            relative.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
        module.pop_if(|last| last == "mod" || last == "lib");
        Source { path, module, text }
    }

    /// The room this file belongs to; none for the library's own root.
    fn room(&self) -> Option<&str> {
        self.module.first().map(String::as_str)
    }

    fn is_binary(&self) -> bool {
        self.room() == Some("bin")
    }

    fn is_test(&self) -> bool {
        self.module.iter().any(|part| part == "tests")
    }

    /// First names after the crate's root in all paths: `http` of
    /// `crate::http::Head`, `record` and `http` of `use crate::{record, http::Head}`.
    fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for root in ["crate::", "gor_tools::"] {
            for (at, _) in self.text.match_indices(root) {
                names.extend(first_names(&self.text[at + root.len()..]));
            }
        }
        for (at, _) in self.text.match_indices("super::") {
            if self.text[..at].ends_with("super::") {
                continue;
            }
            let (mut rest, mut depth) = (&self.text[at..], self.module.len());
            while let Some(after) = rest.strip_prefix("super::") {
                (rest, depth) = (after, depth.saturating_sub(1));
            }
            if depth == 0 {
                names.extend(first_names(rest));
            }
        }
        names
    }
}

/// The first name of a path, or of each path in braces.
fn first_names(path: &str) -> Vec<String> {
    let Some(group) = path.strip_prefix('{') else { return vec![word(path)] };
    let (mut names, mut depth, mut start) = (Vec::new(), 1, 0);
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 || (depth == 1 && character == ',') {
            names.push(word(group[start..at].trim_start()));
            start = at + 1;
        }
        if depth == 0 {
            break;
        }
    }
    names
}

fn word(text: &str) -> String {
    text.chars().take_while(|character| character.is_alphanumeric() || *character == '_').collect()
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut sources, mut folders) = (Vec::new(), vec![root.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("src is readable") {
            let path = entry.expect("src is readable").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push(Source::read(&root, path));
            }
        }
    }
    assert!(sources.len() > 10, "the sources were not found");
    sources
}

#[test]
fn no_room_knows_one_it_may_not() {
    let rooms: BTreeMap<_, _> = ROOMS.iter().copied().collect();
    let mut faults = Vec::new();
    for source in sources() {
        let Some(room) = source.room().filter(|_| !source.is_binary()) else { continue };
        let Some(allowed) = rooms.get(room) else {
            faults.push(format!("{}: the room {room} is in no table", source.path.display()));
            continue;
        };
        for name in source.names() {
            if rooms.contains_key(name.as_str())
                && name != room
                && name != "error"
                && !allowed.contains(&name.as_str())
            {
                faults.push(format!("{}: {room} may not know {name}", source.path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn pure_rooms_do_no_input_or_output_and_read_no_clock() {
    for source in sources() {
        let Some(room) = source.room() else { continue };
        if PURE.contains(&room) && !source.is_test() {
            for word in IMPURE {
                let text = source.text.split("mod tests {").next().unwrap_or_default();
                assert!(!text.contains(word), "{}: {word} in a pure room", source.path.display());
            }
        }
    }
}

#[test]
fn only_binaries_know_clap_and_anyhow() {
    for source in sources() {
        for word in ["clap::", "anyhow::"] {
            let is_edge = source.is_binary() || matches!(source.room(), Some("cli" | "tool"));
            assert!(is_edge || !source.text.contains(word), "{}: {word}", source.path.display());
        }
    }
}

#[test]
fn a_file_says_its_subject_first() {
    for source in sources() {
        let text = std::fs::read_to_string(&source.path).expect("sources are readable");
        assert!(text.starts_with("//! "), "{}: no subject in its first line", source.path.display());
    }
}

/// Rows of the table under "Who may know whom": `| `http` | … |`.
#[test]
fn the_architecture_page_shows_the_same_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md");
    let page = std::fs::read_to_string(path).expect("ARCHITECTURE.md is there");
    let chapter = page.split("## Who may know whom").nth(1).expect("the page has that chapter");
    let chapter = chapter.split("\n## ").next().unwrap_or_default();
    let names = |cell: &str| -> Vec<String> {
        let mut names: Vec<_> = cell.split('`').skip(1).step_by(2).map(ToString::to_string).collect();
        names.sort();
        names
    };
    let mut shown = BTreeMap::new();
    for row in chapter.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let room = names(cells[1]).concat();
        let known = if cells[2] == "all of them" { vec!["all".to_owned()] } else { names(cells[2]) };
        shown.insert(room, known);
    }
    let expected: BTreeMap<_, _> = ROOMS
        .iter()
        .map(|(room, known)| {
            let mut known: Vec<_> = known.iter().map(ToString::to_string).collect();
            known.sort();
            (room.to_string(), if *room == "tool" { vec!["all".to_owned()] } else { known })
        })
        .collect();
    assert_eq!(shown, expected);
}

/// Rows of the table under "Dependencies": `| `memchr` | … |`. Those of tests and builds alone are among them.
#[test]
fn the_architecture_page_names_every_dependency() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("ARCHITECTURE.md")).expect("ARCHITECTURE.md is there");
    let chapter = page.split("\n## Dependencies\n").nth(1).expect("the page has that chapter");
    let chapter = chapter.split("\n## ").next().unwrap_or_default();
    let mut shown = Vec::new();
    for row in chapter.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        assert!(!cells[2].is_empty(), "{row}: what it is for");
        shown.extend(cells[1].split('`').skip(1).step_by(2).map(ToString::to_string));
    }
    shown.sort();
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).expect("Cargo.toml is there");
    let (mut expected, mut is_in_dependencies) = (Vec::new(), false);
    for line in manifest.lines() {
        if let Some(section) = line.strip_prefix('[') {
            is_in_dependencies = section.trim_end_matches(']').ends_with("dependencies");
        } else if is_in_dependencies && let Some((name, _)) = line.split_once(" = ") {
            expected.push(name.to_owned());
        }
    }
    assert!(expected.len() > 10, "the dependencies were not found");
    expected.sort();
    expected.dedup();
    assert_eq!(shown, expected);
}

/// Whatever is listed is of use: its name stands in the sources, the tests or the benchmarks.
#[test]
fn every_dependency_is_used() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).expect("Cargo.toml is there");
    let dependencies = manifest.split("\n[dependencies]\n").nth(1).expect("there are dependencies");
    let dependencies = dependencies.split("\n[").next().unwrap_or_default();
    let names: Vec<_> = dependencies.lines().filter_map(|line| line.split_once(" = ")).collect();
    let sources = sources();
    for (name, _) in names {
        let path = format!("{}::", name.replace('-', "_"));
        assert!(sources.iter().any(|source| source.text.contains(&path)), "{name} is used nowhere");
    }
}

#[test]
fn paths_are_read_out_of_imports() {
    for (text, expected) in [
        ("use crate::http::Head;", vec!["http"]),
        ("use crate::{Error, http::{Head, Field}, record};", vec!["Error", "http", "record"]),
        ("fn f(x: gor_tools::tcp::Seq)", vec!["tcp"]),
        ("use super::super::pace;", vec!["pace"]),
        ("use super::block::Block;", vec![]),
    ] {
        let module = vec!["record".to_owned(), "reader".to_owned()];
        let source = Source { path: PathBuf::new(), module, text: text.to_owned() };
        assert_eq!(source.names(), expected, "{text}");
    }
}

/// The type that a line defines.
fn defined_type(line: &str) -> Option<String> {
    let line = line.trim_start();
    let line = line.strip_prefix("pub").map_or(line, |rest| match rest.strip_prefix('(') {
        Some(scope) => scope.split_once(')').map_or(rest, |(_, rest)| rest),
        None => rest,
    });
    let definition = ["struct ", "enum ", "trait ", "union "];
    let rest = definition.iter().find_map(|start| line.trim_start().strip_prefix(start))?;
    Some(word(rest))
}

#[test]
fn the_name_of_a_type_leads_to_one_place() {
    let mut places: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for source in sources() {
        // What stands in for a part that was left out of the build has the names of that part.
        if source.module.last().is_some_and(|name| name.ends_with("absent")) {
            continue;
        }
        for name in source.text.lines().filter_map(defined_type) {
            places.entry(name).or_default().push(source.path.clone());
        }
    }
    // Each tool has its command line.
    places.remove("Args");
    places.retain(|_, places| places.len() > 1);
    assert!(places.is_empty(), "{places:#?}");
}
