//! Records read from a topic: from all partitions of it or one, alone or as a member of a group.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{Message, OwnedMessage};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::client::{cannot_start, config, find_topic};
use super::group::{ConsumerEvents, Handled, Membership, NextOffsets};
use super::offset_set::OffsetSet;
use super::words::{code, is_connection};
use super::{KafkaAddress, StartOffset, message};
use crate::endpoint::{Notice, ReadOptions};
use crate::record::{Block, Checkpoint, Intake, Source};
use crate::{Error, Position, Result};

/// How often a wait for messages looks whether it is to end.
const LOOK: Duration = Duration::from_millis(100);

/// How long the client is given to keep its place in the group.
const KEEP_ALIVE: Duration = Duration::from_millis(20);

/// Messages of a block at most, and their bytes but for the last one.
const MOST_MESSAGES: usize = 4096;
const MOST_BYTES: usize = 1 << 20;

/// Kilobytes of messages that are fetched ahead.
const AHEAD_KILOBYTES: &str = "16384";

/// Milliseconds until it is looked again whether there is room for more. The library's own value is a second, in which a
/// fast reader has long read all.
const PAUSE: &str = "5";

/// A member that is not heard of for so long has died, and others get its share.
const SESSION: &str = "10000";

/// How long a member may take for a block before others get its share.
const PATIENCE: &str = "600000";

/// Bytes of an answer of a broker at most; a single message may be as large.
const MAX_ANSWER: &str = "1100000000";

/// Opens a topic for reading, once it is there.
pub(in crate::endpoint) fn open(address: &KafkaAddress, how: &ReadOptions) -> Result<Box<dyn Source + Send>> {
    let mut config = config(address, &how.kafka)?;
    let is_latest = address.offset == Some(StartOffset::Latest);
    config
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "true")
        .set("allow.auto.create.topics", "false")
        .set("queued.max.messages.kbytes", AHEAD_KILOBYTES)
        .set("fetch.queue.backoff.ms", PAUSE)
        .set("receive.message.max.bytes", MAX_ANSWER)
        .set("session.timeout.ms", SESSION)
        .set("max.poll.interval.ms", PATIENCE);
    if let Some(group) = &address.group {
        config.set("group.id", group);
        config.set("auto.offset.reset", if is_latest { "latest" } else { "earliest" });
    } else {
        // The library wants a name, and asks nobody about it as long as nothing is committed.
        config.set("group.id", "gor-tools");
        // What is not there any more is told, not stepped over.
        config.set("auto.offset.reset", "error");
    }
    let context = ConsumerEvents::default();
    let client: BaseConsumer<ConsumerEvents> =
        config.create_with_context(context).map_err(|error| cannot_start(address, &error))?;
    let context = Arc::clone(client.context());
    let serve = || {
        // What is wrong with connections goes to the log.
        let _ = client.poll(Duration::ZERO);
    };
    let partitions = find_topic(client.client(), address, &context.causes, || how.is_over(), serve)?;
    let mut consumer = Consumer {
        address: address.clone(),
        client: Arc::new(client),
        membership: Arc::clone(&context.membership),
        how: how.clone(),
        ends: how.kafka.exits_at_end.then(BTreeMap::new),
        ended: BTreeSet::new(),
        offsets: NextOffsets::new(),
        is_ahead: false,
        records: Vec::new(),
        put_by: Vec::new(),
        is_paused: false,
        share: 0,
        intake: Intake::default(),
        first_malformed: None,
        failure: None,
    };
    // Nothing is there of a topic that was not waited for.
    if partitions > 0 {
        consumer.start(partitions).map_err(|error| error.at(address.to_string()))?;
    }
    Ok(Box::new(consumer))
}

/// A topic that is read.
struct Consumer {
    address: KafkaAddress,
    client: Arc<BaseConsumer<ConsumerEvents>>,
    membership: Arc<Membership>,
    how: ReadOptions,
    /// Where reading ends in each partition, if it does.
    ends: Option<BTreeMap<i32, i64>>,
    /// Partitions that were read to there.
    ended: BTreeSet<i32>,
    /// How far each partition of the share was read: a later checkpoint stands for those before it.
    offsets: NextOffsets,
    /// Whether that is further than at the latest checkpoint.
    is_ahead: bool,
    /// The partition and the offset of each record of the latest block.
    records: Vec<(i32, i64)>,
    /// Messages that came while none was wanted.
    put_by: Vec<OwnedMessage>,
    /// Whether no more of them are to come.
    is_paused: bool,
    /// The share of the group that this is of.
    share: u64,
    intake: Intake,
    first_malformed: Option<String>,
    /// What went wrong behind what was read so far.
    failure: Option<Error>,
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.membership.close();
    }
}

impl Consumer {
    /// Begins to read.
    fn start(&mut self, count: i32) -> Result<()> {
        let all: Vec<i32> = match self.address.partition {
            Some(partition) if partition >= count => {
                let text =
                    format!("there is no partition {partition}; the topic has {count}, counted from 0");
                return Err(Error::Invalid(text));
            }
            Some(partition) => vec![partition],
            None => (0..count).collect(),
        };
        let mut lows = BTreeMap::new();
        if self.ends.is_some() || matches!(self.address.offset, Some(StartOffset::At(_))) {
            for partition in &all {
                let (low, high) = self
                    .client
                    .fetch_watermarks(&self.address.topic, *partition, self.address.timeout)
                    .map_err(|error| self.explain(&error))?;
                lows.insert(*partition, (low, high));
                if let Some(ends) = &mut self.ends {
                    ends.insert(*partition, high);
                }
            }
        }
        if self.address.group.is_some() {
            return self.client.subscribe(&[&self.address.topic]).map_err(|error| self.explain(&error));
        }
        let mut list = TopicPartitionList::new();
        for partition in &all {
            let offset = match self.address.offset {
                None | Some(StartOffset::Earliest) => Offset::Beginning,
                Some(StartOffset::Latest) => Offset::End,
                Some(StartOffset::Since(time)) => Offset::Offset(time),
                Some(StartOffset::At(offset)) => {
                    let (low, high) = lows.get(partition).copied().unwrap_or_default();
                    if !(low..=high).contains(&offset) {
                        let text = format!(
                            "offset {offset} is not in partition {partition}, which has {low} to {high}"
                        );
                        return Err(Error::Invalid(text));
                    }
                    Offset::Offset(offset)
                }
            };
            list.add_partition_offset(&self.address.topic, *partition, offset)
                .map_err(|error| self.explain(&error))?;
        }
        if let Some(StartOffset::Since(_)) = self.address.offset {
            list = self
                .client
                .offsets_for_times(list, self.address.timeout)
                .map_err(|error| self.explain(&error))?;
        }
        self.client.assign(&list).map_err(|error| self.explain(&error))?;
        self.membership.assign(all);
        Ok(())
    }

    fn explain(&self, error: &KafkaError) -> Error {
        Error::Invalid(self.client.context().causes.explain(error, &self.address.brokers))
    }

    /// Whether all was read that is to be read.
    fn has_ended(&self) -> bool {
        let partitions = self.ends.as_ref().and_then(|_| self.membership.partitions());
        partitions.is_some_and(|partitions| partitions.iter().all(|partition| self.ended.contains(partition)))
    }

    /// Whether a message is beyond the end. Notes how far its partition was read.
    fn is_beyond(&mut self, partition: i32, offset: i64) -> bool {
        let end = self.ends.as_ref().map(|ends| ends.get(&partition).copied().unwrap_or(0));
        if end.is_some_and(|end| offset + 1 >= end) {
            self.ended.insert(partition);
        }
        end.is_some_and(|end| offset >= end)
    }

    /// Takes a message as a record, unless it is none.
    fn take(&mut self, message: &impl Message, block: &mut Block) -> Result<()> {
        let (partition, offset) = (message.partition(), message.offset());
        if self.is_beyond(partition, offset) {
            return Ok(());
        }
        if self.membership.was_handled(partition, offset) {
            self.offsets.insert(partition, offset + 1);
            return Ok(());
        }
        let value = message.payload().unwrap_or_default();
        self.intake.bytes += value.len() as u64;
        self.how.meter.add_bytes(value.len() as u64);
        self.offsets.insert(partition, offset + 1);
        self.is_ahead = true;
        let record = self.intake.records + self.intake.malformed + self.intake.too_large;
        if value.len() as u64 > self.how.max_record {
            self.intake.too_large += 1;
            let position = Position { record: record + 1, byte: self.intake.bytes - value.len() as u64 };
            self.intake.first_too_large.get_or_insert(position);
            return Ok(());
        }
        match message::decode(self.address.format, value, block) {
            Ok(()) => {
                self.intake.records += 1;
                self.records.push((partition, offset));
            }
            Err(fault) => {
                self.intake.malformed += 1;
                let text = format!("partition {partition}, offset {offset}: {fault}");
                if self.how.is_strict {
                    return Err(Error::Invalid(text));
                }
                if self.first_malformed.is_none() {
                    let place = self.address.to_string();
                    (self.how.tell)(&Notice::BadMessage { place: &place, fault: &text });
                    self.first_malformed = Some(text);
                }
            }
        }
        Ok(())
    }

    /// What came of waiting for messages that is none.
    fn hear(&mut self, error: &KafkaError) -> Result<()> {
        if let KafkaError::PartitionEOF(partition) = error {
            self.ended.insert(*partition);
            return Ok(());
        }
        if self.address.group.is_none() && code(error) == Some(Code::GroupAuthorizationFailed) {
            return Ok(());
        }
        let is_passing = code(error).is_some_and(|code| {
            is_connection(code)
                || matches!(
                    code,
                    Code::RebalanceInProgress
                        | Code::UnknownMemberId
                        | Code::IllegalGeneration
                        | Code::PollExceeded
                )
        });
        if !is_passing || matches!(error, KafkaError::MessageConsumptionFatal(_)) {
            return Err(self.explain(error));
        }
        if code(error).is_some_and(is_connection) {
            // Brokers may be back soon; until then nothing can be read anyway.
            let (client, how) = (&self.client, &self.how);
            let causes = &client.context().causes;
            return match find_topic(client.client(), &self.address, causes, || how.is_over(), || {}) {
                Err(Error::At { error, .. }) => Err(*error),
                other => other.map(|_| ()),
            };
        }
        Ok(())
    }

    /// Fills a block with what is there. It may stay empty.
    fn fill(&mut self, block: &mut Block) -> Result<()> {
        self.go_on();
        let client = Arc::clone(&self.client);
        let (mut messages, mut bytes) = (Vec::new(), 0);
        let mut put_by = std::mem::take(&mut self.put_by);
        let mut wait = if put_by.is_empty() { LOOK } else { Duration::ZERO };
        let (mut share, mut heard) = (self.membership.number(), None);
        while messages.len() < MOST_MESSAGES && bytes < MOST_BYTES {
            let polled = client.poll(wait);
            let now = self.membership.number();
            if now != share {
                // They are of partitions that others have now; none was handed on.
                messages.clear();
                put_by.clear();
                self.ended.clear();
                share = now;
            }
            match polled {
                None => break,
                Some(Ok(message)) => {
                    bytes += message.payload_len();
                    messages.push(message);
                    wait = Duration::ZERO;
                }
                Some(Err(error))
                    if messages.is_empty() && put_by.is_empty()
                        || matches!(error, KafkaError::PartitionEOF(_)) =>
                {
                    self.hear(&error)?;
                }
                // What was read before it goes on first.
                Some(Err(error)) => {
                    heard = Some(error);
                    break;
                }
            }
        }
        if self.share != share {
            self.share = share;
            self.offsets.clear();
            self.is_ahead = false;
        }
        if self.address.group.is_some() && !self.membership.knows_what_was_handled() {
            self.learn_what_was_handled()?;
        }
        let before = self.intake.records + self.intake.malformed + self.intake.too_large;
        let bytes_before = self.intake.bytes;
        self.records.clear();
        let taken = put_by.iter().try_for_each(|message| self.take(message, block));
        let taken = taken.and_then(|()| messages.iter().try_for_each(|message| self.take(message, block)));
        if self.address.group.is_some() {
            block.set_revocation(self.membership.revocation());
        }
        block.continue_after(before, bytes_before);
        drop(messages);
        taken.and_then(|()| heard.map_or(Ok(()), |error| self.hear(&error)))
    }

    /// Asks the group what readers before this one have handled behind what they had committed.
    fn learn_what_was_handled(&self) -> Result<()> {
        let Some(partitions) = self.membership.partitions() else { return Ok(()) };
        let mut handled = BTreeMap::new();
        if !partitions.is_empty() {
            let list = self
                .client
                .committed_offsets(self.own_partitions(), self.address.timeout)
                .map_err(|error| self.explain(&error).at(self.address.to_string()))?;
            for entry in list.elements() {
                if let Offset::Offset(committed) = entry.offset() {
                    handled.insert(entry.partition(), OffsetSet::from_metadata(entry.metadata(), committed));
                }
            }
        }
        self.membership.set_handled_before(handled);
        Ok(())
    }

    /// Has messages come again, if they were not to.
    fn go_on(&mut self) {
        if std::mem::take(&mut self.is_paused)
            && let Err(error) = self.client.resume(&self.own_partitions())
        {
            self.failure = Some(self.explain(&error).at(self.address.to_string()));
        }
    }

    /// Has no more messages come for now.
    fn pause(&mut self) {
        self.is_paused = true;
        if let Err(error) = self.client.pause(&self.own_partitions()) {
            self.failure = Some(self.explain(&error).at(self.address.to_string()));
        }
    }

    fn own_partitions(&self) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for partition in self.membership.partitions().unwrap_or_default() {
            list.add_partition(&self.address.topic, partition);
        }
        list
    }

    /// What is wrong with what was read, at its end.
    fn judge(&self) -> Result<()> {
        if let Some(position) = self.intake.first_too_large {
            return Err(Error::RecordTooLarge { position, limit: self.how.max_record });
        }
        match &self.first_malformed {
            Some(fault) if self.intake.records == 0 => Err(Error::Invalid(format!(
                "none of {} messages is a record; {fault}",
                self.intake.malformed
            ))),
            _ => Ok(()),
        }
    }
}

impl Source for Consumer {
    fn read_block(&mut self, block: &mut Block) -> Result<bool> {
        block.clear();
        if let Some(error) = self.failure.take() {
            return Err(error);
        }
        loop {
            if self.how.is_over() {
                if self.ends.is_some() && !self.has_ended() {
                    self.how.cut();
                }
                return self.judge().map(|()| false);
            }
            if self.has_ended() && self.put_by.is_empty() || self.membership.is_closing() {
                return self.judge().map(|()| false);
            }
            let filled = self.fill(block);
            if !block.is_empty() {
                self.failure = filled.err();
                return Ok(true);
            }
            filled?;
        }
    }

    fn intake(&self) -> Intake {
        self.intake
    }

    fn checkpoint(&mut self) -> Option<Box<dyn Checkpoint>> {
        if self.address.group.is_none() || !std::mem::take(&mut self.is_ahead) {
            return None;
        }
        self.membership.hand_on(&self.offsets);
        Some(Box::new(Handled {
            client: Arc::clone(&self.client),
            membership: Arc::clone(&self.membership),
            address: self.address.clone(),
            share: self.share,
            offsets: self.offsets.clone(),
            records: std::mem::take(&mut self.records),
        }))
    }

    fn keep_alive(&mut self) {
        if self.address.group.is_none() {
            return;
        }
        let client = Arc::clone(&self.client);
        let share = self.membership.number();
        let polled = client.poll(KEEP_ALIVE);
        if self.membership.number() != share {
            self.put_by.clear();
            self.ended.clear();
            self.is_paused = false;
        }
        match polled {
            None => {}
            Some(Ok(message)) => {
                self.put_by.push(message.detach());
                self.pause();
            }
            Some(Err(error)) => {
                if let Err(error) = self.hear(&error) {
                    self.failure = Some(error);
                }
            }
        }
    }

    fn awaits_handling(&self) -> bool {
        self.membership.is_awaiting()
    }
}
