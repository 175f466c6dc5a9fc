//! An S3 server that ends with the test, and tools that read from it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::program::{Ran, command};
use super::skip::skip;

/// The digest of no body, as the protocol wants it.
const NO_BODY: &str =
    "x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

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
        let mut server = S3 { folder, port: 0 };
        server.up();
        Some(server)
    }

    /// Starts it again, with the data it had; its port may be another one.
    pub(crate) fn up(&mut self) {
        let ran = script("up", self.folder.path());
        assert!(ran.status.success(), "the server starts: {ran:?}");
        let port = std::fs::read_to_string(self.folder.path().join("port")).expect("its port");
        self.port = port.trim().parse().expect("a number");
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

    /// Makes a bucket.
    #[track_caller]
    pub(crate) fn make(&self, bucket: &str) {
        let empty = tempfile::tempdir().expect("a folder");
        self.put_folder(bucket, empty.path());
    }

    /// All objects of a bucket with their contents, in the order of keys, as curl gets them.
    #[track_caller]
    pub(crate) fn objects(&self, bucket: &str) -> Vec<(String, Vec<u8>)> {
        let list = String::from_utf8(self.get(&format!("{bucket}?list-type=2"))).expect("XML is text");
        assert!(list.contains("<IsTruncated>false"), "one page: {list}");
        let keys = list.split("<Key>").skip(1).map(|rest| rest.split("</Key>").next().expect("an end"));
        keys.map(|key| (key.to_owned(), self.get(&format!("{bucket}/{key}")))).collect()
    }

    #[track_caller]
    fn get(&self, path: &str) -> Vec<u8> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~/?=".contains(&byte);
        let encode =
            |byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
        let path = path.bytes().map(encode).collect::<String>();
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--fail-with-body", "--aws-sigv4", "aws:amz:us-east-1:s3", "-H", NO_BODY]).args([
            "--user",
            "testkey:testsecret",
            &format!("http://127.0.0.1:{}/{path}", self.port),
        ]);
        let ran = curl.output().expect("curl runs");
        assert!(ran.status.success(), "{path}: {ran:?}");
        ran.stdout
    }

    /// The server's process.
    pub(crate) fn pid(&self) -> rustix::process::Pid {
        let pid = std::fs::read_to_string(self.folder.path().join("pid")).expect("its id");
        rustix::process::Pid::from_raw(pid.trim().parse().expect("a number")).expect("an id")
    }

    /// Ends the server at once.
    pub(crate) fn kill(&self) {
        // It may have ended already.
        let _ = rustix::process::kill_process(self.pid(), rustix::process::Signal::KILL);
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
