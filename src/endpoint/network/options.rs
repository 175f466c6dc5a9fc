//! How records are taken from the network, and sent over it.

use std::fmt;
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
    /// What is agreed on with senders to `ws://` and `wss://` inputs.
    pub websocket: WebSocketOptions,
}

/// What both sides of a WebSocket agree on before the first record.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct WebSocketOptions {
    /// Names of subprotocols: a sender asks for them, and a receiver insists on one of them. Empty: none.
    pub protocols: Vec<String>,
    /// The password of users in addresses that have none.
    pub password: Option<String>,
}

/// All but the password.
impl fmt::Debug for WebSocketOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketOptions").field("protocols", &self.protocols).finish_non_exhaustive()
    }
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
    /// What is agreed on with receivers at `ws://` and `wss://` outputs.
    pub websocket: WebSocketOptions,
    /// Names and values of further headers of the requests to these.
    pub headers: Vec<(String, String)>,
    /// Whether a receiver that is not there yet is waited for, as one that goes away is.
    pub waits_for_receiver: bool,
    /// Turns true when the tool is to end, and a receiver that is away is not waited for much longer.
    pub is_stopping: Arc<AtomicBool>,
}

impl Default for SendOptions {
    fn default() -> Self {
        SendOptions {
            tls: TlsOptions::default(),
            connections: NonZeroUsize::MIN,
            is_sticky: false,
            websocket: WebSocketOptions::default(),
            headers: Vec::new(),
            waits_for_receiver: false,
            is_stopping: Arc::default(),
        }
    }
}
