//! Places that records come from and go to: standard streams, files, captures, the network.
//!
//! A place is named on the command line: `-` for a standard stream, a path, a
//! glob, a directory or an object of S3 for reading, `null:` for writing, `tcp://host:port`, `ws://host:port/path` and `kafka://…` for both. What a
//! file holds is told by its
//! first bytes, never by its name.

mod backoff;
mod bytes;
mod decode;
mod follow;
mod format;
mod framing;
mod index;
mod input;
mod inputs;
mod kafka;
mod network;
mod output;
mod place;
mod prefetch;
mod pump;
mod reading;
mod s3;
mod single;

pub use bytes::{content_mark, open_bytes, total_size};
pub use inputs::open;
pub use kafka::{KafkaAddress, KafkaSettings, MessageFormat, Sasl, StartOffset};
pub use kafka::{decode as decode_message, encode as encode_message};
pub use network::{ListenOptions, NetworkAddress, SendOptions, WebSocketOptions};
pub use output::{
    Dropped, FLUSH_INTERVAL, Later, LaterReason, ObjectOptions, OutputFormat, PacketFile, PacketQueue,
    RecordQueue, SPOOL_MAX, SPOOL_WAIT, WriteOptions, check, create, later, make_spool, ports, settings,
};
pub use place::{Place, expand};
pub use reading::{Notice, ReadOptions, Services, TimeWindow};
pub use s3::{Object, S3Options};
pub use single::SingleObject;

#[cfg(test)]
mod tests;
