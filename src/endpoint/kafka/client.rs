//! What reading and writing have in common: how a client is set up, and finding the topic.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use rdkafka::client::{Client, ClientContext};
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use super::words::{Causes, code};
use super::{KafkaAddress, KafkaSettings};
use crate::{Error, Result};

/// How long is waited for brokers before it is looked what became of the connections.
const LOOK: Duration = Duration::from_millis(500);

/// The name of a certificate file that means what the system trusts.
const SYSTEM: &str = "system";

/// The settings of a client, and of its connections.
pub(super) fn config(address: &KafkaAddress, settings: &KafkaSettings) -> Result<ClientConfig> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &address.brokers)
        .set("client.id", "gor-tools")
        .set("socket.keepalive.enable", "true")
        .set("reconnect.backoff.max.ms", "2000")
        .set_log_level(RDKafkaLogLevel::Info);
    let protocol = match (settings.has_tls(), settings.user.is_some()) {
        (false, false) => "plaintext",
        (true, false) => "ssl",
        (false, true) => "sasl_plaintext",
        (true, true) => "sasl_ssl",
    };
    config.set("security.protocol", protocol);
    if let Some(ca) = settings.ca.as_ref().filter(|ca| ca.as_os_str() != SYSTEM) {
        config.set("ssl.ca.pem", text(ca)?);
    } else if settings.has_tls() {
        config.set("ssl.ca.pem", system_authorities()?);
    }
    if let Some((certificate, key)) = &settings.identity {
        config.set("ssl.certificate.pem", text(certificate)?);
        config.set("ssl.key.pem", text(key)?);
    }
    if let Some((user, password, sasl)) = &settings.user {
        config
            .set("sasl.mechanism", sasl.mechanism())
            .set("sasl.username", user)
            .set("sasl.password", password);
    }
    Ok(config)
}

/// A file in PEM. It is read here, as the library's own words for one that cannot be read are many, and as it may not be
/// readable any more when a client is started.
fn text(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| Error::from(error).at(path.display().to_string()))
}

/// The certificates of whom the system trusts, in PEM.
fn system_authorities() -> Result<String> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let why = found.errors.first().map_or(String::new(), |error| format!(": {error}"));
        return Err(Error::Invalid(format!(
            "this system has no certificates of authorities{why}; name a file"
        )));
    }
    let pem = found.certs.iter().map(|certificate| {
        let lines = BASE64_STANDARD.encode(certificate);
        format!("-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n")
    });
    Ok(pem.collect())
}

/// A client that could not be set up.
pub(super) fn cannot_start(address: &KafkaAddress, error: &KafkaError) -> Error {
    Error::Invalid(Causes::default().explain(error, &address.brokers)).at(address.to_string())
}

/// Waits until a broker tells of the topic; how many partitions it has. Meanwhile `serve` lets the library say what
/// becomes of its connections, and `is_over` tells whether waiting is to end: then there are no partitions.
pub(super) fn find_topic<C: ClientContext>(
    client: &Client<C>,
    address: &KafkaAddress,
    causes: &Causes,
    is_over: impl Fn() -> bool,
    serve: impl Fn(),
) -> Result<i32> {
    let deadline = Instant::now() + address.timeout;
    let fail = |why: String| Error::Invalid(why).at(address.to_string());
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let asked = client.fetch_metadata(Some(&address.topic), left.min(LOOK).max(Duration::from_millis(1)));
        let error = match asked {
            Ok(found) => {
                let topic = found.topics().first();
                match topic.map(|topic| (topic.error(), topic.partitions().len())) {
                    Some((None, partitions)) if partitions > 0 => {
                        causes.forget();
                        return Ok(i32::try_from(partitions).unwrap_or(i32::MAX));
                    }
                    Some((Some(error), _)) => KafkaError::MetadataFetch(error.into()),
                    _ => KafkaError::MetadataFetch(Code::UnknownTopicOrPartition),
                }
            }
            Err(error) => error,
        };
        serve();
        if is_over() {
            return Ok(0);
        }
        if let Some(why) = causes.lasting() {
            return Err(fail(why));
        }
        let passes = code(&error).is_some_and(|code| {
            super::words::is_connection(code) || matches!(code, Code::LeaderNotAvailable)
        });
        if !passes || left.is_zero() {
            return Err(fail(match code(&error) {
                Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => "the topic does not exist".into(),
                _ => causes.explain(&error, &address.brokers),
            }));
        }
        // What fails at once is not tried without pause.
        std::thread::sleep(Duration::from_millis(20));
    }
}
