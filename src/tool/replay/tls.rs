//! The options of `gor-replay` that are about TLS.

use std::path::PathBuf;

use crate::tls::TlsOptions;

/// How https targets are spoken to.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "TLS")]
pub struct TlsArgs {
    /// Trust the certificates in FILE (PEM, repeatable) instead of the system's
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, hide_short_help = true)]
    pub ca_cert: Vec<PathBuf>,
    /// Present the certificate in FILE (PEM) to targets that ask for one
    #[arg(
        long,
        value_name = "FILE",
        requires = "client_key",
        value_hint = clap::ValueHint::FilePath,
        hide_short_help = true
    )]
    pub client_cert: Option<PathBuf>,
    /// Private key (PEM) of the certificate in --client-cert
    #[arg(
        long,
        value_name = "FILE",
        requires = "client_cert",
        value_hint = clap::ValueHint::FilePath,
        hide_short_help = true
    )]
    pub client_key: Option<PathBuf>,
    /// Accept any certificate
    #[arg(long, conflicts_with = "ca_cert", hide_short_help = true)]
    pub skip_verify: bool,
    /// Ask for the certificate of NAME instead of that of the target's host
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pub sni: Option<String>,
}

impl TlsArgs {
    /// The name of an option that was given.
    pub(super) fn first_given(&self) -> Option<&'static str> {
        let given = [
            (!self.ca_cert.is_empty(), "--ca-cert"),
            (self.client_cert.is_some(), "--client-cert"),
            (self.skip_verify, "--skip-verify"),
            (self.sni.is_some(), "--sni"),
        ];
        given.into_iter().find(|(is_given, _)| *is_given).map(|(_, name)| name)
    }

    /// The same in the library's words.
    pub fn options(&self) -> TlsOptions {
        TlsOptions {
            ca_certificates: self.ca_cert.clone(),
            client_certificate: self.client_cert.clone().zip(self.client_key.clone()),
            skips_verification: self.skip_verify,
            server_name: self.sni.clone(),
        }
    }
}
