//! How brokers are talked to: TLS, who we are, and when reading ends.

use std::fmt;
use std::path::PathBuf;

/// How a user shows to be one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sasl {
    /// By the password itself.
    Plain,
    /// By a proof of knowing it, with SHA-256.
    Scram256,
    /// The same with SHA-512.
    Scram512,
}

impl Sasl {
    /// The name that brokers know.
    pub fn mechanism(self) -> &'static str {
        match self {
            Sasl::Plain => "PLAIN",
            Sasl::Scram256 => "SCRAM-SHA-256",
            Sasl::Scram512 => "SCRAM-SHA-512",
        }
    }
}

/// What is not said by the name of a topic, as it is the same for all or secret.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct KafkaSettings {
    /// Certificates of whom is trusted; `system` is what the system trusts. With it connections are encrypted.
    pub ca: Option<PathBuf>,
    /// Our certificate, and the key to it.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// User, password, and how it is shown.
    pub user: Option<(String, String, Sasl)>,
    /// Whether reading ends with what is there at the start.
    pub exits_at_end: bool,
}

impl KafkaSettings {
    /// Whether connections are encrypted.
    pub fn has_tls(&self) -> bool {
        self.ca.is_some() || self.identity.is_some()
    }
}

/// Without the password.
impl fmt::Debug for KafkaSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaSettings")
            .field("ca", &self.ca)
            .field("identity", &self.identity)
            .field("user", &self.user.as_ref().map(|(user, _, sasl)| (user, sasl)))
            .field("exits_at_end", &self.exits_at_end)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        let user = Some(("me".to_owned(), "secret".to_owned(), Sasl::Plain));
        let shown = format!("{:?}", KafkaSettings { user, ..KafkaSettings::default() });
        assert!(shown.contains("me") && !shown.contains("secret"), "{shown}");
    }
}
