//! Groups of options about places over the network, and about TLS.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::values;
use crate::capture::Subnet;
use crate::endpoint::{ListenOptions, NetworkAddress, SendOptions, WebSocketOptions};
use crate::tls::{ServerTls, TlsOptions};
use crate::{Error, Result};

/// How inputs listen.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Listening inputs (tcp://, tls://, ws://, wss://)")]
pub struct ListenArgs {
    /// Certificate (PEM) of a tls:// or wss:// input, with those that vouch for it
    #[arg(
        long,
        value_name = "FILE",
        requires = "tls_key",
        value_hint = clap::ValueHint::FilePath,
        hide_short_help = true
    )]
    pub tls_cert: Option<PathBuf>,
    /// Private key (PEM) of the certificate in --tls-cert
    #[arg(
        long,
        value_name = "FILE",
        requires = "tls_cert",
        value_hint = clap::ValueHint::FilePath,
        hide_short_help = true
    )]
    pub tls_key: Option<PathBuf>,
    /// Accept only senders whose certificate one in FILE vouches for (PEM, repeatable)
    #[arg(
        long,
        value_name = "FILE",
        requires = "tls_cert",
        value_hint = clap::ValueHint::FilePath,
        hide_short_help = true
    )]
    pub client_ca: Vec<PathBuf>,
    /// Accept only senders in these networks, as 10.0.0.0/8 (repeatable)
    #[arg(long, value_name = "CIDR", value_delimiter = ',', hide_short_help = true)]
    pub allow: Vec<Subnet>,
}

impl ListenArgs {
    /// Refuses what says how to listen where no input does.
    pub fn check(&self, inputs: &[String]) -> Result<()> {
        let has = |scheme: &str| inputs.iter().any(|input| input.starts_with(scheme));
        if self.tls_cert.is_some() && !has("tls://") && !has("wss://") {
            return Err(Error::Usage(
                "--tls-cert applies to tls:// and wss:// inputs, and none is given".into(),
            ));
        }
        if !self.allow.is_empty() && !inputs.iter().any(|input| NetworkAddress::is_meant(input)) {
            let text = "--allow applies to tcp://, tls://, ws:// and wss:// inputs, and none is given";
            return Err(Error::Usage(text.into()));
        }
        Ok(())
    }

    /// The same in the library's words.
    pub fn options(&self) -> ListenOptions {
        let certificate = self.tls_cert.clone().zip(self.tls_key.clone());
        let tls = certificate.map(|certificate| ServerTls { certificate, client_ca: self.client_ca.clone() });
        ListenOptions { tls, allowed: self.allow.clone(), websocket: WebSocketOptions::default() }
    }
}

/// How servers are spoken to by TLS.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "TLS")]
pub struct TlsArgs {
    /// Trust the certificates in FILE (PEM, repeatable) instead of the system's
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, hide_short_help = true)]
    pub ca_cert: Vec<PathBuf>,
    /// Present the certificate in FILE (PEM) to servers that ask for one
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
}

impl TlsArgs {
    /// The name of an option that was given.
    pub fn first_given(&self) -> Option<&'static str> {
        let given = [
            (!self.ca_cert.is_empty(), "--ca-cert"),
            (self.client_cert.is_some(), "--client-cert"),
            (self.skip_verify, "--skip-verify"),
        ];
        given.into_iter().find(|(is_given, _)| *is_given).map(|(_, name)| name)
    }

    /// The same in the library's words.
    pub fn options(&self) -> TlsOptions {
        TlsOptions {
            ca_certificates: self.ca_cert.clone(),
            client_certificate: self.client_cert.clone().zip(self.client_key.clone()),
            skips_verification: self.skip_verify,
            server_name: None,
        }
    }
}

/// How outputs send.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Sending outputs (tcp://, tls://, ws://, wss://)")]
pub struct SendArgs {
    /// Send over N connections to each tcp://, tls://, ws:// or wss:// output [default: 1]
    #[arg(long, value_name = "N", value_parser = values::at_least_one, hide_short_help = true)]
    pub connections: Option<NonZeroUsize>,
    /// With --connections, send all records of a TCP connection over the same one
    #[arg(long, requires = "connections", hide_short_help = true)]
    pub sticky: bool,
}

impl SendArgs {
    /// The same in the library's words, with what else is known; `is_stopping` turns true when the tool is to end.
    pub fn options(&self, others: SendOptions, is_stopping: &Arc<AtomicBool>) -> SendOptions {
        SendOptions {
            connections: self.connections.unwrap_or(NonZeroUsize::MIN),
            is_sticky: self.sticky,
            is_stopping: Arc::clone(is_stopping),
            ..others
        }
    }
}
