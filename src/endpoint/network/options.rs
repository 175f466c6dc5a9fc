//! How records are taken from the network, and sent over it.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::capture::Subnet;
use crate::tls::{ServerTls, TlsOptions};

/// How inputs listen.
#[derive(Clone, Debug, Default)]
pub struct ListenOptions {
    /// What `tls://` inputs prove themselves with.
    pub tls: Option<ServerTls>,
    /// Who may send. Empty: everybody.
    pub allowed: Vec<Subnet>,
}

/// How outputs send.
#[derive(Clone, Debug)]
pub struct SendOptions {
    /// Whom `tls://` outputs trust, and who we are.
    pub tls: TlsOptions,
    /// Connections to each output.
    pub connections: NonZeroUsize,
    /// Whether all records of a TCP connection go over the same of these.
    pub is_sticky: bool,
    /// Turns true when the tool is to end, and a receiver that is away is not waited for much longer.
    pub is_stopping: Arc<AtomicBool>,
}

impl Default for SendOptions {
    fn default() -> Self {
        SendOptions {
            tls: TlsOptions::default(),
            connections: NonZeroUsize::MIN,
            is_sticky: false,
            is_stopping: Arc::default(),
        }
    }
}
