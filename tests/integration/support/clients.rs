//! Programs from the registries of npm and pip: GoReplay's clients for middlewares, WebSockets, checkers of manifests.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use super::skip::skip;

/// Runs an installer; whether it could do its work.
fn installs(program: &str, args: &[&str], folder: &Path) -> bool {
    let run = Command::new(program).args(args).current_dir(folder).stdin(Stdio::null()).output();
    let is_done = run.as_ref().is_ok_and(|output| output.status.success());
    if !is_done {
        skip(format_args!("{program} {} did not work here: {run:?}", args.join(" ")));
    }
    is_done
}

/// A folder with a script for Node, and packages beside it, given with their versions. None where these cannot be
/// installed.
pub(crate) fn node_with(packages: &[&str], name: &str, script: &str) -> Option<TempDir> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let install = [&["install", "--no-audit", "--no-fund"], packages].concat();
    if !installs("npm", &install, folder.path()) {
        return None;
    }
    std::fs::write(folder.path().join(name), script).expect("the folder is writable");
    Some(folder)
}

/// A script with the client for Node beside it, and the command that runs it.
pub(crate) fn node(script: &str) -> Option<(TempDir, String)> {
    let folder = node_with(&["goreplay_middleware@1.0.0"], "middleware.js", script)?;
    let command = format!("node {}", folder.path().join("middleware.js").display());
    Some((folder, command))
}

/// Python with packages of its own.
pub(crate) struct Python {
    folder: TempDir,
}

impl Python {
    /// Runs a program that came with a package.
    pub(crate) fn run(&self, command: &[&str], folder: &Path) -> Output {
        let program = self.folder.path().join("venv/bin").join(command[0]);
        let run = Command::new(program).args(&command[1..]).current_dir(folder).stdin(Stdio::null()).output();
        run.expect("the program is there")
    }
}

/// Installs packages, given with their versions. None where that does not work.
pub(crate) fn python_with(packages: &[&str]) -> Option<Python> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let install = [&["install", "--quiet"], packages].concat();
    let is_there = installs("python3", &["-m", "venv", "venv"], folder.path())
        && installs("venv/bin/pip", &install, folder.path());
    is_there.then_some(Python { folder })
}

/// The same as [`node`] for Python.
pub(crate) fn python(script: &str) -> Option<(TempDir, String)> {
    let Python { folder } = python_with(&["gor==0.2.3"])?;
    let path = folder.path().join("middleware.py");
    std::fs::write(&path, script).expect("the folder is writable");
    let command = format!("{} {}", folder.path().join("venv/bin/python").display(), path.display());
    Some((folder, command))
}

/// A folder with a script for Node, and the package ws beside it. None where that cannot be installed.
pub(crate) fn node_websockets(script: &str) -> Option<TempDir> {
    node_with(&["ws@8.18.0"], "peer.js", script)
}
