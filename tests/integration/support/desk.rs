//! A folder in which `gor` is run.

use std::fs;
use std::path::PathBuf;

use super::program::{Ran, command};
use super::replayer::{OK, record};

/// A folder to work in, and gor in it.
pub(crate) struct Desk(tempfile::TempDir);

impl Desk {
    pub(crate) fn new() -> Self {
        Desk(tempfile::tempdir().expect("a folder"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).expect("it can be written");
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).expect("it is there");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
        names.sort();
        names
    }

    pub(crate) fn gor(&self, args: &[&str]) -> Ran {
        let output = command("gor", args).current_dir(self.0.path()).output().expect("it starts");
        Ran::new("gor", args, output)
    }
}

/// An exchange: a request and its response, a millisecond later.
pub(crate) fn exchange(number: u8, at: i64, path: &str) -> Vec<u8> {
    let id = format!("{number:024x}");
    let request = format!("GET {path} HTTP/1.1\r\nHost: recorded.example\r\n\r\n");
    [record(1, &id, at * 1_000_000, request.as_bytes()), record(2, &id, (at + 1) * 1_000_000, OK)].concat()
}
