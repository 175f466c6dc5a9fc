//! Topics of Kafka: `kafka://broker,broker/topic?key=value`.
//!
//! ```text
//! records ─► message ─► Producer ─► topic ─► Consumer ─► message ─► records
//!                                               ▲
//!                       checkpoints of a group ─┘ when the records were handled
//! ```

mod address;
#[cfg(feature = "kafka")]
mod client;
#[cfg(feature = "kafka")]
mod consumer;
mod fault;
#[cfg(feature = "kafka")]
mod group;
mod json;
mod message;
#[cfg(feature = "kafka")]
mod offset_set;
#[cfg(feature = "kafka")]
mod producer;
mod settings;
#[cfg(feature = "kafka")]
mod words;

pub use address::{KafkaAddress, StartOffset};
pub use message::{MessageFormat, decode, encode};
pub use settings::{KafkaSettings, Sasl};

#[cfg(feature = "kafka")]
pub(super) use consumer::open;
#[cfg(feature = "kafka")]
pub(super) use producer::create;

#[cfg(not(feature = "kafka"))]
mod absent {
    //! What a build without Kafka says.

    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use super::{KafkaAddress, KafkaSettings};
    use crate::endpoint::ReadOptions;
    use crate::record::{Sink, Source};
    use crate::{Error, Result};

    fn absent(address: &KafkaAddress) -> Error {
        Error::Usage(format!("{address}: this build has no Kafka: build with --features kafka"))
    }

    pub(in crate::endpoint) fn open(
        address: &KafkaAddress,
        _: &ReadOptions,
    ) -> Result<Box<dyn Source + Send>> {
        Err(absent(address))
    }

    pub(in crate::endpoint) fn create(
        address: &KafkaAddress,
        _: &KafkaSettings,
        _: bool,
        _: &Arc<AtomicBool>,
    ) -> Result<Box<dyn Sink + Send>> {
        Err(absent(address))
    }
}
#[cfg(not(feature = "kafka"))]
pub(super) use absent::{create, open};
