//! Records over the network, as GoReplay's aggregator has them: in the text format, back to back, in one direction,
//! over TCP or TLS. An input listens and takes from many senders; an output connects.

mod address;
mod listener;
mod options;
mod sender;
mod stream;

pub use address::NetworkAddress;
pub(in crate::endpoint) use listener::{Listener, SenderInput};
pub use options::{ListenOptions, SendOptions};
pub(in crate::endpoint) use sender::NetworkSink;
