//! What is said of flags that have nothing to do, as what they are about is not there: GoReplay takes them in silence.

use super::super::flags::GivenFlags;

/// Flags that begin so, and the flags of which one has to be there for them; the first that fits counts.
const GROUPS: [(&str, &[&str]); 21] = [
    // It is about these, whatever its name.
    ("output-tcp-response-buffer", &["output-binary"]),
    ("input-kafka-mechanism", &["input-kafka-use-sasl"]),
    ("input-kafka-username", &["input-kafka-use-sasl"]),
    ("input-kafka-password", &["input-kafka-use-sasl"]),
    ("output-kafka-mechanism", &["output-kafka-use-sasl"]),
    ("output-kafka-username", &["output-kafka-use-sasl"]),
    ("output-kafka-password", &["output-kafka-use-sasl"]),
    ("input-tcp-certificate", &["input-tcp-secure"]),
    ("output-http-stats-ms", &["output-http-stats", "stats"]),
    ("input-file", &["input-file"]),
    ("input-raw", &["input-raw"]),
    ("input-tcp", &["input-tcp"]),
    ("input-kafka", &["input-kafka-host"]),
    ("output-file", &["output-file"]),
    ("output-tcp", &["output-tcp"]),
    ("output-ws", &["output-ws"]),
    ("output-http", &["output-http"]),
    ("output-binary", &["output-binary"]),
    ("output-kafka", &["output-kafka-host"]),
    ("kafka-tls", &["input-kafka-host", "output-kafka-host"]),
    ("http-original-host", &["output-http"]),
];

/// Flags about packets of the network, which a capture file does not need.
const LIVE: [&str; 7] = [
    "input-raw-promisc",
    "input-raw-monitor",
    "input-raw-timestamp-type",
    "input-raw-ignore-interface",
    "input-raw-buffer-size",
    "input-raw-buffer-timeout",
    "input-raw-expire",
];

/// One line for each flag that is given for nothing.
pub(super) fn remarks(flags: &GivenFlags) -> Vec<String> {
    let mut remarks: Vec<String> = flags.names().filter_map(|name| of_group(flags, name)).collect();
    if flags.text("input-raw-engine") == Some("pcap_file") {
        let given = LIVE.iter().filter(|name| flags.has(name) && flags.has("input-raw"));
        remarks.extend(given.map(|name| format!("--{name} has nothing to do: a capture file is read")));
    }
    let speaks = |flag: &str, scheme: &str| flags.texts(flag).any(|text| text.starts_with(scheme));
    if flags.has("output-tcp-skip-verify")
        && flags.has("output-tcp")
        && !flags.is("output-tcp-secure")
        && !speaks("output-tcp", "tls://")
    {
        remarks
            .push("--output-tcp-skip-verify has nothing to do: there is no --output-tcp-secure".to_owned());
    }
    if flags.has("output-ws-skip-verify") && flags.has("output-ws") && !speaks("output-ws", "wss://") {
        remarks.push("--output-ws-skip-verify has nothing to do: there is no wss://".to_owned());
    }
    remarks
}

fn of_group(flags: &GivenFlags, name: &str) -> Option<String> {
    let (_, bases) = GROUPS.iter().find(|(group, _)| name.starts_with(group))?;
    let is_there = bases.iter().any(|base| flags.has(base));
    (!is_there).then(|| format!("--{name} has nothing to do: there is no --{}", bases.join(" or --")))
}
