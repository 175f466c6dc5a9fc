//! Records over the network, as GoReplay's aggregator has them: in the text format, back to back, in one direction,
//! over TCP or TLS; or each as a message of a WebSocket. An input listens and takes from many senders; an output connects.

mod address;
mod frames;
mod handshake;
mod listener;
mod message_reader;
mod message_writer;
mod options;
mod outlet;
mod piece;
mod sender;
mod sender_bytes;
mod stream;

pub use address::NetworkAddress;
pub(in crate::endpoint) use listener::{Listener, SenderInput};
pub use options::{ListenOptions, SendOptions, WebSocketOptions};
pub(in crate::endpoint) use sender::NetworkSink;
