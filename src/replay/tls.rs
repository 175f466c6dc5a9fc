//! TLS to one target.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use super::target::{Target, TargetProtocol};
use crate::tls::{TlsOptions, client_config};
use crate::{Error, Result};

/// What is spoken over TLS, as ALPN names it.
pub(super) const HTTP: &[u8] = b"http/1.1";

/// What a TLS connection to one target begins with. Sessions are resumed among its connections.
#[derive(Clone, Debug)]
pub(super) struct TlsClient {
    pub(super) config: Arc<ClientConfig>,
    pub(super) name: ServerName<'static>,
}

impl TlsClient {
    /// What a target needs; nothing if it is not spoken to by TLS.
    pub(super) fn new(target: &Target, options: &TlsOptions) -> Result<Option<Self>> {
        if target.protocol() != TargetProtocol::Https {
            return Ok(None);
        }
        let name = options.server_name.as_deref().unwrap_or(target.host());
        let name = ServerName::try_from(name.to_owned()).map_err(|_| {
            Error::Usage(format!("{name:?} is not a name that a certificate can have; see --sni"))
        })?;
        let mut config = client_config(options)?;
        config.alpn_protocols = vec![HTTP.to_vec()];
        Ok(Some(TlsClient { config: Arc::new(config), name }))
    }
}
