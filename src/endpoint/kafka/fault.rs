//! What is wrong with a message.

/// What keeps a message from being a record, or a record from being a message.
pub(super) type MessageFault = String;
