//! An S3 server that ends with the test, and tools that read from it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::program::{Ran, command};
use super::skip::skip;

/// A server with data of its own.
pub(crate) struct S3 {
    folder: tempfile::TempDir,
    port: u16,
}

impl S3 {
    /// None where it cannot be had.
    pub(crate) fn start() -> Option<Self> {
        for program in ["go", "curl", "python3", "flock"] {
            let found = Command::new("which").arg(program).stdout(Stdio::null()).status();
            if !found.is_ok_and(|status| status.success()) {
                skip(format_args!("the S3 server needs {program}"));
                return None;
            }
        }
        let shared = Path::new(env!("CARGO_TARGET_TMPDIR")).join("s3");
        let ran = script("install", &shared);
        if !ran.status.success() {
            skip(format_args!("the S3 server cannot be installed here: {ran:?}"));
            return None;
        }
        // It keeps what it knows of objects in extended attributes, which the system's folder may not have.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let ran = script("up", folder.path());
        assert!(ran.status.success(), "the server starts: {ran:?}");
        let port = std::fs::read_to_string(folder.path().join("port")).expect("its port");
        Some(S3 { folder, port: port.trim().parse().expect("a number") })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Puts objects into a bucket, which is made where it is not there.
    #[track_caller]
    pub(crate) fn put<K: AsRef<str>, C: AsRef<[u8]>>(&self, bucket: &str, objects: &[(K, C)]) {
        let folder = tempfile::tempdir().expect("a folder");
        for (key, content) in objects {
            let path = folder.path().join(key.as_ref());
            std::fs::create_dir_all(path.parent().expect("a folder above it")).expect("a folder");
            std::fs::write(path, content).expect("a file");
        }
        self.put_folder(bucket, folder.path());
    }

    /// Puts the files below a folder into a bucket, each under its path from there.
    #[track_caller]
    pub(crate) fn put_folder(&self, bucket: &str, folder: &Path) {
        self.put_as(bucket, folder, &[]);
    }

    #[track_caller]
    fn put_as(&self, bucket: &str, folder: &Path, how: &[&str]) {
        let mut put = Command::new(services().join("s3_put.py"));
        put.args([&self.port.to_string(), bucket]).arg(folder).args(how).stdin(Stdio::null());
        let ran = put.output().expect("the script runs");
        assert!(ran.status.success(), "{ran:?}");
    }

    /// Lets everybody read a bucket, and list it.
    #[track_caller]
    pub(crate) fn publish(&self, bucket: &str) {
        let empty = tempfile::tempdir().expect("a folder");
        self.put_as(bucket, empty.path(), &["public"]);
    }

    /// Ends the server at once.
    pub(crate) fn kill(&self) {
        let pid = std::fs::read_to_string(self.folder.path().join("pid")).expect("its id");
        let pid = rustix::process::Pid::from_raw(pid.trim().parse().expect("a number")).expect("an id");
        // It may have ended already.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        self.kill();
    }
}

fn services() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/services")
}

fn script(step: &str, folder: &Path) -> Output {
    let mut command = Command::new(services().join("s3.sh"));
    command.arg(step).env("DIR", folder).stdin(Stdio::null());
    if step != "install" {
        command.env("SERVER", Path::new(env!("CARGO_TARGET_TMPDIR")).join("s3/versitygw"));
    }
    // The server goes on, and must not keep pipes open.
    command.stdout(Stdio::null()).output().expect("the script runs")
}

/// A tool that reads from the server at this port with the right credentials, not started yet.
pub(crate) fn reading(port: u16, tool: &str, args: &[&str]) -> Command {
    let mut command = command(tool, args);
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"AWS_") {
            command.env_remove(name);
        }
    }
    // What the machine or its user has set is not looked at.
    command
        .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}"))
        .env("AWS_ACCESS_KEY_ID", "testkey")
        .env("AWS_SECRET_ACCESS_KEY", "testsecret")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .stdin(Stdio::null());
    command
}

/// Runs such a tool to its end.
pub(crate) fn read(port: u16, tool: &str, args: &[&str]) -> Ran {
    Ran::new(tool, args, reading(port, tool, args).output().expect("the tool runs"))
}
