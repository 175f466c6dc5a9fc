//! Records written to a topic.
//!
//! The client library keeps what is not delivered yet in a queue of bounded size; a full one is waited for. It numbers
//! messages, so that brokers take none twice, and keeps their order.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext, PurgeConfig};

use super::address::default_compression;
use super::client::{cannot_start, config, find_topic};
use super::words::{Causes, code};
use super::{KafkaAddress, KafkaSettings, MessageFormat, message};
use crate::record::{Run, Sink};
use crate::{Error, Result};

/// Kilobytes of messages that wait for their delivery.
const WAITING_KILOBYTES: &str = "65536";

/// Messages after which the library is asked what became of earlier ones.
const LOOK_EVERY: u64 = 256;

/// How long the library waits for more messages to send together.
const LINGER: &str = "5";

/// How long a full queue is waited for before it is tried again.
const PAUSE: Duration = Duration::from_millis(5);

/// The largest message that the library lets through: what is too large is for brokers to say.
const MAX_MESSAGE: &str = "1000000000";

/// How long it is waited for messages that are given up.
const PURGE: Duration = Duration::from_secs(2);

/// How long brokers that never answered are still waited for, once the tool is to end.
const FAREWELL: Duration = Duration::from_secs(3);

/// Opens a topic for writing, once it is there. If it `connects_later` only the settings are looked at now, and the
/// client's threads are started by the thread that first uses the sink. Once `is_stopping`, brokers that were not there
/// yet are not waited for much longer.
pub(in crate::endpoint) fn create(
    address: &KafkaAddress,
    settings: &KafkaSettings,
    connects_later: bool,
    is_stopping: &Arc<AtomicBool>,
) -> Result<Box<dyn Sink + Send>> {
    let config = producing(address, settings)?;
    if connects_later {
        let is_stopping = Arc::clone(is_stopping);
        return Ok(Box::new(LateProducer { address: address.clone(), config, is_stopping, producer: None }));
    }
    Ok(Box::new(connect(address, &config, is_stopping)?))
}

/// The settings of a client that writes.
fn producing(address: &KafkaAddress, settings: &KafkaSettings) -> Result<ClientConfig> {
    let mut config = config(address, settings)?;
    config
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("compression.type", address.compression.unwrap_or(default_compression()))
        // As the clients in Java do, so that keys meet on the same partitions.
        .set("partitioner", "murmur2_random")
        .set("queue.buffering.max.kbytes", WAITING_KILOBYTES)
        .set("linger.ms", LINGER)
        .set("message.max.bytes", MAX_MESSAGE)
        .set("message.timeout.ms", address.timeout.as_millis().to_string());
    Ok(config)
}

fn connect(address: &KafkaAddress, config: &ClientConfig, is_stopping: &AtomicBool) -> Result<Producer> {
    let deliveries =
        Deliveries { format: address.format, causes: Causes::default(), failed: Mutex::default() };
    let client: BaseProducer<Deliveries> =
        config.create_with_context(deliveries).map_err(|error| cannot_start(address, &error))?;
    let context = Arc::clone(client.context());
    let give_up_at = Cell::new(None);
    let is_given_up = || {
        if is_stopping.load(Ordering::Relaxed) && give_up_at.get().is_none() {
            give_up_at.set(Some(Instant::now() + FAREWELL));
        }
        give_up_at.get().is_some_and(|time| Instant::now() >= time)
    };
    let serve = || {
        client.poll(Duration::ZERO);
    };
    let partitions = find_topic(client.client(), address, &context.causes, is_given_up, serve)?;
    if partitions == 0 {
        let why = context.causes.explain(&KafkaError::MetadataFetch(Code::AllBrokersDown), &address.brokers);
        return Err(Error::Invalid(why).at(address.to_string()));
    }
    if let Some(partition) = address.partition.filter(|partition| *partition >= partitions) {
        let text = format!("there is no partition {partition}; the topic has {partitions}, counted from 0");
        return Err(Error::Invalid(text).at(address.to_string()));
    }
    Ok(Producer { client, context, address: address.clone(), taken: 0, value: Vec::new(), is_told: false })
}

/// Hears what became of each message.
struct Deliveries {
    format: MessageFormat,
    causes: Causes,
    failed: Mutex<Failed>,
}

/// Records that were not written.
#[derive(Default)]
struct Failed {
    number: u64,
    first: Option<FailedDelivery>,
    /// Whether later ones will fail as well.
    is_over: bool,
}

/// The first of them.
struct FailedDelivery {
    record: u64,
    id: String,
    why: DeliveryFailure,
}

enum DeliveryFailure {
    Kafka(KafkaError),
    Fault(String),
}

impl Deliveries {
    fn fail(&self, record: u64, id: impl FnOnce() -> String, why: DeliveryFailure) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.number += 1;
        if let DeliveryFailure::Kafka(error) = &why {
            failed.is_over |= !is_of_one_record(error);
        }
        // Batches fail in any order.
        if failed.first.as_ref().is_none_or(|first| record < first.record) {
            failed.first = Some(FailedDelivery { record, id: id(), why });
        }
    }
}

/// Whether it is a single record that the broker does not take.
fn is_of_one_record(error: &KafkaError) -> bool {
    matches!(code(error), Some(Code::MessageSizeTooLarge | Code::InvalidRecord | Code::InvalidMessage))
}

impl ClientContext for Deliveries {
    fn log(&self, _: RDKafkaLogLevel, _: &str, line: &str) {
        self.causes.hear(line);
    }

    fn error(&self, _: KafkaError, reason: &str) {
        self.causes.hear(reason);
    }
}

impl ProducerContext for Deliveries {
    /// The number of the record.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, record: usize) {
        if let Err((error, sent)) = result {
            let id = || message::id(self.format, sent.payload().unwrap_or_default());
            self.fail(record as u64, id, DeliveryFailure::Kafka(error.clone()));
        }
    }
}

/// A topic that is written to.
struct Producer {
    client: BaseProducer<Deliveries>,
    context: Arc<Deliveries>,
    address: KafkaAddress,
    /// Records that were to be written.
    taken: u64,
    value: Vec<u8>,
    /// Whether the failures were told.
    is_told: bool,
}

impl Producer {
    fn send(&mut self, key: &[u8]) -> Result<(), KafkaError> {
        let number = usize::try_from(self.taken).unwrap_or(usize::MAX);
        let mut record =
            BaseRecord::with_opaque_to(&self.address.topic, number).key(key).payload(&self.value[..]);
        if let Some(partition) = self.address.partition {
            record = record.partition(partition);
        }
        loop {
            match self.client.send(record) {
                Ok(()) => return Ok(()),
                Err((error, given_back)) if code(&error) == Some(Code::QueueFull) => {
                    if self.is_over() {
                        return Err(error);
                    }
                    self.client.poll(PAUSE);
                    record = given_back;
                }
                Err((error, _)) => return Err(error),
            }
        }
    }

    fn is_over(&self) -> bool {
        self.context.failed.lock().unwrap_or_else(PoisonError::into_inner).is_over
    }

    /// Fails once there is no use in writing more.
    fn check_deliveries(&mut self) -> Result<()> {
        if !self.is_over() {
            return Ok(());
        }
        self.client.purge(PurgeConfig::default().queue().inflight());
        let deadline = Instant::now() + PURGE;
        while self.client.in_flight_count() > 0 && Instant::now() < deadline {
            self.client.poll(PAUSE);
        }
        self.end()
    }

    /// What failed, told once.
    fn end(&mut self) -> Result<()> {
        let failed = self.context.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(first) = failed.first.as_ref().filter(|_| !self.is_told) else { return Ok(()) };
        self.is_told = true;
        let why = match &first.why {
            DeliveryFailure::Kafka(error) => self.context.causes.explain(error, &self.address.brokers),
            DeliveryFailure::Fault(fault) => fault.clone(),
        };
        let text = format!(
            "record {} (id {}): {why}; {} of {} records not delivered",
            first.record, first.id, failed.number, self.taken
        );
        Err(Error::Invalid(text).at(self.address.to_string()))
    }

    /// Waits until it is known of each record what became of it.
    fn wait(&mut self) -> Result<()> {
        while self.client.in_flight_count() > 0 {
            // Has the library not wait for more; it is not waited for here, as that is never short.
            let _ = self.client.flush(Duration::ZERO);
            self.client.poll(PAUSE);
            self.check_deliveries()?;
        }
        self.check_deliveries()
    }
}

impl Sink for Producer {
    fn write(&mut self, records: &Run<'_>) -> Result<()> {
        for record in records.iter() {
            self.taken += 1;
            self.value.clear();
            let id = || String::from_utf8_lossy(record.header.id).into_owned();
            if let Err(fault) = message::encode(self.address.format, &record, &mut self.value) {
                let why = DeliveryFailure::Fault(format!("{fault}; format=gor holds any record"));
                self.context.fail(self.taken, id, why);
                continue;
            }
            if let Err(error) = self.send(message::key(&record)) {
                self.context.fail(self.taken, id, DeliveryFailure::Kafka(error));
            }
            if self.taken.is_multiple_of(LOOK_EVERY) {
                self.client.poll(Duration::ZERO);
                self.check_deliveries()?;
            }
        }
        self.client.poll(Duration::ZERO);
        self.check_deliveries()
    }

    /// Nothing needs to be done to have it sent.
    fn flush(&mut self) -> Result<()> {
        self.client.poll(Duration::ZERO);
        self.check_deliveries()
    }

    fn settle(&mut self) -> Result<()> {
        self.wait()?;
        // What was not delivered was not handled.
        self.end()
    }

    fn check(&mut self) -> Result<()> {
        self.flush()
    }

    fn finish(&mut self) -> Result<()> {
        self.wait()?;
        self.end()
    }
}

/// A topic that is connected to at its first use, so that all threads are those of the user.
struct LateProducer {
    address: KafkaAddress,
    config: ClientConfig,
    is_stopping: Arc<AtomicBool>,
    producer: Option<Producer>,
}

impl LateProducer {
    fn producer(&mut self) -> Result<&mut Producer> {
        let producer = match self.producer.take() {
            Some(producer) => producer,
            None => connect(&self.address, &self.config, &self.is_stopping)?,
        };
        Ok(self.producer.insert(producer))
    }
}

impl Sink for LateProducer {
    fn write(&mut self, records: &Run<'_>) -> Result<()> {
        self.producer()?.write(records)
    }

    fn flush(&mut self) -> Result<()> {
        self.producer()?.flush()
    }

    fn settle(&mut self) -> Result<()> {
        self.producer()?.settle()
    }

    fn check(&mut self) -> Result<()> {
        self.producer()?.check()
    }

    fn finish(&mut self) -> Result<()> {
        self.producer()?.finish()
    }
}
