//! What the tests of all tools share.

pub(crate) mod clients;
pub(crate) mod desk;
pub(crate) mod frames;
pub(crate) mod front;
#[cfg(feature = "kafka")]
pub(crate) mod kafka;
pub(crate) mod live;
pub(crate) mod network;
pub(crate) mod origin;
pub(crate) mod packets;
pub(crate) mod program;
pub(crate) mod proxy;
pub(crate) mod receiver;
pub(crate) mod recorder;
pub(crate) mod replayer;
pub(crate) mod s3;
pub(crate) mod skip;
