//! `gor file-server ADDRESS`: the files of the current directory over HTTP, to have something to replay against.

use std::ffi::{OsStr, OsString};
use std::net::TcpListener;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;

use crate::Error;
use crate::cli::{Exit, note, signals, values};
use crate::http::query;
use crate::observe::{Page, PageRequest, serve_pages};

/// How often it is looked whether to end.
const LOOK: Duration = Duration::from_millis(100);

/// Media types by the ends of names; anything else is bytes.
const TYPES: [(&str, &str); 11] = [
    ("html", "text/html; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("json", "application/json"),
    ("txt", "text/plain; charset=utf-8"),
    ("xml", "text/xml; charset=utf-8"),
    ("svg", "image/svg+xml"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("gif", "image/gif"),
    ("gor", "text/plain; charset=utf-8"),
];

/// Serves until it is told to end.
pub(super) fn run(words: &[OsString]) -> anyhow::Result<Exit> {
    let [address] = words else {
        let what = if words.is_empty() { "needs an address" } else { "takes one address" };
        let text = format!("file-server {what} to listen at, as in gor file-server :8000");
        return Err(Error::Invalid(text).into());
    };
    let address = address.to_str().unwrap_or_default();
    let any = if address.starts_with(':') { format!("0.0.0.0{address}") } else { address.to_owned() };
    let parsed = values::listen_address(&any)
        .map_err(|reason| Error::Invalid(format!("file-server {address:?}: {reason}")))?;
    let stop = signals::stop()?;
    let listener = TcpListener::bind(parsed).with_context(|| format!("file-server {address}"))?;
    let at = listener.local_addr()?;
    let folder = std::env::current_dir().context("the current directory")?;
    note(format_args!("serving {} at http://{at}/", folder.display()));
    serve_pages(listener, move |request: PageRequest<'_>| page(&folder, request.path))?;
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(LOOK);
    }
    Ok(Exit::Done)
}

/// The file or the list of files that a path means; nothing above the folder.
fn page(folder: &Path, path: &str) -> Page {
    let not_found = || Page::refusal("404 Not Found", "there is no such file");
    let decoded = query::percent_decoded(path.as_bytes());
    let Ok(name) = std::str::from_utf8(&decoded) else { return not_found() };
    let name = Path::new(name.trim_start_matches('/'));
    if !name.components().all(|part| matches!(part, Component::Normal(_))) {
        return not_found();
    }
    let mut found = folder.join(name);
    // A link may lead out of the folder.
    let is_inside = |path: &PathBuf| {
        folder.canonicalize().and_then(|folder| Ok(path.canonicalize()?.starts_with(folder))).unwrap_or(false)
    };
    if !is_inside(&found) {
        return not_found();
    }
    if found.is_dir() {
        let index = found.join("index.html");
        if !index.is_file() {
            return list(&found).unwrap_or_else(|_| not_found());
        }
        found = index;
    }
    let end = found.extension().and_then(OsStr::to_str).unwrap_or_default();
    let kind = TYPES
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(end))
        .map_or("application/octet-stream", |(_, kind)| kind);
    match std::fs::read(&found) {
        Ok(body) => Page::new(kind, body),
        Err(error) => Page::refusal("403 Forbidden", error),
    }
}

/// The names in a folder, one a line.
fn list(folder: &Path) -> std::io::Result<Page> {
    let mut names = Vec::new();
    for entry in folder.read_dir()? {
        let entry = entry?;
        let slash = if entry.path().is_dir() { "/" } else { "" };
        names.push(format!("{}{slash}\n", entry.file_name().to_string_lossy()));
    }
    names.sort();
    Ok(Page::new("text/plain; charset=utf-8", names.concat()))
}
