//! Packets kept in a capture file, and the queue in front of it.
//!
//! As with records, the source never waits: when the queue is full, packets are dropped and counted.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::naming::{self, OutputFormat};
use super::opening::Existing;
use super::sink::FileSink;
use super::{OutputPlan, WriteOptions, plan};
use crate::packet::{CaptureWriter, FileFormat, Packet, PacketBatch};
use crate::queue::{Output, Queue, QueueFlags, QueueSize};
use crate::record::Sink as _;
use crate::{Error, Result};

/// A capture file that is written, pcap or pcapng as its name says.
pub struct PacketFile {
    path: String,
    format: FileFormat,
    plan: Arc<OutputPlan>,
    file: FileSink,
    writer: CaptureWriter,
    bytes: Vec<u8>,
}

impl PacketFile {
    /// Opens the file. What there is of the options for records alone does not concern it.
    pub fn create(path: &str, how: &WriteOptions<'_>) -> Result<Self> {
        let format = Self::format(path)?;
        if how.appends && std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() > 0) {
            return Err(Error::Usage(format!(
                "{path}: the file exists, and --append cannot add to captures; name another one"
            )));
        }
        // The format of records is not that of packets.
        let plan = plan(&[], &WriteOptions { format: None, ..how.clone() });
        let file = FileSink::plain(&plan, path, Existing::AsTold)?;
        Ok(PacketFile {
            path: path.to_owned(),
            format,
            plan,
            file,
            writer: CaptureWriter::new(format),
            bytes: Vec::new(),
        })
    }

    /// What a name says that the file is to hold; of one that says nothing an error.
    pub fn format(path: &str) -> Result<FileFormat> {
        match naming::of_name(path, None) {
            (OutputFormat::Capture(format), _) => Ok(format),
            (OutputFormat::Gor | OutputFormat::Interchange(_), _) => Err(Error::Usage(format!(
                "{path}: the name of a file that keeps packets ends in .pcap or .pcapng, and .gz or .zst after \
                 that to compress"
            ))),
        }
    }

    /// Adds a packet.
    pub fn write(&mut self, packet: &Packet<'_>) -> Result<()> {
        self.bytes.clear();
        self.writer.packet(packet, &mut self.bytes).map_err(|error| error.at(self.path.as_str()))?;
        self.file.write_bytes(&self.bytes)
    }
}

impl Output for PacketFile {
    /// Has what was added written out within the flush interval; at once where the file is a pipe or a device.
    fn flush(&mut self) -> Result<()> {
        self.file.flush()
    }

    /// A file that was moved away is ended, and begun anew under its name.
    fn reopen(&mut self) -> Result<()> {
        if !self.file.was_moved() {
            return self.flush();
        }
        match FileSink::plain(&self.plan, &self.path, Existing::GoOn) {
            Ok(new) => {
                self.finish()?;
                self.file = new;
                self.writer = CaptureWriter::new(self.format);
            }
            Err(error) => self.plan.go_on_moved(error)?,
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        self.bytes.clear();
        self.writer.finish(&mut self.bytes);
        if !self.bytes.is_empty() {
            self.file.write_bytes(&self.bytes)?;
        }
        self.file.finish()
    }
}

/// A queue in front of a capture file.
#[derive(Debug)]
pub struct PacketQueue {
    queue: Queue<PacketBatch>,
    dropped: u64,
}

impl PacketQueue {
    /// Begins to write what is put in, of which about `limit` bytes may wait. When `reopening` turns true, a file that was
    /// moved away is begun anew, and it turns false again.
    pub fn start(file: PacketFile, limit: u64, reopening: &Arc<AtomicBool>) -> Result<Self> {
        let flags = QueueFlags { reopening: Arc::clone(reopening), ..QueueFlags::default() };
        let write = |file: &mut PacketFile, packets: PacketBatch| {
            packets.iter().try_for_each(|packet| file.write(&packet))
        };
        Ok(PacketQueue { queue: Queue::start("packet writer", limit, flags, file, write)?, dropped: 0 })
    }

    /// Takes packets out of a buffer, and drops them where too many wait. An error is the file's.
    pub fn put(&mut self, packets: &mut PacketBatch) -> Result<()> {
        if packets.is_empty() {
            return Ok(());
        }
        if self.queue.inlet.is_full() {
            self.dropped += packets.len() as u64;
            packets.clear();
            return Ok(());
        }
        let size = QueueSize { bytes: packets.size(), records: packets.len() };
        if self.queue.inlet.put(std::mem::take(packets), size) { Ok(()) } else { self.queue.finish() }
    }

    /// Packets that were dropped so far.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Waits until all is written, and ends the file. Once that was done, or has failed, it does nothing.
    pub fn finish(&mut self) -> Result<()> {
        self.queue.finish()
    }
}
