//! Where a message is whole by its own framing: what a reader of records asks without knowing the protocol.

use std::fmt;

use super::Kind;

/// Follows the framing of one message.
///
/// It is shown the message from its beginning with each call, and never fewer bytes of it than before. So it can go on
/// where it stopped: many calls about one message take no longer than one.
pub trait MessageFraming: fmt::Debug + Send {
    /// Whether these bytes are the whole message beyond doubt.
    fn is_whole(&mut self, payload: &[u8]) -> bool;
}

/// Begins to follow a message of a kind.
pub type NewMessageFraming = fn(Kind) -> Box<dyn MessageFraming>;

/// That of messages whose end nothing tells.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unframed;

impl MessageFraming for Unframed {
    fn is_whole(&mut self, _: &[u8]) -> bool {
        false
    }
}
