//! How a WebSocket begins: the request of a sender, and what an input answers.

use std::io::{self, Read, Write};

use subtle::ConstantTimeEq as _;
use tungstenite::Error as WebSocketError;
use tungstenite::error::{ProtocolError, SubProtocolError};
use tungstenite::handshake::HandshakeError;
use tungstenite::handshake::client::generate_key;
use tungstenite::handshake::machine::TryParse as _;
use tungstenite::handshake::server::{Request, create_response, write_response};
use tungstenite::http::header::{
    AUTHORIZATION, CONNECTION, HOST, HeaderName, HeaderValue, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE, WWW_AUTHENTICATE,
};
use tungstenite::http::{Response, StatusCode, Version};
use tungstenite::protocol::{WebSocket, WebSocketConfig};

use super::address::NetworkAddress;
use super::options::{SendOptions, WebSocketOptions};
use crate::endpoint::format::resembles;
use crate::http::auth;
use crate::{Error, Result};

/// Longest head of a sender's request.
const MAX_HEAD: usize = 16 << 10;

/// What a sender asks its receiver for.
#[derive(Clone)]
pub(super) struct Asking {
    request: Request,
}

impl Asking {
    pub(super) fn new(address: &NetworkAddress, how: &SendOptions) -> Result<Self> {
        let wrong = |what: &str| Error::Usage(format!("{address}: {what} cannot be sent in an HTTP header"));
        let value = |text: &[u8], what| HeaderValue::from_bytes(text).map_err(|_| wrong(what));
        let path = if address.path.is_empty() { "/" } else { &address.path };
        let mut request = Request::new(());
        // The library wants all of it, but sends the path.
        let whole = format!("ws://{}{path}", address.authority());
        *request.uri_mut() = whole.parse().map_err(|_| wrong("the path"))?;
        let headers = request.headers_mut();
        headers.insert(HOST, value(address.authority().as_bytes(), "the host")?);
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        if let Some(credentials) = address.credentials(how.websocket.password.as_deref())? {
            let mut login = value(auth::basic(&credentials).as_bytes(), "the password")?;
            login.set_sensitive(true);
            headers.insert(AUTHORIZATION, login);
        }
        if !how.websocket.protocols.is_empty() {
            let names = how.websocket.protocols.join(", ");
            headers.insert(SEC_WEBSOCKET_PROTOCOL, value(names.as_bytes(), "a subprotocol")?);
        }
        for (name, text) in &how.headers {
            let known = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong(name))?;
            let text = value(text.as_bytes(), name)?;
            // Of these there is one.
            if known == HOST || known == AUTHORIZATION {
                headers.insert(known, text);
            } else {
                headers.append(known, text);
            }
        }
        Ok(Asking { request })
    }

    /// Asks a receiver, and waits for its answer.
    pub(super) fn ask<S: Read + Write>(
        &self,
        stream: S,
        config: WebSocketConfig,
    ) -> io::Result<WebSocket<S>> {
        let mut request = self.request.clone();
        let key = HeaderValue::from_str(&generate_key()).map_err(io::Error::other)?;
        request.headers_mut().insert(SEC_WEBSOCKET_KEY, key);
        let asked = tungstenite::client::client_with_config(request, stream, Some(config));
        asked.map(|(socket, _)| socket).map_err(|error| match error {
            HandshakeError::Interrupted(_) => io::Error::new(
                io::ErrorKind::TimedOut,
                "the receiver does not answer the WebSocket handshake",
            ),
            HandshakeError::Failure(error) => io_error(error),
        })
    }
}

/// What went wrong with a WebSocket, in the words of this program.
pub(super) fn io_error(error: WebSocketError) -> io::Error {
    let text = match error {
        WebSocketError::Io(error) => return error,
        WebSocketError::ConnectionClosed
        | WebSocketError::AlreadyClosed
        | WebSocketError::Protocol(
            ProtocolError::ResetWithoutClosingHandshake | ProtocolError::HandshakeIncomplete,
        ) => {
            return io::ErrorKind::ConnectionReset.into();
        }
        WebSocketError::Http(response) => format!("the receiver answers {}", response.status()),
        WebSocketError::Protocol(ProtocolError::SecWebSocketSubProtocolError(
            SubProtocolError::NoSubProtocol | SubProtocolError::InvalidSubProtocol,
        )) => "the receiver accepts no subprotocol of --ws-protocol".into(),
        WebSocketError::Protocol(ProtocolError::SecWebSocketSubProtocolError(_)) => {
            "the receiver chose a subprotocol, but --ws-protocol names none".into()
        }
        WebSocketError::Protocol(error) => format!("the other side breaks the WebSocket protocol: {error}"),
        other => other.to_string(),
    };
    io::Error::other(text)
}

/// What an input asks of its senders.
#[derive(Default)]
pub(super) struct Demands {
    /// Any, where it is empty.
    path: String,
    /// `user:password`.
    credentials: Option<Vec<u8>>,
    /// One of these, unless there are none.
    protocols: Vec<String>,
}

/// How a handshake ended that made no connection.
pub(super) enum Refusal {
    /// The sender went before it said anything.
    Gone,
    /// The sender may not send here.
    Denied(String),
    /// It is no sender.
    Garbage(String),
    Failed(io::Error),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Refusal::Failed(error)
    }
}

impl Demands {
    pub(super) fn new(address: &NetworkAddress, how: &WebSocketOptions) -> Result<Self> {
        let credentials = address.credentials(how.password.as_deref())?;
        Ok(Demands { path: address.path.clone(), credentials, protocols: how.protocols.clone() })
    }

    /// Reads the request of a sender, and answers it. What came behind the request comes back.
    pub(super) fn answer(&self, stream: &mut (impl Read + Write)) -> Result<Vec<u8>, Refusal> {
        let mut head = Vec::new();
        let (size, request) = loop {
            let mut bytes = [0; 4096];
            let read = match stream.read(&mut bytes) {
                Ok(0) if head.is_empty() => return Err(Refusal::Gone),
                Ok(0) => return Err(Refusal::Garbage("the connection ended inside the handshake".into())),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Refusal::Failed(error)),
            };
            head.extend_from_slice(&bytes[..read]);
            match Request::try_parse(&head) {
                Ok(Some(found)) => break found,
                Ok(None) if head.len() <= MAX_HEAD => {}
                Ok(None) => {
                    return Err(refuse(stream, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, garbage(&head)));
                }
                Err(_) => return Err(refuse(stream, StatusCode::BAD_REQUEST, garbage(&head))),
            }
        };
        let Ok(mut response) = create_response(&request) else {
            return Err(refuse(stream, StatusCode::UPGRADE_REQUIRED, garbage(&head)));
        };
        if !self.admits(&request) {
            let denied = Refusal::Denied("refused: wrong user or password".into());
            return Err(refuse(stream, StatusCode::UNAUTHORIZED, denied));
        }
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        if !self.path.is_empty() && self.path != path {
            let denied = Refusal::Denied("refused: wrong path".into());
            return Err(refuse(stream, StatusCode::NOT_FOUND, denied));
        }
        if !self.protocols.is_empty() {
            let offered: Vec<_> = request
                .headers()
                .get_all(SEC_WEBSOCKET_PROTOCOL)
                .iter()
                .filter_map(|value| value.to_str().ok())
                .flat_map(|value| value.split(',').map(str::trim))
                .collect();
            let chosen = self.protocols.iter().find(|name| offered.contains(&name.as_str()));
            let Some(chosen) = chosen.and_then(|name| HeaderValue::from_str(name).ok()) else {
                let denied = Refusal::Denied("refused: it offers no subprotocol of --ws-protocol".into());
                return Err(refuse(stream, StatusCode::BAD_REQUEST, denied));
            };
            response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, chosen);
        }
        let mut text = Vec::new();
        write_response(&mut text, &response).map_err(io_error)?;
        stream.write_all(&text)?;
        stream.flush()?;
        head.drain(..size);
        Ok(head)
    }

    /// Whether a request has the right user and password. How long that takes says nothing about them.
    fn admits(&self, request: &Request) -> bool {
        let Some(expected) = &self.credentials else { return true };
        let given = request.headers().get(AUTHORIZATION);
        let given = given.and_then(|value| auth::credentials(value.as_bytes())).unwrap_or_default();
        given.ct_eq(expected).into()
    }
}

fn garbage(head: &[u8]) -> Refusal {
    let what = resembles(head);
    let what = if what.starts_with("an HTTP request") { "a plain HTTP request" } else { what };
    Refusal::Garbage(format!("cut off: it begins no WebSocket, but sends {what}"))
}

/// Answers a request that is refused.
fn refuse(stream: &mut impl Write, status: StatusCode, refusal: Refusal) -> Refusal {
    let mut response = Response::new(());
    (*response.status_mut(), *response.version_mut()) = (status, Version::HTTP_11);
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    headers.insert("content-length", HeaderValue::from_static("0"));
    match status {
        StatusCode::UNAUTHORIZED => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"gor-tools\""));
        }
        StatusCode::UPGRADE_REQUIRED => {
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        _ => {}
    }
    let mut text = Vec::new();
    // Whoever is gone needs no answer.
    let _ = write_response(&mut text, &response).map_err(io_error).and_then(|()| stream.write_all(&text));
    refusal
}
