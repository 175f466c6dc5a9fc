//! A broker of Kafka for all tests, topics on it, and kcat as a client that is not ours.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::skip::skip;

/// How long anything may take on a machine with other work.
const PATIENCE: Duration = Duration::from_mins(2);

/// A message as kcat has read it.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Message {
    pub(crate) partition: u32,
    pub(crate) key: String,
    pub(crate) value: Vec<u8>,
}

/// A broker.
pub(crate) struct Broker {
    folder: PathBuf,
}

/// The broker of all tests, which ends with them. None where it cannot be had.
pub(crate) fn broker() -> Option<&'static Broker> {
    static BROKER: OnceLock<Option<Broker>> = OnceLock::new();
    BROKER.get_or_init(|| Broker::start("shared")).as_ref()
}

impl Broker {
    /// A broker of its own, which ends with this process at the latest.
    pub(crate) fn start(name: &str) -> Option<Self> {
        if !has_programs() {
            return None;
        }
        let fetched = script(&jars(), "fetch");
        // Of this process alone: another run of the tests has its own.
        let broker = Broker { folder: jars().join(format!("{name}-{}", std::process::id())) };
        let _ = std::fs::remove_dir_all(&broker.folder);
        for ran in [fetched, script(&broker.folder, "up")] {
            if !ran.status.success() {
                skip(format_args!("Kafka does not work here: {ran:?}"));
                return None;
            }
        }
        Some(broker)
    }

    /// The broker's process is killed, so that it can say nothing to anybody.
    pub(crate) fn kill(&self) {
        let pid = std::fs::read_to_string(self.folder.join("pid")).expect("its process");
        let killed = Command::new("kill").args(["-KILL", pid.trim()]).status().expect("kill runs");
        assert!(killed.success());
    }

    /// It is started anew, with what it had written.
    pub(crate) fn restart(&self) {
        let ran = script(&self.folder, "up");
        assert!(ran.status.success(), "{ran:?}");
    }

    /// `127.0.0.1:PORT` of a listener.
    pub(crate) fn address(&self, listener: &str) -> String {
        let ports = std::fs::read_to_string(self.folder.join("ports")).expect("its ports");
        let port = ports.lines().find_map(|line| line.strip_prefix(listener)?.strip_prefix('='));
        format!("127.0.0.1:{}", port.expect("a listener"))
    }

    /// A file of its certificates.
    pub(crate) fn certificate(&self, name: &str) -> String {
        self.folder.join("tls").join(name).to_str().expect("text").to_owned()
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.address("PLAINTEXT"));
        config
    }

    /// A new topic.
    pub(crate) fn topic(&self, partitions: i32) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("topic-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let admin: AdminClient<DefaultClientContext> = self.config().create().expect("a client");
        let topic = NewTopic::new(&name, partitions, TopicReplication::Fixed(1));
        let created = wait(Box::pin(admin.create_topics([&topic], &AdminOptions::new())));
        created.expect("the broker answers").into_iter().for_each(|topic| drop(topic.expect("a topic")));
        name
    }

    /// The name of a topic as a place.
    pub(crate) fn place(&self, topic: &str, query: &str) -> String {
        format!("kafka://{}/{topic}{query}", self.address("PLAINTEXT"))
    }

    /// Waits until a group has committed this offset of partition 0.
    pub(crate) fn await_committed(&self, group: &str, topic: &str, offset: i64) {
        let client: BaseConsumer = self.config().set("group.id", group).create().expect("a client");
        let mut list = TopicPartitionList::new();
        list.add_partition(topic, 0);
        await_that("the offset is committed", || {
            let found = client.committed_offsets(list.clone(), Duration::from_secs(10)).expect("an answer");
            found.elements()[0].offset() == Offset::Offset(offset)
        });
    }

    fn kcat(&self, args: &[&str]) -> Vec<u8> {
        let broker = self.address("PLAINTEXT");
        let ran = Command::new("kcat").args(["-q", "-b", &broker]).args(args).stdin(Stdio::null()).output();
        let ran = ran.expect("kcat runs");
        assert!(ran.status.success(), "{ran:?}");
        ran.stdout
    }

    /// kcat writes these values, a message each.
    pub(crate) fn produce(&self, topic: &str, partition: u32, values: &[Vec<u8>]) {
        let folder = tempfile::tempdir().expect("a folder");
        let paths: Vec<_> = (0..values.len())
            .map(|number| folder.path().join(number.to_string()).to_str().expect("text").to_owned())
            .collect();
        for (path, value) in paths.iter().zip(values) {
            std::fs::write(path, value).expect("a file");
        }
        let partition = partition.to_string();
        let args = ["-P", "-t", topic, "-p", &partition];
        self.kcat(&[&args[..], &paths.iter().map(String::as_str).collect::<Vec<_>>()].concat());
    }

    /// All messages of a topic, as kcat reads them: in the order of their partitions.
    pub(crate) fn messages(&self, topic: &str) -> Vec<Message> {
        let read = self.kcat(&["-C", "-t", topic, "-o", "beginning", "-e", "-f", "%p %k %S\n%s"]);
        let (mut messages, mut rest) = (Vec::new(), &read[..]);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line = str::from_utf8(&rest[..end]).expect("text");
            let words: Vec<_> = line.split(' ').collect();
            let (value, after) = rest[end + 1..].split_at(words[2].parse().expect("a length"));
            let partition = words[0].parse().expect("a number");
            messages.push(Message { partition, key: words[1].to_owned(), value: value.to_vec() });
            rest = after;
        }
        messages.sort_by_key(|message| message.partition);
        messages
    }
}

/// Three brokers, each with all that is written.
pub(crate) struct Cluster {
    folder: tempfile::TempDir,
}

impl Cluster {
    /// None where they cannot be had.
    pub(crate) fn start() -> Option<Self> {
        if !has_programs() {
            return None;
        }
        let fetched = script(&jars(), "fetch");
        let cluster =
            Cluster { folder: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder") };
        if !fetched.status.success() {
            skip(format_args!("Kafka does not work here: {fetched:?}"));
            return None;
        }
        cluster.run(&["up"]);
        Some(cluster)
    }

    fn run(&self, args: &[&str]) {
        let ran =
            service("kafka_cluster.sh", self.folder.path()).args(args).output().expect("the script runs");
        assert!(ran.status.success(), "{ran:?}");
    }

    /// A broker is killed, so that it can say nothing to anybody.
    pub(crate) fn kill(&self, number: u32) {
        self.run(&["kill", &number.to_string()]);
    }

    /// It is started anew, with what it had written.
    pub(crate) fn restart(&self, number: u32) {
        self.run(&["start", &number.to_string()]);
    }

    fn brokers(&self) -> String {
        let brokers = std::fs::read_to_string(self.folder.path().join("brokers")).expect("their addresses");
        brokers.trim().to_owned()
    }

    /// A new topic, of which each broker has a copy.
    pub(crate) fn topic(&self, name: &str, partitions: i32) {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.brokers());
        let admin: AdminClient<DefaultClientContext> = config.create().expect("a client");
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(3));
        let created = wait(Box::pin(admin.create_topics([&topic], &AdminOptions::new())));
        created.expect("the brokers answer").into_iter().for_each(|topic| drop(topic.expect("a topic")));
    }

    /// The name of a topic as a place.
    pub(crate) fn place(&self, topic: &str, query: &str) -> String {
        format!("kafka://{}/{topic}{query}", self.brokers())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let ended = service("kafka_cluster.sh", self.folder.path()).arg("down").output();
        assert!(ended.is_ok_and(|ran| ran.status.success()) || thread::panicking(), "the brokers end");
    }
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn await_that(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "{what}: waited in vain");
        thread::sleep(Duration::from_millis(20));
    }
}

fn wait<F: Future + Unpin>(mut future: F) -> F::Output {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let mut output = None;
    await_that("an answer", || {
        if let std::task::Poll::Ready(ready) = std::pin::Pin::new(&mut future).poll(&mut context) {
            output = Some(ready);
        }
        output.is_some()
    });
    output.expect("it was awaited")
}

/// Whether what a broker is fetched and looked at with is there.
fn has_programs() -> bool {
    let is_there = |program: &&str| {
        let found = Command::new("which").arg(program).stdout(Stdio::null()).status();
        found.is_ok_and(|status| status.success())
    };
    let missing =
        ["mvn", "java", "python3", "openssl", "kcat"].into_iter().find(|program| !is_there(program));
    if let Some(program) = missing {
        skip(format_args!("Kafka needs {program}"));
    }
    missing.is_none()
}

fn jars() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("kafka")
}

fn script(folder: &Path, step: &str) -> Output {
    service("kafka.sh", folder).arg(step).output().expect("the script runs")
}

fn service(script: &str, folder: &Path) -> Command {
    let services = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/services");
    let mut command = Command::new(services.join(script));
    command.env("DIR", folder).env("LIB", jars().join("lib")).stdin(Stdio::null());
    command.env("UNTIL", std::process::id().to_string());
    command
}
