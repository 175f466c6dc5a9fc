//! Options about places that are WebSockets.

use std::env;
use std::path::PathBuf;

use crate::endpoint::{NetworkAddress, WebSocketOptions};
use crate::{Error, Result};

/// Where the password is, if no file was named.
const PASSWORD: &str = "GOR_WS_PASSWORD";

/// Headers that the handshake itself has.
const OWN_HEADERS: [&str; 8] = [
    "connection",
    "upgrade",
    "sec-websocket-accept",
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-version",
    "content-length",
];

/// What both sides of a WebSocket agree on.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "WebSocket (ws://, wss://)")]
#[allow(clippy::doc_markdown, reason = "these are help texts")]
pub struct WebSocketArgs {
    /// Require subprotocol NAME; an output asks for it (repeatable: one of them)
    #[arg(long, value_name = "NAME", value_parser = token, hide_short_help = true)]
    pub ws_protocol: Vec<String>,
    /// Read the password for ws://USER@HOST from the first line of FILE [env: GOR_WS_PASSWORD]
    ///
    /// Applies to addresses with a user and without a password. An input requires user and password from its senders.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, hide_short_help = true)]
    pub ws_password_file: Option<PathBuf>,
}

impl WebSocketArgs {
    /// The same in the library's words, for a command that reads and writes these places. Options without any place that
    /// they are about are refused.
    pub fn options(&self, inputs: &[String], outputs: &[String]) -> Result<WebSocketOptions> {
        // What is no address is told when it is opened.
        let places = inputs.iter().chain(outputs).filter(|name| NetworkAddress::is_meant(name));
        let addresses = places.filter_map(|name| name.parse::<NetworkAddress>().ok());
        let addresses: Vec<_> = addresses.filter(NetworkAddress::is_websocket).collect();
        if addresses.is_empty() && !self.ws_protocol.is_empty() {
            return Err(Error::Usage(
                "--ws-protocol applies to ws:// and wss:// places, and none is given".into(),
            ));
        }
        let lacks_password = addresses.iter().any(NetworkAddress::lacks_password);
        let password = match &self.ws_password_file {
            Some(_) if !lacks_password => {
                let text = "--ws-password-file applies to places as ws://USER@HOST, without a password, and none is given";
                return Err(Error::Usage(text.into()));
            }
            Some(file) => Some(super::kafka::read_password(file)?),
            None if lacks_password => match env::var(PASSWORD) {
                Ok(password) => Some(password),
                Err(env::VarError::NotPresent) => None,
                Err(env::VarError::NotUnicode(_)) => {
                    return Err(Error::Usage(format!("{PASSWORD} is not UTF-8")));
                }
            },
            None => None,
        };
        // An empty variable is as good as none.
        let password = password.filter(|password| !password.is_empty());
        Ok(WebSocketOptions { protocols: self.ws_protocol.clone(), password })
    }
}

/// A name of letters, digits and a few signs, as HTTP has them.
fn token(text: &str) -> Result<String, String> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_token) {
        return Ok(text.to_owned());
    }
    Err("expected a name of letters, digits and -._~!#$%&'*+^`|, as records.v1".into())
}

/// `Name: value`.
pub(super) fn header(text: &str) -> Result<(String, String), String> {
    let expected = || "expected 'Name: value', as 'X-Team: search'".to_owned();
    let (name, value) = text.split_once(':').ok_or_else(expected)?;
    let name = token(name).map_err(|_| expected())?;
    if OWN_HEADERS.iter().any(|own| name.eq_ignore_ascii_case(own)) {
        return Err(format!(
            "{name} is set by the WebSocket handshake; --ws-protocol NAME asks for a subprotocol"
        ));
    }
    let value = value.trim();
    if value.chars().any(char::is_control) {
        return Err(expected());
    }
    Ok((name, value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_a_name_and_a_value_and_none_of_the_handshake() {
        assert_eq!(header("X-A:b: c "), Ok(("X-A".into(), "b: c".into())));
        for wrong in ["X-A", ": b", "X A: b", "X-A: b\nc", "Upgrade: x", "sec-websocket-Key: x"] {
            assert!(header(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn options_without_a_place_are_refused() {
        let args = WebSocketArgs { ws_protocol: vec!["a".into()], ws_password_file: None };
        let [file, place, user] = ["a.gor", "ws://h:1", "ws://me@h:1"].map(|name| vec![name.to_owned()]);
        assert!(args.options(&file, &[]).expect_err("none").to_string().contains("--ws-protocol"));
        assert!(args.options(&file, &place).is_ok());
        let args = WebSocketArgs { ws_protocol: Vec::new(), ws_password_file: Some("/nowhere".into()) };
        for places in [&file, &place] {
            assert!(args.options(places, &[]).expect_err("none").to_string().contains("--ws-password-file"));
        }
        assert!(args.options(&user, &[]).expect_err("no file").to_string().contains("/nowhere"));
    }
}
