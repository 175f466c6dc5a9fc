//! What a command line comes to: inputs, what is done to their records, and outputs, each as the Unix tools have it.

mod inputs;
mod outputs;
mod remarks;
mod rules;

use std::time::Duration;

use super::flags::GivenFlags;
use crate::endpoint::{KafkaSettings, Sasl};
use crate::tls::ServerTls;
use crate::{Error, Result};

pub(super) use inputs::{Input, InputKind};
pub(super) use outputs::{
    IDLE_TIMEOUT, OutputPlace, PlaceKind, PlannedOutput, QUEUE_LENGTH, RESPONSE_BUFFER, ReplayServer,
    split_share,
};
pub(super) use rules::PlannedStep;

/// How often `--stats` and its like speak.
const STATS: Duration = Duration::from_secs(5);

/// Records among which the oldest comes next, unless told otherwise.
pub(super) const READ_DEPTH: usize = 100;

/// All that is to be done.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(super) struct Plan {
    pub(super) inputs: Vec<Input>,
    /// The program that records go through first.
    pub(super) middleware: Option<String>,
    /// What is done to the records then, in this order.
    pub(super) steps: Vec<PlannedStep>,
    pub(super) outputs: Vec<PlannedOutput>,
    /// Whether outputs take turns.
    pub(super) splits: bool,
    pub(super) keeps_sessions: bool,
    /// Whether replayed responses go to the outputs.
    pub(super) tracks_responses: bool,
    pub(super) prettifies: bool,
    pub(super) exit_after: Option<Duration>,
    pub(super) is_dry: bool,
    pub(super) verbosity: i64,
    pub(super) stats: Option<Duration>,
    /// How brokers are read and written.
    pub(super) kafka_input: KafkaSettings,
    pub(super) kafka_output: KafkaSettings,
    pub(super) read_depth: usize,
    pub(super) max_wait: Option<Duration>,
    /// What senders that want TLS are shown.
    pub(super) server_tls: Option<ServerTls>,
    /// What is to be said of flags that have nothing to do.
    pub(super) remarks: Vec<String>,
}

impl Plan {
    /// Understands the flags.
    pub(super) fn new(flags: &GivenFlags) -> Result<Plan> {
        check_words(flags)?;
        let inputs = inputs::inputs(flags)?;
        let steps = rules::steps(flags)?;
        let outputs = outputs::outputs(flags)?;
        if inputs.is_empty() || outputs.is_empty() {
            for direction in ["input", "output"] {
                let [topic, host] = ["topic", "host"].map(|what| format!("{direction}-kafka-{what}"));
                if flags.text(&topic).is_some() && flags.text(&host).is_none() {
                    return Err(Error::Usage(format!("--{topic} needs --{host}")));
                }
            }
            let what = match (inputs.is_empty(), outputs.is_empty()) {
                (true, true) => "an input and an output, as in gor --input-raw :80 --output-stdout",
                (true, false) => "an input, as --input-raw :80 or --input-file requests.gor",
                _ => "an output, as --output-stdout or --output-http staging.example.com",
            };
            return Err(Error::Invalid(format!("nothing to do: give {what}")));
        }
        let is_binary = flags.has("output-binary");
        let plan = Plan {
            middleware: flags.text("middleware").map(ToOwned::to_owned),
            splits: flags.is("split-output"),
            keeps_sessions: flags.is("recognize-tcp-sessions"),
            tracks_responses: flags.is("output-http-track-response")
                || is_binary && flags.is("output-binary-track-response"),
            prettifies: flags.is("prettify-http"),
            exit_after: flags.duration("exit-after").filter(|time| !time.is_zero()),
            is_dry: flags.is("input-file-dry-run"),
            verbosity: flags.number("verbose").unwrap_or(0),
            stats: stats(flags)?,
            kafka_input: kafka(flags, "input")?,
            kafka_output: kafka(flags, "output")?,
            server_tls: inputs::server_tls(flags)?,
            read_depth: usize::try_from(flags.number("input-file-read-depth").unwrap_or(READ_DEPTH as i64))
                .map_err(|_| {
                Error::Usage("--input-file-read-depth: expected 0 or more, as 100".into())
            })?,
            max_wait: flags.duration("input-file-max-wait").filter(|time| !time.is_zero()),
            remarks: remarks::remarks(flags),
            inputs,
            steps,
            outputs,
        };
        plan.check()?;
        Ok(plan)
    }

    fn check(&self) -> Result<()> {
        let has_files = self.inputs.iter().any(|input| matches!(input.kind, InputKind::Files { .. }));
        if self.is_dry && !has_files {
            return Err(Error::Usage(
                "--input-file-dry-run applies to --input-file, and none is given".into(),
            ));
        }
        Ok(())
    }

    /// Whether records go on when they are due, and not as fast as they are read.
    pub(super) fn is_paced(&self) -> bool {
        let repeats = |input: &Input| matches!(&input.kind, InputKind::Files { repeats: true, .. });
        self.inputs.iter().any(repeats) || self.outputs.iter().any(PlannedOutput::is_live)
    }
}

/// Refuses words that are none of those there are, also where nothing would be done with them.
fn check_words(flags: &GivenFlags) -> Result<()> {
    const WORDS: [(&str, &[&str]); 3] = [
        ("input-raw-protocol", &["http", "binary"]),
        ("input-raw-engine", &["libpcap", "raw_socket", "af_packet", "pcap_file", "vxlan"]),
        ("input-raw-timestamp-type", &["host", "host_lowprec", "host_hiprec", "adapter", "adapter_unsynced"]),
    ];
    for (name, words) in WORDS {
        if let Some(word) = flags.text(name).filter(|word| !words.contains(word)) {
            let words = words.join(", ");
            return Err(Error::Usage(format!("--{name} {word:?}: expected one of {words}")));
        }
    }
    Ok(())
}

/// How often to say what goes on.
pub(super) fn stats(flags: &GivenFlags) -> Result<Option<Duration>> {
    let asked = ["stats", "input-raw-stats", "output-tcp-stats", "output-ws-stats", "output-http-stats"];
    let milliseconds = flags.number("output-http-stats-ms");
    if milliseconds.is_some_and(|milliseconds| milliseconds < 100) {
        return Err(Error::Usage("--output-http-stats-ms: expected at least 100, as 5000".into()));
    }
    if !asked.iter().any(|name| flags.is(name)) {
        return Ok(None);
    }
    Ok(Some(milliseconds.map_or(STATS, |milliseconds| Duration::from_millis(milliseconds as u64))))
}

/// How brokers of one direction are talked to.
fn kafka(flags: &GivenFlags, direction: &str) -> Result<KafkaSettings> {
    let named = |what: &str| format!("{direction}-kafka-{what}");
    let path = |name: &str| flags.text(name).map(Into::into);
    let identity = match (path("kafka-tls-client-cert"), path("kafka-tls-client-key")) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        _ => {
            let text = "--kafka-tls-client-cert and --kafka-tls-client-key belong together";
            return Err(Error::Usage(text.into()));
        }
    };
    let mechanism = flags.text(&named("mechanism")).unwrap_or("PLAIN");
    let known = [Sasl::Plain, Sasl::Scram256, Sasl::Scram512];
    let sasl = known.into_iter().find(|sasl| sasl.mechanism().eq_ignore_ascii_case(mechanism));
    let sasl = sasl.ok_or_else(|| {
        let text = format!(
            "--{direction}-kafka-mechanism {mechanism:?}: expected PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"
        );
        Error::Usage(text)
    })?;
    let user = if flags.is(&named("use-sasl")) {
        let user = flags.text(&named("username"));
        let password = flags.text(&named("password"));
        let (Some(user), Some(password)) = (user, password) else {
            let text = format!(
                "--{direction}-kafka-use-sasl needs --{direction}-kafka-username and --{direction}-kafka-password"
            );
            return Err(Error::Usage(text));
        };
        Some((user.to_owned(), password.to_owned(), sasl))
    } else {
        None
    };
    Ok(KafkaSettings { ca: path("kafka-tls-ca-cert"), identity, user, exits_at_end: false })
}
