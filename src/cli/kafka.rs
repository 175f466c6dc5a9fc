//! How brokers of Kafka are talked to: options, and the environment for those that are not given.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::endpoint::{KafkaAddress, KafkaSettings, Sasl};
use crate::{Error, Result};

/// Bytes of a password file that are looked at; a larger one holds something else.
const MAX_PASSWORD: usize = 4096;

/// Who we are to brokers, and whom we trust.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Kafka")]
#[allow(clippy::doc_markdown, reason = "these are help texts")]
pub struct KafkaOptions {
    /// Use TLS, and trust the certificate authorities in FILE [env: KAFKA_CA]
    ///
    /// "system" trusts those that the system trusts. Options of Kafka apply to all kafka:// places of the command.
    #[arg(
        long,
        visible_alias = "kafka-tls-ca-cert",
        value_name = "FILE",
        value_hint = clap::ValueHint::FilePath,
        hide_short_help = true
    )]
    pub kafka_ca: Option<PathBuf>,
    /// Use TLS with this client certificate in PEM [env: KAFKA_CERT]
    #[arg(
        long,
        visible_alias = "kafka-tls-client-cert",
        value_name = "FILE",
        value_hint = clap::ValueHint::FilePath,
        hide_short_help = true
    )]
    pub kafka_cert: Option<PathBuf>,
    /// Use this key for the client certificate, in PEM [env: KAFKA_KEY]
    #[arg(
        long,
        visible_alias = "kafka-tls-client-key",
        value_name = "FILE",
        value_hint = clap::ValueHint::FilePath,
        hide_short_help = true
    )]
    pub kafka_key: Option<PathBuf>,
    /// Authenticate as USER [env: KAFKA_USERNAME]
    #[arg(long, value_name = "USER", hide_short_help = true)]
    pub kafka_username: Option<String>,
    /// Read the password from the first line of FILE [env: KAFKA_PASSWORD_FILE]
    ///
    /// Without a file, the password is taken from the environment: KAFKA_PASSWORD.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, hide_short_help = true)]
    pub kafka_password_file: Option<PathBuf>,
    /// Authenticate with MECHANISM [env: KAFKA_SASL]
    ///
    /// With plain, the broker sees the password; without TLS, so does everybody on the way.
    #[arg(long, value_name = "MECHANISM", value_enum, hide_short_help = true)]
    pub kafka_sasl: Option<Mechanism>,
}

/// How a user authenticates.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum Mechanism {
    /// PLAIN: the password itself.
    #[value(name = "plain")]
    Plain,
    /// SCRAM-SHA-256: a proof of knowing the password.
    #[value(name = "scram-sha-256")]
    Scram256,
    /// SCRAM-SHA-512: the same with SHA-512.
    #[value(name = "scram-sha-512")]
    Scram512,
}

impl From<Mechanism> for Sasl {
    fn from(mechanism: Mechanism) -> Self {
        match mechanism {
            Mechanism::Plain => Sasl::Plain,
            Mechanism::Scram256 => Sasl::Scram256,
            Mechanism::Scram512 => Sasl::Scram512,
        }
    }
}

/// When reading topics ends.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Kafka")]
pub struct KafkaInput {
    /// Stop at the end that kafka:// inputs have at the start
    ///
    /// Without it, a topic is read on until interrupted.
    #[arg(long, hide_short_help = true)]
    pub exit_at_end: bool,
}

impl KafkaOptions {
    /// The same in the library's words, for a command that reads and writes these places. Options without any place
    /// that they are about are refused; the environment is for whom it concerns.
    pub fn settings<'i, 'o>(
        &self,
        exits_at_end: bool,
        inputs: impl IntoIterator<Item = &'i String>,
        outputs: impl IntoIterator<Item = &'o String>,
    ) -> Result<KafkaSettings> {
        let reads = inputs.into_iter().any(|name| KafkaAddress::input(name).is_some());
        let writes = outputs.into_iter().any(|name| KafkaAddress::output(name).is_some());
        if exits_at_end && !reads {
            return Err(Error::Usage("--exit-at-end applies to kafka:// inputs, and none is given".into()));
        }
        if reads || writes {
            return self.gather(exits_at_end, |name| env::var_os(name));
        }
        match self.first_given() {
            Some(option) => {
                Err(Error::Usage(format!("{option} applies to kafka:// places, and none is given")))
            }
            None => Ok(KafkaSettings::default()),
        }
    }

    fn first_given(&self) -> Option<&'static str> {
        let given = [
            (self.kafka_ca.is_some(), "--kafka-ca"),
            (self.kafka_cert.is_some(), "--kafka-cert"),
            (self.kafka_key.is_some(), "--kafka-key"),
            (self.kafka_username.is_some(), "--kafka-username"),
            (self.kafka_password_file.is_some(), "--kafka-password-file"),
            (self.kafka_sasl.is_some(), "--kafka-sasl"),
        ];
        given.into_iter().find(|(is_given, _)| *is_given).map(|(_, option)| option)
    }

    fn gather(&self, exits_at_end: bool, env: impl Fn(&str) -> Option<OsString>) -> Result<KafkaSettings> {
        let wrong = |text: &str| Error::Usage(text.to_owned());
        // An empty variable is as good as none.
        let env = |name: &str| env(name).filter(|value| !value.is_empty());
        let text = |name: &str| {
            let value = env(name).map(OsString::into_string).transpose();
            value.map_err(|_| Error::Usage(format!("{name} is not UTF-8")))
        };
        let path =
            |given: &Option<PathBuf>, name: &str| given.clone().or_else(|| env(name).map(PathBuf::from));
        let ca = path(&self.kafka_ca, "KAFKA_CA");
        let identity = match (path(&self.kafka_cert, "KAFKA_CERT"), path(&self.kafka_key, "KAFKA_KEY")) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => {
                return Err(wrong(
                    "--kafka-cert and --kafka-key (or KAFKA_CERT and KAFKA_KEY) need each other",
                ));
            }
        };
        let sasl = match (self.kafka_sasl, text("KAFKA_SASL")?) {
            (Some(given), _) => Some(given),
            (None, None) => None,
            (None, Some(name)) => Some(
                <Mechanism as clap::ValueEnum>::from_str(&name, true)
                    .map_err(|_| wrong("KAFKA_SASL: expected plain, scram-sha-256 or scram-sha-512"))?,
            ),
        };
        let user =
            self.kafka_username.clone().map_or_else(|| text("KAFKA_USERNAME"), |user| Ok(Some(user)))?;
        let user = match (user, sasl) {
            (Some(user), Some(sasl)) => {
                let password = match path(&self.kafka_password_file, "KAFKA_PASSWORD_FILE") {
                    Some(file) => read_password(&file)?,
                    None => text("KAFKA_PASSWORD")?.ok_or_else(|| {
                        wrong("--kafka-username needs a password: give --kafka-password-file, or set KAFKA_PASSWORD_FILE or KAFKA_PASSWORD")
                    })?,
                };
                Some((user, password, sasl.into()))
            }
            (Some(_), None) => {
                return Err(wrong(
                    "--kafka-username needs --kafka-sasl (or KAFKA_SASL): plain, scram-sha-256 or scram-sha-512",
                ));
            }
            (None, Some(_)) => return Err(wrong("--kafka-sasl (or KAFKA_SASL) needs --kafka-username")),
            (None, None) if self.kafka_password_file.is_some() => {
                return Err(wrong("--kafka-password-file needs --kafka-username and --kafka-sasl"));
            }
            (None, None) => None,
        };
        Ok(KafkaSettings { ca, identity, user, exits_at_end })
    }
}

/// The first line of a file. Nothing of it is in an error.
pub(super) fn read_password(file: &Path) -> Result<String> {
    let place = file.display().to_string();
    let text = std::fs::read(file).map_err(|error| Error::from(error).at(place.as_str()))?;
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let password = str::from_utf8(line)
        .ok()
        .filter(|line| !line.is_empty() && line.len() <= MAX_PASSWORD && !line.contains('\0'));
    password
        .map(ToOwned::to_owned)
        .ok_or_else(|| Error::Usage(format!("{place}: the first line is not a password")))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn gathered(options: &KafkaOptions, env: &[(&str, &str)]) -> Result<KafkaSettings> {
        options.gather(false, |name| {
            let found = env.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.into())
        })
    }

    #[test]
    fn what_is_not_given_comes_from_the_environment() {
        let env = [
            ("KAFKA_CA", "ca"),
            ("KAFKA_CERT", "cert"),
            ("KAFKA_KEY", "key"),
            ("KAFKA_USERNAME", "me"),
            ("KAFKA_PASSWORD", "secret"),
            ("KAFKA_SASL", "SCRAM-SHA-512"),
        ];
        let mut options = KafkaOptions::default();
        let settings = gathered(&options, &env).expect("it is all there");
        let expected = KafkaSettings {
            ca: Some("ca".into()),
            identity: Some(("cert".into(), "key".into())),
            user: Some(("me".into(), "secret".into(), Sasl::Scram512)),
            exits_at_end: false,
        };
        assert!(settings == expected);
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(b"other\r\nmore").expect("it is written");
        options.kafka_password_file = Some(file.path().to_owned());
        options.kafka_username = Some("you".into());
        options.kafka_sasl = Some(Mechanism::Plain);
        let settings = gathered(&options, &env).expect("it is all there");
        assert!(settings.user == Some(("you".into(), "other".into(), Sasl::Plain)));
        assert!(
            gathered(&KafkaOptions::default(), &[("KAFKA_CA", "")]).expect("nothing")
                == KafkaSettings::default()
        );
    }

    #[test]
    fn halves_are_refused_without_a_word_of_the_password() {
        for (env, why) in [
            (&[("KAFKA_CERT", "c")][..], "need each other"),
            (&[("KAFKA_USERNAME", "me"), ("KAFKA_PASSWORD", "secret")], "--kafka-sasl"),
            (&[("KAFKA_USERNAME", "me"), ("KAFKA_SASL", "plain")], "--kafka-password-file"),
            (&[("KAFKA_SASL", "plain")], "needs --kafka-username"),
            (&[("KAFKA_SASL", "secret"), ("KAFKA_USERNAME", "me")], "KAFKA_SASL: expected plain"),
        ] {
            let error = gathered(&KafkaOptions::default(), env).expect_err(why);
            let text = error.to_string();
            assert!(text.contains(why) && error.is_usage() && !text.contains("secret"), "{text}");
        }
    }

    #[test]
    fn options_without_a_place_are_refused() {
        let options = KafkaOptions { kafka_ca: Some("x".into()), ..KafkaOptions::default() };
        let (file, topic) = (vec!["a.gor".to_owned()], vec!["kafka://a/t".to_owned()]);
        assert!(
            options.settings(false, &file, &file).expect_err("no topic").to_string().contains("--kafka-ca")
        );
        assert!(options.settings(false, &file, &topic).is_ok());
        let text = options.settings(true, &file, &topic).expect_err("no topic is read").to_string();
        assert!(text.contains("--exit-at-end"), "{text}");
        assert!(options.settings(true, &topic, &file).is_ok());
    }
}
