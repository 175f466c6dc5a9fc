//! What goes wrong with brokers, in words.

use std::sync::{Mutex, PoisonError};

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

/// What the client library last said of its connections, which its errors do not tell.
#[derive(Debug, Default)]
pub(super) struct Causes(Mutex<Option<Cause>>);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Cause {
    /// A connection that is made again and may work then.
    Passing(String),
    /// What does not pass: TLS or a password.
    Lasting(String),
}

impl Causes {
    /// Takes note of a line of the library's log.
    pub(super) fn hear(&self, line: &str) {
        if let Some(cause) = cause(line) {
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // Of a connection that is refused, it is also said that none is left.
            if !matches!((&*known, &cause), (Some(Cause::Lasting(_)), Cause::Passing(_))) {
                *known = Some(cause);
            }
        }
    }

    /// Forgets what was: it works now.
    pub(super) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// What no patience helps against.
    pub(super) fn lasting(&self) -> Option<String> {
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(Cause::Lasting(why)) => Some(why.clone()),
            _ => None,
        }
    }

    /// An error in words.
    pub(super) fn explain(&self, error: &KafkaError, brokers: &str) -> String {
        let Some(code) = code(error) else {
            return match error {
                // The value that is wrong may be a secret.
                KafkaError::ClientConfig(_, why, key, _) => format!("{key}: {why}"),
                other => other.to_string(),
            };
        };
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match (code, known) {
            (code, Some(Cause::Lasting(why))) if is_connection(code) => why,
            (code, Some(Cause::Passing(why))) if is_connection(code) => {
                format!("no broker reachable at {brokers}: {why}")
            }
            (code, None) if is_connection(code) => format!("no broker reachable at {brokers}"),
            (code, _) => plain(code),
        }
    }
}

/// The number of an error.
pub(super) fn code(error: &KafkaError) -> Option<Code> {
    match error {
        KafkaError::MessageConsumption(code) | KafkaError::MessageConsumptionFatal(code) => Some(*code),
        other => other.rdkafka_error_code(),
    }
}

/// Whether it is about reaching brokers.
pub(super) fn is_connection(code: Code) -> bool {
    matches!(
        code,
        Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::OperationTimedOut
            | Code::MessageTimedOut
            | Code::TimedOutQueue
            | Code::Resolve
            | Code::SSL
            | Code::Authentication
            | Code::RequestTimedOut
            | Code::NetworkException
            | Code::PurgeQueue
            | Code::PurgeInflight
            | Code::NoOffset
            | Code::WaitingForCoordinator
    )
}

fn plain(code: Code) -> String {
    match code {
        Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition => {
            "the topic does not exist, or not this partition of it".into()
        }
        Code::SaslAuthenticationFailed => "authentication failed".into(),
        Code::UnsupportedSASLMechanism => {
            "authentication failed: the broker does not know this mechanism (--kafka-sasl)".into()
        }
        Code::TopicAuthorizationFailed => "not authorised to use this topic".into(),
        Code::GroupAuthorizationFailed => "not authorised to use this group".into(),
        Code::ClusterAuthorizationFailed | Code::TransactionalIdAuthorizationFailed => {
            "not authorised by the brokers".into()
        }
        Code::MessageSizeTooLarge => "it is larger than the broker takes (max.message.bytes)".into(),
        Code::NotEnoughReplicas | Code::NotEnoughReplicasAfterAppend => "too few replicas are there".into(),
        other => {
            // "Broker: …", "Local: …": whose words they are.
            let text = other.to_string();
            let text =
                text.split_once(": (").or_else(|| text.split_once(": ")).map_or(&*text, |(_, text)| text);
            text.trim_end_matches(')').to_owned()
        }
    }
}

/// What a line of the log says of a connection, if anything.
fn cause(line: &str) -> Option<Cause> {
    let after = |what: &str| {
        let (_, rest) = line.split_once(what)?;
        Some(rest.split(" (after").next().unwrap_or(rest).trim_end_matches('.').trim().to_owned())
    };
    if line.contains("SASL")
        && (line.contains("authentication error") || line.contains("Authentication failed"))
    {
        return Some(Cause::Lasting(
            "authentication failed: the broker refuses user, password or mechanism".into(),
        ));
    }
    if line.contains("Unsupported SASL") || line.contains("UNSUPPORTED_SASL_MECHANISM") {
        return Some(Cause::Lasting("authentication failed: the broker does not know this mechanism".into()));
    }
    if line.contains("certificate verify failed") {
        return Some(Cause::Lasting(
            "TLS: the certificate of the broker is not verified; --kafka-ca names whom to trust".into(),
        ));
    }
    if line.contains("SSL alert number")
        || line.contains("alert certificate")
        || line.contains("alert bad certificate")
    {
        return Some(Cause::Lasting(
            "TLS: the broker refuses our certificate, or wants one (--kafka-cert, --kafka-key)".into(),
        ));
    }
    if let Some(why) = after("SSL handshake failed: ") {
        return Some(Cause::Lasting(format!("TLS: {why}")));
    }
    if line.contains("security.protocol") {
        return Some(Cause::Passing(
            "the broker ends the connection; it may want TLS (--kafka-ca) or a user (--kafka-username)"
                .into(),
        ));
    }
    if line.contains("Failed to resolve") {
        return Some(Cause::Passing("the name is not known".into()));
    }
    if line.contains("Connection refused") {
        return Some(Cause::Passing("connection refused".into()));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_log_tell_what_errors_do_not() {
        for (line, expected) in [
            (
                "x: SASL authentication error: Authentication failed during authentication due to invalid credentials (after 5ms in state AUTH_REQ)",
                "authentication failed: the broker refuses user, password or mechanism",
            ),
            (
                "x: SSL handshake failed: ../ssl.c:1: certificate verify failed: broker certificate could not be verified (after 2ms in state SSL_HANDSHAKE)",
                "TLS: the certificate of the broker is not verified; --kafka-ca names whom to trust",
            ),
            (
                "x: SSL handshake failed: Disconnected: wrong version number (after 1ms in state SSL_HANDSHAKE)",
                "TLS: Disconnected: wrong version number",
            ),
            (
                "x: Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT)",
                "no broker reachable at b:1: connection refused",
            ),
            ("x: 1/1 brokers are down", "no broker reachable at b:1"),
        ] {
            let causes = Causes::default();
            causes.hear(line);
            causes.hear("Connect to ipv4#127.0.0.1:1 failed: nothing that is known");
            let error = KafkaError::MetadataFetch(Code::BrokerTransportFailure);
            assert_eq!(causes.explain(&error, "b:1"), expected);
        }
    }

    #[test]
    fn what_the_library_calls_local_or_broker_is_said_without_that() {
        let causes = Causes::default();
        let said = |code| causes.explain(&KafkaError::MessageProduction(code), "b");
        assert_eq!(said(Code::TopicAuthorizationFailed), "not authorised to use this topic");
        assert_eq!(said(Code::InvalidRecord), "Broker failed to validate record");
        let secret = KafkaError::ClientConfig(
            rdkafka::types::RDKafkaConfRes::RD_KAFKA_CONF_INVALID,
            "no".into(),
            "sasl.password".into(),
            "secret".into(),
        );
        assert_eq!(causes.explain(&secret, "b"), "sasl.password: no");
    }
}
